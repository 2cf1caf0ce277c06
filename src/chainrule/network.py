"""The network: sizes, activations, objective, and every w and b as slices of one flat vector θ.

Stands before the derivation: it is what the derivation is about. Layers are 0 … L and slot 0 of w and b is empty, so
``net.w[1][7, 3]`` is w_173.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import prod
from operator import index
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chainrule.activations import ACTIVATIONS, Activation, activation, primitives
from chainrule.notation import Array
from chainrule.objective import OBJECTIVES, Objective, objective, penalty
from chainrule.sparse import centred, is_sparse

MOST_PARAMETERS = 2**36
"""More than any machine's memory holds today; beyond it sizes are a slip, or a hostile file."""


class Block(NamedTuple):
    """Where w[i] or b[i] stands in θ."""

    letter: str
    layer: int
    shape: tuple[int, ...]
    part: slice

    @property
    def name(self) -> str:
        """As in messages: w[3] or b[3]."""
        return f"{self.letter}[{self.layer}]"

    def entry(self, n: int) -> str:
        """Name of the n-th entry of the block: w[3][7,1] or b[3][7]."""
        return f"{self.name}[{','.join(str(k) for k in np.unravel_index(n, self.shape))}]"


class Layers(Sequence[Any]):
    """w or b: one array per layer, slot 0 empty; entries and whole layers can be set, and θ follows."""

    def __init__(self, letter: str, arrays: Sequence[Array | None]) -> None:
        self._letter, self._arrays = letter, tuple(arrays)

    def __getitem__(self, i: Any) -> Any:
        """The array of layer i; None in slot 0 and for a layer without biases."""
        return self._arrays[i]

    def __len__(self) -> int:
        """Layers and the empty slot 0."""
        return len(self._arrays)

    def __setitem__(self, i: int, values: Array) -> None:
        """Set every entry of layer i at once."""
        array = self._arrays[i]
        if not isinstance(array, np.ndarray):
            raise ValueError(
                f"{self._letter}[{i}] must be a NumPy array to be set; got {type(array).__name__}. "
                "Layer 0 and layers without biases have none; arrays of JAX never change: use net.replace(theta=...)."
            )
        array[...] = _require_shape(self._letter, i % len(self), np.asarray(values), array.shape)

    def __repr__(self) -> str:
        """Shapes only."""
        shapes = ", ".join("None" if a is None else str(tuple(a.shape)) for a in self._arrays)
        return f"{self._letter} of shapes ({shapes})"


