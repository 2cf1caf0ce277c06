"""NumPy code: a function for each line, over the house's arrays, that anybody can run without Chainrule.

Stands beside the derivation. In the notations of components the code is the formula to the letter, a sum being
``sum(... for i in range(n))``; in the matrix form it is vectorised. A pending ∂ becomes the tangents dx and dy, which
the code works out forwards. Its letters: those of :mod:`chainrule.derivation.terms`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from textwrap import wrap

from chainrule.derivation.printers.matrices import in_matrices, meaning_in_matrices
from chainrule.derivation.printers.nielsen import signed
from chainrule.derivation.printers.pen import Name
from chainrule.derivation.printers.rows import Row
from chainrule.derivation.printers.writing import Writer, turned
from chainrule.derivation.problem import Problem
from chainrule.derivation.rules import Let
from chainrule.derivation.steps import Derivation, Step
from chainrule.derivation.terms import (
    ONE,
    PATTERNS,
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
    Number,
    Product,
    Quotient,
    Reference,
    Same,
    Square,
    SquaredWeights,
    Sum,
    Symbol,
    Term,
    product,
)

NIELSEN = {"x": "z", "y": "a", "e": "delta", "f": "sigma"}

HEADER = '''"""The derivative of {goal}
by {words}, line by line.

Weights {w}[i][j, k] and biases {b}[i][j] of layer i, net values {x}[i][p, j], outputs {y}[i][p, j], error terms
{e}[i][p, j] and targets {t}[p, j] are arrays; slot 0 of {w}, {b}, {x} and {e} is empty. {f}[i] and {f}_prime[i] are
functions. d{x} and d{y} are the derivatives of {x} and {y}, from tangents(), for the lines with a pending one. p is the
pattern, s the weights of the patterns, λ the strength of the penalty.{sign}
"""

import numpy as np


def tangents({w}, {b}, {x}, {y}, {f}, {f}_prime):
    """d{x} and d{y}, carried from the inputs to the outputs."""
    d{x}, d{y} = [None], [np.zeros({y}[0].shape)]{at_input}
    for i in range(1, {after}):
        d{x}.append(d{y}[-1] @ {w}[i].T){at_layer}
        {output}d{y}.append({f}_prime[i]({x}[i]) * d{x}[i]){softmax}
    return d{x}, d{y}
'''

SIGNATURE = "{w}, {b}, {x}, {y}, {t}, {e}, {f}, {f}_prime, d{x}=None, d{y}=None, s=None, λ=0.0, p=0"


class Code:
    """Writes terms as Python."""

    def __init__(self, problem: Problem | None, notation: str) -> None:
        self.problem, self.notation = problem, notation
        self.names = {letter: letter for letter in "wbxyetfs"} | (NIELSEN if notation == "nielsen" else {})

    def term(self, term: Term) -> str:
        """The value of a term."""
        match term:
            case Number(value=value):
                text = str(value) if value.denominator == 1 else str(float(value))
            case Symbol(name=name):
                text = "λ" if name == "λ" else "s.sum()"
            case Reference():
                text = self._entry(term)
            case Apply(layer, argument, primed):
                text = f"{self.names['f']}{'_prime' * primed}[{layer}]({self.term(argument)})"
            case Same(left, right):
                text = f"({_index(left)} == {_index(right)})"
            case SquaredWeights(biases):
                text = self._squares(biases)
            case Sum(index, body):
                text = f"sum({self.term(body)} for {index.name} in range({self._size(index)}))"
            case D(inside):
                text = self.tangent(inside) or "0.0"
            case _:
                text = self._of_parts(term)
        return text

    def _of_parts(self, term: Term) -> str:
        match term:
            case Negation(inside):
                return f"-{self._factor(inside)}"
            case Product(factors):
                return " * ".join([self._factor(one) for one in factors])
        parts = [self.term(part) for part in term.parts]
        match term:
            case Difference():
                return f"({parts[0]} - {parts[1]})"
            case Addition():
                return f"({' + '.join(parts)})"
            case Quotient():
                return f"({bracketed(parts[0])} / {bracketed(parts[1])})"
            case Square():
                return f"{bracketed(parts[0])} ** 2"
        assert isinstance(term, Log)
        return f"np.log({parts[0]})"

    def _factor(self, term: Term) -> str:
        text = self.term(term)
        return bracketed(text) if isinstance(term, Negation | D | Product) else text

    def tangent(self, term: Term) -> str | None:
        """The derivative of a term by the target; none if it is 0."""
        x, y = self.names["x"], self.names["y"]
        match term:
            case Reference(letter="x" | "y" as letter):
                return self._entry(term, "d" + {"x": x, "y": y}[letter])
            case Reference():
                return self._of_target(term)
            case Apply(layer, Reference(nodes=nodes, pattern=pattern), False):
                return self._entry(Reference("y", layer, nodes, pattern), "d" + y)
            case Negation(inside):
                found = self.tangent(inside)
                return found and f"-{bracketed(found)}"
            case Sum(index, body):
                found = self.tangent(body)
                return found and f"sum({found} for {index.name} in range({self._size(index)}))"
            case SquaredWeights(biases):
                target = self._target
                varies = target.letter == "w" or (target.letter == "b" and biases)
                return self.term(product(TWO, target)) if varies else None
        return self._of_several(term)

    def _of_several(self, term: Term) -> str | None:
        """The rules for what has parts, each part's tangent times what it is multiplied with."""
        match term:
            case Log(inside):
                rules: list[tuple[Term, Term]] = [(inside, Quotient(ONE, inside))]
            case Square(inside):
                rules = [(inside, product(TWO, inside))]
            case Product(factors):
                rules = [(one, product(*factors[:n], *factors[n + 1 :])) for n, one in enumerate(factors)]
            case Difference(left, right):
                rules = [(left, ONE), (right, Negation(ONE))]
            case Addition(terms):
                rules = [(one, ONE) for one in terms]
            case _:
                rules = []
        found = [(self.tangent(inside), by) for inside, by in rules]
        signs = {ONE: "", Negation(ONE): "-"}
        written = [
            (signs[by] if by in signs else f"{self._factor(by)} * ") + bracketed(tangent)
            for tangent, by in found
            if tangent
        ]
        return " + ".join(written) or None

    @property
    def _target(self) -> Reference:
        if self.problem is None:
            raise ValueError("term must have no ∂ in it to be an expression in NumPy; got one. Render the derivation.")
        return self.problem.target

    def _of_target(self, term: Reference) -> str | None:
        target = self._target
        if term.letter != target.letter or term.layer != target.layer:
            return None
        same = [
            f"({_index(one)} == {_index(wanted)})"
            for one, wanted in zip(term.nodes, target.nodes, strict=True)
            if one != wanted
        ]
        never = any(
            isinstance(one, Node) and one != wanted for one, wanted in zip(term.nodes, target.nodes, strict=True)
        )
        return None if never else " * ".join(same) or "1.0"

    def _entry(self, term: Reference, name: str = "") -> str:
        indices = [_index(one) for one in term.nodes]
        if term.letter in "xyets":
            indices = ["p", *indices]
        layer = "" if term.letter in "ts" else f"[{term.layer}]"
        return f"{name or self.names[term.letter]}{layer}[{', '.join(indices)}]"

    def _squares(self, biases: bool) -> str:
        w, b = self.names["w"], self.names["b"]
        squares = f"sum((one**2).sum() for one in {w}[1:])"
        return f"({squares} + sum((one**2).sum() for one in {b}[1:] if one is not None))" if biases else squares

    def _size(self, index: Letter) -> str:
        if index.layer == PATTERNS:
            return f"len({self.names['t']})"
        return str(self.problem.sizes[index.layer]) if self.problem else f"n_{index.layer}"


