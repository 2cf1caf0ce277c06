"""The page against the literal twin, on NumPy and under JAX's jit, in float64 and float32, on any architecture."""

from __future__ import annotations

import ast
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import naive
from chainrule import backprop
from chainrule.activations import ACTIVATIONS
from chainrule.backprop import error, error_terms, forward, gradient, input_gradient, jacobian, update
from chainrule.network import ErrorTerms, Network, Trace
from chainrule.objective import OBJECTIVES
from chainrule.oracles import complex_step

EPS = np.finfo(float).eps
HIDDEN = [name for name, row in ACTIVATIONS.items() if not row.vector]
PAIRS = [(goal, output) for goal, row in OBJECTIVES.items() for output in row.outputs or ACTIVATIONS]


class Case(NamedTuple):
    """A network with patterns, targets and weights of patterns."""

    net: Network
    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None


def random_case(goal: str, output: str, n: int, deepest: int = 8, widest: int = 33) -> Case:
    """Depth 1 to 8, widths 1 to 33, and everything else in which networks differ, drawn from n.

    θ is shrunk until no net value exceeds 6: beyond it the twin's plain forms, such as log(1 - y), lose digits.
    """
    start = PAIRS.index((goal, output))
    random = np.random.default_rng([start, n])
    depth = int(random.integers(1, deepest + 1))
    sizes = np.floor(widest ** random.random(depth + 1)).astype(int)
    sizes[-1] = max(sizes[-1], 2) if output == "softmax" else sizes[-1]
    net = Network(
        sizes,
        [*(HIDDEN[(start + 5 * n + 3 * i) % len(HIDDEN)] for i in range(depth - 1)), output],
        goal,
        bias=random.random(depth) < 0.7,
        seed=n,
        l1=random.choice([0.0, 0.03]),
        l2=random.choice([0.0, 0.2]),
        penalize_bias=bool(random.random() < 0.5),
    )
    net.theta += random.normal(0, 0.1, net.n_parameters)
    patterns = int(random.integers(1, 8))
    inputs = random.normal(size=(patterns, sizes[0]))
    while max(np.abs(x_i).max() for x_i in forward(net, inputs).x[1:]) > 6:
        net.theta *= 0.8
    weights = random.choice([0.0, 0.5, 1.0, 3.7], patterns) if random.random() < 0.5 else None
    if weights is not None:
        weights[0] = 1.0
    return Case(net, inputs, random_targets(random, goal, output, (patterns, int(sizes[-1]))), weights)


def random_targets(random: np.random.Generator, goal: str, output: str, shape: tuple[int, int]) -> np.ndarray:
    """Targets that the objective allows, some of them missing: whole rows under softmax, any elsewhere."""
    if goal == "cross_entropy":
        t = np.where(random.random(shape) < 0.5, random.random(shape), random.random(shape) < 0.5)
    elif goal == "poisson":
        t = random.poisson(2.0, shape).astype(float)
    else:
        t = random.normal(size=shape)
        if output == "softmax":  # residuals of one sign would make its error terms of "absolute" 0, up to rounding
            t[:, :2] = -1.0, 2.0
    if random.random() < 0.5:
        t[random.random(shape) < 0.2] = np.nan
    t[random.random(shape[0]) < 0.2] = np.nan
    if output == "softmax":
        t[np.isnan(t).any(axis=1)] = np.nan
    t[0] = np.where(np.isnan(t[0]), 1.0 - np.arange(shape[1]) % 2, t[0])
    return t


def by_the_page(net, inputs, targets, weights=None):
    """All that the page computes but the Jacobian: E, then block by block x, y, e, the gradients by w, b and inputs."""
    trace = forward(net, inputs)
    e = error_terms(net, trace, targets)
    g = gradient(net, trace, e, weights)
    b = [b_i for b_i in g.b if b_i is not None]
    return [
        error(net, trace, targets, weights),
        *trace.x[1:],
        *trace.y[1:],
        *e[1:],
        *g.w[1:],
        *b,
        input_gradient(net, e),
    ]


