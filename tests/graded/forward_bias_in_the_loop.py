"""The bias is added inside the loop over k."""

MISTAKE = "x.bias_times_nodes"


def forward(w, b, f, inputs):
    """Feed forward."""
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        net = 0
        for k in range(w[i].shape[1]):
            net = net + y[i - 1][:, [k]] * w[i][:, k] + b[i]
        x.append(net)
        y.append(f[i](net))
    return x, y
