"""f of layer 1 is used in every layer."""

MISTAKE = "y.activation_of_first_layer"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[1](x[i]))
    return x, y