class Network:
    """A feed-forward network of dense layers, with what it minimises.

    To JAX it is a pytree with θ as its leaf, if JAX was imported before the network, or ``replace``, made it.

    Parameters
    ----------
    sizes : sequence of int
        Nodes of layer 0 (the inputs) to layer L (the outputs).
    activations : str, Activation or sequence of them, optional
        One per layer 1 … L, or one for all hidden layers. By default tanh, and the output activation that belongs to
        the objective: identity; for cross-entropy logistic (one output) or softmax; for Poisson exp.
    objective : str or Objective
        "sse", "cross_entropy", "poisson", "huber", "absolute", or one of your own.
    bias : bool or sequence of bool
        Whether layers 1 … L have biases.
    seed : int
        Of the random start: normal weights, Glorot's, He's or LeCun's variance as fits the activation; biases 0.
    dtype : {"float64", "float32"}
        Of θ and of everything computed from it.
    l1, l2 : float
        E includes l1 sum abs(w) + 1/2 l2 sum w^2 ...
    penalize_bias : bool
        ... and the same of the biases if this is set.

    Attributes
    ----------
    blocks : tuple of Block
        Where each w[i] and b[i] stands in θ.
    w, b : Layers
        ``w[i]`` of shape (nodes of i, nodes of i-1) and ``b[i]`` of shape (nodes of i,): slices of θ.
    f, f_prime : tuple
        ``f[i]`` and ``f_prime[i]`` of layer i, functions of the net value.
    depth : int
        L.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: str | Activation | Sequence[str | Activation] | None = None,
        objective: str | Objective = "sse",
        bias: bool | Sequence[bool] = True,
        seed: int = 0,
        dtype: Any = "float64",
        l1: float = 0.0,
        l2: float = 0.0,
        penalize_bias: bool = False,
    ) -> None:
        self._build(sizes, activations, objective, bias, l1, l2, penalize_bias)
        self.theta: Array = _random_start(self, seed, _dtype(dtype))
        _register_with_jax()

    def _build(
        self,
        sizes: Sequence[int],
        activations: str | Activation | Sequence[str | Activation] | None,
        objective: str | Objective,
        bias: bool | Sequence[bool],
        l1: float,
        l2: float,
        penalize_bias: bool,
    ) -> None:
        """Everything but θ."""
        self.sizes = _sizes(sizes)
        self.depth = len(self.sizes) - 1
        self.objective = _objective(objective)
        rows = _activations(activations, self.sizes, self.objective)
        self.f: tuple[Any, ...] = (None, *rows)
        self.bias = _bias(bias, self.depth)
        self.l1, self.l2 = _penalty("l1", l1), _penalty("l2", l2)
        self.penalize_bias = _flag("penalize_bias", penalize_bias)
        self.blocks = tuple(_blocks(self.sizes, self.bias))
        if self.n_parameters > MOST_PARAMETERS:
            raise ValueError(
                f"sizes must give a network of at most {MOST_PARAMETERS:,} parameters; got {self.n_parameters:.3g}. "
                "Use fewer nodes."
            )

    @classmethod
    def from_weights(
        cls, w: Sequence[Array | None], b: Sequence[Array | None] | None = None, **architecture: Any
    ) -> Network:
        """A network with these weights and biases; ``w[0]`` and ``b[0]`` may be None, as here, or left out.

        Parameters
        ----------
        w, b : sequence of array
            Shapes (nodes of i, nodes of i-1) and (nodes of i,). They are copied.
        **architecture
            As for Network, without sizes and bias.
        """
        weights, biases = _as_layers("w", w), _as_layers("b", () if b is None else b)
        weights = weights[1:] if weights and weights[0] is None else weights
        biases = biases[1:] if len(biases) == len(weights) + 1 and biases[0] is None else biases
        if not weights or any(a is None or a.ndim != 2 for a in weights):
            shapes = [a if a is None else a.shape for a in weights]
            raise ValueError(
                f"w must hold one array (nodes of i, nodes of i-1) per layer; got shapes {shapes}. "
                "Pass a list with the arrays of layers 1 to L."
            )
        if biases and len(biases) != len(weights):
            raise ValueError(
                f"b must hold one array or None per layer, {len(weights)} of them; got {len(biases)}. "
                "Pass as many as w."
            )
        sizes = [weights[0].shape[1], *(a.shape[0] for a in weights)]
        net = cls(sizes, bias=[a is not None for a in biases] if biases else False, **architecture)
        for i in range(1, net.depth + 1):
            net.w[i] = weights[i - 1]
            if net.bias[i - 1]:
                net.b[i] = biases[i - 1]
        return net

    @classmethod
    def architecture(
        cls,
        sizes: Sequence[int],
        activations: str | Activation | Sequence[str | Activation] | None = None,
        objective: str | Objective = "sse",
        bias: bool | Sequence[bool] = True,
    ) -> Network:
        """The network of these sizes without θ: all is checked, nothing is stored."""
        net = object.__new__(cls)
        net._build(sizes, activations, objective, bias, 0.0, 0.0, False)
        return net

    # --- parameters ------------------------------------------------------------------------------

    @property
    def theta(self) -> Array:
        """w[1], b[1], w[2], b[2] … , each row by row. The only storage."""
        return self._theta

    @theta.setter
    def theta(self, theta: Array) -> None:
        self._theta = self._fitting(theta)

    def _fitting(self, theta: Array) -> Array:
        if np.shape(theta) != (self.n_parameters,):
            raise ValueError(
                f"theta must have shape ({self.n_parameters},); got {np.shape(theta)}. "
                "It holds w[1], b[1], w[2] …, row by row."
            )
        return theta if hasattr(theta, "__array_namespace__") else np.asarray(theta, dtype=np.float64)

    @property
    def f_prime(self) -> tuple[Any, ...]:
        """f_prime[i] of layer i, functions of the net value."""
        return (None, *(row.f_prime for row in self.f[1:]))

    def _layers(self, letter: str) -> Layers:
        kept: tuple[Array, dict[str, Layers]] = self.__dict__.get("_kept", (None, {}))
        if kept[0] is not self.theta:  # the first time, and after net.theta = ...
            self.__dict__["_kept"] = kept = (self.theta, {})
        if letter not in kept[1]:
            arrays: list[Array | None] = [None] * (self.depth + 1)
            for block in self.blocks:
                if block.letter == letter:
                    arrays[block.layer] = self.theta[block.part].reshape(block.shape)
            kept[1][letter] = Layers(letter, arrays)
        return kept[1][letter]

    @property
    def w(self) -> Layers:
        """w[i] of shape (nodes of i, nodes of i-1), slices of θ."""
        return self._layers("w")

    @property
    def b(self) -> Layers:
        """b[i] of shape (nodes of i,), slices of θ; None for a layer without biases."""
        return self._layers("b")

    @property
    def n_parameters(self) -> int:
        """Length of θ."""
        return int(self.blocks[-1].part.stop)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of θ."""
        dtype: np.dtype[Any] = np.dtype(self.theta.dtype)
        return dtype

    @property
    def penalized(self) -> npt.NDArray[np.bool_]:
        """Which entries of θ the penalties count: weights, and biases if asked."""
        return np.concatenate(
            [np.full(prod(block.shape), block.letter == "w" or self.penalize_bias) for block in self.blocks]
        )

    def penalty(self) -> Array:
        """What the penalties add to E."""
        if not (self.l1 or self.l2):
            return 0.0
        counted = (block for block in self.blocks if block.letter == "w" or self.penalize_bias)
        return sum(penalty(self.theta[block.part], self.l1, self.l2) for block in counted)

    def without_penalty(self) -> Network:
        """The same network, sharing θ, whose E is that of the patterns alone."""
        net = self._with(self.theta)
        net.l1 = net.l2 = 0.0
        return net

    def entry(self, n: int) -> str:
        """Name of entry n of θ, like w[1][7,3]."""
        block = next(block for block in self.blocks if n < block.part.stop)
        return block.entry(n - block.part.start)

    def replace(self, theta: Array) -> Network:
        """The same network with another θ, which is not copied: of NumPy or JAX, float or complex."""
        return self._with(self._fitting(theta))

    def _with(self, theta: Any) -> Network:
        net = object.__new__(Network)
        net.__dict__.update(self.__dict__, _theta=theta)
        net.__dict__.pop("_kept", None)  # the views of the θ before
        _register_with_jax()
        return net

    def copy(self) -> Network:
        """The same network with a θ of its own."""
        return self._with(self.theta.copy())

    def astype(self, dtype: Any) -> Network:
        """The same network in another floating-point type."""
        return self._with(self.theta.astype(_dtype(dtype)))

    def __getstate__(self) -> dict[str, Any]:
        """Without the views, which a copy must make of its own θ."""
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _register_with_jax()

    def __repr__(self) -> str:
        """Sizes, activations, objective and what differs from the defaults."""
        bias = "" if all(self.bias) else f", bias={list(self.bias) if any(self.bias) else False}"
        penalties = "".join(f", {name}={value:g}" for name, value in (("l1", self.l1), ("l2", self.l2)) if value)
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype.name!r}"
        names = [row.name for row in self.f[1:]]
        rest = f"objective={self.objective.name!r}{bias}{penalties}{dtype}"
        return f"Network({list(self.sizes)}, activations={names}, {rest})"

    # --- as data ---------------------------------------------------------------------------------

    def to_spec(self) -> dict[str, Any]:
        """Everything but θ as plain data, for a file.

        Raises
        ------
        ValueError
            If an activation or the objective is of the user's own: a file holds data, never code.
        """
        known: tuple[Any, ...] = (*ACTIVATIONS.values(), *OBJECTIVES.values())
        for what, row in (*(("activation", row) for row in self.f[1:]), ("objective", self.objective)):
            if row not in known:
                raise ValueError(
                    f"{what} must be one of Chainrule's own to be saved; got {row.name!r}. A model file holds data, "
                    "never code: keep net.theta in a file of your own and build the network again."
                )
        return {
            "sizes": list(self.sizes),
            "activations": [row.name for row in self.f[1:]],
            "objective": self.objective.name,
            "bias": list(self.bias),
            "l1": self.l1,
            "l2": self.l2,
            "penalize_bias": self.penalize_bias,
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any], theta: Array) -> Network:
        """The network of :meth:`to_spec` with this θ; anything unknown or missing in the spec is an error."""
        if not isinstance(spec, dict) or set(spec) != set(_SPEC):
            got = ", ".join(map(str, spec)) if isinstance(spec, dict) else type(spec).__name__
            raise ValueError(f"spec must hold {', '.join(_SPEC)}; got {got}. Take it from to_spec().")
        net, theta = object.__new__(cls), np.asarray(theta)
        net._build(**spec)
        return net.replace(theta.astype(_dtype(theta.dtype), copy=False))


