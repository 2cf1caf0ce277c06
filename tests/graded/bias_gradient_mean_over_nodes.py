"""Divided by the length along the wrong axis."""

MISTAKE = "db.mean_over_nodes"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[i].sum(axis=0) / e[i].shape[1])
    return dw, db
