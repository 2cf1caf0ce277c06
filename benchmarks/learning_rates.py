"""Measures whether every training that a constant would beat is flagged, and no other.

Learning rates 1e-6 … 1e6, real tables as they are and standardised, every rule that has a learning rate. A run is
flagged if train raises Diverged or warns WorseThanConstant. What should have been flagged is decided here, outside the
package: from the weights of the returned network (of a diverged run, those it kept) the predictions are computed again,
literally, and their error is compared with that of the best constant, computed here too; 1e-9 of it is left for
rounding.

    python benchmarks/learning_rates.py [--json FILE]

Exit code 1 if a run that a constant beats was not flagged, or another one was.
"""

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_diabetes, load_linnerud, load_wine

from chainrule import Diverged, Network, WorseThanConstant, train

RATES = tuple(10.0**power for power in range(-6, 7))
RULES = (
    ("gradient_descent", 1, 20),
    ("gradient_descent", 32, 200),
    ("gradient_descent", None, 200),
    ("momentum", 32, 200),
    ("adam", 32, 200),
)
"""Each with its batch size and epochs."""

ROUNDING = 1e-9


class Problem(NamedTuple):
    """A table and the activation of the hidden layer; targets that are classes are one-hot."""

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    hidden: str
    classes: bool


class Run(NamedTuple):
    """One training: what it was, what it said, and what is true."""

    problem: str
    rule: str
    batch_size: int | None
    learning_rate: float
    diverged: bool
    warned: bool
    E: float
    best_constant: float

    @property
    def flagged(self) -> bool:
        """Whether the user was told."""
        return self.diverged or self.warned

    @property
    def worse(self) -> bool:
        """Whether the constant predicts better; an error that is not finite is worse than any."""
        limit = self.best_constant * (1 + ROUNDING)
        return not np.isfinite(self.E) or limit < self.E


def problems() -> Iterator[Problem]:
    """Three tables that ship with scikit-learn, as they are and standardised."""
    diabetes, linnerud, wine = load_diabetes(scaled=False), load_linnerud(), load_wine()
    for name, inputs, targets, hidden, classes in (
        ("diabetes", diabetes.data, diabetes.target[:, None], "relu", False),
        ("linnerud", linnerud.data, linnerud.target, "tanh", False),
        ("wine", wine.data, np.eye(3)[wine.target], "relu", True),
    ):
        yield Problem(f"{name}, raw", inputs, targets, hidden, classes)
        scaled = targets if classes else standardised(targets)
        yield Problem(f"{name}, standardised", standardised(inputs), scaled, hidden, classes)


def standardised(columns: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 in each column."""
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


def run(problem: Problem, rule: str, batch_size: int | None, epochs: int, learning_rate: float) -> Run:
    """Train once, and judge."""
    net = Network(
        [problem.inputs.shape[1], 8, problem.targets.shape[1]],
        [problem.hidden, "softmax" if problem.classes else "identity"],
        "cross_entropy" if problem.classes else "sse",
    )
    diverged = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("always", WorseThanConstant)
        try:
            net, _ = train(
                net, problem.inputs, problem.targets, rule, learning_rate, epochs, batch_size, progress=False
            )
        except Diverged as stopped:
            net, diverged = stopped.network, True
    E, best = literal_error(net, problem), literal_error_of_constant(problem)
    return Run(problem.name, rule, batch_size, learning_rate, diverged, bool(caught), E, best)


def literal_error(net: Network, problem: Problem) -> float:
    """Mean error of the network's predictions, from its weights alone: half the squares, or -log of the right class."""
    with np.errstate(all="ignore"):
        x_1 = problem.inputs @ net.w[1].T + net.b[1]
        y_1 = np.tanh(x_1) if problem.hidden == "tanh" else np.where(x_1 > 0, x_1, 0)
        x_2 = y_1 @ net.w[2].T + net.b[2]
        if not problem.classes:
            return float(((problem.targets - x_2) ** 2).sum() / 2 / len(x_2))
        below = x_2 - x_2.max(axis=1, keepdims=True)
        return float((np.log(np.exp(below).sum(axis=1)) - (problem.targets * below).sum(axis=1)).mean())


def literal_error_of_constant(problem: Problem) -> float:
    """Of the mean of the targets, which for classes is their frequencies: nothing constant is better."""
    mean = problem.targets.mean(axis=0)
    if problem.classes:
        return float(-(mean * np.log(mean)).sum())
    return float(((problem.targets - mean) ** 2).sum() / 2 / len(problem.targets))


def runs(
    problems: Iterable[Problem],
    rules: Iterable[tuple[str, int | None, int]] = RULES,
    rates: Iterable[float] = RATES,
) -> Iterator[Run]:
    """Every problem by every rule at every learning rate."""
    for problem, rule, learning_rate in itertools.product(problems, rules, rates):
        yield run(problem, *rule, learning_rate)


def summary(done: list[Run]) -> dict[str, int]:
    """How many there were, by what happened."""
    return {
        "runs": len(done),
        "diverged": sum(one.diverged for one in done),
        "worse": sum(one.worse for one in done),
        "flagged": sum(one.flagged for one in done),
        "missed": sum(one.worse and not one.flagged for one in done),
        "false alarms": sum(one.flagged and not one.worse for one in done),
    }


def as_table(done: list[Run]) -> Iterator[str]:
    """By problem and rule, and everything together."""
    columns = list(summary(done))
    yield f"{'problem':<24}{'rule':<24}{'batch':>6}" + "".join(f"{column:>14}" for column in columns)
    for key, group in itertools.groupby(done, lambda one: (one.problem, one.rule, one.batch_size)):
        problem, rule, batch_size = key
        numbers = "".join(f"{number:>14,}" for number in summary(list(group)).values())
        yield f"{problem:<24}{rule:<24}{batch_size or 'all':>6}{numbers}"
    yield f"{'together':<54}" + "".join(f"{number:>14,}" for number in summary(done).values())


def as_data(done: list[Run]) -> dict[str, Any]:
    """The same, and every run, for a file; JSON has no infinity, so an error that is not finite is null."""
    rows = [one._asdict() | {"E": one.E if np.isfinite(one.E) else None, "worse": one.worse} for one in done]
    return {"together": summary(done), "runs": rows}


def main() -> int:
    """Run them all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run to this file")
    file = parser.parse_args().json
    started = time.perf_counter()
    done = list(runs(problems()))
    print("\n".join(as_table(done)))
    print(f"{time.perf_counter() - started:.0f} s")
    if file is not None:
        file.write_text(json.dumps(as_data(done), indent=1))
    together = summary(done)
    return int(bool(together["missed"] or together["false alarms"]))


if __name__ == "__main__":
    sys.exit(main())
