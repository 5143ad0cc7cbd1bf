"""A .pxc file that keeps a JPEG file <-> its fields (FORMAT.md, "JPEG files"); standard library only.

Such a file has no chunks: it is to be small, and no part of it is of use without the others.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from pixcodec.container.chunks import MAGIC, MAX_PAYLOAD_SIZE_BYTES, type_at
from pixcodec.container.header import KEPT_VERSIONS, Effort, Header, Mode, unknown
from pixcodec.container.pixel_hash import pixel_hash_size_bytes
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError, LimitExceededError

_KEPT = 0x80  # in the byte after the magic, which is the lowest of a small length in other files
_CODED = 1 << 3  # in the second byte, whose lowest bits are the mode
_MODE_BITS, _EFFORT_SHIFT = 0b111, 4
_VARINTS = 3
_CHECK = struct.Struct("<H")
_FIXED_SIZE_BYTES = len(MAGIC) + 2
START_SIZE_BYTES = _FIXED_SIZE_BYTES + _VARINTS * 5 + pixel_hash_size_bytes(KEPT_VERSIONS[0])  # at most
_WHERE = "the start of a file that keeps a JPEG file"


class KeptStart(NamedTuple):
    """What such a file begins with."""

    header: Header
    digest: bytes  # SHA-256 of the JPEG file
    recipe_at: int  # position and size of the recipe
    recipe_size_bytes: int

    @property
    def coefficients_at(self) -> int:
        """Return the position of the first byte after the recipe."""
        return self.recipe_at + self.recipe_size_bytes


def is_kept(data: bytes) -> bool:
    """Return whether a file, which begins with the magic, keeps a JPEG file, of this version or another."""
    first = data[len(MAGIC)] if len(data) > len(MAGIC) else 0
    damaged = type_at(data, len(MAGIC)) == b"HEAD"  # it is the length of a chunk
    return first - _KEPT in KEPT_VERSIONS or (first >= _KEPT and not damaged)


def pack_kept(header: Header, digest: bytes, recipe: bytes, coefficients: bytes) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    LimitExceededError
        If the recipe or the coefficients are larger than MAX_PAYLOAD_SIZE_BYTES.
    """
    for part in (recipe, coefficients):
        if len(part) > MAX_PAYLOAD_SIZE_BYTES:
            raise LimitExceededError(f"part is {len(part)} bytes, the limit is {MAX_PAYLOAD_SIZE_BYTES}")
    flags = header.mode | _CODED * header.jpeg | header.effort << _EFFORT_SHIFT
    sizes = (header.width, header.height, len(recipe))
    parts = [MAGIC, bytes([_KEPT | header.version, flags]), *map(pack_varint, sizes), digest]
    data = b"".join([*parts, recipe, coefficients])
    return data + _check(data)


def read_kept_start(data: bytes) -> KeptStart:
    """Read the start of a file of which :func:`is_kept` holds, from its first START_SIZE_BYTES bytes or more.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    version = data[len(MAGIC)] - _KEPT
    if version not in KEPT_VERSIONS:
        raise unknown(_WHERE, "format version", version, KEPT_VERSIONS)
    if len(data) < _FIXED_SIZE_BYTES:
        raise CorruptFileError(f"{_WHERE}: file ends after {len(data)} bytes")
    flags = data[_FIXED_SIZE_BYTES - 1]
    mode, effort, coded = flags & _MODE_BITS, flags >> _EFFORT_SHIFT, bool(flags & _CODED)
    if mode not in (Mode.GREY, Mode.RGB, Mode.CMYK):
        raise unknown(_WHERE, "mode", mode, "0, 1 or 4")
    if effort > Effort.MAX:
        raise unknown(_WHERE, "effort", effort, f"0..{Effort.MAX}")
    try:
        width, at = read_varint(data, _FIXED_SIZE_BYTES)
        height, at = read_varint(data, at)
        size, at = read_varint(data, at)
        header = Header(
            *(width, height, Mode(mode), Effort(effort), 1, 1, b""),
            jpeg=coded,
            exact=coded,
            kept=True,
            version=version,
        )
    except ValueError as error:
        raise CorruptFileError(f"{_WHERE}: {error}") from error
    end = at + pixel_hash_size_bytes(version)
    if len(data) < end:
        raise CorruptFileError(f"{_WHERE}: file ends after {len(data)} bytes, expected {end} or more")
    return KeptStart(header, data[at:end], end, size)


def kept_recipe(data: bytes, start: KeptStart) -> bytes:
    """Return the recipe of a file.

    Raises
    ------
    CorruptFileError
        If the file ends within it.
    """
    if len(data) < start.coefficients_at:
        raise CorruptFileError(
            f"the recipe: file ends after {len(data)} bytes, expected {start.coefficients_at} or more"
        )
    return data[start.recipe_at : start.coefficients_at]


def kept_coefficients(data: bytes, start: KeptStart) -> bytes:
    """Return the coefficients of a whole file, which is checked.

    Raises
    ------
    CorruptFileError
    """
    end = len(data) - _CHECK.size
    if end < start.coefficients_at:
        raise CorruptFileError(
            f"file ends after {len(data)} bytes, expected {start.coefficients_at + _CHECK.size} or more"
        )
    if data[end:] != (expected := _check(data[:end])):
        raise CorruptFileError(f"the last bytes are {data[end:].hex()}, expected {expected.hex()}")
    return data[start.coefficients_at : end]


def _check(data: bytes) -> bytes:
    """Return what a file ends with, after these bytes."""
    return _CHECK.pack(zlib.crc32(data) & 0xFFFF)
