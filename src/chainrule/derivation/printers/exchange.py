"""JSON: a derivation as a tree that other programs read, and back; the schema is in docs/derivation-printers.md.

Stands beside the derivation. What is read back is built by the constructors of the terms, which refuse what makes no
sense; no code is read and nothing in the text is trusted. Its letters: those of :mod:`chainrule.derivation.terms`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from chainrule.derivation.printers.rows import Row
from chainrule.derivation.printers.writing import deep
from chainrule.derivation.problem import Problem, problem_of
from chainrule.derivation.rules import Let, Said
from chainrule.derivation.steps import GRANULARITIES, Derivation, Step
from chainrule.derivation.terms import (
    PATTERNS,
    Addition,
    Apply,
    D,
    Difference,
    IllFormed,
    Index,
    Letter,
    Log,
    Negation,
    Node,
    Number,
    Product,
    Quotient,
    Reference,
    Same,
    Square,
    SquaredWeights,
    Sum,
    Symbol,
    Term,
    walk,
)

SCHEMA = "chainrule-derivation/1"

Kind = TypeVar("Kind")

OF_PARTS: dict[str, tuple[type[Term], int]] = {
    "minus": (Negation, 1),
    "difference": (Difference, 2),
    "quotient": (Quotient, 2),
    "square": (Square, 1),
    "log": (Log, 1),
    "d": (D, 1),
}
"""Terms that are their parts and no more, and how many these are."""

KINDS = {kind: name for name, (kind, _) in OF_PARTS.items()}

MOST_DEEP = 300
"""A term with more parts within parts is refused; a network of 100 layers needs about 205."""


# --- to JSON ----------------------------------------------------------------------------------------------------


def as_tree(term: Term) -> list[Any]:
    """A term as lists: what it is, then what it is made of."""
    match term:
        case Number(value=value):
            tree: list[Any] = ["number", str(value)]
        case Symbol(name=name):
            tree = ["symbol", name]
        case Reference(letter=letter, layer=layer, nodes=nodes, pattern=pattern):
            tree = [letter, layer, [_index(one) for one in nodes], *([_index(pattern)] if pattern else [])]
        case Apply(layer, argument, primed):
            tree = ["slope" if primed else "apply", layer, as_tree(argument)]
        case Addition() | Product():
            tree = ["sum of" if isinstance(term, Addition) else "product", *map(as_tree, term.parts)]
        case Same(left, right):
            tree = ["same", _index(left), _index(right)]
        case Sum(index, body):
            tree = ["sum", _index(index), as_tree(body)]
        case SquaredWeights(biases):
            tree = ["squared weights", biases]
        case _:
            tree = [KINDS[type(term)], *map(as_tree, term.parts)]
    return tree


def _index(index: Index) -> list[Any]:
    return [index.name if isinstance(index, Letter) else index.number, index.layer]


def as_json(
    derivation: Derivation,
    notation: str,
    plain: Iterable[Row],
    latex: Iterable[Row],
    names: Sequence[tuple[str, str, str]],
) -> str:
    """A derivation as JSON, each line also as text and as LaTeX."""
    problem = derivation.problem
    document = {
        "schema": SCHEMA,
        "problem": {
            "sizes": list(problem.sizes),
            "bias": list(problem.bias),
            "target": problem.name,
            "objective": problem.objective,
            "output": problem.output,
            "l2": problem.l2,
            "penalize_bias": problem.penalize_bias,
            "patterns": problem.patterns,
        },
        "granularity": derivation.granularity,
        "notation": notation,
        "steps": [_step(*one) for one in zip(derivation.steps, plain, latex, strict=True)],
        "names": [{"node": formula, "kind": kind, "column": name} for formula, kind, name in names],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _step(step: Step, plain: Row, latex: Row) -> dict[str, Any]:
    fields = {
        "number": step.number,
        "rule": step.rule,
        "group": list(step.group),
        "title": step.title,
        "reason": _spaced(plain.reason),
        "said": {"text": step.said.text, "terms": [_said(one) for one in step.said.terms]},
        "paper": step.paper,
        "as_in": step.as_in,
        "repeats": list(step.repeats) if step.repeats else None,
        "lets": [[as_tree(e), as_tree(meaning)] for e, meaning in step.lets],
        "line": as_tree(step.line),
        "before": as_tree(step.before) if step.before else None,
        "after": as_tree(step.after) if step.after else None,
        "text": _spaced(plain.line),
        "latex": _spaced(latex.line),
    }
    if plain.substituted:
        fields["substituted"] = _spaced(plain.substituted)
    if plain.value:
        fields["value"] = plain.number_value
    if plain.ok is not None:
        fields |= {"ok": plain.ok, "differs": plain.differs}
    return fields


def _said(one: Term | Index) -> list[Any]:
    return as_tree(one) if isinstance(one, Term) else ["index", *_index(one)]


def term_as_json(term: Term | Index) -> str:
    """A single term or index."""
    return json.dumps(_said(term), ensure_ascii=False)


def _spaced(text: str) -> str:
    return re.sub(r"\s", " ", text)


# --- from JSON --------------------------------------------------------------------------------------------------


def from_json(text: str) -> Derivation:
    """Read a derivation back.

    Parameters
    ----------
    text : str
        What ``render(derivation, "json")`` returned.

    Returns
    -------
    Derivation
        Equal to the one that was written, but for its network.

    Raises
    ------
    ValueError
        If the text is anything else, in one sentence that says where.
    """
    try:
        document = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise _refused("the text", f"no JSON ({type(error).__name__})") from None
    document = _fields(document, "the document", "schema", "problem", "granularity", "steps")
    if document["schema"] != SCHEMA:
        raise _refused("schema", document["schema"])
    problem = _problem(document["problem"])
    if document["granularity"] not in GRANULARITIES:
        raise _refused("granularity", document["granularity"])
    steps = _list(document["steps"], "steps")
    if not steps:
        raise _refused("steps", [])
    try:
        with deep(MOST_DEEP):
            read = tuple(_Reader(problem, f"step {n}").step(one, n) for n, one in enumerate(steps, 1))
            return Derivation(problem, document["granularity"], read)
    except IllFormed as error:
        raise _refused("steps", f"one that makes no sense ({error})") from None


def _refused(where: str, got: Any) -> ValueError:
    shown = got if isinstance(got, str) and got.isprintable() else repr(got)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return ValueError(
        f"text must be a derivation in JSON of the schema {SCHEMA}; got {shown!s} for {where}. "
        "Write it with derivation.render('json')."
    )


def _typed(value: Any, kind: type[Kind], where: str) -> Kind:
    """The value, if it is just of that type: True is no number."""
    if type(value) is not kind:
        raise _refused(where, value)
    return value


def _list(value: Any, where: str) -> list[Any]:
    return _typed(value, list, where)


def _fields(value: Any, where: str, *names: str) -> dict[str, Any]:
    fields: dict[str, Any] = _typed(value, dict, where)
    missing = [name for name in names if name not in fields]
    if missing:
        raise _refused(where, f"no {missing[0]!r}")
    return fields


def _problem(value: Any) -> Problem:
    names = ("sizes", "bias", "target", "objective", "output", "l2", "penalize_bias", "patterns")
    fields = _fields(value, "problem", *names)
    sizes = [_typed(one, int, "sizes") for one in _list(fields["sizes"], "sizes")]
    bias = [_typed(one, bool, "bias") for one in _list(fields["bias"], "bias")]
    for name in ("l2", "penalize_bias", "patterns"):
        _typed(fields[name], bool, name)
    for name in ("target", "objective", "output"):
        _typed(fields[name], str, name)
    try:
        problem = problem_of(
            sizes,
            fields["target"],
            objective=fields["objective"],
            output=fields["output"] or None,
            bias=bias,
            l2=fields["l2"],
            patterns=fields["patterns"],
        )
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        raise _refused("problem", f"one that cannot be derived ({error})") from None
    problem = replace(problem, penalize_bias=fields["penalize_bias"])
    if (list(problem.sizes), list(problem.bias), problem.output) != (sizes, bias, fields["output"]):
        raise _refused("problem", value)
    return problem


class _Reader:
    """Reads the terms of one step."""

    def __init__(self, problem: Problem, where: str) -> None:
        self.problem, self.where = problem, where

    def step(self, value: Any, number: int) -> Step:
        names = ("number", "rule", "group", "said", "paper", "as_in", "repeats", "lets", "line", "before", "after")
        fields = _fields(value, self.where, *names)
        if _typed(fields["number"], int, self.where) != number:
            raise _refused(self.where, f"number {fields['number']}")
        line = self.term(fields["line"])
        if line.free:
            raise _refused(self.where, f"a line with the index {min(one.name for one in line.free)} that no sum has")
        before, after = (self.term(one) if one is not None else None for one in (fields["before"], fields["after"]))
        return Step(
            number,
            self._word(fields["rule"]),
            line,
            self._said(fields["said"]),
            before,
            after,
            tuple(self._let(one) for one in _list(fields["lets"], f"{self.where}, lets")),
            self._earlier(fields["paper"], None),
            self._earlier(fields["as_in"], number),
            self._repeats(fields["repeats"]),
            self._group(fields["group"]),
        )

    def term(self, tree: Any, depth: int = 0) -> Term:
        """A term from its lists."""
        kind, *parts = _list(tree, self.where) or [None]
        if depth > MOST_DEEP or not isinstance(kind, str):
            raise _refused(self.where, f"a term that is {'too deep' if depth > MOST_DEEP else repr(kind)}")
        try:
            if kind in OF_PARTS:
                cls, wanted = OF_PARTS[kind]
                return cls(*self._some(parts, wanted, depth))
            if kind in ("sum of", "product"):
                return (Addition if kind == "sum of" else Product)(tuple(self._some(parts, len(parts), depth)))
            return self._leaf(kind, parts, depth)
        except IllFormed as error:
            raise _refused(self.where, f"a term that makes no sense ({error})") from None

    def _some(self, parts: list[Any], wanted: int, depth: int) -> list[Term]:
        if len(parts) != wanted:
            raise _refused(self.where, f"a term of {len(parts)} parts instead of {wanted}")
        return [self.term(one, depth + 1) for one in parts]

    def _leaf(self, kind: str, parts: list[Any], depth: int) -> Term:
        readers: dict[str, Callable[..., Term]] = {
            "number": self._number,
            "symbol": lambda name: Symbol(_typed(name, str, self.where)),
            "apply": lambda layer, x: Apply(self._layer(layer), self.term(x, depth + 1)),
            "slope": lambda layer, x: Apply(self._layer(layer), self.term(x, depth + 1), primed=True),
            "same": lambda left, right: Same(self.index(left), self.index(right)),
            "sum": lambda index, body: Sum(self._letter(index), self.term(body, depth + 1)),
            "squared weights": lambda biases: SquaredWeights(_typed(biases, bool, self.where)),
            **{letter: self._reference_of(letter) for letter in "xyetwbs"},
        }
        try:
            read = readers[kind]
        except KeyError:
            raise _refused(self.where, f"a term of the unknown kind {kind!r}") from None
        try:
            return read(*parts)
        except TypeError:
            raise _refused(self.where, f"a term {kind!r} of {len(parts)} parts") from None

    def _number(self, value: Any) -> Number:
        if not re.fullmatch(r"-?[0-9]{1,9}(/[1-9][0-9]{0,8})?", _typed(value, str, self.where)):
            raise _refused(self.where, f"the number {value!r}")
        return Number(Fraction(value))

    def _reference_of(self, letter: str) -> Callable[..., Reference]:
        def read(layer: Any, nodes: Any, pattern: Any = None) -> Reference:
            indices = tuple(self.index(one) for one in _list(nodes, self.where))
            of_pattern = self._letter(pattern) if pattern is not None else None
            term = Reference(letter, self._layer(layer, letter == "s"), indices, of_pattern)
            several = letter in "xyets" and self.problem.patterns
            if several != (term.pattern is not None) or (letter == "s" and not several):
                raise _refused(self.where, f"{letter} {'without' if several else 'with'} an index over patterns")
            if letter == "b" and not self.problem.bias[term.layer - 1]:
                raise _refused(self.where, f"a bias of layer {term.layer}, which has none")
            if letter == "t" and term.layer != self.problem.L:
                raise _refused(self.where, f"a target of layer {term.layer}")
            return term

        return read

    def index(self, value: Any) -> Index:
        """A letter or a node, with its layer."""
        name, layer = _list(value, self.where) if isinstance(value, list) and len(value) == 2 else (None, None)
        if isinstance(name, str):
            over_patterns = name == "p"
            if not re.fullmatch(r"[ijklmn][0-9]{0,3}|[hp]", name):
                raise _refused(self.where, f"the index {name!r}")
            return Letter(name, self._layer(layer, over_patterns))
        number, at = _typed(name, int, self.where), self._layer(layer)
        if not 0 <= number < self.problem.sizes[at]:
            raise _refused(self.where, f"node {number} of layer {at}")
        return Node(number, at)

    def _letter(self, value: Any) -> Letter:
        index = self.index(value)
        if not isinstance(index, Letter):
            raise _refused(self.where, f"a sum over node {index.number}")
        return index

    def _layer(self, value: Any, patterns: bool = False) -> int:
        layer = _typed(value, int, self.where)
        if layer != PATTERNS if patterns else not 0 <= layer <= self.problem.L:
            raise _refused(self.where, f"layer {layer}")
        return layer

    def _said(self, value: Any) -> Said:
        fields = _fields(value, f"{self.where}, said", "text", "terms")
        text = _typed(fields["text"], str, f"{self.where}, said")
        terms: list[Term | Index] = []
        for one in _list(fields["terms"], f"{self.where}, said"):
            is_index = isinstance(one, list) and len(one) == 3 and one[0] == "index"
            terms.append(self.index(one[1:]) if is_index else self.term(one))
        if any(int(n) >= len(terms) for n in re.findall(r"\{([0-9]+)\}", text)) or not text.isprintable():
            raise _refused(f"{self.where}, said", repr(text))
        return Said(text, tuple(terms))

    def _let(self, value: Any) -> Let:
        pair = _list(value, f"{self.where}, lets")
        e, meaning = self._some(pair, 2, 0)
        if not isinstance(e, Reference) or e.letter != "e" or any(one == e for one in walk(meaning)):
            raise _refused(f"{self.where}, lets", pair)
        return e, meaning

    def _earlier(self, value: Any, number: int | None) -> int | None:
        if value is None:
            return None
        if _typed(value, int, self.where) < 1 or (number is not None and value >= number):
            raise _refused(self.where, f"step {value}")
        return int(value)

    def _repeats(self, value: Any) -> tuple[int, int, int] | None:
        if value is None:
            return None
        numbers = [_typed(one, int, self.where) for one in _list(value, self.where)]
        if len(numbers) != 3 or min(numbers) < 1:
            raise _refused(self.where, f"repeats {numbers}")
        first, last, times = numbers
        return first, last, times

    def _word(self, value: Any) -> str:
        if not re.fullmatch(r"[a-z ]{1,40}", _typed(value, str, self.where)):
            raise _refused(self.where, f"the rule {value!r}")
        return str(value)

    def _group(self, value: Any) -> tuple[str, int]:
        pair = _list(value, self.where)
        if len(pair) != 2:
            raise _refused(self.where, f"the group {pair}")
        return self._word(pair[0]), self._layer(pair[1])
