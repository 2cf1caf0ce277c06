"""A model file comes back to the last bit or is refused in one sentence, and a failed save leaves the old file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import os
import pickle
import random
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import writing
from chainrule.files import model_file
from chainrule.files.model_file import BadFile, read, write

SPEC = {"sizes": [2, 1], "name": "Wärme 'θ'\n", "λ": 0.1, "seed": 2**127, "bias": True, "none": None}
ARRAYS = {"θ": np.array([0.5, -0.0, 5e-324]), "scale": np.array([[1.5, -2.0]], np.float32), "empty": np.zeros((0, 3))}
OLD = {"old": np.arange(3.0)}

# An independent reading of the layout, so that a forged file reaches the check it is meant for.
ABOUT = '{"format":"chainrule model","sha256":"' + "0" * 64 + '","version":1,"spec":{}}'


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test of this file fails after 30 seconds, and does not wait for the disk, which no test could see."""

    def stop(*_: object) -> None:
        raise TimeoutError("the call hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(30)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file name alone in its folder."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "m.safetensors"


def same(arrays: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether names, types, shapes and bits agree."""
    return set(arrays) == set(others) and all(
        arrays[name].dtype == np.dtype(others[name].dtype.name)
        and arrays[name].shape == others[name].shape
        and arrays[name].tobytes() == others[name].astype(arrays[name].dtype).tobytes()
        for name in arrays
    )


def names(folder: Path) -> list[str]:
    """Everything in a folder."""
    return sorted(p.name for p in folder.iterdir())


def assert_one_sentence(error: BaseException, path: Path) -> None:
    """The message is a string on one line that names the file and says what to do, and no more than a paragraph."""
    message = str(error)
    assert repr(str(path)) in message
    assert "\n" not in message
    assert message.endswith((".", "chainrule."))
    assert len(message) < len(str(path)) + 400


# A file comes back -------------------------------------------------------------------------------------------------

numbers = st.integers(-(10**38), 10**38) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def some_arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Any shape up to three axes, float32 or float64, any layout, byte order and sign of stride."""
    dtype = draw(st.sampled_from(["<f4", ">f4", "<f8", ">f8"]))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    bits = np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, 256, (*shape, int(dtype[2])), np.uint8)
    array = np.ascontiguousarray(bits).view(dtype).reshape(shape) if bits.size else np.zeros(shape, dtype)
    array = np.where(np.isfinite(array), array, -0.0).astype(dtype)
    array = np.transpose(array, draw(st.permutations(range(len(shape)))))
    array = array[tuple(slice(None, None, draw(st.sampled_from([1, -1, 2]))) for _ in shape)]
    array = np.asarray(array)
    array.flags.writeable = draw(st.booleans())
    return array


names_of_arrays = st.text(st.characters(codec="utf-8")).filter(lambda name: name != "__metadata__")


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(), values), st.dictionaries(names_of_arrays, some_arrays()))
def test_round_trip(spec: dict[str, Any], arrays: dict[str, Any]) -> None:
    """What is written is what is read, to the last bit, whatever the values, names, layouts and byte orders."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        write(path, spec, arrays)
        spec_back, arrays_back = read(path)
    assert spec_back == spec
    assert repr(spec_back) == repr(spec)  # types, signs of zero and the order of keys too
    assert same(arrays_back, arrays)
    for array in arrays_back.values():
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.flags.owndata
        assert array.dtype.isnative


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "transposed": lambda a: a.T,
    "Fortran": np.asfortranarray,
    "strided": lambda a: a[::2, 1::3],
    "reversed": lambda a: a[::-1, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[0], (3, 4)),
    "big-endian": lambda a: a.astype(">f8"),
    "big-endian float32, transposed": lambda a: a.astype(">f4").T,
    "one number": lambda a: np.array(a[1, 2]),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), dtype="<f8", offset=1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(path: Path, layout: str) -> None:
    """Every layout of memory survives; safetensors by itself writes strided and transposed arrays wrongly."""
    array = LAYOUTS[layout](np.arange(12.0).reshape(3, 4) + 0.1)
    array.flags.writeable = False
    write(path, {}, {"a": array})
    assert np.array_equal(read(path)[1]["a"], array)
    assert read(path)[1]["a"].shape == array.shape


def test_strided_arrays_are_noticed_without_the_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array that reached safetensors in Fortran order is right, or the save is refused: the read-back bites."""
    monkeypatch.setattr(model_file, "_canonical", lambda _, array: array)
    array = np.arange(12.0).reshape(3, 4).T
    try:
        write(path, {}, {"a": array})
    except OSError:
        assert names(path.parent) == []
    else:
        assert np.array_equal(read(path)[1]["a"], array)


