"""Choosing without being told: the size of a network, its penalty, and when to stop, from the training rows alone.

Up to :data:`BY_FOLDS` rows every way of training is judged by cross-validation within these rows: each fold is
predicted by a network trained on the others. Above it, one part of the rows is kept apart to choose. Either way what is
compared is E without the penalties, of patterns that were not trained on, and the smallest wins.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule import scores
from chainrule.mixture import Mixture
from chainrule.network import Network
from chainrule.notation import Array, FloatArray
from chainrule.tables import split
from chainrule.training.descent import Rule
from chainrule.training.descent import rule as rule_of
from chainrule.training.history import History
from chainrule.training.loop import Diverged, Interrupted, train
from chainrule.training.progress import progress as progress_bar
from chainrule.training.schedules import schedule as schedule_of

BY_FOLDS, MOST_CELLS = 2000, 250_000
"""Rows, and rows times inputs, up to which ways of training are judged by cross-validation."""

AT_LEAST_BY_FOLDS = 500
"""Rows up to which they are however many the inputs: a part of so few rows would say too little."""

FOLDS = 5
"""Of that cross-validation."""

REPEATED = 200
"""Rows up to which it is done twice, each time divided otherwise: the fewer the rows, the more chance decides."""

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Values of l2 that are tried first; then half a decade to both sides of the best, or the decade beyond the last."""

FEWER_PENALTIES = (1e-4, 1e-3, 1e-2)
"""Those tried where rows are many and restrain the weights by themselves."""

HIDDEN = ((32,), (32, 32))
"""Hidden layers that are tried: the first with every penalty, the second with the best."""

MORE_HIDDEN = (64, 64)
"""Hidden layers where rows are many."""

LEARNING_RATE = {
    "gradient_descent": 0.05,
    "momentum": 0.01,
    "nesterov": 0.01,
    "rmsprop": 0.001,
    "adam": 0.003,
    "adamw": 0.003,
    "rprop": 0.01,
}
"""Of each rule, for standardised inputs and targets; L-BFGS chooses its own steps."""

STREAMED_BATCH, STREAMED_EPOCHS = 1024, 10
"""Rows an update, and passes over a table that is streamed."""

MANY = 20_000
"""Rows from which an update takes 256 of them, not 64."""

ENOUGH = 50_000
"""Rows of those trained on that are enough to choose the penalty by."""

STOPPING, MOST_STOPPING = 0.2, 20_000
"""The fraction of the rows that is kept apart to choose by where rows are many, and so many at most."""


@dataclass(frozen=True)
class Settings:
    """One way of training.

    Attributes
    ----------
    hidden : tuple of int
        Nodes of each hidden layer.
    activation : str
        Of the hidden layers.
    l2 : float
    rule : Rule
    learning_rate : float or None
        None for L-BFGS.
    epochs : int
        At most so many.
    batch_size : int or None
    patience : int or None
        Epochs without improvement on patterns kept apart before it stops.
    schedule : str
    clip : float or None
    """

    hidden: tuple[int, ...]
    activation: str
    l2: float
    rule: Rule
    learning_rate: float | None
    epochs: int
    batch_size: int | None
    patience: int | None
    schedule: Any = "constant"
    clip: float | None = None

    def __str__(self) -> str:
        """In a line."""
        hidden = f"hidden {'-'.join(map(str, self.hidden))} {self.activation}" if self.hidden else "no hidden layer"
        rate = "" if self.learning_rate is None else f", rate {self.learning_rate:.3g}"
        return f"{hidden}, l2 {self.l2:.3g}, {self.rule.name}{rate}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "hidden": list(self.hidden),
            "activation": self.activation,
            "l2": self.l2,
            "rule": self.rule.name,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "patience": self.patience,
            "schedule": schedule_of(self.schedule).name,
            "clip": self.clip,
        }


