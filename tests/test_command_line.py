"""The command line does the main job, and whatever it is given it answers with a result or one sentence."""

from __future__ import annotations

import codecs
import csv
import errno
import gzip
import io
import json
import os
import pty
import re
import resource
import runpy
import select
import signal
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, roc_auc_score

import chainrule.backprop
import chainrule.model
from chainrule import Model, Network, load, save
from chainrule.choosing import Choice, Given, Trial
from chainrule.cli import VERBS, main
from chainrule.cli.output import INTERRUPTED, alike, printable
from chainrule.cli.train import _write_trials
from chainrule.files import model_file
from chainrule.tables import Dialect
from chainrule.training import loggers
from chainrule.training.history import History
from chainrule.training.loop import Interrupted
from chainrule.training.schedules import schedule
from test_model_file import HOSTILE as HOSTILE_FILES
from test_model_file import names

TRAIN = ["train", "diabetes.csv", "-t", "target"]
FAST = ["--epochs", "30", "--l2", "0.01", "--hidden", "6"]
TINY = ["--epochs", "3", "--l2", "0.01", "--hidden", "4"]


class Done(NamedTuple):
    """What a command left: its exit code, standard output and standard error."""

    code: Any
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, its output not being a terminal, with warnings shown as Python shows them."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run_here(*arguments: object) -> Done:
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as end:
                main([str(argument) for argument in arguments])
        return Done(end.value.code, *capsys.readouterr())

    return run_here


def environment(**more: str) -> dict[str, str]:
    """That of a plain terminal, for a process of its own."""
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR")}
    return kept | {"TERM": "xterm-256color"} | more


def command(*arguments: object) -> list[str]:
    """The command as a process of its own, by the script that users call."""
    return [str(Path(sys.executable).with_name("chainrule")), *map(str, arguments)]


def process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    given = {"capture_output": True, "text": True, "env": environment(), "timeout": 60} | options
    return subprocess.run(command(*arguments), check=False, **given)


HOUSES = 60
"""Rows: enough for no warning that they are few."""


def houses(rows: int = HOUSES) -> pd.DataFrame:
    """Houses with numbers, booleans, text of two and three levels, and a number that is only a name."""
    n = np.arange(rows)
    area = 60 + n * 7 % 41
    return pd.DataFrame(
        {
            "code": 20000 + n % 4,
            "area": area,
            "heating": np.array(["oil", "gas", "heat pump"])[n * n % 7 % 3],
            "garden": np.array(["false", "true"])[n % 5 // 3],
            "rooms": area // 20,
            "price": 3.5 * area + 10 * (n % 4) + n % 3,
            "quick": np.array(["no", "yes"])[(area + n % 6 > 82).astype(int)],
            "grade": np.array(["C", "B", "A"])[(area - 55) // 16],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with diabetes.csv, raw as it comes, houses.csv, and a model of each: of a number, and of classes."""
    path = tmp_path_factory.mktemp("command")
    load_diabetes(scaled=False, as_frame=True).frame.to_csv(path / "diabetes.csv", index=False)
    houses().to_csv(path / "houses.csv", index=False)
    save(Model.fit(path / "diabetes.csv", "target", hidden=[6], epochs=30, l2=0.01), path / "m.safetensors")
    grade = Model.fit(path / "houses.csv", "grade", ignore=["price"], hidden=[4], epochs=30, l2=0.01)
    save(grade, path / "c.safetensors")
    yield path
    assert names(path) == [*FILES]


FILES = ("c.safetensors", "diabetes.csv", "houses.csv", "m.safetensors")


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, as the current one, with the files of the other in it."""
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_refused(done: Done, code: int, *parts: str) -> None:
    """No result, one sentence after "Error:", no traceback, and the right exit code."""
    assert done.code == code, done.err
    assert done.out == ""
    usage, _, sentence = done.err.rpartition("Error: ")
    assert "Error" not in usage
    assert usage.strip() == "" or (usage.startswith("Usage: chainrule") and code == 2)
    assert sentence.endswith((".\n", "?\n", "?)\n"))
    assert sentence.count("\n") == 1
    assert sentence[:-1].isprintable()
    assert "Traceback" not in done.err
    assert "fault of Chainrule" not in done.err
    assert "Errno" not in done.err
    for part in parts:
        assert part in sentence


def assert_tidy(text: str) -> None:
    """Printable lines of at most 80 columns."""
    assert all(line.isprintable() for line in text.splitlines())
    assert max(map(len, text.splitlines())) <= 80, max(text.splitlines(), key=len)


def strict(text: str) -> Any:
    """The value of JSON as every program reads it: NaN and Infinity are not JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


# --------------------------------------------------------------------------------------------------------- the main job


def test_the_main_job_end_to_end(run: Run, here: Path) -> None:
    """train, predict, evaluate, check and inspect a raw table, one after the other, without a word on standard error.

    The report says rows, time, scores beside both baselines, the certificate, and what to do next.
    """
    trained = run("train", "diabetes.csv", "--target", "target", "-o", "d.safetensors", *FAST)
    assert (trained.code, trained.err) == (0, "")
    for said in (
        r"regression: network 10-6-1, 73 parameters: tanh, output identity\n",
        r"354 rows, with 88 rows \(20%\) held out",
        r"lbfgs: 30 epochs \(the most allowed\); \d+\.\d s in all\n",
        r"target: 88 held-out rows\n",
        r"(?m)^ network +0\.\d{3} +\d\d\.\d\d +\d\d\.\d\d$",
        r"(?m)^ linear model +0\.\d{3} +\d\d\.\d\d +\d\d\.\d\d$",
        r"(?m)^ constant predictor +-0\.\d{3} +\d\d\.\d\d +\d\d\.\d\d$",
        r"saved to d.safetensors: chainrule predict d.safetensors NEW.csv\n$",
    ):
        assert re.search(said, trained.out), said
    assert re.search(
        r" gradient certificate: ok; checked each of 73 parameters, 32 patterns; the worst, \S+, differs from the "
        r"complex step by \de-1\d saved to d.safetensors: ",
        " ".join(trained.out.split()),
    )
    with_next_command = trained.out.splitlines()[-1].partition(": chainrule ")[2].replace("NEW.csv", "diabetes.csv")
    predicted = run(*with_next_command.split())
    assert (predicted.code, predicted.err) == (0, "")
    assert predicted.out.startswith("target\n")
    judged = run("evaluate", "d.safetensors", "diabetes.csv")
    assert (judged.code, judged.err) == (0, "")
    assert re.search(r"target: 442 rows of diabetes.csv\s+R²\s+RMSE\s+MAE", judged.out)
    checked = run("check", "d.safetensors", "diabetes.csv", "--rows", "5")
    assert (checked.code, checked.err) == (0, "")
    assert "gradient certificate: ok (complex step)\nchecked: each of 73 parameters, 5 patterns" in checked.out
    shown = run("inspect", "d.safetensors")
    assert (shown.code, shown.err) == (0, "")
    assert "sse network 10-6-1, 73 parameters, float64" in shown.out
    for done in (trained, judged, checked, shown):
        assert_tidy(done.out)


def test_classes_end_to_end(run: Run, here: Path) -> None:
    """A target of text is classified: the report and evaluate have scikit-learn's figures of the probabilities that
    predict writes, and the confusion matrix of the classes that it writes.
    """
    trained = run("train", "houses.csv", "-t", "grade", "-i", "price", "-o", "g", *FAST)
    assert (trained.code, trained.err) == (0, "")
    assert "classification: network 9-6-3, 81 parameters: tanh, output softmax\n" in trained.out
    assert re.search(r"grade: 12 held-out rows\s+accuracy   log loss   ROC AUC\n", trained.out)
    assert "grade: rows of each class, down, by predicted class, across\n" in trained.out
    predicted = pd.read_csv(io.StringIO(run("predict", "g", "houses.csv", "--probabilities").out))
    assert [*predicted] == ["grade", "grade=A", "grade=B", "grade=C"]
    truth, p = houses()["grade"], predicted.iloc[:, 1:].to_numpy()
    assert np.array_equal(p, load("g").probabilities("houses.csv"))
    assert (predicted["grade"] == np.array(["A", "B", "C"])[p.argmax(axis=1)]).all()
    done = run("evaluate", "g", "houses.csv")
    found = strict(run("evaluate", "g", "houses.csv", "--json").out)["grade"]["network"]
    assert found["accuracy"] == accuracy_score(truth, predicted["grade"])
    assert found["confusion"] == confusion_matrix(truth, predicted["grade"]).tolist()
    assert found["log_loss"] == pytest.approx(log_loss(truth, p), rel=1e-12)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, p, multi_class="ovo"), rel=1e-12)
    assert re.search(rf"network +{found['accuracy']:.3f} +\S+ +{found['roc_auc']:.3f}\n", done.out)
    for level, row in zip("ABC", found["confusion"], strict=True):
        assert re.search(rf"(?m)^ {level} +{' +'.join(map(str, row))}$", done.out)
    for one in (trained, done):
        assert_tidy(one.out)


def test_labels_of_two_levels(run: Run, here: Path) -> None:
    """Several booleans or texts of two levels are predicted at once, each in a column of its own, as tables write
    them.
    """
    options = ["-t", "quick", "-t", "garden", "-i", "price", "-i", "grade"]
    assert run("train", "houses.csv", *options, "-o", "l", *TINY).code == 0
    predicted = run("predict", "l", "houses.csv", "--probabilities").out.splitlines()
    assert predicted[0] == "quick,garden,quick=no,quick=yes,garden=false,garden=true"
    assert {tuple(line.split(",")[:2]) for line in predicted[1:]} <= {
        (quick, garden) for quick in ("no", "yes") for garden in ("false", "true")
    }
    judged = strict(run("evaluate", "l", "houses.csv", "--json").out)
    assert [*judged] == ["quick", "garden"]


def test_of_many_classes_the_worst_pairs_are_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than ten classes are no matrix on a screen: the pairs that are confused most are shown."""
    monkeypatch.chdir(tmp_path)
    n = np.arange(240)
    pd.DataFrame({"x": n % 7, "t": [f"a class with a long name, number {k}" for k in n % 12]}).to_csv("t.csv")
    done = run("train", "t.csv", "-t", "t", "-i", "x", *TINY)
    assert_refused(done, 3, "column 1 of 3 has none")
    pd.read_csv("t.csv", index_col=0).to_csv("t.csv", index=False)
    done = run("train", "t.csv", "-t", "t", *TINY)
    assert done.code == 0
    assert "t: classes confused most\n" in done.out
    assert_tidy(done.out)


def test_several_targets(run: Run, tmp_path: Path) -> None:
    """With several targets each is reported, predicted in a column of its own, and scored."""
    table, model = tmp_path / "linnerud.csv", tmp_path / "m.safetensors"
    load_linnerud(as_frame=True).frame.to_csv(table, index=False)
    targets = ["Weight", "Waist", "Pulse"]
    options = [part for target in targets for part in ("-t", target)]
    done = run("train", table, *options, "-o", model, "--json", *FAST)
    assert done.code == 0
    assert list(strict(done.out)["scores"]) == targets
    assert strict(done.out)["inputs"] == ["Chins", "Situps", "Jumps"]
    predicted = run("predict", model, table)
    assert predicted.out.splitlines()[0] == "Weight,Waist,Pulse"
    assert np.array_equal(np.loadtxt(predicted.out.splitlines()[1:], delimiter=","), load(model).predict(table))
    judged = run("evaluate", model, table)
    assert all(f"{target}: 20 rows of linnerud.csv\n" in judged.out for target in targets)


def test_a_network_without_hidden_layers(run: Run, here: Path) -> None:
    """--hidden '' trains a linear network, and the report says so."""
    done = run(*TRAIN, "--hidden", "", "--rule", "lbfgs", "--batch-size", "0", "--l2", "0")
    assert done.code == 0
    assert "network 10-1, 11 parameters: output identity\n" in done.out


def test_the_options_reach_the_model(run: Run, here: Path) -> None:
    """Every option of train does what it says, seen in the model's record or the report."""
    done = run(
        "train", "diabetes.csv", "--target", "target", "--output", "o.safetensors", "--hidden", "5, 4",
        "--activation", "gelu", "--rule", "momentum", "--learning-rate", "0.02", "--epochs", "12", "--batch-size", "0",
        "--patience", "0", "--l2", "0.5", "--held-out", "0.5", "--seed", "9", "--json",
    )  # fmt: skip
    assert done.code == 0
    model = load("o.safetensors")
    assert model.network.sizes == (10, 5, 4, 1)
    assert [row.name for row in model.network.f[1:]] == ["gelu", "gelu", "identity"]
    assert model.network.l2 == 0.5
    assert model.fitted == {
        "table": "diabetes.csv",
        "rows": {"trained": 221, "stopping": 0, "held_out": 221, "without_target": 0},
        "refitted": False,
        "rule": "momentum",
        "learning_rate": 0.02,
        "batch_size": None,
        "l2": 0.5,
        "epochs": 12,
        "best_epoch": 12,
        "seed": 9,
        "decimal": ".",
    }
    assert len(strict(done.out)["history"]["running"]) == 12


def test_the_same_command_gives_the_same_file(run: Run, here: Path) -> None:
    """The same table and seed give the same model file, to the byte."""
    for name in ("a", "b"):
        assert run(*TRAIN, "-o", name, *FAST).code == 0
    assert Path("a").read_bytes() == Path("b").read_bytes()


ADAM = ["--rule", "adam", "--patience", "0"]
AS_ADAM: dict[str, Any] = {"rule": "adam", "patience": None}

TWINS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "ignore": (["--ignore", "code", "-i", "garden"], {"ignore": ["code", "garden"]}),
    "text": (["--text", "code"], {"text": ["code"]}),
    "task": (["--task", "classification", "-t", "rooms"], {"task": "classification", "target": ["rooms"]}),
    "cv": (["--cv", "3"], {"cv": 3}),
    "held out, half": (["--held-out", "0.5"], {"held_out": 0.5}),
    "held out, none": (["--held-out", "0"], {"held_out": 0}),
    "refit": (["--refit"], {"refit": True}),
    "hidden": (["--hidden", "3, 2"], {"hidden": [3, 2]}),
    "hidden, none": (["--hidden", ""], {"hidden": []}),
    "activation": (["--activation", "silu"], {"activation": "silu"}),
    "l2": (["--l2", "1"], {"l2": 1.0}),
    "seed": (["--seed", "7"], {"seed": 7}),
    "epochs": (["--epochs", "5"], {"epochs": 5}),
    "rule": (ADAM, AS_ADAM),
    "learning rate": ([*ADAM, "--learning-rate", "0.1"], {**AS_ADAM, "learning_rate": 0.1}),
    "batch size": ([*ADAM, "--batch-size", "7"], {**AS_ADAM, "batch_size": 7}),
    "batch size, all": ([*ADAM, "--batch-size", "0"], {**AS_ADAM, "batch_size": 0}),
    "clip": (
        ["--rule", "momentum", "--clip", "0.01", "--patience", "0"],
        {"rule": "momentum", "clip": 0.01, "patience": None},
    ),
    "schedule": ([*ADAM, "--schedule", "cosine"], {**AS_ADAM, "schedule": "cosine"}),
    "warm up": ([*ADAM, "--warm-up", "2"], {**AS_ADAM, "schedule": schedule("constant", warm_up=2)}),
    "patience": (
        ["--rule", "adam", "--learning-rate", "1", "--epochs", "20", "--patience", "1"],
        {"rule": "adam", "learning_rate": 1.0, "epochs": 20, "patience": 1},
    ),
    "stream": (["--stream"], {"stream": True}),
    "no stream": (["--no-stream", "--ignore", "quick"], {"stream": False, "ignore": ["quick"]}),
}  # fmt: skip


@pytest.mark.parametrize("case", TWINS)
def test_an_option_is_the_argument_of_the_same_name(case: str, run: Run, here: Path) -> None:
    """With an option, train saves to the byte what the same call in Python does, and something else than without."""
    options, named = TWINS[case]
    target = ["-t", "price"] * ("target" not in named)
    assert run("train", "houses.csv", *target, "-o", "line", *TINY, *options).code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.WorseThanConstant)
        for name, more in (("python", named), ("plain", {"target": named.get("target", "price")})):
            given = {"target": "price", "hidden": [4], "l2": 0.01, "epochs": 3} | more
            save(Model.fit("houses.csv", **given), name)
    assert Path("line").read_bytes() == Path("python").read_bytes()
    assert Path("line").read_bytes() != Path("plain").read_bytes()


