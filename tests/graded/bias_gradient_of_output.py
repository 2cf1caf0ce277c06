"""e of the output layer in every layer."""

MISTAKE = "db.error_terms_of_output"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[-1].sum(axis=0) / patterns)
    return dw, db
