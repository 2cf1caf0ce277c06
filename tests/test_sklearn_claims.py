"""Claim: what scikit-learn's own tests say of its MLPs holds here too, where it means the same.

Restated, not copied. Where the meaning differs on purpose, the test says what holds instead, and docs/from-sklearn.md
why.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import (
    load_digits,
    load_iris,
    make_classification,
    make_multilabel_classification,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import scale

from chainrule import Diverged, Network, NetworkClassifier, NetworkRegressor, check, forward, train

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::chainrule.WorseThanConstant"),
]

Kind = type[NetworkClassifier] | type[NetworkRegressor]
BOTH = pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
ACTIVATIONS = pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
IRIS = load_iris(return_X_y=True)


def digits(number: int, rows: int = 200) -> tuple[Any, Any]:
    """The first digits, so many of ten, between 0 and 1."""
    X, y = load_digits(n_class=number, return_X_y=True)
    return X[:rows] / 16, y[:rows]


def noisy() -> tuple[Any, Any]:
    """A linear truth with noise as large as itself."""
    X, y = make_regression(n_samples=200, n_features=10, bias=20.0, noise=100.0, random_state=7)
    return X, scale(y)


# ----------------------------------------------------------------------------------------------- penalty and gradient


def test_a_larger_alpha_makes_weights_smaller() -> None:
    """Weights of every layer shrink as alpha grows."""
    X, y = digits(2, 100)
    sums = [
        [
            np.abs(w).sum()
            for w in NetworkClassifier(hidden_layer_sizes=10, alpha=alpha, random_state=1).fit(X, y).coefs_
        ]
        for alpha in (0.0, 1.0, 10.0)
    ]
    assert (np.diff(sums, axis=0) < 0).all()


def test_one_update_is_the_one_worked_out_by_hand() -> None:
    """The update that scikit-learn's test works out by hand, of one pattern, with a penalty on weights alone."""
    w = [np.array([[0.1, 0.3, 0.5], [0.2, 0.1, 0.0]]), np.array([[0.1, 0.2]])]
    b = [np.array([0.1, 0.1]), np.array([1.0])]
    net = Network.from_weights(w, b, activations=["logistic", "logistic"], objective="cross_entropy", l2=0.1)
    pattern = np.array([[0.6, 0.8, 0.7]])
    net, _ = train(net, pattern, [[0.0]], "gradient_descent", 0.1, 1, warn=False)
    np.testing.assert_allclose(net.w[1], [[0.098, 0.2956664, 0.4939998], [0.195756, 0.096008, -0.002244]], atol=5e-4)
    np.testing.assert_allclose(net.w[2], [[0.04706, 0.154089]], atol=5e-4)
    np.testing.assert_allclose(net.b[1], [0.098333, 0.09626], atol=5e-4)
    np.testing.assert_allclose(net.b[2], [0.9235], atol=5e-4)
    assert forward(net, pattern).y[-1][0, 0] == pytest.approx(0.739, abs=5e-4)


@ACTIVATIONS
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_gradient_is_right(activation: str, outputs: int) -> None:
    """Of every activation, for classes and for several outputs, where scikit-learn's differs from its loss (#8349)."""
    random = np.random.default_rng(42)
    X, y = random.random((8, 10)), random.random((8, outputs))
    quick: dict[str, Any] = {"activation": activation, "hidden_layer_sizes": 10, "solver": "lbfgs", "max_iter": 1}
    assert NetworkRegressor(random_state=1, **quick).fit(X, y[:, 0] if outputs == 1 else y).certificate_.ok
    found = NetworkClassifier(random_state=1, **quick).fit(X, np.arange(8) % (outputs + 1))
    assert found.certificate_.ok
    t = found._learned(np.arange(8) % (outputs + 1), np.ones(8), None, reset=False)
    assert check(found.net_, found._seen(X), t).ok


# ------------------------------------------------------------------------------------------------------------ L-BFGS


@ACTIVATIONS
@pytest.mark.parametrize("number", [2, 3])
def test_lbfgs_learns_digits(activation: str, number: int) -> None:
    """More than 95 % are right, of two classes and of three, and predictions are of the type of the classes."""
    X, y = digits(number)
    found = NetworkClassifier(
        solver="lbfgs", hidden_layer_sizes=50, max_iter=150, alpha=1e-4, random_state=1, activation=activation
    ).fit(X[:150], y[:150])
    said = found.predict(X[150:])
    assert found.score(X[:150], y[:150]) > 0.95
    assert (said.shape, said.dtype.kind) == ((len(X) - 150,), y.dtype.kind)


