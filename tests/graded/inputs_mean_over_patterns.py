"""Averaged over the patterns."""

MISTAKE = "d.mean_over_patterns"


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return -(e[1] @ w[1]).mean(axis=0)
