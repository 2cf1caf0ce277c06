"""The slips in our copy of the source as data, each judged by the verifier; writes docs/slips.md.

Our copy came through a scanner, and the original was not seen: nothing here says anything about its author. Each row
has what is printed, how it is read as a term, and what the derivation has in its place; the verdict is found.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from chainrule import certificate
from chainrule.derivation import Derivation, derive
from chainrule.derivation.evaluate import Evaluator
from chainrule.derivation.printers import expression
from chainrule.derivation.problem import problem_of
from chainrule.derivation.terms import IllFormed, Term, substituted, walk
from chainrule.derivation.verify import Judge, Line, example, values_of

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from handwritten import term

SIZES = (6, 8, 7, 5, 4, 3)
"""A network with the nodes that the source names: 7 in layer 1, and 3 and 5 in layer 0."""

WEIGHT, INPUT = "w[1,7,3]", "y[0,5]"


@dataclass(frozen=True)
class Slip:
    """One slip.

    Attributes
    ----------
    where : str
        The step as it is numbered in our copy.
    printed : str
        What stands there, in LaTeX or words.
    corrected, reading : str
        The part of the line concerned, as it should be and as it is read, as :mod:`handwritten` writes terms; empty
        where there is none.
    expected : str
        The verdict that a test holds the verifier to.
    note : str
    target, step : str and int
        The derivation and its step that the row belongs to; 0 for a definition.
    under : str
        What stands below the fraction's bar, if the slip is there.
    before : int
        The step whose line stands before this one in our copy; 0 for the one before.
    shown : str
        The corrected text in LaTeX, where it is not the term.
    """

    where: str
    printed: str
    corrected: str
    reading: str
    expected: str
    note: str = ""
    target: str = ""
    step: int = 0
    under: str = ""
    before: int = 0
    shown: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the verifier finds: "wrong value", "ill-formed", "rule not applied", "right value" or "absent", and why."""

    name: str
    said: str = ""


DEFINITIONS = (
    Slip(
        "definition of y",
        r"$y_{ij} = f(x_{ij})$",
        "f3(x_3k)",
        "f(x_3k)",
        "ill-formed",
        shown="$y_{ij} = f_i(x_{ij})$",
    ),
    Slip("steps 1 to 15 by an input", "$i_i$", "t_i", "i_i", "ill-formed"),
    Slip("steps 5 to 15 by an input", "$f_5^{\\,i}(x_{5i})$", "f5'(x_5i)", "f5^i(x_5i)", "ill-formed"),
)

BY_WEIGHT = tuple(
    replace(slip, target=WEIGHT, where=f"weights, {slip.where}")
    for slip in (
        Slip(
            "1",
            r"$\partial\,\frac{1}{2} \sum_i (t_i - y_{5i})$",
            "∂(½ Σ_i (t_i - y_5i)²)",
            "∂(½ Σ_i (t_i - y_5i))",
            "wrong value",
            "The square is lost.",
            step=1,
        ),
        Slip(
            "2",
            "“Apply the chain rule”",
            "Σ_i (t_i - y_5i) ∂(t_i - y_5i)",
            "Σ_i (t_i - y_5i) ∂(t_i - y_5i)",
            "right value",
            "The power rule takes part too, and its 2 cancels the ½.",
            step=2,
            shown="“Apply the chain rule and the power rule”",
        ),
        Slip(
            "13, below the bar",
            r"$\partial w_{3kl}$",
            "",
            "",
            "ill-formed",
            "The indices k and l belong to the sums above.",
            step=13,
            under="w_3kl",
            shown=r"$\partial w_{173}$",
        ),
        Slip(
            "13, above the bar",
            r"$\partial w_{2l7} y_{17}$",
            "∂(w_2l7 y_17)",
            "∂w_2l7 y_17",
            "wrong value",
            "Without brackets ∂ stands before the first factor alone.",
            step=13,
        ),
        Slip(
            "17, below the bar",
            r"$\partial w_{172}$",
            "",
            "",
            "wrong value",
            "Another weight.",
            step=17,
            under="w[1,7,2]",
            shown=r"$\partial w_{173}$",
        ),
        Slip(
            "18, below the bar",
            r"$\lvert w_{173} y_{03} \rvert$, and $\partial w_{173}$ on a line by itself",
            "",
            "",
            "ill-formed",
            "One differentiates by a weight, not by a product.",
            step=18,
            under="|w_173 y_03|",
            shown=r"$\partial w_{173}$",
        ),
        Slip(
            "18, above the bar",
            r"$\partial w_{173} y_{03}$",
            "∂(w_173 y_03)",
            "∂w_173 y_03",
            "right value",
            "Without brackets it is read as a later step, which here is worth the same.",
            step=18,
        ),
    )
)

