"""Tables that are objects of Python: data frames of any library, arrays, nested lists, sparse matrices."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.notation import Array, FloatArray
from chainrule.tables.columns import EXACT, Facts, Where, decide, is_text, look, objects, stacked, values, vector
from chainrule.tables.table import NUMBERS, BadData, Kind, Table, Text, Texts, checked_names, positions, short

if TYPE_CHECKING:
    import narwhals as nw


def read_object(source: Any, text: Texts, missing: Collection[str] = ("",)) -> Table:
    """Read a table from an object of Python."""
    import narwhals as nw
    import pyarrow as pa

    try:
        frame = nw.from_native(source, eager_only=True, pass_through=True)
        if not isinstance(frame, nw.DataFrame) and hasattr(source, "__arrow_c_stream__"):
            frame = nw.from_native(pa.table(source), eager_only=True)
    except nw.exceptions.DuplicateError as error:
        got = ", ".join(line.strip(" -") for line in str(error).splitlines()[1:])
        raise BadData(f"columns of the data frame must have different names; got {got}. Rename them.") from None
    except (TypeError, ValueError):  # one column of a data frame: an array with one dimension
        frame = source
    if isinstance(frame, nw.DataFrame):
        return _from_frame(frame, text, missing)
    return read_array(source, "the array", text, missing)


def _from_frame(frame: nw.DataFrame[Any], text: Texts, missing: Collection[str]) -> Table:
    origin = "the data frame"
    names: list[Any] = list(frame.columns)  # pandas has names of any type
    if any(isinstance(name, tuple) for name in names):
        raise BadData(
            f"columns of {origin} must have one name each; got {names[0]!r}. "
            "Join the levels of the MultiIndex into one name first."
        )
    plain = checked_names(["" if name is None or str(name) == "nan" else str(name).strip() for name in names], origin)
    columns = list(frame.iter_columns())

    def read(j: int, where: Where, as_text: Text) -> tuple[FloatArray, Kind]:
        return _series(plain[j], columns[j], where, as_text, missing)

    return filled(plain, frame.shape[0], origin, read, text)


def filled(
    names: tuple[str, ...], rows: int, origin: str, read: Any, text: Texts, *, first_row: int = 0, **more: Any
) -> Table:
    """Return the table whose columns `read(j, where, as_text)` gives as values and kind."""
    require_cells(rows, len(names), origin)
    as_text = dict(zip(positions(text, names, origin, "text"), text.values(), strict=True))
    bare = Table(names, np.empty((rows, 0)), origin, first_row)
    columns = [read(j, bare.where, as_text.get(j, False)) for j in range(len(names))]
    found = stacked([column for column, _ in columns], rows)
    return Table(names, found, origin, first_row, kinds=tuple(kind for _, kind in columns), **more)


def _series(
    name: str, column: nw.Series[Any], where: Where, text: Text, missing: Collection[str]
) -> tuple[FloatArray, Kind]:
    """Return the values and the kind of one column of a data frame."""
    import narwhals as nw
    import pyarrow as pa

    kind = column.dtype
    if kind.is_integer() and text is False:
        known = column.drop_nulls()
        if len(known) and not -EXACT <= int(known.min()) <= int(known.max()) <= EXACT:
            return objects(name, column.to_list(), where)
    if ((kind.is_numeric() and kind != nw.Decimal) or kind == nw.Boolean) and text is False:
        return column.cast(nw.Float64).to_numpy(), Kind("boolean") if kind == nw.Boolean else NUMBERS
    if kind in (nw.Object, nw.Unknown) or (text is not False and (kind.is_numeric() or kind == nw.Boolean)):
        return objects(name, column.to_list(), where, text=text, missing=missing)
    try:
        arrow = column.to_arrow()
    except UnicodeError:  # half a surrogate pair
        return objects(name, column.to_list(), where, text=text, missing=missing)
    if pa.types.is_dictionary(arrow.type) and not is_text(arrow.type):  # intervals, as pandas cuts numbers into
        arrow = column.cast(nw.String).to_arrow().dictionary_encode()
    chunked = arrow if isinstance(arrow, pa.ChunkedArray) else pa.chunked_array([arrow])
    reading = decide(name, look(chunked, text=text, missing=missing), where, text=text)
    return values(chunked, reading, missing=missing), reading.kind


def read_array(source: Any, origin: str, text: Texts, missing: Collection[str] = ("",), *, first_row: int = 0) -> Table:
    """Read an array with two dimensions, a sparse or a structured one; or what NumPy makes one of."""
    if hasattr(source, "tocsr") and hasattr(source, "nnz"):
        return _from_sparse(source, origin, text, first_row)
    try:
        array = np.ma.asarray(source) if isinstance(source, np.ma.MaskedArray) else np.asarray(source)
        if isinstance(source, list | tuple) and array.dtype.kind in "SU":
            array = np.asarray(source, dtype=object)  # as they came: NumPy has made text of the numbers beside text
    except (TypeError, ValueError):
        array = np.array(None)
    structure = array.dtype.names
    if array.ndim == 0:
        raise BadData(
            "table must be a file, a data frame or an array with rows of one length; "
            f"got {type(source).__name__}. Convert it to one of these."
        )
    if array.ndim != (1 if structure else 2):
        raise BadData(
            f"table must have two dimensions, rows and columns; got an array of shape {array.shape}. "
            "Pass array.reshape(-1, 1) if it is one column, array.reshape(1, -1) if it is one row."
        )
    if structure:
        names = checked_names([name.strip() for name in structure], origin)
        columns = [array[name] for name in structure]
    else:
        names = tuple(f"x{j}" for j in range(array.shape[1]))
        columns = list(array.T)
    if array.dtype == np.float64 and not isinstance(array, np.ma.MaskedArray) and not text:
        require_cells(array.shape[0], array.shape[1], origin)
        return Table(names, np.ascontiguousarray(array, dtype=np.float64), origin, first_row, named=False)
    return from_columns(names, columns, origin, text, missing, first_row=first_row, named=bool(structure))


def from_columns(
    names: tuple[str, ...],
    columns: list[Array],
    origin: str,
    text: Texts,
    missing: Collection[str],
    *,
    first_row: int,
    named: bool,
) -> Table:
    """Return the table of these columns, which are NumPy's."""

    def read(j: int, where: Where, as_text: Text) -> tuple[FloatArray, Kind]:
        return vector(names[j], columns[j], where, text=as_text, missing=missing)

    return filled(names, len(columns[0]) if columns else 0, origin, read, text, first_row=first_row, named=named)


