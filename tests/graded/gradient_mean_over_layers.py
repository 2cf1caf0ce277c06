"""Divided by the length of the list."""

MISTAKE = "dw.mean_over_layers"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / len(e))
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
