"""E to second order: the Jacobian's rows block by block, the Gauss-Newton matrix, and a damped step down.

Stands beside step 24: where an error term is the start of a gradient, rows of unit vectors, started the same way, are
the Jacobian, and a sum of squares has Σ JᵀJ for a Hessian once its residuals are small. Objectives that belong to an
exponential family have such rows too (Fisher's information). Its letters: J rows of the Jacobian, ρ residuals, both
such that the gradient is -Jᵀρ; g the gradient, H the matrix, one of each for every noise level; μ the damping.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import blas, cho_solve, lapack

from chainrule.backprop import forward
from chainrule.engines import Source
from chainrule.mixture import variance
from chainrule.network import Network, Trace
from chainrule.notation import FloatArray

BLOCK = 2**19
"""Numbers of J that are in memory at once, 4 MB, so that they are read from the cache."""

USUAL = 3000
"""Parameters up to which a step takes no longer than people wait; above it that is said."""

MOST_MATRIX = 2**27
"""Numbers of H, of all noise levels, 1 GB; beyond it nothing second-order is tried."""

LEAST_VARIANCE = 1e-200
"""Of a target, where its probability has vanished."""

LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e8
"""Of the mean of H's diagonal: below it damping is without effect, above it no step is worth its name."""


def why_not(net: Network) -> str:
    """Why this network has no such rows; empty if it has."""
    if net.objective.name not in {"sse", "cross_entropy", "poisson"}:
        return f"objective {net.objective.name!r} is not a sum of squares nor of an exponential family"
    if net.l1:
        return "l1 has no second derivative at 0"
    numbers = levels_of(net) * net.n_parameters**2
    if numbers > MOST_MATRIX:
        return (
            f"{net.n_parameters:,} parameters would take {numbers * 8 / 2**30:.1f} GB for the matrix that is solved, "
            f"and {MOST_MATRIX * 8 / 2**30:.0f} GB are the most"
        )
    return ""


class SlowSteps(UserWarning):
    """A network has so many parameters that second-order steps take long."""


def say_if_slow(net: Network, patterns: int) -> None:
    """Warn of a network with so many parameters that its steps take long."""
    P = net.n_parameters
    if P > USUAL:
        warnings.warn(
            f"sizes should give at most some {USUAL:,} parameters for second-order training; got {P:,}, so that a step "
            f"takes some {float(patterns) * P**2 + P**3:.0e} multiplications. Use Adam or L-BFGS if that is too long.",
            SlowSteps,
            stacklevel=3,
        )


def levels_of(net: Network) -> int:
    """How many noise levels it has: one an output for a sum of squares, else one that is 1."""
    return net.sizes[-1] if net.objective.name == "sse" else 1