def _index(index: Index) -> str:
    return str(index.number) if isinstance(index, Node) else index.name


def bracketed(text: str) -> str:
    """The code in brackets, unless it is one name with its indices, one number, or one call of sum."""
    simple = re.fullmatch(r"[\w.]+(\[[\w, ]*\])*", text) or _is_one_group(text)
    return text if simple else f"({text})"


def _is_one_group(text: str) -> bool:
    """Whether it begins with a bracket, or sum and a bracket, that closes at the end."""
    if not text.startswith(("(", "sum(")):
        return False
    depth = 0
    for n, one in enumerate(text):
        depth += {"(": 1, ")": -1}.get(one, 0)
        if depth == 0 and one == ")":
            return n == len(text) - 1
    return False


@dataclass(frozen=True)
class Arrays:
    """The pen of the matrix form: whole arrays, of the pattern p."""

    linear: bool = True
    labelled: bool = False
    left_to_right: bool = True
    """a @ b * c is (a @ b) * c."""

    def number(self, value: Fraction) -> str:
        """A number."""
        return str(value) if value.denominator == 1 else str(float(value))

    def decimal(self, digits: str) -> str:
        """A rounded number."""
        return digits

    def name(self, name: Name) -> str:
        """w[5], y[5][p], f_prime[5], s[p], λ or the sum of s."""
        *_, layer = name.below or ("",)
        if name.letter in ("W", "b"):
            return f"{name.letter.lower()}[{layer}]"
        if name.bold:
            return "t[p]" if name.letter == "t" else f"{name.letter}[{layer}][p]"
        if name.letter in ("f", "s"):
            return f"{name.letter}{'_prime' * name.prime}[{layer}]"
        return "s.sum()" if name.letter == "S" else name.letter

    def call(self, function: str, argument: str) -> str:
        """A function of an argument."""
        return f"{function}({argument})"

    def minus(self, term: str) -> str:
        """Minus the term."""
        return f"-{term}"

    def terms(self, parts: Sequence[tuple[bool, str]]) -> str:
        """Terms added or taken away."""
        (_, first), *others = parts
        return first + "".join(f" {'-' if minus else '+'} {term}" for minus, term in others)

    def times(self, factors: Sequence[str], sign: str = "") -> str:
        """Products of numbers, node by node, or of a matrix and a vector."""
        return (" @ " if sign == "@" else " * ").join(factors)

    def over(self, above: str, below: str) -> str:
        """A fraction."""
        return f"{above} / {below}"

    def by(self, above: str, target: str) -> str:
        """Never asked for: no line with a ∂ has a matrix form."""
        raise TypeError(
            "line must have no ∂ to be written by matrices; got one with. Write it in the paper's notation."
        )

    def power(self, base: str, exponent: str) -> str:
        """The transposed."""
        return f"{base}.T"

    def total(self, index: str, layer: int, body: str) -> str:
        """The sum over the patterns."""
        return f"sum({body} for {index} in range(len(t)))"

    def partial(self, term: str, target: str) -> str:
        """Never asked for."""
        raise TypeError(
            "line must have no ∂ to be written by matrices; got one with. Write it in the paper's notation."
        )

    def brackets(self, term: str) -> str:
        """The term in brackets."""
        return f"({term})"

    def entry(self, term: str, indices: tuple[str, ...]) -> str:
        """One entry."""
        return f"({term})[{', '.join(indices)}]"

    def same(self, left: str, right: str) -> str:
        """1 if both are the same node."""
        return f"({left} == {right})"

    def squares(self, biases: bool) -> str:
        """Never asked for."""
        raise TypeError(
            "line must have no ∂ to be written by matrices; got squares under one. Write it in the paper's notation."
        )

    def index(self, index: str) -> str:
        """An index."""
        return index

    def inline(self, formula: str, spoken: str = "") -> str:
        """A formula."""
        return formula

    def words(self, text: str) -> str:
        """Words."""
        return text

    def outer(self, column: str, row: str) -> str:
        """A column times a row."""
        return f"np.outer({column}, {row})"

    def ones(self, vector: str) -> str:
        """The sum of a vector."""
        return f"{vector}.sum()"

    def spread(self, y: str) -> str:
        """[i = h] - y_h as a matrix."""
        return f"np.eye(len({y})) - {y}"


