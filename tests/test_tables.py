"""Claim: whatever table a user brings, what leaves is the right numbers or one clear sentence."""

import datetime
import math
import os
import pathlib
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from chainrule.tables import BadData, Scaling, Table, columns, frames, match, read_table, require_finite, split

nan, inf = math.nan, math.inf
EPS = float(np.finfo(np.float64).eps)
AT_LEISURE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sentence(error: pytest.ExceptionInfo[BadData]) -> str:
    """Return the message of an error after checking that it is one line that says must, what came, and what to do."""
    assert len(error.value.args) == 1
    message = str(error.value)
    assert " must " in message
    assert message.endswith((".", "?"))
    assert "\n" not in message
    assert len(message) < 600
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return message


def refused(table: object) -> str:
    """Read a table that must be refused, at once or when its columns are used, and return the sentence."""
    with pytest.raises(BadData) as error:
        read_table(table).require_usable()
    return sentence(error)


def file_of(folder: pathlib.Path, content: str | bytes) -> pathlib.Path:
    """Write towns.csv."""
    path = folder / "towns.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---------------------------------------------------------------------------------------------------------- CSV files

GOOD_FILES = {
    "integers and decimals": ("a,b\n1,2\n3,4.5\n", [[1, 2], [3, 4.5]]),
    "no newline at the end": ("a,b\n1,2", [[1, 2]]),
    "Windows lines": ("a,b\r\n1,2\r\n3,4\r\n", [[1, 2], [3, 4]]),
    "old Macintosh lines": ("a,b\r1,2\r3,4\r", [[1, 2], [3, 4]]),
    "byte order mark": ("\ufeffa,b\n1,2\n", [[1, 2]]),
    "blank lines": ("\na,b\n\n1,2\n\n3,4\n\n", [[1, 2], [3, 4]]),
    "quoted numbers": ('"a","b"\n"1","2.5"\n', [[1, 2.5]]),
    "spaces around names and numbers": (" a , b\n 1 , 2 \n", [[1, 2]]),
    "booleans": ("a,b\ntrue,False\nFALSE,True\n", [[1, 0], [0, 1]]),
    "gaps in every spelling": ("a,b\n,NA\n1,nan\nnull,N/A\n", [[nan, nan], [1, nan], [nan, nan]]),
    "a column of gaps": ("a,b\n,1\n,2\n", [[nan, 1], [nan, 2]]),
    "huge and tiny": ("a,b\n1e300,1e-300\n-1e308,5e-324\n", [[1e300, 1e-300], [-1e308, 5e-324]]),
    "beyond float64": ("a,b\n1e400,1\n-1e400,2\n", [[inf, 1], [-inf, 2]]),
    "infinity in words": ("a,b\ninf,1\n-Infinity,2\n", [[inf, 1], [-inf, 2]]),
    "signs and bare points": ("a,b\n+1,.5\n-0,2.\n", [[1, 0.5], [-0.0, 2]]),
    "hexadecimal, as pyarrow reads it": ("a,b\n0x1F,1\n", [[31, 1]]),
    "the last exact whole numbers": (
        "a,b\n9007199254740992,9007199254740992\n-9007199254740992,2.5\n",
        [[2**53, 2**53], [-(2**53), 2.5]],
    ),
    "large numbers with an exponent": ("a,b\n1e20,1\n9007199254740993.0,2\n", [[1e20, 1], [2**53, 2]]),
    "leading zeros": ("a,b\n-007,08.5\n", [[-7, 8.5]]),
    "comma for thousands": ('a,b\n1,2\n"1,000",2\n', [[1, 2], [1000, 2]]),
    "no-break space at the end": ("a,b\n1,2\n3\u00a0,2\n", [[1, 2], [3, 2]]),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), [[1, 2]]),
    "comment above the header": ("# by me\na,b\n1,2\n", [[1, 2]]),
    "semicolons": ("a;b\n1;2\n", [[1, 2]]),
    "semicolons, decimal commas": ("a;b\n1,5;2,5\n", [[1.5, 2.5]]),
    "tabs": ("a\tb\n1\t2\n", [[1, 2]]),
    "bars": ("a|b\n1|2\n", [[1, 2]]),
    "blanks": ("a b\n1  2\n", [[1, 2]]),
    "booleans of 0 and 1 beside words": ("a,b\n1,2\ntrue,3\n0,4\n", [[1, 2], [1, 3], [0, 4]]),
    "texts": ("a,b\nRome,1\n Paris ,2\n,3\nRome,4\n", [[1, 1], [0, 2], [nan, 3], [1, 4]]),
    "text among booleans": ("a,b\ntrue,2\nmaybe,3\n", [[1, 2], [0, 3]]),
    "a cell over two lines": ('a,b\n1,2\n"3\n4",5\n', [[0, 2], [1, 5]]),
    "the last known cell a text": ("a,b\nNA,2\nx,2\n", [[nan, 2], [0, 2]]),
}


