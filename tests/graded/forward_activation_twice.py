"""f is applied twice."""

MISTAKE = "y.activation_twice"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](f[i](x[i])))
    return x, y
