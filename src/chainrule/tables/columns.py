"""What a column holds, and the float64 values that its cells become.

A column is looked at first (`look`), as a whole or part by part, for what it holds is a matter of all its cells; then
it is decided what it is (`decide`), and each part becomes numbers in the same way (`values`). Columns are Arrow's;
those of Python's objects, which may hold anything, become numbers here or text for Arrow.
"""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.notation import Array, FloatArray
from chainrule.tables.table import NUMBERS, Kind, Text, level, placed, short

if TYPE_CHECKING:
    import pyarrow as pa

EXACT = 2**53
"""The largest size up to which float64 tells every whole number from its neighbours."""

MOST_LEVELS = 100
"""Of a column of text: with more, it is a name, an identifier or prose, and each text is too rare to learn from."""

REST = " …"
"""The level that stands for all texts but the first that a model does not know; no text begins with a blank."""

MISSING = frozenset(
    ("", "NA", "N/A", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None", "n/a")
)
"""Cells of a text file that mean a missing value."""

MARKS = frozenset(("?", ".", "-", "--"))
"""Cells of a text file that mean one too where all other cells of the column are numbers."""

WORDS = r"[+-]?inf(inity)?|[+-]?nan"


def _form(point: str, comma: str) -> str:
    """Pattern of numbers with this decimal mark, and perhaps the other one between thousands."""
    plain = f"([0-9]+{point}?[0-9]*|{point}[0-9]+)(e[+-]?[0-9]+)?"
    return f"(?i)^([+-]?({plain}|[0-9]{{1,3}}({comma}[0-9]{{3}})+({point}[0-9]*)?)|{WORDS})$"


FORMS = {".": _form(r"\.", ","), ",": _form(",", r"\.")}
"""What a number looks like, by its decimal mark, without the spaces around it."""

ALIKE = (
    r"(?i)^[+\-−]?[$€£]? ?([0-9]{1,3}([., '’_\x{a0}\x{202f}][0-9]{3})+|[0-9]+)?([.,][0-9]*)?(e[+-]?[0-9]+)? ?[%€$£]?$"
)
"""What somebody may have meant as a number."""

DATE = (
    r"(?i)^([0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/. ]([0-9]{1,2}|[a-z]{3})[-/. ]([0-9]{4}|[0-9]{2}))?"
    r"([t ]? ?[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?[ap]m)?(z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
"""Dates and times, in the orders in which people write them."""

TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}
"""What booleans look like in a text file, in capitals or not, if there is no other number in their column."""

ZEROS = "^0+[1-9][0-9]*$"
"""A whole number with leading zeros, such as 01067: in a column of digits alone it names something."""

Where = Callable[[int], str]


@dataclass(frozen=True)
class Facts:
    """What is known of a column's cells after a look at some of them.

    Attributes
    ----------
    family : str
        What Arrow takes them for: "number", "boolean", "text", "category", "date", "other", "" if all are missing, or
        "mixed" if this differs from part to part; "surrogate" if it takes a text for none.
    rows : int
        How many cells have been looked at, missing ones too.
    tallies : dict of str to (int, int, str)
        Of the cells with a property: how many, the row of the first, and its text. "known" are not missing.
    levels : tuple of str
        The different texts that no model knows yet, as they come; of more than MOST_LEVELS the first.
    """

    family: str = ""
    rows: int = 0
    tallies: Mapping[str, tuple[int, int, str]] = field(default_factory=dict)
    levels: tuple[str, ...] = ()

    def __add__(self, later: Facts) -> Facts:
        """Return the facts of both, the later cells standing below."""
        tallies = dict(self.tallies)
        for name, (count, row, cell) in later.tallies.items():
            before = tallies.get(name)
            tallies[name] = (count, row + self.rows, cell) if before is None else (before[0] + count, *before[1:])
        families = {self.family, later.family} - {""}
        levels = tuple(dict.fromkeys((*self.levels, *later.levels)))[: MOST_LEVELS + 1]
        family = "mixed" if len(families) > 1 else "".join(families)
        return Facts(family, self.rows + later.rows, tallies, levels)

    def count(self, name: str) -> int:
        """How many cells have a property."""
        return self.tallies[name][0] if name in self.tallies else 0


@dataclass(frozen=True)
class Reading:
    """What a column is, and the decimal mark of numbers that come as text."""

    kind: Kind = NUMBERS
    decimal: str = "."


# --------------------------------------------------------------------------------------------------------- look, decide


def look(column: pa.ChunkedArray, *, text: Text = False, missing: Collection[str] = ("",)) -> Facts:
    """Look at the cells of an Arrow column; with `text`, numbers are to be texts too."""
    import pyarrow as pa

    kind, rows, known = column.type, len(column), len(column) - column.null_count
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return look(_storage(column), text=text, missing=missing)
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if not known:
        return Facts("", rows)
    if is_text(kind) or (text is not False and (numeric or types.is_boolean(kind))):
        category = text is not False or types.is_dictionary(kind)
        return _look_at_texts(*texts(column), "category" if category else "text", missing, text)
    if numeric:
        return Facts("number", rows, {"known": (known, *_first(column)), **_too_large(column)})
    if types.is_boolean(kind):
        return Facts("boolean", rows, {"known": (known, *_first(column))})
    family = "date" if types.is_temporal(kind) else "other"
    return Facts(family, rows, {"known": (known, *_first(column))})


def decide(
    name: str,
    facts: Facts,
    where: Where,
    *,
    text: Text = False,
    decimals: str = "",
    preferred: str = "",
    quantities: bool = False,
) -> Reading:
    """Decide what a column is.

    As a `text` whose levels are given it has these, and then those others that are not too many to be told apart.
    `decimals` are the marks that numbers written as text may have, none if text is to stay text; `preferred` is the one
    to take where both are possible, as in 1,234. Of `quantities` leading zeros say nothing.
    """
    say = _Sentences(name, facts, where)
    known = facts.count("known")
    if facts.family == "mixed":
        return Reading(Kind("other", problem=say.mixed()))
    if facts.count("large") and facts.family not in {"text", "category"}:
        return Reading(Kind("other", problem=say.not_exact()))
    if facts.family in {"", "number"}:
        return Reading()
    if facts.family == "boolean":
        return Reading(Kind("boolean"))
    problems = {"date": say.date, "other": say.other, "surrogate": say.surrogate}
    if facts.family in problems:
        return Reading(Kind("date" if facts.family == "date" else "other", problem=problems[facts.family]()))
    if facts.family == "text":
        names = bool(decimals) and not quantities and has_zeros(facts)
        reading = None if names else _decide_text(facts, say, known - facts.count("mark"), decimals, preferred)
        if reading is not None:
            return reading
    many = len(facts.levels) > MOST_LEVELS
    if isinstance(text, bool):
        return Reading(Kind("text", problem=say.too_many()) if many else Kind("text", tuple(sorted(facts.levels))))
    return Reading(Kind("text", (*text, *facts.levels[:MOST_LEVELS], *((REST,) if many else ()))))


def has_zeros(facts: Facts) -> bool:
    """Whether texts are all digits, some with leading zeros."""
    return bool(facts.count("zeros")) and not facts.count("not digits")


def _decide_text(facts: Facts, say: _Sentences, cells: int, decimals: str, preferred: str) -> Reading | None:
    """Decide whether texts are numbers, booleans or dates; None if they are texts, marks for missing ones aside."""
    if not cells:
        return Reading() if decimals else None
    possible = [mark for mark in decimals if not facts.count(f"not {mark}")]
    if possible:
        if len(possible) > 1 and facts.count("comma") and not preferred:
            return Reading(Kind("other", problem=say.ambiguous()))
        decimal = preferred if preferred in possible else possible[0]
        if facts.count("large"):
            return Reading(Kind("other", problem=say.not_exact()))
        return Reading(NUMBERS, decimal)
    if decimals and not facts.count("not boolean") and not facts.count("mark"):
        return Reading(Kind("boolean"))
    if not facts.count("not date"):
        return Reading(Kind("date", problem=say.date()))
    if cells - facts.count("not alike") > 0.8 * cells:
        failing = min(decimals or ".", key=lambda mark: facts.count(f"not {mark}"))
        return Reading(Kind("other", problem=say.typo(f"not {failing}")))
    return None


@dataclass(frozen=True)
class _Sentences:
    """What is said of a column that no network can use."""

    name: str
    facts: Facts
    where: Where

    def _must(self, tally: str, got: str) -> str:
        _, row, cell = self.facts.tallies[tally]
        what = f"{self.where(row)} holds {cell}"
        return (
            f"column {short(self.name)} must be numbers, booleans or text with few levels; "
            f"{got.format(what=what) if got else what}. "
        )

    def _option(self, option: str) -> str:
        return f"({option} {short_word(self.name)})"

    def date(self) -> str:
        return self._must("known", "it holds dates or times ({what})") + (
            f"Leave it out {self._option('--ignore')}, or replace it by numbers such as the year."
        )

    def other(self) -> str:
        return self._must("known", "") + (
            f"Leave it out {self._option('--ignore')}, or turn it into plain numbers such as 1234.5."
        )

    def surrogate(self) -> str:
        return self._must("known", "{what} with half a surrogate pair, which is no character") + (
            f"Read its source in its own encoding, or leave it out {self._option('--ignore')}."
        )

    def mixed(self) -> str:
        return self._must("known", "it is of another kind in one file than in another (at first {what})") + (
            f"Write it in one way, or leave it out {self._option('--ignore')}."
        )

    def ambiguous(self) -> str:
        return self._must("comma", "{what}, whose comma may stand before decimals or between thousands") + (
            "Say which decimal mark it is: '.' or ',' (--decimal, or decimal in a Dialect)."
        )

    def typo(self, tally: str) -> str:
        if tally not in self.facts.tallies:  # texts that are plain numbers, in a frame that tells the two apart
            return self._must("known", "it holds numbers kept as text ({what})") + (
                f"Turn it into numbers, or use it as text {self._option('--text')}."
            )
        cell, count = self.facts.tallies[tally][2], self.facts.count("not alike")
        word = others = ""
        if not re.search(r"[0-9…\\]", cell):
            word = f"say that it marks a gap (--gap {shlex.quote(cell[1:-1])}), "
            others = f" (the first of {count:,} that do not)" if count > 1 else ""
        return self._must(tally, "{what} where most cells look like numbers" + others) + (
            f"Correct or empty the cell, {word}leave the column out {self._option('--ignore')}, or use it as text "
            f"{self._option('--text')}."
        )

    def too_many(self) -> str:
        return self._must("known", f"it holds more than {MOST_LEVELS} different texts ({{what}})") + (
            f"Leave it out {self._option('--ignore')}, or group rare texts into one first"
            f"{', or write it without leading zeros if it counts something' if has_zeros(self.facts) else ''}."
        )

    def not_exact(self) -> str:
        _, row, cell = self.facts.tallies["large"]
        return (
            f"column {short(self.name)} must hold numbers that float64 can tell apart, whole ones up to 2**53 in "
            f"size; {self.where(row)} holds {cell}. "
            f"Leave it out if it is an identifier {self._option('--ignore')}, or subtract an offset from it."
        )


def short_word(name: str) -> str:
    """Write a name as one word of a command line."""
    return shlex.quote(name if len(name) <= 60 else f"{name[:60]}…")


# ------------------------------------------------------------------------------------------------------ Arrow's columns


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts, or categories that can be written as texts."""
    from pyarrow import types

    if types.is_dictionary(kind):
        inner = kind.value_type
        return is_text(inner) or types.is_integer(inner) or types.is_floating(inner) or bool(types.is_boolean(inner))
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def values(column: pa.ChunkedArray, reading: Reading, *, missing: Collection[str] = ("",)) -> FloatArray:
    """Return the values of an Arrow column; NaN where a cell is missing, and everywhere if it cannot be used."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = reading.kind
    if kind.problem or pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if isinstance(column.type, pa.BaseExtensionType):
        return values(_storage(column), reading, missing=missing)
    if kind.name == "text":
        at, cells = texts(column)
        found = pc.index_in(cells, pa.array(kind.levels, cells.type))
        codes = found.cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
        absent = _is_absent(cells, missing)
        codes[absent] = np.nan  # a level of the model's may have been said to be a gap since
        other = np.flatnonzero(np.isnan(codes) & ~absent)
        if other.size:  # at prediction: 207.0 for the level 207, or one of too many to be told apart
            codes[other] = np.nan_to_num(
                placed(cells.take(pa.array(other)).to_pylist(), kind.levels), nan=len(kind.levels) - 1
            )
        return _spread(at, codes)
    if is_text(column.type):
        at, cells = texts(column)
        return _spread(at, _numbers(cells, reading, frozenset(missing) | MARKS))
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())  # by way of its digits, which is exact; Arrow's own way is not
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def stacked(columns: Sequence[FloatArray], rows: int) -> FloatArray:
    """Return columns as one array in C order; few rows at a time, which is ten times as fast as a column at a time."""
    found = np.empty((rows, len(columns)))
    for start in range(0, rows, 4096):
        for j, column in enumerate(columns):
            found[start : start + 4096, j] = column[start : start + 4096]
    return found


