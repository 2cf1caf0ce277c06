"""A model goes from a table to predictions in the table's units and back from its file, and its report is true."""

from __future__ import annotations

import copy
import json
import random
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule.model
from chainrule import (
    Activation,
    Diverged,
    Model,
    Network,
    WorseThanConstant,
    error_terms,
    forward,
    input_gradient,
    load,
    save,
    train,
)
from chainrule.files import model_file
from chainrule.files.model_file import BadFile
from chainrule.model import PENALTIES, Report
from chainrule.scores import Scores, linear_predictions, regression
from chainrule.tables import BadData, Scaling, split

INPUTS, TARGETS = ["age", "mass", "dose"], ["gain", "loss"]
FAST: dict[str, Any] = {"hidden": [6], "learning_rate": 0.02, "epochs": 40, "l2": 1e-3}


def table_of(rows: int = 90, seed: int = 0) -> pd.DataFrame:
    """Three inputs in different units, two targets that depend on them and on a little noise."""
    random = np.random.default_rng([seed, 90])
    age, mass, dose = random.uniform(20, 80, rows), random.normal(70e3, 9e3, rows), random.uniform(0, 1e-3, rows)
    gain = 500 + 3 * age - 2e5 * dose + random.normal(0, 5, rows)
    loss = 1e-6 * np.tanh((mass - 70e3) / 9e3) + random.normal(0, 1e-7, rows)
    return pd.DataFrame(dict(zip(INPUTS + TARGETS, (age, mass, dose, gain, loss), strict=True)))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The table of most tests; none of them changes it."""
    return table_of()


@pytest.fixture(scope="module")
def model(table: pd.DataFrame) -> Model:
    """A model of both targets; no test changes it."""
    return Model.fit(table, TARGETS, **FAST)


def report_of(model: Model) -> Report:
    """The report, which a fitted model has."""
    assert model.report is not None
    return model.report


def parts_of(rows: int, seed: int = 0, held_out: float = 0.2) -> tuple[Any, Any, Any]:
    """Row numbers trained on, for stopping, held out, as Model.fit documents them."""
    seen, unseen = split(rows, held_out=held_out, seed=seed)
    into, stopping = split(len(seen), held_out=held_out, seed=seed + 1)
    return seen[into], seen[stopping], unseen


# ------------------------------------------------------------------------------------------ from a table to predictions


def test_a_linear_network_is_least_squares(table: pd.DataFrame) -> None:
    """Without hidden layers and penalty, L-BFGS finds what least squares finds, in the target's units.

    The target is exactly linear, so any rows determine it. L-BFGS stops when E falls by less than 1e-12; E is a square,
    so the predictions are within some 1e-6 standard deviations of the target.
    """
    straight = table.assign(gain=7e4 + 31 * table["age"] - 0.02 * table["mass"] + 4e5 * table["dose"]).drop(
        columns="loss"
    )
    model = Model.fit(straight, "gain", hidden=[], rule="lbfgs", l2=0, batch_size=None, patience=None)
    seen, _ = split(len(straight))
    line = make_pipeline(StandardScaler(), LinearRegression())
    expected = line.fit(straight[INPUTS].iloc[seen], straight[["gain"]].iloc[seen]).predict(straight[INPUTS])
    assert np.abs(model.predict(straight) - expected).max() < 1e-5 * expected.std()
    assert report_of(model).scores["gain"]["network"].r2 > 1 - 1e-9


def test_predictions_are_the_networks_outputs_with_the_scaling_undone(model: Model, table: pd.DataFrame) -> None:
    """predict is the page on standardised inputs, times the target's standard deviation, plus its mean."""
    assert model.inputs is not None
    assert model.targets is not None
    values = table[INPUTS].to_numpy()
    trace = forward(model.network, (values - model.inputs.mean) / model.inputs.sd)
    assert np.array_equal(model.predict(table), trace.y[-1] * model.targets.sd + model.targets.mean)


def test_scaling_is_of_the_rows_trained_on(model: Model, table: pd.DataFrame) -> None:
    """Mean and standard deviation are those of the rows that train the network, of no others."""
    assert model.inputs is not None
    assert model.targets is not None
    into, _, _ = parts_of(len(table))
    for scaling, columns in ((model.inputs, INPUTS), (model.targets, TARGETS)):
        np.testing.assert_allclose(scaling.mean, table[columns].iloc[into].mean(), rtol=1e-14)
        np.testing.assert_allclose(scaling.sd, table[columns].iloc[into].std(ddof=0), rtol=1e-13)


def test_a_change_of_units_changes_only_the_units(model: Model, table: pd.DataFrame) -> None:
    """Columns in other units give the same network, and predictions in the new units: to the bit for powers of two."""
    other = table * [1024, 2.0**-30, 8, 2.0**40, 2.0**200]
    again = Model.fit(other, TARGETS, **FAST)
    assert np.array_equal(again.network.theta, model.network.theta)
    assert np.array_equal(again.predict(other), model.predict(table) * [2.0**40, 2.0**200])


def test_a_fit_learns(model: Model) -> None:
    """Both targets are predicted far better than by the constant, and the nonlinear one better than by the line."""
    found = report_of(model).scores
    assert found["gain"]["network"].r2 > 0.9
    assert found["loss"]["network"].r2 > max(0.9, found["loss"]["linear model"].r2)


def test_the_same_seed_gives_the_same_model(model: Model, table: pd.DataFrame) -> None:
    """The same table and seed give the same network to the bit; another seed gives another."""
    assert np.array_equal(Model.fit(table, TARGETS, **FAST).network.theta, model.network.theta)
    assert not np.array_equal(Model.fit(table, TARGETS, **FAST, seed=1).network.theta, model.network.theta)


