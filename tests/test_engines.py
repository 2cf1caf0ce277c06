"""Claim: an engine runs the page, and what it is given was checked once and says the same in every form."""

import inspect
import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Network, engines, error, error_terms, forward, gradient, jacobian
from chainrule.engines import ENGINES, Engine, reference, source
from chainrule.training.descent import RULES

EPS = float(np.finfo(np.float64).eps)

# Objective and output activation, and targets that they allow.
GOALS = {
    "sse": ("identity", lambda random, n: random.normal(size=(n, 3))),
    "cross_entropy": ("softmax", lambda random, n: random.dirichlet([1, 1, 1], size=n)),
    "poisson": ("exp", lambda random, n: random.poisson(1.0, size=(n, 3)).astype(float)),
    "huber": ("tanh", lambda random, n: random.normal(size=(n, 3))),
}
PENALTIES = {
    "no penalty": {},
    "penalties": {"l1": 0.02, "l2": 0.3},
    "of biases too": {"l2": 0.3, "penalize_bias": True},
}


def case(goal="sse", n=23, missing=True, **options):
    """A network, inputs, targets and weights; some targets are missing."""
    random = np.random.default_rng(7)
    output, targets = GOALS[goal]
    net = Network([4, 5, 3], ["tanh", output], goal, seed=1, **options)
    net.b[1], net.b[2] = random.normal(size=5), random.normal(size=3)
    inputs, t, weights = random.normal(size=(n, 4)), targets(random, n), random.uniform(0.1, 3, n)
    if missing and goal != "cross_entropy":
        t[2, :2] = t[5, 1] = np.nan
    return net, inputs, t, weights


def page(net, inputs, t, weights=None, total=None):
    """E and its gradient in one vector, by the page."""
    trace = forward(net, inputs)
    E = float(error(net, trace, t, weights, total))
    return E, gradient(net, trace, error_terms(net, trace, t), weights, total).theta


def agree(a, b, ulps, scale=None):
    """Whether all entries agree within so many ulps of the largest."""
    a, b = np.asarray(a), np.asarray(b)
    largest = np.abs(b).max() if scale is None else scale
    return a.shape == b.shape and np.abs(a - b).max(initial=0) <= ulps * EPS * largest


# --------------------------------------------------------------------------------------------------------- the protocol


def fulfils(engine, protocol=Engine):
    """Whether a module has every function of the protocol, with its parameters by name and in order."""
    return all(
        list(inspect.signature(promised).parameters)[1:]
        == list(inspect.signature(getattr(engine, name, lambda: None)).parameters)
        for name, promised in vars(protocol).items()
        if inspect.isfunction(promised) and not name.startswith("_")
    )


@pytest.mark.parametrize("name", ENGINES)
def test_protocol(name):
    """Every engine has each function of the protocol with the same parameters; a module without them fails."""
    promised = [name for name in vars(Engine) if not name.startswith("_")]
    assert set(promised) == {
        "why_not", "prepare", "epoch", "value_and_gradient", "place", "error", "jacobian", "predict", "network",
    }  # fmt: skip
    assert fulfils(engines.load(name))
    assert not fulfils(math)


def test_load():
    """An engine is found by name, and "auto" is the first of the list."""
    assert engines.load("reference") is reference
    assert engines.load() is engines.load("auto") is engines.load(next(iter(ENGINES)))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("referense", "engine must be 'auto', 'cpu' or 'reference'; got 'referense'. Did you mean 'reference'?"),
        ("gpu", "engine must be 'auto', 'cpu' or 'reference'; got 'gpu'. Did you mean 'cpu'?"),
        (None, "engine must be 'auto', 'cpu' or 'reference'; got None. Leave it out for the fastest."),
        (["auto"], "engine must be 'auto', 'cpu' or 'reference'; got ['auto']. Did you mean 'auto'?"),
    ],
)
def test_load_refuses(name, sentence):
    """An engine that does not exist is refused with the nearest name that does."""
    with pytest.raises(ValueError, match=r"^engine must be") as refused:
        engines.load(name)
    assert str(refused.value) == sentence


# ----------------------------------------------------------------------------------------------------- against the page


