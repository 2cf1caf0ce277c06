"""How good predictions are, and the baselines they must beat: scikit-learn's metrics and linear model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.notation import FloatArray
from chainrule.tables import Scaling


@dataclass(frozen=True)
class Scores:
    """Of one set of predictions of one target: the rows that know it, R², RMSE and MAE, these in the target's units.

    R² is nan for fewer than 2 rows or a constant target, of which there is nothing to explain.
    """

    rows: int
    r2: float
    rmse: float
    mae: float


def regression(t: FloatArray, y: FloatArray) -> list[Scores]:
    """Scores of each column of predictions y against targets t, (rows, targets), on the rows that know the target."""
    known = ~np.isnan(t)
    return [_of_one(t[known[:, j], j], y[known[:, j], j]) for j in range(t.shape[1])]


def _of_one(truth: FloatArray, said: FloatArray) -> Scores:
    """Scores by scikit-learn of numbers near 1, so that no square of theirs overflows or vanishes."""
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    if not truth.size:
        return Scores(0, float("nan"), float("nan"), float("nan"))
    varies = bool((truth != truth[0]).any())
    r2, rmse, mae = float("-inf" if varies else "nan"), float("inf"), float("inf")
    with np.errstate(over="ignore"):
        largest = _power_of_two(truth)
        if varies and np.isfinite(said / largest).all():
            r2 = float(r2_score(truth / largest, said / largest))
        largest = _power_of_two(np.append(truth, said))
        if np.isfinite(said).all():
            rmse = largest * float(root_mean_squared_error(truth / largest, said / largest))
            mae = largest * float(mean_absolute_error(truth / largest, said / largest))
    return Scores(truth.size, r2, rmse, mae)


def _power_of_two(values: FloatArray) -> float:
    """Half the largest finite value or more, but no more than it: dividing by it rounds nothing."""
    return float(2.0 ** (np.frexp(np.abs(values[np.isfinite(values)]).max(initial=0.0))[1] - 1.0))


def linear_predictions(inputs: FloatArray, t: FloatArray, new_inputs: FloatArray) -> FloatArray:
    """What ordinary least squares, fitted to (inputs, t), says for new inputs; each target on the rows that know it.

    Inputs are standardised first, for scikit-learn drops what is 1e-6 of the largest: columns of small numbers.
    """
    from sklearn.linear_model import LinearRegression

    predictions = np.empty((len(new_inputs), t.shape[1]))
    of_inputs, of_targets = Scaling.fit(inputs), Scaling.fit(t)
    scaled, wanted, new = of_inputs.apply(inputs), of_targets.apply(t), of_inputs.apply(new_inputs)
    with np.errstate(all="ignore"):  # what an outlier makes infinite is scored as such
        for j in range(t.shape[1]):
            known = ~np.isnan(t[:, j])
            predictions[:, j] = LinearRegression().fit(scaled[known], wanted[known, j]).predict(new)
        return predictions * of_targets.sd + of_targets.mean
