"""Random cases of training for engines: any network, table, rule and batch, and how far two engines are apart.

The same seed gives the same case; one after another they take every objective and output activation in both types by
every rule. A distance is counted in what the page itself moves by when every number that goes in moves by one ulp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from chainrule import Network, backprop
from chainrule.engines import Patterns, reference, source
from chainrule.training.descent import RULES, Rule, rule
from random_networks import HIDDEN, PAIRS, _of_usual_size, _targets

DTYPES = ("float64", "float32")
USED = tuple(name for name, row in RULES.items() if not row.whole)
WIDTHS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 70)
ROUND = len(PAIRS) * len(DTYPES) * len(USED)
"""Cases in which every combination has been once."""

DRAWS = 3
"""How often every number is moved by an ulp."""

SIGNS = ("rprop", "rmsprop", "adam", "adamw")
"""Rules that make a whole step of the smallest gradient, in the direction of its sign."""


@dataclass(frozen=True)
class Case:
    """What is trained, and how."""

    seed: int
    net: Network
    inputs: Any
    targets: Any
    weights: Any
    batch_size: int
    rule: Rule
    learning_rate: float

    @property
    def source(self) -> Patterns:
        """Of its patterns."""
        return source(self.net, self.inputs, self.targets, self.weights, self.batch_size)

    def __str__(self) -> str:
        rule = self.rule.name + (f", clip {self.rule.clip:.3g}" if self.rule.clip else "")
        rule += f", layer rates {self.rule.layer_rates}" if self.rule.layer_rates else ""
        return f"seed {self.seed}: {self.net!r}, {len(self.inputs)} patterns by {self.batch_size}, {rule}"


def kind(seed: int) -> tuple[str, str, str, str]:
    """Objective, output activation, type and rule of the case of this seed."""
    name = USED[(seed + seed // (2 * len(PAIRS))) % len(USED)]
    return (*PAIRS[seed % len(PAIRS)], DTYPES[seed // len(PAIRS) % 2], name)


def random_case(seed: int, patterns: int = 150, deepest: int = 8) -> Case:
    """The case of this seed: widths 1 to 70, depth 1 to deepest, up to so many patterns."""
    random = np.random.default_rng([seed, 1])
    goal, output, dtype, name = kind(seed)
    depth = int(random.integers(1, deepest + 1)) if random.random() < 0.3 else int(random.integers(1, 5))
    sizes = [int(random.choice(WIDTHS)) if random.random() < 0.5 else int(random.integers(1, 71)) for _ in range(depth)]
    sizes.append(int(random.choice([1, 2, 3, 10, 17, 33])))
    if output == "softmax":
        sizes[-1] = max(sizes[-1], 2)
    penalised = random.random() < 0.4
    net = Network(
        sizes,
        [*random.choice(HIDDEN, depth - 1).tolist(), output],
        goal,
        bias=[bool(one) for one in random.random(depth) < random.choice([0.0, 0.5, 1.0, 1.0])],
        seed=seed,
        l1=float(random.choice([0.0, 0.002])) if penalised else 0.0,
        l2=float(random.choice([0.0, 0.01])) if penalised else 0.0,
        penalize_bias=bool(random.integers(2)),
    )
    n = int(random.choice([1, 2, 5, 23, 48, 49, 97, patterns]))
    inputs = random.normal(0, 1, (n, sizes[0]))
    net = _of_usual_size(net, inputs, random)
    targets = _targets(net, random, n)
    targets[0] = np.where(np.isnan(targets[0]), 0.5, targets[0])
    if output == "softmax":
        targets[0] = 1 / sizes[-1]
    weights = random.uniform(0.2, 3, n) if random.random() < 0.4 else None
    batch = n if name == "rprop" else int(min(n, random.choice([1, 3, 7, 16, 48, 50, n])))
    if batch == 1:
        n = min(n, 40)
        inputs, targets, weights = inputs[:n], targets[:n], None if weights is None else weights[:n]
    rates = {int(i): float(r) for i in range(1, depth + 1) if random.random() < 0.5 for r in [random.choice([0, 0.5])]}
    net, inputs, targets = net.astype(dtype), inputs.astype(dtype), targets.astype(dtype)
    case = Case(seed, net, inputs, targets, weights, batch, rule(name), 0.01)
    _, g = reference.value_and_gradient(reference.prepare(net, case.source, case.rule), net.theta)
    largest = float(np.abs(g).max())
    if random.random() < 0.3:
        case = replace(case, rule=rule(name, clip=float(random.choice([0.5, 2])) * (largest or 1.0)))
    if depth > 1 and random.random() < 0.2:
        case = replace(case, rule=replace(case.rule, layer_rates=rates))
    steps = 2 * -(-n // batch)
    usual = 0.05 / np.sqrt(steps) / (1.0 if name in SIGNS else max(1.0, largest))
    return replace(case, learning_rate=float(usual * (0.1 if name in SIGNS else 1)))


def ran(engine: Any, case: Case, random: Any = None) -> dict[str, Any]:
    """All that an engine says of a case, by what it is; with random numbers, every number that goes in moves by an ulp.

    Two epochs in an order that is shuffled, so that what the rule remembers counts.
    """
    case = case if random is None else _moved(case, random)
    patterns = case.source
    state = engine.prepare(case.net, patterns, case.rule)
    E, g = engine.value_and_gradient(state, case.net.theta)
    found = {"E": E, "gradient": g, "E of patterns": engine.error(state, patterns)}
    found["y"] = engine.predict(case.net, case.inputs)
    for epoch in (1, 2):
        window, order = next(iter(patterns.windows(case.seed, epoch, True)))
        rates = case.learning_rate * np.linspace(1, 0.5, -(-patterns.patterns // patterns.batch_size))
        found[f"running E {epoch}"] = engine.epoch(state, window, order, rates)
        found[f"θ {epoch}"] = engine.network(state).theta
    return found


def _moved(case: Case, random: Any) -> Case:
    def moved(values: Any, low: float, high: float) -> Any:
        up = random.random(values.shape) < 0.5
        return np.nextafter(values, np.where(up, high, low).astype(values.dtype))

    theta, inputs = (moved(values, -np.inf, np.inf) for values in (case.net.theta, case.inputs))
    targets = np.where(random.random(case.targets.shape) < 0.5, np.nextafter(case.targets, 0), case.targets)
    return replace(case, net=case.net.replace(theta), inputs=inputs, targets=targets.astype(case.net.dtype))


class Distance(NamedTuple):
    """The largest difference, in what one ulp everywhere moves the page by, and in ulps of the largest entry."""

    moves: float
    ulps: float


NONE, INFINITE = Distance(0.0, 0.0), Distance(np.inf, np.inf)


def distances(engine: Any, case: Case) -> dict[str, Distance]:
    """How far an engine is from the page, quantity by quantity; of θ and its gradient the worst block.

    Infinite where one of them is finite and the other is not. To what the page moves by, an ulp of the largest entry is
    added.
    """
    page, other = ran(reference, case), ran(engine, case)
    moved = [ran(reference, case, np.random.default_rng([case.seed, draw])) for draw in range(DRAWS)]
    eps = float(np.finfo(case.net.dtype).eps)
    found = {}
    for name, value in page.items():
        parts = [block.part for block in case.net.blocks] if np.ndim(value) == 1 else [...]
        found[name] = NONE
        for part in parts:
            of = [np.asarray(run[name], dtype=np.float64)[part] for run in (page, other, *moved)]
            found[name] = max(found[name], _distance(*of[:2], of[2:], eps))
    return found


def _distance(page: Any, other: Any, moved: list[Any], eps: float) -> Distance:
    if not np.array_equal(np.isfinite(page), np.isfinite(other)):
        return INFINITE
    off = float(np.max(np.abs(other - page), initial=0.0))
    ulp = eps * float(np.max(np.abs(page), initial=0.0))
    moves = max(float(np.max(np.abs(one - page), initial=0.0)) for one in moved)
    return Distance(off / (ulp + moves), off / ulp) if off else NONE


def steps(case: Case) -> Iterator[tuple[Network, Any, Any, Any, Any]]:
    """Of each update of the page in :func:`ran`: the network before it, inputs, targets, and its gradient."""
    patterns = case.source
    state = reference.prepare(case.net, patterns, case.rule)
    for epoch in (1, 2):
        window, order = next(iter(patterns.windows(case.seed, epoch, True)))
        rates = case.learning_rate * np.linspace(1, 0.5, -(-patterns.patterns // patterns.batch_size))
        for n, (inputs, t, s, total) in enumerate(window.batches(order)):
            net = state.net
            trace = backprop.forward(net, inputs)
            g = backprop.gradient(net, trace, backprop.error_terms(net, trace, t), s, total).theta
            yield net, trace, t, g
            reference.epoch(state, window, order[n * window.batch_size : (n + 1) * window.batch_size], rates[n : n + 1])


def nearest(case: Case) -> float:
    """How near the page comes to a point where rounding decides, in ulps of what is summed there.

    To a kink of an activation or of the objective; to a gradient of 0, where the rule goes by its sign; to a gradient
    as long as the clip.
    """
    eps, near = float(np.finfo(case.net.dtype).eps), np.inf
    bends = {"absolute": (0.0,), "huber": (1.0, -1.0)}.get(case.net.objective.name, ())
    for net, trace, t, g in steps(case):
        for i, row in enumerate(net.f[1:], 1):
            size = np.abs(trace.y[i - 1]) @ np.abs(net.w[i]).T + (0 if net.b[i] is None else np.abs(net.b[i]))
            for kink in row.kinks:
                near = min(near, np.min(np.abs(trace.x[i] - kink) / (eps * size + 1e-300)))
        for bend in bends:
            near = min(
                near, np.nanmin(np.abs(t - trace.y[-1] - bend) / (eps * (np.abs(t) + np.abs(trace.y[-1])) + 1e-300))
            )
        if case.rule.name in SIGNS:
            for block in net.blocks:
                part = np.abs(g[block.part])
                near = min(near, np.min(part[part > 0], initial=np.inf) / (eps * part.max() + 1e-300))
        if case.rule.clip is not None:
            near = min(near, abs(float(np.linalg.norm(g.astype(np.float64))) / case.rule.clip - 1) / eps)
    return float(near)
