"""db is one number a layer."""

MISTAKE = "db.all_summed_to_one"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[i].sum() / patterns)
    return dw, db
