"""cost(): the multiplications of every line, for one weight and for all, with nothing kept and with error terms kept.

The paper's step 20 as a number: "that would involve a lot of redundant computation". A line costs what its sums,
written as loops, multiply; net values, outputs and slopes f' are known from the forward pass. The costs come from a
formula for networks of any size, or are counted by numbers that count their products. Its letters: those of the terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from chainrule.derivation.evaluate import Values
from chainrule.derivation.problem import Problem
from chainrule.derivation.rules import Let
from chainrule.derivation.steps import Derivation, Step, steps_of
from chainrule.derivation.terms import (
    PATTERNS,
    Addition,
    Apply,
    Difference,
    Index,
    Letter,
    Negation,
    Node,
    Number,
    Product,
    Quotient,
    Reference,
    Same,
    Square,
    Sum,
    Symbol,
    Term,
    walk,
)
from chainrule.derivation.verify import example, values_of

MOST_COUNTED = 2_000_000
"""Multiplications that are counted one by one; it takes a second or two."""


@dataclass(frozen=True)
class CostOfLine:
    """The multiplications of one line.

    Attributes
    ----------
    number : int
    one, every : int or None
        With nothing kept, every error term being worked out again wherever it stands: for the target alone, and for
        all weights and biases, or all inputs. None where a ∂ is pending, which does not say how it is worked out; every
        is None too on lines within a step of the paper, as pedantic derivations have them.
    one_kept, every_kept : int or None
        With each error term worked out once and kept, that included.
    """

    number: int
    one: int | None
    every: int | None
    one_kept: int | None
    every_kept: int | None


@dataclass(frozen=True)
class Costs:
    """What :func:`cost` found.

    Attributes
    ----------
    lines : tuple of CostOfLine
    error_terms : int
        All error terms of the network together, each worked out once.
    what : str
        What one is, "weight", "bias" or "input", ...
    all : str
        ... and what all are.
    patterns : int
    counted : bool
        Whether the multiplications were counted one by one.
    """

    lines: tuple[CostOfLine, ...]
    error_terms: int
    what: str
    all: str
    patterns: int
    counted: bool

    def __str__(self) -> str:
        """A table of 80 columns."""
        lines = [
            f"multiplications for one {self.what} and for {self.all}"
            + (f", {self.patterns} patterns" if self.patterns > 1 else ""),
            f"{'':>4}  {'nothing kept':>36}  {'error terms kept':>36}",
            f"{'line':>4}  {'one':>17}  {'all':>17}  {'one':>17}  {'all':>17}",
        ]
        pending = sum(line.one is None for line in self.lines)
        if pending:
            lines.append(f"lines 1 to {pending}: ∂ is still to be worked out")
        for line in self.lines[pending:]:
            numbers = (line.one, line.every, line.one_kept, line.every_kept)
            lines.append(f"{line.number:>4}  " + "  ".join(f"{_grouped(n):>17}" for n in numbers))
        return "\n".join([*lines, f"all error terms, each once: {_grouped(self.error_terms)}"])


def _grouped(number: int | None) -> str:
    text = "–" if number is None else f"{number:,}"
    return text if len(text) <= 17 else f"{Decimal(number or 0):.6e}"


def cost(derivation: Derivation, patterns: int = 1, counted: bool = False) -> Costs:
    """Count the multiplications of every line.

    Parameters
    ----------
    derivation : Derivation
    patterns : int
        How many, if the derivation is over several.
    counted : bool
        Evaluate with numbers that count their products, instead of the formula. For small networks.

    Returns
    -------
    Costs
        Products of two numbers; a square and a fraction count as one. Step 19 of a weight in layer 1 of
        64-64-64-64-64-64 costs 64(2 + 64(2 + 64(2 + 64·4))).

    Raises
    ------
    ValueError
        If patterns does not fit the derivation, or there is too much to count.
    """
    problem = derivation.problem
    if isinstance(patterns, bool) or not isinstance(patterns, int) or patterns < 1:
        raise ValueError(f"patterns must be a whole number from 1 up; got {patterns!r}. Pass how many there are.")
    if patterns > 1 and not problem.patterns:
        raise ValueError(
            f"patterns must be 1 for a derivation for one pattern; got {patterns}. Derive it with patterns=True."
        )
    found = _costs(derivation, _Formula(problem, patterns))
    if not counted:
        return found
    most = sum(n for line in found.lines for n in (line.one, line.every, line.one_kept, line.every_kept) if n)
    if most > MOST_COUNTED:
        raise ValueError(
            f"counted must be False for so large a network, which takes {_grouped(most)} multiplications; got True. "
            f"Up to {MOST_COUNTED:,} are counted one by one."
        )
    return _costs(derivation, _Counter(problem, patterns))


class _Stage(NamedTuple):
    """A line from step 19 on, what its error terms stand for, and down to which layer they are let be."""

    line: Term
    lets: dict[int, Let]
    layer: int


def _stages(steps: Sequence[Step], L: int) -> Iterator[_Stage | None]:
    """The stage of every step; none while a ∂ is pending."""
    lets: dict[int, Let] = {}
    for step in steps:
        lets = lets | {e.layer: (e, meaning) for e, meaning in step.lets}
        yield None if step.line.pending else _Stage(step.line, lets, min(lets, default=L + 1))


def _costs(derivation: Derivation, count: _Formula | _Counter) -> Costs:
    """All costs, by formula or by counting."""
    problem, lines = derivation.problem, []
    stages = list(_stages(derivation.steps, problem.L))
    for n, (step, stage) in enumerate(zip(derivation.steps, stages, strict=True)):
        if stage is None:
            lines.append(CostOfLine(step.number, None, None, None, None))
            continue
        ends_step = bool(step.lets) or n == 0 or stages[n - 1] is None
        every = [count.every(stage.layer, kept) if ends_step else None for kept in (False, True)]
        lines.append(CostOfLine(step.number, count.one(stage, False), every[0], count.one(stage, True), every[1]))
    what = {"w": "weight", "b": "bias", "y": "input"}[problem.target.letter]
    everything = "all inputs" if what == "input" else "all weights" + (" and biases" if any(problem.bias) else "")
    return Costs(tuple(lines), count.error_terms(), what, everything, count.patterns, isinstance(count, _Counter))


def _is_error_term(term: Term) -> bool:
    return isinstance(term, Reference) and term.letter == "e"


# --- by formula ------------------------------------------------------------------------------------------------------


class _Formula:
    """Multiplications from the sizes: of the target's own lines term by term, of all targets' layer by layer."""

    def __init__(self, problem: Problem, patterns: int) -> None:
        self.problem, self.patterns = problem, patterns
        softmax = problem.output == "softmax"
        if problem.objective == "sse":  # what e_L stands for: so many factors, and so many products in these
            self.head = (1, 2 * problem.sizes[-1]) if softmax else (2, 0)
        else:
            self.head = (1, 1 if softmax else 0)

    def one(self, stage: _Stage, kept: bool) -> int:
        """Of a line; the error terms that it needs are kept, or not."""
        return self._of(stage.line, kept) + (self._of_needed(stage) if kept else 0)

    def _of(self, term: Term, kept: bool) -> int:
        if isinstance(term, Reference) and term.letter == "e":
            return 0 if kept else self._of_error_term(term.layer)
        inside = sum(self._of(part, kept) for part in term.parts)
        match term:
            case Product(factors):
                return inside + len(factors) - 1
            case Square() | Quotient():
                return inside + 1
            case Sum(index=index):
                return inside * (self.patterns if index.layer == PATTERNS else self.problem.sizes[index.layer])
        return inside

    def _of_needed(self, stage: _Stage) -> int:
        """Of the error terms that occur in a line, and of those in what they stand for, each once."""
        needed: dict[int, int] = {}
        found = [one for one in walk(stage.line) if _is_error_term(one)]
        while found:
            e = found.pop()
            assert isinstance(e, Reference)
            if e.layer not in needed:
                needed[e.layer] = self.problem.sizes[e.layer] if isinstance(e.nodes[0], Letter) else 1
                found += [one for one in walk(stage.lets[e.layer][1]) if _is_error_term(one)]
        return self.patterns * sum(nodes * self._of_meaning(layer) for layer, nodes in needed.items())

    def _of_meaning(self, layer: int) -> int:
        """e of one node when those of the layer above are known: of sum_m e_m w_mj f'(x_j), or (t - y) f'(x)."""
        factors, inside = self.head
        return factors - 1 + inside if layer == self.problem.L else 2 * self.problem.sizes[layer + 1]

    def _of_error_term(self, layer: int) -> int:
        """The same when those of the layer above are worked out where they stand."""
        found = self._of_meaning(self.problem.L)
        for size in reversed(self.problem.sizes[layer + 1 :]):
            found = size * (2 + found)
        return found

    def error_terms(self, layer: int = 1) -> int:
        """Of all error terms together, down to a layer."""
        layers = range(layer, self.problem.L + 1)
        return self.patterns * sum(self.problem.sizes[i] * self._of_meaning(i) for i in layers)

    def every(self, layer: int, kept: bool) -> int:
        """Of all weights and biases, or all inputs, when error terms are let be down to this layer."""
        problem, found = self.problem, self.error_terms(layer) if kept else 0
        for i, size in enumerate(problem.sizes):
            if problem.target.letter == "y":
                found += size * self._of_target("y", 0, layer, kept) if i == 0 else 0
            elif i > 0:
                found += size * problem.sizes[i - 1] * self._of_target("w", i, layer, kept)
                found += size * self._of_target("b", i, layer, kept) if problem.bias[i - 1] else 0
        return found

    def _of_target(self, letter: str, i: int, layer: int, kept: bool) -> int:
        """Of one target in layer i."""
        problem, top = self.problem, max(layer, i)
        head = self.head if top > problem.L else (1, 0 if kept else self._of_error_term(top))
        found = self._of_sums(letter, i, min(top, problem.L), *head)
        if problem.patterns:  # 1/S sum_p s_p …
            found = 2 + self.patterns * (1 + found)
        penalized = letter == "w" or (letter == "b" and problem.penalize_bias)
        return found + 1 if problem.l2 and penalized else found

    def _of_sums(self, letter: str, i: int, layer: int, factors: int, inside: int) -> int:
        """Of the sums from a layer down to the target's, i: factors that stand first, then w f' of each layer below."""
        last = {"w": 3, "b": 2, "y": 1}[letter]  # w f' y; w f'; w
        if layer == i:
            return factors + last - 3 + inside
        size = self.problem.sizes[layer]
        if layer == i + 1:
            return size * (factors + last - 1 + inside)
        return size * (factors + inside + self._of_sums(letter, i, layer - 1, 2, 0))


# --- by counting -----------------------------------------------------------------------------------------------------


class Counted:
    """A number that counts the products it is in."""

    def __init__(self, value: float, count: list[int]) -> None:
        self.value, self.count = value, count

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.value + other.value, self.count)

    def __sub__(self, other: Counted) -> Counted:
        return Counted(self.value - other.value, self.count)

    def __neg__(self) -> Counted:
        return Counted(-self.value, self.count)

    def __mul__(self, other: Counted) -> Counted:
        self.count[0] += 1
        return Counted(self.value * other.value, self.count)

    def __truediv__(self, other: Counted) -> Counted:
        self.count[0] += 1
        return Counted(self.value / other.value, self.count)


class _Counter:
    """Multiplications counted while lines are evaluated by plain loops, every target by its own derivation."""

    def __init__(self, problem: Problem, patterns: int) -> None:
        self.problem, self.patterns = problem, patterns
        net, inputs, targets, _ = example(problem, 0)
        rows = np.arange(patterns) % len(inputs)
        self.values = values_of(problem, net, inputs[rows], targets[rows])
        self.targets = [self._of_target(target) for target in _targets(problem)]

    def _of_target(self, target: Reference) -> list[_Stage]:
        steps = steps_of(replace(self.problem, target=target), "full")
        return [stage for stage in _stages(steps, self.problem.L) if stage is not None]

    def one(self, stage: _Stage, kept: bool) -> int:
        """Of a line; the error terms that it needs are kept, or not."""
        return self._of([stage], kept)

    def every(self, layer: int, kept: bool) -> int:
        """Of all targets when error terms are let be down to this layer, or down to their own."""
        return self._of([[one for one in stages if one.layer >= layer][-1] for stages in self.targets], kept)

    def _of(self, stages: Sequence[_Stage], kept: bool) -> int:
        loops = Loops(self.values, kept)
        for stage in stages:
            loops.worth(stage.line, stage.lets, {})
        return loops.count[0]

    def error_terms(self) -> int:
        """Of all error terms together: what all last lines take, less what they take when these are known already."""
        loops, counts = Loops(self.values, kept=True), [0]
        for _ in range(2):
            for stages in self.targets:
                loops.worth(stages[-1].line, stages[-1].lets, {})
            counts.append(loops.count[0])
        return counts[1] - (counts[2] - counts[1])


def _targets(problem: Problem) -> Iterator[Reference]:
    """Every weight and bias, or every input."""
    nodes = [[Node(number, i) for number in range(size)] for i, size in enumerate(problem.sizes)]
    if problem.target.letter == "y":
        yield from (Reference("y", 0, (k,)) for k in nodes[0])
        return
    for i in range(1, problem.L + 1):
        yield from (Reference("w", i, (j, k)) for j in nodes[i] for k in nodes[i - 1])
        if problem.bias[i - 1]:
            yield from (Reference("b", i, (j,)) for j in nodes[i])


class Loops:
    """Terms as numbers, by loops as they are written; error terms by what they stand for, kept or not."""

    def __init__(self, values: Values, kept: bool) -> None:
        self.values, self.kept, self.count = values, kept, [0]
        self._e: dict[tuple[int, int, int], Counted] = {}
        layers = range(1, values.problem.L + 1)
        self._f = {i: values.f[i](values.x[i]) for i in layers}
        self._f_prime = {i: values.f[i].f_prime(values.x[i]) for i in layers if not values.problem.spreads(i)}

    def worth(self, term: Term, lets: dict[int, Let], at: dict[Letter, int]) -> Counted:
        """The term where its free indices are these nodes."""
        match term:
            case Product(factors) | Addition(factors):
                found = self.worth(factors[0], lets, at)
                for factor in factors[1:]:
                    other = self.worth(factor, lets, at)
                    found = found * other if isinstance(term, Product) else found + other
                return found
            case Sum(index, body):
                size = len(self.values.s) if index.layer == PATTERNS else self.values.problem.sizes[index.layer]
                found = self._number(0)
                for n in range(size):
                    found = found + self.worth(body, lets, at | {index: n})
                return found
            case Difference(left, right):
                return self.worth(left, lets, at) - self.worth(right, lets, at)
            case Quotient(above, below):
                return self.worth(above, lets, at) / self.worth(below, lets, at)
            case Square(inside):
                found = self.worth(inside, lets, at)
                return found * found
            case Negation(inside):
                return -self.worth(inside, lets, at)
            case Reference(letter="e"):
                return self._error_term(term, lets, at)
        return self._number(self._known(term, at))

    def _error_term(self, term: Reference, lets: dict[int, Let], at: dict[Letter, int]) -> Counted:
        e, meaning = lets[term.layer]
        node, pattern = _where(term.nodes[0], at), at[term.pattern] if term.pattern else 0
        key = (term.layer, node, pattern)
        if self.kept and key in self._e:
            return self._e[key]
        own = {index: n for index, n in ((e.nodes[0], node), (e.pattern, pattern)) if isinstance(index, Letter)}
        found = self.worth(meaning, lets, own)
        if self.kept:
            self._e[key] = found
        return found

    def _known(self, term: Term, at: dict[Letter, int]) -> Any:
        """The numbers that take no product to find."""
        values = self.values
        match term:
            case Number(value=value):
                return float(value)
            case Symbol(name=name):
                return values.strength if name == "λ" else values.s.sum()
            case Same(left, right):
                return float(_where(left, at) == _where(right, at))
            case Apply(layer, Reference() as x, primed):
                return (self._f_prime if primed else self._f)[layer][self._place(x, at)]
            case Reference(letter="s"):
                return values.s[self._place(term, at)]
            case Reference(letter="t"):
                return values.t[self._place(term, at)]
            case Reference(letter="w" | "b"):
                return getattr(values, term.letter)[term.layer][tuple(_where(node, at) for node in term.nodes)]
            case Reference(letter="x" | "y"):
                return getattr(values, term.letter)[term.layer][self._place(term, at)]
        raise ValueError(
            f"term must be without ∂ to be evaluated by loops; got {type(term).__name__}. Work ∂ out first."
        )

    def _place(self, term: Reference, at: dict[Letter, int]) -> tuple[int, ...]:
        return (at[term.pattern] if term.pattern else 0, *(_where(node, at) for node in term.nodes))

    def _number(self, value: Any) -> Counted:
        return Counted(float(value), self.count)


def _where(index: Index, at: dict[Letter, int]) -> int:
    return at[index] if isinstance(index, Letter) else index.number
