"""A quantisation table <-> a few bytes: the scale of T.81's, and what is off (FORMAT.md, "Steps")."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from pixcodec.container.varint import pack_varint
from pixcodec.jpeg.coefficients import FREQUENCIES, MAX_STEP
from pixcodec.jpeg.files.numbers import Numbers
from pixcodec.jpeg.standard_tables import standard_table
from pixcodec.jpeg.state import ZIGZAG

_AS_IT_IS = 50  # the quality whose tables are those of T.81
SCALE = 1000  # of a table that is not scaled
MAX_SCALE = 2**16 - 1
EXACT = 7  # instead of the number of low bits: the table is the scaled one
_SEARCHED = 4096  # the encoder tries scales below this, and those of the qualities,
_CLOSEST = 32  # of which it compares so many
_BASE, _DIFFERENCES, _LOW_SHIFT = 1, 2, 2  # of the first byte

Int = npt.NDArray[np.int64]


def scaled(base: int, scale: int | Int) -> Int:
    """Return the luma (0) or chroma (1) table in zigzag order, (64,), or one for each scale (N, 1)."""
    table = standard_table(_AS_IT_IS, base)[ZIGZAG].astype(np.int64)
    steps: Int = np.clip((table * scale + SCALE // 2) // SCALE, 1, MAX_STEP)
    return steps


@cache
def _candidates(base: int) -> tuple[Int, Int]:
    """Return scales (N,), and their tables (N, 64)."""
    qualities = [SCALE // 100 * (5000 // q) for q in range(1, 50)]
    scales = np.unique(np.concatenate([np.arange(1, _SEARCHED), qualities])).astype(np.int64)
    return scales, scaled(base, scales[:, np.newaxis])


def pack_steps(table: bytes) -> bytes:
    """Return the bytes for a table in zigzag order, whose steps are 1..255, or any of 8 bits."""
    wanted = np.frombuffer(table, np.uint8).astype(np.int64)
    best = b""
    for base in (0, 1):
        scales, tables = _candidates(base)
        off = wanted - tables
        same = np.flatnonzero(~off.any(1))
        if len(same):
            return bytes([base | EXACT << _LOW_SHIFT]) + pack_varint(int(scales[same[0]]))
        for differences in (0, 1):
            numbers = _unsigned(np.diff(off, axis=1, prepend=0) if differences else off)
            near = np.argsort(numbers.sum(1), kind="stable")[:_CLOSEST]
            numbers, near_scales = numbers[near], scales[near]
            sizes = np.stack([(numbers >> low).sum(1) + FREQUENCIES * (1 + low) for low in range(EXACT)])
            low, at = np.unravel_index(int(sizes.argmin()), sizes.shape)
            first = base * _BASE | differences * _DIFFERENCES | int(low) << _LOW_SHIFT
            packed = (
                bytes([first])
                + pack_varint(int(near_scales[at]))
                + _pack_bits(numbers[at].tolist(), int(low))
            )
            if not best or len(packed) < len(best):
                best = packed
    return best


def read_steps(read: Numbers) -> bytes:
    """Read a table, 64 bytes in zigzag order.

    Raises
    ------
    ValueError
        If a step is not 0..255, or the bytes are too few.
    """
    first = read.byte(31)
    base, differences, low = first & 1, bool(first & _DIFFERENCES), first >> _LOW_SHIFT
    table = scaled(base, read.number(MAX_SCALE))
    if low != EXACT:
        numbers = np.array(_read_bits(read, low), np.int64)
        off = np.where(numbers & 1, (numbers + 1) >> 1, -(numbers >> 1))
        table = table + (np.cumsum(off) if differences else off)
        if table.min() < 0 or table.max() > MAX_STEP:
            raise ValueError("a step of quantisation is out of range")
    return table.astype(np.uint8).tobytes()


def _unsigned(numbers: Int) -> Int:
    """Return 0, 1, 2, 3, 4, ... for 0, 1, -1, 2, -2, ..."""
    return np.where(numbers > 0, 2 * numbers - 1, -2 * numbers)


def _pack_bits(numbers: list[int], low: int) -> bytes:
    """Return Rice's code of the numbers: the high part in ones and a zero, then the low bits."""
    bits = "".join(
        "1" * (n >> low) + "0" + (format(n & ((1 << low) - 1), f"0{low}b") if low else "") for n in numbers
    )
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _read_bits(read: Numbers, low: int) -> list[int]:
    held = count = 0
    numbers = []

    def bit() -> int:
        nonlocal held, count
        if not count:
            held, count = read.byte(255), 8
        count -= 1
        return held >> count & 1

    for _ in range(FREQUENCIES):
        number = 0
        while bit():
            number += 1
            if number > 4 * MAX_STEP:
                raise ValueError("a step of quantisation is out of range")
        for _ in range(low):
            number = number << 1 | bit()
        numbers.append(number)
    return numbers