@dataclass(frozen=True)
class Problem:
    """What is to be learned, as the network sees it.

    Attributes
    ----------
    inputs : array or Centred, shape (rows, inputs)
    targets : array, shape (rows, outputs)
    output : str
        Activation of the output layer.
    objective : str
    classes : array, shape (rows,), or None
        By which folds are stratified.
    names : tuple of str
        Of the inputs.
    """

    inputs: Any
    targets: FloatArray
    output: str
    objective: str
    classes: FloatArray | None
    names: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.targets)

    @property
    def few(self) -> bool:
        """Whether the rows are few enough for cross-validation among them."""
        return self.rows <= AT_LEAST_BY_FOLDS or (
            self.rows <= BY_FOLDS and self.rows * self.inputs.shape[1] <= MOST_CELLS
        )

    def take(self, rows: Array) -> Problem:
        """The problem of these rows."""
        classes = None if self.classes is None else self.classes[rows]
        return replace(self, inputs=self.inputs[rows], targets=self.targets[rows], classes=classes)


@dataclass(frozen=True)
class Trial:
    """One way of training, and E without penalties of each set of patterns that it was judged on.

    Attributes
    ----------
    settings : Settings
    errors : tuple of float
        Of each, at the epoch where their mean is smallest.
    best_epoch : int
        That epoch.
    seconds : float
    network : Network
        Of the last of them.
    history : History
    """

    settings: Settings
    errors: tuple[float, ...]
    best_epoch: int
    seconds: float
    network: Network
    history: History

    @property
    def error(self) -> float:
        """The mean of the errors."""
        return float(np.mean(self.errors))

    @property
    def spread(self) -> float:
        """Their standard deviation."""
        return float(np.std(self.errors))

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return self.settings.to_dict() | {"error": self.error, "spread": self.spread, "seconds": self.seconds}


@dataclass(frozen=True)
class Choice:
    """What was chosen, what was tried for it, and the network that came of it.

    Attributes
    ----------
    settings : Settings
    trials : tuple of Trial
        In the order of trying; empty if nothing was left to choose.
    network : Network
    history : History
    stopping : int
        Rows that chose and were not trained on.
    searched : bool
        Whether other networks and rules were tried.
    mixture : Mixture or None
        The networks that a solver trained, of which ``network`` is the first.
    histories : tuple of History
        Of each of them.
    why : str
        Why that solver was taken.
    """

    settings: Settings
    trials: tuple[Trial, ...]
    network: Network
    history: History
    stopping: int
    searched: bool = False
    mixture: Mixture | None = None
    histories: tuple[History, ...] = ()
    why: str = ""


def fit(problem: Problem, settings: Settings, **options: Any) -> tuple[Network, History]:
    """Train one network on the rows of a problem; options are those of :func:`chainrule.train`."""
    return train_on(problem, settings, problem.inputs, problem.targets, **options)


def train_on(
    problem: Problem, settings: Settings, inputs: Any, targets: Any = None, *, seed: int, **options: Any
) -> tuple[Network, History]:
    """Train one network for a problem on these patterns, or on a source of them."""
    net = Network(
        [problem.inputs.shape[1], *settings.hidden, problem.targets.shape[1]],
        [settings.activation] * len(settings.hidden) + [problem.output],
        objective=problem.objective,
        l2=settings.l2,
        seed=seed,
    )
    try:
        return train(
            net,
            inputs,
            targets,
            settings.rule,
            0.0 if settings.learning_rate is None else settings.learning_rate,
            settings.epochs,
            settings.batch_size,
            schedule=settings.schedule,
            clip=settings.clip,
            seed=seed,
            warn=False,
            **options,
        )
    except Diverged as error:
        error.name = f"column {problem.names[error.column]!r}, standardised"
        raise


