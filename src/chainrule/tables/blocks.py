"""Tables larger than memory: the same rows as `read_table` gives, block by block.

What a column is, number or text, is a matter of the whole table; so it is looked at once when it is opened, and all
blocks read it the same way.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.notation import Array
from chainrule.tables.columns import EXACT, Facts, Reading, decide, is_text, look, stacked, values
from chainrule.tables.formats import broken, columns_of, load_numpy, places, read_numpy, seekable, without_index
from chainrule.tables.frames import read_array, require_cells
from chainrule.tables.paths import common_format, files_of
from chainrule.tables.table import BadData, Kind, Places, Table, Text, Texts, positions, texts_of
from chainrule.tables.text import (
    BEGINNING,
    LONGEST,
    PIECE,
    Dialect,
    Layout,
    TextFiles,
    Types,
    as_pyarrow_reads,
    endless,
    layout,
    missing_in,
    opened,
    pieces,
    require_closed,
    row_end,
    survey,
    text_files,
    unpacking,
    without_blank_end,
)

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 1 << 14
"""The most rows of a table that a block yields at a time: several blocks are read side by side, and each holds some."""

BUFFER = 1 << 16
"""Bytes of each column of a Parquet file that are read at a time, so that a large row group does not fill memory."""

BYTEWISE = {"utf-8-sig", "cp1252", "latin-1"}
"""Encodings in which the ends of lines can be found without decoding."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some consecutive rows of a table.

    Attributes
    ----------
    rows : int
    start : int
        The number of the first of them in the whole table.
    names : tuple of str
        Of the table's columns.
    origin : str
        What messages call the table.
    read : callable
        Yields the columns at some positions as tables of at most ROWS rows.
    """

    rows: int
    start: int
    names: tuple[str, ...]
    origin: str
    read: Callable[[list[int]], Iterator[Table]]

    def tables(self, columns: Iterable[str] | None = None) -> Iterator[Table]:
        """Yield its rows in order, at most ROWS at a time; only some columns if they are named."""
        chosen = self.names if columns is None else tuple(columns)
        start = self.start
        for table in self.read(positions(chosen, self.names, self.origin, "columns")):
            yield replace(table, numbers=np.arange(start, start + len(table)))
            start += len(table)


@dataclass(frozen=True, eq=False)
class Blocks:
    """A table in blocks.

    Attributes
    ----------
    names : tuple of str
        Of the columns.
    kinds : tuple of Kind
        What each column holds in the whole table; the same in each block.
    rows : int
        In the whole table.
    origin : str
        What messages call it.
    named : bool
        False if columns are told apart by position.
    blocks : tuple of Block
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    rows: int
    origin: str
    named: bool
    blocks: tuple[Block, ...]

    @property
    def decoded_bytes(self) -> int:
        """How much memory the whole table would take as float64."""
        return 8 * self.rows * len(self.names)

    def whole(self) -> Table:
        """Return the table in one piece."""
        found = np.empty((self.rows, len(self.names)))
        for block in self.blocks:
            start = block.start
            for table in block.tables():
                found[start : start + len(table)] = table.values
                start += len(table)
        return replace(table, values=found, numbers=None)


def open_blocks(paths: Any, *, text: Sequence[str] | Texts = (), dialect: Dialect | None = None) -> Blocks:
    """Open a file, a list of files or a folder to read it block by block, in the order and as `read_table` would.

    Text files are read once to count their rows and to find out what their columns are; of Parquet and Arrow files
    columns of text and of long integers are. A block is a piece of a text file (a packed one, or one in UTF-16, is one
    block), a row group, a record batch, or a piece of an array; an .npz file is read at once.

    Parameters
    ----------
    paths : path or list of paths
    text : sequence of str, or mapping
        Columns that are to be text even if their cells look like numbers, as for `read_table`.
    dialect : Dialect, optional
        How text files are written, as far as it is not to be found out; its gaps go for all files.

    Raises
    ------
    BadData
        If the table cannot be read.
    """
    chosen = texts_of(text)
    files, origin = files_of(paths)
    format_ = common_format(files)
    if format_ == "text":
        return _text_blocks(files, chosen, dialect, origin)
    missing = missing_in(dialect)
    if format_ == "npz":
        return _in_memory(read_numpy(files, chosen, origin, missing))
    return _typed_blocks(files, format_, chosen, origin, missing)


