"""x has its patterns in columns."""

MISTAKE = "x.transposed"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return [None, *(one.T for one in x[1:])], y
