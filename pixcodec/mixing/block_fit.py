"""Least squares by blocks: a linear prediction of each subpixel, whose weights change every fourth pixel.

The normal equations are those of :mod:`pixcodec.mixing.least_squares`, but decay by blocks of two pixels:
with B the products of the last samples in an even and in an odd column,

    R(y, b) = B + MU R(y - 1, b + 1)        down the diagonals
    S(y, b) = KEEP S(y, b - 1) + R(y, b)    along the row

in float32. So a prediction takes a twentieth of the time of effort max, and is nearly as good. FORMAT.md,
section Block fit, is the norm.

Shapes: N lanes, C channels; n neighbours of a channel, at most ROWS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.least_squares import FURTHER, OWN, around, eliminate
from pixcodec.mixing.narrow import (
    COLUMNS,
    ROWS,
    SYSTEM,
    close_block,
    interleave,
    predict_sample,
)
from pixcodec.mixing.systems import NARROW
from pixcodec.network.architecture import PAD_VALUE, REACH
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Record, Share, first_of, row_at

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

_NEAREST = OWN[:9]  # neighbours in the same channel, of several
_KEEP, _DESCEND = 0.87, 0.87
_RIDGES = (16.0, 4.0, 4.0)
_TOWARDS = 0.5  # the first weights, of the neighbours at the left and above
_UNIT, _TOP = 16, 16 * 255  # predictions are in 1/16 level
_SYSTEM_SIZE_BYTES = 4 * SYSTEM


class BlockFit(NamedTuple):
    """The fits of a tile's lanes."""

    offsets: Int64  # C, ROWS: where the neighbours are in the canvas, in bytes from the pixel
    counts: Int64  # C: n
    numbers: Float32  # C + 2: the ridge of each channel, KEEP, MU
    above: Float32  # blocks, C, SYSTEM: R of the last row that came there
    along: Float32  # lanes, C, SYSTEM: S
    samples: Float32  # lanes, C, 2, COLUMNS: of the last pixel in an even and in an odd column
    weights: Float32  # lanes, C, COLUMNS
    last: Int64  # lanes, C, 2: row and column of the last pixel
    solving: Int64  # N: the lanes whose systems are to be solved
    systems: Int64  # of every thread: NARROW addresses
    matrix: Float32  # of every thread: ROWS, COLUMNS, NARROW
    factors: Float32  # of every thread: ROWS, ROWS, NARROW
    solution: Float32  # of every thread: ROWS, NARROW
    predicted: Int64  # N


