"""The matrix form of a line: W, vectors of a layer, products node by node (∘), and one entry of what comes out.

Stands beside the derivation: a line without ∂ is a chain of sums over neighbouring layers, from the outputs to the
target, and so a product of transposed matrices with vectors. The line is the entry [j, k] of v yᵀ for a weight, j of v
for a bias or an input. Its letters: v the vector so far, over the nodes of one layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from chainrule.derivation.printers.pen import Name, index_name
from chainrule.derivation.terms import (
    PATTERNS,
    Addition,
    Apply,
    Difference,
    Index,
    Negation,
    Node,
    Product,
    Quotient,
    Reference,
    Same,
    Sum,
    Symbol,
    Term,
)

if TYPE_CHECKING:
    from chainrule.derivation.printers.writing import Writer


class NoReading(Exception):
    """A term is no product of matrices and vectors."""


@dataclass(frozen=True)
class Vector:
    """Factors that are multiplied node by node, over one index; each with whether it needs brackets in a product.

    A single factor that is itself a product of a matrix and a vector needs none behind another matrix.
    """

    factors: tuple[tuple[str, str], ...]
    over: Index


def in_matrices(writer: Writer, line: Term, target: Reference) -> str | None:
    """A line without ∂ in matrix form; none if it has no such reading."""
    try:
        if not isinstance(line, Addition):
            return _addend(writer, line, target)
        return writer.pen.terms([(False, _addend(writer, one, target)) for one in line.terms])
    except NoReading:
        return None


def meaning_in_matrices(writer: Writer, e: Reference, meaning: Term) -> tuple[str, str] | None:
    """An error term and its meaning for all nodes of the layer; none if it has no such reading."""
    try:
        v, _ = _chain(writer, _factors(meaning))
    except NoReading:
        return None
    return (_vector_name(writer, e), _text(writer, v)) if v.over == e.nodes[0] else None


def _addend(writer: Writer, term: Term, target: Reference) -> str:
    pen = writer.pen
    if isinstance(term, Negation):
        return pen.minus(_addend(writer, term.term, target))
    indices = tuple(index_name(one) for one in target.nodes)
    before, rest = _prefix(_factors(term))
    written = [
        writer.pen.brackets(writer.term(one)) if isinstance(one, Quotient) and pen.linear else writer.term(one)
        for one in before
    ]
    if len(rest) == 1 and isinstance(rest[0], Sum) and rest[0].index.layer == PATTERNS:
        p = rest[0].index
        return pen.times([*written, pen.total(index_name(p), p.layer, _addend(writer, rest[0].body, target))])
    if rest == (target,):  # of the penalty
        return pen.times([*written, pen.entry(_vector_name(writer, target), indices)])
    v, source = _chain(writer, rest)
    if v.over != target.nodes[0] or (source is None) == (target.letter == "w"):
        raise NoReading
    if source is None:
        return pen.times([*written, pen.entry(_text(writer, v), indices)])
    if source.nodes != target.nodes[1:]:
        raise NoReading
    return pen.times(
        [*written, pen.entry(outer(writer, _text(writer, v, factor=True), _vector_name(writer, source)), indices)]
    )


def _prefix(factors: Sequence[Term]) -> tuple[list[Term], tuple[Term, ...]]:
    """λ, 1/S and s_p in front, and the rest."""
    n = 0
    while isinstance(factors[n], Symbol | Quotient) or (
        isinstance(factors[n], Reference) and factors[n] in _weights(factors)
    ):
        n += 1
    return [*factors[:n]], tuple(factors[n:])


def _weights(factors: Sequence[Term]) -> list[Term]:
    return [one for one in factors if isinstance(one, Reference) and one.letter == "s"]


def _factors(term: Term) -> tuple[Term, ...]:
    """The factors of a product and of the sums at its end, the sums left away."""
    match term:
        case Sum(index, body) if index.layer != PATTERNS:
            return _factors(body)
        case Product((*factors, Sum(index, body))) if index.layer != PATTERNS:
            return (*factors, *_factors(body))
        case Product(factors):
            return factors
    return (term,)


def _chain(writer: Writer, factors: Sequence[Term]) -> tuple[Vector, Reference | None]:
    """The vector that a chain of factors makes, and the output behind it with which a weight is multiplied."""
    v: Vector | None = None
    for n, factor in enumerate(factors):
        if isinstance(factor, Reference) and factor.letter == "w":
            into, source = factor.nodes
            if v is None or v.over != into:
                raise NoReading
            v = _through(writer, _matrix_name(writer, factor), v, source)
            continue
        between = _between(factor)
        if between is not None:
            if v is None or v.over != between[0]:
                raise NoReading
            v = _through(writer, writer.pen.brackets(spread(writer, between[1])), v, between[1].nodes[0])
            continue
        if v is not None and isinstance(v.over, Node) and n == len(factors) - 1 and _is_output_below(factor, v.over):
            return v, factor
        other = _vector(writer, factor)
        if v is not None and v.over != other.over:
            raise NoReading
        v = Vector((*(v.factors if v else ()), *other.factors), other.over)
    if v is None:
        raise NoReading
    return v, None


def _is_output_below(term: Term, node: Node) -> TypeGuard[Reference]:
    """Whether it is what comes into a node from the layer before."""
    return isinstance(term, Reference) and term.letter == "y" and term.layer == node.layer - 1


def _through(writer: Writer, matrix: str, v: Vector, over: Index) -> Vector:
    """Transposed matrix times vector."""
    return Vector(
        ((writer.pen.times([writer.pen.power(matrix, "T"), _text(writer, v, factor=True)], "@"), "product"),), over
    )


def _text(writer: Writer, v: Vector, factor: bool = False) -> str:
    """The vector; with brackets where it is a factor and needs them."""
    if len(v.factors) == 1:
        text, kind = v.factors[0]
        return writer.pen.brackets(text) if factor and kind == "terms" else text
    plain = ("name", "product") if getattr(writer.pen, "left_to_right", False) else ("name",)
    (first, kind), *others = v.factors
    parts = [first if kind in plain else writer.pen.brackets(first)]
    parts += [text if kind == "name" else writer.pen.brackets(text) for text, kind in others]
    text = writer.pen.times(parts, "∘")
    return writer.pen.brackets(text) if factor else text


def _vector(writer: Writer, term: Term) -> Vector:
    """A factor that belongs to one node, for all nodes of its layer."""
    match term:
        case Reference(letter=letter) if letter in "xyet":
            return Vector(((_vector_name(writer, term), "name"),), term.nodes[0])
        case Apply(layer, Reference() as x, primed):
            name = writer.pen.call(writer.pen.name(writer.function(layer, primed)), _vector_name(writer, x))
            return Vector(((name, "name"),), x.nodes[0])
        case Difference(left, right):
            one, other = _vector(writer, left), _vector(writer, right)
            if one.over != other.over:
                raise NoReading
            parts = [(False, _text(writer, one)), (True, _text(writer, other))]
            return Vector(((writer.pen.terms(parts), "terms"),), one.over)
        case Product((Reference() as y, Sum(_, Reference(letter="t") as t))) | Product(
            (Sum(_, Reference(letter="t") as t), Reference() as y)
        ):
            total = ones(writer, _vector_name(writer, t))
            return Vector(((writer.pen.times([total, _vector_name(writer, y)]), "product"),), y.nodes[0])
        case Sum():
            return _chain(writer, _factors(term))[0]
    raise NoReading


def _between(term: Term) -> tuple[Index, Reference] | None:
    """[i = h] - y_h, the slope that softmax spreads: its first index, and y_h."""
    match term:
        case Difference(Same(left, right), Reference(letter="y") as y) if y.nodes == (right,):
            return left, y
    return None


def _vector_name(writer: Writer, term: Reference) -> str:
    """The whole vector or matrix that an entry is of."""
    pattern = (index_name(term.pattern),) if term.pattern else ()
    layer = () if term.letter == "t" else (str(term.layer),)
    if term.letter == "w":
        return _matrix_name(writer, term)
    ref = ".".join((term.letter, *layer))
    return writer.pen.name(Name(term.letter, (*pattern, *layer), bold=True, ref=ref))


def _matrix_name(writer: Writer, term: Reference) -> str:
    return writer.pen.name(Name("W", (str(term.layer),), bold=True, ref=f"w.{term.layer}"))


def outer(writer: Writer, column: str, row: str) -> str:
    """A column times a row."""
    own = getattr(writer.pen, "outer", None)
    return str(own(column, row)) if own else writer.pen.times([column, writer.pen.power(row, "T")], "@")


def ones(writer: Writer, vector: str) -> str:
    """The sum of a vector: 1ᵀ v."""
    own = getattr(writer.pen, "ones", None)
    if own:
        return str(own(vector))
    one = writer.pen.power(writer.pen.name(Name("1", bold=True, ref="1")), "T")
    return writer.pen.brackets(writer.pen.times([one, vector], "@"))


def spread(writer: Writer, y: Reference) -> str:
    """I - 1 yᵀ, whose entry [i, h] is [i = h] - y_h."""
    own, row = getattr(writer.pen, "spread", None), _vector_name(writer, y)
    if own:
        return str(own(row))
    one, unit = (writer.pen.name(Name(letter, bold=True, ref=letter)) for letter in "1I")
    return writer.pen.terms([(False, unit), (True, outer(writer, one, row))])
