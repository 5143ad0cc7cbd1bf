"""Pixels <-> the planes of a layer, and planes <-> the bytes of a raw layer (FORMAT.md, "Layers" and "TILE").

Shapes: H height, W width, C channels of the image, D planes of a layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import PLANE_BITS
from pixcodec.container.layers import Layer
from pixcodec.errors import CorruptFileError

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
Plane = npt.NDArray[np.uint8]


def pixel_type(bits: int) -> Any:
    """Return the type of arrays of values of so many bits, up to 32."""
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


def plane_of(pixels: Pixels, layer: Layer) -> Plane:
    """Return the planes of a layer, shape (H, W, D), from the pixels of a tile, shape (H, W, C).

    A layer with a place in blocks of 2x2 pixels has about half of the rows and columns.
    """
    whole = pixels[(*layer.pixels, slice(layer.first, layer.first + layer.channels))] >> layer.below
    part = whole >> layer.shift
    if layer.has_both:
        low = whole & ((1 << layer.shift) - 1)
        part = np.stack([part, low], 3).reshape(*part.shape[:2], layer.depth)
    return np.ascontiguousarray(part & ((1 << layer.bits) - 1), np.uint8)


def put_plane(pixels: Pixels, layer: Layer, plane: Plane) -> None:
    """Set the bits that a layer holds, given as its planes (H, W, D), in pixels (H, W, C).

    These bits must be 0 before.

    Raises
    ------
    CorruptFileError
        If a low value of a layer WIDE has more bits than there are.
    """
    part: npt.NDArray[Any] = pixels[(*layer.pixels, slice(layer.first, layer.first + layer.channels))]
    values: npt.NDArray[Any] = plane.astype(pixels.dtype)
    if layer.has_both:
        if int(plane[:, :, 1::2].max()) >> layer.shift:
            raise CorruptFileError(
                f"a low value of a layer {layer.kind.name} has more than {layer.shift} bits"
            )
        part |= (values[:, :, ::2] << layer.shift | values[:, :, 1::2]) << layer.below
    else:
        part |= values << (layer.shift + layer.below)


def to_raw(plane: Plane, bits: int) -> bytes:
    """Return the values of planes (H, W, D) in raster order, ``bits`` bits each, highest bit first."""
    if bits == PLANE_BITS:
        return plane.tobytes()
    to_the_top = (plane << (PLANE_BITS - bits)).astype(np.uint8)
    each = np.unpackbits(to_the_top.reshape(-1, 1), axis=1, count=bits)
    return np.packbits(each).tobytes()


def from_raw(data: bytes, bits: int, shape: tuple[int, int, int]) -> Plane:
    """Return the planes (H, W, D) that :func:`to_raw` made these bytes of.

    Raises
    ------
    CorruptFileError
        If bits that are left over in the last byte are not 0.
    """
    values: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    if bits < PLANE_BITS:
        left_over = len(data) * PLANE_BITS - shape[0] * shape[1] * shape[2] * bits
        if data and data[-1] & ((1 << left_over) - 1):
            raise CorruptFileError(f"raw layer: its last {left_over} bits are not 0")
        count = shape[0] * shape[1] * shape[2]
        each = np.unpackbits(values, count=count * bits).reshape(count, bits)
        values = (np.packbits(each, axis=1)[:, 0] >> (PLANE_BITS - bits)).astype(np.uint8)
    return values.reshape(shape)


def little_endian(pixels: Pixels) -> memoryview:
    """Return the bytes of pixels in raster order, as the hash of an image takes them."""
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1).data
