r"""The container of a model: a JSON specification and named arrays in one safetensors file.

It knows nothing of networks; what the specification means is checked by whoever asked for it. Nothing is executed.

A file is ``length of header (8 bytes) | header (JSON) | arrays``, and its header begins, whatever the model, with ::

    {"__metadata__":{"chainrule":"{\"format\":\"chainrule model\",\"sha256\":\"<64 digits>\",\"version\":1,\"spec\":{…

so the digest has one fixed place, before anything that a user chose. It is the SHA-256 of the whole file with zeros in
that place. safetensors lays out what is written. Reading decodes by itself: all that safetensors' own reader would
check must be checked here too (it accepts a key given twice), and after that an array is one line.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import safetensors.numpy

from chainrule.notation import FloatArray
from chainrule.writing import PathName, in_words, named, write_whole

Spec: TypeAlias = dict[str, Any]
Arrays: TypeAlias = dict[str, FloatArray]

VERSION = 1
LARGEST_FILE = 4 * 2**30
LARGEST_HEADER = 2**20
LONGEST_INTEGER = 40  # digits, enough for a seed of 128 bits
MOST_AXES = 64  # NumPy's own limit

BEGINNING = rb'{"__metadata__":{"chainrule":"{\"format\":\"chainrule model\",\"sha256\":\"'
DIGEST = slice(8 + len(BEGINNING), 8 + len(BEGINNING) + 64)
ITEM_SIZE = {"F32": 4, "F64": 8}


class BadFile(ValueError):
    """A file that is not a sound model file; the message names it, says why and what to do."""


def write(path: PathName, spec: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> None:
    """Write a specification and arrays to a file: the whole new file or, after any failure, still the old one.

    It is read back and compared before it takes its name.

    Parameters
    ----------
    path
        Where to write; by custom it ends in ``.safetensors``.
    spec
        JSON values only: dict with str keys, list, str, int, finite float, bool, None. The order of keys is kept.
    arrays
        Finite float32 or float64 arrays of any shape, layout and byte order.

    Raises
    ------
    ValueError
        If `spec` or `arrays` hold something that the file cannot.
    OSError
        If the file cannot be written; of the same class and ``errno`` as the system's, with a sentence.
    """
    canonical = {name: _canonical(name, array) for name, array in arrays.items()}
    data = _encode(dict(spec), canonical)

    def check(temporary: Path) -> None:
        back = _contents(temporary)
        if back != data or _bits(_decode(back, temporary)[1]) != _bits(canonical):
            raise OSError(errno.EIO, "what was read back is not what was written")

    write_whole(path, [data], check)


def read(path: PathName) -> tuple[Spec, Arrays]:
    """Read what `write` wrote, or refuse the file; it can be anything, from anybody.

    Parameters
    ----------
    path
        A file that `write` wrote.

    Returns
    -------
    spec
        The specification.
    arrays
        New, writable arrays in C order and the machine's byte order, not in the order in which they were given.

    Raises
    ------
    BadFile
        If the file is not a model file, is damaged, was made by another program or by a newer version of Chainrule.
    OSError
        If the file cannot be read; of the same class and ``errno`` as the system's, with a sentence.
    """
    try:
        data = _contents(path)
    except OSError as error:
        said = f"{named(path)} cannot be read: {error.strerror or error}. Check the path, and that you may read it."
        raise in_words(error, said) from error
    return _decode(data, path)


# What a file holds --------------------------------------------------------------------------------------------------


def _canonical(name: Any, array: Any) -> FloatArray:
    """The array as a copy in C order and little-endian: safetensors writes strides wrongly without a word."""
    if not isinstance(name, str) or name == "__metadata__" or name.encode(errors="ignore").decode() != name:
        raise ValueError(f"names of arrays must be text other than '__metadata__'; got {name!r:.60}. Rename the array.")
    if not isinstance(array, np.ndarray) or array.dtype.name not in ("float32", "float64"):
        kind = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"arrays[{name!r:.60}] must be a float32 or float64 array; got {kind}. Convert it first.")
    if not np.isfinite(array).all():
        where = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        got = f"{array[tuple(where)]} at {where}"
        raise ValueError(f"arrays[{name!r:.60}] must be finite; got {got}. Save a model that has not diverged.")
    return np.array(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _encode(spec: Spec, arrays: Arrays) -> bytes:
    """The bytes of the file, digest in its place."""
    about = {"format": "chainrule model", "sha256": "0" * 64, "version": VERSION, "spec": spec}
    try:
        text = json.dumps(about, allow_nan=False, separators=(",", ":"))
        if _json(text) != about:
            raise ValueError("tuples, or keys that are not str, or the like")
    except (TypeError, ValueError, RecursionError) as error:
        said = f"spec must hold JSON values only; got something else: {error}."
        raise ValueError(f"{said} Use dict with str keys, list, str, int, finite float, bool and None.") from error
    data = bytearray(safetensors.numpy.save(arrays, metadata={"chainrule": text}))
    header = int.from_bytes(data[:8], "little")
    if header > LARGEST_HEADER or len(data) > LARGEST_FILE:
        raise ValueError(
            f"spec and names of arrays must fit into {LARGEST_HEADER} bytes, and all into {LARGEST_FILE}; "
            f"got {header} and {len(data)}. Put what is long into arrays, or save less."
        )
    if not data.startswith(BEGINNING, 8):
        raise RuntimeError("safetensors must write its metadata first; got another order. Install safetensors 0.8.0.")
    data[DIGEST] = _digest(data)
    return bytes(data)


def _digest(data: bytes | bytearray) -> bytes:
    """SHA-256 of the file with zeros in the digest's place, in 64 digits."""
    view = memoryview(data)
    digest = hashlib.sha256(view[: DIGEST.start])
    digest.update(b"0" * 64)
    digest.update(view[DIGEST.stop :])
    return digest.hexdigest().encode()