def texts(column: pa.ChunkedArray) -> tuple[Array, pa.Array]:
    """Return a column as positions (-1: missing) in its different texts, without the spaces around them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    else:
        if is_text(column.type):
            column = column.cast(pa.large_string())
        elif pa.types.is_decimal(column.type):
            column = column.cast(pa.string()).cast(pa.float64())
        column = column.dictionary_encode()
    whole = column.combine_chunks()
    cells, at = whole.dictionary, whole.indices.cast(pa.int64()).fill_null(-1).to_numpy()
    if not is_text(cells.type):
        plain = cells.to_numpy(zero_copy_only=False)
        cells = pa.array([as_text(cell) for cell in plain], pa.large_string())
    return at, pc.utf8_trim_whitespace(cells.cast(pa.large_string()))


def as_text(cell: Any) -> str | None:
    """Write a cell in the plainest way: 3 for 3.0, 2.5 for 2.50, true; None if it is missing."""
    if isinstance(cell, str) or is_missing(cell):
        return cell if isinstance(cell, str) else None
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, Integral):
        return str(int(cell))
    number = float(cell)
    return level(number) if np.isfinite(number) else repr(number)


def _spread(at: Array, of_each: FloatArray) -> FloatArray:
    """Return for each cell the value of its text."""
    return np.append(of_each, np.nan)[at]


def _numbers(cells: pa.Array, reading: Reading, missing: Collection[str]) -> FloatArray:
    """Return the numbers, or booleans, that texts stand for."""
    import pyarrow.compute as pc

    if reading.kind.name == "boolean":
        found = [None if cell in missing else TRUTH[cell.lower()] for cell in _strings(cells)]
    else:
        plain = pc.replace_substring(cells, "," if reading.decimal == "." else ".", "")
        plain = pc.replace_substring(plain, ",", ".")
        found = [
            None if cell in missing else float(number)
            for cell, number in zip(_strings(cells), _strings(plain), strict=True)
        ]
    return np.array(found, dtype=np.float64)


def _strings(cells: pa.Array) -> list[str]:
    return ["" if cell is None else cell for cell in cells.to_pylist()]


def _storage(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)


def _look_at_texts(at: Array, cells: pa.Array, family: str, missing: Collection[str], text: Text) -> Facts:
    """Facts of texts that are given as positions (-1: missing) in the different ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows, at = len(at), np.where(at < 0, len(cells), at)
    absent = np.append(_is_absent(cells, missing), True)
    counts = np.bincount(at, minlength=len(cells) + 1)
    first = np.full(len(cells) + 1, rows)
    first[at[::-1]] = np.arange(rows)[::-1]
    here = ~absent & (counts > 0)

    def tally(mask: Array, show: Callable[[Any], str]) -> tuple[int, int, str] | None:
        chosen = np.flatnonzero(np.append(mask, False) & here)
        if not len(chosen):
            return None
        best = int(chosen[np.argmin(first[chosen])])
        return int(counts[chosen].sum()), int(first[best]), show(cells[best].as_py())

    masks = {"known": np.ones(len(cells), dtype=bool)}
    if family == "text":
        mark = _is_in(cells, MARKS)
        masks["mark"] = mark
        numeral = _matches(cells, r"(?i)^[+\-−$€£]*[.,]?[0-9]|^[+-]?(inf|nan)")
        some, found = cells.filter(pa.array(numeral)), {}
        for name, pattern in {**FORMS, "alike": ALIKE, "date": DATE, "comma": ","}.items():
            found[name] = numeral.copy()
            found[name][numeral] = _matches(some, pattern)
        found["alike"] |= found["."] | found[","]
        masks |= {f"not {name}": ~found[name] & ~mark for name in (".", ",", "alike", "date")}
        masks["comma"] = found["comma"] & found["."]
        masks["zeros"] = numeral & _matches(cells, ZEROS)
        masks["not digits"] = ~_matches(cells, "^[0-9]+$") & ~mark
        masks["not boolean"] = ~_matches(cells, "(?i)^(true|false|0|1)$")
        large = numeral & _matches(cells, r"^[+-]?([0-9]{16,}|[0-9]{1,3}([.,][0-9]{3}){5,})$")
        large[large] = [_size(cell) > EXACT for cell in cells.filter(pa.array(large)).to_pylist()]
        masks["large"] = large
    shown = {name: tally(mask, str if name == "large" else short) for name, mask in masks.items()}
    tallies = {name: one for name, one in shown.items() if one is not None}
    present = np.flatnonzero(here)
    different = pc.unique(cells.take(pa.array(present[np.argsort(first[present])])))
    if not isinstance(text, bool):
        different = different[
            : MOST_LEVELS + 1 + 3 * len(text)
        ]  # a level of the model is written in three ways at most
        different = different.filter(pa.array(np.isnan(placed(different.to_pylist(), text))))
    levels = tuple(different[: MOST_LEVELS + 1].to_pylist())
    return Facts(family if "known" in tallies else "", rows, tallies, levels)


