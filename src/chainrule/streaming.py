"""Tables larger than memory: one pass to measure and divide them, then training window by window.

Every row draws 64 random bits by its number, and these say whether it is held out, kept apart to choose by, or trained
on: nothing about the rows need be remembered. A window holds pieces of several blocks of the table, taken in an order
that is drawn for each epoch, and its rows are shuffled among themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.engines import Patterns
from chainrule.notation import Array, FloatArray
from chainrule.objective import known_patterns
from chainrule.tables import BadData, Blocks, Encoding, Scaling, Table, Targets, open_blocks
from chainrule.tables.blocks import ROWS, larger_than
from chainrule.tables.columns import MOST_LEVELS
from chainrule.tables.encoding import BINARY_SD, Field, require_known
from chainrule.tables.paths import are_paths
from chainrule.tables.splitting import SPLIT
from chainrule.tables.table import Kind, level, require_finite, short
from chainrule.training.progress import progress as progress_bar

STREAMED = 2**30
"""Bytes of a table as float64 from which it is streamed."""

WINDOW = 2**25
"""Bytes of a window's inputs and targets as float64."""

OPEN = 8
"""Blocks of a table that are read side by side, so that a window mixes rows from far apart."""

MOST_HELD_OUT = 20_000
"""Rows held out for the report, and as many kept apart to choose by, at most."""

MOST_EXCERPT = 50_000
"""Rows trained on that are also kept in memory, to choose the penalty and fit the linear model."""

TRAINED, EXCERPT, STOPPING, HELD_OUT = range(4)


@dataclass
class _Column:
    """What is known of a column so far: moments of its numbers, its levels or values and how often each occurs.

    The moments are of the numbers divided by a power of two, so that no square of theirs overflows or vanishes.
    """

    kind: str = ""
    known: int = 0
    scale: float = float(np.finfo(np.float64).tiny)
    of_scaled: tuple[float, float] = (0.0, 0.0)
    levels: dict[str, int] = field(default_factory=dict)
    different: dict[float, int] = field(default_factory=dict)

    @property
    def classes(self) -> dict[str, int]:
        """Its levels, or its different values as texts, in order, and how often each is trained on."""
        if self.kind == "text":
            return dict(sorted(self.levels.items()))
        return {level(one, self.kind == "boolean"): count for one, count in sorted(self.different.items())}

    @property
    def mean(self) -> float:
        """Of its numbers."""
        return self.scale * self.of_scaled[0]

    def sd(self, rows: int) -> float:
        """The standard deviation of its numbers, with the mean in the rows that lack one; 1 if it is constant."""
        return 1.0 if self.still else self._spread(rows)

    def _spread(self, rows: int) -> float:
        return self.scale * float(np.sqrt(self.of_scaled[1] / max(rows, 1)))

    @property
    def still(self) -> bool:
        """Whether its numbers, or the positions of its texts, are the same in all rows trained on that know them."""
        return bool(self._spread(self.known) <= np.finfo(np.float64).eps * abs(self.mean))

    def add(self, values: FloatArray, kind: Kind, trained: Array) -> None:
        """Take in a piece; its levels are noted of all rows, the rest of those that are trained on."""
        gaps = np.isnan(values)
        if not gaps.all() or not self.kind:
            self.kind = kind.name
        if kind.name == "text":
            counts = np.bincount(values[~gaps & trained].astype(np.intp), minlength=len(kind.levels))
            for one, count in zip(kind.levels, counts.tolist(), strict=True):
                self.levels[one] = self.levels.get(one, 0) + count
        elif len(self.different) <= MOST_LEVELS:
            different, which = np.unique(values[~gaps], return_inverse=True)
            counts = np.bincount(which[trained[~gaps]], minlength=len(different))
            for value, count in zip(different[: MOST_LEVELS + 1].tolist(), counts.tolist(), strict=False):
                self.different[value] = self.different.get(value, 0) + count
        some = values[~gaps & trained]
        if some.size:
            larger = max(self.scale, 2.0 ** (float(np.frexp(np.abs(some).max() or self.scale)[1]) - 1))
            before, m2 = self.of_scaled[0] * (self.scale / larger), self.of_scaled[1] * (self.scale / larger) ** 2
            some = some / larger
            mean, total = float(some.mean()), self.known + len(some)
            distance = mean - before
            m2 += float(((some - mean) ** 2).sum()) + distance**2 * self.known * len(some) / total
            self.scale, self.known = larger, total
            self.of_scaled = (before + distance * len(some) / total, m2)


