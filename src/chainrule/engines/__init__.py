"""The page, run: what an engine is given, what it offers, and which one is taken.

An engine is a module with the functions of :class:`Engine`; ``train`` has no case for any of them.
"""

from __future__ import annotations

import difflib
import importlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np

from chainrule.network import Network, as_inputs, as_targets
from chainrule.notation import FloatArray
from chainrule.objective import known_patterns
from chainrule.sparse import Centred

ENGINES = {"cpu": "chainrule.engines.cpu", "reference": "chainrule.engines.reference"}
"""Every engine by name, the fastest first."""

PIECE = 4096
"""Patterns taken at once where all of them are needed, to bound memory."""


_thread = threading.local()


def threads() -> int:
    """How many threads an engine may use: CHAINRULE_THREADS, or the processors that this process may use.

    One, where this thread is one of several that share the work already.
    """
    if getattr(_thread, "alone", False):
        return 1
    given = os.environ.get("CHAINRULE_THREADS", "")
    if given.isdecimal() and int(given):
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def alone(stop: threading.Event | None = None) -> None:
    """Say that this thread is one of several that share the work: engines called from it use no others.

    Once ``stop`` is set they end as by Ctrl-C, which reaches the main thread only.
    """
    _thread.alone, _thread.stop = True, stop


def go_on() -> None:
    """Engines call it as often as Python may look for Ctrl-C: a KeyboardInterrupt if this thread is to stop."""
    stop = getattr(_thread, "stop", None)
    if stop is not None and stop.is_set():
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Patterns:
    """Patterns in memory: all there are, or a window of something larger.

    ``inputs`` is (patterns, inputs), ``targets`` (patterns, outputs) with NaN where missing, ``weights`` (patterns,),
    all above 0: patterns without a weight or a known target are left out. ``patterns`` and ``total``, how many there
    are and S, the sum of their weights, are those of the whole; a window is told them.
    """

    inputs: Any
    targets: FloatArray
    weights: FloatArray
    batch_size: int
    patterns: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        if not self.patterns:
            object.__setattr__(self, "patterns", len(self.inputs))
            object.__setattr__(self, "total", float(self.weights.sum()))

    def batches(self, order: Any) -> Iterator[tuple[Any, FloatArray, FloatArray, float]]:
        """Inputs, targets, weights and total of each batch in this order of rows; the totals keep E unbiased."""
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.inputs[rows], self.targets[rows], self.weights[rows], self.total * len(rows) / self.patterns

    def windows(self, seed: int, epoch: int, shuffle: bool) -> Iterator[tuple[Patterns, Any]]:
        """One window, everything; its order depends on seed and epoch only."""
        rows = len(self.inputs)
        yield self, np.random.default_rng([seed, epoch]).permutation(rows) if shuffle else np.arange(rows)

    def pieces(self) -> Iterator[tuple[Any, FloatArray, FloatArray]]:
        """All patterns in their own order, a piece at a time."""
        for start in range(0, len(self.inputs), PIECE):
            piece = slice(start, start + PIECE)
            yield self.inputs[piece], self.targets[piece], self.weights[piece]

    def excerpt(self) -> Patterns:
        """All of them: they are in memory already."""
        return self


@runtime_checkable
class Source(Protocol):
    """What ``train`` learns from, in memory or not: :class:`Patterns` is one, and a user may write another.

    Everything is in the network's type and checked already, as :class:`Patterns` says.
    """

    @property
    def batch_size(self) -> int:
        """Patterns an update."""

    @property
    def patterns(self) -> int:
        """How many there are."""

    @property
    def total(self) -> float:
        """S, the sum of their weights."""

    def windows(self, seed: int, epoch: int, shuffle: bool) -> Iterator[tuple[Patterns, Any]]:
        """One epoch: windows that fit into memory, each with the order in which its rows are to be taken.

        Together they hold every pattern once; each but the last holds a multiple of ``batch_size`` rows.
        """

    def pieces(self) -> Iterator[tuple[Any, FloatArray, FloatArray]]:
        """Inputs, targets and weights of all patterns once, in any order that stays the same, a piece at a time."""

    def excerpt(self) -> Patterns:
        """Some of the patterns, 50,000 at most or all that are in memory, to explain a run that went wrong."""


