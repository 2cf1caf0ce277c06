"""Claim: a run goes on where another ended, bit for bit, on every engine, and its history is data."""

from __future__ import annotations

import importlib
import pickle
from typing import Any

import numpy as np
import pytest

from chainrule import Network, train, train_many
from chainrule.tables import Encoding, Kind, Table
from chainrule.training.descent import RULES, rule
from chainrule.training.history import History
from chainrule.training.schedules import schedule

DESCENTS = [name for name, row in RULES.items() if not row.whole]


def patterns(rows: int = 23, seed: int = 0) -> tuple[Network, Any, Any]:
    """A network, inputs and targets."""
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(rows, 3))
    return Network([3, 5, 2], seed=1), inputs, np.tanh(inputs @ random.normal(size=(3, 2)))


@pytest.mark.parametrize("engine", ["cpu", "reference"])
@pytest.mark.parametrize("name", DESCENTS)
def test_epochs_in_parts_are_the_epochs_at_once(name: str, engine: str) -> None:
    """3 epochs and then 4 leave the weights and the history of 7, bit for bit, for every rule of small steps."""
    net, inputs, targets = patterns()
    run: dict[str, Any] = {"rule": name, "learning_rate": 0.02, "batch_size": 7, "engine": engine, "warn": False}
    whole, history = train(net, inputs, targets, epochs=7, **run)
    part, before = train(net, inputs, targets, epochs=3, **run)
    found, after = train(part, inputs, targets, epochs=4, after=before, **run)
    assert np.array_equal(found.theta, whole.theta)
    assert after == History(**{**history.to_dict(), "seconds": after.seconds})
    assert before.epochs == 3
    begun, _ = train(part, inputs, targets, epochs=4, **run)  # the twin: without it the order is that of epochs 1 to 4
    assert not np.array_equal(begun.theta, whole.theta)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_a_schedule_and_a_pickle_go_on_too(engine: str) -> None:
    """A schedule counts the epochs before, clipping and factors of layers stay; a history may be pickled between."""
    net, inputs, targets = patterns()
    run: dict[str, Any] = {"rule": "adam", "learning_rate": 0.02, "batch_size": 5, "engine": engine, "warn": False}
    run |= {"schedule": schedule("step", every=2, warm_up=1), "layer_rates": {1: 0.5}, "clip": 0.5}
    whole, history = train(net, inputs, targets, epochs=6, **run)
    part, before = train(net, inputs, targets, epochs=3, **run)
    found, after = train(part, inputs, targets, epochs=3, after=pickle.loads(pickle.dumps(before)), **run)
    assert np.array_equal(found.theta, whole.theta)
    assert after.learning_rates == history.learning_rates


def test_a_run_goes_on_on_another_engine() -> None:
    """What one engine leaves another takes up; the weights are the same but for rounding."""
    net, inputs, targets = patterns()
    run: dict[str, Any] = {"rule": "momentum", "learning_rate": 0.02, "epochs": 3, "warn": False}
    part, before = train(net, inputs, targets, engine="cpu", **run)
    found = [train(part, inputs, targets, engine=one, after=before, **run)[0].theta for one in ("cpu", "reference")]
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_validation_begins_anew_with_the_network_that_is_given() -> None:
    """The network that goes on is the best so far, whatever came before it."""
    net, inputs, targets = patterns()
    run: dict[str, Any] = {"rule": "adam", "learning_rate": 0.02, "validation": (inputs, targets), "warn": False}
    part, before = train(net, inputs, targets, epochs=3, **run)
    found, after = train(part, inputs, targets, "adam", 1e4, 2, validation=(inputs, targets), after=before, warn=False)
    assert np.array_equal(found.theta, part.theta)
    assert (after.epochs, after.best_epoch, len(after.validation)) == (5, 3, 5)


@pytest.mark.parametrize(
    ("name", "change", "got"),
    [
        ("adam", lambda _: "a run", "a str"),
        ("adam", lambda _: History(rule="lbfgs"), "one of 'lbfgs' that keeps no memory of its rule"),
        ("momentum", lambda history: history, "one of 'adam' for rule 'momentum'"),
        ("adam", None, "that of a network of other sizes"),
    ],
)
def test_what_cannot_be_gone_on_after_is_refused(name: str, change: Any, got: str) -> None:
    """A history of something else is refused with one sentence."""
    net, inputs, targets = patterns()
    _, history = train(net, inputs, targets, "adam", 0.01, 1, warn=False)
    other = Network([3, 2]) if change is None else net
    after = history if change is None else change(history)
    with pytest.raises(ValueError, match=f"^after must be the history of a run by the same rule .*; got {got}\\. "):
        train(other, inputs, targets, name, 0.01, 1, after=after)


