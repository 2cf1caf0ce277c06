"""What a file answered, held against the page and against the page changed: which of its values are wrong, and how.

Every function is judged on the right values of the functions before it, and within a function every layer on what the
file itself has for the layer before: so one mistake is found once. Letters: those of the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.grading.cases import Case
from chainrule.grading.mutants import DB, DW, E_HIDDEN, E_OUT, RECIPES, Change, D, Recipe, Scene, X, Y
from chainrule.grading.reading import AS_ON_THE_PAGE, READINGS, Meaning, Reading
from chainrule.grading.worker import ARGUMENTS, pack, unpack

TOLERANCE = 1e-4
"""Of the largest entry of an array: float32 keeps 1e-7 of it, and a mistake changes the first digits."""

COARSE = 2e-2
"""The same for float16."""

MOST_MISTAKES = 3
"""Told of one quantity: with more of them, the first ones come first."""

RETURNS = {"forward": "x, y", "error_terms": "e", "gradient": "dw, db", "input_gradient": "d"}


@dataclass(frozen=True)
class Mistake:
    """One mistake: in which function, of what kind, and in full sentences.

    ``right`` and ``yours`` are formulas, ``example`` the first wrong number, ``advice`` what to look for, and ``line``
    and ``code`` the place in the file, where they are known.
    """

    function: str
    kind: str
    sentence: str
    right: str = ""
    yours: str = ""
    example: str = ""
    advice: str = ""
    line: int | None = None
    code: str = ""


@dataclass
class Verdict:
    """What is known of one function."""

    function: str
    status: str = "right"
    """right, wrong, unwritten or absent."""
    mistakes: list[Mistake] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    values: dict[int, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Item:
    """One array of the file: of which layer of which case, what it should be, and on what it may rest."""

    number: int
    case: Case
    i: int
    value: Any
    expected: Any
    scenes: tuple[Scene, ...]
    shaky: bool = False
    """It rests on a value of the file that has the wrong shape."""


@dataclass(frozen=True)
class Explanation:
    """The page with these changes, times this factor, is what the items hold."""

    changes: tuple[Change, ...]
    reading: Reading | None
    factor: float
    items: tuple[Item, ...]


# ------------------------------------------------------------------------------------------------- what a file returned


class Unusable(Exception):
    """A value that no array can be taken from; the text says why."""


def _entries(tree: Any, L: int, name: str) -> list[Any]:
    """The entries of a list by layer."""
    if isinstance(tree, dict) and "list" in tree:
        return list(tree["list"])
    array = _array(tree)
    if array is not None and array.ndim == 3 and len(array) in (L, L + 1):
        return list(array)
    raise Unusable(f"{name} must be a list with one array for each layer; got {_said(tree)}.")


def _array(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return tree
    try:
        return unpack(tree["array"]) if isinstance(tree, dict) and "array" in tree else None
    except (KeyError, ValueError, TypeError):
        return None


def _said(tree: Any) -> str:
    """In words what came."""
    if tree is None:
        return "None"
    if isinstance(tree, dict) and "list" in tree:
        count = len(tree["list"])
        return f"a list of {count}" + (f", the first of which is {_said(tree['list'][0])}" if count else "")
    array = _array(tree)
    if array is not None:
        return "a single number" if array.ndim == 0 else f"one array of shape {array.shape}"
    return str(tree.get("other", "something else")) if isinstance(tree, dict) else "something else"


def _layers(tree: Any, case: Case, name: str, verdict: Verdict) -> list[Any]:
    """Arrays of layers 1 to L behind what stands in slot 0, which may be missing."""
    entries, L = _entries(tree, case.L, name), case.L
    if len(entries) == L + 1 and entries[-1] is None and entries[0] is not None:
        entries = entries[:-1]
    first = _array(entries[0]) if entries else None
    started = entries[:1] == [None] or (name == "y" and first is not None and _same(first, case.inputs))
    if len(entries) == L and started:
        raise Unusable(
            f"{name} must hold slot 0 and one array for each of {L} layers; got one too few. Is it the last?"
        )
    if len(entries) == L:
        verdict.notes.append(f"{name} has no slot 0: put None there, or the inputs in y, so that {name}[1] is layer 1")
        entries = [None, *entries]
    if len(entries) != L + 1:
        raise Unusable(
            f"{name} must hold {L + 1} entries for {L} layers, slot 0 and one for each layer; got {len(entries)}."
        )
    arrays = [_array(one) for one in entries]
    for i in range(1, L + 1):
        if arrays[i] is None:
            raise Unusable(f"{name}[{i}] must be an array of numbers; got {_said(entries[i])}.")
    return arrays


def _same(a: Any, b: Any) -> bool:
    return bool(a.shape == b.shape and np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE))


def _fitting(array: Any, shape: tuple[int, ...]) -> Any:
    """The array in the shape of the paper, if they differ by axes of length 1 alone."""
    same = array.shape == shape
    squeezed = array.size == np.prod(shape) and np.squeeze(array).shape == tuple(n for n in shape if n != 1)
    return array.reshape(shape) if not same and squeezed else array


def _taken(function: str, tree: Any, case: Case, verdict: Verdict) -> dict[str, Any]:
    """What the function returned, by quantity: lists by layer, or the array d."""
    if tree is None:
        raise Unusable(f"{function} must return {RETURNS[function]}; got None. Does it end with return?")
    if function == "input_gradient":
        array = _array(tree)
        if array is None:
            raise Unusable(f"d must be an array (patterns, inputs); got {_said(tree)}.")
        return {"d": _fitting(array, case.d.shape)}
    if function == "error_terms":
        found = {"e": _layers(tree, case, "e", verdict)}
    else:
        names = ("x", "y") if function == "forward" else ("dw", "db")
        parts = _two(tree, function, verdict)
        found = {
            name: _layers(part, case, name, verdict)
            for name, part in zip(names, parts, strict=True)
            if part is not None
        }
    return {
        name: [arrays[0], *(_fitting(one, right.shape) for one, right in zip(arrays[1:], rights[1:], strict=True))]
        for name, arrays in found.items()
        for rights in (getattr(case, name),)
    }


def _two(tree: Any, function: str, verdict: Verdict) -> tuple[Any, Any]:
    """The two lists that forward and gradient return; the second of gradient may be missing."""
    parts = tree["list"] if isinstance(tree, dict) and "list" in tree else []
    lists = [isinstance(one, dict) and ("list" in one or getattr(_array(one), "ndim", 0) == 3) for one in parts]
    stacked = len(parts) == 2 and lists[0] and getattr(_array(parts[1]), "ndim", 0) == 2
    if len(parts) == 2 and (all(lists) or stacked):
        if stacked:  # biases of equal layers in one array
            parts = [parts[0], {"list": [{"array": pack(row)} for row in _array(parts[1])]}]
        return parts[0], parts[1]
    if function == "gradient":
        said = "gradient returns no db, so that the derivatives by the biases are not judged"
        if len(parts) == 2 and lists[0] and parts[1] is None:
            verdict.notes.append(said)
            return parts[0], None
        if parts and not any(lists) and all(one is None or _array(one) is not None for one in parts):
            verdict.notes.append(said)
            return tree, None
    raise Unusable(f"{function} must return two lists, {RETURNS[function]}; got {_said(tree)}.")


# ------------------------------------------------------------------------------------------------------------ comparing


def _ratio(value: Any, candidate: Any) -> float | None:
    """The factor between the two, if there is one; 0 where both are zero, which goes with every factor."""
    if candidate is None or value.shape != candidate.shape:
        return None
    tolerance = COARSE if value.dtype.itemsize < 4 and value.dtype.kind == "f" else TOLERANCE
    value = value.astype(float)
    size = float(np.abs(candidate).max(initial=0))
    if size < 1e-12:
        return 0.0 if float(np.abs(value).max(initial=0)) < 1e-12 else None
    factor = float((value * candidate).sum() / (candidate * candidate).sum())
    if abs(factor) < 1e-9 or float(np.abs(value - factor * candidate).max()) > tolerance * abs(factor) * size:
        return None
    return factor


def _near(a: float, b: float, value: Any) -> bool:
    tolerance = COARSE if value.dtype.itemsize < 4 and value.dtype.kind == "f" else TOLERANCE
    return a == 0 or abs(a - b) <= tolerance * abs(b)


def _factors(recipe: Recipe, changes: tuple[Change, ...], items: Iterable[Item]) -> list[float | None]:
    """For each item the factor between it and the changed page."""
    found = []
    for item in items:
        ratios = [_ratio(item.value, recipe.value(scene, changes)) for scene in item.scenes]
        known = [one for one in ratios if one is not None]
        found.append(min(known, key=lambda one: abs(one - 1)) if known else None)
    return found


def _explained(recipe: Recipe, changes: tuple[Change, ...], items: Sequence[Item]) -> Explanation | None:
    """The explanation of the first item by these changes, with all items that it covers."""
    [first] = _factors(recipe, changes, items[:1])
    if first is None:
        return None
    factors = [first, *_factors(recipe, changes, items[1:])]
    best: Explanation | None = None
    for reading in READINGS:
        if not _near(first, reading.value(items[0].case), items[0].value):
            continue
        covered = tuple(
            item
            for item, factor in zip(items, factors, strict=True)
            if factor is not None and _near(factor, reading.value(item.case), item.value)
        )
        if best is None or len(covered) > len(best.items):
            best = Explanation(changes, reading, 1.0, covered)
    covered = tuple(
        item
        for item, factor in zip(items, factors, strict=True)
        if factor is not None and _near(factor, first, item.value)
    )
    enough = first != 0 and items[0].value.size >= 3 and (len(covered) > 1 or len(items) == 1)
    if enough and (best is None or len(covered) > len(best.items)):
        return Explanation(changes, None, first, covered)
    return best


def _right_under(recipe: Recipe, items: Sequence[Item]) -> tuple[Reading, list[Item]]:
    """The reading under which most items are right, and those that are not."""
    factors = _factors(recipe, (), items)
    best: tuple[Reading, list[Item]] | None = None
    for reading in READINGS if recipe.scaled else (AS_ON_THE_PAGE,):
        wrong = [
            item
            for item, factor in zip(items, factors, strict=True)
            if factor is None or not _near(factor, reading.value(item.case), item.value)
        ]
        chance = len(items) - len(wrong) < len(items) / 4  # 1/(2P) is 0.1 where P is 5
        if best is None or (len(wrong) < len(best[1]) and not chance):
            best = reading, wrong
        if not wrong:
            break
    assert best is not None
    return best


def _is_right(recipe: Recipe, item: Item, reading: Reading) -> bool:
    [factor] = _factors(recipe, (), [item])
    return factor is not None and _near(factor, reading.value(item.case), item.value)


def _explain(recipe: Recipe, wrong: Sequence[Item]) -> Explanation | None:
    """The simplest explanation of the first wrong item: the one that covers most of the others too."""
    chosen: Explanation | None = None
    for most in (0, 1, 2):
        found = [one for changes in recipe.candidates(most) if (one := _explained(recipe, changes, wrong)) is not None]
        best = max(found, key=lambda one: (len(one.items), -_complexity(one)), default=None)
        if best is not None and (chosen is None or len(best.items) == len(wrong) > len(chosen.items)):
            chosen = best
        if chosen is not None and len(chosen.items) == len(wrong):
            break
    return chosen


def _complexity(one: Explanation) -> int:
    return 99 if one.reading is None else READINGS.index(one.reading)


# -------------------------------------------------------------------------------------------------------------- judging


def judge(function: str, answers: Sequence[Mapping[str, Any] | None], cases: Sequence[Case]) -> Verdict:
    """Judge what a function answered on each case: a value, an error, or None where it was not reached."""
    verdict = Verdict(function)
    errors = [(n, one["error"]) for n, one in enumerate(answers) if one is not None and "error" in one]
    if errors and all(one["type"] == "NotImplementedError" for _, one in errors) and len(errors) == len(cases):
        verdict.status = "unwritten"
        return verdict
    taken: dict[int, dict[str, Any]] = {}
    unusable: list[Mistake] = []
    for n, (answer, case) in enumerate(zip(answers, cases, strict=True)):
        if answer is None or "error" in answer:
            continue
        try:
            taken[n] = _taken(function, answer["value"], case, verdict)
        except Unusable as error:
            unusable.append(Mistake(function, "unusable", str(error), example=_on(case)))
    verdict.values = taken
    verdict.notes = list(dict.fromkeys(verdict.notes))
    readings: dict[str, Reading] = {}
    mistakes = _inputs_kept(taken, cases)
    if not mistakes:
        mistakes, readings = _compared(function, taken, answers, cases)
    if mistakes and taken:
        backwards = {
            n: {name: [one[0], *one[:0:-1]] if isinstance(one, list) else one for name, one in found.items()}
            for n, found in taken.items()
        }
        turned = _all_right(function, backwards, answers, cases)
        if turned is not None:
            mistakes, readings = [_backwards(function, " and ".join(next(iter(taken.values()))))], turned
    verdict.readings = readings
    changed = _changes(function, answers, mistakes)
    stopped = [_stopped(function, errors, cases, bool(taken))] if errors else []
    if stopped and stopped[0].kind == "stops":
        stopped, mistakes = _where_it_stops(stopped[0], mistakes)
    verdict.mistakes = [*stopped, *unusable[:1], *mistakes, *changed]
    verdict.status = "wrong" if verdict.mistakes else "right"
    return verdict


def _inputs_kept(taken: Mapping[int, Mapping[str, Any]], cases: Sequence[Case]) -> list[Mistake]:
    """The mistake in y[0], from which all the rest follows."""
    for n, found in taken.items():
        first = found["y"][0] if "y" in found else None
        if first is not None and not _same(first, cases[n].inputs):
            return [
                Mistake(
                    "forward",
                    "inputs_changed",
                    "your y[0] is not the inputs",
                    right="y₀ = inputs",
                    example=_on(cases[n]),
                    advice="Layer 0 is the input pattern as it comes, with no activation and no scaling.",
                )
            ]
    return []


def _on(case: Case) -> str:
    return f"on the network {case}"


def _backwards(function: str, names: str) -> Mistake:
    return Mistake(
        function,
        "backwards",
        f"your {names} hold the right arrays in the wrong order: the last layer comes first",
        advice="Fill a list by layer, as in e = [None] * (L + 1), or turn it round before you return it.",
    )


def _where_it_stops(stopped: Mistake, mistakes: Sequence[Mistake]) -> tuple[list[Mistake], list[Mistake]]:
    """The exception and what was found where there was none: one mistake if that has a name, else the exception."""
    named = [one for one in mistakes if not one.kind.endswith(("unknown", "shape", "not_finite"))]
    if not named:
        return [stopped], []
    line = f" in line {stopped.line}" if stopped.line else ""
    where = f"{named[0].example}; {stopped.example} it stops{line}"
    return [], [replace(named[0], example=where, line=stopped.line, code=stopped.code), *named[1:]]


def _stopped(function: str, errors: Sequence[tuple[int, Any]], cases: Sequence[Case], some: bool) -> Mistake:
    """The first exception, with the line of the file."""
    n, error = errors[0]
    text = " ".join(str(error["text"]).split())
    line = error.get("line")
    at = f" in line {line}" if line else ""
    if error["type"] == "WrongArguments":
        wanted = ", ".join(ARGUMENTS[function])
        return Mistake(
            function,
            "arguments",
            f"{function} must take ({wanted}); yours takes {text}",
            advice="Give the function these arguments; others need a default.",
        )
    kinds = {"SystemExit": "ends the program", "TimeLimit": "had not finished when its time was up"}
    said = kinds.get(error["type"], f"stops with {error['type']}")
    sentence = f"{function} {said}{at}" + (f": {text}" if text and error["type"] != "SystemExit" else "")
    if error["type"] == "Died":
        sentence = f"{function} {text}"
    advice = ""
    if "NoneType" in text or "got None. Slot 0" in text:
        advice = "Slot 0 of w, b, f, f_prime, x and e is empty (None): layers count from 1."
    elif error["type"] == "ValueError" and ("matmul" in text or "broadcast" in text or "shapes" in text):
        advice = "Compare the shapes: patterns are rows, w[i] is (nodes of i, nodes of i-1)."
    elif error["type"] == "TimeLimit":
        advice = "Is there a loop whose condition never becomes false? --time-limit gives it longer."
    elif error["type"] == "SystemExit":
        advice = "A function returns; only a program ends."
    kind = {"TimeLimit": "time", "SystemExit": "exit", "Died": "died"}.get(error["type"], "stops")
    example = _on(cases[n]) if some and kind == "stops" else ""
    return Mistake(function, kind, sentence, example=example, advice=advice, line=line, code=str(error.get("code", "")))


def _changes(function: str, answers: Sequence[Mapping[str, Any] | None], mistakes: Sequence[Mistake]) -> list[Mistake]:
    """What the function changes of what it was given; net values of error_terms are nobody's afterwards."""
    changed: list[str] = next((one["changed"] for one in answers if one is not None and one.get("changed")), [])
    harmful = [one for one in changed if not (function == "error_terms" and one.startswith("x"))]
    if not harmful or any(one.kind.endswith("update_before_use") for one in mistakes):
        return []
    return [
        Mistake(
            function,
            "changes_arguments",
            f"{function} changes {harmful[0]}, which it was given, in place",
            advice="Whoever called it finds other values there afterwards. Work on a copy, or with a new name.",
        )
    ]


