"""Bytes <-> header and chunks of a .pxc file (FORMAT.md, "Container"); standard library only."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, NamedTuple

from pixcodec.container.header import (
    FORMAT_VERSIONS,
    MAX_SIDE,
    Header,
    Mode,
    pack_header,
    read_varint,
    unknown,
    unpack_header,
    varint,
)
from pixcodec.container.layers import LayerKind, layers_of
from pixcodec.errors import CorruptFileError, LimitExceededError, NotPixcodecError, UnsupportedVersionError

MAGIC = b"\x8cPXC\r\n\x1a\n"
PIXEL_HASH_SIZE_BYTES = 8
MAX_PAYLOAD_SIZE_BYTES = 2**31 - 1

_CHUNK_START = struct.Struct("<I4s")  # length of the payload, type
_CRC = struct.Struct("<I")
_LARGE = (b"COEF", b"TILE")  # the first of these ends what a reader of metadata looks at
_TILE_1 = struct.Struct("<BBI")
_GEOMETRY_1 = struct.Struct("<IIB")
_GEOMETRY = struct.Struct("<IIBB")
CHUNK_OVERHEAD_BYTES = _CHUNK_START.size + _CRC.size  # of a chunk besides its payload
_BLOCK_SIZE_BYTES = 2**20
_MAX_HEAD_SIZE_BYTES = 40

HEADER_SIZE_BYTES = len(MAGIC) + CHUNK_OVERHEAD_BYTES + _MAX_HEAD_SIZE_BYTES  # a prefix with all of HEAD

Data = bytes | bytearray | memoryview


class TileKind(IntEnum):
    """How the bitstream of a layer of a tile is to be read."""

    RAW = 0
    CODED = 1


@dataclass(frozen=True)
class Tile:
    """One chunk TILE: a layer of a tile.

    Parameters
    ----------
    kind : TileKind
    slope : int
        Shift from row to row of the tile's wavefronts, in pixels: 1..MAX_SIDE, or 0 if it is raw.
    bitstream : bytes
        The values themselves if it is raw, else what the range coder made of them.

    Raises
    ------
    ValueError
        If the slope does not fit the kind.
    """

    kind: TileKind
    slope: int
    bitstream: bytes

    def __post_init__(self) -> None:
        low, high = (0, 0) if self.kind is TileKind.RAW else (1, MAX_SIDE)
        if not low <= self.slope <= high:
            raise ValueError(f"slope of a {self.kind.name} tile is {self.slope}, expected {low}..{high}")


class Chunk(NamedTuple):
    """One chunk as it is, without its meaning; ``type`` is four ASCII letters."""

    type: str
    payload: bytes

    @property
    def ancillary(self) -> bool:
        """Return whether a reader that does not know the type may skip the chunk."""
        return self.type[0].islower()


@dataclass(frozen=True)
class Container:
    """A whole .pxc file.

    Parameters
    ----------
    header : Header
    tiles : tuple of Tile
        For each tile, in raster order, each of its layers.
    pixel_hash : bytes
        8 bytes, see :func:`pixel_hash`; 16 in format version 1.
    ancillary : tuple of Chunk
        Chunks that a decoder may skip.
    palette : bytes
        The chunk PLTE, empty if there is none.
    transparency : bytes
        The chunk TRNS, empty if there is none.
    coefficients : bytes
        The chunk COEF, empty if there is none.

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

    def __post_init__(self) -> None:
        self._check_tiles()
        if self.header.index_bits or self.header.mode is Mode.PALETTE:
            if not self.palette:
                raise ValueError("chunk 'PLTE' is missing")
        elif self.palette:
            raise ValueError(f"an image of mode {self.header.mode.name} has a chunk 'PLTE'")
        if self.header.jpeg and not self.coefficients:
            raise ValueError("chunk 'COEF' is missing")
        if self.coefficients and not self.header.jpeg:
            raise ValueError("an image without JPEG coefficients has a chunk 'COEF'")
        size = PIXEL_HASH_SIZE_BYTES if self.header.version > 1 else 16
        if len(self.pixel_hash) != size:
            raise ValueError(f"pixel hash is {len(self.pixel_hash)} bytes, expected {size}")
        for chunk in self.ancillary:
            if not _is_type(chunk.type) or not chunk.ancillary:
                raise ValueError(f"type {chunk.type!r} is not that of an ancillary chunk")

    def _check_tiles(self) -> None:
        grid, layers = self.header.grid, layers_of(self.header)
        if len(self.tiles) != len(grid) * len(layers):
            raise ValueError(f"number of tiles is {len(self.tiles)}, expected {len(grid) * len(layers)}")
        for index, tile in enumerate(self.tiles):
            layer = layers[index % len(layers)]
            if tile.kind is TileKind.RAW:
                expected = layer.raw_size_bytes(grid[index // len(layers)].pixel_count)
                if len(tile.bitstream) != expected:
                    raise ValueError(f"raw tile {index} is {len(tile.bitstream)} bytes, expected {expected}")
            elif layer.kind is LayerKind.NETWORK and not self.header.model_id:
                raise ValueError(f"tile {index} is coded with a network, expected a model id")


def pixel_hash(header: Header, pixels: Data) -> bytes:
    """Return the hash that the last chunk carries (FORMAT.md, "DONE").

    Parameters
    ----------
    header : Header
    pixels : bytes-like
        Subpixels in raster order, channels interleaved, one byte each, or two, little-endian.
    """
    h = header
    if h.version == 1:
        state = hashlib.blake2b(_GEOMETRY_1.pack(h.width, h.height, h.mode), digest_size=16)
    else:
        geometry = _GEOMETRY.pack(h.width, h.height, h.mode, h.bit_depth)
        state = hashlib.blake2b(geometry, digest_size=PIXEL_HASH_SIZE_BYTES)
    state.update(pixels)
    return state.digest()


def pack(container: Container) -> bytes:
    """Write a container as the bytes of a .pxc file.

    Raises
    ------
    LimitExceededError
        If a chunk would be larger than MAX_PAYLOAD_SIZE_BYTES.
    """
    parts = [MAGIC, *_pack_chunk("HEAD", pack_header(container.header))]
    if container.palette:
        parts += _pack_chunk("PLTE", container.palette)
    if container.transparency:
        parts += _pack_chunk("TRNS", container.transparency)
    for chunk in container.ancillary:
        parts += _pack_chunk(chunk.type, chunk.payload)
    if container.coefficients:
        parts += _pack_chunk("COEF", container.coefficients)
    for tile in container.tiles:
        slope = varint(tile.slope) if tile.kind is TileKind.CODED else b""
        parts += _pack_chunk("TILE", bytes([tile.kind]), slope, tile.bitstream)
    parts += _pack_chunk("DONE", container.pixel_hash)
    return b"".join(parts)


def parse(data: Data) -> Container:
    """Read the bytes of a whole .pxc file; the inverse of :func:`pack`.

    Raises
    ------
    NotPixcodecError
        If the bytes do not start with the magic.
    UnsupportedVersionError
        If the file needs something that this version does not know.
    LimitExceededError
        If the image is larger than pixcodec accepts.
    CorruptFileError
        If anything else is not as FORMAT.md says.
    """
    data = bytes(data)
    header, end = _read_header(data)
    tiles: list[Tile] = []
    ancillary: list[Chunk] = []
    single: dict[str, bytes] = {}
    # What may follow what, by the first letters of the types: critical chunks before tiles, then tiles.
    last = ("HASH", "DONE") if header.version == 1 else ("DONE",)
    before = {1: (), 3: ("PLTE", "TRNS")}.get(header.version, ("PLTE", "TRNS", "COEF"))
    while "DONE" not in single:
        start = end
        chunk, end = _read_chunk(data, start)
        where = f"chunk {chunk.type!r} at byte {start}"
        if chunk.ancillary:
            ancillary.append(chunk)
        elif chunk.type == "TILE" and not single.keys() & set(last):
            tiles.append(_parse_tile(chunk.payload, where, header.version))
        elif chunk.type in before and not single.keys() & {chunk.type, "COEF"} and not tiles:
            if not chunk.payload:
                raise CorruptFileError(f"{where}: payload is 0 bytes, expected 1 or more")
            single[chunk.type] = chunk.payload
        elif chunk.type in last and chunk.type not in single:
            if chunk.type == "DONE" and "HASH" in last and (chunk.payload or "HASH" not in single):
                raise CorruptFileError(f"{where}: expected an empty chunk after chunk 'HASH'")
            single[chunk.type] = chunk.payload
        elif chunk.type in ("HEAD", "TILE", *before, *last):
            raise CorruptFileError(f"{where}: found out of order")
        else:
            raise UnsupportedVersionError(f"{where}: this version of pixcodec does not know the chunk")
    if end != len(data):
        raise CorruptFileError(
            f"found {len(data) - end} bytes after chunk 'DONE', expected the file to end at byte {end}"
        )
    parts = (single.get(kind, b"") for kind in ("PLTE", "TRNS", "COEF"))
    try:
        return Container(header, tuple(tiles), single[last[0]], tuple(ancillary), *parts)
    except ValueError as error:
        raise CorruptFileError(str(error)) from error


def parse_header(data: Data) -> Header:
    """Read the header from the first HEADER_SIZE_BYTES bytes (or more) of a .pxc file.

    Raises
    ------
    NotPixcodecError
        If the bytes do not start with the magic.
    UnsupportedVersionError
        If the file needs something that this version does not know.
    LimitExceededError
        If the image is larger than pixcodec accepts.
    CorruptFileError
        If the bytes are too few, or the header is not as FORMAT.md says.
    """
    return _read_header(bytes(data[:HEADER_SIZE_BYTES]))[0]


def parse_start(data: Data) -> tuple[Header, tuple[Chunk, ...]]:
    """Read the header and the chunks before coefficients and tiles, which need no decoding.

    Parameters
    ----------
    data : bytes-like
        The file, or what :func:`read_beginning` returns of it, or more.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        As :func:`parse`; what comes later is not looked at.
    """
    data = bytes(data)
    header, end = _read_header(data)
    chunks: list[Chunk] = []
    while data[end + 4 : end + 8] not in (*_LARGE, b"DONE"):
        chunk, end = _read_chunk(data, end)
        chunks.append(chunk)
    return header, tuple(chunks)


def _read_header(data: bytes) -> tuple[Header, int]:
    """Return the header and where its chunk ends."""
    _check_magic(data)
    start = len(MAGIC)
    where = f"chunk 'HEAD' at byte {start}"
    body = start + _CHUNK_START.size
    if len(data) < body + 2:
        raise CorruptFileError(f"{where}: file ends after {len(data)} bytes, expected {body + 2} or more")
    length, kind = _CHUNK_START.unpack_from(data, start)
    if kind != b"HEAD":
        raise CorruptFileError(f"{where}: found type {_shown(kind)}, expected 'HEAD'")
    version = int.from_bytes(data[body : body + 2], "little")
    if length > _MAX_HEAD_SIZE_BYTES:
        if version not in FORMAT_VERSIONS:  # its CRC may be out of reach
            raise unknown(where, "format version", version, FORMAT_VERSIONS)
        raise CorruptFileError(f"{where}: payload is {length} bytes, the most is {_MAX_HEAD_SIZE_BYTES}")
    chunk, end = _read_chunk(data, start)
    return unpack_header(chunk.payload, where), end


def read_beginning(file: IO[bytes]) -> bytes:
    """Read a .pxc file up to its pixels: all that tells of the image but these.

    Parameters
    ----------
    file : binary file
        At the start of the .pxc file.

    Returns
    -------
    bytes
        The magic, HEAD, the ancillary chunks and the length and type of COEF or the first TILE; less if the
        file ends before or does not start with the magic. Nothing else is checked.
    """
    data = bytearray(file.read(len(MAGIC)))
    while data[: len(MAGIC)] == MAGIC:
        start = file.read(_CHUNK_START.size)
        data += start
        if len(start) < _CHUNK_START.size or start.endswith(_LARGE):
            break
        left = _CHUNK_START.unpack(start)[0] + _CRC.size
        while left:
            block = file.read(min(left, _BLOCK_SIZE_BYTES))  # a damaged length must not claim memory
            if not block:
                return bytes(data)
            data += block
            left -= len(block)
    return bytes(data)


@dataclass(frozen=True)
class Info:
    """What :func:`read_info` tells of a file; names as in FORMAT.md, sizes of images in pixels."""

    format_version: int
    width: int
    height: int
    mode: str
    bit_depth: int
    jpeg: bool
    exact: bool
    effort: str
    tile_width: int
    tile_height: int
    tile_count: int
    model_id: str
    size_bytes: int
    bpsp_file: float


def read_info(data: Data, *, size_bytes: int | None = None) -> Info:
    """Return what the header of a .pxc file says, without decoding or checking the rest.

    Parameters
    ----------
    data : bytes-like
        The file, or its first HEADER_SIZE_BYTES bytes or more.
    size_bytes : int, optional
        Size of the whole file, if ``data`` is a part of it.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        As :func:`parse_header`.
    """
    header = parse_header(data)
    size = len(data) if size_bytes is None else size_bytes
    return Info(
        format_version=header.version,
        width=header.width,
        height=header.height,
        mode=header.mode.name.lower(),
        bit_depth=header.bit_depth,
        jpeg=header.jpeg,
        exact=header.exact,
        effort=header.effort.name.lower(),
        tile_width=header.tile_width,
        tile_height=header.tile_height,
        tile_count=0 if header.exact else len(header.grid),
        model_id=header.model_id.hex(),
        size_bytes=size,
        bpsp_file=8 * size / header.subpixel_count,
    )


def _pack_chunk(kind: str, *payload: bytes) -> list[bytes]:
    """Return the parts of a chunk; their concatenation is the chunk."""
    length = sum(map(len, payload))
    if length > MAX_PAYLOAD_SIZE_BYTES:
        raise LimitExceededError(f"chunk {kind!r} is {length} bytes, the limit is {MAX_PAYLOAD_SIZE_BYTES}")
    crc = zlib.crc32(kind.encode("ascii"))
    for part in payload:
        crc = zlib.crc32(part, crc)
    return [_CHUNK_START.pack(length, kind.encode("ascii")), *payload, _CRC.pack(crc)]


def _check_magic(data: bytes) -> None:
    found = data[: len(MAGIC)]
    if found == MAGIC:
        return
    if found[:4] == MAGIC[:4]:
        raise CorruptFileError(
            f"magic is {found.hex(' ')}, expected {MAGIC.hex(' ')}: the file was cut or transferred as text"
        )
    raise NotPixcodecError(f"file starts with {found.hex(' ') or 'nothing'}, expected {MAGIC.hex(' ')}")


def _is_type(name: str) -> bool:
    return len(name) == 4 and name.isascii() and name.isalpha()


def _shown(kind: bytes) -> str:
    return repr(kind)[1:]


def _read_chunk(data: bytes, start: int) -> tuple[Chunk, int]:
    """Return the chunk at ``start`` and where it ends."""
    left = len(data) - start
    if left < CHUNK_OVERHEAD_BYTES:
        raise CorruptFileError(
            f"chunk at byte {start}: file ends after {left} bytes, expected {CHUNK_OVERHEAD_BYTES} or more"
        )
    length, kind = _CHUNK_START.unpack_from(data, start)
    where = f"chunk {_shown(kind)} at byte {start}"
    if not kind.isalpha():
        raise CorruptFileError(f"{where}: expected a type of four ASCII letters")
    if length > left - CHUNK_OVERHEAD_BYTES:
        raise CorruptFileError(
            f"{where}: file ends after {left} bytes, expected {length + CHUNK_OVERHEAD_BYTES} or more"
        )
    body = start + _CHUNK_START.size
    end = body + length
    (expected,) = _CRC.unpack_from(data, end)
    payload = data[body:end]
    crc = zlib.crc32(payload, zlib.crc32(kind))
    if crc != expected:
        raise CorruptFileError(f"{where}: CRC is 0x{crc:08x}, expected 0x{expected:08x}")
    return Chunk(kind.decode("ascii"), payload), end + _CRC.size


def _parse_tile(payload: bytes, where: str, version: int) -> Tile:
    least = _TILE_1.size if version == 1 else 1
    if len(payload) < least:
        raise CorruptFileError(f"{where}: payload is {len(payload)} bytes, expected {least} or more")
    kind, slope, start = payload[0], 0, least
    if kind not in set(TileKind):
        raise unknown(where, "kind of tile", kind, f"0..{max(TileKind)}")
    try:
        if version == 1:
            _, reserved, slope = _TILE_1.unpack_from(payload)
            if reserved:
                raise unknown(where, "reserved byte", reserved, 0)
        elif kind == TileKind.CODED:
            slope, start = read_varint(payload, 1)
        return Tile(TileKind(kind), slope, payload[start:])
    except ValueError as error:
        raise CorruptFileError(f"{where}: {error}") from error
