"""A small network that foresees the bits of a block (FORMAT.md, part Networks of streams).

It sees the logarithms of the magnitudes of all coefficients around a block, with and without their signs,
and of those of the block that are known. The former are summed up once, when a block begins; each coefficient
that is not 0 is added when it is known (a neural autoregressive distribution estimator, Larochelle and
Murray, 2011). Its logits are an input of the mixers.

Sums are int32, activations and weights int16. Shapes: R rows and C columns of blocks, N lanes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.network.kernels import generated, inlined, kernel

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

UNITS = 128  # hidden units
WIDE = 2 * UNITS  # sums of a block: of the first layer, then those that go to the hidden units directly
TILE = 64  # sums that are added to together
VECTOR = 16  # sums of a vector, pairs of one
ROLES = 7  # above, left, above left, two above, two to the left, luma, blue chroma
FEATURES = 32  # of a coefficient, the last of them 0
OUTPUTS = 12  # not 0; at least 2, 4, 8, 16, 32 if positive; negative; at least 2, ... 32 if negative
NOT_ZERO, NEGATIVE, EXPONENTS = 0, 6, 5
NODES = 64  # of a length: whether it is 0, its high bits, its low bits
SUM_BITS = 9  # what sums have more than activations
MOST_ACTIVE = 16383
FEATURE_SHIFT = 2  # activations are in 1/64, logarithms in 1/16
LOGIT_SHIFT = 8
MOST_LOGIT = 2047
_PAIRS_BYTES = 4  # of a weight of the magnitude and one of the signed number

add_tile = generated("pixcodec.jpeg.stream.network_code", "add_tile")
add_numbers = generated("pixcodec.jpeg.stream.network_code", "add_numbers")
rectify = generated("pixcodec.jpeg.stream.network_code", "rectify")
dot_product = generated("pixcodec.jpeg.stream.network_code", "dot_product")

_LOGARITHMS = 32784
# floor(16 log2(y)), exact; of 0 it is 0.
LOG16 = np.array([max((y**16).bit_length() - 1, 0) for y in range(_LOGARITHMS)], np.uint8)


class Network(NamedTuple):
    """The weights of a component's network, and what it knows of the blocks that are under way."""

    used: int  # 0: there is none, and the arrays are empty
    around: Int16  # ROLES, 64, WIDE, 2
    joined: Int16  # UNITS / 2, UNITS, 2: from the first layer to the hidden units
    own: Int16  # 64, UNITS, 2
    edges: Int16  # 3, UNITS, 2
    lengths: Int32  # 64, UNITS
    places: Int32  # 64, UNITS
    outputs: Int16  # 64, OUTPUTS, UNITS + FEATURES
    output_biases: Int64  # 64, OUTPUTS
    nodes: Int16  # NODES, UNITS
    node_biases: Int64  # NODES
    start: Int32  # WIDE: biases, and what the steps of quantisation add
    sides: Int32  # 2, WIDE: added if there is a row above, a block to the left
    residuals: Int64  # R, C: DC less what was predicted
    sums: Int32  # N, UNITS
    known: Int16  # N, UNITS + FEATURES: activations and features
    wide: Int32  # WIDE
    rows: Int64  # ROLES * 64, 2: addresses of rows, and their pairs


@inlined
def _log(magnitude: int) -> Any:
    """Return 16 log2(1 + magnitude), for magnitudes of coefficients."""
    return np.int64(LOG16[min(magnitude, 32767) + 1])


@inlined
def _log_of_edge(value: int) -> Any:
    """Return the same for an edge's magnitude, in 1/16."""
    return np.int64(LOG16[min(value, 32767) + 16]) - 64


@inlined
def _pair(one: int, other: int) -> Any:
    return (one & 0xFFFF) | ((other & 0xFFFF) << 16)


@inlined
def _listed(n: Network, count: int, weights: int, value: int) -> Any:
    """List the row at an address for a coefficient, unless it is 0; return the number of rows."""
    if value == 0:
        return count
    log = _log(abs(value))
    n.rows[count, 0], n.rows[count, 1] = weights, _pair(log, log if value > 0 else -log)
    return count + 1


@inlined
def _list_block(n: Network, count: int, role: int, blocks: Any, r: int, c: int, most: int, dc: int) -> Any:
    """List the coefficients of a block, of which DC is ``dc``."""
    row_bytes = WIDE * _PAIRS_BYTES
    first = n.around.ctypes.data + role * FREQUENCIES * row_bytes
    count = _listed(n, count, first, dc)
    for k in range(1, most + 1):
        count = _listed(n, count, first + k * row_bytes, np.int64(blocks[r, c, ZIGZAG[k]]))
    return count


