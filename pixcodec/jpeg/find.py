"""Pixels -> the JPEG coefficients that they were decoded from, if they were: the entry point of the search.

Luma comes first, as it is known at nearly every pixel: where its blocks lie, how the image was turned since,
its steps, its coefficients. Chroma follows with the way of enlarging it that gives most pixels. Then each
component is mended once more, bounded by what the others leave to it.

Shapes: H height, W width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.jpeg.blocks import Grid
from pixcodec.jpeg.coefficients import BLOCK, Coefficients
from pixcodec.jpeg.decoders import DEFAULT, Colours, Decoder, Transform, Upsampling
from pixcodec.jpeg.enlarged import Enlarged, flipped_grid, likely_flips
from pixcodec.jpeg.find_blocks import Component, LimitedPlane, find_components
from pixcodec.jpeg.find_chroma import mended
from pixcodec.jpeg.find_grid import find_grid
from pixcodec.jpeg.find_samples import (
    Bounds,
    Planes,
    chroma_bounds,
    find_colours,
    luma_bounds,
    luma_range,
    range_of,
    to_planes,
)
from pixcodec.jpeg.find_subsampling import (
    LEAST_EXACT,
    SURELY_EXACT,
    Trial,
    assemble,
    best_trial,
    cost,
    tried,
)
from pixcodec.jpeg.find_turn import find_source
from pixcodec.jpeg.orientations import MIRRORED, TRANSPOSED, UPSIDE_DOWN, turned_back
from pixcodec.jpeg.pixels import planes_of
from pixcodec.jpeg.transform import Plane, plane_of_blocks

_LEAST_SIDE = 16  # pixels of an image that is searched at all
_PART = 512  # pixels: side of the part from which large images take how they were made
_LARGE = 4 * _PART**2  # pixels; the part then takes at most a quarter of the time
_PART_STARTS = 4  # along each axis, of the parts to choose from
_ROW_STEP = 4  # of the rows that tell how busy a part is
_CLIPPED_POWER = 4  # of the share of subpixels that are not clipped: clipped ones tell little
_MOST_REFINEMENTS = 2


class _View(NamedTuple):
    """An image as it may have been decoded, before it was turned."""

    pixels: Plane  # H, W, 1 or 3
    certain: Planes
    grid: Grid
    decoder: Decoder  # whose upsampling is not known
    orientation: int  # what turns it to the image


def find_coefficients(pixels: Plane) -> Coefficients | None:
    """Return coefficients from which a decoder makes pixels (H, W, 1 or 3), or all but a few of them.

    None if there are none that give 7/8 of the pixels.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        return None
    colours = find_colours(pixels)
    if colours is None:
        return None
    certain = to_planes(pixels, colours)
    grid = find_grid(certain.samples[0].astype(np.float32), certain.known)
    if grid is None:
        return None
    plain = _View(pixels, certain, grid, DEFAULT._replace(colours=colours), 0)
    view = _as_decoded(plain)
    found = _found_in_all(view)
    enough = SURELY_EXACT * height * width
    if view.orientation and (found is None or found.exact < enough):  # little noise may look like a flip
        trials = [trial for trial in (found, _found_in_all(plain)) if trial is not None]
        found = min(trials, key=cost, default=None)
    return found.coefficients if found else None


def _found_in_all(view: _View) -> Trial | None:
    """Return the coefficients of a view; if it is large, a part tells how chroma was enlarged."""
    way = None
    if view.pixels.shape[2] == 3 and view.grid.height * view.grid.width > _LARGE:
        part = _found_in(_part_of(view))
        if part is None:
            return None
        found = part.coefficients
        way = Enlarged(found.horizontal, found.vertical, found.decoder.upsampling)
    return _found_in(view, way)


def _as_decoded(view: _View) -> _View:
    """Return a view of the image as it was decoded, if luma and chroma tell."""
    colour = view.pixels.shape[2] == 3
    transforms = [Transform.SLOW, Transform.FAST, Transform.STB]
    if colour:
        is_stb = view.decoder.colours is Colours.STB
        transforms = [transform for transform in transforms if (transform is Transform.STB) == is_stb]
    luma = view.certain.samples[0].astype(np.float32)
    transform, transposed = find_source(luma, view.certain.known, view.grid, transforms)
    view = view._replace(decoder=view.decoder._replace(transform=transform))
    if not colour and transform is Transform.STB:
        view = view._replace(decoder=Decoder(transform, Upsampling.STB, Colours.STB))
    if transposed:
        view = _turned_back(view, TRANSPOSED)
    straightened = _straightened(view.grid)
    if colour and view.decoder.colours is Colours.LIBJPEG:
        part = _part_of(view)
        chroma = part.certain.samples[1]
        straightened = likely_flips(chroma, part.certain.known, part.grid, straightened)
    view = _turned_back(view, straightened)
    return view


