"""Images of few colours <-> a table of the colours and an index for each pixel (FORMAT.md, "PLTE").

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.errors import CorruptFileError
from pixcodec.header import unknown

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

MAX_COLOURS = 256
_STORED, _ZLIB, _STEPS = range(3)  # methods


class Table(NamedTuple):
    """The colours of an image, (n, C), and the index (H, W, 1) of every pixel's."""

    colours: Pixels
    indices: npt.NDArray[np.uint8]


def pack_colours(colours: Pixels) -> bytes:
    """Return the payload of the chunk PLTE for colours (n, C): whichever way is smallest."""
    little = colours.astype(colours.dtype.newbyteorder("<"))
    steps = np.diff(little, axis=0, prepend=np.zeros_like(little[:1])).T
    plain = little.tobytes()
    ways = (
        bytes([_STORED]) + plain,
        bytes([_ZLIB]) + zlib.compress(plain, 9),
        bytes([_STEPS]) + zlib.compress(np.ascontiguousarray(steps).tobytes(), 9),
    )
    return min(ways, key=len)


def unpack_colours(payload: bytes, channels: int, bit_depth: int) -> Pixels:
    """Return the colours (n, C) of a chunk PLTE, 0 <= n <= 256.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the chunk is not as FORMAT.md says, or this version does not know its method.
    """
    dtype = np.dtype("<u2" if bit_depth == 16 else "u1")
    entry = channels * dtype.itemsize
    method, plain = payload[0], payload[1:]
    if method > _STEPS:
        raise unknown("chunk 'PLTE'", "method", method, f"0..{_STEPS}")
    if method != _STORED:
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(plain, MAX_COLOURS * entry + 1)
        except zlib.error as error:
            raise CorruptFileError(f"chunk 'PLTE': {error}") from error
        if not stream.eof or stream.unused_data:
            raise CorruptFileError("chunk 'PLTE': its zlib stream does not end where the payload does")
    count = len(plain) // entry
    if len(plain) % entry or count > MAX_COLOURS:
        raise CorruptFileError(f"chunk 'PLTE': {len(plain)} bytes, expected up to 256 times {entry}")
    values = np.frombuffer(plain, dtype)
    if method == _STEPS:
        values = np.cumsum(values.reshape(channels, count).T, axis=0, dtype=dtype)
    return np.ascontiguousarray(values, dtype.newbyteorder("=")).reshape(count, channels)


def table_of(pixels: Pixels) -> Table | None:
    """Return the table of an image (H, W, C), None if it has more than 256 colours.

    The colours are sorted, so that neighbours in the table are alike.
    """
    height, width, channels = pixels.shape
    packed = np.zeros((height, width), np.uint64)
    for c in range(channels):
        packed = (packed << np.uint64(8 * pixels.dtype.itemsize)) | pixels[:, :, c].astype(np.uint64)
    # Most images have more than 256 colours within their first rows.
    for rows in (16, 256, height):
        if len(np.unique(packed[:rows])) > MAX_COLOURS:
            return None
    _, first, indices = np.unique(packed, return_index=True, return_inverse=True)
    found = pixels.reshape(-1, channels)[first]
    order = np.argsort(found.astype(np.int64) @ _weights(channels), kind="stable")
    rank = np.empty(len(order), np.uint8)
    rank[order] = np.arange(len(order))
    return Table(found[order], rank[indices].reshape(height, width, 1))


def _weights(channels: int) -> npt.NDArray[np.int64]:
    """Return the weights of the channels in the order of the colours: about their luma, alpha before all."""
    luma = [1] if channels < 3 else [3, 6, 1]
    return np.array(luma + [1000] * (channels - len(luma)), np.int64)


def look_up(colours: Pixels, indices: npt.NDArray[np.integer[Any]]) -> Pixels:
    """Return the pixels (H, W, C) of indices (H, W, 1) into a table of colours.

    Raises
    ------
    CorruptFileError
        If an index is beyond the table.
    """
    largest = int(indices.max())
    if largest >= len(colours):
        raise CorruptFileError(f"index {largest} is beyond the {len(colours)} colours of chunk 'PLTE'")
    return np.ascontiguousarray(colours[indices[:, :, 0]])
