"""Every objective: value and error term agree, keep their digits in the tails, and know the best constant."""

from __future__ import annotations

import copy
import math
import pickle
import re

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

import naive
from chainrule import Network, Objective, error, error_terms, forward, gradient
from chainrule.activations import ACTIVATIONS
from chainrule.objective import (
    OBJECTIVES,
    Fused,
    best_constant,
    known_patterns,
    objective,
    penalty,
    penalty_gradient,
)
from chainrule.oracles import complex_step

EPS = np.finfo(float).eps
PAIRS = [(goal, output) for goal, row in OBJECTIVES.items() for output in row.outputs or ACTIVATIONS]


def targets_for(goal: str, shape, random) -> np.ndarray:
    """Some that the objective allows, its borders among them."""
    if goal == "cross_entropy":
        return random.choice([0.0, 0.2, 0.7, 1.0], shape)
    return random.poisson(2.0, shape).astype(float) if goal == "poisson" else random.normal(size=shape)


# --- value and error term --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("goal", "output"), PAIRS)
def test_error_term_is_minus_the_slope(goal, output):
    """e_L is minus the slope of E_p by each x_Lj, by the complex step, to 1e-13: softmax with its full Jacobian too."""
    random = np.random.default_rng(PAIRS.index((goal, output)))
    row, f = OBJECTIVES[goal], ACTIVATIONS[output]
    x = random.uniform(-4, 4, (40, 3))
    t = targets_for(goal, x.shape, random)
    if output == "softmax":
        t[3] = np.nan
    else:
        t[random.random(t.shape) < 0.1] = np.nan
    e = row.error_term(f, t, x, f(x))
    slopes = [complex_step(lambda x: row.errors(f, t, x, f(x)), x, np.tile(d, (len(x), 1))) for d in np.eye(3)]
    assert np.abs(e + np.stack(slopes, axis=-1)).max() <= 1e-13 * np.abs(e).max()
    assert (e[np.isnan(t)] == 0).all()


@pytest.mark.parametrize(("goal", "output"), PAIRS)
def test_value_is_the_literal_one(goal, output):
    """E_p is the sum of the losses of the known outputs, each loss as it is written in books."""
    random = np.random.default_rng(7)
    row, f = OBJECTIVES[goal], ACTIVATIONS[output]
    x = random.uniform(-3, 3, (30, 3))
    t = targets_for(goal, x.shape, random)
    t[random.random(t.shape) < 0.2] = np.nan
    if goal == "poisson" or output != "softmax" or goal != "cross_entropy":
        literal = naive.loss[goal]
    else:
        t[np.isnan(t).any(axis=1)] = np.nan
        literal = naive.loss["cross_entropy of softmax"]
    y = f(x)
    expected = [
        sum(literal(t_j, y_j) for t_j, y_j in zip(*of_p, strict=True) if not math.isnan(t_j))
        for of_p in zip(t.tolist(), y.tolist(), strict=True)
    ]
    assert row.errors(f, t, x, y) == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("x", [-700.0, -300.0, -37.0, -20.0, -1.0, 0.0, 1.0, 20.0, 37.0, 300.0, 700.0])
@pytest.mark.parametrize("t", [0.0, 1.0, 0.25])
def test_cross_entropy_of_logistic_in_the_tails(x, t):
    """Value and error term are right to 8 ulp for |x| up to 700, where y and 1 - y are long since rounded to 0 or 1."""
    row, f, at, target = OBJECTIVES["cross_entropy"], ACTIVATIONS["logistic"], np.array([[x]]), np.array([[t]])
    with mpmath.workdps(700):
        exact_t, y = mpmath.mpf(t), 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
        value = float(-exact_t * mpmath.log(y) - (1 - exact_t) * mpmath.log1p(-y))
        term = float(exact_t - y)
    assert row.errors(f, target, at, f(at))[0] == pytest.approx(value, rel=8 * EPS, abs=0)
    assert row.error_term(f, target, at, f(at))[0, 0] == pytest.approx(term, rel=8 * EPS, abs=0)


