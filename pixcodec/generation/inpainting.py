"""Fill holes of an image by draws from a model, weighted by the pixels that follow (a particle filter).

A raster model gives a pixel's distribution from what is above and left of it. Drawn so, a hole's fill knows
nothing of the pixels below and right of it. So several fills, the particles, are drawn side by side. Each
known pixel that comes after the hole's beginning multiplies the weight of a particle by its probability given
that fill; when few particles have most of the weight, they are drawn anew by their weights (sequential
importance resampling, Gordon et al. 1993). With many particles that is a draw from p(hole | all the rest).

Shapes: H W height and width, C channels, P particles.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pixcodec.coding.threads import Crew, Progress, map_tiles
from pixcodec.generation.holes import find_holes, reach_of
from pixcodec.generation.painter import Floats, Mask, Painter, Planes, Style, random_numbers
from pixcodec.generation.planes import AnyImage, GivenModel, chosen_model, planes_of, without_axis
from pixcodec.network.architecture import MIN_SLOPE
from pixcodec.network.model import Model

Number = TypeVar("Number", bound=np.generic)

WAVES_PER_STEP = 4  # between two looks at the weights
_ORIENTATIONS = 8  # turns by 90 degrees, each with its mirror image
_RESAMPLING = 1 << 63  # added to the number of a draw: the key of other random numbers


class Fill(NamedTuple):
    """An image whose holes are filled.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3) or (H, W)
    bits : float
        -log2 of the probability of the fill, each pixel given what is above and left of it.
    bits_after : float
        -log2 of the probability of the known pixels that follow, as far as a fill can change it.
    """

    image: Planes
    bits: float
    bits_after: float


def inpaint(
    image: AnyImage,
    mask: npt.NDArray[np.bool_],
    *,
    draws: int = 1,
    best_of: int = 16,
    mean: bool = False,
    seed: int = 0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    model: GivenModel = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[Fill]:
    """Fill the holes of an image.

    Parameters
    ----------
    image : ndarray of uint8 or PIL image
        Grey or RGB.
    mask : ndarray of bool, shape (H, W)
        True where pixels are to be filled.
    draws : int
        How many fills to return.
    best_of : int
        Particles of each: of so many fills, the one with which the known pixels after the hole are most
        likely is returned.
    mean : bool
        Return the mean of many fills, in all eight orientations of the image, instead of draws: closer to
        what was there, and smoother than any image. There is one, whatever ``draws`` is.
    seed, temperature, top_p, model, threads, progress
        As of :func:`pixcodec.sample`.

    Raises
    ------
    ValueError
        If a number is out of range, or the mask has another shape or no hole.
    UnsupportedImageError
        If the image is neither grey nor RGB with 8 bits.
    """
    style, pixels = Style(temperature, top_p).checked(), planes_of(image)
    _check(mask, pixels, draws, best_of)
    chosen = chosen_model(model, pixels.shape[2])
    holes = find_holes(mask, reach_of(chosen.architecture))
    numbers = range(1 if mean else draws)

    def fill(number: int, crew: Crew) -> Fill:
        filled, bits, bits_after = pixels.copy(), 0.0, 0.0
        for hole in holes:
            part = filled[hole.slices]
            found = way(chosen, part, hole.mask, (seed, number), best_of, style)
            part[hole.mask] = found.pixels[hole.mask]
            bits, bits_after = bits + found.bits, bits_after + found.bits_after
            crew.tick(1)
        return Fill(without_axis(filled), bits, bits_after)

    way = _mean_of if mean else _best_of
    return map_tiles(fill, numbers, len(numbers) * len(holes), threads, progress)


def _check(mask: npt.NDArray[np.bool_], pixels: Planes, draws: int, best_of: int) -> None:
    for what, value in (("draws", draws), ("best_of", best_of)):
        if value < 1:
            raise ValueError(f"{what} is {value}, expected at least 1")
    if not isinstance(mask, np.ndarray) or mask.dtype != bool:
        raise ValueError("mask is not a numpy array of bool: True where pixels are to be filled")
    if mask.shape != pixels.shape[:2]:
        raise ValueError(
            f"mask is {'x'.join(map(str, mask.shape))}, the image is {pixels.shape[0]}x{pixels.shape[1]} "
            "(rows x columns)"
        )
    if not mask.any():
        raise ValueError("mask has no pixel to fill")


class _Part(NamedTuple):
    """A part of an image (H, W, C), filled, and bits as of :class:`Fill`."""

    pixels: Planes
    bits: float
    bits_after: float


class _Particles(NamedTuple):
    """Particles at the end of a part."""

    painters: list[Painter]
    weights: Floats  # P, which sum to 1
    bits_after: Floats  # P
    bits: Floats  # P


def _best_of(model: Model, part: Planes, mask: Mask, key: tuple[int, int], count: int, style: Style) -> _Part:
    """Return the particle with which what follows the hole is most likely."""
    found = _run(model, part, mask, key, count, style)
    best = int(np.argmin(found.bits_after))
    return _Part(found.painters[best].pixels, float(found.bits[best]), float(found.bits_after[best]))


def _run(
    model: Model, part: Planes, mask: Mask, key: tuple[int, int], count: int, style: Style
) -> _Particles:
    """Run the particles of a part to its end; ``key`` are the seed and the number of the draw."""
    seed, number = key
    size = (part.shape[0], part.shape[1], part.shape[2])
    painters = [
        Painter(model, part, ~mask, random_numbers(seed, number * count + p, size), style)
        for p in range(count)
    ]
    waves = np.add.outer(MIN_SLOPE * np.arange(size[0]), np.arange(size[1]))
    begin, end = int(waves[mask].min()), painters[0].end
    uniform = np.random.Philox(key=np.array([seed, _RESAMPLING + number], np.uint64))
    weights, after = np.zeros(count), np.zeros(count)  # log2 of the weights since they were drawn anew
    for painter in painters:
        painter.advance(begin)
    for first in range(begin, end, WAVES_PER_STEP):
        here = ~mask & (waves >= first) & (waves < first + WAVES_PER_STEP)
        for p, painter in enumerate(painters):
            painter.advance(first + WAVES_PER_STEP)
            spent = float(painter.bits[here].sum())
            after[p] += spent
            weights[p] -= spent
        shares = _shares(weights)
        if count > 1 and 1 / float((shares**2).sum()) < count / 2:
            parents = _parents(shares, int(uniform.random_raw()) / 2**64)
            after, weights = after[_replace(painters, parents)], np.zeros(count)
    bits = np.array([float(painter.bits[mask].sum()) for painter in painters])
    return _Particles(painters, _shares(weights), after, bits)


def _shares(weights: Floats) -> Floats:
    """Return the weights (P,), of which the logarithms to base 2 are given, as shares of their sum."""
    shares: Floats = np.exp2(weights - weights.max())
    shares /= shares.sum()
    return shares


def _parents(shares: Floats, offset: float) -> npt.NDArray[np.intp]:
    """Return for each particle which one it is to continue (systematic resampling), sorted."""
    places = (np.arange(len(shares)) + offset) / len(shares)
    found: npt.NDArray[np.intp] = np.searchsorted(np.cumsum(shares), places)
    return np.minimum(found, len(shares) - 1)


def _replace(painters: list[Painter], parents: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Let particles go on from their parents, each with its own random numbers; return whose child each is.

    A parent continues itself, so that no state is overwritten before it is copied.
    """
    origins, counts = np.arange(len(painters)), np.bincount(parents, minlength=len(painters))
    spare = np.flatnonzero(counts == 0)
    origins[spare] = np.repeat(np.arange(len(painters)), np.maximum(counts - 1, 0))
    for p in spare:
        painters[p].become(painters[origins[p]])
    return origins


