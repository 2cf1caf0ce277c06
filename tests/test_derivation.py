"""The derivation is the paper's, corrected, for any network; all its lines are equal, and a wrong one is found."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from chainrule import Network, error_terms, forward
from chainrule.activations import Activation
from chainrule.derivation import Derivation, derive
from chainrule.derivation.steps import GRANULARITIES
from chainrule.derivation.terms import (
    D,
    IllFormed,
    Letter,
    Negation,
    Node,
    Product,
    Quotient,
    Reference,
    Same,
    Sum,
    product,
    substituted,
    walk,
)
from chainrule.derivation.verify import WrongLine
from corruptions import Court, corruptions, fates
from handwritten import term
from random_derivations import random_case

PAPER = [6, 8, 7, 5, 4, 3]
"""The paper's network: layer 1 has a node 7, layer 0 nodes 3 and 5."""

A = "-Σ_i (t_i - y_5i) f5'(x_5i)"
B = A + " Σ_j w_5ij f4'(x_4j)"
C = B + " Σ_k w_4jk f3'(x_3k)"
W = C + " Σ_l w_3kl f2'(x_2l)"
Y = W + " Σ_m w_2lm f1'(x_1m)"

TO_THE_LAYER = [
    "∂(½ Σ_i (t_i - y_5i)²)",
    "Σ_i (t_i - y_5i) ∂(t_i - y_5i)",
    "-Σ_i (t_i - y_5i) ∂y_5i",
    "-Σ_i (t_i - y_5i) ∂f5(x_5i)",
    A + " ∂x_5i",
    A + " ∂Σ_j w_5ij y_4j",
    A + " Σ_j w_5ij ∂y_4j",
    A + " Σ_j w_5ij ∂f4(x_4j)",
    B + " Σ_k w_4jk ∂f3(x_3k)",
    C + " Σ_l w_3kl ∂f2(x_2l)",
]
"""Steps 1 to 10, the same for a weight in layer 1 and an input."""

BY_WEIGHT = [
    *TO_THE_LAYER,
    W + " ∂x_2l",
    W + " ∂Σ_m w_2lm y_1m",
    W + " ∂(w_2l7 y_17)",
    W + " w_2l7 ∂y_17",
    W + " w_2l7 ∂f1(x_17)",
    W + " w_2l7 f1'(x_17) ∂x_17",
    W + " w_2l7 f1'(x_17) ∂Σ_n w_17n y_0n",
    W + " w_2l7 f1'(x_17) ∂(w_173 y_03)",
    W + " w_2l7 f1'(x_17) y_03",
    "-Σ_i e_5i Σ_j w_5ij f4'(x_4j) Σ_k w_4jk f3'(x_3k) Σ_l w_3kl f2'(x_2l) w_2l7 f1'(x_17) y_03",
    "-Σ_j e_4j Σ_k w_4jk f3'(x_3k) Σ_l w_3kl f2'(x_2l) w_2l7 f1'(x_17) y_03",
    "-Σ_k e_3k Σ_l w_3kl f2'(x_2l) w_2l7 f1'(x_17) y_03",
    "-Σ_l e_2l w_2l7 f1'(x_17) y_03",
    "-e_17 y_03",
]
"""The 24 steps by w_173, corrected."""

BY_INPUT = [
    *TO_THE_LAYER,
    W + " Σ_m w_2lm ∂f1(x_1m)",
    Y + " ∂x_1m",
    Y + " ∂Σ_n w_1mn y_0n",
    Y + " ∂(w_1m5 y_05)",
    Y + " w_1m5 ∂y_05",
    Y + " w_1m5",
    "-Σ_m e_1m w_1m5",
]
"""The 17 steps by y_05, corrected."""

SENTENCES = re.compile(r"\w.* must .*; got .*\. [A-Z].*\.", re.DOTALL)


def wrong_lines(derivation: Derivation, **how: object) -> list[int]:
    """Numbers of the lines that verify finds wrong on the user's network."""
    return [line.number for line in derivation.verify(**how).lines if not line.ok]