def larger_than(most: float, paths: Any, dialect: Dialect | None = None) -> bool:
    """Whether a table in files would take more than so many bytes as float64.

    Parquet, Arrow and NumPy files say how many cells they have. Of text the beginning of the first file says how many
    cells a byte holds, and the length of all files, unpacked as far as needed, how many bytes there are.
    """
    files, _ = files_of(paths)
    format_ = common_format(files)
    if format_ == "text":
        return _text_is_larger(most, files, dialect)
    if format_ == "npz":
        return sum(map(_unzipped, files)) > most
    opened_ones = [OPENERS[format_](path) for path in files]
    return 8 * sum(len(one.names) * part.rows for one in opened_ones for part in one.parts) > most


def _text_is_larger(most: float, files: Sequence[Path], dialect: Dialect | None) -> bool:
    sizes = []
    for path in files:
        with opened(path) as file:
            sizes.append(path.stat().st_size if isinstance(file, io.BufferedReader) else None)
    known = sum(size or 0 for size in sizes)
    if None not in sizes and 8 * known <= most:  # a cell takes a byte
        return False
    with unpacking(files[0]), opened(files[0]) as file:
        start = file.read(BEGINNING)
    lines = max(start.count(b"\n"), start.count(b"\r"), 1)
    cells = lines * len(layout(files[0], dialect).names) / max(len(start), 1)
    for path, size in zip(files, sizes, strict=True):
        if size is None:
            with unpacking(path), opened(path) as file:
                while 8 * cells * known <= most and (piece := file.read(PIECE)):
                    known += len(piece)
    return 8 * cells * known > most


def _unzipped(path: Path) -> int:
    with broken(path, "NumPy"), opened(path) as file, zipfile.ZipFile(file) as archive:
        return sum(one.file_size for one in archive.infolist())


@dataclass(frozen=True, eq=False)
class _Part:
    """Some rows of one file as Arrow tables: how many, and how to read the columns at some positions."""

    rows: int
    read: Callable[[list[int]], Iterator[pa.Table]]


def _blocks(parts: Sequence[_Part], readings: Sequence[Reading], bare: Table, missing: Iterable[str] = ("",)) -> Blocks:
    """Return the blocks of these parts, whose Arrow tables become tables like `bare`, which has no rows."""
    rows = [part.rows for part in parts]
    absent = frozenset(missing)

    def read(part: _Part, at: list[int]) -> Iterator[Table]:
        names = tuple(bare.names[j] for j in at)
        kinds = tuple(readings[j].kind for j in at)
        for arrow in part.read(at or [0]):
            for start in range(0, len(arrow), ROWS):
                some = arrow.slice(start, ROWS)
                columns = [values(some.column(k), readings[j], missing=absent) for k, j in enumerate(at)]
                yield replace(bare, names=names, kinds=kinds, values=stacked(columns, len(some)))

    blocks = tuple(
        Block(part.rows, start, bare.names, bare.origin, partial(read, part))
        for part, start in zip(parts, accumulate(rows, initial=0), strict=False)
        if part.rows
    )
    kinds = tuple(reading.kind for reading in readings)
    return Blocks(bare.names, kinds, sum(rows), bare.origin, bare.named, blocks)


def _in_memory(table: Table) -> Blocks:
    def read(at: list[int]) -> Iterator[Table]:
        chosen = table.select([table.names[j] for j in at])
        for start in range(0, len(table), ROWS):
            yield replace(chosen, values=chosen.values[start : start + ROWS])

    block = Block(len(table), 0, table.names, table.origin, read)
    return Blocks(table.names, table.kinds, len(table), table.origin, table.named, (block,))


# ----------------------------------------------------------------------------------------------------------- text files


