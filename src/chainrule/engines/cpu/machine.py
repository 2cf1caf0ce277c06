"""The processor: how wide its vectors are, and LLVM code made into functions that have an address.

Stands under the engine. Compiled code is kept in a private folder, under a name made from everything it depends on; a
folder or file that cannot be used is never a failure, it only costs the time to compile.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from chainrule.writing import write_whole

making = threading.RLock()
"""Held while code is made, one piece at a time."""

_llvm = getattr(llvm.ffi.lib, "_lock", contextlib.nullcontext())
"""llvmlite's own lock, which it holds in each call of LLVM."""


def _before_fork() -> None:
    """Wait for the compiler: a child forked while another thread is in it would never see its locks open."""
    making.acquire()
    _llvm.__enter__()


def _after_fork() -> None:
    _llvm.__exit__(None, None, None)
    making.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


@cache
def target() -> Any:
    """LLVM's description of this processor."""
    return _machine()


def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=3, jit=True
    )


@cache
def _features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


@cache
def vector_bytes() -> int:
    """The length of a vector register: 64 with AVX-512, 32 with AVX2, else 16, which SSE and NEON have."""
    found = llvm.get_host_cpu_features()
    if os.environ.get("CHAINRULE_CPU") == "plain":
        return 16
    return 64 if found.get("avx512f") and found.get("avx512vl") else 32 if found.get("avx2") else 16


@cache
def has_fma() -> bool:
    """Whether a b + c is one instruction; on ARM it always is."""
    found = llvm.get_host_cpu_features()
    if os.environ.get("CHAINRULE_CPU") == "plain":
        return False
    return bool(found.get("fma")) or "aarch64" in llvm.get_process_triple()


@cache
def fingerprint() -> str:
    """What compiled code depends on besides its source: the processor, the compiler and this engine."""
    parts = [version("llvmlite"), version("numba"), llvm.get_process_triple(), llvm.get_host_cpu_name(), _features()]
    parts += [str(vector_bytes()), str(has_fma())]
    sources = sorted(Path(__file__).parent.glob("*.py"))
    if not sources:
        raise FileNotFoundError("source of the engine must be there to name what is kept; got none. Nothing is kept.")
    parts += [path.read_text(encoding="utf-8") for path in sources]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def folder() -> Path | None:
    """Where compiled code is kept: a folder of this user alone; none if there is no place for it."""
    root = os.environ.get("CHAINRULE_CACHE") or os.environ.get("XDG_CACHE_HOME")
    try:
        above = (Path(root) if root else Path.home() / ".cache") / "chainrule"
        place = above / fingerprint()
        above.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        return place if _protected(above, 0o022) and _protected(place, 0o077) else None
    except (OSError, RuntimeError):
        return None


def _protected(path: Path, forbidden: int) -> bool:
    """Whether a folder is this user's, and others may not do with it what is forbidden."""
    found = path.stat()
    owned = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return owned and not stat.S_IMODE(found.st_mode) & forbidden


class Code:
    """Machine code of some functions, which lives as long as the object does."""

    def __init__(self, compiled: bytes) -> None:
        self._engine = llvm.create_mcjit_compiler(_module(""), _machine())  # which it frees at its end
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(compiled))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where a function begins."""
        return int(self._engine.get_function_address(name))


def code(source: str) -> Code:
    """The machine code of LLVM source: from the folder if it is there and whole, else compiled."""
    with making:
        return Code(kept(source, lambda: compile_source(source)))


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """What was made under this name for this processor and this version, or what is made now."""
    place = folder()
    if place is None:
        return make()
    path = place / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.o"
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() == content[:32]:  # else another process died while it wrote
            return content[32:]
    made = make()
    with contextlib.suppress(OSError):
        write_whole(path, [hashlib.sha256(made).digest() + made])
    return made


def compile_source(source: str, keep: str = "") -> bytes:
    """Object code; with keep, of that function and what it calls alone."""
    module = _module(source)
    module.verify()
    if keep:
        for one in (*module.functions, *module.global_variables):
            if one.name != keep and not one.is_declaration:
                one.linkage = "internal"
    builder = llvm.create_pass_builder(target(), llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    return bytes(target().emit_object(module))


def _module(source: str) -> Any:
    return llvm.parse_assembly(source)
