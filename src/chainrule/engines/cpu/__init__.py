"""The page, compiled for the processor: the fastest engine for dense networks on one machine.

Follows the page function by function in :mod:`chainrule.engines.cpu.loop`; this module prepares the memory, and hands
the loop a job: a table of sizes and addresses. Rows of activations, objectives and rules are compiled from their one
definition. Letters: :mod:`chainrule.notation`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule import backprop
from chainrule.activations import ACTIVATIONS
from chainrule.engines import Patterns, Source, go_on, threads
from chainrule.engines.cpu import jobs, pool, rows
from chainrule.engines.cpu.compiled import loaded
from chainrule.engines.cpu.layout import ACTIVATION, UNIT, Memory, aligned, block_of
from chainrule.network import Network, as_inputs, as_targets
from chainrule.notation import FloatArray
from chainrule.objective import OBJECTIVES, penalty_gradient
from chainrule.sparse import Centred, is_sparse

PIECE = 1024
"""Rows taken at once where no batch says how many …"""

LONG = 4e9
"""… or fewer, if they are more multiplications than these, which take a tenth of a second or two."""

TURN = 0.05
"""Seconds that the loop runs before Python may look for Ctrl-C; a batch that takes longer is finished first."""

STRETCH = 0.5
"""Seconds after which the weights are looked at and remembered, to come back to should the next not be finite."""


@dataclass
class State:
    """A network in training: its numbers in memory, and the functions that its loop calls."""

    net: Network
    source: Source
    rule: Any
    memory: Memory
    output: rows.Kernel
    step: rows.Step | None
    kept: list[Any]
    slots: FloatArray
    spare: tuple[FloatArray, FloatArray]
    factors: FloatArray | None
    pace: pool.Pace
    updates: int = 0
    seconds: float = 0.0
    prepared: dict[int, Any] = field(default_factory=dict)
    run: _Run | None = None
    lock: pool.Lock = field(default_factory=pool.Lock)


def why_not(net: Network, source: Any = None, rule: Any = None) -> str:
    """Why it cannot run this network on such inputs by such a rule; empty if it can."""
    if not isinstance(net.theta, np.ndarray) or net.dtype not in (np.dtype("float32"), np.dtype("float64")):
        return "its θ is no NumPy array of floats"
    for row in (*net.f[1:], net.objective):
        if not row.portable:
            return f"{row.name!r} is not written with the primitives"
    inputs = getattr(source, "inputs", source)
    if is_sparse(inputs):
        return "its inputs are sparse"
    try:
        return _why_not_own(net, rule)
    except rows.Unwritable as error:
        return f"{error} is not written with the primitives alone"


def _why_not_own(net: Network, rule: Any) -> str:
    """What is in the way in rows of the user's own, each compiled to see whether it can be."""
    for row in net.f[1 : net.depth]:
        if ACTIVATIONS.get(row.name) is not row:
            rows.activation(row, net.dtype, True)
            with np.errstate(all="ignore"):  # rows of y are filled up with zeros
                if not np.isfinite(row.f_prime(np.zeros(1, net.dtype))).all():
                    return f"the slope of {row.name!r} at 0 is not finite"
    if ACTIVATIONS.get(net.f[-1].name) is not net.f[-1] or OBJECTIVES.get(net.objective.name) is not net.objective:
        rows.output(net.f[-1], net.objective, net.dtype)
    if rule is not None and not rule.whole:
        rows.step(rule, net.dtype, False)
    return ""


