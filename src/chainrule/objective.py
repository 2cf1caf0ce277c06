"""What is minimised, E, and the error term it gives to the output layer, one row per objective.

Steps 1 and 20 of the derivation. A row says the loss of one output and its residual, -d loss/dy (t - y for SSE), so
that e_Lj = residual * f'_L(x_Lj). Where objective and output activation belong together, loss and error term come
straight from the net value: no division by y(1 - y), no logarithm of a rounded y. Its letters: t target (NaN where
missing), x and y net value and output of layer L, p the primitives.

    E = (1/S) sum_p s_p E_p + l1 sum |w| + 1/2 l2 sum w^2,     E_p = sum_j loss(t_pj, y_pj) over the known t_pj
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field
from functools import partial
from math import inf
from typing import Any, NamedTuple

import numpy as np

from chainrule.activations import (
    Activation,
    Primitives,
    logistic,
    parameters,
    primitives,
    require_own_name,
    softmax_parts,
    softplus,
    with_primitives,
)
from chainrule.notation import Array


class Fused(NamedTuple):
    """Loss and error term of one pair of objective and output activation, from t and the net value x."""

    loss: Callable[[Array, Array, Primitives], Array]
    error: Callable[[Array, Array, Primitives], Array]


@dataclass(frozen=True, eq=False)
class Objective:
    """One row: the loss of one output and its residual.

    Parameters
    ----------
    name : str
        What it is called in messages and files.
    loss, residual : callable
        Functions of target and output, entry by entry; residual is -d loss/dy. Written as ``loss(t, y, p)`` with the
        primitives p, or as ``loss(t, y)`` in any Python.
    kinks : tuple of float
        Values of t - y at which the residual jumps.
    domain : tuple of float
        Smallest and largest target allowed.
    outputs : tuple of str
        Names of the output activations it goes with; empty for all.
    output : str
        The output activation it has when none is named.
    best_is_mean : bool
        Whether the best constant prediction is the mean of the targets.
    fused : mapping of str to Fused
        Stable forms for output activations that belong to it.

    Raises
    ------
    ValueError
        If residual is not minus the derivative of loss.
    """

    name: str
    loss: Callable[..., Array]
    residual: Callable[..., Array]
    kinks: tuple[float, ...] = ()
    domain: tuple[float, float] = (-inf, inf)
    outputs: tuple[str, ...] = ()
    output: str = "identity"
    best_is_mean: bool = False
    fused: Mapping[str, Fused] = field(default_factory=dict)
    check: InitVar[bool] = True
    portable: bool = field(init=False)
    given: tuple[Callable[..., Array], ...] = field(init=False)

    def __post_init__(self, check: bool) -> None:
        if check:
            require_own_name(self.name, OBJECTIVES, "Objective")
        object.__setattr__(self, "portable", parameters(self.loss) > 2 and parameters(self.residual) > 2)
        object.__setattr__(self, "given", (self.loss, self.residual))
        object.__setattr__(self, "loss", with_primitives(self.loss, 2))
        object.__setattr__(self, "residual", with_primitives(self.residual, 2))
        if check:
            _check_residual(self)

    def errors(self, f: Activation, t: Array, x: Array, y: Array) -> Array:
        """E_p of each pattern, shape (patterns,): step 1, summed over the outputs whose target is known."""
        p, known = primitives(x), t == t
        t = p.where(known, t, 0.0)
        loss = self.fused[f.name].loss(t, x, p) if f.name in self.fused else self.loss(t, y, p)
        return p.where(known, loss, 0.0).sum(axis=-1)

    def error_term(self, f: Activation, t: Array, x: Array, y: Array) -> Array:
        """e_L of each pattern and output, shape (patterns, outputs): step 20. A missing target has none."""
        p, known = primitives(x), t == t
        t = p.where(known, t, 0.0)
        if f.name in self.fused:
            return p.where(known, self.fused[f.name].error(t, x, p), 0.0)
        return f.pull(x, p.where(known, self.residual(t, y, p), 0.0))

    def __repr__(self) -> str:
        """As it is asked for by name."""
        return f"Objective({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A row of the table travels by name, a user's own by what was given."""
        if OBJECTIVES.get(self.name) is self:
            return objective, (self.name,)
        of_ones_own = (self.kinks, self.domain, self.outputs, self.output, self.best_is_mean, self.fused)
        return Objective, (self.name, *self.given, *of_ones_own)