def _all_right(
    function: str, taken: Mapping[int, Mapping[str, Any]], answers: Sequence[Any], cases: Sequence[Case]
) -> dict[str, Reading] | None:
    """The readings of the quantities of one function if all of them are right, else None."""
    readings: dict[str, Reading] = {}
    for recipe in RECIPES:
        if recipe.function == function:
            items = [item for n, found in taken.items() for item in _items(recipe, n, cases[n], found, answers[n])]
            if not all(np.isfinite(item.value).all() for item in items):
                return None
            if items:
                reading, wrong = _right_under(recipe, items)
                if wrong:
                    return None
                readings |= {recipe.quantity: reading} if recipe.scaled else {}
    return readings


def _compared(
    function: str, taken: Mapping[int, Mapping[str, Any]], answers: Sequence[Any], cases: Sequence[Case]
) -> tuple[list[Mistake], dict[str, Reading]]:
    """Mistakes in the values of one function, and the reading of each quantity that has one."""
    mistakes: list[Mistake] = []
    readings: dict[str, Reading] = {}
    for recipe in RECIPES:
        if recipe.function == function:
            items = [item for n, found in taken.items() for item in _items(recipe, n, cases[n], found, answers[n])]
            of_one, reading = _judged(recipe, items, cases)
            mistakes += of_one
            if reading is not None and recipe.scaled:
                readings[recipe.quantity] = reading
    return mistakes, readings


