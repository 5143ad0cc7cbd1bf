"""What Pillow would drop of an image file without an error: frames, channels, bits.

Only an open file that is not loaded yet shows it: by its tags, and by its tiles, the settings of its decoder.
"""

from __future__ import annotations

import re
import struct
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from pixcodec.errors import UnsupportedImageError

# Formats of which Pillow gives other pixels than the file holds.
_NOT_PIXELS = {
    "EPS": "is a drawing",
    "EMF": "is a drawing",
    "WMF": "is a drawing",
    "PCD": "is a Photo CD, of which Pillow reads a small version",
}
_ICO_COUNT = slice(4, 6)  # where the number of images is in an ICO or CUR file
_BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL, _EXTRA_SAMPLES = 258, 277, 338  # tags of TIFF
_PREMULTIPLIED = 1  # value of EXTRA_SAMPLES: colours are multiplied by alpha
_SWAPPED = ("I;16BS", "I;32BS", "F;32BF")  # of big-endian files, after libtiff has swapped their bytes
_MAX_UINT8, _MAX_UINT16 = 255, 65535
_SGI_BYTES_AT = 3  # bytes per subpixel
_BC6H = 6  # a DDS codec for 16-bit numbers
_AV1C_FLAGS = re.compile(b"av1C..(.)", re.DOTALL)
_AV1C_HIGH_BIT_DEPTH = 0x40

# JPEG 2000, ITU-T T.800, A.4.1 and A.5.1: the markers SOC and SIZ, and parameters relative to their position.
_SOC_SIZ = b"\xff\x4f\xff\x51"
_SIZ_CHANNELS_AT = 40
_SIZ_DEPTHS_AT, _SIZ_CHANNEL_SIZE_BYTES = 42, 3
_SIZ_DEPTH_MASK = 127  # of the depth minus 1; the other bit is the sign


def check_alone(image: Image.Image, data: bytes) -> None:
    """Raise an error if the file holds more images than the one that Pillow is about to give.

    Raises
    ------
    UnsupportedImageError
    """
    count, what = getattr(image, "n_frames", 1), "images"
    if image.format in ("ICO", "CUR"):
        count, what = int.from_bytes(data[_ICO_COUNT], "little"), "images of different size or depth"
    elif image.format == "ICNS":
        count, what = len(image.info["sizes"]), "images of different size"
    elif image.format == "PSD":
        what = "layers"
    if count > 1:
        raise UnsupportedImageError(
            f"the {image.format} file holds {count} {what}, expected 1: save the one that you want by itself"
        )


def check_complete(image: Image.Image) -> None:
    """Raise an error if the image has more channels than Pillow is about to give.

    Raises
    ------
    UnsupportedImageError
    """
    if image.format in _NOT_PIXELS:
        raise UnsupportedImageError(
            f"the file {_NOT_PIXELS[image.format]}, expected pixels: convert it to PNG first"
        )
    tags = getattr(image, "tag_v2", {})
    samples = tags.get(_SAMPLES_PER_PIXEL, 1)
    if samples > len(image.getbands()):
        raise UnsupportedImageError(
            f"the file has {samples} channels, of which Pillow reads {len(image.getbands())}: drop the others"
        )
    if _is_premultiplied(image) and not _rawmodes(image) <= {"RGBa"}:
        raise UnsupportedImageError(
            "the file holds colours multiplied by alpha, which Pillow divides: save it with straight alpha"
        )


def _is_premultiplied(image: Image.Image) -> bool:
    extra = np.atleast_1d(getattr(image, "tag_v2", {}).get(_EXTRA_SAMPLES, 0))
    return _PREMULTIPLIED in extra and image.mode == "RGBA"


def _rawmodes(image: Image.Image) -> set[object]:
    return {_settings(tile)[0] for tile in _tiles(image)}


def load(image: ImageFile.ImageFile) -> Image.Image:
    """Return an image that is open, loaded; in mode RGBa, as they are, if colours are multiplied by alpha.

    Raises
    ------
    UnsupportedImageError
        If Pillow is about to swap the bytes of samples that libtiff has swapped already: those with a sign
        and floats in compressed big-endian TIFF files.
    """
    if any(tile[0] == "libtiff" and _settings(tile)[0] in _SWAPPED for tile in _tiles(image)):
        raise UnsupportedImageError(
            "the TIFF file is compressed and big-endian, with samples that Pillow reads wrongly: "
            "pip install 'pixcodec[tiff]'"
        )
    if not _is_premultiplied(image):
        image.load()
        return image
    image.tile = [_with_rawmode(tile, "RGBA") for tile in image.tile]  # or Pillow divides
    return Image.frombytes("RGBa", image.size, image.tobytes())


