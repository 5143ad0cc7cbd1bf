"""The bits of blocks, as :mod:`pixcodec.coding.driver` drives them (FORMAT.md, Rounds of streams).

A block is the number of its coefficients up to the last that is not zero, then these, the highest frequency
first and DC last: most of a block is known before its low frequencies, which its neighbours foresee best. A
bit is predicted by contexts, mixers and an adaptive map of their output, as in :mod:`pixcodec.mixing.mixer`,
whose kernels these are. Every row of blocks is a lane, which goes on as long as the row above is ahead. Lanes
with a block under way take their next bits together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.coding.driver import learn, predict, prepare, recall
from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.state import FIRST_EDGE, LAST_EDGE, ZIGZAG
from pixcodec.jpeg.stream.contexts import length_contexts, length_of, value_contexts
from pixcodec.jpeg.stream.fits import EVERY, fit_all, log4, take_sample
from pixcodec.jpeg.stream.network import (
    EXPONENTS,
    NEGATIVE,
    NODES,
    NOT_ZERO,
    add_coefficient,
    add_length,
    coefficient_logit,
    foresee_block,
    length_logit,
)
from pixcodec.jpeg.stream.state import (
    KINDS,
    NODE_CLASSES,
    SET_CLASSES,
    SIZES,
    VALUES,
    Float64,
    Int32,
    Stream,
    contexts_of,
    mixers_of,
)
from pixcodec.mixing.counters import COUNT_BITS, HALF, move
from pixcodec.mixing.maps import APM_LOGITS, TOTAL, corrected
from pixcodec.mixing.mixer import mix_sized, train_sized
from pixcodec.mixing.slots import claim_slots, seek_slots
from pixcodec.mixing.tables import STRETCH_TABLE
from pixcodec.mixing.vectors import WIDTH
from pixcodec.network.kernels import implements, inlined, kernel

COUNTER_LIMIT, APM_LIMIT = 255, 1023
PLAIN_LEAST = 1 << 12  # least probability of a bit that is not mixed, in 2**-24
RATE_FIRST, RATE_LAST, RATE_BLOCKS = 3000, 300, 256
MAX_POWER = 15
WELL_KNOWN = 512  # blocks of a component, up to which the fits learn from all
# The phases of a block: whether its length is 0, the length in two parts of three bits, then those of every
# coefficient.
EMPTY, HIGH_LENGTH, LOW_LENGTH, ZERO, SIGN, EXPONENT, MANTISSA = range(7)
# The classes of nodes: three of each part of the length, then these, 8 exponents and 7 of the mantissa.
_ZERO_CLASS, _SIGN_CLASS, _EXPONENT_CLASS, _MANTISSA_CLASS, _EMPTY_CLASS = 6, 7, 8, 16, 23
# The entries of a slot: 1 .. 7 for a part of the length, and one; of a coefficient the others.
_EMPTY_ENTRY = 8
_ZERO_ENTRY, _SIGN_ENTRY, _EXPONENT_ENTRY, _MANTISSA_ENTRY = 1, 2, 3, 9


@inlined
def _counts(number: int) -> Any:
    """Return a number that is not negative, which the compiler is told so."""
    return max(number, 0)


def _prepare(stage: Stream) -> int:
    wave = stage.wave[0]
    if wave.own == 0:
        _begin_block(stage, 0)
        stage.active[0] = stage.fresh[0] = 0
        wave.active = wave.fresh = 1
    for o in range(wave.fresh):
        claim_slots(stage.slots, _counts(stage.fresh[o]), (0, contexts_of(stage)))
    wave.fresh = 0
    return int(wave.active)


@kernel
def _begin_block(stage: Stream, r: int) -> None:
    wave, own = stage.wave[0], stage.lane[r]
    c = own.column
    wave.blocks += 1
    wave.own += 1
    stage.progress[0].pixels += FREQUENCIES
    own.under_way = 1
    own.nonzero, own.energy, own.logs, own.node, own.k = 0, 0, 0, 0, 0
    _aim(own, EMPTY, _EMPTY_ENTRY, _EMPTY_CLASS)
    for u in range(8):
        stage.rest_left[r, u], stage.rest_top[r, u] = stage.right[r, u], stage.bottom[c, u]
        stage.new_right[r, u] = stage.new_bottom[r, u] = 0
    length_contexts(stage, r, c)
    if stage.network.used:
        foresee_block(stage, r, c)
    seek_slots(stage.slots, stage.ctx, r, 0, (0, contexts_of(stage)))


@inlined
def _aim(own: Any, phase: int, entry: int, kind: int) -> None:
    """Say which decision is next."""
    own.phase, own.entry, own.kind = phase, entry, kind


@inlined
def _foreseen(stage: Stream, i: int) -> Any:
    """Return the network's logit of the next bit of row ``i``, in 1/256; 256 if it has none."""
    own, n, logit = stage.lane[i], stage.network, np.int64(256)
    phase, k = own.phase, _counts(own.k)
    if phase == ZERO:
        logit = coefficient_logit(n, i, k, NOT_ZERO)
    elif phase == SIGN:
        logit = coefficient_logit(n, i, k, NEGATIVE)
    elif phase == EXPONENT:
        if own.power < EXPONENTS:
            logit = coefficient_logit(
                n, i, k, (NEGATIVE if own.negative else NOT_ZERO) + 1 + _counts(own.power)
            )
    elif phase <= LOW_LENGTH:
        node = np.int64(0)
        if phase == HIGH_LENGTH:
            node = own.entry
        elif phase == LOW_LENGTH:
            node = (own.node - 8) * 7 + 7 + own.entry
        logit = length_logit(n, i, min(max(node, 0), NODES - 1))
    return logit


