"""Claim: training does what it says, keeps the best, says when it failed, and never changes what it was given."""

import importlib.util
import io
import itertools
import math
import pickle
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    Activation,
    Diverged,
    Network,
    WorseThanConstant,
    error,
    error_terms,
    forward,
    gradient,
    train,
)
from chainrule.engines import reference
from chainrule.training import loop
from chainrule.training.descent import RULES, Rule
from chainrule.training.history import History
from chainrule.training.loop import Interrupted
from chainrule.training.progress import progress as progress_bar

pytestmark = pytest.mark.usefixtures("on_the_page")


EPS = float(np.finfo(np.float64).eps)
nan, inf = math.nan, math.inf
DESCENTS = [name for name, row in RULES.items() if not row.whole]


def learnable(sizes=(3, 5, 2), patterns=23, seed=5, near=0.05, **options):
    """A network near the one that made the targets, better than a constant from the start; its inputs and targets."""
    random = np.random.default_rng(seed)
    teacher = Network(sizes, seed=4, **options)
    inputs = random.normal(size=(patterns, sizes[0]))
    start = teacher.replace((teacher.theta + random.normal(0, near, teacher.n_parameters)).astype(teacher.dtype))
    return start, inputs, forward(teacher, inputs).y[-1]


def E_of(net, inputs, targets, weights=None):
    """E by the page."""
    return float(error(net, forward(net, inputs), targets, weights))


def gradient_of(net, inputs, targets, weights=None, total=None):
    """Its gradient by the page."""
    trace = forward(net, inputs)
    return gradient(net, trace, error_terms(net, trace, targets), weights, total)


def passing():
    """Patterns and held-out patterns whose truth lies halfway: on its way to the former, descent passes the latter."""
    start, inputs, targets = learnable((3, 2), near=0.5)
    halfway = (forward(start, inputs).y[-1] + targets) / 2
    return start, inputs, targets, (inputs, halfway)


def close(a, b, ulps):
    """Whether all entries agree within so many ulps of the largest."""
    a, b = np.asarray(a), np.asarray(b)
    return bool(np.abs(a - b).max() <= ulps * EPS * np.abs(b).max())


# ----------------------------------------------------------------------------------------- what is given stays as it is


@pytest.mark.parametrize("name", list(RULES))
def test_arguments_are_never_changed(name):
    """Training changes none of its arguments, and the network it returns shares no memory with the one it was given."""
    start, inputs, targets = learnable()
    weights, held_out = np.ones(23), (inputs[:5].copy(), targets[:5].copy(), np.ones(5))
    theta = start.theta.copy()
    arrays = [inputs, targets, weights, *held_out]
    before = [array.copy() for array in arrays]
    for array in (*arrays, start.theta):
        array.flags.writeable = False
    net, _ = train(start, inputs, targets, name, 0.01, weights=weights, validation=held_out)
    assert all(np.array_equal(array, copy) for array, copy in zip(arrays, before, strict=True))
    assert np.array_equal(start.theta, theta)
    assert not np.array_equal(net.theta, theta)
    assert not np.shares_memory(net.theta, start.theta)
    net.w[1][0, 0] = 9.0


def test_a_start_that_is_kept_is_a_copy():
    """Also where the start is the best, the network that is returned is another: setting its weights leaves the given
    one alone.
    """
    start, inputs, targets = learnable()
    held_out = inputs, forward(start, inputs).y[-1]
    net, history = train(start, inputs, targets, validation=held_out)
    assert history.best_epoch == 0
    theta = start.theta.copy()
    net.w[1][0, 0] += 1
    assert np.array_equal(start.theta, theta)


# -------------------------------------------------------------------------------------------------------------- batches


def orders_of(monkeypatch):
    """A list that the orders of the epochs are added to, as train passes them to the engine."""
    orders, epoch = [], reference.epoch

    def recording(state, window, order, learning_rates):
        orders.append(np.array(order).tolist())
        return epoch(state, window, order, learning_rates)

    monkeypatch.setattr(reference, "epoch", recording)
    return orders


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4, 22, 23, 1000, None])
def test_batches(batch_size, shuffle, monkeypatch):
    """Single patterns, batches with a ragged last one, and all at once: each epoch is the literal loop of updates over
    its order, bit for bit, and its running E the mean of E over the patterns, each just before the update that uses it.
    """
    orders = orders_of(monkeypatch)
    start, inputs, targets = learnable(l2=0.001)
    weights = np.random.default_rng(1).uniform(0.5, 2, 23)
    net, history = train(start, inputs, targets, "gradient_descent", 0.05, 3, batch_size, shuffle, weights=weights)
    size, expected = min(batch_size or 23, 23), start
    for order, running in zip(orders, history.running, strict=True):
        before = 0.0
        for p in (order[n : n + size] for n in range(0, 23, size)):
            total = weights.sum() * len(p) / 23
            trace = forward(expected, inputs[p])
            before += float(error(expected, trace, targets[p], weights[p], total)) * len(p) / 23
            g = gradient_of(expected, inputs[p], targets[p], weights[p], total)
            expected = expected.replace(expected.theta - 0.05 * g.theta)
        assert running == before
    assert np.array_equal(net.theta, expected.theta)
    assert history.epochs == history.best_epoch == 3
    assert history.stopped == "all epochs run"


def test_a_whole_batch_is_the_gradient():
    """One epoch of all patterns at once is one step against the gradient, and its running E is E of the start."""
    start, inputs, targets = learnable()
    net, history = train(start, inputs, targets, "gradient_descent", 0.25, 1, None, shuffle=False)
    assert np.array_equal(net.theta, start.theta - 0.25 * gradient_of(start, inputs, targets).theta)
    assert history.running == [E_of(start, inputs, targets)]


def test_a_learning_rate_of_zero():
    """A learning rate of 0 changes nothing, and then the running E of every epoch is E, but for the order in which 23
    patterns are added, half an ulp an addition.
    """
    start, inputs, targets = learnable()
    net, history = train(start, inputs, targets, learning_rate=0, batch_size=4)
    assert np.array_equal(net.theta, start.theta)
    assert all(close(running, E_of(start, inputs, targets), 23) for running in history.running)


