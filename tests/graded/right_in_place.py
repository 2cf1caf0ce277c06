"""Right: work in place, on copies of one's own; patterns in columns inside; a bias as one more weight."""

import numpy as np


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = {}, {0: inputs}
    column = inputs.T.copy()
    for i in range(1, len(w)):
        full = np.hstack([w[i], b[i][:, None]])
        column = full @ np.vstack([column, np.ones(column.shape[1])])
        x[i] = column.T.copy()
        column[...] = f[i](column)
        y[i] = column.T
    return x, y


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = t.copy()
    e[L] -= y[L]
    e[L] *= f_prime[L](x[L])
    back = e[L].T.copy()
    for i in range(L - 1, 0, -1):
        back = w[i + 1].T.copy() @ back
        back *= f_prime[i](x[i]).T
        e[i] = back.T
    return e


def gradient(e, y):
    """Step 24, pattern by pattern."""
    dw = [None] + [np.zeros((e[i].shape[1], y[i - 1].shape[1])) for i in range(1, len(e))]
    db = [None] + [np.zeros(e[i].shape[1]) for i in range(1, len(e))]
    for p in range(len(y[0])):
        for i in range(1, len(e)):
            dw[i] -= np.outer(e[i][p], y[i - 1][p])
            db[i] -= e[i][p]
    for i in range(1, len(e)):
        dw[i] /= len(y[0])
        db[i] /= len(y[0])
    return dw, db


def input_gradient(w, e):
    """Step 17 of the inputs."""
    d = np.zeros((len(e[1]), w[1].shape[1]))
    for m in range(len(w[1])):
        d -= e[1][:, [m]] * w[1][m]
    return d
