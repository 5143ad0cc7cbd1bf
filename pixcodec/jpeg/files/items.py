"""What the items of a recipe stand for (FORMAT.md, section Items): the usual parts of a JPEG file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.jpeg.files.outline import segment
from pixcodec.jpeg.standard_tables import QUALITIES, standard_table
from pixcodec.jpeg.state import ZIGZAG

END, EOI, BYTES, JFIF, JFIF_GIVEN, ADOBE, INTERVAL, QUALITY, QUALITY_JOINED, QUALITY_LUMA = range(10)
STEPS, SHAPE, FRAME, TABLES, SCAN, EMBEDDED = range(10, 16)
DERIVED = 0x80  # flag of a Huffman table beside its class and number; others are those of codes.SETS
KIND_BITS = 0x13
MAX_SIDE = 0xFFFF  # of a frame, in pixels
SQUARE = 0x40  # flag of JFIF_GIVEN: both densities are equal
# What follows the first tables in a progressive file of libjpeg.
_COLOUR = (
    "0e00000001 0d0190 0e01010502 0d0191 0e04013f01 0d0191 0e02013f01 0d0190 0e01063f02"
    " 0d0190 0e01013f21 0e00000010 0d0191 0e04013f10 0d0191 0e02013f10 0d0190 0e01013f10"
)
_GREY = "0e00000001 0d0190 0e00010502 0d0190 0e00063f02 0d0190 0e00013f21 0e00000010 0d0190 0e00013f10"
_FOUR = " ".join(
    [
        "0e00000001",
        *(f"0d0190 0e{1 << i:02x}{band}" for band in ("010502", "063f02", "013f21") for i in range(4)),
        "0e00000010",
        *(f"0d0190 0e{1 << i:02x}013f10" for i in range(4)),
    ]
)

# Bytes that stand for several items, from FIRST_MACRO on; some have others before them.
FIRST_MACRO = 0x10
MACROS = tuple(
    tuple(map(bytes.fromhex, text.split()))
    for text in (
        "045148",
        *("0d0140 0d0150 0d0141 0d0151", "0d0440504151", "0d0440415051", "0d0140 0d0150"),
        *("0d0420213031", "0d0460617071"),
        *("0d0180 0d0190 0d0181 0d0191", "0d0480908191", "0d0480819091", "0d0180 0d0190"),
        *("0e00003f00", "1b 01 00"),
        *("0c0022", "0c0011", "0c0021", "0c0222", "0c0211", "0c0221"),
        *(_COLOUR, _GREY),
        *(
            f"{frame} {tables} 1c"
            for frame in ("1d", "1e", "1f")
            for tables in ("11", "12", "13", "17", "19")
        ),
        *("1e 14 1c", "1e 1a 1c"),
        *(f"{frame} 0d0180 0d0181 23 01 00" for frame in ("20", "21", "22")),
        "21 0d0180 24 01 00",
        *(_FOUR, "21 0d0180 3a 01 00"),
    )
)


class Shape(NamedTuple):
    """What is known of the frame that follows."""

    width: int
    height: int
    components: int

    @property
    def names(self) -> bytes:
        """Return the usual names of the components."""
        return b"CMYK" if self.components == 4 else bytes(range(1, self.components + 1))

    def table(self, number: int) -> int:
        """Return the usual number of the tables of a component."""
        return int(number > 0 and self.components < 4)


def jfif(flags: int, across: int, down: int) -> bytes:
    """Return the segment APP0 without a thumbnail; flags are the minor version and, from bit 4 on, units."""
    density = across.to_bytes(2, "big") + down.to_bytes(2, "big")
    return segment(0xE0, b"JFIF\0\1" + bytes([flags & 15, flags >> 4 & 3]) + density + bytes(2))


def adobe(flags: int) -> bytes:
    """Return the segment APP14; the lowest two bits are the transform, the highest two those of its flags."""
    return segment(0xEE, b"Adobe\0\x64" + bytes([flags & 0xC0, 0, 0, 0, flags & 3]))


def interval(units: int) -> bytes:
    """Return the segment DRI."""
    return segment(0xDD, units.to_bytes(2, "big"))


def quality_tables(item: int, quality: int) -> bytes:
    """Return the segments DQT of libjpeg's quality 1..100."""
    if quality not in QUALITIES:
        raise ValueError(f"quality is {quality}")
    tables = [bytes([i]) + standard_table(quality, i)[ZIGZAG].astype(np.uint8).tobytes() for i in (0, 1)]
    if item == QUALITY_LUMA:
        del tables[1]
    if item == QUALITY_JOINED:
        tables = [b"".join(tables)]
    return b"".join(segment(0xDB, table) for table in tables)


def frame(progress: int, factors: int, shape: Shape) -> bytes:
    """Return the segment SOF0, SOF1 or SOF2, with the sampling factors of the first component.

    Raises
    ------
    ValueError
        If the image is larger than a JPEG file can say.
    """
    if max(shape.height, shape.width) > MAX_SIDE:
        raise ValueError(f"the frame is {shape.width}x{shape.height}, expected up to {MAX_SIDE}x{MAX_SIDE}")
    size = shape.height.to_bytes(2, "big") + shape.width.to_bytes(2, "big")
    parts = [
        bytes([name, 0x11 if number else factors, shape.table(number)])
        for number, name in enumerate(shape.names)
    ]
    return segment(0xC0 + progress, b"\x08" + size + bytes([shape.components]) + b"".join(parts))


def scan(mask: int, band: bytes, shape: Shape) -> bytes:
    """Return the segment SOS of some components, with its last three bytes; a mask of 0 stands for all."""
    first, last, bits = band
    dc, ac = first == 0 and bits < 16, last > 0
    chosen = [number for number in range(shape.components) if mask >> number & 1 or not mask]
    parts = [bytes([shape.names[n], shape.table(n) * (dc << 4 | ac)]) for n in chosen]
    return segment(0xDA, bytes([len(chosen)]) + b"".join(parts) + band)
