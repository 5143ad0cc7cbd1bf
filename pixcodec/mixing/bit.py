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
from pixcodec.mixing.maps import (
    APM_LOGITS,
    FIRST_INPUT,
    LEAST,
    MAP_LIMIT,
    TOTAL,
    clear_inputs,
    corrected,
    read_counters,
)
from pixcodec.mixing.matches import LENGTH_CLASSES
from pixcodec.mixing.mixer import NOT_MIXED, mix, mix_sized, train_mixers
from pixcodec.mixing.slots import COUNTER_LIMIT, find_slots
from pixcodec.mixing.state import (
    BY_LENGTH,
    BY_NODE,
    BY_PLACE,
    BY_STILL,
    ERRORS,
    GRID,
    LEFT,
    NEAR_CLASSES,
    OPEN,
    RATE_PIXELS,
    SPREADS,
    STILLS,
    SURE,
    Mixing,
)
from pixcodec.mixing.sure import span_of
from pixcodec.mixing.tables import FINE_BITS
from pixcodec.mixing.vectors import WIDTH
from pixcodec.network.distribution import Float64
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Share, first_of

OTHER_MAX = 13 << 8  # largest logit by another distribution than the network's, in 1/256


@kernel
def find_open_slots(s: Mixing, count: int, share: Share) -> None:
    """Find the slots of the first ``count`` lanes listed in ``s.open``, of a share of the contexts."""
    used = _contexts_used(s)
    mine = used * share.number // share.parts, used * (share.number + 1) // share.parts
    find_slots(s.slots, mine, s.ctx, s.lane, s.open[:count])
    if share.parts > 1:
        _read_ahead(s, s.wave[0].depth, count, mine, share)


@kernel
def _read_ahead(s: Mixing, depth: int, count: int, mine: tuple[int, int], share: Share) -> None:
    """Read a share of the counters of the lanes' next bits: they are in the cache of this processor now."""
    lanes, inputs, maps, mixed = s.lane, s.mixers.inputs[depth & 1], s.maps, s.open
    counters, at, channel = s.slots.entries, s.slots.at, s.wave[0].channel
    for o in range(count):
        i = mixed[o]
        k = _node_in_nibble(lanes[i].node, depth & 3)
        read_counters(inputs, i, channel, k, mine, counters, at, maps)
        if share.number == 0:
            lanes[i].ready = depth


@inlined
def _contexts_used(s: Mixing) -> Any:
    """Return how many contexts the bits of this depth have."""
    return s.rules.high_contexts if s.wave[0].depth < 4 else s.ctx.shape[1]


@kernel
def write_rows(s: Mixing, rows: Float64, start: int) -> None:
    """Write frequencies - 1 of both outcomes of the lanes' bits, from their probabilities."""
    lane = s.lane
    for i in range(s.wave[0].lanes):
        one = lane[i].one
        rows[start + i, 0] = TOTAL - one - 1
        rows[start + i, 1] = one - 1


@inlined
def _node_in_nibble(node: int, inside: int) -> Any:
    """Return the node, 1..15, of a nibble's tree whose first ``inside`` bits are known."""
    return (node & ((1 << inside) - 1)) | (1 << inside)


@inlined
def _prior(s: Mixing, number: int, i: int, k: int, inside: int) -> Any:
    """Return the logit of a bit by one of the priors."""
    low, middle, high = span_of(s.edges, number, i, k, inside)
    return ln(high - middle) - ln(middle - low)


@inlined
def _other_prior(s: Mixing, number: int, i: int, k: int, inside: int) -> Any:
    """Return the logit of a bit by a prior around another prediction than the network's."""
    return min(max(_prior(s, number, i, k, inside), -OTHER_MAX), OTHER_MAX)


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
    """Choose the weight sets of a lane's mixers: spread, node, place, length of the repeat, stillness."""
    sets, channel = s.mixers.sets, f >> 3
    sets[i, 0] = f * SPREADS + lane.spread
    sets[i, 1] = BY_NODE + channel * 256 + lane.node
    if s.rules.linear:
        sets[i, 2] = BY_PLACE + f * GRID * GRID + lane.place
    last = sets.shape[1] - 1
    if s.rules.reference:
        sets[i, last] = BY_STILL + f * STILLS + lane.still
        last -= 1
    if s.rules.matches:
        sets[i, last] = BY_LENGTH + f * LENGTH_CLASSES + lane.repeat


