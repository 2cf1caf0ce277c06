"""The bias is forgotten."""

MISTAKE = "x.bias_missing"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T)
        y.append(f[i](x[i]))
    return x, y
