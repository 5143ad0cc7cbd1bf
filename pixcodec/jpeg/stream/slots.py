"""Slots of a stream: what followed each context before (FORMAT.md, Slots of streams).

They are those of :mod:`pixcodec.mixing.slots`, but are asked for as soon as a context is known, and claimed
later: memory has answered by then.
"""

from __future__ import annotations

import numpy as np

from pixcodec.jpeg.stream.state import Int64
from pixcodec.mixing.counters import COUNT_MASK
from pixcodec.mixing.slots import CHECK, CHECK_BITS, SLOT, Slots, bits_of, hash_of, salt_of
from pixcodec.mixing.vectors import prefetch
from pixcodec.network.kernels import inlined


@inlined
def seek_slots(s: Slots, ctx: Int64, i: int, node: int, contexts: int) -> None:
    """Note where the slots of row ``i`` of so many contexts (N, J) may be, and ask for that memory."""
    at, checks, bits, base = s.at, s.check, s.bits, s.entries.ctypes.data
    salt = salt_of(node)
    for j in range(contexts):
        h = hash_of(ctx[i, j], salt)
        first = ((j << bits) + bits_of(h, 40, bits)) * SLOT
        prefetch(base + 4 * first)
        at[i, j] = first
        checks[i, j] = bits_of(h, 16, CHECK_BITS) | CHECK


@inlined
def claim_slots(s: Slots, i: int, contexts: int) -> None:
    """Find the slots of row ``i`` where it was noted, or beside; make room for those that are new."""
    entries, at, checks = s.entries, s.at, s.check
    for j in range(contexts):
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
