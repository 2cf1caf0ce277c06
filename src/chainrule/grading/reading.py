"""How a file means its error terms and gradient: what may differ from the paper without being wrong.

A :class:`Reading` is the factor by which a result differs from the page's: its sign, a 2 that the paper's ½ cancels,
a mean over patterns or outputs where the page has none. Which factors belong together is decided here (step 20 and 24).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from chainrule.grading.cases import Case


class Reading(NamedTuple):
    """A factor sign · 2^twos / (patterns^P outputs^n)."""

    sign: int = 1
    twos: int = 0
    patterns: int = 0
    outputs: int = 0

    def value(self, case: Case) -> float:
        """The factor for this network and its patterns."""
        outputs = float(case.sizes[-1]) ** self.outputs
        return float(self.sign * 2.0**self.twos / (float(case.P) ** self.patterns * outputs))

    def text(self) -> str:
        """As in a sentence: times 2, divided by the number of patterns."""
        said = {
            "with the opposite sign": self.sign < 0,
            "times 2": self.twos > 0,
            "times ½": self.twos < 0,
            "divided by the number of patterns P": self.patterns > 0,
            "times the number of patterns P": self.patterns < 0,
            "divided by the number of outputs": self.outputs > 0,
            "times the number of outputs": self.outputs < 0,
        }
        return " and ".join(words for words, holds in said.items() if holds)

    def symbol(self) -> str:
        """As in front of a formula."""
        said = {
            "− ": self.sign < 0,
            "2 · ": self.twos > 0,
            "½ · ": self.twos < 0,
            "1/P · ": self.patterns > 0,
            "P · ": self.patterns < 0,
            "1/n · ": self.outputs > 0,
            "n · ": self.outputs < 0,
        }
        return "".join(symbol for symbol, holds in said.items() if holds)


AS_ON_THE_PAGE = Reading()

READINGS = tuple(
    sorted(
        (Reading(*one) for one in product((1, -1), (0, 1, -1), (0, 1, -1), (0, 1, -1))),
        key=lambda one: (sum(abs(part) for part in one[1:]) + (one.sign < 0), -one.sign, [-part for part in one]),
    )
)
"""The simplest first."""


@dataclass(frozen=True)
class Aspect:
    """One thing that a file may mean otherwise: the paper's choice, the other one, and how each is asked and said."""

    name: str
    paper: str
    other: str
    said: str
    question: str


ASPECTS = (
    Aspect(
        "sign", "e", "minus-e",
        "error terms are δ = ∂E/∂x, minus those of the paper",
        "Do your error terms stand for δ = ∂E/∂x, minus those of the paper?",
    ),
    Aspect(
        "patterns", "mean", "sum",
        "E is the sum over the patterns, not their mean",
        "Is your E the sum over the patterns, not their mean?",
    ),
    Aspect(
        "half", "half", "no-half",
        "E has no ½: it is Σ(t − y)²",
        "Is your E without the ½, Σ(t − y)²?",
    ),
    Aspect(
        "outputs", "sum-of-outputs", "mean-of-outputs",
        "E is the mean over the outputs, not their sum",
        "Is your E the mean over the outputs, not their sum?",
    ),
)  # fmt: skip
"""Every convention that is recognised."""

CONVENTIONS = tuple(word for aspect in ASPECTS for word in (aspect.paper, aspect.other))
"""The words by which a user says them."""


def declared(words: Iterable[str], name: str = "convention") -> dict[str, str]:
    """What is said about each aspect; ValueError for a word that is none, or two that contradict each other."""
    chosen: dict[str, str] = {}
    for word in words:
        aspect = next((one for one in ASPECTS if word in (one.paper, one.other)), None)
        if aspect is None:
            raise ValueError(
                f"{name} must be one of {', '.join(CONVENTIONS)}; got {word!r}. Choose one of them for each thing "
                "that is meant otherwise than in the paper."
            )
        if chosen.setdefault(aspect.name, word) != word:
            raise ValueError(
                f"{name} must be {aspect.paper} or {aspect.other}; got both. Choose the one that is meant."
            )
    return chosen


@dataclass(frozen=True)
class Meaning:
    """What the file means, by aspect, and whose factor is at odds with it."""

    conventions: Mapping[str, str]
    wrong: Mapping[str, Reading]
    """By quantity: the factor that is too much."""
    found: Mapping[str, Reading]
    """By quantity: the whole factor."""


def meaning(found: Mapping[str, Reading], said: Mapping[str, str]) -> Meaning:
    """The convention under which most of what was found is right, or the one that was said.

    ``found`` holds the readings of e_out, dw, db and d, as far as they are known. A factor may stand in the error terms
    or in the gradient, but once. The sign of the error terms decides, unless all the others are at odds with it.
    """
    e, rest = found.get("e_out"), {q: one for q, one in found.items() if q != "e_out"}
    leader = rest.get("dw", rest.get("db"))
    conventions: dict[str, str] = {}
    conventions["sign"] = said.get("sign", "minus-e" if _is_minus(e, rest) else "e")
    for name, field in (("half", "twos"), ("outputs", "outputs")):
        aspect = next(one for one in ASPECTS if one.name == name)
        in_e = getattr(e, field) if e else 0
        others = [in_e + getattr(one, field) for one in rest.values()] or [in_e]
        usual = 1 if in_e == 1 or all(one >= 1 for one in others) else 0
        conventions[name] = said.get(name, aspect.other if usual else aspect.paper)
    # dw and db are held against the page, where 1/P stands already.
    means = (e.patterns if e else 0) + (1 + leader.patterns if leader else 1)
    conventions["patterns"] = said.get("patterns", "mean" if means >= 1 else "sum")
    wrong = {}
    for quantity, reading in found.items():
        extra = _extra(quantity, reading, e, conventions)
        if extra != AS_ON_THE_PAGE:
            wrong[quantity] = extra
    return Meaning(conventions, wrong, found)


def _is_minus(e: Reading | None, rest: Mapping[str, Reading]) -> bool:
    """Whether error terms are minus those of the paper."""
    votes = [one.sign < 0 for one in (rest.get("dw", rest.get("db")), rest.get("d")) if one is not None]
    if e is None:
        return bool(votes) and all(votes)
    return e.sign < 0 and (not votes or any(votes))


def _extra(quantity: str, reading: Reading, e: Reading | None, conventions: Mapping[str, str]) -> Reading:
    """By which factor this quantity is not what the conventions say."""
    sign = -1 if conventions["sign"] == "minus-e" else 1
    twos = int(conventions["half"] == "no-half")
    outputs = int(conventions["outputs"] == "mean-of-outputs")
    mean = int(conventions["patterns"] == "mean")
    in_e = e or AS_ON_THE_PAGE
    if quantity == "e_out":  # a factor that is not there yet may come in the gradient
        return Reading(
            reading.sign * sign,
            reading.twos if reading.twos != twos and reading.twos else 0,
            reading.patterns if reading.patterns not in (0, mean) else 0,
            reading.outputs if reading.outputs != outputs and reading.outputs else 0,
        )
    twos_in_e, outputs_in_e, patterns_in_e = (
        one if one in (0, allowed) else 0
        for one, allowed in ((in_e.twos, twos), (in_e.outputs, outputs), (in_e.patterns, mean))
    )
    means = patterns_in_e + reading.patterns
    return Reading(
        reading.sign * sign,
        reading.twos + twos_in_e - twos,
        # d is each pattern's own derivative, or that of the mean
        (0 if means in (0, mean) else means - mean) if quantity == "d" else means + 1 - mean,
        reading.outputs + outputs_in_e - outputs,
    )