def known_patterns(t: Array) -> Array:
    """1 for a pattern with a known target, else 0: what s_p is when no weights are given, shape (patterns,)."""
    p = primitives(t)
    return p.where((t == t).any(axis=-1), p.full_like(t[:, 0], 1.0), 0.0)


def penalty(w: Array, l1: float, l2: float) -> Array:
    """What the weights w add to E: l1 sum |w| + 1/2 l2 sum w^2."""
    absolute = l1 * primitives(w).abs(w).sum() if l1 else 0.0
    return absolute + 0.5 * l2 * (w * w).sum()


def penalty_gradient(w: Array, l1: float, l2: float) -> Array:
    """Its derivative by each weight; |w| counts as flat at 0."""
    return l1 * _sign(w, primitives(w)) + l2 * w if l1 else l2 * w


def _check_residual(row: Objective) -> None:
    h, low, high = 1e-5, max(row.domain[0], -2.0), min(row.domain[1], 2.0)
    t, y = (a.ravel() for a in np.meshgrid(np.linspace(low, high, 6), np.linspace(-1.93, 2.07, 17)))
    if row.outputs:
        y = y[: y.size] * 0.2 + 0.5  # outputs that are all positive and below 1
    smooth = (
        np.all([np.abs(t - y - kink) > 2 * h for kink in row.kinks], axis=0) if row.kinks else np.full(t.shape, True)
    )
    t, y = t[smooth], y[smooth]
    try:
        with np.errstate(all="ignore"):
            loss, residual = row.loss(t, y), row.residual(t, y)
            difference = -(row.loss(t, y + h) - row.loss(t, y - h)) / (2 * h)
    except Exception as error:
        raise ValueError(
            f"loss and residual of objective {row.name!r} must take arrays of targets and outputs; they raised "
            f"{type(error).__name__}: {error}. Write them with operators and NumPy's functions."
        ) from error
    if np.shape(loss) != t.shape or np.shape(residual) != t.shape:
        raise ValueError(
            f"loss and residual of objective {row.name!r} must give a float for every output; got shapes "
            f"{np.shape(loss)} and {np.shape(residual)} for {t.shape}. Leave the sums to Chainrule."
        )
    known = np.isfinite(difference)
    largest = np.abs(difference[known]).max(initial=0)
    wrong = known & ~(np.abs(residual - difference) <= 1e-6 * (np.abs(difference) + largest))
    if not known.any() or wrong.any():
        n = int(np.argmax(wrong))
        raise ValueError(
            f"residual of objective {row.name!r} must be minus the derivative of loss by y; got {residual[n]:.6g} at "
            f"t = {t[n]:.6g}, y = {y[n]:.6g}, where minus the slope of loss is {difference[n]:.6g}. Correct residual, "
            "or name a kink of t - y with kinks=(...)."
        )


# --- forms -----------------------------------------------------------------------------------------------------------


def _sign(x: Array, p: Primitives) -> Array:
    return p.where(x > 0, p.full_like(x, 1.0), p.where(x < 0, p.full_like(x, -1.0), 0.0 * x))


def _huber(t: Array, y: Array, p: Primitives) -> Array:
    r = p.abs(t - y)
    c = p.minimum(r, 1.0)
    return c * (r - 0.5 * c)


def _t_log_t(t: Array, p: Primitives) -> Array:
    return t * p.log(p.where(t > 0, t, 1.0))


def _softmax_loss(t: Array, x: Array, p: Primitives) -> Array:
    return p.where(t > 0, t * softmax_parts(x)[2], 0.0)


def _softmax_error(t: Array, x: Array, p: Primitives) -> Array:
    """t - y sum(t), without the cancellation of 1 - y."""
    y, complement, _ = softmax_parts(x)
    return t * complement - y * (t.sum(axis=-1, keepdims=True) - t)


def _log_softplus(x: Array, p: Primitives) -> Array:
    """log(log(1 + exp(x))), which is x to rounding below -40."""
    return p.where(x < -40, x, p.log(softplus(p.where(x < -40, 0.0, x), p)))


def _log_softplus_prime(x: Array, p: Primitives) -> Array:
    inside = p.where(x < -40, 0.0, x)
    return p.where(x < -40, 1.0, logistic(inside, p) / softplus(inside, p))


_row = partial(Objective, check=False)

