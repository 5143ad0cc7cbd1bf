"""What a baseline JPEG file holds of an image: quantised DCT coefficients (FORMAT.md, section JPEG).

Shapes: a component has blocks (rows, columns, 64), each row-major: entry 8 u + v is that of vertical
frequency u and horizontal frequency v. The first component is luma, or grey; the others are Cb and Cr.
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

    ``height`` and ``width`` are those of the image, in pixels, of which ``top`` rows and ``left`` columns
    are cut off: the blocks are those of the whole image, from the first that the part touches on. So ``top``
    and ``left`` are less than 8 times the subsampling.
    """

    height: int
    width: int
    top: int
    left: int
    horizontal: int  # subsampling of chroma
    vertical: int
    tables: tuple[Table, ...]  # of each component: the steps of quantisation, (64,)
    blocks: tuple[Blocks, ...]  # of each component


def block_counts(
    height: int, width: int, top: int, left: int, horizontal: int, vertical: int, component: int
) -> tuple[int, int]:
    """Return rows and columns of the blocks of a component."""
    rows, columns = top + height, left + width
    if component > 0:
        rows, columns = -(-rows // vertical), -(-columns // horizontal)
    return -(-rows // BLOCK), -(-columns // BLOCK)
