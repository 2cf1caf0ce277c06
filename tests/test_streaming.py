"""Claim: a table that is streamed is measured, divided and trained on as if it were in memory, in little memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, log_loss

from chainrule import Model, Network, load, save, streaming, train
from chainrule.engines import Patterns
from chainrule.scores import Scores
from chainrule.streaming import HELD_OUT, STOPPING, Stream, Survey, divide, part_of, survey
from chainrule.tables import BadData, Encoding, Targets, blocks, open_blocks, read_table
from chainrule.training.loop import Interrupted

ROWS = 700
FAST: dict[str, Any] = {
    "hidden": [4],
    "l2": 0.01,
    "epochs": 3,
    "patience": None,
    "batch_size": 32,
    "learning_rate": 0.03,
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces and windows of a few rows, so that small tables have many."""
    monkeypatch.setattr(blocks, "ROWS", 40)
    monkeypatch.setattr(blocks, "PIECE", 9000)
    monkeypatch.setattr(streaming, "WINDOW", 3000)


def frame(rows: int = ROWS) -> pd.DataFrame:
    """Numbers of every size, a boolean, a text, two targets with gaps and one of classes; `row` is each row's own."""
    random = np.random.default_rng(rows)
    a, c = random.normal(size=rows), random.choice(["low", "mid", "high"], rows, p=[0.5, 0.3, 0.2])
    y = np.where(random.random(rows) < 0.1, np.nan, 5 + np.tanh(a) * (c != "low") + random.normal(0, 0.1, rows))
    return pd.DataFrame(
        {
            "row": np.arange(rows, dtype=float),
            "a": a,
            "far": 1e9 + random.normal(size=rows),
            "huge": 1e200 * random.normal(size=rows),
            "tiny": np.where(np.arange(rows) < 100, 0, 1e-200 * random.normal(size=rows)),
            "same": 7.0,
            "flag": random.random(rows) < 0.2,
            "c": c,
            "y": y,
            "z": np.where(random.random(rows) < 0.1, np.nan, y**2),
            "k": np.where(a > 0.5, "up", np.where(a < -0.5, "down", "even")),
        }
    )


def write(folder: Path, table: pd.DataFrame, how: str = "parquet") -> Path:
    """Write a table as one file, or as a folder of several."""
    path = folder / f"table.{how}"
    if how == "parquet":
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, row_group_size=90)
    elif how == "csv":
        table.to_csv(path, index=False)
    elif how == "npy":
        np.save(path, table.to_numpy(dtype=float))
    else:
        path.mkdir()
        for k in range(3):
            table[k::3].sort_index().to_csv(path / f"{k}.csv", index=False)
    return path


def surveyed(path: Path, target: str | list[str] = "y", held_out: float = 0.2, **more: Any) -> Survey:
    """What one pass finds; nothing is left out and gaps are refused unless it is told otherwise."""
    names = [target] if isinstance(target, str) else target
    options: dict[str, Any] = {"ignore": [], "missing": None, "task": None, "seed": 0, **more}
    return survey(open_blocks(path), names, held_out=held_out, progress=False, **options)


def streamed(path: Path, found: Survey, held_out: float = 0.2, batch_size: int = 32, seed: int = 0) -> Stream:
    """The rows trained on as a source."""
    return Stream(open_blocks(path), found, held_out, seed, batch_size)


def rows_of(found: Survey, inputs: np.ndarray, *, scaled: bool = False) -> list[int]:
    """Which rows these inputs are of."""
    return np.rint((found.inputs.undo(inputs) if scaled else inputs)[:, 0]).astype(int).tolist()


# --------------------------------------------------------------------------------------------------- measure and divide


