"""Derivatives that share nothing with the page but E itself: the complex step and central differences.

Stands beside the derivation and judges its end: an oracle evaluates E, never an error term. Its letters: E a function
of one array, a number or one number per pattern; at the place; d the direction; h the step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from chainrule.notation import Array

Function = Callable[[Array], Array]

EPS = float(np.finfo(float).eps)

TINY_STEP = 1e-200
"""Of the complex step. Its square is 0, so that the result is exact to rounding and no real part ever leaves a kink."""

HALVINGS = 40
"""Of the step of the differences, at most; six or seven do where E is smooth."""


def complex_step(E: Function, at: Array, d: Array, side: int = 1) -> Array:
    """The slope of E along d, by one evaluation at a + ih d: the imaginary part over h.

    No difference is taken, so nothing cancels. E must be written with the primitives of
    :mod:`chainrule.activations`; at a kink, side = 1 gives the slope towards d and -1 the slope from the other side.
    """
    h = side * TINY_STEP
    return np.imag(E(at + 1j * h * d)) / h


class Difference(NamedTuple):
    """A slope by differences: its value, how far off it may be, the slopes on both sides, and whether they differ."""

    slope: Array
    uncertainty: Array
    left: Array
    right: Array
    kinked: Array


def central_difference(E: Function, at: Array, d: Array, noise: Array = 0.0) -> Difference:
    """The slope of E along d by central differences with Richardson's extrapolation (Ridders 1982).

    The step is chosen for this entry. It is halved until the extrapolations agree to ten digits or the rounding of E
    outweighs what they disagree by; a step that crosses a kink, or leaves the domain of E, disagrees and is passed
    over. The differences to either side are extrapolated in the same way, and a kink is where they do not meet.
    noise is what rounding does to E besides the rounding of its value.
    """
    # The first step is no round number, so that kinks at round places do not make wrong extrapolations agree.
    start = h = 0.1234 * max(1.0, float(np.max(np.abs(at[d != 0]), initial=0.0))) / float(np.max(np.abs(d)))
    with np.errstate(all="ignore"):
        middle = E(at)
        both, left, right, largest = _Limit(4, middle), _Limit(2, middle), _Limit(2, middle), 0.0
        for halving in range(HALVINGS):
            above, below = E(at + h * d), E(at - h * d)
            largest = np.fmax(largest, np.abs(above) + np.abs(below))
            rounding = (noise + EPS * (np.abs(above) + np.abs(below))) / h
            both.add((above - below) / (2 * h), rounding)
            left.add((middle - below) / h, rounding)
            right.add((above - middle) / h, rounding)
            if halving >= 3 and both.settled(1e-10) and left.settled(1e-6) and right.settled(1e-6):
                break
            h /= 2
        gap, size = np.abs(right.best - left.best), np.abs(left.best) + np.abs(right.best)
        room = 16 * (left.uncertainty + right.uncertainty) + 1e-6 * size + 64 * EPS * largest / start
        halfway = np.abs((left.best + right.best) / 2 - both.best) < gap / 4
        return Difference(both.best, both.uncertainty, left.best, right.best, (gap > room) & halfway)


class _Limit:
    """What differences tend to as the step is halved: of all extrapolations the one whose neighbours agree best.

    Of two that contradict each other the one from smaller steps counts. The error of a difference is a series in powers
    of h, or of h^2 for central ones: base 2 or 4.
    """

    def __init__(self, base: int, like: Array) -> None:
        self.base = base
        self.best: Array = np.full(np.shape(like), np.nan)
        self.uncertainty: Array = np.full(np.shape(like), np.inf)
        self._row: list[Array] = []
        self._rounding: Array = np.inf

    def add(self, difference: Array, rounding: Array) -> None:
        """One more difference, at half the step of the one before."""
        before, self._row, self._rounding = self._row, [difference], rounding
        for order, previous in enumerate(before[:3], 1):
            last = self._row[-1]
            better = last + (last - previous) / (self.base**order - 1)
            self._row.append(better)
            off = np.maximum(np.abs(better - last), np.abs(better - previous)) + rounding
            closer = (off < self.uncertainty) | (np.abs(better - self.best) > 16 * (off + self.uncertainty))
            self.best = np.where(closer, better, self.best)
            self.uncertainty = np.where(closer, off, self.uncertainty)

    def settled(self, digits: float) -> bool:
        """Whether it is known to these digits, or more halving would only add rounding."""
        return bool(((self.uncertainty <= digits * np.abs(self.best)) | (self.uncertainty <= self._rounding)).all())
