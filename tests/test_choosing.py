"""Claim: what is not given is chosen as docs/choosing.md says, from the training rows alone; what is given is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

import chainrule.fitting
from chainrule import Diverged, Model, Network, choosing, forward, train
from chainrule.backprop import error
from chainrule.choosing import Choice, Given, Problem, Settings, choose
from chainrule.tables import split
from chainrule.training.descent import rule as rule_of
from chainrule.training.loop import Interrupted

QUICK: dict[str, Any] = {"epochs": 6}
DOCS = Path(__file__).parent.parent / "docs" / "choosing.md"


def frame(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """A bent target of two inputs with noise."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(2, rows))
    return pd.DataFrame({"a": a, "b": b, "y": np.tanh(2 * a) + b * a + random.normal(0, 0.2, rows)})


def problem_of(rows: int = 60, classes: bool = False) -> Problem:
    """The same, as the network sees it."""
    table = frame(rows)
    y = table[["y"]].to_numpy()
    if classes:
        return Problem(
            table[["a", "b"]].to_numpy(),
            (y > 0.8) * 1.0,
            "logistic",
            "cross_entropy",
            (y > 0.8)[:, 0] * 1.0,
            ("a", "b"),
        )
    return Problem(table[["a", "b"]].to_numpy(), y, "identity", "sse", None, ("a", "b"))


