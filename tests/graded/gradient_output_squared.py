"""y is squared."""

MISTAKE = "dw.output_squared"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] ** 2 / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
