"""Every activation: f and f' are exact in the tails too, agree with one another, and mean the same everywhere."""

from __future__ import annotations

import copy
import pickle
import re

import mpmath
import numpy as np
import pytest

import ulps
from chainrule import Activation, Network, error, error_terms, forward, gradient
from chainrule.activations import ACTIVATIONS, Primitives, activation, primitives, softmax_parts
from chainrule.oracles import complex_step

NODEWISE = [name for name, row in ACTIVATIONS.items() if not row.vector]
EPS = np.finfo(float).eps
GENERIC = np.random.default_rng(3).uniform(-6, 6, 400)


# --- exactness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NODEWISE)
def test_ulps(name):
    """f and f' are within the limits of the table, in float64 and float32, against mpmath with 40 digits."""
    row = ulps.measured(name)
    assert row[1:] <= (np.inf,) * 4
    assert all(found <= limit for found, limit in zip(row[1:], ulps.LIMITS[name], strict=True)), row


def test_table_is_current():
    """docs/activations-table.md is what tests/ulps.py writes, and has a row for every activation but softmax."""
    assert ulps.TABLE.read_text(encoding="utf-8") == ulps.table(), "run: .venv/bin/python tests/ulps.py"
    assert list(ulps.LIMITS) == NODEWISE


def test_ulps_bite():
    """The measurement sees the textbook forms fail: 1 - tanh², log(1 + e^x) and y(1 - y) lose digits in a tail."""
    none, double = (lambda x: mpmath.mpf(0)), np.float64
    with np.errstate(over="ignore"):
        for form, truth in (
            (lambda x: 1 - np.tanh(x) ** 2, ulps.f_prime["tanh"]),
            (lambda x: np.log(1 + np.exp(x)), ulps.f["softplus"]),
            (lambda x: 1 / (1 + np.exp(-x)) * (1 - 1 / (1 + np.exp(-x))), ulps.f_prime["logistic"]),
            (lambda x: 0.5 * x * (1 + np.tanh(0.79788456 * (x + 0.044715 * x**3))), ulps.f["gelu"]),
        ):
            assert ulps.largest_error(form, truth, none, double) > 1000


@pytest.mark.parametrize("side", [-1, 1])
def test_tails(side):
    """Far out, up to |x| = 700, f and f' keep their digits where a float can hold the value, and warn of nothing."""
    for name, distances in {
        "logistic": (20, 37, 300, 700),
        "tanh": (20, 100, 350),
        "softplus": (20, 37, 300, 700),
        "silu": (20, 37, 300, 690),
        "gelu": (5.7, 9, 20, 36),
        "gaussian": (5, 15, 26),
        "softsign": (1e3, 1e9, 1e100),
        "exp": (20, 300, 700),
    }.items():
        row, x = ACTIVATIONS[name], side * np.array(distances, float)
        for found, truth in ((row.f(x), ulps.f[name]), (row.f_prime(x), ulps.f_prime[name])):
            for at, value in zip(x.tolist(), found.tolist(), strict=True):
                with mpmath.workdps(1000):  # f' of silu and tanh cancels 300 digits
                    true = truth(mpmath.mpf(at))
                assert value == pytest.approx(float(true), rel=10 * EPS, abs=0), (name, at)


def test_nothing_overflows():
    """Net values up to 1e300, or 1e38 in float32, give finite values without a warning, but for exp of course."""
    for dtype, largest in (("float64", 1e300), ("float32", 1e38)):
        x = np.array([-largest, -1e30, -1e4, -800.0, 800.0, 1e4, 1e30, largest], dtype)
        for name in set(NODEWISE) - {"exp"}:
            assert np.isfinite(ACTIVATIONS[name].f(x)).all(), name
            assert np.isfinite(ACTIVATIONS[name].f_prime(x)).all(), name


def test_nan_passes_through():
    """f of NaN is NaN, so a net value that is not a number is seen in y and E, and f' is NaN unless f is straight."""
    x = np.array([1.0, np.nan, -1.0])
    for name in NODEWISE:
        assert np.isnan(ACTIVATIONS[name].f(x)).tolist() == [False, True, False], name
        if name not in ("identity", "relu", "leaky_relu"):
            assert np.isnan(ACTIVATIONS[name].f_prime(x)).tolist() == [False, True, False], name
    assert np.isnan(ACTIVATIONS["softmax"].f(x[None])).all()


