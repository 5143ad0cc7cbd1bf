"""Counters: adaptive probabilities of a bit (FORMAT.md, section Mixing, "Slots").

A counter is an int32: a probability minus 1/2 in 22 signed bits, above the number of bits that it has seen in
10 bits. It moves by 1 / (count + 1.5) of its error, the count being limited: so it averages at first, and
forgets later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.tables import squash
from pixcodec.network.kernels import inlined

Int32 = npt.NDArray[np.int32]
UInt16 = npt.NDArray[np.uint16]

COUNT_BITS = 10
COUNT_MASK = (1 << COUNT_BITS) - 1
HALF = 1 << 21
RATE: UInt16 = np.array([(2 << 16) // (2 * n + 3) for n in range(COUNT_MASK + 1)], np.uint16)


@inlined
def move(counters: Int32, at: int, bit: int, limit: int) -> None:
    """Move the probability of a counter towards a bit, at a rate that falls with its count, to ``limit``."""
    entry = np.int64(counters[at])
    count: Any = entry & COUNT_MASK
    # No branches: for a 0, all bits are turned over, and it moves as for a 1.
    turned = bit - 1
    p = (entry >> COUNT_BITS) ^ turned
    p += ((HALF - 1 - p) * np.int64(RATE[np.uint64(count)])) >> 16
    counters[at] = ((p ^ turned) << COUNT_BITS) | np.int64(min(count + 1, limit))


def counter_of(logit: int) -> int:
    """Return a counter of this probability (logit in 2**-12) that has seen nothing."""
    return ((squash(logit) >> 2) - HALF) << COUNT_BITS