def by_the_twin(net, inputs, targets, weights=None):
    """The same by plain loops."""
    given = naive.plain(net), inputs.tolist(), targets.tolist(), None if weights is None else weights.tolist()
    d = naive.derivatives(*given)
    of_layers = [[of_pattern[i] for of_pattern in of] for of in (d.x, d.y, d.e) for i in range(1, net.depth + 1)]
    b = [b_i for b_i in d.b if b_i is not None]
    return [np.array(block) for block in [naive.E(*given), *of_layers, *d.w[1:], *b, d.inputs]]


def relative_error(blocks, reference) -> float:
    """The largest difference over the largest entry of its block; a block of zeros must be met exactly."""
    assert [np.shape(block) for block in blocks] == [np.shape(block) for block in reference]
    pairs = zip(blocks, reference, strict=True)
    return max(float(np.abs(a - b).max() / (np.abs(b).max() or 1.0)) for a, b in pairs if b.size)


def cases(each: int = 6) -> Iterator[Case]:
    """Some networks for every objective with every output activation it allows."""
    return (random_case(*pair, n) for pair in PAIRS for n in range(each))


# --- the page is the paper -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("goal", "output"), PAIRS)
def test_page_is_the_twin(goal, output):
    """E, x, y, e and every gradient are those of the plain loops, to 1e-13 of the largest entry of the block.

    Both round some ten times a layer; what those 1e-15 grow to by cancellation was 3e-14 at most when measured.
    """
    for n in range(6):
        case = random_case(goal, output, n)
        assert relative_error(by_the_page(*case), by_the_twin(*case)) <= 1e-13, (n, case.net)


def test_the_cases_cover():
    """The networks of these tests have every depth, activation, objective, penalty, bias, weight and gap of targets."""
    drawn = list(cases())
    layers = {(i, row.name) for case in drawn for i, row in enumerate(case.net.f) if row and i < case.net.depth}
    gaps = [np.isnan(case.targets) for case in drawn]
    assert {case.net.depth for case in drawn} == set(range(1, 9))
    assert {min(case.net.sizes) for case in drawn} >= {1} <= {len(case.inputs) for case in drawn}
    assert max(max(case.net.sizes) for case in drawn) >= 30
    assert {name for _, name in layers} == set(HIDDEN)
    assert {(case.net.l1 > 0, case.net.l2 > 0, case.net.penalize_bias) for case in drawn} == {
        (l1, l2, bias) for l1 in (True, False) for l2 in (True, False) for bias in (True, False)
    }
    assert {case.weights is None for case in drawn} == {True, False}
    assert any(case.weights is not None and 0 in case.weights for case in drawn)
    assert any(gap.all(axis=1).any() for gap in gaps)
    assert any((gap.any(axis=1) & ~gap.all(axis=1)).any() for gap in gaps)
    assert any(len(set(case.net.bias)) == 2 for case in drawn)


def test_twin_bites():
    """The comparison sees a wrong sign, a forgotten weight of a pattern, a lost f' and another mean."""
    net, inputs, targets, weights = next(c for c in cases() if c.weights is not None and len(set(c.weights)) > 2)
    right, good = by_the_page(net, inputs, targets, weights), by_the_twin(net, inputs, targets, weights)
    for wrong in (
        [*right[:-1], -right[-1]],
        by_the_page(net, inputs, targets),
        by_the_page(Network.replace(net, net.theta * (1 + 1e-12)), inputs, targets, weights),
        [right[0] * len(inputs), *right[1:]],
    ):
        assert relative_error(wrong, good) > 1e-13


