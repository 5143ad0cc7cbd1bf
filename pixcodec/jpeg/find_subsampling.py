"""Luma and pixels -> coefficients with the subsampling of chroma that gives most pixels.

Chroma is found for the subsamplings in turn until one gives nearly all pixels; else the cheapest result
counts.

Shapes: H height, W width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.jpeg.blocks import Grid, Mask
from pixcodec.jpeg.coefficients import BLOCK, Coefficients
from pixcodec.jpeg.find_blocks import Component
from pixcodec.jpeg.find_chroma import find_chroma
from pixcodec.jpeg.find_samples import Bounds, Planes, chroma_bounds
from pixcodec.jpeg.find_small_chroma import small_plane
from pixcodec.jpeg.pixels import Plane, exact_pixels, plane_of_blocks, upsample

LEAST_EXACT = 7 / 8  # share of the pixels that coefficients have to give
_SURELY_EXACT = 0.98  # share of the pixels for which no other subsampling is tried
_ORDER = ((2, 2), (1, 1), (2, 1))  # SUBSAMPLINGS as they are tried, the most frequent first
_EVIDENT, _MORE_EVIDENT = (
    0.94,
    0.05,
)  # share of chroma that interpolated rows give, and how much more than others
_WRONG_PIXEL_BITS = 24  # about what the correction of a pixel takes


class Trial(NamedTuple):
    """Coefficients, and how many of the pixels they give."""

    coefficients: Coefficients
    exact: int


class _Colours(NamedTuple):
    """What is known of the chroma of an image."""

    pixels: Plane  # H, W, 3
    chroma: list[Plane]  # Cb and Cr (H, W), at some pixels a guess
    bounds: tuple[Bounds, Bounds]  # of Cb and Cr


def tried(coefficients: Coefficients, pixels: Plane) -> Trial:
    """Return coefficients with how many of the pixels (H, W, C) they give."""
    return Trial(coefficients, exact_pixels(coefficients, pixels))


def assemble(grid: Grid, horizontal: int, vertical: int, components: list[Component]) -> Coefficients:
    """Return the coefficients of components."""
    tables = tuple(component.table for component in components)
    return Coefficients(
        *grid, horizontal, vertical, tables, tuple(component.blocks for component in components)
    )


def best_trial(
    pixels: Plane, certain: Planes, grid: Grid, luma: Component, subsampling: tuple[int, int] | None
) -> Trial:
    """Return the best coefficients of pixels (H, W, 3) with this luma.

    ``certain`` are the samples of the pixels, ``subsampling`` (horizontal, vertical) is the only one to try;
    None to try all.
    """
    shown = plane_of_blocks(luma.blocks, luma.table)[grid.visible]
    bounds = chroma_bounds(pixels, shown, certain)
    chroma = [np.clip(plane, *bound) for plane, bound in zip(certain.samples[1:], bounds, strict=True)]
    colours = _Colours(pixels, chroma, bounds)
    if subsampling:
        return _try(colours, grid, luma, subsampling)
    evident = _is_horizontal_only(chroma[0], certain.known, grid)
    enough = (LEAST_EXACT if evident else _SURELY_EXACT) * grid.height * grid.width
    trials = []
    for factors in reversed(_ORDER) if evident else _ORDER:
        trials.append(_try(colours, grid, luma, factors))
        if trials[-1].exact >= enough:
            break
    else:
        if max(trial.exact for trial in trials) < LEAST_EXACT * grid.height * grid.width:
            trials += _trials_from_other_blocks(colours, grid, luma)
    return min(trials, key=_cost)


def _try(colours: _Colours, grid: Grid, luma: Component, factors: tuple[int, int]) -> Trial:
    """Return the coefficients with chroma of this subsampling."""
    chroma = find_chroma(colours.chroma, colours.bounds, grid, luma.table, factors)
    return tried(assemble(grid, *factors, [luma, *chroma]), colours.pixels)


def _trials_from_other_blocks(colours: _Colours, grid: Grid, luma: Component) -> list[Trial]:
    """Return trials in which the first block of luma is not where one of chroma begins.

    A block of subsampled chroma covers two or four of luma, of which a crop may cut off the first.
    """
    trials = []
    for down, right in ((0, BLOCK), (BLOCK, 0), (BLOCK, BLOCK)):
        padding = (down // BLOCK, 0), (right // BLOCK, 0), (0, 0)
        moved = luma._replace(blocks=np.pad(luma.blocks, padding, "edge"))
        place = grid._replace(top=grid.top + down, left=grid.left + right)
        for factors in _ORDER:
            if factors != (1, 1) and (down == 0 or factors[1] == 2):
                trials.append(_try(colours, place, moved, factors))
    return trials


def _is_horizontal_only(chroma: Plane, known: Mask, grid: Grid) -> bool:
    """Return whether the rows of chroma (H, W) were evidently interpolated, and the columns not."""

    def share(vertical: int) -> float:
        """Return the share of known samples that interpolation gives from the nearest small plane."""
        small = small_plane(chroma.astype(np.float32), grid.top, grid.left, 2, vertical)
        nearest = np.clip(np.rint(small), 0, 255).astype(np.uint8)
        equal = upsample(nearest, 2, vertical)[grid.visible] == chroma
        return float(equal[known].mean()) if known.any() else 0.0

    rows = share(1)
    return rows >= _EVIDENT and rows >= share(2) + _MORE_EVIDENT


def _cost(trial: Trial) -> float:
    """Return about how many bits the coefficients, and the pixels that they do not give, take."""
    height, width, *_ = trial.coefficients
    bits = sum(
        2 * np.log2(1 + np.abs(blocks[..., 1:].astype(np.float32))).sum()
        for blocks in trial.coefficients.blocks
    )
    wrong = height * width - trial.exact
    return float(bits + _WRONG_PIXEL_BITS * wrong)