def test_missing_inputs_on_request(run: Run, here: Path) -> None:
    """Gaps among the inputs are refused, naming row and column, until --missing mean is given; predict then takes
    them too.
    """
    table = pd.read_csv("houses.csv", dtype=object)
    table.loc[4, "area"] = table.loc[7, "heating"] = None
    table.to_csv("gaps.csv", index=False)
    done = run("train", "gaps.csv", "-t", "price", *TINY)
    assert_refused(done, 3, "row 5 (line 6 of gaps.csv), column 'area' is missing", "--missing mean")
    assert run("train", "gaps.csv", "-t", "price", "--missing", "mean", "-o", "g", *TINY).code == 0
    save(Model.fit("gaps.csv", "price", missing="mean", hidden=[4], l2=0.01, epochs=3), "python")
    assert Path("g").read_bytes() == Path("python").read_bytes()
    done = run("predict", "g", "gaps.csv")
    assert done.code == 0
    assert done.err == "" or "as it was in every row that the model was trained on" in done.err  # held-out gaps alone
    assert np.isfinite(np.loadtxt(done.out.splitlines()[1:])).all()


def test_several_tables_and_folders_are_one(run: Run, here: Path) -> None:
    """Several files, or a folder of them, are trained on, predicted and scored as one table, row after row."""
    Path("parts").mkdir()
    table = houses()
    for n, part in enumerate((table[:25], table[25:])):
        part.to_csv(f"parts/{n}.csv", index=False)
    table.to_csv("parts.csv", index=False)
    saved = []
    for given in (["parts.csv"], ["parts/0.csv", "parts/1.csv"], ["parts"]):
        done = run("train", *given, "-t", "price", "-o", f"m{len(saved)}", *TINY)
        predicted, judged = run("predict", "m0", *given), run("evaluate", "m0", *given, "--json")
        assert done.code == predicted.code == judged.code == run("check", "m0", *given).code == 0
        saved.append((load(f"m{len(saved)}").network.theta.tolist(), predicted.out, judged.out))
    assert saved[0] == saved[1] == saved[2]
    assert saved[0][1].count("\n") == HOUSES + 1
    assert "price: 60 rows\n" in run("evaluate", "m0", "parts/0.csv", "parts/1.csv").out
    table.drop(columns="garden").to_csv("parts/2.csv", index=False)
    assert_refused(run("train", "parts", "-t", "price", *TINY), 3, "'garden' in 2.csv")


