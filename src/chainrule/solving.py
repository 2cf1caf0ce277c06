"""Solving: how the networks of an estimator are trained, once its inputs and targets are numbers.

Stands behind the doors that speak scikit-learn's words: a solver is an update rule, L-BFGS, Levenberg-Marquardt, or
Bayesian regularisation, and what is not given is chosen here, from the number of patterns and parameters and from
nothing else. Its letters: S the sum of the weights of the patterns, λ the penalty of a network, E its error.
"""

from __future__ import annotations

import contextlib
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import index
from typing import Any

import numpy as np

from chainrule import engines
from chainrule.activations import Activation
from chainrule.backprop import forward
from chainrule.choosing import LEARNING_RATE, Choice, Given, Problem, Settings
from chainrule.mixture import Member, Mixture, variance
from chainrule.network import Network
from chainrule.notation import Array, FloatArray
from chainrule.objective import Objective, objective
from chainrule.sparse import Centred
from chainrule.tables import split
from chainrule.training import second_order
from chainrule.training.descent import RULES, Rule
from chainrule.training.descent import rule as rule_of
from chainrule.training.gauss_newton import why_not
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.many import train_many
from chainrule.training.schedules import SCHEDULES, Schedule
from chainrule.training.schedules import schedule as schedule_of

MOST_PARAMETERS, AFFORDABLE = 3000, 1e10
"""Second-order training takes patterns × parameters² multiplications a step, and parameters³."""

FEW, TOO_FEW = 2000, 50
"""Patterns up to which L-BFGS, over all of them at once, trains a classification …

… and any network, where there are too few to keep some apart.
"""

MANY = 5000
"""Patterns from which second-order training takes wider layers and more steps."""

HIDDEN = {"few": (10, 10), "many": (20, 20), "whole": (32,), "steps": (64, 64)}
"""Hidden layers of second-order training up to MANY patterns and above, of L-BFGS, and of rules of small steps."""

ALPHA, ALPHA_OF_WHOLE = 1e-4, 1.0
"""The penalty of rules of small steps, and of those that take all patterns at once."""

EPOCHS = {"few": 100, "many": 150, "whole": 500, "damped": 100, "steps": 200, "apart": 400}
"""At most so many: of Bayesian regularisation up to MANY patterns and above, of L-BFGS, of Levenberg-Marquardt, and of
rules of small steps without patterns kept apart and with them."""

BATCHES = ((2000, 32), (20_000, 64), (math.inf, 256))
"""Up to so many patterns, so many an update."""

ENSEMBLE = {"bayesian": 10, "auto": 5}
"""Networks by Bayesian regularisation, and where solver="auto" chooses a rule of small steps."""

PATIENCE, PATIENCE_APART, PATIENCE_OF_EVIDENCE = 10, 30, 12
"""Epochs without improvement, of all patterns, of those kept apart, and of the evidence, that are borne."""

TOLERANCE = 1e-4
"""What counts as an improvement where no patterns are kept apart; with such, any does."""

DECREASE = 2.2e-9
"""L-BFGS ends where E falls by no more of itself; so it does in scikit-learn."""

SLOWER, SLOWEST = 0.2, 1e-6
"""An adaptive learning rate falls to this part of itself, and once it has fallen so low, the run ends."""

SECOND_ORDER = ("bayesian", "levenberg_marquardt")
SOLVERS = ("auto", "sgd", *dict.fromkeys((*SECOND_ORDER, *RULES)))
"""Every solver by name: the update rules, "sgd" for gradient descent with momentum, and those of second order."""


@dataclass(frozen=True)
class Asked:
    """What an estimator is asked for, in scikit-learn's words; None leaves it to be chosen."""

    solver: Any = "auto"
    hidden_layer_sizes: Any = None
    activation: Any = "tanh"
    alpha: float | None = None
    batch_size: Any = "auto"
    learning_rate: Any = "constant"
    learning_rate_init: float | None = None
    power_t: float = 0.5
    max_iter: int | None = None
    shuffle: bool = True
    tol: float | None = None
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool | None = None
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float | None = None
    max_fun: int = 15_000
    ensemble: int | None = None
    relevance: bool = False


