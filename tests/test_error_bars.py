"""A regression on a table says how sure it is: by default, on the command line, and back from its file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import Interrupted, Model, Network, engines, load, save
from chainrule.cli import main
from chainrule.files import model_file
from chainrule.files.model_file import BadFile
from chainrule.mixture import Mixture
from chainrule.training.descent import RULES

SMALL: dict[str, Any] = {"hidden": [4], "solver": "bayesian", "ensemble": 3}


def table_of(rows: int, seed: int = 0) -> pd.DataFrame:
    """A bend in one column and a slope in another, in units far from 1, with noise of 2."""
    random = np.random.default_rng([seed, 7])
    heat, load = random.normal(300, 40, rows), random.normal(0, 1e-3, rows)
    flow = 100 + 20 * np.tanh((heat - 300) / 30) + 5e3 * load + 2 * random.normal(size=rows)
    return pd.DataFrame({"heat": heat, "load": load, "flow": flow})


@pytest.fixture(scope="module")
def model() -> Model:
    """Three networks on 150 rows; no test changes it."""
    return Model.fit(table_of(150), "flow", held_out=0, **SMALL)


@pytest.fixture(scope="module")
def new() -> pd.DataFrame:
    """Rows that no model has seen."""
    return table_of(1000, 1)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[Any, str, str]:
    """Exit code, standard output and standard error of a command in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code, *capsys.readouterr()


# ------------------------------------------------------------------------------------------------------------ the bars


def test_bars_are_in_the_units_of_the_target(model, new):
    """Of 1,000 new rows about 90 % lie in the intervals (3 standard deviations of chance are 2.8 %, and as much is
    allowed for what 150 rows leave open); the noise of 2 is found to 15 %, and the deviations are no smaller.
    """
    low, high = np.moveaxis(model.interval(new)[:, 0], -1, 0)
    inside = ((low <= new["flow"]) & (new["flow"] <= high)).mean()
    assert 0.844 < inside < 0.956
    assert model.noise == pytest.approx([2], rel=0.15)
    assert (model.std(new) > model.noise * (1 - 1e-9)).all()
    assert model.std(new).shape == model.predict(new).shape == (1000, 1)
    assert ((low < model.predict(new)[:, 0]) & (model.predict(new)[:, 0] < high)).all()


def test_a_wider_interval_holds_more(model, new):
    """Intervals of 50, 90 and 99 % lie in one another."""
    half, most, nearly_all = (model.interval(new, percent)[:, 0] for percent in (50, 90, 99))
    assert ((nearly_all[:, 0] < most[:, 0]) & (most[:, 0] < half[:, 0])).all()
    assert ((half[:, 1] < most[:, 1]) & (most[:, 1] < nearly_all[:, 1])).all()


def test_far_from_the_rows_it_is_less_sure(model):
    """The deviation grows where no rows were."""
    near, far = (pd.DataFrame({"heat": [heat], "load": [0.0]}) for heat in (300.0, 700.0))
    assert model.std(far) > 1.05 * model.std(near)


def test_the_report_says_how_many_lie_inside():
    """Of held-out rows, and of a cross-validation, with no word of it for linear model and constant."""
    for how in ({"held_out": 0.3}, {"cv": 3}):
        report = Model.fit(table_of(90), "flow", **how, **SMALL).report
        scores = report.scores["flow"]
        assert 0.7 < scores["network"].coverage <= 1
        assert scores["linear model"].coverage is None
        assert scores["constant predictor"].coverage is None


def test_several_targets_have_bars_of_their_own(new):
    """Each target has its units and its noise."""
    table = table_of(200).assign(pressure=lambda t: 1e-6 * np.sin(t["load"] * 1e3))
    table["pressure"] += 1e-7 * np.random.default_rng(3).normal(size=200)
    model = Model.fit(table, ["flow", "pressure"], held_out=0, **SMALL)
    assert model.noise == pytest.approx([2, 1e-7], rel=0.3)
    assert model.interval(new).shape == (1000, 2, 2)


# ------------------------------------------------------------------------------------------------- what is taken when


def test_a_regression_is_trained_so_unless_it_is_told_otherwise():
    """Nothing given, or layers and activation alone: ten networks by the evidence. What only other ways heed, classes
    and a table that is too large for it: the ways that are tried.
    """
    table = table_of(60)
    assert Model.fit(table, "flow").count == 10
    assert Model.fit(table, "flow", ensemble=2).count == 2
    assert Model.fit(table, "flow", hidden=[3], activation="logistic").count == 10
    for other in ({"l2": 0.01}, {"rule": "adam", "epochs": 3}, {"epochs": 3}, {"patience": 5}, {"search": 0.1}):
        chosen = Model.fit(table, "flow", hidden=[3], **other)
        assert (chosen.count, chosen.mixture) == (1, None), other
    classes = Model.fit(table.assign(flow=table["flow"] > 100), "flow", hidden=[3], epochs=3)
    assert classes.mixture is None


