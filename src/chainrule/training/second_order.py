"""Bayesian regularisation: Levenberg-Marquardt steps, with penalties and noise that the evidence decides.

A sum of squares is the likelihood of normal noise, a penalty that of a normal prior; how strong they are is what makes
the targets most likely once the weights are integrated out (MacKay 1992; with Gauss-Newton steps Foresee and Hagan
1997). No pattern need be kept apart, and what the weights leave open becomes an error bar. Its letters: α the penalty
of a group of weights, β = 1/variance of the noise of an output, γ how many parameters the targets have decided, A the
Hessian of F = Σ β E + ½ Σ α w², with E the sum over all patterns, and R with A⁻¹ = RᵀR.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lapack

from chainrule import engines
from chainrule.engines import Source
from chainrule.mixture import Member
from chainrule.network import Network
from chainrule.notation import Array, FloatArray
from chainrule.training.callbacks import Callbacks, Run
from chainrule.training.gauss_newton import ByRows, Curvature, Damping, Dense, say_if_slow, why_not
from chainrule.training.history import History
from chainrule.training.loop import Interrupted, diverged
from chainrule.training.many import at_once
from chainrule.training.progress import progress as progress_bar

NOISY, CERTAIN = 0.6, 1000.0
"""Where more of an output's variance is taken for noise, β begins anew at this, and the larger evidence decides: from a
start that knows nothing, waves that are narrow look like noise."""

SETTLED = "no larger evidence"
"""Why a run ended that was not told to."""

STILL = 5
"""Steps before penalties and noise are first estimated."""

LEAST, MOST, CHANGE = 1e-6, 1e6, 10.0
"""Bounds of α, and of its change and that of β in one step. The least is also the penalty of the output's biases."""

WEAK = 0.02
"""Added to γ and to Σ w² for α: a group whose weights are all 0 has one too."""

START_BETA, LEAST_NOISE, FAINT = 10.0, 1e-8, 1e-3
"""β at first; the least variance of the noise, of standardised targets; and how many patterns of variance 1 are added
for it: where weights have used up all that there are, nothing is known of the noise."""