@pytest.mark.parametrize("held_out", [0.0, 0.2, 0.25, 0.6, 0.95])
@pytest.mark.parametrize("how", ["parquet", "csv", "folder"])
def test_every_row_is_in_one_part(tmp_path: Path, how: str, held_out: float) -> None:
    """Rows that know the target are trained on, kept apart or held out, each once; the excerpt is trained on too."""
    table = frame()
    path = write(tmp_path, table[["row", "a", "y"]], how)
    found = surveyed(path, held_out=held_out)
    trained = [
        row for y_0, _, _ in streamed(path, found, held_out).pieces() for row in rows_of(found, y_0, scaled=True)
    ]
    unseen, apart, excerpt = (rows_of(found, part[0]) for part in (found.held_out, found.stopping, found.excerpt))
    assert sorted(trained + apart + unseen) == np.flatnonzero(table["y"].notna()).tolist()
    assert set(excerpt) <= set(trained)
    counts = {"trained": len(trained), "stopping": len(apart), "held_out": len(unseen)}
    assert found.rows == {**counts, "without_target": int(table["y"].isna().sum())}
    assert abs(len(unseen) - held_out * 630) < 5 * np.sqrt(630 * 0.25)  # five standard deviations of a fair draw
    assert len(apart) > 0
    assert len(excerpt) > 0


def test_the_part_of_a_row_depends_on_its_number_and_the_seed() -> None:
    """However rows come in pieces, their parts are the same; parts have the shares that were asked for."""
    thresholds = divide(100_000, 0.1)
    whole = part_of(0, 100_000, thresholds, 3)
    pieces = [part_of(start, 777, thresholds, 3) for start in range(0, 100_000 - 777, 777)]
    assert np.array_equal(np.concatenate(pieces), whole[: 777 * len(pieces)])
    assert not np.array_equal(part_of(0, 100_000, thresholds, 4), whole)
    counts = np.bincount(whole, minlength=4) / 100_000
    np.testing.assert_allclose(counts, [0.3, 0.5, 0.1, 0.1], atol=5 * 0.5 / np.sqrt(100_000))


def test_of_very_many_rows_as_many_are_kept_as_are_enough() -> None:
    """Of 10⁹ rows 20,000 are held out and 20,000 kept apart, and 50,000 are in the excerpt."""
    edges = np.diff([0.0, *divide(10**9, 0.2).tolist()]) / 2.0**64 * 1e9
    np.testing.assert_allclose(edges, [20_000, 20_000, 50_000], rtol=1e-9)


@pytest.mark.parametrize("how", ["parquet", "csv", "folder"])
def test_a_survey_is_the_whole_tables_statistics(tmp_path: Path, how: str) -> None:
    """Levels, fills, means and standard deviations are those that Encoding and Targets find in the rows trained on.

    Sums in another order differ by some ulps of the largest term, which is 1e-12 of a standard deviation at most; but
    the mean of the column that lies 1e9 of them off has an ulp of 1.2e-7.
    """
    table = frame().astype({"flag": "boolean"})
    table.loc[5::7, "a"] = np.nan
    table.loc[3::11, ["c", "flag"]] = None
    table["empty"] = np.nan
    path = write(tmp_path, table.drop(columns="k"), how)
    found = surveyed(path, ["y", "z"], missing="mean")
    read = read_table(path)
    part = part_of(0, ROWS, divide(ROWS, 0.2), 0)
    known = ~np.isnan(read.select(["y", "z"]).values).all(axis=1)
    rows = np.flatnonzero((part < STOPPING) & known)
    inputs, wanted = read.without(["y", "z"]).take(rows), read.select(["y", "z"]).take(rows)
    encoding = Encoding.fit(inputs, "mean")
    targets = Targets.fit(wanted).measured(wanted.values)
    y_0 = encoding.encode(inputs)
    scaling = encoding.scaling(y_0)
    for one, other in zip(found.encoding.fields, encoding.fields, strict=True):
        assert replace(one, fill=0.0) == replace(other, fill=0.0)
        assert one.fill == pytest.approx(other.fill, rel=1e-12)
    np.testing.assert_allclose(found.inputs.sd, scaling.sd, rtol=1e-7)
    assert (np.abs(found.inputs.mean - scaling.mean) <= 1e-6 * scaling.sd).all()
    assert targets.scaling is not None
    assert found.targets.scaling is not None
    np.testing.assert_allclose(found.targets.scaling.mean, targets.scaling.mean, rtol=1e-12)
    np.testing.assert_allclose(found.targets.scaling.sd, targets.scaling.sd, rtol=1e-12)
    pieces = list(streamed(path, found).pieces())
    np.testing.assert_allclose(np.concatenate([piece[0] for piece in pieces]), scaling.apply(y_0), atol=2e-6)
    np.testing.assert_array_equal(np.isnan(np.concatenate([piece[1] for piece in pieces])), np.isnan(wanted.values))


