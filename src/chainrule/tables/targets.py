"""Targets: the columns to predict as outputs of a network, and its outputs as predictions.

Numbers are regression: one output each, standardised. Texts, booleans and categories are classification: a column of
two levels is one logistic output, one of more a softmax over its levels; several columns at once have two levels each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.notation import Array, FloatArray
from chainrule.tables.columns import MOST_LEVELS
from chainrule.tables.encoding import Field, classes_of, codes_of, field_of, spec_of
from chainrule.tables.scaling import Scaling
from chainrule.tables.table import BadData, Table, level, listed, match, require_finite, short

TASKS = ("regression", "classification")

FEW = 10
"""Different whole values up to which numbers may be meant as classes, which is then said."""


@dataclass(frozen=True)
class Targets:
    """The target columns, in order, and what is predicted of them.

    Parameters
    ----------
    fields : tuple of Field
        For classification with their levels.
    task : {"regression", "classification"}
    scaling : Scaling or None
        Of the targets of a regression.
    shares : tuple of tuples of float
        Of each level among the rows trained on, for each target of a classification.
    """

    fields: tuple[Field, ...]
    task: str = "regression"
    scaling: Scaling | None = None
    shares: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def fit(cls, table: Table, task: str | None = None) -> Targets:
        """Take the columns as they are in a table of the target columns alone.

        Parameters
        ----------
        table : Table
        task : {None, "regression", "classification"}
            None finds it from the columns.

        Raises
        ------
        BadData
            If the columns cannot be predicted so.
        """
        table.require_usable()
        require_finite(table, argument="targets", missing_allowed=True)
        return cls.of([Field(name, table.kind(name).name, classes_of(table, name)) for name in table.names], task)

    @classmethod
    def of(cls, fields: Sequence[Field], task: str | None = None) -> Targets:
        """The same of columns of which the levels, or different values, are known."""
        chosen = _task_of(fields) if task is None else task
        for field in fields:
            if chosen == "classification":
                _require_classes(field, len(fields), task is not None)
            elif field.kind == "text":
                raise BadData(
                    f"targets of a regression must be numbers; column {short(field.name)} holds "
                    f"{listed(field.levels, 3)}. Correct it, or choose the task 'classification'."
                )
        if chosen == "regression":
            fields = [replace(field, levels=()) for field in fields]
        return cls(tuple(fields), chosen)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(field.name for field in self.fields)

    @property
    def text(self) -> dict[str, tuple[str, ...]]:
        """The columns that are read as text, whatever they look like, and their levels."""
        return {field.name: field.levels for field in self.fields if field.kind == "text"}

    @property
    def softmax(self) -> bool:
        """Whether the outputs are the levels of one column."""
        return self.task == "classification" and len(self.fields) == 1 and len(self.fields[0].levels) > 2

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's outputs, in order; of a column of two levels, the second."""
        if self.task == "regression":
            return self.names
        of_levels = [[f"{field.name}={one}" for one in field.levels] for field in self.fields]
        return tuple(of_levels[0]) if self.softmax else tuple(names[-1] for names in of_levels)

    @property
    def activation(self) -> str:
        """Of the network's outputs."""
        return "identity" if self.task == "regression" else "softmax" if self.softmax else "logistic"

    @property
    def objective(self) -> str:
        """What the network minimises."""
        return "sse" if self.task == "regression" else "cross_entropy"

    def truth(self, table: Table) -> FloatArray:
        """The targets of a table: numbers, or the positions of levels, (rows, targets); NaN where missing.

        Raises
        ------
        BadData
            If a column is missing, or holds what is no target of this kind.
        """
        read = match(table, self.names)
        read.require_usable()
        if read.sparse:
            read = replace(read, values=read.values.toarray())
        require_finite(read, argument="targets", missing_allowed=True)
        if self.task == "regression":
            for name, kind in zip(read.names, read.kinds, strict=True):
                known = np.flatnonzero(~np.isnan(read.column(name)))
                if kind.name == "text" and known.size:
                    row = int(known[0])
                    text = short(kind.levels[int(read.column(name)[row])])
                    raise BadData(
                        f"target {short(name)} must hold numbers; {read.where(row)} holds {text}. Correct it."
                    )
            return np.asarray(read.values, dtype=np.float64)
        codes = np.empty((len(read), len(self.fields)))
        for j, (field, kind) in enumerate(zip(self.fields, read.kinds, strict=True)):
            values = read.column(field.name)
            codes[:, j] = codes_of(values, kind, field.levels)
            strange = np.flatnonzero(np.isnan(codes[:, j]) & ~np.isnan(values))
            if strange.size:
                row = int(strange[0])
                text = kind.levels[int(values[row])] if kind.name == "text" else level(float(values[row]))
                raise BadData(
                    f"target {short(field.name)} must be one of {listed(field.levels)}; {read.where(row)} holds "
                    f"{short(text)}. Correct it, or train the model with rows of it."
                )
        return codes

    def encode(self, truth: FloatArray) -> FloatArray:
        """Targets of the network (rows, outputs): standardised numbers, or shares of levels; NaN where missing."""
        if self.scaling is not None:
            scaled: FloatArray = self.scaling.apply(truth, self.names)
            return scaled
        if not self.softmax:
            return truth
        shares: FloatArray = (truth == np.arange(len(self.fields[0].levels))).astype(np.float64)
        shares[np.isnan(truth[:, 0])] = np.nan
        return shares

    def decode(self, outputs: FloatArray) -> FloatArray:
        """Predictions (rows, targets) of the network's outputs: numbers, or the positions of the likeliest levels."""
        if self.task == "regression":
            undone: FloatArray = outputs if self.scaling is None else self.scaling.undo(outputs)
            return undone
        if self.softmax:
            return np.asarray(outputs.argmax(axis=1)[:, None], dtype=np.float64)
        return np.asarray(outputs > 0.5, dtype=np.float64)

    def probabilities(self, outputs: FloatArray) -> list[FloatArray]:
        """For each target of a classification the probabilities of its levels, (rows, levels)."""
        if self.softmax:
            return [outputs]
        return [np.column_stack([1 - outputs[:, j], outputs[:, j]]) for j in range(outputs.shape[1])]

    def labels(self, codes: FloatArray) -> Array:
        """The levels at these positions, (rows, targets), as what the columns hold: texts, booleans or numbers."""
        columns = []
        for j, field in enumerate(self.fields):
            values: list[Any] = list(field.levels)
            if field.kind == "boolean":
                values = [one == "true" for one in field.levels]
            elif field.kind == "number":
                values = [float(one) for one in field.levels]
                values = [int(one) for one in values] if all(one.is_integer() for one in values) else values
            columns.append(np.array(values)[codes[:, j].astype(np.intp)])
        same = len({column.dtype.kind for column in columns}) == 1
        return np.column_stack(columns if same else [column.astype(object) for column in columns])

    def measured(self, truth: FloatArray) -> Targets:
        """The same targets with the scaling, or the shares of the levels, of the rows trained on."""
        if self.task == "regression":
            return replace(self, scaling=Scaling.fit(truth))
        counts = [np.bincount(of[~np.isnan(of)].astype(np.intp), minlength=1) for of in truth.T]
        of_each = zip(counts, self.fields, strict=True)
        shares = [np.resize(np.append(n, np.zeros(len(one.levels))), len(one.levels)) / n.sum() for n, one in of_each]
        return replace(self, shares=tuple(tuple(map(float, each)) for each in shares))

    def constant(self, rows: int) -> list[FloatArray]:
        """What always says the same: for each target the mean (rows,), or the shares of its levels (rows, levels)."""
        if self.scaling is not None:
            return [np.full(rows, mean) for mean in self.scaling.mean]
        return [np.tile(np.array(each), (rows, 1)) for each in self.shares]

    def to_spec(self) -> dict[str, Any]:
        """As plain data, without the scaling."""
        columns = [spec_of(field) for field in self.fields]
        return {"task": self.task, "columns": columns, "shares": [list(each) for each in self.shares]}

    @classmethod
    def from_spec(cls, spec: dict[str, Any], scaling: Scaling | None) -> Targets:
        """The targets of :meth:`to_spec`; ValueError if it is none."""
        found = cls(
            tuple(field_of(one) for one in spec["columns"]),
            spec["task"],
            scaling,
            tuple(tuple(each) for each in spec["shares"]),
        )
        levels = [len(field.levels) for field in found.fields]
        classes = spec["task"] == "classification"
        shares = [[isinstance(one, float) and 0 <= one <= 1 for one in each] for each in found.shares]
        good = (
            spec["task"] in TASKS
            and bool(levels)
            and found.to_spec() == spec
            and classes == (scaling is None)
            and (not classes or (min(levels) > 1 and (len(levels) == 1 or max(levels) == 2)))
            and (classes or not any(levels))
            and [len(each) for each in shares] == (levels if classes else [])
            and all(abs(sum(each) - 1) < 1e-9 for each in found.shares)
            and all(map(all, shares))
        )
        if not good:
            raise ValueError(f"targets must be described as save does; got {spec!r:.200}. Save the model again.")
        return found


