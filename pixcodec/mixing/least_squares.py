"""Least squares: linear predictions of each subpixel, fitted to the pixels before it.

The weights of a pixel solve the normal equations of all pixels of its tile that came before, those nearby
counting most: with o(y, x) the products of the sample at (y, x),

    R(y, x) = o(y, x - 1) + MU R(y - 1, x + 1)        down the diagonals
    S(y, x) = LAMBDA S(y, x - 1) + R(y, x)            along the row

There are three fits: of low bits, of the network's layer (effort max), and of the errors of network and that
fit, which joins the two to one prediction (effort max).

float64 in a fixed order: only +, -, *, / of IEEE 754, each rounded by itself. numba fuses no multiply-add
and reorders no sum unless it is asked to; FORMAT.md, section Least squares, is the norm.

Shapes: N lanes, C channels, n neighbours of a channel, at most as many as the fit's longest list; a system is
n rows of n products and one right-hand side, of which the upper triangle is used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.systems import (
    BLOCK,
    SIZE_BYTES,
    WIDTH,
    add_sample,
    divide,
    subtract_products,
    subtract_scaled,
)
from pixcodec.network.architecture import REACH
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Record, Share, first_of, position, row_at

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Pairs = tuple[tuple[int, int], ...]
Places = list[tuple[int, int, int]]

OWN: Pairs = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1)),
    *((-1, -2), (-1, 2), (-2, -1), (0, -3), (-2, 2)),
)
MORE: Pairs = (
    *((-1, 3), (-1, 4), (-2, -2), (-3, 0), (-3, -1), (-3, 1)),
    *((-2, 3), (-2, -3), (-3, 2), (-1, -3)),
)
FURTHER: Pairs = (*((-2, -2), (-3, 0), (-3, -1), (-3, 1), (-2, 3), (-2, -3), (-3, 2), (-1, -3)),)
OTHER: Pairs = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
PIXEL_SLOPE = 5  # smallest slope at which all of these lie on earlier wavefronts
PLAIN_BITS = 20  # of values, up to which the ridge is the same
GROUP = WIDTH  # lanes whose systems are solved side by side: a vector has a number of each


class Fit(NamedTuple):
    """What is fitted to what, for every channel: see FORMAT.md for the constants."""

    neighbours: list[Places]  # row, column, plane
    keep: tuple[float, ...]  # LAMBDA
    descend: tuple[float, ...]  # MU
    ridge: tuple[float, ...]  # pulls the weights towards those of ``towards``, 0 for further ones
    towards: tuple[float, ...]


class Systems(NamedTuple):
    """The normal equations of a tile's lanes, and where the neighbours are.

    Of a symmetric matrix n, n, the half above the diagonal is used, with the right side as column n; rows are
    rounded up to whole vectors.
    """

    neighbours: Int64  # C, n, 3: row, column, plane
    counts: Int64  # C
    keep: Float64  # C
    descend: Float64  # C
    ridge: Float64  # C
    towards: Float64  # n
    diagonal: Float64  # slope + 1, lanes, C, n, columns: R of the last wavefronts
    along: Float64  # lanes, C, n, columns: S
    stamps: Int64  # slope + 1, lanes, C: the wavefront of R; of a pixel that a run copied there is none
    owners: Int64  # lanes, C: the row of S
    samples: Float64  # of every thread: GROUP, columns
    matrix: Float64  # of every thread: n, columns, GROUP
    factors: Float64  # of every thread: n, n, GROUP
    solution: Float64  # of every thread: n, GROUP
    predicted: Int64  # N


def around(channels: int, own: Pairs) -> list[Places]:
    """Return for every channel its neighbours among the subpixels, those of its own first."""
    chosen = []
    for channel in range(channels):
        mine = [(dy, dx, channel) for dy, dx in own]
        for other in range(channels):
            if other < channel:
                mine.append((0, 0, other))
            if other != channel:
                mine += [(dy, dx, other) for dy, dx in OTHER]
        chosen.append(mine)
    return chosen


def low_fit(channels: int, bits: int = PLAIN_BITS) -> Fit:
    """Return the fit of values of so many bits with low bits.

    Products of values of more than 20 bits are so large that rounding errors would outweigh a smaller ridge.
    """
    scale = 4.0 ** max(0, bits - PLAIN_BITS)
    ridge = 16.0 * scale, 4.0 * scale, 4.0 * scale
    return Fit(around(channels, OWN), (0.92, 0.95, 0.95), (0.85, 0.8, 0.8), ridge, (0.5, 0.5))


def far_fit() -> Fit:
    """Return the fit of values of layers RESIDUAL over a long past."""
    return Fit(around(1, OWN + FURTHER), (0.98,), (0.96,), (16.0,), (0.5, 0.5))


def pixel_fit(channels: int) -> Fit:
    """Return the fit of the network's layer."""
    return Fit(around(channels, OWN + MORE), (0.95,) * 3, (0.9,) * 3, (16.0, 4.0, 4.0), (0.5, 0.5))