def test_any_safetensors_reader_reads_it_and_writing_is_deterministic(path: Path) -> None:
    """The file is an ordinary safetensors file, and the same model gives the same bytes."""
    write(path, SPEC, ARRAYS)
    first = path.read_bytes()
    assert same(safetensors.numpy.load(first), ARRAYS)
    write(path, SPEC, dict(reversed(ARRAYS.items())))
    assert path.read_bytes() == first


def test_digest_is_of_the_whole_file_whatever_the_user_writes(path: Path) -> None:
    """The digest is SHA-256 of all bytes with zeros in its place, also if the user's words look like that place."""
    zeros, decoy = "0" * 64, model_file.BEGINNING.decode()
    write(path, {zeros: zeros, decoy: decoy, "sha256": zeros}, {zeros: np.ones(2), decoy: np.ones(1)})
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    digest = json.loads(header["__metadata__"]["chainrule"])["sha256"].encode()
    assert data.count(digest) == 1
    assert hashlib.sha256(data.replace(digest, b"0" * 64)).hexdigest().encode() == digest
    assert read(path)[0][decoy] == decoy


def cyclic() -> list[Any]:
    """A list that holds itself."""
    loop: list[Any] = []
    loop.append(loop)
    return loop


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


UNWRITABLE: dict[str, tuple[Any, Any]] = {
    "nan": ({}, {"a": np.array([[0.0, np.nan]])}),
    "inf": ({}, {"a": np.array(-np.inf, ">f4")}),
    "integers": ({}, {"a": np.arange(3)}),
    "float16": ({}, {"a": np.zeros(3, np.float16)}),
    "long double": ({}, {"a": np.zeros(3, np.longdouble)}),
    "objects": ({}, {"a": np.array([None])}),
    "a list": ({}, {"a": [1.0]}),
    "reserved name": ({}, {"__metadata__": np.zeros(3)}),
    "name of bytes": ({}, {b"a": np.zeros(3)}),
    "half a character": ({}, {"\ud800": np.zeros(3)}),
    "tuple": ({"a": (1, 2)}, {}),
    "integer as key": ({"a": {1: 2}}, {}),
    "nan in spec": ({"a": float("nan")}, {}),
    "inf in spec": ({"a": [float("inf")]}, {}),
    "NumPy number": ({"a": np.int64(1)}, {}),
    "bytes in spec": ({"a": b"1"}, {}),
    "cyclic": ({"a": cyclic()}, {}),
    "nested too deep": ({"a": nested(100_000)}, {}),
    "huge integer": ({"a": 10**50}, {}),
    "huge spec": ({"a": "x" * model_file.LARGEST_HEADER}, {}),
    "huge names": ({}, {f"{i:050000}": np.zeros(1) for i in range(30)}),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_what_cannot_be_read_back_is_not_written(path: Path, case: str) -> None:
    """A specification or an array that a file cannot hold is refused by one sentence, before the folder is touched."""
    write(path, SPEC, OLD)
    with pytest.raises(ValueError, match=r"must .*; got .*\. [A-Z].*\.$") as caught:
        write(path, *UNWRITABLE[case])
    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 400
    assert names(path.parent) == [path.name]
    assert same(read(path)[1], OLD)


def test_too_large_a_model_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that could not be read for its size is refused when it is written."""
    monkeypatch.setattr(model_file, "LARGEST_FILE", 1000)
    with pytest.raises(ValueError, match="must fit"):
        write(path, {}, {"a": np.zeros(1000)})


# Files from anybody ------------------------------------------------------------------------------------------------


def sign(data: bytes) -> bytes:
    """Put the right digest where a model file has it, so that only what lies behind the digest can refuse the file."""
    place = slice(8 + len(model_file.BEGINNING), 72 + len(model_file.BEGINNING))
    zeroed = data[: place.start] + b"0" * 64 + data[place.stop :]
    return data[: place.start] + hashlib.sha256(zeroed).hexdigest().encode() + data[place.stop :]


def forge(arrays: str = "", body: bytes = b"", about: str = ABOUT, metadata: str = "", end: str = "}") -> bytes:
    """A file with a right digest and any header: `arrays` is JSON text after the metadata."""
    header = '{"__metadata__":{"chainrule":' + json.dumps(about) + metadata + "}" + arrays + end
    encoded = header.encode("utf-8", "surrogateescape")
    return sign(struct.pack("<Q", len(encoded)) + encoded + body)


def entry(dtype: str = '"F64"', shape: str = "[2]", offsets: str = "[0,16]", name: str = '"a"', more: str = "") -> str:
    """The header's text for one array."""
    return f',{name}:{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}'


def about(**changed: str) -> str:
    """The model's own JSON with some values replaced by other text."""
    parts = {"format": '"chainrule model"', "sha256": '"' + "0" * 64 + '"', "version": "1", "spec": "{}"} | changed
    return "{" + ",".join(f'"{key}":{value}' for key, value in parts.items()) + "}"


EIGHT, SIXTEEN = b"\0" * 8, b"\0" * 16
NAN = struct.pack("<d", float("nan"))
HUGE_HEADER = struct.pack("<Q", 2**63) + forge()[8:]

HOSTILE: dict[str, tuple[bytes, str]] = {
    # not a model file at all
    "empty": (b"", "it is empty"),
    "seven bytes": (b"\0" * 7, "does not begin as one"),
    "zeros": (b"\0" * 1000, "does not begin as one"),
    "CSV": (b"age,bmi,target\n59,32.1,151\n" * 20, "does not begin as one"),
    "pickle": (pickle.dumps({"w": np.zeros(3)}), "does not begin as one"),
    "zip": (b"PK\x03\x04" + b"\0" * 500, "does not begin as one"),
    "somebody else's": (safetensors.numpy.save(OLD), "without the metadata 'chainrule'"),
    "somebody else's, with metadata": (safetensors.numpy.save(OLD, metadata={"format": "pt"}), "without the metadata"),
    "JSON that is a list": (struct.pack("<Q", 2) + b"[]" + b" " * 200, "does not begin as one"),
    "nested, not ours": (struct.pack("<Q", 200_000) + b"[" * 200_000, "does not begin as one"),
    "metadata is a list": (struct.pack("<Q", 19) + b'{"__metadata__":[]}' + b" " * 200, "without the metadata"),
    "metadata is a number": (struct.pack("<Q", 18) + b'{"__metadata__":1}' + b" " * 200, "does not begin as one"),
    "rewritten": (safetensors.numpy.save(OLD, metadata={"chainrule": " " + ABOUT}), "another program has rewritten it"),
    # sizes
    "huge header": (HUGE_HEADER, "must have at most"),
    "header of 2 MiB": (forge(about=about(spec='{"a":"' + "x" * 2**21 + '"}')), "must have at most"),
    "header after the end": (sign(struct.pack("<Q", 10_000) + forge()[8:]), "its header ends after the file"),
    "header of nothing": (sign(struct.pack("<Q", 0) + forge()[8:]), "malformed"),
    "header cut": (sign(struct.pack("<Q", 50) + forge()[8:]), "malformed"),
    # JSON
    "array given twice": (forge(entry() + entry(), SIXTEEN), "a key occurs twice"),
    "array given twice, by escape": (forge(entry() + entry(name=r'"\u0061"'), SIXTEEN), "a key occurs twice"),
    "metadata given twice": (forge(',"__metadata__":{}'), "a key occurs twice"),
    "our metadata given twice": (forge(metadata=',"chainrule":"{}"'), "a key occurs twice"),
    "shape given twice": (forge(entry(more=',"shape":[2]'), SIXTEEN), "a key occurs twice"),
    "version given twice": (forge(about=ABOUT[:-1] + ',"version":1}'), "a key occurs twice"),
    "twice, deep in the spec": (forge(about=about(spec='{"a":[{"b":1,"b":1}]}')), "a key occurs twice"),
    "nested arrays": (forge(',"a":' + "[" * 100_000 + "]" * 100_000), "malformed"),
    "nested objects": (forge(about=about(spec='{"a":' * 50_000 + "1" + "}" * 50_000)), "malformed"),
    "NaN": (forge(about=about(spec='{"a":NaN}')), "a number is NaN"),
    "Infinity": (forge(about=about(spec='{"a":-Infinity}')), "a number is -Infinity"),
    "1e999": (forge(about=about(spec='{"a":1e999}')), "a number is 1e999"),
    "integer of 10,000 digits": (forge(about=about(spec='{"a":' + "9" * 10_000 + "}")), "more than 40 digits"),
    "number of 500,000 digits": (forge(about=about(spec='{"a":' + "9" * 500_000 + ".5}")), "a number is 999"),
    "no JSON": (forge(end=""), "malformed"),
    "more JSON": (forge(end="}{}"), "malformed"),
    "not UTF-8": (forge(entry(name='"\udcff"'), SIXTEEN), "malformed"),
    # what describes the model
    "no version": (forge(about=ABOUT.replace('"version":1,', "")), "malformed"),
    "version 0": (forge(about=about(version="0")), "its version is 0"),
    "version true": (forge(about=about(version="true")), "its version is True"),
    "version by name": (forge(about=about(version='"' + "1" * 1000 + '"')), "its version is '1"),
    "no spec": (forge(about=ABOUT.replace(',"spec":{}', "")), "does not describe itself"),
    "more than a spec": (forge(about=about(more="1")), "does not describe itself"),
    "spec is a list": (forge(about=about(spec="[]")), "its specification is not an object"),
    "longer digest": (forge(about=about(sha256='"' + "0" * 65 + '"')), "longer than 64"),
    "more metadata": (forge(metadata=',"code":"x"'), "more metadata"),
    # arrays
    "a list": (forge(',"a":[]'), "is not described"),
    "a list of the right words": (forge(',"a":["dtype","shape","data_offsets"]'), "is not described"),
    "a number": (forge(',"a":1'), "is not described"),
    "no shape": (forge(',"a":{"dtype":"F64","data_offsets":[0,16]}', SIXTEEN), "is not described"),
    "more than described": (forge(entry(more=',"x":1'), SIXTEEN), "is not described"),
    "dtype I64": (forge(entry('"I64"'), SIXTEEN), "neither F32 nor F64"),
    "dtype F16": (forge(entry('"F16"', "[8]"), SIXTEEN), "neither F32 nor F64"),
    "dtype is a list": (forge(entry("[]"), SIXTEEN), "neither F32 nor F64"),
    "dtype is an object": (forge(entry('{"F64":1}'), SIXTEEN), "neither F32 nor F64"),
    "shape is a number": (forge(entry(shape="2"), SIXTEEN), "no possible shape"),
    "shape of floats": (forge(entry(shape="[2.0]"), SIXTEEN), "no possible shape"),
    "shape of truths": (forge(entry(shape="[true,2]"), SIXTEEN), "no possible shape"),
    "negative shape": (forge(entry(shape="[-1,-2]"), SIXTEEN), "no possible shape"),
    "shape too large": (forge(entry(shape="[3]"), SIXTEEN), "ends after the file"),
    "shape too small": (forge(entry(shape="[1]"), SIXTEEN), "is not where it must be"),
    "shape beyond 64 bits": (forge(entry(shape=f"[{2**61},8]", offsets="[0,0]")), "ends after the file"),
    "empty beyond 64 bits": (forge(entry(shape=f"[0,{2**62},{2**62}]", offsets="[0,0]")), "too big"),
    "empty, 100 axes": (forge(entry(shape=str([0] * 100), offsets="[0,0]")), "no possible shape"),
    "empty, a million axes": (forge(entry(shape="[0" + ",1" * 250_000 + "]", offsets="[0,0]")), "no possible shape"),
    "20,000 huge axes": (forge(entry(shape=str([10**39] * 20_000), offsets="[0,0]")), "no possible shape"),
    "60 huge axes": (forge(entry(shape=str([10**39] * 60), offsets="[0,0]")), "ends after the file"),
    "one offset": (forge(entry(offsets="[0]"), SIXTEEN), "is not where it must be"),
    "offsets of floats": (forge(entry(offsets="[0.0,16.0]"), SIXTEEN), "is not where it must be"),
    "offset of truth": (forge(entry(offsets="[false,16]"), SIXTEEN), "is not where it must be"),
    "offsets backwards": (forge(entry(offsets="[16,0]"), SIXTEEN), "is not where it must be"),
    "negative offsets": (forge(entry(offsets="[-16,0]"), SIXTEEN), "is not where it must be"),
    "overlap": (forge(entry() + entry(name='"b"'), SIXTEEN), "ends after the file"),
    "overlap with room": (forge(entry() + entry(name='"b"', offsets="[8,24]"), SIXTEEN * 2), "is not where it must be"),
    "gap": (forge(entry(offsets="[8,24]"), SIXTEEN + EIGHT), "is not where it must be"),
    "rest": (forge(entry(), SIXTEEN + b"#!/bin/sh"), "belong to no array"),
    "NaN weight": (forge(entry(), EIGHT + NAN), "is not finite"),
    "infinite weight": (forge(entry('"F32"', "[4]"), EIGHT + struct.pack("<2f", 0, float("inf"))), "is not finite"),
    "long name": (forge(entry('"X"', name='"' + "n" * 100_000 + '"'), SIXTEEN), "neither F32 nor F64"),
    "name that steers a terminal": (forge(entry('"X"', name=r'"\u001b[2J\n"'), SIXTEEN), "neither F32 nor F64"),
}


def test_forged_files_differ_from_good_ones_only_in_what_they_forge(path: Path) -> None:
    """The forger's plain file is accepted, so what refuses its others is the thing forged."""
    path.write_bytes(forge(entry() + entry('"F32"', "[1,2]", "[16,24]", '"b"'), SIXTEEN + EIGHT))
    spec, arrays = read(path)
    assert spec == {}
    assert same(arrays, {"a": np.zeros(2), "b": np.zeros((1, 2), np.float32)})


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_one_sentence(path: Path, case: str) -> None:
    """Whatever a file holds, it is refused by BadFile with one sentence that names it and the reason, at once."""
    data, reason = HOSTILE[case]
    path.write_bytes(data)
    with pytest.raises(BadFile) as caught:
        read(path)
    assert_one_sentence(caught.value, path)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_newer_version_says_how_to_upgrade(path: Path) -> None:
    """A file of a later format is named as such, whatever else it holds that this version does not know."""
    path.write_bytes(forge(entry('"BF16"'), SIXTEEN, about=about(version="2", more="[]")))
    with pytest.raises(BadFile) as caught:
        read(path)
    assert str(caught.value) == (
        f"'{path}' was written by a newer version of Chainrule (format 2; this one reads 1). "
        "Upgrade with pip install -U chainrule."
    )


def test_every_flipped_bit_is_noticed(path: Path) -> None:
    """Each bit of a small file, flipped alone, makes the file refused: length, header, padding, digest and arrays."""
    write(path, SPEC, ARRAYS)
    good = path.read_bytes()
    assert 400 < len(good) < 1000
    with path.open("r+b", buffering=0) as file:
        for i, bit in itertools.product(range(len(good)), range(8)):
            os.pwrite(file.fileno(), bytes([good[i] ^ 1 << bit]), i)
            with pytest.raises(BadFile):
                read(path)
            os.pwrite(file.fileno(), good[i : i + 1], i)
    assert same(read(path)[1], ARRAYS)


def test_every_truncation_and_extension_is_noticed(path: Path) -> None:
    """A file cut anywhere, or with bytes added in front or behind, is refused."""
    write(path, SPEC, ARRAYS)
    good = path.read_bytes()
    for bad in itertools.chain((good[:i] for i in range(len(good))), (good + b"\0", b"\0" + good, good + good)):
        path.unlink()
        path.write_bytes(bad)
        with pytest.raises(BadFile) as caught:
            read(path)
        assert_one_sentence(caught.value, path)


def test_signed_mutants_are_refused_or_sound(path: Path) -> None:
    """Headers changed at random and signed again are refused by BadFile or hold finite arrays that fill the file."""
    pieces = ["", *'{}[]:,"', "0", "-1", "16", "1e9", "true", "null", "NaN", '"a"', '"F64"', '"shape"', r"\u0061"]
    draw = random.Random(20)
    good = forge(entry() + entry('"F32"', "[1,2]", "[16,24]", '"b"'), SIXTEEN + EIGHT)
    end = 8 + int.from_bytes(good[:8], "little")
    accepted = 0
    for _ in range(1000):
        header = good[8:end].decode()
        for _ in range(draw.randint(1, 3)):
            i = draw.randrange(len(model_file.BEGINNING) + 64, len(header))
            header = header[:i] + draw.choice(pieces) + header[i + draw.randint(0, 3) :]
        path.unlink(missing_ok=True)
        path.write_bytes(sign(struct.pack("<Q", len(header)) + header.encode() + good[end:]))
        try:
            arrays = read(path)[1]
        except BadFile:
            continue
        accepted += 1
        assert sum(array.nbytes for array in arrays.values()) == 24
    assert 0 < accepted < 250


def make_fifo(path: Path) -> None:
    """A pipe that nobody writes to: opening it to read waits for ever."""
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    """A socket in the file system."""
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)  # the name of a socket must be short
        server.bind(path.name)
        os.chdir(before)


