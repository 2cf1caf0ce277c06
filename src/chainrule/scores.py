"""How good predictions are, and the baselines they must beat: scikit-learn's metrics and linear model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.notation import FloatArray


@dataclass(frozen=True)
class Scores:
    """Of one set of predictions of one target: R² (nan for fewer than 2 rows or a constant target), RMSE and MAE.

    RMSE and MAE are in the target's units.
    """

    r2: float
    rmse: float
    mae: float


def regression(t: FloatArray, y: FloatArray) -> list[Scores]:
    """Scores of each column of predictions y against targets t, (rows, targets), on the rows that know the target."""
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    found = []
    for j in range(t.shape[1]):
        known = ~np.isnan(t[:, j])
        truth, said = t[known, j], y[known, j]
        if not known.any():
            found.append(Scores(float("nan"), float("nan"), float("nan")))
            continue
        varies = len(truth) > 1 and bool((truth != truth[0]).any())
        found.append(
            Scores(
                float(r2_score(truth, said)) if varies else float("nan"),
                float(root_mean_squared_error(truth, said)),
                float(mean_absolute_error(truth, said)),
            )
        )
    return found


def linear_predictions(inputs: FloatArray, t: FloatArray, new_inputs: FloatArray) -> FloatArray:
    """What ordinary least squares, fitted to (inputs, t), says for new inputs; each target on the rows that know it."""
    from sklearn.linear_model import LinearRegression

    predictions = np.empty((len(new_inputs), t.shape[1]))
    for j in range(t.shape[1]):
        known = ~np.isnan(t[:, j])
        predictions[:, j] = LinearRegression().fit(inputs[known], t[known, j]).predict(new_inputs)
    return predictions
