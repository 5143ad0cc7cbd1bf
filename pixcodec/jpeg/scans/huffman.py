"""Huffman tables of JPEG (ITU-T T.81, annex C) -> codes for the writer, and a table for the reader."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.scans.markers import UnusualFileError

MAX_LENGTH = 16  # bits of a code
SYMBOLS = 256
LENGTH_BITS = 5  # of an entry of the codes: the lowest bits are the length, those above the code
SYMBOL_BITS = 8  # of an entry of the table: the lowest bits are the symbol, those above the length


@lru_cache(64)
def codes_of(table: bytes) -> npt.NDArray[np.uint32]:
    """Return (SYMBOLS,) the code and the length of each symbol; 0 if it has none.

    Parameters
    ----------
    table : bytes
        16 numbers of codes, by length, and the symbols; or nothing, for no table.

    Raises
    ------
    UnusualFileError
        If there are more codes than fit.
    """
    codes = np.zeros(SYMBOLS, np.uint32)
    for symbol, code, length in reversed(_codes(table)):  # the first code of a symbol counts
        codes[symbol] = code << LENGTH_BITS | length
    return codes


@lru_cache(64)
def lookup_of(table: bytes) -> npt.NDArray[np.uint16]:
    """Return (2**MAX_LENGTH,) for each 16 bits the symbol that they begin with and its length; 0 if none.

    Raises
    ------
    UnusualFileError
        If there are more codes than fit.
    """
    lookup: npt.NDArray[Any] = np.zeros(1 << MAX_LENGTH, np.uint16)
    for symbol, code, length in _codes(table):
        shift = MAX_LENGTH - length
        lookup[code << shift : (code + 1) << shift] = length << SYMBOL_BITS | symbol
    return lookup


def _codes(table: bytes) -> list[tuple[int, int, int]]:
    """Return symbol, code and length of each code."""
    counts, symbols = table[:MAX_LENGTH], iter(table[MAX_LENGTH:])
    codes, code = [], 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            if code >> length:
                raise UnusualFileError("a Huffman table of too many codes")
            codes.append((next(symbols), code, length))
            code += 1
        code <<= 1
    return codes
