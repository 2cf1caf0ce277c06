"""What a page shows for each step, whatever the format: its number, title, reason and line, and its value if asked.

Stands beside the derivation; the formats lay it out. Its letters: none of the paper's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.derivation.evaluate import Evaluator, Values
from chainrule.derivation.printers.pen import Pen
from chainrule.derivation.printers.speech import Speech
from chainrule.derivation.printers.substitution import substituted
from chainrule.derivation.printers.writing import Writer
from chainrule.derivation.steps import Derivation, Step
from chainrule.derivation.terms import Node, Reference, walk
from chainrule.derivation.verify import Verification


@dataclass(frozen=True)
class Row:
    """One step as it is shown.

    Attributes
    ----------
    number : int
    title : str
        In the paper's words.
    head : str
        The title and the step that did the same: "Expand a term (as in step 6)"; empty where the reason says it all.
    reason, line : str
        As the format writes them.
    substituted : str
        The line with numbers for letters; empty if not asked for or the same as the value.
    value : str
        Rounded; empty if not asked for.
    number_value : float or None
        Not rounded.
    ok : bool or None
        Whether the line is right; none if that was not asked.
    differs : str
        What is wrong.
    spoken, substituted_spoken, value_spoken : str
        The same formulas in words, where the format has labels.
    """

    number: int
    title: str
    head: str
    reason: str
    line: str
    spoken: str = ""
    substituted: str = ""
    substituted_spoken: str = ""
    value: str = ""
    number_value: float | None = None
    value_spoken: str = ""
    ok: bool | None = None
    differs: str = ""


def rows(
    derivation: Derivation, pen: Pen, notation: str, numbers: Values | None, verified: Verification | None
) -> Iterator[Row]:
    """Every step of a derivation."""
    target = derivation.problem.target
    writer = Writer(pen, notation, target)
    spoken = Writer(Speech(), notation, target) if pen.labelled else None
    evaluator = None if numbers is None else Evaluator(numbers)
    lines = {} if verified is None else {line.number: line for line in verified.lines}
    for step in derivation.steps:
        line = lines.get(step.number)
        value = line.value if line is not None else evaluator.number(step.line) if evaluator is not None else None
        digits = "" if value is None else f"{value:.6g}"
        yield Row(
            step.number,
            pen.words(step.title),
            pen.words(head(step)),
            writer.sentence(step.said, spoken),
            writer.line(step.line),
            spoken.line(step.line) if spoken else "",
            substituted(evaluator, pen, step.line) if evaluator is not None else "",
            substituted(evaluator, spoken.pen, step.line) if evaluator is not None and spoken else "",
            pen.decimal(digits) if digits else "",
            None if value is None else float(value),
            spoken.pen.decimal(digits) if digits and spoken else "",
            None if line is None else line.ok,
            "" if line is None else pen.words(line.differs),
        )


def head(step: Step) -> str:
    """Expand a term (as in step 6)."""
    if step.said.text.startswith("Let "):
        return f"As in step {step.as_in}" if step.as_in else ""
    return step.title + (f" (as in step {step.as_in})" if step.as_in else "")


def legend(
    derivation: Derivation, pen: Pen, notation: str, names: Mapping[str, Sequence[Any]] | None
) -> list[tuple[str, str, str]]:
    """The columns of a table that certain nodes of the derivation stand for: formula, "input" or "target", name."""
    if names is None:
        return []
    problem = derivation.problem
    inputs, targets = names.get("inputs") or (), names.get("targets") or ()
    found: set[tuple[str, int]] = set()
    for term in (problem.target, *(one for step in derivation.steps for one in walk(step.line))):
        if isinstance(term, Reference):
            for node in term.nodes:
                if isinstance(node, Node) and node.layer in (0, problem.L):
                    found.add(("input" if node.layer == 0 else "target", node.number))
    writer = Writer(pen, notation)
    shown = []
    for kind, number in sorted(found):
        columns = inputs if kind == "input" else targets
        if number < len(columns):
            layer = 0 if kind == "input" else problem.L
            term = problem.value("y" if kind == "input" else "t", Node(number, layer))
            shown.append((pen.inline(writer.term(term)), kind, str(columns[number])))
    return shown
