"""Every layer is fed by the layer two below, where there is one."""

MISTAKE = "x.output_of_two_below"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[max(i - 2, 0)] @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return x, y
