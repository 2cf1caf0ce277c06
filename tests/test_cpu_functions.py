"""Claim: compiled, every activation, objective and rule is the function it is on paper, into the tails, to a few ulps,
and if a user wrote it too.
"""

import ctypes
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ulps
from chainrule import Network, engines, error, forward, train
from chainrule.activations import ACTIVATIONS, Activation
from chainrule.engines import cpu, reference, source
from chainrule.engines.cpu import rows, vector
from chainrule.objective import OBJECTIVES, Objective
from chainrule.training.descent import RULES, Rule, rule

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from activation_ulps import LIMITS, RANGES, ROWS, compiled, measured, of_range, table

NODE_WISE = [name for name, row in ACTIVATIONS.items() if not row.vector]
DTYPES = ("float64", "float32")


# ------------------------------------------------------------------------------------------------------------- accuracy


@pytest.mark.parametrize("name", LIMITS)
def test_activations_in_ulps(name, monkeypatch):
    """f and f' of every activation are within the limits of the table, at one point in four of those that
    benchmarks/activation_ulps.py measures.
    """
    points = ulps.points
    monkeypatch.setattr(ulps, "points", lambda dtype: points(dtype)[::4])
    found = measured(name, numpy=False)
    assert found.ok, found


def test_table_is_whole():
    """The table of limits has every activation that acts node by node."""
    assert set(LIMITS) == set(NODE_WISE)
    assert all(f"| {name} |" in table() for name in NODE_WISE)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ROWS)
def test_primitives_in_ulps(name, dtype):
    """Each primitive keeps its limit in each range: tiny, usual, up to overflow; sines as far as there are numbers."""
    ranges = [one for one in RANGES[dtype] if one.name == name]
    assert ranges
    for one in ranges:
        assert of_range(one, dtype, points=60) <= one.limit, one


SPECIAL = {
    "float64": [
        np.nan,
        np.inf,
        -np.inf,
        0.0,
        -0.0,
        5e-324,
        -5e-324,
        2.3e-308,
        -1.0,
        709.79,
        -708.4,
        -745.2,
        1e308,
        -1e308,
    ],
    "float32": [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1.2e-38, -1.0, 88.73, -87.4, -104.0, 3e38, -3e38],
}


