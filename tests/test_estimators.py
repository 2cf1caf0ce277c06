"""Claim: the estimators keep scikit-learn's contract, whatever the solver, and say how sure they are."""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import unittest.mock
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import AdaBoostClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule import (
    Activation,
    Diverged,
    Network,
    NetworkClassifier,
    NetworkRegressor,
    Objective,
    WorseThanConstant,
    estimators,
    forward,
    load,
    save,
    solving,
    train,
)
from chainrule.files import model_file
from chainrule.files.model_file import BadFile
from chainrule.solving import Patterns, choose_solver
from chainrule.tables import UnseenLevel
from chainrule.training.descent import RULES, rule
from chainrule.training.schedules import schedule

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::chainrule.WorseThanConstant"),
]

# ------------------------------------------------------------------------------------------------ scikit-learn's checks

SMALL = {"hidden_layer_sizes": (4,), "max_iter": 30}
SOLVERS: dict[str, dict[str, Any]] = {
    "bayesian": {"solver": "bayesian", "ensemble": 2, **SMALL},
    "levenberg_marquardt": {"solver": "levenberg_marquardt", **SMALL},
    "lbfgs": {"solver": "lbfgs", "max_iter": 60},
    "adam": {"solver": "adam", "batch_size": None},
    "sgd": {"solver": "sgd", "batch_size": None},
    "batches, and gaps filled": {"solver": "adam", "missing": "mean", "max_iter": 50},
    "ensemble, stopped early": {
        "solver": "adam",
        "early_stopping": True,
        "ensemble": 2,
        "combine": "median",
        "max_iter": 50,
    },
}
"""Beside the estimators as they come: each solver over all patterns at once, and whatever else changes what is done."""

ESTIMATORS = [kind(**options) for options in ({}, *SOLVERS.values()) for kind in (NetworkRegressor, NetworkClassifier)]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns are few here: threads would only wait for one another."""
    monkeypatch.setenv("CHAINRULE_THREADS", "1")


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    """Every check of scikit-learn's passes: none is expected to fail, and none is skipped."""
    check(estimator)


def test_no_check_is_left_out() -> None:
    """The checks of what SciPy does with arrays of other libraries run too, and those of partial_fit and weights."""
    assert os.environ["SCIPY_ARRAY_API"] == "1"
    assert scipy.__version__
    names = set()
    for case in test_scikit_learns_checks.pytestmark[0].args[1]:
        check = case.values[1] if hasattr(case, "values") else case[1]
        names.add(check.func.__name__ if isinstance(check, partial) else check.__name__)
    assert {"check_array_api_input", "check_sample_weight_equivalence_on_sparse_data"} <= names


# ------------------------------------------------------------------------------------------------------- small problems

QUICK: dict[str, Any] = {"hidden_layer_sizes": (5,), "random_state": 0}
BY_STEPS = ["sgd", *(name for name, row in RULES.items() if not row.whole)]
ALL = ["sgd", "bayesian", *RULES]


def numbers(rows: int = 60, outputs: int = 1, seed: int = 0) -> tuple[Any, Any]:
    """Columns in units of their own, and targets in theirs: (rows,) for one output."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 3)) * [1.0, 1e3, 1e-3] + [5.0, -2e3, 0.0]
    z = (X - [5.0, -2e3, 0.0]) / [1.0, 1e3, 1e-3]
    y = 50 + 10 * np.column_stack([np.sin(z[:, 0]) + z[:, 1], z[:, 1] * z[:, 2]])[:, :outputs]
    y = y + random.normal(size=y.shape)
    return X, y[:, 0] if outputs == 1 else y


def classes(rows: int = 90, number: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Columns in units of their own, and overlapping classes with names."""
    random = np.random.default_rng(seed)
    codes = np.arange(rows) % number
    X = random.normal(size=(rows, 2)) + 1.5 * np.column_stack([np.cos(codes * 2), np.sin(codes * 2)])
    return X * [100.0, 0.01] + [1e4, 0.0], np.array(["ash", "beech", "cedar", "elm"])[codes]


def labels(rows: int = 60, seed: int = 0) -> tuple[Any, Any]:
    """Several labels at once."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 4))
    return X, (X[:, :3] + 0.3 * random.normal(size=(rows, 3)) > 0).astype(int)


def same(one: Any, other: Any) -> bool:
    """Whether two estimators hold the same networks, bit for bit."""
    return len(one.nets_) == len(other.nets_) and all(
        np.array_equal(a.theta, b.theta) for a, b in zip(one.nets_, other.nets_, strict=True)
    )


# --------------------------------------------------------------------------------------- weights, repetitions and order


@pytest.mark.parametrize("options", [{"solver": name} for name in ALL] + [*SOLVERS.values()], ids=str)
def test_a_weight_is_so_many_repetitions_and_order_is_none(options: dict[str, Any]) -> None:
    """Weights, repeated patterns and patterns in another order leave the same networks, bit for bit: in batches and
    with patterns kept apart too.
    """
    X, y = numbers(25)
    weights = np.random.default_rng(1).integers(0, 4, 25)
    model = NetworkRegressor(**{**QUICK, "max_iter": 7, **options})
    weighted = clone(model).fit(X, y, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(X, weights, axis=0)[::-1], np.repeat(y, weights)[::-1])
    assert same(weighted, repeated)
    assert np.array_equal(weighted.predict(X, return_std=True), repeated.predict(X, return_std=True))
    assert not same(weighted, clone(model).fit(X, y))  # the twin: weights do count
    in_other_units = clone(model).fit(X * 2.0**41, y * 2.0**-33, sample_weight=weights)
    assert same(weighted, in_other_units)


def test_weights_of_classes_are_weights_of_patterns() -> None:
    """A class weight is that weight for each pattern of the class, "balanced" the same sum for each class."""
    X, y = classes(40, 2)
    X, y = X[(y == "ash") | (np.arange(40) % 4 == 1)], y[(y == "ash") | (np.arange(40) % 4 == 1)]
    ashes = int((y == "ash").sum())
    each = {"ash": len(y) / (2 * ashes), "beech": len(y) / (2 * (len(y) - ashes))}
    weights = np.array([each[one] for one in y])
    by_patterns = NetworkClassifier(**QUICK).fit(X, y, sample_weight=weights)
    for given in ("balanced", each):
        by_class = NetworkClassifier(class_weight=given, **QUICK).fit(X, y)
        np.testing.assert_allclose(by_class.predict_proba(X), by_patterns.predict_proba(X), rtol=1e-9)


def test_without_shuffling_the_order_is_that_of_the_patterns() -> None:
    """With shuffle=False patterns are taken as they come, equal ones together at the first."""
    X, y = numbers(30)
    model = NetworkRegressor(solver="sgd", shuffle=False, batch_size=1, max_iter=1, **QUICK)
    first = clone(model).fit(X, y)
    assert not same(first, clone(model).fit(X[::-1], y[::-1]))
    assert not same(first, clone(model).set_params(shuffle=True).fit(X, y))
    net = first.net_
    rows = (X - X.mean(axis=0)) / X.std(axis=0), ((y - y.mean()) / y.std())[:, None]
    start = Network(net.sizes, "tanh", seed=first._seeds[0], l2=1e-4)
    by_hand, _ = train(start, *rows, "nesterov", 0.01, 1, 1, shuffle=False, warn=False)
    np.testing.assert_allclose(net.theta, by_hand.theta, rtol=1e-9)


def test_alpha_is_scikit_learns() -> None:
    """E has alpha/2 Σw² over the sum of the weights of an update's patterns: λ = alpha / S for all of them at once."""
    X, y = numbers(40)
    for options, S in (({"batch_size": None}, 40.0), ({"batch_size": 10}, 10.0)):
        found = NetworkRegressor(solver="adam", alpha=0.5, max_iter=2, **options, **QUICK).fit(X, y)
        assert found.net_.l2 == pytest.approx(0.5 / S)
    found = NetworkRegressor(solver="lbfgs", alpha=0.5, **QUICK).fit(X, y, sample_weight=np.full(40, 3.0))
    assert found.net_.l2 == pytest.approx(0.5 / 120)


# ----------------------------------------------------------------------------------------------------------- error bars


@pytest.mark.parametrize("options", [{"ensemble": 2}, {"solver": "adam", "ensemble": 3}], ids=str)
def test_error_bars_are_in_the_units_of_y(options: dict[str, Any]) -> None:
    """Another unit of y and X changes predictions, error bars, quantiles and densities by that unit alone."""
    X, y = numbers()
    options = {"max_iter": 20, **options}
    one = NetworkRegressor(**QUICK, **options).fit(X, y)
    other = NetworkRegressor(**QUICK, **options).fit(X * 1024.0, y * 1024.0)  # a power of two rounds nothing
    means, deviations = one.predict(X, return_std=True)
    assert np.array_equal(other.predict(X * 1024.0, return_std=True), (means * 1024, deviations * 1024))
    np.testing.assert_allclose(other.predict_quantiles(X * 1024.0), one.predict_quantiles(X) * 1024, rtol=1e-12)
    np.testing.assert_allclose(
        other.log_likelihood(X * 1024.0, y * 1024.0), one.log_likelihood(X, y) - np.log(1024), rtol=1e-9, atol=1e-9
    )


def test_error_bars_are_those_of_the_mixture() -> None:
    """The standard deviation is moment-matched, quantiles and density are the mixture's own."""
    X, y = numbers(outputs=2)
    found = NetworkRegressor(ensemble=3, solver="adam", early_stopping=True, **QUICK).fit(X, y)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    means = np.array([forward(net, z).y[-1] for net in found.nets_]) * y.std(axis=0) + y.mean(axis=0)
    noises = np.array([one.noise for one in found._mixture.members])[:, None] * y.var(axis=0)
    np.testing.assert_allclose(found.predict(X), means.mean(axis=0))
    deviations = found.predict(X, return_std=True)[1]
    np.testing.assert_allclose(deviations**2, noises.mean(axis=0) + means.var(axis=0))
    q = found.predict_quantiles(X, [0.1, 0.5])
    assert q.shape == (60, 2, 2)
    below = scipy.stats.norm.cdf(q, means[..., None], np.sqrt(noises)[..., None]).mean(axis=0)
    np.testing.assert_allclose(below, np.broadcast_to([0.1, 0.5], below.shape), rtol=1e-6)
    of_each = scipy.stats.norm.logpdf(y, means, np.sqrt(noises)).sum(axis=-1)
    expected = scipy.special.logsumexp(of_each, axis=0) - np.log(3)
    np.testing.assert_allclose(found.log_likelihood(X, y), expected)