def test_one_target_may_be_a_text_and_the_other_columns_are_inputs(table: pd.DataFrame) -> None:
    """A target by its name alone is a list of one, and every other column is an input."""
    one, listed = (Model.fit(table, target, **FAST) for target in ("gain", ["gain"]))
    assert one.names == (*INPUTS, "loss")
    assert one.target_names == one.outputs == ("gain",)
    assert np.array_equal(one.network.theta, listed.network.theta)
    assert one.predict(table).shape == (len(table), 1)


@pytest.mark.parametrize("kind", ["csv", "array", "lists", "polars"])
def test_the_kind_of_table_makes_no_difference(kind: str, model: Model, table: pd.DataFrame, tmp_path: Path) -> None:
    """The same numbers from a file, an array, lists or another library's data frame give the same network."""
    import polars as pl

    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    source: Any = {
        "csv": path,
        "array": table.to_numpy(),
        "lists": table.to_numpy().tolist(),
        "polars": pl.from_pandas(table),
    }
    named = kind in ("csv", "polars")
    again = Model.fit(source[kind], TARGETS if named else ["x3", "x4"], **FAST)
    assert np.array_equal(again.network.theta, model.network.theta)
    assert again.names == (tuple(INPUTS) if named else ("x0", "x1", "x2"))


def test_columns_are_found_by_name(model: Model, table: pd.DataFrame) -> None:
    """The order of a table's columns and further columns among them change nothing; a missing one is named."""
    expected = model.predict(table)
    shuffled = table[["loss", "dose", "age", "mass"]].assign(other=0.0)
    assert np.array_equal(model.predict(shuffled), expected)
    with pytest.raises(BadData, match="got no 'mass'"):
        model.predict(table.drop(columns="mass"))
    with pytest.raises(BadData, match="Did you mean 'Mass'"):
        model.predict(table.rename(columns={"mass": "Mass"}))


def test_the_columns_of_an_array_are_found_by_position(model: Model, table: pd.DataFrame) -> None:
    """An array has the inputs alone, in the order of training; more or fewer columns are refused."""
    assert np.array_equal(model.predict(table[INPUTS].to_numpy()), model.predict(table))
    for columns in (INPUTS[:2], INPUTS + TARGETS):
        with pytest.raises(BadData, match=f"must have 3 columns.*got {len(columns)}"):
            model.predict(table[columns].to_numpy())


def test_predictions_keep_the_order_of_rows(model: Model, table: pd.DataFrame) -> None:
    """Row by row, in the table's order: each prediction is that of the row alone.

    Within 4 ulps of the sums, for a product of matrices adds in another order than one of a matrix and a vector.
    """
    expected = model.predict(table)
    assert np.array_equal(model.predict(table[::-1]), expected[::-1])
    alone = np.concatenate([model.predict(table[n : n + 1]) for n in range(len(table))])
    np.testing.assert_allclose(alone, expected, rtol=1e-13, atol=1e-13 * float(np.abs(expected).max(axis=0).min()))


def test_predict_refuses_what_is_not_finite(model: Model, table: pd.DataFrame) -> None:
    """A gap or an infinite value in an input is refused with its row and column; in any other column it is ignored."""
    spoiled = table.copy()
    spoiled.loc[17, "gain"] = np.nan
    assert np.array_equal(model.predict(spoiled), model.predict(table))
    spoiled.loc[17, "mass"] = np.nan
    with pytest.raises(BadData, match="row 17, column 'mass' is nan"):
        model.predict(spoiled)


def test_predictions_that_are_not_finite_are_refused() -> None:
    """A network whose output overflows says for which row, and gives no infinity away as a prediction."""
    net = Network.from_weights([np.ones((1, 2))], activations=["exp"])
    inputs = np.array([[1.0, 2.0], [700.0, 700.0]])
    assert Model(net).predict(inputs[:1]) == np.exp(3)
    with pytest.raises(BadData, match="row 1 makes its output inf"):
        Model(net).predict(inputs)


# ------------------------------------------------------------------------------------------------------ missing targets


def test_rows_without_any_target_are_left_out_and_counted(table: pd.DataFrame) -> None:
    """A row that knows no target changes nothing, gaps in its inputs included; it is counted."""
    gaps = pd.DataFrame(np.nan, index=range(5), columns=table.columns)
    gaps.loc[2:, "age"] = [np.inf, 3, 4]
    with_gaps = pd.concat([gaps[:3], table[:40], gaps[3:], table[40:]])
    plain, model = (Model.fit(one, TARGETS, **FAST) for one in (table, with_gaps))
    assert np.array_equal(plain.network.theta, model.network.theta)
    assert report_of(model).rows["without_target"] == 5
    assert report_of(model).rows | {"without_target": 0} == report_of(plain).rows


def test_a_row_that_knows_one_target_is_used_for_it(table: pd.DataFrame) -> None:
    """With a target missing in a third of the rows both targets are learned, and scored on the rows that know them."""
    some = table.copy()
    some.loc[np.arange(len(some)) % 3 == 0, "loss"] = np.nan
    model = Model.fit(some, TARGETS, **FAST)
    report = report_of(model)
    assert report.rows["without_target"] == 0
    assert sum(report.rows.values()) == len(some)
    assert report.scores["loss"]["network"].r2 > 0.8
    *_, unseen = parts_of(len(some))
    known = unseen[unseen % 3 != 0]
    said = model.predict(some.iloc[known])[:, 1]
    assert report.scores["loss"]["network"].mae == pytest.approx(mean_absolute_error(some["loss"].iloc[known], said))


def test_a_target_that_no_trained_row_knows_is_refused(table: pd.DataFrame) -> None:
    """A target known only in held-out rows cannot be learned, and is named instead of scored as if it were."""
    into, _, unseen = parts_of(len(table))
    some = table.assign(loss=np.nan)
    some.loc[unseen, "loss"] = 1.0
    with pytest.raises(BadData, match="target 'loss' must be known in some of the rows"):
        Model.fit(some, TARGETS, **FAST)
    some.loc[into[:2], "loss"] = [1.0, 2.0]
    Model.fit(some, TARGETS, **FAST)


