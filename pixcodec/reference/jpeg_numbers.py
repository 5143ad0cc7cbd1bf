"""Numbers that all coefficients of JPEG need: the order of frequencies, and functions of the formulas."""

from __future__ import annotations

from pixcodec.reference.arithmetic import clamp

ORDER = sorted(
    ((u, v) for u in range(8) for v in range(8)),
    key=lambda f: (sum(f), f[0] if sum(f) % 2 else f[1]),
)


def log4(m):
    """Section Fits."""
    m, steps = m + 1, 0
    while m >= 8:
        m, steps = m >> 1, steps + 4
    return min(steps + (0, 0, 4, 6, 8, 9, 10, 11)[m], 47)


def slog4(a):
    return 48 + log4(a) if a >= 0 else 48 - log4(-a)


FUNCTIONS = {
    "log4": log4,
    "slog4": slog4,
    "clamp": clamp,
    "cut": lambda a, m: clamp(a, -m, m) + m,
}
