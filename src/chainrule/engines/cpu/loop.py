"""The page as one epoch: forward, error terms, gradient, update, batch by batch, over a table of layers.

Same as :mod:`chainrule.backprop`, but on raw addresses, and compiled by Numba once for a processor. A row of the table
is a layer; :mod:`chainrule.engines.cpu.layout` names its columns, and :mod:`chainrule.engines.cpu.jobs` those of all
else that a loop is told. w is kept turned over, (nodes of i-1, nodes of i), with the biases as one row more, for a node
of layer i-1 that is always 1: so a bias is a weight, as on paper. Its gradient is yᵀe. Where layer i is narrow, w stays
as on paper, and its gradient is eᵀy. Rows of all arrays are filled up to whole vectors; w, e and hidden y with zeros,
so that what stands beside inputs and targets adds nothing. Its letters: the page's; k a node of the layer below, or how
many there are with the one that is always 1; η the learning rate. `like` is a 0 of the network's type, size its bytes;
a team: see :mod:`chainrule.engines.cpu.team`.
"""

from __future__ import annotations

import math

from chainrule.engines.cpu import jobs
from chainrule.engines.cpu.front import compiled
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
    WIDTH,
    G,
    W,
    Y,
    worth_copying,
    worth_packing,
)
from chainrule.engines.cpu.team import ALONE, PIECES, corner, cut, meet, share, taken
from chainrule.engines.cpu.tiles import (
    backward_few,
    backward_many,
    backward_product,
    bytes_of,
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
    pack,
    packed_forward,
    packed_gradient,
    packed_row,
    put,
    put_double,
    transpose_block,
    word,
)

TALL = ROWS[0]

COPIED = math.lcm(UNIT, TALL)
"""Rows that pieces of a product have a multiple of, if y was copied for it."""

FEW = 4
"""Patterns of a batch up to which w is not turned over for the way back: a step of one takes 0.88 of the time in
4-16-16-1, 0.62 in 16-64-64-4 and 0.55 in 64-256-256-10, one of four 0.97, 0.86 and 0.69."""

packed, copied = compiled(worth_packing), compiled(worth_copying)


@compiled
def narrow(layers: int, i: int) -> bool:
    """Whether w of a layer stays as on paper, (nodes of i, nodes of i-1), as there are few nodes."""
    return field(layers, i, BACK) == field(layers, i, W)


