"""Threads for the loops: made when they are first needed, forgotten in a forked child, which makes its own.

Loops run without Python's lock, so that plain threads do. They share one job and meet at a barrier in memory.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

_lock = threading.Lock()
_pool: list[ThreadPoolExecutor] = []

WORTH = 4e6
"""Multiplications of a batch from which a second thread pays, and again for each further one."""


def available() -> int:
    """How many threads may run: CHAINRULE_THREADS, or the processors that this process may use."""
    given = os.environ.get("CHAINRULE_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(multiplications: float, blocks: int) -> int:
    """How many threads a batch of so many multiplications, in so many blocks of rows, is worth."""
    return max(1, min(available(), blocks, int(multiplications / WORTH) + 1 if multiplications > WORTH else 1))


def run(loop: Any, job: Any, reals: Any, threads: int) -> int:
    """The loop on all threads at once; what the first of them returns."""
    barrier = np.zeros(1, np.int64)
    job[1, 7:9] = threads, barrier.ctypes.data
    if threads == 1:
        return int(loop(job, reals, 0))
    with _lock:  # one at a time: threads that wait for each other must all be running
        pool = _threads(threads)
        others = [pool.submit(loop, job, reals, me) for me in range(1, threads)]
        found = int(loop(job, reals, 0))
        for other in others:
            other.result()
    return found


def _threads(count: int) -> ThreadPoolExecutor:
    if not _pool or _pool[0]._max_workers < count:
        if _pool:
            _pool.pop().shutdown(wait=False)
        _pool.append(ThreadPoolExecutor(count, thread_name_prefix="chainrule"))
    return _pool[0]


def _forget() -> None:
    """In a forked child: its parent's threads are not here."""
    global _lock  # noqa: PLW0603  the lock may be held by a thread that is not here
    _lock = threading.Lock()
    _pool.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
