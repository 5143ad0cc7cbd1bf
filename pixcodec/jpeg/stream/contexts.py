"""Contexts of the bits of a block (FORMAT.md, Contexts of streams).

A context is an integer made of what is known around a block or a coefficient. For each of these there are
contexts in a row of ``Stream.ctx``, the most useful first: an effort uses so many of them. The numbers in
``Stream.set_classes`` choose the weights of the mixers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.jpeg.stream.fits import log4, predicted_size, predicted_value, signed_log4
from pixcodec.jpeg.stream.neighbours import MAX_EDGE, Around, look_around, write_features
from pixcodec.jpeg.stream.network import foresee_coefficient
from pixcodec.jpeg.stream.state import EDGE_UNITS, Int64, Stream, contexts_of, mixers_of
from pixcodec.network.kernels import inlined, kernel

MAX_MAGNITUDE = 32767  # of a coefficient
FEW, MANY = 7, 15  # contexts of the efforts fast and normal
# A context of two parts is the first times a number above all values of the second, plus the second.
_LENGTHS = 64  # of lengths, and of counts of coefficients, 0 .. 63
_LOGS = 64  # of log4, and of sizes divided by 4; 0 .. 47
_SIGNED_LOGS = 96  # of signed_log4, 1 .. 95
_SIZES = 256  # of predicted sizes, 0 .. 188
_COMPONENTS = 4
_KINDS = 64  # of contexts: one for each k of a coefficient, the last two sharing one, and one for lengths
_LENGTH_KIND = 63
_ANY_KIND = 1  # of a context that does not tell frequencies apart
# Limits of the magnitudes in a context, and the number above all values that :func:`_cut` gives then.
_LIMIT, _CUTS = 20, 64  # of neighbours in pairs
_LOW_LIMIT, _LOW_CUTS = 2, 5  # of three neighbours
_LOW_BLUE_LIMIT, _LOW_BLUE_CUTS = 3, 8  # of blue chroma beside two other parts
_BLUE_LIMIT, _BLUE_DC_LIMIT = 30, 500  # of blue chroma as the first part


@inlined
def _cut(value: int, most: int) -> Any:
    """Return a value, limited to -most .. most, as a number from 0 on."""
    return min(max(value, -most), most) + most


@inlined
def length_of(blocks: Any, r: int, c: int) -> Any:
    """Return the largest k > 0 of a coefficient of block (r, c) that is not 0, or 0 if there is none."""
    for k in range(FREQUENCIES - 1, 0, -1):
        if blocks[r, c, ZIGZAG[k]]:
            return np.int64(k)
    return np.int64(0)


@inlined
def _add_kind(ctx: Int64, component: int, i: int, kind: int, contexts: int) -> None:
    """Tell the contexts of row ``i`` apart by component and kind, as the last parts of their numbers."""
    for j in range(contexts):
        ctx[i, j] = (ctx[i, j] * _COMPONENTS + component) * _KINDS + kind


@kernel
def length_contexts(s: Stream, i: int, c: int) -> None:
    """Write the contexts of the length of block (i, c) to row ``i`` of ``ctx`` and ``set_classes``."""
    r = i
    lengths, energies, ctx, classes = s.lengths, s.energies, s.ctx, s.set_classes
    contexts, mixers = contexts_of(s), mixers_of(s)
    w = n = nw = energy_w = energy_n = luma = blue = np.int64(0)
    if c > 0:
        w, energy_w = lengths[r, c - 1], energies[r, c - 1]
    if r > 0:
        n, energy_n = lengths[r - 1, c], energies[r - 1, c]
        if c > 0:
            nw = lengths[r - 1, c - 1]
    if s.component > 0:
        luma, blue = length_of(s.luma, r, c), length_of(s.blue, r, c)
    sides = (w + n) >> 1
    ctx[i, 0] = sides * _LENGTHS + nw
    ctx[i, 1] = luma * _LENGTHS + ((w + n) >> 2)
    ctx[i, 2] = log4(energy_w) * _LOGS + log4(energy_n)
    ctx[i, 3] = w * _LENGTHS + n
    ctx[i, 4] = 2 * w + 2 * n + nw
    ctx[i, 5] = blue * _LENGTHS + sides
    ctx[i, 6] = log4(energy_w + energy_n)
    if contexts > FEW:
        ctx[i, 7] = blue * _LENGTHS + luma
        ctx[i, 8] = max(w, n) * _LENGTHS + min(w, n)
        ctx[i, 9] = w
        ctx[i, 10] = n
        ctx[i, 11] = sides
        for j in range(12, contexts):
            ctx[i, j] = 0
    _add_kind(ctx, s.component, i, _LENGTH_KIND, contexts_of(s))
    classes[i, 0], classes[i, 1] = 0, log4(w + n) >> 1
    if mixers > 2:
        classes[i, 2] = log4(energy_w + energy_n) >> 1
        for m in range(3, mixers):
            classes[i, m] = 0


@kernel
def value_contexts(s: Stream, i: int, c: int) -> None:
    """Write what predicts the coefficient of block (i, c) that is coded next.

    That is row ``i`` of ``ctx``, ``set_classes`` and both fits' features, and the lane's PREDICTED: what is
    subtracted from DC before it is coded, 0 for other coefficients.
    """
    lane, x, y = s.lane, s.value_features, s.size_features
    k = lane[i].k
    around = look_around(s, i, c, k)
    write_features(x, y, i, around, lane[i].energy)
    if s.network.used:
        foresee_coefficient(s, max(i, 0), max(c, 0), k, around)
    fit, size = predicted_value(s.value_fit, x, i, k), predicted_size(s.size_fit, y, i, k)
    lane[i].fit = abs(fit) if k else MAX_EDGE
    if k == 0:
        _dc_contexts(s, i, around, c, fit, size)
    else:
        _ac_contexts(s, i, around, c, fit, size)
    _add_kind(s.ctx, s.component, i, min(k, _LENGTH_KIND - 1), contexts_of(s))
    if k and contexts_of(s) > FEW:  # this one is of all frequencies
        s.ctx[i, 12] = ((s.ctx[i, 12] >> 6) << 6) + _ANY_KIND


@inlined
def _dc_contexts(s: Stream, i: int, a: Around, c: int, fit: int, size: int) -> None:
    """Write the contexts of DC to row ``i``, and the mean of what the edges predict to the lane."""
    lane, ctx, classes, contexts, mixers = s.lane, s.ctx, s.set_classes, contexts_of(s), mixers_of(s)
    middle = (a.by_left + a.by_top) >> 1 if i > 0 and c > 0 else a.by_left + a.by_top
    predicted = (middle + EDGE_UNITS // 2) >> 4
    lane[i].predicted = predicted
    apart, beyond, fraction = a.by_left - a.by_top, fit - EDGE_UNITS * predicted, middle & (EDGE_UNITS - 1)
    d_w = a.w - predicted if c > 0 else np.int64(0)
    d_n = a.n - predicted if i > 0 else np.int64(0)
    d_nw = a.nw - predicted if i > 0 and c > 0 else np.int64(0)
    energy, spread = lane[i].energy, log4(abs(d_w) + abs(d_n) + abs(d_nw))
    far = log4(abs(apart))
    ctx[i, 0] = signed_log4(beyond)
    ctx[i, 1] = signed_log4(beyond) * _LOGS + far
    ctx[i, 2] = signed_log4(d_w) * _SIGNED_LOGS + signed_log4(d_n)
    ctx[i, 3] = signed_log4(d_w) * _SIGNED_LOGS + signed_log4(apart)
    ctx[i, 4] = signed_log4(d_n) * _SIGNED_LOGS + signed_log4(apart)
    ctx[i, 5] = signed_log4(beyond) * _SIZES + size
    ctx[i, 6] = spread * _LOGS + far
    if contexts > FEW:
        ctx[i, 7] = signed_log4(apart) * EDGE_UNITS + fraction
        ctx[i, 8] = far * _LOGS + log4(energy)
        ctx[i, 9] = lane[i].length * _LOGS + far
        ctx[i, 10] = signed_log4(d_w + d_n - d_nw) * EDGE_UNITS + fraction
        ctx[i, 11] = signed_log4(d_nw) * _SIGNED_LOGS + signed_log4(d_n)
        ctx[i, 12] = _cut(a.blue, _BLUE_DC_LIMIT)
        ctx[i, 13] = signed_log4(beyond) * _LOGS + log4(energy)
        ctx[i, 14] = log4(a.luma)
    for j in range(MANY, contexts):
        ctx[i, j] = 0
    classes[i, 0], classes[i, 1] = 0, far >> 1
    if mixers > 2:
        classes[i, 2], classes[i, 3] = log4(energy) >> 1, log4(abs(d_w) + abs(d_n)) >> 1
        for m in range(4, mixers):
            classes[i, m] = 0


@inlined
def _ac_contexts(s: Stream, i: int, a: Around, c: int, fit: int, size: int) -> None:
    """Write the contexts of a coefficient k > 0 to row ``i``; nothing is subtracted from it."""
    lane, ctx, classes, contexts, mixers = s.lane, s.ctx, s.set_classes, contexts_of(s), mixers_of(s)
    energy, nonzero, k = lane[i].energy, lane[i].nonzero, lane[i].k
    lane[i].predicted = 0
    outside = 2 * (abs(a.n) + abs(a.w) + abs(a.nw))
    inside = 2 * (abs(a.down) + abs(a.across)) + abs(a.both) + abs(a.down2) + abs(a.across2)
    ctx[i, 0] = signed_log4(fit)
    ctx[i, 1] = size
    ctx[i, 2] = signed_log4(a.by_left)
    ctx[i, 3] = signed_log4(a.by_top)
    ctx[i, 4] = log4(a.luma) * _LOGS + log4(outside + inside)
    ctx[i, 5] = log4(energy) * _LENGTHS + nonzero
    ctx[i, 6] = _cut(a.down, _LIMIT) * _CUTS + _cut(a.across, _LIMIT)
    if contexts > FEW:
        ctx[i, 7] = lane[i].length * _LENGTHS + nonzero
        ctx[i, 8] = (signed_log4(fit) >> 1) * _LOGS + (size >> 2)
        ctx[i, 9] = log4(outside + inside + abs(a.nn) + abs(a.ww))
        ctx[i, 10] = log4(outside) * _LOGS + log4(inside)
        ctx[i, 11] = _cut(a.blue, _BLUE_LIMIT) * _LOGS + log4(a.luma)
        ctx[i, 12] = size * _LOGS + (signed_log4(fit) >> 1)
        nearest = _cut(a.n, _LOW_LIMIT) * _LOW_CUTS + _cut(a.w, _LOW_LIMIT)
        ctx[i, 13] = nearest * _LOW_CUTS + _cut(a.nw, _LOW_LIMIT)
        blue = _cut(a.blue, _LOW_BLUE_LIMIT)
        ctx[i, 14] = (signed_log4(fit) * _LOW_BLUE_CUTS + blue) * _LOGS + log4(outside)
    if contexts > MANY:
        _more_contexts(s, i, a, c, fit, size, inside)
    classes[i, 0], classes[i, 1] = k, size >> 2
    if mixers > 2:
        classes[i, 2], classes[i, 3] = log4(inside) >> 1, log4(abs(a.by_left + a.by_top)) >> 1
        for m in range(4, mixers):
            classes[i, m] = nonzero if m == 4 else lane[i].length


@inlined
def _more_contexts(s: Stream, i: int, a: Around, c: int, fit: int, size: int, inside: int) -> None:
    """Write the contexts of a coefficient k > 0 that only effort max has."""
    ctx, blocks, k = s.ctx, s.blocks, s.lane[i].k
    before = np.int64(0)
    for further in range(1, 5):
        value = np.int64(blocks[i, c, ZIGZAG[k + further]]) if k + further < FREQUENCIES else np.int64(0)
        before = before * _LOW_CUTS + _cut(value, _LOW_LIMIT)
    own = _cut(a.across, _LOW_BLUE_LIMIT) * _LOW_BLUE_CUTS + _cut(a.down, _LOW_BLUE_LIMIT)
    half_fit, energy = signed_log4(fit) >> 1, s.lane[i].energy
    ctx[i, 15] = before
    ctx[i, 16] = (signed_log4(a.by_left) >> 1) * _LOGS + (signed_log4(a.by_top) >> 1)
    ctx[i, 17] = (own * _LOW_BLUE_CUTS + _cut(a.both, _LOW_BLUE_LIMIT)) * _LOGS + (size >> 3)
    ctx[i, 18] = half_fit * _LOGS + log4(inside)
    ctx[i, 19] = ((half_fit >> 1) * _LOGS + (size >> 2)) * _LOGS + (log4(energy) >> 2)
    ctx[i, 20] = (signed_log4(a.by_left) >> 1) * _LOGS + log4(abs(a.w))
    ctx[i, 21] = (signed_log4(a.by_top) >> 1) * _LOGS + log4(abs(a.n))
    ctx[i, 22] = _cut(a.n, _LIMIT) * _CUTS + _cut(a.w, _LIMIT)
