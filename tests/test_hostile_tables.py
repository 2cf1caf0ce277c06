"""Claim: any table from Python gives a right result or one clear sentence, in fit, predict and evaluate."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from chainrule import Model
from chainrule.tables import BadData, UnseenLevel
from chainrule.training.loop import Diverged, WorseThanConstant

ROWS = 24
FAST: dict[str, Any] = {"hidden": [4], "l2": 0.01, "epochs": 3, "patience": None}


def frame(rows: int = ROWS) -> pd.DataFrame:
    """The sound table that each hostile one is made of: a number, a text and a target."""
    random = np.random.default_rng(5)
    a = random.normal(size=rows)
    return pd.DataFrame({"a": a, "c": random.choice(["x", "y"], rows), "y": a + random.normal(size=rows)})


def column(name: str, values: Any) -> Callable[[], pd.DataFrame]:
    """The table with a column of these values, or with these in its first rows."""

    def table() -> pd.DataFrame:
        made = frame()
        if np.ndim(values) == 1 and len(values) < ROWS:
            made[name] = pd.Series([*values, *made[name].tolist()[len(values) :]], dtype=object)
        else:
            made[name] = values
        return made

    return table


def of_objects(*cells: Any) -> Callable[[], pd.DataFrame]:
    """The table whose column a holds these in turn."""
    return column("a", pd.Series([cells[k % len(cells)] for k in range(ROWS)], dtype=object))


def array(change: Callable[[np.ndarray], Any]) -> Callable[[], Any]:
    """An array of three columns, the last of which, x2, is the target, changed somehow."""
    return lambda: change(np.random.default_rng(6).normal(size=(ROWS, 3)))


def with_entry(row: int, k: int, value: float) -> Callable[[], Any]:
    """The array with one entry changed."""

    def change(a: np.ndarray) -> np.ndarray:
        a[row, k] = value
        return a

    return array(change)


def masked(a: np.ndarray) -> Any:
    """The array with a masked input."""
    return np.ma.MaskedArray(a, mask=np.arange(ROWS * 3).reshape(ROWS, 3) == 7)


def structured(a: np.ndarray) -> Any:
    """The array as a structured one."""
    made = np.zeros(ROWS, dtype=[("x0", "f4"), ("x1", "i8"), ("x2", "f8")])
    for k in range(3):
        made[f"x{k}"] = 100 * a[:, k]
    return made


def with_zeros_stored(a: np.ndarray) -> Any:
    """A sparse array in which a column of zeros is written out."""
    made = sparse.csr_array(a)
    made.data[::3] = 0
    return made


class Odd:
    """Neither a number nor a text."""

    def __repr__(self) -> str:
        return "Odd()"


def _nat() -> Any:
    return pd.Series(pd.to_datetime(["2020-01-01"] * (ROWS - 1) + [None]))


SENTENCE = {
    # what a table cannot hold, and a word of the sentence that says so; None: it can, but not for a model of another
    "inf in an input": (column("a", [np.inf]), "finite"),
    "-inf in an input": (column("a", [1.0, -np.inf]), "row 1"),
    "gap in an input": (column("a", [None]), "missing"),
    "gap in a text": (column("c", [None]), "missing"),
    "inf in the target": (column("y", [np.inf]), "row 0"),
    "inf alone in the target": (column("y", np.inf), "finite"),
    "no target at all": (column("y", np.nan), "3 rows or more"),
    "two targets": (column("y", [None] * (ROWS - 2)), "3 rows or more"),
    "dates": (column("a", pd.date_range("2020", periods=ROWS)), "dates"),
    "dates as text": (column("a", [f"2020-01-{k + 1:02d}" for k in range(ROWS)]), "dates"),
    "dates, one missing": (column("a", _nat()), "dates"),
    "python dates": (of_objects(datetime.date(2020, 1, 1)), "dates"),
    "times": (of_objects(datetime.time(12)), "dates"),
    "durations": (column("a", pd.to_timedelta(np.arange(ROWS), unit="D")), "dates"),
    "complex numbers": (column("a", np.arange(ROWS) + 1j), "numbers"),
    "lists in cells": (of_objects([1, 2], [3]), "numbers"),
    "dicts in cells": (of_objects({"a": 1}), "numbers"),
    "objects of a class": (of_objects(Odd()), "Odd"),
    "bytes": (of_objects(b"x", b"y"), "numbers"),
    "identifiers above 2**53": (column("a", np.arange(ROWS, dtype=np.int64) + 2**60), "2\\*\\*53"),
    "names, all different": (column("c", [f"n{k}" for k in range(ROWS)]), None),
    "more than 100 texts": (lambda: frame(150).assign(c=[f"n{k}" for k in range(150)]), "100"),
    "numbers with a typo": (column("a", [str(k) for k in range(ROWS - 1)] + ["1O"]), "text"),
    "two columns of one name": (lambda: pd.concat([frame(), frame()[["a"]]], axis=1), "different names"),
    "a column without a name": (lambda: frame().rename(columns={"a": ""}), "name"),
    "columns of two levels": (lambda: pd.concat({"k": frame()}, axis=1), "MultiIndex"),
    "the target alone": (lambda: frame()[["y"]], "inputs"),
    "no target column": (lambda: frame()[["a", "c"]], "must be a column"),
    "no rows": (lambda: frame()[:0], "rows"),
    "one row": (lambda: frame(1), "3 rows or more"),
    "two rows": (lambda: frame(2), "3 rows or more"),
    "no columns": (lambda: pd.DataFrame(index=range(ROWS)), "columns"),
    "a Series": (lambda: frame()["a"], "two dimensions"),
    "None": (lambda: None, "table must be"),
    "a number": (lambda: 5, "table must be"),
    "a function": (lambda: len, "table must be"),
    "a generator": (lambda: (row for row in [[1, 2]]), "table must be"),
    "a set": (lambda: {1, 2, 3}, "table must be"),
    "rows of several lengths": (lambda: [[1, 2], [3]], "one length"),
    "an array with one dimension": (lambda: np.arange(9.0), "two dimensions"),
    "an array with three dimensions": (lambda: np.zeros((4, 4, 4)), "two dimensions"),
    "an empty list": (lambda: [], "rows|two dimensions"),
    "an array with a gap": (with_entry(3, 1, np.nan), "row 3"),
    "an array with inf": (with_entry(3, 0, np.inf), "row 3"),
    "a masked array": (array(masked), "missing"),
    "a complex array": (array(lambda a: a + 1j), "numbers"),
    "dates in an array": (array(lambda a: a.astype("datetime64[s]")), "dates"),
    "an array of objects": (array(lambda a: np.where(a > 9, a, Odd())), "Odd"),
    "a sparse array with a gap": (lambda: sparse.csr_array(with_entry(3, 1, np.nan)()), "missing"),
    "a sparse array with inf": (lambda: sparse.csr_array(with_entry(3, 1, np.inf)()), "finite"),
    "a sparse array of complex numbers": (array(lambda a: sparse.csr_array(a + 1j)), "real"),
    "a sparse vector": (lambda: sparse.coo_array(np.arange(9.0)), "two dimensions"),
    "a missing file": (lambda: "no-such-file.csv", "no-such-file"),
    "targets of two kinds": (column("y", [1.0, "one", None]), "numbers|row|text"),
    "half a surrogate pair": (column("c", pd.Series(["x", "\ud800"] * 12, dtype=object)), "surrogate"),
    "half a surrogate pair in a target": (column("y", pd.Series(["x", "\udfff"] * 12, dtype=object)), "surrogate"),
    "half a surrogate pair in categories": (
        column("c", pd.Categorical.from_codes([0, 1] * 12, pd.Index(["x", "\ud800"], dtype=object))),
        "surrogate",
    ),
    "half a surrogate pair in an array": (array(lambda a: np.where(a > 9, "x", "\ud800")), "surrogate"),
    "dates in a zone": (column("a", pd.date_range("2020", periods=ROWS, tz="Asia/Tokyo")), "dates"),
    "months": (column("a", pd.period_range("2020-01", periods=ROWS, freq="M")), "numbers|dates"),
    "arrays in cells": (of_objects(np.array([1.0, 2.0]), np.array(3.0)), "numbers"),
    "an input that is empty": (column("a", None), "missing"),
    "infinite decimals": (of_objects(Decimal("Infinity"), Decimal(1)), "finite"),
    "signalling decimals": (of_objects(Decimal("sNaN"), Decimal(1)), "numbers"),
    "a number of 400 digits": (of_objects(1, 10**400), "2\\*\\*53"),
    "unsigned identifiers": (column("a", np.arange(ROWS, dtype=np.uint64) + np.uint64(2**63)), "2\\*\\*53"),
    "lists of polars": (lambda: pl.DataFrame({"a": [[1, 2]] * ROWS, "y": [*range(ROWS)]}), "numbers"),
    "structs of polars": (lambda: pl.DataFrame({"a": [{"b": 1}] * ROWS, "y": [*range(ROWS)]}), "numbers"),
    "a frame that is not there yet": (lambda: pl.from_pandas(frame()).lazy(), "table must be"),
    "a dict": (lambda: {"a": [1.0, 2.0], "y": [1.0, 2.0]}, "table must be"),
    "bytes for a path": (lambda: b"houses.csv", "table must be"),
    "names that differ in blanks": (lambda: frame().assign(**{" a ": 1.0}), "different names"),
    "an array without rows": (lambda: np.zeros((0, 3)), "rows"),
    "an array without columns": (lambda: np.zeros((9, 0)), "columns"),
    "a structured array with vectors": (
        lambda: np.zeros(ROWS, [("x0", "f8", (2,)), ("x2", "f8")]),
        "numbers|dimension",
    ),
    "a spread beyond float64": (column("a", [1.7e308, -1.7e308]), None),
}
WORKS = {
    # odd, but sound
    "as it is": frame,
    "float32": array(lambda a: a.astype(np.float32)),
    "float16": array(lambda a: a.astype(np.float16)),
    "long double": array(lambda a: a.astype(np.longdouble)),
    "big-endian": array(lambda a: a.astype(">f8")),
    "in Fortran's order": array(np.asfortranarray),
    "every other row, backwards": array(lambda a: np.repeat(a, 2, axis=0)[::-2]),
    "read-only": array(lambda a: np.require(a, requirements=["C"]).view()),
    "whole numbers": array(lambda a: (100 * a).astype(np.int16)),
    "unsigned numbers": array(lambda a: np.abs(100 * a).astype(np.uint64)),
    "a matrix": array(lambda a: a.tolist()),
    "tuples": array(lambda a: tuple(map(tuple, a.tolist()))),
    "a structured array": array(structured),
    "a masked array without a mask": array(np.ma.MaskedArray),
    "a sparse array": array(sparse.csr_array),
    "a sparse array by columns": array(sparse.csc_array),
    "a sparse array by coordinates": array(sparse.coo_array),
    "a sparse matrix": array(sparse.csr_matrix),
    "a sparse array with zeros stored": array(with_zeros_stored),
    "polars": lambda: pl.from_pandas(frame()),
    "pyarrow": lambda: pa.Table.from_pandas(frame()),
    "an index of words": lambda: frame().set_index(pd.Index([f"r{k}" for k in range(ROWS)])),
    "an index that repeats": lambda: frame().set_index(pd.Index([0] * ROWS)),
    "names that are numbers": lambda: frame().rename(columns={"a": 0, "c": 1}),
    "names with line breaks": lambda: frame().rename(columns={"a": "a\nb = {c}", "c": "%s\x00"}),
    "a name of a kilobyte": lambda: frame().rename(columns={"a": "ä" * 1000}),
    "names like the encoded inputs": lambda: frame().rename(columns={"a": "c=x"}),
    "nullable numbers": lambda: frame().astype({"a": "Float64"}),
    "nullable whole numbers": lambda: frame().assign(a=pd.array(range(ROWS), dtype="Int8")),
    "numbers of Arrow": lambda: frame().astype({"a": "double[pyarrow]"}),
    "texts of Arrow": lambda: frame().astype({"c": "string[pyarrow]"}),
    "decimals": of_objects(Decimal("1.5"), Decimal("2")),
    "fractions": of_objects(Fraction(1, 3), Fraction(2, 3)),
    "numbers of several types": of_objects(1, 2.5, np.float32(3), True, Decimal(4)),
    "booleans": column("a", np.arange(ROWS) % 3 == 0),
    "nullable booleans": lambda: frame().assign(a=pd.array([True, False] * 12, dtype="boolean")),
    "categories": lambda: frame().astype({"c": "category"}),
    "categories that never occur": lambda: frame().assign(c=pd.Categorical(frame()["c"], ["x", "y", "z"])),
    "categories of numbers": column("c", pd.Categorical([1, 2, 3] * 8)),
    "intervals": column("c", pd.cut(frame()["a"], 3)),
    "emoji and right to left": column("c", ["🦊", "ש", "\u202e", "é"] * 6),
    "a constant": column("a", 7.0),
    "a constant text": column("c", "x"),
    "a constant target": column("y", 7.0),
    "1e308": column("a", np.linspace(-1, 1, ROWS) * 1e308),
    "1e-308": column("a", np.linspace(1, 2, ROWS) * 1e-308),
    "subnormal": column("a", np.arange(ROWS) * 5e-324),
    "1e15 apart from 0": column("a", 1e15 + np.arange(ROWS)),
    "-0.0": column("a", [0.0, -0.0] * 12),
    "a target of 1e300": lambda: frame().assign(y=frame()["y"] * 1e300),
    "a target of 1e-300": lambda: frame().assign(y=frame()["y"] * 1e-300),
    "columns that are one another": lambda: frame().assign(b=frame()["a"], d=frame()["a"]),
    "more columns than rows": lambda: frame().join(pd.DataFrame(np.random.default_rng(7).normal(size=(ROWS, 60)))),
    "the target among the inputs": lambda: frame().assign(b=frame()["y"]),
    "three rows": lambda: frame(3).assign(c="x"),
    "some targets missing": column("y", [None, np.nan, pd.NA]),
    "a target of texts": lambda: frame().assign(y=["no", "yes", "yes"] * 8),
    "a target of three texts": lambda: frame().assign(y=["no", "yes", "well"] * 8),
    "a target of booleans": column("y", np.arange(ROWS) % 3 == 0),
    "a target of categories": column("y", pd.Categorical(["n", "y"] * 12)),
    "a class of one row": column("y", ["once"] + ["n", "y"] * 11 + ["n"]),
    "a target of whole numbers": column("y", np.arange(ROWS) % 3),
    "numbers of pandas that are sparse": column("a", pd.arrays.SparseArray([0.0, 0.0, 1.5] * 8)),
    "categories in order": column("c", pd.Categorical(["lo", "hi"] * 12, ["lo", "hi"], ordered=True)),
    "categories of polars": lambda: pl.from_pandas(frame()).with_columns(pl.col("c").cast(pl.Categorical)),
    "a choice of polars": lambda: pl.from_pandas(frame()).with_columns(pl.col("c").cast(pl.Enum(["y", "x", "w"]))),
    "chunks of Arrow, one empty": lambda: pa.concat_tables([pa.Table.from_pandas(frame()[k:n]) for k, n in THIRDS]),
    "texts with zero bytes": column("c", ["x", "x\0"] * 12),
    "texts that differ in blanks": column("c", ["x", " x", "x\u3000", "y"] * 6),
    "texts that are long": column("c", ["x" * 100_000, "y" * 100_000] * 12),
    "texts that differ in their accents' form": column("c", ["\u00e9", "e\u0301"] * 12),
    "the words for missing ones": column("c", ["NA", "nan", "null", "x"] * 6),
    "an array of one row over and over": array(lambda a: np.broadcast_to(a[:1], a.shape)),
    "an array of objects that are numbers": array(lambda a: a.astype(object)),
    "rows that all are one": lambda: pd.concat([frame()[:1]] * ROWS),
    "a Table": lambda: chainrule_table(frame()),
}


THIRDS = ((0, 8), (8, 8), (8, ROWS))
"""Where a table is cut, once into nothing."""


def chainrule_table(table: pd.DataFrame) -> Any:
    """A table that has been read already."""
    from chainrule.tables import read_table

    return read_table(table)


def quietly(work: Callable[[], Any]) -> Any:
    """Run with the warnings that a user is meant to get; any other is an error."""
    with warnings.catch_warnings():
        for kind in (WorseThanConstant, UnseenLevel):
            warnings.simplefilter("ignore", kind)
        return work()


def target(table: Any) -> str:
    """The target: y where columns have names."""
    named = isinstance(table, pl.LazyFrame) or hasattr(table, "columns") or hasattr(table, "kinds")
    return "y" if named else "x2"


def without_target(table: Any) -> Any:
    """The inputs alone, of an array, whose columns have no names to leave one out by."""
    if hasattr(table, "columns") or hasattr(table, "kinds"):
        return table
    if isinstance(table, list | tuple):
        return [row[:2] for row in table]
    if getattr(table, "dtype", None) is not None and table.dtype.names:
        return table
    return table.tocsr()[:, :2] if sparse.issparse(table) else table[:, :2]


def scores_of(found: Any) -> list[float]:
    """Every figure of the network that must not be NaN."""
    one = next(iter(found.values()))["network"]
    return [one.accuracy, one.log_loss] if hasattr(one, "accuracy") else [one.rmse, one.mae]


@pytest.mark.parametrize("kind", WORKS)
def test_an_odd_table_is_used(kind: str) -> None:
    """It is fitted, predicted row by row in its order without NaN, and evaluated to what its predictions make."""
    table = WORKS[kind]()
    model = quietly(lambda: Model.fit(table, target(table), **FAST))
    rows = 3 if kind == "three rows" else ROWS
    said = quietly(lambda: model.predict(without_target(table)))
    assert said.shape == (rows, 1)
    assert not pd.isna(said).any()
    found = quietly(lambda: model.evaluate(table))
    assert np.isfinite(scores_of(found)).all()
    one = found[target(table)]["network"]
    truth = table[target(table)] if isinstance(table, pd.DataFrame) else None
    if truth is not None:
        assert one.rows == truth.notna().sum()
        if model.task == "classification":
            assert one.accuracy == (said[:, 0].astype(str) == truth.astype(str).to_numpy()).mean()
        else:
            wrong = said[truth.notna(), 0] - truth.dropna().astype(float)
            largest = np.abs(wrong).max() or 1.0
            assert one.rmse == pytest.approx(largest * np.sqrt(((wrong / largest) ** 2).mean()), rel=1e-9)


@pytest.mark.parametrize("kind", SENTENCE)
def test_a_hostile_table_is_refused_in_one_sentence(kind: str) -> None:
    """Fit says what is wrong; predict and evaluate say so too, or use what is sound in it, and never answer NaN."""
    make, word = SENTENCE[kind]
    table = make()
    names = target(table)
    if word is None:
        quietly(lambda: Model.fit(table, names, **FAST))
    else:
        with pytest.raises(ValueError, match=word) as caught:
            quietly(lambda: Model.fit(table, names, **FAST))
        one_sentence(caught.value)
    arrays = names == "x2" and not isinstance(table, str)
    sound = array(lambda a: a)() if arrays else frame()
    model = quietly(lambda: Model.fit(sound, names if arrays else "y", **FAST))
    for use in (model.predict, model.evaluate):
        for given in (make(), without_last(make())):
            try:
                found = quietly(lambda use=use, given=given: use(given))
            except (ValueError, Diverged) as error:
                one_sentence(error)
            else:
                assert np.isfinite(scores_of(found) if isinstance(found, dict) else found).all()


def without_last(table: Any) -> Any:
    """An array without its last column, the target; anything else as it is."""
    plain = isinstance(table, np.ndarray) or sparse.issparse(table)
    return table[:, :-1] if plain and getattr(table, "ndim", 0) == 2 else table


def one_sentence(error: Exception) -> None:
    """A message of ours: what must be, what came, what to do."""
    text = str(error)
    assert isinstance(error, BadData), (type(error), text)
    assert re.search(r" must |cannot be", text), text
    assert "\n" not in text, text
    assert text.endswith((".", "?")), text
    assert len(text) < 900, text
