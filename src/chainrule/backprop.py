"""The page: from the inputs to the gradient, in the order of the derivation.

Steps 4 to 8 forward, 20 to 24 backward, 19 and 24 by a weight, 17 by an input. The same lines run on NumPy, on JAX
under ``jit``, and on the complex numbers of the oracles; none assigns in place. Letters: :mod:`chainrule.notation`.
"""

from __future__ import annotations

from typing import Any

from chainrule.network import ErrorTerms, Gradient, Network, Trace, as_inputs, as_targets, shares
from chainrule.notation import Array
from chainrule.objective import known_patterns, penalty_gradient


def forward(net: Network, inputs: Array) -> Trace:
    """Feed the patterns forward, layer by layer (the definitions; steps 4 and 6 put them in).

    x[i][p, j] = sum_k w[i][j, k] * y[i-1][p, k] + b[i][j]
    y[i][p, j] = f[i](x[i][p, j])
    """
    x, y = [None], [as_inputs(net, inputs)]
    for i in range(1, net.depth + 1):
        product = y[i - 1] @ net.w[i].T
        x.append(product if net.b[i] is None else product + net.b[i])
        y.append(net.f[i](x[i]))
    return Trace(tuple(x), tuple(y))


def error(net: Network, trace: Trace, t: Array, weights: Array | None = None, total: Array | None = None) -> Array:
    """The error that is reported and differentiated (step 1).

    E = sum_p s[p] * E_p / total + l1 * sum abs(w) + 1/2 * l2 * sum w^2
    total = S = sum_p s[p], unless it is given
    """
    t = as_targets(net, t, len(trace.y[-1]))
    errors = net.objective.errors(net.f[net.depth], t, trace.x[-1], trace.y[-1])
    return (shares(net, known_patterns(t), weights, total) * errors).sum() + net.penalty()


def error_terms(net: Network, trace: Trace, t: Array) -> ErrorTerms:
    """Error term of every node, the output layer first (steps 20 to 24).

    e[L][p, j] = (t[p, j] - y[L][p, j]) * f_prime[L](x[L][p, j])               step 20
    e[i][p, k] = sum_j e[i+1][p, j] * w[i+1][j, k] * f_prime[i](x[i][p, k])    step 21
    """
    L, t = net.depth, as_targets(net, t, len(trace.y[-1]))
    e = [None] * L + [net.objective.error_term(net.f[L], t, trace.x[L], trace.y[L])]
    for i in reversed(range(1, L)):
        e[i] = net.f[i].pull(trace.x[i], e[i + 1] @ net.w[i + 1])
    return ErrorTerms(e, known_patterns(t))


def gradient(net: Network, trace: Trace, e: Any, weights: Array | None = None, total: Array | None = None) -> Gradient:
    """The derivative of E by every weight and bias (step 24), of all patterns together.

    w[i][j, k] = -sum_p s[p] * e[i][p, j] * y[i-1][p, k] / total + l1 * sign(w) + l2 * w
    b[i][j] = -sum_p s[p] * e[i][p, j] / total
    """
    s = shares(net, e, weights, total)[:, None]
    w, b = [None], [None]
    for i in range(1, net.depth + 1):
        w_i, b_i = -((e[i] * s).T @ trace.y[i - 1]), -(e[i] * s).sum(axis=0)
        if net.l1 or net.l2:
            w_i = w_i + penalty_gradient(net.w[i], net.l1, net.l2)
        if net.penalize_bias and net.b[i] is not None:
            b_i = b_i + penalty_gradient(net.b[i], net.l1, net.l2)
        w.append(w_i)
        b.append(None if net.b[i] is None else b_i)
    return Gradient(tuple(w), tuple(b))


def input_gradient(net: Network, e: Any) -> Array:
    """Each pattern's own derivative of E_p by its inputs (step 17 of the second derivation).

    d[p, k] = -sum_m e[1][p, m] * w[1][m, k]
    """
    return -(e[1] @ net.w[1])


def jacobian(net: Network, trace: Trace, by: str = "parameters") -> Array:
    """The derivative of every output: step 21 started with unit vectors in place of step 20.

    J[p, o, n] = dy[L][p, o] / dtheta[n],    by="inputs": dy[L][p, o] / dy[0][p, n]
    """
    if by not in ("parameters", "inputs"):
        raise ValueError(f"by must be 'parameters' or 'inputs'; got {by!r}. Choose one of them.")
    namespace = trace.y[-1].__array_namespace__()
    L, outputs = net.depth, namespace.eye(net.sizes[-1], dtype=trace.y[-1].dtype)[:, None, :]
    d = [None] * L + [net.f[L].pull(trace.x[L], outputs)]  # d[i]: (outputs, patterns, nodes of i)
    for i in reversed(range(1, L)):
        d[i] = net.f[i].pull(trace.x[i], d[i + 1] @ net.w[i + 1])
    if by == "inputs":
        return (d[1] @ net.w[1]).swapaxes(0, 1)
    parts = []
    for i in range(1, L + 1):
        w_i = d[i][..., :, None] * trace.y[i - 1][:, None, :]
        parts += [w_i.reshape(*w_i.shape[:2], -1)] + ([] if net.b[i] is None else [d[i]])
    return namespace.concat(parts, axis=-1).swapaxes(0, 1)


def update(net: Network, g: Gradient, learning_rate: float) -> Network:
    """A small step against the gradient, as a new network: θ - η g.

    w[i][j, k] becomes w[i][j, k] + learning_rate * e[i][j] * y[i-1][k], for one pattern
    """
    return net.replace((net.theta - learning_rate * g.theta).astype(net.dtype))
