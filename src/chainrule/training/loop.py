"""train(): epochs of updates until the error is small, with the best weights kept.

Stands behind the derivation: an engine runs the page, a rule uses its gradient, a schedule says how fast, and this loop
goes from epoch to epoch and decides when to stop.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from operator import index
from typing import Any

import numpy as np

from chainrule import engines
from chainrule.backprop import forward
from chainrule.engines import PIECE, Engine, Source
from chainrule.network import Network, as_inputs, as_targets
from chainrule.notation import FloatArray
from chainrule.objective import best_constant, constant_losses
from chainrule.sparse import Centred
from chainrule.training.callbacks import Callbacks
from chainrule.training.callbacks import Run as View
from chainrule.training.descent import Rule
from chainrule.training.descent import rule as rule_of
from chainrule.training.gauss_newton import Curvature, Damping, Dense, say_if_slow, why_not
from chainrule.training.history import History
from chainrule.training.progress import Report
from chainrule.training.progress import progress as progress_bar
from chainrule.training.schedules import Schedule
from chainrule.training.schedules import schedule as schedule_of


class Diverged(ArithmeticError):
    """E is not finite any more; the last finite weights are kept.

    Attributes
    ----------
    epoch : int
        From 1.
    layer : int
        The first layer whose net values overflow, or whose net values are the largest.
    column : int
        The input with the largest absolute value, and ``size``, that value: among the validation patterns, if it is
        their E that is not finite.
    network : Network
        With the last finite weights.
    history : History
    """

    def __init__(
        self,
        network: Network,
        history: History,
        epoch: int,
        layer: int,
        overflows: bool,
        column: int,
        size: float,
        learning_rate: float | None,
    ) -> None:
        super().__init__(network, history, epoch, layer, overflows, column, size, learning_rate)
        self.network, self.history, self.epoch, self.learning_rate = network, history, epoch, learning_rate
        self.layer, self.column, self.size = layer, column, size
        self.what = "are not finite" if overflows else "grow without bound"
        self.name = f"column {column}"
        self.outcome = "the last finite weights are kept"

    def __str__(self) -> str:
        """What happened and what to do."""
        if self.learning_rate is None:
            must, cure = "inputs and targets must be small enough for a finite E; got one that is", "Standardise"
        else:
            must = f"learning_rate must be small enough for these patterns; got {self.learning_rate:g}, and E is"
            cure = "Lower it, or standardise"
        return (
            f"{must} not finite in epoch {self.epoch}: the net values of layer {self.layer} {self.what}, and "
            f"the largest input is {self.size:.3g} in {self.name}. {cure} inputs and targets; {self.outcome}."
        )


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during training: ``network`` holds the best weights so far, ``history`` the run.

    Where several networks are trained to second order, ``members`` holds those that were begun. A door that makes a
    model puts the one so far into ``model``, and into ``stage`` what was interrupted: "choosing"
    how to train, "training" or "reporting".
    """

    def __init__(self, network: Network, history: History) -> None:
        super().__init__(network, history)
        self.network, self.history = network, history
        self.model: Any = None
        self.members: tuple[Any, ...] = ()
        self.stage = "training"

    def __str__(self) -> str:
        """What happened."""
        return f"training was interrupted after {self.history.epochs:,} epochs; the best weights so far are kept."


class WorseThanConstant(UserWarning):
    """The trained network predicts its own training patterns worse than the best constant does."""