# ------------------------------------------------------------------------------------------------------- order and seed


def test_order_depends_on_seed_and_epoch_only(monkeypatch):
    """The order of patterns is a new permutation each epoch, the same in every run with that seed, whatever else
    differs: network, rule, learning rate, batch size, weights, number of epochs, validation.
    """
    orders = orders_of(monkeypatch)
    start, inputs, targets = learnable()
    other, _, _ = learnable((3, 2))
    other = other.replace(other.theta / 9)

    def run(*arguments, **keywords):
        orders.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WorseThanConstant)
            train(*arguments, **keywords)
        return list(orders)

    usual = run(start, inputs, targets, epochs=5)
    assert all(sorted(order) == list(range(23)) for order in usual)
    assert len({tuple(order) for order in [*usual, list(range(23))]}) == 6
    assert run(start, inputs, targets, epochs=3) == usual[:3]
    assert run(start, inputs, targets, "adam", 0.001, 5, 7) == usual
    held_out = inputs[:3], targets[:3]
    assert run(other, inputs, targets, epochs=5, weights=np.arange(1, 24), validation=held_out) == usual
    elsewhere = run(start, inputs, targets, epochs=5, seed=1)
    assert not any(order in elsewhere for order in usual)
    assert run(start, inputs, targets, epochs=2, shuffle=False, seed=1) == [list(range(23))] * 2


@pytest.mark.parametrize("name", DESCENTS)
def test_seed(name):
    """The same seed gives bit-equal weights and history; another seed gives another run."""
    start, inputs, targets = learnable()

    def run(seed):
        net, history = train(start, inputs, targets, name, 0.01, 4, 5, seed=seed)
        return net.theta.tobytes(), history.running, history.E

    assert run(3) == run(3)
    assert run(3)[0] != run(4)[0]


def test_longer_runs_begin_alike():
    """A run of 6 epochs begins with the 3 of a shorter one, number for number."""
    start, inputs, targets = learnable()
    short, long = (train(start, inputs, targets, "adam", 0.01, epochs, 5)[1] for epochs in (3, 6))
    assert long.running[:3] == short.running


# -------------------------------------------------------------------------------------------------------------- history


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [{}, {"l2": 0.01}, {"l1": 0.001, "penalize_bias": True}, {"dtype": "float32"}])
def test_final_E(options, weighted):
    """The E that is reported at the end is the page's E of the returned network, weights, gaps and penalties included.

    Patterns that do not count are left out, so that a sum of 23 terms is rounded in another order: 23 ulps.
    """
    start, inputs, targets = learnable(**options)
    targets[3, 1] = targets[7] = nan
    weights = np.linspace(0, 2, 23, dtype=start.dtype) if weighted else None
    net, history = train(start, inputs, targets, learning_rate=0.02, weights=weights)
    rounding = 23 * float(np.finfo(start.dtype).eps)
    assert abs(history.E - E_of(net, inputs, targets, weights)) <= rounding * abs(history.E)


def test_history():
    """A history tells its run in one line and as plain data."""
    start, inputs, targets, held_out = passing()
    _, history = train(start, inputs, targets, "adam", 0.05, 40, validation=held_out)
    data = history.to_dict()
    assert History(**data) == history
    assert pickle.loads(pickle.dumps(history)) == history
    assert (data["rule"], len(data["running"]), len(data["validation"])) == ("adam", 40, 40)
    assert 0 < data["seconds"] < 60
    assert str(history).startswith("adam: 40 epochs in ")
    assert f"all epochs run, kept those of epoch {history.best_epoch}; E = {history.E:.6g}" in str(history)
    assert "kept" not in str(train(start, inputs, targets, learning_rate=0.01)[1])


# ----------------------------------------------------------------------------------------------------------- validation


@pytest.mark.parametrize("name", DESCENTS)
def test_the_best_weights_are_kept(name):
    """With validation, the network returned is that of the epoch whose validation E was the least: its E on the
    held-out patterns is that least number, and a run that ends there gives the same weights.
    """
    start, inputs, targets, held_out = passing()
    net, history = train(start, inputs, targets, name, 0.02, 60, validation=held_out)
    assert 1 < history.best_epoch < 60
    assert history.best_epoch == int(np.argmin(history.validation)) + 1
    assert E_of(net, *held_out) == min(history.validation) == history.validation[history.best_epoch - 1]
    ended, _ = train(start, inputs, targets, name, 0.02, history.best_epoch)
    assert np.array_equal(net.theta, ended.theta)


def test_validation_only_watches():
    """Held-out patterns take no part in the training: the epochs are the same with and without them."""
    start, inputs, targets, held_out = passing()
    watched, unwatched = (train(start, inputs, targets, epochs=20, validation=v)[1] for v in (held_out, None))
    assert watched.running == unwatched.running
    assert unwatched.validation == []


@pytest.mark.parametrize("patience", [1, 4])
def test_patience(patience):
    """Training stops after so many epochs without a smaller validation E, no sooner and no later."""
    start, inputs, targets, held_out = passing()
    whole = train(start, inputs, targets, learning_rate=0.02, epochs=60, validation=held_out)[1]
    net, history = train(start, inputs, targets, learning_rate=0.02, epochs=60, validation=held_out, patience=patience)
    assert history.epochs == history.best_epoch + patience < 60
    assert history.validation == whole.validation[: history.epochs]
    assert history.stopped == f"no smaller validation E for {patience} epochs"
    assert E_of(net, *held_out) == min(history.validation)


def test_patience_that_lasts():
    """While the validation E keeps falling, patience stops nothing."""
    start, inputs, targets = learnable()
    _, history = train(start, inputs, targets, learning_rate=0.01, epochs=30, validation=(inputs, targets), patience=1)
    assert (history.epochs, history.stopped) == (30, "all epochs run")


