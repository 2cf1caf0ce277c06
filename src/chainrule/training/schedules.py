"""The schedules: how the learning rate η goes over a run.

Stands beside the update rules: a rule says what is done with η, a schedule what η is in each update. Its letters: t the
time of an update in epochs from 0, T how many epochs there are, both without those of the warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, isfinite
from typing import Any

import numpy as np

from chainrule.notation import FloatArray
from chainrule.training.descent import by_name, own_constants
from chainrule.training.history import History

Formula = Callable[..., Any]


@dataclass(frozen=True)
class Schedule:
    """One schedule: its formula ``(t, T, errors, **constants) -> factor of η``, and its constants.

    ``errors`` are those of the epochs before, of the validation patterns if there are any, else running. Every schedule
    has a constant ``warm_up`` beside its own: in so many epochs η rises linearly to what is asked for; then t begins.
    """

    name: str
    formula: Formula
    constants: dict[str, float] = field(default_factory=dict)
    warm_up: float = 0.0

    def rates(self, learning_rate: float, history: History, updates: int, epochs: int) -> FloatArray:
        """The learning rate of each update of the epoch after those of the history; it depends on nothing else."""
        n = history.epochs * updates + np.arange(updates)
        rising = self.warm_up * updates
        later = n >= rising
        errors = (history.validation or history.running)[ceil(self.warm_up) :]
        factors = (n + 1) / (rising + 1)
        t, T = (n[later] - rising) / updates, epochs - self.warm_up
        factors[later] = self.formula(t, T, errors, **self.constants)
        return learning_rate * factors


def _constant(t: FloatArray, T: float, errors: Sequence[float]) -> float:
    """1."""
    return 1.0


def _step(t: FloatArray, T: float, errors: Sequence[float], *, every: float, factor: float) -> FloatArray:
    """Times the factor after every so many epochs."""
    return np.asarray(factor ** np.floor(t / every))


def _cosine(t: FloatArray, T: float, errors: Sequence[float], *, least: float) -> FloatArray:
    """Half a cosine from 1 down to the least (Loshchilov and Hutter 2017)."""
    return np.asarray(least + (1 - least) * (1 + np.cos(np.pi * t / T)) / 2)


def _plateau(t: FloatArray, T: float, errors: Sequence[float], *, patience: float, factor: float, gain: float) -> float:
    """Times the factor whenever E has not fallen by this share of itself for so many epochs."""
    scale, best, waited = 1.0, np.inf, 0
    for E in errors:
        improved = not isfinite(best) or best - gain * abs(best) > E
        best, waited = (E, 0) if improved else (best, waited + 1)
        if waited >= patience:
            scale, waited = scale * factor, 0
    return scale


SCHEDULES: dict[str, Schedule] = {
    row.name: row
    for row in (
        Schedule("constant", _constant),
        Schedule("step", _step, {"every": 10.0, "factor": 0.5}),
        Schedule("cosine", _cosine, {"least": 0.0}),
        Schedule("plateau", _plateau, {"patience": 10.0, "factor": 0.5, "gain": 1e-4}),
    )
}
"""Every schedule by name."""

LEAST = {"warm_up": "from 0 up", "least": "from 0 up", "gain": "from 0 up"}
LEAST |= {"every": "above 0", "factor": "above 0", "patience": "above 0"}
"""What the constants of these schedules must be."""


def schedule(which: str | Schedule, **constants: Any) -> Schedule:
    """The schedule of that name, or the schedule itself; with constants of your own: ``schedule("step", every=5)``.

    ``warm_up`` is one of all: ``schedule("cosine", warm_up=5)``.
    """
    known = by_name("schedule", which, Schedule, SCHEDULES)
    usual = known.constants | {"warm_up": known.warm_up}
    found = own_constants("schedule", known.name, usual, constants)
    for name, value in constants.items():
        if name in LEAST and (value < 0 or (value == 0 and LEAST[name] == "above 0")):
            raise ValueError(f"{name} must be a number {LEAST[name]}; got {value!r}. Correct it.")
    return replace(known, warm_up=found.pop("warm_up"), constants=found)
