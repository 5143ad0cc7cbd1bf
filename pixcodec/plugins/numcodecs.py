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
from pixcodec.container.header import Effort, Mode
from pixcodec.errors import CorruptFileError, UnsupportedImageError, UnsupportedVersionError

Array = npt.NDArray[Any]

SHAPE_CHUNK = "shap"  # FORMAT.md, "Ancillary chunks"
C_ORDER, FORTRAN_ORDER = 0, 1
_ORDER_SIZE_BYTES, _LENGTH_SIZE_BYTES = 1, 4
_CHANNELS = {mode.channels for mode in Mode}


def check_effort(effort: str) -> None:
    """Raise ValueError unless it is the name of an effort."""
    names = [each.name.lower() for each in Effort]
    if effort not in names:
        raise ValueError(f"effort is {effort!r}, expected one of {', '.join(names)}")


class Pixcodec(Codec):  # type: ignore[misc]  # numcodecs ships no types
    """Codes arrays as .pxc files.

    An array of shape (..., H, W, C) is coded as one image of C channels if C is 1 to 4; any other array, of
    shape (..., H, W), as one grey image. The images along the leading axes are stacked vertically. The chunk
    ``shap`` stores the shape of the array where the size of the image does not give it.

    Coding uses one thread, as zarr codes several chunks at the same time.

    Parameters
    ----------
    effort : {"fast", "normal", "max", "research"}
        As for :func:`pixcodec.encode`. The last is for arrays (H, W, 3) of uint8 alone.

    Raises
    ------
    ValueError
        If the effort is another.
    """

    codec_id = "pixcodec"

    def __init__(self, effort: str = "normal") -> None:
        check_effort(effort)
        self.effort = effort

    def encode(self, buf: Any) -> bytes:
        """Return an array as a .pxc file.

        Parameters
        ----------
        buf : ndarray or buffer
            bool, or integers or floats of up to 32 bits, little-endian; with two axes or more, in C or
            Fortran order.

        Raises
        ------
        UnsupportedImageError
            If the array is anything else, or empty.
        LimitExceededError
            If the image is too large.
        """
        from pixcodec.codec import encode  # it imports numpy, which takes a while

        array = ensure_ndarray(buf)
        image = as_image(array)
        data = encode(image, effort=self.effort, threads=1)
        is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        order = FORTRAN_ORDER if is_fortran else C_ORDER
        if array.shape != _decoded_shape(image) or order != C_ORDER:
            shape = Chunk(SHAPE_CHUNK, struct.pack(f"<B{array.ndim}I", order, *array.shape))
            container = parse(data)
            data = pack(replace(container, ancillary=(*container.ancillary, shape)))
        return data

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the array in a .pxc file, with its shape and order.

        Parameters
        ----------
        buf : buffer
        out : ndarray or buffer, optional
            Where to write the elements in the order of memory; of the size of the array, of any shape.

        Raises
        ------
        NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
            As :func:`pixcodec.decode`.
        """
        from pixcodec.codec import decode

        data = ensure_bytes(buf)
        array = decode(data, threads=1)
        array = array.astype(_little_endian(array.dtype), copy=False)
        for chunk in parse(data).ancillary:
            if chunk.type == SHAPE_CHUNK:
                array = _reshaped(array, chunk.payload)
        return ndarray_copy(array, out)


def as_image(array: Array) -> Array:
    """Return an array of shape (..., H, W) or (..., H, W, C) as an image of shape (H, W, C)."""
    if array.ndim < 2:
        raise UnsupportedImageError(
            f"array has shape {array.shape}, expected (..., H, W) or (..., H, W, C): "
            "keep the axes of the image, with pixcodec as the first codec"
        )
    if array.size == 0:
        raise UnsupportedImageError(f"array has shape {array.shape}, expected at least one pixel")
    if array.dtype != _little_endian(array.dtype):
        # zarr expects the same bytes back, and the decoded array is little-endian.
        raise UnsupportedImageError(
            f"array has dtype {array.dtype.str}, expected little-endian: "
            f"use array.astype('{_little_endian(array.dtype).str}')"
        )
    if array.ndim > 2 and array.shape[-1] in _CHANNELS and array.dtype != bool:
        return array.reshape(-1, *array.shape[-2:])
    return array.reshape(-1, array.shape[-1], 1)


def _decoded_shape(image: Array) -> tuple[int, ...]:
    """Return the shape of an image (H, W, C) as pixcodec.decode returns it."""
    return image.shape[:2] if image.shape[2] == 1 else image.shape


def _little_endian(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _reshaped(array: Array, payload: bytes) -> Array:
    """Return an array in the shape and order that the payload of a chunk ``shap`` gives."""
    where = f"chunk {SHAPE_CHUNK!r}"
    count, rest = divmod(len(payload) - _ORDER_SIZE_BYTES, _LENGTH_SIZE_BYTES)
    if count < 1 or rest:
        raise CorruptFileError(f"{where}: payload is {len(payload)} bytes, expected 1 and 4 for each axis")
    order, *shape = struct.unpack(f"<B{count}I", payload)
    if order not in (C_ORDER, FORTRAN_ORDER):
        raise UnsupportedVersionError(f"{where}: order is {order}, this version of pixcodec knows 0 and 1")
    try:
        array = array.reshape(shape)
    except ValueError as error:
        raise CorruptFileError(f"{where}: shape is {tuple(shape)}, expected {array.size} elements") from error
    return np.asfortranarray(array) if order == FORTRAN_ORDER else array