def test_the_noise_is_that_of_patterns_kept_apart() -> None:
    """Where patterns are kept apart the noise is measured on them, but for a thousandth of a pattern."""
    X, y = numbers(200)
    kept = numbers(50, seed=1)
    apart = NetworkRegressor(solver="adam", **QUICK).fit(X, y, eval_set=kept)
    _, deviation = apart.predict(kept[0], return_std=True)
    assert deviation == pytest.approx(np.sqrt(((apart.predict(kept[0]) - kept[1]) ** 2).mean()), rel=2e-3)


@pytest.mark.parametrize("options", [{}, {"max_iter": 20}], ids=["trained to the end", "not yet"])
@pytest.mark.parametrize("solver", ["lbfgs", "levenberg_marquardt", "adam"])
def test_every_solver_has_error_bars_that_hold(solver: str, options: dict[str, Any]) -> None:
    """Without patterns kept apart the noise is not that of the residuals, which weights have made small: of 90 %
    intervals for new patterns three in four or more hold the truth, though there is a parameter for four patterns.
    """
    X, y = numbers(100)
    new, truth = numbers(500, seed=9)
    model = NetworkRegressor(solver=solver, alpha=0.01, **QUICK, **options).fit(X, y)
    low, high = model.predict_quantiles(new, (0.05, 0.95)).T
    assert 0.75 < ((low < truth) & (truth < high)).mean() < 0.99
    kept = model._mixture.members[0]
    residuals = (y - model.predict(X)) / y.std()
    assert kept.noise[0] > 1.1 * (residuals**2).mean()


def test_error_bars_of_a_line_are_those_of_ridge_regression() -> None:
    """Of a network without hidden layers by L-BFGS they are what Bayes' rule says at this penalty: with H = ZᵀZ and the
    prior alpha, used are tr H (H + alpha)⁻¹ of the patterns; to L-BFGS's own 1e-4.
    """
    X, y = numbers(40)
    model = NetworkRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=3.0, tol=1e-9).fit(X, y)
    Z, t = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    H = Z.T @ Z
    inverse = np.linalg.inv(H + 3 * np.eye(3))
    r = t - Z @ inverse @ Z.T @ t
    noise = (r @ r + 1e-3) / (40 - 1 - np.trace(H @ inverse) + 1e-3)
    bars = np.sqrt(noise * (1 + 1 / 40 + np.einsum("pi,ij,pj->p", Z, inverse, Z)))
    assert model.predict(X, return_std=True)[1] == pytest.approx(bars * y.std(), rel=1e-4)


def test_noise_of_an_output_that_is_not_known_among_those_kept_apart() -> None:
    """Where none of them says anything of an output, the patterns that are learned do; and one that is known nowhere is
    refused by its number.
    """
    X, y = numbers(150, 2)
    y[np.arange(150) % 30 > 0, 1] = np.nan
    model = NetworkRegressor(solver="adam", early_stopping=True, ensemble=5, max_iter=60, **QUICK).fit(X, y)
    assert all((member.noise > 1e-3).all() for member in model._mixture.members)
    with pytest.raises(ValueError, match=r"^y must hold a known target of every output; got none of output 1\."):
        NetworkRegressor(**QUICK).fit(X, np.c_[y[:, 0], np.full(150, np.nan)])


def test_counts_have_bars_of_their_own_size() -> None:
    """By Poisson's likelihood the variance is the mean: intervals are wide where it is large, hold what they say there
    and where it is small, and do not go below 0.
    """
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (1200, 2))
    mean = np.exp(1 + 2 * X[:, 0])
    y = random.poisson(mean)
    model = NetworkRegressor(loss="poisson", random_state=0).fit(X[:600], y[:600])
    low, high = model.predict_quantiles(X[600:], (0.05, 0.95)).T
    inside, large = (low <= y[600:]) & (y[600:] <= high), mean[600:] > 5
    assert (low >= 0).all()
    assert 0.84 < inside[large].mean() < 0.96
    assert inside[~large].mean() > 0.84


def test_intervals_cover_what_they_say() -> None:
    """Of 90 % intervals of new patterns roughly nine in ten hold the truth, as the estimator comes, on raw units."""
    X, y = numbers(150)
    new, truth = numbers(500, seed=9)
    low, high = NetworkRegressor(random_state=0, ensemble=3).fit(X, y).predict_quantiles(new, (0.05, 0.95)).T
    assert 0.82 < ((low < truth) & (truth < high)).mean() < 0.97


def test_several_outputs_have_a_noise_each() -> None:
    """One noise level an output: an output that is all but noise-free has narrower error bars than a noisy one."""
    X, _ = numbers(120)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    noise = np.random.default_rng(3).normal(size=120)
    y = np.column_stack([z[:, 0] + 0.01 * noise, z[:, 1] + noise])
    deviations = NetworkRegressor(ensemble=2, **QUICK).fit(X, y).predict(X, return_std=True)[1]
    assert (deviations[:, 0] < 0.1 * deviations[:, 1]).all()


@pytest.mark.parametrize("combine", ["mean", "median"])
def test_the_median_heeds_no_outlier(combine: str) -> None:
    """combine="median" predicts the middle network, in slopes too."""
    X, y = numbers(40)
    found = NetworkRegressor(solver="adam", ensemble=3, combine=combine, max_iter=5, **QUICK).fit(X, y)
    each = np.sort([forward(net, (X - X.mean(axis=0)) / X.std(axis=0)).y[-1][:, 0] for net in found.nets_], axis=0)
    expected = (each[1] if combine == "median" else each.mean(axis=0)) * y.std() + y.mean()
    np.testing.assert_allclose(found.predict(X), expected)
    h = 1e-5 * X.std(axis=0)
    for j in range(3):
        step = h[j] * np.eye(3)[j]
        slope = (found.predict(X + step) - found.predict(X - step)) / (2 * h[j])
        np.testing.assert_allclose(found.input_gradient(X)[:, j], slope, rtol=1e-5, atol=1e-6 * y.std() / X[:, j].std())


# -------------------------------------------------------------------------------------------------- slopes, activations


def differences(f: Any, X: Any) -> Any:
    """Central differences of f by each column, last axis."""
    h = 1e-5 * X.std(axis=0)
    steps = [h[j] * np.eye(X.shape[1])[j] for j in range(X.shape[1])]
    return np.stack([(f(X + d) - f(X - d)) / (2 * h[j]) for j, d in enumerate(steps)], axis=-1)


