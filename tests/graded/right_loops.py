"""Right: plain loops over patterns and nodes, as in the formulas, and numbers of Python."""


def forward(w, b, f, inputs):
    """Feed forward."""
    L, patterns = len(w) - 1, len(inputs)
    x = [None] + [[[0.0] * len(b[i]) for _ in range(patterns)] for i in range(1, L + 1)]
    y = [inputs] + [[[0.0] * len(b[i]) for _ in range(patterns)] for i in range(1, L + 1)]
    for p in range(patterns):
        for i in range(1, L + 1):
            for j in range(len(b[i])):
                net = float(b[i][j])
                for k in range(w[i].shape[1]):
                    net += w[i][j, k] * y[i - 1][p][k]
                x[i][p][j] = net
                y[i][p][j] = float(f[i](net))
    return x, y


def error_terms(w, f_prime, x, y, t):
    """Steps 20 and 21."""
    L, patterns = len(w) - 1, len(t)
    e = [None] + [[[0.0] * len(w[i]) for _ in range(patterns)] for i in range(1, L + 1)]
    for p in range(patterns):
        for j in range(len(w[L])):
            e[L][p][j] = (t[p, j] - y[L][p][j]) * f_prime[L](x[L][p][j])
        for i in reversed(range(1, L)):
            for k in range(len(w[i])):
                for j in range(len(w[i + 1])):
                    e[i][p][k] += e[i + 1][p][j] * w[i + 1][j, k]
                e[i][p][k] *= f_prime[i](x[i][p][k])
    return e


def gradient(e, y):
    """Step 24."""
    patterns, dw, db = len(y[0]), [None], [None]
    for i in range(1, len(e)):
        nodes, below = len(e[i][0]), len(y[i - 1][0])
        dw.append([[0.0] * below for _ in range(nodes)])
        db.append([0.0] * nodes)
        for p in range(patterns):
            for j in range(nodes):
                db[i][j] -= e[i][p][j] / patterns
                for k in range(below):
                    dw[i][j][k] -= e[i][p][j] * y[i - 1][p][k] / patterns
    return dw, db


def input_gradient(w, e):
    """Step 17 of the inputs."""
    return [[-sum(row[m] * w[1][m, n] for m in range(len(row))) for n in range(w[1].shape[1])] for row in e[1]]
