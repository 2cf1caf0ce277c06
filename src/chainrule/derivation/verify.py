"""verify(): the value of every line, beside oracles that share no rule with the derivation.

Lines with a pending ∂ are evaluated by dual numbers; lines after "let e be" read the error terms of the engine itself,
so that their equality with the line before is the paper's claim that steps 20 and 21 are back-propagation. Line 1 is
held against the complex step or differences. Since agreement may be a matter of luck (no error, dead nodes, equal
weights), two random networks of the same shape, with another activation in every layer, are checked besides the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule import backprop, certificate
from chainrule.derivation.evaluate import Evaluator, Over, Values, combined
from chainrule.derivation.problem import Problem, problem_of
from chainrule.derivation.steps import Derivation, Step
from chainrule.derivation.terms import PATTERNS, Node, Term
from chainrule.network import Network, as_inputs, as_targets

TOLERANCE = 1e-12
"""Largest relative difference of two lines that passes. Lines differ by the order of their sums: about 1e-15."""

ROUNDINGS = 32
"""So many roundings a layer, each of the size of what is summed, may lie between two lines besides."""

GENERIC = ("tanh", "softplus", "sine", "logistic", "silu", "gaussian", "gelu")
"""The activations of the random networks: smooth, analytic, and no two with the same slope."""


class WrongLine(ArithmeticError):
    """A line is not equal to the derivative: its number, both values, and the term that differs."""


@dataclass(frozen=True)
class Line:
    """One line on numbers.

    Attributes
    ----------
    number : int
    value : float
        Of the line.
    expected : float
        Of the oracle for line 1, of line 1 for all others; of the oracle where line 1 is lost in rounding.
    relative_error : float
        Their difference over the larger of the two; 0 if both are 0.
    ok : bool
    differs : str
        What differs, in words; empty if the line is right.
    """

    number: int
    value: float
    expected: float
    relative_error: float
    ok: bool
    differs: str = ""


@dataclass(frozen=True)
class Oracle:
    """What E does, found without the derivation: by which means, the slope, and those on both sides of a kink."""

    name: str
    value: float
    left: float
    right: float
    kinked: bool


@dataclass(frozen=True)
class Verification:
    """What :func:`verify` found.

    Attributes
    ----------
    ok : bool
        Every line is right, on the user's network and on the random ones.
    lines : tuple of Line
    oracle : Oracle
    network : str
        Which: "yours", or "random network 1".
    generic : tuple of Verification
        On random networks of the same shape.
    """

    ok: bool
    lines: tuple[Line, ...]
    oracle: Oracle
    network: str
    generic: tuple[Verification, ...] = ()

    def __bool__(self) -> bool:
        """Whether it is ok."""
        return self.ok

    @property
    def worst(self) -> Line:
        """The first wrong line, else the one with the largest relative error."""
        return self.first_wrong or max(self.lines, key=lambda line: line.relative_error)

    @property
    def first_wrong(self) -> Line | None:
        """The first line that is not right, here or on one of the random networks; none if all are."""
        wrong = (line for line in self.lines if not line.ok)
        return next(wrong, None) or next((one.first_wrong for one in self.generic if not one.ok), None)

    def __str__(self) -> str:
        """A table of 80 columns."""
        oracle = self.oracle
        lines = [f"on {self.network}:", f"{'line':>4}  {'value':>22}  {'relative error':>14}"]
        for line in self.lines:
            lines.append(
                f"{line.number:>4}  {line.value:>22.15g}  {line.relative_error:>14.1e}  {'✓' if line.ok else '✗'}"
            )
            if line.differs:
                lines.append(f"      {line.differs}")
        lines.append(f"{oracle.name}: {oracle.value:.15g}")
        if oracle.kinked:
            lines.append(
                f"E has a corner here: its slopes are {oracle.left:.6g} on the left, {oracle.right:.6g} on the right"
            )
        for one in self.generic:
            wrong = one.first_wrong
            said = "all lines right" if wrong is None else f"line {wrong.number} is wrong: {wrong.differs}"
            lines.append(f"{one.network}: {said}")
        return "\n".join(lines)


def verify(
    derivation: Derivation,
    net: Network | None = None,
    inputs: Any = None,
    targets: Any = None,
    weights: Any = None,
    *,
    trace: Any = None,
    error_terms: Any = None,
    tolerance: float = TOLERANCE,
    generic: int = 2,
    strict: bool = False,
) -> Verification:
    """Evaluate every line of a derivation.

    Parameters
    ----------
    derivation : Derivation
    net : Network, optional
        Of the derivation's shape and objective; by default the one it was made for. Without inputs and targets only
        random networks are checked.
    inputs, targets : array of shape (patterns, inputs), (patterns, outputs)
        One pattern, of shape (1, inputs) or (inputs,), unless the derivation is over several. In the network's units.
    weights : array of shape (patterns,), optional
        s_p, for several patterns.
    trace, error_terms : optional
        x and y, and e, of the engine under test; by default those of the page.
    tolerance : float
        Largest relative difference of two lines that passes, besides the rounding of what is summed.
    generic : int
        How many random networks to check besides.
    strict : bool
        Raise WrongLine where a line is wrong.

    Returns
    -------
    Verification

    Raises
    ------
    ValueError
        If network or arrays do not fit the derivation.
    WrongLine
        If strict is set and a line is wrong.
    """
    others = [
        _verified(
            derivation,
            *example(derivation.problem, seed),
            tolerance=tolerance,
            network=f"random network {seed + 1}",
            generic=True,
        )
        for seed in range(max(generic, 0 if inputs is not None else 1))
    ]
    if inputs is None and targets is None:
        found = replace(others[0], ok=all(one.ok for one in others), generic=tuple(others[1:]))
    else:
        case = _as_case(derivation.problem, net, inputs, targets, weights)
        mine = _verified(
            derivation, *case, trace=trace, error_terms=error_terms, tolerance=tolerance, network="your network"
        )
        found = replace(mine, ok=mine.ok and all(one.ok for one in others), generic=tuple(others))
    if strict and not found.ok:
        wrong = found.first_wrong
        assert wrong is not None
        raise WrongLine(
            f"line {wrong.number} must be worth {wrong.expected:.15g}; got {wrong.value:.15g}. {wrong.differs}".rstrip()
        )
    return found


def example(problem: Problem, seed: int) -> tuple[Network, Any, Any, Any]:
    """A random network of that shape, inputs, targets and weights of patterns, with nothing special about them."""
    random = np.random.default_rng(seed)
    start = random.permutation(len(GENERIC))
    names = [GENERIC[start[i % len(GENERIC)]] for i in range(problem.L)]
    if problem.output or problem.objective == "cross_entropy":
        names[-1] = problem.output or "logistic"
    net = Network(
        problem.sizes,
        names,
        problem.objective,
        bias=problem.bias,
        l2=0.37 if problem.l2 else 0.0,
        penalize_bias=problem.penalize_bias,
    )
    for i in range(1, net.depth + 1):
        net.w[i] = random.normal(0, 1.3, net.w[i].shape) / np.sqrt(problem.sizes[i - 1])
        if net.b[i] is not None:
            net.b[i] = random.normal(0, 0.5, net.b[i].shape)
    patterns = 3 if problem.patterns else 1
    inputs = random.normal(0, 1, (patterns, problem.sizes[0]))
    low, high = (0.05, 0.95) if problem.objective == "cross_entropy" else (-1.5, 1.5)
    targets = random.uniform(low, high, (patterns, problem.sizes[-1]))
    return net, inputs, targets, random.uniform(0.5, 1.5, patterns) if problem.patterns else None


def values_of(
    problem: Problem, net: Network, inputs: Any, targets: Any, weights: Any = None, trace: Any = None, e: Any = None
) -> Values:
    """The numbers behind the letters, from the page unless trace or e are given."""
    trace = backprop.forward(net, inputs) if trace is None else trace
    e = backprop.error_terms(net, trace, targets) if e is None else e
    s = np.ones(len(inputs)) if weights is None else np.asarray(weights, dtype=np.float64)
    x, y, e = ([None if a is None else np.asarray(a, dtype=np.float64) for a in one] for one in (*trace[:2], e))
    return Values(problem, net.w, net.b, net.f, x, y, e, targets, s, net.l2)


def _as_case(problem: Problem, net: Network | None, inputs: Any, targets: Any, weights: Any) -> tuple[Any, ...]:
    if not isinstance(net, Network):
        raise ValueError(f"net must be a Network; got {type(net).__name__}. Pass verify(net, inputs, targets).")
    if inputs is None or targets is None:
        missing = "inputs" if inputs is None else "targets"
        raise ValueError(f"{missing} must be given with a network; got None. Pass verify(net, inputs, targets).")
    asked = problem_of(net, problem.name, patterns=problem.patterns)
    if asked != problem:
        raise ValueError(
            f"net must be of the derivation's shape and objective, {_shape(problem)}; got {_shape(asked)}. "
            "Derive it for this network: derive(net, wrt)."
        )
    net = net.replace(np.array(net.theta, dtype=np.float64))
    y_0, t = as_inputs(net, _rows(inputs)), as_targets(net, _rows(targets))
    if len(y_0) != len(t) or (len(t) != 1 and not problem.patterns):
        raise ValueError(
            f"inputs and targets must be {'rows that belong together' if problem.patterns else 'one pattern'}; got "
            f"{len(y_0)} and {len(t)} rows. Pass one row each, or derive with patterns=True."
        )
    if not (np.isfinite(y_0).all() and np.isfinite(t).all()):
        raise ValueError(
            "inputs and targets must be finite to be verified; got nan or infinity. Choose another pattern."
        )
    if weights is not None and (np.shape(weights) != (len(t),) or not problem.patterns):
        raise ValueError(
            f"weights must have shape (patterns,), for a derivation over patterns; got {np.shape(weights)}. "
            "Leave them out."
        )
    return net, y_0, t, weights


def _rows(values: Any) -> Any:
    array = np.asarray(values)
    return array[None, :] if array.ndim == 1 else array


def _shape(problem: Problem) -> str:
    bias = "with biases" if all(problem.bias) else "without biases" if not any(problem.bias) else "with some biases"
    parts = [str(list(problem.sizes)), bias, problem.objective, problem.output and f"{problem.output} outputs"]
    return ", ".join([*filter(None, parts), *(["L2"] if problem.l2 else [])])


# --- judging ---------------------------------------------------------------------------------------------------------


def _verified(
    derivation: Derivation,
    net: Network,
    inputs: Any,
    targets: Any,
    weights: Any,
    *,
    trace: Any = None,
    error_terms: Any = None,
    tolerance: float,
    network: str,
    generic: bool = False,
) -> Verification:
    problem = derivation.problem
    values = values_of(problem, net, inputs, targets, weights, trace, error_terms)
    with np.errstate(all="ignore"):  # what is not finite is said
        slope = certificate.slope(net, inputs, targets, weights, problem.name)
        oracle = Oracle(slope.oracle, slope.value, slope.left, slope.right, slope.kinked)
        lines = Judge(values, tolerance, generic).lines(derivation.steps, slope)
    return Verification(all(line.ok for line in lines), tuple(lines), oracle, network)


class Judge:
    """Compares lines, foci and error terms on the same numbers.

    On a user's numbers rounding may be as large as is possible, and what is not finite is lost in it, as 0 · log 0
    where outputs are saturated. On the random networks, generic=True, it may be as large as is usual, and what is not
    finite is wrong: what is possible grows with every layer, until no line of a deep network would be wrong.
    """

    def __init__(self, values: Values, tolerance: float = TOLERANCE, generic: bool = False) -> None:
        self.tolerance, self.generic = tolerance, generic
        self.values, self.plain = values, Evaluator(values)
        self._sizes: Evaluator | None = None
        self.rounding = ROUNDINGS * values.problem.L * float(np.finfo(float).eps)

    def size(self, term: Term) -> Over:
        """What the rounding of a term is measured by; worked out only where two terms are not the same at once."""
        self._sizes = self._sizes or Evaluator(self.values, np.hypot if self.generic else np.add)
        return self._sizes.value(term)

    def lines(self, steps: Sequence[Step], slope: certificate.Slope) -> list[Line]:
        """The first line beside the oracle, the others beside the first, each focus beside what replaced it.

        If the first is lost in rounding, the others are held against the oracle too.
        """
        lines: list[Line] = []
        for step in steps:
            value = float(self.plain.number(step.line))
            if lines and np.isfinite(lines[0].value):
                line = self._beside_first(step, value, steps[0], lines[0].value)
            else:
                line = self._beside_oracle(step, value, slope)
            differs = self._differs(step) if lines else ""
            lines.append(replace(line, ok=line.ok and not differs, differs=differs or line.differs))
        return lines

    def _beside_first(self, step: Step, value: float, first: Step, expected: float) -> Line:
        off = abs(value - expected)
        close = off <= self.tolerance * max(abs(value), abs(expected)) < np.inf
        ok = close or self._is_rounding(off, step.line, first.line)
        differs = "" if ok else "The line is not what the reason says."
        return Line(step.number, value, expected, _relative(value, expected), ok, differs)

    def _beside_oracle(self, step: Step, value: float, slope: certificate.Slope) -> Line:
        outside = max(slope.lowest - value, value - slope.highest, 0.0)
        room = max(self.tolerance, slope.tolerance) * max(abs(value), abs(slope.value)) + slope.uncertainty
        ok = outside <= room < np.inf or self._is_rounding(outside, step.line, step.line)
        expected = slope.value if not slope.kinked else min(max(value, slope.lowest), slope.highest)
        return Line(
            step.number,
            value,
            expected,
            _relative(value, expected),
            ok,
            "" if ok else f"The {slope.oracle} finds another slope of E.",
        )

    def _is_rounding(self, off: Any, *terms: Term) -> bool:
        size = np.max([np.max(self.size(term).array) for term in terms])
        return bool(off <= self.rounding * size) if np.isfinite(size) else not self.generic

    def _differs(self, step: Step) -> str:
        """The error term that is not what it is said to be, or the place where the focus and its replacement differ."""
        for e, meaning in step.lets:
            found = self._unequal(e, meaning)
            if found:
                names, got, wanted = found
                of_pattern = "".join(f" of pattern {n}" for letter, n in names.items() if letter.layer == PATTERNS)
                node = next((n for letter, n in names.items() if letter.layer == e.layer), None)
                node = e.nodes[0].number if isinstance(e.nodes[0], Node) else node
                return f"e[{e.layer}][{node}]{of_pattern} is {got:.9g}, but its definition gives {wanted:.9g}."
        if step.before is not None and step.after is not None:
            found = self._unequal(step.after, step.before)
            if found:
                names, got, wanted = found
                where = ", ".join(f"{letter.name} = {n}" for letter, n in names.items())
                return (
                    f"What changed is worth {wanted:.9g} before and {got:.9g} after{f', for {where}' if where else ''}."
                )
        return ""

    def _unequal(self, one: Term, other: Term) -> tuple[dict[Any, int], float, float] | None:
        """Where two terms differ by more than rounding, and by what; none if they are equal."""
        left, right = _aligned(self.plain.value(one), self.plain.value(other))
        off = np.abs(left.array - right.array)
        room = self.tolerance * np.maximum(np.abs(left.array), np.abs(right.array))
        if (off <= room).all() and np.isfinite(room).all():
            return None
        room = np.where(np.isfinite(room), room, 0.0)
        for term in (one, other):
            size, _ = _aligned(self.size(term), left)
            lost = 0.0 if self.generic else np.inf
            room = np.maximum(room, np.where(np.isfinite(size.array), self.rounding * size.array, lost))
        beyond = np.where(np.isnan(off), np.where(np.isinf(room), 0.0, np.inf), off - room)
        if not (beyond > 0).any():
            return None
        place = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
        names = {letter: int(n) for letter, n in zip(left.letters, place, strict=True)}
        return names, float(left.array[place]), float(right.array[place])


def _aligned(one: Over, other: Over) -> tuple[Over, Over]:
    """Both over the same indices."""
    first = combined(_first_of, one, other)
    return first, combined(_first_of, other, first)


def _first_of(one: Any, other: Any) -> Any:
    return np.broadcast_arrays(one, other)[0]


def _relative(value: float, expected: float) -> float:
    if value == expected:
        return 0.0
    return float(abs(value - expected) / np.maximum(abs(value), abs(expected)))