def test_input_gradient_is_the_slope_of_predictions() -> None:
    """The slope of the prediction by each column, in y's unit by the column's, for one output and for several."""
    for outputs in (1, 2):
        X, y = numbers(30, outputs)
        found = NetworkRegressor(solver="adam", ensemble=2, max_iter=20, **QUICK).fit(X, y)
        slopes = found.input_gradient(X)
        assert slopes.shape == ((30, 3) if outputs == 1 else (30, 2, 3))
        np.testing.assert_allclose(slopes * X.std(axis=0), differences(found.predict, X) * X.std(axis=0), rtol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("kind", ["two", "three", "labels"])
def test_input_gradient_is_the_slope_of_probabilities(kind: str, temperature: float) -> None:
    """The same for classes: of two the slope of the second one's probability, of more, and of labels, of each."""
    X, y = labels(30) if kind == "labels" else classes(30, 2 if kind == "two" else 3)
    found = NetworkClassifier(ensemble=2, max_iter=10, **QUICK).fit(X, y)
    found.temperature_ = temperature
    expected = differences(found.predict_proba, X)
    expected = expected[:, 1] if kind == "two" else expected
    np.testing.assert_allclose(found.input_gradient(X), expected, rtol=1e-4, atol=1e-7 * np.abs(expected).max())


def test_activations_are_the_outputs_of_every_layer() -> None:
    """activations(X)[i] is y_i of one network: standardised inputs first, its prediction last."""
    X, y = numbers(20)
    found = NetworkRegressor(hidden_layer_sizes=(5, 4), ensemble=2, random_state=0).fit(X, y)
    layers = found.activations(X, network=1)
    assert [layer.shape for layer in layers] == [(20, 3), (20, 5), (20, 4), (20, 1)]
    np.testing.assert_allclose(layers[0].mean(axis=0), 0, atol=1e-12)
    first = np.tanh(layers[0] @ found.nets_[1].w[1].T + found.nets_[1].b[1])
    np.testing.assert_allclose(layers[1], first)


# ---------------------------------------------------------------------------------------------- partial_fit, warm start


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive", "step"])
@pytest.mark.parametrize("solver", BY_STEPS)
def test_epochs_one_by_one_are_the_epochs_at_once(solver: str, learning_rate: str) -> None:
    """n calls of partial_fit leave, bit for bit, the networks of fit with n epochs: batches, schedules, ensembles."""
    X, y = numbers(40)
    options = {"solver": solver, "batch_size": 16, "learning_rate": learning_rate, "ensemble": 2, "tol": 0.0}
    whole = NetworkRegressor(max_iter=6, **options, **QUICK).fit(X, y)
    parts = NetworkRegressor(**options, **QUICK)
    for _ in range(6):
        parts.partial_fit(X, y)
    assert same(whole, parts)
    assert [h.running for h in parts.histories_] == [h.running for h in whole.histories_]
    assert (whole.n_iter_, parts.n_iter_) == (6, 1)


def test_partial_fit_of_classes() -> None:
    """The same for classes, all of which may be named before they occur."""
    X, y = classes(60)
    options = {"solver": "adam", "batch_size": 16, **QUICK}
    whole = NetworkClassifier(max_iter=4, tol=0.0, **options).fit(X, y)
    parts = NetworkClassifier(**options)
    for _ in range(4):
        parts.partial_fit(X, y, classes=["cedar", "beech", "ash"])
    assert same(whole, parts)
    few = NetworkClassifier(**options).partial_fit(X[:2], y[:2], classes=["ash", "beech", "cedar"])
    assert few.partial_fit(X, y).predict_proba(X).shape == (60, 3)
    with pytest.raises(ValueError, match=r"^classes must stay \['ash' 'beech' 'cedar'\]; got"):
        few.partial_fit(X, y, classes=["ash", "elm"])
    with pytest.raises(ValueError, match=r"^y must be one of the classes .*; got .*'elm'"):
        few.partial_fit(X[:1], ["elm"])


def test_partial_fit_is_for_small_steps() -> None:
    """Solvers of whole passes, and early stopping, have no partial_fit, and say why; "auto" takes Adam."""
    X, y = numbers(20)
    for options in ({"solver": "lbfgs"}, {"solver": "bayesian"}, {"early_stopping": True}):
        model = NetworkRegressor(**options)
        assert not hasattr(model, "partial_fit")
        with pytest.raises(AttributeError) as raised:
            model.partial_fit(X, y)
        assert "partial_fit must be called with" in str(raised.value.__cause__)
    found = NetworkRegressor(**QUICK).partial_fit(X, y)
    assert (found.solver_, len(found.nets_)) == ("adam", 1)


def test_a_warm_start_goes_on() -> None:
    """With warm_start n epochs and then m are n + m, bit for bit; without it every fit begins anew."""
    X, y = numbers(40)
    options = {"solver": "adam", "tol": 0.0, "batch_size": 16, **QUICK}
    whole = NetworkRegressor(max_iter=7, **options).fit(X, y)
    warm = NetworkRegressor(max_iter=3, warm_start=True, **options).fit(X, y)
    warm.set_params(max_iter=4).fit(X, y)
    assert same(whole, warm)
    assert (warm.n_iter_, len(warm.loss_curve_)) == (4, 7)
    cold = NetworkRegressor(max_iter=7, **options).fit(X, y).fit(X, y)
    assert same(whole, cold)
    with pytest.raises(ValueError, match=r"^hidden_layer_sizes must stay as they are"):
        warm.set_params(hidden_layer_sizes=(3,)).fit(X, y)


@pytest.mark.parametrize("solver", ["bayesian", "levenberg_marquardt", "lbfgs"])
def test_a_warm_start_of_other_solvers_begins_at_the_weights_that_are_there(solver: str) -> None:
    """Those without a memory begin again at the weights that are there, and go on."""
    X, y = numbers(40)
    warm = NetworkRegressor(solver=solver, ensemble=1, max_iter=8, warm_start=True, **QUICK).fit(X, y)
    cold = warm.history_.running[0]
    assert warm.fit(X, y).history_.running[0] < 0.3 * cold


def test_a_warm_start_stays_with_its_scaling_and_classes() -> None:
    """Columns, targets and classes stay as in the first fit; patterns of another class are refused."""
    X, y = classes(40, 2)
    warm = NetworkClassifier(warm_start=True, **QUICK).fit(X, y)
    with pytest.raises(ValueError, match=r"^y must be one of the classes"):
        warm.fit(X, np.where(y == "ash", "ash", "cedar"))
    other, values = numbers(40)
    regressor = NetworkRegressor(warm_start=True, solver="adam", max_iter=5, **QUICK).fit(other, values)
    mean = regressor._targets.mean.copy()
    assert np.array_equal(regressor.fit(other, values + 7)._targets.mean, mean)


# --------------------------------------------------------------------------------------------- early stopping, eval_set


def test_the_best_weights_are_kept() -> None:
    """With patterns to stop by, the weights that do best on them are kept, and scores are what these explain: R²."""
    X, y = numbers(80)
    kept = numbers(40, seed=5)
    found = NetworkRegressor(solver="adam", learning_rate_init=0.05, n_iter_no_change=5, **QUICK)
    found.fit(X, y, eval_set=kept)
    scores = found.validation_scores_
    assert found.best_validation_score_ == max(scores) == pytest.approx(r2_score(kept[1], found.predict(kept[0])))
    assert found.n_iter_ == len(scores) == found.history_.best_epoch + 6
    assert found.best_loss_ is None
    assert found.history_.stopped == "stopped by E that no longer falls"


def test_which_patterns_stop() -> None:
    """eval_set may have weights, or be a list, of which the last is used; early_stopping=False runs all epochs."""
    X, y = numbers(50)
    first, last = numbers(20, seed=1), numbers(30, seed=2)
    options = {"solver": "adam", "max_iter": 12, "n_iter_no_change": 3, "learning_rate_init": 0.1, **QUICK}
    alone = NetworkRegressor(**options).fit(X, y, eval_set=last)
    assert same(alone, NetworkRegressor(**options).fit(X, y, eval_set=[first, last]))
    weights = np.arange(30) % 3
    weighted = NetworkRegressor(**options).fit(X, y, eval_set=(*last, weights))
    repeated = NetworkRegressor(**options).fit(X, y, eval_set=tuple(np.repeat(one, weights, axis=0) for one in last))
    assert weighted.validation_scores_ == pytest.approx(repeated.validation_scores_)
    every = NetworkRegressor(early_stopping=False, **options).fit(X, y, eval_set=last)
    assert every.n_iter_ == 12
    assert alone.n_iter_ < 12
    assert every.history_.best_validation <= alone.history_.best_validation


@pytest.mark.parametrize("number", [2, 3])
def test_classes_are_divided_alike(number: int) -> None:
    """Patterns kept apart hold each class in its share; one that occurs once is learned from."""
    X, y = classes(100, number)
    y[0] = "elm"
    found = NetworkClassifier(solver="adam", early_stopping=True, validation_fraction=0.2, max_iter=2, **QUICK)
    found.fit(X, y)
    t = found._learned(y, np.ones(100), None, reset=False)
    into, out = found._split(Patterns(X, t, np.ones(100)), 3)
    assert np.array_equal(np.sort([*into, *out]), np.arange(100))
    names, counts = np.unique(y[out], return_counts=True)
    assert len(names) == number
    assert np.abs(counts - 20 / number).max() < 1


def test_each_network_of_an_ensemble_keeps_others_apart() -> None:
    """Each is stopped by patterns of its own, so that all learn from most of them; when calibrating, by the same."""
    X, y = classes(90)
    model = NetworkClassifier(solver="adam", early_stopping=True, ensemble=3, max_iter=3, **QUICK)
    seen: list[Any] = []
    with unittest.mock.patch.object(NetworkClassifier, "_split", autospec=True) as split:
        split.side_effect = lambda self, patterns, seed: seen.append(seed) or split_of(self, patterns, seed)
        clone(model).fit(X, y)
        assert len(set(seen)) == 3
        seen.clear()
        clone(model).set_params(calibrate=True).fit(X, y)
        assert len(seen) == 1


split_of = NetworkClassifier._split


def test_too_few_patterns_to_keep_some_apart() -> None:
    """At least two are kept apart and two learned from; where that cannot be, it is said in scikit-learn's words."""
    X, y = numbers(4)
    assert NetworkRegressor(solver="adam", early_stopping=True, **QUICK).fit(X, y).n_iter_
    with pytest.raises(ValueError, match=r"3 sample\(s\).*while a minimum of 5 is required"):
        NetworkRegressor(solver="adam", early_stopping=True, **QUICK).fit(X[:3], y[:3])


# ------------------------------------------------------------------------------------------- missing targets and inputs


@pytest.mark.parametrize("solver", ["bayesian", "levenberg_marquardt", "lbfgs", "adam"])
def test_targets_may_be_missing_where_there_are_several(solver: str) -> None:
    """A missing target of several takes no part, a pattern without any is left out; of one output none may miss."""
    X, y = numbers(60, 2)
    gaps = y.copy()
    gaps[::3, 0] = np.nan
    gaps[1] = np.nan
    options = {"solver": solver, "ensemble": 1, "max_iter": 20, **QUICK}
    found = NetworkRegressor(**options).fit(X, gaps)
    kept = ~np.isnan(gaps).all(axis=1)
    assert same(found, NetworkRegressor(**options).fit(X[kept], gaps[kept]))
    assert np.isfinite(found.predict(X)).all()
    other = gaps.copy()
    other[np.isnan(gaps)] = 1e6
    assert np.isfinite(found.log_likelihood(X, gaps)).all()
    assert not same(found, NetworkRegressor(**options).fit(X, other))
    with pytest.raises(ValueError, match="Input y contains NaN"):
        NetworkRegressor(**options).fit(X, gaps[:, 0])


def test_gaps_are_refused_or_filled() -> None:
    """missing="mean" fills gaps with the mean, and an input says where they were; without it they are refused."""
    X, y = numbers(50)
    X[::5, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        NetworkRegressor(**QUICK).fit(X, y)
    found = NetworkRegressor(missing="mean", solver="lbfgs", **QUICK).fit(X, y)
    assert found.net_.sizes[0] == 4
    assert found._inputs.names == ("x0", "x1", "x1 missing", "x2")
    filled = X.copy()
    filled[np.isnan(X)] = np.nanmean(X[:, 1])
    assert not np.allclose(found.predict(filled[::5]), found.predict(X[::5]))
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    with_names = NetworkRegressor(missing="mean", solver="lbfgs", **QUICK).fit(frame, y)
    assert with_names._inputs.names == ("a", "b", "b missing", "c")
    assert np.array_equal(with_names.predict(frame), found.predict(X))
    sparse = NetworkRegressor(missing="mean", solver="lbfgs", **QUICK).fit(scipy.sparse.csr_array(filled), y)
    assert sparse.net_.sizes[0] == 3
    assert np.isfinite(found.predict(scipy.sparse.csr_array(filled))).all()


# ------------------------------------------------------------------------------------------------------- tables, sparse


def plants(rows: int = 60) -> Any:
    """A table of mixed columns, with the height to predict."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"soil": random.choice(["clay", "peat", "sand"], rows), "water": random.uniform(0, 9, rows)})
    table["shade"] = random.random(rows) < 0.5
    table["site"] = pd.Categorical(random.choice(["north", "south"], rows))
    height = 20 + 5 * table.water - 8 * (table.soil == "sand") + 3 * table.shade + random.normal(size=rows)
    return table, height.to_numpy()


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_texts_and_categories_are_encoded(frames: str) -> None:
    """Data frames of any library with texts and categories are taken as they are, and remembered column by column."""
    table, y = plants()
    X = table if frames == "pandas" else pl.from_pandas(table.assign(site=table.site.astype(str)))
    found = NetworkRegressor(ensemble=2, **QUICK).fit(X, y)
    assert [*found.feature_names_in_] == ["soil", "water", "shade", "site"]
    assert found.n_features_in_ == 4
    names = ("soil=clay", "soil=peat", "soil=sand", "water", "shade", "site=north", "site=south")
    assert found._inputs.names == names
    assert found.score(X, y) > 0.95
    assert found.input_gradient(X).shape == (60, 7)
    with pytest.warns(UnseenLevel, match="soil"):
        found.predict(table.assign(soil="loam") if frames == "pandas" else X.with_columns(soil=pl.lit("loam")))
    with pytest.raises(ValueError, match="feature names"):
        found.predict(table[["water", "soil", "shade", "site"]] if frames == "pandas" else X.select("water", "soil"))


def test_a_table_and_its_encoded_columns_are_the_same_network() -> None:
    """Texts in a table are the columns of zeros and ones that one would write oneself, but for their scaling."""
    table, y = plants()
    found = NetworkRegressor(solver="lbfgs", **QUICK).fit(table[["soil", "water"]], y)
    y_0 = found._seen(table[["soil", "water"]])
    assert np.array_equal(y_0[:, 0] > 0, table.soil == "clay")
    expected = found.predict(table[["soil", "water"]])
    as_objects = table[["soil", "water"]].to_numpy(dtype=object)
    with pytest.warns(UserWarning, match="valid feature names"):
        assert np.array_equal(found.predict(as_objects), expected)


def test_numbers_in_a_data_frame_are_the_array() -> None:
    """A data frame of numbers, integers and booleans is the array of its values."""
    X, y = numbers(40)
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(d=np.arange(40) % 2 == 0, e=np.arange(40))
    values = frame.to_numpy(dtype=float)
    by_frame = NetworkRegressor(solver="lbfgs", **QUICK).fit(frame, y)
    assert same(by_frame, NetworkRegressor(solver="lbfgs", **QUICK).fit(values, y))
    assert same(by_frame, NetworkRegressor(solver="lbfgs", **QUICK).fit(pl.from_pandas(frame), y))


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("solver", ["bayesian", "levenberg_marquardt", "lbfgs", "adam"])
def test_sparse_is_dense(solver: str, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse and dense columns are the same network, small ones bit for bit; large ones stay sparse, and are so but for
    rounding.
    """
    random = np.random.default_rng(0)
    X = random.normal(size=(50, 4)) * (random.random((50, 4)) < 0.4)
    X[:, 2] = 3.0  # does not vary
    y = np.sin(X[:, 0]) + X[:, 1] + 0.1 * random.normal(size=50)
    options = {"solver": solver, "ensemble": 1, "max_iter": 15, "shuffle": False, **QUICK}
    dense = NetworkRegressor(**options).fit(X, y)
    if not small:
        monkeypatch.setattr(estimators, "SMALL", 0)
    for form in ("csr_array", "csr_matrix", "csc_array", "coo_array"):
        sparse = NetworkRegressor(**options).fit(getattr(scipy.sparse, form)(X), y)
        seen = sparse._seen(scipy.sparse.csr_array(X))
        assert isinstance(seen, np.ndarray) == small
        assert not np.asarray(seen[:, 2] if small else seen.toarray()[:, 2]).any()
        assert same(dense, sparse) == small
        rtol = 0 if small else 1e-5
        for name in ("predict", "input_gradient"):
            expected, got = getattr(dense, name)(X), getattr(sparse, name)(scipy.sparse.csr_array(X))
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)
        assert sparse.certificate_.ok


# ----------------------------------------------------------------------------------------------------- hostile patterns


def test_columns_that_do_not_vary_are_left_out() -> None:
    """What never varied in training says nothing about predictions, whatever stands there later."""
    X, y = numbers(40)
    X = np.column_stack([X, np.full(40, 0.1), np.zeros(40), 1e15 + np.zeros(40)])
    found = NetworkRegressor(ensemble=2, **QUICK).fit(X, y)
    other = X + np.array([0, 0, 0, 1e6, -1e6, 3])
    assert np.array_equal(found.predict(other), found.predict(X))
    assert not found.input_gradient(X)[:, 3:].any()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_handful_of_patterns(rows: int) -> None:
    """With one, two or three patterns, fewer than parameters by far, predictions and error bars are finite."""
    X, y = numbers(rows)
    found = NetworkRegressor(random_state=0).fit(X, y)
    for values in found.predict(X * 1.1, return_std=True):
        assert np.isfinite(values).all()


@pytest.mark.parametrize("case", ["noise-free", "an outlier", "a constant target", "equal patterns", "raw units"])
def test_what_spoils_other_networks(case: str) -> None:
    """Noise-free patterns, an outlier, a constant target, patterns that are all equal and raw units leave finite
    predictions and error bars above 0 that are of a size to be believed.
    """
    X, y = numbers(40)
    if case == "noise-free":
        y = 3 * X[:, 0] - 7
    elif case == "an outlier":
        y[3] = 1e6
    elif case == "a constant target":
        y = np.full(40, 5.0)
    elif case == "equal patterns":
        X, y = np.tile(X[:1], (40, 1)), np.tile(y[:1], 40)
    else:
        X, y = X * [1e9, 1e-9, 1e12], y * 1e-12
    means, deviations = NetworkRegressor(ensemble=2, **QUICK).fit(X, y).predict(X, return_std=True)
    assert np.isfinite(means).all()
    assert (deviations > 0).all()
    assert deviations.max() < 3 * max(y.std(), 0.01)


# --------------------------------------------------------------------------------------------- names, and what they say


def test_singular_names_are_those_of_a_single_network() -> None:
    """coefs_, net_ and their like are there for one network, and say that there are more if there are."""
    X, y = numbers(30)
    one = NetworkRegressor(solver="adam", max_iter=3, **QUICK).fit(X, y)
    net = one.net_
    assert one.nets_ == [net]
    assert all(np.array_equal(w, net.w[i + 1].T) for i, w in enumerate(one.coefs_))
    assert all(np.array_equal(b, net.b[i + 1]) for i, b in enumerate(one.intercepts_))
    assert one.loss_curve_ == one.history_.running == one.histories_[0].running
    assert one.validation_scores_ is None
    assert one.best_validation_score_ is None
    assert one.best_loss_ == min(one.loss_curve_)
    assert (one.n_layers_, one.n_outputs_, one.out_activation_) == (3, 1, "identity")
    several = NetworkRegressor(solver="adam", max_iter=3, ensemble=2, **QUICK).fit(X, y)
    names = ["net_", "history_", "coefs_", "intercepts_", "loss_curve_", "validation_scores_", "best_validation_score_"]
    for name in names:
        assert not hasattr(several, name)
        with pytest.raises(
            AttributeError, match=f"^{name} must belong to a single network; got an ensemble of 2\\. Use"
        ):
            getattr(several, name)
        with pytest.raises(NotFittedError, match=f"^estimator must be fitted to have {name};"):
            getattr(NetworkRegressor(), name)


def test_every_fit_has_a_certificate_and_histories() -> None:
    """certificate_ certifies the gradient on some training patterns, and is made anew for another fit."""
    X, y = numbers(50, 2)
    found = NetworkRegressor(ensemble=2, **QUICK).fit(X, y)
    first = found.certificate_
    assert first.ok
    assert found.certificate_ is first
    assert found.fit(X, y).certificate_ is not first
    assert [*found.histories_[0].to_frame().columns] == ["running"]
    with pytest.raises(NotFittedError):
        NetworkRegressor().certificate_  # noqa: B018


def test_what_comes_of_classes() -> None:
    """Probabilities, their logarithms, decisions, likeliest classes and likelihoods agree, for two classes and more."""
    for number in (2, 3):
        X, y = classes(60, number)
        found = NetworkClassifier(**QUICK).fit(X, y)
        p, decision = found.predict_proba(X), found.decision_function(X)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        np.testing.assert_allclose(np.exp(found.predict_log_proba(X)), p)
        assert np.array_equal(found.predict(X), found.classes_[p.argmax(axis=1)])
        if number == 2:
            np.testing.assert_allclose(decision, np.log(p[:, 1] / p[:, 0]), rtol=1e-6)
        else:
            assert np.array_equal(decision.argmax(axis=1), p.argmax(axis=1))
        truth = p[np.arange(60), np.searchsorted(found.classes_, y)]
        np.testing.assert_allclose(found.log_likelihood(X, y), np.log(truth))
        assert found.out_activation_ == ("logistic" if number == 2 else "softmax")


def test_probabilities_keep_their_tails() -> None:
    """Where a probability rounds to 1, the logarithm of the other is exact, and the decision finite."""
    X, y = classes(60, 2)
    found = NetworkClassifier(solver="lbfgs", alpha=0.0, **QUICK).fit(X, y)
    found.net_.theta[:] *= 100
    logs, decision = found.predict_log_proba(X), found.decision_function(X)
    assert found.predict_proba(X).max() == 1
    assert np.isfinite(logs).all()
    assert logs.min() < -100
    np.testing.assert_allclose(logs[:, 1] - logs[:, 0], decision)


def test_what_comes_of_several_labels() -> None:
    """An indicator of labels has a logistic output each; predictions are an indicator of the same type."""
    X, y = labels()
    for form in (y, y.astype(np.int8), scipy.sparse.csr_array(y)):
        found = NetworkClassifier(**QUICK).fit(X, form)
        p = found.predict_proba(X)
        assert p.shape == (60, 3)
        assert np.array_equal(found.predict(X), p > 0.5)
        assert found.predict(X).dtype == form.dtype
        assert np.array_equal(found.decision_function(X) > 0, p > 0.5)
        expected = np.where(y, np.log(p), np.log(1 - p)).sum(axis=1)
        np.testing.assert_allclose(found.log_likelihood(X, form), expected, rtol=1e-6)
        assert [*found.classes_] == [0, 1, 2]
    assert found.score(X, y) > 0.8
    for wrong in (y[:, :2], y[:, 0]):
        with pytest.raises(ValueError, match="as in training"):
            found.log_likelihood(X, wrong)
    with pytest.raises(ValueError, match=r"^class_weight must be None for several labels"):
        NetworkClassifier(class_weight="balanced").fit(X, y)
    with pytest.raises(ValueError, match=r"^classes must be as many as the columns of y, 3; got 2\."):
        NetworkClassifier(solver="adam").partial_fit(X, y, classes=[0, 1])
    found = NetworkClassifier(solver="adam", **QUICK).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"^y must have 3 labels, as in training; got an indicator of 2"):
        found.partial_fit(X, y[:, :2])


