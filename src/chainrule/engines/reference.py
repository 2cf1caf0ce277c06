"""The page itself as an engine, on NumPy: every other engine is measured against it.

Follows the page function by function; nothing is added but the loop over the batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import backprop
from chainrule.engines import PIECE, Patterns, Source
from chainrule.network import Network, as_inputs
from chainrule.notation import FloatArray
from chainrule.objective import penalty_gradient


@dataclass
class State:
    """A network in training: its θ, what the rule remembers, and how many updates were made.

    ``factors`` of η, as long as θ, are None where every layer learns at the same rate.
    """

    net: Network
    source: Source
    rule: Any
    factors: FloatArray | None
    slots: tuple[FloatArray, ...]
    updates: int = 0


def why_not(net: Network, source: Any = None, rule: Any = None) -> str:
    """It can run all that the page can: nothing is in the way."""
    return ""


def prepare(net: Network, source: Source, rule: Any) -> State:
    """A state with a copy of the network."""
    slots = tuple(np.zeros_like(net.theta) for _ in range(rule.slots))
    return State(net.copy(), source, rule, rule.factors(net), slots)


def epoch(state: State, window: Patterns, order: Any, learning_rates: Any) -> float:
    """Forward, error terms, gradient, update, batch by batch; the window's part of the running E."""
    running = 0.0
    with np.errstate(all="ignore"):  # what overflows ends in an E that is not finite, and that is what is looked at
        for (inputs, t, s, total), learning_rate in zip(window.batches(order), learning_rates, strict=True):
            net, η = state.net, float(learning_rate)
            trace = backprop.forward(net, inputs)
            g = backprop.gradient(net, trace, backprop.error_terms(net, trace, t), s, total).theta
            running += float(backprop.error(net, trace, t, s, total)) * len(inputs) / window.patterns
            rates = η if state.factors is None else η * state.factors
            theta, slots = state.rule.step(net.theta, g, state.slots, rates, state.updates + 1)
            if not (np.isfinite(running) and all(np.isfinite(values).all() for values in (theta, *slots))):
                return np.nan
            state.net, state.slots, state.updates = net.replace(theta), slots, state.updates + 1
    return running


def value_and_gradient(state: State, theta: FloatArray) -> tuple[float, FloatArray]:
    """E of the whole source and its gradient at θ, a piece at a time."""
    with np.errstate(all="ignore"):
        net = state.net.replace(theta.astype(state.net.dtype))
        plain, total = net.without_penalty(), state.source.total
        E = float(net.penalty())
        g = penalty_gradient(net.theta, net.l1, net.l2) * net.penalized
        for inputs, t, s in state.source.pieces():
            trace = backprop.forward(plain, inputs)
            E += float(backprop.error(plain, trace, t, s, total))
            g = g + backprop.gradient(plain, trace, backprop.error_terms(plain, trace, t), s, total).theta
    return E, g


def place(state: State, theta: FloatArray) -> None:
    """Give the state this θ."""
    state.net = state.net.replace(np.array(theta, dtype=state.net.dtype))


def error(state: State, source: Source) -> float:
    """E of a whole source at the state's weights without the penalties, a piece at a time."""
    plain = state.net.without_penalty()
    with np.errstate(all="ignore"):
        return sum(
            float(backprop.error(plain, backprop.forward(plain, inputs), t, s, source.total))
            for inputs, t, s in source.pieces()
        )


def jacobian(state: State) -> FloatArray:
    """The derivative of every output by θ, (patterns, outputs, parameters)."""
    parts = [backprop.jacobian(state.net, backprop.forward(state.net, inputs)) for inputs, *_ in state.source.pieces()]
    return np.concatenate(parts)


def predict(net: Network, inputs: Any) -> FloatArray:
    """The outputs (patterns, outputs), a piece at a time."""
    inputs = as_inputs(net, inputs)
    pieces = range(0, max(len(inputs), 1), PIECE)
    return np.concatenate([backprop.forward(net, inputs[start : start + PIECE]).y[-1] for start in pieces])


def network(state: State) -> Network:
    """The network as it is now, with a θ of its own."""
    return state.net.copy()