@inlined
def _add_other_priors(s: Mixing, i: int, depth: int, k: int) -> None:
    """Add the inputs of effort max: priors around the joint and the least-squares prediction of a lane."""
    further = FIRST_INPUT + 2 * s.ctx.shape[1]
    for number in range(1, 4):
        logit = _other_prior(s, number, i, k, depth & 3)
        s.mixers.inputs[depth & 1, i, further + number - 1] = logit


@inlined
def _add_near_prior(s: Mixing, i: int, depth: int, k: int) -> Any:
    """Add the input of a lane by what lies around the prediction of its block fit; return its class."""
    near = _other_prior(s, 1, i, k, depth & 3)
    s.mixers.inputs[depth & 1, i, FIRST_INPUT + s.ctx.shape[1]] = near
    return min(max((near >> 7) + 8, 0), NEAR_CLASSES - 1)


@kernel
def predict_bits(s: Mixing, share: Share) -> None:
    """Predict the next bit of a share of the lanes: set their field ``one``."""
    _gather_inputs(s, share)
    # Apart: what was just written by numbers is read by vectors, which has to wait for it.
    lanes, apm, mixers, depth, channel = s.lane, s.apm, s.mixers, s.wave[0].depth, s.wave[0].channel
    inputs, f = mixers.inputs[depth & 1], channel * 8 + depth
    usual = inputs.shape[1] == 2 * WIDTH and mixers.sets.shape[1] == 3
    for i in range(first_of(share), share.end):
        lane = lanes[i]
        if lane.kind == SURE:
            continue
        if lane.squares == NOT_MIXED:
            mixed = min(max(inputs[i, 0] << (FINE_BITS - 8), -LOGIT_MAX), LOGIT_MAX)
        elif usual:
            mixed = mix_sized(mixers, inputs, i, f, lane, 2, 3)
        else:
            mixed = mix(mixers, inputs, i, f, lane)
        lane.one = corrected(apm, (channel * 256 + lane.node) * APM_LOGITS, mixed, lane)


@inlined
def _gather_inputs(s: Mixing, share: Share) -> None:
    """Set the inputs of the mixers for a share of the lanes, or of what is foreseen ``one``."""
    lanes, sure, mixers, maps = s.lane, s.sure, s.mixers, s.maps
    counters, at, depth, channel = s.slots.entries, s.slots.at, s.wave[0].depth, s.wave[0].channel
    inputs = mixers.inputs[depth & 1]
    inside, f = depth & 3, channel * 8 + depth
    used, contexts = _contexts_used(s), s.ctx.shape[1]
    certain, linear, near = s.rules.certain, s.rules.linear, s.rules.near
    for i in range(first_of(share), share.end):
        lane = lanes[i]
        k = _node_in_nibble(lane.node, inside)
        if lane.kind == SURE:
            if k == lane.target >> (4 - inside):
                lane.one = _sure_probability(sure, lane, f, inside)
                continue
            lane.kind = LEFT
        prior = _prior(s, 0, i, k, inside)
        inputs[i, 0], lane.squares = prior, NOT_MIXED
        if lane.kind == OPEN and -certain < prior < certain:
            inputs[i, 1], lane.squares = 256, 0
            clear_inputs(inputs, i, used, contexts)
            if lane.ready != depth:
                read_counters(inputs, i, channel, k, (0, used), counters, at, maps)
            if linear:
                _add_other_priors(s, i, depth, k)
            _choose_sets(s, i, f, lane)
            if near:
                mixers.sets[i, 2] = BY_PLACE + f * GRID * GRID + _add_near_prior(s, i, depth, k)


