"""Derivatives that share nothing with the page but E itself: the complex step and central differences.

Stands beside the derivation and judges its end: an oracle evaluates E, never an error term. Its letters: E a function
of one array, a number or one number per pattern; at the place; d the direction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from chainrule.notation import Array

Function = Callable[[Array], Array]

TINY_STEP = 1e-30
"""Of the complex step. Its square is lost beside 1, so the result is exact to rounding and needs no choice."""


def complex_step(E: Function, at: Array, d: Array, side: int = 1) -> Array:
    """The slope of E along d, by one evaluation at a + ih d: the imaginary part over h.

    No difference is taken, so nothing cancels. E must be written with the primitives of
    :mod:`chainrule.activations`; at a kink, side = 1 gives the slope towards d and -1 the slope from the other side.
    """
    h = side * TINY_STEP
    return np.imag(E(at + 1j * h * d)) / h


class Difference(NamedTuple):
    """A slope by differences: its value, an estimate of its error, and the slopes on both sides."""

    slope: Array
    uncertainty: Array
    left: Array
    right: Array

    @property
    def kinked(self) -> Array:
        """Whether the two sides disagree by more than smoothness and rounding explain."""
        return np.abs(self.right - self.left) > 1e-3 * (np.abs(self.right) + np.abs(self.left)) + 1e3 * self._noise

    @property
    def _noise(self) -> Array:
        return np.finfo(float).eps * (1 + np.abs(self.left))


def central_difference(E: Function, at: Array, d: Array, halvings: int = 14, columns: int = 4) -> Difference:
    """The slope of E along d by central differences with Richardson's extrapolation (Ridders 1982).

    The step is chosen for this entry: of all steps h, h/2, h/4 … and all orders up to 2 * columns, the estimate on
    which its neighbours agree best is taken; a step that crosses a kink disagrees and is passed over.
    """
    h = 0.125 * max(1.0, float(np.max(np.abs(at[d != 0]), initial=0.0))) / float(np.max(np.abs(d)))
    middle = E(at)
    best: Array = np.full(np.shape(middle), np.nan)
    uncertainty: Array = np.full(np.shape(middle), np.inf)
    sides = []
    before: list[Array] = []
    for _ in range(halvings):
        above, below = E(at + h * d), E(at - h * d)
        sides.append(((middle - below) / h, (above - middle) / h))
        row = [(above - below) / (2 * h)]
        for order, previous in enumerate(before[: columns - 1], 1):
            row.append(row[-1] + (row[-1] - previous) / (4**order - 1))
            estimate = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - previous))
            better = estimate < uncertainty
            best, uncertainty = np.where(better, row[-1], best), np.where(better, estimate, uncertainty)
        before, h = row, h / 2
    (left, right), (left_half, right_half) = sides[-2], sides[-1]
    return Difference(best, uncertainty, 2 * left_half - left, 2 * right_half - right)
