"""Contexts of the bits of a block of coefficients: what its neighbours and its known coefficients say.

A coefficient is foreseen in two ways. The block goes on from those to the left and above: at the edge between
two blocks, every row of vertical frequencies should come from both sides to the same level, which says what
the coefficient has to be if the lower frequencies beside it are 0, or are as in the neighbour. And two linear
fits, to the coefficients of the same frequency before it, foresee its value and its magnitude.

All float64 operations are +, -, *, / in a fixed order (see :mod:`pixcodec.mixing.least_squares`).
numba caches these kernels with :mod:`pixcodec.jpeg.coder`: touch that file after a change here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from pixcodec.jpeg.coefficients import MAX_COEFFICIENT
from pixcodec.jpeg.state import (
    FIRST_EDGE,
    SIZES,
    VALUES,
    ZIGZAG,
    Float64,
    State,
)

RIDGE = 4.0
MAX_FIT = 2000.0  # beyond that a fit is no use
MAX_LOG = 47
_LENGTH_CODE = 63


@njit(cache=True, nogil=True, forceinline=True)
def log4(value: int) -> Any:
    """Return about 4 log2(1 + value) of a magnitude, at most 47."""
    v = value + 1
    steps = np.int64(0)
    while v >= 8:
        v >>= 1
        steps += 4
    steps += 0 if v < 2 else 4 if v == 2 else 6 if v == 3 else 4 + v
    return min(steps, MAX_LOG)


@njit(cache=True, nogil=True, forceinline=True)
def signed_log4(value: int) -> Any:
    """Return :func:`log4` with the sign, from 1 to 95; 48 is 0."""
    return 48 + log4(value) if value >= 0 else 48 - log4(-value)


@njit(cache=True, nogil=True, forceinline=True)
def _cut(value: int, most: int) -> Any:
    """Return a value from -most to most as a number from 0 on."""
    return min(max(value, -most), most) + most


@njit(cache=True, nogil=True, forceinline=True)
def length_of(blocks: Any, r: int, c: int) -> Any:
    """Return the number of coefficients of a block up to the last that is not 0, DC not counted."""
    for k in range(63, 0, -1):
        if blocks[r, c, ZIGZAG[k]]:
            return np.int64(k)
    return np.int64(0)


@njit(cache=True, nogil=True)
def length_contexts(s: State, i: int, r: int, c: int) -> None:
    """Write the contexts of the length of block (r, c) to row ``i``."""
    lengths, ctx = s.lengths, s.ctx
    w = lengths[r, c - 1] if c > 0 else np.int64(0)
    n = lengths[r - 1, c] if r > 0 else np.int64(0)
    nw = lengths[r - 1, c - 1] if r > 0 and c > 0 else np.int64(0)
    ne = lengths[r - 1, c + 1] if r > 0 and c + 1 < lengths.shape[1] else n
    energy_w, energy_n = np.int64(0), np.int64(0)
    for p in range(1, 64):
        if c > 0:
            energy_w += abs(s.blocks[r, c - 1, p])
        if r > 0:
            energy_n += abs(s.blocks[r - 1, c, p])
    luma, blue = length_of(s.luma, r, c), length_of(s.blue, r, c)
    ctx[i, 0] = w * 64 + n
    ctx[i, 1] = (w + n) >> 1
    ctx[i, 2] = ((w + n) >> 1) * 64 + ((nw + ne) >> 1)
    ctx[i, 3] = luma * 64 + ((w + n) >> 2)
    ctx[i, 4] = log4(energy_w) * 64 + log4(energy_n)
    ctx[i, 5] = log4(energy_w + energy_n)
    ctx[i, 6] = (2 * w + 2 * n + nw + ne) // 3
    ctx[i, 7] = blue * 64 + ((w + n) >> 1)
    ctx[i, 8] = blue * 64 + luma
    ctx[i, 9] = max(w, n) * 64 + max(nw, ne)
    ctx[i, 10] = w
    ctx[i, 11] = n
    for j in range(12, ctx.shape[1]):
        ctx[i, j] = 0
    for j in range(ctx.shape[1]):
        ctx[i, j] = (ctx[i, j] * 4 + s.component) * 64 + _LENGTH_CODE
    s.set_classes[i, 0], s.set_classes[i, 1] = 0, log4(w + n) >> 1
    s.set_classes[i, 2], s.set_classes[i, 3] = log4(energy_w + energy_n) >> 1, 0


@njit(cache=True, nogil=True)
def value_contexts(s: State, i: int, r: int, c: int) -> None:
    """Write the contexts of the coefficient of block (r, c) that lane ``i`` has come to."""
    b, lane, columns = s.blocks, s.lane, s.blocks.shape[1]
    k = lane[i].k
    p = ZIGZAG[k]
    u, v = p >> 3, p & 7
    above, before = r > 0, c > 0
    n = np.int64(b[r - 1, c, p]) if above else np.int64(0)
    w = np.int64(b[r, c - 1, p]) if before else np.int64(0)
    nw = np.int64(b[r - 1, c - 1, p]) if above and before else np.int64(0)
    ne = np.int64(b[r - 1, c + 1, p]) if above and c + 1 < columns else np.int64(0)
    nn = np.int64(b[r - 2, c, p]) if r > 1 else np.int64(0)
    ww = np.int64(b[r, c - 2, p]) if c > 1 else np.int64(0)
    down = np.int64(b[r, c, p + 8]) if u < 7 else np.int64(0)
    across = np.int64(b[r, c, p + 1]) if v < 7 else np.int64(0)
    both = np.int64(b[r, c, p + 9]) if u < 7 and v < 7 else np.int64(0)
    down2 = np.int64(b[r, c, p + 16]) if u < 6 else np.int64(0)
    across2 = np.int64(b[r, c, p + 2]) if v < 6 else np.int64(0)
    luma, blue = np.int64(s.luma[r, c, p]), np.int64(s.blue[r, c, p])
    # What the edges to the left and above ask for, in 1/16 of a step.
    by_left, by_top, like_left, like_top = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    edge, step = FIRST_EDGE, s.steps[p]
    if before:
        rest = s.right[r, c - 1, u] - s.left[i, u]
        by_left = rest * 16 // (edge[v] * step)
        for q in range(v):
            rest -= edge[q] * s.steps[8 * u + q] * b[r, c - 1, 8 * u + q]
        like_left = rest * 16 // (edge[v] * step)
    if above:
        rest = s.bottom[r - 1, c, v] - s.top[i, v]
        by_top = rest * 16 // (edge[u] * step)
        for q in range(u):
            rest -= edge[q] * s.steps[8 * q + v] * b[r - 1, c, 8 * q + v]
        like_top = rest * 16 // (edge[u] * step)

    x = s.value_features
    x[i, 0], x[i, 1], x[i, 2], x[i, 3] = n, w, nw, ne
    x[i, 4], x[i, 5], x[i, 6], x[i, 7] = by_left / 16, by_top / 16, like_left / 16, like_top / 16
    x[i, 8], x[i, 9], x[i, 10], x[i, 11], x[i, 12], x[i, 13] = down, across, down2, across2, blue, both
    x[i, 14] = b[r, c - 1, p + 1] if before and v < 7 else 0
    x[i, 15] = b[r, c - 1, p - 1] if before and v > 0 else 0
    x[i, 16] = b[r - 1, c, p + 8] if above and u < 7 else 0
    x[i, 17] = b[r - 1, c, p - 8] if above and u > 0 else 0
    x[i, 18] = b[r, c, p + 3] if v < 5 else 0
    x[i, 19] = b[r, c, p + 24] if u < 5 else 0
    y = s.size_features
    y[i, 0], y[i, 1], y[i, 2], y[i, 3] = log4(abs(n)), log4(abs(w)), log4(abs(nw)), log4(abs(ne))
    y[i, 4], y[i, 5], y[i, 6], y[i, 7] = log4(abs(nn)), log4(abs(ww)), log4(abs(down)), log4(abs(across))
    y[i, 8], y[i, 9], y[i, 10] = log4(abs(both)), log4(abs(down2)), log4(abs(across2))
    y[i, 11], y[i, 12], y[i, 13] = log4(lane[i].energy), log4(luma), log4(abs(blue))
    y[i, 14], y[i, 15] = log4(abs(by_left + by_top)), 16
    fit = _foreseen(s.value_fit, x, k, i, VALUES, -MAX_FIT, MAX_FIT, 16.0)
    size = _foreseen(s.size_fit, y, k, i, SIZES, 0.0, float(MAX_LOG), 4.0)

    ctx, classes = s.ctx, s.set_classes
    energy, length, nonzero = lane[i].energy, lane[i].length, lane[i].nonzero
    classes[i, 0] = k
    if k == 0:
        middle = (by_left + by_top) // 2 if above and before else by_left + by_top
        predicted: Any = min(max((middle + 8) >> 4, -MAX_COEFFICIENT), MAX_COEFFICIENT)
        lane[i].predicted = predicted
        apart, beyond, fraction = by_left - by_top, fit - 16 * predicted, middle & 15
        d_w, d_n = w - predicted if before else np.int64(0), n - predicted if above else np.int64(0)
        d_nw = nw - predicted if above and before else np.int64(0)
        d_ne = ne - predicted if above and c + 1 < columns else np.int64(0)
        ctx[i, 0] = signed_log4(apart) * 16 + fraction
        ctx[i, 1] = log4(abs(apart)) * 64 + log4(energy)
        ctx[i, 2] = length * 64 + log4(abs(apart))
        ctx[i, 3] = signed_log4(d_w) * 96 + signed_log4(d_n)
        ctx[i, 4] = signed_log4(d_w) * 96 + signed_log4(apart)
        ctx[i, 5] = signed_log4(d_n) * 96 + signed_log4(apart)
        ctx[i, 6] = log4(energy)
        ctx[i, 7] = signed_log4(d_w + d_n - d_nw) * 16 + fraction
        ctx[i, 8] = signed_log4(d_ne) * 96 + signed_log4(d_n)
        ctx[i, 9] = _cut(blue, 500)
        ctx[i, 10] = predicted + MAX_COEFFICIENT
        ctx[i, 11] = log4(luma)
        ctx[i, 12] = log4(abs(d_w) + abs(d_n) + abs(d_nw) + abs(d_ne)) * 64 + log4(abs(apart))
        ctx[i, 13] = signed_log4(beyond)
        ctx[i, 14] = signed_log4(beyond) * 64 + log4(abs(apart))
        ctx[i, 15] = signed_log4(beyond) * 64 + log4(energy)
        ctx[i, 16] = signed_log4(beyond) * 256 + size
        classes[i, 1], classes[i, 2] = log4(abs(apart)) >> 1, log4(energy) >> 1
        classes[i, 3] = log4(abs(d_w) + abs(d_n)) >> 1
    else:
        lane[i].predicted = 0
        around = 2 * (abs(n) + abs(w)) + abs(nw) + abs(ne)
        inside = 2 * (abs(down) + abs(across)) + abs(both) + abs(down2) + abs(across2)
        ctx[i, 0] = log4(around) * 64 + log4(inside)
        ctx[i, 1] = log4(abs(n)) * 64 + log4(abs(w))
        ctx[i, 2] = length * 64 + nonzero
        ctx[i, 3] = signed_log4(by_top)
        ctx[i, 4] = signed_log4(by_left)
        ctx[i, 5] = _cut(n, 20) * 64 + _cut(w, 20)
        ctx[i, 6] = _cut(down, 20) * 64 + _cut(across, 20)
        ctx[i, 7] = _cut(blue, 30) * 64 + log4(luma)
        ctx[i, 8] = log4(luma) * 64 + log4(around + inside)
        ctx[i, 9] = ((_cut(n, 2) * 5 + _cut(w, 2)) * 5 + _cut(nw, 2)) * 5 + _cut(ne, 2)
        ctx[i, 10] = log4(energy) * 64 + nonzero
        ctx[i, 11] = log4(around + inside + abs(nn) + abs(ww))
        ctx[i, 12] = signed_log4(fit)
        ctx[i, 13] = size
        ctx[i, 14] = (signed_log4(fit) >> 1) * 64 + (size >> 2)
        ctx[i, 15] = (signed_log4(fit) * 8 + _cut(blue, 3)) * 64 + log4(around)
        ctx[i, 16] = signed_log4(like_left + like_top)
        classes[i, 1], classes[i, 2] = size >> 2, log4(inside) >> 1
        classes[i, 3] = log4(abs(by_left + by_top)) >> 1
    for j in range(ctx.shape[1]):
        ctx[i, j] = (ctx[i, j] * 4 + s.component) * 64 + min(k, _LENGTH_CODE - 1)


@njit(cache=True, nogil=True, forceinline=True)
def _foreseen(
    fits: Float64, features: Float64, k: int, i: int, n: int, low: float, high: float, scale: float
) -> Any:
    """Return what the fit of frequency ``k`` foresees in steps of 1/scale, 0 if that is beyond reason."""
    total = 0.0
    for q in range(n):
        total += fits[k, q] * features[i, q]
    if low < total < high:
        return np.int64(np.floor(total * scale + 0.5))
    return np.int64(0)


@njit(cache=True, nogil=True)
def take_sample(s: State, i: int, k: int, value: int) -> None:
    """Add the coefficient of lane ``i`` to the normal equations of frequency ``k``."""
    x, y, values, sizes = s.value_features, s.size_features, s.values, s.sizes
    for a in range(VALUES):
        for q in range(a, VALUES):
            values[k, a, q] += x[i, a] * x[i, q]
        values[k, a, VALUES] += x[i, a] * value
    size = log4(abs(value))
    for a in range(SIZES):
        for q in range(a, SIZES):
            sizes[k, a, q] += y[i, a] * y[i, q]
        sizes[k, a, SIZES] += y[i, a] * size


@njit(cache=True, nogil=True)
def fit_all(s: State) -> None:
    """Solve the normal equations of all frequencies."""
    for k in range(64):
        _solve(s.values[k], VALUES, s.scratch, s.value_fit[k])
        _solve(s.sizes[k], SIZES, s.scratch, s.size_fit[k])


@njit(cache=True, nogil=True)
def _solve(sums: Float64, n: int, a: Float64, w: Float64) -> None:
    """Write the weights (n,) that the normal equations ``sums`` (n, n + 1), upper triangle, ask for to ``w``.

    RIDGE on the diagonal keeps the pivots positive but for rounding.
    """
    for i in range(n):
        for j in range(i, n + 1):
            a[i, j] = sums[i, j]
        a[i, i] += RIDGE
    for k in range(n):
        a[k, k] = max(a[k, k], 1.0)
        for i in range(k + 1, n):
            factor = a[k, i] / a[k, k]
            for j in range(i, n + 1):
                a[i, j] -= factor * a[k, j]
    for i in range(n - 1, -1, -1):
        total = a[i, n]
        for j in range(i + 1, n):
            total -= a[i, j] * w[j]
        w[i] = total / a[i, i]
