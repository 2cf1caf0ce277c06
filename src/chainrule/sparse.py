"""Sparse inputs: a table that is almost all zeros, and the same with a mean taken from every column.

Stands before the page, which multiplies it and nothing else: x_1 = w_1 y_0 forward, e_1 y_0 in the gradient. A column's
mean would fill the table, so it is kept apart and taken from the products instead.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import numpy as np

from chainrule.notation import Array, FloatArray


class Centred:
    """A sparse table less a centre: stands for ``matrix - centre``, (rows, columns), which is never formed.

    Parameters
    ----------
    matrix : SciPy's csr_array of float, shape (rows, columns)
        It is not copied and must have no entry twice.
    centre : array of shape (columns,), optional
        What is taken from each row, finite; 0 by default.
    """

    __array_ufunc__: ClassVar[None] = None  # so that NumPy leaves e.T @ y_0 to __rmatmul__

    def __init__(self, matrix: Any, centre: FloatArray | None = None) -> None:
        self.matrix = matrix
        self.centre: FloatArray = np.asarray(np.zeros(matrix.shape[-1:]) if centre is None else centre, matrix.dtype)
        if self.centre.shape != matrix.shape[-1:] or not np.isfinite(self.centre).all():
            raise ValueError(
                f"centre must be a finite number for each of the {matrix.shape[-1]} columns; got "
                f"{'one that is not finite' if self.centre.shape == matrix.shape[-1:] else self.centre.shape}. "
                "Correct it."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        shape: tuple[int, ...] = self.matrix.shape
        return shape

    @property
    def ndim(self) -> int:
        """2, unless what it was made of is no table."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the entries."""
        dtype: np.dtype[Any] = self.matrix.dtype
        return dtype

    def __len__(self) -> int:
        """How many rows."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Some of the rows, by slice, mask or numbers; an entry, a row or new axes as a dense array."""
        if isinstance(key, tuple | int | np.integer):
            return self.toarray()[key]
        return Centred(self.matrix[key], self.centre)

    def __matmul__(self, other: Array) -> Array:
        """Times a dense matrix (columns, k)."""
        return self.matrix @ other - self.centre @ other

    def __rmatmul__(self, other: Array) -> Array:
        """A dense matrix (k, rows) times it."""
        return other @ self.matrix - other.sum(axis=1)[:, None] * self.centre

    def __repr__(self) -> str:
        """Shape and how much is stored."""
        return f"Centred of shape {self.shape} and {self.dtype}, {self.matrix.nnz:,} stored"

    def toarray(self) -> FloatArray:
        """The dense table."""
        dense: FloatArray = self.matrix.toarray() - self.centre
        return dense

    def largest(self) -> FloatArray:
        """The largest absolute value in each column, (columns,)."""
        stored = np.bincount(self.matrix.indices, minlength=self.shape[1])
        found = np.where(stored < len(self), np.abs(self.centre), 0)
        np.maximum.at(found, self.matrix.indices, np.abs(self.matrix.data - self.centre[self.matrix.indices]))
        return found


def is_sparse(values: Any) -> bool:
    """Whether that is a sparse table of SciPy's or a centred one; SciPy is not loaded for the question."""
    issparse = getattr(sys.modules.get("scipy.sparse"), "issparse", None)  # another thread may just be loading it
    return isinstance(values, Centred) or (issparse is not None and bool(issparse(values)))


def centred(values: Any, dtype: np.dtype[Any]) -> Centred:
    """A sparse table in this type; nothing is copied that is in it already."""
    from scipy.sparse import csr_array

    if isinstance(values, Centred):
        return Centred(values.matrix.astype(dtype, copy=False), values.centre.astype(dtype, copy=False))
    if values.dtype.kind not in "biuf":
        raise ValueError(f"inputs must be real numbers; got a sparse table of {values.dtype}. Turn them into numbers.")
    matrix = csr_array(values)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    with np.errstate(over="ignore"):
        return Centred(matrix.astype(dtype, copy=False))
