"""What a step of plain descent costs, against JAX, PyTorch, scikit-learn and the processor's ceiling.

A row is a network (T1 to T6); a step is an update from one batch, shuffled patterns gathered on all sides. Of JAX's
and PyTorch's forms the fastest counts; all are in the second table.
"""

from __future__ import annotations

import argparse
from typing import Any

import workloads
from measure import Entry, Found, How, contest, ratio, ratios
from report import Table, crowded, missing, number, raw, spread, times

OURS, PAGE, CEILING = "chainrule", "the page", "ceiling"
FORMS = {
    OURS: ("ours:engine", ()),
    "chainrule, by train": ("ours:by_train", ()),
    "JAX explicit": ("with_jax:explicit", ("jax",)),
    "JAX grad": ("with_jax:grad", ("jax",)),
    "PyTorch eager": ("with_torch:eager", ("torch",)),
    "PyTorch by hand": ("with_torch:in_place", ("torch",)),
    "PyTorch compiled": ("with_torch:compiled", ("torch",)),
    "PyTorch by hand, compiled": ("with_torch:in_place_compiled", ("torch",)),
    "scikit-learn": ("with_sklearn:step", ("sklearn",)),
    PAGE: ("ours:page", ()),
    CEILING: ("ceiling:operations", ()),
}
PEERS = ("JAX", "PyTorch", "scikit-learn", PAGE)
TOLERANCES = {"float32": 1e-3, "float64": 1e-8}
"""How far apart E may be after one epoch: it holds thousands of steps, each of which amplifies what was rounded."""


def tables(given: argparse.Namespace, how: How, rule: str = "gradient_descent") -> list[Table]:
    """Ratios, and what everyone took."""
    title = "plain descent" if rule == "gradient_descent" else "Adam"
    called = f"A step of {title}, {given.dtype}, {how}"
    first = Table(called, ["network", "µs a step", "spread", "GFLOP/s", "of ceiling", *PEERS], [])
    second = Table(f"{called}: microseconds of everyone", ["network"], [])
    names = entries("T1", given.dtype, rule, given.against)
    second.columns += [name for name in names if name != CEILING]
    for workload in given.workloads:
        found = contest(entries(workload, given.dtype, rule, given.against), how)
        first.rows.append(_row(workload, found, given.dtype, rule))
        second.rows.append(
            [workload, *(_microseconds(one, workload) for name, one in found.items() if name != CEILING)]
        )
        first.figures += _figures(workload, found, given.dtype, rule, how)
        first.wrong += wrong(workload, found, given.dtype)
        first.wrong += [f"{workload}, {name}: {found[name].why_not}" for name in (OURS, PAGE) if found[name].why_not]
        second.notes += [f"{workload}, {one}" for one in [*missing(found), *crowded(found, how.threads)]]
    second.notes = _together(second.notes)
    shapes = {name: workloads.WORKLOADS[name] for name in given.workloads}
    first.notes += [f"{name}: {'-'.join(map(str, sizes))}, batch {n}" for name, (sizes, n, _) in shapes.items()]
    return [first, second]


def entries(workload: str, dtype: str, rule: str, against: list[str]) -> dict[str, Entry]:
    """Who takes part."""
    spec = workloads.spec(workload, dtype, rule)
    found = {}
    for name, (make, needs) in FORMS.items():
        if name == "PyTorch by hand, compiled" and rule != "gradient_descent":
            continue
        more = ("optax",) if rule == "adam" and needs == ("jax",) else ()
        if not needs or needs[0] in against:
            found[name] = Entry(make, spec, (*needs, *more))
    return found


def fastest(found: dict[str, Found], peer: str) -> Found | None:
    """The form of a peer that took least; none if no form took part."""
    forms = [one for name, one in found.items() if name.startswith(peer) and one.seconds and not one.why_not]
    return min(forms, key=lambda one: one.median, default=None)


def _row(workload: str, found: dict[str, Found], dtype: str, rule: str) -> list[str]:
    ours = found[OURS]
    if ours.why_not:
        return [workload, *["–"] * (4 + len(PEERS))]
    spec = workloads.spec(workload, dtype, rule)
    steps = workloads.WORKLOADS[workload][2]
    micro = [one / steps * 1e6 for one in ours.seconds]
    rate = workloads.operations(spec) * steps / ours.median
    peers = [fastest(found, peer) for peer in PEERS]
    return [
        workload,
        number(ours.median / steps * 1e6),
        spread(micro),
        number(rate / 1e9),
        f"{100 * share(found, spec, steps):.0f} %",
        *("–" if one is None else times(ratio(one, ours)) for one in peers),
    ]


def share(found: dict[str, Found], spec: dict[str, Any], steps: int) -> float:
    """Of the ceiling, which was measured right after in each round."""
    return ratio(found[CEILING], found[OURS]) * workloads.operations(spec) * steps / found[CEILING].result


def _microseconds(one: Found, workload: str) -> str:
    return number(one.median / workloads.WORKLOADS[workload][2] * 1e6) if one.seconds and not one.why_not else "–"


def _figures(workload: str, found: dict[str, Found], dtype: str, rule: str, how: How) -> list[dict[str, Any]]:
    spec, steps = workloads.spec(workload, dtype, rule), workloads.WORKLOADS[workload][2]
    what = {"workload": workload, "dtype": dtype, "rule": rule, "threads": how.threads, "steps": steps}
    kept = [raw(name, one, **what) for name, one in found.items()]
    for one, figures in zip(found.values(), kept, strict=True):
        if one.seconds and found[OURS].seconds:
            figures["times ours"] = ratios(one, found[OURS])
    if found[OURS].seconds and found[CEILING].seconds:
        kept[0]["of ceiling"] = share(found, spec, steps)
    return kept


def wrong(workload: str, found: dict[str, Found], dtype: str) -> list[str]:
    """Whose E after one epoch is not that of the page: it did not do the same work."""
    E = found[PAGE].result
    judged = {name: one.result for name, one in found.items() if one.result is not None and name != CEILING}
    far = {name: e for name, e in judged.items() if not abs(e - E) <= TOLERANCES[dtype] * E}
    return [f"{workload}: E after an epoch is {e:.9g} for {name}, {E:.9g} for the page" for name, e in far.items()]


def _together(notes: list[str]) -> list[str]:
    """What is the same for all networks, once."""
    reasons: dict[str, list[str]] = {}
    for one in notes:
        workload, reason = one.split(", ", 1)
        reasons.setdefault(reason, []).append(workload)
    return [f"{reason} ({', '.join(some)})" for reason, some in reasons.items()]
