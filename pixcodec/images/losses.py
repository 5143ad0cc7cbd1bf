"""What Pillow would drop of an image file without a word.

Only an open file that is not loaded yet tells: its tags, and the settings of its decoder, the tiles.
"""

from __future__ import annotations

import re
import struct
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from pixcodec.errors import UnsupportedImageError

# Formats of which Pillow gives something else than what the file holds.
_UNFAITHFUL = {
    "EPS": "is a drawing",
    "EMF": "is a drawing",
    "WMF": "is a drawing",
    "PCD": "is a Photo CD, of which Pillow reads a small version",
}
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _EXTRA_SAMPLES = 258, 277, 338  # tags of TIFF
_PREMULTIPLIED = 1
_BC6H = 6  # a DDS codec for 16-bit numbers
MAX_UINT16 = 65535


def check_complete(image: Image.Image, data: bytes) -> None:
    """Raise if the pixels that Pillow is about to give are not all that the file holds."""
    if image.format in _UNFAITHFUL:
        raise UnsupportedImageError(
            f"the file {_UNFAITHFUL[image.format]}, expected pixels: convert it to PNG first"
        )
    count, what = getattr(image, "n_frames", 1), "images"
    if image.format in ("ICO", "CUR"):
        count, what = int.from_bytes(data[4:6], "little"), "images of different size or depth"
    elif image.format == "ICNS":
        count, what = len(image.info["sizes"]), "images of different size"
    elif image.format == "PSD":
        what = "layers"
    if count > 1:
        raise UnsupportedImageError(
            f"the {image.format} file holds {count} {what}, expected 1: save the one that you want by itself"
        )
    tags = getattr(image, "tag_v2", {})
    samples = tags.get(_SAMPLES_PER_PIXEL, 1)
    if samples > len(image.getbands()):
        raise UnsupportedImageError(
            f"the file has {samples} channels, of which Pillow reads {len(image.getbands())}: drop the others"
        )
    if _PREMULTIPLIED in np.atleast_1d(tags.get(_EXTRA_SAMPLES, 0)) and image.mode == "RGBA":
        raise UnsupportedImageError(
            "the file holds colours multiplied by alpha, which Pillow divides: save it with straight alpha"
        )


def rawmode(image: Image.Image) -> str:
    """Return how the pixels of a file are stored, as Pillow names it, or nothing if it does not say."""
    for tile in _tiles(image):
        for setting in _settings(tile):
            if isinstance(setting, str):
                return setting
    return ""


def byte_tiles(image: ImageFile.ImageFile) -> tuple[list[Any], ...]:
    """Return the tiles that read the high and the low bytes of several 16-bit channels, or nothing.

    Pillow unpacks 16-bit channels to 8 bits by taking one byte of each: the first in raw mode RGB;16B,
    for big-endian files, and the second in RGB;16L. The channels of PNG files with grey and alpha need one
    pass: their bytes are read as RGBA.
    """
    tiles = _tiles(image)
    found = rawmode(image)
    if image.format == "PPM" and [tile[0] for tile in tiles] == ["ppm"] and found == "RGB":
        if _settings(tiles[0])[1] != MAX_UINT16:
            return ()
        return tuple([_changed(tiles[0], "raw", (f"RGB;16{order}", 0, 1))] for order in "BL")
    if image.format == "PNG" and found == "LA;16B":
        return ([_changed(tile, tile[0], "RGBA") for tile in tiles],)
    match = re.fullmatch(r"(RGBA?);16([BLN])", found)
    planar = getattr(image, "_planar_configuration", 1) != 1
    if not match or planar or image.format not in ("PNG", "TIFF"):
        return ()
    order = match[2] if match[2] != "N" else sys.byteorder[0].upper()
    passes = [f"{match[1]};16{order}", f"{match[1]};16{'L' if order == 'B' else 'B'}"]
    return tuple([_with_rawmode(tile, rawmode) for tile in tiles] for rawmode in passes)


def takes_single_bytes() -> bool:
    """Return whether this Pillow unpacks 16-bit channels as :func:`byte_tiles` expects: it does not round."""
    halves = [Image.frombytes("RGB", (1, 1), b"\x00\xff" * 3, "raw", f"RGB;16{order}") for order in "BL"]
    return [half.getpixel((0, 0)) for half in halves] == [(0, 0, 0), (255, 255, 255)]


def check_depth(image: Image.Image, data: bytes) -> None:
    """Raise if Pillow is about to drop bits of the subpixels, or to scale them."""
    tiles = _tiles(image)
    if image.format == "PPM" and tiles and tiles[0][0].startswith("ppm") and image.mode != "1":
        greatest = _settings(tiles[0])[1]
        if greatest != (MAX_UINT16 if image.mode == "I" else 255):
            raise UnsupportedImageError(
                f"the greatest value of the file is {greatest}, which Pillow scales: expected 255 or 65535"
            )
    if image.mode.startswith(("I", "F")):
        return
    bits = [8]
    if image.format == "TIFF":
        bits += np.atleast_1d(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, 1)).tolist()
    elif image.format == "SGI":
        bits.append(8 * data[3])
    elif image.format == "JPEG2000":
        bits += _depths_of_jpeg2000(data)
    elif image.format == "AVIF":
        bits += [12 for match in re.finditer(b"av1C..(.)", data, re.DOTALL) if match[1][0] & 0x40]
    elif image.format == "DDS":
        bits += [16 for tile in tiles if tile[0] == "bcn" and _settings(tile)[0] == _BC6H]
    elif re.fullmatch(r"(L|LA|RGB|RGBA|RGBa|RGBX|CMYK);16[BLN]", rawmode(image)):
        bits.append(16)
    if max(bits) > 8:
        raise UnsupportedImageError(
            f"the {image.format} file has more than 8 bits per subpixel, which Pillow would drop, "
            "expected 8: convert it to a PNG of 16 bits"
        )


def _depths_of_jpeg2000(data: bytes) -> list[int]:
    """Return the bits per subpixel of each channel (ITU-T T.800, A.5.1: the marker SIZ)."""
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0:
        return []
    (channels,) = struct.unpack_from(">H", data, start + 40)
    return [(depth & 127) + 1 for depth in data[start + 42 : start + 42 + 3 * channels : 3]]


def _tiles(image: Image.Image) -> list[Any]:
    """Return what is left to decode: codec, box, offset and settings of each tile."""
    return list(getattr(image, "tile", None) or ())


def _settings(tile: Any) -> tuple[Any, ...]:
    return tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def _with_rawmode(tile: Any, rawmode: str) -> Any:
    settings = (rawmode, *tile[3][1:]) if isinstance(tile[3], tuple) else rawmode
    return _changed(tile, tile[0], settings)


def _changed(tile: Any, codec: str, settings: str | tuple[Any, ...]) -> Any:
    """Return a tile, of whichever type this Pillow has, with another codec and other settings."""
    values = (codec, tile[1], tile[2], settings)
    return type(tile)(*values) if hasattr(tile, "_fields") else values
