"""What a prediction by 64-256-256-10 costs from Python, of one pattern and of many, against ONNX Runtime and others."""

from __future__ import annotations

import argparse

import workloads
from measure import Entry, How, contest, ratio
from report import Table, missing, number, raw, spread, times

SIZES = [64, 256, 256, 10]
OURS = "chainrule"
FORMS = {
    OURS: ("ours:predictor", ()),
    "ONNX Runtime": ("with_onnx:predict", ("onnx", "onnxruntime")),
    "PyTorch eager": ("with_torch:predict_eager", ("torch",)),
    "PyTorch traced": ("with_torch:predict_traced", ("torch",)),
    "PyTorch compiled": ("with_torch:predict_compiled", ("torch",)),
    "JAX": ("with_jax:predict", ("jax",)),
    "NumPy": ("ours:by_hand", ()),
}


def tables(given: argparse.Namespace, how: How) -> list[Table]:
    """One table for one pattern, one for many."""
    return [_table(given, how, 1, "One pattern"), _table(given, how, given.patterns, f"{given.patterns:,} patterns")]


def _table(given: argparse.Namespace, how: How, patterns: int, called: str) -> Table:
    spec = workloads.task(SIZES, 1, patterns, given.dtype)
    chosen = {name: one for name, one in FORMS.items() if not one[1] or one[1][0] in given.against}
    found = contest({name: Entry(make, spec, needs) for name, (make, needs) in chosen.items()}, how)
    table = Table(f"{called} from Python, {given.dtype}, {how}", ["", "µs", "spread", "times ours"], [])
    for name, one in found.items():
        if one.seconds and not one.why_not:
            against = "–" if found[OURS].why_not else times(ratio(one, found[OURS]))
            micro = [1e6 * seconds for seconds in one.seconds]
            table.rows.append([name, number(1e6 * one.median), spread(micro), against])
        what = {"patterns": patterns, "dtype": given.dtype, "threads": how.threads}
        table.figures.append(raw(name, one, **what))
        tolerance = 1e-3 if given.dtype == "float32" else 1e-9
        if one.result is not None and abs(one.result - found["NumPy"].result) > tolerance * (1 + patterns):
            table.wrong.append(f"the sum of the outputs is {one.result} by {name}, {found['NumPy'].result} by NumPy")
    table.notes = missing(found)
    table.wrong += [f"{OURS}: {found[OURS].why_not}"] if found[OURS].why_not else []
    return table
