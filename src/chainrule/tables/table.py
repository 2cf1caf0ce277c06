"""Table: named columns of numbers, booleans and texts, and where they came from."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from chainrule.notation import Array, FloatArray


class BadData(ValueError):
    """A table that cannot be used; the message says where, why, and what to do."""


@dataclass(frozen=True)
class Kind:
    """What a column holds.

    Parameters
    ----------
    name : {"number", "boolean", "text", "date", "other"}
        Categories are "text" too. A network can take the first three.
    levels : tuple of str
        The different texts, sorted, or those that a model knows and then some others; the column's values are their
        positions in it.
    problem : str
        The sentence that is said when the column is to be used, if it cannot be.
    """

    name: str = "number"
    levels: tuple[str, ...] = ()
    problem: str = ""


NUMBERS = Kind()
"""Of a column of plain numbers."""

Text: TypeAlias = bool | Sequence[str]
"""Whether a column is to be text; at prediction the levels that the model knows, so that it may hold any others.

False, where it is said, makes quantities of whole numbers with leading zeros.
"""

Texts: TypeAlias = Mapping[str, Text]
"""The columns that are to be text."""


def texts_of(named: str | Sequence[str] | Texts) -> Texts:
    """The columns that are to be text, of a name, of several, or as they are."""
    return named if isinstance(named, Mapping) else dict.fromkeys((named,) if isinstance(named, str) else named, True)


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of numbers, booleans and texts, and where they came from.

    Parameters
    ----------
    names : tuple of str
        The columns' names, all different.
    values : array of float64, shape (rows, columns), in C order, or a SciPy csr_array
        Numbers; booleans as 0 and 1; texts as positions in their levels; NaN where a cell is empty. It may share memory
        with the array that it was read from. A sparse array holds numbers only.
    origin : str
        What messages call the table: the file's name, "the data frame" or "the array".
    first_row : int
        The number of the first row: 0 as in Python, 1 in a file, where the header stands above it.
    named : bool
        False for an array: its columns are called x0, x1, … and are told apart by position.
    kinds : tuple of Kind
        What each column holds; numbers by default.
    place : callable, optional
        Says in words where a row (from 0) stands in its file: "line 18 of houses.csv".
    numbers : array of int, optional
        The rows' numbers (from 0) where they came from, if some have been left out.
    decimal : str
        The decimal mark of the text that it was read from, where that tells.
    """

    names: tuple[str, ...]
    values: Any
    origin: str = "the table"
    first_row: int = 0
    named: bool = True
    kinds: tuple[Kind, ...] = ()
    place: Callable[[int], str | None] | None = None
    numbers: Array | None = None
    decimal: str = ""

    def __post_init__(self) -> None:
        if not self.kinds:
            object.__setattr__(self, "kinds", (NUMBERS,) * len(self.names))

    def __len__(self) -> int:
        """How many rows."""
        return int(self.values.shape[0])

    @property
    def sparse(self) -> bool:
        """Whether the values are kept sparse."""
        return not isinstance(self.values, np.ndarray)

    def column(self, name: str, *, argument: str = "name") -> FloatArray:
        """Return the values of one column, shape (rows,)."""
        column = self.values[:, positions((name,), self.names, self.origin, argument)[0]]
        return np.asarray(column.toarray() if self.sparse else column).reshape(-1)

    def kind(self, name: str) -> Kind:
        """Return what one column holds."""
        return self.kinds[positions((name,), self.names, self.origin, "name")[0]]

    def select(self, names: Iterable[str], *, argument: str = "name") -> Table:
        """Return the table of these columns, in this order; one name may stand alone."""
        chosen = (names,) if isinstance(names, str) else tuple(names)
        if chosen == self.names:
            return self
        at = positions(chosen, self.names, self.origin, argument)
        values = self.values[:, at] if self.sparse else np.take(self.values, at, axis=1)
        return replace(self, names=chosen, values=values, kinds=tuple(self.kinds[j] for j in at))

    def without(self, names: Iterable[str], *, argument: str = "name") -> Table:
        """Return the table of the other columns; one name may stand alone."""
        dropped = (names,) if isinstance(names, str) else tuple(names)
        left = dict.fromkeys(self.names)
        for j in set(positions(dropped, self.names, self.origin, argument)):
            del left[self.names[j]]
        return self.select(left)

    def take(self, rows: Array) -> Table:
        """Return the table of these rows, which keep their numbers for messages."""
        numbers = np.arange(len(self)) if self.numbers is None else self.numbers
        return replace(self, values=self.values[rows], numbers=numbers[rows])

    def where(self, row: int) -> str:
        """Say where a row stands, in words: "row 17 (line 18 of houses.csv)"."""
        row = row if self.numbers is None else int(self.numbers[row])
        place = None if self.place is None else self.place(row)
        return f"row {row + self.first_row}" + ("" if place is None else f" ({place})")

    def require_usable(self) -> None:
        """Refuse a column that no network can use, with the sentence that says why."""
        unusable = [(name, kind.problem) for name, kind in zip(self.names, self.kinds, strict=True) if kind.problem]
        if unusable:
            why = {"date": "dates", "text": "too many different texts"}
            others = [f"{short(name)} ({why.get(self.kind(name).name, 'not all numbers')})" for name, _ in unusable[1:]]
            shown = ", ".join(others[:10]) + (f" and {len(others) - 10} more" if len(others) > 10 else "")
            raise BadData(unusable[0][1] + (f" Nor can be used: {shown}." if others else ""))


