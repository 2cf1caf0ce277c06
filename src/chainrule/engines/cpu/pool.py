"""Threads for the loops: made when they are first needed, forgotten in a forked child, which makes its own.

Loops run without Python's lock, so that plain threads do. They share one job and meet at a barrier in memory.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from chainrule.engines import threads

_lock = threading.Lock()
_pool: list[ThreadPoolExecutor] = []

WORTH = 4e6
"""Multiplications of a batch from which a second thread pays, and again for each further one."""


def threads_for(multiplications: float, blocks: int) -> int:
    """How many threads a batch of so many multiplications, in so many blocks of rows, is worth."""
    return max(1, min(threads(), blocks, int(multiplications / WORTH) + 1 if multiplications > WORTH else 1))


TRY_AGAIN = 64
"""Calls after which the other number of threads is tried again."""


class Pace:
    """Chooses between one thread and all by what the last calls took: on a busy machine threads wait for one another.

    The choice changes no bit of any result.
    """

    def __init__(self, most: int) -> None:
        self.most, self._took, self._calls = most, {most: -1.0, 1: -1.0}, 0

    def count(self) -> int:
        """Threads for the next call."""
        self._calls += 1
        ordered = sorted(self._took, key=lambda count: self._took[count])  # what was never tried comes first
        return ordered[-1] if self._calls % TRY_AGAIN == 0 else ordered[0]

    def took(self, count: int, seconds: float) -> None:
        """What a call took, for the same work."""
        before = self._took.get(count, -1.0)
        self._took[count] = seconds if before < 0 else (before + seconds) / 2


def run(loop: Any, job: Any, reals: Any, count: int) -> int:
    """The loop on all threads at once; what the first of them returns."""
    barrier = np.zeros(1, np.int64)
    job[1, 7:9] = count, barrier.ctypes.data
    if count == 1:
        return int(loop(job, reals, 0))
    with _lock:  # one at a time: threads that wait for each other must all be running
        pool = _threads(count)
        others = [pool.submit(loop, job, reals, me) for me in range(1, count)]
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