def _predict(stage: Stream, buffer: Float64, start: int) -> None:
    lane, apm, mixers, active, plain = stage.lane, stage.apm, stage.mixers, stage.active, stage.plain
    at, entries = stage.slots.at, stage.slots.entries
    inputs, sets, classes, component = mixers.inputs[0], mixers.sets, stage.set_classes, stage.component
    contexts, many = contexts_of(stage), mixers_of(stage)
    plain_fit, plain_kind = stage.plain_fit, stage.plain_kind
    for o in range(stage.wave[0].active):
        i = _counts(active[o])
        own = lane[i]
        kind = _counts(own.kind)
        own.mixes = not (plain_kind <= kind < _EMPTY_CLASS or (kind == _SIGN_CLASS and own.fit < plain_fit))
        if own.mixes:
            entry = np.uint64(own.entry)
            inputs[i, 0] = _foreseen(stage, i) if stage.network.used else 256
            for j in range(contexts):
                inputs[i, 1 + j] = STRETCH_TABLE[(entries[at[i, j] + entry] >> 20) + 2048]
            for m in range(many):
                which = (m * 4 + component) * NODE_CLASSES + kind
                sets[i, m] = which * SET_CLASSES + classes[i, m]
        else:
            own.apm_at = (component * FREQUENCIES + _counts(own.k)) * NODE_CLASSES + kind
    for o in range(stage.wave[0].active):  # apart: what was just written by numbers is read by vectors
        i = _counts(active[o])
        own = lane[i]
        if own.mixes:
            kind = _counts(own.kind)
            mixed = mix_sized(
                mixers, inputs, i, component * NODE_CLASSES + kind, own, (1 + contexts) // WIDTH, many
            )
            first = ((component * FREQUENCIES + _counts(own.k)) * NODE_CLASSES + kind) * APM_LOGITS
            one = corrected(apm, first, mixed, own)
        else:
            one = ((plain[_counts(own.apm_at)] >> COUNT_BITS) + HALF) << 2
            one = min(max(one, PLAIN_LEAST), TOTAL - PLAIN_LEAST)
        buffer[start + o, 0] = TOTAL - one - 1
        buffer[start + o, 1] = one - 1


