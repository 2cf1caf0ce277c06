"""The loops of :mod:`chainrule.engines.cpu.loop` as functions: Numba compiles them once, then their code is loaded.

Their machine code is kept as that of the rows is, so that a later start needs neither Numba nor a compiler.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from chainrule.engines.cpu.machine import Code, compile_source, kept, making

NAME = "chainrule_loop"


class Loop:
    """A compiled loop, called with a job; other Python threads run meanwhile."""

    def __init__(self, name: str, dtype: str) -> None:
        self.code = Code(kept(f"{name} {dtype}", lambda: _compiled(name, dtype)))
        number = ctypes.c_float if dtype == "float32" else ctypes.c_double
        words = [ctypes.c_int64] * 3
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, number, *words)
        self._call = kind(self.code.address(NAME))

    def __call__(self, job: Any, reals: Any, me: int = 0) -> int:
        """Run it on a table of integers and addresses, and one of doubles, as this one of its threads."""
        back = ctypes.c_int64()
        error = ctypes.c_void_p()
        places = ctypes.addressof(back), ctypes.addressof(error)
        self._call(*places, 0.0, job.ctypes.data, reals.ctypes.data, me)
        return back.value

    def prepared(self, job: Any, reals: Any) -> tuple[Callable[[], Any], Any]:
        """The same call again and again, with as little as possible between Python and the loop; and what it leaves."""
        back, error = ctypes.c_int64(), ctypes.c_void_p()
        places = ctypes.addressof(back), ctypes.addressof(error)
        call = functools.partial(self._call, *places, 0.0, job.ctypes.data, reals.ctypes.data, 0)
        call.kept = (back, error, job, reals)  # type: ignore[attr-defined]
        return call, back


def loaded(name: str, dtype: Any) -> Loop:
    """The loop of that name for numbers of this type."""
    with making:
        return _loop(name, np.dtype(dtype).name)


@cache
def _loop(name: str, dtype: str) -> Loop:
    return Loop(name, dtype)


def _compiled(name: str, dtype: str) -> bytes:
    """By Numba; on a terminal it says so, since it takes some seconds."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"compiling the engine for this processor, once ({name}, {dtype}) …\n")
    from numba import config, types

    if config.DISABLE_JIT:
        raise ValueError(
            "NUMBA_DISABLE_JIT must be unset once, for the engine to be compiled; it is set. Unset it, or take "
            "engine='reference'."
        )
    import chainrule.engines.cpu.loop as loops
    from chainrule.engines.cpu.front import linked

    signature = (getattr(types, dtype), types.int64, types.int64, types.int64)
    source, symbol = linked(getattr(loops, name), signature)
    return compile_source(source.replace(symbol, NAME), keep=NAME)
