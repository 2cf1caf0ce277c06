"""Summed over the patterns."""

MISTAKE = "e_out.summed_over_patterns"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = (t - y[L]) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    e[L] = e[L].sum(axis=0)
    return e
