"""What a network does on some patterns: how its numbers spread from layer to layer, and what is wrong with that.

Reads what the page leaves (steps 4 to 8 and 20 to 24) and computes no derivative of its own. Its letters are the
page's: net values x, outputs y, error terms e; the size of a layer's is their root mean square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from chainrule.backprop import error_terms, forward
from chainrule.network import Network
from chainrule.notation import Array, FloatArray

SATURATED, MOSTLY = 0.05, 0.95
"""A node is saturated where |f'| is below this share of its largest, for this share of the patterns or more."""

USUAL = 1.0
"""Net values up to which the largest |f'| of an activation is looked for."""

SAME = 1e-6
"""A node is dead whose output varies by less than this, beside the size of its layer's outputs."""

MANY_SATURATED, MANY_DEAD = 0.25, 0.1
"""Shares of a layer's nodes from which it is said to be wrong; a few are so in many a good network."""

UNEVEN = 1e3
"""Ratio of the sizes of e in the first layer and the last from which it vanishes or grows."""

STRONG = 30.0
"""Size of what one weight adds to a net value of a hidden layer from which it is too large."""

UNSCALED = 10.0
"""Size of an input from which it is said not to be scaled."""

UNUSED = 0.01
"""An input is unused whose weights are below this, beside those of the input with the largest."""

NAMED = 5
"""Names that a sentence lists."""


@dataclass(frozen=True)
class Entry:
    """One weight."""

    name: str
    value: float


@dataclass(frozen=True)
class LayerReport:
    """One layer on the patterns.

    Attributes
    ----------
    layer, nodes : int
    activation : str
        "input" for layer 0.
    x, y, e : float or None
        Root mean square of net values, outputs and error terms; None where there are none.
    saturated : tuple of int
        Nodes whose |f'| is below 5 % of its largest for 95 % of the patterns or more.
    dead : tuple of int
        Nodes whose output is the same for all patterns.
    largest : Entry or None
        The weight with the largest absolute value.
    """

    layer: int
    nodes: int
    activation: str
    x: float | None
    y: float
    e: float | None
    saturated: tuple[int, ...]
    dead: tuple[int, ...]
    largest: Entry | None


@dataclass(frozen=True)
class Inspection:
    """What :func:`examine` found.

    Attributes
    ----------
    patterns : int
    layers : tuple of LayerReport
        From the inputs to the outputs.
    unused : tuple of str
        Inputs whose weights are next to nothing.
    constant : tuple of str
        Inputs that do not vary in these patterns.
    advice : tuple of str
        A sentence for each thing that is wrong; empty if nothing is.
    """

    patterns: int
    layers: tuple[LayerReport, ...]
    unused: tuple[str, ...]
    constant: tuple[str, ...]
    advice: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def examine(net: Network, inputs: FloatArray, targets: FloatArray, names: Sequence[str] = ()) -> Inspection:
    """Look at a network on some patterns, and say what is wrong.

    Parameters
    ----------
    net : Network
    inputs, targets : array of shape (patterns, inputs), (patterns, outputs)
        As the network sees them; NaN for a missing target. A pattern without any known target has no e.
    names : sequence of str
        Of the inputs; by default y[0][k].

    Returns
    -------
    Inspection
    """
    if not len(inputs) or len(inputs) != len(targets):
        raise ValueError(
            f"inputs and targets must have the same number of rows, one or more; got {len(inputs)} and "
            f"{len(targets)}. Pass one row a pattern in both."
        )
    with np.errstate(all="ignore"):  # what is not finite is said
        trace = forward(net, inputs.astype(net.dtype))
        e = error_terms(net, trace, targets.astype(net.dtype))
        known = np.asarray(e.known) > 0
        layers = [_layer(net, trace, e, known, i) for i in range(net.depth + 1)]
        columns = [names[k] if names else f"y[0][{k}]" for k in range(net.sizes[0])]
        reach = np.linalg.norm(net.w[1], axis=0)
        unused = _named(columns, reach < UNUSED * reach.max())
        constant = _named(columns, _same(trace.y[0])) if len(inputs) > 1 else ()
        advice = _not_finite(layers)
        if not advice:
            advice = [*_of_inputs(columns, trace.y[0], unused), *_of_nodes(layers), *_of_weights(net, trace.y)]
            advice += _of_error_terms(net, layers)
    return Inspection(len(inputs), tuple(layers), unused, constant, tuple(advice))


