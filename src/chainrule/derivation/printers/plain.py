"""Formulas in a line of text: Unicode for a terminal, or ASCII.

Stands beside the derivation. A space may be broken at the end of a line, a no-break space may not. Its letters: none of
the paper's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from chainrule.derivation.printers.pen import Name, joined
from chainrule.derivation.printers.rows import Row

KEEP = "\N{NO-BREAK SPACE}"
"""Between what belongs on one line."""

SHORT = 24
"""A sum or difference of so many signs is not broken."""

BELOW = str.maketrans("0123456789ijklmnph", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₗₘₙₚₕ")
ABOVE = str.maketrans("0123456789p", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵖ")

ASCII_WORDS = {
    "½ · 2": "1/2 * 2",
    "∂{": "d {",
    "∂": "d",
    "½": "1/2",
    "·": "*",
    "−": "-",
    "…": "...",
}
"""Signs in the reasons, and what ASCII has for them."""

ASCII_LETTERS = {"δ": "delta", "σ": "sigma", "λ": "lambda"}


@dataclass(frozen=True)
class Text:
    """The pen of a terminal; with ascii=True that of a typewriter."""

    ascii: bool = False
    linear: bool = True
    labelled: bool = False

    def number(self, value: Fraction) -> str:
        """½, 1/3 or 2."""
        return "½" if value == Fraction(1, 2) and not self.ascii else str(value)

    def decimal(self, digits: str) -> str:
        """A rounded number."""
        return digits.replace("…", "...") if self.ascii else digits.replace("-", "−")

    def name(self, name: Name) -> str:
        """w₁₇₃ or w_173."""
        below, above = joined(name.below), joined(name.above)
        if self.ascii:
            letter = ASCII_LETTERS.get(name.letter, name.letter)
            return letter + (f"^{above}" if above else "") + (f"_{below}" if below else "") + "'" * name.prime
        return name.letter + above.translate(ABOVE) + below.translate(BELOW) + "′" * name.prime

    def call(self, function: str, argument: str) -> str:
        """f₅(x₅ᵢ)."""
        return f"{function}({argument})"

    def minus(self, term: str) -> str:
        """Minus the term."""
        return ("-" if self.ascii else "−") + term

    def terms(self, parts: Sequence[tuple[bool, str]]) -> str:
        """Terms added or, where the flag is set, taken away."""
        text = self.minus(parts[0][1]) if parts[0][0] else parts[0][1]
        for negative, term in parts[1:]:
            text += " " + (self.minus("") if negative else "+") + KEEP + term
        return text.replace(" ", KEEP) if len(text) <= SHORT else text

    def times(self, factors: Sequence[str], sign: str = "") -> str:
        """Factors side by side."""
        signs = {"∘": " .*" + KEEP if self.ascii else " ∘" + KEEP, "·": " *" + KEEP if self.ascii else " ·" + KEEP}
        return signs.get(sign, " ").join(factors)

    def over(self, above: str, below: str) -> str:
        """A fraction."""
        return f"{above}/{below}"

    def by(self, above: str, target: str) -> str:
        """What stands over ∂ of the target."""
        return f"{above} /{KEEP}{self.partial(target, '')}"

    def power(self, base: str, exponent: str) -> str:
        """A square, or the transposed of a matrix."""
        return base + (f"^{exponent}" if self.ascii else {"2": "²", "T": "ᵀ"}[exponent])

    def total(self, index: str, layer: int, body: str) -> str:
        """A sum over an index."""
        return (f"sum_{index}" if self.ascii else f"Σ{index.translate(BELOW)}") + KEEP + body

    def partial(self, term: str, target: str) -> str:
        """∂ of a term."""
        if self.ascii:
            return f"d{KEEP}{term}"
        return f"∂{KEEP}{term}" if term.startswith("½") else f"∂{term}"

    def brackets(self, term: str) -> str:
        """The term in brackets; a short one is not broken."""
        return f"({term.replace(' ', KEEP) if len(term) <= SHORT else term})"

    def entry(self, term: str, indices: tuple[str, ...]) -> str:
        """One entry of a matrix or vector."""
        below = joined(indices)
        return f"[{term}]" + (f"_{below}" if self.ascii else below.translate(BELOW))

    def same(self, left: str, right: str) -> str:
        """1 if both are the same node, else 0."""
        return f"[{left}{KEEP}={KEEP}{right}]"

    def squares(self, biases: bool) -> str:
        """All weights, squared and added."""
        if self.ascii:
            return f"sum{KEEP}w^2" + (f" +{KEEP}sum{KEEP}b^2" if biases else "")
        return f"Σ{KEEP}w²" + (f" +{KEEP}Σ{KEEP}b²" if biases else "")

    def index(self, index: str) -> str:
        """An index or the number of a node in a sentence."""
        return index if self.ascii or len(index) == 1 or index.isdecimal() else index[0] + index[1:].translate(BELOW)

    def inline(self, formula: str, spoken: str = "") -> str:
        """A formula in a sentence; a short one is not broken."""
        return formula.replace(" ", KEEP) if len(formula) <= SHORT else formula

    def words(self, text: str) -> str:
        """Words of a sentence."""
        if self.ascii:
            text = re.sub(r"∂(\{\d+\})/∂(\{\d+\})", r"(d \1)/(d \2)", text)
            for sign, word in ASCII_WORDS.items():
                text = text.replace(sign, word)
        return text


def wrapped(text: str, width: int, first: str, then: str) -> str:
    """The text in lines of at most width columns where it can be broken, with what each begins with."""
    lines, line = [], first
    empty = True
    for word in text.split(" "):
        if not empty and len(line) + 1 + len(word) > width:
            lines.append(line)
            line, empty = then, True
        line += word if empty else " " + word
        empty = False
    return "\n".join([*lines, line]).replace(KEEP, " ")


def page(pen: Text, steps: Iterable[Row], names: Sequence[tuple[str, str, str]], width: int) -> str:
    """A derivation for a terminal: reason and line of each step."""
    tick, cross = ("ok", "WRONG") if pen.ascii else ("✓", "✗")
    written = []
    for row in steps:
        number = f"{row.number}. "
        head = row.head + (": " if row.head.endswith(")") else ". ") if row.head else ""
        written.append(wrapped(number + head + row.reason, width, "", " " * len(number)))
        written.append(wrapped(row.line, width, "     " if row.number == 1 else "   = ", " " * 7))
        mark = "" if row.ok is None else f" {KEEP}{tick if row.ok else cross}"
        written += [wrapped(row.substituted, width, "   = ", " " * 7)] if row.substituted else []
        written += [wrapped(row.value + mark, width, "   = ", " " * 7)] if row.value else []
        written += [wrapped(row.differs, width, " " * 5, " " * 5)] if row.differs else []
        written.append("")
    written += [wrapped(f"{formula} is the {kind} column '{name}'.", width, "", "") for formula, kind, name in names]
    return "\n".join(written).rstrip("\n")
