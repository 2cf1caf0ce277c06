"""Encoding: the columns of a table as numbers a network takes, remembered so that later tables are taken the same way.

A number stays one input, a boolean is 0 or 1, and a text becomes one input a level (one-hot). Where a missing value is
allowed, it is the mean of its column (of a text: no level at all), and a further input says that it was missing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from chainrule.notation import Array, FloatArray
from chainrule.tables.columns import MOST_LEVELS
from chainrule.tables.scaling import Scaling
from chainrule.tables.table import BadData, Kind, Table, level, listed, match, placed, short

BINARY_SD = 0.5
"""What inputs that are 0 or 1 are divided by: the standard deviation of an even one, so that a rare one stays small."""


class UnseenGap(UserWarning):
    """A missing value in a column that had none when the model was trained; it is taken as the column's mean."""


class UnseenLevel(UserWarning):
    """A text that the model was not trained on; it is taken as none of those it knows."""


@dataclass(frozen=True)
class Field:
    """One column of a table, as it was when a model was trained.

    Parameters
    ----------
    name : str
    kind : {"number", "boolean", "text"}
    levels : tuple of str
        Of a text, and of a target that is predicted as classes, in their order.
    fill : float or None
        What stands for a missing number; None refuses it.
    indicator : bool
        Whether an input says that the value was missing.
    """

    name: str
    kind: str = "number"
    levels: tuple[str, ...] = ()
    fill: float | None = None
    indicator: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the network's inputs that stand for it."""
        values = tuple(f"{self.name}={one}" for one in self.levels) if self.kind == "text" else (self.name,)
        return (*values, f"{self.name} missing") if self.indicator else values

    @property
    def binary(self) -> tuple[bool, ...]:
        """Which of them are 0 or 1."""
        return (*(self.kind != "number" for _ in self.inputs[: len(self.inputs) - self.indicator]),) + (
            True,
        ) * self.indicator


