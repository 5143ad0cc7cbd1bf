"""Images of few colours <-> a table of the colours and an index for each pixel (FORMAT.md, "PLTE").

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.errors import CorruptFileError

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

MAX_COLOURS = 256
_STORED, _ZLIB = 0, 1


class Table(NamedTuple):
    """The colours of an image, (n, C), and the index (H, W, 1) of every pixel's."""

    colours: Pixels
    indices: npt.NDArray[np.uint8]

    def pack(self) -> bytes:
        """Return the payload of the chunk PLTE: the differences of the colours, channel by channel."""
        little = self.colours.astype(self.colours.dtype.newbyteorder("<"))
        steps = np.diff(little, axis=0, prepend=np.zeros_like(little[:1])).T
        plain = np.ascontiguousarray(steps).tobytes()
        compressed = zlib.compress(plain, 9)
        if len(compressed) < len(plain):
            return bytes([_ZLIB]) + compressed
        return bytes([_STORED]) + plain


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


def look_up(payload: bytes, channels: int, bit_depth: int, indices: Pixels) -> Pixels:
    """Return the pixels (H, W, C) of indices (H, W, 1) into the table of a chunk PLTE.

    Raises
    ------
    CorruptFileError
        If the chunk is not as FORMAT.md says, or an index is beyond the table.
    """
    dtype = np.dtype("<u2" if bit_depth == 16 else "u1")
    entry = channels * dtype.itemsize
    plain = payload[1:]
    if payload[0] == _ZLIB:
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(payload[1:], MAX_COLOURS * entry + 1)
        except zlib.error as error:
            raise CorruptFileError(f"chunk 'PLTE': {error}") from error
        if not stream.eof or stream.unused_data:
            raise CorruptFileError("chunk 'PLTE': its zlib stream does not end where the payload does")
    elif payload[0] != _STORED:
        raise CorruptFileError(f"chunk 'PLTE': method is {payload[0]}, expected 0 or 1")
    count = len(plain) // entry
    if len(plain) % entry or not 0 < count <= MAX_COLOURS:
        raise CorruptFileError(f"chunk 'PLTE': table is {len(plain)} bytes, expected 1 to 256 times {entry}")
    largest = int(indices.max())
    if largest >= count:
        raise CorruptFileError(f"index {largest} is beyond the {count} colours of chunk 'PLTE'")
    steps = np.frombuffer(plain, dtype).reshape(channels, count).T
    table = np.cumsum(steps, axis=0, dtype=dtype).astype(dtype.newbyteorder("="))
    return np.ascontiguousarray(table[indices[:, :, 0]])
