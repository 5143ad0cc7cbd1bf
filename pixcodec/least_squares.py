"""Least squares: a linear prediction of each subpixel, fitted to the pixels before it (effort max).

The weights of a pixel solve the normal equations of all pixels of its tile that came before, those nearby
counting most: with o(y, x) the products of the sample at (y, x),

    R(y, x) = o(y, x - 1) + MU R(y - 1, x + 1)        down the diagonals
    S(y, x) = LAMBDA S(y, x - 1) + R(y, x)            along the row

float64 in a fixed order: only +, -, *, / of IEEE 754, each rounded by itself. numba fuses no multiply-add
and reorders no sum unless it is asked to; FORMAT.md, section Least squares, is the norm.

Shapes: N lanes, C channels, n neighbours of a channel, at most SIZE; a system is n rows of n products and one
right-hand side, each row with room for SIZE + 1, of which the upper triangle is used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.architecture import REACH

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

OWN: tuple[tuple[int, int], ...] = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1)),
    *((-1, -2), (-1, 2), (-2, -1), (0, -3), (-2, 2)),
)
OTHER: tuple[tuple[int, int], ...] = ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))
LAMBDA = (0.92, 0.95, 0.95)
MU = (0.85, 0.8, 0.8)
RIDGE = (16.0, 4.0, 4.0)  # pulls the weights towards 1/2 for west and north, 0 for the others
GROUP = 32  # lanes whose systems are solved side by side, each operation on all of them
SIZE = len(OWN) + 2 * len(OTHER) + 2
ROW = SIZE + 1


class Systems(NamedTuple):
    """The normal equations of a tile's lanes, and where the neighbours are."""

    neighbours: Int64  # C, SIZE, 3: row, column, channel
    counts: Int64  # C
    diagonal: Float64  # slope + 1, lanes, C, SIZE, ROW: R of the last wavefronts
    along: Float64  # lanes, C, SIZE, ROW: S
    samples: Float64  # GROUP, ROW
    matrix: Float64  # SIZE, ROW, GROUP
    factors: Float64  # SIZE, SIZE, GROUP
    solution: Float64  # SIZE, GROUP
    predicted: Int64  # N: in 1/16 level


def neighbours(channels: int) -> list[list[tuple[int, int, int]]]:
    """Return for every channel its neighbours (row, column, channel), those of its own first."""
    chosen = []
    for channel in range(channels):
        mine = [(dy, dx, channel) for dy, dx in OWN]
        for other in range(channels):
            if other < channel:
                mine.append((0, 0, other))
            if other != channel:
                mine += [(dy, dx, other) for dy, dx in OTHER]
        chosen.append(mine)
    return chosen


def new_systems(channels: int, lanes: int, slope: int, used: bool) -> Systems:
    """Return the systems of a tile, all zero; without room for any if they are not ``used``."""
    lists = neighbours(channels)
    where = np.zeros((channels, SIZE, 3), np.int64)
    for channel, mine in enumerate(lists):
        where[channel, : len(mine)] = mine
    room = (SIZE, ROW)
    return Systems(
        neighbours=where,
        counts=np.array([len(mine) for mine in lists], np.int64),
        diagonal=np.zeros((slope + 1, lanes, channels, *room) if used else (1, 1, 1, 1, 1)),
        along=np.zeros((lanes, channels, *room) if used else (1, 1, 1, 1)),
        samples=np.zeros((GROUP, ROW)),
        matrix=np.zeros((SIZE, ROW, GROUP)),
        factors=np.zeros((SIZE, SIZE, GROUP)),
        solution=np.zeros((SIZE, GROUP)),
        predicted=np.full(lanes, -1, np.int64),
    )


def systems_size_bytes(channels: int, lanes: int, slope: int) -> int:
    """Return the memory that the systems of a tile take."""
    return (slope + 2) * lanes * channels * SIZE * ROW * 8


@njit(cache=True, nogil=True, forceinline=True)
def _take(
    samples: Float64, g: int, where: Int64, channel: int, n: int, canvas: Int32, y: int, x: int, pad: int
) -> None:
    """Write the neighbours of canvas position (y, x), relative to ``pad``, to ``samples[g]``."""
    for k in range(n):
        value = canvas[y + where[channel, k, 0], x + where[channel, k, 1], where[channel, k, 2]]
        samples[g, k] = value - pad


