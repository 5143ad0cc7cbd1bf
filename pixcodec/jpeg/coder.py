"""Coefficients <-> bytes: every bit of them predicted from what like ones have been (FORMAT.md, JPEG).

A block is the number of its coefficients up to the last that is not zero, then these, the highest frequency
first and DC last: most of a block is known before its low frequencies, which its neighbours foresee best. A
bit is predicted by contexts, mixers and an adaptive map of their output, as in :mod:`pixcodec.mixing.mixer`,
whose kernels these are. The components follow one another; blocks with the same t = column + 2 row are lanes,
which take their next bits together.

numba's cache keeps a kernel together with those that it calls, and looks only at this file for changes: touch
it after changing a kernel of another file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.experimental import structref

from pixcodec.coding.nibbles import Coder
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.container.header import unknown
from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.coefficients import (
    MAX_COEFFICIENT,
    SUBSAMPLINGS,
    Blocks,
    Coefficients,
    block_counts,
)
from pixcodec.jpeg.contexts import length_contexts, length_of, value_contexts
from pixcodec.jpeg.fits import fit_all, take_sample
from pixcodec.jpeg.state import (
    ACTIVE,
    BLOCKS,
    ENERGY,
    EXPONENT,
    FIRST,
    FIRST_EDGE,
    LAST_EDGE,
    LEFT,
    LENGTH,
    MANTISSA,
    MAX_POWER,
    NEGATIVE,
    NODE,
    NODE_CLASSES,
    NONZERO,
    PREDICTED,
    SET_CLASSES,
    SIGN,
    SLOPE,
    VALUE,
    WAITING,
    ZERO,
    ZIGZAG,
    Float64,
    Int32,
    K,
    State,
    T,
    learnt,
    of_component,
)
from pixcodec.mixing.mixer import (
    APM_AT,
    APM_LOGITS,
    MAP_LIMIT,
    MULTIPLIERS,
    TOTAL,
    corrected,
    gather,
    mix,
    move,
    train_mixers,
)

CELL_LIMIT, APM_LIMIT = 255, 1023
RATE_FIRST, RATE_LAST, RATE_BLOCKS = 3000, 300, 256
ENCODER_ROOM = 1 << 16  # bits that the encoder's kernel writes before the range coder takes them
_HEAD_SIZE_BYTES = 3
_M0, _M1, _M2 = (np.int64(m) for m in MULTIPLIERS)


def encode_coefficients(coefficients: Coefficients) -> bytes:
    """Return the payload of the chunk COEF; ValueError if a coefficient is beyond MAX_COEFFICIENT."""
    c = coefficients._replace(blocks=tuple(np.ascontiguousarray(b, np.int16) for b in coefficients.blocks))
    if any(b.size and int(np.abs(b).max()) > MAX_COEFFICIENT for b in c.blocks):
        raise ValueError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    head = bytes([c.top, c.left, SUBSAMPLINGS.index((c.horizontal, c.vertical))])
    tables = b"".join(table.astype(np.uint8)[ZIGZAG].tobytes() for table in c.tables)
    encoder = Encoder()
    _code(c, encoder, decoding=False)
    return head + tables + encoder.finish()


def decode_coefficients(payload: bytes, height: int, width: int, channels: int) -> Coefficients:
    """Return the coefficients of an image of this size, in pixels, and 1 or 3 channels.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the payload is none of such an image's, or only a later version of pixcodec knows what it is.
    """
    start = _HEAD_SIZE_BYTES + 64 * channels
    if len(payload) < start:
        raise CorruptFileError(f"coefficients are {len(payload)} bytes, expected at least {start}")
    top, left, subsampling = payload[:_HEAD_SIZE_BYTES]
    if subsampling >= len(SUBSAMPLINGS):
        raise unknown("coefficients", "subsampling", subsampling, f"0..{len(SUBSAMPLINGS) - 1}")
    if subsampling and channels == 1:
        raise CorruptFileError(f"subsampling of a grey image is {subsampling}, expected 0")
    horizontal, vertical = SUBSAMPLINGS[subsampling]
    if top >= 8 * vertical or left >= 8 * horizontal:
        raise CorruptFileError(f"image begins at ({left}, {top}), which is not in its first block")
    steps = np.frombuffer(payload, np.uint8, 64 * channels, _HEAD_SIZE_BYTES).reshape(channels, 64)
    if not steps.all():
        raise CorruptFileError("step of quantisation is 0")
    tables = np.zeros((channels, 64), np.int32)
    tables[:, ZIGZAG] = steps
    shapes = [block_counts(height, width, top, left, horizontal, vertical, k) for k in range(channels)]
    empty = tuple(np.zeros((*shape, 64), np.int16) for shape in shapes)
    c = Coefficients(height, width, top, left, horizontal, vertical, tuple(tables), empty)
    decoder = Decoder(payload[start:])
    _code(c, decoder, decoding=True)
    decoder.finish()
    if any(int(np.abs(b).max()) > MAX_COEFFICIENT for b in c.blocks):
        raise CorruptFileError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    return c


def _code(c: Coefficients, coder: Coder, *, decoding: bool) -> None:
    """Code all components, or decode them into the blocks of ``c``."""
    lanes = max(min(len(b), -(-b.shape[1] // SLOPE)) for b in c.blocks)
    shared = learnt(sum(b.size for b in c.blocks), lanes)
    luma = None
    for component, blocks in enumerate(c.blocks):
        if component == 1:
            luma = _luma_beside(c.blocks[0], c.vertical, c.horizontal, *blocks.shape[:2])
        blue = c.blocks[1] if component == 2 else None
        steps = c.tables[component].astype(np.int64)
        state = _share(of_component(shared, component, blocks, luma, blue, steps))
        end = blocks.shape[1] + SLOPE * (len(blocks) - 1)
        room = lanes if decoding else max(ENCODER_ROOM, lanes)
        bits, rows = np.zeros(room, np.int32), np.zeros((room, 2))
        while count := _advance(state, end, decoding, bits, rows):
            bits[:count] = coder.code(bits[:count], rows[:count])


def _luma_beside(luma: Blocks, vertical: int, horizontal: int, rows: int, columns: int) -> Blocks:
    """Return for each block (rows, columns, 64) of chroma the magnitudes of luma there, added up."""
    padded = np.zeros((rows * vertical, columns * horizontal, 64), np.int16)
    part = np.abs(luma[: len(padded), : padded.shape[1]])
    padded[: len(part), : part.shape[1]] = part
    total: Blocks = padded.reshape(rows, vertical, columns, horizontal, 64).sum((1, 3), dtype=np.int16)
    return total


class _StateType(types.StructRef):  # type: ignore[misc]  # numba is not typed
    def preprocess_fields(self, fields: Any) -> Any:
        return tuple((name, types.unliteral(kind)) for name, kind in fields)


class _Shared(structref.StructRefProxy):  # type: ignore[misc]  # numba is not typed
    """A State as one object: an argument's every array takes numba 0.3 us."""


