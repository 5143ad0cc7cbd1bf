"""What a JPEG file is besides its coefficients <-> the recipe in a .pxc file (FORMAT.md, JPEG files)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from pixcodec.container.header import Header, Mode, unknown
from pixcodec.container.varint import pack_varint
from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.files.items import Shape
from pixcodec.jpeg.files.numbers import Numbers
from pixcodec.jpeg.files.outline import Apart
from pixcodec.jpeg.files.packing import LZMA, pack_bytes, unpack_bytes
from pixcodec.jpeg.files.parts import MAX_FILE_SIZE_BYTES, Parts
from pixcodec.jpeg.files.reader import FILL_BITS, FILLING, MORE, ODD, WHERE, Reader
from pixcodec.jpeg.files.spelling import Speller
from pixcodec.jpeg.scans.work import GIVEN

STORED, APART = range(2)  # kinds: the file as it is, or all but its coefficients
_METHOD_SHIFT = 1  # of the first byte, whose lowest bit is the kind
_COMPONENTS = {Mode.GREY: 1, Mode.RGB: 3, Mode.CMYK: 4}


class Recipe(NamedTuple):
    """What a recipe holds: a file as it is, or JPEG files that follow one another in it."""

    stored: bytes | None
    files: tuple[Apart, ...] = ()

    @property
    def all_files(self) -> list[Apart]:
        """Return the files in the order of their coefficients: each, then those in its segments."""
        return [each for file in self.files for each in (file, *file.embedded)]


class Embedding(NamedTuple):
    """A JPEG file in a segment of another, for :func:`pack_recipe`."""

    start: int  # in the skeleton
    end: int
    file: Draft


class Draft(NamedTuple):
    """A JPEG file that was taken apart, for :func:`pack_recipe`."""

    parts: Parts
    filling: tuple[int, ...]
    derived: frozenset[int]  # positions of the Huffman tables that follow from the coefficients
    embedded: tuple[Embedding, ...] = ()


def pack_stored(data: bytes) -> bytes:
    """Return the recipe of a file that is stored as it is."""
    method, packed = pack_bytes(data)
    return bytes([STORED | method << _METHOD_SHIFT]) + pack_varint(len(data)) + packed


def pack_recipe(files: list[Draft], header: Header) -> bytes:
    """Return the recipe of files that were taken apart.

    Raises
    ------
    UnusualFileError
        If a part of it would be too large.
    """
    contents: list[bytes] = []
    numbers, shape = b"", _shape_of(header)
    for number, file in enumerate(files):
        packed, shape = _pack_file(file, shape, contents, more=number + 1 < len(files))
        numbers += packed
    body = b"".join(contents)
    method, packed = pack_bytes(body) if body else (0, b"")
    return bytes([APART | method << _METHOD_SHIFT]) + numbers + packed


def _pack_file(file: Draft, shape: Shape, contents: list[bytes], *, more: bool) -> tuple[bytes, Shape]:
    """Return the numbers of a file, and the shape that the next one begins with."""
    parts = file.parts
    odd = _pack_oddities(parts)
    flags = parts.fill | ODD * bool(odd) | FILLING * any(file.filling) | MORE * more
    out = [bytes([flags])]
    if any(file.filling):
        out.append(bytes([sum(way << FILL_BITS * number for number, way in enumerate(file.filling))]))
    if odd:
        out.append(pack_varint(len(odd)))
        contents.append(odd)
    if parts.fill == GIVEN:
        out.append(pack_varint(len(parts.padding)))
        contents.append(parts.padding)
    speller = Speller(parts.skeleton, file.derived, shape, contents)
    inside = [(start, end, partial(_describe, each, contents)) for start, end, each in file.embedded]
    out.append(speller.spell(inside))
    return b"".join(out), speller.shape


def _describe(file: Draft, contents: list[bytes], shape: Shape) -> bytes:
    """Return the numbers of a file in a segment."""
    return _pack_file(file, shape, contents, more=False)[0]


def _pack_oddities(parts: Parts) -> bytes:
    """Return what is odd about the scans; nothing if nothing is."""
    out: list[bytes] = []
    for number, oddities in enumerate(parts.oddities):
        if oddities.none:
            continue
        breaks = oddities.breaks
        out += [pack_varint(number), pack_varint(0 if breaks is None else 1 + len(breaks))]
        out += _differences(np.zeros(0, np.int32) if breaks is None else breaks)
        out += [pack_varint(len(oddities.extras)), *_differences(oddities.extras[:, 0])]
        out += [pack_varint(count) for count in oddities.extras[:, 1].tolist()]
    return b"".join(out)


def _differences(numbers: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> list[bytes]:
    """Return the varints of the differences of increasing numbers."""
    return [pack_varint(number) for number in np.diff(numbers, prepend=0).tolist()]


def unpack_recipe(payload: bytes, header: Header) -> Recipe:
    """Return what a recipe holds.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    try:
        read = Numbers(payload)
        first = read.byte()
        kind, method = first & 1, first >> _METHOD_SHIFT
        if method > LZMA:
            raise unknown(WHERE, "method", method, f"0..{LZMA}")
        if kind == STORED:
            size = read.number(MAX_FILE_SIZE_BYTES)
            return Recipe(unpack_bytes(method, payload[read.at :], size))
        reader = Reader(read, _shape_of(header))
        files = reader.files()
        contents = unpack_bytes(method, payload[read.at :], reader.contents_size_bytes)
        return Recipe(None, tuple(file.resolved(contents) for file in files))
    except ValueError as error:
        raise CorruptFileError(f"{WHERE}: {error}") from error


def _shape_of(header: Header) -> Shape:
    return Shape(header.width, header.height, _COMPONENTS[header.mode])
