"""Error bars and errors of the estimators as they come, beside what else people would use, on published splits.

    python benchmarks/uci.py --data FOLDER [--splits 20] [--only concrete …] [--own] [--json FILE]

FOLDER holds one folder a table, with data.txt, index_features.txt, index_target.txt and, for split k,
index_train_k.txt and index_test_k.txt, as Hernández-Lobato and Adams (ICML 2015) published their splits. `--own` takes
scikit-learn's own tables: diabetes and linnerud (20 random splits of 90 %), and wine, breast_cancer, digits and iris
(5×5-fold cross-validation, stratified). One default for all, no tuning; what is printed are means over the splits.

RMSE is in the target's unit; LL is the mean log-likelihood in nats, of the mixture and of the normal distribution with
the same mean and variance; coverage is how many targets lie in the 90 % interval. For classes: accuracy, log loss, and
the calibration error of the likeliest class in ten bins.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import ShuffleSplit, StratifiedKFold
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule import NetworkClassifier, NetworkRegressor

PUBLISHED = {
    "concrete": {"PBP": (5.67, -3.16), "MC dropout": (4.83, -2.94)},
    "energy": {"PBP": (1.80, -2.04), "MC dropout": (0.54, -1.21)},
    "wine-quality-red": {"PBP": (0.64, -0.97), "MC dropout": (0.62, -0.93)},
    "yacht": {"PBP": (1.02, -1.63), "MC dropout": (0.67, -1.25)},
}
"""RMSE and log-likelihood: of PBP with a hidden layer of 50 nodes (Hernández-Lobato and Adams 2015), and of MC dropout,
tuned on each table and trained long (the files of results of Gal and Ghahramani 2016)."""

GAUSSIAN_PROCESS = 500
"""Patterns up to which a Gaussian process is fitted."""

Splits = Iterator[tuple[Any, Any]]


def published(folder: Path, count: int) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """Inputs, targets, and rows to train on and to test."""
    data = np.loadtxt(folder / "data.txt")
    inputs = np.loadtxt(folder / "index_features.txt").astype(int)
    rows = [
        tuple(np.loadtxt(folder / f"index_{part}_{k}.txt").astype(int) for part in ("train", "test"))
        for k in range(min(count, len(list(folder.glob("index_test_*.txt")))))
    ]
    return data[:, inputs], data[:, int(np.loadtxt(folder / "index_target.txt"))], rows


def network(X: Any, t: Any, new: Any, truth: Any, seed: int) -> tuple[dict[str, float], str]:
    """Figures of the estimator as it comes, and what it chose."""
    started = time.perf_counter()
    model = NetworkRegressor(random_state=seed).fit(X, t)
    seconds = time.perf_counter() - started
    said, deviation = model.predict(new, return_std=True)
    low, high = np.moveaxis(model.predict_quantiles(new, (0.05, 0.95)), -1, 0)
    return figures(truth, said, deviation) | {
        "ll": float(model.log_likelihood(new, truth).mean()),
        "coverage": float(((low <= truth) & (truth <= high)).mean()),
        "seconds": seconds,
    }, model.why_


def figures(truth: Any, said: Any, deviation: Any = None) -> dict[str, float]:
    """RMSE, and where there is a standard deviation, the log-likelihood and coverage of a normal distribution."""
    found = {"rmse": float(np.sqrt(((truth - said) ** 2).mean(axis=0)).mean())}
    if deviation is not None:
        each = norm.logpdf(truth, said, deviation)
        found["ll_normal"] = float((each.sum(axis=1) if each.ndim == 2 else each).mean())
        found["coverage"] = float((np.abs(truth - said) <= norm.ppf(0.95) * deviation).mean())
    return found


def gaussian_process(inputs: int) -> Any:
    """With a length for each input, and noise."""
    kernel = ConstantKernel(1.0, (1e-3, 1e4)) * RBF(np.ones(inputs), (1e-2, 1e3)) + WhiteKernel(0.1, (1e-8, 1e1))
    return GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)


def rivals(rows: int, inputs: int, outputs: int) -> dict[str, Callable[[], Any]]:
    """What else is fitted in the same run."""
    boosting = HistGradientBoostingRegressor(random_state=0)
    found: dict[str, Callable[[], Any]] = {
        "linear": LinearRegression,
        "MLP, scaled": lambda: make_pipeline(StandardScaler(), MLPRegressor(max_iter=1000, random_state=0)),
        "HistGB": lambda: MultiOutputRegressor(boosting) if outputs > 1 else boosting,
    }
    if rows <= GAUSSIAN_PROCESS and outputs == 1:
        found["GP"] = lambda: make_pipeline(StandardScaler(), gaussian_process(inputs))
    return found


def regression(name: str, X: Any, t: Any, rows: list[tuple[Any, Any]]) -> dict[str, dict[str, float]]:
    """Mean figures of the network and its rivals on a table."""
    found: dict[str, list[dict[str, float]]] = {}
    for k, (seen, unseen) in enumerate(rows):
        of_network, why = network(X[seen], t[seen], X[unseen], t[unseen], k)
        found.setdefault("Chainrule", []).append(of_network)
        for rival, make in rivals(len(seen), X.shape[1], 1 if t.ndim == 1 else t.shape[1]).items():
            started = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = make().fit(X[seen], t[seen])
            seconds = time.perf_counter() - started
            said = model.predict(X[unseen], return_std=True) if rival == "GP" else (model.predict(X[unseen]),)
            found.setdefault(rival, []).append(figures(t[unseen], *said) | {"seconds": seconds})
    print(f"\n{name}: {len(X):,} rows, {X.shape[1]} inputs, {len(rows)} splits; {why}")
    return {one: means(of_one) for one, of_one in found.items()}


def classification(name: str, X: Any, c: Any) -> dict[str, dict[str, float]]:
    """The same of classes."""
    found: dict[str, list[dict[str, float]]] = {}
    models: dict[str, Callable[[int], Any]] = {
        "Chainrule": lambda seed: NetworkClassifier(random_state=seed),
        "linear": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        "MLP, scaled": lambda seed: make_pipeline(StandardScaler(), MLPClassifier(max_iter=1000, random_state=seed)),
        "HistGB": lambda seed: HistGradientBoostingClassifier(random_state=seed),
    }
    why = ""
    for seed in range(5):
        for seen, unseen in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, c):
            for one, make in models.items():
                started = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model = make(seed).fit(X[seen], c[seen])
                seconds = time.perf_counter() - started
                p = np.clip(model.predict_proba(X[unseen]), 1e-15, 1)
                found.setdefault(one, []).append(of_classes(p, c[unseen]) | {"seconds": seconds})
                why = getattr(model, "why_", why)
    print(f"\n{name}: {len(X):,} rows, {X.shape[1]} inputs, 5×5-fold cross-validation; {why}")
    return {one: means(of_one) for one, of_one in found.items()}


def of_classes(p: Any, c: Any) -> dict[str, float]:
    """Accuracy, log loss and calibration error of probabilities."""
    likeliest, right = p.max(axis=1), p.argmax(axis=1) == c
    bins = np.minimum((likeliest * 10).astype(int), 9)
    off = [abs(right[bins == b].mean() - likeliest[bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    return {
        "accuracy": float(right.mean()),
        "log loss": float(-np.log(p[np.arange(len(c)), c]).mean()),
        "calibration": float(sum(off)),
    }


def means(found: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure, and of seconds the longest."""
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]} | {
        "longest": max(one["seconds"] for one in found)
    }


