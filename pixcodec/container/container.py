"""Bytes <-> a whole .pxc file as its header, tiles and other chunks (FORMAT.md, "Container").

Standard library only.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from pixcodec.container.beginning import read_header
from pixcodec.container.chunks import MAGIC, Chunk, Data, is_chunk_type, pack_chunk, read_chunk
from pixcodec.container.compact import (
    MAX_COMPACT_SIZE_BYTES,
    is_compact,
    may_be_compact,
    pack_compact,
    read_compact,
)
from pixcodec.container.header import MAX_SIDE, WIDER_VERSION, Header, Mode, pack_header, unknown
from pixcodec.container.kept import kept_coefficients, kept_recipe, pack_kept, read_kept_start
from pixcodec.container.layers import Layer, LayerKind, layers_of
from pixcodec.container.pixel_hash import pixel_hash_size_bytes
from pixcodec.container.tiles import TileBox
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError, UnsupportedVersionError

_TILE_1 = struct.Struct("<BBI")  # kind, reserved, slope, in format version 1; the bitstream follows
_KIND_SIZE_BYTES = 1
_FIRST_RUNS_VERSION = 6

# Critical chunks besides HEAD and TILE, each of which a file has once at most: those before the first TILE,
# and those after the last one. By format version.
_BEFORE_TILES: dict[int, tuple[str, ...]] = {
    1: (),
    3: ("PLTE", "TRNS"),
    4: ("PLTE", "TRNS", "COEF"),
    5: ("PLTE", "TRNS", "COEF"),
    6: ("PLTE", "TRNS", "COEF"),
    8: ("PLTE", "TRNS", "COEF"),
    9: ("PLTE", "TRNS"),
    10: ("PLTE", "TRNS"),
}
_AFTER_TILES = dict.fromkeys(_BEFORE_TILES, ("DONE",)) | {1: ("HASH", "DONE")}


class TileKind(IntEnum):
    """How the bitstream of a layer of a tile is read."""

    RAW = 0
    CODED = 1
    RUNS = 2  # coded, with runs of copied pixels
    STILL = 3  # coded, with runs of pixels of the frame before
    PACKED = 4  # filtered rows, compressed

    @property
    def has_slope(self) -> bool:
        """Return whether the layer is coded by wavefronts."""
        return self not in (TileKind.RAW, TileKind.PACKED)


_KINDS = (TileKind.RAW, TileKind.CODED, TileKind.RUNS)  # of version 6


@dataclass(frozen=True)
class Tile:
    """A chunk TILE: one layer of one tile.

    Parameters
    ----------
    kind : TileKind
    slope : int
        Shift of the tile's wavefronts from row to row, in pixels: 1..MAX_SIDE, or 0 if it has none.
    bitstream : bytes
        The values themselves if the layer is raw, compressed rows if it is packed, else the output of the
        range coder.

    Raises
    ------
    ValueError
        If the slope does not fit the kind.
    """

    kind: TileKind
    slope: int
    bitstream: bytes

    def __post_init__(self) -> None:
        low, high = (1, MAX_SIDE) if self.kind.has_slope else (0, 0)
        if not low <= self.slope <= high:
            raise ValueError(f"slope of a {self.kind.name} tile is {self.slope}, expected {low}..{high}")


@dataclass(frozen=True)
class Container:
    """A whole .pxc file.

    Parameters
    ----------
    header : Header
    tiles : tuple of Tile
        For each tile, in raster order, each of its layers.
    pixel_hash : bytes
        See :func:`pixcodec.container.pixel_hash.pixel_hash`; the SHA-256 of a JPEG file that is kept.
    ancillary : tuple of Chunk
        Chunks that a decoder may skip.
    palette, transparency, coefficients : bytes
        Payloads of the chunks PLTE, TRNS and COEF; empty if the file has no such chunk.
    recipe : bytes
        What a file that keeps a JPEG file holds beside the coefficients; empty in other files.

    Raises
    ------
    ValueError
        If the parts contradict each other.
    """

    header: Header
    tiles: tuple[Tile, ...]
    pixel_hash: bytes
    ancillary: tuple[Chunk, ...] = ()
    palette: bytes = b""
    transparency: bytes = b""
    coefficients: bytes = b""
    recipe: bytes = b""

    def __post_init__(self) -> None:
        self._check_tiles()
        self._check_single_chunks()
        expected = pixel_hash_size_bytes(self.header.version)
        if len(self.pixel_hash) != expected:
            raise ValueError(f"pixel hash is {len(self.pixel_hash)} bytes, expected {expected}")
        for chunk in self.ancillary:
            if not is_chunk_type(chunk.type) or not chunk.ancillary:
                raise ValueError(f"type {chunk.type!r} is not that of an ancillary chunk")

    def _check_tiles(self) -> None:
        grid, layers = self.header.grid, layers_of(self.header)
        expected = len(grid) * len(layers)
        if len(self.tiles) != expected:
            raise ValueError(f"number of tiles is {len(self.tiles)}, expected {expected}")
        for index, tile in enumerate(self.tiles):
            box, layer = grid[index // len(layers)], layers[index % len(layers)]
            check_tile(self.header, index, tile, layer, box)

    def _check_single_chunks(self) -> None:
        check_table(self.header, self.palette)
        if self.header.jpeg and not self.coefficients:
            raise ValueError("chunk 'COEF' is missing")
        if self.coefficients and not self.header.jpeg:
            raise ValueError("an image without JPEG coefficients has a chunk 'COEF'")
        if self.header.kept and not self.recipe:
            raise ValueError("the recipe is missing")
        if self.header.kept and self.ancillary:
            raise ValueError("a file that keeps a JPEG file has no chunks")


def check_tile(header: Header, index: int, tile: Tile, layer: Layer, box: TileBox) -> None:
    """Raise ValueError if chunk TILE ``index`` of an image cannot be a layer of a tile."""
    may_be_packed = header.h_transform and layer.kind is LayerKind.RESIDUAL
    if (tile.kind is TileKind.PACKED) != header.packed and not may_be_packed:
        raise ValueError(f"tile {index} is {tile.kind.name}, which the header does not go with")
    if tile.kind is TileKind.RAW:
        expected = layer.raw_size_bytes(layer.pixel_count(box))
        if len(tile.bitstream) != expected:
            raise ValueError(f"raw tile {index} is {len(tile.bitstream)} bytes, expected {expected}")
    elif not layer.pixel_count(box):
        raise ValueError(f"tile {index} is {tile.kind.name}, but has no pixels")
    elif layer.kind is LayerKind.NETWORK and not header.model_id:
        raise ValueError(f"tile {index} is coded with a network, expected a model id")


def check_table(header: Header, palette: bytes) -> None:
    """Raise ValueError if the chunk PLTE of an image, empty for none, is missing or one too many."""
    if header.index_bits or header.mode is Mode.PALETTE:
        if not palette:
            raise ValueError("chunk 'PLTE' is missing")
    elif palette:
        raise ValueError(f"an image of mode {header.mode.name} has a chunk 'PLTE'")


def pack_tile(tile: Tile) -> list[bytes]:
    """Return a chunk TILE in parts, as :func:`pixcodec.container.chunks.pack_chunk`."""
    slope = pack_varint(tile.slope) if tile.kind.has_slope else b""
    return pack_chunk("TILE", bytes([tile.kind]), slope, tile.bitstream)


def pack_start(
    header: Header, palette: bytes, transparency: bytes, ancillary: tuple[Chunk, ...]
) -> list[bytes]:
    """Return the magic and all chunks before the first COEF or TILE, in parts."""
    parts = [MAGIC, *pack_chunk("HEAD", pack_header(header))]
    if palette:
        parts += pack_chunk("PLTE", palette)
    if transparency:
        parts += pack_chunk("TRNS", transparency)
    for chunk in ancillary:
        parts += pack_chunk(chunk.type, chunk.payload)
    return parts


def pack(container: Container) -> bytes:
    """Return a container as the bytes of a .pxc file.

    Raises
    ------
    LimitExceededError
        If a chunk would be larger than MAX_PAYLOAD_SIZE_BYTES.
    """
    if container.header.kept:
        digest = container.pixel_hash
        return pack_kept(container.header, digest, container.recipe, container.coefficients)
    if may_be_compact(container.header):
        tables = (("PLTE", container.palette), ("TRNS", container.transparency))
        chunks = (*(Chunk(*table) for table in tables if table[1]), *container.ancillary)
        data = pack_compact(container.header, chunks, container.tiles[0].bitstream, container.pixel_hash)
        if len(data) <= MAX_COMPACT_SIZE_BYTES:
            return data
    parts = pack_start(container.header, container.palette, container.transparency, container.ancillary)
    if container.coefficients:
        parts += pack_chunk("COEF", container.coefficients)
    for tile in container.tiles:
        parts += pack_tile(tile)
    parts += pack_chunk("DONE", container.pixel_hash)
    return b"".join(parts)


def parse(data: Data) -> Container:
    """Parse the bytes of a whole .pxc file; the inverse of :func:`pack`.

    Raises
    ------
    NotPixcodecError
        If the bytes do not start with the magic.
    UnsupportedVersionError
        If the file has a value or a critical chunk that this version of pixcodec does not know.
    LimitExceededError
        If the image is larger than pixcodec accepts.
    CorruptFileError
        If anything else is not as FORMAT.md says.
    """
    data = bytes(data)
    header, end = read_header(data)
    if header.kept:
        return _parse_kept(data)
    if is_compact(data):
        return _parse_compact(data)
    chunks = _Chunks(header.version)
    while not chunks.complete:
        start = end
        chunk, end = read_chunk(data, start)
        chunks.add(chunk, f"chunk {chunk.type!r} at byte {start}")
    if end != len(data):
        raise CorruptFileError(
            f"found {len(data) - end} bytes after chunk 'DONE', expected the file to end at byte {end}"
        )
    try:
        return chunks.container(header)
    except ValueError as error:
        raise CorruptFileError(str(error)) from error


def _parse_kept(data: bytes) -> Container:
    start = read_kept_start(data)
    coefficients, recipe = kept_coefficients(data, start), kept_recipe(data, start)
    try:
        return Container(start.header, (), start.digest, coefficients=coefficients, recipe=recipe)
    except ValueError as error:
        raise CorruptFileError(str(error)) from error


def _parse_compact(data: bytes) -> Container:
    start, bitstream, pixel_hash = read_compact(data)
    tables = {chunk.type: chunk.payload for chunk in start.chunks if not chunk.ancillary}
    ancillary = tuple(chunk for chunk in start.chunks if chunk.ancillary)
    tile = Tile(TileKind.PACKED, 0, bitstream)
    try:
        return Container(
            *(start.header, (tile,), pixel_hash, ancillary),
            *(tables.get(name, b"") for name in ("PLTE", "TRNS")),
        )
    except ValueError as error:
        raise CorruptFileError(str(error)) from error


class _Chunks:
    """The chunks of a file after HEAD, which are checked for their order as they are added."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.before_tiles, self.after_tiles = _BEFORE_TILES[version], _AFTER_TILES[version]
        self.tiles: list[Tile] = []
        self.ancillary: list[Chunk] = []
        self.single: dict[str, bytes] = {}  # payloads of all others that are known

    @property
    def complete(self) -> bool:
        """Return whether the last chunk has been added."""
        return "DONE" in self.single

    def add(self, chunk: Chunk, where: str) -> None:
        """Add the next chunk; ``where`` says which it is, for messages."""
        if chunk.ancillary:
            self.ancillary.append(chunk)
        elif chunk.type not in ("HEAD", "TILE", *self.before_tiles, *self.after_tiles):
            raise UnsupportedVersionError(f"{where}: this version of pixcodec does not know the chunk")
        elif not self._is_in_order(chunk.type):
            raise CorruptFileError(f"{where}: found out of order")
        elif chunk.type == "TILE":
            self.tiles.append(parse_tile(chunk.payload, where, self.version))
        else:
            self._check_payload(chunk, where)
            self.single[chunk.type] = chunk.payload

    def _is_in_order(self, chunk_type: str) -> bool:
        if chunk_type == "TILE":
            return not self.single.keys() & {*self.after_tiles}
        if chunk_type in self.before_tiles:
            return not self.tiles and not self.single.keys() & {chunk_type, "COEF"}
        return chunk_type in self.after_tiles and chunk_type not in self.single

    def _check_payload(self, chunk: Chunk, where: str) -> None:
        if chunk.type in self.before_tiles:
            if not chunk.payload:
                raise CorruptFileError(f"{where}: payload is 0 bytes, expected 1 or more")
        elif chunk.type == "DONE" and self.version == 1 and (chunk.payload or "HASH" not in self.single):
            raise CorruptFileError(f"{where}: expected an empty chunk after chunk 'HASH'")

    def container(self, header: Header) -> Container:
        """Return the whole file; raise ValueError if its parts contradict each other."""
        pixel_hash = self.single[self.after_tiles[0]]
        return Container(
            *(header, tuple(self.tiles), pixel_hash, tuple(self.ancillary)),
            *(self.single.get(name, b"") for name in ("PLTE", "TRNS", "COEF")),
        )


def parse_tile(payload: bytes, where: str, version: int, *, still: bool = False) -> Tile:
    """Parse the payload of a chunk TILE; ``where`` says which it is, for messages.

    ``still``: whether it is of a frame of a series, which may have still runs.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    least = _TILE_1.size if version == 1 else _KIND_SIZE_BYTES
    if len(payload) < least:
        raise CorruptFileError(f"{where}: payload is {len(payload)} bytes, expected {least} or more")
    kind, slope, start = payload[0], 0, least
    kinds = _KINDS[: TileKind.RUNS] if version < _FIRST_RUNS_VERSION else _KINDS
    further = (TileKind.STILL if still else TileKind.PACKED) if version >= WIDER_VERSION else None
    if kind not in kinds and kind != further:
        raise unknown(where, "kind of tile", kind, kinds)
    try:
        if version == 1:
            _, reserved, slope = _TILE_1.unpack_from(payload)
            if reserved:
                raise unknown(where, "reserved byte", reserved, 0)
        elif TileKind(kind).has_slope:
            slope, start = read_varint(payload, _KIND_SIZE_BYTES)
        return Tile(TileKind(kind), slope, payload[start:])
    except ValueError as error:
        raise CorruptFileError(f"{where}: {error}") from error
