"""A model goes from a table to predictions in the table's units and back from its file, and its report is true."""

from __future__ import annotations

import copy
import json
import random
import re
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule.activations
from chainrule import (
    Activation,
    Diverged,
    Interrupted,
    Model,
    Network,
    WorseThanConstant,
    error_terms,
    fitting,
    forward,
    input_gradient,
    load,
    save,
    train,
)
from chainrule import choosing as choosing_module
from chainrule.files import model_file
from chainrule.files.model_file import BadFile
from chainrule.model import CERTIFIED, Report, scores_to_dict
from chainrule.scores import regression
from chainrule.tables import BadData, Encoding, Scaling, Targets, UnseenGap, UnseenLevel, read_table, split
from chainrule.tables.encoding import Field

INPUTS, TARGETS = ["age", "mass", "dose"], ["gain", "loss"]
FAST: dict[str, Any] = {"hidden": [6], "learning_rate": 0.02, "epochs": 40, "l2": 1e-3, "patience": None}
QUICK: dict[str, Any] = {"hidden": [4], "epochs": 5, "l2": 1e-2, "patience": None}


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


def scaling_of(model: Model) -> Scaling:
    """The scaling of the targets, which a regression has."""
    assert model.targets is not None
    assert model.targets.scaling is not None
    return model.targets.scaling


def mixed_table(rows: int = 60) -> pd.DataFrame:
    """Inputs of every kind, and targets of every kind that depend on them."""
    random = np.random.default_rng(17)
    size, town, old = random.normal(size=rows), random.choice(["Aa", "Bb", "Cc"], rows), random.random(rows) < 0.5
    likes = size + (town == "Bb") - old + 0.3 * random.normal(size=rows)
    return pd.DataFrame(
        {
            "size": size,
            "town": town,
            "old": old,
            "code": random.integers(1, 4, rows),
            "price": 10 * likes,
            "kind": np.select([likes < -0.5, likes < 0.7], ["low", "mid"], "high"),
            "sold": likes > 0,
            "answer": np.where(likes > 0.3, "yes", "no"),
        }
    )


MIXED, GIVEN = mixed_table(), ["size", "town", "old", "code"]


def mixed_model(target: Any, **options: Any) -> Model:
    """A model of a mixed table that has learned a little."""
    return Model.fit(MIXED[[*GIVEN, *([target] if isinstance(target, str) else target)]], target, **QUICK | options)


# ------------------------------------------------------------------------------------------ from a table to predictions


def test_a_linear_network_is_least_squares(table: pd.DataFrame) -> None:
    """Without hidden layers and penalty, L-BFGS finds what least squares finds, in the target's units.

    The target is exactly linear, so any rows determine it. L-BFGS stops when E falls by less than 1e-12; E is a square,
    so the predictions are within some 1e-6 standard deviations of the target.
    """
    straight = table.assign(gain=7e4 + 31 * table["age"] - 0.02 * table["mass"] + 4e5 * table["dose"]).drop(
        columns="loss"
    )
    model = Model.fit(straight, "gain", hidden=[], rule="lbfgs", l2=0)
    seen, _ = split(len(straight))
    line = make_pipeline(StandardScaler(), LinearRegression())
    expected = line.fit(straight[INPUTS].iloc[seen], straight[["gain"]].iloc[seen]).predict(straight[INPUTS])
    assert np.abs(model.predict(straight) - expected).max() < 1e-5 * expected.std()
    assert report_of(model).scores["gain"]["network"].r2 > 1 - 1e-9


def test_predictions_are_the_networks_outputs_with_the_scaling_undone(model: Model, table: pd.DataFrame) -> None:
    """predict is the page on standardised inputs, times the target's standard deviation, plus its mean."""
    scaling = scaling_of(model)
    assert model.inputs is not None
    values = table[INPUTS].to_numpy()
    trace = forward(model.network, (values - model.inputs.mean) / model.inputs.sd)
    expected = trace.y[-1] * scaling.sd + scaling.mean
    assert np.allclose(model.predict(table), expected, rtol=1e-13, atol=0)  # the engine adds in another order


def test_scaling_is_of_the_rows_trained_on(model: Model, table: pd.DataFrame) -> None:
    """Mean and standard deviation are those of the rows that train the network, of no others."""
    assert model.inputs is not None
    seen, _ = split(len(table))
    for scaling, columns in ((model.inputs, INPUTS), (scaling_of(model), TARGETS)):
        np.testing.assert_allclose(scaling.mean, table[columns].iloc[seen].mean(), rtol=1e-14)
        np.testing.assert_allclose(scaling.sd, table[columns].iloc[seen].std(ddof=0), rtol=1e-13)


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
    with pytest.raises(BadData, match="inputs must be known; row 17, column 'mass' is missing"):
        model.predict(spoiled)
    with pytest.raises(BadData, match=r"inputs must be finite; row 0, column 'mass' is inf .*the first of 90"):
        model.predict(table.assign(mass=np.inf))


def test_predictions_that_are_not_finite_are_refused() -> None:
    """A network whose output overflows says for which row, and gives no infinity away as a prediction."""
    net = Network.from_weights([np.ones((1, 2))], activations=["exp"])
    inputs = np.array([[1.0, 2.0], [700.0, 700.0]])
    assert Model(net).predict(inputs[:1]) == np.exp(3)
    with pytest.raises(BadData, match="row 1 makes its output inf"):
        Model(net).predict(inputs)


# --------------------------------------------------------------------------------- what is an input, and what a target


AS_VALUES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "an array": (lambda table: table["gain"].to_numpy(), ("y",)),
    "a column of an array": (lambda table: table[["gain"]].to_numpy(), ("y",)),
    "a list": (lambda table: table["gain"].tolist(), ("y",)),
    "one column of a data frame": (lambda table: table["gain"], ("gain",)),
    "a data frame": (lambda table: table[TARGETS], tuple(TARGETS)),
    "an array of two": (lambda table: table[TARGETS].to_numpy(), ("y0", "y1")),
    "lists of two": (lambda table: table[TARGETS].to_numpy().tolist(), ("y0", "y1")),
}


@pytest.mark.parametrize("case", AS_VALUES)
def test_targets_may_stand_beside_the_table(case: str, table: pd.DataFrame, model: Model) -> None:
    """Values given as the target are the same as a column of them: the same network, named by what they came as."""
    make, names = AS_VALUES[case]
    inputs, values = table[INPUTS], make(table)
    expected = model if len(names) == 2 else Model.fit(table.drop(columns="loss"), "gain", **FAST)
    found = Model.fit(inputs, values, **FAST)
    assert found.target_names == names
    assert np.array_equal(found.network.theta, expected.network.theta)


