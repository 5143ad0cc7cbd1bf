"""Ancillary chunks -> what `pixcodec info` says of the metadata."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from pixcodec.container.chunks import Chunk
from pixcodec.images.metadata import from_chunks

_ORIENTATION = 0x0112
_SHORT = 3
_MAX_TAGS = 1000


def describe(chunks: Iterable[Chunk]) -> dict[str, Any]:
    """Return a summary of the metadata that json can write; keys as in :mod:`pixcodec.images.metadata`.

    Of ICC profile, EXIF, XMP and comment it gives the size in bytes, with the profile's name and the
    orientation where they are known, and everything else as it is.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
        As :func:`pixcodec.images.metadata.from_chunks`.
    """
    summary: dict[str, Any] = {}
    for key, value in from_chunks(chunks).items():
        if isinstance(value, bytes):
            summary[key] = {"size_bytes": len(value)}
        elif isinstance(value, tuple):
            summary[key] = list(value)
        elif isinstance(value, dict):
            summary[key] = {keyword: str(text) for keyword, text in value.items()}
        else:
            summary[key] = value
        if key == "icc_profile" and (name := icc_description(value)):
            summary[key]["description"] = name
        if key == "exif" and (orientation := exif_orientation(value)):
            summary[key]["orientation"] = orientation
    return summary


def icc_description(profile: bytes) -> str | None:
    """Return the name that an ICC profile gives itself in its tag ``desc`` (ICC.1:2022, 9.2.41)."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        for index in range(min(count, _MAX_TAGS)):
            name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
            if name == b"desc":
                tag = profile[start : start + size]
                if tag[:4] == b"desc":  # version 2: length and ASCII
                    (length,) = struct.unpack_from(">I", tag, 8)
                    found = tag[12 : 12 + length].decode("ascii", "replace")
                elif tag[:4] == b"mluc":  # version 4: records of language, country, length, offset
                    length, offset = struct.unpack_from(">II", tag, 20)
                    found = tag[offset : offset + length].decode("utf-16-be", "replace")
                else:
                    return None
                return found.split("\0")[0].strip() or None
    except struct.error:
        pass  # it is cut short
    return None


def exif_orientation(exif: bytes) -> int | None:
    """Return the orientation in the first directory of an EXIF block, 1..8 (TIFF 6.0, section 8)."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for index in range(min(count, _MAX_TAGS)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * index)
            if tag == _ORIENTATION and kind == _SHORT:
                return value if 1 <= value <= 8 else None
    except struct.error:
        pass  # it is cut short
    return None
