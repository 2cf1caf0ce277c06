"""Users' tables in: reading, checking, splitting and scaling the numbers that a network is trained on.

This is where doubt ends. A table is read and checked once, here, and what leaves is plain float64 in rows and columns,
so the page and the engines need not ask again. A row is a pattern; a column is an input or a target. Numbers, booleans
(0 and 1) and decimals are read; whatever else a table holds, or lacks, is answered with one sentence (BadData).
"""

from __future__ import annotations

import csv
import difflib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.notation import Array, FloatArray

if TYPE_CHECKING:
    import narwhals as nw
    import pyarrow as pa

SPLIT = 0x5B117
"""Keeps the stream of a split apart from the one that a user's own generator draws from the same seed."""

EXACT = 2**53
"""The largest size up to which float64 tells every whole number from its neighbours."""

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?|[+-]?nan"
"""What a number looks like in a CSV file, in capitals or not, without the spaces around it."""

NOT_CSV = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"\x93NUMPY": "a NumPy file",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
"""How files that are given as CSV by mistake begin."""


class BadData(ValueError):
    """A table that cannot be used; the message says where, why, and what to do."""


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of numbers, and where they came from.

    Parameters
    ----------
    names : tuple of str
        The columns' names, all different.
    values : array of float64, shape (rows, columns), in C order
        The numbers; NaN where a cell is empty. It may share memory with the array that it was read from.
    origin : str
        What messages call the table: the file's name, "the data frame" or "the array".
    first_row : int
        The number of the first row: 0 as in Python, 1 in a file, where the header stands above it.
    path : Path, optional
        The file, so that a message can name the line in it.
    named : bool
        False for an array: its columns are called x0, x1, … and are told apart by position.
    """

    names: tuple[str, ...]
    values: FloatArray
    origin: str = "the table"
    first_row: int = 0
    path: Path | None = None
    named: bool = True

    def column(self, name: str, *, argument: str = "name") -> FloatArray:
        """Return one column, shape (rows,)."""
        column: FloatArray = self.values[:, self._positions((name,), argument)[0]]
        return column

    def select(self, names: Iterable[str], *, argument: str = "name") -> Table:
        """Return the table of these columns, in this order; one name may stand alone."""
        chosen = (names,) if isinstance(names, str) else tuple(names)
        if chosen == self.names:
            return self
        return replace(self, names=chosen, values=np.take(self.values, self._positions(chosen, argument), axis=1))

    def without(self, names: Iterable[str], *, argument: str = "name") -> Table:
        """Return the table of the other columns; one name may stand alone."""
        dropped = (names,) if isinstance(names, str) else tuple(names)
        left = dict.fromkeys(self.names)
        for j in set(self._positions(dropped, argument)):
            del left[self.names[j]]
        return self.select(left)

    def where(self, row: int) -> str:
        """Say where a row stands, in words: "row 17 (line 18 of houses.csv)"."""
        line = None if self.path is None else _line(self.path, row)
        return f"row {row + self.first_row}" + ("" if line is None else f" (line {line} of {self.origin})")

    def _positions(self, names: Sequence[str], argument: str) -> list[int]:
        position = {name: j for j, name in enumerate(self.names)}
        for name in names:
            if name not in position:
                raise BadData(
                    f"{argument} must be a column of {self.origin}; got {_short(name)}."
                    f"{_did_you_mean(name, self.names)} Its columns are {_listed(self.names)}."
                )
        return [position[name] for name in names]


def read_table(table: Any) -> Table:
    """Read a table of numbers from a file or from an object of Python.

    Parameters
    ----------
    table : path, data frame or array
        A CSV file in UTF-8, separated by commas, with decimal points and a header line of names that are not all
        numbers; or a data frame (pandas, polars, pyarrow, whatever narwhals knows or hands itself over as an Arrow
        stream); or a NumPy array with two dimensions, or a structured one, or nested lists. A Table is returned as it
        is.

    Returns
    -------
    Table
        Integers, floats, decimals and booleans as float64. Empty cells, NA, None and masked entries are NaN. Spaces
        around names are dropped, blank lines skipped. Infinite values are kept: `require_finite` refuses them where
        they are used.

    Raises
    ------
    BadData
        If the table cannot be read, holds anything else than numbers, or whole numbers beyond 2**53 in size, which
        float64 cannot tell apart. The message names the column, the row and what it holds.
    """
    if isinstance(table, Table):
        return table
    if isinstance(table, str | os.PathLike):
        return _read_csv(Path(table))
    import narwhals as nw
    import pyarrow as pa

    try:
        frame = nw.from_native(table, eager_only=True, pass_through=True)
        if not isinstance(frame, nw.DataFrame) and hasattr(table, "__arrow_c_stream__"):
            frame = nw.from_native(pa.table(table), eager_only=True)
    except nw.exceptions.DuplicateError as error:
        got = ", ".join(line.strip(" -") for line in str(error).splitlines()[1:])
        raise BadData(f"columns of the data frame must have different names; got {got}. Rename them.") from None
    except (TypeError, ValueError):  # one column of a data frame: an array with one dimension
        frame = table
    return _from_frame(frame) if isinstance(frame, nw.DataFrame) else _from_array(table)


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
        f"{_short(chosen.names[j])} is {chosen.values[row, j]}{f' (the first of {count})' if count > 1 else ''}. "
        f"Drop the row or {'fill the gap' if np.isnan(chosen.values[row, j]) else 'correct the value'} first."
    )


def match(table: Table, names: Sequence[str]) -> Table:
    """Return the columns that a model was trained on, in its order, from a table given to it later.

    Columns are found by name, so their order does not matter and others, such as the target, may stand among them. An
    array has no names: its columns are taken by position and there must be exactly as many.
    """
    if not table.named:
        if len(table.names) != len(names):
            raise BadData(
                f"{table.origin} must have {len(names)} columns, those that the model was trained on "
                f"({_listed(names)}); got {len(table.names)}. Pass just these, in this order."
            )
        return replace(table, names=tuple(names))
    present = set(table.names)
    missing = [name for name in names if name not in present]
    if missing:
        raise BadData(
            f"{table.origin} must have the columns that the model was trained on; got no {_listed(missing)}."
            f"{_did_you_mean(missing[0], table.names)} Its columns are {_listed(table.names)}."
        )
    return table.select(names)


def split(rows: int, *, held_out: float = 0.2, seed: int = 0) -> tuple[Array, Array]:
    """Divide the row numbers 0 … rows-1 at random into those to train on and those held out.

    Each row draws 64 random bits (PCG64 from `seed` and a number of its own, the same in every NumPy), and
    the rows that drew the smallest numbers are held out: round(held_out * rows) of them, but at least one, and at
    least one is left to train on. The same rows and seed give the same split everywhere.

    Parameters
    ----------
    rows : int
        The number of rows, 2 or more.
    held_out : float
        The fraction that is held out, between 0 and 1.
    seed : int
        0 or more; another seed gives another split.

    Returns
    -------
    train, held_out : arrays of int
        Row numbers in ascending order.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out must lie between 0 and 1; got {held_out}. Pass 0.2 to hold out every fifth row.")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more; got {seed}. Pass another one.")
    if rows < 2:
        raise BadData(f"a table must have 2 rows or more to be split; got {rows}. Add rows.")
    order = np.argsort(np.random.PCG64([seed, SPLIT]).random_raw(rows), kind="stable")
    count = min(max(round(held_out * rows), 1), rows - 1)
    return np.sort(order[count:]), np.sort(order[:count])


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and standard deviation of each column: `apply` standardises values by them, `undo` brings them back.

    Parameters
    ----------
    mean, sd : arrays, shape (columns,)
        The standard deviation is that of the patterns at hand (divided by their number, or by the sum of their
        weights). It is 1 where a column is constant, that is, where it varies by no more than its mean is rounded.
    """

    mean: FloatArray
    sd: FloatArray

    @classmethod
    def fit(cls, values: FloatArray, weights: FloatArray | None = None) -> Scaling:
        """Measure values, shape (patterns, columns), with weights of patterns, shape (patterns,).

        NaN is missing and is left out; a column without any known value has mean 0 and standard deviation 1. A weight
        counts as that many repetitions of the pattern.
        """
        s = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
        measured = np.array([_mean_and_sd(column, s) for column in np.ascontiguousarray(values.T)]).reshape(-1, 2)
        return cls(measured[:, 0].copy(), measured[:, 1].copy())

    def apply(self, values: FloatArray) -> FloatArray:
        """Return (values - mean) / sd, shape (patterns, columns); NaN stays NaN."""
        with np.errstate(over="ignore"):
            return self._checked(values, (values - self.mean) / self.sd)

    def undo(self, values: FloatArray) -> FloatArray:
        """Return values * sd + mean, shape (patterns, columns): what `apply` was given, up to rounding."""
        with np.errstate(over="ignore"):
            return self._checked(values, values * self.sd + self.mean)

    def _checked(self, values: FloatArray, scaled: FloatArray) -> FloatArray:
        overflow = np.isinf(scaled) & np.isfinite(values)
        if overflow.any():
            row, j = (int(k) for k in np.argwhere(overflow)[0])
            raise BadData(
                f"values must stay finite when they are scaled; row {row}, column {j} is {values[row, j]} where "
                f"mean and standard deviation are {self.mean[j]} and {self.sd[j]}. Correct the value or drop the row."
            )
        return scaled


def _mean_and_sd(column: FloatArray, s: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation of one column in two passes, neither overflowing nor cancelling.

    Values are divided by a power of two, which is exact, so that the largest lies near 1, and counted from the first
    of them: a constant column gives exact zeros, and an offset of 1e9 costs no digits of the standard deviation.
    """
    known = ~np.isnan(column) & (s > 0)
    if not known.any():
        return 0.0, 1.0
    scale = 2.0 ** (float(np.frexp(np.abs(column[known]).max())[1]) - 1)
    values, s = column[known] / scale, s[known] / s[known].max()
    distance = values - values[0]
    from_first = (s * distance).sum() / s.sum()
    sd = float(np.sqrt((s * (distance - from_first) ** 2).sum() / s.sum()))
    mean = float(values[0] + from_first)
    return mean * scale, (sd * scale if sd > np.finfo(np.float64).eps * abs(mean) else 0.0) or 1.0


