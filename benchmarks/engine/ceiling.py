"""The processor's ceiling: multiply-adds in vector registers that depend on nothing but their own sum, no memory."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np

from chainrule.engines.cpu.rows import INT64, _Function
from chainrule.engines.cpu.vector import Vector

SUMS = 12
"""Registers that are summed into: a multiply-add takes 4 or 5 cycles, and two may start in each."""

UNROLLED = 8
REPEATS = 20_000
"""Times round the loop in one unit."""


def _loop(dtype: str) -> tuple[Any, int]:
    """The function (times, address of two numbers), its code, and the operations of one time round."""
    f = _Function(dtype, "ceiling", [INT64] * 2)
    e = f.emitter
    times, address = f.arguments
    a, b = (e.splat(e.scalar(address, n * e.size)) for n in range(2))
    # so that no two sums are alike, or the compiler would keep one
    start = [(b * e.constant(n + 1.0)).value for n in range(SUMS)]

    def body(_: Any, sums: Any) -> Any:
        for _ in range(UNROLLED):
            sums = [e.multiply_add(Vector(e, one), a, b).value for one in sums]
        return sums

    sums = f.loop(times, body, start)
    total = Vector(e, sums[0])
    for one in sums[1:]:
        total = total + Vector(e, one)
    e.store(total, address)
    kernel = f.made()
    return kernel, 2 * e.lanes * SUMS * UNROLLED


def operations(spec: dict[str, Any]) -> Any:
    """On as many threads as the others have; it finds the operations of a unit."""
    kernel, of_one = _loop(spec["dtype"])
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(kernel.address)
    memory = [np.full(64, 0.5, spec["dtype"]) for _ in range(spec["threads"])]

    def one(repeats: int, numbers: Any) -> None:
        numbers[:] = 0.5
        call(repeats, numbers.ctypes.data)

    def run(units: int) -> None:
        threads = [threading.Thread(target=one, args=(units * REPEATS, numbers)) for numbers in memory]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run.kept = kernel  # type: ignore[attr-defined]
    return run, of_one * REPEATS * spec["threads"]
