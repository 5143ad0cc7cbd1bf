"""The ways of a picture that was a JPEG file once: coefficients, and what their pixels lack.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pixcodec.header import Header, Mode
from pixcodec.jpeg.coder import decode_coefficients, encode_coefficients
from pixcodec.jpeg.inversion import find_coefficients
from pixcodec.jpeg.pixels import Plane, pixels_of
from pixcodec.planes import Picture
from pixcodec.ways import MAX_TRIED_PIXELS, Way, ways_of

SURE_SHARE = 1 / 50  # of pixels: up to so many corrections coefficients win without a trial


class _Found(NamedTuple):
    """The chunk COEF of a picture, and its pixels less those of the coefficients, modulo 256 (H, W, C)."""

    payload: bytes
    correction: Plane


def all_ways(header: Header, picture: Picture) -> list[Way]:
    """Return the ways that are worth a trial, with coefficients and without.

    Coefficients are tried alone where they give almost all pixels of a picture that is not small.
    """
    found = _found(header, picture)
    if found is None:
        return ways_of(header, picture)
    wrong = np.count_nonzero(found.correction.any(axis=2))
    if wrong:
        ways = ways_of(replace(header, jpeg=True), picture._replace(pixels=found.correction))
    else:
        ways = [Way(replace(header, jpeg=True, exact=True), found.correction, b"")]
    ways = [way._replace(coefficients=found.payload) for way in ways]
    pixels = header.width * header.height
    if pixels <= MAX_TRIED_PIXELS or wrong > SURE_SHARE * pixels:
        return ways_of(header, picture) + ways
    return ways


def coefficient_pixels(header: Header, payload: bytes) -> Plane:
    """Return the pixels (H, W, C) of the whole image that a chunk COEF gives.

    Raises
    ------
    CorruptFileError, LimitExceededError
    """
    return pixels_of(decode_coefficients(payload, header.height, header.width, header.mode.channels))


def _found(header: Header, picture: Picture) -> _Found | None:
    """Return the coefficients that a picture was decoded from, None if there are none."""
    if header.mode not in (Mode.GREY, Mode.RGB) or header.bit_depth != 8:
        return None
    pixels = picture.pixels.astype(np.uint8, copy=False)
    coefficients = find_coefficients(pixels)
    if coefficients is None:
        return None
    return _Found(encode_coefficients(coefficients), pixels - pixels_of(coefficients))
