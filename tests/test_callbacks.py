"""Claim: callbacks see a run as it is, may stop it, change nothing, and are closed however it ends."""

import csv
import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import Diverged, Network, error, forward, train
from chainrule.training.loggers import CSVLogger, JSONLLogger, TensorBoardLogger
from chainrule.training.loop import Interrupted

pytestmark = pytest.mark.usefixtures("on_the_page")

RUNS = [("gradient_descent", 0.02), ("adam", 0.01), ("lbfgs", None)]


def learnable():
    """A network near the one that made the targets; its inputs and targets."""
    random = np.random.default_rng(5)
    teacher = Network([3, 5, 2], seed=4)
    inputs = random.normal(size=(23, 3))
    start = teacher.replace(teacher.theta + random.normal(0, 0.05, teacher.n_parameters))
    return start, inputs, forward(teacher, inputs).y[-1]


class Watching:
    """Keeps what it is shown, and says True when it is asked to."""

    def __init__(self, stop_before=None, stop_after=None, fail=None):
        self.stop_before, self.stop_after, self.fail = stop_before, stop_after, fail
        self.seen, self.closed = [], 0

    def _see(self, when, run):
        self.seen.append((when, run.epoch, run.history.epochs, run.learning_rate, run.network.theta.copy()))

    def before_epoch(self, run):
        """Keep it."""
        self._see("before", run)
        return run.epoch == self.stop_before

    def after_epoch(self, run):
        """Keep it."""
        self._see("after", run)
        if self.fail is not None and run.epoch == 2:
            raise self.fail
        return np.bool_(run.epoch == self.stop_after)

    def close(self):
        """Count."""
        self.closed += 1


# ------------------------------------------------------------------------------------------------------ what they see


@pytest.mark.parametrize(("rule", "rate"), RUNS)
def test_callbacks_see_every_epoch(rule, rate):
    """Before and after each epoch a callback is shown its number, the history of what has ended, the learning rate and
    the weights, which are those of the E in the history; nothing of the run is changed by being watched.
    """
    start, inputs, targets = learnable()
    watching, functions = Watching(), []
    run = {"rule": rule, "epochs": 4, "validation": (inputs, targets)} | ({"learning_rate": rate} if rate else {})
    unwatched, _ = train(start, inputs, targets, **run)
    net, history = train(start, inputs, targets, callbacks=[watching, lambda run: functions.append(run.epoch)], **run)
    assert np.array_equal(net.theta, unwatched.theta)
    assert [seen[:4] for seen in watching.seen] == [
        (when, n, n - (when == "before"), rate) for n in range(1, 5) for when in ("before", "after")
    ]
    assert functions == [1, 2, 3, 4]
    assert watching.closed == 1
    before, after = ([seen[-1] for seen in watching.seen[first::2]] for first in (0, 1))
    assert np.array_equal(before, [start.theta, *after[:-1]])
    trained = [start.replace(theta) for theta in after]
    assert history.validation == [float(error(one, forward(one, inputs), targets)) for one in trained]


def test_a_run_cannot_be_changed():
    """What a callback is shown cannot be set, and the weights that are kept are not those it holds."""
    start, inputs, targets = learnable()

    def changing(run):
        with pytest.raises(AttributeError):
            run.epoch = 99
        with pytest.raises(ValueError, match="read-only"):
            run.network.w[1][0, 0] = 99
        run.network.theta = np.zeros(start.n_parameters)
        assert 0 < run.seconds < 60

    net, _ = train(start, inputs, targets, callbacks=[changing], learning_rate=0.02)
    assert np.array_equal(net.theta, train(start, inputs, targets, learning_rate=0.02)[0].theta)
    net.w[1][0, 0] = 99


# ---------------------------------------------------------------------------------------------------- stopping, closing


@pytest.mark.parametrize("rule", ["adam", "lbfgs"])
@pytest.mark.parametrize(
    ("options", "epochs"), [({"stop_after": 3}, 3), ({"stop_before": 3}, 2), ({"stop_before": 1}, 0)]
)
def test_stopping(rule, options, epochs):
    """A callback that returns True ends the run, before or after the epoch; the history says which callback it was."""
    start, inputs, targets = learnable()
    watching, other = Watching(**options), Watching()
    net, history = train(start, inputs, targets, rule, 0.01, 9, callbacks=[watching, other])
    assert (history.epochs, history.stopped) == (epochs, "stopped by Watching")
    assert len(watching.seen) == len(other.seen)
    assert watching.closed == other.closed == 1
    expected = train(start, inputs, targets, rule, 0.01, epochs)[0] if epochs else start
    assert np.array_equal(net.theta, expected.theta)


def test_only_true_stops():
    """A function that happens to return something stops nothing; one that returns True is named."""
    start, inputs, targets = learnable()
    assert train(start, inputs, targets, callbacks=[lambda run: "yes", lambda run: 1])[1].epochs == 10

    def enough(run):
        return run.history.running[-1] < run.history.running[0] / 2

    _, history = train(start, inputs, targets, callbacks=[enough])
    assert history.stopped == "stopped by enough"
    assert history.running[-1] < history.running[0] / 2 <= history.running[-2]


