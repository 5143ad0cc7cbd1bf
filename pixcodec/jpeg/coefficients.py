"""What a baseline JPEG file holds of an image: quantised DCT coefficients (FORMAT.md, section JPEG).

A component has blocks (rows, columns, 64). A block is row-major: entry 8 u + v is the coefficient of vertical
frequency u and horizontal frequency v. Component 0 is luma, or grey; 1 and 2 are Cb and Cr.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.decoders import DEFAULT, Decoder

Blocks = npt.NDArray[np.int16]
Table = npt.NDArray[np.int32]

BLOCK = 8  # samples: the side of a block
FREQUENCIES = BLOCK * BLOCK  # of a block: 64 coefficients
MAX_STEP = 255  # of a table: baseline JPEG has 8 bits
MAX_COEFFICIENT = 2047  # magnitude; DC lies in -1024 .. 1023
# Horizontal, vertical; those from the fourth on are of format version 8.
SUBSAMPLINGS = ((1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (4, 2), (1, 4), (2, 4))
OLD_SUBSAMPLINGS = 3


class Coefficients(NamedTuple):
    """An image as a JPEG file holds it.

    The image may be a part of the one in the file: ``top`` rows and ``left`` columns of pixels are cut off.
    The blocks begin with the first one that the part touches, so ``top`` and ``left`` are less than 8 times
    the subsampling.
    """

    height: int  # of the part, in pixels, before it is turned
    width: int
    top: int
    left: int
    horizontal: int  # subsampling of chroma: luma samples to one of chroma, along each axis
    vertical: int
    tables: tuple[Table, ...]  # of each component: the steps of quantisation, (64,), 1 .. MAX_STEP
    blocks: tuple[Blocks, ...]  # of each component
    decoder: Decoder = DEFAULT  # which gives the pixels
    orientation: int = 0  # how the pixels are turned then: see pixcodec.jpeg.orientations

    @property
    def wider(self) -> bool:
        """Return whether only format version 8 has such coefficients."""
        known = (self.horizontal, self.vertical) in SUBSAMPLINGS[:OLD_SUBSAMPLINGS]
        return not known or self.decoder != DEFAULT or self.orientation != 0


def block_counts(
    height: int, width: int, top: int, left: int, horizontal: int, vertical: int, component: int
) -> tuple[int, int]:
    """Return rows and columns of the blocks of a component."""
    rows, columns = top + height, left + width
    if component > 0:
        rows, columns = -(-rows // vertical), -(-columns // horizontal)
    return -(-rows // BLOCK), -(-columns // BLOCK)
