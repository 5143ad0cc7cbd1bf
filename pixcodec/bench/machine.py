"""What a measurement was taken on: processor, cores, date, limits of threads."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

from pixcodec.bench.record import Run

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")


def describe_run(threads: int, repeat: int, note: str = "") -> Run:
    """Return date, machine and settings of a run that begins now."""
    return {
        "id": 1,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {"cpu": cpu_model(), "cores": available_cores(), "system": platform.system()},
        "python": platform.python_version(),
        "threads": threads,
        "repeat": repeat,
        "environment": thread_environment(threads),
        "note": note,
    }


def thread_environment(threads: int) -> dict[str, str]:
    """Limit the libraries' thread pools, except where the caller's environment already does."""
    return {name: os.environ.get(name, str(threads)) for name in THREAD_VARIABLES}


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Name the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
