"""The slope of the layer below, where there is one."""

MISTAKE = "e_out.slope_wholly_of_layer_below"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = (t - y[L]) * f_prime[max(L - 1, 1)](x[max(L - 1, 1)])
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
    return e