@pytest.mark.parametrize("gap", [0.0, 1.0, 20.0, 37.0, 300.0, 700.0])
def test_cross_entropy_of_softmax_in_the_tails(gap):
    """For a certain and a certainly wrong prediction, value and error term are right to 8 ulp, 700 apart."""
    row, f = OBJECTIVES["cross_entropy"], ACTIVATIONS["softmax"]
    x = np.array([[gap, 0.0, -1.0], [gap, 0.0, -1.0]])
    t = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    e = row.error_term(f, t, x, f(x))
    with mpmath.workdps(700):
        z = [mpmath.exp(mpmath.mpf(x_j)) for x_j in x[0].tolist()]
        y = [z_j / sum(z) for z_j in z]
        values = [float(-mpmath.log1p(-(y[1] + y[2]))), float(-mpmath.log(y[1]))]
        terms = [[float(mpmath.mpf(t_pj) - y_j) for t_pj, y_j in zip(t_p, y, strict=True)] for t_p in t.tolist()]
    assert row.errors(f, t, x, f(x)) == pytest.approx(values, rel=8 * EPS, abs=0)
    assert e == pytest.approx(np.array(terms), rel=8 * EPS, abs=0)


@pytest.mark.parametrize("output", ["exp", "softplus"])
@pytest.mark.parametrize("x", [-1000.0, -800.0, -700.0, -50.0, -37.0, -21.0, -1.0, 0.0, 3.0, 50.0, 700.0])
def test_poisson_in_the_tails(output, x):
    """Poisson takes no logarithm of y, which may round to 0: value and error term are right to 8 ulp of their terms."""
    row, f, at = OBJECTIVES["poisson"], ACTIVATIONS[output], np.array([[x]])
    for t in (0.0, 1.0, 17.0):
        with mpmath.workdps(900):
            exact, z = mpmath.mpf(t), mpmath.exp(mpmath.mpf(x))
            y, slope = (z, z) if output == "exp" else (mpmath.log1p(z), z / (1 + z))
            of_value = [y, -exact, -exact * mpmath.log(y), exact * mpmath.log(exact) if t else mpmath.mpf(0)]
            of_term = [exact * slope / y, -slope]
        target = np.array([[t]])
        for found, terms in (
            (row.errors(f, target, at, f(at))[0], of_value),
            (row.error_term(f, target, at, f(at))[0, 0], of_term),
        ):
            assert abs(found - float(sum(terms))) <= 8 * EPS * float(max(map(abs, terms)))


def test_certain_and_right_is_not_zero():
    """A prediction that is all but certain still has an error and an error term; the textbook forms round both to 0."""
    x, t = np.array([[40.0]]), np.array([[1.0]])
    row, f = OBJECTIVES["cross_entropy"], ACTIVATIONS["logistic"]
    assert -np.log(f(x)) == 0
    assert row.errors(f, t, x, f(x))[0] == pytest.approx(np.exp(-40), rel=4 * EPS)
    assert row.error_term(f, t, x, f(x))[0, 0] == pytest.approx(np.exp(-40), rel=4 * EPS)


def test_perfect_prediction_has_no_error():
    """E is 0 where y = t, for Poisson too, which is half the deviance; cross-entropy is then that of the targets."""
    t = np.array([[0.5, 2.0, 3.0]])
    for goal, output, x in (("sse", "identity", t), ("huber", "identity", t), ("absolute", "identity", t)):
        f = ACTIVATIONS[output]
        assert OBJECTIVES[goal].errors(f, t, x, f(x)).tolist() == [0]
        assert OBJECTIVES[goal].error_term(f, t, x, f(x)).tolist() == [[0, 0, 0]]
    f = ACTIVATIONS["exp"]
    assert OBJECTIVES["poisson"].errors(f, t, np.log(t), t) == pytest.approx([0], abs=4 * EPS)