def _decode(data: bytes, path: PathName) -> tuple[Spec, Arrays]:
    """Specification and arrays from the bytes of a file that begins as a model file does."""
    if _digest(data) != data[DIGEST]:
        raise BadFile(f"{named(path)} is damaged: its SHA-256 is not the one it names. Restore a copy, or train again.")
    try:  # as the file begins as it must, header, metadata and about are objects, or the JSON is malformed
        start = 8 + int.from_bytes(data[:8], "little")
        _require(start <= len(data), "its header ends after the file")
        header = _json(data[8:start].decode())
        metadata = header.pop("__metadata__")
        about = _json(metadata.pop("chainrule"))
        version = about["version"]
        _require(type(version) is int and version >= 1, f"its version is {version!r:.60}")
        if version <= VERSION:
            _require(not metadata, "it has more metadata than a model file has")
            _require(set(about) == {"format", "sha256", "version", "spec"}, "it does not describe itself as expected")
            _require(about["sha256"] == data[DIGEST].decode(), "its digest is longer than 64 digits")
            _require(type(about["spec"]) is dict, "its specification is not an object")
            return about["spec"], _arrays(header, data, start)
    except (ValueError, KeyError, RecursionError) as error:
        kind = type(error)
        why = str(error).rstrip(".") if kind is ValueError else f"its header is malformed ({kind.__name__})"
        said = f"{named(path)} is not a valid model file: {why}. Do not use it; Chainrule did not write it."
        raise BadFile(said) from error
    raise BadFile(
        f"{named(path)} was written by a newer version of Chainrule (format {version}; this one reads {VERSION}). "
        "Upgrade with pip install -U chainrule."
    )


def _arrays(entries: dict[str, Any], data: bytes, start: int) -> Arrays:
    """The arrays, which follow one another without a gap from the start to the end of the file."""
    arrays: Arrays = {}
    position = start
    for name, entry in entries.items():
        named = f"array {name!r:.60}"
        _require(type(entry) is dict and set(entry) == {"dtype", "shape", "data_offsets"}, f"{named} is not described")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        _require(type(dtype) is str and dtype in ITEM_SIZE, f"{named} has type {dtype!r:.60}, neither F32 nor F64")
        _require(_counts(shape) and len(shape) <= MOST_AXES, f"{named} has no possible shape")
        end = position + math.prod(shape) * ITEM_SIZE[dtype]
        _require(end <= len(data), f"{named} ends after the file")
        _require(_counts(offsets) and offsets == [position - start, end - start], f"{named} is not where it must be")
        array = np.ndarray(shape, f"<f{ITEM_SIZE[dtype]}", data, position)
        _require(bool(np.isfinite(array).all()), f"{named} is not finite")
        arrays[name] = array.astype(array.dtype.newbyteorder("="))
        position = end
    _require(position == len(data), "there are bytes that belong to no array")
    return arrays


def _counts(value: Any) -> bool:
    """Whether a JSON value is a list of integers from 0 on."""
    return type(value) is list and all(type(count) is int and count >= 0 for count in value)


def _bits(arrays: Arrays) -> dict[str, Any]:
    """What must agree for arrays to be the same to the last bit."""
    return {name: (array.dtype.name, array.shape, array.tobytes()) for name, array in arrays.items()}


# JSON as the standard has it ----------------------------------------------------------------------------------------


def _json(text: str) -> Any:
    """The value of a JSON text in which no key occurs twice and every number is one."""
    return json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite, parse_int=_integer)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    _require(len(found) == len(pairs), "a key occurs twice")
    return found


def _finite(text: str) -> float:
    _require(math.isfinite(float(text)), f"a number is {text:.20}")
    return float(text)


def _integer(text: str) -> int:
    _require(len(text) <= LONGEST_INTEGER, f"an integer has more than {LONGEST_INTEGER} digits")
    return int(text)


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)


# Files and folders --------------------------------------------------------------------------------------------------


def _contents(path: PathName) -> bytes:
    """All bytes of a file that begins as a model file does; waits for nothing and allocates no more than the limits."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _stranger(path, "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            head = file.read(DIGEST.stop)
            header = int.from_bytes(head[:8], "little")
            if not head.startswith(BEGINNING, 8):
                file.seek(8)
                raise _stranger(path, _kind(status.st_size, file.read(header) if header <= LARGEST_HEADER else b""))
            if header > LARGEST_HEADER or status.st_size > LARGEST_FILE:
                raise BadFile(
                    f"{named(path)} must have at most {LARGEST_FILE} bytes and {LARGEST_HEADER} in its header; "
                    f"got {status.st_size} and {header}. It is damaged or not from Chainrule; do not use it."
                )
            return head + file.read(status.st_size - len(head))
    finally:
        os.close(descriptor)


def _stranger(path: PathName, why: str) -> BadFile:
    return BadFile(f"{named(path)} is not a Chainrule model file: {why}. Pass a file that chainrule.save wrote.")


def _kind(size: int, header: bytes) -> str:
    """What a file is that does not begin as a model file does."""
    if not size:
        return "it is empty"
    try:
        if "chainrule" in json.loads(header.decode()).get("__metadata__", {}):
            return "another program has rewritten it"
    except (ValueError, TypeError, AttributeError, RecursionError):
        return "it does not begin as one, or no longer does"
    return "it is a safetensors file without the metadata 'chainrule'"
