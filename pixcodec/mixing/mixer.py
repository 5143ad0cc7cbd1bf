"""Online mixing: what the network says of each bit, refined by what the tile has shown so far.

A subpixel is coded as the eight bits of its symbol, most significant first, by probabilities whose product is
the subpixel's categorical distribution. The network's distribution gives a prior for every bit. Each context
(:mod:`pixcodec.mixing.contexts`) gives another probability, learnt from the bits that followed it before.
Mixers add all of them up in the logistic domain with weights that they learn while coding; a second mixer
joins the mixers, and an adaptive map corrects its output. A nibble of which the network is all but sure
costs none of that. All numbers are integers; FORMAT.md, section Mixing, is the norm.

All lanes of a wavefront are predicted from the state before its bit; the updates follow in the order
of the lanes. Encoder and decoder therefore do the same. :mod:`pixcodec.coding.bits` drives these kernels.

For numba: arrays are taken out of tuples once, as in a loop that would count references every time; small
kernels are inlined by force, as a call passes every array by its ten fields; where an index comes from memory
it is unsigned, as a signed one might be negative and count from the end (8 % of the time).

Shapes: N lanes, K mixture components, J contexts, I inputs of a mixer, M mixers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.mixing.contexts import (
    GREY_CONTEXTS,
    LATTICE_FIELDS,
    RGB_CONTEXTS,
    chosen_contexts,
    exact_contexts,
    grey_contexts,
    invert_lattices,
    lattice_contexts,
    linear_contexts,
    rgb_contexts,
)
from pixcodec.mixing.least_squares import error_planes
from pixcodec.mixing.logit_tables import (
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
from pixcodec.mixing.matches import (
    LENGTH_CLASSES,
    MATCH_FIELDS,
    expected,
    find_matches,
    table_bits,
    update_matches,
)
from pixcodec.network.architecture import PMF_FLOOR, REACH

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
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
_PAGE = 128  # bytes: slots lie in pairs, and a pair in two cache lines fetched together

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
# Weights lose nine bits before they are multiplied: no sum of 73 inputs then leaves 32 bits.
COARSE_BITS = 9
DOT_SHIFT = WEIGHT_BITS + 8 - FINE_BITS - COARSE_BITS
DOT_MAX = (SQUASH_RANGE << FINE_BITS) - 1
WEIGHT_MAX = 1 << 23
RATE_FIRST, RATE_LAST = 2000, 200  # learning rates in 2**-16
LINEAR_RATES = 1200, 100  # likewise, where least-squares predictions are inputs
FIRST_SHARE = 1 << 18  # weight at first of the network's prior, and of those of least squares
RATE_PIXELS = 4096  # pixels after which half of the way is gone
RATE_ENERGY = 100  # sum of squared inputs at which the rate is halved
ENERGIES = 2048
DAMPING: Int64 = np.array([(RATE_ENERGY << 16) // (RATE_ENERGY + q) for q in range(ENERGIES)], np.int64)
FINAL_RATE = 3
FINAL_MAX = 1 << 24
SPREADS, ERRORS, GRID = 16, 4, 8  # GRID: pixels of JPEG's blocks

# The adaptive map of the output: 33 logits from -16 to 16, for every channel and node.
APM_LOGITS = 33
APM_LIMITS = (255, 1023)  # of photographs, of graphics

# Limits of normal and max: how many contexts a high nibble has (a low nibble has all), odds of a nibble's
# value and prior logit of a bit beyond which the network is believed; and what else differs between layers.
HIGH_CONTEXTS, SURE_ODDS, CERTAIN, USES_LINEAR, USES_MATCHES, APM_LIMIT, LOW_BITS, FIRST_RATE, LAST_RATE = (
    range(9)
)
LIMITS = ((5, 1 << 8, 7 << 8), (35, 1 << 12, 9 << 8))
GRAPHICS_LIMITS = (64, 1 << 12, 9 << 8)
SURE_START = ((TOTAL - (1 << 9)) >> 2) - HALF
SURE_COUNT = 30
OFFSET = 136  # symbol of a value that equals its base: the middle of a high nibble
_STEP_BITS = FINE_BITS - SQUASH_STEP_BITS
_Z_RANGE = 1 << 26
# Where the weight sets begin that are chosen by the node, the place in a block, the length of a repeat.
MAX_CHANNELS = 6
_BY_NODE = 8 * MAX_CHANNELS * SPREADS
_BY_PLACE = _BY_NODE + 256 * MAX_CHANNELS
_BY_LENGTH = _BY_PLACE + 8 * MAX_CHANNELS * GRID * GRID
_WEIGHT_SETS = _BY_LENGTH + 8 * MAX_CHANNELS * LENGTH_CLASSES
_WEIGHT_MAX = np.int32(WEIGHT_MAX)
_EIGHT, _COARSE, _TWELVE = np.int32(8), np.int32(COARSE_BITS), np.int32(12)
_Z_STEP_BITS = 17

# Fields of State.wave and of a row of State.lane
CHANNEL, DEPTH, T, FIRST, COUNT, WAITING, PIXELS, FITS_JFIF, FITS_PHOTO_CD, FIRST_DEPTH, WAVE_FIELDS = range(
    11
)
(
    NODE,
    BASE,
    MEAN,
    LINEAR,
    SPREAD_CLASS,
    SURPRISE,
    PLACE,
    KIND,
    TARGET,
    LOW,
    MIDDLE,
    HIGH,
    ERROR,
    SQUARES,
    APM_AT,
    MATCHED,
    WIDTH,
    JOINT,
    LANE_FIELDS,
) = range(19)
SURE, LEFT, OPEN = range(3)  # kinds of nibbles: the value is foreseen, was foreseen wrongly, is not
# Weights (row, column, weight) of the errors that tell how wide a local mixture is: 32 in all.
_NEAR: Int64 = np.array(
    [
        *((0, -1, 4), (-1, 0, 4), (-1, -1, 3), (-1, 1, 3), (0, -2, 2), (-2, 0, 2), (-1, -2, 2), (-1, 2, 2)),
        *((-2, -1, 2), (-2, 1, 2), (0, -3, 2), (-2, 2, 1), (-2, -2, 1), (-3, 0, 2)),
    ],
    np.int64,
)
OTHER_MAX = 13 << 8  # largest logit by another distribution than the network's, in 1/256
LOCAL_SHARES = (3 << 14, 1 << 14)  # of a narrow and a wide logistic
BEGINNING = -1  # depth before the first bit of a subpixel
NOT_MIXED = -1  # in the field SQUARES


class State(NamedTuple):
    """What a mixer has learnt of a tile, and what it holds of one wavefront."""

    slots: Int32  # J << slot_bits, 16; flat
    weights: Int32  # weight sets, I
    final: Int64  # C * 8, M: weights of the second mixer
    maps: Int32  # C * J * 512
    apm: Int32  # C * 256 * 33
    sure: Int32  # C * 8 * 4: how often the network is right when it is sure
    error: Int32  # H + 3, W + 6, C or more (error_planes): what predictions missed, in 1/16 level, 0 outside
    lattice: Int32  # H + 3, W + 6, 6: luma and chroma
    penalties: Int32  # H + 3, W + 6, C, K: how far each component of a side layer was off, in 1/16 level
    chosen: Int64  # C, J: which of the contexts are used
    wave: Int64  # where the tile stands: see the fields above
    lane: Int64  # N, 19: see the fields above
    local_weight: Int64  # N, 2: mixtures around each prediction, as wide as it has missed values nearby
    local_mean: Int64  # 2, N, 2
    local_inverse: Int64  # 2, N, 2
    limits: Int64  # 9: see LIMITS
    matches: Int64  # H, 4: see matches.py
    table: Int32  # 2**k: likewise
    open: Int64  # N: the lanes whose nibble is open
    candidates: Int64  # N, all contexts
    ctx: Int64  # N, J
    check: Int32  # N, J
    found: Int32  # N, J
    at: UInt64  # N, J: where in slots
    map_at: UInt64  # N, J: where in maps
    inputs: Int32  # N, I: the mixer's
    sets: UInt64  # N, M: weight sets
    dots: Int64  # N, M: their outputs


@njit(cache=True, nogil=True, forceinline=True)
def _ln(n: int) -> Any:
    """Return ln(n) in steps of 1/256, 0 < n <= 2**24."""
    if n <= LN_ENTRIES:
        return np.int64(LN_TABLE[n])
    if n < 1 << 16:
        return np.int64(LN_TABLE[n >> 4]) + LN_SIXTEEN
    if n < 1 << 20:
        return np.int64(LN_TABLE[n >> 8]) + 2 * LN_SIXTEEN
    return np.int64(LN_TABLE[n >> 12]) + 3 * LN_SIXTEEN


@njit(cache=True, nogil=True, forceinline=True)
def to_probability(logit: int) -> Any:
    """Return the probability in 2**-24 of a logit in steps of 2**-12, -15 <= logit < 15."""
    z = logit + (SQUASH_RANGE << FINE_BITS)
    k = z >> _STEP_BITS
    low = np.int64(SQUASH_TABLE[k])
    rise = np.int64(SQUASH_TABLE[k + 1]) - low
    return low + ((rise * (z & ((1 << _STEP_BITS) - 1))) >> _STEP_BITS)


@njit(cache=True, nogil=True, forceinline=True)
def half_octave(value: int) -> int:
    """Return about 2 log2(value), 0 for values below 2, at most 15."""
    steps = 0
    while value >= 4:
        value >>= 1
        steps += 2
    return min(steps + (1 if value == 3 else 0), 15)


@njit(cache=True, nogil=True, forceinline=True)
def _cumulative(i: int, v: int, shift: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32) -> Any:
    """Return the network's cumulative function of lane ``i``, moved up by ``shift``, at value ``v``.

    Values wrap around, so the function goes on after 255 with 2**24 more.
    """
    value = v & 255
    total: Any = np.int64(0)
    for k in range(weight.shape[1]):
        z = (16 * value - 8 - mean[i, k] - shift) * inverse[i, k]
        z = min(max(z, -_Z_RANGE), _Z_RANGE - 1) + _Z_RANGE
        at = z >> _Z_STEP_BITS
        low = np.int64(table[at])
        rise = np.int64(table[at + 1]) - low
        total += weight[i, k] * (low + ((rise * (z & ((1 << _Z_STEP_BITS) - 1))) >> _Z_STEP_BITS))
    floored = (((total >> 14) * SPREAD) >> PROBABILITY_BITS) + PMF_FLOOR * value
    return (floored if value > 0 else np.int64(0)) + (v >> 8) * TOTAL


@njit(cache=True, nogil=True)
def _set_interval(
    lane: Int64, i: int, depth: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32
) -> None:
    """Set the cumulative function at both ends of the node of lane ``i``, of this depth."""
    size = 256 >> depth
    first = lane[i, BASE] - OFFSET + lane[i, NODE] * size - 256
    lane[i, LOW] = _cumulative(i, first, 0, weight, mean, inverse, table)
    lane[i, HIGH] = _cumulative(i, first + size, 0, weight, mean, inverse, table)


@njit(cache=True, nogil=True)
def _other_prior(
    lane: Int64, i: int, depth: int, shift: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32
) -> Any:
    """Return the logit of a bit by a distribution that may not be the network's, moved up by ``shift``."""
    half = 128 >> depth
    first = lane[i, BASE] - OFFSET + lane[i, NODE] * 2 * half - 256
    below: Any = np.int64(0)
    middle: Any = np.int64(0)
    above: Any = np.int64(0)
    for end in range(3):
        edge = _cumulative(i, first + end * half, shift, weight, mean, inverse, table)
        below, middle, above = middle, above, edge
    return min(max(_ln(above - middle) - _ln(middle - below), -OTHER_MAX), OTHER_MAX)