def prepare(net: Network, source: Source, rule: Any) -> State:
    """A state with a copy of the network."""
    count = pool.threads_for(_multiplications(net) * source.batch_size, -(-source.batch_size // UNIT))
    memory = Memory(net, max(source.batch_size, min(_piece(net), source.patterns)), threads=count)
    kept = [rows.activation(net.f[i], net.dtype, True) for i in range(1, net.depth)]
    memory.table[1 : net.depth, ACTIVATION] = [one.address for one in kept]
    output = rows.output(net.f[net.depth], net.objective, net.dtype)
    factors = rule.factors(net)
    own = rule.formula.__module__ != "chainrule.training.descent"
    plain = rule.name == "gradient_descent" and not own and factors is None and rule.clip is None
    if factors is None and not rows.still(rule):
        factors = np.ones(net.n_parameters, net.dtype)  # and 0 between the rows, where the rule must not go
    spread = None if factors is None else memory.spread(factors)
    step = None if plain or rule.whole else rows.step(rule, net.dtype, factors is not None)
    memory.place(net.theta)
    slots = aligned(memory.length * rule.slots, net.dtype)
    spare = np.empty_like(memory.theta), np.empty_like(slots)
    return State(net.copy(), source, rule, memory, output, step, kept, slots, spare, spread, pool.Pace(count))


def _piece(net: Network) -> int:
    """Rows taken at once where no batch says how many: a number that depends on nothing but the sizes."""
    return min(PIECE, max(1, int(LONG / _multiplications(net) / UNIT)) * UNIT)


def _multiplications(net: Network) -> float:
    """Of a pattern, forward, back and for the gradient."""
    return 3.0 * sum(below * nodes for below, nodes in pairwise(net.sizes))


def epoch(state: State, window: Patterns, order: Any, learning_rates: Any) -> float:
    """One pass over a window in this order; its part of the running E."""
    with state.lock.mutex:
        run = state.run
        if run is None or run.given is not window:
            run = _Run(state, window)
            state.run = run if window is state.source and run.shared else None
        run.begin(state, order, learning_rates)
        return _epoch(state, run, len(learning_rates))


def _epoch(state: State, run: _Run, batches: int) -> float:
    done = 0
    while done < batches:
        run.remember(state)
        start, began, finite = done, time.perf_counter(), True
        while finite and done < batches and time.perf_counter() - began < STRETCH:
            go_on()
            last = min(batches, done + run.batches_in(state, TURN))
            count, started = state.pace.count(), time.perf_counter()
            finite = run.run(state, done, last, count) == last
            state.seconds = (time.perf_counter() - started) / (last - done)
            state.pace.took(count, state.seconds)
            done = last
        if not finite or not run.finite(state):
            run.restore(state)
            state.updates += _last_finite(state, run, start, done) - start
            return float("nan")
        state.updates += done - start
    return float(run.reals[jobs.RUNNING])


def _last_finite(state: State, run: _Run, first: int, last: int) -> int:
    """Run the batches again up to the first whose E or whose update is not finite; its number."""
    step = last - first
    while step:
        go_on()
        run.remember(state)
        end = min(last, first + step)
        if run.run(state, first, end) == end and run.finite(state):
            first = end
        else:
            run.restore(state)
            step //= 2
    return first


class _Run:
    """The loop over the batches of a window, prepared once where that is all there is; its state may keep it."""

    def __init__(self, state: State, window: Patterns) -> None:
        net, memory = state.net, state.memory
        self.given, self.loop = window, loaded("epoch", net.dtype)
        self.arrays = _window(net, window.inputs, window.targets, window.weights)
        given = zip(self.arrays, (window.inputs, window.targets, window.weights), strict=True)
        self.shared = all(isinstance(one, np.ndarray) and np.may_share_memory(mine, one) for mine, one in given)
        self.every_row = np.arange(len(self.arrays[0]), dtype=np.int64)
        self.job, self.reals, self.window = jobs.tables(memory, self.arrays, state.output.address)
        self.job[[jobs.BATCH_SIZE, jobs.ALL_PATTERNS, jobs.LENGTH]] = window.batch_size, window.patterns, memory.length
        self.job[[jobs.THETA, jobs.G]] = memory.theta.ctypes.data, memory.g.ctypes.data
        self.job[[jobs.SLOTS, jobs.BIASES]] = state.slots.ctypes.data, net.penalize_bias
        self.job[jobs.FACTORS] = 0 if state.factors is None else state.factors.ctypes.data
        self.reals[: jobs.RUNNING] = window.total, net.l1, net.l2, state.rule.clip or 0.0
        self.call, self.left = self.loop.prepared(self.job, self.reals)

    def begin(self, state: State, order: Any, learning_rates: Any) -> None:
        """An epoch in this order, with these learning rates."""
        batch_size = self.given.batch_size
        self.order = self.every_row[order]  # which refuses rows that are not there
        with np.errstate(all="ignore"):
            self.rates = np.ascontiguousarray(learning_rates, dtype=state.net.dtype)
        if batch_size > state.memory.rows or -(-len(self.order) // batch_size) != len(self.rates):
            raise ValueError(
                f"windows must have the batch_size of their source and a learning rate a batch; got {len(self.order)} "
                f"rows in batches of {batch_size} and {len(self.rates)} rates. Correct the source."
            )
        self.window[jobs.ORDER], self.job[jobs.RATES] = self.order.ctypes.data, self.rates.ctypes.data
        self.job[jobs.PATTERNS], self.reals[jobs.RUNNING] = len(self.order), 0.0
        if state.step is not None:
            n = np.arange(state.updates + 1, state.updates + 1 + len(self.rates))
            self.numbers = state.step.values(n, state.net.dtype)
            self.job[jobs.STEP], self.job[jobs.NUMBERS] = state.step.kernel.address, self.numbers.ctypes.data
            self.job[jobs.OF_NUMBERS] = self.numbers.strides[0]

    def batches_in(self, state: State, seconds: float) -> int:
        """How many batches to run before Python takes its turn."""
        return max(1, int(seconds / state.seconds)) if state.seconds else 1

    def run(self, state: State, first: int, last: int, count: int = 1) -> int:
        self.job[jobs.FIRST], self.job[jobs.LAST] = first, last
        if count == 1:  # as pool.run would, but in 1.5 µs instead of 4
            self.job[jobs.THREADS] = 1
            self.call()
            return int(self.left.value)
        return pool.run(self.loop, self.job, self.reals, count, (self, state))

    def remember(self, state: State) -> None:
        """Keep the weights, the rule's memory and E for :meth:`restore`, in the place of those kept before."""
        state.spare[0][:], state.spare[1][:] = state.memory.theta, state.slots
        self.kept_E = float(self.reals[jobs.RUNNING])

    def restore(self, state: State) -> None:
        """Take back what was kept."""
        state.memory.theta[:], state.slots[:] = state.spare
        self.reals[jobs.RUNNING] = self.kept_E

    def finite(self, state: State) -> bool:
        """Whether all weights and all that the rule remembers are."""
        return bool(np.isfinite(state.memory.theta).all() and np.isfinite(state.slots).all())


def _window(net: Network, inputs: Any, targets: Any, weights: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What the loop reads by address, so that its shapes and types must be as the network says."""
    y_0 = as_inputs(net, inputs.toarray() if isinstance(inputs, Centred) else inputs)
    t, s = as_targets(net, targets, len(y_0)), np.ascontiguousarray(weights, dtype=net.dtype)
    if s.shape != (len(y_0),):
        raise ValueError(f"weights must have shape ({len(y_0)},); got {s.shape}. Pass one weight a pattern.")
    return np.ascontiguousarray(y_0), np.ascontiguousarray(t), s


class _Whole:
    """The loop over all rows of a source, prepared once where they are in memory."""

    def __init__(self, state: State, inputs: Any, targets: Any, weights: Any, total: float) -> None:
        net, memory = state.net, state.memory
        self.loop, self.pace = loaded("whole", net.dtype), pool.Pace(state.pace.most)
        self.arrays = _window(net, inputs, targets, weights)
        self.rows, self.seconds = min(_piece(net), memory.rows), 0.0
        self.job, self.reals, self.window = jobs.tables(memory, self.arrays, state.output.address)
        self.job[jobs.BATCH_SIZE], self.reals[jobs.TOTAL] = self.rows, total

    def __call__(self, state: State, with_gradient: bool) -> float:
        """E without the penalties; its gradient is added to memory.g if it is asked for."""
        self.job[jobs.WITH_GRADIENT], self.reals[jobs.RUNNING] = with_gradient, 0.0
        done, patterns = 0, len(self.arrays[0])
        while done < patterns:
            go_on()
            batches = max(1, int(TURN / self.seconds)) if self.seconds else 1
            last = min(patterns, done + batches * self.rows)
            self.job[jobs.FIRST], self.job[jobs.LAST] = done, last
            count, started = self.pace.count(), time.perf_counter()
            pool.run(self.loop, self.job, self.reals, count, (self, state))
            self.seconds = (time.perf_counter() - started) / -(-(last - done) // self.rows)
            self.pace.took(count, self.seconds)
            done = last
        return float(self.reals[jobs.RUNNING])


def _whole(state: State, source: Source, with_gradient: bool) -> float:
    if not isinstance(source, Patterns) or isinstance(source.inputs, Centred):
        return sum(_Whole(state, *piece, source.total)(state, with_gradient) for piece in source.pieces())
    if id(source) not in state.prepared:  # the source is kept with it, so that its id stays its own
        loop = _Whole(state, source.inputs, source.targets, source.weights, source.total)
        state.prepared = {**dict([*state.prepared.items()][-1:]), id(source): (source, loop)}
    return float(state.prepared[id(source)][1](state, with_gradient))


def value_and_gradient(state: State, theta: FloatArray) -> tuple[float, FloatArray]:
    """E of the whole source and its gradient at θ."""
    with np.errstate(all="ignore"):
        net, memory = state.net.replace(theta.astype(state.net.dtype)), state.memory
        with state.lock.mutex:
            kept = memory.theta.copy()
            try:
                memory.place(net.theta)
                memory.g[:] = 0
                E, g = _whole(state, state.source, True), memory.gathered(memory.g)
            finally:
                memory.theta[:] = kept
        if net.l1 or net.l2:
            E += float(net.penalty())
            g = g + penalty_gradient(net.theta, net.l1, net.l2) * net.penalized
        return E, g


def place(state: State, theta: FloatArray) -> None:
    """Give the state this θ."""
    with state.lock.mutex:
        with np.errstate(all="ignore"):
            state.net = state.net.replace(np.array(theta, dtype=state.net.dtype))
        state.memory.place(state.net.theta)


def error(state: State, source: Source) -> float:
    """E of a whole source at the state's weights without the penalties."""
    with state.lock.mutex:
        return _whole(state, source, False)


def jacobian(state: State) -> FloatArray:
    """The derivative of every output by θ, (patterns, outputs, parameters)."""
    net = network(state)
    parts = [backprop.jacobian(net, backprop.forward(net, inputs)) for inputs, *_ in state.source.pieces()]
    return np.concatenate(parts)


def predict(net: Network, inputs: Any) -> FloatArray:
    """The outputs (patterns, outputs)."""
    return Predictor(net).batch(as_inputs(net, inputs))


class Predictor:
    """A network as a function that is fast for one pattern too: its weights are laid out once, when it is made.

    Call it with one pattern, (inputs,), or many, (patterns, inputs); it gives (outputs,) or (patterns, outputs). It
    does not follow later changes of the network. Calls from several threads wait for one another.
    """

    def __init__(self, net: Network) -> None:
        self.net = net
        self._memory = Memory(net, block_of(net) * threads(), training=False, threads=threads())
        self._memory.place(net.theta)
        self._kept: list[Any] = [rows.activation(net.f[i], net.dtype, False) for i in range(1, net.depth)]
        self._memory.table[1 : net.depth, ACTIVATION] = [one.address for one in self._kept]
        output = net.f[net.depth]
        self._last = rows.softmax(net.dtype) if output.vector else rows.activation(output, net.dtype, False)
        self._loop = loaded("outputs", net.dtype)
        self._lock = pool.Lock()
        self._one, self._found = np.zeros(net.sizes[0], net.dtype), np.zeros(net.sizes[-1], net.dtype)
        job, self._one_job = self._job(self._one[None], self._found[None])
        self._prepared, _ = self._loop.prepared(job, np.zeros(8))

    def _job(self, inputs: FloatArray, outputs: FloatArray) -> tuple[Any, Any]:
        """What the loop is told, and what must be kept while it runs."""
        job, _, window = jobs.tables(self._memory, (inputs, outputs), self._last.address)
        job[jobs.PATTERNS], job[jobs.SOFTMAX] = len(inputs), self.net.f[-1].vector
        return job, (self, window, inputs, outputs)

    def __call__(self, inputs: Any) -> FloatArray:
        """The outputs of one pattern or of many."""
        inputs = np.asarray(inputs)
        if inputs.shape == self._one.shape:
            with self._lock.mutex:
                self._one[:] = inputs
                self._prepared()
                return self._found.copy()
        return self.batch(as_inputs(self.net, inputs))

    def batch(self, inputs: Any) -> FloatArray:
        """The outputs (patterns, outputs) of checked inputs."""
        inputs = np.ascontiguousarray(inputs, dtype=self.net.dtype)
        found = np.empty((len(inputs), self.net.sizes[-1]), self.net.dtype)
        rows, multiplications = _piece(self.net) * threads(), _multiplications(self.net) / 3
        block = block_of(self.net)
        for start in range(0, len(inputs), rows):  # so that Python may look for Ctrl-C
            go_on()
            one, to = inputs[start : start + rows], found[start : start + rows]
            count = pool.threads_for(multiplications * len(one), min(-(-len(one) // block), self._memory.rows // block))
            job, kept = self._job(one, to)
            with self._lock.mutex:
                pool.run(self._loop, job, np.zeros(8), count, kept)
        return found


def network(state: State) -> Network:
    """The network as it is now, with a θ of its own."""
    return state.net.replace(state.memory.gathered(state.memory.theta))
