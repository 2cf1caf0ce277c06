"""Claim: the compiled engine runs the page: the same E, gradient, outputs and weights, whatever is trained and however.

How far off is counted as in tests/random_engines.py: in what the page itself moves by when every number that goes in
moves by one ulp. The loops cannot run as plain Python, since their tiles are instructions of a processor; so that every
branch of theirs is taken, the sizes are drawn on both sides of each vector, tile and block.
"""

import contextlib
import gc
import signal
import sys
import warnings
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chainrule import Network, engines, train
from chainrule.engines import Patterns, cpu, reference, source
from chainrule.engines.cpu.layout import (
    BACK,
    BLOCK,
    E_TERM,
    INPUTS,
    LONG_BLOCK,
    STRIDE,
    WIDTH,
    Memory,
    block_of,
    near_rows,
    worth_packing,
)
from chainrule.sparse import centred
from chainrule.training.descent import RULES, rule
from chainrule.training.loop import Diverged
from chainrule.training.schedules import schedule
from random_engines import DTYPES, ROUND, USED, distances, kind, nearest, ran, random_case

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from agreement import DECIDED, LIMIT

EPS = {name: float(np.finfo(name).eps) for name in DTYPES}


# ----------------------------------------------------------------------------------------------------- against the page


@pytest.mark.parametrize("part", range(15))
def test_agreement(part):
    """On 150 random trainings the engine is off by no more than the limit, unless rounding decides, which is rare.
    (benchmarks/agreement.py does 2,058, which take every objective, output, type and rule together.)
    """
    decided = 0
    for seed in range(10 * part, 10 * part + 10):
        case = random_case(seed, patterns=100)
        worst = max(distances(cpu, case).items(), key=lambda one: one[1])
        if worst[1].moves > LIMIT:
            assert nearest(case) < DECIDED, (worst, str(case))
            decided += 1
    assert decided <= 1


def test_cases_take_everything():
    """The cases have every rule, and both types; a round of them has every combination of these with each objective and
    output.
    """
    cases = [random_case(seed) for seed in range(150)]
    assert {case.rule.name for case in cases} == set(USED)
    assert {case.net.dtype.name for case in cases} == set(DTYPES)
    assert any(case.rule.clip for case in cases)
    assert any(0 in case.rule.layer_rates.values() for case in cases)
    assert {case.net.depth for case in cases} >= {1, 2, 3, 4, 5, 6, 7, 8}
    assert all(
        kind(case.seed) == (case.net.objective.name, case.net.f[-1].name, case.net.dtype.name, case.rule.name)
        for case in cases
    )
    assert len({kind(seed) for seed in range(ROUND)}) == ROUND


