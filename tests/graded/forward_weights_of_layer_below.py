"""w of the layer below, where there is one."""

MISTAKE = "x.weights_of_layer_below"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[max(i - 1, 1)].T + b[i])
        y.append(f[i](x[i]))
    return x, y
