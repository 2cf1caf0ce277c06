"""The page as one epoch: forward, error terms, gradient, update, batch by batch, over a table of layers.

Same as :mod:`chainrule.backprop`, but on raw addresses, and compiled by Numba once for a processor. A row of the table
is a layer; :mod:`chainrule.engines.cpu.layout` names its columns. w is kept turned over, (nodes of i-1, nodes of i),
with the biases as one row more, for a node of layer i-1 that is always 1: so a bias is a weight, as on paper. Where
layer i is narrow, w is not turned over, and its gradient is that of y by e instead of e by y. Rows of all arrays are
filled up to whole vectors; w, e and hidden y with zeros, so that what else stands there counts for nothing. Its
letters: the page's; k a node of the layer below, or how many there are with the one that is always 1; η the learning
rate. `like` is a 0 of the network's type, size its bytes, me the number of a thread.

A job is a table of two rows, which :class:`chainrule.engines.cpu._Run` fills; a window names the patterns and the room
for a batch: inputs, targets, weights s, order, then t, shares, E of each unit, and room for packing.
"""

from __future__ import annotations

import math

from numba import njit

from chainrule.engines.cpu.layout import (
    ACTIVATION,
    BACK,
    E_TERM,
    INPUTS,
    NODES,
    ONES,
    ROWS,
    SLOPE,
    STRIDE,
    UNIT,
    VECTORS,
    G,
    W,
    Y,
    worth_packing,
)
from chainrule.engines.cpu.tiles import (
    WIDTH,
    arrive,
    backward_few,
    backward_many,
    backward_product,
    call_activation,
    call_output,
    call_softmax,
    call_step,
    copy,
    field,
    fill_up,
    forward_product,
    get,
    get_double,
    gradient_product,
    move,
    move_part,
    narrow_forward,
    packed_gradient,
    put,
    put_double,
    seen,
    transpose_block,
    word,
    yield_processor,
)

TALL = ROWS[0]

FEW = 4
"""Patterns of a batch up to which w is not turned over for the way back: a step of one takes 0.88 of the time in
4-16-16-1, 0.62 in 16-64-64-4 and 0.55 in 64-256-256-10, one of four 0.97, 0.86 and 0.69."""

