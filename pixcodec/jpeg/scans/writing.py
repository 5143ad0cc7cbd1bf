"""Coefficients -> the bits of a scan (ITU-T T.81, annexes F.1 and G.1), as libjpeg writes them.

Unless the scan is odd: then the lists say where a run of ends breaks off, and which blocks have zero runs
before their end. No file makes this write out of bounds: every byte is compared with the end of the room.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.scans.huffman import LENGTH_BITS
from pixcodec.jpeg.scans.work import (
    ACROSS,
    DONE,
    DOWN,
    GIVEN,
    MAX_RUN,
    NO_SUCH_VALUE,
    OFFSET,
    ONES,
    STRIDE,
    Int16,
    Int32,
    Int64,
    Layout,
    UInt8,
)
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.network.kernels import entry_point, inlined, kernel

MAX_BUFFERED = 937  # correction bits after which libjpeg ends a run (jcphuff.c)
_MAX_SIZE = 15  # bits of a value
_END, _ZERO_RUN = 0x00, 0xF0  # symbols
_RESTART = 0xD0


class Writing(NamedTuple):
    """A scan that is written; shapes as in :mod:`pixcodec.jpeg.scans.work`."""

    layout: Layout
    data: UInt8  # room for the bytes; none at all if only symbols are counted
    coefficients: Int16  # 64 N
    codes: Any  # 2, P, 256: of DC and AC
    counts: Int64  # 2, P, 256: how often each symbol was written
    dc: Int64  # P: the DC coefficients before
    bits: Any  # one of BITS
    fill: int  # ONES, ZEROS or GIVEN
    padding: UInt8  # intervals, if GIVEN: their last bits fill the last byte
    given: int  # whether ``breaks`` counts: else runs are as long as libjpeg makes them
    breaks: Int32  # as in Reading
    extras: Int32
    corrections: UInt8  # room for the correction bits of a run and of a block


def write(s: Writing) -> int:
    """Write a scan; return DONE, or NO_SUCH_VALUE if there are no codes for it, or no room.

    Then ``bits.at`` is the position of the byte after the scan.
    """
    layout, parts, bits = s.layout, s.layout.parts, s.bits[0]
    columns = layout.columns
    block = np.int64(0)
    for unit in range(layout.rows * columns):
        if layout.interval and unit and unit % layout.interval == 0:
            _end_interval(s)
            _put_bytes(s, 0xFF, _RESTART + ((bits.intervals - 1) & 7))
            s.dc[:] = 0
        r, c = unit // columns, unit % columns
        for p in range(parts.shape[0]):
            down, across = parts[p, DOWN], parts[p, ACROSS]
            for i in range(down):
                for j in range(across):
                    row, column = r * down + i, c * across + j
                    at = (parts[p, OFFSET] + row * parts[p, STRIDE] + column) * FREQUENCIES
                    _write_block(s, p, at, block)
                    block += 1
        if bits.failed:
            return NO_SUCH_VALUE
    _end_interval(s)
    return NO_SUCH_VALUE if bits.failed else DONE


write_scan = entry_point(write)


@inlined
def _put(data: UInt8, bits: Any, value: int, count: int) -> None:
    """Write the lowest bits of a number; at most 32."""
    bits.held = (bits.held << count) | (value & ((np.int64(1) << count) - 1))
    bits.count += count
    while bits.count >= 8:
        bits.count -= 8
        byte = bits.held >> bits.count
        bits.held &= (np.int64(1) << bits.count) - 1
        if bits.at + 2 > len(data):
            bits.failed |= len(data) > 0
        else:
            data[bits.at] = byte
            bits.at += 1
            if byte == 0xFF:
                data[bits.at] = 0
                bits.at += 1


@inlined
def _put_symbol(s: Writing, bits: Any, kind: int, p: int, symbol: int) -> None:
    """Write the code of a symbol."""
    entry = np.int64(s.codes[kind, p, symbol])
    s.counts[kind, p, symbol] += 1
    if entry == 0:
        bits.failed = 1
    _put(s.data, bits, entry >> LENGTH_BITS, entry & ((1 << LENGTH_BITS) - 1))


@inlined
def _size(value: int) -> Any:
    """Return the number of bits of a magnitude."""
    size = np.int64(0)
    while value >> size:
        size += 1
    return size


@inlined
def _put_value(s: Writing, bits: Any, kind: int, p: int, skipped: int, value: int) -> None:
    """Write a value that is not 0 (or any of DC): the symbol of its size, and its bits."""
    size = _size(abs(value))
    if size > _MAX_SIZE:
        bits.failed = 1
        size = np.int64(_MAX_SIZE)
    _put_symbol(s, bits, kind, p, (skipped << 4) | size)
    _put(s.data, bits, value if value >= 0 else value - 1, size)


@kernel
def _put_bytes(s: Writing, first: int, second: int) -> None:
    """Write two bytes as they are, between intervals."""
    bits = s.bits[0]
    if bits.at + 2 > len(s.data):
        bits.failed |= len(s.data) > 0
    else:
        s.data[bits.at], s.data[bits.at + 1] = first, second
        bits.at += 2


@kernel
def _end_interval(s: Writing) -> None:
    """Write what is left of an interval, and fill its last byte."""
    bits = s.bits[0]
    if s.layout.first:
        _put_run(s)
    filling = -bits.count & 7
    value = np.int64(0x7F) if s.fill == ONES else np.int64(0)
    if s.fill == GIVEN:
        if bits.intervals < len(s.padding):
            value = np.int64(s.padding[bits.intervals])
        else:
            bits.failed = 1
    _put(s.data, bits, value, filling)
    bits.intervals += 1


@kernel
def _put_run(s: Writing) -> None:
    """Write the run of blocks that have ended, which may be empty, and the correction bits of these."""
    bits, corrections = s.bits[0], s.corrections
    if bits.run > 0:
        size = _size(bits.run) - 1
        _put_symbol(s, bits, 1, 0, size << 4)
        _put(s.data, bits, bits.run, size)
        bits.run = 0
        for i in range(bits.buffered):
            _put(s.data, bits, np.int64(corrections[i]), 1)
        bits.buffered = 0


@kernel
def _write_block(s: Writing, p: int, at: int, block: int) -> None:
    """Write what the scan holds of the block of part ``p`` whose coefficients begin at ``at``."""
    layout = s.layout
    if not layout.progressive:
        _write_dc(s, p, at)
        _write_ac(s, p, at, block, 1)
    elif layout.first == 0:
        if layout.high == 0:
            _write_dc(s, p, at)
        else:
            _put(s.data, s.bits[0], np.int64(s.coefficients[at]) >> layout.low, 1)
    elif layout.high == 0:
        _write_ac(s, p, at, block, layout.first)
    else:
        _refine_ac(s, at, block)


@kernel
def _write_dc(s: Writing, p: int, at: int) -> None:
    """Write the DC coefficient of a block."""
    value = np.int64(s.coefficients[at]) >> s.layout.low
    _put_value(s, s.bits[0], 0, p, np.int64(0), value - s.dc[p])
    s.dc[p] = value


@inlined
def _break_before(s: Writing, block: int) -> None:
    """End the run if the lists say so."""
    bits = s.bits[0]
    if s.given and bits.breaks < len(s.breaks) and s.breaks[bits.breaks] == block:
        bits.breaks += 1
        _put_run(s)


@kernel
def _write_ac(s: Writing, p: int, at: int, block: int, first: int) -> None:
    """Write the coefficients of a block from ``first`` on, or their highest bits."""
    bits, coefficients = s.bits[0], s.coefficients
    last, low, progressive = s.layout.last, s.layout.low, s.layout.progressive
    if progressive:
        _break_before(s, block)
    skipped = np.int64(0)
    for k in range(first, last + 1):
        value = np.int64(coefficients[at + ZIGZAG[k]])
        value = value >> low if value >= 0 else -(-value >> low)
        if value == 0:
            skipped += 1
            continue
        if progressive:
            _put_run(s)
        while skipped > 15:
            _put_symbol(s, bits, 1, p, _ZERO_RUN)
            skipped -= 16
        _put_value(s, bits, 1, p, skipped, value)
        skipped = np.int64(0)
    if bits.extras < len(s.extras) and s.extras[bits.extras, 0] == block:
        if progressive:
            _put_run(s)
        for _ in range(min(s.extras[bits.extras, 1], skipped >> 4)):
            _put_symbol(s, bits, 1, p, _ZERO_RUN)
            skipped -= 16
        bits.extras += 1
    if skipped and progressive:
        bits.run += 1
        if bits.run == MAX_RUN:
            _put_run(s)
    elif skipped:
        _put_symbol(s, bits, 1, p, _END)


@kernel
def _refine_ac(s: Writing, at: int, block: int) -> None:
    """Write one more bit of the coefficients of a block."""
    bits, data, coefficients, corrections = s.bits[0], s.data, s.coefficients, s.corrections
    first, last, low = s.layout.first, s.layout.last, s.layout.low
    _break_before(s, block)
    newest = np.int64(-1)  # the last frequency that this scan makes other than 0
    for k in range(first, last + 1):
        if abs(np.int64(coefficients[at + ZIGZAG[k]])) >> low == 1:
            newest = np.int64(k)
    skipped, start, count = np.int64(0), bits.buffered, np.int64(0)
    for k in range(first, last + 1):
        value = np.int64(coefficients[at + ZIGZAG[k]])
        magnitude = abs(value) >> low
        if magnitude == 0:
            skipped += 1
            continue
        while skipped > 15 and k <= newest:
            _put_run(s)
            _put_symbol(s, bits, 1, 0, _ZERO_RUN)
            skipped -= 16
            _put_corrections(data, bits, corrections, start, count)
            start, count = np.int64(0), np.int64(0)
        if magnitude > 1:
            if start + count < len(corrections):
                corrections[start + count] = magnitude & 1
                count += 1
            else:
                bits.failed = 1
            continue
        _put_run(s)
        _put_symbol(s, bits, 1, 0, (skipped << 4) | 1)
        _put(data, bits, np.int64(value > 0), 1)
        _put_corrections(data, bits, corrections, start, count)
        skipped, start, count = np.int64(0), np.int64(0), np.int64(0)
    if skipped or count:
        bits.run += 1
        bits.buffered += count
        if bits.run == MAX_RUN or (not s.given and bits.buffered > MAX_BUFFERED):
            _put_run(s)


@inlined
def _put_corrections(data: UInt8, bits: Any, corrections: UInt8, start: int, count: int) -> None:
    """Write correction bits of a block."""
    for i in range(start, start + count):
        _put(data, bits, np.int64(corrections[i]), 1)