def test_several_labels():
    """Cross-entropy with several logistic outputs counts each as a label of its own, and a missing one not at all."""
    x, t = np.array([[0.3, -1.0, 2.0]]), np.array([[1.0, np.nan, 0.0]])
    row, f = OBJECTIVES["cross_entropy"], ACTIVATIONS["logistic"]
    y = f(x)
    assert row.errors(f, t, x, y)[0] == pytest.approx(-np.log(y[0, 0]) - np.log(1 - y[0, 2]), rel=1e-14)
    assert row.error_term(f, t, x, y) == pytest.approx(np.array([[1 - y[0, 0], 0, -y[0, 2]]]), rel=1e-14)


def test_softmax_targets_need_not_add_up_to_1():
    """The error term of softmax with cross-entropy is t - yΣt, whatever the targets of a pattern add up to."""
    x, t = np.array([[0.3, -1.0, 2.0]] * 3), np.array([[1.0, 1.0, 0.0], [0.2, 0.1, 0.0], [0.0, 0.0, 0.0]])
    row, f = OBJECTIVES["cross_entropy"], ACTIVATIONS["softmax"]
    y = f(x)
    assert row.error_term(f, t, x, y) == pytest.approx(t - y * t.sum(axis=1, keepdims=True), abs=4 * EPS)


def test_kinks():
    """Where E bends, the error term is 0 for absolute; Huber's slope is continuous, so both sides agree."""
    f, t = ACTIVATIONS["identity"], np.zeros((1, 3))
    x = np.array([[0.0, 1.0, -1.0]])
    assert OBJECTIVES["absolute"].error_term(f, t, x, x).tolist() == [[0, -1, 1]]
    assert OBJECTIVES["huber"].error_term(f, t, x, x).tolist() == [[0, -1, 1]]
    assert OBJECTIVES["huber"].errors(f, t, x, x).tolist() == [1]
    assert [row.kinks for row in OBJECTIVES.values()] == [(), (), (), (), (0.0,)]


@pytest.mark.parametrize(("goal", "output"), PAIRS)
def test_nan_net_value_is_seen(goal, output):
    """A net value that is not a number makes E and the error term NaN: nothing hides it on its way to the user."""
    row, f, x, t = OBJECTIVES[goal], ACTIVATIONS[output], np.array([[np.nan, 1.0]]), np.array([[0.5, 0.5]])
    assert np.isnan(row.errors(f, t, x, f(x)))[0]
    assert np.isnan(row.error_term(f, t, x, f(x)))[0, 0]


@pytest.mark.parametrize(("goal", "output"), PAIRS)
def test_float32_stays_float32(goal, output):
    """Value and error term of float32 net values are float32."""
    x = np.linspace(-2, 2, 12, dtype=np.float32).reshape(4, 3)
    t = targets_for(goal, x.shape, np.random.default_rng(0)).astype(np.float32)
    row, f = OBJECTIVES[goal], ACTIVATIONS[output]
    assert row.errors(f, t, x, f(x)).dtype == row.error_term(f, t, x, f(x)).dtype == np.float32


# --- penalties and weights of patterns -------------------------------------------------------------------------------


def test_penalties():
    """E adds l1 Σ|w| + ½ l2 Σw²; its gradient is l1 sign(w) + l2 w, flat at 0."""
    w = np.array([-2.0, 0.0, 3.0])
    assert penalty(w, 0.5, 0.1) == 0.5 * 5 + 0.05 * 13
    assert penalty_gradient(w, 0.5, 0.1) == pytest.approx(np.array([-0.7, 0.0, 0.8]), rel=EPS)


