"""Files of rasters that Pillow cannot read or write: .npy, .pfm, .exr (extra ``exr``), TIFF (``tiff``).

Shapes: H height, W width, C bands.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Mapping
from types import ModuleType
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixcodec.container.deep import MAX_BANDS
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedImageError
from pixcodec.images.exr import EXR_START, read_exr, write_exr
from pixcodec.images.tiff_directory import directory_info, tifffile_options
from pixcodec.images.tiff_tags import band_tags

Array = npt.NDArray[Any]

RASTERS = ("npy", "pfm", "exr")  # suffixes of files that are written here
_NPY_START = b"\x93NUMPY"
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PFM_HEADER = re.compile(rb"(P[Ff])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s")
_PFM_HEADER_SIZE_BYTES = 200  # at most
_MAX_AXES = 3
_PILLOW_SAMPLES = ("float32", "int16", "int32", "uint32")  # of one band, which Pillow reads exactly
_BITS_UNKNOWN_TO_PILLOW = (10, 14)  # of samples, which are unsigned
_PALETTE = ("P", "PA")
_CHANNELS_OF = {0: 1, 1: 1, 2: 3, 5: 4, 8: 3}  # by photometric interpretation, extra samples left out
# Of mode I, by the setting of Pillow's decoder: samples of 16 bits with a sign, and of 32 without.
_SAMPLES_OF_I = {
    "I;16S": np.int16,
    "I;16BS": np.int16,
    "I;32N": np.uint32,
    "I;32": np.uint32,
    "I;32B": np.uint32,
}


def read_raster(data: bytes, max_pixels: int, page: int | None = None) -> tuple[Array, dict[str, Any]] | None:
    """Return array and metadata of a file that Pillow does not read as it is; None if it may read it.

    ``page``: which one of a TIFF file that holds several; default: the only one.

    Raises
    ------
    CorruptFileError, LimitExceededError, UnsupportedImageError
    """
    if data.startswith(_NPY_START):
        return _read_npy(data, max_pixels), {}
    if data.startswith((b"PF", b"Pf")):
        return _read_pfm(data, max_pixels), {}
    if data.startswith(EXR_START):
        return read_exr(data, max_pixels)
    if data.startswith(TIFF_STARTS) and (library := tifffile_or_none()) is not None:
        found = _read_tiff(library, data, max_pixels, page)
        return (
            None if found is None else (found[0], directory_info(io.BytesIO(_beginning_with(data, found[1]))))
        )
    return None


def write_raster(image: Image.Image | Array, suffix: str, info: Mapping[str, Any]) -> bytes:
    """Return an image as a file of a suffix of RASTERS, with the same samples; of ``info``, EXR's header.

    Raises
    ------
    UnsupportedImageError
        If the format cannot hold the image.
    """
    if isinstance(image, Image.Image) and image.mode in _PALETTE:
        raise UnsupportedImageError(f"image has a palette, which a {suffix} file cannot hold: use png")
    array = np.asarray(image)
    if suffix == "exr":
        return write_exr(array, info)
    if suffix == "npy":
        file = io.BytesIO()
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        return file.getvalue()
    colours = array.ndim == 3 and array.shape[2] == 3
    if array.dtype.newbyteorder("=") != np.float32 or not (array.ndim == 2 or colours):
        raise UnsupportedImageError(
            f"image is {array.dtype} of shape {array.shape}, which a {suffix} file cannot hold: use npy"
        )
    height, width = array.shape[:2]
    start = b"%s\n%d %d\n-1.0\n" % (b"PF" if colours else b"Pf", width, height)
    return start + array[::-1].astype("<f4").tobytes()


def is_raster(image: Image.Image | Array) -> bool:
    """Return whether an image is an array of samples that only tifffile writes to TIFF."""
    if isinstance(image, Image.Image):
        return False
    bands = image.shape[2] if image.ndim == _MAX_AXES else 1
    return image.dtype.name not in ("bool", "uint8", "uint16") or bands > len("RGBA")


def write_tiff(*pages: tuple[Array, dict[str, Any]]) -> bytes:
    """Return arrays (H, W) or (H, W, C) as the pages of a TIFF file without compression.

    Each has its metadata, of which all but EXIF is written.

    Raises
    ------
    UnsupportedImageError
        If tifffile is not installed.
    """
    library = tifffile_or_none()
    if library is None:
        array = pages[0][0]
        raise UnsupportedImageError(
            f"image is {array.dtype} of shape {array.shape}, which a TIFF file holds only with tifffile: "
            "pip install 'pixcodec[tiff]', or use npy"
        )
    file = io.BytesIO()
    with library.TiffWriter(file) as writer:
        for array, info in pages:
            writer.write(array, contiguous=False, **_layout_options(array, info), **tifffile_options(info))
    return file.getvalue()


def _layout_options(array: Array, info: dict[str, Any]) -> dict[str, Any]:
    """Return the options of tifffile that say which channels an array (H, W) or (H, W, C) has."""
    bands = array.shape[2] if array.ndim == _MAX_AXES else 1
    options: dict[str, Any] = {"planarconfig": "contig"} if array.ndim == _MAX_AXES else {}
    photometric, extra = band_tags(info.get("tiff_tags", b""))
    if photometric is not None and _CHANNELS_OF.get(photometric, 0) + len(extra) == bands:
        return options | {"photometric": photometric} | ({"extrasamples": extra} if extra else {})
    shown = array.dtype == np.uint16 and bands <= len("RGBA")  # other samples have no meaning
    if shown and bands in (len("LA"), len("RGBA")):
        options["extrasamples"] = ["unassalpha"]
    return options | {"photometric": "rgb" if shown and bands >= len("RGB") else "minisblack"}


def narrowed(image: Image.Image, stored: str) -> Image.Image | Array:
    """Return an image of mode I as I;16 if its file has 16 bits without a sign, else as what its file has."""
    if image.mode == "I" and stored in _SAMPLES_OF_I:
        return np.asarray(image).astype(_SAMPLES_OF_I[stored])
    if image.mode != "I" or not (image.format == "PPM" or stored in ("I;16", "I;16B", "I;16N")):
        return image
    narrow: Image.Image = Image.fromarray(np.asarray(image).astype(np.uint16))
    narrow.info = dict(image.info)
    return narrow


def tifffile_or_none() -> ModuleType | None:
    """Return tifffile if it is installed."""
    try:
        import tifffile
    except ImportError:
        return None
    library: ModuleType = tifffile
    return library


def _check_size(shape: tuple[int, ...], max_pixels: int) -> None:
    if len(shape) > 1 and shape[0] * shape[1] > max_pixels:
        raise LimitExceededError(f"image is {shape[1]}x{shape[0]}, the limit is {max_pixels} pixels")


def _read_npy(data: bytes, max_pixels: int) -> Array:
    file = io.BytesIO(data)
    shape, is_fortran, dtype = npy_header(file)
    _check_size(shape, max_pixels)
    found = len(data) - file.tell()
    expected = math.prod(shape) * dtype.itemsize
    if found != expected:
        raise CorruptFileError(f"the .npy file has {found} bytes of samples, expected {expected}")
    flat = np.frombuffer(data, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C")


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether it is in Fortran order, and type of the image that begins an .npy file."""
    shape, is_fortran, dtype = _any_npy_header(file)
    plain = not dtype.hasobject and dtype.subdtype is None and dtype.itemsize > 0
    if not plain or not 2 <= len(shape) <= _MAX_AXES:
        raise UnsupportedImageError(
            f"the .npy file holds {dtype} of shape {shape}, expected (H, W) or (H, W, C)"
        )
    if any(type(side) is not int or side < 1 for side in shape):
        raise CorruptFileError(f"the .npy file has shape {shape}, expected sides of 1 or more")
    return shape, is_fortran, dtype


