"""Scores are scikit-learn's, whatever the size of the numbers; baselines and folds are too."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from chainrule import Diverged, Model, WorseThanConstant
from chainrule.scores import (
    ClassScores,
    Scores,
    classification,
    folds,
    linear_predictions,
    logistic_probabilities,
    mean,
    regression,
)
from chainrule.tables import BadData

# ----------------------------------------------------------------------------------------------------------- regression


def scores_by_hand(truth: Any, said: Any) -> list[float]:
    """R², RMSE and MAE by scikit-learn alone."""
    return [f(truth, said) for f in (r2_score, root_mean_squared_error, mean_absolute_error)]


@pytest.mark.parametrize("scale", [1.0, 3.7, 1e300, 1e-300, 2.0**-1000])
def test_scores_do_not_depend_on_the_size_of_the_numbers(scale: float) -> None:
    """R² of targets near 1e300 or 1e-300 is that of the same near 1; RMSE and MAE are in their unit.

    rel=1e-13: rounding the targets to the scale costs some ulps.
    """
    random = np.random.default_rng(0)
    t = random.normal(size=(40, 1))
    y = t + 0.3 * random.normal(size=(40, 1))
    one = regression(t[:, 0] * scale, y[:, 0] * scale)
    assert [one.r2, one.rmse / scale, one.mae / scale] == pytest.approx(scores_by_hand(t, y), rel=1e-13)


def test_scores_of_what_cannot_be_scored_say_so() -> None:
    """R² of one row or a constant target is nan; predictions that are not finite are as bad as can be."""
    inf, nan = float("inf"), float("nan")
    cases: list[tuple[list[float], list[float], list[float]]] = [
        ([3.0], [4.0], [nan, 1, 1]),
        ([3.0, 3.0], [4.0, 2.0], [nan, 1, 1]),
        ([nan, nan], [1.0, 1.0], [nan, nan, nan]),
        ([1.0, nan, 3.0], [1.0, 9.0, 3.0], [1, 0, 0]),
        ([1.0, 2.0], [inf, 2.0], [-inf, inf, inf]),
        ([1.0, 2.0], [nan, 2.0], [-inf, inf, inf]),
        ([1.0, 2.0], [1e300, 2.0], [-inf, 1e300 / 2**0.5, 5e299]),
        ([1.7e308, -1.7e308], [-1.7e308, 1.7e308], [-3, inf, inf]),
        ([0.0, 0.0], [0.0, 0.0], [nan, 0, 0]),
    ]
    for truth, said, expected in cases:
        one = regression(np.array(truth), np.array(said))
        assert [one.r2, one.rmse, one.mae] == pytest.approx(expected, rel=1e-14, nan_ok=True)


def test_the_linear_model_is_scikit_learns_whatever_the_size_of_the_numbers() -> None:
    """The linear baseline is scikit-learn's, also for dependent columns, and the same in any unit of any column.

    rel=1e-12: standardising rounds each number once more.
    """
    random = np.random.default_rng(0)
    inputs, new = random.normal(size=(30, 4)) + 5, random.normal(size=(9, 4)) + 5
    t = inputs @ random.normal(size=(4, 2)) + random.normal(size=(30, 2))
    t[::4, 1] = np.nan
    for dependent in (False, True):
        if dependent:
            inputs[:, 3], new[:, 3] = inputs[:, 0] - inputs[:, 1], new[:, 0] - new[:, 1]
        said = linear_predictions(inputs, t, new)
        for j in range(2):
            known = ~np.isnan(t[:, j])
            expected = LinearRegression().fit(inputs[known], t[known, j]).predict(new)
            assert said[:, j] == pytest.approx(expected, rel=1e-12)
        units = np.array([1e300, 1e-300, 1.0, 1e9])
        in_units = linear_predictions(inputs * units, t * 1e200, new * units)
        assert in_units / 1e200 == pytest.approx(said, rel=1e-12)


def test_scikit_learn_alone_would_lose_columns() -> None:
    """Why the linear baseline standardises: LinearRegression by itself forgets columns 1e-7 as large as others."""
    inputs = np.random.default_rng(0).normal(size=(30, 2)) * [1e7, 1]
    t = inputs[:, 1:]
    alone = LinearRegression().fit(inputs, t)
    if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 7):
        assert alone.score(inputs, t) < 0.5
    assert linear_predictions(inputs, t, inputs) == pytest.approx(t, rel=1e-9)


def test_any_finite_table_gives_scores_or_one_sentence() -> None:
    """Columns near 1e±308 with outliers are fitted and scored without a warning of NumPy, or refused in a sentence."""
    random = np.random.default_rng(7)
    refused = []
    for seed in range(40):
        values = random.normal(size=(20, 3)) * 10.0 ** random.choice([0, 300, -300, 150, 307, -320], 3)
        values[random.integers(20), random.integers(3)] = random.choice([0, 1e308, -1.7e308, 1e-320])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", WorseThanConstant)
                model = Model.fit(values, "x2", hidden=[3], epochs=2, l2=1e-3, seed=seed, rule="adam", patience=None)
        except (BadData, Diverged) as error:
            refused.append(str(error))
        else:
            assert model.report is not None
            one = model.report.scores["x2"]["network"]
            assert isinstance(one, Scores)
            assert not np.isnan(one.rmse)
    assert len(refused) < 20
    assert all(" must " in message for message in refused)


# ------------------------------------------------------------------------------------------------------- classification


def probabilities_of(classes: int, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Classes by number, and probabilities that say something of them; each class occurs."""
    random = np.random.default_rng(classes)
    truth = np.sort(np.minimum(np.resize(np.arange(2 * classes), rows), classes - 1.0))  # the last is the commonest
    raw = random.gamma(1.0, size=(rows, classes)) + (truth[:, None] == np.arange(classes))
    return truth, raw / raw.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_scores_of_classes_are_scikit_learns(classes: int) -> None:
    """Accuracy, log-loss, area and confusion are scikit-learn's on the rows whose class is known.

    rel=1e-12: the mean of the logarithms is added up in another order.
    """
    truth, said = probabilities_of(classes)
    expected_area = roc_auc_score(truth, said[:, 1]) if classes == 2 else roc_auc_score(truth, said, multi_class="ovo")
    with_gaps = np.insert(truth, [0, 7, 60], np.nan)
    found = classification(with_gaps, np.insert(said, [0, 7, 60], 1 / classes, axis=0))
    assert found.rows == 60
    assert found.accuracy == accuracy_score(truth, said.argmax(axis=1))
    assert found.log_loss == pytest.approx(log_loss(truth, said), rel=1e-12)
    assert found.roc_auc == pytest.approx(expected_area, rel=1e-12)
    assert [list(row) for row in found.confusion] == confusion_matrix(truth, said.argmax(axis=1)).tolist()


