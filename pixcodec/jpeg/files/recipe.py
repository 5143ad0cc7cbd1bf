"""What a JPEG file is besides its coefficients <-> the payload of the chunk JPEG (FORMAT.md, JPEG files)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.container.header import unknown
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.files.packing import LZMA, pack_bytes, unpack_bytes
from pixcodec.jpeg.files.parts import Oddities, Parts
from pixcodec.jpeg.scans.huffman import MAX_LENGTH, SYMBOLS
from pixcodec.jpeg.scans.markers import MAX_SCANS
from pixcodec.jpeg.scans.work import GIVEN, MAX_EXTRAS

STORED, APART = range(2)  # kinds: the file as it is, or all but its coefficients
MAX_FILE_SIZE_BYTES = 2**31 - 1
MAX_FILES = 64  # that follow one another
NONE, REPEATED, CODED = range(3)  # how the blocks are found that only fill units
_FILL_BITS = 2  # of a component, in the byte that says it
_HEAD_SIZE_BYTES = 2


class Apart(NamedTuple):
    """A JPEG file that was taken apart, without its coefficients."""

    parts: Parts
    filling: tuple[int, ...]  # of each of four components: NONE, REPEATED or CODED
    # Huffman tables that follow from the coefficients: position of the 16 numbers of codes, and number of
    # symbols. In parts that were unpacked, others stand for them.
    tables: tuple[tuple[int, int], ...] = ()


class Recipe(NamedTuple):
    """What the chunk JPEG holds: a file as it is, or JPEG files that follow one another in it."""

    stored: bytes | None
    files: tuple[Apart, ...] = ()


def pack_recipe(recipe: Recipe) -> bytes:
    """Return the payload."""
    kind, body = STORED, recipe.stored
    if body is None:
        bodies = [_pack_file(file) for file in recipe.files]
        sizes = [pack_varint(len(body)) for body in bodies[:-1]]  # the last one takes the rest
        kind, body = APART, b"".join([pack_varint(len(bodies)), *sizes, *bodies])
    method, packed = pack_bytes(body)
    return bytes([kind, method]) + pack_varint(len(body)) + packed


def unpack_recipe(payload: bytes) -> Recipe:
    """Return what a payload holds.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    where = "chunk 'JPEG'"
    if len(payload) < _HEAD_SIZE_BYTES:
        raise CorruptFileError(f"{where}: payload is {len(payload)} bytes, expected more")
    kind, method = payload[:_HEAD_SIZE_BYTES]
    if kind > APART:
        raise unknown(where, "kind", kind, f"0..{APART}")
    if method > LZMA:
        raise unknown(where, "method", method, f"0..{LZMA}")
    try:
        size, at = read_varint(payload, _HEAD_SIZE_BYTES)
        if size > MAX_FILE_SIZE_BYTES:
            raise ValueError(f"file is {size} bytes, the most is {MAX_FILE_SIZE_BYTES}")
        body = unpack_bytes(method, payload[at:], size)
        return Recipe(body) if kind == STORED else Recipe(None, _unpack_files(body))
    except ValueError as error:
        raise CorruptFileError(f"{where}: {error}") from error


def _pack_file(file: Apart) -> bytes:
    parts = file.parts
    ways = sum(way << _FILL_BITS * number for number, way in enumerate(file.filling))
    out = [pack_varint(parts.size_bytes), bytes([parts.fill, ways])]
    odd = [(number, oddities) for number, oddities in enumerate(parts.oddities) if not oddities.none]
    out += [pack_varint(len(parts.oddities)), pack_varint(len(odd))]
    for number, oddities in odd:
        breaks = oddities.breaks
        out += [pack_varint(number), pack_varint(0 if breaks is None else 1 + len(breaks))]
        out += _differences(np.zeros(0, np.int32) if breaks is None else breaks)
        out += [pack_varint(len(oddities.extras)), *_differences(oddities.extras[:, 0])]
        out += [pack_varint(count) for count in oddities.extras[:, 1].tolist()]
    if parts.fill == GIVEN:
        out += [pack_varint(len(parts.padding)), parts.padding]
    starts = np.array([start for start, _ in file.tables], np.int32)
    out += [pack_varint(len(file.tables)), *_differences(starts)]
    out += [pack_varint(symbols) for _, symbols in file.tables]
    end = 0
    for start, symbols in file.tables:
        out.append(parts.skeleton[end:start])
        end = start + MAX_LENGTH + symbols
    return b"".join([*out, parts.skeleton[end:]])


