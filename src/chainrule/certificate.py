"""check(): the gradient beside an oracle, naming the worst weight.

Stands behind the derivation: the page (or somebody's own gradient) says step 24 and step 17, the oracles say what E
does. Its letters are the page's; a block is one w[i], b[i] or y[0].
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from chainrule import backprop
from chainrule.activations import Activation
from chainrule.network import Network, as_inputs, as_targets
from chainrule.notation import Array, FloatArray
from chainrule.objective import Objective
from chainrule.oracles import TINY_STEP, Function, central_difference, complex_step

TOLERANCE = {"complex step": 1e-10, "central differences": 1e-6}
"""Largest relative error that passes. Sound gradients reach 1e-13 and 1e-9; the rest is room for bad conditioning."""

UNDERFLOW = float(np.finfo(float).tiny) / TINY_STEP
"""Slopes below this are 0 for the complex step."""

CLOSE = 1e-13
"""Net values and residuals this near to a kink, beside the numbers they are made from, are on it but for rounding."""

CLOSE_BY = 1e-2
"""How far off, beside their size, the numbers are at which the rounding of E is measured."""

MANY = 1024
"""Ulps that they move by, so that every rounding is another, and yet E goes straight but for its rounding."""

EVERY_ENTRY = 2_000
"""Networks with more parameters than this are checked by directions and a selection of their entries."""

SELECTED = 8
"""Entries selected per block of a large network, besides its directions."""


@dataclass(frozen=True)
class Entry:
    """One derivative: its name, the gradient under test, and the oracle's value."""

    name: str
    gradient: float
    oracle: float


@dataclass(frozen=True)
class BlockReport:
    """One w[i], b[i] or y[0]: the largest difference over the largest derivative of the block, and where it is."""

    name: str
    entries: int
    checked: int
    largest: float
    relative_error: float
    worst: Entry
    ok: bool


@dataclass(frozen=True)
class Kink:
    """An entry at which E bends: any value between the slopes on its two sides is accepted as its derivative.

    Where several bends meet, so is the value that each f' gives there: from the left on a kink itself, and on one side
    where rounding leaves a net value beside it.
    """

    name: str
    gradient: float
    left: float
    right: float


@dataclass(frozen=True)
class Certificate:
    """What :func:`check` found.

    Attributes
    ----------
    ok : bool
        Every block agrees with the oracle, and the reported E is the function differentiated.
    relative_error : float
        The largest of the blocks, those aside whose derivatives are lost in rounding, as where E is least.
    worst : Entry
        Where: name, gradient and oracle.
    blocks : tuple of BlockReport
    oracle : str
        "complex step" or "central differences".
    E : float
        The reported error.
    reported : Entry
        The slope of the reported E along one random direction, by differences, beside gradient times direction. Where
        E bends, at a place close by where it does not.
    reported_ok : bool
        Whether the two agree, so that the reported E is the function differentiated.
    kinks : tuple of Kink
    scope : str
        What was checked, in words.
    """

    ok: bool
    relative_error: float
    worst: Entry
    blocks: tuple[BlockReport, ...]
    oracle: str
    tolerance: float
    E: float
    reported: Entry
    reported_ok: bool
    kinks: tuple[Kink, ...]
    scope: str

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def plot(self, ax: Any = None) -> Any:
        """Draw it by :func:`chainrule.plots.certificate`, on these axes or in a new figure; return the figure."""
        from chainrule.plots import certificate

        return certificate(self, ax)

    def __bool__(self) -> bool:
        """Whether it is ok."""
        return self.ok

    def __str__(self) -> str:
        """A table of 80 columns; ≈ 0 marks a block whose derivatives are lost in rounding."""
        lines = [
            f"gradient certificate: {'ok' if self.ok else 'NOT OK'} ({self.oracle})",
            *textwrap.wrap(f"checked: {self.scope}", 80),
            f"{'block':<7}{'entries':>8}  {'rel. error':>10}  {'worst entry':<14}{'its gradient':>14}{'oracle':>14}",
        ]
        for block in self.blocks:
            entries = f"{block.checked:,}" + ("" if block.checked == block.entries else "+")
            mark = "  WRONG" if not block.ok else "  ≈ 0" if block.relative_error > self.tolerance else ""
            name, width = _short(block.name, 14 - len(entries)), 15 - len(entries)
            lines.append(
                f"{name:<{width}}{entries}  {block.relative_error:>10.1e}  "
                f"{_short(block.worst.name, 14):<14}{block.worst.gradient:>14.6e}{block.worst.oracle:>14.6e}{mark}"
            )
        same = "as" if self.reported_ok else "but"
        lines.append(
            f"E = {self.E:.6g}; along a random direction it changes by {self.reported.oracle:.6e},\n"
            f"{same} the gradient says: {self.reported.gradient:.6e}"
        )
        for kink in self.kinks[:5]:
            name, g, left, right = _short(kink.name, 14), kink.gradient, kink.left, kink.right
            lines.append(f"kink: {name} = {g:.3e}, where E bends from {left:.3e} to {right:.3e}")
        if len(self.kinks) > 5:
            lines.append(f"and {len(self.kinks) - 5:,} more kinks")
        return "\n".join(lines)


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else "…" + name[1 - width :]


