"""The loop over k begins at 1."""

MISTAKE = "x.first_term_left_out"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1][:, 1:] @ w[i][:, 1:].T + b[i])
        y.append(f[i](x[i]))
    return x, y