@pytest.mark.parametrize("goal", GOALS)
def test_what_does_not_count_is_left_out(goal):
    """A pattern of weight 0, or without a known target, takes no part: its inputs may even overflow the net values.

    A sum of 21 terms instead of 23 is rounded in another order: 23 ulps.
    """
    net, inputs, t, weights = case(goal, l2=0.3)
    weights[3] = 0
    t[2] = np.nan
    of_page, g_of_page = page(net, inputs, t, weights)
    inputs[[2, 3]] = 1e307
    kept = source(net, inputs, t, weights)
    assert kept.patterns == 21
    E, g = reference.value_and_gradient(reference.prepare(net, kept, RULES["lbfgs"]), net.theta)
    assert agree(E, of_page, 23)
    assert agree(g, g_of_page, 23)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("goal", GOALS)
def test_value_and_gradient_in_one_piece(goal, penalty):
    """E and gradient of all patterns are those of the page, bit for bit when they are taken in one piece."""
    net, inputs, t, weights = case(goal, **PENALTIES[penalty])
    state = reference.prepare(net, source(net, inputs, t, weights), RULES["lbfgs"])
    elsewhere = net.theta + 0.1
    for theta in (net.theta, elsewhere):
        E, g = reference.value_and_gradient(state, theta)
        of_page, g_of_page = page(net.replace(theta), inputs, t, weights)
        assert of_page == E
        assert np.array_equal(g, g_of_page)
    assert np.array_equal(state.net.theta, net.theta)


@pytest.mark.parametrize("piece", [1, 2, 7, 22, 23])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", ENGINES)
def test_value_and_gradient_in_pieces(name, goal, penalty, piece, monkeypatch):
    """E and gradient do not depend on the size of the pieces but for rounding: 23 patterns are added in another order,
    one rounding each, so 23 ulps of the largest entry, or of E, are allowed; the penalties are counted once.
    """
    monkeypatch.setattr(engines, "PIECE", piece)
    engine = engines.load(name)
    net, inputs, t, weights = case(goal, **PENALTIES[penalty])
    E, g = engine.value_and_gradient(engine.prepare(net, source(net, inputs, t, weights), RULES["lbfgs"]), net.theta)
    of_page, g_of_page = page(net, inputs, t, weights)
    assert agree(E, of_page, 23)
    assert agree(g, g_of_page, 23)


@pytest.mark.parametrize("piece", [1, 7, 4096])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("name", ENGINES)
def test_error(name, goal, penalty, piece, monkeypatch):
    """The error of any source, not only the one trained on, is the page's E at the state's weights without penalties,
    within 23 ulps for another order of its 23 summands; in one piece the reference engine's is the page's bit for bit.
    """
    monkeypatch.setattr(engines, "PIECE", piece)
    engine = engines.load(name)
    net, inputs, t, weights = case(goal, **PENALTIES[penalty])
    state = engine.prepare(net, source(net, inputs[:5], t[:5]), RULES["gradient_descent"])
    E = engine.error(state, source(net, inputs, t, weights))
    of_page, _ = page(net.without_penalty(), inputs, t, weights)
    assert agree(E, of_page, 23)
    if name == "reference" and piece == 4096:
        assert of_page == E


@pytest.mark.parametrize("goal", GOALS)
def test_jacobian(goal, monkeypatch):
    """The Jacobian by the parameters is the page's, bit for bit, for every pattern of the source; in pieces, whose
    products add their at most 5 terms in another order, within 10 ulps.
    """
    net, inputs, t, _ = case(goal)
    state = reference.prepare(net, source(net, inputs, t), RULES["gradient_descent"])
    J = reference.jacobian(state)
    assert J.shape == (23, 3, net.n_parameters)
    assert np.array_equal(J, jacobian(net, forward(net, inputs)))
    monkeypatch.setattr(engines, "PIECE", 7)
    assert agree(reference.jacobian(state), J, 10)


