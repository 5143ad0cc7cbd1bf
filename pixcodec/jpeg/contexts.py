"""Contexts of the bits of a block (FORMAT.md, sections Contexts of lengths and Contexts of coefficients).

A context is an integer made of what is known around a block or a coefficient. For each bit there are
CONTEXTS of them, in a row of ``State.ctx``; the numbers in ``State.set_classes`` choose the weights of the
mixers. These are 17 of 28 contexts that were tried. Left out alone, none of the 28 cost more than 0.2 % of
the bytes (benchmarks/results/ablations.md, JPEG coefficients).

All of this is integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.jpeg.coefficients import FREQUENCIES, MAX_COEFFICIENT
from pixcodec.jpeg.fits import log4, predicted_size, predicted_value, signed_log4, write_features
from pixcodec.jpeg.neighbours import EDGE_UNITS, Around, edges, place_of, same_block, same_frequency
from pixcodec.jpeg.state import ZIGZAG, Int64, State
from pixcodec.network.kernels import inlined, kernel

# A context of two parts is the first times a number above all values of the second, plus the second.
_LENGTHS = 64  # of lengths, and of counts of coefficients, 0 .. 63
_LOGS = 64  # of log4, and of sizes divided by 4; 0 .. 47
_SIGNED_LOGS = 96  # of signed_log4, 1 .. 95
_SIZES = 256  # of predicted sizes, 0 .. 188
_COMPONENTS = 4
_KINDS = 64  # of contexts: one for each k of a coefficient, the last two sharing one, and one for lengths
_LENGTH_KIND = 63
# Limits of the magnitudes in a context, and the number above all values that :func:`_cut` gives then.
_LIMIT, _CUTS = 20, 64  # of neighbours in pairs
_LOW_LIMIT, _LOW_CUTS = 2, 5  # of four neighbours
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
def _energy_of(blocks: Any, r: int, c: int) -> Any:
    """Return the sum of the magnitudes of the coefficients of block (r, c) but DC; 0 if there is no block."""
    energy = np.int64(0)
    if r >= 0 and c >= 0:
        for p in range(1, FREQUENCIES):
            energy += abs(blocks[r, c, p])
    return energy


@kernel
def length_contexts(s: State, i: int, r: int, c: int) -> None:
    """Write the contexts of the length of block (r, c) to row ``i`` of ``ctx`` and ``set_classes``."""
    lengths, ctx, classes = s.lengths, s.ctx, s.set_classes
    w = lengths[r, c - 1] if c > 0 else np.int64(0)
    n = lengths[r - 1, c] if r > 0 else np.int64(0)
    nw = lengths[r - 1, c - 1] if r > 0 and c > 0 else np.int64(0)
    ne = lengths[r - 1, c + 1] if r > 0 and c + 1 < lengths.shape[1] else n
    energy_w, energy_n = _energy_of(s.blocks, r, c - 1), _energy_of(s.blocks, r - 1, c)
    luma, blue = length_of(s.luma, r, c), length_of(s.blue, r, c)
    ctx[i, 0] = w * _LENGTHS + n
    ctx[i, 1] = (w + n) >> 1
    ctx[i, 2] = ((w + n) >> 1) * _LENGTHS + ((nw + ne) >> 1)
    ctx[i, 3] = luma * _LENGTHS + ((w + n) >> 2)
    ctx[i, 4] = log4(energy_w) * _LOGS + log4(energy_n)
    ctx[i, 5] = log4(energy_w + energy_n)
    ctx[i, 6] = (2 * w + 2 * n + nw + ne) // 3
    ctx[i, 7] = blue * _LENGTHS + ((w + n) >> 1)
    ctx[i, 8] = blue * _LENGTHS + luma
    ctx[i, 9] = max(w, n) * _LENGTHS + max(nw, ne)
    ctx[i, 10] = w
    ctx[i, 11] = n
    for j in range(12, ctx.shape[1]):
        ctx[i, j] = 0
    _add_kind(ctx, s.component, i, _LENGTH_KIND)
    classes[i, 0], classes[i, 1] = 0, log4(w + n) >> 1
    classes[i, 2], classes[i, 3] = log4(energy_w + energy_n) >> 1, 0


@kernel
def value_contexts(s: State, i: int, r: int, c: int) -> None:
    """Write what predicts the coefficient of block (r, c) that lane ``i`` codes next.

    That is row ``i`` of ``ctx``, ``set_classes`` and both fits' features, and the lane's PREDICTED: what is
    subtracted from DC before it is coded, 0 for other coefficients.
    """
    b, lane, x, y = s.blocks, s.lane, s.value_features, s.size_features
    k = lane[i].k
    at = place_of(r, c, k, b.shape[1])
    around = Around(
        at,
        same_frequency(b, at),
        same_block(b, at),
        edges(b, s.steps, s.left, s.right, s.top, s.bottom, i, at),
        np.int64(s.luma[r, c, at.p]),
        np.int64(s.blue[r, c, at.p]),
    )
    write_features(x, y, b, i, around, lane[i].energy)
    fit, size = predicted_value(s.value_fit, x, i, k), predicted_size(s.size_fit, y, i, k)
    if k == 0:
        _dc_contexts(lane, s.ctx, s.set_classes, i, around, fit, size)
    else:
        _ac_contexts(lane, s.ctx, s.set_classes, i, around, fit, size)
    _add_kind(s.ctx, s.component, i, min(k, _LENGTH_KIND - 1))


@inlined
def _dc_contexts(
    lane: Int64, ctx: Int64, classes: Int64, i: int, around: Around, fit: int, size: int
) -> None:
    """Write the contexts of DC to row ``i``, and the mean of what the edges predict to the lane."""
    at = around.place
    n, w, nw, ne, _, _ = around.same
    by_left, by_top, _, _ = around.edges
    energy = lane[i].energy
    middle = (by_left + by_top) // 2 if at.above and at.before else by_left + by_top
    nearest = (middle + EDGE_UNITS // 2) // EDGE_UNITS
    predicted: Any = min(max(nearest, -MAX_COEFFICIENT), MAX_COEFFICIENT)
    lane[i].predicted = predicted
    apart, beyond, fraction = by_left - by_top, fit - EDGE_UNITS * predicted, middle % EDGE_UNITS
    d_w, d_n = w - predicted if at.before else np.int64(0), n - predicted if at.above else np.int64(0)
    d_nw = nw - predicted if at.above and at.before else np.int64(0)
    d_ne = ne - predicted if at.above_right else np.int64(0)
    ctx[i, 0] = signed_log4(apart) * EDGE_UNITS + fraction
    ctx[i, 1] = log4(abs(apart)) * _LOGS + log4(energy)
    ctx[i, 2] = lane[i].length * _LOGS + log4(abs(apart))
    ctx[i, 3] = signed_log4(d_w) * _SIGNED_LOGS + signed_log4(d_n)
    ctx[i, 4] = signed_log4(d_w) * _SIGNED_LOGS + signed_log4(apart)
    ctx[i, 5] = signed_log4(d_n) * _SIGNED_LOGS + signed_log4(apart)
    ctx[i, 6] = log4(energy)
    ctx[i, 7] = signed_log4(d_w + d_n - d_nw) * EDGE_UNITS + fraction
    ctx[i, 8] = signed_log4(d_ne) * _SIGNED_LOGS + signed_log4(d_n)
    ctx[i, 9] = _cut(around.blue, _BLUE_DC_LIMIT)
    ctx[i, 10] = predicted + MAX_COEFFICIENT
    ctx[i, 11] = log4(around.luma)
    ctx[i, 12] = log4(abs(d_w) + abs(d_n) + abs(d_nw) + abs(d_ne)) * _LOGS + log4(abs(apart))
    ctx[i, 13] = signed_log4(beyond)
    ctx[i, 14] = signed_log4(beyond) * _LOGS + log4(abs(apart))
    ctx[i, 15] = signed_log4(beyond) * _LOGS + log4(energy)
    ctx[i, 16] = signed_log4(beyond) * _SIZES + size
    classes[i, 0], classes[i, 1] = 0, log4(abs(apart)) >> 1
    classes[i, 2], classes[i, 3] = log4(energy) >> 1, log4(abs(d_w) + abs(d_n)) >> 1


@inlined
def _ac_contexts(
    lane: Int64, ctx: Int64, classes: Int64, i: int, around: Around, fit: int, size: int
) -> None:
    """Write the contexts of a coefficient k > 0 to row ``i``; nothing is subtracted from it."""
    luma, blue = around.luma, around.blue
    n, w, nw, ne, nn, ww = around.same
    down, across, both, down2, across2 = around.block
    by_left, by_top, like_left, like_top = around.edges
    energy, nonzero = lane[i].energy, lane[i].nonzero
    lane[i].predicted = 0
    outside = 2 * (abs(n) + abs(w)) + abs(nw) + abs(ne)
    inside = 2 * (abs(down) + abs(across)) + abs(both) + abs(down2) + abs(across2)
    ctx[i, 0] = log4(outside) * _LOGS + log4(inside)
    ctx[i, 1] = log4(abs(n)) * _LOGS + log4(abs(w))
    ctx[i, 2] = lane[i].length * _LENGTHS + nonzero
    ctx[i, 3] = signed_log4(by_top)
    ctx[i, 4] = signed_log4(by_left)
    ctx[i, 5] = _cut(n, _LIMIT) * _CUTS + _cut(w, _LIMIT)
    ctx[i, 6] = _cut(down, _LIMIT) * _CUTS + _cut(across, _LIMIT)
    ctx[i, 7] = _cut(blue, _BLUE_LIMIT) * _LOGS + log4(luma)
    ctx[i, 8] = log4(luma) * _LOGS + log4(outside + inside)
    nearest = _cut(n, _LOW_LIMIT) * _LOW_CUTS + _cut(w, _LOW_LIMIT)
    ctx[i, 9] = (nearest * _LOW_CUTS + _cut(nw, _LOW_LIMIT)) * _LOW_CUTS + _cut(ne, _LOW_LIMIT)
    ctx[i, 10] = log4(energy) * _LENGTHS + nonzero
    ctx[i, 11] = log4(outside + inside + abs(nn) + abs(ww))
    ctx[i, 12] = signed_log4(fit)
    ctx[i, 13] = size
    ctx[i, 14] = (signed_log4(fit) >> 1) * _LOGS + (size >> 2)
    ctx[i, 15] = (signed_log4(fit) * _LOW_BLUE_CUTS + _cut(blue, _LOW_BLUE_LIMIT)) * _LOGS + log4(outside)
    ctx[i, 16] = signed_log4(like_left + like_top)
    classes[i, 0], classes[i, 1] = around.place.k, size >> 2
    classes[i, 2], classes[i, 3] = log4(inside) >> 1, log4(abs(by_left + by_top)) >> 1


@inlined
def _add_kind(ctx: Int64, component: int, i: int, kind: int) -> None:
    """Tell the contexts of row ``i`` apart by component and kind, as the last parts of their numbers."""
    for j in range(ctx.shape[1]):
        ctx[i, j] = (ctx[i, j] * _COMPONENTS + component) * _KINDS + kind
