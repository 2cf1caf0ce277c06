"""Measures how exact f and f' of every activation, and the primitives they are written with, are once compiled.

An ulp is the distance from the true value, mpmath's, to the next number of its type. The points are those of
tests/ulps.py: around 0, over the middle, into both tails, and at the seams of the forms; the primitives are measured
range by range, out to where they overflow. Beside each activation stand the limits of its table, which a test holds
them to, and what NumPy gives at the same points.

    python benchmarks/activation_ulps.py [--json FILE]

Exit code 1 if a limit is exceeded.
"""

import argparse
import ctypes
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np

from chainrule.activations import ACTIVATIONS, Activation, Primitives
from chainrule.engines.cpu import rows
from chainrule.engines.cpu.machine import vector_bytes

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import ulps

LIMITS = {  # f and f' in float64, f and f' in float32; 0 is exact
    "identity": (0, 0, 0, 0),
    "logistic": (3, 5, 3, 5),
    "tanh": (3, 5, 3, 5),
    "relu": (0, 0, 0, 0),
    "leaky_relu": (1, 0, 1, 1),
    "elu": (2, 2, 2, 2),
    "selu": (4, 4, 4, 4),
    "softplus": (3, 3, 3, 3),
    "softsign": (2, 4, 2, 4),
    "gelu": (8, 10, 8, 10),
    "silu": (4, 6, 4, 6),
    "sine": (2, 2, 2, 2),
    "gaussian": (3, 4, 3, 4),
    "exp": (2, 2, 2, 2),
}

TRUE = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
}


class Range(NamedTuple):
    """Where a primitive is measured: sizes of x, evenly by their logarithms, of these signs, and a limit in ulp."""

    name: str
    least: float
    most: float
    signs: tuple[int, ...]
    limit: float


BOTH, UP, DOWN = (-1, 1), (1,), (-1,)
RANGES = {
    "float64": (
        *(Range(name, 1e-300, 1e-3, BOTH, 1) for name in ("exp", "expm1", "sin", "cos")),
        *(Range(name, 1e-300, 1e-3, BOTH, 2) for name in ("log1p", "tanh")),
        *(Range(name, 1e-3, 20, BOTH, 2) for name in ("exp", "expm1", "sin", "cos")),
        Range("tanh", 1e-3, 20, BOTH, 3),
        *(Range(name, 20, 709.7, BOTH, 2) for name in ("exp", "expm1", "tanh")),
        Range("log1p", 1e-3, 0.999, BOTH, 2),
        *(Range(name, 1e-3, 1e300, UP, 2) for name in ("log", "log1p")),
        Range("log", 5e-324, 1e-300, UP, 1),
        *(Range(name, 20, 1e9, BOTH, 2) for name in ("sin", "cos")),
        *(Range(name, 1e9, 1e300, BOTH, 1) for name in ("sin", "cos")),
    ),
    "float32": (
        *(Range(name, 1e-37, 1e-3, BOTH, 1) for name in ("exp", "expm1", "sin", "cos")),
        *(Range(name, 1e-37, 1e-3, BOTH, 2) for name in ("log1p", "tanh")),
        *(Range(name, 1e-3, 10, BOTH, 2) for name in ("exp", "expm1", "sin", "cos")),
        Range("tanh", 1e-3, 20, BOTH, 3),
        *(Range(name, 10, 88.7, BOTH, 2) for name in ("exp", "expm1", "tanh")),
        Range("log1p", 1e-3, 0.999, BOTH, 2),
        *(Range(name, 1e-3, 1e38, UP, 2) for name in ("log", "log1p")),
        Range("log", 1.4e-45, 1e-37, UP, 1),
        *(Range(name, 10, 1e9, BOTH, 2) for name in ("sin", "cos")),
        *(Range(name, 1e9, 1e38, BOTH, 1) for name in ("sin", "cos")),
    ),
}