structref.register(_StateType)
structref.define_proxy(_Shared, _StateType, ["state"])


@njit(cache=True, nogil=True)
def _share(state: State) -> _Shared:
    return _Shared(state)


@njit(cache=True, nogil=True)
def _advance(shared: _Shared, end: int, decoding: bool, bits: Int32, rows: Float64) -> int:
    """Go on, at most to wavefront ``end``; return for how many bits there are rows now, 0 at the end.

    The decoder takes the bits of the rows that it got last, and stops at the next. The encoder writes bits
    and rows while there is room for those of all lanes.
    """
    s = shared.state
    wave, start = s.wave, 0
    while True:
        if wave[WAITING]:
            count = wave[ACTIVE]
            _learn(s, bits, start)
            wave[WAITING] = 0
            if not decoding:
                start += count
            if wave[ACTIVE] == 0:
                wave[T] += 1
        if wave[ACTIVE] == 0:
            if wave[T] == end:
                return start
            _begin_wavefront(s)
            if wave[ACTIVE] == 0:
                wave[T] += 1
                continue
        if not decoding and start + wave[ACTIVE] > len(bits):
            return start
        _predict(s, rows, start)
        wave[WAITING] = 1
        if decoding:
            return int(wave[ACTIVE])
        _write_known(s, bits, start)