def check(
    net: Network | Function,
    inputs: Any,
    targets: Any = None,
    weights: Any = None,
    *,
    total: float | None = None,
    gradient: Callable[..., Any] | None = None,
    input_gradient: Callable[..., Any] | None = None,
    error: Callable[..., Any] | None = None,
    oracle: str = "auto",
    every_entry: int = EVERY_ENTRY,
    tolerance: float | None = None,
    seed: int = 0,
) -> Certificate:
    """Certify a gradient against an oracle that shares nothing with it.

    Either ``check(net, inputs, targets)`` for a network, whose gradient is the page's or your own, or
    ``check(f, gradient, theta)`` for any function f of an array (or a list or dict of arrays) and its gradient.

    Parameters
    ----------
    net : Network
        Checked in float64 whatever its type; one of JAX is brought to NumPy.
    inputs, targets : array of shape (patterns, inputs), (patterns, outputs)
        In the network's units; NaN for a missing target. A few dozen patterns are enough.
    weights : array of shape (patterns,), optional
        s_p; 1 by default.
    total : float, optional
        What E and gradient are divided by; S = sum of the weights by default.
    gradient : callable, optional
        ``gradient(net, inputs, targets, weights, total)`` with ``.w[i]`` and ``.b[i]``, in place of the page's.
    input_gradient : callable, optional
        ``input_gradient(net, inputs, targets)`` of shape (patterns, inputs), in place of the page's.
    error : callable, optional
        ``error(net, inputs, targets, weights, total)``, the E somebody reports, in place of the page's.
    oracle : {"auto", "complex step", "central differences"}
        "auto" takes the complex step where f and loss are written with the primitives, else differences.
    every_entry : int
        Up to so many parameters each is checked. Larger networks: a random direction through every block, which covers
        all entries at once, and a selection of entries; a wrong block is searched for its worst entry by halving.
    tolerance : float, optional
        Largest relative error (difference over the largest entry of the block) that passes.
    seed : int
        Of directions and selection.

    Returns
    -------
    Certificate

    Raises
    ------
    ValueError
        If shapes do not fit, or E is not finite here.
    """
    with np.errstate(all="ignore"):  # what is not finite fails, or is said in one sentence
        if not isinstance(net, Network):
            case = _function_case(net, inputs, targets)
        else:
            case = _network_case(net, inputs, targets, weights, total, gradient, input_gradient, error)
        chosen = _choose(oracle, case.portable)
        limit = TOLERANCE[chosen] if tolerance is None else tolerance
        return _Judge(chosen, limit, np.random.default_rng(seed), every_entry).certificate(case)


