"""f of the next layer is used."""

MISTAKE = "y.activation_of_layer_above"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[min(i + 1, len(w) - 1)](x[i]))
    return x, y