def test_the_shares_of_classes_are_those_of_the_rows_trained_on(tmp_path: Path) -> None:
    """Of a text, a boolean and numbers that are classes; a class of a held-out row alone is known, with share 0."""
    table = frame()[["row", "a", "flag", "k"]].assign(n=np.arange(ROWS) % 3)
    part = part_of(0, ROWS, divide(ROWS, 0.2), 0)
    table.loc[np.flatnonzero(part == HELD_OUT)[0], "k"] = "once"
    path = write(tmp_path, table)
    for target, task in (("k", None), ("flag", None), ("n", "classification")):
        found = surveyed(path, target, task=task).targets
        counts = table[target][part < STOPPING].value_counts(normalize=True)
        levels = sorted(table[target].unique())
        assert found.fields[0].levels == tuple(str(one).lower() for one in levels)
        np.testing.assert_allclose(found.shares[0], [counts.get(one, 0.0) for one in levels], rtol=1e-14)


def test_a_text_of_a_held_out_row_alone_is_no_input(tmp_path: Path) -> None:
    """Its weights would never be trained; it is none of the levels, as in memory."""
    table = frame()[["row", "c", "y"]]
    table.loc[np.flatnonzero(part_of(0, ROWS, divide(ROWS, 0.2), 0) == HELD_OUT)[0], "c"] = "once"
    found = surveyed(write(tmp_path, table))
    assert found.encoding.inputs == ("row", "c=high", "c=low", "c=mid")


# ------------------------------------------------------------------------------------------------------------ windows


@pytest.mark.parametrize("shuffle", [True, False])
def test_windows_hold_every_row_once_in_an_order_of_their_epoch(tmp_path: Path, shuffle: bool) -> None:
    """Each epoch holds the rows trained on once; the order is the same for the same seed and epoch, else another."""
    path = write(tmp_path, frame()[["row", "a", "y"]])
    found = surveyed(path)

    def order(seed: int, epoch: int) -> list[int]:
        source = streamed(path, found)
        rows, sizes = [], []
        for window, at in source.windows(seed, epoch, shuffle):
            assert (window.patterns, window.total) == (source.patterns, source.total)
            assert sorted(at) == list(range(len(window.inputs)))
            rows += rows_of(found, window.inputs[at], scaled=True)
            sizes.append(len(at))
        assert len(sizes) > 2
        assert sizes[:-1] == [source.window] * (len(sizes) - 1)
        assert source.window % source.batch_size == 0
        return rows

    first = order(0, 1)
    assert sorted(first) == sorted(
        row for y_0, _, _ in streamed(path, found).pieces() for row in rows_of(found, y_0, scaled=True)
    )
    assert order(0, 1) == first
    assert (order(0, 2) != first) is shuffle
    assert (order(1, 1) != first) is shuffle
    assert (sorted(first) == first) is not shuffle