def test_scores_of_classes_that_cannot_be_scored_say_so() -> None:
    """Without rows all is nan; without rows of a class there is no area; what is not finite is as bad as can be."""
    nothing = classification(np.array([np.nan]), np.array([[0.5, 0.5]]))
    assert nothing.rows == 0
    assert nothing.confusion == ((0, 0), (0, 0))
    assert np.isnan([nothing.accuracy, nothing.log_loss, nothing.roc_auc]).all()
    one = classification(np.array([2.0, 2.0]), np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
    assert (one.accuracy, one.confusion) == (0.5, ((0, 0, 0), (0, 0, 0), (1, 0, 1)))
    assert np.isnan(one.roc_auc)
    assert one.log_loss == pytest.approx(-np.log(np.finfo(float).tiny) / 2)
    for bad in (np.nan, np.inf):
        spoiled = classification(np.array([0.0, 1.0, 1.0]), np.array([[bad, 0.5], [0.25, 0.75], [bad, bad]]))
        assert (spoiled.confusion, spoiled.accuracy) == (((0, 1), (1, 1)), 1 / 3)
        assert spoiled.log_loss == pytest.approx((-2 * np.log(np.finfo(float).tiny) - np.log(0.75)) / 3)
        assert spoiled.roc_auc == 0


def test_the_linear_model_of_classes_is_scikit_learns() -> None:
    """Probabilities are scikit-learn's for standardised inputs; a class that no row has gets 0, a single one 1."""
    random = np.random.default_rng(3)
    inputs, new = random.normal(size=(80, 3)) * [1, 100, 1e-3], random.normal(size=(9, 3)) * [1, 100, 1e-3]
    t = 1.0 * (inputs[:, 0] > 0) + (inputs[:, 1] > 50)
    known = np.where(np.arange(80) % 9 == 0, np.nan, t)
    rows, scaler = ~np.isnan(known), StandardScaler().fit(inputs)
    model = LogisticRegression(max_iter=1000).fit(scaler.transform(inputs[rows]), known[rows])
    expected = model.predict_proba(scaler.transform(new))
    # rel=1e-3: both stop where the gradient is below 1e-4, not at the optimum
    assert logistic_probabilities(inputs, known, 3, new) == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert not logistic_probabilities(inputs, np.minimum(known, 1.0), 3, new)[:, 2].any()
    assert logistic_probabilities(inputs, np.full(80, 1.0), 3, new).tolist() == [[0, 1, 0]] * 9


# ------------------------------------------------------------------------------------------------------ folds and means


def as_lists(parts: Any) -> list[list[list[int]]]:
    """Row numbers as plain data."""
    return [[into.tolist(), out.tolist()] for into, out in parts]


def test_folds_are_scikit_learns() -> None:
    """Rows are divided as KFold does, and classes as StratifiedKFold does; any seed that a fit takes is one."""
    assert as_lists(folds(23, 5, 7)) == as_lists(KFold(5, shuffle=True, random_state=7).split(np.empty((23, 1))))
    classes = np.resize([0.0, 1, 1, 2], 40)
    expected = StratifiedKFold(5, shuffle=True, random_state=7).split(np.empty((40, 1)), classes)
    assert as_lists(folds(40, 5, 7, classes)) == as_lists(expected)
    assert as_lists(folds(23, 5, 2**63)) != as_lists(folds(23, 5, 1))


CLASSES: dict[str, list[float]] = {
    "none": [],
    "one": [0.0] * 20,
    "a rare one": [0.0] * 19 + [1.0],
    "all rare": list(np.arange(20) // 2.0),
    "unknown ones": [0.0, 1.0, np.nan, np.nan] * 5,
    "unknown but for one": [1.0] + [np.nan] * 19,
}


@pytest.mark.parametrize("case", CLASSES)
def test_every_row_is_held_out_once(case: str) -> None:
    """Whatever the classes, each row is out in exactly one fold and in in all others."""
    classes = np.array(CLASSES[case]) if CLASSES[case] else None
    parts = folds(20, 5, 0, classes)
    assert len(parts) == 5
    assert sorted(np.concatenate([out for _, out in parts]).tolist()) == list(range(20))
    assert all(sorted([*into, *out]) == list(range(20)) for into, out in parts)


def test_the_mean_of_scores() -> None:
    """Figures are averaged over the folds, rows and confusions are added up."""
    numbers = [{"t": {"network": Scores(rows, r2, 2.0, 1.0)}} for rows, r2 in ((3, 0.5), (4, -0.1))]
    assert mean(numbers) == {"t": {"network": Scores(7, 0.2, 2.0, 1.0)}}
    classes = [{"t": {"network": ClassScores(2, 0.5, 1.0, area, ((1, 1), (0, 0)))}} for area in (0.5, 1.0)]
    assert mean(classes) == {"t": {"network": ClassScores(4, 0.5, 1.0, 0.75, ((2, 2), (0, 0)))}}