@ACTIVATIONS
def test_lbfgs_fits_numbers(activation: str) -> None:
    """R² is above 0.98 with hidden layers that bend, and 0.8 without; tol is the slope at which it ends."""
    X, y = noisy()
    found = NetworkRegressor(
        solver="lbfgs", hidden_layer_sizes=50, max_iter=200, tol=1e-3, alpha=1e-4, random_state=1, activation=activation
    ).fit(X, y)
    assert found.score(X, y) > (0.80 if activation == "identity" else 0.98)


@BOTH
def test_max_fun_limits_lbfgs(kind: Kind) -> None:
    """E is evaluated at most so often, and that it was not enough is warned of."""
    X, y = digits(3)
    model = kind(solver="lbfgs", max_iter=150, max_fun=10, tol=0.0, random_state=1)
    with pytest.warns(ConvergenceWarning, match="max_fun"):
        model.fit(X, y)
    assert model.n_iter_ <= 10


# ------------------------------------------------------------------------------------------ labels, several outputs


def test_several_labels_are_learned() -> None:
    """By L-BFGS, by epochs one by one, and with patterns kept apart."""
    X, y = make_multilabel_classification(n_samples=50, random_state=0, return_indicator=True)
    common: dict[str, Any] = {"hidden_layer_sizes": 50, "random_state": 0, "activation": "logistic", "alpha": 1e-5}
    assert NetworkClassifier(solver="lbfgs", max_iter=150, **common).fit(X, y).score(X, y) > 0.97
    steps = NetworkClassifier(solver="sgd", learning_rate_init=0.2, **common)
    for _ in range(100):
        steps.partial_fit(X, y, classes=[0, 1, 2, 3, 4])
    assert steps.score(X, y) > 0.9
    stopped = NetworkClassifier(solver="adam", early_stopping=True, random_state=0).fit(X, y)
    assert stopped.predict(X).shape == y.shape


def test_several_outputs_are_learned() -> None:
    """R² of five outputs is above 0.9."""
    X, y = make_regression(n_samples=200, n_targets=5, random_state=11)
    found = NetworkRegressor(solver="lbfgs", hidden_layer_sizes=50, max_iter=200, tol=1e-2, random_state=1).fit(X, y)
    assert found.score(X, y) > 0.9


# ------------------------------------------------------------------------------------------------------- partial_fit


