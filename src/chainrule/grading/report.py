"""The report on a file: what is right, what is meant otherwise than in the paper, and the mistakes by name.

The door of grading: :func:`grade` runs a file and judges it. Letters: those of the paper.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chainrule.files.model_file import BadFile
from chainrule.grading.cases import Case, random_cases
from chainrule.grading.judging import Mistake, Verdict, at_odds, judge
from chainrule.grading.reading import AS_ON_THE_PAGE, ASPECTS, Aspect, Reading, declared, meaning
from chainrule.grading.running import Answers, run
from chainrule.grading.worker import ARGUMENTS

WIDTH = 80


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes
    ----------
    file : str
        Name of the file.
    networks : int
        How many random networks it was run on.
    functions : dict of str to str
        For each of the four functions right, wrong, unwritten or absent.
    conventions : tuple of str
        What is meant otherwise than in the paper, in words.
    mistakes : tuple of Mistake
        In the order of the page.
    notes : tuple of str
        What is worth knowing and no mistake.
    printed : str
        The beginning of what the file printed.
    """

    file: str
    networks: int
    functions: dict[str, str]
    conventions: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    printed: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.mistakes

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"ok": self.ok, **asdict(self)}

    def __str__(self) -> str:
        """In lines of 80 columns: first what is right, then the mistakes."""
        lines: list[str] = []
        by_status = {
            status: [name for name, one in self.functions.items() if one == status]
            for status in ("right", "wrong", "unwritten", "absent")
        }
        for name in by_status["right"]:
            lines.append(f"✓ {name} is right")
        for word in self.conventions:
            said = next(one.said for one in ASPECTS if one.other == word)
            lines += _filled(f"your {said}. That is a convention, not a mistake (--convention {word})", "  ")
        for status, said in (("unwritten", "still to be written"), ("absent", "not in the file")):
            if by_status[status]:
                lines.append(f"· {said}: {', '.join(by_status[status])}")
        for mistake in self.mistakes:
            lines += ["", *_of_mistake(mistake)]
        if self.notes:
            lines += ["", *(line for note in self.notes for line in _filled(note, "Note: "))]
        if self.printed:
            lines += ["", "Your file printed:", *(f"  | {line[: WIDTH - 4]}" for line in self.printed.splitlines()[:5])]
        lines += ["", *_filled(self._conclusion(), "")]
        return "\n".join(lines)

    def _conclusion(self) -> str:
        networks = f"{self.networks} random networks"
        judged = [name for name, one in self.functions.items() if one in ("right", "wrong")]
        if not self.ok:
            count = len(self.mistakes)
            return f"{count} mistake{'' if count == 1 else 's'}, found on {networks}."
        if len(judged) == len(ARGUMENTS):
            return f"All four are right on {networks}: this is back-propagation."
        return f"Right on {networks}, as far as it is written."


def _filled(text: str, lead: str) -> list[str]:
    return textwrap.wrap(
        lead + text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True,
    )  # fmt: skip


