"""Somebody's back-propagation is judged: right code is never accused, and a mistake is called by its name."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.cli import main
from chainrule.cli.grade import WORDS
from chainrule.files.model_file import BadFile
from chainrule.grading import Report, grade, running, worker
from chainrule.grading.cases import SHAPES, Case, random_cases
from chainrule.grading.judging import judge
from chainrule.grading.mutants import DB, DW, E_HIDDEN, E_OUT, RECIPES, Change, D, Recipe, Scene, X, Y
from chainrule.grading.reading import AS_ON_THE_PAGE, CONVENTIONS, READINGS, Reading, meaning
from chainrule.grading.report import judged
from chainrule.grading.template import TEMPLATE

FOLDER = Path(__file__).parent / "graded"
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
RIGHT = [stem for stem in FILES if stem.startswith(("right_", "convention_"))]
WRONG = [stem for stem in FILES if stem not in RIGHT]
CASES = random_cases()
NETWORKS = 200
"""On which each way of writing it right is tried."""


def here(path: Path, cases: list[Case] = CASES, **named: Any) -> Report:
    """The report on a file that is run in this process."""
    return judged(path.name, running.run_here(worker.load(str(path)), str(path), cases), cases, **named)


def written(folder: Path, text: str) -> Path:
    """A file with this text."""
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def changed(stem: str, *pairs: tuple[str, str]) -> str:
    """The text of a file with some of it replaced."""
    text = FILES[stem].read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


# ------------------------------------------------------------------------------------------------ the page and its like


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.quantity)
def test_a_recipe_without_a_change_is_the_page(recipe: Recipe) -> None:
    """Every recipe gives what the page gives, in every layer of every network, to a few roundings."""
    for case in CASES:
        layers = {"e_out": [case.L], "d": [1], "e_hidden": [*range(1, case.L)]}.get(
            recipe.quantity, [*range(1, case.L + 1)]
        )
        for i in layers:
            right = case.d if recipe is D else getattr(case, recipe.name)[i]
            np.testing.assert_allclose(recipe.value(Scene(case, i, case.x, case.y, case.e)), right, rtol=0, atol=1e-14)


def test_every_case_tells_layers_apart() -> None:
    """Activations within a network differ, and there are networks whose widths differ, are equal, and of depth 1."""
    for case in CASES:
        assert len(set(case.activations)) == case.L
    first = CASES[0]
    assert len({*first.sizes, first.P}) == len(first.sizes) + 1
    assert any(len(set(case.sizes)) == 1 and case.L > 3 for case in CASES)
    assert {case.P for case in CASES} >= {1, 3, 8}
    assert min(case.L for case in CASES) == 1


# ----------------------------------------------------------------------------------------------------------- right code


@pytest.mark.parametrize("stem", RIGHT)
def test_right_code_is_never_accused(stem: str) -> None:
    """No way of writing it right is a mistake on any of 200 random networks, and no convention on 32 of them."""
    seeds = range(NETWORKS // len(SHAPES)) if stem.startswith("right_") else range(4)
    module = worker.load(str(FILES[stem]))
    for seed in seeds:
        cases = random_cases(seed)
        report = judged(stem, running.run_here(module, str(FILES[stem]), cases), cases)
        assert report.ok, f"seed {seed}:\n{report}"
        assert set(report.functions.values()) == {"right"}


CONVENTION_OF = {
    "convention_all": ("minus-e", "sum", "no-half", "mean-of-outputs"),
    "convention_minus_e": ("minus-e",),
    "convention_sum": ("sum",),
    "convention_no_half": ("no-half",),
    "convention_no_half_in_gradient": ("no-half",),
    "convention_mean_of_outputs": ("mean-of-outputs",),
    "convention_mean_in_error_terms": (),
}


@pytest.mark.parametrize("stem", [stem for stem in RIGHT if stem.startswith("convention_")])
def test_a_convention_is_recognised_and_said(stem: str) -> None:
    """What is meant otherwise than in the paper is named, with the word that says it on the command line."""
    report = here(FILES[stem])
    assert report.conventions == CONVENTION_OF[stem]
    text = " ".join(str(report).split())
    assert all(f"(--convention {word})" in text for word in report.conventions)


def test_what_is_said_is_held_against_the_file() -> None:
    """A convention that was said to be the paper's is a mistake where the file has another."""
    for stem, word, kinds in (
        ("convention_sum", "mean", ["dw.sum_for_mean"]),
        ("right_matmul", "sum", ["dw.mean_for_sum"]),
        ("convention_no_half", "half", ["e_out.factor"]),
        ("convention_minus_e", "e", ["e_out.sign", "dw.sign", "d.sign"]),
    ):
        report = here(FILES[stem], conventions=[word])
        assert [one.kind for one in report.mistakes] == kinds, stem
    said_in_file = changed("convention_all").replace('"sum", ', '"mean", ')
    module = worker.types.ModuleType("said")
    exec(said_in_file, module.__dict__)
    report = judged("said", running.run_here(module, "said", CASES), CASES)
    assert [one.kind for one in report.mistakes] == ["dw.sum_for_mean"]


