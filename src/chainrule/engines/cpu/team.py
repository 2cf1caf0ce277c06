"""Threads that run a loop together: they meet where one needs what others wrote, and take pieces of work in between.

Who takes a piece changes no bit of it; a thread whose processor is slower or busy takes fewer. A team is (me, threads,
barrier): the number of this thread, of how many, and an address of counters, each in a cache line of its own: those
that came to a meeting, meetings that are over, and for each thread the pieces of its own that were taken since.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from chainrule.engines.cpu.front import compiled, outlined
from chainrule.engines.cpu.layout import UNIT
from chainrule.engines.cpu.vector import INT32, INT64

LINE = 64
"""Bytes of a cache line."""

ALONE = (0, 1, 0)
"""A team of one."""

PIECES = 16
"""Pieces of a product for each thread: the last of them is waited for."""


@intrinsic
def _add_one(typing: Any, address: Any) -> Any:
    """Add 1 to a counter that all threads see, and return what it was."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], INT64.as_pointer())
        return builder.atomic_rmw("add", pointer, INT64(1), "seq_cst")

    return types.int64(types.int64), code


@intrinsic
def _seen(typing: Any, address: Any) -> Any:
    """What the counter is now."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], INT64.as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(types.int64), code


@intrinsic
def _begin_again(typing: Any, address: Any) -> Any:
    """Set a counter to 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], INT64.as_pointer())
        builder.store_atomic(INT64(0), pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64), code


@intrinsic
def _yield_processor(typing: Any) -> Any:
    """Let another thread run, should more of them wait than there are processors."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        module = builder.module
        name = "sched_yield"
        function = module.globals.get(name) or ir.Function(module, ir.FunctionType(INT32, []), name)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), code


@compiled
def _met(threads: int, barrier: int) -> bool:
    outlined()
    before, over = _add_one(barrier), barrier + LINE
    if before < 0:
        return False
    if before % threads == threads - 1:  # the last one: no piece is taken yet, and all may go on
        for thread in range(threads):
            _begin_again(barrier + (2 + thread) * LINE)
        _add_one(over)
        return True
    tries = 0
    while _seen(over) <= before // threads:
        if _seen(over) < 0:
            return False
        tries += 1
        if tries > 2000:
            _yield_processor()
    return True


@compiled
def meet(team: tuple[int, int, int]) -> bool:
    """Wait until all threads are here; false if they were called off before all had begun."""
    return team[1] == 1 or _met(team[1], team[2])


@compiled
def _taken(me: int, threads: int, barrier: int, pieces: int) -> int:
    outlined()
    for other in range(me, me + threads):
        whose = other % threads
        one = pieces * whose // threads + _add_one(barrier + (2 + whose) * LINE)
        if one < pieces * (whose + 1) // threads:
            return one
    return pieces


@compiled
def taken(team: tuple[int, int, int], n: int, pieces: int) -> int:
    """A piece of so many that nobody has taken since the last meeting; so many if there is none left.

    One thread alone takes n + 1, and begins with n = -1. Each of several has pieces of its own, the same whenever there
    are as many, so that what it wrote is near when it reads it; when they are done, it takes those of others.
    """
    return n + 1 if team[1] == 1 else _taken(team[0], team[1], team[2], pieces)


@compiled
def share(rows: int, threads: int) -> int:
    """Rows of a batch that are one thread's, in whole units; the last may have fewer."""
    return rows if threads == 1 else -(-rows // (UNIT * threads)) * UNIT


@compiled
def _cut(rows: int, vectors: int, threads: int, copied: int) -> tuple[int, int, int, int]:
    outlined()
    wide = 8 if rows == 1 else 2  # of one row, eight vectors are summed at once
    panels = -(-vectors // wide)
    parts = -(-PIECES * threads // panels) if threads > 1 else 1
    unit = copied or UNIT
    some = -(-rows // (unit * parts)) * unit
    down = -(-rows // some)
    return some, wide, down, down * panels


@compiled
def cut(rows: int, vectors: int, threads: int, copied: int) -> tuple[int, int, int, int]:
    """Rows and vectors of a piece of a product of so many; pieces one below the other, and of all.

    Where rows were copied, a piece has a multiple of that many, and is one panel wide; copied is 0 where they were not.
    """
    return (rows, vectors, 1, 1) if threads == 1 and not copied else _cut(rows, vectors, threads, copied)


@compiled
def corner(n: int, some: int, wide: int, down: int) -> tuple[int, int]:
    """The first row and vector of a piece."""
    return (n % down * some, n // down * wide) if n else (0, 0)
