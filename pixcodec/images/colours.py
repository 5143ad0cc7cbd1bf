"""Images of few colours or few values <-> a table and indices into it (FORMAT.md, "PLTE").

Shapes: H height, W width, C channels, n entries of a table.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import Header, unknown
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError
from pixcodec.images.h_transform import inverse_in
from pixcodec.images.planes import Pixels

Values = npt.NDArray[Any]  # uint8 or uint16

MAX_COLOURS = 256
_STORED, _ZLIB, _STEPS, _EVEN = range(4)  # methods
_COMPRESSION_LEVEL = 9
_MAX_EVEN_RATIO = 4  # of evenly spaced values to those that occur
_FIRST_ROWS = (16, 256)  # most images have more than 256 colours within so many rows
_LUMA_WEIGHTS = [3, 6, 1]  # of red, green and blue, roughly
_ALPHA_WEIGHT = 1000


class Table(NamedTuple):
    """The colours of an image, shape (n, C), and the index of every pixel's colour, shape (H, W, 1)."""

    colours: Pixels
    indices: npt.NDArray[np.uint8]


def pack_colours(colours: Pixels) -> bytes:
    """Return the payload of the chunk PLTE for colours (n, C), by the method that makes it smallest."""
    little = colours.astype(colours.dtype.newbyteorder("<"))
    steps = np.diff(little, axis=0, prepend=np.zeros_like(little[:1])).T
    plain = little.tobytes()
    payloads = (
        bytes([_STORED]) + plain,
        bytes([_ZLIB]) + zlib.compress(plain, _COMPRESSION_LEVEL),
        bytes([_STEPS]) + zlib.compress(np.ascontiguousarray(steps).tobytes(), _COMPRESSION_LEVEL),
    )
    return min(payloads, key=len)


def unpack_colours(payload: bytes, channels: int, bit_depth: int, most: int = MAX_COLOURS) -> Pixels:
    """Return the colours of a chunk PLTE.

    Parameters
    ----------
    payload : bytes
    channels : int
        Subpixels of a colour.
    bit_depth : int
        Bits of a subpixel.
    most : int
        The largest number of colours that is accepted.

    Returns
    -------
    ndarray of uint8, or of uint16 if the bit depth is above 8, shape (n, channels)

    Raises
    ------
    UnsupportedVersionError
        If this version of pixcodec does not know the method.
    CorruptFileError
        If anything else is not as FORMAT.md says.
    """
    if not payload:
        raise CorruptFileError("chunk 'PLTE': its method is missing")
    dtype = np.dtype("<u2" if bit_depth > 8 else "u1")
    entry_size = channels * dtype.itemsize
    method, plain = payload[0], payload[1:]
    if method > _STEPS:
        raise unknown("chunk 'PLTE'", "method", method, f"0..{_STEPS}")
    if method != _STORED:
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(plain, most * entry_size + 1)
        except zlib.error as error:
            raise CorruptFileError(f"chunk 'PLTE': {error}") from error
        if not stream.eof or stream.unused_data:
            raise CorruptFileError("chunk 'PLTE': its zlib stream does not end where the payload does")
    count = len(plain) // entry_size
    if len(plain) % entry_size or count > most:
        raise CorruptFileError(f"chunk 'PLTE': {len(plain)} bytes, expected up to {most} times {entry_size}")
    values = np.frombuffer(plain, dtype)
    if method == _STEPS:
        values = np.cumsum(values.reshape(channels, count).T, axis=0, dtype=dtype)
    if count and int(values.max()) >> bit_depth:
        raise CorruptFileError(f"chunk 'PLTE': an entry is {values.max()}, expected {bit_depth} bits")
    return np.ascontiguousarray(values, dtype.newbyteorder("=")).reshape(count, channels)


def pack_values(values: Values) -> bytes:
    """Return the payload of the chunk PLTE for sorted values (n,): first and step alone if that suffices."""
    if _is_even(values):
        return bytes([_EVEN]) + pack_varint(int(values[0])) + pack_varint(_step(values))
    return pack_colours(values[:, None])


def unpack_values(payload: bytes, bit_depth: int) -> Values:
    """Return the values of a chunk PLTE, shape (n,): uint8, or uint16 if the bit depth is above 8.

    Evenly spaced values go on up to the largest one that the type holds.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        As :func:`unpack_colours`.
    """
    dtype = np.uint16 if bit_depth > 8 else np.uint8
    most = int(np.iinfo(dtype).max) + 1
    if payload[:1] != bytes([_EVEN]):
        return unpack_colours(payload, 1, bit_depth, most)[:, 0]
    try:
        first, end = read_varint(payload, 1)
        step, end = read_varint(payload, end)
    except ValueError as error:
        raise CorruptFileError(f"chunk 'PLTE': {error}") from error
    if end != len(payload) or not 0 < step < most or first >= most:
        raise CorruptFileError(f"chunk 'PLTE': values from {first} in steps of {step}")
    return np.arange(first, min(most, 1 << bit_depth), step).astype(dtype)


