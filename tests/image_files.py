"""Image files for tests, some of which Pillow cannot write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from samples import IMAGES, photo

PHOTO = IMAGES / "kodak23_61x47_rgb.png"
RGB = photo(3)


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def deep(channels: int, seed: int = 0) -> npt.NDArray[np.uint16]:
    shape = (7, 11, channels) if channels > 1 else (7, 11)
    return np.random.default_rng(seed).integers(0, 2**16, shape, np.uint16)


def png(width: int, depth: int, colour: int, rows: bytes, *chunks: bytes, interlace: int = 0) -> bytes:
    height = zlib.decompress(rows).count(b"\0row") or 1
    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    parts = (chunk(b"IHDR", ihdr), *chunks, chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def deep_png(channels: int, *chunks: bytes) -> tuple[npt.NDArray[np.uint16], bytes]:
    row = deep(channels, seed=channels)[:1]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    data = zlib.compress(b"\0" + row.astype(">u2").tobytes())
    return row, png(row.shape[1], 16, colour, data, *chunks)
