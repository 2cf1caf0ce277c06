"""Formulas in plain English, for a screen reader or somebody who reads aloud; also the labels of the MathML.

Stands beside the derivation. What a listener cannot see is said: where a bracket opens, "the quantity", and where it
closes, "end quantity". Its letters: none of the paper's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from chainrule.derivation.printers.pen import Name

if TYPE_CHECKING:
    from chainrule.derivation.printers.rows import Row

LETTERS = {"δ": "delta", "σ": "sigma", "λ": "lambda", "log": "the logarithm"}

VECTORS = {"1": "the vector of ones", "I": "the identity matrix"}

WORDS: dict[str, str | Callable[[re.Match[str]], str]] = {
    r"½ · 2 = 1": "one half times 2 is 1",
    r"Let (\{\d+\}) = ": r"Let \1 be ",
    r"∂(\{\d+\})/∂(\{\d+\}) = 1": r"the derivative of \1 by \2 is 1",
    r"1/\(1 − (\{\d+\})\)": r"1 over the quantity 1 minus \1, end quantity",
    r"y = 1/\(1 \+ exp\(−x\)\) is y\(1 − y\)": "y is 1 over the quantity 1 plus e to the minus x, end quantity, "
    "is y times the quantity 1 minus y, end quantity",
    r"(\{\d+\})\[ \]": r"\1 times the indicator",
    r"\[ \]": "the indicator",
    r"1/(\{\d+\})": r"1 over \1",
    r"\blog\(1 − (\{\d+\})\)": r"the logarithm of the quantity 1 minus \1, end quantity",
    r"\blog (\{\d+\})": r"the logarithm of \1",
    r"∂(\{\d+\})": r"the derivative of \1",
    r"∂": "the derivative",
    r"½": "one half",
    r" · ": " times ",
    r"− ?": "minus ",
    r" = ": " is ",
    r" \((as in step \d+)\)": r", \1",
    r"(^|\. )([a-z])": lambda found: found[1] + found[2].upper(),
}
"""Signs in the reasons, and how they are said; sentences begin with a capital."""


@dataclass(frozen=True)
class Speech:
    """The pen that speaks."""

    linear: bool = True
    labelled: bool = False

    def number(self, value: Fraction) -> str:
        """One half, or digits."""
        return "one half" if value == Fraction(1, 2) else str(value)

    def decimal(self, digits: str) -> str:
        """A rounded number."""
        if digits == "…":
            return "and so on"
        said = re.sub(r"e([+-]\d+)", lambda found: f" times 10 to the {int(found[1])}", digits)
        return said.replace("-", "minus ")

    def name(self, name: Name) -> str:
        """W sub 1 7 3."""
        if name.bold and name.letter in VECTORS:
            return VECTORS[name.letter]
        letter = LETTERS.get(name.letter, name.letter)
        kind = ("matrix " if name.letter.isupper() else "vector ") if name.bold else ""
        above = f" super {' '.join(name.above)}" if name.above else ""
        below = f" sub {' '.join(name.below)}" if name.below else ""
        return kind + letter + " prime" * name.prime + above + below

    def call(self, function: str, argument: str) -> str:
        """A function of an argument; what is more than a name is a quantity."""
        return f"{function} of {argument if ' minus ' not in argument else self.brackets(argument)}"

    def minus(self, term: str) -> str:
        """Minus the term."""
        return f"minus {term}"

    def terms(self, parts: Sequence[tuple[bool, str]]) -> str:
        """Terms added or taken away."""
        (negative, first), *others = parts
        text = self.minus(first) if negative else first
        return text + "".join(f" {'minus' if minus else 'plus'} {term}" for minus, term in others)

    def times(self, factors: Sequence[str], sign: str = "") -> str:
        """Factors one after the other."""
        return (" times, node by node, " if sign == "∘" else " times ").join(factors)

    def over(self, above: str, below: str) -> str:
        """A fraction."""
        return f"{above} over {below}"

    def by(self, above: str, target: str) -> str:
        """The same: by what is differentiated is said where ∂ is."""
        return above

    def power(self, base: str, exponent: str) -> str:
        """A square, or the transposed of a matrix."""
        return f"{base} squared" if exponent == "2" else f"{base} transposed"

    def total(self, index: str, layer: int, body: str) -> str:
        """A sum over an index."""
        return f"the sum over {index} of {body}"

    def partial(self, term: str, target: str) -> str:
        """∂ of a term."""
        return f"the derivative{f' by {target}' if target else ''} of {term}"

    def brackets(self, term: str) -> str:
        """The term between words that say where it begins and ends."""
        return f"the quantity {term}, end quantity"

    def entry(self, term: str, indices: tuple[str, ...]) -> str:
        """One entry of a matrix or vector."""
        return f"entry {' '.join(indices)} of {self.brackets(term)}"

    def same(self, left: str, right: str) -> str:
        """1 if both are the same node, else 0."""
        return f"the indicator that {left} is {right}"

    def squares(self, biases: bool) -> str:
        """All weights, squared and added."""
        return "the sum of all squared weights" + (" and biases" if biases else "")

    def index(self, index: str) -> str:
        """An index in a sentence."""
        return index

    def inline(self, formula: str, spoken: str = "") -> str:
        """A formula in a sentence."""
        return formula

    def words(self, text: str) -> str:
        """Words of a sentence."""
        for sign, word in WORDS.items():
            text = re.sub(sign, word, text)
        return text


def page(pen: Speech, steps: Iterable[Row], names: Sequence[tuple[str, str, str]], width: int) -> str:
    """A derivation to be read aloud, a paragraph for each step."""
    written = []
    for row in steps:
        said = [f"Step {row.number}.", *([f"{row.head}."] if row.head else []), row.reason]
        said.append(f"{'The line is' if row.number == 1 else 'This is equal to'}: {row.line}.")
        said += [f"In numbers: {row.substituted}."] if row.substituted else []
        said += [f"Its value is {row.value}."] if row.value else []
        said += [] if row.ok is None else ["The line is right." if row.ok else f"The line is wrong. {row.differs}"]
        written.append(" ".join(said))
    written += [f"{formula} is the {kind} column {name}." for formula, kind, name in names]
    return "\n\n".join(written)