def test_lbfgs_stops_where_it_is_told() -> None:
    """L-BFGS ends by the size of the gradient, or once E has been evaluated as often as allowed, and says which."""
    net, inputs, targets = patterns()
    _, rough = train(net, inputs, targets, rule("lbfgs", slope=0.05), epochs=200, warn=False)
    _, fine = train(net, inputs, targets, "lbfgs", epochs=200, warn=False)
    _, short = train(net, inputs, targets, rule("lbfgs", evaluations=9), epochs=200, warn=False)
    assert rough.epochs < fine.epochs
    assert rough.stopped == "converged"
    assert (short.stopped, short.epochs < 10) == ("E was evaluated as often as allowed", True)


def test_callbacks_of_one_of_many_are_called_beside_those_of_all() -> None:
    """What watches one run of several sees it alone, and what watches all sees all."""
    net, inputs, targets = patterns()
    seen: list[list[int]] = [[], [], []]
    each = [{"callbacks": [lambda run, k=k: seen[k].append(run.epoch)]} for k in range(2)]
    run: dict[str, Any] = {"rule": "adam", "learning_rate": 0.01, "warn": False}
    train_many(
        [net, net], inputs, targets, each=each, epochs=3, callbacks=[lambda run: seen[2].append(run.epoch)], **run
    )
    assert [sorted(one) for one in seen] == [[1, 2, 3], [1, 2, 3], [1, 1, 2, 2, 3, 3]]


# ------------------------------------------------------------------------------------------------------ history as data


def test_a_history_as_a_data_frame() -> None:
    """A row an epoch; what a rule does not have is no column."""
    net, inputs, targets = patterns()
    _, history = train(net, inputs, targets, "adam", 0.01, 3, validation=(inputs, targets), warn=False)
    frame = history.to_frame()
    assert [*frame.columns] == ["running", "validation", "learning_rates"]
    assert frame.index.name == "epoch"
    assert [*frame.index] == [1, 2, 3]
    assert frame["running"].tolist() == history.running
    _, whole = train(net, inputs, targets, "lbfgs", epochs=3, warn=False)
    assert [*whole.to_frame().columns] == ["running"]
    assert [*History().to_frame().columns] == ["running"]


def test_without_pandas_a_data_frame_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pandas is not installed, one sentence says so."""

    def nothing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", nothing)
    with pytest.raises(ModuleNotFoundError, match=r"^pandas must be installed"):
        History(running=[1.0]).to_frame()


def test_a_history_as_plain_data_has_no_memory_and_shares_none() -> None:
    """to_dict leaves out what the rule remembers, and its lists are copies."""
    net, inputs, targets = patterns()
    _, history = train(net, inputs, targets, "adam", 0.01, 2, warn=False)
    assert history.memory is not None
    assert history.memory.updates == 2
    found = history.to_dict()
    assert "memory" not in found
    found["running"].append(0.0)
    assert history.epochs == 2


# ---------------------------------------------------------------------------------------------------- weights of tables


def test_weights_of_rows_are_repetitions_for_the_mean_that_fills_gaps() -> None:
    """A weight counts as that many rows for what stands for a missing number, and for the scaling."""
    values = np.array([[1.0, 0.0], [np.nan, 1.0], [4.0, 0.0], [10.0, 1.0]])
    weights = np.array([2.0, 1.0, 1.0, 3.0])
    table = Table(("a", "b"), values, kinds=(Kind(), Kind("boolean")))
    repeated = table.take(np.repeat(np.arange(4), weights.astype(int)))
    weighted, plain = Encoding.fit(table, "mean", weights), Encoding.fit(repeated, "mean")
    assert weighted.fields[0].fill == pytest.approx(6.0)
    assert plain.fields[0].fill == pytest.approx(6.0)
    found = weighted.scaling(weighted.encode(table), weights)
    expected = plain.scaling(plain.encode(repeated))
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.sd, expected.sd)
