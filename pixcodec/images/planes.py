"""Image in any supported mode <-> the integers that are coded.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImagePalette

from pixcodec.container.chunks import Chunk
from pixcodec.container.header import Mode
from pixcodec.container.layers import Layer, LayerKind
from pixcodec.container.varint import MAX_VARINT, pack_varint, read_varint
from pixcodec.errors import CorruptFileError, UnsupportedImageError
from pixcodec.images.colours import pack_colours, unpack_colours
from pixcodec.images.info import collect
from pixcodec.images.metadata import from_chunks, to_chunks

Array = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Plane = npt.NDArray[np.uint8]
AnyImage = Array | Image.Image

# Pillow's modes: mode and bit depth. Byte orders of 16 bits are one depth; a chunk says which it was.
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
_BY_CHANNELS = {1: Mode.GREY, 2: Mode.GREY_ALPHA, 3: Mode.RGB, 4: Mode.RGBA}
_WAYS_OUT = {
    "I": "if its values fit into 16 bits, convert with image.convert('I;16')",
    "F": "scale it and convert with image.convert('L') or 'I;16'",
    "PA": "convert with image.convert('RGBA')",
    "La": "convert with image.convert('LA')",
    "RGBa": "convert with image.convert('RGBA')",
}
_PALETTE_MODES = ("RGB", "RGBA")
_INDEX, _COLOUR, _TABLE, _PACKED_TABLE = range(4)  # forms of transparency
MAX_TABLE_SIZE_BYTES = 256  # of transparency: a byte for each index


class Picture(NamedTuple):
    """An image with all that belongs to it.

    ``pixels`` are (H, W, C), uint8 or uint16, C-contiguous; of a bilevel image 0 and 1, of one with a palette
    indices. ``palette`` and ``transparency`` are the payloads of the chunks PLTE and TRNS, or empty.
    """

    mode: Mode
    bit_depth: int
    pixels: Pixels
    palette: bytes = b""
    transparency: bytes = b""
    chunks: tuple[Chunk, ...] = ()


def to_picture(image: AnyImage, *, strip: bool = False, info: Mapping[str, Any] | None = None) -> Picture:
    """Return what there is to an image; no subpixel is changed.

    Parameters
    ----------
    image : ndarray or PIL.Image.Image
        bool of shape (H, W), uint8 or uint16 of shape (H, W) or (H, W, C) with C = 1..4, or an image of one
        frame and one of the modes PIL_MODES.
    strip : bool
        Leave out the metadata.
    info : mapping, optional
        The metadata (:mod:`pixcodec.images.metadata`), instead of what the PIL image says.

    Raises
    ------
    UnsupportedImageError
        If the image is anything else, is empty, or would lose something.
    """
    if isinstance(image, Image.Image):
        _check_pillow(image)  # before anything loads it
        return _from_pillow(image, None if strip else collect(image) if info is None else info)
    if not isinstance(image, np.ndarray):
        raise UnsupportedImageError(
            f"image is a {type(image).__name__}, expected a numpy array or a PIL image: "
            "convert with numpy.asarray(image)"
        )
    return _from_array(image)._replace(chunks=() if strip or info is None else to_chunks(info))


def _from_array(array: npt.NDArray[Any]) -> Picture:
    if array.dtype.newbyteorder("=") not in (np.dtype(bool), np.dtype(np.uint8), np.dtype(np.uint16)):
        raise UnsupportedImageError(
            f"array has dtype {array.dtype}, expected uint8, uint16 or bool: "
            "scale it to 0..255 and use array.astype('uint8'), or likewise uint16"
        )
    shaped = array[:, :, None] if array.ndim == 2 else array
    if (
        shaped.ndim != 3
        or shaped.shape[2] not in _BY_CHANNELS
        or (array.dtype == bool and shaped.shape[2] > 1)
    ):
        raise UnsupportedImageError(
            f"array has shape {array.shape}, expected (H, W) or (H, W, C) with C = 1, 2, 3 or 4 (bool: 1): "
            "split it"
        )
    if array.size == 0:
        raise UnsupportedImageError(f"array has shape {array.shape}, expected at least one pixel")
    if array.dtype == bool:
        return Picture(Mode.BILEVEL, 1, np.ascontiguousarray(shaped, np.uint8))
    pixels = np.ascontiguousarray(shaped, shaped.dtype.newbyteorder("="))
    return Picture(_BY_CHANNELS[shaped.shape[2]], _depth(pixels), pixels)


def _depth(pixels: Pixels) -> int:
    """Return how many bits the subpixels have: 8 of uint8, of uint16 what the largest needs, at least 9."""
    return 8 if pixels.dtype == np.uint8 else max(9, int(pixels.max()).bit_length())


def to_array(picture: Picture) -> Array:
    """Return a picture's pixels: (H, W), or (H, W, C) if C > 1; bool if it is bilevel."""
    pixels = picture.pixels
    if picture.mode is Mode.BILEVEL:
        return pixels[:, :, 0].astype(bool)
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def _check_pillow(image: Image.Image) -> None:
    """Raise an error unless all of an image's pixels can be kept."""
    if image.mode not in PIL_MODES:
        way_out = _WAYS_OUT.get(image.mode, "convert with image.convert('RGB')")
        raise UnsupportedImageError(
            f"image has mode {image.mode}, expected one of {', '.join(PIL_MODES)}: {way_out}"
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


def _from_pillow(image: Image.Image, info: Mapping[str, Any] | None) -> Picture:
    image.load()
    mode, depth = PIL_MODES[image.mode]
    array = np.asarray(image)
    pixels = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(*array.shape[:2], -1)
    chunks = () if info is None else to_chunks(info)
    if image.mode in ("I;16B", "I;16L"):
        chunks = (*chunks, Chunk("pilm", image.mode.encode()))
    palette = b""
    if mode is Mode.PALETTE:
        depth = max(1, int(pixels.max()).bit_length())
        palette = _palette(image)
    elif mode is Mode.BILEVEL:
        pixels = pixels.astype(np.uint8)
    else:
        depth = _depth(pixels)
    return Picture(mode, depth, pixels, palette, _transparency(image), chunks)


def _is_deeper(image: Image.Image) -> bool:
    """Return whether Pillow is about to drop bits of a file that it has opened with 8 bits.

    Only the decoder settings of a file that is not loaded yet tell: a raw mode such as ``RGB;16B``, or
    the greatest value of a PPM file.
    """
    if image.mode.startswith("I;16"):
        return False
    for codec, _, _, args in getattr(image, "tile", ()):
        values = args if isinstance(args, tuple) else (args,)
        if any(isinstance(value, str) and ";16" in value for value in values):
            return True
        if codec == "ppm" and values[1] != 255:
            return True
    return False


def _palette(image: Image.Image) -> bytes:
    """Return the palette of a loaded image: size of an entry in bytes, then the entries."""
    assert image.palette is not None
    mode = image.palette.mode
    if mode not in _PALETTE_MODES:
        raise UnsupportedImageError(
            f"palette has mode {mode}, expected {' or '.join(_PALETTE_MODES)}: "
            "convert with image.convert('RGB')"
        )
    entries = np.frombuffer(bytes(image.palette.palette), np.uint8)
    entries = entries[: len(entries) // len(mode) * len(mode)].reshape(-1, len(mode))
    return bytes([len(mode)]) + pack_colours(entries)


def _transparency(image: Image.Image) -> bytes:
    """Return what tells which index or colour is transparent, empty if nothing does."""
    value = image.info.get("transparency")
    if value is None:
        return b""
    if isinstance(value, bytes) and len(value) <= MAX_TABLE_SIZE_BYTES:
        packed = zlib.compress(value, 9)
        if len(packed) < len(value):
            return bytes([_PACKED_TABLE]) + packed
        return bytes([_TABLE]) + value
    if _is_number(value):
        return bytes([_INDEX]) + pack_varint(value)
    if isinstance(value, tuple) and all(map(_is_number, value)):
        return bytes([_COLOUR]) + b"".join(pack_varint(part) for part in value)
    if isinstance(value, str):
        return b""  # a text with this keyword
    raise UnsupportedImageError(
        "info['transparency'] is neither the number of a colour, nor a colour, nor a table of up to "
        f"{MAX_TABLE_SIZE_BYTES} bytes: {value!r}"
    )


def _is_number(value: object) -> bool:
    """Return whether it is a number that a chunk holds."""
    return isinstance(value, int) and 0 <= value <= MAX_VARINT


def header_info(transparency: bytes, chunks: tuple[Chunk, ...]) -> dict[str, Any]:
    """Return Pillow's ``info`` of a file.

    Raises
    ------
    CorruptFileError
        If a chunk is not as FORMAT.md says.
    """
    info = from_chunks(chunks)
    for keyword, text in info.get("text", {}).items():
        info.setdefault(keyword, text)
    if not transparency:
        return info
    form, rest = transparency[0], transparency[1:]
    try:
        if form == _TABLE:
            info["transparency"] = rest
        elif form == _PACKED_TABLE:
            info["transparency"] = _unpacked_table(rest)
        elif form == _INDEX:
            info["transparency"], end = read_varint(rest, 0)
        elif form == _COLOUR:
            parts, end = [], 0
            while end < len(rest):
                part, end = read_varint(rest, end)
                parts.append(part)
            info["transparency"] = tuple(parts)
        else:
            raise ValueError(f"form is {form}, expected 0..3")
    except ValueError as error:
        raise CorruptFileError(f"chunk 'TRNS': {error}") from error
    return info


def _unpacked_table(packed: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        table = stream.decompress(packed, MAX_TABLE_SIZE_BYTES + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not stream.eof or stream.unused_data or len(table) > MAX_TABLE_SIZE_BYTES:
        raise ValueError(f"its zlib stream is not one of up to {MAX_TABLE_SIZE_BYTES} bytes")
    return table


def pillow_mode(mode: Mode, bit_depth: int, chunks: tuple[Chunk, ...]) -> str | None:
    """Return Pillow's mode of a picture, None if it has none (16 bits and more than one channel)."""
    depth = 8 if mode is Mode.PALETTE else 16 if bit_depth > 8 else bit_depth
    for chunk in chunks:
        if chunk.type == "pilm" and PIL_MODES.get(chunk.payload.decode("ascii", "replace")) == (mode, depth):
            return chunk.payload.decode()
    return next((name for name, found in PIL_MODES.items() if found == (mode, depth)), None)


def to_pillow(picture: Picture) -> Image.Image | Array:
    """Return a picture as a PIL image with palette and metadata; as an array if Pillow has no such mode."""
    name = pillow_mode(picture.mode, picture.bit_depth, picture.chunks)
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
    if picture.mode is Mode.PALETTE:
        image.palette = to_palette(picture.palette)
        image.load()
    image.info.update(header_info(picture.transparency, picture.chunks))
    return image


def to_palette(payload: bytes) -> ImagePalette.ImagePalette:
    """Return the palette of a chunk PLTE.

    Raises
    ------
    CorruptFileError
        If the chunk is not as FORMAT.md says.
    """
    size = payload[0] if payload else 0
    if size not in (3, 4) or len(payload) < 2:
        raise CorruptFileError(f"chunk 'PLTE': entries are {size} bytes, expected 3 or 4")
    mode = "RGB" if size == 3 else "RGBA"
    palette = ImagePalette.raw(mode, unpack_colours(payload[1:], size, 8).tobytes())
    palette.mode = mode
    return palette


def plane_of(pixels: Pixels, layer: Layer) -> Plane:
    """Return the values (H, W, channels of the layer) of a layer, from the pixels (H, W, C)."""
    whole = pixels[:, :, layer.first : layer.first + layer.channels]
    part = whole >> layer.shift
    if layer.kind is LayerKind.WIDE:
        part = np.stack([part, whole & ((1 << layer.shift) - 1)], 3).reshape(*part.shape[:2], -1)
    return np.ascontiguousarray(part & ((1 << layer.bits) - 1), np.uint8)


def put_plane(pixels: Pixels, layer: Layer, plane: Plane) -> None:
    """Add the values of a layer to pixels (H, W, C), which begin as zeros."""
    part: npt.NDArray[Any] = pixels[:, :, layer.first : layer.first + layer.channels]
    values: npt.NDArray[Any] = plane.astype(pixels.dtype)
    if layer.kind is LayerKind.WIDE:
        part |= values[:, :, ::2] << layer.shift | values[:, :, 1::2]
    else:
        part |= values << layer.shift


def to_raw(plane: Plane, bits: int) -> bytes:
    """Return the values of a plane one after another, ``bits`` bits each, the most significant first."""
    if bits == 8:
        return plane.tobytes()
    each = np.unpackbits((plane << (8 - bits)).astype(np.uint8).reshape(-1, 1), axis=1, count=bits)
    return np.packbits(each).tobytes()


def from_raw(data: bytes, bits: int, shape: tuple[int, int, int]) -> Plane:
    """Return the plane of this shape that :func:`to_raw` made bytes of."""
    values: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    if bits < 8:
        count = shape[0] * shape[1] * shape[2]
        each = np.unpackbits(values, count=count * bits).reshape(count, bits)
        values = (np.packbits(each, axis=1)[:, 0] >> (8 - bits)).astype(np.uint8)
    return values.reshape(shape)