def choice_of(model: Model) -> Choice:
    """What was chosen, and what was tried."""
    assert model.report is not None
    return model.report.choice


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred rows are many."""
    monkeypatch.setattr(choosing, "BY_FOLDS", 40)
    monkeypatch.setattr(choosing, "AT_LEAST_BY_FOLDS", 40)


# --------------------------------------------------------------------------------------------------------- the rule


def test_the_rule_is_the_documented_one() -> None:
    """The numbers in the document are the constants."""
    text = " ".join(DOCS.read_text().split())
    few, more = text.split("## More rows")
    for number in (choosing.BY_FOLDS, choosing.REPEATED):
        assert f"{number:,}" in few
    assert "five folds" in few
    assert choosing.FOLDS == 5
    assert "of 0.0001, 0.001, 0.01 and 0.1" in few
    assert choosing.PENALTIES == (1e-4, 1e-3, 1e-2, 1e-1)
    assert choosing.HIDDEN == ((32,), (32, 32))
    assert "two hidden layers of 32 nodes" in few
    assert "0.0001, 0.001 and 0.01" in more
    assert choosing.FEWER_PENALTIES == (1e-4, 1e-3, 1e-2)
    assert f"{choosing.MOST_STOPPING:,}" in more
    assert f"{choosing.ENOUGH:,}" in more
    assert choosing.MORE_HIDDEN == (64, 64)
    assert choosing.STOPPING == 0.2


@pytest.mark.parametrize(
    ("rows", "columns", "few"),
    [(2000, 10, True), (2001, 10, False), (2000, 126, False), (500, 9000, True), (501, 9000, False)],
)
def test_few_rows_are_judged_by_folds(rows: int, columns: int, few: bool) -> None:
    """Up to 2,000 rows of not too many inputs, and 500 of any number."""
    inputs = np.broadcast_to(0.0, (rows, columns))
    problem = Problem(inputs, np.zeros((rows, 1)), "identity", "sse", None, ())
    assert problem.few is few
    assert Given().settings(rows, problem.few).rule.name == ("lbfgs" if few else "adam")


class Pretended:
    """Trials whose errors are given by their penalty and number of hidden layers, and are not trained."""

    by_folds = True

    def __init__(self, best: float) -> None:
        self.wanted = best
        self.tried: list[Settings] = []

    @property
    def done(self) -> list[Settings]:
        """All of them."""
        return self.tried

    @property
    def best(self) -> Any:
        """The one whose penalty is nearest."""
        settings = min(self.tried, key=self.error)
        return type("Trial", (), {"settings": settings})

    def error(self, settings: Settings) -> float:
        """How far the penalty is off, in decades."""
        return abs(float(np.log10(settings.l2)) - self.wanted)

    def run(self, settings: Settings) -> float:
        """Note it."""
        self.tried.append(settings)
        return self.error(settings)


@pytest.mark.parametrize(
    ("best", "near", "chosen"),
    [
        (-4.0, (-5, -3.5), -4),
        (-9.0, (-5, -3.5), -5),
        (-3.1, (-3.5, -2.5), -3),
        (-2.4, (-2.5, -1.5), -2.5),
        (-1.0, (-1.5, 0), -1),
        (5.0, (-1.5, 0), 0),
    ],
)
def test_half_a_decade_beside_the_best_and_a_decade_beyond_the_last(best: float, near: Any, chosen: float) -> None:
    """After the four penalties two about the best, then two hidden layers with the best of the six."""
    trials = Pretended(best)
    choosing._try(trials, Given().settings(60, True), Given())  # type: ignore[arg-type]
    tried = [float(np.log10(one.l2)) for one in trials.tried]
    np.testing.assert_allclose(tried, [-4, -3, -2, -1, *near, chosen], atol=1e-12)
    assert [one.hidden for one in trials.tried] == [(32,)] * 6 + [(32, 32)]


@pytest.mark.parametrize("rows", [60, 220])
def test_what_is_compared_is_E_of_the_rows_left_out(rows: int) -> None:
    """Each trial is the mean over five folds, twice below 200 rows, of E without the penalty; the smallest wins."""
    problem = problem_of(rows)
    choice = choose(problem, Given(epochs=6), progress=False)
    assert len(choice.trials) == 7
    trial = choice.trials[2]
    assert trial.settings.l2 == 1e-2
    expected = []
    for seed in (0, 1) if rows <= 200 else (0,):
        for into, out in KFold(5, shuffle=True, random_state=seed).split(problem.inputs):
            net = Network([2, 32, 1], ["tanh", "identity"], l2=1e-2, seed=0)
            net, _ = train(net, problem.inputs[into], problem.targets[into], "lbfgs", epochs=6, seed=0)
            bare = net.without_penalty()
            expected.append(float(error(bare, forward(bare, problem.inputs[out]), problem.targets[out])))
    np.testing.assert_allclose(trial.errors, expected, rtol=1e-9)  # E in pieces or at once
    best = min(choice.trials, key=lambda one: float(np.mean(one.errors)))
    assert (choice.settings.hidden, choice.settings.l2) == (best.settings.hidden, best.settings.l2)
    net = Network(
        [2, *best.settings.hidden, 1], ["tanh"] * len(best.settings.hidden) + ["identity"], l2=best.settings.l2, seed=0
    )
    net, _ = train(net, problem.inputs, problem.targets, "lbfgs", epochs=6, seed=0)
    assert np.array_equal(choice.network.theta, net.theta)
    assert choice.stopping == 0


def test_folds_of_classes_have_their_share() -> None:
    """Every fold holds a fifth of each class, as far as that goes."""
    problem = problem_of(60, classes=True)
    assert problem.classes is not None
    for _, out in choosing._folds(problem, 0):
        assert abs(problem.classes[out].sum() - problem.classes.sum() / 5) < 1


def test_a_rule_of_small_steps_stops_where_the_folds_do_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Adam on few rows the number of epochs is that at which the mean over the folds is smallest."""
    curves: list[list[float]] = []
    after = choosing._Curve.after_epoch

    def noted(self: Any, run: Any) -> bool:
        if len(self.errors) == 0:
            curves.append(self.errors)
        return after(self, run)

    monkeypatch.setattr(choosing._Curve, "after_epoch", noted)
    given = Given(hidden=(8,), l2=0.0, rule=rule_of("adam"), learning_rate=0.05, epochs=40, patience=5)
    choice = choose(problem_of(), given, progress=False)
    longest = max(map(len, curves))
    mean = np.mean([curve + curve[-1:] * (longest - len(curve)) for curve in curves], axis=0)
    assert len(curves) == 10
    assert choice.settings.epochs == choice.history.epochs == int(mean.argmin()) + 1 < 40
    assert choice.trials[0].error == pytest.approx(mean.min(), rel=1e-12)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("enough", [50_000, 50])