def make_huge(path: Path) -> None:
    """A sparse file just beyond the limit that begins as a model file."""
    path.write_bytes(forge())
    os.truncate(path, model_file.LARGEST_FILE + 1)


def make_linked_fifo(path: Path) -> None:
    """A link to such a pipe."""
    make_fifo(path.with_name("fifo"))
    path.symlink_to("fifo")


NOT_FILES: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "FIFO": (make_fifo, BadFile, "it is not a regular file"),
    "link to a FIFO": (make_linked_fifo, BadFile, "it is not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), BadFile, "it is not a regular file"),
    "folder": (Path.mkdir, BadFile, "it is a folder"),
    "beyond 4 GiB": (make_huge, BadFile, "must have at most 4294967296 bytes"),
    "socket": (make_socket, OSError, "cannot be read"),
    "nothing": (lambda path: None, FileNotFoundError, "cannot be read: No such file"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), FileNotFoundError, "cannot be read: No such file"),
    "link to itself": (lambda path: path.symlink_to(path), OSError, "cannot be read"),
}


@pytest.mark.parametrize("case", NOT_FILES)
def test_what_is_no_file_is_refused_without_waiting(path: Path, case: str) -> None:
    """A FIFO, device, folder, socket, link to nowhere or file of 4 GiB is refused at once in one sentence."""
    make, error, reason = NOT_FILES[case]
    make(path)
    with pytest.raises(error, match=reason) as caught:
        read(path)
    assert_one_sentence(caught.value, path)


