"""Printers: every format in every notation, read back or run, means the numbers of the derivation."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule import Network
from chainrule.derivation import derive
from chainrule.derivation.evaluate import Evaluator
from chainrule.derivation.printers import FORMATS, NOTATIONS, expression, from_json, render, sentence
from chainrule.derivation.rules import Said
from chainrule.derivation.terms import D, Difference, Letter, Negation, Node, Product, Reference, walk
from chainrule.derivation.verify import Verification, example, values_of
from formulas import parsed, worth

CASES = {
    "weight": (([4, 8, 3, 2, 3, 2], "w[1,7,3]"), {}),
    "input": (([4, 3, 3, 2, 3, 2], "y[0,3]"), {}),
    "bias": (([3, 4, 3, 2], "b[1,2]", "full"), {}),
    "softmax over patterns with L2": (
        ([3, 4, 3], "w[1,1,0]", "pedantic"),
        {"objective": "cross_entropy", "output": "softmax", "patterns": True, "l2": True, "bias": True},
    ),
    "softmax with SSE": (([3, 4, 3], "w[1,2,1]", "full"), {"output": "softmax"}),
    "bias under softmax with SSE": (([3, 2, 3], "b[2,1]"), {"output": "softmax"}),
    "logistic with L2": (
        ([3, 4, 1], "w[2,0,2]", "pedantic"),
        {"objective": "cross_entropy", "output": "logistic", "l2": True},
    ),
    "output layer": (([3, 4, 3], "w[2,1,3]", "pedantic"), {"patterns": True, "bias": True}),
    "one layer": (([3, 2], "w[1,1,2]"), {}),
    "one layer, input": (([3, 2], "y[0,2]"), {"bias": True}),
    "wide": (([12, 3, 12, 2], "w[1,2,11]"), {}),
    "penalised bias": ((Network([3, 2, 2], ["tanh", "sine"], l2=0.3, penalize_bias=True), "b[1,1]", "full"), {}),
    "deep": (([2, 2, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 2], "w[1,1,0]"), {}),
    "deep input": (([2, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 1, 2], "y[0,1]"), {}),
}

ROUNDING = 1e-9
"""Lines of up to twelve layers are summed in another order than the evaluator's: a few thousand roundings of 1e-16."""


@functools.cache
def case(name):
    """A derivation, numbers for its letters, and the evaluator's value of each line."""
    arguments, how = CASES[name]
    derivation = derive(*arguments, **how)
    values = values_of(derivation.problem, *example(derivation.problem, 0))
    evaluator = Evaluator(values)
    return derivation, values, [float(evaluator.number(step.line)) for step in derivation.steps]


def steps_of(text):
    """The formulas of text or ASCII, in one line each: what stands after the reason of a step, indented."""
    blocks = re.split(r"\n\n", text)
    lines = []
    for n, block in enumerate(blocks):
        start = "     " if n == 0 else "   = "
        rows = block.split("\n")
        at = max(k for k, row in enumerate(rows) if row.startswith(start) and (n or not row.startswith("      ")))
        lines.append(" ".join(row.strip() for row in rows[at:]).removeprefix("= "))
    return lines


def formulas(derivation, format, notation):
    """The formula of every line, as the format has it."""
    written = render(derivation, format, notation, width=100)
    if format in ("text", "ascii"):
        return steps_of(written)
    if format == "latex":
        body = re.fullmatch(r"\\begin\{align\*\}\n& (.*)\n\\end\{align\*\}", written, re.DOTALL)[1]
        return [one.split(" && ")[0].removeprefix("= ") for one in body.split(" \\\\\n& ")]
    if format == "tex":
        bodies = re.findall(r"\\begin\{align\*\}\n& (.*?)\n\\end\{align\*\}", written, re.DOTALL)
        return [one.removeprefix("= ") for one in bodies]
    if format == "markdown":
        return [one.removeprefix("= ") for one in re.findall(r"\$\$\n(.*?)\n\$\$", written, re.DOTALL)]
    if format == "speech":
        return [
            re.split(r"(?:The line is|This is equal to): ", one)[1].removesuffix(".") for one in written.split("\n\n")
        ]
    displayed = parsed(written).iter("math")
    found = []
    for one in displayed:
        if one.get("display") == "block":
            for child in [*one]:
                if child.text == "=":
                    one.remove(child)
            found.append(one)
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("format", ["text", "ascii", "latex", "tex", "html", "markdown", "speech"])
def test_read_back(format, notation, name):
    """Every line, read back from what is printed by a reader of its own, has the evaluator's value."""
    derivation, values, expected = case(name)
    lines = formulas(derivation, format, notation)
    assert len(lines) == len(expected)
    for line, value in zip(lines, expected, strict=True):
        assert worth(line, format, values, notation) == pytest.approx(value, rel=ROUNDING, abs=1e-14), line


