"""Colours -> the samples Y, Cb and Cr that libjpeg-turbo made them of.

Of all colours about a quarter are what some samples give, and no two samples give the same one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.pixels import BLUE_OF_CB, RED_OF_CR, Plane, green_of

Mask = npt.NDArray[np.bool_]

_SPAN = 512  # differences of subpixels and luma are -_SPAN .. _SPAN - 1
_CHUNK = 1 << 16  # pixels, what a cache holds


class Planes(NamedTuple):
    """Samples (components, H, W) and which of them are certain (H, W).

    Of the others, and of subpixels that may be clipped, the samples are a guess.
    """

    samples: Plane
    known: Mask


class Bounds(NamedTuple):
    """The least and the greatest that samples (H, W) may be."""

    lower: Plane
    upper: Plane

    @property
    def known(self) -> Mask:
        """Return which samples are certain, and not clipped."""
        known: Mask = (self.lower == self.upper) & _unclipped(self.lower)
        return known


def _inverse(levels: npt.NDArray[np.int16]) -> tuple[Plane, Mask]:
    """Return for each difference the nearest sample, and whether it gives just that."""
    differences = np.arange(-_SPAN, _SPAN)
    nearest = np.abs(differences[:, None] - levels).argmin(1)
    return nearest.astype(np.uint8), levels[nearest] == differences


_CR_OF, _IS_CR = _inverse(RED_OF_CR)
_CB_OF, _IS_CB = _inverse(BLUE_OF_CB)


def chroma_bounds(pixels: Plane, luma: Plane) -> tuple[Bounds, Bounds]:
    """Return the bounds of Cb and of Cr with which samples Y (H, W) give the colours (H, W, 3).

    Where there are none, as Y is not right, samples may be any.
    """
    return _bounds(pixels[..., 2], luma, BLUE_OF_CB), _bounds(pixels[..., 0], luma, RED_OF_CR)


def _bounds(subpixels: Plane, luma: Plane, levels: npt.NDArray[np.int16]) -> Bounds:
    differences = np.arange(-_SPAN, _SPAN)
    first = np.searchsorted(levels, differences).clip(0, 255).astype(np.uint8)
    last = (np.searchsorted(levels, differences, "right") - 1).clip(0, 255).astype(np.uint8)
    place = subpixels.astype(np.int16) - luma + _SPAN
    lower = np.where(subpixels == 0, np.uint8(0), first[place])
    upper = np.where(subpixels == 255, np.uint8(255), last[place])
    none = lower > upper
    lower[none], upper[none] = 0, 255
    return Bounds(lower, upper)


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


def _samples_of(colours: npt.NDArray[np.int32]) -> tuple[Plane, Mask]:
    """Return the samples (3, N) of colours (N, 3) and whether they are certain (N,)."""
    first = (19595 * colours[:, 0] + 38470 * colours[:, 1] + 7471 * colours[:, 2] + 32768) >> 16
    samples, known = _try_luma(colours, first)
    for step in (1, -1):
        rest = np.flatnonzero(~known)
        luma = np.clip(first[rest] + step, 0, 255)
        found, right = _try_luma(colours[rest], luma)
        samples[:, rest[right]] = found[:, right]
        known[rest] = right
    unclipped = (colours.min(1) > 0) & (colours.max(1) < 255)
    return samples, known & unclipped & _unclipped(samples[0])


def _unclipped(samples: Plane) -> Mask:
    return (samples > 0) & (samples < 255)


def _try_luma(colours: npt.NDArray[np.int32], luma: npt.NDArray[np.int32]) -> tuple[Plane, Mask]:
    """Return the samples (3, N) of this luma that give the nearest red and blue, and which are exact."""
    of_red, of_blue = colours[:, 0] - luma + _SPAN, colours[:, 2] - luma + _SPAN
    blue, red = _CB_OF[of_blue], _CR_OF[of_red]
    right = _IS_CR[of_red] & _IS_CB[of_blue] & (colours[:, 1] - luma == green_of(blue, red))
    return np.stack([luma.astype(np.uint8), blue, red]), right
