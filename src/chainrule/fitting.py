"""Fitting: from a table to a model that is chosen, trained and judged, in memory or window by window.

The way of the data: table, columns of inputs and targets, rows seen and rows held out, encoding and scaling by the rows
seen, choice and training on them, scores on the others.
"""

from __future__ import annotations

import re
import shlex
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import index
from typing import Any

import numpy as np

from chainrule import scores, streaming
from chainrule.certificate import Certificate
from chainrule.choosing import Choice, Given, Problem, again, choose, train_on
from chainrule.mixture import Mixture
from chainrule.network import Network
from chainrule.notation import Array, FloatArray
from chainrule.scores import Scored
from chainrule.solving import by_solver, usual_solver
from chainrule.tables import BadData, Blocks, Encoding, Kind, Table, Targets, read_table, split
from chainrule.tables.columns import ZEROS
from chainrule.tables.encoding import Field, classes_of
from chainrule.tables.table import listed, positions, short
from chainrule.tables.targets import TASKS, few_values
from chainrule.training.descent import rule as rule_of
from chainrule.training.history import History
from chainrule.training.loop import Interrupted, WorseThanConstant
from chainrule.training.many import at_once
from chainrule.training.progress import progress as progress_bar

CERTIFIED = 32
"""Patterns on which a fitted model's gradient is certified."""

HELD_OUT = 0.2
"""Fraction of the rows kept for the report, unless it is given."""

LOOKED_AT = 10_000
"""Rows in which columns are looked at for numbers that may be names."""

GAP = re.compile(r"(?i)[-–—?.*/#_!]+|n[./]?a\.?|k\. ?a\.?")
"""Texts that may mark a missing cell where they stand among others."""

FAR, ALONE, MOST_ALONE = 20, 3, 3
"""Numbers of a target are far off if they lie more than 20 interquartile ranges from the median, more than three times
as far as all others, and are at most three."""

ENOUGH = 20
"""Rows from which quartiles say where numbers usually lie."""

FEW_ROWS = 50
"""Below so many, figures of a few held-out rows say little, and that is said."""


@dataclass(frozen=True)
class Report:
    """What came of a fit, on rows that took no part in it.

    Attributes
    ----------
    rows : dict of str to int
        "trained", "stopping" (kept apart to choose by), "held_out", "without_target" (left out).
    scores : dict of str to dict
        For each target, "network", "linear model" and "constant predictor" on the held-out rows; with cross-validation
        the means over the folds. Empty if nothing was held out.
    folds : tuple of dict
        The same of each fold of a cross-validation.
    truth, said : arrays
        Of the rows that were judged on, the targets (rows, targets), with the positions of classes, and what was said:
        numbers (rows, targets), or the probabilities of all levels. Of a cross-validation all rows, fold by fold.
    refitted : bool
        Whether the model was trained once more, on all rows, after it had been judged.
    certificate : Certificate
        Of the fitted network on some of its training patterns.
    choice : Choice
        What was chosen, and what was tried for it.
    notes, warnings : tuples of str
        What a user should know of the table and of the figures.
    seconds : float
        That all the trainings took.
    still : tuple of str
        The targets of which no network can learn anything: those that do not vary in the rows trained on, or all if no
        input does.
    """

    rows: Mapping[str, int]
    scores: Scored
    folds: tuple[Scored, ...]
    truth: FloatArray
    said: FloatArray
    refitted: bool
    certificate: Certificate
    choice: Choice
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float
    still: tuple[str, ...] = ()

    @property
    def history(self) -> History:
        """Of the training that was kept."""
        return self.choice.history

    def __str__(self) -> str:
        """R² or accuracy of network and baselines on the held-out rows, and the certificate in a line."""
        lines = []
        for target, found in self.scores.items():
            said = ", ".join(f"{name} {_main(one)}" for name, one in found.items())
            rows = (
                f"{len(self.folds)}-fold cross-validation" if self.folds else f"{self.rows['held_out']:,} held-out rows"
            )
            lines.append(f"{target}, {rows}: {said}")
        checked = "ok" if self.certificate.ok else "NOT OK"
        return "\n".join([*lines, f"gradient certificate: {checked}, {self.certificate.relative_error:.0e}"])


def _main(one: scores.Scores | scores.ClassScores) -> str:
    return f"R² = {one.r2:.3f}" if isinstance(one, scores.Scores) else f"accuracy = {one.accuracy:.3f}"


