"""Sections JPEG files, Items and Steps: the start of a file that keeps a JPEG file, and its skeletons."""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import zlib
from typing import NamedTuple

from pixcodec.reference.container import varint
from pixcodec.reference.text import Section


def listings(title):
    found = re.findall(r"[0-9a-f\s]+", "|".join(Section(title).fenced("text")))
    return [bytes.fromhex(each) for each in found]


def macros():
    (text,) = Section("Items").fenced("text")
    rows = re.findall(r"(\w\w):([\s0-9a-f]+?)(?=\w\w:|\Z)", text)
    return {int(number, 16): bytes.fromhex(what) for number, what in rows}


def t81():
    """Return the tables of T.81, annex K: the steps of luma and chroma, and the Huffman tables."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=50)
    data, steps, codes = file.getvalue(), [], []
    for marker, body in segments(data):
        if marker == 0xDB:
            steps.append(list(body[1:]))
        elif marker == 0xC4:
            codes.append(body[1:])
    return steps, codes


def segments(data):
    at = 2
    while data[at + 1] != 0xDA:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + size]
        at += 2 + size


def split(data):
    """Return the Huffman tables that follow one another."""
    tables = []
    while data:
        size = 16 + sum(data[:16])
        tables.append(data[:size])
        data = data[size:]
    return tables


class Hole(NamedTuple):
    """Where another file stands in a skeleton."""

    number: int  # among all files
    size: int


class File(NamedTuple):
    fill: int
    ways: int
    odd: bytes
    padding: bytes
    skeleton: bytes
    derived: list[int]  # positions of tables that follow from the coefficients
    holes: list[tuple[int, Hole]]  # and their positions


class Kept:
    """A file of version 7 or 11."""

    def __init__(self, data):
        assert data[8] - 128 in (7, 11)
        self.networked = data[8] == 128 + 11
        self.mode, self.coded, self.effort = data[9] & 7, bool(data[9] & 8), data[9] >> 4
        self.width, at = varint(data, 10)
        self.height, at = varint(data, at)
        size, at = varint(data, at)
        self.hash, at = data[at : at + 32], at + 32
        assert hashlib.sha256().digest_size == len(self.hash)
        assert int.from_bytes(data[-2:], "little") == zlib.crc32(data[:-2]) % 65536
        self.recipe, self.coefficients = data[at : at + size], data[at + size : -2]
        self.at, self.wanted = 1, 0
        self.components = {0: 1, 1: 3, 4: 4}[self.mode]
        self.shape = (self.width, self.height, self.components)
        self.steps, standard = t81()
        high, low = listings("Usual tables")
        self.usual = {0x20: split(high), 0x40: standard, 0x60: split(low)}
        self.macros = macros()
        taken_apart, method = self.recipe[0] & 1, self.recipe[0] >> 1
        self.stored = None
        if not taken_apart:
            size, self.at = varint(self.recipe, self.at)
            self.stored = unpack(method, self.recipe[self.at :])
            assert len(self.stored) == size
            return
        pieces = []
        more = True
        while more:
            more = self.file(pieces)
        self.contents = unpack(method, self.recipe[self.at :])
        assert len(self.contents) == self.wanted
        self.files = [self.resolved(each) for each in pieces]

    def number(self):
        number, self.at = varint(self.recipe, self.at)
        return number

    def byte(self):
        self.at += 1
        return self.recipe[self.at - 1]

    def span(self, size=None):
        start = self.wanted
        self.wanted += self.number() if size is None else size
        return slice(start, self.wanted)

    def file(self, found):
        """Read the numbers of a file, and add it and those inside; return whether another one follows."""
        flags = self.byte()
        ways = self.byte() if flags & 8 else 0
        odd = self.span() if flags & 4 else slice(0, 0)
        padding = self.span() if flags & 3 == 2 else slice(0, 0)
        pieces = [b"\xff\xd8"]
        found.append([flags & 3, ways, odd, padding, pieces])
        self.inside = None
        queue = b""  # of what a macro stands for
        while True:
            if queue:
                item, queue = queue[0], queue[1:]
            else:
                item = self.byte()
            if item in self.macros:
                queue = self.macros[item] + queue
                continue
            if item == 0:
                return bool(flags & 16)
            if queue:  # what follows the item is in the queue
                recipe, at = self.recipe, self.at
                self.recipe, self.at = queue, 0
                pieces += self.item(item, found)
                queue = queue[self.at :]
                self.recipe, self.at = recipe, at
            else:
                pieces += self.item(item, found)

    def item(self, item, found):
        """Return the pieces of an item but a macro, and 0."""
        if item == 1:
            return [b"\xff\xd9"]
        if item == 2:
            return [self.span()]
        if item in (3, 4):
            f, x = (self.byte(), self.number()) if item == 4 else (1, 1)
            y = x if item == 3 or f & 64 else self.number()
            body = b"JFIF\0\1" + bytes([f % 16, f >> 4 & 3]) + x.to_bytes(2, "big") + y.to_bytes(2, "big")
            return [segment(0xE0, body + bytes(2))]
        if item == 5:
            f = self.byte()
            return [segment(0xEE, b"Adobe\0\x64" + bytes([f & 0xC0, 0, 0, 0, f % 4]))]
        if item == 6:
            return [segment(0xDD, self.number().to_bytes(2, "big"))]
        if item in (7, 8, 9):
            q = self.byte()
            scale = 5000 // q if q < 50 else 200 - 2 * q
            tables = [
                bytes([i, *(min(max((step * scale + 50) // 100, 1), 255) for step in self.steps[i])])
                for i in (0, 1)
            ]
            if item == 8:
                tables = [b"".join(tables)]
            return [segment(0xDB, table) for table in tables[: 1 if item == 9 else 2]]
        if item == 10:
            count = self.byte()
            return [segment(0xDB, b"".join(bytes([self.byte(), *self.table()]) for _ in range(count)))]
        if item == 11:
            self.shape = (self.number(), self.number(), self.byte())
            return []
        if item in (12, 14):
            return self.frame_or_scan(item)
        if item == 13:
            return self.codes()
        if item == 15:
            return self.with_files(found)
        assert item >= 0xC0
        body = self.span()
        return [segment(item, b"", body.stop - body.start), body]

    def frame_or_scan(self, item):
        """Return a segment SOF or SOS."""
        width, height, n = self.shape
        names = b"CMYK" if n == 4 else bytes(range(1, n + 1))

        def t(i):
            return int(i > 0 and n < 4)

        if item == 12:
            p, f = self.byte(), self.byte()
            body = b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([n])
            for i in range(n):
                body += bytes([names[i], 0x11 if i else f, t(i)])
            return [segment(0xC0 + p, body)]
        m, first, last, bits = (self.byte() for _ in range(4))
        chosen = [i for i in range(n) if m == 0 or m >> i & 1]
        body = bytes([len(chosen)])
        for i in chosen:
            body += bytes([names[i], 16 * t(i) * (first == 0 and bits < 16) + t(i) * (last > 0)])
        return [segment(0xDA, body + bytes([first, last, bits]))]

    def with_files(self, found):
        """Return a segment with JPEG files inside."""
        marker, pieces, whole = self.byte(), [], 0
        for _ in range(self.number()):
            before, size = self.span(), self.number()
            shape = self.shape
            if size:
                number = len(found)
                self.file(found)
                self.inside = Hole(number, size)
            self.shape = shape
            pieces += [before, self.inside]
            whole += before.stop - before.start + self.inside.size
        after = self.span()
        return [segment(marker, b"", whole + after.stop - after.start), *pieces, after]

    def table(self):
        """Section Steps."""
        first, scale = self.byte(), self.number()
        base, differences, low = first & 1, first & 2, first >> 2
        steps = [min(max((b * scale + 500) // 1000, 1), 255) for b in self.steps[base]]
        if low == 7:
            return steps
        bits = (byte >> 7 - i & 1 for byte in iter(self.byte, None) for i in range(8))
        added = 0
        for k in range(64):
            h = 0
            while next(bits):
                h += 1
            a = h
            for _ in range(low):
                a = 2 * a + next(bits)
            off = (a + 1) // 2 if a % 2 else -(a // 2)
            added = added + off if differences else off
            steps[k] += added
        return steps

    def codes(self):
        """Return a segment DHT in pieces, the first of which lacks its size."""
        pieces = []
        for _ in range(self.byte()):
            k = self.byte()
            kind = k & 0x13
            if k & 0x80:
                pieces += [bytes([kind]), None]
            elif k & 0x60:
                pieces += [bytes([kind]), self.usual[k & 0x60][2 * (kind & 1) + (kind >> 4)]]
            else:
                pieces += [bytes([kind]), self.span(16 + self.number())]
        return [tuple(pieces)]

    def resolved(self, raw):
        fill, ways, odd, padding, pieces = raw
        skeleton, derived, holes = b"", [], []
        for piece in pieces:
            if isinstance(piece, Hole):
                holes.append((len(skeleton), piece))
                skeleton += bytes(piece.size)
            elif isinstance(piece, tuple):
                body = b""
                for part in piece:
                    if part is None:
                        derived.append(len(skeleton) + 4 + len(body))
                        body += bytes(16)
                    else:
                        body += self.contents[part] if isinstance(part, slice) else part
                skeleton += segment(0xC4, body)
            else:
                skeleton += self.contents[piece] if isinstance(piece, slice) else piece
        return File(fill, ways, self.contents[odd], self.contents[padding], skeleton, derived, holes)


def segment(marker, body, size=None):
    size = len(body) if size is None else size
    return bytes([0xFF, marker]) + (size + 2).to_bytes(2, "big") + body


def unpack(method, packed):
    """Section JPEG files."""
    if method == 0:
        return packed
    if method == 1:
        (dictionary,) = listings("Dictionary")
        inflate = zlib.decompressobj(-15, zdict=dictionary)
        data = inflate.decompress(packed)
        assert inflate.eof
        assert not inflate.unused_data
        return data
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 24, "lc": 3, "lp": 0, "pb": 0}]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    data = decoder.decompress(packed)
    assert decoder.eof
    assert not decoder.unused_data
    return data
