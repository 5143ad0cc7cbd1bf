"""Online mixing: what the network says of each bit, refined by what the tile has shown so far.

A subpixel is coded as the eight bits of its symbol, most significant first, by probabilities whose product is
the subpixel's categorical distribution. The network's distribution gives a prior for every bit. Each context
(:mod:`pixcodec.contexts`) gives another probability, learnt from the bits that followed it before.
Mixers add all of them up in the logistic domain with weights that they learn while coding; a second mixer
joins the mixers, and an adaptive map corrects its output. All numbers are integers; FORMAT.md, section
Mixing, is the norm.

All lanes of a wavefront are predicted from the state before its bit; the updates follow in the order
of the lanes. Encoder and decoder therefore do the same.

Shapes: N lanes, K mixture components, J contexts, I inputs of a mixer, S = 256 symbols.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.architecture import PMF_FLOOR, REACH
from pixcodec.contexts import (
    GREY,
    GREY_CONTEXTS,
    LATTICE_FIELDS,
    MAX_RGB,
    NORMAL_RGB,
    RGB_CONTEXTS,
    grey_contexts,
    invert_lattices,
    lattice_contexts,
    rgb_contexts,
)
from pixcodec.logit_tables import (
    FINE_BITS,
    LN_ENTRIES,
    LN_SIXTEEN,
    LN_TABLE,
    PROBABILITY_BITS,
    SQUASH_RANGE,
    SQUASH_STEP_BITS,
    SQUASH_TABLE,
    STRETCH_TABLE,
    squash,
)

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

TOTAL = 1 << PROBABILITY_BITS
SPREAD = TOTAL - 256 * PMF_FLOOR
LEAST = 16  # least probability of a bit, in 2**-24

# Slots: 16 entries of 32 bits, for one context and nibble. Entry 0 is a check, entry k belongs to node k of
# the nibble: a probability - 1/2 in 22 signed bits above a count in 10 bits.
SLOT = 16
MIN_SLOT_BITS, MAX_SLOT_BITS = 10, 17
CHECK = 1 << 15
COUNT_BITS = 10
COUNT_MASK = (1 << COUNT_BITS) - 1
HALF = 1 << 21
SLOT_LIMIT, MAP_LIMIT = 255, 1023  # a probability moves by at least 1 / (limit + 1.5) of its error
RATE: Int32 = np.array([(2 << 16) // (2 * n + 3) for n in range(COUNT_MASK + 1)], np.int32)
CONFIDENCE: Int32 = np.array([min(256, 32 * n) for n in range(SLOT_LIMIT + 1)], np.int32)
MULTIPLIERS = (-7046029254386353131, -4417276706812531889, -4658895280553007687)
_M0, _M1, _M2 = (np.int64(m) for m in MULTIPLIERS)


# Maps: what (probability, count) of a slot have meant, for every channel and context apart.
MAP_STRETCHES, MAP_COUNTS = 32, 16
MAP_STEP, MAP_LOW = 144, -2304  # of a logit in 1/256
_COUNT_BOUNDS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255)
STRETCH_CLASS: Int32 = np.clip((STRETCH_TABLE - MAP_LOW) // MAP_STEP, 0, MAP_STRETCHES - 1).astype(np.int32)
COUNT_CLASS: Int32 = np.array(
    [MAP_STRETCHES * sum(n >= bound for bound in _COUNT_BOUNDS) for n in range(SLOT_LIMIT + 1)], np.int32
)

# Mixers
WEIGHT_BITS = 20
DOT_SHIFT = WEIGHT_BITS + 8 - FINE_BITS
DOT_MAX = (SQUASH_RANGE << FINE_BITS) - 1
WEIGHT_MAX = 1 << 26
RATE_FIRST, RATE_LAST = 2000, 200  # learning rates in 2**-16
RATE_PIXELS = 4096  # pixels after which half of the way is gone
RATE_ENERGY = 100  # sum of squared inputs at which the rate is halved
FINAL_RATE = 3
FINAL_MAX = 1 << 24
SPREADS, ERRORS, ENERGIES = 16, 4, 64

# The adaptive map of the output: 33 logits from -16 to 16, for every channel and node.
APM_LOGITS = 33
APM_LIMIT = 255

CERTAIN = 9 << 8  # a prior logit beyond which the network is believed: no contexts, no mixing
OFFSET = 136  # symbol of a value that equals its base: the middle of a high nibble
_STEP_BITS = FINE_BITS - SQUASH_STEP_BITS
_Z_RANGE = 1 << 26
_WEIGHT_MAX = np.int32(WEIGHT_MAX)
_TWELVE = np.int32(12)
_Z_STEP_BITS = 17

# Fields of State.wave and of a row of State.lane
CHANNEL, FIRST, COUNT, PIXELS, T, FITS_JFIF, FITS_PHOTO_CD, WAVE_FIELDS = range(8)
NODE, BASE, MEAN, SPREAD_CLASS, ENERGY, MIXED, SQUARES, MIXING, APM_AT, LANE_FIELDS = range(10)


class State(NamedTuple):
    """What a mixer has learnt of a tile, and what it holds of one wavefront."""

    slots: Int32  # J << slot_bits, 16; flat
    weights: Int32  # weight sets, I
    final: Int64  # C * 8, 3: weights of the second mixer
    maps: Int32  # C * J * 512
    apm: Int32  # C * 256 * 33
    error: Int32  # H + 3, W + 6, C: value minus the network's mean in 1/16 level, 0 outside
    lattice: Int32  # H + 3, W + 6, 6: luma and chroma
    chosen: Int64  # C, J: which of the contexts are used
    wave: Int64  # the wavefront's channel, first row, lanes; pixels so far; t; pixels on each lattice
    lane: Int64  # N, 9: see the fields above
    candidates: Int64  # N, all contexts
    ctx: Int64  # N, J
    at: Int64  # N, J: where in slots
    map_at: Int64  # N, J: where in maps
    inputs: Int32  # N, I: the mixer's
    sets: Int64  # N, 3: weight sets
    dots: Int64  # N, 3: their outputs
    edges: Int64  # N, 17: the network's cumulative function at the edges of the nibble's values
    rows: Float64  # N, 2: frequencies - 1 of the bit


@njit(cache=True, nogil=True)
def _ln(n: int) -> Any:
    """Return ln(n) in steps of 1/256, 0 < n <= 2**24."""
    if n <= LN_ENTRIES:
        return np.int64(LN_TABLE[n])
    if n < 1 << 16:
        return np.int64(LN_TABLE[n >> 4]) + LN_SIXTEEN
    if n < 1 << 20:
        return np.int64(LN_TABLE[n >> 8]) + 2 * LN_SIXTEEN
    return np.int64(LN_TABLE[n >> 12]) + 3 * LN_SIXTEEN


@njit(cache=True, nogil=True)
def _squash(logit: int) -> Any:
    """Return the probability in 2**-24 of a logit in steps of 2**-12, -15 <= logit < 15."""
    z = logit + (SQUASH_RANGE << FINE_BITS)
    k = z >> _STEP_BITS
    low = np.int64(SQUASH_TABLE[k])
    rise = np.int64(SQUASH_TABLE[k + 1]) - low
    return low + ((rise * (z & ((1 << _STEP_BITS) - 1))) >> _STEP_BITS)


@njit(cache=True, nogil=True)
def _half_octave(value: int) -> int:
    """Return about 2 log2(value), 0 for values below 2, at most 15."""
    steps = 0
    while value >= 4:
        value >>= 1
        steps += 2
    return min(steps + (1 if value == 3 else 0), 15)


@njit(cache=True, nogil=True)
def _set_edges(
    edges: Int64, i: int, first: int, step: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32
) -> None:
    """Write the network's cumulative function at values ``first + step * j``, j = 0 .. 16, of lane ``i``.

    Values wrap around, so the function goes on after 255 with 2**24 more.
    """
    for j in range(17):
        edges[i, j] = 0
    for k in range(weight.shape[1]):
        w, m, scale = weight[i, k], mean[i, k], inverse[i, k]
        for j in range(17):
            z = (16 * ((first + step * j) & 255) - 8 - m) * scale
            z = min(max(z, -_Z_RANGE), _Z_RANGE - 1) + _Z_RANGE
            at = z >> _Z_STEP_BITS
            low = np.int64(table[at])
            rise = np.int64(table[at + 1]) - low
            edges[i, j] += w * (low + ((rise * (z & ((1 << _Z_STEP_BITS) - 1))) >> _Z_STEP_BITS))
    for j in range(17):
        v = first + step * j
        value = v & 255
        floored = (((edges[i, j] >> 14) * SPREAD) >> PROBABILITY_BITS) + PMF_FLOOR * value
        edges[i, j] = (floored if value > 0 else 0) + (v >> 8) * TOTAL


@njit(cache=True, nogil=True)
def _find_slot(slots: Int32, j: int, context: int, node: int, slot_bits: int) -> Any:
    """Return where in ``slots`` the slot of context ``j`` begins; make room if it is new."""
    h = context * _M0 + node * _M2
    h ^= (h >> 29) & ((1 << 35) - 1)
    h *= _M1
    place = (h >> 40) & ((1 << slot_bits) - 1)
    check = np.int32((h >> 16) & (CHECK - 1) | CHECK)
    first = ((j << slot_bits) + place) * SLOT
    if slots[first] == check:
        return first
    second = ((j << slot_bits) + (place ^ 1)) * SLOT
    if slots[second] == check:
        return second
    if slots[first] != 0 and (
        slots[second] == 0 or (slots[second + 1] & COUNT_MASK) < (slots[first + 1] & COUNT_MASK)
    ):
        first = second
    slots[first] = check
    for k in range(1, SLOT):
        slots[first + k] = 0
    return first


@njit(cache=True, nogil=True)
def _begin_nibble(s: State, slot_bits: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32) -> None:
    # Arrays are taken out of the tuple once: in a loop that would count references every time.
    slots, edges, lane, ctx, at = s.slots, s.edges, s.lane, s.ctx, s.at
    for i in range(s.wave[COUNT]):
        node = lane[i, NODE]
        start = lane[i, BASE] - OFFSET
        if node == 1:
            _set_edges(edges, i, start, 16, weight, mean, inverse, table)
        else:
            _set_edges(edges, i, start + (node - 16) * 16, 1, weight, mean, inverse, table)
        for j in range(ctx.shape[1]):
            at[i, j] = _find_slot(slots, j, ctx[i, j], node, slot_bits)


@njit(cache=True, nogil=True)
def _gather(
    inputs: Int32, i: int, c: int, k: int, slots: Int32, at: Int64, maps: Int32, map_at: Int64
) -> None:
    """Turn what the contexts of lane ``i`` say of node ``k`` of the nibble into the mixers' inputs."""
    contexts = at.shape[1]
    for j in range(contexts):
        entry = slots[at[i, j] + k]
        p, count = (entry >> 20) + 2048, entry & COUNT_MASK
        where = (c * contexts + j) * (MAP_COUNTS * MAP_STRETCHES) + COUNT_CLASS[count] + STRETCH_CLASS[p]
        map_at[i, j] = where
        inputs[i, 2 + 2 * j] = STRETCH_TABLE[(maps[where] >> 20) + 2048]
        inputs[i, 3 + 2 * j] = ((p - 2048) * CONFIDENCE[count]) >> 10