def fit(
    kind: Any,
    table: Any,
    target: Any,
    *,
    ignore: Any,
    text: Any,
    missing: str | None,
    task: str | None,
    given: Given,
    held_out: float | None,
    cv: int | None,
    refit: bool,
    search: float | None,
    engine: str,
    seed: int,
    progress: bool | None,
    callbacks: Sequence[Any],
    dialect: Any,
    stream: bool | None,
) -> Any:
    """A model of this kind, fitted and judged: what :meth:`chainrule.Model.fit` says."""
    _require_choices(given.hidden, held_out, seed, missing, task, cv, refit, search)
    held_out = HELD_OUT if held_out is None else held_out
    seed = index(seed)  # NumPy's would overflow
    ignore, text = _column_names("ignore", ignore), _column_names("text", text)
    given = replace(
        given,
        hidden=None if given.hidden is None else tuple(given.hidden),
        rule=None if given.rule is None else rule_of(given.rule),
    )
    _require_solver(given, search)
    run: dict[str, Any] = {"engine": engine, "seed": seed, "progress": progress}
    blocks = streaming.large_table(table, stream, text=text, dialect=dialect)
    if blocks is not None:
        _require_streamable(target, cv, refit, given.solver)
        return _fit_stream(
            kind,
            blocks,
            target,
            given,
            ignore=ignore,
            missing=missing,
            task=task,
            held_out=held_out,
            search=search,
            callbacks=callbacks,
            written=_gaps_of(dialect),
            text=text,
            **run,
        )
    read = read_table(table, text=text, dialect=dialect)
    written = ({"decimal": read.decimal} if read.decimal else {}) | _gaps_of(dialect)
    data = _Data.of(read, target, ignore, missing, task, written, text)
    choices: dict[str, Any] = {"search": search, **run}
    started = time.perf_counter()
    rows = np.arange(data.rows)
    seen, unseen = (rows, rows[:0]) if cv or not held_out else split(data.rows, held_out=held_out, seed=seed)
    _require_rows(cv, data.rows)
    folds = [] if cv is None else scores.folds(data.rows, cv, seed, data.classes)
    model, choice = data.fit(kind, seen, given, callbacks=() if refit else callbacks, **choices)
    try:
        judged = _judge_folds(kind, data, given, folds, **choices) if folds else []
        if unseen.size:
            judged = [_judge(model, data, seen, unseen)]
        whole = refit or (bool(folds) and choice.stopping > 0)
        if whole:
            kept = callbacks if refit else ()
            model, choice = data.fit(kind, rows, given, like=choice, callbacks=kept, **run)
        counts = {
            "trained": data.rows if whole else len(seen) - choice.stopping,
            "stopping": 0 if whole else choice.stopping,
            "held_out": len(unseen),
            "without_target": data.left_out,
        }
        model.fitted = _as_fitted(read.origin, counts, refit, choice, seed) | written
        some = seen[:CERTIFIED]
        still, why = data.still(rows if whole else seen)
        model.report = Report(
            rows=counts,
            scores=scores.mean([scored for scored, _ in judged]) if judged else {},
            folds=tuple(scored for scored, _ in judged) if folds else (),
            truth=data.truth[np.concatenate([out for _, out in folds] if folds else [unseen])],
            said=np.concatenate([said for _, said in judged]) if judged else data.truth[:0],
            refitted=refit,
            certificate=model.certified(model.encoded(data.inputs.take(some)), data.truth[some]),
            choice=choice,
            notes=data.notes,
            warnings=_few(data.rows, bool(folds)),
            seconds=time.perf_counter() - started,
            still=still,
        )
    except KeyboardInterrupt:  # the model is whole, but not judged
        interrupted = Interrupted(model.network, choice.history)
        interrupted.stage = "reporting"
        interrupted.model = replace(model, fitted={"interrupted": interrupted.stage, **written})
        raise interrupted from None
    if why := why or choice.history.warning:
        warnings.warn(why, WorseThanConstant, stacklevel=3)
    return model


