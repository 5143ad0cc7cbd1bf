"""Maps between the samples of deep images and the codes that layers hold (FORMAT.md, "Deep images").

A *sample* is given by its bits, as an unsigned integer. Its *ordered number* is an integer of as many bits
that grows with its value. A *code* is an integer of up to 32 bits, small where the samples of a band allow
it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.deep import Meaning, SampleKind
from pixcodec.container.header import Header, unknown
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError
from pixcodec.images.planes import Pixels, pixel_type

Int64 = npt.NDArray[np.int64]
Bits = npt.NDArray[Any]  # uint8, uint16 or uint32

MAX_EXCEPTIONS = 255
MAX_LISTED = 2**16
MAX_RATIO = 2**20  # of numerator and denominator
MOST_NUMBER = 2**32  # of the numbers of a map
_ORDER, _RATIO, _LIST, _AGAIN = range(4)  # methods
_COMPRESSION_LEVEL = 9
_WHERE = "chunk 'PLTE'"


class SampleType(NamedTuple):
    """Kind and bits of a sample."""

    kind: SampleKind
    bits: int

    @property
    def size_bytes(self) -> int:
        """Return the size of a sample."""
        return self.bits // 8


class SampleMap(NamedTuple):
    """A map by rule: exceptions have the first codes, all others a number, ``code - exceptions + base``.

    Parameters
    ----------
    numerator, denominator : int
        The sample is the value number * numerator / denominator; of an ordered map, denominator is 0, and the
        ordered number of the sample's bits without the lowest ``numerator`` ones is the number.
    base : int
        The smallest number.
    exceptions : tuple of int
        Bits of samples.
    """

    numerator: int
    denominator: int
    base: int
    exceptions: tuple[int, ...] = ()

    def pack(self, sample: SampleType) -> bytes:
        """Return the map as a part of the chunk PLTE."""
        if self.denominator:
            start = bytes([_RATIO]) + pack_varint(self.numerator) + pack_varint(self.denominator)
        else:
            start = bytes([_ORDER]) + pack_varint(self.numerator)
        base = 2 * self.base if self.base >= 0 else -2 * self.base - 1
        parts = [start, pack_varint(base), bytes([len(self.exceptions)])]
        return b"".join([*parts, *(bits.to_bytes(sample.size_bytes, "little") for bits in self.exceptions)])

    def numbers(self, samples: Bits, sample: SampleType) -> tuple[Int64, npt.NDArray[np.bool_]]:
        """Return the numbers of samples (n,), given by their bits, and which of the samples have one."""
        if self.denominator == 0:
            return to_ordered(samples, sample, self.numerator), np.ones(len(samples), bool)
        if sample.kind is SampleKind.FLOAT:
            values = float_values(samples, sample)
            usable = np.isfinite(values)
            whole = np.rint(np.where(usable, values, 0) * self.denominator)
            usable &= np.abs(whole) < MOST_NUMBER // 2
            numbers = np.where(usable, whole, 0).astype(np.int64) // self.numerator
            return numbers, usable & (_floats(numbers, self.numerator, self.denominator, sample) == samples)
        offset = 1 << (sample.bits - 1) if sample.kind is SampleKind.SIGNED else 0
        integers = to_ordered(samples, sample, 0) - offset
        return integers // self.numerator, integers % self.numerator == 0

    def samples(self, codes: Int64, sample: SampleType) -> Bits:
        """Return the bits of the samples that codes stand for.

        Raises
        ------
        CorruptFileError
            If there is no such sample.
        """
        count = len(self.exceptions)
        numbers = codes + (self.base - count)
        if count:
            numbers = np.where(codes < count, max(self.base, 0), numbers)  # any number that there may be
        if self.denominator == 0:
            bits = from_ordered(numbers, sample, self.numerator)
        elif sample.kind is SampleKind.FLOAT:
            bits = _floats(numbers, self.numerator, self.denominator, sample)
        else:
            bits = _integers(numbers, self.numerator, sample)
        if count:
            listed = np.array(self.exceptions, pixel_type(sample.bits))
            bits = np.where(codes < count, listed[np.minimum(codes, count - 1)], bits)
        return bits


class ListMap(NamedTuple):
    """A map by a list: the code of a sample is the place of its ordered number among ``ordered``, sorted."""

    ordered: Int64

    def pack(self, sample: SampleType) -> bytes:
        """Return the map as a part of the chunk PLTE."""
        steps = np.diff(self.ordered, prepend=0).astype("<u4")
        planes = np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 4).T)
        packed = zlib.compress(planes.tobytes(), _COMPRESSION_LEVEL)
        return bytes([_LIST]) + pack_varint(len(steps)) + pack_varint(len(packed)) + packed

    def samples(self, codes: Int64, sample: SampleType) -> Bits:
        """Return the bits of the samples that codes stand for; see :meth:`SampleMap.samples`."""
        largest = int(codes.max())
        if largest >= len(self.ordered):
            raise CorruptFileError(f"code {largest} is beyond the {len(self.ordered)} samples of {_WHERE}")
        return from_ordered(self.ordered[codes], sample, 0)


AnyMap = SampleMap | ListMap


def to_ordered(bits: Bits, sample: SampleType, shift: int) -> Int64:
    """Return the ordered numbers of samples whose lowest ``shift`` bits are 0, without these."""
    wide = bits.astype(np.int64)
    half = 1 << (sample.bits - 1)
    if sample.kind is SampleKind.UNSIGNED:
        return wide >> shift
    if sample.kind is SampleKind.SIGNED:
        return (wide ^ half) >> shift
    size, middle = (wide & (half - 1)) >> shift, half >> shift
    return np.where(wide & half, middle - 1 - size, middle + size)


def from_ordered(numbers: Int64, sample: SampleType, shift: int) -> Bits:
    """Return the bits of samples of these ordered numbers; CorruptFileError if one is too large."""
    _check_range(numbers, 0, (1 << (sample.bits - shift)) - 1)
    half = 1 << (sample.bits - 1)
    middle = half >> shift
    if sample.kind is SampleKind.UNSIGNED:
        wide = numbers << shift
    elif sample.kind is SampleKind.SIGNED:
        wide = (numbers << shift) ^ half
    else:
        negative = half | (middle - 1 - numbers) << shift
        wide = np.where(numbers < middle, negative, (numbers - middle) << shift)
    return wide.astype(pixel_type(sample.bits))


def _check_range(numbers: Int64, least: int, most: int) -> None:
    low, high = int(numbers.min()), int(numbers.max())
    if low < least or high > most:
        raise CorruptFileError(f"numbers of samples are {low}..{high}, expected {least}..{most}")


def _floats(numbers: Int64, numerator: int, denominator: int, sample: SampleType) -> Bits:
    """Return the bits of number * numerator / denominator, rounded to binary64, then to the format."""
    _check_range(numbers, -MOST_NUMBER, MOST_NUMBER)
    with np.errstate(over="ignore", under="ignore"):
        values = (numbers * numerator).astype(np.float64) / denominator
        return values.astype(f"f{sample.size_bytes}").view(pixel_type(sample.bits))


def _integers(numbers: Int64, numerator: int, sample: SampleType) -> Bits:
    """Return the bits of number * numerator."""
    _check_range(numbers, -MOST_NUMBER, MOST_NUMBER)
    values, least = numbers * numerator, 0
    if sample.kind is SampleKind.SIGNED:
        least = -(1 << (sample.bits - 1))
    _check_range(values, least, least + (1 << sample.bits) - 1)
    return values.astype(pixel_type(sample.bits))


def float_values(samples: Bits, sample: SampleType) -> npt.NDArray[np.float64]:
    """Return floats, given by their bits, as binary64."""
    with np.errstate(invalid="ignore"):
        return samples.view(f"f{sample.size_bytes}").astype(np.float64)


def pack_maps(maps: list[AnyMap], sample: SampleType) -> bytes:
    """Return the payload of the chunk PLTE for the maps of all bands; a palette may follow."""
    parts = [each.pack(sample) for each in maps]
    again = bytes([_AGAIN])
    return b"".join(
        again if number and part == parts[number - 1] else part for number, part in enumerate(parts)
    )


def unpack_maps(payload: bytes, bands: int, sample: SampleType) -> tuple[list[AnyMap], bytes]:
    """Return the maps of all bands, and what follows them.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    maps: list[AnyMap] = []
    at = 0
    try:
        while len(maps) < bands:
            if at == len(payload):
                raise ValueError(f"has maps of {len(maps)} bands, expected {bands}")
            method, at = payload[at], at + 1
            if method > _AGAIN:
                raise unknown(_WHERE, "method", method, f"0..{_AGAIN}")
            if method == _AGAIN:
                if not maps:
                    raise ValueError("the first band has no map")
                maps.append(maps[-1])
                continue
            each, at = _read_list(payload, at) if method == _LIST else _read_map(payload, at, method, sample)
            maps.append(each)
    except (ValueError, zlib.error) as error:
        raise CorruptFileError(f"{_WHERE}: {error}") from error
    return maps, payload[at:]