@pytest.mark.parametrize("n", range(12))
def test_nested_sums(n):
    """Every entry of the gradients is step 19's nested sums with nothing cached, on networks small enough for them."""
    for goal, output in PAIRS[n::12]:
        net, inputs, targets, _ = random_case(goal, output, n, deepest=4, widest=4)
        net = net.without_penalty()
        trace = forward(net, inputs)
        e = error_terms(net, trace, targets)
        twin = naive.plain(net)
        for p in range(len(inputs)):
            t = targets[p].tolist()
            x, y = naive.forward(twin, inputs[p].tolist())
            of_p = forward(net, inputs[[p]])
            g = gradient(net, of_p, error_terms(net, of_p, targets[[p]]), total=1.0)
            for i in range(1, net.depth + 1):
                sums = [[naive.step_19(twin, x, y, t, i, j, k) for k in range(len(y[i - 1]))] for j in range(len(y[i]))]
                assert relative_error([g.w[i]], [np.array(sums)]) <= 1e-13
                if g.b[i] is not None:
                    sums = [naive.step_19(twin, x, y, t, i, j, None) for j in range(len(y[i]))]
                    assert relative_error([g.b[i]], [np.array(sums)]) <= 1e-13
            sums = [naive.step_16_of_inputs(twin, x, y, t, k) for k in range(len(y[0]))]
            assert relative_error([input_gradient(net, e)[p]], [np.array(sums)]) <= 1e-13


# --- patterns together -----------------------------------------------------------------------------------------------


def test_mini_batches_add_up():
    """Mini-batches with total = S·(their patterns)/(all patterns) average to the full gradient, and so do their E.

    Exactly but for rounding: each of N patterns adds an error of half an ulp, so N + 4 ulp of the sum of all sizes. The
    batches are parts of one trace: products of matrices of another shape would round x and y otherwise.
    """
    for net, inputs, targets, weights in cases(each=2):
        N, trace = len(inputs), forward(net, inputs)
        e = error_terms(net, trace, targets)
        S = (e.known if weights is None else e.known * weights).sum()

        theta, E = np.zeros(net.n_parameters), 0.0
        for batch in (batch for batch in (slice(0, 2), slice(2, 3), slice(3, N)) if len(inputs[batch])):
            share = len(inputs[batch]) / N
            of_batch = parts(trace, e, batch)
            weights_of_batch = None if weights is None else weights[batch]
            theta += share * gradient(net, *of_batch, weights_of_batch, total=S * share).theta
            E += share * error(net, of_batch[0], targets[batch], weights_of_batch, total=S * share)

        nothing = ErrorTerms([None, *(0 * e_i for e_i in e[1:])], e.known)
        of_penalties = np.abs(gradient(net, trace, nothing).theta)
        sizes = ErrorTerms([None, *(-np.abs(e_i) for e_i in e[1:])], e.known)
        absolute = trace._replace(y=tuple(np.abs(y_i) for y_i in trace.y))
        of_patterns = gradient(net.without_penalty(), absolute, sizes, weights).theta
        difference = np.abs(theta - gradient(net, trace, e, weights).theta)
        assert (difference <= (N + 4) * EPS * (of_patterns + of_penalties)).all()
        assert abs(E - error(net, trace, targets, weights)) <= (N + 4) * EPS * abs(E)


def parts(trace, e, batch):
    """Trace and error terms of some of the patterns."""
    x, y, e_i = ([None if a is None else a[batch] for a in layers] for layers in (trace.x, trace.y, e))
    return Trace(tuple(x), tuple(y)), ErrorTerms(e_i, e.known[batch])


def test_patterns_do_not_mix():
    """x, y, e and the gradient by the inputs of a pattern are the same alone as among others, to 1e-13 of the block.

    Not to the bit: a product of matrices adds in an order that depends on its shape.
    """

    def of_each(net, inputs, targets):
        trace = forward(net, inputs)
        e = error_terms(net, trace, targets)
        return [*trace.x[1:], *trace.y[1:], *e[1:], input_gradient(net, e)]

    for net, inputs, targets, _ in cases(each=1):
        alone = [of_each(net, inputs[[p]], targets[[p]]) for p in range(len(inputs))]
        one_by_one = [np.concatenate(block) for block in zip(*alone, strict=True)]
        assert relative_error(one_by_one, of_each(net, inputs, targets)) <= 1e-13