@dataclass(frozen=True)
class Goal:
    """What a network is to do: "regression" or "classification", by which objective and output activation."""

    task: str
    objective: Objective
    output: str
    inputs: int
    outputs: int

    @property
    def least_squares(self) -> bool:
        """Whether it is a regression by the sum of squares, which second-order training gives error bars."""
        return self.task == "regression" and self.objective.name == "sse"


@dataclass(frozen=True)
class Plan:
    """How to train: what was asked for, and what was chosen where nothing was.

    Attributes
    ----------
    solver, why : str
        What is used, and why it was chosen.
    hidden : tuple of int
        Nodes of the hidden layers.
    activations : tuple
        Of the hidden layers, then of the output.
    rule : Rule or None
        None for Bayesian regularisation.
    alpha : float
        λ times the sum of the weights of an update's patterns.
    learning_rate : float
    schedule : Schedule
    epochs : int
        At most so many.
    batch_size : int or None
        None for all.
    shuffle : bool
    tol, patience : float
        A run ends once E has not fallen by ``tol`` for more than ``patience`` epochs.
    apart : bool
        Whether patterns are kept apart to stop by, where none are given.
    ensemble : int
        How many networks.
    relevance : bool
        Whether Bayesian regularisation has a penalty for each input.
    """

    solver: str
    why: str
    hidden: tuple[int, ...]
    activations: tuple[Any, ...]
    rule: Rule | None
    alpha: float
    learning_rate: float
    schedule: Schedule
    epochs: int
    batch_size: int | None
    shuffle: bool
    tol: float
    patience: float
    apart: bool
    ensemble: int
    relevance: bool

    @property
    def steps(self) -> bool:
        """Whether it goes by small steps, which a learning rate and batches belong to."""
        return self.rule is not None and not self.rule.whole

    @property
    def adaptive(self) -> bool:
        """Whether the learning rate falls where the run would end."""
        return self.schedule.name == "adaptive"


def _parameters(sizes: Sequence[int]) -> int:
    """Weights and biases of a network of these layers."""
    return sum((below + 1) * nodes for below, nodes in pairwise(sizes))


def _affordable(patterns: float, parameters: int) -> bool:
    """Whether second-order training is."""
    return parameters <= MOST_PARAMETERS and patterns * parameters**2 <= AFFORDABLE


def choose_solver(patterns: float, parameters: int, task: str, objective: str = "sse") -> tuple[str, str]:
    """The solver for so many patterns, or so large a sum of their weights, and why: the rule of solver="auto".

    Parameters
    ----------
    patterns : float
    parameters : int
        Of a network of second-order training.
    task : {"regression", "classification"}
    objective : str
        Of a regression.
    """
    size = f"{patterns:,.0f} pattern{'' if round(patterns) == 1 else 's'}"
    if task == "classification":
        if patterns <= FEW:
            return "lbfgs", f"{size} to classify, at most {FEW:,}: L-BFGS takes all of them at once"
        return "adam", f"{size} to classify, more than {FEW:,}: Adam, stopped by patterns that are kept apart"
    if objective == "sse" and _affordable(patterns, parameters):
        return "bayesian", (
            f"{size} and {parameters:,} parameters are few enough for second-order training, in which the evidence "
            "sets the penalties and no pattern need be kept apart"
        )
    if patterns <= TOO_FEW:
        return "lbfgs", f"{size} are too few to keep some apart: L-BFGS takes all of them at once"
    if objective != "sse":
        return (
            "adam",
            f"objective {objective!r} is not the sum of squares: Adam, stopped by patterns that are kept apart",
        )
    return "adam", (
        f"{size} and {parameters:,} parameters are too many for second-order training: Adam, stopped by patterns that "
        "are kept apart"
    )