def _recall(stage: Stream, buffer: Int32, start: int) -> None:
    lane, active, wave, blocks = stage.lane, stage.active, stage.wave[0], stage.blocks
    for o in range(wave.active):
        r = _counts(active[o])
        own = lane[r]
        c = _counts(own.column)
        if own.phase <= LOW_LENGTH:
            if own.phase == EMPTY:
                own.length = length_of(blocks, r, c)
                buffer[start + o] = own.length != 0
                continue
            depth = 0 if own.entry < 2 else 1 if own.entry < 4 else 2
            buffer[start + o] = (own.length >> ((5 if own.phase == HIGH_LENGTH else 2) - depth)) & 1
            continue
        value = np.int64(blocks[r, c, ZIGZAG[own.k]]) - own.predicted
        if own.phase == ZERO:
            buffer[start + o] = value != 0
        elif own.phase == SIGN:
            buffer[start + o] = value < 0
        elif own.phase == EXPONENT:
            buffer[start + o] = abs(value) >> (own.power + 1) != 0
        else:
            buffer[start + o] = (abs(value) >> (own.left - 1)) & 1


def _learn(stage: Stream, buffer: Int32, start: int) -> None:
    lane, active, mixers, wave, apm = stage.lane, stage.active, stage.mixers, stage.wave[0], stage.apm
    plain = stage.plain
    at, entries = stage.slots.at, stage.slots.entries
    inputs, component, contexts = mixers.inputs[0], stage.component, contexts_of(stage)
    many, vectors = mixers_of(stage), (1 + contexts) // WIDTH
    rate = RATE_LAST + (RATE_FIRST - RATE_LAST) * RATE_BLOCKS // (RATE_BLOCKS + wave.blocks)
    for o in range(wave.active):
        i, bit = _counts(active[o]), np.int64(buffer[start + o])
        own = lane[i]
        if not own.mixes:
            move(plain, _counts(own.apm_at), bit, COUNTER_LIMIT)
            continue
        move(apm, _counts(own.apm_at), bit, APM_LIMIT)
        f = component * NODE_CLASSES + _counts(own.kind)
        train_sized(mixers, inputs, (0, many), i, f, own, bit, rate, vectors)
        entry = np.uint64(own.entry)
        for j in range(contexts):
            move(entries, at[i, j] + entry, bit, COUNTER_LIMIT)
    _go_on(stage, buffer, start)
    if wave.own >= wave.fit_at:
        fit_all(stage)
        wave.fit_at = wave.own + wave.own // EVERY + 8


@inlined
def _go_on(stage: Stream, buffer: Int32, start: int) -> None:
    """Take the bits, begin blocks whose neighbours are complete, and list the rows that go on."""
    lane, active, fresh, after, wave = stage.lane, stage.active, stage.fresh, stage.after, stage.wave[0]
    rows, columns = stage.blocks.shape[0], stage.blocks.shape[1]
    count = begun = 0
    for o in range(wave.active):
        r = _counts(active[o])
        outcome = _take(stage, r, np.int64(buffer[start + o]))
        if outcome != _DONE:
            after[count] = r
            count += 1
            if outcome == _BEGUN:
                fresh[begun] = r
                begun += 1
            continue
        for next_row in range(r, min(r + 2, rows)):  # this row, and the one that may have waited for it
            own = lane[next_row]
            may = own.column < columns and (next_row == 0 or own.column < lane[next_row - 1].column)
            if own.under_way == 0 and may:
                _begin_block(stage, next_row)
                after[count] = fresh[begun] = next_row
                count += 1
                begun += 1
    wave.active, wave.fresh = count, begun
    for o in range(count):
        active[o] = after[o]


_DONE, _GOES_ON, _BEGUN = range(3)


@kernel
def _take(s: Stream, i: int, bit: int) -> int:
    """Take a bit of the block of row ``i``; return whether the block goes on, and needs other contexts."""
    own = s.lane[i]
    phase = own.phase
    if phase == EXPONENT:
        if bit and own.power < MAX_POWER - 1:
            own.power += 1
            _aim(own, EXPONENT, _EXPONENT_ENTRY + min(own.power, 5), _EXPONENT_CLASS + min(own.power, 7))
            return _GOES_ON
        own.power += bit
        own.value, own.left = 1, own.power
        if own.left:
            which = min(own.power, 4) - 1
            _aim(own, MANTISSA, _MANTISSA_ENTRY + which, _MANTISSA_CLASS + which)
            return _GOES_ON
    elif phase == MANTISSA:
        own.value = 2 * own.value + bit
        own.left -= 1
        if own.left:
            which = 3 + min(own.power - own.left, 3)
            _aim(own, MANTISSA, _MANTISSA_ENTRY + which, _MANTISSA_CLASS + which)
            return _GOES_ON
    elif phase == ZERO:
        if bit:
            _aim(own, SIGN, _SIGN_ENTRY, _SIGN_CLASS)
            return _GOES_ON
        own.value, own.negative = 0, 0
    elif phase == SIGN:
        own.negative, own.power = bit, 0
        _aim(own, EXPONENT, _EXPONENT_ENTRY, _EXPONENT_CLASS)
        return _GOES_ON
    elif phase == EMPTY:
        if bit:
            _aim(own, HIGH_LENGTH, 1, 0)
            return _GOES_ON
        return int(_begin_values(s, i, 0))
    else:
        return int(_take_length(s, i, bit))
    return int(_settle(s, i))


