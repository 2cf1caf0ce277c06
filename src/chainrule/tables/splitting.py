"""Dividing rows at random, the same everywhere for the same seed."""

from __future__ import annotations

import numpy as np

from chainrule.notation import Array
from chainrule.tables.table import BadData

SPLIT = 0x5B117
"""Keeps the stream of a split apart from the one that a user's own generator draws from the same seed."""


def split(rows: int, *, held_out: float = 0.2, seed: int = 0) -> tuple[Array, Array]:
    """Divide the row numbers 0 … rows-1 at random into those to train on and those held out.

    Each row draws 64 random bits (PCG64 from `seed` and a number of its own, the same in every NumPy), and
    the rows that drew the smallest numbers are held out: round(held_out * rows) of them, but at least one, and at
    least one is left to train on. The same rows and seed give the same split everywhere.

    Parameters
    ----------
    rows : int
        The number of rows, 2 or more.
    held_out : float
        The fraction that is held out, between 0 and 1.
    seed : int
        0 or more; another seed gives another split.

    Returns
    -------
    train, held_out : arrays of int
        Row numbers in ascending order.
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out must lie between 0 and 1; got {held_out}. Pass 0.2 to hold out every fifth row.")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more; got {seed}. Pass another one.")
    if rows < 2:
        raise BadData(f"a table must have 2 rows or more to be split; got {rows}. Add rows.")
    order = np.argsort(np.random.PCG64([seed, SPLIT]).random_raw(rows), kind="stable")
    count = min(max(round(held_out * rows), 1), rows - 1)
    return np.sort(order[count:]), np.sort(order[:count])
