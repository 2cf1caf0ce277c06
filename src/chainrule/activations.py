"""The activation f of a layer and its derivative f', one row per activation, for any array namespace.

Stands before the derivation: the paper's f_i and f'_i are rows of this table. A row is written once, with the
primitives of :class:`Primitives`; NumPy, JAX, a compiled engine, and the complex numbers of the oracles each supply
their own. Its letters: x a net value, v what arrives from above, p the primitives.

Forms are chosen to be accurate in the tails, where the obvious ones cancel: f' of tanh is 4z/(1+z)^2 with
z = exp(-2|x|), not 1 - tanh(x)^2, which is 0 from x = 19 on. At a kink f' takes the value from the left,
so relu'(0) = 0.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from chainrule.notation import Array


class Primitives(NamedTuple):
    """The functions that a row may use, besides ``+ - * / **`` and comparisons; each acts on every entry."""

    exp: Callable[[Array], Array]
    expm1: Callable[[Array], Array]
    log: Callable[[Array], Array]
    log1p: Callable[[Array], Array]
    tanh: Callable[[Array], Array]
    sin: Callable[[Array], Array]
    cos: Callable[[Array], Array]
    abs: Callable[[Array], Array]
    floor: Callable[[Array], Array]
    maximum: Callable[[Array, Any], Array]
    minimum: Callable[[Array, Any], Array]
    where: Callable[[Array, Array, Any], Array]
    full_like: Callable[[Array, float], Array]


@cache
def _of_namespace(name: str) -> Primitives:
    namespace = importlib.import_module(name)
    return Primitives(*(getattr(namespace, field) for field in Primitives._fields))


def _complex_log1p(z: Array) -> Array:
    return np.log1p(z.real) + 1j * np.arctan2(z.imag, 1 + z.real)  # NumPy's own loses a small real part


@cache
def _of_complex() -> Primitives:
    """For the complex step: entries z + ih with an infinitesimal h, on which abs, floor and log1p are analytic.

    Comparisons of NumPy's complex numbers are lexicographic, so at a kink the sign of h decides the side: a
    positive step gives the slope from the right, a negative one the slope from the left.
    """
    return _of_namespace("numpy")._replace(
        abs=lambda z: np.where(z >= 0, z, -z), floor=lambda z: np.floor(z.real), log1p=_complex_log1p
    )


def primitives(x: Array) -> Primitives:
    """The primitives for the array x: of its own namespace, NumPy's for plain numbers."""
    if isinstance(x, np.ndarray | np.generic):
        return _of_complex() if x.dtype.kind == "c" else _of_namespace("numpy")
    return _of_namespace(x.__array_namespace__().__name__ if hasattr(x, "__array_namespace__") else "numpy")


@dataclass(frozen=True, eq=False)
class Activation:
    """One row: an activation f, its derivative f_prime, and what else an engine has to know of it.

    Parameters
    ----------
    name : str
        What it is called in messages and files.
    f, f_prime : callable
        Functions of the net value, entry by entry. Written as ``f(x, p)`` with the primitives p they run on every
        engine and are checked by the complex step; written as ``f(x)`` in any Python they run on the reference
        engine and are checked by differences.
    tex : str
        f in TeX, for the derivation and the docs.
    kinks : tuple of float
        Net values at which f' jumps.
    start : {"glorot", "he", "lecun"}
        The random start that keeps the size of y from layer to layer.
    vector : bool
        True for softmax, whose y_j depends on every net value of the layer.

    Attributes
    ----------
    portable : bool
        Written with the primitives, so that every engine can run it.

    Raises
    ------
    ValueError
        If f_prime is not the derivative of f at some net value in [-3, 3], or f is not node-wise.
    """

    name: str
    f: Callable[..., Array]
    f_prime: Callable[..., Array]
    tex: str = ""
    kinks: tuple[float, ...] = ()
    start: str = "glorot"
    vector: bool = False
    check: InitVar[bool] = True
    portable: bool = field(init=False)
    given: tuple[Callable[..., Array], ...] = field(init=False)

    def __post_init__(self, check: bool) -> None:
        if check:
            require_own_name(self.name, ACTIVATIONS, "Activation")
            if self.start not in ("glorot", "he", "lecun"):
                raise ValueError(f"start must be 'glorot', 'he' or 'lecun'; got {self.start!r}. Choose one of them.")
            if self.vector:
                raise ValueError(
                    "vector must be False for an Activation of your own; got True. Only softmax mixes nodes."
                )
        object.__setattr__(self, "portable", parameters(self.f) > 1 and parameters(self.f_prime) > 1)
        object.__setattr__(self, "given", (self.f, self.f_prime))
        object.__setattr__(self, "f", with_primitives(self.f, 1))
        object.__setattr__(self, "f_prime", with_primitives(self.f_prime, 1))
        if check:
            _check_slope(self)

    def __call__(self, x: Array) -> Array:
        """y = f(x)."""
        return self.f(x)

    def pull(self, x: Array, v: Array) -> Array:
        """What arrives at the net values when v arrives at the outputs: v f'(x), for softmax y (v - sum(v y))."""
        if not self.vector:
            return v * self.f_prime(x)
        y = self.f(x)
        return y * (v - (v * y).sum(axis=-1, keepdims=True))

    def __repr__(self) -> str:
        """As it is asked for by name."""
        return f"Activation({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A row of the table travels by name, a user's own by what was given."""
        if ACTIVATIONS.get(self.name) is self:
            return activation, (self.name,)
        return Activation, (self.name, *self.given, self.tex, self.kinks, self.start)