# --- what the page computes ------------------------------------------------------------------------------------------


class Trace(NamedTuple):
    """What forward leaves: ``x[i]`` net values and ``y[i]`` outputs of layer i, each (patterns, nodes of i)."""

    x: tuple[Any, ...]
    y: tuple[Any, ...]


class Gradient(NamedTuple):
    """The derivative of E by every parameter: ``w[i]`` and ``b[i]`` as in the network, ``theta`` in one vector."""

    w: tuple[Any, ...]
    b: tuple[Any, ...]

    @property
    def theta(self) -> Array:
        """w[1], b[1], w[2], b[2] … in one vector."""
        namespace = self.w[1].__array_namespace__()
        layers = zip(self.w[1:], self.b[1:], strict=True)
        return namespace.concat([a.reshape(-1) for w, b in layers for a in (w, b) if a is not None])


class ErrorTerms(tuple[Any, ...]):
    """``e[i]`` of shape (patterns, nodes of i), and ``known[p]``: 0 for a pattern without a known target, else 1."""

    known: Array

    def __new__(cls, e: Any, known: Array) -> ErrorTerms:
        """Terms of layers 0 (None) to L."""
        terms = super().__new__(cls, e)
        terms.known = known
        return terms

    def __getnewargs__(self) -> tuple[Any, ...]:
        """For copies: what __new__ is given."""
        return tuple(self), self.known