def _mean_of(model: Model, part: Planes, mask: Mask, key: tuple[int, int], count: int, style: Style) -> _Part:
    """Return the mean of fills in eight orientations; each counts most near the side where it begins."""
    total, weight = np.zeros(part.shape), np.zeros(mask.shape)
    for k in range(_ORIENTATIONS):
        turned, hole = _turned(part, k), _turned(mask, k)
        found = _run(model, turned, hole, (key[0], key[1] * _ORIENTATIONS + k), count, style)
        values = sum(w * painter.pixels for w, painter in zip(found.weights, found.painters, strict=True))
        nearness = _turned_back(1.0 / _depth(hole) ** 2, k)
        total += _turned_back(np.asarray(values), k) * nearness[..., None]
        weight += nearness
    pixels = part.copy()
    pixels[mask] = np.rint(total[mask] / weight[mask][:, None]).astype(np.uint8)
    painter = Painter(model, pixels, np.ones(mask.shape, bool), np.zeros(pixels.shape, np.int32))
    painter.advance(painter.end)
    waves = np.add.outer(MIN_SLOPE * np.arange(mask.shape[0]), np.arange(mask.shape[1]))
    after = ~mask & (waves >= waves[mask].min())
    return _Part(pixels, float(painter.bits[mask].sum()), float(painter.bits[after].sum()))


def _depth(mask: Mask) -> Floats:
    """Return how many pixels above each (H, W), itself included, are in the hole; at least 1."""
    depth = np.zeros(mask.shape)
    above = np.zeros(mask.shape[1])
    for y, row in enumerate(mask):
        above = np.where(row, above + 1, 0)
        depth[y] = above
    return np.maximum(depth, 1)


def _turned(array: npt.NDArray[Number], k: int) -> npt.NDArray[Number]:
    """Return an array (H, W, ...) turned by k % 4 right angles, then mirrored if k >= 4."""
    turned = np.rot90(array, k % 4)
    return np.ascontiguousarray(turned[:, ::-1] if k >= 4 else turned)


def _turned_back(array: npt.NDArray[Number], k: int) -> npt.NDArray[Number]:
    """Undo :func:`_turned`."""
    return np.ascontiguousarray(np.rot90(array[:, ::-1] if k >= 4 else array, -(k % 4)))
