"""One contestant: makes itself ready, then answers questions on standard input, a line of JSON each.

The function that makes it is given its task, and returns run(n), which does n units, and what it found on the way.
Where units differ from round to round, run also takes the round.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
import json
import math
import os
import sys
import time
import warnings
from typing import Any


def main() -> None:
    """Read the task, make ready, and answer until there are no more questions."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    warnings.simplefilter("ignore")

    def answer(**said: Any) -> None:
        answers.write(json.dumps(said) + "\n")
        answers.flush()

    task = json.loads(sys.argv[1])
    missing = [name for name in task["needs"] if importlib.util.find_spec(name) is None]
    if missing:
        answer(why_not=f"{' and '.join(missing)} not installed")
        return
    module, name = task["make"].split(":")
    try:
        run, result = getattr(importlib.import_module(module), name)(task["spec"] | {"threads": task["threads"]})
    except Exception as error:
        answer(
            why_not=f"failed: {type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"[:200]
        )
        raise
    answer(result=result)
    gc.collect()
    gc.disable()
    clock = {"wall": time.perf_counter, "processor": time.process_time}[task["clock"]]
    rounds = "round" in inspect.signature(run).parameters if run is not None else False
    for line in sys.stdin:
        question = json.loads(line)
        if "least" in question:
            answer(units=_units(run, question["least"]) if question["least"] else 1)
        else:
            more = {"round": question["round"]} if rounds else {}
            answer(**_measured(run, question["units"], question["differences"], clock, more))
        gc.collect()


def _units(run: Any, least: float) -> int:
    """How many units take so many seconds at least; the first ones may take longer and say nothing."""
    run(1)
    n = 1
    while True:
        took = min(_seconds(run, n) for _ in range(2))
        if took >= least / 2:
            return max(1, math.ceil(n * least / took))
        n = max(2 * n, min(1000 * n, math.ceil(0.7 * n * least / max(took, 1e-9))))


def _seconds(run: Any, n: int) -> float:
    started = time.perf_counter()
    run(n)
    return time.perf_counter() - started


PAIRS = 3
"""Runs of n and of 2n units in a round; the shortest of each counts, since a machine that others slow makes jumps."""


def _measured(run: Any, n: int, differences: bool, clock: Any, more: dict[str, Any]) -> dict[str, float]:
    """Seconds a unit, and how many cores were at work."""
    processor, wall = time.process_time(), time.perf_counter()

    def took(units: int) -> float:
        started: float = clock()
        run(units, **more)
        ended: float = clock()
        return ended - started

    if differences:
        runs = [(took(n), took(2 * n)) for _ in range(PAIRS)]
        seconds = min(long for _, long in runs) - min(short for short, _ in runs)
    else:
        seconds = took(n)
    cores = (time.process_time() - processor) / (time.perf_counter() - wall)
    return {"seconds": seconds / n, "cores": cores}


if __name__ == "__main__":
    main()