def test_labels_are_what_y_holds() -> None:
    """Classes may be texts, integers, booleans or objects, and come back as such."""
    X, y = classes(40, 2)
    for values in (y, y.astype(object), (y == "ash").astype(np.int8), y == "ash", np.where(y == "ash", 0.5, 2.0) > 1):
        found = NetworkClassifier(**QUICK).fit(X, values).predict(X)
        assert found.dtype == values.dtype
        assert set(found.tolist()) <= set(values.tolist())


# ---------------------------------------------------------------------------------------------------------- temperature


def test_probabilities_are_calibrated_on_patterns_that_were_not_learned() -> None:
    """calibrate=True finds the temperature at which kept patterns are likeliest; without it there is none."""
    X, y = classes(200)
    new, truth = classes(2000, seed=7)
    sure = {"solver": "lbfgs", "alpha": 1e-6, "hidden_layer_sizes": (30,), "random_state": 0, "tol": 1e-6}
    plain = NetworkClassifier(**sure).fit(X, y)
    found = NetworkClassifier(calibrate=True, validation_fraction=0.3, **sure).fit(X, y)
    assert plain.temperature_ == 1
    assert found.temperature_ > 1.5
    found_before = found.log_likelihood(new, truth).mean()
    found.temperature_ = 1.0
    assert found.log_likelihood(new, truth).mean() < found_before - 0.1
    known = NetworkClassifier(calibrate=True, solver="adam", max_iter=300, tol=0.0, early_stopping=False, **QUICK)
    known.fit(X, y, eval_set=(new, truth))
    best = known.log_likelihood(new, truth).sum()
    for other in (0.9, 1.1):
        known.temperature_ *= other
        assert known.log_likelihood(new, truth).sum() < best
        known.temperature_ /= other