# ----------------------------------------------------------------------------------------------------------- the report


def scores_by_hand(truth: Any, said: Any) -> list[float]:
    """R², RMSE and MAE by scikit-learn alone."""
    return [f(truth, said) for f in (r2_score, root_mean_squared_error, mean_absolute_error)]


def test_the_reported_scores_are_those_of_the_predictions(model: Model, table: pd.DataFrame) -> None:
    """Recomputed outside, from predictions for the held-out rows, every score is the one reported.

    rel=1e-10: the linear model is standardised by two programs, and one minus R² is 1/200 of R².
    """
    seen, unseen = split(len(table))
    report = report_of(model)
    assert report.rows == {"trained": 58, "stopping": 14, "held_out": 18, "without_target": 0}
    truth, inputs = table[TARGETS].to_numpy(), table[INPUTS].to_numpy()
    said = {
        "network": model.predict(table.iloc[unseen]),
        "linear model": make_pipeline(StandardScaler(), LinearRegression())
        .fit(inputs[seen], truth[seen])
        .predict(inputs[unseen]),
        "constant predictor": DummyRegressor().fit(inputs[seen], truth[seen]).predict(inputs[unseen]),
    }
    for j, target in enumerate(TARGETS):
        for name, of_all in said.items():
            found = report.scores[target][name]
            expected = scores_by_hand(truth[unseen, j], of_all[:, j])
            assert [found.r2, found.rmse, found.mae] == pytest.approx(expected, rel=1e-10, abs=0)


def test_held_out_rows_take_no_part(model: Model, table: pd.DataFrame) -> None:
    """Whatever the held-out rows hold, the network is the same; the rows that train and that stop it do matter."""
    *parts, unseen = parts_of(len(table))
    spoiled = table.copy()
    spoiled.loc[unseen] = np.random.default_rng(1).normal(size=(len(unseen), 5)) * 1e6
    again = Model.fit(spoiled, TARGETS, **FAST)
    assert np.array_equal(again.network.theta, model.network.theta)
    assert report_of(again).scores != report_of(model).scores
    assert report_of(again).history.running == report_of(model).history.running
    into, stopping = parts
    for rows, column in ((into, "running"), (stopping, "validation")):
        spoiled = table.copy()
        spoiled.loc[rows, "gain"] = -spoiled.loc[rows, "gain"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WorseThanConstant)
            other = Model.fit(spoiled, TARGETS, **FAST)
        assert getattr(report_of(other).history, column) != getattr(report_of(model).history, column)


def test_the_saved_model_is_the_one_reported(model: Model, table: pd.DataFrame, tmp_path: Path) -> None:
    """The file's predictions for the held-out rows have the reported scores, to the bit."""
    save(model, tmp_path / "m.safetensors")
    _, unseen = split(len(table))
    said = load(tmp_path / "m.safetensors").predict(table.iloc[unseen])
    found = regression(table[TARGETS].iloc[unseen].to_numpy(), said)
    assert found == [report_of(model).scores[target]["network"] for target in TARGETS]


def test_the_penalty_is_chosen_on_the_rows_that_stop(table: pd.DataFrame) -> None:
    """Without l2, the network is the one among four penalties whose error on the stopping rows is the smallest."""
    options = FAST | {"l2": None, "epochs": 15}
    chosen = Model.fit(table, "gain", **options)
    _, stopping, _ = parts_of(len(table))
    rows = table.iloc[stopping]
    each = [Model.fit(table, "gain", **options | {"l2": l2}) for l2 in PENALTIES]
    errors = [np.square(rows[["gain"]].to_numpy() - one.predict(rows)).mean() for one in each]
    assert len(set(errors)) == len(PENALTIES)
    best = each[int(np.argmin(errors))]
    assert chosen.network.l2 == best.network.l2
    assert np.array_equal(chosen.network.theta, best.network.theta)


def test_the_report_certifies_the_network_that_is_kept(model: Model, table: pd.DataFrame) -> None:
    """The certificate is of this network on the first 32 trained rows: check says the same about them."""
    into, _, _ = parts_of(len(table))
    certificate = report_of(model).certificate
    assert certificate.ok
    assert certificate.E == model.check(table.iloc[into]).E
    assert certificate.E != model.check(table).E