def test_weight_is_repetition():
    """A pattern of weight 3 counts as three patterns, one of weight 0 as none, and one without targets as none."""
    net, inputs, targets, _ = random_case("sse", "identity", 3)
    N = len(inputs)
    targets = np.where(np.isnan(targets), 0.3, targets)
    weights = np.arange(N) % 4.0
    times = weights.astype(int)
    weighted = by_the_page(net, inputs, targets, weights)
    repeated = by_the_page(net, np.repeat(inputs, times, axis=0), np.repeat(targets, times, axis=0))
    n_gradients = net.depth + sum(net.bias)
    assert relative_error([weighted[0]], [repeated[0]]) <= 1e-14
    assert relative_error(weighted[-1 - n_gradients : -1], repeated[-1 - n_gradients : -1]) <= 1e-13

    missing = targets.copy()
    missing[weights == 0] = np.nan
    without = by_the_page(net, inputs, missing, weights)
    assert relative_error([without[0]], [weighted[0]]) <= 1e-14
    assert relative_error(without[-1 - n_gradients : -1], weighted[-1 - n_gradients : -1]) <= 1e-14


def test_missing_target_has_no_error_term():
    """Where a target is missing the error term is 0, and E is that of the known ones alone."""
    net, inputs = Network([3, 4, 3], seed=1), np.random.default_rng(1).normal(size=(4, 3))
    targets = np.array([[1.0, np.nan, 0.5], [np.nan, np.nan, np.nan], [0.1, 0.2, 0.3], [np.nan, 2.0, np.nan]])
    trace = forward(net, inputs)
    e = error_terms(net, trace, targets)
    y = trace.y[-1]
    assert np.array_equal(e[2] == 0, np.isnan(targets))
    assert e.known.tolist() == [1, 0, 1, 1]
    assert (e[1][1] == 0).all()
    assert error(net, trace, targets) == pytest.approx(np.nansum((targets - y) ** 2) / 2 / 3, rel=1e-15)


def test_E_is_the_papers():
    """For one pattern, SSE and no penalty, E is ½ Σ_j (t_j - y_j)^2: no factor of the number of outputs or patterns."""
    net, inputs = Network([3, 4, 5], seed=1), np.ones((1, 3))
    t = np.arange(5.0)[None]
    trace = forward(net, inputs)
    assert error(net, trace, t) == 0.5 * ((t - trace.y[2]) ** 2).sum()
    assert np.array_equal(error_terms(net, trace, t)[2], t - trace.y[2])


# --- the Jacobian ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", list(ACTIVATIONS))
@pytest.mark.parametrize("n", range(4))
def test_jacobian_is_the_complex_step(output, n):
    """∂y_L/∂θ and ∂y_L/∂y_0 are what y does when one entry moves by ih, to 1e-13 of the largest entry."""
    net, inputs, _, _ = random_case("sse", output, n, widest=8)
    trace = forward(net, inputs)

    def y_of_theta(theta):
        return forward(net.replace(theta), inputs).y[-1]

    def y_of_inputs(y_0):
        return forward(net, y_0).y[-1]

    by_theta = [complex_step(y_of_theta, net.theta, d) for d in np.eye(net.n_parameters)]
    by_inputs = [complex_step(y_of_inputs, inputs, np.tile(d, (len(inputs), 1))) for d in np.eye(net.sizes[0])]
    assert relative_error([jacobian(net, trace)], [np.stack(by_theta, axis=-1)]) <= 1e-13
    assert relative_error([jacobian(net, trace, by="inputs")], [np.stack(by_inputs, axis=-1)]) <= 1e-13


def test_jacobian_is_by_parameters_or_inputs():
    """Another word for by is refused, not taken for one of the two."""
    net = Network([3, 4, 2])
    with pytest.raises(ValueError, match=r"^by must be 'parameters' or 'inputs'; got 'input'\. Choose one of them\.$"):
        jacobian(net, forward(net, np.ones((1, 3))), by="input")