def examine_model(model: Any, table: Any, rows: int = 1000, dialect: Any = None) -> Inspection:
    """Look at a model's network on the first rows of a table, as :func:`examine` does.

    Parameters
    ----------
    model : Model
    table : path, paths, data frame or array
        With the model's inputs and targets.
    rows : int
        How many, at most.
    dialect : Dialect, optional
        How a text file is written, where that is not found out.
    """
    read = next(model.pieces(table, dialect))
    y_0, t = model.patterns(read.take(np.arange(min(rows, len(read)))))
    return examine(model.network, y_0, t, () if model.encoding is None else model.encoding.inputs)


def largest_gradients(pattern: dict[str, Any], count: int) -> list[list[dict[str, Any]]]:
    """Of each layer the derivatives of E_p by a weight or bias that are the largest, as plain data.

    Parameters
    ----------
    pattern : dict
        Of :meth:`chainrule.Model.pattern`.
    count : int
        How many of each layer, at most.

    Returns
    -------
    list of lists
        For each layer from 1: "name", "from" (the node k before, None for a bias), "e" (e_ij), "y" (y_i-1,k; 1 for a
        bias) and "gradient", which is -e y.
    """
    found = []
    for i, of_layer in enumerate(pattern["gradients"], 1):
        e, y = pattern["layers"][i]["e"], pattern["layers"][i - 1]["y"]
        w = np.array(of_layer["w"])
        every = w if of_layer["b"] is None else np.column_stack([w, of_layer["b"]])
        order = np.argsort(-np.abs(every), axis=None, kind="stable")[:count]
        entries = []
        for j, k in zip(*(axis.tolist() for axis in np.unravel_index(order, every.shape)), strict=True):
            bias = k == len(y)
            entries.append(
                {
                    "name": f"b[{i}][{j}]" if bias else f"w[{i}][{j},{k}]",
                    "from": None if bias else k,
                    "e": e[j],
                    "y": 1.0 if bias else y[k],
                    "gradient": float(every[j, k]),
                }
            )
        found.append(entries)
    return found


def _layer(net: Network, trace: Any, e: Any, known: Array, i: int) -> LayerReport:
    y = np.asarray(trace.y[i], dtype=np.float64)
    if i == 0:
        return LayerReport(0, net.sizes[0], "input", None, _size(y), None, (), (), None)
    x = np.asarray(trace.x[i], dtype=np.float64)
    dead = _same(y) if len(y) > 1 else np.zeros(y.shape[1], dtype=bool)
    row, usual = net.f[i], np.linspace(-USUAL, USUAL, 601)
    saturated = dead & False
    if i < net.depth:  # outputs that are sure are no fault, and softmax has no f' of a node alone
        least = SATURATED * np.abs(row.f_prime(usual)).max()
        saturated = (np.abs(row.f_prime(x)) < least).mean(axis=0) >= MOSTLY
    w = net.w[i]
    j, k = (int(n) for n in np.unravel_index(np.argmax(np.abs(w)), w.shape))
    return LayerReport(
        i,
        net.sizes[i],
        row.name,
        _size(x),
        _size(y),
        _size(np.asarray(e[i], dtype=np.float64)[known]) if known.any() else None,
        tuple(np.flatnonzero(saturated).tolist()),
        tuple(np.flatnonzero(dead).tolist()),
        Entry(f"w[{i}][{j},{k}]", float(w[j, k])),
    )


def _size(values: FloatArray) -> float:
    """Root mean square, without overflow."""
    largest = float(np.abs(values).max(initial=0))
    return largest * float(np.sqrt(np.mean((values / largest) ** 2))) if 0 < largest < np.inf else largest


def _same(y: FloatArray) -> Array:
    """Which columns hold the same in every row."""
    return np.ptp(y, axis=0) <= SAME * _size(y)


def _named(columns: Sequence[str], which: Array) -> tuple[str, ...]:
    return tuple(columns[k] for k in np.flatnonzero(which).tolist())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _not_finite(layers: Sequence[LayerReport]) -> list[str]:
    for one in layers:
        if not np.isfinite([one.x or 0.0, one.y, one.e or 0.0]).all():
            return [
                f"Numbers of layer {one.layer} are not finite: weights or inputs are too large. Scale the inputs, and "
                "train with a lower learning rate."
            ]
    return []