def _items(recipe: Recipe, n: int, case: Case, found: Mapping[str, Any], answer: Any) -> list[Item]:
    """The arrays of one quantity in one case, the error terms from the output back."""
    after = [_array(one) for one in answer["after"]["list"]] if answer.get("after") else None
    rights: dict[str, Any] = {"x": case.x, "y": case.y, "e": case.e, "after": after}
    if recipe is D:
        return [Item(n, case, 1, found["d"], case.d, (Scene(case, 1, **rights),))] if "d" in found else []
    if recipe.name not in found:
        return []
    layers = {
        "e_out": [case.L],
        "e_hidden": list(range(case.L - 1, 0, -1)),
    }.get(recipe.quantity, list(range(1, case.L + 1)))
    owns: dict[str, Any] = _lists(case, found) | {"after": after} if recipe in (X, Y, E_HIDDEN) else {}
    items = []
    for i in layers:
        right = Scene(case, i, **rights)
        scenes = (Scene(case, i, **owns), right) if owns else (right,)
        shaky = len(scenes) > 1 and not _usable(*_resting_on(recipe, i, found, case))
        items.append(Item(n, case, i, found[recipe.name][i], getattr(case, recipe.name)[i], scenes, shaky))
    return items


def _resting_on(recipe: Recipe, i: int, found: Mapping[str, Any], case: Case) -> tuple[Any, Any]:
    """The file's own array from which this one is computed, and the right one."""
    name, layer = {"x": ("y", i - 1), "y": ("x", i), "e_hidden": ("e", i + 1)}[recipe.quantity]
    right = getattr(case, name)[layer]
    return (right if (name, layer) == ("y", 0) else found[name][layer]), right


