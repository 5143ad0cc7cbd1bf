"""Pillow's ``info["transparency"]`` <-> the payload of the chunk TRNS (FORMAT.md, "TRNS")."""

from __future__ import annotations

import zlib

from PIL import Image

from pixcodec.container.varint import MAX_VARINT, pack_varint, read_varint
from pixcodec.errors import CorruptFileError, UnsupportedImageError

_INDEX, _COLOUR, _TABLE, _PACKED_TABLE = range(4)  # forms
MAX_TABLE_SIZE_BYTES = 256  # one byte for each index of a palette


def pack_transparency(value: object) -> bytes:
    """Return the payload of TRNS.

    Parameters
    ----------
    value : object
        The index or grey level that is transparent (int), the colour that is (tuple of int), the alpha of
        each index (bytes), or None. A string is a text of a PNG file with this keyword and counts as None.

    Returns
    -------
    bytes
        Empty if nothing is transparent.

    Raises
    ------
    UnsupportedImageError
        If the value is anything else.
    """
    if value is None or isinstance(value, str):
        return b""
    if isinstance(value, bytes) and len(value) <= MAX_TABLE_SIZE_BYTES:
        packed = zlib.compress(value, 9)
        if len(packed) < len(value):
            return bytes([_PACKED_TABLE]) + packed
        return bytes([_TABLE]) + value
    if isinstance(value, int) and _fits_a_varint(value):
        return bytes([_INDEX]) + pack_varint(value)
    if isinstance(value, tuple) and all(map(_fits_a_varint, value)):
        return bytes([_COLOUR]) + b"".join(pack_varint(part) for part in value)
    raise UnsupportedImageError(
        "info['transparency'] is neither the number of a colour, nor a colour, nor a table of up to "
        f"{MAX_TABLE_SIZE_BYTES} bytes: {value!r}"
    )


def unpack_transparency(payload: bytes) -> int | bytes | tuple[int, ...]:
    """Return the value that :func:`pack_transparency` made this payload of, which is not empty.

    Raises
    ------
    CorruptFileError
        If the payload is not as FORMAT.md says.
    """
    form, rest = payload[0], payload[1:]
    try:
        if form == _TABLE:
            return rest
        if form == _PACKED_TABLE:
            return _unpacked_table(rest)
        if form == _INDEX:
            return read_varint(rest, 0)[0]
        if form == _COLOUR:
            return _colour(rest)
        raise ValueError(f"form is {form}, expected 0..3")
    except ValueError as error:
        raise CorruptFileError(f"chunk 'TRNS': {error}") from error


def scale_transparency(image: Image.Image, stored: str) -> None:
    """Scale the transparent grey of a PNG file of 1, 2 or 4 bits to 8 bits, as Pillow scales its pixels."""
    bits = {"1": 1, "L;2": 2, "L;4": 4}.get(stored, 8)
    grey = image.info.get("transparency")
    if image.format == "PNG" and isinstance(grey, int) and grey < 2**bits:
        image.info["transparency"] = grey * 255 // (2**bits - 1)


def scale_transparency_back(image: Image.Image) -> None:
    """Scale the transparent grey of a bilevel image, 0 or 255, to the one bit that a PNG file has."""
    if image.mode == "1" and isinstance(grey := image.info.get("transparency"), int):
        image.info["transparency"] = min(grey, 1)


def _fits_a_varint(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= MAX_VARINT


def _colour(data: bytes) -> tuple[int, ...]:
    parts, end = [], 0
    while end < len(data):
        part, end = read_varint(data, end)
        parts.append(part)
    return tuple(parts)


def _unpacked_table(packed: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        table = stream.decompress(packed, MAX_TABLE_SIZE_BYTES + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not stream.eof or stream.unused_data or len(table) > MAX_TABLE_SIZE_BYTES:
        raise ValueError(f"its zlib stream is not one of up to {MAX_TABLE_SIZE_BYTES} bytes")
    return table
