"""In fractions, all lines of a derivation are equal, not nearly equal, and equal to what values of E alone say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from chainrule import Network, backprop
from chainrule.activations import Activation
from chainrule.derivation import Derivation, derive
from chainrule.derivation.exact import Polynomial, _Case, _slope
from chainrule.derivation.steps import GRANULARITIES
from chainrule.derivation.terms import Apply, Product, Term, product, substituted, walk
from random_derivations import random_case


def test_a_hundred_random_derivations_are_exact() -> None:
    """Every line of 100 random derivations is equal to line 1 as a fraction, and line 1 to the oracle."""
    for seed in range(100):
        derivation = random_case(seed, widest=3, deepest=4).derivation
        found = derivation.verify_exact(seed)
        assert found, f"{derivation.problem.name}\n{found}"
        assert len(found.lines) == len(derivation)
        assert len({line.value for line in found.lines}) == 1
        assert all(type(line.value) is Fraction for line in found.lines)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_the_papers_derivation_is_exact(granularity: str) -> None:
    """The paper's network, each layer with a polynomial of its own, in the three granularities."""
    derivation = derive([2, 4, 2, 3, 2, 2], "w[1,3,1]", granularity)
    assert derivation.verify_exact()
    assert derivation.verify_exact(1).lines[0].value != derivation.verify_exact(2).lines[0].value


def test_a_deep_derivation_is_exact() -> None:
    """Thirty layers take no longer numbers than six, since most of them are straight lines."""
    found = derive([2] * 31, "b[7,1]").verify_exact()
    assert found
    assert len(str(found.lines[0].value)) < 2000


# --------------------------------------------------------------------------------------------------------- it can fail


def corrupted(derivation: Derivation, number: int, line: Term) -> Derivation:
    """The derivation with another line of this number, whose step says nothing of a focus."""
    steps = list(derivation.steps)
    steps[number - 1] = replace(steps[number - 1], line=line, before=None, after=None)
    return replace(derivation, steps=tuple(steps))


def test_every_dropped_factor_is_noticed() -> None:
    """Leaving out any factor of any line makes that line, and no other, unequal."""
    derivation = derive([2, 2, 2], "w[1,1,1]", l2=True, bias=True)
    dropped = 0
    for step in derivation.steps[1:]:
        for term in walk(step.line):
            if not isinstance(term, Product) or (term.pending and len(term.factors) == 2):
                continue
            for n, factor in enumerate(term.factors):
                rest = term.factors[:n] + term.factors[n + 1 :]
                if factor.pending or {letter for one in rest for letter in one.free} < term.free:
                    continue  # a sum over nothing cannot be built
                found = corrupted(derivation, step.number, substituted(step.line, term, product(*rest))).verify_exact()
                assert [line.number for line in found.lines if not line.ok] == [step.number]
                assert found.first_wrong is not None
                assert found.first_wrong.differs
                dropped += 1
    assert dropped > 30


def test_a_prime_left_out_is_noticed() -> None:
    """f in place of f' is unequal, in any layer."""
    derivation = derive([2, 2, 2, 2], "y[0,1]")
    line = derivation.steps[-2].line
    primed = [term for term in walk(line) if isinstance(term, Apply) and term.primed]
    assert len(primed) == 3
    for term in primed:
        without = substituted(line, term, Apply(term.layer, term.argument))
        assert not corrupted(derivation, len(derivation) - 1, without).verify_exact()


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_wrong_error_term_of_the_page_is_noticed(monkeypatch: pytest.MonkeyPatch, layer: int) -> None:
    """The page itself runs on fractions: one wrong error term of it makes the line wrong that lets it be."""
    of_page: Callable[..., Any] = backprop.error_terms

    def wrong(*given: Any) -> Any:
        e = of_page(*given)
        e[layer][0, 1] += Fraction(1, 10**30)
        return e

    derivation = derive([2, 2, 2, 2], "w[1,1,0]")
    first = next(step.number for step in derivation.steps if any(let.layer == layer for let, _ in step.lets))
    monkeypatch.setattr(backprop, "error_terms", wrong)
    found = derivation.verify_exact()
    assert found.first_wrong is not None
    assert found.first_wrong.number == first
    assert f"layer {layer}" in found.first_wrong.differs


@pytest.mark.parametrize("output", ["", "logistic", "softmax"])
def test_a_wrong_slope_is_noticed_by_the_oracle(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    """With a wrong f' all lines are equal to one another, and wrong: the oracle says so at line 1."""
    objective = "cross_entropy" if output else "sse"
    derivation = derive(
        [2, 3, 1 if output == "logistic" else 2], "w[1,2,1]", objective=objective, output=output or None
    )
    assert derivation.verify_exact()
    right = Polynomial.prime.fget
    assert right is not None
    monkeypatch.setattr(Polynomial, "prime", property(lambda f: Polynomial((*right(f).coefficients, Fraction(1)))))
    found = derivation.verify_exact()
    assert [line.number for line in found.lines if not line.ok] == [1]
    assert len({line.value for line in found.lines}) == 1


# ----------------------------------------------------------------------------------------------------------- its parts


def test_the_oracle_is_exact_for_polynomials_of_its_degree_only() -> None:
    """Values at 0, 1, …, n give the slope of x^n, n = 1 to 12, shifted; one value fewer does not."""
    for n in range(1, 13):
        at = Fraction(2, 3)
        slope = n * at ** (n - 1)
        assert _slope(lambda step, n=n, at=at: np.array([(at + step) ** n], dtype=object), n)[0] == slope
        assert _slope(lambda step, n=n, at=at: np.array([(at + step) ** n], dtype=object), n - 1)[0] != slope


def test_layers_have_different_curves() -> None:
    """No two layers have the same f', and at most five are curved."""
    polynomials = _Case(derive([2] * 9, "w[1,1,1]").problem, np.random.default_rng(0)).polynomials
    assert len({f.prime for f in polynomials.values()}) == 8
    assert sorted(f.degree for f in polynomials.values()) == [1, 1, 1, 2, 2, 2, 2, 3]


def test_the_page_keeps_fractions() -> None:
    """A network that holds fractions feeds forward and back in fractions."""
    f = Polynomial((Fraction(0), Fraction(0), Fraction(1)))
    net = Network([2, 2, 1], [Activation("square", f, f.prime, check=False)] * 2, bias=False)
    net = net.replace(np.array([Fraction(1, n) for n in range(3, 9)], dtype=object))
    trace = backprop.forward(net, [[Fraction(1, 3), 2]])
    e = backprop.error_terms(net, trace, [[5]])
    assert trace.x[1][0, 0] == Fraction(1, 9) + Fraction(1, 2)
    assert e[2][0, 0] == (5 - trace.y[2][0, 0]) * 2 * trace.x[2][0, 0]
    assert e[1][0, 0] == e[2][0, 0] * Fraction(1, 7) * 2 * trace.x[1][0, 0]


def test_the_table_fits() -> None:
    """As text it is a table of at most 80 columns, long fractions shortened, wrong lines marked."""
    derivation = derive([2, 2, 2, 2, 2], "w[1,1,1]")
    text = str(derivation.verify_exact())
    assert text.count("✓") == len(derivation)
    assert max(map(len, text.splitlines())) <= 80
    assert "characters)" in text
    wrong = str(corrupted(derivation, 5, derivation.steps[0].line.parts[0]).verify_exact())
    assert wrong.count("✗") == 1
    assert "not what the reason says" in wrong