@pytest.mark.parametrize("penalize_bias", [False, True])
def test_penalties_count_weights_and_biases_only_if_asked(penalize_bias):
    """The penalties are of the weights, not of the biases unless asked, once and not once a pattern."""
    net = Network([2, 3, 1], l1=0.5, l2=0.1, penalize_bias=penalize_bias)
    net.b[1] = [1.0, -2.0, 0.0]
    counted = np.concatenate([net.w[1].ravel(), net.w[2].ravel(), *([net.b[1]] if penalize_bias else [])])
    bare = net.without_penalty()
    for patterns in (1, 5):
        inputs, t = np.ones((patterns, 2)), np.zeros((patterns, 1))
        trace = forward(net, inputs)
        difference = error(net, trace, t) - error(bare, trace, t)
        assert difference == pytest.approx(0.5 * np.abs(counted).sum() + 0.05 * (counted**2).sum(), rel=1e-14)
        e = error_terms(net, trace, t)
        g, g_bare = gradient(net, trace, e), gradient(bare, trace, e)
        assert g.w[1] - g_bare.w[1] == pytest.approx(0.5 * np.sign(net.w[1]) + 0.1 * net.w[1], rel=1e-13)
        expected = 0.5 * np.sign(net.b[1]) + 0.1 * net.b[1] if penalize_bias else np.zeros(3)
        assert g.b[1] - g_bare.b[1] == pytest.approx(expected, rel=1e-13)
    assert net.penalized.sum() == counted.size + penalize_bias


def test_known_patterns():
    """A pattern counts 1 if it has a known target, and 0 if all of them are missing."""
    assert known_patterns(np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, 0.0]])).tolist() == [1, 0, 1]


# --- the best constant -----------------------------------------------------------------------------------------------


def mean_loss(row, f, t, s):
    """E of predicting c for every pattern, a function of c, by loops over the twin's losses."""
    literal = naive.loss["cross_entropy of softmax" if (row.name, f.name) == ("cross_entropy", "softmax") else row.name]

    def E(c):
        total = 0.0
        for t_p, s_p in zip(t.tolist(), s.tolist(), strict=True):
            total += s_p * sum(literal(t_j, c_j) for t_j, c_j in zip(t_p, c, strict=True) if not math.isnan(t_j))
        return total / s.sum()

    return E


