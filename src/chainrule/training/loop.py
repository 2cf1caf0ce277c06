"""train(): epochs of updates until the error is small, with the best weights kept.

Stands behind the derivation: an engine runs the page, a rule uses its gradient, and this loop decides the order of the
patterns and when to stop.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from chainrule import engines
from chainrule.backprop import forward
from chainrule.engines import PIECE, Engine, Source
from chainrule.network import Network
from chainrule.notation import FloatArray
from chainrule.objective import best_constant
from chainrule.training.descent import Rule
from chainrule.training.descent import rule as rule_of
from chainrule.training.history import History
from chainrule.training.progress import Report
from chainrule.training.progress import progress as progress_bar


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
    """Ctrl-C during training: ``network`` holds the best weights so far, ``history`` the run."""

    def __init__(self, network: Network, history: History) -> None:
        super().__init__(network, history)
        self.network, self.history = network, history

    def __str__(self) -> str:
        """What happened."""
        return f"training was interrupted after {self.history.epochs:,} epochs; the best weights so far are kept."


class WorseThanConstant(UserWarning):
    """The trained network predicts its own training patterns worse than the best constant does."""


def train(
    net: Network,
    inputs: Any,
    targets: Any,
    rule: str | Rule = "gradient_descent",
    learning_rate: float = 0.1,
    epochs: int = 10,
    batch_size: int | None = 32,
    shuffle: bool = True,
    validation: tuple[Any, ...] | None = None,
    engine: str = "auto",
    seed: int = 0,
    *,
    weights: Any = None,
    patience: int | None = None,
    progress: bool | None = None,
    warn: bool = True,
) -> tuple[Network, History]:
    """Train a copy of a network; the arguments are never changed.

    Parameters
    ----------
    net : Network
        Where to start.
    inputs, targets : array of shape (patterns, inputs), (patterns, outputs)
        As the network is to see them; NaN for a missing target. Standardise them first: a step that suits a column in
        units suits none in thousands.
    rule : {"gradient_descent", "momentum", "adam", "lbfgs"} or Rule
        Plain descent is θ - η g and nothing else. L-BFGS takes all patterns at once and no learning rate.
    learning_rate : float
        η. Plain descent on standardised patterns bears 0.1; Adam wants about 0.003, momentum 0.01.
    epochs : int
        Passes over the patterns; for L-BFGS, iterations.
    batch_size : int or None
        Patterns an update: 1 is the paper's, None all of them.
    shuffle : bool
        A new order of patterns each epoch, which depends on seed and epoch only.
    validation : tuple (inputs, targets) or (inputs, targets, weights), optional
        Held-out patterns; the weights with the smallest E on them, without the penalties, are kept.
    engine : {"auto", "reference"}
        What runs the page.
    seed : int
        Of the order of patterns.
    weights : array of shape (patterns,), optional
        s_p, 1 by default.
    patience : int, optional
        Stop after so many epochs without a smaller validation E.
    progress : bool, optional
        Show progress on standard error; by default if that is a terminal.
    warn : bool
        Whether a result that is worse than the best constant is warned of, or only said in ``history.warning``.

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
    chosen = rule_of(rule)
    _require_run(net, learning_rate, epochs, batch_size, validation, seed, patience)
    net = net.replace(np.array(net.theta))
    patterns = engines.source(net, inputs, targets, weights, batch_size)
    held_out = None if validation is None else _held_out(net, validation)
    run = _Run(engines.load(engine), net, patterns, held_out, chosen, float(learning_rate), patience)
    started = time.perf_counter()
    try:
        with progress_bar(epochs, progress) as report:
            if chosen.whole:
                _minimise(run, epochs, report)
            else:
                _descend(run, epochs, shuffle, seed, report)
    except KeyboardInterrupt:
        run.history.stopped = "interrupted"
        raise Interrupted(run.best, run.history) from None
    finally:
        run.history.seconds = time.perf_counter() - started
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
    patience: int | None

    def __post_init__(self) -> None:
        self.history = History(rule=self.rule.name, stopped="all epochs run")
        self.best = self.net
        self.state = self.engine.prepare(self.net, self.source, self.rule)
        if self.held_out is not None:
            start = self.engine.error(self.state, self.held_out)
            self.history.best_validation = start if np.isfinite(start) else np.inf

    def record(self, running: float, report: Report) -> bool:
        """Take an epoch into the history and keep its weights if they are the best; whether to stop."""
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
        if self.held_out is None or held_out < self.history.best_validation:
            self.best, self.history.best_epoch, self.history.best_validation = net, self.history.epochs, held_out
        report(running, self.history.validation[-1] if self.held_out is not None else None)
        if self.patience is not None and self.history.epochs - self.history.best_epoch >= self.patience:
            self.history.stopped = f"no smaller validation E for {self.patience} epochs"
            return True
        return False

    def diverged(self, epoch: int, source: Source) -> Diverged:
        self.history.stopped = "diverged"
        last = self.best if self.rule.whole else self.engine.network(self.state)
        layer, overflows = _largest_layer(last, source.inputs)
        sizes = np.abs(source.inputs).max(axis=0)
        column = int(np.argmax(sizes))
        rate = None if self.rule.whole else self.learning_rate
        return Diverged(last, self.history, epoch, layer, overflows, column, float(sizes[column]), rate)


