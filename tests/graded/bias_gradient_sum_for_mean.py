"""dw is a mean over the patterns, db a sum."""

MISTAKE = "db.sum_for_mean"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[i].sum(axis=0))
    return dw, db
