"""Claim: a table is read to the bit in whatever format and dialect programs write it, and what is in doubt is said."""

import bz2
import datetime
import gzip
import lzma
import math
import pathlib
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from chainrule.tables import BadData, Dialect, Table, open_blocks, read_table

nan = math.nan


def sentence(error: pytest.ExceptionInfo[BadData]) -> str:
    """Return the message of an error after checking that it is one line that says must, what came, and what to do."""
    message = str(error.value)
    assert " must " in message
    assert message.endswith((".", "?"))
    assert "\n" not in message
    assert len(message) < 600
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return message


def refused(table: object, **options: object) -> str:
    """Read a table that must be refused, at once or when its columns are used, and return the sentence."""
    with pytest.raises(BadData) as error:
        read_table(table, **options).require_usable()
    return sentence(error)


def cells(table: Table) -> dict[str, list[object]]:
    """Return the columns of a table as Python's values: texts as texts, booleans as booleans, None where missing."""
    columns: dict[str, list[object]] = {}
    for name, kind in zip(table.names, table.kinds, strict=True):
        assert not kind.problem, kind.problem
        convert = {"text": lambda v, kind=kind: kind.levels[int(v)], "boolean": bool}.get(kind.name, float)
        columns[name] = [None if math.isnan(v) else convert(v) for v in table.column(name)]
        assert list(kind.levels) == sorted(set(columns[name]) - {None} if kind.name == "text" else ())
    return columns


def file_of(folder: pathlib.Path, content: str | bytes, name: str = "towns.csv") -> pathlib.Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ------------------------------------------------------------------------------------------------------- text: dialects

