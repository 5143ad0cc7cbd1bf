"""Memory that a process gives back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# Once a larger block was freed, a block comes from the heap in glibc: not from pages of its own, which the
# system gets back when it is freed.
SCRIPT = """
import ctypes
import numpy as np
from pixcodec.batch.memory import return_large_blocks

class Counts(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Counts
return_large_blocks()
first = np.ones(24 << 17)  # 24 MiB
del first
before = library.mallinfo2().hblkhd
second = np.ones(12 << 17)
print(library.mallinfo2().hblkhd - before)
"""


def has_counts() -> bool:
    try:
        return hasattr(ctypes.CDLL(None), "mallinfo2")
    except (OSError, TypeError):  # Windows
        return False


@pytest.mark.skipif(not has_counts(), reason="needs glibc 2.33 or later")
def test_large_blocks_are_given_back() -> None:
    # Without the call, glibc takes the block from the heap on most machines, and this is 0.
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True).stdout
    assert int(found) >= 12 << 20
