"""From a term to a formula: letters and subscripts as the notation has them, brackets where they are needed.

All formats share this; a pen knows how one of them writes a name, a fraction, a sum. Brackets are decided here and
nowhere else: a sum reaches to the end of its product and not over a plus or minus sign, and ∂ over the one thing that
stands behind it. Its letters: those of :mod:`chainrule.derivation.terms`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import getrecursionlimit, setrecursionlimit
from typing import Any

from chainrule.derivation.printers.matrices import in_matrices, meaning_in_matrices
from chainrule.derivation.printers.nielsen import signed, without_minus
from chainrule.derivation.printers.pen import Name, Pen, index_name
from chainrule.derivation.rules import Said
from chainrule.derivation.terms import (
    Addition,
    Apply,
    D,
    Difference,
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
    negation,
)

NIELSEN = {"x": "z", "y": "a", "e": "δ", "f": "σ"}
"""The letters that Nielsen's notation has for the paper's; all others are the same."""


class Writer:
    """Writes terms with a pen, in a notation, each once.

    Parameters
    ----------
    pen : Pen
    notation : {"paper", "nielsen", "matrix"}
    target : Reference, optional
        By what the pending ∂ differentiates.
    """

    def __init__(self, pen: Pen, notation: str = "paper", target: Reference | None = None) -> None:
        self.pen, self.notation, self.target = pen, notation, target
        self._known: dict[int, tuple[Term, str]] = {}
        self._by = self.term(target) if target else ""

    def line(self, term: Term) -> str:
        """A whole line: what has a ∂ in it stands over ∂target."""
        if self.notation == "matrix" and not term.pending and self.target is not None:
            found = in_matrices(self, term, self.target)
            if found is not None:
                return found
        if self.notation == "nielsen":
            term = signed(term)
        if not isinstance(term, Addition):
            return self._over_target(term)
        parts = []
        for n, one in enumerate(term.terms):
            negative = n > 0 and isinstance(one, Negation)
            positive = without_minus(one) if negative else one
            written = self._over_target(positive) if one.pending else self._addend(positive, first=not n)
            parts.append((negative, written))
        return self.pen.terms(parts)

    def alone(self, term: Term | Index) -> str:
        """A term or an index in a sentence."""
        if isinstance(term, Letter | Node):
            return self.pen.index(index_name(term))
        if self.notation == "nielsen" and not isinstance(term, Reference):
            term = signed(term)
        return self.term(term)

    def term(self, term: Term) -> str:
        """Any term."""
        known = self._known.get(id(term))
        if known is None:  # the term is kept with it, so that its id stays its own
            known = self._known[id(term)] = term, WAYS[type(term)](self, term)
        return known[1]

    def sentence(self, said: Said, spoken: Writer | None = None) -> str:
        """A reason; where formulas have a spoken label, another writer says them."""
        formulas = self._formulas(said)
        labels = spoken._formulas(said) if spoken else [""] * len(formulas)
        inline = [self.pen.inline(formula, label) for formula, label in zip(formulas, labels, strict=True)]
        text = re.sub(r"\{(\d+)\}", lambda found: inline[int(found[1])], self.pen.words(said.text))
        return text.replace("$$", " ").replace("$ = $", " = ")  # what touches is one formula of LaTeX

    def _formulas(self, said: Said) -> list[str]:
        """The terms of a reason; where an error term is said to be something, both as the notation has them."""
        formulas = [self.alone(one) for one in said.terms]
        for left, right in re.findall(r"\{(\d+)\} = \{(\d+)\}", said.text):
            e, meaning = said.terms[int(left)], said.terms[int(right)]
            if not isinstance(e, Reference) or e.letter != "e" or not isinstance(meaning, Term):
                continue
            if self.notation == "nielsen":
                formulas[int(right)] = self.term(turned(signed(meaning)))
            elif self.notation == "matrix":
                pair = meaning_in_matrices(self, e, meaning)
                if pair is not None:
                    formulas[int(left)], formulas[int(right)] = pair
        return formulas

    # --- parts that other modules use ------------------------------------------------------------------------------

    def reference(self, term: Reference) -> Name:
        """x_ij and its like as the notation has it."""
        nodes = tuple(index_name(one) for one in term.nodes)
        pattern = (index_name(term.pattern),) if term.pattern else ()
        layer = () if term.letter in "ts" else (str(term.layer),)
        ref = ".".join((term.letter, *layer, *nodes))
        if self.notation != "nielsen" or term.letter == "s":
            return Name(term.letter, (*pattern, *layer, *nodes), ref=ref)
        return Name(NIELSEN.get(term.letter, term.letter), nodes, (*pattern, *layer), ref=ref)

    def function(self, layer: int, primed: bool) -> Name:
        """f_i or f'_i."""
        letter = NIELSEN["f"] if self.notation == "nielsen" else "f"
        return Name(letter, (str(layer),), prime=primed, ref=f"f.{layer}")

    # --- one way for each term -------------------------------------------------------------------------------------

    def _over_target(self, term: Term) -> str:
        if not term.pending:
            return self.term(term)
        return self.pen.by(self.term(term), self._by)

    def _number(self, term: Number) -> str:
        return self.pen.number(term.value)

    def _symbol(self, term: Symbol) -> str:
        return self.pen.name(Name(term.name, ref=term.name))

    def _reference(self, term: Reference) -> str:
        return self.pen.name(self.reference(term))

    def _apply(self, term: Apply) -> str:
        return self.pen.call(self.pen.name(self.function(term.layer, term.primed)), self.term(term.argument))

    def _negation(self, term: Negation) -> str:
        return self.pen.minus(self._factor(term.term, last=True))

    def _difference(self, term: Difference) -> str:
        return self.pen.terms([(False, self._addend(term.left, first=True)), (True, self._addend(term.right))])

    def _addition(self, term: Addition) -> str:
        parts = []
        for n, one in enumerate(term.terms):
            if n and isinstance(one, Negation):
                parts.append((True, self._addend(one.term)))
            else:
                parts.append((False, self._addend(one, first=not n)))
        return self.pen.terms(parts)

    def _addend(self, term: Term, first: bool = False) -> str:
        if isinstance(term, Addition | Difference) or (isinstance(term, Negation) and not first):
            return self.pen.brackets(self.term(term))
        return self.term(term)

    def _product(self, term: Product) -> str:
        *factors, last = term.factors
        return self.pen.times([*(self._factor(one) for one in factors), self._factor(last, last=True)])

    def _factor(self, term: Term, last: bool = False) -> str:
        open_ended = isinstance(term, Sum) or (isinstance(term, D) and isinstance(term.term, Sum))
        compound = isinstance(term, Difference | Addition | Negation) or (
            isinstance(term, Quotient | SquaredWeights) and (self.pen.linear or isinstance(term, SquaredWeights))
        )
        return self.pen.brackets(self.term(term)) if compound or (open_ended and not last) else self.term(term)

    def _quotient(self, term: Quotient) -> str:
        above, below = (
            self.pen.brackets(self.term(one))
            if self.pen.linear and not isinstance(one, Number | Reference | Symbol | Apply)
            else self.term(one)
            for one in term.parts
        )
        return self.pen.over(above, below)

    def _square(self, term: Square) -> str:
        simple = isinstance(term.term, Reference) and self.notation != "nielsen"
        base = self.term(term.term)
        return self.pen.power(base if simple else self.pen.brackets(base), "2")

    def _log(self, term: Log) -> str:
        return self.pen.call(self.pen.name(Name("log", ref="log")), self.term(term.term))

    def _same(self, term: Same) -> str:
        return self.pen.same(index_name(term.left), index_name(term.right))

    def _sum(self, term: Sum) -> str:
        body = self.term(term.body)
        if isinstance(term.body, Difference | Addition | Negation):
            body = self.pen.brackets(body)
        return self.pen.total(index_name(term.index), term.index.layer, body)

    def _squares(self, term: SquaredWeights) -> str:
        return self.pen.squares(term.biases)

    def _partial(self, term: D) -> str:
        inside = self.term(term.term)
        starts_with_number = isinstance(term.term, Product) and isinstance(term.term.factors[0], Number)
        if not (isinstance(term.term, Reference | Apply | Sum | Log) or starts_with_number):
            inside = self.pen.brackets(inside)
        return self.pen.partial(inside, self._by)


WAYS: dict[type[Term], Callable[[Writer, Any], str]] = {
    Number: Writer._number,
    Symbol: Writer._symbol,
    Reference: Writer._reference,
    Apply: Writer._apply,
    Negation: Writer._negation,
    Difference: Writer._difference,
    Addition: Writer._addition,
    Product: Writer._product,
    Quotient: Writer._quotient,
    Square: Writer._square,
    Log: Writer._log,
    Same: Writer._same,
    Sum: Writer._sum,
    SquaredWeights: Writer._squares,
    D: Writer._partial,
}


def turned(term: Term) -> Term:
    """Minus the term; a difference is turned round."""
    match term:
        case Difference(left, right):
            return Difference(right, left)
        case Product((Difference() as first, *rest)):
            return Product((turned(first), *rest))
    return negation(term)


@contextmanager
def deep(layers: int) -> Iterator[None]:
    """Room for the recursion that deep networks need, and the old limit afterwards."""
    limit = getrecursionlimit()
    setrecursionlimit(max(limit, 1000 + 50 * layers))
    try:
        yield
    finally:
        setrecursionlimit(limit)
