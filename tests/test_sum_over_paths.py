"""The last line before "let e be" is a sum over paths, the largest of which are found among any number of them."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest

from chainrule import Network, forward
from chainrule.derivation import derive
from random_derivations import random_case


def test_the_paths_of_the_paper_are_those_of_the_formula() -> None:
    """Every path of a 3-4-2-3 network is −(t−y) f'₃ w f'₂ w f'₁ y for its nodes; they are listed by size."""
    random = np.random.default_rng(0)
    net = Network([3, 4, 2, 3], "tanh", bias=False, seed=1)
    inputs, t = random.normal(size=3), random.normal(size=3)
    found = derive(net, "w[1,2,1]").paths(net, inputs, t, most=6)
    trace = forward(net, inputs[None, :])
    slope = [None, *(net.f_prime[i](trace.x[i])[0] for i in (1, 2, 3))]
    y = trace.y[3][0]
    expected = {
        (i, j, 2, 1): -(t[i] - y[i])
        * slope[3][i]
        * net.w[3][i, j]
        * slope[2][j]
        * net.w[2][j, 2]
        * slope[1][2]
        * inputs[1]
        for i, j in product(range(3), range(2))
    }
    assert found.count == 6
    assert [path.nodes for path in found.largest] == sorted(expected, key=lambda nodes: -abs(expected[nodes]))
    for path in found.largest:
        assert path.contribution == pytest.approx(expected[path.nodes], rel=1e-13)
    assert found.total == pytest.approx(sum(expected.values()), rel=1e-12)
    assert found.absolute == pytest.approx(sum(map(abs, expected.values())), rel=1e-12)


def test_all_paths_of_random_derivations_add_up_to_the_line() -> None:
    """For 100 random derivations: all paths listed add up to the total, that to the line, and none is listed twice."""
    for seed in range(100):
        case = random_case(seed, widest=4, deepest=4)
        found = case.derivation.paths(None, case.inputs, case.targets, weights=case.weights, most=5000)
        contributions = [path.contribution for path in found.largest]
        room = 1e-13 * (found.absolute + abs(found.beside))
        assert len(contributions) == found.count
        assert len({(path.pattern, path.nodes) for path in found.largest}) == found.count
        assert abs(sum(contributions) - found.total) <= room
        assert abs(found.total + found.beside - found.line) <= room
        sizes = np.abs(contributions)
        assert (sizes[1:] <= sizes[:-1] * (1 + 1e-12)).all()
        few = case.derivation.paths(None, case.inputs, case.targets, weights=case.weights, most=3)
        assert few.largest == found.largest[:3]


def test_the_line_is_that_of_the_verification() -> None:
    """The line that is summed up is worth what the gradient is."""
    case = random_case(7)
    found = case.derivation.paths(None, case.inputs, case.targets, weights=case.weights)
    verified = case.derivation.verify(None, case.inputs, case.targets, weights=case.weights)
    assert found.line == verified.lines[found.number - 1].value
    assert found.line == pytest.approx(verified.oracle.value, rel=1e-10)


def test_the_largest_of_millions_are_found_at_once() -> None:
    """Of 64⁴ paths the 100 largest take no seconds, and the sum of all is the line."""
    derivation = derive([64] * 6, "w[1,7,3]")
    start = time.perf_counter()
    found = derivation.paths(most=100)
    assert time.perf_counter() - start < 5
    assert found.count == 64**4
    assert len({path.nodes for path in found.largest}) == 100
    assert found.total == pytest.approx(found.line, rel=1e-9)
    assert {path.nodes[-2:] for path in found.largest} == {(7, 3)}


def test_the_largest_of_thousands_are_those_of_all() -> None:
    """Of 7-6-5-4 = 840 paths the twenty largest are the first twenty of all of them, sorted."""
    derivation = derive([2, 3, 4, 5, 6, 7], "w[1,1,1]")
    everything = sorted(derivation.paths(most=840).largest, key=lambda path: -abs(path.contribution))
    assert len(everything) == 840
    assert derivation.paths(most=20).largest == tuple(everything[:20])


def test_paths_without_contribution_are_left_out() -> None:
    """Dead nodes let nothing through: their paths are counted, not listed."""
    net = Network([2, 3, 2], ["relu", "identity"], bias=False)
    net.w[1] = [[1.0, 1.0], [-1.0, -1.0], [1.0, 2.0]]
    found = derive(net, "y[0,1]").paths(net, [1.0, 1.0], [5.0, 5.0], most=10)
    assert found.count == 6
    assert {path.nodes[1] for path in found.largest} == {0, 2}
    dead = derive(net, "w[1,1,0]").paths(net, [1.0, 1.0], [5.0, 5.0])
    assert dead.largest == ()
    assert dead.total == dead.line == 0
    assert "sum over 2 paths is" in str(dead)


def test_patterns_and_the_penalty_are_shown() -> None:
    """Over several patterns a path belongs to one, weighted; the penalty stands beside the sum."""
    derivation = derive([2, 2, 2], "w[1,1,1]", patterns=True, l2=True)
    found = derivation.paths(most=4)
    assert found.count == 3 * 2
    assert {path.pattern for path in found.largest} <= {0, 1, 2}
    text = str(found)
    assert "pattern 2: " in text or "pattern 1: " in text
    assert "slope of the penalty" in text


def test_the_table_fits() -> None:
    """As text the paths are a table of at most 80 columns, even of forty layers."""
    for sizes in ([64] * 6, [4] * 41):
        text = str(derive(sizes, "w[1,3,3]").paths())
        assert max(map(len, text.splitlines())) <= 80
        assert len(text.splitlines()) == 12


def test_most_must_be_a_number() -> None:
    """most counts paths."""
    with pytest.raises(ValueError, match=r"^most must be a whole number from 0 up; got -1\."):
        derive([2, 2], "w[1,1,1]").paths(most=-1)
    assert derive([2, 2], "w[1,1,1]").paths(most=0).largest == ()
