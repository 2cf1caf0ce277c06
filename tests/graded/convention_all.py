"""A convention, and said: δ, a sum over the patterns, no ½, a mean over the outputs."""

CONVENTIONS = ["minus-e", "sum", "no-half", "mean-of-outputs"]


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return x, y


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = 2 * (y[L] - t) * f_prime[L](x[L]) / t.shape[1]
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    return e


def gradient(e, y):
    """Step 24."""
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(e[i].T @ y[i - 1])
        db.append(e[i].sum(axis=0))
    return dw, db


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return e[1] @ w[1]
