"""Claim: columns become numbers as they did in training, and outputs become what the target columns hold."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from chainrule import Model, load, save
from chainrule.sparse import Centred
from chainrule.tables import BadData, Encoding, Scaling, Targets, UnseenGap, UnseenLevel, read_table
from chainrule.tables.encoding import BINARY_SD, Field, field_of, spec_of
from chainrule.tables.targets import few_values

FAST: dict[str, Any] = {"hidden": [4], "l2": 0.01, "epochs": 3, "patience": None}


def frame(rows: int = 40) -> pd.DataFrame:
    """A number with gaps, a boolean, a text with gaps, and a number."""
    random = np.random.default_rng(rows)
    return pd.DataFrame(
        {
            "a": np.where(random.random(rows) < 0.2, np.nan, random.normal(3, 2, rows)),
            "flag": random.random(rows) < 0.4,
            "c": random.choice(np.array(["x", "y", "z", None], dtype=object), rows),
            "b": random.normal(size=rows),
        }
    )


def encoded(table: Any, missing: str | None = "mean") -> tuple[Encoding, np.ndarray]:
    """The encoding of a table, and what it makes of it."""
    read = read_table(table)
    encoding = Encoding.fit(read, missing)
    return encoding, encoding.encode(read)


# ------------------------------------------------------------------------------------------------------------ inputs


def test_columns_become_inputs() -> None:
    """Numbers stay, booleans are 0 or 1, texts are one-hot as scikit-learn's, gaps the mean and an indicator."""
    table = frame()
    encoding, y_0 = encoded(table)
    assert encoding.inputs == ("a", "a missing", "flag", "c=x", "c=y", "c=z", "c missing", "b")
    one_hot = OneHotEncoder(sparse_output=False, categories=[["x", "y", "z"]], handle_unknown="ignore")
    expected = np.column_stack(
        [
            table["a"].fillna(table["a"].mean()),
            table["a"].isna(),
            table["flag"],
            one_hot.fit_transform(table[["c"]].astype(object)),
            table["c"].isna(),
            table["b"],
        ]
    )
    np.testing.assert_allclose(y_0, expected, rtol=1e-14)  # the mean may be summed in another order
    assert np.array_equal(y_0[:, 1:], expected[:, 1:])


def test_what_is_0_or_1_is_divided_by_a_half() -> None:
    """All else by its own standard deviation, which is scikit-learn's; the means are those of the inputs."""
    encoding, y_0 = encoded(frame())
    scaling, measured = encoding.scaling(y_0), StandardScaler().fit(y_0)
    np.testing.assert_allclose(scaling.mean, measured.mean_, rtol=1e-13)
    plain = [encoding.inputs.index(name) for name in ("a", "b")]
    np.testing.assert_allclose(scaling.sd[plain], measured.scale_[plain], rtol=1e-13)
    assert (np.delete(scaling.sd, plain) == BINARY_SD).all()


def test_a_later_table_is_taken_as_the_first(tmp_path: Path) -> None:
    """Columns by name in any order, others among them, levels that are gone, gaps anywhere: the same inputs."""
    table = frame()
    encoding, y_0 = encoded(table)
    other = table.loc[:, ["c", "b", "flag", "a"]].assign(more=1)
    assert np.array_equal(encoding.encode(read_table(other)), y_0)
    few = table[table["c"] == "y"]
    assert np.array_equal(encoding.encode(read_table(few)), y_0[table["c"] == "y"])
    with pytest.warns(UnseenGap, match=r"40 rows lack it, row 0 first\. It is taken as its mean"):
        gap = encoding.encode(read_table(table.assign(b=np.nan)))  # without a gap in training there is no indicator
    np.testing.assert_allclose(gap[:, -1], table["b"].mean(), rtol=1e-14)
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    assert np.array_equal(encoding.encode(read_table(path)), y_0)