def few_values(fields: Sequence[Field], least: int = 2) -> tuple[str, ...]:
    """Which number columns hold few different whole values, but at least so many, as classes do."""
    return tuple(
        field.name
        for field in fields
        if field.kind == "number"
        and least <= len(field.levels) <= FEW
        and all(one.lstrip("-").isdigit() for one in field.levels)
    )


def _task_of(fields: Sequence[Field]) -> str:
    numbers = [field.name for field in fields if field.kind == "number"]
    classes = [field.name for field in fields if field.kind != "number"]
    if numbers and classes:
        raise BadData(
            f"targets must be all numbers, or all texts and booleans; got numbers in {listed(numbers)} and others in "
            f"{listed(classes)}. Train a model for each, or choose the task yourself."
        )
    return "regression" if numbers else "classification"


def _require_classes(field: Field, targets: int, chosen: bool) -> None:
    levels = len(field.levels)
    if levels < 2:
        got = f"only {short(field.levels[0])}" if levels else "none"
        raise BadData(f"target {short(field.name)} must hold two classes or more; got {got}. Add rows of another.")
    if levels > MOST_LEVELS:
        cure = " or leave out the task 'classification'" if chosen and field.kind == "number" else ""
        raise BadData(
            f"target {short(field.name)} must hold at most {MOST_LEVELS} classes; got {levels}. Join rare ones{cure}."
        )
    if targets > 1 and levels > 2:
        raise BadData(
            f"several targets that are classes must have two classes each; {short(field.name)} has {levels}. Train a "
            "model for it alone."
        )