def _read_map(payload: bytes, at: int, method: int, sample: SampleType) -> tuple[AnyMap, int]:
    numerator, at = read_varint(payload, at)
    denominator = 0
    if method == _RATIO:
        denominator, at = read_varint(payload, at)
        most = MAX_RATIO if sample.kind is SampleKind.FLOAT else 1
        if not 0 < denominator <= most or not 0 < numerator <= MAX_RATIO:
            raise ValueError(f"ratio is {numerator} / {denominator}")
    elif numerator >= sample.bits:
        raise ValueError(f"shift is {numerator}, expected up to {sample.bits - 1}")
    base, at = read_varint(payload, at)
    base = base >> 1 if base % 2 == 0 else -(base + 1 >> 1)
    if abs(base) > MOST_NUMBER or at == len(payload):
        raise ValueError(f"base is {base}, or the payload ends")
    count, at = payload[at], at + 1
    end = at + count * sample.size_bytes
    if end > len(payload):
        raise ValueError("the payload ends within the exceptions")
    exceptions = np.frombuffer(payload[at:end], f"<u{sample.size_bytes}").tolist()
    return SampleMap(numerator, denominator, base, tuple(exceptions)), end


def _read_list(payload: bytes, at: int) -> tuple[AnyMap, int]:
    count, at = read_varint(payload, at)
    size, at = read_varint(payload, at)
    if not 0 < count <= MAX_LISTED or size > len(payload) - at:
        raise ValueError(f"a list of {count} samples in {size} bytes")
    stream = zlib.decompressobj()
    planes = stream.decompress(payload[at : at + size], 4 * count + 1)
    if len(planes) != 4 * count or not stream.eof or stream.unused_data:
        raise ValueError(f"the list is not {count} samples")
    steps = np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(4, count).T).view("<u4")[:, 0]
    return ListMap(np.cumsum(steps.astype(np.int64))), at + size


