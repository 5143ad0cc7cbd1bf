"""Bytes <-> the same bytes packed: deflate with the usual tables of JPEG files as a dictionary, or LZMA."""

from __future__ import annotations

import lzma
import zlib
from functools import cache
from typing import Any

import numpy as np

from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.standard_tables import QUALITIES, huffman_segments, standard_table
from pixcodec.jpeg.state import ZIGZAG

PLAIN, DEFLATED, LZMA = range(3)
_WINDOW_BITS = -15  # deflate without header and checksum
_LZMA_FILTERS: list[dict[str, Any]] = [
    {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 24, "lc": 3, "lp": 0, "pb": 0, "preset": 6}
]
# SOI and JFIF, a frame of the usual sampling, the scans that libjpeg writes, Adobe's segment.
_USUAL = bytes.fromhex(
    "457869660000 49492a0008000000 4d4d002a00000008"
    "ffee000e41646f626500640000000000 ffee000e41646f6265006400000000 01"
    "ffda00080101000105021fffc4 ffda0008010301013f017fffc4 ffda0008010201013f017fffc4"
    "ffda0008010100063f021fffc4 ffda0008010100013f211fffda 000c03010002000300000010ffc4"
    "ffda0008010301013f107fffc4 ffda0008010201013f107fffc4 ffda0008010100013f101fffd9"
    "ffd8ffe000104a46494600010100000100010000ffdb"
    "ffd8ffe000104a46494600010101004800480000ffdb"
)
_USUAL_FRAMES = bytes.fromhex(
    "ffc00011080000000003012200021101031101ffc4ffc00011080000000003011100021101031101"
)
_USUAL_SCANS = bytes.fromhex(
    "ffc40014000100000000000000000000000000ffda0008010100003f00ffd9ffda000c03010002110311003f00ffd9"
)


@cache
def dictionary() -> bytes:
    """Return what packed data may refer to, at most 32 KiB; FORMAT.md, "Dictionary"."""
    tables = b""
    for quality in QUALITIES:
        for component in (0, 1):
            steps = standard_table(quality, component)[ZIGZAG].astype(np.uint8).tobytes()
            tables += bytes([0xFF, 0xDB, 0x00, 0x43, component]) + steps
    return tables + _USUAL + _USUAL_FRAMES + b"".join(huffman_segments()) + _USUAL_SCANS


def pack_bytes(data: bytes) -> tuple[int, bytes]:
    """Return the shortest of the forms of the data: PLAIN, DEFLATED or LZMA, and the bytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, _WINDOW_BITS, 9, zdict=dictionary())
    forms = [
        data,
        deflate.compress(data) + deflate.flush(),
        lzma.compress(data, lzma.FORMAT_RAW, filters=_LZMA_FILTERS),
    ]
    method = min(range(len(forms)), key=lambda i: len(forms[i]))
    return method, forms[method]


def unpack_bytes(method: int, packed: bytes, size_bytes: int) -> bytes:
    """Return the data, which are of a known size; not more is unpacked.

    Raises
    ------
    CorruptFileError
        If they are not.
    """
    try:
        data, whole = _unpacked(method, packed, size_bytes)
    except (zlib.error, lzma.LZMAError) as error:
        raise CorruptFileError(f"packed bytes cannot be unpacked: {error}") from error
    if len(data) != size_bytes or not whole:
        raise CorruptFileError(f"packed bytes are {len(data)} bytes or more, expected {size_bytes}")
    return data


def _unpacked(method: int, packed: bytes, size_bytes: int) -> tuple[bytes, bool]:
    """Return at most one byte more than expected, and whether the packed bytes end there."""
    if method == PLAIN:
        return packed, True
    if method == DEFLATED:
        inflate = zlib.decompressobj(_WINDOW_BITS, zdict=dictionary())
        data = inflate.decompress(packed, size_bytes + 1)
        return data, inflate.eof and not inflate.unused_data
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA_FILTERS)
    data = decoder.decompress(packed, size_bytes + 1)
    return data, decoder.eof and not decoder.unused_data