@dataclass(frozen=True)
class Slope:
    """What an oracle says of the derivative of E by one weight, bias or input.

    Attributes
    ----------
    oracle : str
        "complex step" or "central differences".
    value : float
        The slope; on a kink the one that each f' says.
    left, right : float
        On both sides, the same where E does not bend.
    uncertainty : float
        How far off the oracle may be.
    tolerance : float
        The relative error of the oracle.
    """

    oracle: str
    value: float
    left: float
    right: float
    uncertainty: float
    tolerance: float

    @property
    def kinked(self) -> bool:
        """Whether E bends here."""
        return max(self._slopes) - min(self._slopes) > 1e-9 * max(abs(one) for one in self._slopes)

    @property
    def lowest(self) -> float:
        """The least slope that is right."""
        return min(self._slopes)

    @property
    def highest(self) -> float:
        """The largest slope that is right."""
        return max(self._slopes)

    @property
    def _slopes(self) -> tuple[float, float, float]:
        return self.value, self.left, self.right


def slope(net: Network, inputs: Any, targets: Any, weights: Any, name: str) -> Slope:
    """The derivative of E by the entry of that name, as w[1][7,3] or b[1][7], by an oracle.

    For an input, as y[0][5], it is that of E_p of the only pattern.
    """
    case = _network_case(net, inputs, targets, weights, None, None, None, None)
    oracle = _choose("auto", case.portable)
    judge = _Judge(oracle, TOLERANCE[oracle], np.random.default_rng(0), EVERY_ENTRY)
    block, *inside = (part.rstrip("]") for part in name.split("["))
    layer, nodes = int(inside[0]), [int(n) for n in inside[1].split(",")]
    if block == "y":
        assert case.by_inputs is not None
        judged, d = case.by_inputs, np.zeros_like(case.by_inputs.at)
        d[:, nodes[0]] = 1
    else:
        judged, d = case.by_theta, np.zeros_like(case.by_theta.at)
        part = next(one for one in case.blocks if one.name == f"{block}[{layer}]")
        d[part.part.start + int(np.ravel_multi_index(nodes, part.shape))] = 1
    found = _Slopes(*(float(np.ravel(one)[0]) for one in judge._slope(judged, d)))
    exact = oracle == "complex step"
    return Slope(
        oracle, found.chosen, found.left, found.right, float(found.uncertain), 0.0 if exact else TOLERANCE[oracle]
    )


@dataclass(frozen=True)
class _Block:
    name: str
    shape: tuple[int, ...]
    part: slice

    def entry(self, n: int) -> str:
        inside = ",".join(str(k) for k in np.unravel_index(n, self.shape)) if self.shape else ""
        return f"{self.name}[{inside}]" if inside else self.name


class _Slopes(NamedTuple):
    """What an oracle says of one direction or of many entries.

    The slope, how far off it may be, the slopes on both sides, and the one that the page's convention takes at a kink.
    """

    slope: Any
    uncertain: Any
    left: Any
    right: Any
    chosen: Any


@dataclass(frozen=True)
class _Judged:
    """A gradient g and the E whose gradient it is said to be, as functions of one array, and the place."""

    E: Function
    g: Function
    at: FloatArray
    shaken: Callable[[FloatArray, np.random.Generator], FloatArray]  # g when all it is made from moves by one ulp
    on_kinks: Sequence[Function] = ()  # E held on its kinks, and E continued as each f' says
    whole: tuple[Function, FloatArray] | None = None  # E as a function of more than the place, to see its rounding

    @cached_property
    def _beside(self) -> Array:
        """E at a few places close by, each as it is and with every number moved up or down by many ulps, and back.

        Not at the place itself, where what E is subtracted from may cancel to the bit, as in an exact fit.
        """
        E, here = self.whole or (self.E, self.at)
        random, size = np.random.default_rng(0), np.abs(here)
        size = np.where(size > 0, size, size.mean() or 1.0)
        found = []
        for _ in range(10):
            place = here + CLOSE_BY * size * random.standard_normal(size.shape)
            d = MANY * np.finfo(float).eps * place * random.choice([-1.0, 1.0], size=size.shape)
            found.append([np.real(E(at)) for at in (place - d, place, place + d)])
        return np.moveaxis(np.array(found), 1, 0)

    @cached_property
    def noise(self) -> Array:
        """How E varies when every number it is made from moves by one ulp: what it does, and what its rounding does."""
        below, middle, above = self._beside
        moved = np.abs(above - below) / MANY + np.abs(above - 2 * middle + below)
        return np.max(moved, axis=0, where=np.isfinite(moved), initial=0.0)

    @cached_property
    def largest(self) -> float:
        """The largest E here and close by, by which it is judged whether an oracle can be sure."""
        here, beside = np.abs(np.real(self.E(self.at))), np.abs(self._beside)
        return float(max(np.max(here), np.max(beside, where=np.isfinite(beside), initial=0.0)))


