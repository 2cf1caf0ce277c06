"""w of layer 2, where there is one."""

MISTAKE = "d.weights_of_layer_2"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -e[1] @ w[min(2, len(w) - 1)]