def _text_blocks(paths: Sequence[Path], text: Texts, dialect: Dialect | None, origin: str) -> Blocks:
    files, surveyed = text_files(paths, dialect, text), None
    spans = [(number, span) for number, one in enumerate(files.layouts) for span in _spans(one)]
    while files is not surveyed:
        surveyed, counts = files, [0] * len(spans)

        def counted(files: TextFiles = files, counts: list[int] = counts) -> Iterator[pa.Table]:
            for k, (number, span) in enumerate(spans):
                for table in _span(files, number, span, files.texts, range(len(files.names))):
                    counts[k] += len(table)
                    yield table

        def again(types: Types, only: Sequence[int], files: TextFiles = files) -> Iterator[pa.Table]:
            for number, span in spans:
                yield from _span(files, number, span, types, only)

        def where(row: int, files: TextFiles = files, counts: list[int] = counts) -> str:
            return _bare(files, [number for number, _ in spans], counts, origin).where(row)

        files, readings, types = survey(files, counted(), again, where)

    def read(number: int, span: tuple[int, int] | None, at: list[int]) -> Iterator[pa.Table]:
        yield from _span(files, number, span, {j: types[j] for j in at}, at)

    parts = [_Part(rows, partial(read, *span)) for rows, span in zip(counts, spans, strict=True)]
    return _blocks(parts, readings, _bare(files, [number for number, _ in spans], counts, origin), files.missing)


def _bare(files: TextFiles, numbers: Sequence[int], counts: Sequence[int], origin: str) -> Table:
    """A table without rows, which knows where rows stand."""
    rows = np.bincount(numbers, counts, len(files.layouts)).astype(int).tolist()
    place = Places(tuple(one.line for one in files.layouts), (0, *accumulate(rows)))
    return Table(files.names, np.empty((0, len(files.names))), origin, 1, named=files.layouts[0].named, place=place)


def _span(
    files: TextFiles, number: int, span: tuple[int, int] | None, types: Types, only: Sequence[int]
) -> Iterator[pa.Table]:
    """Yield columns of a span of bytes of a file, or of all of it as a stream."""
    import pyarrow as pa

    layout = files.layouts[number]
    if span is None:
        for piece in pieces(layout):
            yield files.arranged(layout, partial(pa.BufferReader, piece), 0, types, only)
        return
    begin, end = span
    with layout.path.open("rb") as file:
        file.seek(begin)
        piece = file.read(end - begin)
    if layout.encoding != "utf-8-sig":
        piece = piece.decode(layout.encoding).encode()
    if piece.strip():
        yield files.arranged(layout, partial(pa.BufferReader, as_pyarrow_reads(piece, layout)), 0, types, only)


def _spans(layout: Layout) -> list[tuple[int, int] | None]:
    """Cut a text file at ends of rows into spans of about PIECE bytes; None stands for all of it as a stream."""
    with opened(layout.path) as file, layout.path.open("rb") as raw:
        if layout.encoding not in BYTEWISE or not isinstance(file, io.BufferedReader):
            return [None]
        spans: list[tuple[int, int] | None] = []
        begin = _first_row(layout, raw.read(4 * BEGINNING))
        size = PIECE
        while True:
            raw.seek(begin)
            chunk = raw.read(size)
            at_end = len(chunk) < size
            if at_end:
                require_closed(chunk, layout)
            length = len(without_blank_end(chunk, layout)) if at_end else row_end(chunk, layout)
            if not (length or at_end) and size >= LONGEST * PIECE:
                raise endless(layout.path)
            size = PIECE if length else 2 * size
            if length:
                spans.append((begin, begin + length))
            begin += length
            if at_end:
                return spans


def _first_row(layout: Layout, start: bytes) -> int:
    """The byte of a file at which its first row begins."""
    if not layout.above:
        return 3 if start.startswith(b"\xef\xbb\xbf") else 0
    return next(islice(re.finditer(rb"\r\n|\r|\n", start), layout.above - 1, None)).end()


# --------------------------------------------------------------------------------------------- Parquet, Arrow and NumPy


@dataclass(frozen=True, eq=False)
class _File:
    """A file whose columns have types: their names, its parts, and the columns all of whose cells are to be looked at.

    Of the others one known cell tells what they are.
    """

    names: list[str]
    parts: list[_Part]
    varying: set[str]


