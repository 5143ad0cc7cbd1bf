"""Sizes, ratios and numbers of things as people read them."""

from __future__ import annotations


def megabytes(size_bytes: int) -> str:
    """Write a size in units of 10^6 bytes, a small one in 10^3 bytes or bytes.

    >>> megabytes(84_200_000), megabytes(1_234), megabytes(999)
    ('84.2 MB', '1.2 kB', '999 bytes')
    """
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"


def smaller(ratio: float) -> str:
    """Write by how much something is smaller, or larger, that is ``ratio`` of what it was.

    >>> smaller(0.614), smaller(1.02)
    ('38.6 % smaller', '2.0 % larger')
    """
    return f"{100 * abs(1 - ratio):.1f} % {'smaller' if ratio <= 1 else 'larger'}"


def count(number: int, what: str) -> str:
    """Write a number of things, in the plural where it is not one.

    >>> count(1, "file"), count(31, "file")
    ('1 file', '31 files')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write a time, with a decimal below ten seconds, and in minutes and hours above.

    >>> duration(4.25), duration(41), duration(150), duration(7260)
    ('4.2 s', '41 s', '2 min 30 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