@pytest.mark.parametrize(("content", "values"), GOOD_FILES.values(), ids=GOOD_FILES)
def test_a_csv_file_is_read_to_the_bit(tmp_path, content, values):
    """Every way in which programs write numbers as CSV is read as the numbers that were meant."""
    table = read_table(file_of(tmp_path, content))
    assert table.names == ("a", "b")
    assert (table.origin, table.first_row, table.named) == ("towns.csv", 1, True)
    assert table.values.dtype == np.float64
    assert table.values.dtype.isnative
    assert table.values.flags.c_contiguous
    np.testing.assert_array_equal(table.values, np.array(values, dtype=float))
    np.testing.assert_array_equal(np.signbit(table.values), np.signbit(np.array(values, dtype=float)))


def test_one_column_and_a_path_as_text_will_do(tmp_path):
    """A table of one column is a table, and its path may be a string; the name .gz alone does not make it gzip."""
    path = tmp_path / "one.gz"
    path.write_text("a\n1\n2\n")
    assert read_table(str(path)).values.tolist() == [[1.0], [2.0]]


BAD_FILES = {
    "empty": ("", "towns.csv must have a header line and rows; got an empty file."),
    "only newlines": ("\n\r\n\n", "towns.csv must have a header line and rows; got an empty file."),
    "header alone": ("a,b\n", "towns.csv must have rows below its header; got the header alone."),
    "header alone without newline": ("a,b", "towns.csv must have rows below its header; got the header alone."),
    "UTF-16 without mark": ("a,b\n1,2\n".encode("utf-16-be"), "got a binary file, or text in UTF-16"),
    "zero bytes": (b"a,b\n1,2\n\0,4\n", "got a binary file, or text in UTF-16 (it holds zero bytes)."),
    "zip or spreadsheet": (b"PK\x03\x04\x14", "got a zip archive or a spreadsheet."),
    "gzip": (b"\x1f\x8b\x08", "must be a whole file; it cannot be unpacked (Compressed file ended"),
    "short line": ("a,b\n1,2\n\n3\n4,5\n", "as many cells in each line as in its header (line 1), 2; line 4 has 1."),
    "long line": ("a,b\n1,2\n3,4,5\n", "as many cells in each line as in its header (line 1), 2; line 3 has 3."),
    "quotation mark left open": (
        'a,b\n1,2\n"3,5\n6,7\n',
        "line 3 has 1. Complete the line or delete it, and close the quotation mark",
    ),
    "the same in a long file": (
        'a,b\n1,"2\n' + "3,4\n" * 40000,
        "cells of at most 131,072 characters; one is longer, or its quotation mark is not closed.",
    ),
    "no header": ("5.1,3.5\n4.9,3.0\n", "a name for each column; the first line looks like data: '5.1,3.5'."),
    "no header, with a gap": ("5.1,\n4.9,3.0\n", "the first line looks like data: '5.1,'."),
    "column without name": ("a,\n1,2\n", "columns of towns.csv must all have a name; column 2 of 2 has none."),
    "index of pandas": (",a\n0,1\n", "column 1 of 2 has none. Name it, or leave it out (pandas writes its index so"),
    "comma at the end": ("a,b,\n1,2,\n", "column 3 of 3 has none."),
    "one name twice": ("a,b,a\n1,2,3\n", "columns of towns.csv must have different names; got 'a' 2 times."),
    "one name twice but for spaces": ("a, a\n1,2\n", "must have different names; got 'a' 2 times."),
    "int64 beyond 2**53": ("a,b\n1,2\n9007199254740993,3\n", "row 2 (line 3 of towns.csv) holds 9007199254740993."),
    "the same below zero": (
        "a,b\n-9007199254740993,3\n",
        "whole ones up to 2**53 in size; row 1 (line 2 of towns.csv) holds -9",
    ),
    "the same among decimals": (
        "a,b\n1.5,2\n9007199254740993,3\n",
        "row 2 (line 3 of towns.csv) holds 9007199254740993.",
    ),
    "beyond int64": (
        "a,b\n1,2\n,3\n18446744073709551615,3\n",
        "row 3 (line 4 of towns.csv) holds 18446744073709551615.",
    ),
}


