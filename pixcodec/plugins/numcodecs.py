"""numcodecs plugin: the codec ``pixcodec`` for arrays of images, such as the chunks of a zarr array.

>>> import numpy
>>> from numcodecs import get_codec
>>> codec = get_codec({"id": "pixcodec", "effort": "fast"})
>>> stack = numpy.arange(2 * 3 * 4, dtype=numpy.uint8).reshape(2, 3, 4)
>>> bool((codec.decode(codec.encode(stack)) == stack).all())
True
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ensure_ndarray, ndarray_copy

from pixcodec.container.chunks import Chunk
from pixcodec.container.container import pack, parse
from pixcodec.container.header import Mode
from pixcodec.errors import CorruptFileError, UnsupportedImageError, UnsupportedVersionError

Array = npt.NDArray[Any]

SHAPE_CHUNK = "shap"  # FORMAT.md, section shap
_CHANNELS = {mode.channels for mode in Mode}


class Pixcodec(Codec):  # type: ignore[misc]  # numcodecs ships no types
    """Code arrays as .pxc files.

    An array of shape (..., H, W) is one grey image, and so is one of shape (..., H, W, C) with colours if C
    is a number of channels that pixcodec knows; what the leading axes count stands one below the other. Each
    result is a whole .pxc file. Where the file does not tell the shape, the chunk ``shap`` does.

    It codes on one thread: zarr codes several chunks at a time.

    Parameters
    ----------
    effort : {"fast", "normal", "max"}
        As for pixcodec.encode.
    """

    codec_id = "pixcodec"

    def __init__(self, effort: str = "normal") -> None:
        self.effort = effort

    def encode(self, buf: Any) -> bytes:
        """Return an array as a .pxc file.

        Parameters
        ----------
        buf : ndarray or buffer
            Of a dtype that pixcodec.encode accepts, in any order, with two axes or more.

        Raises
        ------
        UnsupportedImageError, LimitExceededError
        """
        from pixcodec.codec import encode  # numba takes a second to import

        array = ensure_ndarray(buf)
        image = _as_image(array)
        data = encode(image, effort=self.effort, threads=1)
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        if array.shape != _decoded_shape(image) or fortran:
            shape = Chunk(SHAPE_CHUNK, struct.pack(f"<B{array.ndim}I", fortran, *array.shape))
            container = parse(data)
            data = pack(replace(container, ancillary=(*container.ancillary, shape)))
        return data

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the array of a .pxc file, with its shape and order; written to ``out`` if that is given.

        Parameters
        ----------
        buf : buffer
        out : ndarray or buffer, optional
            Of the size of the array; filled as it lies in memory, whatever its shape.

        Raises
        ------
        NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
        """
        from pixcodec.codec import decode

        data = ensure_bytes(buf)
        array = decode(data, threads=1)
        array = array.astype(_little_endian(array.dtype), copy=False)
        for chunk in parse(data).ancillary:
            if chunk.type == SHAPE_CHUNK:
                array = _reshaped(array, chunk.payload)
        return ndarray_copy(array, out)


def _as_image(array: Array) -> Array:
    """Return an array of shape (..., H, W) or (..., H, W, C) as an image of shape (H, W, C)."""
    if array.ndim < 2:
        raise UnsupportedImageError(
            f"array has shape {array.shape}, expected (..., H, W) or (..., H, W, C): "
            "keep the axes of the image, with pixcodec as the first codec"
        )
    if array.size == 0:
        raise UnsupportedImageError(f"array has shape {array.shape}, expected at least one pixel")
    if array.dtype != _little_endian(array.dtype):
        # A chunk is read back as the bytes that it was.
        raise UnsupportedImageError(
            f"array has dtype {array.dtype.str}, expected little-endian: use array.astype('<u2')"
        )
    if array.ndim > 2 and array.shape[-1] in _CHANNELS and array.dtype != bool:
        return array.reshape(-1, *array.shape[-2:])
    return array.reshape(-1, array.shape[-1], 1)


def _decoded_shape(image: Array) -> tuple[int, ...]:
    """Return the shape in which pixcodec.decode returns an image of shape (H, W, C)."""
    return image.shape[:2] if image.shape[2] == 1 else image.shape


def _little_endian(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _reshaped(array: Array, payload: bytes) -> Array:
    """Return an array with the shape and order that the payload of a chunk ``shap`` tells."""
    where = f"chunk {SHAPE_CHUNK!r}"
    count, rest = divmod(len(payload) - 1, 4)
    if count < 1 or rest:
        raise CorruptFileError(f"{where}: payload is {len(payload)} bytes, expected 1 and 4 for each axis")
    order, *shape = struct.unpack(f"<B{count}I", payload)
    if order > 1:
        raise UnsupportedVersionError(f"{where}: order is {order}, this version of pixcodec knows 0 and 1")
    try:
        array = array.reshape(shape)
    except ValueError as error:
        raise CorruptFileError(f"{where}: shape is {tuple(shape)}, expected {array.size} elements") from error
    return np.asfortranarray(array) if order else array
