"""Bytes <-> header and chunks of a .pxc file (FORMAT.md, "Container"); standard library only."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import IO, NamedTuple

from pixcodec.errors import CorruptFileError, LimitExceededError, NotPixcodecError, UnsupportedVersionError
from pixcodec.tiles import TileGrid

MAGIC = b"\x8cPXC\r\n\x1a\n"
FORMAT_VERSIONS = (1, 2)  # those that can be read
BIT_DEPTH = 8
MODEL_ID_SIZE_BYTES = 16
PIXEL_HASH_SIZE_BYTES = 16

MAX_SIDE = 2**20  # pixels; of an image and of a tile
MAX_PIXELS = 2**31
DEFAULT_MAX_PIXELS = 2**28  # unless a caller asks for more: a small file can describe a large image
MAX_TILE_PIXELS = 2**28
MAX_PAYLOAD_SIZE_BYTES = 2**31 - 1

_CHUNK_START = struct.Struct("<I4s")  # length of the payload, type
_CRC = struct.Struct("<I")
_HEAD = struct.Struct("<HHIIBBBBII16s")
_TILE = struct.Struct("<BBI")
_GEOMETRY = struct.Struct("<IIB")
_CHUNK_OVERHEAD_BYTES = _CHUNK_START.size + _CRC.size
_BLOCK_SIZE_BYTES = 2**20

HEADER_SIZE_BYTES = len(MAGIC) + _CHUNK_OVERHEAD_BYTES + _HEAD.size  # a prefix that parse_header accepts

Data = bytes | bytearray | memoryview


class Mode(IntEnum):
    """What the subpixels of a pixel are."""

    GREY = 0
    RGB = 1

    @property
    def channels(self) -> int:
        """Return the number of subpixels of a pixel."""
        return 3 if self is Mode.RGB else 1


class Effort(IntEnum):
    """How much work the bitstreams cost to code and to decode."""

    FAST = 0
    NORMAL = 1
    MAX = 2

    @property
    def format_version(self) -> int:
        """Return the format version of files of this effort: the one that last changed their bytes."""
        return 1 if self is Effort.FAST else 2


class TileKind(IntEnum):
    """How the bitstream of a tile is to be read."""

    RAW = 0
    CODED = 1


@dataclass(frozen=True)
class Header:
    """The chunk HEAD: all that is known of an image before its tiles.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels, 1..MAX_SIDE.
    mode : Mode
    effort : Effort
    tile_width, tile_height : int
        Size of an uncut tile in pixels, 1..MAX_SIDE.
    model_id : bytes
        Content hash of the network, 16 bytes.

    Raises
    ------
    LimitExceededError
        If a side, the image or a tile is larger than pixcodec accepts.
    ValueError
        If a size is less than 1 or the model id has another length.
    """

    width: int
    height: int
    mode: Mode
    effort: Effort
    tile_width: int
    tile_height: int
    model_id: bytes

    def __post_init__(self) -> None:
        grid = self.grid
        for name in ("width", "height", "tile_width", "tile_height"):
            if getattr(self, name) > MAX_SIDE:
                raise LimitExceededError(f"{name} is {getattr(self, name)} pixels, the limit is {MAX_SIDE}")
        if self.width * self.height > MAX_PIXELS:
            raise LimitExceededError(
                f"image is {self.width}x{self.height} pixels, the limit is {MAX_PIXELS} pixels"
            )
        if grid[0].pixel_count > MAX_TILE_PIXELS:
            raise LimitExceededError(
                f"tile is {grid[0].width}x{grid[0].height} pixels, the limit is {MAX_TILE_PIXELS} pixels"
            )
        if len(self.model_id) != MODEL_ID_SIZE_BYTES:
            raise ValueError(f"model id is {len(self.model_id)} bytes, expected {MODEL_ID_SIZE_BYTES}")

    @property
    def grid(self) -> TileGrid:
        """Return the tiles of the image."""
        return TileGrid(self.width, self.height, self.tile_width, self.tile_height)

    @property
    def subpixel_count(self) -> int:
        """Return the number of subpixels of the image, which is also its raw size in bytes."""
        return self.width * self.height * self.mode.channels


@dataclass(frozen=True)
class Tile:
    """One chunk TILE.

    Parameters
    ----------
    kind : TileKind
    slope : int
        Shift from row to row of the tile's wavefronts, in pixels: 1..MAX_SIDE, or 0 in a raw tile.
    bitstream : bytes
        The subpixels themselves in a raw tile, else what the range coder made of them.

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
        In raster order, as many as the header says.
    pixel_hash : bytes
        16 bytes, see :func:`pixel_hash`.
    ancillary : tuple of Chunk
        Chunks that a decoder may skip.

    Raises
    ------
    ValueError
        If the parts contradict each other.
    """

    header: Header
    tiles: tuple[Tile, ...]
    pixel_hash: bytes
    ancillary: tuple[Chunk, ...] = ()

    def __post_init__(self) -> None:
        grid = self.header.grid
        if len(self.tiles) != len(grid):
            raise ValueError(f"number of tiles is {len(self.tiles)}, expected {len(grid)}")
        for index, (tile, box) in enumerate(zip(self.tiles, grid, strict=True)):
            expected = box.pixel_count * self.header.mode.channels
            if tile.kind is TileKind.RAW and len(tile.bitstream) != expected:
                raise ValueError(f"raw tile {index} is {len(tile.bitstream)} bytes, expected {expected}")
        if len(self.pixel_hash) != PIXEL_HASH_SIZE_BYTES:
            raise ValueError(f"pixel hash is {len(self.pixel_hash)} bytes, expected {PIXEL_HASH_SIZE_BYTES}")
        for chunk in self.ancillary:
            if not _is_type(chunk.type) or not chunk.ancillary:
                raise ValueError(f"type {chunk.type!r} is not that of an ancillary chunk")


def pixel_hash(width: int, height: int, mode: Mode, pixels: Data) -> bytes:
    """Return the hash that the chunk HASH carries (FORMAT.md, "HASH").

    Parameters
    ----------
    width, height : int
        Size of the image in pixels.
    mode : Mode
    pixels : bytes-like
        Subpixels in raster order, channels interleaved, one byte each.

    Returns
    -------
    bytes
        16 bytes.
    """
    state = hashlib.blake2b(_GEOMETRY.pack(width, height, mode), digest_size=PIXEL_HASH_SIZE_BYTES)
    state.update(pixels)
    return state.digest()


def pack(container: Container) -> bytes:
    """Write a container as the bytes of a .pxc file.

    Raises
    ------
    LimitExceededError
        If a chunk would be larger than MAX_PAYLOAD_SIZE_BYTES.
    """
    h = container.header
    head = _HEAD.pack(
        *(h.effort.format_version, 0, h.width, h.height, h.mode, BIT_DEPTH, h.effort, 0),
        *(h.tile_width, h.tile_height, h.model_id),
    )
    parts = [MAGIC, *_pack_chunk("HEAD", head)]
    for chunk in container.ancillary:
        parts += _pack_chunk(chunk.type, chunk.payload)
    for tile in container.tiles:
        parts += _pack_chunk("TILE", _TILE.pack(tile.kind, 0, tile.slope), tile.bitstream)
    parts += _pack_chunk("HASH", container.pixel_hash)
    parts += _pack_chunk("DONE")
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
    header = parse_header(data)
    tiles: list[Tile] = []
    ancillary: list[Chunk] = []
    found_hash: bytes | None = None
    tile_count = len(header.grid)
    end, done = HEADER_SIZE_BYTES, False
    while not done:
        start = end
        chunk, end = _read_chunk(data, start)
        where = f"chunk {chunk.type!r} at byte {start}"
        expected = _expected(len(tiles), tile_count, found_hash is not None)
        if chunk.ancillary:
            if expected not in ("DONE", "TILE") or (expected == "TILE" and tiles):
                raise CorruptFileError(f"{where}: expected chunk {expected!r}")
            ancillary.append(chunk)
        elif chunk.type not in ("HEAD", "TILE", "HASH", "DONE"):
            raise UnsupportedVersionError(f"{where}: this version of pixcodec does not know the chunk")
        elif chunk.type != expected:
            raise CorruptFileError(f"{where}: expected chunk {expected!r}")
        elif chunk.type == "TILE":
            tiles.append(_parse_tile(chunk.payload, where))
        elif chunk.type == "HASH":
            found_hash = chunk.payload
        else:
            done = True
            if chunk.payload:
                raise CorruptFileError(f"{where}: payload is {len(chunk.payload)} bytes, expected 0")
    if end != len(data):
        raise CorruptFileError(
            f"found {len(data) - end} bytes after chunk 'DONE', expected the file to end at byte {end}"
        )
    assert found_hash is not None
    try:
        return Container(header, tuple(tiles), found_hash, tuple(ancillary))
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
    data = bytes(data[:HEADER_SIZE_BYTES])
    _check_magic(data)
    start = len(MAGIC)
    where = f"chunk 'HEAD' at byte {start}"
    if len(data) < HEADER_SIZE_BYTES:
        raise CorruptFileError(
            f"{where}: file ends after {len(data)} bytes, expected {HEADER_SIZE_BYTES} or more"
        )
    length, kind = _CHUNK_START.unpack_from(data, start)
    (version,) = struct.unpack_from("<H", data, start + _CHUNK_START.size)
    if kind == b"HEAD" and length != _HEAD.size and version not in FORMAT_VERSIONS:
        raise _unknown(where, "format version", version, FORMAT_VERSIONS)  # its CRC is out of reach
    if kind != b"HEAD" or length != _HEAD.size:
        raise CorruptFileError(
            f"{where}: found type {_shown(kind)} and {length} bytes, expected 'HEAD' and {_HEAD.size} bytes"
        )
    chunk, _ = _read_chunk(data, start)
    return _parse_head(chunk.payload, where)


def read_beginning(file: IO[bytes]) -> bytes:
    """Read a .pxc file up to its first tile: all that tells of the image but its pixels.

    Parameters
    ----------
    file : binary file
        At the start of the .pxc file.

    Returns
    -------
    bytes
        The magic, HEAD, the ancillary chunks and the length and type of the first TILE; less if the file
        ends before or does not start with the magic. Nothing else is checked.
    """
    data = bytearray(file.read(len(MAGIC)))
    while data[: len(MAGIC)] == MAGIC:
        start = file.read(_CHUNK_START.size)
        data += start
        if len(start) < _CHUNK_START.size or start.endswith(b"TILE"):
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
        format_version=header.effort.format_version,
        width=header.width,
        height=header.height,
        mode=header.mode.name.lower(),
        effort=header.effort.name.lower(),
        tile_width=header.tile_width,
        tile_height=header.tile_height,
        tile_count=len(header.grid),
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
    if left < _CHUNK_OVERHEAD_BYTES:
        raise CorruptFileError(
            f"chunk at byte {start}: file ends after {left} bytes, expected {_CHUNK_OVERHEAD_BYTES} or more"
        )
    length, kind = _CHUNK_START.unpack_from(data, start)
    where = f"chunk {_shown(kind)} at byte {start}"
    if not kind.isalpha():
        raise CorruptFileError(f"{where}: expected a type of four ASCII letters")
    if length > left - _CHUNK_OVERHEAD_BYTES:
        raise CorruptFileError(
            f"{where}: file ends after {left} bytes, expected {length + _CHUNK_OVERHEAD_BYTES} or more"
        )
    body = start + _CHUNK_START.size
    end = body + length
    (expected,) = _CRC.unpack_from(data, end)
    payload = data[body:end]
    crc = zlib.crc32(payload, zlib.crc32(kind))
    if crc != expected:
        raise CorruptFileError(f"{where}: CRC is 0x{crc:08x}, expected 0x{expected:08x}")
    return Chunk(kind.decode("ascii"), payload), end + _CRC.size


def _expected(tiles_found: int, tile_count: int, hash_found: bool) -> str:
    """Return the type of the critical chunk that must come next."""
    if tiles_found < tile_count:
        return "TILE"
    return "DONE" if hash_found else "HASH"


def _parse_head(payload: bytes, where: str) -> Header:
    version, flags, width, height, mode, depth, effort, reserved, tile_width, tile_height, model_id = (
        _HEAD.unpack(payload)
    )
    if version not in FORMAT_VERSIONS:
        raise _unknown(where, "format version", version, FORMAT_VERSIONS)
    if flags:
        raise _unknown(where, "flags", f"0x{flags:04x}", "0x0000")
    if reserved:
        raise _unknown(where, "reserved byte", reserved, 0)
    if depth != BIT_DEPTH:
        raise _unknown(where, "bit depth", depth, BIT_DEPTH)
    if mode not in set(Mode):
        raise _unknown(where, "mode", mode, f"0..{max(Mode)}")
    if effort not in set(Effort):
        raise _unknown(where, "effort", effort, f"0..{max(Effort)}")
    if version != Effort(effort).format_version:
        what = f"format version of effort {Effort(effort).name.lower()}"
        raise _unknown(where, what, version, Effort(effort).format_version)
    try:
        return Header(width, height, Mode(mode), Effort(effort), tile_width, tile_height, model_id)
    except ValueError as error:
        raise CorruptFileError(f"{where}: {error}") from error
    except LimitExceededError as error:
        raise LimitExceededError(f"{where}: {error}") from error


def _parse_tile(payload: bytes, where: str) -> Tile:
    if len(payload) < _TILE.size:
        raise CorruptFileError(f"{where}: payload is {len(payload)} bytes, expected {_TILE.size} or more")
    kind, reserved, slope = _TILE.unpack_from(payload)
    if kind not in set(TileKind):
        raise _unknown(where, "kind of tile", kind, f"0..{max(TileKind)}")
    if reserved:
        raise _unknown(where, "reserved byte", reserved, 0)
    try:
        return Tile(TileKind(kind), slope, payload[_TILE.size :])
    except ValueError as error:
        raise CorruptFileError(f"{where}: {error}") from error


def _unknown(where: str, what: str, found: object, expected: object) -> UnsupportedVersionError:
    """Return the error for an intact value that only another version of the format can mean."""
    if isinstance(expected, tuple):
        expected = f"{expected[0]}..{expected[-1]}"
    return UnsupportedVersionError(f"{where}: {what} is {found}, this version of pixcodec knows {expected}")