def _usable(own: Any, right: Any) -> bool:
    return bool(own is not None and own.shape == right.shape and np.isfinite(own).all())


def _lists(case: Case, found: Mapping[str, Any]) -> dict[str, list[Any]]:
    """x, y and e of the file, as far as they are usable, else the right ones."""
    lists = {}
    for name in ("x", "y", "e"):
        rights = getattr(case, name)
        lists[name] = rights
        if name in found:
            pairs = enumerate(zip(found[name], rights, strict=True))
            lists[name] = [own if n and _usable(own, right) else right for n, (own, right) in pairs]
    return lists


def _as_meant(recipe: Recipe, reading: Reading) -> Reading:
    """The part of a factor that may be a convention: the sums of dw and db are P times the page's means."""
    patterns = min(reading.patterns, 0) if recipe in (DW, DB) else max(reading.patterns, 0)
    return Reading(reading.sign, max(reading.twos, 0), patterns, max(reading.outputs, 0))


def _judged(recipe: Recipe, items: list[Item], cases: Sequence[Case]) -> tuple[list[Mistake], Reading | None]:
    """Mistakes in one quantity, at most a few, and its reading."""
    broken = [item for item in items if not np.isfinite(item.value).all()]
    items = [item for item in items if item not in broken]
    mistakes = [_not_finite(recipe, broken[0])] if broken else []
    if not items:
        return mistakes, None
    reading, wrong = _right_under(recipe, items)
    if wrong and reading != AS_ON_THE_PAGE:  # P/n is as good as right in the last layer, and where P or n is chance
        whole = _explain(recipe, items)
        wrong = items if whole is not None and len(whole.items) == len(items) else wrong
    some_right = len(wrong) < len(items)
    known: Reading | None = reading if some_right else None
    while wrong and len(mistakes) < MOST_MISTAKES:
        explained = _explain(recipe, wrong)
        if (explained is None or not explained.items) and wrong[0].shaky:
            wrong = wrong[1:]
            continue
        if explained is None or not explained.items:
            odd = [item for item in wrong if item.value.shape != item.expected.shape]
            first = odd[0] if odd and odd[0] is wrong[0] else wrong[0]
            mistakes.append(_shape(recipe, first) if first in odd else _unknown(recipe, first, known or reading))
            break
        if known is None and explained.reading is not None and recipe.scaled:
            known = _as_meant(recipe, explained.reading)
        mistakes.append(_named(recipe, explained, known or AS_ON_THE_PAGE, cases))
        wrong = [item for item in wrong if item not in explained.items]
        if known is not None and not some_right:  # only now it is known how the others are meant
            wrong = [item for item in wrong if not _is_right(recipe, item, known)]
    return mistakes, known