@njit(cache=True, nogil=True, forceinline=True)
def uses_linear(s: State) -> bool:
    """Return whether least-squares predictions are inputs: effort max."""
    return bool(s.limits[USES_LINEAR])


@njit(cache=True, nogil=True, forceinline=True)
def uses_matches(s: State) -> bool:
    """Return whether repeats are looked for: graphics."""
    return bool(s.limits[USES_MATCHES])


@njit(cache=True, nogil=True)
def begin_nibble(
    s: State, depth: int, slot_bits: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32
) -> None:
    """Find out of which lanes the network is sure (:func:`_foresee`), and the slots of the others."""
    slots, lane, ctx, at, checks, found, opened = s.slots, s.lane, s.ctx, s.at, s.check, s.found, s.open
    contexts = s.limits[HIGH_CONTEXTS] if depth == 0 else ctx.shape[1]
    count = 0
    for i in range(s.wave[COUNT]):
        if depth == s.wave[FIRST_DEPTH] or lane[i, KIND] == SURE:
            _set_interval(lane, i, depth, weight, mean, inverse, table)
        opened[count] = i
        lane[i, KIND] = OPEN
        odds = s.limits[SURE_ODDS]
        if odds == 0 or not _foresee(lane, i, depth, odds, weight, mean, inverse, table):
            count += 1
    # Slots lie anywhere in memory: all are asked for before the first is looked at.
    for o in range(count):
        i = opened[o]
        salt = lane[i, NODE] * _M2
        for j in range(contexts):
            h = ctx[i, j] * _M0 + salt
            h ^= (h >> 29) & ((1 << 35) - 1)
            h *= _M1
            first = np.uint64(((j << slot_bits) + ((h >> 40) & ((1 << slot_bits) - 1))) * SLOT)
            at[i, j] = first
            checks[i, j] = (h >> 16) & (CHECK - 1) | CHECK
            found[i, j] = slots[first]
    for o in range(count):
        i = opened[o]
        for j in range(contexts):
            _claim_slot(slots, at, i, j, checks[i, j])


