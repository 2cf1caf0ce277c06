"""The expressions of the derivation: frozen terms whose indices know their layer.

Stands beside the derivation: each of its lines is one term. Nothing is ever sorted or simplified here, so that two
lines are equal if they are written alike. A term that makes no sense, as f'_2(x_1l), cannot be built: every subscript
belongs to a layer, and every constructor asks for the right one. Its letters: p an index over patterns, and the
paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeAlias

PATTERNS = -1
"""The layer of an index over patterns, which no layer has."""


class IllFormed(ValueError):
    """A term that makes no sense: a subscript of the wrong layer, a sum over nothing, a ∂ inside a ∂."""


@dataclass(frozen=True)
class Letter:
    """An index that a sum runs over the nodes of a layer."""

    name: str
    layer: int


@dataclass(frozen=True)
class Node:
    """One certain node of a layer."""

    number: int
    layer: int


Index: TypeAlias = Letter | Node


@dataclass(frozen=True)
class Term:
    """What all terms have.

    Attributes
    ----------
    parts : tuple of Term
        The terms it is made of, in the order of writing.
    free : frozenset of Letter
        The indices in it that no sum in it runs over.
    pending : bool
        Whether a ∂ is in it.
    settled : bool
        Whether a derivative that has been worked out is in it: an f' or an error term.
    """

    parts: tuple[Term, ...] = field(init=False, repr=False, compare=False)
    free: frozenset[Letter] = field(init=False, repr=False, compare=False)
    pending: bool = field(init=False, repr=False, compare=False)
    settled: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = self._made_of()
        set_once = object.__setattr__
        set_once(self, "parts", parts)
        set_once(self, "free", frozenset().union(*[part.free for part in parts]))
        set_once(self, "pending", any(part.pending for part in parts))
        set_once(self, "settled", any(part.settled for part in parts))
        self._check()

    def _made_of(self) -> tuple[Term, ...]:
        return ()

    def _check(self) -> None:
        """Refuse what makes no sense."""

    def of(self, *parts: Term) -> Term:
        """The same term made of other parts."""
        build: Callable[..., Term] = type(self)
        return build(*parts) if parts else self


@dataclass(frozen=True)
class Number(Term):
    """A number, kept as a fraction."""

    value: Fraction

    def __init__(self, value: Fraction | int | str) -> None:
        object.__setattr__(self, "value", Fraction(value))
        self.__post_init__()


@dataclass(frozen=True)
class Symbol(Term):
    """λ, the strength of the penalty, or S, the sum of the weights of the patterns."""

    name: str

    def _check(self) -> None:
        if self.name not in ("λ", "S"):
            raise IllFormed(f"a symbol must be λ or S; got {self.name!r}. Use a reference for what has subscripts.")


@dataclass(frozen=True)
class Reference(Term):
    """x_ij, y_ij, e_ij, t_j, w_ijk, b_ij or s_p, with a pattern in front if there are several.

    Parameters
    ----------
    letter : str
    layer : int
        That of its first node; for t the output layer, for s PATTERNS.
    nodes : tuple of Index
        Of layer i; for w of layers i and i - 1; for s none.
    pattern : Letter, optional
        The index over patterns.
    """

    letter: str
    layer: int
    nodes: tuple[Index, ...]
    pattern: Letter | None = None

    def __post_init__(self) -> None:
        indices = (*self.nodes, *([self.pattern] if self.pattern else []))
        super().__post_init__()
        object.__setattr__(self, "free", frozenset(one for one in indices if isinstance(one, Letter)))
        object.__setattr__(self, "settled", self.letter == "e")

    def _check(self) -> None:
        layers = {"w": (self.layer, self.layer - 1), "s": ()}.get(self.letter, (self.layer,))
        least = {"y": 0, "s": PATTERNS}.get(self.letter, 1)
        if self.letter not in "xyetwbs" or self.layer < least or tuple(one.layer for one in self.nodes) != layers:
            raise IllFormed(
                f"{self.letter} of layer {self.layer} must have a node of layer "
                f"{' and one of layer '.join(map(str, layers)) or 'none'}; got "
                f"{', '.join(str(one.layer) for one in self.nodes) or 'none'}. Use an index of the right layer."
            )
        of_patterns = self.pattern is not None and self.pattern.layer == PATTERNS
        bare = self.pattern is None and self.letter == "s"
        if (self.pattern is not None and not of_patterns) or (of_patterns and self.letter in "wb") or bare:
            raise IllFormed(
                f"{self.letter} must have {'no pattern' if self.letter in 'wb' else 'an index over patterns'}; got "
                f"{self.pattern}. Only x, y, e, t and s belong to a pattern."
            )


@dataclass(frozen=True)
class Apply(Term):
    """f_i(x_ij), or f'_i(x_ij) if it is primed."""

    layer: int
    argument: Term
    primed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "settled", self.primed)

    def of(self, *parts: Term) -> Term:
        """The same function of another argument."""
        (argument,) = parts
        return Apply(self.layer, argument, self.primed)

    def _made_of(self) -> tuple[Term, ...]:
        return (self.argument,)

    def _check(self) -> None:
        x = self.argument
        if not isinstance(x, Reference) or x.letter != "x" or x.layer != self.layer:
            got = f"{x.letter} of layer {x.layer}" if isinstance(x, Reference) else type(x).__name__.lower()
            own = f"x of layer {self.layer}"
            raise IllFormed(f"f of layer {self.layer} must be applied to {own}; got {got}. Use {own}.")