PRICES = {"item": ["pen", "ink", None], "price": [1.5, 1234.25, None], "sold": [3.0, 0.0, 12.0]}
FLOWERS = {"length": [5.1, 4.9, 1e-3], "kind": ["Iris-setosa", "Iris-virginica", "Iris-setosa"]}
DIALECTS = {
    "Excel, US": ('item,price,sold\r\npen,1.5,3\r\nink,"1,234.25",0\r\n,,12\r\n', PRICES),
    "Excel, German": (b"\xef\xbb\xbf" + b"item;price;sold\r\npen;1,5;3\r\nink;1.234,25;0\r\n;;12\r\n", PRICES),
    "Excel, German, before Unicode": (
        "Größe;Ort\r\n1,5;Köln\r\n2;„Fürth“ €\r\n".encode("cp1252"),
        {"Größe": [1.5, 2.0], "Ort": ["Köln", "„Fürth“ €"]},
    ),
    "Latin-1 with bytes that cp1252 lacks": ("a,b\n1,é\x81\n".encode("latin-1"), {"a": [1.0], "b": ["é\x81"]}),
    "Excel, Unicode text": (
        "item\tprice\tsold\r\npen\t1,5\t3\r\nink\t1.234,25\t0\r\n\t\t12\r\n".encode("utf-16"),
        PRICES,
    ),
    "Excel, with its line for the separator": ("sep=;\nitem;price;sold\npen;1,5;3\nink;1234,25;0\n;;12\n", PRICES),
    "R, write.csv": ('"item","price","sold"\n"pen",1.5,3\n"ink",1234.25,0\nNA,NA,12\n', PRICES),
    "R, write.csv2": ('"item";"price";"sold"\n"pen";1,5;3\n"ink";1234,25;0\nNA;NA;12\n', PRICES),
    "R, write.table": ('"item" "price" "sold"\n"pen" 1.5 3\n"ink" 1234.25 0\nNA NA 12\n', PRICES),
    "pandas": ("item,price,sold\npen,1.5,3\nink,1234.25,0\n,,12\n", PRICES),
    "pandas, booleans": ("a,b\nTrue,1.0\nFalse,\n", {"a": [True, False], "b": [1.0, None]}),
    "polars, quoted": ('"item","price","sold"\n"pen","1.5","3"\n"ink","1234.25","0"\n"","","12"\n', PRICES),
    "SQL, tabs": ("item\tprice\tsold\npen\t1.5\t3\nink\t1234.25\t0\nNULL\tNULL\t12\n", PRICES),
    "bars": ("item|price|sold\npen|1.5|3\nink|1234.25|0\n||12\n", PRICES),
    "bars with decimal commas": ("item|price|sold\npen|1,5|3\nink|1234,25|0\n||12\n", PRICES),
    "UCI, runs of blanks and question marks": (
        '  mpg  hp   name\n  18.0   130.0      "chevrolet  malibu"\n  15.0   ?          "buick"\n',
        {"mpg": [18.0, 15.0], "hp": [130.0, None], "name": ["chevrolet  malibu", "buick"]},
    ),
    "UCI, blanks after commas": ("length, kind\n5.1, Iris-setosa\n4.9, Iris-virginica\n0.001, Iris-setosa\n", FLOWERS),
    "blanks before quotation marks": (
        'length, kind\n5.1, "Iris-setosa"\n4.9,  "Iris-virginica"\n1e-3, "Iris-setosa"\n',
        FLOWERS,
    ),
    "columns of fixed width": (
        "length kind\n   5.1 Iris-setosa   \n   4.9 Iris-virginica\n  1e-3 Iris-setosa   \n",
        FLOWERS,
    ),
    "NumPy, savetxt": ("# a b\n1.000000000000000000e+00 2.5\n3e0 -4\n", {"a": [1.0, 3.0], "b": [2.5, -4.0]}),
    "comments above": (
        "# made by hand\n#\n\nlength,kind\n5.1,Iris-setosa\n4.9,Iris-virginica\n.001,Iris-setosa\n",
        FLOWERS,
    ),
    "a cell over several lines": (
        'a,b\n1,"two\nlines, ""quoted"""\n2,x\n',
        {"a": [1.0, 2.0], "b": ['two\nlines, "quoted"', "x"]},
    ),
    "a quotation mark within a cell": ('a,b\n1,5" pipe\n2,x\n', {"a": [1.0, 2.0], "b": ['5" pipe', "x"]}),
    "DOS, with its mark at the end": ("a,b\r\n1,2\r\n\x1a", {"a": [1.0], "b": [2.0]}),
    "lines of blanks between": ("a,b\n1,2\n   \n3,4\n\t\n", {"a": [1.0, 3.0], "b": [2.0, 4.0]}),
    "years for names": (
        "city,1960,1961,1962\nRome,1,2,3\n",
        {"city": ["Rome"], "1960": [1.0], "1961": [2.0], "1962": [3.0]},
    ),
    "every way to miss a number": (
        "a,b\n1,2\n-,--\n.,?\nNone,N/A\n",
        {"a": [1.0, None, None, None], "b": [2.0, None, None, None]},
    ),
    "a question mark among texts": ("a,b\nx,1\n?,2\n", {"a": ["x", "?"], "b": [1.0, 2.0]}),
    "thousands in every cell": ('a,b\n"1,000",x\n"12,345,678",x\n', {"a": [1000.0, 12345678.0], "b": ["x", "x"]}),
    "dots between thousands beside decimal commas": (
        "a;b\n1.234;0,5\n2.000;1,25\n",
        {"a": [1234.0, 2000.0], "b": [0.5, 1.25]},
    ),
    "decimal points between semicolons": ("a;b\n1.234;0.5\n2.000;1.25\n", {"a": [1.234, 2.0], "b": [0.5, 1.25]}),
    "decimal commas, no other mark": ("a;b\n1,234;x\n2,000;x\n", {"a": [1.234, 2.0], "b": ["x", "x"]}),
    "yes and no": ("a,b\nyes,TRUE\nno,false\n", {"a": ["yes", "no"], "b": [True, False]}),
    "a single column of decimal commas": ("a\n1,5\n-2,25\n3\n", {"a": [1.5, -2.25, 3.0]}),
    "nothing but question marks": ("a,b\n?,1\n-,2\n", {"a": [None, None], "b": [1.0, 2.0]}),
    "a single column of text": ("city\nRome\nNew York\n", {"city": ["Rome", "New York"]}),
}


