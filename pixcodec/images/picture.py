"""Image in any supported mode <-> its pixels with palette, transparency and metadata.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImagePalette

from pixcodec.container.chunks import Chunk
from pixcodec.container.deep import MAX_BANDS, Deep, Meaning, SampleKind
from pixcodec.container.header import Mode
from pixcodec.errors import CorruptFileError, UnsupportedImageError
from pixcodec.images.colours import pack_colours, unpack_colours
from pixcodec.images.metadata import from_chunks, to_chunks
from pixcodec.images.pillow_info import collect
from pixcodec.images.planes import Pixels, pixel_type
from pixcodec.images.transparency import pack_transparency, unpack_transparency

Array = npt.NDArray[Any]  # of a type of _DEEP_TYPES, uint8, uint16 or bool
AnyImage = Array | Image.Image

# Mode and bit depth of Pillow's modes. Those of 16 bits differ in their byte order, which the chunk pilm
# names.
PIL_MODES: dict[str, tuple[Mode, int]] = {
    "1": (Mode.BILEVEL, 1),
    "L": (Mode.GREY, 8),
    "LA": (Mode.GREY_ALPHA, 8),
    "P": (Mode.PALETTE, 8),
    "RGB": (Mode.RGB, 8),
    "RGBA": (Mode.RGBA, 8),
    "CMYK": (Mode.CMYK, 8),
    "I;16": (Mode.GREY, 16),
    "I;16B": (Mode.GREY, 16),
    "I;16L": (Mode.GREY, 16),
}
# Bits of a sample, and what the samples are, of those that are coded in mode DEEP.
DEEP_PIL_MODES: dict[str, tuple[int, Deep]] = {
    "I": (32, Deep(1, SampleKind.SIGNED)),
    "F": (32, Deep(1, SampleKind.FLOAT)),
    "LAB": (8, Deep(3, meaning=Meaning.LAB)),
    "YCbCr": (8, Deep(3, meaning=Meaning.YCBCR)),
    "HSV": (8, Deep(3, meaning=Meaning.HSV)),
    "La": (8, Deep(2, meaning=Meaning.GREY_PREMULTIPLIED)),
    "RGBa": (8, Deep(4, meaning=Meaning.RGB_PREMULTIPLIED)),
    "PA": (8, Deep(2, meaning=Meaning.PALETTE_ALPHA)),
}
_DEEP_TYPES = ("int8", "int16", "int32", "uint32", "float16", "float32")
_NAMED_MODES = ("I;16B", "I;16L")
_PILLOW_MODE_CHUNK = "pilm"  # FORMAT.md, "Ancillary chunks"

_MODE_OF_CHANNELS = {1: Mode.GREY, 2: Mode.GREY_ALPHA, 3: Mode.RGB, 4: Mode.RGBA}
_MODE_OF_ENTRY_SIZE = {3: "RGB", 4: "RGBA"}  # of a palette, by the bytes of a colour
_PALETTE_BIT_DEPTH = 8  # of a subpixel of its colours
_LEAST_DEEP_BITS = 9  # of uint16
_MAX_UINT8 = 255


class Picture(NamedTuple):
    """An image as the codec takes it.

    Parameters
    ----------
    mode : Mode
    bit_depth : int
        Of a subpixel: 8 for uint8; for uint16 as many as the largest value needs, at least 9; 1 if bilevel;
        of a palette as many as the largest index needs; of mode DEEP those of the type.
    pixels : ndarray of uint8 or uint16, of mode DEEP also uint32, shape (H, W, C)
        C-contiguous. Bilevel images have the values 0 and 1, those with a palette have indices. Of
        mode DEEP, the bits of the samples.
    palette, transparency : bytes
        Payloads of the chunks PLTE and TRNS, or empty. Of mode DEEP, the palette alone.
    chunks : tuple of Chunk
        Ancillary chunks: the metadata, and the name of Pillow's mode where several have the same pixels.
    """

    mode: Mode
    bit_depth: int
    pixels: Pixels
    palette: bytes = b""
    transparency: bytes = b""
    chunks: tuple[Chunk, ...] = ()
    deep: Deep | None = None  # of mode DEEP


def to_picture(image: AnyImage, *, strip: bool = False, info: Mapping[str, Any] | None = None) -> Picture:
    """Return an image as a picture; no subpixel is changed.

    Parameters
    ----------
    image : ndarray or PIL.Image.Image
        bool of shape (H, W); uint8, uint16 or a type of _DEEP_TYPES of shape (H, W) or (H, W, C) with C up to
        32; or an image of one frame and one of the modes PIL_MODES and DEEP_PIL_MODES.
    strip : bool
        Leave out the metadata.
    info : mapping, optional
        The metadata (:mod:`pixcodec.images.metadata`), instead of that of the PIL image. Of an array of RGB,
        ``transparency`` is the colour that is transparent, a tuple.

    Raises
    ------
    UnsupportedImageError
        If the image is anything else, is empty, or could not be restored without loss.
    LimitExceededError
        If the metadata is too large.
    """
    if isinstance(image, Image.Image):
        _check_pillow(image)  # before anything loads it
        if strip:
            return _from_pillow(image, None)
        return _from_pillow(image, collect(image) if info is None else info)
    if not isinstance(image, np.ndarray):
        raise UnsupportedImageError(
            f"image is a {type(image).__name__}, expected a numpy array or a PIL image: "
            "convert with numpy.asarray(image)"
        )
    picture = _from_array(image)
    if info is None:
        return picture
    colour = info.get("transparency") if picture.mode is Mode.RGB else None
    chunks = () if strip else to_chunks(info)
    return picture._replace(transparency=pack_transparency(colour), chunks=chunks)


def _from_array(array: npt.NDArray[Any]) -> Picture:
    if isinstance(array, np.ma.MaskedArray):
        raise UnsupportedImageError("array is masked: encode array.filled(value), or its data and its mask")
    native = array.dtype.newbyteorder("=")
    if native.name not in ("bool", "uint8", "uint16", *_DEEP_TYPES):
        raise UnsupportedImageError(
            f"array has dtype {array.dtype}, expected bool, uint8, uint16, {', '.join(_DEEP_TYPES)}: "
            "use array.astype with one of these that holds its values"
        )
    shaped = array[:, :, None] if array.ndim == 2 else array
    if (
        shaped.ndim != 3
        or not 1 <= shaped.shape[2] <= MAX_BANDS
        or (array.dtype == bool and shaped.shape[2] > 1)
    ):
        raise UnsupportedImageError(
            f"array has shape {array.shape}, expected (H, W) or (H, W, C) with C = 1..{MAX_BANDS} (bool: 1): "
            "split it"
        )
    if array.size == 0:
        raise UnsupportedImageError(f"array has shape {array.shape}, expected at least one pixel")
    if array.dtype == bool:
        return Picture(Mode.BILEVEL, 1, np.ascontiguousarray(shaped, np.uint8))
    pixels = np.ascontiguousarray(shaped, native)
    if native.name in _DEEP_TYPES or shaped.shape[2] not in _MODE_OF_CHANNELS:
        deep = Deep(shaped.shape[2], _KINDS[native.kind])
        return Picture(Mode.DEEP, 8 * native.itemsize, pixels.view(f"u{native.itemsize}"), deep=deep)
    return Picture(_MODE_OF_CHANNELS[shaped.shape[2]], _depth(pixels), pixels)


_KINDS = {"u": SampleKind.UNSIGNED, "i": SampleKind.SIGNED, "f": SampleKind.FLOAT}  # by numpy's letters
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}


def _depth(pixels: Pixels) -> int:
    """Return the bit depth: 8 for uint8; for uint16 what the largest value needs, at least 9."""
    return 8 if pixels.dtype == np.uint8 else max(_LEAST_DEEP_BITS, int(pixels.max()).bit_length())


def to_array(picture: Picture) -> Array:
    """Return the pixels, shape (H, W), or (H, W, C) if C > 1; bool if the picture is bilevel."""
    pixels = picture.pixels
    if picture.mode is Mode.BILEVEL:
        return pixels[:, :, 0].astype(bool)
    if picture.deep:
        pixels = pixels.view(f"{_LETTERS[picture.deep.kind]}{pixels.itemsize}")
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _check_pillow(image: Image.Image) -> None:
    """Raise an error unless all pixels of an image can be kept."""
    if image.mode not in PIL_MODES and image.mode not in DEEP_PIL_MODES:
        raise UnsupportedImageError(
            f"image has mode {image.mode}, expected one of {', '.join((*PIL_MODES, *DEEP_PIL_MODES))}: "
            "convert with image.convert('RGB')"
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnsupportedImageError(f"image has {frames} frames, expected 1: encode each frame by itself")
    if _is_deeper(image):
        raise UnsupportedImageError(
            "image has more than 8 bits per subpixel in its file, of which Pillow gives 8: "
            "read it as a numpy array of uint16 with another library, or reduce it to 8 bits first"
        )
    if min(image.size) < 1:
        raise UnsupportedImageError(f"image is {image.width}x{image.height} pixels, expected at least 1x1")


def _is_deeper(image: Image.Image) -> bool:
    """Return whether Pillow is about to drop bits of a file that it has opened with 8 bits.

    Only an image that is not loaded yet shows it, by the settings of its decoder: a raw mode such as
    ``RGB;16B``, or the largest value of a PPM file.
    """
    if image.mode.startswith("I;16"):
        return False
    for codec, _, _, args in getattr(image, "tile", ()):
        values = args if isinstance(args, tuple) else (args,)
        if any(isinstance(value, str) and ";16" in value for value in values):
            return True
        if codec == "ppm" and values[1] != _MAX_UINT8:
            return True
    return False


def _from_pillow(image: Image.Image, info: Mapping[str, Any] | None) -> Picture:
    image.load()
    if image.mode in DEEP_PIL_MODES:
        return _from_deep_pillow(image, () if info is None else to_chunks(info))
    mode, depth = PIL_MODES[image.mode]
    array = np.asarray(image)
    pixels = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(*array.shape[:2], -1)
    chunks = () if info is None else to_chunks(info)
    if image.mode in _NAMED_MODES:
        chunks = (*chunks, Chunk(_PILLOW_MODE_CHUNK, image.mode.encode()))
    palette = b""
    if mode is Mode.PALETTE:
        depth = max(1, int(pixels.max()).bit_length())
        palette = _pack_palette(image)
    elif mode is Mode.BILEVEL:
        pixels = pixels.astype(np.uint8)
    else:
        depth = _depth(pixels)
    return Picture(mode, depth, pixels, palette, pack_transparency(image.info.get("transparency")), chunks)


def _from_deep_pillow(image: Image.Image, chunks: tuple[Chunk, ...]) -> Picture:
    depth, deep = DEEP_PIL_MODES[image.mode]
    array = np.asarray(image)
    pixels = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).view(pixel_type(depth))
    palette = _pack_palette(image) if deep.meaning is Meaning.PALETTE_ALPHA else b""
    shaped = pixels.reshape(*array.shape[:2], deep.bands)
    return Picture(Mode.DEEP, depth, shaped, palette, chunks=chunks, deep=deep)


def _pack_palette(image: Image.Image) -> bytes:
    """Return the payload of PLTE for the palette of a loaded image: size of a colour in bytes, colours."""
    assert image.palette is not None
    mode = image.palette.mode
    if mode not in _MODE_OF_ENTRY_SIZE.values():
        raise UnsupportedImageError(
            f"palette has mode {mode}, expected {' or '.join(_MODE_OF_ENTRY_SIZE.values())}: "
            "convert with image.convert('RGB')"
        )
    entries = np.frombuffer(bytes(image.palette.palette), np.uint8)
    entries = entries[: len(entries) // len(mode) * len(mode)].reshape(-1, len(mode))
    return bytes([len(mode)]) + pack_colours(entries)


def to_palette(payload: bytes) -> ImagePalette.ImagePalette:
    """Return the palette in the payload of a chunk PLTE.

    Raises
    ------
    CorruptFileError
        If the payload is not as FORMAT.md says.
    UnsupportedVersionError
        If this version of pixcodec does not know its method.
    """
    size = payload[0] if payload else 0
    if size not in _MODE_OF_ENTRY_SIZE or len(payload) < 2:
        raise CorruptFileError(f"chunk 'PLTE': entries are {size} bytes, expected 3 or 4")
    mode = _MODE_OF_ENTRY_SIZE[size]
    palette = ImagePalette.raw(mode, unpack_colours(payload[1:], size, _PALETTE_BIT_DEPTH).tobytes())
    palette.mode = mode
    return palette


def header_info(transparency: bytes, chunks: tuple[Chunk, ...]) -> dict[str, Any]:
    """Return the ``info`` of a PIL image: metadata, with each text under its keyword too, and transparency.

    Parameters
    ----------
    transparency : bytes
        Payload of the chunk TRNS, or empty.
    chunks : tuple of Chunk
        Ancillary chunks.

    Raises
    ------
    CorruptFileError
        If a chunk is not as FORMAT.md says.
    UnsupportedVersionError, LimitExceededError
        As :func:`pixcodec.images.metadata.from_chunks`.
    """
    info = from_chunks(chunks)
    for keyword, text in info.get("text", {}).items():
        info.setdefault(keyword, text)
    if transparency:
        info["transparency"] = unpack_transparency(transparency)
    return info


def pillow_mode(
    mode: Mode, bit_depth: int, chunks: tuple[Chunk, ...], deep: Deep | None = None
) -> str | None:
    """Return Pillow's mode for a picture, or None if there is none (16 bits and more than one channel)."""
    if deep:
        return next((name for name, found in DEEP_PIL_MODES.items() if found == (bit_depth, deep)), None)
    depth = 8 if mode is Mode.PALETTE else 16 if bit_depth > 8 else bit_depth
    for chunk in chunks:
        if chunk.type == _PILLOW_MODE_CHUNK:
            name = chunk.payload.decode("ascii", "replace")
            if PIL_MODES.get(name) == (mode, depth):
                return name
    return next((name for name, found in PIL_MODES.items() if found == (mode, depth)), None)


def to_pillow(picture: Picture) -> Image.Image | Array:
    """Return a picture as a PIL image with palette and metadata; as an array if Pillow has no such mode.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
        As :func:`to_palette` and :func:`header_info`.
    """
    name = pillow_mode(picture.mode, picture.bit_depth, picture.chunks, picture.deep)
    if name is None:
        return to_array(picture)
    height, width = picture.pixels.shape[:2]
    array = to_array(picture)
    if name.startswith("I;16"):
        order = ">u2" if name == "I;16B" else "<u2"
        image = Image.frombytes(name, (width, height), array.astype(order).tobytes())
    elif name == "1":
        image = Image.fromarray(array)
    else:
        image = Image.frombytes(name, (width, height), array.tobytes())
    if name in ("P", "PA"):
        image.palette = to_palette(picture.palette)
        image.load()
    image.info.update(header_info(picture.transparency, picture.chunks))
    return image
