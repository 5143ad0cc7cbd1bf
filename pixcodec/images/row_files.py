"""Image files that are read and written by rows, for images larger than memory: .npy and TIFF.

TIFF files need tifffile (extra ``tiff``). Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from pixcodec.container.deep import MAX_BANDS
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedImageError
from pixcodec.images.rasters import TIFF_STARTS, npy_header, tifffile_or_none
from pixcodec.images.tiff_directory import directory_info, tifffile_options

Array = npt.NDArray[Any]

SUFFIXES = ("npy", "tif", "tiff")
MAX_SEGMENT_SIZE_BYTES = 2**28  # of a strip or tile of a TIFF file, which is decoded as a whole
_NPY_START = b"\x93NUMPY"
_START_SIZE_BYTES = 8
_CHANNELS_BY_COLOURS = {"MINISBLACK": (1, 2), "RGB": (3, 4)}
_UNASSOCIATED_ALPHA = 2
_DTYPES = ("uint8", "uint16")
_DEEP_DTYPES = ("int8", "int16", "int32", "uint32", "float16", "float32")  # of images of mode DEEP
_PIXEL_AXES = 2  # rows and columns
_SEPARATE = 2  # planar configuration


def size_by_rows(path: Path) -> tuple[int, int] | None:
    """Return height and width of the image in a file that can be read by rows; None for other files.

    Raises
    ------
    OSError
    """
    with path.open("rb") as file:
        start = file.read(_START_SIZE_BYTES)
        if start.startswith(_NPY_START):
            return _npy_size(file)
    library = tifffile_or_none() if start.startswith(TIFF_STARTS) else None
    if library is None:
        return None
    try:
        with library.TiffFile(path) as tiff:
            page = tiff.pages[0]
            if len(tiff.pages) > 1 or _unlike(page):
                return None
            return int(page.imagelength), int(page.imagewidth)
    except Exception:  # tifffile raises errors of any type; whoever reads the file says what is wrong
        return None


@contextmanager
def opened_rows(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Give an array that reads rows of a file when they are needed, and the metadata.

    Parameters
    ----------
    path : Path
        A file of which :func:`size_by_rows` gives the size.

    Raises
    ------
    CorruptFileError, UnsupportedImageError
        Also while rows are read.
    OSError
    """
    with path.open("rb") as file:
        start = file.read(_START_SIZE_BYTES)
        if start.startswith(_NPY_START):
            yield _npy_rows(file), {}
            return
        library: Any = tifffile_or_none()
        try:
            with library.TiffFile(path) as tiff:
                page = tiff.pages[0]
                yield (
                    (_plain_rows(file, page) if page.is_contiguous else TiffRows(page)),
                    directory_info(file),
                )
        except (PixcodecError, OSError):
            raise
        except library.TiffFileError as error:
            raise CorruptFileError(f"the TIFF file is damaged: {error}") from error


