"""What the subpixels of a pixel are (FORMAT.md, "HEAD"); standard library only."""

from __future__ import annotations

from enum import IntEnum

from pixcodec.container.deep import DEEP_DEPTHS


class Mode(IntEnum):
    """What the subpixels of a pixel are."""

    GREY = 0
    RGB = 1
    GREY_ALPHA = 2
    RGBA = 3
    CMYK = 4
    PALETTE = 5
    BILEVEL = 6
    DEEP = 7  # samples of up to 32 bits, up to 32 bands

    @property
    def channels(self) -> int:
        """Return the number of subpixels of a pixel; of DEEP the header knows it, and this is 1."""
        return _CHANNELS[self]

    @property
    def has_alpha(self) -> bool:
        """Return whether the last subpixel is alpha."""
        return self in (Mode.GREY_ALPHA, Mode.RGBA)

    @property
    def bit_depths(self) -> tuple[int, ...]:
        """Return the numbers of bits that a subpixel may have."""
        if self is Mode.PALETTE:
            return tuple(range(1, 9))
        if self is Mode.BILEVEL:
            return (1,)
        if self is Mode.DEEP:
            return DEEP_DEPTHS
        return (8,) if self is Mode.CMYK else tuple(range(8, 17))


_CHANNELS = {
    Mode.GREY: 1,
    Mode.RGB: 3,
    Mode.GREY_ALPHA: 2,
    Mode.RGBA: 4,
    Mode.CMYK: 4,
    Mode.PALETTE: 1,
    Mode.BILEVEL: 1,
    Mode.DEEP: 1,
}
