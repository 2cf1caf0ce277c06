"""Claim: a table read in blocks is the table read whole, in little memory, however its rows are cut."""

import bz2
import csv
import gzip
import io
import lzma
import pathlib
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from chainrule import Model
from chainrule.tables import BadData, Dialect, Table, blocks, open_blocks, read_table, text

ROWS = 1500


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks of a few hundred rows, so that small tables have many."""
    monkeypatch.setattr(blocks, "ROWS", 100)
    monkeypatch.setattr(blocks, "PIECE", 7000)
    monkeypatch.setattr(text, "PIECE", 7000)


def frame() -> pd.DataFrame:
    """Columns of every kind, some of which show what they are only in the last rows."""
    rng = np.random.default_rng(3)
    late = np.array(["7"] * ROWS, object)
    late[-1] = "oops"
    text_late = np.where(np.arange(ROWS) < 1400, "12", "twelve")
    return pd.DataFrame(
        {
            "number": rng.normal(size=ROWS),
            "gaps": np.where(rng.random(ROWS) < 0.2, np.nan, rng.integers(0, 9, ROWS)),
            "text": rng.choice(["x", "y,z", "two\nlines", 'a "quoted" one', None], ROWS),
            "truth": rng.random(ROWS) < 0.5,
            "typo": late,
            "mixed": np.where(np.arange(ROWS) < 300, text_late, "dozen"),
            "date": pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d"),
            "name": [f"n{k}" for k in range(ROWS)],
            "identifier": np.where(np.arange(ROWS) == ROWS - 2, 2**53 + 1, np.arange(ROWS)),
            "empty": [None] * (ROWS - 1) + [1.5],
        }
    )


def write(folder: pathlib.Path, how: str) -> object:
    """Write the table in one way, or in several files."""
    table, path = pa.Table.from_pandas(frame()), folder / how
    if how == "parquet":
        pq.write_table(table, path, row_group_size=230)
    elif how == "one row group":
        pq.write_table(table, path)
    elif how == "arrow":
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table, max_chunksize=190)
    elif how == "arrow stream":
        with pa.ipc.new_stream(path, table.schema) as file:
            file.write_table(table, max_chunksize=190)
    elif how == "npy":
        np.save(path.with_suffix(".npy"), np.round(frame()[["number", "gaps"]].to_numpy(), 3))
        return path.with_suffix(".npy")
    elif how == "npy of identifiers":
        np.save(path.with_suffix(".npy"), frame()[["identifier", "truth"]].to_numpy(">i8"))
        return path.with_suffix(".npy")
    elif how == "npy, packed":
        packed = io.BytesIO()
        np.save(packed, frame()[["number", "gaps"]].to_numpy())
        path.write_bytes(gzip.compress(packed.getvalue()))
    elif how == "npz":
        np.savez(folder / "t.npz", a=frame()["number"], b=frame()["truth"], c=frame()["mixed"].to_numpy("U9"))
        return folder / "t.npz"
    elif how == "folder":
        path.mkdir()
        for k in range(3):
            frame()[k * 500 : k * 500 + 500].to_csv(path / f"{k}.csv", index=False)
    elif how == "two parquet files":
        paths = [folder / "0.parquet", folder / "1.parquet"]
        pq.write_table(table[:700], paths[0], row_group_size=300)
        pq.write_table(table[700:].select(table.schema.names[::-1]), paths[1], row_group_size=300)
        return paths
    else:
        content = frame().to_csv(index=False, sep=";" if how == "semicolons" else ",", lineterminator="\r\n")
        if how == "comments":
            content = "# by hand\n\n" + content
        pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
        packed = {name: pack_it(content.encode()) for name, pack_it in pack.items()} | {
            "utf-16": content.encode("utf-16")
        }
        path.write_bytes(packed.get(how, content.encode("cp1252")))
    return path


def read(source: object, columns: list[str] | None = None, **options: object) -> tuple[blocks.Blocks, Table]:
    """Read all blocks of a table and put them together again."""
    opened = open_blocks(source, **options)
    tables = [table for block in opened.blocks for table in block.tables(columns)]
    assert max(len(table) for table in tables) <= 100
    assert all(table.kinds == tables[0].kinds for table in tables)
    whole = Table(
        tables[0].names,
        np.concatenate([table.values for table in tables]),
        tables[0].origin,
        tables[0].first_row,
        tables[0].named,
        tables[0].kinds,
        tables[0].place,
        np.concatenate([table.numbers for table in tables]),
    )
    sizes = [sum(len(table) for table in block.tables(columns)) for block in opened.blocks]
    assert sizes == [block.rows for block in opened.blocks]
    assert np.cumsum([0, *sizes])[:-1].tolist() == [block.start for block in opened.blocks]
    assert opened.rows == len(whole) == sum(sizes)
    return opened, whole


WAYS = {
    "csv": 15, "semicolons": 15, "comments": 15, "folder": 15, "utf-16": 1, "gz": 1, "bz2": 1, "xz": 1,
    "parquet": 7, "one row group": 1,
    "arrow": 8, "arrow stream": 1, "npy": 4, "npy of identifiers": 4,
    "npy, packed": 4, "npz": 1, "two parquet files": 6,
}  # fmt: skip


@pytest.mark.parametrize(("how", "least"), WAYS.items(), ids=WAYS)
def test_blocks_are_the_whole(tmp_path, how, least):
    """Names, kinds, values, numbers of rows and the places that messages name are those of the table read whole."""
    source = write(tmp_path, how)
    opened, found = read(source)
    whole = read_table(source)
    assert len(opened.blocks) >= least
    assert opened.names == found.names == whole.names
    assert opened.kinds == found.kinds == whole.kinds
    assert (opened.origin, opened.named, found.first_row) == (whole.origin, whole.named, 1)
    assert opened.decoded_bytes == whole.values.nbytes
    np.testing.assert_array_equal(found.values, whole.values)
    assert found.numbers.tolist() == list(range(len(whole)))
    assert [found.where(row) for row in (0, 777, 1499)] == [whole.where(row) for row in (0, 777, 1499)]
    chosen = list(whole.names[::-2])
    np.testing.assert_array_equal(read(source, chosen)[1].values, whole.select(chosen).values)
    as_text = read(source, text=list(whole.names[1:2]))[1]
    again = read_table(source, text=list(whole.names[1:2]))
    assert as_text.kinds == again.kinds
    np.testing.assert_array_equal(as_text.values, again.values)


@pytest.mark.parametrize("how", ["parquet", "arrow", "csv"])
def test_the_whole_is_what_was_written(tmp_path, how):
    """The test above compares the reader with itself; this one with what pandas had in memory."""
    wanted, table = frame(), read(write(tmp_path, how))[1]
    kinds = {name: (kind.name, bool(kind.problem)) for name, kind in zip(table.names, table.kinds, strict=True)}
    assert kinds == {
        "number": ("number", False), "gaps": ("number", False), "text": ("text", False), "truth": ("boolean", False),
        "typo": ("other", True), "mixed": ("text", False), "date": ("date", True), "name": ("text", True),
        "identifier": ("other", True), "empty": ("number", False),
    }  # fmt: skip
    for name in ("number", "gaps", "truth", "empty"):
        np.testing.assert_array_equal(table.column(name), wanted[name].to_numpy(float))
    for name in ("text", "mixed"):
        levels = np.array([*table.kind(name).levels, None], object)
        codes = np.nan_to_num(table.column(name), nan=-1).astype(int)
        expected = [None if pd.isna(one) else one for one in wanted[name]]
        assert [one and one.replace("\r\n", "\n") for one in levels[codes]] == expected


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.text('a",\n\r ;\t', max_size=9), st.floats(allow_nan=False)), min_size=1, max_size=30),
    st.integers(40, 300),
)
def test_cells_over_several_lines_are_never_cut(tmp_path, rows, size):
    """However long the pieces, and whatever quotation marks, commas and lines the cells hold."""
    path = tmp_path / "t.csv"
    table = pd.DataFrame([(f"<{a}>", b) for a, b in rows], columns=["a", "b"])
    table.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", size)
        found, whole = read(path)[1], read_table(path)
    assert found.kinds == whole.kinds
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(whole.column("b"), [b for _, b in rows])


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(["1.5", "-2", "", "", " ", "NA", '""', '"\n\n7"']), min_size=1, max_size=40),
    st.sampled_from(["\n", "\r\n"]),
    st.text("\n \t", max_size=9),
    st.sampled_from(["utf-8", "utf-16", "gz"]),
    st.integers(3, 60),
)
def test_a_blank_line_of_one_column_is_a_missing_cell(tmp_path, cells, end, below, how, size):
    """It keeps its place among the rows, in the table read whole and in blocks, unless no row follows it."""
    path = tmp_path / "t.csv"
    cells = [*cells, "3"]
    content = end.join(["a", *cells, below])
    path.write_bytes(gzip.compress(content.encode()) if how == "gz" else content.encode(how))
    expected = [float(cell.strip('"\n')) if any(map(str.isdigit, cell)) else np.nan for cell in cells]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", size)
        patch.setattr(text, "PIECE", size)
        found, whole = read(path)[1], read_table(path)
    np.testing.assert_array_equal(whole.values[:, 0], expected)
    np.testing.assert_array_equal(found.values[:, 0], expected)
    lines = np.cumsum([2, *(1 + cell.count("\n") for cell in cells)])
    assert [whole.where(row) for row in range(len(cells))] == [
        f"row {row + 1} (line {lines[row]} of t.csv)" for row in range(len(cells))
    ]


def test_predictions_of_one_column_stay_beside_its_rows(tmp_path):
    """A blank line in the one column that a model takes is a row of the answer, and one at the end is none."""
    path = tmp_path / "t.csv"
    x = np.linspace(0, 1, 40)
    trained = pd.DataFrame({"x": np.where(np.arange(40) % 5 == 0, np.nan, x), "y": x})
    model = Model.fit(trained, "y", missing="mean", hidden=[2], l2=0.01, epochs=2)
    path.write_text("x\n0.5\n\n0.25\n\n\n")
    expected = model.predict(pd.DataFrame({"x": [0.5, np.nan, 0.25]}))
    np.testing.assert_array_equal(model.predict(path), expected)


def test_quotation_marks_within_cells_are_no_quotations(tmp_path):
    """5" pipe is a text, and an odd number of such marks does not make the rest of a file one cell."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + '5" pipe,"x\ny"\n' + '1,"x"\n' * 3000 + 'x,5" pipe\n' * 2 + "1,y\n" * 3000)
    opened, found = read(path)
    whole = read_table(path)
    assert len(opened.blocks) > 3
    assert found.kinds == whole.kinds
    assert whole.kinds[1].levels == ('5" pipe', "x", "x\ny", "y")
    np.testing.assert_array_equal(found.values, whole.values)


