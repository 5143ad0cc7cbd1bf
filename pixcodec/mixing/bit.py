"""One bit of the subpixels of all lanes: predicted, then learnt from (FORMAT.md, section Mixing).

A subpixel is coded as the eight bits of its symbol, most significant first, by probabilities whose product is
the subpixel's categorical distribution. The network's mixture gives a prior for every bit. Each context gives
another probability, learnt from the bits that followed it before. Mixers add all of them up in the logistic
domain, and an adaptive map corrects the sum.

All lanes of a wavefront are predicted from the state before its bit; the updates follow in the order of the
lanes. Encoder and decoder therefore do the same.

For numba: arrays are taken out of tuples once, outside of loops; small kernels are inlined; an index that
comes from memory is unsigned, as a signed one might be negative and count from the end (8 % of the time).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.mixing.contexts import Int32
from pixcodec.mixing.counters import COUNT_BITS, HALF, move
from pixcodec.mixing.logits import LOGIT_MAX, ln
from pixcodec.mixing.maps import APM_LOGITS, FIRST_INPUT, LEAST, MAP_LIMIT, TOTAL, corrected, read_counters
from pixcodec.mixing.matches import LENGTH_CLASSES
from pixcodec.mixing.mixer import NOT_MIXED, mix, train_mixers
from pixcodec.mixing.slots import COUNTER_LIMIT, find_slots
from pixcodec.mixing.state import (
    BY_LENGTH,
    BY_NODE,
    BY_PLACE,
    ERRORS,
    GRID,
    LEFT,
    OFFSET,
    OPEN,
    RATE_PIXELS,
    SPREADS,
    SURE,
    Mixing,
)
from pixcodec.mixing.sure import open_lanes, set_interval
from pixcodec.mixing.tables import FINE_BITS
from pixcodec.network.distribution import Float64, Mixture, cumulative
from pixcodec.network.kernels import inlined, kernel

OTHER_MAX = 13 << 8  # largest logit by another distribution than the network's, in 1/256


@kernel
def begin_nibble(s: Mixing, mixture: Mixture) -> None:
    """Find the nibbles of which the mixture is sure, and the slots of the others."""
    count = open_lanes(s, mixture)
    contexts = s.rules.high_contexts if s.wave[0].depth == 0 else s.ctx.shape[1]
    find_slots(s.slots, contexts, s.ctx, s.lane, s.open[:count])


@inlined
def _write_row(rows: Float64, at: int, p: int) -> None:
    """Write frequencies - 1 of a bit that is 1 with probability ``p`` / 2**24."""
    rows[at, 0] = TOTAL - p - 1
    rows[at, 1] = p - 1


@inlined
def _node_in_nibble(node: int, inside: int) -> Any:
    """Return the node, 1..15, of a nibble's tree whose first ``inside`` bits are known."""
    return (node & ((1 << inside) - 1)) | (1 << inside)


@kernel
def _other_prior(lane: Any, i: int, depth: int, shift: int, mixture: Mixture) -> Any:
    """Return the logit of a bit by a distribution that may not be the network's, moved up by ``shift``."""
    half = 128 >> depth
    first = lane.base - OFFSET + lane.node * 2 * half - 256
    below: Any = np.int64(0)
    middle: Any = np.int64(0)
    above: Any = np.int64(0)
    for end in range(3):
        edge = cumulative(mixture, i, first + end * half, shift)
        below, middle, above = middle, above, edge
    return min(max(ln(above - middle) - ln(middle - below), -OTHER_MAX), OTHER_MAX)


@inlined
def _sure_probability(sure: Int32, lane: Any, f: int, inside: int) -> Any:
    """Return the probability of a 1 in 2**-24 of a bit that is foreseen; keep which counter says so."""
    where = f * ERRORS + lane.surprise
    lane.apm_at = where
    p: Any = (np.int64(sure[where] >> COUNT_BITS) + HALF) << 2
    p = min(max(p, LEAST), TOTAL - LEAST)
    return p if (lane.target >> (3 - inside)) & 1 else TOTAL - p


@inlined
def _choose_sets(s: Mixing, i: int, f: int, lane: Any) -> None:
    """Choose the weight sets of a lane's mixers: by spread, node, place in a block, length of the repeat."""
    sets, channel = s.mixers.sets, f >> 3
    sets[i, 0] = f * SPREADS + lane.spread
    sets[i, 1] = BY_NODE + channel * 256 + lane.node
    if s.rules.linear:
        sets[i, 2] = BY_PLACE + f * GRID * GRID + lane.place
    if s.rules.matches:
        sets[i, sets.shape[1] - 1] = BY_LENGTH + f * LENGTH_CLASSES + lane.repeat