def best_of(times: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs, not counting what other processes take."""
    seconds = []
    for _ in range(times):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)


# --- the paper's own -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "lines"), [("w[1,7,3]", BY_WEIGHT), ("y[0,5]", BY_INPUT)])
def test_paper(name: str, lines: list[str]) -> None:
    """The paper's network gives the paper's 24 and 17 lines, with its numbers, as transcribed and corrected by hand."""
    derivation = derive(PAPER, name)
    assert [step.line for step in derivation.steps] == [term(line) for line in lines]
    assert [step.paper for step in derivation.steps] == [*range(1, len(lines) + 1)]
    assert [step.number for step in derivation.steps] == [*range(1, len(lines) + 1)]


def test_words() -> None:
    """The 24 steps are called what the paper calls them, and refer to the same earlier steps."""
    derivation = derive(PAPER, "w[1,7,3]")
    chain, expand, simplify, repeat = "Apply the chain rule", "Expand a term", "Simplify", "Repeat steps 5 through 8"
    let = ["Let the error term be"] * 5
    first = ["Given", chain, simplify, expand, chain, expand, simplify, expand]
    then = [chain, expand, simplify, simplify, expand, chain, expand, simplify, simplify]
    assert [step.title for step in derivation.steps] == [*first, repeat, repeat, *then, *let]
    same = {step.number: step.as_in for step in derivation.steps if step.as_in}
    assert same == {11: 5, 12: 6, 15: 8, 16: 5, 17: 6, 18: 13, 22: 21, 23: 21, 24: 21}


def test_definitions() -> None:
    """Steps 20 to 24 define the error terms as in the paper, and step 17 of an input names them all."""
    wanted = {
        "e_5i": "(t_i - y_5i) f5'(x_5i)",
        "e_4j": "Σ_i e_5i w_5ij f4'(x_4j)",
        "e_3k": "Σ_j e_4j w_4jk f3'(x_3k)",
        "e_2l": "Σ_k e_3k w_3kl f2'(x_2l)",
        "e_17": "Σ_l e_2l w_2l7 f1'(x_17)",
    }
    lets = [let for step in derive(PAPER, "w[1,7,3]").steps for let in step.lets]
    assert lets == [(term(e), term(meaning)) for e, meaning in wanted.items()]
    of_input = {**wanted, "e_1m": "Σ_l e_2l w_2lm f1'(x_1m)"}
    del of_input["e_17"]
    assert derive(PAPER, "y[0,5]").steps[-1].lets == tuple((term(e), term(one)) for e, one in of_input.items())


@pytest.mark.parametrize(("name", "lines"), [("w[1,7,3]", BY_WEIGHT), ("y[0,5]", BY_INPUT)])
def test_full(name: str, lines: list[str]) -> None:
    """All lines are 30 for both, with those of the paper among them in order."""
    full = [step.line for step in derive(PAPER, name, "full").steps]
    assert len(full) == 30
    places = [full.index(term(line)) for line in lines]
    assert places == sorted(places)


@pytest.mark.parametrize("name", ["w[1,7,3]", "y[0,5]", "b[2,1]", "w[5,1,2]"])
def test_pedantic(name: str) -> None:
    """A pedantic line is the one before with one focus replaced; the full derivation's lines are among them."""
    full, pedantic = derive(PAPER, name, "full"), derive(PAPER, name, "pedantic")
    for before, step in zip(pedantic.steps, pedantic.steps[1:], strict=False):
        assert step.before is not None
        assert step.after is not None
        assert substituted(before.line, step.before, step.after) == step.line
        assert step.before != step.after
    lines = [step.line for step in pedantic.steps]
    places = [lines.index(step.line) for step in full.steps]
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == len(lines) - 1


# --- other networks --------------------------------------------------------------------------------------------------


def repeats_of(derivation: Derivation) -> list[tuple[int, int, int] | None]:
    """First step, last step and times of every repetition."""
    return [step.repeats for step in derivation.steps if step.repeats]


def expected_repeats(between: int) -> list[tuple[int, int, int]]:
    """Steps 5 through 8, once for each of the layers between; of more than three the third and later ones at once."""
    return [(5, 8, 1)] * between if between <= 3 else [(5, 8, 1), (5, 8, 1), (5, 8, between - 2)]


@pytest.mark.parametrize("depth", range(1, 13))
def test_folds(depth: int) -> None:
    """Steps 5 through 8 are repeated for each layer between, and every error term is defined, at any depth."""
    weight, entry = (derive([2] * (depth + 1), name) for name in ("w[1,1,0]", "y[0,1]"))
    assert repeats_of(weight) == expected_repeats(max(depth - 3, 0))
    assert repeats_of(entry) == expected_repeats(max(depth - 2, 0))
    titles = [step.title for step in weight.steps if step.repeats]
    assert titles[2:] == ([f"Repeat steps 5 through 8, {depth - 5} times"] if depth > 6 else titles[2:3])
    defined = [e.layer for step in weight.steps for e, _ in step.lets]
    assert defined == [*range(depth, 0, -1)]
    assert len(weight) == [10, 15, 20, 22, 24, 26, 25, 25, 25, 25, 25, 25][depth - 1]
    assert len(entry) == [10, 14, 15, 16, 17, 17, 17, 17, 17, 17, 17, 17][depth - 1]
    assert len(derive([2] * (depth + 1), "w[1,1,0]", "full")) == 5 * depth + 5


@pytest.mark.parametrize(("name", "steps", "between"), [("w[1,1,2]", 25, 97), ("b[50,1]", 25, 48), ("y[0,2]", 17, 98)])
def test_hundred_layers(name: str, steps: int, between: int) -> None:
    """A network of 100 layers is derived, in as few steps as one of 12, and verified."""
    derivation = derive([3] * 101, name, bias=[layer == 50 for layer in range(1, 101)])
    assert len(derivation) == steps
    assert repeats_of(derivation) == expected_repeats(between)
    assert derivation.verify(generic=1).ok


ENDS = [
    ([3, 2], "w[1,1,2]", {}, "-e_11 y_02"),
    ([3, 2], "b[1,1]", {}, "-e_11"),
    ([3, 2], "y[0,2]", {}, "-Σ_i e_1i w_1i2"),
    ([3, 4, 2], "b[1,3]", {}, "-e_13"),
    ([3, 4, 2], "b[2,1]", {}, "-e_21"),
    ([3, 4, 2], "w[2,1,3]", {}, "-e_21 y_13"),
    ([3, 4, 2], "w[1,3,2]", {"l2": True}, "-e_13 y_02 + λ w_132"),
    ([3, 4, 2], "b[1,3]", {"l2": True}, "-e_13"),
    ([3, 4, 2], "w[1,3,2]", {"patterns": True}, "-(1/S Σ_p s_p e_p13 y_p02)"),
    ([3, 4, 2], "b[2,1]", {"patterns": True, "l2": True}, "-(1/S Σ_p s_p e_p21)"),
    ([3, 4, 2], "w[2,1,3]", {"output": "softmax"}, "-e_21 y_13"),
    ([3, 4, 2], "b[2,1]", {"output": "softmax"}, "-e_21"),
    ([3, 4, 2], "b[2,1]", {"output": "softmax", "objective": "cross_entropy"}, "-e_21"),
    ([3, 4, 2], "y[0,2]", {"output": "softmax", "objective": "cross_entropy"}, "-Σ_j e_1j w_1j2"),
    ([3, 4, 1], "w[1,3,2]", {"output": "logistic", "objective": "cross_entropy"}, "-e_13 y_02"),
]


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize(("sizes", "name", "how", "last"), ENDS)
def test_ends(sizes: list[int], name: str, how: dict[str, object], last: str, granularity: str) -> None:
    """Each kind of target, objective and penalty ends in the error term times what feeds in, as on the page."""
    assert derive(sizes, name, granularity, **how).steps[-1].line == term(last, len(sizes) - 1)


def test_penalised_bias() -> None:
    """Where the penalty counts biases, the derivative by one has λ b beside the error term."""
    net = Network([3, 4, 2], l2=0.1, penalize_bias=True)
    assert derive(net, "b[1,3]").steps[-1].line == term("-e_13 + λ b_13", 2)


DEFINED = [
    ({"output": "softmax", "objective": "cross_entropy"}, "w[1,3,2]", "e_2h", "t_h - y_2h Σ_i t_i"),
    ({"output": "softmax"}, "w[1,3,2]", "e_2h", "Σ_i (t_i - y_2i) y_2i ([i=h] - y_2h)"),
    ({"output": "softmax"}, "b[2,1]", "e_21", "Σ_i (t_i - y_2i) y_2i ([i=1] - y_21)"),
    ({"output": "logistic", "objective": "cross_entropy"}, "w[1,3,2]", "e_2i", "t_i - y_2i"),
]


@pytest.mark.parametrize(("how", "name", "e", "meaning"), DEFINED)
def test_output_error_terms(how: dict[str, object], name: str, e: str, meaning: str) -> None:
    """The error term of the output layer follows from objective and output: no f' where they belong together."""
    lets = [let for step in derive([3, 4, 2], name, bias=True, **how).steps for let in step.lets]
    assert lets[0] == (term(e, 2), term(meaning, 2))


# --- terms -----------------------------------------------------------------------------------------------------------

REFUSED = {
    "f2'(x_1l)": "x of layer 1",
    "f2'(x_3k)": "f of layer 2",
    "w_3kk": "w of layer 3",
    "w_3lk": "w of layer 3",
    "e_0n": "e of layer 0",
    "Σ_k w_173": "a sum over k",
    "Σ_k e_4j": "a sum over k",
    "∂∂y_17": "a ∂",
    "∂e_17": "a ∂",
    "∂(w_2l7 f1'(x_17))": "a ∂",
    "∂w_173 ∂y_05": "a product",
    "w_p173": "w must have no pattern",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    """A term that makes no sense cannot be built, and the sentence says what is wrong with it."""
    with pytest.raises(IllFormed, match=re.escape(REFUSED[text])):
        term(text)


def test_refused_by_hand() -> None:
    """Nor can what no handwriting says: one factor alone, one index compared with itself, weights of no pattern."""
    i = Letter("i", 5)
    y = Reference("y", 5, (i,))
    for make in (
        lambda: Negation(Negation(y)),
        lambda: Quotient(D(y), y),
        lambda: Product((y,)),
        lambda: Product((Product((y, y)), y)),
        lambda: Same(i, i),
        lambda: Same(i, Node(0, 4)),
        lambda: Reference("s", -1, ()),
        lambda: Reference("y", 5, (i,), Letter("p", 4)),
        lambda: D(Sum(i, product(y, D(y)))),
    ):
        with pytest.raises(IllFormed):
            make()


def test_line_with_free_index() -> None:
    """A line that does not sum over one of its indices is no line."""
    step = derive(PAPER, "w[1,7,3]").step(5)
    with pytest.raises(IllFormed, match="got i without a sum"):
        type(step)(5, "chain", step.line.parts[0].parts[0], step.said)


# --- every line is right ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", range(0, 60, 15))
def test_random_derivations(start: int) -> None:
    """All lines of random derivations are equal to one another and to the complex step, to 1e-12.

    The benchmark does 1,000; the largest difference there is 8e-14.
    """
    for seed in range(start, start + 15):
        case = random_case(seed)
        found = case.derivation.verify(inputs=case.inputs, targets=case.targets, weights=case.weights, generic=1)
        lines = [line for one in (found, *found.generic) for line in one.lines]
        assert found.ok, case
        assert max(line.relative_error for line in lines) <= 1e-12, case


def test_tiny_net_values() -> None:
    """The oracle keeps its digits where net values of a gaussian are tiny and negative: here the slope is 1e-24."""
    case = random_case(2239)
    assert case.derivation.verify(inputs=case.inputs, targets=case.targets).ok


def test_fast_enough_for_wide_layers() -> None:
    """All lines of 64-64-64-64-64-64 are verified on two random networks within half a second."""
    derivation = derive([64] * 6, "w[1,7,3]")
    assert best_of(5, derivation.verify) < 0.5


def test_fast_enough_to_be_live() -> None:
    """Five layers are derived and verified within 50 milliseconds."""
    assert best_of(10, lambda: derive(PAPER, "w[1,7,3]").verify()) < 0.05


# --- every wrong line is found ---------------------------------------------------------------------------------------

CORRUPTED = [
    ([3, 3, 2], "w[1,2,1]", "pedantic", {}),
    ([2, 3, 2, 2], "y[0,1]", "paper", {"bias": True}),
    ([2, 3, 3], "b[1,1]", "full", {"objective": "cross_entropy", "output": "softmax", "l2": True, "patterns": True}),
    ([2, 2, 3], "b[2,1]", "pedantic", {"output": "softmax"}),
    ([3, 3, 2], "w[2,1,1]", "pedantic", {"objective": "cross_entropy", "output": "logistic", "l2": True}),
    (PAPER, "w[1,7,3]", "paper", {}),
]


@pytest.mark.parametrize(("sizes", "name", "granularity", "how"), CORRUPTED)
def test_corruptions(sizes: list[int], name: str, granularity: str, how: dict[str, object]) -> None:
    """No one-token corruption of a line passes: it cannot be built, or is found wrong, or is provably the same.

    Every seventh is tried here; the benchmark tries all of 30 derivations.
    """
    found = fates(derive(sizes, name, granularity, **how), every=7)
    assert not found.missed
    assert found.caught.total() > 100
    assert found.refused.total() > 50
    assert found.equal.total() < 0.05 * found.made.total()


def test_deep_and_wide_corruptions() -> None:
    """In 30 layers of 24 nodes, where the worst of rounding would be more than a line is worth, they are found."""
    derivation = derive([24] * 31, "w[1,1,2]")
    court = Court(derivation)
    tried = 0
    for kind, step, make in islice(corruptions(derivation), 0, None, 5):
        if kind in ("factor repeated", "factor dropped", "number") and step.number > 10 and tried < 40:
            with contextlib.suppress(IllFormed):
                assert court.finds_wrong(make()), (kind, step.number)
                tried += 1
    assert tried == 40


def test_corruptions_need_their_judge() -> None:
    """The corruptions do bite: a court that compares lines by nothing lets hundreds pass."""
    derivation = derive([3, 3, 2], "w[1,2,1]")
    blind = Court(derivation, networks=0)
    passed = 0
    for _, _, make in corruptions(derivation):
        try:
            passed += not blind.finds_wrong(make())
        except IllFormed:
            continue
    assert passed > 500


def test_wrong_error_term() -> None:
    """With e[3][2] wrong the line that defines e_3k is the first wrong one, and names it."""
    random = np.random.default_rng(4)
    net, inputs, targets = Network(PAPER, bias=False, seed=3), random.normal(size=(1, 6)), random.normal(size=(1, 3))
    e = [None if a is None else a.copy() for a in error_terms(net, forward(net, inputs), targets)]
    for derivation, number in ((derive(net, "w[1,7,3]"), 22), (derive(net, "w[1,7,3]", "full"), 28)):
        assert derivation.verify(inputs=inputs, targets=targets, error_terms=e).ok
        wrong = [a if a is None else a.copy() for a in e]
        wrong[3][0, 2] *= 1 + 1e-9
        found = derivation.verify(inputs=inputs, targets=targets, error_terms=wrong)
        assert not found.ok
        assert found.first_wrong is not None
        assert found.first_wrong.number == number
        assert "e[3][2] is" in found.first_wrong.differs
        assert derivation.step(number).lets[0][0] == term("e_3k")
        with pytest.raises(WrongLine, match=rf"line {number} must be worth .*e\[3\]\[2\]"):
            derivation.verify(inputs=inputs, targets=targets, error_terms=wrong, strict=True)


def test_wrong_error_term_of_a_pattern() -> None:
    """Over several patterns the pattern is named too."""
    random = np.random.default_rng(5)
    net, inputs, targets = Network([3, 4, 2], seed=3), random.normal(size=(4, 3)), random.normal(size=(4, 2))
    e = [None if a is None else a.copy() for a in error_terms(net, forward(net, inputs), targets)]
    e[2][3, 1] += 1e-6
    found = derive(net, "w[1,3,2]", patterns=True).verify(inputs=inputs, targets=targets, error_terms=e)
    assert found.first_wrong is not None
    assert "e[2][1] of pattern 3" in found.first_wrong.differs


def test_wrong_slope() -> None:
    """A wrong f' leaves all lines equal to one another, and the oracle finds the first one wrong."""
    tanh = Activation("bent", lambda x, p: p.tanh(x), lambda x, p: 1.001 * (1 - p.tanh(x) * p.tanh(x)), check=False)
    net = Network([3, 4, 2], [tanh, "identity"])
    found = derive(net, "w[1,3,2]").verify(inputs=[0.3, -0.5, 0.8], targets=[0.1, -0.4])
    assert [line.number for line in found.lines if not line.ok] == [1]
    assert "complex step" in found.lines[0].differs
    assert not found.ok


@pytest.mark.parametrize(
    ("name", "how", "old", "new"),
    [
        ("w[1,1,2]", {"patterns": True}, "S", "λ"),
        ("w[1,1,2]", {"objective": "cross_entropy", "output": "logistic"}, "1 - y_2i", "y_2i - 1"),
    ],
)
def test_not_finite(name: str, how: dict[str, object], old: str, new: str) -> None:
    """A line that is not finite on the random networks is wrong: over λ = 0, or the logarithm of a negative number."""
    derivation = derive([3, 3, 2], name, **how)
    step = derivation.steps[0]
    there = next(one for one in walk(step.line) if one == term(old, 2))
    assert Court(derivation).finds_wrong(replace(step, line=substituted(step.line, there, term(new, 2))))


@pytest.mark.parametrize(
    ("number", "lost"), [(1, "½"), (2, "(t_i - y_5i) "), (7, "w_5ij"), (13, "y_17"), (19, "y_03"), (24, "e_17")]
)
def test_one_wrong_line(number: int, lost: str) -> None:
    """A line that lost a factor is wrong by its own number, and no other is; all go by the first."""
    derivation = derive(PAPER, "w[1,7,3]")
    steps = [*derivation.steps]
    broken = derivation.step(number)
    line = term(BY_WEIGHT[number - 1].replace(lost, ""))
    assert line != broken.line
    steps[number - 1] = replace(broken, line=line)
    found = Derivation(derivation.problem, "paper", tuple(steps)).verify()
    assert found.first_wrong is not None
    wrong = [one.number for one in found.lines if not one.ok]
    assert wrong == ([number] if number > 1 else [*range(1, 25)])


# --- corners and saturation ------------------------------------------------------------------------------------------


def test_kink() -> None:
    """Where relu bends, both slopes of E are told, and the line that takes one of them is right."""
    net = Network([2, 2, 1], ["relu", "identity"], bias=False)
    net.w[1], net.w[2] = np.array([[1.0, -1.0], [0.5, 0.25]]), np.array([[2.0, 1.0]])
    found = derive(net, "w[1,0,1]").verify(inputs=[1.0, 1.0], targets=[0.3])
    assert found.ok
    assert found.oracle.kinked
    assert sorted([found.oracle.left, found.oracle.right]) == pytest.approx([0, 0.9])
    assert "E has a corner here" in str(found)
    smooth = derive(net, "w[1,0,1]").verify(inputs=[1.0, 0.9], targets=[0.3])
    assert smooth.ok
    assert not smooth.oracle.kinked
    assert "corner" not in str(smooth)


@pytest.mark.parametrize("name", ["w[1,1,0]", "w[2,0,1]", "b[2,1]"])
def test_saturated(name: str) -> None:
    """Lines with the logarithm of a saturated output are lost in rounding, not wrong; the others still are judged."""
    net = Network([2, 3, 2], ["tanh", "logistic"], "cross_entropy")
    net.w[2] *= 1000
    found = derive(net, name).verify(inputs=[1.0, -0.7], targets=[1.0, 0.0])
    assert found.ok
    lost = [not np.isfinite(line.value) for line in found.lines]
    assert lost[0]
    assert not lost[-1]
    assert found.lines[-1].expected == found.oracle.value
    assert all(np.isfinite(line.value) for one in found.generic for line in one.lines)
    assert str(found)


# --- wrong input -----------------------------------------------------------------------------------------------------

NET = Network([3, 4, 2], seed=0)

BAD_DERIVE: dict[str, Callable[[], object]] = {
    "a weight like 'w[1,7,3]'": lambda: derive(PAPER, "v[1,7,3]"),
    "got 'w[1,7]'": lambda: derive(PAPER, "w[1,7]"),
    "got 17": lambda: derive(PAPER, 17),  # type: ignore[arg-type]
    "one of the layers 1 to 5; got 'w[6,0,0]'": lambda: derive(PAPER, "w[6,0,0]"),
    "one of the layers 1 to 5; got 'w[0,0,0]'": lambda: derive(PAPER, "w[0,0,0]"),
    "a node from 0 to 7 in layer 1": lambda: derive(PAPER, "w[1,8,3]"),
    "a node from 0 to 5 in layer 0": lambda: derive(PAPER, "w[1,7,6]"),
    "got 'y[0,6]'": lambda: derive(PAPER, "y[0,6]"),
    "an input, y[0,k]": lambda: derive(PAPER, "y[2,1]"),
    "a bias of layer 1": lambda: derive(Network([3, 2], bias=False), "b[1,0]"),
    "sizes must": lambda: derive([3], "w[1,0,0]"),
    "granularity must be": lambda: derive(PAPER, "w[1,7,3]", "short"),
    "objective must be": lambda: derive(PAPER, "w[1,7,3]", objective="huber"),
    "objective must be 'sse' or 'cross_entropy' to be derived": lambda: derive(
        Network([2, 1], objective="huber"), "w[1,0,0]"
    ),
    "output must be": lambda: derive(PAPER, "w[1,7,3]", output="tanh"),
    "l1 must be 0": lambda: derive(Network([2, 1], l1=0.1), "w[1,0,0]"),
    "l2 must be left out": lambda: derive(NET, "w[1,0,0]", l2=True),
    "patterns must be False": lambda: derive(PAPER, "y[0,5]", patterns=True),
    "number must be that of a step, from 1 to 24; got 25": lambda: derive(PAPER, "w[1,7,3]").step(25),
    "got 0": lambda: derive(PAPER, "w[1,7,3]").step(0),
}


@pytest.mark.parametrize("said", BAD_DERIVE)
def test_what_cannot_be_derived(said: str) -> None:
    """Whatever is asked wrongly of derive is one clear sentence."""
    with pytest.raises(ValueError, match=re.escape(said)) as found:
        BAD_DERIVE[said]()
    assert SENTENCES.fullmatch(str(found.value))


ROW, T = [0.1, 0.2, 0.3], [0.5, -0.5]

BAD_VERIFY: dict[str, tuple[object, ...]] = {
    "inputs must have": (NET, [0.1, 0.2], T),
    "targets must have": (NET, ROW, [1.0, 2.0, 3.0]),
    "one pattern; got 2 and 2 rows": (NET, [ROW, ROW], [T, T]),
    "one pattern; got 1 and 2 rows": (NET, ROW, [T, T]),
    "targets must be given": (NET, ROW, None),
    "inputs must be given": (NET, None, T),
    "net must be a Network; got NoneType": (None, ROW, T),
    "net must be a Network; got list": ([3, 4, 2], ROW, T),
    "finite": (NET, [0.1, np.nan, 0.3], T),
    "must be finite to be verified": (NET, ROW, [np.nan, 1.0]),
    "net must be of the derivation's shape": (Network([3, 5, 2]), ROW, T),
    "without biases": (Network([3, 4, 2], bias=False), ROW, T),
    "got [3, 4, 2], with biases, cross_entropy": (
        Network([3, 4, 2], objective="cross_entropy"),
        ROW,
        T,
    ),
    "L2": (Network([3, 4, 2], l2=0.1), ROW, T),
}


@pytest.mark.parametrize("said", BAD_VERIFY)
def test_what_cannot_be_verified(said: str) -> None:
    """Whatever is given wrongly to verify is one clear sentence."""
    derivation = derive([3, 4, 2], "w[1,3,2]", bias=True)
    with pytest.raises(ValueError, match=re.escape(said)) as found:
        derivation.verify(*BAD_VERIFY[said])
    assert SENTENCES.fullmatch(str(found.value))


def test_wrong_weights_of_patterns() -> None:
    """Weights must be one for each of several patterns."""
    derivation = derive(NET, "w[1,3,2]", patterns=True)
    with pytest.raises(ValueError, match=r"weights must have shape \(patterns,\)"):
        derive(NET, "w[1,3,2]").verify(inputs=ROW, targets=T, weights=[1.0])
    with pytest.raises(ValueError, match=r"weights must have shape \(patterns,\)"):
        derivation.verify(inputs=[ROW, ROW], targets=[T, T], weights=[1.0, 2.0, 3.0])
    assert derivation.verify(inputs=[ROW, ROW], targets=[T, T], weights=[1.0, 2.0]).ok
