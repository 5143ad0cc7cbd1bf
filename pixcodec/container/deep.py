"""What the samples of an image of mode DEEP are (FORMAT.md, "Deep images"); standard library only."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

MAX_BANDS = 32
DEEP_SIZE_BYTES = 3  # at the end of HEAD: bands, kind, meaning
DEEP_DEPTHS = (8, 16, 32)  # bits of a sample
MOST_CODED_DEPTH = 32  # bits of a code
_KIND_SHIFT, _KIND_MASK, _MEANING_SHIFT = 5, 3, 7  # in the index of a series, after the number of bands


class SampleKind(IntEnum):
    """How the bits of a sample are read."""

    UNSIGNED = 0
    SIGNED = 1  # two's complement
    FLOAT = 2  # binary16 or binary32 of IEEE 754


class Meaning(IntEnum):
    """What the bands are."""

    UNSPECIFIED = 0
    LAB = 1
    YCBCR = 2
    HSV = 3
    GREY_PREMULTIPLIED = 4  # grey values multiplied by alpha, and alpha
    RGB_PREMULTIPLIED = 5
    PALETTE_ALPHA = 6  # indices of a palette, and alpha


BANDS_OF_MEANING = {
    Meaning.LAB: 3,
    Meaning.YCBCR: 3,
    Meaning.HSV: 3,
    Meaning.GREY_PREMULTIPLIED: 2,
    Meaning.RGB_PREMULTIPLIED: 4,
    Meaning.PALETTE_ALPHA: 2,
}


class Deep(NamedTuple):
    """What HEAD says of an image of mode DEEP alone."""

    bands: int
    kind: SampleKind = SampleKind.UNSIGNED
    meaning: Meaning = Meaning.UNSPECIFIED

    def check(self, bit_depth: int) -> None:
        """Raise ValueError unless there can be such an image of samples of so many bits."""
        if not 1 <= self.bands <= MAX_BANDS:
            raise ValueError(f"number of bands is {self.bands}, expected 1..{MAX_BANDS}")
        if self.kind is SampleKind.FLOAT and bit_depth == DEEP_DEPTHS[0]:
            raise ValueError(f"floats have {bit_depth} bits")
        plain = self.kind is SampleKind.UNSIGNED and bit_depth == DEEP_DEPTHS[0]
        if self.meaning is not Meaning.UNSPECIFIED and not (
            plain and self.bands == BANDS_OF_MEANING[self.meaning]
        ):
            raise ValueError(
                f"{self.bands} bands of {bit_depth} bits, kind {self.kind.name}, are not {self.meaning.name}"
            )


def pack_deep(deep: Deep) -> bytes:
    """Return the bytes at the end of HEAD."""
    return bytes(deep)


def deep_number(deep: Deep) -> int:
    """Return the number that stands for it in the index of a series."""
    return (deep.bands - 1) | deep.kind << _KIND_SHIFT | deep.meaning << _MEANING_SHIFT


def numbered_deep(number: int) -> Deep | None:
    """Return what a number stands for; None if this version of pixcodec knows no such kind or meaning."""
    kind, meaning = number >> _KIND_SHIFT & _KIND_MASK, number >> _MEANING_SHIFT
    if kind > max(SampleKind) or meaning > max(Meaning):
        return None
    return Deep((number & MAX_BANDS - 1) + 1, SampleKind(kind), Meaning(meaning))
