"""w[-1] where w[1] is meant."""

MISTAKE = "d.weights_of_last_layer"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -e[1] @ w[-1]
