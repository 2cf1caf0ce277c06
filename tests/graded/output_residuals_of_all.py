"""The sum of E is kept: every output has the error of all."""

MISTAKE = "e_out.residuals_of_all_outputs"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = (t - y[L]).sum(axis=1, keepdims=True) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    return e
