"""numba's cache of compiled kernels may be damaged, unwritable, or shared by processes that begin at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

MAIN = """
from typing import NamedTuple
import numpy as np
from pixcodec.network.kernels import entry_point
from pixcodec.network.structs import struct_of

class Numbers(NamedTuple):
    values: np.ndarray

def total(numbers, more):
    found = more
    for value in numbers.values:
        found += value
    return found

print(entry_point(total).bind(struct_of(Numbers(np.arange(5))))(7))
"""


def start(folder: Path, cache: Path) -> subprocess.Popen[str]:
    script = folder / "main.py"
    if not script.exists():  # another process may be reading it
        script.write_text(MAIN, "utf-8")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PIXCODEC_NATIVE": "0"}
    return subprocess.Popen(
        [sys.executable, str(script)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


@pytest.mark.slow
def test_processes_that_begin_at_once_and_a_damaged_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    processes = [start(tmp_path, cache) for _ in range(3)]
    assert [answer(process) for process in processes] == ["17"] * 3
    files = [path for path in cache.rglob("*") if path.suffix in (".nbc", ".nbi")]
    assert len(files) == 2
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert answer(start(tmp_path, cache)) == "17"
        assert len(path.read_bytes()) >= len(whole) // 2 + 1  # written anew


@pytest.mark.slow
def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    assert answer(start(tmp_path, blocked / "cache")) == "17"
