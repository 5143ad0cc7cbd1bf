"""The frames of a series -> the bytes of a file (FORMAT.md, "Series"); standard library only."""

from __future__ import annotations

import zlib

from pixcodec.container.chunks import MAGIC, Chunk
from pixcodec.container.container import Container, TileKind
from pixcodec.container.deep import deep_number
from pixcodec.container.frames import SeriesKind, Setting
from pixcodec.container.header import Effort, Header
from pixcodec.container.series_start import (
    COLUMNS,
    CRC,
    FIRST_KIND,
    LAYOUT,
    MAX_FRAMES,
    MAX_INDEX_SIZE_BYTES,
    SERIES_BYTE,
    SINGLE,
)
from pixcodec.container.varint import pack_varint
from pixcodec.errors import LimitExceededError

_LEVEL = 9  # of zlib


class SeriesWriter:
    """Collects the frames of a series and returns the bytes of the file.

    Parameters
    ----------
    kind : SeriesKind
    width, height : int
        Of the canvas of an animation.
    loop : int or None
    effort : Effort
    """

    def __init__(self, kind: SeriesKind, width: int, height: int, loop: int | None, effort: Effort) -> None:
        self._kind, self._width, self._height, self._loop = kind, width, height, loop
        self._effort = effort
        self._models: list[bytes] = []
        self._columns: list[list[int]] = [[] for _ in range(COLUMNS)]
        self._types: list[bytes] = []
        self._sizes: list[int] = []
        self._bodies: list[bytes] = []
        self._last: dict[tuple[str, int], bytes] = {}

    def add(self, setting: Setting, container: Container) -> None:
        """Add a frame; what equals the chunk of the frame before is left out.

        Raises
        ------
        LimitExceededError
            If there are too many frames.
        """
        if len(self._columns[0]) == MAX_FRAMES:
            raise LimitExceededError(f"there are more than {MAX_FRAMES} frames, which is the limit")
        chunks = _chunks_of(container)
        row = _row(setting, container.header, self._model_number(container.header), len(chunks))
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        seen: dict[str, int] = {}
        for chunk_type, payload in chunks:
            seen[chunk_type] = seen.get(chunk_type, -1) + 1
            key = (chunk_type, seen[chunk_type])
            if chunk_type != "TILE" and self._last.get(key) == payload:
                payload = b""
            elif chunk_type != "TILE":
                self._last[key] = payload
            self._types.append(chunk_type.encode("ascii"))
            self._sizes.append(len(payload))
            self._bodies.append(payload)
        self._bodies.append(container.pixel_hash)

    def _model_number(self, header: Header) -> int:
        if not header.model_id:
            return 0
        if header.model_id not in self._models:
            self._models.append(header.model_id)
        return self._models.index(header.model_id) + 1

    def finish(self) -> bytes:
        """Return the bytes of the file.

        Raises
        ------
        LimitExceededError
            If the index is too large.
        """
        numbers = [value for column in (*self._columns, self._sizes) for value in column]
        index = b"".join(map(pack_varint, numbers)) + b"".join(self._types)
        if len(index) > MAX_INDEX_SIZE_BYTES:
            raise LimitExceededError(f"index is {len(index)} bytes, the limit is {MAX_INDEX_SIZE_BYTES}")
        packed = zlib.compress(index, _LEVEL)
        values = [len(self._columns[0])]
        if self._kind is SeriesKind.ANIMATION:
            values += [self._width, self._height, 0 if self._loop is None else self._loop + 1]
        start = [
            MAGIC,
            bytes([SERIES_BYTE, FIRST_KIND + self._kind, self._effort]),
            *map(pack_varint, values),
        ]
        start += [bytes([len(self._models)]), *self._models, pack_varint(len(packed)), packed]
        head = b"".join(start)
        data = b"".join([head, CRC.pack(zlib.crc32(head)), *self._bodies])
        return data + CRC.pack(zlib.crc32(data))


def _chunks_of(container: Container) -> list[Chunk]:
    single = zip(SINGLE, (container.palette, container.transparency), strict=True)
    chunks = [Chunk(name, payload) for name, payload in single if payload]
    chunks += container.ancillary
    for tile in container.tiles:
        slope = pack_varint(tile.slope) if tile.kind is not TileKind.RAW else b""
        chunks.append(Chunk("TILE", bytes([tile.kind]) + slope + tile.bitstream))
    return chunks


def _row(setting: Setting, header: Header, model: int, chunks: int) -> tuple[int, ...]:
    """Return a frame's values of all columns."""
    flags = setting.disposal | setting.over << 2 | setting.hidden << 3 | setting.reference << 4
    flags |= setting.carried << 6
    layout = sum(getattr(header, name) << bit for bit, name in enumerate(LAYOUT))
    if header.deep:
        layout |= deep_number(header.deep) << len(LAYOUT)
    tile = (
        0 if header.tile_width == header.width else header.tile_width,
        0 if header.tile_height == header.height else header.tile_height,
    )
    place = (setting.numerator, setting.denominator, setting.x, setting.y)
    kind = (header.mode, header.bit_depth, layout, header.index_bits)
    return flags, *place, header.width, header.height, *kind, *tile, model, chunks
