"""derive(): the numbered derivation of the gradient by any weight, bias or input.

The paper's 24 steps for a weight and 17 for an input, made by its rules for the network at hand. Three granularities
come from one list of moves: "pedantic" has a line for each, "full" a line for each step of the paper, "paper" folds
the steps that the paper repeats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from chainrule.derivation.problem import Problem, problem_of
from chainrule.derivation.rules import Let, Said, next_move
from chainrule.derivation.terms import D, IllFormed, Term, substituted
from chainrule.network import Network

if TYPE_CHECKING:
    from chainrule.derivation.costs import Costs
    from chainrule.derivation.exact import ExactVerification
    from chainrule.derivation.paths import Paths
    from chainrule.derivation.prove import Proof
    from chainrule.derivation.verify import Verification

GRANULARITIES = ("paper", "full", "pedantic")

MOST_REPEATS = 3
"""So many repetitions of steps 5 through 8 have a line each, as in the paper; of more the third and later share one."""

TITLES = {
    "given": "Given",
    "power": "Apply the chain rule",
    "chain": "Apply the chain rule",
    "spread": "Apply the chain rule",
    "expand": "Expand a term",
    "expand x": "Expand a term",
    "expand y": "Expand a term",
    "inside": "Rearrange",
    "swap": "Rearrange",
    "let": "Let the error term be",
}
"""The paper's words for its steps; those of all others are "Simplify"."""


@dataclass(frozen=True)
class Step:
    """One numbered line.

    Attributes
    ----------
    number : int
        From 1.
    rule : str
        "given", "power", "constants", "expand y", "chain", "expand x", "pull", "collapse", "factor", "one", "let",
        "repeat" and some more for other objectives; in a pedantic derivation the single rule.
    line : Term
        The whole line.
    said : Said
        The reason, with the terms in it.
    before, after : Term or None
        The focus: the part of the line before that changed, and what took its place.
    lets : tuple of (Reference, Term)
        Error terms that are defined here, with their meaning.
    paper : int or None
        The paper's step in which this was done, in its derivation by a weight or by an input.
    as_in : int or None
        The earlier step that did the same.
    repeats : tuple (first, last, times) or None
        The steps that are repeated here.
    group : tuple of str and int
        The step of the paper to which it belongs, by name, and the layer: ("pull", 5). All lines of a pedantic
        derivation that belong to one line of a full one have the same.
    """

    number: int
    rule: str
    line: Term
    said: Said
    before: Term | None = None
    after: Term | None = None
    lets: tuple[Let, ...] = ()
    paper: int | None = None
    as_in: int | None = None
    repeats: tuple[int, int, int] | None = None
    group: tuple[str, int] = ("", 0)

    def __post_init__(self) -> None:
        for term, bound in ((self.line, frozenset()), *((meaning, e.free) for e, meaning in self.lets)):
            free = sorted(letter.name for letter in term.free - bound)
            if free:
                raise IllFormed(
                    f"a line must sum over each of its indices; got {free[0]} without a sum. Write the sum."
                )

    @property
    def title(self) -> str:
        """In the paper's words: "Apply the chain rule"."""
        if self.repeats:
            first, last, times = self.repeats
            return f"Repeat steps {first} through {last}" + (f", {times} times" if times > 1 else "")
        return TITLES.get(self.rule, "Simplify")

    @property
    def reason(self) -> str:
        """Why the line follows from the one before, as plain text."""
        from chainrule.derivation.printers import sentence

        return sentence(self.said)