@dataclass(frozen=True)
class _Case:
    """What is judged: the gradient by θ in blocks, and the one by the inputs where there are any."""

    by_theta: _Judged
    blocks: tuple[_Block, ...]
    portable: bool
    patterns: int = 0
    by_inputs: _Judged | None = None


def _network_case(
    net: Network,
    inputs: Any,
    targets: Any,
    weights: Any,
    total: float | None,
    gradient: Callable[..., Any] | None,
    input_gradient: Callable[..., Any] | None,
    error: Callable[..., Any] | None,
) -> _Case:
    if targets is None:
        raise ValueError(
            "targets must be an array of shape (patterns, outputs); got None. Pass check(net, inputs, targets)."
        )
    net = net.replace(np.array(net.theta, dtype=np.float64))
    y_0, t = as_inputs(net, np.asarray(inputs)), as_targets(net, np.asarray(targets))
    if len(y_0) != len(t) or not len(t):
        raise ValueError(
            f"targets must have one row for each of the {len(y_0)} patterns of inputs; got {len(t)}. "
            "Pass rows that belong together."
        )
    s = None if weights is None else np.asarray(weights, dtype=np.float64)

    g, E, d = gradient or _g_of_page, error or _E_of_page, input_gradient or _d_of_page

    def E_of(net: Network) -> Function:
        return lambda theta: E(net.replace(theta), y_0, t, s, total)

    def E_p_of(net: Network) -> Function:
        return lambda y_0: _E_p_of_page(net, y_0, t)

    bent = _on_kinks(net, y_0, t)
    return _Case(
        by_theta=_Judged(
            E=E_of(net),
            g=lambda theta: _flat(net, g(net.replace(theta.copy()), y_0, t, s, total)),
            at=net.theta,
            shaken=lambda theta, random: _flat(
                net, _g_of_page(net.replace(_ulp(theta, random)), _ulp(y_0, random), _ulp(t, random), s, total)
            ),
            on_kinks=[E_of(held) for held in bent],
        ),
        blocks=tuple(_Block(block.name, block.shape, block.part) for block in net.blocks),
        portable=error is None and net.objective.portable and all(row.portable for row in net.f[1:]),
        patterns=len(t),
        by_inputs=_Judged(
            E=E_p_of(net),
            g=lambda y_0: np.asarray(d(net, y_0, t)),
            at=y_0,
            shaken=lambda y_0, random: _d_of_page(
                net.replace(_ulp(net.theta, random)), _ulp(y_0, random), _ulp(t, random)
            ),
            on_kinks=[E_p_of(held) for held in bent],
            whole=(
                lambda whole: _E_p_of_page(
                    net.replace(whole[: net.theta.size]), whole[net.theta.size :].reshape(y_0.shape), t
                ),
                np.concatenate([net.theta, y_0.ravel()]),
            ),
        ),
    )


def _E_of_page(net: Network, y_0: Array, t: Array, s: Array | None, total: float | None) -> Array:
    return backprop.error(net, backprop.forward(net, y_0), t, s, total)


def _E_p_of_page(net: Network, y_0: Array, t: Array) -> Array:
    trace = backprop.forward(net, y_0)
    return net.objective.errors(net.f[net.depth], t, trace.x[-1], trace.y[-1])


def _g_of_page(net: Network, y_0: Array, t: Array, s: Array | None, total: float | None) -> Any:
    trace = backprop.forward(net, y_0)
    return backprop.gradient(net, trace, backprop.error_terms(net, trace, t), s, total)


def _d_of_page(net: Network, y_0: Array, t: Array) -> Array:
    return backprop.input_gradient(net, backprop.error_terms(net, backprop.forward(net, y_0), t))


