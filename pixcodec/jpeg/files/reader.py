"""The items of a recipe -> the outlines of its files (FORMAT.md, sections JPEG files and Items)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.container.header import unknown
from pixcodec.jpeg.files import items
from pixcodec.jpeg.files.codes import SETS, usual_codes
from pixcodec.jpeg.files.items import Shape
from pixcodec.jpeg.files.numbers import Numbers
from pixcodec.jpeg.files.outline import Apart, Hole, Piece, Table, Tables, segment, segment_start, walkable
from pixcodec.jpeg.files.parts import MAX_FILE_SIZE_BYTES, Oddities, Parts, plan_of
from pixcodec.jpeg.files.steps import read_steps
from pixcodec.jpeg.scans.huffman import MAX_LENGTH, SYMBOLS
from pixcodec.jpeg.scans.markers import SOI
from pixcodec.jpeg.scans.work import GIVEN, MAX_EXTRAS

MAX_FILES = 64  # that follow one another, and in segments
MAX_ITEMS = 2**14  # of a recipe
FILL, ODD, FILLING, MORE = 3, 4, 8, 16  # flags of a file
FILL_BITS = 2  # of a component, in the byte that says which blocks fill units
NONE, REPEATED, CODED = range(3)  # how the blocks are found that only fill units
FIRST_SEGMENT = 0xC0  # markers of segments that are given
WHERE = "recipe"


class Span(NamedTuple):
    """Bytes of the contents, which are unpacked after all items are read."""

    start: int
    end: int


class RawTable(NamedTuple):
    """A table as in :class:`pixcodec.jpeg.files.outline.Table`."""

    kind: int
    codes: bytes | Span | None


class RawHole(NamedTuple):
    """A hole as in :class:`pixcodec.jpeg.files.outline.Hole`."""

    size_bytes: int
    file: RawFile | None


class RawFile(NamedTuple):
    """A file as in :class:`pixcodec.jpeg.files.outline.Apart`."""

    fill: int
    filling: tuple[int, ...]
    odd: Span
    padding: Span
    pieces: list[bytes | Span | tuple[RawTable, ...] | RawHole]

    def resolved(self, contents: bytes) -> Apart:
        """Return the file with its contents."""
        outline = tuple(_resolved(piece, contents) for piece in self.pieces)
        skeleton, _ = walkable(outline)
        count = len(plan_of(skeleton).scans)
        oddities = _oddities(contents[slice(*self.odd)], count)
        parts = Parts(skeleton, self.fill, contents[slice(*self.padding)], oddities)
        return Apart(parts, self.filling, outline)


def _resolved(piece: bytes | Span | tuple[RawTable, ...] | RawHole, contents: bytes) -> Piece:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, Span):
        return contents[slice(*piece)]
    if isinstance(piece, RawHole):
        return Hole(piece.size_bytes, piece.file.resolved(contents) if piece.file else None)
    tables = []
    for kind, codes in piece:
        given = contents[slice(*codes)] if isinstance(codes, Span) else codes
        if given is not None and len(given) != MAX_LENGTH + sum(given[:MAX_LENGTH]):
            raise ValueError(f"Huffman table of {len(given)} bytes")
        tables.append(Table(kind, given))
    return Tables(tuple(tables))


class Reader:
    """Reads the numbers of a recipe.

    Parameters
    ----------
    numbers : Numbers
    shape : Shape
        What is known of the first frame.
    """

    def __init__(self, numbers: Numbers, shape: Shape) -> None:
        self.numbers, self.shape = numbers, shape
        self.contents_size_bytes = self.item_count = self.file_count = 0

    def files(self) -> list[RawFile]:
        """Read all files that follow one another."""
        found = []
        more = True
        while more:
            file, more = self._file(inside=False)
            found.append(file)
        return found

    def _file(self, *, inside: bool) -> tuple[RawFile, bool]:
        """Read a file; return it, and whether another one follows."""
        self.file_count += 1
        if self.file_count > MAX_FILES:
            raise ValueError(f"more than {MAX_FILES} files")
        flags, ways = self.numbers.byte(FILL | ODD | FILLING | MORE), 0
        if flags & FILL > GIVEN:
            raise unknown(WHERE, "fill", flags & FILL, f"0..{GIVEN}")
        if flags & FILLING:
            ways = self.numbers.byte()
        filling = tuple(ways >> FILL_BITS * number & 3 for number in range(4))
        if max(filling) > CODED:
            raise unknown(WHERE, "blocks that fill units", max(filling), f"0..{CODED}")
        odd = self._span() if flags & ODD else Span(0, 0)
        padding = self._span() if flags & FILL == GIVEN else Span(0, 0)
        file = RawFile(flags & FILL, filling, odd, padding, [SOI])
        self._items(self.numbers, file, inside)
        return file, bool(flags & MORE)

    def _span(self, size_bytes: int | None = None) -> Span:
        """Return the next bytes of the contents, whose number is read if it is not known."""
        size = self.numbers.number(MAX_FILE_SIZE_BYTES) if size_bytes is None else size_bytes
        start = self.contents_size_bytes
        self.contents_size_bytes += size
        if self.contents_size_bytes > MAX_FILE_SIZE_BYTES:
            raise ValueError(f"contents are more than {MAX_FILE_SIZE_BYTES} bytes")
        return Span(start, start + size)

    def _items(self, read: Numbers, file: RawFile, inside: bool) -> bool:
        """Read items up to the last one; return whether this was END."""
        while read.left or read is self.numbers:
            self.item_count += 1
            if self.item_count > MAX_ITEMS:
                raise ValueError(f"more than {MAX_ITEMS} items")
            item = read.byte()
            if item == items.END:
                return True
            number = item - items.FIRST_MACRO
            if 0 <= number < len(items.MACROS):
                if self._items(Numbers(b"".join(items.MACROS[number])), file, inside):
                    return True
            elif item == items.EMBEDDED and not inside:
                self._embedded(file)
            elif item == items.BYTES:
                file.pieces.append(self._span())
            elif item == items.TABLES:
                file.pieces.append(tuple(self._table(read) for _ in range(read.byte())))
            elif item >= FIRST_SEGMENT:
                span = self._span()
                file.pieces.extend((segment_start(item, span.end - span.start), span))
            else:
                file.pieces.append(self._usual(item, read))
        return False

    def _embedded(self, file: RawFile) -> None:
        """Read the item of a segment with files in it."""
        marker = self.numbers.byte()
        pieces: list[Span | RawHole] = []
        holes = [piece for piece in file.pieces if isinstance(piece, RawHole)]
        for _ in range(self.numbers.number(MAX_FILES)):
            pieces.append(self._span())
            size = self.numbers.number(MAX_FILE_SIZE_BYTES)
            if size:
                shape = self.shape
                holes.append(RawHole(size, self._file(inside=True)[0]))
                self.shape = shape
            elif holes:
                holes.append(RawHole(holes[-1].size_bytes, None))
            else:
                raise ValueError("the same file as before, but there is none")
            pieces.append(holes[-1])
        pieces.append(self._span())
        whole = sum(p.size_bytes if isinstance(p, RawHole) else p.end - p.start for p in pieces)
        file.pieces.extend((segment_start(marker, whole), *pieces))

    def _table(self, read: Numbers) -> RawTable:
        kind = read.byte()
        known = kind & items.KIND_BITS
        if kind & items.DERIVED and kind == known | items.DERIVED:
            return RawTable(known, None)
        if kind - known in SETS and known & 15 < 2:
            return RawTable(known, usual_codes(kind - known, known))
        if kind != known:
            raise unknown(WHERE, "kind of a Huffman table", kind, "others")
        return RawTable(kind, self._span(MAX_LENGTH + read.number(SYMBOLS)))

    def _usual(self, item: int, read: Numbers) -> bytes:
        """Read an item that stands for bytes."""
        if item == items.EOI:
            return b"\xff\xd9"
        if item == items.JFIF:
            return items.jfif(1, 1, 1)
        if item == items.JFIF_GIVEN:
            flags, across = read.byte(127), read.number(0xFFFF)
            return items.jfif(flags, across, across if flags & items.SQUARE else read.number(0xFFFF))
        if item == items.ADOBE:
            return items.adobe(read.byte())
        if item == items.INTERVAL:
            return items.interval(read.number(0xFFFF))
        if item in (items.QUALITY, items.QUALITY_JOINED, items.QUALITY_LUMA):
            return items.quality_tables(item, read.byte())
        if item == items.STEPS:
            tables = [bytes([read.byte(3)]) + read_steps(read) for _ in range(read.byte())]
            return segment(0xDB, b"".join(tables))
        if item == items.SHAPE:
            self.shape = Shape(read.number(0xFFFF), read.number(0xFFFF), read.byte(4))
            return b""
        if item == items.FRAME:
            return items.frame(read.byte(2), read.byte(), self.shape)
        if item == items.SCAN:
            return items.scan(read.byte(), read.bytes(3), self.shape)
        raise unknown(WHERE, "item", item, "others")


def _oddities(packed: bytes, scans: int) -> tuple[Oddities, ...]:
    """Return what is odd about each scan."""
    found = [Oddities() for _ in range(scans)]
    read = Numbers(packed)
    while read.left:
        number = read.number(scans - 1)
        count = read.number(MAX_FILE_SIZE_BYTES)
        breaks = _increasing(read, count - 1) if count else None
        count = read.number(MAX_EXTRAS)
        extras = np.zeros((count, 2), np.int32)
        extras[:, 0] = _increasing(read, count)
        extras[:, 1] = _numbers(read, count)
        found[number] = Oddities(breaks, extras)
    return tuple(found)


def _numbers(read: Numbers, count: int) -> list[int]:
    if count > read.left:
        raise ValueError(f"{count} numbers are expected, there are {read.left} bytes")
    return [read.number(MAX_FILE_SIZE_BYTES) for _ in range(count)]


def _increasing(read: Numbers, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    numbers = np.cumsum(np.array(_numbers(read, count), np.int64))
    if count and numbers[-1] > MAX_FILE_SIZE_BYTES:
        raise ValueError(f"number of a block is {numbers[-1]}")
    return numbers.astype(np.int32)
