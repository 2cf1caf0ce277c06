"""What is asked: the network's shape, its objective, and the weight, bias or input by which E is differentiated.

Stands before the first step, "Given". Its letters: L the output layer, i a layer, j and k its nodes as in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.derivation.terms import (
    HALF,
    ONE,
    PATTERNS,
    Difference,
    Index,
    Letter,
    Log,
    Node,
    Product,
    Quotient,
    Reference,
    Square,
    SquaredWeights,
    Sum,
    Symbol,
    Term,
    addition,
    negation,
    product,
    walk,
)
from chainrule.network import Network

NAMES = "ijklmn"
"""Of the indices, from the outputs towards the inputs; then i1, j1 and so on."""

SPREAD = "h"
"""The index of the second sum that softmax brings."""


@dataclass(frozen=True)
class Problem:
    """The derivative of E by one weight, bias or input of a network of this shape.

    Attributes
    ----------
    sizes : tuple of int
    bias : tuple of bool
        Of layers 1 to L.
    target : Reference
        w_ijk, b_ij or y_0k.
    objective : {"sse", "cross_entropy"}
    output : {"", "softmax", "logistic"}
        The output activation where the derivation has to know it.
    l2, penalize_bias, patterns : bool
        Whether E has a penalty, whether that counts biases, whether E is over several patterns.
    """

    sizes: tuple[int, ...]
    bias: tuple[bool, ...]
    target: Reference
    objective: str = "sse"
    output: str = ""
    l2: bool = False
    penalize_bias: bool = False
    patterns: bool = False

    @property
    def L(self) -> int:
        """The output layer."""
        return len(self.sizes) - 1

    @property
    def pattern(self) -> Letter | None:
        """The index over patterns, if there are several."""
        return Letter("p", PATTERNS) if self.patterns else None

    def letter(self, layer: int) -> Letter:
        """The index that runs over a layer."""
        turns, place = divmod(self.L - layer, len(NAMES))
        return Letter(NAMES[place] + (str(turns) if turns else ""), layer)

    def value(self, letter: str, index: Index) -> Reference:
        """x, y, e or t of a node."""
        return Reference(letter, index.layer, (index,), self.pattern)

    def weight(self, into: Index, source: Index) -> Reference:
        """The weight into a node from another."""
        return Reference("w", into.layer, (into, source))

    def net_value(self, into: Index) -> Term:
        """What x of a node is: sum_k w_ijk y_(i-1)k, plus its bias."""
        k = self.letter(into.layer - 1)
        total: Term = Sum(k, Product((self.weight(into, k), self.value("y", k))))
        return addition(total, Reference("b", into.layer, (into,))) if self.bias[into.layer - 1] else total

    @property
    def error(self) -> Term:
        """E, as it is written at the start."""
        i = self.letter(self.L)
        t, y = self.value("t", i), self.value("y", i)
        if self.objective == "sse":
            E: Term = product(HALF, Sum(i, Square(Difference(t, y))))
        elif self.output == "softmax":
            E = Sum(i, product(t, Log(y)))
        else:
            E = Sum(i, addition(product(t, Log(y)), product(Difference(ONE, t), Log(Difference(ONE, y)))))
        if self.pattern:
            s = Reference("s", PATTERNS, (), self.pattern)
            E = product(Quotient(ONE, Symbol("S")), Sum(self.pattern, product(s, E)))
        if self.objective == "cross_entropy":
            E = negation(E)
        return addition(E, self.penalty) if self.l2 else E

    @property
    def penalty(self) -> Term:
        """What L2 adds to E."""
        return product(HALF, Symbol("λ"), SquaredWeights(self.penalize_bias))

    def spreads(self, layer: int) -> bool:
        """Whether every output of the layer depends on every net value of it, as under softmax."""
        return self.output == "softmax" and layer == self.L

    def varies(self, term: Term) -> bool:
        """Whether the term depends on the target, for some node that its letters may stand for."""
        squares = self.target.letter == "w" or (self.target.letter == "b" and self.penalize_bias)
        return any(
            (isinstance(one, Reference) and self.where(one) is not None)
            or (squares and isinstance(one, SquaredWeights))
            for one in walk(term)
        )

    def where(self, reference: Reference) -> dict[Letter, Node] | None:
        """For which nodes a reference depends on the target: its letters and their only nodes; none if for no node."""
        target, letter = self.target, reference.letter
        if letter in "xy":
            if target.letter == "y":
                if reference.layer > 0:
                    return {}
            elif reference.layer != target.layer or (letter == "y" and self.spreads(reference.layer)):
                return {} if reference.layer >= target.layer else None
        elif letter != target.letter or letter not in "wb" or reference.layer != target.layer:
            return None
        only = {}
        for index, wanted in zip(reference.nodes, target.nodes, strict=False):
            assert isinstance(wanted, Node)
            if isinstance(index, Letter):
                only[index] = wanted
            elif index != wanted:
                return None
        return only

    def only(self, total: Sum) -> Node | None:
        """The one node for which the body of a sum depends on the target; none if there are more."""
        references = (one for one in walk(total.body) if isinstance(one, Reference))
        found = [where for one in references if (where := self.where(one)) is not None]
        nodes = {where.get(total.index) for where in found}
        return nodes.pop() if len(nodes) == 1 else None

    @property
    def words(self) -> str:
        """The target in words."""
        target = self.target
        node = target.nodes[0]
        assert isinstance(node, Node)
        if target.letter == "y":
            return f"input {node.number}"
        into = f"node {node.number} of layer {target.layer}"
        if target.letter == "b":
            return f"the bias of {into}"
        source = target.nodes[1]
        assert isinstance(source, Node)
        return f"the weight into {into} from node {source.number} of layer {source.layer}"

    @property
    def name(self) -> str:
        """The target as in code: w[1][7,3]."""
        return f"{self.target.letter}[{self.target.layer}][{','.join(str(n.number) for n in _nodes(self.target))}]"

    @property
    def goal(self) -> str:
        """What E is, in words."""
        if self.objective == "sse":
            name = "the sum-squared error"
        else:
            name = f"the cross-entropy of {'softmax' if self.output == 'softmax' else 'logistic outputs'}"
        return name + (" over all patterns" if self.patterns else "") + (" with its penalty" if self.l2 else "")


def _nodes(reference: Reference) -> list[Node]:
    return [node for node in reference.nodes if isinstance(node, Node)]


# --- from what a user says -------------------------------------------------------------------------------------------


def problem_of(
    network: Network | Sequence[int],
    wrt: str,
    *,
    objective: str | None = None,
    output: str | None = None,
    bias: bool | Sequence[bool] | None = None,
    l2: bool | None = None,
    patterns: bool = False,
) -> Problem:
    """What is asked, from a network or its sizes and the name of a weight, bias or input."""
    if isinstance(network, Network):
        _refuse_with_network(objective=objective, output=output, bias=bias, l2=l2)
        shape = _of_network(network)
    else:
        shape = _of_sizes(network, wrt, objective or "sse", output, bias, bool(l2))
    target = _target(wrt, shape["sizes"], shape["bias"])
    if patterns and target.letter == "y":
        raise ValueError(
            f"patterns must be False for an input, which belongs to one pattern; got True with wrt {wrt!r}. "
            "Derive it for one pattern."
        )
    return Problem(target=target, patterns=patterns, **shape)


def _refuse_with_network(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name} must be left out where a Network is given, which has its own; got {value!r}. Leave it out."
            )


def _of_network(net: Network) -> dict[str, Any]:
    if net.objective.name not in ("sse", "cross_entropy"):
        raise ValueError(
            f"objective must be 'sse' or 'cross_entropy' to be derived; got {net.objective.name!r}. "
            "Use check(net, inputs, targets), which certifies any."
        )
    if net.l1:
        raise ValueError(f"l1 must be 0 to be derived, since |w| has no derivative at 0; got {net.l1:g}. Use l2.")
    output = net.f[net.depth].name
    known = output == "softmax" or (output == "logistic" and net.objective.name == "cross_entropy")
    return {
        "sizes": net.sizes,
        "bias": net.bias,
        "objective": net.objective.name,
        "output": output if known else "",
        "l2": bool(net.l2),
        "penalize_bias": net.penalize_bias,
    }


def _of_sizes(
    sizes: Sequence[int], wrt: str, objective: str, output: str | None, bias: Any, l2: bool
) -> dict[str, Any]:
    if objective not in ("sse", "cross_entropy"):
        raise ValueError(f"objective must be 'sse' or 'cross_entropy'; got {objective!r}. Choose one of them.")
    if output not in (None, "softmax", "logistic"):
        raise ValueError(f"output must be 'softmax' or 'logistic', or be left out; got {output!r}. Choose one of them.")
    if bias is None:  # the paper has none
        bias = str(wrt).strip().startswith("b")
    activations = None if output is None else ["tanh"] * (len(list(sizes)) - 2) + [output]
    shape = Network.architecture(sizes, activations, objective, bias)
    return _of_network(shape) | {"l2": l2}


_TARGET = re.compile(r"\s*([wby])\s*(?:_?\{?(\d{2,3})\}?|((?:\s*\[[\d\s,]*\])+))\s*")


def _target(wrt: str, sizes: tuple[int, ...], bias: tuple[bool, ...]) -> Reference:
    """The weight, bias or input of that name: w[1,7,3], w[1][7,3] or w_173."""
    found = _TARGET.fullmatch(wrt) if isinstance(wrt, str) else None
    digits = (list(found[2]) if found[2] else re.findall(r"\d+", found[3])) if found else []
    wanted = {"w": 3, "b": 2, "y": 2}
    if not found or len(digits) != wanted[found[1]]:
        raise ValueError(
            f"wrt must be a weight like 'w[1,7,3]', a bias like 'b[1,7]' or an input like 'y[0,5]'; got {wrt!r}. "
            "The first number is the layer; nodes count from 0."
        )
    letter, (layer, *nodes) = found[1], [int(one) for one in digits]
    L = len(sizes) - 1
    if letter == "y" and layer:
        raise ValueError(
            f"wrt must be an input, y[0,k], if it is a y; got {wrt!r}. The outputs of layers 1 to {L} are no "
            "parameters; their error terms e are in any derivation."
        )
    if letter != "y" and not 1 <= layer <= L:
        raise ValueError(f"wrt must be in one of the layers 1 to {L}; got {wrt!r}. Layer 0 is the input pattern.")
    layers = [layer, layer - 1][: len(nodes)]
    for node, i in zip(nodes, layers, strict=True):
        if node >= sizes[i]:
            raise ValueError(
                f"wrt must name a node from 0 to {sizes[i] - 1} in layer {i}, which has {sizes[i]}; got {wrt!r}. "
                f"The sizes are {list(sizes)}, and a weight is w[layer, node, node of the layer before]."
            )
    if letter == "b" and not bias[layer - 1]:
        raise ValueError(f"wrt must not be a bias of layer {layer}, which has none; got {wrt!r}. Use bias=True.")
    return Reference(letter, layer, tuple(Node(node, i) for node, i in zip(nodes, layers, strict=True)))
