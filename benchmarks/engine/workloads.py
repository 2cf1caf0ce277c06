"""What everyone is given: the networks T1 to T6, their patterns, the order of these, and the weights to start from."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

WORKLOADS: dict[str, tuple[list[int], int, int]] = {
    "T1": ([4, 16, 16, 1], 1, 2000),
    "T2": ([4, 16, 16, 1], 32, 300),
    "T3": ([16, 64, 64, 4], 32, 200),
    "T4": ([64, 256, 256, 10], 64, 30),
    "T5": ([784, 512, 512, 10], 128, 8),
    "T6": ([784, 2048, 2048, 10], 256, 4),
}
"""Sizes of the layers, patterns an update, and updates an epoch."""

LEARNING_RATES = {"gradient_descent": 0.01, "adam": 0.001}


def spec(name: str, dtype: str, rule: str) -> dict[str, Any]:
    """A workload as a task."""
    sizes, batch_size, steps = WORKLOADS[name]
    return task(sizes, batch_size, steps, dtype, rule)


def task(sizes: list[int], batch_size: int, steps: int, dtype: str, rule: str = "gradient_descent") -> dict[str, Any]:
    """A network, tanh in hidden layers and identity in the last one, and how it is to be trained."""
    return {
        "sizes": sizes,
        "batch_size": batch_size,
        "patterns": batch_size * steps,
        "dtype": dtype,
        "rule": rule,
        "learning_rate": LEARNING_RATES[rule],
    }


def patterns(spec: dict[str, Any]) -> tuple[Any, Any]:
    """Inputs and targets, normally distributed."""
    random = np.random.default_rng(0)
    n, sizes = spec["patterns"], spec["sizes"]
    return tuple(random.normal(size=(n, nodes)).astype(spec["dtype"]) for nodes in (sizes[0], sizes[-1]))  # type: ignore[return-value]


def weights(spec: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """w and b of layers 1 to L, w as (nodes of i, nodes of i-1)."""
    random = np.random.default_rng(1)
    w = [
        random.normal(0, below**-0.5, (nodes, below)).astype(spec["dtype"]) for below, nodes in pairwise(spec["sizes"])
    ]
    return w, [np.zeros(nodes, spec["dtype"]) for nodes in spec["sizes"][1:]]


@cache
def _orders(patterns: int) -> list[Any]:
    return [np.random.default_rng([0, epoch]).permutation(patterns) for epoch in range(4)]


def order(spec: dict[str, Any], epoch: int) -> Any:
    """The order of the patterns in an epoch, the same for everyone.

    Four take turns, drawn before the clock runs: to draw one takes as long as 5 % of the steps of T3, 25 % of T2's.
    """
    return _orders(spec["patterns"])[epoch % 4]


def error(spec: dict[str, Any], w: Any, b: Any) -> float:
    """E over all patterns with these weights, in float64, so that everyone's weights are judged alike."""
    y, t = (one.astype(np.float64) for one in patterns(spec))
    for i, (w_i, b_i) in enumerate(zip(w, b, strict=True), 1):
        x = y @ np.asarray(w_i, np.float64).T + np.asarray(b_i, np.float64)
        y = np.tanh(x) if i < len(w) else x
    return float(((t - y) ** 2).sum() / 2 / len(t))


def operations(spec: dict[str, Any]) -> int:
    """Floating-point operations of a step: two for each multiply-add of forward, gradient and error terms.

    Layer 0 has no error terms. Activations and biases are not counted.
    """
    products = [below * nodes for below, nodes in pairwise(spec["sizes"])]
    return int(2 * spec["batch_size"] * (3 * sum(products) - products[0]))