@dataclass(frozen=True)
class Derivation:
    """A numbered derivation; print it, or ask it to verify itself.

    Attributes
    ----------
    problem : Problem
    granularity : {"paper", "full", "pedantic"}
    steps : tuple of Step
    net : Network or None
        The network it was made for, if one was given.
    """

    problem: Problem
    granularity: str
    steps: tuple[Step, ...]
    net: Network | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """How many steps it has."""
        return len(self.steps)

    def step(self, number: int) -> Step:
        """The step of this number, counted from 1 as printed."""
        if not isinstance(number, int) or not 1 <= number <= len(self.steps):
            raise ValueError(
                f"number must be that of a step, from 1 to {len(self.steps)}; got {number!r}. Steps count from 1."
            )
        return self.steps[number - 1]

    def render(self, format: str = "text", notation: str = "paper", **how: Any) -> str:
        """Print it: see :func:`chainrule.derivation.printers.render`."""
        from chainrule.derivation.printers import render

        return render(self, format, notation, **how)

    def __str__(self) -> str:
        return self.render("text")

    def latex(self, notation: str = "paper") -> str:
        """As an align* environment of LaTeX."""
        return self.render("latex", notation)

    def _repr_latex_(self) -> str:
        return self.render("latex")

    def _repr_html_(self) -> str:
        return self.render("html")

    def verify(self, net: Network | None = None, inputs: Any = None, targets: Any = None, **how: Any) -> Verification:
        """Evaluate every line: see :func:`chainrule.derivation.verify.verify`."""
        from chainrule.derivation.verify import verify

        return verify(self, net if net is not None else self.net, inputs, targets, **how)

    def verify_exact(self, seed: int = 0) -> ExactVerification:
        """Evaluate every line in fractions: see :func:`chainrule.derivation.exact.verify_exact`."""
        from chainrule.derivation.exact import verify_exact

        return verify_exact(self, seed)

    def prove(self, narrow: int = 2) -> Proof:
        """Prove every line on a narrow copy: see :func:`chainrule.derivation.prove.prove`."""
        from chainrule.derivation.prove import prove

        return prove(self, narrow)

    def cost(self, patterns: int = 1, counted: bool = False) -> Costs:
        """Count the multiplications of every line: see :func:`chainrule.derivation.costs.cost`."""
        from chainrule.derivation.costs import cost

        return cost(self, patterns, counted)

    def paths(self, net: Network | None = None, inputs: Any = None, targets: Any = None, **how: Any) -> Paths:
        """Sum over paths, the largest listed: see :func:`chainrule.derivation.paths.sum_over_paths`."""
        from chainrule.derivation.paths import sum_over_paths

        return sum_over_paths(self, net if net is not None else self.net, inputs, targets, **how)


def derive(
    network: Network | Sequence[int],
    wrt: str,
    granularity: str = "paper",
    *,
    objective: str | None = None,
    output: str | None = None,
    bias: bool | Sequence[bool] | None = None,
    l2: bool | None = None,
    patterns: bool = False,
) -> Derivation:
    """Derive the gradient of E by a weight, a bias or an input, step by step.

    Parameters
    ----------
    network : Network or sequence of int
        A network, or the nodes of its layers from the inputs to the outputs.
    wrt : str
        "w[1,7,3]", "b[1,7]" or "y[0,5]": the layer first, nodes counted from 0.
    granularity : {"paper", "full", "pedantic"}
        The paper's steps, those it repeats folded; all its steps; each single rule.
    objective : {"sse", "cross_entropy"}
        With sizes only, as all below: what is minimised; the sum-squared error by default.
    output : {"softmax", "logistic"}, optional
        The output activation, where the derivation depends on it; for cross-entropy softmax, or logistic for one
        output.
    bias : bool or sequence of bool
        Whether layers 1 to L have biases; by default only if wrt is one, as in the paper.
    l2 : bool
        Whether E has an L2 penalty.
    patterns : bool
        Whether E is over several patterns, with the sum outside.

    Returns
    -------
    Derivation

    Raises
    ------
    ValueError
        If there is no such weight, bias or input.
    """
    if granularity not in GRANULARITIES:
        raise ValueError(f"granularity must be 'paper', 'full' or 'pedantic'; got {granularity!r}. Choose one of them.")
    problem = problem_of(network, wrt, objective=objective, output=output, bias=bias, l2=l2, patterns=patterns)
    return Derivation(
        problem, granularity, steps_of(problem, granularity), network if isinstance(network, Network) else None
    )


def steps_of(problem: Problem, granularity: str) -> tuple[Step, ...]:
    """The steps of a problem, numbered."""
    steps = _every_move(problem)
    if granularity != "pedantic":
        steps = _merged(problem, steps)
    if granularity == "paper":
        steps = _folded(problem, steps)
    return _numbered(problem, steps)


# --- from the moves to the steps -------------------------------------------------------------------------------------


def _every_move(problem: Problem) -> list[Step]:
    """The pedantic derivation."""
    line: Term = D(problem.error)
    said = Said(f"This is the question: the derivative of {problem.goal} by {problem.words}.")
    steps = [Step(0, "given", line, said, group=("given", 0))]
    while (move := next_move(problem, line)) is not None:
        line = substituted(line, move.before, move.after)
        steps.append(Step(0, move.rule, line, move.said, move.before, move.after, move.lets, group=move.group))
    return steps


def _merged(problem: Problem, steps: Sequence[Step]) -> list[Step]:
    """The full derivation: the moves that the paper makes in one step become one."""
    merged, line = [], steps[0].line
    for (rule, _), group in groupby(steps, key=lambda step: step.group):
        moves = list(group)
        last = moves[-1]
        before, after = (last.before, last.after) if len(moves) == 1 else _focus(line, moves)
        merged.append(replace(last, rule=rule, said=_reason(problem, moves), before=before, after=after))
        line = last.line
    return merged


