"""A .pxc file whose tiles are read when they are needed; standard library only."""

from __future__ import annotations

import mmap
from dataclasses import replace

from pixcodec.container.beginning import HEADER_SIZE_BYTES, parse_start, read_header
from pixcodec.container.chunks import CHUNK_OVERHEAD_BYTES, CHUNK_START, Chunk, read_chunk, type_at
from pixcodec.container.compact import is_compact
from pixcodec.container.container import Tile, check_table, check_tile, parse, parse_tile
from pixcodec.container.header import Header
from pixcodec.container.layers import layers_of
from pixcodec.container.pixel_hash import pixel_hash_size_bytes
from pixcodec.errors import CorruptFileError, UnsupportedImageError

_FIRST_VERSION = 3  # of those whose last chunk holds the hash


class TileFile:
    """The header of a file, its chunks besides the tiles, and where the tiles are.

    Parameters
    ----------
    data : mmap
        The file.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        As :func:`pixcodec.container.container.parse`, but what is wrong with a tile is found when it is read.
    UnsupportedImageError
        If the pixels are not in tiles alone, but follow from JPEG coefficients.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self.header: Header = read_header(data[:HEADER_SIZE_BYTES])[0]
        if self.header.jpeg or self.header.kept or self.header.version < _FIRST_VERSION:
            raise UnsupportedImageError("the image is not stored in tiles alone: decode it as a whole")
        self._starts: list[int] = []
        self._whole = parse(data[:]) if is_compact(data[:HEADER_SIZE_BYTES]) else None
        if self._whole is not None:
            self.pixel_hash, self.ancillary = self._whole.pixel_hash, self._whole.ancillary
            self.palette, self.transparency = self._whole.palette, self._whole.transparency
            return
        chunks, self.pixel_hash = self._find_tiles()
        self.ancillary = tuple(chunk for chunk in chunks if chunk.ancillary)
        single = {chunk.type: chunk.payload for chunk in chunks}
        self.palette, self.transparency = single.get("PLTE", b""), single.get("TRNS", b"")
        self._layers = layers_of(self.header)
        expected = len(self.header.grid) * len(self._layers)
        if len(self._starts) != expected:
            raise CorruptFileError(f"number of tiles is {len(self._starts)}, expected {expected}")
        if len(self.pixel_hash) != pixel_hash_size_bytes(self.header.version):
            raise CorruptFileError(f"pixel hash is {len(self.pixel_hash)} bytes")
        try:
            check_table(self.header, self.palette)
        except ValueError as error:
            raise CorruptFileError(str(error)) from error

    def _find_tiles(self) -> tuple[list[Chunk], bytes]:
        """Note where the tiles are; return the other chunks, and the payload of DONE."""
        data, chunks = self._data, []
        end = read_header(data[:HEADER_SIZE_BYTES])[1]
        while True:
            start, letters = end, type_at(data, end)  # type: ignore[arg-type]  # slices of an mmap are bytes
            if letters == b"TILE":
                length = CHUNK_START.unpack_from(data, start)[0]
                end = start + length + CHUNK_OVERHEAD_BYTES
                if end > len(data):
                    raise CorruptFileError(f"chunk 'TILE' at byte {start}: file ends after {len(data)} bytes")
                self._starts.append(start)
                continue
            chunk, end = read_chunk(data, start)  # type: ignore[arg-type]
            if chunk.type == "DONE":
                break
            if not chunk.ancillary and self._starts:
                raise CorruptFileError(f"chunk {chunk.type!r} at byte {start}: found out of order")
            chunks.append(chunk)
        if end != len(data):
            raise CorruptFileError(f"found {len(data) - end} bytes after chunk 'DONE', expected none")
        # Those before the tiles are checked for their order as in any file.
        first = self._starts[0] if self._starts else end
        parse_start(data[: first + CHUNK_START.size])
        return chunks, chunk.payload

    def tiles(self, rows: range) -> tuple[Tile, ...]:
        """Return the layers of the tiles in some rows of the grid, in their order.

        Raises
        ------
        CorruptFileError, UnsupportedVersionError
        """
        if self._whole is not None:
            return self._whole.tiles
        grid, count = self.header.grid, len(self._layers)
        found = []
        for number in range(rows.start * grid.columns, rows.stop * grid.columns):
            for k, layer in enumerate(self._layers):
                start = self._starts[number * count + k]
                where = f"chunk 'TILE' at byte {start}"
                chunk, _ = read_chunk(self._data, start)  # type: ignore[arg-type]
                tile = parse_tile(chunk.payload, where, self.header.version)
                try:
                    check_tile(self.header, number * count + k, tile, layer, grid[number])
                except ValueError as error:
                    raise CorruptFileError(f"{where}: {error}") from error
                found.append(tile)
        return tuple(found)


def stripe_header(header: Header, rows: range) -> Header:
    """Return the header of an image that is some rows of tiles of another one."""
    top = rows.start * header.tile_height
    return replace(header, height=min(rows.stop * header.tile_height, header.height) - top)
