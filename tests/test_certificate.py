"""The certificate passes right gradients and no wrong ones, and says what it checked and where something is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from chainrule import (
    Activation,
    Network,
    Objective,
    backprop,
    check,
    error,
    error_terms,
    forward,
    gradient,
    input_gradient,
    train,
)
from chainrule.certificate import _Judged
from chainrule.network import Gradient
from chainrule.oracles import central_difference, complex_step
from random_networks import PAIRS, random_case

EPS = float(np.finfo(float).eps)


def of_page(net: Network, inputs: Any, t: Any, s: Any, total: Any) -> Gradient:
    """The page's gradient, to be spoiled."""
    trace = forward(net, inputs)
    return gradient(net, trace, error_terms(net, trace, t), s, total)


def E_of_page(net: Network, inputs: Any, t: Any, s: Any, total: Any) -> Any:
    """The page's E, to be spoiled."""
    return error(net, forward(net, inputs), t, s, total)


def spoiled(block: str, place: Any, off: float, only_at: np.ndarray | None = None) -> Callable[..., Gradient]:
    """The page's gradient with one number of w[i] or b[i] off, everywhere or at one θ."""

    def wrong(net: Network, *rest: Any) -> Gradient:
        g = of_page(net, *rest)
        if only_at is None or np.array_equal(net.theta, only_at):
            getattr(g, block[0])[int(block[2:-1])][place] += off
        return g

    return wrong


