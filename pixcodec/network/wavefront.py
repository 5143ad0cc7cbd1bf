"""In which order subpixels are coded, and the canvas that holds them (FORMAT.md, section Wavefronts).

Pixel (y, x) of a tile belongs to wavefront ``t = x + slope * y``. With ``slope >= 3`` all that it depends on
lies on earlier wavefronts, so the pixels of one wavefront, its lanes, are coded together; lane i is row
``first + i``. With ``slope >= width`` each wavefront has one lane and the order is literal raster order.

A canvas is an int32 array (H + 3, W + 6, C): the subpixels of a tile in a frame of REACH rows above and REACH
columns on both sides, so that every neighbour can be read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import MIN_SLOPE, PAD_VALUE, REACH
from pixcodec.network.kernels import generated, inlined, kernel, shared

Int32 = npt.NDArray[np.int32]
Record = Any  # an element of a structured array; numba reads and writes its fields by name

# Where the coding of a tile stands: a structured array of one element.
WAVE = np.dtype(
    [
        *((name, np.int64) for name in ("slope", "height", "width", "channels")),  # of the tile
        ("t", np.int64),  # the wavefront
        ("first", np.int64),  # the row of its first lane
        ("whole", np.int64),  # how many pixels of the tile it has
        ("lanes", np.int64),  # how many of these are coded: all, or those that no run copies
        ("rows", np.int64),  # the address of their rows (int64)
        ("channel", np.int64),
        ("first_channel", np.int64),  # that is coded: those before it are known
        ("depth", np.int64),  # of the next bit or nibble of the lanes' subpixels
        ("first_depth", np.int64),  # of the first bit of the channel's subpixels
        ("open", np.int64),  # how many lanes have a nibble to mix, or a bit to learn from
        ("pixels", np.int64),  # begun
        ("fits_jfif", np.int64),  # how many pixels lay on the lattice (pixcodec.mixing.lattices)
        ("fits_photo_cd", np.int64),
        *(("clock", np.int64), ("cycles", np.int64, 16)),  # pixcodec.network.profiling
    ],
    align=True,
)


class Share(NamedTuple):
    """The part of a wavefront's work that one thread does: its number, of how many, and which lanes."""

    number: int
    parts: int
    first: int
    end: int


_CODE = "pixcodec.network.wavefront_code"
row_at = generated(_CODE, "row_at")  # (rows of a wave, lane): the row of the lane
set_row = generated(_CODE, "set_row")  # (wave.rows, lane, row)


@shared
def lane_range(t: int, slope: int, height: int, width: int) -> tuple[int, int]:
    """Return the first row of wavefront ``t`` and its number of lanes (0 if it is empty)."""
    first = max(0, -((width - 1 - t) // slope))
    last = min(height - 1, t // slope)
    return first, max(0, last - first + 1)


def lane_count(slope: int, height: int, width: int) -> int:
    """Return the largest number of lanes that a wavefront has."""
    return min(height, -(-width // slope))


@shared
def wavefront_count(slope: int, height: int, width: int) -> int:
    """Return the number of wavefronts of a tile, empty ones included."""
    return width + slope * (height - 1)


def raster_slope(width: int) -> int:
    """Return the slope at which a tile is coded in literal raster order."""
    return max(width, MIN_SLOPE)


def new_wave(height: int, width: int, channels: int, slope: int) -> Any:
    """Return a structured array of one element: a tile of which nothing is coded yet."""
    lanes = lane_count(slope, height, width)
    memory = np.zeros(WAVE.itemsize + 8 * lanes, np.uint8)  # the rows of the lanes follow the wave
    wave = memory[: WAVE.itemsize].view(WAVE)
    wave["rows"] = wave.ctypes.data + WAVE.itemsize
    wave["slope"], wave["height"], wave["width"], wave["channels"] = slope, height, width, channels
    return wave


def new_canvas(height: int, width: int, channels: int, fill: int = PAD_VALUE) -> Int32:
    """Return a canvas, every subpixel being ``fill``."""
    return np.full((height + REACH, width + 2 * REACH, channels), fill, np.int32)


def canvas_of(planes: npt.NDArray[np.uint8]) -> Int32:
    """Return a canvas that holds planes (H, W, C)."""
    height, width, channels = planes.shape
    canvas = new_canvas(height, width, channels)
    inner(canvas)[:] = planes
    return canvas


def inner(canvas: Int32) -> Int32:
    """Return the view (H, W, C) of a canvas without its frame."""
    return canvas[REACH:, REACH:-REACH]


def go_to(wave: Any, t: int, first: int, lanes: int) -> None:
    """Let a wave of :func:`new_wave` be at so many rows from ``first`` on of wavefront ``t``: for tests."""
    wave["t"], wave["first"], wave["whole"], wave["lanes"] = t, first, lanes, lanes
    rows = wave.base[WAVE.itemsize :].view(np.int64)
    rows[:lanes] = np.arange(first, first + lanes)


@inlined
def set_lanes(wave: Record, first: int, lanes: int) -> None:
    """Let the lanes of the wavefront be so many rows from ``first`` on."""
    wave.first, wave.whole, wave.lanes = first, lanes, lanes
    for i in range(lanes):
        set_row(wave.rows, i, first + i)


@kernel
def next_lanes(wave: Record) -> int:
    """Go on to the first wavefront from ``wave.t`` on that has lanes; return how many, 0 at the end."""
    end = wavefront_count(wave.slope, wave.height, wave.width)
    while wave.t < end:
        first, lanes = lane_range(wave.t, wave.slope, wave.height, wave.width)
        if lanes > 0:
            set_lanes(wave, first, lanes)
            return int(lanes)
        wave.t += 1
    return 0


@inlined
def first_of(share: Share) -> Any:
    """Return the first lane of a share, for a loop: so that LLVM knows that no index is negative."""
    return max(share.first, 0)


@inlined
def all_lanes(wave: Record) -> Share:
    """Return the share of a thread that works alone."""
    return Share(0, 1, 0, wave.lanes)


@inlined
def next_channel(wave: Record) -> None:
    """Go on to the next channel of the wavefront, or to the next wavefront."""
    wave.channel += 1
    if wave.channel == wave.channels:
        wave.channel = wave.first_channel
        wave.t += 1


@inlined
def position(wave: Record, lane: int) -> tuple[Any, Any]:
    """Return the row and column in the canvas of a lane's pixel."""
    row = row_at(wave.rows, lane)
    return row + REACH, wave.t - wave.slope * row + REACH
