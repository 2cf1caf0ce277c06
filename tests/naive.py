"""The literal twin: the paper's sums as plain loops over plain numbers, one pattern at a time.

Nothing here is fast and nothing comes from Chainrule but a network's numbers: f, f', losses and sums are written once
more, with ``math`` alone. What the page computes with matrices must agree with what stands here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

NAN = math.nan


# --- f and f' --------------------------------------------------------------------------------------------------------


def sigmoid(x):
    """1/(1+e^-x), one step away from the textbook so that e^-x never overflows."""
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def Phi(x):
    """Share of the normal distribution below x."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def phi(x):
    """Density of the normal distribution."""
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


SELU, ALPHA = 1.0507009873554805, 1.6732632423543772

f = {
    "identity": lambda x: x,
    "logistic": sigmoid,
    "tanh": math.tanh,
    "relu": lambda x: x if x > 0 else 0.0,
    "leaky_relu": lambda x: x if x > 0 else x / 100,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: SELU * (x if x > 0 else ALPHA * math.expm1(x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "gelu": lambda x: x * Phi(x),
    "silu": lambda x: x * sigmoid(x),
    "sine": math.sin,
    "gaussian": lambda x: math.exp(-x * x),
    "exp": math.exp,
}

f_prime = {
    "identity": lambda x: 1.0,
    "logistic": lambda x: sigmoid(x) * sigmoid(-x),
    "tanh": lambda x: 1 / math.cosh(x) ** 2,
    "relu": lambda x: 1.0 if x > 0 else 0.0,
    "leaky_relu": lambda x: 1.0 if x > 0 else 0.01,
    "elu": lambda x: 1.0 if x > 0 else math.exp(x),
    "selu": lambda x: SELU * (1.0 if x > 0 else ALPHA * math.exp(x)),
    "softplus": sigmoid,
    "softsign": lambda x: 1 / (1 + abs(x)) ** 2,
    "gelu": lambda x: Phi(x) + x * phi(x),
    "silu": lambda x: sigmoid(x) + x * sigmoid(x) * sigmoid(-x),
    "sine": math.cos,
    "gaussian": lambda x: -2 * x * math.exp(-x * x),
    "exp": math.exp,
}


# --- the loss of one output and minus its slope by y -----------------------------------------------------------------

loss = {
    "sse": lambda t, y: (t - y) ** 2 / 2,
    "huber": lambda t, y: (t - y) ** 2 / 2 if abs(t - y) < 1 else abs(t - y) - 0.5,
    "absolute": lambda t, y: abs(t - y),
    "poisson": lambda t, y: y - t + (t * math.log(t / y) if t > 0 else 0.0),
    "cross_entropy": lambda t, y: -t * math.log(y) - (1 - t) * math.log(1 - y),
    "cross_entropy of softmax": lambda t, y: -t * math.log(y),
}

residual = {
    "sse": lambda t, y: t - y,
    "huber": lambda t, y: max(-1.0, min(1.0, t - y)),
    "absolute": lambda t, y: math.copysign(1.0, t - y) if t != y else 0.0,
    "poisson": lambda t, y: t / y - 1,
    "cross_entropy": lambda t, y: t / y - (1 - t) / (1 - y),
    "cross_entropy of softmax": lambda t, y: t / y,
}


# --- one pattern -----------------------------------------------------------------------------------------------------


class Net(NamedTuple):
    """A network as plain numbers: w[i][j][k], b[i][j] (None without biases), the names of f_i and of the loss."""

    L: int
    w: list
    b: list
    f: list
    loss: str
    l1: float
    l2: float
    penalize_bias: bool


def plain(net):
    """The numbers of a chainrule.Network."""
    names = [None, *(row.name for row in net.f[1:])]
    goal = net.objective.name
    goal = "cross_entropy of softmax" if (goal, names[-1]) == ("cross_entropy", "softmax") else goal
    w, b = ([None if a is None else a.tolist() for a in layers] for layers in (net.w, net.b))
    return Net(len(net.sizes) - 1, w, b, names, goal, net.l1, net.l2, net.penalize_bias)


def forward(net, y_0):
    """x_ij = sum_k w_ijk y_i-1,k + b_ij and y_ij = f_i(x_ij), for one pattern."""
    x, y = [None], [list(y_0)]
    for i in range(1, net.L + 1):
        x_i = []
        for j in range(len(net.w[i])):
            x_ij = 0.0
            for k in range(len(y[i - 1])):
                x_ij += net.w[i][j][k] * y[i - 1][k]
            if net.b[i] is not None:
                x_ij += net.b[i][j]
            x_i.append(x_ij)
        x.append(x_i)
        if net.f[i] == "softmax":
            y.append([math.exp(x_ij) / sum(math.exp(x_im) for x_im in x_i) for x_ij in x_i])
        else:
            y.append([f[net.f[i]](x_ij) for x_ij in x_i])
    return x, y


def slope(net, x, y, i, j, m):
    """dy_im/dx_ij: f'_i(x_ij) where m = j and 0 elsewhere, but for softmax, which mixes nodes."""
    if net.f[i] == "softmax":
        return y[i][m] * ((1.0 if m == j else 0.0) - y[i][j])
    return f_prime[net.f[i]](x[i][j]) if m == j else 0.0


def E_p(net, y_0, t):
    """Step 1 for one pattern: the sum over its outputs whose target is known."""
    _, y = forward(net, y_0)
    return sum(loss[net.loss](t[j], y[net.L][j]) for j in known(t))


def known(t) -> Iterator[int]:
    """The outputs whose target is not NaN."""
    return (j for j in range(len(t)) if not math.isnan(t[j]))


def output_error_term(net, x, y, t, j):
    """Step 20: e_Lj = (t_j - y_Lj) f'_L(x_Lj) for SSE; in general a sum over the outputs."""
    L = net.L
    return sum(residual[net.loss](t[m], y[L][m]) * slope(net, x, y, L, j, m) for m in known(t))


def step_19(net, x, y, t, i, j, k):
    """dE_p/dw_ijk as nested sums, nothing cached; k = None for the bias, the weight from a node whose output is 1.

    -sum_i (t_i - y_5i) f'_5(x_5i) sum_j w_5ij f'_4(x_4j) ... w_2l7 f'_1(x_17) y_03
    """

    def inner_sum(a, n):  # sum_m w_anm f'_a-1(x_a-1,m) (the next inner sum), until one node of layer i is left
        if a == i + 1:
            return net.w[a][n][j] * slope(net, x, y, i, j, j)
        return sum(net.w[a][n][m] * slope(net, x, y, a - 1, m, m) * inner_sum(a - 1, m) for m in range(len(y[a - 1])))

    fed_in = 1.0 if k is None else y[i - 1][k]
    if i == net.L:
        return -output_error_term(net, x, y, t, j) * fed_in
    return -sum(output_error_term(net, x, y, t, n) * inner_sum(net.L, n) for n in range(len(y[net.L]))) * fed_in


def step_16_of_inputs(net, x, y, t, k):
    """dE_p/dy_0k as nested sums: step 19's, over every node m of layer 1, and w_1mk in place of y_03."""
    one = range(len(y[1]))
    return sum(step_19(net, x, y, t, 1, m, None) * net.w[1][m][k] for m in one)


def error_terms(net, x, y, t):
    """Steps 20 to 24: e_Lj, then e_ik = sum_j e_i+1,j w_i+1,jk f'_i(x_ik), layer by layer."""
    e = [None] * (net.L + 1)
    e[net.L] = [output_error_term(net, x, y, t, j) for j in range(len(y[net.L]))]
    for i in range(net.L - 1, 0, -1):
        e[i] = []
        for k in range(len(y[i])):
            e_ik = 0.0
            for j in range(len(e[i + 1])):
                e_ik += e[i + 1][j] * net.w[i + 1][j][k]
            e[i].append(e_ik * slope(net, x, y, i, k, k))
    return e


def step_17_of_inputs(net, e):
    """dE_p/dy_0k = -sum_m e_1m w_1mk, for every input."""
    return [-sum(e[1][m] * net.w[1][m][k] for m in range(len(e[1]))) for k in range(len(net.w[1][0]))]


# --- many patterns ---------------------------------------------------------------------------------------------------


def shares(targets, weights, total):
    """s_p / total: the weight of each pattern, 0 for one without a known target, over their sum S unless given."""
    s = []
    for p, t in enumerate(targets):
        weight = 1.0 if weights is None else weights[p]
        s.append(weight if any(True for _ in known(t)) else 0.0)
    return [s_p / (sum(s) if total is None else total) for s_p in s]


def penalized(net) -> Iterator[tuple[str, int, int, int | None]]:
    """Letter and subscripts of every parameter that the penalties count."""
    for i in range(1, net.L + 1):
        for j in range(len(net.w[i])):
            yield from (("w", i, j, k) for k in range(len(net.w[i][j])))
            if net.penalize_bias and net.b[i] is not None:
                yield "b", i, j, None


def parameter(net, letter, i, j, k):
    """w_ijk or b_ij."""
    return net.w[i][j][k] if letter == "w" else net.b[i][j]


def E(net, inputs, targets, weights=None, total=None):
    """E = (1/S) sum_p s_p E_p + l1 sum |w| + 1/2 l2 sum w^2."""
    s = shares(targets, weights, total)
    of_patterns = sum(s[p] * E_p(net, inputs[p], targets[p]) for p in range(len(inputs)))
    w = [parameter(net, *place) for place in penalized(net)]
    return of_patterns + net.l1 * sum(abs(w_ijk) for w_ijk in w) + 0.5 * net.l2 * sum(w_ijk**2 for w_ijk in w)


class Derivatives(NamedTuple):
    """x, y, e per pattern, the gradient by w and b of all of them together, and each pattern's own by its inputs."""

    x: list
    y: list
    e: list
    w: list
    b: list
    inputs: list


def derivatives(net, inputs, targets, weights=None, total=None):
    """Everything the page computes, by steps 20 to 24 and 17 for each pattern, added up pattern by pattern."""
    s = shares(targets, weights, total)
    w = [None if a is None else [[0.0 for _ in row] for row in a] for a in net.w]
    b = [None if a is None else [0.0 for _ in a] for a in net.b]
    trace_x, trace_y, terms, by_inputs = [], [], [], []
    for p in range(len(inputs)):
        x, y = forward(net, inputs[p])
        e = error_terms(net, x, y, targets[p])
        for i in range(1, net.L + 1):
            for j in range(len(e[i])):
                for k in range(len(y[i - 1])):
                    w[i][j][k] += s[p] * (-e[i][j] * y[i - 1][k])
                if b[i] is not None:
                    b[i][j] += s[p] * -e[i][j]
        trace_x.append(x)
        trace_y.append(y)
        terms.append(e)
        by_inputs.append(step_17_of_inputs(net, e))
    for letter, i, j, k in penalized(net):
        value = parameter(net, letter, i, j, k)
        slope_of_size = (value > 0) - (value < 0)
        if letter == "w":
            w[i][j][k] += net.l1 * slope_of_size + net.l2 * value
        else:
            b[i][j] += net.l1 * slope_of_size + net.l2 * value
    return Derivatives(trace_x, trace_y, terms, w, b, by_inputs)