@inlined
def _take_bit(apm: Int32, sure: Int32, lane: Any, bit: int, inside: int, limit: int) -> Any:
    """Take the bit of a lane, and go on to the next node; return whether contexts and mixers learn of it."""
    node = lane.node
    lane.node, lane.bit, lane.inside = 2 * node + bit, bit, _node_in_nibble(node, inside)
    if lane.kind == SURE:
        right = 1 if bit == (lane.target >> (3 - inside)) & 1 else 0
        move(sure, lane.apm_at, right, MAP_LIMIT)
        return False
    move(apm, lane.apm_at, bit, limit)
    return lane.squares != NOT_MIXED


@inlined
def _rate(s: Mixing) -> Any:
    """Return the learning rate of the mixers, in 2**-16."""
    slow, fast = s.rules.last_rate, s.rules.first_rate
    return slow + (fast - slow) * RATE_PIXELS // (RATE_PIXELS + s.wave[0].pixels)


@kernel
def learn_alone(s: Mixing, bits: Int32, start: int) -> None:
    """Learn from the bit of all lanes, ``bits[start :]``, and go on to the next node."""
    lanes, apm, sure, mixers = s.lane, s.apm, s.sure, s.mixers
    counters, at, maps, map_at = s.slots.entries, s.slots.at, s.maps.entries, s.maps.at
    inside, f = s.wave[0].depth & 3, s.wave[0].channel * 8 + s.wave[0].depth
    inputs = mixers.inputs[inside & 1]
    used, limit, rate = _contexts_used(s), s.rules.apm_limit, _rate(s)
    for i in range(s.wave[0].lanes):
        lane = lanes[i]
        bit = np.int64(bits[start + i])
        if _take_bit(apm, sure, lane, bit, inside, limit):
            train_mixers(mixers, inputs, (0, mixers.sets.shape[1]), i, f, lane, bit, rate)
            for j in range(used):
                move(maps, map_at[i, j], bit, MAP_LIMIT)
                move(counters, at[i, j] + np.uint64(lane.inside), bit, COUNTER_LIMIT)


@kernel
def take_bits(s: Mixing, bits: Int32, start: int) -> int:
    """Take the bit of all lanes, ``bits[start :]``, and go on to the next node.

    Lists the lanes of whose bits contexts and mixers learn, and returns how many they are. What they learn,
    in :func:`learn_bits`, is what they learn in :func:`learn_alone`: there, the order is another.
    """
    lanes, apm, sure, mixed = s.lane, s.apm, s.sure, s.open
    limit, inside, count = s.rules.apm_limit, s.wave[0].depth & 3, 0
    for i in range(s.wave[0].lanes):
        mixed[count] = i
        count += _take_bit(apm, sure, lanes[i], np.int64(bits[start + i]), inside, limit)
    return count


@kernel
def learn_bits(s: Mixing, count: int, share: Share) -> None:
    """Let a share of mixers and contexts learn from the bits of the first ``count`` lanes of ``s.open``."""
    lanes, mixers, mixed = s.lane, s.mixers, s.open
    counters, at, maps, map_at = s.slots.entries, s.slots.at, s.maps.entries, s.maps.at
    f, inputs = s.wave[0].channel * 8 + s.wave[0].depth, mixers.inputs[s.wave[0].depth & 1]
    # A mixer takes as much time as so many contexts.
    many, cost = mixers.sets.shape[1], max(inputs.shape[1] >> 5, 1)
    work = many * cost + _contexts_used(s)
    first, end = work * share.number // share.parts, work * (share.number + 1) // share.parts
    mine = min(-(-first // cost), many), min(-(-end // cost), many)
    context, last, rate = max(first - many * cost, 0), max(end - many * cost, 0), _rate(s)
    for o in range(count):
        i = mixed[o]
        lane = lanes[i]
        bit, k = lane.bit, lane.inside
        if mine[0] < mine[1]:
            train_mixers(mixers, inputs, mine, i, f, lane, bit, rate)
        for j in range(context, last):
            move(maps, map_at[i, j], bit, MAP_LIMIT)
            move(counters, at[i, j] + np.uint64(k), bit, COUNTER_LIMIT)
    depth = s.wave[0].depth + 1
    if depth & 3:
        _read_ahead(s, depth, count, (context, last), share)