def train(
    net: Network,
    inputs: Any,
    targets: Any = None,
    rule: str | Rule = "gradient_descent",
    learning_rate: float = 0.1,
    epochs: int = 10,
    batch_size: int | None = 32,
    shuffle: bool = True,
    validation: tuple[Any, ...] | Source | None = None,
    engine: str = "auto",
    seed: int = 0,
    *,
    weights: Any = None,
    schedule: str | Schedule = "constant",
    layer_rates: Mapping[int, float] | None = None,
    clip: float | None = None,
    patience: int | None = None,
    callbacks: Any = (),
    progress: bool | None = None,
    warn: bool = True,
    after: History | None = None,
) -> tuple[Network, History]:
    """Train a copy of a network; the arguments are never changed.

    Parameters
    ----------
    net : Network
        Where to start.
    inputs, targets : array of shape (patterns, inputs), (patterns, outputs)
        As the network is to see them; NaN for a missing target. Standardise them first: a step that suits a column in
        units suits none in thousands. Inputs may be sparse tables of SciPy's, or a
        :class:`chainrule.sparse.Centred`, and stay so. A :class:`chainrule.engines.Source` stands for inputs, targets,
        weights and batch_size together, and need not fit into memory.
    rule : str or Rule
        "gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "adamw", "rprop", "lbfgs" or
        "levenberg_marquardt". Plain descent is θ - η g and nothing else. Rprop looks at signs alone and wants all
        patterns in each update; η is its first step. L-BFGS and Levenberg-Marquardt take all patterns at once and no
        learning rate.
    learning_rate : float
        η. Plain descent on standardised patterns bears 0.1; Adam wants about 0.003, momentum 0.01.
    epochs : int
        Passes over the patterns; for those two, iterations.
    batch_size : int or None
        Patterns an update: 1 is the paper's, None all of them.
    shuffle : bool
        A new order of patterns each epoch, which depends on seed and epoch only.
    validation : tuple (inputs, targets) or (inputs, targets, weights), or Source, optional
        Held-out patterns; the weights with the smallest E on them, without the penalties, are kept.
    engine : {"auto", "cpu", "reference"}
        What runs the page.
    seed : int
        Of the order of patterns.
    weights : array of shape (patterns,), optional
        s_p, 1 by default.
    schedule : {"constant", "step", "cosine", "plateau"} or Schedule
        How η goes over the run, update by update: ``schedule("cosine", warm_up=5)``.
    layer_rates : mapping of int to float, optional
        What η is multiplied by in layer 1 … L; 0 freezes a layer, and 1 is the default.
    clip : float, optional
        Where the norm of the whole gradient, without frozen layers, is larger than this, it is shortened to it.
    patience : int, optional
        Stop after so many epochs without a smaller validation E.
    callbacks : sequence, optional
        Functions called with a :class:`chainrule.training.callbacks.Run` after each epoch, or objects with
        ``before_epoch(run)`` and ``after_epoch(run)``; one that returns True stops the run. ``close()``, if there is
        one, is called at the end, however that comes. :mod:`chainrule.training.loggers` has some.
    progress : bool, optional
        Show progress on standard error; by default if that is a terminal.
    warn : bool
        Whether a result that is worse than the best constant is warned of, or only said in ``history.warning``.
    after : History, optional
        Go on after the run that gave this history and the network: epochs are counted on, the history continues, and
        the rule remembers what it did, so that n epochs and then m leave the weights, bit for bit, that n + m leave at
        once. Not for those two, which remember nothing that could be given back.

    Returns
    -------
    network : Network
    history : History

    Raises
    ------
    ValueError
        If something given cannot be used.
    Diverged
        If E or a weight is not finite any more. Carries the last finite weights.
    Interrupted
        On Ctrl-C. Carries the best weights so far.

    Warns
    -----
    WorseThanConstant
        If the result predicts the training patterns worse than the best constant.
    """
    chosen, planned, watching = rule_of(rule, clip=clip), schedule_of(schedule), Callbacks(callbacks)
    _require_run(net, learning_rate, epochs, batch_size, validation, seed, patience)
    if layer_rates is not None:
        chosen = replace(chosen, layer_rates=_layer_rates(net, layer_rates))
    _require_fitting(net, chosen, planned)
    if after is not None:
        _require_before(after, net, chosen)
    net = net.replace(np.array(net.theta))
    source = _source(net, inputs, targets, weights, batch_size)
    held_out = None if validation is None else _held_out(net, validation)
    with closing(watching):
        running = engines.load(engine, net, source, chosen)
        run = _Run(running, net, source, held_out, chosen, float(learning_rate), planned, patience, watching, after)
        try:
            with progress_bar(epochs, progress) as report:
                if chosen.name == "levenberg_marquardt":
                    _step_damped(run, epochs, report)
                elif chosen.whole:
                    _minimise(run, epochs, report)
                else:
                    _descend(run, epochs, shuffle, seed, report)
                    run.history.memory = engines.memory(run.state)
        except KeyboardInterrupt:
            run.history.stopped = "interrupted"
            raise Interrupted(run.best, run.history) from None
        finally:
            run.history.seconds = run.seconds
    _finish(run)
    if warn and run.history.warning:
        warnings.warn(run.history.warning, WorseThanConstant, stacklevel=2)
    return run.best, run.history