# --- the module -------------------------------------------------------------------------------------------------


def module(derivation: Derivation, notation: str, rows: Iterable[Row]) -> str:
    """A module with a function for every line and every error term."""
    code = Code(derivation.problem, notation)
    arguments = SIGNATURE.format(**code.names)
    written = [_header(derivation.problem, code, notation)]
    known: set[str] = set()
    for step, row in zip(derivation.steps, rows, strict=True):
        said = f"{row.number}. {row.head + '. ' if row.head else ''}{row.reason}"
        for let in step.lets:
            name, body = _let(code, let)
            if name not in known:
                written.append(f"def {name.format(arguments=arguments)}:\n    return {body}\n")
                known.add(name)
        comment = "\n".join(f"# {one}" for one in wrap(" ".join(said.split()), 110))
        written.append(f"{comment}\ndef line_{step.number}({arguments}):\n    return {_line(code, step)}\n")
    return "\n\n".join(written)


def _header(problem: Problem, code: Code, notation: str) -> str:
    names, target = code.names, problem.target
    nodes = ", ".join(_index(one) for one in target.nodes)
    sign = (
        f" {names['e']} is plus the derivative by {names['x']}, minus the paper's e." if notation == "nielsen" else ""
    )
    x, y = names["x"], names["y"]
    at_input = at_layer = softmax = output = ""
    if target.letter == "y":
        at_input = f"\n    d{y}[0][:, {nodes}] = 1"
    else:
        into, *source = (_index(one) for one in target.nodes)
        change = f"{y}[i - 1][:, {source[0]}]" if source else "1"
        at_layer = f"\n        if i == {target.layer}:\n            d{x}[i][:, {into}] += {change}"
    if problem.output == "softmax":
        output = f"if i < {problem.L}:\n            "
        softmax = (
            f"\n        else:  # softmax\n            "
            f"d{y}.append({y}[i] * (d{x}[i] - (d{x}[i] * {y}[i]).sum(axis=1, keepdims=True)))"
        )
    return HEADER.format(
        goal=problem.goal,
        words=problem.words,
        sign=sign,
        after=problem.L + 1,
        at_input=at_input,
        at_layer=at_layer,
        softmax=softmax,
        output=output,
        **names,
    )


