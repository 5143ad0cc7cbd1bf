"""How a process that codes files gives memory back."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
LARGE_SIZE_BYTES = 1 << 22


@cache
def return_large_blocks() -> None:
    """Let the C library give each freed block of 4 MiB and more back to the system at once, where it can.

    By itself, glibc keeps blocks of up to 32 MiB once one of that size was freed, in places that the arrays
    of the next tile do not fit into: 90 MB more than are in use, for 12 megapixels.
    """
    with suppress(ImportError, OSError, AttributeError, TypeError):  # another system, another C library
        import ctypes

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_SIZE_BYTES)