# --- the doors of the page -------------------------------------------------------------------------------------------


def as_inputs(net: Network, inputs: Array) -> Array:
    """The inputs as an array (patterns, nodes of layer 0) of the network's type, or one sentence what is wrong.

    What is sparse stays so, as a :class:`chainrule.sparse.Centred`.
    """
    if is_sparse(inputs):
        inputs = centred(inputs, net.dtype if net.dtype.kind == "f" else np.dtype("float64"))
        return _require_patterns("inputs", inputs, net.sizes[0], net)
    return _as_patterns("inputs", inputs, net.sizes[0], net)


def as_targets(net: Network, targets: Array, patterns: int | None = None) -> Array:
    """The targets as an array (patterns, nodes of layer L) of the network's type, or one sentence what is wrong."""
    t = _as_patterns("targets", targets, net.sizes[-1], net)
    if patterns is not None and t.shape[0] != patterns:
        raise ValueError(
            f"targets must have a row for each of the {patterns} patterns; got {t.shape[0]} rows. "
            "Pass inputs and targets that belong together."
        )
    return t


def shares(net: Network, known: Array, weights: Array | None, total: Array | None) -> Array:
    """s_p / total of each pattern, shape (patterns,); total is S = sum_p s_p unless it is given.

    known is 1 for a pattern with a known target and 0 for one without, or the error terms, which carry it.
    """
    if isinstance(known, ErrorTerms):
        known = known.known
    elif isinstance(known, tuple | list):  # error terms from elsewhere: every pattern counts
        known = primitives(known[-1]).full_like(known[-1][:, 0], 1.0)
    if known.ndim != 1:
        raise ValueError(f"e must be what error_terms gave; got an array of shape {known.shape}. Pass that.")
    if weights is not None:
        weights = weights if hasattr(weights, "__array_namespace__") else np.asarray(weights)
        if weights.shape != known.shape:
            raise ValueError(
                f"weights must have shape (patterns,) = {known.shape}; got {weights.shape}. Pass one weight a pattern."
            )
        known = known * weights
    return (known / (known.sum() if total is None else total)).astype(
        known.dtype if net.dtype.kind == "c" else net.dtype
    )


