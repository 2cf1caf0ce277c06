"""sum_over_paths(): step 19 as the sum over all paths from the outputs down to the target, the largest ones listed.

Multiplied out, the nested sums of the last line before "let e be" have one product for every path i, j, k … of nodes.
There are as many as the product of the layers' sizes, so they are not all made: the largest come out of a search whose
bound is exact, and the sum of all is worked out layer by layer. Its letters: those of the terms.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import inf, prod
from typing import Any

import numpy as np

from chainrule.derivation.evaluate import Evaluator
from chainrule.derivation.problem import Problem
from chainrule.derivation.steps import Derivation
from chainrule.derivation.terms import PATTERNS, Addition, Letter, Negation, Node, Product, Sum, Term
from chainrule.derivation.verify import _as_case, example, values_of
from chainrule.network import Network
from chainrule.notation import Array


@dataclass(frozen=True)
class Path:
    """One path.

    Attributes
    ----------
    nodes : tuple of int
        From the output layer down to those of the target.
    contribution : float
        Its product, with its sign.
    pattern : int or None
        Whose, if there are several.
    """

    nodes: tuple[int, ...]
    contribution: float
    pattern: int | None = None


@dataclass(frozen=True)
class Paths:
    """What :func:`sum_over_paths` found.

    Attributes
    ----------
    largest : tuple of Path
        By absolute value, the largest first; paths that contribute nothing are left out.
    count : int
        How many paths there are.
    total : float
        The sum over all paths, in E's unit over the target's.
    absolute : float
        The sum of their absolute values.
    beside : float
        What stands beside that sum in the line: the slope of the penalty, or 0.
    line : float
        The value of the line, which is total + beside.
    number : int
        Of the line.
    """

    largest: tuple[Path, ...]
    count: int
    total: float
    absolute: float
    beside: float
    line: float
    number: int

    def __str__(self) -> str:
        """A table of 80 columns."""
        count = f"{self.count:,}" if self.count < 10**15 else f"{Decimal(self.count):.3e}"
        lines = [
            f"step {self.number}: the sum over {count} path{'' if self.count == 1 else 's'} is {self.total:.9g}",
            *([f"beside it stands the slope of the penalty, {self.beside:.9g}"] if self.beside else []),
            f"{'contribution':>14}  {'of all':>9}  from the outputs down",
        ]
        for path in self.largest:
            share = abs(path.contribution) / self.absolute
            said = " → ".join(map(str, path.nodes))
            said = said if path.pattern is None else f"pattern {path.pattern}: {said}"
            said = said if len(said) <= 53 else f"{said[:32]} … {said[-18:]}"
            lines.append(f"{path.contribution:>14.6g}  {share:>9.3%}  {said}")
        return "\n".join(lines)


def sum_over_paths(
    derivation: Derivation,
    net: Network | None = None,
    inputs: Any = None,
    targets: Any = None,
    weights: Any = None,
    most: int = 10,
) -> Paths:
    """Work out the last line before "let e be" as a sum over paths.

    Parameters
    ----------
    derivation : Derivation
    net : Network, optional
        Of the derivation's shape and objective; by default the one it was made for. Without inputs and targets a random
        network is taken.
    inputs, targets : array of shape (patterns, inputs), (patterns, outputs)
        One pattern, of shape (1, inputs) or (inputs,), unless the derivation is over several. In the network's units.
    weights : array of shape (patterns,), optional
        s_p, for several patterns.
    most : int
        How many of the largest paths to list.

    Returns
    -------
    Paths

    Raises
    ------
    ValueError
        If network or arrays do not fit the derivation, or most is no whole number from 0 up.
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise ValueError(f"most must be a whole number from 0 up; got {most!r}. Pass how many paths to list.")
    problem = derivation.problem
    random = inputs is None and targets is None
    case = example(problem, 0) if random else _as_case(problem, net, inputs, targets, weights)
    evaluator = Evaluator(values_of(problem, *case))
    step = next(step for step in derivation.steps if not step.line.pending)
    line, beside = step.line, 0.0
    if isinstance(line, Addition):
        line, *others = line.terms
        beside = float(sum(evaluator.number(other) for other in others))
    start, layers = _layers(evaluator, problem, line)
    return Paths(
        tuple(_largest(problem, start, layers, most)),
        len(start) * prod(layer.shape[2] for layer in layers),
        _total(start, layers),
        _total(np.abs(start), [np.abs(layer) for layer in layers]),
        beside,
        float(evaluator.number(step.line)),
        step.number,
    )


def _layers(evaluator: Evaluator, problem: Problem, line: Term) -> tuple[Array, list[Array]]:
    """What stands before the sums over nodes, (patterns,), and in each of them, (patterns, nodes above, nodes)."""
    start = np.ones(len(evaluator.values.s) if problem.patterns else 1)
    if isinstance(line, Negation):
        start, line = -start, line.term
    layers: list[Array] = []
    letters: list[Letter | None] = [None, None]
    while True:
        factors = list(line.factors) if isinstance(line, Product) else [line]
        inner = factors.pop() if isinstance(factors[-1], Sum) else None
        for factor in factors:
            found, axes = evaluator.value(factor), (problem.pattern, *letters[-2:])
            array = found.array[tuple(slice(None) if one and one in found.letters else None for one in axes)]
            if layers:
                layers[-1] = layers[-1] * array
            else:
                start = start * array[:, 0, 0]
        if inner is None:
            return start, layers
        assert isinstance(inner, Sum)
        line = inner.body
        if inner.index.layer != PATTERNS:
            letters.append(inner.index)
            above = layers[-1].shape[2] if layers else 1
            layers.append(np.ones((len(start), above, problem.sizes[inner.index.layer])))


def _total(start: Array, layers: Sequence[Array]) -> float:
    """The sum over all paths, from the outputs down: what arrives at each node, summed over all ways there."""
    arriving = start[:, None, None]
    for layer in layers:
        arriving = arriving @ layer
    return float(arriving.sum())


def _largest(problem: Problem, start: Array, layers: Sequence[Array], most: int) -> Iterator[Path]:
    """The largest paths, one by one: always the start that can still become the largest is made longer.

    What can still become of a start is known exactly: the largest product from each node down.
    """
    with np.errstate(divide="ignore"):
        logs = [np.log(np.abs(layer)) for layer in layers]
        first = np.log(np.abs(start))
    best = [np.zeros((len(start), layers[-1].shape[2] if layers else 1))]
    for log in reversed(logs):
        best.insert(0, (log + best[0][:, None, :]).max(axis=2))
    end = tuple(node.number for node in problem.target.nodes if isinstance(node, Node))
    starts: list[tuple[float, tuple[int, ...], float]] = []  # minus the bound, pattern and nodes, log so far
    for pattern, log in enumerate(first):
        heapq.heappush(starts, (-float(log + best[0][pattern, 0]), (pattern,), float(log)))
    while starts and most > 0:
        bound, (pattern, *nodes), so_far = heapq.heappop(starts)
        if bound == inf:
            return
        depth = len(nodes)
        if depth == len(layers):
            factors = [layer[pattern, j, k] for layer, j, k in zip(layers, [0, *nodes], nodes, strict=False)]
            yield Path((*nodes, *end), float(start[pattern] * prod(factors)), pattern if problem.patterns else None)
            most -= 1
            continue
        longer = so_far + logs[depth][pattern, nodes[-1] if nodes else 0]
        for node, (log, rest) in enumerate(zip(longer.tolist(), best[depth + 1][pattern].tolist(), strict=True)):
            heapq.heappush(starts, (-(log + rest), (pattern, *nodes, node), log))
