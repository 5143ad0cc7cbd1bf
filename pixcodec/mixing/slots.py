"""Slots: what followed each context before (FORMAT.md, section Mixing, "Slots").

A slot is 16 int32 for one context and one nibble: entry 0 is a check, entry k the counter of node k of the
nibble. A hash of context, position and node chooses the slot; there are two places for it, and the one whose
first counter has seen less gives way.

Shapes: N lanes, J contexts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.counters import COUNT_MASK
from pixcodec.mixing.vectors import prefetch
from pixcodec.network.kernels import inlined, kernel

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]

SLOT = 16
MIN_SLOT_BITS, MAX_SLOT_BITS = 10, 17
CHECK_BITS = 15
CHECK = 1 << CHECK_BITS
COUNTER_LIMIT = 255
MULTIPLIERS = (-7046029254386353131, -4417276706812531889, -4658895280553007687)
# Without a sign: a compiler may take it for granted that numbers with a sign do not overflow.
_M0, _M1, _M2 = (np.uint64(m % (1 << 64)) for m in MULTIPLIERS)
_PAGE = 128  # bytes: slots lie in pairs, and a pair in two cache lines fetched together


class Slots(NamedTuple):
    """The slots of a tile, and which of them its lanes use now."""

    entries: Int32  # J << bits slots of 16; flat
    bits: int
    at: UInt64  # N, J: where the slot of a lane and context begins
    check: Int32  # N, J


def slot_bits(height: int, width: int) -> int:
    """Return log2 of the number of slots of a context, for a tile of this size."""
    return min(max((height * width // 4).bit_length(), MIN_SLOT_BITS), MAX_SLOT_BITS)


def new_slots(contexts: int, bits: int, lanes: int) -> Slots:
    """Return empty slots; pairs begin where pairs of cache lines do."""
    count = (contexts << bits) * SLOT
    spare = np.zeros(count + _PAGE // 4, np.int32)
    start = -(spare.ctypes.data // 4) % (_PAGE // 4)
    at, check = np.zeros((lanes, contexts), np.uint64), np.zeros((lanes, contexts), np.int32)
    return Slots(spare[start : start + count], bits, at, check)


@inlined
def salt_of(node: int) -> Any:
    """Return what tells the slots of contexts with equal numbers apart: a uint64 for :func:`hash_of`."""
    return np.uint64(node) * _M2


@inlined
def hash_of(number: int, salt: Any) -> Any:
    """Return the hash, a uint64, of the number of a context (FORMAT.md, Slots)."""
    h = np.uint64(number) * _M0 + salt
    h ^= h >> np.uint64(29)
    return h * _M1


@inlined
def bits_of(h: Any, start: int, count: int) -> Any:
    """Return so many bits of a hash as an int64, less than 64."""
    return np.int64(h >> np.uint64(start)) & ((1 << count) - 1)


@kernel
def find_slots(s: Slots, contexts: tuple[int, int], ctx: Int64, lane: Any, lanes: Int64) -> None:
    """Find the slots of the contexts (N, J) between two, for some ``lanes``."""
    # Slots lie anywhere in memory: all are asked for before the first is looked at.
    for o in range(len(lanes)):
        seek_slots(s, ctx, lanes[o], lane[lanes[o]].node, contexts)
    for o in range(len(lanes)):
        claim_slots(s, lanes[o], contexts)


@inlined
def seek_slots(s: Slots, ctx: Int64, i: int, node: int, contexts: tuple[int, int]) -> None:
    """Note where the slots of row ``i`` may be, of the contexts (N, J) between two; ask for that memory."""
    at, checks, bits, base = s.at, s.check, s.bits, s.entries.ctypes.data
    salt = salt_of(node)
    for j in range(max(contexts[0], 0), contexts[1]):  # so that LLVM knows that no index is negative
        h = hash_of(ctx[i, j], salt)
        first = ((j << bits) + bits_of(h, 40, bits)) * SLOT
        prefetch(base + 4 * first)
        at[i, j] = first
        checks[i, j] = bits_of(h, 16, CHECK_BITS) | CHECK


@inlined
def claim_slots(s: Slots, i: int, contexts: tuple[int, int]) -> None:
    """Find the slots of row ``i`` where it was noted, or beside; make room for those that are new."""
    entries, at, checks = s.entries, s.at, s.check
    for j in range(max(contexts[0], 0), contexts[1]):
        first, check = at[i, j], checks[i, j]
        if entries[first] == check:
            continue
        second = first ^ np.uint64(SLOT)
        if entries[second] == check:
            at[i, j] = second
            continue
        if entries[first] != 0 and (
            entries[second] == 0
            or (entries[second + np.uint64(1)] & COUNT_MASK) < (entries[first + np.uint64(1)] & COUNT_MASK)
        ):
            first = second
            at[i, j] = second
        entries[first] = check
        for k in range(1, SLOT):
            entries[first + np.uint64(k)] = 0
