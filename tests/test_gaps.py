"""Cells that mean nothing: the words that a user says mark a gap, and what is said of marks that may."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import Model, load, save
from chainrule.cli import main
from chainrule.tables import BadData, Dialect, open_blocks, read_table
from chainrule.training.loop import WorseThanConstant

CARS = [("VW", 12.5), ("-", 8.0), ("BMW", None), ("?", 30.25), ("VW", 7.0), (None, 9.5)] * 8
QUICK: dict[str, Any] = {"hidden": [2], "l2": 0.01, "epochs": 3}
WORDS = ("k.A.", "-", "?")


def cells(gap: str) -> list[tuple[str, str, str]]:
    """The cars as texts: make, km and price, with this word for what is not known."""
    return [
        (make or gap, gap if km is None else str(km), str(100 - 2 * n + n * n % 7)) for n, (make, km) in enumerate(CARS)
    ]


def write(path: Path, gap: str = "k.A.", rows: slice = slice(None)) -> Path:
    """The cars as CSV."""
    path.write_text("\n".join(map(";".join, [("make", "km", "price"), *cells(gap)[rows]])) + "\n", encoding="utf-8")
    return path


def same(table: Any, other: Any) -> None:
    """The same columns with the same cells."""
    assert table.names == other.names
    assert table.kinds == other.kinds
    np.testing.assert_array_equal(table.values, other.values)


@pytest.mark.parametrize("word", ["k.A.", "  k.A. ", "-999", " -999 ", "12.5x", "ja"])
def test_a_word_for_gaps_is_a_missing_cell_in_every_column_whole_and_streamed(tmp_path: Path, word: str) -> None:
    """A word is an empty cell in columns of numbers and of texts, blanks around it aside, even if it is a number."""
    plain = read_table(write(tmp_path / "plain.csv", ""), dialect=Dialect(gaps=["-", "?"]))
    path, dialect = write(tmp_path / "cars.csv", word), Dialect(gaps=[word.strip(), "-", "?"])
    table = read_table(path, dialect=dialect)
    same(table, plain)
    same(open_blocks(path, dialect=dialect).whole(), table)
    assert table.kind("make").levels == ("BMW", "VW")
    assert np.isnan(table.column("km")).sum() == 8


@pytest.mark.parametrize("kind", ["frame", "objects", "array", "parquet", "npy"])
def test_a_word_for_gaps_is_one_of_any_table_that_holds_texts(tmp_path: Path, kind: str) -> None:
    """Gaps are those of data frames, arrays and files with types too."""
    frame = pd.DataFrame([(make, 1.5) for make, _, _ in cells("k.A.")], columns=["make", "km"])
    table: Any = {"frame": frame, "objects": frame.astype(object), "array": frame.to_numpy()}.get(kind)
    if kind == "parquet":
        table = tmp_path / "cars.parquet"
        frame.to_parquet(table)
    elif kind == "npy":
        table = tmp_path / "cars.npy"
        np.save(table, frame[["make"]].to_numpy().astype("U8"))
    read = read_table(table, dialect=Dialect(gaps=WORDS))
    assert read.kinds[0].levels == ("BMW", "VW")
    assert np.isnan(read.values[:, 0]).sum() == 24
    if kind in {"parquet", "npy"}:
        same(open_blocks(table, dialect=Dialect(gaps=WORDS)).whole(), read)


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_remembers_the_words_for_gaps(tmp_path: Path, stream: bool) -> None:
    """What marked a gap in training marks one in every later table, and more may be said then."""
    path = write(tmp_path / "cars.csv")
    warnings.simplefilter("ignore", WorseThanConstant)  # after so few epochs
    model = Model.fit(path, "price", missing="mean", stream=stream, dialect=Dialect(gaps=WORDS), **QUICK)
    save(model, tmp_path / "m")
    model = load(tmp_path / "m")
    assert model.fitted["gaps"] == dict.fromkeys(WORDS, "missing")
    assert model.encoding is not None
    assert model.encoding.fields[0].levels == ("BMW", "VW")
    wanted = model.predict(write(tmp_path / "plain.csv", ""))
    np.testing.assert_array_equal(model.predict(path), wanted)
    other = write(tmp_path / "other.csv", "none")
    with pytest.raises(BadData, match="holds 'none'"):
        model.predict(other)
    found = np.concatenate([part["price"] for part in model.said(other, dialect=Dialect(gaps=["none"]))])
    np.testing.assert_array_equal(found, wanted[:, 0])
    with pytest.warns(UserWarning, match="row 5 'none'"):  # of make alone, where it is a text like others
        assert not np.array_equal(model.predict(pd.read_csv(other, sep=";", na_values={"km": ["none"]})), wanted)


def test_a_large_table_is_predicted_with_the_words_of_the_one_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words and decimal mark are those of the table trained on where a table is read in pieces, too."""
    model = Model.fit(
        write(tmp_path / "cars.csv"), "price", missing="mean", dialect=Dialect(decimal=".", gaps=WORDS), **QUICK
    )
    new = write(tmp_path / "new.csv", rows=slice(10))
    wanted = model.predict(new)[:, 0]
    monkeypatch.setattr("chainrule.streaming.STREAMED", 1)
    np.testing.assert_array_equal(np.concatenate([part["price"] for part in model.said(new)]), wanted)