def test_values_of_any_kind_may_be_targets() -> None:
    """Texts and booleans given as values are classes; None and nan among them are missing, not classes."""
    inputs = MIXED[GIVEN]
    named = mixed_model("answer")
    for values in (MIXED["answer"].tolist(), MIXED["answer"].to_numpy(), MIXED["answer"].astype("category")):
        assert np.array_equal(Model.fit(inputs, values, **QUICK).network.theta, named.network.theta)
    for gap in (None, float("nan")):
        found = Model.fit(inputs, [gap, gap, *MIXED["answer"].tolist()[2:]], **QUICK)
        assert found.probability_names == ("y=no", "y=yes")
        assert report_of(found).rows["without_target"] == 2
    assert Model.fit(inputs, MIXED["sold"].to_numpy(), **QUICK).probability_names == ("y=false", "y=true")


def test_columns_that_are_ignored_take_no_part() -> None:
    """The network is that of a table without them, whatever they hold, and prediction does not ask for them."""
    strange = MIXED.assign(when=pd.Timestamp("2020-01-01"), gaps=np.nan)
    ignored = [name for name in strange.columns if name not in ("size", "old", "price")]
    found = Model.fit(strange, "price", ignore=ignored, **QUICK)
    assert found.names == ("size", "old")
    assert np.array_equal(
        found.network.theta, Model.fit(MIXED[["size", "old", "price"]], "price", **QUICK).network.theta
    )
    assert np.array_equal(found.predict(MIXED[["old", "size"]]), found.predict(strange))
    assert Model.fit(MIXED[["size", "town", "price"]], "price", ignore="town", **QUICK).names == ("size",)
    with pytest.raises(BadData, match=r"column 'when' must be .* it holds dates"):
        Model.fit(strange, "price", ignore=["gaps"], **QUICK)
    with pytest.raises(BadData, match=r"target 'when' must be .* it holds dates .*\. Correct it, or choose another"):
        Model.fit(strange, "when", ignore=["gaps"], **QUICK)


def test_inputs_are_encoded_as_is_documented() -> None:
    """A number is one input, a boolean 0 or 1, a text one input a level; by hand the network says the same."""
    found = mixed_model("price", text=["code"])
    assert found.encoding is not None
    assert found.inputs is not None
    names = ("size", "town=Aa", "town=Bb", "town=Cc", "old", "code=1", "code=2", "code=3")
    assert found.encoding.inputs == names
    columns = [MIXED["size"], *(MIXED["town"] == one for one in ("Aa", "Bb", "Cc")), MIXED["old"]]
    y_0 = np.column_stack([*columns, *(MIXED["code"] == n for n in (1, 2, 3))]).astype(float)
    seen, _ = split(len(MIXED))
    mean, sd = y_0[seen].mean(axis=0), np.array([y_0[seen, 0].std(), *[0.5] * 7])
    outputs = forward(found.network, (y_0 - mean) / sd).y[-1]
    # rel=1e-12: mean and standard deviation are measured in another order
    assert found.predict(MIXED) == pytest.approx(
        outputs * scaling_of(found).sd + scaling_of(found).mean, rel=1e-12, abs=1e-12
    )


def test_missing_inputs_are_refused_or_marked() -> None:
    """A gap is refused by row and column; with missing='mean' it is the mean of the rows trained on, and is marked."""
    gaps = MIXED[[*GIVEN, "price"]].astype({"old": "boolean"})
    seen, unseen = split(len(gaps))
    gaps.loc[seen[0], "size"] = gaps.loc[seen[1], "town"] = gaps.loc[unseen[0], "old"] = None
    with pytest.raises(BadData, match=r"inputs must be known; .* is missing .*--missing mean"):
        Model.fit(gaps, "price", **QUICK)
    found = Model.fit(gaps, "price", missing="mean", **QUICK)
    assert found.encoding is not None
    assert found.encoding.inputs == (
        *("size", "size missing", "town=Aa", "town=Bb", "town=Cc", "town missing", "old", "code"),
    )
    size, _, old, _ = found.encoding.fields
    assert size.fill == pytest.approx(gaps["size"].iloc[seen].mean(), rel=1e-14)
    assert old.fill == pytest.approx(gaps["old"].iloc[seen].astype(float).mean(), rel=1e-14)
    filled = gaps.assign(size=gaps["size"].fillna(size.fill))
    expected, said = found.patterns(filled)[0], found.patterns(gaps)[0]
    assert np.flatnonzero((expected != said).any(axis=1)).tolist() == [seen[0]]
    assert np.flatnonzero((expected != said).any(axis=0)).tolist() == [1]
    with pytest.warns(UnseenGap, match="column '(old|code)' must be known, as it was in every row"):
        nothing = found.predict(gaps.assign(size=np.nan, town=None, old=None, code=None))
    assert np.isfinite(nothing).all()
    assert len(np.unique(nothing)) == 1


def test_columns_are_compared_with_what_they_were() -> None:
    """Text where numbers were is refused; numbers for texts are taken as written; a new text warns and is none."""
    found = mixed_model("price", text=["code"])
    for column in ("size", "old"):
        with pytest.raises(BadData, match=f"column '{column}' must hold .*row 0 holds 'x'"):
            found.predict(MIXED.assign(**{column: "x"}))
    expected = found.predict(MIXED)
    for same in (MIXED["code"].astype(float), MIXED["code"].astype(str), MIXED["code"].astype("category")):
        assert np.array_equal(found.predict(MIXED.assign(code=same)), expected)
    new = MIXED.assign(town=["Dd", *MIXED["town"][1:]])
    with pytest.warns(UnseenLevel, match="'Aa', 'Bb', 'Cc'; row 0 holds 'Dd'. It is taken as none") as caught:
        said = found.predict(new)
    assert caught[0].filename == __file__
    assert np.array_equal(said[1:], expected[1:])
    assert found.encoding is not None
    assert not found.encoding.encode(found.read(new), warn=False)[0, 1:4].any()


def test_a_table_to_predict_need_not_have_the_target(tmp_path: Path) -> None:
    """Texts are known again in a frame, a file and an array without the target, and a missing column is named."""
    found = mixed_model("answer", text=["code"])
    expected = found.predict(MIXED)
    inputs = MIXED[GIVEN]
    inputs.to_csv(tmp_path / "t.csv", index=False)
    inputs.to_parquet(tmp_path / "t.parquet")
    for source in (inputs, tmp_path / "t.csv", tmp_path / "t.parquet", inputs.to_numpy()):
        assert np.array_equal(found.predict(source), expected)
    with pytest.raises(BadData, match="must have the columns that the model was trained on; got no 'code'"):
        found.predict(inputs.drop(columns="code"))
    with pytest.raises(BadData, match="got no 'answer'"):
        found.evaluate(inputs)