# ---------------------------------------------------------------------------------------------------------- CSV files


def _read_csv(path: Path) -> Table:
    """Read a CSV file with pyarrow, after a look at how it begins; what is wrong is said in our words."""
    import narwhals as nw
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    _require_text(path)
    names = _header(path)
    try:
        arrow = _arrow_csv(path, len(names))
    except pa.ArrowException as error:
        raise _parse_failure(path, error) from None
    table = Table(names, np.empty((arrow.num_rows, len(names))), path.name, 1, path)
    for j, kind in enumerate(arrow.schema.types):
        if kind not in {pa.int64(), pa.float64(), pa.bool_(), pa.null()}:  # all the others are kinds of text and time
            missing = set(arrow_csv.ConvertOptions().null_values)
            cells = [record[j] for _, record in islice(_records(path), 1, None)]
            raise _not_numeric(table, j, [None if cell in missing else cell for cell in cells])
    _require_exact_digits(table, path, arrow)
    return _fill(table, nw.from_native(arrow.rename_columns(names), eager_only=True))


def _require_text(path: Path) -> None:
    """Refuse what is no ordinary file, cannot be opened, or begins like another format."""
    try:
        mode = path.stat().st_mode
        special = "a folder" if stat.S_ISDIR(mode) else "" if stat.S_ISREG(mode) else "a pipe or a device"
        head = b"" if special else _beginning(path)
    except (FileNotFoundError, NotADirectoryError):
        hint = _did_you_mean(path.name, _neighbours(path)) or " Check the path."
        raise BadData(f"table must be an existing file; got {_short(str(path), 200)}.{hint}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadData(
            f"table must be a file that can be read; got {_short(str(path), 200)} ({reason}). "
            "Check its path and permissions."
        ) from None
    if special:
        raise BadData(
            f"table must be a CSV file; got {_short(str(path), 200)}, which is {special}. Name a file with rows in it."
        )
    kind = next((kind for start, kind in NOT_CSV.items() if head.startswith(start)), None)
    if kind is None and b"\0" in head:
        kind = "a binary file, or text in UTF-16 (it holds zero bytes)"
    if kind is not None:
        raise BadData(f"{path.name} must be a CSV file in UTF-8; got {kind}. Save the table as CSV in UTF-8.")


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1 << 16)


