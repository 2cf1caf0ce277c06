"""The rows of activations, objectives and update rules as machine code, each from its one definition.

Steps 4, 5 and 20, and the update: a row is called once with vectors in place of arrays, which writes its instructions.
Letters as in the rows: x a net value, t a target, g a gradient; s the share of a pattern.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.activations import Activation
from chainrule.engines.cpu.machine import Code, code, has_fma, target, vector_bytes
from chainrule.engines.cpu.vector import INT64, Emitter, Vector, repeated
from chainrule.objective import Objective

DOUBLE, VOID = ir.DoubleType(), ir.VoidType()


class Unwritable(TypeError):
    """What is not written with the primitives alone: the message names it."""


@dataclass(frozen=True)
class Kernel:
    """A function in memory and the code it belongs to."""

    code: Code
    address: int


def lanes(dtype: Any) -> int:
    """Floats in a vector register."""
    return vector_bytes() // int(np.dtype(dtype).itemsize)


class _Function:
    """A function being written: its arguments, and loops over rows and vectors."""

    def __init__(self, dtype: Any, name: str, arguments: Sequence[Any], result: Any = VOID) -> None:
        self.module = ir.Module(name)
        self.module.triple = target().triple
        self.module.data_layout = str(target().target_data)
        self.function = ir.Function(self.module, ir.FunctionType(result, arguments), name)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.emitter = Emitter(self.builder, dtype, lanes(dtype), has_fma())
        self.name = name

    @property
    def arguments(self) -> Sequence[Any]:
        """The values of the arguments."""
        found: Sequence[Any] = self.function.args
        return found

    def loop(self, count: Any, body: Callable[[Any, Sequence[Any]], Sequence[Any]], start: Sequence[Any] = ()) -> Any:
        """As :func:`chainrule.engines.cpu.vector.repeated`, here."""
        return repeated(self.builder, count, body, start)

    def made(self, result: Any = None) -> Kernel:
        """Compile it."""
        if result is None:
            self.builder.ret_void()
        else:
            self.builder.ret(result)
        compiled = code(str(self.module))
        return Kernel(compiled, compiled.address(self.name))


def _traced(write: Callable[[], Any], what: str) -> Any:
    try:
        return write()
    except Exception as error:
        raise Unwritable(what) from error


TOGETHER = 4
"""Rows that are worked out together, as the operations of one vector wait for each other: tanh and its slope take 15.5
cycles a vector instead of 17.3, 17.5 instead of 22 in rows of one vector; 2 to 3 % of 4-16-16-1."""


class _Rows:
    """So many rows, a stride apart, side by side in the registers of one vector; v numbers the vectors of a row."""

    def __init__(self, f: _Function, stride: Any, together: int) -> None:
        self.f, self.stride, self.together = f, stride, together
        self.emitter = Emitter(f.builder, f.emitter.dtype, together * f.emitter.lanes, f.emitter.fma)

    def places(self, base: Any, v: Any) -> list[Any]:
        """Where the vector lies in each row; the first row begins at base."""
        b = self.f.builder
        place = b.add(base, b.mul(v, INT64(vector_bytes())))
        return [b.add(place, b.mul(self.stride, INT64(n))) for n in range(self.together)]

    def load(self, base: Any, v: Any) -> Vector:
        """That vector of all rows."""
        return self.emitter.joined([self.f.emitter.load(one).value for one in self.places(base, v)])

    def store(self, vector: Vector, base: Any, v: Any) -> None:
        """It is put there."""
        for place, part in zip(self.places(base, v), self.emitter.parts(vector), strict=True):
            self.f.emitter.store(Vector(self.f.emitter, part), place)

    def numbers(self, address: Any) -> Vector:
        """One number a row, from the address on, in all lanes of its row."""
        e = self.f.emitter
        return self.emitter.joined([e.splat(e.scalar(address, n * e.size)).value for n in range(self.together)])


Write = Callable[[_Rows, Any, Sequence[Any]], Sequence[Any]]


def _by_rows(f: _Function, stride: Any, rows: Any, write: Write, carried: Sequence[Any] = ()) -> Sequence[Any]:
    """Call write(so many rows together, the first of them, carried) for all of them, and one by one for those left."""
    b = f.builder
    whole = b.mul(b.sdiv(rows, INT64(TOGETHER)), INT64(TOGETHER))
    for together, first, count in ((TOGETHER, INT64(0), whole), (1, whole, b.sub(rows, whole))):
        some = _Rows(f, stride, together)

        def of_some(n: Any, carried: Any, some: _Rows = some, first: Any = first) -> Sequence[Any]:
            return write(some, b.add(first, b.mul(n, INT64(some.together))), carried)

        carried = f.loop(b.sdiv(count, INT64(together)), of_some, carried)
    return carried


@lru_cache(maxsize=256)
def activation(row: Activation, dtype: Any, slope: bool) -> Kernel:
    """(x, f′, stride, rows, vectors): f(x) in place of x, and f′(x) beside it if slope is set."""
    f = _Function(dtype, "activation", [INT64] * 5)
    b = f.builder
    x, fp, stride, rows, vectors = f.arguments

    def write(some: _Rows, first: Any, _: Any) -> Any:
        top, e = b.mul(first, stride), some.emitter

        def of_vector(v: Any, _: Any) -> Any:
            value = some.load(b.add(x, top), v)
            y = e._as(_traced(lambda: row.f(value, e.primitives), f"f of {row.name!r}"))
            if slope:
                found = e._as(_traced(lambda: row.f_prime(value, e.primitives), f"f_prime of {row.name!r}"))
                some.store(found, b.add(fp, top), v)
            some.store(y, b.add(x, top), v)
            return ()

        return f.loop(vectors, of_vector)

    _by_rows(f, stride, rows, write)
    return f.made()


@lru_cache(maxsize=256)
def output(row: Activation, goal: Objective, dtype: Any) -> Kernel:
    """(x, t, s, stride, rows, vectors, outputs, scale) -> sum of s E_p: e, times s and scale, in place of x.

    t is NaN where it is missing and beyond the outputs; s has one share a row.
    """
    f = _Function(dtype, "output", [INT64] * 7 + [DOUBLE], DOUBLE)
    b, e = f.builder, f.emitter
    x, t, s, stride, rows, vectors, outputs, scale = f.arguments
    factor = scale if e.size == 8 else b.fptrunc(scale, e.float)
    write = _softmax_rows if row.vector else _plain_rows

    def of_some(some: _Rows, first: Any, carried: Any) -> Any:
        offset, shares = b.mul(first, stride), some.numbers(b.add(s, b.mul(first, INT64(e.size))))
        scaled = shares * some.emitter.splat(factor)
        losses = write(some, row, goal, b.add(x, offset), b.add(t, offset), scaled, vectors, outputs)
        total = Vector(e, carried[0])
        for loss, share in zip(some.emitter.parts(losses), some.emitter.parts(shares), strict=True):  # row by row
            total = e.multiply_add(Vector(e, loss), Vector(e, share), total)
        return [total.value]

    (found,) = _by_rows(f, stride, rows, of_some, [e.constant(0.0).value])
    total = b.extract_element(e.reduced(Vector(e, found), lambda p, q: p + q).value, ir.IntType(32)(0))
    return f.made(total if e.size == 8 else b.fpext(total, DOUBLE))


def _plain_rows(
    some: _Rows, row: Activation, goal: Objective, x: Any, t: Any, share: Vector, vectors: Any, outputs: Any
) -> Vector:
    """Patterns under an activation that acts node by node: what Objective.errors and error_term do."""
    e, p = some.emitter, some.emitter.primitives

    def of_vector(v: Any, carried: Any) -> Any:
        net, target_ = some.load(x, v), some.load(t, v)
        known = target_ == target_
        wanted = e.where(known, target_, 0.0)
        if row.name in goal.fused:
            fused = goal.fused[row.name]
            loss = _traced(lambda: fused.loss(wanted, net, p), f"loss of {goal.name!r}")
            error = _traced(lambda: fused.error(wanted, net, p), f"error of {goal.name!r}")
        else:
            y = _traced(lambda: row.f(net, p), f"f of {row.name!r}")
            loss = _traced(lambda: goal.loss(wanted, y, p), f"loss of {goal.name!r}")
            residual = _traced(lambda: goal.residual(wanted, y, p), f"residual of {goal.name!r}")
            error = residual * _traced(lambda: row.f_prime(net, p), f"f_prime of {row.name!r}")
        some.store(e.where(known, error, 0.0) * share, x, v)
        return [(Vector(e, carried[0]) + e.where(known, loss, 0.0)).value]

    (total,) = some.f.loop(vectors, of_vector, [e.constant(0.0).value])
    return Vector(e, total)


def _softmax_rows(
    some: _Rows, row: Activation, goal: Objective, x: Any, t: Any, share: Vector, vectors: Any, outputs: Any
) -> Vector:
    """Patterns under softmax: :func:`chainrule.activations.softmax_parts`, then the error term."""
    e, p, f = some.emitter, some.emitter.primitives, some.f
    zero = e.constant(0.0).value
    largest, more = _softmax_sums(some, x, vectors, outputs)

    def parts(v: Any) -> tuple[Vector, Vector, Vector, Vector]:
        net, inside = some.load(x, v), _inside(some, v, outputs)
        below = e.where(inside, net - largest, 0.0)
        top = inside & (net == largest)
        z, less, total = e.exp(below), e.expm1(below), more + 1.0
        y = z / total
        return y, e.where(top, more - less, total - z) / total, e.log1p(more) - below, some.load(t, v)

    def sums(v: Any, carried: Any) -> Any:
        y, _, _, wanted = parts(v)
        known = wanted == wanted
        t_0 = e.where(known, wanted, 0.0)
        v_ = t_0 if "softmax" in goal.fused else e.where(known, goal.residual(t_0, y, p), 0.0) * y
        return [(Vector(e, carried[0]) + v_).value]

    (total,) = f.loop(vectors, sums, [zero])
    mixed = e.reduced(Vector(e, total), lambda a, c: a + c)

    def of_vector(v: Any, carried: Any) -> Any:
        y, complement, minus_log, wanted = parts(v)
        known = wanted == wanted
        t_0 = e.where(known, wanted, 0.0)
        if "softmax" in goal.fused:
            loss = e.where(t_0 > 0.0, t_0 * minus_log, 0.0)
            error = t_0 * complement - y * (mixed - t_0)
        else:
            loss = goal.loss(t_0, y, p)
            error = y * (goal.residual(t_0, y, p) - mixed)
        inside = _inside(some, v, outputs) & known
        some.store(e.where(inside, error, 0.0) * share, x, v)
        return [(Vector(e, carried[0]) + e.where(inside, loss, 0.0)).value]

    (losses,) = f.loop(vectors, of_vector, [zero])
    return Vector(e, losses)


def _softmax_sums(some: _Rows, x: Any, vectors: Any, outputs: Any) -> tuple[Vector, Vector]:
    """The largest net value, and the sum of exp(x - largest) less 1, without cancellation.

    Lanes beyond the outputs take the exponential of 0: one so small that it is not a normal number would take the
    processor six times as long as all the rest of the row.
    """
    e, f = some.emitter, some.f

    def greatest(v: Any, carried: Any) -> Any:
        net = e.where(_inside(some, v, outputs), some.load(x, v), -np.inf)
        return [e._extreme(">", Vector(e, carried[0]), net).value]

    (found,) = f.loop(vectors, greatest, [e.constant(-np.inf).value])
    largest = e.reduced(Vector(e, found), lambda a, c: e._extreme(">", a, c))

    def add(v: Any, carried: Any) -> Any:
        net, inside = some.load(x, v), _inside(some, v, outputs)
        below, top = e.where(inside, net - largest, 0.0), (net == largest) & inside
        part = e.where(inside, e.where(top, e.expm1(below), e.exp(below)), 0.0)
        return [(Vector(e, carried[0]) + part).value, (Vector(e, carried[1]) + e.where(top, 1.0, 0.0)).value]

    zero = e.constant(0.0).value
    rest, count = f.loop(vectors, add, [zero, zero])
    total = e.reduced(Vector(e, rest), lambda a, c: a + c)
    return largest, total + (e.reduced(Vector(e, count), lambda a, c: a + c) - 1.0)


def _inside(some: _Rows, v: Any, outputs: Any) -> Any:
    """Which lanes of vector v belong to an output."""
    b = some.f.builder
    return some.emitter.first(b.sub(outputs, b.mul(v, INT64(some.f.emitter.lanes))))


@lru_cache(maxsize=64)
def softmax(dtype: Any) -> Kernel:
    """(x, unused, stride, rows, vectors, outputs): y in place of x."""
    f = _Function(dtype, "softmax", [INT64] * 6)
    b = f.builder
    x, _, stride, rows, vectors, outputs = f.arguments

    def write(some: _Rows, first: Any, _: Any) -> Any:
        base, e = b.add(x, b.mul(first, stride)), some.emitter
        largest, more = _softmax_sums(some, base, vectors, outputs)

        def of_vector(v: Any, _: Any) -> Any:
            inside = _inside(some, v, outputs)
            below = e.where(inside, some.load(base, v) - largest, 0.0)
            some.store(e.where(inside, e.exp(below) / (more + 1.0), 0.0), base, v)
            return ()

        return f.loop(vectors, of_vector)

    _by_rows(f, stride, rows, write)
    return f.made()


def _operator(operate: Callable[[Any, Any], Any], turned: bool = False) -> Any:
    def method(self: _Number, other: Any) -> Any:
        if isinstance(other, int | float | np.number | _Number):
            first, second = (other, self) if turned else (self, other)
            return _Number(lambda n: operate(_at(first, n), _at(second, n)), self.given)
        return NotImplemented

    return method


class _Number:
    """A number made of n, the number of the update, while a rule is written: computed before, in double precision.

    ``given`` holds those that have met a vector, and so must be handed over at each update.
    """

    def __init__(self, of: Callable[[Any], Any], given: list[_Number]) -> None:
        self.of, self.given = of, given

    def vector(self, emitter: Emitter) -> Vector:
        """The same number in all lanes."""
        if all(one is not self for one in self.given):  # == makes a number of its own
            self.given.append(self)
        return emitter.numbers[next(place for place, one in enumerate(self.given) if one is self)]

    __add__, __radd__ = _operator(operator.add), _operator(operator.add, True)
    __sub__, __rsub__ = _operator(operator.sub), _operator(operator.sub, True)
    __mul__, __rmul__ = _operator(operator.mul), _operator(operator.mul, True)
    __truediv__, __rtruediv__ = _operator(operator.truediv), _operator(operator.truediv, True)
    __pow__, __rpow__ = _operator(operator.pow), _operator(operator.pow, True)
    __lt__, __le__, __gt__, __ge__ = map(_operator, (operator.lt, operator.le, operator.gt, operator.ge))
    __eq__, __ne__ = _operator(operator.eq), _operator(operator.ne)
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("n must be left to formulas; got it in Python's if. Multiply by the condition, as Rprop does.")


def _at(number: Any, n: Any) -> Any:
    return number.of(n) if isinstance(number, _Number) else number


NUMBERS = 8
"""How many numbers a rule may make of n."""


@dataclass(frozen=True)
class Step:
    """An update rule in memory, and the numbers it takes at each update, as functions of its number n."""

    kernel: Kernel
    numbers: tuple[Callable[[Any], Any], ...]

    def values(self, n: Any, dtype: Any) -> Any:
        """Those numbers for the updates of these numbers, (updates, NUMBERS)."""
        found = np.zeros((len(n), NUMBERS), dtype)
        with np.errstate(all="ignore"):
            for column, of in enumerate(self.numbers):
                found[:, column] = of(n.astype(np.float64))
        return found


def still(rule: Any) -> bool:
    """Whether a weight that is 0 and has no gradient stays so; Adam with epsilon = 0 divides by it."""
    nothing = np.zeros(1)
    with np.errstate(all="ignore"):
        theta, slots = rule.formula(nothing, nothing, (nothing,) * rule.slots, 1.0, 1, **rule.constants)
    return bool(np.array_equal(theta, nothing) and np.isfinite(slots).all())


def step(rule: Any, dtype: Any, factors: bool) -> Step:
    """(θ, g, slots, factors, numbers, η, vectors, length): the next θ and slots in place.

    Slots follow one another, so many bytes apart as all of θ takes. η is the address of a number; with factors it is
    multiplied by those, and nothing changes where they are 0. What is remembered of gradients that are 0 from some
    update on fades out; it becomes 0 where it is below the smallest normal number, or each update would take 2 to 4
    times as long for ever when half of the nodes are dead. A rule that would then divide by 0 keeps it.
    """
    constants = tuple(sorted(rule.constants.items()))
    return _step(rule.formula, rule.slots, constants, np.dtype(dtype).name, factors, still(rule))


@lru_cache(maxsize=64)
def _step(
    formula: Any, slots: int, constants: tuple[tuple[str, float], ...], dtype: str, factors: bool, fading: bool
) -> Step:
    f = _Function(dtype, "step", [INT64] * 8)
    b, e = f.builder, f.emitter
    theta, g, memory, rates, numbers, η, vectors, length = f.arguments
    size = vector_bytes()
    given: list[_Number] = []
    smallest = float(np.finfo(dtype).tiny)
    rate = e.splat(e.scalar(η))  # before the loop, so that it is loaded once, as the numbers are
    e.numbers = [e.splat(e.scalar(numbers, n * e.size)) for n in range(NUMBERS)]

    def of_vector(v: Any, _: Any) -> Any:
        place = b.mul(v, INT64(size))
        places = [b.add(b.add(memory, b.mul(length, INT64(n))), place) for n in range(slots)]
        value, slope = e.load(b.add(theta, place)), e.load(b.add(g, place))
        rate_: Vector = rate
        learning: Any = True
        if factors:
            factor = e.load(b.add(rates, place))
            rate_, learning = rate * factor, factor != 0.0
            slope = slope * e.where(rate_ != 0.0, 1.0, 0.0)
        kept = tuple(e.load(one) for one in places)

        def following() -> list[Vector]:
            new, slots = formula(value, slope, kept, rate_, _Number(lambda n: n, given), **dict(constants))
            slots = [e._as(one) for one in slots]
            if fading:
                slots = [e.where(one.abs() < smallest, 0.0, one) for one in slots]
            return [e._as(new), *slots]

        new = _traced(following, "the rule")
        for one, before, where in zip(new, (value, *kept), (b.add(theta, place), *places), strict=True):
            e.store(e.where(learning, one, before), where)
        return ()

    f.loop(vectors, of_vector)
    kernel = f.made()
    return Step(kernel, tuple(one.of for one in given))
