"""What is passed back lacks the slope that is in e."""

MISTAKE = "e_hidden.slope_above_left_out"


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L = len(w) - 1
    e, back = [None] * (L + 1), t - y[L]
    for i in range(L, 0, -1):
        e[i] = back * f_prime[i](x[i])
        back = back @ w[i]
    return e
