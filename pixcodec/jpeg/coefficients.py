"""What a baseline JPEG file holds of an image: quantised DCT coefficients (FORMAT.md, section JPEG).

A component has blocks (rows, columns, 64). A block is row-major: entry 8 u + v is the coefficient of vertical
frequency u and horizontal frequency v. Component 0 is luma, or grey; 1 and 2 are Cb and Cr.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Blocks = npt.NDArray[np.int16]
Table = npt.NDArray[np.int32]

BLOCK = 8  # samples: the side of a block
FREQUENCIES = BLOCK * BLOCK  # of a block: 64 coefficients
MAX_STEP = 255  # of a table: baseline JPEG has 8 bits
MAX_COEFFICIENT = 2047  # magnitude; DC lies in -1024 .. 1023
SUBSAMPLINGS = ((1, 1), (2, 1), (2, 2))  # horizontal, vertical


class Coefficients(NamedTuple):
    """An image as a JPEG file holds it.

    The image may be a part of the one in the file: ``top`` rows and ``left`` columns of pixels are cut off.
    The blocks begin with the first one that the part touches, so ``top`` and ``left`` are less than 8 times
    the subsampling.
    """

    height: int  # of the part, in pixels
    width: int
    top: int
    left: int
    horizontal: int  # subsampling of chroma: luma samples to one of chroma, along each axis
    vertical: int
    tables: tuple[Table, ...]  # of each component: the steps of quantisation, (64,), 1 .. MAX_STEP
    blocks: tuple[Blocks, ...]  # of each component


def block_counts(
    height: int, width: int, top: int, left: int, horizontal: int, vertical: int, component: int
) -> tuple[int, int]:
    """Return rows and columns of the blocks of a component."""
    rows, columns = top + height, left + width
    if component > 0:
        rows, columns = -(-rows // vertical), -(-columns // horizontal)
    return -(-rows // BLOCK), -(-columns // BLOCK)
