"""Measures how well the lines of derivations agree with one another and with the complex step, on random ones.

The derivations are those of tests/random_derivations.py: depth 1 to 6, widths 1 to 5, some biases, a weight, bias or
input of any layer, five objectives with their outputs, penalties with and without biases, several patterns, all
granularities. Each is verified on a random network of its own and on one of verify's. A relative error is the
difference over the larger of the two values: of line 1 and the complex step, of every other line and line 1. Where
terms of a sum cancel, rounding may be more than the target and yet no more than what is summed allows; such lines are
counted as lost, not as wrong.

    python benchmarks/derivations.py [--derivations N] [--seed S] [--json FILE]

Derivation n has seed S + n. Exit code 1 if a line is wrong.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from random_derivations import random_case

TARGET = 1e-12


class Found(NamedTuple):
    """One line on one network."""

    seed: int
    kind: str
    network: str
    number: int
    relative_error: float
    ok: bool


def kind_of(problem: Any) -> str:
    """The objective, as the rows of the table say it."""
    return f"{problem.objective}{' of ' + problem.output if problem.output else ''}"


def lines_of(seeds: range) -> Iterator[Found]:
    """Every line of every derivation, on both networks."""
    for seed in seeds:
        case = random_case(seed)
        verification = case.derivation.verify(inputs=case.inputs, targets=case.targets, weights=case.weights, generic=1)
        kind = kind_of(case.derivation.problem)
        for one in (verification, *verification.generic):
            for line in one.lines:
                yield Found(seed, kind, one.network, line.number, line.relative_error, line.ok)


def summary(found: list[Found]) -> Iterator[dict[str, Any]]:
    """One row an objective, and one of all."""
    for kind in [*sorted({line.kind for line in found}), "all"]:
        lines = [line for line in found if kind in (line.kind, "all")]
        yield {
            "objective": kind,
            "derivations": len({line.seed for line in lines}),
            "lines": len(lines),
            "wrong": sum(not line.ok for line in lines),
            "lost": sum(line.ok and not line.relative_error <= TARGET for line in lines),
            "lines apart": max((line.relative_error for line in lines if line.number > 1), default=0.0),
            "line 1 and oracle": max((line.relative_error for line in lines if line.number == 1), default=0.0),
        }


def main() -> int:
    """Verify them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--derivations", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to this file")
    wanted = parser.parse_args()
    started = time.perf_counter()
    found = list(lines_of(range(wanted.seed, wanted.seed + wanted.derivations)))
    seconds = time.perf_counter() - started
    rows = list(summary(found))
    print(f"{wanted.derivations:,} derivations, seeds from {wanted.seed}, {seconds:.0f} s\n")
    print(f"{'objective':<26}{'derivations':>12}{'lines':>8}{'wrong':>7}{'lost':>6}{'lines apart':>13}{'line 1':>9}")
    for row in rows:
        print(
            f"{row['objective']:<26}{row['derivations']:>12,}{row['lines']:>8,}{row['wrong']:>7}{row['lost']:>6}"
            f"{row['lines apart']:>13.1e}{row['line 1 and oracle']:>9.1e}"
        )
    for line in found:
        if not line.ok:
            print(f"\nline {line.number} is wrong on {line.network} of {random_case(line.seed)}")
    if wanted.json is not None:
        data = {"derivations": wanted.derivations, "seed": wanted.seed, "seconds": seconds, "rows": rows}
        wanted.json.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return int(rows[-1]["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
