"""The update rules: what becomes of θ once the gradient g is known.

Stands behind step 24, where the paper says in words: subtract the gradient times a learning rate. Each rule is written
once with ``+ - * / **`` alone, so that any engine can run it on any array. Its letters: η the learning rate, n the
number of this update from 1, and in slots what a rule remembers of earlier updates, as long as θ.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite
from numbers import Real
from typing import Any

from chainrule.notation import Array

Slots = tuple[Array, ...]
Formula = Callable[..., tuple[Array, Slots]]


@dataclass(frozen=True)
class Rule:
    """One update rule: its formula ``(theta, g, slots, η, n, **constants) -> theta, slots``, and its constants.

    ``whole`` marks a rule that minimises over all patterns at once and chooses its own steps (L-BFGS).
    """

    name: str
    formula: Formula
    slots: int = 0
    constants: dict[str, float] = field(default_factory=dict)
    whole: bool = False

    def step(self, theta: Array, g: Array, slots: Slots, learning_rate: float, n: int) -> tuple[Array, Slots]:
        """The next θ and slots."""
        return self.formula(theta, g, slots, learning_rate, n, **self.constants)


def _gradient_descent(theta: Array, g: Array, slots: Slots, η: float, n: int) -> tuple[Array, Slots]:
    """θ - η g, and nothing else."""
    return theta - η * g, slots


def _momentum(theta: Array, g: Array, slots: Slots, η: float, n: int, *, momentum: float) -> tuple[Array, Slots]:
    """v = μ v + g, θ - η v (Polyak 1964)."""
    v = momentum * slots[0] + g
    return theta - η * v, (v,)


def _adam(
    theta: Array, g: Array, slots: Slots, η: float, n: int, *, beta_1: float, beta_2: float, epsilon: float
) -> tuple[Array, Slots]:
    """Running means of g and g², both corrected for their start at 0 (Kingma and Ba 2015, algorithm 1)."""
    m = beta_1 * slots[0] + (1 - beta_1) * g
    v = beta_2 * slots[1] + (1 - beta_2) * g * g
    corrected_m, corrected_v = m / (1 - beta_1**n), v / (1 - beta_2**n)
    return theta - η * corrected_m / (corrected_v**0.5 + epsilon), (m, v)


def _none(theta: Array, g: Array, slots: Slots, η: float, n: int) -> tuple[Array, Slots]:
    return theta, slots


RULES: dict[str, Rule] = {
    row.name: row
    for row in (
        Rule("gradient_descent", _gradient_descent),
        Rule("momentum", _momentum, 1, {"momentum": 0.9}),
        Rule("adam", _adam, 2, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}),
        Rule("lbfgs", _none, whole=True),
    )
}
"""Every rule by name. L-BFGS is SciPy's; it takes no learning rate, and an epoch is one of its iterations."""


def rule(which: str | Rule, **constants: Any) -> Rule:
    """The rule of that name, or the rule itself; with constants of your own: ``rule("momentum", momentum=0.5)``."""
    if not isinstance(which, Rule) and which not in [*RULES]:
        close = difflib.get_close_matches(str(which), RULES, 1)
        hint = f"Did you mean {close[0]!r}?" if close else "Choose one of them."
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {which!r}. {hint}")
    known = which if isinstance(which, Rule) else RULES[which]
    strange = sorted(set(constants) - set(known.constants))
    if strange:
        raise ValueError(
            f"rule {known.name!r} must be given constants that it has, {', '.join(known.constants) or 'none'}; got "
            f"{', '.join(strange)}. Leave them out."
        )
    for name, value in constants.items():
        if not isinstance(value, Real) or not isfinite(value):
            raise ValueError(
                f"{name} must be a finite number; got {value!r}. Leave it out for {known.constants[name]:g}."
            )
    return replace(known, constants=known.constants | {name: float(value) for name, value in constants.items()})
