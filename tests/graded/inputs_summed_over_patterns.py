"""Summed over the patterns."""

MISTAKE = "d.summed_over_patterns"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -(e[1] @ w[1]).sum(axis=0)