@dataclass(frozen=True)
class Given:
    """What the user has decided; None leaves it to be chosen."""

    hidden: Any = None
    activation: str | None = None
    l2: float | None = None
    rule: Any = None
    learning_rate: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    patience: int | None = 20
    schedule: Any = "constant"
    clip: float | None = None
    solver: str | None = None
    ensemble: int | None = None

    def streamed(self) -> Given:
        """The same for a table that is streamed: Adam, larger batches and few epochs, for each has many updates."""
        return replace(
            self,
            rule=rule_of("adam") if self.rule is None else self.rule,
            batch_size=_require_batches(self.batch_size, self.rule),
            epochs=STREAMED_EPOCHS if self.epochs is None else self.epochs,
        )

    @property
    def stepwise(self) -> bool:
        """Whether something is given that only a rule of many small steps can heed."""
        of_steps = (self.learning_rate, self.batch_size, self.clip)
        planned = schedule_of(self.schedule)
        return planned.name != "constant" or planned.warm_up > 0 or any(one is not None for one in of_steps)

    def settings(self, rows: int, few: bool) -> Settings:
        """The way of training that is tried first on so many rows."""
        rule = rule_of("lbfgs" if few and not self.stepwise else "adam") if self.rule is None else self.rule
        return Settings(
            (HIDDEN[0] if few else MORE_HIDDEN) if self.hidden is None else self.hidden,
            self.activation or "tanh",
            PENALTIES[0] if self.l2 is None else self.l2,
            rule,
            _learning_rate(rule, self.learning_rate),
            (300 if rule.whole else 400) if self.epochs is None else self.epochs,
            _batch_size(rule, self.batch_size, 32 if few else 64 if rows <= MANY else 256),
            self.patience,
            self.schedule,
            self.clip,
        )


def choose(
    problem: Problem,
    given: Given,
    *,
    engine: str = "auto",
    seed: int = 0,
    search: float | None = None,
    progress: bool | None = None,
    callbacks: Sequence[Any] = (),
) -> Choice:
    """Choose what is not given, by the rule of this module, and train on the rows of the problem.

    Parameters
    ----------
    problem : Problem
    given : Given
    engine, seed, progress, callbacks
        As for :func:`chainrule.train`; the callbacks go with the training that is kept.
    search : float, optional
        Seconds to spend on trying other networks and rules too, drawn at random.

    Raises
    ------
    Diverged
        If every way of training diverges.
    Interrupted
        On Ctrl-C; ``.network`` is the best so far.
    """
    trials = _Trials(problem, engine, seed)
    try:
        with threads(problem):
            return _choose(trials, given, search, progress, callbacks)
    except KeyboardInterrupt as error:
        kept: KeyboardInterrupt = error
        if trials.done:
            best, many = trials.best, not trials.by_folds
            if not (many and isinstance(error, Interrupted) and error.history.best_validation < best.error):
                kept = Interrupted(best.network, best.history)
        if isinstance(kept, Interrupted) and not trials.over:
            kept.stage = "choosing"
        raise kept from None


