"""SymPy, which shares nothing with the rules, proves every line of a derivation, and only right lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chainrule.derivation import derive
from chainrule.derivation.steps import GRANULARITIES
from chainrule.derivation.terms import Apply, D, Node, Product, Reference, Term, negation, product, substituted, walk
from random_derivations import random_case

TARGETS = [
    *(f"w[{i},{j},{k}]" for i in (1, 2) for j in (0, 1) for k in (0, 1)),
    *(f"b[{i},{j}]" for i in (1, 2) for j in (0, 1)),
    "y[0,0]",
    "y[0,1]",
]

KINDS: list[tuple[list[int], str, dict[str, Any]]] = [
    ([3, 4, 3], "w[1,2,1]", {"objective": "cross_entropy", "output": "softmax", "l2": True, "patterns": True}),
    ([3, 3, 3], "b[2,2]", {"objective": "cross_entropy", "output": "softmax"}),
    ([3, 4, 1], "b[1,2]", {"objective": "cross_entropy", "output": "logistic", "l2": True}),
    ([3, 2, 2], "w[2,1,1]", {"objective": "cross_entropy", "output": "logistic", "patterns": True}),
    ([3, 4, 3], "y[0,1]", {"output": "softmax", "bias": True}),
    ([3, 2], "w[1,1,2]", {"patterns": True, "l2": True}),
    ([5, 1, 5], "w[1,0,4]", {}),
]


@pytest.mark.parametrize("wrt", TARGETS)
def test_every_target_of_two_layers_is_proved(wrt: str) -> None:
    """All 14 weights, biases and inputs of 2-2-2 are proved, every line of them."""
    derivation = derive([2, 2, 2], wrt, bias=True)
    proof = derivation.prove()
    assert proof, str(proof)
    assert [line.number for line in proof.lines] == list(range(1, len(derivation) + 1))
    assert proof.sizes == (2, 2, 2)


@pytest.mark.parametrize("wrt", ["w[1,1,0]", "w[2,0,1]", "w[3,1,1]", "w[4,0,0]", "w[5,1,0]", "y[0,1]"])
def test_a_target_of_every_layer_of_five_is_proved(wrt: str) -> None:
    """One weight of each layer of 2-2-2-2-2-2, and an input."""
    assert derive([2] * 6, wrt).prove()


@pytest.mark.parametrize(("sizes", "wrt", "how"), KINDS)
def test_every_kind_is_proved(sizes: list[int], wrt: str, how: dict[str, Any]) -> None:
    """Every objective, output, penalty, several patterns: every single move of it."""
    proof = derive(sizes, wrt, "pedantic", **how).prove()
    assert proof, str(proof)
    assert max(proof.sizes) == 2


def test_random_derivations_are_proved() -> None:
    """Fifteen random derivations of one or two layers, of all objectives and granularities."""
    derivations = [random_case(seed, widest=2, deepest=2).derivation for seed in range(15)]
    assert {derivation.granularity for derivation in derivations} == set(GRANULARITIES)
    for derivation in derivations:
        assert derivation.prove(), f"{derivation.problem}: {derivation.prove()}"


def test_the_papers_derivation_is_proved_on_a_copy() -> None:
    """Of 6-8-7-5-4-3 the copy has two nodes a layer, and node 7 is one of them."""
    proof = derive([6, 8, 7, 5, 4, 3], "w[1,7,3]").prove()
    assert proof
    assert (proof.sizes, proof.target) == ((2,) * 6, "w[1][1,1]")
    assert derive([3, 3, 3], "w[1,2,0]").prove(narrow=3).sizes == (3, 3, 3)


# ------------------------------------------------------------------------------------------------------ it can fail


def corruptions(line: Term) -> Iterator[Term]:
    """The line with a factor dropped, a prime dropped, a sign changed, another node, or another pending ∂."""
    for term in walk(line):
        if isinstance(term, Product):
            for n, factor in enumerate(term.factors):
                rest = term.factors[:n] + term.factors[n + 1 :]
                if not factor.pending and not {letter for one in rest for letter in one.free} < term.free:
                    yield substituted(line, term, product(*rest))
        if isinstance(term, Apply) and term.primed:
            yield substituted(line, term, Apply(term.layer, term.argument))
        if isinstance(term, Reference):
            for n, node in enumerate(term.nodes):
                if isinstance(node, Node):
                    nodes = (*term.nodes[:n], Node(node.number - 1, node.layer), *term.nodes[n + 1 :])
                    yield substituted(line, term, replace(term, nodes=nodes))
        if isinstance(term, D):
            yield substituted(line, term, D(product(term.term, term.term)))
    yield negation(line)


@pytest.mark.parametrize(
    ("sizes", "wrt", "how"),
    [
        ([4, 5, 3, 2], "w[1,4,3]", {"l2": True}),
        ([3, 3], "y[0,2]", {"objective": "cross_entropy", "output": "softmax"}),
    ],
)
def test_no_corrupted_line_is_proved(sizes: list[int], wrt: str, how: dict[str, Any]) -> None:
    """Every corruption of every line is not proved, among the right lines, which are."""
    derivation = derive(sizes, wrt, **how)
    steps = [derivation.steps[0]]
    for step in derivation.steps[1:]:
        steps += [step, *(replace(step, number=0, line=line) for line in corruptions(step.line))]
    lines = replace(derivation, steps=tuple(steps)).prove().lines
    assert len(lines) > 2 * len(derivation) + 20
    for step, line in zip(steps, lines, strict=True):
        assert line.ok == (step.number > 0), step.line


def test_a_wrong_error_term_is_not_proved() -> None:
    """If e is let be something else, the lines that hold it are not equal to line 1."""
    derivation = derive([2, 2, 2, 2], "w[1,1,1]")
    number = next(step.number for step in derivation.steps if step.lets and step.lets[0][0].layer == 2)
    step = derivation.step(number)
    ((e, meaning),) = step.lets
    *factors, _ = meaning.parts[0].parts
    wrong = substituted(meaning, meaning.parts[0], product(*factors))
    steps = [replace(one, lets=((e, wrong),)) if one is step else one for one in derivation.steps]
    proof = replace(derivation, steps=tuple(steps)).prove()
    assert [line.number for line in proof.lines if not line.ok] == list(range(number, len(derivation) + 1))
    assert proof.first_wrong is not None
    assert f"line {number} is not equal to line 1" in str(proof)


# ------------------------------------------------------------------------------------------------------ what it says


def test_without_sympy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """SymPy is an extra: where it is missing, one sentence names the command that installs it."""
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"^sympy must be installed .* Run pip install 'chainrule\[prove\]'\.$"):
        derive([2, 2], "w[1,1,1]").prove()


def test_what_is_too_large_is_refused() -> None:
    """Networks too deep to be multiplied out are refused, with what to do; one node a layer is narrow enough."""
    with pytest.raises(ValueError, match=r"^derivation must have at most 2,048 paths .* Use verify_exact\(\)"):
        derive([2] * 12, "w[1,1,1]").prove()
    assert derive([2] * 12, "w[1,1,1]").prove(narrow=1)
    with pytest.raises(ValueError, match=r"^narrow must be a whole number from 1 up; got 0\."):
        derive([2, 2], "w[1,1,1]").prove(narrow=0)


def test_it_is_one_sentence() -> None:
    """As text a proof is one sentence of at most 80 columns."""
    text = str(derive([3, 3, 3], "w[1,2,1]").prove())
    assert text.startswith("all 15 lines are proved equal, on 2-2-2 by w[1][1,1]")
    assert text.endswith(" s ✓")
    assert len(str(derive([2] * 21, "w[1,1,1]").prove(narrow=1))) <= 80
