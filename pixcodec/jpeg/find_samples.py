"""Colours -> the samples Y, Cb and Cr that a decoder converted to them, exact or bounded.

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
from pixcodec.jpeg.colours import CONVERSIONS
from pixcodec.jpeg.decoders import Colours
from pixcodec.jpeg.transform import Plane

UNBOUNDED = 1e4  # beyond all samples
ROUNDING = np.float32(0.5)  # how far a sample may lie from its value before rounding
DOUBT = np.float32(1.5)  # the same of a sample that may be wrong by 1

_LEAST_SHARE = 0.95  # of the pixels that are not clipped: colours of decoded images
_SAMPLED = 1 << 15  # pixels whose colours are looked at to tell whether an image was decoded
_GLANCED = 1 << 11  # likewise, to tell that a decoder that is not usual did not
_SPAN = 512  # differences of subpixels and luma are -_SPAN .. _SPAN - 1
_CHUNK = 1 << 16  # pixels that are converted at once: what a cache holds
# JFIF: Y is 0.299 R + 0.587 G + 0.114 B.
_WEIGHT_BITS = 16
_RED, _GREEN, _BLUE = (round(part * (1 << _WEIGHT_BITS)) for part in (0.299, 0.587, 0.114))


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


def find_colours(pixels: Plane) -> Colours | None:
    """Return who converted samples to the colours of pixels (H, W, 1 or 3); None if nobody did.

    Of the rows looked at, 95 % of the pixels without a clipped subpixel have to be such colours. Grey always
    may be.
    """
    if pixels.shape[2] == 1:
        return Colours.LIBJPEG
    usual = _share_of_colours(pixels, Colours.LIBJPEG, _SAMPLED)
    if usual < _LEAST_SHARE and _share_of_colours(pixels, Colours.STB, _GLANCED) < _LEAST_SHARE:
        return None
    other = _share_of_colours(pixels, Colours.STB, _SAMPLED)
    likely = Colours.STB if other > usual else Colours.LIBJPEG
    return likely if max(usual, other) >= _LEAST_SHARE else None


def _share_of_colours(pixels: Plane, colours: Colours, sampled: int) -> float:
    """Return the share of such colours in the unclipped ones of some rows of pixels (H, W, 3)."""
    height, width = pixels.shape[:2]
    rows = pixels[:: max(1, -(-height * width // sampled))]
    unclipped = int(((rows > 0) & (rows < 255)).all(2).sum())
    return int(to_planes(rows, colours).known.sum()) / unclipped if unclipped else 1.0


def to_planes(pixels: Plane, colours: Colours) -> Planes:
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
        found, certain = _samples_of(pixels[part].reshape(-1, 3).astype(np.int32), _INVERSES[colours])
        samples[:, part] = found.reshape(3, -1, width)
        known[part] = certain.reshape(-1, width)
    return Planes(samples, known)


def chroma_bounds(pixels: Plane, luma: Plane, certain: Planes, colours: Colours) -> tuple[Bounds, Bounds]:
    """Return the bounds of Cb and of Cr (H, W) that with luma (H, W) give the colours of pixels (H, W, 3).

    Certain samples bound themselves. Where no chroma gives the colour, as luma is wrong, chroma may be any.
    """
    conversion = CONVERSIONS[colours]
    blue = _chroma_bounds(pixels[..., 2], luma, conversion.blue_of_cb)
    red = _chroma_bounds(pixels[..., 0], luma, conversion.red_of_cr)
    return _narrowed(blue, certain, 1), _narrowed(red, certain, 2)


def luma_bounds(pixels: Plane, blue: Plane, red: Plane, certain: Planes, colours: Colours) -> Bounds:
    """Return the bounds of Y (H, W) that with Cb and Cr (H, W) give the colours of pixels (H, W, 3).

    Certain samples bound themselves. Where no luma gives the colour, as chroma is wrong, luma may be any.
    """
    conversion = CONVERSIONS[colours]
    lower, upper = np.zeros(blue.shape, np.int16), np.full(blue.shape, 255, np.int16)
    green = conversion.green_of(blue, red).astype(np.int16)
    for i, added in enumerate((conversion.red_of_cr[red], green, conversion.blue_of_cb[blue])):
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


class _Inverse(NamedTuple):
    """Samples of chroma for differences -_SPAN .. _SPAN - 1 of a subpixel and luma, if any."""

    colours: Colours
    cb_of: Plane
    is_cb: Mask
    cr_of: Plane
    is_cr: Mask


def _inverse(colours: Colours) -> _Inverse:
    conversion = CONVERSIONS[colours]
    blue, red = _nearest(conversion.blue_of_cb), _nearest(conversion.red_of_cr)
    return _Inverse(colours, *blue, *red)


def _nearest(levels: npt.NDArray[np.int16]) -> tuple[Plane, Mask]:
    """Return for differences -_SPAN .. _SPAN - 1 the sample of the nearest level, and whether it is equal."""
    differences = np.arange(-_SPAN, _SPAN)
    above = np.searchsorted(levels, differences).clip(1, len(levels) - 1)
    nearest = above - (differences - levels[above - 1] <= levels[above] - differences)
    return nearest.astype(np.uint8), levels[nearest] == differences


_INVERSES = {colours: _inverse(colours) for colours in Colours}


def _samples_of(colours: npt.NDArray[np.int32], inverse: _Inverse) -> tuple[Plane, Mask]:
    """Return the samples (3, N) of colours (N, 3) and which are certain (N,).

    The luma of a decoded colour is the nearest to its weighted sum, or 1 more, or 1 less, as the colour was
    rounded.
    """
    red, green, blue = colours.T
    weighted = _RED * red + _GREEN * green + _BLUE * blue
    nearest = (weighted + (1 << (_WEIGHT_BITS - 1))) >> _WEIGHT_BITS
    samples, known = _try_luma(colours, nearest, inverse)
    for step in (1, -1):
        rest = np.flatnonzero(~known)
        luma = np.clip(nearest[rest] + step, 0, 255)
        found, right = _try_luma(colours[rest], luma, inverse)
        samples[:, rest[right]] = found[:, right]
        known[rest] = right
    unclipped = (colours.min(1) > 0) & (colours.max(1) < 255)
    return samples, known & unclipped & _unclipped(samples[0])


def _try_luma(
    colours: npt.NDArray[np.int32], luma: npt.NDArray[np.int32], inverse: _Inverse
) -> tuple[Plane, Mask]:
    """Return the samples (3, N) of this luma nearest to the red and blue of colours (N, 3), and which fit."""
    of_red, of_blue = colours[:, 0] - luma + _SPAN, colours[:, 2] - luma + _SPAN
    blue, red = inverse.cb_of[of_blue], inverse.cr_of[of_red]
    green = CONVERSIONS[inverse.colours].green_of(blue, red)
    right = inverse.is_cr[of_red] & inverse.is_cb[of_blue] & (colours[:, 1] - luma == green)
    return np.stack([luma.astype(np.uint8), blue, red]), right


def _unclipped(samples: Plane) -> Mask:
    return (samples > 0) & (samples < 255)
