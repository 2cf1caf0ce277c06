"""A return inside the loop: only the first term of the sum."""

MISTAKE = "x.first_term_only"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1][:, :1] * w[i][:, 0] + b[i])
        y.append(f[i](x[i]))
    return x, y
