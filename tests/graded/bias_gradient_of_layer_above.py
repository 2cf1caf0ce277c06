"""e of the layer above, where there is one."""

MISTAKE = "db.error_terms_of_layer_above"


def gradient(e, y):
    """Step 24."""
    patterns = len(y[0])
    dw, db = [None], [None]
    for i in range(1, len(e)):
        dw.append(-e[i].T @ y[i - 1] / patterns)
        db.append(-e[min(i + 1, len(e) - 1)].sum(axis=0) / patterns)
    return dw, db