def sample_type(header: Header) -> SampleType:
    """Return the type of the samples of an image of mode DEEP."""
    assert header.deep is not None
    return SampleType(header.deep.kind, header.bit_depth)


def samples_in(header: Header, table: bytes) -> Callable[[Pixels], Pixels]:
    """Return a function that turns codes (H, W, C) into the bits of samples, by a file's chunk PLTE.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        As :func:`unpack_maps`; the function as :meth:`SampleMap.samples`.
    """
    sample = sample_type(header)
    maps, rest = unpack_maps(table, header.channels, sample)
    assert header.deep is not None
    if bool(rest) != (header.deep.meaning is Meaning.PALETTE_ALPHA):
        raise CorruptFileError(f"{_WHERE}: {len(rest)} bytes follow the maps, which do not go with HEAD")

    def samples(codes: Pixels) -> Pixels:
        result = np.empty(codes.shape, pixel_type(sample.bits))
        for band, each in enumerate(maps):
            result[:, :, band] = each.samples(codes[:, :, band].astype(np.int64), sample)
        return result

    return samples


def palette_in(header: Header, table: bytes) -> bytes:
    """Return the palette in the payload of the chunk PLTE, which may be another table."""
    if header.deep:
        return unpack_maps(table, header.channels, sample_type(header))[1]
    return b"" if header.index_bits else table
