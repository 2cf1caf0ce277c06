"""Every one-token corruption of a derivation, and what becomes of it.

A corruption changes one token of one line, or of the definition of one error term: a factor or sign is lost, a prime,
another index, another letter … Either no such term can be built, or the line is built and must be found wrong by the
judgement that verify uses, on its own random networks. A line that passes is still no corruption if it is equal to the
right one by mathematics, as when a constant under ∂ becomes another constant: this is proved exactly, by writing both
out over all nodes as polynomials, in which every letter is a variable of its own, but that the outputs of softmax add
up to 1, that e of softmax is what it is defined as, and so is the net value in which the target stands. Nothing here
asks the evaluator.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from chainrule import certificate
from chainrule.derivation import Derivation, Step
from chainrule.derivation.problem import Problem
from chainrule.derivation.terms import (
    ONE,
    PATTERNS,
    Addition,
    Apply,
    D,
    Difference,
    IllFormed,
    Index,
    Letter,
    Log,
    Negation,
    Node,
    Number,
    Product,
    Quotient,
    Reference,
    Same,
    Square,
    SquaredWeights,
    Sum,
    Symbol,
    Term,
    addition,
    negation,
    product,
    walk,
)
from chainrule.derivation.verify import Judge, example, values_of

Make = Callable[[], Term]
"""Builds the corrupted term, or raises IllFormed."""


class Corruption(NamedTuple):
    """A step of which one token is another."""

    kind: str
    step: Step
    make: Callable[[], Step]


class Fates(NamedTuple):
    """What became of the corruptions of each kind."""

    made: Counter[str]
    refused: Counter[str]
    equal: Counter[str]
    caught: Counter[str]
    missed: list[tuple[str, Step, Step]]


# --- making them ------------------------------------------------------------------------------------------------------


def corruptions(derivation: Derivation) -> Iterator[Corruption]:
    """Of every line, and of every definition of an error term."""
    for step in derivation.steps:
        for kind, make in _everywhere(derivation.problem, step.line):
            yield Corruption(kind, step, lambda step=step, make=make: replace(step, line=make()))
        for n, (e, meaning) in enumerate(step.lets):
            for kind, make in _everywhere(derivation.problem, meaning):
                yield Corruption(kind, step, lambda step=step, n=n, e=e, make=make: _with_let(step, n, e, make()))


def _with_let(step: Step, n: int, e: Reference, meaning: Term) -> Step:
    return replace(step, lets=(*step.lets[:n], (e, meaning), *step.lets[n + 1 :]))


def _everywhere(problem: Problem, whole: Term) -> Iterator[tuple[str, Make]]:
    """Each kind of corruption at each place of a term."""
    letters = sorted({one for term in walk(whole) for one in _letters(term)}, key=lambda one: (one.layer, one.name))

    def at(term: Term, around: Callable[[Term], Term]) -> Iterator[tuple[str, Make]]:
        for kind, make in _here(problem, letters, term):
            yield kind, lambda make=make: around(make())
        for n, part in enumerate(term.parts):
            others = term.parts[:n], term.parts[n + 1 :]
            yield from at(part, lambda new, term=term, others=others: around(term.of(*others[0], new, *others[1])))

    return at(whole, lambda new: new)


def _letters(term: Term) -> tuple[Letter, ...]:
    found: tuple[Any, ...] = ()
    if isinstance(term, Reference):
        found = (*term.nodes, term.pattern)
    elif isinstance(term, Sum):
        found = (term.index,)
    elif isinstance(term, Same):
        found = (term.left, term.right)
    return tuple(one for one in found if isinstance(one, Letter))


def _here(problem: Problem, letters: list[Letter], term: Term) -> Iterator[tuple[str, Make]]:  # noqa: PLR0912  one case a kind
    """Those that change the term itself and not its parts."""
    if not isinstance(term, Negation):
        yield "sign", lambda: Negation(term)
    yield "∂ added", lambda: D(term)
    for letter in sorted(term.free, key=lambda one: (one.layer, one.name)):
        yield "sum added", lambda letter=letter: Sum(letter, term)
    match term:
        case Reference():
            yield from _of_reference(problem, letters, term)
        case Apply(layer, x, primed):
            yield from _of_function(problem, letters, layer, x, primed)
        case Number(value):
            yield "number", lambda: Number(value + 1)
            if value != 1:
                yield "number", lambda: Number(1 / value)
        case Symbol(name):
            yield "symbol", lambda: Symbol("S" if name == "λ" else "λ")
        case Negation(inside):
            yield "sign", lambda: inside
        case Difference(left, right):
            yield "difference", lambda: Difference(right, left)
            yield "difference", lambda: addition(left, right)
            yield "term dropped", lambda: left
            yield "term dropped", lambda: negation(right)
        case Addition(terms):
            for n in range(len(terms)):
                yield "term dropped", lambda n=n: addition(*terms[:n], *terms[n + 1 :])
                yield "sign", lambda n=n: addition(*terms[:n], negation(terms[n]), *terms[n + 1 :])
        case Product(factors):
            yield from _of_product(factors)
        case Quotient(above, below):
            yield "fraction", lambda: above
            if above != ONE:
                yield "fraction", lambda: Quotient(ONE, below)
            yield "fraction", lambda: Quotient(below, above)
        case Square(inside):
            yield "square", lambda: inside
        case Log(inside):
            yield "log", lambda: inside
        case Same(left, right):
            yield "[ ]", lambda: ONE
            yield "[ ]", lambda: Number(0)
            for other in _others(problem, letters, left):
                yield "[ ]", lambda other=other: Same(other, right)
            for other in _others(problem, letters, right):
                yield "[ ]", lambda other=other: Same(left, other)
        case Sum(index, body):
            yield "sum dropped", lambda: body
            for other in letters:
                if other != index:
                    yield "sum over another", lambda other=other: Sum(other, body)
        case SquaredWeights(biases):
            yield "biases", lambda: SquaredWeights(not biases)
        case D(inside):
            yield "∂ dropped", lambda: inside
            for n, part in enumerate(inside.parts):
                moved = (*inside.parts[:n], D(part), *inside.parts[n + 1 :]) if not part.settled else None
                if moved:
                    yield "∂ moved", lambda moved=moved: inside.of(*moved)


def _of_reference(problem: Problem, letters: list[Letter], term: Reference) -> Iterator[tuple[str, Make]]:
    for n, index in enumerate(term.nodes):
        for other in _others(problem, letters, index):
            nodes = (*term.nodes[:n], other, *term.nodes[n + 1 :])
            yield "index", lambda nodes=nodes: replace(term, nodes=nodes)
    if term.letter not in "ts":
        for layer in (term.layer - 1, term.layer + 1):
            yield "layer", lambda layer=layer: replace(term, layer=layer)
    for letter in "xyetwbs":
        if letter != term.letter:
            yield "letter", lambda letter=letter: replace(term, letter=letter)
    if term.letter == "w":
        yield "index", lambda: replace(term, nodes=term.nodes[::-1])
    if term.pattern:
        yield "pattern", lambda: replace(term, pattern=None)


def _others(problem: Problem, letters: list[Letter], index: Index) -> Iterator[Index]:
    """Every other index: the letters of the line, two other nodes for a node, and for a letter one, or the target's."""
    yield from (one for one in letters if one != index)
    if index.layer == PATTERNS:
        return
    size = problem.sizes[index.layer]
    if isinstance(index, Node):
        numbers = {(index.number + 1) % size, (index.number - 1) % size} - {index.number}
    else:
        numbers = {0, *(one.number for one in problem.target.nodes if one.layer == index.layer)}  # type: ignore[union-attr]
    yield from (Node(number, index.layer) for number in sorted(numbers))