def agrees(a, b, dtype, ulp=4):
    """Whether both are NaN, or the same infinity, or within some ulps, or some of the smallest numbers."""
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        near = np.abs(a - b) <= ulp * np.maximum(np.spacing(np.abs(b)), info.smallest_subnormal)
    return (np.isnan(a) & np.isnan(b)) | (a == b) | near


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ROWS)
def test_primitives_at_special_values(name, dtype):
    """NaN, the infinities, both zeros, the smallest numbers and those around overflow give what NumPy's functions give;
    the sign of a zero is kept by tanh alone.
    """
    x = np.array(SPECIAL[dtype], dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    found, _ = compiled(ROWS[name], x)
    assert agrees(found, expected, dtype).all(), list(zip(x, found, expected, strict=True))
    if name == "tanh":
        assert np.array_equal(np.signbit(found[x == 0]), np.signbit(x[x == 0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NODE_WISE)
def test_activations_at_special_values(name, dtype):
    """NaN passes through every activation, and f and f' are what the page gives at the infinities, at both zeros, and
    at the smallest and the largest numbers.
    """
    x = np.array([*SPECIAL[dtype], 1e30, -1e30], dtype)
    row = ACTIVATIONS[name]
    with np.errstate(all="ignore"):
        y, slope = row.f(x), row.f_prime(x)
    found, found_slope = compiled(row, x)
    assert np.isnan(found[0])
    assert agrees(found, y, dtype, 8).all(), list(zip(x, found, y, strict=True))
    assert agrees(found_slope, slope, dtype, 8).all(), list(zip(x, found_slope, slope, strict=True))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sines_of_any_size_are_bounded(dtype):
    """However large a net value, the sine is that of the C library, not a polynomial far outside of its range."""
    x = np.logspace(0, np.log10(np.finfo(dtype).max) - 0.01, 999).astype(dtype)
    y, slope = compiled(ACTIVATIONS["sine"], x)
    assert agrees(y, np.sin(x), dtype).all()
    assert agrees(slope, np.cos(x), dtype).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_square_root_in_ulps(dtype):
    """The square root, with which Adam divides, is within 2 ulps of the true one for all sizes of numbers, and what it
    should be at zeros, at infinity, of less than nothing, and below the smallest normal number.
    """
    info = np.finfo(dtype)
    sizes = np.logspace(np.log10(info.tiny) + 0.01, np.log10(info.max) - 0.01, 9999)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, info.smallest_subnormal, info.tiny / 3, info.max]
    x = np.concatenate([sizes, np.linspace(0.25, 4, 9999), special]).astype(dtype)
    root = Activation("root", lambda x, p: x**0.5, lambda x, p: p.full_like(x, 1.0), check=False)
    found, _ = compiled(root, x)
    with np.errstate(invalid="ignore"):
        assert agrees(found, np.sqrt(x), dtype, 2).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("nodes", [2, 3, 7, 8, 9, 17, 33])
def test_softmax(nodes, dtype):
    """Softmax adds up to 1, keeps ties, shrugs off large net values and what lies beside the last node, and is the
    page's to 4 ulps of the largest y and to one in a hundred thousand however small y is.
    """
    random = np.random.default_rng(nodes)
    x = random.normal(0, 3, (9, nodes))
    x[1], x[2, 0], x[3] = 2.0, 60.0, x[3] - 200.0
    net = Network([nodes, nodes], ["softmax"], "cross_entropy", bias=False, dtype=dtype)
    net.w[1] = np.eye(nodes)
    y, expected = cpu.predict(net, x), reference.predict(net, x)
    assert np.abs(y - expected).max() <= 4 * np.finfo(dtype).eps
    assert np.allclose(y, expected, rtol=1e-5, atol=np.finfo(dtype).tiny)
    assert np.abs(y.sum(axis=1) - 1).max() <= 4 * np.finfo(dtype).eps
    assert len(set(y[1])) == 1


def test_lanes_beside_the_outputs_cost_nothing():
    """A pattern of 10 classes takes no longer than one of 16, which fill a vector, though 6 lanes lie idle: it took six
    times as long when these worked on numbers below the normal ones. (The shortest of many runs; twice is allowed.)
    """
    took = {}
    for nodes in (10, 16):
        kernel = rows.output(ACTIVATIONS["softmax"], OBJECTIVES["cross_entropy"], np.dtype("float32"))
        call = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_int64] * 7, ctypes.c_double)(kernel.address)
        x, t, s = np.zeros((96, 16), "float32"), np.zeros((96, 16), "float32"), np.ones(96, "float32")
        t[:, 0], net = 1, np.random.default_rng(0).normal(size=x.shape)
        lanes = rows.lanes("float32")
        given = x.ctypes.data, t.ctypes.data, s.ctypes.data, 64, 96, -(-nodes // lanes), nodes, 1e-3
        took[nodes] = np.inf
        for _ in range(500):
            x[:] = net
            started = time.perf_counter()
            call(*given)
            took[nodes] = min(took[nodes], time.perf_counter() - started)
    assert took[10] < 2 * took[16]


# ----------------------------------------------------------------------------------------------------- written by users


def _bumpy(x, p):
    below = p.where((x > -1) & ~(x > 1), p.exp(-x * x), p.expm1(p.minimum(x, 2.0)) * 0.1)
    return 0.5 * p.tanh(2 * x - 1) + below / (1 + p.abs(x) ** 3) + (x >= 0) * p.log1p(x * x) ** 0.5 * 0


OWN = {
    "cubed": (lambda x, p: x**3 / 10, lambda x, p: 3 * x**2 / 10),
    "bent": (
        lambda x, p: p.where(x > 0, p.log1p(p.maximum(x, 0.0)), p.sin(x)),
        lambda x, p: p.where(x > 0, 1 / (1 + p.maximum(x, 0.0)), p.cos(x)),
    ),
    "root": (lambda x, p: (1 + x * x) ** 0.5 - 1, lambda x, p: x / (1 + x * x) ** 0.5),
    "power": (lambda x, p: (1 + x * x) ** 0.3, lambda x, p: 0.6 * x * (1 + x * x) ** -0.7),
    "masked": (lambda x, p: x * (x > 0) + 0.1 * x * ~(x > 0), lambda x, p: 1.0 * (x > 0) + 0.1 * ~(x > 0)),
    "same signs": (
        lambda x, p: p.where((x > 0) == (x > -1), x, 0.5 * x),
        lambda x, p: p.where((x > 0) != (x > -1), p.full_like(x, 0.5), 1.0),
    ),
    "steps": (lambda x, p: p.floor(x) * 0 + x, lambda x, p: p.full_like(x, 1.0)),
}


def table_of_numbers(n=40, inputs=3, outputs=2):
    """Inputs and targets."""
    random = np.random.default_rng(5)
    return random.normal(size=(n, inputs)), random.normal(size=(n, outputs))


def trained(engine, net, how="momentum", epochs=3, **more):
    """θ and E after some epochs."""
    inputs, t = table_of_numbers(inputs=net.sizes[0], outputs=net.sizes[-1])
    found, history = train(net, inputs, t, how, 0.02, epochs, 7, engine=engine, progress=False, warn=False, **more)
    return found.theta, history.running


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OWN)
def test_own_activation(name, dtype):
    """An activation of the user's own, written with operators and primitives, is compiled and trains as on the page, in
    hidden layers and at the output, to 1e-12 of the largest weight (1e-4 in float32) in 18 updates.
    """
    kinks = {"bent": (), "masked": (0.0,), "same signs": (0.0, -1.0)}.get(name, ())
    row = Activation(name, *OWN[name], kinks=kinks)
    net = Network([3, 5, 2], [row, row], dtype=dtype, seed=3)
    assert cpu.why_not(net) == ""
    (theta, E), (expected, E_expected) = trained("cpu", net), trained("reference", net)
    near = 1e-12 if dtype == "float64" else 1e-4
    assert np.abs(theta - expected).max() <= near * np.abs(expected).max()
    assert np.allclose(E, E_expected, rtol=near)


