"""db is the sum of dw over k."""

MISTAKE = "db.times_outputs"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-(e[i].T @ y[i - 1]).sum(axis=1) / patterns)
    return dw, db