def plan_of(
    asked: Asked, goal: Goal, patterns: float, *, hidden: Sequence[int] | None = None, steps: bool = False, given: bool
) -> Plan:
    """Check what is asked for, and choose the rest.

    Parameters
    ----------
    patterns : float
        The sum of their weights.
    hidden : sequence of int, optional
        Hidden layers of networks that are there already.
    steps : bool
        Whether only a rule of small steps will do, as for partial_fit.
    given : bool
        Whether patterns to stop by are given.
    """
    _require(asked)
    wanted = _hidden(asked.hidden_layer_sizes)
    if hidden is not None:
        if wanted is not None and wanted != tuple(hidden):
            raise ValueError(
                f"hidden_layer_sizes must stay as they are where training goes on; got {wanted}, and the networks have "
                f"{tuple(hidden)}. Set warm_start=False and fit anew."
            )
        wanted = tuple(hidden)
    size = "few" if patterns <= MANY else "many"
    solver, why = asked.solver, "as asked for"
    auto = isinstance(solver, str) and solver == "auto"
    of_steps = "partial_fit is" if steps else "eval_set is" if given else _of_steps(asked)
    if auto and of_steps:
        solver, why = "adam", f"{of_steps} for small steps: Adam"
    elif auto:
        sizes = (goal.inputs, *(HIDDEN[size] if wanted is None else wanted), goal.outputs)
        solver, why = choose_solver(patterns, _parameters(sizes), goal.task, goal.objective.name)
        if solver == "bayesian" and asked.alpha is not None:
            solver = "lbfgs" if patterns <= FEW else "adam"
            why = f"alpha is for solvers that do not find the penalties themselves: {solver}"
    rule = _rule(solver, asked)
    name = solver.name if isinstance(solver, Rule) else str(solver)
    apart = asked.early_stopping
    if apart is None:
        apart = auto and rule is not None and not rule.whole and not steps and not given
    _require_possible(name, asked, apart=apart, given=given)
    kind = size if name in SECOND_ORDER else "whole" if rule is None or rule.whole else "steps"
    wanted = HIDDEN[kind] if wanted is None else wanted
    if steps:
        _require_endless(asked.learning_rate)
    many = ENSEMBLE.get("auto" if auto and kind == "steps" and not steps else name, 1)
    stopping = apart or (given and asked.early_stopping is not False)
    tol = asked.tol
    if tol is None:
        tol = 0.0 if stopping else TOLERANCE
    if rule is not None and rule.name == "lbfgs" and not isinstance(solver, Rule):
        rule = rule_of("lbfgs", slope=tol, decrease=DECREASE, evaluations=asked.max_fun)
    elif name == "levenberg_marquardt" and asked.tol is not None and not isinstance(solver, Rule):
        rule = rule_of("levenberg_marquardt", slope=tol)
    patience = asked.n_iter_no_change
    if patience is None:
        patience = PATIENCE_OF_EVIDENCE if rule is None else PATIENCE_APART if stopping else PATIENCE
    usual_alpha = ALPHA_OF_WHOLE if rule is not None and rule.whole else ALPHA
    usual = LEARNING_RATE.get("" if rule is None else rule.name, 0.01)
    usual_epochs = EPOCHS[
        "damped" if name == "levenberg_marquardt" else "apart" if stopping and kind == "steps" else kind
    ]
    return Plan(
        solver=name,
        why=why,
        hidden=wanted,
        activations=(*_activations(asked.activation, len(wanted)), goal.output),
        rule=rule,
        alpha=float(usual_alpha if asked.alpha is None else asked.alpha),
        learning_rate=float(usual if asked.learning_rate_init is None else asked.learning_rate_init),
        schedule=_schedule(asked, rule, patterns, tol, patience),
        epochs=usual_epochs if asked.max_iter is None else index(asked.max_iter),
        batch_size=None if asked.batch_size is None else 0 if asked.batch_size == "auto" else index(asked.batch_size),
        shuffle=bool(asked.shuffle),
        tol=tol,
        patience=patience if stopping or not given else math.inf,
        apart=apart,
        ensemble=many if asked.ensemble is None else index(asked.ensemble),
        relevance=bool(asked.relevance),
    )


# ------------------------------------------------------------------------------------------------- what is asked for


def _of_steps(asked: Asked) -> str:
    """What is asked for that only a rule of small steps can heed."""
    usual = Asked()
    names = ("early_stopping", "batch_size", "learning_rate", "learning_rate_init")
    found = [name for name in names if not _alike(getattr(asked, name), getattr(usual, name))]
    found = [name for name in found if name != "early_stopping" or asked.early_stopping]
    return f"{' and '.join(found)} {'is' if len(found) == 1 else 'are'}" if found else ""


def _alike(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, str) and one == other)