compiled = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""The loops are called by address from :mod:`chainrule.engines.cpu.compiled`, never by Python."""

packed = compiled(worth_packing)


@compiled
def meet(barrier: int, threads: int) -> bool:
    """Wait until all threads are here; false if they were called off before all had begun."""
    if threads > 1:
        before = arrive(barrier)
        if before < 0:
            return False
        all_here = (before // threads + 1) * threads
        tries = 0
        while seen(barrier) < all_here:
            if seen(barrier) < 0:
                return False
            tries += 1
            if tries > 2000:
                yield_processor()
    return True


@compiled
def narrow(layers: int, i: int) -> bool:
    """Whether w of a layer stays as on paper, (nodes of i, nodes of i-1), as there are few nodes."""
    return field(layers, i, BACK) == field(layers, i, W)


@compiled
def across(layers: int, i: int, size: int) -> int:
    """Bytes from row to row of w in a narrow layer."""
    return -(-field(layers, i, INPUTS) * size // WIDTH) * WIDTH


@compiled
def forward(like: float, size: int, layers: int, L: int, first: int, rows: int) -> None:
    """Feed rows of the batch forward, layer by layer (steps 4 and 6), and keep f'(x) for the way back.

    x[i][p, j] = sum_k y[i-1][p, k] * w[i][k, j]
    y[i][p, j] = f[i](x[i][p, j]),    of the last layer x stays
    """
    for i in range(1, L + 1):
        stride, below = field(layers, i, STRIDE), field(layers, i - 1, STRIDE)
        y_below, x = field(layers, i - 1, Y) + first * below, field(layers, i, Y) + first * stride
        w, vectors, k = field(layers, i, W), field(layers, i, VECTORS), field(layers, i, INPUTS)
        nodes = field(layers, i, NODES)
        if narrow(layers, i):
            narrow_forward(like, y_below, below, w, across(layers, i, size), x, stride, rows, nodes)
        else:
            forward_product(like, y_below, below, w, x, 0, stride, k, 0, 0, rows, vectors, k, size, True)
        if i < L:
            slope = field(layers, i, SLOPE) + first * stride
            call_activation(field(layers, i, ACTIVATION), (x, slope, stride, rows, vectors))
            last, inside = (vectors - 1) * WIDTH, nodes - (vectors - 1) * (WIDTH // size)
            if inside * size < WIDTH:  # beside the nodes: the one that is always 1, and what counts for nothing
                for p in range(rows):
                    fill_up(like, x + p * stride + last, inside, field(layers, i, ONES))
                    if field(layers, i, SLOPE):
                        fill_up(like, slope + p * stride + last, inside, 0)


@compiled
def lies(layers: int, i: int, size: int, patterns: int, mine: int) -> bool:
    """Whether w serves the way back as it lies: as patterns are few, or as it would be more to turn over than e.

    Each thread has mine of the patterns; 0 patterns stand for any number, for which w was turned over once.
    """
    if patterns <= FEW:
        return patterns > 0
    wide, below = field(layers, i, VECTORS), field(layers, i - 1, VECTORS)
    if patterns * (2 * wide + 3 * below) * size > 2 * wide * below * WIDTH:  # squares, and half more to bring back
        return False
    pair = 2 * WIDTH // size
    return -min(mine, patterns) % pair <= max(1, pair // 8)  # no more of the last pair of vectors may be left empty


@compiled
def error_terms(
    like: float, size: int, layers: int, L: int, first: int, rows: int, patterns: int, mine: int, room: int
) -> None:
    """Error terms of the hidden layers (step 21); those of the output layer (step 20) stand where x[L] was.

    e[i][p, k] = sum_j e[i+1][p, j] * w[i+1][j, k] * f_prime[i](x[i][p, k]),    w as `turn` wrote it, unless it lies
    """
    for i in range(L - 1, 0, -1):
        stride, above = field(layers, i, STRIDE), field(layers, i + 1, STRIDE)
        e_above, e = field(layers, i + 1, E_TERM) + first * above, field(layers, i, E_TERM) + first * stride
        slope, w, vectors = field(layers, i, SLOPE) + first * stride, field(layers, i + 1, W), field(layers, i, VECTORS)
        nodes, wide, back = field(layers, i + 1, NODES), field(layers, i + 1, VECTORS), field(layers, i + 1, BACK)
        if not narrow(layers, i + 1) and lies(layers, i + 1, size, patterns, mine):
            k, below = field(layers, i + 1, INPUTS), field(layers, i, NODES)
            if patterns <= FEW:
                backward_few(like, e_above, above, w, k, wide, e, slope, stride, rows, below, size)
            else:
                backward_many(like, e_above, above, w, k, wide, nodes, e, slope, stride, rows, below, size, room)
            continue
        deep, of_w = wide * (WIDTH // size), 0
        if narrow(layers, i + 1):
            deep, of_w = 1, across(layers, i + 1, size)
        backward_product(like, e_above, above, back, e, slope, stride, deep, of_w, 0, rows, vectors, nodes, size, True)
        last, inside = (vectors - 1) * WIDTH, field(layers, i, NODES) - (vectors - 1) * (WIDTH // size)
        if of_w and inside * size < WIDTH:  # where its biases stand
            for p in range(rows):
                fill_up(like, e + p * stride + last, inside, 0)


@compiled
def turn(like: float, size: int, layers: int, L: int, patterns: int, mine: int, me: int, threads: int) -> None:
    """w as (nodes of i, nodes of i-1), for the way back; turned in registers, anew for each batch, as w has changed."""
    lanes = WIDTH // size
    for i in range(2, L + 1):
        nodes, w, back = field(layers, i - 1, NODES), field(layers, i, W), field(layers, i, BACK)
        vectors, below = field(layers, i, VECTORS), field(layers, i - 1, VECTORS)
        if narrow(layers, i) or lies(layers, i, size, patterns, mine):
            continue
        for panel in range(2 * me, vectors, 2 * threads):
            of_source = min(2, vectors - panel) * WIDTH
            for k in range(below):
                of_to = WIDTH if k % 2 == 0 and k + 1 == below else 2 * WIDTH
                for j in range(panel, min(vectors, panel + 2)):
                    source = w + panel * WIDTH * field(layers, i, INPUTS) + j % 2 * WIDTH + k * lanes * of_source
                    to = back + ((k - k % 2) * vectors * lanes + k % 2) * WIDTH + j * lanes * of_to
                    transpose_block(like, source, of_source, nodes - k * lanes, to, of_to)


@compiled
def gradient(
    like: float, size: int, layers: int, L: int, window: int, rows: int, into: int, add: bool, me: int, threads: int
) -> None:
    """sum_p e[i][p, j] * y[i-1][p, k] into the gradient by w[i][k, j], or added to that or to w (step 24).

    As e was scaled, so is the sum. A bias is the weight from the node that is always 1. Each thread has rows of w of
    its own, and sums over all p.
    """
    for i in range(1, L + 1):
        stride, below = field(layers, i, STRIDE), field(layers, i - 1, STRIDE)
        y_below, e = field(layers, i - 1, Y), field(layers, i, E_TERM)
        k, vectors = field(layers, i, INPUTS), field(layers, i, VECTORS)
        share = (k + TALL * threads - 1) // (TALL * threads) * TALL
        first, last = min(k, me * share), min(k, (me + 1) * share)
        to = field(layers, i, into)
        if narrow(layers, i):
            if me == 0:
                of_w, nodes = across(layers, i, size), field(layers, i, NODES)
                wide = of_w // WIDTH
                gradient_product(like, e, stride, y_below, to, 0, below, 1, of_w, 0, nodes, wide, rows, size, add)
        elif packed(rows, below, stride):
            room_y, room_e = field(window, 0, 7) + me * field(window, 0, 9), field(window, 0, 8) + me * rows * 2 * WIDTH
            given = (to, stride, k, first, last, vectors, rows, size, add, room_y, room_e)
            packed_gradient(like, y_below, below, e, *given)
        else:
            gradient_product(like, y_below, below, e, to, 0, stride, k, 0, first, last, vectors, rows, size, add)


@compiled
def transfer(like: float, size: int, to: int, source: int, length: int) -> None:
    """Bytes copied, a vector at a time: 4 to 11 % of a step of small networks against number by number."""
    whole = length // WIDTH * WIDTH
    for place in range(0, whole, WIDTH):
        move(like, to + place, source + place)
    if whole < length:
        move_part(like, to + whole, source + whole, (length - whole) // size)


@compiled
def gather(
    like: float, size: int, layers: int, L: int, window: int, start: int, first: int, rows: int, divisor: float
) -> None:
    """Rows of a batch into layer 0, their targets into t, in rows like the last layer's, and shares s_p / divisor."""
    inputs, targets, weights = field(window, 0, 0), field(window, 0, 1), field(window, 0, 2)
    order, t, shares = field(window, 0, 3), field(window, 0, 4), field(window, 0, 5)
    n_0, n_L = field(layers, 0, NODES) * size, field(layers, L, NODES) * size
    y_0, stride_0, stride_L = field(layers, 0, Y), field(layers, 0, STRIDE), field(layers, L, STRIDE)
    for p in range(first, first + rows):
        row = start + p
        if order:
            row = word(order + 8 * row)
        transfer(like, size, y_0 + p * stride_0, inputs + row * n_0, n_0)
        transfer(like, size, t + p * stride_L, targets + row * n_L, n_L)
        put(like, shares + p * size, like + get(like, weights + row * size) / divisor)