def _typed_blocks(paths: Sequence[Path], format_: str, text: Texts, origin: str, missing: Collection[str]) -> Blocks:
    files = [OPENERS[format_](path) for path in paths]
    names = columns_of(paths, [one.names for one in files])
    as_text = dict(zip(positions(text, names[0], origin, "text"), text.values(), strict=True))
    facts, parts, rows = [Facts()] * len(names[0]), list[_Part](), list[int]()
    for own, one in zip(names, files, strict=True):
        at = positions(names[0], own, origin, "names")
        arranged = [_Part(part.rows, partial(_arranged, part, at)) for part in one.parts]
        varying = as_text.keys() | {j for j, k in enumerate(at) if one.names[k] in one.varying}
        facts = [
            before + later
            for before, later in zip(facts, _facts(arranged, varying, as_text, missing, len(at)), strict=True)
        ]
        parts += arranged
        rows.append(sum(part.rows for part in one.parts))
    require_cells(sum(rows), len(names[0]), origin)
    place = places(paths, rows) if len(paths) > 1 else None
    empty = np.empty((0, len(names[0])))
    bare = Table(tuple(names[0]), empty, origin, 1, named=format_ != "npy", place=place)
    readings = [
        decide(name, one, bare.where, text=as_text.get(j, False))
        for j, (name, one) in enumerate(zip(names[0], facts, strict=True))
    ]
    return _blocks(parts, readings, bare, missing)


def _arranged(part: _Part, order: Sequence[int], at: list[int]) -> Iterator[pa.Table]:
    yield from part.read([order[j] for j in at])


def _facts(
    parts: Sequence[_Part], varying: set[int], as_text: Mapping[int, Text], missing: Collection[str], columns: int
) -> list[Facts]:
    """Look at the columns of a file, at each as far as needed."""
    seen, left, start = [Facts()] * columns, list(range(columns)), 0
    for part in parts:
        for table in part.read(left) if left else ():
            for j, column in zip(left, table.columns, strict=True):
                seen[j] += look(column, text=as_text.get(j, False), missing=missing)
        start += part.rows
        left = [j for j in left if j in varying or not seen[j].family]
    return [replace(one, rows=start) for one in seen]


def _varies(kind: pa.DataType) -> bool:
    """Whether all cells of a column of this type are to be looked at: texts, and numbers that may be too large."""
    from pyarrow import types

    return is_text(kind) or types.is_decimal(kind) or (types.is_integer(kind) and kind.bit_width > 32)


def _parquet(path: Path) -> _File:
    """A row group is a part."""
    from pyarrow import parquet

    with broken(path, "Parquet"), seekable(path) as source:
        file = parquet.ParquetFile(source)
        schema, metadata = file.schema_arrow, file.metadata
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    varying = {field.name for field in schema if _varies(field.type)}
    for j in range(metadata.num_columns):
        name = metadata.schema.column(j).path
        if name in varying and all(_is_exact(group.column(j).statistics) for group in groups):
            varying.remove(name)
    names = without_index(schema.names)
    parts = [_Part(group.num_rows, partial(_row_group, path, metadata, k, names)) for k, group in enumerate(groups)]
    return _File(names, parts, varying)


def _is_exact(statistics: Any) -> bool:
    """Whether a file itself says of whole numbers that they are not too large."""
    if statistics is None or not statistics.has_min_max:
        return False
    low, high = statistics.min, statistics.max
    return isinstance(low, int) and isinstance(high, int) and -EXACT <= low <= high <= EXACT


def _row_group(path: Path, metadata: Any, group: int, names: Sequence[str], at: list[int]) -> Iterator[pa.Table]:
    import pyarrow as pa
    from pyarrow import parquet

    chosen = [names[j] for j in at]
    with broken(path, "Parquet"), seekable(path) as source:
        file = parquet.ParquetFile(source, metadata=metadata, buffer_size=BUFFER, pre_buffer=False)
        for batch in file.iter_batches(ROWS, row_groups=[group], columns=chosen):
            yield pa.Table.from_batches([batch]).select(chosen)


def _arrow(path: Path) -> _File:
    """A record batch of an Arrow file is a part."""
    with broken(path, "Arrow"), _ipc(path, "Arrow", [0]) as file:
        count = file.num_record_batches
        rows = [file.get_batch(k).num_rows for k in range(count)]
        parts = [_Part(rows[k], partial(_record_batches, path, "Arrow", k)) for k in range(count)]
    return _file_of(path, "Arrow", parts)