def test_a_sparse_table_gives_the_model_of_the_dense_one() -> None:
    """A sparse array is fitted, judged and predicted as the dense one: to 1e-9, for sums are taken in other orders."""
    from scipy import sparse

    random = np.random.default_rng(4)
    dense = np.where(random.random((50, 6)) < 0.6, 0, random.normal(size=(50, 6)))
    for target in ("x5", ["x4", "x5"]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WorseThanConstant)
            one, other = (Model.fit(source, target, **QUICK) for source in (dense, sparse.csr_array(dense)))
        inputs = dense[:, : len(one.names)]
        assert other.predict(sparse.csr_array(inputs)) == pytest.approx(one.predict(inputs), rel=1e-9, abs=1e-9)
        assert other.predict(inputs) == pytest.approx(one.predict(inputs), rel=1e-9, abs=1e-9)
        found, expected = (model.evaluate(dense)["x5"]["network"] for model in (one, other))
        assert found.rmse == pytest.approx(expected.rmse, rel=1e-9)


# ------------------------------------------------------------------------------------------------------- classification


@pytest.mark.parametrize("target", ["kind", "answer", "sold"])
def test_classes_are_predicted_as_probabilities(target: str) -> None:
    """The outputs are the probabilities of the levels, the likeliest level is predicted, and the scores are true."""
    found = mixed_model(target, epochs=20)
    _, unseen = split(len(MIXED))
    levels = sorted(MIXED[target].unique())
    names = [str(level).lower() if target == "sold" else level for level in levels]
    assert found.task == "classification"
    assert found.probability_names == tuple(f"{target}={name}" for name in names)
    outputs = forward(found.network, found.patterns(MIXED)[0]).y[-1]
    said = found.probabilities(MIXED)
    expected = outputs if len(levels) > 2 else np.hstack([1 - outputs, outputs])
    assert found.network.f[-1].name == ("softmax" if len(levels) > 2 else "logistic")
    assert found.network.objective.name == "cross_entropy"
    assert said == pytest.approx(expected, rel=1e-12, abs=1e-300)
    assert found.predict(MIXED)[:, 0].tolist() == [levels[n] for n in said.argmax(axis=1)]
    score = report_of(found).scores[target]["network"]
    truth, of_unseen = MIXED[target].to_numpy()[unseen], said[unseen]
    area = (
        roc_auc_score(truth, of_unseen, multi_class="ovo", labels=levels)
        if len(levels) > 2
        else roc_auc_score(truth == levels[1], of_unseen[:, 1])
    )
    assert score.accuracy == accuracy_score(truth, found.predict(MIXED.iloc[unseen])[:, 0])
    assert score.log_loss == pytest.approx(log_loss(truth, of_unseen, labels=levels), rel=1e-12)
    assert score.roc_auc == pytest.approx(area, rel=1e-12)
    assert found.evaluate(MIXED.iloc[unseen])[target]["network"] == score
    shares = MIXED[target].iloc[split(len(MIXED))[0]].value_counts(normalize=True)
    constant = report_of(found).scores[target]["constant predictor"]
    assert constant.log_loss == pytest.approx(-np.log([shares.to_dict()[one] for one in truth]).mean(), rel=1e-12)


