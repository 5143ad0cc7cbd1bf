"""Chroma of a given subsampling -> its table and quantised blocks.

Where chroma was interpolated, a block reaches into its neighbours' pixels, and what its samples lack shows
only in the interpolated plane. So blocks are mended in rounds: what the plane lacks is taken back to the
small plane (:mod:`pixcodec.jpeg.find_small_chroma`) and added, with several gains, before the blocks are
rounded again.

Shapes: H height, W width of the image; blocks are (rows, columns, 64).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.blocks import DCT, MIDDLES, Floats, Grid, Mask, blocks_of, known_blocks, quantised
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Blocks, Table
from pixcodec.jpeg.decoders import Decoder, Upsampling
from pixcodec.jpeg.find_blocks import Component, LimitedPlane, find_components, quantise_blocks
from pixcodec.jpeg.find_samples import DOUBT, ROUNDING, UNBOUNDED, Bounds, Range, range_of
from pixcodec.jpeg.find_small_chroma import noise_of, repeated, small_plane
from pixcodec.jpeg.mend import mend_blocks, mend_plane
from pixcodec.jpeg.transform import Plane, effective_steps, plane_of_blocks
from pixcodec.jpeg.upsample import INTERPOLATED, upsample

# What each round multiplies what the samples lack with. Gains above 1 change coefficients that 1 rounds back.
_GAINS = (1.0, 1.0, 1.0, 1.5, 2.0, 3.0)
_HOPELESS = 0.8  # share of wrong samples: another subsampling
_HOPEFUL = 0.3  # share of wrong samples below which a search is worth its time
_TILE = 16  # blocks: side of the parts that are mended by themselves, with one block around them
_ENOUGH_BLOCKS = 16  # inside the plane: then those at its edge do not tell the steps
Place = tuple[slice, slice]  # rows and columns


class _Target(NamedTuple):
    """An interpolated plane of chroma that blocks have to give."""

    table: Table
    lower: Floats  # H, W: bounds of its values
    upper: Floats
    grid: Grid
    horizontal: int
    vertical: int
    decoder: Decoder

    @property
    def middle(self) -> np.float32:
        """Return what to subtract from samples before the DCT."""
        return np.float32(MIDDLES[self.decoder.transform])

    @property
    def steps(self) -> Floats:
        """Return what coefficients are multiplied with."""
        return effective_steps(self.table, self.decoder.transform)

    def small(self, plane: Floats) -> Floats:
        """Return what a plane (H, W) is of the small plane."""
        return small_plane(plane, self.grid.top, self.grid.left, self.horizontal, self.vertical)

    def shown(self, samples: Plane) -> Plane:
        """Return what the image shows (H, W) of the small plane."""
        return upsample(samples, self.horizontal, self.vertical, self.decoder.upsampling)[self.grid.visible]


class _Fit(NamedTuple):
    """Blocks, and how they give the target."""

    blocks: Blocks
    samples: Plane  # the small plane
    missing: Floats  # H, W: what to add to come within the bounds
    wrong: npt.NDArray[np.int64]  # rows, columns: values of each block that are not within the bounds


def is_interpolated(factors: tuple[int, int], decoder: Decoder) -> bool:
    """Return whether a decoder interpolates chroma of this horizontal and vertical subsampling."""
    return decoder.upsampling is not Upsampling.BOX and factors in INTERPOLATED


def find_chroma(
    planes: list[Plane],
    bounds: tuple[Bounds, ...],
    grid: Grid,
    luma: Table,
    factors: tuple[int, int],
    decoder: Decoder,
) -> list[Component]:
    """Return Cb and Cr, which share a table, from planes (H, W) and their bounds.

    ``factors`` are the horizontal and the vertical subsampling, ``luma`` is the table of luma.
    """
    if not is_interpolated(factors, decoder):
        boxes = [repeated(*parts, grid, *factors) for parts in zip(planes, bounds, strict=True)]
        known = np.logical_and.reduce([box.bounds.known for box in boxes])
        limited = [LimitedPlane(box.samples.astype(np.float32), range_of(box.bounds)) for box in boxes]
        return find_components(limited, known, boxes[0].grid, decoder.transform, luma)
    horizontal, vertical = factors
    levels, certain = [], []
    for plane, bound in zip(planes, bounds, strict=True):
        samples = small_plane(plane.astype(np.float32), grid.top, grid.left, horizontal, vertical)
        rows, columns = samples.shape
        seen = np.zeros((rows * vertical, columns * horizontal), bool)
        seen[grid.visible] = bound.known
        reached = _all_of_each(seen, vertical, horizontal)
        levels.append(blocks_of(samples) - np.float32(MIDDLES[decoder.transform]))
        certain.append(_inner(np.asarray(known_blocks(reached, 0, 0).all(2))))
    table, blocks = quantise_blocks(levels, certain, noise_of(horizontal, vertical), luma, decoder.transform)
    return [
        Component(table, mended(part, table, bound, grid, factors, decoder))
        for part, bound in zip(blocks, bounds, strict=True)
    ]


def mended(
    blocks: Blocks, table: Table, bounds: Bounds, grid: Grid, factors: tuple[int, int], decoder: Decoder
) -> Blocks:
    """Return blocks that give more of a plane (H, W) of these bounds, enlarged or not."""
    if not is_interpolated(factors, decoder):
        changed = blocks.copy()
        box = repeated(bounds.lower, bounds, grid, *factors)
        mend_plane(changed, table, range_of(box.bounds), box.grid, decoder.transform)
        return changed
    target = _Target(
        table, bounds.lower.astype(np.float32), bounds.upper.astype(np.float32), grid, *factors, decoder
    )
    fit = _fit(blocks, target)
    if fit.wrong.sum() > _HOPELESS * grid.height * grid.width:
        return blocks
    trial = blocks.copy()
    for place in _tiles(blocks.shape[0], blocks.shape[1]):
        if fit.wrong[place].any():
            around, inner = _with_halo(place)
            trial[place] = _mended_at_once(blocks[around], _part_of(target, around))[inner]
    return _better(fit, trial, target).blocks


def _tiles(rows: int, columns: int) -> Iterator[Place]:
    """Yield the tiles of so many blocks."""
    for r in range(0, rows, _TILE):
        for c in range(0, columns, _TILE):
            yield slice(r, min(r + _TILE, rows)), slice(c, min(c + _TILE, columns))


def _with_halo(place: Place) -> tuple[Place, Place]:
    """Return a tile with the blocks around it, as far as there are such, and where it lies in these."""
    starts = [max(part.start - 1, 0) for part in place]
    rows, columns = (slice(start, part.stop + 1) for start, part in zip(starts, place, strict=True))
    inner = [slice(part.start - start, part.stop - start) for start, part in zip(starts, place, strict=True)]
    return (rows, columns), (inner[0], inner[1])


def _part_of(target: _Target, place: Place) -> _Target:
    """Return the target of some blocks."""
    grid, spans, firsts = target.grid, [], []
    for part, factor, first, size in zip(
        place,
        (target.vertical, target.horizontal),
        (grid.top, grid.left),
        (grid.height, grid.width),
        strict=True,
    ):
        start, end = part.start * BLOCK * factor, part.stop * BLOCK * factor
        spans.append(slice(max(start - first, 0), min(end - first, size)))
        firsts.append(max(first - start, 0))
    rows, columns = spans
    part_grid = Grid(rows.stop - rows.start, columns.stop - columns.start, *firsts)
    lower, upper = target.lower[rows, columns], target.upper[rows, columns]
    return target._replace(lower=lower, upper=upper, grid=part_grid)


def _mended_at_once(blocks: Blocks, target: _Target) -> Blocks:
    """Return blocks that give more of a target, all of which is worked on in every round."""
    size = target.grid.height * target.grid.width
    fit = _fit(blocks, target)
    if 0 < fit.wrong.sum() < _HOPEFUL * size:
        fit = _better(fit, _searched(fit, target), target)
    for gain in _GAINS:
        wrong = fit.wrong.sum()
        if wrong == 0 or wrong > _HOPELESS * size:
            break
        small = fit.samples + gain * target.small(fit.missing)
        fit = _better(fit, quantised((blocks_of(small) - target.middle) @ DCT.T, target.steps), target)
    return fit.blocks


def _fit(blocks: Blocks, target: _Target) -> _Fit:
    """Compare what blocks give with the target."""
    grid, horizontal, vertical = target.grid, target.horizontal, target.vertical
    rows, columns = blocks.shape[:2]
    height, width = -(-(grid.top + grid.height) // vertical), -(-(grid.left + grid.width) // horizontal)
    samples = plane_of_blocks(blocks, target.table, target.decoder.transform)[:height, :width]
    shown = target.shown(samples)
    missing = np.maximum(target.lower - shown, 0) + np.minimum(target.upper - shown, 0)
    wrong = np.zeros((rows * BLOCK * vertical, columns * BLOCK * horizontal), bool)
    np.not_equal(missing, 0, out=wrong[grid.visible])
    lines = wrong.reshape(rows, BLOCK * vertical, -1).sum(1, dtype=np.uint8)
    counts = lines.reshape(rows, columns, BLOCK * horizontal).sum(2, dtype=np.int64)
    return _Fit(blocks, samples, missing, counts)


def _better(fit: _Fit, trial: Blocks, target: _Target) -> _Fit:
    """Return a fit with those blocks of a trial that give more of the target, or the fit as it is.

    As blocks reach into their neighbours, those that are better among all of the trial have to be better
    without the others, too.
    """
    fewer = _fit(trial, target).wrong < fit.wrong
    if not fewer.any():
        return fit
    chosen = _fit(np.where(fewer[..., None], trial, fit.blocks), target)
    return chosen if chosen.wrong.sum() < fit.wrong.sum() else fit


def _searched(fit: _Fit, target: _Target) -> Blocks:
    """Return blocks whose samples are nearer to those that the target asks for."""
    trial = fit.blocks.copy()
    wanted = fit.samples + target.small(fit.missing)
    levels = _small_levels(wanted, target)
    mend_blocks(trial.reshape(-1, FREQUENCIES), target.table, levels, target.decoder.transform)
    return trial


def _small_levels(wanted: Floats, target: _Target) -> Range:
    """Return the range, less the middle, of the blocks (N, 64) of a small plane that is about ``wanted``.

    Samples that after rounding give what is within the bounds of the target are taken for certain.
    """
    horizontal, vertical = target.horizontal, target.vertical
    rows, columns = wanted.shape
    nearest = np.clip(np.rint(wanted), 0, 255)
    shown = target.shown(nearest.astype(np.uint8))
    right = np.ones((rows * vertical, columns * horizontal), bool)
    right[target.grid.visible] = (shown >= target.lower) & (shown <= target.upper)
    certain = _all_of_each(right, vertical, horizontal)
    margin = np.where(certain, ROUNDING, DOUBT)
    low = np.where(nearest > 0, nearest - target.middle - margin, np.float32(-UNBOUNDED))
    high = np.where(nearest < 255, nearest - target.middle + margin, np.float32(UNBOUNDED))
    padding = (0, -rows % BLOCK), (0, -columns % BLOCK)
    return Range(
        blocks_of(np.pad(low, padding, constant_values=-UNBOUNDED)).reshape(-1, FREQUENCIES),
        blocks_of(np.pad(high, padding, constant_values=UNBOUNDED)).reshape(-1, FREQUENCIES),
    )


def _all_of_each(mask: Mask, vertical: int, horizontal: int) -> Mask:
    """Return which samples have a mask (H, W) that is true at all their pixels."""
    rows = np.logical_and.reduce([mask[first::vertical] for first in range(vertical)])
    whole: Mask = np.logical_and.reduce([rows[:, first::horizontal] for first in range(horizontal)])
    return whole


def _inner(whole: Mask) -> Mask:
    """Return which blocks (rows, columns) are whole and not at the edge, where samples are less certain."""
    inner = np.zeros_like(whole)
    inner[1:-1, 1:-1] = whole[1:-1, 1:-1]
    return inner if inner.sum() >= _ENOUGH_BLOCKS else whole