def _ulp(a: FloatArray, random: np.random.Generator) -> FloatArray:
    return a * (1 + np.finfo(float).eps * random.choice([-1.0, 1.0], size=a.shape))


def _flat(net: Network, g: Any) -> FloatArray:
    parts = []
    for block in net.blocks:
        try:
            values = np.asarray(getattr(g, block.letter)[block.layer], dtype=np.float64)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise ValueError(
                f"gradient must give numbers for {block.name} as .{block.letter}[{block.layer}]; got a "
                f"{type(g).__name__} without. Return an object with lists .w and .b whose slot 0 is None."
            ) from None
        if values.shape != block.shape:
            raise ValueError(
                f"gradient must give {block.name} in the shape of the network's, {block.shape}; got {values.shape}. "
                "Return an object with lists .w and .b whose slot 0 is None."
            )
        parts.append(values.ravel())
    return np.concatenate(parts)


def _on_kinks(net: Network, y_0: FloatArray, t: FloatArray) -> tuple[Network, ...]:
    """Two networks where some net value, residual or penalized weight lies on a kink, else none.

    For the complex step the sign of the imaginary part decides the side of a kink. In the first network the real part
    is held exactly there, so that E has both its sides. In the second it is held where real numbers put it, whatever
    rounding does to sums of complex ones, and every f goes on straight across the kink from the side on which the net
    value lies, the left if on neither: its slopes are those that each f' says.
    """
    trace = backprop.forward(net, y_0)
    both, said, found = net.copy(), net.copy(), bool(net.l1 and (net.theta == 0).any())
    for i in range(1, net.depth + 1):
        x, b = trace.x[i], 0.0 if net.b[i] is None else net.b[i]
        terms = np.abs(trace.y[i - 1]) @ np.abs(net.w[i]).T + np.abs(b)
        for kink in net.f[i].kinks:
            on = np.abs(x - kink) <= CLOSE * (terms + abs(kink))
            found |= bool(on.any())
            both.f = (*both.f[:i], _held(both.f[i], on, kink), *both.f[i + 1 :])
            said.f = (*said.f[:i], _straight(said.f[i], on, x, kink), *said.f[i + 1 :])
    for kink in net.objective.kinks:
        on = np.abs(t - trace.y[-1] - kink) <= CLOSE * (np.abs(t) + np.abs(trace.y[-1]) + abs(kink))
        found |= bool(on.any())
        both.objective = _held_residual(both.objective, on, t - kink)
        said.objective = _held_residual(said.objective, on, trace.y[-1])
    return (both, said) if found else ()


def _hold(z: Array, on: Array, real: Any) -> Array:
    return np.where(on, real + 1j * z.imag, z) if np.iscomplexobj(z) else z


def _held(row: Activation, on: Array, real: Any) -> Activation:
    return replace(row, f=lambda z: row.f(_hold(z, on, real)), check=False)


def _held_residual(row: Objective, on: Array, real: Array) -> Objective:
    return replace(row, loss=lambda t, y: row.loss(t, _hold(y, on, real)), check=False)


def _straight(row: Activation, on: Array, x: Array, kink: float) -> Activation:
    def f(z: Array) -> Array:
        z = _hold(z, on, x)
        if np.iscomplexobj(z):  # f takes conjugates to conjugates, so that one side serves for both
            across = on & (x == kink) & (z.imag > 0)
            y = row.f(np.where(across, z.conj(), z))
            return np.where(across, y.conj(), y)
        across = on & (np.where(x > kink, kink - z, z - kink) > 0)  # reflected in the point of the kink
        y = row.f(np.where(across, 2 * kink - z, z))
        return np.where(across, 2 * row.f(np.full_like(z, kink)) - y, y)

    return replace(row, f=f, check=False)