def test_gradient_of_sse_is_the_jacobian_times_the_residuals():
    """∂E/∂θ = -Σ_p s_p J_pᵀ (t_p - y_p) / S, and by the inputs -J_pᵀ (t_p - y_p), for any output activation."""
    for output in ACTIVATIONS:
        net, inputs, targets, weights = random_case("sse", output, 1)
        net = net.without_penalty()
        trace = forward(net, inputs)
        e = error_terms(net, trace, targets)
        residuals = np.where(np.isnan(targets), 0.0, targets - trace.y[-1])
        s = e.known if weights is None else e.known * weights
        by_theta = -np.einsum("p,po,pon->n", s / s.sum(), residuals, jacobian(net, trace))
        by_inputs = -np.einsum("po,pok->pk", residuals, jacobian(net, trace, by="inputs"))
        assert relative_error([gradient(net, trace, e, weights).theta], [by_theta]) <= 1e-13
        assert relative_error([input_gradient(net, e)], [by_inputs]) <= 1e-13


# --- one file for NumPy and JAX --------------------------------------------------------------------------------------

UNDER_JIT = [pair for n, pair in enumerate(PAIRS) if n % 6 == 0 or pair[0] in ("cross_entropy", "poisson")]


def both(case):
    """What jit compares: all that the page computes, its Jacobians, and θ after an update."""
    net, inputs, targets, weights = case
    trace = forward(net, inputs)
    g = gradient(net, trace, error_terms(net, trace, targets), weights)
    jacobians = [jacobian(net, trace), jacobian(net, trace, by="inputs")]
    return [*by_the_page(*case), *jacobians, g.theta, update(net, g, 0.1).theta]


@pytest.mark.parametrize(("goal", "output"), UNDER_JIT)
def test_jit_agrees(goal, output):
    """Under jax.jit the same file gives the same numbers, to 1e-13 of the block: XLA adds in an order of its own."""
    import jax

    case = random_case(goal, output, 8, deepest=3)
    assert case.net.dtype == np.float64
    compiled = jax.jit(both)(jax.tree.map(jax.numpy.asarray, case))
    assert all(block.dtype == np.float64 for block in compiled)
    assert relative_error([np.asarray(block) for block in compiled], both(case)) <= 1e-13


def test_jit_covers():
    """The networks compared under jit have every activation and every objective."""
    drawn = [random_case(*pair, 8, deepest=3) for pair in UNDER_JIT]
    assert {row.name for case in drawn for row in case.net.f if row} == set(ACTIVATIONS)
    assert {case.net.objective.name for case in drawn} == set(OBJECTIVES)


def test_jit_compiles_once():
    """Another θ, another object of the same architecture and an updated network use the compiled program again."""
    import jax

    traced = []

    @jax.jit
    def E(net, inputs, t):
        traced.append(net)
        return error(net, forward(net, inputs), t)

    inputs, t = np.ones((5, 3)), np.zeros((5, 2))
    for net in (Network([3, 4, 2], seed=0), Network([3, 4, 2], seed=1), Network([3, 4, 2]).copy()):
        assert E(net, inputs, t) == pytest.approx(error(net, forward(net, inputs), t), rel=1e-14)
    assert len(traced) == 1
    E(Network([3, 4, 2], l2=0.1), inputs, t)
    assert len(traced) == 2


def test_structure_keeps_no_theta():
    """What JAX keeps of a network with a compiled program, its tree's structure, does not keep θ in memory."""
    import jax

    net = Network([3, 4, 2])
    theta, structure = weakref.ref(net.theta), jax.tree.structure(net)
    del net
    gc.collect()
    assert theta() is None
    assert structure == jax.tree.structure(Network([3, 4, 2], seed=5))