def values_of(pixels: Pixels) -> Values:
    """Return the sorted values (n,) of a table for the pixels (H, W, C).

    They are those that occur, or evenly spaced ones that include these. Even ones take a few bytes, and are
    chosen unless an index then needs two bits more.
    """
    return values_for(np.unique(pixels))


def values_for(found: Values) -> Values:
    """Return the sorted values of a table for the values (n,) that occur, sorted, as :func:`values_of`."""
    if _is_even(found):
        return found
    even: Values = np.arange(int(found[0]), int(found[-1]) + 1, _step(found))
    return even.astype(found.dtype) if len(even) < _MAX_EVEN_RATIO * len(found) else found


def _step(values: Values) -> int:
    """Return the largest number that divides all differences of sorted values, 1 if there is one value."""
    return int(np.gcd.reduce(np.diff(values.astype(np.int64)))) if len(values) > 1 else 1


def _is_even(values: Values) -> bool:
    """Return whether sorted values are evenly spaced."""
    return len(np.unique(np.diff(values))) < 2


def table_of(pixels: Pixels) -> Table | None:
    """Return the table of an image (H, W, C), None if it has more than 256 colours.

    The colours are sorted, so that similar ones have similar indices.
    """
    height, width, channels = pixels.shape
    each = pixels.reshape(-1, channels)
    for rows in (*_FIRST_ROWS, height):
        part = each[: rows * width]
        starts = np.flatnonzero(np.concatenate([[True], changes(part[1:], part[:-1])]))
        packed = np.zeros(
            len(starts), np.uint64
        )  # of every run of equal pixels, all subpixels in one integer
        for c in range(channels):
            packed = (packed << np.uint64(8 * pixels.dtype.itemsize)) | part[starts, c].astype(np.uint64)
        _, first, indices = np.unique(packed, return_index=True, return_inverse=True)
        if len(first) > MAX_COLOURS:
            return None
    found = each[starts[first]]
    order = np.argsort(found.astype(np.int64) @ _sort_weights(channels), kind="stable")
    rank = np.empty(len(order), np.uint8)
    rank[order] = np.arange(len(order))
    lengths = np.diff(starts, append=len(each))
    return Table(found[order], np.repeat(rank[indices], lengths).reshape(height, width, 1))


def changes(pixels: Pixels, others: Pixels) -> npt.NDArray[np.bool_]:
    """Return where pixels (..., C) differ from others, in any channel."""
    different: npt.NDArray[np.bool_] = pixels[..., 0] != others[..., 0]
    for c in range(1, pixels.shape[-1]):
        different |= pixels[..., c] != others[..., c]
    return different


def _sort_weights(channels: int) -> npt.NDArray[np.int64]:
    """Return weights (C,) that sort colours by alpha or black first, then roughly by luma."""
    luma = [1] if channels < 3 else _LUMA_WEIGHTS
    return np.array(luma + [_ALPHA_WEIGHT] * (channels - len(luma)), np.int64)


def look_up(colours: Pixels, indices: npt.NDArray[np.integer[Any]]) -> Pixels:
    """Return the pixels (H, W, C) that indices stand for.

    Parameters
    ----------
    colours : ndarray, shape (n, C) or (n,)
        Colours, or values.
    indices : ndarray, shape (H, W, 1) or (H, W, C)
        Of a colour for each pixel, or of a value for each subpixel.

    Raises
    ------
    CorruptFileError
        If an index is n or larger.
    """
    largest = int(indices.max())
    if largest >= len(colours):
        raise CorruptFileError(f"index {largest} is beyond the {len(colours)} colours of chunk 'PLTE'")
    return np.ascontiguousarray(colours[indices if colours.ndim == 1 else indices[:, :, 0]])


def look_up_in(header: Header, table: bytes) -> Callable[[Pixels], Pixels]:
    """Return a function that turns what layers hold into pixels (H, W, C), by a file's chunk PLTE if it need.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        As :func:`unpack_colours`; the function as :func:`look_up`.
    """
    if not header.index_bits:
        return lambda pixels: pixels
    if header.h_transform:
        return inverse_in(table, header.bit_depth, header.corner)
    if header.mapped:
        return partial(look_up, unpack_values(table, header.bit_depth))
    return partial(look_up, unpack_colours(table, header.mode.channels, header.bit_depth))
