"""Claim: `chainrule derive` writes and evaluates the derivation for sizes, or for a model and a row of its table."""

import json
import re

import numpy as np
import pytest

from chainrule import Model, derive, save
from chainrule.cli import main
from chainrule.derivation.printers import from_json


@pytest.fixture
def command(capsys, monkeypatch):
    """What the command leaves: its exit code, standard output and standard error; the terminal has 80 columns."""

    def run(*arguments, cwd=None):
        monkeypatch.setenv("COLUMNS", "80")
        if cwd is not None:
            monkeypatch.chdir(cwd)
        with pytest.raises(SystemExit) as end:
            main(["derive", *map(str, arguments)])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a small table of named columns and a model for it."""
    folder = tmp_path_factory.mktemp("trained")
    random = np.random.default_rng(0)
    rows = random.normal(size=(40, 2))
    lines = ["age,income,price", *(f"{a:.4f},{b:.4f},{a * b + a:.4f}" for a, b in rows)]
    (folder / "houses.csv").write_text("\n".join(lines) + "\n")
    model = Model.fit(folder / "houses.csv", "price", hidden=[3], l2=0.01, epochs=20, progress=False)
    save(model, folder / "price.safetensors")
    return folder, model


def test_the_papers_example(command):
    """The 24 steps of the paper come out within 80 columns, each with a tick, and the process ends well."""
    code, out, err = command("--layers", "6,8,7,5,4,3", "--wrt", "w[1,7,3]", "--verify")
    assert code == 0, err
    assert out.count("✓") == 24
    assert len(re.findall(r"(?m)^\d+\. ", out)) == 24
    assert "all 24 lines are equal" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_row_of_a_table(command, trained):
    """For a model and a row of its table the lines have the numbers of that row, and columns are named."""
    folder, model = trained
    code, out, err = command(
        *(
            "--model",
            "price.safetensors",
            "--data",
            "houses.csv",
            "--row",
            3,
            "--wrt",
            "income",
            "--numbers",
            "--verify",
        ),
        cwd=folder,
    )
    assert code == 0, err
    assert "income" in out
    assert "on your network and on 2 random networks" in out
    inputs, targets = model.one_pattern(folder / "houses.csv", 3)
    value = derive(model.network, "y[0,1]").verify(model.network, inputs, targets).lines[0].value
    assert f"{abs(value):.6g}" in out


def test_json_is_the_derivation(command):
    """--json is read back as the same derivation."""
    _, out, _ = command("--layers", "3-2-2", "--wrt", "b[1,1]", "--l2", "--json")
    assert from_json(out) == derive([3, 2, 2], "b[1,1]", l2=True)
    assert json.loads(out)["schema"].startswith("chainrule-derivation/")


def test_everything_that_can_be_asked(command):
    """Exact values, a proof, costs and paths follow the derivation."""
    asked = ["--exact", "--prove", "--cost", "--paths", 3]
    code, out, err = command("--layers", "2,2,2", "--wrt", "w[1,1,0]", *asked)
    assert code == 0, err
    for said in ("proved", "multiplications", "paths", "/"):
        assert said in out


def test_a_file_is_written_once(command, tmp_path):
    """-o writes a file, and does not replace one."""
    given = ("--layers", "3,2", "--wrt", "w[1,1,2]", "--format", "tex", "-o", "steps.tex")
    code, out, err = command(*given, cwd=tmp_path)
    assert (code, out) == (0, "10 steps in steps.tex\n"), err
    written = (tmp_path / "steps.tex").read_text(encoding="utf-8")
    assert written.startswith("\\documentclass")
    code, _, err = command(*given, cwd=tmp_path)
    assert code == 2
    assert "--force" in err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("--wrt w[1,1,1]", "--layers or --model must be given"),
        ("--wrt w[1,1,1] --layers 3,x", "--layers must be whole numbers"),
        ("--wrt w[1,1,1] --layers 3", "sizes must be two or more whole numbers"),
        ("--wrt w[9,1,1] --layers 3,2", "wrt must be in one of the layers 1 to 1"),
        ("--wrt w[1,5,1] --layers 3,2", "wrt must name a node from 0 to 1 in layer 1"),
        ("--wrt q --layers 3,2", "wrt must be a weight like 'w[1,7,3]'"),
        ("--wrt y[1,0] --layers 3,2", "wrt must be an input, y[0,k]"),
        ("--wrt y[0,0] --layers 3,2 --patterns", "patterns must be False for an input"),
        ("--wrt w[1,1,1] --layers 3,2 --data houses.csv", "--data must go with --model"),
        ("--wrt w[1,1,1] --model price.safetensors --l2", "--l2 must go with --layers"),
        ("--wrt w[1,1,1] --model price.safetensors --data houses.csv --patterns", "--patterns must go without --data"),
        ("--wrt w[1,1,1] --model price.safetensors --data houses.csv --row 99", "row must be one of"),
        ("--wrt w[1,1,1] --model missing.safetensors", "missing.safetensors"),
    ],
)
def test_wrong_use_is_one_sentence(command, trained, given, sentence):
    """What cannot be derived is refused with one sentence, and nothing is written."""
    code, out, err = command(*given.split(), cwd=trained[0])
    assert code in {2, 3}
    assert sentence in err
    assert "Traceback" not in err
    assert not out