def _differences(numbers: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> list[bytes]:
    """Return the varints of the differences of increasing numbers."""
    return [pack_varint(number) for number in np.diff(numbers, prepend=0).tolist()]


class _Numbers:
    """Reads the varints and bytes of a body in order."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def number(self, most: int) -> int:
        number, self.at = read_varint(self.body, self.at)
        if number > most:
            raise ValueError(f"number is {number}, the most is {most}")
        return number

    def numbers(self, count: int) -> list[int]:
        if count > len(self.body) - self.at:
            raise ValueError(f"{count} numbers are expected, there are {len(self.body) - self.at} bytes")
        return [self.number(MAX_FILE_SIZE_BYTES) for _ in range(count)]

    def increasing(self, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        numbers = np.cumsum(np.array(self.numbers(count), np.int64))
        if count and numbers[-1] > MAX_FILE_SIZE_BYTES:
            raise ValueError(f"number of a block is {numbers[-1]}")
        return numbers.astype(np.int32)

    def bytes(self, count: int) -> bytes:
        found = self.body[self.at : self.at + count]
        if len(found) != count:
            raise ValueError(f"{count} bytes are expected, there are {len(found)}")
        self.at += count
        return found


def _unpack_files(body: bytes) -> tuple[Apart, ...]:
    read = _Numbers(body)
    count = read.number(MAX_FILES)
    if not count:
        raise ValueError("no file")
    bodies = [read.bytes(size) for size in read.numbers(count - 1)]
    return tuple(_unpack_file(own) for own in (*bodies, body[read.at :]))


def _unpack_file(body: bytes) -> Apart:
    read = _Numbers(body)
    size = read.number(MAX_FILE_SIZE_BYTES)
    fill, ways = read.bytes(2)
    if fill > GIVEN:
        raise unknown("chunk 'JPEG'", "fill", fill, f"0..{GIVEN}")
    filling = tuple(ways >> _FILL_BITS * number & 3 for number in range(4))
    if max(filling) > CODED:
        raise unknown("chunk 'JPEG'", "blocks that fill units", max(filling), f"0..{CODED}")
    scans = [Oddities() for _ in range(read.number(MAX_SCANS))]
    for _ in range(read.number(len(scans))):
        number = read.number(len(scans) - 1)
        count = read.number(MAX_FILE_SIZE_BYTES)
        breaks = read.increasing(count - 1) if count else None
        count = read.number(MAX_EXTRAS)
        extras = np.zeros((count, 2), np.int32)
        extras[:, 0] = read.increasing(count)
        extras[:, 1] = read.numbers(count)
        scans[number] = Oddities(breaks, extras)
    padding = read.bytes(read.number(MAX_FILE_SIZE_BYTES)) if fill == GIVEN else b""
    count = read.number(MAX_FILE_SIZE_BYTES)
    starts, symbols = read.increasing(count).tolist(), read.numbers(count)
    tables = tuple(zip(starts, symbols, strict=True))
    skeleton = _with_tables(body[read.at :], tables)
    return Apart(Parts(skeleton, size, fill, padding, tuple(scans)), filling, tables)


def _with_tables(short: bytes, tables: tuple[tuple[int, int], ...]) -> bytes:
    """Return a skeleton with tables of so many symbols at the positions; their codes are of 15 or 16 bits."""
    pieces, at, end = [], 0, 0
    for start, symbols in tables:
        if not 0 <= start - end <= len(short) - at or symbols > SYMBOLS:
            raise ValueError(f"Huffman table at byte {start} of {symbols} symbols")
        few = min(symbols, SYMBOLS // 2)
        pieces += [short[at : at + start - end], bytes(MAX_LENGTH - 2) + bytes([few, symbols - few])]
        pieces.append(bytes(symbols))
        at, end = at + start - end, start + MAX_LENGTH + symbols
    return b"".join([*pieces, short[at:]])
