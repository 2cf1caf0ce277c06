"""Formulas read back from what the printers write, by other means: one small grammar, worked out with dual numbers.

A sum reaches to the end of its product; ∂ over what stands behind it, or to the end if that is a number; what has a ∂
in it must stand over ∂ of the target. formula_signs.py cuts each format into signs.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from formula_signs import CUT, Name


@dataclass
class Dual:
    """A value and its derivative by the target; vectors are columns."""

    value: np.ndarray
    slope: np.ndarray

    def __add__(self, other):
        return Dual(self.value + other.value, self.slope + other.slope)

    def __neg__(self):
        return Dual(-self.value, -self.slope)

    def __mul__(self, other):
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __matmul__(self, other):
        return Dual(self.value @ other.value, self.slope @ other.value + self.value @ other.slope)

    def over(self, other):
        """The quotient rule."""
        slope = self.slope / other.value - self.value * other.slope / other.value**2
        return Dual(self.value / other.value, slope)


def constant(value):
    """A number that does not depend on the target."""
    value = np.asarray(value, dtype=float)
    return Dual(value, np.zeros_like(value))


def squared(inner):
    """The square of what a function gives."""

    def square(at):
        found = inner(at)
        return found * found

    return square


def transposed(inner):
    """The transposed of what a function gives."""

    def turned(at):
        found = inner(at)
        return Dual(found.value.T, found.slope.T)

    return turned


class Reader:
    """Reads signs by the grammar; what is read is a function of the nodes that the indices stand for.

    ``values`` are the numbers behind the letters.
    """

    def __init__(self, signs, values, notation):
        self.signs, self.at = signs, 0
        self.values, self.notation, self.problem = values, notation, values.problem
        self.w = {"w": values.w, "b": values.b}
        self.target = values.problem.target
        self.dx, self.dy = values.tangents

    def read(self):
        """The whole formula, as a function of the nodes that its free indices stand for."""
        found = self._line()
        assert self._next is None, self.signs[self.at :]
        return found

    def read_target(self):
        """∂ of the target, and nothing else."""
        self._by_target()
        assert self._next is None, self.signs

    @property
    def _next(self):
        return self.signs[self.at] if self.at < len(self.signs) else None

    def _take(self):
        self.at += 1
        return self.signs[self.at - 1]

    def _line(self, end=()):
        terms = []
        while self._next is not None and self._next not in end and not is_entry(self._next):
            minus = False
            while self._next in ("−", "+"):
                minus ^= self._take() == "−"
            terms.append((minus, self._addend()))
        assert terms, self.signs

        def worth(at):
            total = constant(0.0)
            for minus, term in terms:
                total = total + (-term(at) if minus else term(at))
            return total

        return worth

    def _addend(self):
        product = self._product()
        if self._next == "/":
            self._take()
            self._by_target()
        return product

    def _by_target(self):
        assert self._take() == "∂"
        assert self._reference(self._take()) == self._key(self.target), "∂ must be by the target"

    def _product(self):
        factors, node_by_node = [], False
        while self._next is not None and self._next not in ("+", "−", ")", "/", "=", "]") and not is_entry(self._next):
            if self._next in ("∘", "·"):
                node_by_node |= self._take() == "∘"
                continue
            factors.append(self._factor())

        def worth(at):
            found = [factor(at) for factor in factors]
            result = found[-1]
            for one in reversed(found[:-1]):
                matrices = one.value.ndim and result.value.ndim and one.value.size > 1 and not node_by_node
                result = one @ result if matrices else one * result
            return result

        return worth

    def _factor(self):
        sign = self._next
        if isinstance(sign, tuple) and sign[0] == "Σ":
            self._take()
            return self._total(sign[1])
        if sign == "∂" or (isinstance(sign, tuple) and sign[0] == "∂ by"):
            self._take()
            if sign != "∂":
                assert self._reference(sign[1]) == self._key(self.target)
            starts_with_number = isinstance(self._next, float) or is_number(self._next)
            inside = self._product() if starts_with_number else self._factor()

            def slope(at):
                found = inside(at).slope
                return Dual(found, np.nan * found)

            return slope
        return self._quotient()

    def _total(self, index):
        if not index:
            letter = self._take().letter
            assert self._take() == "²"
            arrays = [a for a in self.w[letter][1:] if a is not None]
            slope = 2 * self._entry(self._key(self.target)) if self.target.letter == letter else 0.0
            return lambda at: Dual(np.asarray(sum((a**2).sum() for a in arrays)), np.asarray(slope))
        start = self.at
        body = self._product()
        inside = self.signs[start : self.at]
        size = self._size_of(index, inside)
        used = {one for name in flat(inside) if isinstance(name, Name) for one in (*name.below, *name.above)}
        used |= {one for one in flat(inside) if isinstance(one, str)}
        known = {}

        def worth(at):
            key = tuple(sorted((one, n) for one, n in at.items() if one in used and one != index))
            if key not in known:
                total = constant(0.0)
                for n in range(size):
                    total = total + body({**at, index: n})
                known[key] = total
            return known[key]

        return worth

    def _size_of(self, index, signs):
        if index == "p":
            return len(self.values.t)
        for one in flat(signs):
            if isinstance(one, Name) and index in one.below and one.letter not in ("f", "σ", "log"):
                letter, layer, nodes, _ = self._reference(one)
                if index in nodes:
                    return self.problem.sizes[layer - (nodes.index(index) if letter == "w" else 0)]
        raise AssertionError(f"nothing in the sum has the index {index}")

    def _quotient(self):
        above = self._powered()
        after = self.signs[self.at + 1] if self.at + 1 < len(self.signs) else None
        if self._next == "/" and after != "∂":
            self._take()
            below = self._powered()
            return lambda at: above(at).over(below(at))
        return above

    def _powered(self):
        base = self._primary()
        while self._next in ("²", "ᵀ") or (isinstance(self._next, tuple) and self._next[0] == "entry"):
            sign = self._take()
            inner = base
            if sign == "²":
                base = squared(inner)
            elif sign == "ᵀ":
                base = transposed(inner)
            else:
                base = self._entry_of(inner, sign[1])
        return base

    def _primary(self):
        sign = self._take()
        if isinstance(sign, float):
            return lambda at: constant(sign)
        if isinstance(sign, tuple) and sign[0] == "frac":
            return self._fraction(*sign[1:])
        if sign == "(":
            inside = self._line(end=(")",))
            assert self._take() == ")"
            return inside
        if sign == "[":
            return self._square_brackets()
        assert isinstance(sign, Name), sign
        if sign.letter in ("f", "σ", "log"):
            return self._function(sign)
        return self._named(sign)

    def _square_brackets(self):
        if self.signs[self.at + 1] == "=":
            left, equals, right, closed = (self._take() for _ in range(4))
            assert (equals, closed) == ("=", "]")
            return lambda at: constant(float(node(left, at) == node(right, at)))
        inside = self._line()
        _, which = self._take()
        return self._entry_of(inside, which)

    def _entry_of(self, inside, which):
        at = tuple(int(one) for one in which)
        place = at if len(at) == 2 else (*at, 0)

        def one(at):
            found = inside(at)
            return Dual(found.value[place], found.slope[place])

        return one

    def _fraction(self, above, below):
        inner, outer = (Reader(one, self.values, self.notation) for one in (above, below))
        if below[0] == "∂":
            outer.read_target()
            found = inner.read()
            return found
        numerator, denominator = inner.read(), outer.read()
        return lambda at: numerator(at).over(denominator(at))

    def _function(self, name):
        argument = self._primary() if self._next == "(" else self._named(self._take())
        if name.letter == "log":

            def log(at):
                one = argument(at)
                return Dual(np.log(one.value), one.slope / one.value)

            return log
        (layer,) = (int(one) for one in name.below)
        row = self.values.f[layer]

        def applied(at):
            one = argument(at)
            if name.prime:
                return Dual(row.f_prime(one.value), np.nan * one.value)
            return Dual(row(one.value), row.f_prime(one.value) * one.slope)

        return applied

    def _named(self, name):
        if name.letter == "λ":
            return lambda at: constant(self.values.strength)
        if name.letter == "S":
            return lambda at: constant(self.values.s.sum())
        if name.bold:
            return lambda at: self._vector(name, at)
        letter, layer, nodes, pattern = self._reference(name)
        return lambda at: self._worth(
            letter, layer, [node(one, at) for one in nodes], at.get("p", 0) if pattern else 0, name
        )

    def _vector(self, name, at):
        values = self.values
        size = self.problem.sizes[self.problem.L]
        if name.letter in "1I":
            return constant(np.ones((size, 1)) if name.letter == "1" else np.eye(size))
        *pattern, layer = (*name.below, self.problem.L) if name.letter == "t" else name.below
        assert [*pattern] == (["p"] if self.problem.patterns and name.letter not in "Wb" else []), name
        layer, p = int(layer), at.get("p", 0)
        if name.letter == "W":
            return constant(values.w[layer])
        if name.letter == "b":
            return constant(values.b[layer][:, None])
        array = values.t if name.letter == "t" else getattr(values, name.letter)[layer]
        return constant(array[p][:, None])

    def _reference(self, name):
        """Letter of the paper, layer, nodes and pattern that a name stands for."""
        letter = (
            {"z": "x", "a": "y", "δ": "e"}.get(name.letter, name.letter) if self.notation == "nielsen" else name.letter
        )
        if letter == "s":
            return "s", -1, [], name.below == ("p",)
        above = name.above
        rest = [*name.below]
        pattern = (above[:1] if self.notation == "nielsen" else tuple(rest[:1])) == ("p",)
        if pattern and self.notation == "nielsen":
            above = above[1:]
        elif pattern:
            rest = rest[1:]
        if letter == "t":
            assert not above
            return letter, self.problem.L, rest, pattern
        if self.notation == "nielsen":
            (layer,) = above
            return letter, int(layer), rest, pattern
        return letter, int(rest[0]), rest[1:], pattern

    def _key(self, term):
        return term.letter, term.layer, [str(one.number) for one in term.nodes], False

    def _entry(self, key):
        letter, layer, nodes, _ = key
        return {"w": self.values.w, "b": self.values.b, "y": self.values.y}[letter][layer][
            (0, *map(int, nodes)) if letter == "y" else tuple(map(int, nodes))
        ]

    def _worth(self, letter, layer, nodes, p, name):
        values = self.values
        assert len(nodes) == {"w": 2, "s": 0}.get(letter, 1), name
        if letter in "wb":
            value = self.w[letter][layer][tuple(nodes)]
            same = (letter, layer, nodes) == (
                self.target.letter,
                self.target.layer,
                [one.number for one in self.target.nodes],
            )
            return Dual(np.asarray(value), np.asarray(float(same)))
        if letter == "s":
            return constant(values.s[p])
        if letter == "t":
            return constant(values.t[p, nodes[0]])
        value = getattr(values, letter)[layer][p, nodes[0]]
        if letter == "e":
            return Dual(np.asarray(-value if self.notation == "nielsen" else value), np.asarray(np.nan))
        slope = (self.dx if letter == "x" else self.dy)[layer][p, nodes[0]]
        return Dual(np.asarray(value), np.asarray(slope))


def is_entry(sign):
    """Whether a matrix ends here, of which one entry is meant."""
    return isinstance(sign, tuple) and sign[0] == "]"


def is_number(sign):
    """Whether it is a fraction of two numbers."""
    return (
        isinstance(sign, tuple) and sign[0] == "frac" and [type(one) for one in (*sign[1], *sign[2])] == [float, float]
    )


def node(index, at):
    """The node that an index stands for."""
    return at[index] if index in at else int(index)


def flat(signs):
    """All signs, those within fractions too."""
    for one in signs:
        if isinstance(one, tuple) and one[0] == "frac":
            yield from flat([*one[1], *one[2]])
        else:
            yield one


def worth(formula, format, values, notation, at=None):
    """What a formula of that format is worth, its free indices being the nodes given."""
    reader = Reader(CUT[format](formula, notation), values, notation)
    found = reader.read()
    return np.asarray(found(at or {}).value)


def parsed(fragment):
    """A fragment of HTML as XML: it must be well formed."""
    return ElementTree.fromstring(fragment)
