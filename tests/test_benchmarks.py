"""The benchmarks of the engine run, say who is missing, notice who does other work, and measure what they say."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "benchmarks" / "engine"
TINY = ("--rounds", "3", "--seconds", "0.01", "--clock", "processor")


def measured(tmp_path: Path, *options: str) -> tuple[str, list[dict[str, Any]]]:
    """What it prints, and its tables."""
    file = tmp_path / "figures.json"
    command = [sys.executable, str(PROGRAM), *TINY, "--json", str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = json.loads(file.read_text(encoding="utf-8"))
    assert run["header"]["numpy"] == np.__version__
    tables: list[dict[str, Any]] = run["tables"]
    for table in tables:
        assert table["title"] in done.stdout
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
    return done.stdout, tables


def by_name(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The figures of each contestant."""
    return {one["name"]: one for one in table["figures"]}


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules of the benchmarks can be imported in this test, and are forgotten after it."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(PROGRAM))
    yield
    for name in set(sys.modules) - before:
        if str(PROGRAM) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("question", ["step", "adam"])
def test_a_step_is_measured_against_everyone_who_is_there(tmp_path: Path, question: str) -> None:
    """The engine takes part of its ceiling and less time than the page; JAX in both forms does the same work."""
    printed, (ratios, _) = measured(tmp_path, question, "--workloads", "T2", "--against", "jax", "sklearn")
    found = by_name(ratios)
    assert {"chainrule", "JAX explicit", "JAX grad", "scikit-learn", "the page", "ceiling"} <= set(found)
    assert "PyTorch eager" not in found
    assert all(one["median"] > 0 for one in found.values() if one["name"] in ("chainrule", "the page", "ceiling"))
    assert 0 < found["chainrule"]["of ceiling"] < 1
    assert found["the page"]["median"] > found["chainrule"]["median"]
    assert not ratios["wrong"]
    assert "T2: 4-16-16-1, batch 32" in printed


def test_a_fit_is_measured_to_the_same_error(tmp_path: Path) -> None:
    """Fits take as many epochs as were counted, and scikit-learn's end where they did then."""
    table = tmp_path / "table.csv"
    inputs = np.random.default_rng(0).normal(size=(300, 3))
    np.savetxt(table, np.column_stack([inputs, inputs @ [1, 2, -1]]), delimiter=",")
    _, (found,) = measured(tmp_path, "fit", "--epochs", "8", "--data", str(table), "--rounds", "2")
    assert [row[0] for row in found["rows"]] == ["table, gradient descent", "table, adam"]
    for one in found["figures"]:
        assert all(0 < epochs <= 8 for epochs in one["epochs"])
        if one["name"] == "scikit-learn":
            assert max(one["errors"]) <= 1.2 * one["goal"]  # its fit shuffles otherwise than epoch by epoch


def test_predictions_are_measured(tmp_path: Path) -> None:
    """One pattern takes less time than 2,000."""
    _, tables = measured(tmp_path, "predict", "--patterns", "2000", "--against")
    one, many = (by_name(table) for table in tables)
    assert {"chainrule", "NumPy"} == set(one)
    assert 0 < one["chainrule"]["median"] < many["chainrule"]["median"]


def test_growth_is_measured(tmp_path: Path) -> None:
    """A row an axis, each with its exponent."""
    _, (found,) = measured(tmp_path, "scaling", "--points", "2")
    assert [row[0] for row in found["rows"]] == ["depth", "width", "patterns"]


def test_the_start_is_measured(tmp_path: Path) -> None:
    """A first step takes longer than Python alone, and longest with an empty cache."""
    _, (found,) = measured(tmp_path, "start", "--against", "--rounds", "1")
    seconds = {name: one["median"] for name, one in by_name(found).items()}
    assert seconds["Python alone"] < seconds["chainrule, full cache"] < seconds["chainrule, empty cache"]


CONTESTANTS = """
import time

def slow_to_begin(spec):
    def run(n):
        time.sleep(0.05 + 0.01 * n)
    return run, spec["threads"]

def dies(spec):
    def run(n):
        raise ArithmeticError("cannot go on")
    return run, None

def never(spec):
    raise ArithmeticError("cannot begin")
"""