@pytest.mark.parametrize("notation", NOTATIONS)
def test_random_problems(notation):
    """Lines of random derivations, of any target and objective, read back from text have the evaluator's value."""
    for seed in range(25):
        derivation = random_derivation(seed)
        values = values_of(derivation.problem, *example(derivation.problem, seed))
        evaluator = Evaluator(values)
        for line, step in zip(formulas(derivation, "text", notation), derivation.steps, strict=True):
            expected = pytest.approx(float(evaluator.number(step.line)), rel=ROUNDING, abs=1e-14)
            assert worth(line, "text", values, notation) == expected, line


def random_derivation(seed):
    """A derivation of any shape, target, objective and granularity."""
    random = np.random.default_rng(seed)
    sizes = [int(n) for n in random.integers(1, 5, random.integers(2, 6))]
    goal = [("sse", None), ("sse", "softmax"), ("cross_entropy", "softmax"), ("cross_entropy", "logistic")][
        random.integers(4)
    ]
    sizes[-1] = 1 if goal[1] == "logistic" else max(2, sizes[-1])
    layer = int(random.integers(1, len(sizes)))
    j, k = (int(random.integers(n)) for n in (sizes[layer], sizes[layer - 1]))
    wrt = [f"w[{layer},{j},{k}]", f"b[{layer},{j}]", f"y[0,{int(random.integers(sizes[0]))}]"][random.integers(3)]
    granularity = ["paper", "full", "pedantic"][random.integers(3)]
    more = {"l2": bool(random.integers(2)), "bias": True, "patterns": bool(random.integers(2)) and wrt[0] != "y"}
    return derive(sizes, wrt, granularity, objective=goal[0], output=goal[1], **more)