JITTER = 1e-15
"""Of the mean of A's diagonal, added where rounding leaves A without a root; a hundred times more until it has one."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """A network at the top of its posterior, and how sharp that is.

    Attributes
    ----------
    member : Member
        The network, its noise and the covariance of its weights.
    groups : tuple of str
        What shares a penalty.
    alpha : array, shape (groups,)
        Their penalties.
    beta : array, shape (outputs,)
        1/variance of the noise; 1 for other objectives than the sum of squares, which have none.
    gamma : float
        The effective number of parameters.
    log_evidence : float
        The logarithm of the density of all targets with the weights integrated out, by Laplace's method.
    history : History
    """

    member: Member
    groups: tuple[str, ...]
    alpha: FloatArray
    beta: FloatArray
    gamma: float
    log_evidence: float
    history: History


def starts(net: Network, count: int, seed: int) -> list[Network]:
    """Networks of this architecture with weights N(0, 1/nodes below) and hidden biases U(-1, 1)."""
    nets = []
    for n in range(count):
        random = np.random.default_rng([seed, n])
        theta = np.zeros(net.n_parameters)
        for block in net.blocks:
            if block.letter == "w":
                theta[block.part] = random.normal(0.0, block.shape[1] ** -0.5, block.shape).ravel()
            elif block.layer < net.depth:
                theta[block.part] = random.uniform(-1.0, 1.0, block.shape)
        nets.append(net.replace(theta))
    return nets


def bayesian(
    nets: Sequence[Network],
    inputs: Any,
    targets: Any = None,
    weights: Any = None,
    *,
    epochs: int = 100,
    patience: int = 12,
    relevance: bool = False,
    threads: int | None = None,
    progress: bool | None = None,
    callbacks: Any = (),
) -> list[Posterior]:
    """Train networks by Bayesian regularisation, several at once; the arguments are never changed.

    Parameters
    ----------
    nets : sequence of Network
        Where each run starts; of one architecture, in float64, without penalties of their own.
    inputs, targets, weights
        As for :func:`chainrule.train`, standardised; a weight counts as that many repetitions of its pattern.
    epochs : int
        Steps at most.
    patience : int
        Steps without a larger evidence before a run ends; what is kept is its state at the largest. Past it weights
        are fitted to noise, for the evidence is maximised as if A did not depend on them.
    relevance : bool
        A penalty for each input, in place of one for all weights of the first layer: inputs that do not matter are
        switched off.
    threads : int, optional
        How many runs at once; by default one a processor, or CHAINRULE_THREADS.
    progress : bool, optional
        Whether to show how many are done; by default on a terminal.
    callbacks : sequence
        As for :func:`chainrule.train`; they are called from several threads.

    Returns
    -------
    list of Posterior
        In the order of the networks.

    Raises
    ------
    ValueError
        If the networks cannot be trained so.
    Diverged
        If E is not finite; of several networks, that of the first in their order.
    Interrupted
        On Ctrl-C, as soon as every run has stopped; ``.members`` holds the networks so far.
    """
    from threadpoolctl import threadpool_limits

    _require(nets, epochs, patience)
    source = engines.source(nets[0], inputs, targets, weights)
    say_if_slow(nets[0], source.patterns)
    done: dict[int, Posterior] = {}
    with closing(Callbacks(callbacks)) as watching:

        def run(k: int) -> Posterior:
            done[k] = _fit(nets[k], source, epochs, patience, relevance, watching)
            if done[k].history.stopped == "interrupted":
                raise KeyboardInterrupt
            return done[k]

        runs = [partial(run, k) for k in range(len(nets))]
        try:
            with threadpool_limits(1, "blas"), progress_bar(len(runs), progress, "networks") as report:
                return at_once(runs, threads, done=lambda: report(0.0, None, 1.0))
        except KeyboardInterrupt:
            if not done:
                raise
            of_each = [done[k] for k in sorted(done)]
            interrupted = Interrupted(of_each[0].member.network, of_each[0].history)
            interrupted.members = tuple(one.member for one in of_each)
            raise interrupted from None


def settled(net: Network, inputs: Any, targets: Any, weights: Any = None) -> Member:
    """A network at a minimum of E, trained by whatever rule, with its noise and the covariance of its weights.

    Its penalty stands for the prior: λ S of the noise's 1/variance. The noise of an output is what is left of its sum
    of squares for each pattern that the weights have not used up.

    Parameters
    ----------
    net : Network
        With SSE as its objective.
    inputs, targets, weights
        Those it was trained on, as for :func:`bayesian`.
    """
    source = engines.source(net, inputs, targets, weights)
    curvature = Curvature(net, source)
    errors, _, H = curvature.equations(net.theta.astype(np.float64))
    diagonal, prior = np.diag_indices(net.n_parameters), net.l2 * source.total * net.penalized

    def root(each: FloatArray) -> FloatArray:
        """R for these 1/variances of the noise."""
        A = np.tensordot(each, H, 1)
        A[diagonal] += np.maximum(each.mean() * prior, LEAST)
        return root_of_inverse(A)

    R = root(np.ones(len(H)))
    noise = _noise(curvature.counts, np.array([((R @ one) * R).sum() for one in H]), errors)
    return Member(net, noise, np.ascontiguousarray(root(1 / noise)))


def _noise(counts: FloatArray, used: FloatArray, errors: FloatArray) -> FloatArray:
    """Variances: twice E over the patterns that are left, and a little, where weights have used up all there are."""
    left = np.maximum(counts - used, 0.0)
    return np.maximum((2 * errors + FAINT) / (left + FAINT), LEAST_NOISE)


def _require(nets: Sequence[Network], epochs: int, patience: int) -> None:
    """Refuse what cannot be trained so."""
    if not nets:
        raise ValueError("nets must hold one network or more; got none. Make some with starts.")
    for net in nets:
        if why := why_not(net) or ("a penalty of its own is in the way" if net.l2 else ""):
            raise ValueError(
                f"nets must be such that the evidence can decide their penalties; got one: {why}. Use Adam."
            )
        if any(getattr(net, name) != getattr(nets[0], name) for name in ("sizes", "f", "objective", "bias")):
            raise ValueError(f"nets must be of one architecture; got {nets[0]} and {net}. Train them apart.")
    for name, value in (("epochs", epochs), ("patience", patience)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number from 1 up; got {value!r}. Correct it.")


def _fit(net: Network, source: Source, epochs: int, patience: int, relevance: bool, callbacks: Callbacks) -> Posterior:
    """One network, as it was when its evidence was largest."""

    def tried(beta: float) -> tuple[_State, History]:
        state = _State(net, source, relevance, beta)
        return state, _attempt(state, source, epochs, patience, callbacks)

    state, history = tried(START_BETA)
    ended = history.epochs == epochs or history.stopped.startswith(SETTLED)
    if ended and state.noisy and (1 / state.beta > NOISY).any():
        other, of_other = tried(CERTAIN)
        if of_other.stopped == "interrupted":
            history.stopped = of_other.stopped
        elif other.log_evidence() > state.log_evidence():
            state, history = other, of_other
    diagonal, R = state.known().diagonal, np.ascontiguousarray(root_of_inverse(state.matrix))
    return Posterior(
        Member(net.replace(state.theta.copy()), 1 / state.beta if state.noisy else None, R),
        state.names,
        state.alpha,
        state.beta,
        float((1 - state.penalties * diagonal).sum()),
        state.log_evidence(),
        history,
    )


def _attempt(state: _State, source: Source, epochs: int, patience: int, callbacks: Callbacks) -> History:
    """Bring it to its largest evidence."""
    started, net = time.perf_counter(), state.curvature.net
    history = History(rule="bayesian", stopped="all epochs run")

    def view(epoch: int) -> Run:
        return Run(epoch, history, net.replace(state.theta), None, time.perf_counter() - started)

    try:
        history.stopped = _climb(state, history, epochs, patience, callbacks, view) or history.stopped
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    except _NotFinite:
        history.stopped = "diverged"
        raise diverged(net.replace(state.theta.copy()), history, history.epochs or 1, source, None) from None
    if state.kept is None:
        history.best_epoch = history.epochs
    else:
        theta, state.alpha, state.beta = state.kept
        state.move(theta)
    history.E, history.seconds = state.mean_error, time.perf_counter() - started
    return history


def _climb(
    state: _State, history: History, epochs: int, patience: int, callbacks: Callbacks, view: Callable[[int], Run]
) -> str:
    """Steps down F, α and β anew before each but the first few; why it ended before its epochs."""
    damping, best = Damping(), -np.inf
    for epoch in range(epochs + 1):
        if not state.finite:
            raise _NotFinite
        engines.go_on()
        if epoch >= min(STILL, epochs):
            known = state.known()
            evidence = state.log_evidence(known)
            if evidence > best or epoch == STILL:
                best, history.best_epoch, state.kept = evidence, epoch, (state.theta, state.alpha, state.beta)
            if epoch - history.best_epoch >= patience:
                return f"{SETTLED} for {patience} epochs"
            state.estimate(known)
        if epoch == epochs:
            break
        if stop := callbacks.before_epoch(view(epoch + 1)):
            return stop
        if not state.step(damping):
            damping.share = 1.0
        history.running.append(state.mean_error)
        if stop := callbacks.after_epoch(view(epoch + 1)):
            return stop
    return ""


class _NotFinite(ArithmeticError):
    """E or a derivative is not."""


class _Known(NamedTuple):
    """Of the inverse of A: its diagonal (parameters,); β tr(A⁻¹ H) of every noise level; and log det A."""

    diagonal: FloatArray
    used: FloatArray
    log_det: float


class _State:
    """A run as it stands: θ, penalties and noise, and E with its derivatives there.

    Where rows are few, J is kept, (outputs, patterns, parameters), else H, (levels, parameters, parameters).
    """

    def __init__(self, net: Network, source: Source, relevance: bool, beta: float = START_BETA) -> None:
        self.curvature = Curvature(net, source)
        self.names, self.group, self.alpha = _groups(net, relevance)
        self.counted = self.group >= 0
        self.sizes = np.bincount(self.group[self.counted], minlength=len(self.names))
        self.counts, self.noisy = self.curvature.counts, net.objective.name == "sse"
        self.beta = np.full(self.curvature.levels, beta if self.noisy else 1.0)
        self.kept: tuple[FloatArray, FloatArray, FloatArray] | None = None
        self.move(net.theta.astype(np.float64))

    def move(self, theta: FloatArray) -> None:
        """Be at this θ."""
        self.theta = theta
        theta.flags.writeable = False  # a callback sees it
        self.errors, self.g, self.parts = (
            self.curvature.by_rows(theta) if self.curvature.few else self.curvature.equations(theta)
        )

    @property
    def finite(self) -> bool:
        """Whether E and its derivatives are."""
        return bool(np.isfinite(self.errors).all() and np.isfinite(self.parts).all())

    @property
    def mean_error(self) -> float:
        """E without penalties."""
        return float(self.errors.sum() / self.curvature.source.total)

    @property
    def penalties(self) -> FloatArray:
        """α of each parameter."""
        return np.where(self.counted, self.alpha[self.group], LEAST)

    @property
    def rows(self) -> ByRows:
        """The Hessian of F by few rows."""
        each = np.sqrt(np.broadcast_to(self.beta, len(self.parts)))
        return ByRows((each[:, None, None] * self.parts).reshape(-1, self.parts.shape[-1]), self.penalties)

    @property
    def matrix(self) -> FloatArray:
        """The Hessian of F."""
        if self.curvature.few:
            J = self.rows.J
            A = J.T @ J
        else:
            A = np.asarray(np.tensordot(self.beta, self.parts, 1))
        A[np.diag_indices_from(A)] += self.penalties
        return A

    def known(self) -> _Known:
        """What is asked of A⁻¹."""
        if self.curvature.few:
            return self._known_by_rows()
        R = root_of_inverse(self.matrix)
        diagonal = (R**2).sum(axis=0)
        used = np.array([len(R) - float(self.penalties @ diagonal)])  # tr A⁻¹ (A - penalties)
        if len(self.beta) > 1:
            used = np.array([b * float(((R @ H) * R).sum()) for b, H in zip(self.beta, self.parts, strict=True)])
        return _Known(diagonal, used, -2 * float(np.log(np.diag(R)).sum()))

    def _known_by_rows(self) -> _Known:
        rows = self.rows
        R = root_of_inverse(rows.between())  # K⁻¹ = RᵀR, and A⁻¹ = D⁻¹ - D⁻¹ Jᵀ K⁻¹ J D⁻¹
        diagonal = 1 / rows.D - ((R @ rows.J) ** 2).sum(axis=0) / rows.D**2
        used = (1 - (R**2).sum(axis=0)).reshape(len(self.parts), -1).sum(axis=1)  # J A⁻¹ Jᵀ = I - K⁻¹
        log_det = float(np.log(rows.D).sum() - 2 * np.log(np.diag(R)).sum())
        return _Known(diagonal, used if len(self.beta) > 1 else used.sum(keepdims=True), log_det)

    def F(self, theta: FloatArray, errors: FloatArray) -> float:
        """Σ β E + ½ Σ α w²."""
        return float(self.beta @ errors + 0.5 * self.penalties @ theta**2)

    def log_evidence(self, known: _Known | None = None) -> float:
        """log p(targets | α, β), by Laplace's method."""
        log_det = (self.known() if known is None else known).log_det
        of_noise = self.counts @ np.log(self.beta / (2 * np.pi)) if self.noisy else 0.0
        of_prior = self.sizes @ np.log(self.alpha) + (~self.counted).sum() * np.log(LEAST)
        return float(-self.F(self.theta, self.errors) + 0.5 * (of_noise + of_prior - log_det))

    def step(self, damping: Damping) -> bool:
        """Take a step that lowers F; whether there was one."""
        A = self.rows if self.curvature.few else Dense(self.matrix)
        each = self.penalties

        def value(δ: FloatArray) -> tuple[float, FloatArray]:
            there = self.theta + δ
            return self.F(there, self.curvature.errors(there)), there

        scale = float((A.J**2).sum() if isinstance(A, ByRows) else np.trace(A.A) - each.sum()) / len(each)
        found = damping.step(self.F(self.theta, self.errors), self.beta @ self.g + each * self.theta, A, scale, value)
        if found is not None:
            self.move(found[1])
        return found is not None

    def estimate(self, known: _Known) -> None:
        """α and β anew: γ of a group over its Σ w², and what is left of S over Σ (t - y)²."""
        of_groups = self.group[self.counted]
        traces = np.bincount(of_groups, known.diagonal[self.counted], len(self.alpha))
        squares = np.bincount(of_groups, self.theta[self.counted] ** 2, len(self.alpha))
        decided = np.maximum(self.sizes - self.alpha * traces, 0.0)
        if self.noisy:
            noise = _noise(self.counts, known.used, self.errors)
            self.beta = np.clip(1 / noise, self.beta / CHANGE, self.beta * CHANGE)
        alpha = np.clip((decided + WEAK) / (squares + WEAK), LEAST, MOST)
        self.alpha = np.clip(alpha, self.alpha / CHANGE, self.alpha * CHANGE)


