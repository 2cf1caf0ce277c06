"""db is summed over the wrong axis."""

MISTAKE = "db.nodes_summed"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[i].sum(axis=1) / patterns)
    return dw, db