@dataclass(frozen=True)
class Negation(Term):
    """Minus a term."""

    term: Term

    def _made_of(self) -> tuple[Term, ...]:
        return (self.term,)

    def _check(self) -> None:
        if isinstance(self.term, Negation):
            raise IllFormed("a minus sign must stand before something else; got a minus sign. Drop both.")


@dataclass(frozen=True)
class Difference(Term):
    """left - right."""

    left: Term
    right: Term

    def _made_of(self) -> tuple[Term, ...]:
        return (self.left, self.right)


@dataclass(frozen=True)
class Addition(Term):
    """Two or more terms, added in the order they are written in."""

    terms: tuple[Term, ...]

    def _made_of(self) -> tuple[Term, ...]:
        return self.terms

    def _check(self) -> None:
        _require_several(self, self.terms)

    def of(self, *parts: Term) -> Term:
        """The same, of other terms."""
        return Addition(parts)


@dataclass(frozen=True)
class Product(Term):
    """Two or more factors, multiplied in the order they are written in; build it by :func:`product`."""

    factors: tuple[Term, ...]

    def _made_of(self) -> tuple[Term, ...]:
        return self.factors

    def _check(self) -> None:
        _require_several(self, self.factors)
        if sum(factor.pending for factor in self.factors) > 1:
            raise IllFormed("a product must have one ∂ at most; got two. Drop one, since they have one denominator.")

    def of(self, *parts: Term) -> Term:
        """The same, of other factors."""
        return product(*parts)


@dataclass(frozen=True)
class Quotient(Term):
    """A fraction."""

    above: Term
    below: Term

    def _made_of(self) -> tuple[Term, ...]:
        return (self.above, self.below)

    def _check(self) -> None:
        if self.pending:
            raise IllFormed("a fraction must have no ∂ in it; got one. Let the fraction stand before ∂.")


@dataclass(frozen=True)
class Square(Term):
    """The square of a term."""

    term: Term

    def _made_of(self) -> tuple[Term, ...]:
        return (self.term,)


@dataclass(frozen=True)
class Log(Term):
    """The natural logarithm of a term."""

    term: Term

    def _made_of(self) -> tuple[Term, ...]:
        return (self.term,)


@dataclass(frozen=True)
class Same(Term):
    """[i = h]: 1 if both nodes are the same, else 0."""

    left: Index
    right: Index

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "free", frozenset(one for one in (self.left, self.right) if isinstance(one, Letter)))
        if self.left.layer != self.right.layer or (self.left == self.right and self.free):
            raise IllFormed(
                f"[{self.left} = {self.right}] must compare two nodes of one layer. Use two indices of one layer."
            )


