"""y of two layers below, where there is one."""

MISTAKE = "dw.output_of_two_below"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[max(i - 2, 0)] / patterns)
        db.append(-e[i].sum(axis=0) / patterns)
    return dw, db
