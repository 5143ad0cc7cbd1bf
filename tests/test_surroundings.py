"""The same bytes wherever the code runs: threads, forks, spawned processes, beside torch, ``-O -W error``."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WORK = """
import hashlib, io
import numpy as np
import pixcodec

def images():
    y, x = np.mgrid[:19, :23]
    grey = ((x * x + 3 * y * x + y) % 251).astype(np.uint8)
    return [grey, np.dstack([grey, grey // 2, 255 - grey]), grey > 120, grey.astype(np.uint16) * 200]

def digest(_=None):
    state = hashlib.sha256()
    for image in images():
        for effort in ("fast", "normal", "max"):
            data = pixcodec.encode(image, effort=effort)
            if pixcodec.decode(data).tobytes() != image.tobytes():
                raise SystemExit("other pixels")  # an assert would be left out by -O
            state.update(data)
    return state.hexdigest()
"""

BESIDE_TORCH = """
import torch  # before all of ours
import os, sys
from concurrent.futures import ThreadPoolExecutor
from work import digest

with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(digest, range(4)))
read, write = os.pipe()
child = os.fork()  # after use, of a process that has had threads
if child == 0:
    os.write(write, digest().encode())
    os._exit(0)
os.waitpid(child, 0)
found.append(os.read(read, 100).decode())
print(*found)
"""

SPAWNED = """
import multiprocessing
from work import digest

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(digest(), *pool.map(digest, range(1)))
"""

SUB_INTERPRETER = """
import numpy
import pixcodec
import _xxsubinterpreters as interpreters

data = pixcodec.encode(numpy.zeros((4, 4), numpy.uint8))
try:
    interpreters.run_string(interpreters.create(), "import pixcodec; pixcodec.decode(%r)" % data)
    print("decoded")
except Exception as error:
    print(error)
assert not pixcodec.decode(data).any()
"""


@pytest.fixture(scope="module")
def expected() -> str:
    names: dict[str, Any] = {}
    exec(WORK, names)
    return str(names["digest"]())


def output(folder: Path, code: str, *options: str) -> str:
    (folder / "work.py").write_text(WORK, "utf-8")
    (folder / "main.py").write_text(code, "utf-8")
    command = [sys.executable, *options, str(folder / "main.py")]
    homeless = {name: value for name, value in os.environ.items() if name not in ("HOME", "USERPROFILE")}
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=homeless)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="fork")
def test_threads_and_a_fork_after_use_beside_torch(expected: str, tmp_path: Path) -> None:
    assert output(tmp_path, BESIDE_TORCH).split() == [expected] * 5


@pytest.mark.slow
def test_spawned_processes_without_asserts_and_with_warnings_as_errors(expected: str, tmp_path: Path) -> None:
    assert output(tmp_path, SPAWNED, "-O", "-W", "error").split() == [expected] * 2


@pytest.mark.skipif(not importlib.util.find_spec("_xxsubinterpreters"), reason="Python 3.12 and earlier")
def test_a_sub_interpreter_is_refused_by_numpy_and_harms_nothing(tmp_path: Path) -> None:
    assert "cannot load module more than once per process" in output(tmp_path, SUB_INTERPRETER)
