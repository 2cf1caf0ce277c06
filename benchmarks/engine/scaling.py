"""How the cost of an epoch grows with depth, width and patterns: points, and the exponents fitted to them."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import workloads
from measure import Entry, How, contest
from report import Table, number, raw

AXES: dict[str, tuple[list[int], str]] = {
    "depth": ([1, 2, 4, 8, 16, 32], "hidden layers of 64 nodes, batch 32"),
    "width": ([16, 32, 64, 128, 256, 512], "nodes in each of two hidden layers, batch 32"),
    "patterns": ([512, 1024, 2048, 4096, 8192, 16384], "patterns, 64-64-64-64, batch 32"),
}
STEPS = 16
"""Updates an epoch, where it is not the patterns that grow."""


def tables(given: argparse.Namespace, how: How) -> list[Table]:
    """A row an axis."""
    table = Table(f"How an epoch grows, {given.dtype}, {how}", ["", "of what", "ms", "exponent"], [])
    for axis, (all_points, called) in AXES.items():
        points = all_points[: given.points]
        found = contest({str(n): Entry("ours:engine", _task(axis, n, given.dtype)) for n in points}, how)
        failed = [one.why_not for one in found.values() if one.why_not]
        if failed:
            table.wrong += failed
            continue
        seconds = [one.median for one in found.values()]
        last = slice(-(len(points) // 2 + 1), None)
        steepness = exponent(points[last], seconds[last])
        shown = " ".join(number(1e3 * one) for one in seconds)
        table.rows.append([axis, f"{points[0]:,} to {points[-1]:,} {called}", shown, f"{steepness:.2f}"])
        table.figures += [raw(axis, one, n=n) for n, one in zip(points, found.values(), strict=True)]
        table.figures.append({"name": axis, "exponent": steepness, "exponent of all": exponent(points, seconds)})
    table.notes.append("Each point doubles the one before; exponents are fitted to the upper half")
    return [table]


def exponent(points: Any, seconds: Any) -> float:
    """The slope of the straight line through the logarithms."""
    with np.errstate(invalid="ignore"):  # a difference below 0 on a busy machine: there is none
        return float(np.polyfit(np.log(points), np.log(seconds), 1)[0])


def _task(axis: str, n: int, dtype: str) -> dict[str, Any]:
    sizes = {
        "depth": [64, *[64] * n, 64],
        "width": [n, n, n, n],
        "patterns": [64, 64, 64, 64],
    }[axis]
    return workloads.task(sizes, 32, n // 32 if axis == "patterns" else STEPS, dtype)
