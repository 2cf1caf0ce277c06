"""The update rules: what becomes of θ once the gradient g is known.

Stands behind step 24, where the paper says in words: subtract the gradient times a learning rate. Each rule is written
once with ``+ - * / **`` and comparisons alone, so that any engine can run it on any array. Its letters: η the learning
rate, one number or as long as θ, n the number of this update from 1, and in slots what a rule remembers of earlier
updates, as long as θ and 0 at first.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from chainrule.network import Network
from chainrule.notation import Array, FloatArray

Slots = tuple[Array, ...]
Formula = Callable[..., tuple[Array, Slots]]
Row = TypeVar("Row")


@dataclass(frozen=True)
class Rule:
    """One update rule: its formula ``(theta, g, slots, η, n, **constants) -> theta, slots``, and its constants.

    ``whole`` marks a rule that minimises over all patterns at once by steps of its own (L-BFGS, Levenberg-Marquardt),
    ``initial`` one that takes η for its first step only (Rprop). ``clip`` is the largest norm of the gradient of all
    that is not frozen, ``layer_rates`` the factor of η in each layer, where it is not 1.
    """

    name: str
    formula: Formula
    slots: int = 0
    constants: dict[str, float] = field(default_factory=dict)
    whole: bool = False
    initial: bool = False
    clip: float | None = None
    layer_rates: dict[int, float] = field(default_factory=dict)

    def step(self, theta: Array, g: Array, slots: Slots, learning_rate: Any, n: int) -> tuple[Array, Slots]:
        """The next θ and slots; where a learning rate as long as θ is 0, θ is frozen and g does not count."""
        if getattr(learning_rate, "ndim", 0):
            g = g * (learning_rate != 0)
        if self.clip is not None:
            g = _clipped(g, self.clip)
        return self.formula(theta, g, slots, learning_rate, n, **self.constants)

    def factors(self, net: Network) -> FloatArray | None:
        """What η is multiplied by, as long as θ and of its type; None where every layer learns alike."""
        if not self.layer_rates:
            return None
        factors = np.ones(net.n_parameters, net.dtype)
        for block in net.blocks:
            factors[block.part] = self.layer_rates.get(block.layer, 1.0)
        return factors


def _clipped(g: Array, clip: float) -> Array:
    """The gradient g, shortened to this norm if it is longer (Pascanu et al. 2013); no square overflows."""
    largest = abs(g).max()
    shares = g / (largest + (largest == 0))
    norm = largest * (shares * shares).sum() ** 0.5
    return g * (clip / (clip + (norm - clip) * (norm > clip)))


def _gradient_descent(theta: Array, g: Array, slots: Slots, η: float, n: int) -> tuple[Array, Slots]:
    """θ - η g, and nothing else."""
    return theta - η * g, slots


def _momentum(theta: Array, g: Array, slots: Slots, η: float, n: int, *, momentum: float) -> tuple[Array, Slots]:
    """v = μ v + g, θ - η v (Polyak 1964)."""
    v = momentum * slots[0] + g
    return theta - η * v, (v,)


def _nesterov(theta: Array, g: Array, slots: Slots, η: float, n: int, *, momentum: float) -> tuple[Array, Slots]:
    """v = μ v + g, θ - η (g + μ v) (Nesterov 1983, as in Sutskever, Martens, Dahl and Hinton 2013)."""
    v = momentum * slots[0] + g
    return theta - η * (g + momentum * v), (v,)


def _rmsprop(
    theta: Array, g: Array, slots: Slots, η: float, n: int, *, decay: float, epsilon: float
) -> tuple[Array, Slots]:
    """v the running mean of g², θ - η g / √v (Tieleman and Hinton 2012, lecture 6.5)."""
    v = decay * slots[0] + (1 - decay) * g * g
    return theta - η * g / (v**0.5 + epsilon), (v,)


def _adam(
    theta: Array, g: Array, slots: Slots, η: float, n: int, *, beta_1: float, beta_2: float, epsilon: float
) -> tuple[Array, Slots]:
    """Running means of g and g², both corrected for their start at 0 (Kingma and Ba 2015, algorithm 1)."""
    m = beta_1 * slots[0] + (1 - beta_1) * g
    v = beta_2 * slots[1] + (1 - beta_2) * g * g
    corrected_m, corrected_v = m / (1 - beta_1**n), v / (1 - beta_2**n)
    return theta - η * corrected_m / (corrected_v**0.5 + epsilon), (m, v)


def _adamw(
    theta: Array, g: Array, slots: Slots, η: float, n: int, *, weight_decay: float, **constants: float
) -> tuple[Array, Slots]:
    """Adam, and η λ θ less: weights and biases decay apart from the gradient (Loshchilov and Hutter 2019)."""
    stepped, slots = _adam(theta, g, slots, η, n, **constants)
    return stepped - η * weight_decay * theta, slots


def _rprop(
    theta: Array, g: Array, slots: Slots, η: float, n: int, *, shrink: float, grow: float, least: float, most: float
) -> tuple[Array, Slots]:
    """A step for each weight against the sign of g: longer while that stays the same, shorter when it turns.

    Riedmiller and Braun 1993; a weight whose sign turned rests once (iRprop- of Igel and Hüsken 2003). η is the first
    step. ``g - g`` is 0, and NaN where g is not finite.
    """
    step, turned = slots[0] + η * (n == 1), g * slots[1]
    changed = step * (turned > 0) * grow + step * (turned < 0) * shrink
    changed = changed - (changed - most) * (changed > most)
    changed = changed + (least - changed) * (changed < least)
    step = step * (turned == 0) + changed * (turned != 0)
    moved = (step * (g > 0) - step * (g < 0)) * (turned >= 0) + (g - g)
    return theta - moved, (step, moved)


def _none(theta: Array, g: Array, slots: Slots, η: float, n: int, **constants: float) -> tuple[Array, Slots]:
    return theta, slots


RULES: dict[str, Rule] = {
    row.name: row
    for row in (
        Rule("gradient_descent", _gradient_descent),
        Rule("momentum", _momentum, 1, {"momentum": 0.9}),
        Rule("nesterov", _nesterov, 1, {"momentum": 0.9}),
        Rule("rmsprop", _rmsprop, 1, {"decay": 0.9, "epsilon": 1e-8}),
        Rule("adam", _adam, 2, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}),
        Rule("adamw", _adamw, 2, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 1e-4}),
        Rule("rprop", _rprop, 2, {"shrink": 0.5, "grow": 1.2, "least": 1e-6, "most": 50.0}, initial=True),
        Rule("lbfgs", _none, 0, {"slope": 1e-8, "decrease": 1e-12, "evaluations": 1e9}, whole=True),
        Rule("levenberg_marquardt", _none, 0, {"slope": 1e-8, "decrease": 1e-12}, whole=True),
    )
}
"""Every rule by name. L-BFGS, SciPy's, and Levenberg-Marquardt take no learning rate; an epoch is one of their steps.

