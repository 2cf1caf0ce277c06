"""The weights are forgotten."""

MISTAKE = "d.weights_missing"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -e[1].sum(axis=1, keepdims=True) + 0 * e[1] @ w[1]