@pytest.mark.parametrize(("content", "expected"), DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_is_found_out(tmp_path, content, expected):
    """Whatever separates cells and decimals, in whatever encoding: the same names, texts and numbers to the bit."""
    assert cells(read_table(file_of(tmp_path, content))) == expected


PACKERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_a_packed_file_is_unpacked_whatever_its_name(tmp_path, pack):
    """Files packed by gzip, bzip2, xz and zstd are read, and a damaged one is refused by one sentence."""
    content = DIALECTS["Excel, German"][0]
    path = file_of(tmp_path, pack(content))
    assert cells(read_table(path)) == PRICES
    path.write_bytes(pack(content * 50)[:-30])
    assert "towns.csv must be a whole file; it cannot be unpacked" in refused(path)


def test_a_dialect_that_is_given_is_taken(tmp_path):
    """What the user says about a file is believed: its separator, decimal mark, encoding, and whether it has names."""
    german = Dialect(delimiter=";", decimal=",", encoding="cp1252", header=True)
    path = file_of(tmp_path, "1;größe\n1,234;x\n5;y\n".encode("cp1252"))
    assert cells(read_table(path, dialect=german)) == {"1": [1.234, 5.0], "größe": ["x", "y"]}
    assert cells(read_table(path, dialect=Dialect(decimal=".", header=True)))["1"] == [1234.0, 5.0]
    table = read_table(file_of(tmp_path, "1 \t2\n3 4\n"), dialect=Dialect(header=False, delimiter=" "))
    assert (cells(table), table.named) == ({"x0": [1.0, 3.0], "x1": [2.0, 4.0]}, False)
    assert table.where(1) == "row 2 (line 2 of towns.csv)"
    colons = read_table(file_of(tmp_path, "a:b\n1:2\n"), dialect=Dialect(delimiter=":"))
    assert cells(colons) == {"a": [1.0], "b": [2.0]}
    utf16 = file_of(tmp_path, "a,b\n1,2\n".encode("utf-16-le"))
    assert cells(read_table(utf16, dialect=Dialect(encoding="utf-16-le"))) == {"a": [1.0], "b": [2.0]}
    assert "must be text in utf-8" in refused(file_of(tmp_path, b"a\n\xff\n"), dialect=Dialect(encoding="UTF8"))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"delimiter": ",,"}, "delimiter must be one character"),
        ({"delimiter": '"'}, "delimiter must be one character"),
        ({"decimal": ";"}, "decimal must be '.' or ','; got ';'"),
        ({"encoding": "utf-99"}, "encoding must be one that Python knows; got 'utf-99'"),
    ],
)
def test_a_dialect_that_cannot_be_is_refused(wrong, expected):
    """A dialect is checked when it is made."""
    with pytest.raises(ValueError, match="must") as error:
        Dialect(**wrong)
    assert expected in sentence(error)


def test_a_decimal_comma_that_shows_late_changes_what_stood_above(tmp_path):
    """Where only a cell far below tells that commas stand before decimals, points above stand between thousands."""
    rows = "1.234;7\n" * 300 + "5.000;0,5\n"
    assert cells(read_table(file_of(tmp_path, "a;b\n" + rows))) == {
        "a": [1234.0] * 300 + [5000.0],
        "b": [7.0] * 300 + [0.5],
    }


def test_text_on_request(tmp_path):
    """A column named in `text` is text however numeric it looks: as written in text files, plainly otherwise."""
    path = file_of(tmp_path, "zip,size\n01,1.50\n2,NA\n01,3\n")
    assert cells(read_table(path, text=["zip", "size"])) == {"zip": ["01", "2", "01"], "size": ["1.50", None, "3"]}
    frame = pd.DataFrame(
        {"a": [1, 2], "b": [1.5, 3.0], "c": [True, False], "d": [nan, 1.0], "e": [Decimal("2.50"), None]}
    )
    expected = {"a": ["1", "2"], "b": ["1.5", "3"], "c": ["true", "false"], "d": [None, "1"], "e": ["2.5", None]}
    typed = pa.table({**frame.to_dict("list"), "d": [None, 1.0], "e": [Decimal("2.50"), None]})
    pq.write_table(typed, tmp_path / "t.parquet")
    for source in (frame, typed, tmp_path / "t.parquet"):
        assert cells(read_table(source, text=list(expected))) == expected
    polars = read_table(pl.from_pandas(frame[["a", "b", "c"]]), text=["a", "b", "c"])
    assert cells(polars) == {name: expected[name] for name in "abc"}
    assert cells(read_table(np.array([[1.0, 2.5]]), text="x1")) == {"x0": [1.0], "x1": ["2.5"]}
    assert "text must be a column of towns.csv; got 'zap'. Did you mean 'zip'?" in refused(path, text=["zap"])


# ----------------------------------------------------------------------------------------------------- text: in doubt

