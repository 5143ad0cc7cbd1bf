"""Bytes <-> the magic and the chunks of a .pxc file (FORMAT.md, "Container"); standard library only.

A chunk is the length of its payload (u32), its type (four ASCII letters), the payload, and the CRC-32 of type
and payload (u32).
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from pixcodec.errors import CorruptFileError, LimitExceededError, NotPixcodecError

MAGIC = b"\x8cPXC\r\n\x1a\n"
MAGIC_NAME = MAGIC[:4]  # the part that a transfer as text leaves intact
MAX_PAYLOAD_SIZE_BYTES = 2**31 - 1
CHUNK_START = struct.Struct("<I4s")  # length of the payload, type
CHUNK_CRC = struct.Struct("<I")
CHUNK_OVERHEAD_BYTES = CHUNK_START.size + CHUNK_CRC.size  # size of a chunk without its payload

_LENGTH_SIZE_BYTES = 4
_TYPE_SIZE_BYTES = 4

Data = bytes | bytearray | memoryview


class Chunk(NamedTuple):
    """A chunk as it is in the file: its type, four ASCII letters, and its payload."""

    type: str
    payload: bytes

    @property
    def ancillary(self) -> bool:
        """Return whether a decoder that does not know the type must skip the chunk."""
        return self.type[0].islower()


def is_chunk_type(name: str) -> bool:
    """Return whether a string is four ASCII letters."""
    return len(name) == _TYPE_SIZE_BYTES and name.isascii() and name.isalpha()


def check_magic(data: bytes) -> None:
    """Raise an error unless the bytes start with the magic.

    Raises
    ------
    NotPixcodecError
        If they start with something else.
    CorruptFileError
        If only the part of the magic is wrong that a transfer as text changes.
    """
    found = data[: len(MAGIC)]
    if found == MAGIC:
        return
    if found.startswith(MAGIC_NAME):
        raise CorruptFileError(
            f"magic is {found.hex(' ')}, expected {MAGIC.hex(' ')}: the file was cut or transferred as text"
        )
    raise NotPixcodecError(f"file starts with {found.hex(' ') or 'nothing'}, expected {MAGIC.hex(' ')}")


def pack_chunk(chunk_type: str, *payload: bytes) -> list[bytes]:
    """Return a chunk in parts, which the caller joins with those of other chunks.

    Parameters
    ----------
    chunk_type : str
    payload : bytes
        The payload, in any number of parts.

    Raises
    ------
    LimitExceededError
        If the payload is larger than MAX_PAYLOAD_SIZE_BYTES.
    """
    length = sum(map(len, payload))
    if length > MAX_PAYLOAD_SIZE_BYTES:
        raise LimitExceededError(
            f"chunk {chunk_type!r} is {length} bytes, the limit is {MAX_PAYLOAD_SIZE_BYTES}"
        )
    letters = chunk_type.encode("ascii")
    crc = zlib.crc32(letters)
    for part in payload:
        crc = zlib.crc32(part, crc)
    return [CHUNK_START.pack(length, letters), *payload, CHUNK_CRC.pack(crc)]


def read_chunk(data: bytes, start: int) -> tuple[Chunk, int]:
    """Read the chunk at byte ``start`` of a file.

    Returns
    -------
    chunk : Chunk
    end : int
        Position of the first byte after the chunk.

    Raises
    ------
    CorruptFileError
        If the file ends within the chunk, the type is not four ASCII letters, or the CRC is wrong.
    """
    left = len(data) - start
    if left < CHUNK_OVERHEAD_BYTES:
        raise CorruptFileError(
            f"chunk at byte {start}: file ends after {left} bytes, expected {CHUNK_OVERHEAD_BYTES} or more"
        )
    length, letters = CHUNK_START.unpack_from(data, start)
    where = f"chunk {shown(letters)} at byte {start}"
    if not letters.isalpha():
        raise CorruptFileError(f"{where}: expected a type of four ASCII letters")
    if length > left - CHUNK_OVERHEAD_BYTES:
        raise CorruptFileError(
            f"{where}: file ends after {left} bytes, expected {length + CHUNK_OVERHEAD_BYTES} or more"
        )
    body = start + CHUNK_START.size
    end = body + length
    (expected,) = CHUNK_CRC.unpack_from(data, end)
    payload = data[body:end]
    crc = zlib.crc32(payload, zlib.crc32(letters))
    if crc != expected:
        raise CorruptFileError(f"{where}: CRC is 0x{crc:08x}, expected 0x{expected:08x}")
    return Chunk(letters.decode("ascii"), payload), end + CHUNK_CRC.size


def type_at(data: bytes, start: int) -> bytes:
    """Return the type of the chunk at byte ``start``; fewer than four letters if the file ends before."""
    return data[start + _LENGTH_SIZE_BYTES : start + _LENGTH_SIZE_BYTES + _TYPE_SIZE_BYTES]


def shown(letters: bytes) -> str:
    """Return the type of a chunk in quotes, for messages; it may be damaged."""
    return repr(letters)[1:]