# ------------------------------------------------------------------------------------------------------------ sentences


def _listed(names: Sequence[str]) -> str:
    return " and ".join(", ".join(names).rsplit(", ", 1))


def _name(recipe: Recipe, item: Item) -> str:
    return "d" if recipe is D else f"{recipe.name}[{item.i}]"


def _named(recipe: Recipe, one: Explanation, reading: Reading, cases: Sequence[Case]) -> Mistake:
    """The mistake that the explanation is."""
    first = one.items[0]
    scene = first.scenes[0]
    phrases = [recipe.phrase(scene, change) for change in one.changes]
    kinds = [change.kind for change in one.changes]
    factor = ""
    if one.reading is None:
        phrases.append(f"times {one.factor:.4g}")
        kinds += [] if kinds else ["factor"]
        factor = f"{one.factor:.4g} · "
    elif one.reading != reading:
        relative = Reading(
            one.reading.sign * reading.sign, *(a - b for a, b in zip(one.reading[1:], reading[1:], strict=True))
        )
        phrases.append(relative.text())
        factor = relative.symbol()
        kinds += [] if kinds else ["sign" if relative == Reading(-1) else "factor"]
    step = scene.text(recipe.step)
    yours = recipe.formula(scene, one.changes)
    advice = next((scene.text(change.advice) for change in one.changes if change.advice), "")
    if kinds == ["factor"] and not advice:
        advice = "Has a learning rate, or a constant of the derivative, slipped in?"
    left = scene.text(recipe.left)
    others = sorted({item.i for item in one.items if item.number == first.number} - {first.i})
    also = f"; the same holds for {_listed([f'{recipe.name}[{i}]' for i in others])}" if others else ""
    return Mistake(
        recipe.function,
        f"{recipe.quantity}.{'+'.join(kinds)}",
        f"your {_name(recipe, first)} equals {step} {' and '.join(phrases)}{also}",
        right=f"{left} = {recipe.formula(scene)}",
        yours="" if yours is None else f"{left} = {factor}{yours}",
        example=_first_wrong(recipe, first, reading),
        advice=advice,
    )


