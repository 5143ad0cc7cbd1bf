"""OpenEXR files <-> arrays of floats or integers, through OpenEXR's own library (extra ``exr``).

A file's header is kept as it is, as metadata ``exr_header``: names of the channels, windows, colours,
comments. The channels become bands: of each layer R, G, B and A first, then the others by name.

Shapes: H height, W width, C bands.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.deep import MAX_BANDS
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedImageError

Array = npt.NDArray[Any]

EXR_START = b"v/1\x01"
HEADER_KEY = "exr_header"  # of the metadata
_VERSION = struct.Struct("<I")  # after the start
_SIZE = struct.Struct("<i")  # of an attribute, after its name and its type
_CHANNEL = struct.Struct("<iB3xii")  # in the list of channels, after its name
_DEEP, _MULTIPART = 0x800, 0x1000  # flags of the version
_START_SIZE_BYTES = len(EXR_START) + _VERSION.size
_LOSSLESS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ")  # compressions that keep all samples
_COLOURS = "RGBA"
_HALF_NAN, _HALF_SIGN, _HALF_MANTISSA, _MANTISSA_SHIFT = 0x7F800000, 0x8000, 0x3FF, 13
_SAMPLES = ("uint32", "float16", "float32")  # by the numbers of their types


class Channel(NamedTuple):
    """A channel, as the header says: its name and type, whether it is linear, how it is sampled."""

    name: str
    dtype: str
    linear: bool
    steps: tuple[int, int]


def read_exr(data: bytes, max_pixels: int) -> tuple[Array, dict[str, Any]]:
    """Return the samples (H, W) or (H, W, C) of an OpenEXR file, and its metadata.

    They are float16, float32 or uint32, as in the file; channels of float16 beside such of float32 become
    float32, which :func:`write_exr` undoes.

    Raises
    ------
    UnsupportedImageError
        If the library is not installed, or the file has several parts or levels, samples at depths, channels
        of different sizes, or floats beside integers.
    LimitExceededError
        If it has more than ``max_pixels`` pixels.
    CorruptFileError
        If it is damaged.
    """
    library = _library("the file is OpenEXR")
    try:
        head = _header_bytes(data)
        _check_flags(head)
        channels, header = _channels(head), _read_header(library, head)
        size = _checked_size(library, header, channels, max_pixels)
        said = io.StringIO()
        with redirect_stdout(said), library.File(io.BytesIO(data), separate_channels=True) as file:
            if said.getvalue():  # the library prints what goes wrong, and goes on
                raise ValueError(said.getvalue().strip())
            found = {name: np.asarray(channel.pixels) for name, channel in file.channels().items()}
        samples = [found[channel.name] for channel in channels]
    except (PixcodecError, MemoryError):
        raise
    except Exception as error:  # the library raises errors of several types
        raise CorruptFileError(f"the OpenEXR file is damaged: {error}") from error
    expected = [(channel.dtype, size) for channel in channels]
    if [(array.dtype.name, array.shape) for array in samples] != expected:
        raise CorruptFileError("the OpenEXR file is damaged: samples are missing")
    if len({channel.dtype for channel in channels}) > 1:
        samples = [_widened(array) if array.dtype == np.float16 else array for array in samples]
    array = np.stack(samples, axis=-1) if len(samples) > 1 else np.ascontiguousarray(samples[0])
    return array, {HEADER_KEY: head}


def write_exr(array: Array, info: Mapping[str, Any]) -> bytes:
    """Return samples as an OpenEXR file, with the header in ``info`` if it is one of so many bands.

    Compression is that of the header if it loses nothing, else ZIP.

    Raises
    ------
    UnsupportedImageError
        If the library is not installed, or OpenEXR has no such samples.
    """
    if array.dtype.name not in _SAMPLES:
        raise UnsupportedImageError(
            f"image is {array.dtype} of shape {array.shape}, which an exr file cannot hold: use tif or npy"
        )
    library = _library("exr files need a library")
    bands = array[:, :, None] if array.ndim == 2 else array
    header, kinds = _header_for(library, bands, info.get(HEADER_KEY, b""))
    channels = {
        kind.name: _channel(library, kind, np.ascontiguousarray(bands[:, :, k]))
        for k, kind in enumerate(kinds)
    }
    file = io.BytesIO()
    try:
        with library.File(header, channels) as written:
            written.write(file)
    except (RuntimeError, ValueError, TypeError) as error:
        raise UnsupportedImageError(f"OpenEXR cannot write the image: {error}") from error
    return file.getvalue()


def _library(what: str) -> ModuleType:
    try:
        import OpenEXR
    except ImportError as error:
        raise UnsupportedImageError(f"{what}: pip install 'pixcodec[exr]'") from error
    library: ModuleType = OpenEXR
    return library


def _attributes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each attribute of a file's (first) header, and where its value begins and ends."""
    at = _START_SIZE_BYTES
    while data[at]:
        name = data[at : data.index(0, at)]
        for _ in ("name", "type"):
            at = data.index(0, at) + 1
        (size,) = _SIZE.unpack_from(data, at)
        start = at + _SIZE.size
        at = start + size
        if not start <= at < len(data):
            raise ValueError(f"attribute {name!r} has a size of {size} bytes")
        yield name, start, at


def _header_bytes(data: bytes) -> bytes:
    """Return a file up to the end of its (first) header."""
    ends = [_START_SIZE_BYTES, *(end for _, _, end in _attributes(data))]
    return data[: ends[-1] + 1]