def _as_patterns(name: str, values: Array, nodes: int, net: Network) -> Array:
    if isinstance(values, np.ndarray) or not hasattr(values, "__array_namespace__"):
        values = _as_floats(name, values, net)
    return _require_patterns(name, values, nodes, net)


def _require_patterns(name: str, values: Array, nodes: int, net: Network) -> Array:
    if values.ndim != 2 or values.shape[1] != nodes:
        shape = tuple(values.shape)
        if len(shape) == 1 and nodes == 1:
            hint = f"Pass {name}[:, None]."
        elif shape == (nodes,):
            hint = f"Pass {name}[None, :] for one pattern."
        elif len(shape) == 2 and shape[0] == nodes:
            hint = f"Pass {name}.T if rows and columns are swapped."
        else:
            hint = f"The network is {list(net.sizes)}."
        raise ValueError(f"{name} must have shape (patterns, {nodes}); got {shape}. {hint}")
    return values


def _as_floats(name: str, values: Any, net: Network) -> Array:
    kind = None
    try:
        array = np.asarray(values)
        kind = array.dtype.kind
        if kind in "biufc" or kind == "O":
            wanted = array.dtype if kind == "c" else net.dtype if net.dtype.kind in "fO" else np.dtype("float64")
            with np.errstate(over="ignore"):
                return np.ascontiguousarray(array, dtype=wanted)
    except (TypeError, ValueError):
        pass
    got = f"{type(values).__name__} of {array.dtype}" if kind else f"a ragged or mixed {type(values).__name__}"
    raise ValueError(
        f"{name} must be numbers in a table of rows of equal length; got {got}. Turn them into numbers first."
    )


# --- checking what Network is given ----------------------------------------------------------------------------------


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    try:
        whole = tuple(index(nodes) for nodes in sizes)
    except TypeError:
        whole = ()
    if len(whole) < 2 or min(whole) < 1:
        raise ValueError(
            f"sizes must be two or more whole numbers from 1 up, inputs first; got {sizes!r}. "
            "For 4 inputs, 8 hidden nodes and 2 outputs pass [4, 8, 2]."
        )
    return whole


_SPEC = ("sizes", "activations", "objective", "bias", "l1", "l2", "penalize_bias")

_objective = objective  # the parameter of Network has the same name


def _activations(
    given: str | Activation | Sequence[str | Activation] | None, sizes: tuple[int, ...], goal: Objective
) -> tuple[Activation, ...]:
    depth = len(sizes) - 1
    if isinstance(given, str) or not isinstance(given, Iterable):
        hidden = activation("tanh" if given is None else given)
        output = goal.output if goal.name != "cross_entropy" else ("softmax" if sizes[-1] > 1 else "logistic")
        given = [hidden] * (depth - 1) + [output]
    rows = tuple(activation(row) for row in given)
    if len(rows) != depth:
        raise ValueError(
            f"activations must name one activation for each of the layers 1 to {depth}; got {len(rows)}. "
            "Pass one name alone to use it for every hidden layer."
        )
    if any(row.vector for row in rows[:-1]):
        raise ValueError(
            "activations must have softmax in the output layer only; got it in a hidden one. Choose another."
        )
    if rows[-1].vector and sizes[-1] == 1:
        raise ValueError("sizes must end with two or more outputs for softmax; got 1. Use 'logistic' for one output.")
    if goal.outputs and rows[-1].name not in goal.outputs:
        raise ValueError(
            f"activations must end with {' or '.join(repr(name) for name in goal.outputs)} for objective "
            f"{goal.name!r}; got {rows[-1].name!r}. Choose one of them, or objective 'sse'."
        )
    return rows