def _straightened(grid: Grid) -> int:
    """Return the flips by which an image, which does not begin where a block does, ends where one does."""
    flips = 0
    for flip, first in ((UPSIDE_DOWN, "top"), (MIRRORED, "left")):
        if getattr(grid, first) and not getattr(flipped_grid(grid, flip), first):
            flips |= flip
    return flips


def _turned_back(view: _View, orientation: int) -> _View:
    """Return the view that an orientation turns to this one, transposed or flipped."""
    if orientation == 0:
        return view
    grid = view.grid
    if orientation == TRANSPOSED:
        grid = Grid(grid.width, grid.height, grid.left, grid.top)
    samples = np.stack([turned_back(plane, orientation) for plane in view.certain.samples])
    certain = Planes(samples, turned_back(view.certain.known, orientation))
    return _View(
        turned_back(view.pixels, orientation),
        certain,
        flipped_grid(grid, orientation),
        view.decoder,
        view.orientation | (_exchanged(orientation) if view.orientation & TRANSPOSED else orientation),
    )


def _exchanged(flips: int) -> int:
    """Return the flips that do to a transposed image what these do before."""
    return MIRRORED * bool(flips & UPSIDE_DOWN) | UPSIDE_DOWN * bool(flips & MIRRORED)


def _found_in(view: _View, way: Enlarged | None = None) -> Trial | None:
    """Return the coefficients of a view; ``way``: of enlarging chroma, if it is known."""
    pixels, certain, grid, decoder, orientation = view
    samples = certain.samples[0]
    luma = samples.astype(np.float32)
    colour = pixels.shape[2] == 3
    limits = luma_range(luma, certain.known, pixels) if colour else range_of(Bounds(samples, samples))
    (component,) = find_components([LimitedPlane(luma, limits)], certain.known, grid, decoder.transform)
    if colour:
        best = _refined(best_trial(pixels, certain, grid, component, decoder, way), pixels, certain)
    else:
        best = tried(assemble(grid, 1, 1, [component], decoder), pixels)
    if best.exact < LEAST_EXACT * grid.height * grid.width:
        return None
    return best._replace(coefficients=best.coefficients._replace(orientation=orientation))


def _part_of(view: _View) -> _View:
    """Return a busy part of a view, or the view if it is small."""
    if view.grid.height * view.grid.width <= _LARGE:
        return view
    place = _busy_part(view.pixels, view.grid)
    rows, columns = place
    samples = np.ascontiguousarray(view.certain.samples[:, rows, columns])
    certain = Planes(samples, np.ascontiguousarray(view.certain.known[place]))
    pixels = np.ascontiguousarray(view.pixels[place])
    height, width, _ = pixels.shape
    top, left = (view.grid.top + rows.start) % BLOCK, (view.grid.left + columns.start) % BLOCK
    return view._replace(pixels=pixels, certain=certain, grid=Grid(height, width, top, left))


def _busy_part(pixels: Plane, grid: Grid) -> tuple[slice, slice]:
    """Return the busiest of some squares of pixels (H, W, 3) that begin where blocks of chroma do."""
    step = 2 * BLOCK
    size = min(_PART, *(side - step for side in pixels.shape[:2]))

    def starts(side: int, first: int) -> list[int]:
        room = side - size - first % step
        last = _PART_STARTS - 1
        return [first % step + room * k // last // step * step for k in range(_PART_STARTS)]

    def part_at(y: int, x: int) -> tuple[slice, slice]:
        return slice(y, y + size), slice(x, x + size)

    def activity(place: tuple[slice, slice]) -> float:
        """Return the mean difference of neighbours in some rows, less where many subpixels are clipped."""
        part = pixels[place]
        clipped = ((part == 0) | (part == 255)).mean()
        return float(
            np.abs(np.diff(part[::_ROW_STEP].astype(np.int16), axis=1)).mean()
            * (1 - clipped) ** _CLIPPED_POWER
        )

    places = [part_at(y, x) for y in starts(grid.height, -grid.top) for x in starts(grid.width, -grid.left)]
    return max(places, key=activity)


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
    factors, decoder = (coefficients.horizontal, coefficients.vertical), coefficients.decoder
    luma, *chroma = (
        Component(*parts) for parts in zip(coefficients.tables, coefficients.blocks, strict=True)
    )
    _, blue, red = planes_of(coefficients)
    bounds = luma_bounds(pixels, blue, red, certain, decoder.colours)
    luma_blocks = mended(luma.blocks, luma.table, bounds, grid, (1, 1), decoder)
    shown = plane_of_blocks(luma_blocks, luma.table, decoder.transform)[grid.visible]
    chroma_blocks = [
        mended(part.blocks, part.table, bounds, grid, factors, decoder)
        for part, bounds in zip(chroma, chroma_bounds(pixels, shown, certain, decoder.colours), strict=True)
    ]
    return coefficients._replace(blocks=(luma_blocks, *chroma_blocks))