DOUBTS = {
    "a typo among numbers": (
        "a,b\n" + "1,2\n" * 20 + "n/a?,2\n",
        "column 'a' must be numbers, booleans or text with few levels; row 21 (line 22 of towns.csv) holds "
        "'n/a?' where most cells look like numbers. Correct or empty the cell, say that it marks a gap (--gap "
        "'n/a?'), leave the column out (--ignore a), or use it as text (--text a).",
    ),
    "a typo below blank lines and cells over several": (
        'a,b\n\n1,"x\ny"\n   \n' + "1,x\n" * 9 + "1o,x\n",
        "row 11 (line 15 of towns.csv) holds '1o' where most",
    ),
    "the letter O": ("a b,c\n" + "1,2\n" * 9 + "1O,2\n", "row 10 (line 11 of towns.csv) holds '1O' where most cells"),
    "a name with blanks": ("a b,c\n" + "1,2\n" * 9 + "1O,2\n", "(--ignore 'a b'), or use it as text (--text 'a b')."),
    "blanks between thousands": ("a,b\n1 234,x\n5 678,y\n", "row 1 (line 2 of towns.csv) holds '1 234' where most"),
    "a currency": ("a,b\n$1.50,x\n$2,y\n", "holds '$1.50' where most cells look like numbers."),
    "percentages": ("a,b\n10%,x\n20%,y\n", "holds '10%' where most cells look like numbers."),
    "a minus sign of typographers": ("a,b\n1,2\n−5,2\n", "row 2 (line 3 of towns.csv) holds '−5' where most"),
    "decimal commas between commas": ('a,b\n1,2\n"12,5",2\n', "row 2 (line 3 of towns.csv) holds '12,5' where most"),
    "two decimal marks": ("a;b\n" + "1.5;x\n" * 9 + "1,5;x\n", "row 10 (line 11 of towns.csv) holds '1,5' where most"),
    "decimals or thousands": (
        "a\tb\n1,234\tx\n",
        "row 1 (line 2 of towns.csv) holds '1,234', whose comma may stand before decimals or between",
    ),
    "ISO dates": (
        "sold,b\n2024-05-01,1\n",
        "column 'sold' must be numbers, booleans or text with few levels; it holds dates or times (row 1 (line 2 of "
        "towns.csv) holds 2024-05-01). Leave it out (--ignore sold), or replace it by numbers such as the year.",
    ),
    "times": ("a,b\n12:30,1\n", "it holds dates or times (row 1"),
    "dates and times": ("a,b\n2024-05-01 12:30:00,1\n2024-05-02T12:30:00Z,1\n", "it holds dates or times (row 1"),
    "German dates": (
        "a,b\n31.12.2024,1\n1.1.25,1\n",
        "it holds dates or times (row 1 (line 2 of towns.csv) holds '31.12",
    ),
    "American dates": ("a,b\n12/31/2024,1\n,1\n1/1/2024 3:05 PM,2\n", "holds '12/31/2024'"),
    "dates with names of months": ("a,b\n01-Jan-2024,1\n", "it holds dates or times"),
    "names": (
        "a,b\n" + "".join(f"n{k},1\n" for k in range(101)),
        "it holds more than 100 different texts (row 1 (line 2 of towns.csv) holds 'n0'). Leave it out (--ignore a), "
        "or group rare texts into one first.",
    ),
    "identifiers": (
        "id,b\n9007199254740993,1\n",
        "whole ones up to 2**53 in size; row 1 (line 2 of towns.csv) holds 9007",
    ),
    "identifiers beyond int64": (
        "id,b\n1,1\n18446744073709551615,1\n",
        "row 2 (line 3 of towns.csv) holds 18446744073709",
    ),
    "identifiers with a gap": (
        "id,b\n?,1\n9007199254740993,1\n",
        "row 2 (line 3 of towns.csv) holds 9007199254740993.",
    ),
    "identifiers with dots": ("id;b\n1,5;2,5\n9.007.199.254.740.993;1\n", "holds 9.007.199.254.740.993."),
}


@pytest.mark.parametrize(("content", "expected"), DOUBTS.values(), ids=DOUBTS)
def test_a_column_in_doubt_is_refused_when_it_is_used(tmp_path, content, expected):
    """The file is read all the same, and the rest of it may be used; the column has a sentence, and no values."""
    path = file_of(tmp_path, content)
    assert expected in refused(path)
    table = read_table(path)
    assert np.isnan(table.values[:, 0]).all()
    table.without(table.names[0]).require_usable()


def test_four_in_five_decide_whether_a_column_is_text(tmp_path):
    """Of five cells four numbers leave a column text, of six five do not; 100 texts are few, 101 are many."""
    assert cells(read_table(file_of(tmp_path, "a,b\n1,2\n2,2\n3,2\n4,2\nx,2\n")))["a"] == ["1", "2", "3", "4", "x"]
    assert "holds 'x'" in refused(file_of(tmp_path, "a,b\n1,2\n2,2\n3,2\n4,2\n5,2\nx,2\n"))
    read_table(file_of(tmp_path, "a,b\n" + "".join(f"n{k},1\n" for k in range(100)))).require_usable()