# A save that fails -------------------------------------------------------------------------------------------------


class Failing:
    """A system call that fails when it is called for the n-th time."""

    def __init__(self, call: Callable[..., Any], n: int, error: BaseException) -> None:
        self.call, self.n, self.error = call, n, error

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, or fail."""
        self.n -= 1
        if self.n == 0:
            raise self.error
        return self.call(*args, **kwargs)


CALLS = ["open", "fsync", "write", "replace", "fstat", "lstat", "stat", "fchmod", "fdopen", "close", "access"]
ERRORS = [OSError(number, os.strerror(number)) for number in (errno.EIO, errno.EACCES)]


@pytest.mark.parametrize("error", [*ERRORS, KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("call", CALLS)
def test_whatever_call_fails_a_good_file_remains(path: Path, call: str, error: BaseException) -> None:
    """If any system call of a save fails, or Ctrl-C comes there, the target is whole and nothing else is left."""
    write(path, SPEC, OLD)
    for n in itertools.count(1):
        failing = Failing(getattr(os, call), n, error)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, call, failing)
            try:
                write(path, SPEC, ARRAYS)
                told = None
            except (OSError, KeyboardInterrupt) as caught:
                told = caught
        assert names(path.parent) == [path.name]
        arrays = read(path)[1]
        if isinstance(told, OSError):
            assert_one_sentence(told, path)
            assert told.errno == getattr(error, "errno", None)
            assert same(arrays, OLD if "Nothing was changed" in str(told) else ARRAYS)
        assert same(arrays, ARRAYS) or (told and same(arrays, OLD))
        if failing.n > 0:
            break
        write(path, SPEC, OLD)
    assert n > 1, f"a save does not call os.{call}"


def test_errors_before_the_new_name_leave_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing write, fsync of the file or rename is reported with its number, and the old file stays."""
    write(path, SPEC, OLD)
    for call in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, Failing(getattr(os, call), 1, OSError(errno.ENOSPC, "No space left")))
            with pytest.raises(OSError, match=r"No space left\. Nothing was changed\. Free some space") as caught:
                write(path, SPEC, ARRAYS)
        assert caught.value.errno == errno.ENOSPC
        assert same(read(path)[1], OLD)
        assert names(path.parent) == [path.name]


