"""The doctor finds what is broken and nothing else; shells complete verbs and options."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import get_completion_class

from chainrule import backprop
from chainrule.activations import ACTIVATIONS
from chainrule.cli import VERBS, doctor, group, main
from chainrule.network import Gradient
from chainrule.objective import OBJECTIVES

Run = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: its exit code, standard output and standard error."""

    def run_here(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as end:
            main([*arguments])
        return (end.value.code, *capsys.readouterr())

    return run_here


# ---------------------------------------------------------------------------------------------------------- the doctor


def test_all_is_well_here(run: Run) -> None:
    """On a machine that works every item is ok or not needed, in lines of 80 columns, and the exit code is 0."""
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    assert out.endswith("\neverything works\n")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line.startswith("BROKEN") for line in lines)
    for item in ("python", "numpy", "scikit-learn", "numba", "processor", "memory", "BLAS", "engines", "files"):
        assert any(line.startswith(f"ok      {item} ") for line in lines), item


def test_json_has_the_same_items(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json the items are data: name, ok, and what was found."""
    monkeypatch.setattr(doctor, "_gradients", lambda: "not looked at")
    code, out, err = run("doctor", "--json")
    found = json.loads(out)
    assert (code, err, found["ok"]) == (0, "", True)
    items = {item["name"]: item for item in found["items"]}
    assert items["gradients"] == {"name": "gradients", "ok": True, "said": "not looked at"}
    assert "'auto' takes" in items["engines"]["said"]


def test_every_activation_and_objective_is_tried() -> None:
    """A new objective is missed by nobody, and each activation that a hidden layer may have is counted."""
    assert set(doctor.OUTPUTS) == set(OBJECTIVES)
    hidden = sum(not row.vector for row in ACTIVATIONS.values())
    assert doctor._gradients().startswith(f"{hidden} activations with {len(OBJECTIVES)} objectives certified to ")


def test_a_wrong_gradient_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that is 1 % off is broken, named and ends with exit code 1; what else is looked at still is."""
    right = backprop.gradient

    def off(*given: Any) -> Gradient:
        g = right(*given)
        return Gradient(tuple(None if w is None else 1.01 * w for w in g.w), g.b)

    monkeypatch.setattr(backprop, "gradient", off)
    monkeypatch.setattr(doctor, "OUTPUTS", {"sse": "identity"})
    code, out, _ = run("doctor")
    assert code == 1
    assert "BROKEN  gradients     gradients must agree with the oracles; got a relative" in out
    assert "the first identity with sse." in " ".join(out.split())
    assert "ok      files" in out
    assert out.endswith("\nbroken: gradients\n")


def test_a_package_that_cannot_be_imported_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is needed and does not load is broken, with what to do; one that is optional is not."""
    import_module = importlib.import_module

    def without_numba(name: str) -> Any:
        if name == "numba":
            raise ImportError("libllvm is missing")
        return import_module(name)

    monkeypatch.setattr(doctor, "_gradients", lambda: "not looked at")
    monkeypatch.setattr(doctor, "import_module", without_numba)
    monkeypatch.setitem(doctor.OPTIONAL, "no-such-package", "pip install it to try")
    code, out, _ = run("doctor", "--json")
    items = {item["name"]: item for item in json.loads(out)["items"]}
    assert code == 1
    assert json.loads(out)["ok"] is False
    assert items["numba"] == {
        "name": "numba",
        "ok": False,
        "said": "numba must be installed and load; got libllvm is missing. Run pip install --force-reinstall numba.",
    }
    assert items["no-such-package"]["ok"] is None
    assert [name for name, item in items.items() if item["ok"] is False] == ["numba"]


def test_a_temporary_folder_that_takes_nothing_is_found(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where no file can be written, that is what is broken."""
    monkeypatch.setattr(doctor, "_gradients", lambda: "not looked at")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    code, out, _ = run("doctor")
    assert code == 1
    assert "BROKEN  files" in out


# ----------------------------------------------------------------------------------------------------------- completion


def completed(*words: str) -> list[str]:
    """What a shell is offered for the last of these words."""
    kind = get_completion_class("bash")
    assert kind is not None
    complete = kind(group, {}, "chainrule", "_CHAINRULE_COMPLETE")
    return [item.value for item in complete.get_completions([*words[:-1]], words[-1])]


def test_verbs_are_completed() -> None:
    """Every verb that begins so is offered, and no other."""
    assert set(completed("")) == set(VERBS)
    assert completed("ins") == ["inspect"]
    assert completed("completion", "") == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("verb", VERBS)
def test_options_are_completed(verb: str) -> None:
    """Every option of every verb is offered."""
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    wanted = {name for one in command.params if isinstance(one, click.Option) for name in one.opts if name[1] == "-"}
    assert wanted <= set(completed(verb, "--"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_says_how_to_install_it(run: Run, shell: str) -> None:
    """The script calls the command as that shell's completion does, and its last line is a comment on installing it."""
    code, out, err = run("completion", shell)
    assert (code, err) == (0, "")
    assert f"_CHAINRULE_COMPLETE={shell}_complete" in out
    last = out.splitlines()[-1]
    assert last.startswith("# ")
    assert f"chainrule completion {shell}" in last


def test_another_shell_is_refused(run: Run) -> None:
    """A shell that is not known is a usage error that lists those that are."""
    code, out, err = run("completion", "tcsh")
    assert (code, out) == (2, "")
    assert "'bash', 'zsh', 'fish'" in err


def test_bash_completes() -> None:
    """Bash itself, with the script loaded, completes a verb and an option by the command that is installed."""
    script = """
        eval "$(chainrule completion bash)"
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _chainrule_completion chainrule
                echo "${COMPREPLY[@]}"; }
        ask chainrule eval; ask chainrule train --hid
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}, timeout=30
    )
    assert (done.stdout.split(), done.stderr) == (["evaluate", "--hidden"], "")
