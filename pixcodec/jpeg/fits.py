"""Two linear fits that predict a coefficient from what is known around it (FORMAT.md, section Fits).

For each frequency k, one predicts the value of the coefficient from VALUES features, the other its magnitude,
on a logarithmic scale, from SIZES features. Their normal equations are sums over the coefficients of the same
frequency coded before, and are solved once a wavefront.

All float64 operations are +, -, *, / in a fixed order (see :mod:`pixcodec.mixing.least_squares`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES
from pixcodec.jpeg.neighbours import EDGE_UNITS, Around
from pixcodec.jpeg.state import SIZES, VALUES, Float64, State
from pixcodec.network.kernels import inlined, kernel

RIDGE = 4.0  # added to the diagonal of the normal equations
MAX_FIT = 2000.0  # a fit that predicts a larger magnitude is ignored; coefficients reach 2047
MAX_LOG = 47  # the largest log4
SIGNED_ZERO = MAX_LOG + 1  # signed_log4 of 0
FIT_UNITS = 16.0  # of a predicted value: parts of a step of quantisation
SIZE_UNITS = 4.0  # of a predicted magnitude: parts of a unit of log4
_CONSTANT = 16  # the last feature of the magnitude


@inlined
def log4(magnitude: int) -> Any:
    """Return about 4 log2(1 + magnitude), 0 .. MAX_LOG."""
    v = magnitude + 1
    steps = np.int64(0)
    while v >= 8:
        v >>= 1
        steps += 4
    steps += 0 if v < 2 else 4 if v == 2 else 6 if v == 3 else 4 + v
    return min(steps, MAX_LOG)


@inlined
def signed_log4(value: int) -> Any:
    """Return :func:`log4` of the magnitude with the sign, 1 .. 95; SIGNED_ZERO is 0."""
    return SIGNED_ZERO + log4(value) if value >= 0 else SIGNED_ZERO - log4(-value)


@inlined
def write_features(x: Float64, y: Float64, b: Any, i: int, around: Around, energy: int) -> None:
    """Write the features of a coefficient to row ``i`` of ``x`` (N, VALUES) and of ``y`` (N, SIZES).

    ``b`` are the blocks (R, C, 64), ``energy`` is the sum of the magnitudes known of the coefficient's block.
    """
    n, w, nw, ne, nn, ww = around.same
    down, across, both, down2, across2 = around.block
    by_left, by_top, like_left, like_top = around.edges
    at, luma, blue = around.place, around.luma, around.blue
    r, c, p, u, v = at.r, at.c, at.p, at.u, at.v
    x[i, 0], x[i, 1], x[i, 2], x[i, 3] = n, w, nw, ne
    x[i, 4], x[i, 5] = by_left / EDGE_UNITS, by_top / EDGE_UNITS
    x[i, 6], x[i, 7] = like_left / EDGE_UNITS, like_top / EDGE_UNITS
    x[i, 8], x[i, 9], x[i, 10], x[i, 11], x[i, 12], x[i, 13] = down, across, down2, across2, blue, both
    x[i, 14] = b[r, c - 1, p + 1] if at.before and v < BLOCK - 1 else 0
    x[i, 15] = b[r, c - 1, p - 1] if at.before and v > 0 else 0
    x[i, 16] = b[r - 1, c, p + BLOCK] if at.above and u < BLOCK - 1 else 0
    x[i, 17] = b[r - 1, c, p - BLOCK] if at.above and u > 0 else 0
    x[i, 18] = b[r, c, p + 3] if v < BLOCK - 3 else 0
    x[i, 19] = b[r, c, p + 3 * BLOCK] if u < BLOCK - 3 else 0
    y[i, 0], y[i, 1], y[i, 2], y[i, 3] = log4(abs(n)), log4(abs(w)), log4(abs(nw)), log4(abs(ne))
    y[i, 4], y[i, 5], y[i, 6], y[i, 7] = log4(abs(nn)), log4(abs(ww)), log4(abs(down)), log4(abs(across))
    y[i, 8], y[i, 9], y[i, 10] = log4(abs(both)), log4(abs(down2)), log4(abs(across2))
    y[i, 11], y[i, 12], y[i, 13] = log4(energy), log4(luma), log4(abs(blue))
    y[i, 14], y[i, 15] = log4(abs(by_left + by_top)), _CONSTANT


@inlined
def predicted_value(fits: Float64, features: Float64, i: int, k: int) -> Any:
    """Return the value that the fit of frequency ``k`` predicts from row ``i``, in 1/FIT_UNITS of a step."""
    return _predicted(fits, features, k, i, VALUES, -MAX_FIT, MAX_FIT, FIT_UNITS)


@inlined
def predicted_size(fits: Float64, features: Float64, i: int, k: int) -> Any:
    """Return the log4 of the magnitude that the fit of ``k`` predicts from row ``i``, in 1/SIZE_UNITS."""
    return _predicted(fits, features, k, i, SIZES, 0.0, float(MAX_LOG), SIZE_UNITS)


@inlined
def _predicted(
    fits: Float64, features: Float64, k: int, i: int, n: int, low: float, high: float, units: float
) -> Any:
    """Return the sum of n features, each times its weight, in 1/units; 0 unless it is in low .. high."""
    total = 0.0
    for q in range(n):
        total += fits[k, q] * features[i, q]
    if low < total < high:
        return np.int64(np.floor(total * units + 0.5))
    return np.int64(0)


@kernel
def take_sample(s: State, i: int, k: int, value: int) -> None:
    """Add the features of lane ``i``, and the value of its coefficient, to the sums of frequency ``k``."""
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


@kernel
def fit_all(s: State) -> None:
    """Solve the normal equations of all frequencies."""
    for k in range(FREQUENCIES):
        _solve(s.values[k], VALUES, s.scratch, s.value_fit[k])
        _solve(s.sizes[k], SIZES, s.scratch, s.size_fit[k])


@kernel
def _solve(sums: Float64, n: int, a: Float64, w: Float64) -> None:
    """Write the weights (n,) that solve the normal equations to ``w``, by elimination in ``a`` (n, n + 1).

    ``sums`` (n, n + 1) is the upper triangle of the equations with the right side in its last column. RIDGE
    on the diagonal keeps the pivots positive but for rounding.
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