@compiled
def of_thread(rows: int, threads: int) -> int:
    """Rows of a batch that are one thread's."""
    return -(-rows // (UNIT * threads)) * UNIT


@compiled
def batch(
    like: float,
    size: int,
    layers: int,
    L: int,
    window: int,
    start: int,
    rows: int,
    block: int,
    divisor: float,
    output: int,
    scale: float,
    back: bool,
    turned: bool,
    mine: int,
    me: int,
) -> None:
    """All error terms of a batch, times the share of their pattern and scale; E unit by unit into the window.

    Forward, then the output layer's (step 20), then the hidden layers' (step 21). Each thread has rows of its own. They
    go forward and back a block at a time, which stays in the cache. Turned says that w was turned over once for all.
    """
    t, shares, errors = field(window, 0, 4), field(window, 0, 5), field(window, 0, 6)
    stride, vectors, nodes = field(layers, L, STRIDE), field(layers, L, VECTORS), field(layers, L, NODES)
    room = field(window, 0, 7) + me * field(window, 0, 9)
    end = min(rows, (me + 1) * mine)
    for first in range(me * mine, end, block):
        n = min(block, end - first)
        gather(like, size, layers, L, window, start, first, n, divisor)
        forward(like, size, layers, L, first, n)
        for unit in range(first, first + n, UNIT):
            x, t_unit, share = field(layers, L, Y) + unit * stride, t + unit * stride, shares + unit * size
            few = min(UNIT, first + n - unit)
            E = call_output(output, (x, t_unit, share, stride, few, vectors, nodes, scale))
            put_double(errors + 8 * (unit // UNIT), E)
        if back:
            error_terms(like, size, layers, L, first, n, 0 if turned else rows, mine, room)


@compiled
def summed(window: int, rows: int) -> float:
    """E of a batch: that of its units, in their order."""
    E = 0.0
    for unit in range(-(-rows // UNIT)):
        E += get_double(field(window, 0, 6) + 8 * unit)
    return E


@compiled
def parts(layers: int, i: int) -> int:
    """Panels or rows that w is kept in."""
    return field(layers, i, NODES) if narrow(layers, i) else (field(layers, i, VECTORS) + 1) // 2


@compiled
def part(layers: int, i: int, n: int, size: int, biases: bool) -> tuple[int, int]:
    """Where one of them begins in w, and the bytes in it that are penalized."""
    rows, counted = field(layers, i, INPUTS), field(layers, i, INPUTS) if biases else field(layers, i - 1, NODES)
    if narrow(layers, i):
        return n * across(layers, i, size), counted * size
    return 2 * n * WIDTH * rows, counted * min(2, field(layers, i, VECTORS) - 2 * n) * WIDTH


@compiled
def penalty(like: float, size: int, layers: int, L: int, l1: float, l2: float, biases: bool) -> float:
    """l1 sum abs(w) + 1/2 l2 sum w^2."""
    absolute, squares = 0.0, 0.0
    for i in range(1, L + 1):
        for n in range(parts(layers, i)):
            start, length = part(layers, i, n, size, biases)
            for place in range(start, start + length, size):
                one = float(get(like, field(layers, i, W) + place))
                absolute += abs(one)
                squares += one * one
    return l1 * absolute + 0.5 * l2 * squares


@compiled
def add_penalty(
    like: float, size: int, layers: int, L: int, l1: float, l2: float, biases: bool, into: int, scale: float
) -> None:
    """scale (l1 sign(w) + l2 w), added to the gradient, or to w itself."""
    for i in range(1, L + 1):
        for n in range(parts(layers, i)):
            start, length = part(layers, i, n, size, biases)
            for place in range(start, start + length, size):
                one, to = get(like, field(layers, i, W) + place), field(layers, i, into) + place
                sign = (one > 0) - (one < 0)
                put(like, to, like + (get(like, to) + scale * (l1 * sign + l2 * one)))


@compiled
def clipped(like: float, size: int, g: int, factors: int, length: int, clip: float) -> None:
    """The gradient, shortened to norm clip if it is longer; 0 where it is frozen. No square overflows."""
    largest = 0.0
    for n in range(0, length, size):
        one = abs(float(get(like, g + n)))
        if factors and get(like, factors + n) == 0:
            put(like, g + n, like)
        elif not one <= largest:  # a NaN stays in the squares below
            largest = one
    if largest == 0 or not math.isfinite(largest):
        return
    squares = 0.0
    for n in range(0, length, size):
        share = float(get(like, g + n)) / largest
        squares += share * share
    norm = largest * math.sqrt(squares)
    if norm > clip:
        for n in range(0, length, size):
            put(like, g + n, like + get(like, g + n) * (clip / norm))


@compiled
def epoch(like: float, size: int, job: int, reals: int, me: int) -> int:
    """Batches from first to last of a window: forward, error terms, gradient, update; the first that was not done.

    Plain descent needs no gradient: error terms are scaled by η, and their products are added to w in place. Other
    rules have a step, which is called when the gradient is there. A batch after which E is not finite is not learned
    from, and none comes after it. The divisor makes E of a batch an estimate of that of all patterns. All threads run
    this at once, each on its own patterns and then on its own rows of w, and meet where one needs what others wrote.
    """
    layers, L, window, output = field(job, 0, 0), field(job, 0, 1), field(job, 0, 2), field(job, 0, 3)
    first, last, batch_size, patterns = field(job, 0, 4), field(job, 0, 5), field(job, 0, 6), field(job, 0, 7)
    step, theta, g, slots = field(job, 0, 8), field(job, 0, 9), field(job, 0, 10), field(job, 0, 11)
    factors, numbers, of_numbers, rates = field(job, 1, 0), field(job, 1, 1), field(job, 1, 2), field(job, 1, 3)
    length, biases, all_patterns = field(job, 1, 4), field(job, 1, 5), field(job, 1, 6)
    threads, barrier, block = field(job, 1, 7), field(job, 1, 8), field(job, 1, 9)
    total, l1, l2, clip = get_double(reals), get_double(reals + 8), get_double(reals + 16), get_double(reals + 24)
    running = get_double(reals + 32)
    if not meet(barrier, threads):
        return first
    for b in range(first, last):
        start = b * batch_size
        rows = min(batch_size, patterns - start)
        η = get(like, rates + b * size)
        scale, divisor = -1.0 if step else float(η), total * rows / all_patterns
        mine = of_thread(rows, threads)
        if rows > FEW:
            turn(like, size, layers, L, rows, mine, me, threads)
            meet(barrier, threads)
        batch(like, size, layers, L, window, start, rows, block, divisor, output, scale, True, False, mine, me)
        meet(barrier, threads)
        E = summed(window, rows)
        if l1 or l2:
            E += penalty(like, size, layers, L, l1, l2, biases)
        running += E * rows / all_patterns
        if not math.isfinite(running):
            return b
        if me == 0:
            put_double(reals + 32, running)
        meet(barrier if l1 or l2 else 0, threads if l1 or l2 else 1)
        if not step:
            if (l1 or l2) and me == 0:
                add_penalty(like, size, layers, L, l1, l2, biases, W, -float(η))
            meet(barrier if l1 or l2 else 0, threads if l1 or l2 else 1)
            gradient(like, size, layers, L, window, rows, W, True, me, threads)
        else:
            part = -(-(length // WIDTH) // threads) * WIDTH
            from_, to = min(length, me * part), min(length, (me + 1) * part)
            gradient(like, size, layers, L, window, rows, G, False, me, threads)
            meet(barrier, threads)
            if l1 or l2 or clip > 0:
                if me == 0:
                    if l1 or l2:
                        add_penalty(like, size, layers, L, l1, l2, biases, G, 1.0)
                    if clip > 0:
                        clipped(like, size, g, factors, length, clip)
                meet(barrier, threads)
            here = factors + from_ if factors else 0
            call_step(
                step,
                (
                    theta + from_,
                    g + from_,
                    slots + from_,
                    here,
                    numbers + b * of_numbers,
                    rates + b * size,
                    (to - from_) // WIDTH,
                    length,
                ),
            )
        meet(barrier, threads)
    return last


@compiled
def whole(like: float, size: int, job: int, reals: int, me: int) -> int:
    """Add E of rows from first to last of a window, without the penalties, and its gradient to g if it is asked for.

    The batches are always the same, so that bits do not depend on where it was interrupted.
    """
    layers, L, window, output = field(job, 0, 0), field(job, 0, 1), field(job, 0, 2), field(job, 0, 3)
    first, last, batch_size, with_gradient = field(job, 0, 4), field(job, 0, 5), field(job, 0, 6), field(job, 0, 8)
    threads, barrier, block = field(job, 1, 7), field(job, 1, 8), field(job, 1, 9)
    total = get_double(reals)
    if not meet(barrier, threads):
        return first
    if with_gradient:
        turn(like, size, layers, L, 0, 0, me, threads)
        meet(barrier, threads)
    E = get_double(reals + 32)
    for start in range(first, last, batch_size):
        rows = min(batch_size, last - start)
        mine = of_thread(rows, threads)
        batch(like, size, layers, L, window, start, rows, block, total, output, -1.0, with_gradient, True, mine, me)
        meet(barrier, threads)
        E += summed(window, rows)
        if with_gradient:
            gradient(like, size, layers, L, window, rows, G, True, me, threads)
        meet(barrier, threads)
    if me == 0:
        put_double(reals + 32, E)
    return last


@compiled
def outputs(like: float, size: int, job: int, reals: int, me: int) -> int:
    """y of the last layer for all rows of a window."""
    layers, L, window, last = field(job, 0, 0), field(job, 0, 1), field(job, 0, 2), field(job, 0, 3)
    patterns, softmax, threads, block = field(job, 0, 7), field(job, 0, 8), field(job, 1, 7), field(job, 1, 9)
    inputs, to = field(window, 0, 0), field(window, 0, 1)
    n_0, n_L = field(layers, 0, NODES) * size, field(layers, L, NODES) * size
    stride_0, stride, vectors = field(layers, 0, STRIDE), field(layers, L, STRIDE), field(layers, L, VECTORS)
    y_0, x = field(layers, 0, Y) + me * block * stride_0, field(layers, L, Y) + me * block * stride
    for start in range(me * block, patterns, threads * block):
        rows = min(block, patterns - start)
        for p in range(rows):
            transfer(like, size, y_0 + p * stride_0, inputs + (start + p) * n_0, n_0)
        forward(like, size, layers, L, me * block, rows)
        if softmax:
            call_softmax(last, (x, 0, stride, rows, vectors, field(layers, L, NODES)))
        else:
            call_activation(last, (x, 0, stride, rows, vectors))
        for p in range(rows):
            copy(to + (start + p) * n_L, x + p * stride, n_L)
    return patterns
