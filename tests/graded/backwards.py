"""The error terms are in the order in which they are computed."""

MISTAKE = "backwards"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [(t - y[L]) * f_prime[L](x[L])]
    for i in range(L - 1, 0, -1):
        e.append(e[-1] @ w[i + 1] * f_prime[i](x[i]))
    return e