@dataclass(frozen=True)
class Survey:
    """What one pass over a table found.

    Attributes
    ----------
    encoding : Encoding
    inputs : Scaling
    targets : Targets
    rows : dict of str to int
        "trained", "stopping", "held_out", "without_target".
    held_out, stopping, excerpt : tuple (encoded inputs, targets in their own terms)
    still : tuple of str
        The columns that do not vary in the rows trained on.
    """

    encoding: Encoding
    inputs: Scaling
    targets: Targets
    rows: dict[str, int]
    held_out: tuple[FloatArray, FloatArray]
    stopping: tuple[FloatArray, FloatArray]
    excerpt: tuple[FloatArray, FloatArray]
    still: tuple[str, ...]


def large_table(table: Any, stream: bool | None, **how: Any) -> Blocks | None:
    """The blocks of files that are to be streamed: those that would take more than :data:`STREAMED`, or as asked for.

    ``how`` they are read is as for :func:`chainrule.tables.open_blocks`.
    """
    if stream is False or not are_paths(table):
        if stream:
            raise ValueError("stream must be left out unless the table is in files; got an object. It is in memory.")
        return None
    if stream or larger_than(STREAMED, table, how.get("dialect")):
        return open_blocks(table, **how)
    return None


def divide(rows: int, held_out: float) -> Array:
    """The 64 bits above which rows are trained on, in the excerpt, kept apart, held out: three thresholds."""
    share = min(held_out, MOST_HELD_OUT / rows)
    apart = min(share or 0.1, MOST_HELD_OUT / rows, (1 - share) / 4)
    parts = np.cumsum([share, apart, min(0.5, MOST_EXCERPT / rows, 1 - share - apart)])
    return (np.minimum(parts, 1 - 2.0**-53) * 2.0**64).astype(np.uint64)


def part_of(start: int, rows: int, thresholds: Array, seed: int) -> Array:
    """Of each of so many rows from this one, which part it is in."""
    generator = np.random.PCG64([seed, SPLIT])
    generator.advance(start)
    return HELD_OUT - np.searchsorted(thresholds, generator.random_raw(rows), side="right")