def _channels(head: bytes) -> list[Channel]:
    """Return the channels that a header lists, in the order of the bands."""

    def place(channel: Channel) -> tuple[str, int, str]:
        layer, _, last = channel.name.rpartition(".")
        return layer, _COLOURS.index(last) if last and last in _COLOURS else len(_COLOURS), last

    channels = []
    for name, start, end in _attributes(head):
        at = start
        while name == b"channels" and at < end and head[at]:
            stop = head.index(0, at)
            kind, linear, *steps = _CHANNEL.unpack_from(head, stop + 1)
            channels.append(Channel(head[at:stop].decode(), _SAMPLES[kind], bool(linear), tuple(steps)))
            at = stop + 1 + _CHANNEL.size
    return sorted(channels, key=place)


def _check_flags(head: bytes) -> None:
    (version,) = _VERSION.unpack_from(head, len(EXR_START))
    if version & _DEEP:
        raise UnsupportedImageError("the OpenEXR file has samples at several depths: flatten it first")
    if version & _MULTIPART:
        raise UnsupportedImageError("the OpenEXR file has several parts: save each as a file")


def _read_header(library: ModuleType, head: bytes) -> dict[str, Any]:
    with library.File(io.BytesIO(head), header_only=True) as file:
        return dict(file.header())


def _checked_size(
    library: ModuleType, header: Mapping[str, Any], channels: Sequence[Channel], max_pixels: int
) -> tuple[int, int]:
    """Return height and width of an image that can be kept."""
    if "tiles" in header and header["tiles"].mode != library.ONE_LEVEL:
        raise UnsupportedImageError("the OpenEXR file has several levels (mipmap): save the largest one")
    if any(channel.steps != (1, 1) for channel in channels):
        raise UnsupportedImageError("the OpenEXR file has channels of several sizes: convert it to RGB")
    if not 1 <= len(channels) <= MAX_BANDS:
        raise UnsupportedImageError(f"image has {len(channels)} bands, expected 1 to {MAX_BANDS}")
    types = {channel.dtype for channel in channels}
    if "uint32" in types and len(types) > 1:
        raise UnsupportedImageError("the OpenEXR file has floats and integers: save them apart")
    height, width = _window_size(header["dataWindow"])
    if min(height, width) < 1:
        raise CorruptFileError(f"the OpenEXR file is damaged: it has {width}x{height} pixels")
    if height * width > max_pixels:
        raise LimitExceededError(f"image is {width}x{height}, the limit is {max_pixels} pixels")
    return height, width


def _window_size(window: Sequence[Array]) -> tuple[int, int]:
    (x0, y0), (x1, y1) = ([int(v) for v in corner] for corner in window)
    return y1 - y0 + 1, x1 - x0 + 1


def _header_for(library: ModuleType, bands: Array, head: bytes) -> tuple[dict[str, Any], list[Channel]]:
    """Return the header to write for bands (H, W, C), and their channels."""
    height, width, count = bands.shape
    channels: list[Channel] = []
    if head:
        try:
            channels, header = _channels(head), _read_header(library, head)
        except Exception:  # of another version of the library, or no header: what is said below does
            channels = []
    if len(channels) == count:
        _fit_window(header, height, width)
        if header["compression"].name.partition("_")[0] not in _LOSSLESS:
            header["compression"] = library.ZIP_COMPRESSION
        return header, channels
    usual = {1: ["Y"], 3: ["R", "G", "B"], 4: ["R", "G", "B", "A"]}
    names = usual.get(count, [f"band{k:02}" for k in range(count)])
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    return header, [Channel(name, bands.dtype.name, False, (1, 1)) for name in names]


def _fit_window(header: dict[str, Any], height: int, width: int) -> None:
    """Let the windows of a header be those of a part of the image, if it is one."""
    if _window_size(header["dataWindow"]) != (height, width):
        window = np.array([0, 0], np.int32), np.array([width - 1, height - 1], np.int32)
        header["dataWindow"] = header["displayWindow"] = window


def _channel(library: ModuleType, kind: Channel, pixels: Array) -> Any:
    """Return a channel of the library; float32 that was float16 becomes that again."""
    if kind.dtype == "float16" and pixels.dtype == np.float32:
        narrow = _narrowed(pixels)
        if np.array_equal(_widened(narrow).view(np.uint32), pixels.view(np.uint32)):
            pixels = narrow
    return library.Channel(kind.name, pixels, *kind.steps, kind.linear)


def _widened(half: Array) -> Array:
    """Return float16 as float32, with all bits of numbers that are none."""
    bits = half.view(np.uint16).astype(np.uint32)
    sign, mantissa = (bits & _HALF_SIGN) << 16, (bits & _HALF_MANTISSA) << _MANTISSA_SHIFT
    nan = np.isnan(half)
    wide = np.where(nan, np.float16(0), half).astype(np.float32).view(np.uint32)
    result: Array = np.where(nan, sign | _HALF_NAN | mantissa, wide).astype(np.uint32).view(np.float32)
    return result


def _narrowed(wide: Array) -> Array:
    """Return float32 as float16; the inverse of :func:`_widened`."""
    bits = wide.view(np.uint32)
    nan = np.isnan(wide)
    with np.errstate(over="ignore"):
        half = np.where(nan, np.float32(0), wide).astype(np.float16).view(np.uint16)
    sign, mantissa = bits >> 16 & _HALF_SIGN, bits >> _MANTISSA_SHIFT & _HALF_MANTISSA
    result: Array = np.where(nan, sign | 0x7C00 | mantissa, half).astype(np.uint16).view(np.float16)
    return result