class Curvature:
    """E of all patterns as a sum over noise levels, with its gradient and Gauss-Newton matrix, at any θ.

    Sums over the patterns are not divided by S, and penalties are left to whoever knows their factor.
    """

    def __init__(self, net: Network, source: Source) -> None:
        self.net, self.source, self.levels = net, source, levels_of(net)
        self.rows = max(32, BLOCK // (net.n_parameters * net.sizes[-1]))

    @property
    def counts(self) -> FloatArray:
        """S of the known targets of every noise level."""
        total = np.zeros(self.levels)
        for _, t, s in self.source.pieces():
            known = ~np.isnan(t) if self.levels > 1 else ~np.isnan(t).all(axis=1, keepdims=True)
            total += (known * s[:, None]).sum(axis=0)
        return total

    def errors(self, theta: FloatArray) -> FloatArray:
        """Σ_p s_p E_p of every noise level, (levels,)."""
        net, total = self.net.replace(theta), np.zeros(self.levels)
        with np.errstate(all="ignore"):
            for y_0, t, s in self.source.pieces():
                total += self._errors(net, forward(net, y_0), t, s)
        return total

    def _errors(self, net: Network, trace: Trace, t: FloatArray, s: FloatArray) -> FloatArray:
        if net.objective.name == "sse":
            r = np.where(np.isnan(t), 0.0, t - trace.y[-1])
            return np.asarray(0.5 * np.einsum("p,po,po->o", s, r, r))
        return np.array([s @ net.objective.errors(net.f[-1], t, trace.x[-1], trace.y[-1])])

    @property
    def few(self) -> bool:
        """Whether there are so few rows of J beside parameters that rows, and not a matrix, are worked with."""
        return 2 * self.source.patterns * self.net.sizes[-1] <= self.net.n_parameters

    def by_rows(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Errors (levels,), their gradients (levels, parameters) and J (outputs, patterns, parameters), all at once."""
        net = self.net.replace(theta)
        P, m = net.n_parameters, net.sizes[-1]
        errors, g = np.zeros(self.levels), np.zeros((self.levels, P))
        blocks = []
        with np.errstate(all="ignore"):
            for piece, t, s in self.source.pieces():
                trace, J = forward(net, piece), np.empty((m, P, len(t)))
                errors += self._errors(net, trace, t, s)
                of_outputs = -np.einsum("opn,on->op", J, jacobian_rows(net, trace, t, s, J))
                g += of_outputs if self.levels > 1 else of_outputs.sum(axis=0)
                blocks.append(J.swapaxes(1, 2))
        return errors, g, np.concatenate(blocks, axis=1)

    def equations(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Errors (levels,), their gradients (levels, parameters) and matrices (levels, parameters, parameters)."""
        net = self.net.replace(theta)
        P, m = net.n_parameters, net.sizes[-1]
        errors, g = np.zeros(self.levels), np.zeros((self.levels, P))
        H = np.zeros((self.levels, P, P))
        room = np.empty((m, P, self.rows))
        with np.errstate(all="ignore"):
            for piece, targets, weights in self.source.pieces():
                for start in range(0, len(targets), self.rows):
                    rows = slice(start, start + self.rows)
                    t, s = targets[rows], weights[rows]
                    trace = forward(net, piece[rows] if isinstance(piece, np.ndarray) else piece[rows].toarray())
                    errors += self._errors(net, trace, t, s)
                    J = room[..., : len(t)] if len(t) == self.rows else np.empty((m, P, len(t)))
                    residuals = jacobian_rows(net, trace, t, s, J)
                    for o in range(m):
                        level = o if self.levels > 1 else 0
                        g[level] -= J[o] @ residuals[o]
                        blas.dsyrk(1.0, J[o].T, 1.0, H[level].T, trans=1, lower=1, overwrite_c=1)
        for one in H:
            _mirror(one)
        return errors, g, H


def _mirror(H: FloatArray) -> None:
    """The half above the diagonal written below it, in place, a few rows at a time."""
    for start in range(0, len(H), 256):
        end = start + 256
        corner = H[start:end, start:end]
        corner[...] = np.triu(corner) + np.triu(corner, 1).T
        H[end:, start:end] = H[start:end, end:].T


def jacobian_rows(net: Network, trace: Trace, t: FloatArray, s: FloatArray, J: FloatArray) -> FloatArray:
    """Fill J (outputs, parameters, patterns) with rows as columns, and return ρ (outputs, patterns); both times √s.

    Step 21, started with the rows of a root of Fisher's information in place of step 20: f'/√V, V the variance of a
    target that the objective implies (1, y of Poisson, y(1-y) of the cross-entropy). An unknown target has rows of 0.
    """
    x, y, f, L = trace.x[-1], trace.y[-1], net.f[net.depth], net.depth
    root, unknown = np.sqrt(s)[:, None], np.isnan(t)
    deviation = np.sqrt(np.maximum(variance(net, x, y), LEAST_VARIANCE))
    of_classes = f.vector and net.objective.name == "cross_entropy"
    if of_classes:  # targets that sum to τ count as τ patterns whose targets sum to 1
        sums = t.sum(axis=1, keepdims=True)
        root, t = root * np.sqrt(sums), t / np.where(sums > 0, sums, 1.0)
    residuals = np.where(unknown, 0.0, root * (t - y) / deviation).T
    start = np.zeros((net.sizes[-1], *y.shape))
    each = np.arange(net.sizes[-1])
    if of_classes:  # (I - √y √yᵀ) √D, a root of D - y yᵀ
        start[each, :, each] = deviation.T
        start -= np.sqrt(y).T[:, :, None] * y[None]
        start = np.where(unknown[:, :1], 0.0, root * start)
    else:
        start[each, :, each] = np.where(unknown, 0.0, root / deviation).T
        start = f.pull(x, start)
    d = start
    for i in range(L, 0, -1):
        turned = np.ascontiguousarray(
            d.swapaxes(1, 2)
        )  # (outputs, nodes, patterns): long rows, one vector after another
        below = np.ascontiguousarray(trace.y[i - 1].T)
        for block in net.blocks:
            if block.layer != i:
                continue
            part = J[:, block.part]
            if block.letter == "w":
                shape = (len(J), *block.shape, J.shape[-1])
                np.multiply(turned[:, :, None], below[None, None], out=part.reshape(shape, copy=False))
            else:
                part[...] = turned
        if i > 1:
            d = net.f[i - 1].pull(trace.x[i - 1], d @ net.w[i])
    return residuals


@dataclass(frozen=True, eq=False)
class Dense:
    """A symmetric matrix that a step is made by."""

    A: FloatArray

    def times(self, δ: FloatArray) -> FloatArray:
        """A δ."""
        return np.asarray(self.A @ δ)

    def solved(self, g: FloatArray, shift: float) -> FloatArray | None:
        """(A + shift I)⁻¹ g, if that is positive definite."""
        damped = self.A.copy()
        damped[np.diag_indices_from(damped)] += shift
        return _solved(damped, g)


@dataclass(frozen=True, eq=False)
class ByRows:
    """The matrix JᵀJ + D as J (rows, parameters), of few rows, and the diagonal D, above 0 (Woodbury's identity)."""

    J: FloatArray
    D: FloatArray

    def times(self, δ: FloatArray) -> FloatArray:
        """A δ."""
        return np.asarray((self.J @ δ) @ self.J + self.D * δ)

    def between(self, shift: float = 0.0) -> FloatArray:
        """I + J (D + shift I)⁻¹ Jᵀ, (rows, rows)."""
        K = (self.J / (self.D + shift)) @ self.J.T
        K[np.diag_indices_from(K)] += 1.0
        return K

    def solved(self, g: FloatArray, shift: float) -> FloatArray | None:
        """(A + shift I)⁻¹ g, if that is positive definite."""
        alone = g / (self.D + shift)
        through = _solved(self.between(shift), self.J @ alone)
        return None if through is None else alone - (through @ self.J) / (self.D + shift)


def _solved(A: FloatArray, b: FloatArray) -> FloatArray | None:
    factor, info = lapack.dpotrf(A, lower=1, overwrite_a=1)
    return np.asarray(cho_solve((factor, True), b, check_finite=False)) if info == 0 else None


@dataclass
class Damping:
    """How much of the identity is added, as a share of the mean of H's diagonal; by how well E was foretold."""

    share: float = 1e-2

    @property
    def spent(self) -> bool:
        """Whether no step was short enough."""
        return self.share > MOST_DAMPING

    def step(
        self,
        F: float,
        g: FloatArray,
        A: Dense | ByRows,
        scale: float,
        value: Callable[[FloatArray], tuple[float, Any]],
    ) -> tuple[float, Any] | None:
        """What `value`, F and more, says after the first step that lowers F; None if there is none.

        Levenberg's and Marquardt's: (A + μ I) δ = -g. μ falls to a fifth where F fell by three quarters of what the
        parabola said, stays above a quarter, and rises threefold below, fivefold where F did not fall.
        """
        with np.errstate(all="ignore"):
            while not self.spent:
                back = A.solved(g, self.share * scale)
                if back is not None:
                    δ = -back
                    foretold = -(g @ δ + 0.5 * δ @ A.times(δ))
                    there = value(δ)
                    if there[0] < F and np.isfinite(there[0]):
                        q = (F - there[0]) / foretold
                        self.share = max(self.share * (0.2 if q > 0.75 else 1.0 if q > 0.25 else 3.0), LEAST_DAMPING)
                        return there
                self.share *= 5
        return None