def _of_function(
    problem: Problem, letters: list[Letter], layer: int, x: Term, primed: bool
) -> Iterator[tuple[str, Make]]:
    yield "prime", lambda: Apply(layer, x, not primed)
    yield "function dropped", lambda: x
    assert isinstance(x, Reference)
    for other in (layer - 1, layer + 1):
        yield "layer", lambda other=other: Apply(other, x, primed)
        if 1 <= other <= problem.L:
            for node in (*(one for one in letters if one.layer == other), Node(0, other)):
                yield (
                    "layer",
                    lambda other=other, node=node: Apply(other, Reference("x", other, (node,), x.pattern), primed),
                )


def _of_product(factors: tuple[Term, ...]) -> Iterator[tuple[str, Make]]:
    for n, factor in enumerate(factors):
        yield "factor dropped", lambda n=n: product(*factors[:n], *factors[n + 1 :])
        yield "factor repeated", lambda n=n, factor=factor: product(*factors[:n], factor, factor, *factors[n + 1 :])
    place = next((n for n, factor in enumerate(factors) if isinstance(factor, D)), None)
    for n in range(len(factors)) if place is not None else ():
        if n != place:
            yield "∂ moved", lambda n=n: product(*_moved(factors, place, n))


def _moved(factors: tuple[Term, ...], place: int, to: int) -> Iterator[Term]:
    for n, factor in enumerate(factors):
        yield factor.parts[0] if n == place else D(factor) if n == to else factor