def test_texts_are_compared_as_they_are_written() -> None:
    """Numbers where there were texts of numbers are the same levels; text where there were numbers is refused."""
    table = pd.DataFrame({"code": ["1", "2", "30"] * 4})
    encoding = Encoding.fit(read_table(table, text=["code"]))
    assert encoding.text == {"code": ("1", "2", "30")}
    numbers = encoding.encode(read_table(table.astype(float)))
    assert np.array_equal(numbers, np.tile(np.eye(3), (4, 1)))
    of_numbers, _ = encoded(table.astype(float))
    with pytest.raises(BadData, match=r"column 'code' must hold numbers.*row 0 holds '1'"):
        of_numbers.encode(read_table(table, text=["code"]))


def test_numbers_stand_for_booleans_if_they_are_0_or_1() -> None:
    """Another number is refused by its row."""
    encoding, y_0 = encoded(pd.DataFrame({"flag": [True, False, True]}))
    assert np.array_equal(encoding.encode(read_table(pd.DataFrame({"flag": [1, 0, 1]}))), y_0)
    with pytest.raises(BadData, match=r"column 'flag' must hold booleans.*row 1 holds 7"):
        encoding.encode(read_table(pd.DataFrame({"flag": [1, 7, 9]})))


def test_an_unseen_text_is_none_of_the_levels_and_is_said() -> None:
    """The warning names column, row, text and the levels; if told not to, it is silent."""
    encoding, _ = encoded(frame())
    other = frame().assign(c="z")
    other.loc[[5, 8], "c"] = "new"
    with pytest.warns(UnseenLevel, match=r"column 'c' must hold .*'x', 'y', 'z'; 2 rows hold others, row 5 'new'"):
        y_0 = encoding.encode(read_table(other))
    assert not y_0[[5, 8], 3:7].any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(encoding.encode(read_table(other), warn=False), y_0)


def later(frame: pd.DataFrame, how: str, folder: Path) -> Any:
    """A table that comes to a model later, in one of the ways in which tables come."""
    path = folder / f"later {how}"
    if how == "frame":
        return frame
    if how == "polars":
        return pl.from_pandas(frame)
    if how == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("how", ["frame", "polars", "csv", "parquet", "csv, streamed", "parquet, streamed"])