def _of_inputs(columns: Sequence[str], y_0: FloatArray, unused: Sequence[str]) -> list[str]:
    said = []
    sizes = np.array([_size(column) for column in y_0.T])
    if sizes.max() > UNSCALED:
        k = int(np.argmax(sizes))
        said.append(
            f"Inputs are far from 1 as the network sees them, most of all {columns[k]} with a size of {sizes[k]:.3g}. "
            "Scale the inputs, as Model.fit does; if it did, these rows are unlike those it was trained on."
        )
    if unused:
        few = len(unused) == 1
        has, them, matter = ("has", "it", "it matters") if few else ("have", "them", "they matter")
        said.append(
            f"{'Input' if few else 'Inputs'} {_listed(unused)} {has} weights next to nothing beside the others. Leave "
            f"{them} out (--ignore), unless {matter} in rare rows."
        )
    return said


def _of_nodes(layers: Sequence[LayerReport]) -> list[str]:
    said = []
    for one in layers[1:-1]:
        stuck, idle = {*one.dead} & {*one.saturated}, {*one.dead} - {*one.saturated}
        if len(stuck) >= MANY_DEAD * one.nodes:
            cure = "leaky_relu" if one.activation == "relu" else "another activation"
            said.append(
                f"{_nodes(len(stuck), one)} dead: always the same output, and an f' that lets no e pass. Use {cure}, "
                "or a lower learning rate."
            )
        if len(idle) >= MANY_DEAD * one.nodes:
            said.append(
                f"{_nodes(len(idle), one)} idle: always the same output, for want of weights that matter. Fewer nodes, "
                "or a smaller l2, would do."
            )
        rest = len(one.saturated) - len(stuck)
        if rest >= MANY_SATURATED * one.nodes:
            said.append(
                f"{_nodes(rest, one)} saturated, so that hardly any e passes. Scale the inputs, lower the learning "
                "rate, raise l2, or use another activation."
            )
    if len(layers[-1].dead) == layers[-1].nodes:
        said.append(
            "The network says the same for all patterns: it has learned nothing but a constant. Train it longer, with "
            "a smaller l2, or with inputs that have to do with the targets."
        )
    return said


def _nodes(count: int, of: LayerReport) -> str:
    """How many nodes of a layer, as the subject of a sentence, with its verb."""
    if count == of.nodes:
        return f"All {count:,} nodes of layer {of.layer} are" if count > 1 else f"The node of layer {of.layer} is"
    return f"{count:,} of the {of.nodes:,} nodes of layer {of.layer} {'is' if count == 1 else 'are'}"


def _of_weights(net: Network, y: Sequence[Array]) -> list[str]:
    """Of the layer whose weights move its net values most."""
    strongest, name, weight = 0.0, "", 0.0
    for i in range(1, net.depth):
        sizes = np.array([_size(np.asarray(column, dtype=np.float64)) for column in y[i - 1].T])
        added = np.abs(net.w[i]) * (np.minimum(sizes, UNSCALED) if i == 1 else sizes)
        j, k = (int(n) for n in np.unravel_index(np.argmax(added), added.shape))
        if added[j, k] > strongest:
            strongest, name, weight = float(added[j, k]), f"w[{i}][{j},{k}]", float(net.w[i][j, k])
    if strongest <= STRONG:
        return []
    return [
        f"Weights are large: {name} = {weight:.3g} moves a net value by {strongest:.3g}. Raise l2, or lower the "
        "learning rate."
    ]


def _of_error_terms(net: Network, layers: Sequence[LayerReport]) -> list[str]:
    first, last = layers[1].e, layers[-1].e
    if net.depth < 2 or first is None or not last:
        return []
    sizes = f"from {last:.2g} in layer {net.depth} to {first:.2g} in layer 1"
    if first * UNEVEN < last:
        return [
            f"Error terms vanish on their way back, {sizes}: the layers near the inputs hardly learn. Use fewer "
            "layers, or an activation like relu, elu or selu."
        ]
    if first > UNEVEN * last:
        return [
            f"Error terms grow on their way back, {sizes}: updates near the inputs are too large. Clip the gradient "
            "(--clip), lower the learning rate, or raise l2."
        ]
    return []
