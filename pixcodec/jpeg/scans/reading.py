"""The bits of a scan -> coefficients (ITU-T T.81, annexes F.2 and G.2), and what is odd about the scan.

No file makes this read or write out of bounds: positions in the file are compared with its end, frequencies
with those of the scan; blocks are those of the frame.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.scans.huffman import MAX_LENGTH, SYMBOL_BITS
from pixcodec.jpeg.scans.work import (
    ACROSS,
    DONE,
    DOWN,
    NO_RESTART,
    NO_SUCH_VALUE,
    NOT_A_CODE,
    OFFSET,
    STRIDE,
    TOO_ODD,
    TOO_SHORT,
    Int16,
    Int32,
    Int64,
    Layout,
    UInt8,
)
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.network.kernels import entry_point, inlined, kernel

_MOST_HELD = 48  # bits, of 63
_LIMIT = 1 << 15  # of coefficients
_RESTART = 0xD0


class Reading(NamedTuple):
    """A scan that is read; shapes as in :mod:`pixcodec.jpeg.scans.work`."""

    layout: Layout
    data: UInt8  # the file
    coefficients: Int16  # 64 N
    lookup: Any  # 2, P, 2**16: of DC and AC
    dc: Int64  # P: the DC coefficients before
    bits: Any  # one of BITS
    padding: UInt8  # intervals: 1 followed by the bits that fill the last byte
    breaks: Int32  # blocks that begin a new run of ends though the block before ended with one
    extras: Int32  # blocks, 2: with zero runs before their end, and how many


def read(s: Reading) -> int:
    """Read the coefficients of a scan; return DONE, or why they cannot be read.

    Then ``bits.at`` is the position of the byte after the scan, and ``breaks``, ``extras`` and ``padding``
    say what is odd about it.
    """
    layout, parts, bits = s.layout, s.layout.parts, s.bits[0]
    columns = layout.columns
    block = np.int64(0)
    for unit in range(layout.rows * columns):
        if layout.interval and unit and unit % layout.interval == 0:
            status = _end_interval(s)
            if status == DONE:
                status = _restart(s)
            if status != DONE:
                return int(status)
        r, c = unit // columns, unit % columns
        for p in range(parts.shape[0]):
            down, across = parts[p, DOWN], parts[p, ACROSS]
            for i in range(down):
                for j in range(across):
                    row, column = r * down + i, c * across + j
                    at = (parts[p, OFFSET] + row * parts[p, STRIDE] + column) * FREQUENCIES
                    status = _read_block(s, p, at, block)
                    if status != DONE:
                        return int(status)
                    if bits.missing > bits.count:
                        return TOO_SHORT
                    block += 1
    return int(_end_interval(s))


read_scan = entry_point(read)


@inlined
def _fill(data: UInt8, bits: Any) -> None:
    """Read bytes until no more fit; beyond the end of the scan there are zeros."""
    while bits.count <= _MOST_HELD:
        byte = np.int64(0)
        if bits.at >= len(data):
            bits.missing += 8
        else:
            byte = np.int64(data[bits.at])
            if byte != 0xFF:
                bits.at += 1
            elif bits.at + 1 < len(data) and data[bits.at + 1] == 0:
                bits.at += 2
            else:  # a marker
                byte = np.int64(0)
                bits.missing += 8
        bits.held = (bits.held << 8) | byte
        bits.count += 8


@inlined
def _take(data: UInt8, bits: Any, count: int) -> Any:
    """Return the next bits as a number; at most 16."""
    if bits.count < count:
        _fill(data, bits)
    bits.count -= count
    value = bits.held >> bits.count
    bits.held &= (np.int64(1) << bits.count) - 1
    return value


@inlined
def _symbol(data: UInt8, bits: Any, lookup: Any, kind: int, p: int) -> Any:
    """Return the next symbol, -1 if there is no such code."""
    if bits.count < MAX_LENGTH:
        _fill(data, bits)
    entry = np.int64(lookup[kind, p, bits.held >> (bits.count - MAX_LENGTH)])
    bits.count -= entry >> SYMBOL_BITS
    bits.held &= (np.int64(1) << bits.count) - 1
    return (entry & ((1 << SYMBOL_BITS) - 1)) if entry else np.int64(-1)


@inlined
def _value(data: UInt8, bits: Any, size: int) -> Any:
    """Return the next value of a size of 0 .. 15 bits."""
    if size == 0:
        return np.int64(0)
    value = _take(data, bits, size)
    return value if value >> (size - 1) else value - (np.int64(1) << size) + 1


@kernel
def _end_interval(s: Reading) -> int:
    """Go to the byte after the last bit, and note the bits that fill the byte before it."""
    bits, data = s.bits[0], s.data
    if bits.run > 0:
        return NO_SUCH_VALUE
    left = bits.count - bits.missing
    if left < 0:
        return TOO_SHORT
    filling = left & 7
    s.padding[bits.intervals] = (1 << filling) | (bits.held >> (bits.missing + left - filling))
    bits.intervals += 1
    for _ in range(left >> 3):  # bytes that were read too early; 0xFF took two
        bits.at -= 2 if data[bits.at - 1] == 0 and data[bits.at - 2] == 0xFF else 1
    bits.held, bits.count, bits.missing, bits.ended = 0, 0, 0, 0
    return DONE


@kernel
def _restart(s: Reading) -> int:
    """Read a restart marker."""
    bits, data = s.bits[0], s.data
    at = bits.at
    if at + 1 >= len(data) or data[at] != 0xFF or data[at + 1] != _RESTART + ((bits.intervals - 1) & 7):
        return NO_RESTART
    bits.at += 2
    s.dc[:] = 0
    return DONE


@kernel
def _read_block(s: Reading, p: int, at: int, block: int) -> int:
    """Read what the scan holds of the block of part ``p`` whose coefficients begin at ``at``."""
    layout = s.layout
    if not layout.progressive:
        status = _read_dc(s, p, at)
        return int(_read_ac(s, p, at, block, 1)) if status == DONE else int(status)
    if layout.first == 0:
        if layout.high == 0:
            return int(_read_dc(s, p, at))
        s.coefficients[at] |= _take(s.data, s.bits[0], 1) << layout.low
        return DONE
    if layout.high == 0:
        return int(_read_ac(s, p, at, block, layout.first))
    return int(_refine_ac(s, p, at, block))


@kernel
def _read_dc(s: Reading, p: int, at: int) -> int:
    """Read the DC coefficient of a block."""
    size = _symbol(s.data, s.bits[0], s.lookup, 0, p)
    if size < 0 or size > 15:
        return NOT_A_CODE
    s.dc[p] += _value(s.data, s.bits[0], size)
    value = s.dc[p] << s.layout.low
    if value < -_LIMIT or value >= _LIMIT:
        return NO_SUCH_VALUE
    s.coefficients[at] = value
    return DONE


@kernel
def _read_ac(s: Reading, p: int, at: int, block: int, first: int) -> int:
    """Read the coefficients of a block from ``first`` on, or their highest bits."""
    bits, data, lookup, coefficients = s.bits[0], s.data, s.lookup, s.coefficients
    last, low, progressive = s.layout.last, s.layout.low, s.layout.progressive
    if bits.run > 0:
        bits.run -= 1
        return DONE
    k: Any = np.int64(first)
    zeros: Any = np.int64(0)
    ended: Any = np.int64(0)
    while k <= last:
        symbol = _symbol(data, bits, lookup, 1, p)
        if symbol < 0:
            return NOT_A_CODE
        skipped, size = symbol >> 4, symbol & 15
        if size == 0 and skipped == 15:
            k += 16
            zeros += 1
            if k > last + 1:
                return NO_SUCH_VALUE
            continue
        if size == 0:
            if skipped and not progressive:
                return NOT_A_CODE
            if k == first and bits.ended and not _note_break(s, block):
                return TOO_ODD
            bits.run = (1 << skipped) + _take(data, bits, skipped) - 1
            ended = np.int64(1)
            break
        k += skipped
        value = _value(data, bits, size) << low
        if k > last or value < -_LIMIT or value >= _LIMIT:
            return NO_SUCH_VALUE
        coefficients[at + ZIGZAG[k]] = value
        zeros = 0
        k += 1
    bits.ended = ended if progressive else 0
    if zeros and not _note_extras(s, block, zeros):
        return TOO_ODD
    return DONE


@inlined
def _note_break(s: Reading, block: int) -> bool:
    """Note that a block begins a new run of ends; return whether there was room for it."""
    bits = s.bits[0]
    if bits.breaks >= len(s.breaks):
        return False
    s.breaks[bits.breaks] = block
    bits.breaks += 1
    return True


@inlined
def _note_extras(s: Reading, block: int, count: int) -> bool:
    """Note the zero runs before the end of a block; return whether there was room for it."""
    bits = s.bits[0]
    if bits.extras >= len(s.extras):
        return False
    s.extras[bits.extras, 0], s.extras[bits.extras, 1] = block, count
    bits.extras += 1
    return True


@kernel
def _refine_ac(s: Reading, p: int, at: int, block: int) -> int:
    """Read one more bit of the coefficients of a block."""
    bits, data, coefficients = s.bits[0], s.data, s.coefficients
    first, last, low = s.layout.first, s.layout.last, s.layout.low
    k: Any = np.int64(first)
    ended: Any = np.int64(bits.run > 0)
    while bits.run == 0 and k <= last:
        symbol = _symbol(data, bits, s.lookup, 1, p)
        skipped, size = symbol >> 4, symbol & 15
        if symbol < 0 or size > 1:
            return NOT_A_CODE
        if size == 0 and skipped < 15:
            if k == first and bits.ended and not _note_break(s, block):
                return TOO_ODD
            bits.run = (1 << skipped) + _take(data, bits, skipped)
            ended = np.int64(1)
            break
        new = np.int64(0)
        if size:
            new = (np.int64(1) if _take(data, bits, 1) else np.int64(-1)) << low
        while k <= last:
            if coefficients[at + ZIGZAG[k]]:
                _refine(data, bits, coefficients, at + ZIGZAG[k], low)
            elif skipped == 0:
                break
            else:
                skipped -= 1
            k += 1
        if new and k > last:
            return NO_SUCH_VALUE
        if new:
            coefficients[at + ZIGZAG[k]] = new
        k += 1
    if bits.run > 0:
        bits.run -= 1
        while k <= last:
            if coefficients[at + ZIGZAG[k]]:
                _refine(data, bits, coefficients, at + ZIGZAG[k], low)
            k += 1
    bits.ended = ended
    return DONE


@inlined
def _refine(data: UInt8, bits: Any, coefficients: Int16, at: int, low: int) -> None:
    """Read one more bit of a coefficient that is not 0."""
    value = np.int64(coefficients[at])
    if _take(data, bits, 1) and (abs(value) >> low) & 1 == 0:
        coefficients[at] = value + ((1 << low) if value > 0 else -(1 << low))