def test_two_windows_are_in_memory_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is trained on and the one being filled, beside pieces a hundred times as small."""
    random = np.random.default_rng(0)
    path = write(tmp_path, pd.DataFrame({"row": np.arange(60_000.0), "a": random.random(60_000), "y": 1.0}))
    monkeypatch.setattr(streaming, "WINDOW", 24 * 10_000)
    source, sizes = streamed(path, surveyed(path)), []
    tracemalloc.start()
    try:
        for window, order in source.windows(0, 1, True):
            sizes.append(window.inputs.nbytes + window.targets.nbytes + window.weights.nbytes + order.nbytes)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(sizes) >= 3
    assert most < 2.5 * max(sizes)


def test_a_window_mixes_rows_from_far_apart(tmp_path: Path) -> None:
    """A window takes pieces of several blocks; of a sorted table it holds more than one stretch."""
    path = write(tmp_path, frame()[["row", "a", "y"]])
    found = surveyed(path)
    for window, _ in list(streamed(path, found).windows(0, 1, True))[:-1]:
        rows = np.sort(rows_of(found, window.inputs, scaled=True))
        assert np.diff(rows).max() > 40


@dataclass(frozen=True)
class Ordered:
    """All patterns in memory, in one window, in the orders that a stream gives them."""

    all: Patterns
    orders: dict[int, np.ndarray]
    batch_size: int
    patterns: int
    total: float

    def windows(self, seed: int, epoch: int, shuffle: bool) -> Iterator[tuple[Patterns, np.ndarray]]:
        """All of them, in the order of this epoch."""
        yield self.all, self.orders[epoch]

    def pieces(self) -> Iterator[Any]:
        """All of them."""
        return self.all.pieces()

    def excerpt(self) -> Patterns:
        """All of them."""
        return self.all


@pytest.mark.parametrize("target", ["y", "k", "flag"])
def test_a_streamed_fit_is_train_in_memory_to_the_bit(tmp_path: Path, target: str) -> None:
    """The network is the one that train makes of all rows in one window, in the order of the stream's windows."""
    path = write(tmp_path, frame()[["row", "a", "c", target]])
    model = Model.fit(path, target, stream=True, **FAST)
    found = surveyed(path, target)
    source = streamed(path, found)
    parts = list(zip(*source.pieces(), strict=True))
    whole = Patterns(*(np.concatenate(part) for part in parts), batch_size=32)
    place = {row: n for n, row in enumerate(rows_of(found, whole.inputs, scaled=True))}
    orders = {
        epoch: np.array(
            [
                place[row]
                for window, at in source.windows(0, epoch, True)
                for row in rows_of(found, window.inputs[at], scaled=True)
            ]
        )
        for epoch in (1, 2, 3)
    }
    net = Network(
        [whole.inputs.shape[1], 4, whole.targets.shape[1]],
        ["tanh", found.targets.activation],
        objective=found.targets.objective,
        l2=0.01,
        seed=0,
    )
    y_0, truth = found.stopping
    apart = (found.inputs.apply(y_0), found.targets.encode(truth))
    in_memory = Ordered(whole, orders, 32, whole.patterns, whole.total)
    expected, _ = train(net, in_memory, None, "adam", 0.03, 3, validation=apart, seed=0)
    assert np.array_equal(model.network.theta, expected.theta)
    others = Ordered(whole, {epoch: orders[epoch][::-1] for epoch in orders}, 32, whole.patterns, whole.total)
    assert not np.array_equal(model.network.theta, train(net, others, None, "adam", 0.03, 3, validation=apart)[0].theta)


# ----------------------------------------------------------------------------------------------------------------- fits


def test_held_out_rows_take_no_part(tmp_path: Path) -> None:
    """Whatever the held-out rows hold, the model is the same to the bit, and only the report changes."""
    table = frame()[["row", "a", "c", "y"]]
    held_out = np.flatnonzero(part_of(0, ROWS, divide(ROWS, 0.2), 0) == HELD_OUT)
    changed = table.copy()
    changed.loc[held_out, ["row", "a", "y"]] *= -1e3
    changed.loc[held_out[:3], "c"] = "other"
    seen, other = (Model.fit(write(tmp_path, one), "y", stream=True, **FAST) for one in (table, changed))
    assert np.array_equal(seen.network.theta, other.network.theta)
    assert seen.encoding == other.encoding
    assert seen.inputs is not None
    assert other.inputs is not None
    assert np.array_equal(seen.inputs.mean, other.inputs.mean)
    assert seen.report is not None
    assert other.report is not None
    assert seen.report.scores["y"]["network"] != other.report.scores["y"]["network"]
    trained = (part_of(0, ROWS, divide(ROWS, 0.2), 0) < STOPPING) & table["y"].notna()
    changed.loc[np.flatnonzero(trained)[0], "a"] += 1
    third = Model.fit(write(tmp_path, changed), "y", stream=True, **FAST)
    assert not np.array_equal(seen.network.theta, third.network.theta)


