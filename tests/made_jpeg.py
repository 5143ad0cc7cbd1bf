"""JPEG files that libjpeg would not write, made from their segments and any coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.jpeg.files.parts import Oddities, Parts, plan_of, put_together
from pixcodec.jpeg.scans.work import ONES, new_coefficients
from pixcodec.jpeg.standard_tables import standard_table

ALL_SYMBOLS = bytes([0] * 7 + [128, 128] + [0] * 7) + bytes(range(256))  # a Huffman table: 8 or 9 bits each
DC, LOW, HIGH = (0, 0), (1, 5), (6, 63)  # first and last frequency of a scan
Factors = list[tuple[int, int]]
Scans = list[tuple[list[int], tuple[int, int], tuple[int, int]]]  # components, frequencies, high and low bit
BASELINE: Scans = [([0], (0, 63), (0, 0))]
FULL: Scans = [([0, 1, 2], (0, 63), (0, 0))]
SCRIPT: Scans = [
    ([0, 1, 2], DC, (0, 1)),
    ([0], LOW, (0, 2)),
    *[([n], (1, 63), (0, 1)) for n in (2, 1)],
    ([0], HIGH, (0, 2)),
    ([0], (1, 63), (2, 1)),
    ([0, 1, 2], DC, (1, 0)),
    *[([n], (1, 63), (1, 0)) for n in (2, 1, 0)],
]


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def skeleton_of(factors: Factors, scans: Scans, *, progressive: bool, interval: int = 0) -> bytes:
    """Return a file without the bytes of its scans, of components with such factors, 37x59 pixels."""
    frame = bytes([8, 0, 37, 0, 59, len(factors)])
    frame += b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in enumerate(factors, 1))
    table = bytes([0]) + standard_table(60, 0).astype(np.uint8).tobytes()
    data = b"\xff\xd8" + segment(0xDB, table) + segment(0xC2 if progressive else 0xC0, frame)
    data += segment(0xC4, b"\0" + ALL_SYMBOLS + b"\x10" + ALL_SYMBOLS)
    data += segment(0xDD, interval.to_bytes(2, "big"))
    for numbers, frequencies, (high, low) in scans:
        chosen = b"".join(bytes([number + 1, 0]) for number in numbers)
        data += segment(0xDA, bytes([len(numbers)]) + chosen + bytes([*frequencies, high << 4 | low]))
    return data + b"\xff\xd9"


def made(skeleton: bytes, share: float = 0.05, most: int = 3, **parts: Any) -> bytes:
    """Return a file with this skeleton, a share of whose coefficients are not 0."""
    plan = plan_of(skeleton)
    coefficients = new_coefficients(plan.frame)
    random = np.random.default_rng(0)
    some = random.random(coefficients.shape) < share
    coefficients[some] = random.integers(-most, most + 1, int(some.sum()))
    given = {"fill": ONES, "padding": b"", "oddities": (Oddities(),) * len(plan.scans), **parts}
    return put_together(Parts(skeleton, **given), plan, coefficients)
