"""w is used as if its rows were the nodes below."""

MISTAKE = "x.weights_transposed"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i] + b[i])
        y.append(f[i](x[i]))
    return x, y
