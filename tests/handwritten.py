"""Terms from the way they are written by hand: lines as a test or a page has them.

-Σ_i (t_i - y_5i) f5'(x_5i) ∂x_5i is step 5. A Σ reaches to the end of its product, ∂ stands before one factor or Σ.
Layers and nodes have one digit; the indices i, j, k … run over the layers from the outputs on, h over the outputs too,
and p over patterns, in front of the layer: y_p5i.
"""

from __future__ import annotations

import re

from chainrule.derivation.terms import (
    HALF,
    PATTERNS,
    Apply,
    D,
    Difference,
    IllFormed,
    Index,
    Letter,
    Log,
    Node,
    Number,
    Quotient,
    Reference,
    Same,
    Square,
    SquaredWeights,
    Sum,
    Symbol,
    Term,
    addition,
    negation,
    product,
)

TOKEN = re.compile(r"Σw²|Σ_\w|log|f\w?'?|[a-z]_\w+|\[\w=\w\]|\d+|[½λS∂()+\-/²]")


def term(text: str, depth: int = 5) -> Term:
    """The term in a network of this depth; IllFormed if there is no such term."""
    tokens = TOKEN.findall(text)
    if "".join(tokens) != text.replace(" ", ""):
        raise IllFormed(f"a term must be made of letters, sums and ∂; got {text}, which cannot be read as such.")
    reader = _Reader(tokens, depth)
    found = reader.expression()
    if reader.tokens:
        raise IllFormed(f"a term must end where it ends; got {reader.tokens[0]} behind it in {text}.")
    return found


class _Reader:
    def __init__(self, tokens: list[str], depth: int) -> None:
        self.tokens, self.depth = tokens, depth

    def next(self) -> str:
        if not self.tokens:
            raise IllFormed("a term must be whole; got one that is cut off.")
        return self.tokens.pop(0)

    def sees(self, *wanted: str) -> bool:
        return bool(self.tokens) and self.tokens[0] in wanted

    def expression(self) -> Term:
        found = self.addend()
        while self.sees("+", "-"):
            found = addition(found, self.addend()) if self.next() == "+" else Difference(found, self.addend())
        return found

    def addend(self) -> Term:
        if self.sees("-"):
            self.next()
            return negation(self.addend())
        factors = [self.factor()]
        while self.tokens and not self.sees(")", "+", "-"):
            factors.append(self.factor())
        return product(*factors)

    def factor(self) -> Term:
        found = self.atom()
        if self.sees("²"):
            self.next()
            found = Square(found)
        if self.sees("/"):
            self.next()
            found = Quotient(found, self.factor())
        return found

    def atom(self) -> Term:  # noqa: PLR0911  one case a kind of term
        token = self.next()
        if token == "(":
            return self.closed()
        if token == "∂":
            return D(self.factor())
        if token == "log":
            self.expect("(")
            return Log(self.closed())
        if token[0] == "f":
            return self.function(token)
        if token == "Σw²":
            return SquaredWeights(biases=False)
        if token[0] == "Σ":
            index = self.index(token[-1])
            return Sum(index, self.addend())  # type: ignore[arg-type]
        if token in ("λ", "S"):
            return Symbol(token)
        if token[0] == "[":
            return Same(self.index(token[1], self.depth), self.index(token[3], self.depth))
        if token[1:2] == "_":
            return self.reference(token)
        if token not in "½" and not token.isdigit():
            raise IllFormed(f"a term must be where {token} stands; got none.")
        return HALF if token == "½" else Number(token)

    def function(self, token: str) -> Term:
        if not token[1:2].isdigit():
            raise IllFormed(f"f must have a layer; got {token}(…), which does not say whose function it is.")
        self.expect("(")
        return Apply(int(token[1]), self.closed(), primed=token.endswith("'"))

    def closed(self) -> Term:
        inside = self.expression()
        self.expect(")")
        return inside

    def expect(self, wanted: str) -> None:
        if (found := self.next()) != wanted:
            raise IllFormed(f"a term must have {wanted} here; got {found}.")

    def reference(self, token: str) -> Term:
        letter, places = token[0], token[2:]
        if letter not in "xyetwbs":
            raise IllFormed(f"a letter must be x, y, e, t, w, b or s; got {letter} in {token}.")
        pattern = self.index("p") if places.startswith("p") else None
        places = places[1:] if pattern else places
        layer = {"t": self.depth, "s": PATTERNS}.get(letter)
        if layer is None:
            if not places[:1].isdigit():
                raise IllFormed(f"{letter} must have a layer before its nodes; got {token}.")
            layer, places = int(places[0]), places[1:]
        nodes = tuple(self.index(place, layer - n) for n, place in enumerate(places))
        return Reference(letter, layer, nodes, pattern)  # type: ignore[arg-type]

    def index(self, name: str, layer: int = 0) -> Index:
        if name.isdigit():
            return Node(int(name), layer)
        layers = {"p": PATTERNS, "h": self.depth} | {one: self.depth - n for n, one in enumerate("ijklmn")}
        return Letter(name, layers[name])
