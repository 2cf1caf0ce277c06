"""The random networks that a file is graded on, with every right value, computed by the page.

Widths differ within a network, so that a transposed w cannot pass; other networks are square, so that it can be named.
Letters: those of the paper; P is the number of patterns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.backprop import error_terms, forward, gradient, input_gradient
from chainrule.network import Network

SHAPES = (
    ((5, 7, 4, 6, 3), 8),
    ((3, 4, 2), 6),
    ((4, 3), 5),
    ((4, 4, 4, 4, 4), 6),
    ((3, 3, 3), 3),
    ((4, 6, 5, 2), 1),
    ((1, 3, 1), 4),
    ((2, 6, 3, 5, 4, 7), 9),
)
"""Nodes of each layer and patterns; the first is the one that examples are taken from."""

SMOOTH = ("tanh", "logistic", "sine", "softplus", "gaussian", "silu", "softsign", "gelu")
"""None bends, none is its own derivative, and no two in a network are the same."""


@dataclass(frozen=True, eq=False)
class Case:
    """One network, its patterns, and all that is right.

    ``w``, ``b``, ``x``, ``y``, ``e``, ``dw``, ``db`` are lists by layer with slot 0 as in the paper, ``t`` the targets
    and ``d`` the derivative of E_p by the inputs.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    f: tuple[Any, ...]
    f_prime: tuple[Any, ...]
    w: list[Any]
    b: list[Any]
    inputs: Any
    t: Any
    x: list[Any]
    y: list[Any]
    e: list[Any]
    dw: list[Any]
    db: list[Any]
    d: Any

    @property
    def L(self) -> int:
        """Layers."""
        return len(self.sizes) - 1

    @property
    def P(self) -> int:
        """Patterns."""
        return len(self.inputs)

    def __str__(self) -> str:
        """As in messages."""
        return f"{'-'.join(map(str, self.sizes))}, {self.P} pattern{'' if self.P == 1 else 's'}"

    def given(self) -> dict[str, Any]:
        """What the functions are given, by letter."""
        return {
            "activations": list(self.activations),
            "w": self.w,
            "b": self.b,
            "inputs": self.inputs,
            "x": self.x,
            "y": self.y,
            "e": self.e,
            "t": self.t,
        }


def random_cases(seed: int = 0) -> list[Case]:
    """One case of each shape."""
    return [_case(sizes, patterns, np.random.default_rng([seed, n])) for n, (sizes, patterns) in enumerate(SHAPES)]


def _case(sizes: tuple[int, ...], patterns: int, random: np.random.Generator) -> Case:
    names = random.choice(SMOOTH, len(sizes) - 1, replace=False).tolist()
    net = Network(sizes, names, "sse")
    for i in range(1, net.depth + 1):
        net.w[i] = random.normal(0, 1 / np.sqrt(sizes[i - 1]), net.w[i].shape)
        net.w[i] += np.copysign(0.1, net.w[i])
        net.b[i] = np.copysign(random.uniform(0.2, 0.7, sizes[i]), random.normal(size=sizes[i]))
    inputs, t = random.normal(size=(patterns, sizes[0])), random.normal(size=(patterns, sizes[-1]))
    trace = forward(net, inputs)
    e = error_terms(net, trace, t)
    g = gradient(net, trace, e)
    f_prime = tuple(None if row is None else row.f_prime for row in net.f)
    return Case(
        sizes, tuple(names), net.f, f_prime, list(net.w), list(net.b), inputs, t,
        list(trace.x), list(trace.y), list(e), list(g.w), list(g.b), input_gradient(net, e),
    )  # fmt: skip