def test_network_and_error_terms_are_pytrees():
    """Network goes in and out of jit with θ as its only leaf, error terms with known; jax.grad by a network works."""
    import jax

    net, inputs, targets, weights = random_case("sse", "tanh", 8, deepest=3)
    assert [leaf is net.theta for leaf in jax.tree.leaves(net)] == [True]
    trace = jax.jit(forward)(net, inputs)
    e = jax.jit(error_terms)(net, trace, targets)
    assert isinstance(e, ErrorTerms)
    assert e[0] is None
    g = jax.jit(gradient)(net, trace, e, weights)
    after = jax.jit(update)(net, g, 0.1)
    assert isinstance(after, Network)
    assert (after.sizes, after.l2) == (net.sizes, net.l2)

    def E(net):
        return error(net, forward(net, inputs), targets, weights)

    automatic = jax.grad(E)(net.replace(jax.numpy.asarray(net.theta)))
    assert isinstance(automatic, Network)
    assert relative_error([np.asarray(g.theta)], [np.asarray(automatic.theta)]) <= 1e-13


def test_arrays_of_jax_cannot_be_set():
    """Under JAX w[i] = ... says what to do instead."""
    import jax

    net = Network([3, 4, 2])
    net = net.replace(jax.numpy.asarray(net.theta))
    with pytest.raises(ValueError, match=r"^w\[1\] must be a NumPy array to be set; got .* use net\.replace\(theta="):
        net.w[1] = np.zeros((4, 3))


# --- float32 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("goal", "output"), PAIRS)
def test_float32_stays_float32(goal, output):
    """Nothing turns float32 into float64: neither weights, totals and learning rates in float64 nor float64 inputs."""
    case = random_case(goal, output, 4)
    net, inputs, targets, _ = case._replace(net=case.net.astype("float32"))
    weights = np.ones(len(inputs))
    trace = forward(net, inputs)
    e = error_terms(net, trace, targets)
    g = gradient(net, trace, e, weights, total=np.float64(len(inputs)))
    after = update(net, g, np.float64(0.1))
    jacobians = [jacobian(net, trace), jacobian(net, trace, by="inputs")]
    arrays = [*by_the_page(net, inputs, targets, weights), *jacobians, g.theta, after.theta, *after.w[1:], e.known]
    assert {array.dtype for array in arrays} == {np.dtype("float32")}


def test_float32_under_jit():
    """Nor does anything under jit, though JAX computes in float64 here."""
    import jax

    case = random_case("sse", "gelu", 2, deepest=3)
    inputs, targets = case.inputs.astype(np.float32), case.targets.astype(np.float32)
    compiled = jax.jit(both)(Case(case.net.astype("float32"), inputs, targets, np.ones(len(inputs))))
    assert {block.dtype for block in compiled} == {np.dtype("float32")}


def test_float32_is_right():
    """In float32 everything is within 3e-5 of the twin: 2^-24 a step, and room for the same cancellation as 1e-13."""
    for pair in PAIRS:
        case = random_case(*pair, 5, deepest=4)
        net = case.net.astype("float32")
        inputs = case.inputs.astype(np.float32).astype(float)
        targets = case.targets.astype(np.float32).astype(float)
        page = by_the_page(net, inputs, targets, case.weights)
        twin = by_the_twin(net.astype("float64"), inputs, targets, case.weights)
        assert relative_error(page, twin) <= 3e-5, pair


# --- nothing is changed in place -------------------------------------------------------------------------------------


def test_nothing_is_changed():
    """Read-only θ, inputs, targets and weights are accepted, and after the whole page every array is what it was."""
    for net, *data in cases(each=1):
        arrays = [net.theta, *(array for array in data if array is not None)]
        for array in arrays:
            array.setflags(write=False)
        before = [array.tobytes() for array in arrays]
        both(Case(net, *data))
        assert [array.tobytes() for array in arrays] == before


def test_trace_and_error_terms_are_not_changed():
    """Nor does the page change what its own functions gave: trace, error terms and gradient may be used again."""
    for net, inputs, targets, weights in cases(each=1):
        trace = forward(net, inputs)
        e = error_terms(net, trace, targets)
        g = gradient(net, trace, e, weights)
        kept = [a for a in (*trace.x, *trace.y, *e, *g.w, *g.b) if a is not None]
        for array in kept:
            array.setflags(write=False)
        before = [array.tobytes() for array in kept]
        again = error_terms(net, trace, targets)
        gradient(net, trace, again, weights)
        input_gradient(net, e)
        jacobian(net, trace)
        after = update(net, g, 0.5)
        assert [array.tobytes() for array in kept] == before
        assert not np.shares_memory(after.theta, net.theta)