def test_numbers_are_classes_when_asked_for() -> None:
    """With task='classification' numbers are classes in their order, and come back as numbers; else it is hinted at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorseThanConstant)
        found = Model.fit(MIXED[["size", "code"]], "code", task="classification", **QUICK)
        plain = Model.fit(MIXED[["size", "code"]], "code", **QUICK)
        halves = Model.fit(MIXED[["size"]], MIXED["code"] / 2, task="classification", **QUICK)
    assert found.probability_names == ("code=1", "code=2", "code=3")
    assert found.predict(MIXED).dtype.kind == "i"
    assert set(found.predict(MIXED).ravel()) <= {1, 2, 3}
    assert set(halves.predict(MIXED).ravel()) <= {0.5, 1.0, 1.5}
    assert plain.task == "regression"
    assert "code holds few different whole numbers" in report_of(plain).notes[0]
    assert report_of(found).notes == ()
    assert "few different whole numbers are taken as quantities in 'code'" in report_of(mixed_model("price")).notes[0]


def test_texts_are_no_numbers() -> None:
    """A regression of texts, probabilities of a regression, and numbers beside classes are refused in a sentence."""
    with pytest.raises(BadData, match="targets of a regression must be numbers; column 'kind' holds 'high', 'low'"):
        mixed_model("kind", task="regression")
    with pytest.raises(ValueError, match="model must be a classification to have probabilities"):
        mixed_model("price").probabilities(MIXED)
    with pytest.raises(BadData, match="targets must be all numbers, or all texts and booleans"):
        mixed_model(["price", "answer"])
    with pytest.raises(BadData, match="several targets that are classes must have two classes each; 'kind' has 3"):
        mixed_model(["kind", "answer"])
    with pytest.raises(BadData, match="target 'sold' must hold two classes or more; got only 'true'"):
        Model.fit(MIXED[MIXED["sold"]][["size", "sold"]], "sold", **QUICK)


def test_several_labels_at_once() -> None:
    """Each label has its own probabilities and scores; a row that knows one of them is used for it."""
    some = MIXED[[*GIVEN, "sold", "answer"]].astype({"sold": "boolean"})
    some.loc[::3, "sold"] = None
    found = Model.fit(some, ["sold", "answer"], **QUICK | {"epochs": 20})
    assert found.probability_names == ("sold=false", "sold=true", "answer=no", "answer=yes")
    outputs = forward(found.network, found.patterns(some)[0]).y[-1]
    said = found.probabilities(some)
    assert said[:, [1, 3]] == pytest.approx(outputs, rel=1e-12)
    assert said[:, [0, 2]] == pytest.approx(1 - outputs, rel=1e-12)
    predicted = found.predict(some)
    assert predicted[:, 0].tolist() == (outputs[:, 0] > 0.5).tolist()
    assert predicted[:, 1].tolist() == np.where(outputs[:, 1] > 0.5, "yes", "no").tolist()
    _, unseen = split(len(some))
    known = unseen[unseen % 3 != 0]
    score = report_of(found).scores["sold"]["network"]
    assert score.rows == len(known)
    assert score.accuracy == np.mean(predicted[known, 0] == MIXED["sold"].to_numpy()[known])
    assert report_of(found).scores["answer"]["network"].rows == len(unseen)


def test_a_class_that_no_trained_row_has_is_scored_as_what_it_is() -> None:
    """A class of held-out rows alone has an output that never saw it, is never hidden, and spoils no figure."""
    _, unseen = split(len(MIXED))
    rare = MIXED[["size", "kind"]].copy()
    rare.loc[unseen[0], "kind"] = "rare"
    found = Model.fit(rare, "kind", **QUICK)
    score = report_of(found).scores["kind"]
    assert found.probability_names[-1] == "kind=rare"
    assert np.isfinite([score[name].log_loss for name in ("network", "linear model", "constant predictor")]).all()
    assert sum(score["network"].confusion[3]) == 1
    with pytest.raises(BadData, match="target 'kind' must be one of 'high', 'low', 'mid', 'rare'; row 0 holds 'new'"):
        found.evaluate(rare.assign(kind="new"))


def test_what_is_said_goes_by_name(model: Model, table: pd.DataFrame) -> None:
    """said gives what predict and probabilities give, column by column, under the names that are documented."""
    [columns] = model.said(table)
    assert list(columns) == TARGETS
    assert np.array_equal(np.column_stack(list(columns.values())), model.predict(table))
    found = mixed_model("kind")
    [columns] = found.said(MIXED, probabilities=True)
    assert tuple(columns) == ("kind", *found.probability_names)
    assert np.array_equal(columns["kind"], found.predict(MIXED)[:, 0])
    assert np.array_equal(np.column_stack(list(columns.values())[1:]), found.probabilities(MIXED))
    with pytest.raises(ValueError, match="to have probabilities; got a regression"):
        next(model.said(table, probabilities=True))


# ----------------------------------------------------------------------------------- judged by folds, trained once more


def test_cross_validation_is_what_one_would_do_by_hand(table: pd.DataFrame) -> None:
    """Each fold is judged by a model of the other rows alone, to the bit; the model that is kept is one of all rows."""
    found = Model.fit(table, TARGETS, cv=3, **FAST)
    report = report_of(found)
    folds = list(KFold(3, shuffle=True, random_state=0).split(table))
    by_hand = [Model.fit(table.iloc[into], TARGETS, held_out=0, **FAST) for into, _ in folds]
    for one, (_, out), scored in zip(by_hand, folds, report.folds, strict=True):
        for target, networks in one.evaluate(table.iloc[out]).items():
            assert scored[target]["network"] == networks["network"]
            assert scored[target]["constant predictor"] == networks["constant predictor"]
    rows = np.concatenate([out for _, out in folds])
    assert np.array_equal(report.truth, table[TARGETS].to_numpy()[rows])
    assert np.array_equal(
        report.said, np.concatenate([m.predict(table.iloc[out]) for m, (_, out) in zip(by_hand, folds, strict=True)])
    )
    of_folds = [scored["gain"]["network"].r2 for scored in report.folds]
    assert report.scores["gain"]["network"].r2 == pytest.approx(np.mean(of_folds), rel=1e-14)
    assert report.scores["gain"]["network"].rows == len(table)
    assert report.rows == {"trained": 90, "stopping": 0, "held_out": 0, "without_target": 0}
    assert np.array_equal(found.network.theta, Model.fit(table, TARGETS, held_out=0, **FAST).network.theta)
    assert str(report).startswith("gain, 3-fold cross-validation: network R² = ")


def test_folds_of_classes_keep_their_shares() -> None:
    """A classification's folds are stratified, and levels that a fold has not seen do not stop it."""
    report = report_of(mixed_model("kind", cv=3))
    shares = [np.bincount(part.astype(int), minlength=3) for part in np.split(report.truth[:, 0], 3)]
    assert np.ptp(shares, axis=0).max() <= 1
    assert report.scores["kind"]["network"].rows == len(MIXED)
    assert np.sum(report.scores["kind"]["network"].confusion) == len(MIXED)
    assert str(report).startswith("kind, 3-fold cross-validation: network accuracy = ")
    once = MIXED[["size", "town", "kind"]].copy()
    once.loc[0, ["town", "kind"]] = "Zz"  # its fold has a text and a class that the others have not
    assert report_of(Model.fit(once, "kind", cv=3, **QUICK)).scores["kind"]["network"].rows == len(MIXED)


def test_refit_trains_on_all_rows_and_judges_before(model: Model, table: pd.DataFrame) -> None:
    """The report is that of the first training; the model is the one of all rows, and the counts say so."""
    found = Model.fit(table, TARGETS, refit=True, **FAST)
    report, before = report_of(found), report_of(model)
    assert scores_to_dict(report.scores) == scores_to_dict(before.scores)
    assert np.array_equal(report.said, before.said)
    assert report.refitted
    assert found.fitted["refitted"]
    assert not before.refitted
    assert (report.rows["trained"], report.rows["held_out"]) == (90, 18)
    assert np.array_equal(found.network.theta, Model.fit(table, TARGETS, held_out=0, **FAST).network.theta)
    assert not np.array_equal(found.network.theta, model.network.theta)


def test_nothing_held_out_gives_no_figures(table: pd.DataFrame) -> None:
    """With held_out=0 all rows train, and the report claims nothing but the certificate."""
    report = report_of(Model.fit(table, TARGETS, held_out=0, **FAST))
    assert report.rows == {"trained": 90, "stopping": 0, "held_out": 0, "without_target": 0}
    assert report.scores == {}
    assert len(report.truth) == len(report.said) == 0
    assert str(report).startswith("gradient certificate: ok")


def test_the_report_holds_what_it_was_judged_on(model: Model, table: pd.DataFrame) -> None:
    """Truth and what was said of the held-out rows are in the report, in order, and give the scores of its lines."""
    report = report_of(model)
    _, unseen = split(len(table))
    assert np.array_equal(report.truth, table[TARGETS].to_numpy()[unseen])
    assert np.array_equal(report.said, model.predict(table.iloc[unseen]))
    assert regression(report.truth[:, 1], report.said[:, 1]) == report.scores["loss"]["network"]
    first, second, last = str(report).splitlines()
    assert first.startswith(
        f"gain, 18 held-out rows: network R² = {report.scores['gain']['network'].r2:.3f}, linear model"
    )
    assert second.startswith("loss, 18 held-out rows: network")
    assert last.startswith("gradient certificate: ok, ")
    assert report.warnings == ()
    assert report.history is report.choice.history
    assert json.loads(json.dumps(scores_to_dict(report.scores)))["gain"]["network"]["rows"] == 18
    kinds = report_of(mixed_model("kind"))
    _, unseen = split(len(MIXED))
    assert [("high", "low", "mid")[int(n)] for n in kinds.truth[:, 0]] == MIXED["kind"].iloc[unseen].tolist()
    assert kinds.said.shape == (len(unseen), 3)