@njit(cache=True, nogil=True)
def _foresee(
    lane: Int64, i: int, depth: int, odds: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32
) -> Any:
    """Set the kind of the nibble of lane ``i``; return whether the network is all but sure of its value."""
    size = 16 if depth == 0 else 1
    first = lane[i, BASE] - OFFSET + 16 * lane[i, NODE] * size - 256
    beyond = ((lane[i, MEAN] + 8) >> 4) - first
    low_target = min(max(((beyond + 128) & 255) - 128, 0), 15)
    target = (beyond & 255) >> 4 if depth == 0 else low_target
    mass = np.int64(0)
    for end in range(2):
        edge = _cumulative(i, first + (target + end) * size, 0, weight, mean, inverse, table)
        mass = edge - mass
    total = lane[i, HIGH] - lane[i, LOW]
    sure = (total - mass) * odds < total
    lane[i, KIND], lane[i, TARGET] = SURE if sure else OPEN, 16 + target
    return sure


@njit(cache=True, nogil=True, forceinline=True)
def _claim_slot(slots: Int32, at: UInt64, i: int, j: int, check: int) -> None:
    """Find the slot with this check at ``at[i, j]`` or beside it; make room if it is new."""
    first = at[i, j]
    if slots[first] == check:
        return
    second = first ^ np.uint64(SLOT)
    if slots[second] == check:
        at[i, j] = second
        return
    if slots[first] != 0 and (
        slots[second] == 0
        or (slots[second + np.uint64(1)] & COUNT_MASK) < (slots[first + np.uint64(1)] & COUNT_MASK)
    ):
        first = second
        at[i, j] = second
    slots[first] = check
    for k in range(1, SLOT):
        slots[first + np.uint64(k)] = 0


