"""Repeats: where in the tile the neighbourhood of a pixel was seen before (FORMAT.md, section Repeats).

Graphics repeat themselves: letters, icons, patterns. Every row follows one earlier place as long as its
pixels are the same; a row without one asks the row above where it is, then a table of hashed neighbourhoods.
The value at that place, together with how long it has been right, is a context of the mixing stage.

Shapes: N lanes, H W height and width, C channels of the layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.network.architecture import REACH

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# Fields of a row: the place that it follows, for how many pixels that was right, hash of the neighbours.
ROW, COLUMN, LENGTH, HASH, MATCH_FIELDS = range(5)
LENGTH_CLASSES = 16
MAX_LENGTH = 1 << 15
MIN_TABLE_BITS, MAX_TABLE_BITS = 10, 18
_NEAR = ((0, -1), (0, -2), (-1, -1), (-1, 0), (-1, 1), (-2, 0))
_AROUND = np.array((*_NEAR, (0, -3), (-1, -2), (-2, -1), (-2, 1)), np.int64)
_NEAR_COUNT = len(_NEAR)
_BOUNDS = np.array((1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512), np.int64)
_FACTOR = np.int64(-7046029254386353131)
_LAST = np.int64(-4417276706812531889)


def table_bits(height: int, width: int) -> int:
    """Return log2 of the number of entries of the table of a tile of this size."""
    return min(max((height * width - 1).bit_length(), MIN_TABLE_BITS), MAX_TABLE_BITS)


@njit(cache=True, nogil=True, forceinline=True)
def length_class(length: int) -> Any:
    """Return the class, 0 (no repeat) .. 15, of a length."""
    found = 0
    for k in range(len(_BOUNDS)):
        if length >= _BOUNDS[k]:
            found = k + 1
    return found


@njit(cache=True, nogil=True, forceinline=True)
def _alike(canvas: Int32, y: int, x: int, other_y: int, other_x: int) -> Any:
    """Return whether two canvas positions have the same near neighbours."""
    for k in range(_NEAR_COUNT):
        dy, dx = _AROUND[k]
        for c in range(canvas.shape[2]):
            if canvas[y + dy, x + dx, c] != canvas[other_y + dy, other_x + dx, c]:
                return False
    return True


@njit(cache=True, nogil=True)
def find_matches(
    matches: Int64, table: Int32, canvas: Int32, t: int, first: int, count: int, slope: int
) -> None:
    """Let every row of a wavefront have a place to follow, or none (length 0)."""
    height, width = canvas.shape[0] - REACH, canvas.shape[1] - 2 * REACH
    mask = len(table) - 1
    for i in range(count):
        row = first + i
        column = t - slope * row
        y, x = row + REACH, column + REACH
        h: Any = np.int64(0)
        for k in range(len(_AROUND)):
            for c in range(canvas.shape[2]):
                h = (h + canvas[y + _AROUND[k, 0], x + _AROUND[k, 1], c] + 1) * _FACTOR
                h ^= (h >> 29) & ((1 << 35) - 1)
        h = ((h * _LAST) >> 40) & mask
        matches[row, HASH] = h
        if matches[row, LENGTH] > 0:
            matches[row, COLUMN] += 1
            if matches[row, COLUMN] < width:
                continue
            matches[row, LENGTH] = 0
        if row > 0 and matches[row - 1, LENGTH] > 0:
            # The row above is ``slope`` pixels ahead, or at its end; what it follows is displaced likewise.
            ahead = min(slope, width - 1 - column)
            found_row, found_column = matches[row - 1, ROW] + 1, matches[row - 1, COLUMN] - ahead
            inside = found_row < height and found_column >= 0
            before = found_column + slope * found_row < t
            if inside and before and _alike(canvas, y, x, found_row + REACH, found_column + REACH):
                matches[row, ROW], matches[row, COLUMN], matches[row, LENGTH] = found_row, found_column, 1
                continue
        place = table[h] - 1
        if place >= 0 and _alike(canvas, y, x, place // width + REACH, place % width + REACH):
            matches[row, ROW], matches[row, COLUMN], matches[row, LENGTH] = place // width, place % width, 1


@njit(cache=True, nogil=True)
def update_matches(
    matches: Int64, table: Int32, canvas: Int32, t: int, first: int, count: int, slope: int
) -> None:
    """Learn from the pixels of a wavefront, which are in the canvas now."""
    width = canvas.shape[1] - 2 * REACH
    for i in range(count):
        row = first + i
        column = t - slope * row
        if matches[row, LENGTH] > 0:
            length = min(matches[row, LENGTH] + 1, MAX_LENGTH)
            y, x = matches[row, ROW] + REACH, matches[row, COLUMN] + REACH
            for c in range(canvas.shape[2]):
                if canvas[y, x, c] != canvas[row + REACH, column + REACH, c]:
                    length = 0
            matches[row, LENGTH] = length
        table[matches[row, HASH]] = row * width + column + 1


@njit(cache=True, nogil=True, forceinline=True)
def expected(matches: Int64, canvas: Int32, row: int, column: int, channel: int) -> Any:
    """Return the value that a row's repeat says of a channel, and the class of its length (0: no repeat)."""
    if matches[row, LENGTH] == 0:
        return np.int64(0), 0
    y, x = matches[row, ROW] + REACH, matches[row, COLUMN] + REACH
    for c in range(channel):
        if canvas[y, x, c] != canvas[row + REACH, column + REACH, c]:
            return np.int64(0), 0
    return np.int64(canvas[y, x, channel]), length_class(matches[row, LENGTH])