def test_infinity_gives_the_limit():
    """f and f' of ±∞ are their limits, without a warning; sine has none."""
    selu = ulps.SELU * ulps.ALPHA
    limits = {  # f(-∞), f(∞), f'(-∞), f'(∞)
        "identity": (-np.inf, np.inf, 1, 1),
        "logistic": (0, 1, 0, 0),
        "tanh": (-1, 1, 0, 0),
        "relu": (0, np.inf, 0, 1),
        "leaky_relu": (-np.inf, np.inf, 0.01, 1),
        "elu": (-1, np.inf, 0, 1),
        "selu": (-float(selu), np.inf, 0, float(ulps.SELU)),
        "softplus": (0, np.inf, 0, 1),
        "softsign": (-1, 1, 0, 0),
        "gelu": (0, np.inf, 0, 1),
        "silu": (0, np.inf, 0, 1),
        "gaussian": (0, 0, 0, 0),
        "exp": (0, np.inf, 0, np.inf),
    }
    assert {*limits, "sine"} == set(NODEWISE)
    x = np.array([-np.inf, np.inf])
    for name, expected in limits.items():
        row = ACTIVATIONS[name]
        assert [*row.f(x), *row.f_prime(x)] == pytest.approx(expected, rel=EPS), name


@pytest.mark.parametrize("reach", [1.0, 30.0, 700.0])
def test_softmax_keeps_small_numbers(reach):
    """y, 1 - y and -log y of softmax are right to 8 ulp and what rounding x_j - max x loses, |x_j - max x| ulp."""
    random = np.random.default_rng(5)
    x = random.uniform(-reach, reach, (20, 4))
    parts = np.stack(softmax_parts(x))
    for row, found in zip(x, np.moveaxis(parts, 0, 1), strict=True):
        with mpmath.workdps(700):
            z = [mpmath.exp(mpmath.mpf(float(x_j))) for x_j in row]
            for j, x_j in enumerate(row):
                rest = sum(z) - z[j]
                true = z[j] / sum(z), rest / sum(z), mpmath.log1p(rest / z[j])
                lost = 8 + max(abs(x_j - row.max()), row.max() - np.delete(row, row.argmax()).max())
                assert found[:, j] == pytest.approx([float(v) for v in true], rel=lost * EPS, abs=1e-300)
    assert np.array_equal(ACTIVATIONS["softmax"].f(x), parts[0])
    assert np.array_equal(ACTIVATIONS["softmax"].f_prime(x), parts[0] * parts[1])


def test_softmax_of_anything_is_a_distribution():
    """Ties, one node far above the others and entries of ±1e300 give y that adds up to 1, without a warning."""
    for row in ([0, 0, 0], [1e300, 0, -1e300], [1e300, 1e300, 0], [-1e300] * 3, [700, -700, 0], [1000, 1000.5, 999]):
        y = ACTIVATIONS["softmax"].f(np.array([row], float))
        assert y.sum() == pytest.approx(1, rel=2 * EPS)
        assert (y >= 0).all()
    assert ACTIVATIONS["softmax"].f(np.zeros((1, 3))).tolist() == [[1 / 3] * 3]


# --- f and f' agree --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NODEWISE)
def test_f_prime_is_the_complex_step(name):
    """f' is the slope of f by the complex step, to 1e-14 of itself, or of its terms where it passes through 0."""
    row = ACTIVATIONS[name]
    slope = complex_step(row.f, GENERIC, np.ones_like(GENERIC))
    scale = np.abs(row.f_prime(GENERIC)) + (0.05 if name in ("gelu", "silu") else 0)
    assert (np.abs(slope - row.f_prime(GENERIC)) <= 1e-14 * scale).all()


