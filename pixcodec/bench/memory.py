"""Memory of this process: its resident set now, and the largest since a reset."""

from __future__ import annotations

import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Reset the peak to the present resident set, where the system can (Linux)."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError:
        return


def peak_bytes() -> int:
    """Give the largest resident set since `reset_peak`, or since the start where that cannot reset.

    On Linux this is VmHWM and not ``ru_maxrss``, which begins at the resident set of the parent process.
    0 where the system does not say it (Windows).
    """
    if STATUS.exists():
        return _status_bytes("VmHWM")
    if sys.platform == "win32":
        return 0
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def resident_bytes() -> int:
    """Give the resident set now (Linux), elsewhere the largest so far."""
    return _status_bytes("VmRSS") if STATUS.exists() else peak_bytes()


def _status_bytes(field: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"expected a line {field} in {STATUS}, found none")