@dataclass(frozen=True)
class Sum(Term):
    """The sum of a term over all nodes of a layer, or all patterns."""

    index: Letter
    body: Term

    def of(self, *parts: Term) -> Term:
        """The same sum of another body."""
        (body,) = parts
        return Sum(self.index, body)

    def _made_of(self) -> tuple[Term, ...]:
        return (self.body,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.index not in self.body.free:
            raise IllFormed(f"a sum over {self.index.name} must hold {self.index.name}; got a term without it.")
        object.__setattr__(self, "free", self.body.free - {self.index})


@dataclass(frozen=True)
class SquaredWeights(Term):
    """The sum of the squares of all weights of the network, and of all biases if these count."""

    biases: bool


@dataclass(frozen=True)
class D(Term):
    """The pending ∂: the derivative of a term by the weight, bias or input in question, still to be worked out."""

    term: Term

    def _made_of(self) -> tuple[Term, ...]:
        return (self.term,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.term.pending or self.term.settled:
            got = "a ∂" if self.term.pending else "an f' or an error term"
            raise IllFormed(f"a ∂ must stand before what has no derivative in it; got {got}. Differentiate only once.")
        object.__setattr__(self, "pending", True)


ONE, TWO, HALF = Number(1), Number(2), Number("1/2")


def _require_several(term: Term, parts: tuple[Term, ...]) -> None:
    if len(parts) < 2 or any(type(part) is type(term) for part in parts):
        kind = type(term).__name__.lower()
        raise IllFormed(f"{kind} must have two or more parts, and no {kind} among them; got others. Use {kind}().")


def product(*factors: Term) -> Term:
    """The factors in this order: ones are left out, the factors of a product take its place, one alone is itself."""
    flat: list[Term] = []
    for factor in factors:
        flat += factor.factors if isinstance(factor, Product) else [] if factor == ONE else [factor]
    return Product(tuple(flat)) if len(flat) > 1 else flat[0] if flat else ONE


def addition(*terms: Term) -> Term:
    """The terms in this order: the terms of an addition take its place, one alone is itself."""
    flat: list[Term] = []
    for term in terms:
        flat += term.terms if isinstance(term, Addition) else [term]
    return Addition(tuple(flat)) if len(flat) > 1 else flat[0]


def negation(term: Term) -> Term:
    """Minus the term, or what stands behind its minus sign."""
    return term.term if isinstance(term, Negation) else Negation(term)


def walk(term: Term) -> Iterator[Term]:
    """The term and all terms in it, in the order of writing."""
    found = [term]
    while found:
        one = found.pop()
        yield one
        found.extend(reversed(one.parts))


def substituted(term: Term, old: Term, new: Term) -> Term:
    """The term with another one in place of old, where it first occurs, old being compared as an object."""
    path: list[tuple[Term, int]] = []

    def found(one: Term) -> bool:
        if one is old:
            return True
        for n, part in enumerate(one.parts):
            if old.pending and not part.pending:
                continue
            path.append((one, n))
            if found(part):
                return True
            path.pop()
        return False

    if not found(term):
        raise ValueError("old must be a term of the line; got one that is not. Pass the object itself.")
    for parent, n in reversed(path):
        new = parent.of(*parent.parts[:n], new, *parent.parts[n + 1 :])
    return new


def pending(term: Term) -> D | None:
    """The ∂ of a line that is worked out next, of several terms that of the last; none if none is left."""
    return next((one for one in pending_path(term) if isinstance(one, D)), None)


def pending_path(term: Term) -> Iterator[Term]:
    """The line, and what is in it down to the ∂ that is worked out next."""
    while term.pending:
        yield term
        if isinstance(term, D):
            return
        parts = reversed(term.parts) if isinstance(term, Addition) else term.parts
        term = next(part for part in parts if part.pending)


def renamed(term: Term, change: Callable[[Index], Index]) -> Term:
    """The term with every index changed, sums' own too."""
    if isinstance(term, Reference):
        pattern = change(term.pattern) if term.pattern else None
        assert pattern is None or isinstance(pattern, Letter)
        return replace(term, nodes=tuple(change(one) for one in term.nodes), pattern=pattern)
    if isinstance(term, Same):
        return Same(change(term.left), change(term.right))
    parts = [renamed(part, change) for part in term.parts]
    if isinstance(term, Sum):
        index = change(term.index)
        assert isinstance(index, Letter)
        return Sum(index, *parts)
    return term.of(*parts)
