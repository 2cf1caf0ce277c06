"""The tables of the question `fit`: standardised, and a fifth of the patterns held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets


def held_out(spec: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Inputs and targets to learn from, inputs and targets held out; classes are one-hot."""
    inputs, targets = _read(spec)
    order = np.random.default_rng(0).permutation(len(inputs))
    out, into = order[: len(order) // 5], order[len(order) // 5 :]
    mean, deviation = inputs[into].mean(axis=0), inputs[into].std(axis=0)
    inputs = (inputs - mean) / np.where(deviation > 0, deviation, 1.0)
    if spec["classes"]:
        targets = np.eye(spec["sizes"][-1])[targets.astype(int)]
    else:
        targets = ((targets - targets[into].mean()) / targets[into].std())[:, None]
    inputs, targets = inputs.astype(spec["dtype"]), targets.astype(spec["dtype"])
    return inputs[into], targets[into], inputs[out], targets[out]


def _read(spec: dict[str, Any]) -> tuple[Any, Any]:
    if spec["table"] == "digits":
        return datasets.load_digits(return_X_y=True)
    if spec["table"] == "diabetes":
        return datasets.load_diabetes(return_X_y=True, scaled=False)
    return columns(Path(spec["table"]))


def columns(path: Path) -> tuple[Any, Any]:
    """A file of numbers, by blanks or commas, without names; the last column is the target."""
    table = np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None)
    return table[:, :-1], table[:, -1]


def error(spec: dict[str, Any], outputs: Any, targets: Any) -> float:
    """E of these outputs: the log loss of classes, else half the mean square."""
    if spec["classes"]:
        tiny = np.finfo(np.float64).tiny
        return float(-(targets * np.log(np.maximum(outputs.astype(np.float64), tiny))).sum(axis=1).mean())
    return float(((outputs.reshape(targets.shape) - targets) ** 2).sum(axis=1).mean() / 2)
