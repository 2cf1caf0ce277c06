"""Benchmarks of the engine for the processor: one table a question, with ratios against what else is installed.

    script/bench NAME… [--dtype float64] [--threads 2] [--json FILE]

Peers that are not installed are named as missing. Exit code 1 if two that should do the same work did not.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import report
from measure import How
from workloads import WORKLOADS

QUESTIONS = ("step", "adam", "fit", "predict", "start", "scaling")
DATA = "for fit: digits, diabetes (both) or files of numbers whose last column is the target"
PEERS = ("jax", "torch", "sklearn", "onnx")
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def listed() -> str:
    """Every question, and what it asks."""
    return _listed([Path(__file__).with_name(f"{name}.py") for name in QUESTIONS])


def _listed(files: list[Path]) -> str:
    docs = {file.stem: ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "" for file in files}
    return "\n".join(f"{name:<16}{doc.splitlines()[0]}" for name, doc in docs.items())


def arguments(given: list[str]) -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(
        "script/bench", description=__doc__, epilog=listed(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", choices=[*QUESTIONS, []], help="questions, in this order; none lists them")
    add("--dtype", choices=("float32", "float64"), default="float32")
    add("--threads", type=int, default=1, help="for everyone")
    add("--workloads", nargs="+", choices=WORKLOADS, help="networks of step (all) and adam (T2 to T4)")
    add("--against", nargs="*", choices=PEERS, default=list(PEERS), help="peers that take part (all)")
    add("--data", nargs="+", metavar="TABLE", default=["digits", "diabetes"], help=DATA)
    add("--patterns", type=int, default=10_000, help="for predict: of the batch")
    add("--points", type=int, default=6, help="for scaling: how many of each axis")
    add("--epochs", type=int, help="for fit: at most")
    add("--rounds", type=int, default=7, help="each takes the median of so many")
    add(
        "--seconds",
        type=float,
        default=0.06,
        help="the least of a run; a round is three, and three twice as long",
    )
    add("--clock", choices=("wall", "processor"), default="wall", help="processor: what a contestant worked itself")
    add("--python", default=sys.executable, help="the interpreter of all contestants, where the peers are installed")
    add("--json", type=Path, metavar="FILE", help="keep every figure in this file, beside what it holds already")
    add("--page", nargs="+", type=Path, metavar="FILE", help="write the tables of these files into docs/benchmarks.md")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Measure, print and keep."""
    wanted = arguments(sys.argv[1:] if given is None else given)
    if wanted.page:
        PAGE.write_text(report.page(PAGE.read_text(encoding="utf-8"), wanted.page), encoding="utf-8")
        return 0
    if not wanted.names:
        print(f"The engine for the processor:\n{listed()}\n\nPrograms of their own, with --help:")
        print(_listed(sorted(Path(__file__).parents[1].glob("*.py"))))
        return 0
    how = How(wanted.python, wanted.rounds, wanted.seconds, wanted.threads, wanted.clock)
    header = report.header(how)
    print("\n".join(report.header_lines(header)), end="\n\n", flush=True)
    chosen, wrong, done = wanted.workloads, False, []
    for name in wanted.names:
        wanted.workloads = chosen or (["T2", "T3", "T4"] if name == "adam" else [*WORKLOADS])
        started = time.perf_counter()
        for table in import_module(name).tables(wanted, how):
            found = {"question": name, **asdict(table)}
            print(report.text(found), flush=True)
            wrong, done = wrong or bool(table.wrong), [*done, found]
        print(f"{name}: {time.perf_counter() - started:.0f} s, load average now {report.load()}\n", flush=True)
    if wanted.json is not None:
        before = json.loads(wanted.json.read_text(encoding="utf-8")) if wanted.json.exists() else []
        data = [*before, {"header": header, "load at the end": report.load(), "tables": done}]
        wanted.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