@pytest.mark.parametrize(("content", "expected"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_hostile_file_gets_one_sentence(tmp_path, content, expected):
    """A file that is no table is refused by one sentence that names what is wrong and where."""
    assert expected in refused(file_of(tmp_path, content))


def test_cells_that_span_lines_in_a_long_file_are_read(tmp_path):
    """Cells over several lines are read across pyarrow's blocks, and a short line below them is named by its number."""
    rows = ('1,"' + "\n" * 60 + 'x"\n') * 80_000
    table = read_table(file_of(tmp_path, "a,b\n1,2\n" + rows))
    assert table.kinds[1].levels == ("2", "x")
    assert len(table) == 80_001
    assert table.where(80_000) == "row 80001 (line 4879942 of towns.csv)"
    assert "line 4880003 has 1." in refused(file_of(tmp_path, "a,b\n1,2\n" + rows + "3\n"))


def test_a_file_that_is_not_there_is_looked_for_among_its_neighbours(tmp_path):
    """A mistyped file name gets the name that was meant."""
    file_of(tmp_path, "a\n1\n")
    assert f"got '{tmp_path}/twons.csv'. Did you mean 'towns.csv'?" in refused(tmp_path / "twons.csv")
    assert refused(tmp_path / "none" / "x.csv").endswith("x.csv'. Check the path.")
    assert "existing file" in refused(tmp_path / "towns.csv" / "x.csv")


def test_folders_pipes_devices_and_impossible_paths_are_refused_at_once(tmp_path):
    """Nothing but an ordinary file is opened, so a pipe without a writer does not hang."""
    os.mkfifo(tmp_path / "pipe")
    answers: list[str] = []
    reading = threading.Thread(target=lambda: answers.append(refused(tmp_path / "pipe")), daemon=True)
    reading.start()
    reading.join(10)
    assert "which is a pipe or a device" in answers[0]
    assert "which is a pipe or a device" in refused("/dev/zero")
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty").startswith("table must be a file or a folder of files; got '")
    assert refused(tmp_path / "empty").endswith("empty', which is empty. Name a folder with files in it.")
    assert "got '-' for standard input. Save what comes from it as a file first." in refused("-")
    assert "embedded null" in refused("a\0b.csv")
    assert "too long" in refused("a" * 5000)


def test_a_file_that_may_not_be_read_is_refused_with_the_reason(tmp_path, monkeypatch):
    """A file without permission is refused with the system's reason."""

    def forbidden(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    path = file_of(tmp_path, "a\n1\n")
    monkeypatch.setattr(pathlib.Path, "open", forbidden)
    assert "towns.csv' (Permission denied). Check its path and permissions." in refused(path)


def test_a_file_whose_name_is_not_utf8_is_read(tmp_path):
    """A file may have any name that the system allows."""
    path = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.csv"))
    path.write_text("a\n1\n")
    assert read_table(path).values.tolist() == [[1.0]]


def test_the_line_of_a_row_is_told_even_when_the_file_is_gone(tmp_path):
    """A message that is made later names the line by looking again, and only the row if the file has gone."""
    path = file_of(tmp_path, "a,b\n\n1,2\n3,\n")
    table = read_table(path)
    assert table.where(1) == "row 2 (line 4 of towns.csv)"
    path.unlink()
    assert table.where(1) == "row 2"


# ---------------------------------------------------------------------------------------------- data frames and arrays

A = np.arange(6.0).reshape(2, 3)
STRUCTURED = np.array([(1, 2.5), (3, 4.0)], dtype=[("a", "<i2"), ("b", ">f4")])
GOOD_OBJECTS = {
    "float64": (A, A),
    "integers": (A.astype(np.int64), A),
    "int8": (A.astype(np.int8), A),
    "booleans": (A > 2, A > 2),
    "big-endian floats": (A.astype(">f4"), A),
    "big-endian integers": (A.astype(">i8"), A),
    "float16": (A.astype(np.float16), A),
    "long double": (A.astype(np.longdouble), A),
    "long double beyond float64": (np.array([[np.longdouble("1e400"), 1]]), [[inf, 1]]),
    "Fortran order": (np.asfortranarray(A), A),
    "negative strides": (A[::-1, ::-1], A[::-1, ::-1]),
    "every other column": (A[:, ::2], A[:, ::2]),
    "objects": (
        np.array([[1, 2.5], [None, Decimal("1.5")], [Fraction(1, 4), True]], object),
        [[1, 2.5], [nan, 1.5], [0.25, 1]],
    ),
    "masked integers": (np.ma.masked_equal(A.astype(np.int64), 3), [[0, 1, 2], [nan, 4, 5]]),
    "masked floats": (np.ma.masked_equal(A, 3), [[0, 1, 2], [nan, 4, 5]]),
    "a masked entry that could not be read": (np.ma.array([[1, 2**60]], mask=[[False, True]]), [[1, nan]]),
    "a masked object that could not be read": (np.ma.array(np.array([[1, "x"]], object), mask=[[0, 1]]), [[1, nan]]),
    "structured": (STRUCTURED, [[1, 2.5], [3, 4]]),
    "masked structured": (np.ma.array(STRUCTURED, mask=[(0, 1), (0, 0)]), [[1, nan], [3, 4]]),
    "10,000 columns": (np.ones((3, 10_000), np.float32), np.ones((3, 10_000))),
    "nested lists": ([[1, 2.5], [None, True]], [[1, 2.5], [nan, 1]]),
    "pandas of all kinds of numbers": (
        pd.DataFrame(
            {
                "a": pd.array([1, None], "Int64"),
                "b": pd.array([True, None], "boolean"),
                "c": pd.array([1.5, None], "Float32"),
                "d": np.array([1, 2], ">f8"),
                "e": [Decimal("0.5"), 2],
                "f": [1, pd.NA],
                "g": pd.arrays.SparseArray([0.0, 3.0]),
                "h": pd.array([1, None], pd.ArrowDtype(pa.decimal128(10, 2))),
                "i": [True, False],
                "j": np.array([1, 2], "f2"),
                "k": [None, None],
                "l": pd.array([None, None], "Int64"),
            },
            index=[7, 3],
        ),
        [[1, 1, 1.5, 1, 0.5, 1, 0, 1, 1, 1, nan, nan], [nan, nan, nan, 2, 2, nan, 3, nan, 0, 2, nan, nan]],
    ),
    "pandas with numbers for names": (pd.DataFrame(A), A),
    "polars of all kinds of numbers": (
        pl.DataFrame(
            {
                "a": [1, None],
                "b": [True, None],
                "c": [1.5, nan],
                "d": pl.Series([Decimal("1.5"), None]),
                "e": pl.Series([1, None], dtype=pl.Int128),
                "f": pl.Series([1, 2], dtype=pl.UInt8),
                "g": [None, None],
            }
        ),
        [[1, 1, 1.5, 1.5, 1, 1, nan], [nan, nan, nan, nan, nan, 2, nan]],
    ),
    "an Arrow table in chunks": (
        pa.table(
            {
                "a": pa.chunked_array([[1], [None, 3]]),
                "b": pa.array([1.5, None, 2], pa.float16()),
                "c": pa.array([Decimal("1.5"), None, Decimal(2)], pa.decimal256(50, 2)),
                "d": pa.nulls(3),
                "e": pa.array([True, None, False]),
            }
        ),
        [[1, 1.5, 1.5, nan, 1], [nan, nan, nan, nan, nan], [3, 2, 2, nan, 0]],
    ),
    "an Arrow batch": (pa.RecordBatch.from_pydict({"a": [1, 2]}), [[1], [2]]),
    "an Arrow stream": (pa.table({"a": [1, 2]}).to_reader(), [[1], [2]]),
}


@pytest.mark.parametrize(("source", "values"), GOOD_OBJECTS.values(), ids=GOOD_OBJECTS)
def test_python_objects_are_read_to_the_bit(source, values):
    """Arrays of any layout and data frames of any library become the same float64 rows and columns."""
    table = read_table(source)
    assert table.values.dtype == np.float64
    assert table.values.dtype.isnative
    assert table.values.flags.c_contiguous
    assert len(table.names) == table.values.shape[1]
    assert table.first_row == 0
    np.testing.assert_array_equal(table.values, np.array(values, dtype=float))


unusable = "must be numbers, booleans or text with few levels; "
BAD_OBJECTS = {
    "one dimension": (A[0], "two dimensions, rows and columns; got an array of shape (3,). Pass array.reshape(-1, 1)"),
    "three dimensions": (A[None], "got an array of shape (1, 2, 3)."),
    "a pandas column": (pd.Series([1, 2]), "got an array of shape (2,)."),
    "a polars column": (pl.Series([1, 2]), "got an array of shape (2,)."),
    "no rows": (A[:0], "the array must have rows and columns; got 0 × 3."),
    "no columns": (A[:, :0], "the array must have rows and columns; got 2 × 0."),
    "no rows in a frame": (pl.DataFrame({"a": []}), "the data frame must have rows and columns; got 0 × 1."),
    "no columns in a frame": (pd.DataFrame(index=range(3)), "the data frame must have rows and columns; got 3 × 0."),
    "complex": (A + 1j, f"column 'x0' {unusable}row 0 holds 1j."),
    "dates": (
        np.array([["2020-01-01"]], "M8[ns]"),
        f"column 'x0' {unusable}it holds dates or times (row 0 holds 2020-01-01T00",
    ),
    "durations": (np.array([[1]], "m8[s]"), "it holds dates or times (row 0 holds 1 seconds)."),
    "a duration among objects": (np.array([[np.timedelta64(1, "D")]], object), "(row 0 holds 1 days)."),
    "numbers kept as text": (
        np.array([["1", "2"]]),
        f"column 'x0' {unusable}it holds numbers kept as text (row 0 holds '1').",
    ),
    "bytes": (np.array([[b"1"]]), "row 0 holds b'1'."),
    "a number kept as text among numbers": (
        np.array([[5], ["1"]], object),
        "it holds numbers kept as text (row 0 holds '5').",
    ),
    "an array in a cell": (
        np.array([(1, [1, 2])], [("a", "i4"), ("b", "f8", 2)]),
        f"column 'b' {unusable}row 0 holds [1. 2.]. Leave it out (--ignore b), or turn it into plain numbers",
    ),
    "ragged lists": ([[1, 2], [3]], "an array with rows of one length; got list."),
    "None": (None, "table must be a file, a data frame or an array with rows of one length; got NoneType."),
    "a dictionary": ({"a": [1]}, "got dict."),
    "a lazy frame": (pl.LazyFrame({"a": [1]}), "got LazyFrame."),
    "int64 beyond 2**53": (
        np.array([[1, 2], [3, 2**53 + 1]]),
        "whole ones up to 2**53 in size; row 1 holds 9007199254740993.",
    ),
    "uint64 beyond 2**53": (np.array([[2**64 - 1]], np.uint64), "row 0 holds 18446744073709551615."),
    "the lowest int64": (np.array([[-(2**63)]]), "row 0 holds -9223372036854775808."),
    "a large integer among objects": (np.array([[2**70]], object), "row 0 holds 1180591620717411303424."),
    "a large integer beside a gap": (
        pd.DataFrame({"a": pd.array([1, None, 2**60 + 1], "Int64")}),
        "row 2 holds 1152921504606846977.",
    ),
    "a large integer of polars": (
        pl.DataFrame({"a": pl.Series([2**100, None], dtype=pl.Int128)}),
        "row 0 holds 1267650600228229401496703205376.",
    ),
    "a large integer of Arrow": (
        pa.table({"a": pa.array([None, 2**64 - 1], pa.uint64())}),
        "row 1 holds 18446744073709551615.",
    ),
    "a fraction beyond float64": (np.array([[Fraction(10**400)]], object), "row 0 holds 1" + "0" * 59 + "…."),
    "a signalling NaN": (np.array([[Decimal("sNaN")]], object), "row 0 holds sNaN."),
    "dates in pandas": (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "(row 0 holds 2020-01-01 00:00:00)."),
    "complex in pandas": (pd.DataFrame({"a": [1j]}), "row 0 holds 1j."),
    "lists in pandas": (pd.DataFrame({"a": [[1], [2]]}), "row 0 holds [1]."),
    "several levels of names": (
        pd.DataFrame(A[:, :1], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        "must have one name each; got ('a', 'b').",
    ),
    "one name twice": (
        pd.DataFrame(A, columns=["a", "b", "a"]),
        "columns of the data frame must have different names; got 'a' 2 times.",
    ),
    "one name twice, once a number": (
        pd.DataFrame(A[:, :2], columns=[1, "1"]),
        "must have different names; got '1' 2 times.",
    ),
    "no name": (pd.DataFrame(A[:, :2], columns=[None, "a"]), "must all have a name; column 1 of 2 has none."),
    "a date in polars": (pl.DataFrame({"a": [datetime.date(2020, 1, 1)]}), "(row 0 holds 2020-01-01)."),
    "records in polars": (pl.DataFrame({"a": [{"b": 1}]}), "row 0 holds {'b': 1}."),
    "objects in polars": (pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}), "row 0 holds <object object"),
    "one name twice in Arrow": (pa.table([[1], [2]], names=["a", "a"]), "must have different names; got 'a' 2 times."),
}


@pytest.mark.parametrize(("source", "expected"), BAD_OBJECTS.values(), ids=BAD_OBJECTS)
def test_a_hostile_object_gets_one_sentence(source, expected):
    """What a network cannot use is refused by one sentence that names the column, the row and the value."""
    assert expected in refused(source)


def test_a_table_passes_through_and_a_read_only_map_is_not_copied(tmp_path):
    """Reading a Table again is free, and a float64 array in C order is taken as it is, read-only or not."""
    table = read_table(A)
    assert read_table(table) is table
    assert np.shares_memory(table.values, A)
    np.memmap(tmp_path / "map", np.float64, "w+", shape=(2, 2))[:] = 7
    read_only = np.memmap(tmp_path / "map", np.float64, "r", shape=(2, 2))
    assert np.shares_memory(read_table(read_only).values, read_only)


def test_names_come_from_the_source():
    """Names are the frame's, as text and without spaces around them; those of an array are x0, x1, …"""
    assert read_table(pd.DataFrame(A)).names == ("0", "1", "2")
    assert read_table(pd.DataFrame({" a ": [1.0]})).names == ("a",)
    assert read_table(STRUCTURED).names == ("a", "b")
    assert read_table(A).names == ("x0", "x1", "x2")
    assert [read_table(source).named for source in (pd.DataFrame(A), STRUCTURED, A)] == [True, True, False]


def test_numeric_columns_are_never_read_cell_by_cell(tmp_path, monkeypatch):
    """No loop over cells runs for a column that any library knows to be numeric, gaps or not."""

    def loop(*_args, **_options):
        raise AssertionError("a loop over cells")

    monkeypatch.setattr(frames, "objects", loop)
    monkeypatch.setattr(columns, "objects", loop)
    monkeypatch.setattr(columns, "_strings", loop)
    read_table(file_of(tmp_path, "a,b,c,d\n" + "1,2.5,true,1e20\n,,,\n" * 1000))
    read_table(file_of(tmp_path, "a;b\n" + "1,5;x\n" * 1000))
    read_table(
        pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean"), "c": [1.5, nan]})
    )
    read_table(pl.DataFrame({"a": [1, None], "b": [True, None], "c": [1.5, None]}))
    read_table(pa.table({"a": [1, None], "b": [True, None], "c": [1.5, None]}))
    read_table(A.astype(np.float16))
    read_table(np.ma.masked_equal(A.astype(np.int64), 3))
    with pytest.raises(AssertionError, match="a loop over cells"):  # the trap is set
        read_table(A.astype(object))


@AT_LEISURE
@given(
    values=hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(allow_nan=True, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float),
    ),
    style=st.sampled_from(["repr", "exponent", "quoted", "pandas"]),
)
def test_csv_and_back_is_the_identity(tmp_path, values, style):
    """Any table of float64 written with enough digits is read back to the bit, gaps included."""
    path = tmp_path / "round.csv"
    write = {"repr": repr, "exponent": "{:.16e}".format, "quoted": '"{!r}"'.format}.get(style)
    if write is None:
        pd.DataFrame(values).add_prefix("c").to_csv(path, index=False)
    else:
        lines = [",".join(f"c{j}" for j in range(values.shape[1]))]
        lines += [",".join('""' if math.isnan(v) else write(v) for v in row) for row in values.tolist()]
        path.write_text("\n".join(lines))
    table = read_table(path)
    assert table.names == tuple(f"c{j}" for j in range(values.shape[1]))
    np.testing.assert_array_equal(table.values, values)
    np.testing.assert_array_equal(np.signbit(table.values), np.signbit(values) & ~np.isnan(values))


@settings(AT_LEISURE, max_examples=300)
@given(st.lists(st.text('0123456789+-.eExXinfa ,;"\t_\u00a0٣−', min_size=1, max_size=6), min_size=1, max_size=4))
def test_no_file_gets_more_than_a_sentence(tmp_path, lines):
    """Lines of scraps of numbers give a table or one sentence, and a cell that is named is no number to pyarrow."""
    path = file_of(tmp_path, "\n".join(["name", *lines]) + "\n")
    try:
        table = read_table(path)
    except BadData as error:
        message = str(error)
        assert " must " in message
        assert "\n" not in message
        assert "pyarrow cannot read it" not in message
    else:
        assert table.values.shape[1] == 1


# ------------------------------------------------------------------------------------------------- columns of a table

HOUSES = Table(("rooms", "age", "price"), np.array([[3.0, 10, 200], [4, nan, 300], [5, inf, nan]]), "houses.csv", 1)


def test_columns_are_taken_by_name():
    """Columns come in the order asked for, in C order; one name may stand alone; the rest is what is left."""
    assert HOUSES.column("age")[0] == 10
    chosen = HOUSES.select(["price", "rooms"])
    assert chosen.names == ("price", "rooms")
    assert chosen.values[:2].tolist() == [[200, 3], [300, 4]]
    assert chosen.values.flags.c_contiguous
    assert HOUSES.select("age").names == ("age",)
    assert HOUSES.without("price").names == ("rooms", "age")
    assert HOUSES.without(["price", "rooms"]).names == ("age",)
    assert HOUSES.select(HOUSES.names) is HOUSES


@pytest.mark.parametrize(
    ("asked", "hint"), [("pricee", " Did you mean 'price'?"), ("AGE", " Did you mean 'age'?"), ("zzz", ""), (3, "")]
)
def test_an_unknown_column_gets_the_name_that_was_meant(asked, hint):
    """A column that is not there is refused with the nearest name and the list of names."""
    expected = f"target must be a column of houses.csv; got {asked!r}.{hint} Its columns are 'rooms', 'age', 'price'."
    for ask in (HOUSES.select, HOUSES.without):
        with pytest.raises(BadData) as error:
            ask([asked], argument="target")
        assert sentence(error) == expected
    with pytest.raises(BadData) as error:
        HOUSES.column(asked, argument="target")
    assert sentence(error) == expected


def test_a_long_list_of_columns_is_shortened():
    """Of 1,000 columns ten are listed, and the number of the others."""
    with pytest.raises(BadData, match=r"'x9' and 990 more\.$") as error:
        read_table(np.zeros((1, 1000))).select("nothing")
    sentence(error)


def test_gaps_and_infinite_values_are_named_by_row_and_column(tmp_path):
    """Inputs must be finite and targets finite or missing; the first offender is named, in a file with its line."""

    def refusal(table: Table, names: list[str] | None, **options: object) -> str:
        with pytest.raises(BadData) as error:
            require_finite(table, names, **options)
        return sentence(error)

    houses = read_table(file_of(tmp_path, "rooms,age,price\n3,10,200\n4,,300\n5,inf,\n"))
    assert refusal(houses, ["rooms", "age"]) == (
        "inputs must be finite; row 2 (line 3 of towns.csv), column 'age' is nan (the first of 2). "
        "Drop the row or fill the gap first."
    )
    assert refusal(houses, ["age"], argument="targets", missing_allowed=True) == (
        "targets must be finite or missing; row 3 (line 4 of towns.csv), column 'age' is inf. "
        "Drop the row or correct the value first."
    )
    assert "row 1, column 'x1' is -inf." in refusal(read_table(np.array([[1.0, 2], [3, -inf]])), None)
    require_finite(houses, ["rooms"])
    require_finite(houses, ["rooms", "price"], argument="targets", missing_allowed=True)


def test_columns_are_matched_by_name_whatever_their_order():
    """A table at prediction may have its columns in another order and more of them; the model's order is restored."""
    later = Table(("price", "extra", "rooms"), np.array([[1.0, 2, 3]]), "new.csv", 1)
    matched = match(later, ["rooms", "price"])
    assert matched.names == ("rooms", "price")
    assert matched.values.tolist() == [[3, 1]]


def test_a_missing_column_is_named():
    """A table that lacks columns of the model is refused with their names."""
    with pytest.raises(BadData) as error:
        match(HOUSES, ["rooms", "aage", "garden"])
    assert sentence(error) == (
        "houses.csv must have the columns that the model was trained on; got no 'aage', 'garden'. "
        "Did you mean 'age'? Its columns are 'rooms', 'age', 'price'."
    )


def test_an_array_is_matched_by_position():
    """An array without names stands for the model's columns if it has exactly as many."""
    assert match(read_table(A), ["a", "b", "c"]).names == ("a", "b", "c")
    with pytest.raises(BadData) as error:
        match(read_table(A), ["a", "b"])
    assert "the array must have 2 columns" in sentence(error)
    with pytest.raises(BadData, match="got no 'c'"):  # a structured array has names
        match(read_table(STRUCTURED), ["a", "c"])


# ------------------------------------------------------------------------------------------------------------- split


@AT_LEISURE
@given(rows=st.integers(2, 500), held_out=st.floats(0.001, 0.999), seed=st.integers(0, 2**64))
def test_a_split_divides_the_rows(rows, held_out, seed):
    """Every row is in exactly one part, in ascending order; the size is rounded and neither part is empty."""
    train, unseen = split(rows, held_out=held_out, seed=seed)
    assert sorted([*train, *unseen]) == list(range(rows))
    assert list(train) == sorted(train)
    assert list(unseen) == sorted(unseen)
    assert len(unseen) == min(max(round(held_out * rows), 1), rows - 1)


def test_a_split_is_the_same_on_every_machine_and_another_for_another_seed():
    """The split is written down here, so a change of it anywhere is seen."""
    assert split(10, held_out=0.3, seed=0)[1].tolist() == [0, 4, 8]
    assert split(10, held_out=0.3, seed=1)[1].tolist() == [3, 6, 9]


def test_a_split_favours_no_row():
    """Over 4,000 seeds each of 10 rows is held out in three of ten, within 5 standard deviations."""
    counts = np.zeros(10)
    for seed in range(4000):
        counts[split(10, held_out=0.3, seed=seed)[1]] += 1
    assert np.abs(counts - 1200).max() < 5 * math.sqrt(4000 * 0.3 * 0.7)


def test_a_split_that_cannot_be_is_refused():
    """A fraction outside (0, 1), a negative seed and a single row are refused by one sentence each."""
    with pytest.raises(ValueError, match=r"^held_out must lie between 0 and 1; got 1\.5\."):
        split(5, held_out=1.5)
    with pytest.raises(ValueError, match=r"^held_out must lie between 0 and 1; got nan"):
        split(5, held_out=nan)
    with pytest.raises(ValueError, match=r"^seed must be 0 or more; got -1"):
        split(5, seed=-1)
    with pytest.raises(BadData, match=r"^a table must have 2 rows or more to be split; got 1"):
        split(1)


# ----------------------------------------------------------------------------------------------------------- scaling

COLUMNS = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.floats(-8e307, 8e307) | st.just(nan)
)


