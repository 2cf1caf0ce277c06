"""Claim: patterns that come in windows train the network that they would train in memory."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from chainrule import Diverged, Network, WorseThanConstant, forward, train
from chainrule.engines import Patterns, Source, reference, source
from chainrule.training import loop
from chainrule.training.descent import RULES

DESCENTS = [name for name, row in RULES.items() if not row.whole]
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Cut:
    """A source that never hands out more than ``rows`` patterns at once, in the order of the whole."""

    whole: Patterns
    rows: int

    batch_size = property(lambda self: self.whole.batch_size)
    patterns = property(lambda self: self.whole.patterns)
    total = property(lambda self: self.whole.total)

    def take(self, rows):
        """A window."""
        of, whole = self.whole, (self.batch_size, self.patterns, self.total)
        return Patterns(of.inputs[rows], of.targets[rows], of.weights[rows], *whole)

    def windows(self, seed, epoch, shuffle):
        """Windows in the order of the whole, each in its own."""
        _, order = next(self.whole.windows(seed, epoch, shuffle))
        for start in range(0, self.patterns, self.rows):
            window = self.take(order[start : start + self.rows])
            yield window, np.arange(len(window.inputs))

    def pieces(self):
        """Pieces in the order of the table."""
        for start in range(0, self.patterns, self.rows):
            piece = self.take(slice(start, start + self.rows))
            yield piece.inputs, piece.targets, piece.weights

    def excerpt(self):
        """The first few."""
        return self.take(slice(0, self.rows))


def case(patterns=42, batch_size=4, rows=12, near=0.05, **options):
    """A network, arrays with weights and gaps, and the same arrays cut into windows of three batches.

    One of the 42 patterns has no known target, so 41 are learned from, and the last batch is smaller.
    """
    random = np.random.default_rng(3)
    teacher = Network([3, 5, 2], seed=4, **options)
    inputs = random.normal(size=(patterns, 3))
    targets = forward(teacher, inputs).y[-1].copy()
    targets[9] = np.nan
    targets[4, : "objective" not in options] = np.nan  # softmax takes no half of a row
    weights = random.uniform(0.5, 2, patterns)
    net = teacher.replace(teacher.theta + random.normal(0, near, teacher.n_parameters))
    return net, (inputs, targets, weights), Cut(source(net, inputs, targets, weights, batch_size), rows)


# ------------------------------------------------------------------------------------------------ the same as in memory


def test_protocol():
    """Patterns in memory are a source, and so is anything with the same functions; an array is none."""
    _, (inputs, *_), cut = case()
    assert isinstance(cut.whole, Source)
    assert isinstance(cut, Source)
    assert not isinstance(inputs, Source)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("name", DESCENTS)
def test_windows_train_what_memory_trains(name, shuffle):
    """Windows in the order of the whole leave the weights of the whole, bit for bit, ragged last batch and all; E,
    which is added window by window, within 41 ulps, one an addition.
    """
    net, (inputs, targets, weights), cut = case(l2=0.01)
    run = {"rule": name, "learning_rate": 0.01, "epochs": 3, "shuffle": shuffle, "seed": 5}
    whole, of_whole = train(net, inputs, targets, weights=weights, batch_size=4, **run)
    parts, of_parts = train(net, cut, **run)
    assert np.array_equal(whole.theta, parts.theta)
    assert np.allclose(of_whole.running, of_parts.running, rtol=41 * EPS, atol=0)
    assert abs(of_whole.E - of_parts.E) <= 41 * EPS * of_whole.E


def test_windows_bite():
    """Were a window's totals its own, the weights would be others: the test above can fail."""
    net, (inputs, targets, weights), cut = case()
    whole, _ = train(net, inputs, targets, weights=weights, batch_size=4, shuffle=False)

    class Wrong(Cut):
        def take(self, rows):
            right = Cut.take(self, rows)
            return Patterns(right.inputs, right.targets, right.weights, self.batch_size)

    wrong, _ = train(net, Wrong(cut.whole, cut.rows), shuffle=False)
    assert not np.allclose(whole.theta, wrong.theta, rtol=1e-6)


