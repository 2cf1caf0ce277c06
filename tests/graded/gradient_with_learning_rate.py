"""A learning rate has slipped in."""

MISTAKE = "dw.factor"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-0.1 * e[i].T @ y[i - 1] / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