def _rule(solver: Any, asked: Asked) -> Rule | None:
    """The update rule of a solver, with the constants that are asked for; None for Bayesian regularisation."""
    if isinstance(solver, Rule):
        return solver
    if not isinstance(solver, str) or solver not in SOLVERS:
        close = difflib.get_close_matches(str(solver), SOLVERS, 1)
        hint = f"Did you mean {close[0]!r}?" if close else "Or leave it out, and it is chosen."
        raise ValueError(f"solver must be a Rule or one of {', '.join(SOLVERS)}; got {solver!r:.200}. {hint}")
    if solver == "bayesian":
        return None
    if solver == "sgd":
        if not asked.momentum:
            return rule_of("gradient_descent")
        return rule_of("nesterov" if asked.nesterovs_momentum else "momentum", momentum=asked.momentum)
    usual = RULES[solver].constants
    own = {name: getattr(asked, name) for name in ("momentum", "beta_1", "beta_2", "epsilon") if name in usual}
    return rule_of(solver, **own)


def _schedule(asked: Asked, rule: Rule | None, patterns: float, tol: float, patience: float) -> Schedule:
    """How the learning rate goes: one of Chainrule's schedules, or scikit-learn's."""
    name = asked.learning_rate
    if rule is None or rule.whole or rule.initial:
        return SCHEDULES["constant"]
    if isinstance(name, str) and name == "invscaling":
        return Schedule("invscaling", _inverse_scaling, {"power": float(asked.power_t), "patterns": float(patterns)})
    if isinstance(name, str) and name == "adaptive":
        return Schedule("adaptive", _adaptive, {"patience": float(patience), "tol": float(tol)})
    if not isinstance(name, Schedule) and not (isinstance(name, str) and name in SCHEDULES):
        raise ValueError(
            f"learning_rate must be a Schedule or one of invscaling, adaptive, {', '.join(SCHEDULES)}; got "
            f"{name!r:.200}. How large it is says learning_rate_init."
        )
    return schedule_of(name)


def _require_endless(name: Any) -> None:
    """Refuse a schedule that must know how many epochs there will be."""
    if isinstance(name, Schedule) or (isinstance(name, str) and name in SCHEDULES):
        row = schedule_of(name)
        short, long = (row.formula(np.ones(1), T, [1.0], **row.constants) for T in (4.0, 8.0))
        if not np.array_equal(short, long):
            raise ValueError(
                f"learning_rate must not depend on how many epochs there will be, for partial_fit; got {row.name!r}. "
                "Choose 'constant', 'invscaling', 'adaptive', 'step' or 'plateau'."
            )


def _inverse_scaling(t: FloatArray, T: float, errors: Sequence[float], *, power: float, patterns: float) -> FloatArray:
    """1 over a power of the number of patterns seen in the epochs before."""
    return np.asarray((np.floor(t) * patterns + 1) ** -power)


def _adaptive(t: FloatArray, T: float, errors: Sequence[float], *, patience: float, tol: float) -> float:
    """A fifth of itself each time that E has not fallen by tol for more than so many epochs."""
    waiting = Waiting(tol, patience)
    return float(SLOWER ** sum(waiting.over(E) for E in errors))


@dataclass
class Waiting:
    """Counts the epochs in which E has not fallen by tol below the least so far."""

    tol: float
    patience: float
    best: float = math.inf
    count: int = 0

    def over(self, E: float) -> bool:
        """Whether they are more than are borne, and then counts from 0 again."""
        self.count = self.count + 1 if self.best - self.tol < E else 0
        self.best = min(self.best, E)
        if self.count <= self.patience:
            return False
        self.count = 0
        return True


def _hidden(given: Any) -> tuple[int, ...] | None:
    if given is None:
        return None
    try:
        whole = tuple(index(nodes) for nodes in ((given,) if np.ndim(given) == 0 else given))
    except TypeError:
        whole = (0,)
    if any(nodes < 1 for nodes in whole):
        raise ValueError(
            f"hidden_layer_sizes must be whole numbers from 1 up, one a hidden layer; got {given!r:.200}. For two "
            "layers of 20 nodes pass (20, 20); for none, ()."
        )
    return whole


def _activations(given: Any, layers: int) -> tuple[Any, ...]:
    if isinstance(given, str | Activation):
        return (given,) * layers
    try:
        several = tuple(given)
    except TypeError:
        several = ()
    if len(several) != layers:
        raise ValueError(
            f"activation must be one name, or one for each of the {layers} hidden layers; got {given!r:.200}. Pass as "
            "many as hidden_layer_sizes."
        )
    return several


