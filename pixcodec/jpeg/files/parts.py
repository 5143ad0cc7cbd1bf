"""A JPEG file <-> its coefficients, its bytes but those of the scans, and what is odd about its scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.scans.huffman import LENGTH_BITS, SYMBOLS, codes_of, lookup_of
from pixcodec.jpeg.scans.markers import Frame, Scan, Segments, UnusualFileError
from pixcodec.jpeg.scans.reading import Reading, read_scan
from pixcodec.jpeg.scans.work import (
    DONE,
    GIVEN,
    MAX_EXTRAS,
    MAX_RUN,
    ONES,
    ZEROS,
    Int16,
    Int32,
    Int64,
    UInt8,
    block_count,
    interval_count,
    layout_of,
    new_bits,
    new_coefficients,
)
from pixcodec.jpeg.scans.writing import MAX_BUFFERED, Writing, write_scan
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.network.structs import struct_of

MAX_FILE_SIZE_BYTES = 2**31 - 1
_LEAST_BITS = 1  # that a scan has for a block
_ROOM = 16  # bytes beyond those that are expected


class Oddities(NamedTuple):
    """What libjpeg would write otherwise in a scan; see :class:`pixcodec.jpeg.scans.writing.Writing`."""

    breaks: Int32 | None = None  # None: where libjpeg has them
    extras: Int32 = np.zeros((0, 2), np.int32)  # blocks, 2

    @property
    def none(self) -> bool:
        """Return whether libjpeg would write the scan like that."""
        return self.breaks is None and not len(self.extras)


class Parts(NamedTuple):
    """A JPEG file taken apart."""

    skeleton: bytes  # the file without the bytes of the scans
    fill: int  # ONES, ZEROS or GIVEN: the bits that fill the last byte before a marker
    padding: bytes  # these bits, for each interval of each scan, if GIVEN
    oddities: tuple[Oddities, ...]  # of each scan


class Plan(NamedTuple):
    """What the skeleton of a file says of its coefficients."""

    frame: Frame
    scans: tuple[tuple[int, Scan], ...]  # with the position in the skeleton of the bytes that follow
    steps: Int64  # components, 64: of quantisation, row-major; at least 1
    tail: int  # bytes of the skeleton after EOI


def take_apart(data: bytes, max_pixels: int) -> tuple[Parts, Plan, Int16]:
    """Return the parts of a file, their plan, and the coefficients as in ``work.new_coefficients``.

    Raises
    ------
    UnusualFileError
        If they would not give the file back, or the image has more than ``max_pixels`` pixels.
    """
    segments = Segments(data)
    whole = np.frombuffer(data, np.uint8)
    coefficients = np.zeros(0, np.int16)
    pieces, start = [], 0
    found: list[tuple[Scan, Reading, int]] = []
    for scan in segments.scans():
        frame = segments.frame
        assert frame is not None
        if not found:
            _check_size(frame, len(data), max_pixels)
            coefficients = new_coefficients(frame)
        reading = _read(frame, scan, whole, segments.position, coefficients)
        found.append((scan, reading, segments.position))
        pieces.append(data[start : segments.position])
        segments.position = start = int(reading.bits["at"][0])
    if not found or segments.frame is None:
        raise UnusualFileError("no scan")
    skeleton = b"".join([*pieces, data[start:]])
    padding = np.concatenate([reading.padding for _, reading, _ in found])
    fill = _fill_of(padding)
    kept = padding.tobytes() if fill == GIVEN else b""
    oddities = tuple(
        _oddities(segments.frame, scan, reading, whole[at : reading.bits["at"][0]], fill)
        for scan, reading, at in found
    )
    return Parts(skeleton, fill, kept, oddities), plan_of(skeleton), coefficients


def plan_of(skeleton: bytes) -> Plan:
    """Return what a skeleton says.

    Raises
    ------
    UnusualFileError
        If it is not that of a file that was taken apart.
    """
    segments = Segments(skeleton)
    scans = tuple((segments.position, scan) for scan in segments.scans())
    if not scans or segments.frame is None:
        raise UnusualFileError("no scan")
    steps = np.ones((len(segments.frame.components), FREQUENCIES), np.int64)
    for _, scan in reversed(scans):
        for number, table in zip(scan.components, scan.steps, strict=True):
            if table:
                width = np.uint8 if len(table) == FREQUENCIES else np.dtype(">u2")
                steps[number, ZIGZAG] = np.maximum(np.frombuffer(table, width), 1)
    return Plan(segments.frame, scans, steps, len(skeleton) - segments.position)


def put_together(parts: Parts, plan: Plan, coefficients: Int16) -> bytes:
    """Return the file; the inverse of :func:`take_apart`.

    Raises
    ------
    UnusualFileError
        If there are other scans, values without codes, or the file would be too large.
    """
    if len(parts.oddities) != len(plan.scans):
        raise UnusualFileError("another number of scans")
    pieces, start, used, size = [], 0, 0, len(parts.skeleton)
    padding = np.frombuffer(parts.padding, np.uint8)
    for (at, scan), odd in zip(plan.scans, parts.oddities, strict=True):
        count = interval_count(layout_of(plan.frame, scan))
        filling = (parts.fill, padding[used : used + count])
        room = min(_room(plan.frame, scan, coefficients, filling, odd), MAX_FILE_SIZE_BYTES - size)
        bits = _write(plan.frame, scan, coefficients, filling, odd, room)
        pieces += [parts.skeleton[start:at], bits.tobytes()]
        start, used, size = at, used + count, size + len(bits)
    return b"".join([*pieces, parts.skeleton[start:]])


def _check_size(frame: Frame, size_bytes: int, max_pixels: int) -> None:
    """Refuse frames that are larger than the file can tell, before anything is allocated."""
    if frame.height * frame.width > max_pixels or frame.block_count * _LEAST_BITS > 8 * size_bytes:
        raise UnusualFileError("the image is too large for the file")


def _read(frame: Frame, scan: Scan, data: UInt8, at: int, coefficients: Int16) -> Reading:
    """Return a scan that was read, from the byte ``at`` on."""
    reading = new_reading(frame, scan, data, at, coefficients)
    status = read_scan.bind(struct_of(reading))()
    if status != DONE:
        raise UnusualFileError(f"scan cannot be read: {status}")
    bits = reading.bits[0]
    return reading._replace(  # a file may have many scans
        lookup=None,
        breaks=reading.breaks[: bits["breaks"]].copy(),
        extras=reading.extras[: bits["extras"]].copy(),
    )


def new_reading(frame: Frame, scan: Scan, data: UInt8, at: int, coefficients: Int16) -> Reading:
    """Return a scan that begins at a byte and is still to be read."""
    layout = layout_of(frame, scan)
    runs = frame.progressive and scan.first > 0
    return Reading(
        layout,
        data,
        coefficients,
        _stacked(lookup_of, scan),
        np.zeros(len(scan.components), np.int64),
        new_bits(at),
        np.zeros(interval_count(layout), np.uint8),
        np.zeros(block_count(layout) if runs else 0, np.int32),
        np.zeros((MAX_EXTRAS, 2), np.int32),
    )


def _stacked(table_of: Any, scan: Scan) -> Any:
    """Return the tables of a scan, (2, P, size of one)."""
    return np.stack([np.stack([table_of(pair[kind]) for pair in scan.codes]) for kind in (0, 1)])


def _fill_of(padding: UInt8) -> int:
    """Return what the bits have in common that fill the last bytes, each after a 1."""
    numbers = padding.astype(np.int64)
    if not (numbers & (numbers + 1)).any():
        return ONES
    return GIVEN if (numbers & (numbers - 1)).any() else ZEROS


def _oddities(frame: Frame, scan: Scan, reading: Reading, data: UInt8, fill: int) -> Oddities:
    """Return what is odd about a scan, whose bytes are ``data``."""
    choices: Sequence[Int32 | None] = (None, reading.breaks) if scan.first else (None,)
    for breaks in choices:
        odd = Oddities(breaks, reading.extras)
        try:
            written = _write(
                frame, scan, reading.coefficients, (fill, reading.padding), odd, len(data) + _ROOM
            )
        except UnusualFileError:
            continue
        if np.array_equal(written, data):
            return odd
    raise UnusualFileError("scan is written otherwise")


def _write(
    frame: Frame, scan: Scan, coefficients: Int16, filling: tuple[int, UInt8], odd: Oddities, room: int
) -> UInt8:
    """Return the bytes of a scan; ``filling`` is the fill and the padding."""
    writing = new_writing(frame, scan, coefficients, filling, odd, room)
    if write_scan.bind(struct_of(writing))() != DONE:
        raise UnusualFileError("scan cannot be written")
    return writing.data[: writing.bits["at"][0]]


def _room(frame: Frame, scan: Scan, coefficients: Int16, filling: tuple[int, UInt8], odd: Oddities) -> int:
    """Return how many bytes a scan takes at most."""
    writing = new_writing(frame, scan, coefficients, filling, odd, 0)
    if write_scan.bind(struct_of(writing))() != DONE:
        raise UnusualFileError("scan cannot be written")
    lengths = (writing.codes & ((1 << LENGTH_BITS) - 1)).astype(np.int64)
    size, high = np.arange(SYMBOLS) & 15, np.arange(SYMBOLS) >> 4
    after = np.where((size == 0) & (high < 15), high, size)  # bits, of values or runs
    bits = int((writing.counts * (lengths + after)).sum())
    if scan.high:
        bits += block_count(writing.layout) * (scan.last - scan.first + 1)
    return 2 * (bits // 8) + 6 * interval_count(writing.layout) + _ROOM  # every byte may be FF


def new_writing(
    frame: Frame, scan: Scan, coefficients: Int16, filling: tuple[int, UInt8], odd: Oddities, room: int
) -> Writing:
    """Return a scan that is still to be written."""
    fill, padding = filling
    corrections = (MAX_RUN if odd.breaks is not None else 0) * FREQUENCIES + MAX_BUFFERED + 2 * FREQUENCIES
    return Writing(
        layout_of(frame, scan),
        np.empty(max(room, 0), np.uint8),
        coefficients,
        _stacked(codes_of, scan),
        np.zeros((2, len(scan.components), SYMBOLS), np.int64),
        np.zeros(len(scan.components), np.int64),
        new_bits(),
        fill,
        padding,
        odd.breaks is not None,
        np.zeros(0, np.int32) if odd.breaks is None else odd.breaks,
        np.ascontiguousarray(odd.extras),
        np.zeros(corrections, np.uint8),
    )
