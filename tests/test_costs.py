"""What a line costs is what is multiplied when it is evaluated: formula and count agree, and error terms pay."""

from __future__ import annotations

import pytest

from chainrule.derivation import derive
from chainrule.derivation.costs import Costs, Loops, _Formula, _stages
from chainrule.derivation.evaluate import Evaluator
from chainrule.derivation.steps import GRANULARITIES
from chainrule.derivation.verify import example, values_of
from random_derivations import random_case

KINDS = [
    ([3, 2, 3], "w[1,1,1]", {"objective": "cross_entropy", "output": "softmax", "l2": True, "patterns": True}),
    ([2, 3, 2], "b[2,1]", {"output": "softmax", "patterns": True, "bias": True}),
    ([3, 2, 2, 1], "w[2,1,1]", {"objective": "cross_entropy", "output": "logistic", "bias": [True, False, True]}),
    ([2, 2, 1], "w[2,0,1]", {"objective": "cross_entropy", "output": "logistic", "patterns": True}),
    ([2, 3, 2, 2], "y[0,1]", {}),
    ([3, 2], "w[1,1,2]", {}),
    ([1, 1, 1, 1, 1], "w[1,0,0]", {}),
]


def of_line(costs: Costs, number: int) -> tuple[int | None, ...]:
    """What the line of this number costs, for one and for all, with nothing kept and with error terms kept."""
    line = costs.lines[number - 1]
    return line.one, line.every, line.one_kept, line.every_kept


def test_the_figures_of_five_layers_of_64() -> None:
    """Step 19 costs 64(2 + 64(2 + 64(2 + 64·4))); with error terms kept all weights together cost 53,312."""
    costs = derive([64] * 6, "w[1,7,3]").cost()
    step_19 = 64 * (2 + 64 * (2 + 64 * (2 + 64 * 4)))
    assert step_19 == 67_641_472
    others = 64 * (2 + 64 * (2 + 64 * 4)), 64 * (2 + 64 * 4), 64 * 4, 2
    everything = 64 * 64 * (step_19 + sum(others))
    assert everything == 281_457_205_248
    assert of_line(costs, 19) == (step_19, everything, step_19, everything)
    error_terms = 64 * (1 + 4 * 2 * 64)
    assert costs.error_terms == error_terms == 32_832
    assert costs.lines[23].one_kept == 64 + 3 * 64 * 2 * 64 + 2 * 64 + 1 == 24_769
    assert costs.lines[23].every_kept == error_terms + 5 * 64 * 64 == 53_312
    assert all(of_line(costs, number) == (None,) * 4 for number in range(1, 19))


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize(("sizes", "wrt", "how"), KINDS)
def test_the_count_of_every_kind_is_the_formulas(sizes: list[int], wrt: str, how: dict, granularity: str) -> None:
    """For every objective and kind of target, in every granularity, all that is counted is what the formula says."""
    derivation = derive(sizes, wrt, granularity, **how)
    patterns = 3 if derivation.problem.patterns else 1
    counted, formula = derivation.cost(patterns, counted=True), derivation.cost(patterns)
    assert counted.lines == formula.lines
    assert counted.error_terms == formula.error_terms
    assert counted.counted > formula.counted
    assert formula.lines[-1].every_kept is not None


def test_the_count_of_random_networks_is_the_formulas() -> None:
    """On 40 random networks the two agree for every line, for one and for all."""
    for seed in range(40):
        derivation = random_case(seed, widest=3, deepest=3).derivation
        patterns = 2 if derivation.problem.patterns else 1
        counted, formula = derivation.cost(patterns, counted=True), derivation.cost(patterns)
        assert counted.lines == formula.lines, f"seed {seed}"
        assert counted.error_terms == formula.error_terms, f"seed {seed}"


def test_what_is_counted_is_the_line() -> None:
    """The loops that count are worth what the line is worth by the evaluator, error terms kept or not."""
    for sizes, wrt, how in KINDS:
        derivation = derive(sizes, wrt, **how)
        values = values_of(derivation.problem, *example(derivation.problem, 0)[:3])
        for step, stage in zip(derivation.steps, _stages(derivation.steps, derivation.problem.L), strict=True):
            if stage is not None:
                for kept in (False, True):
                    worth = Loops(values, kept).worth(stage.line, stage.lets, {}).value
                    assert worth == pytest.approx(float(Evaluator(values).number(step.line)), rel=1e-12)


@pytest.mark.parametrize("what", ["_of_meaning", "_of_error_term", "_of_sums"])
def test_a_wrong_formula_is_noticed(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """One multiplication too many in any part of the formula is not what is counted."""
    right = getattr(_Formula, what)
    monkeypatch.setattr(_Formula, what, lambda *given: right(*given) + 1)
    derivation = derive([2, 3, 2, 2], "w[1,1,1]")
    assert derivation.cost(counted=True).lines != derivation.cost().lines


def test_deep_networks_have_costs_at_once() -> None:
    """Forty layers cost a number of 25 digits with nothing kept, and a few thousand with error terms kept."""
    costs = derive([4] * 41, "w[1,3,3]").cost()
    assert len(str(costs.lines[-1].one)) == 25
    assert costs.lines[-1].every_kept == costs.error_terms + 40 * 16
    assert max(map(len, str(costs).splitlines())) <= 80


def test_the_table_fits() -> None:
    """As text the costs are a table of at most 80 columns that says what is counted."""
    text = str(derive([64] * 6, "w[1,7,3]").cost())
    assert max(map(len, text.splitlines())) <= 80
    assert "  24         50,864,257    211,646,963,712             24,769             53,312" in text
    assert "lines 1 to 18" in text
    assert "one input and for all inputs" in str(derive([2, 2], "y[0,1]").cost())
    assert "one bias and for all weights and biases" in str(derive([2, 2], "b[1,1]").cost())


def test_what_cannot_be_counted_is_refused() -> None:
    """Patterns that the derivation has not, and networks too large to count one by one, are one sentence."""
    derivation = derive([64, 64, 64], "w[1,1,1]")
    with pytest.raises(ValueError, match=r"^counted must be False for so large a network"):
        derivation.cost(counted=True)
    with pytest.raises(ValueError, match=r"^patterns must be 1 for a derivation for one pattern; got 3\."):
        derivation.cost(3)
    with pytest.raises(ValueError, match=r"^patterns must be a whole number from 1 up; got 0\."):
        derivation.cost(0)
