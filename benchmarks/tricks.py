"""What each trick of the engine for the processor gains: it is switched off in a copy of the source; both are timed.

    python benchmarks/tricks.py [NAME …] [--rounds 5] [--json FILE]

A step of plain descent, float32, one thread, on networks of benchmarks/engine. With and without take turns, each in a
process of its own; a round takes the shortest of many runs, and what is printed is the median over the rounds of how
many times longer a step takes without. Exit code 1 if the source is no longer what a switch looks for.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import chainrule


class Trick(NamedTuple):
    """Where it is, what stands there, what stands there without it, and the networks that it matters to.

    T4/1 is T4 with batches of one pattern.
    """

    file: str
    on: str
    off: str
    networks: tuple[str, ...]


TRICKS = {
    "no strides of a power of two": Trick(
        "layout.py",
        "return length + WIDTH if length >= FAR and length & (length - 1) == 0 else length",
        "return length",
        ("T3", "T4", "T5"),
    ),
    "large pages": Trick("layout.py", "step = HUGE if total >= HUGE else 64", "step = 64", ("T5", "T6")),
    "long blocks": Trick(
        "layout.py",
        "return LONG_BLOCK if together(net) else BLOCK",
        "return BLOCK",
        ("T5", "T6"),
    ),
    "y and e copied for the gradient": Trick(
        "layout.py",
        "return min(below, stride) >= WIDE and rows * (below + stride) >= LARGE",
        "return False",
        ("T5", "T6"),
    ),
    "y copied in pieces": Trick("layout.py", "pieces = max(1, -(-rows * length // NEAR))", "pieces = 1", ("T6",)),
    "y copied for its layer": Trick(
        "layout.py", "rows >= 2 * ROWS[0] and vectors >= MANY", "False", ("T4", "T5", "T6")
    ),
    "four numbers of a sum in a turn": Trick(
        "tiles.py",
        "values = turns(values, UNROLLED, True)",
        "values = turns(values, 1, True)",
        ("T3", "T4", "T5", "T6"),
    ),
    "numbers of A read twice": Trick("tiles.py", "TWICE = 3\n", "TWICE = 0\n", ("T4", "T5", "T6")),
    "what is next brought near": Trick(
        "tiles.py",
        "if mode not in (LAST_BACKWARD, GRADIENT) and rows == ROWS[0]:",
        "if False:",
        ("T3", "T4", "T5", "T6"),
    ),
    "w as it lies where patterns are many": Trick(
        "loop.py",
        "return 7 * empty <= patterns",
        "return False",
        ("T4", "T5", "T6"),
    ),
    "e in pieces that stay near": Trick("tiles.py", "SUMMED = 256\n", "SUMMED = 2**20\n", ("T5", "T6")),
    "a tile of 5 rows": Trick("layout.py", "64: (12, 5, 4, 1)", "64: (12, 4, 4, 1)", ("T2", "T3", "T4", "T5")),
    "a tile of 8 rows": Trick("tiles.py", "elif left == 2 * middle:", "elif False:", ("T2", "T3", "T4")),
    "eight sums at once for one row": Trick("tiles.py", "if left >= 8 and mode == FORWARD:", "if False:", ("T4/1",)),
    "functions of their own for what is not small": Trick(
        "front.py", 'builder.function.attributes.add("noinline")', "pass", ("T1", "T2", "T3")
    ),
    "refined reciprocals": Trick(
        "vector.py",
        "guess = self._reciprocal(b) if usual and self.fma else None",
        "guess = None",
        ("T2", "T3", "T4"),
    ),
    "scaling by a power of two in one instruction": Trick(
        "vector.py", "        if vector_bytes() == 64:\n", "        if False:\n", ("T2", "T3", "T4")
    ),
    "w of narrow layers as on paper": Trick(
        "layout.py", "return few if few <= min(4, lanes // 2) else 0", "return 0", ("T1", "T2", "T3")
    ),
    "w as it lies where patterns are few": Trick("loop.py", "FEW = 4\n", "FEW = 0\n", ("T1", "T4/1")),
    "rows together in activations": Trick("rows.py", "TOGETHER = 4", "TOGETHER = 1", ("T2", "T3", "T4")),
    "gathering by vectors": Trick(
        "loop.py",
        "        move_part(like, to + whole, source + whole, (length - whole) // size)\n",
        "        for at in range(whole, length, size):\n            put(like, to + at, get(like, source + at))\n",
        ("T1", "T2", "T3"),
    ),
}

TIMED = """
import json, sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
import ours, workloads
from chainrule.engines import load, source
from chainrule.training.descent import rule

found = {}
for name in sys.argv[2:]:
    network, _, batch_size = name.partition("/")
    spec = workloads.spec(network, "float32", "gradient_descent")
    spec["batch_size"] = int(batch_size or spec["batch_size"])
    net, (inputs, targets) = ours.network(spec), workloads.patterns(spec)
    engine = load("cpu")
    given = source(net, inputs, targets, None, spec["batch_size"])
    state = engine.prepare(net, given, rule("gradient_descent"))
    order, rates = workloads.order(spec, 0), np.full(spec["patterns"] // spec["batch_size"], 1e-4)
    engine.epoch(state, given, order, rates)
    took, until = [], time.perf_counter() + 1.0
    while time.perf_counter() < until or len(took) < 3:
        started = time.perf_counter()
        engine.epoch(state, given, order, rates)
        took.append((time.perf_counter() - started) / len(rates))
    found[name] = min(took)
print(json.dumps(found))
"""


def without(trick: Trick, folder: Path) -> Path:
    """A copy of the source without it."""
    copy = folder / "src"
    shutil.copytree(Path(chainrule.__file__).parent, copy / "chainrule", ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "chainrule" / "engines" / "cpu" / trick.file
    text = path.read_text(encoding="utf-8")
    if trick.on not in text:
        sys.exit(f"{trick.file} must hold {trick.on.strip()!r}; it does not any more. Correct benchmarks/tricks.py.")
    path.write_text(text.replace(trick.on, trick.off, 1), encoding="utf-8")
    return copy


def timed(source: Path, networks: tuple[str, ...]) -> dict[str, float]:
    """Seconds a step, by that source."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED, str(Path(__file__).parent / "engine"), *networks],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source), "CHAINRULE_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Switch off one after the other and print what a step takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(TRICKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in TRICKS]:
        parser.error(f"{unknown[0]!r} is none of the tricks: {', '.join(TRICKS)}")
    kept: dict[str, dict[str, list[float]]] = {}
    for name in given.names or TRICKS:
        trick = TRICKS[name]
        with tempfile.TemporaryDirectory() as folder:
            copy = without(trick, Path(folder))
            ratios: dict[str, list[float]] = {network: [] for network in trick.networks}
            for _ in range(given.rounds):
                usual = timed(Path(chainrule.__file__).parents[1], trick.networks)
                bare = timed(copy, trick.networks)
                for network, seconds in bare.items():
                    ratios[network].append(seconds / usual[network])
        kept[name] = ratios
        found = ", ".join(f"{network} {statistics.median(of_one):.2f}" for network, of_one in ratios.items())
        print(f"{name}: {found}", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