def test_the_start_is_kept_if_nothing_is_better():
    """If no epoch is better than the start on the held-out patterns, the start is what is returned, as epoch 0."""
    start, inputs, targets = learnable()
    held_out = inputs, forward(start, inputs).y[-1]
    net, history = train(start, inputs, targets, epochs=9, validation=held_out, patience=4)
    assert np.array_equal(net.theta, start.theta)
    assert (history.best_epoch, history.epochs) == (0, 4)
    assert E_of(start, inputs, targets) == history.E


def test_weights_of_validation():
    """Held-out patterns have weights too: those of weight 0 might as well not be there."""
    start, inputs, targets, (held_in, held_t) = passing()
    weights = np.repeat([1.0, 0.0], [12, 11])
    weighted = train(start, inputs, targets, validation=(held_in, held_t, weights))[1]
    fewer = train(start, inputs, targets, validation=(held_in[:12], held_t[:12]))[1]
    assert np.allclose(weighted.validation, fewer.validation, rtol=23 * EPS, atol=0)  # 23 summands, 11 of them 0


@pytest.mark.parametrize("far", [(2.0**300, 0.0), (2.0**600, 2.0**600)], ids=["inf", "NaN"])
def test_a_start_whose_validation_overflows(far):
    """A start whose validation E is not finite is worse than anything that is: weights of 2^500 against inputs of
    2^-500 become 0 in one step of 2^1000, without rounding.
    """
    start = Network([2, 1], bias=False)
    start.w[1] = [[2.0**500, -(2.0**500)]]
    inputs, targets = np.array([[2.0**-500, 0.0], [0.0, -(2.0**-500)]]), np.zeros((2, 1))
    held_out = np.array([far]), np.array([[1.0]])
    with np.errstate(all="ignore"):
        assert not math.isfinite(E_of(start, *held_out))
    net, history = train(start, inputs, targets, learning_rate=2.0**1001, epochs=1, validation=held_out)
    assert history.best_epoch == 1
    assert history.validation == [0.5]
    assert net.theta.tolist() == [0, 0]


# ------------------------------------------------------------------------------------------ weights and missing targets


@pytest.mark.parametrize("name", list(RULES))
def test_weights_are_repetition(name):
    """A pattern of weight 3 is the same as the pattern three times, in every rule on all patterns at once. Sums of 23
    and of 46 terms are rounded differently, and 5 updates carry that on: 200 ulps of the largest weight; L-BFGS, whose
    line search is a quotient of small differences, and Levenberg-Marquardt, which solves equations, 1e-9 of it.
    """
    start, inputs, targets = learnable()
    weights = np.arange(23) % 5
    p = np.repeat(np.arange(23), weights)
    weighted = train(start, inputs, targets, name, 0.05, 5, None, weights=weights)
    repeated = train(start, inputs[p], targets[p], name, 0.05, 5, None)
    assert close(weighted[0].theta, repeated[0].theta, 1e-9 / EPS if RULES[name].whole else 200)
    assert close(weighted[1].E, repeated[1].E, 1e-9 / EPS)
    assert weighted[1].best_constant == pytest.approx(repeated[1].best_constant, rel=46 * EPS)


def test_only_ratios_of_weights_matter():
    """All weights times 8, which is exact, change no bit."""
    start, inputs, targets = learnable()
    weights = np.random.default_rng(0).uniform(0.1, 2, 23)
    one, eight = (train(start, inputs, targets, batch_size=4, weights=c * weights) for c in (1, 8))
    assert np.array_equal(one[0].theta, eight[0].theta)
    assert one[1].running == eight[1].running


def test_missing_targets():
    """A pattern without a known target might as well not be there, and an output whose target is never known learns
    nothing. On all patterns at once; zeros are added and the shares are the same, so 23 ulps for the order of the sums.
    """
    start, inputs, targets = learnable((3, 2))
    targets[::3] = nan
    some, _ = train(start, inputs, targets, batch_size=None)
    there = ~np.isnan(targets).any(axis=1)
    assert close(some.theta, train(start, inputs[there], targets[there], batch_size=None)[0].theta, 23)
    targets[:, 1] = nan
    half, _ = train(start, inputs, targets, batch_size=4)
    assert np.array_equal(half.w[1][1], start.w[1][1])
    assert half.b[1][1] == start.b[1][1]
    assert not np.array_equal(half.w[1][0], start.w[1][0])


@settings(max_examples=25)
@given(
    seed=st.integers(0, 999),
    patterns=st.integers(2, 12),
    batch_size=st.integers(1, 13),
    name=st.sampled_from(DESCENTS),
    gaps=st.booleans(),
)
def test_any_run_is_finite_and_consistent(seed, patterns, batch_size, name, gaps):
    """Whatever the batches, rule and gaps, a mild run gives finite numbers, one an epoch, and its E is the page's."""
    start, inputs, targets = learnable((2, 3, 2), patterns, seed)
    targets[1:][np.random.default_rng(seed).random((patterns - 1, 2)) < 0.3 * gaps] = nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorseThanConstant)  # one known pattern: the constant is perfect
        net, history = train(start, inputs, targets, name, 0.01, 3, batch_size, seed=seed)
    assert len(history.running) == 3
    assert np.isfinite([*net.theta, *history.running, history.E, history.best_constant]).all()
    assert E_of(net, inputs, targets) == history.E


# ------------------------------------------------------------------------------------------------------------- diverged


def exploding():
    """A linear network and a learning rate that is too large: column 1 of the inputs is in thousands."""
    start, inputs, targets = learnable((2, 1))
    return start, inputs * [1, 1000], targets


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_diverged(dtype):
    """A run whose E overflows ends with Diverged, which names epoch, layer and the largest input column, and keeps the
    last weights that are finite and the history up to there: what the literal loop finds.
    """
    start, inputs, targets = exploding()
    start = start.astype(dtype)
    with pytest.raises(Diverged) as caught:
        train(start, inputs, targets, learning_rate=1, epochs=999, batch_size=None)
    diverged, net, running = caught.value, start, []
    with np.errstate(all="ignore"):
        while True:
            E, new = E_of(net, inputs, targets), net.theta - 1.0 * gradient_of(net, inputs, targets).theta
            if not (math.isfinite(E) and np.isfinite(new).all()):
                break
            running, net = [*running, E], net.replace(new)
    assert diverged.epoch == len(running) + 1 > 3
    assert diverged.history.running == pytest.approx(running, rel=1e-3 if dtype == "float32" else 1e-9)
    assert np.allclose(diverged.network.theta, net.theta, rtol=1e-3 if dtype == "float32" else 1e-9)
    assert np.isfinite(diverged.network.theta).all()
    assert diverged.network.dtype == dtype
    assert (diverged.layer, diverged.column, diverged.history.stopped) == (1, 1, "diverged")
    assert diverged.size == pytest.approx(np.abs(inputs[:, 1]).max(), rel=1e-6)
    assert isinstance(diverged, ArithmeticError)
    assert diverged.history.seconds > 0


