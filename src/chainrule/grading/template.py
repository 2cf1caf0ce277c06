"""The file that a student begins with. Letters: those of the paper."""

TEMPLATE = '''"""Back-propagation of my own, for a network of L layers and several patterns at once.

    chainrule grade FILE.py

runs it on random networks and says what is wrong. Layers count from 1, nodes and patterns from 0.
Slot 0 of every list is empty (None), so that w[1][7, 3] is w_173; only y[0] is not: the inputs.

w[i]   (nodes of layer i, nodes of layer i-1)    weight into node j of layer i from node k of layer i-1
b[i]   (nodes of layer i,)                       bias
x[i]   (patterns, nodes of layer i)              net value, before the activation
y[i]   (patterns, nodes of layer i)              output, after it
e[i]   (patterns, nodes of layer i)              error term, minus the derivative of E_p by x[i]
t      (patterns, nodes of layer L)              targets

E is the mean over the patterns of E_p = 1/2 sum_j (t[p, j] - y[L][p, j])^2.
Write some of the functions or all of them; none may change what it is given.
"""

import numpy as np

# What you mean otherwise than above, and is right all the same: "minus-e" (error terms without the minus), "sum" (over
# the patterns, no mean), "no-half" (E without the 1/2), "mean-of-outputs".
CONVENTIONS = []


def forward(w, b, f, inputs):
    """Feed the patterns forward: the lists x and y.

    y[0] = inputs
    x[i][p, j] = sum_k w[i][j, k] * y[i-1][p, k] + b[i][j]
    y[i][p, j] = f[i](x[i][p, j])

    f[i] takes an array of net values and returns one of outputs.
    """
    raise NotImplementedError


def error_terms(w, f_prime, x, y, t):
    """Error term of every node, the output layer first (steps 20 to 24): the list e.

    e[L][p, j] = (t[p, j] - y[L][p, j]) * f_prime[L](x[L][p, j])
    e[i][p, k] = sum_j e[i+1][p, j] * w[i+1][j, k] * f_prime[i](x[i][p, k])
    """
    raise NotImplementedError


def gradient(e, y):
    """The derivative of E by every weight and bias (step 24): the lists dw and db, shaped as w and b.

    dw[i][j, k] = -sum_p e[i][p, j] * y[i-1][p, k] / patterns
    db[i][j] = -sum_p e[i][p, j] / patterns
    """
    raise NotImplementedError


def input_gradient(w, e):
    """Each pattern's own derivative of E_p by its inputs (step 17 of the second derivation): an array.

    d[p, k] = -sum_m e[1][p, m] * w[1][m, k]
    """
    raise NotImplementedError


if __name__ == "__main__":  # not run when the file is graded
    rng = np.random.default_rng(0)
    w = [None, rng.normal(size=(4, 3)), rng.normal(size=(2, 4))]
    b = [None, rng.normal(size=4), rng.normal(size=2)]
    f = [None, np.tanh, np.tanh]
    f_prime = [None, lambda x: 1 - np.tanh(x) ** 2, lambda x: 1 - np.tanh(x) ** 2]
    inputs, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    x, y = forward(w, b, f, inputs)
    e = error_terms(w, f_prime, x, y, t)
    print(gradient(e, y))
    print(input_gradient(w, e))
'''
