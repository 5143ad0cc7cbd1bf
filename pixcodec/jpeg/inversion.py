"""Pixels -> the JPEG coefficients that they were decoded from, if they were."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.chroma import noise_of, shrink
from pixcodec.jpeg.coefficients import BLOCK, MAX_COEFFICIENT, Blocks, Coefficients, Table
from pixcodec.jpeg.lattice import Bounds, Mask, Planes, chroma_bounds, luma_bounds, to_planes
from pixcodec.jpeg.pixels import Plane, pixels_of, plane_of_blocks, planes_of, samples_of_blocks, upsample
from pixcodec.jpeg.search import MOST_MOVES, MOVES, MOVES_OF_ALL, improve_blocks
from pixcodec.jpeg.steps import FAR, SAMPLE_SIGMA, find_steps

Floats = npt.NDArray[np.float32]

LEAST_EXACT = 7 / 8  # of the pixels
_LEAST_ON_LATTICE = 0.95  # of the pixels that are not clipped
_LEAST_EVIDENCE = 0.006  # nats per coefficient
_LEAST_SIDE = 16  # pixels
_SAMPLED = 1 << 15  # pixels
_SAMPLED_BLOCKS, _SCORED_BLOCKS = 2000, 500
_ENOUGH_BLOCKS = 16
_LEAST_SCORE = 5.0  # sigmas
_ROUNDS = 8
_GAINS = (1.0, 1.0, 1.0, 1.5, 2.0, 3.0, 1.0, 1.5, 2.0, 4.0, 1.0)
_EVIDENT, _MORE_EVIDENT = 0.94, 0.05  # of the pixels: interpolated as supposed, so many more than otherwise
_SEARCHES = (0, 6)  # numbers of gains before which blocks are searched
_REFINEMENTS = 2
_TRIALS = ((2, 2), (1, 1), (2, 1))  # of SUBSAMPLINGS, the most frequent first
_ANY = 1e4  # beyond all samples
_SURELY_EXACT = 0.98  # of the pixels: no other subsampling is tried
_HOPELESS = 0.8  # of the pixels: another subsampling
_HOPEFUL = 0.3  # of the pixels: worth a search
_COARSE = 4  # as many times the steps of chroma: luma that steps of a wrong subsampling do not go with
_BITS_OF_WRONG_PIXEL = 24
_PART = 512  # pixels: side of the part that larger images are tried on first


def _dct_matrix() -> Floats:
    """Return the orthonormal two-dimensional DCT, (64, 64): coefficients are it times the samples."""
    u, x = np.mgrid[:BLOCK, :BLOCK]
    matrix = np.cos((2 * x + 1) * u * np.pi / (2 * BLOCK)) / 2
    matrix[0] /= np.sqrt(2)
    return np.kron(matrix, matrix).astype(np.float32)


DCT = _dct_matrix()


class _Grid(NamedTuple):
    """Where the blocks lie."""

    height: int
    width: int
    top: int
    left: int

    @property
    def visible(self) -> tuple[slice, slice]:
        """Return the part of the whole planes that the image shows."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


class _Component(NamedTuple):
    table: Table
    blocks: Blocks


class _Trial(NamedTuple):
    """Coefficients, and how many of the pixels they give."""

    coefficients: Coefficients
    exact: int


class _Bounded(NamedTuple):
    """A plane (H, W): samples, perhaps a guess, and the least and greatest that they may be."""

    samples: Floats
    lower: Floats
    upper: Floats


def find_coefficients(pixels: Plane) -> Coefficients | None:
    """Return coefficients of which libjpeg-turbo decodes pixels (H, W, 1 or 3), or all but a few of them.

    None if there are none that give 7/8 of the pixels.
    """
    height, width, channels = pixels.shape
    if min(height, width) < _LEAST_SIDE or not _may_be_decoded(pixels):
        return None
    certain = to_planes(pixels)
    planes, known = certain
    luma = planes[0].astype(np.float32)
    offset = _find_offset(luma, known)
    if offset is None:
        return None
    grid = _Grid(height, width, *offset)
    subsampling = None
    if channels == 3 and height * width > 4 * _PART**2:
        part = find_coefficients(_busy_part(pixels, grid))
        if part is None:
            return None
        subsampling = part.horizontal, part.vertical
    real = _luma_bounds(luma, known, pixels) if channels == 3 else _real_bounds(Bounds(planes[0], planes[0]))
    (first,) = _invert_planes([_Bounded(luma, *real)], known, grid)
    if channels == 1:
        best = _tried(_assemble(grid, 1, 1, [first]), pixels)
    else:
        best = _refined(_best_trial(pixels, certain, grid, first, subsampling), pixels, certain)
    return best.coefficients if best.exact >= LEAST_EXACT * height * width else None