def test_diverged_keeps_the_last_weights_not_the_best():
    """What Diverged keeps are the last finite weights, also in the middle of an epoch and where validation liked
    earlier ones better: here pattern 2 overflows, so they are those after patterns 0 and 1.
    """
    start = Network.from_weights([[[0.5]]], activations="identity")
    inputs, targets = np.array([[1.0], [2.0], [1e200], [3.0]]), np.ones((4, 1))
    before, _ = train(
        start, inputs[:2], targets[:2], learning_rate=0.1, epochs=1, batch_size=1, shuffle=False, warn=False
    )
    with pytest.raises(Diverged) as caught:
        train(start, inputs, targets, batch_size=1, shuffle=False, validation=([[1.0]], [[0.5]]))
    assert (caught.value.epoch, caught.value.history.best_epoch) == (1, 0)
    assert np.array_equal(caught.value.network.theta, before.theta)
    assert not np.array_equal(before.theta, start.theta)


def test_diverged_says_so():
    """The sentence of Diverged says what was too large, where, and what to do; it survives pickling."""
    start, inputs, targets = exploding()
    with pytest.raises(Diverged) as caught:
        train(start, inputs, targets, learning_rate=1, epochs=99, batch_size=None)
    size = np.abs(inputs[:, 1]).max()
    sentence = (
        "learning_rate must be small enough for these patterns; got 1, and E is not finite in epoch "
        f"{caught.value.epoch}: the net values of layer 1 grow without bound, and the largest input is {size:.3g} in "
        "column 1. Lower it, or standardise inputs and targets; the last finite weights are kept."
    )
    assert str(caught.value) == sentence
    caught.value.name = "column 'age'"  # a door that knows more says more
    assert str(caught.value) == sentence.replace("column 1", "column 'age'")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_diverged_names_the_layer():
    """The layer that is named is the one whose net values are the largest, or the first where they are not finite."""
    quiet = Network([1, 2, 1], ["logistic", "identity"], bias=False)
    with pytest.raises(Diverged, match="the net values of layer 2 grow without bound") as caught:  # x_1 stays at 0
        train(quiet, np.zeros((3, 1)), np.ones((3, 1)), learning_rate=100, epochs=999)
    assert caught.value.layer == 2
    steep = Network.from_weights([[[1.0]], [[1e200]], [[1.0]]], activations="identity")
    with pytest.raises(Diverged, match="the net values of layer 2 are not finite") as caught:
        train(steep, np.full((3, 1), 1e200), np.ones((3, 1)))
    assert caught.value.layer == 2


def test_diverged_looks_at_every_pattern(monkeypatch):
    """A single row that overflows is found wherever it stands, beyond the first piece of the patterns too."""
    monkeypatch.setattr(loop, "PIECE", 2)
    start, inputs, targets = learnable((2, 1))
    inputs[17, 0], start.w[1][0, 0] = 1e300, 1e10
    with pytest.raises(Diverged, match=r"layer 1 are not finite, and the largest input is 1e\+300 in column 0\."):
        train(start, inputs, targets)


@pytest.mark.parametrize("name", list(RULES))
def test_diverged_by_validation_alone(name):
    """A run is also stopped if only the held-out patterns overflow; the column is then the largest of theirs."""
    start, inputs, targets = learnable((3, 2))
    far = np.array([[1.0, 2.0, -1e200]])
    with pytest.raises(Diverged) as caught:
        train(start, inputs, targets, name, 0.01, validation=(far, targets[:1]))
    diverged = caught.value
    assert (diverged.epoch, diverged.column, diverged.size) == (1, 2, 1e200)
    assert np.isfinite(diverged.network.theta).all()
    assert math.isfinite(E_of(diverged.network, inputs, targets))
    assert diverged.history.running == diverged.history.validation == []


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize(("dtype", "size"), [("float64", 1e300), ("float64", 1e160), ("float32", 1e30)])
def test_huge_inputs(name, dtype, size):
    """Inputs whose squares overflow end in Diverged in the first epoch, not in a raw error, a warning of NumPy, or
    silence; the weights that are kept are finite.
    """
    start, inputs, targets = learnable((3, 2), dtype=dtype)
    inputs[:, 1] *= size
    with pytest.raises(Diverged) as caught:
        train(start, inputs, targets, name, 0.01)
    assert (caught.value.epoch, caught.value.column) == (1, 1)
    assert np.isfinite(caught.value.network.theta).all()
    assert caught.value.network.dtype == dtype


@pytest.mark.parametrize("name", list(RULES))
def test_a_penalty_that_overflows(name):
    """So do weights whose penalty overflows."""
    start, inputs, targets = learnable(l2=1.0)
    with pytest.raises(Diverged):
        train(start.replace(start.theta * 1e200), inputs, targets, name)


def test_lbfgs_that_diverges_does_not_blame_the_learning_rate():
    """L-BFGS has no learning rate, so its Diverged speaks of the patterns alone."""
    start, inputs, targets = learnable((3, 2))
    with pytest.raises(Diverged) as caught:
        train(start, inputs * 1e300, targets, "lbfgs")
    assert str(caught.value) == (
        "inputs and targets must be small enough for a finite E; got one that is not finite in epoch 1: the net values "
        f"of layer 1 grow without bound, and the largest input is {np.abs(inputs).max() * 1e300:.3g} in column "
        f"{np.abs(inputs).max(axis=0).argmax()}. Standardise inputs and targets; the last finite weights are kept."
    )


