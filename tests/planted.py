"""Back-propagation with an error planted in it: what people get wrong, each with the blocks that it spoils.

The right steps are written out here once more, apart from the page; a planted error replaces one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule import Network, backprop
from chainrule.network import Gradient

L = 3
"""Depth of every network here, whose layers all have 4 nodes, so that whatever is mixed up still fits."""

W, B = {"w[1]", "w[2]", "w[3]"}, {"b[1]", "b[2]", "b[3]"}
INPUTS = {"y[0]"}
BELOW_3 = {"w[1]", "b[1]", "w[2]", "b[2]"} | INPUTS
BELOW_2 = {"w[1]", "b[1]"} | INPUTS
EVERY = W | B | INPUTS


# --- settings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """A network and patterns in which an error can show."""

    net: Network
    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None
    total: float | None = None


def _setting(hidden: tuple[str, str], output: str, goal: str = "sse", seed: int = 1, **penalties: Any) -> Setting:
    random = np.random.default_rng(seed)
    net = Network([4] * (L + 1), [*hidden, output], goal, seed=seed, **penalties)
    net.theta += 0.3 * random.normal(size=net.n_parameters)
    inputs, targets = random.normal(size=(5, 4)), random.normal(0, 1.5, (5, 4))
    if goal == "poisson":
        targets = random.poisson(2.0, targets.shape).astype(float)
    if goal == "cross_entropy":
        targets = 0.8 * random.dirichlet(np.ones(4), 5)  # rows that do not add up to 1
    return Setting(net, inputs, targets)


def _missing(setting: Setting) -> Setting:
    targets = setting.targets.copy()
    targets[0, 1] = targets[3, 2] = np.nan
    targets[2] = np.nan
    return replace(setting, targets=targets)


_PLAIN = _setting(("sine", "tanh"), "logistic")
SETTINGS = {
    "plain": _PLAIN,
    "weights": replace(_PLAIN, weights=np.array([0.5, 2.0, 0.0, 1.0, 3.0])),
    "total": replace(_PLAIN, total=3.5),
    "missing": _missing(_PLAIN),
    "softmax": _setting(("sine", "tanh"), "softmax"),
    "softmax, cross-entropy": _setting(("sine", "tanh"), "softmax", "cross_entropy"),
    "logistic, cross-entropy": _setting(("sine", "tanh"), "logistic", "cross_entropy"),
    "relu": _setting(("relu", "tanh"), "identity"),
    "leaky_relu": _setting(("leaky_relu", "tanh"), "identity"),
    "gelu": _setting(("gelu", "tanh"), "identity"),
    "penalties": _setting(("sine", "tanh"), "identity", l1=0.03, l2=0.2),
    "huber": _setting(("sine", "tanh"), "identity", "huber"),
    "absolute": _setting(("sine", "tanh"), "identity", "absolute"),
    "poisson": _setting(("sine", "tanh"), "exp", "poisson"),
}


# --- the right steps -------------------------------------------------------------------------------------------------


def _shares(t: np.ndarray, s: np.ndarray | None, total: float | None) -> np.ndarray:
    known = (~np.isnan(t)).any(axis=1) * (1.0 if s is None else s)
    return known / (known.sum() if total is None else total)


def _residual(net: Network, t: np.ndarray, y: np.ndarray) -> np.ndarray:
    goal = net.objective.name
    if goal == "huber":
        return np.clip(t - y, -1, 1)
    if goal == "absolute":
        return np.sign(t - y)
    return t / y - 1 if goal == "poisson" else t - y


def _output(net: Network, x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """e_L."""
    known = ~np.isnan(t)
    t = np.where(known, t, 0)
    if net.objective.name == "cross_entropy":
        e = t - (y * t.sum(axis=1, keepdims=True) if net.f[L].vector else y)
        return np.where(known, e, 0)
    v = np.where(known, _residual(net, t, y), 0)
    if net.f[L].vector:
        return y * (v - (v * y).sum(axis=1, keepdims=True))
    return v * net.f_prime[L](x)


def _by_weight(net: Network, i: int, e: np.ndarray, y: list[np.ndarray]) -> np.ndarray:
    return -e.T @ y[i - 1]


def _by_bias(net: Network, i: int, e: np.ndarray, y: list[np.ndarray]) -> np.ndarray:
    return -e.sum(axis=0)


@dataclass(frozen=True)
class Steps:
    """Back-propagation in parts; e comes to by_weight and by_bias with the patterns' shares in it."""

    output: Callable[..., np.ndarray] = _output
    prime: Callable[..., np.ndarray] = lambda net, i, x, y: net.f_prime[i](x[i])
    carry: Callable[..., np.ndarray] = lambda net, i, e, y: e[i + 1] @ net.w[i + 1]
    shares: Callable[..., np.ndarray] = _shares
    by_weight: Callable[..., np.ndarray] = _by_weight
    by_bias: Callable[..., np.ndarray] = _by_bias
    penalty: Callable[..., np.ndarray] = lambda net, i, total: net.l1 * np.sign(net.w[i]) + net.l2 * net.w[i]
    bias_penalty: Callable[..., float] = lambda net, i: 0.0
    by_input: Callable[..., np.ndarray] = lambda net, e: -e[1] @ net.w[1]

    def _error_terms(self, net: Network, inputs: np.ndarray, t: np.ndarray) -> tuple[list[Any], list[Any]]:
        x: list[Any] = [None]
        y: list[Any] = [inputs]
        for i in range(1, L + 1):
            x.append(y[i - 1] @ net.w[i].T + net.b[i])
            y.append(net.f[i](x[i]))
        e: list[Any] = [None] * L + [self.output(net, x[L], y[L], t)]
        for i in (2, 1):
            e[i] = self.carry(net, i, e, y) * self.prime(net, i, x, y)
        return y, e

    def gradient(self, net: Network, inputs: np.ndarray, t: np.ndarray, s: Any, total: float | None) -> Gradient:
        """As check() takes it."""
        y, e = self._error_terms(net, inputs, t)
        share = self.shares(t, s, total)[:, None]
        layers = range(1, L + 1)
        w = [self.by_weight(net, i, share * e[i], y) + self.penalty(net, i, total or len(t)) for i in layers]
        b = [self.by_bias(net, i, share * e[i], y) + self.bias_penalty(net, i) for i in layers]
        return Gradient((None, *w), (None, *b))

    def input_gradient(self, net: Network, inputs: np.ndarray, t: np.ndarray) -> np.ndarray:
        """As check() takes it."""
        return self.by_input(net, self._error_terms(net, inputs, t)[1])


