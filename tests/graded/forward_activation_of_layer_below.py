"""f of the layer below, where there is one."""

MISTAKE = "y.activation_of_layer_below"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[max(i - 1, 1)](x[i]))
    return x, y
