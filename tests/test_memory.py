"""Memory that a process gives back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# Freed once, a block as large comes from the heap from then on, in glibc: not from pages of its own,
# which the system gets back when it is freed.
SCRIPT = """
import ctypes
import numpy as np
from pixcodec.batch.memory import return_large_blocks

class Counts(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Counts
if {wanted}:
    return_large_blocks()
first = np.ones(12 << 17)  # 12 MiB
del first
before = library.mallinfo2().hblkhd
second = np.ones(12 << 17)
print(library.mallinfo2().hblkhd - before)
"""


def mapped_bytes(*, wanted: bool) -> int:
    """Return how many bytes of a block of 12 MiB are in pages of their own."""
    script = SCRIPT.format(wanted=wanted)
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


def has_counts() -> bool:
    try:
        return hasattr(ctypes.CDLL(None), "mallinfo2")
    except (OSError, TypeError):  # Windows
        return False


@pytest.mark.skipif(not has_counts(), reason="needs glibc 2.33 or later")
def test_large_blocks_are_given_back() -> None:
    assert mapped_bytes(wanted=True) >= 12 << 20
    assert mapped_bytes(wanted=False) == 0  # else there is no need for it any more
