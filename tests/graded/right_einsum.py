"""Right: einsum, arguments by other names, tuples for lists."""

import numpy as np


def forward(weights, biases, functions, patterns):
    """Feed forward."""
    x, y = (None,), (patterns,)
    for w, b, f in zip(weights[1:], biases[1:], functions[1:], strict=True):
        x += (np.einsum("jk,pk->pj", w, y[-1]) + b[None, :],)
        y += (f(x[-1]),)
    return x, y


def error_terms(weights, slopes, x, y, targets):
    """Steps 20 and 21."""
    e = (np.einsum("pj,pj->pj", targets - y[-1], slopes[-1](x[-1])),)
    for w, f_prime, net in zip(weights[:1:-1], slopes[-2:0:-1], x[-2:0:-1], strict=True):
        e = (np.einsum("pj,jk,pk->pk", e[0], w, f_prime(net)), *e)
    return (None, *e)


def gradient(e, y):
    """Step 24."""
    dw = (None, *(np.einsum("pj,pk->jk", a, b) / -len(a) for a, b in zip(e[1:], y[:-1], strict=True)))
    return dw, (None, *(np.einsum("pj->j", a) / -len(a) for a in e[1:]))


def input_gradient(weights, e):
    """Step 17 of the inputs."""
    return np.einsum("pm,mn->pn", e[1], -weights[1])