def _judge_folds(
    kind: Any, data: _Data, given: Given, folds: Sequence[tuple[Array, Array]], *, progress: bool | None, **choices: Any
) -> list[tuple[Scored, FloatArray]]:
    """A model fitted without each fold, judged on it; as many at once as there are threads."""
    from threadpoolctl import threadpool_limits

    def judged(into: Array, out: Array) -> tuple[Scored, FloatArray]:
        return _judge(data.fit(kind, into, given, progress=False, **choices)[0], data, into, out)

    with threadpool_limits(1, "blas"), progress_bar(len(folds), progress, "folds") as report:
        return at_once([partial(judged, *fold) for fold in folds], done=lambda: report(0.0, None, 1.0))


def _judge(model: Any, data: _Data, seen: Array, unseen: Array) -> tuple[Scored, FloatArray]:
    """Scores on the unseen rows, and what the network said of them.

    Beside the network stand the linear model and the constant, both fitted to all the seen rows.
    """
    y_0, new = (model.encoded(data.inputs.take(rows)) for rows in (seen, unseen))
    compared: tuple[Scored, FloatArray] = model.compared(y_0, data.truth[seen], new, data.truth[unseen])
    return compared


def _fit_stream(
    kind: Any,
    blocks: Blocks,
    target: str | Sequence[str],
    given: Given,
    *,
    ignore: Sequence[str],
    missing: str | None,
    task: str | None,
    held_out: float,
    search: float | None,
    callbacks: Sequence[Any],
    written: dict[str, Any],
    text: Sequence[str],
    engine: str,
    seed: int,
    progress: bool | None,
) -> Any:
    """Fit to a table window by window; what is not given is chosen on an excerpt."""
    started = time.perf_counter()
    names = (target,) if isinstance(target, str) else tuple(target)
    ignored = {blocks.names[j] for j in positions(ignore, blocks.names, blocks.origin, "ignore")}
    left = [name for name in blocks.names if name not in ignored]
    positions(names, left, blocks.origin, "target")
    _require_once(names, left)
    found = streaming.survey(
        blocks, names, ignore=ignore, missing=missing, task=task, held_out=held_out, seed=seed, progress=progress
    )
    model = kind(Network([1, 1]), found.encoding, found.inputs, found.targets)
    y_0, truth = found.excerpt
    _require_known(truth, names)
    problem = Problem(
        model.scaled(y_0),
        found.targets.encode(truth),
        found.targets.activation,
        found.targets.objective,
        truth[:, 0] if found.targets.task == "classification" and truth.shape[1] == 1 else None,
        found.encoding.inputs,
    )
    given = given.streamed()
    run: dict[str, Any] = {"engine": engine, "seed": seed, "progress": progress}
    chosen: Choice | None = None
    try:
        choice = chosen = choose(problem, given, search=search, **run)
        source = streaming.Stream(blocks, found, held_out, seed, choice.settings.batch_size or found.rows["trained"])
        apart, wanted = found.stopping
        validation = (model.scaled(apart), found.targets.encode(wanted)) if len(wanted) else None
        patience = given.patience if validation else None
        settings = replace(choice.settings, epochs=given.settings(found.rows["trained"], False).epochs)
        network, history = train_on(
            problem, settings, source, validation=validation, patience=patience, callbacks=callbacks, **run
        )
    except Interrupted as error:
        begun = chosen is None or error.history.epochs > 0
        network = error.network if begun or chosen is None else chosen.network  # which was trained on the excerpt
        error.model = replace(model, network=network, fitted={"interrupted": error.stage, **written})
        raise
    choice = replace(choice, settings=settings, network=network, history=history, stopping=len(wanted))
    seconds = time.perf_counter() - started
    still, why = _still(found.still, found.encoding.names, names)
    if why := why or history.warning:
        warnings.warn(why, WorseThanConstant, stacklevel=4)
    model.network, model.fitted = network, _as_fitted(blocks.origin, found.rows, False, choice, seed) | written
    new, unseen = found.held_out
    scored, said = model.compared(y_0, truth, new, unseen) if len(unseen) else ({}, unseen)
    of_targets = _fields(Table(names, truth, kinds=tuple(Kind(one.kind) for one in found.targets.fields)))
    few = few_values(of_targets) if found.targets.task == "regression" and task is None else ()
    fields = (*found.encoding.fields, *found.targets.fields)
    notes = (
        *_may_be_classes(few),
        *_of_levels({one.name: one.levels for one in fields if one.kind == "text"}, text),
        f"streamed in windows of {source.window:,} rows; the penalty is chosen on {len(truth):,} of them, and the "
        "linear model is fitted to these",
    )
    model.report = Report(
        rows=found.rows,
        scores=scored,
        folds=(),
        truth=unseen,
        said=said,
        refitted=False,
        certificate=model.certified(y_0[:CERTIFIED], truth[:CERTIFIED]),
        choice=choice,
        notes=notes,
        warnings=_few(blocks.rows, False),
        seconds=seconds,
        still=still,
    )
    return model


