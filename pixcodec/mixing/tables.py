"""Logarithm, stretch and squash as integer tables (FORMAT.md, section Mixing).

Built at import by integer arithmetic alone, so that they are the same on every machine; their hash is
checked. A logit is ln(p / (1 - p)).
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

LOGIT_BITS = 8  # fraction bits of the mixer's inputs
FINE_BITS = 12  # fraction bits of the mixer's outputs
SQUASH_RANGE = 15  # logits run from -15 to 15
SQUASH_STEP_BITS = 5  # 1/32: the step of the squash table
PROBABILITY_BITS = 24
LN_ENTRIES = 4096
STRETCH_ENTRIES = 4096
LOGISTIC_BITS = 22  # fraction bits of the logistic table
LOGISTIC_RANGE = 16  # its logits run from -16 to 16, in steps of 1/32
_FRACTION = 56  # bits of the fixed-point numbers that the tables are rounded from
_DIGEST = "fb6a70bb7b13547a"


def _logarithms(count: int) -> Int64:
    """Return ln(n) * 2**56 for n = 0 .. count (0 for n = 0), from ln((n+1)/n) = 2 artanh(1/(2n+1))."""
    odd = 2 * np.arange(1, count, dtype=np.int64) + 1
    term = (1 << _FRACTION) // odd
    total, k = term.copy(), 3
    while term.any():
        term //= odd * odd
        total += term // k
        k += 2
    return np.concatenate([np.zeros(2, np.int64), np.cumsum(2 * total)])


def _rounded(values: Int64, bits: int) -> Int32:
    """Return ``values`` * 2**-56 in steps of 2**-bits, half rounded up."""
    shift = _FRACTION - bits
    return ((values + (1 << (shift - 1))) >> shift).astype(np.int32)


def _exponentials(steps: int) -> list[int]:
    """Return exp(k / 32) * 2**56 for k = 0 .. steps."""
    one = 1 << _FRACTION
    factor, term, n = one, one, 1
    while term:
        term = (term >> SQUASH_STEP_BITS) // n
        factor += term
        n += 1
    values = [one]
    for _ in range(steps):
        values.append(values[-1] * factor >> _FRACTION)
    return values


def _sigmoids(logits: int, bits: int) -> Int32:
    """Return 2**bits / (1 + exp(-k / 32)), rounded down, for k / 32 = -logits .. logits."""
    one = 1 << _FRACTION
    rising = _exponentials(logits << SQUASH_STEP_BITS)
    top = [(e << bits) // (e + one) for e in rising]
    bottom = [(one << bits) // (e + one) for e in rising[:0:-1]]
    return np.array(bottom + top, np.int32)


_LN = _logarithms(2 * STRETCH_ENTRIES)
# Tables are as narrow as they can be: kernels find more of them in the nearest cache.
# ln(n) in steps of 1/256, n = 0 .. 4096, and four times ln(2)
LN_TABLE: Int16 = _rounded(_LN[: LN_ENTRIES + 1], LOGIT_BITS).astype(np.int16)
LN_SIXTEEN = int(_rounded(_LN[16:17], LOGIT_BITS)[0])
# logit of (k + 1/2) / 4096 in steps of 1/256
STRETCH_TABLE: Int16 = _rounded(_LN[1::2] - _LN[::-1][1::2], LOGIT_BITS).astype(np.int16)
SQUASH_TABLE: Int32 = _sigmoids(SQUASH_RANGE, PROBABILITY_BITS)
# For side layers, which have no model with a table of its own.
LOGISTIC_TABLE: Int32 = _sigmoids(LOGISTIC_RANGE, LOGISTIC_BITS)


def squash(logit: int) -> int:
    """Return the probability in 2**-24 of a logit in steps of 2**-12, clamped to -15 <= logit < 15."""
    limit = SQUASH_RANGE << FINE_BITS
    z = min(max(logit, -limit), limit - 1) + limit
    step_bits = FINE_BITS - SQUASH_STEP_BITS
    low, high = (int(SQUASH_TABLE[(z >> step_bits) + k]) for k in (0, 1))
    return low + (((high - low) * (z & ((1 << step_bits) - 1))) >> step_bits)


def digest() -> str:
    """Return a hash of the tables."""
    parts = (LN_TABLE, STRETCH_TABLE, SQUASH_TABLE, LOGISTIC_TABLE)
    return hashlib.blake2b(b"".join(p.astype("<i4").tobytes() for p in parts), digest_size=8).hexdigest()


if digest() != _DIGEST:  # pragma: no cover
    raise ImportError(f"pixcodec.mixing.tables: they hash to {digest()}, expected {_DIGEST}")