@njit(cache=True, nogil=True, forceinline=True)
def gather(
    inputs: Int32, i: int, c: int, k: int, used: int, slots: Int32, at: UInt64, maps: Int32, map_at: UInt64
) -> None:
    """Turn entries ``k`` of the slots of lane ``i``, of the first contexts, into inputs of the mixers.

    ``c`` says whose maps are asked: those of a channel, or of a class of nodes.
    """
    contexts = at.shape[1]
    also_slots = inputs.shape[1] > 2 * contexts
    if used < contexts:
        for q in range(2 + used, inputs.shape[1]):
            inputs[i, q] = 0
    for j in range(used):
        entry = slots[at[i, j] + np.uint64(k)]
        p, count = (entry >> 20) + 2048, entry & COUNT_MASK
        where = np.uint64(
            (c * contexts + j) * (MAP_COUNTS * MAP_STRETCHES) + COUNT_CLASS[count] + STRETCH_CLASS[p]
        )
        map_at[i, j] = where
        inputs[i, 2 + j] = STRETCH_TABLE[(maps[where] >> 20) + 2048]
        if also_slots:
            inputs[i, 2 + contexts + j] = ((p - 2048) * CONFIDENCE[count]) >> 10


@njit(cache=True, nogil=True, forceinline=True)
def mix(
    inputs: Int32, i: int, f: int, weights: Int32, sets: UInt64, dots: Int64, final: Int64, lane: Int64
) -> Any:
    """Return the mixed logit of lane ``i``, in 2**-12; keep in ``lane`` its sum of squared inputs."""
    squares: Any = np.int32(0)
    dot: Any
    mixed: Any = np.int64(0)
    for q in range(inputs.shape[1]):
        squares = np.int32(squares + np.int32(np.int32(inputs[i, q] * inputs[i, q]) >> _EIGHT))
    energy: Any = np.int64(squares) >> 8
    lane[i, SQUARES] = min(energy, ENERGIES - 1)
    for m in range(sets.shape[1]):
        w = sets[i, m]
        total: Any = np.int32(0)
        for q in range(inputs.shape[1]):
            total = np.int32(total + np.int32(inputs[i, q] * np.int32(weights[w, q] >> _COARSE)))
        dot = min(max(np.int64(total) >> DOT_SHIFT, -DOT_MAX), DOT_MAX)
        dots[i, m] = dot
        mixed += dot * final[f, m]
    return min(max(mixed >> WEIGHT_BITS, -DOT_MAX), DOT_MAX)


@njit(cache=True, nogil=True, forceinline=True)
def corrected(apm: Int32, first: int, mixed: int, lane: Int64, i: int) -> Any:
    """Return the probability in 2**-24 of a mixed logit, in part as the output map from ``first`` on has it.

    Keeps in ``lane`` the nearest entry of the map, and the probability before.
    """
    z = min(max((mixed >> 8) + 256, 0), 511)
    where, share = first + (z >> 4), z & 15
    lane[i, APM_AT] = where + (share >> 3)
    low, high = np.int64(apm[where] >> COUNT_BITS) + HALF, np.int64(apm[where + 1] >> COUNT_BITS) + HALF
    likely = to_probability(mixed)
    lane[i, ERROR] = likely >> 8
    p = (3 * likely + ((low * (16 - share) + high * share) >> 2)) >> 2
    return min(max(p, LEAST), TOTAL - LEAST)


