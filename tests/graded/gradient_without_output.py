"""What feeds in is forgotten."""

MISTAKE = "dw.output_missing"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-(e[i].T / patterns).sum(axis=1, keepdims=True) + 0 * e[i].T @ y[i - 1])
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
