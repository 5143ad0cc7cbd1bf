"""Colours -> the samples Y, Cb and Cr that libjpeg-turbo converted to them, exact or bounded.

About a quarter of all colours are conversions of some samples, and no two samples give the same colour. So
whether pixels were decoded from a JPEG file shows in their colours, and where they were, samples follow from
each pixel alone unless a subpixel is clipped.

Shapes: H height, W width, N colours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.blocks import Floats, Mask
from pixcodec.jpeg.pixels import BLUE_OF_CB, COLOUR_BITS, RED_OF_CR, Plane, green_of

UNBOUNDED = 1e4  # beyond all samples
ROUNDING = np.float32(0.5)  # how far a sample may lie from its value before rounding
DOUBT = np.float32(1.5)  # the same of a sample that may be wrong by 1

_LEAST_SHARE = 0.95  # of the pixels that are not clipped: colours of decoded images
_SAMPLED = 1 << 15  # pixels whose colours are looked at to tell whether an image was decoded
_SPAN = 512  # differences of subpixels and luma are -_SPAN .. _SPAN - 1
_CHUNK = 1 << 16  # pixels that are converted at once: what a cache holds
# JFIF: Y is 0.299 R + 0.587 G + 0.114 B.
_RED, _GREEN, _BLUE = (round(part * (1 << COLOUR_BITS)) for part in (0.299, 0.587, 0.114))


class Planes(NamedTuple):
    """Samples (components, H, W) and the pixels (H, W) at which they are certain.

    At other pixels, those with a clipped subpixel among them, the samples are a guess.
    """

    samples: Plane
    known: Mask


class Bounds(NamedTuple):
    """The least and the greatest that decoded samples (H, W) may be."""

    lower: Plane
    upper: Plane

    @property
    def known(self) -> Mask:
        """Return which samples are certain, and not clipped."""
        known: Mask = (self.lower == self.upper) & _unclipped(self.lower)
        return known


class Range(NamedTuple):
    """The least and the greatest that samples may be before they are rounded and clipped.

    -UNBOUNDED and UNBOUNDED where nothing limits them. Both arrays have the shape of the samples.
    """

    lower: Floats
    upper: Floats


def range_of(bounds: Bounds) -> Range:
    """Return the range (H, W) of samples that are decoded to what is within bounds."""
    lower = np.where(bounds.lower > 0, bounds.lower - ROUNDING, np.float32(-UNBOUNDED))
    upper = np.where(bounds.upper < 255, bounds.upper + ROUNDING, np.float32(UNBOUNDED))
    return Range(lower, upper)


def luma_range(luma: Floats, known: Mask, pixels: Plane) -> Range:
    """Return the range of luma (H, W), given its samples, certain where ``known``, in pixels (H, W, 3).

    Where a subpixel is clipped, luma may lie beyond its sample in that direction.
    """
    margin = np.where(known, ROUNDING, DOUBT)
    lower = np.where((pixels == 0).any(2), np.float32(-UNBOUNDED), luma - margin)
    upper = np.where((pixels == 255).any(2), np.float32(UNBOUNDED), luma + margin)
    return Range(lower, upper)


def may_be_decoded(pixels: Plane) -> bool:
    """Return whether some of the colours of pixels (H, W, 1 or 3) are those of a decoded JPEG file.

    Of the rows looked at, 95 % of the pixels without a clipped subpixel have to be. Grey always may be.
    """
    if pixels.shape[2] == 1:
        return True
    height, width = pixels.shape[:2]
    rows = pixels[:: max(1, -(-height * width // _SAMPLED))]
    unclipped = ((rows > 0) & (rows < 255)).all(2)
    return int(to_planes(rows).known.sum()) >= _LEAST_SHARE * int(unclipped.sum())


def to_planes(pixels: Plane) -> Planes:
    """Return the samples of pixels (H, W, 1 or 3)."""
    height, width, channels = pixels.shape
    samples = np.empty((channels, height, width), np.uint8)
    known = np.empty((height, width), bool)
    if channels == 1:
        samples[0] = pixels[..., 0]
        known[:] = _unclipped(samples[0])
        return Planes(samples, known)
    rows = max(1, _CHUNK // width)
    for top in range(0, height, rows):
        part = slice(top, top + rows)
        found, certain = _samples_of(pixels[part].reshape(-1, 3).astype(np.int32))
        samples[:, part] = found.reshape(3, -1, width)
        known[part] = certain.reshape(-1, width)
    return Planes(samples, known)


def chroma_bounds(pixels: Plane, luma: Plane, certain: Planes) -> tuple[Bounds, Bounds]:
    """Return the bounds of Cb and of Cr (H, W) that with luma (H, W) give the colours of pixels (H, W, 3).

    Certain samples bound themselves. Where no chroma gives the colour, as luma is wrong, chroma may be any.
    """
    blue = _chroma_bounds(pixels[..., 2], luma, BLUE_OF_CB)
    red = _chroma_bounds(pixels[..., 0], luma, RED_OF_CR)
    return _narrowed(blue, certain, 1), _narrowed(red, certain, 2)


def luma_bounds(pixels: Plane, blue: Plane, red: Plane, certain: Planes) -> Bounds:
    """Return the bounds of Y (H, W) that with Cb and Cr (H, W) give the colours of pixels (H, W, 3).

    Certain samples bound themselves. Where no luma gives the colour, as chroma is wrong, luma may be any.
    """
    lower, upper = np.zeros(blue.shape, np.int16), np.full(blue.shape, 255, np.int16)
    for i, added in enumerate((RED_OF_CR[red], green_of(blue, red).astype(np.int16), BLUE_OF_CB[blue])):
        subpixels = pixels[..., i]
        exact = subpixels.astype(np.int16) - added
        np.maximum(lower, exact, out=lower, where=subpixels > 0)
        np.minimum(upper, exact, out=upper, where=subpixels < 255)
    none = lower > upper
    lower[none], upper[none] = 0, 255
    return _narrowed(Bounds(lower.astype(np.uint8), upper.astype(np.uint8)), certain, 0)


def _narrowed(bounds: Bounds, certain: Planes, component: int) -> Bounds:
    """Return the bounds of a component (H, W), or its sample where that is certain."""
    samples = certain.samples[component]
    return Bounds(*(np.where(certain.known, samples, bound) for bound in bounds))


def _chroma_bounds(subpixels: Plane, luma: Plane, levels: npt.NDArray[np.int16]) -> Bounds:
    """Return the bounds of the chroma that takes luma (H, W) to red or blue subpixels (H, W).

    ``levels`` (256,) is what each sample of that chroma adds to luma, in ascending order.
    """
    differences = np.arange(-_SPAN, _SPAN)
    first = np.searchsorted(levels, differences).clip(0, 255).astype(np.uint8)
    last = (np.searchsorted(levels, differences, "right") - 1).clip(0, 255).astype(np.uint8)
    place = subpixels.astype(np.int16) - luma + _SPAN
    lower = np.where(subpixels == 0, np.uint8(0), first[place])
    upper = np.where(subpixels == 255, np.uint8(255), last[place])
    none = lower > upper
    lower[none], upper[none] = 0, 255
    return Bounds(lower, upper)


def _inverse(levels: npt.NDArray[np.int16]) -> tuple[Plane, Mask]:
    """Return for differences -_SPAN .. _SPAN - 1 the sample of the nearest level, and whether it is equal."""
    differences = np.arange(-_SPAN, _SPAN)
    above = np.searchsorted(levels, differences).clip(1, len(levels) - 1)
    nearest = above - (differences - levels[above - 1] <= levels[above] - differences)
    return nearest.astype(np.uint8), levels[nearest] == differences


_CR_OF, _IS_CR = _inverse(RED_OF_CR)
_CB_OF, _IS_CB = _inverse(BLUE_OF_CB)


def _samples_of(colours: npt.NDArray[np.int32]) -> tuple[Plane, Mask]:
    """Return the samples (3, N) of colours (N, 3) and which are certain (N,).

    The luma of a decoded colour is the nearest to its weighted sum, or 1 more, or 1 less, as the colour was
    rounded.
    """
    red, green, blue = colours.T
    weighted = _RED * red + _GREEN * green + _BLUE * blue
    nearest = (weighted + (1 << (COLOUR_BITS - 1))) >> COLOUR_BITS
    samples, known = _try_luma(colours, nearest)
    for step in (1, -1):
        rest = np.flatnonzero(~known)
        luma = np.clip(nearest[rest] + step, 0, 255)
        found, right = _try_luma(colours[rest], luma)
        samples[:, rest[right]] = found[:, right]
        known[rest] = right
    unclipped = (colours.min(1) > 0) & (colours.max(1) < 255)
    return samples, known & unclipped & _unclipped(samples[0])


def _try_luma(colours: npt.NDArray[np.int32], luma: npt.NDArray[np.int32]) -> tuple[Plane, Mask]:
    """Return the samples (3, N) of this luma nearest to the red and blue of colours (N, 3), and which fit."""
    of_red, of_blue = colours[:, 0] - luma + _SPAN, colours[:, 2] - luma + _SPAN
    blue, red = _CB_OF[of_blue], _CR_OF[of_red]
    right = _IS_CR[of_red] & _IS_CB[of_blue] & (colours[:, 1] - luma == green_of(blue, red))
    return np.stack([luma.astype(np.uint8), blue, red]), right


def _unclipped(samples: Plane) -> Mask:
    return (samples > 0) & (samples < 255)
