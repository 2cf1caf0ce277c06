"""Tables in files whose columns have types: Parquet, Arrow, NumPy. A file is known by its first bytes, not by its name.

Each file is a sequence of Arrow tables, however large it is, or of NumPy's columns.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.tables.frames import from_columns, read_array
from chainrule.tables.table import BadData, Places, Table, Texts, checked_names, require_same_columns, short
from chainrule.tables.text import opened, reason, unpacking

if TYPE_CHECKING:
    pass

FORMATS = {
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\xff\xff\xff\xff": "Arrow stream",
    b"\x93NUMPY": "npy",
}
"""How files begin whose columns have types."""

OTHERS = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"PK\x05\x06": "an empty zip archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF file",
    b"FEA1": "a Feather file of the first version",
    b"SQLite format 3": "an SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x80\x04": "a pickle of Python",
    b"\x80\x05": "a pickle of Python",
    b"{\\rtf": "a document",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b'{"': "JSON",
    b"[{": "JSON",
    b"@relation": "an ARFF file",
    b"@RELATION": "an ARFF file",
}
"""How files begin that are given as tables by mistake."""


def format_of(path: Path) -> str:
    """Return the format of a file: "Parquet", "Arrow", "Arrow stream", "npy", "npz" or "text"."""
    with unpacking(path), opened(path) as file:
        start = file.read(512)
    for beginning, name in FORMATS.items():
        if start.startswith(beginning):
            return name
    if start.startswith(b"PK\x03\x04") and start[30 : 30 + int.from_bytes(start[26:28], "little")].endswith(b".npy"):
        return "npz"
    other = next((name for beginning, name in OTHERS.items() if start.startswith(beginning)), None)
    if other is not None:
        raise BadData(
            f"{path.name} must be a table as text (CSV), Parquet, Arrow or NumPy; got {other}. Save the table as CSV."
        )
    return "text"


def places(paths: Sequence[Path], rows: Sequence[int]) -> Places:
    """Where the rows of files stand whose rows are counted."""
    return Places(tuple(partial(_place, path.name) for path in paths), (0, *accumulate(rows)))


def _place(name: str, row: int) -> str:
    return f"row {row + 1} of {name}"


def columns_of(paths: Sequence[Path], names: Sequence[Sequence[str]]) -> list[list[str]]:
    """Check the names of the files' columns, which are the same, and return them without spaces around them."""
    plain = [[name.strip() for name in own] for own in names]
    for path, own in zip(paths, plain, strict=True):
        checked_names(own, path.name)
        require_same_columns(plain[0], paths[0].name, own, path.name)
    return plain


def without_index(names: Sequence[str]) -> list[str]:
    """Leave out the index of a data frame of pandas, which is no column of it."""
    return [name for name in names if not re.fullmatch(r"__index_level_[0-9]+__", name)]


@contextlib.contextmanager
def broken(path: Path, what: str) -> Iterator[None]:
    """Say in one sentence that a file cannot be read."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        if isinstance(error, BadData):
            raise
        raise BadData(
            f"{path.name} must be a whole {what} file; it cannot be read ({reason(error)}). Save or download it again."
        ) from None


def seekable(path: Path) -> Any:
    """Open a file for pyarrow; one that is packed is unpacked into memory."""
    import pyarrow as pa

    with opened(path) as file:
        if isinstance(file, io.BufferedReader):
            return pa.OSFile(os.fsencode(path))
        return pa.BufferReader(file.read())


def read_numpy(paths: Sequence[Path], text: Texts, origin: str, missing: Collection[str] = ("",)) -> Table:
    """Read .npy and .npz files: an array, a sparse one, or columns by name."""
    from scipy import sparse

    loaded = [load_numpy(path) for path in paths]
    if len(loaded) == 1 and not isinstance(loaded[0], dict):
        return read_array(loaded[0], origin, text, missing, first_row=1)
    place = places(paths, [len(next(iter(one.values()))) if isinstance(one, dict) else one.shape[0] for one in loaded])
    place_of_many = place if len(paths) > 1 else None
    if any(sparse.issparse(one) for one in loaded):
        with broken(paths[0], "npz"):
            whole = sparse.vstack([sparse.csr_array(one) for one in loaded])
        return replace(read_array(whole, origin, text, first_row=1), place=place_of_many)
    named = any(isinstance(one, dict) or one.dtype.names for one in loaded)
    files = [one if isinstance(one, dict) else _columns_of_array(one) for one in loaded]
    names = columns_of(paths, [list(one) for one in files])
    columns = []
    for name in names[0]:
        parts = [dict(zip(own, one.values(), strict=True))[name] for own, one in zip(names, files, strict=True)]
        columns.append(parts[0] if len(parts) == 1 else np.concatenate(parts))
    table = from_columns(tuple(names[0]), columns, origin, text, missing, first_row=1, named=named)
    return replace(table, place=place_of_many)


def _columns_of_array(array: Any) -> dict[str, Any]:
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    return {f"x{j}": column for j, column in enumerate(np.atleast_2d(array).T)}


def load_numpy(path: Path, *, mapped: bool = False) -> Any:
    """Load an array, a sparse array, or columns by name, from a .npy or .npz file without pickles."""
    from scipy import sparse

    with broken(path, "NumPy"), opened(path) as file:
        if mapped and isinstance(file, io.BufferedReader):
            return np.load(path, mmap_mode="r", allow_pickle=False)
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        if {"format", "shape", "data"} <= set(loaded.files):
            file.seek(0)
            return sparse.load_npz(file)
        arrays = {name: loaded[name] for name in loaded.files}
    if len(arrays) == 1 and next(iter(arrays.values())).ndim == 2:
        return next(iter(arrays.values()))
    if (
        not arrays
        or {array.ndim for array in arrays.values()} != {1}
        or len({len(array) for array in arrays.values()}) > 1
    ):
        shapes = ", ".join(f"{short(name)} {array.shape}" for name, array in list(arrays.items())[:6])
        raise BadData(
            f"{path.name} must hold one array with two dimensions, or columns with one dimension and of one length; "
            f"got {shapes or 'no arrays'}. Save what is the table alone."
        )
    return arrays
