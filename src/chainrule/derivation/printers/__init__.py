"""One tree, many hands: a derivation as text, ASCII, LaTeX, HTML, Markdown, speech, JSON and NumPy code.

Stands beside the derivation: every format is read back by a test and gives the numbers of the terms. Its letters: those
of :mod:`chainrule.derivation.terms`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from shutil import get_terminal_size
from typing import Any

from chainrule.derivation.evaluate import Values
from chainrule.derivation.printers import exchange, mathml, plain, python_code, speech, tex
from chainrule.derivation.printers.exchange import from_json as from_json
from chainrule.derivation.printers.pen import Pen
from chainrule.derivation.printers.rows import legend, rows
from chainrule.derivation.printers.writing import Writer, deep
from chainrule.derivation.rules import Said
from chainrule.derivation.steps import Derivation
from chainrule.derivation.terms import Index, Term
from chainrule.derivation.verify import Verification

FORMATS = ("text", "ascii", "latex", "tex", "html", "markdown", "speech", "json", "numpy")

NOTATIONS = ("paper", "nielsen", "matrix")

PENS: dict[str, Pen] = {
    "text": plain.Text(),
    "ascii": plain.Text(ascii=True),
    "latex": tex.Tex(),
    "tex": tex.Tex(),
    "html": mathml.MathML(),
    "markdown": tex.Tex(markdown=True),
    "speech": speech.Speech(),
}

PAGES: dict[str, Callable[..., str]] = {
    "text": plain.page,
    "ascii": plain.page,
    "latex": tex.align,
    "tex": tex.document,
    "html": mathml.page,
    "markdown": tex.markdown,
    "speech": speech.page,
}


def render(
    derivation: Derivation,
    format: str = "text",
    notation: str = "paper",
    *,
    width: int | None = None,
    numbers: Values | None = None,
    verified: Verification | None = None,
    names: Mapping[str, Sequence[Any]] | None = None,
) -> str:
    """Print a derivation.

    Parameters
    ----------
    derivation : Derivation
    format : {"text", "ascii", "latex", "tex", "html", "markdown", "speech", "json", "numpy"}
        Text for a terminal, in Unicode or ASCII; an align* environment, or a document for pdflatex; a fragment of HTML
        with MathML; Markdown with formulas in dollar signs; English to be spoken; the tree, for programs; Python code.
    notation : {"paper", "nielsen", "matrix"}
        The paper's w_ijk and e; Nielsen's w^l_jk and δ = -e; or, of lines without ∂, matrices and vectors.
    width : int, optional
        Columns, for text and ASCII; the terminal's by default, 80 where there is none.
    numbers : Values, optional
        To show each line also with numbers in place of letters, and its value:
        ``values_of(problem, net, inputs, targets)``.
    verified : Verification, optional
        To show the value of each line with a tick or a cross.
    names : mapping, optional
        Names of columns, ``{"inputs": [...], "targets": [...]}``, for the nodes that occur by number.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If format, notation or width are none of these.
    """
    _check(format, notation)
    if width is None:
        width = get_terminal_size().columns
    elif isinstance(width, bool) or not isinstance(width, int) or width < LEAST_WIDTH:
        raise ValueError(f"width must be a whole number from {LEAST_WIDTH} on; got {width!r}. Use 80, or leave it out.")
    pen = PENS.get(format, PENS["text"])
    with deep(derivation.problem.L):
        steps = rows(derivation, pen, notation, numbers, verified)
        columns = legend(derivation, pen, notation, names)
        if format == "numpy":
            return python_code.module(derivation, notation, steps)
        if format == "json":
            latex = rows(derivation, PENS["latex"], notation, numbers, verified)
            return exchange.as_json(derivation, notation, steps, latex, columns)
        return PAGES[format](pen, steps, columns, max(width, LEAST_WIDTH))


LEAST_WIDTH = 20
"""Narrower, even a single factor does not fit."""


def sentence(said: Said, format: str = "text", notation: str = "paper") -> str:
    """A reason as one sentence of that format.

    Parameters
    ----------
    said : Said
    format, notation : str
        As in :func:`render`; JSON and NumPy code have the sentence of the text.

    Returns
    -------
    str
    """
    _check(format, notation)
    writer, spoken = _writers(format, notation)
    return _unbroken(writer.sentence(said, spoken))


def expression(term: Term | Index, format: str = "text", notation: str = "paper") -> str:
    """A single term.

    Parameters
    ----------
    term : Term or Index
    format, notation : str
        As in :func:`render`. LaTeX comes without dollar signs, Markdown with them, HTML as a ``<math>`` element,
        NumPy code with n_5 for the nodes of layer 5.

    Returns
    -------
    str
    """
    _check(format, notation)
    if format == "numpy":
        return python_code.expression(term, notation)
    if format == "json":
        return exchange.term_as_json(term)
    writer, spoken = _writers(format, notation)
    formula = writer.alone(term)
    if format in ("html", "markdown"):
        formula = writer.pen.inline(formula, spoken.alone(term) if spoken else "")
    return _unbroken(formula)


def _writers(format: str, notation: str) -> tuple[Writer, Writer | None]:
    pen = PENS.get(format, PENS["text"])
    return Writer(pen, notation), Writer(PENS["speech"], notation) if pen.labelled else None


def _unbroken(text: str) -> str:
    return text.replace(plain.KEEP, " ").replace(tex.BREAK, " ")


def _check(format: str, notation: str) -> None:
    for name, got, choices in (("format", format, FORMATS), ("notation", notation, NOTATIONS)):
        if got not in choices:
            near = difflib.get_close_matches(str(got), choices, 1)
            advice = f"Did you mean {near[0]!r}?" if near else "Choose one of them."
            *others, last = map(repr, choices)
            raise ValueError(f"{name} must be {', '.join(others)} or {last}; got {got!r}. {advice}")