def test_the_disk_has_the_file_before_the_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file is synced, then takes its name, then its folder is synced: a power cut finds the old or the new."""
    calls: list[Any] = []
    rename = os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), rename(*names)))
    write(path, SPEC, ARRAYS)
    assert calls == [path.stat().st_ino, "replace", path.parent.stat().st_ino]


def test_folder_that_cannot_be_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system cannot sync a folder a save succeeds; a real error of the disk there is reported."""
    for number in (errno.EINVAL, errno.ENOTSUP):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", Failing(os.fsync, 2, OSError(number, "")))
            write(path, SPEC, ARRAYS)
    monkeypatch.setattr(os, "fsync", Failing(os.fsync, 2, OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match="is written, but its folder may not have reached the disk"):
        write(path, SPEC, OLD)
    assert same(read(path)[1], OLD)


def test_short_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes a few bytes at a time gets the whole file all the same."""
    taken = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: taken(descriptor, data[:7]))
    write(path, SPEC, ARRAYS)
    assert same(read(path)[1], ARRAYS)


SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "first byte": lambda data: b"\1" + data[1:],
    "last byte": lambda data: data[:-1] + b"\1",
    "cut": lambda data: data[:-1],
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_a_disk_that_lies_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch, spoiler: str) -> None:
    """If what is read back is not what was written, the save fails and the old file stays."""
    write(path, SPEC, OLD)
    taken, spoil = os.write, SPOILERS[spoiler]
    monkeypatch.setattr(os, "write", lambda descriptor, data: taken(descriptor, spoil(bytes(data))) and len(data))
    with pytest.raises(OSError, match="what was read back is not what was written"):
        write(path, SPEC, ARRAYS)
    monkeypatch.undo()
    assert same(read(path)[1], OLD)
    assert names(path.parent) == [path.name]


def test_full_disk(path: Path) -> None:
    """When the system itself stops a file at 4,000 bytes, the old file stays and the message says what to do."""
    write(path, SPEC, OLD)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(OSError, match="Free some space") as caught:
            write(path, SPEC, {"a": np.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert_one_sentence(caught.value, path)
    assert same(read(path)[1], OLD)
    assert names(path.parent) == [path.name]


@contextmanager
def without_permission(folder: Path) -> Iterator[None]:
    """Nothing can be made in the folder: for root, by being nobody for a moment."""
    if os.geteuid() == 0:
        os.seteuid(65534)
    else:
        folder.chmod(0o500)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o700)


def test_no_permission(path: Path) -> None:
    """A folder that may not be written to gives PermissionError with a sentence, and the old file stays."""
    write(path, SPEC, OLD)
    with without_permission(path.parent), pytest.raises(PermissionError) as caught:
        write(path, SPEC, ARRAYS)
    assert_one_sentence(caught.value, path)
    assert same(read(path)[1], OLD)
    assert names(path.parent) == [path.name]


def test_write_protected_file_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its owner has protected is not replaced, though the folder would let us."""
    write(path, SPEC, OLD)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anything, so the answer is given for it
    with pytest.raises(PermissionError, match="write-protected"):
        write(path, SPEC, ARRAYS)
    assert same(read(path)[1], OLD)


NO_TARGETS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "folder": (Path.mkdir, IsADirectoryError),
    "link to a folder": (lambda path: path.symlink_to(".."), IsADirectoryError),
    "FIFO": (make_fifo, OSError),
    "link to a device": (lambda path: path.symlink_to("/dev/null"), OSError),
    "link to itself": (lambda path: path.symlink_to(path), OSError),
    "missing folder": (lambda path: path.parent.rmdir(), FileNotFoundError),
    "folder that is a file": (lambda path: (path.parent.rmdir(), path.parent.write_text("")), NotADirectoryError),
    "link into nowhere": (lambda path: path.symlink_to("nowhere/m"), FileNotFoundError),
}


