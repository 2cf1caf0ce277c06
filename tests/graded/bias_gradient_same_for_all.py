"""Every bias of a layer gets the sum of all."""

MISTAKE = "db.all_summed"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(0 * e[i][0] - e[i].sum() / patterns)
    return dw, db
