"""What the defaults are worth: 5×5-fold cross-validation on raw tables, beside what else people would use.

The network is trained by the command line as it stands, `chainrule train TABLE --target y --cv 5 --seed N`, on tables
written to a temporary folder; scikit-learn's models see the same folds. `--uci FOLDER` adds tables of that layout: one
folder each with data.txt, index_features.txt and index_target.txt.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule import scores


def tables(uci: Path | None) -> dict[str, tuple[Any, Any]]:
    """Inputs and targets of each table by name; classes as texts."""
    found = {"diabetes": datasets.load_diabetes(return_X_y=True, scaled=False)}
    for folder in sorted(uci.iterdir()) if uci is not None else ():
        if folder.is_dir():
            data = np.loadtxt(folder / "data.txt")
            inputs = np.loadtxt(folder / "index_features.txt").astype(int)
            found[folder.name] = data[:, inputs], data[:, int(np.loadtxt(folder / "index_target.txt"))]
    for name in ("iris", "wine", "breast_cancer", "digits"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        found[name] = X, np.array([f"class {one}" for one in y])
    return found


def ours(path: Path, seed: int) -> dict[str, float]:
    """Mean scores of the network over the folds, by the command line."""
    command = [str(Path(sys.executable).with_name("chainrule")), "train", str(path), "--target", "y", "--cv", "5"]
    done = subprocess.run([*command, "--seed", str(seed), "--json"], check=True, capture_output=True, text=True)
    of_one: dict[str, dict[str, float]] = json.loads(done.stdout)["scores"]["y"]
    return of_one["network"]


def theirs(X: Any, y: Any, seed: int) -> dict[str, list[float]]:
    """Mean scores of scikit-learn's models over the same folds: R², or accuracy and log loss."""
    classes = y.dtype.kind not in "fiu"
    codes = np.unique(y, return_inverse=True)[1].astype(float) if classes else None
    models: dict[str, Any] = (
        {
            "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
            "MLP, scaled": make_pipeline(StandardScaler(), MLPClassifier(random_state=seed)),
            "HistGradientBoosting": HistGradientBoostingClassifier(random_state=seed),
        }
        if classes
        else {
            "linear": LinearRegression(),
            "ridge": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
            "MLP, scaled": make_pipeline(StandardScaler(), MLPRegressor(random_state=seed)),
            "HistGradientBoosting": HistGradientBoostingRegressor(random_state=seed),
        }
    )
    found: dict[str, list[float]] = {}
    for name, model in models.items():
        of_folds = []
        for into, out in scores.folds(len(y), 5, seed, codes):
            model.fit(X[into], y[into])
            said = model.predict(X[out])
            if classes:
                p = model.predict_proba(X[out])
                of_folds.append([accuracy_score(y[out], said), log_loss(y[out], p, labels=model.classes_)])
            else:
                of_folds.append([r2_score(y[out], said)])
        found[name] = np.mean(of_folds, axis=0).tolist()
    return found


def main() -> None:
    """Print a line a table and model, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uci", type=Path, help="folder of further tables")
    parser.add_argument("--seeds", type=int, default=5, help="cross-validations of each table")
    parser.add_argument("--only", nargs="*", help="names of tables")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name, (X, y) in tables(given.uci).items():
            if given.only and name not in given.only:
                continue
            path = Path(folder) / f"{name}.csv"
            lines = [",".join([*(f"x{k}" for k in range(X.shape[1])), "y"])]
            lines += [",".join([*map(repr, row), str(one)]) for row, one in zip(X.tolist(), y.tolist(), strict=True)]
            path.write_text("\n".join(lines) + "\n")
            started = time.perf_counter()
            found = [ours(path, seed) for seed in range(given.seeds)]
            seconds = (time.perf_counter() - started) / given.seeds
            main_one = "r2" if "r2" in found[0] else "accuracy"
            network = [float(np.mean([one[main_one] for one in found]))]
            if main_one == "accuracy":
                network.append(float(np.mean([one["log_loss"] for one in found])))
            others = [theirs(X, y, seed) for seed in range(given.seeds)]
            figures[name] = {"network": network} | {
                one: np.mean([other[one] for other in others], axis=0).tolist() for one in others[0]
            }
            shown = "  ".join(f"{one} {' / '.join(f'{v:.3f}' for v in vs)}" for one, vs in figures[name].items())
            print(f"{name} ({len(y):,} rows, {main_one}): {shown}  [{seconds:.0f} s]", flush=True)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