def error_fit(channels: int) -> Fit:
    """Return the fit of the network's error, in planes as :func:`error_planes` counts them, in 1/16 level."""
    chosen = []
    for c in range(channels):
        mine = [(0, 0, 2 * channels + c)]
        mine += [(dy, dx, c) for dy, dx in OTHER]
        mine += [(dy, dx, channels + c) for dy, dx in OTHER[:2]]
        for earlier in range(c):
            mine += [(0, 0, earlier), (0, 0, channels + earlier)]
        mine.append((0, 0, 4 * channels))
        chosen.append(mine)
    return Fit(chosen, (0.98,) * 3, (0.95,) * 3, (4096.0,) * 3, (0.6,))


def error_planes(channels: int) -> int:
    """Return how many planes there are for :func:`error_fit`.

    For every channel, the value minus the network's mean; then minus the fit's prediction; then the
    prediction minus the network's mean; then the value minus the joint prediction; at last a constant.
    """
    return 4 * channels + 1


def _columns(n: int) -> int:
    return -(-(n + 1) // WIDTH) * WIDTH


def new_systems(fit: Fit, lanes: int, slope: int, threads: int = 1) -> Systems:
    """Return the systems of a tile, all zero, for so many threads."""
    channels, n = len(fit.neighbours), max(map(len, fit.neighbours))
    where = np.zeros((channels, n, 3), np.int64)
    for channel, mine in enumerate(fit.neighbours):
        where[channel, : len(mine)] = mine
    room = (n, _columns(n))
    return Systems(
        neighbours=where,
        counts=np.array([len(mine) for mine in fit.neighbours], np.int64),
        keep=np.array(fit.keep),
        descend=np.array(fit.descend),
        ridge=np.array(fit.ridge),
        towards=np.array(fit.towards),
        diagonal=np.zeros((slope + 1, lanes, channels, *room)),
        along=np.zeros((lanes, channels, *room)),
        stamps=np.full((slope + 1, lanes, channels), -1, np.int64),
        owners=np.full((lanes, channels), -1, np.int64),
        samples=np.zeros((threads, GROUP, _columns(n))),
        matrix=np.zeros((threads, *room, GROUP)),
        factors=np.zeros((threads, n, n, GROUP)),
        solution=np.zeros((threads, n, GROUP)),
        predicted=np.zeros(lanes, np.int64),
    )


def systems_size_bytes(fit: Fit, lanes: int, slope: int) -> int:
    """Return the memory that the systems of a tile take."""
    n = max(map(len, fit.neighbours))
    return (slope + 2) * lanes * len(fit.neighbours) * n * _columns(n) * 8


class Samples(NamedTuple):
    """What is predicted from what."""

    canvas: npt.NDArray[np.integer[Any]]  # H + 3, W + 6, planes
    pad: int  # taken from every value before it is used
    unit: float  # a prediction is given in 1 / unit, ``pad`` included
    least: float  # and clamped
    most: float


@inlined
def _take(s: Systems, samples: Float64, g: int, channel: int, from_: Samples, y: int, x: int) -> None:
    """Write the neighbours of canvas position (y, x), relative to ``pad``, to ``samples[g]``."""
    canvas, where = from_.canvas, s.neighbours
    for k in range(s.counts[channel]):
        column = x + where[channel, k, 1]
        inside = 0 <= column < canvas.shape[1]
        value = canvas[y + where[channel, k, 0], column, where[channel, k, 2]] - from_.pad if inside else 0
        samples[g, k] = value


@kernel
def _accumulate(
    s: Systems, number: int, g: int, channel: int, from_: Samples, wave: Record, row: int
) -> None:
    """Add the sample before a pixel to its system, and write that to ``s.matrix[number, :, :, g]``."""
    diagonal, along, canvas = s.diagonal, s.along, from_.canvas
    samples, matrix = s.samples[number], s.matrix[number]
    t, slope, width = wave.t, wave.slope, wave.width
    n, slots, lanes, columns = s.counts[channel], slope + 1, len(along), samples.shape[1]
    column = t - slope * row
    at, here, above = t % slots, row % lanes, (row - 1) % lanes
    source = t - slope + (1 if column + 1 < width else 0)
    before = source % slots
    keep = s.keep[channel] if s.owners[here, channel] == row else 0.0
    descend = s.descend[channel] if row > 0 and s.stamps[before, above, channel] == source else 0.0
    s.owners[here, channel], s.stamps[at, here, channel] = row, t
    for k in range(columns):
        samples[g, k] = 0.0
    if column > 0:
        y, x = row + REACH, column + REACH
        _take(s, samples, g, channel, from_, y, x - 1)
        samples[g, n] = canvas[y, x - 1, channel] - from_.pad
    size = 8 * along.shape[2] * columns  # bytes of a system
    r_above = diagonal.ctypes.data + ((before * lanes + above) * along.shape[1] + channel) * size
    r_here = diagonal.ctypes.data + ((at * lanes + here) * along.shape[1] + channel) * size
    s_here = along.ctypes.data + (here * along.shape[1] + channel) * size
    for i in range(n):
        first = i // WIDTH * WIDTH
        row_at, start = 8 * (i * columns + first), samples.ctypes.data + 8 * (g * columns + first)
        to = matrix.ctypes.data + 8 * ((i * columns + first) * GROUP + g)
        arrays = (r_above + row_at, r_here + row_at, s_here + row_at, start, to)
        add_sample(arrays, (columns - first) // WIDTH, samples[g, i], descend, keep)


@kernel
def _solve(s: Systems, number: int, n: int, ridge: float) -> None:
    """Solve the systems in ``s.matrix[number]``, which are overwritten, for ``s.solution`` (n, GROUP)."""
    a, towards = s.matrix[number], s.towards
    for g in range(GROUP):
        for k in range(n):
            a[k, k, g] += ridge
        for k in range(len(towards)):
            a[k, n, g] += ridge * towards[k]
    eliminate(a, s.factors[number], s.solution[number], n)


@inlined
def eliminate(a: Any, eliminated: Any, solution: Any, n: int) -> None:
    """Solve systems side by side, in float64 or float32: a vector has a number of each.

    By elimination to L D L^T: there are no pivots to choose, as each system is positive definite. Row i loses
    its products with the rows above in their order, four columns at a time. ``a`` (n, columns, vector) is
    overwritten, ``eliminated`` (n, n, vector) scratch; the solution (n, vector).
    """
    first, row_bytes = a.ctypes.data, SIZE_BYTES * a.shape[1]
    w, factors = solution.ctypes.data, eliminated.ctypes.data
    for i in range(n):
        mine, by = first + i * row_bytes, factors + i * SIZE_BYTES * eliminated.shape[1]
        for k in range(i):
            above = first + k * row_bytes
            divide(a, by + k * SIZE_BYTES, above + i * SIZE_BYTES, above + k * SIZE_BYTES)
        for block in range(i // BLOCK, a.shape[1] // BLOCK):
            offset = block * BLOCK * SIZE_BYTES
            subtract_products(a, mine + offset, by, first + offset, row_bytes, i)
        divide(a, w + i * SIZE_BYTES, mine + n * SIZE_BYTES, mine + i * SIZE_BYTES)
    for i in range(n - 1, 0, -1):
        subtract_scaled(a, w, factors + i * SIZE_BYTES * eliminated.shape[1], w + i * SIZE_BYTES, i)


@kernel
def predict_linearly(s: Systems, channel: int, from_: Samples, wave: Record, share: Share) -> None:
    """Write the predictions of a share of a wavefront's channel to ``s.predicted``.

    Pixels before these, and the earlier channels of these, must be in the canvas.
    """
    n, number = s.counts[channel], share.number
    samples, solution = s.samples[number], s.solution[number]
    for start in range(first_of(share), share.end, GROUP):
        size = min(GROUP, share.end - start)
        for g in range(size):
            _accumulate(s, number, g, channel, from_, wave, row_at(wave.rows, start + g))
        # What is left of other pixels in the places of lanes that there are not is harmless.
        _solve(s, number, n, s.ridge[channel])
        for g in range(size):
            y, x = position(wave, start + g)
            _take(s, samples, g, channel, from_, y, x)
            predicted = 0.0
            for k in range(n):
                predicted += solution[k, g] * samples[g, k]
            level = min(max(from_.unit * (predicted + from_.pad) + 0.5, from_.least), from_.most)
            s.predicted[start + g] = np.int64(np.floor(level))
