"""Chroma as large as luma -> in which ways it was perhaps enlarged, the likeliest first.

Where samples were repeated, all pixels of each have the same chroma. Where chroma was interpolated, the
nearest integers to the least squares solution mostly give the same plane again. As libjpeg-turbo rounds the
first and the second of the two values at a sample differently, a plane tells whether it was mirrored since.

Shapes: H height, W width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.jpeg.blocks import Grid, Mask
from pixcodec.jpeg.coefficients import SUBSAMPLINGS
from pixcodec.jpeg.decoders import Colours, Upsampling
from pixcodec.jpeg.find_small_chroma import small_plane
from pixcodec.jpeg.orientations import MIRRORED, UPSIDE_DOWN, turned
from pixcodec.jpeg.transform import Plane
from pixcodec.jpeg.upsample import INTERPOLATED, upsample

USUAL = ((2, 2), (1, 1), (2, 1))  # factors (horizontal, vertical) that are tried if nothing tells
_EVIDENT, _MORE_EVIDENT = 0.94, 0.05  # share of chroma that one axis gives, and how much more than others
_LEAST_REPEATED = 0.98  # share of the samples whose pixels are equal
_GLANCED, _GLANCE_MARGIN = 1 << 13, 0.2  # samples that show whether a closer look is worth its time
_FLIPPED_GAIN = 0.01  # of the share of chroma, for a flip


class Enlarged(NamedTuple):
    """How chroma was enlarged."""

    horizontal: int
    vertical: int
    upsampling: Upsampling


def likely_ways(chroma: Plane, known: Mask, grid: Grid, colours: Colours) -> tuple[list[Enlarged], bool]:
    """Return the ways to try for chroma (H, W), certain where ``known``, and whether the first is evident."""
    kind = Upsampling.STB if colours is Colours.STB else Upsampling.FANCY
    usual = [Enlarged(*factors, kind) for factors in USUAL]
    repeating = _repeating(chroma, known, grid)
    if repeating:
        upsampling = Upsampling.BOX if repeating in INTERPOLATED else kind
        return [Enlarged(*repeating, upsampling), *usual], False
    shares = {factors: _share(chroma, known, grid, *factors, kind) for factors in INTERPOLATED}
    for factors in ((2, 1), (1, 2)):
        others = [share for other, share in shares.items() if other != factors]
        if shares[factors] >= max(_EVIDENT, max(others) + _MORE_EVIDENT):
            return [Enlarged(*factors, kind), *(way for way in reversed(usual) if way[:2] != factors)], True
    return usual, False


def likely_flips(chroma: Plane, known: Mask, grid: Grid, hint: int) -> int:
    """Return by which flips chroma (H, W) of libjpeg-turbo was turned: MIRRORED, UPSIDE_DOWN, both or none.

    ``hint``: those that the grid makes likely, which count unless chroma contradicts.
    """
    if _repeating(chroma, known, grid):
        return hint
    most = dict.fromkeys((MIRRORED, UPSIDE_DOWN), (0.0, 0.0))
    for factors, flip in (((2, 2), MIRRORED), ((2, 1), MIRRORED), ((1, 2), UPSIDE_DOWN)):
        straight = _share(chroma, known, grid, *factors, Upsampling.FANCY)
        parts = turned(chroma, flip), turned(known, flip), flipped_grid(grid, flip)
        flipped = _share(*parts, *factors, Upsampling.FANCY)
        most[flip] = max(most[flip], (max(straight, flipped), flipped - straight))
    flips = 0
    for flip, (_, gain) in most.items():
        if gain > (-_FLIPPED_GAIN if hint & flip else _FLIPPED_GAIN):
            flips |= flip
    return flips


def flipped_grid(grid: Grid, flips: int) -> Grid:
    """Return where an image lies in its blocks after it was flipped."""
    top = -(grid.top + grid.height) % 8 if flips & UPSIDE_DOWN else grid.top
    left = -(grid.left + grid.width) % 8 if flips & MIRRORED else grid.left
    return grid._replace(top=top, left=left)


def _repeating(chroma: Plane, known: Mask, grid: Grid) -> tuple[int, int] | None:
    """Return by which factors (horizontal, vertical) samples were repeated, the largest; None if by none."""
    for factors in sorted(SUBSAMPLINGS, key=lambda pair: -pair[0] * pair[1]):
        if factors != (1, 1) and _is_repeated(chroma, known, grid, *factors):
            return factors
    return None


def _is_repeated(chroma: Plane, known: Mask, grid: Grid, horizontal: int, vertical: int) -> bool:
    """Return whether the certain pixels of nearly all samples have the same chroma."""
    top, left = -grid.top % vertical, -grid.left % horizontal
    rows, columns = (grid.height - top) // vertical, (grid.width - left) // horizontal
    part = slice(top, top + rows * vertical), slice(left, left + columns * horizontal)
    shape = rows, vertical, columns, horizontal
    values, certain = chroma[part].reshape(shape), known[part].reshape(shape)
    some = slice(None, None, max(1, rows * columns // _GLANCED))
    if _repeated_share(values[some], certain[some]) < _LEAST_REPEATED - _GLANCE_MARGIN:
        return False
    return _repeated_share(values, certain) >= _LEAST_REPEATED


def _repeated_share(values: Plane, certain: Mask) -> float:
    """Return the share of samples (rows, V, columns, H) whose certain values are the same; 0 if none is."""
    most = np.where(certain, values, np.uint8(0)).max((1, 3))
    least = np.where(certain, values, np.uint8(255)).min((1, 3))
    seen = certain.any((1, 3))
    return float((most == least)[seen].mean()) if seen.any() else 0.0


def _share(
    chroma: Plane, known: Mask, grid: Grid, horizontal: int, vertical: int, upsampling: Upsampling
) -> float:
    """Return the share of known samples that interpolation gives from the nearest small plane."""
    small = small_plane(chroma.astype(np.float32), grid.top, grid.left, horizontal, vertical)
    nearest = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    equal = upsample(nearest, horizontal, vertical, upsampling)[grid.visible] == chroma
    return float(equal[known].mean()) if known.any() else 0.0