def _neighbours(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


def _header(path: Path) -> tuple[str, ...]:
    """Names of the columns from the first line: it must be there, hold names, and separate them by commas."""
    lines = [record for _, record in islice(_records(path), 2)]
    if not lines:
        raise BadData(f"{path.name} must have a header line and rows; got an empty file. Save the table again.")
    header = [name.strip() for name in lines[0]]
    text = ",".join(header)
    if any("\udc80" <= character <= "\udcff" for character in text):
        raise BadData(f"{path.name} must be text in UTF-8; its header is {_short(text)}. Save the table in UTF-8.")
    if any(header) and all(re.fullmatch(f"({NUMBER})?", name, re.IGNORECASE) for name in header):
        raise BadData(
            f"{path.name} must have a header line with a name for each column; the first line looks like data: "
            f"{_short(text)}. Add a line of names above it."
        )
    if len(lines) == 1:
        raise BadData(f"{path.name} must have rows below its header; got the header alone. Save the table again.")
    row = ",".join(lines[1])
    for mark, what in ((";", "';'"), ("\t", "tabs"), ("|", "'|'"), (None, "spaces")):
        if len(header) == 1 and len(header[0].split(mark)) == len(row.split(mark)) > 1:
            raise BadData(
                f"{path.name} must separate its cells by commas; it seems to be separated by {what}. "
                "Save it with commas between the cells and points in the numbers."
            )
    return _checked_names(header, path.name)


def _arrow_csv(path: Path, columns: int, as_text: Sequence[str] = ()) -> pa.Table:
    """Read a file of so many columns with pyarrow; if some are named, only these, as text."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    convert = arrow_csv.ConvertOptions(include_columns=list(as_text), column_types=dict.fromkeys(as_text, pa.string()))
    block = min(max(1 << 22, columns << 13), 1 << 30)  # bytes: more than a line; a wide table in short blocks is slow
    with pa.OSFile(os.fsencode(path)) as file:  # given a path instead, pyarrow would unpack what is named .gz
        return arrow_csv.read_csv(file, arrow_csv.ReadOptions(block_size=block), convert_options=convert)


def _require_exact_digits(table: Table, path: Path, arrow: pa.Table) -> None:
    """Refuse whole numbers beyond 2**53 that are rounded already, because other cells of their column are no int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def is_large(column: pa.ChunkedArray) -> bool:
        low, high = pc.min_max(column).as_py().values() if pa.types.is_floating(column.type) else (None, None)
        return low is not None and max(-low, high) >= EXACT

    large = [j for j, column in enumerate(arrow.columns) if is_large(column)]
    if not large:
        return
    text = _arrow_csv(path, arrow.num_columns, [arrow.column_names[j] for j in large])
    for j, column in zip(large, text.columns, strict=True):
        digits = pc.match_substring_regex(column, r"^\s*[+-]?\d{16,}\s*$").fill_null(False).to_numpy()
        for row in np.flatnonzero(digits).tolist():
            if abs(int(column[row].as_py())) > EXACT:
                raise _not_exact(table, j, row, column[row].as_py())


def _parse_failure(path: Path, error: Exception) -> BadData:
    """What made pyarrow give up on a file, with the number of the line."""
    records = _records(path)
    first_line, header = next(records)
    for line, record in records:
        runs_on = any("\n" in cell or "\r" in cell for cell in record)
        if len(record) != len(header):
            return BadData(
                f"{path.name} must have as many cells in each line as in its header (line {first_line}), "
                f"{len(header)}; line {line} has {len(record)}. Complete the line or delete it"
                f"{', and close the quotation mark that opens in it' if runs_on else ''}."
            )
        if runs_on:
            return BadData(
                f"{path.name} must have one line for each row; line {line} opens a cell that runs over several lines. "
                "Put the cell on one line, or close its quotation mark."
            )
    return BadData(
        f"{path.name} must be a CSV file; pyarrow cannot read it: {' '.join(str(error).split())[:200]} "
        "Save the table again as plain CSV."
    )


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each line that is not blank, the header first, as its number and its cells; slow, for the header and messages."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        line = 1
        try:
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error:
            raise BadData(
                f"{path.name} must have cells of ordinary length; line {line} opens one that does not end. "
                "Close its quotation mark."
            ) from None


def _line(path: Path, row: int) -> int | None:
    """The line on which a row of a file stands, if the file is still there."""
    try:
        return next(islice((line for line, _ in _records(path)), row + 1, None), None)
    except (OSError, BadData):
        return None


# ---------------------------------------------------------------------------------------------- data frames and arrays


def _from_frame(frame: nw.DataFrame[Any]) -> Table:
    origin = "the data frame"
    names: list[Any] = list(frame.columns)  # pandas has names of any type
    if any(isinstance(name, tuple) for name in names):
        raise BadData(
            f"columns of {origin} must have one name each; got {names[0]!r}. "
            "Join the levels of the MultiIndex into one name first."
        )
    names = ["" if name is None or str(name) == "nan" else str(name).strip() for name in names]
    return _fill(Table(_checked_names(names, origin), np.empty(frame.shape), origin), frame)


def _fill(table: Table, frame: nw.DataFrame[Any]) -> Table:
    """Write the columns of a data frame into the table's empty values."""
    _require_cells(table)
    for j, column in enumerate(frame.iter_columns()):
        table.values[:, j] = _from_series(table, j, column)
    return table


def _from_series(table: Table, j: int, column: nw.Series[Any]) -> FloatArray:
    """One column of a data frame as float64."""
    import narwhals as nw

    kind = column.dtype
    if kind.is_integer():
        known = column.drop_nulls()
        if len(known) and not -EXACT <= int(known.min()) <= int(known.max()) <= EXACT:
            return _from_cells(table, j, column.to_list())
    if kind.is_numeric() or kind == nw.Boolean:
        return column.cast(nw.Float64).to_numpy()
    if kind in (nw.Object, nw.Unknown):
        return _from_vector(table, j, column.to_numpy())
    if column.is_null().all():
        return np.full(len(column), np.nan)
    raise _not_numeric(table, j, column.to_list(), "the category " if kind in (nw.Categorical, nw.Enum) else "")


def _from_array(source: Any) -> Table:
    """Read an array with two dimensions, or a structured one; or what NumPy makes one of."""
    origin = "the array"
    try:
        array = np.ma.asarray(source) if isinstance(source, np.ma.MaskedArray) else np.asarray(source)
        if isinstance(source, list | tuple) and array.dtype.kind in "SU":
            array = np.asarray(source, dtype=object)  # as they came: NumPy has made text of the numbers beside text
    except (TypeError, ValueError):
        array = np.array(None)
    structure = array.dtype.names
    if array.ndim == 0:
        raise BadData(
            "table must be a CSV file, a data frame or an array with rows of one length; "
            f"got {type(source).__name__}. Convert it to one of these."
        )
    if array.ndim != (1 if structure else 2):
        raise BadData(
            f"table must have two dimensions, rows and columns; got an array of shape {array.shape}. "
            "Pass array.reshape(-1, 1) if it is one column, array.reshape(1, -1) if it is one row."
        )
    if structure:
        columns = [array[name] for name in structure]
        names = _checked_names([name.strip() for name in structure], origin)
    else:
        columns, names = list(array.T), tuple(f"x{j}" for j in range(array.shape[1]))
    as_it_is = array.dtype == np.float64 and not isinstance(array, np.ma.MaskedArray)
    values = np.ascontiguousarray(array, dtype=np.float64) if as_it_is else np.empty((len(array), len(names)))
    table = Table(names, values, origin, named=bool(structure))
    _require_cells(table)
    if not as_it_is:
        for j, column in enumerate(columns):
            values[:, j] = _from_vector(table, j, column)
    return table


def _from_vector(table: Table, j: int, cells: Array) -> FloatArray:
    """One column of an array, of any dtype, as float64; masked entries become NaN."""
    masked, cells = np.ma.getmaskarray(cells), np.ma.getdata(cells)
    if cells.ndim != 1:
        raise _not_numeric(table, j, list(cells))
    if cells.dtype.kind not in "biuf":
        return _from_cells(table, j, [None if hide else cell for hide, cell in zip(masked, cells, strict=True)])
    cells = np.where(masked, cells.dtype.type(0), cells)
    if cells.dtype.kind in "iu" and not -EXACT <= int(cells.min()) <= int(cells.max()) <= EXACT:
        return _from_cells(table, j, cells.tolist())
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, and is refused as such when used
        return np.where(masked, np.nan, cells.astype(np.float64))


def _from_cells(table: Table, j: int, cells: Sequence[Any]) -> FloatArray:
    """One column of Python's objects as float64: the only loop over cells, where NumPy knows nothing about them."""
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        if _is_missing(cell):
            continue
        if not _is_number(cell):
            raise _not_numeric(table, j, cells)
        if isinstance(cell, Integral) and abs(int(cell)) > EXACT:
            raise _not_exact(table, j, row, cell)
        try:
            values[row] = float(cell)
        except (ValueError, OverflowError):  # a signalling NaN, a fraction beyond float64
            raise _refused(table, j, row, _short(cell)) from None
    return values


# ------------------------------------------------------------------------------------------------------------ messages


def _require_cells(table: Table) -> None:
    rows, columns = table.values.shape
    if rows == 0 or columns == 0:
        raise BadData(
            f"{table.origin} must have rows and columns; got {rows} × {columns}. Pass the table that was meant."
        )


def _checked_names(names: Sequence[str], origin: str) -> tuple[str, ...]:
    """Refuse a column without a name, and two of one name."""
    counts = Counter(names)
    if "" in counts:
        raise BadData(
            f"columns of {origin} must all have a name; column {names.index('') + 1} of {len(names)} has none. "
            "Name it, or leave it out (pandas writes its index so, unless told index=False)."
        )
    name, count = counts.most_common(1)[0] if counts else ("", 0)
    if count > 1:
        raise BadData(f"columns of {origin} must have different names; got {_short(name)} {count} times. Rename them.")
    return tuple(names)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, Real | Decimal | np.bool_) and not isinstance(cell, np.timedelta64)


