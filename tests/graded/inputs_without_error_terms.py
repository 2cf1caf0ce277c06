"""The error terms are forgotten."""

MISTAKE = "d.error_terms_missing"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -(1 + 0 * e[1]) @ w[1]
