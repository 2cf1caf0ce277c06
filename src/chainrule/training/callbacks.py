"""Callbacks: what a user wants done before and after each epoch, and who may stop a run.

Stands outside the derivation: a callback sees the run and changes nothing in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.network import Network
from chainrule.training.history import History


@dataclass(frozen=True)
class Run:
    """A run as a callback sees it; nothing in it is to be changed.

    Attributes
    ----------
    epoch : int
        From 1: the one that is about to begin, or that has ended.
    history : History
        Of the epochs that have ended.
    network : Network
        As it is now; its weights cannot be set.
    learning_rate : float or None
        Of the last update of the epoch; None for a rule that has none.
    seconds : float
        Since the run began.
    """

    epoch: int
    history: History
    network: Network
    learning_rate: float | None
    seconds: float


class Callbacks:
    """All callbacks of a run, checked.

    One is a function of a :class:`Run`, called after each epoch, or an object with ``before_epoch(run)``,
    ``after_epoch(run)`` or both. What returns True stops the run. At the end, however that comes, ``close()`` is
    called of those that have it.
    """

    def __init__(self, given: Any) -> None:
        if not isinstance(given, Iterable):
            raise ValueError(f"callbacks must be a list; got {type(given).__name__}. Put it between brackets.")
        self.all = list(given)
        self.before: list[tuple[str, Callable[[Run], Any]]] = []
        self.after: list[tuple[str, Callable[[Run], Any]]] = []
        for one in self.all:
            before, after = (getattr(one, name, None) for name in ("before_epoch", "after_epoch"))
            if isinstance(one, type) or not (before or after or callable(one)):
                got = f"the class {one.__name__}" if isinstance(one, type) else type(one).__name__
                raise ValueError(
                    f"callbacks must be functions, or objects with before_epoch or after_epoch; got {got}. "
                    f"{'Make one of it' if isinstance(one, type) else 'Correct it'}."
                )
            name = getattr(one, "__name__", type(one).__name__)
            if before:
                self.before.append((name, before))
            if after or not before:
                self.after.append((name, after or one))

    def before_epoch(self, run: Run) -> str:
        """Call each; why the run is to stop, or nothing."""
        return _call(self.before, run)

    def after_epoch(self, run: Run) -> str:
        """The same."""
        return _call(self.after, run)

    def close(self) -> None:
        """Close each that can be closed, the last first, also if one of them fails."""
        with ExitStack() as stack:
            for one in self.all:
                if hasattr(one, "close"):
                    stack.callback(one.close)


def _call(functions: list[tuple[str, Callable[[Run], Any]]], run: Run) -> str:
    said = [(name, function(run)) for name, function in functions]
    return next((f"stopped by {name}" for name, stop in said if isinstance(stop, bool | np.bool_) and stop), "")
