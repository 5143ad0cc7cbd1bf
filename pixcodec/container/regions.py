"""The part of an image that is decoded."""

from __future__ import annotations

from operator import index

from pixcodec.container.header import BYTES_OF_A_PIXEL, Header
from pixcodec.container.tiles import TileBox
from pixcodec.errors import LimitExceededError

Region = tuple[int, int, int, int]  # x, y, width, height


def checked_region(header: Header, region: Region | None, max_pixels: int | None) -> TileBox:
    """Return the part of the image that is to be decoded, all of it if the region is None.

    Raises
    ------
    ValueError
        If the region does not lie within the image.
    LimitExceededError
        If it has more than ``max_pixels`` pixels, or the whole image where all of it is needed.
    """
    part = box_of(header.width, header.height, region)
    columns, rows = (header.width, header.height) if header.jpeg else (part.width, part.height)
    if max_pixels is not None and columns * rows > max_pixels:
        raise LimitExceededError(
            f"image is {columns}x{rows}, {columns * rows} pixels, the limit is {max_pixels} pixels"
        )
    size_bytes = header.sample_bytes * columns * rows // (header.width * header.height)
    if max_pixels is not None and size_bytes > BYTES_OF_A_PIXEL * max_pixels:
        raise LimitExceededError(
            f"image has {size_bytes} bytes of samples, the limit is {BYTES_OF_A_PIXEL * max_pixels} bytes"
        )
    return part


def box_of(image_width: int, image_height: int, region: Region | None) -> TileBox:
    """Return a region of an image, all of it if the region is None.

    Raises
    ------
    ValueError
        If the region does not lie within the image.
    """
    if region is None:
        return TileBox(0, 0, image_width, image_height)
    try:
        x, y, width, height = (index(number) for number in region)
    except (TypeError, ValueError) as error:
        raise ValueError(f"region is {region!r}, expected the integers x, y, width and height") from error
    if min(x, y) < 0 or min(width, height) < 1 or x + width > image_width or y + height > image_height:
        raise ValueError(
            f"region is {width}x{height} at ({x}, {y}), the image is {image_width}x{image_height}"
        )
    return TileBox(x, y, width, height)
