"""Random cases for tests and benchmarks: a network of any depth, width, activation and objective, and patterns for it.

The same seed gives the same case. Cases are generic, so that agreement means something: no net value or residual near
a kink, no node pushed far into a tail, and E changes along every block of weights and along every input that is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import Network, backprop
from chainrule.activations import ACTIVATIONS
from chainrule.objective import OBJECTIVES
from chainrule.oracles import complex_step

HIDDEN = tuple(name for name, row in ACTIVATIONS.items() if not row.vector)

PAIRS = tuple(
    (goal, output)
    for goal, row in OBJECTIVES.items()
    for output in ACTIVATIONS
    if not row.outputs or output in row.outputs
)
"""Every objective with every output activation it goes with; the case of seed n has pair n modulo their number."""

BENDS = {"elu": (0.0,), "softsign": (0.0,)}
"""Where f' is continuous and f'' jumps: differences lose digits there, so cases stay away from these too."""

AWAY = 2e-3
"""How far net values and residuals stay from a bend."""

LARGEST = (3.0, 2.0)
"""Bounds of the net values, the second for exp. Beyond 3, jax.grad's 1 - tanh^2 loses digits that the page keeps."""

ALIVE = 1e-5
"""Least slope of E along a block, and of E_p along the inputs: with less, a network is as good as dead."""


@dataclass(frozen=True)
class Case:
    """What :func:`chainrule.check` takes."""

    seed: int
    net: Network
    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None
    total: float | None

    @property
    def arguments(self) -> tuple[Any, ...]:
        """Network, inputs, targets, weights, in the order of the doors."""
        return self.net, self.inputs, self.targets, self.weights

    def __str__(self) -> str:
        weights = "" if self.weights is None else ", weights"
        missing = ", missing targets" if np.isnan(self.targets).any() else ""
        total = "" if self.total is None else ", total"
        return f"seed {self.seed}: {self.net!r}, {len(self.inputs)} patterns{weights}{missing}{total}"


def random_case(seed: int, largest: int = 33, deepest: int = 8) -> Case:
    """The case of this seed: widths 1 to largest, depth 1 to deepest, 1 to 6 patterns."""
    for attempt in range(100):
        case = _draw(seed, np.random.default_rng([seed, attempt]), largest, deepest)
        if _is_generic(case):
            return case
    raise AssertionError(f"no generic case for seed {seed}")


def _draw(seed: int, random: np.random.Generator, largest: int, deepest: int) -> Case:
    goal, output = PAIRS[seed % len(PAIRS)]
    depth = int(random.integers(1, deepest + 1))
    sizes = np.floor(np.exp(random.uniform(0, np.log(largest + 1), depth + 1))).astype(int)
    if output == "softmax":
        sizes[-1] = max(sizes[-1], 2)
    penalised = random.random() < 0.4
    net = Network(
        sizes.tolist(),
        [*random.choice(HIDDEN, depth - 1).tolist(), output],
        goal,
        bias=[bool(one) for one in random.random(depth) < random.choice([0.0, 0.5, 1.0, 1.0])],
        seed=seed,
        l1=float(random.choice([0.0, 0.002, 0.02])) if penalised else 0.0,
        l2=float(random.choice([0.0, 0.01, 0.1])) if penalised else 0.0,
        penalize_bias=bool(random.integers(2)),
    )
    inputs = random.normal(0, random.choice([0.5, 1.0, 2.0]), (int(random.integers(1, 7)), sizes[0]))
    net = _of_usual_size(net, inputs, random)
    targets = _targets(net, random, len(inputs))
    weights = _weights(random, targets)
    total = None if random.random() < 0.6 else float(random.uniform(0.3, 1.5) * len(inputs))
    return Case(seed, net, inputs, targets, weights, total)


