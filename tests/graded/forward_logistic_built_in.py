"""The logistic function is built in."""

import numpy as np

MISTAKE = "y.logistic_built_in"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(1 / (1 + np.exp(-x[i])))
    return x, y