def threads(problem: Problem) -> Any:
    """One thread for the products of few rows, which wait for one another in more; the numbers then agree anywhere."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas") if problem.few else contextlib.nullcontext()


def _choose(
    trials: _Trials, given: Given, search: float | None, progress: bool | None, callbacks: Sequence[Any]
) -> Choice:
    """Try what is not given, then train in the best way."""
    problem, searched = trials.problem, search is not None
    first = given.settings(problem.rows, problem.few)
    stops = first.patience is not None and not first.rule.whole
    with progress_bar(_expected(given, trials), progress, "choosing") as report:
        trials.report = report
        if given.l2 is None or given.hidden is None or searched or stops or not trials.by_folds:
            _try(trials, first, given)
        if search is not None:
            _search(trials, given, trials.seed, search)
    trials.over = True
    if not trials.done and trials.failure is not None:
        raise trials.failure
    settings = trials.best.settings if trials.done else first
    run: dict[str, Any] = {
        "engine": trials.engine,
        "seed": trials.seed,
        "progress": progress,
        "callbacks": callbacks,
    }
    if trials.by_folds:
        if trials.done:
            best_epoch, settings = trials.best.best_epoch, replace(settings, patience=None)
            if schedule_of(settings.schedule).name == "constant":
                settings = replace(settings, epochs=best_epoch)
            else:  # which goes by how many epochs there are
                run["callbacks"] = [*callbacks, _Until(best_epoch)]
        net, history = fit(problem, settings, **run)
        return Choice(settings, tuple(trials.done), net, history, 0, searched)
    into, apart = _apart(problem, trials.seed)
    net, history = trials.best.network, trials.best.history
    if trials.part_only or callbacks:
        rows = problem.take(apart)
        net, history = fit(
            problem.take(into), settings, validation=(rows.inputs, rows.targets), patience=settings.patience, **run
        )
    return Choice(settings, tuple(trials.done), net, history, len(apart), searched)


def again(problem: Problem, choice: Choice, **run: Any) -> tuple[Network, History]:
    """Train on other rows as it was chosen, for as many epochs as did best, with none kept apart."""
    settings = choice.settings
    if not settings.rule.whole and choice.stopping:
        settings = replace(settings, epochs=max(choice.history.best_epoch, 1))
    with threads(problem):
        return fit(problem, settings, **run)


class _Trials:
    """The ways of training that were tried on a problem, and what it is divided into to judge them."""

    def __init__(self, problem: Problem, engine: str, seed: int) -> None:
        self.problem, self.engine, self.seed = problem, engine, seed
        self.done: list[Trial] = []
        self.failure: Diverged | None = None
        self.report: Callable[[float, float | None], None] = lambda error, best: None
        self.until, self.over = np.inf, False
        self.by_folds = problem.few
        self.parts = _folds(problem, seed) if self.by_folds else [_apart(problem, seed)]
        self.part_only = any(len(into) > ENOUGH for into, _ in self.parts)
        if self.part_only:
            into, out = self.parts[0]
            kept, _ = split(len(into), held_out=1 - ENOUGH / len(into), seed=seed)
            self.parts = [(into[kept], out)]

    @property
    def best(self) -> Trial:
        """The trial with the smallest error."""
        return min(self.done, key=lambda trial: trial.error)

    def run(self, settings: Settings) -> float:
        """Train and judge in one way; its error, infinite if it diverges or time is up."""
        started = time.perf_counter()
        curves, found = [], None
        for into, out in self.parts:
            if time.perf_counter() > self.until:
                return np.inf
            rows, apart = self.problem.take(into), self.problem.take(out)
            if np.isnan(rows.targets).all() or np.isnan(apart.targets).all():
                continue  # says nothing
            try:
                curve = _Curve(self.until)
                found = fit(
                    rows,
                    settings,
                    engine=self.engine,
                    seed=self.seed,
                    progress=False,
                    validation=(apart.inputs, apart.targets),
                    patience=settings.patience and settings.patience * (2 if settings.rule.whole else 1),
                    callbacks=[curve],
                )
            except Diverged as error:
                self.failure = error
                return np.inf
            curves.append(curve.errors or [found[1].best_validation])  # it started where no step lowers E
        if found is None or time.perf_counter() > self.until:
            return np.inf
        longest = max(map(len, curves))
        of_epochs = np.array([curve + curve[-1:] * (longest - len(curve)) for curve in curves])
        mean = of_epochs.mean(axis=0)
        best = settings.epochs if settings.rule.whole else int(mean.argmin()) + 1
        errors = tuple(of_epochs[:, min(best, longest) - 1].tolist())
        trial = Trial(settings, errors, best, time.perf_counter() - started, *found)
        self.done.append(trial)
        self.report(trial.error, self.best.error)
        return trial.error


class _Until:
    """Stops a run after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def after_epoch(self, run: Any) -> bool:
        return bool(run.epoch >= self.epochs)