def rawmode(image: Image.Image) -> str:
    """Return Pillow's name for how the file stores its pixels, or an empty string if it has none."""
    for tile in _tiles(image):
        for setting in _settings(tile):
            if isinstance(setting, str):
                return setting
    return ""


def byte_tiles(image: ImageFile.ImageFile) -> tuple[list[Any], ...]:
    """Return the tiles of each pass that reads several 16-bit channels, or nothing for other images.

    Pillow unpacks 16-bit channels to 8 bits by taking one byte of each: the first one in raw mode RGB;16B,
    for big-endian files, and the second one in RGB;16L. So one pass reads the high bytes and one the low
    bytes. A PNG file with grey and alpha needs one pass: its bytes are read as RGBA.
    """
    tiles = _tiles(image)
    found = rawmode(image)
    if image.format == "PPM" and [tile[0] for tile in tiles] == ["ppm"] and found == "RGB":
        if _settings(tiles[0])[1] != _MAX_UINT16:
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
    """Return whether this version of Pillow unpacks 16-bit channels as :func:`byte_tiles` assumes."""
    halves = [Image.frombytes("RGB", (1, 1), b"\x00\xff" * 3, "raw", f"RGB;16{order}") for order in "BL"]
    return [half.getpixel((0, 0)) for half in halves] == [(0, 0, 0), (255, 255, 255)]


def check_depth(image: Image.Image, data: bytes) -> None:
    """Raise an error if Pillow is about to drop bits of the subpixels, or to scale them.

    Raises
    ------
    UnsupportedImageError
    """
    tiles = _tiles(image)
    if image.format == "PPM" and tiles and tiles[0][0].startswith("ppm") and image.mode != "1":
        greatest = _settings(tiles[0])[1]
        if greatest != (_MAX_UINT16 if image.mode == "I" else _MAX_UINT8):
            raise UnsupportedImageError(
                f"the greatest value of the file is {greatest}, which Pillow scales: expected 255 or 65535"
            )
    if rawmode(image).startswith(("F;64", "I;64")):
        raise UnsupportedImageError(
            "the file has samples of 64 bits, of which Pillow keeps 32: convert them to 32 bits first"
        )
    if image.mode.startswith(("I", "F")):
        return
    if max(_bit_depths(image, data), default=8) > 8:
        raise UnsupportedImageError(
            f"the {image.format} file has more than 8 bits per subpixel, which Pillow would drop, "
            "expected 8: convert it to a PNG of 16 bits"
        )


def _bit_depths(image: Image.Image, data: bytes) -> list[int]:
    """Return the bits per subpixel that a file has, as far as they are known."""
    if image.format == "TIFF":
        depths: list[int] = np.atleast_1d(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, 1)).tolist()
        return depths
    if image.format == "SGI":
        return [8 * data[_SGI_BYTES_AT]]
    if image.format == "JPEG2000":
        return _depths_of_jpeg2000(data)
    if image.format == "AVIF":
        return [12 for match in _AV1C_FLAGS.finditer(data) if match[1][0] & _AV1C_HIGH_BIT_DEPTH]
    if image.format == "DDS":
        return [16 for tile in _tiles(image) if tile[0] == "bcn" and _settings(tile)[0] == _BC6H]
    if re.fullmatch(r"(L|LA|RGB|RGBA|RGBa|RGBX|CMYK);16[BLN]", rawmode(image)):
        return [16]
    return []


def _depths_of_jpeg2000(data: bytes) -> list[int]:
    """Return the bits per subpixel of each channel."""
    start = data.find(_SOC_SIZ)
    if start < 0:
        return []
    (channels,) = struct.unpack_from(">H", data, start + _SIZ_CHANNELS_AT)
    first = start + _SIZ_DEPTHS_AT
    depths = data[first : first + _SIZ_CHANNEL_SIZE_BYTES * channels : _SIZ_CHANNEL_SIZE_BYTES]
    return [(depth & _SIZ_DEPTH_MASK) + 1 for depth in depths]


def _tiles(image: Image.Image) -> list[Any]:
    """Return what is still to be decoded: codec, box, offset and settings of each of Pillow's tiles."""
    return list(getattr(image, "tile", None) or ())


def _settings(tile: Any) -> tuple[Any, ...]:
    return tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def _with_rawmode(tile: Any, rawmode: str) -> Any:
    settings = (rawmode, *tile[3][1:]) if isinstance(tile[3], tuple) else rawmode
    return _changed(tile, tile[0], settings)


def _changed(tile: Any, codec: str, settings: str | tuple[Any, ...]) -> Any:
    """Return a tile with another codec and other settings, of the type that this version of Pillow uses."""
    values = (codec, tile[1], tile[2], settings)
    return type(tile)(*values) if hasattr(tile, "_fields") else values
