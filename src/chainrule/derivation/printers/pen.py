"""What a pen is: how one format writes the parts of a formula.

Stands beside the derivation; :mod:`chainrule.derivation.printers.writing` decides what is written and where brackets
are, a pen only how it looks. Its letters: those of :mod:`chainrule.derivation.terms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from chainrule.derivation.terms import Index, Node


@dataclass(frozen=True)
class Name:
    """A letter with what stands around it.

    Attributes
    ----------
    letter : str
    below, above : tuple of str
        Its indices.
    prime : bool
    bold : bool
        Whether it is a vector or a matrix.
    ref : str
        What it refers to, in the paper's letters: "w.1.7.3".
    """

    letter: str
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    prime: bool = False
    bold: bool = False
    ref: str = ""


class Pen(Protocol):
    """How one format writes the parts of a formula."""

    @property
    def linear(self) -> bool:
        """Whether fractions are written in a line, and so need brackets."""

    @property
    def labelled(self) -> bool:
        """Whether formulas have a spoken label."""

    def number(self, value: Fraction) -> str:
        """A number of the derivation."""

    def decimal(self, digits: str) -> str:
        """A rounded number, its digits given."""

    def name(self, name: Name) -> str:
        """A letter with its indices."""

    def call(self, function: str, argument: str) -> str:
        """A function of an argument."""

    def minus(self, term: str) -> str:
        """Minus a term."""

    def terms(self, parts: Sequence[tuple[bool, str]]) -> str:
        """Terms added; taken away where the flag is set."""

    def times(self, factors: Sequence[str], sign: str = "") -> str:
        """Factors; the sign is "·" between numbers, "∘" node by node, "@" with matrices."""

    def over(self, above: str, below: str) -> str:
        """A fraction."""

    def by(self, above: str, target: str) -> str:
        """What stands over ∂ of the target."""

    def power(self, base: str, exponent: str) -> str:
        """A square, or with exponent T the transposed."""

    def total(self, index: str, layer: int, body: str) -> str:
        """The sum over an index of a layer."""

    def partial(self, term: str, target: str) -> str:
        """∂ of a term, by the target."""

    def brackets(self, term: str) -> str:
        """The term in brackets."""

    def entry(self, term: str, indices: tuple[str, ...]) -> str:
        """One entry of a matrix or vector."""

    def same(self, left: str, right: str) -> str:
        """[i = h]."""

    def squares(self, biases: bool) -> str:
        """All weights, squared and added."""

    def index(self, index: str) -> str:
        """An index in a sentence."""

    def inline(self, formula: str, spoken: str = "") -> str:
        """A formula in a sentence."""

    def words(self, text: str) -> str:
        """The words of a sentence, {0} standing for formulas."""


def index_name(index: Index) -> str:
    """The letter of an index, or the number of a node."""
    return str(index.number) if isinstance(index, Node) else index.name


def joined(indices: Sequence[str], shown: Sequence[str] | None = None) -> str:
    """Indices in a row, with commas if one has more than one sign; shown as given there."""
    return ("," if any(len(one) > 1 for one in indices) else "").join(shown if shown is not None else indices)