@pytest.mark.parametrize("name", CASES)
def test_every_line_without_a_derivative_has_a_matrix_form(name):
    """In the matrix notation a line without ∂ is one entry, with no index of a node left but that of the target."""
    derivation, *_ = case(name)
    for line, step in zip(formulas(derivation, "ascii", "matrix"), derivation.steps, strict=True):
        if not step.line.pending:
            assert not re.search(r"sum_[i-o]|[a-z]_?[p0-9,]*[ijklmnh]\b", line), line
            assert "]_" in line


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_error_terms_are_what_the_reasons_say(name, notation):
    """In each notation the definitions in the sentences are worth the error terms, for each node that they speak of."""
    derivation, values, _ = case(name)
    problem, found = derivation.problem, 0
    for step in derivation.steps:
        for left, right in re.findall(r"\{(\d)\} = \{(\d)\}", step.said.text):
            e, meaning = (step.said.terms[int(one)] for one in (left, right))
            if not isinstance(e, Reference) or e.letter != "e":
                continue
            pair = sentence(Said("{0} = {1}", (e, meaning)), "text", notation)
            assert pair in sentence(step.said, "text", notation)
            shown, meaning = pair.split(" = ", 1)
            (index,) = e.nodes
            nodes = [index.number] if isinstance(index, Node) else range(problem.sizes[e.layer])
            for p in range(len(values.t)):
                for node in nodes:
                    at = {"p": p} | ({index.name: node} if isinstance(index, Letter) else {})
                    both = [worth(one, "text", values, notation, at) for one in (shown, meaning)]
                    both = [one if one.ndim == 0 else one[node, 0] for one in both]
                    expected = values.e[e.layer][p, node] * (-1 if notation == "nielsen" else 1)
                    assert both == pytest.approx([expected, expected], rel=ROUNDING)
            found += 1
    assert found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_numpy_code_runs(name, notation):
    """The NumPy code runs on the house's arrays: each line has the evaluator's value, each let the error terms."""
    derivation, values, expected = case(name)
    names = {}
    exec(compile(render(derivation, "numpy", notation), "derivation.py", "exec"), names)
    f_prime = [None, *(None if f.vector else f.f_prime for f in values.f[1:])]
    e = [None, *(-one if notation == "nielsen" else one for one in values.e[1:])]
    arrays = (values.w, values.b, values.x, values.y)
    dx, dy = names["tangents"](*arrays, values.f, f_prime)
    how = (*arrays, values.t, e, values.f, f_prime, dx, dy, values.s, values.strength)
    lines = [names[f"line_{n}"](*how) for n in range(1, len(expected) + 1)]
    assert lines == pytest.approx(expected, rel=ROUNDING, abs=1e-14)
    for term, _ in (let for step in derivation.steps for let in step.lets):
        name, (node,) = f"{'delta' if notation == 'nielsen' else 'e'}_{term.layer}", term.nodes
        if notation == "matrix":
            found, wanted = names[name](*how, p=0), e[term.layer][0]
        elif isinstance(node, Node):
            found, wanted = names[f"{name}_{node.number}"](*how, p=0), e[term.layer][0, node.number]
        else:
            found, wanted = [names[name](n, *how, p=0) for n in range(e[term.layer].shape[1])], e[term.layer][0]
        assert found == pytest.approx(wanted, rel=ROUNDING)


# --- JSON ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_json_is_read_back(name, notation):
    """JSON gives back an equal derivation, and each line of it also as the text and the LaTeX of that notation."""
    derivation, values, expected = case(name)
    written = render(derivation, "json", notation, verified=derivation.verify(), numbers=values)
    assert from_json(written) == derivation
    document = json.loads(written)
    for step, value in zip(document["steps"], expected, strict=True):
        for format in ("text", "latex"):
            assert worth(step[format], format, values, notation) == pytest.approx(value, rel=ROUNDING, abs=1e-14)
        assert step["ok"] is True
        assert step["value"] == pytest.approx(value, rel=ROUNDING, abs=1e-14)


def places(tree, path=()):
    """All places in a tree of JSON."""
    yield path
    for key, one in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(one, (*path, key))


def put(tree, path, value):
    """The tree with another value at a place."""
    if not path:
        return value
    copied = tree.copy()
    copied[path[0]] = put(tree[path[0]], path[1:], value)
    return copied


def read_or_refused(text):
    """A derivation, or why it was refused."""
    try:
        return from_json(text)
    except ValueError as error:
        return str(error)


SHOWN = {"title", "reason", "text", "latex", "names", "notation"}
"""What is for the eye; a reader works from the tree."""


def test_json_refuses_what_is_malformed():
    """Whatever is put in any place of the tree, the reader refuses it in one sentence or gives what can be printed."""
    document = json.loads(derive([2, 2], "w[1,1,0]", patterns=True, l2=True, bias=True).render("json"))
    document["steps"] = [document["steps"][-1] | {"number": 1, "as_in": None}]
    refused = read = 0
    for path in places(document):
        if SHOWN & {*path}:
            continue
        for value in (None, True, -1, 99, 1.5, "l", "f(x)", [], ["d", ["e", 9, []]], {}, "__import__('os')\n"):
            found = read_or_refused(json.dumps(put(document, path, value)))
            refused += isinstance(found, str)
            read += not isinstance(found, str)
            if isinstance(found, str):
                assert re.fullmatch(r"text must be a derivation in JSON of the schema [^\n]*\.", found), found
            else:
                compile(found.render("numpy"), "found", "exec")
                found.render("html")
    assert refused > 50 * read, (refused, read)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "NaN", '{"schema": "chainrule-derivation/2"}', "[" * 100_000, '{"a":' * 50_000, "null"]
)
def test_json_refuses_other_texts(text):
    """What is no derivation is refused in one sentence, however deep it is nested."""
    with pytest.raises(ValueError, match=r"^text must be a derivation in JSON of the schema [^\n]*\.$"):
        from_json(text)


