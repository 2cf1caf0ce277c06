"""Layer 0 has an activation."""

MISTAKE = "inputs_changed"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [f[1](inputs)]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return x, y