def _best_trial(
    pixels: Plane, certain: Planes, grid: _Grid, luma: _Component, subsampling: tuple[int, int] | None
) -> _Trial:
    """Return the best coefficients of pixels (H, W, 3) with this luma; try all subsamplings if it is None."""
    bounds = _chroma_bounds(pixels, plane_of_blocks(luma.blocks, luma.table)[grid.visible], certain)
    chroma = [np.clip(plane, *bound) for plane, bound in zip(certain.samples[1:], bounds, strict=True)]
    if subsampling:
        return _tried(_with_chroma(chroma, bounds, grid, luma, subsampling), pixels)
    evident = _is_only_wide(chroma, certain.known, grid)
    enough = (LEAST_EXACT if evident else _SURELY_EXACT) * grid.height * grid.width
    found = []
    for factors in reversed(_TRIALS) if evident else _TRIALS:
        found.append(_tried(_with_chroma(chroma, bounds, grid, luma, factors), pixels))
        if found[-1].exact >= enough:
            break
    else:
        found += _further_trials(found, pixels, chroma, bounds, grid, luma)
    return min(found, key=_cost)


def _tried(coefficients: Coefficients, pixels: Plane) -> _Trial:
    return _Trial(coefficients, exact_pixels(coefficients, pixels))


def _busy_part(pixels: Plane, grid: _Grid) -> Plane:
    """Return the busiest of a few squares of pixels (H, W, 3) that begin where blocks of chroma do."""
    step = 2 * BLOCK
    size = min(_PART, *(side - step for side in pixels.shape[:2]))

    def starts(side: int, first: int) -> list[int]:
        room = side - size - first % step
        return [first % step + room * k // 3 // step * step for k in range(4)]

    places = [(y, x) for y in starts(grid.height, -grid.top) for x in starts(grid.width, -grid.left)]

    def activity(place: tuple[int, int]) -> float:
        y, x = place
        part = pixels[y : y + size, x : x + size]
        clipped = ((part == 0) | (part == 255)).mean()
        return float(np.abs(np.diff(part[::4].astype(np.int16), axis=1)).mean() * (1 - clipped) ** 4)

    y, x = max(places, key=activity)
    return np.ascontiguousarray(pixels[y : y + size, x : x + size])


def _is_only_wide(chroma: list[Plane], known: Mask, grid: _Grid) -> bool:
    """Return whether rows of chroma (H, W) were evidently interpolated, and columns not."""

    def share(vertical: int) -> float:
        """Return which part of the known samples interpolation gives."""
        small = shrink(chroma[0].astype(np.float32), grid.top, grid.left, 2, vertical)
        nearest = np.clip(np.rint(small), 0, 255).astype(np.uint8)
        equal = upsample(nearest, 2, vertical)[grid.visible] == chroma[0]
        return float(equal[known].mean()) if known.any() else 0.0

    wide = share(1)
    return wide >= _EVIDENT and wide >= share(2) + _MORE_EVIDENT


def _chroma_bounds(pixels: Plane, luma: Plane, certain: Planes) -> tuple[Bounds, ...]:
    """Return the bounds of Cb and Cr of pixels (H, W, 3): what is certain, or what luma (H, W) allows."""
    return tuple(
        Bounds(*(np.where(certain.known, samples, bound) for bound in bounds))
        for samples, bounds in zip(certain.samples[1:], chroma_bounds(pixels, luma), strict=True)
    )


def _refined(trial: _Trial, pixels: Plane, certain: Planes) -> _Trial:
    """Return coefficients that give more of the pixels (H, W, 3): each component bounded by the others."""
    grid = _Grid(*trial.coefficients[:4])
    factors = trial.coefficients.horizontal, trial.coefficients.vertical
    for _ in range(_REFINEMENTS):
        coefficients = trial.coefficients
        if trial.exact == grid.height * grid.width:
            break
        luma, blue, red = coefficients.blocks
        table, chroma_table = coefficients.tables[:2]
        _, *chroma = planes_of(coefficients)
        bounds = luma_bounds(pixels, *chroma)
        bounds = Bounds(*(np.where(certain.known, certain.samples[0], bound) for bound in bounds))
        luma = _mended(luma, table, bounds, grid)
        shown = plane_of_blocks(luma, table)[grid.visible]
        parts = [
            _mended(part, chroma_table, bounds, grid)
            if factors == (1, 1)
            else _mend_chroma(part, chroma_table, bounds, grid, factors)
            for part, bounds in zip((blue, red), _chroma_bounds(pixels, shown, certain), strict=True)
        ]
        refined = _tried(coefficients._replace(blocks=(luma, *parts)), pixels)
        if refined.exact <= trial.exact:
            break
        trial = refined
    return trial


def _mended(blocks: Blocks, table: Table, bounds: Bounds, grid: _Grid) -> Blocks:
    """Return blocks (rows, columns, 64) that give more of a plane (H, W) that was not interpolated."""
    mended = blocks.copy()
    _mend_within(mended, table, *_real_bounds(bounds), grid)
    return mended


def _further_trials(
    found: list[_Trial],
    pixels: Plane,
    chroma: list[Plane],
    bounds: tuple[Bounds, ...],
    grid: _Grid,
    luma: _Component,
) -> list[_Trial]:
    """Return what else there may be if chroma of the first block of luma was none's beginning."""
    if max(trial.exact for trial in found) >= LEAST_EXACT * grid.height * grid.width:
        return []
    trials = []
    for down, right in ((0, BLOCK), (BLOCK, 0), (BLOCK, BLOCK)):
        padding = (down // BLOCK, 0), (right // BLOCK, 0), (0, 0)
        moved = luma._replace(blocks=np.pad(luma.blocks, padding, "edge"))
        place = grid._replace(top=grid.top + down, left=grid.left + right)
        for factors in _TRIALS:
            if factors != (1, 1) and (down == 0 or factors[1] == 2):
                trials.append(_tried(_with_chroma(chroma, bounds, place, moved, factors), pixels))
    return trials


def _cost(trial: _Trial) -> float:
    """Return about how many bits the coefficients and the pixels that they do not give take."""
    height, width, *_ = trial.coefficients
    bits = sum(
        2 * np.log2(1 + np.abs(blocks[..., 1:].astype(np.float32))).sum()
        for blocks in trial.coefficients.blocks
    )
    wrong = height * width - trial.exact
    return float(bits + _BITS_OF_WRONG_PIXEL * wrong)


def exact_pixels(coefficients: Coefficients, pixels: Plane) -> int:
    """Return how many of the pixels (H, W, C) the coefficients give."""
    return int((pixels_of(coefficients) == pixels).all(2).sum())


def _may_be_decoded(pixels: Plane) -> bool:
    """Return whether a sample of the colours consists of colours that libjpeg makes."""
    if pixels.shape[2] == 1:
        return True
    height, width = pixels.shape[:2]
    rows = pixels[:: max(1, -(-height * width // _SAMPLED))]
    unclipped = ((rows > 0) & (rows < 255)).all(2)
    return int(to_planes(rows).known.sum()) >= _LEAST_ON_LATTICE * int(unclipped.sum())


def blocks_of(plane: npt.NDArray[Any], top: int, left: int) -> npt.NDArray[Any]:
    """Return the blocks (rows, columns, 64) of a plane (H, W) that begins in the first of them.

    What is beyond the plane is as its nearest sample.
    """
    height, width = plane.shape
    padding = (top, -(top + height) % BLOCK), (left, -(left + width) % BLOCK)
    if top or left or padding[0][1] or padding[1][1]:
        plane = np.pad(plane, padding, "edge")
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    return plane.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3).reshape(rows, columns, BLOCK**2)


def known_blocks(known: Mask, top: int, left: int) -> Mask:
    """Return which samples of the blocks (rows, columns, 64) are known, none of them beyond the plane."""
    height, width = known.shape
    padding = (top, -(top + height) % BLOCK), (left, -(left + width) % BLOCK)
    padded = np.pad(known, padding)
    blocks: Mask = blocks_of(padded, 0, 0).astype(bool)
    return blocks


def _find_offset(luma: Floats, known: Mask) -> tuple[int, int] | None:
    """Return the rows and columns of the first block that are cut off, None if there seem to be no blocks."""
    if _evidence_at(luma, known, 0, 0) >= _LEAST_EVIDENCE:
        return 0, 0
    best, offset = _LEAST_SCORE, None
    for top in range(BLOCK):
        for left in range(BLOCK):
            score = _score_at(luma, known, top, left)
            if score > best:
                best, offset = score, (top, left)
    return offset if offset and _evidence_at(luma, known, *offset) >= _LEAST_EVIDENCE else None


def _score_at(luma: Floats, known: Mask, top: int, left: int) -> float:
    """Return by how many sigmas coefficients of some blocks are nearer to integers than chance has them."""
    rows, columns = -top % BLOCK, -left % BLOCK
    height, width = (luma.shape[0] - rows) // BLOCK * BLOCK, (luma.shape[1] - columns) // BLOCK * BLOCK
    part = slice(rows, rows + height), slice(columns, columns + width)
    values = blocks_of(luma[part], 0, 0).reshape(-1, BLOCK**2)
    whole = np.flatnonzero(blocks_of(known[part], 0, 0).reshape(-1, BLOCK**2).all(1))
    sample = values[whole[:: -(-len(whole) // _SCORED_BLOCKS)]] if len(whole) else values[:0]
    coefficients = (sample - 128) @ DCT.T
    telling = coefficients[np.abs(coefficients) > FAR * SAMPLE_SIGMA]
    return float(np.cos(2 * np.pi * telling).sum() / max(1, telling.size / 2) ** 0.5)


def _evidence_at(luma: Floats, known: Mask, top: int, left: int) -> float:
    values = blocks_of(luma, top, left).reshape(-1, BLOCK**2)
    whole = np.flatnonzero(known_blocks(known, top, left).reshape(-1, BLOCK**2).all(1))
    if len(whole) == 0:
        return 0.0
    sample = whole[:: -(-len(whole) // _SAMPLED_BLOCKS)]
    sigma = np.full(BLOCK**2, SAMPLE_SIGMA, np.float32)
    _, evidence = find_steps((values[sample] - 128) @ DCT.T, sigma)
    return evidence


def _invert_planes(
    planes: list[_Bounded], known: Mask, grid: _Grid, luma: Table | None = None
) -> list[_Component]:
    """Return the blocks of planes that were not interpolated and share a table."""
    top, left = grid.top % BLOCK, grid.left % BLOCK
    certain = known_blocks(known, top, left)
    values = [blocks_of(plane.samples, top, left) - 128 for plane in planes]
    sigma = np.full(BLOCK**2, SAMPLE_SIGMA, np.float32)
    table, blocks = _quantise(values, [np.asarray(certain.all(2))] * len(planes), sigma, luma)
    if luma is None or luma.mean() <= _COARSE * table.mean():
        for plane, part in zip(planes, blocks, strict=True):
            _mend_within(part, table, plane.lower, plane.upper, grid)
    return [_Component(table, part) for part in blocks]


def _mend_within(blocks: Blocks, table: Table, lower: Floats, upper: Floats, grid: _Grid) -> None:
    """Change blocks (rows, columns, 64) in place so that more of their samples lie within bounds (H, W)."""
    rows, columns = blocks.shape[:2]
    low = np.full((rows * BLOCK, columns * BLOCK), -_ANY, np.float32)
    high = -low
    low[grid.visible], high[grid.visible] = lower - 128, upper - 128
    bounds = (blocks_of(plane, 0, 0).reshape(-1, BLOCK**2) for plane in (low, high))
    _mend(blocks.reshape(-1, BLOCK**2), table, *bounds)


def _mend(blocks: Blocks, table: Table, lower: Floats, upper: Floats) -> None:
    """Change blocks (N, 64) in place so that more of their samples lie within bounds (N, 64)."""
    wrong = _outside(samples_of_blocks(blocks, table), lower, upper)
    failing = np.flatnonzero(wrong)
    steps = table.astype(np.float32)
    part, low, high = blocks[failing], lower[failing], upper[failing]
    for _ in range(_ROUNDS):
        samples = (part * steps) @ DCT
        part = rounded((samples + 1.5 * (np.clip(samples, low, high) - samples)) @ DCT.T, table)
    moves = min(MOVES, min(MOVES_OF_ALL * len(blocks), MOST_MOVES) // max(1, len(failing)))
    improve_blocks(part, steps, DCT, low, high, moves)
    better = _outside(samples_of_blocks(part, table), low, high) < wrong[failing]
    blocks[failing[better]] = part[better]


def _outside(samples: Plane, lower: Floats, upper: Floats) -> npt.NDArray[np.int64]:
    """Return of each block how many samples are not within bounds."""
    levels = samples.astype(np.float32) - 128
    outside: npt.NDArray[np.int64] = ((levels < lower) | (levels > upper)).sum(1)
    return outside


def _quantise(
    values: list[Floats], whole: list[Mask], sigma: Floats, luma: Table | None
) -> tuple[Table, list[Blocks]]:
    """Return the table (64,) and the quantised blocks of planes of samples (rows, columns, 64)."""
    coefficients = [part @ DCT.T for part in values]
    table, _ = find_steps(
        np.concatenate([part[mask] for part, mask in zip(coefficients, whole, strict=True)]), sigma, luma
    )
    return table, [rounded(part, table) for part in coefficients]


def rounded(coefficients: npt.NDArray[np.floating[Any]], table: Table) -> Blocks:
    """Return the nearest multiples of steps (64,)."""
    return np.clip(np.rint(coefficients / table), -MAX_COEFFICIENT, MAX_COEFFICIENT).astype(np.int16)


def _luma_bounds(luma: Floats, known: Mask, pixels: Plane) -> tuple[Floats, Floats]:
    """Return the least and the greatest that luma (H, W) may be before it is rounded.

    Where a subpixel is clipped it may lie beyond, and with it luma.
    """
    margin = np.where(known, np.float32(0.5), np.float32(1.5))
    lower = np.where((pixels == 0).any(2), np.float32(-_ANY), luma - margin)
    upper = np.where((pixels == 255).any(2), np.float32(_ANY), luma + margin)
    return lower, upper


def _real_bounds(bounds: Bounds) -> tuple[Floats, Floats]:
    """Return bounds of samples (H, W) before they are rounded and clipped."""
    lower = np.where(bounds.lower > 0, bounds.lower - np.float32(0.5), np.float32(-_ANY))
    upper = np.where(bounds.upper < 255, bounds.upper + np.float32(0.5), np.float32(_ANY))
    return lower, upper


def _with_chroma(
    planes: list[Plane], bounds: tuple[Bounds, ...], grid: _Grid, luma: _Component, factors: tuple[int, int]
) -> Coefficients:
    """Return the coefficients with chroma of this subsampling, from planes (H, W) and their bounds."""
    if factors == (1, 1):
        known = np.logical_and.reduce([bound.known for bound in bounds])
        bounded = [
            _Bounded(plane.astype(np.float32), *_real_bounds(bound))
            for plane, bound in zip(planes, bounds, strict=True)
        ]
        chroma = _invert_planes(bounded, known, grid, luma.table)
    else:
        chroma = _invert_chroma(planes, bounds, grid, luma.table, factors)
    return _assemble(grid, *factors, [luma, *chroma])


def _invert_chroma(
    planes: list[Plane], bounds: tuple[Bounds, ...], grid: _Grid, luma: Table, factors: tuple[int, int]
) -> list[_Component]:
    """Return the blocks of interpolated planes (H, W), which share a table."""
    horizontal, vertical = factors
    values, whole = [], []
    for plane, bound in zip(planes, bounds, strict=True):
        small = shrink(plane.astype(np.float32), grid.top, grid.left, horizontal, vertical)
        rows, columns = small.shape
        seen = np.zeros((rows * vertical, columns * horizontal), bool)
        seen[grid.visible] = bound.known
        reached = np.asarray(seen.reshape(rows, vertical, columns, horizontal).all((1, 3)))
        values.append(blocks_of(small, 0, 0) - 128)
        whole.append(_inner(np.asarray(known_blocks(reached, 0, 0).all(2))))
    table, blocks = _quantise(values, whole, noise_of(horizontal, vertical), luma)
    return [
        _Component(table, _mend_chroma(part, table, bound, grid, factors))
        for part, bound in zip(blocks, bounds, strict=True)
    ]


def _inner(whole: Mask) -> Mask:
    """Return which blocks (rows, columns) are whole and not at the edge, where samples are less certain."""
    inner = np.zeros_like(whole)
    inner[1:-1, 1:-1] = whole[1:-1, 1:-1]
    return inner if inner.sum() >= _ENOUGH_BLOCKS else whole


def _mend_chroma(
    blocks: Blocks, table: Table, bounds: Bounds, grid: _Grid, factors: tuple[int, int]
) -> Blocks:
    """Return blocks that give more of an interpolated plane (H, W) of these bounds."""
    horizontal, vertical = factors
    lower, upper = bounds.lower.astype(np.float32), bounds.upper.astype(np.float32)
    size = -(-(grid.top + grid.height) // vertical), -(-(grid.left + grid.width) // horizontal)
    area = blocks.shape[0] * BLOCK * vertical, blocks.shape[1] * BLOCK * horizontal

    def excess(trial: Blocks) -> tuple[Plane, Floats, npt.NDArray[np.int64]]:
        """Return the samples, by how much they miss the bounds, and of each block how often."""
        samples = plane_of_blocks(trial, table)[: size[0], : size[1]]
        shown = upsample(samples, horizontal, vertical)[grid.visible]
        wrong = np.maximum(lower - shown, 0) + np.minimum(upper - shown, 0)
        whole = np.zeros(area, np.int64)
        whole[grid.visible] = wrong != 0
        return (
            samples,
            wrong,
            whole.reshape(blocks.shape[0], -1, blocks.shape[1], BLOCK * horizontal).sum((1, 3)),
        )

    samples, wrong, counts = excess(blocks)

    def accept(trial: Blocks) -> None:
        """Keep what is better; blocks reach into their neighbours: it must be so alone, too."""
        nonlocal blocks, samples, wrong, counts
        _, _, fewer = excess(trial)
        trial = np.where((fewer < counts)[..., None], trial, blocks)
        others = excess(trial)
        if others[2].sum() < counts.sum():
            blocks, (samples, wrong, counts) = trial, others

    for number, gain in enumerate(_GAINS):
        if not counts.any() or counts.sum() > _HOPELESS * lower.size:
            return blocks
        if number in _SEARCHES and counts.sum() < _HOPEFUL * lower.size:
            target = samples + shrink(wrong, grid.top, grid.left, horizontal, vertical)
            trial = blocks.copy()
            _mend(trial.reshape(-1, BLOCK**2), table, *_small_bounds(target, bounds, grid, factors))
            accept(trial)
        small = samples + gain * shrink(wrong, grid.top, grid.left, horizontal, vertical)
        accept(rounded((blocks_of(small, 0, 0) - 128) @ DCT.T, table))
    return blocks


def _small_bounds(
    target: Floats, bounds: Bounds, grid: _Grid, factors: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return bounds (N, 64) of the blocks of samples that seem to be a target (H, W) before interpolation.

    Those that give what is within the bounds of the interpolated plane are taken for certain.
    """
    horizontal, vertical = factors
    rows, columns = target.shape
    nearest = np.clip(np.rint(target), 0, 255)
    shown = upsample(nearest.astype(np.uint8), horizontal, vertical)[grid.visible]
    right = np.ones((rows * vertical, columns * horizontal), bool)
    right[grid.visible] = (shown >= bounds.lower) & (shown <= bounds.upper)
    sure = right.reshape(rows, vertical, columns, horizontal).all((1, 3))
    margin = np.where(sure, np.float32(0.5), np.float32(1.5))
    low = np.where(nearest > 0, nearest - 128 - margin, np.float32(-_ANY))
    high = np.where(nearest < 255, nearest - 128 + margin, np.float32(_ANY))
    padding = (0, -rows % BLOCK), (0, -columns % BLOCK)
    return (
        blocks_of(np.pad(low, padding, constant_values=-_ANY), 0, 0).reshape(-1, BLOCK**2),
        blocks_of(np.pad(high, padding, constant_values=_ANY), 0, 0).reshape(-1, BLOCK**2),
    )


def _assemble(grid: _Grid, horizontal: int, vertical: int, parts: list[_Component]) -> Coefficients:
    tables = tuple(part.table for part in parts)
    return Coefficients(*grid, horizontal, vertical, tables, tuple(part.blocks for part in parts))
