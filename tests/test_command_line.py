"""The command line does the main job, and whatever it is given it answers with a result or one sentence."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import pty
import re
import resource
import select
import signal
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_linnerud

import chainrule.backprop
import chainrule.model
from chainrule import Model, load, save
from chainrule.cli import VERBS, main
from chainrule.cli.output import alike, printable
from test_model import HOSTILE as HOSTILE_CONTENTS
from test_model import written
from test_model_file import HOSTILE as HOSTILE_FILES
from test_model_file import names

TRAIN = ["train", "diabetes.csv", "-t", "target"]
FAST = ["--epochs", "30", "--l2", "0.01", "--hidden", "6"]


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with diabetes.csv, raw as it comes, and a model of it."""
    path = tmp_path_factory.mktemp("command")
    frame = load_diabetes(scaled=False, as_frame=True).frame
    frame.to_csv(path / "diabetes.csv", index=False)
    model = Model.fit(path / "diabetes.csv", "target", hidden=[6], epochs=30, l2=0.01)
    save(model, path / "m.safetensors")
    yield path
    assert (path / "m.safetensors").exists()


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, as the current one, with diabetes.csv and m.safetensors in it."""
    for name in ("diabetes.csv", "m.safetensors"):
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
    assert sentence.endswith((".\n", "?\n"))
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
        r"network 10-6-1, 73 parameters: tanh, output identity",
        r"trained by adam on 283 rows, with 1 penalty, in \d+\.\d s\n",
        r"71 other rows chose epoch \d+ of 30 \(all epochs run\)\n",
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
    assert re.search(r"bmi +26\.\d+ +4\.\d+", shown.out)
    row = run("inspect", "d.safetensors", "diabetes.csv", "--row", "3", "--nodes", "4")
    assert (row.code, row.err) == (0, "")
    assert "row 3: E_p = " in row.out
    assert "layer 0, and 6 more nodes (--nodes)" in row.out
    assert re.search(r"node +x +y +e +t\s+─+\s+2,0 target( +-?\d\S*){4}$", row.out, re.MULTILINE)
    for done in (trained, judged, checked, shown, row):
        assert_tidy(done.out)


def test_several_targets(run: Run, tmp_path: Path) -> None:
    """With several targets each is reported, predicted in a column of its own, and scored."""
    table, model = tmp_path / "linnerud.csv", tmp_path / "m.safetensors"
    load_linnerud(as_frame=True).frame.to_csv(table, index=False)
    targets = ["Weight", "Waist", "Pulse"]
    options = [part for target in targets for part in ("-t", target)]
    done = run("train", table, *options, "-o", model, "--rule", "lbfgs", "--json", *FAST)
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
        "rows": {"trained": 111, "stopping": 110, "held_out": 221, "without_target": 0},
        "rule": "momentum",
        "learning_rate": 0.02,
        "batch_size": None,
        "l2": 0.5,
        "epochs": 12,
        "best_epoch": model.fitted["best_epoch"],
        "seed": 9,
    }
    assert len(strict(done.out)["history"]["running"]) == 12


def test_the_same_command_gives_the_same_file(run: Run, here: Path) -> None:
    """The same table and seed give the same model file, to the byte."""
    for name in ("a", "b"):
        assert run(*TRAIN, "-o", name, *FAST).code == 0
    assert Path("a").read_bytes() == Path("b").read_bytes()


def test_rows_without_the_target_are_counted(run: Run, here: Path) -> None:
    """Rows left out for want of a target are counted, and only rows that know it are said to be scored."""
    table = pd.read_csv("diabetes.csv")
    table.loc[:6, "target"] = np.nan
    table.to_csv("gaps.csv", index=False)
    assert "left out for want of a target: 7 rows\n" in run("train", "gaps.csv", "-t", "target", *FAST).out
    assert "target: 435 rows of gaps.csv\n" in run("evaluate", "m.safetensors", "gaps.csv").out


def test_the_report_says_what_it_is_worth(run: Run, tmp_path: Path) -> None:
    """Too few rows to judge, a target that does not vary there, or a training cut short are said in words."""
    path = tmp_path / "t.csv"
    random = np.random.default_rng(5)
    for rows, constant, said in (
        (20, False, "4 rows are too few to trust these figures\n"),
        (60, True, "R² is nan because the target does not vary in these rows"),
        (60, False, "it was still improving at the end: more --epochs may do better\n"),
    ):
        x = random.normal(size=rows)
        pd.DataFrame({"x": x, "t": 1.0 if constant else 2 * x}).to_csv(path, index=False)
        assert said in run("train", path, "-t", "t", "--epochs", "3", "--l2", "0.001").out


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


# -------------------------------------------------------------------------------------------------- output for machines

SCORES = {"rows", "r2", "rmse", "mae"}


def test_json_is_json_with_the_documented_keys(run: Run, here: Path) -> None:
    """With --json each verb writes one JSON value, complete, and nothing else."""
    trained = strict(run(*TRAIN, "-o", "d.safetensors", "--json", *FAST).out)
    assert set(trained) == {
        "sizes", "parameters", "inputs", "targets", "rows", "scores", "certificate", "history", "seconds", "saved",
    }  # fmt: skip
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
    row = strict(run("inspect", "m.safetensors", "diabetes.csv", "--row", "1", "--json").out)
    assert row == load("m.safetensors").pattern("diabetes.csv", 1)
    predicted = strict(run("predict", "m.safetensors", "diabetes.csv", "--json").out)
    assert predicted == {"target": load("m.safetensors").predict("diabetes.csv")[:, 0].tolist()}


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


def test_names_of_targets_survive_csv(run: Run, tmp_path: Path) -> None:
    """A target's name with commas, quotes and letters of any script stands in the header as any reader reads it."""
    names = ['a, "b"', "größe 日本", "c"]
    random = np.random.default_rng(0)
    table = tmp_path / "t.csv"
    pd.DataFrame(random.normal(size=(20, 3)), columns=names).to_csv(table, index=False)
    model, output = tmp_path / "m", tmp_path / "p.csv"
    assert run("train", table, "-t", names[0], "-t", names[1], "-o", model, *FAST).code == 0
    assert run("predict", model, table, "-o", output).code == 0
    assert list(pd.read_csv(output).columns) == names[:2]


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
    assert Path("old").read_text() == "precious"
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    Path("link").symlink_to("old")
    assert run(*arguments, "-o", "link", "--force").code == 0
    assert Path("link").is_symlink()
    assert Path("old").read_bytes()[:8] != b"precious"