def test_a_streamed_classification_is_reported_and_saved(tmp_path: Path) -> None:
    """Scores are scikit-learn's of what the model says of the held-out rows; it comes back from its file to the bit."""
    path = write(tmp_path, table := frame()[["row", "a", "c", "k"]])
    model = Model.fit(path, "k", stream=True, **{**FAST, "epochs": 30})
    unseen = table[part_of(0, ROWS, divide(ROWS, 0.2), 0) == HELD_OUT]
    assert model.report is not None
    found = model.report.scores["k"]["network"]
    p = model.probabilities(unseen)
    assert found.accuracy == accuracy_score(unseen["k"], model.predict(unseen)[:, 0])
    assert found.log_loss == pytest.approx(log_loss(unseen["k"], p, labels=["down", "even", "up"]), rel=1e-12)
    assert found.accuracy > model.report.scores["k"]["constant predictor"].accuracy + 0.2
    save(model, tmp_path / "model")
    assert np.array_equal(load(tmp_path / "model").probabilities(unseen), p)


def test_gaps_texts_and_rows_without_a_target_are_streamed(tmp_path: Path) -> None:
    """With missing='mean' gaps have an indicator, and the report counts the rows that know no target."""
    table = frame().drop(columns=["k", "z"])
    table.loc[::5, "a"] = np.nan
    table.loc[::9, "c"] = None
    model = Model.fit(write(tmp_path, table), "y", stream=True, missing="mean", ignore=["row"], **FAST)
    assert model.report is not None
    assert model.report.rows["without_target"] == int(table["y"].isna().sum())
    assert model.encoding is not None
    assert {"a missing", "c missing", "c=low"} <= {*model.encoding.inputs}
    assert "row" not in model.names
    assert np.isfinite(model.predict(table)).all()


def test_an_array_in_a_file_is_streamed(tmp_path: Path) -> None:
    """Columns without names are called x0, x1, … and the last may be the target."""
    path = write(tmp_path, frame()[["row", "a", "y"]].dropna(), "npy")
    model = Model.fit(path, "x2", stream=True, **FAST)
    assert model.names == ("x0", "x1")
    assert model.report is not None
    assert isinstance(model.report.scores["x2"]["network"], Scores)


def test_an_interrupted_stream_keeps_the_best_so_far(tmp_path: Path) -> None:
    """Ctrl-C in the second epoch: the model predicts, and it is not where it started."""
    table = frame()[["row", "a", "y"]]

    def stop(run: Any) -> None:
        if run.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        Model.fit(write(tmp_path, table), "y", stream=True, callbacks=[stop], **FAST)
    model = caught.value.model
    assert caught.value.history.epochs == 2
    assert np.isfinite(model.predict(table)).all()
    assert not np.array_equal(model.network.theta, Network([2, 4, 1], seed=0).theta)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (("a", 18, np.inf), {}, r"row 19.*column 'a' is inf"),
        (("a", 18, np.nan), {}, r"row 19.*column 'a' is missing.*missing='mean'"),
        (("y", 18, -np.inf), {}, r"targets must be finite.*row 19.*column 'y' is -inf"),
        ((), {"target": "yy"}, r"target must be a column of table.*'yy'\. Did you mean 'y'"),
        ((), {"ignore": ["aa"]}, r"ignore must be a column of table.*'aa'"),
        ((), {"target": ["y", "y"]}, r"target must name one or more columns once each"),
        ((), {"target": []}, r"target must name one or more columns once each"),
        ((), {"target": ["row", "a", "y"]}, r"leave one for the inputs"),
        ((), {"target": ["y"], "ignore": ["row", "a"]}, r"leave one for the inputs"),
        ((), {"target": np.zeros(ROWS)}, r"target must name columns where a table is streamed"),
        ((), {"target": 5}, r"target must name columns where a table is streamed"),
        ((), {"cv": 3}, r"cv must be left out where a table is streamed"),
        ((), {"refit": True}, r"refit must be left out where a table is streamed"),
        (("y", slice(None), np.nan), {}, r"must have more rows with a known target to be streamed; got 0"),
        ((), {"held_out": 0.9999}, r"must have more rows"),
    ],
)
@pytest.mark.parametrize("how", ["parquet", "csv"])
def test_what_cannot_be_streamed_is_said(
    tmp_path: Path, how: str, change: tuple[Any, ...], options: dict[str, Any], sentence: str
) -> None:
    """One sentence names the row, as the file counts it, and the column, or the argument."""
    table = frame()[["row", "a", "y"]].fillna({"y": 5.0})
    if change:
        column, rows, value = change
        table.loc[rows, column] = value  # row 18 from 0 is row 19 of a file
    given = {"target": "y", **FAST, **options}
    with pytest.raises(ValueError, match=sentence):
        Model.fit(write(tmp_path, table, how), stream=True, **given)