@njit(cache=True, nogil=True)
def predict(
    s: State,
    depth: int,
    weight: Int64,
    mean: Int64,
    inverse: Int64,
    table: Int32,
    rows: Float64,
    start: int,
) -> None:
    """Predict bit ``depth`` (0 is the most significant) of all lanes.

    Writes frequencies - 1 of both outcomes, which sum to 2**24 - 2, to ``rows[start :]`` (N, 2).
    """
    inputs, lane, apm, sets, sure = s.inputs, s.lane, s.apm, s.sets, s.sure
    slots, at, maps, map_at = s.slots, s.at, s.maps, s.map_at
    weights, dots, final = s.weights, s.dots, s.final
    inside, c = depth & 3, s.wave[CHANNEL]
    f = c * 8 + depth
    used = s.limits[HIGH_CONTEXTS] if depth < 4 else at.shape[1]
    certain, linear, matching = s.limits[CERTAIN], uses_linear(s), uses_matches(s)
    near_weight, near_mean, near_inverse = s.local_weight, s.local_mean, s.local_inverse
    further = 2 + 2 * at.shape[1]
    p: Any
    for i in range(s.wave[COUNT]):
        node, kind = lane[i, NODE], lane[i, KIND]
        k = (node & ((1 << inside) - 1)) | (1 << inside)
        if kind == SURE:
            if k == lane[i, TARGET] >> (4 - inside):
                where = f * ERRORS + lane[i, SURPRISE]
                lane[i, APM_AT] = where
                p = (np.int64(sure[where] >> COUNT_BITS) + HALF) << 2
                p = min(max(p, LEAST), TOTAL - LEAST)
                if (lane[i, TARGET] >> (3 - inside)) & 1 == 0:
                    p = TOTAL - p
                rows[start + i, 0] = TOTAL - p - 1
                rows[start + i, 1] = p - 1
                continue
            kind = LEFT
            lane[i, KIND] = LEFT
            _set_interval(lane, i, depth, weight, mean, inverse, table)
        v = lane[i, BASE] - OFFSET + ((2 * node + 1) << (7 - depth)) - 256
        middle = _cumulative(i, v, 0, weight, mean, inverse, table)
        lane[i, MIDDLE] = middle
        prior = _ln(lane[i, HIGH] - middle) - _ln(middle - lane[i, LOW])
        if kind == OPEN and -certain < prior < certain:
            inputs[i, 0], inputs[i, 1] = prior, 256
            gather(inputs, i, c, k, used, slots, at, maps, map_at)
            sets[i, 0] = f * SPREADS + lane[i, SPREAD_CLASS]
            sets[i, 1] = _BY_NODE + c * 256 + node
            if linear:
                shift = lane[i, JOINT] - lane[i, MEAN]
                inputs[i, further] = _other_prior(lane, i, depth, shift, weight, mean, inverse, table)
                for q in range(2):
                    inputs[i, further + 1 + q] = _other_prior(
                        lane, i, depth, 0, near_weight, near_mean[q], near_inverse[q], table
                    )
                sets[i, 2] = _BY_PLACE + f * GRID * GRID + lane[i, PLACE]
            if matching:
                last = sets.shape[1] - 1
                sets[i, last] = _BY_LENGTH + f * LENGTH_CLASSES + lane[i, MATCHED]
            mixed = mix(inputs, i, f, weights, sets, dots, final, lane)
        else:
            lane[i, SQUARES] = NOT_MIXED
            mixed = min(max(prior << (FINE_BITS - 8), -DOT_MAX), DOT_MAX)
        p = corrected(apm, (c * 256 + node) * APM_LOGITS, mixed, lane, i)
        rows[start + i, 0] = TOTAL - p - 1
        rows[start + i, 1] = p - 1


@njit(cache=True, nogil=True, forceinline=True)
def move(entries: Int32, at: int, bit: int, limit: int) -> None:
    """Move the probability of an entry towards a bit, at a rate that falls with its count."""
    entry = np.int64(entries[at])
    count, p = entry & COUNT_MASK, entry >> COUNT_BITS
    if bit:
        p += ((HALF - 1 - p) * RATE[count]) >> 16
    else:
        p -= ((p + HALF) * RATE[count]) >> 16
    entries[at] = (p << COUNT_BITS) | min(count + 1, limit)


@njit(cache=True, nogil=True, forceinline=True)
def train_weights(weights: Int32, w: int, inputs: Int32, i: int, step: int) -> None:
    """Move weight set ``w`` along the inputs of lane ``i``."""
    for q in range(inputs.shape[1]):
        change = np.int32(inputs[i, q] * step + 2048) >> _TWELVE
        moved = np.int32(weights[w, q] + np.int32(change))
        weights[w, q] = min(max(moved, -_WEIGHT_MAX), _WEIGHT_MAX)


@njit(cache=True, nogil=True, forceinline=True)
def train_mixers(
    inputs: Int32,
    i: int,
    f: int,
    weights: Int32,
    sets: UInt64,
    dots: Int64,
    final: Int64,
    lane: Int64,
    bit: int,
    rate: int,
) -> None:
    """Move the weights by which :func:`mix` mixed the inputs of lane ``i`` towards a bit."""
    target = bit * 65535
    final_step = (target - lane[i, ERROR]) * FINAL_RATE
    own_rate = (rate * DAMPING[lane[i, SQUARES]]) >> 16
    for m in range(sets.shape[1]):
        dot = dots[i, m]
        moved = final[f, m] + ((dot * final_step + (1 << 17)) >> 18)
        final[f, m] = min(max(moved, -FINAL_MAX), FINAL_MAX)
        step = np.int32(((target - (to_probability(dot) >> 8)) * own_rate) >> 8)
        train_weights(weights, sets[i, m], inputs, i, step)