@pytest.mark.parametrize("kind", ["two", "labels"])
def test_a_temperature_of_two_classes_and_of_labels(kind: str) -> None:
    """One temperature for all outputs; where all kept patterns are right it stays near 1."""
    X, y = labels(80) if kind == "labels" else classes(80, 2)
    found = NetworkClassifier(calibrate=True, solver="adam", early_stopping=True, ensemble=2, **QUICK).fit(X, y)
    assert 0.05 < found.temperature_ < 20
    assert found.temperature_ != 1
    said = found.predict(X)
    found.temperature_ = 1.0
    assert np.array_equal(found.predict(X), said)


# ---------------------------------------------------------------------------------------------------------------- files


def estimators_to_save() -> dict[str, Any]:
    """Fitted estimators of every kind, with columns to predict."""
    X, y = numbers(40)
    table, height = plants()
    of_classes, several = classes(40), labels(40)
    gaps = X.copy()
    gaps[3, 1] = np.nan
    quick = {**QUICK, "max_iter": 8}
    return {
        "bayesian": (NetworkRegressor(ensemble=2, **quick).fit(X, y), X),
        "steps": (NetworkRegressor(solver="adam", ensemble=2, combine="median", **quick).fit(X, y), X),
        "several outputs": (NetworkRegressor(solver="lbfgs", **quick).fit(X, np.column_stack([y, -y])), X),
        "texts": (NetworkRegressor(solver="adam", early_stopping=True, **quick).fit(table, height), table),
        "gaps": (NetworkRegressor(solver="adam", missing="mean", n_iter_no_change=np.inf, **quick).fit(gaps, y), gaps),
        "classes": (
            NetworkClassifier(class_weight={"ash": 2}, calibrate=True, **quick).fit(*of_classes),
            of_classes[0],
        ),
        "objects": (NetworkClassifier(**quick).fit(of_classes[0], of_classes[1].astype(object)), of_classes[0]),
        "booleans": (NetworkClassifier(**quick).fit(of_classes[0], of_classes[1] == "ash"), of_classes[0]),
        "labels": (NetworkClassifier(hidden_layer_sizes=[3, 2], activation=["tanh", "relu"]).fit(*several), several[0]),
    }


KEPT = pytest.mark.parametrize(
    "name", ["bayesian", "steps", "several outputs", "texts", "gaps", "classes", "objects", "booleans", "labels"]
)


@KEPT
def test_what_is_loaded_is_what_was_saved(name: str, tmp_path: Path) -> None:
    """A file holds parameters, networks, error bars and histories; what is loaded predicts the same, bit for bit."""
    found, X = estimators_to_save()[name]
    found.save(tmp_path / "model.safetensors")
    back = type(found).load(tmp_path / "model.safetensors")
    assert same(found, back)
    assert repr(back.get_params()) == repr(found.get_params())
    assert np.array_equal(back.predict(X), found.predict(X))
    if isinstance(found, NetworkRegressor):
        rtol = 1e-12  # the covariance may lie otherwise in memory
        np.testing.assert_allclose(back.predict(X, return_std=True), found.predict(X, return_std=True), rtol=rtol)
    else:
        assert np.array_equal(back.predict_proba(X), found.predict_proba(X))
        assert back.predict(X).dtype == found.predict(X).dtype
    assert repr(back.histories_) == repr(found.histories_)
    for one in ("solver_", "why_", "n_iter_", "n_layers_", "n_features_in_", "out_activation_", "loss_", "best_loss_"):
        assert getattr(back, one) == getattr(found, one)
    with pytest.raises(AttributeError, match=r"^certificate_ must be made of training patterns"):
        back.certificate_  # noqa: B018
    assert clone(back).fit(X, found.predict(X)).n_iter_


def test_training_goes_on_after_loading_and_pickling(tmp_path: Path) -> None:
    """partial_fit goes on, bit for bit, where a file, a pickle or joblib's took over."""
    X, y = numbers(40)
    whole = NetworkRegressor(solver="adam", max_iter=4, tol=0.0, batch_size=16, **QUICK).fit(X, y)
    for how in ("file", "pickle", "joblib", "copy"):
        part = NetworkRegressor(solver="adam", batch_size=16, **QUICK).partial_fit(X, y).partial_fit(X, y)
        path = tmp_path / how
        if how == "file":
            part.save(path)
            part = NetworkRegressor.load(path)
        elif how == "pickle":
            part = pickle.loads(pickle.dumps(part))
        elif how == "joblib":
            joblib.dump(part, path)
            part = joblib.load(path)
        else:
            part = copy.deepcopy(part)
        assert same(part.partial_fit(X, y).partial_fit(X, y), whole)


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    """Code is not saved: rows of one's own are refused; callbacks and generators are left out."""
    X, y = numbers(30)
    own = Activation("own", lambda x, p: p.tanh(x), lambda x, p: 1 - p.tanh(x) ** 2)
    found = NetworkRegressor(solver="lbfgs", activation=own, hidden_layer_sizes=(3,), max_iter=3).fit(X, y)
    with pytest.raises(ValueError, match=r"^activation must be one of Chainrule's own to be saved; got 'own'"):
        found.save(tmp_path / "x")
    with pytest.raises(NotFittedError):
        NetworkRegressor().save(tmp_path / "x")
    seen = NetworkRegressor(
        solver="lbfgs", hidden_layer_sizes=(3,), max_iter=3, callbacks=[print], random_state=np.random.RandomState(0)
    )
    seen.set_params(callbacks=[lambda run: None]).fit(X, y).save(tmp_path / "x")
    back = NetworkRegressor.load(tmp_path / "x")
    assert (back.callbacks, back.random_state) == ((), None)


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    """A file that save would not write is refused with one sentence, whatever is wrong with it."""
    X, y = classes(40)
    found, path = NetworkClassifier(**QUICK).fit(X, y), tmp_path / "x"
    found.save(path)
    with pytest.raises(BadFile, match=r"it holds a NetworkClassifier\. Use NetworkClassifier\.load\.$"):
        NetworkRegressor.load(path)
    save(Network([2, 1]), tmp_path / "other")
    with pytest.raises(BadFile, match="it has no 'estimator'"):
        NetworkClassifier.load(tmp_path / "other")
    with pytest.raises(BadFile, match=r"it holds a NetworkClassifier\. Use NetworkClassifier\.load\.$"):
        load(path)
    spec, arrays = model_file.read(path)

    def refused(change: Any) -> None:
        other_spec, other_arrays = copy.deepcopy((spec, arrays))
        change(other_spec, other_arrays)
        model_file.write(path, other_spec, other_arrays)
        with pytest.raises(BadFile, match="is not a valid model file: "):
            NetworkClassifier.load(path)

    refused(lambda s, a: s.pop("columns"))
    refused(lambda s, a: s.update(more=1))
    refused(lambda s, a: a.update(more=np.zeros(2)))
    refused(lambda s, a: s["parameters"].update(alpha={"code": "print(1)"}))
    refused(lambda s, a: s["parameters"].update(own=1))
    refused(lambda s, a: s["parameters"].update(alpha=[1]))
    refused(lambda s, a: s.update(columns=7))
    refused(lambda s, a: s.update(names=["a"]))
    refused(lambda s, a: s.update(networks=[]))
    refused(lambda s, a: s["networks"][0].update(updates=4))
    refused(lambda s, a: s["networks"][0]["network"].update(sizes=[2, 4, 3]))
    refused(lambda s, a: s["networks"][0]["history"].update(rule=3.5, seconds="x", more=1))
    refused(lambda s, a: s["fitted"].update(temperature_=-1.0))
    refused(lambda s, a: s["fitted"].update(_labels=3))
    refused(lambda s, a: s["fitted"]["classes_"].update(array=["O", ["ash"]]))
    refused(lambda s, a: s["fitted"].update(classes_={"array": ["V8", []]}))
    refused(lambda s, a: s["fitted"].update(why_={"float": "x"}))
    refused(lambda s, a: a.update({"inputs.sd": np.zeros(2)}))
    refused(lambda s, a: a.update({"inputs.mean": np.zeros(3)}))
    refused(lambda s, a: a.update({"targets.sd": np.zeros(1)}))
    refused(lambda s, a: a.update({"0.theta": a["0.theta"][:-1]}))
    refused(lambda s, a: a.update({"0.whitening": np.eye(2)}))
    refused(lambda s, a: a.update({"0.noise": -np.ones(3)}))
    refused(lambda s, a: a.pop("0.running"))
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(BadFile, match="is damaged"):
        NetworkClassifier.load(path)