@njit(cache=True, nogil=True)
def _mix(
    inputs: Int32, i: int, f: int, weights: Int32, sets: Int64, dots: Int64, final: Int64, lane: Int64
) -> Any:
    """Return the mixed logit of lane ``i``, in 2**-12; keep in ``lane`` its sum of squared inputs."""
    a, b, d = sets[i, 0], sets[i, 1], sets[i, 2]
    dot_a: Any = np.int64(0)
    dot_b: Any = np.int64(0)
    dot_d: Any = np.int64(0)
    energy: Any = np.int64(0)
    for q in range(inputs.shape[1]):
        v = np.int64(inputs[i, q])
        dot_a += v * weights[a, q]
        dot_b += v * weights[b, q]
        dot_d += v * weights[d, q]
        energy += v * v
    dot_a = min(max(dot_a >> DOT_SHIFT, -DOT_MAX), DOT_MAX)
    dot_b = min(max(dot_b >> DOT_SHIFT, -DOT_MAX), DOT_MAX)
    dot_d = min(max(dot_d >> DOT_SHIFT, -DOT_MAX), DOT_MAX)
    dots[i, 0], dots[i, 1], dots[i, 2] = dot_a, dot_b, dot_d
    lane[i, SQUARES] = energy >> 16
    mixed = (dot_a * final[f, 0] + dot_b * final[f, 1] + dot_d * final[f, 2]) >> WEIGHT_BITS
    return min(max(mixed, -DOT_MAX), DOT_MAX)


