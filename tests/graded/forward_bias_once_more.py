"""The bias is added once more inside f."""

MISTAKE = "y.bias_once_more"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](x[i] + b[i]))
    return x, y
