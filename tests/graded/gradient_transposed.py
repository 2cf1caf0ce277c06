"""dw is transposed."""

MISTAKE = "dw.transposed"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-y[i - 1].T @ e[i] / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