@pytest.mark.parametrize(
    ("fail", "raised"),
    [(KeyboardInterrupt(), Interrupted), (RuntimeError("mine"), RuntimeError)],
    ids=["Ctrl-C", "error"],
)
@pytest.mark.parametrize("rule", ["gradient_descent", "lbfgs"])
def test_closed_after_an_error(rule, fail, raised):
    """Ctrl-C in a callback is Ctrl-C in training; an error of its own comes through; every callback is closed."""
    start, inputs, targets = learnable()
    failing, other = Watching(fail=fail), Watching()
    with pytest.raises(raised) as caught:
        train(start, inputs, targets, rule, 0.02, callbacks=[other, failing])
    assert failing.closed == other.closed == 1
    if raised is Interrupted:
        assert np.array_equal(caught.value.network.theta, train(start, inputs, targets, rule, 0.02, 2)[0].theta)


def test_closed_after_divergence():
    """A run that diverges closes its callbacks, and one that cannot be closed keeps no other open."""
    start, inputs, targets = learnable()
    watching, other = Watching(), Watching()
    with pytest.raises(Diverged):
        train(start, inputs, targets, callbacks=[watching, other], learning_rate=1e300)

    def stuck():
        raise OSError("stuck")

    other.close = stuck
    with pytest.raises(OSError, match="stuck"):
        train(start, inputs, targets, callbacks=[watching, other])
    assert watching.closed == 2


@pytest.mark.parametrize(
    ("callbacks", "sentence"),
    [
        ([7], "callbacks must be functions, or objects with before_epoch or after_epoch; got int. Correct it."),
        (
            [Watching],
            "callbacks must be functions, or objects with before_epoch or after_epoch; got the class Watching. "
            "Make one of it.",
        ),
        (print, "callbacks must be a list; got builtin_function_or_method. Put it between brackets."),
    ],
)
def test_refused(callbacks, sentence):
    """What cannot be called is refused before anything is computed."""
    with pytest.raises(ValueError, match=" must ") as refused:
        train(*learnable(), callbacks=callbacks)
    assert str(refused.value) == sentence


# ------------------------------------------------------------------------------------------------------------- loggers


def lines_of(path):
    """The rows of a log, of either kind, as dicts."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [{key: float(value) if value else None for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("rule", ["adam", "lbfgs"])
@pytest.mark.parametrize(("logger", "name"), [(JSONLLogger, "log.jsonl"), (CSVLogger, "log.csv")])
def test_lines(logger, name, rule, held_out, tmp_path):
    """A log has a line for each epoch with the history's numbers, digit for digit, readable while the run goes on; a
    second run replaces it.
    """
    start, inputs, targets = learnable()
    path, lengths = tmp_path / name, []
    chosen = logger(path)
    for _ in range(2):
        _, history = train(
            start, inputs, targets, rule, 0.01, 5, validation=(inputs, targets) if held_out else None,
            callbacks=[chosen, lambda run: lengths.append(len(lines_of(path)))],
        )  # fmt: skip
    assert lengths == [1, 2, 3, 4, 5] * 2
    rows = lines_of(path)
    assert [*rows[0]] == ["epoch", "running", "validation", "learning_rate", "seconds"]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["running"] for row in rows] == history.running
    assert [row["validation"] for row in rows] == (history.validation if held_out else [None] * 5)
    assert [row["learning_rate"] for row in rows] == ([0.01] * 5 if rule == "adam" else [None] * 5)
    assert 0 < rows[0]["seconds"] < rows[-1]["seconds"] <= history.seconds


@pytest.mark.parametrize("logger", [JSONLLogger, CSVLogger])
def test_a_bad_path(logger, tmp_path):
    """A path that cannot be written ends the run in one sentence before the first epoch."""
    path = tmp_path / "nowhere" / "log"
    epochs = []
    with pytest.raises(OSError, match=r"^path must be a file that can be written") as refused:
        train(*learnable(), callbacks=[lambda run: epochs.append(run.epoch), logger(path)])
    assert str(refused.value) == (
        f"path must be a file that can be written; got {os.fspath(path)!r}: no such file or directory. "
        "Choose another, or free some space."
    )
    assert epochs == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has a disk that is always full")
@pytest.mark.parametrize("logger", [JSONLLogger, CSVLogger])
def test_a_full_disk(logger):
    """A disk that is full ends the run in one sentence, once."""
    with pytest.raises(OSError, match=r"^path must be .* got '/dev/full': no space left on device\. Choose"):
        train(*learnable(), callbacks=[logger("/dev/full")])


def scalars(folder):
    """(name, epoch, value) of each number in TensorBoard's file: records of length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        data = data[16 + length :]
    return found


def test_tensorboard(tmp_path):
    """TensorBoard's file holds the numbers of each epoch, in its float32."""
    start, inputs, targets = learnable()
    logger = TensorBoardLogger(tmp_path / "run")
    _, history = train(
        start, inputs, targets, "adam", 0.01, 3, validation=(inputs, targets), schedule="cosine", callbacks=[logger]
    )
    columns = ("E/running", history.running), ("E/validation", history.validation)
    columns = *columns, ("learning_rate", history.learning_rates)
    expected = [(name, n + 1, np.float32(values[n])) for n in range(3) for name, values in columns]
    assert scalars(tmp_path / "run") == expected


def test_tensorboard_refuses(tmp_path, monkeypatch):
    """A folder that cannot be made ends the run in one sentence; without a library to write with there is no logger."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"^folder must be a folder that can be written; got '.*/file': .*\. Choose"):
        train(*learnable(), callbacks=[TensorBoardLogger(tmp_path / "file")])
    for module in ("tensorboardX", "torch", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ImportError, match=r"^TensorBoardLogger must have tensorboardX, or PyTorch .*\. Run pip"
    ) as refused:
        TensorBoardLogger(tmp_path)
    assert str(refused.value).count(". ") == 1