def test_partial_fit_wants_the_same_classes() -> None:
    """Classes cannot change from call to call, and y must be among those that were named."""
    model = NetworkClassifier(solver="sgd").partial_fit([[3, 2]], [0], classes=[0, 1])
    with pytest.raises(ValueError, match="classes must stay"):
        model.partial_fit([[3, 2]], [0], classes=[1, 2])
    with pytest.raises(ValueError, match="two classes or more"):
        NetworkClassifier(solver="sgd").partial_fit([[3, 2], [1, 6]], [1, 0], classes=[2])
    with pytest.raises(ValueError, match="one of the classes"):
        NetworkClassifier(solver="sgd").partial_fit([[3, 2], [1, 6]], [1, 0], classes=[2, 3])
    assert not hasattr(NetworkClassifier(solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize("number", [2, 3])
def test_epochs_one_by_one_classify_as_at_once(number: int) -> None:
    """100 calls of partial_fit predict what fit does with 100 epochs, and well."""
    X, y = digits(number)
    common: dict[str, Any] = {"solver": "sgd", "random_state": 1, "alpha": 1e-5, "learning_rate_init": 0.2}
    at_once = NetworkClassifier(max_iter=100, tol=0, n_iter_no_change=1000, **common).fit(X, y)
    parts = NetworkClassifier(**common)
    for _ in range(100):
        parts.partial_fit(X, y, classes=np.unique(y))
    assert np.array_equal(at_once.predict_proba(X), parts.predict_proba(X))
    assert parts.score(X, y) > 0.95


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_epochs_one_by_one_regress_as_at_once(momentum: float) -> None:
    """The same for numbers, with momentum and without."""
    X, y = noisy()
    common: dict[str, Any] = {"solver": "sgd", "activation": "relu", "random_state": 1, "learning_rate_init": 0.01}
    common |= {"batch_size": 200, "momentum": momentum}
    at_once = NetworkRegressor(max_iter=100, **common).fit(X, y)
    parts = NetworkRegressor(**common)
    for _ in range(100):
        parts.partial_fit(X, y)
    assert np.array_equal(at_once.predict(X), parts.predict(X))
    assert parts.score(X, y) > 0.65


def test_a_class_may_come_later_if_it_was_named() -> None:
    """Classes may be texts, and one that was named may come in a later call."""
    model = NetworkClassifier(random_state=0)
    model.partial_fit([[1], [2], [3]], ["a", "b", "c"], classes=["a", "b", "c", "d"])
    model.partial_fit([[4]], ["d"])
    assert model.score([[1], [2], [3], [4]], ["a", "b", "c", "d"]) > 0


def test_a_loaded_network_learns_on(tmp_path: Path) -> None:
    """What joblib or pickle loads learns a new target; here the columns keep the scaling of the first patterns."""
    X, y = noisy()
    before = NetworkRegressor(solver="adam", hidden_layer_sizes=(42,), random_state=42, max_iter=20).fit(X, y)
    joblib.dump(before, tmp_path / "model")
    for model in (joblib.load(tmp_path / "model"), pickle.loads(pickle.dumps(before))):
        for _ in range(300):
            model.partial_fit(X[:1], [1.0])
        assert model.predict(X[:1]) == pytest.approx([1.0], rel=1e-3)


# ------------------------------------------------------------------------------------------------------- probabilities


def test_probabilities_of_two_classes() -> None:
    """Probabilities and their logarithms agree, and divide the digits 0 and 1 wholly."""
    X, y = digits(2, 50)
    found = NetworkClassifier(hidden_layer_sizes=5, activation="logistic", random_state=1).fit(X, y)
    p, logs = found.predict_proba(X), found.predict_log_proba(X)
    assert p.shape == (50, 2)
    np.testing.assert_allclose(logs, np.log(p))
    assert roc_auc_score(y, p[:, 1]) == 1


def test_probabilities_of_more_classes() -> None:
    """The same for three classes, of which each row sums to 1."""
    X, y = digits(3, 10)
    p = NetworkClassifier(hidden_layer_sizes=5, random_state=1).fit(X, y).predict_proba(X)
    assert p.shape == (10, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_probabilities_of_labels_do_not_sum_to_1() -> None:
    """Each label has a probability of its own."""
    X, y = make_multilabel_classification(n_samples=50, random_state=0, return_indicator=True)
    found = NetworkClassifier(solver="lbfgs", hidden_layer_sizes=30, random_state=0, alpha=1e-4).fit(X, y)
    p = found.predict_proba(X)
    assert np.array_equal(p > 0.5, y)
    assert np.abs(p.sum(axis=1) - 1).max() > 0.1
    np.testing.assert_allclose(np.exp(found.predict_log_proba(X)), p)


# ----------------------------------------------------------------------------------------------- order, sparse, types


def test_shuffle_matters() -> None:
    """The same seed gives the same weights, shuffled or not, and shuffling changes them."""
    X, y = make_regression(n_samples=50, n_features=5, random_state=0)
    common: dict[str, Any] = {"solver": "adam", "hidden_layer_sizes": 1, "max_iter": 1, "batch_size": 1}
    found = {
        (shuffle, n): NetworkRegressor(shuffle=shuffle, random_state=0, **common).fit(X, y).coefs_[0]
        for shuffle in (True, False)
        for n in range(2)
    }
    for shuffle in (True, False):
        assert np.array_equal(found[shuffle, 0], found[shuffle, 1])
    assert not np.array_equal(found[True, 0], found[False, 0])


@pytest.mark.parametrize("form", ["csr_matrix", "csr_array", "csc_array"])
def test_sparse_columns_predict_the_same(form: str) -> None:
    """Trained on sparse columns or dense ones, and whichever predictions are asked of."""
    X, y = digits(2, 50)
    sparse = getattr(scipy.sparse, form)(X)
    model = NetworkClassifier(solver="lbfgs", hidden_layer_sizes=15, random_state=1)
    expected = model.fit(X, y).predict_proba(X)
    assert np.array_equal(model.predict_proba(sparse), expected)
    assert np.array_equal(model.fit(sparse, y).predict_proba(sparse), expected)
    assert np.array_equal(model.predict_proba(X), expected)


@BOTH
def test_the_type_of_columns_hardly_matters(kind: Kind) -> None:
    """float32 columns predict as float64 ones do. Networks are float64 in either case, which differs on purpose."""
    X, y = load_digits(return_X_y=True)
    common: dict[str, Any] = {"solver": "adam", "hidden_layer_sizes": (5, 3), "random_state": 1, "max_iter": 20}
    found = {dtype: kind(**common).fit(X[:300].astype(dtype), y[:300]) for dtype in ("float32", "float64")}
    said = [one.predict(X[300:].astype(dtype)) for dtype, one in found.items()]
    np.testing.assert_allclose(*said, rtol=1e-6)
    assert all(w.dtype == "float64" for one in found.values() for w in one.coefs_)


# ---------------------------------------------------------------------------------------------------- when it stops


def test_tol_stops() -> None:
    """A large tol stops after few epochs."""
    model = NetworkClassifier(tol=0.5, max_iter=3000, solver="sgd", random_state=0).fit([[3, 2], [1, 6]], [1, 0])
    assert model.n_iter_ < 20


@pytest.mark.parametrize("patience", [2, 5, 10, 50])
def test_so_many_epochs_without_improvement_are_borne(patience: int) -> None:
    """It ends after n_iter_no_change + 1 epochs that did not improve E by tol."""
    X, y = digits(2, 100)
    model = NetworkClassifier(tol=0.01, max_iter=3000, solver="sgd", n_iter_no_change=patience, random_state=0).fit(
        X, y
    )
    losses = np.array(model.loss_curve_)
    least = np.minimum.accumulate(np.concatenate([[np.inf], losses[:-1]]))
    assert (losses > least - 0.01)[-patience - 1 :].all()
    assert not (losses > least - 0.01)[-patience - 2]


def test_with_infinite_patience_all_epochs_run() -> None:
    """n_iter_no_change may be infinite."""
    X, y = digits(2, 100)
    model = NetworkClassifier(tol=1e9, max_iter=300, solver="sgd", n_iter_no_change=np.inf).fit(X, y)
    assert model.n_iter_ == 300


@BOTH
def test_early_stopping_stops_and_keeps_scores(kind: Kind) -> None:
    """Scores of the patterns kept apart are a list, the best is the largest; without them both are None.

    A score is the part of the best constant's E that is explained: R², and for classes not the accuracy.
    """
    X, y = digits(2, 100)
    found = kind(tol=0.2, max_iter=3000, solver="sgd", early_stopping=True, random_state=0).fit(X, y)
    scores = found.validation_scores_
    assert found.n_iter_ < 3000
    assert found.best_loss_ is None
    assert isinstance(scores, list)
    assert len(scores) == found.n_iter_
    assert max(scores) == found.best_validation_score_
    plain = kind(tol=0.2, max_iter=3000, solver="sgd", random_state=0).fit(X, y)
    assert plain.validation_scores_ is plain.best_validation_score_ is None
    assert plain.best_loss_ is not None


def test_the_adaptive_rate_ends_small() -> None:
    """The rate falls until it is below 1e-6, and the run ends before max_iter."""
    model = NetworkClassifier(tol=0.5, max_iter=3000, solver="sgd", learning_rate="adaptive", random_state=0)
    model.fit([[3, 2], [1, 6]], [1, 0])
    assert model.n_iter_ < 3000
    assert model.history_.learning_rates[-1] < 1e-6


def test_classes_with_one_pattern_are_learned() -> None:
    """scikit-learn refuses to keep patterns apart where a class has one alone; here that one is learned from."""
    X, y = [[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]], [0, 0, 0, 0, 1]
    found = NetworkClassifier(solver="adam", early_stopping=True, random_state=0).fit(X, y)
    assert [*found.classes_] == [0, 1]


def test_early_stopping_with_texts_as_classes() -> None:
    """Classes may be texts where patterns are kept apart too; scores are finite."""
    X, y = make_classification(n_samples=200, n_features=10, n_classes=3, n_informative=5, random_state=42)
    names = np.array(["class_a", "class_b", "class_c"], dtype=object)[y]
    found = NetworkClassifier(solver="adam", early_stopping=True, max_iter=50, random_state=42).fit(X, names)
    assert len(found.validation_scores_) == found.n_iter_
    assert np.isfinite(found.validation_scores_).all()


@BOTH
def test_names_of_columns_are_kept_with_early_stopping(kind: Kind) -> None:
    """No warning about names of columns comes from scoring inside."""
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["a", "b"])
    found = kind(solver="adam", early_stopping=True, validation_fraction=0.2, max_iter=5).fit(X, np.arange(20) % 2)
    assert [*found.feature_names_in_] == ["a", "b"]


def test_equal_weights_change_nothing_with_early_stopping() -> None:
    """Weights of 1 are none, where patterns are kept apart too."""
    X, y = make_regression(n_samples=100, n_features=2, n_informative=2, random_state=42)
    common: dict[str, Any] = {"hidden_layer_sizes": 10, "solver": "adam", "early_stopping": True, "batch_size": 10}
    found = [
        NetworkRegressor(tol=1e-2, random_state=42, **common).fit(X, y, sample_weight=s) for s in (None, np.ones(100))
    ]
    assert np.array_equal(*(one.predict(X) for one in found))


def test_too_few_patterns_to_keep_apart_are_said() -> None:
    """In scikit-learn's words for too few rows."""
    X, y = make_regression(n_samples=2, n_features=5, random_state=0)
    with pytest.raises(ValueError, match=r"2 sample\(s\)"):
        NetworkRegressor(solver="adam", early_stopping=True).fit(X, y)


# ------------------------------------------------------------------------------------------------------- warm starts


def test_a_warm_start_wants_the_same_classes() -> None:
    """The same classes are gone on with; one that was not there before is refused."""
    X, y = IRIS
    common: dict[str, Any] = {"hidden_layer_sizes": 2, "solver": "lbfgs", "random_state": 42, "tol": 1e-2}
    found = NetworkClassifier(warm_start=True, **common).fit(X, y)
    found.fit(X, y)
    found.fit(X, np.repeat([0, 1, 2], [40, 40, 70]))
    for other in (np.repeat([0, 1, 3], 50), np.repeat([0, 1, 2, 3], [37, 37, 38, 38])):
        with pytest.raises(ValueError, match=r"^y must be one of the classes \[0 1 2\]; got .*3.* With warm_start"):
            found.fit(X, other)
    found.fit(X, np.repeat([0, 1], 75))  # scikit-learn refuses this too; here a class may be absent


@BOTH
def test_a_warm_start_makes_all_its_epochs(kind: Kind) -> None:
    """n_iter_ is the number of epochs of the last fit, up to max_iter again."""
    model = kind(hidden_layer_sizes=2, solver="sgd", warm_start=True, max_iter=3)
    assert model.fit(*IRIS).n_iter_ == 3
    assert model.fit(*IRIS).n_iter_ == 3


@BOTH
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_warm_start_is_warned_of_each_time(kind: Kind, solver: str) -> None:
    """Each fit that ends at its max_iter is warned of, and makes no more epochs than that."""
    model = kind(solver=solver, warm_start=True, max_iter=10, n_iter_no_change=np.inf, tol=0.0, random_state=0)
    for most in (10, 20):
        model.set_params(max_iter=most)
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            model.fit(*IRIS)
        assert model.n_iter_ == most


@BOTH
def test_a_warm_start_with_early_stopping(kind: Kind) -> None:
    """A warm start begins at the best weights, and scores are those of its own epochs."""
    model = kind(solver="adam", max_iter=10, random_state=0, warm_start=True, early_stopping=True).fit(*IRIS)
    first = model.validation_scores_
    model.set_params(max_iter=20).fit(*IRIS)
    assert len(model.validation_scores_) > len(first)
    assert model.validation_scores_[0] > first[0]


def test_the_rate_goes_on_over_warm_starts() -> None:
    """A constant rate stays, and "invscaling" goes on by the patterns seen before."""
    X, y = [[3, 2], [1, 6], [5, 6], [-2, -4]], [1, 1, 1, 0]
    for name, expected in (("constant", [0.1, 0.1]), ("invscaling", [0.1, 0.1 / 5**0.25])):
        model = NetworkClassifier(
            solver="sgd",
            hidden_layer_sizes=4,
            learning_rate=name,
            max_iter=1,
            power_t=0.25,
            warm_start=True,
            learning_rate_init=0.1,
        )
        model.fit(X, y).fit(X, y)
        assert model.history_.learning_rates == pytest.approx(expected)


@BOTH
def test_no_partial_fit_with_early_stopping(kind: Kind) -> None:
    """scikit-learn raises an error in the call; here there is no such method, and asking for it says why."""
    model = kind(solver="adam", early_stopping=True, random_state=0, max_iter=5).fit(*IRIS)
    with pytest.raises(AttributeError) as raised:
        model.partial_fit(*IRIS)
    assert "without early_stopping" in str(raised.value.__cause__)


# ------------------------------------------------------------------------------------------------- scales, other losses


def test_huge_columns_are_no_matter() -> None:
    """Columns up to the largest float make scikit-learn's weights infinite; here they are standardised."""
    random = np.random.default_rng(0)
    X, y = np.finfo(np.float64).max * random.uniform(0.1, 0.9, size=(30, 2)), random.normal(size=30)
    assert np.isfinite(NetworkRegressor(solver="adam", max_iter=5).fit(X, y).predict(X)).all()


def test_a_run_that_diverges_says_so() -> None:
    """scikit-learn goes on with scores that are NaN; here the run stops, and says in which layer and column."""
    X, y = IRIS
    model = NetworkRegressor(
        hidden_layer_sizes=100, activation="identity", solver="sgd", learning_rate_init=1000.0, early_stopping=True
    )
    with pytest.raises(Diverged, match="the net values of layer"):
        model.fit(X, y)


def test_poisson_without_a_hidden_layer_is_the_linear_model() -> None:
    """With loss="poisson" and no hidden layer it is scikit-learn's PoissonRegressor; with squared_error it is not."""
    random = np.random.default_rng(0)
    X = np.linspace(0, 1, 100)[:, None]
    y = random.poisson(np.exp(X[:, 0] + 1))
    expected = PoissonRegressor(alpha=0, tol=1e-7).fit(X, y).predict(X)
    common: dict[str, Any] = {"hidden_layer_sizes": (), "alpha": 0.0, "solver": "lbfgs", "tol": 1e-7}
    np.testing.assert_allclose(NetworkRegressor(loss="poisson", **common).fit(X, y).predict(X), expected, rtol=1e-4)
    assert not np.allclose(NetworkRegressor(**common).fit(X, y).predict(X), expected, rtol=1e-4)


# ------------------------------------------------------------------------------------------------------------ examples


def test_their_program_of_training_curves_runs() -> None:
    """What plot_mlp_training_curves.py of scikit-learn calls, with the import changed."""
    X, y = IRIS
    nesterov = {"learning_rate": "constant", "momentum": 0.9, "nesterovs_momentum": True}
    inverse = {"learning_rate": "invscaling", "momentum": 0.9, "nesterovs_momentum": False}
    for params in (
        {"solver": "sgd", "learning_rate": "constant", "momentum": 0, "learning_rate_init": 0.2},
        {"solver": "sgd", **nesterov, "learning_rate_init": 0.2},
        {"solver": "sgd", **inverse, "learning_rate_init": 0.2},
        {"solver": "adam", "learning_rate_init": 0.01},
    ):
        mlp = NetworkClassifier(random_state=0, max_iter=40, **params).fit(X, y)
        assert mlp.score(X, y) > 0.8
        assert mlp.loss_ < mlp.loss_curve_[0]


def test_their_programs_of_penalties_and_digits_run() -> None:
    """What plot_mlp_alpha.py and plot_mnist_filters.py call: early stopping with L-BFGS, coefs_ as images."""
    X, y = digits(10, 600)
    mlp = NetworkClassifier(
        hidden_layer_sizes=(40,), max_iter=8, alpha=1e-4, solver="sgd", random_state=1, learning_rate_init=0.2
    ).fit(X, y)
    assert mlp.score(X, y) > 0.9
    assert mlp.coefs_[0].T.reshape(40, 8, 8).shape == (40, 8, 8)
    for alpha in np.logspace(-1, 1, 3):
        classifier = NetworkClassifier(
            solver="lbfgs", alpha=alpha, random_state=1, max_iter=2000, early_stopping=True, hidden_layer_sizes=[10, 10]
        ).fit(*digits(2))
        assert hasattr(classifier, "decision_function")
        assert classifier.score(*digits(2)) > 0.95


def test_their_program_of_partial_dependence_runs() -> None:
    """What plot_partial_dependence.py calls: a pipeline with early stopping, and the solver left open."""
    from sklearn.inspection import partial_dependence
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    X, y = noisy()
    quantiles = QuantileTransformer(n_quantiles=50, random_state=0)
    network = NetworkRegressor(
        hidden_layer_sizes=(30, 15), learning_rate_init=0.01, early_stopping=True, random_state=0
    )
    model = make_pipeline(quantiles, network).fit(X, y)
    assert model[-1].solver_ == "adam"
    assert partial_dependence(model, X, [0])["average"].shape[0] == 1