def test_diverged_by_the_last_update():
    """An E that overflows only after the last update is found at the end, and the epoch is that last one."""
    start, inputs, targets = learnable((3, 1))
    with pytest.raises(Diverged) as caught:
        train(start, inputs, targets, learning_rate=1e200, epochs=1, batch_size=None)
    assert caught.value.epoch == caught.value.history.epochs == 1
    assert np.isfinite(caught.value.network.theta).all()


# ------------------------------------------------------------------------------------------------ worse than a constant

COUNTS, SHARES = np.array([0.0, 3, 1, 5, 2]), np.array([0.0, 1, 1, 0.25, 1])
CLASSES, HEIGHTS = np.eye(3)[[0, 1, 1, 2, 1]], np.array([[0.5, 7], [-1, 7.5], [2, 11], [0, 6], [0.25, 7]])


def of_columns(loss):
    """Mean over patterns of the sum over outputs, by s."""
    return lambda t, c, s: (loss(t, c).sum(axis=1) * s).sum() / s.sum()


# Objective, output activation, targets, and its E literally at a constant output c with weights s.
CONSTANTS = {
    "sse": ("sse", "identity", HEIGHTS, of_columns(lambda t, c: (t - c) ** 2 / 2)),
    "sse of logistic": ("sse", "logistic", SHARES[:, None], of_columns(lambda t, c: (t - c) ** 2 / 2)),
    "two classes": (
        "cross_entropy",
        "logistic",
        SHARES[:, None],
        of_columns(lambda t, c: -t * np.log(c) - (1 - t) * np.log(1 - c)),
    ),
    "three classes": ("cross_entropy", "softmax", CLASSES, of_columns(lambda t, c: -t * np.log(c))),
    "counts": (
        "poisson",
        "exp",
        COUNTS[:, None],
        of_columns(lambda t, c: c - t - t * np.log(c) + t * np.log(np.maximum(t, 1))),
    ),
    "huber": (
        "huber",
        "identity",
        HEIGHTS,
        of_columns(lambda t, c: np.where(np.abs(t - c) < 1, (t - c) ** 2 / 2, np.abs(t - c) - 0.5)),
    ),
    "absolute": ("absolute", "identity", HEIGHTS, of_columns(lambda t, c: np.abs(t - c))),
}
LINKS = {"identity": lambda c: c, "logistic": lambda c: np.log(c / (1 - c)), "softmax": np.log, "exp": np.log}


def best_of(which, s):
    """The best constant output, found by SciPy without the package, and its E."""
    from scipy.optimize import minimize

    _, output, t, E = CONSTANTS[which]
    if which == "three classes":
        c = (t * s[:, None]).sum(axis=0) / s.sum()
        return c, E(t, c, s)
    inside = {"logistic": (1e-3, 1 - 1e-3), "exp": (1e-3, None), "identity": (None, None)}[output]
    starts = [*t, (t * s[:, None]).sum(axis=0) / s.sum()]  # an absolute value has its least at one of the targets
    found = [
        minimize(lambda c: E(t, c, s), np.clip(start, *inside), method="Nelder-Mead", bounds=[inside] * t.shape[1],
                 options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 4000})
        for start in starts
    ]  # fmt: skip
    best = min(found, key=lambda one: one.fun)
    return best.x, best.fun


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("which", CONSTANTS)
def test_worse_than_constant(which, weighted, dtype):
    """A network that is the best constant, found here by SciPy, is not called worse than it; moved off by 0.1 it is,
    in every objective, with weights of patterns, in float64 and float32. The history holds that constant's E.
    """
    goal, output, t, _ = CONSTANTS[which]
    s = np.array([1.0, 2, 0.5, 1, 4]) if weighted else np.ones(5)
    c, E = best_of(which, s)
    net = Network([2, t.shape[1]], [output], goal, dtype=dtype)
    net.w[1], net.b[1] = np.zeros((t.shape[1], 2)), LINKS[output](c)

    def run(shift):
        net.b[1][0] += shift
        return train(net, np.ones((5, 2)), t, learning_rate=0, epochs=1, weights=s)[1]

    assert run(0).best_constant == pytest.approx(E, rel=1e-9 if dtype == "float64" else 1e-6)
    with pytest.warns(
        WorseThanConstant, match="^The network must predict better than a constant to be of use; its E is"
    ):
        worse = run(0.1)
    assert worse.best_constant < worse.E


def test_missing_targets_of_a_constant():
    """Missing targets count for the constant as they do for E: not at all."""
    start, inputs, targets = learnable((3, 2))
    targets[::2, 0] = targets[5] = nan
    _, history = train(start, inputs, targets)
    spread = np.nansum((targets - np.nanmean(targets, axis=0)) ** 2) / 2
    assert history.best_constant == pytest.approx(spread / 22, rel=1e-14)


def test_penalties_do_not_count():
    """What predicts well is not called worse for its penalty, and what predicts badly does not hide behind one, however
    large: 1e20 here, in which the E of the patterns is lost.
    """
    start, inputs, targets = learnable(l2=1e3)
    _, history = train(start, inputs, targets, learning_rate=0, epochs=1)
    assert history.best_constant < history.E
    idle = Network([1, 1], l2=2.0)
    idle.w[1], idle.b[1] = [[1e10]], [3.0]
    with pytest.warns(WorseThanConstant, match="its E is 5, and the best constant has 0.5"):
        _, history = train(idle, np.zeros((2, 1)), np.array([[-1.0], [1.0]]), learning_rate=0, epochs=1)
    assert history.E == 1e20


def test_the_warning():
    """The warning says both numbers and what to change, and points at the line that called train."""
    start, inputs, targets = learnable()
    with pytest.warns(WorseThanConstant) as caught:
        _, history = train(start, inputs, targets + 9, "gradient_descent", 1e-5, 1)
    assert str(caught[0].message) == (
        f"The network must predict better than a constant to be of use; its E is {history.E:.6g}, and the best "
        f"constant has {history.best_constant:.6g}. Standardise inputs and targets, change learning_rate (1e-05), or "
        "train for more epochs."
    )
    assert caught[0].filename == __file__
    with pytest.warns(WorseThanConstant, match=r"Standardise inputs and targets, or train for more epochs\.$"):
        train(Network([1, 1], "identity"), [[1e-9], [2e-9]], [[1e9], [3e9]], "lbfgs", epochs=1)