def test_every_solver_trains_as_many_networks_as_asked():
    """Each by name, with the rule that it stands for, and an ensemble that predicts the mean of its networks."""
    table = table_of(60)
    for solver in ("levenberg_marquardt", "lbfgs", "adam", "sgd"):
        model = Model.fit(table, "flow", hidden=[3], solver=solver, ensemble=2, epochs=5)
        outputs = [one.outputs(model.scaled(model.encoded(model.read(table)))) for one in model.mixture.members]
        assert model.predict(table) == pytest.approx(model.targets.decode(np.mean(outputs, axis=0)))
        assert {history.rule for history in model.report.choice.histories} <= {*RULES}
    assert Model.fit(table, "flow", solver="auto").report.choice.why.startswith(
        "48 patterns and 151 parameters are few"
    )


def test_a_seed_gives_the_same_model(new):
    """Bit for bit, and another seed another."""
    first, again, other = (Model.fit(table_of(60), "flow", seed=seed, **SMALL) for seed in (1, 1, 2))
    assert np.array_equal(first.predict(new), again.predict(new))
    assert not np.array_equal(first.predict(new), other.predict(new))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"solver": "newton"}, r"solver must be a Rule or one of .*; got 'newton'\."),
        ({"solver": "auto", "rule": "adam"}, r"rule must be left out with a solver; got both\."),
        ({"solver": "auto", "search": 5}, r"search must be left out with a solver"),
        ({"solver": "bayesian", "l2": 0.1}, r"l2 must be left out for solver 'bayesian'"),
        ({"ensemble": 3, "l2": 0.1}, r"ensemble must come with a solver where more is given; got 3 without one\."),
        ({"solver": "bayesian", "ensemble": 0}, r"ensemble must be a whole number from 1 up; got 0\."),
        ({"solver": "bayesian", "stream": True}, r"solver must be left out where a table is streamed"),
    ],
)
def test_what_does_not_go_together_is_refused(given, sentence, tmp_path):
    """In one sentence that says what to do."""
    table_of(60).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ValueError, match=sentence):
        Model.fit(tmp_path / "t.csv", "flow", **given)


def test_without_bars_none_are_made_up(new):
    """A classification and a model of one tried way have none, and percentages must be some."""
    plain = Model.fit(table_of(60), "flow", hidden=[3], epochs=3, l2=0.1)
    classes = Model.fit(table_of(60).assign(flow=lambda t: t["flow"] > 100), "flow", solver="lbfgs", epochs=5)
    for model in (plain, classes):
        for ask in (model.interval, model.std, lambda table, model=model: next(model.said(table, interval=90))):
            with pytest.raises(ValueError, match=r"model must have error bars to give intervals; got one without\."):
                ask(new)
    for percent in (0, 100, -3, "90", float("nan")):
        with pytest.raises(ValueError, match=r"interval must be a percentage from 1 to below 100; got"):
            Model.fit(table_of(60), "flow", **SMALL).interval(new, percent)


# ------------------------------------------------------------------------------------------------------- files, Ctrl-C


def test_bars_come_back_from_a_file(model, new, tmp_path):
    """Predictions, deviations and intervals bit for bit."""
    save(model, tmp_path / "m.safetensors")
    back = load(tmp_path / "m.safetensors")
    for ask in ("predict", "std", "interval"):
        assert np.array_equal(getattr(back, ask)(new), getattr(model, ask)(new))
    assert back.count == 3


