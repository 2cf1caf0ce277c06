"""Vectors of floats as LLVM code: what the primitives of a row become when they are written for the processor.

Stands under step 5: f and f' are rows of :mod:`chainrule.activations`, written once; here their ``+ - * /`` and their
primitives emit instructions on a whole vector register. Its letters: k the whole power of two and r the rest in a
reduction, q and p polynomials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from chainrule.activations import Primitives
from chainrule.engines.cpu.machine import vector_bytes

INT64, INT32, BOOL = ir.IntType(64), ir.IntType(32), ir.IntType(1)
POINTER = ir.PointerType()


def repeated(
    builder: Any, count: Any, body: Callable[[Any, Sequence[Any]], Sequence[Any]], start: Sequence[Any] = ()
) -> list[Any]:
    """Call body(n, carried) for n from 0; what it returns is carried on, and comes back at the end."""
    before = builder.block
    top, after = (builder.append_basic_block(name) for name in ("loop", "after"))
    builder.cbranch(builder.icmp_signed(">", count, INT64(0)), top, after)
    builder.position_at_end(top)
    n = builder.phi(INT64)
    n.add_incoming(INT64(0), before)
    carried = []
    for value in start:
        phi = builder.phi(value.type)
        phi.add_incoming(value, before)
        carried.append(phi)
    new = body(n, carried)
    following = builder.add(n, INT64(1))
    end = builder.block
    n.add_incoming(following, end)
    for phi, value in zip(carried, new, strict=True):
        phi.add_incoming(value, end)
    builder.cbranch(builder.icmp_signed("<", following, count), top, after)
    builder.position_at_end(after)
    results = []
    for value, last in zip(start, new, strict=True):
        phi = builder.phi(value.type)
        phi.add_incoming(value, before)
        phi.add_incoming(last, end)
        results.append(phi)
    return results


class Emitter:
    """Where instructions go: a builder, the type of floats, and how many of them a vector holds.

    A vector may take several registers: each operation is then written for one after the other, and none waits.
    """

    def __init__(self, builder: Any, dtype: Any, lanes: int, fma: bool) -> None:
        self.builder, self.dtype, self.lanes, self.fma = builder, np.dtype(dtype), lanes, fma
        self.float = ir.DoubleType() if self.dtype == np.float64 else ir.FloatType()
        self.vector = ir.VectorType(self.float, lanes)
        self.bits = INT64 if self.dtype == np.float64 else INT32
        self.integers = ir.VectorType(self.bits, lanes)
        self.size = self.dtype.itemsize
        self.registers = lanes * self.size // vector_bytes()
        self.numbers: list[Vector] = []

    # --- vectors in and out --------------------------------------------------------------------------------------

    def constant(self, value: float) -> Vector:
        """The same number in all lanes."""
        rounded = float(self.dtype.type(value))
        return Vector(self, ir.Constant(self.vector, [rounded] * self.lanes), rounded, rounded)

    def whole(self, value: int) -> Any:
        """The same integer in all lanes."""
        return ir.Constant(self.integers, [value] * self.lanes)

    def load(self, address: Any, offset: int = 0) -> Vector:
        """A vector from memory, wherever it lies."""
        return Vector(self, self.builder.load(self._pointer(address, offset), align=self.size, typ=self.vector))

    def store(self, vector: Vector, address: Any, offset: int = 0) -> None:
        """A vector to memory."""
        self.builder.store(vector.value, self._pointer(address, offset), align=self.size)

    def joined(self, parts: Sequence[Any]) -> Vector:
        """One vector of what lies in several registers."""
        values = list(parts)
        while len(values) > 1:
            lanes = ir.Constant(ir.VectorType(INT32, 2 * values[0].type.count), list(range(2 * values[0].type.count)))
            pairs = zip(values[::2], values[1::2], strict=True)
            values = [self.builder.shuffle_vector(first, second, lanes) for first, second in pairs]
        return Vector(self, values[0])

    def parts(self, vector: Vector) -> list[Any]:
        """What of a vector lies in each register."""
        lanes = self.lanes // self.registers
        nothing, kind = ir.Constant(self.vector, ir.Undefined), ir.VectorType(INT32, lanes)
        of_each = [ir.Constant(kind, list(range(n, n + lanes))) for n in range(0, self.lanes, lanes)]
        return [self.builder.shuffle_vector(vector.value, nothing, order) for order in of_each]

    def prefetch(self, address: Any, offset: int = 0) -> None:
        """Have a cache line brought near that is needed soon."""
        name, module = "llvm.prefetch.p0", self.builder.module
        kind = ir.FunctionType(ir.VoidType(), [POINTER, INT32, INT32, INT32])
        function = module.globals.get(name) or ir.Function(module, kind, name)
        self.builder.call(function, [self._pointer(address, offset), INT32(0), INT32(3), INT32(1)])

    def scalar(self, address: Any, offset: int = 0) -> Any:
        """One number from memory."""
        return self.builder.load(self._pointer(address, offset), align=self.size, typ=self.float)

    def splat(self, scalar: Any) -> Vector:
        """One number in all lanes."""
        nothing = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(nothing, scalar, INT32(0))
        lanes = ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes)
        return Vector(self, self.builder.shuffle_vector(one, nothing, lanes))

    def everywhere(self, truth: Any) -> Mask:
        """One truth in all lanes."""
        truths = ir.VectorType(BOOL, self.lanes)
        one = self.builder.insert_element(ir.Constant(truths, ir.Undefined), truth, INT32(0))
        lanes = ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes)
        return Mask(self, self.builder.shuffle_vector(one, ir.Constant(truths, ir.Undefined), lanes))

    def first(self, count: Any) -> Mask:
        """A truth in the first so many lanes of each register."""
        b, nothing = self.builder, ir.Constant(self.integers, ir.Undefined)
        one = b.insert_element(nothing, count if self.size == 8 else b.trunc(count, INT32), INT32(0))
        every = b.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes))
        lane = [n % (self.lanes // self.registers) for n in range(self.lanes)]
        return Mask(self, b.icmp_signed("<", ir.Constant(self.integers, lane), every))

    def _pointer(self, address: Any, offset: int) -> Any:
        return self.builder.inttoptr(self.builder.add(address, INT64(offset)) if offset else address, POINTER)

    def intrinsic(self, name: str, *values: Any) -> Any:
        """One of LLVM's own functions on vectors."""
        of = values[0].type
        kind = f"v{of.count}{'i' if isinstance(of.element, ir.IntType) else 'f'}{8 * self.size}"
        full = f"llvm.{name}.{kind}"
        module = self.builder.module
        function = module.globals.get(full) or ir.Function(module, ir.FunctionType(of, [v.type for v in values]), full)
        return self.builder.call(function, values)

    def multiply_add(self, a: Vector, b: Vector, c: Vector) -> Vector:
        """a b + c, rounded once where the processor can."""
        if self.fma:
            return Vector(self, self.intrinsic("fma", a.value, b.value, c.value))
        return a * b + c

    def reduced(self, vector: Vector, combine: Callable[[Vector, Vector], Vector], least: int = 1) -> Vector:
        """All lanes of a register so far apart combined, in all: halves first, in one order whatever the patterns."""
        half = self.lanes // self.registers // 2
        while half >= least:
            order = [(n ^ half) for n in range(self.lanes)]
            mask = ir.Constant(ir.VectorType(INT32, self.lanes), order)
            turned = self.builder.shuffle_vector(vector.value, ir.Constant(self.vector, ir.Undefined), mask)
            vector = combine(vector, Vector(self, turned))
            half //= 2
        return vector

    # --- the primitives ------------------------------------------------------------------------------------------

    @property
    def primitives(self) -> Primitives:
        """What a row is written with."""
        return Primitives(
            exp=self.exp,
            expm1=self.expm1,
            log=self.log,
            log1p=self.log1p,
            tanh=self.tanh,
            sin=lambda x: self._sine(x, 0),
            cos=lambda x: self._sine(x, 1),
            abs=lambda x: self._as(x).abs(),
            floor=lambda x: Vector(self, self.intrinsic("floor", self._as(x).value)),
            maximum=lambda a, b: self._extreme(">", a, b),
            minimum=lambda a, b: self._extreme("<", a, b),
            where=self.where,
            full_like=lambda _, value: self._as(value),
        )

    def _as(self, value: Any) -> Vector:
        if isinstance(value, Vector):
            return value
        found: Vector = value.vector(self) if hasattr(value, "vector") else self.constant(float(value))
        return found

    def where(self, mask: Any, a: Any, b: Any) -> Vector:
        """The entries of a where the mask is set, else those of b."""
        first, second = self._as(a), self._as(b)
        if isinstance(mask, bool | np.bool_):
            return first if mask else second
        low, high = min(first.low, second.low), max(first.high, second.high)
        return Vector(self, self.builder.select(mask.value, first.value, second.value), low, high)

    def divide(self, a: Vector, b: Vector) -> Vector:
        """a / b; where b is known to be of usual size, by its reciprocal, which is refined (2 to 3 times faster)."""
        least, most = sorted((abs(b.low), abs(b.high)))
        usual = (
            b.low * b.high > 0 and least >= 2.0**-30 and most <= 2.0**100 and max(abs(a.low), abs(a.high)) <= 2.0**100
        )
        guess = self._reciprocal(b) if usual and self.fma else None
        if guess is None:
            return Vector(self, self.builder.fdiv(a.value, b.value))
        y = guess
        for _ in range(2 if self.size == 8 else 1):  # 14 binary digits, 28, 56
            y = self.multiply_add(self.multiply_add(-b, y, self.constant(1.0)), y, y)
        q = y
        if (a.low, a.high) != (1.0, 1.0):
            q = self.multiply_add(self.multiply_add(-b, a * y, a), y, a * y)
        corners = [x / z for x in (a.low, a.high) for z in (b.low, b.high)]
        return Vector(self, q.value, min(corners), max(corners))

    def _reciprocal(self, b: Vector) -> Vector | None:
        """1 / b to 14 binary digits, where the processor has that; none where it has not."""
        if vector_bytes() != 64:
            return None
        return self._instruction("rcp14", b, b)

    def square_root(self, x: Vector) -> Vector:
        """The square root; by its reciprocal, which is refined, where the processor has that to 14 binary digits.

        A step of Adam takes 5 % less in float32, 10 to 20 % in float64, than with the processor's square root.
        """
        if not self.fma or vector_bytes() != 64:
            return Vector(self, self.intrinsic("sqrt", x.value))
        guess = self._instruction("rsqrt14", x, x)
        root, half = x * guess, guess * 0.5
        for _ in range(2 if self.size == 8 else 1):
            missing = self.multiply_add(-root, half, self.constant(0.5))
            root, half = self.multiply_add(root, missing, root), self.multiply_add(half, missing, half)
        return self.where((x == 0.0) | (x == math.inf), x, root)

    def _instruction(self, name: str, *vectors: Vector, more: Sequence[Any] = ()) -> Vector:
        """One that LLVM has for registers of 64 bytes alone, for each that the vectors take."""
        lanes, module = self.lanes // self.registers, self.builder.module
        one, mask = ir.VectorType(self.float, lanes), ir.IntType(lanes)
        full = f"llvm.x86.avx512.{name}.p{'d' if self.size == 8 else 's'}.512"
        kind = ir.FunctionType(one, [one] * len(vectors) + [mask] + [given.type for given in more])
        function = module.globals.get(full) or ir.Function(module, kind, full)
        each = zip(*map(self.parts, vectors), strict=True)
        return self.joined([self.builder.call(function, [*given, mask(-1), *more]) for given in each])

    def _extreme(self, sign: str, a: Any, b: Any) -> Vector:
        """The larger or smaller of two; NaN if either is."""
        a, b = self._as(a), self._as(b)
        first = self.builder.fcmp_unordered(sign, a.value, b.value)  # a is NaN, or wins
        first = self.builder.and_(first, self.builder.fcmp_ordered("ord", b.value, b.value))
        first = self.builder.or_(first, self.builder.fcmp_unordered("uno", a.value, a.value))
        pick = max if sign == ">" else min
        return Vector(self, self.builder.select(first, a.value, b.value), pick(a.low, b.low), pick(a.high, b.high))

    def _polynomial(self, x: Vector, coefficients: Sequence[float]) -> Vector:
        """Highest power first."""
        total = self.constant(coefficients[0])
        for c in coefficients[1:]:
            total = self.multiply_add(total, x, self.constant(c))
        return total

    def _scaled(self, x: Vector, rounded: Vector, least: float) -> Vector:
        """x times 2 to a whole power, which is not below least; one instruction where the processor has it."""
        if vector_bytes() == 64:
            usual_rounding = INT32(4)
            return self._instruction("mask.scalef", x, rounded, x, more=[usual_rounding])
        rounded = self.where(rounded < least, least, rounded)
        known = self.where(rounded == rounded, rounded, 0.0)
        k = self.builder.fptosi(known.value, self.integers)
        half = self.builder.ashr(k, self.whole(1))  # in two steps, so that results below the normal numbers come out
        return x * self._power_of_two(half) * self._power_of_two(self.builder.sub(k, half))

    def _power_of_two(self, k: Any) -> Vector:
        """2 to the k, for integers k for which that is a normal number."""
        bias, shift = (1023, 52) if self.size == 8 else (127, 23)
        bits = self.builder.shl(self.builder.add(k, self.whole(bias)), self.whole(shift))
        return Vector(self, self.builder.bitcast(bits, self.vector))

    def _reduced_exponent(self, x: Vector) -> tuple[Vector, Vector]:
        """x = k log 2 + r: k as whole floats, and exp(r) - 1. The compiler does it once for exp and expm1 of one x."""
        low, high = (-746.0, 710.0) if self.size == 8 else (-104.0, 89.0)
        x = self.where(x < low, low, x)
        x = x if x.high <= high else self.where(x > high, high, x)
        no_fraction = self.constant(1.5 * 2.0 ** (52 if self.size == 8 else 23))  # a sum with it is a whole number
        k = self.multiply_add(x, self.constant(1 / math.log(2)), no_fraction) - no_fraction
        high, low = _LOG_2[self.size]
        r = self.multiply_add(k, self.constant(-high), x)
        r = self.multiply_add(k, self.constant(-low), r)
        return k, self.multiply_add(r * r, self._polynomial(r, _exp_polynomial(self.size)), r)

    def exp(self, x: Any) -> Vector:
        """e to the x."""
        x = self._as(x)
        k, p = self._reduced_exponent(x)
        if x.high <= 0:
            power = self._scaled(self.constant(1.0), k, -2000.0)
            found = self.multiply_add(power, p, power)
        else:  # 2 to the k may be beyond the largest number when the result is not
            found = self._scaled(p + 1.0, k, -2000.0)
        return Vector(self, found.value, 0.0, _exp_of_bound(x.high))

    def expm1(self, x: Any) -> Vector:
        """e to the x, less 1."""
        x = self._as(x)
        k, p = self._reduced_exponent(x)
        if x.high <= 0:
            power = self._scaled(self.constant(1.0), k, -2000.0)
            found = self.multiply_add(power, p, power - 1.0)
        else:
            half = self._scaled(self.constant(0.5), k, -1000.0 if self.size == 8 else -100.0)
            found = self.multiply_add(half, p, half - 0.5) * 2.0
        return Vector(self, found.value, -1.0, _exp_of_bound(x.high) - 1.0)

    def log(self, x: Any) -> Vector:
        """The natural logarithm."""
        x = self._as(x)
        shift, tiny = (52, 2.0**-1022) if self.size == 8 else (23, 2.0**-126)
        small = x < tiny
        scaled = self.where(small, x * 2.0 ** (shift + 2), x)
        bits = self.builder.bitcast(scaled.value, self.integers)
        start = int(np.array(math.sqrt(0.5), self.dtype).view(f"i{self.size}"))
        above = self.builder.sub(bits, self.whole(start))
        k = self.builder.ashr(above, self.whole(shift))
        m = self.builder.sub(bits, self.builder.shl(k, self.whole(shift)))
        f = Vector(self, self.builder.bitcast(m, self.vector)) - 1.0
        n = Vector(self, self.builder.sitofp(k, self.vector))
        n = self.where(small, n - float(shift + 2), n)
        s = f / (f + 2.0)
        z = s * s
        R = z * self._polynomial(z, _LOG[self.size])
        half = f * f * 0.5
        high, low = _LOG_2[self.size]
        inner = self.multiply_add(s, half + R, n * low)
        found = self.multiply_add(n, self.constant(high), f - (half - inner))
        found = self.where(x == math.inf, math.inf, self.where(x == 0.0, -math.inf, found))
        return self.where(x >= 0.0, found, self.where(x < 0.0, math.nan, x))

    def log1p(self, x: Any) -> Vector:
        """The natural logarithm of 1 + x, and x where that is small."""
        x = self._as(x)
        u = x + 1.0
        lost = (x - (u - 1.0)) / u  # what 1 + x rounded away
        plain = self.log(u)
        found = self.where((u > 0.0) & (u < math.inf), plain + lost, plain)
        return self.where(u == 1.0, x, found)

    def tanh(self, x: Any) -> Vector:
        """The hyperbolic tangent; its power of two, and the polynomial, serve f' too (1.35 times in float32)."""
        x = self._as(x)
        t = self.expm1(x.abs() * -2.0)
        y = t * (1.0 / (1.0 + self.exp(x.abs() * -2.0)))  # the reciprocal that f' uses too
        return Vector(self, self.intrinsic("copysign", y.value, x.value), -1.0, 1.0)

    def _sine(self, x: Any, quarter: int) -> Vector:
        """The sine, or the cosine as the sine a quarter further on; far from 0 that of the C library, lane by lane."""
        x = self._as(x)
        far = x.abs() > (NEAR if self.fma else NEAR_WITHOUT_FMA)
        turns, r = self._quarter_turns(self.where(far, 0.0, x))
        z = r * r
        sine = self.multiply_add(r * z, self._polynomial(z, _SINE[self.size]), r)
        cosine = self.multiply_add(z * z, self._polynomial(z, _COSINE[self.size]), 1.0 - z * 0.5)
        n = self.builder.add(turns, self.whole(quarter))
        odd = Mask(self, self.builder.trunc(n, ir.VectorType(BOOL, self.lanes)))
        second = self.builder.lshr(self.builder.and_(n, self.whole(2)), self.whole(1))
        minus = Mask(self, self.builder.trunc(second, ir.VectorType(BOOL, self.lanes)))
        found = self.where(odd, cosine, sine)
        return self._unless(far, self.where(minus, -found, found), "cos" if quarter else "sin", x)

    def _quarter_turns(self, x: Vector) -> tuple[Any, Vector]:
        """x = n π/2 + r: n as integers, and r; in double precision for either type, or r would lose its digits."""
        b, wide = self.builder, Emitter(self.builder, np.float64, self.lanes, self.fma)
        r = Vector(wide, x.value if self.size == 8 else b.fpext(x.value, wide.vector))
        turns = Vector(wide, wide.intrinsic("rint", (r * (2 / math.pi)).value))
        for part in _HALF_PI if self.size == 8 else _HALF_PI[:2]:
            r = wide.multiply_add(turns, wide.constant(-part), r)
        n = b.fptosi(wide.where(turns == turns, turns, 0.0).value, self.integers)
        return n, Vector(self, r.value if self.size == 8 else b.fptrunc(r.value, self.vector))

    def _unless(self, mask: Mask, usual: Vector, name: str, x: Vector) -> Vector:
        """The usual result, but where the mask is set that of a function of the C library, should any lane need it."""
        b, before = self.builder, self.builder.block
        some = b.icmp_unsigned("!=", b.bitcast(mask.value, ir.IntType(self.lanes)), ir.IntType(self.lanes)(0))
        rare, after = (b.append_basic_block(block) for block in ("rare", "after"))
        b.cbranch(some, rare, after)
        b.position_at_end(rare)
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()])
        function = b.module.globals.get(name) or ir.Function(b.module, kind, name)
        found = x.value
        for n in range(self.lanes):
            one = b.extract_element(x.value, INT32(n))
            if self.size == 4:
                one = b.fptrunc(b.call(function, [b.fpext(one, ir.DoubleType())]), self.float)
            else:
                one = b.call(function, [one])
            found = b.insert_element(found, one, INT32(n))
        chosen = self.where(mask, Vector(self, found), usual).value
        b.branch(after)
        b.position_at_end(after)
        result = b.phi(self.vector)
        result.add_incoming(usual.value, before)
        result.add_incoming(chosen, rare)
        return Vector(self, result)


