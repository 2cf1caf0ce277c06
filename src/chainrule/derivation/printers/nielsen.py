"""Nielsen's δ: minus the paper's error term, so that signs change where an error term is.

Stands beside the derivation: the same lines with the same values, since e_ij = -δ_ij. Here a term that has an error
term in it is rewritten so that its e may be read as δ. Its letters: those of :mod:`chainrule.derivation.terms`.
"""

from __future__ import annotations

from chainrule.derivation.terms import (
    Addition,
    Difference,
    Negation,
    Product,
    Reference,
    Sum,
    Term,
    addition,
    negation,
    product,
)


def signed(term: Term) -> Term:
    """The term with δ written for e, of the same value, its minus sign in front."""
    minus, same = _signed(term)
    return negation(same) if minus else same


def _signed(term: Term) -> tuple[bool, Term]:
    """Whether a minus sign comes out, and the term behind it."""
    minus, same = False, term
    match term:
        case Reference(letter="e"):
            minus = True
        case Negation(inside):
            minus, same = _signed(inside)
            minus = not minus
        case Sum(index, body):
            minus, found = _signed(body)
            same = term if found is body else Sum(index, found)
        case Product(factors):
            parts = [_signed(one) for one in factors]
            minus = sum(sign for sign, _ in parts) % 2 == 1
            if any(found is not one for (_, found), one in zip(parts, factors, strict=True)):
                same = product(*(found for _, found in parts))
        case Addition(terms):
            same = addition(*(signed(one) for one in terms))
        case Difference(left, right):
            same = Difference(signed(left), signed(right))
    return minus, same


def without_minus(term: Term) -> Term:
    """What stands behind the minus sign."""
    return term.term if isinstance(term, Negation) else term
