"""Mixtures: what several networks say together, and how sure they are.

Each member is a network with a normal distribution about its output: noise of the targets and, by a Gauss-Newton
approximation, what its weights leave open. Together they are a mixture of normal distributions with equal weights.
Its letters: J the derivative of an output by θ, A the matrix whose inverse is the covariance of θ, R with A⁻¹ = RᵀR.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from chainrule import engines
from chainrule.backprop import forward, jacobian
from chainrule.network import Network, as_targets
from chainrule.notation import FloatArray

COMBINE = ("mean", "median")
"""How the outputs of members become one."""

HALVINGS = 50
"""Of the interval between the quantiles of the members, in which that of the mixture lies: to 1e-15 of it."""

UNSURE = 1e-12
"""The least variance of a target by its objective, in units of the noise."""


def variance(net: Network, x: FloatArray, y: FloatArray) -> FloatArray:
    """Of a target whose mean is y, by the objective; y(1-y) as f', which does not cancel where y is all but 1."""
    if net.objective.name == "poisson" or (net.objective.name == "cross_entropy" and net.f[-1].vector):
        return y
    return np.asarray(net.f[-1].f_prime(x)) if net.objective.name == "cross_entropy" else np.ones_like(y)


BLOCK = 2**22
"""Numbers of J that are in memory at once, 32 MB."""


@dataclass(frozen=True, eq=False)
class Member:
    """One network and what it does not know, in the network's own units.

    Parameters
    ----------
    network : Network
    noise : array, shape (outputs,), or None
        Variance of the noise, in units of what the objective implies: of Poisson's y, of the cross-entropy y(1-y), else
        1. None for classes, whose outputs are probabilities.
    whitening : array, shape (parameters, parameters), or None
        R, where A⁻¹ = RᵀR is the covariance of θ; None takes the weights as known.
    """

    network: Network
    noise: FloatArray | None = None
    whitening: FloatArray | None = None

    def outputs(self, inputs: Any) -> FloatArray:
        """Its outputs, (patterns, outputs)."""
        return engines.load("auto", self.network, inputs).predict(self.network, inputs).astype(np.float64)

    def variance(self, inputs: Any) -> FloatArray:
        """Of its outputs: the noise, and J A⁻¹ Jᵀ of the weights; (patterns, outputs)."""
        assert self.noise is not None
        net, found = self.network, np.empty((inputs.shape[0], len(self.noise)))
        rows = max(1, BLOCK // (net.n_parameters * net.sizes[-1]))
        for start in range(0, len(found), rows):
            piece = inputs[start : start + rows]
            trace = forward(net, piece if isinstance(piece, np.ndarray) else piece.toarray())
            of_rows = self.noise * np.maximum(variance(net, trace.x[-1], trace.y[-1]), UNSURE)
            if self.whitening is not None:
                J = jacobian(net, trace)
                moved = J.reshape(-1, net.n_parameters) @ self.whitening.T
                of_rows = of_rows + np.einsum("rp,rp->r", moved, moved).reshape(J.shape[:2])
            found[start : start + rows] = of_rows
        return found


@dataclass(frozen=True, eq=False)
class Mixture:
    """Members of equal weight.

    Parameters
    ----------
    members : tuple of Member
    combine : {"mean", "median"}
        What is said of their outputs; the density is that of the mixture in either case.
    """

    members: tuple[Member, ...]
    combine: str = "mean"

    def outputs(self, inputs: Any) -> FloatArray:
        """Of each member, (members, patterns, outputs)."""
        return np.array([one.outputs(inputs) for one in self.members])

    def predict(self, inputs: Any) -> FloatArray:
        """Mean or median of the members' outputs, (patterns, outputs)."""
        outputs = self.outputs(inputs)
        combined: FloatArray = np.median(outputs, axis=0) if self.combine == "median" else outputs.mean(axis=0)
        return combined

    def _normals(self, inputs: Any) -> tuple[FloatArray, FloatArray]:
        """Means and variances of the members, (members, patterns, outputs)."""
        return self.outputs(inputs), np.array([one.variance(inputs) for one in self.members])

    def std(self, inputs: Any) -> FloatArray:
        """The standard deviation of the mixture, noise included, (patterns, outputs)."""
        return self.bars(inputs, ())[0]

    def quantiles(self, inputs: Any, q: Sequence[float]) -> FloatArray:
        """Quantiles of the mixture, (patterns, outputs, quantiles), where the objective has numbers there."""
        return self.bars(inputs, q)[1]

    def bars(self, inputs: Any, q: Sequence[float]) -> tuple[FloatArray, FloatArray]:
        """Standard deviations, (patterns, outputs), and quantiles, (patterns, outputs, quantiles), of the mixture."""
        means, variances = self._normals(inputs)
        std = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
        means, deviations, wanted = means[..., None], np.sqrt(variances)[..., None], np.asarray(q, dtype=np.float64)
        of_each = means + deviations * ndtri(wanted)
        low, high = of_each.min(axis=0), of_each.max(axis=0)  # between those of its members
        for _ in range(HALVINGS if len(self.members) > 1 else 0):
            middle = (low + high) / 2
            below = ndtr((middle - means) / deviations).mean(axis=0) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return std, np.clip((low + high) / 2, *self.members[0].network.objective.domain)

    def log_density(self, inputs: Any, targets: Any) -> FloatArray:
        """The logarithm of the mixture's density at the known targets of each pattern, (patterns,)."""
        means, variances = self._normals(inputs)
        t = as_targets(self.members[0].network, targets, means.shape[1])
        logs = -0.5 * ((t - means) ** 2 / variances + np.log(2 * np.pi * variances))
        of_members = np.where(np.isnan(t), 0.0, logs).sum(axis=-1)
        return np.asarray(logsumexp(of_members, axis=0) - np.log(len(self.members)))

    def to_arrays(self) -> dict[str, FloatArray]:
        """All that a file holds of it, but for what its networks have in common."""
        arrays: dict[str, FloatArray] = {}
        for k, one in enumerate(self.members):
            arrays[f"{k}.theta"] = one.network.theta
            arrays |= {
                f"{k}.{name}": values
                for name, values in (("noise", one.noise), ("whitening", one.whitening))
                if values is not None
            }
        return arrays

    @classmethod
    def from_arrays(cls, net: Network, arrays: dict[str, FloatArray], count: int, combine: str) -> Mixture:
        """The mixture of :meth:`to_arrays`; ValueError if it is none."""
        members = tuple(
            Member(net.replace(arrays[f"{k}.theta"]), arrays.get(f"{k}.noise"), arrays.get(f"{k}.whitening"))
            for k in range(count)
        )
        P, outputs = net.n_parameters, net.sizes[-1]
        noises = [one.noise for one in members if one.noise is not None]
        good = (
            bool(members)
            and combine in COMBINE
            and len(noises) in {0, len(members)}
            and all(noise.shape == (outputs,) and (noise > 0).all() for noise in noises)
            and all(one.whitening is None or one.whitening.shape == (P, P) for one in members)
        )
        if not good:
            raise ValueError("mixture must hold noise and covariance of its networks' size; got others. Save it again.")
        return cls(members, combine)
