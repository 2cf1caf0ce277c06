"""Contestants in processes of their own, which take turns: fixed threads, differences of epochs, medians and spread.

A library reads how many threads it may use when it is imported; so each contestant runs in a process of its own, which
waits while another is measured. In each round everyone is asked once, in the same order: what slows the machine for a
while slows all. A unit (an epoch, a call) takes the difference between 2n and n of them over n, so that what is done
once in a run does not count.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
READY = 600.0
"""Seconds in which a contestant must be ready, what it compiles included."""

PAUSE = 0.02
"""Seconds between two turns, in which the threads of a library that still wait for work go to sleep."""


@dataclass(frozen=True)
class Entry:
    """A contestant: the function that makes it, as module:function, what must be installed, and its task."""

    make: str
    spec: dict[str, Any]
    needs: tuple[str, ...] = ()


@dataclass
class Found:
    """What one contestant did: seconds a unit in each round, or why there are none."""

    seconds: list[float] = field(default_factory=list)
    why_not: str = ""
    result: Any = None
    cores: float = 0.0

    @property
    def median(self) -> float:
        """Of its rounds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class How:
    """How to measure: the interpreter of the contestants, rounds, the least seconds of a run, threads, and the clock.

    The clock "processor" counts what the processor worked for the contestant, all its threads together: on a busy
    machine, with one thread, it says more than the clock on the wall.
    """

    python: str = sys.executable
    rounds: int = 7
    seconds: float = 0.06
    threads: int = 1
    clock: str = "wall"

    def __str__(self) -> str:
        """What belongs into the title of a table."""
        clock = "" if self.clock == "wall" else ", processor time"
        return f"{self.threads} thread{'s' if self.threads > 1 else ''}{clock}"


def environment(threads: int) -> dict[str, str]:
    """The machine's, with so many threads for everyone, and JAX on the processor."""
    eigen = "true" if threads > 1 else "false"
    number = str(threads)
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "CHAINRULE_THREADS", "NPROC")
    return {
        **os.environ,
        **dict.fromkeys(names, number),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}",
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


class _Worker:
    """A contestant in its process."""

    def __init__(self, entry: Entry, how: How) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        task = json.dumps(
            {"make": entry.make, "needs": entry.needs, "spec": entry.spec, "threads": how.threads, "clock": how.clock}
        )
        self._process = subprocess.Popen(
            [how.python, str(WORKER), task],
            env=environment(how.threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, **question: Any) -> None:
        """Send a question."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the answer says why
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()

    def answer(self, seconds: float = READY) -> dict[str, Any]:
        """What it says; if it died or takes too long, that."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return {"why_not": f"no answer in {seconds:.0f} s"}
        line = self._process.stdout.readline()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        return {"why_not": f"failed: {said[-1][:200] if said else 'it said nothing'}"}

    def end(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._errors.close()
        self._process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()


def contest(entries: Mapping[str, Entry], how: How, differences: bool = True) -> dict[str, Found]:
    """Measure everyone, round by round; without differences a unit is a whole run, done once a round."""
    workers = {name: _Worker(entry, how) for name, entry in entries.items()}
    found = {name: Found() for name in entries}
    try:
        for name, worker in workers.items():
            said = worker.answer()
            found[name].why_not, found[name].result = said.get("why_not", ""), said.get("result")
        units = {}
        for name, worker in workers.items():
            if not found[name].why_not:
                worker.ask(least=how.seconds if differences else 0.0)
                said = worker.answer()
                found[name].why_not, units[name] = said.get("why_not", ""), said.get("units", 1)
        cores: dict[str, list[float]] = {name: [] for name in entries}
        for n in range(how.rounds):
            for name, worker in workers.items():
                if not found[name].why_not:
                    time.sleep(PAUSE)
                    worker.ask(units=units[name], differences=differences, round=n)
                    said = worker.answer()
                    found[name].why_not = said.get("why_not", "")
                    if not found[name].why_not:
                        found[name].seconds.append(said["seconds"])
                        cores[name].append(said["cores"])
                        found[name].cores = statistics.median(cores[name])
    finally:
        for worker in workers.values():
            worker.end()
    return found


def ask(entry: Entry, how: How) -> Found:
    """What a contestant finds when it is made, without measuring it."""
    worker = _Worker(entry, how)
    try:
        said = worker.answer()
        return Found(why_not=said.get("why_not", ""), result=said.get("result"))
    finally:
        worker.end()


def ratios(slow: Found, fast: Found) -> list[float]:
    """How many times faster the second is, round by round."""
    return [one / other for one, other in zip(slow.seconds, fast.seconds, strict=False)]


def ratio(slow: Found, fast: Found) -> float:
    """The median of :func:`ratios`: both were measured right after one another in each round."""
    return statistics.median(ratios(slow, fast))