# --- what it looks like ------------------------------------------------------------------------------------------


def test_text_is_the_papers():
    """Step 17 of the paper's own derivation, in Unicode, in ASCII and in Nielsen's notation."""
    derivation, *_ = case("weight")
    reason = "x₁₇ is what comes in through the weights: Σₙ w₁₇ₙ y₀ₙ."
    line = (
        "−Σᵢ (tᵢ − y₅ᵢ) f₅′(x₅ᵢ) Σⱼ w₅ᵢⱼ f₄′(x₄ⱼ) Σₖ w₄ⱼₖ f₃′(x₃ₖ) Σₗ w₃ₖₗ f₂′(x₂ₗ) w₂ₗ₇ f₁′(x₁₇) ∂Σₙ w₁₇ₙ y₀ₙ / ∂w₁₇₃"
    )
    assert f"17. Expand a term (as in step 6): {reason}\n   = {line}\n" in render(derivation, width=200)
    assert "\n   = −Σₗ e₂ₗ w₂ₗ₇ f₁′(x₁₇) y₀₃\n" in render(derivation)
    assert render(derivation, notation="nielsen").endswith("\n   = δ¹₇ a⁰₃")
    assert render(derivation, notation="matrix").endswith("\n   = −[e₁ y₀ᵀ]₇₃")
    assert render(derivation, "ascii").endswith("\n   = -e_17 y_03")


def test_brackets():
    """Brackets stand around a sum before other factors, a difference in a difference, and what ∂ of a product is of."""
    pedantic = render(derive([2, 3, 2, 2], "y[0,1]", "pedantic"), width=200)
    assert "   = −Σⱼ (Σᵢ e₃ᵢ w₃ᵢⱼ f₂′(x₂ⱼ)) Σₖ w₂ⱼₖ f₁′(x₁ₖ) w₁ₖ₁\n" in pedantic
    i = Letter("i", 2)
    t, y = Reference("t", 2, (i,)), Reference("y", 2, (i,))
    assert expression(Difference(t, Difference(t, y))) == "tᵢ − (tᵢ − y₂ᵢ)"
    assert expression(Difference(Difference(t, y), Negation(y))) == "(tᵢ − y₂ᵢ) − (−y₂ᵢ)"
    assert expression(D(Product((t, y)))) == "∂(tᵢ y₂ᵢ)"


def test_latex_is_the_papers():
    """LaTeX writes the line over ∂ of the weight, as the paper does, and brackets where the paper is ambiguous."""
    derivation, *_ = case("weight")
    assert r"\frac{\partial \frac{1}{2} \sum_{i} (t_{i} - y_{5i})^{2}}{\partial w_{173}}" in derivation.latex()
    assert r"w_{2l7} f_{1}'(x_{17}) \partial (w_{173} y_{03})}{\partial w_{173}}" in derivation.latex()
    assert derivation._repr_latex_() == derivation.latex()


def test_commas():
    """Subscripts have commas where one of them has more than one digit, or an index has a turn number."""
    deep, wide = (case(name)[0] for name in ("deep", "wide"))
    text = render(deep, width=300)
    assert "w₁₁,ⱼ,ₖ" in text
    assert "Σᵢ₁ w₇,ₙ,ᵢ₁" in text
    assert "w₁₂,₁₁" not in render(wide)
    assert "w₁,₂,₁₁" in render(wide)
    assert r"w_{7,n,i_{1}}" in deep.latex()