class PlainRows:
    """Rows of samples that are stored one after the other, read when they are needed.

    Memory-mapped, all pages of a file that were read would count as memory of this process.

    Parameters
    ----------
    file : binary file
    offset : int
        Where the samples begin.
    shape : tuple of int
        (H, W) or (H, W, C).
    dtype : numpy.dtype
    separate : bool
        Whether the channels are stored one after the other.

    Raises
    ------
    CorruptFileError
        If the file is too short.
    """

    def __init__(
        self, file: IO[bytes], offset: int, shape: tuple[int, ...], dtype: np.dtype[Any], *, separate: bool
    ) -> None:
        self._file, self._offset = file, offset
        self.shape, self.dtype = shape, dtype
        self._separate = separate and len(shape) > _PIXEL_AXES
        found, expected = os.fstat(file.fileno()).st_size - offset, math.prod(shape) * dtype.itemsize
        if found < expected:
            raise CorruptFileError(f"the file has {found} bytes of samples, expected {expected}")

    def __getitem__(self, key: Any) -> Array:
        """Return some rows, or rows and columns, as slices without steps."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        top, bottom, _ = rows.indices(self.shape[0])
        if not self._separate:
            return self._read(0, top, bottom, self.shape[1:])[:, columns]
        planes = [self._read(plane, top, bottom, self.shape[1:2]) for plane in range(self.shape[2])]
        return np.stack(planes, axis=2)[:, columns]

    def _read(self, plane: int, top: int, bottom: int, row: tuple[int, ...]) -> Array:
        row_size = math.prod(row) * self.dtype.itemsize
        self._file.seek(self._offset + (plane * self.shape[0] + top) * row_size)
        data = self._file.read((bottom - top) * row_size)
        if len(data) < (bottom - top) * row_size:
            raise CorruptFileError(f"the file ends in row {top + len(data) // row_size} of {self.shape[0]}")
        return np.frombuffer(data, self.dtype).reshape(bottom - top, *row)


def _npy_rows(file: IO[bytes]) -> PlainRows:
    file.seek(0)
    shape, _, dtype = npy_header(file)
    return PlainRows(file, file.tell(), shape, dtype, separate=False)


def _plain_rows(file: IO[bytes], page: Any) -> PlainRows:
    channels = int(page.samplesperpixel)
    shape = (int(page.imagelength), int(page.imagewidth), channels)
    dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    separate = int(page.planarconfig) == _SEPARATE
    return PlainRows(
        file, page.dataoffsets[0], shape if channels > 1 else shape[:_PIXEL_AXES], dtype, separate=separate
    )


class TiffRows:
    """Rows of the image in a TIFF page, whose strips or tiles are decoded when they are needed.

    Parameters
    ----------
    page : tifffile.TiffPage
    """

    def __init__(self, page: Any) -> None:
        self._page = page
        self.dtype = np.dtype(page.dtype)
        channels = int(page.samplesperpixel)
        self._size = int(page.imagelength), int(page.imagewidth), channels
        self.shape = self._size[:_PIXEL_AXES] if channels == 1 else self._size
        self._separate = channels > 1 and int(page.planarconfig) == _SEPARATE
        height, width = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, 0)
        self._side = int(height), int(width) or self._size[1]
        size = math.prod(self._side) * channels * self.dtype.itemsize
        if size > MAX_SEGMENT_SIZE_BYTES:
            raise UnsupportedImageError(
                f"the TIFF file has strips of {self._side[0]} rows ({size} bytes), expected at most "
                f"{MAX_SEGMENT_SIZE_BYTES} bytes to read an image larger than memory: write it in tiles"
            )

    def __getitem__(self, key: Any) -> Array:
        """Return some rows, or rows and columns, as slices without steps."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        top, bottom, _ = rows.indices(self._size[0])
        left, right, _ = columns.indices(self._size[1])
        found = np.zeros((bottom - top, right - left, self._size[2]), self.dtype)
        for number in self._segments(range(top, bottom), range(left, right)):
            decoded, (_, _, y, x, _), sample = self._decoded(number)
            if decoded is None:
                continue
            y0, y1 = max(y, top), min(y + decoded.shape[0], bottom)
            x0, x1 = max(x, left), min(x + decoded.shape[1], right)
            part = decoded[y0 - y : y1 - y, x0 - x : x1 - x]
            found[y0 - top : y1 - top, x0 - left : x1 - left, sample] = part
        return found.reshape(found.shape[: len(self.shape)])

    def _segments(self, rows: range, columns: range) -> Iterator[int]:
        """Yield the numbers of the strips or tiles that some pixels are in."""
        height, width = self._side
        down, across = -(-self._size[0] // height), -(-self._size[1] // width)
        planes = self._size[2] if self._separate else 1
        for plane in range(planes):
            for y in range(rows.start // height, -(-rows.stop // height)):
                for x in range(columns.start // width, -(-columns.stop // width)):
                    yield (plane * down + y) * across + x

    def _decoded(self, number: int) -> tuple[Array | None, tuple[int, ...], Any]:
        """Return the samples (h, w, c) of a segment, its place, and which channels they are."""
        page = self._page
        try:
            file = page.parent.filehandle
            file.seek(page.dataoffsets[number])
            data = file.read(page.databytecounts[number])
            decoded, place, shape = page.decode(data or None, number, jpegtables=page.jpegtables)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # tifffile and its decoders raise errors of any type
            raise CorruptFileError(
                f"segment {number} of the TIFF file is damaged, or compressed in a way unknown: {error}"
            ) from error
        samples = place[0] if self._separate else slice(None)
        if decoded is None:
            return None, place, samples
        inside = decoded[0, : shape[1], : shape[2]]
        return (inside[:, :, 0] if self._separate else inside), place, samples


@contextmanager
def written_rows(
    path: Path, suffix: str, shape: tuple[int, ...], dtype: npt.DTypeLike, info: Mapping[str, Any]
) -> Iterator[RowWriter]:
    """Give an array that writes its rows to a new file when they are set.

    Parameters
    ----------
    path : Path
    suffix : str
        One of SUFFIXES.
    shape : tuple of int
        (H, W) or (H, W, C); of TIFF, up to four channels of uint8 or uint16.
    dtype : dtype
    info : mapping
        Metadata, for TIFF.

    Raises
    ------
    UnsupportedImageError
        If tifffile is needed and not installed, or the format cannot hold the type.
    OSError
    """
    type_ = np.dtype(dtype)
    if suffix == "npy":
        header = {"descr": np.lib.format.dtype_to_descr(type_), "fortran_order": False, "shape": shape}
        with path.open("xb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            offset = file.tell()
    else:
        offset = _empty_tiff(path, shape, type_, info)
    with path.open("r+b") as file:
        file.truncate(offset + math.prod(shape) * type_.itemsize)
        yield RowWriter(file, offset, shape, type_)
        file.flush()
        os.fsync(file.fileno())


class RowWriter:
    """An array in a file, of which rows are set.

    Parameters
    ----------
    file : binary file
    offset : int
        Where the samples begin.
    shape : tuple of int
    dtype : numpy.dtype
    """

    def __init__(self, file: IO[bytes], offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._file, self._offset, self._type = file, offset, dtype
        self.shape = shape

    def __setitem__(self, key: slice, value: Array) -> None:
        """Write some rows: a slice without a step."""
        top, bottom, _ = key.indices(self.shape[0])
        row = math.prod(self.shape[1:])
        if value.shape != (bottom - top, *self.shape[1:]):
            raise ValueError(f"rows have shape {value.shape}, expected {(bottom - top, *self.shape[1:])}")
        self._file.seek(self._offset + top * row * self._type.itemsize)
        self._file.write(np.ascontiguousarray(value, self._type).data)


def _empty_tiff(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], info: Mapping[str, Any]) -> int:
    """Write a TIFF file without its samples; return where these belong."""
    library = tifffile_or_none()
    channels = shape[2] if len(shape) > _PIXEL_AXES else 1
    if library is None:
        raise UnsupportedImageError(
            "a TIFF file of an image larger than memory is written by tifffile: "
            "pip install 'pixcodec[tiff]', or use npy"
        )
    deep = dtype.name in _DEEP_DTYPES
    if not deep and (dtype.name not in _DTYPES or channels > max(_CHANNELS_BY_COLOURS["RGB"])):
        raise UnsupportedImageError(
            f"image is {dtype} of shape {shape}, which is not written to TIFF by rows: use npy"
        )
    options = tifffile_options(info)
    if channels > 1:
        options["planarconfig"] = "contig"
    if channels in (2, 4) and not deep:
        options["extrasamples"] = [_UNASSOCIATED_ALPHA]
    photometric = "minisblack" if deep or channels <= _PIXEL_AXES else "rgb"
    place = library.imwrite(
        path, shape=shape, dtype=dtype, photometric=photometric, returnoffset=True, **options
    )
    return int(place[0])


def _npy_size(file: IO[bytes]) -> tuple[int, int] | None:
    file.seek(0)
    try:
        shape, is_fortran, dtype = npy_header(file)
    except PixcodecError:  # whoever reads the file says what is wrong
        return None
    known = dtype.kind == "b" or dtype.newbyteorder("=").name in (*_DTYPES, *_DEEP_DTYPES)
    return None if is_fortran or not known else (shape[0], shape[1])


def _unlike(page: Any) -> bool:
    """Return whether a TIFF page holds anything but samples as they are shown, or bands of mode DEEP.

    Samples as they are shown are grey or RGB, perhaps with alpha.
    """
    channels, alpha = int(page.samplesperpixel), tuple(int(extra) for extra in page.extrasamples)
    if int(page.imagedepth) > 1 or page.subifds is not None:
        return True
    if page.dtype is None or page.bitspersample != 8 * page.dtype.itemsize:
        return True
    if page.dtype.name in _DEEP_DTYPES:
        return channels > MAX_BANDS or page.photometric.name != "MINISBLACK"
    if page.dtype.name not in _DTYPES:
        return True
    if channels not in _CHANNELS_BY_COLOURS.get(page.photometric.name, ()):
        return True
    if channels in (2, 4) and alpha != (_UNASSOCIATED_ALPHA,):
        return True
    return int(page.sampleformat) != 1
