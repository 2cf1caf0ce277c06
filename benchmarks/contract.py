"""scikit-learn's own checks of estimators: how many pass, are skipped or fail, beside other libraries in the same run.

    SCIPY_ARRAY_API=1 python benchmarks/contract.py [--solvers] [--json FILE]

Without SCIPY_ARRAY_API=1 one check is skipped for everybody. `--solvers` also checks every solver in full batch without
early stopping. Libraries that are not installed are named as missing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.estimator_checks import check_estimator

from chainrule import NetworkClassifier, NetworkRegressor

OTHERS = {"xgboost": ("XGBRegressor", "XGBClassifier"), "lightgbm": ("LGBMRegressor", "LGBMClassifier")}
SOLVERS = ("bayesian", "levenberg_marquardt", "lbfgs", "adam", "sgd")


def estimators(solvers: bool) -> dict[str, Any]:
    """All that are checked, by name; None where a library is missing."""
    found: dict[str, Any] = {"NetworkRegressor": NetworkRegressor(), "NetworkClassifier": NetworkClassifier()}
    for solver in SOLVERS if solvers else ():
        for kind in (NetworkRegressor, NetworkClassifier):
            found[f"{kind.__name__}, {solver}"] = kind(solver=solver, batch_size=None, early_stopping=False)
    found |= {"scikit-learn's MLPRegressor": MLPRegressor(), "scikit-learn's MLPClassifier": MLPClassifier()}
    for library, names in OTHERS.items():
        try:
            module: Any = importlib.import_module(library)
        except ImportError:
            module = None
        for name in names:
            found[name] = (
                None if module is None else getattr(module, name)(verbosity=-1 if library == "lightgbm" else 0)
            )
    return found


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solvers", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    every: dict[str, Any] = {}
    print(f"{'':40}{'passed':>8}{'failed':>8}{'expected':>10}{'skipped':>9}{'s':>8}")
    for name, estimator in estimators(given.solvers).items():
        if estimator is None:
            print(f"{name:40} not installed")
            continue
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = check_estimator(estimator, on_skip=None, on_fail=None)
        count = Counter(one["status"] for one in results)
        seconds = time.perf_counter() - started
        print(
            f"{name:40}{count['passed']:8}{count['failed']:8}{count['xfail']:10}{count['skipped']:9}{seconds:8.1f}",
            flush=True,
        )
        failed = [one["check_name"] for one in results if one["status"] != "passed"]
        for check in failed:
            print(f"    {check}")
        every[name] = {**count, "not passed": failed, "seconds": seconds}
    if given.json is not None:
        given.json.write_text(json.dumps(every, indent=2) + "\n")


if __name__ == "__main__":
    main()
