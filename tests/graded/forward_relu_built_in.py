"""relu is built in."""

import numpy as np

MISTAKE = "y.relu_built_in"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(np.maximum(x[i], 0))
    return x, y