UNREADABLE = {
    "a first line of data with text": (
        "5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n",
        "first line looks like data: '5.1,3.5",
    ),
    "a first line of whole numbers and text": ("39, State-gov, 77516, 13\n50, Private, 83311, 13\n", "looks like data"),
    "R, row names": (
        '"a" "b"\n"1" 1.5 2\n"2" 2.5 3\n',
        "column 1 of 3 has none. Name it, or leave it out (pandas writes",
    ),
    "a comment alone": ("# nothing\n", "towns.csv must have a header line and rows; got an empty file."),
    "a quotation mark left open in the last column": (
        'a,b\n1,2\n3,"4\n5,6\n',
        "must close each quotation mark that opens",
    ),
    "the same in a long file": ("a,b\n" + "1,2\n" * 200 + '1,"2\n' + "3,4\n" * 40_000, "or its quotation mark is not"),
    "too few cells between bars": ("a|b|c\n1|2|3\n1|2\n1|2|3\n", "as in its header (line 1), 3; line 3 has 2."),
    "too many cells between blanks": ("a b\n1  2\n1 2\n1   2  3\n", "as in its header (line 1), 2; line 4 has 3."),
    "a web page": (
        "<!DOCTYPE html><html>",
        "towns.csv must be a table as text (CSV), Parquet, Arrow or NumPy; got a web page.",
    ),
    "JSON": ('{"a": 1}\n', "got JSON."),
    "a spreadsheet": (
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0x.xml",
        "got a zip archive or a spread",
    ),
    "a PDF": (b"%PDF-1.7", "got a PDF file. Save the table as CSV."),
    "HDF5": (b"\x89HDF\r\n", "got an HDF5 file. Save the table as CSV."),
    "a pickle": (b"\x80\x04\x95", "got a pickle of Python. Save the table as CSV."),
    "half a Parquet file": (
        b"PAR1\x15\x04",
        "towns.csv must be a whole Parquet file; it cannot be read (Parquet file size",
    ),
    "half an Arrow file": (b"ARROW1\0\0\xff\xff", "towns.csv must be a whole Arrow file; it cannot be read ("),
    "half an Arrow stream": (
        b"\xff\xff\xff\xff\x10\0\0\0abc",
        "towns.csv must be a whole Arrow stream file; it cannot be re",
    ),
    "half an array": (b"\x93NUMPY\x01\0\x10\0{'descr'", "towns.csv must be a whole NumPy file; it cannot be read ("),
}


