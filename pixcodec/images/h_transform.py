"""One level of an H-transform: blocks of 2x2 pixels <-> their mean and three differences (FORMAT.md, "PLTE").

Plates of the Digitized Sky Survey were compressed by H-transform once (HCOMPRESS; White, Postman and Lattanzi
1992, "Compression of the Guide Star digitised Schmidt plates"), which rounded its coefficients. In the pixels
that were decoded, the differences within every block are still multiples of one large step.

Shapes: H height, W width. A block at the right or lower edge of an odd image has its last pixels twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from math import gcd
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError
from pixcodec.images.planes import Pixels, pixel_type

Ints = npt.NDArray[np.int64]

LEAST_STEP = 4
_MOST_BITS = 8  # of the number of a difference
_LOOK = 64  # rows and columns that are looked at first
_MOST_STEP = 2**17
_PLACES = ((1, 0), (0, 1), (1, 1))  # of the differences in a block: row and column


class Numbered(NamedTuple):
    """The differences of an image by their numbers.

    Parameters
    ----------
    step : int
        The number of a difference is how many steps it is above the lowest one of its kind.
    lowest : tuple of int
        The lowest difference of each kind, in steps: of rows, of columns, of diagonals of a block.
    """

    step: int
    lowest: tuple[int, int, int]


class Transformed(NamedTuple):
    """An image as the layers hold it, shape (H, W, 1), in each block a mean and three numbers."""

    pixels: Pixels  # with the row above and the column to the left that blocks begin with
    bits: int
    table: bytes
    corner: int


def transformed(pixels: Pixels, corner: int = 0) -> Transformed | None:
    """Return an image (H, W, 1) of 9 to 16 bits by blocks; None if their differences have no large step.

    ``corner``: where blocks begin, as in a header.
    """
    if min(pixels.shape[:2]) < 2:
        return None
    above, left = corner & 1, corner >> 1
    look: Pixels = pixels[above : above + _LOOK, left : left + _LOOK]
    if _step(look) < LEAST_STEP:
        return None
    whole: Pixels = np.pad(pixels, ((above, 0), (left, 0), (0, 0)), mode="edge").astype(np.uint16)
    step = _step(whole)
    values = np.diff(np.unique(pixels).astype(np.int64))
    # A step of all values alone is one for a table of values.
    if step < LEAST_STEP or step <= 2 * int(np.gcd.reduce(values)):
        return None
    total, differences = _forward(whole)
    numbers = [difference // step for difference in differences]
    lowest = [int(number.min()) for number in numbers]
    largest = max(int(number.max()) - low for number, low in zip(numbers, lowest, strict=True))
    bits = max(1, largest.bit_length())
    if bits > _MOST_BITS:
        return None
    result = np.empty_like(whole)
    result[::2, ::2, 0] = total >> 2
    for (row, column), number, low in zip(_PLACES, numbers, lowest, strict=True):
        part = result[row::2, column::2, 0]
        part[:] = (number - low)[: part.shape[0], : part.shape[1]]
    return Transformed(result, bits, _pack(Numbered(step, (lowest[0], lowest[1], lowest[2]))), corner)


def inverse_in(table: bytes, bit_depth: int, corner: int = 0) -> Callable[[Pixels], Pixels]:
    """Return a function that turns what the layers of a tile hold (H, W, 1) into its pixels.

    Parameters
    ----------
    table : bytes
        Payload of the chunk PLTE.
    bit_depth : int
        Bits of a pixel; what has more is taken modulo 2^bit_depth.
    corner : int, optional
        As of :func:`transformed`.

    Raises
    ------
    CorruptFileError
        If the payload is not as FORMAT.md says.
    """
    numbered = _unpack(table)

    def inverse(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        mean = pixels[::2, ::2, 0].astype(np.int64)
        parts = []
        for (row, column), low in zip(_PLACES, numbered.lowest, strict=True):
            number = np.full(mean.shape, -low)  # a difference of 0 where there are no such pixels
            found = pixels[row::2, column::2, 0]
            number[: found.shape[0], : found.shape[1]] = found
            parts.append((number + low) * numbered.step)
        rows, columns, diagonal = parts
        total = 4 * mean + ((rows + columns - diagonal) & 3)
        first = (total - rows - columns + diagonal) >> 2
        result = np.empty((2 * mean.shape[0], 2 * mean.shape[1], 1), np.int64)
        result[::2, ::2, 0] = first
        result[::2, 1::2, 0] = first + ((columns - diagonal) >> 1)
        result[1::2, ::2, 0] = first + ((rows - diagonal) >> 1)
        result[1::2, 1::2, 0] = first + ((rows + columns) >> 1)
        result &= (1 << bit_depth) - 1
        return np.ascontiguousarray(result[corner & 1 : height, corner >> 1 : width], pixel_type(bit_depth))

    return inverse


def _forward(pixels: Pixels) -> tuple[Ints, list[Ints]]:
    """Return of each block of an image (H, W, 1) the sum, and its differences by rows, columns, diagonals."""
    height, width = pixels.shape[:2]
    whole = np.pad(pixels[:, :, 0], ((0, height & 1), (0, width & 1)), mode="edge").astype(np.int64)
    a, b, c, d = whole[::2, ::2], whole[::2, 1::2], whole[1::2, ::2], whole[1::2, 1::2]
    return a + b + c + d, [c + d - a - b, b + d - a - c, a + d - b - c]


def _step(pixels: Pixels) -> int:
    """Return the largest number that divides all differences of blocks of an image (H, W, 1)."""
    return reduce(gcd, (int(np.gcd.reduce(part, axis=None)) for part in _forward(pixels)[1]), 0)


def _pack(numbered: Numbered) -> bytes:
    folded = ((low << 1) ^ (low >> 63) for low in numbered.lowest)
    return b"".join(map(pack_varint, (numbered.step, *folded)))


def _unpack(table: bytes) -> Numbered:
    def varints() -> Iterator[int]:
        at = 0
        while at < len(table):
            number, at = read_varint(table, at)
            yield number

    try:
        step, *folded = varints()
        rows, columns, diagonals = ((number >> 1) ^ -(number & 1) for number in folded)
    except ValueError as error:
        raise CorruptFileError(f"chunk 'PLTE': {error}") from error
    if not 0 < step <= _MOST_STEP or max(map(abs, (rows, columns, diagonals))) > _MOST_STEP:
        raise CorruptFileError(f"chunk 'PLTE': steps of {step} from {rows}, {columns}, {diagonals}")
    return Numbered(step, (rows, columns, diagonals))