def test_only_the_warning_of_the_network_that_is_kept_is_given(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four penalties are tried and each may be worse than a constant, but only of the one that is kept is it said."""

    def warn_of_each(net: Network, **options: Any) -> Any:
        trained, history = train(net, **options)
        history.warning = f"l2 = {net.l2}"
        return trained, history

    monkeypatch.setattr(chainrule.model, "train", warn_of_each)
    with pytest.warns(WorseThanConstant) as caught:
        model = Model.fit(table, "gain", **FAST | {"l2": None, "epochs": 10})
    assert [str(one.message) for one in caught] == [f"l2 = {model.network.l2}"]
    assert caught[0].filename == __file__


def test_a_fit_worse_than_the_constant_says_so(table: pd.DataFrame) -> None:
    """A network that has hardly learned warns once, whatever was tried."""
    with pytest.warns(WorseThanConstant, match="its E is") as caught:
        Model.fit(table, TARGETS, rule="gradient_descent", learning_rate=1e-9, epochs=2)
    assert len(caught) == 1


def test_a_penalty_that_diverges_is_passed_over(table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the penalties that are tried, one with which training diverges does not spoil the others; all of them do."""
    options = {**FAST, "l2": None, "rule": "gradient_descent", "learning_rate": 0.05}
    monkeypatch.setattr(chainrule.model, "PENALTIES", (1e6, 1e-3, 1e7))
    model = Model.fit(table, "gain", **options)
    assert model.network.l2 == 1e-3
    assert report_of(model).penalties == (1e6, 1e-3, 1e7)
    monkeypatch.setattr(chainrule.model, "PENALTIES", (1e6, 1e7))
    with pytest.raises(Diverged):
        Model.fit(table, "gain", **options)


def test_divergence_names_the_column(table: pd.DataFrame) -> None:
    """A learning rate that is far too large ends with the last finite network and the column's own name."""
    with pytest.raises(Diverged, match=r"in column '(age|mass|dose)', standardised") as caught:
        Model.fit(table, TARGETS, rule="gradient_descent", learning_rate=1e6, epochs=50)
    assert np.isfinite(caught.value.network.theta).all()


def test_few_rows_are_enough_or_are_refused(table: pd.DataFrame) -> None:
    """Three rows with a target train, stop and judge; two are refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorseThanConstant)
        model = Model.fit(table[:3], TARGETS, **FAST)
    assert report_of(model).rows == {"trained": 1, "stopping": 1, "held_out": 1, "without_target": 0}
    assert np.isnan(report_of(model).scores["gain"]["network"].r2)  # of one row there is none
    with pytest.raises(BadData, match=r"3 rows or more with a known target.*got 2"):
        Model.fit(table[:2], TARGETS, **FAST)


WRONG_CHOICES: dict[str, tuple[dict[str, Any], str]] = {
    "target, a number": ({"target": 3}, r"target must be the name of a column or a list of names; got 3\..*'x0'"),
    "target, none": ({"target": None}, "target must be the name"),
    "target, a list of numbers": ({"target": ["gain", 1]}, "target must be the name"),
    "target, an empty list": ({"target": []}, "target must name one or more columns"),
    "target, twice": ({"target": ["gain", "gain"]}, "target must name one or more columns once each"),
    "target, unknown": ({"target": "Gain"}, "got 'Gain'. Did you mean 'gain'?"),
    "target, all columns": ({"target": [*INPUTS, *TARGETS]}, "leave one for the inputs"),
    "hidden, a number": ({"hidden": 32}, r"hidden must be a list .*; got 32\. For one layer of 32 nodes pass \[32\]"),
    "hidden, a text": ({"hidden": "32"}, "hidden must be a list"),
    "hidden, none": ({"hidden": None}, "hidden must be a list"),
    "hidden, nothing in a layer": ({"hidden": [0]}, "sizes must be"),
    "hidden, half a node": ({"hidden": [2.5]}, "sizes must be"),
    "activation": ({"activation": "tahn"}, "got 'tahn'. Did you mean 'tanh'?"),
    "activation, softmax": ({"activation": "softmax"}, "softmax in the output layer only"),
    "rule": ({"rule": "adma"}, "got 'adma'. Did you mean 'adam'?"),
    "engine": ({"engine": "referense"}, "Did you mean 'reference'?"),
    "learning rate": ({"learning_rate": -1}, "learning_rate must be"),
    "learning rate, a text": ({"learning_rate": "x"}, "learning_rate must be"),
    "learning rate of L-BFGS": ({"rule": "lbfgs"}, "learning_rate must be left out for rule 'lbfgs'"),
    "epochs": ({"epochs": 0}, "epochs must be"),
    "batch size": ({"batch_size": 0}, "batch_size must be"),
    "patience": ({"patience": 0}, "patience must be"),
    "l2": ({"l2": -1}, "l2 must be"),
    "l2, a text": ({"l2": "x"}, "l2 must be"),
    "held out, everything": ({"held_out": 1}, "held_out must lie between 0 and 1; got 1"),
    "held out, a text": ({"held_out": "x"}, "held_out must lie between 0 and 1; got 'x'"),
    "seed, none": ({"seed": None}, "seed must be a whole number from 0 up; got None"),
    "seed, half": ({"seed": 0.5}, "seed must be a whole number"),
    "seed, negative": ({"seed": -1}, "seed must be"),
    "table": ({"table": None}, "table must be a CSV file"),
}


@pytest.mark.parametrize("case", WRONG_CHOICES)
def test_a_wrong_choice_is_refused_by_its_name(case: str, table: pd.DataFrame) -> None:
    """Whatever fit is given wrongly, one sentence names it, says what came and what to do."""
    changed, sentence = WRONG_CHOICES[case]
    with pytest.raises(ValueError, match=sentence) as caught:
        Model.fit(**{"table": table, "target": TARGETS, **FAST, **changed})
    assert " must " in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


def test_numbers_of_numpy_are_numbers(table: pd.DataFrame, tmp_path: Path) -> None:
    """NumPy's integers and floats are taken as Python's, and what they are written down as can be saved."""
    options = {"learning_rate": np.float32(0.02), "epochs": np.int64(3), "batch_size": np.int8(8), "seed": np.uint8(3)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorseThanConstant)
        model = Model.fit(table, TARGETS, hidden=np.array([3]), l2=np.float64(0.1), **options)
    save(model, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").fitted == model.fitted


# ----------------------------------------------------------------------------------------------- judged on other tables


def test_evaluate_scores_another_table(model: Model) -> None:
    """evaluate scores what predict says, beside the mean in training; rows without the target are left out."""
    other = table_of(30, seed=5)
    other.loc[:4, "gain"] = np.nan
    found = model.evaluate(other)
    assert model.targets is not None
    for j, target in enumerate(TARGETS):
        known = other[target].notna()
        truth = other[target][known]
        for name, said in (
            ("network", model.predict(other[known])[:, j]),
            ("constant predictor", np.full(len(truth), model.targets.mean[j])),
        ):
            one = found[target][name]
            assert [one.r2, one.rmse, one.mae] == pytest.approx(scores_by_hand(truth, said), rel=1e-12, abs=0)
    with pytest.raises(BadData, match="targets must be known in some rows"):
        model.evaluate(other.assign(gain=np.nan, loss=np.nan))
    with pytest.raises(BadData, match="got no 'loss'"):
        model.evaluate(other.drop(columns="loss"))
    with pytest.raises(BadData, match="column 'gain' is inf"):
        model.evaluate(other.assign(gain=np.inf))


def test_check_uses_the_rows_that_know_a_target(model: Model, table: pd.DataFrame) -> None:
    """The certificate is of the first rows with a target, as many as asked for; without any it is refused."""
    some = table.copy()
    some.loc[[0, 2], TARGETS] = np.nan
    assert model.check(some, rows=3).E == model.check(table.iloc[[1, 3, 4]]).E
    assert model.check(some, rows=3).ok
    with pytest.raises(BadData, match="targets must be known in some rows"):
        model.check(table.assign(gain=np.nan, loss=np.nan))


def test_pattern_is_the_page_of_one_row(model: Model, table: pd.DataFrame, tmp_path: Path) -> None:
    """Every x, y, e, t and d of a row is the page's for that row alone; rows count from 0 in Python and 1 in a file."""
    found = model.pattern(table, 7)
    inputs, targets = model.patterns(table[7:8])
    trace = forward(model.network, inputs)
    e = error_terms(model.network, trace, targets)
    layers = found["layers"]
    assert found["E_p"] == pytest.approx(0.5 * np.square(targets - trace.y[-1]).sum(), rel=1e-14)
    assert set(layers[0]) == {"y", "d"}
    assert layers[0]["y"] == inputs[0].tolist()
    assert layers[0]["d"] == input_gradient(model.network, e)[0].tolist()
    for i in (1, 2):
        assert [layers[i]["x"], layers[i]["y"], layers[i]["e"]] == [
            trace.x[i][0].tolist(),
            trace.y[i][0].tolist(),
            e[i][0].tolist(),
        ]
    assert layers[2]["t"] == targets[0].tolist()
    json.dumps(found)
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    assert model.pattern(path, 8) == found
    for row, source in ((-1, table), (len(table), table), (0, path), (len(table) + 1, path)):
        with pytest.raises(BadData, match=f"row must be one of .*got {row}"):
            model.pattern(source, row)


def test_a_bare_network_takes_columns_by_position(tmp_path: Path) -> None:
    """A network without columns and scaling predicts, is judged, checked and shown on any table, by position."""
    net = Network([3, 4, 2], seed=1)
    bare = Model(net)
    values = np.random.default_rng(0).normal(size=(20, 5))
    path = tmp_path / "t.csv"
    pd.DataFrame(values, columns=list("abcde")).to_csv(path, index=False)
    outputs = forward(net, values[:, :3]).y[-1]
    for inputs, both in (
        (values[:, :3], values),
        (pd.DataFrame(values[:, :3], columns=list("abc")), path),
    ):
        assert np.array_equal(bare.predict(inputs), outputs)
        found = bare.evaluate(both)
        assert list(found) == ["y0", "y1"] == list(bare.outputs)
        assert found["y1"]["network"].rmse == pytest.approx(root_mean_squared_error(values[:, 4], outputs[:, 1]))
        assert set(found["y1"]) == {"network"}  # the mean in training is not known
        assert bare.check(both).ok
    assert bare.pattern(path, 1) == bare.pattern(values, 0)
    with pytest.raises(BadData, match="3 input columns followed by 2 of targets; got 4"):
        bare.evaluate(values[:, :4])
    with pytest.raises(BadData, match="must have 3 columns"):
        bare.predict(values)


# --------------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize("scale", [1.0, 3.7, 1e300, 1e-300, 2.0**-1000])
def test_scores_do_not_depend_on_the_size_of_the_numbers(scale: float) -> None:
    """R² of targets near 1e300 or 1e-300 is that of the same near 1; RMSE and MAE are in their unit.

    rel=1e-13: rounding the targets to the scale costs some ulps.
    """
    random = np.random.default_rng(0)
    t = random.normal(size=(40, 1))
    y = t + 0.3 * random.normal(size=(40, 1))
    one = regression(t * scale, y * scale)[0]
    assert [one.r2, one.rmse / scale, one.mae / scale] == pytest.approx(scores_by_hand(t, y), rel=1e-13)


def test_scores_of_what_cannot_be_scored_say_so() -> None:
    """R² of one row or a constant target is nan; predictions that are not finite are as bad as can be."""
    inf, nan = float("inf"), float("nan")
    cases: list[tuple[list[float], list[float], list[float]]] = [
        ([3.0], [4.0], [nan, 1, 1]),
        ([3.0, 3.0], [4.0, 2.0], [nan, 1, 1]),
        ([nan, nan], [1.0, 1.0], [nan, nan, nan]),
        ([1.0, nan, 3.0], [1.0, 9.0, 3.0], [1, 0, 0]),
        ([1.0, 2.0], [inf, 2.0], [-inf, inf, inf]),
        ([1.0, 2.0], [nan, 2.0], [-inf, inf, inf]),
        ([1.0, 2.0], [1e300, 2.0], [-inf, 1e300 / 2**0.5, 5e299]),
        ([1.7e308, -1.7e308], [-1.7e308, 1.7e308], [-3, inf, inf]),
        ([0.0, 0.0], [0.0, 0.0], [nan, 0, 0]),
    ]
    for truth, said, expected in cases:
        one = regression(np.array([truth]).T, np.array([said]).T)[0]
        assert [one.r2, one.rmse, one.mae] == pytest.approx(expected, rel=1e-14, nan_ok=True)


def test_the_linear_model_is_scikit_learns_whatever_the_size_of_the_numbers() -> None:
    """The linear baseline is scikit-learn's, also for dependent columns, and the same in any unit of any column.

    rel=1e-12: standardising rounds each number once more.
    """
    random = np.random.default_rng(0)
    inputs, new = random.normal(size=(30, 4)) + 5, random.normal(size=(9, 4)) + 5
    t = inputs @ random.normal(size=(4, 2)) + random.normal(size=(30, 2))
    t[::4, 1] = np.nan
    for dependent in (False, True):
        if dependent:
            inputs[:, 3], new[:, 3] = inputs[:, 0] - inputs[:, 1], new[:, 0] - new[:, 1]
        said = linear_predictions(inputs, t, new)
        for j in range(2):
            known = ~np.isnan(t[:, j])
            expected = LinearRegression().fit(inputs[known], t[known, j]).predict(new)
            assert said[:, j] == pytest.approx(expected, rel=1e-12)
        units = np.array([1e300, 1e-300, 1.0, 1e9])
        in_units = linear_predictions(inputs * units, t * 1e200, new * units)
        assert in_units / 1e200 == pytest.approx(said, rel=1e-12)


def test_scikit_learn_alone_would_lose_columns() -> None:
    """Why the linear baseline standardises: LinearRegression by itself forgets columns 1e-7 as large as others."""
    inputs = np.random.default_rng(0).normal(size=(30, 2)) * [1e7, 1]
    t = inputs[:, 1:]
    alone = LinearRegression().fit(inputs, t)
    if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 7):
        assert alone.score(inputs, t) < 0.5
    assert linear_predictions(inputs, t, inputs) == pytest.approx(t, rel=1e-9)


