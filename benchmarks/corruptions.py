"""Measures whether verify finds every wrong line: the mutation score over 30 derivations.

Every one-token corruption of every line, and of every definition of an error term, of tests/corruptions.py: most cannot
be built at all, of the others each must be found wrong on verify's own random networks. Those that are equal to the
right line by mathematics, as when a constant under ∂ becomes another constant, are proved to be so over exact
polynomials, and are no corruptions.

    python benchmarks/corruptions.py [--derivations N] [--json FILE]

Exit code 1 if one is missed.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chainrule import Network
from chainrule.derivation import Derivation, derive
from chainrule.derivation.printers import expression
from chainrule.derivation.steps import GRANULARITIES

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from corruptions import Fates, fates

SOFTMAX: dict[str, Any] = {"objective": "cross_entropy", "output": "softmax"}
LOGISTIC: dict[str, Any] = {"objective": "cross_entropy", "output": "logistic"}


def with_penalised_biases() -> Network:
    """A network whose penalty counts biases, which sizes alone cannot say."""
    return Network([3, 3, 2], bias=[True, False], l2=0.1, penalize_bias=True)


def derivations() -> Iterator[Derivation]:
    """All 30: the paper's two in all granularities, then each objective with each kind of target, layer and depth."""
    for granularity in GRANULARITIES:
        yield derive([6, 8, 7, 5, 4, 3], "w[1,7,3]", granularity)
        yield derive([6, 8, 7, 5, 4, 3], "y[0,5]", granularity)
    several: dict[str, Any] = {"patterns": True, "l2": True, "bias": True}
    shapes: list[tuple[Any, str, dict[str, Any]]] = [
        ([2, 3], "w[1,2,1]", {}),
        ([3, 2], "y[0,2]", {"bias": True}),
        ([3, 4, 2], "b[1,3]", {}),
        ([3, 4, 2], "b[2,1]", {"l2": True}),
        ([2, 3, 2, 3], "w[3,2,1]", {"bias": [True, False, True]}),
        ([2, 3, 2, 3, 2], "w[2,1,2]", several),
        ([2, 2, 2, 2, 2, 2, 2, 2], "w[1,0,1]", {}),
        ([2, 3, 3], "w[1,2,0]", {"output": "softmax"}),
        ([2, 3, 3], "b[2,1]", {"output": "softmax"}),
        ([2, 3, 3], "y[0,1]", {"output": "softmax", "bias": True}),
        ([2, 3, 3], "w[2,0,2]", {"output": "softmax", **several}),
        ([2, 3, 3], "w[1,2,0]", SOFTMAX),
        ([2, 3, 3, 2], "y[0,1]", SOFTMAX),
        ([2, 3, 3], "w[2,1,1]", {**SOFTMAX, **several}),
        ([2, 3, 3, 3], "b[1,1]", {**SOFTMAX, **several}),
        ([3, 3, 2], "w[1,1,1]", LOGISTIC),
        ([3, 3, 2], "b[2,0]", {**LOGISTIC, "l2": True}),
        ([3, 2, 2, 2], "y[0,2]", {**LOGISTIC, "bias": True}),
        ([3, 3, 2], "w[2,1,2]", {**LOGISTIC, **several}),
        ([2, 3, 2], "w[1,1,0]", {"l2": True}),
        ([2, 3, 2, 2], "b[1,2]", {"patterns": True}),
        (with_penalised_biases(), "b[1,2]", {}),
        (with_penalised_biases(), "w[2,1,1]", {"patterns": True}),
        ([3, 3, 2, 2, 2], "w[4,1,0]", {"bias": True, "l2": True}),
    ]
    for n, (network, wrt, how) in enumerate(shapes):
        yield derive(network, wrt, GRANULARITIES[2 - n % 3], **how)


def table(found: list[Fates]) -> Iterator[dict[str, Any]]:
    """One row a kind of corruption, and one of all."""
    counts = [sum((getattr(one, name) for one in found), Counter()) for name in ("made", "refused", "equal", "caught")]
    missed = Counter(kind for one in found for kind, *_ in one.missed)
    for kind in sorted(counts[0]):
        made, refused, equal, caught = (one[kind] for one in counts)
        yield {
            "kind": kind,
            "made": made,
            "no corruption": equal,
            "refused": refused,
            "caught": caught,
            "missed": missed[kind],
        }
    made, refused, equal, caught = (one.total() for one in counts)
    everything = {"made": made, "no corruption": equal, "refused": refused, "caught": caught, "missed": missed.total()}
    yield {"kind": "all", **everything}


def main() -> int:
    """Corrupt them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--derivations", type=int, default=30, metavar="N", help="only the first N of the 30")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to this file")
    wanted = parser.parse_args()
    started = time.perf_counter()
    chosen = list(derivations())[: wanted.derivations]
    found = [fates(one) for one in chosen]
    seconds = time.perf_counter() - started
    rows = list(table(found))
    lines = sum(len(one) for one in chosen)
    print(f"{len(chosen)} derivations, {lines} lines, {seconds:.0f} s\n")
    print(f"{'kind':<18}{'made':>8}{'no corruption':>15}{'refused':>9}{'caught':>8}{'missed':>8}")
    for row in rows:
        print(
            f"{row['kind']:<18}{row['made']:>8,}{row['no corruption']:>15,}{row['refused']:>9,}{row['caught']:>8,}"
            f"{row['missed']:>8,}"
        )
    true = rows[-1]["made"] - rows[-1]["no corruption"]
    print(f"\nmutation score: {true - rows[-1]['missed']:,} of {true:,}")
    for one, of in zip(found, chosen, strict=True):
        for kind, step, corrupted in one.missed:
            line = expression(corrupted.line)
            print(f"missed: {kind} in line {step.number} of {of.problem.name}, {of.granularity}: {line}")
    if wanted.json is not None:
        data = {"derivations": len(chosen), "lines": lines, "seconds": seconds, "kinds": rows}
        wanted.json.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return int(rows[-1]["missed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
