"""Arrays as tiles at several sizes, of which a browser loads those that it shows.

Level 0 is the array itself; each level above has half the width and height, rounded up, and the mean of four
pixels in each. Shapes: H W height and width of level 0, C channels, T the side of a tile.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, features

TILE = 512  # pixels: the side of a tile
_QUALITY = 90  # of levels above 0, which are looked at only
_EFFORT = {"method": 1, "quality": 20}  # of lossless WebP: quick
_DEFLATE_LEVEL = 6


class Encoded(NamedTuple):
    """A file and its media type."""

    kind: str
    data: bytes


class Pyramid:
    """An image of 8 bits and its smaller levels.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W), (H, W, 3) or (H, W, 4)
    """

    def __init__(self, pixels: npt.NDArray[np.uint8]) -> None:
        self._levels = [Image.fromarray(pixels)]
        while max(self._levels[-1].size) > TILE:
            self._levels.append(self._levels[-1].reduce(2))

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return len(self._levels)

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Yield level, column and row of each tile."""
        for level, image in enumerate(self._levels):
            for row in range(-(-image.height // TILE)):
                for column in range(-(-image.width // TILE)):
                    yield level, column, row

    def tile(self, level: int, column: int, row: int) -> Encoded | None:
        """Return a tile as a file, lossless on level 0; None if there is none."""
        if not 0 <= level < self.levels:
            return None
        image = self._levels[level]
        x, y = column * TILE, row * TILE
        if not (0 <= x < image.width and 0 <= y < image.height):
            return None
        part = image.crop((x, y, min(x + TILE, image.width), min(y + TILE, image.height)))
        return _encoded(part, lossless=level == 0)


def samples_tile(samples: npt.NDArray[Any], column: int, row: int) -> Encoded | None:
    """Return a tile (T, T, C) of the samples of an image, in rows, little endian, deflated (zlib)."""
    x, y = column * TILE, row * TILE
    if not (0 <= x < samples.shape[1] and 0 <= y < samples.shape[0]):
        return None
    part = samples[y : y + TILE, x : x + TILE]
    raw = part.astype(part.dtype.newbyteorder("<")).tobytes()
    return Encoded("application/octet-stream", zlib.compress(raw, _DEFLATE_LEVEL))


def _encoded(image: Image.Image, *, lossless: bool) -> Encoded:
    file = BytesIO()
    if not _has_webp():
        image.save(file, "PNG", compress_level=1)
        return Encoded("image/png", file.getvalue())
    if lossless:
        image.save(file, "WEBP", lossless=True, exact=True, **_EFFORT)
    else:
        image.save(file, "WEBP", quality=_QUALITY)
    return Encoded("image/webp", file.getvalue())


@cache
def _has_webp() -> bool:
    return bool(features.check("webp"))
