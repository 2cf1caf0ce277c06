"""w transposed."""

MISTAKE = "d.weights_transposed"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -e[1] @ w[1].T
