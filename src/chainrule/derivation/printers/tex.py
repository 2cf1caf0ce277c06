r"""LaTeX: an align* environment as the paper prints its lines, or a document for pdflatex; and Markdown with $ signs.

Stands beside the derivation. A line break in a formula is a place where it may be broken; long numerators are broken
there into rows of an ``aligned``. Its letters: none of the paper's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from chainrule.derivation.printers.pen import Name, joined
from chainrule.derivation.printers.rows import Row

BREAK = "\n"

ROW = 88.0
"""So many signs of full size stand in a row of a formula."""

LETTERS = {"δ": r"\delta", "σ": r"\sigma", "λ": r"\lambda", "log": r"\log"}

WORDS = {
    "∂": r"$\partial$",
    "½": r"$\tfrac12$",
    "·": r"$\cdot$",
    "−": "$-$",
    "…": r"\dots{}",
    "λ": r"$\lambda$",
    "Σ": r"$\Sigma$",
    "′": "$'$",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
"""Signs that are more than letters, and how pdflatex writes them."""

DOCUMENT = r"""\documentclass[11pt]{article}
\usepackage[T1]{fontenc}
\usepackage{amsmath,amssymb}
\usepackage[margin=2cm]{geometry}
\setlength{\parindent}{0pt}
\allowdisplaybreaks
\begin{document}
%s
\end{document}
"""


@dataclass(frozen=True)
class Tex:
    """The pen of LaTeX; with markdown=True the words between the formulas are Markdown."""

    markdown: bool = False
    linear: bool = False
    labelled: bool = False

    def number(self, value: Fraction) -> str:
        """A fraction or a whole number."""
        return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    def decimal(self, digits: str) -> str:
        """A rounded number, with a power of ten if it is very large or small."""
        if digits == "…":
            return r"\dots"
        return re.sub(r"e([+-]\d+)", lambda found: rf" \cdot 10^{{{int(found[1])}}}", digits)

    def name(self, name: Name) -> str:
        """w_{173}."""
        letter = LETTERS.get(name.letter, name.letter)
        letter = rf"\mathbf{{{letter}}}" if name.bold else letter
        above = f"^{{{_indices(name.above)}}}" if name.above else ""
        below = f"_{{{_indices(name.below)}}}" if name.below else ""
        return letter + above + below + "'" * name.prime

    def call(self, function: str, argument: str) -> str:
        """f_{5}(x_{5i})."""
        return f"{function}({argument})"

    def minus(self, term: str) -> str:
        """Minus the term."""
        return f"-{term}"

    def terms(self, parts: Sequence[tuple[bool, str]]) -> str:
        """Terms added or taken away."""
        (negative, first), *others = parts
        text = f"-{first}" if negative else first
        return text + "".join(f"{BREAK}{'-' if minus else '+'} {term}" for minus, term in others)

    def times(self, factors: Sequence[str], sign: str = "") -> str:
        """Factors side by side."""
        return {"∘": rf"{BREAK}\circ ", "·": rf"{BREAK}\cdot "}.get(sign, BREAK).join(factors)

    def over(self, above: str, below: str) -> str:
        """A fraction."""
        return rf"\frac{{{_kept(above)}}}{{{_kept(below)}}}"

    def by(self, above: str, target: str) -> str:
        """The paper's fraction; a long numerator in rows."""
        return rf"\frac{{{broken(above)}}}{{\partial {target}}}"

    def power(self, base: str, exponent: str) -> str:
        """A square, or the transposed of a matrix."""
        return base + ("^{2}" if exponent == "2" else r"^{\mathsf{T}}")

    def total(self, index: str, layer: int, body: str) -> str:
        """A sum over an index."""
        return rf"\sum_{{{_indices([index])}}} {body}"

    def partial(self, term: str, target: str) -> str:
        """∂ of a term."""
        return rf"\partial {term}"

    def brackets(self, term: str) -> str:
        """The term in brackets; a short one is not broken."""
        return f"({_kept(term) if len(term) < 4 * ROW and _width(term) < ROW / 2 else term})"

    def entry(self, term: str, indices: tuple[str, ...]) -> str:
        """One entry of a matrix or vector."""
        return f"[{term}]_{{{_indices(indices)}}}"

    def same(self, left: str, right: str) -> str:
        """1 if both are the same node, else 0."""
        return f"[{_indices([left])} = {_indices([right])}]"

    def squares(self, biases: bool) -> str:
        """All weights, squared and added."""
        return r"\sum w^{2}" + (r" + \sum b^{2}" if biases else "")

    def index(self, index: str) -> str:
        """An index in a sentence."""
        return _indices([index])

    def inline(self, formula: str, spoken: str = "") -> str:
        """A formula in a sentence."""
        return f"${_kept(formula)}$"

    def words(self, text: str) -> str:
        """Words of a sentence."""
        if self.markdown:
            return re.sub(r"([\\`*_$<>])", r"\\\1", text)
        parts = re.split(r"(\{\d+\})", text)
        return "".join(one if n % 2 else _text(one) for n, one in enumerate(parts))