def _focus(line: Term, moves: Sequence[Step]) -> tuple[Term, Term]:
    """The part of the line that several moves change, and what they make of it; the whole line if there is no less."""
    before = after = moves[0].before
    try:
        for move in moves:
            after = _replaced(after, move)
    except ValueError:
        return line, moves[-1].line
    assert before is not None
    assert after is not None
    return before, after


def _replaced(term: Term | None, move: Step) -> Term:
    assert term is not None
    assert move.before is not None
    assert move.after is not None
    return substituted(term, move.before, move.after)


def _reason(problem: Problem, moves: Sequence[Step]) -> Said:  # noqa: PLR0911  one case a step of the paper
    """Why a step of several moves is right."""
    rule = moves[-1].group[0]
    target, first = problem.target, moves[0].before
    if len(moves) == 1 or first is None:
        return moves[0].said
    if rule == "power" and problem.objective == "sse":
        behind = " and behind the sum" if any(move.rule == "linear" for move in moves) else ""
        squared = next(move.before.parts[0].parts[0] for move in moves if move.rule == "power" and move.before)
        return Said(
            f"∂ goes past the factor ½{behind}. By the chain rule the derivative of a square is twice what is squared, "
            "{0}, times ∂ of that; and ½ · 2 = 1.",
            (squared,),
        )
    if rule == "penalty":
        slope = moves[-1].after
        assert slope is not None
        return Said(
            "In the penalty {0} only the square of {1} is not constant. Its derivative is {2}, as ½ · 2 = 1.",
            (problem.penalty, target, slope),
        )
    if rule == "patterns":
        return Said(
            "∂ goes behind the sum over the patterns, and past their weights, which do not depend on {0}.", (target,)
        )
    if rule == "constants":
        t = first.parts[0].parts[0]
        return Said("{0} does not depend on {1}, so that it is dropped. The minus sign goes to the front.", (t, target))
    if rule == "one":
        factor = moves[0].said.terms[0]
        return Said("{0} does not depend on {1}, and ∂{1}/∂{1} = 1.", (factor, target))
    if rule == "let":
        return _reason_of_let(moves)
    if rule == "pull":
        weights = moves[-1].said.terms[0]
        said = (
            "The derivative of a sum is the sum of the derivatives. {0} is a constant factor, and goes in front of ∂."
        )
        if moves[0].rule == "constants":
            said = "{1} is a constant, and dropped. " + said
            return Said(said, (weights, moves[0].said.terms[0]))
        return Said(said, (weights,))
    return Said(" ".join(_shifted(moves)), tuple(term for move in moves for term in move.said.terms))


def _shifted(moves: Sequence[Step]) -> list[str]:
    """The sentences of the moves, with their terms numbered through."""
    texts, start = [], 0
    for move in moves:
        texts.append(_from(start, move.said.text))
        start += len(move.said.terms)
    return texts


def _from(start: int, text: str) -> str:
    """The sentence with its terms counted from start."""
    return re.sub(r"\{(\d+)\}", lambda found: f"{{{start + int(found[1])}}}", text)


def _reason_of_let(moves: Sequence[Step]) -> Said:
    """Which factors the error term gathers, and what goes behind the sum."""
    said = moves[-1].said
    behind = [move.said for move in moves if move.rule == "factor"]
    swapped = " The two sums are finite, so that they may be swapped." if any(m.rule == "swap" for m in moves) else ""
    texts = [said.text + swapped, *(_from(2, one.text) for one in behind)]
    return Said(" ".join(texts), (*said.terms, *(term for one in behind for term in one.terms)))


REPEATED = ("chain", "expand x", "pull", "expand y")
"""Steps 5 through 8."""


def _folded(problem: Problem, steps: Sequence[Step]) -> list[Step]:
    """The paper's derivation: what it repeats is folded."""
    rules = [step.rule for step in steps]
    starts = [n for n in range(len(rules)) if tuple(rules[n : n + 4]) == REPEATED]
    folded = [*steps]
    if len(starts) > 1:
        first, *again = starts
        alone = again if len(again) <= MOST_REPEATS else again[: MOST_REPEATS - 1]
        repeats = [_repeat(steps, first, n, n + 4) for n in alone]
        if len(alone) < len(again):
            repeats.append(_repeat(steps, first, again[len(alone)], again[-1] + 4))
        folded = [*steps[: again[0]], *repeats, *steps[again[-1] + 4 :]]
    n = next((n for n, step in enumerate(folded) if step.rule == "let"), len(folded))
    return [*folded[:n], *_lets_folded(problem, folded[n:])]