BY_INPUT = tuple(
    replace(slip, target=INPUT, where=f"inputs, {slip.where}")
    for slip in (
        Slip(
            "8",
            r"$\sum_j w_{5ij}\, \partial y_{4j}$",
            "Σ_j w_5ij ∂f4(x_4j)",
            "Σ_j w_5ij ∂y_4j",
            "rule not applied",
            "It repeats step 7.",
            step=8,
        ),
        Slip(
            "9",
            r"$\sum_k w_{4jk} f_3^{\,i}(x_{3k}) \sum_k w_{3kk}\, \partial f_2(x_{2k})$",
            "Σ_k w_4jk ∂f3(x_3k)",
            "Σ_k w_4jk f3'(x_3k) Σ_k w_3kk ∂f2(x_2k)",
            "ill-formed",
            "Two sums run over one index.",
            step=9,
        ),
        Slip(
            "9, the second k read as l",
            r"$\sum_k w_{4jk} f_3^{\,i}(x_{3k}) \sum_l w_{3kl}\, \partial f_2(x_{2l})$",
            "Σ_k w_4jk ∂f3(x_3k)",
            "Σ_k w_4jk f3'(x_3k) Σ_l w_3kl ∂f2(x_2l)",
            "right value",
            "It is step 10 already.",
            step=9,
        ),
        Slip(
            "10",
            r"$\sum_k w_{3kk}\, \partial f_2(x_{2k})$",
            "Σ_l w_3kl ∂f2(x_2l)",
            "Σ_k w_3kk ∂f2(x_2k)",
            "ill-formed",
            step=10,
        ),
        Slip(
            "10, the second k read as l",
            r"$\sum_l w_{3kl}\, \partial f_2(x_{2l})$",
            "Σ_l w_3kl ∂f2(x_2l)",
            "Σ_l w_3kl ∂f2(x_2l)",
            "rule not applied",
            "It repeats step 9.",
            step=10,
            before=10,
        ),
        Slip("11", "", "Σ_m w_2lm ∂f1(x_1m)", "", "absent", "The numbers go from 10 to 12, 13, 12, 14.", step=11),
        Slip("12 to 15", "$w_{3kk}$", "w_3kl", "w_3kk", "ill-formed", step=12),
        Slip("12 to 15", r"$f_2^{\,i}(x_{1i})$", "f2'(x_2l)", "f2'(x_1i)", "ill-formed", step=12),
        Slip("12 to 14", "$w_{2km}$", "w_2lm", "w_2km", "ill-formed", step=12),
        Slip(
            "13",
            r"$\partial x_{1m}$",
            "∂Σ_n w_1mn y_0n",
            "∂x_1m",
            "rule not applied",
            "It repeats step 12.",
            step=13,
        ),
        Slip(
            "12 once more",
            r"$\partial x_m w_{1mn} y_{0m}$",
            "∂Σ_n w_1mn y_0n",
            "∂x_m w_1mn y_0m",
            "ill-formed",
            step=13,
        ),
        Slip("14", r"$\partial w_{1m5}\, \partial y_{05}$", "∂(w_1m5 y_05)", "∂w_1m5 ∂y_05", "ill-formed", step=14),
        Slip(
            "15",
            r"$\sum_k w_{3kk} f_2^{\,i}($",
            "Σ_l w_3kl f2'(x_2l) Σ_m w_2lm f1'(x_1m) w_1m5 ∂y_05",
            "Σ_l w_3kl f2'(",
            "ill-formed",
            "The line is cut off.",
            step=15,
        ),
        Slip("16", "$f_2'(x_{1l})$", "f2'(x_2l)", "f2'(x_1l)", "ill-formed", step=16),
        Slip(
            "17",
            r"$-\sum_m e_{1m} w_{1m5}$",
            "-Σ_m e_1m w_1m5",
            "-Σ_m e_1m w_1m5",
            "right value",
            "Nothing is wrong with it.",
            step=17,
        ),
    )
)

SLIPS = (*DEFINITIONS, *BY_WEIGHT, *BY_INPUT)


# --- the verdict -----------------------------------------------------------------------------------------------------


@cache
def derivation(target: str) -> Derivation:
    """The source's derivation, corrected."""
    return derive(SIZES, target)


def verdict(slip: Slip) -> Verdict:
    """What the verifier finds of what is printed."""
    try:
        if slip.under:
            return _of_denominator(slip)
        if not slip.reading:
            return Verdict("absent")
        return _of_line(slip, term(slip.reading))
    except IllFormed as error:
        return Verdict("ill-formed", str(error))


