"""A small .pxc file without chunks: a packed image of one tile (FORMAT.md, "Compact files").

Chunks would take as many bytes as the pixels of an icon, and no part of a small file is of use without the
others. Standard library only.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from pixcodec.container.chunks import MAGIC, Chunk, is_chunk_type
from pixcodec.container.header import WIDER_VERSION, Effort, Header, Mode, unknown
from pixcodec.container.pixel_hash import pixel_hash_size_bytes
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError

MAX_COMPACT_SIZE_BYTES = 2**16  # of the file
COMPACT_SAVING_BYTES = 39  # beside a file with the chunks HEAD, TILE and DONE
_MARK = bytes([0x80 | WIDER_VERSION, 1])  # follows the magic
_EFFORT_SHIFT, _MAPPED, _TRANSPARENCY, _ANCILLARY = 3, 1 << 5, 1 << 6, 1 << 7  # after the mode
_MODE_BITS, _EFFORT_BITS = 0b111, 0b11
_DEPTH_BITS, _INDEX_SHIFT = 0b1111, 4
_MAX_INDEX_BITS = 15
_TYPE_SIZE_BYTES = 4
_CHECK = struct.Struct("<H")
_WHERE = "the start of a compact file"


class CompactStart(NamedTuple):
    """What a compact file has before its bitstream: header, tables and metadata; and where that begins."""

    header: Header
    chunks: tuple[Chunk, ...]
    bitstream_at: int


def is_compact(data: bytes) -> bool:
    """Return whether a file, which begins with the magic, is compact."""
    return data[len(MAGIC) : len(MAGIC) + len(_MARK)] == _MARK


def may_be_compact(header: Header) -> bool:
    """Return whether an image of a header may be stored as a compact file, if that is small enough."""
    whole = (header.tile_width, header.tile_height) == (header.width, header.height)
    return header.packed and whole and header.index_bits <= _MAX_INDEX_BITS


def pack_compact(header: Header, chunks: tuple[Chunk, ...], bitstream: bytes, pixel_hash: bytes) -> bytes:
    """Return the bytes of a file.

    Parameters
    ----------
    header : Header
        Of which :func:`may_be_compact` holds.
    chunks : tuple of Chunk
        PLTE and TRNS if there are such, then those that are ancillary.
    bitstream : bytes
        Of the only tile.
    pixel_hash : bytes
    """
    tables = {chunk.type: chunk.payload for chunk in chunks if not chunk.ancillary}
    ancillary = [chunk for chunk in chunks if chunk.ancillary]
    flags = _MAPPED * header.mapped | _TRANSPARENCY * ("TRNS" in tables) | _ANCILLARY * bool(ancillary)
    first = header.mode | header.effort << _EFFORT_SHIFT | flags
    depths = header.bit_depth - 1 | header.index_bits << _INDEX_SHIFT
    parts = [MAGIC, _MARK, bytes([first, depths]), pack_varint(header.width), pack_varint(header.height)]
    parts += [pack_varint(len(tables[name])) + tables[name] for name in ("PLTE", "TRNS") if name in tables]
    if ancillary:
        parts.append(pack_varint(len(ancillary)))
    for chunk in ancillary:
        parts += [chunk.type.encode("ascii"), pack_varint(len(chunk.payload)), chunk.payload]
    data = b"".join([*parts, bitstream, pixel_hash])
    return data + _check(data)


def read_compact_start(data: bytes, *, tables: bool = True) -> CompactStart:
    """Read the start of a file of which :func:`is_compact` holds; the rest need not be there.

    ``tables``: whether to read what follows the sizes; without it there are no chunks, and the position is
    that of the first one.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    at = len(MAGIC) + len(_MARK)
    if len(data) < at + 2:
        raise CorruptFileError(f"{_WHERE}: file ends after {len(data)} bytes")
    first, depths = data[at], data[at + 1]
    mode, effort = first & _MODE_BITS, first >> _EFFORT_SHIFT & _EFFORT_BITS
    depth, index_bits = (depths & _DEPTH_BITS) + 1, depths >> _INDEX_SHIFT
    if mode not in set(Mode) - {Mode.DEEP}:  # which is never packed
        raise unknown(_WHERE, "mode", mode, f"0..{Mode.DEEP - 1}")
    if effort > Effort.MAX:
        raise unknown(_WHERE, "effort", effort, f"0..{Effort.MAX}")
    try:
        width, at = read_varint(data, at + 2)
        height, at = read_varint(data, at)
        header = Header(
            *(width, height, Mode(mode), Effort(effort), width, height, b"", depth, index_bits),
            mapped=bool(first & _MAPPED),
            packed=True,
            version=WIDER_VERSION,
        )
        chunks: list[Chunk] = []
        if tables:
            at = _read_chunks(data, at, header, first, chunks)
    except ValueError as error:
        raise CorruptFileError(f"{_WHERE}: {error}") from error
    return CompactStart(header, tuple(chunks), at)


def _read_chunks(data: bytes, at: int, header: Header, first: int, chunks: list[Chunk]) -> int:
    """Add the chunks of a file to a list; return where they end. Raise ValueError if they are damaged."""
    names = ["PLTE"] * (header.index_bits > 0 or header.mode is Mode.PALETTE)
    for name in names + ["TRNS"] * bool(first & _TRANSPARENCY):
        chunk, at = _read_payload(data, at, name)
        if not chunk.payload:
            raise ValueError(f"{name} is 0 bytes, expected 1 or more")
        chunks.append(chunk)
    count = 0
    if first & _ANCILLARY:
        count, at = read_varint(data, at)
        if not count:
            raise ValueError("number of ancillary chunks is 0, expected 1 or more")
    for _ in range(count):
        name = data[at : at + _TYPE_SIZE_BYTES].decode("latin-1")
        if not is_chunk_type(name) or not name[0].islower():
            raise ValueError(f"type {name!r} is not that of an ancillary chunk")
        chunk, at = _read_payload(data, at + _TYPE_SIZE_BYTES, name)
        chunks.append(chunk)
    return at


def _read_payload(data: bytes, at: int, name: str) -> tuple[Chunk, int]:
    size, at = read_varint(data, at)
    if size > len(data) - at:
        raise ValueError(f"{name} is {size} bytes, and the file ends after {len(data) - at}")
    return Chunk(name, data[at : at + size]), at + size


def read_compact(data: bytes) -> tuple[CompactStart, bytes, bytes]:
    """Return the start of a whole file, which is checked, its bitstream, and the hash of the pixels.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    if len(data) > MAX_COMPACT_SIZE_BYTES:
        raise CorruptFileError(f"a compact file has {len(data)} bytes, at most {MAX_COMPACT_SIZE_BYTES}")
    end = len(data) - _CHECK.size
    if data[end:] != (expected := _check(data[:end])):
        raise CorruptFileError(f"the last bytes are {data[end:].hex()}, expected {expected.hex()}")
    start = read_compact_start(data[:end])
    hash_at = end - pixel_hash_size_bytes(WIDER_VERSION)
    if hash_at < start.bitstream_at:
        raise CorruptFileError(f"a compact file ends after {len(data)} bytes, within the hash of its pixels")
    return start, data[start.bitstream_at : hash_at], data[hash_at:end]


def _check(data: bytes) -> bytes:
    """Return what a file ends with, after these bytes."""
    return _CHECK.pack(zlib.crc32(data) & 0xFFFF)