RIGHT = Steps()


# --- the errors ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """An error: what check() is handed, where it shows, and the blocks it spoils."""

    name: str
    spoils: set[str]
    setting: str = "plain"
    given: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _in(name: str, spoils: set[str], setting: str = "plain", **wrong: Callable[..., Any]) -> Planted:
    """An error in one step."""
    steps = replace(RIGHT, **wrong)
    return Planted(name, spoils, setting, {"gradient": steps.gradient, "input_gradient": steps.input_gradient})


def _after(name: str, spoils: set[str], change: Callable[[Gradient], Any], setting: str = "plain") -> Planted:
    """An error in what is done with the finished gradient; change writes into it."""

    def gradient(*given: Any) -> Gradient:
        g = RIGHT.gradient(*given)
        change(g)
        return g

    return Planted(name, spoils, setting, {"gradient": gradient})


def _reported(name: str, error: Callable[..., Any], setting: str = "plain", spoils: set[str] = W | B) -> Planted:
    """An E reported that is not the one differentiated: derivatives by weights and biases are wrong beside it."""
    return Planted(name, spoils, setting, {"error": error})


def _prime(layer: int, wrong: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda net, i, x, y: wrong(x[i], y[i]) if i == layer else net.f_prime[i](x[i])


def _output_times(factor: Callable[[np.ndarray], Any]) -> Callable[..., np.ndarray]:
    return lambda net, x, y, t: _output(net, x, y, t) * factor(y)


def _output_prime(prime: Callable[[np.ndarray], Any]) -> Callable[..., np.ndarray]:
    return lambda net, x, y, t: _residual(net, t, y) * prime(y)


def _updated_first(net: Network, i: int, e: list[np.ndarray], y: list[np.ndarray]) -> np.ndarray:
    return e[i + 1] @ (net.w[i + 1] + 0.1 * e[i + 1].T @ y[i])


def _gelu_by_tanh(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    c = np.sqrt(2 / np.pi)
    u = np.tanh(c * (x + 0.044715 * x**3))
    return 0.5 * (1 + u) + 0.5 * x * (1 - u * u) * c * (1 + 3 * 0.044715 * x * x)


def _in_float32(net: Network, *given: Any) -> Gradient:
    return RIGHT.gradient(net.astype("float32").astype("float64"), *given)


def _on_old_weights(net: Network, *given: Any) -> Gradient:
    return RIGHT.gradient(net.replace(0.99 * net.theta), *given)


def _y0_of_other_patterns(net: Network, i: int, e: np.ndarray, y: list[np.ndarray]) -> np.ndarray:
    return -e.T @ (np.roll(y[0], 1, axis=0) if i == 1 else y[i - 1])


def _without_last_pattern(net: Network, inputs: Any, t: Any, s: Any, total: Any) -> Gradient:
    return RIGHT.gradient(net, inputs[:-1], t[:-1], s, total)


def _E(net: Network, inputs: np.ndarray, t: np.ndarray, s: Any, total: Any) -> Any:
    return backprop.error(net, backprop.forward(net, inputs), t, s, total)


def _negate(a: np.ndarray) -> None:
    a *= -1


PLANTED = (
    # the output error term, step 20
    _in("sign of the error terms", EVERY, output=_output_times(lambda y: -1)),
    _in("f' missing at the output", EVERY, output=_output_prime(lambda y: 1)),
    _in("1 - y^2 for the logistic output", EVERY, output=_output_prime(lambda y: 1 - y * y)),
    _in("f' of the output at y in place of x", EVERY, output=lambda net, x, y, t: (t - y) * net.f_prime[L](y)),
    _in("mean for sum over the outputs", EVERY, output=_output_times(lambda y: 1 / 4)),
    _in("half forgotten, so twice the residual", EVERY, output=_output_times(lambda y: 2)),
    _in(
        "missing targets count as 0", EVERY, "missing", output=lambda net, x, y, t: _output(net, x, y, np.nan_to_num(t))
    ),
    _in("softmax taken node by node", EVERY, "softmax", output=lambda net, x, y, t: (t - y) * y * (1 - y)),
    _in(
        "y(1 - y) on top of cross-entropy",
        EVERY,
        "logistic, cross-entropy",
        output=_output_times(lambda y: y * (1 - y)),
    ),
    _in("softmax's y(1 - y) on top", EVERY, "softmax, cross-entropy", output=_output_times(lambda y: y * (1 - y))),
    _in("t - y where targets add up to 0.8", EVERY, "softmax, cross-entropy", output=lambda net, x, y, t: t - y),
    _in("residual of Huber not clipped", EVERY, "huber", output=lambda net, x, y, t: t - y),
    _in("sign of the absolute residual lost", EVERY, "absolute", output=lambda net, x, y, t: np.ones_like(t)),
    _in("residual of Poisson is t/y - 1 by net value", EVERY, "poisson", output=lambda net, x, y, t: t / y - 1),
    _in("residual of Poisson upside down", EVERY, "poisson", output=lambda net, x, y, t: (1 - y / (t + 1)) * y),
    # the hidden error terms, step 21
    _in("f' missing at layer 2", BELOW_3, prime=_prime(2, lambda x, y: np.ones_like(x))),
    _in("f' missing at layer 1", BELOW_2, prime=_prime(1, lambda x, y: np.ones_like(x))),
    _in("f' at y in place of x", BELOW_3, prime=lambda net, i, x, y: net.f_prime[i](y[i])),
    _in("f' of the layer above", BELOW_3, prime=lambda net, i, x, y: net.f_prime[i + 1](x[i])),
    _in("f' of the layer below", BELOW_3, prime=lambda net, i, x, y: net.f_prime[max(i - 1, 1)](x[i])),
    _in("y(1 - y) for tanh", BELOW_3, prime=_prime(2, lambda x, y: y * (1 - y))),
    _in("1 - y for tanh", BELOW_3, prime=_prime(2, lambda x, y: 1 - y)),
    _in("relu' of the other side", BELOW_2, "relu", prime=_prime(1, lambda x, y: (x < 0) * 1.0)),
    _in("relu' everywhere 1", BELOW_2, "relu", prime=_prime(1, lambda x, y: np.ones_like(x))),
    _in("slope of leaky_relu forgotten", BELOW_2, "leaky_relu", prime=_prime(1, lambda x, y: (x > 0) * 1.0)),
    _in("gelu' of the approximation by tanh", BELOW_2, "gelu", prime=_prime(1, _gelu_by_tanh)),
    _in("w transposed on the way back", BELOW_3, carry=lambda net, i, e, y: e[i + 1] @ net.w[i + 1].T),
    _in("w[i] in place of w[i+1]", BELOW_3, carry=lambda net, i, e, y: e[i + 1] @ net.w[i]),
    _in("sum over the nodes above missing", BELOW_3, carry=lambda net, i, e, y: e[i + 1][:, :1] * net.w[i + 1][:1]),
    _in("mean over the nodes above", BELOW_3, carry=lambda net, i, e, y: e[i + 1] @ net.w[i + 1] / 4),
    _in("updated before use", BELOW_3, carry=_updated_first),
    _in("bias above added on the way back", BELOW_3, carry=lambda net, i, e, y: e[i + 1] @ net.w[i + 1] + net.b[i + 1]),
    # the gradient, step 24
    _in("y[i] for y[i-1]", W, by_weight=lambda net, i, e, y: -e.T @ y[i]),
    _in("w's gradient transposed", W, by_weight=lambda net, i, e, y: -(e.T @ y[i - 1]).T),
    _in("inputs of other patterns", {"w[1]"}, by_weight=_y0_of_other_patterns),
    _in("bias forgotten", B, by_bias=lambda net, i, e, y: np.zeros(4)),
    _in("bias gets y", B, by_bias=lambda net, i, e, y: -(e * y[i - 1]).sum(axis=0)),
    _in("bias divided by the nodes", B, by_bias=lambda net, i, e, y: -e.mean(axis=1).sum() * np.ones(4)),
    _after("sign of one block", {"w[2]"}, lambda g: _negate(g.w[2])),
    _after("sign of one block of biases", {"b[3]"}, lambda g: _negate(g.b[3])),
    _after("two rows swapped", {"w[2]"}, lambda g: np.copyto(g.w[2], g.w[2][[1, 0, 2, 3]])),
    _after("one entry off by a thousandth", {"w[2]"}, lambda g: np.multiply.at(g.w[2], (1, 3), 1.001)),
    # shares of patterns
    _in("sum for mean over the patterns", W | B, shares=lambda t, s, total: np.ones(5)),
    _in("weights of patterns ignored", W | B, "weights", shares=lambda t, s, total: _shares(t, None, total)),
    _in("weights of patterns applied twice", W | B, "weights", shares=lambda t, s, total: s * _shares(t, s, total)),
    _in("number of patterns for the sum of weights", W | B, "weights", shares=lambda t, s, total: s / 5),
    _in("total ignored", W | B, "total", shares=lambda t, s, total: _shares(t, s, None)),
    _in("patterns without targets counted in S", W | B, "missing", shares=lambda t, s, total: np.ones(5) / 5),
    Planted("last pattern left out", W | B, "plain", {"gradient": _without_last_pattern}),
    # penalties
    _in("L2 without its half", W, "penalties", penalty=lambda net, i, n: RIGHT.penalty(net, i, n) + net.l2 * net.w[i]),
    _in("L2 forgotten", W, "penalties", penalty=lambda net, i, n: net.l1 * np.sign(net.w[i])),
    _in("sign of L1 lost", W, "penalties", penalty=lambda net, i, n: net.l1 + net.l2 * net.w[i]),
    _in("L1 forgotten", W, "penalties", penalty=lambda net, i, n: net.l2 * net.w[i]),
    _in("penalties divided by the patterns", W, "penalties", penalty=lambda net, i, n: RIGHT.penalty(net, i, n) / n),
    _in("L2 on the biases too", B, "penalties", bias_penalty=lambda net, i: net.l2 * net.b[i]),
    # the input gradient, step 17
    _in("w of the last layer for the inputs", INPUTS, by_input=lambda net, e: -e[1] @ net.w[L]),
    _in("error terms of the last layer for the inputs", INPUTS, by_input=lambda net, e: -e[L] @ net.w[1]),
    _in("minus of the inputs missing", INPUTS, by_input=lambda net, e: e[1] @ net.w[1]),
    _in("mean over the patterns for the inputs", INPUTS, by_input=lambda net, e: -e[1] @ net.w[1] / 5),
    _in("w transposed for the inputs", INPUTS, by_input=lambda net, e: -e[1] @ net.w[1].T),
    # a trace that is not of this network
    Planted("float32 on the way", W | B, "plain", {"gradient": _in_float32}),
    Planted("trace of the weights before", W | B, "plain", {"gradient": _on_old_weights}),
    # the E that is reported
    _reported("E over the number of outputs, scikit-learn#8349", lambda *given: _E(*given) / 4),
    _reported("E without its half", lambda *given: _E(*given) * 2),
    _reported("E a sum over patterns", lambda net, i, t, s, total: _E(net, i, t, s, 1.0)),
    _reported("E without the weights of patterns", lambda net, i, t, s, total: _E(net, i, t, None, total), "weights"),
    _reported("E without its penalties", lambda net, *given: _E(net.without_penalty(), *given), "penalties", W),
)