def _from_sparse(source: Any, origin: str, text: Texts, first_row: int) -> Table:
    """Read a SciPy sparse array, which stays sparse: cells that are not stored are 0."""
    from scipy.sparse import csr_array

    if len(source.shape) != 2:
        raise BadData(
            f"table must have two dimensions, rows and columns; got a sparse array of shape {source.shape}. "
            "Pass array.reshape(1, -1) if it is one row."
        )
    if source.dtype.kind not in "biuf":
        raise BadData(
            f"a sparse table must hold real numbers; got one of type {source.dtype}. Convert it with astype(float)."
        )
    require_cells(source.shape[0], source.shape[1], origin)
    names = tuple(f"x{j}" for j in range(source.shape[1]))
    if positions(text, names, origin, "text"):
        raise BadData(
            f"text must be left out for a sparse table, whose columns are numbers; got {short(sorted(text)[0])}. "
            "Pass a data frame instead."
        )
    matrix = csr_array(source)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    kinds = {}
    if (
        matrix.dtype.kind in "iu"
        and matrix.nnz
        and not -EXACT <= int(matrix.data.min()) <= int(matrix.data.max()) <= EXACT
    ):
        where = Table(names, matrix, origin, first_row).where
        beyond = np.flatnonzero((matrix.data > EXACT) | (matrix.data < -float(EXACT)))
        for at in beyond[::-1].tolist():
            row, j = int(np.searchsorted(matrix.indptr, at, side="right")) - 1, int(matrix.indices[at])
            facts = Facts("number", tallies={"large": (1, row, str(matrix.data[at]))})
            kinds[j] = decide(names[j], facts, where).kind
    return Table(
        names,
        matrix.astype(np.float64, copy=False),
        origin,
        first_row,
        named=False,
        kinds=tuple(kinds.get(j, NUMBERS) for j in range(len(names))),
    )


def require_cells(rows: int, columns: int, origin: str) -> None:
    """Refuse a table without rows or columns."""
    if rows == 0 or columns == 0:
        raise BadData(f"{origin} must have rows and columns; got {rows} × {columns}. Pass the table that was meant.")