@njit(cache=True, nogil=True)
def _predict(s: State, depth: int) -> None:
    """Predict bit ``depth`` (0 is the most significant) of all lanes."""
    inputs, edges, lane, apm, rows, sets = s.inputs, s.edges, s.lane, s.apm, s.rows, s.sets
    slots, at, maps, map_at = s.slots, s.at, s.maps, s.map_at
    weights, dots, final = s.weights, s.dots, s.final
    inside, c = depth & 3, s.wave[CHANNEL]
    half, f = 8 >> inside, c * 8 + depth
    for i in range(s.wave[COUNT]):
        node = lane[i, NODE]
        k = (node & ((1 << inside) - 1)) | (1 << inside)
        lower = (k << (4 - inside)) - 16
        middle = edges[i, lower + half]
        prior = _ln(edges[i, lower + 2 * half] - middle) - _ln(middle - edges[i, lower])
        lane[i, MIXING] = -CERTAIN < prior < CERTAIN
        if lane[i, MIXING]:
            inputs[i, 0], inputs[i, 1] = prior, 256
            _gather(inputs, i, c, k, slots, at, maps, map_at)
            sets[i, 0] = f * SPREADS + lane[i, SPREAD_CLASS]
            sets[i, 1] = 24 * SPREADS + c * 256 + node
            sets[i, 2] = 24 * SPREADS + 3 * 256 + f * ENERGIES + lane[i, ENERGY]
            mixed = _mix(inputs, i, f, weights, sets, dots, final, lane)
        else:
            mixed = min(max(prior << (FINE_BITS - 8), -DOT_MAX), DOT_MAX)
        lane[i, MIXED] = mixed
        z = min(max((mixed >> 8) + 256, 0), 511)
        where, share = (c * 256 + node) * APM_LOGITS + (z >> 4), z & 15
        lane[i, APM_AT] = where + (share >> 3)
        low, high = np.int64(apm[where] >> 10) + HALF, np.int64(apm[where + 1] >> 10) + HALF
        corrected = (low * (16 - share) + high * share) >> 2
        p = (3 * _squash(mixed) + corrected) >> 2
        p = min(max(p, LEAST), TOTAL - LEAST)
        rows[i, 0] = TOTAL - p - 1
        rows[i, 1] = p - 1