SPELLED: dict[str, tuple[str | bytes, list[str], Dialect]] = {
    "delimiter": ("a!b!t\n" + "".join(f"{n % 7}!{n % 5}!{n}\n" for n in range(60)), ["--delimiter", "!"], Dialect("!")),
    "tab": (
        "a\tb;b\tt\n" + "".join(f"{n % 7}\tx;{n % 5}\t{n}\n" for n in range(60)),
        ["--delimiter", "tab"],
        Dialect("\t"),
    ),
    "decimal": (
        "a;t\n" + "".join(f"{1 + n % 7},{100 + n};{n}\n" for n in range(60)), ["--decimal", "."], Dialect(decimal=".")
    ),
    "encoding": (
        ("a,t\n" + "".join(f"{'őű'[n % 2]},{n}\n" for n in range(60))).encode("cp1250"),
        ["--encoding", "cp1250"],
        Dialect(encoding="cp1250"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPELLED)
def test_a_dialect_is_taken_as_it_is_said(case: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option of a dialect is that of Python's Dialect, for train, predict, evaluate and check alike; without it
    the file is refused, or is another table.
    """
    monkeypatch.chdir(tmp_path)
    content, options, dialect = SPELLED[case]
    path = table_file(content)
    assert run("train", path, "-t", "t", "-o", "line", *TINY, *options).code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.WorseThanConstant)
        save(Model.fit(path, "t", dialect=dialect, hidden=[4], l2=0.01, epochs=3), "python")
    assert Path("line").read_bytes() == Path("python").read_bytes()
    without = run("train", path, "-t", "t", "-o", "plain", *TINY)
    assert without.code or Path("line").read_bytes() != Path("plain").read_bytes()
    without = run("predict", "line", path).out
    assert (run("predict", "line", path, *options).out == without) == (case == "decimal")  # which the model remembers
    for verb in ("predict", "evaluate", "check"):
        assert run(verb, "line", path, *options)[::2] == (0, ""), verb


def test_a_table_without_names(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --no-header columns are called x0, x1 and so on, in training and in prediction."""
    monkeypatch.chdir(tmp_path)
    values = np.array([[n % 7, n % 5, n] for n in range(60)])
    np.savetxt("t.csv", values, delimiter=",", fmt="%d")
    np.savetxt("new.csv", values[::-1, :2], delimiter=",", fmt="%d")
    assert_refused(run("train", "t.csv", "-t", "x2", *TINY), 3, "the first line looks like data", "--no-header")
    assert run("train", "t.csv", "-t", "x2", "--no-header", "-o", "m", *TINY).code == 0
    assert load("m").names == ("x0", "x1")
    predicted = run("predict", "m", "new.csv", "--no-header").out.splitlines()
    assert predicted[0] == "x2"
    assert [*map(float, predicted[1:])] == load("m").predict(values[::-1, :2])[:, 0].tolist()


def test_rows_without_the_target_are_counted(run: Run, here: Path) -> None:
    """Rows left out for want of a target are counted, and only rows that know it are said to be scored."""
    table = pd.read_csv("diabetes.csv")
    table.loc[:6, "target"] = np.nan
    table.to_csv("gaps.csv", index=False)
    assert "left out for want of a target: 7 rows\n" in run("train", "gaps.csv", "-t", "target", *FAST).out
    assert "target: 435 rows of gaps.csv\n" in run("evaluate", "m.safetensors", "gaps.csv").out


def test_the_report_says_what_it_is_worth(run: Run, tmp_path: Path) -> None:
    """Too few rows to judge, or a target that does not vary there, are said in words."""
    path = tmp_path / "t.csv"
    random = np.random.default_rng(5)
    for rows, constant, said in (
        (20, False, "4 rows are too few to trust these figures\n"),
        (60, True, "R² is nan because the target does not vary in these rows"),
    ):
        x = random.normal(size=rows)
        pd.DataFrame({"x": x, "t": 1.0 if constant else 2 * x}).to_csv(path, index=False)
        assert said in run("train", path, "-t", "t", *TINY).out


def test_the_report_says_what_was_held_out(run: Run, here: Path) -> None:
    """How many rows were held out, what fraction, and whether the model was trained on all once it had been judged."""
    for options, said, rows in (
        ([], "trained on 48 rows, with 12 rows (20%) held out to judge it\n", (48, 12)),
        (["--held-out", "0.5"], "trained on 30 rows, with 30 rows (50%) held out to judge it\n", (30, 30)),
        (["--refit"], "judged with 12 rows (20%) held out, then trained once more on all 60 rows\n", (60, 12)),
        (["--cv", "3"], "judged by 3-fold cross-validation, then trained on all 60 rows\n", (60, 0)),
        (["--held-out", "0"], "trained on all 60 rows, with none held out to judge it\n", (60, 0)),
    ):
        done = run("train", "houses.csv", "-t", "price", *TINY, *options)
        assert said in done.out, done.out
        found = strict(run("train", "houses.csv", "-t", "price", *TINY, *options, "--json").out)
        assert (found["rows"]["trained"], found["rows"]["held_out"]) == rows
        assert found["refitted"] is ("--refit" in options)
        assert ("held-out rows\n" in done.out) is (rows[1] > 0)
        assert bool(found["scores"]) is (options != ["--held-out", "0"])
        assert len(found["folds"]) == (3 if "--cv" in options else 0)


def test_cross_validation_says_how_much_its_folds_differ(run: Run, here: Path) -> None:
    """With --cv the figures are means over the folds, and the first has the folds' standard deviation beside it."""
    done = run("train", "houses.csv", "-t", "quick", "--cv", "3", *TINY)
    found = strict(run("train", "houses.csv", "-t", "quick", "--cv", "3", "--json", *TINY).out)
    of_folds = [fold["quick"]["network"]["accuracy"] for fold in found["folds"]]
    assert f" {np.mean(of_folds):.3f} ± {np.std(of_folds, ddof=1):.3f} " in done.out
    assert "quick: 60 rows, 3-fold cross-validation: means ± standard deviation\n" in done.out
    assert np.sum(found["scores"]["quick"]["network"]["confusion"]) == HOUSES


def test_few_rows_are_warned_of(run: Run, here: Path) -> None:
    """Linnerud's 20 rows are trained on, with a warning on standard error and in JSON that its figures say little."""
    runpy.run_path(str(Path(__file__).parents[1] / "examples" / "write_table.py"))["main"](Path("linnerud.csv"))
    arguments = ["train", "linnerud.csv", "-t", "weight", "-i", "waist", "-i", "pulse", *TINY]
    done = run(*arguments)
    assert done.code == 0
    assert "some 50 rows for figures to trust; got 20" in done.err
    assert "4 rows are too few to trust these figures\n" in done.out
    assert "got 20" in " ".join(strict(run(*arguments, "--json").out)["warnings"])
    assert "(--cv 5)" in done.err
    assert "got 20. Add rows, or take the figures with care." in run(*arguments, "--cv", "3").err
    assert run("train", "houses.csv", "-t", "price", *FAST).err == ""


def test_a_number_that_could_be_a_class_is_said(run: Run, here: Path) -> None:
    """A target of few whole numbers is predicted as a number, and the report says how to have classes."""
    done = run("train", "houses.csv", "-t", "rooms", *TINY)
    assert "--task classification" in done.out
    assert_tidy(done.out)
    again = run("train", "houses.csv", "-t", "rooms", "--task", "regression", *TINY)
    assert "\nregression: network " in f"\n{again.out}"


def test_a_search_shows_what_it_tried(run: Run, here: Path) -> None:
    """--search tries more than is tried without, and shows the best ten, the best of all first; that one is taken."""
    done = run("train", "houses.csv", "-t", "price", "--search", "0.3", "--json", *TINY)
    found = strict(done.out)
    assert len(found["trials"]) > 1
    best = min(found["trials"], key=lambda trial: trial["error"])
    assert {key: best[key] for key in ("hidden", "l2", "rule")} == {
        key: found["chosen"][key] for key in ("hidden", "l2", "rule")
    }
    shown = run("train", "houses.csv", "-t", "price", "--search", "0.3", *TINY).out
    table = re.search(r"(?m)^the best of \d+ ways of training\n\n.*\n ─+\n((?: .*\n)+)", shown)
    assert table
    assert 1 < len(table[1].splitlines()) <= 10
    assert_tidy(shown)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (((1, 3), (2.5, 3), (4, 4)), "the first 2 are within that of the best, and chance may have ordered them"),
        (((1.9, 2.1), (2.4, 2.4)), "no other way is within that of the best"),
        (((1, 3),), "no other way is within that of the best"),
        (((2,), (3,)), ""),
    ],
)
def test_a_ranking_says_what_chance_may_have_ordered(
    errors: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ways of training whose E is within a standard deviation of the best's are counted; where one part of the rows has
    judged them there is no standard deviation, and none is shown. One way is not the best of several.
    """
    net, way = Network([1, 1]), Given().settings(60, True)
    trials = tuple(Trial(way, one, 1, 0.1, net, History("lbfgs")) for one in errors[::-1])
    _write_trials(Choice(way, trials, net, History("lbfgs"), 0 if said else 12, True))
    shown = capsys.readouterr().out
    assert said in " ".join(shown.split())
    assert ("±" in shown) is bool(said)
    title = (
        f"the best of {len(errors)} ways of training" if len(errors) > 1 else "the only way of training that was tried"
    )
    assert shown.splitlines()[0] == title


def test_why_training_ended_is_said_in_plain_words(run: Run, here: Path) -> None:
    """At the limit of epochs, at the epoch that did best while choosing, or by itself; one way is not the best of 1."""
    known = ["train", "houses.csv", "-t", "price", "--hidden", "4", "--l2", "0.01"]
    assert "lbfgs: 3 epochs (the most allowed);" in run(*known, "--epochs", "3").out
    assert "(converged);" in run(*known[:-2], "--l2", "10").out
    shown = run(*known, "--rule", "adam", "--learning-rate", "0.3", "--epochs", "60").out
    assert re.search(r"(?m)^adam: \d+ epochs \(as many as did best while choosing\);", shown)
    assert "the only way of training that was tried by cross-validation within the training" in shown


def test_what_is_chosen_is_said(run: Run, here: Path) -> None:
    """What is not given is chosen, and the report names it and how; what is given is kept."""
    arguments = ["train", "houses.csv", "-t", "price", "-i", "grade", "-i", "quick", "--hidden", "4", "--epochs", "2"]
    done, found = run(*arguments), strict(run(*arguments, "--json").out)
    assert len(found["trials"]) == 6
    assert (found["chosen"]["hidden"], found["chosen"]["epochs"]) == ([4], 2)
    chosen = " ".join(done.out.split())
    assert re.search(r"the best of 6 ways of training by cross-validation", chosen)
    assert f"l2 {found['chosen']['l2']:.3g}" in chosen


def test_figures_of_a_column_have_one_number_of_decimals() -> None:
    """RMSE of three models stand below one another as figures do that are to be compared."""
    nan, inf = float("nan"), float("inf")
    assert alike([55.213, 78.3, 9.0]) == ["55.21", "78.30", "9.00"]
    assert alike([0.01234, 0.1]) == ["0.0123", "0.1000"]
    assert alike([1234.5, 2.0]) == ["1234", "2"]
    assert alike([1e-9, 2e-9]) == ["1e-09", "2e-09"]
    assert alike([1e300, 2e300]) == ["1e+300", "2e+300"]
    assert alike([nan, 1.0, inf]) == ["nan", "1.000", "inf"]
    assert alike([0.0]) == ["0"]


# ------------------------------------------------------------------------------------------ a file of options, --config


def toml(*lines: str) -> list[str]:
    """A file of options, to be given to train."""
    Path("run.toml").write_text("\n".join(lines), encoding="utf-8")
    return ["--config", "run.toml"]


def test_a_file_of_options(run: Run, here: Path) -> None:
    """A TOML file holds the table and every option by its name, with - or _; lists are lists; the line wins."""
    expected = run(
        "train", "houses.csv", "-t", "price", "-t", "rooms", "-i", "code", "--held-out", "0.5", "--hidden", "3,2",
        "--l2", "1e-3", "--epochs", "3", "--refit", "--seed", "4", "-o", "line",
    )  # fmt: skip
    assert expected.code == 0
    given = toml(
        'table = "houses.csv"', 'target = ["price", "rooms"]', 'ignore = "code"', "held-out = 0.5", "hidden = [3, 2]",
        "l2 = 1e-3", "epochs = 3", "refit = true", "seed = 4", 'output = "file"',
    )  # fmt: skip
    assert run("train", *given).code == 0
    assert Path("file").read_bytes() == Path("line").read_bytes()
    Path("run.toml").write_text(Path("run.toml").read_text().replace("held-out", "held_out").replace("[3, 2]", '"3,2"'))
    assert run("train", *given, "--force").code == 0
    assert Path("file").read_bytes() == Path("line").read_bytes()
    done = run("train", *given, "--seed", "5", "-t", "price", "--hidden", "4", "-o", "other", "--json")
    other = load("other")
    assert (other.fitted["seed"], other.target_names, other.network.sizes[1:]) == (5, ("price",), (4, 1))
    assert strict(done.out)["saved"] == "other"
    assert strict(
        run("train", *toml('table = ["houses.csv"]', "json = true", "hidden = []"), "-t", "price", *TINY[:4]).out
    )


CONFIG: dict[str, tuple[str, str]] = {
    "a name that is nearly one": ("epoch = 3", "got 'epoch' in 'run.toml'. Did you mean 'epochs'?"),
    "a name like no other": ("xyz = 3", "It may hold activation, batch-size"),
    "itself": ('config = "run.toml"', "got 'config'"),
    "a word for a number": ('epochs = "many"', "'many' is not a valid integer"),
    "a fraction of an epoch": ("epochs = 3.5", "'3.5' is not a valid integer"),
    "true for a number": ("l2 = true", "must give 'l2' as text, a number or a list of them; got True"),
    "a table for a number": ("[l2]\na = 1", "must give 'l2' as text, a number"),
    "a date for a text": ("task = 1999-01-01", "must give 'task' as text, a number"),
    "a list of lists": ("hidden = [[3]]", "must give 'hidden' as text, a number"),
    "a word for yes": ('refit = "yes"', "must give 'refit' as true or false; got 'yes'"),
    "a choice that is none": ('task = "clustering"', "'clustering' is not one of"),
    "out of range": ("cv = 1", "1 is not in the range"),
    "no TOML": ("epochs: 3", "--config must be a TOML file; got 'run.toml'"),
    "a key twice": ("cv = 2\ncv = 3", "--config must be a TOML file; got 'run.toml'"),
}


@pytest.mark.parametrize("case", CONFIG)
def test_a_wrong_file_of_options_is_refused(case: str, run: Run, here: Path) -> None:
    """What a file of options holds wrongly is said in one sentence, and nothing is done."""
    content, part = CONFIG[case]
    assert_refused(run("train", "houses.csv", "-t", "price", "-o", "new", *toml(content)), 2, part)
    assert not Path("new").exists()


def test_a_file_of_options_that_is_none(run: Run, here: Path) -> None:
    """One that is not there, a folder, and bytes that are no text."""
    Path("run.toml").write_bytes(b"\xff\xfe\x00")
    for name, part in (("none.toml", "no such file"), (".", "directory"), ("run.toml", "can't decode")):
        done = run("train", "houses.csv", "-t", "price", "--config", name)
        assert_refused(done, 2, "--config must be a TOML file")
        assert part in done.err.lower()


# ---------------------------------------------------------------------------------------------- logs and pictures


@pytest.mark.parametrize("rule", ["lbfgs", "adam"])
def test_logs(rule: str, run: Run, here: Path) -> None:
    """--log writes a line an epoch of the training that is kept, as JSON or with commas; the history agrees."""
    arguments = ["train", "houses.csv", "-t", "price", "--rule", rule, "--patience", "0", "--json", *TINY]
    for name in ("e.jsonl", "e.csv"):
        history = strict(run(*arguments, "--log", name).out)["history"]
        assert len(history["running"]) == 3
        if name == "e.jsonl":
            lines = [json.loads(line) for line in Path(name).read_text().splitlines()]
            assert [line["running"] for line in lines] == history["running"]
        else:
            assert pd.read_csv(name)["running"].tolist() == history["running"]
        assert_refused(run(*arguments, "--log", name), 2, f"--log must be a new file; got {name!r}", "--force")
        assert run(*arguments, "--log", name, "--force").code == 0
    assert_refused(run(*arguments, "--log", "e.txt"), 2, "--log must end in .jsonl or .csv")
    assert_refused(run(*arguments, "--log", "houses.csv", "--force"), 2, "--log must be another file than those")
    assert_refused(run(*arguments, "--log", "nowhere/e.csv"), 2, "--log must be in a folder that exists")
    assert len(pd.read_csv("houses.csv")) == HOUSES


def test_a_log_for_tensorboard(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without an ending is a folder for TensorBoard; without a program that writes it, one sentence says so."""
    pytest.importorskip("tensorboardX")
    arguments = ["train", "houses.csv", "-t", "price", *TINY]
    assert run(*arguments, "--log", "runs").code == 0
    assert any(name.startswith("events") for name in names(Path("runs")))
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert_refused(run(*arguments, "--log", "more"), 1, "TensorBoardLogger must have tensorboardX")


def test_a_picture_of_the_fit(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--plot writes a picture in the format of its name; another name, or no Matplotlib, is said before training."""
    pytest.importorskip("matplotlib")
    arguments = ["train", "houses.csv", "-t", "price", *TINY]
    done = run(*arguments, "--plot", "fit.svg")
    assert done.code == 0
    assert "picture in fit.svg\n" in done.out
    assert b"<svg" in Path("fit.svg").read_bytes()[:500]
    monkeypatch.setattr(Model, "fit", lambda *_, **__: pytest.fail("work was done"))
    assert_refused(run(*arguments, "--plot", "fit.jpg"), 2, "must end in .png, .svg or .pdf; got 'fit.jpg'")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert_refused(run(*arguments, "--plot", "fit.png"), 1, "pip install 'chainrule[plot]'")


# -------------------------------------------------------------------------------------------------- output for machines

TRAINED = {
    "task", "sizes", "parameters", "inputs", "targets", "rows", "refitted", "notes", "warnings", "chosen", "trials",
    "scores", "folds", "certificate", "history", "seconds", "saved", "networks", "why",
}  # fmt: skip
SCORES = {"rows", "r2", "rmse", "mae"}
OF_CLASSES = {"rows", "accuracy", "log_loss", "roc_auc", "confusion"}


def test_json_is_json_with_the_documented_keys(run: Run, here: Path) -> None:
    """With --json each verb writes one JSON value, complete, and nothing else."""
    trained = strict(run(*TRAIN, "-o", "d.safetensors", "--json", *FAST).out)
    assert set(trained) == TRAINED
    assert trained["task"] == "regression"
    assert trained["chosen"]["hidden"] == [6]
    assert (trained["trials"], trained["folds"], trained["notes"], trained["warnings"]) == ([], [], [], [])
    assert set(trained["rows"]) == {"trained", "stopping", "held_out", "without_target"}
    assert set(trained["scores"]["target"]) == {"network", "linear model", "constant predictor"}
    assert set(trained["scores"]["target"]["network"]) == SCORES
    assert trained["certificate"]["ok"] is True
    assert trained["seconds"] >= trained["history"]["seconds"]
    assert trained["saved"] == "d.safetensors"
    judged = strict(run("evaluate", "m.safetensors", "diabetes.csv", "--json").out)
    assert set(judged["target"]) == {"network", "constant predictor"}
    assert set(judged["target"]["network"]) == SCORES
    certificate = strict(run("check", "m.safetensors", "diabetes.csv", "--json").out)
    assert set(certificate) == set(trained["certificate"])
    assert [block["name"] for block in certificate["blocks"]] == ["w[1]", "b[1]", "w[2]", "b[2]", "y[0]"]
    shown = strict(run("inspect", "m.safetensors", "--json").out)
    assert shown["sizes"] == [10, 6, 1]
    assert shown["fitted"]["table"] == "diabetes.csv"
    assert set(shown["largest"]) == {"w[1]", "b[1]", "w[2]", "b[2]"}
    predicted = strict(run("predict", "m.safetensors", "diabetes.csv", "--json").out)
    assert predicted == {"target": load("m.safetensors").predict("diabetes.csv")[:, 0].tolist()}


def test_json_of_classes(run: Run, here: Path) -> None:
    """With classes the keys are those of classes, and predict writes a list for each class if it is asked to."""
    trained = strict(run("train", "houses.csv", "-t", "garden", "--json", *TINY).out)
    assert set(trained) == TRAINED
    assert trained["task"] == "classification"
    judged = strict(run("evaluate", "c.safetensors", "houses.csv", "--json").out)
    for scores in (trained["scores"]["garden"], judged["grade"]):
        assert all(set(one) == OF_CLASSES for one in scores.values())
    predicted = strict(run("predict", "c.safetensors", "houses.csv", "--json").out)
    assert predicted == {"grade": load("c.safetensors").predict("houses.csv")[:, 0].tolist()}
    predicted = strict(run("predict", "c.safetensors", "houses.csv", "--json", "--probabilities").out)
    assert [*predicted] == ["grade", "grade=A", "grade=B", "grade=C"]
    assert {len(values) for values in predicted.values()} == {HOUSES}
    of_booleans = run("train", "houses.csv", "-t", "garden", "-o", "g", *TINY)
    assert of_booleans.code == 0
    assert set(strict(run("predict", "g", "houses.csv", "--json").out)["garden"]) <= {True, False}


def test_what_is_not_a_number_is_null_in_json(run: Run, tmp_path: Path) -> None:
    """R² of a single held-out row does not exist: nan in the report, null in JSON."""
    path = tmp_path / "t.csv"
    path.write_text("a,t\n1,2\n2,3\n3,5\n")
    assert re.search(r"(?m)^ network +nan ", run("train", path, "-t", "t", *FAST).out)
    assert strict(run("train", path, "-t", "t", "--json", *FAST).out)["scores"]["t"]["network"]["r2"] is None


def test_predictions_as_csv(run: Run, here: Path) -> None:
    """One column under the target's name, one line a row in the table's order, every digit; -o has the same bytes."""
    table = pd.read_csv("diabetes.csv").sample(frac=1, random_state=3)[::-1]
    table.drop(columns="target").assign(other=1)[["other", *table.columns[:-1][::-1]]].to_csv("new.csv", index=False)
    done = run("predict", "m.safetensors", "new.csv")
    lines = list(csv.reader(io.StringIO(done.out)))
    assert lines[0] == ["target"]
    assert [float(line[0]) for line in lines[1:]] == load("m.safetensors").predict(table)[:, 0].tolist()
    assert run("predict", "m.safetensors", "new.csv", "-o", "p.csv") == (0, "", "")
    assert Path("p.csv").read_bytes() == done.out.encode()
    assert run("predict", "m.safetensors", "new.csv", "-o", "p.json", "--json") == (0, "", "")
    assert strict(Path("p.json").read_text())["target"] == [float(line[0]) for line in lines[1:]]


def test_predict_writes_what_it_was_asked_for_alone(run: Run, here: Path) -> None:
    """Never the inputs, nor what else stands in the table; a row for each, in the table's order, the target or not."""
    table = pd.read_csv("houses.csv", dtype=object)
    answers = table["grade"]
    table = table.drop(columns=["grade", "price"]).assign(extra="x")
    table.to_csv("new.csv", index=False)
    lines = run("predict", "c.safetensors", "new.csv").out.splitlines()
    assert lines[0] == "grade"
    assert len(lines) == HOUSES + 1
    assert set(lines[1:]) <= set(answers)
    table[::-1].to_csv("new.csv", index=False)
    assert run("predict", "c.safetensors", "new.csv").out.splitlines()[1:] == lines[:0:-1]
    done = run("predict", "m.safetensors", "diabetes.csv", "--probabilities")
    assert_refused(done, 2, "model must be a classification to have probabilities")


def test_a_text_that_was_not_seen_is_warned_of(run: Run, here: Path) -> None:
    """A level that the model does not know is a warning on one line, and the row is predicted all the same."""
    table = pd.read_csv("houses.csv", dtype=object)
    table.loc[3, "heating"] = "fusion\x1b[2J"
    table.to_csv("new.csv", index=False)
    done = run("predict", "c.safetensors", "new.csv")
    assert done.code == 0
    assert done.out.count("\n") == HOUSES + 1
    assert re.fullmatch(
        r"Warning: column 'heating' must hold .*row 4 \(line 5 of new.csv\) holds 'fusion.*\n", done.err
    )
    assert done.err[:-1].isprintable()


def test_names_and_classes_survive_csv(run: Run, tmp_path: Path) -> None:
    """A name or class with commas, quotes, ends of lines and letters of any script is what any reader reads."""
    names = ['a, "b"', "größe 日本", "c\nd", "e\rf", "x"]
    random = np.random.default_rng(0)
    table, model, output = tmp_path / "t.csv", tmp_path / "m", tmp_path / "p.csv"
    frame = pd.DataFrame(random.normal(size=(60, 5)), columns=names)
    frame.to_csv(table, index=False, quoting=csv.QUOTE_ALL)
    options = [part for name in names[:4] for part in ("-t", name)]
    assert run("train", table, *options, "-o", model, *TINY).code == 0
    assert run("predict", model, table, "-o", output).code == 0
    with output.open(newline="") as file:
        assert next(csv.reader(file)) == names[:4]
    levels = ["p, q", "r\ns", "t\ru", '"v"']
    frame["t"] = np.array(levels)[np.arange(60) % 4]
    frame.to_csv(table, index=False, quoting=csv.QUOTE_ALL)
    assert run("train", table, "-t", "t", "-o", model, "--force", *TINY).code == 0
    assert run("predict", model, table, "--probabilities", "-o", output, "--force").code == 0
    with output.open(newline="") as file:
        rows = [*csv.reader(file)]
    assert rows[0] == ["t", *(f"t={level}" for level in sorted(levels))]
    assert {len(row) for row in rows} == {5}
    assert {row[0] for row in rows[1:]} <= set(levels)


# ------------------------------------------------------------------------------------------------ what is there already


@pytest.mark.parametrize("verb", ["train", "predict"])
def test_files_are_replaced_only_with_force(verb: str, run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing file, a folder, a pipe or a place that is not there is refused before any work is done."""
    arguments = [*TRAIN, *FAST] if verb == "train" else ["predict", "m.safetensors", "diabetes.csv"]
    Path("old").write_text("precious")
    os.mkfifo("pipe")
    with monkeypatch.context() as idle:
        idle.setattr(Model, "fit", lambda *_, **__: pytest.fail("work was done"))
        idle.setattr(chainrule.model, "load", lambda *_: pytest.fail("work was done"))
        assert_refused(run(*arguments, "-o", "old"), 2, "-o must be a new file; got 'old'", "--force")
        assert_refused(run(*arguments, "-o", "diabetes.csv", "--force"), 2, "another file than those that are read")
        assert_refused(run(*arguments, "-o", here), 2, "which is a folder")
        assert_refused(run(*arguments, "-o", here, "--force"), 2, "which is a folder")
        assert_refused(run(*arguments, "-o", "pipe", "--force"), 2, "which is a device or a pipe")
        assert_refused(run(*arguments, "-o", "nowhere/new"), 2, "in a folder that exists")
        assert_refused(run(*arguments, "-o", "/proc/new"), 2, "in a folder that can be written to; got '/proc/new'")
    assert Path("old").read_text() == "precious"
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    Path("link").symlink_to("old")
    assert run(*arguments, "-o", "link", "--force").code == 0
    assert Path("link").is_symlink()
    assert Path("old").read_bytes()[:8] != b"precious"


def test_a_table_in_a_folder_is_not_replaced(run: Run, here: Path) -> None:
    """What stands in a folder that is read is not replaced, --force or not."""
    Path("parts").mkdir()
    table = Path("houses.csv").rename("parts/houses.csv")
    for option in ("-o", "--log"):
        done = run("train", "parts", "-t", "price", option, "parts/houses.csv", "--force", *TINY)
        assert_refused(done, 2, f"{option} must be another file than those that are read")
    assert len(pd.read_csv(table)) == HOUSES


@pytest.mark.parametrize("verb", ["train", "predict"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_file_that_cannot_be_written_is_exit_code_1(
    verb: str, number: int, run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk or a place without permission is said in one sentence; the old file stays, with nothing beside it.

    What train found out is reported all the same.
    """
    arguments = [*TRAIN, *FAST] if verb == "train" else ["predict", "m.safetensors", "diabetes.csv"]
    Path("old").write_text("precious")
    before = names(here)

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    done = run(*arguments, "-o", "old", "--force")
    assert ("target: 88 held-out rows\n" in done.out) is (verb == "train")
    assert "saved to" not in done.out
    assert_refused(done._replace(out=""), 1, "'old' cannot be written", os.strerror(number), "Nothing was changed")
    assert Path("old").read_text() == "precious"
    assert names(here) == before


def test_a_picture_that_cannot_be_written_costs_nothing_else(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full once the model is saved, the model and the report are there: one sentence, exit code 1."""
    pytest.importorskip("matplotlib")
    real, left = os.fsync, [1, 1]  # of the model's file, and its folder's

    def full(file: int) -> None:
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left.pop()
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    done = run("train", "houses.csv", "-t", "price", "-o", "new", "--plot", "fit.png", "--json", *FAST)
    assert_refused(done._replace(out=""), 1, "'fit.png' cannot be written", "No space left")
    assert strict(done.out)["saved"] == "new"
    assert names(here) == sorted([*FILES, "new"])
    assert np.isfinite(load("new").predict("houses.csv")).all()


def test_a_log_that_cannot_be_written_costs_nothing_else(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk fills up during training, the log ends with one warning and training goes on."""
    arguments = ["train", "houses.csv", "-t", "price", *FAST]
    assert run(*arguments, "-o", "whole").code == 0
    written = {"lines": 0}
    real = loggers._Lines._write

    def full(logger: Any, text: str) -> None:
        written["lines"] += 1
        if written["lines"] == 5:
            os.dup2(os.open("/dev/full", os.O_WRONLY), logger._file.fileno())
        real(logger, text)

    monkeypatch.setattr(loggers._Lines, "_write", full)
    done = run(*arguments, "-o", "new", "--log", "e.csv")
    assert done.code == 0
    assert re.fullmatch(r"Warning: path must be a file .* got 'e.csv': no space left .* without --log\.\n", done.err)
    assert Path("new").read_bytes() == Path("whole").read_bytes()
    assert len(Path("e.csv").read_text().splitlines()) == 4


# ----------------------------------------------------------------------------------------------------------- exit codes


def test_divergence_is_exit_code_4(run: Run, here: Path) -> None:
    """A learning rate far too large ends with one sentence that names epoch, layer and column; nothing is saved."""
    done = run(*TRAIN, "--rule", "gradient_descent", "--learning-rate", "1e6", "-o", "d")
    assert_refused(
        done, 4, "learning_rate must be small enough", "in epoch ", "of layer ", "in column '", "nothing was saved"
    )
    assert not Path("d").exists()


def test_a_wrong_gradient_is_exit_code_1(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """check ends with 1 and names the wrong block when the page is wrong."""
    right = chainrule.backprop.gradient

    def wrong(*arguments: Any, **options: Any) -> Any:
        g = right(*arguments, **options)
        return g._replace(b=(None, *(-b for b in g.b[1:])))

    monkeypatch.setattr(chainrule.backprop, "gradient", wrong)
    done = run("check", "m.safetensors", "diabetes.csv")
    assert (done.code, done.err) == (1, "")
    assert "gradient certificate: NOT OK" in done.out
    assert [line.split()[0] for line in done.out.splitlines() if line.endswith("WRONG")] == ["b[1]", "b[2]"]
    assert strict(run("check", "m.safetensors", "diabetes.csv", "--json").out)["ok"] is False


def failing(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_a_fault_of_chainrule_says_so(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is one line that says whose fault it is and how to see more, never a traceback."""
    monkeypatch.setattr(Model, "fit", failing(KeyError("two\nlines")))
    done = run(*TRAIN)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: KeyError: ")
    assert done.err.endswith("This is a fault of Chainrule; --debug before the command shows where.\n")
    assert done.err.count("\n") == 1
    monkeypatch.setattr(Model, "fit", failing(MemoryError()))
    assert_refused(run(*TRAIN), 1, "memory must hold")


def test_interruptions_are_exit_code_130(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is one line; that nothing was saved, and why, is said where it is so."""
    for saving in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(*((chainrule.model, "save") if saving else (Model, "fit")), failing(KeyboardInterrupt()))
            done = run(*TRAIN, "-o", "d", *FAST)
        assert done.code == 130
        why = "nothing was saved, for no network was trained yet"
        said = "interrupted." if saving else f"training was interrupted; {why}."
        assert done.err.strip() == f"Error: {said}"
        assert not Path("d").exists()
    for verb, method in (("predict", "said"), ("evaluate", "evaluate"), ("check", "check")):
        monkeypatch.setattr(Model, method, failing(KeyboardInterrupt()))
        done = run(verb, "m.safetensors", "diabetes.csv")
        assert (done.code, done.out, done.err.strip()) == (130, "", "Error: interrupted.")


def test_an_interruption_that_cannot_be_saved_is_said(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C where the best weights cannot be saved is one sentence, and no file."""
    unfinished = Interrupted(load("m.safetensors").network, History("lbfgs", stopped="interrupted"))
    unfinished.model = load("m.safetensors")
    monkeypatch.setattr(Model, "fit", failing(unfinished))
    monkeypatch.setattr(os, "fsync", failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    assert_refused(run(*TRAIN, "-o", "d"), 1, "'d' cannot be written: No space left on device")
    assert names(here) == [*FILES]


def shown_until(terminal: int, wanted: bytes | None, seconds: float = 60) -> bytes:
    """What a terminal shows until a pattern is seen, or without one until its last writer has gone; never for ever."""
    shown, end = b"", time.monotonic() + seconds
    while wanted is None or not re.search(wanted, shown):
        if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            raise TimeoutError(f"{wanted!r} was not shown in {seconds} s: {shown[-500:]!r}")
        try:
            piece = os.read(terminal, 10_000)
        except OSError:  # Linux's end of a terminal
            piece = b""
        if not piece:
            assert wanted is None, shown[-500:]
            break
        shown += piece
    return shown


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize("what", ["choosing", "epoch"])
def test_ctrl_c(what: str, output: bool, here: Path) -> None:
    """Ctrl-C while ways of training are tried, or one is followed, at some moment: exit code 130 and one sentence. With
    -o the best weights so far are saved, and predict; without it there is no file and no trace of one.
    """
    terminal, its_end = pty.openpty()
    one_way = ["--l2", "0.01", "--rule", "adam", "--epochs", "100000", "--patience", "0"]
    ways = one_way if what == "epoch" else ["--search", "60"]  # neither is over before it is interrupted
    arguments = command(*TRAIN, *(["-o", "d"] * output), "--hidden", "6", *ways)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of a background job would ignore it
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=its_end, env=environment())
    signal.signal(signal.SIGINT, before)
    with running:
        try:
            os.close(its_end)
            shown = shown_until(terminal, what.encode() + rb"\s.*?[1-9]\d*/\d")
            time.sleep(np.random.default_rng(len(what) + output).uniform(0, 0.2))
            running.send_signal(signal.SIGINT)
            shown += shown_until(terminal, rb"saved.*\n")
            assert running.wait(30) == 130
        finally:
            running.kill()
        assert running.stdout is not None
        assert running.stdout.read() == b""
    os.close(terminal)
    outcome = (
        b"the best weights so far were saved to d, with no report"
        if output
        else b"nothing was saved, for -o names no file"
    )
    assert b"Error: training was interrupted; " + outcome + b".\r\n" in shown
    assert b"Traceback" not in shown
    assert names(here) == sorted([*FILES, *(["d"] * output)])
    if output:
        assert np.isfinite(load("d").predict("diabetes.csv")).all()
        done = process("inspect", "d")
        state = "before all ways of training were tried" if what == "choosing" else "the best weights until then"
        assert state in " ".join(done.stdout.split())


@pytest.mark.parametrize("stage", ["choosing", "training", "reporting", "eating"])
def test_a_model_whose_training_was_interrupted_says_so(stage: str, run: Run, here: Path) -> None:
    """inspect says where training was interrupted, and evaluate warns of it beside its figures; of a model that was
    finished neither says anything.
    """
    save(replace(load("m.safetensors"), fitted={"interrupted": stage}), "d")
    said = INTERRUPTED.get(stage, "training was interrupted")
    assert said in " ".join(run("inspect", "d").out.split())
    for more in ([], ["--json"]):
        assert run("evaluate", "d", "diabetes.csv", *more).err == f"Warning: {said}.\n"
        assert run("evaluate", "m.safetensors", "diabetes.csv", *more).err == ""
    assert "interrupted" not in run("inspect", "m.safetensors").out


# --------------------------------------------------------------------------------------------------------- used wrongly

ALL_BUT_CODE = [
    part for name in ("area", "heating", "garden", "rooms", "price", "quick", "grade") for part in ("-i", name)
]

USED_WRONGLY: dict[str, tuple[list[str], int, str]] = {
    "unknown verb": (["trian"], 2, "got 'trian'. Did you mean 'train'?"),
    "verb like no other": (["xyz"], 2, "command must be one of train, predict, evaluate"),
    "unknown option": (["train", "diabetes.csv", "--epoch", "3"], 2, "'--epochs'"),
    "unknown option of the whole": (["--version2"], 2, "No such option"),
    "no table": (["train"], 2, "Missing argument 'TABLE...'"),
    "no target": (["train", "diabetes.csv"], 2, "Missing option '--target'"),
    "no model": (["predict"], 2, "Missing argument 'MODEL'"),
    "model without table": (["predict", "m.safetensors"], 2, "Missing argument 'TABLE...'"),
    "unknown column": (["train", "diabetes.csv", "-t", "Target"], 3, "got 'Target'. Did you mean 'target'?"),
    "column like no other": (["train", "diabetes.csv", "-t", "price"], 3, "Its columns are 'age', 'sex'"),
    "empty column": (["train", "diabetes.csv", "-t", ""], 3, "got ''"),
    "target twice": ([*TRAIN, "-t", "target"], 3, "once each"),
    "unknown activation": ([*TRAIN, "--activation", "tahn"], 2, "Did you mean 'tanh'?"),
    "unknown rule": ([*TRAIN, "--rule", "adma"], 2, "Did you mean 'adam'?"),
    "hidden softmax": ([*TRAIN, "--activation", "softmax"], 2, "in the output layer only"),
    "hidden, a word": (
        [*TRAIN, "--hidden", "many"],
        2,
        "--hidden must be whole numbers from 1",
    ),
    "hidden, 0": ([*TRAIN, "--hidden", "4,0"], 2, "got '4,0'. For two layers"),
    "hidden, a gap": ([*TRAIN, "--hidden", "4,,4"], 2, "got '4,,4'"),
    "hidden, negative": ([*TRAIN, "--hidden=-4"], 2, "got '-4'"),
    "hidden, too many": ([*TRAIN, "--hidden", "1000000000000000"], 2, "sizes must give a network of at most"),
    "epochs, a word": ([*TRAIN, "--epochs", "many"], 2, "'many' is not a valid integer"),
    "epochs, 0": ([*TRAIN, "--epochs", "0"], 2, "0 is not in the range x>=1"),
    "batch size, negative": (
        [*TRAIN, "--batch-size=-1"],
        2,
        "-1 is not in the range x>=0",
    ),
    "patience, negative": (
        [*TRAIN, "--patience=-2"],
        2,
        "-2 is not in the range x>=0",
    ),
    "l2, negative": ([*TRAIN, "--l2=-1"], 2, "l2 must be"),
    "l2, nan": ([*TRAIN, "--l2", "nan"], 2, "l2 must be"),
    "learning rate, nan": ([*TRAIN, "--learning-rate", "nan"], 2, "learning_rate must be"),
    "learning rate, inf": ([*TRAIN, "--learning-rate", "inf"], 2, "learning_rate must be"),
    "held out, all": ([*TRAIN, "--held-out", "1"], 2, "held_out must lie between 0 and 1"),
    "held out, nan": ([*TRAIN, "--held-out", "nan"], 2, "held_out must lie between 0 and 1"),
    "folds, 1": ([*TRAIN, "--cv", "1"], 2, "1 is not in the range x>=2"),
    "folds, more than rows": (
        [*TRAIN, "--cv", "443", *TINY],
        3,
        "cv must be at most the number of rows with a target, 442; got 443",
    ),
    "search, 0": ([*TRAIN, "--search", "0"], 2, "search must be a number of seconds above 0"),
    "search, nan": ([*TRAIN, "--search", "nan"], 2, "search must be a number of seconds above 0"),
    "clip, negative": ([*TRAIN, "--clip=-1", *TINY], 2, "clip must be"),
    "learning rate of a rule that has none": (
        [*TRAIN, "--rule", "lbfgs", "--learning-rate", "0.1"],
        2,
        "learning_rate must be left out",
    ),
    "schedule of a rule that has none": (
        [*TRAIN, "--rule", "lbfgs", "--schedule", "step", *TINY],
        2,
        "schedule must be",
    ),
    "unknown schedule": ([*TRAIN, "--schedule", "cosin"], 2, "Did you mean 'cosine'?"),
    "unknown task": ([*TRAIN, "--task", "clustering"], 2, "'clustering' is not one of 'regression', 'classification'"),
    "unknown way with gaps": ([*TRAIN, "--missing", "median"], 2, "'median' is not"),
    "ignored column that is none": ([*TRAIN, "-i", "agee"], 3, "ignore must be a column of diabetes.csv; got 'agee'"),
    "ignored target": ([*TRAIN, "-i", "target"], 3, "target must be a column"),
    "text column that is none": ([*TRAIN, "--text", "agee"], 3, "Did you mean 'age'?"),
    "everything ignored": (["train", "houses.csv", "-t", "code", *ALL_BUT_CODE], 3, "leave one for the inputs"),
    "regression of text": (["train", "houses.csv", "-t", "grade", "--task", "regression"], 3, "must be numbers"),
    "classes of too many numbers": ([*TRAIN, "--task", "classification"], 3, "must hold at most 100 classes"),
    "numbers and classes": (["train", "houses.csv", "-t", "price", "-t", "grade"], 3, "must be all numbers, or all"),
    "classes of three levels beside others": (
        ["train", "houses.csv", "-t", "garden", "-t", "grade"],
        3,
        "'grade' has 3",
    ),
    "delimiter of two characters": ([*TRAIN, "--delimiter", "ab"], 2, "delimiter must be one character"),
    "delimiter, empty": ([*TRAIN, "--delimiter", ""], 2, "delimiter must be one character"),
    "decimal mark that is none": ([*TRAIN, "--decimal", ";"], 2, "';' is not one of"),
    "unknown encoding": ([*TRAIN, "--encoding", "utf8000"], 2, "encoding must be one that Python knows"),
    "wrong encoding": ([*TRAIN, "--encoding", "utf-16"], 3, "must be text in utf-16"),
    "streamed folds": ([*TRAIN, "--stream", "--cv", "3"], 2, "cv must be left out where a table is streamed"),
    "files of two tables": (["train", "diabetes.csv", "houses.csv", "-t", "price"], 3, "must have the same columns"),
    "files of two kinds": (["predict", "m.safetensors", "diabetes.csv", "m.safetensors"], 3, "must be a table"),
    "regression's probabilities": (
        ["predict", "m.safetensors", "diabetes.csv", "--probabilities"],
        2,
        "got a regression",
    ),
    "another table": (["predict", "m.safetensors", "houses.csv"], 3, "got no 'age', 'sex'"),
    "seed, negative": ([*TRAIN, "--seed=-1"], 2, "seed must be a whole number from 0 up"),
    "table that is not there": (["train", "diabets.csv", "-t", "target"], 3, "Did you mean 'diabetes.csv'?"),
    "model that is not there": (["predict", "n.safetensors", "diabetes.csv"], 3, "cannot be read: No such file"),
    "model and table swapped": (["predict", "diabetes.csv", "m.safetensors"], 3, "is not a Chainrule model file"),
    "model as table": (["predict", "m.safetensors", "m.safetensors"], 3, "must be a table; got a binary file"),
    "folder as model": (["inspect", "."], 3, "it is a folder"),
    "folder as table": (["check", "m.safetensors", "."], 3, "c.safetensors must be a table"),
    "row without table": (["inspect", "m.safetensors", "--row", "1"], 2, "TABLE and --row must be given together"),
    "row 0": (["inspect", "m.safetensors", "diabetes.csv", "--row", "0"], 3, "1 to 442; got 0"),
    "row beyond the end": (["inspect", "m.safetensors", "diabetes.csv", "--row", "443"], 3, "1 to 442; got 443"),
    "no rows": (["check", "m.safetensors", "diabetes.csv", "--rows", "0"], 2, "0 is not in the range x>=1"),
    "no nodes": (["inspect", "m.safetensors", "--nodes", "0"], 2, "0 is not in the range x>=1"),
    "name of a file with codes": (["predict", "m.safetensors", "\x1b[31m.csv"], 3, r"\x1b[31m.csv"),
}


@pytest.mark.parametrize("case", USED_WRONGLY)
def test_wrong_use_is_answered_in_one_sentence(case: str, run: Run, here: Path) -> None:
    """Whatever is typed wrongly: one sentence, with what may have been meant, and the right exit code."""
    arguments, code, part = USED_WRONGLY[case]
    assert_refused(run(*arguments), code, part)


# ------------------------------------------------------------------------------------------------------- hostile tables

ROWS = [[n % 7, n * n % 11, n % 5 + n % 3 / 2] for n in range(20)]


def text_of(rows: list[list[Any]], names: tuple[str, ...] = ("a", "b", "t")) -> str:
    """Rows as CSV."""
    return ",".join(names) + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)


def changed(change: Callable[[int, list[Any]], list[Any]]) -> str:
    """The plain table with every row changed."""
    return text_of([change(n, list(row)) for n, row in enumerate(ROWS)])


SOUND: dict[str, str | bytes] = {
    "plain": text_of(ROWS),
    "three rows": text_of(ROWS[:3]),
    "byte order mark": "\ufeff" + text_of(ROWS),
    "Windows lines": text_of(ROWS).replace("\n", "\r\n"),
    "letters of any script": text_of(ROWS, ("größe", "日本", "t")),
    "codes in a name": text_of(ROWS, ("\x1b[31ma", "b\x07", "t")),
    "constant column": changed(lambda n, row: [1, *row[1:]]),
    "constant target": changed(lambda n, row: [*row[:2], 3]),
    "everything constant": text_of([[1, 1, 1]] * 20),
    "one column twice": changed(lambda n, row: [row[0], row[0], row[2]]),
    "the target among the inputs": changed(lambda n, row: [row[2], row[1], row[2]]),
    "true and false": changed(lambda n, row: [*row[:2], n % 2 == 0]),
    "missing target": changed(lambda n, row: [*row[:2], "" if n == 3 else row[2]]),
    "a gap where no target is": (
        changed(lambda n, row: ["" if n == 3 else row[0], row[1], "NA" if n == 3 else row[2]])
    ),
    "three targets known": changed(lambda n, row: [*row[:2], row[2] if n < 3 else ""]),
    "inputs near 1e300": changed(lambda n, row: [f"{row[0]}e300", *row[1:]]),
    "inputs near 1e-300": changed(lambda n, row: [f"{row[0]}e-300", *row[1:]]),
    "targets near 1e300": changed(lambda n, row: [*row[:2], f"{row[2]}e300"]),
    "targets near 1e-310": changed(lambda n, row: [*row[:2], f"{row[2]}e-310"]),
    "one outlier among the inputs": changed(lambda n, row: ["1e300" if n == 3 else row[0], *row[1:]]),
    "one outlier among the targets": changed(lambda n, row: [*row[:2], "1e300" if n == 3 else row[2]]),
    "more columns than rows": (
        text_of(np.random.default_rng(0).normal(size=(12, 101)).tolist(), (*(f"c{n}" for n in range(100)), "t"))
    ),
    "text": changed(lambda n, row: ["Rome" if n % 3 else "", *row[1:]]).replace("\n,", "\nnowhere,"),
    "one text": changed(lambda n, row: ["Rome", *row[1:]]),
    "classes": changed(lambda n, row: [*row[:2], "xyz"[n % 3]]),
    "a class with one row": changed(lambda n, row: [*row[:2], "xyz"[n % 2 + (n == 3)]]),
    "Latin-1": text_of(ROWS, ("größe", "b", "t")).encode("latin-1"),
}


def table_file(content: str | bytes) -> str:
    """t.csv in the current folder."""
    Path("t.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return "t.csv"


@pytest.mark.parametrize("case", SOUND)
def test_train_on_an_unusual_table(case: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusual table that is sound gives a model that predicts it, and warnings of one line at most."""
    monkeypatch.chdir(tmp_path)
    done = run("train", table_file(SOUND[case]), "-t", "t", "-o", "m", *TINY)
    assert done.code == 0
    assert_tidy(done.out)
    for line in done.err.splitlines():
        assert re.match(
            r"Warning: ((The network|(the )?(targets?|table)|inputs) must|the network predicts t worse) ", line
        )
    assert "must" not in done.out
    table = pd.read_csv("t.csv", encoding="latin-1")
    known = table["t"].notna()
    gaps = not known.all() and "three" not in case and case != "missing target"
    predicted, judged = run("predict", "m", "t.csv"), run("evaluate", "m", "t.csv")
    assert predicted.code == judged.code == (3 if gaps else 0)
    if not gaps:
        values = pd.read_csv(io.StringIO(predicted.out))["t"]
        assert len(values) == len(table)
        assert values.isin(["x", "y", "z"]).all() if "class" in case else np.isfinite(values).all()
    assert run("inspect", "m").code == 0


DIALECTS: dict[str, Callable[[str], str | bytes]] = {
    "Windows lines": lambda text: text.replace("\n", "\r\n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "tabs": lambda text: text.replace(",", "\t"),
    "semicolons": lambda text: text.replace(",", ";"),
    "semicolons and decimal commas": lambda text: text.replace(",", ";").replace(".", ","),
    "bars": lambda text: text.replace(",", "|"),
    "blanks in columns": lambda text: text.replace(",", "    "),
    "blanks behind commas": lambda text: text.replace(",", ", "),
    "Excel's first line": lambda text: "sep=;\n" + text.replace(",", ";"),
    "quotation marks everywhere": lambda text: re.sub(r"[^,\n]+", r'"\g<0>"', text),
    "a comment above, blank lines below": lambda text: "# made in a hurry\n" + text + "\n\n",
    "no end of line at the end": lambda text: text.rstrip("\n"),
    "UTF-16": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "packed": lambda text: gzip.compress(text.encode()),
}


@pytest.mark.parametrize("case", DIALECTS)
def test_dialects_are_found_out(case: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a table is written, train saves the same model to the byte but for the decimal mark that it remembers,
    and predict says the same of it.
    """
    monkeypatch.chdir(tmp_path)
    results = []
    for content in (text_of(ROWS), DIALECTS[case](text_of(ROWS))):
        trained = run("train", table_file(content), "-t", "t", "-o", "m", "--force", *TINY)
        assert trained.code == 0, trained.err
        model = load("m")
        model.fitted.pop("decimal")  # which is the file's
        save(model, "same")
        results.append((Path("same").read_bytes(), run("predict", "m", "t.csv"), run("evaluate", "m", "t.csv")))
    assert results[0] == results[1]


BROKEN: dict[str, tuple[str | bytes, dict[str, str]]] = {
    # by the verbs that refuse it (train, predict, evaluate, check), and what they say
    "empty": ("", {"tpek": "got an empty file"}),
    "blank lines": ("\n\n\n", {"tpek": "got an empty file"}),
    "header alone": ("a,b,t\n", {"tpek": "got the header alone"}),
    "one row": (text_of(ROWS[:1]), {"t": "3 rows or more with a known target"}),
    "two targets known": (changed(lambda n, row: [*row[:2], row[2] if n < 2 else ""]), {"t": "got 2. Add rows."}),
    "no target known": (
        changed(lambda n, row: [*row[:2], ""]),
        {"t": "got 0. Add rows.", "ek": "targets must be known in some rows"},
    ),
    "only the target": ("t\n1\n2\n3\n4\n", {"t": "leave one for the inputs", "pek": "got no 'a', 'b'"}),
    "no such target": (
        text_of(ROWS, ("a", "b", "c")), {"t": "target must be a column of t.csv; got 't'", "ek": "got no 't'"}
    ),
    "no input": (text_of(ROWS, ("a", "c", "t")), {"pek": "got no 'b'"}),
    "gap": (
        changed(lambda n, row: ["" if n == 3 else row[0], *row[1:]]),
        {"tpek": "row 4 (line 5 of t.csv), column 'a' is missing"},
    ),
    "a question mark for a gap": (
        changed(lambda n, row: ["?" if n == 7 else row[0], *row[1:]]), {"tpek": "row 8 (line 9 of t.csv), column 'a'"}
    ),
    "infinite input": (
        changed(lambda n, row: ["inf" if n == 3 else row[0], *row[1:]]),
        {"tpek": "row 4 (line 5 of t.csv), column 'a' is inf"},
    ),
    "infinite target": (
        changed(lambda n, row: [*row[:2], "-inf" if n == 3 else row[2]]), {"tek": "column 't' is -inf"}
    ),
    "beyond float64": (
        changed(lambda n, row: ["1e999" if n == 3 else row[0], *row[1:]]), {"tpek": "column 'a' is inf"}
    ),
    "at the end of float64": (
        changed(lambda n, row: [row[0], row[1], "1.7e308" if n % 2 else "-1.7e308"]), {"t": "must stay finite"}
    ),
    "text": (changed(lambda n, row: ["Rome", *row[1:]]), {"pek": "(line 2 of t.csv) holds 'Rome'"}),
    "text as target": (
        changed(lambda n, row: [*row[:2], "yes"]), {"t": "must hold two classes or more", "ek": "must hold numbers"}
    ),
    "a typing error": (
        changed(lambda n, row: ["1O" if n == 7 else row[0], *row[1:]]), {"tpek": "row 8 (line 9 of t.csv) holds '1O'"}
    ),
    "a typing error in the target": (
        changed(lambda n, row: [*row[:2], "1O" if n == 7 else row[2]]), {"tek": "row 8 (line 9 of t.csv) holds '1O'"}
    ),
    "dates": (changed(lambda n, row: [f"2020-01-{n + 1:02}", *row[1:]]), {"tpek": "it holds dates"}),
    "identifiers beyond 2**53": (
        changed(lambda n, row: [2**60 + n, *row[1:]]), {"tpek": "numbers that float64 can tell apart"}
    ),
    "names": (
        text_of([[f"person {n}", *ROWS[n % 20][1:]] for n in range(120)]), {"tpek": "more than 100 different texts"}
    ),
    "decimal commas between commas": (changed(lambda n, row: [f'"{row[0]},5"', *row[1:]]), {"tpek": "holds '0,5'"}),
    "ragged": (text_of(ROWS) + "1,2\n", {"tpek": "line 22 has 2"}),
    "quotation mark left open": (text_of(ROWS) + '"1,2,3\n4,5,6\n', {"tpek": "close the quotation mark"}),
    "a name twice": (text_of(ROWS, ("a", "a", "t")), {"tpek": "got 'a' 2 times"}),
    "a column without name": (text_of(ROWS, ("a", "", "t")), {"tpek": "column 2 of 3 has none"}),
    "no header": (text_of(ROWS).partition("\n")[2], {"tpek": "the first line looks like data"}),
    "UTF-16 without its mark": (text_of(ROWS).encode("utf-16-le"), {"tpek": "text in UTF-16"}),
    "all bytes": (bytes(range(256)), {"tpek": "got a binary file"}),
    "no gzip after all": (b"\x1f\x8b\x08" + b"a" * 40, {"tpek": "cannot be unpacked"}),
    "gzip cut off": (gzip.compress(text_of(ROWS * 50).encode())[:-30], {"tpek": "cannot be unpacked"}),
    "spreadsheet": (b"PK\x03\x04" + b"a" * 40, {"tpek": "a zip archive or a spreadsheet"}),
    "pickle": (b"\x80\x04\x95\0\0", {"tpek": "a pickle of Python"}),
    "JSON": ('[{"a": 1, "b": 2, "t": 3}]', {"tpek": "got JSON"}),
    "web page": ("<!DOCTYPE html><html></html>", {"tpek": "a web page"}),
    "Parquet cut off": (b"PAR1" + b"\0" * 50, {"tpek": "must be a whole Parquet file"}),
    "Arrow cut off": (b"ARROW1\0\0" + b"\0" * 40, {"tpek": "must be a whole Arrow file"}),
    "NumPy cut off": (b"\x93NUMPY\x01\0v\0", {"tpek": "must be a whole NumPy file"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def model_of_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the plain table's columns."""
    path = tmp_path_factory.mktemp("rows") / "m.safetensors"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.WorseThanConstant)
        save(Model.fit(pd.DataFrame(ROWS, columns=["a", "b", "t"]), "t", hidden=[4], epochs=3, l2=0.01), path)
    return path


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_table(
    case: str, run: Run, model_of_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """train, predict, evaluate and check answer with a result or one sentence and exit code 3, and leave no file."""
    monkeypatch.chdir(tmp_path)
    content, refused = BROKEN[case]
    path = table_file(content)
    for letter, arguments in (
        ("t", ["train", path, "-t", "t", "-o", "m", *TINY]),
        ("p", ["predict", model_of_rows, path, "-o", "p.csv"]),
        ("e", ["evaluate", model_of_rows, path]),
        ("k", ["check", model_of_rows, path, "--rows", "2"]),
    ):
        before, done = names(tmp_path), run(*arguments)
        part = [said for letters, said in refused.items() if letter in letters]
        if part:
            assert_refused(done, 3, *part)
            assert names(tmp_path) == before
        elif case != "at the end of float64" or letter == "p":
            assert done.code == 0, letter


def test_columns_that_are_not_needed_may_hold_anything(
    run: Run, model_of_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a model does not use is not looked at: text, dates, gaps and typing errors in other columns do no harm."""
    monkeypatch.chdir(tmp_path)
    strange = [
        [*row, "Rome", f"2020-01-{n + 1:02}", "" if n == 3 else "1O" if n == 5 else n] for n, row in enumerate(ROWS)
    ]
    path = table_file(text_of(strange, ("a", "b", "t", "city", "day", "typing")))
    expected = run("predict", model_of_rows, path)
    assert (expected.code, expected.err) == (0, "")
    assert run("evaluate", model_of_rows, path).code == run("check", model_of_rows, path).code == 0
    assert run("predict", model_of_rows, table_file(text_of(ROWS))).out == expected.out
    ignored = [part for name in ("city", "day", "typing") for part in ("-i", name)]
    assert (
        run(
            "train", table_file(text_of(strange, ("a", "b", "t", "city", "day", "typing"))), "-t", "t", *ignored, *TINY
        ).code
        == 0
    )


# -------------------------------------------------------------------------------------------------- hostile model files


@pytest.mark.parametrize("case", HOSTILE_FILES)
def test_predict_with_a_hostile_model_file(case: str, run: Run, here: Path) -> None:
    """Whatever bytes are given as a model are refused with exit code 3 and one sentence."""
    Path("h.safetensors").write_bytes(HOSTILE_FILES[case][0])
    assert_refused(run("predict", "h.safetensors", "diabetes.csv"), 3, "'h.safetensors'")


FORGED: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "no network": lambda spec, arrays: spec.pop("network"),
    "no weights": lambda spec, arrays: arrays.pop("theta"),
    "fewer weights": lambda spec, arrays: arrays.update(theta=arrays["theta"][1:]),
    "fewer columns": lambda spec, arrays: spec["columns"].pop(),
    "columns that are none": lambda spec, arrays: spec.update(columns=3),
    "targets that are none": lambda spec, arrays: spec.update(targets=[]),
    "another task": lambda spec, arrays: spec["targets"].update(task="regression"),
    "fewer classes": lambda spec, arrays: spec["targets"]["columns"][0]["levels"].pop(),
    "shares above 1": lambda spec, arrays: spec["targets"].update(shares=[[2.0, 2.0, 2.0]]),
    "a word too many": lambda spec, arrays: spec.update(run="rm -rf"),
}


@pytest.mark.parametrize("case", FORGED)
def test_predict_with_a_forged_model(case: str, run: Run, here: Path) -> None:
    """A well-formed file whose content does not fit together is refused with exit code 3 and one sentence."""
    spec, arrays = model_file.read("c.safetensors")
    FORGED[case](spec, arrays)
    model_file.write("h.safetensors", spec, arrays)
    assert_refused(run("predict", "h.safetensors", "houses.csv"), 3, "'h.safetensors'")


def test_a_model_of_hostile_words_is_shown_harmlessly(run: Run, here: Path) -> None:
    """Names and records from a file cannot steer the terminal, break lines or run off the screen."""
    model = load("m.safetensors")
    nasty = "\x1b[2J\x1b]0;title\x07\r\n\u202e[bold red]" + "x" * 200
    assert model.encoding is not None
    assert model.targets is not None
    first, *others = model.encoding.fields
    model.encoding = replace(model.encoding, fields=(replace(first, name=nasty), *others))
    model.targets = replace(model.targets, fields=(replace(model.targets.fields[0], name="t" + nasty),))
    model.fitted = {nasty: nasty, "table": nasty, "rows": {nasty: nasty}}
    save(model, "n.safetensors")
    table = pd.read_csv("diabetes.csv")
    shown = run("inspect", "n.safetensors")
    assert shown.code == 0
    assert all(line.isprintable() for line in shown.out.splitlines())
    assert r"\x1b[2J" in shown.out
    assert "[bold red]" in " ".join(shown.out.split())
    table.columns = [" ".join(name.split()) for name in ("a", *model.names[1:], "t")]
    table.to_csv("n.csv", index=False)
    assert_refused(run("predict", "n.safetensors", "n.csv"), 3, r"\x1b[2J")
    assert strict(run("inspect", "n.safetensors", "--json").out)["inputs"][0] == nasty
    table.columns = [*load("m.safetensors").names, "t\x1b[2J"]
    table.to_csv("n.csv", index=False)
    for arguments in (["train", "n.csv", "-t", "t\x1b[2J", *FAST, "-o", "o"], ["evaluate", "o", "n.csv"]):
        done = run(*arguments)
        assert done.code == 0
        assert_tidy(done.out)
        assert r"t\x1b[2J: " in done.out


def test_printable_leaves_plain_text_alone() -> None:
    """What is shown harmlessly differs from what was given only where that was harmful."""
    assert printable("größe 日本 'a' \\n") == "größe 日本 'a' \\n"
    assert printable("a\nb\x1b\u202e") == r"a\nb\x1b\u202e"


# ----------------------------------------------------------------------------------------------------------- the screen


def test_output_fits_80_columns(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long names, many layers and many columns stay within 80 columns where there is no terminal to ask."""
    monkeypatch.chdir(tmp_path)
    names = [f"a very long name of a column with the number {n} and more words" for n in range(4)]
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(60, 4)) * 1e-200, columns=names)
    frame.to_csv("t.csv", index=False)
    hidden = ",".join(["12"] * 8)
    done = run(
        "train", "t.csv", "-t", names[3], "-t", names[2], "-o", "m", "--hidden", hidden, "--epochs", "2", "--l2", "1"
    )
    assert done.code == 0
    assert_tidy(done.out)
    frame[names[3]] = np.array([f"a very long name of the class {n} with more words" for n in range(9)])[
        np.arange(60) % 9
    ]
    frame.to_csv("c.csv", index=False)
    done = run("train", "c.csv", "-t", names[3], "-o", "c", "--search", "0.1", *TINY)
    assert done.code == 0
    assert_tidy(done.out)
    for arguments in (
        ["evaluate", "m", "t.csv"],
        ["evaluate", "c", "c.csv"],
        ["check", "m", "t.csv"],
        ["inspect", "m"],
    ):
        done = run(*arguments)
        assert done.code == 0
        assert_tidy(done.out)


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_shown(verb: str, run: Run) -> None:
    """--help and -h show what a verb does and every option with a word about it, within 80 columns."""
    done = run(*([verb] if verb else []), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: chainrule {verb}".strip())
    assert run(*([verb] if verb else []), "-h").out == done.out
    assert_tidy(done.out)
    assert "..." not in done.out.partition("\n")[2]
    assert "\\b" not in done.out
    options = done.out.partition("Options:\n")[2].partition("\n\n")[0]
    for line in re.split(r"\n  (?=-)", options.strip("\n ")):
        assert re.match(r"(-\w, )?--[\w-]+( / --[\w-]+)?( [A-Z ]+?| \[.+?\])?(  +|\n +)[A-Z]\w*", line), line
    if not verb:
        assert all(re.search(rf"(?m)^  {name} +[A-Z].*\.$", done.out) for name in VERBS)
        assert "\n    chainrule train houses.csv --target price -o price.safetensors\n" in done.out


def test_no_arguments_show_help(run: Run) -> None:
    """chainrule alone is a question, and help its answer."""
    done = run()
    assert done.code == 2
    assert "Usage: chainrule [OPTIONS] COMMAND" in done.err


def test_the_version_is_shown(run: Run) -> None:
    """--version says the version of the package."""
    assert run("--version") == (0, f"chainrule, version {chainrule.__version__}\n", "")


def test_warnings_are_one_line_each(run: Run, here: Path) -> None:
    """A fit worse than the constant is said on standard error, once of training and once of the held-out rows, also
    with --json; the result stays clean.
    """
    for more in ([], ["--json"]):
        done = run(
            *TRAIN, "--rule", "gradient_descent", "--learning-rate", "1e-9", "--patience", "0",
            *TINY, "--seed", "2", *more,
        )  # fmt: skip
        assert done.code == 0
        first, second = done.err.splitlines()
        assert first.startswith("Warning: The network must predict better than a constant to be of use; its E is ")
        assert second == "Warning: the network predicts target worse than a constant does on the held-out rows."
        assert "Warning" not in done.out
    strict(done.out)


NUMBERS = np.random.default_rng(0).normal(size=200)
GAPPED = np.where(NUMBERS > 0.8, np.nan, 5.0)
STILL: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "inputs": ({"a": 5, "b": "x", "y": NUMBERS}, ["y"], "inputs must vary for a network to be of use; got 'a', 'b' "),
    "one input of two": ({"a": 5, "b": NUMBERS, "y": 1 + NUMBERS}, ["y"], ""),
    "a target": ({"a": NUMBERS, "y": 2.5}, ["y"], "target must vary for a network to be of use; got 'y' with"),
    "one target of two": ({"a": NUMBERS, "y": 2.5, "z": NUMBERS}, ["y", "z"], "target must vary for a network to"),
    "gaps between inputs": ({"a": GAPPED, "y": NUMBERS + 2 * np.isnan(GAPPED)}, ["y"], ""),
    "gaps between targets": ({"a": NUMBERS, "y": GAPPED}, ["y"], "target must vary for a network to be of use;"),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["in memory", "streamed"])
@pytest.mark.parametrize("case", STILL)
def test_what_does_not_vary_is_named(case: str, stream: bool, run: Run, here: Path) -> None:
    """Where all inputs or a target are the same in all rows trained on, one sentence says so, and the target is not
    compared with a constant. A gap between inputs is marked, and so a difference; one between targets is none.
    """
    columns, targets, said = STILL[case]
    pd.DataFrame(columns, index=range(len(NUMBERS))).to_csv("still.csv", index=False)
    options = [part for name in targets for part in ("-t", name)] + ["--missing", "mean", *FAST]
    done = run("train", "still.csv", *options, *(["--stream"] if stream else []))
    assert done.code == 0, done.err
    if said:
        (line,) = done.err.splitlines()
        assert line.startswith(f"Warning: {said}")
        assert "with the same value in all rows trained on. " in line
        assert "does better on y" not in done.out
    else:
        assert done.err == ""


def test_a_linear_model_that_is_better_is_said(run: Run, here: Path) -> None:
    """Where the linear model beats the network, though the network beats the constant, the report says so."""
    done = run(*TRAIN, "--hidden", "2", "--epochs", "8", "--l2", "0.1", "--seed", "1")
    assert "the linear model does better on target here; a network may not be needed\n" in done.out
    assert done.err == ""


def test_a_terminal_that_knows_few_letters(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where R² cannot be written something else is, and the command succeeds."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp866"))
    assert run("evaluate", "m.safetensors", "diabetes.csv").code == 0
    sys.stdout.flush()
    assert rb"R\xb2" in raw.getvalue()


def test_no_codes_where_no_terminal_is(here: Path) -> None:
    """Piped output has no escape codes, whatever TERM says."""
    done = process("inspect", "m.safetensors")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


def on_terminal(arguments: list[str], **more: str) -> str:
    """All that a command shows on a terminal of its own."""
    terminal, its_end = pty.openpty()
    with subprocess.Popen(arguments, stdout=its_end, stderr=its_end, env=environment(**more)) as running:
        try:
            os.close(its_end)
            shown = shown_until(terminal, None)
            assert running.wait(30) == 0
        finally:
            running.kill()
    os.close(terminal)
    return shown.decode()


def test_colours_only_on_a_terminal_that_wants_them(here: Path) -> None:
    """On a terminal training shows its progress in colours; with NO_COLOR without."""
    arguments = command(*TRAIN, "--rule", "adam", "--patience", "0", "--epochs", "20", "--l2", "0.01", "--hidden", "6")
    colour = re.compile(r"\x1b\[[\d;]*(?:3[0-7]|38;[\d;]+|9[0-7])m")
    plain, coloured = on_terminal(arguments, NO_COLOR="1"), on_terminal(arguments)
    assert "epoch" in plain
    assert not colour.search(plain)
    assert colour.search(coloured)


def test_a_reader_that_has_had_enough_is_no_error(here: Path) -> None:
    """chainrule predict … | head -1 is quiet, however much was left to write."""
    table = pd.read_csv("diabetes.csv")
    pd.concat([table] * 40).to_csv("big.csv", index=False)
    with subprocess.Popen(
        command("predict", "m.safetensors", "big.csv"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == b"target\n"
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) in (0, 1)  # as click's version has it


def test_standard_output_that_is_full(here: Path) -> None:
    """A result that cannot be written, the disk behind standard output being full, is exit code 1 and one sentence."""
    with Path("/dev/full").open("w") as full:
        done = process(
            "predict", "m.safetensors", "diabetes.csv", stdout=full, stderr=subprocess.PIPE, capture_output=False
        )
    assert_refused(Done(done.returncode, "", done.stderr), 1, "no space left on device")


def test_a_report_that_cannot_be_shown_costs_no_model(here: Path) -> None:
    """Where standard output is full once the model is saved, that is said, and the model is there."""
    with Path("/dev/full").open("w") as full:
        done = process(*TRAIN, "-o", "d", *TINY, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert_refused(Done(done.returncode, "", done.stderr), 1, "no space left on device")
    assert np.isfinite(load("d").predict("diabetes.csv")).all()


def test_debug_shows_the_traceback(here: Path) -> None:
    """--debug shows where an error came from; without it nobody sees a traceback."""
    arguments = ["predict", "m.safetensors", "none.csv"]
    plain, debug = process(*arguments), process("--debug", *arguments)
    assert_refused(Done(plain.returncode, plain.stdout, plain.stderr), 3, "table must be an existing file")
    assert debug.returncode == 1
    assert "Traceback (most recent call last)" in debug.stderr
    assert "chainrule.tables.table.BadData: table must be an existing file" in debug.stderr


# ------------------------------------------------------------------------------------------------------------- how fast


def best_of(tries: int, arguments: list[str]) -> float:
    """Seconds of the processor that the fastest run of a process takes.

    Start-up waits for nothing, so that on an idle machine this is the time that passes; whatever else a machine does
    can only make that longer, and says nothing about Chainrule.
    """
    seconds = []
    for _ in range(tries):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(arguments, check=True, capture_output=True, env=environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def test_help_is_there_at_once() -> None:
    """chainrule --help takes less than 0.5 s, and importing chainrule less than 0.2 s."""
    assert best_of(5, command("--help")) < 0.5
    assert best_of(5, [sys.executable, "-c", "import chainrule"]) < 0.2
