"""y has its patterns in columns."""

MISTAKE = "y.transposed"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return x, [inputs, *(one.T for one in y[1:])]