def test_a_word_among_numbers_is_refused_with_the_number_of_such_cells_and_the_option(tmp_path: Path) -> None:
    """The sentence counts the cells that are no numbers and says how to declare a word; of 12,S it does not."""
    path = write(tmp_path / "cars.csv")
    with pytest.raises(BadData) as error:
        Model.fit(path, "price", **QUICK)
    assert (
        "row 3 (line 4 of cars.csv) holds 'k.A.' where most cells look like numbers (the first of 8 that do not). "
        in (str(error.value))
    )
    assert "say that it marks a gap (--gap k.A.), leave the column out (--ignore km)" in str(error.value)
    with pytest.raises(BadData, match=r"Correct it, say that it marks a gap \(--gap k\.A\.\), or choose another"):
        Model.fit(path, "km", **QUICK)
    with pytest.raises(BadData, match=r"holds '12,S'.*Correct or empty the cell, leave the column out"):
        Model.fit(write(tmp_path / "typo.csv", "12,S"), "price", **QUICK)


def notes(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What training says on one line of single blanks, and nothing on standard error."""
    given = ["train", *map(str, arguments), "--hidden", "2", "--l2", "0.01", "--epochs", "3"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SystemExit):
            main(given)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("how", ["--no-stream", "--stream"])
def test_marks_among_texts_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    """'-' and '?' beside other texts are said at training, with the options to declare them; declared ones are not."""
    path = write(tmp_path / "cars.csv", "")
    given = [path, "-t", "price", "--missing", "mean", how]
    asked = "'make' holds '-' and '?' as texts; if they mark gaps, say so with --gap - --gap '?'"
    assert asked in notes(capsys, *given)
    assert "as a text; if it marks gaps, say so with --gap '?'" in notes(capsys, *given, "--gap", "-")
    assert "mark" not in notes(capsys, *given, "--gap", "-", "--gap", "?").partition("regression")[0]


def test_texts_of_marks_alone_are_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a column holds nothing but marks, or + and -, they are what it says."""
    rows = [f"{'-?'[n % 2]};{'+x'[n % 2]};{n}" for n in range(60)]
    (tmp_path / "signs.csv").write_text("\n".join(["a;b;y", *rows]))
    assert "gap" not in notes(capsys, tmp_path / "signs.csv", "-t", "y").partition("regression")[0]


def test_texts_that_differ_in_capitals_alone_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Blanks around a text are nothing; other capitals, or blanks within, make another text, which is said."""
    fuels = ["Benzin", "benzin ", " Diesel", "Diesel", "LPG  Gas", "Strom"]
    rows = [f"{fuels[n % 6]};{n}" for n in range(60)]
    (tmp_path / "fuels.csv").write_text("\n".join(["fuel;y", *rows]))
    said = notes(capsys, tmp_path / "fuels.csv", "-t", "y")
    assert "'fuel' holds 'Benzin', 'benzin', which differ only in capitals or blanks" in said
    assert "Diesel" not in said


@pytest.mark.parametrize("gaps", [3, [1], [None]])
def test_words_for_gaps_are_words(gaps: Any) -> None:
    """Something else is refused in a sentence; one word may stand alone."""
    with pytest.raises(ValueError, match=r"^gaps must be a list of words; got "):
        Dialect(gaps=gaps)
    assert Dialect(gaps=" k.A. ").gaps == ("k.A.",)


def test_a_forged_record_of_gaps_harms_nothing(tmp_path: Path) -> None:
    """Whatever stands under gaps in a model, it predicts."""
    path = write(tmp_path / "cars.csv", "")
    model = Model.fit(path, "price", missing="mean", **QUICK)
    wanted = model.predict(path)
    for gaps in ("k.A.", 3, None, {}):
        model.fitted["gaps"] = gaps
        np.testing.assert_array_equal(model.predict(path), wanted)


def test_inspect_shows_the_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The record of a model names the words for gaps."""
    model = Model.fit(write(tmp_path / "cars.csv"), "price", missing="mean", dialect=Dialect(gaps=WORDS), **QUICK)
    save(model, tmp_path / "m")
    with pytest.raises(SystemExit):
        main(["inspect", str(tmp_path / "m")])
    assert re.search(r"^gaps: k\.A\., -, \?$", capsys.readouterr().out, re.MULTILINE)
