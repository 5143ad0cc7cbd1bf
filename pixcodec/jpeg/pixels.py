"""Coefficients -> the pixels that libjpeg-turbo decodes from them (FORMAT.md, section JPEG).

All arithmetic is that of libjpeg-turbo: its exact integer transform (``jidctint.c``), its "fancy" upsampling
of chroma (``jdsample.c``), its conversion of colours (``jdcolor.c``). Values that no JPEG file of an image
has are clamped on the way, so that int32 is enough for all of it.

Shapes: H height, W width of a plane, N blocks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Blocks, Coefficients, Table
from pixcodec.network.kernels import entry_point, inlined
from pixcodec.network.structs import struct_of

Plane = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# Largest magnitude that either pass of the transform is given; coefficients of images stay below half of it.
LIMIT = (1 << 14) - 1
_CONSTANT_BITS = 13  # after the point, in the constants of the transform
_PASS_BITS = 2  # after the point, in what the first pass gives
_SCALE_BITS = 3  # both passes together give 8 times the samples

# Constants of the transform by libjpeg's names, in 2**-13: _FIX_0_541 is 0.541196100.
_FIX_0_298, _FIX_0_390, _FIX_0_541, _FIX_0_765 = 2446, 3196, 4433, 6270
_FIX_0_899, _FIX_1_175, _FIX_1_501, _FIX_1_847 = 7373, 9633, 12299, 15137
_FIX_1_961, _FIX_2_053, _FIX_2_562, _FIX_3_072 = 16069, 16819, 20995, 25172

# R = Y + 1.402 Cr, G = Y - 0.344136 Cb - 0.714136 Cr, B = Y + 1.772 Cb: in 2**-16, of chroma less 128.
COLOUR_BITS = 16
_HALF = 1 << (COLOUR_BITS - 1)
_LEVELS = np.arange(-128, 128)
RED_OF_CR = ((91881 * _LEVELS + _HALF) >> COLOUR_BITS).astype(np.int16)
BLUE_OF_CB = ((116130 * _LEVELS + _HALF) >> COLOUR_BITS).astype(np.int16)
_GREEN_OF_CR = (-46802 * _LEVELS).astype(np.int32)  # 65536 times what is added
_GREEN_OF_CB = (-22554 * _LEVELS + _HALF).astype(np.int32)  # likewise, and the half for rounding


def pixels_of(coefficients: Coefficients) -> Plane:
    """Return the pixels of an image, (height, width, channels), as libjpeg-turbo decodes them.

    The coefficients and tables may be any: coefficients times steps, and the results of the first pass of the
    transform, are limited to -LIMIT .. LIMIT.
    """
    planes = planes_of(coefficients)
    return planes[0][:, :, None].copy() if len(planes) == 1 else to_rgb(*planes)


def exact_pixels(coefficients: Coefficients, pixels: Plane) -> int:
    """Return how many pixels (H, W, C) are equal to those that the coefficients give."""
    return int((pixels_of(coefficients) == pixels).all(2).sum())


def planes_of(coefficients: Coefficients) -> list[Plane]:
    """Return the samples (height, width) of all components of the image, chroma interpolated."""
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
    samples = samples_of_blocks(blocks.reshape(-1, FREQUENCIES), table)
    grid = samples.reshape(rows, columns, BLOCK, BLOCK)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3)).reshape(rows * BLOCK, columns * BLOCK)


class Transform(NamedTuple):
    """What :func:`samples_of_blocks` transforms."""

    blocks: Numbers  # N, 64
    table: Int64  # 64
    exact: Int64  # 64: samples of a block less 128, not clipped
    samples: Plane  # N, 64


def samples_of_blocks(blocks: npt.NDArray[np.integer], table: Table) -> Plane:
    """Return the samples (N, 64) of blocks (N, 64) with the steps ``table`` (64,)."""
    transform = new_transform(blocks, table)
    write_samples.bind(struct_of(transform))()
    return transform.samples


def new_transform(blocks: npt.NDArray[np.integer], table: Table) -> Transform:
    """Return blocks (N, 64) in the form that :func:`write_samples` takes."""
    # No step is below 1: coefficients beyond LIMIT are limited in any case.
    limited = np.clip(blocks, -LIMIT, LIMIT) if blocks.dtype.itemsize > 4 else blocks
    return Transform(
        np.ascontiguousarray(limited, np.int32),
        np.ascontiguousarray(table, np.int64),
        np.empty(FREQUENCIES, np.int64),
        np.empty(blocks.shape, np.uint8),
    )


@entry_point
def write_samples(transform: Transform) -> None:
    """Write the samples of the blocks."""
    blocks, table, x, samples = transform.blocks, transform.table, transform.exact, transform.samples
    for n in range(len(blocks)):
        inverse_dct(blocks[n], table, x)
        for i in range(FREQUENCIES):
            samples[n, i] = min(max(x[i] + 128, 0), 255)


@inlined
def inverse_dct(block: npt.NDArray[np.integer], table: npt.NDArray[Any], x: Int64) -> None:
    """Write the samples of a block (64,), less 128 and not clipped, to ``x`` (64,).

    ``table`` (64,) holds the steps, as integers or as floats that are integers.
    """
    for i in range(FREQUENCIES):
        wide: Any = np.int64(block[i]) * np.int64(table[i])
        x[i] = min(max(wide, -LIMIT), LIMIT)
    for v in range(BLOCK):
        _transform(x, v, BLOCK, _CONSTANT_BITS - _PASS_BITS)
    for i in range(FREQUENCIES):
        x[i] = min(max(x[i], -LIMIT), LIMIT)
    for y in range(BLOCK):
        _transform(x, BLOCK * y, 1, _CONSTANT_BITS + _PASS_BITS + _SCALE_BITS)


@inlined
def _transform(x: Int64, at: int, stride: int, shift: int) -> None:
    """Replace eight numbers of ``x``, from ``at`` on, by their inverse DCT / 2**shift, rounded.

    It is the algorithm of Loeffler, Ligtenberg and Moschytz (1989), as in libjpeg.
    """
    x0, x1, x2, x3 = x[at], x[at + stride], x[at + 2 * stride], x[at + 3 * stride]
    x4, x5, x6, x7 = x[at + 4 * stride], x[at + 5 * stride], x[at + 6 * stride], x[at + 7 * stride]
    z1 = (x2 + x6) * _FIX_0_541
    even2, even3 = z1 - x6 * _FIX_1_847, z1 + x2 * _FIX_0_765
    rounding = 1 << (shift - 1)
    even0, even1 = ((x0 + x4) << _CONSTANT_BITS) + rounding, ((x0 - x4) << _CONSTANT_BITS) + rounding
    z3, z4 = x7 + x3, x5 + x1
    z5 = (z3 + z4) * _FIX_1_175
    z1, z2 = (x7 + x1) * -_FIX_0_899, (x5 + x3) * -_FIX_2_562
    z3, z4 = z5 - z3 * _FIX_1_961, z5 - z4 * _FIX_0_390
    odd0, odd1 = x1 * _FIX_1_501 + z1 + z4, x3 * _FIX_3_072 + z2 + z3
    odd2, odd3 = x5 * _FIX_2_053 + z2 + z4, x7 * _FIX_0_298 + z1 + z3
    x[at] = (even0 + even3 + odd0) >> shift
    x[at + 7 * stride] = (even0 + even3 - odd0) >> shift
    x[at + stride] = (even1 + even2 + odd1) >> shift
    x[at + 6 * stride] = (even1 + even2 - odd1) >> shift
    x[at + 2 * stride] = (even1 - even2 + odd2) >> shift
    x[at + 5 * stride] = (even1 - even2 - odd2) >> shift
    x[at + 3 * stride] = (even0 - even3 + odd3) >> shift
    x[at + 4 * stride] = (even0 - even3 - odd3) >> shift


def upsample(plane: Plane, horizontal: int, vertical: int) -> Plane:
    """Return a plane (H, W) of chroma as (vertical H, horizontal W), as libjpeg-turbo interpolates it.

    Along each axis a value is 3/4 of the nearest sample and 1/4 of the next nearest. A plane of at most two
    columns is repeated instead.
    """
    if horizontal == 1:
        return plane
    if plane.shape[1] <= 2:
        return plane.repeat(horizontal, axis=1).repeat(vertical, axis=0)
    wide = plane.astype(np.int16)
    if vertical == 1:
        return _interpolate_columns(wide, left=1, right=2, shift=2)
    above = np.concatenate([wide[:1], wide[:-1]])
    below = np.concatenate([wide[1:], wide[-1:]])
    out = np.empty((2 * plane.shape[0], 2 * plane.shape[1]), np.uint8)
    out[::2] = _interpolate_columns(3 * wide + above, left=8, right=7, shift=4)
    out[1::2] = _interpolate_columns(3 * wide + below, left=8, right=7, shift=4)
    return out


def _interpolate_columns(sums: npt.NDArray[np.int16], left: int, right: int, shift: int) -> Plane:
    """Return twice the columns of ``sums`` (H, W), divided by 2**shift.

    ``left`` is added for rounding to the values to the left of their sample, ``right`` to those to its right.
    """
    previous = np.concatenate([sums[:, :1], sums[:, :-1]], axis=1)
    following = np.concatenate([sums[:, 1:], sums[:, -1:]], axis=1)
    out = np.empty((sums.shape[0], 2 * sums.shape[1]), np.uint8)
    out[:, ::2] = (3 * sums + previous + left) >> shift
    out[:, 1::2] = (3 * sums + following + right) >> shift
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
    """Return what samples Cb and Cr add to green, in the shape of both."""
    green: Numbers = (_GREEN_OF_CB[blue] + _GREEN_OF_CR[red]) >> COLOUR_BITS
    return green
