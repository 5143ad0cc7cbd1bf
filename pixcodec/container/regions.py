"""The part of an image that is decoded."""

from __future__ import annotations

from pixcodec.container.header import Header
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
    size = (header.width, header.height)
    x, y, width, height = region or (0, 0, *size)
    if min(x, y) < 0 or min(width, height) < 1 or x + width > header.width or y + height > header.height:
        raise ValueError(
            f"region is {width}x{height} at ({x}, {y}), the image is {header.width}x{header.height}"
        )
    columns, rows = size if header.jpeg else (width, height)
    if max_pixels is not None and columns * rows > max_pixels:
        raise LimitExceededError(
            f"image is {columns}x{rows}, {columns * rows} pixels, the limit is {max_pixels} pixels"
        )
    return TileBox(x, y, width, height)
