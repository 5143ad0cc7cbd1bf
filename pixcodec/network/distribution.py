"""Mixture parameters to integer distributions (kernels; FORMAT.md, section Distribution).

A subpixel's distribution is a cumulative function F over 0..256 with F(0) = 0 and F(256) = 2**24, every
symbol getting at least ``PMF_FLOOR``. It is coded as two symbols of 16: the high nibble with
frequencies F(16 h + 16) - F(16 h), then the low nibble with F restricted to that high nibble.
Floats hold integers only: rows are float64 because constriction takes them so, and dividing floats is a fast
way to divide integers (``quotient`` below).

Shapes: N lanes, K components.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import PMF_FLOOR
from pixcodec.network.integer_net import MixtureParameters
from pixcodec.network.kernels import entry_point, generated, inlined, kernel
from pixcodec.network.model import Model
from pixcodec.network.structs import struct_of

TOTAL_BITS = 24
TOTAL = 1 << TOTAL_BITS
NIBBLE = 16
KNOWN = 3  # outcomes of a row whose symbol is known
SPREAD = TOTAL - 256 * PMF_FLOOR  # what the mixture shares out; the rest is the floor
ROW_TOTAL = TOTAL - NIBBLE  # what the rows of a nibble sum to; constriction adds 1 to each entry
WEIGHT_BITS = 16
LOGISTIC_BITS = 22
Z_RANGE = 1 << 26  # 16.0 in units of 2**-22: half the range of the logistic table
Z_STEP_BITS = 17  # 1/32 in the same unit: the step of the logistic table
Z_STEP_MASK = (1 << Z_STEP_BITS) - 1
PIECES = 32  # of a logistic table, of 0 .. 16
PIECES_AT = 8 << 10  # where they are, in bytes, after the steps
MOST_RISE = (1 << 15) - 1  # of a piece, within 1/32
PIECE_BITS = 21  # 1/2 in 2**-22: the length of a piece
_LOW_WORD = 0xFFFFFFFF
ACC_SHIFT = WEIGHT_BITS + LOGISTIC_BITS - TOTAL_BITS

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_CODE = "pixcodec.network.distribution_code"
write_high_row = generated(_CODE, "write_high_row")
write_edges = generated(_CODE, "write_edges")
write_low_row = generated(_CODE, "write_low_row")
write_wrapped_edges = generated(_CODE, "write_wrapped_edges")
write_open_edges = generated(_CODE, "write_open_edges")
# quotient(a, b): of floats that hold positive integers, a / b rounded down. It is that of the integers if a
# is less than 2**53: a / b is an integer or at least 1 / b below the next one, and the division moves it by
# less, a / b times 2**-53 at most.
quotient = generated(_CODE, "quotient")


class Mixture(NamedTuple):
    """Of every lane, a mixture of K logistic distributions."""

    weight: Int64  # N, K: in 2**-16
    mean: Int64  # N, K: in 1/16 level
    inverse: Int64  # N, K: 1 / scale, in 2**-18 per level
    logistic: Int64  # of logistic_steps


def logistic_steps(table: Int32) -> Int64:
    """Return the steps of a logistic table in the shape that kernels take: 2**32 * value + rise of each.

    After them come 32 values and 32 rises, as int32, of what :func:`straight_pieces` finds, or zeros.

    ``table`` is the logistic function at -16 .. 16 in steps of 1/32, times 2**22, which never falls.
    """
    values = table.astype(np.int64)
    pieces = np.zeros(2 * PIECES, np.int32)
    if (found := straight_pieces(values)) is not None:
        pieces[:] = found
    return np.concatenate([(values[:-1] << 32) | np.diff(values), pieces.view(np.int64)])


def straight_pieces(values: Int64) -> Int64 | None:
    """Return the values and rises, 32 each, of a table that consists of 64 straight pieces, else None.

    Vectors look these up without going to the memory. The pieces are of 0 .. 16, those below mirror them.
    """
    center, steps = len(values) // 2, len(values) // 2 // PIECES
    upper, rises = values[center:], np.diff(values[center:]).reshape(PIECES, steps)
    mirrored = bool((values + values[::-1] == 1 << LOGISTIC_BITS).all())
    steep = int(rises.max()) > MOST_RISE
    if not mirrored or steep or (rises != rises[:, :1]).any() or rises[-1, 0]:
        return None
    return np.concatenate([upper[:-1:steps], rises[:, 0]])


def new_mixture(lanes: int, components: int, logistic: Int64) -> Mixture:
    """Return room for the mixtures of so many lanes."""
    weight, mean, inverse = np.zeros((3, lanes, components), np.int64)
    return Mixture(weight, mean, inverse, logistic)


@inlined
def _logistic(steps: Int64, z: int) -> Any:
    """Return the logistic function times 2**22 of ``z`` in 2**-22, plus Z_RANGE."""
    inside: Any = min(max(z, 0), 2 * Z_RANGE - 1)
    step = steps[np.uint64(inside) >> np.uint64(Z_STEP_BITS)]  # a signed index might count from the end
    return (step >> 32) + (((step & _LOW_WORD) * (inside & Z_STEP_MASK)) >> Z_STEP_BITS)


@inlined
def logistic_at(steps: Int64, z: int) -> Any:
    """Return the logistic function times 2**22 of ``z`` in 2**-22."""
    return _logistic(steps, z + Z_RANGE)


@inlined
def floored(acc: int, symbol: int) -> Any:
    """Return F(symbol), 0 < symbol < 256, from the components' sum in 2**-38."""
    return (((acc >> ACC_SHIFT) * SPREAD) >> TOTAL_BITS) + PMF_FLOOR * symbol