def exact(column, weights):
    """Mean and variance of a column in rational numbers."""
    pairs = [(Fraction(v), Fraction(w)) for v, w in zip(column.tolist(), weights.tolist(), strict=True) if v == v and w]
    total = sum(w for _, w in pairs)
    mean = sum(v * w for v, w in pairs) / total
    return mean, sum(w * (v - mean) ** 2 for v, w in pairs) / total


@AT_LEISURE
@given(COLUMNS)
def test_undo_undoes_apply(values):
    """What was scaled and scaled back differs by less than 4 eps of the larger of value and mean.

    Each of the four roundings is at most eps/2: three on value - mean, which is at most twice the larger of the two,
    one on the result: 3.5 eps. Near zero a quotient may lose its digits, which is worth the smallest number times sd.
    """
    scaling = Scaling.fit(values)
    back = scaling.undo(scaling.apply(values))
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    bound = 4 * EPS * np.maximum(np.abs(values), np.abs(scaling.mean)) + 5e-324 * (scaling.sd + 1)
    known = ~np.isnan(values)
    assert (np.abs(back - values)[known] <= bound[known]).all()


@AT_LEISURE
@given(COLUMNS, st.integers(0, 2**32))
def test_mean_and_standard_deviation_are_exact_to_the_last_digits(values, seed):
    """Mean and sd agree with rational arithmetic: the mean within 4 eps of the largest value, sd within 1e-13.

    With up to 12 patterns the sums round at most 12 times; a column that varies less than its mean is rounded has sd 1.
    """
    weights = np.random.default_rng(seed).integers(1, 4, len(values)).astype(float)
    scaling = Scaling.fit(values, weights)
    for column, mean, sd in zip(values.T, scaling.mean, scaling.sd, strict=True):
        if np.isnan(column).all():
            assert (mean, sd) == (0, 1)
            continue
        exact_mean, variance = exact(column, weights)
        largest = float(np.nanmax(np.abs(column)))
        assert abs(float(Fraction(mean) - exact_mean)) <= 4 * EPS * largest + 5e-324
        if sd != 1:
            assert abs(Fraction(sd) ** 2 / variance - 1) < 1e-13 or sd < 1e-300
        else:
            assert variance <= Fraction(2 * EPS * largest) ** 2 or abs(variance - 1) < 1e-13 or largest < 1e-300


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e9, 1e12])
def test_an_offset_costs_no_digits_of_the_standard_deviation(offset):
    """A column around 1e9 that varies by 1e-3 is standardised as well as the same column around 0."""
    column = offset + 1e-3 * np.random.default_rng(1).normal(size=(1000, 1))
    mean, variance = exact(column[:, 0], np.ones(1000))
    scaling = Scaling.fit(column)
    assert scaling.sd[0] == pytest.approx(math.sqrt(variance), rel=1e-13)
    assert abs(scaling.mean[0] - float(mean)) <= EPS * np.abs(column).max()
    scaled = scaling.apply(column)
    assert scaled.std() == pytest.approx(1, rel=1e-12)
    assert abs(scaled.mean()) <= EPS * abs(offset) / 1e-3 + 1e-14  # half an ulp of the mean, in standard deviations