def test_more_texts_than_could_be_learned_are_no_matter_later(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a hundred they are zeros and one warning, as a single unseen text is; they are refused in training alone,
    and known texts and gaps among them stay what they are.
    """
    table = frame(600).assign(y=np.arange(600.0))
    model = Model.fit(table, "y", missing="mean", **FAST)
    known = (table["c"] == "x") | table["c"].isna() | (table.index < 200)
    many = table.assign(c=np.where(known, table["c"], [f"n{k}" for k in range(600)]))
    one = table.assign(c=np.where(known, table["c"], "new"))
    many.loc[0, "c"], one.loc[0, "c"] = " ", None
    first = int(np.argmin(known))
    with pytest.warns(UnseenLevel):
        expected = model.predict(one)
    if "streamed" in how:
        monkeypatch.setattr("chainrule.streaming.STREAMED", 0)
    with pytest.warns(UnseenLevel, match=rf"{(~known).sum()} rows hold others, row .* 'n{first}'") as caught:
        found = next(iter(model.said(later(many, how, tmp_path))))["y"]
    assert len(caught) == 1
    np.testing.assert_array_equal(found, expected[:, 0])
    with pytest.raises(BadData, match="more than 100 different texts"):
        Model.fit(later(many, how, tmp_path), "y", missing="mean", stream="streamed" in how or None, **FAST)


def test_more_texts_later_than_are_told_apart(tmp_path: Path) -> None:
    """A column that was empty in training may hold any, and beyond the first hundred one stands for all others."""
    encoding = Encoding((Field("c", "text", (), 0.0, True), Field("d", "text", ("7", "…"), 0.0, True)))
    table = pd.DataFrame({"c": [f"n{k}" for k in range(300)], "d": [f"m{k}" for k in range(299)] + ["7.0"]})
    read = read_table(table, text=encoding.text)
    assert [len(kind.levels) for kind in read.kinds] == [101, 103]
    assert not encoding.encode(read, warn=False)[:299].any()
    assert encoding.encode(read, warn=False)[299].tolist() == [0, 1, 0, 0]
    with pytest.warns(UnseenLevel, match=r"row 250 ' …'"):
        encoding.encode(read.take(np.arange(250, 300)))


@pytest.mark.parametrize("how", ["frame", "polars", "csv", "parquet", "csv, streamed", "parquet, streamed"])
@pytest.mark.parametrize("many", [False, True])
def test_whole_numbers_with_a_decimal_are_the_texts_without(
    how: str, many: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap turns 207 into 207.0: for the text 207 that is the same, also beside very many others; 207.5, 0207 and
    207.00 are not.
    """
    codes = ["207", "30", "-4", "0207", None] * 8
    table = pd.DataFrame({"code": codes, "y": np.arange(40.0)})
    model = Model.fit(table, "y", text=["code"], missing="mean", **FAST)
    if "streamed" in how:
        monkeypatch.setattr("chainrule.streaming.STREAMED", 0)
    others = [*range(1000, 1150)] if many else []
    floats = pd.DataFrame({"code": [207.0, np.nan, 30.0, -4.0, *map(float, others), 207.5]})
    texts = pd.DataFrame({"code": ["207", None, "30", "-4", *map(str, others), "new"]})
    with pytest.warns(UnseenLevel):
        expected = model.predict(texts)
    with pytest.warns(UnseenLevel):
        found = next(iter(model.said(later(floats, how, tmp_path))))["y"]
    np.testing.assert_array_equal(found, expected[:, 0])
    encoding = Encoding((Field("code", "text", ("207", "1.0", "0207")),))
    written = pd.DataFrame({"code": ["207.0", "207,0", "1", "1.0", "0207", "0207.0", "207.00", "2070"]})
    y_0 = encoding.encode(read_table(written, text=["code"]), warn=False)
    assert y_0.argmax(axis=1)[:5].tolist() == [0, 0, 1, 1, 2]
    assert y_0.sum(axis=1).tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    both = Encoding((Field("code", "text", ("1", "1.0")),))
    y_0 = both.encode(read_table(pd.DataFrame({"code": ["1", "1.0", "x"]}), text=["code"]), warn=False)
    assert y_0.tolist() == [[1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"b": np.inf}, r"inputs must be finite; row 0, column 'b' is inf \(the first of 40"),
        ({"c": 1.0}, None),
        ({"b": "x"}, r"column 'b' must hold numbers"),
        ({"flag": "x"}, r"column 'flag' must hold booleans"),
        ({"b": pd.Timestamp("2020")}, r"dates"),
    ],
)
def test_what_cannot_be_encoded_is_said(change: dict[str, Any], sentence: str | None) -> None:
    """A column of another kind than in training is refused; a number where there were texts is none of them."""
    encoding, _ = encoded(frame())
    table = read_table(frame().assign(**change))
    if sentence is None:
        with pytest.warns(UnseenLevel, match="'1'"):
            assert not encoding.encode(table)[:, 3:7].any()
        return
    with pytest.raises(BadData, match=sentence):
        encoding.encode(table)


def test_gaps_are_refused_unless_something_stands_for_them() -> None:
    """The first row and column are named, in training and later."""
    table = frame()
    row = int(table.isna().any(axis=1).idxmax())
    with pytest.raises(BadData, match=rf"inputs must be known; row {row}, .*missing='mean'"):
        encoded(table, None)
    encoding, _ = encoded(table.dropna(), None)
    with pytest.raises(BadData, match=rf"inputs must be known; row {row}, "):
        encoding.encode(read_table(table))


@pytest.mark.parametrize("form", ["missing", "text", "boolean"])
def test_a_sparse_table_is_what_the_dense_one_is(form: str) -> None:
    """For a model of a dense table with an indicator, a text or a boolean it is made dense: the same inputs."""
    values = np.where(np.random.default_rng(0).random((30, 3)) < 0.4, 1.0, 0.0)
    table = pd.DataFrame(values, columns=["x0", "x1", "x2"])
    if form == "missing":
        encoding, _ = encoded(table.assign(x0=np.append(np.nan, values[1:, 0])))
    elif form == "text":
        encoding = Encoding.fit(read_table(table, text=["x0"]))
    else:
        encoding, _ = encoded(table.astype({"x0": bool}), None)
    assert np.array_equal(encoding.encode(read_table(sparse.csr_array(values))), encoding.encode(read_table(table)))


