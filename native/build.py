"""Build the machine code of the kernels, unless it is there: ``python native/build.py [FOLDER]``.

The folder is that of the package where nothing else is said. Each group of entry points is compiled in a
process of its own, as many at a time as there are processors; then all are linked.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from native.link import link  # noqa: E402
from pixcodec.network import native  # noqa: E402

GROUPS = ("fitted", "side", "near", "network", "jpeg", "stream", "nibbles")  # the slowest first


def build(folder: Path = native.FOLDER) -> list[Path]:
    """Write the libraries for all processors to a folder, in which there are no others then; return them."""
    paths = [folder / native.file_name(processor) for processor in native.PROCESSORS["x86_64"]]
    if all(path.exists() for path in paths):
        return paths
    with tempfile.TemporaryDirectory() as scratch:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(lambda group: _in_a_process(group, scratch), GROUPS))
        libraries = {}
        for processor in native.PROCESSORS["x86_64"]:
            parts = sorted(Path(scratch).glob(f"*.{processor}.o"))
            assert len(parts) == len(GROUPS), parts
            libraries[folder / native.file_name(processor)] = link([part.read_bytes() for part in parts])
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.so"):
        old.unlink()
    for path, data in libraries.items():
        path.write_bytes(data)
    return list(libraries)


def _in_a_process(group: str, folder: str) -> None:
    subprocess.run([sys.executable, __file__, "--group", group, folder], check=True)


def _compile(group: str, folder: str) -> None:
    from native.entries import entries
    from native.machine_code import object_files

    for processor, data in object_files(entries(group)).items():
        Path(folder, f"{group}.{processor}.o").write_bytes(data)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--group"]:
        _compile(*sys.argv[2:])
    else:
        build(*map(Path, sys.argv[1:2]))