@dataclass(frozen=True)
class _Data:
    """What a model is fitted to: input columns, targets in their own terms, of the rows that know a target."""

    inputs: Table
    targets: Targets
    truth: FloatArray
    missing: str | None
    left_out: int
    notes: tuple[str, ...]
    written: dict[str, Any]

    @classmethod
    def of(
        cls,
        read: Table,
        target: Any,
        ignore: Sequence[str],
        missing: str | None,
        task: str | None,
        written: dict[str, Any],
        text: Sequence[str],
    ) -> _Data:
        """Divide a table into inputs and targets, and refuse what cannot be trained on."""
        inputs, wanted = _parted(read.without(ignore, argument="ignore"), target)
        _require_predictable(wanted)
        inputs.require_usable()
        known = np.asarray(~np.isnan(wanted.values).all(axis=1))
        if not known.all():
            wanted, inputs = wanted.take(np.flatnonzero(known)), inputs.take(np.flatnonzero(known))
        if len(wanted) < 3:
            raise BadData(
                f"{read.origin} must have 3 rows or more with a known target, to train and to judge; got "
                f"{len(wanted)}. Add rows."
            )
        Encoding.fit(inputs, missing)
        targets = Targets.fit(wanted, task)
        notes = []
        if targets.task == "regression" and task is None:
            notes = _may_be_classes(few_values(_fields(wanted)))
        if targets.task == "regression":
            notes += _far_off(wanted)
        if inputs.sparse:
            notes.append("the linear model is left out of the report, for the inputs are sparse")
        elif empty := [name for name, no in zip(inputs.names, np.isnan(inputs.values).all(axis=0), strict=True) if no]:
            notes.append(f"nothing is known in {listed(empty, 5)}, which tells nothing")
        codes = [] if inputs.sparse else few_values(_fields(inputs.take(np.arange(min(len(inputs), LOOKED_AT)))), 3)
        if codes and inputs.named:
            notes.append(
                f"few different whole numbers are taken as quantities in {listed(codes, 5)}; if they are names of "
                "something, say so with --text (text)"
            )
        levels = {
            name: kind.levels
            for table in (inputs, wanted)
            for name, kind in zip(table.names, table.kinds, strict=True)
            if kind.name == "text"
        }
        notes += _of_levels(levels, text)
        return cls(inputs, targets, targets.truth(wanted), missing, len(known) - len(wanted), tuple(notes), written)

    def still(self, rows: Array) -> tuple[tuple[str, ...], str]:
        """The targets of which nothing can be learned from these rows, and why."""
        of_targets = dict(zip(self.targets.names, self.truth[rows].T, strict=True))
        of_inputs = {} if self.inputs.sparse else dict(zip(self.inputs.names, self.inputs.values[rows].T, strict=True))
        still = [name for name, values in of_targets.items() if not _varies(values, gaps=False)]
        still += [name for name, values in of_inputs.items() if not _varies(values, gaps=True)]
        return _still(still, self.inputs.names, self.targets.names)

    @property
    def rows(self) -> int:
        """How many know a target."""
        return len(self.truth)

    @property
    def classes(self) -> FloatArray | None:
        """By which folds are stratified."""
        return self.truth[:, 0] if self.targets.task == "classification" and self.truth.shape[1] == 1 else None

    def fit(self, kind: Any, rows: Array, given: Given, like: Choice | None = None, **run: Any) -> tuple[Any, Choice]:
        """A model fitted to these rows, in the way that is chosen on them or was chosen before."""
        inputs, truth = self.inputs.take(rows), self.truth[rows]
        _require_known(truth, self.targets.names)
        targets = self.targets.measured(truth)
        encoding = Encoding.fit(inputs, self.missing)
        y_0 = encoding.encode(inputs, warn=False)
        scaling = encoding.scaling(y_0)
        problem = Problem(
            scaling.apply(y_0, encoding.inputs),
            targets.encode(truth),
            targets.activation,
            targets.objective,
            None if self.classes is None else self.classes[rows],
            encoding.inputs,
        )
        try:
            usual = "auto" if given.ensemble is not None else usual_solver(problem, given)
            solver = given.solver or (usual if run.get("search") is None else None)
            if solver is not None:
                training = {name: value for name, value in run.items() if name != "search"}
                choice = by_solver(problem, replace(given, solver=solver), **training)
            elif like is None:
                choice = choose(problem, given, **run)
            else:
                network, history = again(problem, like, **run)
                choice = replace(like, network=network, history=history)
        except Interrupted as error:
            fitted = {"interrupted": error.stage, **self.written}
            mixture = Mixture(error.members) if error.members else None
            error.model = kind(error.network, encoding, scaling, targets, fitted, mixture=mixture)
            raise
        return kind(choice.network, encoding, scaling, targets, mixture=choice.mixture), choice


