"""db as if biases were fed by the node itself."""

MISTAKE = "db.times_own_output"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-(e[i] * y[i]).sum(axis=0) / patterns)
    return dw, db