@inlined
def cumulative(mixture: Mixture, i: int, v: int, shift: int) -> Any:
    """Return F of lane ``i``, moved up by ``shift`` (in 1/16 level), at value ``v``.

    Values wrap around, so F goes on after 255 with 2**24 more.
    """
    weight, mean, inverse, steps = mixture.weight, mixture.mean, mixture.inverse, mixture.logistic
    value = v & 255
    total: Any = np.int64(0)
    for k in range(weight.shape[1]):
        z = (16 * value - 8 - mean[i, k] - shift) * inverse[i, k] + Z_RANGE
        total += weight[i, k] * _logistic(steps, z)
    return (floored(total, value) if value > 0 else np.int64(0)) + (v >> 8) * TOTAL


@inlined
def open_cumulative(mixture: Mixture, i: int, v: int) -> Any:
    """Return F of lane ``i`` at value ``v``, 0 .. 256, without the shares of values beyond these."""
    weight, mean, inverse, steps = mixture.weight, mixture.mean, mixture.inverse, mixture.logistic
    total: Any = np.int64(0)
    for k in range(weight.shape[1]):
        total += weight[i, k] * _logistic(steps, (16 * v - 8 - mean[i, k]) * inverse[i, k] + Z_RANGE)
    return floored(total, v)


@inlined
def summary(mixture: Mixture, i: int) -> tuple[Any, Any]:
    """Return the mean (clamped to 0..255) of lane ``i``'s mixture, and about its spread, in 1/16 level."""
    weight, mean, inverse = mixture.weight, mixture.mean, mixture.inverse
    center: Any = np.int64(0)
    for k in range(weight.shape[1]):
        center += weight[i, k] * mean[i, k]
    center = min(max(center >> 16, 0), 255 * 16)
    width = np.int64(0)
    for k in range(weight.shape[1]):
        width += weight[i, k] * (abs(mean[i, k] - center) + (29 << 18) // inverse[i, k])
    return center, width >> 16


@inlined
def share_out(logit: Int32, count: int, table: Int32, weight: Int64, i: int) -> None:
    """Turn the first ``count`` logits into row ``i`` of the integer weights (N, K); they sum to 2**16.

    The largest takes what rounding down leaves.
    """
    best = 0
    for k in range(1, count):
        best = k if logit[k] > logit[best] else best
    total, top = np.int64(0), np.int64(logit[best])
    for k in range(count):
        below = top - logit[k]
        e = np.int64(table[below]) if below < len(table) else np.int64(0)
        weight[i, k] = e
        total += e
    left = np.int64(1 << WEIGHT_BITS)
    for k in range(count):
        part = quotient(np.float64(weight[i, k] << WEIGHT_BITS), np.float64(total))
        weight[i, k] = part
        left -= part
    weight[i, best] += left


@kernel
def component_weights(logit: Int32, table: Int32, weight: Int64, i: int) -> None:
    """Turn logits (K,) into row ``i`` of the integer weights (N, K), as :func:`share_out`."""
    share_out(logit, len(logit), table, weight, i)


@kernel
def high_rows(first: int, end: int, mixture: Mixture, rows: Float64) -> None:
    """Write the rows (N, 16) of the high nibbles of lanes: integers that sum to 2**24 - 16.

    Parameters
    ----------
    first, end : int
        The lanes, up to ``end``.
    mixture : Mixture
    rows : ndarray of float64, shape (N, 16)
    """
    for i in range(first, end):
        write_high_row(parts_of(mixture, i), rows.ctypes.data + 8 * NIBBLE * i)


@kernel
def low_rows(first: int, end: int, high: Int64, span: Int64, mixture: Mixture, rows: Float64) -> None:
    """Write the rows (N, 16) of the low nibbles of lanes, given the high ones and their frequencies (N,)."""
    for i in range(first, end):
        there = rows.ctypes.data + 8 * NIBBLE * i
        write_low_row(parts_of(mixture, i), NIBBLE * high[i], np.float64(span[i]), there)


@inlined
def parts_of(mixture: Mixture, i: int) -> tuple[Any, ...]:
    """Return how many components there are, the addresses of those of lane ``i``, and that of the steps."""
    weight, count = mixture.weight, mixture.weight.shape[1]
    row = 8 * count * i
    means, inverses = mixture.mean.ctypes.data + row, mixture.inverse.ctypes.data + row
    return count, weight.ctypes.data + row, means, inverses, mixture.logistic.ctypes.data


@inlined
def write_known_row(rows: Float64, at: int, k: int, below: int, frequency: int) -> int:
    """Write frequencies - 1 of three outcomes: below a known symbol, the symbol, above; return which it is.

    They code the same bits as the whole row would. Where nothing lies on one side, a part of the other side
    takes its place, as no frequency may be 0.
    """
    above = TOTAL - below - frequency
    first, last = below == 0, above == 0
    rows[at, k] = frequency - 1 if first else below - 2 if last else below - 1
    rows[at, k + 1] = above - 2 if first else 0 if last else frequency - 1
    rows[at, k + 2] = 0 if first else frequency - 1 if last else above - 1
    return 0 if first else 2 if last else 1


@kernel
def known_rows(i: int, value: int, mixture: Mixture, edges: Int64, rows: Float64, outcomes: Int64) -> None:
    """Write the rows of three outcomes of both nibbles of lane ``i``, whose value is known.

    Parameters
    ----------
    i, value : int
    mixture : Mixture
    edges : ndarray of int64, shape (N, 4)
        Scratch.
    rows : ndarray of float64, shape (N, 6 or more)
        The first three are of the high nibble, the next three of the low one.
    outcomes : ndarray of int64, shape (N, 2)
        Which outcomes the nibbles are.
    """
    write_edges(parts_of(mixture, i), value, edges.ctypes.data + 8 * edges.shape[1] * i)
    start, each = edges[i, 0], np.float64(edges[i, 1] - edges[i, 0])
    outcomes[i, 0] = write_known_row(rows, i, 0, start, edges[i, 1] - start)
    low = value & (NIBBLE - 1)
    below = quotient(np.float64(edges[i, 2] - start) * ROW_TOTAL, each) + low
    above = quotient(np.float64(edges[i, 3] - start) * ROW_TOTAL, each) + low + 1
    outcomes[i, 1] = write_known_row(rows, i, KNOWN, below, above - below)


class Subpixels(NamedTuple):
    """Of N subpixels, what :func:`frequencies` knows and wants to know."""

    symbols: Int32  # N
    logit: Int32  # N, K
    table: Int32  # of the model: weights
    out: Int64  # N


def no_subpixels() -> Subpixels:
    """Return what :func:`frequencies` is called with, for no subpixels."""
    nothing = np.zeros(0, np.int64)
    return Subpixels(nothing.astype(np.int32), np.zeros((0, 1), np.int32), np.zeros(0, np.int32), nothing)


@entry_point
def write_frequencies(mixture: Mixture, subpixels: Subpixels) -> None:
    """Write the frequencies of the values of subpixels, and the weights of their mixtures."""
    symbols, logit, out = subpixels.symbols, subpixels.logit, subpixels.out
    table, weight = subpixels.table, mixture.weight
    for i in range(len(symbols)):
        component_weights(logit[i], table, weight, i)
        symbol = np.int64(symbols[i])
        out[i] = cumulative(mixture, i, symbol + 1, 0) - cumulative(mixture, i, symbol, 0)


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
    inverse = model.tensors["table.scale"].astype(np.int64)[mixture.log_scale]
    steps = logistic_steps(model.tensors["table.logistic"])
    parts = Mixture(weight, mixture.mean.astype(np.int64), inverse, steps)
    out = np.empty(len(symbols), np.int64)
    logit, table = (np.ascontiguousarray(a, np.int32) for a in (mixture.logit, model.tensors["table.weight"]))
    values = np.ascontiguousarray(symbols, np.int32)
    subpixels = Subpixels(values, logit, table, out)
    write_frequencies.bind(struct_of(parts), struct_of(subpixels))()
    return out
