"""The beginning of a .pxc file -> what ``pixcodec info`` says of it, with a summary of its metadata."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

from pixcodec.container.beginning import parse_start
from pixcodec.container.chunks import Chunk
from pixcodec.container.info import Info, read_info
from pixcodec.container.series import start_chunks
from pixcodec.images.metadata import from_chunks
from pixcodec.images.png_chunks import types_of

# ICC.1:2022, 7.2 and 7.3: the header, then the number of tags, then the tag table.
_ICC_COUNT_AT = 128
_ICC_TABLE_AT = 132
_ICC_ENTRY = struct.Struct(">4sII")  # signature, position, size of a tag
_ICC_TEXT_AT = 12  # in a tag of type desc, after type, reserved and length
_ICC_LENGTH_AT = 8
_ICC_RECORD_AT = 20  # of length and position in the first record of a tag of type mluc

# TIFF 6.0, sections 2 and 8.
_TIFF_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_DIRECTORY_AT = 4
_TIFF_ENTRY = "HHIH"  # tag, type, count, value, if it is of two bytes
_TIFF_COUNT_SIZE_BYTES = 2
_TIFF_ENTRY_SIZE_BYTES = 12
_ORIENTATION_TAG = 0x0112
_SHORT = 3  # the type of an unsigned integer of two bytes
_ORIENTATIONS = range(1, 9)

_MAX_TAGS = 1000  # to look at, in damaged profiles and EXIF
_HELD = ("JPEG file, restored byte for byte; stored as it is", "JPEG file, restored byte for byte")


def summarize(beginning: bytes, size_bytes: int) -> tuple[Info, dict[str, Any]]:
    """Return what the header of a .pxc file says, and a summary of its metadata.

    Parameters
    ----------
    beginning : bytes
        As :func:`pixcodec.container.beginning.read_beginning` returns it, or the whole file.
    size_bytes : int
        Of the file.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
    """
    info = read_info(beginning, size_bytes=size_bytes)
    chunks = start_chunks(beginning) if info.frames > 1 else parse_start(beginning)[1]
    return info, describe(chunks)


def lines_of(found: Info, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return what there is to say of a file, line by line, with a name for each."""
    tiles = f"{found.tile_count} of up to {found.tile_width}x{found.tile_height} pixels"
    exactness = "exact" if found.exact else "with corrections"
    lines = {
        "image": f"{found.width}x{found.height} pixels, {found.mode}, {found.bit_depth} bits per subpixel",
        "pixels": f"from JPEG coefficients, {exactness}" if found.jpeg and not found.kept else "",
        "holds": _HELD[found.jpeg] if found.kept else "",
        "file": f"{found.size_bytes} bytes, {found.bpsp_file:.3f} bpsp_file",
        "frames": _frames(found),
        "effort": found.effort,
        "tiles": tiles if found.tile_count else "",
        "model id": found.model_id,
        "metadata": "in the JPEG file" if found.kept else ", ".join(metadata) or "none",
        "format": f"version {found.format_version}",
    }
    return {name: line for name, line in lines.items() if line}


def _frames(found: Info) -> str:
    """Return how many frames there are, and how they are shown; nothing of one image."""
    if found.frames == 1:
        return ""
    if not found.durations:
        return f"{found.frames} pages"
    shown = "once" if found.loop in (None, 1) else f"{found.loop} times" if found.loop else "for ever"
    return f"{found.frames}, {sum(found.durations):.2f} seconds, shown {shown}"


def describe(chunks: Iterable[Chunk]) -> dict[str, Any]:
    """Return a summary of the metadata; keys as in :mod:`pixcodec.images.metadata`.

    All values can be written as JSON. ICC profile, EXIF, XMP and comment are described by their size in
    bytes, the name of the profile and the orientation, if they are known. All else is given in full.

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
        if key == "png_chunks":
            summary[key]["types"] = types_of(value)
        if key == "tiff_tags":
            from pixcodec.images.tiff_tags import tag_names  # loads Pillow

            summary[key]["tags"] = tag_names(value)
        if key == "exif" and (orientation := exif_orientation(value)):
            summary[key]["orientation"] = orientation
    return summary


def icc_description(profile: bytes) -> str | None:
    """Return the name of an ICC profile, from its tag ``desc`` (ICC.1:2022, 9.2.41), or None."""
    try:
        (count,) = struct.unpack_from(">I", profile, _ICC_COUNT_AT)
        for index in range(min(count, _MAX_TAGS)):
            at = _ICC_TABLE_AT + _ICC_ENTRY.size * index
            name, start, size = _ICC_ENTRY.unpack_from(profile, at)
            if name == b"desc":
                text = _icc_text(profile[start : start + size])
                return text.split("\0")[0].strip() or None
    except struct.error:
        pass  # it is cut short
    return None


def _icc_text(tag: bytes) -> str:
    """Return the text in a tag of type desc (version 2) or mluc (version 4), empty for other types."""
    if tag[:4] == b"desc":  # length, ASCII
        (length,) = struct.unpack_from(">I", tag, _ICC_LENGTH_AT)
        return tag[_ICC_TEXT_AT : _ICC_TEXT_AT + length].decode("ascii", "replace")
    if tag[:4] == b"mluc":  # records of language, country, length, position; then UTF-16
        length, at = struct.unpack_from(">II", tag, _ICC_RECORD_AT)
        return tag[at : at + length].decode("utf-16-be", "replace")
    return ""


def exif_orientation(exif: bytes) -> int | None:
    """Return the orientation, 1..8, in the first directory of EXIF (TIFF 6.0, section 8), or None."""
    block = exif.removeprefix(b"Exif\0\0")
    order = _TIFF_BYTE_ORDERS.get(block[:4])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "I", block, _TIFF_DIRECTORY_AT)
        (count,) = struct.unpack_from(order + "H", block, start)
        for index in range(min(count, _MAX_TAGS)):
            at = start + _TIFF_COUNT_SIZE_BYTES + _TIFF_ENTRY_SIZE_BYTES * index
            tag, kind, _, value = struct.unpack_from(order + _TIFF_ENTRY, block, at)
            if tag == _ORIENTATION_TAG and kind == _SHORT:
                return value if value in _ORIENTATIONS else None
    except struct.error:
        pass  # it is cut short
    return None
