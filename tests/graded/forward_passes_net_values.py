"""The net value goes on to the next layer, not the output."""

MISTAKE = "x.net_values_passed_on"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append((x[i - 1] if i > 1 else inputs) @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return x, y
