"""Image files of other formats <-> images with metadata, through Pillow.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFile, PngImagePlugin, UnidentifiedImageError

from pixcodec.container.chunks import MAGIC
from pixcodec.container.header import DEFAULT_MAX_PIXELS, MAX_PIXELS
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedImageError
from pixcodec.images.losses import (
    byte_tiles,
    check_alone,
    check_complete,
    check_depth,
    load,
    rawmode,
    takes_single_bytes,
)
from pixcodec.images.metadata import MAX_METADATA_SIZE_BYTES, clean
from pixcodec.images.pillow_info import collect, ignore_orientation_of_xmp, tiff_exif, with_orientation
from pixcodec.images.png_chunks import unsaid_chunks, with_unsaid_chunks
from pixcodec.images.png_parts import AFTER_IHDR, deep_png, metadata_chunks, transparent_colour
from pixcodec.images.rasters import RASTERS, is_raster, narrowed, read_raster, write_raster, write_tiff
from pixcodec.images.tiff_tags import (
    is_white_zero,
    tag_names,
    with_colours,
    with_premultiplied,
    with_white_zero,
    without_orientation,
)
from pixcodec.images.transparency import scale_transparency, scale_transparency_back

DeepPixels = npt.NDArray[np.uint16]
AnyImage = Image.Image | npt.NDArray[Any]


class FileFormat(NamedTuple):
    """A lossless format to write.

    Parameters
    ----------
    name : str
        Pillow's name of the format.
    modes : tuple of str
        Pillow's modes that it can hold; ``RGB;16`` and the like are uint16 arrays with these channels.
    options : mapping
        Pillow's options for saving.
    """

    name: str
    modes: tuple[str, ...]
    options: Mapping[str, Any]


_DEEP = ("I;16", "I;16B")
_GREYS = ("1", "L", "I", "F", *_DEEP)
_MAY_HAVE_TRANSPARENCY = ("1", "L", "P", "RGB", *_DEEP)  # of other modes, the info is of an earlier mode
_GREY_WEBP = ("L", "LA")  # a webp file holds them as RGB and RGBA with equal channels
_TIFF_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "RGBa", "CMYK", "I", "F", "LAB", *_DEEP)
_DEEP_TIFF_MODES = ("LA;16", "RGB;16", "RGBA;16")  # by tifffile
_TIFF = FileFormat("TIFF", (*_TIFF_MODES, *_DEEP_TIFF_MODES), {"compression": "raw"})

# By the suffix of a file.
WRITABLE: dict[str, FileFormat] = {
    "png": FileFormat("PNG", ("1", "L", "LA", "P", "RGB", "RGBA", *_DEEP, "LA;16", "RGB;16", "RGBA;16"), {}),
    "ppm": FileFormat("PPM", ("1", "L", "RGB", *_DEEP, "RGB;16"), {}),
    "pgm": FileFormat("PPM", ("L", *_DEEP), {}),
    "pbm": FileFormat("PPM", ("1",), {}),
    "tif": _TIFF,
    "tiff": _TIFF,
    "bmp": FileFormat("BMP", ("1", "L", "P", "RGB"), {}),
    "webp": FileFormat("WEBP", (*_GREY_WEBP, "RGB", "RGBA"), {"lossless": True, "exact": True}),
}

_SURELY_KNOWN = ("GIF", "JPEG", "PNG", "WEBP")  # Pillow opens every intact file of these formats
_JPEG_START = b"\xff\xd8"  # SOI; damage may begin after it
_SIGNATURE_SIZE_BYTES = 16  # what Pillow's plugins look at to accept a file
_ARRAY_MODES = {2: "LA", 3: "RGB", 4: "RGBA"}  # by the number of channels

# Messages of Pillow's errors that have another cause than damage.
_MEANS_UNSUPPORTED = re.compile("unsupported|not available|cannot find loader", re.IGNORECASE)
_MEANS_TOO_MUCH_METADATA = re.compile("MAX_TEXT_|decompressed data too large", re.IGNORECASE)

_lock = threading.Lock()  # Pillow's limits are global variables


class ReadImage(NamedTuple):
    """An image and its metadata; the image is a uint16 array (H, W, C) if Pillow cannot hold it."""

    image: Image.Image | npt.NDArray[Any]
    info: dict[str, Any]


def read_image(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS, page: int | None = None) -> ReadImage:
    """Return the image in a file; an error is raised where Pillow would drop a part of it.

    Parameters
    ----------
    data : bytes
        A file in any format that Pillow reads.
    max_pixels : int
        Refuse images of more pixels, before they are decompressed.
    page : int, optional
        Which image of a file that holds several; default: the only one.

    Returns
    -------
    image : PIL.Image.Image or ndarray
        The image, loaded, in the mode that Pillow gives it; I;16 instead of I if the file has 16 bits.
        PNG, TIFF and PPM files with 16 bits for each of several channels, which Pillow cannot hold, are
        uint16 arrays of shape (H, W, C): grey and alpha, RGB, or RGBA. So are files of
        :mod:`pixcodec.images.rasters`, of any type. An orientation is not applied.
    info : dict
        The metadata, see :mod:`pixcodec.images.metadata`.

    Raises
    ------
    UnsupportedImageError
        If Pillow does not know the format, would drop frames, channels or bits, or if the file is a drawing.
    LimitExceededError
        If the image has more than ``max_pixels`` pixels, or too much metadata.
    CorruptFileError
        If Pillow knows the format and cannot decode the file.
    """
    raster = read_raster(data, max_pixels, page)
    if raster is not None:
        return ReadImage(*raster)
    with within_limits(data, max_pixels):
        data, orientation = without_orientation(data)
        with Image.open(io.BytesIO(data)) as image:
            if image.format == "PNG":
                with Image.open(io.BytesIO(data)) as checked:  # load() does not compare the CRCs
                    checked.verify()
            if page is None:
                check_alone(image, data)
            else:
                image.seek(page)
            if image.width * image.height > max_pixels:
                raise too_large(max_pixels)
            check_complete(image)
            if image.format == "TIFF":
                ignore_orientation_of_xmp(image)
            passes = byte_tiles(image)
            if passes:
                deep = _read_deep(image, data, passes, page)
                return deep._replace(info=_completed(deep.info, image.format, data, orientation))
            check_depth(image, data)
            stored = rawmode(image)
            loaded = load(image)
            info = _completed(collect(image), image.format, data, orientation)
            found: Image.Image = loaded if page is None else loaded.copy()  # of this page alone
        scale_transparency(loaded, stored)
        return ReadImage(narrowed(found, stored), info)


def _completed(info: dict[str, Any], kind: str | None, data: bytes, orientation: int) -> dict[str, Any]:
    """Return metadata with what Pillow does not say: other chunks of PNG, the orientation of TIFF."""
    if kind == "PNG" and (unsaid := unsaid_chunks(data, metadata_chunks(info))):
        return {**info, "png_chunks": unsaid}
    return {**info, "exif": with_orientation(info.get("exif", b""), orientation)} if orientation > 1 else info


def is_jpeg(data: bytes) -> bool:
    """Return whether a file begins as a JPEG file does."""
    return data[: len(_JPEG_START)] == _JPEG_START


def read_jpeg(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> ReadImage:
    """Return the image in a JPEG file, the first one if there are several; see :func:`read_image`."""
    with within_limits(data, max_pixels), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.width * image.height > max_pixels:
            raise too_large(max_pixels)
        image.load()
        return ReadImage(image.copy(), collect(image))


def jpeg_shape(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[str, int, int]:
    """Return Pillow's mode, the width and the height of a JPEG file, perhaps one without scans.

    Raises
    ------
    PixcodecError
        As :func:`read_image`.
    """
    with within_limits(data, max_pixels), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.width * image.height > max_pixels:
            raise too_large(max_pixels)
        return image.mode, image.width, image.height


def jpeg_info(data: bytes) -> dict[str, Any]:
    """Return the metadata of a JPEG file, perhaps one without scans; nothing if it cannot be read."""
    try:
        with within_limits(data, MAX_PIXELS), Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return collect(image)
    except PixcodecError:
        return {}


def write_image(image: AnyImage, suffix: str, info: Mapping[str, Any] | None = None) -> bytes:
    """Return an image as a file, without loss.

    Parameters
    ----------
    image : PIL.Image.Image or ndarray
        An array is uint8 or uint16, shape (H, W) or (H, W, C): grey, grey and alpha, RGB, or RGBA.
    suffix : str
        Format of the file, a key of WRITABLE or one of RASTERS, which hold no metadata but EXR's header.
    info : mapping, optional
        Metadata, see :mod:`pixcodec.images.metadata`; default: that of the PIL image. What the format
        cannot hold is left out. PNG holds all but comments. WebP holds ICC profile, EXIF and XMP. TIFF holds
        ICC profile, dpi, XMP and those tags of the EXIF that are in ``pillow_info.TIFF_TAGS``. BMP holds dpi.

    Raises
    ------
    UnsupportedImageError
        If the format cannot hold the image.
    """
    if info is None:
        info = collect(image) if isinstance(image, Image.Image) else {}
    colour = _colour_of_array(image, info, suffix)
    info = clean(info)
    if suffix in RASTERS:
        return write_raster(image, suffix, info)
    is_tiff = WRITABLE[suffix].name == "TIFF"
    if is_tiff and isinstance(image, np.ndarray) and (is_raster(image) or _is_deep(image)):
        return write_tiff((image, info))
    if isinstance(image, np.ndarray) and _is_deep(image):
        return _with_unsaid(_write_deep(image, suffix, info, colour), suffix, info)
    held = plain_copy(image)
    kind, _, options = WRITABLE[suffix]
    if kind == "PNG":
        scale_transparency_back(held)
    check_writable(held, suffix)
    extra = metadata_chunks(info) if kind == "PNG" else b""
    buffer = io.BytesIO()
    try:
        if held.mode in _DEEP and kind != "TIFF":  # what Pillow writes depends on its version
            deep = np.asarray(held).astype(np.uint16)
            if kind == "PPM":
                return _deep_netpbm(deep)
            extra += transparent_colour(held.info.get("transparency"))
            held = Image.fromarray(deep)
        white_zero = kind == "TIFF" and held.mode in _GREYS and is_white_zero(info.get("tiff_tags", b""))
        if white_zero and held.mode in ("1", "L"):  # of more bits, Pillow reads the values as they are
            held = ImageChops.invert(held)
        if premultiplied := held.mode == "RGBa":  # Pillow writes no such file: it is put right afterwards
            held = Image.frombytes("RGBA", held.size, held.tobytes())
        held.save(buffer, kind, **options, **save_options(info, kind))
    except (KeyError, OSError, ValueError, OverflowError, struct.error) as error:
        raise UnsupportedImageError(f"Pillow cannot write the image as {kind}: {error}") from error
    written = with_white_zero(buffer.getvalue()) if white_zero else buffer.getvalue()
    if premultiplied:
        written = with_premultiplied(written)
    if kind == "TIFF" and held.mode == "P":
        written = with_colours(written, info.get("tiff_tags", b""))
    whole = written[:AFTER_IHDR] + extra + written[AFTER_IHDR:]  # extra is empty unless it is a PNG file
    return _with_unsaid(whole, suffix, info)


def _with_unsaid(file: bytes, suffix: str, info: Mapping[str, Any]) -> bytes:
    """Return a file that was written; one of PNG with the chunks that other metadata do not say."""
    if WRITABLE[suffix].name != "PNG" or "png_chunks" not in info:
        return file
    return with_unsaid_chunks(file, info["png_chunks"], info.get("xmp", b""))


@contextmanager
def within_limits(data: bytes, max_pixels: int) -> Iterator[None]:
    """Set Pillow's limits for a file, restore them at the end, and translate Pillow's errors."""
    with _lock:
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK
        try:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max_pixels, False
            PngImagePlugin.MAX_TEXT_CHUNK = MAX_METADATA_SIZE_BYTES  # the limit of a profile, too
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                yield
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise too_large(max_pixels) from error
        except UnidentifiedImageError as error:
            raise _unidentified(data) from error
        except (PixcodecError, MemoryError):
            raise
        except NotImplementedError as error:
            raise UnsupportedImageError(f"Pillow cannot read the file: {error}") from error
        except Exception as error:  # Pillow's decoders raise errors of any type
            raise _translated(error) from error
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK = before


def _translated(error: Exception) -> PixcodecError:
    """Return the error for what a decoder of Pillow raised."""
    if _MEANS_UNSUPPORTED.search(str(error)):
        return UnsupportedImageError(f"Pillow cannot read the file: {error}")
    if _MEANS_TOO_MUCH_METADATA.search(str(error)):
        return LimitExceededError(f"metadata is more than the limit of {MAX_METADATA_SIZE_BYTES} bytes")
    return CorruptFileError(f"the image file is damaged: {error or type(error).__name__}")


def too_large(max_pixels: int) -> LimitExceededError:
    """Return the error for an image of too many pixels."""
    return LimitExceededError(f"image is too large, the limit is {max_pixels} pixels (max_pixels)")


def _unidentified(data: bytes) -> PixcodecError:
    """Return the error for a file that Pillow does not open."""
    for name, (_, accept) in Image.OPEN.items():
        if name in _SURELY_KNOWN and accept and accept(data[:_SIGNATURE_SIZE_BYTES]) is True:
            return CorruptFileError(
                f"the image file is damaged: it starts as {name}, and Pillow cannot open it"
            )
    what = "the format of the file is unknown to Pillow" if data else "the file is empty"
    what = "the file is a .pxc file already" if data.startswith(MAGIC) else what
    return UnsupportedImageError(f"{what}, expected an image")


def _read_deep(
    image: ImageFile.ImageFile, data: bytes, passes: tuple[list[Any], ...], page: int | None
) -> ReadImage:
    """Read several channels of 16 bits: the high bytes in one pass, the low bytes in another."""
    if not takes_single_bytes():
        raise UnsupportedImageError("this version of Pillow rounds 16-bit channels: use another one")
    halves: list[npt.NDArray[np.uint8]] = []
    for tiles in passes:
        opened = Image.open(io.BytesIO(data)) if halves else image
        with opened:
            if halves and page:
                opened.seek(page)
            if opened.format == "TIFF":
                ignore_orientation_of_xmp(opened)
            opened.tile = tiles
            opened.load()
            info = collect(opened)
            halves.append(np.array(opened))
    if "transparency" in image.info:
        info["transparency"] = image.info["transparency"]
    if len(halves) == 1:
        return ReadImage(halves[0].view(">u2").astype(np.uint16), info)
    return ReadImage(np.stack(halves, axis=-1).view(">u2")[..., 0].astype(np.uint16), info)


def _is_deep(array: npt.NDArray[Any]) -> bool:
    """Return whether an array has several channels of 16 bits, which Pillow cannot hold."""
    return array.dtype == np.uint16 and array.ndim == 3 and array.shape[2] in _ARRAY_MODES and array.size > 0


def _colour_of_array(image: AnyImage, info: Mapping[str, Any], suffix: str) -> Any:
    """Return the transparent colour of an array, if there is one; of images, only PNG files can hold it."""
    colour = info.get("transparency") if isinstance(image, np.ndarray) else None
    if colour is not None and suffix != "png" and suffix not in RASTERS:
        raise _unwritable("a transparent colour", suffix, ["png"])
    return colour


def _write_deep(pixels: DeepPixels, suffix: str, info: Mapping[str, Any], colour: Any) -> bytes:
    mode = _ARRAY_MODES[pixels.shape[2]] + ";16"
    if mode not in WRITABLE[suffix].modes:
        raise _unwritable(f"mode {mode}", suffix, [name for name in WRITABLE if mode in WRITABLE[name].modes])
    if WRITABLE[suffix].name == "PNG":
        return deep_png(pixels, info, colour)
    return _deep_netpbm(pixels)


def _deep_netpbm(pixels: DeepPixels) -> bytes:
    kind = b"P5" if pixels.ndim == 2 else b"P6"
    height, width = pixels.shape[:2]
    return b"%s\n%d %d\n65535\n" % (kind, width, height) + pixels.astype(">u2").tobytes()


def plain_copy(image: AnyImage) -> Image.Image:
    """Return a copy of an image without the info of the file it came from, which Pillow would write."""
    if not isinstance(image, Image.Image):
        if image.ndim == 3 and image.shape[2] == 1:
            image = image[:, :, 0]
        bytes_of_channels = image.ndim == 3 and image.shape[2] in _ARRAY_MODES and image.dtype == np.uint8
        grey = image.ndim == 2 and image.dtype in (np.uint8, np.uint16)
        if not image.size or not (bytes_of_channels or grey):
            raise UnsupportedImageError(
                f"array has dtype {image.dtype} and shape {image.shape}, which only tif and npy files and, "
                "of floats, exr and pfm files may hold"
            )
        return Image.fromarray(np.ascontiguousarray(image))
    copy = image.copy()
    transparency = image.info.get("transparency") if image.mode in _MAY_HAVE_TRANSPARENCY else None
    copy.info = {} if transparency is None else {"transparency": transparency}
    if copy.mode == "P" and copy.palette is not None:
        _lengthen_palette(copy)
    return copy


def _lengthen_palette(image: Image.Image) -> None:
    """Append black to a palette of too few colours for the indices, or Pillow would change them."""
    assert image.palette is not None
    used = int(np.asarray(image).max()) + 1
    mode = image.palette.mode
    palette = image.getpalette(mode) or []
    missing = used * len(mode) - len(palette)
    if missing > 0:
        image.putpalette(palette + missing * [0], mode)


def check_writable(image: Image.Image, suffix: str) -> None:
    """Raise an error if the format of a suffix cannot hold an image."""
    able = [name for name, form in WRITABLE.items() if image.mode in form.modes]
    what = f"mode {image.mode}"
    alpha_palette = image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA"
    if alpha_palette or "transparency" in image.info:
        able = [name for name in able if WRITABLE[name].name == "PNG"]
        what += " and transparency"
    if suffix not in able:
        raise _unwritable(what, suffix, able)


def _unwritable(what: str, suffix: str, able: list[str]) -> UnsupportedImageError:
    way_out = f": use {', '.join(able)}" if able else ", nor can another format that pixcodec writes"
    return UnsupportedImageError(f"image has {what}, which a {suffix} file cannot hold{way_out}")


def save_options(info: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return metadata as options for Pillow, except for PNG files, to which it is added afterwards."""
    options: dict[str, Any] = {}
    if kind == "TIFF" and "dpi" in info and "XResolution" not in tag_names(info.get("tiff_tags", b"")):
        options["dpi"] = info["dpi"]
    if kind == "BMP":
        options["dpi"] = info.get("dpi", (0, 0))  # Pillow's default is not 0
    if kind in ("TIFF", "WEBP") and "icc_profile" in info:
        options["icc_profile"] = info["icc_profile"]
    if kind == "WEBP":
        options |= {key: info[key] for key in ("exif", "xmp") if key in info}
    if kind == "TIFF":
        options["exif"] = tiff_exif(info)
    return options