@kernel
def _add_other_priors(s: Mixing, i: int, depth: int, mixture: Mixture) -> None:
    """Add the inputs of effort max: priors around the joint and the least-squares prediction of a lane."""
    lane, inputs = s.lane[i], s.mixers.inputs
    further = FIRST_INPUT + 2 * s.ctx.shape[1]
    inputs[i, further] = _other_prior(lane, i, depth, lane.joint - lane.mean, mixture)
    inputs[i, further + 1] = _other_prior(lane, i, depth, 0, s.around_linear)
    inputs[i, further + 2] = _other_prior(lane, i, depth, 0, s.around_joint)


@kernel
def predict_bit(s: Mixing, mixture: Mixture, rows: Float64, start: int) -> None:
    """Predict the next bit of all lanes.

    Writes frequencies - 1 of both outcomes, which sum to 2**24 - 2, to ``rows[start :]`` (N, 2).
    """
    lanes, apm, sure, inputs, mixers, maps = s.lane, s.apm, s.sure, s.mixers.inputs, s.mixers, s.maps
    counters, at, depth, channel = s.slots.entries, s.slots.at, s.wave[0].depth, s.wave[0].channel
    inside, f = depth & 3, channel * 8 + depth
    used = s.rules.high_contexts if depth < 4 else at.shape[1]
    certain, linear = s.rules.certain, s.rules.linear
    for i in range(s.wave[0].lanes):
        lane = lanes[i]
        node = lane.node
        k = _node_in_nibble(node, inside)
        if lane.kind == SURE:
            if k == lane.target >> (4 - inside):
                _write_row(rows, start + i, _sure_probability(sure, lane, f, inside))
                continue
            lane.kind = LEFT
            set_interval(lane, i, depth, mixture)
        middle = cumulative(mixture, i, lane.base - OFFSET + ((2 * node + 1) << (7 - depth)) - 256, 0)
        lane.middle = middle
        prior = ln(lane.high - middle) - ln(middle - lane.low)
        if lane.kind == OPEN and -certain < prior < certain:
            inputs[i, 0], inputs[i, 1] = prior, 256
            read_counters(inputs, i, channel, k, used, counters, at, maps)
            if linear:
                _add_other_priors(s, i, depth, mixture)
            _choose_sets(s, i, f, lane)
            mixed = mix(mixers, i, f, lane)
        else:
            lane.squares = NOT_MIXED
            mixed = min(max(prior << (FINE_BITS - 8), -LOGIT_MAX), LOGIT_MAX)
        _write_row(rows, start + i, corrected(apm, (channel * 256 + node) * APM_LOGITS, mixed, lane))


@kernel
def learn_bit(s: Mixing, bits: Int32, start: int) -> None:
    """Learn from the bit of all lanes, ``bits[start :]``, and go on to the next node."""
    lanes, apm, sure, mixers = s.lane, s.apm, s.sure, s.mixers
    counters, at, maps, map_at = s.slots.entries, s.slots.at, s.maps.entries, s.maps.at
    depth, rules = s.wave[0].depth, s.rules
    inside, f = depth & 3, s.wave[0].channel * 8 + depth
    used = rules.high_contexts if depth < 4 else at.shape[1]
    slow, fast = rules.last_rate, rules.first_rate
    rate = slow + (fast - slow) * RATE_PIXELS // (RATE_PIXELS + s.wave[0].pixels)
    for i in range(s.wave[0].lanes):
        lane = lanes[i]
        bit, node = np.int64(bits[start + i]), lane.node
        lane.node = 2 * node + bit
        if lane.kind == SURE:
            right = 1 if bit == (lane.target >> (3 - inside)) & 1 else 0
            move(sure, lane.apm_at, right, MAP_LIMIT)
            continue
        if bit:
            lane.low = lane.middle
        else:
            lane.high = lane.middle
        move(apm, lane.apm_at, bit, rules.apm_limit)
        if lane.squares == NOT_MIXED:
            continue
        k = _node_in_nibble(node, inside)
        train_mixers(mixers, i, f, lane, bit, rate)
        for j in range(used):
            move(maps, map_at[i, j], bit, MAP_LIMIT)
            move(counters, at[i, j] + np.uint64(k), bit, COUNTER_LIMIT)
    s.wave[0].depth += 1