@pytest.mark.filterwarnings("ignore::chainrule.WorseThanConstant")
def test_few_rows_are_streamed_or_refused(tmp_path: Path) -> None:
    """From 1 to 30 rows, of a regression and of classes: a model, or one sentence."""
    table = frame(30)[["row", "a", "y", "k"]].fillna({"y": 0.0})
    fitted = 0
    for rows in (1, 2, 3, 5, 8, 13, 30):
        for target in ("y", "k"):
            path = write(tmp_path, table[:rows].drop(columns="k" if target == "y" else "y"))
            try:
                model = Model.fit(path, target, stream=True, **FAST)
            except BadData as error:
                assert "must have more rows" in str(error) or "two classes" in str(error)  # noqa: PT017
                assert rows < 13
            else:
                assert model.predict(path).shape == (rows, 1)
                fitted += 1
    assert fitted >= 4


def test_only_files_are_streamed() -> None:
    """What is in memory already cannot be."""
    with pytest.raises(ValueError, match=r"stream must be left out unless the table is in files"):
        Model.fit(frame(), "y", stream=True, **FAST)


# ---------------------------------------------------------------------------------------------------- predict, evaluate


@pytest.mark.parametrize("how", ["parquet", "csv", "folder", "npy"])
def test_predictions_of_a_large_table_are_those_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Piece by piece the same is said, and the scores are the same, but for the rounding of products in pieces."""
    table = frame()[["row", "a", "y", "z"]] if how == "npy" else frame()[["k", "row", "c", "y", "a", "z"]]
    path = write(tmp_path, table, how)
    target = ["x2", "x3"] if how == "npy" else ["y", "z"]
    read = (
        table.to_numpy() if how == "npy" else pd.concat([table[k::3] for k in range(3)]) if how == "folder" else table
    )
    model = Model.fit(read, target, missing="mean", **FAST)
    whole, scored = [*model.said(path)] if how != "npy" else [], model.evaluate(path)
    assert len(whole) <= 1
    monkeypatch.setattr(streaming, "STREAMED", 0)
    again = model.evaluate(path)
    for one in target:
        assert again[one]["network"].rows == scored[one]["network"].rows
        assert again[one]["network"].rmse == pytest.approx(scored[one]["network"].rmse, rel=1e-12)
    if whole:
        pieces = [*model.said(path)]
        assert len(pieces) > 10
        for one in target:
            np.testing.assert_allclose(np.concatenate([piece[one] for piece in pieces]), whole[0][one], rtol=1e-10)


def test_codes_that_look_like_numbers_stay_texts_in_a_large_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text such as 007 is compared as it is written, in a table read at once or not, with its target or not."""
    random = np.random.default_rng(0)
    code = random.choice(["007", "7", "07"], 300)
    table = pd.DataFrame({"a": random.normal(size=300), "code": code, "k": np.where(code == "007", "01", "1")})
    path = write(tmp_path, table, "csv")
    model = Model.fit(path, "k", text=["code", "k"], **{**FAST, "epochs": 40, "learning_rate": 0.05})
    expected = model.predict(table)[:, 0]
    assert (expected == table["k"]).mean() > 0.95
    bare = tmp_path / "bare.csv"
    table[["code", "a"]].to_csv(bare, index=False)
    for large in (False, True):
        monkeypatch.setattr(streaming, "STREAMED", 0 if large else 2**30)
        for given in (path, bare):
            pieces = [*model.said(given, probabilities=True)]
            assert (len(pieces) > 1) is large
            assert np.array_equal(np.concatenate([piece["k"] for piece in pieces]), expected)
        assert model.evaluate(path)["k"]["network"].accuracy == (expected == table["k"]).mean()


