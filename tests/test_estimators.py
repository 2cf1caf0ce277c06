"""Claim: the estimators keep scikit-learn's contract, whatever the solver, and say how sure they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import scipy
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule import NetworkClassifier, NetworkRegressor

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
