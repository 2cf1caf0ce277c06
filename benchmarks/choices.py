"""How each default of the estimators was chosen, on training rows alone, and what it costs to change it.

    python benchmarks/choices.py [--data FOLDER] [--only ensemble …] [--folds 3] [--json FILE]

One default at a time is changed; everything else stays. Tables: diabetes, four made ones (Friedman's first function,
200 and 1,000 rows, two noises), and those of FOLDER (laid out as for benchmarks/uci.py), of which only the rows of the
first training split are used. Each way is judged by cross-validation within these rows, the same folds for all. Printed
are the change of RMSE in per cent and of the log-likelihood in nats, means over the tables, and how many times as long
a fit takes; of classes (iris, wine, breast_cancer) the change of log loss in per cent.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold

from chainrule import NetworkClassifier, NetworkRegressor
from chainrule.training import second_order

Way = Mapping[str, Any]

REGRESSION: dict[str, dict[str, Way]] = {
    "hidden_layer_sizes (10, 10)": {
        "(5,)": {"hidden_layer_sizes": (5,)},
        "(10,)": {"hidden_layer_sizes": (10,)},
        "(20,)": {"hidden_layer_sizes": (20,)},
        "(5, 5)": {"hidden_layer_sizes": (5, 5)},
        "(15, 15)": {"hidden_layer_sizes": (15, 15)},
        "(8, 8, 8)": {"hidden_layer_sizes": (8, 8, 8)},
    },
    "activation tanh": {name: {"activation": name} for name in ("logistic", "softplus", "gelu", "sine")},
    "ensemble 10": {str(n): {"ensemble": n} for n in (1, 3, 5, 20)},
    "combine mean": {"median": {"combine": "median"}},
    "relevance False": {"True": {"relevance": True}},
    "max_iter 100": {str(n): {"max_iter": n} for n in (20, 40, 60, 200)},
    "n_iter_no_change 12": {str(n): {"n_iter_no_change": n} for n in (5, 25, 1000)},
    "STILL 5": {str(n): {"second_order.STILL": n} for n in (2, 10)},
    "WEAK 0.02": {str(n): {"second_order.WEAK": n} for n in (1e-6, 1.0)},
    "FAINT 0.001": {str(n): {"second_order.FAINT": n} for n in (1e-6, 0.1)},
    "NOISY 0.6": {str(n): {"second_order.NOISY": n} for n in (0.3, math.inf)},
    "START_BETA 10": {str(n): {"second_order.START_BETA": n} for n in (1.0, 100.0)},
    "alpha 1, by L-BFGS": {f"lbfgs, {alpha:g}": {"solver": "lbfgs", "alpha": alpha} for alpha in (0.01, 0.1, 1, 10)},
    "alpha 1, by Levenberg-Marquardt": {
        f"levenberg_marquardt, {alpha:g}": {"solver": "levenberg_marquardt", "alpha": alpha}
        for alpha in (0.01, 0.1, 1, 10)
    },
    "solver auto": {
        "adam, ensemble 5": {"solver": "adam", "ensemble": 5, "early_stopping": True},
        "lbfgs, ensemble 5": {"solver": "lbfgs", "ensemble": 5},
        "levenberg_marquardt, ensemble 5": {"solver": "levenberg_marquardt", "ensemble": 5},
    },
}
"""Defaults of second-order training, and what else they might be. A name with a dot is a constant of a module."""

CLASSES: dict[str, dict[str, Way]] = {
    "alpha 1, by L-BFGS": {str(alpha): {"alpha": alpha} for alpha in (1e-4, 0.1, 0.3, 3.0, 10.0)},
    "hidden_layer_sizes (32,)": {
        "(10,)": {"hidden_layer_sizes": (10,)},
        "(100,)": {"hidden_layer_sizes": (100,)},
        "(32, 32)": {"hidden_layer_sizes": (32, 32)},
    },
    "solver auto": {"bayesian": {"solver": "bayesian"}, "adam, ensemble 5": {"solver": "adam", "ensemble": 5}},
}


def tables(folder: Path | None) -> dict[str, tuple[Any, Any]]:
    """Inputs and targets of the training rows, by name."""
    found = {"diabetes": datasets.load_diabetes(return_X_y=True, scaled=False)}
    for rows in (200, 1000):
        for noise in (1.0, 4.0):
            found[f"friedman {rows} {noise:g}"] = datasets.make_friedman1(rows, 10, noise=noise, random_state=1)
    for one in sorted(folder.iterdir()) if folder is not None else ():
        if (one / "data.txt").exists():
            data = np.loadtxt(one / "data.txt")[np.loadtxt(one / "index_train_0.txt").astype(int)]
            inputs = np.loadtxt(one / "index_features.txt").astype(int)
            found[one.name] = data[:, inputs], data[:, int(np.loadtxt(one / "index_target.txt"))]
    return found


def fitted(kind: Any, way: Way, X: Any, t: Any) -> Any:
    """An estimator fitted in this way."""
    arguments = {name: value for name, value in way.items() if "." not in name}
    with changed(way), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(random_state=0, **arguments).fit(X, t)


def changed(way: Way) -> Any:
    """With the constants of modules changed."""
    stack = ExitStack()
    for name, value in way.items():
        if "." in name:
            stack.enter_context(mock.patch.object(second_order, name.split(".")[1], value))
    return stack


def judged(way: Way, X: Any, t: Any, folds: int) -> tuple[float, float, float]:
    """RMSE, log-likelihood and seconds of a fit, by cross-validation."""
    errors, logs, seconds = [], [], 0.0
    for seen, unseen in KFold(folds, shuffle=True, random_state=0).split(X):
        started = time.perf_counter()
        model = fitted(NetworkRegressor, way, X[seen], t[seen])
        seconds += time.perf_counter() - started
        errors.append((model.predict(X[unseen]) - t[unseen]) ** 2)
        logs.append(model.log_likelihood(X[unseen], t[unseen]))
    return float(np.sqrt(np.concatenate(errors).mean())), float(np.concatenate(logs).mean()), seconds / folds


def judged_classes(way: Way, X: Any, c: Any, folds: int) -> tuple[float, float]:
    """Log loss and seconds of a fit."""
    losses, seconds = [], 0.0
    for seen, unseen in StratifiedKFold(folds, shuffle=True, random_state=0).split(X, c):
        started = time.perf_counter()
        model = fitted(NetworkClassifier, way, X[seen], c[seen])
        seconds += time.perf_counter() - started
        p = np.clip(model.predict_proba(X[unseen]), 1e-15, 1)
        losses.append(-np.log(p[np.arange(len(unseen)), c[unseen]]))
    return float(np.concatenate(losses).mean()), seconds / folds


def main() -> None:
    """Print a table for each default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of names of defaults")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    every: dict[str, Any] = {}
    of_numbers = tables(given.data)
    usual = {name: judged({}, *table, given.folds) for name, table in of_numbers.items()}
    for name, (error, log, seconds) in usual.items():
        print(f"{name:32} RMSE {error:9.4g}  LL {log:7.3f}  {seconds:6.2f} s a fit", flush=True)
    for default, ways in REGRESSION.items():
        if not any(part in default for part in given.only):
            continue
        print(f"\n{default}\n{'':32}{'RMSE':>9}{'LL':>9}{'time':>8}   RMSE, table by table")
        for name, way in ways.items():
            found = {table: judged(way, *values, given.folds) for table, values in of_numbers.items()}
            changes = [100 * (found[table][0] / usual[table][0] - 1) for table in found]
            nats = float(np.mean([found[table][1] - usual[table][1] for table in found]))
            longer = float(np.exp(np.mean([np.log(found[table][2] / usual[table][2]) for table in found])))
            each = " ".join(f"{change:+.0f}" for change in changes)
            print(f"{name:32}{np.mean(changes):+8.1f}%{nats:+9.3f}{longer:7.1f}x   {each}", flush=True)
            every.setdefault(default, {})[name] = {"rmse": changes, "log_likelihood": nats, "time": longer}
    of_classes = {
        name: getattr(datasets, f"load_{name}")(return_X_y=True) for name in ("iris", "wine", "breast_cancer")
    }
    plain = {name: judged_classes({}, *table, given.folds) for name, table in of_classes.items()}
    for default, ways in CLASSES.items():
        if not any(part in default for part in given.only):
            continue
        print(f"\n{default}\n{'':32}{'log loss':>9}{'time':>8}   log loss, table by table")
        for name, way in ways.items():
            judgements = {table: judged_classes(way, *values, given.folds) for table, values in of_classes.items()}
            changes = [100 * (judgements[table][0] / plain[table][0] - 1) for table in judgements]
            longer = float(np.exp(np.mean([np.log(judgements[table][1] / plain[table][1]) for table in judgements])))
            each = " ".join(f"{change:+.0f}" for change in changes)
            print(f"{name:32}{np.mean(changes):+8.1f}%{longer:7.1f}x   {each}", flush=True)
            every.setdefault(f"classes, {default}", {})[name] = {"log_loss": changes, "time": longer}
    if given.json is not None:
        given.json.write_text(json.dumps(every, indent=2) + "\n")


if __name__ == "__main__":
    main()