def _require(asked: Asked) -> None:
    """Refuse what scikit-learn would, in one sentence."""
    above = math.nextafter(0.0, 1.0)
    below = math.nextafter(1.0, 0.0)
    for name, least, most, whole in (
        ("alpha", 0.0, math.inf, False),
        ("learning_rate_init", above, math.inf, False),
        ("power_t", 0.0, math.inf, False),
        ("max_iter", 1, math.inf, True),
        ("tol", 0.0, math.inf, False),
        ("momentum", 0.0, 1.0, False),
        ("validation_fraction", above, below, False),
        ("beta_1", 0.0, below, False),
        ("beta_2", 0.0, below, False),
        ("epsilon", above, math.inf, False),
        ("n_iter_no_change", 1, math.inf, False),
        ("max_fun", 1, math.inf, True),
        ("ensemble", 1, math.inf, True),
    ):
        require_number(name, getattr(asked, name), least, most, whole=whole)
    for name in ("shuffle", "nesterovs_momentum", "relevance", "early_stopping"):
        require_flag(name, getattr(asked, name), optional=name == "early_stopping")
    batch = asked.batch_size
    if not (batch is None or (isinstance(batch, str) and batch == "auto")):
        require_number("batch_size", "none" if isinstance(batch, str) else batch, 1, math.inf, whole=True)


def require_number(name: str, value: Any, least: float, most: float, *, whole: bool = False) -> None:
    """Refuse what is no number in these bounds; None is one that is not given."""
    if value is None:
        return
    kinds = (int, np.integer) if whole else (int, float, np.number)
    number = isinstance(value, kinds) and not isinstance(value, bool)
    if not number or not least <= value <= most or (value == math.inf and name != "n_iter_no_change"):
        low = "above 0" if 0 < least < 1e-300 else f"from {least:g}"
        high = " up" if low != "above 0" else ""
        if most < math.inf:
            high = f" {'and below' if most < 1 else 'to'} {most:.3g}"
        bounds = low + high
        raise ValueError(
            f"{name} must be a {'whole ' if whole else ''}number {bounds}; got {value!r:.200}. Correct it, or leave it "
            "out."
        )


def require_flag(name: str, value: Any, *, optional: bool = False) -> None:
    """Refuse what is neither True nor False."""
    if not (isinstance(value, bool | np.bool_) or (optional and value is None)):
        raise ValueError(
            f"{name} must be True or False{' or None' if optional else ''}; got {value!r:.200}. Choose one of them."
        )


def _require_possible(name: str, asked: Asked, *, apart: bool, given: bool) -> None:
    """Refuse what the solver cannot do."""
    if (apart or given) and name in SECOND_ORDER:
        raise ValueError(
            f"{'eval_set' if given else 'early_stopping'} must be left out for solver {name!r}, which learns from all "
            "patterns and is stopped by none; got it. Choose 'adam' or 'lbfgs'."
        )
    if asked.relevance and name != "bayesian":
        raise ValueError(
            f"relevance must be False for solver {name!r}; got True. Only 'bayesian' has a penalty for each input."
        )


# ------------------------------------------------------------------------------------------------------------ training


@dataclass(frozen=True, eq=False)
class Patterns:
    """What is learned or judged by, in the network's units: inputs, targets with NaN where missing, weights above 0."""

    inputs: Any
    targets: FloatArray
    weights: FloatArray

    def take(self, rows: Array | slice) -> Patterns:
        """Some of them."""
        return Patterns(self.inputs[rows], self.targets[rows], self.weights[rows])

    @property
    def dense(self) -> Patterns:
        """The same with inputs that are not sparse."""
        inputs = self.inputs.toarray() if isinstance(self.inputs, Centred) else self.inputs
        return replace(self, inputs=inputs)

    def __iter__(self) -> Any:
        """As ``train`` takes them."""
        return iter((self.inputs, self.targets, self.weights))


@dataclass(frozen=True, eq=False)
class Solved:
    """What came of it: for each network a member of the mixture, its history, and E of the patterns kept apart.

    These are exact, epoch by epoch, without the penalties; empty where none are kept apart. ``posteriors`` are those
    of Bayesian regularisation.
    """

    members: tuple[Member, ...]
    histories: tuple[History, ...]
    curves: tuple[tuple[float, ...], ...]
    posteriors: tuple[second_order.Posterior, ...] = ()