@njit(cache=True, nogil=True)
def learn(s: State, depth: int, bits: Int32, start: int) -> None:
    """Learn from bit ``depth`` of all lanes, ``bits[start :]``, and step to the next node."""
    inputs, weights, lane, apm, sets, sure = s.inputs, s.weights, s.lane, s.apm, s.sets, s.sure
    slots, at, maps, map_at, dots, final = s.slots, s.at, s.maps, s.map_at, s.dots, s.final
    inside, f = depth & 3, s.wave[CHANNEL] * 8 + depth
    used = s.limits[HIGH_CONTEXTS] if depth < 4 else at.shape[1]
    apm_limit = s.limits[APM_LIMIT]
    slow, fast = s.limits[LAST_RATE], s.limits[FIRST_RATE]
    rate = slow + (fast - slow) * RATE_PIXELS // (RATE_PIXELS + s.wave[PIXELS])
    for i in range(s.wave[COUNT]):
        bit, node = np.int64(bits[start + i]), lane[i, NODE]
        lane[i, NODE] = 2 * node + bit
        if lane[i, KIND] == SURE:
            right = 1 if bit == (lane[i, TARGET] >> (3 - inside)) & 1 else 0
            move(sure, lane[i, APM_AT], right, MAP_LIMIT)
            continue
        lane[i, LOW if bit else HIGH] = lane[i, MIDDLE]
        move(apm, lane[i, APM_AT], bit, apm_limit)
        if lane[i, SQUARES] == NOT_MIXED:
            continue
        k = (node & ((1 << inside) - 1)) | (1 << inside)
        train_mixers(inputs, i, f, weights, sets, dots, final, lane, bit, rate)
        for j in range(used):
            move(maps, map_at[i, j], bit, MAP_LIMIT)
            move(slots, at[i, j] + np.uint64(k), bit, SLOT_LIMIT)


