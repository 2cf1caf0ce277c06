"""Threads for the loops: made when they are first needed, forgotten in a forked child, which makes its own.

Loops run without Python's lock, so that plain threads do. They share one job and meet at a barrier in memory.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakSet

import numpy as np

from chainrule.engines import threads
from chainrule.engines.cpu import jobs

WORTH = 4e6
"""Multiplications of a batch from which a second thread pays, and again for each further one."""


def threads_for(multiplications: float, blocks: int) -> int:
    """How many threads a batch of so many multiplications, in so many blocks of rows, is worth."""
    return max(1, min(threads(), blocks, int(multiplications / WORTH) + 1 if multiplications > WORTH else 1))


TRY_AGAIN = 64
"""Calls after which the other number of threads is tried again."""


class Pace:
    """Chooses between one thread and all by what the last calls took: on a busy machine threads wait for one another.

    Each is tried twice first, and the better time counts: the first call makes threads and finds the caches empty. The
    choice changes no bit of any result.
    """

    def __init__(self, most: int) -> None:
        self.most, self._calls = most, 0
        self._took: dict[int, list[float]] = {most: [], 1: []}

    def count(self) -> int:
        """Threads for the next call."""
        self._calls += 1
        fewest = min(self._took, key=lambda count: len(self._took[count]))
        if len(self._took[fewest]) < 2:
            return fewest
        ordered = sorted(self._took, key=lambda count: min(self._took[count]))
        return ordered[-1] if self._calls % TRY_AGAIN == 0 else ordered[0]

    def took(self, count: int, seconds: float) -> None:
        """What a call took, for the same work."""
        last = self._took.setdefault(count, [])
        last.append(seconds)
        del last[:-2]


class Lock:
    """A lock that a forked child finds open: the thread that held it is not there.

    It is ``mutex`` that is held, Python's own, since Ctrl-C cannot come between taking that and what follows ``with``.
    """

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        _locks.add(self)


_locks: WeakSet[Lock] = WeakSet()
_lock = Lock()
_pool: list[ThreadPoolExecutor] = []

CALLED_OFF = -(2**62)
"""What a barrier holds when the threads that wait at it need not wait for the others any more."""

MEETINGS = 2
"""Its counters that are of meetings; the others are numbers of pieces, which there are no such of."""


def run(loop: Any, job: Any, reals: Any, count: int, keep: Any) -> int:
    """The loop on so many threads at once; what the first of them returns. Its memory is kept as long as any runs."""
    if count > 1:
        with _lock.mutex:  # one at a time: threads that wait for each other must all be running
            found = _together(loop, job.copy(), reals, count, keep)
        if found is not None:
            return found
    job[jobs.THREADS] = 1
    return int(loop(job, reals, 0))


def _together(loop: Any, job: Any, reals: Any, count: int, keep: Any) -> int | None:
    """The same; None if the system gives no more threads. Ctrl-C may come at any point outside of the loop."""
    barrier = np.zeros((count + 3, 8), np.int64)  # counters in lines of their own: see team.py
    job[jobs.THREADS], job[jobs.BARRIER] = count, barrier.ctypes.data
    others, begun = [], False
    try:
        pool = _threads(count)
        for me in range(1, count):
            others.append(pool.submit(_part, loop, job, reals, me, (keep, barrier)))
        begun = True
        found = int(loop(job, reals, 0))
    except RuntimeError:
        if begun:
            raise
        barrier[:MEETINGS] = CALLED_OFF
        return None
    except BaseException:
        barrier[:MEETINGS] = CALLED_OFF
        raise
    for other in others:
        other.result()
    return found


def _part(loop: Any, job: Any, reals: Any, me: int, _keep: Any) -> None:
    loop(job, reals, me)


def _threads(count: int) -> ThreadPoolExecutor:
    if not _pool or _pool[0]._max_workers < count:
        if _pool:
            _pool.pop().shutdown(wait=False)
        _pool.append(ThreadPoolExecutor(count, thread_name_prefix="chainrule"))
    return _pool[0]


def _forget() -> None:
    """In a forked child: its parent's threads are not here."""
    _pool.clear()
    for lock in _locks:
        lock.mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
