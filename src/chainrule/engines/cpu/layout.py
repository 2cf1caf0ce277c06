"""Where the numbers of a network lie in memory while it is trained: one table of layers, one flat vector of weights.

Stands between θ and the compiled loop. w[i] is turned over, (nodes of i-1, nodes of i), its biases being one row more,
and cut into panels of two vectors, one below the other; but w of a narrow layer stays as it is on paper, (nodes of i,
nodes of i-1), its biases being one column more. Rows of y, e and f′ are filled up to whole vectors, and by one
vector more where their length would be a power of two: rows so far apart meet in the same place of the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.engines.cpu.machine import vector_bytes
from chainrule.network import Network
from chainrule.notation import FloatArray

NODES, VECTORS, STRIDE, INPUTS, W, G, Y, SLOPE, E_TERM, BACK, ACTIVATION, ONES = range(12)
"""Columns of the table of layers: nodes, vectors a row, bytes from row to row; rows of w (the nodes below, and one
more with a bias; columns where w stays as on paper); addresses of w, its gradient, y (x before f), f′, e (of the last
layer: in the place of x), and w for the way back; of the activation; whether the layer above has biases. e takes the
place of f′: memory that is near."""

WIDTH = vector_bytes()
"""Bytes of a vector."""

ROWS = {64: (12, 5, 4, 1), 32: (6, 3, 2, 1), 16: (4, 3, 2, 1)}[WIDTH]
"""Rows of the tiles, the tallest first: two vectors by so many, and what they are multiplied by, fill the registers.

After tiles of 12, layers of 16, 64 or 256 nodes and a bias leave 5 rows, of 32, 128 or 512 leave 9; a tile of one row
waits for its sums.
"""

UNIT = 16
"""Rows whose E is one sum, by one thread: a whole number of vectors where patterns are side by side."""

BLOCK, LONG_BLOCK, CACHE = 4 * UNIT, 16 * UNIT, 2**20
"""Rows that go forward and back together, so that y, f' and e stay near; more of them where θ takes more than so many
bytes and would have to be brought near again for each block: 1.4 times in 784-2048-2048-10, forward and back."""


def together(net: Network) -> bool:
    """Whether in training threads share the layers of a block; else, and in prediction, each has blocks of its own."""
    return net.n_parameters * net.dtype.itemsize > CACHE


def block_of(net: Network) -> int:
    """Rows that go forward and back together."""
    return LONG_BLOCK if together(net) else BLOCK


NEAR = 2**20
"""Bytes of y, or of e, that are gone through again and again: they stay in the processor's second cache."""

SOME = 96
"""Nodes whose error terms are worked out at a time where patterns are side by side: whole tiles, and whole vectors."""

MANY = 16
"""Vectors of a layer from which y is copied for it: that takes 3 % of its time, and is won back where others use the
same core."""

FAR = 512
"""Bytes of a row from which a power of two is avoided."""


WIDE, LARGE = 2048, 3 * 2**17
"""Bytes of a row from which y and e are copied for the gradient, if a batch of both takes so many (measured)."""


