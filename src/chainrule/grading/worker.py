"""What runs in a process of its own: somebody's file, called with the page's values, and what it answers.

A program, not a part of the package: :mod:`chainrule.grading.running` starts it. Everything it says is a line of JSON;
arrays travel as their bytes, so that nobody unpickles what a stranger's code has made. Letters: as everywhere.
"""

from __future__ import annotations

import base64
import contextlib
import faulthandler
import inspect
import json
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.activations import activation

ARGUMENTS = {
    "forward": ("w", "b", "f", "inputs"),
    "error_terms": ("w", "f_prime", "x", "y", "t"),
    "gradient": ("e", "y"),
    "input_gradient": ("w", "e"),
}
"""The four functions and what each is given, in the order of the page."""

NESTING = {"forward": 2, "error_terms": 1, "gradient": 2, "input_gradient": 0}
"""How many lists an array stands in: x, y is two lists of arrays, e one, d is an array."""

LARGEST = 1_000_000
"""Entries of an array, and of a list, that are sent."""

Case = dict[str, Any]
"""What a case travels as: names of activations, and w, b, inputs, x, y, e, t."""


# ------------------------------------------------------------------------------------------------------- arrays as JSON


def pack(array: Any) -> Any:
    """An array of numbers, or None, as JSON."""
    if array is None:
        return None
    array = np.asarray(array, order="C")
    return {"shape": list(array.shape), "dtype": array.dtype.str, "data": base64.b64encode(array.tobytes()).decode()}


def unpack(packed: Any) -> Any:
    """The array again; ValueError or KeyError if it is none of numbers."""
    if packed is None:
        return None
    dtype = np.dtype(str(packed["dtype"]))
    if dtype.kind not in "buif":
        raise ValueError(f"dtype must be a number's; got {dtype}. Send numbers.")
    return np.frombuffer(base64.b64decode(packed["data"]), dtype).reshape(packed["shape"]).copy()


def describe(value: Any, nesting: int) -> Any:
    """What a function returned, as JSON: nested lists down to arrays, and in words what is neither."""
    if value is None:
        return None
    if isinstance(value, Mapping) and value and all(isinstance(key, int) for key in value):
        value = [value.get(n) for n in range(min(max(value) + 1, LARGEST))]
    numbers = isinstance(value, np.ndarray) and value.dtype.kind != "O"
    if nesting and isinstance(value, Iterable) and not numbers and not _is_text(value):
        kept = [one for _, one in zip(range(1000), value, strict=False)]
        return {"list": [describe(one, nesting - 1) for one in kept]}
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        return {"other": f"a {type(value).__name__} that is no array of numbers"}
    if array.dtype.kind not in "buif":
        return {"other": f"a {type(value).__name__} of {array.dtype}"}
    if array.size > LARGEST:
        return {"other": f"an array of shape {array.shape}, {array.size:,} numbers"}
    return {"array": pack(array if array.dtype.itemsize <= 8 else array.astype(np.float64))}


def _is_text(value: Any) -> bool:
    return isinstance(value, str | bytes | Mapping | set)


# -------------------------------------------------------------------------------------------------------------- calling


def load(path: str) -> types.ModuleType:
    """The module in the file, run under its own name, so that what is under `if __name__ == "__main__"` is not."""
    with open(path, "rb") as file:  # noqa: PTH123  a library less to load
        code = compile(file.read(), path, "exec")
    module = types.ModuleType(os.path.splitext(os.path.basename(path))[0])  # noqa: PTH119, PTH122
    module.__file__ = path
    sys.modules.setdefault(module.__name__, module)
    exec(code, module.__dict__)
    return module


def serve(
    module: types.ModuleType, path: str, cases: Sequence[Case], wanted: Sequence[str], send: Callable[[Any], None]
) -> None:
    """Call each wanted function of the module on every case, then one after another, and send what happens."""
    found = {name: getattr(module, name, None) for name in ARGUMENTS}
    conventions = getattr(module, "CONVENTIONS", ())
    said = list(conventions) if isinstance(conventions, list | tuple | set) else [conventions]
    send(
        {
            "event": "loaded",
            "functions": [name for name, one in found.items() if callable(one)],
            "conventions": [str(one) for one in said],
        }
    )
    for name in wanted:
        function = found[name]
        if not callable(function):
            continue
        for n, case in enumerate(cases):
            send({"event": "calls", "function": name, "case": n})
            send({"event": "result", "function": name, "case": n} | _result(function, name, case, path))
    for n, case in enumerate(cases[:2]):
        for name, value in _chain({name: one for name, one in found.items() if callable(one)}, wanted, case):
            send({"event": "chained", "function": name, "case": n, "value": describe(value, NESTING[name])})
    send({"event": "done"})


def _values(case: Case) -> dict[str, Any]:
    """Arguments by name, each with arrays of its own."""
    rows = [None, *(activation(name) for name in case["activations"])]
    copies = {
        letter: [None if one is None else one.copy() for one in value] if isinstance(value, list) else value.copy()
        for letter, value in case.items()
        if letter != "activations"
    }
    f = [None if row is None else _function(row.f, f"f[{i}]") for i, row in enumerate(rows)]
    f_prime = [None if row is None else _function(row.f_prime, f"f_prime[{i}]") for i, row in enumerate(rows)]
    return {**copies, "f": f, "f_prime": f_prime}


