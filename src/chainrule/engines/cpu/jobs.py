"""What a loop is told: a job, one row of integers and one of real numbers, and a window of patterns.

Their columns have names here; those of layers are named in :mod:`chainrule.engines.cpu.layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engines.cpu.layout import Memory, block_of, together

LAYERS, DEPTH, WINDOW, OUTPUT, FIRST, LAST, BATCH_SIZE, PATTERNS, ALL_PATTERNS = range(9)
"""Address of the table of layers, and the last one's number; addresses of the window and of the last layer's function;
first batch or row, and the one after the last; rows of a batch, of the window, and of all windows."""

THREADS, BARRIER, BLOCK, TOGETHER = range(9, 13)
"""How many threads, and the address where they meet; rows of a block, and whether threads share its layers."""

RATES, STEP, THETA, G, SLOTS, FACTORS, NUMBERS, OF_NUMBERS, LENGTH, BIASES = range(13, 23)
"""Addresses of the learning rates, of the rule's step (0 for plain descent), of θ, g, slots, factors and of the numbers
made of n, with their bytes an update; the bytes of θ; whether biases are penalized."""

WITH_GRADIENT, SOFTMAX = range(23, 25)
"""Whether the gradient is asked for, with E of all rows; whether the last layer of a prediction is softmax."""

TOTAL, L1, L2, CLIP, RUNNING = range(5)
"""The real numbers: the sum of all s, the penalties, the norm to clip at, and E so far."""

INPUTS, TARGETS, WEIGHTS, ORDER, T, SHARES, ERRORS, TEAM, OWN, OF_TEAM, OF_OWN = range(11)
"""Columns of a window: addresses of inputs, targets, weights s, and the order of the rows; of room for a batch: t,
shares of patterns, E of each unit, a team's for what it copies or turns over, a thread's own; the bytes of both."""

OUTPUTS = TARGETS
"""Where the outputs of a prediction go."""


def tables(memory: Memory, arrays: Sequence[Any], function: int) -> tuple[Any, Any, Any]:
    """A job for one thread, its real numbers, and a window of these arrays: what is the same for every loop.

    They hold addresses: whoever runs them keeps the memory, the arrays and the window.
    """
    job, reals, window = np.zeros(SOFTMAX + 1, np.int64), np.zeros(RUNNING + 1), np.zeros(OF_OWN + 1, np.int64)
    window[: len(arrays)], window[T:] = [one.ctypes.data for one in arrays], memory.rooms
    job[[LAYERS, DEPTH, WINDOW]] = memory.table.ctypes.data, memory.net.depth, window.ctypes.data
    job[[OUTPUT, THREADS, BLOCK, TOGETHER]] = function, 1, block_of(memory.net), together(memory.net)
    return job, reals, window