def _bias(bias: bool | Sequence[bool], depth: int) -> tuple[bool, ...]:
    given = list(bias) if isinstance(bias, Iterable) else [bias] * depth
    if len(given) != depth or not all(isinstance(one, bool | np.bool_) for one in given):
        raise ValueError(
            f"bias must be True, False, or one of them for each of the {depth} layers; got {bias!r}. Correct it."
        )
    return tuple(bool(one) for one in given)


def _flag(name: str, value: bool) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False; got {value!r}. Choose one of them.")
    return bool(value)


def _penalty(name: str, value: float) -> float:
    if not isinstance(value, int | float | np.number) or not 0 <= value <= sys.float_info.max:
        raise ValueError(f"{name} must be a finite number from 0 up; got {value!r}. Use 0 for no penalty.")
    return float(value)


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = np.dtype(object)
    if wanted not in (np.dtype("float32"), np.dtype("float64")):
        raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}. Use float64 unless memory is short.")
    native: np.dtype[Any] = np.dtype(wanted.name)
    return native


def _as_layers(letter: str, arrays: Sequence[Array | None]) -> list[Any]:
    try:
        return [None if a is None else np.asarray(a).astype(np.float64, casting="same_kind") for a in arrays]
    except (TypeError, ValueError):
        raise ValueError(
            f"{letter} must hold one array of real numbers per layer; got {arrays!r}. Pass a list of arrays."
        ) from None


def _require_shape(letter: str, i: int, values: Any, shape: tuple[int, ...]) -> Any:
    if values.shape != shape:
        law = f"(nodes of layer {i}, nodes of layer {i - 1})" if letter == "w" else f"(nodes of layer {i},)"
        swapped = (
            f"Pass {letter}[{i}].T if rows and columns are swapped." if values.T.shape == shape else "Check sizes."
        )
        raise ValueError(f"{letter}[{i}] must have shape {law} = {shape}; got {values.shape}. {swapped}")
    return values


def _blocks(sizes: tuple[int, ...], bias: tuple[bool, ...]) -> Iterator[Block]:
    """The shape law: w[1], b[1], w[2] … in θ, one after the other."""
    start = 0
    for i, (before, nodes) in enumerate(pairwise(sizes), 1):
        for letter, shape in (("w", (nodes, before)), ("b", (nodes,) if bias[i - 1] else ())):
            if shape:
                yield Block(letter, i, shape, slice(start, start + prod(shape)))
                start += prod(shape)


_VARIANCE = {
    "glorot": lambda before, nodes: 2 / (before + nodes),
    "he": lambda before, nodes: 2 / before,
    "lecun": lambda before, nodes: 1 / before,
}


def _random_start(net: Network, seed: int, dtype: np.dtype[Any]) -> Array:
    try:
        random = np.random.default_rng(index(seed))
    except (TypeError, ValueError):
        raise ValueError(
            f"seed must be a whole number from 0 up; got {seed!r}. The same seed gives the same start."
        ) from None
    theta = np.zeros(net.n_parameters)
    for block in net.blocks:
        if block.letter == "w":
            variance = _VARIANCE[net.f[block.layer].start](block.shape[1], block.shape[0])
            theta[block.part] = random.normal(0, variance**0.5, prod(block.shape))
    return theta.astype(dtype)


def _register_with_jax() -> None:
    """Make Network a pytree with θ as its leaf, and error terms one, once JAX is loaded; nothing here loads it."""
    jax = sys.modules.get("jax")
    if jax is None or _registered or not hasattr(jax, "tree_util"):
        return
    _registered.append(jax)
    with contextlib.suppress(ValueError):  # another thread was faster
        jax.tree_util.register_pytree_node(
            Network, lambda net: ((net.theta,), _Static(net)), lambda static, leaves: static.net._with(leaves[0])
        )
        jax.tree_util.register_pytree_node(
            ErrorTerms, lambda e: ((tuple(e), e.known), None), lambda _, leaves: ErrorTerms(*leaves)
        )


_registered: list[Any] = []


class _Static:
    """All of a network but θ, compared by what it means, so that jit compiles once per architecture."""

    def __init__(self, net: Network) -> None:
        self.net = net._with(None)
        self.key = (net.sizes, net.f, net.objective, net.bias, net.l1, net.l2, net.penalize_bias)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)
