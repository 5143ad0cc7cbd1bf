"""Mixture parameters to integer distributions (numba kernels; FORMAT.md, section Distribution).

A subpixel's distribution is a cumulative function F over 0..256 with F(0) = 0 and F(256) = 2**24, every
symbol getting at least ``PMF_FLOOR``. It is coded as two symbols of 16: the high nibble with
frequencies F(16 h + 16) - F(16 h), then the low nibble with F restricted to that high nibble.
No float enters: rows are float64 only because constriction takes them so, and hold integers.

Shapes: N lanes, K components.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.network.architecture import PMF_FLOOR
from pixcodec.network.integer_net import MixtureParameters
from pixcodec.network.model import Model

TOTAL_BITS = 24
TOTAL = 1 << TOTAL_BITS
NIBBLE = 16
FLOOR = PMF_FLOOR
SPREAD = TOTAL - 256 * FLOOR  # what the mixture shares out; the rest is the floor
ROW_TOTAL = TOTAL - NIBBLE  # what the rows of a nibble sum to; constriction adds 1 to each entry
WEIGHT_BITS = 16
LOGISTIC_BITS = 22
Z_RANGE = 1 << 26  # 16.0 in units of 2**-22: half the range of the logistic table
Z_STEP_BITS = 17  # 1/32 in the same unit: the step of the logistic table
Z_STEP_MASK = (1 << Z_STEP_BITS) - 1
ACC_SHIFT = WEIGHT_BITS + LOGISTIC_BITS - TOTAL_BITS

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def component_weights(logit: Int32, table: Int32, weight: Int64, i: int) -> None:
    """Turn logits (K,) into row ``i`` of the integer weights (N, K); they sum to 2**16.

    The largest takes what rounding down leaves.
    """
    count = len(logit)
    best = 0
    for k in range(1, count):
        if logit[k] > logit[best]:
            best = k
    total = np.int64(0)
    for k in range(count):
        below = logit[best] - logit[k]
        e = np.int64(table[below]) if below < len(table) else np.int64(0)
        weight[i, k] = e
        total += e
    left = np.int64(1 << WEIGHT_BITS)
    for k in range(count):
        weight[i, k] = (weight[i, k] << WEIGHT_BITS) // total
        left -= weight[i, k]
    weight[i, best] += left


@njit(cache=True, nogil=True)
def _mixture_mass(
    i: int, start: int, step: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32, acc: Int64
) -> None:
    """Add up the components of lane ``i`` at the 16 lower edges of ``start + step * j`` into ``acc``."""
    for j in range(NIBBLE):
        acc[j] = 0
    for k in range(weight.shape[1]):
        w, m, scale = weight[i, k], mean[i, k], inverse[i, k]
        for j in range(NIBBLE):
            z = (16 * (start + step * j) - 8 - m) * scale
            z = min(max(z, -Z_RANGE), Z_RANGE - 1) + Z_RANGE
            at = z >> Z_STEP_BITS
            low = np.int64(table[at])
            rise = np.int64(table[at + 1]) - low
            acc[j] += w * (low + ((rise * (z & Z_STEP_MASK)) >> Z_STEP_BITS))


@njit(cache=True, nogil=True)
def _floored(acc: int, symbol: int) -> int:
    """Return F(symbol), 0 < symbol < 256, from the components' sum in 2**-38."""
    return (((acc >> ACC_SHIFT) * SPREAD) >> TOTAL_BITS) + FLOOR * symbol


@njit(cache=True, nogil=True)
def high_rows(
    n: int, weight: Int64, mean: Int64, inverse: Int64, table: Int32, acc: Int64, rows: Float64
) -> None:
    """Write the rows (N, 16) of the high nibbles of ``n`` lanes: integers that sum to 2**24 - 16.

    Parameters
    ----------
    n : int
    weight, mean, inverse : ndarray of int64, shape (N, K)
        Weights in 2**-16, means in 1/16 level, inverse scales in 2**-18 per level.
    table : ndarray of int32
        The logistic function, times 2**22.
    acc : ndarray of int64, shape (16,)
        Scratch.
    rows : ndarray of float64, shape (N, 16)
    """
    for i in range(n):
        _mixture_mass(i, 0, NIBBLE, weight, mean, inverse, table, acc)
        low = np.int64(0)
        for j in range(1, NIBBLE):
            high = _floored(acc[j], NIBBLE * j)
            rows[i, j - 1] = high - low - 1
            low = high
        rows[i, NIBBLE - 1] = TOTAL - low - 1


@njit(cache=True, nogil=True)
def low_rows(
    n: int,
    high: Int32,
    weight: Int64,
    mean: Int64,
    inverse: Int64,
    table: Int32,
    acc: Int64,
    rows: Float64,
) -> None:
    """Write the rows (N, 16) of the low nibbles given the high nibbles (N,), whose rows ``rows`` holds."""
    for i in range(n):
        first = NIBBLE * np.int64(high[i])
        span = np.int64(rows[i, high[i]]) + 1
        _mixture_mass(i, first, 1, weight, mean, inverse, table, acc)
        start = _floored(acc[0], first) if first > 0 else np.int64(0)
        low = np.int64(0)
        for j in range(1, NIBBLE):
            at = (_floored(acc[j], first + j) - start) * ROW_TOTAL // span
            rows[i, j - 1] = at - low
            low = at
        rows[i, NIBBLE - 1] = ROW_TOTAL - low


@njit(cache=True, nogil=True)
def _frequency(
    symbols: Int32, weight: Int64, mean: Int64, inverse: Int64, table: Int32, acc: Int64, out: Int64
) -> None:
    for i in range(len(symbols)):
        symbol = np.int64(symbols[i])
        # Only the first two of the 16 edges matter here.
        _mixture_mass(i, symbol, 1, weight, mean, inverse, table, acc)
        low = _floored(acc[0], symbol) if symbol > 0 else np.int64(0)
        high = _floored(acc[1], symbol + 1) if symbol < 255 else np.int64(TOTAL)
        out[i] = high - low


@njit(cache=True, nogil=True)
def _all_component_weights(logit: Int32, table: Int32, weight: Int64) -> None:
    row = np.empty(logit.shape[1], np.int32)
    for i in range(len(logit)):
        row[:] = logit[i]
        component_weights(row, table, weight, i)


def frequencies(model: Model, mixture: MixtureParameters, symbols: Int32) -> Int64:
    """Return the frequency F(v + 1) - F(v) of the value ``v`` of every subpixel.

    Parameters
    ----------
    model : Model
        Whose tables to use.
    mixture : MixtureParameters
        Of N subpixels.
    symbols : ndarray of int32, shape (N,)
        Values 0..255.

    Returns
    -------
    ndarray of int64, shape (N,)
        In units of 2**-24.
    """
    weight = np.empty(mixture.logit.shape, np.int64)
    _all_component_weights(mixture.logit, model.tensors["table.weight"], weight)
    inverse = model.tensors["table.scale"].astype(np.int64)[mixture.log_scale]
    out = np.empty(len(symbols), np.int64)
    acc = np.empty(NIBBLE, np.int64)
    table = model.tensors["table.logistic"]
    _frequency(symbols, weight, mixture.mean.astype(np.int64), inverse, table, acc, out)
    return out