def _groups(net: Network, relevance: bool) -> tuple[tuple[str, ...], Array, FloatArray]:
    """Names of what shares a penalty; of each parameter the number of its group, -1 for none; their first penalties."""
    names: list[str] = []
    first: list[float] = []
    group = np.full(net.n_parameters, -1)
    for block in net.blocks:
        if block.letter == "w" and block.layer == 1 and relevance:
            group[block.part] = len(names) + np.tile(np.arange(block.shape[1]), block.shape[0])
            names += [f"w[1][:,{k}]" for k in range(block.shape[1])]
            first += [float(block.shape[1])] * block.shape[1]
        elif block.letter == "w" or block.layer < net.depth:
            group[block.part] = len(names)
            names.append(block.name)
            first.append(float(net.sizes[block.layer - 1]))
    return tuple(names), group, np.array(first)


def root_of_inverse(A: FloatArray) -> FloatArray:
    """R, lower triangular, with A⁻¹ = RᵀR."""
    jitter, scale = 0.0, float(np.trace(A)) / len(A)
    while True:
        shifted = A + jitter * scale * np.eye(len(A)) if jitter else A
        factor, info = lapack.dpotrf(shifted, lower=1, clean=1)
        if info == 0:
            return np.asarray(lapack.dtrtri(factor, lower=1, overwrite_c=1)[0])
        jitter = 100 * jitter or JITTER