def test_a_large_array_is_taken_by_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with names and a file without: what is said is the same, at once or in pieces."""
    table = frame()[["row", "a", "y"]]
    model = Model.fit(table, "y", **FAST)
    path = write(tmp_path, table[["row", "a"]], "npy")
    whole = model.predict(table)[:, 0]
    monkeypatch.setattr(streaming, "STREAMED", 0)
    np.testing.assert_allclose(np.concatenate([piece["y"] for piece in model.said(path)]), whole, rtol=1e-10)


# ----------------------------------------------------------------------------------------------------- what is streamed


@pytest.mark.parametrize("how", ["parquet", "npy", "npz", "csv", "csv.gz", "csv.xz", "folder", "arrow"])
def test_a_table_is_streamed_by_what_it_takes_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Not by its size on disk: 2,000 rows of three columns are 48,000 bytes, however few they are packed into.

    Text says how many cells it has to a few in a hundred, for the header is a line too.
    """
    table = pd.DataFrame({name: np.zeros(2000) for name in ("a", "b", "y")})
    path = tmp_path / f"table.{how}"
    if how == "npz":
        np.savez_compressed(path, **{name: table[name].to_numpy() for name in table})
    elif how == "arrow":
        with pa.ipc.new_file(
            path, pa.schema(dict.fromkeys(table, pa.bool_())), options=pa.ipc.IpcWriteOptions(compression="zstd")
        ) as file:
            file.write_table(pa.table({name: pa.array(table[name] > 0) for name in table}))
    elif how.startswith("csv."):
        table.to_csv(path, index=False)
    else:
        path = write(tmp_path, table, how)
    if how not in {"npy", "csv", "folder", "npz"}:
        assert path.stat().st_size < 20_000
    slack = 0.1 if how.startswith("csv") or how == "folder" else 0.05 if how == "npz" else 0
    for limit, large in ((48_000 * (1 + slack), False), (48_000 * (1 - slack) - 1, True)):
        monkeypatch.setattr(streaming, "STREAMED", limit)
        assert (streaming.large_table(path, None) is not None) is large
        assert streaming.large_table(path, False) is None
        assert streaming.large_table(path, True) is not None


def test_the_length_of_text_is_told_from_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells a byte are counted in the beginning alone, and a packed file is unpacked no further than it must be."""
    monkeypatch.setattr(blocks, "BEGINNING", 3000)
    path = tmp_path / "table.csv.gz"
    pd.DataFrame({"a": np.full(50_000, 1.5), "y": 0.25}).to_csv(path, index=False)
    assert blocks.larger_than(0.95 * 800_000, path)
    assert not blocks.larger_than(1.05 * 800_000, path)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert blocks.larger_than(1.2 * 800_000, [path, cut])
    with pytest.raises(BadData, match="cannot be unpacked"):
        blocks.larger_than(1.9 * 800_000, [path, cut])


# --------------------------------------------------------------------------------------------------------------- memory

MEMORY = """
import re, sys
from pathlib import Path
from chainrule import Model, streaming
from chainrule.tables import blocks
streaming.WINDOW = 2**20
streaming.MOST_HELD_OUT = streaming.MOST_EXCERPT = 4000
def peak(): return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
fast = dict(hidden=[], l2=0.01, epochs=1, batch_size=8192, patience=None, engine="reference", progress=False)
Model.fit(sys.argv[1] + "small", "c0", stream=True, **fast)
before = peak()
model = Model.fit(sys.argv[1], "c0", stream=sys.argv[2] == "stream", **fast)
print(sum(model.report.rows.values()), peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the most memory used")
def test_a_table_is_trained_on_in_little_memory(tmp_path: Path) -> None:
    """122 MiB take less than that, about 70, and more with larger pieces; in memory seven times as much."""
    column = np.random.default_rng(0).random(2_000_000)
    table = pa.table({f"c{j}": np.roll(column, j) for j in range(8)})
    pq.write_table(table, tmp_path / "t", row_group_size=200_000, use_dictionary=False, compression="none")
    pq.write_table(table[:2000], tmp_path / "tsmall")
    run = [sys.executable, "-c", MEMORY, str(tmp_path / "t"), "stream"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    rows, used = map(float, done.stdout.split())
    assert rows == len(table)
    assert used < table.nbytes / 2**20