def _as_fitted(origin: str, rows: Mapping[str, int], refit: bool, choice: Choice, seed: int) -> dict[str, Any]:
    """How a model was fitted, as plain values."""
    settings, history = choice.settings, choice.history
    return {
        "table": origin,
        "rows": dict(rows),
        "refitted": refit,
        "rule": settings.rule.name,
        "learning_rate": None if settings.learning_rate is None else float(settings.learning_rate),
        "batch_size": None if settings.batch_size is None else index(settings.batch_size),
        "l2": choice.network.l2,
        "epochs": history.epochs,
        "best_epoch": history.best_epoch,
        "seed": index(seed),
    }


def _require_choices(
    hidden: Any, held_out: Any, seed: Any, missing: Any, task: Any, cv: Any, refit: Any, search: Any
) -> None:
    """Refuse what would fail inside with a message that names none of these."""
    if hidden is not None and (isinstance(hidden, str) or not np.iterable(hidden)):
        raise ValueError(
            f"hidden must be a list with the nodes of each hidden layer; got {hidden!r:.200}. For one layer of 32 "
            "nodes pass [32]; for none, []."
        )
    if held_out is not None and (not isinstance(held_out, int | float | np.number) or not 0 <= held_out < 1):
        raise ValueError(
            f"held_out must lie between 0 and 1; got {held_out!r:.200}. Pass 0.2 to hold out every fifth row, 0 for "
            "none."
        )
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(
            f"seed must be a whole number from 0 up; got {seed!r:.200}. The same seed gives the same model."
        )
    for name, value, known in (("missing", missing, ("mean",)), ("task", task, TASKS)):
        if value is not None and not (isinstance(value, str) and value in known):
            raise ValueError(f"{name} must be {' or '.join(map(repr, known))}; got {value!r:.200}. Or leave it out.")
    if cv is not None and held_out is not None:
        raise ValueError(
            f"held_out must be left out with cv, which holds out folds; got {held_out!r:.200}. Choose one."
        )
    if cv is not None and refit:
        raise ValueError("refit must be left out with cv, after which all rows are trained on; got True. Leave it out.")
    if cv is not None and (not isinstance(cv, int | np.integer) or cv < 2):
        raise ValueError(f"cv must be a whole number of folds from 2 up; got {cv!r:.200}. Pass 5.")
    if search is not None and not (isinstance(search, int | float | np.number) and 0 < search < np.inf):
        raise ValueError(f"search must be a number of seconds above 0; got {search!r:.200}. Pass 60 for a minute.")


def _require_solver(given: Given, search: float | None) -> None:
    """Refuse what does not go with a solver, or needs one."""
    if given.solver is not None and search is not None:
        raise ValueError("search must be left out with a solver, which tries no other ways; got both. Choose one.")
    alone = replace(given, hidden=None, activation=None, ensemble=None) == Given() and search is None
    if given.solver is None and given.ensemble is not None and not alone:
        raise ValueError(
            f"ensemble must come with a solver where more is given; got {given.ensemble!r:.200} without one. Pass "
            "solver='auto' (--solver auto)."
        )


def _column_names(argument: str, names: Any) -> tuple[str, ...]:
    """Names of columns; one may stand alone."""
    if not np.iterable(names):
        raise ValueError(f"{argument} must be a list of columns; got {names!r:.200}. Pass their names.")
    return (names,) if isinstance(names, str) else tuple(names)