def _any_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise UnsupportedImageError(f"the .npy file has version {version}, expected (1, 0) or (2, 0)")
        return read[version](file)
    except UnsupportedImageError:
        raise
    except Exception as error:  # numpy parses the header as Python, whose parser raises errors of many types
        raise CorruptFileError(
            f"the .npy file is damaged: its header is no header ({type(error).__name__})"
        ) from error


def _read_pfm(data: bytes, max_pixels: int) -> Array:
    found = _PFM_HEADER.match(data[:_PFM_HEADER_SIZE_BYTES])
    if found is None:
        raise CorruptFileError("the PFM file is damaged: expected PF or Pf, width, height and scale")
    bands = 3 if found[1] == b"PF" else 1
    width, height = int(found[2]), int(found[3])
    _check_size((height, width), max_pixels)
    size, expected = len(data) - found.end(), 4 * width * height * bands
    if size != expected or not expected:
        raise CorruptFileError(f"the PFM file has {size} bytes of samples, expected {expected}")
    array = np.frombuffer(data, "<f4" if found[4].startswith(b"-") else ">f4", offset=found.end())
    shaped = array.reshape((height, width, bands) if bands > 1 else (height, width))[::-1]
    return np.ascontiguousarray(shaped, np.float32)


def _beginning_with(data: bytes, directory: int) -> bytes:
    """Return a TIFF file whose first directory is the one at an offset."""
    order, is_big = "<" if data.startswith(b"II") else ">", data.startswith((b"II+\0", b"MM\0+"))
    start, size = (8, "Q") if is_big else (4, "I")
    offset = struct.pack(order + size, directory)
    return data[:start] + offset + data[start + len(offset) :]