@kernel
def _take_length(s: Stream, i: int, bit: int) -> int:
    own = s.lane[i]
    node = 2 * own.entry + bit
    low = own.phase == LOW_LENGTH
    if node < 8:
        _aim(own, own.phase, node, (3 if low else 0) + (1 if node < 4 else 2))
        return _GOES_ON
    if not low:
        own.node = node
        _aim(own, LOW_LENGTH, 1, 3)
        seek_slots(s.slots, s.ctx, i, node, (0, contexts_of(s)))
        return _BEGUN
    return int(_begin_values(s, i, (own.node - 8) * 8 + node - 8))


@kernel
def _begin_values(s: Stream, i: int, length: int) -> int:
    """Go on to the coefficients of a block of this length."""
    own = s.lane[i]
    c = own.column
    s.lengths[i, c] = length
    own.length, own.k = length, length
    if s.network.used:
        add_length(s.network, _counts(i), _counts(length))
    if length:
        _aim(own, SIGN, _SIGN_ENTRY, _SIGN_CLASS)  # the last one is not zero
    else:
        _aim(own, ZERO, _ZERO_ENTRY, _ZERO_CLASS)
    value_contexts(s, i, c)
    seek_slots(s.slots, s.ctx, i, 0, (0, contexts_of(s)))
    return _BEGUN


@kernel
def _settle(s: Stream, i: int) -> int:
    """Take the coefficient of row ``i`` and go on to the next; return whether there is one."""
    own = s.lane[i]
    r, c, k = _counts(i), _counts(own.column), _counts(own.k)
    p = _counts(ZIGZAG[k])
    u, v = p >> 3, p & 7
    value = (-own.value if own.negative else own.value) + own.predicted
    value = ((value + (1 << 15)) & 0xFFFF) - (1 << 15)  # damage may lead anywhere
    s.blocks[r, c, p] = value
    if ((r + c) & (s.sampled - 1)) == 0 or s.wave[0].own < WELL_KNOWN:
        s.value_features[i, VALUES], s.size_features[i, SIZES] = value << 4, log4(abs(value))
        take_sample(s.values, s.sizes, s.value_features, s.size_features, i, k)
    wide = value * s.steps[p]
    if value:
        s.rest_left[i, u] -= FIRST_EDGE[v] * wide
        s.rest_top[i, v] -= FIRST_EDGE[u] * wide
        s.new_right[i, u] += LAST_EDGE[v] * wide
        s.new_bottom[i, v] += LAST_EDGE[u] * wide
    if k == 0:
        if s.network.used:
            s.network.residuals[r, c] = value - own.predicted
        s.energies[r, c] = own.energy
        for q in range(8):
            s.right[r, q], s.bottom[c, q] = s.new_right[i, q], s.new_bottom[i, q]
        own.column, own.under_way = c + 1, 0
        return _DONE
    if s.network.used:
        own.logs += add_coefficient(s.network, r, k, value)
    own.nonzero += value != 0
    own.energy += abs(value)
    own.k = k - 1
    _aim(own, ZERO, _ZERO_ENTRY, _ZERO_CLASS)
    value_contexts(s, i, c)
    seek_slots(s.slots, s.ctx, i, 0, (0, contexts_of(s)))
    return _BEGUN


for _kind in KINDS:
    implements(prepare, _kind)(_prepare)
    implements(predict, _kind)(_predict)
    implements(recall, _kind)(_recall)
    implements(learn, _kind)(_learn)