@dataclass(frozen=True)
class Places:
    """Where the rows of files stand that make one table.

    Parameters
    ----------
    of_each : tuple of callable
        Say for each file in words where a row (from 0) of it stands.
    starts : tuple of int
        The number of each file's first row in the table, and at the end the number of all rows.
    """

    of_each: tuple[Callable[[int], str | None], ...]
    starts: tuple[int, ...]

    def __call__(self, row: int) -> str | None:
        """Say where a row of the table stands."""
        file = bisect_right(self.starts, row) - 1
        return self.of_each[file](row - self.starts[file])


def positions(chosen: Iterable[str], names: Sequence[str], origin: str, argument: str) -> list[int]:
    """Return where the chosen columns stand among the names, all of which must be there."""
    position = {name: j for j, name in enumerate(names)}
    found = []
    for name in chosen:
        if name not in position:
            raise BadData(
                f"{argument} must be a column of {origin}; got {short(name)}."
                f"{did_you_mean(name, names)} Its columns are {listed(names)}."
            )
        found.append(position[name])
    return found


def checked_names(names: Sequence[str], origin: str) -> tuple[str, ...]:
    """Refuse a column without a name, and two of one name."""
    counts = Counter(names)
    if "" in counts:
        raise BadData(
            f"columns of {origin} must all have a name; column {names.index('') + 1} of {len(names)} has none. "
            "Name it, or leave it out (pandas writes its index so, unless told index=False; R its row names)."
        )
    name, count = counts.most_common(1)[0] if counts else ("", 0)
    if count > 1:
        raise BadData(f"columns of {origin} must have different names; got {short(name)} {count} times. Rename them.")
    return tuple(names)


def require_same_columns(names: Sequence[str], origin: str, others: Sequence[str], other: str) -> None:
    """Refuse two files of one table whose columns are not the same; their order may differ."""
    for missing, without, wanted in ((names, other, others), (others, origin, names)):
        extra = [name for name in missing if name not in set(wanted)]
        if extra:
            raise BadData(
                f"files of one table must have the same columns; got no {listed(extra)} in {without}, but in "
                f"{origin if without == other else other}. Add the column there, or leave it out of the others."
            )


def require_finite(
    table: Table, names: Iterable[str] | None = None, *, argument: str = "inputs", missing_allowed: bool = False
) -> None:
    """Refuse NaN and infinite values in these columns (all by default), naming the first row and column.

    With `missing_allowed`, as for targets, NaN stands for a missing value and only infinite values are refused.
    """
    chosen = table if names is None else table.select(names, argument=argument)
    bad = np.isinf(chosen.values) if missing_allowed else ~np.isfinite(chosen.values)
    if not bad.any():
        return
    row, j = (int(k) for k in np.argwhere(bad)[0])
    count = int(np.count_nonzero(bad))
    raise BadData(
        f"{argument} must be {'finite or missing' if missing_allowed else 'finite'}; {table.where(row)}, column "
        f"{short(chosen.names[j])} is {chosen.values[row, j]}{f' (the first of {count})' if count > 1 else ''}. "
        f"Drop the row or {'fill the gap' if np.isnan(chosen.values[row, j]) else 'correct the value'} first."
    )


def match(table: Table, names: Sequence[str]) -> Table:
    """Return the columns that a model was trained on, in its order, from a table given to it later.

    Columns are found by name, so their order does not matter and others, such as the target, may stand among them. An
    array has no names: its columns are taken by position, if there are exactly as many, or else as x0, x1 and so on.
    """
    if not table.named:
        if len(table.names) != len(names):
            if set(names) <= set(table.names):  # the table that was trained on, targets and all
                return table.select(names)
            raise BadData(
                f"{table.origin} must have {len(names)} columns, those that the model was trained on "
                f"({listed(names)}); got {len(table.names)}. Pass just these, in this order."
            )
        return replace(table, names=tuple(names))
    present = set(table.names)
    missing = [name for name in names if name not in present]
    if missing:
        raise BadData(
            f"{table.origin} must have the columns that the model was trained on; got no {listed(missing)}."
            f"{did_you_mean(missing[0], table.names)} Its columns are {listed(table.names)}."
        )
    return table.select(names)


def level(value: float, boolean: bool = False) -> str:
    """A number or boolean as the text that stands for it among levels: "3", "2.5", "true"."""
    if boolean:
        return "true" if value else "false"
    return str(int(value)) if value == int(value) else repr(float(value))


def placed(texts: Iterable[str], levels: Sequence[str]) -> FloatArray:
    """The positions of texts among levels, NaN for others; of 207.0 that of 207, and the other way round.

    A whole number is written so where a gap in its column has made floats of integers.
    """
    position = {_whole(one): float(n) for n, one in reversed([*enumerate(levels)])}
    position |= {one: float(n) for n, one in enumerate(levels)}
    return np.array([position.get(one, position.get(_whole(one), np.nan)) for one in texts], dtype=np.float64)


def _whole(text: str) -> str:
    """A text; of a whole number with a decimal the number."""
    return text[:-2] if re.fullmatch(r"(0|-?[1-9][0-9]*)[.,]0", text) else text


def short(value: object, limit: int = 60) -> str:
    """Show a value in few characters: a text in quotes, with � for bytes that are not UTF-8."""
    text = re.sub("[\ud800-\udfff]", "�", str(value))
    text = text if len(text) <= limit else f"{text[:limit]}…"
    return repr(text) if isinstance(value, str) else " ".join(text.split())


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Show the first of these names, and how many more there are."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(short(name) for name in names[:limit]) + rest


def did_you_mean(word: object, words: Iterable[str]) -> str:
    """Ask for the nearest of these words, if one is near."""
    plain = {other.strip().casefold(): other for other in words}
    close = difflib.get_close_matches(str(word).strip().casefold(), plain, n=1)
    return f" Did you mean {short(plain[close[0]])}?" if close else ""