def _arrow_stream(path: Path) -> _File:
    """All of an Arrow stream is a part."""
    with broken(path, "Arrow stream"), _ipc(path, "Arrow stream", [0]) as file:
        rows = sum(batch.num_rows for batch in file)
    return _file_of(path, "Arrow stream", [_Part(rows, partial(_record_batches, path, "Arrow stream", None))])


def _file_of(path: Path, format_: str, parts: list[_Part]) -> _File:
    with broken(path, format_), _ipc(path, format_) as file:
        schema = file.schema
    return _File(without_index(schema.names), parts, {field.name for field in schema if _varies(field.type)})


def _ipc(path: Path, format_: str, fields: Sequence[int] | None = None) -> Any:
    """Open an Arrow file or stream to read some fields of it; a file is mapped, so that only what is used is read."""
    import pyarrow as pa

    source = seekable(path)
    if isinstance(source, pa.OSFile) and format_ == "Arrow":
        source = pa.memory_map(os.fsdecode(path))
    options = pa.ipc.IpcReadOptions(included_fields=None if fields is None else list(fields))
    return (pa.ipc.open_file if format_ == "Arrow" else pa.ipc.open_stream)(source, options=options)


def _record_batches(path: Path, format_: str, number: int | None, at: list[int]) -> Iterator[pa.Table]:
    """Yield columns of one record batch of a file, or of all of a stream."""
    import pyarrow as pa

    with broken(path, format_):
        with _ipc(path, format_) as file:
            names = file.schema.names
        chosen = [without_index(names)[j] for j in at]
        with _ipc(path, format_, sorted(positions(chosen, names, path.name, "columns"))) as file:
            for batch in file if number is None else [file.get_batch(number)]:
                yield pa.Table.from_batches([batch]).select(chosen)


def _array(path: Path) -> _File:
    """About PIECE bytes of an array are a part; the file is mapped, so that only what is used is read."""
    array = load_numpy(path, mapped=True)
    if array.ndim != (1 if array.dtype.names else 2):
        read_array(array, path.name, {})  # says what is wrong
    kinds = [array.dtype[name] for name in array.dtype.names] if array.dtype.names else [array.dtype]
    odd = next((kind for kind in kinds if kind.kind not in "biufU" or kind.shape), None)
    if odd is not None:
        raise BadData(
            f"{path.name} must hold numbers, booleans or texts to be read in blocks; got {odd}. Convert it first."
        )
    names = list(array.dtype.names or (f"x{j}" for j in range(array.shape[1])))
    size = max(1, PIECE // max(1, array.nbytes // max(1, len(array))))
    parts = [
        _Part(min(size, len(array) - start), partial(_slice, path, array, start, size))
        for start in range(0, len(array), size)
    ]
    varying = any(kind.kind == "U" or (kind.kind in "iu" and kind.itemsize > 4) for kind in kinds)
    return _File(names, parts, set(names) if varying else set())


def _slice(path: Path, array: Array, start: int, size: int, at: list[int]) -> Iterator[pa.Table]:
    import pyarrow as pa

    for first in range(start, min(start + size, len(array)), ROWS):
        rows = array[first : min(first + ROWS, start + size)]
        columns = [rows[rows.dtype.names[j]] if rows.dtype.names else rows[:, j] for j in at]
        with broken(path, "NumPy"):  # half a surrogate pair is no text for Arrow
            cells = [pa.array(_native(column)) for column in columns]
        yield pa.table(cells, names=[str(j) for j in at])


def _native(column: Array) -> Array:
    """A column of an array in the bytes of this machine, and in numbers that Arrow knows."""
    if column.dtype.kind == "f" and column.dtype.itemsize > 8:
        with np.errstate(over="ignore"):
            return column.astype(np.float64)
    return np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("="))


OPENERS: dict[str, Callable[[Path], _File]] = {
    "Parquet": _parquet,
    "Arrow": _arrow,
    "Arrow stream": _arrow_stream,
    "npy": _array,
}
"""What opens a file of each format whose columns have types."""