def _first_wrong(recipe: Recipe, item: Item, reading: Reading) -> str:
    """The first entry that differs, its value and the right one."""
    on = "" if item.number == 0 else f", {_on(item.case)}"
    expected = recipe.value(item.scenes[0])
    expected = (item.expected if expected is None else expected) * reading.value(item.case)
    if item.value.shape != expected.shape:
        return f"{_name(recipe, item)} has shape {item.value.shape}, not {expected.shape}{on}"
    size = float(np.abs(expected).max(initial=0))
    different = np.argwhere(np.abs(item.value - expected) > TOLERANCE * max(size, 1e-12))
    where = tuple(different[0]) if len(different) else (0,) * expected.ndim
    entry = f"[{','.join(map(str, where))}]" if where else ""
    return f"{_name(recipe, item)}{entry} is {item.value[where]:.6g}; it must be {expected[where]:.6g}{on}"


def _unknown(recipe: Recipe, item: Item, reading: Reading) -> Mistake:
    scene = item.scenes[0]
    return Mistake(
        recipe.function,
        f"{recipe.quantity}.unknown",
        f"your {_name(recipe, item)} is not {scene.text(recipe.step)}, and no mistake that is known by name",
        right=f"{scene.text(recipe.left)} = {recipe.formula(scene)}",
        example=_first_wrong(recipe, item, reading),
        advice="Compute this one number by hand, term by term, beside what your loop does.",
    )