def test_many_rows_are_judged_by_rows_kept_apart(monkeypatch: pytest.MonkeyPatch, enough: int) -> None:
    """Adam, two layers of 64, three penalties, a fifth kept apart; trained again if only a part chose."""
    monkeypatch.setattr(choosing, "ENOUGH", enough)
    problem = problem_of(100)
    choice = choose(problem, Given(epochs=4), progress=False)
    assert [trial.settings.l2 for trial in choice.trials] == [1e-4, 1e-3, 1e-2]
    assert {(one.settings.hidden, one.settings.rule.name) for one in choice.trials} == {((64, 64), "adam")}
    assert choice.stopping == 20
    into, apart = split(100, held_out=0.2, seed=1)
    validation = (problem.inputs[apart], problem.targets[apart])
    net = Network([2, 64, 64, 1], ["tanh", "tanh", "identity"], l2=choice.settings.l2, seed=0)
    settings = {"rule": "adam", "learning_rate": 0.003, "epochs": 4, "batch_size": 64, "validation": validation}
    net, _ = train(net, problem.inputs[into], problem.targets[into], **settings)  # type: ignore[arg-type]
    assert np.array_equal(choice.network.theta, net.theta)
    assert min(choice.trials, key=lambda one: one.error).settings == choice.settings


# ------------------------------------------------------------------------------------------------------- what is given


@pytest.mark.parametrize(
    ("given", "trials"),
    [
        ({"hidden": [5]}, 6),
        ({"hidden": []}, 6),
        ({"l2": 0.05}, 2),
        ({"hidden": [5], "l2": 0.05}, 0),
        ({"hidden": [5], "l2": 0.05, "rule": "adam"}, 1),
        ({"hidden": [5], "l2": 0.05, "rule": "adam", "patience": None}, 0),
        ({"hidden": [5], "l2": 0.05, "learning_rate": 0.02}, 1),
        ({"hidden": [5], "l2": 0.05, "batch_size": 7}, 1),
        ({"hidden": [5], "l2": 0.05, "schedule": "cosine"}, 1),
        ({"hidden": [5], "l2": 0.05, "clip": 0.1}, 1),
        ({"activation": "relu", "l2": 0.05}, 2),
    ],
)
@pytest.mark.parametrize("search", [None, 0.15])
@pytest.mark.filterwarnings("ignore::chainrule.WorseThanConstant")
def test_what_is_given_is_kept(given: dict[str, Any], trials: int, search: float | None) -> None:
    """In everything that is tried, with a search too; only the rest is chosen, and perhaps nothing tried."""
    choice = choice_of(Model.fit(frame(25), "y", held_out=0, search=search, **QUICK, **given))
    assert len(choice.trials) == trials if search is None else len(choice.trials) >= max(trials, 1)
    for settings in (choice.settings, *(one.settings for one in choice.trials)):
        found = {**settings.to_dict(), "schedule": settings.schedule, "clip": settings.clip}
        for name, value in {**given, "epochs": 6}.items():
            if name == "epochs" and settings is choice.settings:
                assert settings.epochs <= 6
            elif name != "patience":
                assert found[name] == value, (name, settings)


@pytest.mark.parametrize("given", [{"learning_rate": 0.5}, {"learning_rate": 0.02, "rule": "lbfgs"}])
def test_a_rule_is_taken_that_heeds_what_is_given(given: dict[str, Any]) -> None:
    """A learning rate means small steps; L-BFGS, which has none, says so."""
    if "rule" in given:
        with pytest.raises(ValueError, match="learning_rate must be left out for rule 'lbfgs'"):
            Model.fit(frame(), "y", **given)
    else:
        assert Given(**given).settings(60, True).rule.name == "adam"


# ---------------------------------------------------------------------------------------------------------- no leakage


def test_held_out_rows_choose_nothing() -> None:
    """Whatever the held-out rows hold, all that is chosen and every weight are the same."""
    table = frame(40)
    _, unseen = split(40)
    changed = table.copy()
    changed.loc[unseen] = 100 * changed.loc[unseen] + 7
    first, other = (Model.fit(one, "y", **QUICK) for one in (table, changed))
    assert choice_of(first).settings == choice_of(other).settings
    assert [one.errors for one in choice_of(first).trials] == [one.errors for one in choice_of(other).trials]
    assert np.array_equal(first.network.theta, other.network.theta)
    assert first.inputs is not None
    assert other.inputs is not None
    assert np.array_equal(first.inputs.mean, other.inputs.mean)