@pytest.mark.parametrize(
    ("goal", "output"),
    [
        ("sse", "identity"),
        ("huber", "identity"),
        ("absolute", "identity"),
        ("poisson", "exp"),
        ("cross_entropy", "logistic"),
        ("cross_entropy", "softmax"),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_best_constant_is_the_best(goal, output, seed):
    """No constant that SciPy finds is better, and the E reported with it is its E, with weights and missing targets."""
    random = np.random.default_rng(seed)
    row, f = OBJECTIVES[goal], ACTIVATIONS[output]
    t = targets_for(goal, (11, 2), random) * (3 if goal == "huber" else 1)
    if output != "softmax":
        t[random.random(t.shape) < 0.2] = np.nan
    t[4 + seed] = np.nan
    t[0] = 0.2, 0.7
    s = random.choice([0.0, 1.0, 2.5], 11) * known_patterns(t)
    s[0] = 1.0
    E = mean_loss(row, f, t, s)

    found = min(
        minimize(lambda x: E(f(x[None])[0]), start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13}).fun
        for start in (np.zeros(2), np.nanmedian(t, axis=0))
    )
    c, lowest = best_constant(row, f, t, s)
    assert lowest == pytest.approx(E(c), rel=1e-13)
    assert found * (1 - 1e-6) <= lowest <= found * (1 + 1e-12)


def test_best_constant_at_the_borders():
    """Labels all 0 or all 1 and counts that are all 0 are predicted exactly, at E = 0 and without a warning."""
    s = np.ones(3)
    for goal, output, t in (
        ("cross_entropy", "logistic", np.tile([0.0, 1.0], (3, 1))),
        ("cross_entropy", "softmax", np.tile([0.0, 1.0], (3, 1))),
        ("poisson", "exp", np.zeros((3, 2))),
        ("absolute", "identity", np.tile([3.0, -2.0], (3, 1))),
    ):
        c, lowest = best_constant(OBJECTIVES[goal], ACTIVATIONS[output], t, s)
        assert c == pytest.approx(t[0])
        assert abs(lowest) <= 1e-15


def test_best_constant_of_an_output_without_targets():
    """An output none of whose targets is known adds nothing to E."""
    t = np.array([[1.0, np.nan], [3.0, np.nan]])
    for goal in ("sse", "huber", "absolute"):
        assert best_constant(OBJECTIVES[goal], ACTIVATIONS["identity"], t, np.ones(2))[1] == pytest.approx(
            {"sse": 0.5, "huber": 0.5, "absolute": 1.0}[goal]
        )


def test_best_constant_of_ones_own():
    """For one's own objective it is found by halving, where the residuals cancel."""
    t, s = np.random.default_rng(0).exponential(size=(9, 1)), np.arange(9.0)
    own = Objective("fourth", lambda t, y: (t - y) ** 4, lambda t, y: 4 * (t - y) ** 3)
    c, lowest = best_constant(own, ACTIVATIONS["identity"], t, s)
    found = minimize(lambda c: (s[:, None] * (t - c) ** 4).sum() / s.sum(), [1.0], method="Nelder-Mead")
    assert c == pytest.approx(found.x, abs=1e-4)
    assert lowest <= found.fun * (1 + 1e-12)


# --- the table and one's own -----------------------------------------------------------------------------------------


def test_the_table():
    """The five objectives, with the outputs they go with and the targets they allow."""
    assert list(OBJECTIVES) == ["sse", "cross_entropy", "poisson", "huber", "absolute"]
    assert {name: row.outputs for name, row in OBJECTIVES.items() if row.outputs} == {
        "cross_entropy": ("logistic", "softmax"),
        "poisson": ("exp", "softplus"),
    }
    assert OBJECTIVES["cross_entropy"].domain == (0, 1)
    assert OBJECTIVES["poisson"].domain == (0, np.inf)
    assert all(row.portable and objective(name) is row for name, row in OBJECTIVES.items())
    for row in OBJECTIVES.values():
        assert pickle.loads(pickle.dumps(row)) is row
        assert copy.deepcopy(row) is row
        assert repr(row) == f"Objective({row.name!r})"
    names = "sse, cross_entropy, poisson, huber, absolute"
    with pytest.raises(ValueError, match=rf"^objective must be one of {names}; got 'cross-entropy'\. Did you mean"):
        objective("cross-entropy")
    with pytest.raises(ValueError, match=r"got 5\. Or pass an Objective of your own\.$"):
        objective(5)


def log_cosh(t, y):
    """A smooth absolute error."""
    return np.log(np.cosh(t - y))


def log_cosh_residual(t, y):
    """Minus its slope by y."""
    return np.tanh(t - y)


def quantile(t, y, p):
    """The 80 % quantile's."""
    return p.where(t > y, 0.8 * (t - y), 0.2 * (y - t))


def quantile_residual(t, y, p):
    """Minus its slope by y."""
    return p.where(t > y, p.full_like(y, 0.8), -0.2)


OWN = {
    "log_cosh": Objective("log_cosh", log_cosh, log_cosh_residual),
    "quantile": Objective("quantile", quantile, quantile_residual, kinks=(0.0,)),
    "half": Objective("half", lambda t, y: (t - y) ** 2 / 4, lambda t, y: (t - y) / 2),
    "positive": Objective(
        "positive", lambda t, y, p: t / y + p.log(y), lambda t, y, p: t / y**2 - 1 / y, domain=(0, 9), outputs=("exp",)
    ),
}


@pytest.mark.parametrize("name", list(OWN))
def test_own_objective(name):
    """One row of loss and residual is enough: E, its gradient, missing targets and any output follow, softmax too."""
    random = np.random.default_rng(4)
    row = OWN[name]
    for output in row.outputs or ("identity", "tanh", "softmax"):
        net = Network([3, 4, 2], ["tanh", output], row, seed=1, l2=0.1)
        inputs, t = random.normal(size=(6, 3)), random.random((6, 2))
        t[2] = np.nan
        weights = np.arange(6.0)
        trace = forward(net, inputs)
        g = gradient(net, trace, error_terms(net, trace, t), weights).theta

        def E(theta, net=net, inputs=inputs, t=t, weights=weights):
            there = net.replace(theta)
            return error(there, forward(there, inputs), t, weights)

        if row.name == "log_cosh":  # NumPy's complex log and cosh are analytic, and keep an imaginary part of 1e-30
            assert not row.portable
        oracle = np.array([complex_step(E, net.theta, d) for d in np.eye(net.n_parameters)])
        assert np.abs(g - oracle).max() <= 1e-13 * np.abs(oracle).max()


def test_own_objective_has_an_output_of_its_own():
    """A network takes the output activation that one's own objective names."""
    own = Objective("own", log_cosh, log_cosh_residual, output="softplus")
    assert [row.name for row in Network([2, 3, 1], objective=own).f[1:]] == ["tanh", "softplus"]
    with pytest.raises(ValueError, match=r"^activations must end with 'exp' for objective 'positive'; got 'identity'"):
        Network([2, 3, 1], ["tanh", "identity"], OWN["positive"])


def test_own_objective_travels():
    """Copies and pickles of one's own carry everything it was given."""
    own = Objective(
        "own", log_cosh, log_cosh_residual, kinks=(9.0,), domain=(-1, 1), outputs=("tanh", "sine"), output="sine",
        best_is_mean=True, fused={"sine": Fused(quantile, quantile_residual)},
    )  # fmt: skip
    for there in (pickle.loads(pickle.dumps(own)), copy.deepcopy(own), copy.copy(own)):
        for field in ("name", "kinks", "domain", "outputs", "output", "best_is_mean", "fused", "portable", "given"):
            assert getattr(there, field) == getattr(own, field), field
        assert there.loss(1.0, 0.5) == own.loss(1.0, 0.5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ("sign", log_cosh, lambda t, y: np.tanh(y - t)),
            "residual of objective 'sign' must be minus the derivative of loss by y; got 0.0698859 at t = -2, "
            "y = -1.93, where minus the slope of loss is -0.0698859. Correct residual, or name a kink of t - y with "
            "kinks=(...).",
        ),
        (
            ("factor", lambda t, y: (t - y) ** 2, lambda t, y: t - y),
            "residual of objective 'factor' must be minus the derivative of loss by y; got -0.07 at t = -2, y = -1.93, "
            "where minus the slope of loss is -0.14. ",
        ),
        (
            ("mean", lambda t, y: np.mean((t - y) ** 2), lambda t, y: t - y),
            "loss and residual of objective 'mean' must give a float for every output; got shapes () and (102,) for "
            "(102,). Leave the sums to Chainrule.",
        ),
        (
            ("raises", lambda t, y: t.nothing, lambda t, y: t - y),
            "loss and residual of objective 'raises' must take arrays of targets and outputs; they raised "
            "AttributeError: 'numpy.ndarray' object has no attribute 'nothing'. Write them with operators and "
            "NumPy's functions.",
        ),
        (
            ("nan", lambda t, y: t * np.nan, lambda t, y: t - y),
            "residual of objective 'nan' must be minus the derivative of loss by y; got -0.07 at t = -2, y = -1.93, "
            "where minus the slope of loss is nan. ",
        ),
        (
            ("sse", log_cosh, log_cosh_residual),
            "name must be a new name for an Objective of your own; got 'sse'. Choose one that is not among sse, ",
        ),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_what_is_wrong_with_ones_own(given, sentence):
    """A wrong residual is found when the objective is built, and the message names the objective and the place."""
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        Objective(*given)
