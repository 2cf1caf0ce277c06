"""e of the output layer."""

MISTAKE = "d.error_terms_of_output"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -e[-1] @ w[1]