def test_kinks():
    """At a kink f' is the slope from the left, and the sign of the complex step chooses the side that it sees."""
    selu = float(ulps.SELU), float(ulps.SELU * ulps.ALPHA)
    kinked = {"relu": (0.0, 1.0), "leaky_relu": (0.01, 1.0), "selu": (selu[1], selu[0])}
    assert {name for name, row in ACTIVATIONS.items() if row.kinks} == set(kinked)
    for name, (left, right) in kinked.items():
        row, at = ACTIVATIONS[name], np.zeros(1)
        assert row.kinks == (0.0,)
        assert row.f_prime(at) == pytest.approx(left, rel=EPS)
        assert complex_step(row.f, at, np.ones(1), side=-1) == pytest.approx(left, rel=EPS)
        assert complex_step(row.f, at, np.ones(1), side=1) == pytest.approx(right, rel=EPS)
    for name in set(NODEWISE) - set(kinked):
        row, at = ACTIVATIONS[name], np.zeros(1)
        sides = [complex_step(row.f, at, np.ones(1), side=side) for side in (-1, 1)]
        assert sides == [pytest.approx(row.f_prime(at), rel=1e-14)] * 2, name


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_pull(name):
    """pull(x, v) is Σ_j v_j ∂y_j/∂x_k: v f'(x) node by node, and the whole Jacobian for softmax."""
    row, random = ACTIVATIONS[name], np.random.default_rng(2)
    x, v = random.normal(size=(3, 5)), random.normal(size=(3, 5))
    jacobians = np.stack([complex_step(row.f, x, np.tile(d, (3, 1))) for d in np.eye(5)], axis=-1)  # p, j, k
    assert np.abs(row.pull(x, v) - np.einsum("pj,pjk->pk", v, jacobians)).max() <= 1e-14
    assert np.abs(row.f_prime(x) - np.einsum("pjj->pj", jacobians)).max() <= 1e-14


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_shape_and_type_stay(name, dtype):
    """f and f' give an array of the shape and type they were given, in any number of dimensions."""
    x = np.linspace(-3, 3, 24, dtype=dtype)
    for shaped in (x, x.reshape(6, 4), x.reshape(2, 3, 4), x[:0].reshape(0, 3) if name != "softmax" else x):
        for y in (ACTIVATIONS[name].f(shaped), ACTIVATIONS[name].f_prime(shaped)):
            assert (y.shape, y.dtype) == (shaped.shape, shaped.dtype)


@pytest.mark.parametrize("name", NODEWISE)
def test_plain_numbers(name):
    """f and f' of a plain number are those of the array that holds it."""
    row = ACTIVATIONS[name]
    assert row(0.7) == row.f(np.array([0.7]))[0]
    assert row.f_prime(-0.7) == row.f_prime(np.array([-0.7]))[0]


# --- the same everywhere ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_jax_agrees(name):
    """Under jax.jit f and f' are the same to 16 ulp: XLA's exp, tanh and sin are its own, and so is its rounding.

    XLA also makes one exponential of exp(a) exp(b), with which gaussian and gelu keep the digits of x^2: x^2 ulp more.
    Beside the roots of gelu', silu' and sine it is ulp of 0.05, and differences under 256 times the smallest normal
    number are none, because XLA makes the smallest numbers 0.
    """
    import jax

    x = np.linspace(-30, 30, 241).reshape(-1, 1) * np.array([1.0, 0.1, 0.5])
    row = ACTIVATIONS[name]
    for function in (row.f, row.f_prime):
        here, there = function(x), jax.jit(function)(x)
        assert there.dtype == np.float64
        ulp = EPS * (np.abs(here) + 0.05 * (name in ("gelu", "silu", "sine")))
        allowed = (16 + x * x * (name in ("gaussian", "gelu"))) * ulp
        assert (np.abs(np.asarray(there) - here) <= np.maximum(allowed, 256 * np.finfo(float).tiny)).all()


def test_rows_use_the_primitives_alone():
    """Every row runs with primitives handed to it, no namespace of its own, so that any engine can supply them."""
    seen = set()

    def spy(field):
        def call(*given):
            seen.add(field)
            return getattr(np, field)(*given)

        return call

    p = Primitives(*(spy(field) for field in Primitives._fields))
    for name in NODEWISE:
        row = ACTIVATIONS[name]
        assert row.portable
        assert np.array_equal(row.f(GENERIC, p), row.f(GENERIC))
        assert np.array_equal(row.f_prime(GENERIC, p), row.f_prime(GENERIC))
    assert seen <= set(Primitives._fields)
    assert "exp" in seen


def test_primitives_follow_the_array():
    """Arrays of NumPy, complex arrays, arrays of JAX and plain numbers each get the functions that suit them."""
    import jax.numpy as jnp

    assert primitives(np.ones(2)).exp is np.exp
    assert primitives(1.0).exp is np.exp
    assert primitives(jnp.ones(2)).exp is jnp.exp
    z = np.array([-2 + 1e-30j, 2 + 1e-30j, 0 - 1e-30j])
    assert primitives(z).abs(z).imag.tolist() == [-1e-30, 1e-30, 1e-30]
    assert primitives(z).log1p(np.array([1e-20 + 1e-30j])).tolist() == [1e-20 + 1e-30j]


