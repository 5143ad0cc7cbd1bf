"""Metadata and 16-bit pixels -> the parts of PNG files that Pillow does not write (PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.images.png_text import PNG_XMP_KEYWORD

DeepPixels = npt.NDArray[np.uint16]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
AFTER_IHDR = 33  # where the chunks of metadata belong: after the signature and the chunk IHDR
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
_SUB_FILTER = 1
_FRACTION = 100000  # gamma and chromaticities are stored as integers, times this
_PIXELS_PER_METRE = 1 / 0.0254  # of one pixel per inch
_UNIT_UNKNOWN, _UNIT_METRE = 0, 1
_MAX_INTEGER = 2**31 - 1
_MAX_KEYWORD_SIZE_BYTES = 79


def metadata_chunks(info: Mapping[str, Any]) -> bytes:
    """Return metadata as chunks for the place after IHDR; what PNG cannot hold is left out."""
    parts = []
    if numbers := _scaled(info.get("chromaticity", ()), _FRACTION):
        parts.append(png_chunk(b"cHRM", struct.pack(">8I", *numbers)))
    if numbers := _scaled([info.get("gamma", 0)], _FRACTION):
        parts.append(png_chunk(b"gAMA", struct.pack(">I", *numbers)))
    if "icc_profile" in info:  # a file must not have both a profile and an intent
        parts.append(png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(info["icc_profile"])))
    elif "srgb" in info:
        parts.append(png_chunk(b"sRGB", bytes([info["srgb"]])))
    if numbers := _scaled(info.get("dpi", ()), _PIXELS_PER_METRE):
        parts.append(png_chunk(b"pHYs", struct.pack(">IIB", *numbers, _UNIT_METRE)))
    elif numbers := _scaled(info.get("aspect", ()), 1):
        parts.append(png_chunk(b"pHYs", struct.pack(">IIB", *numbers, _UNIT_UNKNOWN)))
    if "exif" in info:
        parts.append(png_chunk(b"eXIf", info["exif"].removeprefix(b"Exif\0\0")))
    if "xmp" in info:
        parts.append(png_chunk(b"iTXt", PNG_XMP_KEYWORD.encode() + b"\0\0\0\0\0" + info["xmp"]))
    for keyword, text in info.get("text", {}).items():
        with suppress(UnicodeEncodeError):
            parts.append(_text_chunk(keyword, text))
    return b"".join(parts)


def transparent_colour(colour: int | Sequence[int] | None) -> bytes:
    """Return the chunk tRNS that makes a grey level or colour of 16 bits transparent, or nothing for None."""
    if colour is None:
        return b""
    levels = [colour] if isinstance(colour, int) else colour
    return png_chunk(b"tRNS", struct.pack(f">{len(levels)}H", *levels))


def _scaled(numbers: Sequence[float], scale: float) -> list[int] | None:
    """Return numbers times ``scale`` as integers, or None if one is out of range or all are 0."""
    scaled = [round(scale * number) for number in numbers]
    return scaled if any(scaled) and all(0 <= number <= _MAX_INTEGER for number in scaled) else None


def _text_chunk(keyword: str, text: str) -> bytes:
    """Return a text as a chunk tEXt or iTXt, or nothing if PNG does not allow its keyword.

    Raises
    ------
    UnicodeEncodeError
        If the keyword is not Latin-1, or the text no valid Unicode.
    """
    name = keyword.encode("latin-1")
    language, translated = (
        value.encode() if isinstance(value, str) else value or b""
        for value in (getattr(text, "lang", ""), getattr(text, "tkey", ""))
    )
    if not 0 < len(name) <= _MAX_KEYWORD_SIZE_BYTES or b"\0" in name + language + translated:
        return b""
    if not hasattr(text, "lang"):
        with suppress(UnicodeEncodeError):
            return png_chunk(b"tEXt", name + b"\0" + text.encode("latin-1"))
    return png_chunk(b"iTXt", b"\0".join((name + b"\0\0", language, translated, text.encode())))


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def deep_png(pixels: DeepPixels, info: Mapping[str, Any], colour: Sequence[int] | None = None) -> bytes:
    """Return 16-bit pixels (H, W, C), C = 1..4, and metadata as a PNG file, all rows with the filter Sub.

    ``colour``: the one that is transparent, if any.
    """
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, width, 2 * channels)
    differences = np.diff(rows, axis=1, prepend=np.zeros_like(rows[:, :1])).reshape(height, -1)
    filtered = np.concatenate((np.full((height, 1), _SUB_FILTER, np.uint8), differences), axis=1)
    return b"".join(
        (
            SIGNATURE,
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)),
            metadata_chunks(info),
            transparent_colour(colour),
            png_chunk(b"IDAT", zlib.compress(filtered.tobytes())),
            png_chunk(b"IEND", b""),
        )
    )
