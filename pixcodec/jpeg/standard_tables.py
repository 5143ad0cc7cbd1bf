"""The tables of libjpeg's qualities, and which of them agrees with the steps that were found.

Shapes: tables (64,), row-major like blocks. A step of 0 in a table that was found is unknown.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import MAX_STEP, Table

QUALITIES = range(1, 101)
SMALL_STEP = 2  # noise may look like steps up to this
DEFINITE = 6  # coefficients that determine a step

# A table agrees with so many steps at least, and with so many times as many as contradict it. Of steps that
# noise cannot explain, one may contradict it, others count much more.
_LEAST_AGREEING, _LEAST_RATIO, _LEAST_CLEAR_RATIO = 4, 2, 50

# fmt: off
_LUMA_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMA_TABLE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, *(99,) * 38,
)
# fmt: on

# Huffman tables of ITU-T T.81, annex K.3: 16 numbers of codes, by length, and the symbols. DC and AC of luma,
# then of chroma.
HUFFMAN_TABLES = tuple(
    map(
        bytes.fromhex,
        (
            "00010501010101010100000000000000000102030405060708090a0b",
            "0002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c1"
            "1552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a53545556575859"
            "5a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2"
            "b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8"
            "f9fa",
            "00030101010101010101010000000000000102030405060708090a0b",
            "00020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109"
            "233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758"
            "595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9"
            "aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8"
            "f9fa",
        ),
    )
)


class Steps(NamedTuple):
    """The steps that coefficients tell, (64,) each; 0 where they tell none."""

    table: Table  # the step that hardly any coefficient contradicts
    likely: Table  # the step of most likelihood, which some coefficients may contradict
    definite: npt.NDArray[np.bool_]  # whether enough coefficients tell the step

    def equal(self, table: Table) -> npt.NDArray[np.bool_]:
        """Return which steps are, or likely are, those of a table."""
        equal: npt.NDArray[np.bool_] = (self.table == table) | (self.likely == table)
        return equal


@cache
def standard_table(quality: int, component: int) -> Table:
    """Return libjpeg's table of a quality (1..100) for luma (component 0) or chroma; it is read-only."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = np.array(_CHROMA_TABLE if component else _LUMA_TABLE, np.int32)
    table: Table = np.clip((base * scale + 50) // 100, 1, MAX_STEP)
    table.flags.writeable = False
    return table


@cache
def _all_tables() -> Table:
    """Return the tables of luma, then of chroma, the best quality first; shape (2 * qualities, 64)."""
    return np.stack([standard_table(quality, kind) for kind in (0, 1) for quality in reversed(QUALITIES)])


def table_beside(steps: Steps, luma: Table) -> Table | None:
    """Return the table of chroma that goes with one of luma; None if the steps found contradict it.

    It is that of the same quality, if luma's table is one of libjpeg's, or luma's own.
    """
    qualities = [q for q in QUALITIES if (standard_table(q, 0) == luma).all()]
    for table in [standard_table(q, 1) for q in qualities] + [luma]:
        agreeing = int((steps.equal(table) & steps.definite).sum())
        others = int(steps.definite.sum()) - agreeing
        if agreeing >= max(DEFINITE, _LEAST_RATIO * others):
            # MAX_STEP in the table of luma may stand for an unknown step: one that chroma tells stays.
            beyond = (table == MAX_STEP) & (steps.table > SMALL_STEP)
            return np.where(beyond, steps.table, table)
    return None


def agreeing_table(steps: Steps) -> Table | None:
    """Return the table of libjpeg that agrees with most of the steps found; None if too few do."""
    agreements = (steps.equal(_all_tables()) & steps.definite).sum(1)
    best = int(agreements.argmax())
    table, agreement = _all_tables()[best].copy(), int(agreements[best])
    others = steps.definite & ~steps.equal(table)
    clear = others & ((steps.table > table) | (steps.table > SMALL_STEP))
    ratios = _LEAST_RATIO * others.sum(), _LEAST_CLEAR_RATIO * (clear.sum() - 1)
    return table if agreement >= max(_LEAST_AGREEING, *ratios) else None


def huffman_segments() -> list[bytes]:
    """Return the segments DHT of the tables that ITU-T T.81 gives (annex K.3), as libjpeg writes them.

    They are those of DC and AC of luma, then of DC and AC of chroma.
    """
    return [
        b"\xff\xc4" + (3 + len(table)).to_bytes(2, "big") + bytes([kind]) + table
        for kind, table in zip((0x00, 0x10, 0x01, 0x11), HUFFMAN_TABLES, strict=True)
    ]
