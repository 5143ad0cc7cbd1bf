"""Metadata and 16-bit channels -> the parts of PNG files that Pillow does not write (PNG, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.images.metadata import OLD_XMP

DeepPixels = npt.NDArray[np.uint16]

AFTER_IHDR = 33  # where the chunks of metadata belong
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
_PIXELS_PER_METRE = 1 / 0.0254  # of one pixel per inch
_MAX = 2**31 - 1  # of an integer in a PNG file


def metadata_chunks(info: Mapping[str, Any]) -> bytes:
    """Return metadata as the chunks of a PNG file that stand after IHDR; what is unfit is left out."""
    parts = []
    if numbers := _scaled(info.get("chromaticity", ()), 100000):
        parts.append(_chunk(b"cHRM", struct.pack(">8I", *numbers)))
    if numbers := _scaled([info.get("gamma", 0)], 100000):
        parts.append(_chunk(b"gAMA", struct.pack(">I", *numbers)))
    if "icc_profile" in info:  # a file must not have both a profile and an intent
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(info["icc_profile"])))
    elif "srgb" in info:
        parts.append(_chunk(b"sRGB", bytes([info["srgb"]])))
    if numbers := _scaled(info.get("dpi", ()), _PIXELS_PER_METRE):
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", *numbers, 1)))
    elif numbers := _scaled(info.get("aspect", ()), 1):
        parts.append(_chunk(b"pHYs", struct.pack(">IIB", *numbers, 0)))
    if "exif" in info:
        parts.append(_chunk(b"eXIf", info["exif"].removeprefix(b"Exif\0\0")))
    if "xmp" in info:
        parts.append(_chunk(b"iTXt", OLD_XMP.encode() + b"\0\0\0\0\0" + info["xmp"]))
    for keyword, text in info.get("text", {}).items():
        with suppress(UnicodeEncodeError):
            parts.append(_text_chunk(keyword, text))
    return b"".join(parts)


def transparent_grey(value: int | None) -> bytes:
    """Return the chunk that makes a grey of 16 bits transparent, or nothing if none is."""
    return b"" if value is None else _chunk(b"tRNS", struct.pack(">H", value))


def _scaled(numbers: Sequence[float], scale: float) -> list[int] | None:
    """Return numbers as the integers that stand for them, or nothing if they are out of range or all 0."""
    scaled = [round(scale * number) for number in numbers]
    return scaled if any(scaled) and all(0 <= number <= _MAX for number in scaled) else None


def _text_chunk(keyword: str, text: str) -> bytes:
    """Return a text as a chunk tEXt or iTXt of a PNG file, or nothing if its keyword is unfit."""
    name = keyword.encode("latin-1")
    language, translated = (
        value.encode() if isinstance(value, str) else value or b""
        for value in (getattr(text, "lang", ""), getattr(text, "tkey", ""))
    )
    if not 0 < len(name) < 80 or b"\0" in name + language + translated:
        return b""
    if not hasattr(text, "lang"):
        with suppress(UnicodeEncodeError):
            return _chunk(b"tEXt", name + b"\0" + text.encode("latin-1"))
    return _chunk(b"iTXt", b"\0".join((name + b"\0\0", language, translated, text.encode())))


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def deep_png(pixels: DeepPixels, info: Mapping[str, Any]) -> bytes:
    """Return uint16 pixels of shape (H, W, C) as a PNG file, each byte less that of the pixel to its left."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, width, 2 * channels)
    differences = np.diff(rows, axis=1, prepend=np.zeros_like(rows[:, :1])).reshape(height, -1)
    filtered = np.concatenate((np.ones((height, 1), np.uint8), differences), axis=1)  # 1: filter Sub
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOURS[channels], 0, 0, 0)),
            metadata_chunks(info),
            _chunk(b"IDAT", zlib.compress(filtered.tobytes())),
            _chunk(b"IEND", b""),
        )
    )
