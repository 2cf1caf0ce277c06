"""Standardising: mean and standard deviation of each column, applied and undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.notation import FloatArray
from chainrule.sparse import Centred
from chainrule.tables.table import BadData, short


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and standard deviation of each column: `apply` standardises values by them, `undo` brings them back.

    Parameters
    ----------
    mean, sd : arrays, shape (columns,)
        The standard deviation is that of the patterns at hand (divided by their number, or by the sum of their
        weights). It is 1 where a column is constant, that is, where it varies by no more than its mean is rounded.
    """

    mean: FloatArray
    sd: FloatArray

    @classmethod
    def fit(cls, values: FloatArray, weights: FloatArray | None = None) -> Scaling:
        """Measure values, shape (patterns, columns), with weights of patterns, shape (patterns,).

        NaN is missing and is left out; a column without any known value has mean 0 and standard deviation 1. A weight
        counts as that many repetitions of the pattern.
        """
        s = np.ones(values.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
        if not isinstance(values, np.ndarray):
            return cls._fit_sparse(values, s)
        measured = np.array([_mean_and_sd(column, s) for column in np.ascontiguousarray(values.T)]).reshape(-1, 2)
        return cls(measured[:, 0].copy(), measured[:, 1].copy())

    @classmethod
    def _fit_sparse(cls, values: Any, s: FloatArray) -> Scaling:
        """Measure a SciPy csr_array without making it dense: what is not stored is 0.

        As :func:`_mean_and_sd`, for all columns at once; a column that is stored in every row is counted from its first
        value, any other from 0.
        """
        stored, columns = values.tocoo(), values.shape[1]
        weights = (s / s.sum())[stored.row]
        largest = np.zeros(columns)
        np.maximum.at(largest, stored.col, np.abs(stored.data))
        scale: FloatArray = np.where(largest > 0, 2.0 ** (np.frexp(largest)[1] - 1.0), 1.0)
        first, data = np.zeros(columns), stored.data / scale[stored.col]
        first[stored.col[::-1]] = data[::-1]
        first[np.bincount(stored.col, minlength=columns) < len(s)] = 0.0
        distance = data - first[stored.col]
        from_first = np.bincount(stored.col, weights * distance, columns)
        squares = np.bincount(stored.col, weights * (distance - from_first[stored.col]) ** 2, columns)
        absent = np.maximum(1 - np.bincount(stored.col, weights, columns), 0) * (first == 0)
        mean, sd = first + from_first, np.sqrt(squares + absent * from_first**2)
        return cls(mean * scale, np.where(sd > np.finfo(np.float64).eps * np.abs(mean), sd * scale, 1.0))

    def apply(self, values: Any, names: Sequence[str] = ()) -> Any:
        """Return (values - mean) / sd, shape (patterns, columns); NaN stays NaN, a sparse array sparse (Centred).

        ``names`` are the columns' for the sentence that is said of a value too large to be scaled.
        """
        if not isinstance(values, np.ndarray):
            scaled = values.copy()
            with np.errstate(over="ignore"):
                scaled.data = self._checked_stored(values, values.data / self.sd[values.indices], names)
            return Centred(scaled, self.mean / self.sd)
        with np.errstate(over="ignore"):
            return self._checked(values, (values - self.mean) / self.sd, names)

    def undo(self, values: FloatArray) -> FloatArray:
        """Return values * sd + mean, shape (patterns, columns): what `apply` was given, up to rounding."""
        with np.errstate(over="ignore"):
            return self._checked(values, values * self.sd + self.mean, ())

    def _checked_stored(self, values: Any, scaled: FloatArray, names: Sequence[str]) -> FloatArray:
        overflow = np.flatnonzero(np.isinf(scaled) & np.isfinite(values.data))
        if overflow.size:
            row = int(np.searchsorted(values.indptr, overflow[0], side="right")) - 1
            raise self._overflow(row, int(values.indices[overflow[0]]), values.data[overflow[0]], names)
        return scaled

    def _checked(self, values: FloatArray, scaled: FloatArray, names: Sequence[str]) -> FloatArray:
        overflow = np.isinf(scaled) & np.isfinite(values)
        if overflow.any():
            row, j = (int(k) for k in np.argwhere(overflow)[0])
            raise self._overflow(row, j, values[row, j], names)
        return scaled

    def _overflow(self, row: int, j: int, value: float, names: Sequence[str]) -> BadData:
        return BadData(
            f"values must stay finite when they are scaled; row {row}, column {short(names[j]) if names else j} is "
            f"{value} where mean and standard deviation are {self.mean[j]} and {self.sd[j]}. Correct the value or drop "
            "the row."
        )


def _mean_and_sd(column: FloatArray, s: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation of one column in two passes, neither overflowing nor cancelling.

    Values are divided by a power of two, which is exact, so that the largest lies near 1, and counted from the first
    of them: a constant column gives exact zeros, and an offset of 1e9 costs no digits of the standard deviation.
    """
    known = ~np.isnan(column) & (s > 0)
    if not known.any():
        return 0.0, 1.0
    scale = 2.0 ** (float(np.frexp(np.abs(column[known]).max())[1]) - 1)
    values, s = column[known] / scale, s[known] / s[known].max()
    distance = values - values[0]
    from_first = (s * distance).sum() / s.sum()
    sd = float(np.sqrt((s * (distance - from_first) ** 2).sum() / s.sum()))
    mean = float(values[0] + from_first)
    return mean * scale, (sd * scale if sd > np.finfo(np.float64).eps * abs(mean) else 0.0) or 1.0