def _size(cell: str) -> int:
    return abs(int(cell.replace(",", "").replace(".", "")))


def _mask(boolean: pa.Array) -> Array:
    return np.asarray(boolean.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)


def _is_absent(cells: pa.Array, missing: Collection[str]) -> Array:
    """Which texts mean a missing value."""
    import pyarrow.compute as pc

    return np.asarray(_is_in(cells, missing) | _mask(pc.is_null(cells)), dtype=bool)


def _is_in(cells: pa.Array, words: Collection[str]) -> Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return _mask(pc.is_in(cells, pa.array(sorted(words), cells.type)))


def _matches(cells: pa.Array, pattern: str) -> Array:
    import pyarrow.compute as pc

    return _mask(pc.match_substring_regex(cells, pattern))


def _first(column: pa.ChunkedArray) -> tuple[int, str]:
    """The row of the first known cell of a column, and what it holds."""
    row = int(np.argmax(_mask(column.is_valid()))) if column.null_count else 0
    return row, _shown(column[row])


def _shown(scalar: Any) -> str:
    try:
        return short(scalar.as_py())
    except (ValueError, ImportError):  # nanoseconds, without pandas
        import pyarrow as pa

        return short(str(scalar.cast(pa.string())))


def _too_large(column: pa.ChunkedArray) -> dict[str, tuple[int, int, str]]:
    """The tally of whole numbers beyond 2**53, of integers and decimals: floats are what they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        return {}
    if pa.types.is_decimal(column.type):
        rough = np.abs(column.cast(pa.string()).cast(pa.float64()).to_numpy())
        rows = [row for row in np.flatnonzero(rough >= EXACT).tolist() if _is_too_large(column[row].as_py())]
    else:
        low, high = pc.min_max(column).as_py().values()
        if -EXACT <= low <= high <= EXACT:
            return {}
        above = _mask(pc.greater(column, pa.scalar(EXACT, column.type))) if high > EXACT else False
        rows = np.flatnonzero(
            above | (_mask(pc.less(column, pa.scalar(-EXACT, column.type))) if low < -EXACT else False)
        ).tolist()
    return {"large": (len(rows), rows[0], str(short(int(column[rows[0]].as_py()))))} if rows else {}


# ---------------------------------------------------------------------------------------------------- Python's columns


def vector(
    name: str, cells: Array, where: Where, *, text: Text = False, missing: Collection[str] = ("",)
) -> tuple[FloatArray, Kind]:
    """Return the values and the kind of one column of an array, of any dtype; masked entries are missing."""
    masked: Array = np.atleast_1d(np.ma.getmaskarray(cells))
    cells = np.ma.getdata(cells)
    if cells.ndim != 1 or cells.dtype.kind not in "biuf" or (text is not False and cells.dtype.kind != "U"):
        hidden = masked if masked.ndim == 1 else masked.reshape(len(cells), -1).all(1)
        plain_cells = [None if hide else cell for hide, cell in zip(hidden, cells, strict=True)]
        return objects(name, plain_cells, where, text=text, missing=missing)
    cells = np.where(masked, cells.dtype.type(0), cells)
    if cells.dtype.kind in "iu" and not -EXACT <= int(cells.min()) <= int(cells.max()) <= EXACT:
        return objects(name, [None if hide else cell for hide, cell in zip(masked, cells.tolist(), strict=True)], where)
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, and is refused as such when used
        plain = np.where(masked, np.nan, cells.astype(np.float64))
    return plain, Kind("boolean") if cells.dtype.kind == "b" else NUMBERS


def objects(
    name: str, cells: Sequence[Any], where: Where, *, text: Text = False, missing: Collection[str] = ("",)
) -> tuple[FloatArray, Kind]:
    """Return the values and the kind of one column of Python's objects: the only loop over cells."""
    import pyarrow as pa

    odd = next(((row, cell) for row, cell in enumerate(cells) if not _is_plain(cell)), None)
    if odd is not None:
        row, cell = odd
        family = "date" if isinstance(cell, _DATES) else "surrogate" if isinstance(cell, str) else "other"
        facts = Facts(family, len(cells), {"known": (1, row, short(cell))})
        return np.full(len(cells), np.nan), decide(name, facts, where).kind
    if text is not False or any(isinstance(cell, str) for cell in cells):
        column = pa.chunked_array([pa.array([as_text(cell) for cell in cells], pa.large_string())])
        reading = decide(name, look(column, text=text, missing=missing), where, text=text)
        return values(column, reading, missing=missing), reading.kind
    known = [(row, cell) for row, cell in enumerate(cells) if not is_missing(cell)]
    large = next(((row, cell) for row, cell in known if _is_too_large(cell)), None)
    if large is not None:
        facts = Facts("number", len(cells), {"large": (1, large[0], short(int(large[1])))})
        return np.full(len(cells), np.nan), decide(name, facts, where).kind
    found = np.full(len(cells), np.nan)
    for row, cell in known:
        try:
            found[row] = float(cell)
        except (ValueError, OverflowError):  # a signalling NaN, a fraction beyond float64
            facts = Facts("other", len(cells), {"known": (1, row, short(cell))})
            return np.full(len(cells), np.nan), decide(name, facts, where).kind
    truth = bool(known) and all(isinstance(cell, bool | np.bool_) for _, cell in known)
    return found, Kind("boolean") if truth else NUMBERS


_SURROGATE = re.compile("[\ud800-\udfff]")

_DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def is_missing(cell: Any) -> bool:
    """Whether a cell of Python is missing: None, NaN, or pandas' own, which equal nothing."""
    if isinstance(cell, Decimal):
        return cell.is_qnan()
    return cell is None or type(cell).__name__ in {"NAType", "NaTType"} or bool(_is_float(cell) and cell != cell)


def _is_float(cell: Any) -> bool:
    return isinstance(cell, float | np.floating)


def _is_plain(cell: Any) -> bool:
    """Whether a cell is missing, a text that UTF-8 can hold or a number."""
    if isinstance(cell, str):
        return cell.isascii() or _SURROGATE.search(cell) is None
    number = isinstance(cell, Real | Decimal | np.bool_) and not isinstance(cell, np.timedelta64)
    return number or is_missing(cell)


def _is_too_large(cell: Any) -> bool:
    whole = isinstance(cell, Integral | Fraction) or (isinstance(cell, Decimal) and cell.is_finite())
    return bool(whole and abs(cell) > EXACT and cell == int(cell))