def test_inputs_of_any_layout():
    """Fortran order, negative strides, integers, lists and big-endian numbers give what plain float64 arrays give."""
    net, inputs, targets, _ = random_case("sse", "tanh", 5, deepest=3)
    inputs, targets = np.round(inputs * 4), np.where(np.isnan(targets), 0.0, np.round(targets * 4))
    plain = by_the_page(net, inputs, targets)
    for form in (
        np.asfortranarray,
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.astype(int),
        lambda a: a.tolist(),
        lambda a: a.astype(">f8"),
        lambda a: a.astype(object),
        lambda a: a.astype(np.float16),
    ):
        assert relative_error(by_the_page(net, form(inputs), form(targets)), plain) == 0


# --- the page as a page ----------------------------------------------------------------------------------------------

PAGE = Path(backprop.__file__)


def test_page_is_a_page():
    """backprop.py has 120 lines at most."""
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) <= 120


def test_page_cites_the_steps():
    """Its functions stand in the order of the derivation, and each docstring names the steps it is."""
    functions = [node for node in ast.parse(PAGE.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    cited = {
        "forward": ["steps 4 and 6"],
        "error": ["step 1"],
        "error_terms": ["steps 20 to 24", "step 20", "step 21"],
        "gradient": ["step 24"],
        "input_gradient": ["step 17"],
        "jacobian": ["step 21"],
        "update": ["A small step against the gradient"],
    }
    assert [function.name for function in functions] == list(cited)
    for function in functions:
        docstring = ast.get_docstring(function)
        assert all(step in docstring for step in cited[function.name]), function.name


def test_page_assigns_to_its_lists_only():
    """The page has no augmented assignment to a subscript, and sets entries of the lists e and d alone."""
    for node in ast.walk(ast.parse(PAGE.read_text(encoding="utf-8"))):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Subscript):
                assert isinstance(node, ast.Assign)
                assert ast.unparse(target) in ("e[i]", "d[i]")
            assert not isinstance(target, ast.Attribute)


# ------------------------------------------------------------------------------------------------------ what is refused


def test_rows_that_do_not_belong_together_are_refused():
    """Targets for another number of patterns are refused by name instead of being broadcast."""
    net, inputs = Network([2, 3, 1]), np.ones((4, 2))
    trace = forward(net, inputs)
    for rows in (1, 3):
        with pytest.raises(
            ValueError, match=rf"^targets must have a row for each of the 4 patterns; got {rows} rows\."
        ):
            error_terms(net, trace, np.ones((rows, 1)))
        with pytest.raises(ValueError, match=r"^targets must have a row for each of the 4 patterns"):
            error(net, trace, np.ones((rows, 1)))


def test_what_is_not_error_terms_or_weights_is_refused():
    """An array in place of error terms, and weights of another shape, are refused by name."""
    net, inputs, t = Network([2, 3, 1]), np.ones((4, 2)), np.ones((4, 1))
    trace = forward(net, inputs)
    with pytest.raises(ValueError, match=r"^e must be what error_terms gave; got an array of shape \(4, 1\)"):
        gradient(net, trace, t)
    for weights in ("a", [1.0, 2.0], np.ones((4, 1))):
        with pytest.raises(ValueError, match=r"^weights must have shape \(patterns,\) = \(4,\)"):
            gradient(net, trace, error_terms(net, trace, t), weights)


def test_jacobian_by_something_else_is_refused():
    """A misspelt by is an error, not the other Jacobian."""
    net = Network([2, 3, 1])
    with pytest.raises(ValueError, match=r"^by must be 'parameters' or 'inputs'; got 'input'\. "):
        jacobian(net, forward(net, np.ones((4, 2))), by="input")