@pytest.mark.parametrize("case", NO_TARGETS)
def test_what_is_no_target_is_refused_and_stays(path: Path, case: str) -> None:
    """A folder, device, FIFO, endless link or missing folder is not replaced; one sentence says why."""
    make, error = NO_TARGETS[case]
    make(path)
    before = names(path.parent) if path.parent.is_dir() else None
    with pytest.raises(error) as caught:
        write(path, SPEC, ARRAYS)
    assert_one_sentence(caught.value, path)
    assert (names(path.parent) if path.parent.is_dir() else None) == before


@pytest.mark.parametrize("exists", [True, False])
def test_symbolic_link_stays_and_is_followed(path: Path, exists: bool) -> None:
    """A save through a link replaces or makes the file it points at; the link stays, and nothing else is made."""
    real = path.parent.parent / "real"
    real.mkdir()
    if exists:
        write(real / "m", SPEC, OLD)
    path.symlink_to("../real/m")
    write(path, SPEC, ARRAYS)
    assert path.is_symlink()
    assert same(read(real / "m")[1], ARRAYS)
    assert (names(real), names(path.parent)) == (["m"], [path.name])


def test_permissions_follow_the_umask_or_the_old_file(path: Path) -> None:
    """A new file has the permissions of any new file; a replaced one keeps its own, so what is private stays so."""
    before = os.umask(0o027)
    try:
        write(path, SPEC, OLD)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o600)
    write(path, SPEC, ARRAYS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_long_and_strange_names(tmp_path: Path) -> None:
    """Any name that the file system takes can be saved to."""
    for name in ("x" * 255, "ä" * 127, "a\nb", "[*]?", "-rf", ".hidden", os.fsdecode(b"\xff\xfe")):
        write(tmp_path / name, SPEC, ARRAYS)
        assert same(read(tmp_path / name)[1], ARRAYS)
        (tmp_path / name).unlink()
    assert names(tmp_path) == []


def test_temporaries_of_killed_runs_are_removed_and_no_others(path: Path) -> None:
    """A save removes what killed saves of that file left, not what a living one is writing, nor anybody else's file."""
    dead = path.with_name(f".{path.name}.{'a' * 16}.tmp")
    others = [f".other.{'a' * 16}.tmp", f".mXsafetensors.{'a' * 16}.tmp", f"{path.name}.tmp", f".{path.name}.notes.tmp"]
    others += [f".{path.name}.{'a' * 17}.tmp", f"x{dead.name}", f"{dead.name}x"]
    for name in [dead.name, *others]:
        path.with_name(name).write_text("x")
    with writing._temporary(path) as (living, _):
        write(path, SPEC, ARRAYS)
        assert names(path.parent) == sorted([path.name, living.name, *others])
    assert not living.exists()


def test_nobody_can_lay_a_link_where_the_temporary_will_be(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that waits under the temporary's name is not followed: what it points at stays as it was."""
    victim = path.with_name("victim")
    victim.write_text("x")
    monkeypatch.setattr(writing.secrets, "token_hex", lambda _: "a" * 16)
    path.with_name(f".{path.name}.{'a' * 16}.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write(path, SPEC, ARRAYS)
    assert victim.read_text() == "x"


def test_nothing_stays_open(path: Path) -> None:
    """Saves and reads, good or refused, leave no file open: a training that saves a million times does not run out."""
    before = names(Path("/dev/fd"))
    path.with_name(f".{path.name}.{'a' * 16}.tmp").write_text("left by a killed run")
    write(path, SPEC, ARRAYS)
    read(path)
    with pytest.raises(BadFile):
        read(path.parent)
    with pytest.raises(IsADirectoryError):
        write(path.parent, SPEC, ARRAYS)
    assert set(names(Path("/dev/fd"))) <= set(before)


def test_another_layout_by_safetensors_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a version of safetensors does not write the metadata first, the save says which version does."""
    monkeypatch.setattr(safetensors.numpy, "save", lambda *_, **__: struct.pack("<Q", 2) + b"{}")
    with pytest.raises(RuntimeError, match=r"Install safetensors"):
        write(path, SPEC, ARRAYS)
    assert names(path.parent) == []


def test_without_locks_a_save_still_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks a save succeeds, and leaves alone what it cannot tell to be abandoned."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = path.with_name(f".{path.name}.{'a' * 16}.tmp")
    left.write_text("x")
    write(path, SPEC, ARRAYS)
    assert names(path.parent) == sorted([left.name, path.name])
    assert same(read(path)[1], ARRAYS)


def test_temporary_taken_in_the_moment_before_its_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another save takes a new temporary for abandoned before it is locked, the save makes another one."""
    lock, calls = fcntl.flock, []

    def rival(descriptor: int, how: int) -> None:
        calls.append(how)
        if len(calls) == 1:
            for name in names(path.parent):
                path.with_name(name).unlink()
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", rival)
    write(path, SPEC, ARRAYS)
    assert len(calls) == 2
    assert same(read(path)[1], ARRAYS)
    assert names(path.parent) == [path.name]


WRITER = """
import sys, numpy as np
from chainrule.files.model_file import write
for i in range(10**9):
    write(sys.argv[1], {"i": i}, {"a": np.full(100_000, float(i))})
    if i == 0:
        print("ready", flush=True)
"""


def test_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    """Ten processes save without end, each is killed at a random moment: every file is whole, the next save tidies."""
    draw = random.Random(9)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    left = 0
    paths = [tmp_path / str(k) / "m" for k in range(10)]
    for path in paths:
        path.parent.mkdir()
    command = [sys.executable, "-c", WRITER]
    writers = [subprocess.Popen([*command, path], stdout=subprocess.PIPE, env=environment) for path in paths]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(draw.uniform(0, 0.02))
            writer.kill()
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    for path in paths:
        spec, arrays = read(path)
        assert np.array_equal(arrays["a"], np.full(100_000, float(spec["i"])))
        left += len(names(path.parent)) - 1
        write(path, SPEC, ARRAYS)
        assert names(path.parent) == [path.name]
    assert left > 0, "no process was killed in the middle of a save, so nothing was tried"