def _indices(indices: Sequence[str]) -> str:
    return joined(indices, [one if len(one) == 1 or one.isdecimal() else f"{one[0]}_{{{one[1:]}}}" for one in indices])


def _kept(formula: str) -> str:
    return formula.replace(BREAK, " ")


def _width(formula: str) -> float:
    """Roughly how many signs of full size it is wide; subscripts are small, and there is space around operators."""
    plain = re.sub(r"\\(mathbf|mathsf|partial)", "", formula)
    plain = re.sub(r"\\[a-z]+|(?<= )[-+=]", "+++", plain)
    small = sum(len(found) for found in re.findall(r"[_^]\{([^{}]*)\}", plain))
    return len(re.sub(r"[{}_^\s']", "", plain)) - 0.3 * small


def broken(formula: str) -> str:
    """The formula in rows if it is too long for one."""
    pieces = _pieces(formula)
    rows, row, width = [], pieces[0], _width(pieces[0])
    for piece in pieces[1:]:
        more = _width(piece)
        if width + more > ROW:
            rows.append(row)
            row, width = piece, more
        else:
            row, width = row + " " + piece, width + more
    if not rows:
        return row
    return r"\begin{aligned} & " + " \\\\\n & \\quad ".join([*rows, row]) + r" \end{aligned}"


def _pieces(formula: str) -> list[str]:
    """The formula split where it may be broken, which is not within braces."""
    pieces, depth = [""], 0
    for one in re.split(r"([{}\n])", formula):
        depth += {"{": 1, "}": -1}.get(one, 0)
        if one == BREAK and not depth:
            pieces.append("")
        else:
            pieces[-1] += " " if one == BREAK else one
    return pieces


# --- pages ----------------------------------------------------------------------------------------------------


def align(pen: Tex, steps: Iterable[Row], names: Sequence[tuple[str, str, str]], width: int) -> str:
    """An align* environment: each line with the title of its step beside it."""
    lines = []
    for row in steps:
        title = rf"\text{{{row.number}. {row.head}}}" if row.head else rf"\text{{{row.number}. {row.title}}}"
        lines.append(rf"& {'= ' if row.number > 1 else ''}{broken(row.line)} && {title}")
        lines += [rf"& = {one}" for one in _worth(row)]
        lines += [rf"& \text{{{row.differs}}}"] if row.differs else []
    lines += [rf"& {formula.strip('$')} && \text{{{kind} column {_text(name)}}}" for formula, kind, name in names]
    return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"


def document(pen: Tex, steps: Iterable[Row], names: Sequence[tuple[str, str, str]], width: int) -> str:
    """A document that pdflatex compiles."""
    written = []
    for row in steps:
        head = rf"\textbf{{{row.number}. {row.head + '.' if row.head else ''}}} "
        formulas = [("= " if row.number > 1 else "") + broken(row.line), *(f"= {one}" for one in _worth(row))]
        shown = " \\\\\n".join(f"& {one}" for one in formulas)
        written.append(f"{head}{row.reason}\n\\begin{{align*}}\n{shown}\n\\end{{align*}}\n{row.differs}")
    written += [rf"{formula} is the {kind} column `{_text(name)}'." + "\n" for formula, kind, name in names]
    return DOCUMENT % "\n".join(written)


def markdown(pen: Tex, steps: Iterable[Row], names: Sequence[tuple[str, str, str]], width: int) -> str:
    """Markdown: reason and line of each step."""
    written = []
    for row in steps:
        written.append(f"**{row.number}.{' ' + row.head + '.' if row.head else ''}** {row.reason}\n")
        formulas = [row.line, row.substituted] if row.substituted else [row.line]
        written += [f"$$\n{'= ' if row.number > 1 or n else ''}{broken(one)}\n$$\n" for n, one in enumerate(formulas)]
        mark = "" if row.ok is None else " ✓" if row.ok else " ✗"
        written += [f"= {row.value}{mark}\n"] if row.value else []
        written += [f"{row.differs}\n"] if row.differs else []
    for formula, kind, name in names:
        plain = re.sub(r"([^\w\s])", r"\\\1", name)
        written.append(f"{formula} is the {kind} column '{plain}'.\n")
    return "\n".join(written)


def _worth(row: Row) -> list[str]:
    mark = "" if row.ok is None else r" \quad \checkmark" if row.ok else r" \quad \times"
    return [broken(one) for one in (row.substituted, row.value + mark if row.value else "") if one]


def _text(text: str) -> str:
    """Any text; what pdflatex has no letter for is written as its code point."""
    signs = []
    for one in text:
        if one in WORDS:
            signs.append(WORDS[one])
        elif one in "{}#$%&_":
            signs.append("\\" + one)
        elif one == " " or (one.isprintable() and (ord(one) < 0x7F or 0xC0 <= ord(one) < 0x100)):
            signs.append(one)
        else:
            signs.append(f"U+{ord(one):04X}")
    return "".join(signs)
