"""What a whole fit costs to the same held-out error as scikit-learn's MLP, by the same rule, batch and learning rate.

The goal is what scikit-learn reaches from each of its seeds. How many epochs either needs to get there is found first,
for each seed; then fits of so many epochs take turns on the clock. Both start from weights of the same distribution.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from measure import Entry, Found, How, ask, contest, ratio
from report import Table, number, raw, spread, times
from tables import columns

OURS, THEIRS = "chainrule", "scikit-learn"
RULES = {"gradient_descent": (32, 0.01, 200), "adam": (200, 0.001, 200)}
"""Patterns an update, learning rate, and epochs at most; of Adam, scikit-learn's defaults."""

HIDDEN = 100
"""Nodes of the one hidden layer, relu: scikit-learn's default."""


def tables(given: argparse.Namespace, how: How) -> list[Table]:
    """A row for each table and rule."""
    columns = ["table, rule", "goal", "epochs", "of scikit-learn", "ms", "spread", "of scikit-learn", "faster"]
    table = Table(f"A whole fit to the same error held out, {given.dtype}, {how}", columns, [])
    if "sklearn" not in given.against:
        table.notes.append("scikit-learn was left out, and there is nothing to compare with")
        return [table]
    for name in given.data:
        for rule, (batch_size, learning_rate, most) in RULES.items():
            spec = _task(name, given.dtype, rule, batch_size, learning_rate, given.epochs or most, how.rounds)
            _judge(spec, how, table)
    return [table]


def _task(table: str, dtype: str, rule: str, batch_size: int, rate: float, most: int, seeds: int) -> dict[str, Any]:
    classes = table == "digits"
    inputs = {"digits": 64, "diabetes": 10}.get(table) or _inputs(table)
    return {
        "table": table,
        "classes": classes,
        "sizes": [inputs, HIDDEN, 10 if classes else 1],
        "hidden": "relu",
        "dtype": dtype,
        "rule": rule,
        "batch_size": batch_size,
        "learning_rate": rate,
        "most": most,
        "seeds": seeds,
    }


def _inputs(path: str) -> int:
    return int(columns(Path(path))[0].shape[1])


def _judge(spec: dict[str, Any], how: How, table: Table) -> None:
    """Find the goal and the epochs, then measure."""
    path = Path(spec["table"])
    called = f"{path.parent.name if path.stem == 'data' else path.stem}, {spec['rule'].replace('_', ' ')}"
    makers = {OURS: "ours", THEIRS: "with_sklearn"}
    curves = {name: ask(Entry(f"{module}:curves", spec, ("sklearn",)), how) for name, module in makers.items()}
    failed = [f"{called}: {name} {one.why_not}" for name, one in curves.items() if one.why_not]
    if failed:
        table.notes += failed
        return
    goal = max(min(curve) for curve in curves[THEIRS].result)
    epochs = {name: [_first(curve, goal) for curve in one.result] for name, one in curves.items()}
    entries = {n: Entry(f"{makers[n]}:fit", spec | {"epochs": epochs[n]}, ("sklearn",)) for n in makers}
    found = contest(entries, how, differences=False)
    for name, one in found.items():
        table.figures.append(raw(name, one, **spec, goal=goal, epochs=epochs[name], errors=one.result))
        table.notes += [f"{called}: {name} {one.why_not}"] if one.why_not else []
        never = sum(min(curve) > goal for curve in curves[name].result)
        if never:
            table.notes.append(f"{called}: {name} missed the goal from {never} of {spec['seeds']} seeds")
    if not any(one.why_not for one in found.values()):
        table.rows.append(_row(called, goal, epochs, found))
        table.wrong += [
            f"{called}: the fits of {name} on the clock missed the goal that they had reached: {one.result}"
            for name, one in found.items()
            if statistics.median(one.result) > 1.1 * goal
        ]


def _row(called: str, goal: float, epochs: dict[str, list[int]], found: dict[str, Found]) -> list[str]:
    ours, theirs = found[OURS], found[THEIRS]
    return [
        called,
        f"{goal:.4g}",
        *(f"{statistics.median(epochs[name]):.0f}" for name in (OURS, THEIRS)),
        number(1e3 * ours.median),
        spread([1e3 * one for one in ours.seconds]),
        number(1e3 * theirs.median),
        times(ratio(theirs, ours)),
    ]


def _first(curve: list[float], goal: float) -> int:
    """The epoch, from 1, after which the error is no more than the goal; the last if none is."""
    return next((n for n, error in enumerate(curve, 1) if error <= goal), len(curve))