# ------------------------------------------------------------------------------------------ choosing, and what is asked


@pytest.mark.parametrize(
    ("patterns", "parameters", "task", "objective", "solver", "part"),
    [
        (442, 231, "regression", "sse", "bayesian", "442 patterns and 231 parameters are few enough"),
        (1e6, 231, "regression", "sse", "adam", "1,000,000 patterns and 231 parameters are too many"),
        (442, 5000, "regression", "sse", "adam", "5,000 parameters are too many"),
        (30, 5000, "regression", "sse", "lbfgs", "30 patterns are too few to keep some apart"),
        (442, 231, "regression", "poisson", "adam", "objective 'poisson' is not the sum of squares"),
        (30, 231, "regression", "poisson", "lbfgs", "too few"),
        (1797, 9, "classification", "cross_entropy", "lbfgs", "1,797 patterns to classify, at most 2,000"),
        (50_000, 9, "classification", "cross_entropy", "adam", "50,000 patterns to classify, more than 2,000"),
    ],
)
def test_the_rule_of_solver_auto(
    patterns: float, parameters: int, task: str, objective: str, solver: str, part: str
) -> None:
    """The solver depends on the number of patterns and parameters and on the task, and says why."""
    chosen, why = choose_solver(patterns, parameters, task, objective)
    assert chosen == solver
    assert part in why


def test_what_is_chosen_is_said() -> None:
    """solver_ and why_ say what was chosen; hidden layers, ensemble and early stopping follow from it."""
    X, y = numbers(40)
    found = NetworkRegressor(random_state=0).fit(X, y)
    assert (found.solver_, len(found.nets_), found.nets_[0].sizes) == ("bayesian", 10, (3, 10, 10, 1))
    assert found.why_.startswith("40 patterns and 161 parameters are few enough")
    known = NetworkRegressor(random_state=0, max_iter=2).fit(X, y, eval_set=(X, y))
    assert (known.solver_, len(known.nets_), known.nets_[0].sizes) == ("adam", 5, (3, 64, 64, 1))
    assert known.why_ == "eval_set is for small steps: Adam"
    slow = NetworkRegressor(early_stopping=True, learning_rate_init=0.01, max_iter=2).fit(X, y)
    assert (slow.solver_, slow.why_) == ("adam", "early_stopping and learning_rate_init are for small steps: Adam")
    penalised = NetworkRegressor(alpha=0.1, max_iter=2).fit(X, y)
    assert (penalised.solver_, penalised.net_.l2) == ("lbfgs", 0.1 / 40)
    assert penalised.why_ == "alpha is for solvers that do not find the penalties themselves: lbfgs"
    named = NetworkRegressor(solver="lbfgs", random_state=0, max_iter=2).fit(X, y)
    assert (named.solver_, named.why_, named.net_.sizes) == ("lbfgs", "as asked for", (3, 32, 1))
    with unittest.mock.patch.object(solving, "FEW", 30):
        steps = NetworkClassifier(random_state=0, max_iter=2).fit(*classes(60))
    assert (steps.solver_, len(steps.nets_)) == ("adam", 5)
    assert all(len(history.validation) == 2 for history in steps.histories_)


def test_what_is_asked_for_is_done() -> None:
    """Hidden layers, activations, rules, schedules and penalties are those asked for, by name or as objects."""
    X, y = numbers(40)

    def net_of(**options: Any) -> Network:
        return NetworkRegressor(**{"random_state": 0, "max_iter": 2, "solver": "adam", **options}).fit(X, y).net_

    assert net_of(hidden_layer_sizes=7).sizes == (3, 7, 1)
    assert net_of(hidden_layer_sizes=()).sizes == (3, 1)
    assert net_of(hidden_layer_sizes=np.array([4, 2])).sizes == (3, 4, 2, 1)
    named = [row.name for row in net_of(hidden_layer_sizes=(4, 2), activation=["relu", "gelu"]).f[1:]]
    assert named == ["relu", "gelu", "identity"]
    found = NetworkRegressor(solver=rule("adam", clip=0.5), max_iter=2, **QUICK).fit(X, y)
    assert found.solver_ == "adam"
    assert hasattr(found, "partial_fit")
    rates = NetworkRegressor(solver="adam", max_iter=3, learning_rate=schedule("step", every=1), **QUICK).fit(X, y)
    assert np.allclose(np.diff(np.log(rates.history_.learning_rates)), np.log(0.5))
    assert {kind.__name__ for kind in (NetworkRegressor, NetworkClassifier)} == {
        "NetworkRegressor",
        "NetworkClassifier",
    }


def test_learning_rates_go_as_in_scikit_learn() -> None:
    """invscaling goes by the patterns seen, adaptive falls to a fifth where training would end, and then ends it."""
    X, y = numbers(40)
    options = {"solver": "sgd", "learning_rate_init": 0.1, **QUICK}
    found = NetworkRegressor(learning_rate="invscaling", power_t=0.3, max_iter=4, tol=0.0, **options).fit(X, y)
    assert found.history_.learning_rates == pytest.approx([0.1 / (40 * n + 1) ** 0.3 for n in range(4)])
    found = NetworkRegressor(learning_rate="adaptive", tol=0.1, n_iter_no_change=3, max_iter=500, **options).fit(X, y)
    rates = np.array(found.history_.learning_rates)
    assert rates[-1] <= 1e-6 < rates[-5]
    assert np.allclose(np.unique(np.round(np.log(rates / 0.1) / np.log(0.2), 6)), np.arange(9))
    assert found.n_iter_ < 500
    plain = NetworkRegressor(tol=0.1, n_iter_no_change=3, max_iter=500, **options).fit(X, y)
    assert plain.n_iter_ == int(np.argmin(rates == 0.1))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"solver": "adma"}, "solver must be a Rule or one of auto, sgd, bayesian"),
        ({"solver": 3}, "solver must be"),
        ({"hidden_layer_sizes": 0}, "hidden_layer_sizes must be whole numbers from 1 up"),
        ({"hidden_layer_sizes": (3, 2.5)}, "hidden_layer_sizes must be"),
        ({"hidden_layer_sizes": "ten"}, "hidden_layer_sizes must be"),
        ({"activation": "tahn"}, "activation must be one of"),
        ({"activation": ["tanh", "tanh"]}, "activation must be one name, or one for each of the 1 hidden layers"),
        ({"activation": 3}, "activation must be one name"),
        ({"alpha": -1}, "alpha must be a number from 0 up; got -1"),
        ({"alpha": np.inf}, "alpha must be"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1 up; got 0"),
        ({"batch_size": "all"}, "batch_size must be"),
        ({"learning_rate": "fast"}, "learning_rate must be a Schedule or one of invscaling, adaptive, constant"),
        ({"learning_rate": 0.1}, "learning_rate must be .* How large it is says learning_rate_init"),
        ({"learning_rate_init": 0}, "learning_rate_init must be a number above 0; got 0"),
        ({"max_iter": 0}, "max_iter must be a whole number from 1 up"),
        ({"max_iter": 2.0}, "max_iter must be"),
        ({"max_iter": True}, "max_iter must be"),
        ({"tol": -1}, "tol must be"),
        ({"momentum": 1.5}, "momentum must be a number from 0 to 1"),
        ({"beta_1": 1.0}, "beta_1 must be"),
        ({"epsilon": 0}, "epsilon must be"),
        ({"validation_fraction": 1}, "validation_fraction must be a number above 0 and below 1; got 1"),
        ({"n_iter_no_change": 0}, "n_iter_no_change must be"),
        ({"max_fun": 0}, "max_fun must be"),
        ({"ensemble": 0}, "ensemble must be a whole number from 1 up"),
        ({"power_t": "x"}, "power_t must be"),
        ({"shuffle": "no"}, "shuffle must be True or False; got 'no'"),
        ({"early_stopping": 1}, "early_stopping must be True or False or None"),
        ({"warm_start": None}, "warm_start must be True or False"),
        ({"verbose": -1}, "verbose must be"),
        ({"combine": "sum"}, "combine must be 'mean' or 'median'; got 'sum'"),
        ({"missing": "zero"}, "missing must be None or 'mean'; got 'zero'"),
        ({"loss": "sqaured_error"}, "loss must be one of squared_error, log_loss.* Did you mean 'squared_error'"),
        ({"solver": "bayes"}, "solver must be a Rule or one of .* Did you mean 'bayesian'"),
        ({"solver": "bayesian", "engine": "gpu"}, "engine must be"),
        ({"engine": "gpu"}, "engine must be"),
        ({"relevance": True}, "relevance must be False for solver 'adam'; got True"),
        ({"solver": "bayesian", "early_stopping": True}, "early_stopping must be left out for solver 'bayesian'"),
    ],
)
def test_what_cannot_be_done_is_said(options: dict[str, Any], sentence: str) -> None:
    """What is asked for and cannot be done is refused when fit is called, with one sentence."""
    X, y = numbers(20)
    with pytest.raises(ValueError, match=f"^({sentence})"):
        NetworkRegressor(**{"hidden_layer_sizes": (3,), "solver": "adam", **options}).fit(X, y)