def _line(code: Code, step: Step) -> str:
    assert code.problem is not None
    if code.notation == "matrix" and not step.line.pending:
        found = in_matrices(Writer(Arrays(), "matrix"), step.line, code.problem.target)
        if found is not None:
            return found
    return code.term(signed(step.line) if code.notation == "nielsen" else step.line)


def _let(code: Code, let: Let) -> tuple[str, str]:
    """The head of a function for an error term, its arguments to be filled in, and its body."""
    e, meaning = let
    if code.notation == "matrix":
        pair = meaning_in_matrices(Writer(Arrays(), "matrix"), e, meaning)
        if pair is not None:
            return f"e_{e.layer}({{arguments}})", pair[1]
    (node,) = e.nodes
    name = f"{code.names['e']}_{e.layer}"
    head = f"{name}({node.name}, {{arguments}})" if isinstance(node, Letter) else f"{name}_{node.number}({{arguments}})"
    return head, code.term(turned(signed(meaning)) if code.notation == "nielsen" else meaning)


def expression(term: Term | Index, notation: str) -> str:
    """A term as a Python expression."""
    if isinstance(term, Letter | Node):
        return _index(term)
    code = Code(None, notation)
    return code.term(signed(term) if notation == "nielsen" and not isinstance(term, Reference) else term)