def _ended(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _of_mistake(one: Mistake) -> list[str]:
    sentence = one.sentence if one.sentence.startswith(one.function) else f"{one.function}: {one.sentence}"
    lines = _filled(_ended(sentence), "✗ ")
    if one.code:
        lines.append(f"  line {one.line}: {one.code}"[:WIDTH])
    if one.right:
        lines.append(f"    right:  {one.right}")
    if one.yours:
        lines.append(f"    yours:  {one.yours}")
    if one.example:
        lines += _filled(_ended(one.example), "  ")
    if one.advice:
        lines += _filled(one.advice, "  ")
    return lines


def grade(
    path: str | Path,
    *,
    conventions: Iterable[str] = (),
    time_limit: float = 10.0,
    seed: int = 0,
    ask: Callable[[Aspect], bool] | None = None,
) -> Report:
    """Run somebody's back-propagation on random networks, and say which mistakes are in it.

    The file is run in a process of its own, as `python FILE` would: grade only what you would run.

    Parameters
    ----------
    path : str or Path
        A file that defines any of ``forward(w, b, f, inputs) -> x, y``, ``error_terms(w, f_prime, x, y, t) -> e``,
        ``gradient(e, y) -> dw, db``, ``input_gradient(w, e) -> d``, on lists of NumPy arrays with slot 0 as in the
        paper. A line ``CONVENTIONS = ["minus-e"]`` says in it what ``conventions`` says here.
    conventions : iterable of str
        What is meant otherwise than in the paper, or as there: "minus-e" or "e", "sum" or "mean" (over the patterns),
        "no-half" or "half", "mean-of-outputs" or "sum-of-outputs". What is not said is recognised.
    time_limit : float
        Seconds for the file.
    seed : int
        Of the random networks.
    ask : callable, optional
        Asked about each convention that is recognised and not said; where it answers False, the paper's is meant.

    Returns
    -------
    Report
        ``ok``, ``mistakes``, and as text what a student reads.

    Raises
    ------
    BadFile
        If the file cannot be run, or has none of the functions.
    ValueError
        If a convention is not known.
    """
    declared(conventions := tuple(conventions))
    cases = random_cases(seed)
    return judged(Path(path).name, run(Path(path), cases, time_limit), cases, conventions, ask)


def judged(
    name: str,
    answers: Answers,
    cases: Sequence[Case],
    conventions: Iterable[str] = (),
    ask: Callable[[Aspect], bool] | None = None,
) -> Report:
    """The report on what a file answered."""
    nothing: list[dict[str, Any] | None] = [None] * len(cases)
    verdicts = {
        function: judge(function, answers.results.get(function, nothing), cases)
        if function in answers.functions
        else Verdict(function, "absent")
        for function in ARGUMENTS
    }
    if answers.functions and all(verdict.status in ("unwritten", "absent") for verdict in verdicts.values()):
        raise BadFile(
            f"FILE must have at least one of its functions written; got {name!r}, where each raises "
            "NotImplementedError. Fill one in."
        )
    found = {quantity: one for verdict in verdicts.values() for quantity, one in verdict.readings.items()}
    said = _said_in_file(name, answers) | declared(conventions)
    meant = meaning(found, said)
    for aspect in ASPECTS:
        if ask is not None and aspect.name not in said and meant.conventions[aspect.name] == aspect.other:
            said[aspect.name] = aspect.other if ask(aspect) else aspect.paper
            meant = meaning(found, said)
    for mistake in at_odds(meant, verdicts, cases):
        verdicts[mistake.function].mistakes.append(mistake)
        verdicts[mistake.function].status = "wrong"
    mistakes = [mistake for verdict in verdicts.values() for mistake in verdict.mistakes]
    if not mistakes:
        mistakes = _together(answers, verdicts, found, cases)
        for mistake in mistakes:
            verdicts[mistake.function].status = "wrong"
    notes = list(dict.fromkeys(note for verdict in verdicts.values() for note in verdict.notes))
    more = f"\n… and {answers.printed_more:,} more characters" if answers.printed_more else ""
    return Report(
        name,
        len(cases),
        {function: verdict.status for function, verdict in verdicts.items()},
        tuple(aspect.other for aspect in ASPECTS if meant.conventions[aspect.name] == aspect.other),
        tuple(mistakes),
        tuple(notes),
        answers.printed + more,
    )


def _said_in_file(name: str, answers: Answers) -> dict[str, str]:
    """What the line CONVENTIONS of the file says."""
    try:
        return declared(answers.conventions, f"CONVENTIONS in {name}")
    except ValueError as error:
        raise BadFile(str(error)) from None


def _together(
    answers: Answers, verdicts: dict[str, Verdict], found: dict[str, Reading], cases: Sequence[Case]
) -> list[Mistake]:
    """What goes wrong only when one function is called after another, or a second time."""
    right = [name for name, verdict in verdicts.items() if verdict.status == "right"]
    chain: dict[str, list[dict[str, Any] | None]] = {
        name: [
            {"value": answers.chained[name, n], "changed": []} if (name, n) in answers.chained else None
            for n in range(2)
        ]
        for name in right
    }
    for name in right:
        if any(one is None for one in chain[name]):
            return [_by_itself(name, "does not come to its end")]
        verdict = judge(name, chain[name], cases[:2])
        of_e = found.get("e_out", AS_ON_THE_PAGE) if name in ("gradient", "input_gradient") else AS_ON_THE_PAGE
        expected = {
            quantity: Reading(
                of_e.sign * found[quantity].sign, *(a + b for a, b in zip(of_e[1:], found[quantity][1:], strict=True))
            )
            for quantity in verdict.readings
            if quantity in found
        }
        same = all(
            abs(one.value(case) - expected[quantity].value(case)) < 1e-9
            for quantity, one in verdict.readings.items()
            if quantity in expected
            for case in cases[:2]
        )
        if verdict.mistakes or not same:
            what = verdict.mistakes[0].example if verdict.mistakes else "the factor is another"
            return [replace(_by_itself(name, "gives something else"), example=what)]
    return []


def _by_itself(name: str, what: str) -> Mistake:
    return Mistake(
        name, "together", f"{name} is right by itself, and {what} when the functions run one after another, or again",
        advice="Does it keep values between calls, in a global variable or a default argument?",
    )  # fmt: skip
