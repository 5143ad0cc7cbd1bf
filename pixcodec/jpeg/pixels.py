"""Coefficients -> the pixels that libjpeg-turbo decodes from them (FORMAT.md, section JPEG).

Shapes: H height, W width of a plane, N blocks. Values that no JPEG file of an image has are clamped on the
way, so that int32 is enough for all of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.jpeg.coefficients import BLOCK, Blocks, Coefficients, Table

Plane = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

LIMIT = (1 << 14) - 1  # magnitude of what either pass of the transform is given; images stay below a half
_CONSTANT_BITS, _PASS_BITS = 13, 2
_COLOUR_BITS = 16
_HALF = 1 << (_COLOUR_BITS - 1)
_LEVELS = np.arange(-128, 128)
# What a sample of chroma adds to red and blue; to green 65536 times that.
RED_OF_CR = ((91881 * _LEVELS + _HALF) >> _COLOUR_BITS).astype(np.int16)
BLUE_OF_CB = ((116130 * _LEVELS + _HALF) >> _COLOUR_BITS).astype(np.int16)
_GREEN_OF_CR = (-46802 * _LEVELS).astype(np.int32)
_GREEN_OF_CB = (-22554 * _LEVELS + _HALF).astype(np.int32)


def pixels_of(coefficients: Coefficients) -> Plane:
    """Return the pixels of an image, (height, width, channels), as libjpeg-turbo decodes them.

    That is: its exact integer transform, its "fancy" upsampling of chroma, its conversion of colours. The
    coefficients and tables may be any. Dequantised coefficients and sums of columns are clamped to +-LIMIT.
    """
    planes = planes_of(coefficients)
    return planes[0][:, :, None].copy() if len(planes) == 1 else to_rgb(*planes)


def planes_of(coefficients: Coefficients) -> list[Plane]:
    """Return the samples (height, width) of all components, chroma interpolated."""
    whole_height = coefficients.top + coefficients.height
    whole_width = coefficients.left + coefficients.width
    planes = []
    for component, (blocks, table) in enumerate(zip(coefficients.blocks, coefficients.tables, strict=True)):
        plane = plane_of_blocks(blocks, table)
        if component > 0:
            vertical, horizontal = coefficients.vertical, coefficients.horizontal
            plane = plane[: -(-whole_height // vertical), : -(-whole_width // horizontal)]
            plane = upsample(plane, horizontal, vertical)
        planes.append(plane[coefficients.top : whole_height, coefficients.left : whole_width])
    return planes


def plane_of_blocks(blocks: Blocks, table: Table) -> Plane:
    """Return the samples (8 rows, 8 columns) of blocks (rows, columns, 64) with the steps ``table`` (64,)."""
    rows, columns = blocks.shape[:2]
    samples = samples_of_blocks(blocks.reshape(-1, BLOCK * BLOCK), table)
    grid = samples.reshape(rows, columns, BLOCK, BLOCK)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3)).reshape(rows * BLOCK, columns * BLOCK)


def samples_of_blocks(blocks: npt.NDArray[np.integer], table: Table) -> Plane:
    """Return the samples (N, 64) of blocks (N, 64) with the steps ``table`` (64,)."""
    samples = np.empty(blocks.shape, np.uint8)
    _write_samples(blocks, table, samples)
    return samples


@njit(cache=True, nogil=True)
def _write_samples(blocks: npt.NDArray[np.integer], table: Table, samples: Plane) -> None:
    x = np.empty(BLOCK * BLOCK, np.int64)
    for n in range(len(blocks)):
        inverse_dct(blocks[n], table, x)
        for i in range(BLOCK * BLOCK):
            samples[n, i] = min(max(x[i] + 128, 0), 255)


@njit(cache=True, nogil=True, forceinline=True)
def inverse_dct(block: npt.NDArray[np.integer], table: npt.NDArray[Any], x: Int64) -> None:
    """Write samples of a block (64,) with the steps ``table`` (64,), less 128 and not clipped, to ``x``."""
    for i in range(BLOCK * BLOCK):
        wide: Any = np.int64(block[i]) * np.int64(table[i])
        x[i] = min(max(wide, -LIMIT), LIMIT)
    for v in range(BLOCK):
        _transform(x, v, BLOCK, _CONSTANT_BITS - _PASS_BITS)
    for i in range(BLOCK * BLOCK):
        x[i] = min(max(x[i], -LIMIT), LIMIT)
    for y in range(BLOCK):
        _transform(x, BLOCK * y, 1, _CONSTANT_BITS + _PASS_BITS + 3)


@njit(cache=True, nogil=True, forceinline=True)
def _transform(x: Int64, at: int, stride: int, shift: int) -> None:
    """Replace eight numbers from ``at`` on by their inverse DCT, divided by ``2 ** shift`` and rounded.

    It is the algorithm of Loeffler, Ligtenberg and Moschytz with 13 bits after the point.
    """
    x0, x1, x2, x3 = x[at], x[at + stride], x[at + 2 * stride], x[at + 3 * stride]
    x4, x5, x6, x7 = x[at + 4 * stride], x[at + 5 * stride], x[at + 6 * stride], x[at + 7 * stride]
    z1 = (x2 + x6) * 4433
    even2, even3 = z1 - x6 * 15137, z1 + x2 * 6270
    rounding = 1 << (shift - 1)
    even0, even1 = ((x0 + x4) << _CONSTANT_BITS) + rounding, ((x0 - x4) << _CONSTANT_BITS) + rounding
    z3, z4 = x7 + x3, x5 + x1
    z5 = (z3 + z4) * 9633
    z1, z2 = (x7 + x1) * -7373, (x5 + x3) * -20995
    z3, z4 = z5 - z3 * 16069, z5 - z4 * 3196
    odd0, odd1 = x1 * 12299 + z1 + z4, x3 * 25172 + z2 + z3
    odd2, odd3 = x5 * 16819 + z2 + z4, x7 * 2446 + z1 + z3
    x[at] = (even0 + even3 + odd0) >> shift
    x[at + 7 * stride] = (even0 + even3 - odd0) >> shift
    x[at + stride] = (even1 + even2 + odd1) >> shift
    x[at + 6 * stride] = (even1 + even2 - odd1) >> shift
    x[at + 2 * stride] = (even1 - even2 + odd2) >> shift
    x[at + 5 * stride] = (even1 - even2 - odd2) >> shift
    x[at + 3 * stride] = (even0 - even3 + odd3) >> shift
    x[at + 4 * stride] = (even0 - even3 - odd3) >> shift


def upsample(plane: Plane, horizontal: int, vertical: int) -> Plane:
    """Return a plane (H, W) of chroma as (vertical H, horizontal W), interpolated from the nearest samples.

    Three quarters are those of the nearest, as libjpeg-turbo does, unless the plane has only two columns.
    """
    if horizontal == 1:
        return plane
    if plane.shape[1] <= 2:
        return plane.repeat(horizontal, axis=1).repeat(vertical, axis=0)
    wide = plane.astype(np.int16)
    if vertical == 1:
        return _interpolate_columns(wide, 1, 2, 2)
    above = np.concatenate([wide[:1], wide[:-1]])
    below = np.concatenate([wide[1:], wide[-1:]])
    out = np.empty((2 * plane.shape[0], 2 * plane.shape[1]), np.uint8)
    out[::2] = _interpolate_columns(3 * wide + above, 8, 7, 4)
    out[1::2] = _interpolate_columns(3 * wide + below, 8, 7, 4)
    return out


def _interpolate_columns(sums: npt.NDArray[np.int16], before: int, after: int, shift: int) -> Plane:
    """Return twice the columns, ``before`` and ``after`` being what is added for rounding."""
    previous = np.concatenate([sums[:, :1], sums[:, :-1]], axis=1)
    following = np.concatenate([sums[:, 1:], sums[:, -1:]], axis=1)
    out = np.empty((sums.shape[0], 2 * sums.shape[1]), np.uint8)
    out[:, ::2] = (3 * sums + previous + before) >> shift
    out[:, 1::2] = (3 * sums + following + after) >> shift
    return out


def to_rgb(luma: Plane, blue: Plane, red: Plane) -> Plane:
    """Return the colours (H, W, 3) of planes Y, Cb and Cr (H, W)."""
    y = luma.astype(np.int16)
    out = np.empty((*luma.shape, 3), np.uint8)
    green = green_of(blue, red)
    out[..., 0] = np.clip(y + RED_OF_CR[red], 0, 255)
    out[..., 1] = np.clip(y + green, 0, 255)
    out[..., 2] = np.clip(y + BLUE_OF_CB[blue], 0, 255)
    return out


def green_of(blue: Plane, red: Plane) -> Numbers:
    """Return what samples Cb and Cr add to green."""
    green: Numbers = (_GREEN_OF_CB[blue] + _GREEN_OF_CR[red]) >> _COLOUR_BITS
    return green