@kernel
def foresee_block(s: Any, i: int, c: int) -> None:
    """Sum up what is known before block (i, c) is."""
    n, r = s.network, i
    blocks, lengths, count = s.blocks, s.lengths, np.int64(0)
    wide, start = n.wide, n.start
    for j in range(WIDE):
        wide[j] = start[j]
    if r > 0:
        count = _list_block(n, count, 0, blocks, r - 1, c, lengths[r - 1, c], n.residuals[r - 1, c])
        add_numbers(wide.ctypes.data, n.sides.ctypes.data, wide.ctypes.data, WIDE // VECTOR)
    if c > 0:
        count = _list_block(n, count, 1, blocks, r, c - 1, lengths[r, c - 1], n.residuals[r, c - 1])
        add_numbers(wide.ctypes.data, n.sides.ctypes.data + 4 * WIDE, wide.ctypes.data, WIDE // VECTOR)
    if r > 0 and c > 0:
        at = lengths[r - 1, c - 1], n.residuals[r - 1, c - 1]
        count = _list_block(n, count, 2, blocks, r - 1, c - 1, at[0], at[1])
    if r > 1:
        count = _list_block(n, count, 3, blocks, r - 2, c, lengths[r - 2, c], n.residuals[r - 2, c])
    if c > 1:
        count = _list_block(n, count, 4, blocks, r, c - 2, lengths[r, c - 2], n.residuals[r, c - 2])
    if n.used > 1:
        last = FREQUENCIES - 1
        count = _list_block(n, count, 5, s.luma, r, c, last, np.int64(s.luma[r, c, 0]))
        count = _list_block(n, count, 6, s.blue, r, c, last, np.int64(s.blue[r, c, 0]))
    rows, where = n.rows.ctypes.data, wide.ctypes.data
    for tile in range(0, WIDE, TILE):
        add_tile(rows, count, tile * _PAIRS_BYTES, where + 4 * tile)
    known, sums = n.known.ctypes.data + 2 * (UNITS + FEATURES) * i, n.sums.ctypes.data + 4 * UNITS * i
    rectify(where, known, UNITS // VECTOR)
    count = np.int64(0)
    for j in range(UNITS // 2):
        one, other = np.int64(n.known[i, 2 * j]), np.int64(n.known[i, 2 * j + 1])
        if one | other:
            n.rows[count, 0] = n.joined.ctypes.data + j * UNITS * _PAIRS_BYTES
            n.rows[count, 1] = _pair(one, other)
            count += 1
    for j in range(UNITS):
        n.sums[i, j] = wide[UNITS + j]
    for tile in range(0, UNITS, TILE):
        add_tile(rows, count, tile * _PAIRS_BYTES, sums + 4 * tile)
    rectify(sums, known, UNITS // VECTOR)


@inlined
def add_length(n: Network, i: int, length: int) -> None:
    """Take the length of the block of row ``i``."""
    sums = n.sums.ctypes.data + 4 * UNITS * i
    add_numbers(sums, n.lengths.ctypes.data + 4 * UNITS * length, sums, UNITS // VECTOR)


@inlined
def add_coefficient(n: Network, i: int, k: int, value: int) -> Any:
    """Take coefficient ``k`` > 0 of the block of row ``i``; return the logarithm of its magnitude."""
    if _listed(n, 0, n.own.ctypes.data + k * UNITS * _PAIRS_BYTES, value) == 0:
        return np.int64(0)
    for tile in range(0, UNITS, TILE):
        add_tile(n.rows.ctypes.data, 1, tile * _PAIRS_BYTES, n.sums.ctypes.data + 4 * (UNITS * i + tile))
    return _log(abs(value))


@inlined
def _signed(value: int, log: int) -> Any:
    return log if value >= 0 else -log


@inlined
def _write_feature(n: Network, i: int, feature: int, value: int) -> None:
    n.known[i, UNITS + feature] = value << FEATURE_SHIFT


@inlined
def _write_coefficient(n: Network, i: int, feature: int, signed: int, value: int) -> None:
    log = _log(abs(value))
    _write_feature(n, i, feature, log)
    if signed:
        _write_feature(n, i, signed, _signed(value, log))


@kernel
def foresee_coefficient(s: Any, i: int, c: int, k: int, a: Any) -> None:
    """Write the activations and features of coefficient ``k`` of block (i, c), ``a`` being its Around."""
    n, r = s.network, i
    p = ZIGZAG[k]
    u, v = p >> 3, p & 7
    further_down = further_across = np.int64(0)  # (u + 2, v + 1) and (u + 1, v + 2)
    if u < BLOCK - 2 and v < BLOCK - 1:
        further_down = np.int64(s.blocks[r, c, p + 2 * BLOCK + 1])
    if u < BLOCK - 1 and v < BLOCK - 2:
        further_across = np.int64(s.blocks[r, c, p + BLOCK + 2])
    _write_coefficient(n, i, 0, 18, a.down)
    _write_coefficient(n, i, 1, 19, a.across)
    _write_coefficient(n, i, 2, 20, a.both)
    _write_coefficient(n, i, 3, 21, a.down2)
    _write_coefficient(n, i, 4, 22, a.across2)
    _write_coefficient(n, i, 5, 23, further_across)
    _write_coefficient(n, i, 6, 24, further_down)
    above, left, corner, above2, left2 = a.n, a.w, a.nw, a.nn, a.ww
    by_left, by_top = a.by_left, a.by_top
    if k == 0:
        above = n.residuals[r - 1, c] if r > 0 else np.int64(0)
        left = n.residuals[r, c - 1] if c > 0 else np.int64(0)
        corner = n.residuals[r - 1, c - 1] if r > 0 and c > 0 else np.int64(0)
        above2 = n.residuals[r - 2, c] if r > 1 else np.int64(0)
        left2 = n.residuals[r, c - 2] if c > 1 else np.int64(0)
        by_left, by_top = by_left - by_top if r > 0 and c > 0 else np.int64(0), np.int64(0)
    _write_coefficient(n, i, 7, 25, above)
    _write_coefficient(n, i, 8, 26, left)
    _write_coefficient(n, i, 9, 27, corner)
    _write_coefficient(n, i, 10, 0, above2)
    _write_coefficient(n, i, 11, 0, left2)
    _write_feature(n, i, 12, _log_of_edge(s.lane[i].logs))
    one, other = _log_of_edge(abs(by_left)), _log_of_edge(abs(by_top))
    both = _log_of_edge(abs(by_left + by_top) >> 1) if k else np.int64(0)
    _write_feature(n, i, 13, one)
    _write_feature(n, i, 14, other)
    _write_feature(n, i, 15, both)
    _write_coefficient(n, i, 16, 0, a.luma)
    _write_coefficient(n, i, 17, 28, a.blue)
    _write_feature(n, i, 29, _signed(by_left, one))
    _write_feature(n, i, 30, _signed(by_top, other))
    edges, row_bytes = n.edges.ctypes.data, UNITS * _PAIRS_BYTES
    n.rows[0, 0], n.rows[0, 1] = edges, _pair(one, other)
    n.rows[1, 0], n.rows[1, 1] = edges + row_bytes, _pair(both, _signed(by_left, one))
    n.rows[2, 0], n.rows[2, 1] = edges + 2 * row_bytes, _pair(_signed(by_top, other), 0)
    sums, wide = n.sums.ctypes.data + 4 * UNITS * i, n.wide.ctypes.data
    add_numbers(sums, n.places.ctypes.data + 4 * UNITS * k, wide, UNITS // VECTOR)
    for tile in range(0, UNITS, TILE):
        add_tile(n.rows.ctypes.data, 3, tile * _PAIRS_BYTES, wide + 4 * tile)
    rectify(wide, n.known.ctypes.data + 2 * (UNITS + FEATURES) * i, UNITS // VECTOR)


@inlined
def length_logit(n: Network, i: int, node: int) -> Any:
    """Return the logit, in 1/256, of a bit of the length of the block of row ``i``."""
    row = n.known.ctypes.data + 2 * (UNITS + FEATURES) * i
    total = dot_product(row, n.nodes.ctypes.data + 2 * UNITS * node, UNITS // (2 * VECTOR))
    return min(max((total + n.node_biases[node]) >> LOGIT_SHIFT, -MOST_LOGIT), MOST_LOGIT)


@inlined
def coefficient_logit(n: Network, i: int, k: int, output: int) -> Any:
    """Return the logit, in 1/256, of a bit of coefficient ``k`` of the block of row ``i``."""
    size = UNITS + FEATURES
    weights = n.outputs.ctypes.data + 2 * size * (OUTPUTS * k + output)
    total = dot_product(n.known.ctypes.data + 2 * size * i, weights, size // (2 * VECTOR))
    return min(max((total + n.output_biases[k, output]) >> LOGIT_SHIFT, -MOST_LOGIT), MOST_LOGIT)