@njit(cache=True, nogil=True)
def summarise(s: State, weight: Int64, mean: Int64, inverse: Int64) -> None:
    """Set the mean of the network's mixture, (N, K), of all lanes, and about how wide it is."""
    lane = s.lane
    for i in range(s.wave[COUNT]):
        center: Any = np.int64(0)
        for k in range(weight.shape[1]):
            center += weight[i, k] * mean[i, k]
        center = min(max(center >> 16, 0), 255 * 16)
        width = np.int64(0)
        for k in range(weight.shape[1]):
            width += weight[i, k] * (abs(mean[i, k] - center) + (29 << 18) // inverse[i, k])
        lane[i, MEAN], lane[i, WIDTH] = center, width >> 16


@njit(cache=True, nogil=True)
def compare(s: State, slope: int, channels: int, linear: Int64) -> None:
    """Take the least-squares predictions of all lanes, (N,), in 1/16 level."""
    channel, t, first, lane, error = s.wave[CHANNEL], s.wave[T], s.wave[FIRST], s.lane, s.error
    for i in range(s.wave[COUNT]):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        lane[i, LINEAR] = linear[i]
        error[y, x, 2 * channels + channel] = linear[i] - lane[i, MEAN]


@njit(cache=True, nogil=True)
def join(s: State, slope: int, channels: int, joint: Int64) -> None:
    """Take what the network's means are to be corrected by, (N,), in 1/16 level; set the local mixtures."""
    channel, t, first, lane, error = s.wave[CHANNEL], s.wave[T], s.wave[FIRST], s.lane, s.error
    means, inverse = s.local_mean, s.local_inverse
    for i in range(s.wave[COUNT]):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        lane[i, JOINT] = min(max(lane[i, MEAN] + joint[i], 0), 255 * 16)
        for q in range(2):
            plane = (1 + 2 * q) * channels + channel
            off: Any = np.int64(0)
            for k in range(len(_NEAR)):
                off += _NEAR[k, 2] * np.int64(abs(error[y + _NEAR[k, 0], x + _NEAR[k, 1], plane]))
            scale = ((5 * off) >> 3) + 77  # in 1/512 level
            center = lane[i, JOINT if q else LINEAR]
            means[q, i, 0], means[q, i, 1] = center, center
            inverse[q, i, 0], inverse[q, i, 1] = (1 << 27) // scale, (1 << 28) // (5 * scale)


@njit(cache=True, nogil=True)
def begin(
    s: State,
    slope: int,
    canvas: Int32,
    sees: Int32,
) -> None:
    """Set up the contexts of the subpixels of a wavefront's channel, which ``s.wave`` tells.

    Parameters
    ----------
    canvas : ndarray of int32, shape (H + 3, W + 6, C)
        Pixels before these, and the earlier channels of these, must be in it.
    sees : ndarray of int32, shape (H + 6, W + 6, channels seen)
        Layers coded before, which only graphics look at.
    """
    channel, t, first, n = s.wave[CHANNEL], s.wave[T], s.wave[FIRST], s.wave[COUNT]
    if channel == 0:
        s.wave[PIXELS] += n
        if uses_matches(s):
            find_matches(s.matches, s.table, canvas, t, first, n, slope)
    channels = canvas.shape[2]
    error, lane, candidates, ctx, chosen, lattice = s.error, s.lane, s.candidates, s.ctx, s.chosen, s.lattice
    kind = 1 if s.wave[FITS_PHOTO_CD] > s.wave[FITS_JFIF] else 0
    for i in range(n):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        center, width = lane[i, MEAN], lane[i, WIDTH]
        west, north = abs(error[y, x - 1, channel]), abs(error[y - 1, x, channel])
        surprise = min((west + north) * 2 // (width + 1), ERRORS - 1)
        spread_class = half_octave(width)
        lane[i, NODE] = 1
        lane[i, BASE] = canvas[y, x, channel - 1] if channel > 0 else OFFSET
        lane[i, SPREAD_CLASS] = spread_class
        lane[i, SURPRISE] = surprise
        lane[i, PLACE] = ((x - REACH) % GRID) * GRID + (y - REACH) % GRID
        phase = 2 * ((x - REACH) & 1) + ((y - REACH) & 1)
        if channels == 1:
            grey_contexts(candidates, i, canvas, y, x, phase, center, spread_class, surprise)
        else:
            rgb_contexts(candidates, i, canvas, y, x, phase, channel, center, spread_class, surprise)
            lattice_contexts(
                candidates, i, canvas, lattice, kind, y, x, phase, channel, center, spread_class, surprise
            )
        if uses_linear(s):
            u = lane[i, BASE] if channel > 0 else 0
            at = (GREY_CONTEXTS if channels == 1 else RGB_CONTEXTS) - 3
            linear_contexts(candidates, i, at, lane[i, LINEAR], u, center, spread_class, surprise)
        if uses_matches(s):
            value, length = expected(s.matches, canvas, y - REACH, x - REACH, channel)
            lane[i, MATCHED] = length
            at = GREY_CONTEXTS if channels == 1 else RGB_CONTEXTS
            exact_contexts(candidates, i, at, canvas, sees, y, x, channel, value, length)
        for j in range(ctx.shape[1]):
            ctx[i, j] = candidates[i, chosen[channel, j]] * 4 + channel


@njit(cache=True, nogil=True)
def finish(s: State, slope: int, canvas: Int32) -> None:
    """Take the values that the eight bits of all lanes say into ``canvas``."""
    channel, t, first, lane, error, lattice = (
        s.wave[CHANNEL],
        s.wave[T],
        s.wave[FIRST],
        s.lane,
        s.error,
        s.lattice,
    )
    channels, linear = canvas.shape[2], uses_linear(s)
    for i in range(s.wave[COUNT]):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        value = (lane[i, NODE] + lane[i, BASE] - OFFSET) & 255
        canvas[y, x, channel] = value
        error[y, x, channel] = 16 * value - lane[i, MEAN]
        if linear:
            error[y, x, channels + channel] = 16 * value - lane[i, LINEAR]
            error[y, x, 3 * channels + channel] = 16 * value - lane[i, JOINT]
        if channel == 2:
            r, g = np.int64(canvas[y, x, 0]), np.int64(canvas[y, x, 1])
            fits = invert_lattices(lattice, y, x, r, g, value)
            s.wave[FITS_JFIF] += fits & 1
            s.wave[FITS_PHOTO_CD] += fits >> 1
    if uses_matches(s) and channel == canvas.shape[2] - 1:
        update_matches(s.matches, s.table, canvas, t, first, s.wave[COUNT], slope)


@njit(cache=True, nogil=True)
def known_bits(s: State, slope: int, canvas: Int32, depth: int, bits: Int32, start: int) -> None:
    """Write bit ``depth`` of all lanes, whose values are in ``canvas``, to ``bits[start :]``."""
    channel, t, first, lane = s.wave[CHANNEL], s.wave[T], s.wave[FIRST], s.lane
    for i in range(s.wave[COUNT]):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        symbol = (canvas[y, x, channel] - lane[i, BASE] + OFFSET) & 255
        bits[start + i] = (symbol >> (7 - depth)) & 1


def _entry(logit: int) -> int:
    """Return an entry of this probability (logit in 2**-12) and no count."""
    return ((squash(logit) >> 2) - HALF) << COUNT_BITS


def new_map() -> Int32:
    """Return a map, (512,), in which every class of probabilities means its middle."""
    middles = [16 * MAP_LOW + (2 * k + 1) * 8 * MAP_STEP for k in range(MAP_STRETCHES)]
    return np.tile(np.array([_entry(m) for m in middles], np.int32), MAP_COUNTS)


def new_apm() -> Int32:
    """Return the 33 entries, for logits -16 .. 16, of a map that corrects nothing."""
    return np.array([_entry((k - 16) << FINE_BITS) for k in range(APM_LOGITS)], np.int32)


def _new_slots(count: int) -> Int32:
    """Return room for slots in pairs that begin where pairs of cache lines do."""
    spare = np.zeros(count * SLOT + _PAGE // 4, np.int32)
    start = -(spare.ctypes.data // 4) % (_PAGE // 4)
    return spare[start : start + count * SLOT]


class SidePlan(NamedTuple):
    """How a side layer is mixed."""

    contexts: int
    predictors: int
    bits: int  # of a value
    low_bits: int  # of the image's values; 0 if they are not divided
    matches: bool  # whether repeats are looked for
    odds: int  # as in LIMITS; 0: never sure
    certain: int
    prior_weight: int  # weights at first, in 2**-20
    context_weight: int


def slot_bits(height: int, width: int) -> int:
    """Return log2 of the number of slots of a context, for a tile of this size."""
    return min(max((height * width // 4).bit_length(), MIN_SLOT_BITS), MAX_SLOT_BITS)


def new_state(
    effort: int,
    channels: int,
    height: int,
    width: int,
    lanes: int,
    *,
    graphics: bool = False,
    side: SidePlan | None = None,
) -> State:
    """Return the state of a mixer that has seen nothing of its tile yet.

    Memory is bounded: 8 MiB of slots a context at most, so 96 MiB (normal) or 280 MiB (max) a tile, and less
    than 100 bytes a pixel besides (those of least squares: see :func:`systems_size_bytes`).

    Parameters
    ----------
    effort : int
        1 (normal) or 2 (max).
    channels, height, width, lanes : int
        Of the tile, and the most lanes of its wavefronts.
    graphics : bool
        Of a layer of the network: whether repeats and exact neighbourhoods are contexts.
    side : SidePlan, optional
        Of a side layer.
    """
    chosen: tuple[tuple[int, ...], ...]
    if side:
        chosen, candidates = (tuple(range(side.contexts)),) * channels, 0
    else:
        chosen, candidates = chosen_contexts(effort, channels, graphics)
    contexts = len(chosen[0])
    linear = effort == 2 and not side
    matching = side.matches if side else graphics
    mixers, per_context = (3, 2) if linear else (2, 1)
    high, odds, certain = LIMITS[effort - 1]
    if graphics:
        high, odds, certain = GRAPHICS_LIMITS
    if side:
        per_context = 2
        high, odds, certain = contexts, side.odds, side.certain
    if matching:
        mixers += 1
    inputs = -(-(2 + per_context * contexts + 3 * linear) // 8) * 8
    weights = np.zeros((_WEIGHT_SETS, inputs), np.int32)
    weights[:, 0] = 1 << WEIGHT_BITS
    if linear:
        weights[:, 0] = weights[:, 2 + 2 * contexts : 5 + 2 * contexts] = FIRST_SHARE
    around = (height + REACH, width + 2 * REACH)

    def integers(*shape: int) -> Int64:
        return np.zeros(shape, np.int64)

    wave = integers(WAVE_FIELDS)
    if side:
        wave[FIRST_DEPTH] = 8 - side.bits
        weights[:, 0], weights[:, 2 : 2 + contexts] = side.prior_weight, side.context_weight
    wave[DEPTH] = BEGINNING
    error = np.zeros((*around, error_planes(channels) if linear else channels), np.int32)
    if linear:
        error[:, :, -1] = 32
    return State(
        slots=_new_slots(contexts << slot_bits(height, width)),
        weights=weights,
        final=np.full((8 * MAX_CHANNELS, mixers), (1 << WEIGHT_BITS) // mixers, np.int64),
        maps=np.tile(new_map(), channels * contexts),
        apm=np.tile(new_apm(), channels * 256),
        sure=np.full(8 * MAX_CHANNELS * ERRORS, SURE_START << COUNT_BITS | SURE_COUNT, np.int32),
        error=error,
        lattice=np.zeros((*around, LATTICE_FIELDS) if channels == 3 and not side else (1, 1, 1), np.int32),
        penalties=np.zeros((*around, channels, side.predictors) if side else (1, 1, 1, 1), np.int32),
        chosen=np.array(chosen, np.int64),
        wave=wave,
        lane=integers(lanes, LANE_FIELDS),
        local_weight=np.tile(np.array(LOCAL_SHARES, np.int64), (lanes, 1)),
        local_mean=integers(2, lanes, 2),
        local_inverse=integers(2, lanes, 2),
        limits=np.array(
            [
                min(high, contexts),
                odds,
                certain,
                linear,
                matching,
                APM_LIMITS[matching or side is not None],
                side.low_bits if side else 0,
                *(LINEAR_RATES if linear else (RATE_FIRST, RATE_LAST)),
            ],
            np.int64,
        ),
        matches=integers(height, MATCH_FIELDS) if matching else integers(1, MATCH_FIELDS),
        table=np.zeros(1 << table_bits(height, width) if matching else 1, np.int32),
        open=integers(lanes),
        candidates=integers(lanes, candidates),
        ctx=integers(lanes, contexts),
        check=np.zeros((lanes, contexts), np.int32),
        found=np.zeros((lanes, contexts), np.int32),
        at=np.zeros((lanes, contexts), np.uint64),
        map_at=np.zeros((lanes, contexts), np.uint64),
        inputs=np.zeros((lanes, inputs), np.int32),
        sets=np.zeros((lanes, mixers), np.uint64),
        dots=integers(lanes, mixers),
    )
