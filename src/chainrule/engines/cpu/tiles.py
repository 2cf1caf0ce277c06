"""Register tiles: the products of the page as vector code, and calls of functions by their address.

Forward is y wᵀ, the error terms are e w times f′, the gradient is eᵀ y, written down or added to what is there: one
generator writes them all. A tile of ROWS[0] rows and two vectors stays in registers while k runs, one multiply-add a
number; each number is summed over k in order, whatever tile it lies in, so that bits depend neither on the tiles nor on
the threads. Where nodes or patterns are few, rows are multiplied and then added up lane by lane, which depends on
neither as well.

What it gains, in float32 with vectors of 64 bytes, where multiply-adds alone reach 177 GFLOP/s:

- tiles of 12 rows and 2 vectors reach 175 of these, of 8 or 5 rows 174 to 177, of 4 rows 163, of one row 54 to 109;
- where another program uses the other half of the core, instructions count, not multiply-adds alone: tiles of 12 rows
  took 52 instructions for 24 of them and reached 0.69 to 0.75 of what multiply-adds alone did; four numbers of a sum in
  a turn of the loop (42) reach 0.77; numbers of A read for each multiply-add (36, and 32 where y is copied) 0.86;
- y and e copied for the gradient of wide layers: 2,048 by 2,048 of 256 patterns goes from 97 to 171 (1.8 times); y
  copied in pieces that stay near: 2 % of a step of 784-2048-2048-10;
- bringing near what is next: 4 % of a step of 784-512-512-10, more of 784-2048-2048-10, nothing in smaller networks;
- w as it lies where patterns are many: 3 to 8 % of a step of 64-256-256-10 and 784-512-512-10, 5 % of 784-2048-2048-10,
  where summing over 256 nodes at a time is 3 % of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from chainrule.engines.cpu.front import compiled, outlined
from chainrule.engines.cpu.layout import NEAR, ROWS, SOME, WIDTH, near_rows
from chainrule.engines.cpu.layout import packed_row as _packed_row
from chainrule.engines.cpu.machine import has_fma
from chainrule.engines.cpu.team import meet, taken
from chainrule.engines.cpu.vector import INT32, INT64, POINTER, Emitter, Vector, repeated

QUARTER = 16
"""Bytes within which registers of any length are shuffled fastest."""

FORWARD, BACKWARD, MANY_BACKWARD, LAST_BACKWARD, GRADIENT, PACKED = range(6)

packed_row = compiled(_packed_row)

FIELDS = 12
"""Columns of the table of layers, which are named in :mod:`chainrule.engines.cpu.layout`."""

DTYPES = {"float32": 4, "float64": 8}


def _emitter(builder: Any, like: Any) -> Emitter:
    name = str(like)
    return Emitter(builder, name, WIDTH // DTYPES[name], has_fma())


UNROLLED = 4
"""Numbers that are summed in a turn of the loop of the tallest tiles."""

TWICE = 3
"""Of four numbers of A, those that are read for each of their two multiply-adds, with vectors of 64 bytes: that is one
instruction less each, as long as the reads, of which there can be two for two multiply-adds, do not become too many."""


def _unknown(builder: Any, address: Any) -> Any:
    """The same address, which the compiler may not take for the same."""
    name = "llvm.launder.invariant.group.p0"
    module = builder.module
    function = module.globals.get(name) or ir.Function(module, ir.FunctionType(POINTER, [POINTER]), name)
    return builder.ptrtoint(builder.call(function, [builder.inttoptr(address, POINTER)]), INT64)


def _while(builder: Any, values: Any, least: int, turn: Callable[[Any], Any], checked: bool = True) -> Any:
    """The values after as many turns as leave the first of them below the least; at least one, if it is not checked."""
    before = builder.block
    loop, done = (builder.append_basic_block(name) for name in ("loop", "done"))
    if checked:
        builder.cbranch(builder.icmp_signed(">=", values[0], INT64(least)), loop, done)
    else:
        builder.branch(loop)
    builder.position_at_end(loop)
    now = [builder.phi(value.type) for value in values]
    new = turn(now)
    for phi, value, other in zip(now, values, new, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(other, loop)
    builder.cbranch(builder.icmp_signed(">=", new[0], INT64(least)), loop, done)
    builder.position_at_end(done)
    if not checked:
        return new
    found = [builder.phi(value.type) for value in values]
    for phi, value, other in zip(found, values, new, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(other, loop)
    return found


def _turn(e: Emitter, how: tuple[int, int, int, int], of: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """Columns of A times rows of B, added to the sums: so many together, of a tile of rows by vectors in that mode."""
    rows, vectors, mode, together = how
    k, of_a, of_b, apart, of_soon = of
    left, at_a, at_a_again, at_b, ahead, *sums = values
    b, lying, columns = e.builder, mode in (MANY_BACKWARD, LAST_BACKWARD), mode in (GRADIENT, PACKED)

    def one(at: Any, r: int, u: int) -> Any:
        """The number of A in a row and one of the next columns, in all lanes."""
        if columns:
            return e.splat(e.scalar(b.add(at, b.mul(of_a, INT64(u))), r * e.size))
        return e.splat(e.scalar(b.add(at, b.mul(of_a, INT64(r))), u * e.size))

    for u in range(together):
        panels = [at_b]
        for _ in range(2, vectors, 2):
            panels.append(b.add(panels[-1], apart))
        of_row = [e.load(panels[n // 2], n % 2 * WIDTH) for n in range(vectors)]
        for r in range(rows):
            of_a_row = [one(at_a, r, u)] * vectors
            if WIDTH == 64 and vectors == 2 and rows == ROWS[0] and (columns or lying) and r % 4 < TWICE:
                of_a_row[1] = one(at_a_again, r, u)
            for n in range(vectors):
                at = r * vectors + n
                sums[at] = e.multiply_add(of_a_row[n], of_row[n], Vector(e, sums[at])).value
        at_b = b.add(at_b, of_b)
        if mode not in (LAST_BACKWARD, GRADIENT) and rows == ROWS[0]:
            e.prefetch(b.add(ahead, b.mul(of_soon, INT64(u))))
    left, of_ahead = b.sub(left, INT64(together)), b.mul(of_soon, INT64(together))
    step = b.mul(of_a, INT64(together)) if columns else INT64(together * e.size)
    if mode == MANY_BACKWARD:  # the same rows of the next panel
        pair = 2 * e.lanes
        at_end = b.icmp_signed("==", b.and_(b.sub(k, left), INT64(pair - 1)), INT64(0))
        skipped = b.add(apart, INT64(2 * WIDTH - (pair - together) * rows * e.size))
        step = b.select(at_end, b.add(step, apart), step)
        of_ahead = b.select(at_end, skipped, of_ahead)
    return [left, b.add(at_a, step), b.add(at_a_again, step), at_b, b.add(ahead, of_ahead), *sums]


def _tile(rows: int, vectors: int, mode: int) -> Any:
    """C = A B, C = A B times f′, or C = Aᵀ B or C += Aᵀ B, for a tile of rows by vectors.

    A is read row by row, or, in the gradient, column by column; PACKED, columns of ROWS[0] numbers follow one another.
    Rows of w that lie in panels are A of the way back for many patterns: panel after panel, or the last of one vector.
    """
    lying, columns = mode in (MANY_BACKWARD, LAST_BACKWARD), mode in (GRADIENT, PACKED)
    tall = rows == ROWS[0] and vectors == 2

    @intrinsic
    def tile(
        typing: Any,
        like: Any,
        a: Any,
        of_a: Any,
        b: Any,
        of_b: Any,
        apart: Any,
        c: Any,
        of_c: Any,
        fp: Any,
        k: Any,
        soon: Any,
        of_soon: Any,
        add: Any,
    ) -> Any:
        """Addresses of the first numbers, and the bytes from row to row; k numbers are summed.

        Meanwhile memory that is needed soon is brought near. A gradient is added to C if add is set, else written; so
        is a product with w as it lies, whose sums go on from C.

        More than two vectors of B, or rows of w as it lies, are in several panels, so many bytes apart.
        """

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, a, of_a, b, of_b, apart, c, of_c, fp, k, soon, of_soon, add = arguments
            e = _emitter(builder, signature.args[0])
            places = [builder.add(c, builder.mul(of_c, INT64(r))) for r in range(rows)]
            start = [e.constant(0.0).value] * (rows * vectors)
            adding = e.everywhere(builder.icmp_signed("!=", add, INT64(0)))
            if mode == PACKED and tall:
                of_a, of_b = INT64(rows * e.size), INT64(vectors * WIDTH)
            if lying:
                of_a, of_b = INT64((2 if mode == MANY_BACKWARD else 1) * WIDTH), INT64(2 * WIDTH)
                soon, of_soon = builder.add(builder.add(a, apart), INT64(2 * WIDTH)), INT64(rows * e.size)
                start = [e.where(adding, e.load(p, n * WIDTH), 0.0).value for p in places for n in range(vectors)]

            def turns(values: Any, together: int, checked: bool) -> Any:
                how = (rows, vectors, mode, together)
                return _while(builder, values, together, lambda now: _turn(e, how, of, now), checked)

            of = (k, of_a, of_b, apart, of_soon)
            values = [k, a, _unknown(builder, a) if tall else a, b, soon, *start]
            if tall:
                values = turns(values, UNROLLED, True)
            values = turns(values, 1, tall)
            for r in range(rows):
                for n in range(vectors):
                    value = Vector(e, values[5 + r * vectors + n])
                    if mode == BACKWARD:
                        value = value * e.load(builder.add(fp, builder.mul(of_c, INT64(r))), n * WIDTH)
                    elif columns:  # the sum first: patterns of a large batch, one by one, would be lost in w
                        before = e.load(places[r], n * WIDTH)
                        value = e.where(adding, before, 0.0) + value
                    e.store(value, places[r], n * WIDTH)
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 12), code

    return tile


def _down(mode: int, vectors: int) -> Any:
    """A panel of so many vectors, from first to rows, by the tallest tiles that fit.

    From `soon` on memory is brought near: so many bytes a tile, so many a number that is summed.
    """
    tall, odd, middle, _ = ROWS
    tile_tall, tile_odd, tile_middle, tile_one = (_tile(rows, vectors, mode) for rows in ROWS)
    tile_double = _tile(2 * middle, vectors, mode)

    @compiled
    def down(like, a, down_a, of_a, b, of_b, c, of_c, fp, first, rows, k, soon, of_tile, of_soon, add):  # type: ignore[no-untyped-def]
        outlined()
        r = first
        while r < rows:
            left = rows - r
            at = (a + r * down_a, of_a, b, of_b, 0, c + r * of_c, of_c, fp + r * of_c, k, soon, of_soon, add)
            if left >= tall:
                tile_tall(like, *at)
                r += tall
                soon += of_tile
            elif left == 2 * middle:  # at once: 1 to 2 % of a batch of 32, which is 12 + 12 + 8
                tile_double(like, *at)
                r += 2 * middle
            elif left >= odd and left % middle:
                tile_odd(like, *at)
                r += odd
            elif left >= middle:
                tile_middle(like, *at)
                r += middle
            else:
                tile_one(like, *at)
                r += 1

    return down


def _product(mode: int) -> Any:
    """The whole product, panel by panel of two vectors; one row alone by eight, two or one.

    w and its gradient are kept panel by panel, `deep` rows each, so that a panel is read from end to end (a row of w
    would lie in another page of memory each); the rows of y, e and f′ are whole. Rows of w of a narrow layer are whole
    too: of_w bytes apart, and deep is 1.
    """
    down_2, down_1, tall = _down(mode, 2), _down(mode, 1), ROWS[0]
    one_8, one_2, one_1 = (_tile(1, n, mode) for n in (8, 2, 1))

    @compiled
    def product(like, a, of_a, b, c, fp, of_row, deep, of_w, first, rows, vectors, k, size, add):  # type: ignore[no-untyped-def]
        outlined()
        down_a = size if mode == GRADIENT else of_a  # from row to row of A, as it is read
        for n in range(0, vectors, 2):
            x, of_panel = n * WIDTH, 2 * WIDTH
            if of_w:
                of_panel = of_w
            elif n + 1 == vectors:
                of_panel = WIDTH
            if mode == GRADIENT:
                at_b, of_b, at_c, of_c = b + x, of_row, c + x * deep, of_panel
            else:
                at_b, of_b, at_c, of_c = b + x * deep, of_panel, c + x, of_row
            of_soon = of_b * tall // max(tall, rows - first)  # the next panel, while this one is gone through
            soon = (at_b + k * of_b, k * of_soon, of_soon)
            if n + 1 < vectors:
                down_2(like, a, down_a, of_a, at_b, of_b, at_c, of_c, fp + x, first, rows, k, *soon, add)
            else:
                down_1(like, a, down_a, of_a, at_b, of_b, at_c, of_c, fp + x, first, rows, k, *soon, add)

    @compiled
    def one_or_more(like, a, of_a, b, c, fp, of_row, deep, of_w, first, rows, vectors, k, size, add):  # type: ignore[no-untyped-def]
        if rows - first != 1:
            product(like, a, of_a, b, c, fp, of_row, deep, of_w, first, rows, vectors, k, size, add)
            return
        start = 0
        while start < vectors:
            left, x = vectors - start, start * WIDTH
            of_panel = of_w if of_w else WIDTH if left == 1 else 2 * WIDTH
            at = (like, a, of_a, b + x * deep, of_panel, 2 * WIDTH * deep, c + x, of_row, fp + x, k, 0, 0, add)
            if left >= 8 and mode == FORWARD:  # at once, or each would wait for its last multiply-add
                one_8(*at)
                start += 8
            elif left >= 2:
                one_2(*at)
                start += 2
            else:
                one_1(*at)
                start += 1

    return product if mode == GRADIENT else one_or_more


forward_product, backward_product, gradient_product = (_product(mode) for mode in (FORWARD, BACKWARD, GRADIENT))


_packed_2, _packed_1 = _down(PACKED, 2), _down(PACKED, 1)


@compiled
def pack(like, y, of_y, rows, k, size, to, team):  # type: ignore[no-untyped-def]
    """y for :func:`packed_forward`: of as many rows as a tile has, number by number; what is left over stays."""
    outlined()
    me, threads, _ = team
    lanes, tall = WIDTH // size, ROWS[0]
    for g in range(me, rows // tall, threads):
        at_y, at = y + g * tall * of_y, to + g * tall * packed_row(k, size)
        for n in range(0, k, lanes):
            for r in range((tall - 1) // lanes * lanes, -1, -lanes):  # what is too much is written over by the next
                square = at_y + r * of_y + n * size
                transpose_block(like, square, of_y, tall - r, at + (n * tall + r) * size, tall * size)


@compiled
def packed_forward(like, packed, w, x, of_x, k, whole, vectors, size):  # type: ignore[no-untyped-def]
    """x of a panel, by whole tiles of y that :func:`pack` copied, so that no address has to be worked out."""
    outlined()
    of_r, group, of_panel = packed_row(k, size), ROWS[0] * size, vectors * WIDTH
    of_soon = of_panel * ROWS[0] // whole
    soon = (w + k * of_panel, k * of_soon, of_soon)
    if vectors == 2:
        _packed_2(like, packed, of_r, group, w, of_panel, x, of_x, 0, 0, whole, k, *soon, 0)
    else:
        _packed_1(like, packed, of_r, group, w, of_panel, x, of_x, 0, 0, whole, k, *soon, 0)


def _packed_gradient() -> Any:
    """The gradient with y and e copied to where they are read from end to end.

    Rows of wide layers lie pages apart: of y a tile needs a few numbers in each, again for each panel. As much of y is
    copied at a time as stays near while all panels are gone through. What is added to is brought near a tile ahead.
    """
    down_2, down_1, tall, some_of = _packed_2, _packed_1, ROWS[0], compiled(near_rows)

    @compiled
    def product(like, a, of_a, b, c, of_row, deep, vectors, k, size, add, pack_a, pack_b, team):  # type: ignore[no-untyped-def]
        outlined()
        me, threads, _ = team
        group, some, of_r = tall * size, some_of(deep, k * size), (k + 1) * size
        for start in range(0, deep, some):
            end = min(deep, start + some)
            whole = start + (end - start) // tall * tall
            at_a = pack_a - start * of_r  # as if the rows before the first were there
            for r in range(start + me * tall, whole, threads * tall):
                for p in range(k):  # whole vectors: what is too much is written over by the next, or stands after all
                    for place in range(0, group, WIDTH):
                        move(like, at_a + r * of_r + p * group + place, a + p * of_a + r * size + place)
            meet(team)
            panels = (vectors + 1) // 2
            panel = taken(team, -1, panels)
            while panel < panels:
                n = 2 * panel
                of_panel = min(2, vectors - n) * WIDTH
                for p in range(k):
                    for place in range(0, of_panel, WIDTH):
                        move(like, pack_b + p * of_panel + place, b + n * WIDTH + p * of_row + place)
                at_c, of_c = c + n * WIDTH * deep, of_panel
                soon = (at_c + (start + tall) * of_c, tall * of_c, tall * of_c // k)  # what the next tile adds to
                if n + 1 < vectors:
                    down_2(like, at_a, of_r, group, pack_b, of_panel, at_c, of_c, 0, start, whole, k, *soon, add)
                    down_2(like, a, size, of_a, pack_b, of_panel, at_c, of_c, 0, whole, end, k, *soon, add)
                else:
                    down_1(like, at_a, of_r, group, pack_b, of_panel, at_c, of_c, 0, start, whole, k, *soon, add)
                    down_1(like, a, size, of_a, pack_b, of_panel, at_c, of_c, 0, whole, end, k, *soon, add)
                panel = taken(team, panel, panels)
            meet(team)

    return product


packed_gradient = _packed_gradient()


def _dots(rows: int, nodes: int) -> Any:
    """x of so many patterns and nodes of a narrow layer: products of rows of y and of w, added up lane by lane."""

    @intrinsic
    def tile(typing: Any, like: Any, y: Any, of_y: Any, w: Any, of_w: Any, x: Any, of_x: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, y, of_y, w, of_w, x, of_x = arguments
            e = _emitter(builder, signature.args[0])
            before = builder.block
            loop, done = (builder.append_basic_block(name) for name in ("k", "done"))
            builder.branch(loop)
            builder.position_at_end(loop)
            at = builder.phi(INT64)
            at.add_incoming(INT64(0), before)
            sums = [builder.phi(e.vector) for _ in range(rows * nodes)]
            for phi in sums:
                phi.add_incoming(e.constant(0.0).value, before)
            of_node = [e.load(builder.add(w, builder.add(at, builder.mul(of_w, INT64(j))))) for j in range(nodes)]
            new = []
            for p in range(rows):
                of_pattern = e.load(builder.add(y, builder.add(at, builder.mul(of_y, INT64(p)))))
                for j in range(nodes):
                    new.append(e.multiply_add(of_pattern, of_node[j], Vector(e, sums[p * nodes + j])))
            following = builder.add(at, INT64(WIDTH))
            for phi, value in zip([at, *sums], [following, *(one.value for one in new)], strict=True):
                phi.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed("<", following, of_w), loop, done)
            builder.position_at_end(done)
            for p in range(rows):
                total = _added_up(e, new[p * nodes : (p + 1) * nodes])
                e.store(e.where(e.first(INT64(nodes)), total, 0.0), builder.add(x, builder.mul(of_x, INT64(p))))
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 6), code

    return tile


def _added_up(e: Emitter, values: Sequence[Vector]) -> Vector:
    """The lanes of each value added up: lane n has what belongs to value n, once more each so many lanes."""
    half = 1
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=True)
        values, half = [_folded(e, *pair, half) for pair in pairs], half * 2
    return e.reduced(values[0], lambda one, other: one + other, half)


def _folded(e: Emitter, one: Vector, other: Vector, half: int) -> Vector:
    """Sums of neighbouring blocks of `half` lanes, those of one and of the other by turns."""
    first = [n if not n & half else e.lanes + n - half for n in range(e.lanes)]
    second = [n + half if not n & half else e.lanes + n for n in range(e.lanes)]
    kind = ir.VectorType(INT32, e.lanes)
    low, high = (
        Vector(e, e.builder.shuffle_vector(one.value, other.value, ir.Constant(kind, order)))
        for order in (first, second)
    )
    return low + high


def _of_narrow(nodes: int) -> Any:
    """All rows, some at once."""
    some, tile_some, tile_one = ROWS[2], _dots(ROWS[2], nodes), _dots(1, nodes)

    @compiled
    def down(like, y, of_y, w, of_w, x, of_x, rows):  # type: ignore[no-untyped-def]
        whole = rows // some * some
        for p in range(0, whole, some):
            tile_some(like, y + p * of_y, of_y, w, of_w, x + p * of_x, of_x)
        for p in range(whole, rows):
            tile_one(like, y + p * of_y, of_y, w, of_w, x + p * of_x, of_x)

    return down


_of_1, _of_2, _of_4 = (_of_narrow(nodes) for nodes in (1, 2, 4))


@compiled
def narrow_forward(like, y, of_y, w, of_w, x, of_x, rows, nodes):  # type: ignore[no-untyped-def]
    """x of a narrow layer."""
    outlined()
    if nodes == 1:
        _of_1(like, y, of_y, w, of_w, x, of_x, rows)
    elif nodes == 2:
        _of_2(like, y, of_y, w, of_w, x, of_x, rows)
    else:
        _of_4(like, y, of_y, w, of_w, x, of_x, rows)


@intrinsic
def transpose_block(typing: Any, like: Any, a: Any, of_a: Any, rows: Any, c: Any, of_c: Any) -> Any:
    """A square of one vector by as many rows, turned over in registers; rows that are not there count as 0.

    Quarters of rows far apart go into one register as they are read, so that shuffles within quarters are enough: 57
    cycles a square of 16 by 16 against 72. Rows that are not there are read too, which saves as many cycles again.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, a, of_a, rows, c, of_c = arguments
        e = _emitter(builder, signature.args[0])
        per = QUARTER // e.size
        quarter = Emitter(builder, e.dtype, per, e.fma)
        places = [builder.add(a, builder.mul(of_a, INT64(r))) for r in range(e.lanes)]
        inside = e.first(rows)
        low = [n // 2 + n % 2 * e.lanes + n // per * per // 2 for n in range(e.lanes)]
        orders = [ir.Constant(ir.VectorType(INT32, e.lanes), [n + high for n in low]) for high in (0, per // 2)]
        for q in range(e.lanes // per):
            values = [
                e.joined([quarter.load(place, q * QUARTER).value for place in places[i::per]]) for i in range(per)
            ]
            half = per // 2
            for _ in range(per.bit_length() - 1):  # the lanes of two are interleaved
                pairs = zip(values[:half], values[half:], strict=True)
                values = [
                    Vector(e, builder.shuffle_vector(one.value, other.value, order))
                    for one, other in pairs
                    for order in orders
                ]
            for i, value in enumerate(values):
                e.store(e.where(inside, value, 0.0), builder.add(c, builder.mul(of_c, INT64(q * per + i))))
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 5), code


@intrinsic
def _one_backward(
    typing: Any, like: Any, above: Any, w: Any, deep: Any, vectors: Any, c: Any, fp: Any, first: Any, nodes: Any
) -> Any:
    """e of one pattern and a vector of nodes, from the first of so many: e above times rows of w, added up, times f′.

    w is as it lies, in panels of so many rows.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, above, w, deep, vectors, c, fp, first, nodes = arguments
        e = _emitter(builder, signature.args[0])
        sums, pairs = [e.constant(0.0).value] * e.lanes, builder.ashr(vectors, INT64(1))
        for wide, before, panels in ((2, INT64(0), pairs), (1, pairs, builder.and_(vectors, INT64(1)))):

            def of_panel(n: Any, sums: Any, wide: int = wide, before: Any = before) -> Any:
                panel = builder.mul(builder.add(before, n), INT64(2 * WIDTH))
                start = builder.add(builder.mul(deep, panel), builder.mul(first, INT64(wide * WIDTH)))
                for v in range(wide):
                    one = e.load(builder.add(above, panel), v * WIDTH)
                    rows = [e.load(builder.add(w, start), (r * wide + v) * WIDTH) for r in range(e.lanes)]
                    sums = [e.multiply_add(one, row, Vector(e, by)).value for row, by in zip(rows, sums, strict=True)]
                return sums

            sums = repeated(builder, panels, of_panel, sums)
        total = _added_up(e, [Vector(e, one) for one in sums])
        inside = e.first(builder.sub(nodes, first))
        e.store(e.where(inside, total * e.load(fp), 0.0), c)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 8), code


@compiled
def backward_few(like, above, of_above, w, deep, vectors, e, fp, stride, rows, begin, nodes, size):  # type: ignore[no-untyped-def]
    """e of a few patterns, by w as it lies, from a node where a vector begins."""
    for first in range(begin, nodes, WIDTH // size):
        for p in range(rows):
            n = p * stride + first * size
            _one_backward(like, above + p * of_above, w, deep, vectors, e + n, fp + n, first, nodes)


@intrinsic
def times(typing: Any, like: Any, to: Any, a: Any, b: Any) -> Any:
    """One vector times another."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, to, a, b = arguments
        e = _emitter(builder, signature.args[0])
        e.store(e.load(a) * e.load(b), to)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 3), code


def _down_lying(mode: int) -> Any:
    """Sums over k of rows of w as it lies, for two vectors of patterns; rows after the last are worked out in vain."""
    tall, small = ROWS[0], ROWS[2]
    tile_tall, tile_small = _tile(tall, 2, mode), _tile(small, 2, mode)

    @compiled
    def down(like, w, apart, of_w, e, c, first, rows, k, add):  # type: ignore[no-untyped-def]
        for r in range(first, rows, tall):
            at_w, at_c = w + r * of_w, c + (r - first) * 2 * WIDTH
            if rows - r > small:
                tile_tall(like, at_w, of_w, e, 2 * WIDTH, apart, at_c, 2 * WIDTH, 0, k, 0, 0, add)
            else:
                tile_small(like, at_w, of_w, e, 2 * WIDTH, apart, at_c, 2 * WIDTH, 0, k, 0, 0, add)

    return down


_down_panels, _down_last = _down_lying(MANY_BACKWARD), _down_lying(LAST_BACKWARD)

SUMMED = 256
"""Nodes that are summed over at a time: so many of e, two vectors each, stay in the processor's first cache."""


@compiled
def backward_many(like, above, of_above, w, deep, wide, k, e, fp, stride, rows, nodes, size, turned, room, team):  # type: ignore[no-untyped-def]
    """e of many patterns, by w as it lies: it is e above that is turned over, and what comes out is turned back.

    Patterns lie side by side, in pairs of vectors. A piece of work is SOME nodes of such a pair. What is turned over is
    the team's; a thread's own room holds the sums of a piece, and the same turned back.
    """
    outlined()
    me, threads, _ = team
    lanes = WIDTH // size
    pair, of_pair = 2 * lanes, 2 * WIDTH * wide * lanes
    back = room + SOME * 2 * WIDTH
    panels, apart = wide // 2, (deep - 1) * 2 * WIDTH
    whole, at_last = min(k, panels * pair), w + panels * deep * 2 * WIDTH
    at_once = max(1, NEAR // of_pair) * pair
    for begin in range(0, rows, at_once):
        end = min(rows, begin + at_once)
        for p in range(begin, end, lanes):
            to = turned + (p - begin) // pair * of_pair + (p - begin) // lanes % 2 * WIDTH
            for j in range(me, wide, threads):
                block = above + p * of_above + j * WIDTH
                transpose_block(like, block, of_above, rows - p, to + j * lanes * 2 * WIDTH, 2 * WIDTH)
        meet(team)
        pairs = -(-(end - begin) // pair)
        pieces = -(-nodes // SOME) * pairs
        piece = taken(team, -1, pieces)
        while piece < pieces:
            first, p = piece // pairs * SOME, begin + piece % pairs * pair
            last, e_above = min(nodes, first + SOME), turned + piece % pairs * of_pair
            for j in range(0, whole, SUMMED):
                of_j = w + j // pair * deep * 2 * WIDTH
                n = min(SUMMED, whole - j)
                _down_panels(like, of_j, apart, 2 * WIDTH, e_above + j * 2 * WIDTH, room, first, last, n, j > 0)
            if whole < k:
                rest = e_above + whole * 2 * WIDTH
                _down_last(like, at_last, 0, WIDTH, rest, room, first, last, k - whole, whole > 0)
            for i in range(0, last - first, lanes):
                for v in range(2):
                    square = room + i * 2 * WIDTH + v * WIDTH
                    to = back + (v * lanes * SOME + i) * size
                    transpose_block(like, square, 2 * WIDTH, last - first - i, to, SOME * size)
            for q in range(p, min(end, p + pair)):
                for n in range(0, (last - first) * size, WIDTH):
                    at = q * stride + first * size + n
                    times(like, e + at, back + (q - p) * SOME * size + n, fp + at)
            piece = taken(team, piece, pieces)
        meet(team)


def _call(arguments: int, doubles: int = 0, result: bool = False) -> Any:
    """A function at an address, of so many integers followed by doubles."""

    @intrinsic
    def call(typing: Any, address: Any, given: Any) -> Any:
        back = types.float64 if result else types.void

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            address, given = values
            kinds = [INT64] * arguments + [ir.DoubleType()] * doubles
            kind = ir.FunctionType(ir.DoubleType() if result else ir.VoidType(), kinds)
            function = builder.inttoptr(address, kind.as_pointer())  # numba's builder wants to know what it points to
            found = builder.call(function, [builder.extract_value(given, n) for n in range(arguments + doubles)])
            return found if result else context.get_dummy_value()

        return back(types.int64, types.Tuple([types.int64] * arguments + [types.float64] * doubles)), code

    return call


call_activation, call_softmax, call_step = _call(5), _call(6), _call(8)
call_output = _call(7, 1, True)


@intrinsic
def bytes_of(typing: Any, like: Any) -> Any:
    """Bytes of a number of the network, which the compiler then knows."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return INT64(_emitter(builder, signature.args[0]).size)

    return types.int64(like), code


@intrinsic
def get(typing: Any, like: Any, address: Any) -> Any:
    """The number at an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emitter(builder, signature.args[0]).scalar(arguments[1])

    return like(like, types.int64), code


@intrinsic
def put(typing: Any, like: Any, address: Any, value: Any) -> Any:
    """A number put at an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], builder.inttoptr(arguments[1], POINTER))
        return context.get_dummy_value()

    return types.void(like, types.int64, like), code


@intrinsic
def move(typing: Any, like: Any, to: Any, source: Any) -> Any:
    """One vector copied."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = _emitter(builder, signature.args[0])
        e.store(e.load(arguments[2]), arguments[1])
        return context.get_dummy_value()

    return types.void(like, types.int64, types.int64), code


@intrinsic
def move_part(typing: Any, like: Any, to: Any, source: Any, count: Any) -> Any:
    """The first so many numbers of a vector copied; all of it is written, so that it can be read again at once."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, to, source, count = arguments
        e = _emitter(builder, signature.args[0])
        name = f"llvm.masked.load.v{e.lanes}f{8 * e.size}.p0"
        inside = e.first(count).value
        kind = ir.FunctionType(e.vector, [POINTER, INT32, inside.type, e.vector])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        given = [builder.inttoptr(source, POINTER), INT32(e.size), inside, e.load(to).value]
        e.store(Vector(e, builder.call(function, given)), to)
        return context.get_dummy_value()

    return types.void(like, types.int64, types.int64, types.int64), code


@intrinsic
def fill_up(typing: Any, like: Any, address: Any, count: Any, one: Any) -> Any:
    """A vector of which the first so many numbers stay: one after them if it is set, and zeros."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, address, count, one = arguments
        e = _emitter(builder, signature.args[0])
        following = e.where(e.first(builder.add(count, one)), 1.0, 0.0)
        e.store(e.where(e.first(count), e.load(address), following), address)
        return context.get_dummy_value()

    return types.void(like, types.int64, types.int64, types.int64), code


def _entry(builder: Any, address: Any, n: Any) -> Any:
    """Where entry n of a table of 8 bytes each lies."""
    return builder.inttoptr(builder.add(address, builder.mul(n, INT64(8))), POINTER)


@intrinsic
def field(typing: Any, table: Any, row: Any, column: Any) -> Any:
    """An integer in the table of layers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, row, column = arguments
        place = builder.add(builder.mul(row, INT64(FIELDS)), column)
        address = builder.add(table, builder.mul(place, INT64(8)))
        return builder.load(builder.inttoptr(address, POINTER), align=8, typ=INT64)

    return types.int64(types.int64, types.int64, types.int64), code


@intrinsic
def word(typing: Any, address: Any, n: Any) -> Any:
    """Integer n of those from an address on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_entry(builder, *arguments), align=8, typ=INT64)

    return types.int64(types.int64, types.int64), code


@intrinsic
def copy(typing: Any, to: Any, source: Any, length: Any) -> Any:
    """Bytes copied."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, source, length = arguments
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, INT64, ir.IntType(1)])
        module = builder.module
        name = "llvm.memcpy.p0.p0.i64"
        function = module.globals.get(name) or ir.Function(module, kind, name)
        pointers = [builder.inttoptr(one, POINTER) for one in (to, source)]
        builder.call(function, [*pointers, length, ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


@intrinsic
def get_double(typing: Any, address: Any, n: Any) -> Any:
    """Double n of those from an address on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_entry(builder, *arguments), align=8, typ=ir.DoubleType())

    return types.float64(types.int64, types.int64), code


@intrinsic
def put_double(typing: Any, address: Any, n: Any, value: Any) -> Any:
    """A double put there."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, n, value = arguments
        builder.store(value, _entry(builder, address, n), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float64), code
