"""The sign is lost."""

MISTAKE = "e_out.residual_absolute"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = abs(t - y[L]) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    return e