@dataclass
class _Run:
    """A run as it stands: the engine and its patterns, the best network so far, the history."""

    engine: Engine
    net: Network
    source: Source
    held_out: Source | None
    rule: Rule
    learning_rate: float
    schedule: Schedule
    patience: int | None
    callbacks: Callbacks
    after: History | None = None

    def __post_init__(self) -> None:
        self.started = time.perf_counter()
        self.history = History(rule=self.rule.name, stopped="all epochs run")
        self.best = self.last = self.net
        self.state = self.engine.prepare(self.net, self.source, self.rule)
        if self.after is not None:
            self.history.follow(self.after)
            engines.recall(self.state, self.after.memory)
        if self.held_out is not None:
            start = self.engine.error(self.state, self.held_out)
            self.history.best_validation = start if np.isfinite(start) else np.inf

    @property
    def seconds(self) -> float:
        """Since the run began, with those of the one before."""
        before = 0.0 if self.after is None else self.after.seconds
        return before + time.perf_counter() - self.started

    def view(self, epoch: int, learning_rate: float | None) -> View:
        """What a callback is shown; a θ that cannot be set, for it may be the best one."""
        theta = self.last.theta.view()
        theta.flags.writeable = False
        return View(epoch, self.history, self.last.replace(theta), learning_rate, self.seconds)

    def begin(self, learning_rate: float | None) -> bool:
        """Tell the callbacks that an epoch begins; whether to stop before it."""
        if not self.callbacks.before:
            return False
        stop = self.callbacks.before_epoch(self.view(self.history.epochs + 1, learning_rate))
        self.history.stopped = stop or self.history.stopped
        return bool(stop)

    def record(self, running: float, learning_rate: float | None, report: Report) -> bool:
        """Take an epoch into the history and keep its weights if they are the best; whether to stop."""
        engines.go_on()
        if not np.isfinite(running):
            raise self.diverged(self.history.epochs + 1, self.source)
        net = self.engine.network(self.state)
        held_out = np.nan
        if self.held_out is not None:
            held_out = self.engine.error(self.state, self.held_out)
            if not np.isfinite(held_out):
                raise self.diverged(self.history.epochs + 1, self.held_out)
            self.history.validation.append(held_out + float(net.penalty()))
        self.history.running.append(running)
        if learning_rate is not None:
            self.history.learning_rates.append(learning_rate)
        self.last = net
        if self.held_out is None or held_out < self.history.best_validation:
            self.best, self.history.best_epoch, self.history.best_validation = net, self.history.epochs, held_out
        report(running, self.history.validation[-1] if self.held_out is not None else None)
        stop = ""
        if self.callbacks.after:
            stop = self.callbacks.after_epoch(self.view(self.history.epochs, learning_rate))
        if self.patience is not None and self.history.epochs - self.history.best_epoch >= self.patience:
            stop = f"no smaller validation E for {self.patience} epochs"
        self.history.stopped = stop or self.history.stopped
        return bool(stop)

    def diverged(self, epoch: int, source: Source) -> Diverged:
        self.history.stopped = "diverged"
        last = self.best if self.rule.whole else self.engine.network(self.state)
        return diverged(last, self.history, epoch, source, None if self.rule.whole else self.learning_rate)