def test_the_rows_of_an_outer_fold_choose_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that a fold is judged by is the same whatever its rows hold; the models of the other folds are not."""
    table, kept = frame(40), []

    def noted(*args: Any, **options: Any) -> Choice:
        kept.append(choose(*args, **options))
        return kept[-1]

    monkeypatch.setattr(chainrule.fitting, "choose", noted)
    monkeypatch.setenv("CHAINRULE_THREADS", "1")  # one after another
    out = [out for _, out in KFold(3, shuffle=True, random_state=0).split(table)][1]
    changed = table.copy()
    changed.loc[out] = -3 * changed.loc[out] + 1
    for one in (table, changed):
        Model.fit(one, "y", hidden=[4], cv=3, **QUICK)
    first, other = kept[:4], kept[4:]  # all rows and three folds
    same = [np.array_equal(a.network.theta, b.network.theta) for a, b in zip(first, other, strict=True)]
    assert same == [False, False, True, False]
    assert first[2].settings == other[2].settings


def test_folds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folds come out the same on any number of threads; Ctrl-C in one leaves the model of all rows."""
    table, found = frame(60), []
    for count in ("1", "3"):
        monkeypatch.setenv("CHAINRULE_THREADS", count)
        found.append(Model.fit(table, "y", hidden=[4], cv=3, **QUICK))
    assert np.array_equal(found[0].network.theta, found[1].network.theta)
    assert found[0].report is not None
    assert found[1].report is not None
    assert found[0].report.folds == found[1].report.folds

    def interrupted(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(chainrule.fitting, "_judge", interrupted)
    with pytest.raises(Interrupted) as caught:
        Model.fit(table, "y", hidden=[4], cv=3, **QUICK)
    assert caught.value.stage == "reporting"
    assert np.array_equal(caught.value.model.network.theta, found[0].network.theta)


# --------------------------------------------------------------------------------------------------------------- search


def test_a_search_is_never_worse_than_the_rule_and_keeps_its_time() -> None:
    """It begins with the rule's own trials, keeps the best of all, and ends an epoch after its time at most."""
    problem = problem_of(40)
    plain = choose(problem, Given(epochs=20), progress=False)
    started = time.perf_counter()
    searched = choose(problem, Given(epochs=20), search=0.7, progress=False)
    took = time.perf_counter() - started
    assert [one.settings for one in searched.trials[:7]] == [one.settings for one in plain.trials]
    assert len(searched.trials) > 7
    best = min(searched.trials, key=lambda one: one.error)
    assert best.error <= min(one.error for one in plain.trials)
    assert replace(searched.settings, epochs=0, patience=None) == replace(best.settings, epochs=0, patience=None)
    assert searched.searched
    assert not plain.searched
    of_rule = sum(one.seconds for one in searched.trials[:7])
    assert took < of_rule + 0.7 + 2  # the last training, and a busy machine


@pytest.mark.usefixtures("many")
def test_a_search_stops_within_a_long_training() -> None:
    """With many rows one way alone may take longer than there is time; it is given up, not waited for."""
    problem = problem_of(4000)
    given = Given(l2=0.1, epochs=1, batch_size=1, rule=rule_of("adam"))
    slow = replace(given, epochs=10_000, patience=None)
    trials = choosing._Trials(problem, "auto", 0)
    started = time.perf_counter()
    choosing._search(trials, slow, 0, 0.3)
    assert time.perf_counter() - started < 5  # an epoch of 3,200 updates is some 0.3 s; 10,000 of them an hour
    assert trials.done == []


# ------------------------------------------------------------------------------------------------------ Ctrl-C, failure


@pytest.mark.parametrize("at", [1, 2, 25, 71])
def test_ctrl_c_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """In the first fold, in the first way, among later ways, and in the last training: the model predicts."""
    calls = 0
    of_trials: list[Any] = []

    def interrupted(run: Any) -> None:
        if run.epoch == 3:
            raise KeyboardInterrupt

    def fit(problem: Problem, settings: Settings, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            options["callbacks"] = [*options["callbacks"], interrupted]
        return choosing.train_on(problem, settings, problem.inputs, problem.targets, **options)

    class Noted(choosing._Trials):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            of_trials.append(self)

    monkeypatch.setattr(choosing, "fit", fit)
    monkeypatch.setattr(choosing, "_Trials", Noted)
    table = frame(40)
    with pytest.raises(Interrupted) as caught:
        Model.fit(table, "y", **QUICK)
    model = caught.value.model
    assert np.isfinite(model.predict(table)).all()
    assert model.fitted == {"interrupted": "training" if at == 71 else "choosing"}
    done = of_trials[0].done
    assert len(done) == (at - 1) // 10
    if done:
        assert np.array_equal(model.network.theta, of_trials[0].best.network.theta)
    else:
        assert caught.value.history.epochs == 3


def test_ctrl_c_while_a_model_is_refitted_keeps_the_whole_one() -> None:
    """The model that was judged is better than one that has hardly begun."""
    fitted = Model.fit(frame(40), "y", hidden=[4], l2=0.01, epochs=8)

    def interrupt(run: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        Model.fit(frame(40), "y", hidden=[4], l2=0.01, epochs=8, refit=True, callbacks=[interrupt])
    assert np.array_equal(caught.value.model.network.theta, fitted.network.theta)


def test_a_way_that_diverges_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the others is taken; if all do, that is said."""
    failing = {1e-3}

    def fit(problem: Problem, settings: Settings, **options: Any) -> Any:
        if settings.l2 in failing or not failing:
            net = Network([2, 1], seed=0)
            raise Diverged(net, train(net, problem.inputs, problem.targets, epochs=1)[1], 1, 1, True, 0, 1.0, 0.1)
        return choosing.train_on(problem, settings, problem.inputs, problem.targets, **options)

    monkeypatch.setattr(choosing, "fit", fit)
    choice = choose(problem_of(), Given(hidden=(4,), epochs=4), progress=False)
    assert [one.settings.l2 for one in choice.trials[:3]] == [1e-4, 1e-2, 1e-1]
    failing.clear()
    with pytest.raises(Diverged):
        choose(problem_of(), Given(hidden=(4,), epochs=4), progress=False)


def test_a_target_that_is_linear_still_gets_a_network() -> None:
    """There is no silent fallback: the linear model stands beside it in the report, and may be better."""
    table = frame(30).assign(y=lambda one: 3 * one["a"] - one["b"])
    model = Model.fit(table, "y", **QUICK)
    assert len(model.network.sizes) >= 3
    assert model.report is not None
    scores = model.report.scores["y"]
    assert scores["linear model"].r2 > scores["network"].r2
    assert scores["linear model"].r2 == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rows", [3, 4, 6, 11])
@pytest.mark.parametrize("target", ["y", "k"])
@pytest.mark.filterwarnings("ignore::chainrule.WorseThanConstant")
def test_very_few_rows_are_enough_to_choose(rows: int, target: str) -> None:
    """Fewer rows than folds, classes with a row each, folds without a class: there is a model."""
    table = frame(rows).assign(k=["p", "q", "r"] + ["p"] * (rows - 3))
    model = Model.fit(table, target, held_out=0, epochs=3)
    assert len(choice_of(model).trials) == 7
    assert model.predict(table).shape == (rows, 1)


@pytest.mark.filterwarnings("ignore::chainrule.WorseThanConstant")
def test_nothing_to_learn_is_no_failure() -> None:
    """Constant inputs and targets: L-BFGS has converged before it begins, and a network is chosen all the same."""
    table = pd.DataFrame({"a": [1.0] * 30, "b": 2.0, "y": 3.0})
    model = Model.fit(table, "y", l2=0)
    assert np.array_equal(model.predict(table), np.full((30, 1), 3.0))


def test_a_target_known_in_few_rows_is_chosen_for() -> None:
    """Folds in which one of two targets is unknown throughout are judged by the other."""
    table = frame(30).assign(z=lambda one: one["y"].where(one.index < 3))
    model = Model.fit(table, ["y", "z"], held_out=0, epochs=3)
    assert all(np.isfinite(one.errors).all() for one in choice_of(model).trials)