def test_what_cannot_be_done_with_patterns_is_said() -> None:
    """The same of what is given to the methods."""
    X, y = numbers(20)
    found = NetworkRegressor(solver="adam", max_iter=2, **QUICK).fit(X, y)
    for eval_set, sentence in (
        (X, "eval_set must be"),
        ([], "eval_set must be"),
        ((X, y, np.zeros(20)), "sample_weight|Sample weights"),
        ((X, np.column_stack([y, y])), "y must have 1 outputs, as in training; got 2"),
    ):
        with pytest.raises(ValueError, match=f"^({sentence})"):
            clone(found).fit(X, y, eval_set=eval_set)
    with pytest.raises(ValueError, match=r"^eval_set must be left out for solver 'bayesian'"):
        NetworkRegressor(solver="bayesian").fit(X, y, eval_set=(X, y))
    for q in ((0.0, 0.5), 1.2, ("a",), [[0.5]]):
        with pytest.raises(ValueError, match=r"quantiles must|could not convert"):
            found.predict_quantiles(X, q)
    assert found.predict_quantiles(X, 0.5).shape == (20, 1)
    kinds, names = classes(20, 2)
    for class_weight in ({"oak": 1}, {"ash": -1}, "balnced", 3):
        with pytest.raises(ValueError, match=r"^class_weight must"):
            NetworkClassifier(class_weight=class_weight).fit(kinds, names)
    with pytest.raises(ValueError, match=r"^y must hold two classes or more; got only one class"):
        NetworkClassifier().fit(kinds, np.full(20, "ash"))
    with pytest.raises(ValueError, match=r"^combine must be 'mean' for slopes of probabilities"):
        NetworkClassifier(combine="median", **QUICK).fit(kinds, names).input_gradient(kinds)
    with pytest.raises(ValueError, match=r"^y must hold a known target of a pattern with a weight above 0; got none"):
        NetworkRegressor().fit(X, np.full((20, 2), np.nan))
    with pytest.raises(ValueError, match=r"^y must hold a known target"):
        NetworkClassifier(class_weight={"ash": 0, "beech": 0}).fit(kinds, names)
    with pytest.raises(ValueError, match="requires y to be passed"):
        NetworkRegressor().fit(X, None)
    with pytest.raises(ValueError, match=r"^calibrate must be True or False"):
        NetworkClassifier(calibrate="yes").fit(kinds, names)
    one = NetworkClassifier(combine="median", ensemble=3, solver="adam", max_iter=5, **QUICK).fit(kinds, names)
    each = [forward(net, one._seen(kinds)).y[-1][:, 0] for net in one.nets_]
    np.testing.assert_allclose(one.predict_proba(kinds)[:, 1], np.median(each, axis=0))


def test_relevance_finds_the_columns_that_matter() -> None:
    """relevance=True has a penalty for each input, large for those that do not matter; posteriors_ holds them."""
    random = np.random.default_rng(0)
    X = random.normal(size=(80, 3))
    y = np.sin(2 * X[:, 0]) + 0.1 * random.normal(size=80)
    found = NetworkRegressor(solver="bayesian", relevance=True, ensemble=2, **QUICK).fit(X, y)
    for posterior in found.posteriors_:
        alpha = dict(zip(posterior.groups, posterior.alpha, strict=True))
        assert 10 * alpha["w[1][:,0]"] < min(alpha["w[1][:,1]"], alpha["w[1][:,2]"])
    assert not hasattr(found.set_params(solver="lbfgs", relevance=False, ensemble=1).fit(X, y), "posteriors_")


# --------------------------------------------------------------------------------------------------------------- losses


def test_losses_by_scikit_learns_and_by_their_own_names() -> None:
    """squared_error is sse; Poisson counts in any unit; huber and absolute; shares; an objective of one's own."""
    X, y = numbers(80)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    quick = {"solver": "lbfgs", "max_iter": 40, **QUICK}
    assert same(NetworkRegressor(**quick).fit(X, y), NetworkRegressor(loss="sse", **quick).fit(X, y))
    counts = np.random.default_rng(0).poisson(np.exp(1 + 0.5 * z[:, 0]))
    poisson = NetworkRegressor(loss="poisson", **quick).fit(X, counts)
    assert poisson.out_activation_ == "exp"
    assert (poisson.predict(X) > 0).all()
    np.testing.assert_allclose(
        NetworkRegressor(loss="poisson", **quick).fit(X, 4 * counts).predict(X), 4 * poisson.predict(X)
    )
    spoiled = y.copy()
    spoiled[::10] += 1000
    off = [
        np.median(np.abs(NetworkRegressor(loss=loss, **quick).fit(X, spoiled).predict(X) - y))
        for loss in ("absolute", "huber", "squared_error")
    ]
    assert off == sorted(off)
    assert off[0] < 10
    shares = 1 / (1 + np.exp(-z[:, 0]))
    share = NetworkRegressor(loss="cross_entropy", **quick).fit(X, shares)
    assert share.out_activation_ == "logistic"
    assert share.score(X, shares) > 0.99
    with pytest.raises(ValueError, match=r"^targets must lie between 0 and 1"):
        NetworkRegressor(loss="cross_entropy", **quick).fit(X, y)
    own = Objective("quartic", lambda t, y: (t - y) ** 4 / 4, lambda t, y: (t - y) ** 3)
    assert NetworkRegressor(loss=own, **quick).fit(X, y).score(X, y) > 0.8
    bayes = NetworkRegressor(loss="poisson", ensemble=2, **{**quick, "solver": "bayesian"}).fit(X, counts)
    assert (bayes.predict(X, return_std=True)[1] > 0).all()


def test_classes_by_the_sum_of_squares() -> None:
    """A classifier may minimise the sum of squares of its probabilities, by second-order steps too."""
    X, y = classes(60)
    found = NetworkClassifier(loss="squared_error", solver="levenberg_marquardt", max_iter=20, **QUICK).fit(X, y)
    assert found.out_activation_ == "softmax"
    assert found.score(X, y) > 0.7


# ------------------------------------------------------------------------------------------- warnings, progress, Ctrl-C


def test_training_that_is_not_at_rest_is_warned_of() -> None:
    """Where training ended at max_iter or max_fun, a warning says which; where E no longer fell, there is none."""
    X, y = numbers(60)
    with pytest.warns(ConvergenceWarning, match=r"^max_iter must be large enough .* got 3, and E"):
        NetworkRegressor(solver="adam", max_iter=3, **QUICK).fit(X, y)
    with pytest.warns(ConvergenceWarning, match=r"^max_fun must be large enough .* got 5, and E"):
        NetworkRegressor(solver="lbfgs", max_fun=5, **QUICK).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NetworkRegressor(solver="adam", tol=1e9, n_iter_no_change=40, **QUICK).fit(X, y)
        NetworkRegressor(ensemble=2, **QUICK).fit(X, y)
        NetworkRegressor(solver="adam", **QUICK).partial_fit(X, y)


def test_networks_that_are_of_no_use_are_warned_of() -> None:
    """If all networks are worse than a constant on their own patterns, a warning says so."""
    X, y = numbers(60)
    model = NetworkRegressor(solver="sgd", learning_rate_init=1e-9, max_iter=2, ensemble=2, **QUICK)
    with pytest.warns(WorseThanConstant):
        model.fit(X, y)


def test_a_run_that_diverges_names_the_column() -> None:
    """A run that diverges says so, and which column is largest by its name."""
    X, y = numbers(60)
    X[7, 1] = 1e6
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    for columns, name in ((frame, "'b'"), (X, "'x1'")):
        with pytest.raises(Diverged, match=f"column {name}, standardised"):
            NetworkRegressor(solver="gradient_descent", learning_rate_init=1e6, **QUICK).fit(columns, y)


@pytest.mark.parametrize("solver", ["bayesian", "lbfgs", "adam"])
def test_callbacks_see_every_epoch_and_may_stop(solver: str) -> None:
    """Callbacks are called after each epoch, of all networks; one that returns True stops its run."""
    X, y = numbers(40)
    epochs: list[int] = []

    def watch(run: Any) -> bool:
        epochs.append(run.epoch)
        return bool(run.epoch == 3)

    found = NetworkRegressor(solver=solver, ensemble=2, max_iter=20, callbacks=[watch], **QUICK).fit(X, y)
    assert sorted(epochs) == [1, 1, 2, 2, 3, 3]
    assert [history.stopped for history in found.histories_] == ["stopped by watch"] * 2


def test_verbose_shows_progress(capfd: pytest.CaptureFixture[str]) -> None:
    """verbose=True shows progress on standard error; without it nothing is said anywhere."""
    X, y = numbers(40)
    NetworkRegressor(solver="adam", max_iter=3, **QUICK).fit(X, y)
    assert capfd.readouterr() == ("", "")
    for verbose, ensemble, word in ((True, 1, "epoch"), (2, 2, "networks")):
        NetworkRegressor(solver="adam", max_iter=3, verbose=verbose, ensemble=ensemble, **QUICK).fit(X, y)
        assert word in capfd.readouterr().err


def test_ctrl_c_keeps_the_best_weights_so_far() -> None:
    """Ctrl-C is raised, and a single network is there with its weights so far."""
    X, y = numbers(40)

    def interrupt(run: Any) -> None:
        if run.epoch == 4:
            raise KeyboardInterrupt

    model = NetworkRegressor(solver="adam", callbacks=[interrupt], **QUICK)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 4
    assert np.isfinite(model.predict(X, return_std=True)).all()