def new_block_fit(channels: int, width: int, lanes: int, threads: int = 1) -> BlockFit:
    """Return the fits of a tile of which nothing is coded yet, for so many threads."""
    places = around(channels, OWN + FURTHER if channels == 1 else _NEAREST)
    offsets = np.zeros((channels, ROWS), np.int64)
    for channel, mine in enumerate(places):
        for k, (dy, dx, plane) in enumerate(mine):
            offsets[channel, k] = 4 * ((dy * (width + 2 * REACH) + dx) * channels + plane)
    system = (channels, SYSTEM)
    return BlockFit(
        offsets=offsets,
        counts=np.array([len(mine) for mine in places], np.int64),
        numbers=np.array([*_RIDGES[:channels], _KEEP, _DESCEND], np.float32),
        above=np.zeros(((width + 1) // 2, *system), np.float32),
        along=np.zeros((lanes, *system), np.float32),
        samples=np.zeros((lanes, channels, 2, COLUMNS), np.float32),
        weights=np.zeros((lanes, channels, COLUMNS), np.float32),
        last=np.full((lanes, channels, 2), -1, np.int64),
        solving=np.zeros(lanes, np.int64),
        systems=np.zeros((threads, NARROW), np.int64),
        matrix=np.zeros((threads, ROWS, COLUMNS, NARROW), np.float32),
        factors=np.zeros((threads, ROWS, ROWS, NARROW), np.float32),
        solution=np.zeros((threads, ROWS, NARROW), np.float32),
        predicted=np.zeros(lanes, np.int64),
    )


def block_fit_size_bytes(channels: int, width: int, lanes: int) -> int:
    """Return about the memory that the fits of a tile take."""
    return ((width + 1) // 2 + lanes) * channels * _SYSTEM_SIZE_BYTES


@kernel
def predict_by_blocks(s: BlockFit, channel: int, canvas: Int32, wave: Record, share: Share) -> None:
    """Write the predictions of a share of a wavefront's channel to ``s.predicted``.

    Pixels before these, and the earlier channels of these, must be in the canvas.
    """
    count, start, number, lanes = 0, first_of(share), share.number, len(s.last)
    solving, channels = s.solving, s.along.shape[1]
    for i in range(start, share.end):
        row = row_at(wave.rows, i)
        column = wave.t - wave.slope * row
        _take_last(s, row % lanes, channel, canvas, row, column)
        solving[start + count] = row % lanes
        count += column & 3 == 0
    # Apart: what was just written by numbers is read by vectors, which has to wait for it.
    for i in range(start, share.end):
        row = row_at(wave.rows, i)
        column = wave.t - wave.slope * row
        if column & 1 == 0:
            _close(s, row % lanes, channel, column >> 1)
    for first in range(start, start + count, NARROW):
        size = min(NARROW, start + count - first)
        for g in range(NARROW):
            lane = solving[first + min(g, size - 1)]
            at = (lane * channels + channel) * _SYSTEM_SIZE_BYTES
            s.systems[number, g] = s.along.ctypes.data + at
        _solve_group(s, number, channel)
        for g in range(size):
            _keep_weights(s, number, g, solving[first + g], channel)
    for i in range(start, share.end):
        row = row_at(wave.rows, i)
        s.predicted[i] = _predicted(s, row % lanes, channel, canvas, row, wave.t - wave.slope * row)


@inlined
def _take_last(s: BlockFit, lane: int, channel: int, canvas: Int32, row: int, column: int) -> None:
    """Complete the sample of the last pixel of the row; in a row's first pixel, begin anew."""
    last = s.last
    if last[lane, channel, 0] == row:
        before = last[lane, channel, 1]
        value = canvas[row + REACH, before + REACH, channel] - PAD_VALUE
        s.samples[lane, channel, before & 1, s.counts[channel]] = np.float32(value)
    else:
        s.along[lane, channel] = np.float32(0)
        s.samples[lane, channel] = np.float32(0)
        s.weights[lane, channel] = np.float32(0)
        s.weights[lane, channel, 0] = s.weights[lane, channel, 1] = np.float32(_TOWARDS)
    last[lane, channel, 0], last[lane, channel, 1] = row, column


@inlined
def _close(s: BlockFit, lane: int, channel: int, block: int) -> None:
    """Take the sums of a block into those along its row."""
    channels, size = s.along.shape[1], _SYSTEM_SIZE_BYTES
    right, place = min(block + 1, len(s.above) - 1), lane * channels + channel
    arrays = (
        s.above.ctypes.data + (right * channels + channel) * size,
        s.above.ctypes.data + (block * channels + channel) * size,
        s.along.ctypes.data + place * size,
    )
    samples = s.samples.ctypes.data + place * 2 * 4 * COLUMNS
    close_block(arrays, samples, s.numbers[channels + 1], s.numbers[channels])
    s.samples[lane, channel, 1] = np.float32(0)


@inlined
def _solve_group(s: BlockFit, number: int, channel: int) -> None:
    """Solve the systems at ``s.systems[number]``, for ``s.solution[number]``."""
    a, n, ridge = s.matrix[number], s.counts[channel], s.numbers[channel]
    interleave(s.systems.ctypes.data + 8 * NARROW * number, a.ctypes.data, ridge)
    for g in range(NARROW):
        a[0, n, g] += ridge * np.float32(_TOWARDS)
        a[1, n, g] += ridge * np.float32(_TOWARDS)
    eliminate(a, s.factors[number], s.solution[number], n)


@inlined
def _keep_weights(s: BlockFit, number: int, g: int, lane: int, channel: int) -> None:
    for k in range(s.counts[channel]):
        s.weights[lane, channel, k] = s.solution[number, k, g]


@inlined
def _predicted(s: BlockFit, lane: int, channel: int, canvas: Int32, row: int, column: int) -> Any:
    """Return the prediction of a pixel, in 1/16 level, and keep its neighbours as its sample."""
    place, width, channels = lane * s.along.shape[1] + channel, canvas.shape[1], canvas.shape[2]
    pixel = canvas.ctypes.data + 4 * ((row + REACH) * width + column + REACH) * channels
    offsets = s.offsets.ctypes.data + 8 * ROWS * channel
    weights = s.weights.ctypes.data + place * 4 * COLUMNS
    samples = s.samples.ctypes.data + (2 * place + (column & 1)) * 4 * COLUMNS
    total = predict_sample(pixel, offsets, weights, samples, s.counts[channel], PAD_VALUE)
    level = np.float32(_UNIT) * (total + np.float32(PAD_VALUE)) + np.float32(0.5)
    if not level >= 0:  # or not a number
        return np.int64(0)
    return np.int64(np.floor(min(level, np.float32(_TOP))))