def _repeat(steps: Sequence[Step], first: int, start: int, stop: int) -> Step:
    """Steps from start to stop as one repetition of the four from first."""
    layers = [steps[start].group[1], steps[stop - 1].group[1] + 1]
    times = layers[0] - layers[1] + 1
    where = f"in layer {layers[0]}" if times == 1 else f"in each of the layers {layers[0]} to {layers[1]}"
    last = steps[stop - 1]
    said = Said(f"The same as in layer {steps[first].group[1]}, now {where}.")
    before, after = _focus(steps[start - 1].line, steps[start:stop])
    return replace(
        last,
        rule="repeat",
        said=said,
        before=before,
        after=after,
        repeats=(first + 1, first + 4, times),
        group=("repeat", layers[0]),
    )


def _lets_folded(problem: Problem, lets: Sequence[Step]) -> list[Step]:
    """For an input all error terms in one step, as in the paper; for deep networks the layers between in one."""
    if problem.target.letter == "y" and len(lets) > 1:
        more = ", and so on down to {4}" if len(lets) > 2 else ""
        said = (
            f"Let {{0}} = {{1}}, {{2}} = {{3}}{more}: the error terms of all layers, as in the derivation by a weight."
        )
        return [_joined(lets, said, (*lets[0].lets[0], *lets[1].lets[0], lets[-1].lets[0][0]))]
    if len(lets) > MOST_REPEATS + 3:
        middle = lets[MOST_REPEATS:-1]
        said = "Let {{0}} = {{1}}, and so on down to {{2}} = {{3}}, in the same way for each of the layers {} to {}."
        said = said.format(middle[0].group[1], middle[-1].group[1])
        return [*lets[:MOST_REPEATS], _joined(middle, said, (*middle[0].lets[0], *middle[-1].lets[0])), lets[-1]]
    return list(lets)


def _joined(lets: Sequence[Step], said: str, terms: tuple[Term, ...]) -> Step:
    defined = tuple(let for step in lets for let in step.lets)
    return replace(lets[-1], said=Said(said, terms), before=None, after=None, lets=defined, group=lets[0].group)


# --- numbers ---------------------------------------------------------------------------------------------------------

OF_WEIGHT = {
    "given": 1,
    "power": 2,
    "constants": 3,
    "expand y": 4,
    "chain": 5,
    "expand x": 6,
    "pull": 7,
    "collapse": 13,
    "factor": 14,
    "one": 19,
    "let": 20,
}
"""The first step of the paper's derivation by a weight that does this."""

OF_INPUT = {**OF_WEIGHT, "collapse": 14, "factor": 15, "one": 16, "let": 17}
"""The same for an input."""


def _numbered(problem: Problem, steps: Sequence[Step]) -> tuple[Step, ...]:
    """With numbers, the paper's numbers, and the earlier step that did the same."""
    found: dict[tuple[str, str, bool], int] = {}
    numbered = []
    as_the_paper = _is_the_papers(problem) and any(step.repeats for step in steps)
    for n, step in enumerate(steps, 1):
        rule, layer = step.group
        kind = (step.rule, rule, rule in ("let", "expand y") and layer == problem.L)
        as_in = found.setdefault(kind, n)
        paper = n if as_the_paper else _papers_number(problem, step)
        numbered.append(replace(step, number=n, paper=paper, as_in=as_in if as_in < n and not step.repeats else None))
    return tuple(numbered)


def _is_the_papers(problem: Problem) -> bool:
    """Whether it is the paper's own network and one of its two questions, whatever the sizes."""
    plain = not any((*problem.bias, problem.l2, problem.patterns, problem.output)) and problem.objective == "sse"
    return plain and problem.L == 5 and problem.target.letter + str(problem.target.layer) in ("w1", "y0")


def _papers_number(problem: Problem, step: Step) -> int | None:
    rule, layer = step.group
    if problem.target.letter == "y":
        at_the_end = layer == 1 and problem.L > 1
        return (
            {"chain": 12, "expand x": 13}.get(rule)
            if at_the_end and rule in ("chain", "expand x")
            else OF_INPUT.get(rule)
        )
    target = problem.target.layer
    if rule == "expand y" and layer < problem.L:
        return 15 if layer == target else 8
    if rule == "let" and layer < problem.L:
        return 24 if layer == target else 21
    if layer == target < problem.L and rule in ("chain", "expand x", "collapse"):
        return {"chain": 16, "expand x": 17, "collapse": 18}[rule]
    return OF_WEIGHT.get(rule)
