"""Images of few colours, or few values <-> a table of them and indices of it (FORMAT.md, "PLTE").

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import unknown
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Values = npt.NDArray[Any]

MAX_COLOURS = 256
_STORED, _ZLIB, _STEPS, _EVEN = range(4)  # methods


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


def pack_values(values: Values) -> bytes:
    """Return the payload of the chunk PLTE for sorted values (n,): them, or the first one and their step."""
    first, step = int(values[0]), _step(values)
    if _is_even(values):
        return bytes([_EVEN]) + pack_varint(first) + pack_varint(step)
    return pack_colours(values[:, None])


def unpack_values(payload: bytes, bit_depth: int) -> Values:
    """Return the values (n,) of a chunk PLTE.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the chunk is not as FORMAT.md says, or this version does not know its method.
    """
    most = 1 << (16 if bit_depth > 8 else 8)
    if payload[0] != _EVEN:
        return unpack_colours(payload, 1, bit_depth, most)[:, 0]
    try:
        first, end = read_varint(payload, 1)
        step, end = read_varint(payload, end)
    except ValueError as error:
        raise CorruptFileError(f"chunk 'PLTE': {error}") from error
    if end != len(payload) or not 0 < step < most or first >= most:
        raise CorruptFileError(f"chunk 'PLTE': values from {first} in steps of {step}")
    return np.arange(first, most, step).astype(np.uint16 if bit_depth > 8 else np.uint8)


def values_of(pixels: Pixels) -> Values:
    """Return the sorted values (n,) that a table for an image (H, W, C) holds.

    Evenly spaced ones if that costs less than a bit or two more of an index than those that occur.
    """
    found: Values = np.unique(pixels)
    if _is_even(found):
        return found
    step = _step(found)
    even: Values = np.arange(int(found[0]), int(found[-1]) + 1, step)
    return even.astype(pixels.dtype) if len(even) < 4 * len(found) else found


def _step(values: Values) -> int:
    return int(np.gcd.reduce(np.diff(values.astype(np.int64)))) if len(values) > 1 else 1


def _is_even(values: Values) -> bool:
    return len(np.unique(np.diff(values))) < 2


def unpack_colours(payload: bytes, channels: int, bit_depth: int, most: int = MAX_COLOURS) -> Pixels:
    """Return the colours (n, C) of a chunk PLTE, 0 <= n <= ``most``.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the chunk is not as FORMAT.md says, or this version does not know its method.
    """
    dtype = np.dtype("<u2" if bit_depth > 8 else "u1")
    entry = channels * dtype.itemsize
    method, plain = payload[0], payload[1:]
    if method > _STEPS:
        raise unknown("chunk 'PLTE'", "method", method, f"0..{_STEPS}")
    if method != _STORED:
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(plain, most * entry + 1)
        except zlib.error as error:
            raise CorruptFileError(f"chunk 'PLTE': {error}") from error
        if not stream.eof or stream.unused_data:
            raise CorruptFileError("chunk 'PLTE': its zlib stream does not end where the payload does")
    count = len(plain) // entry
    if len(plain) % entry or count > most:
        raise CorruptFileError(f"chunk 'PLTE': {len(plain)} bytes, expected up to {most} times {entry}")
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
    """Return the pixels (H, W, C) of indices: (H, W, 1) into colours (n, C), (H, W, C) into values (n,).

    Raises
    ------
    CorruptFileError
        If an index is beyond the table.
    """
    largest = int(indices.max())
    if largest >= len(colours):
        raise CorruptFileError(f"index {largest} is beyond the {len(colours)} colours of chunk 'PLTE'")
    return np.ascontiguousarray(colours[indices if colours.ndim == 1 else indices[:, :, 0]])