They end where no entry of the gradient is larger than ``slope``, where E falls by less than ``decrease`` of itself, and
L-BFGS once E has been evaluated so many times.
"""


def rule(which: str | Rule, *, clip: float | None = None, **constants: Any) -> Rule:
    """The rule of that name, or the rule itself; with constants of your own: ``rule("momentum", momentum=0.5)``.

    With ``clip`` no gradient is longer: where its norm is larger, it is shortened.
    """
    known = by_name("rule", which, Rule, RULES)
    constants = own_constants("rule", known.name, known.constants, constants)
    if clip is None:
        return replace(known, constants=constants)
    if not isinstance(clip, Real) or not 0 < clip < inf:
        raise ValueError(f"clip must be a finite number above 0, or None; got {clip!r}. Try 1.")
    if known.whole:
        raise ValueError(
            f"clip must be left out for rule {known.name!r}; got {clip!r}. It chooses the length of its own steps."
        )
    return replace(known, constants=constants, clip=float(clip))


def by_name(argument: str, which: str | Row, row: type[Row], table: Mapping[str, Row]) -> Row:
    """The row of that name, or the row itself."""
    if isinstance(which, row):
        return which
    if which in [*table]:
        return table[str(which)]
    close = difflib.get_close_matches(str(which), table, 1)
    hint = f"Did you mean {close[0]!r}?" if close else "Choose one of them."
    raise ValueError(f"{argument} must be one of {', '.join(table)}; got {which!r}. {hint}")


def own_constants(argument: str, row: str, usual: dict[str, float], given: Mapping[str, Any]) -> dict[str, float]:
    """The constants of a row, with those that are given."""
    strange = sorted(set(given) - set(usual))
    if strange:
        raise ValueError(
            f"{argument} {row!r} must be given constants that it has, {', '.join(usual) or 'none'}; "
            f"got {', '.join(strange)}. Leave them out."
        )
    for name, value in given.items():
        if not isinstance(value, Real) or not isfinite(value):
            raise ValueError(f"{name} must be a finite number; got {value!r}. Leave it out for {usual[name]:g}.")
    return usual | {name: float(value) for name, value in given.items()}