def test_a_sparse_table_stays_sparse_and_is_the_same_network() -> None:
    """Sparse inputs give the predictions of dense ones, up to the rounding of sums in another order."""
    random = np.random.default_rng(0)
    values = np.where(random.random((60, 5)) < 0.3, random.normal(size=(60, 5)), 0.0)
    y = values @ random.normal(size=5)
    thin, full = (Model.fit(table, y, **FAST) for table in (sparse.csr_array(values), values))
    assert thin.encoding == full.encoding
    read = read_table(sparse.csr_array(values))
    assert sparse.issparse(Encoding.fit(read).encode(read))
    np.testing.assert_allclose(thin.predict(values), full.predict(values), rtol=1e-9)
    np.testing.assert_allclose(thin.predict(sparse.csr_array(values)), thin.predict(values), rtol=1e-11)


def test_a_sparse_table_with_gaps_is_refused() -> None:
    """A gap would have to become a mean and an indicator in every row."""
    values = sparse.csr_array(np.eye(4))
    values.data[2] = np.nan
    with pytest.raises(BadData, match=r"row 2, column 'x2' is missing"):
        Encoding.fit(read_table(values))
    with pytest.raises(BadData, match=r"a sparse table must be known everywhere"):
        Encoding.fit(read_table(values), "mean")


def test_a_text_that_no_trained_row_knows_is_a_gap(tmp_path: Path) -> None:
    """Its levels are of held-out rows alone: nothing of them is learned, and the model can be saved."""
    table = frame().assign(y=1.0 * np.arange(40))
    split_model = Model.fit(table, "y", missing="mean", **FAST)
    rows = table.assign(c=None)
    rows.loc[0, "c"] = "x"
    models = [Model.fit(rows, "y", missing="mean", seed=seed, **FAST) for seed in range(12)]
    empty = [model for model in models if model.encoding and model.encoding.fields[2].levels == ()]
    assert 0 < len(empty) < 12
    save(empty[0], tmp_path / "model")
    with pytest.warns(UnseenLevel, match="no text"):
        expected = empty[0].predict(rows)
    with pytest.warns(UnseenLevel):
        assert np.array_equal(load(tmp_path / "model").predict(rows), expected)
    assert split_model.encoding is not None
    assert split_model.encoding.fields[2].levels == ("x", "y", "z")


@pytest.mark.parametrize(
    "change",
    [
        {"name": 3},
        {"kind": "date"},
        {"levels": ["x", 3]},
        {"levels": ["x", "x"]},
        {"kind": "text", "levels": []},
        {"fill": np.inf},
        {"fill": 1},
        {"indicator": 1},
        {"more": 1},
    ],
)
def test_a_field_that_save_would_not_write_is_refused(change: dict[str, Any]) -> None:
    """What save writes comes back; anything else is a ValueError, or a TypeError that load explains."""
    field = Field("c", "text", ("x", "y"), 0.0, True)
    assert field_of(spec_of(field)) == field
    with pytest.raises((ValueError, TypeError)):
        field_of(spec_of(replace(field, indicator=False)) | change)


# ------------------------------------------------------------------------------------------------------------ targets