@pytest.mark.parametrize("format", ["text", "ascii"])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_lines_wrap(format, width):
    """No line is wider than asked, unless it is a single word; what follows is indented."""
    for name in ("weight", "deep", "softmax over patterns with L2"):
        derivation, values, _ = case(name)
        for line in render(derivation, format, width=width, numbers=values).split("\n"):
            assert len(line) <= width or " " not in line.strip(" ="), line
            assert re.match(r"\d+\. |   = |     *\S|   \S|$", line), line
    assert max(map(len, render(case("weight")[0], format, width=width).split("\n"))) > width - 8


def test_width_is_the_terminals(monkeypatch):
    """Without a width, the terminal's is used."""
    monkeypatch.setenv("COLUMNS", "50")
    derivation, *_ = case("weight")
    assert str(derivation) == render(derivation, width=50) != render(derivation, width=80)


def test_ascii_is_ascii():
    """ASCII has no other signs, in any case and notation."""
    for name in CASES:
        for notation in NOTATIONS:
            derivation, values, _ = case(name)
            written = render(derivation, "ascii", notation, numbers=values, verified=derivation.verify())
            assert written.isascii(), set(re.findall(r"[^\x00-\x7f]", written))


def test_speech_is_words():
    """Speech has no signs but full stops, commas, colons and semicolons, and says no bracket that it does not close."""
    for name in CASES:
        for notation in NOTATIONS:
            spoken = render(case(name)[0], "speech", notation)
            assert re.fullmatch(r"[\w ,.:;\n-]*", spoken), set(re.findall(r"[^\w ,.:;\n-]", spoken))
            assert spoken.count("the quantity") == spoken.count("end quantity")
            assert spoken.isascii()


# --- numbers, verdicts, names --------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["text", "ascii", "latex", "tex", "html", "markdown", "speech", "json"])
def test_numbers(format):
    """With numbers a line is shown three times: in letters, in numbers that give its value, and the value."""
    derivation, values, expected = case("weight")
    written = render(derivation, format, numbers=values)
    digits = f"{expected[-1]:.6g}".removeprefix("-")[:-1]  # JSON does not round
    assert written.count(digits) >= len(expected)
    assert f"{values.t[0, 1]:.4g}".removeprefix("-") in written


def test_substituted_lines_are_worth_the_value():
    """The line in numbers, worked out with a pocket calculator, is the value to the digits that it shows."""
    checked = 0
    for name in CASES:
        derivation, values, expected = case(name)
        for block, value in zip(
            render(derivation, "ascii", numbers=values, width=1000).split("\n\n"), expected, strict=True
        ):
            lines = [line.removeprefix("   = ") for line in block.split("\n") if line.startswith("   = ")]
            assert float(lines[-1]) == pytest.approx(value, rel=1e-5)
            assert not re.search(r"[*/+-] -", block), block
            if len(lines) == (2 if block.startswith("1. ") else 3) and "..." not in lines[-2]:
                counted = lines[-2].replace("^", "**").replace("log", "np.log")
                assert eval(counted, {"np": np}) == pytest.approx(value, rel=5e-3, abs=2e-4), block
                checked += 1
    assert checked > 100


def test_long_sums_are_cut():
    """Of a sum of more than three terms the first two are shown, and dots."""
    derivation = derive([2, 5], "y[0,1]")
    values = values_of(derivation.problem, *example(derivation.problem, 0))
    lines = render(derivation, numbers=values, width=200).split("\n")
    assert sum(line.startswith("   = −(") and line.count("(") >= 2 and line.endswith(" + …)") for line in lines) > 5