@pytest.mark.parametrize("verb", ["train", "predict"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_file_that_cannot_be_written_is_exit_code_1(
    verb: str, number: int, run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk or a place without permission is said in one sentence; the old file stays, with nothing beside it."""
    arguments = [*TRAIN, *FAST] if verb == "train" else ["predict", "m.safetensors", "diabetes.csv"]
    Path("old").write_text("precious")
    before = names(here)

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    done = run(*arguments, "-o", "old", "--force")
    assert_refused(done, 1, "'old' cannot be written", os.strerror(number), "Nothing was changed")
    assert Path("old").read_text() == "precious"
    assert names(here) == before


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
    """Ctrl-C is one line; that nothing was saved is said where it is so."""
    for saving in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(*((chainrule.model, "save") if saving else (Model, "fit")), failing(KeyboardInterrupt()))
            done = run(*TRAIN, "-o", "d", *FAST)
        assert done.code == 130
        said = "interrupted." if saving else "training was interrupted; nothing was saved."
        assert done.err.strip() == f"Error: {said}"
        assert not Path("d").exists()
    monkeypatch.setattr(Model, "predict", failing(KeyboardInterrupt()))
    done = run("predict", "m.safetensors", "diabetes.csv")
    assert (done.code, done.err.strip()) == (130, "Error: interrupted.")


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


def test_ctrl_c_during_training(here: Path) -> None:
    """Ctrl-C while the progress bar runs on a terminal: exit code 130, one sentence, no file and no trace of one."""
    terminal, its_end = pty.openpty()
    arguments = command(*TRAIN, "-o", "d.safetensors", "--epochs", "100000", "--patience", "0")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of a background job would ignore it
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=its_end, env=environment())
    signal.signal(signal.SIGINT, before)
    with running:
        try:
            os.close(its_end)
            shown = shown_until(terminal, rb"epoch\s.*?[1-9]\d*/100000")
            running.send_signal(signal.SIGINT)
            shown += shown_until(terminal, rb"saved")
            assert running.wait(30) == 130
        finally:
            running.kill()
        assert running.stdout is not None
        assert running.stdout.read() == b""
    os.close(terminal)
    assert b"Error: training was interrupted; nothing was saved." in shown
    assert b"Traceback" not in shown
    assert names(here) == ["diabetes.csv", "m.safetensors"]


# --------------------------------------------------------------------------------------------------------- used wrongly

USED_WRONGLY: dict[str, tuple[list[str], int, str]] = {
    "unknown verb": (["trian"], 2, "got 'trian'. Did you mean 'train'?"),
    "verb like no other": (["xyz"], 2, "command must be one of train, predict, evaluate, check, inspect; got 'xyz'."),
    "unknown option": (["train", "diabetes.csv", "--epoch", "3"], 2, "Did you mean '--epochs'?"),
    "unknown option of the whole": (["--version2"], 2, "No such option"),
    "no table": (["train"], 2, "Missing argument 'TABLE'"),
    "no target": (["train", "diabetes.csv"], 2, "Missing option '--target'"),
    "no model": (["predict"], 2, "Missing argument 'MODEL'"),
    "model without table": (["predict", "m.safetensors"], 2, "Missing argument 'TABLE'"),
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
    "epochs, 0": ([*TRAIN, "--epochs", "0"], 2, "epochs must be"),
    "batch size, negative": (
        [*TRAIN, "--batch-size=-1"],
        2,
        "--batch-size must be 0 or more; got -1",
    ),
    "patience, negative": (
        [*TRAIN, "--patience=-2"],
        2,
        "--patience must be 0 or more; got -2",
    ),
    "l2, negative": ([*TRAIN, "--l2=-1"], 2, "l2 must be"),
    "l2, nan": ([*TRAIN, "--l2", "nan"], 2, "l2 must be"),
    "learning rate, nan": ([*TRAIN, "--learning-rate", "nan"], 2, "learning_rate must be"),
    "learning rate, inf": ([*TRAIN, "--learning-rate", "inf"], 2, "learning_rate must be"),
    "held out, all": ([*TRAIN, "--held-out", "1"], 2, "held_out must lie between 0 and 1"),
    "held out, nan": ([*TRAIN, "--held-out", "nan"], 2, "held_out must lie between 0 and 1"),
    "seed, negative": ([*TRAIN, "--seed=-1"], 2, "seed must be 0 or more"),
    "table that is not there": (["train", "diabets.csv", "-t", "target"], 3, "Did you mean 'diabetes.csv'?"),
    "model that is not there": (["predict", "n.safetensors", "diabetes.csv"], 1, "cannot be read: No such file"),
    "model and table swapped": (["predict", "diabetes.csv", "m.safetensors"], 3, "is not a Chainrule model file"),
    "model as table": (["predict", "m.safetensors", "m.safetensors"], 3, "must be a CSV file in UTF-8"),
    "folder as model": (["inspect", "."], 3, "it is a folder"),
    "folder as table": (["check", "m.safetensors", "."], 3, "which is a folder"),
    "row without table": (["inspect", "m.safetensors", "--row", "1"], 2, "TABLE and --row must be given together"),
    "table without row": (["inspect", "m.safetensors", "diabetes.csv"], 2, "TABLE and --row must be given together"),
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


HOSTILE_TABLES: dict[str, tuple[str | bytes, int, str]] = {
    # unusual but sound: a result
    "plain": (text_of(ROWS), 0, ""),
    "three rows": (text_of(ROWS[:3]), 0, ""),
    "byte order mark": ("\ufeff" + text_of(ROWS), 0, ""),
    "Windows lines": (text_of(ROWS).replace("\n", "\r\n"), 0, ""),
    "letters of any script": (text_of(ROWS, ("größe", "日本", "t")), 0, ""),
    "codes in a name": (text_of(ROWS, ("\x1b[31ma", "b\x07", "t")), 0, ""),
    "constant column": (changed(lambda n, row: [1, *row[1:]]), 0, ""),
    "constant target": (changed(lambda n, row: [*row[:2], 3]), 0, ""),
    "everything constant": (text_of([[1, 1, 1]] * 20), 0, ""),
    "one column twice": (changed(lambda n, row: [row[0], row[0], row[2]]), 0, ""),
    "the target among the inputs": (changed(lambda n, row: [row[2], row[1], row[2]]), 0, ""),
    "true and false": (changed(lambda n, row: [*row[:2], n % 2 == 0]), 0, ""),
    "missing target": (changed(lambda n, row: [*row[:2], "" if n == 3 else row[2]]), 0, ""),
    "a gap where no target is": (
        changed(lambda n, row: ["" if n == 3 else row[0], row[1], "NA" if n == 3 else row[2]]),
        0,
        "",
    ),
    "three targets known": (changed(lambda n, row: [*row[:2], row[2] if n < 3 else ""]), 0, ""),
    "inputs near 1e300": (changed(lambda n, row: [f"{row[0]}e300", *row[1:]]), 0, ""),
    "inputs near 1e-300": (changed(lambda n, row: [f"{row[0]}e-300", *row[1:]]), 0, ""),
    "targets near 1e300": (changed(lambda n, row: [*row[:2], f"{row[2]}e300"]), 0, ""),
    "targets near 1e-310": (changed(lambda n, row: [*row[:2], f"{row[2]}e-310"]), 0, ""),
    "one outlier among the inputs": (changed(lambda n, row: ["1e300" if n == 3 else row[0], *row[1:]]), 0, ""),
    "one outlier among the targets": (changed(lambda n, row: [*row[:2], "1e300" if n == 3 else row[2]]), 0, ""),
    "more columns than rows": (
        text_of(np.random.default_rng(0).normal(size=(12, 101)).tolist(), (*(f"c{n}" for n in range(100)), "t")),
        0,
        "",
    ),
    # to be refused
    "empty": ("", 3, "got an empty file"),
    "blank lines": ("\n\n\n", 3, "got an empty file"),
    "header alone": ("a,b,t\n", 3, "got the header alone"),
    "one row": (text_of(ROWS[:1]), 3, "3 rows or more with a known target"),
    "two rows": (text_of(ROWS[:2]), 3, "3 rows or more with a known target"),
    "no target known": (changed(lambda n, row: [*row[:2], ""]), 3, "got 0. Add rows."),
    "two targets known": (changed(lambda n, row: [*row[:2], row[2] if n < 2 else ""]), 3, "got 2. Add rows."),
    "only the target": ("t\n1\n2\n3\n4\n", 3, "leave one for the inputs"),
    "no such target": (text_of(ROWS, ("a", "b", "c")), 3, "target must be a column of t.csv; got 't'"),
    "gap": (
        changed(lambda n, row: ["" if n == 3 else row[0], *row[1:]]),
        3,
        "row 4 (line 5 of t.csv), column 'a' is nan",
    ),
    "infinite input": (
        changed(lambda n, row: ["inf" if n == 3 else row[0], *row[1:]]),
        3,
        "row 4 (line 5 of t.csv), column 'a' is inf",
    ),
    "infinite target": (changed(lambda n, row: [*row[:2], "-inf" if n == 3 else row[2]]), 3, "column 't' is -inf"),
    "beyond float64": (changed(lambda n, row: ["1e999" if n == 3 else row[0], *row[1:]]), 3, "column 'a' is inf"),
    "at the end of float64": (
        changed(lambda n, row: [row[0], row[1], "1.7e308" if n % 2 else "-1.7e308"]),
        3,
        "must stay finite",
    ),
    "text": (
        changed(lambda n, row: ["Rome", *row[1:]]),
        3,
        "column 'a' must be numeric; row 1 (line 2 of t.csv) holds 'Rome'",
    ),
    "text as target": (changed(lambda n, row: [*row[:2], "yes"]), 3, "column 't' must be numeric"),
    "a question mark for a gap": (changed(lambda n, row: ["?" if n == 7 else row[0], *row[1:]]), 3, "holds '?'"),
    "dates": (changed(lambda n, row: [f"2020-01-{n + 1:02}", *row[1:]]), 3, "holds '2020-01-01'"),
    "identifiers beyond 2**53": (
        changed(lambda n, row: [2**60 + n, *row[1:]]),
        3,
        "numbers that float64 can tell apart",
    ),
    "decimal commas": (changed(lambda n, row: [f'"{row[0]},5"', *row[1:]]), 3, "holds '0,5'"),
    "ragged": (text_of(ROWS) + "1,2\n", 3, "line 22 has 2"),
    "quotation mark left open": (text_of(ROWS) + '"1,2,3\n4,5,6\n', 3, "close the quotation mark"),
    "a name twice": (text_of(ROWS, ("a", "a", "t")), 3, "got 'a' 2 times"),
    "a column without name": (text_of(ROWS, ("a", "", "t")), 3, "column 2 of 3 has none"),
    "no header": (text_of(ROWS).partition("\n")[2], 3, "the first line looks like data"),
    "semicolons": (text_of(ROWS).replace(",", ";"), 3, "separated by ';'"),
    "UTF-16": (text_of(ROWS).encode("utf-16"), 3, "text in UTF-16"),
    "Latin-1": (text_of(ROWS, ("größe", "b", "t")).encode("latin-1"), 3, "must be text in UTF-8"),
    "gzip": (b"\x1f\x8b\x08" + b"a" * 40, 3, "a gzip file"),
    "spreadsheet": (b"PK\x03\x04" + b"a" * 40, 3, "a zip archive or a spreadsheet"),
    "pickle": (b"\x80\x04\x95\0\0", 3, "must be a CSV file in UTF-8"),
    "all bytes": (bytes(range(256)), 3, "must be a CSV file in UTF-8"),
}


def table_file(content: str | bytes) -> str:
    """t.csv in the current folder."""
    Path("t.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return "t.csv"


@pytest.mark.parametrize("case", HOSTILE_TABLES)
def test_train_on_a_hostile_table(case: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the table, train saves a model that predicts it, or says in one sentence what is wrong."""
    monkeypatch.chdir(tmp_path)
    content, code, part = HOSTILE_TABLES[case]
    done = run("train", table_file(content), "-t", "t", "-o", "m", "--epochs", "3", "--l2", "0.01", "--hidden", "4")
    if code:
        assert_refused(done, code, part)
        assert names(tmp_path) == ["t.csv"]
        return
    assert done.code == 0
    assert_tidy(done.out)
    for line in done.err.splitlines():
        assert re.match(
            r"Warning: ([Tt]he network (must predict better|predicts t worse) than a constant|The targets must vary)",
            line,
        )
    assert "must" not in done.out
    table = pd.read_csv("t.csv")
    known = table["t"].notna()
    table[known].to_csv("known.csv", index=False)
    predicted = run("predict", "m", "known.csv")
    assert predicted.code == 0
    values = np.loadtxt(predicted.out.splitlines()[1:], ndmin=1)
    assert len(values) == known.sum()
    assert np.isfinite(values).all()
    assert run("evaluate", "m", "t.csv").code == (
        0 if known.all() or case == "missing target" or "three" in case else 3
    )
    assert run("inspect", "m").code == 0


FOR_LATER: dict[str, tuple[str | bytes, str, str]] = {
    "no target": (text_of(ROWS, ("a", "b", "c")), "eki", "got no 't'"),
    "no input": (text_of(ROWS, ("a", "c", "t")), "peki", "got no 'b'"),
    "gap": (
        changed(lambda n, row: ["" if n == 3 else row[0], *row[1:]]),
        "pek",
        "row 4 (line 5 of t.csv), column 'a' is nan",
    ),
    "gap in the row shown": (changed(lambda n, row: ["" if n == 0 else row[0], *row[1:]]), "peki", "column 'a' is nan"),
    "infinite": (changed(lambda n, row: ["inf", *row[1:]]), "peki", "column 'a' is inf"),
    "infinite target": (changed(lambda n, row: [*row[:2], "inf"]), "eki", "column 't' is inf"),
    "text": (changed(lambda n, row: ["x", *row[1:]]), "peki", "column 'a' must be numeric"),
    "text in a column that is not needed": (
        text_of([[*row, "x"] for row in ROWS], ("a", "b", "t", "city")),
        "peki",
        "column 'city'",
    ),
    "empty": ("", "peki", "got an empty file"),
    "header alone": ("a,b,t\n", "peki", "got the header alone"),
    "ragged": (text_of(ROWS) + "1,2\n", "peki", "line 22 has 2"),
    "binary": (bytes(range(256)), "peki", "must be a CSV file in UTF-8"),
    "a name twice": (text_of(ROWS, ("a", "a", "t")), "peki", "got 'a' 2 times"),
    "no target known": (changed(lambda n, row: [*row[:2], ""]), "ek", "targets must be known in some rows"),
    "beyond what scaling takes": (changed(lambda n, row: ["1e308" if n else "-1e308", *row[1:]]), "", ""),
}


@pytest.fixture(scope="module")
def model_of_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the plain table's columns."""
    path = tmp_path_factory.mktemp("rows") / "m.safetensors"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", chainrule.WorseThanConstant)
        save(Model.fit(pd.DataFrame(ROWS, columns=["a", "b", "t"]), "t", hidden=[4], epochs=3, l2=0.01), path)
    return path


@pytest.mark.parametrize("case", FOR_LATER)
def test_use_a_model_on_a_hostile_table(
    case: str, run: Run, model_of_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """predict, evaluate, check and inspect answer with a result or one sentence, whatever the table."""
    monkeypatch.chdir(tmp_path)
    content, refusing, part = FOR_LATER[case]
    path = table_file(content)
    for letter, arguments in (
        ("p", ["predict", model_of_rows, path]),
        ("e", ["evaluate", model_of_rows, path]),
        ("k", ["check", model_of_rows, path, "--rows", "2"]),
        ("i", ["inspect", model_of_rows, path, "--row", "1"]),
    ):
        done = run(*arguments)
        if letter in refusing:
            assert_refused(done, 3, part)
        else:
            assert (done.code, done.err) == (0, ""), letter
            assert done.out


# -------------------------------------------------------------------------------------------------- hostile model files


@pytest.mark.parametrize(
    "case", [f"file: {name}" for name in HOSTILE_FILES] + [f"content: {name}" for name in HOSTILE_CONTENTS]
)
def test_predict_with_a_hostile_model_file(case: str, run: Run, here: Path) -> None:
    """Whatever bytes are given as a model, well-formed or not, are refused with exit code 3 and one sentence."""
    kind, _, name = case.partition(": ")
    if kind == "file":
        Path("h.safetensors").write_bytes(HOSTILE_FILES[name][0])
    else:
        written(here, HOSTILE_CONTENTS[name][0]).rename("h.safetensors")
    assert_refused(run("predict", "h.safetensors", "diabetes.csv"), 3, "'h.safetensors'")


def test_a_model_of_hostile_words_is_shown_harmlessly(run: Run, here: Path) -> None:
    """Names and records from a file cannot steer the terminal, break lines or run off the screen."""
    model = load("m.safetensors")
    nasty = "\x1b[2J\x1b]0;title\x07\r\n\u202e[bold red]" + "x" * 200
    model.names = (nasty, *model.names[1:])
    model.target_names = ("t" + nasty,)
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
    pd.DataFrame(random.normal(size=(40, 4)) * 1e-200, columns=names).to_csv("t.csv", index=False)
    hidden = ",".join(["123"] * 8)
    done = run(
        "train", "t.csv", "-t", names[3], "-t", names[2], "-o", "m", "--hidden", hidden, "--epochs", "2", "--l2", "1"
    )
    assert done.code == 0
    assert_tidy(done.out)
    for arguments in (["evaluate", "m", "t.csv"], ["inspect", "m"], ["inspect", "m", "t.csv", "--row", "1"]):
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
        assert re.match(r"(-\w, )?--[\w-]+( [A-Z ]+?)?(  +|\n +)[A-Z]\w*", line), line
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
            *TRAIN, "--rule", "gradient_descent", "--learning-rate", "1e-9",
            "--epochs", "2", "--seed", "2", *more,
        )  # fmt: skip
        assert done.code == 0
        first, second = done.err.splitlines()
        assert first.startswith("Warning: The network must predict better than a constant to be of use; its E is ")
        assert second == "Warning: the network predicts target worse than a constant does on the held-out rows."
        assert "Warning" not in done.out
    strict(done.out)


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
    arguments = command(*TRAIN, "--epochs", "400", "--patience", "0", "--l2", "0.01")
    colour = re.compile(r"\x1b\[[\d;]*(?:3[0-7]|38;[\d;]+|9[0-7])m")
    plain, coloured = on_terminal(arguments, NO_COLOR="1"), on_terminal(arguments)
    assert "epoch" in plain
    assert "validation" in plain
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


def test_debug_shows_the_traceback(here: Path) -> None:
    """--debug shows where an error came from; without it nobody sees a traceback."""
    arguments = ["predict", "m.safetensors", "none.csv"]
    plain, debug = process(*arguments), process("--debug", *arguments)
    assert_refused(Done(plain.returncode, plain.stdout, plain.stderr), 3, "table must be an existing file")
    assert debug.returncode == 1
    assert "Traceback (most recent call last)" in debug.stderr
    assert "chainrule.tables.BadData: table must be an existing file" in debug.stderr


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