def _function_case(f: Any, gradient: Any, theta: Any) -> _Case:
    if not callable(f) or not callable(gradient) or theta is None:
        raise ValueError(
            f"net must be a Network, or a function followed by its gradient and the place; got {type(f).__name__}, "
            f"{type(gradient).__name__} and {type(theta).__name__}. Pass check(net, inputs, targets), or "
            "check(f, gradient, theta)."
        )
    named = list(_named(theta))
    blocks, start = [], 0
    for name, values in named:
        blocks.append(_Block(name, values.shape, slice(start, start + values.size)))
        start += values.size
    if not start:
        raise ValueError("theta must hold one number or more; got none. Pass the place at which to check.")

    def pack(flat: Array) -> Any:
        arrays = [flat[block.part].reshape(block.shape).copy() for block in blocks]
        if isinstance(theta, Mapping):
            return dict(zip(theta, arrays, strict=True))
        return arrays if isinstance(theta, list | tuple) and np.ndim(theta[0]) else arrays[0]

    def flat_gradient(flat: Array) -> FloatArray:
        found = gradient(pack(flat))
        if isinstance(theta, Mapping):
            if not isinstance(found, Mapping) or found.keys() != theta.keys():
                got = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
                raise ValueError(
                    f"gradient must return a dict with the keys of theta, {', '.join(map(str, theta))}; got {got}. "
                    "Name them alike."
                )
            found = {name: found[name] for name in theta}
        arrays = [values for _, values in _named(found)]
        shapes = [a.shape for a in arrays]
        if shapes != [block.shape for block in blocks]:
            raise ValueError(
                f"gradient must return the shapes of theta, {[block.shape for block in blocks]}; got {shapes}. "
                "Correct one of them."
            )
        return np.concatenate([a.ravel() for a in arrays])

    at = np.concatenate([values.ravel() for _, values in named])
    for name, function in (("f", lambda flat: f(pack(flat))), ("gradient", flat_gradient)):
        first = function(at)
        if not all(np.array_equal(first, function(at), equal_nan=True) for _ in range(4)):
            raise ValueError(
                f"{name} must return the same for the same theta; got two different ones. Let it depend on theta "
                "alone, and seed what is random."
            )
    by_theta = _Judged(
        E=lambda flat: f(pack(flat)),
        g=flat_gradient,
        at=at,
        shaken=lambda flat, random: flat_gradient(_ulp(flat, random)),
    )
    return _Case(by_theta, tuple(blocks), portable=False)


def _named(theta: Any) -> Iterator[tuple[str, FloatArray]]:
    if isinstance(theta, Mapping):
        items: Sequence[tuple[str, Any]] = [(str(name), values) for name, values in theta.items()]
    elif isinstance(theta, list | tuple) and len(theta) and np.ndim(theta[0]):
        items = [(f"theta[{n}]", values) for n, values in enumerate(theta)]
    else:
        items = [("theta", theta)]
    for name, values in items:
        try:
            yield name, np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must be an array of numbers; got {type(values).__name__}. Convert it first."
            ) from None


def _choose(oracle: str, portable: bool) -> str:
    if oracle not in ("auto", *TOLERANCE):
        raise ValueError(
            f"oracle must be 'auto', 'complex step' or 'central differences'; got {oracle!r}. Choose one of them."
        )
    return oracle if oracle != "auto" else "complex step" if portable else "central differences"


