"""scikit-learn's MLP as a contestant. It starts from weights and shuffles by an order of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import tables
import workloads
from sklearn.neural_network import MLPClassifier, MLPRegressor

SOLVERS = {"gradient_descent": "sgd", "adam": "adam"}


def options(spec: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """The same rule, and no stopping before the last epoch."""
    return {
        "hidden_layer_sizes": spec["sizes"][1:-1],
        "activation": spec.get("hidden", "tanh"),
        "solver": SOLVERS[spec["rule"]],
        "alpha": 0.0,
        "batch_size": spec["batch_size"],
        "learning_rate_init": spec["learning_rate"],
        "momentum": 0.0,
        "nesterovs_momentum": False,
        "tol": 0.0,
        "n_iter_no_change": 10**9,
        "random_state": seed,
    }


def step(spec: dict[str, Any]) -> Any:
    """Epochs of fit."""
    inputs, targets = workloads.patterns(spec)
    targets = targets[:, 0] if targets.shape[1] == 1 else targets

    def run(epochs: int) -> None:
        MLPRegressor(max_iter=epochs, **options(spec)).fit(inputs, targets)

    run(1)
    return run, None


def _model(spec: dict[str, Any], seed: int, **more: Any) -> Any:
    kind = MLPClassifier if spec["classes"] else MLPRegressor
    return kind(**options(spec, seed) | more)


def _held_out(spec: dict[str, Any]) -> Any:
    inputs, targets, out, wanted = tables.held_out(spec)
    return inputs, targets.argmax(axis=1) if spec["classes"] else targets[:, 0], out, wanted


def _error(spec: dict[str, Any], model: Any, out: Any, wanted: Any) -> float:
    return tables.error(spec, model.predict_proba(out) if spec["classes"] else model.predict(out), wanted)


def curves(spec: dict[str, Any]) -> Any:
    """The error held out after each epoch, for each seed."""
    inputs, targets, out, wanted = _held_out(spec)
    classes = {"classes": range(spec["sizes"][-1])} if spec["classes"] else {}
    found = []
    for seed in range(spec["seeds"]):
        model, errors = _model(spec, seed), []
        # Of a number, each call would begin the same random numbers anew, and take the patterns in the same order.
        model.set_params(random_state=np.random.RandomState(seed))
        for _ in range(spec["most"]):
            model.partial_fit(inputs, targets, **classes)
            errors.append(_error(spec, model, out, wanted))
        found.append(errors)
    return None, found


def fit(spec: dict[str, Any]) -> Any:
    """Whole fits, each round from another seed, for as many epochs as that one needs; it finds the errors held out."""
    inputs, targets, out, wanted = _held_out(spec)

    def run(fits: int, round: int = 0) -> Any:
        seed = round % len(spec["epochs"])
        return _model(spec, seed, max_iter=spec["epochs"][seed]).fit(inputs, targets)

    return run, [_error(spec, run(1, seed), out, wanted) for seed in range(len(spec["epochs"]))]