@pytest.mark.parametrize("solver", ["bayesian", "levenberg_marquardt", "lbfgs", "adam"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_ctrl_c_among_several_networks_leaves_what_there_was(
    solver: str, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is raised as itself, so that a search ends too, and the estimator stays as it was before fit."""
    monkeypatch.setenv("CHAINRULE_THREADS", threads)
    X, y = numbers(40)
    told = []

    def interrupt(run: Any) -> None:
        told.append(run.epoch)
        if len(told) > 4:
            raise KeyboardInterrupt

    model = NetworkRegressor(solver=solver, ensemble=3, max_iter=20, **QUICK).fit(X, y)
    before = model.predict(X)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callbacks=[interrupt]).fit(X[::-1] * 2, y)
    assert np.array_equal(model.predict(X), before)
    told.clear()
    fresh = clone(model)
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(fresh, {"max_iter": [10, 20]}, cv=2, error_score=np.nan).fit(X, y)
    assert not hasattr(fresh, "nets_")


def test_a_fit_that_fails_leaves_what_there_was() -> None:
    """Columns, classes and networks are those of the last fit that succeeded."""
    X, y = classes(30)
    model = NetworkClassifier(max_iter=5, **QUICK).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="only one class, 'oak'"):
        model.fit(X[:, :1], np.full(30, "oak"))
    assert np.array_equal(model.predict_proba(X), before)


def test_weights_that_are_shares() -> None:
    """Weights none of which is above 1 are shares: their sum means nothing, and those of AdaBoost train networks."""
    X, y = numbers(60)
    shares = (np.arange(60) % 5 + 1) / 180.0
    model = NetworkRegressor(**QUICK, ensemble=2)
    found = [
        clone(model).fit(X, y, s).predict(X, return_std=True) for s in (shares, shares * 3, shares / shares.mean())
    ]
    assert np.allclose(found[0], found[1], rtol=1e-6)
    assert np.allclose(found[0], found[2], rtol=1e-6)
    assert r2_score(y, found[0][0]) > 0.9
    of_classes = classes(60)
    boosted = AdaBoostClassifier(NetworkClassifier(max_iter=50, **QUICK), n_estimators=3).fit(*of_classes)
    assert boosted.score(*of_classes) > 0.7


def test_warm_start_goes_on_with_the_same_networks_only() -> None:
    """What the networks cannot become is refused, each by its own name; a step size may change."""
    X, y = numbers(40)
    model = NetworkRegressor(solver="adam", warm_start=True, max_iter=3, **QUICK).fit(X, np.abs(y))
    for change in ({"loss": "huber"}, {"activation": "relu"}, {"ensemble": 3}):
        with pytest.raises(ValueError, match=f"^{next(iter(change))} must stay as it is where training goes on; got"):
            clone(model).fit(X, y).set_params(**change).fit(X, y)
    model.set_params(learning_rate_init=0.01, ensemble=1, activation=["tanh"]).fit(X, y)


def test_columns_that_vary_later_are_learned() -> None:
    """Of the first rows of partial_fit a column may be the same: it is not left out for ever."""
    X, y = numbers(80)
    model = NetworkRegressor(solver="adam", learning_rate_init=0.01, **QUICK)
    rows = (X - X.mean(axis=0)) / X.std(axis=0)
    model.partial_fit(rows[:1], y[:1])
    for _ in range(300):
        model.partial_fit(rows, y)
    assert r2_score(y, model.predict(rows)) > 0.7


def test_partial_fit_has_no_end() -> None:
    """A learning rate that must know how many epochs there will be is refused."""
    model = NetworkRegressor(solver="adam", **QUICK)
    for rate in ("cosine", schedule("cosine", least=0.1)):
        with pytest.raises(ValueError, match=r"^learning_rate must not depend on how many epochs .* got 'cosine'"):
            clone(model).set_params(learning_rate=rate).partial_fit(*numbers(20))
    for rate in ("constant", "invscaling", "adaptive", "step", "plateau"):
        clone(model).set_params(learning_rate=rate).partial_fit(*numbers(20))


def test_labels_may_be_missing() -> None:
    """A label that is NaN is not learned from: others of its pattern are, as if the gap were not there."""
    X, y = labels(80)
    gaps = y.astype(float)
    gaps[::4, 0] = np.nan
    quick = {"max_iter": 60, **QUICK}
    model = NetworkClassifier(**quick).fit(X, gaps)
    assert model.score(X, y) > 0.5
    assert set(np.unique(model.predict(X))) == {0, 1}
    other = gaps.copy()
    other[::4, 0] = 1 - y[::4, 0]
    assert not np.allclose(NetworkClassifier(**quick).fit(X, other).predict_proba(X), model.predict_proba(X))
    known = ~np.isnan(gaps)
    p = np.clip(model.predict_proba(X), 1e-300, 1)
    expected = np.where(known, np.where(y == 1, np.log(p), np.log1p(-p)), 0).sum(axis=1)
    assert model.log_likelihood(X, gaps) == pytest.approx(expected)


def test_outliers_do_not_set_the_scale_of_an_objective_that_shrugs_them_off() -> None:
    """By huber and absolute, targets are scaled by their quartiles, of which some numbers far away are no part."""
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 3))
    y = X[:, 0] * X[:, 1] + 0.1 * random.normal(size=300)
    off = y.copy()
    off[::40] += 300
    for loss in ("huber", "absolute"):
        model = NetworkRegressor(loss=loss, solver="adam", max_iter=150, learning_rate_init=0.01, random_state=0)
        assert r2_score(y, model.fit(X, off).predict(X)) > 0.8
    weights = random.integers(1, 4, 300)
    repeated = np.repeat(np.arange(300), weights)
    one, other = (
        NetworkRegressor(loss="huber", solver="lbfgs", max_iter=20, **QUICK).fit(*given)
        for given in ((X, off, weights), (X[repeated], off[repeated]))
    )
    assert np.array_equal(one.predict(X), other.predict(X))


def test_gaps_are_refused_with_what_to_do() -> None:
    """NaN among the inputs: how to fill it, and in sparse arrays that they must be dense."""
    X, y = numbers(20)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"^X must be without gaps; .* Set missing='mean' to fill them\.$"):
        NetworkRegressor(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match=r"^X must be without gaps; .* Pass it as a dense array\.$"):
        NetworkRegressor(missing="mean", **QUICK).fit(scipy.sparse.csr_array(X), y)


def test_rules_and_schedules_of_the_library_are_saved(tmp_path: Path) -> None:
    """With constants of their own they are data; a rule of one's own is not."""
    X, y = numbers(30)
    chosen = {"solver": rule("adam", beta_1=0.8), "learning_rate": schedule("cosine", warm_up=2)}
    model = NetworkRegressor(max_iter=4, **chosen, **QUICK).fit(X, y)
    model.save(tmp_path / "m")
    again = NetworkRegressor.load(tmp_path / "m")
    assert (again.solver, again.learning_rate) == (chosen["solver"], chosen["learning_rate"])
    assert np.array_equal(again.predict(X), model.predict(X))
    with pytest.raises(BadFile, match=r"it holds a NetworkRegressor\. Use NetworkRegressor\.load\.$"):
        NetworkClassifier.load(tmp_path / "m")
    with pytest.raises(ValueError, match="An estimator has a save of its own"):
        save(model, tmp_path / "n")


# ------------------------------------------------------------------------------------------------- among scikit-learn's


def test_they_work_in_pipelines_and_searches() -> None:
    """Cross-validation, a search over parameters, a pipeline, bagging and calibration take them as they are."""
    X, y = numbers(60)
    quick = {"solver": "adam", "max_iter": 15, **QUICK}
    assert cross_val_score(NetworkRegressor(**quick), X, y, cv=2).shape == (2,)
    search = GridSearchCV(
        make_pipeline(PCA(2), NetworkRegressor(**quick)), {"networkregressor__alpha": [1e-4, 1.0]}, cv=2
    )
    assert search.fit(X, y).best_score_ < 1
    of_classes = classes(60)
    assert cross_val_predict(NetworkClassifier(**quick), *of_classes, cv=2, method="predict_proba").shape == (60, 3)
    calibrated = CalibratedClassifierCV(NetworkClassifier(**quick), cv=2).fit(*of_classes)
    assert calibrated.predict_proba(of_classes[0]).shape == (60, 3)
    dumb = NetworkRegressor(**quick)
    assert "NetworkRegressor" in dumb._repr_html_()
    said = "NetworkRegressor(hidden_layer_sizes=(5,), max_iter=15, random_state=0, solver='adam')"
    assert " ".join(repr(dumb).split()) == said
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    with sklearn.config_context(transform_output="pandas"):
        piped = make_pipeline(StandardScaler(), NetworkRegressor(**quick)).fit(frame, y)
    assert [*piped[-1].feature_names_in_] == ["a", "b", "c"]


def test_weights_and_patterns_to_stop_by_are_routed() -> None:
    """Where metadata is routed, sample_weight, eval_set and return_std are asked for as of any estimator."""
    X, y = numbers(40)
    quick = {"solver": "adam", "max_iter": 5, **QUICK}
    with sklearn.config_context(enable_metadata_routing=True):
        model = NetworkRegressor(**quick).set_fit_request(sample_weight=True, eval_set=True)
        pipe = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=True), model.set_predict_request(return_std=True)
        )
        weights = np.arange(40) % 3 + 0.0
        pipe.fit(X, y, sample_weight=weights, eval_set=((X - X.mean(axis=0)) / X.std(axis=0), y))
        assert len(pipe.predict(X, return_std=True)) == 2
    assert pipe[-1].validation_scores_ is not None


def test_random_state_decides_everything() -> None:
    """The same number gives the same networks, another others; a generator goes on; None is another each time."""
    X, y = numbers(40)
    quick = {"solver": "adam", "hidden_layer_sizes": (3,), "max_iter": 2, "ensemble": 2, "early_stopping": True}
    fitted = [NetworkRegressor(random_state=seed, **quick).fit(X, y) for seed in (0, 0, 1, None, None)]
    assert same(fitted[0], fitted[1])
    assert not any(same(one, other) for one, other in itertools.combinations(fitted[1:], 2))
    random = np.random.RandomState(0)
    first = NetworkRegressor(random_state=random, **quick).fit(X, y)
    assert same(first, fitted[0])
    assert not same(first, NetworkRegressor(random_state=random, **quick).fit(X, y))
    assert not np.array_equal(*(net.theta for net in first.nets_))