@pytest.mark.parametrize(("content", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_file_gets_one_sentence(tmp_path, content, expected):
    """What is no table, or half of one, is refused at once by one sentence."""
    with pytest.raises(BadData) as error:
        read_table(file_of(tmp_path, content))
    assert expected in sentence(error)


# ------------------------------------------------------------------------------------------------ Parquet, Arrow, NumPy

TYPED = {
    "int8": pa.array([1, None, -3], pa.int8()),
    "uint64": pa.array([2**53, None, 0], pa.uint64()),
    "float16": pa.array([1.5, None, 2], pa.float16()),
    "float32": pa.array([0.1, None, 2], pa.float32()),
    "float64": pa.array([0.1, None, math.inf]),
    "boolean": pa.array([True, None, False]),
    "null": pa.nulls(3),
    "decimal": pa.array([Decimal("0.1"), None, Decimal("-12345678.9")], pa.decimal128(20, 3)),
    "text": pa.array(["b", None, " a "]),
    "empty text": pa.array(["", "x", "NA"]),
    "large text": pa.array(["b", None, "a"], pa.large_string()),
    "text view": pa.array(["b", None, "a"], pa.string_view()),
    "category": pa.array(["b", None, "a"]).dictionary_encode(),
    "category of numbers": pa.array([10, None, 9]).dictionary_encode(),
}
READ = {
    "int8": [1.0, None, -3.0],
    "uint64": [2.0**53, None, 0.0],
    "float16": [1.5, None, 2.0],
    "float32": [float(np.float32(0.1)), None, 2.0],
    "float64": [0.1, None, math.inf],
    "boolean": [True, None, False],
    "null": [None] * 3,
    "decimal": [0.1, None, -12345678.9],
    "text": ["b", None, "a"],
    "empty text": [None, "x", "NA"],
    "large text": ["b", None, "a"],
    "text view": ["b", None, "a"],
    "category": ["b", None, "a"],
    "category of numbers": ["10", None, "9"],
}
MOMENT = datetime.datetime(2024, 5, 1, 12, 30)
UNUSABLE = {
    "date": (pa.array([None, MOMENT.date()]), "it holds dates or times (row 2 holds 2024-05-01)."),
    "moment": (pa.array([MOMENT, None]), "(row 1 holds 2024-05-01 12:30:00)."),
    "nanoseconds": (pa.array([1, None], pa.timestamp("ns")), "it holds dates or times (row 1 holds"),
    "time of day": (pa.array([MOMENT.time(), None]), "(row 1 holds 12:30:00)."),
    "duration": (pa.array([datetime.timedelta(1), None]), "(row 1 holds 1 day, 0:00:00)."),
    "list": (
        pa.array([None, [1, 2]]),
        "row 2 holds [1, 2]. Leave it out (--ignore list), or turn it into plain numbers",
    ),
    "record": (pa.array([{"b": 1}, None]), "row 1 holds {'b': 1}."),
    "bytes": (pa.array([b"x", None]), "row 1 holds b'x'."),
    "identifier": (pa.array([1, 2**53 + 1]), "row 2 holds 9007199254740993."),
    "low identifier": (pa.array([-(2**63), None]), "row 1 holds -9223372036854775808."),
    "long identifier": (pa.array([2**64 - 1, 1], pa.uint64()), "row 1 holds 18446744073709551615."),
    "decimal identifier": (pa.array([Decimal(1), Decimal(2**53 + 1)]), "row 2 holds 9007199254740993."),
    "number as text": (
        pa.array(["1.5", "2"]),
        "it holds numbers kept as text (row 1 holds '1.5'). Turn it into numbers,",
    ),
    "date as text": (pa.array(["2024-05-01", None]), "it holds dates or times (row 1 holds '2024-05-01')."),
}


def written(table: pa.Table, path: pathlib.Path, how: str) -> pathlib.Path:
    """Write an Arrow table in a format."""
    if how.startswith("Parquet"):
        pq.write_table(table, path)
    else:
        with (pa.ipc.new_file if how == "Arrow" else pa.ipc.new_stream)(path, table.schema) as file:
            file.write_table(table)
    if how == "Parquet, packed":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


@pytest.mark.parametrize("how", ["Parquet", "Parquet, packed", "Arrow", "Arrow stream"])
def test_typed_files_are_read_to_the_bit(tmp_path, how):
    """Numbers, booleans and texts of every type are read; what cannot be used is said of its column alone.

    The name of the file says nothing of its format.
    """
    path = written(pa.table(TYPED), tmp_path / "towns.csv", how)
    table = read_table(path)
    expected = READ | ({"category of numbers": [10.0, None, 9.0]} if "Parquet" in how else {})  # which it forgets
    assert cells(table) == expected
    assert (table.origin, table.first_row, table.where(2)) == ("towns.csv", 1, "row 3")
    table = read_table(written(pa.table({name: column for name, (column, _) in UNUSABLE.items()}), path, how))
    assert np.isnan(table.values).all()
    for name, kind in zip(table.names, table.kinds, strict=True):
        assert UNUSABLE[name][1] in kind.problem


def test_decimals_are_rounded_once(tmp_path):
    """A decimal becomes the float64 nearest to it, as Python's float does; Arrow's own cast is off for some."""
    rng = np.random.default_rng(0)
    digits, places = rng.integers(-(10**17), 10**17, 500).tolist(), rng.integers(3, 18, 500).tolist()
    decimals = [Decimal(k).scaleb(-one) for k, one in zip(digits, places, strict=True)]
    column = pa.array(decimals, pa.decimal128(38, 18))
    exact = [float(one) for one in decimals]
    assert read_table(pa.table({"a": column})).values[:, 0].tolist() == exact
    assert column.cast(pa.float64()).to_pylist() != exact  # this test can fail


def test_the_index_of_pandas_is_no_column(tmp_path):
    """A data frame with an index of its own is written to Parquet and read without it."""
    pd.DataFrame({"a": [1.0, 2.0]}, index=[7, 3]).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").names == ("a",)


A = np.arange(6.0).reshape(3, 2)


def test_arrays_in_files_are_read_to_the_bit(tmp_path):
    """.npy: an array, structured or not; .npz: an array, columns by name, or a sparse array, which stays sparse."""
    for array in (A, np.asfortranarray(A), A.astype(">f4"), A.astype(np.int16), A > 2):
        np.save(tmp_path / "t.npy", array)
        table = read_table(tmp_path / "t.npy")
        np.testing.assert_array_equal(table.values, array.astype(float))
        assert (table.names, table.named, table.where(1)) == (("x0", "x1"), False, "row 2")
        assert table.kinds[0].name == ("boolean" if array.dtype == bool else "number")
    np.save(tmp_path / "t.npy", np.array([(1, "x"), (2, "y")], [("a", "i4"), ("b", "U3")]))
    assert cells(read_table(tmp_path / "t.npy")) == {"a": [1.0, 2.0], "b": ["x", "y"]}
    np.savez(tmp_path / "t.npz", a=[1, 2], b=["x", "y"], c=[True, False])
    assert cells(read_table(tmp_path / "t.npz")) == {"a": [1.0, 2.0], "b": ["x", "y"], "c": [True, False]}
    np.savez_compressed(tmp_path / "t.npz", A)
    assert read_table(tmp_path / "t.npz").values.tolist() == A.tolist()
    sparse.save_npz(tmp_path / "t.npz", sparse.coo_array(([1.0, 2, 3], ([0, 0, 2], [1, 1, 0])), (3, 2)))
    table = read_table(tmp_path / "t.npz")
    assert table.sparse
    assert table.values.toarray().tolist() == [[0, 3], [0, 0], [3, 0]]


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"a": [1, 2], "b": [1]}, "columns with one dimension and of one length; got 'a' (2,), 'b' (1,)."),
        ({"a": A, "b": [1]}, "got 'a' (3, 2), 'b' (1,). Save what is the table alone."),
        (
            {"a": np.array([1, "x"], object)},
            "t.npz must be a whole NumPy file; it cannot be read (Object arrays cannot",
        ),
        ({"a": [1j]}, "column 'a' must be numbers, booleans or text with few levels; row 1 holds 1j."),
        ({"a": 5}, "got 'a' ()."),
    ],
)
def test_other_arrays_in_files_get_one_sentence(tmp_path, arrays, expected):
    """Arrays that are no table are refused, and so are pickles, which could run any code."""
    np.savez(tmp_path / "t.npz", **arrays)
    assert expected in refused(tmp_path / "t.npz")