@pytest.mark.parametrize(
    ("values", "task", "levels", "outputs"),
    [
        ([1.5, 2.0, 1.5, 7.0], None, (), ("t",)),
        (["n", "y", "n", "n"], None, ("n", "y"), ("t=y",)),
        ([True, False, False, True], None, ("false", "true"), ("t=true",)),
        (["b", "c", "a", "c"], None, ("a", "b", "c"), ("t=a", "t=b", "t=c")),
        ([10, 9, 10, 9], "classification", ("9", "10"), ("t=10",)),
        ([2.5, -1, 0, 2.5], "classification", ("-1", "0", "2.5"), ("t=-1", "t=0", "t=2.5")),
        ([True, False, False, True], "regression", (), ("t",)),
    ],
)
def test_outputs_become_what_the_column_holds(values: Any, task: str | None, levels: Any, outputs: Any) -> None:
    """Encoded and decoded a target is itself, in its own type; levels are in order, numbers by their size."""
    table = read_table(pd.DataFrame({"t": values}))
    fitted = Targets.fit(table, task)
    truth = fitted.truth(table)
    targets = fitted.measured(truth)
    assert targets.fields[0].levels == levels
    assert targets.outputs == outputs
    t = targets.encode(truth)
    assert t.shape == (4, len(outputs))
    decoded = targets.decode(t)
    if targets.task == "regression":
        np.testing.assert_allclose(decoded[:, 0], np.array(values, dtype=float), rtol=1e-15)
        return
    labels = targets.labels(decoded)[:, 0]
    assert labels.tolist() == values
    assert labels.dtype.kind == np.array(values).dtype.kind
    (p,) = targets.probabilities(t)
    assert np.array_equal(p, (np.array(values)[:, None] == labels_of(targets)).astype(float))
    shares = [values.count(one) / 4 for one in labels_of(targets).tolist()]
    assert targets.shares == (tuple(shares),)
    assert np.array_equal(targets.constant(2)[0], [shares, shares])


def labels_of(targets: Targets) -> np.ndarray:
    """The classes of the first target as its column holds them."""
    n = len(targets.fields[0].levels)
    return targets.labels(np.arange(n, dtype=float)[:, None])[:, 0]


def test_missing_targets_stay_missing() -> None:
    """A number, a class of two, and all shares of a class of three are NaN in a row that does not know them."""
    for values in ([1.0, None, 3.0, 4.0], ["n", None, "y", "y"], ["a", None, "b", "c"]):
        table = read_table(pd.DataFrame({"t": values}))
        targets = Targets.fit(table)
        truth = targets.truth(table)
        t = targets.measured(truth).encode(truth)
        assert np.array_equal(np.isnan(t).all(axis=1), [False, True, False, False])
        assert np.isnan(t).sum() == t.shape[1]


def test_several_labels_have_an_output_each() -> None:
    """Booleans and texts of two levels side by side; labels of different types keep theirs."""
    table = read_table(pd.DataFrame({"p": [True, False, True], "q": ["n", None, "y"]}))
    targets = Targets.fit(table)
    truth = targets.truth(table)
    assert targets.outputs == ("p=true", "q=y")
    assert not targets.softmax
    assert np.array_equal(targets.encode(truth), [[1, 0], [0, np.nan], [1, 1]], equal_nan=True)
    assert targets.measured(truth).shares == ((1 / 3, 2 / 3), (0.5, 0.5))
    assert targets.labels(np.array([[1.0, 0.0]])).tolist() == [[True, "n"]]
    assert targets.decode(np.array([[0.5, 0.500001]])).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("columns", "task", "sentence"),
    [
        ({"t": ["x"] * 3}, None, r"target 't' must hold two classes or more; got only 'x'"),
        ({"t": [None] * 3}, "classification", r"two classes or more; got none"),
        ({"t": [1.0, 2.0, 3.0], "u": ["x", "y", "x"]}, None, r"targets must be all numbers.*'t'.*'u'"),
        ({"t": ["x", "y", "z"], "u": ["x", "y", "x"]}, None, r"two classes each; 't' has 3"),
        ({"t": ["x", "y", "z"]}, "regression", r"targets of a regression must be numbers; column 't' holds 'x'"),
        ({"t": [1.0, np.inf, 2.0]}, None, r"targets must be finite.*row 1, column 't' is inf"),
        ({"t": [1.0, -np.inf, 2.0]}, "classification", r"targets must be finite.*row 1, column 't' is -inf"),
        ({"t": np.arange(200) / 7}, "classification", r"at most 100 classes.*leave out the task"),
    ],
)
def test_targets_that_cannot_be_predicted_are_refused(columns: Any, task: str | None, sentence: str) -> None:
    """One sentence names the column and what it holds."""
    with pytest.raises(BadData, match=sentence):
        Targets.fit(read_table(pd.DataFrame(columns)), task)