@pytest.mark.parametrize(
    ("format", "right", "wrong"),
    [
        ("text", "✓", "✗"),
        ("ascii", " ok", "WRONG"),
        ("latex", r"\checkmark", r"\times"),
        ("tex", r"\checkmark", r"\times"),
        ("html", 'class="right" role="img" aria-label="right">✓', 'class="wrong" role="img" aria-label="wrong">✗'),
        ("markdown", "✓", "✗"),
        ("speech", "The line is right.", "The line is wrong."),
        ("json", '"ok":true', '"ok":false'),
    ],
)
def test_verified(format, right, wrong):
    """A verification puts a tick or a cross, and the value, at each line; what differs is said."""
    derivation = derive([3, 4, 2], "w[1,3,1]")
    net, inputs, targets, _ = example(derivation.problem, 1)
    good = derivation.verify(net, inputs, targets)
    e = values_of(derivation.problem, net, inputs, targets).e
    bad = derivation.verify(net, inputs, targets, error_terms=[None, 1.1 * e[1], e[2]])
    assert bool(good)
    assert not bad
    written = render(derivation, format, verified=good)
    assert written.count(right) == len(derivation)
    assert wrong not in written
    written = render(derivation, format, verified=bad)
    assert written.count(right) == len(derivation) - 1
    assert written.count(wrong) == 1
    assert "definition gives" in written
    assert f"{bad.lines[-1].value:.6g}".removeprefix("-")[:-1] in written
    assert isinstance(bad, Verification)


STRANGE = ["ä%_{x}$", "中文", "a\\b~^", "<b>&'\""]


@pytest.mark.parametrize("format", [one for one in FORMATS if one != "numpy"])
def test_names_of_columns(format):
    """Only columns whose nodes occur by number are named: an input and, in the output layer, a target."""
    names = {"inputs": ["height", "age", "weight", "iq"], "targets": ["price", "cost", "gain"]}
    written = render(derive([4, 2, 3], "w[1,1,3]"), format, names=names)
    assert "iq" in written
    assert not any(re.search(rf"\b{other}\b", written.split("names")[-1][-300:]) for other in ("height", "age", "cost"))
    written = render(derive([4, 2, 3], "w[2,1,0]"), format, names=names)
    assert "cost" in written
    assert "price" not in written
    for name in STRANGE:
        render(derive([1, 2], "w[1,1,0]"), format, names={"inputs": [name]})