WRONG = {
    "a gradient 1 in 1,000 too large": {
        "value_and_gradient": lambda state, theta: (
            reference.value_and_gradient(state, theta)[0],
            reference.value_and_gradient(state, theta)[1] * 1.001,
        )
    },
    "a learning rate 1 in 1,000 too large": {
        "epoch": lambda state, window, order, rates: reference.epoch(state, window, order, rates * 1.001)
    },
    "weights left out": {
        "epoch": lambda state, window, order, rates: reference.epoch(
            state, replace(window, weights=np.ones_like(window.weights), total=float(window.patterns)), order, rates
        )
    },
    "a last batch left out": {
        "epoch": lambda state, window, order, rates: reference.epoch(
            state, window, order[: (len(rates) - 1) * window.batch_size], rates[:-1]
        )
    },
    "the order of patterns turned": {
        "epoch": lambda state, window, order, rates: reference.epoch(state, window, order[::-1], rates)
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_disagreement_is_found(wrong):
    """An engine with a mistake is beyond the limit in some of 60 cases; the page beside itself is off by nothing."""
    engine = SimpleNamespace(**{**vars(reference), **WRONG[wrong]})
    found = 0
    for seed in range(60):
        case = random_case(seed, patterns=30, deepest=2)
        if seed < 5:
            assert max(one.moves for one in distances(reference, case).values()) == 0
        found += max(one.moves for one in distances(engine, case).values()) > LIMIT
        if found > 2:
            return
    raise AssertionError(found)


def toy(n=60, sizes=(3, 9, 2), dtype="float64", seed=0, **more):
    """A network, inputs, and targets that can be learned."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(n, sizes[0]))
    t = np.sin(inputs @ random.normal(size=(sizes[0], sizes[-1])))
    return Network(sizes, dtype=dtype, seed=seed, **more), inputs, t


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["gradient_descent", "momentum", "adam"])
@pytest.mark.parametrize(
    ("sizes", "more"),
    [
        ((3, 9, 2), {}),
        ((5, 33, 17, 1), {"activations": ["tanh", "softplus", "identity"], "l2": 1e-3}),
        ((4, 20, 3), {"activations": ["gelu", "softmax"], "objective": "cross_entropy"}),
    ],
)
def test_fifty_epochs(sizes, more, name, dtype):
    """After 50 epochs of training, smooth and well-conditioned, the weights are within 1e-11 of the page's largest, E
    within 1e-11 of its first; in float32 within 1e-3, where the page itself is no nearer to float64.
    """
    net, inputs, t = toy(100, sizes, dtype, **more)
    if sizes[-1] == 3:
        t = np.eye(3)[np.argmax(t, axis=1)]
    how = {"rule": name, "learning_rate": 0.003 if name == "adam" else 0.01, "epochs": 50, "batch_size": 32}
    found, history = train(net, inputs, t, **how, engine="cpu", progress=False, warn=False)
    page, expected = train(net, inputs, t, **how, engine="reference", progress=False, warn=False)
    near = 1e-11 if dtype == "float64" else 1e-3
    assert np.abs(found.theta - page.theta).max() <= near * np.abs(page.theta).max()
    assert np.abs(np.subtract(history.running, expected.running)).max() <= near * expected.running[0]
    assert history.running[-1] < history.running[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_batches_of_all_patterns_lose_nothing(dtype):
    """However large a batch, w moves by the sum of its products and not by each: 5,000 patterns at once lead float32 to
    where float64 leads, within 2e-6 after 40 updates.
    """
    net, inputs, t = toy(5000, (8, 16, 1), dtype)
    how = {"epochs": 40, "batch_size": None, "learning_rate": 0.1, "progress": False, "warn": False}
    found, _ = train(net, inputs, t, engine="cpu", **how)
    page, _ = train(net.astype("float64"), inputs, t, engine="reference", **how)
    assert np.abs(found.theta - page.theta).max() <= (1e-12 if dtype == "float64" else 2e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_part_of_a_state(dtype):
    """place, network, error and jacobian act on the state's own θ, to the last bit; the network is never changed."""
    net, inputs, t = toy(dtype=dtype, l2=0.1)
    start, patterns = net.theta.copy(), source(net, inputs, t, None, 7)
    state = cpu.prepare(net, patterns, RULES["momentum"])
    assert np.array_equal(cpu.network(state).theta, start)
    other = np.random.default_rng(1).normal(size=net.n_parameters)
    cpu.place(state, other)
    assert np.array_equal(cpu.network(state).theta, other.astype(dtype))
    page = reference.prepare(net, patterns, RULES["momentum"])
    reference.place(page, other)
    assert cpu.error(state, patterns) == pytest.approx(reference.error(page, patterns), rel=64 * EPS[dtype])
    assert np.array_equal(cpu.jacobian(state), reference.jacobian(page))
    before = cpu.network(state).theta
    E, g = cpu.value_and_gradient(state, start)
    assert pytest.approx(reference.value_and_gradient(page, start)[0], rel=64 * EPS[dtype]) == E
    assert np.array_equal(cpu.network(state).theta, before)
    again = cpu.value_and_gradient(state, start)
    assert (E, g.tobytes()) == (again[0], again[1].tobytes())
    cpu.network(state).theta[:] = 0
    assert np.array_equal(cpu.network(state).theta, before)
    assert np.array_equal(net.theta, start)


@pytest.mark.parametrize("dtype", DTYPES)
def test_layout(dtype):
    """Every entry of θ has a place of its own in the engine's memory, for widths on both sides of every vector, and
    rows that would be a power of two apart are not.
    """
    random = np.random.default_rng(0)
    for _ in range(40):
        sizes = [int(one) for one in random.choice([1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 128, 130], 4)]
        net = Network(sizes, bias=[bool(one) for one in random.integers(0, 2, 3)], dtype=dtype)
        memory = Memory(net, 5)
        assert len(set(memory.order.tolist())) == net.n_parameters
        memory.place(net.theta)
        assert np.array_equal(memory.gathered(memory.theta), net.theta)
        assert np.count_nonzero(memory.theta) == np.count_nonzero(net.theta)
        assert all(stride < 512 or stride & (stride - 1) for stride in memory.table[:, 2].tolist())


# ----------------------------------------------------------------------------------------------------------- prediction


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("sizes", "activations", "objective"),
    [
        ([3, 5], ["softmax"], "cross_entropy"),
        ([1, 1], ["identity"], "sse"),
        ([7, 130, 33, 2], ["tanh", "gelu", "identity"], "sse"),
        ([64, 256, 10], ["relu", "softmax"], "cross_entropy"),
        ([40, 700, 530, 11], ["tanh", "tanh", "identity"], "sse"),
    ],
)
def test_outputs_do_not_depend_on_company(sizes, activations, objective, dtype):
    """A pattern has the same outputs, bit for bit, alone and in any table: tiles of every height, and the eight sums at
    once of a single row, add in the same order.
    """
    net = Network(sizes, activations, objective, dtype=dtype, seed=2)
    inputs = np.random.default_rng(0).normal(size=(2 * BLOCK + 3, sizes[0])).astype(dtype)
    predictor = cpu.Predictor(net)
    all_at_once = predictor(inputs)
    assert np.allclose(all_at_once, reference.predict(net, inputs), rtol=0, atol=64 * EPS[dtype])
    for n in (1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK):
        assert np.array_equal(predictor(inputs[:n]), all_at_once[:n]), n
    for row in (0, 1, BLOCK, 2 * BLOCK + 2):
        assert np.array_equal(predictor(inputs[row]), all_at_once[row])
    assert np.array_equal(cpu.predict(net, inputs), all_at_once)
    assert predictor(inputs[:0]).shape == (0, sizes[-1])


def test_predictor():
    """It takes lists, other types and any layout, gives arrays of its own, and does not follow the network; a wrong
    shape is refused, not spread.
    """
    net, inputs, _ = toy()
    predictor = cpu.Predictor(net)
    expected = predictor(inputs)
    for form in (inputs.tolist(), np.asfortranarray(inputs), inputs.astype(object), inputs[::-1].copy()[::-1]):
        assert np.array_equal(predictor(form), expected)
    one, other = predictor(inputs[0]), predictor(inputs[1])
    assert np.array_equal(one, expected[0])
    assert np.array_equal(other, expected[1])
    net.w[1] = np.zeros_like(net.w[1])
    assert np.array_equal(predictor(inputs[0]), one)
    for wrong in (inputs[0, :1], 1.0, inputs[:, :2], inputs[None]):
        with pytest.raises(ValueError, match=r"^inputs must have shape"):
            predictor(wrong)


@pytest.mark.parametrize("dtype", DTYPES)
def test_wide_layers(dtype):
    """Layers whose rows are copied for the update learn what narrow ones do, bit for bit: the outputs of one layer have
    nothing to do with one another, so that a wide network is several narrow ones beside each other.
    """
    n, inputs, targets, batch = 275, 1100, 516, 250
    random = np.random.default_rng(0)
    table = random.normal(size=(n, inputs)), random.normal(size=(n, targets))
    wide = Network([inputs, targets], dtype=dtype, seed=1)
    how = {"epochs": 2, "batch_size": batch, "learning_rate": 0.01, "progress": False, "warn": False, "engine": "cpu"}
    strides = Memory(wide, batch).table[:, STRIDE]
    assert worth_packing(batch, *strides)
    assert block_of(wide) == LONG_BLOCK
    learned, _ = train(wide, *table, "momentum", **how)
    for first in range(0, targets, 43):
        part = slice(first, first + 43)
        narrow = Network([inputs, 43], dtype=dtype)
        narrow.w[1], narrow.b[1] = wide.w[1][part], wide.b[1][part]
        found, _ = train(narrow, table[0], table[1][:, part], "momentum", **how)
        assert np.array_equal(found.w[1], learned.w[1][part])
        assert np.array_equal(found.b[1], learned.b[1][part])


@pytest.mark.parametrize("dtype", DTYPES)
def test_room_for_what_is_copied(dtype):
    """There is room for y of every batch, not of the largest alone, of which less is copied at a time."""
    most = 1024
    net = Network([784, 700, 1030, 20], dtype=dtype)
    memory = Memory(net, most)
    room = memory.rooms[4] - memory.rooms[3]
    size = net.dtype.itemsize
    needed = [
        near_rows(int(k), rows * size) * (rows + 1) * size + WIDTH
        for below, (k, stride) in zip(memory.table[:-1, STRIDE], memory.table[1:, [INPUTS, STRIDE]], strict=True)
        for rows in range(1, most + 1)
        if worth_packing(rows, int(below), int(stride))
    ]
    assert room >= max(needed)
    assert needed[-1] < max(needed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("patterns", [31, 32, 63, 64, 96, 160])
@pytest.mark.parametrize(
    ("sizes", "most"),
    [((20, 333, 257, 40), {2: 96, 3: 0}), ((9, 160, 130, 110, 3), {2: 32, 3: 32}), ((5, 110, 290, 1), {2: 64})],
)
def test_the_way_back_of_many(sizes, most, patterns, dtype, monkeypatch):
    """Patterns side by side have the error terms that w turned over gives them, bit for bit, in panels of one vector
    and of two, whole or not. For so many at most w is not turned over, and no row after theirs is touched.
    """
    monkeypatch.setenv("CHAINRULE_THREADS", "1")
    net = Network(sizes, ["tanh"] * (len(sizes) - 2) + ["identity"], dtype=dtype, seed=1)
    random = np.random.default_rng(0)
    table = random.normal(size=(patterns, sizes[0])), random.normal(size=(patterns, sizes[-1]))
    given = source(net, *table, None, patterns)
    _, gradient = cpu.value_and_gradient(cpu.prepare(net, given, RULES["momentum"]), net.theta)  # by w turned over
    more = source(net, *(np.vstack([one, one]) for one in table), None, 2 * patterns)
    state = cpu.prepare(net, more, RULES["momentum"])
    memory = state.memory

    def room(i, column, first, length):
        start = int(memory.table[i, column]) - memory._arena.ctypes.data
        return memory._arena[start + first : start + first + length]

    strides = memory.table[:, STRIDE].tolist()
    turned = {i: room(i, BACK, 0, memory.lanes * sizes[i - 1] * net.dtype.itemsize) for i in most}
    after = [room(i, E_TERM, patterns * strides[i], (memory.rows - patterns) * strides[i]) for i in range(1, net.depth)]
    assert all(len(one) for one in after)
    for one in [*turned.values(), *after]:
        one[:] = 7
    cpu.epoch(state, given, np.arange(patterns), np.array([0.01]))
    assert np.array_equal(memory.gathered(memory.g), gradient)
    assert all((one == 7).all() for one in after)
    assert {i for i, one in turned.items() if (one == 7).all()} == {i for i in most if patterns <= most[i]}


@pytest.mark.parametrize("dtype", DTYPES)
def test_not_finite_inputs_of_a_prediction(dtype):
    """NaN and infinities in one pattern are its own matter: its outputs are the page's, and no other's change."""
    net, inputs, _ = toy(dtype=dtype, sizes=(3, 9, 2), activations=["tanh", "identity"])
    inputs = inputs.astype(dtype)
    expected = cpu.predict(net, inputs)
    inputs[4, 1], inputs[9, 0], inputs[11] = np.nan, np.inf, -np.inf
    with np.errstate(all="ignore"):
        found, page = cpu.predict(net, inputs), reference.predict(net, inputs)
    others = np.delete(np.arange(len(inputs)), [4, 9, 11])
    assert np.array_equal(found[others], expected[others])
    assert np.allclose(found, page, rtol=64 * EPS[dtype], atol=64 * EPS[dtype], equal_nan=True)
    assert np.isnan(found[4]).all()


# ------------------------------------------------------------------------------------------------------ through train()


def both(net, *arguments, **how):
    """Trained by the engine and by the page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [train(net, *arguments, **how, engine=name, progress=False) for name in ("cpu", "reference")]


HOW: dict[str, dict[str, Any]] = {
    "validation": {"validation": True, "patience": 3, "epochs": 30, "learning_rate": 0.5},
    "cosine": {"schedule": schedule("cosine", warm_up=2), "rule": "nesterov", "learning_rate": 0.02},
    "plateau": {"schedule": "plateau", "validation": True, "epochs": 25},
    "frozen": {"layer_rates": {1: 0.0, 2: 0.3}, "rule": "adam", "learning_rate": 0.01},
    "frozen, plain": {"layer_rates": {1: 0.0}},
    "clipped": {"clip": 0.05, "rule": "rmsprop", "learning_rate": 0.003},
    "clipped and frozen": {"clip": 0.05, "layer_rates": {2: 0.0}},
    "weights": {"weights": np.random.default_rng(3).uniform(0, 2, 60)},
    "one at a time": {"batch_size": 1, "learning_rate": 0.02},
    "all at once": {"batch_size": None, "rule": "rprop", "learning_rate": 0.01},
    "in order": {"shuffle": False},
    "L-BFGS": {"rule": "lbfgs", "epochs": 15},
    "L-BFGS, frozen": {"rule": "lbfgs", "epochs": 15, "layer_rates": {1: 0.0}},
    "AdamW": {"rule": "adamw", "learning_rate": 0.01},
}


@pytest.mark.parametrize("how", HOW)
def test_train(how):
    """Trained by the engine, a network ends where the page ends, for the same reason, and has the same history, to
    1e-9; what is frozen does not move.
    """
    given = {"epochs": 10, "batch_size": 7, "learning_rate": 0.1, **HOW[how]}
    net, inputs, t = toy(activations=["tanh", "identity"], l2=1e-3)
    if given.get("validation"):
        given["validation"] = toy(31, seed=0)[1:]
    (found, history), (page, expected) = both(net, inputs, t, **given)
    assert np.abs(found.theta - page.theta).max() <= 1e-9
    assert (history.epochs, history.stopped, history.best_epoch) == (
        expected.epochs, expected.stopped, expected.best_epoch,
    )  # fmt: skip
    for name in ("running", "validation", "learning_rates"):
        assert np.allclose(getattr(history, name), getattr(expected, name), rtol=1e-9), name
    assert pytest.approx(expected.E, rel=1e-9) == history.E
    for layer, rate in given.get("layer_rates", {}).items():
        assert (rate == 0) == np.array_equal(found.w[layer], net.w[layer])


def test_callbacks():
    """A callback sees the network as it is after each epoch, and may stop the run."""
    net, inputs, t = toy()
    seen: dict[str, list[Any]] = {"cpu": [], "reference": []}
    for name, thetas in seen.items():

        def watch(run, thetas=thetas):
            thetas.append(run.network.theta.copy())
            return len(thetas) == 4

        train(net, inputs, t, epochs=9, callbacks=[watch], engine=name, progress=False, warn=False)
    assert len(seen["cpu"]) == len(seen["reference"]) == 4
    assert np.allclose(seen["cpu"], seen["reference"], rtol=0, atol=1e-13)


@dataclass(frozen=True)
class Windows:
    """A source of several windows, the last one ragged, its pieces smaller still."""

    whole: Patterns
    size: int
    batch_size: int = 5
    change: Any = None

    @property
    def patterns(self):
        """How many."""
        return self.whole.patterns

    @property
    def total(self):
        """Of their weights."""
        return self.whole.total

    def windows(self, seed, epoch, shuffle):
        """One epoch."""
        random = np.random.default_rng([seed, epoch])
        for start in range(0, self.patterns, self.size):
            part = slice(start, start + self.size)
            rows = len(self.whole.inputs[part])
            window = Patterns(
                self.whole.inputs[part],
                self.whole.targets[part],
                self.whole.weights[part],
                5,
                self.patterns,
                self.total,
            )
            order = random.permutation(rows) if shuffle else np.arange(rows)
            yield (window, order) if self.change is None else self.change(window, order)

    def pieces(self):
        """All patterns in their order."""
        for start in range(0, self.patterns, 11):
            part = slice(start, start + 11)
            yield self.whole.inputs[part], self.whole.targets[part], self.whole.weights[part]

    def excerpt(self):
        """All of them."""
        return self.whole


def streamed(change=None, dtype="float64"):
    """A network and such a source."""
    net, inputs, t = toy(63, dtype=dtype)
    return net, Windows(source(net, inputs, t, np.random.default_rng(0).uniform(0.5, 2, 63)), 20, change=change)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["gradient_descent", "adam", "lbfgs"])
def test_streamed(name, dtype):
    """What comes in windows is trained as on the page, from window to window, and so is E of its pieces."""
    net, patterns = streamed(dtype=dtype)
    (found, history), (page, expected) = both(net, patterns, rule=name, learning_rate=0.01, epochs=5)
    near = 1e-11 if dtype == "float64" else 1e-4
    assert np.allclose(found.theta, page.theta, rtol=0, atol=near)
    assert pytest.approx(expected.E, rel=near) == history.E


CHANGED = {
    "a row that is not there": (lambda window, order: (window, np.where(order == 3, 99, order)), IndexError),
    "a row before the first": (lambda window, order: (window, np.where(order == 3, -21, order)), IndexError),
    "more in a batch": (lambda window, order: (replace(window, batch_size=len(order)), order), ValueError),
    "an input too few": (lambda window, order: (replace(window, inputs=window.inputs[:, :2]), order), ValueError),
    "a target too few": (lambda window, order: (replace(window, targets=window.targets[:, :1]), order), ValueError),
    "rows too few": (lambda window, order: (replace(window, targets=window.targets[:9]), order), ValueError),
    "a weight too few": (lambda window, order: (replace(window, weights=window.weights[:9]), order), ValueError),
}


@pytest.mark.parametrize("name", ["gradient_descent", "adam"])
@pytest.mark.parametrize("change", CHANGED)
def test_windows_that_do_not_fit(change, name):
    """A source that gives a window of another shape, or rows that are not there, is refused before anything is read by
    address.
    """
    how, error = CHANGED[change]
    net, patterns = streamed(how)
    with pytest.raises(error):
        train(net, patterns, rule=name, epochs=1, engine="cpu", progress=False, warn=False)


def test_other_types_in_a_window():
    """A window in another type or layout, read-only, with rows counted from the end, is learned from all the same."""

    def change(window, order):
        arrays = [np.asfortranarray(one.astype(kind)) for one, kind in
                  ((window.inputs, "float32"), (window.targets, ">f8"), (window.weights, "float16"))]  # fmt: skip
        for one in arrays:
            one.flags.writeable = False
        return replace(window, inputs=arrays[0], targets=arrays[1], weights=arrays[2]), order - len(order)

    net, patterns = streamed(change)
    (found, _), (page, _) = both(net, patterns, learning_rate=0.01, epochs=2)
    assert np.allclose(found.theta, page.theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["gradient_descent", "adam"])
def test_window_that_comes_again(name):
    """The loop is prepared once for a window; what changes from epoch to epoch, its memory included, is seen."""
    net, inputs, t = toy(60)
    window = source(net, inputs.copy(), t, None, 20)
    orders = [np.random.default_rng(n).permutation(60) for n in range(4)]
    used, anew, page = (engine.prepare(net, window, RULES[name]) for engine in (cpu, cpu, reference))
    for n, order in enumerate(orders):
        window.inputs[:] = inputs + n
        rates = np.full(3, 0.01 / (n + 1))
        running = [engine.epoch(one, window, order, rates) for engine, one in ((cpu, used), (reference, page))]
        assert running[0] == cpu.epoch(anew, replace(window), order, rates)
        assert running[0] == pytest.approx(running[1], rel=1e-12)
    assert used.run.given is window
    assert np.array_equal(cpu.network(used).theta, cpu.network(anew).theta)
    assert np.allclose(cpu.network(used).theta, reference.network(page).theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("outputs", [1, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 5])
def test_what_lies_beside_the_nodes_counts_for_nothing(batch_size, outputs):
    """Biases times error terms that overflow where a vector of nodes is not full, with w turned over or not."""
    net = Network([2, 6, outputs], ["identity", "identity"], dtype="float32")
    net.b[2][:] = 1e21
    inputs, t = np.random.default_rng(0).normal(size=(5, 2)), np.full((5, outputs), 1e21 - 1e18)
    how = {"rule": "momentum", "learning_rate": 1e-20, "batch_size": batch_size, "epochs": 2}
    (found, history), (page, expected) = both(net, inputs, t, **how)
    assert np.allclose(found.theta, page.theta, rtol=1e-5)
    assert pytest.approx(expected.E, rel=1e-5) == history.E


def test_copied_window_is_not_kept():
    """Of a window in another type or layout the loop reads a copy, which is made anew: the window may have changed."""
    net, inputs, t = toy(60)
    window = source(net, inputs, t, None, 60)
    turned = replace(window, inputs=np.asfortranarray(window.inputs))
    state = cpu.prepare(net, turned, RULES["gradient_descent"])
    E = cpu.epoch(state, turned, np.arange(60), np.zeros(1))
    turned.inputs[:] *= 2
    assert cpu.epoch(state, turned, np.arange(60), np.zeros(1)) != E


def test_numbers_of_updates_before():
    """A state that is taken back to an earlier update takes the numbers of that update."""
    net, inputs, t = toy(50)
    window, order, rates = source(net, inputs, t, None, 1), np.arange(50), np.full(50, 0.01)
    used, anew = (cpu.prepare(net, window, RULES["adam"]) for _ in range(2))
    start = engines.memory(used)
    for _ in range(3):
        cpu.epoch(used, window, order, rates)
    engines.recall(used, start)
    cpu.place(used, net.theta)
    assert cpu.epoch(used, window, order, rates) == cpu.epoch(anew, window, order, rates)
    assert np.array_equal(cpu.network(used).theta, cpu.network(anew).theta)


@pytest.mark.parametrize("streams", [False, True])
def test_memory_is_given_back(streams):
    """A state, its memory and its window are gone with the last reference, not when Python next looks for cycles."""
    net, inputs, t = toy(60)
    window = source(net, inputs, t, None, 20)
    state = cpu.prepare(net, replace(window) if streams else window, RULES["adam"])
    gc.disable()
    try:
        cpu.epoch(state, window, np.arange(60), np.full(3, 0.1))
        cpu.error(state, window)
        gone = weakref.ref(state.memory), weakref.ref(window)
        del state, window
        assert [one() for one in gone] == [None, None]
    finally:
        gc.enable()


def test_sparse():
    """Sparse inputs are another engine's: under "cpu" they are refused in one sentence; sparse validation is not."""
    from scipy.sparse import csr_array

    net, inputs, t = toy()
    sparse = csr_array(np.where(np.abs(inputs) > 1, inputs, 0))
    with pytest.raises(ValueError, match=r"^engine must be .* but its inputs are sparse\. Use 'reference'\.$"):
        train(net, sparse, t, engine="cpu", progress=False)
    (found, history), (_, expected) = both(net, inputs, t, validation=(centred(sparse, net.dtype), t), epochs=3)
    assert history.validation == pytest.approx(expected.validation, rel=1e-12)
    assert engines.load("auto", net, sparse) is reference
    assert np.isfinite(found.theta).all()


# -------------------------------------------------------------------------------------- where numbers come to their end


def diverged(engine, *arguments, **how):
    """What is raised, if it is."""
    with contextlib.suppress(Diverged), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net, history = train(*arguments, **how, engine=engine, progress=False)
        return None, net, history
    try:
        train(*arguments, **how, engine=engine, progress=False)
    except Diverged as raised:
        return raised.epoch, raised.network, raised.history
    raise AssertionError


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*USED, "lbfgs"])
@pytest.mark.parametrize("batch_size", [7, 60])
def test_diverged(name, batch_size, dtype):
    """A run that overflows ends in the same epoch as the page's, with the same last finite weights, however many
    updates the engine makes at a time; where a rule bounds its steps, neither diverges.
    """
    net, inputs, t = toy(dtype=dtype, activations=["relu", "identity"])
    largest = float(np.finfo(dtype).max)
    rate = {"gradient_descent": 50.0, "momentum": 50.0, "nesterov": 50.0}.get(name, largest / 1e3)
    how = {"rule": name, "learning_rate": rate, "epochs": 40, "batch_size": batch_size}
    epoch, found, history = diverged("cpu", net, inputs, t, **how)
    epoch_of_page, page, expected = diverged("reference", net, inputs, t, **how)
    assert epoch == epoch_of_page
    assert np.isfinite(found.theta).all()
    near = 1e-9 if dtype == "float64" else 1e-3
    if epoch is not None:
        assert np.allclose(found.theta / np.abs(page.theta).max(), page.theta / np.abs(page.theta).max(), atol=near)
        assert np.allclose(history.running, expected.running, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", [0, 13, 59])
def test_last_finite_weights_by_hand(row, dtype):
    """Whichever update fails, the state keeps what the update before left, bit for bit, and counts as many updates: one
    pattern has an input whose square overflows.
    """
    net, inputs, t = toy(dtype=dtype, activations=["identity", "identity"])
    inputs[row] = float(np.finfo(dtype).max) / 2
    for name in ("gradient_descent", "adam"):
        patterns = source(net, inputs, t, None, 1)
        state, before = (cpu.prepare(net, patterns, RULES[name]) for _ in range(2))
        rates = np.full(60, 1e-3)
        with np.errstate(all="ignore"):
            assert np.isnan(cpu.epoch(state, patterns, np.arange(60), rates))
        part = Patterns(patterns.inputs, patterns.targets, patterns.weights, 1, 60, 60.0)
        if row:
            cpu.epoch(before, part, np.arange(row), rates[:row])
        assert state.updates == before.updates == row
        assert np.array_equal(cpu.network(state).theta, cpu.network(before).theta)
        assert np.array_equal(state.slots, before.slots)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value, dtype):
    """With a weight that is not finite E is not finite, and training ends at once with the weights as they were."""
    net, inputs, t = toy(dtype=dtype, activations=["tanh", "identity"])
    net.w[2][1, 3] = value
    patterns = source(net, inputs, t, None, 7)
    states = [engine.prepare(net, patterns, RULES["adam"]) for engine in (cpu, reference)]
    for engine, state in zip((cpu, reference), states, strict=True):
        assert not np.isfinite(engine.error(state, patterns))
        assert not np.isfinite(engine.value_and_gradient(state, net.theta)[0])
        assert np.isnan(engine.epoch(state, patterns, np.arange(60), np.full(9, 0.01)))
        assert np.array_equal(engine.network(state).theta, net.theta, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_below_the_normal_ones(dtype):
    """Weights, inputs and learning rates below the smallest normal number are not rounded to 0: the engine leaves the
    processor's modes alone.
    """
    info = np.finfo(dtype)
    net = Network([2, 3, 1], ["identity", "identity"], bias=False, dtype=dtype)
    net.theta = (np.arange(1, net.n_parameters + 1) * float(info.smallest_subnormal)).astype(dtype)
    assert (cpu.network(cpu.prepare(net, source(net, np.ones((1, 2)), np.ones((1, 1))), RULES["adam"])).theta > 0).all()
    one = Network([1, 1], ["identity"], bias=False, dtype=dtype)
    one.theta = np.array([info.tiny / 4], dtype)
    assert cpu.predict(one, np.ones((1, 1)))[0, 0] == info.tiny / 4
    one.theta = np.ones(1, dtype)
    assert cpu.predict(one, np.full((1, 1), info.smallest_subnormal))[0, 0] == info.smallest_subnormal
    tiny = source(one, np.ones((1, 1)), np.full((1, 1), 1 + 1e-3), None, 1)
    state, page = (engine.prepare(one, tiny, RULES["momentum"]) for engine in (cpu, reference))
    one.theta[:] = 0
    cpu.place(state, one.theta)
    reference.place(page, one.theta)
    rates = np.array([info.tiny / 8])
    cpu.epoch(state, tiny, np.arange(1), rates)
    reference.epoch(page, tiny, np.arange(1), rates)
    assert cpu.network(state).theta[0] == pytest.approx(float(reference.network(page).theta[0]), rel=0.01)
    assert cpu.network(state).theta[0] > 0


FADING = {
    "momentum": rule("momentum"),
    "adam": rule("adam"),
    "rmsprop": rule("rmsprop"),
    "adam that divides": rule("adam", beta_2=0.9, epsilon=0.0),
}


@pytest.mark.parametrize("name", FADING)
def test_what_fades_ends_at_0(name):
    """What a rule remembers of gradients that are 0 now fades to 0, and not to a number below the normal ones, which
    would make every later update 2 to 4 times as long; a rule that would divide by that 0 keeps it.
    """
    net, inputs, t = toy(dtype="float32", sizes=[3, 40, 1], activations=["relu", "identity"])
    given = source(net, inputs, t, None, 20)
    state = cpu.prepare(net, given, FADING[name])
    order, rates = np.arange(60), np.full(3, 1e-5)
    cpu.epoch(state, given, order, rates)
    net.b[1][:20] = -1e3  # these nodes are 0 for every pattern from here on
    cpu.place(state, net.theta)
    for _ in range(700):
        E = cpu.epoch(state, given, order, rates)
    size = np.abs(state.slots)
    faint = (size > 0) & (size < np.finfo("float32").tiny)
    assert np.isfinite(E)
    assert np.isfinite(cpu.network(state).theta).all()
    assert faint.any() == (name == "adam that divides")
    assert (size == 0).sum() > 20 * 4 or name == "adam that divides"


@pytest.mark.parametrize("rate", [1e30, 1e300])
def test_learning_rate_beyond_the_type(rate):
    """A learning rate that overflows float32 diverges, with no warning of NumPy's, as on the page."""
    net, inputs, t = toy(dtype="float32", activations=["relu", "identity"])
    for engine in ("cpu", "reference"):
        with pytest.raises(Diverged) as raised:
            train(net, inputs, t, learning_rate=rate, epochs=3, engine=engine, progress=False)
        assert raised.value.epoch == 1
        assert np.isfinite(raised.value.network.theta).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_passes_through_every_step(dtype):
    """A NaN in any one weight or bias makes E and some of the gradient NaN: nothing on the way makes it a number."""
    sizes, names = [3, 9, 2, 17, 2], ["tanh", "softplus", "logistic", "identity"]
    net, inputs, t = toy(dtype=dtype, sizes=sizes, activations=names)
    state = cpu.prepare(net, source(net, inputs, t, None, 7), RULES["adam"])
    assert np.isfinite(cpu.value_and_gradient(state, net.theta)[0])
    for n in range(net.n_parameters):
        theta = net.theta.copy()
        theta[n] = np.nan
        E, g = cpu.value_and_gradient(state, theta)
        assert np.isnan(E), net.entry(n)
        assert np.isnan(g).any(), net.entry(n)


def test_same_again():
    """Two runs of the same training are equal bit for bit."""
    for seed in (3, 60, 133, 200):
        one, other = (ran(cpu, random_case(seed)) for _ in range(2))
        assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("signalled", [signal.SIGINT])
def test_interrupted_state_is_whole(signalled, monkeypatch):
    """Ctrl-C while E of all patterns is computed at another θ leaves the state's own θ where it was."""
    net, inputs, t = toy()
    state = cpu.prepare(net, source(net, inputs, t), RULES["lbfgs"])

    def interrupted(*_):
        raise KeyboardInterrupt(signalled)

    monkeypatch.setattr(cpu.pool, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cpu.value_and_gradient(state, net.theta * 2)
    assert np.array_equal(cpu.network(state).theta, net.theta)
    monkeypatch.undo()
    assert np.isfinite(cpu.value_and_gradient(state, net.theta)[0])


def test_clip_needs_no_square():
    """A gradient whose square overflows is shortened all the same."""
    net = Network([2, 1], ["identity"], "absolute", dtype="float64", bias=False)
    inputs, t = np.full((4, 2), 1e200), np.full((4, 1), -1e201)
    patterns = source(net, inputs, t)
    theta = []
    for engine in (cpu, reference):
        state = engine.prepare(net, patterns, rule("gradient_descent", clip=1.0))
        engine.epoch(state, patterns, np.arange(4), np.array([0.1]))
        theta.append(engine.network(state).theta)
    assert np.allclose(theta[0], theta[1], rtol=1e-14)
    assert np.linalg.norm(theta[0] - net.theta) == pytest.approx(0.1)
