"""Planes of samples <-> blocks of 8x8 samples and their DCT coefficients, in float32.

Shapes: H height, W width of the image; samples of blocks and coefficients are (rows, columns, 64).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, MAX_COEFFICIENT, Blocks
from pixcodec.jpeg.decoders import Transform

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MIDDLE = 128  # what a JPEG encoder subtracts from samples before the DCT
# What the search subtracts. The fast transform rounds down, for which a little less than half a level makes
# up: ranges of a level still hold the same integer.
MIDDLES = {Transform.SLOW: 128.0, Transform.FAST: 127.51, Transform.STB: 128.0}


def _dct_matrix() -> Floats:
    """Return the orthonormal two-dimensional DCT, (64, 64): coefficients are it times the samples."""
    u, x = np.mgrid[:BLOCK, :BLOCK]
    matrix = np.cos((2 * x + 1) * u * np.pi / (2 * BLOCK)) / 2
    matrix[0] /= np.sqrt(2)
    return np.kron(matrix, matrix).astype(np.float32)


DCT = _dct_matrix()


class Grid(NamedTuple):
    """Where the image lies in the planes that its blocks cover: the first fields of Coefficients."""

    height: int
    width: int
    top: int  # rows of the planes above the image
    left: int  # columns of the planes to the left of the image

    @property
    def visible(self) -> tuple[slice, slice]:
        """Return the part of the planes that the image shows."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def blocks_of(plane: npt.NDArray[Any], top: int = 0, left: int = 0) -> npt.NDArray[Any]:
    """Return the blocks of a plane (H, W) that begins ``top`` rows and ``left`` columns inside the first one.

    Samples beyond the plane are equal to the nearest one of the plane.
    """
    padding = _padding(plane.shape, top, left)
    if any(map(any, padding)):
        plane = np.pad(plane, padding, "edge")
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    return (
        plane.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3).reshape(rows, columns, FREQUENCIES)
    )


def known_blocks(known: Mask, top: int, left: int) -> Mask:
    """Return the blocks of a mask (H, W) placed as in :func:`blocks_of`, False beyond it."""
    blocks: Mask = blocks_of(np.pad(known, _padding(known.shape, top, left)))
    return blocks


def quantised(coefficients: npt.NDArray[np.floating[Any]], table: npt.NDArray[Any]) -> Blocks:
    """Return coefficients (..., 64) divided by the steps ``table`` (64,), rounded and limited."""
    rounded = np.clip(np.rint(coefficients / table), -MAX_COEFFICIENT, MAX_COEFFICIENT)
    blocks: Blocks = rounded.astype(np.int16)
    return blocks


def _padding(shape: tuple[int, ...], top: int, left: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how much to add before and after each axis of a plane to get whole blocks."""
    height, width = shape
    return (top, -(top + height) % BLOCK), (left, -(left + width) % BLOCK)
