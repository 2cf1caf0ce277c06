"""The error terms are forgotten."""

MISTAKE = "dw.error_terms_missing"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-(1 + 0 * e[i]).T @ y[i - 1] / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
