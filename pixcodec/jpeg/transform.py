"""Coefficients -> samples, by the inverse DCT of several decoders (FORMAT.md, section Samples).

Values that no JPEG file of an image has are clamped on the way, so that int32 is enough for all of it.

Shapes: N blocks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Blocks, Table
from pixcodec.jpeg.decoders import Transform
from pixcodec.network.kernels import entry_point, inlined
from pixcodec.network.structs import struct_of

Plane = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# Largest magnitude that either pass of the exact transforms is given; coefficients of images stay below half
# of it.
LIMIT = (1 << 14) - 1
_PASS_BITS = 2  # after the point, in what the first pass gives
_SCALE_BITS = 3  # both passes together give 8 times the samples

# Constants of the exact transforms, in 2**-bits: the numbers of the algorithm times their signs in it. Those
# of stb_image are rounded towards 0 after 0.5 was added, even if they are negative.
_SLOW_BITS, _STB_BITS = 13, 12
_SLOW = (2446, -3196, 4433, 6270, -7373, 9633, 12299, -15137, -16069, 16819, -20995, 25172)
_STB = (1223, -1597, 2217, 3135, -3685, 4816, 6149, -7567, -8034, 8410, -10497, 12586)

# The fast transform, by Arai, Agui and Nakajima: its steps are multiplied by the factors of both frequencies,
# in 2**-14, and keep 2 bits after the point.
_FACTOR_BITS, _FAST_SCALE_BITS, _FAST_BITS = 14, 2, 8
_DROPPED_BITS = _FACTOR_BITS - _FAST_SCALE_BITS
_FAST_1_082, _FAST_1_414, _FAST_1_848, _FAST_2_613 = 277, 362, 473, 669
_FAST_LIMIT = (1 << 15) - 1
_FAST_SHIFT = _FAST_SCALE_BITS + _SCALE_BITS

# Rounded from the factors 1 and sqrt(2) * cos(k * pi / 16), k = 1 .. 7, of both frequencies.
# fmt: off
_FAST_FACTORS = np.array([
    16384, 22725, 21407, 19266, 16384, 12873, 8867, 4520,
    22725, 31521, 29692, 26722, 22725, 17855, 12299, 6270,
    21407, 29692, 27969, 25172, 21407, 16819, 11585, 5906,
    19266, 26722, 25172, 22654, 19266, 15137, 10426, 5315,
    16384, 22725, 21407, 19266, 16384, 12873, 8867, 4520,
    12873, 17855, 16819, 15137, 12873, 10114, 6967, 3552,
    8867, 12299, 11585, 10426, 8867, 6967, 4799, 2446,
    4520, 6270, 5906, 5315, 4520, 3552, 2446, 1247,
], np.int64)
# fmt: on

_IS_FAST, _IS_STB = int(Transform.FAST), int(Transform.STB)  # as kernels know them


class Blocked(NamedTuple):
    """Blocks that :func:`samples_of_blocks` transforms."""

    blocks: Numbers  # N, 64
    multipliers: Int64  # 64
    exact: Int64  # 64: samples of a block less 128, not clipped
    samples: Plane  # N, 64


def multipliers_of(table: npt.NDArray[Any], transform: Transform) -> Int64:
    """Return what coefficients are multiplied with, (64,), for the steps ``table`` (64,)."""
    steps = np.asarray(table).astype(np.int64)
    if transform is not Transform.FAST:
        return steps
    multipliers: Int64 = (steps * _FAST_FACTORS + (1 << (_DROPPED_BITS - 1))) >> _DROPPED_BITS
    return multipliers


def effective_steps(table: Table, transform: Transform) -> npt.NDArray[np.float32]:
    """Return the steps (64,) that the multipliers of a transform stand for: the fast one rounds them."""
    if transform is not Transform.FAST:
        return np.asarray(table).astype(np.float32)
    steps = multipliers_of(table, transform) * float(1 << _DROPPED_BITS) / _FAST_FACTORS
    return np.maximum(steps, np.float32(0.25)).astype(np.float32)


def samples_of_blocks(
    blocks: npt.NDArray[np.integer], table: Table, transform: Transform = Transform.SLOW
) -> Plane:
    """Return the samples (N, 64) of blocks (N, 64) with the steps ``table`` (64,)."""
    blocked = new_blocked(blocks, table, transform)
    write_samples.bind(struct_of(blocked))(transform)
    return blocked.samples


def new_blocked(blocks: npt.NDArray[np.integer], table: Table, transform: Transform) -> Blocked:
    """Return blocks (N, 64) in the form that :func:`write_samples` takes."""
    # No step is below 1: coefficients beyond the limits are limited in any case.
    limited = np.clip(blocks, -_FAST_LIMIT, _FAST_LIMIT) if blocks.dtype.itemsize > 4 else blocks
    return Blocked(
        np.ascontiguousarray(limited, np.int32),
        multipliers_of(table, transform),
        np.empty(FREQUENCIES, np.int64),
        np.empty(blocks.shape, np.uint8),
    )


def plane_of_blocks(blocks: Blocks, table: Table, transform: Transform = Transform.SLOW) -> Plane:
    """Return the samples (8 rows, 8 columns) of blocks (rows, columns, 64) with the steps ``table`` (64,)."""
    rows, columns = blocks.shape[:2]
    samples = samples_of_blocks(blocks.reshape(-1, FREQUENCIES), table, transform)
    grid = samples.reshape(rows, columns, BLOCK, BLOCK)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3)).reshape(rows * BLOCK, columns * BLOCK)


@entry_point
def write_samples(blocked: Blocked, transform: int) -> None:
    """Write the samples of the blocks."""
    blocks, multipliers, x, samples = blocked.blocks, blocked.multipliers, blocked.exact, blocked.samples
    for n in range(len(blocks)):
        inverse_dct(blocks[n], multipliers, x, transform)
        for i in range(FREQUENCIES):
            samples[n, i] = min(max(x[i] + 128, 0), 255)


@inlined
def inverse_dct(block: npt.NDArray[np.integer], multipliers: Int64, x: Int64, transform: int) -> None:
    """Write the samples of a block (64,), less 128 and not clipped, to ``x`` (64,)."""
    limit = _FAST_LIMIT if transform == _IS_FAST else LIMIT
    for i in range(FREQUENCIES):
        wide: Any = np.int64(block[i]) * multipliers[i]
        x[i] = min(max(wide, -limit), limit)
    for v in range(BLOCK):
        _transform(x, v, BLOCK, transform, 0)
    for i in range(FREQUENCIES):
        x[i] = min(max(x[i], -limit), limit)
    for y in range(BLOCK):
        _transform(x, BLOCK * y, 1, transform, 1)


@inlined
def _transform(x: Int64, at: int, stride: int, transform: int, last: int) -> None:
    """Replace eight numbers of ``x``, from ``at`` on, by their inverse DCT; ``last``: in the second pass."""
    if transform == _IS_FAST:
        _transform_fast(x, at, stride, _FAST_SHIFT * last)
    elif transform == _IS_STB:
        _transform_exactly(x, at, stride, _STB, _STB_BITS, last)
    else:
        _transform_exactly(x, at, stride, _SLOW, _SLOW_BITS, last)


@inlined
def _transform_exactly(x: Int64, at: int, stride: int, constants: Any, bits: int, last: int) -> None:
    """Replace eight numbers by their inverse DCT, rounded.

    It is the algorithm of Loeffler, Ligtenberg and Moschytz (1989), as in libjpeg.
    """
    c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 = constants
    shift = bits + (_PASS_BITS + _SCALE_BITS if last else -_PASS_BITS)
    x0, x1, x2, x3 = x[at], x[at + stride], x[at + 2 * stride], x[at + 3 * stride]
    x4, x5, x6, x7 = x[at + 4 * stride], x[at + 5 * stride], x[at + 6 * stride], x[at + 7 * stride]
    z1 = (x2 + x6) * c2
    even2, even3 = z1 + x6 * c7, z1 + x2 * c3
    rounding = 1 << (shift - 1)
    even0, even1 = ((x0 + x4) << bits) + rounding, ((x0 - x4) << bits) + rounding
    z3, z4 = x7 + x3, x5 + x1
    z5 = (z3 + z4) * c5
    z1, z2 = (x7 + x1) * c4, (x5 + x3) * c10
    z3, z4 = z5 + z3 * c8, z5 + z4 * c1
    odd0, odd1 = x1 * c6 + z1 + z4, x3 * c11 + z2 + z3
    odd2, odd3 = x5 * c9 + z2 + z4, x7 * c0 + z1 + z3
    x[at] = (even0 + even3 + odd0) >> shift
    x[at + 7 * stride] = (even0 + even3 - odd0) >> shift
    x[at + stride] = (even1 + even2 + odd1) >> shift
    x[at + 6 * stride] = (even1 + even2 - odd1) >> shift
    x[at + 2 * stride] = (even1 - even2 + odd2) >> shift
    x[at + 5 * stride] = (even1 - even2 - odd2) >> shift
    x[at + 3 * stride] = (even0 - even3 + odd3) >> shift
    x[at + 4 * stride] = (even0 - even3 - odd3) >> shift


@inlined
def _transform_fast(x: Int64, at: int, stride: int, shift: int) -> None:
    """Replace eight numbers by their scaled inverse DCT / 2**shift, rounded down, as are all products.

    It is the algorithm of Arai, Agui and Nakajima (1988), as in libjpeg.
    """
    x0, x1, x2, x3 = x[at], x[at + stride], x[at + 2 * stride], x[at + 3 * stride]
    x4, x5, x6, x7 = x[at + 4 * stride], x[at + 5 * stride], x[at + 6 * stride], x[at + 7 * stride]
    middle, twist = x2 + x6, ((x2 - x6) * _FAST_1_414) >> _FAST_BITS
    twist -= middle
    even0, even3, even1, even2 = x0 + x4 + middle, x0 + x4 - middle, x0 - x4 + twist, x0 - x4 - twist
    z10, z11, z12, z13 = x5 - x3, x1 + x7, x1 - x7, x5 + x3
    odd0 = z11 + z13
    z5 = ((z10 + z12) * _FAST_1_848) >> _FAST_BITS
    odd1 = ((z10 * -_FAST_2_613) >> _FAST_BITS) + z5 - odd0
    odd2 = (((z11 - z13) * _FAST_1_414) >> _FAST_BITS) - odd1
    odd3 = ((z12 * _FAST_1_082) >> _FAST_BITS) - z5 + odd2
    x[at], x[at + 7 * stride] = (even0 + odd0) >> shift, (even0 - odd0) >> shift
    x[at + stride], x[at + 6 * stride] = (even1 + odd1) >> shift, (even1 - odd1) >> shift
    x[at + 2 * stride], x[at + 5 * stride] = (even2 + odd2) >> shift, (even2 - odd2) >> shift
    x[at + 4 * stride], x[at + 3 * stride] = (even3 + odd3) >> shift, (even3 - odd3) >> shift