def begin(plan: Plan, goal: Goal, seeds: Sequence[int]) -> list[Network]:
    """Networks at their random start, which depends on nothing but the sizes and the seeds."""
    sizes = [goal.inputs, *plan.hidden, goal.outputs]
    nets = [Network(sizes, plan.activations, goal.objective, seed=seed) for seed in seeds]
    if plan.rule is None:
        nets = [second_order.starts(net, 1, seed)[0] for net, seed in zip(nets, seeds, strict=True)]
    return nets


def solve(
    plan: Plan,
    goal: Goal,
    nets: Sequence[Network],
    patterns: Sequence[Patterns],
    apart: Sequence[Patterns | None],
    seeds: Sequence[int],
    *,
    engine: str,
    progress: bool | None,
    callbacks: Sequence[Any] = (),
    after: Sequence[History | None] | None = None,
    settle: bool = True,
) -> Solved:
    """Train each network on its patterns, with those kept apart to stop by.

    Parameters
    ----------
    nets : sequence of Network
        Where they start.
    patterns, apart, seeds
        One for each; without patterns apart, None.
    engine, progress, callbacks
        As for :func:`chainrule.train`.
    after : sequence of History, optional
        That they go on after.
    settle : bool
        Whether the covariance of weights may be worked out where rules of small steps keep no patterns apart.

    Raises
    ------
    Diverged
        If a run diverges.
    KeyboardInterrupt
        On Ctrl-C; of a single network as Interrupted, with the best so far.
    """
    if plan.rule is None:
        return _bayesian(plan, goal, nets, patterns[0].dense, progress, callbacks)
    starts = [_penalised(net, plan, one) for net, one in zip(nets, patterns, strict=True)]
    watches = [Watch(plan, kept is not None) for kept in apart]
    each = [
        _one(plan, *of_one) for of_one in zip(patterns, apart, seeds, watches, after or [None] * len(nets), strict=True)
    ]
    how: dict[str, Any] = {"rule": plan.rule, "epochs": plan.epochs, "engine": engine, "warn": False}
    if plan.steps:
        how |= {"learning_rate": plan.learning_rate, "schedule": plan.schedule}
    with _products(plan, patterns[0]):
        if len(starts) == 1:
            own = {**each[0], "callbacks": [*each[0]["callbacks"], *callbacks]}
            found = [train(starts[0], progress=progress, **how, **own)]
        else:
            found = train_many(starts, each=each, callbacks=callbacks, progress=progress, **how)
    members = [
        member_of(net, goal, one, kept, settle=settle)
        for (net, _), one, kept in zip(found, patterns, apart, strict=True)
    ]
    histories = tuple(history for _, history in found)
    return Solved(tuple(members), histories, tuple(tuple(watch.curve) for watch in watches))


def _products(plan: Plan, patterns: Patterns) -> Any:
    """One thread for L-BFGS's products of vectors, which wait for one another in more, unless others need several."""
    from threadpoolctl import threadpool_limits

    large = isinstance(patterns.inputs, Centred) and len(patterns.targets) > FEW
    return contextlib.nullcontext() if plan.steps or large else threadpool_limits(1, "blas")


def _one(
    plan: Plan, patterns: Patterns, apart: Patterns | None, seed: int, watch: Watch, after: History | None
) -> Mapping[str, Any]:
    """What ``train`` is given for one network."""
    if plan.solver in SECOND_ORDER:
        patterns = patterns.dense
    rows = len(patterns.targets)
    batch = batch_of(plan, rows)
    whole = batch is None or batch >= rows
    return {
        "inputs": patterns.inputs,
        "targets": patterns.targets,
        "weights": patterns.weights,
        "batch_size": None if whole else batch,
        "shuffle": plan.shuffle and not whole,  # the order of all at once is none
        "validation": None if apart is None else tuple(apart),
        "seed": seed,
        "callbacks": [watch],
        "after": after,
    }


def batch_of(plan: Plan, rows: int) -> int | None:
    """Patterns an update, None for all."""
    if plan.batch_size is None or not plan.steps:
        return None
    return plan.batch_size or next(batch for most, batch in BATCHES if rows <= most)


def _penalised(net: Network, plan: Plan, patterns: Patterns) -> Network:
    """The network with λ = alpha / the sum of the weights of an update's patterns."""
    rows, S = len(patterns.targets), float(patterns.weights.sum())
    batch = min(batch_of(plan, rows) or rows, rows)
    net = net.replace(net.theta)
    net.l2 = plan.alpha / (S * batch / rows)
    return net