def test_the_table():
    """The fifteen activations, each with its formula and a start; only softmax mixes nodes."""
    names = "identity, logistic, tanh, relu, leaky_relu, elu, selu, softplus, softsign, gelu, silu, sine, gaussian, exp"
    assert ", ".join(ACTIVATIONS) == f"{names}, softmax"
    assert all(row.tex and row.start in ("glorot", "he", "lecun") for row in ACTIVATIONS.values())
    assert all(activation(name) is row and row.name == name for name, row in ACTIVATIONS.items())
    assert [row.name for row in ACTIVATIONS.values() if row.vector] == ["softmax"]
    with pytest.raises(
        ValueError, match=r"^activation must be one of identity, .*; got 'rely'\. Did you mean 'relu'\?$"
    ):
        activation("rely")
    with pytest.raises(ValueError, match=r"; got 7\. Or pass an Activation of your own\.$"):
        activation(7)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_rows_travel_by_name(name):
    """Copies and pickles of a row of the table are the row itself."""
    row = ACTIVATIONS[name]
    assert pickle.loads(pickle.dumps(row)) is row
    assert copy.deepcopy(row) is row
    assert repr(row) == f"Activation({name!r})"


# --- a user's own ----------------------------------------------------------------------------------------------------


def bent(x):
    """x + x²/10, in plain Python."""
    return x + 0.1 * x * x


def bent_prime(x):
    """Its derivative."""
    return 1 + 0.2 * x


def soft(x, p):
    """Softplus of 2x, with the primitives."""
    return 0.5 * p.log1p(p.exp(2 * x))


def soft_prime(x, p):
    """Its derivative."""
    return 1 / (1 + p.exp(-2 * x))


@pytest.mark.parametrize("given", [("bent", bent, bent_prime), ("soft", soft, soft_prime)], ids=lambda given: given[0])
def test_own_activation(given):
    """A network with one's own f and f', in plain Python or with the primitives, has the gradient of its E."""
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(5, 3)), random.normal(size=(5, 2))
    net = Network([3, 4, 2], [Activation(*given), "identity"])

    def E(theta):
        return error(net.replace(theta), forward(net.replace(theta), inputs), targets)

    trace = forward(net, inputs)
    g = gradient(net, trace, error_terms(net, trace, targets)).theta
    oracle = np.array([complex_step(E, net.theta, d) for d in np.eye(net.n_parameters)])
    assert np.abs(g - oracle).max() <= 1e-14 * np.abs(oracle).max()


def test_own_activation_as_a_known_one():
    """A copy of tanh under another name gives the numbers of tanh to the bit, and a ufunc needs no wrapping."""
    own = Activation("my tanh", np.tanh, ACTIVATIONS["tanh"].given[1])
    inputs = np.random.default_rng(0).normal(size=(5, 3))
    mine, row = (Network([3, 4, 2], [f, "identity"]) for f in (own, "tanh"))
    assert np.array_equal(forward(mine, inputs).y[-1], forward(row, inputs).y[-1])
    assert np.array_equal(own.f_prime(GENERIC), ACTIVATIONS["tanh"].f_prime(GENERIC))


def test_own_activation_is_portable_with_primitives():
    """f(x, p) and f_prime(x, p) run under JAX too; f(x) alone promises the reference engine only, and says so."""
    import jax.numpy as jnp

    assert not Activation("bent", bent, bent_prime).portable
    assert not Activation("half", soft, lambda x: 1 / (1 + np.exp(-2 * x))).portable
    own = Activation("soft", soft, soft_prime)
    assert own.portable
    assert np.asarray(own.f(jnp.asarray(GENERIC))) == pytest.approx(own.f(GENERIC), rel=1e-14)


def test_own_activation_travels():
    """Copies and pickles of one's own carry everything it was given, and what it computes."""
    own = Activation("bent", bent, bent_prime, tex="x + x^2/10", kinks=(7.0,), start="lecun")
    for there in (pickle.loads(pickle.dumps(own)), copy.deepcopy(own), copy.copy(own)):
        assert (there.name, there.tex, there.kinks, there.start) == ("bent", "x + x^2/10", (7.0,), "lecun")
        assert np.array_equal(there.f(GENERIC), own.f(GENERIC))
        assert there.portable == own.portable


def test_kink_of_ones_own():
    """A kink inside [-3, 3] that is named is passed over by the check."""
    own = Activation("bend", lambda x: np.where(x > 1, 3 * x - 2, x), lambda x: np.where(x > 1, 3.0, 1.0), kinks=(1.0,))
    assert own.f_prime(np.array([0.0, 2.0])).tolist() == [1, 3]


