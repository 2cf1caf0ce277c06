"""A line with numbers in place of its letters.

Stands beside the derivation, to be read with a pocket calculator: the outermost sum is written out, its first terms if
it is long, an inner sum and a pending ∂ are replaced by what they are worth. Its letters: those of
:mod:`chainrule.derivation.terms`.
"""

from __future__ import annotations

from chainrule.derivation.evaluate import Evaluator
from chainrule.derivation.printers.pen import Pen
from chainrule.derivation.terms import (
    PATTERNS,
    Addition,
    D,
    Difference,
    Index,
    Letter,
    Log,
    Negation,
    Number,
    Product,
    Quotient,
    Square,
    Sum,
    Term,
)

MOST = 3
"""A sum of more terms is shown by the first two."""

DOTS = "…"


def substituted(evaluator: Evaluator, pen: Pen, line: Term) -> str:
    """The line with numbers; empty if that is a single number."""
    core = line.term if isinstance(line, Negation) else line
    if isinstance(core, D):
        return ""
    return Substitution(evaluator, pen).term(line, {}, outermost=True)


class Substitution:
    """Writes terms in numbers."""

    def __init__(self, evaluator: Evaluator, pen: Pen) -> None:
        self.evaluator, self.pen = evaluator, pen

    def term(self, term: Term, at: dict[Index, int], outermost: bool = False) -> str:
        """A term, its free indices being those nodes."""
        pen = self.pen
        match term:
            case Number(value=value):
                text = pen.number(value)
            case Negation(inside):
                text = pen.minus(self.factor(inside, at, outermost))
            case Difference(left, right):
                text = pen.terms([(False, self.term(left, at)), (True, self.factor(right, at))])
            case Addition(terms):
                text = pen.terms([self.signed(one, at, outermost) for one in terms])
            case Product(factors):
                text = pen.times([self.factor(one, at, outermost) for one in factors], "·")
            case Quotient(above, below):
                text = pen.over(
                    *(
                        pen.brackets(self.term(one, at)) if isinstance(one, Product) else self.factor(one, at)
                        for one in (above, below)
                    )
                )
            case Square(inside):
                text = pen.power(pen.brackets(self.term(inside, at)), "2")
            case Log(inside):
                text = pen.call("log", self.term(inside, at))
            case Sum(index, body) if outermost:
                text = self.written_out(index, body, at)
            case _:
                text = self.value(term, at)
        return text

    def factor(self, term: Term, at: dict[Index, int], outermost: bool = False) -> str:
        """With brackets where it needs them in a product."""
        text = self.term(term, at, outermost)
        compound = isinstance(term, Addition | Difference | Negation) or (
            isinstance(term, Quotient) and self.pen.linear
        )
        plain = isinstance(term, Number | Square | Log | Quotient) or (isinstance(term, Sum) and outermost)
        negative = not plain and not isinstance(term, Product) and self.number(term, at) < 0
        return self.pen.brackets(text) if compound or negative else text

    def signed(self, term: Term, at: dict[Index, int], outermost: bool = False) -> tuple[bool, str]:
        """A term of a sum: whether it is taken away, and what."""
        if isinstance(term, Negation):
            return True, self.factor(term.term, at, outermost)
        structured = isinstance(term, Product | Addition | Difference | Quotient | Square | Log)
        if structured or (isinstance(term, Sum) and outermost):
            return False, self.term(term, at, outermost)
        number = self.number(term, at)
        return number < 0, self.pen.decimal(f"{abs(number):.4g}")

    def written_out(self, index: Letter, body: Term, at: dict[Index, int]) -> str:
        """The terms of a sum; the first two and dots if there are more than three."""
        values = self.evaluator.values
        size = len(values.s) if index.layer == PATTERNS else values.problem.sizes[index.layer]
        if size == 1:
            return self.factor(body, {**at, index: 0})
        shown = size if size <= MOST else 2
        parts = [self.signed(body, {**at, index: n}) for n in range(shown)]
        if size > shown:
            parts.append((False, self.pen.decimal(DOTS)))
        return self.pen.brackets(self.pen.terms(parts))

    def value(self, term: Term, at: dict[Index, int]) -> str:
        """What it is worth there, rounded."""
        return self.pen.decimal(f"{self.number(term, at):.4g}")

    def number(self, term: Term, at: dict[Index, int]) -> float:
        """What it is worth there."""
        array, letters = self.evaluator.value(term)
        return float(array[tuple(at[one] for one in letters)])
