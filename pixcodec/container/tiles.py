"""Image <-> tile grid (FORMAT.md, "Tiles"): geometry, in pixels; standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class TileBox(NamedTuple):
    """The rectangle of an image that a tile covers, in pixels from the top left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def pixel_count(self) -> int:
        """Return the number of pixels of the tile."""
        return self.width * self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return the index of the tile in an array whose first two axes are (H, W)."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def overlap(self, other: TileBox) -> TileBox:
        """Return the part of the image that both cover, without pixels if there is none."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.x + self.width, other.x + other.width) - x
        height = min(self.y + self.height, other.y + other.height) - y
        return TileBox(x, y, max(width, 0), max(height, 0))

    def within(self, outer: TileBox) -> tuple[slice, slice]:
        """Return the index of this box in the pixels of one that contains it."""
        return self._replace(x=self.x - outer.x, y=self.y - outer.y).slices


@dataclass(frozen=True)
class TileGrid:
    """The tiles of an image as a sequence of :class:`TileBox` in raster order.

    Tiles at the right and bottom edges are cut to what is left of the image.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels, at least 1.
    tile_width, tile_height : int
        Size of an uncut tile in pixels, at least 1; may exceed the image.

    Raises
    ------
    ValueError
        If a size is less than 1.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise ValueError(f"image is {self.width}x{self.height} pixels, expected at least 1x1")
        if min(self.tile_width, self.tile_height) < 1:
            raise ValueError(f"tile is {self.tile_width}x{self.tile_height} pixels, expected at least 1x1")

    @property
    def columns(self) -> int:
        """Return the number of tiles in a row."""
        return -(-self.width // self.tile_width)

    @property
    def rows(self) -> int:
        """Return the number of tiles in a column."""
        return -(-self.height // self.tile_height)

    def __len__(self) -> int:
        return self.columns * self.rows

    def __getitem__(self, index: int) -> TileBox:
        if not 0 <= index < len(self):
            raise IndexError(f"tile {index} of {len(self)}")
        row, column = divmod(index, self.columns)
        x, y = column * self.tile_width, row * self.tile_height
        return TileBox(x, y, min(self.tile_width, self.width - x), min(self.tile_height, self.height - y))

    def __iter__(self) -> Iterator[TileBox]:
        return (self[index] for index in range(len(self)))
