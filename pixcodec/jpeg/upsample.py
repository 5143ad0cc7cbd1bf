"""Chroma of fewer samples than luma -> as large as luma, by several decoders (FORMAT.md, section Colours).

Shapes: H height, W width of the small plane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.decoders import Upsampling
from pixcodec.jpeg.transform import Plane

INTERPOLATED = ((2, 1), (2, 2), (1, 2))  # horizontal, vertical: of these, chroma may be interpolated

# What is added before an interpolated value is divided: for the first and the second of the two values at a
# sample, where one axis is interpolated, and where both are.
_ROUNDING = {
    (Upsampling.FANCY, 1): (1, 2),
    (Upsampling.FANCY, 2): (8, 7),
    (Upsampling.STB, 1): (2, 2),
    (Upsampling.STB, 2): (8, 8),
}
_FEW_COLUMNS = 2  # libjpeg-turbo repeats the samples of such planes, unless only columns are interpolated


def upsample(
    plane: Plane, horizontal: int, vertical: int, upsampling: Upsampling = Upsampling.FANCY
) -> Plane:
    """Return a plane (H, W) of chroma as (vertical H, horizontal W).

    An interpolated value is 3/4 of the nearest sample and 1/4 of the next nearest, along each axis.
    """
    if not interpolates(upsampling, horizontal, vertical, plane.shape[1]):
        return plane.repeat(horizontal, axis=1).repeat(vertical, axis=0)
    wide = plane.astype(np.int16)
    axes = horizontal * vertical // 2
    first, second = _ROUNDING[upsampling, axes]
    if axes == 2:
        wide = _doubled(wide.T).T
        out = _doubled_rounded(wide, first, second, 4)
    elif horizontal == 2:
        out = _doubled_rounded(wide, first, second, 2)
        if upsampling is Upsampling.STB and plane.shape[1] > 1:
            out[:, -2] = (3 * wide[:, -2] + wide[:, -1] + first) >> 2
    else:
        out = np.ascontiguousarray(_doubled_rounded(np.ascontiguousarray(wide.T), first, second, 2).T)
    return out


def interpolates(upsampling: Upsampling, horizontal: int, vertical: int, columns: int) -> bool:
    """Return whether chroma of so many columns is interpolated: else its samples are repeated."""
    if upsampling is Upsampling.BOX or (horizontal, vertical) not in INTERPOLATED:
        return False
    return upsampling is Upsampling.STB or horizontal == 1 or columns > _FEW_COLUMNS


def _doubled(wide: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return twice the columns of a plane (H, W): 3 times a value and 1 time its neighbour."""
    out = np.empty((wide.shape[0], 2 * wide.shape[1]), np.int16)
    out[:, 0], out[:, -1] = 4 * wide[:, 0], 4 * wide[:, -1]
    out[:, 2::2] = 3 * wide[:, 1:] + wide[:, :-1]
    out[:, 1:-1:2] = 3 * wide[:, :-1] + wide[:, 1:]
    return out


def _doubled_rounded(wide: npt.NDArray[Any], first: int, second: int, shift: int) -> Plane:
    """Return twice the columns of a plane (H, W), divided by 2**shift.

    ``first`` is added for rounding to the values to the left of their sample, ``second`` to those to its
    right.
    """
    out = _doubled(wide)
    out[:, ::2] += np.int16(first)
    out[:, 1::2] += np.int16(second)
    out >>= shift
    return out.astype(np.uint8)