def test_a_decimal_comma_that_shows_late_is_that_of_all_blocks(tmp_path):
    """A point read as a decimal one in the first block stands between thousands if the last says so."""
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "1.234;7\n" * 5000 + "5.000;0,5\n")
    found = read(path)[1]
    assert found.values[[0, -1]].tolist() == [[1234.0, 7.0], [5000.0, 0.5]]


def test_a_dialect_holds_for_all_blocks(tmp_path):
    """Files without header, in runs of blanks, and with lines as on old Macintoshes are cut as well."""
    path = tmp_path / "t.txt"
    path.write_text("".join(f" {k}   {k}.5\n" for k in range(3000)))
    opened, found = read(path, dialect=Dialect(header=False))
    assert (opened.named, len(opened.blocks) > 3) == (False, True)
    np.testing.assert_array_equal(found.values, [[k, k + 0.5] for k in range(3000)])
    path.write_bytes(b"a,b\r" + b"1,2\r" * 3000)
    assert len(read(path)[0].blocks) > 1


def test_what_is_wrong_is_said_when_blocks_are_opened(tmp_path):
    """A short line far below, an open quotation mark, an unknown column and a damaged file get one sentence each."""
    path = tmp_path / "t.csv"
    for content, expected in (
        ("a,b\n" + "1,2\n" * 5000 + "3\n", "as many cells in each line as in its header (line 1), 2; line 5002 has 1."),
        (
            "a,b\n" + "1,2\n" * 5000 + '3,"4\n' + "5,6\n" * 9000,
            "t.csv must close each quotation mark that opens a cell",
        ),
        ("a,b\n", "t.csv must have rows below its header"),
        (b"PAR1xx", "t.csv must be a whole Parquet file"),
        (bz2.compress(b"a,b\n1,2\n")[:-4], "t.csv must be a whole file; it cannot be unpacked"),
        (lzma.compress(b"a,b\n1,2\n")[:-4], "t.csv must be a whole file; it cannot be unpacked"),
        (gzip.compress(b"a,b\n1,2\n")[:-4], "t.csv must be a whole file; it cannot be unpacked"),
    ):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(BadData) as error:
            open_blocks(path)
        assert expected in str(error.value)
    np.save(path := tmp_path / "t.npy", np.array([["x"], ["\ud800"]]))
    with pytest.raises(BadData, match=r"t\.npy must be a whole NumPy file; .*surrogate"):
        open_blocks(path)
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadData, match=r"columns must be a column of t\.csv; got 'c'"):
        next(open_blocks(path).blocks[0].tables(["c"]))


MEMORY = """
import re, sys
from pathlib import Path
import narwhals, pandas, pyarrow.csv, pyarrow.parquet
from chainrule.tables import open_blocks
def peak(): return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before, rows = peak(), 0
for block in (opened := open_blocks(sys.argv[1])).blocks:
    for table in block.tables():
        rows += len(table)
assert rows == opened.rows
print(peak() - before, opened.decoded_bytes / 2**20)
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="only Linux tells the most memory used")
def test_a_table_passes_through_little_memory(tmp_path):
    """305 MiB in one row group are read within half as much; about 100 are used: 65,536 rows are 5, some times over."""
    column = np.random.default_rng(0).random(4_000_000)
    table = pa.table({f"c{j}": column for j in range(10)})
    pq.write_table(table, tmp_path / "t", row_group_size=len(table), use_dictionary=False, compression="none")
    run = [sys.executable, "-c", MEMORY, str(tmp_path / "t")]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    used, size = map(float, done.stdout.split())
    assert used < size / 2