def test_the_textbook_formula_would_fail_here():
    """The test above can fail: mean of squares minus square of mean loses every digit at 1e9."""
    column = 1e9 + 1e-3 * np.random.default_rng(1).normal(size=1000)
    naive = (column**2).mean() - column.mean() ** 2
    assert not math.isclose(math.sqrt(max(naive, 0)), 1e-3, rel_tol=0.5)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e300, 1e-300, 5e-324, 1e9 + 0.1])
@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_a_constant_column_becomes_zeros(value, rows):
    """A constant column has itself as mean, exactly, and sd 1, so it becomes exact zeros and never noise."""
    values = np.full((rows, 2), value)
    scaling = Scaling.fit(values, np.linspace(0.1, 1, rows))
    assert scaling.mean.tolist() == [value, value]
    assert scaling.sd.tolist() == [1, 1]
    assert not scaling.apply(values).any()


def test_a_column_that_varies_by_rounding_alone_is_constant():
    """0.1 + 0.2 beside 0.3 is the same number to a user, and its last digit is not blown up into an input."""
    assert Scaling.fit(np.array([[0.1 + 0.2], [0.3]] * 5)).sd[0] == 1
    assert Scaling.fit(np.array([[1e15], [1e15 + 1]])).sd[0] == 0.5  # but these differ