def member_of(
    net: Network, goal: Goal, learned: Patterns, kept: Patterns | None = None, *, settle: bool = True
) -> Member:
    """The network with the noise of its outputs; none for classes.

    What patterns kept apart say, if they say something of the output. Else, for a sum of squares and where it is
    affordable, that of its posterior, with the covariance of its weights. Else the residuals of what it has learned,
    which weights have made smaller: each parameter counts for a pattern less, up to half of them.
    """
    if goal.task == "classification":
        return Member(net)
    P, S = net.n_parameters, float(learned.weights.sum())
    dense = isinstance(learned.inputs, np.ndarray)
    if settle and kept is None and goal.least_squares and dense and _affordable(S, P) and not why_not(net):
        return second_order.settled(net, *learned)
    squares, units = _residuals(net, learned)
    noise = (squares + second_order.FAINT) / (units * (1 - min(P / S, 0.5)) + second_order.FAINT)
    if kept is not None:
        squares, units = _residuals(net, kept)
        noise = np.where(units > 0, (squares + second_order.FAINT) / (units + second_order.FAINT), noise)
    return Member(net, np.maximum(noise, second_order.LEAST_NOISE))


def _residuals(net: Network, patterns: Patterns) -> tuple[FloatArray, FloatArray]:
    """Of every output Σ s (t - y)² over the known targets, and Σ s times the variance that the objective implies."""
    squares, units = np.zeros((2, net.sizes[-1]))
    for start in range(0, len(patterns.targets), engines.PIECE):
        some = patterns.take(slice(start, start + engines.PIECE)).dense
        trace, known = forward(net, some.inputs), some.weights[:, None] * ~np.isnan(some.targets)
        squares += (known * (np.nan_to_num(some.targets) - trace.y[-1]) ** 2).sum(axis=0)
        units += (known * variance(net, trace.x[-1], trace.y[-1])).sum(axis=0)
    return squares, units


def _bayesian(
    plan: Plan, goal: Goal, nets: Sequence[Network], patterns: Patterns, progress: bool | None, callbacks: Sequence[Any]
) -> Solved:
    """All networks by Bayesian regularisation."""
    found = second_order.bayesian(
        [net.without_penalty() for net in nets],
        *patterns,
        epochs=plan.epochs,
        patience=int(min(plan.patience, plan.epochs)),
        relevance=plan.relevance,
        progress=progress,
        callbacks=callbacks,
    )
    members = [one.member for one in found]
    if goal.task == "classification":  # probabilities take no notice of what the weights leave open
        members = [Member(one.network) for one in members]
    elif not goal.least_squares:  # other objectives have no noise of their own
        noises = [member_of(one.network, goal, patterns).noise for one in members]
        members = [replace(one, noise=noise) for one, noise in zip(members, noises, strict=True)]
    return Solved(tuple(members), tuple(one.history for one in found), ((),) * len(found), tuple(found))


class Watch:
    """Ends a run in which E no longer falls, as scikit-learn does; keeps E of the patterns kept apart."""

    __name__ = "E that no longer falls"

    def __init__(self, plan: Plan, apart: bool) -> None:
        self.plan, self.apart = plan, apart
        self.curve: list[float] = []
        self._waiting = Waiting(plan.tol, plan.patience)
        self._seen = 0

    def after_epoch(self, run: Any) -> bool:
        """Whether to stop."""
        history = run.history
        if self.apart:
            self.curve.append(history.validation[-1] - float(run.network.penalty()))
        if not self.plan.steps and not self.apart:
            return False
        errors = self.curve if self.apart else history.running
        over = [self._waiting.over(E) for E in errors[self._seen :]]
        self._seen = len(errors)
        if not over or not over[-1]:
            return False
        return not self.plan.adaptive or run.learning_rate is None or run.learning_rate <= SLOWEST


def reached_the_end(plan: Plan, histories: Sequence[History]) -> bool:
    """Whether a run ended because it was given no more epochs or evaluations, and not because E had settled."""
    ended = {"all epochs run", "E was evaluated as often as allowed"}
    return plan.rule is not None and any(history.stopped in ended for history in histories)


# --------------------------------------------------------------------------------------------------- tables and models