@pytest.mark.parametrize("output", ["identity", "softmax", "tanh"])
def test_own_objective(output):
    """An objective of the user's own runs compiled with any output activation, softmax too."""
    cosh = Objective(
        "log cosh",
        lambda t, y, p: p.abs(t - y) + p.log1p(p.exp(-2 * p.abs(t - y))) - 0.6931471805599453,
        lambda t, y, p: p.tanh(t - y),
    )
    net = Network([3, 5, 2], ["tanh", output], cosh, seed=3)
    assert cpu.why_not(net) == ""
    (theta, E), (expected, E_expected) = trained("cpu", net), trained("reference", net)
    assert np.abs(theta - expected).max() <= 1e-12 * np.abs(expected).max()
    assert np.allclose(E, E_expected, rtol=1e-12)


def _harmonic(theta, g, slots, η, n, *, from_):
    mean = slots[0] + (g - slots[0]) / n**0.5
    return theta - η * mean * (n >= from_) / (1 + 0.1 * n), (mean,)


def test_own_rule():
    """A rule of the user's own, which makes what it likes of the number of the update, runs compiled."""
    own = Rule("harmonic", _harmonic, 1, {"from_": 2.0})
    net = Network([3, 5, 2], seed=3)
    assert cpu.why_not(net, rule=own) == ""
    for engine in ("cpu", "reference"):
        assert not np.array_equal(trained(engine, net, own)[0], net.theta)
    assert np.allclose(trained("cpu", net, own)[0], trained("reference", net, own)[0], rtol=1e-11, atol=1e-13)


