"""Luma and pixels -> coefficients with the subsampling of chroma that gives most pixels.

Chroma is found for the ways of enlarging it in turn until one gives nearly all pixels; else the cheapest
result counts.

Shapes: H height, W width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.jpeg.blocks import Grid
from pixcodec.jpeg.coefficients import BLOCK, Coefficients
from pixcodec.jpeg.decoders import Decoder
from pixcodec.jpeg.enlarged import USUAL, Enlarged, likely_ways
from pixcodec.jpeg.find_blocks import Component
from pixcodec.jpeg.find_chroma import find_chroma
from pixcodec.jpeg.find_samples import Bounds, Planes, chroma_bounds
from pixcodec.jpeg.pixels import exact_pixels
from pixcodec.jpeg.transform import Plane, plane_of_blocks

LEAST_EXACT = 7 / 8  # share of the pixels that coefficients have to give
SURELY_EXACT = 0.98  # share of the pixels for which no other subsampling is tried
_REPEATED_EXACT = 0.995  # the same where only samples that repeat tell: those of flat chroma always do
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


def assemble(
    grid: Grid, horizontal: int, vertical: int, components: list[Component], decoder: Decoder
) -> Coefficients:
    """Return the coefficients of components."""
    tables = tuple(component.table for component in components)
    blocks = tuple(component.blocks for component in components)
    return Coefficients(*grid, horizontal, vertical, tables, blocks, decoder)


def best_trial(
    pixels: Plane, certain: Planes, grid: Grid, luma: Component, decoder: Decoder, way: Enlarged | None
) -> Trial:
    """Return the best coefficients of pixels (H, W, 3) with this luma.

    ``certain`` are the samples of the pixels; the transform and the colours are those of ``decoder``. ``way``
    is the only way of enlarging chroma to try; None to try all.
    """
    shown = plane_of_blocks(luma.blocks, luma.table, decoder.transform)[grid.visible]
    bounds = chroma_bounds(pixels, shown, certain, decoder.colours)
    chroma = [np.clip(plane, *bound) for plane, bound in zip(certain.samples[1:], bounds, strict=True)]
    colours = _Colours(pixels, chroma, bounds)
    if way:
        return _try(colours, grid, luma, decoder, way)
    ways, evident = likely_ways(chroma[0], certain.known, grid, decoder.colours)
    repeated = len(ways) > len(USUAL)
    trials: list[Trial] = []
    for one in ways:
        trials.append(_try(colours, grid, luma, decoder, one))
        unsure = repeated and len(trials) == 1
        enough = LEAST_EXACT if evident else _REPEATED_EXACT if unsure else SURELY_EXACT
        if trials[-1].exact >= enough * grid.height * grid.width:
            break
    else:
        if max(trial.exact for trial in trials) < LEAST_EXACT * grid.height * grid.width:
            trials += _trials_from_other_blocks(colours, grid, luma, decoder, ways)
    return min(trials, key=cost)


def _try(colours: _Colours, grid: Grid, luma: Component, decoder: Decoder, way: Enlarged) -> Trial:
    """Return the coefficients with chroma that was enlarged in a way."""
    decoder = decoder._replace(upsampling=way.upsampling)
    factors = way.horizontal, way.vertical
    chroma = find_chroma(colours.chroma, colours.bounds, grid, luma.table, factors, decoder)
    return tried(assemble(grid, *factors, [luma, *chroma], decoder), colours.pixels)


def _trials_from_other_blocks(
    colours: _Colours, grid: Grid, luma: Component, decoder: Decoder, ways: list[Enlarged]
) -> list[Trial]:
    """Return trials in which the first block of luma is not where one of chroma begins.

    A block of subsampled chroma covers several of luma, of which a crop may cut off the first.
    """
    trials = []
    largest = max(way.vertical for way in ways), max(way.horizontal for way in ways)
    places = [(down, right) for down in range(largest[0]) for right in range(largest[1])]
    for down, right in places[1:]:
        padding = (down, 0), (right, 0), (0, 0)
        moved = luma._replace(blocks=np.pad(luma.blocks, padding, "edge"))
        place = grid._replace(top=grid.top + BLOCK * down, left=grid.left + BLOCK * right)
        for way in ways:
            if down < way.vertical and right < way.horizontal:
                trials.append(_try(colours, place, moved, decoder, way))
    return trials


def cost(trial: Trial) -> float:
    """Return about how many bits the coefficients, and the pixels that they do not give, take."""
    height, width, *_ = trial.coefficients
    bits = sum(
        2 * np.log2(1 + np.abs(blocks[..., 1:].astype(np.float32))).sum()
        for blocks in trial.coefficients.blocks
    )
    wrong = height * width - trial.exact
    return float(bits + _WRONG_PIXEL_BITS * wrong)
