"""Coefficients <-> bytes as files of earlier versions have them (FORMAT.md, section One bitstream).

Every bit is predicted from what like ones have been.

A block is the number of its coefficients up to the last that is not zero, then these, the highest frequency
first and DC last: most of a block is known before its low frequencies, which its neighbours foresee best. A
bit is predicted by contexts, mixers and an adaptive map of their output, as in :mod:`pixcodec.mixing.mixer`,
whose kernels these are. The components follow one another; blocks with the same t = column + 2 row are lanes,
which take their next bits together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from pixcodec.coding.driver import Coder, learn, predict, prepare, recall, run
from pixcodec.coding.self_test import check_stages
from pixcodec.jpeg.contexts import length_contexts, length_of, value_contexts
from pixcodec.jpeg.fits import fit_all, take_sample
from pixcodec.jpeg.self_test import EXPECTED_CHUNK, made_image
from pixcodec.jpeg.state import (
    EXPONENT,
    FIRST_EDGE,
    LAST_EDGE,
    MANTISSA,
    MAX_POWER,
    NODE_CLASSES,
    SET_CLASSES,
    SIGN,
    SLOPE,
    ZERO,
    ZIGZAG,
    Float64,
    Int32,
    State,
    new_learning,
    of_component,
)
from pixcodec.jpeg.stream.coder import Image, known_beside
from pixcodec.mixing.counters import move
from pixcodec.mixing.maps import APM_LOGITS, MAP_LIMIT, TOTAL, corrected, read_counters
from pixcodec.mixing.mixer import mix, train_mixers
from pixcodec.mixing.slots import bits_of, hash_of, salt_of
from pixcodec.network.kernels import implements, inlined, kernel

CELL_LIMIT, APM_LIMIT = 255, 1023
RATE_FIRST, RATE_LAST, RATE_BLOCKS = 3000, 300, 256


def code_image(image: Image, coder: Coder, *, decoding: bool) -> None:
    """Code the blocks of an image, or decode them into these arrays."""
    _check_arithmetic()
    for stage in component_stages(image):
        run(stage, coder, decoding=decoding)


@cache
def _check_arithmetic() -> None:
    """Raise SelfTestError unless this machine codes coefficients as all must."""
    check_stages("JPEG coefficients", EXPECTED_CHUNK, lambda: component_stages(Image(*made_image())))


def component_stages(image: Image) -> Iterator[State]:
    """Yield the stage of each component, each once the one before is coded."""
    lanes = max(min(len(b), -(-b.shape[1] // SLOPE)) for b in image.blocks)
    shared = new_learning(sum(b.size for b in image.blocks), lanes)
    for component, own in enumerate(image.blocks):
        luma, blue = known_beside(image, component)
        steps = image.tables[component].astype(np.int64)
        yield of_component(shared, component, own, luma, blue, steps)


@implements(prepare, State)
def _prepare(stage: State) -> int:
    wave = stage.wave[0]
    while wave.active == 0 and wave.t < wave.end:
        _begin_wavefront(stage)
        if wave.active == 0:
            wave.t += 1
    return int(wave.active)


@kernel
def _begin_wavefront(stage: State) -> None:
    """Set up the lanes of the wavefront."""
    fit_all(stage)
    wave, lane = stage.wave[0], stage.lane
    rows, columns, t = stage.blocks.shape[0], stage.blocks.shape[1], wave.t
    first = max(0, (t - columns + SLOPE) // SLOPE)
    count = max(min(rows - 1, t // SLOPE) - first + 1, 0)
    wave.first, wave.active = first, count
    wave.blocks += count
    for i in range(count):
        stage.active[i] = i
        lane[i].node, lane[i].k = 1, 0
        lane[i].predicted, lane[i].nonzero, lane[i].energy = 0, 0, 0
        for u in range(8):
            stage.left[i, u] = 0
            stage.top[i, u] = 0
        length_contexts(stage, i, first + i, t - SLOPE * (first + i))


@inlined
def _class(node: int) -> Any:
    """Return the class of a node, 0..23."""
    if node < ZERO:
        return np.int64(0 if node < 2 else 1 if node < 4 else 2)
    if node < MANTISSA:
        return np.int64(node - ZERO + 3)
    return np.int64(19 + min((node - MANTISSA) & 15, 4))


@kernel
def _find_cells(s: State) -> None:
    """Find the cells of the active lanes' contexts; empty those that belonged to others."""
    lane, ctx, at, cells, checks, active, bits = s.lane, s.ctx, s.at, s.cells, s.checks, s.active, s.cell_bits
    for o in range(s.wave[0].active):
        i = active[o]
        salt = salt_of(lane[i].node + 1)
        for j in range(ctx.shape[1]):
            h = hash_of(ctx[i, j] + 1, salt)
            where = np.uint64((j << bits) + bits_of(h, 36, bits))
            check = np.uint16(bits_of(h, 8, 16))
            if checks[where] != check:
                checks[where] = check
                cells[where] = 0
            at[i, j] = where


