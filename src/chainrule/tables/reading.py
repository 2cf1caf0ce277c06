"""The door by which tables come in, whatever they are: files of several formats, data frames, arrays.

A table is read and checked here, and what leaves is float64 in rows and columns. Only what makes a whole table
unreadable is refused at once, with one sentence (BadData); a column that no network can use is refused when it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.tables.blocks import open_blocks
from chainrule.tables.formats import read_numpy
from chainrule.tables.frames import read_object
from chainrule.tables.paths import are_paths, common_format, files_of
from chainrule.tables.table import Table, Texts, texts_of
from chainrule.tables.text import Dialect, missing_in, read_text


def read_table(table: Any, *, text: Sequence[str] | Texts = (), dialect: Dialect | None = None) -> Table:
    """Read a table from a file, several files, or an object of Python.

    Parameters
    ----------
    table : path, list of paths, folder, data frame or array
        Text files (CSV and its kin: separated by commas, semicolons, tabs, bars or blanks; with decimal points or
        commas; in UTF-8, UTF-16 or Latin-1; packed by gzip, bzip2, xz or zstd), Parquet, Arrow (file or stream), NumPy
        (.npy, .npz); several of one format, or a folder of them (hidden files and those that begin with _ aside), are
        one table. Or a data frame (pandas, polars, pyarrow, whatever narwhals knows or hands itself over as an Arrow
        stream); a NumPy array with two dimensions, or a structured one, nested lists, a SciPy sparse array. A Table is
        returned as it is.
    text : sequence of str, or mapping
        Columns that are to be text even if their cells look like numbers. A mapping gives each its levels, those of a
        model; then others may be as many as they are.
    dialect : Dialect, optional
        How text files are written, as far as it is not to be found out; its gaps go for any table.

    Returns
    -------
    Table
        Integers, floats, decimals and booleans as float64, texts as positions in their levels, NaN for missing cells:
        null, None and masked entries, empty texts, the gaps of the dialect; in text files also NA, NaN, N/A and their
        like, and ?, ., - or -- where all other cells are numbers. Spaces around names and texts are dropped, and blank
        lines are skipped, but for those of a file of one column: above its last row they are missing cells. Infinite
        values are kept. What else a column may hold, such as dates or numbers that float64 cannot tell apart, is said
        in its kind, and its values are NaN.

    Raises
    ------
    BadData
        If the table cannot be read. The message says where and what to do.
    """
    chosen = texts_of(text)
    if isinstance(table, Table):
        return table
    if not are_paths(table):
        return read_object(table, chosen, missing_in(dialect))
    paths, origin = files_of(table)
    format_ = common_format(paths)
    if format_ == "text":
        return read_text(paths, dialect, chosen, origin)
    if format_ in {"npy", "npz"}:
        return read_numpy(paths, chosen, origin, missing_in(dialect))
    return open_blocks(table, text=chosen, dialect=dialect).whole()