def _shape(recipe: Recipe, item: Item) -> Mistake:
    laws = {
        "dw": f"(nodes of layer {item.i}, nodes of layer {item.i - 1})",
        "db": f"(nodes of layer {item.i},)",
        "d": "(patterns, inputs)",
    }
    law = laws.get(recipe.quantity, f"(patterns, nodes of layer {item.i})")
    swapped = item.value.ndim == 2 and item.value.shape[::-1] == item.expected.shape
    return Mistake(
        recipe.function,
        f"{recipe.quantity}.shape",
        f"your {_name(recipe, item)} must have shape {law} = {item.expected.shape}; it has {item.value.shape}"
        + (", which looks transposed" if swapped else ""),
        right=f"{item.scenes[0].text(recipe.left)} = {recipe.formula(item.scenes[0])}",
        example=_on(item.case),
    )


def _not_finite(recipe: Recipe, item: Item) -> Mistake:
    bad = int((~np.isfinite(item.value)).sum())
    what = "NaN" if np.isnan(item.value).any() else "infinite"
    return Mistake(
        recipe.function,
        f"{recipe.quantity}.not_finite",
        f"your {_name(recipe, item)} is {what} in {bad} of its {item.value.size} entries",
        right=f"{item.scenes[0].text(recipe.left)} = {recipe.formula(item.scenes[0])}",
        example=_on(item.case),
        advice="Look for a division by 0, a logarithm, an exp of large numbers, or an array that was never filled.",
    )


OF_QUANTITY = {"e_out": E_OUT, "dw": DW, "db": DB, "d": D}


