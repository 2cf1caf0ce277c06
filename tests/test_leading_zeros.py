"""Whole numbers with leading zeros are names, in text files: 01067 is a place, and not 1,067 of something."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import Model
from chainrule.cli import main
from chainrule.tables import BadData, Dialect, open_blocks, read_table, text
from chainrule.tables.table import Table
from chainrule.training.loop import WorseThanConstant

QUICK: dict[str, Any] = {"hidden": [2], "l2": 0.01, "epochs": 3}


def write(path: Path, cells: list[str], header: str = "code;y", encoding: str = "utf-8") -> Path:
    """A column of these cells, and one of numbers."""
    path.write_bytes("\n".join([header, *(f"{cell};{n}" for n, cell in enumerate(cells)), ""]).encode(encoding))
    return path


def read(path: Path, **options: Any) -> Table:
    """The table, which is the same in blocks."""
    table, blocks = read_table(path, **options), open_blocks(path, **options)
    assert blocks.kinds == table.kinds
    np.testing.assert_array_equal(blocks.whole().values, table.values)
    return table


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("zeros", ["01067", " 01067", '"01067"', "01067 "])
def test_digits_with_leading_zeros_are_texts(tmp_path: Path, zeros: str, encoding: str) -> None:
    """One cell is enough, wherever it stands, and gaps are gaps."""
    header = "codé;y" if encoding == "cp1252" else "code;y"
    table = read(write(tmp_path / "t.csv", ["20095"] * 50 + ["", zeros, "99999"], header, encoding))
    assert table.kinds[0].levels == ("01067", "20095", "99999")
    assert table.kinds[1].name == "number"
    assert np.isnan(table.values[50, 0])


NUMBERS = {
    "zero": ["0", "1", "12"],
    "zeros": ["00", "1", "12"],
    "zeros alone": ["0000", "0", "00"],
    "a decimal": ["0.5", "0.25", "12"],
    "decimals among them": ["01067", "12.5", "3"],
    "a sign among them": ["-05", "05", "3"],
    "an exponent": ["01", "1e3", "3"],
    "zeros within": ["100", "2001", "3"],
}


@pytest.mark.parametrize("case", NUMBERS)
def test_other_zeros_are_of_quantities(tmp_path: Path, case: str) -> None:
    """Nought, decimals, and numbers with a sign or an exponent stay numbers."""
    assert read(write(tmp_path / "t.csv", NUMBERS[case] * 5)).kinds[0].name == "number"


def test_a_word_or_a_gap_beside_them_changes_nothing(tmp_path: Path) -> None:
    """Where Arrow takes a column for text, it is looked at in the same way."""
    path = write(tmp_path / "t.csv", ["01067", " k.A.", "20095", "-999"] * 5)
    assert read(path, dialect=Dialect(gaps=["k.A.", "-999"])).kinds[0].levels == ("01067", "20095")


def test_the_zeros_are_found_at_the_edge_of_a_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a file is cut into pieces, a cell that two of them share is looked at."""
    path = write(tmp_path / "t.csv", ["20095", "01067", "30303"])
    for size in range(1, 12):
        monkeypatch.setattr(text, "PIECE", size)
        assert read_table(path).kinds[0].name == "text"


def test_too_many_are_refused_with_what_to_do(tmp_path: Path) -> None:
    """Identifiers have more levels than can be learned; the sentence says how they may be left out or be numbers."""
    path = write(tmp_path / "t.csv", [f"{n:05}" for n in range(120)])
    for stream in (False, True):
        with pytest.raises(BadData, match=r"more than 100 .*\(--ignore code\), .*without leading zeros"):
            Model.fit(path, "y", stream=stream, **QUICK)


@pytest.mark.parametrize("how", ["--no-stream", "--stream"])
def test_training_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    """One line names the columns, unless they were named as texts."""
    path = write(tmp_path / "t.csv", ["01067", "20095", "99999"] * 20)
    given = ["train", str(path), "-t", "y", "--hidden", "2", "--l2", "0.01", "--epochs", "3", how]
    for more, said in (([], True), (["--text", "code"], False)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(SystemExit):
                main([*given, *more])
        lines = " ".join(capsys.readouterr().out.split())
        assert ("whole numbers with leading zeros are taken as texts in 'code'" in lines) == said


def test_at_prediction_a_column_is_what_it_was_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are names where none has a zero now, and numbers are numbers where some have; in pieces too."""
    warnings.simplefilter("ignore", WorseThanConstant)
    names = Model.fit(write(tmp_path / "a.csv", ["01067", "20095", "99999"] * 20), "y", **QUICK)
    numbers = Model.fit(write(tmp_path / "b.csv", ["7", "12", "300"] * 20), "y", **QUICK)
    with_zeros = write(tmp_path / "c.csv", [f"{n:03}" for n in range(150)])
    without = write(tmp_path / "d.csv", [str(n) for n in range(150)])
    known = write(tmp_path / "e.csv", ["20095", "99999"])
    wanted = numbers.predict(without)
    of_names = names.predict(tmp_path / "a.csv")[1:3]
    for streamed in (2**30, 1):
        monkeypatch.setattr("chainrule.streaming.STREAMED", streamed)
        for model, path, truth in ((numbers, with_zeros, wanted), (names, known, of_names)):
            found = np.concatenate([part["y"] for part in model.said(path)])
            np.testing.assert_array_equal(found, truth[:, 0])
