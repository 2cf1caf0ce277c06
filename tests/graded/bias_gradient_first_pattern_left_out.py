"""The loop over the patterns begins at 1."""

MISTAKE = "db.first_term_left_out"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[i][1:].sum(axis=0) / patterns)
    return dw, db