def _of_usual_size(net: Network, inputs: np.ndarray, random: np.random.Generator) -> Network:
    """Biases drawn, weights kept off 0, and each layer scaled down until its net values are of usual size."""
    net, y = net.copy(), inputs
    for i in range(1, net.depth + 1):
        if net.b[i] is not None:
            net.b[i] = random.normal(0, 0.4, net.sizes[i])
        for values in (net.w[i], net.b[i]):
            if values is not None:
                values[:] += np.copysign(0.01, values)
        bound = LARGEST[net.f[i].name == "exp"]
        x = y @ net.w[i].T + (0 if net.b[i] is None else net.b[i])
        shrink = bound / max(bound, np.abs(x).max())
        net.w[i] *= shrink
        if net.b[i] is not None:
            net.b[i] *= shrink
        y = net.f[i](x * shrink)
    return net


def _targets(net: Network, random: np.random.Generator, patterns: int) -> np.ndarray:
    outputs, softmax = net.sizes[-1], net.f[-1].vector
    shape = (patterns, outputs)
    if net.objective.name == "poisson":
        targets = random.poisson(1.5, shape).astype(float)
    elif net.objective.name != "cross_entropy":
        targets = random.normal(0, 1.5, shape)
    elif softmax:
        targets = random.dirichlet(np.ones(outputs), patterns) * random.choice([1.0, 1.0, 0.7])
        if random.random() < 0.5:
            targets = np.eye(outputs)[random.integers(outputs, size=patterns)]
    else:
        targets = random.uniform(0, 1, shape)
        targets = np.round(targets) if random.random() < 0.5 else targets
    kind = random.choice(["none", "none", "rows", "single"])
    if kind == "rows" or (kind == "single" and softmax):
        targets[random.random(patterns) < 0.4] = np.nan
    elif kind == "single":
        targets[random.random(shape) < 0.3] = np.nan
    return targets


def _weights(random: np.random.Generator, targets: np.ndarray) -> np.ndarray | None:
    kind = random.choice(["none", "positive", "some 0"])
    if kind == "none":
        return None
    weights = random.uniform(0.2, 3, len(targets))
    return weights if kind == "positive" else weights * (random.random(len(targets)) < 0.7)


def _is_generic(case: Case) -> bool:
    net, inputs, t, s = case.arguments
    counted = ~np.isnan(t).all(axis=1) & (True if s is None else s > 0)
    if not counted.any():
        return False
    trace = backprop.forward(net, inputs)
    for row, x in zip(net.f[1:], trace.x[1:], strict=True):
        if any((np.abs(x - bend) < AWAY).any() for bend in (*row.kinks, *BENDS.get(row.name, ()))):
            return False
    residual = np.abs(t - trace.y[-1])
    bends = {"absolute": (0.0,), "huber": (1.0,)}.get(net.objective.name, ())
    if any((np.abs(residual - bend) < AWAY).any() for bend in bends):
        return False
    return _is_alive(case, trace)


def _is_alive(case: Case, trace: Any) -> bool:
    """E without its penalties changes along every block, and E_p along the inputs of every pattern with a target."""
    net, inputs, t, s = case.arguments
    net = net.without_penalty()
    direction = np.random.default_rng(case.seed).choice([-1.0, 1.0], net.n_parameters)

    def E(theta: np.ndarray) -> Any:
        of = net.replace(theta)
        return backprop.error(of, backprop.forward(of, inputs), t, s, case.total)

    def E_p(y_0: np.ndarray) -> Any:
        x = backprop.forward(net, y_0)
        return net.objective.errors(net.f[-1], t, x.x[-1], x.y[-1])

    slopes = []
    for block in net.blocks:
        d = np.zeros(net.n_parameters)
        d[block.part] = direction[block.part]
        slopes.append(complex_step(E, net.theta, d))
    by_inputs = complex_step(E_p, inputs, np.ones_like(inputs))[~np.isnan(t).all(axis=1)]
    return bool(np.isfinite(slopes).all() and np.abs(slopes).min() > ALIVE and np.abs(by_inputs).min() > ALIVE)