@pytest.mark.parametrize(
    ("trained", "later", "sentence"),
    [
        (["n", "y"], ["n", "maybe"], r"target 't' must be one of 'n', 'y'; row 1 holds 'maybe'"),
        ([1, 2], [1, 2.5], r"must be one of '1', '2'; row 1 holds '2.5'"),
        ([1, 2], [1, np.inf], r"targets must be finite.*row 1"),
        ([0.5, 2], [0.5, "x"], r"target 't' must hold numbers|typo|text"),
    ],
)
def test_a_later_target_of_another_kind_is_refused(trained: Any, later: Any, sentence: str) -> None:
    """It is named with its row; nothing is guessed."""
    task = None if isinstance(trained[0], str | float) else "classification"
    targets = Targets.fit(read_table(pd.DataFrame({"t": trained})), task)
    with pytest.raises(BadData, match=sentence):
        targets.truth(read_table(pd.DataFrame({"t": later})))


def test_targets_of_a_sparse_table_are_its_columns() -> None:
    """One or several columns of a sparse table are predicted, and found in it again to evaluate."""
    values = np.where(np.random.default_rng(1).random((30, 4)) < 0.5, 0.0, np.arange(120.0).reshape(30, 4))
    for names in (["x3"], ["x1", "x3"]):
        thin, full = (Model.fit(table, names, **FAST) for table in (sparse.csr_array(values), values))
        for model in (thin, full):
            assert model.target_names == tuple(names)
        found, expected = thin.evaluate(sparse.csr_array(values)), thin.evaluate(values)
        for name in names:
            assert found[name]["network"].rmse == pytest.approx(expected[name]["network"].rmse, rel=1e-10)


@pytest.mark.filterwarnings("ignore::chainrule.WorseThanConstant")
def test_few_whole_numbers_are_told_from_measurements() -> None:
    """Whole numbers of at most ten kinds may be classes; fractions, constants and many kinds are not."""
    columns = {
        "n": np.arange(30) % 3,
        "f": np.arange(30) % 3 / 2,
        "m": np.arange(30),
        "o": 1,
        "w": -(np.arange(30) % 2),
    }
    table = pd.DataFrame(columns).assign(y=0.5 * np.arange(30))
    model = Model.fit(table.drop(columns="n"), "w", **FAST)
    assert model.task == "regression"
    assert model.report is not None
    assert "classification" in model.report.notes[0]
    fields = [
        Field(name, "number", tuple(f"{one:g}" for one in sorted(table[name].unique()))) for name in table.columns
    ]
    assert few_values(fields) == ("n", "w")


# -------------------------------------------------------------------------------------------------------------- scaling


def test_scaling_a_sparse_table_is_scaling_it_dense() -> None:
    """Means, standard deviations and what becomes of it, with weights or not; nothing but the stored is touched."""
    random = np.random.default_rng(2)
    values = np.where(random.random((50, 6)) < 0.2, random.normal(2, 3, (50, 6)), 0.0)
    values[:, 4], values[:, 5] = 0.0, 7.0  # constant columns
    for weights in (None, random.integers(0, 4, 50).astype(float)):
        thin, full = Scaling.fit(sparse.csr_array(values), weights), Scaling.fit(values, weights)
        np.testing.assert_allclose(thin.mean, full.mean, rtol=1e-13)
        np.testing.assert_allclose(thin.sd, full.sd, rtol=1e-13)
        scaled = thin.apply(sparse.csr_array(values))
        assert isinstance(scaled, Centred)
        assert scaled.matrix.nnz == sparse.csr_array(values).nnz
        np.testing.assert_allclose(scaled.toarray(), full.apply(values), atol=1e-13)
    repeated = np.repeat(values, weights.astype(int), axis=0)
    np.testing.assert_allclose(full.sd, Scaling.fit(repeated).sd, rtol=1e-13)