def show(found: dict[str, dict[str, float]], of_others: dict[str, tuple[float, float]]) -> None:
    """A table."""
    columns = {
        "rmse": "RMSE",
        "ll": "LL",
        "ll_normal": "LL, normal",
        "coverage": "in 90 %",
        "accuracy": "accuracy",
        "log loss": "log loss",
        "calibration": "calibration",
        "seconds": "s",
        "longest": "longest",
    }
    there = {name: head for name, head in columns.items() if any(name in one for one in found.values())}
    print(f"{'':24}" + "".join(f"{head:>12}" for head in there.values()))
    for rival, (rmse, ll) in of_others.items():
        print(f"{rival + ', published':24}{rmse:12.3f}{ll:12.3f}")
    for one, of_one in found.items():
        print(
            f"{one:24}" + "".join(f"{of_one[name]:12.3f}" if name in of_one else f"{'–':>12}" for name in there),
            flush=True,
        )


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of tables with published splits")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--only", nargs="+", help="names of tables")
    parser.add_argument("--own", action="store_true", help="scikit-learn's own tables too")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    given = parser.parse_args()
    if given.data is None and not given.own:
        parser.error("--data FOLDER or --own must be given.")
    every: dict[str, dict[str, dict[str, float]]] = {}

    def wanted(name: str) -> bool:
        return given.only is None or name in given.only

    folders = [] if given.data is None else sorted(one for one in given.data.iterdir() if (one / "data.txt").exists())
    for folder in folders:
        if wanted(folder.name):
            every[folder.name] = regression(folder.name, *published(folder, given.splits))
            show(every[folder.name], PUBLISHED.get(folder.name, {}))
    if given.own:
        for name, load in (("diabetes", datasets.load_diabetes), ("linnerud", datasets.load_linnerud)):
            if wanted(name):
                X, t = load(return_X_y=True, **({"scaled": False} if name == "diabetes" else {}))
                rows = list(ShuffleSplit(given.splits, test_size=0.1, random_state=0).split(X))
                every[name] = regression(name, X, t, rows)
                show(every[name], {})
        for name in ("wine", "breast_cancer", "digits", "iris"):
            if wanted(name):
                every[name] = classification(name, *getattr(datasets, f"load_{name}")(return_X_y=True))
                show(every[name], {})
    if given.json is not None:
        given.json.write_text(json.dumps(every, indent=2) + "\n")


if __name__ == "__main__":
    main()
