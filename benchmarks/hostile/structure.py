"""The bytes of a .pxc file <-> its parts, right or wrong, and checksums that fit whatever they are.

Unlike :mod:`pixcodec.container` this refuses nothing.
"""

from __future__ import annotations

import struct
import zlib

from pixcodec.container.chunks import MAGIC
from pixcodec.container.series_start import index_place
from pixcodec.errors import PixcodecError

_MARK = 0x88  # of files of version 8 without chunks
_START, _CRC = struct.Struct("<I4s"), struct.Struct("<I")

Part = tuple[bytes, bytes]  # type and payload of a chunk


def is_chunked(data: bytes) -> bool:
    """Return whether a file has chunks."""
    return len(data) > len(MAGIC) and data[len(MAGIC)] < 0x80


def series_mark(data: bytes) -> bool:
    """Return whether a file holds several frames."""
    return data[len(MAGIC) : len(MAGIC) + 2] in (b"\x88\2", b"\x88\3")


def chunks_of(data: bytes) -> list[Part]:
    """Return the chunks of an intact file."""
    found, at = [], len(MAGIC)
    while at < len(data):
        length, name = _START.unpack_from(data, at)
        found.append((name, data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def joined(parts: list[Part]) -> bytes:
    """Return a file of chunks."""
    return MAGIC + b"".join(chunk(name, payload) for name, payload in parts)


def chunk(name: bytes, payload: bytes) -> bytes:
    """Return a chunk with its CRC."""
    return _START.pack(len(payload), name) + payload + _CRC.pack(zlib.crc32(name + payload))


def repaired(data: bytes) -> bytes:
    """Return a file whose checksums are right, as far as one can tell where they are."""
    if data[: len(MAGIC)] != MAGIC or len(data) < len(MAGIC) + 4:
        return data
    changed = bytearray(data)
    if is_chunked(data):
        _repair_chunks(changed)
    elif series_mark(data):
        _repair_series(changed)
    else:
        changed[-2:] = struct.pack("<H", zlib.crc32(changed[:-2]) & 0xFFFF)
    return bytes(changed)


def _repair_chunks(data: bytearray) -> None:
    at = len(MAGIC)
    while at + 12 <= len(data):
        length = _START.unpack_from(data, at)[0]
        end = at + 8 + length
        if end + 4 > len(data):
            return
        _CRC.pack_into(data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4


def _repair_series(data: bytearray) -> None:
    try:
        at, size = index_place(bytes(data))
    except PixcodecError:
        return
    end = at + size
    if end + 4 <= len(data):
        _CRC.pack_into(data, end, zlib.crc32(data[:end]))
    if end + 8 <= len(data):
        _CRC.pack_into(data, len(data) - 4, zlib.crc32(data[:-4]))


def with_index(data: bytes, index: bytes, *, packed: bytes | None = None) -> bytes:
    """Return a file of several frames with another index; ``packed``: as it is in the file."""
    from pixcodec.container.varint import pack_varint

    at, size = index_place(data)
    start = at - len(pack_varint(size))
    stream = zlib.compress(index) if packed is None else packed
    return repaired(data[:start] + pack_varint(len(stream)) + stream + data[at + size :])


def index_of(data: bytes) -> bytes:
    """Return the index of an intact file of several frames, unpacked."""
    at, size = index_place(data)
    return zlib.decompress(data[at : at + size])