def patterns(net: Network, n: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets."""
    random = np.random.default_rng(seed)
    return random.normal(size=(n, net.sizes[0])), random.normal(size=(n, net.sizes[-1]))


# --- random networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", range(20))
def test_page_agrees_with_both_oracles_on_random_networks(chunk: int) -> None:
    """On 200 random networks of every kind the page is certified to 1e-12 by the complex step, which leaves rounding
    alone, and on every other one to 1e-7 by differences. (benchmarks/certificate.py does 2,000, and every entry.)
    """
    for seed in range(10 * chunk, 10 * chunk + 10):
        case = random_case(10_000 + seed)
        for oracle, limit in (("complex step", 1e-12), ("central differences", 1e-7))[: 1 + seed % 2]:
            certificate = check(*case.arguments, total=case.total, oracle=oracle, every_entry=60 if limit < 1e-7 else 0)
            assert certificate.ok, f"{case}\n{certificate}"
            assert certificate.relative_error <= limit, f"{case}\n{certificate}"
            assert not certificate.kinks
            assert certificate.oracle == oracle


@pytest.mark.parametrize(("goal", "output"), PAIRS)
def test_page_agrees_with_jax_on_every_objective_and_output(goal: str, output: str) -> None:
    """jax.grad of the page's E in float64 gives the page's gradient, and of E_p its input gradient, to 1e-13 of the
    block's largest entry, which leaves rounding alone. (benchmarks/certificate.py does 2,000 networks.)
    """
    case = random_case(PAIRS.index((goal, output)), largest=8, deepest=2 if goal == "sse" else 1)
    net, inputs, t, s = case.arguments
    assert (net.objective.name, net.f[-1].name) == (goal, output)

    def E(theta: Any, inputs: Any) -> Any:
        of = net.replace(theta)
        trace = forward(of, inputs)
        return error(of, trace, t, s, case.total), net.objective.errors(net.f[-1], t, trace.x[-1], trace.y[-1]).sum()

    def gradients(theta: Any, inputs: Any) -> Any:
        _, pull = jax.vjp(E, theta, inputs)
        return pull((1.0, 0.0))[0], pull((0.0, 1.0))[1]

    g, d = (np.asarray(found) for found in jax.jit(gradients)(net.theta, inputs))
    e = error_terms(net, forward(net, inputs), t)
    page = of_page(net, inputs, t, s, case.total).theta
    for block in net.blocks:
        largest = np.abs(g[block.part]).max()
        np.testing.assert_allclose(page[block.part], g[block.part], rtol=0, atol=1e-13 * largest)
    np.testing.assert_allclose(input_gradient(net, e), d, rtol=0, atol=1e-13 * np.abs(d).max())


def test_random_networks_are_of_every_kind() -> None:
    """The twin of the claims above: 200 seeds give every objective and output, every hidden activation, every depth and
    both extremes of width, weights with and without zeros, single and whole missing rows, totals and penalties.
    """
    cases = [random_case(10_000 + seed) for seed in range(200)]
    nets = [case.net for case in cases]
    assert {(net.objective.name, net.f[-1].name) for net in nets} == set(PAIRS)
    assert {net.depth for net in nets} == set(range(1, 9))
    assert {len(case.inputs) for case in cases} == set(range(1, 7))
    widths = {nodes for net in nets for nodes in net.sizes}
    assert {1, 33} <= widths
    assert len({row.name for net in nets for row in net.f[1:-1]}) == 14
    assert any(net.l1 for net in nets)
    assert any(net.l2 and net.penalize_bias for net in nets)
    assert {any(net.bias) + all(net.bias) for net in nets} == {0, 1, 2}
    assert any(case.total is not None for case in cases)
    assert any(case.weights is None for case in cases)
    assert {bool((case.weights == 0).any()) for case in cases if case.weights is not None} == {False, True}
    missing = [np.isnan(case.targets) for case in cases]
    assert any((rows.any(axis=1) & ~rows.all(axis=1)).any() for rows in missing)
    assert any(rows.all(axis=1).any() for rows in missing)
    assert repr(random_case(3).net) == repr(random_case(3).net)
    assert np.array_equal(random_case(3).net.theta, random_case(3).net.theta)


# --- the oracles -----------------------------------------------------------------------------------------------------

ONE = np.ones(1)


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (lambda x: np.tanh(x[0]), 0.3, 1 / np.cosh(0.3) ** 2),
        (lambda x: np.exp(20 * x[0]), 1.0, 20 * np.exp(20)),
        (lambda x: np.log(x[0]), 0.01, 100.0),
        (lambda x: 1e6 + 1e-3 * np.sin(x[0]), 0.3, 1e-3 * np.cos(0.3)),
        (lambda x: np.sin(1e8 * x[0]), 3e-9, 1e8 * np.cos(0.3)),
        (lambda x: np.maximum(x[0] - 1e-6, 0) + x[0], 0.0, 1.0),
        (lambda x: np.where(x[0] > 0, x[0], np.expm1(x[0])), 0.0, 1.0),
        (lambda x: x[0] ** 4, 0.0, 0.0),
        (lambda x: 3.0 + 0 * x[0], 0.7, 0.0),
        (lambda x: x[0] ** 2, 1e5, 2e5),
    ],
    ids=[
        "tanh",
        "steep",
        "domain",
        "small beside E",
        "tiny scale",
        "kink nearby",
        "bent twice",
        "flat",
        "constant",
        "far",
    ],
)
def test_difference_knows_how_far_off_it_may_be(f: Callable[..., Any], at: float, slope: float) -> None:
    """The step is found for every scale, and the slope is right within 32 times the uncertainty, the room that the
    certificate gives; a smooth place is not called a kink.
    """
    found = central_difference(f, np.array([at]), ONE)
    assert abs(found.slope - slope) <= 32 * found.uncertainty
    assert found.uncertainty <= 1e-8 * abs(slope) + 1e-10 + EPS * abs(f(np.array([at]))) / 0.01
    assert not found.kinked


@pytest.mark.parametrize(
    ("f", "left", "right"),
    [
        (lambda x: abs(x[0]), -1, 1),
        (lambda x: np.maximum(x[0], 0) + np.sin(x[0]), 1, 2),
        (lambda x: 0.01 * abs(x[0]) + 50 * np.sin(x[0]), 49.99, 50.01),
        (lambda x: 1e3 + np.where(x[0] > 0, 0.3, 0.1) * x[0], 0.1, 0.3),
    ],
    ids=["abs", "relu and more", "small kink", "beside a large E"],
)
def test_difference_finds_a_kink_and_both_slopes(f: Callable[..., Any], left: float, right: float) -> None:
    """At a kink the differences to either side do not meet, and both are given, to 1e-6."""
    found = central_difference(f, np.zeros(1), ONE)
    assert found.kinked
    np.testing.assert_allclose([found.left, found.right], [left, right], rtol=1e-6, atol=1e-6)


def test_difference_of_many_numbers_is_the_difference_of_each() -> None:
    """E may be one number per pattern; each gets its own step, to the ten digits at which halving stops."""
    scale = np.array([1.0, 1e-3, 40.0])
    found = central_difference(lambda x: np.sin(scale * x[0]), np.array([0.3]), ONE)
    np.testing.assert_allclose(found.slope, scale * np.cos(0.3 * scale), rtol=1e-9)


def test_complex_step_gives_the_slope_from_either_side() -> None:
    """At relu's kink the sign of the step chooses the side, and the slopes are exact."""
    net = Network.from_weights([[[2.0]]], activations=["relu"])
    for side, slope in ((1, 2.0), (-1, 0.0)):
        assert complex_step(lambda x: forward(net, x).y[1][0, 0], np.zeros((1, 1)), np.ones((1, 1)), side) == slope


# --- what is checked -------------------------------------------------------------------------------------------------


def test_float32_network_is_checked_in_float64() -> None:
    """A float32 network is certified to 1e-12, which float32 arithmetic could not reach, at the very same weights; the
    network keeps its type.
    """
    net = Network([3, 5, 2], seed=4, dtype="float32")
    inputs, targets = patterns(net)
    certificate = check(net, inputs, targets)
    assert certificate.ok
    assert certificate.relative_error < 1e-12
    assert float(E_of_page(net.astype("float64"), inputs, targets, None, None)) == certificate.E
    assert net.dtype == np.float32
    trace = forward(net, inputs)
    coarse = gradient(net, trace, error_terms(net, trace, targets)).theta
    assert not check(net, inputs, targets, gradient=lambda net, *rest: net.replace(coarse.astype(float))).ok


def test_network_of_jax_is_checked() -> None:
    """A network and patterns that are arrays of JAX get the certificate of the same in NumPy."""
    net = Network([3, 4, 2], seed=2)
    inputs, targets = patterns(net)
    of_jax = check(net.replace(jnp.asarray(net.theta)), jnp.asarray(inputs), jnp.asarray(targets))
    assert of_jax == check(net, inputs, targets)


def test_same_seed_gives_the_same_certificate() -> None:
    """Directions and selection depend on the seed only."""
    net = Network([30, 20, 1], seed=0)
    inputs, targets = patterns(net)
    first, again, other = (check(net, inputs, targets, every_entry=50, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.reported != other.reported


LARGE = Network([99, 800, 1], seed=0)


def test_large_network_is_checked_by_directions_and_a_selection_and_says_so() -> None:
    """80,801 parameters take a few hundred evaluations; what was done stands in scope, and '+' marks a block of which
    only some entries were taken one by one.
    """
    inputs, targets = patterns(LARGE)
    certificate = check(LARGE, inputs, targets, every_entry=500)
    assert certificate.ok
    assert certificate.relative_error < 1e-12
    assert certificate.scope == (
        "80,801 parameters, by a direction through every block and a selection, 4 patterns, 50 of 99 inputs"
    )
    checked = {block.name: (block.entries, block.checked) for block in certificate.blocks}
    assert checked == {"w[1]": (79_200, 9), "b[1]": (800, 9), "w[2]": (800, 9), "b[2]": (1, 1), "y[0]": (396, 200)}
    assert re.search(r"w\[1\] +9\+ ", str(certificate))
    small = check(Network([3, 2]), np.ones((1, 3)), np.zeros((1, 2)))
    assert small.scope == "each of 8 parameters, 1 pattern"
    assert all(block.checked == block.entries for block in small.blocks)
    assert "+ " not in str(small)


@pytest.mark.parametrize(("place", "off"), [((0, 0), 1e-3), ((7, 3), -1e-7), ((523, 45), 1e-6), ((799, 98), -1e-5)])
def test_single_wrong_entry_among_80_000_is_found_by_name(place: tuple[int, int], off: float) -> None:
    """One entry of w[1] that is off, by no more than a millionth of the block's largest, is named, through halving."""
    inputs, targets = patterns(LARGE)
    certificate = check(LARGE, inputs, targets, every_entry=500, gradient=spoiled("w[1]", place, off))
    assert not certificate.ok
    assert certificate.worst.name == f"w[1][{place[0]},{place[1]}]"
    np.testing.assert_allclose(certificate.worst.gradient - certificate.worst.oracle, off, rtol=1e-6)
    assert [block.name for block in certificate.blocks if not block.ok] == ["w[1]"]


def test_own_activation_in_any_python_is_checked_by_differences() -> None:
    """Functions not written with the primitives cannot take complex steps; differences are used and named."""
    bent = Activation("own", np.arctan, lambda x: 1 / (1 + x * x))
    net = Network([3, 4, 2], activations=[bent, "identity"], seed=1)
    certificate = check(net, *patterns(net))
    assert certificate.ok
    assert certificate.oracle == "central differences"
    assert "(central differences)" in str(certificate)
    assert certificate.relative_error < 1e-8
    assert not check(net, *patterns(net), gradient=spoiled("b[1]", 2, 1e-4)).ok
    portable = Activation("own", lambda x, p: x * p.exp(-p.abs(x)), lambda x, p: (1 - p.abs(x)) * p.exp(-p.abs(x)))
    net = Network([3, 4, 2], activations=[portable, "identity"], seed=1)
    assert check(net, *patterns(net)).oracle == "complex step"
    quartic = Objective("own", lambda t, y: (t - y) ** 4, lambda t, y: 4 * (t - y) ** 3)
    net = Network([3, 4, 2], objective=quartic, seed=1)
    certificate = check(net, *patterns(net))
    assert (certificate.ok, certificate.oracle) == (True, "central differences")


def test_arguments_are_never_changed() -> None:
    """A gradient that writes into the network it is given spoils neither the caller's network nor the certificate."""
    net = Network([3, 4, 2], seed=1)
    inputs, targets = patterns(net)
    before = net.theta.copy()

    def updating(net: Network, *rest: Any) -> Gradient:
        g = of_page(net, *rest)
        net.theta[:] -= 0.1 * g.theta
        return g

    certificate = check(net, inputs, targets, gradient=updating)
    assert certificate.ok
    np.testing.assert_array_equal(net.theta, before)


# --- kinks -----------------------------------------------------------------------------------------------------------


def bent(activation: str) -> tuple[Network, np.ndarray, np.ndarray]:
    """A net value of exactly 0 by cancellation, 1·1 − 1·1, beside one of 2. y = 4, t = 1, so that e[2] is −3."""
    net = Network.from_weights(
        [[[1.0, -1.0], [1.0, 1.0]], [[3.0, 2.0]]], [[0.0, 0.0], [0.0]], activations=[activation, "identity"]
    )
    y = 2 * forward(net, np.ones((1, 2))).y[1][0, 1]
    return net, np.ones((1, 2)), np.array([[y - 3.0]])


SELU = 1.0507009873554805
SLOPES = {"relu": (0.0, 1.0), "leaky_relu": (0.01, 1.0), "selu": (SELU * 1.6732632423543772, SELU)}


@pytest.mark.parametrize("oracle", ["complex step", "central differences"])
@pytest.mark.parametrize("activation", SLOPES)
def test_kink_of_an_activation_is_reported_with_both_slopes(activation: str, oracle: str) -> None:
    """E changes by 3 · 3 f' along the net value at 0. Its bias, its weights and both inputs are reported, each with the
    slopes on either side; the node beside it, the output's weights and everything above are not. The page's f' from the
    left is accepted, and so is any value between. The slopes hold to 1e-6, the tolerance of differences.
    """
    net, inputs, targets = bent(activation)
    left, right = (9 * slope for slope in SLOPES[activation])
    beside = 3 * 2 * SLOPES[activation][1]
    certificate = check(net, inputs, targets, oracle=oracle)
    assert certificate.ok, str(certificate)
    expected = {
        "b[1][0]": (left, right),
        "w[1][0,0]": (left, right),
        "w[1][0,1]": (left, right),
        "y[0][0,0]": (beside + left, beside + right),
        "y[0][0,1]": (beside - right, beside - left),
    }
    assert {kink.name for kink in certificate.kinks} == set(expected)
    for kink in certificate.kinks:
        np.testing.assert_allclose((kink.left, kink.right), expected[kink.name], rtol=1e-6, atol=1e-6)
    assert f"where E bends from {left:.3e} to {right:.3e}" in str(certificate).replace("-0.0", "0.0")

    half = check(net, inputs, targets, oracle=oracle, gradient=spoiled("b[1]", 0, (right - left) / 2, net.theta))
    assert half.ok
    wrong = check(net, inputs, targets, oracle=oracle, gradient=spoiled("b[1]", 0, 1.1 * (right - left), net.theta))
    assert [block.name for block in wrong.blocks if not block.ok] == ["b[1]"]
    assert wrong.worst.name == "b[1][0]"
    neighbour = check(net, inputs, targets, oracle=oracle, gradient=spoiled("b[1]", 1, 1e-4, net.theta))
    assert [block.name for block in neighbour.blocks if not block.ok] == ["b[1]"]
    assert neighbour.worst.name == "b[1][1]"


@pytest.mark.parametrize("oracle", ["complex step", "central differences"])
def test_kink_of_the_absolute_error_is_reported(oracle: str) -> None:
    """Where t = y for one output, E's slope by its bias goes from −1 to 1; 0.9 is accepted there and 1.1 is not, though
    an ulp more or less decides the sign of the residual. The other output is no kink.
    """
    net = Network.from_weights([[[1.0, 2.0], [3.0, 1.0]]], [[0.5, 0.0]], activations=["identity"], objective="absolute")
    inputs, targets = np.array([[1.0, 1.0]]), np.array([[3.5, 0.0]])
    certificate = check(net, inputs, targets, oracle=oracle)
    assert certificate.ok
    names = {"b[1][0]", "w[1][0,0]", "w[1][0,1]", "y[0][0,0]", "y[0][0,1]"}
    assert {kink.name for kink in certificate.kinks} == names
    kink = next(kink for kink in certificate.kinks if kink.name == "b[1][0]")
    np.testing.assert_allclose((kink.left, kink.gradient, kink.right), (-1, 0, 1), rtol=1e-9, atol=1e-12)
    for node, off, ok in ((0, 0.9, True), (0, 1.1, False), (1, 1e-4, False)):
        assert check(net, inputs, targets, oracle=oracle, gradient=spoiled("b[1]", node, off, net.theta)).ok == ok


@pytest.mark.parametrize("oracle", ["complex step", "central differences"])
def test_kink_of_l1_is_reported(oracle: str) -> None:
    """At w = 0 the slope of l1·|w| goes from −l1 to l1, and that entry alone is reported; twice l1 is refused."""
    net = Network([2, 2], l1=0.25, seed=3)
    net.w[1][0, 1] = 0.0
    inputs, targets = patterns(net)
    g = of_page(net, inputs, targets, None, None).w[1][0, 1]
    certificate = check(net, inputs, targets, oracle=oracle)
    assert certificate.ok
    assert [kink.name for kink in certificate.kinks] == ["w[1][0,1]"]
    np.testing.assert_allclose((certificate.kinks[0].left, certificate.kinks[0].right), (g - 0.25, g + 0.25), rtol=1e-6)
    for off, ok in ((-0.25, True), (0.5, False)):
        assert check(net, inputs, targets, oracle=oracle, gradient=spoiled("w[1]", (0, 1), off, net.theta)).ok == ok


@pytest.mark.parametrize("oracle", ["complex step", "central differences"])
@pytest.mark.parametrize("activation", SLOPES)
def test_bends_of_several_layers_at_once_do_not_accuse_the_page(activation: str, oracle: str) -> None:
    """In a fresh network, whose biases are 0, a pattern of zeros puts every net value on the kink. Along one weight the
    slopes of E on both sides then need not enclose what f' from the left gives; the page is accepted all the same, and
    a wrong number is not.
    """
    for seed in range(2):
        net = Network([3, 5, 4, 3, 2], activations=[activation] * 3 + ["identity"], seed=seed)
        inputs, targets = patterns(net, seed=seed)
        inputs[0] = 0
        certificate = check(net, inputs, targets, oracle=oracle)
        assert certificate.ok, str(certificate)
        assert {kink.name.split("[")[0] for kink in certificate.kinks} == {"b", "y"}
        for block, place, off in (("b[2]", 1, 50.0), ("w[2]", (0, 0), 1e-4)):
            wrong = check(net, inputs, targets, oracle=oracle, gradient=spoiled(block, place, off, net.theta))
            assert [block.name for block in wrong.blocks if not block.ok] == [block]


@pytest.mark.parametrize("activation", SLOPES)
def test_net_values_that_rounding_leaves_beside_a_kink_do_not_accuse_the_page(activation: str) -> None:
    """Net values that would be 0 in exact arithmetic are ±1e-16 here, and in complex arithmetic another ±1e-16; that
    they lie on the kink is seen, and f' of whichever side the page is on is accepted. So with targets that are outputs
    but for an ulp, under the absolute error.
    """
    for seed in range(10):
        random = np.random.default_rng(seed)
        net = Network([5, 8, 3], activations=[activation, "identity"], objective="absolute", seed=seed)
        inputs = random.normal(size=(1, 5))
        net.b[1] = random.normal(size=8)
        net.w[1][:, 4] = -(net.w[1][:, :4] @ inputs[0, :4] + net.b[1]) / inputs[0, 4]
        trace = forward(net, inputs)
        assert 0 < np.abs(trace.x[1]).max() < 1e-15
        targets = trace.y[2] * (1 + EPS * np.array([1, 0, -1]))
        certificate = check(net, inputs, targets)
        assert certificate.ok, str(certificate)
        assert {"b[1][0]", "b[2][2]", "w[1][7,4]"} <= {kink.name for kink in certificate.kinks}
        assert not check(net, inputs, targets, gradient=spoiled("b[1]", 0, 20.0, net.theta)).ok


def test_smooth_places_of_bent_functions_are_no_kinks() -> None:
    """relu, leaky_relu and selu off their kinks, elu and Huber on theirs, where only f'' or the residual's slope jumps,
    and a bias of 0 that no penalty counts, are not reported.
    """
    for activation in ("relu", "leaky_relu", "selu"):
        net = Network([2, 3, 1], activations=[activation, "identity"], seed=5)
        assert not check(net, *patterns(net)).kinks
    net, inputs, targets = bent("elu")
    for oracle in ("complex step", "central differences"):
        assert not check(net, inputs, targets, oracle=oracle).kinks
    net = Network.from_weights([[[1.0]]], [[0.0]], activations=["identity"], objective="huber")
    certificate = check(net, np.ones((1, 1)), np.array([[2.0]]))
    assert certificate.ok
    assert not certificate.kinks
    assert not check(Network([2, 2], l1=0.1, seed=1), *patterns(Network([2, 2]))).kinks


# --- the E that is reported ------------------------------------------------------------------------------------------

WRONG_E = {
    "over the outputs, scikit-learn#8349": lambda net, *rest: E_of_page(net, *rest) / net.sizes[-1],
    "without its penalty": lambda net, *rest: E_of_page(net.without_penalty(), *rest),
    "with the penalty over the patterns": lambda net, *rest: (
        E_of_page(net.without_penalty(), *rest) + net.penalty() / len(rest[0])
    ),
    "without weights": lambda net, inputs, t, s, total: E_of_page(net, inputs, t, None, total),
    "a sum": lambda net, inputs, t, s, total: E_of_page(net, inputs, t, s, 1.0),
}


@pytest.mark.parametrize("name", WRONG_E)
def test_reported_error_must_be_the_function_differentiated(name: str) -> None:
    """A reported E that is scaled otherwise than its gradient, or leaves something out, is caught along a random
    direction, and both numbers are given; the page's own E passes the same way.
    """
    net = Network([3, 4, 2], seed=1, l2=0.1)
    arguments = (net, *patterns(net), np.array([1.0, 2.0, 0.5, 3.0]))
    good = check(*arguments, error=E_of_page)
    assert good.ok
    assert good.reported_ok
    assert "as the gradient says" in str(good)
    assert good.reported.gradient == pytest.approx(good.reported.oracle, rel=1e-6)
    wrong = check(*arguments, error=WRONG_E[name])
    assert not wrong.ok
    assert not wrong.reported_ok
    assert "but the gradient says" in str(wrong)
    assert wrong.reported.gradient == good.reported.gradient
    assert wrong.reported.oracle != pytest.approx(good.reported.oracle, rel=1e-3)
    assert pytest.approx(float(WRONG_E[name](*arguments, None)), rel=1e-15) == wrong.E


def test_reported_error_may_be_any_python() -> None:
    """An error that gives a float of Python cannot take complex steps; differences are used."""
    net = Network([3, 4, 2], seed=1)
    certificate = check(net, *patterns(net), error=lambda *given: float(E_of_page(*given)))
    assert certificate.ok
    assert certificate.oracle == "central differences"


def test_error_is_evaluated_as_it_is_reported() -> None:
    """An E that says one thing to the oracle and another to the user is caught, though every derivative is right."""
    net = Network([3, 4, 2], seed=1)

    def two_faced(net: Network, *rest: Any) -> Any:
        E = E_of_page(net, *rest)
        return E if np.iscomplexobj(E) else 2 * E

    certificate = check(net, *patterns(net), error=two_faced, oracle="complex step")
    assert all(block.ok for block in certificate.blocks)
    assert not certificate.reported_ok
    assert not certificate.ok


def test_reported_error_is_checked_on_a_kink_too() -> None:
    """On a kink a place beside it is taken, where E has one slope: a wrong E is still caught and a right one passes."""
    net = Network([3, 6, 5, 2], activations=["relu", "relu", "identity"], seed=0)
    inputs, targets = patterns(net)
    inputs[0] = 0
    assert check(net, inputs, targets, error=E_of_page).reported_ok
    assert not check(net, inputs, targets, error=WRONG_E["over the outputs, scikit-learn#8349"]).reported_ok


# --- somebody's own function -----------------------------------------------------------------------------------------


def test_own_function_of_an_array_a_list_or_a_dict() -> None:
    """f and its gradient may take an array of any shape, a number, a list of arrays or a dict of arrays, and entries
    are named accordingly.
    """
    A = np.arange(6.0).reshape(2, 3)
    of_array = check(lambda x: (x**2 * A).sum(), lambda x: 2 * x * A, np.ones((2, 3)))
    assert of_array.ok
    assert [block.name for block in of_array.blocks] == ["theta"]
    wrong = check(lambda x: (x**2 * A).sum(), lambda x: 2 * x * A + (A == 4), np.ones((2, 3)))
    assert wrong.worst.name == "theta[1,1]"
    assert check(lambda x: x**3, lambda x: 3 * x**2, 2.0).worst.name == "theta"
    assert check(lambda x: x @ x, lambda x: 2 * x, [1.0, 2.0]).ok

    def f(w: Any, v: Any) -> Any:
        return np.tanh(w @ np.ones(3)) @ v

    def g(w: Any, v: Any) -> Any:
        y = np.tanh(w @ np.ones(3))
        return np.outer(v * (1 - y * y), np.ones(3)), y

    w, v = np.linspace(-1, 1, 6).reshape(2, 3), np.array([1.0, -2.0])
    of_list = check(lambda theta: f(*theta), lambda theta: list(g(*theta)), [w, v])
    assert of_list.ok
    assert [block.name for block in of_list.blocks] == ["theta[0]", "theta[1]"]
    of_dict = check(
        lambda theta: f(**theta),
        lambda theta: dict(zip(("v", "w"), g(**theta)[::-1], strict=True)),  # in another order
        {"w": w, "v": v},
    )
    assert of_dict.ok
    assert [block.name for block in of_dict.blocks] == ["w", "v"]
    swapped = check(lambda theta: f(*theta), lambda theta: [2 * g(*theta)[0], g(*theta)[1]], (w, v))
    assert [block.name for block in swapped.blocks if not block.ok] == ["theta[0]"]


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.floats(-3, 3), st.integers(0, 5))
def test_own_quadratic_passes_and_one_wrong_entry_is_named(n: int, seed: int, scale: float, place: int) -> None:
    """½θAθ of any size and scale is certified with gradient Aθ; the same with one entry off by a thousandth of the
    largest is not, and the entry is named.
    """
    random = np.random.default_rng(seed)
    A = random.normal(size=(n, n)) * 10**scale
    A, theta, place = A + A.T, random.normal(size=n), place % n
    assert check(lambda x: x @ A @ x / 2, lambda x: A @ x, theta).ok
    largest = np.abs(A @ theta).max()
    wrong = check(lambda x: x @ A @ x / 2, lambda x: A @ x + 1e-3 * largest * np.eye(n)[place], theta)
    assert not wrong.ok
    assert wrong.worst.name == f"theta[{place}]"


def test_own_function_on_a_kink() -> None:
    """|θ| at 0 is reported as a kink; a gradient between −1 and 1 passes and another does not."""
    for g, ok in ((0.0, True), (1.0, True), (-0.5, True), (1.5, False)):
        certificate = check(
            lambda x: np.abs(x).sum(), lambda x, g=g: np.where(x == 0, g, np.sign(x)), np.array([2.0, 0.0])
        )
        assert certificate.ok == ok
        assert [kink.name for kink in certificate.kinks] == ["theta[1]"]


# --- right gradients that look wrong, and wrong ones that look right -------------------------------------------------


def least_squares(seed: int, l2: float) -> tuple[Network, np.ndarray, np.ndarray]:
    """A linear network at the minimum of E on standardised patterns, where its gradient is 0 but for rounding."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(20, 3))
    targets = inputs @ random.normal(size=(3, 2)) + random.normal(size=(20, 2))
    inputs, targets = ((a - a.mean(axis=0)) / a.std(axis=0) for a in (inputs, targets))
    w = np.linalg.solve(inputs.T @ inputs + 20 * l2 * np.eye(3), inputs.T @ targets)
    b = (targets - inputs @ w).mean(axis=0)
    return Network.from_weights([w.T], [b], activations=["identity"], l2=l2), inputs, targets


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_converged_network_is_not_accused(l2: float) -> None:
    """Where E is least every derivative is rounding, of which nothing can be right to ten digits; the rounding is
    measured and allowed for, and the block is marked. An error of 1e-12, ten thousand times that, is still caught.
    """
    for seed in range(20):
        net, inputs, targets = least_squares(seed, l2)
        certificate = check(net, inputs, targets)
        assert np.abs(of_page(net, inputs, targets, None, None).theta).max() < 1e-15
        assert certificate.ok, str(certificate)
        assert not certificate.kinks
        assert "≈ 0" in str(certificate)
        assert certificate.relative_error < 1e-12
        assert not check(net, inputs, targets, gradient=spoiled("w[1]", (1, 2), 1e-12)).ok
        assert not check(net, inputs, targets, gradient=spoiled("b[1]", 0, -1e-12)).ok


def test_network_trained_to_the_minimum_is_not_accused() -> None:
    """A linear network after L-BFGS, and the same by differences."""
    _, inputs, targets = least_squares(0, 0.0)
    net, _ = train(Network([3, 2]), inputs, targets, rule="lbfgs", epochs=500, batch_size=None)
    assert np.abs(of_page(net, inputs, targets, None, None).theta).max() < 1e-7
    for oracle in ("complex step", "central differences"):
        certificate = check(net, inputs, targets, oracle=oracle)
        assert certificate.ok, str(certificate)
        assert not certificate.kinks


@pytest.mark.parametrize("activation", ["tanh", "logistic", "softsign", "gaussian", "softplus", "gelu", "silu"])
@pytest.mark.parametrize("size", [5.0, 30.0, 400.0])
def test_saturated_network_is_not_accused(activation: str, size: float) -> None:
    """Net values so far in a tail that f' is tiny, or underflows, are certified, by either oracle."""
    net = Network([2, 4, 1], activations=[activation, "identity"], seed=1)
    net.w[1][:] = np.sign(net.w[1]) * size
    inputs, targets = np.array([[1.0, 0.5], [-1.0, 0.7], [0.3, -0.4]]), np.ones((3, 1))
    for oracle in ("complex step", "central differences"):
        certificate = check(net, inputs, targets, oracle=oracle)
        assert certificate.ok, str(certificate)


def test_derivatives_too_small_for_the_complex_step_are_not_accused() -> None:
    """tanh' at 300 is 1e-260, which the complex step cannot tell from 0; the page can, and is right."""
    net = Network([1, 2, 1], seed=1)
    net.w[1] = np.array([[300.0], [-301.0]])
    inputs, targets = np.ones((1, 1)), np.ones((1, 1))
    assert 0 < np.abs(of_page(net, inputs, targets, None, None).w[1]).max() < 1e-250
    certificate = check(net, inputs, targets)
    assert certificate.ok, str(certificate)
    assert not check(net, inputs, targets, gradient=spoiled("w[1]", (1, 0), 1e-100)).ok


@pytest.mark.parametrize("goal", ["sse", "huber", "cross_entropy", "poisson", "absolute"])
def test_exact_fit_is_not_accused(goal: str) -> None:
    """Where targets are the outputs, E and every derivative is 0 or rounding; a wrong number still shows, beyond the
    two slopes of the absolute error.
    """
    for seed in range(5):
        net = Network([3, 4, 2], objective=goal, seed=seed)
        inputs, _ = patterns(net)
        targets = forward(net, inputs).y[-1]
        for oracle in ("complex step", "central differences"):
            certificate = check(net, inputs, targets, oracle=oracle)
            assert certificate.ok, str(certificate)
            assert bool(certificate.kinks) == (goal == "absolute")
        off = 1.01 if goal == "absolute" else 1e-6
        assert not check(net, inputs, targets, gradient=spoiled("b[2]", 0, off, net.theta)).ok


def exact_fits(output: str, seeds: range) -> Iterator[tuple[Network, np.ndarray, np.ndarray]]:
    """Counts that are the outputs to the bit, so that E, a sum of terms of the size of 1, is 0: small, usual and
    saturating inputs, with a pattern of zeros.
    """
    for seed in seeds:
        net = Network([3, 4, 2], activations=["tanh", output], objective="poisson", seed=seed)
        inputs = patterns(net, seed=seed)[0] * 10.0 ** (seed % 4 - 2)
        inputs[0] *= seed % 3 > 0
        yield net, inputs, forward(net, inputs).y[-1]


@pytest.mark.parametrize("output", ["exp", "softplus"])
def test_rounding_of_an_exact_fit_is_neither_kink_nor_error(output: str) -> None:
    """Where E is 0 because its terms cancel, differences hold their rounding and nothing else. By differences too, an
    error of a millionth is still refused, by θ and by the inputs.
    """
    for net, inputs, targets in exact_fits(output, range(12)):
        arguments: Any = (net, inputs, targets)
        certificate = check(*arguments, oracle="central differences")
        assert certificate.ok, str(certificate)
        assert not certificate.kinks
        wrong = check(*arguments, oracle="central differences", gradient=spoiled("w[1]", (1, 2), 1e-6, net.theta))
        assert [block.name for block in wrong.blocks if not block.ok] == ["w[1]"]
    wrong = check(
        *arguments, oracle="central differences", input_gradient=lambda net, inputs, t: np.full_like(inputs, 1e-6)
    )
    assert [block.name for block in wrong.blocks if not block.ok] == ["y[0]"]


@pytest.mark.parametrize("output", ["exp", "softplus"])
def test_rounding_of_an_exact_fit_would_be_accused_if_it_were_not_measured(output: str) -> None:
    """The twin of the claim above: with the rounding of E's value alone, which is 0, some of the same fits have kinks
    or fail.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Judged, "noise", 0.0)
        found = [check(*case, oracle="central differences") for case in exact_fits(output, range(12))]
    assert any(one.kinks or not one.ok for one in found)


@pytest.mark.parametrize("scale", [1e-2, 1.0, 10.0])
def test_kinks_are_found_at_an_exact_fit(scale: float) -> None:
    """The same places under the absolute error are kinks, where the slope by an output's bias goes from -1 to 1."""
    net = Network([3, 4, 2], objective="absolute", seed=1)
    inputs = scale * patterns(net)[0]
    certificate = check(net, inputs, forward(net, inputs).y[-1], oracle="central differences")
    assert certificate.ok
    kinks = {kink.name: (kink.left, kink.right) for kink in certificate.kinks}
    for name in ("b[2][0]", "b[2][1]"):
        np.testing.assert_allclose(kinks[name], (-1, 1), rtol=1e-6)


def test_network_of_zeros_and_dead_network_are_not_accused() -> None:
    """Weights that are all 0, and a layer of relu that is shut for every pattern, have blocks of zeros; that they are
    zeros is checked.
    """
    net = Network([3, 4, 2], seed=0)
    net.theta[:] = 0
    assert check(net, *patterns(net)).ok
    net = Network([3, 4, 2], activations=["relu", "identity"], seed=0)
    net.b[1] = -100.0 * np.ones(4)
    assert check(net, *patterns(net)).ok
    assert not check(net, *patterns(net), gradient=spoiled("w[1]", (0, 0), 1e-9)).ok


def test_small_derivative_beside_a_large_error_is_not_accused() -> None:
    """Differences of an E of 1e6 know its slopes to 1e-9 at best; what they cannot know is no error and no kink."""
    net = Network([2, 3, 1], seed=0)
    inputs, targets = patterns(net)

    def far(net: Network, *rest: Any) -> Any:
        return 1e6 + 1e-6 * E_of_page(net, *rest)

    def slight(*arguments: Any) -> Gradient:
        g = of_page(*arguments)
        return Gradient(*([None if a is None else 1e-6 * a for a in layers] for layers in g))

    certificate = check(net, inputs, targets, error=far, gradient=slight)
    assert certificate.ok, str(certificate)
    assert not certificate.kinks
    assert not check(net, inputs, targets, error=far, gradient=of_page).ok


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gradient_that_is_not_finite_fails(value: float) -> None:
    """NaN compares as false with everything; here it is an error like another, by either oracle."""
    net = Network([3, 4, 2], seed=0)
    for oracle in ("complex step", "central differences"):
        certificate = check(net, *patterns(net), oracle=oracle, gradient=spoiled("w[2]", (1, 0), value))
        assert not certificate.ok
        assert certificate.worst.name == "w[2][1,0]"
        assert [block.name for block in certificate.blocks if not block.ok] == ["w[2]"]
        assert not certificate.reported_ok
    wrong = check(net, *patterns(net), input_gradient=lambda net, inputs, t: np.full_like(inputs, value))
    assert [block.name for block in wrong.blocks if not block.ok] == ["y[0]"]


def test_gradient_that_remembers_is_caught() -> None:
    """A gradient that uses the trace of the call before is refused, though it is right whenever it is asked twice."""
    net = Network([3, 4, 2], seed=0)
    inputs, targets = patterns(net)
    last = [net.replace(1.1 * net.theta)]

    def stale(net: Network, *rest: Any) -> Gradient:
        before, last[0] = last[0], net
        return of_page(before, *rest)

    assert not check(net, inputs, targets, gradient=stale).ok


# --- as text and data ------------------------------------------------------------------------------------------------


def is_one_sentence(message: str) -> bool:
    """Whether it says must, what came, and what to do, on one line."""
    return " must " in message and "; got " in message and message[-1] in ".?" and "\n" not in message


CHANCE = np.random.default_rng(0)
NET = Network([3, 4, 2], seed=0)
X, T = patterns(NET)
BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no targets": (lambda: check(NET, X), "targets must be an array"),
    "targets of other patterns": (lambda: check(NET, X, T[:2]), "targets must have one row for each of the 4 patterns"),
    "no patterns": (lambda: check(NET, X[:0], T[:0]), "targets must have one row"),
    "too few inputs": (lambda: check(NET, X[:, :2], T), "inputs must have shape (patterns, 3); got (4, 2)"),
    "column of targets": (lambda: check(NET, X, T[:, 0]), "targets must have shape (patterns, 2); got (4,)"),
    "words": (lambda: check(NET, [["a", "b", "c"]], T[:1]), "inputs must be numbers"),
    "too few weights": (lambda: check(NET, X, T, [1.0]), "weights must have shape (patterns,) = (4,); got (1,)"),
    "weights of 0": (lambda: check(NET, X, T, np.zeros(4)), "E must be finite where it is checked; got nan"),
    "no known target": (lambda: check(NET, X, np.nan * T), "E must be finite"),
    "infinite input": (lambda: check(NET, X + np.inf, T), "E must be finite"),
    "overflow": (lambda: check(Network([3, 2], "exp", "poisson"), 1e6 * X, abs(T)), "E must be finite"),
    "unknown oracle": (lambda: check(NET, X, T, oracle="magic"), "oracle must be 'auto', 'complex step' or"),
    "gradient of wrong shape": (
        lambda: check(NET, X, T, gradient=lambda *a: Gradient((None, T, T), (None, T, T))),
        "gradient must give w[1] in the shape of the network's, (4, 3); got (4, 2)",
    ),
    "gradient without w": (lambda: check(NET, X, T, gradient=lambda *a: (1, 2)), "gradient must give numbers for w[1]"),
    "gradient of too few layers": (
        lambda: check(NET, X, T, gradient=lambda *a: Gradient((None, NET.w[1]), (None, NET.b[1]))),
        "gradient must give numbers for w[2]",
    ),
    "gradient of words": (
        lambda: check(NET, X, T, gradient=lambda *a: Gradient((None, "abc"), (None, "abc"))),
        "gradient must give numbers for w[1]",
    ),
    "input gradient of wrong shape": (
        lambda: check(NET, X, T, input_gradient=lambda *a: X.T),
        "input_gradient must have the shape of inputs, (4, 3); got (3, 4)",
    ),
    "E per pattern": (
        lambda: check(NET, X, T, error=lambda *a: T),
        "E must be one number; got ndarray of shape (4, 2)",
    ),
    "E of words": (lambda: check(NET, X, T, error=lambda *a: "much"), "E must be one number"),
    "not a network": (lambda: check("net", X, T), "net must be a Network, or a function"),
    "no gradient": (lambda: check(np.sum, 3, [1.0]), "net must be a Network, or a function"),
    "no place": (lambda: check(np.sum, np.sum, None), "net must be a Network, or a function"),
    "empty place": (lambda: check(np.sum, np.ones_like, []), "theta must hold one number or more"),
    "ragged place": (lambda: check(np.sum, np.ones_like, [1.0, [2.0, 3.0]]), "theta must be an array of numbers"),
    "place of words": (lambda: check(np.sum, np.ones_like, {"a": "b"}), "a must be an array of numbers"),
    "own gradient of wrong shape": (
        lambda: check(np.sum, lambda x: np.ones(3), np.ones(2)),
        "gradient must return the shapes of theta, [(2,)]; got [(3,)]",
    ),
    "own E per entry": (lambda: check(np.exp, np.exp, np.ones(2)), "E must be one number; got ndarray of shape (2,)"),
    "own E that is complex": (lambda: check(lambda x: 1j * x[0], np.ones_like, np.ones(1)), "E must be one number"),
    "own E that is infinite": (lambda: check(lambda x: np.inf, np.ones_like, np.ones(1)), "E must be finite"),
    "own gradient by chance": (
        lambda: check(np.sum, lambda x: CHANCE.normal(size=2), np.ones(2)),
        "gradient must return the same for the same theta",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_checked_is_said_in_one_sentence(what: str) -> None:
    """A wrong argument raises ValueError with what must be, what came, and what to do, and no warning."""
    call, start = BAD[what]
    with pytest.raises(ValueError, match="must") as raised:
        call()
    message = str(raised.value)
    assert message.startswith(start)
    assert is_one_sentence(message), message


UGLY = Network([1200, 3, 12], seed=0)
"""Names are as long as y[0][109,1190]."""


def test_text_fits_80_columns() -> None:
    """Large layers, many inputs and patterns, a wrong number of any size, kinks: no line is longer than 80 columns."""
    inputs = np.zeros((110, 1200))
    inputs[:, ::7] = 1
    texts = [str(check(UGLY, inputs, np.ones((110, 12)), every_entry=50))]
    for scale in (1.0, -1e-120, 1e120):
        texts.append(str(check(NET, scale * X, T, gradient=spoiled("w[1]", (2, 1), scale))))
    assert max(len(line) for text in texts for line in text.splitlines()) <= 80
    net = Network([2] + [12] * 11 + [1], activations="relu", seed=0)
    text = str(check(net, np.zeros((1, 2)), np.ones((1, 1))))
    assert "more kinks" in text
    assert max(map(len, text.splitlines())) <= 80


NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=30)
NUMBERS = st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=3)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, NUMBERS, min_size=1, max_size=3), st.sampled_from([0.0, 1.0, -1e120, np.nan]))
def test_text_and_data_of_own_functions(theta: dict[str, list[float]], off: float) -> None:
    """Whatever blocks are called, and however large numbers are: 80 columns, and plain data that JSON takes and gives
    back, with every field of the certificate. A right gradient passes at any scale.
    """

    def f(theta: dict[str, np.ndarray]) -> float:
        return sum(float(np.abs(values).sum()) for values in theta.values())

    certificate = check(f, lambda theta: {name: np.sign(a) + off for name, a in theta.items()}, theta)
    assert certificate.ok or off != 0
    assert not certificate.ok or off == off
    assert max(map(len, str(certificate).splitlines())) <= 80
    data = certificate.to_dict()
    assert json.loads(json.dumps(data))["scope"] == certificate.scope
    assert set(data) == set(certificate.__dataclass_fields__)
    assert [block["name"] for block in data["blocks"]] == list(theta)