def _function(row: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """The activation as a student may call it: with an array, a number or a list of numbers."""

    def function(x: Any) -> Any:
        if x is None:
            raise TypeError(f"{name} must be given net values; got None. Slot 0 of every list is empty.")
        x = np.asarray(x)
        return np.asarray(row(x if x.dtype.kind == "f" else x.astype(np.float64)))[()]

    function.__name__ = name
    return function


def _result(function: Any, name: str, case: Case, path: str) -> dict[str, Any]:
    """Value, or error, and which arguments are not what they were."""
    values = _values(case)
    before = _values(case)
    given = {argument: values[argument] for argument in ARGUMENTS[name]}
    try:
        value = describe(_call(function, given), NESTING[name])
    except BaseException as error:
        return {"error": _error(error, path)}
    changed = [one for argument in given for one in _changed(argument, before[argument], given[argument])]
    answer: dict[str, Any] = {"value": value, "changed": changed}
    if any(one.startswith("w") for one in changed):
        answer["after"] = describe(given["w"], 1)
    return answer


class WrongArguments(Exception):
    """The function takes other arguments than it is given; the text is what it takes."""


def _call(function: Any, given: dict[str, Any]) -> Any:
    """By position, or by name where the names are those of the paper in another order."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return function(*given.values())
    names = [name for name, one in signature.parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD,)]
    if set(given) <= set(names) and names[: len(given)] != list(given):
        with contextlib.suppress(TypeError):
            signature.bind(**given)
            return function(**given)
    try:
        signature.bind(*given)
    except TypeError:
        raise WrongArguments(str(signature)) from None
    return function(*given.values())


def _error(error: BaseException, path: str) -> dict[str, Any]:
    """What stopped it, in which line of the file, and how that line reads."""
    if isinstance(error, WrongArguments):
        return {"type": "WrongArguments", "text": str(error), "line": None, "code": ""}
    line, code = None, ""
    if isinstance(error, SyntaxError) and error.filename == path:
        line, code = error.lineno, (error.text or "").strip()
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == path:
            line, code = frame.lineno, frame.line or ""
    with contextlib.suppress(Exception):
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        return {"type": type(error).__name__, "text": text[:500], "line": line, "code": code[:200]}
    return {"type": type(error).__name__, "text": "", "line": line, "code": code[:200]}


def _changed(name: str, before: Any, after: Any) -> list[str]:
    """Names of what is not as it was: w[2], or inputs."""
    if not isinstance(before, list):
        return [] if before is after or _same(before, after) else [name]
    if len(before) != len(after):
        return [name]
    return [f"{name}[{i}]" for i, (a, b) in enumerate(zip(before, after, strict=True)) if not _same(a, b)]


def _same(a: Any, b: Any) -> bool:
    if callable(a) or a is None:
        return callable(b) if callable(a) else b is None
    return isinstance(b, np.ndarray) and a.shape == b.shape and np.array_equal(a, b, equal_nan=True)


# ---------------------------------------------------------------------------------------------------- one after another


def _chain(found: dict[str, Any], wanted: Sequence[str], case: Case) -> Iterable[tuple[str, Any]]:
    """Each function on what the functions before it gave, and on the page's values where there is none."""
    if set(found) - set(wanted):
        return
    v = _values(case)
    shapes = {letter: [None if a is None else a.shape for a in v[letter]] for letter in ("x", "y", "e")}
    with contextlib.suppress(BaseException):
        for name, function in found.items():
            try:
                value = _call(function, {argument: v[argument] for argument in ARGUMENTS[name]})
            except NotImplementedError:
                continue
            yield name, value
            if name == "forward":
                v["x"], v["y"] = (
                    _as_layers(one, first, shapes[letter])
                    for one, first, letter in zip(value, (None, v["inputs"]), "xy", strict=True)
                )
            elif name == "error_terms":
                v["e"] = _as_layers(value, None, shapes["e"])


def _as_layers(value: Any, first: Any, shapes: list[Any]) -> list[Any]:
    """The list with its slot 0, and arrays of the shapes of the paper."""
    entries = [value.get(n) for n in range(len(shapes))] if isinstance(value, Mapping) else list(value)
    entries = entries if len(entries) == len(shapes) else [first, *entries]
    rest = (np.asarray(one).reshape(shape) for one, shape in zip(entries[1:], shapes[1:], strict=True))
    return [first if entries[0] is None else entries[0], *rest]


# ------------------------------------------------------------------------------------------------------ in this process


def main(path: str, channel: int, traces: int, limit: float) -> None:
    """Read cases from standard input, run the file, and write to the channel; what it prints goes elsewhere."""
    faulthandler.dump_traceback_later(limit, exit=True, file=traces)
    request = json.load(sys.stdin)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for descriptor in (channel, traces):
        os.set_inheritable(descriptor, False)
    _limit_memory()
    sys.path.insert(0, os.path.dirname(path))  # noqa: PTH120
    with os.fdopen(channel, "w", encoding="utf-8") as stream:

        def send(message: Any) -> None:
            stream.write(json.dumps(message) + "\n")
            stream.flush()

        try:
            module = load(path)
        except BaseException as error:
            send({"event": "failed", "syntax": isinstance(error, SyntaxError | ValueError), **_error(error, path)})
            return
        try:
            serve(module, path, [cast(case) for case in request["cases"]], request["wanted"], send)
        finally:
            stream.flush()
            os._exit(0)  # threads that it left behind are not waited for


def cast(case: dict[str, Any]) -> Case:
    """A case of packed arrays as one of arrays."""
    return {
        letter: value
        if letter == "activations"
        else [unpack(one) for one in value]
        if isinstance(value, list)
        else unpack(value)
        for letter, value in case.items()
    }


def _limit_memory() -> None:
    """At most half of the machine's, and 4 GiB in any case: an endless list must not take the machine down."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        most = max(4 * 2**30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