class Memory:
    """The numbers of a network, and room for batches of up to so many rows, in one piece of memory.

    A team of threads has room for what it copies or turns over, and each of its threads room of its own.
    """

    def __init__(self, net: Network, rows: int, training: bool = True, threads: int = 1) -> None:
        self.dtype, self.net, self.rows = net.dtype, net, rows
        size, L = net.dtype.itemsize, net.depth
        self.lanes = WIDTH // size
        self.table = np.zeros((L + 1, 12), np.int64)
        for i, nodes in enumerate(net.sizes):
            ones = i < L and net.bias[i]
            self.table[i, [NODES, VECTORS, STRIDE, ONES]] = (
                nodes,
                -(-nodes // self.lanes),
                _stride(nodes + ones, size),
                ones,
            )
            self.table[i, INPUTS] = net.sizes[i - 1] + net.bias[i - 1] if i else 0
        self.narrow = [0, *(narrow(nodes, self.lanes) for nodes in net.sizes[1:])]
        lengths = [
            (few * -(-k // self.lanes) if few else k * vectors) * WIDTH
            for few, k, vectors in zip(self.narrow[1:], *self.table[1:, [INPUTS, VECTORS]].T.tolist(), strict=True)
        ]
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        self.length = int(self.starts[-1])
        room = {"theta": self.length, "g": self.length if training else 0, "shares": rows * size}
        room["t"] = rows * int(self.table[L, STRIDE]) if training else 0
        room["errors"] = 8 * -(-rows // UNIT)
        strides = self.table[:, STRIDE]
        packed = [i for i in range(1, L + 1) if training and worth_packing(rows, strides[i - 1], strides[i])]
        turned = max((self._turned(i, min(rows, block_of(net))) for i in range(2, L + 1) if training), default=0)
        block = min(rows, block_of(net))
        of_y = [
            block * packed_row(int(self.table[i, INPUTS]), size)
            for i in range(1, L + 1)
            if not self.narrow[i] and worth_copying(block, int(self.table[i, VECTORS]))
        ]
        team = -(-max([turned, *of_y]) // 64) * 64 + 64
        teams = 1 if together(net) and training else threads
        of_tile = ROWS[0] * (rows + 1) * size
        tiles = max((-(-int(self.table[i, INPUTS]) // ROWS[0]) for i in packed), default=0)
        room["team"] = max(teams * team, min(tiles * of_tile, 2 * NEAR + of_tile) + WIDTH if packed else 0)
        own = max(4 * SOME * WIDTH if turned else 0, rows * 2 * WIDTH if packed else 0)
        room["own"] = threads * own
        for i in range(L + 1):
            of_rows = rows * int(self.table[i, STRIDE])
            room[f"y{i}"] = of_rows
            if training and 0 < i < L:
                room[f"slope{i}"] = of_rows
            if training and i > 1 and not self.narrow[i]:
                room[f"back{i}"] = int(self.table[i, VECTORS] * self.table[i - 1, VECTORS]) * self.lanes * WIDTH
        self._arena, places = _arena(room, UNIT * int(strides.max()))
        base = self._arena.ctypes.data

        def part(name: str, dtype: Any) -> Any:
            return self._arena[places[name] : places[name] + room[name]].view(dtype)

        self.theta, self.g = part("theta", self.dtype), part("g", self.dtype)
        addresses = (base + places[name] for name in ("t", "shares", "errors", "team", "own"))
        self.rooms = [*addresses, 0 if teams == 1 else team, own]
        for i in range(L + 1):
            columns = {Y: f"y{i}", SLOPE: f"slope{i}", E_TERM: f"slope{i}", BACK: f"back{i}"}
            for column, name in columns.items():
                self.table[i, column] = base + places[name] if name in places else 0
            if i:
                self.table[i, W] = self.theta.ctypes.data + self.starts[i - 1]
                self.table[i, G] = self.g.ctypes.data + self.starts[i - 1] if training else 0
            if self.narrow[i]:
                self.table[i, BACK] = self.table[i, W]
            if self.table[i, ONES]:
                part(f"y{i}", self.dtype).reshape(rows, -1)[:, net.sizes[i]] = 1
        self.table[L, E_TERM] = self.table[L, Y]  # e takes the place of x
        self.order = self._order()
        part("t", self.dtype)[:] = np.nan

    def _turned(self, i: int, rows: int) -> int:
        """Bytes of e of layer i turned over, of as many patterns as ever are."""
        wide, below = int(self.table[i, VECTORS]), int(self.table[i - 1, VECTORS])
        most = min(rows, 2 * wide * below * self.lanes // (2 * wide + 3 * below))
        if self.narrow[i] or not most:
            return 0
        of_pair = 2 * WIDTH * wide * self.lanes
        return min(-(-most // (2 * self.lanes)), max(1, NEAR // of_pair)) * of_pair

    def _order(self) -> Any:
        """Where each entry of θ lies in a vector of this layout."""
        size, pair = self.dtype.itemsize, 2 * self.lanes
        parts = []
        for block in self.net.blocks:
            rows, vectors = int(self.table[block.layer, INPUTS]), int(self.table[block.layer, VECTORS])
            j = np.arange(self.net.sizes[block.layer])
            k = np.arange(block.shape[1]) if block.letter == "w" else np.array([rows - 1])  # a bias is the last row
            panel, lane = np.divmod(j, pair)
            width = np.where((vectors % 2 == 1) & (panel == vectors // 2), self.lanes, pair)
            start = panel * pair * rows + lane
            if self.narrow[block.layer]:
                start, width = j * -(-rows // self.lanes) * self.lanes, np.ones_like(j)
            parts.append((self.starts[block.layer - 1] // size + start[:, None] + k * width[:, None]).ravel())
        return np.concatenate(parts)

    def place(self, theta: FloatArray) -> None:
        """Take in θ."""
        self.theta[self.order] = theta

    def spread(self, values: FloatArray) -> FloatArray:
        """What is as long as θ, in this layout."""
        flat = aligned(self.length, self.dtype)
        flat[self.order] = values
        return np.asarray(flat)

    def gathered(self, flat: FloatArray) -> FloatArray:
        """What lies in this layout, as long as θ."""
        return np.asarray(flat[self.order])


def narrow(nodes: int, lanes: int) -> int:
    """Rows of w in memory where it stays as on paper: 1, 2 or 4, the rest 0; or 0 where it is turned over.

    Turned over, most of a vector would be empty: a step of 4-16-16-1 would take 1.16 times as long for one
    pattern and 1.12 times for 32, of 16-64-64-4 1.08 times.
    """
    few = 1 << (nodes - 1).bit_length()
    return few if few <= min(4, lanes // 2) else 0


def worth_packing(rows: int, below: int, stride: int) -> bool:
    """Whether y and e of so many rows, so many bytes from row to row, are copied for the gradient."""
    return min(below, stride) >= WIDE and rows * (below + stride) >= LARGE


def near_rows(rows: int, length: int) -> int:
    """How many rows of so many bytes are gone through again and again, in pieces of whole tiles that stay near."""
    pieces = max(1, -(-rows * length // NEAR))
    return -(-rows // (pieces * ROWS[0])) * ROWS[0]


def packed_row(k: int, size: int) -> int:
    """Bytes of a row of y, of k numbers, that is copied for its layer: to the next whole vector, and one more."""
    return -(-k * size // WIDTH) * WIDTH + size


def worth_copying(rows: int, vectors: int) -> bool:
    """Whether so many rows of y are copied for a layer of so many vectors."""
    return rows >= 2 * ROWS[0] and vectors >= MANY


def _stride(numbers: int, size: int) -> int:
    """Bytes from row to row."""
    length = -(-numbers * size // WIDTH) * WIDTH
    return length + WIDTH if length >= FAR and length & (length - 1) == 0 else length


HUGE = 2**21
"""Bytes of a large page: an arena that is larger starts at one, and the system is asked for such pages."""


def _arena(room: dict[str, int], beyond: int = 0) -> tuple[Any, dict[str, int]]:
    """One array of bytes, all 0, for all parts, each at the start of a cache line; so many can be read beyond them."""
    places, total = {}, 0
    for name, length in room.items():
        places[name] = total
        total += -(-length // 64) * 64 + 64
    total += WIDTH**2 + beyond  # rows of w, and of y, that are not there are read when they are turned over
    step = HUGE if total >= HUGE else 64
    memory = np.zeros(total + step, np.uint8)
    start = -memory.ctypes.data % step
    return memory[start : start + total], places


def aligned(length: int, dtype: Any) -> Any:
    """An array of so many bytes, all 0, that starts at a cache line."""
    memory, _ = _arena({"all": length})
    return memory[:length].view(dtype)