def test_each_convention_is_asked_once_and_no_is_heeded() -> None:
    """Every aspect that differs is asked about once; no means the paper's, which the file then does not keep."""
    asked: list[str] = []

    def yes(aspect: Any) -> bool:
        asked.append(aspect.other)
        return True

    path = FILES["convention_all"]
    answers = running.run_here(worker.load(str(path)), str(path), CASES)
    answers.conventions = []
    assert judged("x", answers, CASES, ask=yes).ok
    assert asked == ["minus-e", "sum", "no-half", "mean-of-outputs"]
    report = judged("x", answers, CASES, ask=lambda aspect: aspect.other != "no-half")
    assert [one.kind for one in report.mistakes] == ["e_out.factor"]
    answers.conventions = ["minus-e", "sum", "no-half", "mean-of-outputs"]
    assert judged("x", answers, CASES, ask=lambda aspect: pytest.fail(f"asked {aspect.other}")).ok


def test_readings_are_apart() -> None:
    """No two factors that are told apart are the same on every network."""
    values = {tuple(round(one.value(case), 12) for case in CASES) for one in READINGS}
    assert len(values) == len(READINGS)


def test_the_sign_of_the_error_terms_decides() -> None:
    """e and gradient both with the paper's sign, or both with the other, agree; else the odd one out is wrong."""
    minus = Reading(-1)
    plus = AS_ON_THE_PAGE
    assert meaning({"e_out": minus, "dw": minus}, {}).wrong == {}
    assert [*meaning({"e_out": plus, "dw": minus, "d": minus}, {}).wrong] == ["dw", "d"]
    assert [*meaning({"e_out": minus, "dw": plus, "d": plus}, {}).wrong] == ["e_out"]
    assert [*meaning({"e_out": minus, "dw": minus, "d": plus}, {}).wrong] == ["d"]
    assert meaning({"dw": minus}, {}).conventions["sign"] == "minus-e"


# ------------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize("stem", WRONG)
def test_each_mistake_has_a_file_and_is_called_by_its_name(stem: str) -> None:
    """The mistake in each file of tests/graded is the only one that is found, and under its name."""
    module = worker.load(str(FILES[stem]))
    report = judged(stem, running.run_here(module, str(FILES[stem]), CASES), CASES)
    assert [one.kind for one in report.mistakes] == [module.MISTAKE], str(report)
    assert max(map(len, str(report).splitlines())) <= 80


def test_every_row_of_the_table_has_a_file() -> None:
    """No mistake is known by name without a file that makes it, and there are many more than 15."""
    shown = {part for stem in WRONG for part in _kinds(worker.load(str(FILES[stem])).MISTAKE)}
    rows = {f"{recipe.quantity}.{change.kind}" for recipe in RECIPES for change in recipe.changes}
    assert rows - shown == set()
    assert len(rows) > 150


def _kinds(mistake: str) -> list[str]:
    quantity, _, kinds = mistake.rpartition(".")
    return [f"{quantity}.{kind}" for kind in kinds.split("+")]


