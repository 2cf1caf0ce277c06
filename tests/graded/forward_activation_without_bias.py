"""f is applied before the bias is added."""

MISTAKE = "y.activation_without_bias"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](y[i - 1] @ w[i].T))
    return x, y