def test_no_warning_on_a_good_fit():
    """A network that fits a real table, standardised, is told nothing: warnings are errors here."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    inputs, t = data.data / data.data.std(axis=0), data.target[:, None]
    for name, learning_rate in (("gradient_descent", 0.05), ("momentum", 0.01), ("adam", 0.003), ("lbfgs", 1.0)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _, history = train(Network([10, 16, 1]), inputs, (t - t.mean()) / t.std(), name, learning_rate, 20)
        assert 0.5 * history.best_constant > history.E


# ------------------------------------------------------------------------------------------------------- learning rates

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "learning_rates.py"


@pytest.fixture(scope="module")
def learning_rates():
    """The benchmark of that name, as a module."""
    spec = importlib.util.spec_from_file_location("learning_rates", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_learning_rates(learning_rates):
    """On real tables, raw and standardised, with learning rates from 1e-6 to 1e6, every run that a constant would beat
    is flagged and no other: 48 of the 390 runs of the benchmark, which judges them from their weights alone.
    """
    rules = (("gradient_descent", None, 30), ("adam", 32, 10))
    done = list(learning_rates.runs(learning_rates.problems(), rules, (1e-6, 1e-2, 1.0, 1e6)))
    found = learning_rates.summary(done)
    assert (found["runs"], found["missed"], found["false alarms"]) == (48, 0, 0), [
        run for run in done if run.flagged != run.worse
    ]
    assert found["diverged"] >= 4
    assert found["worse"] - found["diverged"] >= 10
    assert found["runs"] - found["worse"] >= 10


def test_learning_rates_bite(learning_rates, monkeypatch):
    """The benchmark sees a warning that is not given, and one that is given without need."""
    problem = next(problem for problem in learning_rates.problems() if problem.name == "linnerud, standardised")
    runs = [("gradient_descent", None, 100)], [1e-6, 1e-1]
    assert [(run.worse, run.flagged) for run in learning_rates.runs([problem], *runs)] == [(True, True), (False, False)]
    for constant, counts in ((inf, (1, 0)), (-inf, (0, 1))):
        monkeypatch.setattr(loop, "best_constant", lambda *_, constant=constant: (None, constant))
        found = learning_rates.summary(list(learning_rates.runs([problem], *runs)))
        assert (found["missed"], found["false alarms"]) == counts


# --------------------------------------------------------------------------------------------------------------- Ctrl-C


def interrupting(after):
    """Plain descent that is interrupted after so many updates."""

    def formula(theta, g, slots, η, n):
        if n > after:
            raise KeyboardInterrupt
        return theta - η * g, slots

    return Rule("interrupted", formula)


def test_interrupted():
    """Ctrl-C in the middle of an epoch raises Interrupted, a KeyboardInterrupt, with the weights after the last whole
    epoch and the history up to there.
    """
    start, inputs, targets = learnable()
    with pytest.raises(KeyboardInterrupt) as caught:
        train(start, inputs, targets, interrupting(7 * 6 + 3), 0.01, 99, 4)  # 6 updates an epoch
    net, history = train(start, inputs, targets, "gradient_descent", 0.01, 7, 4)
    assert type(caught.value) is Interrupted
    assert np.array_equal(caught.value.network.theta, net.theta)
    assert caught.value.history.running == history.running
    assert (caught.value.history.stopped, caught.value.history.epochs) == ("interrupted", 7)
    assert caught.value.history.seconds > 0
    assert str(caught.value) == "training was interrupted after 7 epochs; the best weights so far are kept."


def test_interrupted_with_validation():
    """With validation, Interrupted carries the weights that were best so far, not the last."""
    start, inputs, targets, held_out = passing()
    best, whole = train(start, inputs, targets, "gradient_descent", 0.02, 60, None, validation=held_out)
    assert whole.best_epoch < 50
    with pytest.raises(Interrupted) as caught:
        train(start, inputs, targets, interrupting(55), 0.02, 60, None, validation=held_out)
    assert np.array_equal(caught.value.network.theta, best.theta)
    assert caught.value.history.best_epoch == whole.best_epoch
    assert len(caught.value.history.validation) == 55


def test_interrupted_at_once():
    """Before the first epoch is over there is nothing but the start, and that is what is carried, as a copy."""
    start, inputs, targets = learnable()
    with pytest.raises(Interrupted, match="after 0 epochs") as caught:
        train(start, inputs, targets, interrupting(0))
    assert np.array_equal(caught.value.network.theta, start.theta)
    assert not np.shares_memory(caught.value.network.theta, start.theta)


def test_lbfgs_interrupted():
    """L-BFGS is interrupted in the same way, from inside SciPy."""
    calls = itertools.count()

    def f(x):
        if next(calls) > 100:
            raise KeyboardInterrupt
        return np.sin(x)

    own = Activation("interrupting", f, np.cos)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(30, 2))
    with pytest.raises(Interrupted) as caught:
        train(Network([2, 9, 1], [own, "identity"]), inputs, np.cos(3 * inputs[:, :1]), "lbfgs", epochs=9999)
    history = caught.value.history
    assert history.epochs > 5
    assert E_of(Network([2, 9, 1], ["sine", "identity"]).replace(caught.value.network.theta), inputs,
                np.cos(3 * inputs[:, :1])) == history.running[-1]  # fmt: skip


SIGNALLED = """
import signal
import numpy as np
from chainrule import Network, train
from chainrule.training.descent import Rule
from chainrule.training.loop import Interrupted

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start its jobs with SIGINT ignored

def formula(theta, g, slots, η, n):
    if n == 100:
        print("ready", flush=True)
    return theta - η * g, slots

x = np.linspace(-1, 1, 40)[:, None]
try:
    train(Network([1, 4, 1]), x, x, Rule("own", formula), 0.01, 10**9)
