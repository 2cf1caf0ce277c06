"""Claim: compiled code is kept in a private folder, and nothing about that folder, its files or the disk is a failure.
Code for processors of other kinds is as right as that for this one.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import Network
from chainrule.activations import ACTIVATIONS
from chainrule.engines import cpu
from chainrule.engines.cpu import machine, rows

LIMIT = 300
"""Seconds after which a process counts as hanging; compiling takes ten on a quiet machine."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that the engine takes for its cache when it looks again, for these settings."""

    def of(**environment):
        for name in ("CHAINRULE_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        machine.folder.cache_clear()
        return machine.folder()

    yield of
    machine.folder.cache_clear()


def mode(path):
    """Who may do what with it."""
    return path.stat().st_mode & 0o777


# ----------------------------------------------------------------------------------------------------------- the folder


def test_private_folder(folder, tmp_path):
    """It is made for this user alone, whatever the umask, where CHAINRULE_CACHE, XDG_CACHE_HOME or HOME say, in this
    order, and its name changes with the processor, the versions and the engine's own source.
    """
    before = os.umask(0)
    try:
        found = folder(CHAINRULE_CACHE=tmp_path / "a", XDG_CACHE_HOME=tmp_path / "b", HOME=tmp_path / "c")
    finally:
        os.umask(before)
    assert found == tmp_path / "a" / "chainrule" / machine.fingerprint()
    assert mode(found) == mode(found.parent) == 0o700
    assert folder(XDG_CACHE_HOME=tmp_path / "b", HOME=tmp_path / "c").parents[1] == tmp_path / "b"
    assert folder(HOME=tmp_path / "c").parents[1] == tmp_path / "c" / ".cache"


def test_what_the_name_is_made_of(monkeypatch):
    """Another processor, vector length, version or source has a folder of its own; without its source, none."""
    fingerprint = machine.fingerprint.__wrapped__
    names = {fingerprint()}
    for name, value in (
        ("vector_bytes", lambda: 8),
        ("has_fma", lambda: None),
        ("_features", lambda: "+none"),
        ("version", lambda package: f"0.0 of {package}"),
        ("Path", lambda _: Path(rows.__file__).parents[1] / "none.py"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(machine, name, value)
            names.add(fingerprint())
    assert len(names) == 6
    monkeypatch.setattr(machine, "Path", lambda _: Path("/nowhere/at/all.py"))
    with pytest.raises(FileNotFoundError):
        fingerprint()


def test_places_that_cannot_be_used(folder, tmp_path, monkeypatch):
    """A file where the folder should be, a folder that others may write to or read, or that is another user's, no home,
    or no source to name it by: then nothing is kept, and nothing is said.
    """
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert folder(CHAINRULE_CACHE=file) is None
    assert folder(CHAINRULE_CACHE=file / "in it") is None
    assert folder(CHAINRULE_CACHE="/proc/nowhere") is None
    for wrong in (0o755, 0o770, 0o701):
        place = folder(CHAINRULE_CACHE=tmp_path / f"{wrong:o}")
        place.chmod(wrong)
        assert folder(CHAINRULE_CACHE=tmp_path / f"{wrong:o}") is None
        place.chmod(0o700)
        assert folder(CHAINRULE_CACHE=tmp_path / f"{wrong:o}") == place
        place.parent.chmod(0o777)
        assert folder(CHAINRULE_CACHE=tmp_path / f"{wrong:o}") is None
    with monkeypatch.context() as changed:
        changed.setattr(os, "getuid", lambda: 12345)
        assert folder(CHAINRULE_CACHE=tmp_path / "another's") is None
    with monkeypatch.context() as changed:
        changed.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
        assert folder() is None
    with monkeypatch.context() as changed:
        changed.setattr(machine, "fingerprint", lambda: (_ for _ in ()).throw(FileNotFoundError()))
        assert folder(CHAINRULE_CACHE=tmp_path / "good") is None
    assert folder(CHAINRULE_CACHE=tmp_path / "good") is not None


# ------------------------------------------------------------------------------------------------------------ the files


def counted(made):
    """Something that makes code, and how often it did."""
    times = []

    def make():
        times.append(1)
        return made

    return make, times


SPOILT = {
    "empty": lambda whole: b"",
    "cut short": lambda whole: whole[:-1],
    "its digest alone": lambda whole: whole[:32],
    "less than a digest": lambda whole: whole[:10],
    "one bit": lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
    "longer": lambda whole: whole + b"\0",
    "something else": lambda whole: b"\x7fELF" * 100,
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_spoilt_files_are_made_again(spoil, folder, tmp_path):
    """A file that is not whole is not used: the code is made again, and takes its place."""
    place = folder(CHAINRULE_CACHE=tmp_path)
    make, times = counted(b"code " * 99)
    assert machine.kept("loop", make) == machine.kept("loop", make) == b"code " * 99
    assert len(times) == 1
    (file,) = place.iterdir()
    whole = file.read_bytes()
    file.write_bytes(SPOILT[spoil](whole))
    assert machine.kept("loop", make) == b"code " * 99
    assert len(times) == 2
    assert file.read_bytes() == whole
    assert machine.kept("loop", make) == b"code " * 99
    assert len(times) == 2
    assert machine.kept("another", lambda: b"other") == b"other"


def test_files_that_cannot_be_used(folder, tmp_path):
    """A folder in a file's place, a link to nowhere or a pipe costs the time to compile and no more."""
    place = folder(CHAINRULE_CACHE=tmp_path)
    make, times = counted(b"code")
    machine.kept("loop", make)
    (file,) = place.iterdir()
    for n, hinder in enumerate((file.mkdir, lambda: file.symlink_to(place / "nowhere" / "at all")), 2):
        file.unlink()
        hinder()
        assert machine.kept("loop", make) == b"code"
        assert len(times) == n
        if file.is_dir():
            file.rmdir()
            file.touch()
    shutil.rmtree(place)  # gone while the engine runs
    assert machine.kept("loop", make) == b"code"


def test_full_disk(folder, tmp_path):
    """Where no file can be written the code is made each time, nothing half-written is left, and old files are used."""
    place = folder(CHAINRULE_CACHE=tmp_path)
    old, times_old = counted(b"old")
    machine.kept("old", old)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    make, times = counted(b"code" * 10_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        for _ in range(2):
            assert machine.kept("loop", make) == b"code" * 10_000
        assert machine.kept("old", old) == b"old"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (len(times), len(times_old)) == (2, 1)
    assert len([*place.iterdir()]) == 1
    machine.kept("loop", make)
    assert len([*place.iterdir()]) == 2


def test_real_code_is_kept(folder, tmp_path):
    """A row's machine code is read back from its file, and gives the same bits; spoilt, it is compiled again."""

    def outputs():
        rows.activation.cache_clear()
        kernel = rows.activation(ACTIVATIONS["gelu"], np.dtype("float64"), True)
        assert kernel.address
        return cpu.predict(net, np.linspace(-3, 3, 40)[:, None]).tobytes()

    place = folder(CHAINRULE_CACHE=tmp_path)
    cpu.predict(Network([1, 1]), np.zeros((1, 1)))  # the loop is loaded from where it always is
    net = Network([1, 9, 1], ["gelu", "identity"])
    expected = outputs()
    files = sorted(place.glob("*.o"))
    assert len(files) >= 2
    times = [file.stat().st_mtime_ns for file in files]
    assert outputs() == expected
    assert [file.stat().st_mtime_ns for file in files] == times
    for file in files:
        file.write_bytes(file.read_bytes()[:-7])
    assert outputs() == expected
    rows.activation.cache_clear()


def test_code_that_nobody_needs_is_freed_by_itself():
    """Compiled code goes when nobody needs it, and takes nothing with it that others need: the process lives on."""
    activation = ACTIVATIONS["relu"]
    for _ in range(20):
        rows.activation.cache_clear()
        rows.activation(activation, np.dtype("float64"), True)
    kernel = rows.activation(activation, np.dtype("float32"), False)
    rows.activation.cache_clear()
    assert kernel.code.address("activation") == kernel.address


# ------------------------------------------------------------------------------------------------------------ processes

PREDICT = """
import json, sys, time
import numpy as np
from chainrule import Network
from chainrule.engines import cpu
net = Network([3, 9, 2], ["tanh", "identity"], seed=1)
y = cpu.predict(net, np.arange(12.0).reshape(4, 3))
print(json.dumps([y.tobytes().hex(), "numba" in sys.modules]))
"""


def started(program, arguments=(), **environment):
    """A process of its own, with this cache and no other setting."""
    usual = {name: value for name, value in os.environ.items() if name not in ("CHAINRULE_CACHE", "XDG_CACHE_HOME")}
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**{name: value for name, value in usual.items() if environment.get(name, "") is not None},
             **{name: value for name, value in environment.items() if value is not None}},
    )  # fmt: skip


def ended(process):
    """What it prints last, as JSON; nothing on standard error."""
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (0, ""), (process.returncode, err, out)
    return json.loads(out.splitlines()[-1])


def test_two_processes_at_once(tmp_path):
    """Two processes that compile into the same empty folder at once both work, and leave whole files and no others; a
    third starts without Numba.
    """
    both = [started(PREDICT, CHAINRULE_CACHE=str(tmp_path)) for _ in range(2)]
    (one, by_numba), (other, _) = (ended(process) for process in both)
    assert one == other
    assert by_numba
    place = next((tmp_path / "chainrule").iterdir())
    assert [file.suffix for file in place.iterdir()] == [".o"] * len([*place.iterdir()])
    third, by_numba = ended(started(PREDICT, CHAINRULE_CACHE=str(tmp_path)))
    assert third == one
    assert not by_numba


def test_without_any_place(tmp_path):
    """Without a home, with a cache that cannot be made, and with a disk that takes no file, the engine compiles, works,
    and writes nothing.
    """
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + PREDICT
    file = tmp_path / "file"
    file.touch()
    processes = [
        started(PREDICT, CHAINRULE_CACHE=str(file), HOME=None),
        started(limited, CHAINRULE_CACHE=str(tmp_path / "full"), HOME=None),
    ]
    (one, _), (other, _) = (ended(process) for process in processes)
    assert one == other
    assert not [*(tmp_path / "full").rglob("*.o")]


OTHER_KIND = """
import json, sys
import llvmlite.binding as llvm
older = llvm.get_host_cpu_features
def features():
    "Of this processor, without vectors of 64 bytes."
    found = older()
    for name in found:
        if name.startswith(("avx512", "avx10", "amx", "evex512")):
            found[name] = False
    return found
if sys.argv[1] == "AVX2":
    llvm.get_host_cpu_features = features
sys.path[:0] = [sys.argv[2] + "/tests", sys.argv[2] + "/benchmarks"]
from activation_ulps import LIMITS, RANGES, measured, of_range
from agreement import DECIDED, LIMIT
from random_engines import distances, nearest, random_case
import ulps
from chainrule.engines import cpu
from chainrule.engines.cpu.machine import has_fma, vector_bytes

points = ulps.points
ulps.points = lambda dtype: points(dtype)[::10]
inexact = [str(found) for found in (measured(name, numpy=False) for name in LIMITS) if not found.ok]
for dtype, ranges in RANGES.items():
    inexact += [str(one) for one in ranges if of_range(one, dtype, 30) > one.limit]
apart = []
for seed in json.loads(sys.argv[3]):
    case = random_case(seed, patterns=60)
    worst = max(distances(cpu, case).values())
    if worst.moves > LIMIT and nearest(case) > DECIDED:
        apart.append([worst.moves, str(case)])
print(json.dumps({"bytes": vector_bytes(), "fma": has_fma(), "inexact": inexact, "apart": apart}))
"""

SEEDS = {"plain": [*range(40)], "AVX2": [*range(49, 89)]}
"""Cases in float64, and in float32, so that each kind has to compile for one type."""


@pytest.mark.parametrize("kind", SEEDS)
def test_other_kinds_of_processors(kind):
    """With vectors of 16 bytes and without FMA, which CHAINRULE_CPU=plain asks for, and with those of AVX2, functions
    keep their limits in ulps, and 40 random trainings agree with the page.
    """
    if kind == "AVX2" and machine.vector_bytes() < 32:
        pytest.skip("this processor has no vectors of 32 bytes")
    repository = str(Path(__file__).parents[1])
    chosen = {"CHAINRULE_CPU": "plain"} if kind == "plain" else {}
    cache = {"CHAINRULE_CACHE": os.environ.get("CHAINRULE_CACHE")}
    found = ended(started(OTHER_KIND, [kind, repository, json.dumps(SEEDS[kind])], **chosen, **cache))
    assert found == {"bytes": 16 if kind == "plain" else 32, "fma": kind != "plain", "inexact": [], "apart": []}


FRONT = """
import numba.core.codegen
if {without}:
    del numba.core.codegen.JITCodeLibrary
from numba import types
from chainrule.engines.cpu import front, machine, team

assert ("pipeline_class" in front.OPTIONS) is not {without}
source, symbol = front.linked(team.share, (types.int64, types.int64))
code = machine.Code(machine.compile_source(source.replace(symbol, "share"), keep="share"))

import ctypes
share = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
found, error = ctypes.c_int64(), ctypes.c_void_p()
share(code.address("share"))(ctypes.addressof(found), ctypes.addressof(error), 100, 3)
assert found.value == 48, found.value
"""


@pytest.mark.parametrize("without", [False, True])
def test_front_end(without):
    """Loops are compiled as well by a release of Numba that has not what leaves the optimizing to us."""
    subprocess.run([sys.executable, "-c", FRONT.format(without=without)], check=True, timeout=LIMIT)


def test_numba_disabled(tmp_path):
    """Where users have Numba leave functions to Python, a sentence says what to do; what is kept runs all the same."""
    script = "from chainrule.engines.cpu.compiled import loaded; loaded('outputs', 'float32')"

    def run(**environment):
        given = {**os.environ, "CHAINRULE_CACHE": str(tmp_path), **environment}
        command = [sys.executable, "-c", script]
        return subprocess.run(command, env=given, capture_output=True, text=True, timeout=LIMIT, check=False)

    assert "NUMBA_DISABLE_JIT must be unset once" in run(NUMBA_DISABLE_JIT="1").stderr
    assert run().returncode == run(NUMBA_DISABLE_JIT="1").returncode == 0