def _answer(recipe: Recipe, changes: tuple[Change, ...], case: Case, factor: float = 1.0) -> dict[str, Any]:
    """What a file answers that makes these changes in every layer, times a factor."""
    L, after = case.L, [None, *(w + 0.1 for w in case.w[1:])]

    def of(other: Recipe, i: int, x: Any = case.x, y: Any = case.y, e: Any = case.e) -> Any:
        made = changes if other is recipe else ()
        value = other.value(Scene(case, i, x, y, e, after), made)
        if value is None:  # where there is no such layer files go on somehow, as with max(i - 1, 1)
            value = other.value(Scene(case, i, x, y, e))
        if value is None:
            raise ValueError("shapes")
        return value

    try:
        if recipe in (X, Y):
            x, y = [None, *case.x[1:]], [case.inputs, *case.y[1:]]
            for i in range(1, L + 1):
                x[i] = of(X, i, x, y)
                y[i] = of(Y, i, x, y)
            value: Any = x, y
        elif recipe in (E_OUT, E_HIDDEN):
            e = [None, *case.e[1:]]
            for i in range(L, 0, -1):
                e[i] = of(E_OUT if i == L else E_HIDDEN, i, e=e)
            value = [None, *(factor * one for one in e[1:])]
        elif recipe is D:
            value = factor * of(D, 1)
        else:
            value = [[None, *(factor * of(one, i) for i in range(1, L + 1))] for one in (DW, DB)]
    except ValueError:
        return {"error": {"type": "ValueError", "text": "shapes", "line": 1, "code": ""}}
    answer = {"value": worker.describe(value, worker.NESTING[recipe.function]), "changed": []}
    if any(one.kind == "update_before_use" for one in changes):
        answer |= {"changed": ["w[1]"], "after": worker.describe(after, 1)}
    return answer


def _judged_kinds(
    recipe: Recipe, changes: tuple[Change, ...], cases: list[Case], factor: Callable[[Case], float]
) -> list[str]:
    verdict = judge(recipe.function, [_answer(recipe, changes, case, factor(case)) for case in cases], cases)
    return [one.kind for one in verdict.mistakes]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.quantity)
def test_every_row_is_named_under_a_convention_too(recipe: Recipe) -> None:
    """Mistakes are told from one another also with δ, without the ½, and with a mean over the outputs."""
    cases = random_cases(3)
    for change in recipe.changes:
        if change.kind in ("net_values_passed_on", "output_of_two_below"):
            continue  # where there is no layer before, files differ
        kinds = _judged_kinds(recipe, (change,), cases, lambda case: 1.0 if recipe in (X, Y) else -2 / case.sizes[-1])
        if recipe.name in "xye" and change.part == "result":
            kinds = kinds[:1]  # the shapes above follow
        assert kinds == [f"{recipe.quantity}.{change.kind}"]


def test_two_mistakes_at_once_are_both_named() -> None:
    """Two changes of different parts of one formula are found together."""
    rows = {change.kind: change for change in E_HIDDEN.changes}
    for pair in (
        ("slope_of_output", "weights_absolute"),
        ("slope_missing", "mean_for_sum"),
        ("slope_twice", "weights_transposed"),
    ):
        changes = tuple(sorted((rows[kind] for kind in pair), key=E_HIDDEN.changes.index))
        kinds = _judged_kinds(
            E_HIDDEN,
            changes,
            [case for case in CASES if len(set(case.sizes)) == 1 or "weights_transposed" not in pair],
            lambda case: 1.0,
        )
        assert kinds == ["e_hidden." + "+".join(one.kind for one in changes)]


def test_the_sentence_is_that_of_the_derivation() -> None:
    """A student reads which step their error term equals, and without what."""
    report = here(FILES["hidden_without_slope"])
    text = " ".join(str(report).split())
    assert "error_terms: your e[3] equals step 21 without f₃′(x₃ⱼ)" in text
    assert "right: e₃ⱼ = Σᵢ e₄ᵢ w₄ᵢⱼ f₃′(x₃ⱼ)" in text
    assert "yours: e₃ⱼ = Σᵢ e₄ᵢ w₄ᵢⱼ " in text
    assert re.search(r"e\[3\]\[0,0\] is \S+; it must be \S+\.", text)


def test_one_mistake_is_told_once() -> None:
    """A wrong forward does not make error_terms and gradient wrong, which get the right values."""
    report = here(FILES["right_matmul"])
    assert report.ok
    text = changed("right_matmul", ("y[i - 1] @ w[i].T + b[i]", "y[i - 1] @ w[i].T"))
    module = worker.types.ModuleType("one")
    exec(text, module.__dict__)
    report = judged("one", running.run_here(module, "one", CASES), CASES)
    assert report.functions == {
        "forward": "wrong",
        "error_terms": "right",
        "gradient": "right",
        "input_gradient": "right",
    }
    assert str(report).index("✓ error_terms") < str(report).index("✗ forward")