def _may_be_classes(names: Sequence[str]) -> list[str]:
    return [
        f"{name} holds few different whole numbers and is predicted as a number; if they are classes, choose the task "
        "'classification' (--task classification)"
        for name in names
    ]


def _far_off(wanted: Table) -> list[str]:
    """Which numbers of a target may be slips of the pen: the few that lie far from all others."""
    notes = []
    for name, values in zip(wanted.names, wanted.values.T, strict=True):
        known = values[~np.isnan(values)]
        if known.size < ENOUGH:
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # infinitely far is far
            low, median, high = np.percentile(known, [25, 50, 75])
            distance = np.abs(values - median)
            farthest = np.argsort(-np.nan_to_num(distance, nan=-1.0), kind="stable")[: MOST_ALONE + 1]
            of_them = distance[farthest]
            alone = [k for k in range(1, len(farthest)) if of_them[k - 1] > max(FAR * (high - low), ALONE * of_them[k])]
        if alone and high > low:
            few = farthest[: alone[-1]]
            others = np.delete(values, few)
            more = f" (and as far off in {len(few) - 1} more)" if len(few) > 1 else ""
            where = wanted.where(int(few[0])) + more
            notes.append(
                f"{short(name)} is {values[few[0]]:.6g} in {where}, far from all others, which lie between "
                f"{np.nanmin(others):.6g} and {np.nanmax(others):.6g}; if it is a mistake, correct it"
            )
    return notes


def _varies(values: FloatArray, gaps: bool) -> bool:
    """Whether a column is not the same in every row; with or without regard to gaps."""
    known = values[~np.isnan(values)]
    return bool(known.size and ((gaps and known.size < values.size) or known.min() < known.max()))


