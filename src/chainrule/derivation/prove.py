"""prove(): every line of a derivation proved equal to the first by SymPy, on a narrow copy of the network.

The copy has the same depth and at most two nodes a layer; its activations are undefined functions, its weights and
inputs symbols, so that what is proved holds for all of them. ∂ is worked out by SymPy's own differentiation of what
stands behind it, with every y and x written out down to the inputs. Nothing is shared with the rules, nor with the
evaluation of lines. Its letters: those of the terms; u is exp(x).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

from chainrule.derivation.rules import Let
from chainrule.derivation.steps import Derivation
from chainrule.derivation.terms import (
    PATTERNS,
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
    walk,
)

MOST_PATHS = 2048
"""From the outputs down to the inputs: every line is multiplied out into about as many products."""

At: TypeAlias = dict[Letter, int]
"""The nodes that indices stand for."""


@dataclass(frozen=True)
class ProvedLine:
    """One line.

    Attributes
    ----------
    number : int
    ok : bool
        It is equal to line 1 for all weights, inputs, targets and activations.
    seconds : float
        That this took.
    """

    number: int
    ok: bool
    seconds: float


@dataclass(frozen=True)
class Proof:
    """What :func:`prove` found.

    Attributes
    ----------
    ok : bool
        Every line is proved.
    lines : tuple of ProvedLine
    sizes : tuple of int
        Of the narrow copy.
    target : str
        Its weight, bias or input: w[1][1,0].
    """

    ok: bool
    lines: tuple[ProvedLine, ...]
    sizes: tuple[int, ...]
    target: str

    def __bool__(self) -> bool:
        """Whether it is ok."""
        return self.ok

    @property
    def first_wrong(self) -> ProvedLine | None:
        """The first line that is not equal to line 1; none if all are."""
        return next((line for line in self.lines if not line.ok), None)

    def __str__(self) -> str:
        """One sentence."""
        wrong, seconds = self.first_wrong, sum(line.seconds for line in self.lines)
        sizes = "-".join(map(str, self.sizes))
        copy = f"on {sizes if len(sizes) < 24 else f'{len(self.sizes) - 1} layers'} by {self.target}"
        if wrong is not None:
            return f"line {wrong.number} is not equal to line 1, {copy} ✗"
        return f"all {len(self.lines)} lines are proved equal, {copy}, in {seconds:.2f} s ✓"


def prove(derivation: Derivation, narrow: int = 2) -> Proof:
    """Prove every line of a derivation on a narrow copy of its network.

    Parameters
    ----------
    derivation : Derivation
        Of any objective. Activations are any functions f_i with derivatives f'_i; softmax and logistic, where the
        derivation has to know them, are those of any function exp that is its own derivative.
    narrow : int
        The most nodes that a layer of the copy has; more where more are named. Several patterns become two.

    Returns
    -------
    Proof

    Raises
    ------
    ImportError
        If SymPy is not installed.
    ValueError
        If narrow is no whole number from 1 up, or the network is too deep.
    """
    if isinstance(narrow, bool) or not isinstance(narrow, int) or narrow < 1:
        raise ValueError(f"narrow must be a whole number from 1 up; got {narrow!r}. Use 2.")
    copy = _Copy(derivation, narrow)
    first, lines = None, []
    lets: dict[int, Let] = {}
    for step in derivation.steps:
        start = time.perf_counter()
        lets |= {e.layer: (e, meaning) for e, meaning in step.lets}
        line = copy.worth(step.line, lets)
        first = line if first is None else first
        lines.append(ProvedLine(step.number, line == first, time.perf_counter() - start))
    return Proof(all(line.ok for line in lines), tuple(lines), copy.sizes, copy.target)


def _sympy() -> Any:
    try:
        import sympy
    except ImportError:
        raise ImportError(
            "sympy must be installed to prove a derivation; it is not. Run pip install 'chainrule[prove]'."
        ) from None
    return sympy


class _Copy:
    """The narrow network in symbols.

    Behind ∂ all is written out, as an expression of SymPy. Elsewhere, and once ∂ is worked out, a line is a polynomial
    in the symbols and in f_i(x_ij) and f'_i(x_ij), whose coefficients are fractions of exp(x_Lj) and S: two lines are
    equal if their polynomials are.
    """

    def __init__(self, derivation: Derivation, narrow: int) -> None:
        self.sympy = _sympy()
        self.problem = derivation.problem
        self.sizes, self.numbers = _narrowed(derivation, narrow)
        self.patterns = range(2 if self.problem.patterns else 1)
        self.symbols: dict[tuple[Any, ...], Any] = {}
        self.written_out: dict[tuple[str, int, int, int], Any] = {}
        self.short: dict[Any, Any] = {}
        self.units: list[Any] = []
        self._name_all()
        self._write_out()
        target = self.problem.target
        nodes = [self.node(node, {}) for node in target.nodes]
        self.target = f"{target.letter}[{target.layer}][{','.join(map(str, nodes))}]"
        self.by = self.symbols[(target.letter, target.layer, *([0] if target.letter == "y" else []), *nodes)]
        others = [one for one in self.symbols.values() if one not in self.units]
        fractions = self.sympy.QQ.frac_field(*self.units) if self.units else self.sympy.QQ
        self.ring, *_ = self.sympy.ring(others, fractions)
        self._known: dict[tuple[Any, ...], Any] = {}

    def symbol(self, *name: Any) -> Any:
        """The symbol of that name: ("w", 1, 0, 1)."""
        return self.symbols.setdefault(name, self.sympy.Symbol("_".join(map(str, name))))

    def node(self, index: Index, at: At) -> int:
        """The node of the copy that an index stands for."""
        return at[index] if isinstance(index, Letter) else self.numbers[index]

    def _name_all(self) -> None:
        """A symbol for everything that is known from the start."""
        problem = self.problem
        for i in range(1, problem.L + 1):
            for j in range(self.sizes[i]):
                for k in range(self.sizes[i - 1]):
                    self.symbol("w", i, j, k)
                if problem.bias[i - 1]:
                    self.symbol("b", i, j)
        for p in self.patterns:
            for k in range(self.sizes[0]):
                self.written_out["y", 0, p, k] = self.symbol("y", 0, p, k)
            for j in range(self.sizes[-1]):
                self.symbol("t", p, j)
            self.symbol("s", p)
        self.symbol("λ")
        self.symbol("undefined")
        if problem.patterns:
            self.units.append(self.symbol("S"))

    def _write_out(self) -> None:
        """Every x and y, down to the inputs, and the symbols of f(x) and f'(x) once ∂ is worked out."""
        for i in range(1, self.problem.L + 1):
            f, f_prime = _function(self.sympy, f"f_{i}"), self.sympy.Function(f"f_{i}_prime")
            for p in self.patterns:
                for j in range(self.sizes[i]):
                    self.written_out["x", i, p, j] = self._net_value(i, p, j)
                if i == self.problem.L and self.problem.output:
                    self._write_out_exp(i, p)
                    continue
                for j in range(self.sizes[i]):
                    x = self.written_out["x", i, p, j]
                    self.written_out["y", i, p, j] = f(x)
                    self.short |= {f(x): self.symbol("y", i, p, j), f_prime(x): self.symbol("f'", i, p, j)}

    def _write_out_exp(self, i: int, p: int) -> None:
        """Softmax or logistic."""
        exp = _function(self.sympy, "exp_of", its_own_slope=True)
        us = [exp(self.written_out["x", i, p, j]) for j in range(self.sizes[i])]
        for j, u in enumerate(us):
            self.written_out["y", i, p, j] = u / (sum(us) if self.problem.output == "softmax" else 1 + u)
            self.short[u] = self.symbol("u", i, p, j)
            self.units.append(self.short[u])

    def _net_value(self, i: int, p: int, j: int) -> Any:
        b = [self.symbol("b", i, j)] if self.problem.bias[i - 1] else []
        before = range(self.sizes[i - 1])
        return self.sympy.Add(*(self.symbol("w", i, j, k) * self.written_out["y", i - 1, p, k] for k in before), *b)

    # --- terms ---

    def worth(self, line: Term, lets: dict[int, Let]) -> Any:
        """The polynomial of a line."""

        def known(term: Term, at: At) -> Any:
            key = (id(term), *sorted((letter.name, letter.layer, at[letter]) for letter in term.free))
            if key not in self._known:  # the term is kept with it, so that its id stays its own
                self._known[key] = term, translated(term, at)
            return self._known[key][1]

        def translated(term: Term, at: At) -> Any:
            match term:
                case D(inside):
                    slope = self.sympy.diff(self._written_out(inside, at), self.by)
                    return self.ring.from_expr(slope.xreplace(self.short))
                case Quotient(above, below):
                    return known(above, at) * self._inverse(known(below, at))
                case Reference(letter="e"):
                    meaning, own = self._meaning(term, lets, at)
                    return known(meaning, own) if meaning else self.ring.from_expr(self.symbols["undefined",])
                case Reference() | Symbol() | Apply():
                    return self.ring.from_expr(self._symbols(term, at).xreplace(self.short))
                case Number(value=value):
                    return self.ring(self.sympy.QQ(value.numerator, value.denominator))
                case Same(left, right):
                    return self.ring(int(self.node(left, at) == self.node(right, at)))
            return self._combined(term, at, known)

        return known(line, {})

    def _meaning(self, term: Reference, lets: dict[int, Let], at: At) -> tuple[Term | None, At]:
        """What an error term stands for, and for which nodes; nothing if it was not let be, or for others."""
        e, meaning = lets.get(term.layer, (None, None))
        if e is None:
            return None, {}
        own = {}
        for index, other in zip((*e.nodes, e.pattern), (*term.nodes, term.pattern), strict=True):
            if index is None or other is None:
                meaning = meaning if index is other else None
            elif isinstance(index, Letter):
                own[index] = self.node(other, at)
            elif self.node(index, at) != self.node(other, at):
                meaning = None
        return meaning, own

    def _inverse(self, below: Any) -> Any:
        """1 over what holds no symbol but exp(x_Lj) and S."""
        assert below.is_ground
        return self.ring.ground_new(1 / below.LC)

    def _written_out(self, term: Term, at: At) -> Any:
        """An expression of SymPy for what stands behind ∂."""
        match term:
            case Log(inside):
                return self.sympy.log(self._written_out(inside, at))
            case Quotient(above, below):
                return self._written_out(above, at) / self._written_out(below, at)
            case SquaredWeights(biases):
                return sum(one**2 for name, one in self.symbols.items() if name[0] in ("wb" if biases else "w"))
            case Reference() | Symbol() | Apply():
                return self._symbols(term, at)
            case Number(value=value):
                return self.sympy.Rational(value.numerator, value.denominator)
        return self._combined(term, at, self._written_out)

    def _combined(self, term: Term, at: At, translated: Callable[[Term, At], Any]) -> Any:
        """Sums and products, of expressions or of polynomials."""
        if isinstance(term, Sum):
            nodes = self.patterns if term.index.layer == PATTERNS else range(self.sizes[term.index.layer])
            first, *others = [translated(term.body, at | {term.index: n}) for n in nodes]
            return sum(others, first)
        first, *others = [translated(part, at) for part in term.parts]
        match term:
            case Negation():
                return -first
            case Difference():
                return first - others[0]
            case Square():
                return first * first
            case Addition():
                return sum(others, first)
            case Product():
                return prod(others, start=first)
        raise AssertionError(
            f"term must be a sum or product of the derivation; got {type(term).__name__}. Translate it too."
        )

    def _symbols(self, term: Term, at: At) -> Any:
        """The symbol of a reference, or what it is written out."""
        match term:
            case Symbol(name=name):
                return self.symbol(name)
            case Reference(letter="w" | "b"):
                return self.symbol(term.letter, term.layer, *(self.node(one, at) for one in term.nodes))
            case Reference(letter="s"):
                return self.symbol("s", self._pattern(term, at))
            case Reference(letter="t"):
                return self.symbol("t", self._pattern(term, at), self.node(term.nodes[0], at))
            case Reference(letter="x" | "y"):
                return self.written_out[term.letter, term.layer, self._pattern(term, at), self.node(term.nodes[0], at)]
            case Apply(layer, Reference() as x, primed):
                place = (layer, self._pattern(x, at), self.node(x.nodes[0], at))
                y = self.written_out[("y", *place)]
                if not primed:
                    return y
                return self.symbol("f'", *place) if ("f'", *place) in self.symbols else y * (1 - y)
        raise AssertionError(f"term must be a letter of the derivation; got {type(term).__name__}. Translate it too.")

    def _pattern(self, term: Reference, at: At) -> int:
        return at[term.pattern] if term.pattern else 0