# --- judging them -----------------------------------------------------------------------------------------------------


class Court:
    """The random networks on which verify judges the lines of a derivation."""

    def __init__(self, derivation: Derivation, networks: int = 2) -> None:
        self.derivation, problem = derivation, derivation.problem
        self.judges = []
        for seed in range(networks):
            net, inputs, targets, weights = example(problem, seed)
            slope = certificate.slope(net, inputs, targets, weights, problem.name)
            self.judges.append((Judge(values_of(problem, net, inputs, targets, weights), generic=True), slope))

    def finds_wrong(self, step: Step) -> bool:
        """Whether verify, with this step in place of the one of its number, would say that it is wrong."""
        steps = [step] if step.number == 1 else [self.derivation.steps[0], step]
        with np.errstate(all="ignore"):
            return any(not judge.lines(steps, slope)[-1].ok for judge, slope in self.judges)


def fates(derivation: Derivation, every: int = 1, start: int = 0) -> Fates:
    """What becomes of every corruption of a derivation, or of every so-manieth from one on."""
    court, found = Court(derivation), Fates(Counter(), Counter(), Counter(), Counter(), [])
    assert not any(court.finds_wrong(step) for step in derivation.steps)
    for n, (kind, step, make) in enumerate(corruptions(derivation)):
        if n % every != start % every:
            continue
        found.made[kind] += 1
        try:
            corrupted = make()
            wrong = court.finds_wrong(corrupted)
        except IllFormed:
            found.refused[kind] += 1
            continue
        if wrong:
            found.caught[kind] += 1
        elif are_equal(derivation.problem, step, corrupted):
            found.equal[kind] += 1
        else:
            found.missed.append((kind, step, corrupted))
    return found


# --- equal by mathematics ---------------------------------------------------------------------------------------------

Monomial = frozenset[tuple[Any, int]]
"""Variables and their powers."""

Polynomial = dict[Monomial, Fraction]


def are_equal(problem: Problem, step: Step, other: Step) -> bool:
    """Whether line and definitions of two steps are the same polynomials, written out over all nodes."""
    pairs = [(step.line, other.line), *((a[1], b[1]) for a, b in zip(step.lets, other.lets, strict=True))]
    return all(one is changed or _are_same(problem, one, changed) for one, changed in pairs)


def _are_same(problem: Problem, one: Term, other: Term) -> bool:
    written = Written(problem)
    free = sorted(one.free | other.free, key=lambda letter: letter.name)
    return not any(written.reduced(written.value(Difference(one, other), at)) for at in written.places(free))


