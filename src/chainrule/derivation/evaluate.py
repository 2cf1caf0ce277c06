"""What a line is worth: every term as an array over its free indices, a pending ∂ as a tangent (dual numbers).

Stands beside the derivation and shares no rule with it: ∂ is worked out here by carrying the derivative by the target
forwards through the definitions of x and y. Its letters: those of the terms; dx and dy the tangents of x and y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from chainrule.derivation.problem import Problem
from chainrule.derivation.terms import (
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
)
from chainrule.notation import Array


class Over(NamedTuple):
    """An array and the indices that its axes belong to, the pattern first, then from the outputs to the inputs."""

    array: Array
    letters: tuple[Letter, ...]


@dataclass(frozen=True)
class Values:
    """The numbers behind the letters.

    Attributes
    ----------
    problem : Problem
    w, b, f : sequence
        Of layers 0 to L as in a Network; ``f[i](x)``, ``f[i].f_prime(x)`` and ``f[i].pull(x, v)`` are called.
    x, y, e : sequence
        Of layers 0 to L, (patterns, nodes).
    t : array of shape (patterns, outputs)
    s : array of shape (patterns,)
        The weights of the patterns.
    strength : number
        λ.
    """

    problem: Problem
    w: Sequence[Array]
    b: Sequence[Array]
    f: Sequence[Any]
    x: Sequence[Array]
    y: Sequence[Array]
    e: Sequence[Array]
    t: Array
    s: Array
    strength: Any

    @cached_property
    def tangents(self) -> tuple[Sequence[Array], Sequence[Array]]:
        """dx[i] and dy[i], the derivatives of x[i] and y[i] by the target."""
        return self.tangents_added(None)

    def tangents_added(self, adding: np.ufunc | None) -> tuple[Sequence[Array], Sequence[Array]]:
        """The same, or, added so, how large they are: what rounding errors of dx and dy are measured by."""
        size = np.abs if adding else lambda a: a
        target = self.problem.target
        node, *source = _numbers(target.nodes)
        zero = self.t.flat[0] * 0
        dx: list[Array] = [None]
        dy: list[Array] = [np.full(self.y[0].shape, zero)]
        if target.letter == "y":
            dy[0][:, node] = zero + 1
        for i in range(1, self.problem.L + 1):
            if adding is np.hypot:
                of_x = np.hypot.reduce(dy[-1][:, None, :] * self.w[i], axis=-1)
            else:
                of_x = dy[-1] @ size(self.w[i]).T
            if i == target.layer and target.letter in "wb":
                of_x[:, node] = of_x[:, node] + (size(self.y[i - 1][:, source[0]]) if source else zero + 1)
            dx.append(of_x)
            if adding and self.f[i].vector:
                y = self.y[i]
                dy.append(y * (of_x + (of_x * y).sum(axis=-1, keepdims=True)))
            else:
                dy.append(of_x * size(self.f[i].f_prime(self.x[i])) if adding else self.f[i].pull(self.x[i], of_x))
        return dx, dy


class Evaluator:
    """Terms as arrays over their free indices, each worked out once.

    With sizes the terms of every sum are added so, as positive ones, and rounding in logarithms and fractions counts as
    what it does to them: the result times the machine's epsilon is what rounding may change the value by. Added by
    np.add it is the most that is possible, by np.hypot what is usual where signs come as they do.
    """

    def __init__(self, values: Values, sizes: np.ufunc | None = None) -> None:
        self.values, self.sizes = values, sizes
        self.plain = Evaluator(values) if sizes else self
        self._known: dict[tuple[int, bool], tuple[Term, Over | None]] = {}
        self._dx, self._dy = values.tangents_added(sizes) if sizes else values.tangents

    def value(self, term: Term) -> Over:
        """The term's value."""
        found = self._worked_out(term, tangent=False)
        assert found is not None
        return found

    def number(self, term: Term) -> Any:
        """The value of a term without free indices, as a whole line is."""
        return self.value(term).array[()]

    def _worked_out(self, term: Term, tangent: bool) -> Over | None:
        key = (id(term), tangent)
        if key not in self._known:  # the term is kept with it, so that its id stays its own
            found = self._tangent(term) if tangent else self._value(term)  # NumPy leaves a lone Fraction bare
            self._known[key] = term, found and Over(np.asarray(found.array), found.letters)
        return self._known[key][1]

    def _value(self, term: Term) -> Over:  # noqa: PLR0911  one case a kind of term
        values = self.values
        match term:
            case Number(value=value):
                return Over(np.asarray(self._as_number(value)), ())
            case Symbol(name=name):
                return Over(np.asarray(values.strength if name == "λ" else values.s.sum()), ())
            case Reference():
                return self._sized(self._entries(getattr(values, term.letter), term))
            case Apply(layer, Reference() as x, primed):
                self._entries(values.x, x)
                f = values.f[layer]
                return self._sized(_picked((f.f_prime if primed else f)(values.x[layer]), x))
            case Same(left, right):
                return self._same(left, right)
            case SquaredWeights(biases):
                return Over(np.asarray(self._sum_of_squares(biases)), ())
            case D(inside):
                found = self._worked_out(inside, tangent=True)
                return Over(np.asarray(values.t.flat[0] * 0), ()) if found is None else found
        parts = [self.value(part) for part in term.parts]
        match term:
            case Negation():
                return parts[0] if self.sizes else Over(-parts[0].array, parts[0].letters)
            case Difference():
                return combined(self.sizes or np.subtract, *parts)
            case Addition():
                return combined(self.sizes or np.add, *parts)
            case Product():
                return combined(np.multiply, *parts)
            case Square():
                return Over(parts[0].array * parts[0].array, parts[0].letters)
            case Sum(index=index):
                return self._summed(parts[0], index)
            case Quotient():
                return self._quotient(term, *parts)
        assert isinstance(term, Log)
        plain = self.plain.value(term.term)
        log = Over(np.log(plain.array), plain.letters)
        if not self.sizes:
            return log
        return combined(np.add, self._sized(log), Over(parts[0].array / np.abs(plain.array), plain.letters))

    def _quotient(self, term: Quotient, above: Over, below: Over) -> Over:
        if not self.sizes:
            return combined(np.divide, above, below)
        plain = self.plain.value(term.below)
        relative = combined(np.divide, below, self._sized(combined(np.multiply, plain, plain)))
        return combined(np.multiply, above, relative)

    def _tangent(self, term: Term) -> Over | None:  # noqa: PLR0911  one case a kind of term
        """The derivative by the target; none if it is 0."""
        match term:
            case Reference(letter="x"):
                return self._entries(self._dx, term)
            case Reference(letter="y"):
                return self._entries(self._dy, term)
            case Reference(letter=letter):
                return self._of_target(term) if letter == self.values.problem.target.letter else None
            case Apply(layer, Reference() as x, False):
                return self._entries(self._dy, Reference("y", layer, x.nodes, x.pattern))
            case SquaredWeights(biases):
                target = self.values.problem.target
                if target.letter == "y" or (target.letter == "b" and not biases):
                    return None
                return Over(2 * self.value(target).array, ())
            case Negation(inside):
                found = self._worked_out(inside, tangent=True)
                return found if found is None or self.sizes else Over(-found.array, found.letters)
            case Sum(index, body):
                found = self._worked_out(body, tangent=True)
                return None if found is None else self._summed(found, index)
            case Log(inside):
                d = self._times(self._worked_out(inside, tangent=True), Quotient(Number(1), inside))
                return d and combined(_where_log_is, d, self.plain.value(inside))
            case Square(inside):
                return self._times(self._worked_out(inside, tangent=True), Number(2), inside)
            case Product(factors):
                varying = [(n, self._worked_out(factor, tangent=True)) for n, factor in enumerate(factors)]
                found_ones = [self._times(d, *factors[:n], *factors[n + 1 :]) for n, d in varying]
                return self._total(found_ones)
            case Difference(left, right):
                return self._total(
                    [self._worked_out(left, tangent=True), self._worked_out(Negation(right), tangent=True)]
                )
            case Addition(terms):
                return self._total([self._worked_out(one, tangent=True) for one in terms])
        return None

    def _times(self, tangent: Over | None, *factors: Term) -> Over | None:
        if tangent is None:
            return None
        return combined(np.multiply, *(self.value(factor) for factor in factors), tangent)

    def _total(self, tangents: Sequence[Over | None]) -> Over | None:
        known = [one for one in tangents if one is not None]
        return combined(self.sizes or np.add, *known) if known else None

    def _of_target(self, term: Reference) -> Over | None:
        """1 for the target itself, over whatever letters the term has."""
        target = self.values.problem.target
        if term.layer != target.layer:
            return None
        array = getattr(self.values, target.letter)[target.layer]
        unit = np.full(array.shape, self.values.t.flat[0] * 0)
        unit[tuple(_numbers(target.nodes))] += 1
        return _picked(unit, term)

    def _entries(self, arrays: Sequence[Array], term: Reference) -> Over:
        L = self.values.problem.L
        there = term.layer == L if term.letter == "t" else term.layer <= L
        array = None if not there else arrays if term.letter in "ts" else arrays[term.layer]
        if array is None:
            raise IllFormed(
                f"a line must be about what the network has; got {term.letter} of layer {term.layer}. It has layers 1 "
                f"to {L}, targets of the last, and biases where they were asked for."
            )
        if term.letter in "xyet" and term.pattern is None:
            array = array[0]
        return _picked(array, term)

    def _same(self, left: Index, right: Index) -> Over:
        size = self.values.problem.sizes[left.layer]
        eye = np.eye(size, dtype=int).astype(self.values.t.dtype)
        return _picked_by(eye, (left, right))

    def _summed(self, found: Over, index: Letter) -> Over:
        array, letters = self._over(found, index)
        axis = letters.index(index)
        return Over((self.sizes or np.add).reduce(array, axis=axis), letters[:axis] + letters[axis + 1 :])

    def _over(self, found: Over, index: Letter) -> Over:
        """A tangent that is the same for every node, as 0 is, is repeated, so that it can be summed."""
        if index in found.letters:
            return found
        size = len(self.values.s) if index.layer == PATTERNS else self.values.problem.sizes[index.layer]
        return combined(np.multiply, found, Over(np.full(size, self.values.t.flat[0] * 0 + 1), (index,)))

    def _sum_of_squares(self, biases: bool) -> Any:
        counted = [*self.values.w[1:], *((b for b in self.values.b[1:] if b is not None) if biases else ())]
        return sum((a * a).sum() for a in counted)

    def _sized(self, over: Over) -> Over:
        return Over(np.abs(over.array), over.letters) if self.sizes else over

    def _as_number(self, value: Fraction) -> Any:
        return value if self.values.t.dtype == object else float(value)