def test_own_rule_by_a_known_name():
    """A rule of the user's own is run as written, even if it is called gradient_descent."""
    own = Rule("gradient_descent", lambda theta, g, slots, η, n: (theta - 2 * η * g / (1 + abs(g)), slots))
    net = Network([3, 5, 2], seed=3)
    assert np.allclose(trained("cpu", net, own)[0], trained("reference", net, own)[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_rule_that_divides_by_no_gradient(name, dtype):
    """Without epsilon Adam is 0/0 where there is no gradient; rows are filled up with zeros, and nothing of that is
    seen in the weights, in E with penalties, or in a clipped gradient.
    """
    net = Network([3, 5, 2], ["tanh", "identity"], seed=3, l2=0.01, dtype=dtype)
    own = rule(name, epsilon=0.0)
    near = 1e-11 if dtype == "float64" else 1e-4
    for more in ({}, {"clip": 0.5}):
        theta, E = trained("cpu", net, own, **more)
        expected, E_expected = trained("reference", net, own, **more)
        assert np.abs(theta - expected).max() <= near * np.abs(expected).max()
        assert np.allclose(E, E_expected, rtol=near)


def _numpys(x, p):
    return np.tanh(x)


PYTHON = {
    "one argument": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "NumPy's functions": (_numpys, lambda x, p: 1 - np.tanh(x) ** 2),
    "a method of arrays": (lambda x, p: x.clip(-1, 1), lambda x, p: p.where(p.abs(x) < 1, p.full_like(x, 1.0), 0.0)),
    "another power": (lambda x, p: 2**x, lambda x, p: 0.6931471805599453 * 2**x),
}


@pytest.mark.parametrize("name", PYTHON)
def test_arbitrary_python_falls_back(name, monkeypatch):
    """An activation in any other Python runs on the reference engine under "auto", and under "cpu" it is refused in one
    sentence.
    """
    monkeypatch.setattr(engines, "ENGINES", dict(sorted(engines.ENGINES.items())))  # "cpu" first
    kinks = (-1.0, 1.0) if name == "a method of arrays" else ()
    net = Network([3, 5, 2], [Activation("mine", *PYTHON[name], kinks=kinks), "identity"], seed=3)
    assert engines.load("auto", Network([3, 5, 2])) is cpu
    assert engines.load("auto", net) is reference
    assert np.array_equal(trained("auto", net)[0], trained("reference", net)[0])
    with pytest.raises(ValueError, match=r"^engine must be") as refused:
        trained("cpu", net)
    assert str(refused.value) in (
        "engine must be one that can run this network; got 'cpu', but 'mine' is not written with the primitives. "
        "Use 'reference'.",
        "engine must be one that can run this network; got 'cpu', but f of 'mine' is not written with the primitives "
        "alone. Use 'reference'.",
    )


def test_rule_in_arbitrary_python_falls_back(monkeypatch):
    """The same of a rule, and of an objective."""
    monkeypatch.setattr(engines, "ENGINES", dict(sorted(engines.ENGINES.items())))
    signs = Rule("signs", lambda theta, g, slots, η, n: (theta - η * np.sign(g), slots))
    net = Network([3, 5, 2], seed=3)
    assert engines.load("auto", net) is cpu
    assert engines.load("auto", net, rule=signs) is reference
    with pytest.raises(
        ValueError, match=r"^engine must be one .* but the rule is not written with the primitives alone"
    ):
        engines.load("cpu", net, rule=signs)
    fourth = Objective("fourth", lambda t, y: (t - y) ** 4, lambda t, y: 4 * (t - y) ** 3)
    assert engines.load("auto", Network([3, 5, 2], objective=fourth)) is reference


def test_slope_without_bound_is_refused():
    """A hidden activation whose slope at 0 is infinite would spoil what rows are filled up with, and is refused."""
    root = Activation(
        "root", lambda x, p: p.abs(x) ** 0.5, lambda x, p: p.where(x > 0, 0.5, -0.5) / p.abs(x) ** 0.5, kinks=(0.0,)
    )
    assert cpu.why_not(Network([3, 5, 2], [root, "identity"])) == "the slope of 'root' at 0 is not finite"
    assert cpu.why_not(Network([3, 2], [root])) == ""


def test_condition_is_no_truth():
    """A condition on a vector cannot be taken for true or false: a row that does so is not compiled wrongly."""
    row = Activation(
        "half", lambda x, p: p.where(x > 0, x, x) if (x == x) else x, lambda x, p: p.full_like(x, 1.0), check=False
    )
    with pytest.raises(rows.Unwritable):
        rows.activation(row, np.dtype("float64"), True)
    assert issubclass(rows.Unwritable, TypeError)
    assert not hasattr(vector.Vector, "__float__")


def test_penalty_and_objective_at_huge_targets():
    """E of targets that are nearly as large as numbers go is what the page says, infinite where that is."""
    net = Network([2, 1], ["identity"], dtype="float64")
    for size in (1e150, 1e155):
        patterns = source(net, np.ones((3, 2)), np.full((3, 1), size))
        E = [engine.error(engine.prepare(net, patterns, RULES["lbfgs"]), patterns) for engine in (cpu, reference)]
        assert E[0] == pytest.approx(E[1], rel=1e-12) or (np.isinf(E[0]) and np.isinf(E[1]))
    assert np.isfinite(float(error(net, forward(net, np.ones((1, 2))), np.ones((1, 1)))))
