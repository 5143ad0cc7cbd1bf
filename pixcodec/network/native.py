"""The machine code of the kernels that is installed with the package: a library for each kind of processor.

A library is named after the sources of the kernels and the processor that it is for, so that code of other
sources is never used. It is in the folder ``machine_code``, which a wheel brings along, and into which
``python native/build.py`` of the repository writes. PIXCODEC_NATIVE=0 in the environment: do without.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

PROFILING = bool(os.environ.get("PIXCODEC_PROFILE"))  # see pixcodec.network.profiling
CHECKING = bool(os.environ.get("PIXCODEC_CHECK_INDICES"))  # a negative index of an array ends the process
ROOMS = ("network", "mixing", "coding", "jpeg", "jpeg/scans", "jpeg/stream")  # where the kernels are
FOLDER = Path(__file__).parent / "machine_code"
VARIABLE = "PIXCODEC_NATIVE"
WIDE_VECTORS = "pixcodec_wide_vectors"  # in machine code: the function that says whether it has AVX-512
FAILED = -(2**63)  # what a function returns where a kernel would have raised an error

# Of each machine the processors that there are libraries for, the best first, and what they must know.
PROCESSORS: dict[str, dict[str, set[str]]] = {
    "x86_64": {
        "avx512": {
            "avx512bw",
            "avx512dq",
            "avx512vl",
            "avx512cd",
            "avx512_vnni",
            "bmi1",
            "bmi2",
            "abm",
            "movbe",
            "f16c",
        },
        "avx2": {"avx2", "bmi1", "bmi2", "abm", "movbe", "f16c"},
        "sse4": {"sse4_2", "ssse3", "popcnt"},
    },
}


@cache
def sources_digest() -> int:
    """Return a hash of the source of all kernels, 60 bits."""
    package = Path(__file__).parent.parent
    digest = hashlib.blake2b(bytes([PROFILING + 2 * CHECKING]), digest_size=8)
    for room in ROOMS:
        for path in sorted(package.joinpath(room).glob("*.py")):
            digest.update(path.read_bytes())
    return int.from_bytes(digest.digest(), "little") >> 4


def file_name(processor: str) -> str:
    """Return the name of the library for a processor."""
    return f"kernels-{sources_digest():015x}-{processor}.so"


@cache
def find(symbol: str, arguments: int) -> Any:
    """Return the function of this name, which takes so many addresses and integers, or None."""
    function = getattr(_library(), symbol, None)
    if function is not None:
        function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_int64] * arguments
    return function


def in_use() -> str:
    """Return which machine code runs, for a message."""
    library = _library()
    return Path(library._name).stem if library is not None else "kernels compiled by numba"


def reason() -> str:
    """Return why there is no machine code, for a message."""
    if os.environ.get(VARIABLE) == "0":
        return f"{VARIABLE}=0 turns the machine code of this package off"
    if _library() is None:
        return (
            f"this package has no machine code for this processor ({platform.system()} {platform.machine()})"
        )
    return "the machine code of this package lacks a kernel"


@cache
def _library() -> Any:
    """Return the library that suits the sources and this processor, or None."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "0" or platform.system() != "Linux" or not FOLDER.is_dir():
        return None
    processors = PROCESSORS.get(platform.machine(), {})
    known = features()
    for processor, needed in processors.items():
        path = FOLDER / file_name(processor)
        if needed <= known and wanted in ("", processor) and path.exists():
            try:
                return ctypes.CDLL(str(path))
            except OSError:  # the folder may not be executed from
                return None
    return None


@cache
def features() -> frozenset[str]:
    """Return the features of the first processor, by the names of Linux."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()