def source(net: Network, inputs: Any, targets: Any, weights: Any = None, batch_size: int | None = None) -> Patterns:
    """Check what a user gives, once, and make it a source in the network's type.

    Raises
    ------
    ValueError
        If a shape is wrong, an input is not finite, a target is infinite or outside what the objective allows, no
        target is known, or a weight is negative.
    """
    y_0, t = as_inputs(net, _plain(inputs)), as_targets(net, _plain(targets))
    if len(y_0) != len(t) or not len(t):
        raise ValueError(
            f"inputs and targets must have the same number of rows, one or more; got {len(y_0)} and {len(t)}. "
            "Pass one row a pattern in both."
        )
    if isinstance(y_0, Centred):
        _require_finite_sparse(y_0)
    else:
        _require_finite("inputs", y_0, np.isfinite(y_0))
    _require_finite("targets", t, ~np.isinf(t))
    low, high = net.objective.domain
    if ((t < low) | (t > high)).any():
        raise ValueError(
            f"targets must lie between {low:g} and {high:g} for objective {net.objective.name!r}; got "
            f"{np.nanmin(t):g} to {np.nanmax(t):g}. Rescale them or choose another objective."
        )
    known = ~np.isnan(t)
    if net.f[net.depth].vector and (known.any(axis=1) & ~known.all(axis=1)).any():
        row = int(np.argmax(known.any(axis=1) & ~known.all(axis=1)))
        raise ValueError(
            f"targets must be wholly known or wholly nan in each row under softmax; got a part of row {row}. "
            "Complete it."
        )
    s = np.asarray(known_patterns(t), dtype=net.dtype)
    if weights is not None:
        s = s * _weights(weights, s)
    if not s.any():
        raise ValueError(
            "targets must hold a known value of a pattern with a weight above 0; got none. Nothing can be learned."
        )
    if not s.all():  # what does not count takes no part, not even by overflowing
        y_0, t, s = y_0[s > 0], t[s > 0], s[s > 0]
    return Patterns(y_0, t, s, len(t) if batch_size is None else min(batch_size, len(t)))


def _plain(values: Any) -> Any:
    """Arrays of other libraries as NumPy's; an entry that is masked is missing."""
    if isinstance(values, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(values), np.nan, values.data)
    return np.asarray(values) if hasattr(values, "__array_namespace__") else values


def _require_finite(name: str, values: FloatArray, good: Any) -> None:
    if values.dtype.kind == "c":
        raise ValueError(f"{name} must be real; got {values.dtype}. Pass real and imaginary parts as columns.")
    if not good.all():
        row, column = (int(n) for n in np.argwhere(~good)[0])
        value = f"{values[row, column]}{' in float32' if values.dtype == np.float32 else ''}"
        raise ValueError(
            f"{name} must be finite; row {row}, column {column} is {value}. Drop the row or fill the gap first."
        )


def _require_finite_sparse(values: Centred) -> None:
    """The same of the entries that are stored."""
    bad = np.flatnonzero(~np.isfinite(values.matrix.data))
    if bad.size:
        row = int(np.searchsorted(values.matrix.indptr, bad[0], side="right")) - 1
        column, value = int(values.matrix.indices[bad[0]]), values.matrix.data[bad[0]]
        raise ValueError(
            f"inputs must be finite; row {row}, column {column} is "
            f"{value}{' in float32' if values.dtype == np.float32 else ''}. Drop the row or fill the gap first."
        )


def _weights(given: Any, s: FloatArray) -> FloatArray:
    """What a user gives as s_p, checked, in the type of s and as long."""
    try:
        weights = np.asarray(given)
        if weights.dtype.kind == "c":
            raise TypeError
        with np.errstate(over="ignore"):
            weights = weights.astype(s.dtype)
            total = weights.sum()
    except (TypeError, ValueError):
        wrong = f"a {type(given).__name__} of something else"
    else:
        bad = ~(np.isfinite(weights) & (weights >= 0))
        if weights.shape != s.shape:
            wrong = f"shape {weights.shape}"
        elif bad.any():
            wrong = f"{weights[np.argmax(bad)]} for pattern {np.argmax(bad)}"
        elif not np.isfinite(total):
            wrong = "a sum that is not finite"
        else:
            return weights
    raise ValueError(
        f"weights must be {len(s)} finite numbers from 0 up, one a pattern; got {wrong}. Only their ratios matter."
    )