def tiff_pages(data: bytes) -> int:
    """Return how many images a TIFF file has that Pillow cannot open; 0 if nobody knows it."""
    library = tifffile_or_none() if data.startswith(TIFF_STARTS) else None
    if library is None:
        return 0
    try:
        with library.TiffFile(io.BytesIO(data)) as file:
            return len(file.pages)
    except Exception:  # tifffile raises errors of any type
        return 0


def _is_for_pillow(library: ModuleType, file: Any, page: Any) -> bool:
    """Return whether Pillow reads an image of a TIFF file exactly, with its metadata, or refuses it."""
    name, bands, is_big_endian = str(page.dtype), int(page.samplesperpixel), file.byteorder == ">"
    if is_big_endian and file.is_bigtiff:
        return False
    if name in ("bool", "uint8", "uint16", "None"):
        if name == "uint16" and page.bitspersample in _BITS_UNKNOWN_TO_PILLOW:
            return False
        is_rgb = page.photometric != library.PHOTOMETRIC.MINISBLACK
        if name == "uint16" and bands > 1 and _is_unknown_to_pillow(library, page, bands):
            return False
        return bands <= len("RGBA") and (is_rgb or bands != len("RGB"))
    if bands > 1 or name not in _PILLOW_SAMPLES or page.photometric != library.PHOTOMETRIC.MINISBLACK:
        return False
    return not is_big_endian or (name != "uint32" and page.compression == library.COMPRESSION.NONE)


def _is_unknown_to_pillow(library: ModuleType, page: Any, bands: int) -> bool:
    """Return whether several channels of 16 bits are grey and alpha, or stored one after the other."""
    if any(extra != library.EXTRASAMPLE.UNASSALPHA for extra in page.extrasamples):
        return False
    if page.photometric == library.PHOTOMETRIC.MINISBLACK:
        return bands == len("LA")
    is_rgb = page.photometric == library.PHOTOMETRIC.RGB
    return bool(is_rgb and page.planarconfig == library.PLANARCONFIG.SEPARATE)


def _read_tiff(
    library: ModuleType, data: bytes, max_pixels: int, number: int | None
) -> tuple[Array, int] | None:
    """Return the samples of an image of a TIFF file, and where its directory is.

    None if Pillow reads it exactly or refuses it; ``number``: which image, if there are several.
    """
    try:
        with library.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[number or 0]
            bands = int(page.samplesperpixel)
            if (number is None and len(file.pages) > 1) or _is_for_pillow(library, file, page):
                return None
            size = int(page.imagelength), int(page.imagewidth)
            _check_size(size, max_pixels)
            if bands > MAX_BANDS:
                raise UnsupportedImageError(f"image has {bands} bands, expected up to {MAX_BANDS}")
            array = np.asarray(page.asarray())
            if array.shape == (bands, *size) and bands > 1:
                array = np.moveaxis(array, 0, 2)
    except (UnsupportedImageError, LimitExceededError, MemoryError):
        raise
    except Exception as error:  # tifffile raises errors of any type
        raise CorruptFileError(
            f"the TIFF file is damaged, or compressed in a way unknown: {error}"
        ) from error
    if array.shape not in (size, (*size, bands)):
        raise UnsupportedImageError(f"the TIFF file has samples of shape {array.shape}, expected {size}")
    return array, int(page.offset)
