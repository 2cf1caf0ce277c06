"""How exact f and f' are: limits in ulp and the measurement. Running it writes docs/activations-table.md.

An ulp is the distance from the true value to the next number of its type. The table holds limits, not measurements,
because exp, tanh and sin are NumPy's, and differ by an ulp or two from one version and processor to another.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import mpmath
import numpy as np

from chainrule.activations import ACTIVATIONS

TABLE = Path(__file__).parents[1] / "docs" / "activations-table.md"

mpmath.mp.dps = 40

SELU, ALPHA = mpmath.mpf("1.0507009873554804934193349852946"), mpmath.mpf("1.6732632423543772848170429916717")


def sigmoid(x):
    """1/(1+e^-x)."""
    return 1 / (1 + mpmath.exp(-x))


def Phi(x):
    """Share of the normal distribution below x."""
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


f = {
    "identity": lambda x: x,
    "logistic": sigmoid,
    "tanh": mpmath.tanh,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "leaky_relu": lambda x: x if x > 0 else x * mpmath.mpf(0.01),
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "selu": lambda x: SELU * (x if x > 0 else ALPHA * mpmath.expm1(x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "gelu": lambda x: x * Phi(x),
    "silu": lambda x: x * sigmoid(x),
    "sine": mpmath.sin,
    "gaussian": lambda x: mpmath.exp(-x * x),
    "exp": mpmath.exp,
}

f_prime = {
    "identity": lambda x: mpmath.mpf(1),
    "logistic": lambda x: sigmoid(x) * sigmoid(-x),
    "tanh": lambda x: mpmath.sech(x) ** 2,
    "relu": lambda x: mpmath.mpf(x > 0),
    "leaky_relu": lambda x: mpmath.mpf(1) if x > 0 else mpmath.mpf(0.01),
    "elu": lambda x: mpmath.mpf(1) if x > 0 else mpmath.exp(x),
    "selu": lambda x: SELU * (1 if x > 0 else ALPHA * mpmath.exp(x)),
    "softplus": sigmoid,
    "softsign": lambda x: 1 / (1 + abs(x)) ** 2,
    "gelu": lambda x: Phi(x) + x * mpmath.npdf(x),
    "silu": lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),
    "sine": mpmath.cos,
    "gaussian": lambda x: -2 * x * mpmath.exp(-x * x),
    "exp": mpmath.exp,
}

largest_term = {  # of f' where its terms cancel: beside its root it is as exact as these
    "gelu": lambda x: abs(Phi(x)),
    "silu": lambda x: abs(sigmoid(x)),
}

LIMITS = {  # f and f' in float64, f and f' in float32; 0 is exact
    "identity": (0, 0, 0, 0),
    "logistic": (3, 5, 4, 6),
    "tanh": (3, 5, 3, 6),
    "relu": (0, 0, 0, 0),
    "leaky_relu": (1, 0, 1, 1),
    "elu": (2, 2, 3, 3),
    "selu": (4, 4, 4, 4),
    "softplus": (3, 3, 4, 4),
    "softsign": (2, 4, 2, 4),
    "gelu": (8, 10, 8, 10),
    "silu": (4, 6, 5, 6),
    "sine": (1, 1, 2, 2),
    "gaussian": (3, 4, 6, 5),
    "exp": (2, 2, 3, 3),
}


class Row(NamedTuple):
    """Largest error in ulp of one activation."""

    name: str
    f_float64: float
    f_prime_float64: float
    f_float32: float
    f_prime_float32: float


def points(dtype) -> np.ndarray:
    """Net values around 0, over the middle, into both tails, and at the seams of the forms."""
    random = np.random.default_rng(0)
    tail = 700 if dtype == np.float64 else 85
    seams = np.array([0.0, 0.46875 * 2**0.5, 4 * 2**0.5, 0.46875, 1.0, 4.0, 40.0])
    around = np.concatenate([s * (1 + np.array([-1e-7, -1e-15, 0.0, 1e-15, 1e-7])) for s in (*seams, *-seams)])
    small = 10 ** random.uniform(-12, 0, 60)
    middle = [random.uniform(-reach, reach, 350) for reach in (1.5, 6, 40)]
    return np.concatenate([*middle, random.uniform(-tail, tail, 100), small, -small, around]).astype(dtype)


def largest_error(function, truth, scale, dtype) -> float:
    """In ulp of the true value, or of `scale` where that is larger.

    True values under 256 times the smallest normal number are left out: there a float keeps fewer digits, and so do the
    factors from which such a value is made.
    """
    x = points(dtype)
    worst, digits, tiny = 0.0, np.finfo(dtype).nmant + 1, float(np.finfo(dtype).tiny)
    for at, found in zip(map(mpmath.mpf, x.tolist()), function(x).tolist(), strict=True):
        true = truth(at)
        size = max(abs(true), scale(at))
        if size == 0:
            worst = max(worst, 0.0 if found == 0 else mpmath.inf)
        elif size >= 256 * tiny:
            worst = max(worst, float(abs(found - true) / mpmath.mpf(2) ** (mpmath.frexp(size)[1] - digits)))
    return worst


def measured(name: str) -> Row:
    """The errors of f and f' of one activation."""
    row, none = ACTIVATIONS[name], lambda x: mpmath.mpf(0)
    errors = []
    for dtype in (np.float64, np.float32):
        errors.append(largest_error(row.f, f[name], none, dtype))
        errors.append(largest_error(row.f_prime, f_prime[name], largest_term.get(name, none), dtype))
    return Row(name, *errors)


def table() -> str:
    """docs/activations-table.md."""
    rows = [
        f"| {name} | " + " | ".join(f"≤ {limit}" if limit else "exact" for limit in limits) + " |"
        for name, limits in LIMITS.items()
    ]
    return "\n".join([*HEAD, *rows, *FOOT])


HEAD = [
    "<!-- Written by tests/ulps.py; a test measures what it says. -->",
    "",
    "| activation | f, float64 | f′, float64 | f, float32 | f′, float32 |",
    "|---|---|---|---|---|",
]

FOOT = [
    "",
    "Largest errors in ulp, the distance from the true value to the next number of its type, against mpmath over",
    "|x| ≤ 700 (float32: 85). Left out are values under 256 times the smallest normal number, where a float keeps",
    "fewer digits. f′ of gelu and silu is 0 near x = −0.75 and −1.28; its error is counted in ulp of the larger of",
    "its first term and f′ itself. Softmax adds to the errors of exp what x_j − max x loses: up to |x_j − max x| ulp.",
    "",
]


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