class Memory(NamedTuple):
    """What a rule remembers of a run: how many updates it made, and its slots, each as long as θ and in its order."""

    updates: int
    slots: tuple[FloatArray, ...]


def memory(state: Any) -> Memory:
    """What the rule remembers in a state of whichever engine; its slots are copies."""
    return Memory(state.updates, tuple(layout.gathered(part) for layout, part in _parts(state)))


def recall(state: Any, memory: Memory) -> None:
    """Give it back, to another state of a network of the same sizes and the same rule."""
    state.updates = memory.updates
    for (layout, part), slot in zip(_parts(state), memory.slots, strict=True):
        part[:] = layout.spread(slot)


class _Plain:
    """The layout of an engine that has none of its own."""

    @staticmethod
    def gathered(slot: FloatArray) -> FloatArray:
        return slot.copy()

    @staticmethod
    def spread(slot: FloatArray) -> FloatArray:
        return slot


def _parts(state: Any) -> list[tuple[Any, Any]]:
    """Each slot as the engine keeps it, to be written to, and how it lays out what is as long as θ."""
    if isinstance(state.slots, tuple):
        return [(_Plain, slot) for slot in state.slots]
    rows = state.slots.reshape(state.rule.slots, -1) if state.rule.slots else ()
    return [(state.memory, row) for row in rows]


class Engine(Protocol):
    """What an engine offers; a state holds a network in training and belongs to the engine that made it."""

    def why_not(self, net: Network, source: Any = None, rule: Any = None) -> str:
        """Why it cannot run this network on such inputs, or train it by such a rule; empty if it can."""

    def prepare(self, net: Network, source: Source, rule: Any) -> Any:
        """A state to train this network on this source by this rule; the network itself is never changed."""

    def epoch(self, state: Any, window: Patterns, order: Any, learning_rates: Any) -> float:
        """One pass over a window in this order, one learning rate an update: its part of the running E of the epoch.

        That is E before each update, times the batch's share of all patterns. An E, a weight or a memory of the rule
        that is not finite ends the pass with NaN, and the state keeps the last that are.
        """

    def value_and_gradient(self, state: Any, theta: FloatArray) -> tuple[float, FloatArray]:
        """E of the whole source and its gradient, at this θ."""

    def place(self, state: Any, theta: FloatArray) -> None:
        """Give the state this θ."""

    def error(self, state: Any, source: Source) -> float:
        """E of a whole source at the state's weights, without the penalties."""

    def jacobian(self, state: Any) -> FloatArray:
        """The derivative of every output by θ, (patterns, outputs, parameters)."""

    def predict(self, net: Network, inputs: FloatArray) -> FloatArray:
        """The outputs (patterns, outputs)."""

    def network(self, state: Any) -> Network:
        """The network as it is now, with a θ of its own."""


def load(name: str = "auto", net: Network | None = None, source: Any = None, rule: Any = None) -> Engine:
    """The engine of that name, or for "auto" the fastest that can run this network on this source, or these inputs.

    With a rule, the fastest that can train it so.

    Raises
    ------
    ValueError
        If there is no such engine, or it cannot run that.
    """
    if name == "auto":
        found = (load(one) for one in ENGINES)
        return next(engine for engine in found if net is None or not engine.why_not(net, source, rule))
    if name not in [*ENGINES]:
        close = difflib.get_close_matches(str(name), ["auto", *ENGINES], 1)
        hint = f"Did you mean {close[0]!r}?" if close else "Leave it out for the fastest."
        *names, last = map(repr, ("auto", *ENGINES))
        raise ValueError(f"engine must be {', '.join(names)} or {last}; got {name!r}. {hint}")
    engine = cast(Engine, importlib.import_module(ENGINES[name]))
    if net is not None and (why := engine.why_not(net, source, rule)):
        raise ValueError(f"engine must be one that can run this network; got {name!r}, but {why}. Use 'reference'.")
    return engine
