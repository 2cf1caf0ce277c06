"""README and documentation say what is true: code runs, output is what is printed, nothing public is missing."""

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule
from chainrule.cli import VERBS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
ENTRY = re.compile(r"\b[wby]\[\d+\]\[[\d,]+\]")
ROUNDING = re.compile(r"e-1\d|e-[2-9]\d| s\b")
"""Lines whose numbers differ from run to run: the size of rounding, and the entry where it is worst; seconds."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and content of each fenced block."""
    return [(found[1], found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def lines_of(text: str) -> list[str]:
    """Lines that say something, with single spaces and without the rules of tables."""
    return [line for line in (" ".join(line.replace("─", "").split()) for line in text.splitlines()) if line]


def words(text: str) -> str:
    """The text without its numbers, and without the name of the entry where rounding happens to be worst."""
    return NUMBER.sub("#", ENTRY.sub("an entry", " ".join(lines_of(text))))


def numbers(text: str) -> list[float]:
    """The numbers of the text that do not differ from run to run."""
    steady = (line for line in lines_of(text) if not ROUNDING.search(line))
    return [float(number.replace(",", "")) for line in steady for number in NUMBER.findall(line)]


def assert_says(said: str, printed: str) -> None:
    """The page says what is printed: the same words, and the same numbers to two parts in a hundred.

    Training takes hundreds of steps, each of which amplifies how a processor's BLAS rounds.
    """
    assert words(said) == words(printed)
    assert numbers(said) == pytest.approx(numbers(printed), rel=0.02, abs=0.005)


def environment() -> dict[str, str]:
    """The machine's, without a terminal's width or colours, and with this Python's programs first."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def run_console(block: str, folder: Path) -> tuple[str, str]:
    """What a console block says is printed, and what its commands print."""
    printed = []
    for line in block.splitlines():
        if line.startswith("$ "):
            command = line[2:].replace("python examples/", f"{sys.executable} {ROOT}/examples/")
            done = subprocess.run(
                command, shell=True, cwd=folder, env=environment(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            printed.append(done.stdout)
    said = "\n".join(line for line in block.splitlines() if not line.startswith("$ "))
    return said, "\n".join(printed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_on_the_page_runs_and_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """Every Python and console block of a page runs, in order, and prints what stands below it."""
    names: dict[str, object] = {"__name__": page.stem}
    printed = None
    with contextlib.chdir(tmp_path):
        for language, block in blocks(page):
            if language == "python":
                output = io.StringIO()
                with contextlib.redirect_stdout(output):
                    exec(compile(block, f"{page.name}", "exec"), names)
                printed = output.getvalue()
            elif language == "text" and printed is not None:
                assert_says(block, printed)
            elif language == "console":
                said, output_of_commands = run_console(block, tmp_path)
                assert_says(said, output_of_commands)
            if language != "python":
                printed = None


def test_a_wrong_page_is_noticed(tmp_path: Path) -> None:
    """The twin: a page whose code fails, or prints something else than it says, does not pass."""
    page = tmp_path / "page.md"
    page.write_text("```python\nprint('one')\n```\n\n```text\ntwo\n```\n")
    with pytest.raises(AssertionError):
        test_code_on_the_page_runs_and_prints_what_the_page_says(page, tmp_path)
    page.write_text("```python\nprint(2.01)\n```\n\n```text\n2.1\n```\n")
    with pytest.raises(AssertionError):
        test_code_on_the_page_runs_and_prints_what_the_page_says(page, tmp_path)
    page.write_text("```python\nassert False\n```\n")
    with pytest.raises(AssertionError):
        test_code_on_the_page_runs_and_prints_what_the_page_says(page, tmp_path)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_run_and_stay_short(example: Path, tmp_path: Path) -> None:
    """Every program in examples/ runs and has fewer than 60 lines."""
    done = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert len(example.read_text(encoding="utf-8").splitlines()) < 60


def test_generated_pages_are_current() -> None:
    """docs/command-line.md and docs/derivation.md are what `python docs/generate.py` writes."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, text in (("command-line", generate.command_line()), ("derivation", generate.derived.page())):
        page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        assert page == text, "run `python docs/generate.py`"


def test_every_public_name_and_command_is_documented() -> None:
    """The reference names every public name, the command-line page every verb, and the index every page."""
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    in_modules = {"error", "error_terms", "forward", "gradient", "input_gradient", "jacobian", "update"}
    assert "automodule:: chainrule.backprop" in reference
    missing = [name for name in chainrule.__all__ if f"chainrule.{name}\n" not in reference and name not in in_modules]
    assert not missing
    command_line = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert all(f"## chainrule {verb}\n" in command_line for verb in VERBS)
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    fragments = {"index", "activations-table"}
    assert all(f"\n{page.stem}\n" in index for page in PAGES[1:] if page.stem not in fragments)


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link in README and documentation is a file of the repository."""
    for page in PAGES:
        text = BLOCK.sub("", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