def test_lbfgs_from_pieces():
    """L-BFGS takes a source piece by piece: E and gradient are added in another order, and 5 iterations carry that on,
    1e-9 of the weights as for repeated patterns.
    """
    net, (inputs, targets, weights), cut = case()
    whole, _ = train(net, inputs, targets, "lbfgs", epochs=5, weights=weights)
    parts, _ = train(net, cut, rule="lbfgs", epochs=5)
    assert np.allclose(whole.theta, parts.theta, rtol=0, atol=1e-9 * np.abs(whole.theta).max())


def test_a_source_made_before():
    """What engines.source made of arrays trains as the arrays do, bit for bit, with the batch size that it has."""
    net, (inputs, targets, weights), cut = case()
    arrays = train(net, inputs, targets, weights=weights, batch_size=4)
    made = train(net, cut.whole, batch_size=99)
    assert np.array_equal(arrays[0].theta, made[0].theta)
    assert arrays[1].running == made[1].running
    assert (arrays[1].E, arrays[1].best_constant) == (made[1].E, made[1].best_constant)


def test_validation_from_a_source():
    """Held-out patterns may come from a source too: the same epoch is kept, for the same errors within 41 ulps."""
    net, (inputs, targets, weights), cut = case(near=0.3)
    held_out = inputs[::2], targets[::2] + 0.2, weights[::2]
    run = {"learning_rate": 0.2, "epochs": 30}
    whole, of_whole = train(net, cut, validation=held_out, **run)
    parts, of_parts = train(net, cut, validation=Cut(source(net, *held_out), 5), **run)
    assert np.allclose(of_whole.validation, of_parts.validation, rtol=41 * EPS, atol=0)
    assert 0 < of_whole.best_epoch == of_parts.best_epoch < 30
    assert np.array_equal(whole.theta, parts.theta)


# -------------------------------------------------------------------------------------------------- what a run reports


@pytest.mark.parametrize("goal", ["sse", "cross_entropy", "poisson", "huber"])
def test_best_constant_of_a_source(goal):
    """The best constant of a source is found on its excerpt, and its E is that of all patterns: where the excerpt is
    all of them it is the number of memory, within an ulp a pattern, else not below it.
    """
    net, (inputs, targets, weights), _ = case(objective=goal)
    targets = np.abs(targets) / np.abs(targets).sum(axis=1, keepdims=True)
    whole = source(net, inputs, targets, weights, 4)
    run = {"learning_rate": 0, "epochs": 1, "warn": False}
    in_memory = train(net, whole, **run)[1].best_constant
    assert train(net, Cut(whole, 41), **run)[1].best_constant == pytest.approx(in_memory, rel=41 * EPS)
    assert in_memory < train(net, Cut(whole, 12), **run)[1].best_constant < 2 * in_memory


def test_a_source_worse_than_constant():
    """A network worse than a constant is told so from a source too, and targets that never vary are seen as such across
    the windows: an output without a known target varies as little.
    """
    net, (inputs, targets, weights), _ = case()
    with pytest.warns(WorseThanConstant, match="^The network must predict better than a constant"):
        train(net, Cut(source(net, inputs, targets + 9, weights, 4), 12), learning_rate=1e-5)
    by_window = np.repeat(np.arange(4.0), 12)[:42, None] * [1, 1]
    with pytest.warns(WorseThanConstant, match="^The network must predict better than a constant"):
        train(net, Cut(source(net, inputs, by_window + 9, weights, 4), 12), learning_rate=1e-5)
    constant = np.column_stack([np.full(42, 3.0), np.full(42, np.nan)])
    with pytest.warns(WorseThanConstant, match="^The targets must vary"):
        train(net, Cut(source(net, inputs, constant, weights, 4), 12), learning_rate=1e-5)