# --------------------------------------------------------------------------------------------- numbers far from others


def slips(*changed: tuple[int, float], rows: int = 60) -> list[str]:
    """The notes on far numbers of a table whose target is about 100 but for some rows."""
    random = np.random.default_rng(1)
    table = pd.DataFrame({"a": random.normal(size=rows), "y": random.normal(100, 10, size=rows)})
    for row, value in changed:
        table.loc[row, "y"] = value
    model = Model.fit(table, "y", hidden=[], l2=0.0, epochs=20)
    return [note for note in report_of(model).notes if "far from all others" in note]


def test_a_target_far_from_all_others_is_named() -> None:
    """One number with its decimal mark lost is named with its row and the range of the others, counted with the rows
    that know no target; so are two or three, and four are no slip. Where one is near the others, none is said.
    """
    (note,) = slips((2, np.nan), (17, 1042.0))
    assert re.fullmatch(
        r"'y' is 1042 in row 17, far from all others, which lie between [78]\d\.\d+ and 1[123]\d\.\d+; "
        r"if it is a mistake, correct it",
        note,
    )
    assert "is -9999 in row 3 (and as far off in 2 more), " in slips((3, -9999.0), (5, -9999.0), (17, 9900.0))[0]
    for changed in ([], [(17, 200.0)], [(row, -9999.0) for row in range(4)]):
        assert slips(*changed) == []
    assert slips((17, 1042.0), rows=19) == []


def test_targets_that_scatter_widely_are_no_slips() -> None:
    """Incomes, counts that are mostly 0 and a constant have no number far from all others; one as large as can be is
    found.
    """
    random = np.random.default_rng(0)
    for values in (np.exp(random.normal(size=500)), random.poisson(0.2, 500) * 1.0, np.full(500, 3.0)):
        assert fitting._far_off(read_table(values[:, None])) == []
    values = random.normal(size=500)
    values[7] = 1.7e308
    assert "is 1.7e+308 in row 7, " in fitting._far_off(read_table(values[:, None]))[0]
    values = np.where(values > 0, 1.0, -1.0) * np.finfo(float).max
    assert fitting._far_off(read_table(values[:, None])) == []


# ------------------------------------------------------------------------------------------------------------ on Ctrl-C


