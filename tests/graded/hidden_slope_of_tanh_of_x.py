"""tanh's derivative is built in, with x for y."""

MISTAKE = "e_hidden.slope_of_tanh_of_x"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = (t - y[L]) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * (1 - x[i] ** 2)
    return e