class _Curve:
    """Keeps E without penalties of the patterns kept apart, epoch by epoch, and stops when time is up."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.errors: list[float] = []

    def after_epoch(self, run: Any) -> bool:
        self.errors.append(run.history.validation[-1] - float(run.network.penalty()))
        return time.perf_counter() > self.until


def _try(trials: _Trials, first: Settings, given: Given) -> None:
    """The penalties, then the hidden layers."""
    if given.l2 is None:
        coarse = PENALTIES if trials.by_folds else FEWER_PENALTIES
        found = [trials.run(replace(first, l2=l2)) for l2 in coarse]
        if trials.by_folds and trials.done:
            l2 = coarse[int(np.argmin(found))]
            beyond = {coarse[0]: (l2 / 10, l2 * 10**0.5), coarse[-1]: (l2 / 10**0.5, l2 * 10)}
            for near in beyond.get(l2, (l2 / 10**0.5, l2 * 10**0.5)):
                trials.run(replace(first, l2=near))
    else:
        trials.run(first)
    if given.hidden is None and trials.by_folds and trials.done:
        trials.run(replace(trials.best.settings, hidden=HIDDEN[1]))


def _search(trials: _Trials, given: Given, seed: int, seconds: float) -> None:
    """Other networks and rules, drawn at random, until the time is up."""
    random = np.random.default_rng([seed, 1])
    trials.until = time.perf_counter() + seconds
    first = given.settings(trials.problem.rows, trials.by_folds)
    free = given.hidden is None and given.activation is None
    while time.perf_counter() < trials.until:
        depth, nodes = int(random.integers(1, 4)), [8, 16, 32, 64, 128]
        widths = sorted((int(random.choice(nodes)) for _ in range(depth)), reverse=True)
        rule = rule_of("lbfgs" if random.random() < 0.5 and trials.by_folds and not given.stepwise else "adam")
        rate = None if rule.whole else float(10 ** random.uniform(-3.3, -1.7))
        batch = int(random.choice([32, 64, 128]))
        l2, activation = float(10 ** random.uniform(-5, 0)), str(random.choice(["tanh", "tanh", "silu", "relu"]))
        rule = rule if given.rule is None else given.rule
        trials.run(
            replace(
                first,
                hidden=tuple(widths) if given.hidden is None else given.hidden,
                activation=activation if free else first.activation,
                l2=l2 if given.l2 is None else given.l2,
                rule=rule,
                learning_rate=rate if given.rule is None and given.learning_rate is None else first.learning_rate,
                epochs=(300 if rule.whole else 400) if given.epochs is None else given.epochs,
                batch_size=_batch_size(rule, given.batch_size, batch),
            )
        )


def _expected(given: Given, trials: _Trials) -> int:
    """How many trials there will be, for the progress."""
    penalties = 1 if given.l2 is not None else len(PENALTIES) + 2 if trials.by_folds else len(FEWER_PENALTIES)
    return penalties + (given.hidden is None and trials.by_folds)


def _folds(problem: Problem, seed: int) -> list[tuple[Array, Array]]:
    if problem.rows < 2:  # which leave nothing to judge by
        return []
    number = min(FOLDS, problem.rows)
    times = 2 if problem.rows <= REPEATED else 1
    return [part for n in range(times) for part in scores.folds(problem.rows, number, seed + n, problem.classes)]


def _apart(problem: Problem, seed: int) -> tuple[Array, Array]:
    """The rows to train on and those to choose by."""
    return split(problem.rows, held_out=min(STOPPING, MOST_STOPPING / problem.rows), seed=seed + 1)


def _batch_size(rule: Rule, given: int | None, usual: int) -> int | None:
    """The one that is given or usual; None, all rows, for 0 and for a rule that looks at all of them."""
    if rule.whole or (given is None and rule.initial):
        return None
    return usual if given is None else (given or None)


def _require_batches(given: int | None, rule: Rule | None) -> int:
    """Rows an update of a table that is streamed, which has no memory for all of them."""
    if given == 0 or (rule is not None and rule.initial):
        got = "0" if given == 0 else f"rule {rule.name!r}, which looks at all rows" if rule is not None else ""
        raise ValueError(
            f"batch_size must be 1 or more where a table is streamed; got {got}. Leave it out, or choose another rule."
        )
    return STREAMED_BATCH if given is None else given


def _learning_rate(rule: Rule, given: float | None) -> float | None:
    """The one that is given or fits the rule; None for a rule that has none."""
    if rule.whole:
        if given is not None:
            raise ValueError(
                f"learning_rate must be left out for rule {rule.name!r}, which has none; got {given!r}. Choose a rule "
                "that has one, such as 'adam' (--rule adam)."
            )
        return None
    if given is None and rule.name not in LEARNING_RATE:
        raise ValueError(f"learning_rate must be given for rule {rule.name!r}, which is your own; got none. Pass one.")
    return LEARNING_RATE[rule.name] if given is None else given
