"""The ways of coding a picture that was a JPEG file once: as coefficients, and what their pixels lack.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pixcodec.container.header import WIDER_VERSION, Header, Mode
from pixcodec.container.tiles import TileBox
from pixcodec.images.picture import Picture
from pixcodec.images.ways import MAX_TRIED_PIXELS, Way, ways_of
from pixcodec.jpeg.chunk import decode_coefficients, encode_coefficients
from pixcodec.jpeg.find import find_coefficients
from pixcodec.jpeg.pixels import pixels_of, pixels_of_part
from pixcodec.jpeg.stream.coder import Workers
from pixcodec.jpeg.transform import Plane

# A large image is coded with coefficients without a trial of its pixels unless there are more corrections, or
# the coefficients take more bits.
SURE_SHARE = 1 / 50  # corrected pixels of all
SURE_BITS = 1  # of coefficients, for each subpixel; at 1.3 pixels were once 8 % smaller (`max`)


class _Found(NamedTuple):
    """What stands for the pixels of a picture."""

    payload: bytes  # of the chunk COEF
    correction: Plane  # H, W, C: the pixels less those of the coefficients, modulo 256


def all_ways(header: Header, picture: Picture, threads: int | None) -> list[list[Way]]:
    """Return the ways of coding a picture that are worth a trial, in one or two groups.

    One group has coefficients, the other has not. Which way of a group is best shows in a part of the picture
    (:func:`pixcodec.images.ways.choose_way`); which group, only in the whole of it, as how well coefficients
    do differs from place to place.
    """
    found = _found(header, picture, Workers(threads))
    if found is None:
        return [ways_of(header, picture)]
    with_coefficients = replace(header, jpeg=True, version=WIDER_VERSION)
    wrong = np.count_nonzero(found.correction.any(axis=2))
    if wrong:
        ways = ways_of(with_coefficients, picture._replace(pixels=found.correction))
    else:
        ways = [Way(replace(with_coefficients, exact=True), found.correction, b"")]
    groups = [[way._replace(coefficients=found.payload) for way in ways]]
    pixels = header.width * header.height
    many_bits = 8 * len(found.payload) > SURE_BITS * header.subpixel_count
    if pixels <= MAX_TRIED_PIXELS or wrong > SURE_SHARE * pixels or many_bits:
        groups.append(ways_of(header, picture))
    return groups


def coefficient_pixels(
    header: Header, payload: bytes, threads: int | None, part: TileBox | None = None
) -> Plane:
    """Return the pixels (H, W, C) that the payload of a chunk COEF gives: of the whole image, or a part.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        As :func:`pixcodec.jpeg.chunk.decode_coefficients`.
    """
    size = header.height, header.width, header.mode.channels
    wider = header.version == WIDER_VERSION
    found = decode_coefficients(payload, *size, wider=wider, workers=Workers(threads), part=part)
    return pixels_of(found) if part is None else pixels_of_part(found, part)


def _found(header: Header, picture: Picture, workers: Workers) -> _Found | None:
    """Return the coefficients that a picture was decoded from; None if there are none."""
    if header.mode not in (Mode.GREY, Mode.RGB) or header.bit_depth != 8:
        return None
    pixels = picture.pixels.astype(np.uint8, copy=False)
    coefficients = find_coefficients(pixels)
    if coefficients is None:
        return None
    payload = encode_coefficients(coefficients, header.effort, workers)
    return _Found(payload, pixels - pixels_of(coefficients))
