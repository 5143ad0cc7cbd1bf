"""What the kernels share that read and write the bits of a scan.

Shapes: P components of the scan, N blocks of the frame.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.scans.markers import Frame, Scan

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt8 = npt.NDArray[np.uint8]

MAX_RUN = 0x7FFF  # blocks that end at the same time, in a progressive scan
MAX_EXTRAS = 1 << 16  # blocks of a scan with zero runs that say nothing
ONES, ZEROS, GIVEN = range(3)  # the bits that fill the last byte of an interval

# What the kernels return.
DONE, NOT_A_CODE, NO_SUCH_VALUE, TOO_SHORT, NO_RESTART, TOO_ODD = range(6)


class Layout(NamedTuple):
    """A scan, in numbers."""

    parts: Int64  # P, PART: for each component, what the constants below say
    progressive: int
    first: int
    last: int
    high: int
    low: int
    rows: int  # of units
    columns: int
    interval: int  # units, 0 for no restarts


OFFSET, STRIDE, DOWN, ACROSS = range(4)  # first block, blocks to the next row, rows and columns of a unit
PART = 4

BITS = np.dtype(
    [
        ("held", np.int64),  # bits that were read from bytes and not used, or not written
        ("count", np.int64),  # how many they are
        ("missing", np.int64),  # how many of them, the last ones, are beyond the end of the scan
        ("at", np.int64),  # position of the next byte
        ("run", np.int64),  # blocks that are still to end with the last end-of-block
        ("ended", np.int64),  # whether the block before ended with an end-of-block
        ("buffered", np.int64),  # correction bits that are still to be written
        ("breaks", np.int64),  # number of entries of each list, or how many were used
        ("extras", np.int64),
        ("intervals", np.int64),
        ("failed", np.int64),  # whether a symbol had no code, or the room did not suffice
    ],
    align=True,
)


def layout_of(frame: Frame, scan: Scan) -> Layout:
    """Return a scan of a frame in numbers."""
    shapes = [frame.whole_shape(number) for number in range(len(frame.components))]
    offsets = np.cumsum([0, *(rows * columns for rows, columns in shapes)])
    alone = len(scan.components) == 1
    parts = np.zeros((len(scan.components), PART), np.int64)
    for part, number in zip(parts, scan.components, strict=True):
        component = frame.components[number]
        factors = (1, 1) if alone else (component.vertical, component.horizontal)
        part[:] = (offsets[number], shapes[number][1], *factors)
    units = frame.shape(scan.components[0]) if alone else frame.units
    numbers = (scan.first, scan.last, scan.high, scan.low)
    return Layout(parts, int(frame.progressive), *numbers, *units, scan.interval)


def interval_count(layout: Layout) -> int:
    """Return the number of intervals of a scan."""
    return -(-layout.rows * layout.columns // layout.interval) if layout.interval else 1


def block_count(layout: Layout) -> int:
    """Return the number of blocks that a scan visits."""
    return int((layout.parts[:, DOWN] * layout.parts[:, ACROSS]).sum()) * layout.rows * layout.columns


def new_coefficients(frame: Frame) -> Int16:
    """Return (64 N,) coefficients, all 0: those of the first component, then those of the next."""
    return np.zeros(frame.block_count * FREQUENCIES, np.int16)


def component_blocks(frame: Frame, coefficients: Int16) -> list[Int16]:
    """Return the blocks (rows, columns, 64) of each component, as views."""
    blocks, start = [], 0
    for number in range(len(frame.components)):
        rows, columns = frame.whole_shape(number)
        end = start + rows * columns * FREQUENCIES
        blocks.append(coefficients[start:end].reshape(rows, columns, FREQUENCIES))
        start = end
    return blocks


def new_bits(at: int = 0) -> Any:
    """Return the state of the bits of a scan that begins at a byte."""
    bits = np.zeros(1, BITS)
    bits["at"] = at
    return bits