class Written:
    """Terms written out over all nodes: each reference, slope, logarithm and inverse of a sum is a variable."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def places(self, letters: list[Letter]) -> Iterator[dict[Letter, int]]:
        """Every choice of nodes for the letters."""
        if not letters:
            yield {}
            return
        for at in self.places(letters[1:]):
            for n in self._nodes(letters[0]):
                yield {**at, letters[0]: n}

    def value(self, term: Term, at: dict[Letter, int]) -> Polynomial:  # noqa: PLR0911  one case a kind of term
        """The term for these nodes."""
        match term:
            case Number(value):
                return {frozenset(): value} if value else {}
            case Reference(letter="e", layer=self.problem.L) if self.problem.output == "softmax":
                return self._error_term(term, at)
            case Reference() | Apply() | Symbol() | SquaredWeights():
                return _variable(self._named(term, at))
            case Same(left, right):
                return _number(int(self._node(left, at) == self._node(right, at)))
            case Sum(index, body):
                return _total(self.value(body, {**at, index: n}) for n in self._nodes(index))
            case D(inside):
                return self.slope(inside, at)
        parts = [self.value(part, at) for part in term.parts]
        match term:
            case Negation():
                return _times(_number(-1), parts[0])
            case Difference():
                return _total([parts[0], _times(_number(-1), parts[1])])
            case Addition():
                return _total(parts)
            case Product():
                return _times(*parts)
            case Square():
                return _times(parts[0], parts[0])
            case Log():
                return _variable(("log", frozenset(parts[0].items())))
        assert isinstance(term, Quotient)
        return _times(parts[0], _inverse(parts[1]))

    def reduced(self, found: Polynomial) -> Polynomial:
        """With 1 less the other outputs in place of the last output of softmax, and the same of its slope."""
        if self.problem.output != "softmax":
            return found
        names = {name for monomial in found for name, _ in monomial}
        for name in [one for one in names if isinstance(one, tuple) and one[0] == "∂" and self._is_last(one[1])]:
            found = _with(
                found, name, _times(_number(-1), _total(_variable(("∂", one)) for one in self._firsts(name[1])))
            )
        for name in [one for one in names if self._is_last(one)]:
            rest = _total([_number(1), _times(_number(-1), _total(_variable(one) for one in self._firsts(name)))])
            found = _with(found, name, rest)
        return found

    def _is_last(self, name: Any) -> bool:
        return isinstance(name, tuple) and name[:3] == ("y", self.problem.L, self.problem.sizes[-1] - 1)

    def _firsts(self, name: Any) -> list[Any]:
        return [(*name[:2], n, *name[3:]) for n in range(self.problem.sizes[-1] - 1)]

    def _error_term(self, term: Reference, at: dict[Letter, int]) -> Polynomial:
        """What e of a node of softmax is defined as."""
        i, h, p = Letter("all", term.layer), term.nodes[0], term.pattern
        t_i, y_i, t_h, y_h = (Reference(a, term.layer, (one,), p) for one in (i, h) for a in "ty")
        if self.problem.objective == "cross_entropy":
            return self.value(Difference(t_h, product(y_h, Sum(i, t_i))), at)
        return self.value(Sum(i, product(Difference(t_i, y_i), y_i, Difference(Same(i, h), y_h))), at)

    def slope(self, term: Term, at: dict[Letter, int]) -> Polynomial:  # noqa: PLR0911  one case a kind of term
        """The derivative of the term by the target."""
        match term:
            case Reference() | Apply():
                named = self._named(term, at)
                if named == self._named(self.problem.target, {}):
                    return _number(1)
                if not self._varies(term, at):
                    return {}
                return self._first_slope(term, at) if self._is_first(term) else _variable(("∂", named))
            case SquaredWeights(biases):
                target = self.problem.target
                counts = target.letter == "w" or (target.letter == "b" and biases)
                return _times(_number(2), self.value(target, {})) if counts else {}
            case Sum(index, body):
                return _total(self.slope(body, {**at, index: n}) for n in self._nodes(index))
            case Product(factors):
                return _total(
                    _times(self.slope(one, at), *(self.value(other, at) for other in (*factors[:n], *factors[n + 1 :])))
                    for n, one in enumerate(factors)
                )
            case Log(inside):
                return _times(self.slope(inside, at), _inverse(self.value(inside, at)))
            case Square(inside):
                return _times(_number(2), self.value(inside, at), self.slope(inside, at))
            case Quotient(above, below):
                inverse = _inverse(self.value(below, at))
                falls = _times(self.value(above, at), inverse, inverse, self.slope(below, at), _number(-1))
                return _total([_times(self.slope(above, at), inverse), falls])
        slopes = [self.slope(part, at) for part in term.parts]
        match term:
            case Negation():
                return _times(_number(-1), slopes[0])
            case Difference():
                return _total([slopes[0], _times(_number(-1), slopes[1])])
        return _total(slopes)  # an addition, or a constant

    def _is_first(self, term: Term) -> bool:
        """Whether the target stands in the definition of this net value."""
        target = self.problem.target
        return isinstance(term, Reference) and term.letter == "x" and term.layer == max(target.layer, 1)

    def _first_slope(self, term: Term, at: dict[Letter, int]) -> Polynomial:
        """The slope of w_ijk y_(i-1)k, of b_ij, or of w_1jk y_0k."""
        assert isinstance(term, Reference)
        target = self.problem.target
        if target.letter == "b":
            return _number(1)
        if target.letter == "y":
            return self.value(Reference("w", 1, (*term.nodes, target.nodes[0])), at)
        return self.value(Reference("y", target.layer - 1, target.nodes[1:], term.pattern), at)

    def _varies(self, term: Term, at: dict[Letter, int]) -> bool:
        """Whether a net value or output depends on the target: whether a path leads there."""
        target = self.problem.target
        into = target.nodes[0]
        assert isinstance(into, Node)
        kind, one = ("y", term.argument) if isinstance(term, Apply) else (getattr(term, "letter", ""), term)
        if kind not in ("x", "y") or not isinstance(one, Reference):
            return False
        if target.letter == "y":
            return one.layer > 0
        mixed = kind == "y" and self.problem.output == "softmax" and one.layer == self.problem.L
        return one.layer > target.layer or (
            one.layer == target.layer and (mixed or self._node(one.nodes[0], at) == into.number)
        )

    def _named(self, term: Term, at: dict[Letter, int]) -> Any:
        if isinstance(term, Apply):
            return ("f'" if term.primed else "f", self._named(term.argument, at))
        if not isinstance(term, Reference):
            return term
        pattern = 0 if term.pattern is None else at[term.pattern]
        return (term.letter, term.layer, *(self._node(one, at) for one in term.nodes), "wb".find(term.letter), pattern)

    def _nodes(self, letter: Letter) -> range:
        return range(3 if letter.layer == PATTERNS else self.problem.sizes[letter.layer])

    @staticmethod
    def _node(index: Index, at: dict[Letter, int]) -> int:
        return index.number if isinstance(index, Node) else at[index]


def _number(value: int) -> Polynomial:
    return {frozenset(): Fraction(value)} if value else {}


def _variable(name: Any) -> Polynomial:
    return {frozenset([(name, 1)]): Fraction(1)}


def _total(parts: Any) -> Polynomial:
    total: defaultdict[Monomial, Fraction] = defaultdict(Fraction)
    for part in parts:
        for monomial, coefficient in part.items():
            total[monomial] += coefficient
    return {monomial: coefficient for monomial, coefficient in total.items() if coefficient}


def _times(*parts: Polynomial) -> Polynomial:
    whole = _number(1)
    for part in parts:
        found: defaultdict[Monomial, Fraction] = defaultdict(Fraction)
        for one, a in whole.items():
            for other, b in part.items():
                powers: Counter[Any] = Counter(dict(one))
                for name, power in other:
                    powers[name] += power
                found[frozenset((name, power) for name, power in powers.items() if power)] += a * b
        whole = {monomial: coefficient for monomial, coefficient in found.items() if coefficient}
    return whole


def _with(part: Polynomial, name: Any, new: Polynomial) -> Polynomial:
    """With a polynomial in place of a variable, and times as high a power of it as clears it from all denominators."""
    powers = {monomial: dict(monomial).get(name, 0) for monomial in part}
    least = min(powers.values(), default=0)
    return _total(
        _times({monomial - {(name, power)}: part[monomial]}, *[new] * (power - min(least, 0)))
        for monomial, power in powers.items()
    )


def _inverse(part: Polynomial) -> Polynomial:
    if len(part) != 1:
        return _variable(("1/", frozenset(part.items())))
    ((monomial, coefficient),) = part.items()
    return {frozenset((name, -power) for name, power in monomial): 1 / coefficient}
