"""A fragment of HTML with native MathML: each name says what it refers to, each formula how it is spoken.

Stands beside the derivation. The fragment brings its few rules of style with it; a formula that is wider than the page
scrolls in its own box. Its letters: none of the paper's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape

from chainrule.derivation.printers.pen import Name
from chainrule.derivation.printers.rows import Row
from chainrule.derivation.terms import PATTERNS

TIMES = '<mo lspace="0.1em" rspace="0.1em">\N{INVISIBLE TIMES}</mo>'

STYLE = """<style>
.chainrule-derivation ol { padding-left: 2.2em; }
.chainrule-derivation li { margin: 0 0 1em; }
.chainrule-derivation p { margin: 0; max-width: 45em; line-height: 1.5; }
.chainrule-derivation .line { overflow-x: auto; padding: .4em 0; }
.chainrule-derivation .line math { display: inline math; math-style: normal; white-space: nowrap; }
.chainrule-derivation .bold { font-weight: bold; font-style: normal; }
.chainrule-derivation .whole { white-space: nowrap; }
.chainrule-derivation .right { color: #187a2f; }
.chainrule-derivation .wrong { color: #b3261e; }
@media (prefers-color-scheme: dark) {
  .chainrule-derivation .right { color: #6fd08a; }
  .chainrule-derivation .wrong { color: #ff8a80; }
}
</style>"""


@dataclass(frozen=True)
class MathML:
    """The pen of MathML."""

    linear: bool = False
    labelled: bool = True

    def number(self, value: Fraction) -> str:
        """A fraction or a whole number."""
        above, below = f"<mn>{value.numerator}</mn>", f"<mn>{value.denominator}</mn>"
        return above if value.denominator == 1 else f"<mfrac>{above}{below}</mfrac>"

    def decimal(self, digits: str) -> str:
        """A rounded number."""
        if digits == "…":
            return "<mi>…</mi>"
        mantissa, _, exponent = digits.lstrip("-").partition("e")
        number = f"<mn>{mantissa}</mn>"
        if exponent:
            power = self.minus(f"<mn>{-int(exponent)}</mn>") if int(exponent) < 0 else f"<mn>{int(exponent)}</mn>"
            number = f"<mrow>{number}<mo>·</mo><msup><mn>10</mn>{power}</msup></mrow>"
        return self.minus(number) if digits.startswith("-") else number

    def name(self, name: Name) -> str:
        """A letter with its indices, and what it refers to."""
        refers = f' data-ref="{name.ref}"' if name.ref else ""
        kind = ' class="bold"' if name.bold else ""
        letter = f"<mn{kind}>1</mn>" if name.letter == "1" else f"<mi{kind}>{name.letter}</mi>"
        below = _indices(name.below)
        above = "<mo>′</mo>" if name.prime else _indices(name.above)
        if below and above:
            return f"<msubsup{refers}>{letter}{below}{above}</msubsup>"
        if below:
            return f"<msub{refers}>{letter}{below}</msub>"
        return letter.replace("<mi", f"<mi{refers}", 1)

    def call(self, function: str, argument: str) -> str:
        """A function of an argument."""
        return f"<mrow>{function}<mo>\N{FUNCTION APPLICATION}</mo>{self.brackets(argument)}</mrow>"

    def minus(self, term: str) -> str:
        """Minus the term."""
        return f'<mrow><mo form="prefix">−</mo>{term}</mrow>'

    def terms(self, parts: Sequence[tuple[bool, str]]) -> str:
        """Terms added or taken away."""
        (negative, first), *others = parts
        text = self.minus(first) if negative else first
        rest = "".join(f'<mo form="infix">{"−" if minus else "+"}</mo>{term}' for minus, term in others)
        return f"<mrow>{text}{rest}</mrow>"

    def times(self, factors: Sequence[str], sign: str = "") -> str:
        """Factors side by side."""
        if len(factors) == 1:
            return factors[0]
        return f"<mrow>{(f'<mo>{sign}</mo>' if sign in ('∘', '·') else TIMES).join(factors)}</mrow>"

    def over(self, above: str, below: str) -> str:
        """A fraction."""
        return f"<mfrac>{above}{below}</mfrac>"

    def by(self, above: str, target: str) -> str:
        """The paper's fraction."""
        return f"<mfrac>{above}{self.partial(target, '')}</mfrac>"

    def power(self, base: str, exponent: str) -> str:
        """A square, or the transposed of a matrix."""
        return f"<msup>{base}{'<mn>2</mn>' if exponent == '2' else '<mi>T</mi>'}</msup>"

    def total(self, index: str, layer: int, body: str) -> str:
        """A sum over an index; it says over which layer, or over the patterns."""
        over = "patterns" if layer == PATTERNS else f"layer.{layer}"
        return f'<mrow><munder data-ref="sum.{index}.{over}"><mo>∑</mo>{_indices([index])}</munder>{body}</mrow>'

    def partial(self, term: str, target: str) -> str:
        """∂ of a term."""
        return f'<mrow><mi data-ref="d">∂</mi>{term}</mrow>'

    def brackets(self, term: str) -> str:
        """The term in brackets."""
        return f'<mrow><mo stretchy="false">(</mo>{term}<mo stretchy="false">)</mo></mrow>'

    def entry(self, term: str, indices: tuple[str, ...]) -> str:
        """One entry of a matrix or vector."""
        matrix = f'<mrow><mo stretchy="false">[</mo>{term}<mo stretchy="false">]</mo></mrow>'
        return f"<msub>{matrix}{_indices(indices)}</msub>"

    def same(self, left: str, right: str) -> str:
        """1 if both are the same node, else 0."""
        inside = f"{_indices([left])}<mo>=</mo>{_indices([right])}"
        return f'<mrow><mo stretchy="false">[</mo>{inside}<mo stretchy="false">]</mo></mrow>'

    def squares(self, biases: bool) -> str:
        """All weights, squared and added."""
        letters = ("w", "b") if biases else ("w",)
        squares = (f"<mo>∑</mo><msup><mi>{one}</mi><mn>2</mn></msup>" for one in letters)
        return f'<mrow data-ref="squares">{"<mo>+</mo>".join(squares)}</mrow>'

    def index(self, index: str) -> str:
        """An index in a sentence."""
        return _indices([index])

    def inline(self, formula: str, spoken: str = "") -> str:
        """A formula in a sentence, with its spoken label."""
        return math(formula, spoken)

    def words(self, text: str) -> str:
        """Words of a sentence."""
        return escape(text, quote=False)


def _indices(indices: Sequence[str]) -> str:
    """A row of indices, with commas if one has more than one sign."""
    comma = '<mo separator="true">,</mo>' if any(len(one) > 1 for one in indices) else ""
    shown = [_index(one) for one in indices]
    return shown[0] if len(shown) == 1 else f"<mrow>{comma.join(shown)}</mrow>" if shown else ""


def _index(index: str) -> str:
    if index.isdecimal():
        return f"<mn>{index}</mn>"
    letter = f'<mi data-ref="index.{index}">{index[0]}</mi>'
    return letter if len(index) == 1 else f"<msub>{letter}<mn>{index[1:]}</mn></msub>"


def math(formula: str, spoken: str, start: str = "", *, display: bool = False) -> str:
    """A whole formula."""
    label = escape(spoken)
    block = ' display="block"' if display else ""
    return f'<math{block} alttext="{label}" aria-label="{label}">{start}{formula}</math>'


def page(pen: MathML, steps: Iterable[Row], names: Sequence[tuple[str, str, str]], width: int) -> str:
    """An ordered list of steps."""
    written = ['<section class="chainrule-derivation">', STYLE, "<ol>"]
    for row in steps:
        head = f"<b>{row.head}.</b> " if row.head else ""
        reason = re.sub(r"(<math(?:(?!</math>).)*</math>[,.:;])", r'<span class="whole">\1</span>', row.reason)
        written.append(f'<li value="{row.number}" data-step="{row.number}"><p>{head}{reason}</p>')
        written.append(_line(row.line, row.spoken, row.number > 1))
        if row.substituted:
            written.append(_line(row.substituted, row.substituted_spoken, True))
        if row.value:
            written.append(_line(row.value, row.value_spoken, True, _mark(row.ok)))
        if row.differs:
            written.append(f'<p class="wrong">{row.differs}</p>')
        written.append("</li>")
    written.append("</ol>")
    written += [f"<p>{formula} is the {kind} column ‘{escape(name)}’.</p>" for formula, kind, name in names]
    return "\n".join([*written, "</section>"])


def _line(formula: str, spoken: str, equals: bool, after: str = "") -> str:
    start = '<mo form="prefix">=</mo>' if equals else ""
    label = f"equals {spoken}" if equals else spoken
    return f'<div class="line" tabindex="0" role="group">{math(formula, label, start, display=True)}{after}</div>'


def _mark(ok: bool | None) -> str:
    if ok is None:
        return ""
    kind, sign = ("right", "✓") if ok else ("wrong", "✗")
    return f' <span class="{kind}" role="img" aria-label="{kind}">{sign}</span>'