def _still(columns: Sequence[str], inputs: Sequence[str], targets: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Given the columns that do not vary, the targets of which nothing can be learned, and why not."""
    if inputs and set(inputs) <= set(columns):
        return tuple(targets), _must_vary("inputs", inputs, "Add columns that tell one row from another.")
    still = tuple(name for name in targets if name in columns)
    return still, _must_vary("target", still, "Choose another target, or add rows.") if still else ""


def _must_vary(what: str, names: Sequence[str], cure: str) -> str:
    return (
        f"{what} must vary for a network to be of use; got {listed(names, 5)} with the same value in all rows trained "
        f"on. {cure}"
    )


def _of_levels(levels: Mapping[str, Sequence[str]], text: Sequence[str]) -> list[str]:
    """What to know of texts: numbers by their zeros, marks that may mean gaps, texts that differ by their writing."""
    notes = []
    digits = [name for name, texts in levels.items() if name not in text and all(map(str.isdigit, texts))]
    if zeros := [name for name in digits if any(re.match(ZEROS, one) for one in levels[name])]:
        notes.append(
            f"whole numbers with leading zeros are taken as texts in {listed(zeros, 5)}; if they are quantities, write "
            "them without"
        )
    for name, texts in levels.items():
        marks = [one for one in texts if GAP.fullmatch(one)]
        if 0 < len(marks) < len(texts):
            words, them = ("a text", "it marks") if len(marks) == 1 else ("texts", "they mark")
            options = " ".join(f"--gap {shlex.quote(one)}" for one in marks)
            listing = " and ".join(map(short, marks)) if len(marks) < 3 else listed(marks)
            notes.append(f"{short(name)} holds {listing} as {words}; if {them} gaps, say so with {options}")
        plain: dict[str, list[str]] = {}
        for one in texts:
            plain.setdefault(" ".join(one.casefold().split()), []).append(one)
        alike = next((several for several in plain.values() if len(several) > 1), None)
        if alike is not None:
            notes.append(
                f"{short(name)} holds {listed(alike, 3)}, which differ only in capitals or blanks and are taken as "
                "different texts; if they are one, write them alike"
            )
    return notes


def _gaps_of(dialect: Any) -> dict[str, Any]:
    """The words for gaps, as a model remembers them."""
    gaps = getattr(dialect, "gaps", ())
    return {"gaps": dict.fromkeys(gaps, "missing")} if gaps else {}


def _fields(table: Table) -> list[Field]:
    """Its columns with their different values."""
    kinds = zip(table.names, table.kinds, strict=True)
    return [Field(name, kind.name, classes_of(table, name)) for name, kind in kinds if kind.name == "number"]


def _require_predictable(wanted: Table) -> None:
    """Refuse a target that cannot be used, with what to do about a target."""
    for kind in wanted.kinds:
        if kind.problem:
            what, *cure = re.split(r" (?=Leave it out|Correct or empty|Write it|Turn it)", kind.problem)
            gap = re.search(r"say that it marks a gap \(--gap .+\), (?=leave)", cure[0]) if cure else None
            raise BadData(
                what.replace("column", "target", 1) + f" Correct it, {gap[0] if gap else ''}or choose another target."
            )


def _require_rows(cv: int | None, rows: int) -> None:
    if cv is not None and cv > rows:
        raise BadData(f"cv must be at most the number of rows with a target, {rows}; got {cv}. Take fewer folds.")


def _require_known(t: FloatArray, target_names: tuple[str, ...]) -> None:
    for j, name in enumerate(target_names):
        if np.isnan(t[:, j]).all():
            raise BadData(
                f"target {name!r:.200} must be known in some of the rows that are trained on; got it in none. "
                "Add rows that know it, or leave it out."
            )


def _parted(read: Table, target: Any) -> tuple[Table, Table]:
    """Input columns, and target columns named in the table or given beside it."""
    if isinstance(target, str) or (
        isinstance(target, list | tuple)
        and target
        and all(isinstance(name, str) for name in target)
        and (set(target) <= set(read.names) or len(target) != len(read))
    ):
        names = (target,) if isinstance(target, str) else tuple(target)
        wanted, inputs = read.select(names, argument="target"), read.without(names)
        _require_once(names, read.names)
        return inputs, replace(wanted, values=wanted.values.toarray()) if read.sparse else wanted
    values = target if hasattr(target, "shape") else np.array(target, dtype=object)
    try:
        wanted = read_table(values.to_frame() if hasattr(values, "to_frame") else _column(values))
    except BadData:
        got = f"values of shape {tuple(values.shape)}" if values.shape else short(target)
        raise BadData(
            f"target must be the name of a column, a list of names, or values for each row; got {got}. The columns of "
            f"{read.origin} are {listed(read.names)}."
        ) from None
    if len(wanted) != len(read):
        raise BadData(
            f"target must have a row for each of {read.origin}; got {len(wanted)} and {len(read)}. Pass the same rows."
        )
    if not wanted.named:
        wanted = replace(
            wanted, names=("y",) if len(wanted.names) == 1 else tuple(f"y{j}" for j in range(len(wanted.names)))
        )
    if set(wanted.names) & set(read.names):
        both = [name for name in wanted.names if name in set(read.names)]
        raise BadData(
            f"target must have other names than the inputs; got {listed(both)} in both. Leave the column out of the "
            "inputs (ignore), or give the values another name in a data frame."
        )
    return read, wanted


def _require_once(names: Sequence[str], columns: Sequence[str]) -> None:
    if len(set(names)) != len(names) or not 0 < len(names) < len(columns):
        raise BadData(
            f"target must name one or more columns once each and leave one for the inputs; got {list(names)} of "
            f"{len(columns)} columns. Name the columns to predict."
        )


def _column(values: Any) -> Any:
    """An array with one dimension as a column."""
    return np.reshape(values, (-1, 1)) if getattr(values, "ndim", 2) == 1 else values


def _few(rows: int, folds: bool) -> tuple[str, ...]:
    if rows >= FEW_ROWS:
        return ()
    return (
        f"the table must have some {FEW_ROWS} rows for figures to trust; got {rows}. Add rows, or "
        f"{'' if folds else 'judge by cross-validation (--cv 5) and '}take the figures with care.",
    )


def _require_streamable(target: Any, cv: Any, refit: bool, solver: Any) -> None:
    """Refuse what needs the whole table in memory."""
    named = isinstance(target, str) or (
        isinstance(target, list | tuple) and all(isinstance(name, str) for name in target)
    )
    left = (("cv", cv is not None), ("refit", refit), ("solver", solver is not None))
    for name, wrong in (("target", not named), *left):
        if wrong:
            must = "name columns" if name == "target" else "be left out"
            raise ValueError(
                f"{name} must {must} where a table is streamed; got something else. Or pass stream=False (--no-stream) "
                "if memory holds it."
            )
