"""Logarithm and logistic function of integers, by table (FORMAT.md, section Mixing)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.mixing.tables import (
    FINE_BITS,
    LN_ENTRIES,
    LN_SIXTEEN,
    LN_TABLE,
    SQUASH_RANGE,
    SQUASH_STEP_BITS,
    SQUASH_TABLE,
)
from pixcodec.mixing.vectors import bit_length
from pixcodec.network.kernels import inlined

LOGIT_MAX = (SQUASH_RANGE << FINE_BITS) - 1  # largest logit of the squash table, in 2**-12
_STEP_BITS = FINE_BITS - SQUASH_STEP_BITS


@inlined
def ln(n: int) -> Any:
    """Return the natural logarithm of ``n`` in steps of 1/256, 0 < n <= 2**24."""
    # No branches: which one is taken could not be foreseen.
    sixteens = ((bit_length(n) - 9) >> 2) if n > LN_ENTRIES else 0
    return np.int64(LN_TABLE[np.uint64(n >> (4 * sixteens))]) + LN_SIXTEEN * sixteens


@inlined
def to_probability(logit: int) -> Any:
    """Return the probability in 2**-24 of a logit in steps of 2**-12, -15 <= logit < 15."""
    z = logit + (SQUASH_RANGE << FINE_BITS)
    k = z >> _STEP_BITS
    low = np.int64(SQUASH_TABLE[k])
    rise = np.int64(SQUASH_TABLE[k + 1]) - low
    return low + ((rise * (z & ((1 << _STEP_BITS) - 1))) >> _STEP_BITS)


@inlined
def half_octave(value: int) -> int:
    """Return about 2 log2(value), 0 for values below 2, at most 15."""
    steps = 0
    while value >= 4:
        value >>= 1
        steps += 2
    return min(steps + (1 if value == 3 else 0), 15)
