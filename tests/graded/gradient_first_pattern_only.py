"""A return inside the loop: only the first pattern."""

MISTAKE = "dw.first_term_only"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i][:1].T @ y[i - 1][:1] / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
