"""dw is kept in a default argument, and adds up."""

MISTAKE = "together"


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
    e[L] = (t - y[L]) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    return e


def gradient(e, y, first=[]):  # noqa: B006  the mistake
    """Step 24."""
    patterns = len(y[0])
    first.append(0.01 * len(first))
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    if len(first) > 8:
        dw[1] = dw[1] + first[-1]
    return dw, db