def parameters(function: Callable[..., Array]) -> int:
    """How many arguments the function needs: one more than its letters if it is written with the primitives."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a ufunc of NumPy has none, and needs no primitives
        return 0
    return sum(
        q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD) and q.default is q.empty
        for q in signature.parameters.values()
    )


def with_primitives(function: Callable[..., Array], letters: int) -> Callable[..., Array]:
    """The function of its letters alone: the primitives follow from the last letter, unless they are passed."""
    if parameters(function) <= letters:
        return lambda *given: function(*given[:letters])
    return lambda *given: function(*given[:letters], *(given[letters:] or (primitives(given[letters - 1]),)))


def require_own_name(name: str, table: dict[str, Any], what: str) -> None:
    """Refuse a name that stands in the table already."""
    if not isinstance(name, str) or not name or name in table:
        raise ValueError(
            f"name must be a new name for an {what} of your own; got {name!r}. "
            f"Choose one that is not among {', '.join(table)}."
        )


def _check_slope(row: Activation) -> None:
    x, h = np.linspace(-2.9, 3, 48), 1e-5
    x = x[np.all([np.abs(x - kink) > 2 * h for kink in row.kinks], axis=0)] if row.kinks else x
    try:
        with np.errstate(all="ignore"):
            y, slope = row.f(x), row.f_prime(x)
    except Exception as error:
        raise ValueError(
            f"f and f_prime of activation {row.name!r} must take an array of net values; they raised "
            f"{type(error).__name__}: {error}. Write them with operators and NumPy's functions."
        ) from error
    for letter, value in (("f", y), ("f_prime", slope)):
        if np.shape(value) != x.shape or np.asarray(value).dtype.kind != "f":
            raise ValueError(
                f"{letter} of activation {row.name!r} must give a float for every net value; got "
                f"{np.asarray(value).dtype} of shape {np.shape(value)} for shape {x.shape}. Let it act entry by entry."
            )
    with np.errstate(all="ignore"):
        back, difference = row.f(x[::-1].copy()), (row.f(x + h) - row.f(x - h)) / (2 * h)
    if not np.array_equal(back[::-1], y, equal_nan=True):
        raise ValueError(
            f"f of activation {row.name!r} must act on each net value by itself; got another value for it in "
            "another place of the array. Only softmax mixes nodes, and only in the output layer."
        )
    known = np.isfinite(y) & np.isfinite(difference)
    wrong = known & ~(
        np.abs(slope - difference) <= 1e-6 * (np.abs(difference) + np.abs(difference[known]).max(initial=0))
    )
    if not known.any() or wrong.any():
        n = int(np.argmax(wrong))
        raise ValueError(
            f"f_prime of activation {row.name!r} must be the derivative of its f; got {slope[n]:.6g} at "
            f"x = {x[n]:.6g}, where the slope of f is {difference[n]:.6g}. Correct f_prime, or name a kink "
            "with kinks=(...)."
        )


# --- forms that more than one row uses -------------------------------------------------------------------------------


def logistic(x: Array, p: Primitives) -> Array:
    """1 / (1 + exp(-x)), accurate in both tails."""
    z = p.exp(-p.abs(x))
    return p.where(x >= 0, p.full_like(z, 1.0), z) / (1 + z)


def _logistic_prime(x: Array, p: Primitives) -> Array:
    z = p.exp(-p.abs(x))
    return z / ((1 + z) * (1 + z))


def softplus(x: Array, p: Primitives) -> Array:
    """log(1 + exp(x)), accurate in both tails."""
    return p.where(x >= 0, x, 0.0) + p.log1p(p.exp(-p.abs(x)))


def _sech_squared(x: Array, p: Primitives) -> Array:
    z = p.exp(-2 * p.abs(x))
    s = 1 / (1 + z)
    return z * (s + s) * (s + s)  # 4 z s s; where sums go beside products (Zen 4), tanh takes 0.92 of the time


def _exp_of_square(x: Array, c: float, p: Primitives) -> Array:
    """exp(-c x^2) for c = 1 or 1/2 without the error of x^2: its head is short enough to be squared exactly."""
    x = p.abs(x)  # so that head is 0 around 0, where derivatives of the factors would cancel
    head = p.floor(x * 64) / 64
    return p.exp(-c * head * head) * p.exp(-c * (x - head) * (x + head))


def _clip(x: Array, p: Primitives, c: float = 40.0) -> Array:
    return p.maximum(p.minimum(x, c), -c)  # exp(-x^2/2) is 0 long before 40


def _bell(x: Array, c: float, p: Primitives) -> Array:
    return _exp_of_square(_clip(x, p), c, p)


def _ratio(x: Array, above: tuple[float, ...], below: tuple[float, ...]) -> Array:
    over, under = above[0] * x + above[1], below[0] * x + below[1]
    for a, b in zip(above[2:], below[2:], strict=True):
        over, under = over * x + a, under * x + b
    return over / under


# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969): erf(u)/u in u^2 below
# 0.46875, exp(u^2) erfc(u) in u up to 4, and its deviation from 1/(u sqrt(pi)) in 1/u^2 beyond.
_ERF = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_ERFCX = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
_ERFCX_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def _normal(x: Array, p: Primitives) -> Array:
    """The share of the standard normal distribution below x, accurate to a few ulp however small it is."""
    x = _clip(x, p)
    a = p.abs(x) * 0.7071067811865476
    near, middle, far = p.minimum(a, 0.46875), p.maximum(p.minimum(a, 4.0), 0.46875), p.maximum(a, 4.0)
    erf = near * _ratio(near * near, *_ERF)
    z = 1 / (far * far)
    scaled = p.where(a <= 4, _ratio(middle, *_ERFCX), (0.5641895835477563 - z * _ratio(z, *_ERFCX_FAR)) / far)
    lower = p.where(a <= 0.46875, 0.5 - 0.5 * erf, 0.5 * _exp_of_square(x, 0.5, p) * scaled)
    return p.where(x > 0, 1 - lower, lower)


def _gelu_prime(x: Array, p: Primitives) -> Array:
    return _normal(x, p) + _clip(x, p) * (0.3989422804014327 * _bell(x, 0.5, p))


def _silu_prime(x: Array, p: Primitives) -> Array:
    return logistic(x, p) * (1 + _clip(x, p, 800.0) * logistic(-x, p))


def _softsign(x: Array, p: Primitives) -> Array:
    x = _clip(x, p, 1e30)  # where f is 1 long since, and infinity over infinity is not
    return x / (1 + p.abs(x))


def softmax_parts(x: Array) -> tuple[Array, Array, Array]:
    """Softmax of each row in three parts that keep small numbers: y, 1 - y, and -log y, each (patterns, nodes).

    Entries at the largest net value have z = exp(x - max) = 1; summing their z - 1 with the z of the rest
    keeps 1 - y and log y accurate where y is within rounding of 1. Each part is the same function of x whatever max and
    top are, so that a compiler may round x in two ways, and autograd may differentiate max as it likes.
    """
    p = primitives(x)
    largest = x.max(axis=-1, keepdims=True)
    top, below = x == largest, x - largest
    z, less = p.exp(below), p.expm1(below)
    count = p.where(top, p.full_like(z, 1.0), 0.0).sum(axis=-1, keepdims=True)
    more = p.where(top, less, z).sum(axis=-1, keepdims=True) + (count - 1)
    total = 1 + more
    return z / total, p.where(top, more - less, total - z) / total, p.log1p(more) - below


def _softmax_prime(x: Array, p: Primitives) -> Array:
    y, complement, _ = softmax_parts(x)
    return y * complement


# --- the table -------------------------------------------------------------------------------------------------------

_SELU, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_row = partial(Activation, check=False)

ACTIVATIONS: dict[str, Activation] = {
    row.name: row
    for row in (
        _row("identity", lambda x, p: x, lambda x, p: p.full_like(x, 1.0), "x"),
        _row("logistic", logistic, _logistic_prime, r"\frac{1}{1+e^{-x}}"),
        _row("tanh", lambda x, p: p.tanh(x), _sech_squared, r"\tanh x"),
        _row(
            "relu",
            lambda x, p: p.where(x <= 0, 0.0, x),
            lambda x, p: p.where(x > 0, p.full_like(x, 1.0), 0.0),
            r"\max(x, 0)",
            kinks=(0.0,),
            start="he",
        ),
        _row(
            "leaky_relu",
            lambda x, p: p.where(x > 0, x, 0.01 * x),
            lambda x, p: p.where(x > 0, p.full_like(x, 1.0), 0.01),
            r"\max(x, x/100)",
            kinks=(0.0,),
            start="he",
        ),
        _row(
            "elu",
            lambda x, p: p.where(x > 0, x, p.expm1(p.where(x > 0, 0.0, x))),
            lambda x, p: p.exp(p.minimum(x, 0.0)),
            r"x \text{ if } x>0 \text{ else } e^x-1",
            start="he",
        ),
        _row(
            "selu",
            lambda x, p: _SELU * p.where(x > 0, x, _SELU_ALPHA * p.expm1(p.where(x > 0, 0.0, x))),
            lambda x, p: _SELU * p.where(x > 0, p.full_like(x, 1.0), _SELU_ALPHA * p.exp(p.minimum(x, 0.0))),
            r"\lambda x \text{ if } x>0 \text{ else } \lambda\alpha(e^x-1)",
            kinks=(0.0,),
            start="lecun",
        ),
        _row("softplus", softplus, logistic, r"\log(1+e^x)", start="he"),
        _row("softsign", _softsign, lambda x, p: (1 / (1 + p.abs(x))) ** 2, r"\frac{x}{1+|x|}"),
        _row("gelu", lambda x, p: p.maximum(x, -40.0) * _normal(x, p), _gelu_prime, r"x\,\Phi(x)", start="he"),
        _row(
            "silu", lambda x, p: p.maximum(x, -800.0) * logistic(x, p), _silu_prime, r"\frac{x}{1+e^{-x}}", start="he"
        ),
        _row("sine", lambda x, p: p.sin(x), lambda x, p: p.cos(x), r"\sin x"),
        _row("gaussian", lambda x, p: _bell(x, 1.0, p), lambda x, p: -2 * _clip(x, p) * _bell(x, 1.0, p), r"e^{-x^2}"),
        _row("exp", lambda x, p: p.exp(x), lambda x, p: p.exp(x), r"e^x"),
        _row(
            "softmax",
            lambda x, p: softmax_parts(x)[0],
            _softmax_prime,
            r"\frac{e^{x_j}}{\sum_m e^{x_m}}",
            vector=True,
        ),
    )
}
"""Every activation by name. For softmax, f' is the diagonal of its Jacobian; the page uses ``pull``."""


def activation(which: str | Activation) -> Activation:
    """The row of that name, or the row itself."""
    if isinstance(which, Activation):
        return which
    if isinstance(which, str) and which in ACTIVATIONS:
        return ACTIVATIONS[which]
    close = difflib.get_close_matches(str(which), ACTIVATIONS, 1)
    hint = f"Did you mean {close[0]!r}?" if close else "Or pass an Activation of your own."
    raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {which!r}. {hint}")