class CtrlC:
    """Interrupts after so many epochs of the training that is kept."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def after_epoch(self, run: Any) -> None:
        """Interrupt at the epoch."""
        if run.epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("options", [{}, {"rule": "adam"}, {"refit": True}, {"cv": 2}], ids=str)
def test_ctrl_c_hands_over_the_model_so_far(options: dict[str, Any], tmp_path: Path) -> None:
    """Interrupted in training, the model so far predicts, is saved and loaded, and says that it was interrupted."""
    with pytest.raises(Interrupted) as caught:
        mixed_model("kind", callbacks=[CtrlC(3)], **options)
    unfinished = caught.value.model
    assert np.array_equal(unfinished.network.theta, caught.value.network.theta)
    assert unfinished.fitted == {"interrupted": "reporting" if "refit" in options else "training"}
    save(unfinished, tmp_path / "m.safetensors")
    assert same_model(load(tmp_path / "m.safetensors"), unfinished)
    assert set(unfinished.predict(MIXED).ravel()) <= {"low", "mid", "high"}


def test_ctrl_c_while_training_once_more_hands_over_the_judged_model() -> None:
    """What was whole before the last training, which callbacks go with, is not thrown away for what is not."""

    def interrupt(run: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        mixed_model("kind", callbacks=[interrupt], refit=True)
    assert np.array_equal(caught.value.model.network.theta, mixed_model("kind").network.theta)
    assert caught.value.model.fitted == {"interrupted": "reporting"}


@pytest.mark.parametrize("at", [0, 3])
def test_ctrl_c_while_choosing_hands_over_the_best_so_far(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted while ways of training are tried, the best of these is a model; before any is done there is none."""
    calls = []

    def interrupted(net: Network, *arguments: Any, **options: Any) -> Any:
        calls.append(net)
        if len(calls) > at * 10:  # 10 folds a way
            raise KeyboardInterrupt
        return train(net, *arguments, **options)

    monkeypatch.setattr(choosing_module, "train", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        Model.fit(MIXED[[*GIVEN, "kind"]], "kind", hidden=[3], epochs=2)
    if at:
        assert isinstance(caught.value, Interrupted)
        assert set(caught.value.model.predict(MIXED).ravel()) <= {"low", "mid", "high"}
    else:
        assert not isinstance(caught.value, Interrupted)


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
    _, unseen = split(len(some))
    known = unseen[unseen % 3 != 0]
    said = model.predict(some.iloc[known])[:, 1]
    assert report.scores["loss"]["network"].mae == pytest.approx(mean_absolute_error(some["loss"].iloc[known], said))


def test_a_target_that_no_trained_row_knows_is_refused(table: pd.DataFrame) -> None:
    """A target known only in held-out rows cannot be learned, and is named instead of scored as if it were."""
    seen, unseen = split(len(table))
    some = table.assign(loss=np.nan)
    some.loc[unseen, "loss"] = 1.0
    with pytest.raises(BadData, match="target 'loss' must be known in some of the rows"):
        Model.fit(some, TARGETS, **FAST)
    some.loc[seen[:2], "loss"] = [1.0, 2.0]
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
    assert report.rows == {"trained": 72, "stopping": 0, "held_out": 18, "without_target": 0}
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
    """Whatever the held-out rows hold, the network is the same; those that train it do matter."""
    seen, unseen = split(len(table))
    spoiled = table.copy()
    spoiled.loc[unseen] = np.random.default_rng(1).normal(size=(len(unseen), 5)) * 1e6
    again = Model.fit(spoiled, TARGETS, **FAST)
    assert np.array_equal(again.network.theta, model.network.theta)
    assert report_of(again).scores != report_of(model).scores
    assert report_of(again).history.running == report_of(model).history.running
    spoiled.loc[seen[0], "gain"] *= -1
    assert report_of(Model.fit(spoiled, TARGETS, **FAST)).history.running != report_of(model).history.running


def test_the_saved_model_is_the_one_reported(model: Model, table: pd.DataFrame, tmp_path: Path) -> None:
    """The file's predictions for the held-out rows have the reported scores, to the bit."""
    save(model, tmp_path / "m.safetensors")
    _, unseen = split(len(table))
    said = load(tmp_path / "m.safetensors").predict(table.iloc[unseen])
    found = [regression(table[target].to_numpy()[unseen], said[:, j]) for j, target in enumerate(TARGETS)]
    assert found == [report_of(model).scores[target]["network"] for target in TARGETS]


def test_the_report_certifies_the_network_that_is_kept(model: Model, table: pd.DataFrame) -> None:
    """The certificate is of this network on the first 32 rows it was trained on: check says the same about them."""
    seen, _ = split(len(table))
    certificate = report_of(model).certificate
    assert certificate.ok
    assert certificate.E == model.check(table.iloc[seen[:CERTIFIED]]).E
    assert certificate.E != model.check(table).E


def test_only_the_warning_of_the_network_that_is_kept_is_given(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several penalties are tried and each may be worse than a constant, but only of the kept one is it said."""

    def warn_of_each(net: Network, *arguments: Any, **options: Any) -> Any:
        trained, history = train(net, *arguments, **options)
        history.warning = f"l2 = {net.l2}"
        return trained, history

    monkeypatch.setattr(choosing_module, "train", warn_of_each)
    with pytest.warns(WorseThanConstant) as caught:
        model = Model.fit(table, "gain", hidden=[], epochs=2)
    assert [str(one.message) for one in caught] == [f"l2 = {model.network.l2}"]
    assert caught[0].filename == __file__


def test_a_fit_worse_than_the_constant_says_so(table: pd.DataFrame) -> None:
    """A network that has hardly learned warns once, whatever was tried."""
    with pytest.warns(WorseThanConstant, match="its E is") as caught:
        Model.fit(table, TARGETS, hidden=[6], rule="gradient_descent", learning_rate=1e-9, epochs=2)
    assert len(caught) == 1


def test_a_penalty_that_diverges_is_passed_over(table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the penalties that are tried, one with which training diverges does not spoil the others; all of them do."""
    options = {**FAST, "l2": None, "rule": "gradient_descent", "learning_rate": 0.05, "epochs": 5}
    monkeypatch.setattr(choosing_module, "PENALTIES", (1e40, 1e-3, 1e41))
    model = Model.fit(table, "gain", **options)
    assert model.network.l2 in (1e-3, 10**-2.5, 10**-3.5)
    assert {trial.settings.l2 for trial in report_of(model).choice.trials} == {1e-3, 10**-2.5, 10**-3.5}
    monkeypatch.setattr(choosing_module, "PENALTIES", (1e40, 1e41))
    with pytest.raises(Diverged):
        Model.fit(table, "gain", **options)


def test_divergence_names_the_column(table: pd.DataFrame) -> None:
    """A learning rate that is far too large ends with the last finite network and the column's own name."""
    with pytest.raises(Diverged, match=r"in column '(age|mass|dose)', standardised") as caught:
        Model.fit(table, TARGETS, hidden=[3], l2=0, rule="gradient_descent", learning_rate=1e6, epochs=50)
    assert np.isfinite(caught.value.network.theta).all()


def test_few_rows_are_enough_or_are_refused(table: pd.DataFrame) -> None:
    """Three rows with a target train and judge, were it one that trains; two are refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorseThanConstant)
        model = Model.fit(table[:3], TARGETS, **FAST)
        for options in ({"held_out": 0.9}, {"cv": 2}, {"cv": 3}, {"held_out": 0.9, "l2": None}):
            assert np.isfinite(Model.fit(table[:3], TARGETS, **QUICK | options).predict(table)).all()
    assert report_of(model).rows == {"trained": 2, "stopping": 0, "held_out": 1, "without_target": 0}
    assert np.isnan(report_of(model).scores["gain"]["network"].r2)  # of one row there is none
    assert "got 3. Add rows" in report_of(model).warnings[0]
    with pytest.raises(BadData, match=r"3 rows or more with a known target.*got 2"):
        Model.fit(table[:2], TARGETS, **FAST)


WRONG_CHOICES: dict[str, tuple[dict[str, Any], str]] = {
    "target, a number": ({"target": 3}, r"target must be the name of a column, .*; got 3\..*'age'"),
    "target, none": ({"target": None}, "target must be the name"),
    "target, too few values": ({"target": [1, 2]}, "target must have a row for each of the data frame; got 2 and 90"),
    "target, three dimensions": ({"target": np.ones((2, 2, 2))}, r"got values of shape \(2, 2, 2\)"),
    "target, an empty list": ({"target": []}, "target must be the name of a column"),
    "target, a column's values": ({"target": pd.Series(np.ones(90), name="age")}, "got 'age' in both"),
    "target, dates": ({"target": pd.date_range("2020", periods=90).to_series()}, "it holds dates"),
    "target, twice": ({"target": ["gain", "gain"]}, "target must name one or more columns once each"),
    "target, unknown": ({"target": "Gain"}, "got 'Gain'. Did you mean 'gain'?"),
    "target, all columns": ({"target": [*INPUTS, *TARGETS]}, "leave one for the inputs"),
    "ignore, unknown": ({"ignore": ["aeg"]}, "ignore must be a column .*Did you mean 'age'?"),
    "ignore, a number": ({"ignore": 3}, "ignore must be a list of columns; got 3"),
    "ignore, all inputs": ({"ignore": INPUTS}, "leave one for the inputs"),
    "text, unknown": ({"text": ["aeg"]}, "text must be a column .*Did you mean 'age'?"),
    "text, none": ({"text": None}, "text must be a list of columns; got None"),
    "missing": ({"missing": "median"}, "missing must be 'mean'; got 'median'"),
    "task": ({"task": "classify"}, "task must be 'regression' or 'classification'; got 'classify'"),
    "task, an array": ({"task": np.array(["regression", "x"])}, "task must be 'regression' or 'classification'"),
    "folds, one": ({"cv": 1}, "cv must be a whole number of folds from 2 up; got 1"),
    "folds, half": ({"cv": 2.5}, "cv must be a whole number of folds"),
    "folds, too many": ({"cv": 91}, "cv must be at most the number of rows with a target, 90; got 91"),
    "search": ({"search": -1}, "search must be a number of seconds above 0; got -1"),
    "stream": ({"stream": True}, "stream must be left out unless the table is in files"),
    "schedule": ({"schedule": "cosin"}, "Did you mean 'cosine'?"),
    "callbacks": ({"callbacks": print}, "callbacks must be a list"),
    "hidden, a number": ({"hidden": 32}, r"hidden must be a list .*; got 32\. For one layer of 32 nodes pass \[32\]"),
    "hidden, a text": ({"hidden": "32"}, "hidden must be a list"),
    "hidden, nothing in a layer": ({"hidden": [0]}, "sizes must be"),
    "hidden, half a node": ({"hidden": [2.5]}, "sizes must be"),
    "activation": ({"activation": "tahn"}, "got 'tahn'. Did you mean 'tanh'?"),
    "activation, softmax": ({"activation": "softmax"}, "softmax in the output layer only"),
    "rule": ({"rule": "adma"}, "got 'adma'. Did you mean 'adam'?"),
    "engine": ({"engine": "referense"}, "Did you mean 'reference'?"),
    "learning rate": ({"learning_rate": -1}, "learning_rate must be"),
    "learning rate, a text": ({"learning_rate": "x"}, "learning_rate must be"),
    "learning rate of L-BFGS": (
        {"rule": "lbfgs"},
        "learning_rate must be left out for rule 'lbfgs', which has none; got 0.02",
    ),
    "epochs": ({"epochs": 0}, "epochs must be"),
    "batch size": ({"batch_size": -1}, "batch_size must be"),
    "patience": ({"patience": -1}, "patience must be"),
    "l2": ({"l2": -1}, "l2 must be"),
    "l2, a text": ({"l2": "x"}, "l2 must be"),
    "held out, everything": ({"held_out": 1}, "held_out must lie between 0 and 1; got 1"),
    "held out, a text": ({"held_out": "x"}, "held_out must lie between 0 and 1; got 'x'"),
    "seed, none": ({"seed": None}, "seed must be a whole number from 0 up; got None"),
    "seed, half": ({"seed": 0.5}, "seed must be a whole number"),
    "seed, negative": ({"seed": -1, "held_out": 0}, "seed must be a whole number from 0 up; got -1"),
    "table": ({"table": None}, "table must be a file, a data frame or an array"),
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
    options |= {"held_out": np.float32(0.25), "patience": np.int16(3)}
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
    for j, target in enumerate(TARGETS):
        known = other[target].notna()
        truth = other[target][known]
        for name, said in (
            ("network", model.predict(other[known])[:, j]),
            ("constant predictor", np.full(len(truth), scaling_of(model).mean[j])),
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
        assert np.allclose(bare.predict(inputs), outputs, rtol=1e-13, atol=1e-15)
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


# ------------------------------------------------------------------------------------------------ files of sound models


def same_model(one: Model, other: Model) -> bool:
    """Whether two models are the same to the bit, the report left aside."""

    def scalings(model: Model) -> list[Any]:
        both = (model.inputs, None if model.targets is None else model.targets.scaling)
        return [None if scaling is None else (scaling.mean.tobytes(), scaling.sd.tobytes()) for scaling in both]

    def targets(model: Model) -> Any:
        return None if model.targets is None else model.targets.to_spec()

    return (
        one.network.to_spec() == other.network.to_spec()
        and one.network.dtype == other.network.dtype
        and np.asarray(one.network.theta).tobytes() == np.asarray(other.network.theta).tobytes()
        and (one.encoding, targets(one), one.fitted) == (other.encoding, targets(other), other.fitted)
        and scalings(one) == scalings(other)
    )


KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "numbers": (["price"], {}),
    "two columns of numbers": (["price", "code"], {}),
    "three classes": ("kind", {"missing": "mean"}),
    "two classes": ("answer", {"text": ["code"]}),
    "booleans": ("sold", {"ignore": ["town"]}),
    "several labels": (["sold", "answer"], {"cv": 2}),
    "numbers as classes": ("code", {"task": "classification", "ignore": [], "refit": True}),
    "no hidden layer": ("price", {"hidden": [], "held_out": 0}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_model_comes_back_to_the_bit(kind: str, dtype: str, tmp_path: Path) -> None:
    """Saved and loaded, a model of any kind says the same to the bit, in float32 too, and holds the same record."""
    target, options = KINDS[kind]
    others = [name for name in GIVEN if name not in target]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WorseThanConstant)
        kept = Model.fit(
            MIXED[[*others, *([target] if isinstance(target, str) else target)]], target, **QUICK | options
        )
    kept.network = kept.network.astype(dtype)
    save(kept, tmp_path / "m.safetensors")
    back = load(tmp_path / "m.safetensors")
    assert same_model(kept, back)
    assert back.network.dtype == dtype
    assert back.report is None
    for one, other in zip(
        *[list(model.said(MIXED, probabilities=model.task == "classification")) for model in (kept, back)], strict=True
    ):
        assert list(one) == list(other)
        assert all(one[name].tolist() == other[name].tolist() for name in one)
    assert back.evaluate(MIXED) == kept.evaluate(MIXED)
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
    net, classes = Network([2, 1]), Network([2, 1], objective="cross_entropy")
    one, two = Scaling(np.zeros(1), np.ones(1)), Scaling(np.zeros(2), np.ones(2))
    a, b, labels = Field("a"), Field("b"), Field("c", "text", ("no", "yes"))
    broken = net.copy()
    broken.w[1][0, 0] = np.nan
    ab, numbers = Encoding((a, b)), Targets((Field("t"),), scaling=one)
    shares = ((0.25, 0.75),)
    cases = {
        "one name for two nodes": (Model(net, Encoding((a,))), "columns must be different and stand for 2 nodes"),
        "a name twice": (Model(net, Encoding((a, a))), "columns must be different and stand for 2 nodes"),
        "no column": (Model(net, Encoding(())), "columns must be different and stand for 2 nodes"),
        "levels for too few nodes": (Model(net, Encoding((a, labels))), "columns must be different"),
        "two targets for one node": (Model(net, ab, two, Targets((a, b), scaling=one)), "targets must be different"),
        "classes for numbers": (Model(net, ab, two, Targets((labels,), "classification", None, shares)), "fit the net"),
        "classes without shares": (
            Model(classes, ab, two, Targets((labels,), "classification")),
            "targets must be desc",
        ),
        "numbers without scaling": (Model(net, ab, two, Targets((Field("t"),))), "targets must be described"),
        "scaling of another width": (Model(net, inputs=one), "inputs must be scaled by 2 means"),
        "standard deviation 0": (
            Model(net, ab, two, Targets((Field("t"),), scaling=Scaling(np.zeros(1), np.zeros(1)))),
            "targets must be scaled",
        ),
        "NaN in a weight": (Model(broken), "must be finite"),
        "an object in the record": (Model(net, fitted={"a": object()}), "spec must hold JSON values only"),
        "lists in the record": (Model(net, fitted={"a": [1]}), "fitted must hold plain values"),
    }
    for model, sentence in cases.values():
        with pytest.raises(ValueError, match=sentence):
            save(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
    save(Model(net, ab, two, numbers, {"rows": {"trained": 3}}), tmp_path / "m.safetensors")
    save(Model(classes, ab, two, Targets((labels,), "classification", None, shares)), tmp_path / "m.safetensors")


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
    "fitted": {"table": "t.csv", "rows": {"trained": 3}},
    "columns": [
        {"name": "a", "kind": "number", "levels": [], "fill": 0.5, "indicator": False},
        {"name": "b", "kind": "boolean", "levels": [], "fill": None, "indicator": False},
    ],
    "targets": {
        "task": "regression",
        "columns": [{"name": "t", "kind": "number", "levels": [], "fill": None, "indicator": False}],
        "shares": [],
    },
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


def column(n: int, **changed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sound content with a changed input column."""
    columns = copy.deepcopy(SOUND["columns"])
    columns[n] = {key: value for key, value in (columns[n] | changed).items() if value is not GONE}
    return whole(columns=columns)


def classes(changed: dict[str, Any] | None = None, **of_column: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A sound classification by two levels, with changed targets."""
    levels = {"name": "t", "kind": "text", "levels": ["no", "yes"], "fill": None, "indicator": False} | of_column
    spec, some = arrays({"targets.mean": GONE, "targets.sd": GONE})
    spec["network"] |= {"activations": ["tanh", "logistic"], "objective": "cross_entropy"}
    spec["targets"] = {"task": "classification", "columns": [levels], "shares": [[0.25, 0.75]]} | (changed or {})
    return spec, some


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
    "a name twice": (column(1, name="a"), "columns must be different and stand for 2 nodes; got 'a', 'a'"),
    "too few columns": (whole(columns=SOUND["columns"][:1]), "columns must be different and stand for 2 nodes"),
    "too many columns": (whole(columns=SOUND["columns"] * 2), "columns must be different and stand for 2 nodes"),
    "no column": (whole(columns=[]), "columns must be different and stand for 2 nodes"),
    "columns a text": (whole(columns="ab"), "does not describe a model"),
    "columns of texts": (whole(columns=["a", "b"]), "does not describe a model"),
    "columns null": (whole(columns=None), "does not describe a model"),
    "columns an object": (whole(columns={"a": 1}), "does not describe a model"),
    "columns nested": (whole(columns=[SOUND["columns"]]), "does not describe a model"),
    "a column's name a number": (column(0, name=1), "columns must be described as save does"),
    "a column's name a list": (column(0, name=["a"]), "columns must be described"),
    "a column without a name": (column(0, name=GONE), "does not describe a model"),
    "a column of dates": (column(0, kind="date"), "columns must be described"),
    "a column of lists": (column(0, kind=["text"]), "does not describe a model"),
    "a text without levels": (column(0, kind="text"), "columns must be described"),
    "a text with too many levels": (column(0, kind="text", levels=["u", "v"]), "stand for 2 nodes"),
    "a level twice": (column(0, kind="text", levels=["u", "u"]), "columns must be described"),
    "levels of numbers": (column(0, kind="text", levels=[1]), "columns must be described"),
    "levels a text": (column(0, kind="text", levels="u"), "save writes and nothing else"),
    "levels null": (column(0, levels=None), "does not describe a model"),
    "no levels": (column(0, levels=GONE), "it has no 'levels'"),
    "levels of a number that are none": (column(0, levels=["u"]), "columns must be described"),
    "levels of a boolean that are none": (column(1, levels=["u"]), "columns must be described"),
    "a fill that is a text": (column(0, fill="0"), "columns must be described"),
    "a fill that is a truth": (column(0, fill=True), "columns must be described"),
    "an indicator that is a number": (column(0, indicator=1), "columns must be described"),
    "an indicator without a node": (column(0, indicator=True), "stand for 2 nodes"),
    "a key more in a column": (column(0, code="import os"), "does not describe a model"),
    "targets a list": (whole(targets=[]), "does not describe a model"),
    "targets null": (whole(targets=None), "does not describe a model"),
    "no targets, but their scaling": (whole(targets=GONE), "save writes and nothing else"),
    "a target more": (whole(targets=SOUND["targets"] | {"columns": SOUND["columns"]}), "targets must be different"),
    "no target": (whole(targets=SOUND["targets"] | {"columns": []}), "targets must be described"),
    "a key more in the targets": (whole(targets=SOUND["targets"] | {"x": 1}), "targets must be described"),
    "shares of numbers": (whole(targets=SOUND["targets"] | {"shares": [[0.5, 0.5]]}), "targets must be described"),
    "shares null": (whole(targets=SOUND["targets"] | {"shares": None}), "does not describe a model"),
    "a text of numbers": (whole(targets=classes()[0]["targets"]), "targets must be described"),
    "another task": (classes({"task": "ranking"}), "targets must be described"),
    "a task that is a list": (classes({"task": ["classification"]}), "targets must be described"),
    "classes without a task": (classes({"task": "regression"}), "targets must be described"),
    "shares of too few classes": (classes({"shares": [[1.0]]}), "targets must be described"),
    "shares above 1": (classes({"shares": [[1.5, 0.5]]}), "targets must be described"),
    "shares that are truths": (classes({"shares": [[True, False]]}), "targets must be described"),
    "shares that are texts": (classes({"shares": ["ab"]}), "targets must be described"),
    "no shares": (classes({"shares": []}), "targets must be described"),
    "one class": (classes(levels=["no"]), "targets must be described"),
    "more classes than nodes": (classes({"shares": [[0.2, 0.3, 0.5]]}, levels=["a", "b", "c"]), "stand for 1 nodes"),
    "classes of numbers that are none": (classes(kind="number"), "columns must be described"),
    "classes that are too large for numbers": (classes(kind="number", levels=["1", "1e999"]), "columns must be desc"),
    "classes for a network of numbers": (
        (classes()[0] | {"network": SOUND["network"]}, classes()[1]),
        "targets must fit the network's output layer",
    ),
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
    "numbers without a scaling": (
        arrays({"targets.mean": GONE, "targets.sd": GONE}),
        "targets must be described as save does",
    ),
    "classes with a scaling": ((classes()[0], dict(ARRAYS)), "targets must be described as save does"),
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
    assert model.predict([[1, True]]).shape == (1, 1)
    assert load(written(tmp_path, classes())).predict([[1, True]])[0, 0] in ("no", "yes")
    numbers = classes(kind="number", levels=["1", "2.5"])
    assert load(written(tmp_path, numbers)).predict([[1, True]])[0, 0] in (1, 2.5)


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
        spec, some = draw.choice([whole, classes])()
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