@dataclass(frozen=True)
class _Judge:
    oracle: str
    tolerance: float
    random: np.random.Generator
    every_entry: int

    def certificate(self, case: _Case) -> Certificate:
        by_theta = case.by_theta
        E = _number(by_theta.E(by_theta.at))
        g, noise = by_theta.g(by_theta.at), self._noise(by_theta, by_theta.at)
        complete = by_theta.at.size <= self.every_entry
        found = [self._block(by_theta, block, g, noise[block.part], complete) for block in case.blocks]
        if case.by_inputs is not None:
            found.append(self._inputs(case.by_inputs))
        reports = tuple(report for report, _ in found)
        reported, same = self._reported(by_theta)
        bad = max(reports, key=self._badness)
        return Certificate(
            ok=same and all(report.ok for report in reports),
            relative_error=bad.relative_error,
            worst=bad.worst,
            blocks=reports,
            oracle=self.oracle,
            tolerance=self.tolerance,
            E=E,
            reported=reported,
            reported_ok=same,
            kinks=tuple(kink for _, kinks in found for kink in kinks),
            scope=_scope(case, reports, complete),
        )

    def _badness(self, report: BlockReport) -> tuple[bool, bool, float]:
        return not report.ok, report.relative_error <= self.tolerance, report.relative_error

    def _noise(self, judged: _Judged, at: FloatArray) -> FloatArray:
        """How far rounding alone may move the gradient: how it varies when all numbers move by one ulp."""
        noise: FloatArray = np.ptp([judged.shaken(at, self.random) for _ in range(5)], axis=0)
        return noise

    def _slope(self, judged: _Judged, d: FloatArray) -> _Slopes:
        """What the chosen oracle says of E along d."""
        if self.oracle == "complex step":
            if not judged.on_kinks:
                left = right = chosen = complex_step(judged.E, judged.at, d)
            else:
                (right, left), (above, below) = (
                    [complex_step(E, judged.at, d, side) for side in (1, -1)] for E in judged.on_kinks
                )
                chosen = (above + below) / 2
            return _Slopes(right, np.full_like(right, UNDERFLOW), left, right, chosen)
        found = central_difference(judged.E, judged.at, d, judged.noise)
        left, right = (np.where(found.kinked, side, found.slope) for side in (found.left, found.right))
        chosen = found.slope
        if judged.on_kinks:
            chosen = central_difference(judged.on_kinks[1], judged.at, d, judged.noise).slope
        return _Slopes(found.slope, found.uncertainty, left, right, chosen)

    def _block(
        self, by_theta: _Judged, block: _Block, g: FloatArray, noise: FloatArray, complete: bool
    ) -> tuple[BlockReport, list[Kink]]:
        part, size = block.part, block.part.stop - block.part.start
        values = g[part]
        chosen = list(range(size))
        if not complete:
            largest, some = int(np.argmax(np.abs(values))), self.random.choice(size, min(SELECTED, size), replace=False)
            chosen = sorted({largest, *some.tolist(), *self._search(by_theta, part, values)})
        d = np.zeros(by_theta.at.size)
        found = []
        for n in chosen:
            d[part.start + n] = 1
            found.append(self._slope(by_theta, d))
            d[part.start + n] = 0
        names = [block.entry(n) for n in chosen]
        return self._judge(block.name, size, values[chosen], _stack(found), noise[chosen], names, by_theta.largest)

    def _search(self, by_theta: _Judged, part: slice, values: FloatArray) -> list[int]:
        """The entry of a large block that spoils its direction, found by halving; none if the block agrees."""
        d = self.random.uniform(1, 2, values.size) * self.random.choice([-1.0, 1.0], values.size)
        low, high = 0, values.size

        def discrepancy(low: int, high: int) -> tuple[float, float]:
            along = np.zeros(by_theta.at.size)
            along[part][low:high] = d[low:high]
            found = self._slope(by_theta, along)
            expected = values[low:high] @ d[low:high]
            size = np.linalg.norm(values[low:high] * d[low:high]) + abs(found.slope)
            return float(_distance(expected, found) - found.uncertain), float(size)

        off, size = discrepancy(low, high)
        if off <= self.tolerance * size:
            return []
        while high - low > 1:
            middle = (low + high) // 2
            low, high = max(((low, middle), (middle, high)), key=lambda half: discrepancy(*half)[0])
        return [low]

    def _inputs(self, by: _Judged) -> tuple[BlockReport, list[Kink]]:
        y_0, gradient = by.at, by.g(by.at)
        if gradient.shape != y_0.shape:
            raise ValueError(
                f"input_gradient must have the shape of inputs, {y_0.shape}; got {gradient.shape}. "
                "Return one row a pattern."
            )
        columns, most = np.arange(y_0.shape[1]), max(self.every_entry // 10, SELECTED)
        if columns.size > most:
            columns = np.sort(self.random.choice(columns, most, replace=False))
        noise = self._noise(by, y_0)[:, columns]
        found = []
        for k in columns:
            d = np.zeros_like(y_0)
            d[:, k] = 1
            found.append(self._slope(by, d))
        names = [f"y[0][{p},{k}]" for k in columns for p in range(len(y_0))]
        values = gradient[:, columns].T.ravel()
        return self._judge("y[0]", gradient.size, values, _stack(found), noise.T.ravel(), names, by.largest)

    def _judge(
        self, name: str, size: int, g: FloatArray, oracle: _Slopes, noise: FloatArray, names: list[str], E: float
    ) -> tuple[BlockReport, list[Kink]]:
        """Compare entry by entry."""
        largest = float(np.abs([oracle.slope, oracle.left, oracle.right, oracle.chosen]).max(initial=0))
        bent = np.ptp([oracle.left, oracle.right, oracle.chosen], axis=0) > 1e-9 * largest
        off = np.where(bent, _distance(g, oracle), np.abs(g - oracle.slope))
        off = np.where(np.isnan(off), np.inf, off)
        # Where E bends, an ulp may move the gradient to the other side of the kink; that is no rounding.
        # An oracle that is not sure to a thousandth excuses nothing: E is no smooth function there.
        unsure = np.minimum(32 * oracle.uncertain, 1e-12 + 1e-3 * largest + 1e-6 * E)
        room = self.tolerance * largest + 32 * noise[~bent].max(initial=0) + unsure
        n = int(np.argmax(off))
        worst = Entry(names[n], float(g[n]), float(oracle.slope[n]))
        relative = float(off[n] / largest) if largest else (0.0 if off[n] == 0 else np.inf)
        kinks = [
            Kink(names[m], float(g[m]), float(oracle.left[m]), float(oracle.right[m])) for m in np.flatnonzero(bent)
        ]
        return BlockReport(name, size, len(names), largest, relative, worst, bool((off <= room).all())), kinks

    def _reported(self, by_theta: _Judged) -> tuple[Entry, bool]:
        """The reported E, evaluated as it is reported, must change along a direction as the gradient says.

        On a kink no gradient says how, so that a place beside it is taken.
        """
        at, size = by_theta.at, np.maximum(np.abs(by_theta.at), 1)
        d = size * self.random.standard_normal(at.size)
        d /= np.abs(d).max()
        found = central_difference(by_theta.E, at, d, by_theta.noise)
        for _ in range(5):
            if found.kinked:
                at = by_theta.at + 1e-2 * size * self.random.standard_normal(at.size)
                found = central_difference(by_theta.E, at, d, by_theta.noise)
        g, slope = by_theta.g(at), float(found.slope)
        said, noise = float(g @ d), float(self._noise(by_theta, at) @ np.abs(d))
        room = 1e-6 * float(np.abs(g) @ np.abs(d)) + 32 * (float(found.uncertainty) + noise)
        return Entry("a random direction", said, slope), bool(np.isfinite(said) and abs(said - slope) <= room)


def _number(E: Any) -> float:
    if np.ndim(E) or np.asarray(E).dtype.kind not in "biuf":
        raise ValueError(
            f"E must be one number; got {type(E).__name__} of shape {np.shape(E)}. Sum over patterns and outputs."
        )
    if not np.isfinite(E):
        raise ValueError(
            f"E must be finite where it is checked; got {E}. Use inputs, targets and weights of usual size."
        )
    return float(E)


def _distance(g: Any, oracle: _Slopes) -> Any:
    """How far g lies outside the slopes that E has around a kink."""
    slopes = (oracle.left, oracle.right, oracle.chosen)
    return np.maximum(np.maximum(np.min(slopes, axis=0) - g, g - np.max(slopes, axis=0)), 0)


def _stack(found: list[_Slopes]) -> _Slopes:
    return _Slopes(*(np.concatenate([np.ravel(one) for one in column]) for column in zip(*found, strict=True)))


def _scope(case: _Case, reports: Sequence[BlockReport], complete: bool) -> str:
    size, by_inputs = case.by_theta.at.size, reports[-1]
    scope = (
        f"each of {size:,} parameters"
        if complete
        else f"{size:,} parameters, by a direction through every block and a selection"
    )
    if case.patterns:
        scope += f", {case.patterns:,} pattern{'' if case.patterns == 1 else 's'}"
        if by_inputs.checked < by_inputs.entries:
            scope += f", {by_inputs.checked // case.patterns:,} of {by_inputs.entries // case.patterns:,} inputs"
    return scope
