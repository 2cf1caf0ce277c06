"""Random derivations for tests and benchmarks: any shape, target, objective and granularity, with numbers for it.

The same seed gives the same case. Activations are analytic, so that the complex step is exact, and net values of usual
size, so that no slope vanishes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule import Network
from chainrule.activations import ACTIVATIONS
from chainrule.derivation import Derivation, derive
from chainrule.derivation.steps import GRANULARITIES

ANALYTIC = tuple(
    name for name, row in ACTIVATIONS.items() if not (row.vector or row.kinks or name in ("elu", "softsign", "exp"))
)
"""Of the hidden layers; elu and softsign are not analytic at 0, and exp of exp of exp is too large."""

OBJECTIVES = (
    ("sse", None),
    ("sse", "logistic"),
    ("sse", "softmax"),
    ("cross_entropy", "logistic"),
    ("cross_entropy", "softmax"),
)
"""Each with its output activation, None for any; the case of seed n has number n modulo 5, and penalties by turns."""


@dataclass(frozen=True)
class Case:
    """A derivation and what to verify it on."""

    seed: int
    derivation: Derivation
    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None

    def __str__(self) -> str:
        d, patterns = self.derivation, f", {len(self.inputs)} patterns" if len(self.inputs) > 1 else ""
        return f"seed {self.seed}: {d.problem.name} {d.granularity}{patterns}, {d.net!r}"


def random_case(seed: int, widest: int = 5, deepest: int = 6) -> Case:
    """The case of this seed: depth 1 to deepest, widths 1 to widest, any target, 1 to 4 patterns."""
    random = np.random.default_rng([seed, 1])
    net = _network(seed, random, widest, deepest)
    name = _target(net, random)
    several = not name.startswith("y") and random.random() < 0.4
    patterns = int(random.integers(2, 5)) if several else 1
    inputs = random.normal(0, 1, (patterns, net.sizes[0]))
    low, high = (0.02, 0.98) if net.objective.name == "cross_entropy" else (-1.5, 1.5)
    targets = random.uniform(low, high, (patterns, net.sizes[-1]))
    weights = random.uniform(0.3, 2, patterns) if several and random.random() < 0.6 else None
    granularity = GRANULARITIES[int(random.integers(3))]
    return Case(seed, derive(net, name, granularity, patterns=several), inputs, targets, weights)


def _network(seed: int, random: np.random.Generator, widest: int, deepest: int) -> Network:
    objective, output = OBJECTIVES[seed % len(OBJECTIVES)]
    penalty = seed // len(OBJECTIVES) % 3
    depth = int(random.integers(1, deepest + 1))
    sizes = random.integers(1, widest + 1, depth + 1).tolist()
    if output == "softmax":
        sizes[-1] = max(sizes[-1], 2)
    net = Network(
        sizes,
        [*random.choice(ANALYTIC, depth - 1).tolist(), output or str(random.choice(ANALYTIC))],
        objective,
        bias=[bool(one) for one in random.random(depth) < random.choice([0.0, 0.5, 1.0])],
        l2=float(random.uniform(0.01, 0.5)) if penalty else 0.0,
        penalize_bias=penalty == 2,
    )
    for i in range(1, depth + 1):
        net.w[i] = random.normal(0, 1.2, net.w[i].shape) / np.sqrt(sizes[i - 1])
        if net.b[i] is not None:
            net.b[i] = random.normal(0, 0.5, net.b[i].shape)
    return net


def _target(net: Network, random: np.random.Generator) -> str:
    """The name of a weight, bias or input: each kind that there is, in any layer."""
    kind = str(random.choice(["w", "w", "y", *(["b"] if any(net.bias) else [])]))
    if kind == "y":
        return f"y[0,{random.integers(net.sizes[0])}]"
    layers = [i for i in range(1, net.depth + 1) if kind == "w" or net.bias[i - 1]]
    i = int(random.choice(layers))
    j = random.integers(net.sizes[i])
    return f"b[{i},{j}]" if kind == "b" else f"w[{i},{j},{random.integers(net.sizes[i - 1])}]"