def survey(
    blocks: Blocks,
    target: Sequence[str],
    *,
    ignore: Sequence[str],
    missing: str | None,
    task: str | None,
    held_out: float,
    seed: int,
    progress: bool | None,
) -> Survey:
    """Measure a table in one pass.

    Raises
    ------
    BadData
        If something in it cannot be used; the message names the row and the column.
    """
    names = [name for name in blocks.names if name not in {*target, *ignore}]
    if not names:
        raise BadData(f"target must leave a column for the inputs; got {list(target)}. Name the columns to predict.")
    thresholds = divide(blocks.rows, held_out)
    found = {name: _Column() for name in (*names, *target)}
    kept: dict[int, list[Table]] = {EXCERPT: [], STOPPING: [], HELD_OUT: []}
    gaps = dict.fromkeys(names, False)
    counts = [0, 0, 0, 0]
    known_rows = 0
    with progress_bar(sum(-(-block.rows // ROWS) for block in blocks.blocks), progress, "reading") as report:
        for block in blocks.blocks:
            at = block.start
            for table in block.tables([*names, *target]):
                table.require_usable()
                part = part_of(at, len(table), thresholds, seed)
                at += len(table)
                wanted = table.select(target)
                known = ~np.isnan(wanted.values).all(axis=1)
                known_rows += int(known.sum())
                require_finite(wanted, argument="targets", missing_allowed=True)
                inputs = table.select(names)
                if not known.all():
                    inputs, wanted, part = (
                        inputs.take(np.flatnonzero(known)),
                        wanted.take(np.flatnonzero(known)),
                        part[known],
                    )
                require_known(inputs, [None if missing is None else 0.0] * len(names))
                trained = part <= EXCERPT
                for j, name in enumerate(names):
                    found[name].add(inputs.values[:, j], inputs.kinds[j], trained)
                    gaps[name] |= bool(np.isnan(inputs.values[trained, j]).any())
                for j, name in enumerate(target):
                    found[name].add(wanted.values[:, j], wanted.kinds[j], trained)
                for which, tables in kept.items():
                    rows = np.flatnonzero(part == which)
                    if rows.size:
                        tables.append(_beside(inputs.take(rows), wanted.take(rows)))
                for which in range(4):
                    counts[which] += int((part == which).sum())
                report(float("nan"), None)
    trained_rows = counts[TRAINED] + counts[EXCERPT]
    if counts[EXCERPT] < 2:
        raise BadData(
            f"{blocks.origin} must have more rows with a known target to be streamed; got {known_rows}. Add rows, or "
            "pass stream=False (--no-stream)."
        )
    _require_few_levels(found)
    encoding = Encoding(
        tuple(
            Field(
                name,
                one.kind,
                tuple(text for text, count in one.classes.items() if count) if one.kind == "text" else (),
                None if missing is None else 0.0 if one.kind == "text" else one.mean,
                gaps[name],
            )
            for name, one in ((name, found[name]) for name in names)
        )
    )
    of_targets = _targets(target, found, task)
    unseen, apart, excerpt = (_encoded(kept[which], encoding, of_targets) for which in (HELD_OUT, STOPPING, EXCERPT))
    return Survey(
        encoding,
        _scaling(encoding, found, trained_rows),
        of_targets,
        {
            "trained": trained_rows,
            "stopping": counts[STOPPING],
            "held_out": counts[HELD_OUT],
            "without_target": blocks.rows - known_rows,
        },
        unseen,
        apart,
        excerpt,
        tuple(name for name, one in found.items() if one.still and (not one.known or not gaps.get(name))),
    )


@dataclass(frozen=True)
class Stream:
    """The rows of a table that are trained on, as a source for :func:`chainrule.train`.

    Attributes
    ----------
    blocks : Blocks
    measured : Survey
    held_out : float
        Fraction of the rows that is.
    seed : int
        Of the split.
    batch_size : int
    dtype : dtype
        Of the network.
    """

    blocks: Blocks
    measured: Survey
    held_out: float
    seed: int
    batch_size: int
    dtype: Any = np.float64

    @property
    def patterns(self) -> int:
        """How many rows are trained on."""
        return self.measured.rows["trained"]

    @property
    def total(self) -> float:
        """S: each has weight 1."""
        return float(self.patterns)

    @property
    def window(self) -> int:
        """Rows of a window, a multiple of the batch size."""
        width = len(self.measured.encoding.inputs) + len(self.measured.targets.outputs)
        return max(WINDOW // (8 * width) // self.batch_size, 1) * self.batch_size

    def windows(self, seed: int, epoch: int, shuffle: bool) -> Iterator[tuple[Patterns, Array]]:
        """One epoch: pieces of several blocks at once, in an order of this epoch, fill one window after another."""
        random = np.random.default_rng([seed, epoch])
        order = random if shuffle else None
        size, filled = self.window, 0
        for y_0, t in self._pieces(order):
            taken = 0
            while taken < len(t):
                if not filled:
                    whole, wanted = (np.empty((size, part.shape[1]), dtype=self.dtype) for part in (y_0, t))
                some = min(size - filled, len(t) - taken)
                whole[filled : filled + some] = y_0[taken : taken + some]
                wanted[filled : filled + some] = t[taken : taken + some]
                filled, taken = filled + some, taken + some
                if filled == size:
                    yield self._window(whole, wanted, order)
                    filled = 0
        if filled:
            yield self._window(whole[:filled], wanted[:filled], order)

    def pieces(self) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """All patterns in the table's order."""
        for y_0, t in self._pieces(None):
            yield y_0, t, np.ones(len(t), dtype=self.dtype)

    def excerpt(self) -> Patterns:
        """Those that are kept in memory."""
        y_0, truth = self.measured.excerpt
        y_0, t = self._scaled(y_0, truth)
        return Patterns(y_0, t, np.asarray(known_patterns(t), dtype=self.dtype), self.batch_size)

    def _window(self, y_0: FloatArray, t: FloatArray, random: Any) -> tuple[Patterns, Array]:
        order = np.arange(len(t)) if random is None else random.permutation(len(t))
        ones = np.ones(len(t), dtype=self.dtype)
        return Patterns(y_0, t, ones, self.batch_size, self.patterns, self.total), order

    def _pieces(self, random: Any) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Rows trained on, as the network sees them: in the table's order, or of several blocks side by side."""
        blocks = list(self.blocks.blocks)
        if random is not None:
            blocks = [blocks[n] for n in random.permutation(len(blocks))]
        waiting = iter(blocks)
        open_ones: list[list[Any]] = []
        columns = [*self.measured.encoding.names, *self.measured.targets.names]
        thresholds = divide(self.blocks.rows, self.held_out)
        while True:
            while len(open_ones) < (1 if random is None else OPEN):
                block = next(waiting, None)
                if block is None:
                    break
                open_ones.append([block.start, block.tables(columns)])
            if not open_ones:
                return
            chosen = open_ones[0 if random is None else int(random.integers(len(open_ones)))]
            table = next(chosen[1], None)
            if table is None:
                open_ones.remove(chosen)
                continue
            part = part_of(chosen[0], len(table), thresholds, self.seed)
            chosen[0] += len(table)
            known = ~np.isnan(table.select(self.measured.targets.names).values).all(axis=1)
            table = replace(table.take(np.flatnonzero((part <= EXCERPT) & known)), named=True)
            if len(table):
                y_0 = self.measured.encoding.encode(table, warn=False)
                yield self._scaled(y_0, self.measured.targets.truth(table))

    def _scaled(self, y_0: FloatArray, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
        scaled = self.measured.inputs.apply(y_0, self.measured.encoding.inputs)
        return scaled.astype(self.dtype), self.measured.targets.encode(truth).astype(self.dtype)


def _beside(inputs: Table, wanted: Table) -> Table:
    return replace(
        inputs,
        names=(*inputs.names, *wanted.names),
        values=np.hstack([inputs.values, wanted.values]),
        kinds=(*inputs.kinds, *wanted.kinds),
        named=True,
    )


def _encoded(tables: list[Table], encoding: Encoding, targets: Targets) -> tuple[FloatArray, FloatArray]:
    """Inputs and targets of the rows that were kept."""
    if not tables:
        return np.empty((0, len(encoding.inputs))), np.empty((0, len(targets.names)))
    return (
        np.concatenate([encoding.encode(table, warn=False) for table in tables]),
        np.concatenate([targets.truth(table) for table in tables]),
    )


def _scaling(encoding: Encoding, found: dict[str, _Column], rows: int) -> Scaling:
    """Mean and standard deviation of the encoded inputs, from what was measured of the columns."""
    mean, sd = [], []
    for one in encoding.fields:
        column = found[one.name]
        if one.kind == "text":
            mean += [column.levels[text] / rows for text in one.levels]
            sd += [BINARY_SD] * len(one.levels)
        else:
            mean, sd = [*mean, column.mean], [*sd, BINARY_SD if one.kind == "boolean" else column.sd(rows)]
        if one.indicator:
            mean, sd = [*mean, 1 - column.known / rows], [*sd, BINARY_SD]
    return Scaling(np.array(mean), np.array(sd))


def _targets(names: Sequence[str], found: dict[str, _Column], task: str | None) -> Targets:
    """The targets, from what was measured of their columns."""
    fields = [Field(name, found[name].kind, tuple(found[name].classes)) for name in names]
    targets = Targets.of(fields, task)
    if targets.task == "classification":
        counts = [np.array([*found[name].classes.values()]) for name in names]
        return replace(targets, shares=tuple(tuple((count / max(count.sum(), 1)).tolist()) for count in counts))
    columns = [found[name] for name in names]
    mean, sd = [one.mean for one in columns], [one.sd(one.known) for one in columns]
    return replace(targets, scaling=Scaling(np.array(mean), np.array(sd)))


def _require_few_levels(found: dict[str, _Column]) -> None:
    for name, one in found.items():
        if len(one.levels) > MOST_LEVELS:
            raise BadData(
                f"column {short(name)} must hold at most {MOST_LEVELS} different texts; got {len(one.levels)}. Leave "
                f"it out (--ignore {name}), or join rare ones."
            )