def _function(sympy: Any, name: str, its_own_slope: bool = False) -> Any:
    """A function of which nothing is known but its derivative: that of the name with _prime, or itself."""
    prime = sympy.Function(f"{name}_prime")

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return self if its_own_slope else prime(*self.args)

    return type(name, (sympy.Function,), {"fdiff": fdiff})


def _narrowed(derivation: Derivation, narrow: int) -> tuple[tuple[int, ...], dict[Node, int]]:
    """The sizes of the copy, and which of its nodes stand for those that the lines name."""
    problem = derivation.problem
    named: list[set[int]] = [set() for _ in problem.sizes]
    for node in _named(derivation):
        named[node.layer].add(node.number)
    least = [1] * problem.L + [2 if problem.output == "softmax" else 1]
    sizes = tuple(
        min(size, max(narrow, len(nodes), few)) for size, nodes, few in zip(problem.sizes, named, least, strict=True)
    )
    paths = prod(sizes)
    if paths > MOST_PATHS:
        raise ValueError(
            f"derivation must have at most {MOST_PATHS:,} paths through its narrow copy to be proved; got {paths:,}, "
            f"with {problem.L} layers. Use verify_exact(), or narrow=1."
        )
    numbers = {}
    for i, nodes in enumerate(named):
        kept = all(number < sizes[i] for number in nodes)
        for place, number in enumerate(sorted(nodes), sizes[i] - len(nodes)):
            numbers[Node(number, i)] = number if kept else place
    return sizes, numbers


def _named(derivation: Derivation) -> Iterator[Node]:
    terms = [term for step in derivation.steps for term in (step.line, *(one for let in step.lets for one in let))]
    for term in (derivation.problem.target, *terms):
        for one in walk(term):
            indices = (
                one.nodes if isinstance(one, Reference) else (one.left, one.right) if isinstance(one, Same) else ()
            )
            yield from (index for index in indices if isinstance(index, Node))
