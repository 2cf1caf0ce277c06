"""dw stays 0."""

MISTAKE = "dw.forgotten"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(0 * e[i].T @ y[i - 1])
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
