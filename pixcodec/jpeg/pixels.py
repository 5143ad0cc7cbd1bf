"""Coefficients -> the pixels that a decoder of JPEG files makes of them (FORMAT.md, section Decoders).

All arithmetic is that of the decoder: for libjpeg-turbo its integer transforms (``jidctint.c``,
``jidctfst.c``), its upsampling of chroma (``jdsample.c``), its conversion of colours (``jdcolor.c``).

Shapes: H height, W width.
"""

from __future__ import annotations

import numpy as np

from pixcodec.container.tiles import TileBox
from pixcodec.jpeg.coefficients import BLOCK, Coefficients
from pixcodec.jpeg.colours import CONVERSIONS
from pixcodec.jpeg.orientations import box_before, turned
from pixcodec.jpeg.transform import Plane, plane_of_blocks
from pixcodec.jpeg.upsample import upsample


def pixels_of(coefficients: Coefficients) -> Plane:
    """Return the pixels of an image (H, W, channels).

    The coefficients and tables may be any: coefficients times steps, and the results of the first pass of the
    transform, are limited.
    """
    planes = planes_of(coefficients)
    convert = CONVERSIONS[coefficients.decoder.colours]
    pixels = planes[0][:, :, None].copy() if len(planes) == 1 else convert.to_rgb(*planes)
    return np.ascontiguousarray(turned(pixels, coefficients.orientation))


def units_of(coefficients: Coefficients, part: TileBox) -> tuple[int, int]:
    """Return which units a part of the (turned) image needs: the first one, and the one after the last.

    A unit is the rows of blocks, one of chroma, of all components. Interpolated chroma needs the sample above
    and the one below, too.
    """
    c, unit = coefficients, BLOCK * coefficients.vertical
    box = box_before(part, c.height, c.width, c.orientation)
    first, end = box.y - c.vertical, box.y + box.height + c.vertical
    return max(c.top + first, 0) // unit, -(-min(c.top + end, c.top + c.height) // unit)


def pixels_of_part(coefficients: Coefficients, part: TileBox) -> Plane:
    """Return the pixels (h, w, channels) of a part of the image; only its units are looked at."""
    c, unit = coefficients, BLOCK * coefficients.vertical
    first, end = units_of(c, part)
    box = box_before(part, c.height, c.width, c.orientation)
    begin = max(unit * first - c.top, 0)  # the first row of the units
    lines = [slice(first * k, end * k) for k in (c.vertical, 1, 1)]
    some = c._replace(
        height=min(unit * end - c.top, c.height) - begin,
        top=c.top if first == 0 else 0,
        blocks=tuple(blocks[rows] for blocks, rows in zip(c.blocks, lines, strict=False)),
        orientation=0,
    )
    found = pixels_of(some)[box.y - begin :, box.x : box.x + box.width][: box.height]
    return np.ascontiguousarray(turned(found, c.orientation))


def exact_pixels(coefficients: Coefficients, pixels: Plane) -> int:
    """Return how many pixels (H, W, C) are equal to those that the coefficients give."""
    return int((pixels_of(coefficients) == pixels).all(2).sum())


def planes_of(coefficients: Coefficients) -> list[Plane]:
    """Return the samples (height, width) of all components before the image is turned, chroma enlarged."""
    whole_height = coefficients.top + coefficients.height
    whole_width = coefficients.left + coefficients.width
    transform, upsampling, _ = coefficients.decoder
    planes = []
    for component, (blocks, table) in enumerate(zip(coefficients.blocks, coefficients.tables, strict=True)):
        plane = plane_of_blocks(blocks, table, transform)
        if component > 0:
            vertical, horizontal = coefficients.vertical, coefficients.horizontal
            plane = plane[: -(-whole_height // vertical), : -(-whole_width // horizontal)]
            plane = upsample(plane, horizontal, vertical, upsampling)
        planes.append(plane[coefficients.top : whole_height, coefficients.left : whole_width])
    return planes
