"""The segments of a JPEG file (ITU-T T.81, annex B): its frame, its scans and the tables that they use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES
from pixcodec.jpeg.standard_tables import HUFFMAN_TABLES

SOI = b"\xff\xd8"
MAX_COMPONENTS, MAX_FACTOR, MAX_TABLES = 4, 4, 4
MAX_SCANS = 1000
MAX_LOW = 13  # bits that a scan may leave to later ones
WORK_FACTOR = 100  # the scans of a file visit each of its blocks so many times at most
_SOF_SEQUENTIAL, _SOF_PROGRESSIVE = (0xC0, 0xC1), 0xC2
_OTHER_FRAMES = {0xC3, *range(0xC5, 0xC8), *range(0xC8, 0xCC), *range(0xCD, 0xD0), 0xCC, 0xDC, 0xDE}
_DHT, _SOI, _EOI, _SOS, _DQT, _DRI = 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_COUNTS_SIZE_BYTES = 16  # of a Huffman table: how many codes there are of each length


class UnusualFileError(ValueError):
    """The file is not one whose scans can be taken apart."""


class Component(NamedTuple):
    """A component of the frame."""

    name: int
    horizontal: int  # sampling factors, 1..MAX_FACTOR
    vertical: int
    table: int  # of quantisation


class Frame(NamedTuple):
    """What the segment SOF says."""

    progressive: bool
    height: int  # pixels
    width: int
    components: tuple[Component, ...]

    @property
    def units(self) -> tuple[int, int]:
        """Return rows and columns of the units (MCU) of a scan of several components."""
        down, across = (max(part) for part in zip(*(c[2:0:-1] for c in self.components), strict=True))
        return -(-self.height // (BLOCK * down)), -(-self.width // (BLOCK * across))

    def whole_shape(self, number: int) -> tuple[int, int]:
        """Return rows and columns of blocks of a component, with those that only fill units."""
        rows, columns = self.units
        component = self.components[number]
        return rows * component.vertical, columns * component.horizontal

    def shape(self, number: int) -> tuple[int, int]:
        """Return rows and columns of blocks of a component that hold samples of the image."""
        down, across = (max(part) for part in zip(*(c[2:0:-1] for c in self.components), strict=True))
        component = self.components[number]
        height = -(-self.height * component.vertical // down)
        width = -(-self.width * component.horizontal // across)
        return -(-height // BLOCK), -(-width // BLOCK)

    @property
    def block_count(self) -> int:
        """Return the number of blocks of all components, with those that only fill units."""
        shapes = map(self.whole_shape, range(len(self.components)))
        return sum(rows * columns for rows, columns in shapes)


class Definition(NamedTuple):
    """A Huffman table in a segment DHT."""

    start: int  # position of its 16 numbers of codes
    end: int  # of the byte after its symbols
    kind: int  # 0 of DC, 1 of AC
    slot: int  # its number, 0..MAX_TABLES - 1


class Scan(NamedTuple):
    """What the segment SOS says, and the tables that are defined there."""

    components: tuple[int, ...]  # their numbers in the frame
    slots: tuple[tuple[int, int], ...]  # for each, the numbers of its Huffman tables of DC and AC
    codes: tuple[
        tuple[bytes, bytes], ...
    ]  # for each, the Huffman tables of DC and AC; empty if there is none
    first: int  # frequencies, in zigzag order
    last: int
    high: int  # the bit of coefficients that earlier scans ended at, 0 if there is none
    low: int  # the bit that this scan ends at
    interval: int  # units between restart markers, 0 if there are none
    steps: tuple[bytes, ...]  # for each component, the quantisation table as in DQT; empty if there is none

    def block_count(self, frame: Frame) -> int:
        """Return the number of blocks that the scan visits."""
        shape = frame.shape if len(self.components) == 1 else frame.whole_shape
        return sum(rows * columns for rows, columns in map(shape, self.components))


class Segments:
    """Walks through the segments of a file, or of a file without the bytes of its scans."""

    def __init__(self, data: bytes) -> None:
        if data[:2] != SOI:
            raise UnusualFileError("file does not begin with SOI")
        self.data = data
        self.position = len(SOI)  # of the next byte to look at
        self.frame: Frame | None = None
        self.interval = 0
        self.definitions: list[Definition] = []  # so far
        luma_dc, luma_ac, dc, ac = HUFFMAN_TABLES  # motion JPEG leaves them out
        self._codes = {(0, 0): luma_dc, (1, 0): luma_ac, (0, 1): dc, (1, 1): ac}
        self._steps: dict[int, bytes] = {}

    def scans(self) -> Iterator[Scan]:
        """Yield each scan, ``position`` then being that of its first byte.

        Whoever takes the scans moves ``position`` to the end of the bytes of the scan, if they are there.

        Raises
        ------
        UnusualFileError
        """
        number = work = 0
        while (marker := self._next_marker()) is not None:
            if marker in _BARE:
                continue
            body = self._body()
            if body is None:
                return
            self._take(marker, body)
            if marker == _SOS:
                assert self.frame is not None
                scan = self._scan(body)
                number, work = number + 1, work + scan.block_count(self.frame)
                if number > MAX_SCANS or work > WORK_FACTOR * self.frame.block_count:
                    raise UnusualFileError("too many scans")
                yield scan

    def _next_marker(self) -> int | None:
        """Return the next marker, after which ``position`` then is; None at EOI or the end of the file."""
        data = self.data
        while (at := data.find(b"\xff", self.position)) >= 0 and at + 1 < len(data):
            marker = data[at + 1]
            self.position = at + (1 if marker == 0xFF else 2)
            if marker == _EOI:
                return None
            if marker not in (0x00, 0xFF):
                return marker
        return None

    def _body(self) -> bytes | None:
        """Return the bytes of the segment at ``position``, and go on to its end; None if it is cut off."""
        size = int.from_bytes(self.data[self.position : self.position + 2], "big")
        body = self.data[self.position + 2 : self.position + size]
        if size < 2 or len(body) != size - 2:
            return None
        self.position += size
        return body

    def _take(self, marker: int, body: bytes) -> None:
        if marker in (*_SOF_SEQUENTIAL, _SOF_PROGRESSIVE):
            if self.frame is not None:
                raise UnusualFileError("two frames")
            self.frame = _frame(marker == _SOF_PROGRESSIVE, body)
        elif marker in _OTHER_FRAMES or marker == _SOI:
            raise UnusualFileError(f"marker {marker:02x}")
        elif marker == _DHT:
            self._take_codes(body)
        elif marker == _DQT:
            self._take_steps(body)
        elif marker == _DRI:
            self.interval = int.from_bytes(_exactly(body, 2), "big")
        elif marker == _SOS and self.frame is None:
            raise UnusualFileError("a scan before the frame")

    def _take_codes(self, body: bytes) -> None:
        at, first = 0, self.position - len(body)
        while at < len(body):
            kind, end = body[at], at + 1 + _COUNTS_SIZE_BYTES
            counts = _exactly(body[at + 1 : end], _COUNTS_SIZE_BYTES)
            symbols = _exactly(body[end : end + sum(counts)], sum(counts))
            if kind >> 4 > 1 or kind & 15 >= MAX_TABLES or len(symbols) > 256:
                raise UnusualFileError("Huffman table of an unknown kind")
            self._codes[kind >> 4, kind & 15] = counts + symbols
            start, at = first + at + 1, end + len(symbols)
            self.definitions.append(Definition(start, first + at, kind >> 4, kind & 15))

    def _take_steps(self, body: bytes) -> None:
        at = 0
        while at < len(body):
            size = FREQUENCIES * (2 if body[at] >> 4 else 1)
            if body[at] >> 4 > 1 or body[at] & 15 >= MAX_TABLES:
                raise UnusualFileError("quantisation table of an unknown kind")
            self._steps[body[at] & 15] = _exactly(body[at + 1 : at + 1 + size], size)
            at += 1 + size

    def _scan(self, body: bytes) -> Scan:
        """Return the scan of a segment SOS."""
        assert self.frame is not None
        names = [component.name for component in self.frame.components]
        count = body[0] if body else 0
        if not 1 <= count <= len(names) or len(body) != 4 + 2 * count:
            raise UnusualFileError("a scan of another size")
        chosen = [(body[1 + 2 * i], body[2 + 2 * i]) for i in range(count)]
        if any(name not in names for name, _ in chosen) or len(set(names)) != len(names):
            raise UnusualFileError("a scan of unknown components")
        numbers = tuple(names.index(name) for name, _ in chosen)
        slots = tuple((ids >> 4, ids & 15) for _, ids in chosen)
        codes = tuple((self._codes.get((0, dc), b""), self._codes.get((1, ac), b"")) for dc, ac in slots)
        first, last, high, low = body[-3], body[-2], body[-1] >> 4, body[-1] & 15
        if not self.frame.progressive:
            first, last, high, low = 0, FREQUENCIES - 1, 0, 0
        fits = (last == 0) if first == 0 else (first <= last < FREQUENCIES and count == 1)
        if self.frame.progressive and (not fits or low > MAX_LOW or high not in (0, low + 1)):
            raise UnusualFileError("a scan of other frequencies")
        if len(set(numbers)) != count:
            raise UnusualFileError("a component twice in a scan")
        steps = tuple(self._steps.get(self.frame.components[n].table, b"") for n in numbers)
        return Scan(numbers, slots, codes, first, last, high, low, self.interval, steps)


def _frame(progressive: bool, body: bytes) -> Frame:
    """Return the frame of a segment SOF."""
    count = body[5] if len(body) > 5 else 0
    if not 1 <= count <= MAX_COMPONENTS or len(body) != 6 + 3 * count:
        raise UnusualFileError("a frame of another size")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    parts = [body[6 + 3 * i : 9 + 3 * i] for i in range(count)]
    components = tuple(Component(name, factors >> 4, factors & 15, table) for name, factors, table in parts)
    factors = [factor for component in components for factor in component[1:3]]
    if not (height and width) or min(factors) < 1 or max(factors) > MAX_FACTOR:
        raise UnusualFileError("a frame of an unknown shape")
    return Frame(progressive, height, width, components)


def _exactly(data: bytes, size: int) -> bytes:
    """Return the data, which must have this size."""
    if len(data) != size:
        raise UnusualFileError("a segment of another size")
    return data
