"""The product of the sums for the sum of the products."""

MISTAKE = "dw.sums_multiplied"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].sum(axis=0)[:, None] * y[i - 1].sum(axis=0) / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
