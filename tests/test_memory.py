"""Memory that a process gives back."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import numpy as np
from pixcodec.batch.memory import return_large_blocks

def resident():
    status = open("/proc/self/status").read()
    return int(status.partition("VmRSS:")[2].split()[0]) >> 10

def work():
    kept = []
    for _ in range(2):
        blocks = []
        for _ in range(4):
            blocks.append(np.ones(12 << 17))  # 12 MiB
            kept.append(np.ones(1 << 15))  # 256 KiB: it keeps what lies below it from being given back
    return kept

if {wanted}:
    return_large_blocks()
before = resident()
kept = work()
print(resident() - before)
"""


def growth_mib(*, wanted: bool) -> int:
    script = SCRIPT.format(wanted=wanted)
    return int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the status of processes")
def test_large_blocks_are_given_back() -> None:
    assert growth_mib(wanted=True) < 12
    assert growth_mib(wanted=False) >= 12  # else there is no need for it any more
