"""x holds the outputs: the net values were overwritten."""

MISTAKE = "x.activation_too_early"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(f[i](y[i - 1] @ w[i].T + b[i]))
        y.append(x[i])
    return x, y