# ----------------------------------------------------------------------------------------------------------- many files


def test_a_folder_is_one_table(tmp_path):
    """Files in order of their names, of folders below too; what programs keep to themselves is left out."""
    for year in (2023, 2024):
        (tmp_path / "all" / f"year={year}").mkdir(parents=True)
        file_of(tmp_path / "all" / f"year={year}", f"a,b\n{year},x\n1,{year}x\n", "part.csv")
    file_of(tmp_path / "all", "b,a\n,5\n\nz,6\n", "zzz.csv")
    file_of(tmp_path / "all", "no table", "_SUCCESS")
    file_of(tmp_path / "all", "no table", ".hidden.csv")
    table = read_table(tmp_path / "all")
    assert cells(table) == {"a": [2023.0, 1, 2024, 1, 5, 6], "b": ["x", "2023x", "x", "2024x", None, "z"]}
    assert table.origin == "all"
    assert table.where(3) == "row 4 (line 3 of part.csv)"
    assert table.where(5) == "row 6 (line 4 of zzz.csv)"
    files = sorted((tmp_path / "all").glob("*/*.csv"), reverse=True)
    assert cells(read_table(files))["a"] == [2024.0, 1, 2023, 1]
    assert read_table([str(files[0])]).origin == "part.csv"
    assert read_table(tuple(files)).origin == "the 2 files"


def test_a_column_is_the_same_in_all_files(tmp_path):
    """Numbers in one text file and texts in another are texts; in typed files that is refused when it is used."""
    paths = [file_of(tmp_path, f"a,b\n{cell},1\n", f"{k}.csv") for k, cell in enumerate(["1.50", "x", ""])]
    assert cells(read_table(paths)) == {"a": ["1.50", "x", None], "b": [1.0] * 3}
    paths = [file_of(tmp_path, f"a;b\n{cell};1,5\n", f"{k}.csv") for k, cell in enumerate([" ", "2,5", "3"])]
    assert cells(read_table(paths)) == {"a": [None, 2.5, 3.0], "b": [1.5] * 3}
    np.testing.assert_array_equal(open_blocks(paths).whole().values, read_table(paths).values)
    paths = [
        written(pa.table({"a": [cell], "b": [1]}), tmp_path / f"{k}.p", "Parquet") for k, cell in enumerate(["x", 1.5])
    ]
    assert "column 'a' must be numbers, booleans or text with few levels; it is of another kind in one file" in refused(
        paths
    )
    assert read_table(paths).where(1) == "row 2 (row 1 of 1.p)"
    paths = [tmp_path / f"{k}.npy" for k in range(2)]
    for k, path in enumerate(paths):
        np.save(path, A + k)
    assert read_table(paths).values.tolist() == np.vstack([A, A + 1]).tolist()
    assert read_table(paths).where(3) == "row 4 (row 1 of 1.npy)"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"1.csv": "a,b\n1,2\n", "2.csv": "a\n1\n"}, "must have the same columns; got no 'b' in 2.csv, but in 1.csv."),
        ({"1.csv": "a\n1\n", "2.csv": "a,c\n1,2\n"}, "must have the same columns; got no 'c' in 1.csv, but in 2.csv."),
        ({"1.csv": "a\n1\n", "2.npy": b"\x93NUMPY"}, "must have one format; got text in 1.csv and npy in 2.npy."),
        (
            {"1.csv": "a;b\n1,5;2\n", "2.csv": "a;b\n1.5;2\n"},
            "the same decimal mark; got '.' in 2.csv and ',' in 1.csv.",
        ),
        ({"_1.csv": "a\n1\n"}, "table must be a file or a folder of files; got"),
    ],
)
def test_a_folder_of_different_tables_gets_one_sentence(tmp_path, files, expected):
    """Files that do not fit together are refused by the names of two of them."""
    for name, content in files.items():
        file_of(tmp_path, content, name)
    assert expected in refused(tmp_path)


