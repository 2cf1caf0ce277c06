"""The rules of the paper, each a move from one line to the next, one application at a time.

The chain rule, the power rule, expanding a term, dropping constants, sums of which one term varies, constant factors,
swapping sums, and letting e be. A rule looks at the pending ∂ alone, or, when none is left, at the outermost sums. Its
letters: those of :mod:`chainrule.derivation.terms`; the focus is the part of the line that changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chainrule.derivation.problem import SPREAD, Problem
from chainrule.derivation.terms import (
    HALF,
    ONE,
    TWO,
    Addition,
    Apply,
    D,
    Difference,
    Index,
    Letter,
    Log,
    Negation,
    Node,
    Product,
    Quotient,
    Reference,
    Same,
    Square,
    SquaredWeights,
    Sum,
    Symbol,
    Term,
    addition,
    pending,
    pending_path,
    product,
    renamed,
    substituted,
    walk,
)


@dataclass(frozen=True)
class Said:
    """A sentence with terms and indices in it, {0}, {1} …, which every printer writes in its own way."""

    text: str
    terms: tuple[Term | Index, ...] = ()


Let: TypeAlias = tuple[Reference, Term]
"""An error term and what it stands for."""


@dataclass(frozen=True)
class Move:
    """One application of a rule.

    Attributes
    ----------
    rule : str
        "chain", "power", "expand", "constants", "factor", "linear", "collapse", "swap", "one", "let" …
    group : tuple of str and int
        The paper's step to which it belongs: moves of one group are one line there.
    before, after : Term
        The focus, and what takes its place.
    said : Said
        The reason.
    lets : tuple of Let
    """

    rule: str
    group: tuple[str, int]
    before: Term
    after: Term
    said: Said
    lets: tuple[Let, ...] = ()


def next_move(problem: Problem, line: Term) -> Move | None:
    """What the paper does with this line; none if it is the last."""
    focus = pending(line)
    if focus is None:
        return _let_be(problem, line)
    return _tidied(problem, line, focus) or _worked_out(problem, focus)


# --- while a ∂ is pending --------------------------------------------------------------------------------------------


def _worked_out(problem: Problem, focus: D) -> Move:  # noqa: PLR0911  one case a kind of term
    """The rule that the term under ∂ asks for."""
    match focus.term:
        case Reference() as term:
            return _expanded(problem, focus, term)
        case Apply(layer, argument) as term:
            slope = Apply(layer, argument, primed=True)
            said = Said(
                "The derivative of the function, {0}, times the derivative of the inside, ∂{1}.", (slope, argument)
            )
            return Move("chain", ("chain", layer), focus, product(slope, D(argument)), said)
        case Square(Reference() as w):
            said = Said("The power rule: the derivative of {0} by {1} is {2}.", (focus.term, w, product(TWO, w)))
            return Move("power", ("penalty", 0), focus, product(TWO, w), said)
        case Square(inside):
            said = Said("The power rule: twice what is squared, {0}, times ∂ of it.", (inside,))
            return Move("power", ("power", 0), focus, product(TWO, inside, D(inside)), said)
        case Log(inside):
            said = Said("The slope of the logarithm at {0} is 1/{0}; times ∂ of the inside.", (inside,))
            return Move("chain", ("power", 0), focus, product(Quotient(ONE, inside), D(inside)), said)
        case SquaredWeights():
            said = Said("All squares are constants but that of {0}, and are dropped.", (problem.target,))
            return Move("collapse", ("penalty", 0), focus, D(Square(problem.target)), said)
        case Difference(left, right):
            said = Said("{0} does not depend on {1}: a constant term is dropped.", (left, problem.target))
            return Move("constants", ("constants", 0), focus, D(Negation(right)), said)
        case Negation(term):
            said = Said("The factor −1 is a constant, and goes in front of ∂.")
            return Move("factor", _group(problem, term), focus, Negation(D(term)), said)
        case Addition() as term:
            return _added(problem, focus, term)
        case Sum() as term:
            return _summed(problem, focus, term)
        case Product() as term:
            return _multiplied(problem, focus, term)
    raise TypeError(f"∂ must stand before a term that has a rule; got {type(focus.term).__name__}. Build it by derive.")


def _group(problem: Problem, term: Term) -> tuple[str, int]:
    """The step of the paper to which it belongs that ∂ of this term is worked out."""
    found = list(walk(term))
    if any(isinstance(one, SquaredWeights) for one in found):
        return ("penalty", 0)
    if any(isinstance(one, Reference) and one.letter == "s" for one in found):
        return ("patterns", 0)
    if any(isinstance(one, Reference) and one.letter == "t" for one in found):
        return ("power", 0)
    w = next((one for one in found if isinstance(one, Reference) and one.letter in "wb"), None)
    if w is None:
        return ("constants", 0)
    sums = [one for one in found if isinstance(one, Sum)]
    if sums:
        everything = problem.varies(sums[0]) and problem.only(sums[0]) is None
        return ("pull" if everything else "collapse", w.layer)
    if isinstance(w.nodes[-1], Letter):
        return ("pull", w.layer)
    return ("one", 0) if problem.target in found and problem.target.letter != "y" else ("factor", w.layer)


def _expanded(problem: Problem, focus: D, term: Reference) -> Move:
    """What the letter stands for; or the derivative of the target by itself, which is 1."""
    if term == problem.target:
        return Move("one", ("one", 0), focus, ONE, Said("∂{0}/∂{0} = 1.", (term,)))
    node = term.nodes[0]
    if term.letter == "x":
        inside = problem.net_value(node)
        bias = ", and the bias" if isinstance(inside, Addition) else ""
        said = Said(f"{{0}} is what comes in through the weights{bias}: {{1}}.", (term, inside))
        return Move("expand", ("expand x", node.layer), focus, D(inside), said)
    if problem.spreads(node.layer):
        h = Letter(SPREAD, node.layer)
        x, slope = problem.value("x", h), product(term, Difference(Same(node, h), problem.value("y", h)))
        said = Said(
            "Every output of softmax depends on every net value of its layer, so the chain rule adds up over them all. "
            "The slope of {0} by {1} is {2}, where [ ] is 1 if both are the same node, else 0.",
            (term, x, slope),
        )
        return Move("chain", ("spread", 0), focus, Sum(h, product(slope, D(x))), said)
    applied = Apply(node.layer, problem.value("x", node))
    said = Said("{0} is the activation function of its net value, {1}.", (term, applied))
    return Move("expand", ("expand y", node.layer), focus, D(applied), said)


def _added(problem: Problem, focus: D, term: Addition) -> Move:
    """Terms that do not depend on the target are dropped; several that do are differentiated one by one."""
    varying = [one for one in term.terms if problem.varies(one)]
    group = ("sum rule", 0) if term.terms[-1] == problem.penalty else _group(problem, term)
    if len(varying) == 1:
        constant = next(one for one in term.terms if one is not varying[0])
        said = Said("{0} does not depend on {1}: a constant term is dropped.", (constant, problem.target))
        return Move("constants", group, focus, D(varying[0]), said)
    if group[0] == "sum rule":
        said = Said("The derivative of a sum is the sum of the derivatives.")
        return Move("linear", group, focus, addition(*(D(one) for one in term.terms)), said)
    first, second = (one.parts for one in term.terms)  # t log y and (1 - t) log(1 - y)
    (y,) = first[-1].parts
    after = product(Difference(Quotient(first[0], y), Quotient(second[0], Difference(ONE, y))), D(y))
    said = Said("The slope of log {0} is 1/{0}, and that of log(1 − {0}) is −1/(1 − {0}), by the chain rule.", (y,))
    return Move("chain", ("power", 0), focus, after, said)


def _summed(problem: Problem, focus: D, term: Sum) -> Move:
    """∂ moves into a sum; or, if one term of the sum alone varies, all others are dropped."""
    node = problem.only(term)
    if node is not None:
        return Move(
            "collapse", _group_of_collapse(problem, term), focus, D(_at(term, node)), _only(problem, term, node)
        )
    said = Said("The derivative of a sum is the sum of the derivatives: ∂ goes behind the sum.")
    return Move("linear", _group(problem, term), focus, Sum(term.index, D(term.body)), said)


def _multiplied(problem: Problem, focus: D, term: Product) -> Move:
    """Constant factors go in front of ∂; where one term alone of a sum varies, the others are dropped first."""
    of_pattern = isinstance(term.factors[0], Reference) and term.factors[0].letter == "s"
    for one in () if of_pattern else term.factors:
        node = problem.only(one) if isinstance(one, Sum) and problem.pattern != one.index else None
        if isinstance(one, Sum) and node is not None:
            after = D(substituted(term, one, _at(one, node)))
            return Move("collapse", _group_of_collapse(problem, one), focus, after, _only(problem, one, node))
    constant = [one for one in term.factors if not problem.varies(one)]
    if of_pattern:
        constant = [term.factors[0]]  # so that what follows is that of one pattern
    varying = product(*(one for one in term.factors if not any(one is c for c in constant)))
    said = Said(
        "{0} does not depend on {1}: a constant factor goes in front of ∂.", (product(*constant), problem.target)
    )
    return Move("factor", _group(problem, term), focus, product(*constant, D(varying)), said)


def _group_of_collapse(problem: Problem, term: Sum) -> tuple[str, int]:
    return ("collapse", term.index.layer + (0 if term.index.layer == problem.L else 1))


def _at(term: Sum, node: Node) -> Term:
    """The one term of a sum that belongs to a node."""
    return renamed(term.body, lambda index: node if index == term.index else index)


def _only(problem: Problem, term: Sum, node: Node) -> Said:
    target = problem.target
    if target.letter == "y" or node in target.nodes[1:]:
        why = "only that term holds {2}"
    elif target.letter == "w":
        why = "{2} leads into that node, and into no other of its layer"
    else:
        why = "{2} belongs to that node, and to no other of its layer"
    said = f"All terms of the sum over {{0}} are constants, except when {{0}} = {{1}}: {why}."
    return Said(said, (term.index, node, target))


# --- around a pending ∂ ----------------------------------------------------------------------------------------------


def _tidied(problem: Problem, line: Term, focus: D) -> Move | None:
    """What is written more simply before ∂ is worked on: signs, ½·2, and the sums that softmax brings."""
    path = list(pending_path(line))
    return (
        _minus_to_the_front(path)
        or _two_halves(line)
        or _of_cross_entropy(problem, path)
        or _of_softmax(problem, path, focus)
    )


def _minus_to_the_front(path: list[Term]) -> Move | None:
    start = next((n for n, one in enumerate(path) if isinstance(one, Sum | Product)), len(path))
    for one in path[start:]:
        if isinstance(one, Negation):
            whole = path[start]
            said = Said("The minus sign goes to the front.")
            return Move("factor", ("constants", 0), whole, Negation(substituted(whole, one, one.term)), said)
    return None


def _two_halves(line: Term) -> Move | None:
    """½ in front of a sum and 2 in it."""
    for one in walk(line):
        if isinstance(one, Product) and HALF in one.factors:
            two = next((inner for inner in walk(one) if inner == TWO), None)
            if two is None:
                continue
            half = next(inner for inner in one.factors if inner == HALF)
            after = substituted(substituted(one, two, ONE), half, ONE)
            penalty = ("penalty", 0) if any(isinstance(inner, Symbol) for inner in one.factors[:2]) else ("power", 0)
            return Move("cancel", penalty, one, after, Said("½ · 2 = 1."))
    return None


def _of_cross_entropy(problem: Problem, path: list[Term]) -> Move | None:
    """The fraction that the logarithms leave, and its denominator, which the slope of logistic takes away."""
    for one in path:
        if not isinstance(one, Product) or not isinstance(one.factors[-1], D):
            continue
        n = 1 if isinstance(one.factors[0], Reference) and one.factors[0].letter == "s" else 0  # behind s_p
        weight, (first, *rest) = one.factors[:n], one.factors[n:]
        if isinstance(first, Difference) and isinstance(first.left, Quotient) and isinstance(first.right, Quotient):
            t, y = first.left.above, first.left.below
            below = product(y, Difference(ONE, y))
            said = Said("Both fractions over the common denominator {0}: {1}.", (below, _crossed(t, y)))
            after = product(*weight, Quotient(Difference(t, y), below), *rest)
            return Move("fraction", ("fraction", 0), one, after, said)
        if isinstance(first, Quotient) and isinstance(first.above, Difference) and isinstance(rest[0], Apply):
            said = Said(
                "The slope of the logistic function y = 1/(1 + exp(−x)) is y(1 − y), so that {0} cancels {1}.",
                (rest[0], first.below),
            )
            return Move("cancel", ("cancel", 0), one, product(*weight, first.above, *rest[1:]), said)
    return None


def _crossed(t: Term, y: Term) -> Term:
    return Difference(product(t, Difference(ONE, y)), product(Difference(ONE, t), y))


def _of_softmax(problem: Problem, path: list[Term], focus: D) -> Move | None:
    """The two sums over the output layer: swapped, so that the inner one can be worked out."""
    if problem.output != "softmax" or not _is_output(problem, focus.term):
        return None
    x = focus.term
    outer = next(one for one in path if isinstance(one, Sum) and one.index != problem.pattern)
    if outer.index.name != SPREAD:
        return _of_two_sums(problem, outer)
    swapped = outer.body
    if isinstance(swapped, Sum):  # Σ_h Σ_i A B ∂x_h
        *factors, last = swapped.body.parts
        said = Said("{0} does not depend on {1}, and is taken out of the sum over {1}.", (D(x), swapped.index))
        after = Sum(outer.index, product(Sum(swapped.index, product(*factors)), last))
        return Move("factor", ("swap", 0), outer, after, said)
    first = swapped.parts[0]
    if problem.objective == "cross_entropy" and isinstance(first, Sum):
        i = first.index
        t_i, t_h, y_h = problem.value("t", i), problem.value("t", outer.index), problem.value("y", outer.index)
        left = Difference(t_h, product(y_h, Sum(i, t_i)))
        said = Said(
            "{0} is 0 except where both nodes are the same, so that of the sum over {1} of {2} {0} only {3} is left.",
            (Same(i, outer.index), i, t_i, t_h),
        )
        return Move("sift", ("sift", 0), first, left, said)
    node = problem.only(Sum(outer.index, x))
    if node is None:
        return None
    return Move("collapse", ("collapse", problem.L), outer, _at(outer, node), _only(problem, outer, node))


def _is_output(problem: Problem, term: Term) -> bool:
    x_of_output = isinstance(term, Reference) and term.letter == "x" and term.layer == problem.L
    return x_of_output and isinstance(term, Reference) and isinstance(term.nodes[0], Letter)


def _of_two_sums(problem: Problem, outer: Sum) -> Move:
    """Σ_i A Σ_h B ∂x_h, with B still holding y_i: cancelled, multiplied out, swapped."""
    body = outer.body
    if isinstance(body, Sum):
        said = Said("Both sums are finite, so that they may be swapped.")
        return Move("swap", ("swap", 0), outer, Sum(body.index, Sum(outer.index, body.body)), said)
    *factors, inner = body.parts
    assert isinstance(inner, Sum)
    if isinstance(factors[-1], Quotient):  # t / y of the logarithm
        y, *rest = inner.body.parts
        after = product(*factors[:-1], Sum(inner.index, product(*rest)))
        return Move("cancel", ("cancel", 0), body, after, Said("{0} times 1/{0} is 1.", (y,)))
    said = Said("What stands before a sum may stand in it.")
    after = Sum(outer.index, Sum(inner.index, product(*factors, inner.body)))
    return Move("inside", ("swap", 0), outer, after, said)


# --- when no ∂ is left: let e be -------------------------------------------------------------------------------------


def _let_be(problem: Problem, line: Term) -> Move | None:
    """Steps 20 to 24: the outermost factors or sum become the error terms of the next layer down."""
    focus, prefix = _core(problem, line)
    factors = _factors(focus)[len(prefix) :]
    outer = factors[0] if len(factors) == 1 and isinstance(factors[0], Sum) else None
    if problem.spreads(problem.target.layer) and problem.target.letter == "b":
        outer = None  # a sum that is left here belongs to the one error term
    if outer and isinstance(outer.body, Sum):
        return _of_sums_in_a_row(outer, outer.body)
    first, *rest = _factors(outer.body) if outer else factors
    if isinstance(first, Sum) and _is_error_term(_factors(first.body)[0]):
        node = _source(first.body.parts[1])
        return _let(problem, focus, prefix, outer, node, first, rest)
    if not _is_error_term(first):
        n = next((n for n, one in enumerate(rest, 1) if _goes_on(problem, one)), len(rest) + 1)
        node = outer.index if outer else problem.target.nodes[0]
        return _let(problem, focus, prefix, outer, node, product(first, *rest[: n - 1]), rest[n - 1 :])
    if not outer:
        return None
    if rest and isinstance(rest[0], Sum):
        inner = rest[0]
        said = Said("What stands before a sum may stand in it.")
        after = Sum(outer.index, Sum(inner.index, product(first, inner.body)))
        return Move("inside", ("let", inner.index.layer), outer, after, said)
    if len(rest) < 2 or not isinstance(rest[1], Apply):
        return None  # the last line of an input
    meaning, node = Sum(outer.index, product(first, *rest[:2])), _source(rest[0])
    if not rest[2:]:
        return _let(problem, focus, prefix, None, node, meaning, [])
    return _taken_out(focus, product(*prefix, meaning, *rest[2:]), outer.index, product(*rest[2:]), node.layer)


def _of_sums_in_a_row(outer: Sum, inner: Sum) -> Move:
    """The sum over the layer above goes inside; then what does not depend on it goes behind it."""
    if outer.index.layer > inner.index.layer:
        said = Said("Both sums are finite, so that they may be swapped.")
        after = Sum(inner.index, Sum(outer.index, inner.body))
        return Move("swap", ("let", inner.index.layer), outer, after, said)
    e, w, slope, *rest = _factors(inner.body)
    after = Sum(outer.index, product(Sum(inner.index, product(e, w, slope)), *rest))
    return _taken_out(outer, after, inner.index, product(*rest), outer.index.layer)


def _taken_out(focus: Term, after: Term, index: Letter, rest: Term, layer: int) -> Move:
    first = rest.parts[0] if isinstance(rest, Product) else rest
    if isinstance(first, Sum):
        what: tuple[Term | Index, str] = first.index, "Everything from the sum over {0} on"
    elif isinstance(rest, Product) and isinstance(rest.parts[-1], Sum):
        what = first, "Everything from {0} on"
    else:
        what = rest, "{0}"
    said = Said(
        what[1] + " does not depend on {1}, and is taken out of the sum over {1}, to its right.", (what[0], index)
    )
    return Move("factor", ("let", layer), focus, after, said)


def _let(
    problem: Problem,
    focus: Term,
    prefix: tuple[Term, ...],
    outer: Sum | None,
    node: Index,
    meaning: Term,
    rest: Sequence[Term],
) -> Move:
    e = problem.value("e", node)
    body = product(e, *rest)
    after = product(*prefix, Sum(outer.index, body) if outer else body)
    if node.layer == problem.L and isinstance(node, Letter):
        what = "the error terms of the output layer: values to keep, for the weights of all layers before use them too"
    elif node.layer == problem.L:
        what = "the error term of this output: a value to keep, for all weights into it use it"
    else:
        what = f"the error term of {'the nodes' if isinstance(node, Letter) else 'this one node'} of layer {node.layer}"
    said = Said(f"Let {{0}} = {{1}}, {what}.", (e, meaning))
    return Move("let", ("let", node.layer), focus, after, said, ((e, meaning),))


def _core(problem: Problem, line: Term) -> tuple[Term, tuple[Term, ...]]:
    """What is left without sign, penalty and sum over patterns, and the factors of it that stay as they are."""
    core = line.terms[0] if isinstance(line, Addition) else line
    core = core.term if isinstance(core, Negation) else core
    if not problem.pattern:
        return core, ()
    body = next(one for one in core.parts if isinstance(one, Sum) and one.index == problem.pattern).body
    s, *rest = _factors(body)
    return (rest[0], ()) if len(rest) == 1 else (body, (s,))


def _factors(term: Term) -> tuple[Term, ...]:
    return term.factors if isinstance(term, Product) else (term,)


def _source(w: Term) -> Index:
    """The node from which a weight leads."""
    assert isinstance(w, Reference)
    return w.nodes[1]


def _is_error_term(term: Term) -> bool:
    return isinstance(term, Reference) and term.letter == "e"


def _goes_on(problem: Problem, factor: Term) -> bool:
    """Whether a factor belongs to the layers below the outputs."""
    if isinstance(factor, Sum):
        return factor.index.layer < problem.L
    return isinstance(factor, Reference) and (factor.letter == "w" or factor.layer < problem.L)