def _exp_of_bound(high: float) -> float:
    """A little more than e to the high."""
    return math.exp(high) * 1.0001 if high < 700 else math.inf


@cache
def _exp_polynomial(size: int) -> list[float]:
    """q of exp(r) = 1 + r + r^2 q(r) for abs(r) <= log(2)/2, highest power first.

    Taylor's series; in float32 interpolated at Chebyshev's points, which takes a term less for as many digits.
    """
    series = [1 / math.factorial(n) for n in range(13, 1, -1)]
    if size == 8:
        return series
    half = math.log(2) / 2
    found = np.polynomial.Chebyshev.interpolate(lambda r: np.polyval(series, r), 4, domain=[-half, half])
    return [float(c) for c in found.convert(kind=np.polynomial.Polynomial, domain=[-1, 1]).coef[::-1]]


_LOG_2 = {8: (6.93147180369123816490e-01, 1.90821492927058770002e-10), 4: (0.693359375, -2.12194440e-4)}
_HALF_PI = (1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624871116645580e-21, 8.47842766036889956997e-32)
"""π/2 in parts of 33 bits, as in fdlibm: the first are exact times a number of 20 bits, with FMA of 30."""
NEAR, NEAR_WITHOUT_FMA = 1e9, 1e6
_LOG = {  # of 2 atanh(s)/s - 2 in s^2, as in fdlibm
    8: (
        1.479819860511658591e-01,
        1.531383769920937332e-01,
        1.818357216161805012e-01,
        2.222219843214978396e-01,
        2.857142874366239149e-01,
        3.999999999940941908e-01,
        6.666666666666735130e-01,
    ),
    4: (0.24279078841, 0.28498786688, 0.40000972152, 0.66666662693),
}
_SINE = {
    8: tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(8, 0, -1)),
    4: tuple((-1) ** n / math.factorial(2 * n + 1) for n in range(4, 0, -1)),
}
_COSINE = {
    8: tuple((-1) ** n / math.factorial(2 * n) for n in range(8, 1, -1)),
    4: tuple((-1) ** n / math.factorial(2 * n) for n in range(5, 1, -1)),
}