def cumulative(x):
    """Not node-wise."""
    return np.cumsum(x)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ("wrong", bent, bent),
            "f_prime of activation 'wrong' must be the derivative of its f; got -2.059 at x = -2.9, "
            "where the slope of f is 0.42. Correct f_prime, or name a kink with kinks=(...).",
        ),
        (
            ("flipped", np.cos, np.sin),
            "f_prime of activation 'flipped' must be the derivative of its f; got -0.239249 at x = -2.9, "
            "where the slope of f is 0.239249. Correct f_prime, or name a kink with kinks=(...).",
        ),
        (
            ("nan", bent, lambda x: x * np.nan),
            "f_prime of activation 'nan' must be the derivative of its f; got nan at x = -2.9, "
            "where the slope of f is 0.42. Correct f_prime, or name a kink with kinks=(...).",
        ),
        (
            ("mixes", cumulative, np.ones_like),
            "f of activation 'mixes' must act on each net value by itself; got another value for it in another place "
            "of the array. Only softmax mixes nodes, and only in the output layer.",
        ),
        (
            ("sum", np.sum, np.ones_like),
            "f of activation 'sum' must give a float for every net value; got float64 of shape () for shape (48,). "
            "Let it act entry by entry.",
        ),
        (
            ("signs", lambda x: x > 0, np.zeros_like),
            "f of activation 'signs' must give a float for every net value; got bool of shape (48,) for shape (48,). "
            "Let it act entry by entry.",
        ),
        (
            ("number", lambda x: x, lambda x: 1.0),
            "f_prime of activation 'number' must give a float for every net value; got float64 of shape () "
            "for shape (48,). Let it act entry by entry.",
        ),
        (
            ("raises", lambda x: x.nothing, np.ones_like),
            "f and f_prime of activation 'raises' must take an array of net values; they raised AttributeError: "
            "'numpy.ndarray' object has no attribute 'nothing'. Write them with operators and NumPy's functions.",
        ),
        (
            ("nowhere", lambda x: x * np.nan, np.ones_like),
            "f_prime of activation 'nowhere' must be the derivative of its f; got 1 at x = -2.9, "
            "where the slope of f is nan. Correct f_prime, or name a kink with kinks=(...).",
        ),
        (
            ("tanh", np.tanh, np.ones_like),
            "name must be a new name for an Activation of your own; got 'tanh'. Choose one that is not among ",
        ),
        (("", bent, bent_prime), "name must be a new name for an Activation of your own; got ''. Choose one "),
        ((3, bent, bent_prime), "name must be a new name for an Activation of your own; got 3. Choose one "),
        (
            ("start", bent, bent_prime, "", (), "lecum"),
            "start must be 'glorot', 'he' or 'lecun'; got 'lecum'. Choose one of them.",
        ),
        (
            ("vector", bent, bent_prime, "", (), "he", True),
            "vector must be False for an Activation of your own; got True. Only softmax mixes nodes.",
        ),
    ],
    ids=lambda given: given[0] or "empty" if isinstance(given, tuple) else "",
)
def test_what_is_wrong_with_ones_own(given, sentence):
    """A wrong f' is found when the activation is built, and the message names the activation and the place."""
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        Activation(*given)


def test_slightly_wrong_derivative_is_found():
    """An f' that is wrong by one part in 10,000 is refused; one that is right to seven digits is not."""
    with pytest.raises(ValueError, match="must be the derivative"):
        Activation("near", np.tanh, lambda x: 1.0001 / np.cosh(x) ** 2)
    Activation("nearer", np.tanh, lambda x: 1.0000001 / np.cosh(x) ** 2)


@pytest.mark.parametrize("name", [name for name, row in ACTIVATIONS.items() if not row.vector and not row.kinks])
def test_jax_agrees_at_zero(name):
    """Where f is smooth at 0, so is the row: jax.grad of f there is f'(0), within 4 ulp for another order of work.

    Net values of 0 are common (dead nodes, zero inputs), and a row written with max or abs can have two one-sided
    halves there that do not add up.
    """
    import jax

    row = ACTIVATIONS[name]
    assert float(jax.grad(row.f)(jax.numpy.asarray(0.0))) == pytest.approx(
        float(row.f_prime(np.float64(0.0))), rel=1e-15, abs=0
    )