SPOILT = {
    "noise below 0": lambda spec, arrays: arrays.update({"1.noise": -arrays["1.noise"]}),
    "a covariance that is not square": lambda spec, arrays: arrays.update({"1.whitening": arrays["1.whitening"][:-1]}),
    "weights of another network": lambda spec, arrays: arrays.update({"1.theta": arrays["1.theta"][:-1]}),
    "noise of some": lambda spec, arrays: arrays.pop("2.noise"),
    "a network too many": lambda spec, arrays: arrays.update({"3.theta": arrays["1.theta"]}),
    "no network": lambda spec, arrays: spec["mixture"].update(networks=0),
    "fewer than none": lambda spec, arrays: spec["mixture"].update(networks=-1),
    "a count in words": lambda spec, arrays: spec["mixture"].update(networks="3"),
    "an unknown way": lambda spec, arrays: spec["mixture"].update(combine="best"),
    "something more": lambda spec, arrays: spec["mixture"].update(more=1),
    "nothing": lambda spec, arrays: spec.update(mixture=None),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_file_with_other_bars_is_refused(model, tmp_path, spoil):
    """Whatever save would not write."""
    save(model, tmp_path / "m.safetensors")
    spec, arrays = model_file.read(tmp_path / "m.safetensors")
    spoil(spec, arrays)
    model_file.write(tmp_path / "bad.safetensors", spec, arrays)
    with pytest.raises(BadFile, match=r"is not a valid model file"):
        load(tmp_path / "bad.safetensors")


def test_ctrl_c_keeps_the_networks_so_far(monkeypatch, new, tmp_path):
    """Those that are done and the one at work, with their bars; the model can be saved."""
    calls = iter(range(10_000))

    def go_on() -> None:
        if next(calls) > 60:
            raise KeyboardInterrupt

    monkeypatch.setattr(engines, "go_on", go_on)
    monkeypatch.setenv("CHAINRULE_THREADS", "1")
    with pytest.raises(Interrupted) as caught:
        Model.fit(table_of(60), "flow", hidden=[3], solver="bayesian", ensemble=10)
    model = caught.value.model
    assert 1 <= model.count < 10
    assert np.isfinite(model.interval(new)).all()
    assert model.fitted["interrupted"] == "training"
    save(model, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").count == model.count


# -------------------------------------------------------------------------------------------------------- command line


@pytest.fixture
def here(model, new, tmp_path, monkeypatch):
    """A folder with a model and tables."""
    monkeypatch.chdir(tmp_path)
    save(model, "m.safetensors")
    table_of(60).to_csv("old.csv", index=False)
    new[:50].to_csv("new.csv", index=False)
    return tmp_path


def test_predict_writes_intervals(here: Path, model, capsys):
    """Columns target_std, target_low and target_high beside the target, as the model says them."""
    code, out, _ = run(capsys, "predict", "m.safetensors", "new.csv", "--interval", "80")
    assert code == 0
    said = pd.read_csv(io.StringIO(out))
    assert [*said] == ["flow", "flow_std", "flow_low", "flow_high"]
    ends = model.interval("new.csv", 80)[:, 0]
    expected = np.column_stack([model.predict("new.csv"), model.std("new.csv"), ends])
    assert said.to_numpy() == pytest.approx(expected, rel=1e-12)
    code, _, err = run(capsys, "predict", "m.safetensors", "new.csv", "--interval", "120")
    assert (code, "interval must be a percentage from 1 to below 100; got 120" in err) == (2, True)


def test_train_says_what_was_chosen_and_why(here: Path, capsys):
    """The solver, its reason, how many networks, and how many targets lie in their intervals; so does evaluate."""
    code, out, _ = run(capsys, "train", "old.csv", "-t", "flow", "--solver", "auto", "--ensemble", "2", "-o", "x.st")
    assert code == 0
    assert "2 networks 2-10-10-1, 151 parameters each" in out
    assert "bayesian: 48 patterns and 151 parameters are few enough" in " ".join(out.split())
    assert "in 90 %" in out
    assert "in 90 %" in run(capsys, "evaluate", "x.st", "new.csv")[1]
    assert "2 networks predict together; this is the first of them" in run(capsys, "inspect", "x.st")[1]
    assert "noise" in run(capsys, "inspect", "x.st")[1]


def test_a_mixture_is_as_sure_as_its_members_differ():
    """Members without covariance, as of rules that keep rows apart, leave their noise and how much they differ."""
    table = table_of(120)
    model = Model.fit(table, "flow", hidden=[3], solver="auto", learning_rate=0.01, ensemble=3, epochs=5)
    mixture = model.mixture
    assert isinstance(mixture, Mixture)
    assert all(one.whitening is None for one in mixture.members)
    y_0 = model.scaled(model.encoded(model.read(table)))
    spread = mixture.outputs(y_0).var(axis=0) + np.mean([one.noise for one in mixture.members], axis=0)
    assert mixture.std(y_0) == pytest.approx(np.sqrt(spread))
    assert isinstance(model.network, Network)


def test_patience_holds_for_a_solver_too():
    """Epochs without improvement that are given end a run; with none it goes on to its last epoch."""
    how: dict[str, Any] = {"hidden": [8], "solver": "adam", "epochs": 60}
    short, whole = (Model.fit(table_of(200), "flow", patience=patience, **how) for patience in (3, None))
    assert short.report.history.epochs < whole.report.history.epochs == 60