def test_a_mistake_in_one_layer_only_is_said_of_that_layer() -> None:
    """Where one layer alone is wrong the sentence names it alone, and the layers under it are right by themselves."""
    text = changed("right_matmul", ("* f_prime[i](x[i])", "* (1.0 if i == 2 else f_prime[i](x[i]))"))
    module = worker.types.ModuleType("layer")
    exec(text, module.__dict__)
    [mistake] = judged("layer", running.run_here(module, "layer", CASES), CASES).mistakes
    assert mistake.kind == "e_hidden.slope_missing"
    assert mistake.sentence == "your e[2] equals step 22 without f₂′(x₂ₖ)"


UNKNOWN = """
def error_terms(w, f_prime, x, y, t):
    L = len(w) - 1
    e = [None] * (L + 1)
    e[L] = (t - y[L]) * f_prime[L](x[L])
    for i in range(L - 1, 0, -1):
        e[i] = e[i + 1] @ w[i + 1] * f_prime[i](x[i])
        if i == 2:
            e[i][len(t) // 8, 3 % e[i].shape[1]] += 0.25
    return e
"""


def test_an_unknown_mistake_is_told_by_the_first_wrong_number() -> None:
    """What no row explains is reported with the entry, its value and the right one."""
    module = worker.types.ModuleType("unknown")
    exec(UNKNOWN, module.__dict__)
    [mistake] = judged("unknown", running.run_here(module, "unknown", CASES), CASES).mistakes
    assert mistake.kind == "e_hidden.unknown"
    found = re.fullmatch(r"e\[2\]\[1,3\] is (\S+); it must be (\S+)", mistake.example)
    assert found is not None
    assert float(found[1]) - float(found[2]) == pytest.approx(0.25, abs=1e-5)
    assert float(found[2]) == pytest.approx(CASES[0].e[2][1, 3], rel=1e-5)


# ----------------------------------------------------------------------------------------------- whatever a file may do

FORWARD = """
def forward(w, b, f, inputs):
    x, y = [None], [inputs]
    for i in range(1, len(w)):
        x.append(y[i - 1] @ w[i].T + b[i])
        y.append(f[i](x[i]))
    return x, y
"""

NOT_GRADED = {
    "syntax": ("def forward(w, b, f, inputs) return 3", r"'mine.py', which is none in line 1: expected ':'"),
    "none": ("x = 3", "must define at least one of forward, error_terms, gradient, input_gradient"),
    "import": ("\nimport no_such_module", "ModuleNotFoundError in line 2 of 'mine.py'"),
    "ends": ("import sys\nsys.exit(0)\n" + FORWARD, "which ends itself in line 2"),
    "template": (TEMPLATE, "must have at least one of its functions written"),
    "convention": ("CONVENTIONS = ['new']\n" + FORWARD, "CONVENTIONS in mine.py must be one of e, minus-e"),
    "null": ("\0", "must be a file of Python"),
}


@pytest.mark.parametrize("name", NOT_GRADED)
def test_a_file_that_cannot_be_graded_says_why(name: str, tmp_path: Path) -> None:
    """One sentence about a file that is no Python, stops before its functions are defined, or has none."""
    text, said = NOT_GRADED[name]
    with pytest.raises(BadFile, match=said):
        grade(written(tmp_path, text))


def test_a_file_that_is_missing_says_so(tmp_path: Path) -> None:
    """A missing file and a folder are bad files."""
    with pytest.raises(BadFile, match="no such file"):
        grade(tmp_path / "missing.py")
    with pytest.raises(BadFile, match="a folder"):
        grade(tmp_path)