@dataclass(frozen=True)
class Encoding:
    """The input columns of a table, in order."""

    fields: tuple[Field, ...]

    @classmethod
    def fit(cls, table: Table, missing: str | None = None, weights: FloatArray | None = None) -> Encoding:
        """Take the columns as they are in a table of the rows that are trained on.

        Parameters
        ----------
        table : Table
            Input columns alone.
        missing : {None, "mean"}
            Whether missing values are refused, or are the mean of their column and have an indicator.
        weights : array, shape (rows,), optional
            Of the rows, for these means.

        Raises
        ------
        BadData
            If a column cannot be used, a value is infinite, or is missing and that is refused.
        """
        table.require_usable()
        if table.sparse:
            if missing is not None and np.isnan(table.values.data).any():
                raise BadData(
                    "a sparse table must be known everywhere to stay sparse; got missing values. Fill them, or pass it "
                    "as a dense array (toarray)."
                )
            require_known(table, fills=[None] * len(table.names))
            return cls(tuple(Field(name) for name in table.names))
        gaps = np.isnan(table.values)
        if missing is None:
            require_known(table, fills=[None] * len(table.names))
        fields = []
        for j, (name, kind) in enumerate(zip(table.names, table.kinds, strict=True)):
            known = table.values[~gaps[:, j], j]
            indicator = len(known) < len(table)
            levels = tuple(kind.levels[int(code)] for code in np.unique(known)) if kind.name == "text" else ()
            fill = None
            if missing is not None:
                fill = 0.0 if kind.name == "text" else float(Scaling.fit(table.values[:, [j]], weights).mean[0])
            fields.append(Field(name, kind.name, levels, fill, indicator))
        return cls(tuple(fields))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(field.name for field in self.fields)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The network's inputs, in order."""
        return tuple(name for field in self.fields for name in field.inputs)

    @property
    def text(self) -> dict[str, tuple[str, ...]]:
        """The columns that are read as text, whatever they look like, and their levels."""
        return {field.name: field.levels for field in self.fields if field.kind == "text"}

    def encode(self, table: Table, *, warn: bool = True) -> Any:
        """Inputs (rows, inputs) of a table that has the columns; sparse if the table is and all are plain numbers.

        Raises
        ------
        BadData
            If a column is missing or holds what it did not in training, or a value is infinite or missing where that is
            refused.

        Warns
        -----
        UnseenLevel
            If a text was not seen in training.
        """
        read = match(table, self.names)
        for field, kind in zip(self.fields, read.kinds, strict=True):
            _require_kind(read, field, kind)
        require_known(read, [field.fill for field in self.fields])
        if read.sparse:
            if all(field == Field(field.name) for field in self.fields):
                return read.values
            read = replace(read, values=read.values.toarray())
        out = np.empty((len(read), len(self.inputs)))
        at = 0
        for j, field in enumerate(self.fields):
            values, gaps = read.values[:, j], np.isnan(read.values[:, j])
            if warn and not field.indicator and gaps.any():
                _warn_of_gaps(read, field, gaps)
            if field.kind == "text":
                codes = codes_of(values, read.kinds[j], field.levels)
                if warn:
                    _warn_of_unseen(read, j, field, codes, gaps)
                for position in range(len(field.levels)):
                    out[:, at + position] = codes == position
            else:
                out[:, at] = values if field.fill is None else np.where(gaps, field.fill, values)
            at += len(field.inputs)
            if field.indicator:
                out[:, at - 1] = gaps
        return out

    def scaling(self, values: Any, weights: FloatArray | None = None) -> Scaling:
        """Mean and standard deviation of encoded inputs; what is 0 or 1 is divided by :data:`BINARY_SD`."""
        measured = Scaling.fit(values, weights)
        binary = np.array([one for field in self.fields for one in field.binary], dtype=bool)
        return Scaling(measured.mean, np.where(binary, BINARY_SD, measured.sd))

    def to_spec(self) -> list[dict[str, Any]]:
        """As plain data."""
        return [spec_of(field) for field in self.fields]


def spec_of(field: Field) -> dict[str, Any]:
    """A field as plain data."""
    return asdict(field) | {"levels": list(field.levels)}


def field_of(spec: dict[str, Any]) -> Field:
    """The field of :func:`spec_of`; ValueError if it is none."""
    field = Field(**(spec | {"levels": tuple(spec["levels"])}))
    good = (
        isinstance(field.name, str)
        and field.kind in {"number", "boolean", "text"}
        and all(isinstance(one, str) and _is_level(one, field.kind) for one in field.levels)
        and len(set(field.levels)) == len(field.levels)
        and (field.fill is None or (isinstance(field.fill, float) and np.isfinite(field.fill)))
        and isinstance(field.indicator, bool)
        and (bool(field.levels) or field.kind != "text" or field.indicator)
    )
    if not good:
        raise ValueError(f"columns must be described as save does; got {spec!r:.200}. Save the model again.")
    return field


def _is_level(text: str, kind: str) -> bool:
    """Whether a text stands for a value of this kind, as :func:`level` writes it."""
    if kind != "number":
        return kind == "text" or text in {"false", "true"}
    try:
        return level(float(text)) == text
    except (ValueError, OverflowError):
        return False


def codes_of(values: FloatArray, kind: Kind, levels: Sequence[str]) -> FloatArray:
    """The positions of a column's values in these levels, (rows,); NaN where missing or not among them."""
    known = ~np.isnan(values)
    codes = np.full(len(values), np.nan)
    if kind.name == "text":
        codes[known] = placed(kind.levels, levels)[values[known].astype(np.intp)]
    else:
        different, which = np.unique(values[known], return_inverse=True)
        boolean = kind.name == "boolean"
        codes[known] = placed([level(one, boolean) for one in different.tolist()], levels)[which]
    return codes


