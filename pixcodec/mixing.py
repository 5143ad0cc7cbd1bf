"""Online mixing: what the network says of each bit, refined by what the tile has shown so far.

A subpixel is coded as the eight bits of its symbol, most significant first, by probabilities whose product is
the subpixel's categorical distribution. The network's distribution gives a prior for every bit. Each context
(:mod:`pixcodec.contexts`) gives another probability, learnt from the bits that followed it before.
Mixers add all of them up in the logistic domain with weights that they learn while coding. All numbers are
integers; FORMAT.md, section Mixing, is the norm.

All lanes of a wavefront are predicted from the state before its bit; the updates follow in the order
of the lanes. Encoder and decoder therefore do the same.

Shapes: N lanes, K mixture components, J contexts, I inputs of a mixer, S = 256 symbols.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.architecture import PAD_VALUE, PMF_FLOOR, REACH
from pixcodec.contexts import GREY_CONTEXTS, RGB_CONTEXTS, grey_contexts, rgb_contexts
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
COUNT_LIMIT = 255  # a probability moves by at least 1 / 256.5 of its error
RATE: Int32 = np.array([(2 << 16) // (2 * n + 3) for n in range(COUNT_LIMIT + 1)], np.int32)
CONFIDENCE: Int32 = np.array([min(256, 32 * n) for n in range(COUNT_LIMIT + 1)], np.int32)
MULTIPLIERS = (-7046029254386353131, -4417276706812531889, -4658895280553007687)
_M0, _M1, _M2 = (np.int64(m) for m in MULTIPLIERS)

# Mixers
WEIGHT_BITS = 20
DOT_SHIFT = WEIGHT_BITS + 8 - FINE_BITS
DOT_MAX = (SQUASH_RANGE << FINE_BITS) - 1
RATE_FIRST, RATE_LAST = 1500, 131  # learning rates in 2**-16
RATE_PIXELS = 4096  # pixels after which half of the way is gone
SPREADS, ERRORS, ENERGIES = 16, 4, 64
_STEP_BITS = FINE_BITS - SQUASH_STEP_BITS
_Z_RANGE = 1 << 26
_Z_STEP_BITS = 17

# Fields of State.wave and of a row of State.lane
CHANNEL, FIRST, COUNT, PIXELS, T = range(5)
NODE, BASE, MEAN, SPREAD_CLASS, ENERGY = range(5)


class State(NamedTuple):
    """What a mixer has learnt of a tile, and what it holds of one wavefront."""

    slots: Int32  # J << slot_bits, 16; flat
    weights: Int32  # weight sets, I
    error: Int32  # H + 3, W + 6, C: value minus the network's mean in 1/16 level, 0 outside
    wave: Int64  # the wavefront's channel, first row, lanes; pixels so far
    lane: Int64  # N, 5: node, base of the symbol, the network's mean, its spread's class, energy class
    ctx: Int64  # N, J
    at: Int64  # N, J: where in slots
    inputs: Int32  # N, I: the mixer's
    chosen: Int64  # N, 3: weight sets
    guess: Int64  # N, 3: their outputs as probabilities in 2**-16
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
    s: State, i: int, start: int, step: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32
) -> None:
    """Write the network's cumulative function at symbols ``start + step * j``, j = 0 .. 16, of lane ``i``.

    Symbols wrap around the values, so the function goes on after 255 with 2**24 more.
    """
    edges = s.edges
    first = start + s.lane[i, BASE] - PAD_VALUE
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
def _find_slot(s: State, i: int, j: int, slot_bits: int) -> Any:
    """Return where in ``slots`` the slot of context ``j`` of lane ``i`` begins; make room if it is new."""
    slots = s.slots
    h = s.ctx[i, j] * _M0 + s.lane[i, NODE] * _M2
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
    for i in range(s.wave[COUNT]):
        node = s.lane[i, NODE]
        if node == 1:
            _set_edges(s, i, 0, 16, weight, mean, inverse, table)
        else:
            _set_edges(s, i, (node - 16) * 16, 1, weight, mean, inverse, table)
        for j in range(s.ctx.shape[1]):
            s.at[i, j] = _find_slot(s, i, j, slot_bits)


@njit(cache=True, nogil=True)
def _predict(s: State, depth: int) -> None:
    """Predict bit ``depth`` (0 is the most significant) of all lanes."""
    inputs, slots, weights = s.inputs, s.slots, s.weights
    contexts, size, c = s.ctx.shape[1], s.inputs.shape[1], s.wave[CHANNEL]
    inside = depth & 3
    half = 8 >> inside
    for i in range(s.wave[COUNT]):
        node = s.lane[i, NODE]
        k = (node & ((1 << inside) - 1)) | (1 << inside)
        lower = (k << (4 - inside)) - 16
        middle = s.edges[i, lower + half]
        inputs[i, 0] = _ln(s.edges[i, lower + 2 * half] - middle) - _ln(middle - s.edges[i, lower])
        inputs[i, 1] = 256
        for j in range(contexts):
            entry = slots[s.at[i, j] + k]
            p = (entry >> 20) + 2048
            confidence = CONFIDENCE[entry & COUNT_MASK]
            inputs[i, 2 + 2 * j] = (STRETCH_TABLE[p] * confidence) >> 8
            inputs[i, 3 + 2 * j] = ((p - 2048) * confidence) >> 10
        a = (c * 8 + depth) * SPREADS + s.lane[i, SPREAD_CLASS]
        b = 24 * SPREADS + c * 256 + node
        d = 24 * SPREADS + 3 * 256 + (c * 8 + depth) * ENERGIES + s.lane[i, ENERGY]
        dot_a: Any = np.int64(0)
        dot_b: Any = np.int64(0)
        dot_d: Any = np.int64(0)
        for q in range(size):
            v = np.int64(inputs[i, q])
            dot_a += v * weights[a, q]
            dot_b += v * weights[b, q]
            dot_d += v * weights[d, q]
        dot_a = min(max(dot_a >> DOT_SHIFT, -DOT_MAX), DOT_MAX)
        dot_b = min(max(dot_b >> DOT_SHIFT, -DOT_MAX), DOT_MAX)
        dot_d = min(max(dot_d >> DOT_SHIFT, -DOT_MAX), DOT_MAX)
        s.chosen[i, 0], s.chosen[i, 1], s.chosen[i, 2] = a, b, d
        s.guess[i, 0] = _squash(dot_a) >> 8
        s.guess[i, 1] = _squash(dot_b) >> 8
        s.guess[i, 2] = _squash(dot_d) >> 8
        p = _squash((dot_a + dot_b + dot_d) // 3)
        p = min(max(p, LEAST), TOTAL - LEAST)
        s.rows[i, 0] = TOTAL - p - 1
        s.rows[i, 1] = p - 1


@njit(cache=True, nogil=True)
def _learn(s: State, depth: int, bits: Int32) -> None:
    """Learn from bit ``depth`` of all lanes and step to the next node."""
    inputs, slots, weights = s.inputs, s.slots, s.weights
    contexts, size = s.ctx.shape[1], s.inputs.shape[1]
    inside = depth & 3
    rate = RATE_LAST + (RATE_FIRST - RATE_LAST) * RATE_PIXELS // (RATE_PIXELS + s.wave[PIXELS])
    for i in range(s.wave[COUNT]):
        bit, node = np.int64(bits[i]), s.lane[i, NODE]
        k = (node & ((1 << inside) - 1)) | (1 << inside)
        for m in range(3):
            step = np.int32(((bit * 65535 - s.guess[i, m]) * rate) >> 8)
            w = s.chosen[i, m]
            for q in range(size):
                weights[w, q] += (inputs[i, q] * step + 2048) >> 12
        for j in range(contexts):
            at = s.at[i, j] + k
            entry = np.int64(slots[at])
            count, p = entry & COUNT_MASK, entry >> COUNT_BITS
            if bit:
                p += ((HALF - 1 - p) * RATE[count]) >> 16
            else:
                p -= ((p + HALF) * RATE[count]) >> 16
            slots[at] = (p << COUNT_BITS) | min(count + 1, COUNT_LIMIT)
        s.lane[i, NODE] = 2 * node + bit


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
    error = s.error
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
        s.lane[i, NODE] = 1
        s.lane[i, BASE] = canvas[y, x, channel - 1] if channel > 0 else PAD_VALUE
        s.lane[i, MEAN] = center
        s.lane[i, SPREAD_CLASS] = spread_class
        s.lane[i, ENERGY] = _half_octave(west + north + more) * ERRORS + surprise
        phase = 2 * ((x - REACH) & 1) + ((y - REACH) & 1)
        if channels == 1:
            grey_contexts(s.ctx, i, canvas, y, x, phase, center, spread_class, surprise)
        else:
            rgb_contexts(s.ctx, i, canvas, y, x, phase, channel, center, spread_class, surprise)
        for j in range(s.ctx.shape[1]):
            s.ctx[i, j] = s.ctx[i, j] * 4 + channel
    _begin_nibble(s, slot_bits, weight, mean, inverse, table)
    _predict(s, 0)


@njit(cache=True, nogil=True)
def _step(
    s: State,
    depth: int,
    bits: Int32,
    slope: int,
    slot_bits: int,
    weight: Int64,
    mean: Int64,
    inverse: Int64,
    table: Int32,
) -> None:
    """Learn from bit ``depth`` and predict the next, if there is one."""
    _learn(s, depth, bits)
    if depth == 7:
        channel, first = s.wave[CHANNEL], s.wave[FIRST]
        for i in range(s.wave[COUNT]):
            y, x = first + i + REACH, s.wave[T] - slope * (first + i) + REACH
            value = (s.lane[i, NODE] + s.lane[i, BASE] - PAD_VALUE) & 255
            s.error[y, x, channel] = 16 * value - s.lane[i, MEAN]
        return
    if depth == 3:
        _begin_nibble(s, slot_bits, weight, mean, inverse, table)
    _predict(s, depth + 1)


class Mixer:
    """Predicts the bits of a tile's subpixels and learns from them.

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
        contexts = RGB_CONTEXTS if channels == 3 else GREY_CONTEXTS
        lanes = min(height, -(-width // slope))
        self.slope, self._table = slope, table
        wanted = (height * width // 4).bit_length()
        self._slot_bits = min(max(wanted, MIN_SLOT_BITS), MAX_SLOT_BITS)
        inputs = -(-(2 + 2 * contexts) // 8) * 8
        sets = 24 * (SPREADS + ENERGIES) + 3 * 256
        weights = np.zeros((sets, inputs), np.int32)
        weights[:, 0] = 1 << WEIGHT_BITS
        self._state = State(
            np.zeros((contexts << self._slot_bits) * SLOT, np.int32),
            weights,
            np.zeros((height + REACH, width + 2 * REACH, channels), np.int32),
            np.zeros(5, np.int64),
            np.zeros((lanes, 5), np.int64),
            np.zeros((lanes, contexts), np.int64),
            np.zeros((lanes, contexts), np.int64),
            np.zeros((lanes, inputs), np.int32),
            np.zeros((lanes, 3), np.int64),
            np.zeros((lanes, 3), np.int64),
            np.zeros((lanes, 17), np.int64),
            np.zeros((lanes, 2), np.float64),
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
        self._mixture = (weight, mean, inverse, self._table)
        self._depth = 0
        _begin(self._state, channel, t, first, n, self.slope, self._slot_bits, canvas, *self._mixture)

    def rows(self, n: int) -> Float64:
        """Return the frequencies - 1 of the next bit, shape (n, 2): integers that sum to 2**24 - 2."""
        return self._state.rows[:n]

    def update(self, bits: Int32) -> None:
        """Learn from the bits (n,) that were coded with the rows, and step to the next ones."""
        _step(self._state, self._depth, bits, self.slope, self._slot_bits, *self._mixture)
        self._depth += 1

    def bits(self, values: Int32) -> Int32:
        """Return the next bits of subpixels with these values, shape (n,)."""
        base = self._state.lane[: len(values), BASE]
        return (((values - base + PAD_VALUE) & 255) >> (7 - self._depth) & 1).astype(np.int32)

    def values(self, n: int) -> Int32:
        """Return the values (n,) that the eight bits say, after the last update."""
        lane = self._state.lane[:n]
        return ((lane[:, NODE] + lane[:, BASE] - PAD_VALUE) & 255).astype(np.int32)