class Mask:
    """A truth in every lane."""

    def __init__(self, emitter: Emitter, value: Any) -> None:
        self.emitter, self.value = emitter, value

    def __and__(self, other: Mask) -> Mask:
        return Mask(self.emitter, self.emitter.builder.and_(self.value, other.value))

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.emitter, self.emitter.builder.or_(self.value, other.value))

    def __invert__(self) -> Mask:
        return Mask(self.emitter, self.emitter.builder.not_(self.value))

    def __eq__(self, other: object) -> Any:
        return ~(self != other)

    def __ne__(self, other: object) -> Any:
        return Mask(self.emitter, self.emitter.builder.xor(self.value, getattr(other, "value", None)))

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("a condition must be left to p.where; got one in Python's if. Each entry has its own.")

    def _number(self) -> Vector:
        return self.emitter.where(self, 1.0, 0.0)

    def __mul__(self, other: Any) -> Vector:
        """As a number, 1 or 0: how the rules of :mod:`chainrule.training.descent` choose."""
        found: Vector = self._number() * other
        return found

    __rmul__ = __mul__


class Vector:
    """A vector in a register: its operators emit instructions.

    Its numbers lie between low and high, as far as that is known while the code is written, or are NaN.
    """

    def __init__(self, emitter: Emitter, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
        self.emitter, self.value, self.low, self.high = emitter, value, low, high

    def _with(self, other: Any) -> Vector:
        return self.emitter._as(other._number() if isinstance(other, Mask) else other)

    def _sum(self, a: Vector, b: Vector) -> Vector:
        return Vector(self.emitter, self.emitter.builder.fadd(a.value, b.value), a.low + b.low, a.high + b.high)

    def _difference(self, a: Vector, b: Vector) -> Vector:
        return Vector(self.emitter, self.emitter.builder.fsub(a.value, b.value), a.low - b.high, a.high - b.low)

    def _product(self, a: Vector, b: Vector) -> Vector:
        corners = [x * y if x and y else 0.0 for x in (a.low, a.high) for y in (b.low, b.high)]
        return Vector(self.emitter, self.emitter.builder.fmul(a.value, b.value), min(corners), max(corners))

    def __add__(self, other: Any) -> Vector:
        return self._sum(self, self._with(other))

    def __radd__(self, other: Any) -> Vector:
        return self._sum(self._with(other), self)

    def __sub__(self, other: Any) -> Vector:
        return self._difference(self, self._with(other))

    def __rsub__(self, other: Any) -> Vector:
        return self._difference(self._with(other), self)

    def __mul__(self, other: Any) -> Vector:
        return self._product(self, self._with(other))

    def __rmul__(self, other: Any) -> Vector:
        return self._product(self._with(other), self)

    def __truediv__(self, other: Any) -> Vector:
        if hasattr(other, "vector"):  # a number made of n, which is turned over before the loop
            return self._product(self, self._with(1.0 / other))
        return self.emitter.divide(self, self._with(other))

    def __rtruediv__(self, other: Any) -> Vector:
        return self.emitter.divide(self._with(other), self)

    def __neg__(self) -> Vector:
        return Vector(self.emitter, self.emitter.builder.fneg(self.value), -self.high, -self.low)

    def __pos__(self) -> Vector:
        return self

    def __abs__(self) -> Vector:
        return self.abs()

    def abs(self) -> Vector:
        """Without its sign."""
        least = max(self.low, -self.high, 0.0)
        most = max(abs(self.low), abs(self.high))
        return Vector(self.emitter, self.emitter.intrinsic("fabs", self.value), least, most)

    def __pow__(self, power: float) -> Vector:
        """A square root, or a whole power by repeated squares."""
        if power == 0.5:
            return self.emitter.square_root(self)
        if power != int(power):
            return self.emitter.exp(self.emitter.log(self) * float(power))
        total: Any = None
        square, n = self, abs(int(power))
        while n:
            if n & 1:
                total = square if total is None else total * square
            square, n = (square * square if n > 1 else square), n >> 1
        total = self.emitter.constant(1.0) if total is None else total
        found: Vector = total if power >= 0 else 1.0 / total
        return found

    def _compared(self, sign: str, other: Any) -> Mask:
        compare = self.emitter.builder.fcmp_unordered if sign == "!=" else self.emitter.builder.fcmp_ordered
        return Mask(self.emitter, compare(sign, self.value, self._with(other).value))

    def __lt__(self, other: Any) -> Mask:
        return self._compared("<", other)

    def __le__(self, other: Any) -> Mask:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> Mask:
        return self._compared(">", other)

    def __ge__(self, other: Any) -> Mask:
        return self._compared(">=", other)

    def __eq__(self, other: Any) -> Mask:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: Any) -> Mask:  # type: ignore[override]
        return self._compared("!=", other)

    __hash__ = None  # type: ignore[assignment]