except Interrupted as interrupted:
    print(interrupted.history.epochs > 10, interrupted.history.running[-1] < interrupted.history.running[0])
    print(np.isfinite(interrupted.network.theta).all())
"""


def test_a_real_signal():
    """SIGINT during training, from another process, ends it within seconds and with Interrupted."""
    child = subprocess.Popen(
        [sys.executable, "-c", SIGNALLED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        said, errors = child.communicate(timeout=20)
    finally:
        child.kill()
        child.communicate()
    assert (said.split(), errors, child.returncode) == (["True"] * 3, "", 0)


# ------------------------------------------------------------------------------------------------------------- progress


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self):
        """As a terminal says."""
        return True


@pytest.mark.parametrize(
    ("stream", "wanted", "shown"),
    [
        (io.StringIO, None, False),
        (Terminal, None, True),
        (Terminal, False, False),
        (Terminal, True, True),
        (io.StringIO, True, True),
        (io.StringIO, False, False),
    ],
)
def test_progress(stream, wanted, shown, monkeypatch, capsys):
    """Progress is shown on a terminal, or if it is wanted, and is silent elsewhere; nothing ever goes to standard
    output. What is shown is epochs done and E, with that of the held-out patterns.
    """
    errors = stream()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("COLUMNS", "120")
    start, inputs, targets = learnable()
    _, history = train(start, inputs, targets, epochs=12, progress=wanted, validation=(inputs, targets))
    said = errors.getvalue()
    assert capsys.readouterr().out == ""
    if shown:
        assert "12/12" in said
        assert f"E {history.running[-1]:.4g}, validation {history.validation[-1]:.4g}" in said
    else:
        assert said == ""


def test_progress_of_something_else(monkeypatch):
    """What counts something else than epochs says so."""
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar(3, None, "choosing") as report:
        report(0.5, None)
    assert "choosing" in errors.getvalue()
    assert "1/3" in errors.getvalue()
    assert "epoch" not in errors.getvalue()


def test_progress_without_standard_error(monkeypatch, capsys):
    """Where there is no standard error at all, as in a program with windows, training is silent."""
    start, inputs, targets = learnable()
    expected, _ = train(start, inputs, targets)
    monkeypatch.setattr(sys, "stderr", None)
    found, _ = train(start, inputs, targets)
    assert np.array_equal(found.theta, expected.theta)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("chosen", [interrupting(30), "gradient_descent"])
def test_progress_leaves_the_terminal_in_order(chosen, monkeypatch):
    """However a run ends, the line of progress is erased and the cursor that it hides is shown again."""
    errors = Terminal()
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("TERM", "xterm")
    start, inputs, targets = exploding()
    with pytest.raises((Interrupted, Diverged)):
        train(start, inputs, targets, chosen, 1e-9 if chosen != "gradient_descent" else 1, 99)
    assert errors.getvalue().count("\x1b[?25l") == errors.getvalue().count("\x1b[?25h") == 1
    assert errors.getvalue().endswith("\x1b[1A\x1b[2K")  # one line up, erase it


# -------------------------------------------------------------------------------------------------------- bad arguments

X, T = np.arange(12.0).reshape(4, 3), np.ones((4, 2))
NET, ONE = Network([3, 2]), Network([3, 1])
ROWS = "inputs and targets must have the same number of rows, one or more; got"
RATE = "Try 0.1, or 0.001 for Adam."
FORM = "validation must be (inputs, targets) or (inputs, targets, weights); got"

REFUSED = {
    "another network": (
        {"net": "3-2"},
        "net must be a Network; got str. Build one with Network(sizes).",
    ),
    "an input too few": (
        {"inputs": X[:, :2]},
        "inputs must have shape (patterns, 3); got (4, 2). The network is [3, 2].",
    ),
    "transposed inputs": (
        {"inputs": X.T},
        "inputs must have shape (patterns, 3); got (3, 4). Pass inputs.T if rows and columns are swapped.",
    ),
    "one pattern without a row": (
        {"inputs": X[0], "targets": T[:1]},
        "inputs must have shape (patterns, 3); got (3,). Pass inputs[None, :] for one pattern.",
    ),
    "targets (n,) for (n, 1)": (
        {"net": ONE, "targets": T[:, 0]},
        "targets must have shape (patterns, 1); got (4,). Pass targets[:, None].",
    ),
    "targets (n, 1) for two outputs": (
        {"targets": T[:, :1]},
        "targets must have shape (patterns, 2); got (4, 1). The network is [3, 2].",
    ),
    "fewer targets": ({"targets": T[:3]}, f"{ROWS} 4 and 3. Pass one row a pattern in both."),
    "no patterns": ({"inputs": X[:0], "targets": T[:0]}, f"{ROWS} 0 and 0. Pass one row a pattern in both."),
    "ragged inputs": (
        {"inputs": [[1, 2, 3], [4, 5]]},
        "inputs must be numbers in a table of rows of equal length; got a ragged or mixed list. "
        "Turn them into numbers first.",
    ),
    "words": (
        {"targets": np.full((4, 2), "tall")},
        "targets must be numbers in a table of rows of equal length; got ndarray of <U4. Turn them into numbers first.",
    ),
    "a NaN input": (
        {"inputs": np.where(X == 7, nan, X)},
        "inputs must be finite; row 2, column 1 is nan. Drop the row or fill the gap first.",
    ),
    "an infinite target": (
        {"targets": np.where(X[:, :2] == 4, inf, T)},
        "targets must be finite; row 1, column 1 is inf. Drop the row or fill the gap first.",
    ),
    "inputs beyond float32": (
        {"net": NET.astype("float32"), "inputs": X * 1e100},
        "inputs must be finite; row 0, column 1 is inf in float32. Drop the row or fill the gap first.",
    ),
    "a negative weight": (
        {"weights": [1, 1, -2, 1]},
        "weights must be 4 finite numbers from 0 up, one a pattern; got -2.0 for pattern 2. Only their ratios matter.",
    ),
    "weights of 0": (
        {"weights": np.zeros(4)},
        "targets must hold a known value of a pattern with a weight above 0; got none. Nothing can be learned.",
    ),
    "an unknown rule": (
        {"rule": "adma"},
        f"rule must be one of {', '.join(RULES)}; got 'adma'. Did you mean 'adam'?",
    ),
    "an unknown engine": (
        {"engine": "refrence"},
        "engine must be 'auto' or 'reference'; got 'refrence'. Did you mean 'reference'?",
    ),
    "no learning rate": (
        {"learning_rate": nan},
        f"learning_rate must be a finite number from 0 up; got nan. {RATE}",
    ),
    "a negative learning rate": (
        {"learning_rate": -0.1},
        f"learning_rate must be a finite number from 0 up; got -0.1. {RATE}",
    ),
    "an infinite learning rate": (
        {"learning_rate": inf},
        f"learning_rate must be a finite number from 0 up; got inf. {RATE}",
    ),
    "a learning rate in words": (
        {"learning_rate": "0.1"},
        f"learning_rate must be a finite number from 0 up; got '0.1'. {RATE}",
    ),
    "no epochs": ({"epochs": 0}, "epochs must be a whole number from 1 up; got 0. Correct it."),
    "half an epoch": ({"epochs": 1.5}, "epochs must be a whole number from 1 up; got 1.5. Correct it."),
    "epochs without end": ({"epochs": None}, "epochs must be a whole number from 1 up; got None. Correct it."),
    "a batch of -1": ({"batch_size": -1}, "batch_size must be a whole number from 1 up or None; got -1. Correct it."),
    "a batch by name": (
        {"batch_size": "all"},
        "batch_size must be a whole number from 1 up or None; got 'all'. Correct it.",
    ),
    "a negative seed": ({"seed": -1}, "seed must be a whole number from 0 up; got -1. Correct it."),
    "no seed": ({"seed": None}, "seed must be a whole number from 0 up; got None. Correct it."),
    "no patience": (
        {"patience": 0, "validation": (X, T)},
        "patience must be a whole number from 1 up or None; got 0. Correct it.",
    ),
    "patience for nothing": (
        {"patience": 3},
        "patience must come with validation; got none. Pass validation=(inputs, targets) too.",
    ),
    "validation inputs alone": (
        {"validation": X},
        f"{FORM} ndarray. Hold some patterns back and pass them.",
    ),
    "a fraction for validation": (
        {"validation": 0.2},
        f"{FORM} float. Hold some patterns back and pass them.",
    ),
    "a NaN in validation": (
        {"validation": (X * [1, nan, 1], T)},
        "validation inputs must be finite; row 0, column 1 is nan. Drop the row or fill the gap first.",
    ),
    "validation targets (n,)": (
        {"net": ONE, "targets": T[:, :1], "validation": (X, T[:, 0])},
        "validation targets must have shape (patterns, 1); got (4,). Pass targets[:, None].",
    ),
    "a weight of validation too few": (
        {"validation": (X, T, np.ones(3))},
        "validation weights must be 4 finite numbers from 0 up, one a pattern; got shape (3,). "
        "Only their ratios matter.",
    ),
}


@pytest.mark.parametrize("which", REFUSED)
def test_bad_arguments(which, monkeypatch):
    """A bad argument is refused before anything is computed, in one sentence: what must be, what came, what to do."""
    monkeypatch.delattr(reference, "prepare")
    bad, sentence = REFUSED[which]
    with pytest.raises(ValueError, match=" must ") as refused:
        train(**({"net": NET, "inputs": X, "targets": T} | bad))
    assert str(refused.value) == sentence
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_numbers_of_numpy():
    """NumPy's integers and floats are numbers too."""
    start, inputs, targets = learnable()
    plain = train(start, inputs, targets, "gradient_descent", 0.5, 3, 4, seed=2)[0]
    other = train(
        start, inputs, targets, "gradient_descent", np.float32(0.5), np.int64(3), np.int8(4), seed=np.uint16(2)
    )[0]
    assert np.array_equal(plain.theta, other.theta)


