"""w[-1] where w[1] is meant."""


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -e[1] @ w[-1]
