"""The last layer is left out."""

MISTAKE = "unusable"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w) - 1):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return x, y