@njit(cache=True, nogil=True)
def _begin_wavefront(s: State) -> None:
    """Set up the lanes of the wavefront."""
    fit_all(s)
    rows, columns, t = s.blocks.shape[0], s.blocks.shape[1], s.wave[T]
    first = max(0, (t - columns + SLOPE) // SLOPE)
    count = max(min(rows - 1, t // SLOPE) - first + 1, 0)
    s.wave[FIRST], s.wave[ACTIVE] = first, count
    s.wave[BLOCKS] += count
    for i in range(count):
        s.active[i] = i
        s.lane[i, NODE], s.lane[i, K] = 1, 0
        s.lane[i, PREDICTED], s.lane[i, NONZERO], s.lane[i, ENERGY] = 0, 0, 0
        for u in range(8):
            s.left[i, u] = 0
            s.top[i, u] = 0
        length_contexts(s, i, first + i, t - SLOPE * (first + i))


@njit(cache=True, nogil=True, forceinline=True)
def _class(node: int) -> Any:
    """Return the class of a node, 0..23."""
    if node < ZERO:
        return np.int64(0 if node < 2 else 1 if node < 4 else 2)
    if node < MANTISSA:
        return np.int64(node - ZERO + 3)
    return np.int64(19 + min((node - MANTISSA) & 15, 4))


@njit(cache=True, nogil=True)
def _predict(s: State, rows: Float64, start: int) -> None:
    """Predict the next bit of the active lanes: write frequencies - 1 of 0 and 1 to ``rows[start :]``."""
    lane, ctx, at, cells, checks, maps = s.lane, s.ctx, s.at, s.cells, s.checks, s.maps
    inputs, map_at, sets, active, apm, classes = s.inputs, s.map_at, s.sets, s.active, s.apm, s.set_classes
    contexts, component = ctx.shape[1], s.component
    # Cells lie anywhere in memory: all are asked for before the first is looked at.
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        salt = (lane[i, NODE] + 1) * _M2
        for j in range(contexts):
            h = (ctx[i, j] + 1) * _M0 + salt
            h ^= (h >> 29) & ((1 << 35) - 1)
            h *= _M1
            where = np.uint64((j << s.cell_bits) + ((h >> 36) & ((1 << s.cell_bits) - 1)))
            check = np.uint16((h >> 8) & 0xFFFF)
            if checks[where] != check:
                checks[where] = check
                cells[where] = 0
            at[i, j] = where
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        kind = _class(lane[i, NODE])
        inputs[i, 1] = 256  # there is no prior
        gather(inputs, i, kind, 0, contexts, cells, at, maps, map_at)
        for m in range(sets.shape[1]):
            which = (m * 4 + component) * NODE_CLASSES + kind
            sets[i, m] = which * SET_CLASSES + classes[i, m]
        mixed = mix(inputs, i, component * NODE_CLASSES + kind, s.weights, sets, s.dots, s.final, lane)
        first = ((component * 64 + lane[i, K]) * NODE_CLASSES + kind) * APM_LOGITS
        one = corrected(apm, first, mixed, lane, i)
        rows[start + o, 0] = TOTAL - one - 1
        rows[start + o, 1] = one - 1


@njit(cache=True, nogil=True)
def _write_known(s: State, bits: Int32, start: int) -> None:
    """Write the next bits of the active lanes, whose blocks are known, to ``bits[start :]``."""
    lane, active = s.lane, s.active
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        r = s.wave[FIRST] + i
        c = s.wave[T] - SLOPE * r
        node = lane[i, NODE]
        if node < ZERO:
            depth = 0
            while node >> (depth + 1):
                depth += 1
            bits[start + o] = (length_of(s.blocks, r, c) >> (5 - depth)) & 1
            continue
        value = s.blocks[r, c, ZIGZAG[lane[i, K]]] - lane[i, PREDICTED]
        if node == ZERO:
            bits[start + o] = value != 0
        elif node == SIGN:
            bits[start + o] = value < 0
        elif node < MANTISSA:
            bits[start + o] = abs(value) >> (node - EXPONENT + 1) != 0
        else:
            bits[start + o] = (abs(value) >> (lane[i, LEFT] - 1)) & 1


@njit(cache=True, nogil=True)
def _learn(s: State, bits: Int32, start: int) -> None:
    """Learn from the next bits of the active lanes, ``bits[start :]``, and go on in their blocks."""
    lane, active, inputs, weights, sets, dots = s.lane, s.active, s.inputs, s.weights, s.sets, s.dots
    final, cells, maps, at, map_at = s.final, s.cells, s.maps, s.at, s.map_at
    rate = RATE_LAST + (RATE_FIRST - RATE_LAST) * RATE_BLOCKS // (RATE_BLOCKS + s.wave[BLOCKS])
    for o in range(s.wave[ACTIVE]):
        i, bit = active[o], np.int64(bits[start + o])
        f = s.component * NODE_CLASSES + _class(lane[i, NODE])
        move(s.apm, lane[i, APM_AT], bit, APM_LIMIT)
        train_mixers(inputs, i, f, weights, sets, dots, final, lane, bit, rate)
        for j in range(at.shape[1]):
            move(maps, map_at[i, j], bit, MAP_LIMIT)
            move(cells, at[i, j], bit, CELL_LIMIT)
    count = 0
    for o in range(s.wave[ACTIVE]):
        i = active[o]
        if _take(s, i, np.int64(bits[start + o])):
            active[count] = i
            count += 1
    s.wave[ACTIVE] = count


@njit(cache=True, nogil=True)
def _take(s: State, i: int, bit: int) -> bool:
    """Take a bit of the block of lane ``i``; return whether the block goes on."""
    lane = s.lane
    node = lane[i, NODE]
    if node < ZERO:
        node = 2 * node + bit
        lane[i, NODE] = node
        if node >= ZERO:
            r = s.wave[FIRST] + i
            c = s.wave[T] - SLOPE * r
            length = node - ZERO
            s.lengths[r, c] = length
            lane[i, LENGTH], lane[i, K] = length, length
            lane[i, NODE] = SIGN if length else ZERO  # the last one is not zero
            value_contexts(s, i, r, c)
        return True
    if node == ZERO:
        lane[i, NODE] = SIGN
        return True if bit else bool(_settle(s, i, 0))
    if node == SIGN:
        lane[i, NEGATIVE], lane[i, NODE] = bit, EXPONENT
        return True
    if node < MANTISSA:
        power = node - EXPONENT + bit
        if bit and power < MAX_POWER:
            lane[i, NODE] = node + 1
            return True
        lane[i, VALUE], lane[i, LEFT], lane[i, NODE] = 1, power, MANTISSA + 16 * power
    else:
        lane[i, VALUE] = 2 * lane[i, VALUE] + bit
        lane[i, LEFT] -= 1
        inside = (node - MANTISSA) & 15
        lane[i, NODE] = node - inside + (1 + bit if inside == 0 else 2 + lane[i, LEFT])
    if lane[i, LEFT]:
        return True
    return bool(_settle(s, i, -lane[i, VALUE] if lane[i, NEGATIVE] else lane[i, VALUE]))


@njit(cache=True, nogil=True)
def _settle(s: State, i: int, value: int) -> bool:
    """Take the coefficient of lane ``i`` and go on to the next; return whether there is one."""
    lane = s.lane
    r = s.wave[FIRST] + i
    c = s.wave[T] - SLOPE * r
    k = lane[i, K]
    p = ZIGZAG[k]
    u, v = p >> 3, p & 7
    value += lane[i, PREDICTED]
    s.blocks[r, c, p] = value
    take_sample(s, i, k, value)
    wide = value * s.steps[p]
    s.left[i, u] += FIRST_EDGE[v] * wide
    s.top[i, v] += FIRST_EDGE[u] * wide
    s.right[r, c, u] += LAST_EDGE[v] * wide
    s.bottom[r, c, v] += LAST_EDGE[u] * wide
    lane[i, NONZERO] += value != 0
    lane[i, ENERGY] += abs(value)
    if k == 0:
        return False
    lane[i, K], lane[i, NODE] = k - 1, ZERO
    value_contexts(s, i, r, c)
    return True