OBJECTIVES: dict[str, Objective] = {
    row.name: row
    for row in (
        _row("sse", lambda t, y, p: 0.5 * (t - y) * (t - y), lambda t, y, p: t - y, best_is_mean=True),
        _row(
            "cross_entropy",
            lambda t, y, p: -t * p.log(y) - (1 - t) * p.log(1 - y),
            lambda t, y, p: t / y - (1 - t) / (1 - y),
            domain=(0.0, 1.0),
            outputs=("logistic", "softmax"),
            best_is_mean=True,
            fused={
                "logistic": Fused(
                    lambda t, x, p: t * softplus(-x, p) + (1 - t) * softplus(x, p),
                    lambda t, x, p: t * logistic(-x, p) - (1 - t) * logistic(x, p),
                ),
                "softmax": Fused(_softmax_loss, _softmax_error),
            },
        ),
        _row(
            "poisson",
            lambda t, y, p: y - t - t * p.log(y) + _t_log_t(t, p),
            lambda t, y, p: t / y - 1,
            domain=(0.0, inf),
            outputs=("exp", "softplus"),
            output="exp",
            best_is_mean=True,
            fused={
                "exp": Fused(
                    lambda t, x, p: p.exp(x) - t - t * x + _t_log_t(t, p),
                    lambda t, x, p: t - p.exp(x),
                ),
                "softplus": Fused(
                    lambda t, x, p: softplus(x, p) - t - t * _log_softplus(x, p) + _t_log_t(t, p),
                    lambda t, x, p: t * _log_softplus_prime(x, p) - logistic(x, p),
                ),
            },
        ),
        _row("huber", _huber, lambda t, y, p: p.maximum(p.minimum(t - y, 1.0), -1.0)),
        _row("absolute", lambda t, y, p: p.abs(t - y), lambda t, y, p: _sign(t - y, p), kinks=(0.0,)),
    )
}
"""Every objective by name. Poisson is half the deviance, so a perfect fit has E = 0; Huber bends at |t - y| = 1."""


def objective(which: str | Objective) -> Objective:
    """The row of that name, or the row itself."""
    if isinstance(which, Objective):
        return which
    if isinstance(which, str) and which in OBJECTIVES:
        return OBJECTIVES[which]
    close = difflib.get_close_matches(str(which), OBJECTIVES, 1)
    hint = f"Did you mean {close[0]!r}?" if close else "Or pass an Objective of your own."
    raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}; got {which!r}. {hint}")


def best_constant(row: Objective, f: Activation, t: Array, s: Array) -> tuple[Array, float]:
    """The best prediction that is the same for every pattern, shape (outputs,), and its E, without penalties.

    t (patterns, outputs) with NaN where missing, s (patterns,) the weights. The mean where that is known to be best;
    else where the weighted sum of the residuals changes sign, found by halving, or the mean if that is better.
    """
    t, s = np.asarray(t, dtype=np.float64), np.asarray(s, dtype=np.float64)
    known, s = ~np.isnan(t), s / s.max()
    counted = known * s[:, None]
    filled = np.where(known, t, 0.0)
    mean = (counted * filled).sum(axis=0) / np.maximum(counted.sum(axis=0), np.finfo(float).tiny)

    def E(c: Array) -> float:
        losses = constant_losses(row, f, filled, np.broadcast_to(c, t.shape))
        return float((counted * losses).sum() / s.sum())

    if row.name == "cross_entropy" and f.vector:  # whose outputs add up to 1, even where the targets do not
        mean = mean / max(mean.sum(), np.finfo(float).tiny)
    if row.best_is_mean:
        return mean, E(mean)
    low, high = np.where(counted > 0, t, np.inf).min(axis=0), np.where(counted > 0, t, -np.inf).max(axis=0)
    low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
    rounding = 4 * np.finfo(float).eps * np.maximum(np.abs(low), np.abs(high))
    while (high - low > rounding).any():
        middle = low + (high - low) / 2
        rising = (counted * row.residual(filled, np.broadcast_to(middle, t.shape))).sum(axis=0) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    halved = (low + high) / 2
    return (halved, E(halved)) if E(halved) <= E(mean) else (mean, E(mean))


def constant_losses(row: Objective, f: Activation, t: Array, y: Array) -> Array:
    """The loss of every target t for outputs y that are the same in every pattern, (patterns, outputs)."""
    if row.name == "cross_entropy":  # 0 log 0 is 0
        inside = np.clip(y, np.finfo(float).tiny, 1.0)
        losses = -t * np.log(inside)
        return losses if f.vector else losses - (1 - t) * np.log(np.clip(1 - y, np.finfo(float).tiny, 1.0))
    if row.name == "poisson":
        y = np.maximum(y, np.finfo(float).tiny)
    return row.loss(t, y)
