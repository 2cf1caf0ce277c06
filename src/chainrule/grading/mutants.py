"""The page with one thing changed: the mistakes that are known by name, as a table.

Every quantity of the page is a recipe: parts, and how they are put together (steps 20 to 24, 17, and the definitions).
A mistake is a part that is changed, a :class:`Change`: adding one is adding a row. Rows combine, two at a time, when
they change different parts. Letters: those of the paper; a :class:`Scene` is one layer of one network.

In the texts, {i} {a} {u} {L} stand for this layer, the one above, the one under it and the last one, and {k} {j} {l}
{o} for the letters of their nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule.grading.cases import Case

LETTERS = "ᵢⱼₖₗₘₙ"
DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, eq=False)
class Scene:
    """Layer i of a network, with the arrays that are taken for right above and below it."""

    case: Case
    i: int
    x: list[Any]
    y: list[Any]
    e: list[Any]
    after: list[Any] | None = None
    """w as the file left it, where it changed it."""

    @property
    def L(self) -> int:
        """Layers."""
        return self.case.L

    def f(self, i: int) -> Callable[[Any], Any]:
        """f of layer i; ValueError where there is none."""
        function: Callable[[Any], Any] = _there(self.case.f, i)
        return function

    def f_prime(self, i: int) -> Callable[[Any], Any]:
        """f′ of layer i."""
        function: Callable[[Any], Any] = _there(self.case.f_prime, i)
        return function

    def w(self, i: int) -> Any:
        """w of layer i, and in the same way the others."""
        return _there(self.case.w, i)

    def b(self, i: int) -> Any:
        """Biases of layer i."""
        return _there(self.case.b, i)

    def text(self, template: str) -> str:
        """The template with the subscripts of this layer."""
        i, L = self.i, self.L
        layers = {"i": i, "a": i + 1, "u": i - 1, "L": L}
        nodes = {
            letter: LETTERS[L - n] if 0 <= L - n < len(LETTERS) else ""
            for letter, n in zip("kjlo", (i, i + 1, i - 1, L), strict=True)
        }
        return template.format(
            **{name: str(n).translate(DIGITS) for name, n in layers.items()}, **nodes, n=i, step=20 + L - i
        )


def _there(values: Any, i: int) -> Any:
    return values[i if i > 0 else len(values)]  # beyond the end: there is no layer 0 of these


@dataclass(frozen=True)
class Change:
    """One row: a part of a recipe computed otherwise.

    ``text`` is the part as it then stands in the formula (None if it cannot be shown), ``phrase`` says the change, by
    default with the two texts, and ``advice`` what to look for.
    """

    kind: str
    part: str
    value: Callable[[Scene], Any]
    text: str | None = None
    phrase: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Recipe:
    """One quantity: its parts by name, each with value and text, and how they are put together.

    ``scaled`` says that a factor of all of it may be a convention.
    """

    quantity: str
    function: str
    name: str
    left: str
    step: str
    parts: Mapping[str, tuple[Callable[[Scene], Any], str]]
    combine: Callable[[SimpleNamespace], Any]
    changes: tuple[Change, ...]
    scaled: bool = False

    def value(self, scene: Scene, changes: Iterable[Change] = ()) -> Any:
        """The quantity in this scene with these changes; None where it cannot be computed."""
        replaced = {one.part: one.value for one in changes}
        try:
            with np.errstate(all="ignore"):
                made = ((name, replaced.get(name, right)) for name, (right, _) in self.parts.items())
                parts = {name: make(scene) for name, make in made}
                at_last = replaced.get("result", _as_it_is)
                result: Any = at_last(scene)
                value = np.asarray(result(self.combine(SimpleNamespace(**parts))), dtype=float)
        except (IndexError, ValueError, TypeError, AttributeError):
            return None
        return value if np.isfinite(value).all() else None

    def formula(self, scene: Scene, changes: Iterable[Change] = ()) -> str | None:
        """The right side as text; None where a change cannot be shown."""
        texts = {one.part: one.text for one in changes}
        if None in texts.values():
            return None
        shown = [texts.get(name, right) for name, (_, right) in self.parts.items()]
        return scene.text(" ".join(one for one in shown if one)) or "0"

    def phrase(self, scene: Scene, change: Change) -> str:
        """The change in words."""
        if change.phrase:
            return scene.text(change.phrase)
        right = self.parts[change.part][1]
        said = f"with {change.text} in place of {right}" if change.text else f"without {right}"
        return scene.text(said)

    def candidates(self, most: int) -> Iterable[tuple[Change, ...]]:
        """Every choice of so many changes of different parts."""
        for chosen in combinations(self.changes, most):
            if len({one.part for one in chosen}) == len(chosen):
                yield chosen


def _as_it_is(scene: Scene) -> Any:
    return lambda value: value


def _result(change: Callable[[Any], Any]) -> Callable[[Scene], Any]:
    return lambda scene: change


# ------------------------------------------------------------------------------------------------------ advice, rows

_OWN_SLOPE = "The error term of a layer has the f′ of that same layer."
_AT_OWN_X = "f′ is taken at the net values of its own layer."
_OWN_ACTIVATION = "Every layer has an activation of its own."
_CALL_F = "Every layer has an activation of its own: call f[{n}]."
_LAYER_BELOW = "A layer is fed by the layer under it."
_FROM_1 = "Layers count from 1; slot 0 of every list is empty."
_ROWS = "Patterns are rows, nodes columns."
_OWN_BIAS = "A bias's derivative has the error term of its own node."
_FED_BY_1 = "A bias is fed by a node whose output is always 1."
_OWN_NODE = "A weight's derivative has the error term of the node into which it feeds."
_FEEDS_IN = "A weight's derivative has what feeds in through the weight: the output of the layer below."
_INTO_LAYER_1 = "The inputs feed into layer 1."
_BACK_THROUGH = "The error comes back through the weights that lead out of layer {n}: those of layer {n}+1."
_FROM_ABOVE = "A hidden layer gets its error from the error terms of the layer above it (step 21)."
_ONE_BIAS = "Each bias has a derivative of its own: sum over axis 0 only."
_LENGTHS = "The patterns are the rows: len(y[0])."
_ASSIGNED = "Look for = where += is meant, or a return inside the loop."


def _product(A: Any, B: Any) -> Any:
    return A @ B


def _sums(letter: str, what: str) -> tuple[Change, ...]:
    """A sum that is not the sum of all its terms; the terms are the columns of A times the rows of B."""

    def row(kind: str, value: Callable[[Any, Any], Any], phrase: str, advice: str = "") -> Change:
        return Change(kind, "sum", lambda scene: value, None, phrase.format(letter=letter, what=what), advice)

    ends = "Look at where the loop begins and ends: nodes and patterns count from 0."
    return (
        row(
            "last_term_only",
            lambda A, B: A[:, -1:] * B[-1:],
            "with only the last term of Σ{letter}, over {what}",
            _ASSIGNED,
        ),
        row(
            "first_term_only",
            lambda A, B: A[:, :1] * B[:1],
            "with only the first term of Σ{letter}, over {what}",
            _ASSIGNED,
        ),
        row(
            "first_term_left_out",
            lambda A, B: A[:, 1:] @ B[1:],
            "without the first term of Σ{letter}, over {what}",
            ends,
        ),
        row(
            "last_term_left_out",
            lambda A, B: A[:, :-1] @ B[:-1],
            "without the last term of Σ{letter}, over {what}",
            ends,
        ),
    )


_MEAN = "with the mean over {what} in place of their sum"


def _mean(letter: str, what: str) -> Change:
    return Change(
        "mean_for_sum",
        "sum",
        lambda s: lambda A, B: A @ B / A.shape[1],
        None,
        _MEAN.format(what=what),
        f"Σ{letter} adds up the ways through which an error arrives. It is no mean.",
    )


def _transposed(name: str, advice: str = "") -> Change:
    return Change("transposed", "result", _result(lambda v: v.T), None, f"transposed, {name}", advice)


def _softmax(v: Any) -> Any:
    z = np.exp(v - v.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


_OF_X = "f′ is a function of the net value x, not of the output y = f(x)."
_OF_LOGISTIC = "Every layer has an activation of its own: call f_prime[{n}](x[{n}])."

SLOPES = (
    Change(
        "slope_missing",
        "slope",
        lambda s: 1.0,
        "",
        advice="The chain rule (step 5) gives one f′ for every layer that the error comes through.",
    ),
    Change("slope_of_output", "slope", lambda s: s.f_prime(s.i)(s.y[s.i]), "f{i}′(y{i}{k})", advice=_OF_X),
    Change(
        "slope_of_layer_below", "slope", lambda s: s.f_prime(s.i - 1)(s.x[s.i]), "f{u}′(x{i}{k})", advice=_OWN_SLOPE
    ),
    Change(
        "slope_of_layer_above", "slope", lambda s: s.f_prime(s.i + 1)(s.x[s.i]), "f{a}′(x{i}{k})", advice=_OWN_SLOPE
    ),
    Change("slope_of_last_layer", "slope", lambda s: s.f_prime(s.L)(s.x[s.i]), "f{L}′(x{i}{k})", advice=_OWN_SLOPE),
    Change("slope_of_first_layer", "slope", lambda s: s.f_prime(1)(s.x[s.i]), "f₁′(x{i}{k})", advice=_OWN_SLOPE),
    Change("slope_at_layer_below", "slope", lambda s: s.f_prime(s.i)(s.x[s.i - 1]), "f{i}′(x{u}{l})", advice=_AT_OWN_X),
    Change("slope_at_layer_above", "slope", lambda s: s.f_prime(s.i)(s.x[s.i + 1]), "f{i}′(x{a}{j})", advice=_AT_OWN_X),
    Change(
        "slope_wholly_of_layer_above",
        "slope",
        lambda s: s.f_prime(s.i + 1)(s.x[s.i + 1]),
        "f{a}′(x{a}{j})",
        advice="That factor is in e[{n}+1] already.",
    ),
    Change(
        "slope_wholly_of_layer_below",
        "slope",
        lambda s: s.f_prime(s.i - 1)(s.x[s.i - 1]),
        "f{u}′(x{u}{l})",
        advice=_OWN_SLOPE,
    ),
    Change(
        "activation_for_slope",
        "slope",
        lambda s: s.f(s.i)(s.x[s.i]),
        "f{i}(x{i}{k})",
        advice="What is multiplied with is the derivative f′, not f.",
    ),
    Change(
        "net_value_for_slope",
        "slope",
        lambda s: s.x[s.i],
        "x{i}{k}",
        advice="What is multiplied with is the derivative f′, at x.",
    ),
    Change(
        "slope_twice",
        "slope",
        lambda s: s.f_prime(s.i)(s.x[s.i]) ** 2,
        "f{i}′(x{i}{k})²",
        advice="f′ of a layer belongs into its own error term, once.",
    ),
    Change(
        "divided_by_slope",
        "slope",
        lambda s: 1 / s.f_prime(s.i)(s.x[s.i]),
        "/ f{i}′(x{i}{k})",
        advice="The chain rule multiplies.",
    ),
    Change(
        "slope_of_logistic", "slope", lambda s: s.y[s.i] * (1 - s.y[s.i]), "y{i}{k}(1 − y{i}{k})", advice=_OF_LOGISTIC
    ),
    Change("slope_of_tanh", "slope", lambda s: 1 - s.y[s.i] ** 2, "(1 − y{i}{k}²)", advice=_OF_LOGISTIC),
    Change(
        "slope_of_logistic_of_x",
        "slope",
        lambda s: s.x[s.i] * (1 - s.x[s.i]),
        "x{i}{k}(1 − x{i}{k})",
        advice=_OF_LOGISTIC,
    ),
    Change("slope_of_tanh_of_x", "slope", lambda s: 1 - s.x[s.i] ** 2, "(1 − x{i}{k}²)", advice=_OF_LOGISTIC),
    Change("slope_of_relu", "slope", lambda s: (s.x[s.i] > 0) * 1.0, "[x{i}{k} > 0]", advice=_OF_LOGISTIC),
    Change(
        "slope_of_softmax",
        "slope",
        lambda s: _softmax_pull(s.y[s.i]),
        None,
        "with softmax's derivative in place of f{i}′(x{i}{k})",
        _OF_LOGISTIC,
    ),
)


def _softmax_pull(y: Any) -> Callable[[Any], Any]:
    return lambda v: y * (v - (v * y).sum(axis=-1, keepdims=True))


def _times(v: Any, slope: Any) -> Any:
    return slope(v) if callable(slope) else v * slope


_PER_PATTERN = "Every pattern has a row of its own; patterns are added up in gradient."

_OVER_PATTERNS = (
    Change(
        "summed_over_patterns",
        "result",
        _result(lambda v: v.sum(axis=0)),
        None,
        "summed over the patterns",
        _PER_PATTERN,
    ),
    Change(
        "mean_over_patterns",
        "result",
        _result(lambda v: v.mean(axis=0)),
        None,
        "averaged over the patterns",
        _PER_PATTERN,
    ),
)

# --------------------------------------------------------------------------------------------------------- the recipes

X = Recipe(
    "x",
    "forward",
    "x",
    "x{i}{k}",
    "the definition of x{i}{k}",
    {
        "sum": (lambda s: _product, "Σ{l}"),
        "weight": (lambda s: s.w(s.i).T, "w{i}{k}{l}"),
        "carried": (lambda s: s.y[s.i - 1], "y{u}{l}"),
        "bias": (lambda s: s.b(s.i), "+ b{i}{k}"),
    },
    lambda q: q.sum(q.carried, q.weight) + q.bias,
    (
        Change(
            "bias_missing",
            "bias",
            lambda s: 0.0,
            "",
            "without the bias b{i}{k}",
            "The bias is the weight from a node whose output is always 1.",
        ),
        Change("bias_twice", "bias", lambda s: 2 * s.b(s.i), "+ 2 b{i}{k}", "with the bias b{i}{k} added twice"),
        Change(
            "bias_subtracted", "bias", lambda s: -s.b(s.i), "− b{i}{k}", "with the bias b{i}{k} taken off, not added"
        ),
        Change(
            "bias_of_layer_below", "bias", lambda s: s.b(s.i - 1), "+ b{u}{k}", "with the bias of layer {n}−1", _FROM_1
        ),
        Change(
            "bias_of_layer_above", "bias", lambda s: s.b(s.i + 1), "+ b{a}{k}", "with the bias of layer {n}+1", _FROM_1
        ),
        Change(
            "bias_times_nodes",
            "bias",
            lambda s: s.b(s.i) * s.w(s.i).shape[1],
            None,
            "with the bias added once for every term of Σ{l}",
            "Add the bias after the loop, not in it.",
        ),
        Change(
            "weights_transposed",
            "weight",
            lambda s: s.w(s.i),
            "w{i}{l}{k}",
            "with w{i} transposed",
            "w[{n}][k, l] leads to node k from node l: in matrix form it is y @ w[{n}].T.",
        ),
        Change("weights_of_layer_above", "weight", lambda s: s.w(s.i + 1).T, "w{a}{k}{l}", advice=_FROM_1),
        Change("weights_of_layer_below", "weight", lambda s: s.w(s.i - 1).T, "w{u}{k}{l}", advice=_FROM_1),
        Change(
            "net_values_passed_on",
            "carried",
            lambda s: _there(s.x, s.i - 1),
            "x{u}{l}",
            advice="What a layer passes on is its output y = f(x).",
        ),
        Change("inputs_in_every_layer", "carried", lambda s: s.y[0], "y₀{l}", advice=_LAYER_BELOW),
        Change(
            "output_of_two_below",
            "carried",
            lambda s: s.y[s.i - 2] if s.i > 1 else _there((), 1),
            None,
            "with the outputs of layer {n}−2",
            _LAYER_BELOW,
        ),
        *_sums("{l}", "the nodes of layer {n}−1"),
        _mean("{l}", "the nodes of layer {n}−1"),
        Change(
            "activation_too_early",
            "result",
            lambda s: s.f(s.i),
            None,
            "with f{i} applied to it: that is y{i}{k}",
            "x is the net value, before the activation; y = f(x).",
        ),
        _transposed("with patterns in columns", _ROWS),
    ),
)

Y = Recipe(
    "y",
    "forward",
    "y",
    "y{i}{k}",
    "the definition of y{i}{k}",
    {
        "function": (lambda s: s.f(s.i), "f{i}"),
        "inside": (lambda s: s.x[s.i], "(x{i}{k})"),
        "added": (lambda s: 0.0, ""),
    },
    lambda q: q.function(q.inside) + q.added,
    (
        Change(
            "activation_missing",
            "function",
            lambda s: lambda v: v,
            "",
            "without f{i}",
            "Every layer applies its activation, the output layer too.",
        ),
        Change(
            "activation_twice", "function", lambda s: lambda v: s.f(s.i)(s.f(s.i)(v)), None, "with f{i} applied twice"
        ),
        Change("activation_of_layer_below", "function", lambda s: s.f(s.i - 1), "f{u}", advice=_FROM_1),
        Change("activation_of_layer_above", "function", lambda s: s.f(s.i + 1), "f{a}", advice=_FROM_1),
        Change("activation_of_last_layer", "function", lambda s: s.f(s.L), "f{L}", advice=_OWN_ACTIVATION),
        Change("activation_of_first_layer", "function", lambda s: s.f(1), "f₁", advice=_OWN_ACTIVATION),
        Change("logistic_built_in", "function", lambda s: lambda v: 1 / (1 + np.exp(-v)), "logistic", advice=_CALL_F),
        Change("tanh_built_in", "function", lambda s: np.tanh, "tanh", advice=_CALL_F),
        Change("relu_built_in", "function", lambda s: lambda v: np.maximum(v, 0), "relu", advice=_CALL_F),
        Change(
            "softmax", "function", lambda s: _softmax, "softmax", advice="Call f[{n}]: this network has no softmax."
        ),
        Change(
            "activation_without_bias",
            "inside",
            lambda s: s.x[s.i] - s.b(s.i),
            "(x{i}{k} − b{i}{k})",
            "with f{i} applied before the bias was added",
        ),
        Change(
            "bias_after_activation",
            "added",
            lambda s: s.b(s.i),
            "+ b{i}{k}",
            "with the bias b{i}{k} added after f{i}",
            "The bias belongs into the net value, inside f.",
        ),
        Change(
            "bias_once_more",
            "inside",
            lambda s: s.x[s.i] + s.b(s.i),
            "(x{i}{k} + b{i}{k})",
            "with the bias b{i}{k} added once more",
            "The bias is in the net value already.",
        ),
        _transposed("with patterns in columns", _ROWS),
    ),
)

E_OUT = Recipe(
    "e_out",
    "error_terms",
    "e",
    "e{i}{k}",
    "step {step}",
    {
        "residual": (lambda s: s.case.t - s.y[s.i], "(t{k} − y{i}{k})"),
        "slope": (lambda s: s.f_prime(s.i)(s.x[s.i]), "f{i}′(x{i}{k})"),
    },
    lambda q: _times(q.residual, q.slope),
    (
        Change(
            "target_minus_net_value",
            "residual",
            lambda s: s.case.t - s.x[s.i],
            "(t{k} − x{i}{k})",
            advice="The error is in the output y, after the activation.",
        ),
        Change(
            "residual_squared",
            "residual",
            lambda s: (s.case.t - s.y[s.i]) ** 2,
            "(t{k} − y{i}{k})²",
            advice="The derivative of the square is needed (step 2), not the square.",
        ),
        Change(
            "residual_absolute",
            "residual",
            lambda s: abs(s.case.t - s.y[s.i]),
            "|t{k} − y{i}{k}|",
            advice="The sign says in which direction the output must move.",
        ),
        Change(
            "residual_sign_only",
            "residual",
            lambda s: np.sign(s.case.t - s.y[s.i]),
            "sign(t{k} − y{i}{k})",
            advice="That is the derivative of |t − y|, not of the square.",
        ),
        Change("target_only", "residual", lambda s: s.case.t, "t{k}"),
        Change("output_only", "residual", lambda s: s.y[s.i], "y{i}{k}", advice="Where is the target t?"),
        Change("target_plus_output", "residual", lambda s: s.case.t + s.y[s.i], "(t{k} + y{i}{k})"),
        Change(
            "residuals_of_all_outputs",
            "residual",
            lambda s: (s.case.t - s.y[s.i]).sum(axis=1, keepdims=True) + 0 * s.case.t,
            "Σ{k}(t{k} − y{i}{k})",
            advice="Each output node has an error of its own; Σ is in E, and ∂ leaves one term of it.",
        ),
        Change(
            "mean_of_all_residuals",
            "residual",
            lambda s: (s.case.t - s.y[s.i]).mean() + 0 * s.case.t,
            None,
            "with one mean of all t − y in place of each (t{k} − y{i}{k})",
            "Each output of each pattern has an error of its own.",
        ),
        Change(
            "residual_of_mean_pattern",
            "residual",
            lambda s: (s.case.t - s.y[s.i]).mean(axis=0) + 0 * s.case.t,
            None,
            "with the mean over the patterns in place of each pattern's (t{k} − y{i}{k})",
            _PER_PATTERN,
        ),
        Change(
            "cross_entropy",
            "residual",
            lambda s: (s.case.t - s.y[s.i]) / (s.y[s.i] * (1 - s.y[s.i])),
            "(t{k} − y{i}{k}) / (y{i}{k}(1 − y{i}{k}))",
            advice="That is the derivative of cross-entropy; E is the sum-squared error here.",
        ),
        Change(
            "target_minus_layer_below",
            "residual",
            lambda s: s.case.t - s.y[s.i - 1],
            "(t{k} − y{u}{k})",
            advice="The output of the network is y[-1].",
        ),
        Change(
            "slope_missing",
            "slope",
            lambda s: 1.0,
            "",
            advice="Step 5 gives f′. Without it this is cross-entropy with softmax or logistic outputs.",
        ),
        *(one for one in SLOPES[1:] if "above" not in one.kind and one.kind != "slope_of_last_layer"),
        _transposed("with patterns in columns", _ROWS),
        *_OVER_PATTERNS,
    ),
    scaled=True,
)

E_HIDDEN = Recipe(
    "e_hidden",
    "error_terms",
    "e",
    "e{i}{k}",
    "step {step}",
    {
        "sum": (lambda s: _product, "Σ{j}"),
        "carried": (lambda s: _there(s.e, s.i + 1), "e{a}{j}"),
        "weight": (lambda s: s.w(s.i + 1), "w{a}{j}{k}"),
        "slope": (lambda s: s.f_prime(s.i)(s.x[s.i]), "f{i}′(x{i}{k})"),
    },
    lambda q: _times(q.sum(q.carried, q.weight), q.slope),
    (
        *SLOPES,
        Change(
            "weights_transposed",
            "weight",
            lambda s: s.w(s.i + 1).T,
            "w{a}{k}{j}",
            "with w{a} transposed",
            "Forward it is y @ w.T; backward it is e @ w: the error goes back over the same edge.",
        ),
        Change("weights_of_this_layer", "weight", lambda s: s.w(s.i), "w{i}{j}{k}", advice=_BACK_THROUGH),
        Change("weights_of_this_layer_transposed", "weight", lambda s: s.w(s.i).T, "w{i}{k}{j}", advice=_BACK_THROUGH),
        Change(
            "weights_of_two_above",
            "weight",
            lambda s: s.w(s.i + 2),
            None,
            "with the weights of layer {n}+2",
            _BACK_THROUGH,
        ),
        Change(
            "weights_missing",
            "weight",
            lambda s: np.ones_like(s.w(s.i + 1)),
            "",
            advice="∂x{a}{j} / ∂y{i}{k} is the weight (step 7).",
        ),
        Change("weights_squared", "weight", lambda s: s.w(s.i + 1) ** 2, "w{a}{j}{k}²"),
        Change("weights_absolute", "weight", lambda s: abs(s.w(s.i + 1)), "|w{a}{j}{k}|"),
        Change(
            "update_before_use",
            "weight",
            lambda s: _there(s.after or (), s.i + 1),
            "w{a}{j}{k}",
            "with w{a} as it was after its update",
            "Compute all error terms with the weights of the forward pass; then update.",
        ),
        Change(
            "slope_above_left_out",
            "carried",
            lambda s: s.e[s.i + 1] / s.f_prime(s.i + 1)(s.x[s.i + 1]),
            None,
            "with an e{a}{j} that lacks its own f{a}′(x{a}{j})",
            "What is passed back is the whole error term of the layer above.",
        ),
        Change(
            "slope_above_twice",
            "carried",
            lambda s: s.e[s.i + 1] * s.f_prime(s.i + 1)(s.x[s.i + 1]),
            "e{a}{j} f{a}′(x{a}{j})",
            "with f{a}′(x{a}{j}) once more",
            "f{a}′(x{a}{j}) is in e{a}{j} already.",
        ),
        Change("always_from_output", "carried", lambda s: s.e[s.L], "e{L}{j}", advice=_FROM_ABOVE),
        Change(
            "residual_for_error_term", "carried", lambda s: s.case.t - s.y[s.L], "(t{j} − y{L}{j})", advice=_FROM_ABOVE
        ),
        Change(
            "from_two_above",
            "carried",
            lambda s: _there(s.e, s.i + 2),
            None,
            "with the error terms of layer {n}+2",
            _FROM_ABOVE,
        ),
        Change(
            "output_for_error_term",
            "carried",
            lambda s: s.y[s.i + 1],
            "y{a}{j}",
            advice="Outputs go forward; error terms go back.",
        ),
        *_sums("{j}", "the nodes of layer {n}+1"),
        _mean("{j}", "the nodes of layer {n}+1"),
        _transposed("with patterns in columns", _ROWS),
        *_OVER_PATTERNS,
    ),
)

_UNSUMMED = "∂E is a sum over the patterns: add up the rows."

DW = Recipe(
    "dw",
    "gradient",
    "dw",
    "∂E/∂w{i}{k}{l}",
    "step 24",
    {
        "minus": (lambda s: -1.0, "−"),
        "mean": (lambda s: 1 / s.case.P, "1/P"),
        "sum": (lambda s: _product, "Σₚ"),
        "carried": (lambda s: s.e[s.i].T, "e{i}{k}"),
        "output": (lambda s: s.y[s.i - 1], "y{u}{l}"),
    },
    lambda q: q.minus * q.mean * q.sum(q.carried, q.output),
    (
        Change(
            "mean_over_layers",
            "mean",
            lambda s: 1 / (s.L + 1),
            "1/(L + 1)",
            "divided by L + 1, the length of a list, not by the number of patterns",
            _LENGTHS,
        ),
        Change(
            "mean_over_nodes",
            "mean",
            lambda s: 1 / s.w(s.i).shape[0],
            "1/(nodes of layer {n})",
            "divided by the nodes of the layer, not by the number of patterns",
            _LENGTHS,
        ),
        Change("output_of_this_layer", "output", lambda s: s.y[s.i], "y{i}{l}", advice=_FEEDS_IN),
        Change("inputs_in_every_layer", "output", lambda s: s.y[0], "y₀{l}", advice=_FEEDS_IN),
        Change(
            "output_of_two_below",
            "output",
            lambda s: s.y[s.i - 2] if s.i > 1 else _there((), 1),
            None,
            "with the outputs of layer {n}−2",
            _FEEDS_IN,
        ),
        Change(
            "output_missing",
            "output",
            lambda s: np.ones_like(s.y[s.i - 1]),
            "",
            advice="What feeds in through the weight belongs into the product; e alone is that of a bias.",
        ),
        Change("output_squared", "output", lambda s: s.y[s.i - 1] ** 2, "y{u}{l}²"),
        Change("error_terms_of_layer_above", "carried", lambda s: _there(s.e, s.i + 1).T, "e{a}{k}", advice=_OWN_NODE),
        Change("error_terms_of_layer_below", "carried", lambda s: _there(s.e, s.i - 1).T, "e{u}{k}", advice=_OWN_NODE),
        Change("error_terms_of_output", "carried", lambda s: s.e[s.L].T, "e{L}{k}", advice=_OWN_NODE),
        Change("error_terms_missing", "carried", lambda s: np.ones_like(s.e[s.i]).T, "", advice=_OWN_NODE),
        Change(
            "sums_multiplied",
            "sum",
            lambda s: lambda A, B: A.sum(axis=1, keepdims=True) * B.sum(axis=0, keepdims=True),
            None,
            "with Σₚ of each factor: the sum of products is not the product of sums",
            "Multiply within each pattern first, then add up.",
        ),
        Change(
            "patterns_not_summed",
            "sum",
            lambda s: lambda A, B: np.einsum("kp,pl->pkl", A, B),
            "",
            "without Σₚ: one array per pattern",
            _UNSUMMED,
        ),
        *_sums("ₚ", "the patterns"),
        _transposed(
            "that is (nodes of layer {n}−1, nodes of layer {n})",
            "dw[{n}] has the shape of w[{n}]: rows are the nodes that a weight leads to.",
        ),
        Change("forgotten", "result", _result(lambda v: 0 * v), None, "but is all 0: it was never filled in"),
    ),
    scaled=True,
)

DB = Recipe(
    "db",
    "gradient",
    "db",
    "∂E/∂b{i}{k}",
    "step 24 with y = 1",
    {
        "minus": (lambda s: -1.0, "−"),
        "mean": (lambda s: 1 / s.case.P, "1/P"),
        "sum": (lambda s: lambda A: A.sum(axis=0), "Σₚ"),
        "carried": (lambda s: s.e[s.i], "e{i}{k}"),
    },
    lambda q: q.minus * q.mean * q.sum(q.carried),
    (
        Change(
            "mean_over_layers",
            "mean",
            lambda s: 1 / (s.L + 1),
            "1/(L + 1)",
            "divided by L + 1, the length of a list, not by the number of patterns",
            _LENGTHS,
        ),
        Change(
            "mean_over_nodes",
            "mean",
            lambda s: 1 / s.w(s.i).shape[0],
            "1/(nodes of layer {n})",
            "divided by the nodes of the layer, not by the number of patterns",
            _LENGTHS,
        ),
        Change("patterns_not_summed", "sum", lambda s: lambda A: A, "", "without Σₚ: one row per pattern", _UNSUMMED),
        Change(
            "nodes_summed",
            "sum",
            lambda s: lambda A: A.sum(axis=1),
            None,
            "summed over the nodes, not over the patterns",
            "Sum over axis 0: patterns are rows.",
        ),
        Change(
            "all_summed", "sum", lambda s: lambda A: A.sum() + 0 * A[0], None, "summed over the nodes too", _ONE_BIAS
        ),
        Change(
            "all_summed_to_one",
            "sum",
            lambda s: lambda A: A.sum(),
            None,
            "summed over the nodes too, to one number",
            _ONE_BIAS,
        ),
        Change("last_term_only", "sum", lambda s: lambda A: A[-1], None, "with only the last pattern", _ASSIGNED),
        Change("first_term_only", "sum", lambda s: lambda A: A[0], None, "with only the first pattern", _ASSIGNED),
        Change(
            "first_term_left_out",
            "sum",
            lambda s: lambda A: A[1:].sum(axis=0),
            None,
            "without the first pattern",
            "Patterns count from 0.",
        ),
        Change(
            "last_term_left_out",
            "sum",
            lambda s: lambda A: A[:-1].sum(axis=0),
            None,
            "without the last pattern",
            "Patterns count from 0.",
        ),
        Change("error_terms_of_layer_above", "carried", lambda s: _there(s.e, s.i + 1), "e{a}{k}", advice=_OWN_BIAS),
        Change("error_terms_of_layer_below", "carried", lambda s: _there(s.e, s.i - 1), "e{u}{k}", advice=_OWN_BIAS),
        Change("error_terms_of_output", "carried", lambda s: s.e[s.L], "e{L}{k}", advice=_OWN_BIAS),
        Change(
            "times_outputs",
            "carried",
            lambda s: s.e[s.i] * s.y[s.i - 1].sum(axis=1, keepdims=True),
            "e{i}{k} Σ{l} y{u}{l}",
            advice=_FED_BY_1,
        ),
        Change("times_own_output", "carried", lambda s: s.e[s.i] * s.y[s.i], "e{i}{k} y{i}{k}", advice=_FED_BY_1),
        Change("forgotten", "result", _result(lambda v: 0 * v), None, "but is all 0: biases are forgotten"),
        Change(
            "ones",
            "result",
            _result(lambda v: 0 * v + 1),
            None,
            "but is all 1",
            "1 is what feeds in; it is multiplied with −e.",
        ),
    ),
    scaled=True,
)

D = Recipe(
    "d",
    "input_gradient",
    "d",
    "∂Eₚ/∂y₀{l}",
    "step 17 of the inputs",
    {
        "minus": (lambda s: -1.0, "−"),
        "sum": (lambda s: _product, "Σ{k}"),
        "carried": (lambda s: s.e[1], "e₁{k}"),
        "weight": (lambda s: s.w(1), "w₁{k}{l}"),
    },
    lambda q: q.minus * q.sum(q.carried, q.weight),
    (
        Change(
            "weights_transposed",
            "weight",
            lambda s: s.w(1).T,
            "w₁{l}{k}",
            "with w₁ transposed",
            "w[1][m, n] leads to node m from input n: it is e[1] @ w[1].",
        ),
        Change("weights_of_layer_2", "weight", lambda s: s.w(2), "w₂{k}{l}", advice=_INTO_LAYER_1),
        Change("weights_of_last_layer", "weight", lambda s: s.w(s.L), "w{L}{k}{l}", advice=_INTO_LAYER_1),
        Change("weights_missing", "weight", lambda s: np.ones_like(s.w(1)), ""),
        Change("weights_squared", "weight", lambda s: s.w(1) ** 2, "w₁{k}{l}²"),
        Change("error_terms_of_layer_2", "carried", lambda s: _there(s.e, 2), "e₂{k}", advice=_INTO_LAYER_1),
        Change("error_terms_of_output", "carried", lambda s: s.e[s.L], "e{L}{k}", advice=_INTO_LAYER_1),
        Change("error_terms_missing", "carried", lambda s: np.ones_like(s.e[1]), ""),
        *_sums("{k}", "the nodes of layer 1"),
        _mean("{k}", "the nodes of layer 1"),
        _transposed("with patterns in columns", "Patterns are rows, inputs columns."),
        *_OVER_PATTERNS,
    ),
    scaled=True,
)

RECIPES = (X, Y, E_OUT, E_HIDDEN, DW, DB, D)
"""In the order of the page."""