STRANGE = {
    "exit": ("    import sys\n    sys.exit(3)", "exit", "ends the program in line 3"),
    "died": ("    import os\n    os._exit(4)", "died", "ends the whole process, exit code 4"),
    "none": ("    d = 1", "unusable", "must return d; got None"),
    "text": ("    return 'x'", "unusable", "must be an array (patterns, inputs); got a str"),
    "nan": ("    return -e[1] @ w[1] / 0.0", "d.not_finite", "your d is infinite in 40 of its 40 entries"),
    "stops": ("    return {}['a']", "stops", "stops with KeyError in line 2: 'a'"),
    "slot 0": ("    return e[0] @ w[0]", "stops", "unsupported operand type(s) for @: 'NoneType'"),
    "narrow": ("    return (-e[1] @ w[1])[:, 1:]", "d.shape", "shape (patterns, inputs) = (8, 5); it has (8, 4)"),
    "huge": ("    return 1.0 * (-e[1] @ w[1])[0, 0] * __import__('numpy').ones((2000, 1000))", "unusable", "2,000,000"),
    "deep": ("    return input_gradient(w, e)", "stops", "RecursionError"),
    "asks": ("    return float(input('?')) * e[1]", "stops", "EOFError"),
}


def test_whatever_a_function_does_is_one_sentence(tmp_path: Path) -> None:
    """Exits, crashes, values that are none: each is a mistake with one sentence, and its line where there is one."""
    for body, kind, said in STRANGE.values():
        report = grade(written(tmp_path, f"def input_gradient(w, e):\n{body}\n"))
        [mistake] = report.mistakes
        assert mistake.kind == kind, str(report)
        assert said in " ".join(str(report).split())
        assert max(map(len, str(report).splitlines())) <= 80


def test_an_endless_loop_costs_its_function_and_no_other(tmp_path: Path) -> None:
    """The time limit names function and line, and the functions after it are judged all the same."""
    endless = "\ndef error_terms(w, f_prime, x, y, t):\n    while True:\n        pass\n"
    path = written(tmp_path, FORWARD + endless + "\ndef input_gradient(w, e):\n    return -e[1] @ w[1]\n")
    begun = time.monotonic()
    report = grade(path, time_limit=1.5)
    assert time.monotonic() - begun < 8
    assert report.functions == {
        "forward": "right",
        "error_terms": "wrong",
        "gradient": "absent",
        "input_gradient": "right",
    }
    [mistake] = report.mistakes
    assert mistake.kind == "time"
    assert mistake.line in (10, 11)
    assert mistake.code in ("while True:", "pass")


def test_an_endless_loop_outside_of_functions_is_a_bad_file(tmp_path: Path) -> None:
    """A file that does not come to its end has no functions."""
    with pytest.raises(BadFile, match=r"still runs after 1 s \(in line [12]\)"):
        grade(written(tmp_path, "while True:\n    pass\n"), time_limit=1)


def test_what_a_file_prints_is_shown_in_part(tmp_path: Path) -> None:
    """Prints do not disturb the answers; the first lines are shown and the rest is counted."""
    path = written(tmp_path, "def input_gradient(w, e):\n    print('x' * 100_000)\n    return -e[1] @ w[1]\n")
    report = grade(path)
    assert report.ok
    assert "Your file printed:\n  | xxxx" in str(report)
    assert "more characters" in report.printed
    assert len(report.printed) < 3_000


def test_nobody_unpickles_what_a_file_answers(tmp_path: Path) -> None:
    """An object whose unpickling would do something arrives as words."""
    text = """
class Trap:
    def __reduce__(self):
        return open, ("trapped", "w")

def input_gradient(w, e):
    return Trap()
"""
    report = grade(written(tmp_path, text))
    assert "got a Trap that is no array of numbers" in " ".join(str(report).split())
    assert not (tmp_path / "trapped").exists()


def test_answers_that_are_forged_do_no_harm() -> None:
    """Messages of any other form are left aside, and arrays of anything but numbers are refused."""
    answers = running.Answers()
    for message in (
        {},
        {"event": "result", "function": "forward", "case": 99, "value": None},
        {"event": "result", "function": "os", "case": 0, "value": None},
        {"event": "result", "function": "forward", "case": "0", "value": None},
    ):
        running._take(message, answers, len(CASES))
    assert answers.results == {}
    with pytest.raises(ValueError, match="dtype must be"):
        worker.unpack({"shape": [1], "dtype": "|O", "data": ""})
    for value in ({"array": {"shape": [9], "dtype": "<f8", "data": ""}}, {"list": 3 * [None]}, {"list": [{}]}, [], 3):
        assert judge("error_terms", [{"value": value}] * len(CASES), CASES).status == "wrong"