def by_solver(
    problem: Problem,
    given: Given,
    *,
    engine: str = "auto",
    seed: int = 0,
    progress: bool | None = None,
    callbacks: Sequence[Any] = (),
) -> Choice:
    """Train on the rows of a problem by the solver that is given, which chooses what is not given by its own rules.

    Parameters
    ----------
    problem : Problem
    given : Given
        With a solver; an l2 counts as alpha, times the patterns of an update.
    engine, seed, progress, callbacks
        As for :func:`chainrule.train`.
    """
    row = objective(problem.objective)
    classes = problem.output != "identity"
    goal = Goal(
        "classification" if classes else "regression",
        row,
        problem.output,
        problem.inputs.shape[1],
        problem.targets.shape[1],
    )
    patterns = Patterns(problem.inputs, problem.targets, np.ones(problem.rows))
    plan = _plan_given(given, goal, patterns)
    seeds = [seed + k for k in range(plan.ensemble)]
    learned = [patterns] * len(seeds)
    apart: Sequence[Patterns | None] = [None] * len(seeds)
    if plan.apart:
        parts = [split(problem.rows, held_out=Asked.validation_fraction, seed=one) for one in seeds]
        learned, apart = ([patterns.take(part[n]) for part in parts] for n in (0, 1))
    found = solve(
        plan,
        goal,
        begin(plan, goal, seeds),
        learned,
        apart,
        seeds,
        engine=engine,
        progress=progress,
        callbacks=callbacks,
    )
    settings = Settings(
        plan.hidden,
        ",".join(dict.fromkeys(str(getattr(one, "name", one)) for one in plan.activations[:-1])) or "tanh",
        found.members[0].network.l2,
        Rule("bayesian", RULES["lbfgs"].formula, whole=True) if plan.rule is None else plan.rule,
        plan.learning_rate if plan.steps else None,
        plan.epochs,
        batch_of(plan, problem.rows),
        None,
    )
    return Choice(
        settings,
        (),
        found.members[0].network,
        found.histories[0],
        0,
        mixture=Mixture(found.members),
        histories=found.histories,
        why=plan.why,
    )


def usual_solver(problem: Problem, given: Given) -> str | None:
    """The solver where none is given: "auto" if that is Bayesian regularisation, and nothing is given that it has not.

    Else None: ways of training are tried, as :mod:`chainrule.choosing` says.
    """
    decided = replace(given, hidden=None, activation=None) != Given()
    if decided or problem.output != "identity" or not isinstance(problem.inputs, np.ndarray):
        return None
    hidden = HIDDEN["few" if problem.rows <= MANY else "many"] if given.hidden is None else given.hidden
    sizes = (problem.inputs.shape[1], *hidden, problem.targets.shape[1])
    chosen, _ = choose_solver(problem.rows, _parameters(sizes), "regression")
    return "auto" if chosen == "bayesian" else None


def _plan_given(given: Given, goal: Goal, patterns: Patterns) -> Plan:
    """The plan of what a table's door was given."""
    for name, value in (("rule", given.rule), ("clip", given.clip)):
        if value is not None:
            raise ValueError(f"{name} must be left out with a solver; got both. Leave one of them out.")
    patience: float | None = math.inf if given.patience is None else given.patience
    if given.patience == Given.patience:  # not given
        patience = None
    asked = Asked(
        solver=given.solver,
        hidden_layer_sizes=given.hidden,
        activation=given.activation or "tanh",
        batch_size="auto" if given.batch_size is None else given.batch_size or None,
        learning_rate=given.schedule,
        learning_rate_init=given.learning_rate,
        max_iter=given.epochs,
        n_iter_no_change=patience,
        ensemble=given.ensemble,
    )
    plan = plan_of(asked, goal, len(patterns.targets), given=False)
    if given.stepwise and not plan.steps:
        raise ValueError(
            "learning_rate, schedule and batch_size must be left out for a solver that takes all rows at once; got "
            f"some for {plan.solver!r}. Leave them out, or choose 'adam'."
        )
    if given.l2 is None:
        return plan
    if plan.rule is None:
        raise ValueError(
            f"l2 must be left out for solver 'bayesian', in which the evidence sets the penalties; got {given.l2:g}. "
            "Leave it out."
        )
    rows = len(patterns.targets)
    return replace(plan, alpha=given.l2 * min(batch_of(plan, rows) or rows, rows))
