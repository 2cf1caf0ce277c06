"""Measures how far the compiled engine is from the page, on random trainings of every kind.

The cases are those of tests/random_engines.py: depth 1 to 8, widths 1 to 70, every activation, objective and output,
every update rule, float32 and float64, batches of 1 to all, weights, missing targets, penalties, layers at their own
rate or frozen, clipped gradients. E, its gradient, the outputs, and E and θ of two epochs are compared. A distance is
counted in what the page itself moves by when every number that goes in moves by one ulp ("moves"), and in ulps of the
largest entry of its block. A case in which rounding decides by rights, at a kink or on the sign of a gradient, is
counted apart: there the page moves as far.

    python benchmarks/agreement.py [--cases N] [--seed S] [--json FILE]

Case n has seed S + n. Exit code 1 if any case is beyond the limit and no rounding decides.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chainrule import engines

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from random_engines import ROUND, Case, Distance, distances, nearest, random_case

LIMIT = 32.0
"""Moves by which an engine may be off: an engine sums in another order and has functions of its own, each an ulp or two
off, and three draws do not find the largest movement. The worst of 6,174 cases was 15."""

DECIDED = 4096.0
"""Ulps within which rounding decides: what the page may be off by itself after two epochs."""


class Found(NamedTuple):
    """One case: how far off each quantity is, and how near to where rounding decides the page came if that is far."""

    case: Case
    distances: dict[str, Distance]
    nearest: float | None

    @property
    def worst(self) -> Distance:
        """Of all quantities."""
        return max(self.distances.values())

    @property
    def decided(self) -> bool:
        """Whether it is far off because rounding decided."""
        return self.nearest is not None and self.nearest < DECIDED

    @property
    def missed(self) -> bool:
        """Whether it is far off, and nothing explains it."""
        return self.worst.moves > LIMIT and not self.decided


def compare(engine: Any, seeds: range) -> Iterator[Found]:
    """Each case beside the page."""
    for seed in seeds:
        case = random_case(seed)
        found = distances(engine, case)
        yield Found(case, found, nearest(case) if max(found.values()).moves > LIMIT else None)


def summary(found: list[Found]) -> Iterator[dict[str, Any]]:
    """One row for each quantity, type, objective and rule: the worst of its cases."""
    for quantity in found[0].distances:
        yield _row("quantity", quantity, found, lambda one, name=quantity: one.distances[name])
    kinds: dict[str, Callable[[Case], str]] = {
        "type": lambda case: case.net.dtype.name,
        "objective": lambda case: case.net.objective.name,
        "rule": lambda case: case.rule.name,
    }
    for kind, of in kinds.items():
        for name in dict.fromkeys(of(one.case) for one in found):
            yield _row(kind, name, [one for one in found if of(one.case) == name], lambda one: one.worst)


def _row(kind: str, name: str, found: list[Found], of: Callable[[Found], Distance]) -> dict[str, Any]:
    plain = [one for one in found if not one.decided]
    worst = max(plain, key=of, default=None)
    return {
        "kind": kind,
        "name": name,
        "cases": len(found),
        "moves": of(worst).moves if worst else 0.0,
        "ulps": max((of(one).ulps for one in plain), default=0.0),
        "seed": worst.case.seed if worst else None,
        "decided by rounding": sum(one.decided for one in found),
        "missed": sum(one.missed for one in found),
    }


def print_tables(rows: list[dict[str, Any]], found: list[Found]) -> None:
    """The table, then what was missed."""
    print(f"{'':<11}{'':<18}{'cases':>7}{'moves':>8}{'ulps':>12}{'seed':>7}{'decided':>9}{'missed':>8}")
    for row in rows:
        print(
            f"{row['kind']:<11}{row['name']:<18}{row['cases']:>7,}{row['moves']:>8.1f}{row['ulps']:>12.3g}"
            f"{row['seed'] if row['seed'] is not None else '–':>7}{row['decided by rounding']:>9}{row['missed']:>8}"
        )
    for one in found:
        if one.missed:
            name = max(one.distances, key=lambda name: one.distances[name])
            print(f"\n{one.case}\n  {name}: {one.distances[name].moves:.3g} moves, nearest {one.nearest:.3g} ulps")


def main() -> int:
    """Compare them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=3 * ROUND, metavar="N", help=f"{ROUND} take every combination")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--engine", default="cpu")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to this file")
    wanted = parser.parse_args()
    started, found = time.perf_counter(), []
    for one in compare(engines.load(wanted.engine), range(wanted.seed, wanted.seed + wanted.cases)):
        found.append(one)
        if len(found) % 250 == 0:
            print(f"{len(found):,} of {wanted.cases:,} cases", file=sys.stderr)
    rows, seconds = list(summary(found)), time.perf_counter() - started
    print(f"{wanted.cases:,} cases, seeds from {wanted.seed}, {seconds:.0f} s; limit {LIMIT:g} moves\n")
    print_tables(rows, found)
    if wanted.json is not None:
        data = {"cases": wanted.cases, "seed": wanted.seed, "seconds": seconds, "limit": LIMIT, "rows": rows}
        wanted.json.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return int(any(one.missed for one in found))


if __name__ == "__main__":
    sys.exit(main())
