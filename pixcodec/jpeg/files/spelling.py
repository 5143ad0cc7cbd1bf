"""A skeleton -> the items of a recipe, the shortest for each segment (FORMAT.md, section Items)."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import cache

from pixcodec.container.varint import pack_varint
from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.files import items
from pixcodec.jpeg.files.codes import SETS, usual_codes
from pixcodec.jpeg.files.items import Shape
from pixcodec.jpeg.files.steps import pack_steps
from pixcodec.jpeg.scans.huffman import MAX_LENGTH
from pixcodec.jpeg.scans.markers import SOI
from pixcodec.jpeg.standard_tables import QUALITIES

_EOI, _SOS, _SOF = 0xD9, 0xDA, (0xC0, 0xC1, 0xC2)
_BARE = (*range(0xD0, 0xDA), 0xFF)  # that are not the beginning of a segment, of those from C0 on
_FIRST = 0xC0


Description = Callable[[Shape], bytes]  # of a file, given what is known of its frame


class Speller:
    """Turns a skeleton into items.

    Parameters
    ----------
    skeleton : bytes
    derived : set of int
        Positions of the Huffman tables that follow from the coefficients.
    shape : Shape
        What is known of the frame; afterwards, that of the frame.
    contents : list of bytes
        What the items do not hold is appended to it.
    """

    def __init__(self, skeleton: bytes, derived: Set[int], shape: Shape, contents: list[bytes]) -> None:
        self.skeleton, self.derived, self.shape, self.contents = skeleton, derived, shape, contents
        self.embedded: Sequence[tuple[int, int, Description]] = ()
        self.inside = b""  # the file in the last segment that has one

    def spell(self, embedded: Sequence[tuple[int, int, Description]]) -> bytes:
        """Return the items; of each file in a segment, the position, that of its end, and its description."""
        self.embedded = embedded
        found: list[bytes] = []
        data, at = self.skeleton, len(SOI)
        while at < len(data):
            spelled, at = self._segment(at) or self._junk(at)
            found += spelled
        return b"".join(_shortened([*found, bytes([items.END])]))

    def _junk(self, at: int) -> tuple[list[bytes], int]:
        """Return what is no segment, up to the next one: EOI and all behind it, or stray bytes."""
        data = self.skeleton
        if data[at : at + 2] == bytes([0xFF, _EOI]):
            tail = data[at + 2 :]
            return [bytes([items.EOI]), *([self._given(bytes([items.BYTES]), tail)] if tail else [])], len(
                data
            )
        end = at + 1
        while end < len(data) and self._body(end) is None and data[end : end + 2] != bytes([0xFF, _EOI]):
            end = data.find(b"\xff", end + 1)
            end = len(data) if end < 0 else end
        return [self._given(bytes([items.BYTES]), data[at:end])], end

    def _given(self, item: bytes, data: bytes) -> bytes:
        self.contents.append(data)
        return item + pack_varint(len(data))

    def _body(self, at: int) -> bytes | None:
        """Return what is in the segment at a position; None if there is none."""
        data = self.skeleton
        if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] < _FIRST or data[at + 1] in _BARE:
            return None
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + size]
        return body if len(body) == size - 2 else None

    def _segment(self, at: int) -> tuple[list[bytes], int] | None:
        """Return the items of the segment at a position, and where it ends; None if there is none."""
        body = self._body(at)
        if body is None:
            return None
        data, end = self.skeleton, at + 4 + len(body)
        for size, qualities in _quality_segments().items():
            if (item := qualities.get(data[at : at + size])) is not None:
                return [item], at + size
        marker = data[at + 1]
        short: Callable[[int, bytes], list[bytes] | None] = {
            0xE0: self._jfif,
            0xEE: self._adobe,
            0xDD: self._interval,
            0xDB: self._steps,
            0xC4: self._tables,
            _SOS: self._scan,
            **dict.fromkeys(_SOF, self._frame),
        }.get(marker, self._other)
        spelled = short(at + 4, body) or self._other(at + 4, body)
        return spelled, end

    def _other(self, at: int, body: bytes) -> list[bytes]:
        marker = self.skeleton[at - 3]
        inside = [each for each in self.embedded if at <= each[0] < at + len(body)]
        if inside:
            return [
                bytes([items.EMBEDDED, marker]) + pack_varint(len(inside)) + self._inside(at, body, inside)
            ]
        return [self._given(bytes([marker]), body)]

    def _inside(self, at: int, body: bytes, inside: Sequence[tuple[int, int, Description]]) -> bytes:
        """Return what follows of the item of a segment with files in it."""
        out, done = [], at
        for start, end, description in inside:
            again = self.skeleton[start:end] == self.inside
            self.inside = self.skeleton[start:end]
            out += [self._given(b"", self.skeleton[done:start]), pack_varint(0 if again else end - start)]
            if not again:
                out.append(description(self.shape))
            done = end
        return b"".join([*out, self._given(b"", self.skeleton[done : at + len(body)])])

    def _jfif(self, at: int, body: bytes) -> list[bytes] | None:
        if len(body) != 14:
            return None
        flags = body[6] & 15 | (body[7] & 3) << 4
        across, down = int.from_bytes(body[8:10], "big"), int.from_bytes(body[10:12], "big")
        if items.jfif(flags, across, down)[4:] != body:
            return None
        if (flags, across, down) == (1, 1, 1):
            return [bytes([items.JFIF])]
        if across == down:
            return [bytes([items.JFIF_GIVEN, flags | items.SQUARE]) + pack_varint(across)]
        return [bytes([items.JFIF_GIVEN, flags]) + pack_varint(across) + pack_varint(down)]

    def _adobe(self, at: int, body: bytes) -> list[bytes] | None:
        flags = body[7] & 0xC0 | body[11] & 3 if len(body) == 12 else 0
        return [bytes([items.ADOBE, flags])] if items.adobe(flags)[4:] == body else None

    def _interval(self, at: int, body: bytes) -> list[bytes] | None:
        return (
            [bytes([items.INTERVAL]) + pack_varint(int.from_bytes(body, "big"))] if len(body) == 2 else None
        )

    def _steps(self, at: int, body: bytes) -> list[bytes] | None:
        size = 1 + FREQUENCIES
        if not body or len(body) % size or any(slot > 3 for slot in body[::size]):
            return None
        tables = [bytes([body[i]]) + pack_steps(body[i + 1 : i + size]) for i in range(0, len(body), size)]
        return [bytes([items.STEPS, len(tables)]) + b"".join(tables)]

    def _tables(self, at: int, body: bytes) -> list[bytes] | None:
        found: list[bytes] = []
        given: list[bytes] = []
        i = 0
        while i < len(body):
            kind, symbols = body[i], sum(body[i + 1 : i + 1 + MAX_LENGTH])
            codes = body[i + 1 : i + 1 + MAX_LENGTH + symbols]
            if len(codes) != MAX_LENGTH + symbols or kind & ~items.KIND_BITS or symbols > 256:
                return None
            if at + i + 1 in self.derived:
                found.append(bytes([kind | items.DERIVED]))
            elif sets := [flag for flag in SETS if kind & 15 < 2 and usual_codes(flag, kind) == codes]:
                found.append(bytes([kind | sets[0]]))
            else:
                found.append(bytes([kind]) + pack_varint(symbols))
                given.append(codes)
            i += 1 + len(codes)
        if not 1 <= len(found) <= 255:
            return None
        self.contents += given
        return [bytes([items.TABLES, len(found)]) + b"".join(found)]

    def _frame(self, at: int, body: bytes) -> list[bytes] | None:
        height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        if len(body) < 8 or not 1 <= body[5] <= 4:
            return None
        shape = Shape(width, height, body[5])
        progress = self.skeleton[at - 3] - _SOF[0]
        if items.frame(progress, body[7], shape)[4:] != body:
            return None
        item = bytes([items.FRAME, progress, body[7]])
        if shape == self.shape:
            return [item]
        self.shape = shape
        sizes = pack_varint(width) + pack_varint(height)
        return [bytes([items.SHAPE]) + sizes + bytes([shape.components]), item]

    def _scan(self, at: int, body: bytes) -> list[bytes] | None:
        if len(body) < 6 or self.shape.components == 0:
            return None
        names = self.shape.names
        chosen = [names.find(name) for name in body[1:-3:2]]
        if min(chosen) < 0:
            return None
        mask = sum(1 << number for number in set(chosen))
        mask = 0 if mask == (1 << len(names)) - 1 else mask
        if items.scan(mask, body[-3:], self.shape)[4:] != body:
            return None
        return [bytes([items.SCAN, mask, *body[-3:]])]


@cache
def _quality_segments() -> dict[int, dict[bytes, bytes]]:
    """Return the items of libjpeg's qualities by the segments that they stand for, longest first, by size."""
    found: dict[int, dict[bytes, bytes]] = {}
    for item in (items.QUALITY, items.QUALITY_JOINED, items.QUALITY_LUMA):
        for quality in QUALITIES:
            data = items.quality_tables(item, quality)
            found.setdefault(len(data), {})[data] = bytes([item, quality])
    return found


def _shortened(found: list[bytes]) -> list[bytes]:
    """Replace items by the bytes that stand for several."""
    for number, macro in enumerate(items.MACROS):
        size, at = len(macro), 0
        while at + size <= len(found):
            if tuple(found[at : at + size]) == macro:
                found[at : at + size] = [bytes([items.FIRST_MACRO + number])]
            at += 1
    return found
