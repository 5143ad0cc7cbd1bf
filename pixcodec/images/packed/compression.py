"""Bytes <-> a deflate stream or an LZMA stream without headers (FORMAT.md, "Compression")."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NamedTuple

from pixcodec.errors import CorruptFileError

MAX_DEFLATE_BYTES = 1 << 16  # above this LZMA is smaller than deflate at its best, which takes long
MAX_ESTIMATED_BYTES = 1 << 14  # of data whose size by LZMA is estimated by LZMA
_LEAST_DICTIONARY_BYTES = 1 << 12  # of LZMA
_SPARE_BYTES = 6  # about how many of an LZMA stream no decoder reads
_RAW = -15  # zlib: a window of 2**15 bytes, no header
_MEMORY = 9
_LC_CHOICES, _LP_CHOICES, _PB_CHOICES = 9, 5, 5
_MAX_LITERAL_BITS = 4  # lc + lp


class Method(IntEnum):
    """How bytes are compressed."""

    STORED = 0
    DEFLATE = 1
    LZMA = 2


class Properties(NamedTuple):
    """What literals and positions LZMA tells apart: see lc, lp and pb of its format."""

    lc: int
    lp: int
    pb: int

    @property
    def byte(self) -> int:
        """Return the three as a byte, as the format of .lzma files has it."""
        return (self.pb * _LP_CHOICES + self.lp) * _LC_CHOICES + self.lc


PLAIN = Properties(0, 0, 0)
USUAL = (PLAIN, Properties(3, 0, 0), Properties(0, 1, 1), Properties(0, 2, 2))
OTHERS = tuple(Properties(*each) for each in ((1, 0, 0), (2, 0, 1), (4, 0, 0), (3, 0, 2), (0, 0, 2)))


class Compressed(NamedTuple):
    """A method, and the stream: of LZMA with the byte of its properties before it."""

    method: Method
    stream: bytes


def deflated_size(data: bytes) -> int:
    """Return about how many bytes the deflated data take, in little time."""
    return len(zlib.compress(data, 6 if len(data) <= MAX_DEFLATE_BYTES else 1))


def estimate(data: bytes, deflated: int | None = None) -> int:
    """Return about how many bytes the compressed data take; ``deflated`` is their deflated size, if known."""
    size = deflated_size(data) if deflated is None else deflated
    if len(data) > MAX_ESTIMATED_BYTES:
        return size
    return min(size, quick_lzma_size(data) - _SPARE_BYTES)


def quick_lzma_size(data: bytes) -> int:
    """Return about how many bytes the LZMA stream of data takes, in less time than it does."""
    quick = {**_lzma_filter(len(data), PLAIN), "mode": lzma.MODE_FAST, "mf": lzma.MF_HC4}
    return len(lzma.compress(data, lzma.FORMAT_RAW, filters=[quick]))


def plain_lzma_size(data: bytes) -> int:
    """Return how many bytes the LZMA stream of data takes that tells nothing apart."""
    return len(_whole_lzma_stream(data, PLAIN))


def compressed(data: bytes, properties: Iterable[Properties]) -> Compressed:
    """Return the smallest of deflate, and LZMA with each of the properties."""
    found = [Compressed(Method.STORED, data)]
    if len(data) <= MAX_DEFLATE_BYTES:
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE):
            stream = zlib.compressobj(9, zlib.DEFLATED, _RAW, _MEMORY, strategy)
            found.append(Compressed(Method.DEFLATE, stream.compress(data) + stream.flush()))
    whole = [(_whole_lzma_stream(data, each), each) for each in properties]
    if whole:
        smallest, best = min(whole, key=lambda pair: len(pair[0]))
        found.append(Compressed(Method.LZMA, bytes([best.byte]) + _needed(smallest, len(data), best)))
    return min(found, key=lambda one: len(one.stream))


def lzma_stream(data: bytes, properties: Properties) -> bytes:
    """Return the LZMA stream of data, without the first byte, which is 0, and all that no decoder reads."""
    return _needed(_whole_lzma_stream(data, properties), len(data), properties)


def _whole_lzma_stream(data: bytes, properties: Properties) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=[_lzma_filter(len(data), properties)])


def _needed(stream: bytes, size_bytes: int, properties: Properties) -> bytes:
    """Return a whole LZMA stream without its first byte, and without all that no decoder reads."""
    low, high = 1, len(stream)  # the stream ends with a marker: the decoder knows the size instead
    while low < high:
        middle = (low + high) // 2
        if len(_lzma_decoder(size_bytes, properties).decompress(stream[:middle], size_bytes)) < size_bytes:
            low = middle + 1
        else:
            high = middle
    return stream[1:low]


def decompressed(method: Method, stream: bytes, size_bytes: int) -> bytes:
    """Return the data, of a size that is known; the inverse of :func:`compressed`.

    Raises
    ------
    CorruptFileError
        If the stream does not give just so many bytes, or has bytes that are not needed.
    """
    if method is Method.STORED:
        data, rest = stream[:size_bytes], stream[size_bytes:]
    elif method is Method.DEFLATE:
        inflate = zlib.decompressobj(_RAW)
        try:
            data = inflate.decompress(stream, size_bytes + 1)
        except zlib.error as error:
            raise CorruptFileError(f"packed layer: {error}") from error
        rest = inflate.unused_data + inflate.unconsumed_tail
        if not inflate.eof:
            raise CorruptFileError("packed layer: its deflate stream does not end where the layer does")
    else:
        return _lzma_decompressed(stream, size_bytes)
    if len(data) != size_bytes or rest:
        raise CorruptFileError(f"packed layer: {len(data)} bytes and {len(rest)} left, expected {size_bytes}")
    return data


def _lzma_decompressed(stream: bytes, size_bytes: int) -> bytes:
    properties = _properties_of(stream[0]) if stream else None
    if properties is None:
        raise CorruptFileError(f"packed layer: properties of LZMA are {stream[:1].hex() or 'missing'}")
    decoder = _lzma_decoder(size_bytes, properties)
    try:
        first = decoder.decompress(b"\0" + stream[1:-1], size_bytes)
        if len(first) < size_bytes and not decoder.eof and len(stream) > 1:  # the last byte is needed
            data = first + decoder.decompress(stream[-1:], size_bytes - len(first))
            if len(data) == size_bytes:
                return data
    except lzma.LZMAError as error:
        raise CorruptFileError(f"packed layer: {error}") from error
    raise CorruptFileError(f"packed layer: its LZMA stream does not end after {size_bytes} bytes")


def _properties_of(byte: int) -> Properties | None:
    rest, lc = divmod(byte, _LC_CHOICES)
    pb, lp = divmod(rest, _LP_CHOICES)
    return Properties(lc, lp, pb) if pb < _PB_CHOICES and lc + lp <= _MAX_LITERAL_BITS else None


def _lzma_decoder(size_bytes: int, properties: Properties) -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_lzma_filter(size_bytes, properties)])


def _lzma_filter(size_bytes: int, properties: Properties) -> dict[str, Any]:
    return {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(size_bytes, _LEAST_DICTIONARY_BYTES),
        **properties._asdict(),
        "mode": lzma.MODE_NORMAL,
        "mf": lzma.MF_BT4,
        "nice_len": 273,  # the longest
    }