@pytest.mark.parametrize("piece", [1, 7, 23, 4096])
@pytest.mark.parametrize("name", ENGINES)
def test_predict(name, piece, monkeypatch):
    """Predictions are the page's outputs in the order of the rows, however they are cut: a product of matrices of other
    shapes adds its at most 5 terms in another order, so 10 ulps of the largest output are allowed.
    """
    monkeypatch.setattr(engines, "PIECE", piece)
    monkeypatch.setattr(engines.load(name), "PIECE", piece, raising=False)
    net, inputs, *_ = case()
    y = engines.load(name).predict(net, inputs)
    assert agree(y, forward(net, inputs).y[-1], 10)
    assert engines.load(name).predict(net, inputs[:0]).shape == (0, 3)


def test_predict_is_cut(monkeypatch):
    """Pieces are what bounds memory: no more patterns than PIECE go forward at once."""
    seen, forward_of_page = [], reference.backprop.forward

    def counting(net, inputs):
        seen.append(len(inputs))
        return forward_of_page(net, inputs)

    monkeypatch.setattr(reference, "PIECE", 5)
    monkeypatch.setattr(engines, "PIECE", 5)
    monkeypatch.setattr(reference.backprop, "forward", counting)
    net, inputs, t, _ = case()
    reference.predict(net, inputs)
    state = reference.prepare(net, source(net, inputs, t), RULES["lbfgs"])
    reference.value_and_gradient(state, net.theta)
    reference.error(state, state.source)
    assert seen == [5, 5, 5, 5, 3] * 3


# --------------------------------------------------------------------------------------------------------------- epochs