def _is_missing(cell: Any) -> bool:
    return cell is None or type(cell).__name__ in {"NAType", "NaTType"}  # pandas' own, which equal nothing


def _not_numeric(table: Table, j: int, cells: Sequence[Any], what: str = "") -> BadData:
    """Name the cell that keeps a column from being numeric: no number, or else a boolean, or else a number as text."""
    for accepted in (f"{NUMBER}|true|false", NUMBER, ""):
        for row, cell in enumerate(cells):
            plain = isinstance(cell, str) and re.fullmatch(accepted, cell.strip(" \t"), re.IGNORECASE)
            if not (plain or _is_missing(cell) or _is_number(cell)):
                return _refused(table, j, row, what + _short(cell))
    row = next((row for row, cell in enumerate(cells) if not _is_missing(cell)), 0)
    return _refused(table, j, row, what + _short(cells[row]))


def _refused(table: Table, j: int, row: int, got: str) -> BadData:
    return BadData(
        f"column {_short(table.names[j])} must be numeric; {table.where(row)} holds {got}. "
        "Drop the column, or turn it into plain numbers such as 1234.5."
    )


def _not_exact(table: Table, j: int, row: int, cell: Any) -> BadData:
    return BadData(
        f"column {_short(table.names[j])} must hold numbers that float64 can tell apart, whole ones up to 2**53 in "
        f"size; {table.where(row)} holds {_short(int(cell))}. "
        "Drop the column if it is an identifier, or subtract an offset from it."
    )


def _short(value: object, limit: int = 60) -> str:
    """Show a value in few characters: a text in quotes, with � for bytes that are not UTF-8."""
    text = re.sub("[\ud800-\udfff]", "�", str(value))
    text = text if len(text) <= limit else f"{text[:limit]}…"
    return repr(text) if isinstance(value, str) else " ".join(text.split())


def _listed(names: Sequence[str], limit: int = 10) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(_short(name) for name in names[:limit]) + rest


def _did_you_mean(word: object, words: Iterable[str]) -> str:
    plain = {other.strip().casefold(): other for other in words}
    close = difflib.get_close_matches(str(word).strip().casefold(), plain, n=1)
    return f" Did you mean {_short(plain[close[0]])}?" if close else ""
