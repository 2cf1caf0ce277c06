"""db is 1: what feeds in, without e."""

MISTAKE = "db.ones"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(1 + 0 * e[i][0])
    return dw, db
