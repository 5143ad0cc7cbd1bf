"""Samples Y, Cb and Cr -> colours, as several decoders compute them (FORMAT.md, section Colours).

Shapes: H height, W width.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.decoders import Colours
from pixcodec.jpeg.transform import Numbers, Plane

_LEVELS = np.arange(-128, 128)


class Conversion(NamedTuple):
    """What samples of chroma (256 values each) add to luma."""

    red_of_cr: npt.NDArray[np.int16]
    blue_of_cb: npt.NDArray[np.int16]
    green_of_cr: Numbers  # times 2**bits
    green_of_cb: Numbers  # likewise, and the half for rounding
    bits: int

    def green_of(self, blue: Plane, red: Plane) -> Numbers:
        """Return what samples Cb and Cr add to green, in the shape of both."""
        green: Numbers = (self.green_of_cb[blue] + self.green_of_cr[red]) >> self.bits
        return green

    def to_rgb(self, luma: Plane, blue: Plane, red: Plane) -> Plane:
        """Return the colours (H, W, 3) of planes Y, Cb and Cr (H, W)."""
        y = luma.astype(np.int16)
        out = np.empty((*luma.shape, 3), np.uint8)
        out[..., 0] = np.clip(y + self.red_of_cr[red], 0, 255)
        out[..., 1] = np.clip(y + self.green_of(blue, red), 0, 255)
        out[..., 2] = np.clip(y + self.blue_of_cb[blue], 0, 255)
        return out


def _conversion(factors: tuple[int, int, int, int], bits: int, kept: int) -> Conversion:
    """Return the conversion of factors of Cr in red, Cb in blue, Cr and Cb in green, in 2**-bits.

    ``kept`` is a mask of the bits that the product of Cb in green keeps.
    """
    half = 1 << (bits - 1)
    red, blue, green_red, green_blue = (factor * _LEVELS for factor in factors)
    return Conversion(
        ((red + half) >> bits).astype(np.int16),
        ((blue + half) >> bits).astype(np.int16),
        green_red.astype(np.int32),
        ((green_blue & kept) + half).astype(np.int32),
        bits,
    )


# R = Y + 1.402 Cr, G = Y - 0.344136 Cb - 0.714136 Cr, B = Y + 1.772 Cb, of chroma less 128. stb_image has
# factors of 12 bits, in 2**-20, and drops the lower 16 bits of one product.
CONVERSIONS = {
    Colours.LIBJPEG: _conversion((91881, 116130, -46802, -22554), 16, -1),
    Colours.STB: _conversion((5743 << 8, 7258 << 8, -2925 << 8, -1410 << 8), 20, -1 << 16),
}