def compiled(row: Activation, x: Any) -> tuple[Any, Any]:
    """f and f' of a row at x, by the machine code that the engine runs."""
    kernel, width = rows.activation(row, x.dtype, True), vector_bytes()
    length = -(-x.nbytes // width) * width
    y, slope = (np.zeros(length // x.itemsize, x.dtype) for _ in range(2))
    y[: x.size] = x
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)(kernel.address)
    call(y.ctypes.data, slope.ctypes.data, length, 1, length // width)
    return y[: x.size], slope[: x.size]


def primitive(name: str) -> Activation:
    """A primitive as a row of its own, whose f' is 1."""
    return Activation(
        name, lambda x, p: getattr(p, name)(x), lambda x, p: p.full_like(x, 1.0), vector=False, check=False
    )


ROWS = {name: primitive(name) for name in TRUE}
assert set(TRUE) <= set(Primitives._fields)


class Measured(NamedTuple):
    """Largest errors in ulp of one activation, in the order of its limits, and NumPy's."""

    name: str
    compiled: tuple[float, ...]
    numpy: tuple[float, ...]

    @property
    def ok(self) -> bool:
        """Whether it keeps its limits."""
        return all(found <= limit for found, limit in zip(self.compiled, LIMITS[self.name], strict=True))


def measured(name: str, numpy: bool = True) -> Measured:
    """One activation."""
    row, found, usual = ACTIVATIONS[name], [], []
    none: Callable[[Any], Any] = lambda x: mpmath.mpf(0)  # noqa: E731
    for dtype in (np.float64, np.float32):
        for of, true, which, scale in (
            (row.f, ulps.f[name], 0, none),
            (row.f_prime, ulps.f_prime[name], 1, ulps.largest_term.get(name, none)),
        ):
            found.append(ulps.largest_error(lambda x, which=which: compiled(row, x)[which], true, scale, dtype))
            usual.append(ulps.largest_error(of, true, scale, dtype) if numpy else np.nan)
    return Measured(name, tuple(found), tuple(usual))


def of_range(one: Range, dtype: str, points: int = 1000) -> float:
    """Largest error in ulp of a primitive in a range; below the normal numbers in ulp of the smallest of them."""
    random = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        sizes = np.exp(random.uniform(np.log(one.least), np.log(one.most), points)).astype(dtype)
    x = np.concatenate([sizes * sign for sign in one.signs]).astype(dtype)
    if one.name in ("sin", "cos") and 1 <= one.most <= 1e9:  # and where they are nearly 0
        x = np.concatenate([x, (np.rint(x[:500] / (np.pi / 2)) * (np.pi / 2)).astype(dtype)])
    return worst(compiled(ROWS[one.name], x)[0], x, TRUE[one.name])


def worst(found: Any, x: Any, true: Callable[[Any], Any]) -> float:
    """Largest error of what was found at x, in ulp."""
    info = np.finfo(x.dtype)
    largest = 0.0
    with mpmath.workprec(160 if np.abs(x).max() < 1e30 else 1300):  # sines of 1e300
        for at, y in zip(map(mpmath.mpf, x.tolist()), found.tolist(), strict=True):
            value = true(at)
            ulp = mpmath.mpf(2) ** (max(mpmath.frexp(value)[1], info.minexp + 1) - info.nmant - 1)
            largest = max(largest, float(abs(mpmath.mpf(y) - value) / ulp))
    return largest


def table() -> str:
    """The limits as a table for the documentation."""
    said = [
        f"| {name} | " + " | ".join(f"≤ {limit}" if limit else "exact" for limit in limits) + " |"
        for name, limits in LIMITS.items()
    ]
    return "\n".join(
        ["| activation | f, float64 | f′, float64 | f, float32 | f′, float32 |", "|---|---|---|---|---|", *said]
    )


def main() -> int:
    """Measure them all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to this file")
    wanted = parser.parse_args()
    print(
        f"{'activation':<12}"
        + "".join(f"{head:>27}" for head in ("f, float64", "f', float64", "f, float32", "f', float32"))
    )
    print(f"{'':<12}" + f"{'compiled':>11}{'limit':>7}{'NumPy':>9}" * 4)
    found = [measured(name) for name in LIMITS]
    for one in found:
        cells = zip(one.compiled, LIMITS[one.name], one.numpy, strict=True)
        print(f"{one.name:<12}" + "".join(f"{ours:>11.2f}{limit:>7}{numpy:>9.2f}" for ours, limit, numpy in cells))
    print(f"\n{'primitive':<11}{'type':<9}{'|x| from':>10}{'to':>10}{'sign':>6}{'ulp':>8}{'limit':>7}")
    parts = [(dtype, one, of_range(one, dtype)) for dtype, ranges in RANGES.items() for one in ranges]
    for dtype, one, ulp in parts:
        signs = {BOTH: "±", UP: "+", DOWN: "−"}[one.signs]
        print(f"{one.name:<11}{dtype:<9}{one.least:>10.3g}{one.most:>10.3g}{signs:>6}{ulp:>8.2f}{one.limit:>7g}")
    if wanted.json is not None:
        data = {
            "activations": [one._asdict() | {"limits": LIMITS[one.name]} for one in found],
            "primitives": [one._asdict() | {"type": dtype, "ulp": ulp} for dtype, one, ulp in parts],
        }
        wanted.json.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return int(not all(one.ok for one in found) or any(ulp > one.limit for _, one, ulp in parts))


if __name__ == "__main__":
    sys.exit(main())