def test_data_of_a_network_are_plain() -> None:
    """to_dict holds numbers, truth values and text of Python alone, so that JSON takes it, NaN and kinks included."""
    net, inputs, targets = bent("relu")

    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(plain(one) for one in value.values())
        if isinstance(value, list | tuple):
            return all(plain(one) for one in value)
        return type(value) in (bool, int, float, str)

    for oracle in ("complex step", "central differences"):
        for g in (of_page, spoiled("w[2]", (0, 1), np.nan)):
            certificate = check(net, inputs, targets, oracle=oracle, gradient=g)
            assert plain(certificate.to_dict())
            assert json.dumps(certificate.to_dict())
            assert bool(certificate) == certificate.ok


def test_page_is_left_as_it_is() -> None:
    """check differentiates the page that is imported: a spoiled page, put in its place, fails, so that the certificates
    above are of the page and of nothing else.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backprop, "gradient", lambda *a: Gradient(*(tuple(x) for x in _doubled(gradient(*a)))))
        assert not check(NET, X, T).ok
    assert check(NET, X, T).ok


def _doubled(g: Gradient) -> Any:
    return [[None if a is None else 2 * a for a in layers] for layers in g]


def test_what_cannot_be_judged_is_not_certified():
    """A random loss is refused, a loss that jumps is not certified, and a dict of gradients must have theta's keys."""
    random, at = np.random.default_rng(0), np.array([1.0, 2.0])

    def dropout(theta):
        return float(((theta * (random.random(2) > 0.5)) ** 2).sum())

    with pytest.raises(ValueError, match=r"^f must return the same for the same theta"):
        check(dropout, lambda theta: 4 * theta, at)
    assert not check(lambda theta: float(np.floor(theta).sum()), lambda theta: 0 * theta + 5, at).ok
    with pytest.raises(ValueError, match=r"^gradient must return a dict with the keys of theta, u; got v\."):
        check(lambda theta: float(theta["u"].sum()), lambda theta: {"v": 0 * theta["u"] + 1}, {"u": at})


def test_functions_that_write_into_their_argument_cannot_cheat():
    """A gradient that changes the theta it is given is judged at the theta that was asked for."""
    at = np.array([1.0, 2.0])
    certificate = check(lambda theta: float((theta**2).sum()), lambda theta: np.multiply(theta, 3, out=theta), at)
    assert not certificate.ok
    assert certificate.worst.oracle == pytest.approx(4)
    assert at.tolist() == [1, 2]
