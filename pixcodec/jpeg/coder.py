"""Coefficients <-> bytes: each as a few bits, predicted by mixing what like ones have been (FORMAT.md, JPEG).

A block is the number of its coefficients up to the last that is not zero, then these, the highest frequency
first, DC last: of low frequencies most is known by then, as the block has to go on from those above and to
the left. Every bit is predicted by contexts (hashed, with counts), a mixer, and a map of its output, as in
:mod:`pixcodec.mixing`, whose tables and kernels these are.

The blocks of a component with the same t = column + 2 row are lanes: all take their next bits together.

Shapes: R rows and C columns of blocks, N lanes, J contexts, I inputs, M mixers.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.experimental import structref

from pixcodec.errors import CorruptFileError
from pixcodec.header import read_varint, varint
from pixcodec.jpeg.coefficients import (
    MAX_COEFFICIENT,
    MAX_STEP,
    SUBSAMPLINGS,
    Blocks,
    Coefficients,
    block_counts,
)
from pixcodec.logit_tables import FINE_BITS, STRETCH_TABLE
from pixcodec.mixing import (
    APM_LOGITS,
    CONFIDENCE,
    COUNT_BITS,
    COUNT_CLASS,
    COUNT_MASK,
    DAMPING,
    ERROR,
    FINAL_MAX,
    HALF,
    LEAST,
    MAP_COUNTS,
    MAP_STRETCHES,
    MULTIPLIERS,
    SQUARES,
    STRETCH_CLASS,
    TOTAL,
    WEIGHT_BITS,
    _mix,
    _move,
    _new_apm,
    _new_map,
    _squash,
    _train,
)
from pixcodec.nibbles import Coder
from pixcodec.rangecoder import Decoder, Encoder

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
UInt16 = npt.NDArray[np.uint16]
Float64 = npt.NDArray[np.float64]

CONTEXTS = 17
SIGNED, SIZED = 20, 16  # features of the two regressions
EVERY = 1  # wavefronts
INPUTS = -(-(1 + 2 * CONTEXTS) // 8) * 8
MIXERS = 4
SLOPE = 2
MIN_CELL_BITS, MAX_CELL_BITS = 16, 22
CELL_LIMIT, MAP_LIMIT, APM_LIMIT = eval(os.environ.get('LM', '255, 1023, 1023'))
FIRST_WEIGHT = int((1 << WEIGHT_BITS) * float(os.environ.get('FW', '.09')))
RATE_FIRST, RATE_LAST, RATE_BLOCKS = eval(os.environ.get('RT', '3000, 300, 256'))
FINAL_RATE = 3
_M0, _M1, _M2 = (np.int64(m) for m in MULTIPLIERS)

# Row-major places of the coefficients in the order of JPEG: along the diagonals, to and fro.
ZIGZAG: Int64 = np.array(
    sorted(range(64), key=lambda p: (p // 8 + p % 8, p % 8 if (p // 8 + p % 8) % 2 else p // 8)), np.int64
)
EDGE: Int64 = np.array([181] + [256] * 7, np.int64)  # what a frequency adds at the first edge, of 362
ALTERNATING: Int64 = EDGE * np.array([1, -1] * 4)  # at the last one

# Nodes: the decisions about a block. 1 .. 63 are those of the tree of its length.
ZERO, SIGN, EXPONENT, MANTISSA, NODES = 64, 65, 66, 80, 272
CLASSES = 32  # of nodes

# Fields of a lane; SQUARES and ERROR are those of mixing.
NODE, K, LENGTH, VALUE, POWER, LEFT, PREDICTED, NONZERO, ENERGY, APM_AT, CLASS = range(11)
LANE_FIELDS = 24
assert SQUARES > CLASS and ERROR > CLASS  # noqa: PT018 - both are places of other modules

# Fields of State.wave
T, FIRST, COUNT, WAITING, ACTIVE, BLOCKS, WAVE_FIELDS = range(7)


class State(NamedTuple):
    """What has been learnt of an image, and where its component stands."""

    blocks: Int32  # R, C, 64: row-major
    other: Int32  # R, C, 64: magnitudes of the components before
    earlier: Int32  # R, C, 64: the component before this, of the same size; or zeros
    steps: Int64  # 64
    right: Int64  # R, C, 8: what the rows are at the last edge
    bottom: Int64  # R, C, 8
    lengths: Int64  # R, C
    left_sums: Int64  # N, 8: what the rows are at the first edge, of the frequencies known
    top_sums: Int64  # N, 8
    component: int
    cells: Int32  # J << cell_bits
    checks: UInt16  # likewise
    cell_bits: int
    weights: Int32
    final: Int64
    maps: Int32
    apm: Int32
    wave: Int64
    lane: Int64
    active: Int64
    ctx: Int64
    at: UInt64
    map_at: UInt64
    inputs: Int32
    sets: UInt64
    set_of: Int64
    dots: Int64
    zigzag: Int64
    features: Float64  # N, SIGNED
    sizes: Float64  # N, SIZED
    sums: Float64  # 64, SIGNED, SIGNED + 1
    size_sums: Float64
    fitted: Float64  # 64, SIGNED
    size_fitted: Float64  # 64, SIZED
    scratch: Float64


@njit(cache=True, nogil=True, forceinline=True)
def _log(value: int) -> Any:
    """Return about 4 log2(1 + value) of a magnitude, at most 47."""
    v = value + 1
    power = np.int64(0)
    while v >= 8:
        v >>= 1
        power += 4
    # 1 2 3 4 5 6 7 -> 0 4 6 8 9 10 11
    return min(power + (0 if v < 2 else 4 if v == 2 else 6 if v == 3 else 4 + v), 47)


@njit(cache=True, nogil=True, forceinline=True)
def _signed(value: int) -> Any:
    """Return :func:`_log` with a sign, 0..95."""
    return 48 + _log(value) if value >= 0 else 48 - _log(-value)


@njit(cache=True, nogil=True, forceinline=True)
def _cut(value: int, most: int) -> Any:
    return min(max(value, -most), most) + most


@njit(cache=True, nogil=True)
def _length_contexts(s: State, i: int, r: int, c: int) -> None:
    """Write the contexts of the length of a block."""
    lengths, ctx = s.lengths, s.ctx
    w = lengths[r, c - 1] if c > 0 else 0
    n = lengths[r - 1, c] if r > 0 else 0
    nw = lengths[r - 1, c - 1] if r > 0 and c > 0 else 0
    ne = lengths[r - 1, c + 1] if r > 0 and c + 1 < lengths.shape[1] else n
    energy = np.int64(0)
    for k in range(63, 0, -1):
        if s.other[r, c, s.zigzag[k]]:
            energy = np.int64(k)
            break
    e_w, e_n = np.int64(0), np.int64(0)
    for p in range(1, 64):
        if c > 0:
            e_w += abs(s.blocks[r, c - 1, p])
        if r > 0:
            e_n += abs(s.blocks[r - 1, c, p])
    earlier = np.int64(0)
    for k in range(63, 0, -1):
        if s.earlier[r, c, s.zigzag[k]]:
            earlier = np.int64(k)
            break
    for j in range(ctx.shape[1]):
        ctx[i, j] = 0
    ctx[i, 0] = w * 64 + n
    ctx[i, 1] = (w + n) >> 1
    ctx[i, 2] = ((w + n) >> 1) * 64 + ((nw + ne) >> 1)
    ctx[i, 3] = energy * 64 + ((w + n) >> 2)
    ctx[i, 4] = _log(e_w) * 64 + _log(e_n)
    ctx[i, 5] = _log(e_w + e_n)
    ctx[i, 6] = (2 * w + 2 * n + nw + ne) // 3
    ctx[i, 7] = earlier * 64 + ((w + n) >> 1)
    ctx[i, 8] = earlier * 64 + energy
    ctx[i, 9] = max(w, n) * 64 + max(nw, ne)
    ctx[i, 10] = w
    ctx[i, 11] = n
    for j in range(ctx.shape[1]):
        ctx[i, j] = (ctx[i, j] * 4 + s.component) * 64 + 63
    s.lane[i, ENERGY] = 0
    s.lane[i, NONZERO] = 0
    s.set_of[i, 0] = 0
    s.set_of[i, 1] = _log(w + n) >> 1
    s.set_of[i, 2] = _log(e_w + e_n) >> 1
    s.set_of[i, 3] = 0


@njit(cache=True, nogil=True)
def _value_contexts(s: State, i: int, r: int, c: int) -> None:
    """Write the contexts of the coefficient that lane ``i`` has come to."""
    b, lane, ctx, columns = s.blocks, s.lane, s.ctx, s.blocks.shape[1]
    k = lane[i, K]
    p = s.zigzag[k]
    u, v = p >> 3, p & 7
    step = s.steps[p]
    n = np.int64(b[r - 1, c, p]) if r > 0 else np.int64(0)
    w = np.int64(b[r, c - 1, p]) if c > 0 else np.int64(0)
    nw = np.int64(b[r - 1, c - 1, p]) if r > 0 and c > 0 else np.int64(0)
    ne = np.int64(b[r - 1, c + 1, p]) if r > 0 and c + 1 < columns else np.int64(0)
    nn = np.int64(b[r - 2, c, p]) if r > 1 else np.int64(0)
    ww = np.int64(b[r, c - 2, p]) if c > 1 else np.int64(0)
    # What the edges to the left and above ask for, in 1/16 of a step.
    by_left, by_top = np.int64(0), np.int64(0)
    like_left, like_top = np.int64(0), np.int64(0)
    if c > 0:
        rest = s.right[r, c - 1, u] - s.left_sums[i, u]
        by_left = rest * 16 // (EDGE[v] * step)
        for q in range(v):
            rest -= EDGE[q] * s.steps[8 * u + q] * b[r, c - 1, 8 * u + q]
        like_left = rest * 16 // (EDGE[v] * step)
    if r > 0:
        rest = s.bottom[r - 1, c, v] - s.top_sums[i, v]
        by_top = rest * 16 // (EDGE[u] * step)
        for q in range(u):
            rest -= EDGE[q] * s.steps[8 * q + v] * b[r - 1, c, 8 * q + v]
        like_top = rest * 16 // (EDGE[u] * step)
    i1 = np.int64(b[r, c, p + 8]) if u < 7 else np.int64(0)
    i2 = np.int64(b[r, c, p + 1]) if v < 7 else np.int64(0)
    i3 = np.int64(b[r, c, p + 9]) if u < 7 and v < 7 else np.int64(0)
    i4 = np.int64(b[r, c, p + 16]) if u < 6 else np.int64(0)
    i5 = np.int64(b[r, c, p + 2]) if v < 6 else np.int64(0)
    earlier, other = np.int64(s.earlier[r, c, p]), np.int64(s.other[r, c, p])
    x, y = s.features, s.sizes
    x[i, 0], x[i, 1], x[i, 2], x[i, 3] = n, w, nw, ne
    x[i, 4], x[i, 5], x[i, 6], x[i, 7] = by_left / 16, by_top / 16, like_left / 16, like_top / 16
    x[i, 8], x[i, 9], x[i, 10], x[i, 11], x[i, 12], x[i, 13] = i1, i2, i4, i5, earlier, i3
    x[i, 14] = b[r, c - 1, p + 1] if c > 0 and v < 7 else 0.0
    x[i, 15] = b[r, c - 1, p - 1] if c > 0 and v > 0 else 0.0
    x[i, 16] = b[r - 1, c, p + 8] if r > 0 and u < 7 else 0.0
    x[i, 17] = b[r - 1, c, p - 8] if r > 0 and u > 0 else 0.0
    x[i, 18] = b[r, c, p + 3] if v < 5 else 0.0
    x[i, 19] = b[r, c, p + 24] if u < 5 else 0.0
    y[i, 0], y[i, 1], y[i, 2], y[i, 3] = _log(abs(n)), _log(abs(w)), _log(abs(nw)), _log(abs(ne))
    y[i, 4], y[i, 5], y[i, 6], y[i, 7] = _log(abs(nn)), _log(abs(ww)), _log(abs(i1)), _log(abs(i2))
    y[i, 8], y[i, 9], y[i, 10] = _log(abs(i3)), _log(abs(i4)), _log(abs(i5))
    y[i, 11], y[i, 12], y[i, 13] = _log(lane[i, ENERGY]), _log(other), _log(abs(earlier))
    y[i, 14], y[i, 15] = _log(abs(by_left + by_top)), 16.0
    guess, size_guess = 0.0, 0.0
    for q in range(SIGNED):
        guess += s.fitted[k, q] * x[i, q]
    for q in range(SIZED):
        size_guess += s.size_fitted[k, q] * y[i, q]
    fit = np.int64(np.floor(min(max(guess, -2000.0), 2000.0) * 16 + 0.5))
    size_fit = np.int64(np.floor(min(max(size_guess, 0.0), 47.0) * 4 + 0.5))
    if k == 0:
        middle = (by_left + by_top) // 2 if r > 0 and c > 0 else by_left + by_top
        if s.wave[BLOCKS] < 0:
            middle = fit
        predicted = min(max((middle + 8) >> 4, -MAX_COEFFICIENT), MAX_COEFFICIENT)
        lane[i, PREDICTED] = predicted
        apart = by_left - by_top
        e_w = s.blocks[r, c - 1, 0] - predicted if c > 0 else np.int64(0)
        e_n = s.blocks[r - 1, c, 0] - predicted if r > 0 else np.int64(0)
        e_ne = s.blocks[r - 1, c + 1, 0] - predicted if r > 0 and c + 1 < columns else np.int64(0)
        e_nw = s.blocks[r - 1, c - 1, 0] - predicted if r > 0 and c > 0 else np.int64(0)
        energy, length, fraction = lane[i, ENERGY], lane[i, LENGTH], middle & 15
        ctx[i, 0] = _signed(apart) * 16 + fraction
        ctx[i, 1] = _log(abs(apart)) * 64 + _log(energy)
        ctx[i, 2] = length * 64 + _log(abs(apart))
        ctx[i, 3] = _signed(e_w) * 96 + _signed(e_n)
        ctx[i, 4] = _signed(e_w) * 96 + _signed(apart)
        ctx[i, 5] = _signed(e_n) * 96 + _signed(apart)
        ctx[i, 6] = _log(energy)
        ctx[i, 7] = _signed(e_w + e_n - e_nw) * 16 + fraction
        ctx[i, 8] = _signed(e_ne) * 96 + _signed(e_n)
        ctx[i, 9] = _cut(earlier, 500)
        ctx[i, 10] = predicted
        ctx[i, 11] = _log(other)
        ctx[i, 12] = _log(abs(e_w) + abs(e_n) + abs(e_nw) + abs(e_ne)) * 64 + _log(abs(apart))
        ctx[i, 13] = _signed(fit - 16 * predicted)
        ctx[i, 14] = _signed(fit - 16 * predicted) * 64 + _log(abs(apart))
        ctx[i, 15] = _signed(fit - 16 * predicted) * 64 + _log(energy)
        ctx[i, 16] = _signed(fit - 16 * predicted) * 64 + size_fit
        s.set_of[i, 1] = _log(abs(apart)) >> 1
        s.set_of[i, 2] = _log(energy) >> 1
        s.set_of[i, 3] = _log(abs(e_w) + abs(e_n)) >> 1
    else:
        lane[i, PREDICTED] = 0
        a_n, a_w = abs(n), abs(w)
        s1 = 2 * (a_n + a_w) + abs(nw) + abs(ne)
        s2 = 2 * (abs(i1) + abs(i2)) + abs(i3) + abs(i4) + abs(i5)
        energy, length, nonzero = lane[i, ENERGY], lane[i, LENGTH], lane[i, NONZERO]
        both = by_left + by_top
        ctx[i, 0] = _log(s1) * 64 + _log(s2)
        ctx[i, 1] = _log(a_n) * 64 + _log(a_w)
        ctx[i, 2] = length * 64 + nonzero
        ctx[i, 3] = _signed(by_top)
        ctx[i, 4] = _signed(by_left)
        ctx[i, 5] = _cut(n, 20) * 64 + _cut(w, 20)
        ctx[i, 6] = _cut(i1, 20) * 64 + _cut(i2, 20)
        ctx[i, 7] = _cut(earlier, 30) * 64 + _log(other)
        ctx[i, 8] = _log(other) * 64 + _log(s1 + s2)
        ctx[i, 9] = ((_cut(n, 2) * 5 + _cut(w, 2)) * 5 + _cut(nw, 2)) * 5 + _cut(ne, 2)
        ctx[i, 10] = _log(energy) * 64 + nonzero
        ctx[i, 11] = _log(s1 + s2 + abs(nn) + abs(ww))
        ctx[i, 12] = _signed(fit)
        ctx[i, 13] = size_fit
        ctx[i, 14] = (_signed(fit) >> 1) * 64 + (size_fit >> 2)
        ctx[i, 15] = _signed(fit) * 512 + _cut(earlier, 3) * 64 + _log(s1)
        ctx[i, 16] = _signed(like_left + like_top)
        s.set_of[i, 1] = size_fit >> 2
        s.set_of[i, 2] = _log(s2) >> 1
        s.set_of[i, 3] = min(_log(abs(both)) >> 1, 23)
    s.set_of[i, 0] = k
    for j in range(ctx.shape[1]):
        ctx[i, j] = (ctx[i, j] * 4 + s.component) * 64 + (k if k < 63 else 62)


@njit(cache=True, nogil=True, forceinline=True)
def _class(node: int) -> Any:
    """Return the class of a node, 0..31."""
    if node < ZERO:
        return np.int64(0) if node < 2 else np.int64(1) if node < 4 else np.int64(2)
    if node < MANTISSA:
        return np.int64(node - ZERO + 3)  # 3 .. 18
    inside = (node - MANTISSA) & 15
    return np.int64(19 + min(inside, 4))


@njit(cache=True, nogil=True)
def _predict(s: State, rows: Float64, start: int) -> None:
    lane, ctx, at, cells, checks, maps = s.lane, s.ctx, s.at, s.cells, s.checks, s.maps
    inputs, map_at, sets, active, apm = s.inputs, s.map_at, s.sets, s.active, s.apm
    contexts = ctx.shape[1]
    mask = (1 << s.cell_bits) - 1
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        node = lane[i, NODE]
        salt = (node + 1) * _M2
        for j in range(contexts):
            h = (ctx[i, j] + 1) * _M0 + salt
            h ^= (h >> 29) & ((1 << 35) - 1)
            h *= _M1
            where = np.uint64((j << s.cell_bits) + ((h >> 36) & mask))
            check = np.uint16((h >> 8) & 0xFFFF)
            if checks[where] != check:
                checks[where] = check
                cells[where] = 0
            at[i, j] = where
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        node = lane[i, NODE]
        kind = _class(node)
        f = s.component * CLASSES + kind
        inputs[i, 0] = 256
        for j in range(contexts):
            entry = cells[at[i, j]]
            p, count = (entry >> 20) + 2048, entry & COUNT_MASK
            place = np.uint64(
                (kind * contexts + j) * (MAP_COUNTS * MAP_STRETCHES) + COUNT_CLASS[count] + STRETCH_CLASS[p]
            )
            map_at[i, j] = place
            inputs[i, 1 + j] = STRETCH_TABLE[(maps[place] >> 20) + 2048]
            inputs[i, 1 + contexts + j] = ((p - 2048) * CONFIDENCE[count]) >> 10
        for m in range(sets.shape[1]):
            sets[i, m] = ((m * 4 + s.component) * CLASSES + kind) * 64 + s.set_of[i, m]
        mixed = _mix(inputs, i, f, s.weights, sets, s.dots, s.final, lane)
        z = min(max((mixed >> 8) + 256, 0), 511)
        where_apm = ((s.component * 64 + lane[i, K]) * CLASSES + kind) * APM_LOGITS + (z >> 4)
        share = z & 15
        lane[i, APM_AT] = where_apm + (share >> 3)
        low = np.int64(apm[where_apm] >> COUNT_BITS) + HALF
        high = np.int64(apm[where_apm + 1] >> COUNT_BITS) + HALF
        corrected = (low * (16 - share) + high * share) >> 2
        squashed = _squash(mixed)
        lane[i, ERROR] = squashed >> 8
        p1 = (3 * squashed + corrected) >> 2
        p1 = min(max(p1, LEAST), TOTAL - LEAST)
        rows[start + o, 0] = TOTAL - p1 - 1
        rows[start + o, 1] = p1 - 1


@njit(cache=True, nogil=True)
def _known(s: State, bits: Int32, start: int) -> None:
    """Write the next bits of the active lanes, whose blocks are known."""
    lane, active = s.lane, s.active
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        r = s.wave[FIRST] + i
        c = s.wave[T] - SLOPE * r
        node, k = lane[i, NODE], lane[i, K]
        if node < ZERO:
            length = np.int64(0)
            for q in range(63, 0, -1):
                if s.blocks[r, c, s.zigzag[q]]:
                    length = np.int64(q)
                    break
            depth = 0
            while node >> (depth + 1):
                depth += 1
            bits[start + o] = (length >> (5 - depth)) & 1
            continue
        value = s.blocks[r, c, s.zigzag[k]] - lane[i, PREDICTED]
        size = abs(value)
        if node == ZERO:
            bits[start + o] = 1 if value else 0
        elif node == SIGN:
            bits[start + o] = 1 if value < 0 else 0
        elif node < MANTISSA:
            bits[start + o] = 1 if size >> (node - EXPONENT + 1) else 0
        else:
            bits[start + o] = (size >> (lane[i, LEFT] - 1)) & 1


@njit(cache=True, nogil=True)
def _learn(s: State, bits: Int32, start: int) -> None:
    """Learn from the bits of the active lanes, and step on."""
    lane, active, inputs, weights, sets, dots, final = (
        s.lane,
        s.active,
        s.inputs,
        s.weights,
        s.sets,
        s.dots,
        s.final,
    )
    contexts = s.ctx.shape[1]
    rate = RATE_LAST + (RATE_FIRST - RATE_LAST) * RATE_BLOCKS // (RATE_BLOCKS + s.wave[BLOCKS])
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        bit = np.int64(bits[start + o])
        f = s.component * CLASSES + _class(lane[i, NODE])
        _move(s.apm, lane[i, APM_AT], bit, APM_LIMIT)
        target = bit * 65535
        final_step = (target - lane[i, ERROR]) * FINAL_RATE
        own_rate = (rate * DAMPING[lane[i, SQUARES]]) >> 16
        for m in range(sets.shape[1]):
            dot = dots[i, m]
            moved = final[f, m] + ((dot * final_step + (1 << 17)) >> 18)
            final[f, m] = min(max(moved, -FINAL_MAX), FINAL_MAX)
            step = np.int32(((target - (_squash(dot) >> 8)) * own_rate) >> 8)
            _train(weights, sets[i, m], inputs, i, step)
        for j in range(contexts):
            _move(s.maps, s.map_at[i, j], bit, MAP_LIMIT)
            _move(s.cells, s.at[i, j], bit, CELL_LIMIT)
    left = 0
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        if _step(s, i, np.int64(bits[start + o])):
            active[left] = i
            left += 1
    s.wave[ACTIVE] = left


@njit(cache=True, nogil=True)
def _step(s: State, i: int, bit: int) -> bool:
    """Take a bit; return whether the block of lane ``i`` goes on."""
    lane = s.lane
    node = lane[i, NODE]
    r = s.wave[FIRST] + i
    c = s.wave[T] - SLOPE * r
    if node < ZERO:
        node = 2 * node + bit
        lane[i, NODE] = node
        if node >= 64:
            length = node - 64
            s.lengths[r, c] = length
            lane[i, LENGTH] = length
            lane[i, K] = length
            lane[i, NODE] = SIGN if length else ZERO
            _value_contexts(s, i, r, c)
        return True
    if node == ZERO:
        if bit == 0:
            return _settle(s, i, r, c, np.int64(0))
        lane[i, NODE] = SIGN
        return True
    if node == SIGN:
        lane[i, VALUE] = bit
        lane[i, NODE] = EXPONENT
        return True
    if node < MANTISSA:
        power = node - EXPONENT
        if bit and power < 11:
            lane[i, NODE] = node + 1
            return True
        if bit:
            power += 1
        lane[i, POWER], lane[i, LEFT] = 1, power
        if power:
            lane[i, NODE] = MANTISSA + min(power, 11) * 16
            return True
    else:
        lane[i, POWER] = 2 * lane[i, POWER] + bit
        lane[i, LEFT] -= 1
        done = (node - MANTISSA) & 15
        if lane[i, LEFT]:
            base = node - done
            lane[i, NODE] = base + (1 + bit if done == 0 else 2 + min(lane[i, LEFT], 12))
            return True
    size = lane[i, POWER]
    return _settle(s, i, r, c, -size if lane[i, VALUE] else size)


@njit(cache=True, nogil=True)
def _settle(s: State, i: int, r: int, c: int, value: int) -> bool:
    """Take a coefficient and go on to the next; return whether there is one."""
    lane = s.lane
    k = lane[i, K]
    p = s.zigzag[k]
    u, v = p >> 3, p & 7
    value += lane[i, PREDICTED]
    s.blocks[r, c, p] = value
    x, y, sums, sizes = s.features, s.sizes, s.sums, s.size_sums
    for a in range(SIGNED):
        for q in range(a, SIGNED):
            sums[k, a, q] += x[i, a] * x[i, q]
        sums[k, a, SIGNED] += x[i, a] * value
    size = _log(abs(value))
    for a in range(SIZED):
        for q in range(a, SIZED):
            sizes[k, a, q] += y[i, a] * y[i, q]
        sizes[k, a, SIZED] += y[i, a] * size
    if value:
        wide = value * s.steps[p]
        s.left_sums[i, u] += EDGE[v] * wide
        s.top_sums[i, v] += EDGE[u] * wide
        s.right[r, c, u] += ALTERNATING[v] * wide
        s.bottom[r, c, v] += ALTERNATING[u] * wide
        lane[i, NONZERO] = min(lane[i, NONZERO] + 1, 63)
        lane[i, ENERGY] += abs(value)
    if k == 0:
        return False
    lane[i, K] = k - 1
    lane[i, NODE] = ZERO
    _value_contexts(s, i, r, c)
    return True


@njit(cache=True, nogil=True)
def _fit(sums: Float64, n: int, ridge: float, scratch: Float64, w: Float64) -> None:
    for a in range(n):
        for q in range(a, n + 1):
            scratch[a, q] = sums[a, q]
        scratch[a, a] += ridge
    for k in range(n):
        for i in range(k + 1, n):
            factor = scratch[k, i] / scratch[k, k]
            for j in range(i, n + 1):
                scratch[i, j] -= factor * scratch[k, j]
    for i in range(n - 1, -1, -1):
        total = scratch[i, n]
        for j in range(i + 1, n):
            total -= scratch[i, j] * w[j]
        w[i] = total / scratch[i, i]


@njit(cache=True, nogil=True)
def _begin_wave(s: State) -> None:
    """Set up the lanes of the wavefront."""
    if s.wave[T] % EVERY == 0:
        for k in range(64):
            _fit(s.sums[k], SIGNED, 4.0, s.scratch, s.fitted[k])
            _fit(s.size_sums[k], SIZED, 4.0, s.scratch, s.size_fitted[k])
    rows, columns = s.blocks.shape[0], s.blocks.shape[1]
    t = s.wave[T]
    first = max(np.int64(0), (t - columns + 1 + SLOPE - 1) // SLOPE)
    last = min(np.int64(rows - 1), t // SLOPE)
    count = max(last - first + 1, 0)
    s.wave[FIRST], s.wave[COUNT], s.wave[ACTIVE] = first, count, count
    s.wave[BLOCKS] += count
    for i in range(count):
        r = first + i
        s.active[i] = i
        s.lane[i, NODE], s.lane[i, K], s.lane[i, PREDICTED] = 1, 0, 0
        for u in range(8):
            s.left_sums[i, u] = 0
            s.top_sums[i, u] = 0
        _length_contexts(s, i, r, t - SLOPE * r)


class _StateType(types.StructRef):  # type: ignore[misc]  # numba is not typed
    def preprocess_fields(self, fields: Any) -> Any:
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


structref.register(_StateType)


class _Shared(structref.StructRefProxy):  # type: ignore[misc]  # numba is not typed
    """The state as one object: an argument's every array takes numba 0.3 us."""