def test_latex_document_compiles(tmp_path):
    """pdflatex compiles the document in every notation, with numbers and strange columns; no line is too wide."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    for notation, name in zip(NOTATIONS, ("weight", "softmax over patterns with L2", "deep"), strict=True):
        derivation, values, _ = case(name)
        names = {"inputs": STRANGE * 2}
        document = render(derivation, "tex", notation, numbers=values, verified=derivation.verify(), names=names)
        (tmp_path / f"{notation}.tex").write_text(document, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{notation}.tex"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert ran.returncode == 0, ran.stdout[-2000:]
        assert "Overfull" not in ran.stdout
        assert (tmp_path / f"{notation}.pdf").stat().st_size > 10_000


# --- MathML ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notation", NOTATIONS)
def test_mathml(notation):
    """Every formula is spoken, every letter says what it refers to, brackets do not stretch, and wide lines scroll."""
    derivation, values, _ = case("softmax over patterns with L2")
    written = render(derivation, "html", notation, numbers=values, verified=derivation.verify())
    fragment = parsed(written)
    referred = {step_term(one) for step in derivation.steps for one in walk(step.line) if isinstance(one, Reference)}
    seen = {one.get("data-ref") for one in fragment.iter()}
    if notation != "matrix":
        assert referred <= seen, referred - seen
    for formula in fragment.iter("math"):
        assert formula.get("alttext") == formula.get("aria-label") != ""
        for bracket in formula.iter("mo"):
            assert bracket.text not in "()[]" or bracket.get("stretchy") == "false"
        for letter in formula.iter("mi"):
            holders = [one for one in formula.iter() if one is letter or letter in [*one]]
            assert (
                letter.text in ("T", "…", "b")
                or any(one.get("data-ref") for one in holders)
                or is_squares(formula, letter)
            )
    assert [one.get("value") for one in fragment.iter("li")] == [str(step.number) for step in derivation.steps]
    assert all(one.get("tabindex") == "0" for one in fragment.iter("div"))
    assert "overflow-x: auto" in written
    assert "<script" not in written
    assert "http" not in written


def step_term(term):
    """The data-ref of a reference."""
    nodes = [str(one.number) if isinstance(one, Node) else one.name for one in term.nodes]
    return ".".join([term.letter, *([] if term.letter in "ts" else [str(term.layer)]), *nodes])


def is_squares(formula, letter):
    """Whether the letter is that of the sum of all squared weights, which refers to all of them."""
    return any(one.get("data-ref") == "squares" and letter in [*one.iter()] for one in formula.iter())


def test_labels_of_mathml_are_read_back():
    """What the labels of the formulas say has the value of the line."""
    for notation in NOTATIONS:
        derivation, values, expected = case("weight")
        labels = [
            one.get("aria-label")
            for one in parsed(render(derivation, "html", notation)).iter("math")
            if one.get("display")
        ]
        for label, value in zip(labels, expected, strict=True):
            assert worth(label.removeprefix("equals "), "speech", values, notation) == pytest.approx(
                value, rel=ROUNDING
            )


# --- single terms, errors, depth, speed ----------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_single_terms_and_sentences(format, notation):
    """Terms, indices and sentences are written alone in every format and notation, without anything left to fill in."""
    derivation, *_ = case("softmax over patterns with L2")
    for step in derivation.steps:
        said = sentence(step.said, format, notation)
        assert "\n" not in said
        assert not re.search(r"\{\d\}(?!\{)", said) or format in ("latex", "tex", "markdown")
        for term in step.said.terms:
            pending = not isinstance(term, Letter | Node) and any(isinstance(one, D) for one in walk(term))
            if not (pending and format == "numpy"):
                assert expression(term, format, notation)
    i = Letter("i", 5)
    term = Reference("e", 5, (i,))
    expected = {
        "text": ("e₅ᵢ", "δ⁵ᵢ"),
        "ascii": ("e_5i", "delta^5_i"),
        "latex": ("e_{5i}", r"\delta^{5}_{i}"),
        "markdown": ("$e_{5i}$", r"$\delta^{5}_{i}$"),
        "speech": ("e sub 5 i", "delta super 5 sub i"),
        "numpy": ("e[5][p, i]", "delta[5][p, i]"),
    }
    if format in expected and notation != "matrix":
        assert expression(term, format, notation) == expected[format][notation == "nielsen"]
    if format == "html":
        ElementTree.fromstring(expression(term, format, notation))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"format": "latx"},
            "format must be 'text', 'ascii', 'latex', 'tex', 'html', 'markdown', 'speech', 'json' or 'numpy'; "
            "got 'latx'. Did you mean 'latex'?",
        ),
        ({"format": 7}, "format must be .* got 7. Choose one of them."),
        (
            {"notation": "nielson"},
            "notation must be 'paper', 'nielsen' or 'matrix'; got 'nielson'. Did you mean 'nielsen'?",
        ),
        ({"width": 5}, "width must be a whole number from 20 on; got 5. Use 80, or leave it out."),
        ({"width": "80"}, "width must be a whole number from 20 on; got '80'. Use 80, or leave it out."),
    ],
)
def test_wrong_names(how, message):
    """A wrong format, notation or width is refused with the choices and the nearest of them."""
    with pytest.raises(ValueError, match=f"^{message.replace('?', chr(92) + '?')}$"):
        render(case("weight")[0], **how)


@functools.cache
def deepest():
    """The derivation for 100 layers."""
    return derive([1] * 101, "w[1,0,0]")


@pytest.mark.parametrize("format", FORMATS)
def test_depth_100(format):
    """A network of 100 layers prints in every format, and leaves the recursion limit as it was."""
    derivation, limit = deepest(), sys.getrecursionlimit()
    for notation in NOTATIONS if format in ("text", "numpy") else ("paper",):
        written = render(derivation, format, notation)
        if format == "numpy":
            compile(written, "derivation.py", "exec")
        if format == "json":
            assert from_json(written) == derivation
    assert sys.getrecursionlimit() == limit


def test_text_is_fast():
    """Text of a five-layer derivation takes less than 10 ms."""
    derivation, *_ = case("weight")
    best = min(seconds(lambda: render(derivation, width=80)) for _ in range(7))
    assert best < 0.010


def seconds(call):
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