@implements(predict, State)
def _predict(stage: State, buffer: Float64, start: int) -> None:
    lane, at, cells, maps, mixers = stage.lane, stage.at, stage.cells, stage.maps, stage.mixers
    inputs, sets, active, apm, classes = (
        mixers.inputs[0],
        mixers.sets,
        stage.active,
        stage.apm,
        stage.set_classes,
    )
    contexts, component = stage.ctx.shape[1], stage.component
    _find_cells(stage)  # they lie anywhere in memory: all are asked for before the first is used
    for o in range(stage.wave[0].active):
        i = active[o]
        kind = _class(lane[i].node)
        inputs[i, 1] = 256  # there is no prior
        read_counters(inputs, i, kind, 0, (0, contexts), cells, at, maps)
        for m in range(sets.shape[1]):
            which = (m * 4 + component) * NODE_CLASSES + kind
            sets[i, m] = which * SET_CLASSES + classes[i, m]
        mixed = mix(mixers, inputs, i, component * NODE_CLASSES + kind, lane[i])
        first = ((component * 64 + lane[i].k) * NODE_CLASSES + kind) * APM_LOGITS
        one = corrected(apm, first, mixed, lane[i])
        buffer[start + o, 0] = TOTAL - one - 1
        buffer[start + o, 1] = one - 1


@implements(recall, State)
def _recall(stage: State, buffer: Int32, start: int) -> None:
    lane, active, wave = stage.lane, stage.active, stage.wave[0]
    for o in range(wave.active):
        i = active[o]
        r = wave.first + i
        c = wave.t - SLOPE * r
        node = lane[i].node
        if node < ZERO:
            depth = 0
            while node >> (depth + 1):
                depth += 1
            buffer[start + o] = (length_of(stage.blocks, r, c) >> (5 - depth)) & 1
            continue
        value = stage.blocks[r, c, ZIGZAG[lane[i].k]] - lane[i].predicted
        if node == ZERO:
            buffer[start + o] = value != 0
        elif node == SIGN:
            buffer[start + o] = value < 0
        elif node < MANTISSA:
            buffer[start + o] = abs(value) >> (node - EXPONENT + 1) != 0
        else:
            buffer[start + o] = (abs(value) >> (lane[i].left - 1)) & 1


@implements(learn, State)
def _learn(stage: State, buffer: Int32, start: int) -> None:
    lane, active, cells, maps, at, mixers, wave = (
        stage.lane,
        stage.active,
        stage.cells,
        stage.maps,
        stage.at,
        stage.mixers,
        stage.wave[0],
    )
    entries, map_at, apm = maps.entries, maps.at, stage.apm
    rate = RATE_LAST + (RATE_FIRST - RATE_LAST) * RATE_BLOCKS // (RATE_BLOCKS + wave.blocks)
    for o in range(wave.active):
        i, bit = active[o], np.int64(buffer[start + o])
        f = stage.component * NODE_CLASSES + _class(lane[i].node)
        move(apm, lane[i].apm_at, bit, APM_LIMIT)
        train_mixers(mixers, mixers.inputs[0], (0, stage.set_classes.shape[1]), i, f, lane[i], bit, rate)
        for j in range(at.shape[1]):
            move(entries, map_at[i, j], bit, MAP_LIMIT)
            move(cells, at[i, j], bit, CELL_LIMIT)
    count = 0
    for o in range(wave.active):
        i = active[o]
        if _take(stage, i, np.int64(buffer[start + o])):
            active[count] = i
            count += 1
    wave.active = count
    if count == 0:
        wave.t += 1


@kernel
def _take(s: State, i: int, bit: int) -> bool:
    """Take a bit of the block of lane ``i``; return whether the block goes on."""
    lane = s.lane[i]
    node = lane.node
    if node < ZERO:
        node = 2 * node + bit
        lane.node = node
        if node >= ZERO:
            r = s.wave[0].first + i
            c = s.wave[0].t - SLOPE * r
            length = node - ZERO
            s.lengths[r, c] = length
            lane.length, lane.k = length, length
            lane.node = SIGN if length else ZERO  # the last one is not zero
            value_contexts(s, i, r, c)
        return True
    if node == ZERO:
        lane.node = SIGN
        return True if bit else bool(_settle(s, i, 0))
    if node == SIGN:
        lane.negative, lane.node = bit, EXPONENT
        return True
    if node < MANTISSA:
        power = node - EXPONENT + bit
        if bit and power < MAX_POWER:
            lane.node = node + 1
            return True
        lane.value, lane.left, lane.node = 1, power, MANTISSA + 16 * power
    else:
        lane.value = 2 * lane.value + bit
        lane.left -= 1
        inside = (node - MANTISSA) & 15
        lane.node = node - inside + (1 + bit if inside == 0 else 2 + lane.left)
    if lane.left:
        return True
    return bool(_settle(s, i, -lane.value if lane.negative else lane.value))


@kernel
def _settle(s: State, i: int, value: int) -> bool:
    """Take the coefficient of lane ``i`` and go on to the next; return whether there is one."""
    lane = s.lane[i]
    r = s.wave[0].first + i
    c = s.wave[0].t - SLOPE * r
    k = lane.k
    p = ZIGZAG[k]
    u, v = p >> 3, p & 7
    value += lane.predicted
    s.blocks[r, c, p] = value
    take_sample(s, i, k, value)
    wide = value * s.steps[p]
    s.left[i, u] += FIRST_EDGE[v] * wide
    s.top[i, v] += FIRST_EDGE[u] * wide
    s.right[r, c, u] += LAST_EDGE[v] * wide
    s.bottom[r, c, v] += LAST_EDGE[u] * wide
    lane.nonzero += value != 0
    lane.energy += abs(value)
    if k == 0:
        return False
    lane.k, lane.node = k - 1, ZERO
    value_contexts(s, i, r, c)
    return True
