"""Two linear fits that predict a coefficient from what is known around it (FORMAT.md, Fits of streams).

For each frequency k, one predicts the value of the coefficient from VALUES features, the other its magnitude,
on a logarithmic scale, from SIZES features. Their normal equations are sums over coefficients of the same
frequency coded before, and are solved now and then.

All float64 operations are +, -, *, / in a fixed order (see :mod:`pixcodec.mixing.least_squares`); the weights
are rounded to integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.stream.state import ROOM, SIZES, VALUES, Float64, Int64, Stream
from pixcodec.network.kernels import inlined, kernel

VALUE_RIDGE, SIZE_RIDGE = 1024.0, 4.0  # added to the diagonals of the normal equations
FIT_BITS = 16  # of a weight: it is in 2**-16
MAX_WEIGHT = 8.0
MAX_LOG = 47  # the largest log4
SIZE_UNITS = 4  # of a predicted magnitude: parts of a unit of log4
EVERY = 16  # the fits are solved when a sixteenth more of the blocks are begun
_LOG_TABLE_SIZE = 4096


def _log4(magnitude: int) -> int:
    """Return about 4 log2(1 + magnitude), 0 .. MAX_LOG."""
    v = magnitude + 1
    octave = v.bit_length() - 1
    return min(4 * (octave - 1) + ((v << 2) >> octave), MAX_LOG)


LOG4 = np.array([_log4(m) for m in range(_LOG_TABLE_SIZE)], np.uint8)
assert LOG4[-1] == MAX_LOG


@inlined
def log4(magnitude: int) -> Any:
    """Return about 4 log2(1 + magnitude), 0 .. MAX_LOG."""
    return np.int64(LOG4[min(magnitude, _LOG_TABLE_SIZE - 1)])


@inlined
def signed_log4(value: int) -> Any:
    """Return :func:`log4` of the magnitude with the sign, 1 .. 95; of 0 it is MAX_LOG + 1."""
    return MAX_LOG + 1 + log4(value) if value >= 0 else MAX_LOG + 1 - log4(-value)


@inlined
def predicted_value(fits: Int64, features: Int64, i: int, k: int) -> Any:
    """Return the value that the fit of frequency ``k`` predicts from row ``i``, in 1/EDGE_UNITS of a step."""
    total = np.int64(0)
    for q in range(VALUES):
        total += fits[k, q] * features[i, q]
    return (total + (1 << (FIT_BITS - 1))) >> FIT_BITS


@inlined
def predicted_size(fits: Int64, features: Int64, i: int, k: int) -> Any:
    """Return the log4 of the magnitude that the fit of ``k`` predicts from row ``i``, in 1/SIZE_UNITS."""
    total = np.int64(0)
    for q in range(SIZES):
        total += fits[k, q] * features[i, q]
    size = (total * SIZE_UNITS + (1 << (FIT_BITS - 1))) >> FIT_BITS
    return min(max(size, 0), MAX_LOG * SIZE_UNITS)


@inlined
def take_sample(values: Float64, sizes: Float64, x: Int64, y: Int64, i: int, k: int) -> None:
    """Add row ``i`` of the features and targets to the sums of frequency ``k``."""
    for a in range(VALUES):
        factor = float(x[i, a])
        for q in range(ROOM):
            values[k, a, q] += factor * float(x[i, q])
    for a in range(SIZES):
        factor = float(y[i, a])
        for q in range(ROOM):
            sizes[k, a, q] += factor * float(y[i, q])


@kernel
def fit_all(s: Stream) -> None:
    """Solve the normal equations of all frequencies."""
    for k in range(FREQUENCIES):
        _solve(s.values[k], VALUES, VALUE_RIDGE, s.scratch, s.weights, s.value_fit[k])
        _solve(s.sizes[k], SIZES, SIZE_RIDGE, s.scratch, s.weights, s.size_fit[k])


@kernel
def _solve(sums: Float64, n: int, ridge: float, a: Float64, w: Float64, found: Int64) -> None:
    """Write the weights that solve the normal equations to ``found``, in 2**-FIT_BITS.

    ``sums`` (n, ROOM) holds the equations with the right side in column n. The ridge on the diagonal keeps
    the pivots positive but for rounding.
    """
    for i in range(n):
        for j in range(i, n + 1):
            a[i, j] = sums[i, j]
        a[i, i] += ridge
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
        limited = min(max(w[i], -MAX_WEIGHT), MAX_WEIGHT)
        found[i] = np.int64(np.floor(limited * (1 << FIT_BITS) + 0.5))
