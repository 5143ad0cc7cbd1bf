"""zarr plugin: the codec ``pixcodec`` of zarr format 3, which turns the chunks of an array into .pxc files.

>>> import numpy, zarr
>>> from pixcodec.plugins.zarr import Pixcodec
>>> stack = numpy.arange(2 * 5 * 4, dtype="u1").reshape(2, 5, 4)
>>> array = zarr.create_array({}, data=stack, chunks=(1, 5, 4), serializer=Pixcodec("fast"), compressors=None)
>>> bool((array[...] == stack).all())
True
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.buffer import Buffer, NDBuffer

from pixcodec.errors import CorruptFileError
from pixcodec.plugins.numcodecs import Array, as_image, check_effort

if TYPE_CHECKING:
    from typing_extensions import Self
    from zarr.core.array_spec import ArraySpec

NAME = "pixcodec"  # in the metadata of an array


@dataclass(frozen=True)
class Pixcodec(ArrayBytesCodec):
    """Codes every chunk of an array as a .pxc file.

    A chunk of shape (..., H, W, C) is coded as one image of C channels if C is 1 to 4; any other chunk, of
    shape (..., H, W), as one grey image. The images along the leading axes are stacked vertically. The shape
    of a chunk is in the metadata of the array, so the file does not repeat it.

    Coding runs in threads of its own, beside zarr's loop; each chunk uses one.

    Parameters
    ----------
    effort : {"fast", "normal", "max", "research"}
        As for :func:`pixcodec.encode`.

    Raises
    ------
    ValueError
        If the effort is another.
    """

    effort: str = "normal"
    is_fixed_size = False

    def __post_init__(self) -> None:
        check_effort(self.effort)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the codec that the metadata of an array describe.

        Raises
        ------
        ValueError
            If they are of another codec, or have a setting that this one does not know.
        """
        if data.get("name") != NAME:
            raise ValueError(f"codec is {data.get('name')!r}, expected {NAME!r}")
        settings = data.get("configuration", {})
        if unknown := set(settings) - {"effort"}:
            raise ValueError(f"codec {NAME!r}: no such setting: {', '.join(sorted(unknown))}")
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """Return the metadata that describe the codec."""
        return {"name": NAME, "configuration": {"effort": self.effort}}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise an error if an array cannot be coded, before it is created.

        Raises
        ------
        UnsupportedImageError
            If it has less than two axes, or elements that pixcodec does not code.
        """
        from pixcodec.images.picture import to_picture

        one_chunk = np.zeros((1,) * len(shape), _native(dtype))
        to_picture(as_image(one_chunk))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise an error: nobody knows the size of a .pxc file before it is written."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = await asyncio.to_thread(self._encode, chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = _native(chunk_spec.dtype)
        array = await asyncio.to_thread(_decode, chunk_data.to_bytes(), chunk_spec.shape, dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array)

    def _encode(self, chunk: Array) -> bytes:
        from pixcodec.codec import encode

        return encode(as_image(np.ascontiguousarray(chunk)), effort=self.effort, threads=1)


def _decode(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return the chunk in a .pxc file."""
    from pixcodec.codec import decode

    array: Array = decode(data, threads=1)
    if array.size != np.prod(shape) or array.dtype.newbyteorder("=") != dtype:
        raise CorruptFileError(
            f"image has shape {array.shape} and dtype {array.dtype}, expected the elements of a chunk of "
            f"shape {tuple(shape)} and dtype {dtype}"
        )
    return array.astype(dtype, copy=False).reshape(shape)


def _native(dtype: Any) -> np.dtype[Any]:
    """Return the type of the elements of an array in memory; zarr has had types of its own since 3.1."""
    native: np.dtype[Any] = np.dtype(dtype.to_native_dtype() if hasattr(dtype, "to_native_dtype") else dtype)
    return native.newbyteorder("=")