def test_tables_of_any_kind():
    """Lists, data frames and arrays of JAX train the same network, bit for bit, and it is one of NumPy."""
    import jax.numpy as jnp
    import pandas as pd

    start, inputs, targets = learnable()
    expected = train(start, inputs, targets)[0]
    for form in (np.ndarray.tolist, pd.DataFrame, jnp.asarray, np.asfortranarray):
        net, _ = train(start, form(inputs), form(targets))
        assert type(net.theta) is np.ndarray
        assert np.array_equal(net.theta, expected.theta)
    in_jax, _ = train(start.replace(jnp.asarray(start.theta)), inputs, targets)
    assert type(in_jax.theta) is np.ndarray
    assert np.array_equal(in_jax.theta, expected.theta)


# ------------------------------------------------------------------------------------- errors between processes


def test_errors_of_a_run_travel_between_processes():
    """Diverged and Interrupted can be pickled with what they carry, and do not carry the patterns."""
    start, inputs, targets = learnable()
    with pytest.raises(Diverged) as raised:
        train(start, np.repeat(inputs, 500, axis=0) * 1e3, np.repeat(targets, 500, axis=0), learning_rate=1e6)
    data = pickle.dumps(raised.value)
    assert len(data) < 20_000  # the inputs alone are 23 x 500 x 3 x 8 bytes
    back = pickle.loads(data)
    assert str(back) == str(raised.value)
    assert np.array_equal(back.network.theta, raised.value.network.theta)
    interrupted = pickle.loads(pickle.dumps(Interrupted(start, raised.value.history)))
    assert np.array_equal(interrupted.network.theta, start.theta)
    assert "interrupted after" in str(interrupted)


def test_a_verdict_without_a_warning():
    """With warn=False a bad result is said in the history alone, so that many runs can be compared in silence."""
    start, inputs, targets = learnable()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, history = train(start, inputs, targets + 50, learning_rate=1e-9, epochs=1, warn=False)
    assert history.warning.startswith("The network must predict better than a constant")
    with pytest.warns(WorseThanConstant):
        train(start, inputs, targets + 50, learning_rate=1e-9, epochs=1)