def _descend(run: _Run, epochs: int, shuffle: bool, seed: int, report: Report) -> None:
    source, before = run.source, run.history.epochs
    updates = -(-source.patterns // source.batch_size)
    for epoch in range(before + 1, before + epochs + 1):
        rates = run.schedule.rates(run.learning_rate, run.history, updates, before + epochs)
        if run.begin(float(rates[-1])):
            return
        running, done = 0.0, 0
        for window, order in source.windows(seed, epoch, shuffle):
            first, done = done, done + len(order)
            if done > source.patterns or first % source.batch_size:
                done = source.patterns + 1
                break
            of_window = slice(first // source.batch_size, -(-done // source.batch_size))
            running += run.engine.epoch(run.state, window, order, rates[of_window])
            report(running, None, len(order) / source.patterns)
            if not np.isfinite(running):
                raise run.diverged(epoch, source)
        if done != source.patterns:
            raise ValueError(
                f"inputs must give {source.patterns:,} patterns an epoch, in windows of whole batches of "
                f"{source.batch_size:,} but for the last; got {'fewer' if done < source.patterns else 'others'} in "
                f"epoch {epoch}. Correct its windows, or leave what they are read from as it is during training."
            )
        if run.record(running, float(rates[-1]), report):
            return


ENDED = {0: "converged", 1: "E was evaluated as often as allowed"}
"""Why SciPy's L-BFGS ended, by its status."""


def _minimise(run: _Run, epochs: int, report: Report) -> None:
    """SciPy's L-BFGS over all patterns; each of its iterations is an epoch."""
    from scipy.optimize import OptimizeResult, minimize

    factors = run.rule.factors(run.net)
    learning = 1.0 if factors is None else factors != 0

    def value_and_gradient(theta: FloatArray) -> tuple[float, FloatArray]:
        E, g = run.engine.value_and_gradient(run.state, theta)
        return E, np.asarray(g, dtype=np.float64) * learning

    def iterated(intermediate_result: OptimizeResult) -> None:
        run.engine.place(run.state, intermediate_result.x)
        stop = run.record(float(intermediate_result.fun), None, report)
        if stop or (run.history.epochs < epochs and run.begin(None)):
            raise StopIteration

    if run.begin(None):
        return
    if not np.isfinite(value_and_gradient(run.net.theta.astype(np.float64))[0]):
        raise run.diverged(1, run.source)
    with np.errstate(all="ignore"):
        found = minimize(
            value_and_gradient,
            run.net.theta.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=iterated,
            options={
                "maxiter": epochs,
                "maxfun": int(run.rule.constants["evaluations"]),
                "ftol": run.rule.constants["decrease"],
                "gtol": run.rule.constants["slope"],
            },
        )
    if run.history.stopped == "all epochs run" and (found.status == 0 or run.history.epochs < epochs):
        run.history.stopped = ENDED.get(found.status, "no step lowers E any more")


def _step_damped(run: _Run, epochs: int, report: Report) -> None:
    """Levenberg-Marquardt over all patterns; each step that lowers E is an epoch."""
    net, total, damping = run.net, run.source.total, Damping()
    say_if_slow(net, run.source.patterns)
    curvature = Curvature(net, run.source)
    factors, each = run.rule.factors(net), net.l2 * net.penalized
    learning = np.arange(net.n_parameters) if factors is None else np.flatnonzero(factors)
    theta = net.theta.astype(np.float64)

    def value(δ: FloatArray) -> tuple[float, FloatArray]:
        there = theta.copy()
        there[learning] += δ
        return float(curvature.errors(there).sum() / total + 0.5 * each @ there**2), there

    if run.begin(None):
        return
    if not np.isfinite(run.engine.value_and_gradient(run.state, theta)[0]):
        raise run.diverged(1, run.source)
    E, _ = value(np.zeros(len(learning)))
    while run.history.epochs < epochs:
        engines.go_on()
        _, g, H = curvature.equations(theta)
        if not np.isfinite(H).all():
            raise run.diverged(run.history.epochs + 1, run.source)
        g, A = (g.sum(axis=0) / total + each * theta)[learning], H.sum(axis=0)[np.ix_(learning, learning)] / total
        scale = float(np.trace(A)) / len(A)
        A[np.diag_indices_from(A)] += each[learning]
        flat = np.abs(g).max(initial=0.0) <= run.rule.constants["slope"]
        found = None if flat or scale <= 0 else damping.step(E, g, Dense(A), scale, value)
        if found is None:
            run.history.stopped = "converged" if flat else "no step lowers E any more"
            return
        fell, (E, theta) = E - found[0], found
        run.engine.place(run.state, theta)
        if run.record(E, None, report):
            return
        if fell <= run.rule.constants["decrease"] * abs(E):
            run.history.stopped = "converged"
            return
        if run.history.epochs < epochs and run.begin(None):
            return


def _finish(run: _Run) -> None:
    """The exact E once, and what is to be said if a constant predicts better."""
    net, source, history = run.best, run.source, run.history
    run.engine.place(run.state, net.theta)
    of_patterns = run.engine.error(run.state, source)
    with np.errstate(all="ignore"):
        history.E = of_patterns + float(net.penalty())
        history.best_constant = _best_constant(net, source)
    if not np.isfinite(history.E):
        raise run.diverged(max(history.epochs, 1), source)
    rounding = max(1e-9, 64 * float(np.finfo(net.dtype).eps))
    if of_patterns <= history.best_constant * (1 + rounding):
        return
    if not _targets_vary(source):
        history.warning = "The targets must vary for a network to be of use; each is the same in every pattern."
        return
    change = "" if run.rule.whole else f" change learning_rate ({run.learning_rate:g}),"
    history.warning = (
        f"The network must predict better than a constant to be of use; its E is {of_patterns:.6g}, and the best "
        f"constant has {history.best_constant:.6g}. Standardise inputs and targets,{change} or train for more epochs."
    )


def _best_constant(net: Network, source: Source) -> float:
    """E of the best constant; of what is not in memory, of the constant that is best for a part of it."""
    part = source.excerpt()
    constant, E = best_constant(net.objective, net.f[-1], part.targets, part.weights)
    if part is source:
        return E
    E = 0.0
    for _, targets, weights in source.pieces():
        t, s = targets.astype(np.float64), weights.astype(np.float64)
        known = ~np.isnan(t)
        losses = constant_losses(net.objective, net.f[-1], np.where(known, t, 0.0), np.broadcast_to(constant, t.shape))
        E += float((known * s[:, None] * losses).sum())
    return E / source.total


def _targets_vary(source: Source) -> bool:
    """Whether any target differs from pattern to pattern."""
    low: Any = np.inf
    high: Any = -np.inf
    for _, targets, _ in source.pieces():
        low = np.fmin(low, np.fmin.reduce(targets, axis=0))
        high = np.fmax(high, np.fmax.reduce(targets, axis=0))
    return bool(np.any(low < high))


def diverged(last: Network, history: History, epoch: int, source: Source, learning_rate: float | None) -> Diverged:
    """What is to be raised where E of these patterns is not finite any more, with the last network of which it was."""
    inputs = source.excerpt().inputs
    layer, overflows = _largest_layer(last, inputs)
    sizes = inputs.largest() if isinstance(inputs, Centred) else np.abs(inputs).max(axis=0)
    column = int(np.argmax(sizes))
    return Diverged(last, history, epoch, layer, overflows, column, float(sizes[column]), learning_rate)


def _largest_layer(net: Network, inputs: FloatArray) -> tuple[int, bool]:
    """The first layer whose net values overflow, or else the one with the largest; and which of the two it is."""
    pieces = (inputs[start : start + PIECE] for start in range(0, len(inputs), PIECE))
    with np.errstate(all="ignore"):
        largest = np.max([[np.abs(x).max() for x in forward(net, piece).x[1:]] for piece in pieces], axis=0)
    broken = [i for i, size in enumerate(largest, 1) if not np.isfinite(size)]
    return (broken[0], True) if broken else (int(np.argmax(largest)) + 1, False)


def _source(net: Network, inputs: Any, targets: Any, weights: Any = None, batch_size: int | None = None) -> Source:
    """What is given as a source, checked; a source that is given already, if it fits the network."""
    if not isinstance(inputs, Source):
        if targets is None:
            raise ValueError("targets must be given, one row a pattern; got none. Pass them after inputs.")
        return engines.source(net, inputs, targets, weights, batch_size)
    if targets is not None or weights is not None:
        raise ValueError(
            f"{'weights' if targets is None else 'targets'} must be left out where inputs is a source, which holds "
            "them; got both. Leave them out."
        )
    part = inputs.excerpt()
    y_0, t = as_inputs(net, part.inputs), as_targets(net, part.targets)
    if not (part.inputs.dtype == part.targets.dtype == part.weights.dtype == net.dtype and len(y_0) == len(t)):
        raise ValueError(
            f"inputs must hold arrays of the network's type, {net.dtype}, and as many rows in each; got "
            f"{part.inputs.dtype} inputs, {part.targets.dtype} targets and {part.weights.dtype} weights. "
            "Correct the source."
        )
    return inputs


def _held_out(net: Network, validation: Any) -> Source:
    try:
        return _source(net, *(validation if isinstance(validation, tuple | list) else (validation, None)))
    except ValueError as error:  # which begins with inputs, targets or weights
        raise ValueError(f"validation {error}") from None


def _layer_rates(net: Network, given: Any) -> dict[int, float]:
    """Factors by layer, checked."""
    wrong = None if isinstance(given, Mapping) else type(given).__name__
    for layer, factor in given.items() if wrong is None else ():
        if not isinstance(layer, int | np.integer) or not 1 <= layer <= net.depth:
            wrong = f"layer {layer!r}"
        elif not isinstance(factor, int | float | np.number) or not 0 <= factor < np.inf:
            wrong = f"{factor!r} for layer {layer}"
    if wrong:
        raise ValueError(
            f"layer_rates must map layers, 1 to {net.depth}, to finite factors from 0 up; got {wrong}. To freeze the "
            "first layer pass {1: 0}."
        )
    return {int(layer): float(factor) for layer, factor in given.items()}


def _require_before(after: Any, net: Network, rule: Rule) -> None:
    """Refuse a run that this one cannot go on after."""
    wrong = ""
    if not isinstance(after, History):
        wrong = f"a {type(after).__name__}"
    elif after.memory is None:
        wrong = f"one of {after.rule!r} that keeps no memory of its rule"
    elif after.rule != rule.name:
        wrong = f"one of {after.rule!r} for rule {rule.name!r}"
    elif any(slot.shape != net.theta.shape for slot in after.memory.slots):
        wrong = "that of a network of other sizes"
    if wrong:
        raise ValueError(
            f"after must be the history of a run by the same rule that left this network; got {wrong}. Leave it out to "
            "begin anew."
        )


def _require_fitting(net: Network, rule: Rule, schedule: Schedule) -> None:
    """Refuse what the rule would not heed."""
    if rule.name == "levenberg_marquardt" and (why := why_not(net)):
        raise ValueError(f"rule must be one that can train this network; got {rule.name!r}, but {why}. Use 'lbfgs'.")
    if (rule.whole or rule.initial) and (schedule.name != "constant" or schedule.warm_up):
        raise ValueError(
            f"schedule must be 'constant' for rule {rule.name!r}, which chooses its own steps; got {schedule.name!r}"
            f"{' with a warm-up' if schedule.warm_up else ''}. Leave it out."
        )
    if rule.whole and not set(rule.layer_rates.values()) <= {0.0, 1.0}:
        raise ValueError(
            f"layer_rates must be 0 or 1 for rule {rule.name!r}, which has no learning rate; got "
            f"{rule.layer_rates}. Freeze a layer, or leave it out."
        )


def _require_run(
    net: Network,
    learning_rate: float,
    epochs: int,
    batch_size: int | None,
    validation: Any,
    seed: int,
    patience: int | None,
) -> None:
    if not isinstance(net, Network):
        raise ValueError(f"net must be a Network; got {type(net).__name__}. Build one with Network(sizes).")
    if not isinstance(learning_rate, int | float | np.number) or not 0 <= learning_rate < np.inf:
        raise ValueError(
            f"learning_rate must be a finite number from 0 up; got {learning_rate!r}. Try 0.1, or 0.001 for Adam."
        )
    for name, value, least, optional in (
        ("epochs", epochs, 1, False),
        ("batch_size", batch_size, 1, True),
        ("seed", seed, 0, False),
        ("patience", patience, 1, True),
    ):
        if value is None and optional:
            continue
        try:
            good = index(value) >= least  # type: ignore[arg-type]
        except TypeError:
            good = False
        if not good:
            whole = f"a whole number from {least} up{' or None' if optional else ''}"
            raise ValueError(f"{name} must be {whole}; got {value!r}. Correct it.")
    pair = isinstance(validation, tuple | list) and len(validation) in (2, 3)
    if not (validation is None or pair or isinstance(validation, Source)):
        raise ValueError(
            f"validation must be (inputs, targets) or (inputs, targets, weights); got {type(validation).__name__}. "
            "Hold some patterns back and pass them."
        )
    if patience is not None and validation is None:
        raise ValueError("patience must come with validation; got none. Pass validation=(inputs, targets) too.")