structref.define_proxy(_Shared, _StateType, ["state"])


@njit(cache=True, nogil=True)
def _share(state: State) -> _Shared:
    return _Shared(state)


@njit(cache=True, nogil=True)
def _advance(shared: _Shared, end: int, decoding: bool, bits: Int32, rows: Float64) -> int:
    """Go on to wavefront ``end``; return for how many bits there are rows now.

    The decoder takes the bits of the rows that it got last, and goes on to the next rows, or to the end: 0.
    The encoder stops when its room may not suffice for the next step.
    """
    s = shared.state
    wave = s.wave
    start = 0
    while True:
        if wave[WAITING]:
            before = wave[ACTIVE]
            _learn(s, bits, start)
            wave[WAITING] = 0
            if not decoding:
                start += before
            if wave[ACTIVE] == 0:
                wave[T] += 1
                wave[COUNT] = 0
        if wave[ACTIVE] == 0:
            if wave[T] == end:
                return start
            _begin_wave(s)
            if wave[COUNT] == 0:
                wave[T] += 1
                continue
        if not decoding and start + wave[ACTIVE] > len(bits):
            return start
        _predict(s, rows, start)
        wave[WAITING] = 1
        if decoding:
            return int(wave[ACTIVE])
        _known(s, bits, start)


class _Run:
    """Codes or decodes the components of an image."""

    def __init__(self, coefficients: Coefficients, decoding: bool) -> None:
        self._decoding = decoding
        self._blocks = [b.astype(np.int32) for b in coefficients.blocks]
        self._c = coefficients
        total = sum(b.size for b in coefficients.blocks)
        bits = min(max((total // 2).bit_length(), MIN_CELL_BITS), MAX_CELL_BITS)
        lanes = max(len(b) for b in coefficients.blocks)
        self._cell_bits, self._lanes = bits, lanes
        self._learnt = dict(
            cells=np.zeros(CONTEXTS << bits, np.int32),
            checks=np.zeros(CONTEXTS << bits, np.uint16),
            cell_bits=bits,
            weights=np.full((MIXERS * 4 * CLASSES * 64, INPUTS), 0, np.int32),
            final=np.full((4 * CLASSES, MIXERS), (1 << WEIGHT_BITS) // MIXERS, np.int64),
            maps=np.tile(_new_map(), CLASSES * CONTEXTS),
            apm=np.tile(_new_apm(), 3 * 64 * CLASSES),
            lane=np.zeros((lanes, LANE_FIELDS), np.int64),
            active=np.zeros(lanes, np.int64),
            ctx=np.zeros((lanes, CONTEXTS), np.int64),
            at=np.zeros((lanes, CONTEXTS), np.uint64),
            map_at=np.zeros((lanes, CONTEXTS), np.uint64),
            inputs=np.zeros((lanes, INPUTS), np.int32),
            sets=np.zeros((lanes, MIXERS), np.uint64),
            set_of=np.zeros((lanes, MIXERS), np.int64),
            dots=np.zeros((lanes, MIXERS), np.int64),
            zigzag=ZIGZAG,
            wave=np.zeros(WAVE_FIELDS, np.int64),
        )
        self._learnt["weights"][:, 1 : 1 + CONTEXTS] = FIRST_WEIGHT

    def code(self, coder: Coder) -> list[Int32]:
        for component, blocks in enumerate(self._blocks):
            self._component(component, blocks, coder)
        return self._blocks

    def _component(self, component: int, blocks: Int32, coder: Coder) -> None:
        rows, columns = blocks.shape[:2]
        c = self._c
        nothing = np.zeros(blocks.shape, np.int32)
        other = nothing
        if component:
            luma = np.abs(self._blocks[0])
            v, h = c.vertical, c.horizontal
            padded = np.zeros((rows * v, columns * h, 64), np.int32)
            padded[: len(luma), : luma.shape[1]] = luma[: rows * v, : columns * h]
            other = np.ascontiguousarray(padded.reshape(rows, v, columns, h, 64).sum((1, 3), dtype=np.int32))
        learnt = self._learnt
        learnt["wave"][:BLOCKS] = 0
        state = State(
            blocks=blocks,
            other=other,
            earlier=self._blocks[1] if component == 2 else nothing,
            steps=c.tables[component].astype(np.int64),
            right=np.zeros((rows, columns, 8), np.int64),
            bottom=np.zeros((rows, columns, 8), np.int64),
            lengths=np.zeros((rows, columns), np.int64),
            left_sums=np.zeros((self._lanes, 8), np.int64),
            top_sums=np.zeros((self._lanes, 8), np.int64),
            component=component,
            features=np.zeros((self._lanes, SIGNED)),
            sizes=np.zeros((self._lanes, SIZED)),
            sums=np.zeros((64, SIGNED, SIGNED + 1)),
            size_sums=np.zeros((64, SIZED, SIZED + 1)),
            fitted=np.zeros((64, SIGNED)),
            size_fitted=np.zeros((64, SIZED)),
            scratch=np.zeros((SIGNED, SIGNED + 1)),
            **learnt,
        )
        shared = _share(state)
        end = columns + SLOPE * (rows - 1)
        room = self._lanes if self._decoding else max(1 << 16, self._lanes)
        bits, probabilities = np.zeros(room, np.int32), np.zeros((room, 2))
        if self._decoding:
            taken = bits[:0]
            while count := _advance(shared, end, True, taken, probabilities):
                taken = coder.code(taken, probabilities[:count])
        else:
            while count := _advance(shared, end, False, bits, probabilities):
                coder.code(bits[:count], probabilities[:count])


def encode_coefficients(coefficients: Coefficients) -> bytes:
    """Return the payload of the chunk COEF."""
    c = coefficients
    head = bytes([c.top, c.left, SUBSAMPLINGS.index((c.horizontal, c.vertical))])
    for table in c.tables:
        head += bytes(table.astype(np.uint8)[ZIGZAG])
    encoder = Encoder()
    _Run(c, False).code(encoder)
    return head + encoder.finish()


def decode_coefficients(payload: bytes, height: int, width: int, channels: int) -> Coefficients:
    """Return the coefficients of an image of this size; raise CorruptFileError if they do not fit it."""
    top, left, sub = payload[:3]
    horizontal, vertical = SUBSAMPLINGS[sub]
    tables, at = [], 3
    for _ in range(channels):
        table = np.zeros(64, np.int32)
        table[ZIGZAG] = np.frombuffer(payload, np.uint8, 64, at)
        tables.append(table)
        at += 64
    shapes = [block_counts(height, width, top, left, horizontal, vertical, k) for k in range(channels)]
    empty = Coefficients(
        *(height, width, top, left, horizontal, vertical, tuple(tables)),
        tuple(np.zeros((*shape, 64), np.int16) for shape in shapes),
    )
    decoder = Decoder(payload[at:])
    blocks = _Run(empty, True).code(decoder)
    decoder.finish()
    return empty._replace(blocks=tuple(b.astype(np.int16) for b in blocks))
