"""A mean over k where the sum is meant."""

MISTAKE = "x.mean_for_sum"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T / w[i].shape[1] + b[i])
        y.append(f[i](x[i]))
    return x, y