def test_what_a_file_changes_is_its_own_copy(tmp_path: Path) -> None:
    """A function that spoils what it was given is told so, and does not spoil what the next ones get."""
    text = FORWARD + "\ndef input_gradient(w, e):\n    d = -e[1] @ w[1]\n    w[1][:] = 0\n    return d\n"
    report = grade(written(tmp_path, text))
    assert [one.kind for one in report.mistakes] == ["changes_arguments"]
    assert "changes w[1]" in report.mistakes[0].sentence


# ----------------------------------------------------------------------------------------------------- the command line


def run(*arguments: str, code: int, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Standard output and error of the command, which ends with this code."""
    with pytest.raises(SystemExit) as ended:
        main(["grade", *arguments])
    assert ended.value.code == code
    out, err = capsys.readouterr()
    return out, err


def test_the_exit_code_says_right_wrong_usage_or_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0, 1, 2 and 3, an error being one sentence; and what is run is said first."""
    out, _ = run(str(FILES["right_matmul"]), code=0, capsys=capsys)
    assert out.startswith("Running right_matmul.py in a process of its own, for at most 10 s.")
    assert out.endswith("All four are right on 8 random networks: this is back-propagation.\n")
    out, _ = run(str(FILES["hidden_without_slope"]), "--seed", "4", code=1, capsys=capsys)
    assert "without f₃′(x₃ⱼ)" in out
    assert max(map(len, out.splitlines())) <= 80
    for arguments in ([], ["--convention", "new", "x.py"], ["--time-limit", "0", "x.py"], ["--template", "x.py"]):
        _, err = run(*arguments, code=2, capsys=capsys)
        assert "Error:" in err
    _, err = run("--convention", "sum", "--convention", "mean", str(FILES["right_matmul"]), code=2, capsys=capsys)
    assert "convention must be mean or sum; got both" in err
    _, err = run(str(tmp_path / "missing.py"), code=3, capsys=capsys)
    assert err.startswith("Error: FILE must be a file of Python; got ")


def test_json_holds_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """--json writes the report alone, as data."""
    out, _ = run("--json", str(FILES["bias_gradient_not_summed"]), code=1, capsys=capsys)
    report = json.loads(out)
    assert report["ok"] is False
    assert report["functions"]["gradient"] == "wrong"
    assert report["mistakes"][0]["kind"] == "db.patterns_not_summed"


def test_the_template_runs_and_can_be_filled_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--template writes Python whose functions, once written, are right."""
    out, _ = run("--template", code=0, capsys=capsys)
    assert out == TEMPLATE
    right = FILES["right_matmul"].read_text(encoding="utf-8")
    bodies = {
        name: re.search(rf'def {name}\(.*?"""\n(.*?)(?=\n\n\n|\Z)', right, re.DOTALL)[1].rstrip()
        for name in worker.ARGUMENTS
    }
    filled = out
    for body in bodies.values():
        filled = filled.replace("    raise NotImplementedError", body, 1)
    path = written(tmp_path, filled)
    assert grade(path).ok
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    assert "array" in done.stdout


def test_the_words_of_the_option_are_the_conventions() -> None:
    """The command line offers what is recognised, without loading NumPy for its help."""
    assert WORDS == CONVENTIONS


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """A convention that is recognised is a question there; no makes it a mistake."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "chainrule.cli", "grade", str(FILES["convention_minus_e"])]
    command[1:3] = ["-c", "from chainrule.cli import main; main()"]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, cwd=tmp_path)
    os.close(child)
    said = b""
    answered = False
    while True:
        ready, _, _ = select.select([parent], [], [], 30)
        assert ready, said
        try:
            data = os.read(parent, 4096)
        except OSError:  # Linux says so where the other side is closed
            break
        if not data:
            break
        said += data
        if b"[Y/n]" in said and not answered:
            os.write(parent, b"n\n")
            answered = True
    os.close(parent)
    assert process.wait() == 1
    text = " ".join(said.decode().split())
    assert "Do your error terms stand for δ = ∂E/∂x, minus those of the paper? [Y/n]" in text
    assert "--convention e, or CONVENTIONS" in text
    assert "equals step 20 with the opposite sign" in text
