"""Every hidden layer takes t − y for the error terms above."""

MISTAKE = "e_hidden.residual_for_error_term"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = (t - y[L]) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        e[i] = (t - y[L]) @ w[i + 1] * f_prime[i](x[i])
    return e