def classes_of(table: Table, name: str) -> tuple[str, ...]:
    """The different values of a column as texts in order, numbers by size; of many only the first."""
    kind, values = table.kind(name), table.column(name)
    different = np.unique(values[~np.isnan(values)])[: MOST_LEVELS + 1].tolist()
    if kind.name == "text":
        return tuple(kind.levels[int(code)] for code in different)
    return tuple(level(one, kind.name == "boolean") for one in different)


def _require_kind(table: Table, field: Field, kind: Kind) -> None:
    """Refuse a column that holds something else than it did in training; nothing at all may stand for anything."""
    if kind.problem:
        raise BadData(kind.problem)
    to_boolean = field.kind == "boolean" and kind.name == "number"  # which 0 and 1 stand for
    if field.kind == "text" or (kind.name != "text" and not to_boolean):  # numbers are compared as they are written
        return
    values = table.column(field.name)
    strange = np.flatnonzero(~np.isnan(values) & ~(to_boolean & np.isin(values, (0.0, 1.0))))
    if not strange.size:
        return
    row = int(strange[0])
    holds = f"{values[row]:g}" if to_boolean else short(kind.levels[int(values[row])])
    raise BadData(
        f"column {short(field.name)} must hold {field.kind}s, as when the model was trained; {table.where(row)} holds "
        f"{holds}. Correct it, or train the model anew."
    )


def require_known(table: Table, fills: Sequence[float | None]) -> None:
    """Refuse infinite values, and missing ones where nothing stands for them, naming the first row and column."""
    stored = table.values.data if table.sparse else table.values
    if np.isfinite(stored).all():
        return
    values = table.values.toarray() if table.sparse else table.values
    refused = np.isinf(values) | (np.isnan(values) & np.array([fill is None for fill in fills]))
    if not refused.any():
        return
    row, j = (int(k) for k in np.argwhere(refused)[0])
    count, gap = int(np.count_nonzero(refused)), bool(np.isnan(values[row, j]))
    what = "missing" if gap else str(values[row, j])
    more = f" (the first of {count} in {listed([table.names[k] for k in np.flatnonzero(refused.any(axis=0))])})"
    cure = "drop the row, leave the column out, or train with missing='mean' (--missing mean)"
    raise BadData(
        f"inputs must be {'known' if gap else 'finite'}; {table.where(row)}, column {short(table.names[j])} is {what}"
        f"{more if count > 1 else ''}. {cure.capitalize() if gap else 'Correct the value or drop the row'}."
    )


def _warn_of_gaps(table: Table, field: Field, gaps: Array) -> None:
    """Of gaps in a column that had none in training; where it had, an input says that a value is missing."""
    row, count = int(np.argmax(gaps)), int(gaps.sum())
    rows = f"{table.where(row)} lacks it" if count == 1 else f"{count} rows lack it, {table.where(row)} first"
    taken = "none of its texts" if field.kind == "text" else f"its mean, {field.fill:.6g}"
    warnings.warn(
        f"column {short(field.name)} must be known, as it was in every row that the model was trained on; {rows}. It "
        f"is taken as {taken}.",
        UnseenGap,
        stacklevel=6,  # where predict was called
    )


def _warn_of_unseen(table: Table, j: int, field: Field, codes: FloatArray, gaps: Array) -> None:
    unseen = np.flatnonzero(np.isnan(codes) & ~gaps)
    if not unseen.size:
        return
    row = int(unseen[0])
    kind, value = table.kinds[j], table.values[row, j]
    text = kind.levels[int(value)] if kind.name == "text" else level(float(value), kind.name == "boolean")
    rows = f"{table.where(row)} holds" if len(unseen) == 1 else f"{len(unseen)} rows hold others, {table.where(row)}"
    warnings.warn(
        f"column {short(field.name)} must hold what the model was trained on, {listed(field.levels) or 'no text'}; "
        f"{rows} {short(text)}. It is taken as none of them.",
        UnseenLevel,
        stacklevel=6,  # where predict was called
    )