def _descend(run: _Run, epochs: int, shuffle: bool, seed: int, report: Report) -> None:
    patterns = run.source.patterns
    rates = np.full(-(-patterns // run.source.batch_size), run.learning_rate)
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng([seed, epoch]).permutation(patterns) if shuffle else np.arange(patterns)
        if run.record(run.engine.epoch(run.state, order, rates), report):
            return


def _minimise(run: _Run, epochs: int, report: Report) -> None:
    """SciPy's L-BFGS over all patterns; each of its iterations is an epoch."""
    from scipy.optimize import OptimizeResult, minimize

    def value_and_gradient(theta: FloatArray) -> tuple[float, FloatArray]:
        E, g = run.engine.value_and_gradient(run.state, theta)
        return E, np.asarray(g, dtype=np.float64)

    def iterated(intermediate_result: OptimizeResult) -> None:
        run.engine.place(run.state, intermediate_result.x)
        if run.record(float(intermediate_result.fun), report):
            raise StopIteration

    if not np.isfinite(value_and_gradient(run.net.theta.astype(np.float64))[0]):
        raise run.diverged(1, run.source)
    with np.errstate(all="ignore"):
        found = minimize(
            value_and_gradient,
            run.net.theta.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=iterated,
            options={"maxiter": epochs, "maxfun": 20 * epochs + 100, "ftol": 1e-12, "gtol": 1e-8},
        )
    if run.history.stopped == "all epochs run" and (found.status == 0 or run.history.epochs < epochs):
        run.history.stopped = "converged" if found.status == 0 else "no step lowers E any more"


def _finish(run: _Run) -> None:
    """The exact E once, and what is to be said if a constant predicts better."""
    net, source, history = run.best, run.source, run.history
    run.engine.place(run.state, net.theta)
    of_patterns = run.engine.error(run.state, source)
    with np.errstate(all="ignore"):
        history.E = of_patterns + float(net.penalty())
        history.best_constant = best_constant(net.objective, net.f[-1], source.targets, source.weights)[1]
    if not np.isfinite(history.E):
        raise run.diverged(max(history.epochs, 1), source)
    rounding = max(1e-9, 64 * float(np.finfo(net.dtype).eps))
    if of_patterns <= history.best_constant * (1 + rounding):
        return
    if (np.nanmin(source.targets, axis=0) == np.nanmax(source.targets, axis=0)).all():
        history.warning = "The targets must vary for a network to be of use; each is the same in every pattern."
        return
    change = "" if run.rule.whole else f" change learning_rate ({run.learning_rate:g}),"
    history.warning = (
        f"The network must predict better than a constant to be of use; its E is {of_patterns:.6g}, and the best "
        f"constant has {history.best_constant:.6g}. Standardise inputs and targets,{change} or train for more epochs."
    )


def _largest_layer(net: Network, inputs: FloatArray) -> tuple[int, bool]:
    """The first layer whose net values overflow, or else the one with the largest; and which of the two it is."""
    pieces = (inputs[start : start + PIECE] for start in range(0, len(inputs), PIECE))
    with np.errstate(all="ignore"):
        largest = np.max([[np.abs(x).max() for x in forward(net, piece).x[1:]] for piece in pieces], axis=0)
    broken = [i for i, size in enumerate(largest, 1) if not np.isfinite(size)]
    return (broken[0], True) if broken else (int(np.argmax(largest)) + 1, False)


def _held_out(net: Network, validation: tuple[Any, ...]) -> Source:
    try:
        return engines.source(net, *validation)
    except ValueError as error:  # which begins with inputs, targets or weights
        raise ValueError(f"validation {error}") from None


def _require_run(
    net: Network,
    learning_rate: float,
    epochs: int,
    batch_size: int | None,
    validation: tuple[Any, ...] | None,
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
    if validation is not None and (not isinstance(validation, tuple | list) or len(validation) not in (2, 3)):
        raise ValueError(
            f"validation must be (inputs, targets) or (inputs, targets, weights); got {type(validation).__name__}. "
            "Hold some patterns back and pass them."
        )
    if patience is not None and validation is None:
        raise ValueError("patience must come with validation; got none. Pass validation=(inputs, targets) too.")
