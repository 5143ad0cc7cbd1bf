"""Pixels -> the JPEG coefficients that they were decoded from, if they were: the entry point of the search.

Luma comes first, as it is known at nearly every pixel: where its blocks lie, its steps, its coefficients.
Chroma follows with the subsampling that gives most pixels. Then each component is mended once more, bounded
by what the others leave to it.

Shapes: H height, W width.
"""

from __future__ import annotations

import numpy as np

from pixcodec.jpeg.blocks import Grid
from pixcodec.jpeg.coefficients import BLOCK, Coefficients
from pixcodec.jpeg.find_blocks import Component, LimitedPlane, find_components
from pixcodec.jpeg.find_chroma import mended
from pixcodec.jpeg.find_grid import find_grid
from pixcodec.jpeg.find_samples import (
    Bounds,
    Planes,
    chroma_bounds,
    luma_bounds,
    luma_range,
    may_be_decoded,
    range_of,
    to_planes,
)
from pixcodec.jpeg.find_subsampling import LEAST_EXACT, Trial, assemble, best_trial, tried
from pixcodec.jpeg.pixels import Plane, plane_of_blocks, planes_of

_LEAST_SIDE = 16  # pixels of an image that is searched at all
_PART = 512  # pixels: side of the part from which large images take the subsampling
_LARGE = 4 * _PART**2  # pixels; the part then takes at most a quarter of the time
_PART_STARTS = 4  # along each axis, of the parts to choose from
_ROW_STEP = 4  # of the rows that tell how busy a part is
_CLIPPED_POWER = 4  # of the share of subpixels that are not clipped: clipped ones tell little
_MOST_REFINEMENTS = 2


def find_coefficients(pixels: Plane) -> Coefficients | None:
    """Return coefficients from which libjpeg-turbo decodes pixels (H, W, 1 or 3), or all but a few of them.

    None if there are none that give 7/8 of the pixels.
    """
    height, width, channels = pixels.shape
    if min(height, width) < _LEAST_SIDE or not may_be_decoded(pixels):
        return None
    certain = to_planes(pixels)
    samples = certain.samples[0]
    luma = samples.astype(np.float32)
    grid = find_grid(luma, certain.known)
    if grid is None:
        return None
    subsampling = None
    if channels == 3 and height * width > _LARGE:
        part = find_coefficients(_busy_part(pixels, grid))
        if part is None:
            return None
        subsampling = part.horizontal, part.vertical
    limits = luma_range(luma, certain.known, pixels) if channels == 3 else range_of(Bounds(samples, samples))
    (component,) = find_components([LimitedPlane(luma, limits)], certain.known, grid)
    if channels == 1:
        best = tried(assemble(grid, 1, 1, [component]), pixels)
    else:
        best = _refined(best_trial(pixels, certain, grid, component, subsampling), pixels, certain)
    return best.coefficients if best.exact >= LEAST_EXACT * height * width else None


def _busy_part(pixels: Plane, grid: Grid) -> Plane:
    """Return the busiest of some squares of pixels (H, W, 3) that begin where blocks of chroma do."""
    step = 2 * BLOCK
    size = min(_PART, *(side - step for side in pixels.shape[:2]))

    def starts(side: int, first: int) -> list[int]:
        room = side - size - first % step
        last = _PART_STARTS - 1
        return [first % step + room * k // last // step * step for k in range(_PART_STARTS)]

    def part_at(place: tuple[int, int]) -> Plane:
        y, x = place
        return pixels[y : y + size, x : x + size]

    def activity(place: tuple[int, int]) -> float:
        """Return the mean difference of neighbours in some rows, less where many subpixels are clipped."""
        part = part_at(place)
        clipped = ((part == 0) | (part == 255)).mean()
        return float(
            np.abs(np.diff(part[::_ROW_STEP].astype(np.int16), axis=1)).mean()
            * (1 - clipped) ** _CLIPPED_POWER
        )

    places = [(y, x) for y in starts(grid.height, -grid.top) for x in starts(grid.width, -grid.left)]
    return np.ascontiguousarray(part_at(max(places, key=activity)))


def _refined(trial: Trial, pixels: Plane, certain: Planes) -> Trial:
    """Return coefficients that give more of pixels (H, W, 3): each component bounded by the others."""
    for _ in range(_MOST_REFINEMENTS):
        coefficients = trial.coefficients
        if trial.exact == coefficients.height * coefficients.width:
            break
        refined = tried(_bounded_by_each_other(coefficients, pixels, certain), pixels)
        if refined.exact <= trial.exact:
            break
        trial = refined
    return trial


def _bounded_by_each_other(coefficients: Coefficients, pixels: Plane, certain: Planes) -> Coefficients:
    """Return coefficients with luma mended within the bounds that chroma sets, then chroma likewise."""
    grid = Grid(*coefficients[:4])
    factors = coefficients.horizontal, coefficients.vertical
    luma, *chroma = (
        Component(*parts) for parts in zip(coefficients.tables, coefficients.blocks, strict=True)
    )
    _, blue, red = planes_of(coefficients)
    bounds = luma_bounds(pixels, blue, red, certain)
    luma_blocks = mended(luma.blocks, luma.table, bounds, grid, (1, 1))
    shown = plane_of_blocks(luma_blocks, luma.table)[grid.visible]
    chroma_blocks = [
        mended(part.blocks, part.table, bounds, grid, factors)
        for part, bounds in zip(chroma, chroma_bounds(pixels, shown, certain), strict=True)
    ]
    return coefficients._replace(blocks=(luma_blocks, *chroma_blocks))