@pytest.mark.usefixtures("modules")
def test_what_is_done_once_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a contestant that takes 50 ms to begin and 10 ms a unit, 10 ms are measured; who fails is told apart."""
    import measure

    (tmp_path / "made_up.py").write_text(CONTESTANTS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    entries = {
        "slow": measure.Entry("made_up:slow_to_begin", {}),
        "dies": measure.Entry("made_up:dies", {}),
        "never": measure.Entry("made_up:never", {}),
        "missing": measure.Entry("made_up:never", {}, ("no_such_library",)),
    }
    found = measure.contest(entries, measure.How(rounds=5, seconds=0.02, threads=2))
    # A busy machine may wake it late, not by as much as it takes to begin.
    assert 0.008 < found["slow"].median < 0.05
    assert len(found["slow"].seconds) == 5
    assert found["slow"].result == 2
    assert "cannot go on" in found["dies"].why_not
    assert "cannot begin" in found["never"].why_not
    assert found["missing"].why_not == "no_such_library not installed"


@pytest.mark.usefixtures("modules")
def test_who_does_other_work_is_named() -> None:
    """An E that is not the page's is told, and one that rounding explains is not."""
    import step
    from measure import Found

    found = {
        "the page": Found(result=1.0),
        "JAX grad": Found(result=1.00001),
        "PyTorch": Found(result=1.01),
        "scikit-learn": Found(),
    }
    (told,) = step.wrong("T2", found, "float32")
    assert "for PyTorch" in told
    assert len(step.wrong("T2", found, "float64")) == 2
    found["PyTorch"].result = float("nan")
    assert step.wrong("T2", found, "float32")


@pytest.mark.usefixtures("modules")
def test_operations_are_counted_and_exponents_fitted() -> None:
    """Of 2-3-1 with 5 patterns: forward and gradient 9 multiply-adds each, error terms 3. Squares grow by 2."""
    import scaling
    import workloads

    assert workloads.operations({"sizes": [2, 3, 1], "batch_size": 5}) == 2 * 5 * (9 + 9 + 3)
    assert scaling.exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)


@pytest.mark.usefixtures("modules")
def test_tables_go_into_their_place_on_the_page(tmp_path: Path) -> None:
    """What stood there goes, the rest of the page stays, and a second time nothing changes."""
    import report

    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    table = report.Table("A title", ["network", "µs"], [["T1", "0.25"]], ["who was missing"])
    head = {"processor": "x86", "cores": 2, "vector bytes": 32, "fma": True, "python": "3.11", "date": "", "load": 0.1}
    run = {"header": head | dict.fromkeys(report.LIBRARIES, "1.0"), "tables": [asdict(table)]}
    file = tmp_path / "figures.json"
    file.write_text(json.dumps([run]), encoding="utf-8")
    page = report.page(text, [file])
    assert "### A title\n\n| network | µs |\n| --- | ---: |\n| T1 | 0.25 |\n\nwho was missing.\n" in page
    assert page.startswith(text.split(report.BEGIN)[0])
    assert page.endswith(text.split(report.END)[1])
    assert report.page(page, [file]) == page


def test_every_question_is_listed() -> None:
    """Without a name the program says which there are; a wrong one is refused."""
    listed = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, check=True).stdout
    described = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in ("step", "adam", "fit", "predict", "start", "scaling"):
        assert f"\n{name} " in listed
        assert f"| `{name}` |" in described
    refused = subprocess.run([sys.executable, PROGRAM, "stepp"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2


def test_tricks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trick can be switched off in the source as it is, and a copy without one trains."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import tricks

    for n, trick in enumerate(tricks.TRICKS.values()):
        copy = tricks.without(trick, tmp_path / str(n))
        assert trick.off in (copy / "chainrule" / "engines" / "cpu" / trick.file).read_text(encoding="utf-8")
    assert tricks.timed(copy, ("T1",))["T1"] > 0
    with pytest.raises(SystemExit, match=r"benchmarks/tricks\.py"):
        tricks.without(trick._replace(on="nowhere"), tmp_path / "other")