_STEPS = {
    "e_out": "e[L] equals step 20",
    "dw": "dw equals step 24",
    "db": "db equals step 24 with y = 1",
    "both": "dw and db equal step 24",
    "d": "d equals step 17 of the inputs",
}


def at_odds(meant: Meaning, verdicts: Mapping[str, Verdict], cases: Sequence[Case]) -> list[Mistake]:
    """The mistakes that lie in a factor: right by itself, and not together with the rest or with what was said."""
    mistakes = []
    both = meant.wrong.get("dw") == meant.wrong.get("db")
    for quantity, extra in meant.wrong.items():
        recipe = OF_QUANTITY[quantity]
        if quantity == "db" and both:
            continue
        if extra.sign < 0 and extra[1:] == (0, 0, 0):
            kind = "sign"
        elif extra.patterns:
            kind = "mean_for_sum" if extra.patterns > 0 else "sum_for_mean"
        else:
            kind = "factor"
        mistakes.append(
            Mistake(
                recipe.function,
                f"{quantity}.{kind}",
                f"your {_STEPS['both'] if quantity == 'dw' and both else _STEPS[quantity]} {extra.text()}",
                right=_formula(quantity, meant),
                example=_too_much(recipe, extra, verdicts[recipe.function], cases),
                advice=_advice(quantity, kind, extra, meant),
            )
        )
    return mistakes


def _too_much(recipe: Recipe, extra: Reading, verdict: Verdict, cases: Sequence[Case]) -> str:
    """The first number that holds the factor, and what it is without it."""
    n = min(verdict.values)
    value = verdict.values[n][recipe.name]
    i = cases[n].L if recipe is E_OUT else 1
    array = value if recipe is D else value[i]
    first = array[(0,) * array.ndim]
    name = f"{recipe.name}{'' if recipe is D else f'[{i}]'}[{','.join('0' * array.ndim)}]"
    return f"{name} is {first:.6g}; it must be {first / extra.value(cases[n]):.6g}"


def _formula(quantity: str, meant: Meaning) -> str:
    e, minus = ("δ", "") if meant.conventions["sign"] == "minus-e" else ("e", "−")
    mean = "1/P " if meant.conventions["patterns"] == "mean" else ""
    residual = "(yᵢ − tᵢ)" if e == "δ" else "(tᵢ − yᵢ)"
    return {
        "e_out": f"{e}ᵢ = {residual} f′(xᵢ)",
        "dw": f"∂E/∂wⱼₖ = {minus}{mean}Σₚ {e}ⱼ yₖ",
        "db": f"∂E/∂bⱼ = {minus}{mean}Σₚ {e}ⱼ",
        "d": f"∂Eₚ/∂yₖ = {minus}Σⱼ {e}ⱼ wⱼₖ",
    }[quantity]


def _advice(quantity: str, kind: str, extra: Reading, meant: Meaning) -> str:
    minus = meant.conventions["sign"] == "minus-e"
    if kind == "sign" and quantity == "e_out":
        return (
            "The rest of your file takes error terms as the paper's, with t − y: is it y − t here?"
            if not minus
            else "The rest of your file takes error terms as δ, with y − t: is it t − y here?"
        )
    if kind == "sign":
        return (
            "Your error terms are minus ∂E/∂x, as the paper's: the minus must come back here."
            if not minus
            else "Your error terms are δ = ∂E/∂x: no minus is needed here."
        )
    means = "e_out" in meant.found and meant.found["e_out"].patterns > 0
    if kind == "mean_for_sum" and means and quantity != "e_out":
        return "Your error terms are divided by the number of patterns already: divide once."
    if kind == "mean_for_sum":
        return "E is a sum over the patterns in what else you say or compute: no division is needed."
    if kind == "sum_for_mean":
        return "E is the mean over the patterns in what else you say or compute: divide by their number."
    if extra.twos > 0:
        return "The 2 of the square cancels the ½ of E, or stands in one place only."
    if extra.twos < 0:
        return "The power rule gives a 2, which cancels the ½ of E: no ½ is left (step 2)."
    return "Count a factor once, and in everything that is a derivative of the same E."
