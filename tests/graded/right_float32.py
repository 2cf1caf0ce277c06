"""Right: in float32, and without the empty slot 0."""

import numpy as np


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [], [inputs.astype(np.float32)]
    for i in range(1, len(w)):
        x.append((y[-1] @ w[i].T.astype(np.float32) + b[i].astype(np.float32)).astype(np.float32))
        y.append(f[i](x[-1]).astype(np.float32))
    return x, y[1:]


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = {L: ((t - y[L]) * f_prime[L](x[L])).astype(np.float32)}
    for i in range(L - 1, 0, -1):
        e[i] = (e[i + 1] @ w[i + 1] * f_prime[i](x[i])).astype(np.float32)
    return [e[i] for i in range(1, L + 1)]


def gradient(e, y):
    """Step 24."""
    dw = [-(e[i].T.astype(np.float32) @ y[i - 1].astype(np.float32)) / len(y[0]) for i in range(1, len(e))]
    return dw, [-e[i].astype(np.float32).mean(axis=0, keepdims=True) for i in range(1, len(e))]


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -(e[1].astype(np.float32) @ w[1].astype(np.float32))