@pytest.mark.parametrize("rule", ["gradient_descent", "momentum", "adam"])
@pytest.mark.parametrize("batch_size", [1, 4, 23])
def test_epoch(rule, batch_size):
    """Two epochs are the page called batch by batch, in the given order, with the given rate for each update, bit for
    bit: forward, error terms, gradient, update; the running E is the mean of E before each update.
    """
    net, inputs, t, weights = case(l2=0.01)
    patterns = source(net, inputs, t, weights, batch_size)
    state = reference.prepare(net, patterns, RULES[rule])
    random, S, n = np.random.default_rng(3), weights[~np.isnan(t).all(axis=1)].sum(), 0
    expected, slots = net, tuple(np.zeros_like(net.theta) for _ in range(RULES[rule].slots))
    for _ in range(2):
        order = random.permutation(23)
        rates = random.uniform(0.001, 0.01, -(-23 // batch_size))
        running = 0.0
        for rate, start in zip(rates, range(0, 23, batch_size), strict=True):
            p = order[start : start + batch_size]
            n += 1
            E, g = page(expected, inputs[p], t[p], patterns.weights[p], S * len(p) / 23)
            running += E * len(p) / 23
            theta, slots = RULES[rule].step(expected.theta, g, slots, float(rate), n)
            expected = expected.replace(theta)
        assert reference.epoch(state, state.source, order, rates) == running
        assert np.array_equal(reference.network(state).theta, expected.theta)


@pytest.mark.parametrize("rates", [[0.1] * 5, [0.1] * 7])
def test_a_rate_for_each_update(rates):
    """Six batches need six learning rates; fewer or more are an error, not a shorter epoch."""
    net, inputs, t, _ = case()
    state = reference.prepare(net, source(net, inputs, t, batch_size=4), RULES["gradient_descent"])
    with pytest.raises(ValueError, match="argument 2 is"):
        reference.epoch(state, state.source, np.arange(23), rates)


@pytest.mark.parametrize("name", ENGINES)
def test_networks_are_left_alone(name):
    """Neither the network that is prepared nor the one that is handed out shares its θ with the state."""
    engine = engines.load(name)
    net, inputs, t, _ = case()
    before = net.theta.copy()
    state = engine.prepare(net, source(net, inputs, t), RULES["gradient_descent"])
    net.theta[:] = 0
    assert np.array_equal(engine.network(state).theta, before)
    net.theta[:] = before
    engine.epoch(state, state.source, np.arange(23), [0.1])
    assert np.array_equal(net.theta, before)
    handed_out = engine.network(state)
    kept = handed_out.theta.copy()
    assert not np.array_equal(kept, before)
    handed_out.w[1][0, 0] = net.w[1][0, 0] = 99.0
    assert np.array_equal(engine.network(state).theta, kept)


@pytest.mark.parametrize("name", ENGINES)
def test_epoch_stops_at_the_last_finite_weights(name):
    """The first update whose E or weights are not finite ends the pass with NaN, and the state keeps what was before:
    here pattern 2 is too large, so the weights are those after patterns 0 and 1.
    """
    engine = engines.load(name)
    net = Network([1, 1], bias=False)
    inputs, t = np.array([[1.0], [2.0], [1e200], [3.0]]), np.ones((4, 1))
    patterns = source(net, inputs, t, batch_size=1)
    state = engine.prepare(net, patterns, RULES["gradient_descent"])
    assert math.isnan(engine.epoch(state, state.source, np.arange(4), [0.1] * 4))
    first = engine.prepare(net, source(net, inputs[:2], t[:2], batch_size=1), RULES["gradient_descent"])
    assert math.isfinite(engine.epoch(first, first.source, np.arange(2), [0.1] * 2))
    assert np.array_equal(engine.network(state).theta, engine.network(first).theta)


@pytest.mark.parametrize("name", ENGINES)
def test_a_memory_that_overflows_ends_the_pass(name):
    """Adam squares the gradient; where that overflows its step would be 0 for ever, silently; the pass ends instead."""
    engine = engines.load(name)
    net = Network([1, 1], bias=False)
    net.w[1] = np.zeros((1, 1))
    state = engine.prepare(net, source(net, np.full((4, 1), 1e150), np.full((4, 1), 1e10)), RULES["adam"])
    assert math.isnan(engine.epoch(state, state.source, np.arange(4), [0.1]))
    assert engine.network(state).theta == 0


# --------------------------------------------------------------------------------------------------------------- source


@given(
    n=st.integers(1, 40),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 99),
    weighted=st.booleans(),
    gaps=st.booleans(),
)
def test_batches(n, batch_size, seed, weighted, gaps):
    """Each pattern is in exactly one batch, in the given order; only the last batch is smaller; the totals are in
    proportion to the sizes and add up to S within one ulp a batch.
    """
    random = np.random.default_rng(seed)
    net = Network([1, 1])
    inputs, t = np.arange(n, dtype=float)[:, None], random.normal(size=(n, 1))
    t[1:][random.random(n - 1) < 0.3 * gaps] = np.nan
    weights = random.uniform(0.5, 2, n) if weighted else np.ones(n)
    patterns = source(net, inputs, t, weights, batch_size)
    counted = ~np.isnan(t[:, 0])
    inputs, t, weights, n = inputs[counted], t[counted], weights[counted], int(counted.sum())
    order = random.permutation(n)
    batches = list(patterns.batches(order))
    assert np.concatenate([batch[0] for batch in batches])[:, 0].tolist() == inputs[order, 0].tolist()
    assert np.array_equal(np.concatenate([batch[1] for batch in batches]), t[order])
    assert np.concatenate([batch[2] for batch in batches]).tolist() == weights[order].tolist()
    sizes = [len(batch[0]) for batch in batches]
    assert all(size == min(batch_size, n) for size in sizes[:-1])
    assert 0 < sizes[-1] <= batch_size
    assert [batch[3] for batch in batches] == [patterns.total * size / n for size in sizes]
    assert agree(sum(batch[3] for batch in batches), weights.sum(), len(batches) + n)
    assert patterns.patterns == n


@pytest.mark.parametrize("batch_size", [1, 4, 5, 10, 22, 23])
def test_batches_of_an_epoch_add_up_to_the_gradient(batch_size):
    """At weights that stay put, the gradients of an epoch's batches, each by its share of the patterns, add up to the
    full gradient, ragged last batch, weights and missing targets included. 50 ulps: 23 patterns added in another order,
    each divided and multiplied once more.
    """
    net, inputs, t, weights = case(l2=0.1)
    patterns = source(net, inputs, t, weights, batch_size)
    order = np.random.default_rng(0).permutation(23)
    together = sum(page(net, y_0, t, s, total)[1] * len(y_0) / 23 for y_0, t, s, total in patterns.batches(order))
    assert agree(together, page(net, inputs, t, weights)[1], 50)


def test_each_batch_is_unbiased():
    """Over all 120 orders of 5 patterns, the mean gradient of each place in the epoch, the ragged last one too, is the
    full gradient; were a batch divided by its own weights, it would not be. 500 ulps: 120 gradients are added.
    """
    net, inputs, t, weights = case(n=5, missing=False)
    t[1, 0] = np.nan
    patterns = source(net, inputs, t, weights, 2)
    full = page(net, inputs, t, weights)[1]
    unbiased, biased = np.zeros((3, net.n_parameters)), np.zeros((3, net.n_parameters))
    for order in permutations(range(5)):
        for place, (y_0, t_p, s, total) in enumerate(patterns.batches(list(order))):
            unbiased[place] += page(net, y_0, t_p, s, total)[1] / 120
            if s.any():
                biased[place] += page(net, y_0, t_p, s)[1] / 120
    assert all(agree(mean, full, 500) for mean in unbiased)
    assert not any(np.allclose(mean, full, rtol=1e-3) for mean in biased)


@pytest.mark.parametrize("piece", [1, 10, 23, 100])
def test_pieces(piece, monkeypatch):
    """The pieces of a source are its patterns in their own order."""
    monkeypatch.setattr(engines, "PIECE", piece)
    net, inputs, t, weights = case()
    patterns = source(net, inputs, t, weights)
    pieces = list(patterns.pieces())
    assert all(len(part[0]) <= piece for part in pieces)
    for given_, parts in zip((inputs, t, patterns.weights), zip(*pieces, strict=True), strict=True):
        assert np.array_equal(np.concatenate(parts), given_, equal_nan=True)


def test_source():
    """A source holds the arrays in the network's type, without patterns that do not count; the batch is never larger
    than the table, and without a size it is the table.
    """
    net, inputs, t, weights = case()
    t[2] = np.nan
    patterns = source(net.astype("float32"), inputs, t, weights, 1000)
    assert {patterns.inputs.dtype, patterns.targets.dtype, patterns.weights.dtype} == {np.dtype("float32")}
    assert np.array_equal(patterns.inputs, np.delete(inputs, 2, axis=0).astype("float32"))
    assert patterns.total == pytest.approx(weights.sum() - weights[2], rel=1e-6)  # float32
    assert patterns.batch_size == source(net, inputs, t).batch_size == 22
    assert source(net, inputs, t, batch_size=4).batch_size == 4


def forms():
    """The same 23 x 4 table of whole numbers in every form that a user may have, by name."""
    import jax.numpy as jnp

    plain = np.random.default_rng(2).integers(-9, 10, size=(23, 4)).astype(float)
    wide = np.zeros((23, 8))
    wide[:, ::2] = plain
    yield "float64", plain
    yield "lists", plain.tolist()
    yield "Fortran order", np.asfortranarray(plain)
    yield "every second column", wide[:, ::2]
    yield "backwards", plain[::-1].copy()[::-1]
    yield "big-endian", plain.astype(">f8")
    yield "integers", plain.astype(int)
    yield "float16", plain.astype(np.float16)
    yield "objects", plain.astype(object)
    yield "pandas", pd.DataFrame(plain)
    yield "JAX", jnp.asarray(plain)
    yield "masked, without a gap", np.ma.masked_array(plain, mask=False)


def test_forms():
    """Whatever form a table comes in, the source holds the same C-ordered float64 array of NumPy's own."""
    net = Network([4, 4])
    tables = dict(forms())
    for name, table in tables.items():
        patterns = source(net, table, table)
        for array in (patterns.inputs, patterns.targets):
            assert type(array) is np.ndarray, name
            assert array.dtype == np.float64, name
            assert array.flags.c_contiguous, name
            assert np.array_equal(array, tables["float64"]), name


def test_masked_entries_are_missing():
    """A masked target is a missing one, and a masked input is refused by row and column, for what lies under a mask is
    not data.
    """
    net, inputs, t, _ = case(missing=False)
    mask = np.zeros(t.shape, dtype=bool)
    mask[4, 1] = True
    assert np.isnan(source(net, inputs, np.ma.masked_array(t, mask)).targets[4, 1])
    with pytest.raises(ValueError, match=r"^inputs must be finite; row 4, column 1 is nan\."):
        source(net, np.ma.masked_array(inputs, np.pad(mask, ((0, 0), (0, 1)))), t)


LINEAR, COUNTS, CLASSES = (
    Network([2, 1]),
    Network([2, 1], objective="poisson"),
    Network([2, 3], objective="cross_entropy"),
)
X, T = np.arange(6.0).reshape(3, 2), np.ones((3, 1))
GAP = np.array([[1.0, 0, 0], [0, 1, np.nan], [np.nan, np.nan, np.nan]])

REFUSED = {
    "more inputs than targets": (
        (LINEAR, X, T[:2]),
        "inputs and targets must have the same number of rows, one or more; got 3 and 2. "
        "Pass one row a pattern in both.",
    ),
    "no rows": (
        (LINEAR, X[:0], T[:0]),
        "inputs and targets must have the same number of rows, one or more; got 0 and 0. "
        "Pass one row a pattern in both.",
    ),
    "a NaN input": (
        (LINEAR, np.where(X == 3, np.nan, X), T),
        "inputs must be finite; row 1, column 1 is nan. Drop the row or fill the gap first.",
    ),
    "an infinite target": (
        (LINEAR, X, T * [[1], [-np.inf], [1]]),
        "targets must be finite; row 1, column 0 is -inf. Drop the row or fill the gap first.",
    ),
    "too large for float32": (
        (LINEAR.astype("float32"), X * 1e300, T),
        "inputs must be finite; row 0, column 1 is inf in float32. Drop the row or fill the gap first.",
    ),
    "complex inputs": (
        (LINEAR, X + 1j, T),
        "inputs must be real; got complex128. Pass real and imaginary parts as columns.",
    ),
    "complex targets": (
        (LINEAR, X, T + 1j),
        "targets must be real; got complex128. Pass real and imaginary parts as columns.",
    ),
    "negative counts": (
        (COUNTS, X, -T),
        "targets must lie between 0 and inf for objective 'poisson'; got -1 to -1. "
        "Rescale them or choose another objective.",
    ),
    "half a class": (
        (CLASSES, X, GAP),
        "targets must be wholly known or wholly nan in each row under softmax; got a part of row 1. Complete it.",
    ),
    "no target known": (
        (LINEAR, X, T * np.nan),
        "targets must hold a known value of a pattern with a weight above 0; got none. Nothing can be learned.",
    ),
    "only the unknown has a weight": (
        (LINEAR, X, T * [[np.nan], [1], [1]], [1, 0, 0]),
        "targets must hold a known value of a pattern with a weight above 0; got none. Nothing can be learned.",
    ),
    "a weight too few": (
        (LINEAR, X, T, [1, 1]),
        "weights must be 3 finite numbers from 0 up, one a pattern; got shape (2,). Only their ratios matter.",
    ),
    "a column of weights": (
        (LINEAR, X, T, T),
        "weights must be 3 finite numbers from 0 up, one a pattern; got shape (3, 1). Only their ratios matter.",
    ),
    "a negative weight": (
        (LINEAR, X, T, [1, -0.5, 1]),
        "weights must be 3 finite numbers from 0 up, one a pattern; got -0.5 for pattern 1. Only their ratios matter.",
    ),
    "a NaN weight": (
        (LINEAR, X, T, [1, 1, np.nan]),
        "weights must be 3 finite numbers from 0 up, one a pattern; got nan for pattern 2. Only their ratios matter.",
    ),
    "weights whose sum overflows": (
        (LINEAR, X, T, [1e308, 1e308, 1e308]),
        "weights must be 3 finite numbers from 0 up, one a pattern; got a sum that is not finite. "
        "Only their ratios matter.",
    ),
    "words for weights": (
        (LINEAR, X, T, ["a", "b", "c"]),
        "weights must be 3 finite numbers from 0 up, one a pattern; got a list of something else. "
        "Only their ratios matter.",
    ),
    "complex weights": (
        (LINEAR, X, T, np.array([1j, 1, 1])),
        "weights must be 3 finite numbers from 0 up, one a pattern; got a ndarray of something else. "
        "Only their ratios matter.",
    ),
}


@pytest.mark.parametrize("which", REFUSED)
def test_source_refuses(which):
    """What cannot be learned from is refused in one sentence that says what must be, what came, and what to do."""
    arguments, sentence = REFUSED[which]
    with pytest.raises(ValueError, match=" must ") as refused:
        source(*arguments)
    assert str(refused.value) == sentence