@compiled
def across(layers: int, i: int, size: int) -> int:
    """Bytes from row to row of w in a narrow layer."""
    return -(-field(layers, i, INPUTS) * size // WIDTH) * WIDTH


@compiled
def forward(
    like: float, size: int, layers: int, L: int, first: int, rows: int, room: int, team: tuple[int, int, int]
) -> None:
    """Feed rows of the batch forward, layer by layer (steps 4 and 6), and keep f'(x) for the way back.

    x[i][p, j] = sum_k y[i-1][p, k] * w[i][k, j]
    y[i][p, j] = f[i](x[i][p, j]),    of the last layer x stays
    """
    for i in range(1, L + 1):
        stride, below, k = field(layers, i, STRIDE), field(layers, i - 1, STRIDE), field(layers, i, INPUTS)
        nodes, vectors, of_row, unit = field(layers, i, NODES), field(layers, i, VECTORS), 0, 0
        if not narrow(layers, i) and copied(rows, vectors):
            pack(like, field(layers, i - 1, Y) + first * below, below, rows, k, size, room, team)
            meet(team)
            of_row, unit = packed_row(k, size), COPIED
        some, wide, down, pieces = cut(rows, vectors, team[1], unit)
        n = taken(team, -1, pieces)
        while n < pieces:
            p, start = corner(n, some, wide, down)
            few, end = min(some, rows - p), min(vectors, start + wide)
            here = (first + p) * stride + start * WIDTH
            x, w = field(layers, i, Y) + here, field(layers, i, W) + start * WIDTH * k
            y_below, done = field(layers, i - 1, Y) + (first + p) * below, 0
            if of_row and few >= TALL:
                done = few - few % TALL
                packed_forward(like, room + p * of_row, w, x, stride, k, done, end - start, size)
            if narrow(layers, i):
                narrow_forward(like, y_below, below, w, across(layers, i, size), x, stride, few, nodes)
            elif done < few:
                of_y, of_x = y_below + done * below, x + done * stride
                forward_product(like, of_y, below, w, of_x, 0, stride, k, 0, 0, few - done, end - start, k, size, True)
            if i < L:
                slope = field(layers, i, SLOPE) + here
                call_activation(field(layers, i, ACTIVATION), (x, slope, stride, few, end - start))
                last, inside = (end - start - 1) * WIDTH, nodes - (vectors - 1) * (WIDTH // size)
                if end == vectors and inside * size < WIDTH:  # beside the nodes: the one that is always 1, and zeros
                    for q in range(few):
                        fill_up(like, x + q * stride + last, inside, field(layers, i, ONES))
                        if field(layers, i, SLOPE):
                            fill_up(like, slope + q * stride + last, inside, 0)
            n = taken(team, n, pieces)
        meet(team)


@compiled
def lies(layers: int, i: int, size: int, patterns: int, block: int) -> bool:
    """Whether w serves the way back as it lies: as patterns are few, or as it would be more to turn over than e.

    Patterns are those of the whole batch, of which a block goes at a time; 0 stands for any number, for which w was
    turned over once.
    """
    if patterns <= FEW:
        return patterns > 0
    wide, below = field(layers, i, VECTORS), field(layers, i - 1, VECTORS)
    if patterns * (2 * wide + 3 * below) * size > 2 * wide * below * WIDTH:  # squares, and half more to bring back
        return False
    pair = 2 * WIDTH // size
    empty = patterns // block * (-block % pair) + -(patterns % block) % pair
    return 7 * empty <= patterns  # what is worked out in vain where the last pair of vectors is not full


@compiled
def error_terms(
    like: float,
    size: int,
    layers: int,
    L: int,
    first: int,
    rows: int,
    patterns: int,
    block: int,
    turned: int,
    room: int,
    team: tuple[int, int, int],
) -> None:
    """Error terms of the hidden layers (step 21); those of the output layer (step 20) stand where x[L] was.

    e[i][p, k] = sum_j e[i+1][p, j] * w[i+1][j, k] * f_prime[i](x[i][p, k]),    w as `turn` wrote it, or as it lies
    """
    for i in range(L - 1, 0, -1):
        stride, above, below = field(layers, i, STRIDE), field(layers, i + 1, STRIDE), field(layers, i, NODES)
        nodes, wide, vectors = field(layers, i + 1, NODES), field(layers, i + 1, VECTORS), field(layers, i, VECTORS)
        w, k, back = field(layers, i + 1, W), field(layers, i + 1, INPUTS), field(layers, i + 1, BACK)
        e_above, e = field(layers, i + 1, E_TERM) + first * above, field(layers, i, E_TERM) + first * stride
        slope = field(layers, i, SLOPE) + first * stride
        lying = not narrow(layers, i + 1) and lies(layers, i + 1, size, patterns, block)
        if lying and patterns > FEW:
            given = (stride, rows, below, size, turned, room, team)
            backward_many(like, e_above, above, w, k, wide, nodes, e, slope, *given)
            continue
        lanes = WIDTH // size
        deep, of_w, last = wide * lanes, 0, below - (vectors - 1) * lanes
        if narrow(layers, i + 1):
            deep, of_w = 1, across(layers, i + 1, size)
        some, high, down, pieces = cut(rows, vectors, team[1], 0)
        n = taken(team, -1, pieces)
        while n < pieces:
            p, start = corner(n, some, high, down)
            few, end, here = min(some, rows - p), min(vectors, start + high), p * stride + start * WIDTH
            if lying:
                of_rows = (e_above + p * above, above, w, k, wide, e + p * stride, slope + p * stride, stride, few)
                backward_few(like, *of_rows, start * lanes, min(below, end * lanes), size)
            else:
                of_e = (e_above + p * above, above, back + start * WIDTH * deep, e + here, slope + here, stride)
                backward_product(like, *of_e, deep, of_w, 0, few, end - start, nodes, size, True)
                if of_w and end == vectors and last < lanes:  # where its biases stand
                    for q in range(few):
                        fill_up(like, e + here + q * stride + (end - start - 1) * WIDTH, last, 0)
            n = taken(team, n, pieces)
        meet(team)


@compiled
def turn(like: float, size: int, layers: int, L: int, patterns: int, block: int, me: int, threads: int) -> None:
    """w as (nodes of i, nodes of i-1), for the way back unless it serves as it lies; anew when w has changed."""
    lanes = WIDTH // size
    for i in range(2, L + 1):
        nodes, w, back = field(layers, i - 1, NODES), field(layers, i, W), field(layers, i, BACK)
        vectors, below = field(layers, i, VECTORS), field(layers, i - 1, VECTORS)
        if narrow(layers, i) or lies(layers, i, size, patterns, block):
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
    like: float,
    size: int,
    layers: int,
    L: int,
    window: int,
    rows: int,
    into: int,
    add: bool,
    team: tuple[int, int, int],
) -> None:
    """sum_p e[i][p, j] * y[i-1][p, k] into the gradient by w[i][k, j], or added to that or to w (step 24).

    As e was scaled, so is the sum. A bias is the weight from the node that is always 1. Threads share w, and each sums
    over all p.
    """
    me, threads, _ = team
    room, own = word(window, jobs.TEAM), word(window, jobs.OWN) + me * word(window, jobs.OF_OWN)
    for i in range(1, L + 1):
        stride, below = field(layers, i, STRIDE), field(layers, i - 1, STRIDE)
        y_below, e = field(layers, i - 1, Y), field(layers, i, E_TERM)
        k, vectors = field(layers, i, INPUTS), field(layers, i, VECTORS)
        to = field(layers, i, into)
        if narrow(layers, i):
            if me == 0:
                of_w, nodes = across(layers, i, size), field(layers, i, NODES)
                wide = of_w // WIDTH
                gradient_product(like, e, stride, y_below, to, 0, below, 1, of_w, 0, nodes, wide, rows, size, add)
        elif packed(rows, below, stride):
            packed_gradient(like, y_below, below, e, to, stride, k, vectors, rows, size, add, room, own, team)
        else:
            mine = (k + TALL * threads - 1) // (TALL * threads) * TALL
            first, last = min(k, me * mine), min(k, (me + 1) * mine)
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
    inputs, targets, weights = word(window, jobs.INPUTS), word(window, jobs.TARGETS), word(window, jobs.WEIGHTS)
    order, t, shares = word(window, jobs.ORDER), word(window, jobs.T), word(window, jobs.SHARES)
    n_0, n_L = field(layers, 0, NODES) * size, field(layers, L, NODES) * size
    y_0, stride_0, stride_L = field(layers, 0, Y), field(layers, 0, STRIDE), field(layers, L, STRIDE)
    for p in range(first, first + rows):
        row = start + p
        if order:
            row = word(order, row)
        transfer(like, size, y_0 + p * stride_0, inputs + row * n_0, n_0)
        transfer(like, size, t + p * stride_L, targets + row * n_L, n_L)
        put(like, shares + p * size, like + get(like, weights + row * size) / divisor)


@compiled
def batch(
    like: float,
    size: int,
    layers: int,
    L: int,
    window: int,
    start: int,
    rows: int,
    patterns: int,
    block: int,
    divisor: float,
    output: int,
    scale: float,
    back: bool,
    together: bool,
    team: tuple[int, int, int],
) -> None:
    """All error terms of a batch, times the share of their pattern and scale; E unit by unit into the window.

    Forward, then the output layer's (step 20), then the hidden layers' (step 21), a block of rows at a time, which
    stays in the cache: where w does not, threads go through a block together, so that each reads another part of w;
    else each takes blocks of its own. 0 patterns: see `lies`.
    """
    t, shares, errors, me = word(window, jobs.T), word(window, jobs.SHARES), word(window, jobs.ERRORS), team[0]
    stride, vectors, nodes = field(layers, L, STRIDE), field(layers, L, VECTORS), field(layers, L, NODES)
    room = word(window, jobs.TEAM) + me * word(window, jobs.OF_TEAM)
    own = word(window, jobs.OWN) + me * word(window, jobs.OF_OWN)
    blocks, crew = -(-rows // block), team if together else ALONE
    n = 0 if together else taken(team, -1, blocks)
    while n < blocks:
        first, few = n * block, min(block, rows - n * block)
        mine = share(few, crew[1])
        begin, end = first + min(few, crew[0] * mine), first + min(few, (crew[0] + 1) * mine)
        gather(like, size, layers, L, window, start, begin, end - begin, divisor)
        meet(crew)
        forward(like, size, layers, L, first, few, room, crew)
        for unit in range(begin, end, UNIT):  # step 20: e takes the place of x
            x, t_unit, of_unit = field(layers, L, Y) + unit * stride, t + unit * stride, shares + unit * size
            E = call_output(output, (x, t_unit, of_unit, stride, min(UNIT, end - unit), vectors, nodes, scale))
            put_double(errors, unit // UNIT, E)
        meet(crew)
        if back:
            error_terms(like, size, layers, L, first, few, patterns, block, room, own, crew)
        n = n + 1 if together else taken(team, n, blocks)
    meet(team)


@compiled
def summed(window: int, rows: int) -> float:
    """E of a batch: that of its units, in their order."""
    E = 0.0
    for unit in range(-(-rows // UNIT)):
        E += get_double(word(window, jobs.ERRORS), unit)
    return E


@compiled
def parts(layers: int, i: int) -> int:
    """How many panels w is kept in, or rows where the layer is narrow."""
    return field(layers, i, NODES) if narrow(layers, i) else (field(layers, i, VECTORS) + 1) // 2


@compiled
def part(layers: int, i: int, n: int, size: int, biases: bool) -> tuple[int, int]:
    """Where panel or row n begins in w, and how many of its bytes are penalized."""
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
def by_rule(like: float, size: int, job: int, reals: int, b: int, team: tuple[int, int, int]) -> None:
    """Update θ by a rule, from the gradient of a batch; before that, penalties are added to it, and it is clipped."""
    layers, L, threads = word(job, jobs.LAYERS), word(job, jobs.DEPTH), team[1]
    step, theta, g = word(job, jobs.STEP), word(job, jobs.THETA), word(job, jobs.G)
    slots, factors, rates = word(job, jobs.SLOTS), word(job, jobs.FACTORS), word(job, jobs.RATES)
    numbers, of_numbers, length = word(job, jobs.NUMBERS), word(job, jobs.OF_NUMBERS), word(job, jobs.LENGTH)
    l1, l2, clip = get_double(reals, jobs.L1), get_double(reals, jobs.L2), get_double(reals, jobs.CLIP)
    if l1 or l2 or clip > 0:
        if team[0] == 0:
            if l1 or l2:
                add_penalty(like, size, layers, L, l1, l2, word(job, jobs.BIASES), G, 1.0)
            if clip > 0:
                clipped(like, size, g, factors, length, clip)
        meet(team)
    some = length if threads == 1 else -(-(length // WIDTH) // (PIECES * threads)) * WIDTH
    pieces = -(-length // some)
    n = taken(team, -1, pieces)
    while n < pieces:
        here, wide = n * some, min(some, length - n * some) // WIDTH
        at = (theta + here, g + here, slots + here, factors + here if factors else 0)
        call_step(step, (*at, numbers + b * of_numbers, rates + b * size, wide, length))
        n = taken(team, n, pieces)


@compiled
def epoch(like: float, job: int, reals: int, me: int) -> int:
    """Batches from first to last of a window: forward, error terms, gradient, update; the first that was not done.

    The page's error terms point downhill. Plain descent keeps no gradient: they are scaled by η, and `gradient` adds
    their products to w, which is the update. Other rules take the gradient itself, so that the scale is -1, and have a
    step that is called when it is there. A batch that makes E so far not finite is not learned from, and none comes
    after it. The divisor makes E of a batch an estimate of that of all patterns. All threads run this at once, share
    patterns, or the nodes of a layer, and then w, and meet where one needs what others wrote.
    """
    size = bytes_of(like)
    layers, L, window = word(job, jobs.LAYERS), word(job, jobs.DEPTH), word(job, jobs.WINDOW)
    first, last, batch_size = word(job, jobs.FIRST), word(job, jobs.LAST), word(job, jobs.BATCH_SIZE)
    patterns, all_patterns, output = word(job, jobs.PATTERNS), word(job, jobs.ALL_PATTERNS), word(job, jobs.OUTPUT)
    step, rates, biases = word(job, jobs.STEP), word(job, jobs.RATES), word(job, jobs.BIASES)
    together, threads = word(job, jobs.TOGETHER) > 0, word(job, jobs.THREADS)
    team = me, threads, word(job, jobs.BARRIER)
    total, running = get_double(reals, jobs.TOTAL), get_double(reals, jobs.RUNNING)
    l1, l2 = get_double(reals, jobs.L1), get_double(reals, jobs.L2)
    if not meet(team):
        return first
    for b in range(first, last):
        start = b * batch_size
        rows = min(batch_size, patterns - start)
        η = get(like, rates + b * size)
        scale, divisor = -1.0 if step else float(η), total * rows / all_patterns
        block = word(job, jobs.BLOCK) if together else min(word(job, jobs.BLOCK), share(rows, threads))
        if rows > FEW:
            turn(like, size, layers, L, rows, block, me, threads)
            meet(team)
        given = (start, rows, rows, block, divisor, output, scale, True, together, team)
        batch(like, size, layers, L, window, *given)
        E = summed(window, rows)
        if l1 or l2:
            E += penalty(like, size, layers, L, l1, l2, biases)
        running += E * rows / all_patterns
        if not math.isfinite(running):
            return b
        if me == 0:
            put_double(reals, jobs.RUNNING, running)
        if l1 or l2:
            meet(team)
        if not step:
            if l1 or l2:
                if me == 0:
                    add_penalty(like, size, layers, L, l1, l2, biases, W, -float(η))
                meet(team)
            gradient(like, size, layers, L, window, rows, W, True, team)
        else:
            gradient(like, size, layers, L, window, rows, G, False, team)
            meet(team)
            by_rule(like, size, job, reals, b, team)
        meet(team)
    return last


@compiled
def whole(like: float, job: int, reals: int, me: int) -> int:
    """Add E of rows from first to last of a window, without the penalties, and its gradient to g if it is asked for.

    The batches are always the same, so that bits do not depend on where it was interrupted.
    """
    size = bytes_of(like)
    layers, L, window = word(job, jobs.LAYERS), word(job, jobs.DEPTH), word(job, jobs.WINDOW)
    first, last, batch_size = word(job, jobs.FIRST), word(job, jobs.LAST), word(job, jobs.BATCH_SIZE)
    with_gradient, output = word(job, jobs.WITH_GRADIENT) > 0, word(job, jobs.OUTPUT)
    together, team = word(job, jobs.TOGETHER) > 0, (me, word(job, jobs.THREADS), word(job, jobs.BARRIER))
    total = get_double(reals, jobs.TOTAL)
    if not meet(team):
        return first
    if with_gradient:
        turn(like, size, layers, L, 0, 1, me, team[1])
        meet(team)
    E = get_double(reals, jobs.RUNNING)
    for start in range(first, last, batch_size):
        rows = min(batch_size, last - start)
        block = word(job, jobs.BLOCK) if together else min(word(job, jobs.BLOCK), share(rows, team[1]))
        given = (start, rows, 0, block, total, output, -1.0, with_gradient, together, team)
        batch(like, size, layers, L, window, *given)
        E += summed(window, rows)
        if with_gradient:
            gradient(like, size, layers, L, window, rows, G, True, team)
        meet(team)
    if me == 0:
        put_double(reals, jobs.RUNNING, E)
    return last


@compiled
def outputs(like: float, job: int, reals: int, me: int) -> int:
    """y of the last layer for all rows of a window, of which each thread takes blocks of its own."""
    size = bytes_of(like)
    layers, L, window = word(job, jobs.LAYERS), word(job, jobs.DEPTH), word(job, jobs.WINDOW)
    last, softmax, patterns = word(job, jobs.OUTPUT), word(job, jobs.SOFTMAX), word(job, jobs.PATTERNS)
    team, block = (me, word(job, jobs.THREADS), word(job, jobs.BARRIER)), word(job, jobs.BLOCK)
    inputs, to = word(window, jobs.INPUTS), word(window, jobs.OUTPUTS)
    n_0, n_L = field(layers, 0, NODES) * size, field(layers, L, NODES) * size
    stride_0, stride, vectors = field(layers, 0, STRIDE), field(layers, L, STRIDE), field(layers, L, VECTORS)
    y_0, x = field(layers, 0, Y) + me * block * stride_0, field(layers, L, Y) + me * block * stride
    blocks, room = -(-patterns // block), word(window, jobs.TEAM) + me * word(window, jobs.OF_TEAM)
    if not meet(team):
        return 0
    n = taken(team, -1, blocks)
    while n < blocks:
        start, rows = n * block, min(block, patterns - n * block)
        for p in range(rows):
            transfer(like, size, y_0 + p * stride_0, inputs + (start + p) * n_0, n_0)
        forward(like, size, layers, L, me * block, rows, room, ALONE)
        if softmax:
            call_softmax(last, (x, 0, stride, rows, vectors, field(layers, L, NODES)))
        else:
            call_activation(last, (x, 0, stride, rows, vectors))
        for p in range(rows):
            copy(to + (start + p) * n_L, x + p * stride, n_L)
        n = taken(team, n, blocks)
    meet(team)  # none still writes when another returns
    return patterns
