"""The weights are squared."""

MISTAKE = "d.weights_squared"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -e[1] @ w[1] ** 2
