"""The Huffman tables that libjpeg makes for a scan, so that a file need not hold them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence, Set

import numpy as np

from pixcodec.jpeg.files.parts import Oddities, new_writing
from pixcodec.jpeg.scans.huffman import LENGTH_BITS, MAX_LENGTH, SYMBOLS
from pixcodec.jpeg.scans.markers import Definition, Frame, Scan, Segments, UnusualFileError
from pixcodec.jpeg.scans.work import DONE, ONES, Int16, Int64
from pixcodec.jpeg.scans.writing import write_scan
from pixcodec.network.structs import struct_of

_MAX_BITS = 32  # of a code before it is limited to MAX_LENGTH


def optimal_tables(
    skeleton: bytes,
    oddities: Sequence[Oddities],
    coefficients: Int16,
    wanted: Set[int] | None = None,
) -> dict[int, bytes]:
    """Return the best table for each definition in a skeleton, by its position.

    It is that of the first scan that uses it (FORMAT.md, section Huffman tables).

    Parameters
    ----------
    skeleton : bytes
    oddities : sequence of Oddities
        Of each scan.
    coefficients : ndarray
        As of :func:`pixcodec.jpeg.scans.work.new_coefficients`.
    wanted : set, optional
        Only the definitions at these positions.

    Raises
    ------
    UnusualFileError
        If the scans cannot be written.
    """
    segments = Segments(skeleton)
    found: dict[int, bytes] = {}
    for scan, odd in zip(segments.scans(), oddities, strict=True):
        assert segments.frame is not None
        current = {(d.kind, d.slot): d for d in segments.definitions}
        used = [current[key] for key in _keys(segments.frame, scan) if key in current]
        new = [d for d in used if d.start not in found and (wanted is None or d.start in wanted)]
        if new:
            counts = _counts(segments.frame, scan, odd, coefficients)
            found.update((d.start, best_table(_of(d, scan, counts))) for d in new)
    return found


def _keys(frame: Frame, scan: Scan) -> list[tuple[int, int]]:
    """Return kind and slot of the tables that a scan uses."""
    dc = scan.first == 0 and scan.high == 0
    ac = not frame.progressive or scan.first > 0
    keys = {(kind, pair[kind]) for pair in scan.slots for kind, uses in enumerate((dc, ac)) if uses}
    return sorted(keys)


def _of(definition: Definition, scan: Scan, counts: Int64) -> Int64:
    """Return how often the symbols (SYMBOLS,) of a table occur."""
    kind = definition.kind
    parts = [i for i, pair in enumerate(scan.slots) if pair[kind] == definition.slot]
    total: Int64 = counts[kind, parts].sum(0)
    return total


def _counts(frame: Frame, scan: Scan, odd: Oddities, coefficients: Int16) -> Int64:
    """Return how often symbols occur in a scan, (2, components, SYMBOLS)."""
    writing = new_writing(frame, scan, coefficients, (ONES, np.zeros(0, np.uint8)), odd, 0)
    any_codes = np.full(writing.codes.shape, 1 << LENGTH_BITS | 1, np.uint32)
    writing = writing._replace(codes=any_codes)
    if write_scan.bind(struct_of(writing))() != DONE:
        raise UnusualFileError("scan cannot be written")
    return writing.counts


def best_table(counts: Int64) -> bytes:
    """Return the table (16 numbers of codes, the symbols) as libjpeg makes it (T.81, annex K.2).

    Nothing if it makes none: a code would be longer than 32 bits before it is limited to 16.
    """
    sizes = _sizes([*counts.tolist(), 1])  # one more symbol, so that no code is all ones
    lengths = [0] * (_MAX_BITS + 1)
    for size in sizes:
        if size > _MAX_BITS:
            return b""
        lengths[size] += size > 0
    for size in range(_MAX_BITS, MAX_LENGTH, -1):
        while lengths[size]:
            shorter = max(i for i in range(size - 1) if lengths[i] or i == 0)
            lengths[size] -= 2
            lengths[size - 1] += 1
            lengths[shorter + 1] += 2
            lengths[shorter] -= 1
    longest = max((i for i in range(1, MAX_LENGTH + 1) if lengths[i]), default=1)
    lengths[longest] -= 1
    order = sorted((size, symbol) for symbol, size in enumerate(sizes[:SYMBOLS]) if size)
    numbers = lengths[1 : MAX_LENGTH + 1]
    if min(numbers) < 0 or max(numbers) > SYMBOLS - 1:
        return b""
    return bytes(numbers) + bytes(symbol for _, symbol in order)


def _sizes(counts: list[int]) -> list[int]:
    """Return the bits of each symbol in Huffman's code; of equal counts, the later symbols go first."""
    sizes = [0] * len(counts)
    heap = [(count, -i, [i]) for i, count in enumerate(counts) if count]
    heapq.heapify(heap)
    while len(heap) > 1:
        first_count, first, below = heapq.heappop(heap)
        second_count, _, others = heapq.heappop(heap)
        for symbol in (*below, *others):
            sizes[symbol] += 1
        heapq.heappush(heap, (first_count + second_count, first, below + others))
    return sizes