@njit(cache=True, nogil=True)
def _move(entries: Int32, at: int, bit: int, limit: int) -> None:
    """Move the probability of an entry towards a bit, at a rate that falls with its count."""
    entry = np.int64(entries[at])
    count, p = entry & COUNT_MASK, entry >> COUNT_BITS
    if bit:
        p += ((HALF - 1 - p) * RATE[count]) >> 16
    else:
        p -= ((p + HALF) * RATE[count]) >> 16
    entries[at] = (p << COUNT_BITS) | min(count + 1, limit)


@njit(cache=True, nogil=True)
def _train(weights: Int32, w: int, inputs: Int32, i: int, step: int) -> None:
    """Move weight set ``w`` along the inputs of lane ``i``."""
    for q in range(inputs.shape[1]):
        change = np.int32(inputs[i, q] * step + 2048) >> _TWELVE
        moved = np.int32(weights[w, q] + np.int32(change))
        weights[w, q] = min(max(moved, -_WEIGHT_MAX), _WEIGHT_MAX)


@njit(cache=True, nogil=True)
def _learn(s: State, depth: int, bits: Int32) -> None:
    """Learn from bit ``depth`` of all lanes and step to the next node."""
    inputs, weights, lane, apm, sets = s.inputs, s.weights, s.lane, s.apm, s.sets
    slots, at, maps, map_at, dots, final = s.slots, s.at, s.maps, s.map_at, s.dots, s.final
    contexts, inside, f = at.shape[1], depth & 3, s.wave[CHANNEL] * 8 + depth
    rate = RATE_LAST + (RATE_FIRST - RATE_LAST) * RATE_PIXELS // (RATE_PIXELS + s.wave[PIXELS])
    for i in range(s.wave[COUNT]):
        bit, node = np.int64(bits[i]), lane[i, NODE]
        _move(apm, lane[i, APM_AT], bit, APM_LIMIT)
        lane[i, NODE] = 2 * node + bit
        if not lane[i, MIXING]:
            continue
        k = (node & ((1 << inside) - 1)) | (1 << inside)
        target = bit * 65535
        final_step = (target - (_squash(lane[i, MIXED]) >> 8)) * FINAL_RATE
        own_rate = rate * RATE_ENERGY // (RATE_ENERGY + lane[i, SQUARES])
        for m in range(3):
            dot = dots[i, m]
            moved = final[f, m] + ((dot * final_step + (1 << 17)) >> 18)
            final[f, m] = min(max(moved, -FINAL_MAX), FINAL_MAX)
            step = np.int32(((target - (_squash(dot) >> 8)) * own_rate) >> 8)
            _train(weights, sets[i, m], inputs, i, step)
        for j in range(contexts):
            _move(maps, map_at[i, j], bit, MAP_LIMIT)
            _move(slots, at[i, j] + k, bit, SLOT_LIMIT)


