"""Repeats: where in the tile the neighbourhood of a pixel was seen before (FORMAT.md, section Repeats).

Graphics repeat themselves: letters, icons, patterns. Every row follows one earlier place as long as its
pixels are the same; a row without one asks the row above where it is, then a table of hashed neighbourhoods.
The value at that place, together with how long it has been right, is a context of the mixing stage.

Shapes: N lanes, H W height and width, C channels of the layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import REACH
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Record, position, row_at

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# What a row of the tile knows of its repeat.
MATCH = np.dtype(
    [
        *(("row", np.int64), ("column", np.int64)),  # the place in the tile that it follows
        ("length", np.int64),  # for how many pixels that was right, 0 if there is none
        ("hash", np.int64),  # of the neighbours of its pixel on this wavefront
    ],
    align=True,
)
LENGTH_CLASSES = 16
MAX_LENGTH = 1 << 15
MIN_TABLE_BITS, MAX_TABLE_BITS = 10, 18
_NEAR = ((0, -1), (0, -2), (-1, -1), (-1, 0), (-1, 1), (-2, 0))
_AROUND = np.array((*_NEAR, (0, -3), (-1, -2), (-2, -1), (-2, 1)), np.int64)
_NEAR_COUNT = len(_NEAR)
_BOUNDS = np.array((1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512), np.int64)
_FACTOR = np.uint64(-7046029254386353131 % (1 << 64))
_LAST = np.uint64(-4417276706812531889 % (1 << 64))


class Repeats(NamedTuple):
    """The repeats of a tile's rows, and where neighbourhoods were seen last."""

    rows: Any  # H: of MATCH
    table: Int32  # 2**k: by hash, 1 + the place in raster order; 0 if there was none


def new_repeats(height: int, width: int, *, used: bool) -> Repeats:
    """Return repeats of a tile of which nothing is known; without room for any if they are not ``used``."""
    if not used:
        return Repeats(np.zeros(1, MATCH), np.zeros(1, np.int32))
    return Repeats(np.zeros(height, MATCH), np.zeros(1 << table_bits(height, width), np.int32))


def table_bits(height: int, width: int) -> int:
    """Return log2 of the number of entries of the table of a tile of this size."""
    return min(max((height * width - 1).bit_length(), MIN_TABLE_BITS), MAX_TABLE_BITS)


@inlined
def length_class(length: int) -> Any:
    """Return the class, 0 (no repeat) .. 15, of a length."""
    found = 0
    for k in range(len(_BOUNDS)):
        if length >= _BOUNDS[k]:
            found = k + 1
    return found


@inlined
def _alike(canvas: Int32, y: int, x: int, other_y: int, other_x: int) -> Any:
    """Return whether two canvas positions have the same near neighbours."""
    for k in range(_NEAR_COUNT):
        dy, dx = _AROUND[k]
        for c in range(canvas.shape[2]):
            if canvas[y + dy, x + dx, c] != canvas[other_y + dy, other_x + dx, c]:
                return False
    return True


@inlined
def _hash(canvas: Int32, y: int, x: int) -> Any:
    """Return a hash, of 24 bits, of the neighbours of a canvas position."""
    h: Any = np.uint64(0)
    for k in range(len(_AROUND)):
        for c in range(canvas.shape[2]):
            h = (h + np.uint64(canvas[y + _AROUND[k, 0], x + _AROUND[k, 1], c]) + np.uint64(1)) * _FACTOR
            h ^= h >> np.uint64(29)
    return np.int64(h * _LAST >> np.uint64(40))


@kernel
def find_matches(s: Repeats, canvas: Int32, wave: Record) -> None:
    """Let every row of a wavefront have a place to follow, or none (length 0)."""
    rows, table, height, width, t, slope = s.rows, s.table, wave.height, wave.width, wave.t, wave.slope
    mask = len(table) - 1
    for i in range(wave.lanes):
        row = row_at(wave.rows, i)
        column = t - slope * row
        y, x = row + REACH, column + REACH
        here = rows[row]
        here.hash = _hash(canvas, y, x) & mask
        if here.length > 0:
            here.column += 1
            if here.column < width:
                continue
            here.length = 0
        if row > 0 and rows[row - 1].length > 0:
            # The row above is ``slope`` pixels ahead, or at its end; what it follows is displaced likewise.
            ahead = min(slope, width - 1 - column)
            found_row, found_column = rows[row - 1].row + 1, rows[row - 1].column - ahead
            inside = found_row < height and found_column >= 0
            before = found_column + slope * found_row < t
            if inside and before and _alike(canvas, y, x, found_row + REACH, found_column + REACH):
                here.row, here.column, here.length = found_row, found_column, 1
                continue
        place = table[here.hash] - 1
        if place >= 0 and _alike(canvas, y, x, place // width + REACH, place % width + REACH):
            here.row, here.column, here.length = place // width, place % width, 1


@kernel
def update_matches(s: Repeats, canvas: Int32, wave: Record) -> None:
    """Learn from the pixels of a wavefront, which are in the canvas now."""
    rows, table = s.rows, s.table
    for i in range(wave.lanes):
        y, x = position(wave, i)
        here = rows[y - REACH]
        if here.length > 0:
            length = min(here.length + 1, MAX_LENGTH)
            other_y, other_x = here.row + REACH, here.column + REACH
            for c in range(canvas.shape[2]):
                if canvas[other_y, other_x, c] != canvas[y, x, c]:
                    length = 0
            here.length = length
        table[here.hash] = (y - REACH) * wave.width + x - REACH + 1


@kernel
def follow_copies(s: Repeats, canvas: Int32, copied: Int64, count: int, wave: Record) -> None:
    """Let the repeats of the first ``count`` rows of ``copied`` follow their pixels."""
    rows, t, slope, width = s.rows, wave.t, wave.slope, wave.width
    for k in range(count):
        row = copied[k]
        here = rows[row]
        if here.length == 0:
            continue
        here.column += 1
        if here.column >= width:
            here.length = 0
            continue
        here.length = min(here.length + 1, MAX_LENGTH)
        y, x, other_y, other_x = row + REACH, t - slope * row + REACH, here.row + REACH, here.column + REACH
        for c in range(canvas.shape[2]):
            if canvas[other_y, other_x, c] != canvas[y, x, c]:
                here.length = 0


@inlined
def expected(s: Repeats, canvas: Int32, y: int, x: int, channel: int) -> Any:
    """Return the value that a row's repeat says of a channel, and the class of its length (0: no repeat)."""
    here = s.rows[y - REACH]
    if here.length == 0:
        return np.int64(0), 0
    other_y, other_x = here.row + REACH, here.column + REACH
    for c in range(channel):
        if canvas[other_y, other_x, c] != canvas[y, x, c]:
            return np.int64(0), 0
    return np.int64(canvas[other_y, other_x, channel]), length_class(here.length)
