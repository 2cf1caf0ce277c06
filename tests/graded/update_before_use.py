"""w is updated in place before the error goes back through it."""

MISTAKE = "e_hidden.update_before_use"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21, with an update between."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = (t - y[L]) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        w[i + 1] += 0.1 * e[i + 1].T @ y[i]
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    return e