def test_any_finite_table_gives_scores_or_one_sentence() -> None:
    """Columns near 1e±308 with outliers are fitted and scored without a warning of NumPy, or refused in a sentence."""
    random = np.random.default_rng(7)
    refused = []
    for seed in range(40):
        values = random.normal(size=(20, 3)) * 10.0 ** random.choice([0, 300, -300, 150, 307, -320], 3)
        values[random.integers(20), random.integers(3)] = random.choice([0, 1e308, -1.7e308, 1e-320])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", WorseThanConstant)
                model = Model.fit(values, "x2", hidden=[3], epochs=2, l2=1e-3, seed=seed, rule="adam")
        except (BadData, Diverged) as error:
            refused.append(str(error))
        else:
            one = report_of(model).scores["x2"]["network"]
            assert isinstance(one, Scores)
            assert not np.isnan(one.rmse)
    assert len(refused) < 20
    assert all(" must " in message for message in refused)


# ------------------------------------------------------------------------------------------------ files of sound models


def same_model(one: Model, other: Model) -> bool:
    """Whether two models are the same to the bit, the report left aside."""
    return (
        one.network.to_spec() == other.network.to_spec()
        and one.network.dtype == other.network.dtype
        and np.asarray(one.network.theta).tobytes() == np.asarray(other.network.theta).tobytes()
        and (one.names, one.target_names, one.fitted) == (other.names, other.target_names, other.fitted)
        and all(
            (a is None) == (b is None)
            and (a is None or b is None or (np.array_equal(a.mean, b.mean) and np.array_equal(a.sd, b.sd)))
            for a, b in ((one.inputs, other.inputs), (one.targets, other.targets))
        )
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_model_comes_back_to_the_bit(dtype: str, model: Model, table: pd.DataFrame, tmp_path: Path) -> None:
    """Saved and loaded, a model predicts the same bits, in float32 as in float64, and holds the same record."""
    kept = Model(model.network.astype(dtype), *list(vars(model).values())[1:6])
    save(kept, tmp_path / "m.safetensors")
    back = load(tmp_path / "m.safetensors")
    assert same_model(kept, back)
    assert back.network.dtype == dtype
    assert np.array_equal(back.predict(table), kept.predict(table))
    assert back.report is None
    save(back, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


BARE = {
    "plain": Network([3, 5, 2], seed=7),
    "float32": Network([3, 5, 2], dtype="float32"),
    "no hidden layer": Network([2, 1]),
    "no biases": Network([3, 4, 1], bias=False),
    "some biases": Network([3, 4, 4, 1], bias=[True, False, True]),
    "penalties": Network([3, 4, 1], l1=0.1, l2=1e-300, penalize_bias=True),
    "softmax": Network([3, 4, 3], objective="cross_entropy"),
    "Poisson": Network([3, 4, 3], objective="poisson"),
    "every activation": Network(
        [2] * 15, activations=[name for name in chainrule.activations.ACTIVATIONS if name != "softmax"]
    ),
    "deep": Network([1] * 200, activations="identity"),
}


@pytest.mark.parametrize("case", BARE)
def test_a_bare_network_is_a_model_too(case: str, tmp_path: Path) -> None:
    """Any network is saved and loaded as a model without columns and scaling."""
    net = BARE[case]
    save(net, str(tmp_path / "net.safetensors"))
    assert same_model(load(str(tmp_path / "net.safetensors")), Model(net))


def test_a_network_with_code_of_its_own_is_not_saved(tmp_path: Path) -> None:
    """An activation of the user's own is refused with one sentence, and no file appears."""
    cube = Activation("cube", lambda x: x**3, lambda x: 3 * x**2)
    with pytest.raises(ValueError, match=r"activation must be one of Chainrule's own to be saved; got 'cube'\."):
        save(Network([2, 3, 1], activations=[cube, "identity"]), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    """A model whose names, scaling or record do not fit is refused when it is saved, not when it is needed."""
    net = Network([2, 1])
    one, two = Scaling(np.zeros(1), np.ones(1)), Scaling(np.zeros(2), np.ones(2))
    broken = net.copy()
    broken.w[1][0, 0] = np.nan
    cases = {
        "one name for two nodes": (Model(net, ("a",)), "names must be 2 different texts"),
        "a name twice": (Model(net, ("a", "a")), "names must be 2 different texts"),
        "two targets for one node": (Model(net, (), ("t", "u")), "target_names must be 1 different texts"),
        "scaling of another width": (Model(net, inputs=one), "inputs must be scaled by 2 means"),
        "standard deviation 0": (Model(net, targets=Scaling(np.zeros(1), np.zeros(1))), "targets must be scaled"),
        "NaN in a weight": (Model(broken), "must be finite"),
        "an object in the record": (Model(net, fitted={"a": object()}), "spec must hold JSON values only"),
        "lists in the record": (Model(net, fitted={"a": [1]}), "fitted must hold plain values"),
    }
    for model, sentence in cases.values():
        with pytest.raises(ValueError, match=sentence):
            save(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
    save(Model(net, ("a", "b"), ("t",), two, one, {"rows": {"trained": 3}}), tmp_path / "m.safetensors")


# --------------------------------------------------------------------------------------------- files of hostile content

SOUND: dict[str, Any] = {
    "network": {
        "sizes": [2, 3, 1],
        "activations": ["tanh", "identity"],
        "objective": "sse",
        "bias": [True, True],
        "l1": 0.0,
        "l2": 0.0,
        "penalize_bias": False,
    },
    "names": ["a", "b"],
    "target_names": ["t"],
    "fitted": {"table": "t.csv", "rows": {"trained": 3}},
}
ARRAYS = {
    "theta": np.arange(13.0) / 10,
    "inputs.mean": np.zeros(2),
    "inputs.sd": np.ones(2),
    "targets.mean": np.zeros(1),
    "targets.sd": np.ones(1),
}
GONE = object()


def nested(depth: int) -> Any:
    """Lists and objects in one another."""
    value: Any = 0
    for n in range(depth):
        value = [value] if n % 2 else {"a": value}
    return value


def network(**changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sound content with a changed description of the network."""
    return whole(network={key: value for key, value in (SOUND["network"] | changed).items() if value is not GONE})


def whole(**changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sound content with a changed specification."""
    return {key: value for key, value in (copy.deepcopy(SOUND) | changed).items() if value is not GONE}, dict(ARRAYS)


def arrays(changed: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sound content with changed arrays."""
    return whole()[0], {key: value for key, value in (ARRAYS | changed).items() if value is not GONE}


ONE_LAYER = {"activations": ["identity"], "bias": [True]}
HOSTILE: dict[str, tuple[tuple[dict[str, Any], dict[str, Any]], str]] = {
    "huge sizes": (
        network(sizes=[10**9, 10**9], **ONE_LAYER),
        "sizes must give a network of at most 68,719,476,736 parameters; got 1e+18",
    ),
    "huge hidden layer": (network(sizes=[2, 10**9, 1]), "theta must have shape (4000000001,)"),
    "sizes beyond 64 bits": (network(sizes=[10**30, 10**30], **ONE_LAYER), "sizes must give a network of at most"),
    "60,000 layers": (network(sizes=[1] * 60_000), "one activation for each of the layers 1 to 59999; got 2"),
    "60,000 layers of nothing": (network(sizes=[0] * 60_000), "sizes must be"),
    "negative size": (network(sizes=[2, -3, 1]), "sizes must be two or more whole numbers from 1 up"),
    "size 0": (network(sizes=[2, 0, 1]), "sizes must be"),
    "sizes of truths": (network(sizes=[True, True], **ONE_LAYER), "theta must have shape"),
    "a size of truth": (network(sizes=[2, 3, True]), "save writes and nothing else"),
    "sizes of texts": (network(sizes=["2", "3", "1"]), "sizes must be"),
    "sizes a text": (network(sizes="231"), "sizes must be"),
    "sizes of floats": (network(sizes=[2.0, 3.0, 1.0]), "sizes must be"),
    "sizes null": (network(sizes=None), "sizes must be"),
    "sizes a number": (network(sizes=3), "sizes must be"),
    "sizes an object": (network(sizes={"2": 3}), "sizes must be"),
    "sizes nested": (network(sizes=[[2], [3], [1]]), "sizes must be"),
    "one size": (network(sizes=[2]), "sizes must be"),
    "no sizes": (network(sizes=[]), "sizes must be"),
    "unknown activation": (network(activations=["tanhh", "identity"]), "activation must be one of"),
    "activation with a path": (network(activations=["os.system", "identity"]), "got 'os.system'"),
    "activation of a megabyte": (network(activations=["x" * 900_000, "identity"]), "activation must be one of"),
    "hidden softmax": (network(activations=["softmax", "identity"]), "softmax in the output layer only"),
    "softmax of one output": (network(activations=["tanh", "softmax"]), "two or more outputs for softmax"),
    "activations a text": (network(activations="tanh"), "save writes and nothing else"),
    "activations null": (network(activations=None), "save writes and nothing else"),
    "activations of numbers": (network(activations=[1, 2]), "activation must be one of"),
    "activations nested": (network(activations=[["tanh"], ["identity"]]), "activation must be one of"),
    "too few activations": (network(activations=["identity"]), "got 1"),
    "unknown objective": (network(objective="mse"), "objective must be one of"),
    "objective a list": (network(objective=["sse"]), "objective must be one of"),
    "objective null": (network(objective=None), "objective must be one of"),
    "objective that does not fit": (network(objective="cross_entropy"), "activations must end with"),
    "bias a text": (network(bias="yes"), "bias must be"),
    "biases of numbers": (network(bias=[1, 1]), "bias must be"),
    "too few biases": (network(bias=[True]), "bias must be"),
    "bias null": (network(bias=None), "bias must be"),
    "bias a truth": (network(bias=True), "save writes and nothing else"),
    "l2 negative": (network(l2=-1), "l2 must be a finite number from 0 up; got -1"),
    "l2 a text": (network(l2="1"), "l2 must be"),
    "l2 a truth": (network(l2=True), "save writes and nothing else"),
    "l1 null": (network(l1=None), "l1 must be"),
    "penalize_bias a text": (network(penalize_bias="no"), "penalize_bias must be"),
    "a key more in the network": (network(seed=0), "seed"),
    "a key called self": (network(self=1), "self"),
    "no activations": (network(activations=GONE), "must hold sizes, activations"),
    "no l2": (network(l2=GONE), "must hold sizes, activations"),
    "no network": (whole(network=GONE), "it has no 'network'"),
    "network a list": (whole(network=[]), "must hold sizes, activations"),
    "network null": (whole(network=None), "must hold sizes, activations"),
    "network nested deep": (whole(network=nested(400)), "must hold sizes, activations"),
    "a name twice": (whole(names=["a", "a"]), "names must be 2 different texts"),
    "too few names": (whole(names=["a"]), "names must be 2 different texts"),
    "too many names": (whole(names=["a", "b", "c"]), "names must be 2 different texts"),
    "names a text": (whole(names="ab"), "save writes and nothing else"),
    "names of numbers": (whole(names=[1, 2]), "names must be 2 different texts"),
    "names null": (whole(names=None), "does not describe a model"),
    "names nested": (whole(names=[["a"], ["b"]]), "does not describe a model"),
    "no names": (whole(names=GONE), "it has no 'names'"),
    "too many targets": (whole(target_names=["t", "u"]), "target_names must be 1 different texts"),
    "no target names": (whole(target_names=GONE), "it has no 'target_names'"),
    "record a list": (whole(fitted=[]), "does not describe a model"),
    "record null": (whole(fitted=None), "does not describe a model"),
    "record nested": (whole(fitted={"a": nested(3)}), "fitted must hold plain values"),
    "record nested deep": (whole(fitted={"a": nested(700)}), "fitted must hold plain values"),
    "no record": (whole(fitted=GONE), "it has no 'fitted'"),
    "code": (whole(code="import os"), "save writes and nothing else"),
    "theta too short": (arrays({"theta": np.zeros(12)}), "theta must have shape (13,); got (12,)"),
    "theta too long": (arrays({"theta": np.zeros(14)}), "theta must have shape (13,); got (14,)"),
    "theta in a row": (arrays({"theta": np.zeros((1, 13))}), "theta must have shape (13,); got (1, 13)"),
    "theta one number": (arrays({"theta": np.array(1.0)}), "theta must have shape"),
    "no theta": (arrays({"theta": GONE}), "it has no 'theta'"),
    "standard deviation 0": (arrays({"inputs.sd": np.array([0.0, 1.0])}), "inputs must be scaled by 2 means"),
    "standard deviation negative": (arrays({"targets.sd": np.array([-1.0])}), "targets must be scaled by 1 means"),
    "standard deviations too many": (arrays({"inputs.sd": np.ones(3)}), "inputs must be scaled"),
    "standard deviations in a row": (arrays({"inputs.sd": np.ones((1, 2))}), "inputs must be scaled"),
    "means without deviations": (arrays({"inputs.sd": GONE}), "it has no 'inputs.sd'"),
    "deviations without means": (arrays({"targets.mean": GONE}), "it has no 'targets.mean'"),
    "an array more": (arrays({"w": np.ones(2)}), "save writes and nothing else"),
}


def written(folder: Path, content: tuple[dict[str, Any], dict[str, Any]]) -> Path:
    """A well-formed file of this content, checksum and all."""
    path = folder / "m.safetensors"
    model_file.write(path, *content)
    return path


def test_the_sound_content_is_accepted(tmp_path: Path) -> None:
    """What the hostile contents differ from is a model, so what refuses them is what was changed."""
    model = load(written(tmp_path, whole()))
    assert model.names == ("a", "b")
    assert model.predict([[1, 2]]).shape == (1, 1)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_content_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    """A well-formed file of impossible content is refused with one sentence that names it, and allocates nothing."""
    content, reason = HOSTILE[case]
    path = written(tmp_path, content)
    tracemalloc.start()
    try:
        with pytest.raises(BadFile) as caught:
            load(path)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{str(path)!r} is not a valid model file: ")
    assert message.endswith(". Do not use it; Chainrule did not write it.")
    assert reason in message
    assert message.isprintable()
    assert len(message) < len(str(path)) + 400
    assert not any(word in message for word in ("argument", "iterable", "hashable", "NoneType'", "object is"))


def test_mutants_are_refused_or_are_what_save_would_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any value of a sound content replaced by any other is refused by BadFile, or is a model that save writes so."""
    draw = random.Random(3)
    values = [
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        3,
        10**12,
        0.5,
        -0.0,
        1e-300,
        "",
        "a",
        "tanh",
        "sse",
        [],
        {},
        [1],
        ["a"],
        nested(5),
    ]

    def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        return [way] * bool(way) + [place for key in keys for place in places(value[key], (*way, key))]

    accepted, refused = 0, []
    for _ in range(1000):
        spec, some = whole()
        for _ in range(draw.randint(1, 2)):
            *way, last = draw.choice(places(spec))
            inner: Any = spec
            for key in way:
                inner = inner[key]
            if draw.random() < 0.2:
                del inner[last]
            else:
                inner[last] = copy.deepcopy(draw.choice(values))
        if draw.random() < 0.2:
            some[draw.choice(list(some))] = np.full(draw.randint(0, 3), draw.choice([0.0, 1.0, -1.0]))
        monkeypatch.setattr(model_file, "read", lambda path, content=(spec, some): copy.deepcopy(content))
        try:
            model = load("m.safetensors")
        except BadFile as error:
            refused.append(str(error))
            continue
        accepted += 1
        wrote: list[Any] = []
        monkeypatch.setattr(model_file, "write", lambda path, *content, wrote=wrote: wrote.append(content))
        save(model, "again.safetensors")
        assert json.dumps(wrote[0][0]) == json.dumps(spec)
        assert set(wrote[0][1]) == set(some)
        assert model.network.theta.shape == (model.network.n_parameters,)
    assert 20 < accepted < 500
    assert all(message.endswith(". Do not use it; Chainrule did not write it.") for message in refused)
