"""train_many(): many independent networks at once, over the threads: restarts, folds, ways of training.

Stands beside :mod:`chainrule.training.loop`: each run is a :func:`~chainrule.training.loop.train` of its own, and comes
out as it would alone, bit for bit, since compiled engines leave Python's lock to the others while they work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

from chainrule import engines
from chainrule.network import Network
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.progress import progress as progress_bar

Result = TypeVar("Result")


def train_many(
    nets: Sequence[Network],
    inputs: Any = None,
    targets: Any = None,
    *,
    each: Sequence[Mapping[str, Any]] | None = None,
    threads: int | None = None,
    progress: bool | None = None,
    callbacks: Any = (),
    **how: Any,
) -> list[tuple[Network, History]]:
    """Train copies of many networks at once; the arguments are never changed.

    Parameters
    ----------
    nets : sequence of Network
        Where each run starts.
    inputs, targets : array of shape (patterns, inputs), (patterns, outputs)
        What all of them learn, unless ``each`` says otherwise.
    each : sequence of mapping, optional
        For each network what :func:`chainrule.train` is to be given for it alone: its inputs and targets, a seed, a
        learning rate, validation … Its callbacks are called beside those of all.
    threads : int, optional
        How many runs at once; by default one a processor, or CHAINRULE_THREADS.
    progress : bool, optional
        Whether to show how many are done; by default on a terminal.
    callbacks : sequence
        As for train; they are called from several threads.
    **how
        What else :func:`chainrule.train` takes, the same for all.

    Returns
    -------
    list of tuple (Network, History)
        In the order of the networks, each as train would give it.

    Raises
    ------
    ValueError
        If there are not as many in each as in nets, or a run cannot begin.
    Diverged
        If a run diverges; of several that do, the first in their order.
    KeyboardInterrupt
        On Ctrl-C, as soon as every run has stopped.
    """
    given: list[Mapping[str, Any]] = [{} for _ in nets] if each is None else list(each)
    if len(given) != len(nets):
        raise ValueError(
            f"each must hold one mapping for each of the {len(nets)} networks; got {len(given)}. Pass as many."
        )
    stop = threading.Event()
    common = {"inputs": inputs, "targets": targets, **how, "progress": False}
    runs = [
        partial(train, net, **{**common, **own, "callbacks": [*own.get("callbacks", ()), *callbacks, _Stop(stop)]})
        for net, own in zip(nets, given, strict=True)
    ]
    with progress_bar(len(runs), progress, "networks") as report:
        return at_once(runs, threads, stop, lambda: report(0.0, None, 1.0))


def at_once(
    calls: Sequence[Callable[[], Result]],
    threads: int | None = None,
    stop: threading.Event | None = None,
    done: Callable[[], None] = lambda: None,
) -> list[Result]:
    """The results of independent calls, in their order, several at a time; the first error in their order is raised.

    On Ctrl-C ``stop`` is set, calls that have not begun are dropped, and the others are waited for: engines that run
    compiled stop at once.
    """
    count = min(len(calls), threads or engines.threads())
    if count < 2:
        results = []
        for call in calls:
            results.append(call())
            done()
        return results
    stop = threading.Event() if stop is None else stop
    with ThreadPoolExecutor(count, "chainrule-run", initializer=engines.alone, initargs=(stop,)) as pool:
        futures: list[Future[Result]] = []
        try:
            futures.extend(pool.submit(call) for call in calls)
            left = set(futures)
            while left:
                finished, left = wait(left, timeout=0.1)
                for _ in finished:
                    done()
        except KeyboardInterrupt:
            stop.set()
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]


class _Stop:
    """Ends a run after the epoch in which it is told to."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def after_epoch(self, run: Any) -> bool:
        return self._event.is_set()