def test_a_missing_file_is_looked_for_by_its_stem(tmp_path):
    """A suffix that two files share does not make them alike; an address is to be downloaded first."""
    for name in ("houses.csv", "towns.csv", "towns.parquet"):
        file_of(tmp_path, "a\n1\n", name)
    assert "Did you mean 'towns.csv'?" in refused(tmp_path / "twons.csv")
    assert "Did you mean 'towns.parquet'?" in refused(tmp_path / "town.parquet")
    assert "Did you mean 'houses.csv'?" in refused(tmp_path / "houses.cvs")
    assert refused(tmp_path / "iris.csv").endswith("iris.csv'. Check the path.")
    assert "Download it first." in refused("https://example.org/towns.csv")


# --------------------------------------------------------------------------------------------------- objects of Python


def test_texts_and_categories_of_data_frames():
    """Texts, categories and enumerations of any library are text; categories that do not occur are no levels."""
    expected = {"a": ["y", None, "x"], "b": ["y", None, "x"]}
    frames = (
        pd.DataFrame({"a": ["y", None, "x"], "b": pd.Categorical(["y", None, "x"], ["z", "y", "x"])}),
        pd.DataFrame({"a": np.array(["y", None, "x"], object), "b": ["y", nan, "x"]}),
        pl.DataFrame({"a": ["y", None, "x"], "b": pl.Series(["y", None, "x"], dtype=pl.Enum(["z", "y", "x"]))}),
        pl.DataFrame({"a": ["y", None, "x"], "b": pl.Series(["y", None, "x"], dtype=pl.Categorical)}),
        pa.table({"a": pa.chunked_array([["y"], [None, "x"]]), "b": pa.array(["y", None, "x"]).dictionary_encode()}),
    )
    for frame in frames:
        assert cells(read_table(frame)) == expected
    assert cells(read_table(pd.DataFrame({"a": pd.cut([1, 2, 9], [0, 5, 10])}))) == {
        "a": ["(0, 5]", "(0, 5]", "(5, 10]"]
    }
    assert cells(read_table(np.array([["x", "y"], ["z", "w"]]))) == {"x0": ["x", "z"], "x1": ["y", "w"]}
    assert cells(read_table([[1, "x"], [None, "y"], [2.5, None]])) == {"x0": [1.0, None, 2.5], "x1": ["x", "y", None]}
    booleans = read_table(pd.DataFrame({"a": pd.array([True, None], "boolean"), "b": np.array([True, None], object)}))
    assert cells(booleans) == {"a": [True, None], "b": [True, None]}


def test_sparse_arrays_stay_sparse():
    """A SciPy sparse array of any format keeps what it stores, as float64, and its columns are numbers."""
    dense = np.array([[0, 2, 0], [1, 0, 0], [0, 0, 0]])
    for matrix in (
        sparse.csr_array(dense),
        sparse.coo_array(dense),
        sparse.csc_matrix(dense),
        sparse.csr_array(dense > 0),
    ):
        table = read_table(matrix)
        assert table.sparse
        assert table.values.format == "csr"
        assert table.values.dtype == np.float64
        np.testing.assert_array_equal(table.values.toarray(), matrix.toarray())
        assert (table.names, table.named, len(table)) == (("x0", "x1", "x2"), False, 3)
    twice = sparse.csr_array((np.ones(3), [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    assert read_table(twice).values.data.tolist() == [2.0, 1.0]
    assert twice.nnz == 3  # the user's own is not changed
    large = sparse.csr_array(np.array([[0, 1], [2**53 + 1, 1]]))
    assert "column 'x0' must hold numbers that float64 can tell apart" in refused(large)
    assert "row 1 holds 9007199254740993." in refused(large)
    read_table(large).select("x1").require_usable()
    assert "a sparse table must hold real numbers; got one of type complex128." in refused(sparse.csr_array(dense * 1j))
    assert "text must be left out for a sparse table" in refused(sparse.csr_array(dense), text=["x0"])
    assert "two dimensions" in refused(sparse.coo_array(np.ones(3)))