@njit(cache=True, nogil=True)
def _accumulate(
    s: Systems, g: int, channel: int, t: int, row: int, slope: int, canvas: Int32, pad: int
) -> None:
    """Add the sample before a pixel to its system, and write that to ``s.matrix[:, :, g]``."""
    diagonal, along, samples, matrix = s.diagonal, s.along, s.samples, s.matrix
    n, slots, lanes = s.counts[channel], slope + 1, len(along)
    column, width = t - slope * row, canvas.shape[1] - 2 * REACH
    at, here, above = t % slots, row % lanes, (row - 1) % lanes
    before = (t - slope + (1 if column + 1 < width else 0)) % slots
    keep = LAMBDA[channel] if column > 0 else 0.0
    descend = MU[channel] if row > 0 else 0.0
    for k in range(n + 1):
        samples[g, k] = 0.0
    if column > 0:
        y, x = row + REACH, column + REACH
        _take(samples, g, s.neighbours, channel, n, canvas, y, x - 1, pad)
        samples[g, n] = canvas[y, x - 1, channel] - pad
    for i in range(n):
        v = samples[g, i]
        for j in range(i, n + 1):
            r = descend * diagonal[before, above, channel, i, j] + v * samples[g, j]
            diagonal[at, here, channel, i, j] = r
            r += keep * along[here, channel, i, j]
            along[here, channel, i, j] = r
            matrix[i, j, g] = r


@njit(cache=True, nogil=True)
def _solve(a: Float64, n: int, ridge: float, factors: Float64, w: Float64) -> None:
    """Solve the systems in ``a`` (SIZE, ROW, GROUP), which are overwritten, for ``w`` (SIZE, GROUP).

    By elimination to L D L^T: there are no pivots to choose, as each system is positive definite.
    """
    group = a.shape[2]  # a number known to the compiler would be unrolled, and not vectorised
    for g in range(GROUP):
        for k in range(n):
            a[k, k, g] += ridge
        a[0, n, g] += ridge * 0.5
        a[1, n, g] += ridge * 0.5
    for k in range(n):
        for i in range(k + 1, n):
            for g in range(group):
                factors[i, k, g] = a[k, i, g] / a[k, k, g]
            for j in range(i, n + 1):
                for g in range(group):
                    a[i, j, g] -= factors[i, k, g] * a[k, j, g]
        for g in range(group):
            w[k, g] = a[k, n, g] / a[k, k, g]
    for i in range(n - 1, 0, -1):
        for j in range(i):
            for g in range(group):
                w[j, g] -= factors[i, j, g] * w[i, g]


@njit(cache=True, nogil=True)
def predict_linearly(
    s: Systems, channel: int, t: int, first: int, count: int, slope: int, canvas: Int32, pad: int, top: int
) -> None:
    """Write the predictions of a wavefront's channel to ``s.predicted``, in 1/16 level.

    Parameters
    ----------
    canvas : ndarray of int32, shape (H + 3, W + 6, C)
        Pixels before these, and the earlier channels of these, must be in it.
    pad, top : int
        Value outside the tile, and largest value.
    """
    n, samples, solution = s.counts[channel], s.samples, s.solution
    for start in range(0, count, GROUP):
        size = min(GROUP, count - start)
        for g in range(size):
            _accumulate(s, g, channel, t, first + start + g, slope, canvas, pad)
        # What is left of other pixels in the places of lanes that there are not is harmless.
        _solve(s.matrix, n, RIDGE[channel], s.factors, solution)
        for g in range(size):
            row = first + start + g
            _take(samples, g, s.neighbours, channel, n, canvas, row + REACH, t - slope * row + REACH, pad)
            predicted = 0.0
            for k in range(n):
                predicted += solution[k, g] * samples[g, k]
            level = min(max(16.0 * (predicted + pad) + 0.5, 0.0), 16.0 * top)
            s.predicted[start + g] = np.int64(np.floor(level))
