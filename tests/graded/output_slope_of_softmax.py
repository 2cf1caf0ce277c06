"""Softmax's derivative is built in."""

MISTAKE = "e_out.slope_of_softmax"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = y[L] * (t - y[L] - ((t - y[L]) * y[L]).sum(axis=1, keepdims=True))
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    return e