def _numbers(nodes: Sequence[Index]) -> list[int]:
    return [node.number for node in nodes if isinstance(node, Node)]


def _order(letter: Letter) -> tuple[bool, int, str]:
    return letter.layer != PATTERNS, -letter.layer, letter.name


def _picked(array: Array, term: Reference) -> Over:
    """The entries of an array that a reference stands for: its pattern is the first axis if it has one."""
    if term.letter == "s":
        return Over(array, (term.pattern,) if term.pattern else ())
    if array.ndim > len(term.nodes) and term.pattern is None:
        array = array[0]
    return _picked_by(array, ((term.pattern,) if term.pattern else ()) + term.nodes)


def _picked_by(array: Array, indices: Sequence[Index]) -> Over:
    array = array[tuple(slice(None) if isinstance(one, Letter) else one.number for one in indices)]
    letters = tuple(one for one in indices if isinstance(one, Letter))
    ordered = tuple(sorted(letters, key=_order))
    if ordered != letters:
        array = array.transpose([letters.index(one) for one in ordered])
    return Over(np.asarray(array), ordered)


def combined(function: Any, *parts: Over) -> Over:
    """The arrays combined, index by index."""
    first, *others = parts
    array, letters = first
    for other, of_other in others:
        if of_other == letters:
            array = function(array, other)
            continue
        union = tuple(sorted({*letters, *of_other}, key=_order))
        array = function(_spread(array, letters, union), _spread(other, of_other, union))
        letters = union
    return Over(np.asarray(array), letters)


def _where_log_is(slope: Array, inside: Array) -> Array:
    """The slope of a logarithm, which has none of a negative number, although 1/x does."""
    return np.where(inside < 0, np.nan, slope)


def _spread(array: Array, letters: tuple[Letter, ...], union: tuple[Letter, ...]) -> Array:
    if letters == union or not letters:
        return array
    return array[tuple(slice(None) if one in letters else None for one in union)]
