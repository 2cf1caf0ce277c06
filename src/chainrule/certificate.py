"""check(): the gradient beside an oracle, naming the worst weight.

Stands behind the derivation: the page (or somebody's own gradient) says step 24 and step 17, the oracles say what E
does. Its letters are the page's; a block is one w[i], b[i] or y[0].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule import backprop
from chainrule.network import Network, as_inputs, as_targets
from chainrule.notation import Array, FloatArray
from chainrule.oracles import Function, central_difference, complex_step

TOLERANCE = {"complex step": 1e-10, "central differences": 1e-6}
"""Largest relative error that passes. Sound gradients reach 1e-13 and 1e-9; the rest is room for bad conditioning."""

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
    """An entry at which E bends: any value between the slopes on its two sides is accepted as its derivative."""

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
        The largest of the blocks.
    worst : Entry
        Where: name, gradient and oracle.
    blocks : tuple of BlockReport
    oracle : str
        "complex step" or "central differences".
    E : float
        The reported error.
    reported : Entry
        The slope of the reported E along one random direction, by differences, beside gradient times direction.
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

    def __bool__(self) -> bool:
        """Whether it is ok."""
        return self.ok

    def __str__(self) -> str:
        """A table of 80 columns."""
        lines = [
            f"gradient certificate: {'ok' if self.ok else 'NOT OK'} ({self.oracle})",
            f"checked: {self.scope}",
            f"{'block':<7}{'entries':>8}  {'rel. error':>10}  {'worst entry':<14}{'its gradient':>14}{'oracle':>14}",
        ]
        for block in self.blocks:
            entries = f"{block.checked:,}" + ("" if block.checked == block.entries else "+")
            lines.append(
                f"{block.name:<7}{entries:>8}  {block.relative_error:>10.1e}  {block.worst.name:<14}"
                f"{block.worst.gradient:>14.6e}{block.worst.oracle:>14.6e}" + ("" if block.ok else "  WRONG")
            )
        same = "as" if self.reported_ok else "but"
        lines.append(
            f"E = {self.E:.6g}; along a random direction it changes by {self.reported.oracle:.6e},\n"
            f"{same} the gradient says: {self.reported.gradient:.6e}"
        )
        for kink in self.kinks[:5]:
            lines.append(
                f"kink: {kink.name} = {kink.gradient:.4e}, where E bends from {kink.left:.4e} to {kink.right:.4e}"
            )
        if len(self.kinks) > 5:
            lines.append(f"and {len(self.kinks) - 5:,} more kinks")
        return "\n".join(lines)


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
    if not isinstance(net, Network):
        case = _function_case(net, inputs, targets)
    else:
        case = _network_case(net, inputs, targets, weights, total, gradient, input_gradient, error)
    chosen = _choose(oracle, case.portable)
    judge = _Judge(
        chosen, TOLERANCE[chosen] if tolerance is None else tolerance, np.random.default_rng(seed), every_entry
    )
    return judge.certificate(case)


@dataclass(frozen=True)
class _Block:
    name: str
    shape: tuple[int, ...]
    part: slice

    def entry(self, n: int) -> str:
        inside = ",".join(str(k) for k in np.unravel_index(n, self.shape)) if self.shape else ""
        return f"{self.name}[{inside}]" if inside else self.name


@dataclass(frozen=True)
class _ByInputs:
    """E of each pattern and its gradient d, as functions of the inputs (patterns, inputs)."""

    E: Function
    d: Function
    at: FloatArray


class _Slopes(NamedTuple):
    """What an oracle says of one direction or of many entries: slope, uncertainty, and the slopes on both sides."""

    slope: Any
    uncertain: Any
    left: Any
    right: Any


@dataclass(frozen=True)
class _Case:
    """What is judged: E and g as functions of one flat vector, and of the inputs where there are any."""

    E: Function
    g: Function
    theta: FloatArray
    blocks: tuple[_Block, ...]
    portable: bool
    bends: bool  # some net value, residual or penalized weight lies exactly on a kink
    patterns: int = 0
    by_inputs: _ByInputs | None = None


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
    net = net.replace(np.asarray(net.theta, dtype=np.float64))
    y_0, t = as_inputs(net, np.asarray(inputs)), as_targets(net, np.asarray(targets))
    if len(y_0) != len(t) or not len(t):
        raise ValueError(
            f"targets must have one row for each of the {len(y_0)} patterns of inputs; got {len(t)}. "
            "Pass rows that belong together."
        )
    s = None if weights is None else np.asarray(weights, dtype=np.float64)

    def of_page(net: Network, inputs: Array, t: Array, s: Any, total: Any) -> Any:
        trace = backprop.forward(net, inputs)
        return backprop.gradient(net, trace, backprop.error_terms(net, trace, t), s, total)

    def E_of_page(net: Network, inputs: Array, t: Array, s: Any, total: Any) -> Any:
        return backprop.error(net, backprop.forward(net, inputs), t, s, total)

    def by_inputs(net: Network, inputs: Array, t: Array) -> Array:
        return backprop.input_gradient(net, backprop.error_terms(net, backprop.forward(net, inputs), t))

    def E_p(y_0: Array) -> Array:
        trace = backprop.forward(net, y_0)
        return net.objective.errors(net.f[net.depth], t, trace.x[-1], trace.y[-1])

    g, E, d = gradient or of_page, error or E_of_page, input_gradient or by_inputs
    return _Case(
        E=lambda theta: E(net.replace(theta), y_0, t, s, total),
        g=lambda theta: _flat(net, g(net.replace(theta), y_0, t, s, total)),
        theta=net.theta,
        blocks=tuple(_Block(block.name, block.shape, block.part) for block in net.blocks),
        portable=error is None and net.objective.portable and all(row.portable for row in net.f[1:]),
        bends=_on_a_kink(net, y_0, t),
        patterns=len(t),
        by_inputs=_ByInputs(E_p, lambda y_0: np.asarray(d(net, y_0, t)), y_0),
    )


def _flat(net: Network, g: Any) -> FloatArray:
    parts = []
    for block in net.blocks:
        values = np.asarray(getattr(g, block.letter)[block.layer], dtype=np.float64)
        if values.shape != block.shape:
            raise ValueError(
                f"gradient must give {block.name} in the shape of the network's, {block.shape}; got {values.shape}. "
                "Return an object with lists .w and .b whose slot 0 is None."
            )
        parts.append(values.ravel())
    return np.concatenate(parts)


def _on_a_kink(net: Network, y_0: Array, t: Array) -> bool:
    trace = backprop.forward(net, y_0)
    nodes = any((trace.x[i] == kink).any() for i in range(1, net.depth + 1) for kink in net.f[i].kinks)
    outputs = any((t - trace.y[-1] == kink).any() for kink in net.objective.kinks)
    return bool(nodes or outputs or (net.l1 and (net.theta == 0).any()))


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

    def pack(flat: Array) -> Any:
        arrays = [flat[block.part].reshape(block.shape) for block in blocks]
        if isinstance(theta, Mapping):
            return dict(zip(theta, arrays, strict=True))
        return arrays if isinstance(theta, list | tuple) and np.ndim(theta[0]) else arrays[0]

    def flat_gradient(flat: Array) -> FloatArray:
        arrays = [values for _, values in _named(gradient(pack(flat)))]
        shapes = [a.shape for a in arrays]
        if shapes != [block.shape for block in blocks]:
            raise ValueError(
                f"gradient must return the shapes of theta, {[block.shape for block in blocks]}; got {shapes}. "
                "Correct one of them."
            )
        return np.concatenate([a.ravel() for a in arrays])

    return _Case(
        E=lambda flat: f(pack(flat)),
        g=flat_gradient,
        theta=np.concatenate([values.ravel() for _, values in named]),
        blocks=tuple(blocks),
        portable=False,
        bends=False,
    )


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
        E = float(np.real(case.E(case.theta)))
        if not np.isfinite(E):
            raise ValueError(
                f"E must be finite where it is checked; got {E}. Use inputs, targets and weights of usual size."
            )
        g = case.g(case.theta)
        noise = self._noise(case.g, case.theta, g)
        complete = case.theta.size <= self.every_entry
        reports, kinks = [], []
        for block in case.blocks:
            report, found = self._block(case, block, g, noise[block.part], complete)
            reports.append(report)
            kinks += found
        if case.by_inputs is not None:
            report, found = self._inputs(case.by_inputs, case.bends)
            reports.append(report)
            kinks += found
        reported, same = self._reported(case, g, noise)
        bad = max(reports, key=lambda report: (not report.ok, report.relative_error))
        return Certificate(
            ok=same and all(report.ok for report in reports),
            relative_error=bad.relative_error,
            worst=bad.worst,
            blocks=tuple(reports),
            oracle=self.oracle,
            tolerance=self.tolerance,
            E=E,
            reported=reported,
            reported_ok=same,
            kinks=tuple(kinks),
            scope=_scope(case, complete),
        )

    def _noise(self, g: Function, at: FloatArray, value: FloatArray) -> FloatArray:
        """How much rounding alone may move the gradient: its change when every number moves by one ulp."""
        ulp = np.finfo(float).eps * self.random.choice([-1.0, 1.0], size=at.shape)
        moved: FloatArray = np.abs(g(at * (1 + ulp)) - value)
        return moved

    def _slope(self, E: Function, at: FloatArray, d: FloatArray, bends: bool) -> _Slopes:
        """What the chosen oracle says of E along d."""
        if self.oracle == "complex step":
            right = complex_step(E, at, d)
            return _Slopes(right, np.zeros_like(right), complex_step(E, at, d, side=-1) if bends else right, right)
        found = central_difference(E, at, d)
        left, right = (np.where(found.kinked, side, found.slope) for side in (found.left, found.right))
        return _Slopes(found.slope, found.uncertainty, left, right)

    def _block(
        self, case: _Case, block: _Block, g: FloatArray, noise: FloatArray, complete: bool
    ) -> tuple[BlockReport, list[Kink]]:
        part, size = block.part, block.part.stop - block.part.start
        values = g[part]
        wrong_at: list[int] = []
        if not complete:
            entries = {
                int(np.argmax(np.abs(values))),
                *self.random.choice(size, min(SELECTED, size), replace=False).tolist(),
            }
            wrong_at = self._search(case, part, values)
            chosen = sorted(entries | set(wrong_at))
        else:
            chosen = list(range(size))
        d = np.zeros(case.theta.size)
        found = []
        for n in chosen:
            d[part.start + n] = 1
            found.append(self._slope(case.E, case.theta, d, case.bends))
            d[part.start + n] = 0
        names = [block.entry(n) for n in chosen]
        return self._judge(block.name, size, values[chosen], _stack(found), noise[chosen], names)

    def _search(self, case: _Case, part: slice, values: FloatArray) -> list[int]:
        """The entry of a large block that spoils its direction, found by halving; none if the block agrees."""
        d = self.random.standard_normal(values.size)
        low, high = 0, values.size

        def discrepancy(low: int, high: int) -> tuple[float, float]:
            along = np.zeros(case.theta.size)
            along[part][low:high] = d[low:high]
            slope, uncertain, left, right = self._slope(case.E, case.theta, along, case.bends)
            expected = float(values[low:high] @ d[low:high])
            off = max(min(left, right) - expected, expected - max(left, right), 0.0)
            return float(off - uncertain), float(np.abs(values[low:high] * d[low:high]).sum() + abs(slope))

        off, size = discrepancy(low, high)
        if off <= self.tolerance * size:
            return []
        while high - low > 1:
            middle = (low + high) // 2
            low, high = max(((low, middle), (middle, high)), key=lambda half: discrepancy(*half)[0])
        return [low]

    def _inputs(self, by: _ByInputs, bends: bool) -> tuple[BlockReport, list[Kink]]:
        y_0, gradient = by.at, by.d(by.at)
        if gradient.shape != y_0.shape:
            raise ValueError(
                f"input_gradient must have the shape of inputs, {y_0.shape}; got {gradient.shape}. "
                "Return one row a pattern."
            )
        columns = np.arange(y_0.shape[1])
        if columns.size > self.every_entry // 10:
            columns = np.sort(self.random.choice(columns, self.every_entry // 10, replace=False))
        noise = self._noise(by.d, y_0, gradient)[:, columns]
        found = []
        for k in columns:
            d = np.zeros_like(y_0)
            d[:, k] = 1
            found.append(self._slope(by.E, y_0, d, bends))
        names = [f"y[0][{p},{k}]" for k in columns for p in range(len(y_0))]
        return self._judge("y[0]", gradient.size, gradient[:, columns].T.ravel(), _stack(found), noise.T.ravel(), names)

    def _judge(
        self, name: str, size: int, g: FloatArray, oracle: _Slopes, noise: FloatArray, names: list[str]
    ) -> tuple[BlockReport, list[Kink]]:
        """Compare entry by entry; at a kink the distance is to the interval between the two slopes."""
        low, high = np.minimum(oracle.left, oracle.right), np.maximum(oracle.left, oracle.right)
        largest = float(np.abs(oracle.slope).max(initial=0))
        bent = high - low > 1e-9 * largest
        off = np.where(bent, np.maximum(np.maximum(low - g, g - high), 0), np.abs(g - oracle.slope))
        off = np.where(np.isnan(off), np.inf, off)
        room = self.tolerance * largest + 32 * noise.max(initial=0) + 32 * oracle.uncertain
        n = int(np.argmax(off))
        worst = Entry(names[n], float(g[n]), float(oracle.slope[n]))
        relative = float(off[n] / largest) if largest else (0.0 if off[n] == 0 else np.inf)
        kinks = [
            Kink(names[m], float(g[m]), float(oracle.left[m]), float(oracle.right[m])) for m in np.flatnonzero(bent)
        ]
        return BlockReport(name, size, len(names), largest, relative, worst, bool((off <= room).all())), kinks

    def _reported(self, case: _Case, g: FloatArray, noise: FloatArray) -> tuple[Entry, bool]:
        """The reported E, evaluated as it is reported, must fall along a direction as the gradient says."""
        d = self.random.standard_normal(case.theta.size)
        d /= np.abs(d).max()
        found = central_difference(lambda theta: np.real(case.E(theta)), case.theta, d)
        said, size = float(g @ d), float(np.abs(g) @ np.abs(d))
        low, high = min(found.left, found.right, found.slope), max(found.left, found.right, found.slope)
        off = abs(said - found.slope) if not found.kinked else max(low - said, said - high, 0.0)
        room = 1e-6 * size + 4 * float(found.uncertainty) + 32 * float(noise @ np.abs(d))
        return Entry("a random direction", said, float(found.slope)), bool(off <= room)


def _stack(found: list[_Slopes]) -> _Slopes:
    return _Slopes(*(np.concatenate([np.ravel(one) for one in column]) for column in zip(*found, strict=True)))


def _scope(case: _Case, complete: bool) -> str:
    entries = (
        f"each of {case.theta.size:,} parameters"
        if complete
        else (f"{case.theta.size:,} parameters, by a direction through every block and a selection")
    )
    plural = "" if case.patterns == 1 else "s"
    return entries + (f", {case.patterns:,} pattern{plural}" if case.patterns else "")