@njit(cache=True, nogil=True)
def _begin(
    s: State,
    channel: int,
    t: int,
    first: int,
    n: int,
    slope: int,
    slot_bits: int,
    canvas: Int32,
    weight: Int64,
    mean: Int64,
    inverse: Int64,
    table: Int32,
) -> None:
    """Set up the contexts of a wavefront's subpixels of one channel and predict their first bits."""
    s.wave[CHANNEL], s.wave[FIRST], s.wave[COUNT], s.wave[T] = channel, first, n, t
    if channel == 0:
        s.wave[PIXELS] += n
    channels = canvas.shape[2]
    error, lane, candidates, ctx, chosen, lattice = s.error, s.lane, s.candidates, s.ctx, s.chosen, s.lattice
    kind = 1 if s.wave[FITS_PHOTO_CD] > s.wave[FITS_JFIF] else 0
    for i in range(n):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        center: Any = np.int64(0)
        for k in range(weight.shape[1]):
            center += weight[i, k] * mean[i, k]
        center = min(max(center >> 16, 0), 255 * 16)
        spread = np.int64(0)
        for k in range(weight.shape[1]):
            spread += weight[i, k] * (abs(mean[i, k] - center) + (29 << 18) // inverse[i, k])
        spread >>= 16
        west, north = abs(error[y, x - 1, channel]), abs(error[y - 1, x, channel])
        more = (abs(error[y - 1, x - 1, channel]) + abs(error[y - 1, x + 1, channel])) >> 1
        surprise = min((west + north) * 2 // (spread + 1), ERRORS - 1)
        spread_class = _half_octave(spread)
        lane[i, NODE] = 1
        lane[i, BASE] = canvas[y, x, channel - 1] if channel > 0 else OFFSET
        lane[i, MEAN] = center
        lane[i, SPREAD_CLASS] = spread_class
        lane[i, ENERGY] = _half_octave(west + north + more) * ERRORS + surprise
        phase = 2 * ((x - REACH) & 1) + ((y - REACH) & 1)
        if channels == 1:
            grey_contexts(candidates, i, canvas, y, x, phase, center, spread_class, surprise)
        else:
            rgb_contexts(candidates, i, canvas, y, x, phase, channel, center, spread_class, surprise)
            lattice_contexts(
                candidates, i, canvas, lattice, kind, y, x, phase, channel, center, spread_class, surprise
            )
        for j in range(ctx.shape[1]):
            ctx[i, j] = candidates[i, chosen[channel, j]] * 4 + channel
    _begin_nibble(s, slot_bits, weight, mean, inverse, table)
    _predict(s, 0)


@njit(cache=True, nogil=True)
def _step(
    s: State,
    depth: int,
    bits: Int32,
    slope: int,
    slot_bits: int,
    canvas: Int32,
    weight: Int64,
    mean: Int64,
    inverse: Int64,
    table: Int32,
) -> None:
    """Learn from bit ``depth`` and predict the next, if there is one."""
    _learn(s, depth, bits)
    if depth == 7:
        channel, first, lane, error, lattice = s.wave[CHANNEL], s.wave[FIRST], s.lane, s.error, s.lattice
        for i in range(s.wave[COUNT]):
            y, x = first + i + REACH, s.wave[T] - slope * (first + i) + REACH
            value = (lane[i, NODE] + lane[i, BASE] - OFFSET) & 255
            error[y, x, channel] = 16 * value - lane[i, MEAN]
            if channel == 2:
                r, g = np.int64(canvas[y, x, 0]), np.int64(canvas[y, x, 1])
                fits = invert_lattices(lattice, y, x, r, g, value)
                s.wave[FITS_JFIF] += fits & 1
                s.wave[FITS_PHOTO_CD] += fits >> 1
        return
    if depth == 3:
        _begin_nibble(s, slot_bits, weight, mean, inverse, table)
    _predict(s, depth + 1)


def _entry(logit: int) -> int:
    """Return an entry of this probability (logit in 2**-12) and no count."""
    return ((squash(logit) >> 2) - HALF) << COUNT_BITS


def _new_map() -> Int32:
    """Return a map, (512,), in which every class of probabilities means its middle."""
    middles = [16 * MAP_LOW + (2 * k + 1) * 8 * MAP_STEP for k in range(MAP_STRETCHES)]
    return np.tile(np.array([_entry(m) for m in middles], np.int32), MAP_COUNTS)


def _new_apm() -> Int32:
    """Return the 33 entries, for logits -16 .. 16, of a map that corrects nothing."""
    return np.array([_entry((k - 16) << FINE_BITS) for k in range(APM_LOGITS)], np.int32)


class Mixer:
    """Predicts the bits of a tile's subpixels and learns from them.

    Memory is bounded: 8 MiB of slots a context at most, so 96 MiB (normal) or 256 MiB (max) a tile, and less
    than 60 bytes a pixel besides.

    For every wavefront and channel: :meth:`begin`, then eight times :meth:`rows` (what the coder takes)
    and :meth:`update` (the bits coded or decoded); :meth:`bit` and :meth:`values` translate.

    Parameters
    ----------
    effort : int
        1 (normal) or 2 (max).
    channels, height, width, slope : int
        Of the tile and its wavefronts.
    table : ndarray of int32
        The model's logistic function, times 2**22.
    """

    def __init__(self, effort: int, channels: int, height: int, width: int, slope: int, table: Int32) -> None:
        chosen: tuple[tuple[int, ...], ...]
        if channels == 1:
            chosen, candidates = GREY, GREY_CONTEXTS
        else:
            chosen, candidates = (NORMAL_RGB if effort == 1 else MAX_RGB), RGB_CONTEXTS
        contexts = len(chosen[0])
        lanes = min(height, -(-width // slope))
        self.slope, self._table = slope, table
        wanted = (height * width // 4).bit_length()
        self._slot_bits = min(max(wanted, MIN_SLOT_BITS), MAX_SLOT_BITS)
        inputs = -(-(2 + 2 * contexts) // 8) * 8
        weights = np.zeros((24 * (SPREADS + ENERGIES) + 3 * 256, inputs), np.int32)
        weights[:, 0] = 1 << WEIGHT_BITS
        around = (height + REACH, width + 2 * REACH)

        def integers(*shape: int) -> Int64:
            return np.zeros(shape, np.int64)

        self._state = State(
            slots=np.zeros((contexts << self._slot_bits) * SLOT, np.int32),
            weights=weights,
            final=np.full((24, 3), (1 << WEIGHT_BITS) // 3, np.int64),
            maps=np.tile(_new_map(), channels * contexts),
            apm=np.tile(_new_apm(), channels * 256),
            error=np.zeros((*around, channels), np.int32),
            lattice=np.zeros((*around, LATTICE_FIELDS) if channels == 3 else (1, 1, 1), np.int32),
            chosen=np.array(chosen, np.int64),
            wave=integers(WAVE_FIELDS),
            lane=integers(lanes, LANE_FIELDS),
            candidates=integers(lanes, candidates),
            ctx=integers(lanes, contexts),
            at=integers(lanes, contexts),
            map_at=integers(lanes, contexts),
            inputs=np.zeros((lanes, inputs), np.int32),
            sets=integers(lanes, 3),
            dots=integers(lanes, 3),
            edges=integers(lanes, 17),
            rows=np.zeros((lanes, 2), np.float64),
        )
        self._depth = 0

    def begin(
        self,
        channel: int,
        t: int,
        first: int,
        n: int,
        canvas: Int32,
        weight: Int64,
        mean: Int64,
        inverse: Int64,
    ) -> None:
        """Begin the subpixels of a channel on wavefront ``t``: lanes are rows first .. first + n - 1.

        Parameters
        ----------
        canvas : ndarray of int32, shape (H + 3, W + 6, C)
            Pixels before these, and the earlier channels of these, must be in it.
        weight, mean, inverse : ndarray of int64, shape (N, K)
            The network's mixture; must stay as it is until the eighth update.
        """
        self._canvas = canvas
        self._mixture = (weight, mean, inverse, self._table)
        self._depth = 0
        _begin(self._state, channel, t, first, n, self.slope, self._slot_bits, canvas, *self._mixture)

    def rows(self, n: int) -> Float64:
        """Return the frequencies - 1 of the next bit, shape (n, 2): integers that sum to 2**24 - 2."""
        return self._state.rows[:n]

    def update(self, bits: Int32) -> None:
        """Learn from the bits (n,) that were coded with the rows, and step to the next ones."""
        _step(self._state, self._depth, bits, self.slope, self._slot_bits, self._canvas, *self._mixture)
        self._depth += 1

    def bits(self, values: Int32) -> Int32:
        """Return the next bits of subpixels with these values, shape (n,)."""
        base = self._state.lane[: len(values), BASE]
        return (((values - base + OFFSET) & 255) >> (7 - self._depth) & 1).astype(np.int32)

    def values(self, n: int) -> Int32:
        """Return the values (n,) that the eight bits say, after the last update."""
        lane = self._state.lane[:n]
        return ((lane[:, NODE] + lane[:, BASE] - OFFSET) & 255).astype(np.int32)