def test_a_source_that_diverges():
    """Diverged names the largest input of the excerpt."""
    _, (inputs, targets, weights), _ = case()
    net = Network([3, 2])
    huge = Cut(source(net, inputs * [1, 1e200, 1], targets, weights, 4), 12)
    with pytest.raises(Diverged) as caught:
        train(net, huge)
    assert (caught.value.epoch, caught.value.column) == (1, 1)
    assert caught.value.size == np.abs(huge.excerpt().inputs[:, 1]).max()
    assert math.isnan(reference.epoch(reference.prepare(net, huge, RULES["adam"]), huge.whole, [0, 1], [0.1]))


# ---------------------------------------------------------------------------------------------------------- bad sources


class Fewer(Cut):
    """Loses its last window."""

    def windows(self, seed, epoch, shuffle):
        """All but the last."""
        yield from list(Cut.windows(self, seed, epoch, shuffle))[:-1]


class More(Cut):
    """Gives its first window twice."""

    def windows(self, seed, epoch, shuffle):
        """All, and one again."""
        yield from [*Cut.windows(self, seed, epoch, shuffle), next(Cut.windows(self, seed, epoch, shuffle))]


@pytest.mark.parametrize(
    ("kind", "rows", "got"), [(Fewer, 12, "fewer"), (More, 12, "others"), (Cut, 11, "others")], ids=str
)
def test_windows_that_do_not_add_up(kind, rows, got):
    """A source must give all of its patterns in every epoch, once, and its windows end where batches end."""
    net, _, cut = case()
    with pytest.raises(ValueError, match=r"^inputs must give 41 patterns an epoch") as refused:
        train(net, kind(cut.whole, rows))
    assert str(refused.value) == (
        "inputs must give 41 patterns an epoch, in windows of whole batches of 4 but for the last; got "
        f"{got} in epoch 1. Correct its windows, or leave what they are read from as it is during training."
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda net, cut: (net, cut, cut.whole.targets),
            "targets must be left out where inputs is a source, which holds them; got both. Leave them out.",
        ),
        (
            lambda net, cut: (net, cut.whole.inputs),
            "targets must be given, one row a pattern; got none. Pass them after inputs.",
        ),
        (
            lambda net, cut: (Network([2, 2]), cut),
            "inputs must have shape (patterns, 2); got (12, 3). The network is [2, 2].",
        ),
        (
            lambda net, cut: (net.astype("float32"), cut),
            "inputs must hold arrays of the network's type, float32, and as many rows in each; got float64 inputs, "
            "float64 targets and float64 weights. Correct the source.",
        ),
    ],
    ids=["targets twice", "no targets", "another network", "another type"],
)
def test_a_source_that_does_not_fit(change, sentence):
    """A source that does not fit the network, or is half of one, is refused in one sentence."""
    net, _, cut = case()
    with pytest.raises(ValueError, match=" must ") as refused:
        train(*change(net, cut))
    assert str(refused.value) == sentence


def test_loop_knows_only_the_source(monkeypatch):
    """A run reads a source by windows, pieces and excerpt alone: the arrays of the whole could be out of reach."""
    net, _, cut = case()
    hidden = Patterns(*[np.empty((0, 0))] * 2, np.empty(0), 4, cut.patterns, cut.total)
    apart = Cut(cut.whole, cut.rows)
    monkeypatch.setattr(loop.engines, "source", None)
    seen = train(net, apart, epochs=2)[0].theta

    class Elsewhere(Cut):
        windows, pieces, excerpt = (lambda self, *a, of=name: getattr(apart, of)(*a) for name in
                                   ("windows", "pieces", "excerpt"))  # fmt: skip

    assert np.array_equal(train(net, Elsewhere(hidden, 12), epochs=2)[0].theta, seen)
