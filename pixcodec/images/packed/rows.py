"""The pixels of a packed layer <-> the bytes that are compressed (FORMAT.md, "Rows").

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import unknown
from pixcodec.errors import CorruptFileError
from pixcodec.images.packed.filters import (
    ROW_FILTERS,
    Filter,
    Values,
    filtered,
    filtered_by_row,
    restored,
    restored_by_row,
)

BY_ROW = len(Filter)  # in place of a filter: each row has one of its own
_BYTE_BITS = 8
_DIGIT_SIZES = (1, 2, 4)  # bits of a value that shares a byte with others
_MAX_DIGIT_BITS = max(_DIGIT_SIZES)
_LEAST_COLOURS = 3  # channels from which on green can be subtracted

Bytes = npt.NDArray[np.uint8]


class Form(NamedTuple):
    """How pixels become bytes.

    Parameters
    ----------
    filter : int
        A Filter, or BY_ROW.
    planar : bool
        Whether one channel follows another, and the low bytes of a channel its high bytes; otherwise those of
        a pixel are side by side.
    less_green : bool
        Whether the second channel is subtracted from the first and third.
    digits : bool
        Whether several values of at most 4 bits share a byte.
    """

    filter: int
    planar: bool = False
    less_green: bool = False
    digits: bool = False

    def suits(self, channels: int, bits: int) -> bool:
        """Return whether pixels of so many channels and bits may have this form."""
        suits_colours = channels >= _LEAST_COLOURS or not self.less_green
        return suits_colours and (bits <= _MAX_DIGIT_BITS or not self.digits)


def _masked(values: Values, bits: int) -> Values:
    return np.bitwise_and(values, np.uint16((1 << bits) - 1))


def less_green(values: Values) -> Values:
    """Return values (H, W, C) whose second channel is subtracted from the first and third, modulo 2**16."""
    result = values.copy()
    result[:, :, (0, 2)] -= values[:, :, 1:2]
    return result


def to_bytes(values: Values, bits: int, form: Form, rows: Bytes | None = None) -> bytes:
    """Return the bytes of values (H, W, C), which are without green already if the form says so.

    ``rows``: the filter of each row, (H,), or (H, C) if planar, if the form is BY_ROW.
    """
    if rows is None:
        return laid_out(filtered(values, Filter(form.filter)), bits, form)
    return np.ascontiguousarray(rows.T).tobytes() + laid_out(filtered_by_row(values, rows), bits, form)


def laid_out(differences: Values, bits: int, form: Form) -> bytes:
    """Return differences (H, W, C) as bytes, modulo 2**bits."""
    height, width, channels = differences.shape
    values = _masked(differences, bits)
    if form.planar:  # as one channel of C * H rows
        values = values.transpose(2, 0, 1).reshape(channels, height, width)
    else:
        values = values.reshape(1, height, width * channels)
    if bits <= _BYTE_BITS:
        single = values.astype(np.uint8)
        return (_packed_digits(single, _digit_bits(bits)) if form.digits else single).tobytes()
    halves = np.stack([values >> _BYTE_BITS, values & 0xFF], 1 if form.planar else 3)
    return halves.astype(np.uint8).tobytes()


def size_bytes(shape: tuple[int, int, int], bits: int, form: Form) -> int:
    """Return the size of the bytes of pixels of a shape (H, W, C)."""
    height, width, channels = shape
    lines, length = (height * channels, width) if form.planar else (height, width * channels)
    row = length * -(-bits // _BYTE_BITS)
    if form.digits:
        row = -(-length * _digit_bits(bits) // _BYTE_BITS)
    return lines * row + lines * (form.filter == BY_ROW)


def from_bytes(data: bytes, shape: tuple[int, int, int], bits: int, form: Form) -> Values:
    """Return the values (H, W, C) of which these are the bytes, as many as :func:`size_bytes` says.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If a bit is set that is left over in a byte, or a filter is not known.
    """
    height, _, channels = shape
    rows, at = None, 0
    if form.filter == BY_ROW:
        at = height * channels if form.planar else height
        rows = np.frombuffer(data, np.uint8, at)
        if int(rows.max()) > max(ROW_FILTERS):
            raise unknown("packed layer", "filter of a row", int(rows.max()), f"0..{max(ROW_FILTERS)}")
        rows = rows.reshape(channels, height).T if form.planar else rows
    differences = _from_layout(np.frombuffer(data, np.uint8, offset=at), shape, bits, form)
    if rows is None:
        values = restored(differences, Filter(form.filter))
    else:
        values = restored_by_row(differences, rows)
    if form.less_green:
        values = values.copy()
        values[:, :, (0, 2)] += values[:, :, 1:2]
    return _masked(values, bits)


def _from_layout(data: Bytes, shape: tuple[int, int, int], bits: int, form: Form) -> Values:
    """Return the differences (H, W, C) that :func:`laid_out` made these bytes of."""
    height, width, channels = shape
    lines, length = (height * channels, width) if form.planar else (height, width * channels)
    values: Values
    if bits > _BYTE_BITS:
        halves = data.reshape((channels, 2, height * width) if form.planar else (1, -1, 2))
        high, low = (halves[:, 0], halves[:, 1]) if form.planar else (halves[..., 0], halves[..., 1])
        values = np.bitwise_or(high.astype(np.uint16) << np.uint16(_BYTE_BITS), low, dtype=np.uint16)
    elif form.digits:
        values = _digits(data.reshape(lines, -1), _digit_bits(bits), length).astype(np.uint16)
    else:
        values = data.astype(np.uint16)
    if int(values.max()) >> bits:
        raise CorruptFileError(f"packed layer: a value has more than {bits} bits")
    if form.planar:
        return np.ascontiguousarray(values.reshape(channels, height, width).transpose(1, 2, 0))
    return values.reshape(shape)


def _digit_bits(bits: int) -> int:
    """Return the bits that a value takes in a byte with others."""
    return next(size for size in _DIGIT_SIZES if size >= bits)


def _packed_digits(values: Bytes, digit_bits: int) -> Bytes:
    """Return values (..., L) as bytes, the first in the highest bits; what is left over in a row is 0."""
    count = _BYTE_BITS // digit_bits
    padding = [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % count)]
    each = np.pad(values, padding).reshape(*values.shape[:-1], -1, count)
    places = np.arange(_BYTE_BITS - digit_bits, -1, -digit_bits, dtype=np.uint8)
    packed: Bytes = np.bitwise_or.reduce(each << places, axis=-1)
    return packed


def _digits(data: Bytes, digit_bits: int, length: int) -> Bytes:
    """Return the values (rows, length) that :func:`_packed_digits` made these bytes (rows, ...) of."""
    places = np.arange(_BYTE_BITS - digit_bits, -1, -digit_bits, dtype=np.uint8)
    each: Bytes = (data[:, :, None] >> places & np.uint8((1 << digit_bits) - 1)).reshape(len(data), -1)
    if each[:, length:].any():
        raise CorruptFileError("packed layer: bits after the end of a row are not 0")
    return each[:, :length]