def _of_denominator(slip: Slip) -> Verdict:
    right, line = derivation(slip.target), derivation(slip.target).step(slip.step).line
    try:
        other = problem_of(SIZES, slip.under)
    except ValueError as error:
        return Verdict("ill-formed", str(error))
    of_other, wanted = (
        float(Evaluator(values_of(problem, *example(right.problem, 0))).number(line))
        for problem in (other, right.problem)
    )
    off = abs(of_other - wanted) > 1e-12 * abs(wanted)
    return Verdict("wrong value", _worth(of_other, wanted)) if off else Verdict("right value")


def _of_line(slip: Slip, reading: Term) -> Verdict:
    if not slip.target:
        return Verdict("right value" if reading == term(slip.corrected) else "wrong value")
    right, step = derivation(slip.target), derivation(slip.target).step(slip.step)
    there = next(one for one in walk(step.line) if one == term(slip.corrected))
    step = replace(step, line=substituted(step.line, there, reading))
    if slip.step > 1 and step.line == right.step(slip.before or slip.step - 1).line:
        return Verdict("rule not applied")
    steps = [step] if step.number == 1 else [right.step(1), step]
    lines: list[Line] = []
    for seed in range(2):
        case = example(right.problem, seed)
        slope = certificate.slope(*case, right.problem.name)
        lines.append(Judge(values_of(right.problem, *case), generic=True).lines(steps, slope)[-1])
    wrong = next((line for line in lines if not line.ok), None)
    return Verdict("right value") if wrong is None else Verdict("wrong value", _worth(wrong.value, wrong.expected))


def _worth(value: float, expected: float) -> str:
    worth, derivative = (f"{number + 0.0:.4g}".replace("-", "−") for number in (value, expected))
    return f"On a random network it is worth {worth}, and the derivative is {derivative}."


# --- the page --------------------------------------------------------------------------------------------------------

HEAD = """# Slips in our copy of the source

Chainrule follows Mike Gashler's *A thorough derivation of back-propagation* (2010). Our copy of it came through a
scanner, and the original was not seen: this page says what stands in our copy, and nothing about its author.

Each line was read as a term and given to the verifier, which finds one of these verdicts; none was written by hand.

- **Wrong value**: the line can be evaluated, and is not the derivative.
- **Ill-formed**: there is no such term. A subscript belongs to another layer, or the line is not whole.
- **Rule not applied**: the line repeats the one before. Its value is right, and no step was made.
- **Right value**: the line is worth what the derivative is worth.
- **Absent**: there is no such line.

An entry shows the part of the line concerned; the rest is taken to be as it should be. Subscripts count as in the
source: $w_{173}$ leads into node 7 of layer 1 from node 3 of layer 0. The indices $i, j, k, l, m, n$ run over the nodes
of layers 5, 4, 3, 2, 1, 0.

This page is written by `python docs/generate.py`.
"""

FOOT = """## What the source leaves unsaid

- Besides the chain rule and the dropping of constants, the derivation uses the power rule, the sum rule, constant
  factors, and that two finite sums may be swapped.
- It is the weights with the *least* sum-squared error that are the likeliest, given that the noise is Gaussian,
  independent and equally large for every output.
- What an error term means: $e_{ij} = -\\partial E/\\partial x_{ij}$.
- The updates as formulas: $w_{ijk} \\leftarrow w_{ijk} + \\eta\\, e_{ij} y_{i-1,k}$, and for an input
  $y_{0k} \\leftarrow y_{0k} + \\eta \\sum_m e_{1m} w_{1mk}$.
"""


def corrected(slip: Slip) -> str:
    """What should stand there, for the page."""
    return slip.shown or f"${expression(term(slip.corrected), 'latex')}$"


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for title, slips in (
        ("Definitions and letters", DEFINITIONS),
        ("The derivative by a weight", BY_WEIGHT),
        ("The derivative by an input", BY_INPUT),
    ):
        rows = []
        for slip in slips:
            found = verdict(slip)
            why = f"“{found.said}”" if found.name == "ill-formed" else found.said
            said = " ".join(filter(None, [f"**{found.name.capitalize()}.**", slip.note, _escaped(why)]))
            where = slip.where.split(", ", 1)[-1]
            step = f"Step{'s' * (' to ' in where)} {where}" if where[0].isdigit() else where.capitalize()
            printed = f"In our copy {slip.printed}" if slip.printed else "Not in our copy"
            rows.append(f"**{step}**\n: {printed}; corrected {corrected(slip)}.\n\n  {said}\n")
        parts.append(f"## {title}\n\n" + "\n".join(rows))
    return "\n".join([*parts, FOOT])


def _escaped(sentence: str) -> str:
    """A sentence of the verifier in Markdown."""
    return sentence.replace("_", "\\_").replace("[", "\\[")