def test_weights_count_as_repetitions_and_gaps_as_absent_rows():
    """Weight 3 is a row three times, weight 0 and NaN a row that is not there; doubling all weights changes nothing."""
    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=(40, 3)), rng.integers(0, 4, 40).astype(float)
    once, repeated = Scaling.fit(values, weights), Scaling.fit(np.repeat(values, weights.astype(int), axis=0))
    np.testing.assert_allclose(once.mean, repeated.mean, rtol=1e-13, atol=1e-15)  # sums in another order
    np.testing.assert_allclose(once.sd, repeated.sd, rtol=1e-13)
    np.testing.assert_array_equal(Scaling.fit(values, 2 * weights).sd, once.sd)
    np.testing.assert_array_equal(Scaling.fit(np.array([[1e300], [1], [2]]), np.array([0.0, 1, 1])).sd, [0.5])
    gaps = np.where(weights[:, None] > 0, values, nan)
    np.testing.assert_allclose(Scaling.fit(gaps).mean, Scaling.fit(values[weights > 0]).mean, rtol=1e-15)
    np.testing.assert_array_equal(Scaling.fit(values[:, [0, 0]]).sd, Scaling.fit(values).sd[[0, 0]])


def test_the_largest_numbers_do_not_overflow_silently():
    """Means and deviations of numbers near 1.8e308 are finite; a value that cannot be scaled is refused by name."""
    values = np.array([[8e307, 1.0], [-8e307, 2.0]])
    scaling = Scaling.fit(values)
    assert scaling.mean[0] == 0
    assert scaling.sd[0] == 8e307
    assert np.isfinite(scaling.apply(values)).all()
    assert Scaling.fit(np.full((3, 1), 1.7e308)).mean[0] == 1.7e308
    with pytest.raises(BadData) as error:
        Scaling.fit(np.array([[0.0, 1e-5], [1e-3, 0]])).apply(np.array([[0.0, 1], [0, 1e308]]))
    assert "values must stay finite when they are scaled; row 1, column 1 is 1e+308" in sentence(error)
    with pytest.raises(BadData) as error:
        scaling.undo(np.array([[9.0, 0]]))
    assert "row 0, column 0 is 9.0" in sentence(error)


# ----------------------------------------------------------------------------------------------------------- imports


def loaded_after(code: str) -> str:
    """Run code in a new process; return which of the libraries that read tables are loaded then."""
    report = "; import sys; print(*sorted({'pyarrow', 'narwhals', 'pandas', 'polars'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code + report], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_importing_tables_loads_no_library():
    """`import chainrule.tables` loads neither pyarrow nor narwhals."""
    assert loaded_after("import chainrule.tables") == ""


def test_reading_a_table_loads_them():
    """The test above can fail: reading a table loads both."""
    code = "import numpy, chainrule.tables; chainrule.tables.read_table(numpy.ones((1, 1)))"
    assert loaded_after(code) == "narwhals pyarrow"


def test_a_split_does_not_follow_a_users_own_random_numbers():
    """Data drawn with default_rng(seed) and split with the same seed: held-out values are as the others, on average.

    1,000 uniform values; the mean of 200 of them lies within 5 standard errors, 5 * 0.2887 / sqrt(200), of 1/2.
    """
    values = np.random.default_rng(0).uniform(size=1000)
    assert abs(values[split(1000, seed=0)[1]].mean() - 0.5) < 5 * 0.2887 / math.sqrt(200)
