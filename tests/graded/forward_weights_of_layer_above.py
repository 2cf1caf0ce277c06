"""w of the layer above, where there is one."""

MISTAKE = "x.weights_of_layer_above"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[min(i + 1, len(w) - 1)].T + b[i])
        y.append(f[i](x[i]))
    return x, y
