"""Right: the arguments in another order, more of them with a default, and np.dot of everything."""

import numpy as np


def forward(inputs, w, b, f, verbose=False):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(np.dot(w[i], y[-1].T).T + b[i])
        y.append(f[i](x[-1]))
    return [x, y]


def error_terms(x, y, t, w, f_prime):
    """Steps 20 and 21, with diagonal matrices."""
    L = len(w) - 1
    e = [None for _ in w]
    e[L] = np.array([np.diag(f_prime[L](x[L][p])) @ (t[p] - y[L][p]) for p in range(len(t))])
    for i in range(L - 1, 0, -1):
        e[i] = np.array([np.diag(f_prime[i](x[i][p])) @ w[i + 1].T @ e[i + 1][p] for p in range(len(t))])
    return e


def gradient(y, e):
    """Step 24, with the error terms turned round first."""
    turned = [None] + [np.negative(one) / one.shape[0] for one in e[1:]]
    return [None] + [np.dot(turned[i].T, y[i - 1]) for i in range(1, len(e))], [None] + [
        one.sum(0) for one in turned[1:]
    ]


def input_gradient(e, w):
    """Step 17 of the inputs."""
    return np.dot(w[1].T, e[1].T).T * -1
