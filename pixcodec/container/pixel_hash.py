"""The hash of the pixels of an image, which ends a .pxc file (FORMAT.md, "DONE"); standard library only."""

from __future__ import annotations

import hashlib
import struct

from pixcodec.container.chunks import Data
from pixcodec.container.header import KEPT_VERSIONS, Header

_SIZE_BYTES = 8
_GEOMETRY = struct.Struct("<IIBB")  # width, height, mode, bit depth

_SIZE_BYTES_1 = 16  # in format version 1
_FILE_HASH_SIZE_BYTES = 32  # SHA-256 of the file, instead of a hash of pixels, if a JPEG file is kept
_GEOMETRY_1 = struct.Struct("<IIB")  # width, height, mode


def pixel_hash_size_bytes(version: int) -> int:
    """Return the size of the hash in files of a format version."""
    if version in KEPT_VERSIONS:
        return _FILE_HASH_SIZE_BYTES
    return _SIZE_BYTES_1 if version == 1 else _SIZE_BYTES


class PixelHash:
    """The hash of an image whose pixels come in parts.

    Parameters
    ----------
    header : Header
        Gives width, height, mode, bit depth and the format version.
    """

    def __init__(self, header: Header) -> None:
        if header.version == 1:
            geometry = _GEOMETRY_1.pack(header.width, header.height, header.mode)
        else:
            geometry = _GEOMETRY.pack(header.width, header.height, header.mode, header.bit_depth)
        self._state = hashlib.blake2b(geometry, digest_size=pixel_hash_size_bytes(header.version))

    def update(self, pixels: Data) -> None:
        """Add the next pixels in raster order, as :func:`pixel_hash` takes them."""
        self._state.update(pixels)

    def digest(self) -> bytes:
        """Return the hash of all pixels."""
        return self._state.digest()


def pixel_hash(header: Header, pixels: Data) -> bytes:
    """Return the BLAKE2b hash of the geometry and the pixels of an image.

    Parameters
    ----------
    header : Header
        Gives width, height, mode, bit depth and the format version.
    pixels : bytes-like
        All subpixels in raster order, the channels of a pixel side by side: one byte each, or two,
        little-endian, if the bit depth is above 8.

    Returns
    -------
    bytes
        8 bytes; 16 in format version 1.
    """
    state = PixelHash(header)
    state.update(pixels)
    return state.digest()
