"""JPEG decoders, of which each computes pixels in its own way (FORMAT.md, section Decoders)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Transform(IntEnum):
    """How samples follow from coefficients."""

    SLOW = 0  # libjpeg's exact integers (jidctint.c)
    FAST = 1  # libjpeg's fast integers, which are less exact (jidctfst.c)
    STB = 2  # stb_image's


class Upsampling(IntEnum):
    """How chroma is made as large as luma."""

    FANCY = 0  # libjpeg-turbo's: interpolation by factors of 2
    BOX = 1  # samples are repeated
    STB = 2  # stb_image's: the interpolation with other roundings


class Colours(IntEnum):
    """How pixels follow from samples of three components."""

    LIBJPEG = 0
    STB = 1


class Decoder(NamedTuple):
    """How the pixels follow from the coefficients."""

    transform: Transform
    upsampling: Upsampling
    colours: Colours


DEFAULT = Decoder(Transform.SLOW, Upsampling.FANCY, Colours.LIBJPEG)
DECODERS = (
    DEFAULT,
    Decoder(Transform.SLOW, Upsampling.BOX, Colours.LIBJPEG),
    Decoder(Transform.FAST, Upsampling.FANCY, Colours.LIBJPEG),
    Decoder(Transform.FAST, Upsampling.BOX, Colours.LIBJPEG),
    Decoder(Transform.STB, Upsampling.STB, Colours.STB),
)  # by their numbers in files
