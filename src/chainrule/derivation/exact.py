"""verify_exact(): every line in fractions, equal to the first one without any rounding.

The page itself feeds forward and back, on a network whose numbers are fractions and whose activations are polynomials,
another one in every layer. Line 1 is held against an oracle that differentiates nothing: E is a polynomial in the
target, so that its slope follows from its values at the whole steps 0, 1, 2 … from there. Its letters: those of the
terms; u what stands for exp(x).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule import backprop
from chainrule.activations import Activation
from chainrule.derivation.evaluate import Evaluator, Values, combined
from chainrule.derivation.problem import Problem
from chainrule.derivation.steps import Derivation, Step
from chainrule.derivation.terms import Node, Term
from chainrule.network import Network
from chainrule.notation import Array
from chainrule.objective import Objective

MOST_CURVED = 5
"""So many layers at most have a polynomial of degree 2 or 3, the others a straight line: with n of them E has degree
3 · 2^n, and numbers as long."""


@dataclass(frozen=True)
class ExactLine:
    """One line in fractions.

    Attributes
    ----------
    number : int
    value : Fraction
        Of the line.
    expected : Fraction
        Of the oracle for line 1, of line 1 for all others.
    ok : bool
        Both are equal, as are all parts that the step says are.
    differs : str
        What differs, in words; empty if the line is right.
    """

    number: int
    value: Fraction
    expected: Fraction
    ok: bool
    differs: str = ""


@dataclass(frozen=True)
class ExactVerification:
    """What :func:`verify_exact` found.

    Attributes
    ----------
    ok : bool
        Every line is equal to the first, and that to the oracle.
    lines : tuple of ExactLine
    oracle : str
        How the slope of E was found without the derivation.
    """

    ok: bool
    lines: tuple[ExactLine, ...]
    oracle: str

    def __bool__(self) -> bool:
        """Whether it is ok."""
        return self.ok

    @property
    def first_wrong(self) -> ExactLine | None:
        """The first line that is not right; none if all are."""
        return next((line for line in self.lines if not line.ok), None)

    def __str__(self) -> str:
        """A table of 80 columns."""
        lines = ["line  value"]
        for line in self.lines:
            lines.append(f"{line.number:>4}  {_short(line.value):<68}  {'✓' if line.ok else '✗'}")
            if line.differs:
                lines.append(f"      {line.differs}")
        return "\n".join([*lines, f"{self.oracle}:", f"      {_short(self.lines[0].expected)}"])


def _short(value: Fraction, width: int = 68) -> str:
    """The fraction, or its ends if it is long."""
    text = str(value)
    if len(text) <= width:
        return text
    return f"{text[:24]}…{text[-18:]} ({len(text)} characters)"


def verify_exact(derivation: Derivation, seed: int = 0) -> ExactVerification:
    """Evaluate every line of a derivation in fractions, without rounding.

    Parameters
    ----------
    derivation : Derivation
        Of any objective. exp(x) is no fraction where x is one, but nothing ties it to x save that it is its own
        derivative: any positive fraction may stand for it, and does. Logarithms occur only under ∂, as 1/y.
    seed : int
        Of the numbers: small fractions, none of them 0, 1 or -1.

    Returns
    -------
    ExactVerification
        Its lines are equal or not; there is no tolerance.
    """
    case = _Case(derivation.problem, np.random.default_rng(seed))
    evaluator = Evaluator(case.values())
    first = evaluator.number(derivation.steps[0].line)
    slope = case.slope()
    lines = [ExactLine(1, first, slope, first == slope, "" if first == slope else "The oracle finds another slope.")]
    for step in derivation.steps[1:]:
        value = evaluator.number(step.line)
        differs = _differs(evaluator, step)
        if value != first and not differs:
            differs = "The line is not what the reason says."
        lines.append(ExactLine(step.number, value, first, not differs, differs))
    return ExactVerification(all(line.ok for line in lines), tuple(lines), case.oracle)


def _differs(evaluator: Evaluator, step: Step) -> str:
    for e, meaning in step.lets:
        if _unequal(evaluator, e, meaning):
            node = f" of node {e.nodes[0].number}" if isinstance(e.nodes[0], Node) else ""
            return f"The error term{node} of layer {e.layer} is not what its definition gives."
    if step.before is not None and step.after is not None and _unequal(evaluator, step.before, step.after):
        return "What changed is not worth what it was before."
    return ""


def _unequal(evaluator: Evaluator, one: Term, other: Term) -> bool:
    """Whether two terms differ for any of their indices."""
    return bool(np.any(combined(np.not_equal, evaluator.value(one), evaluator.value(other)).array))


# --- the numbers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Polynomial:
    """c_0 + c_1 x + c_2 x^2 + …, and its derivative."""

    coefficients: tuple[Fraction, ...]

    def __call__(self, x: Any) -> Any:
        """The value at every entry."""
        return sum((c * x**n for n, c in enumerate(self.coefficients[1:], 1)), self.coefficients[0] + 0 * x)

    @property
    def prime(self) -> Polynomial:
        """The derivative."""
        return Polynomial(tuple(n * c for n, c in enumerate(self.coefficients[1:], 1)))

    @property
    def degree(self) -> int:
        """The highest power."""
        return len(self.coefficients) - 1


class _Case:
    """A network in fractions that fits a problem, with patterns."""

    def __init__(self, problem: Problem, random: np.random.Generator) -> None:
        self.problem, self.random = problem, random
        self._exp: dict[Fraction, Fraction] = {}
        L, output = problem.L, problem.output
        curved = random.permutation(L)[:MOST_CURVED] + 1
        degrees = {i: 3 if i == curved[0] else 2 if i in curved else 1 for i in range(1, L + (not output))}
        self.polynomials = {i: self._polynomial(i, degree) for i, degree in degrees.items()}
        rows = [Activation(f"polynomial {i}", f, f.prime, check=False) for i, f in self.polynomials.items()]
        rows += [self._of_exp(output)] if output else []
        net = Network(problem.sizes, rows, self._objective(), bias=problem.bias, penalize_bias=problem.penalize_bias)
        self.net = net.replace(self.fractions(net.n_parameters))
        patterns = 2 if problem.patterns else 1
        self.inputs = self.fractions(patterns, problem.sizes[0])
        self.t = self.fractions(patterns, problem.sizes[-1])
        self.s = abs(self.fractions(patterns)) if problem.patterns else np.full(patterns, Fraction(1))
        self.strength = Fraction(2, 7) if problem.l2 else Fraction(0)

    def fractions(self, *shape: int) -> Array:
        """Small ones, none 0, 1 or -1, so that a lost factor is seen."""
        above, below = self.random.choice([-7, -5, -3, -2, 2, 3, 5, 7], shape), self.random.choice([1, 4], shape)
        return np.vectorize(lambda n, d: Fraction(int(n), int(d)), otypes=[object])(above, below)

    def _polynomial(self, i: int, degree: int) -> Polynomial:
        """Of layer i; no two layers have the same slope, and none the slope 1."""
        return Polynomial((Fraction(1, 2), Fraction(i + 2, i + 1), *self.fractions(degree - 1)))

    def _objective(self) -> Objective | str:
        """In place of Chainrule's own row for cross-entropy, which takes exp and log of floats."""
        if self.problem.objective == "sse":
            return "sse"
        if self.problem.output == "softmax":
            return Objective("of softmax", lambda t, y: -t * np.log(y), lambda t, y: t / y, check=False)
        return Objective(
            "of logistic",
            lambda t, y: -t * np.log(y) - (1 - t) * np.log(1 - y),
            lambda t, y: t / y - (1 - t) / (1 - y),
            check=False,
        )

    def _of_exp(self, output: str) -> Activation:
        """Softmax or logistic by their definitions."""

        def softmax(x: Array) -> Array:
            u = self.exp(x)
            return u / u.sum(axis=-1, keepdims=True)

        def logistic(x: Array) -> Array:
            u = self.exp(x)
            return u / (1 + u)

        f = softmax if output == "softmax" else logistic
        return Activation(output, f, lambda x: f(x) * (1 - f(x)), vector=output == "softmax", check=False)

    def exp(self, x: Array) -> Array:
        """What stands for exp of every entry: a positive fraction, the same for the same x."""
        for one in x.flat:
            if one not in self._exp:
                self._exp[one] = abs(self.fractions(1)[0])
        return np.vectorize(self._exp.__getitem__, otypes=[object])(x)

    def values(self) -> Values:
        """The numbers behind the letters, from the page."""
        net = self.net
        trace = backprop.forward(net, self.inputs)
        e = backprop.error_terms(net, trace, self.t)
        x, y = trace.x, trace.y
        return Values(self.problem, net.w, net.b, net.f, x, y, e, self.t, self.s, self.strength)

    # --- the oracle, which shares no rule with the derivation nor with the page ---

    @property
    def oracle(self) -> str:
        """What it does, in words."""
        return f"from {self._degree + 1} values of {'the net values x' if self.problem.output else 'E'}"

    @property
    def _degree(self) -> int:
        """Of E in the target; of the net values of layer L if that is softmax or logistic."""
        degree = 1 if self.problem.output else 2
        for i, f in self.polynomials.items():
            degree *= f.degree if i >= self.problem.target.layer else 1
        return max(degree, 2 if self.problem.l2 else 1)

    def slope(self) -> Fraction:
        """The derivative of E by the target."""
        slope = _slope(self._at, self._degree)
        if not self.problem.output:
            return Fraction(slope[0])
        s = self.s / self.s.sum()
        x, dx = np.reshape(self._at(0)[1:], self.t.shape), np.reshape(slope[1:], self.t.shape)
        of_patterns = [self._slope_of_pattern(*rows) for rows in zip(self.exp(x), self.t, dx, strict=True)]
        return Fraction(slope[0] + sum(one * two for one, two in zip(s, of_patterns, strict=True)))

    def _slope_of_pattern(self, u: Array, t: Array, dx: Array) -> Any:
        """The derivative of E_p, from those of the net values: closed forms in u = exp(x)."""
        if self.problem.output == "logistic":
            if self.problem.objective == "sse":  # 1/2 (t - 1/(1 + 1/u))^2
                return sum((u / (1 + u) - t) * u / (1 + u) ** 2 * dx)
            return sum(u / (1 + u) * dx - t * dx)  # log(1 + exp x) - t x
        mean = sum(u * dx) / sum(u)
        if self.problem.objective == "sse":
            return sum((u / sum(u) - t) * u / sum(u) * (dx - mean))
        return sum(t) * mean - sum(t * dx)  # sum(t) log(sum exp x) - sum(t x)

    def _at(self, step: int) -> Array:
        """E where the target is larger by step; under softmax or logistic the penalty and the net values of layer L."""
        target, net = self.problem.target, self.net.copy()
        nodes = tuple(node.number for node in target.nodes if isinstance(node, Node))
        inputs = self.inputs.copy()
        if target.letter == "y":
            inputs[:, nodes[0]] += step
        else:
            getattr(net, target.letter)[target.layer][nodes] += step
        E = self.strength / 2 * sum(theta * theta for theta in net.theta[net.penalized])
        net_values: list[Any] = []
        for y, t, s in zip(inputs.tolist(), self.t.tolist(), self.s / sum(self.s), strict=True):
            for i in range(1, net.depth + 1):
                b = net.b[i] if net.b[i] is not None else [0] * net.sizes[i]
                x = [
                    sum((w * y for w, y in zip(row, y, strict=True)), b_j) for row, b_j in zip(net.w[i], b, strict=True)
                ]
                y = [self.polynomials[i](x_j) for x_j in x] if i in self.polynomials else []  # noqa: PLW2901
            net_values += x
            E += s * sum((t_j - y_j) ** 2 for t_j, y_j in zip(t, y, strict=False)) / 2
        return np.array([E, *net_values] if self.problem.output else [E], dtype=object)


def _slope(polynomial: Callable[[int], Array], degree: int) -> Array:
    """The slope at 0 of a polynomial, from its values at 0, 1, …, degree, exactly.

    Newton's interpolation: the sum of (-1)^(n+1)/n times the nth difference, n = 1, …, degree.
    """
    values: Sequence[Any] = [polynomial(n) for n in range(degree + 1)]
    slope = 0 * values[0]
    for n in range(1, degree + 1):
        values = [after - before for before, after in pairwise(values)]
        slope = slope + Fraction((-1) ** (n + 1), n) * values[0]
    return slope
