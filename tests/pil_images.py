"""A PIL image of each mode for tests, and how two of them are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

GREY = np.arange(6, dtype=np.uint8).reshape(2, 3)
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
RGBA = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
DEEP = 257 * RGB.astype(np.uint16)


def with_palette(mode: str = "RGB", colours: int = 5, *, transparency: Any = None) -> Image.Image:
    image = Image.frombytes("P", (3, 2), bytes([0, 1, 2, 3, 4, 0]))
    image.putpalette(bytes(range(7, 7 + len(mode) * colours)), mode)
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


def assert_same_image(found: Image.Image, image: Image.Image) -> None:
    assert (found.mode, found.size) == (image.mode, image.size)
    assert found.tobytes() == image.tobytes()
    assert found.info == image.info
    assert (found.palette is None) == (image.palette is None)
    if image.palette is not None:
        assert found.palette is not None
        assert found.palette.mode == image.palette.mode
        mode = image.palette.mode
        assert found.im.getpalette(mode, mode) == image.im.getpalette(mode, mode)
        assert found.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


IMAGES = {
    "1": Image.fromarray(GREY > 3),
    "L": Image.fromarray(GREY),
    "LA": Image.fromarray(RGB[..., :2].copy(), "LA"),
    "P": with_palette(),
    "P of RGBA": with_palette("RGBA"),
    "P of 256 colours": Image.frombytes("L", (256, 1), bytes(range(256))).convert("P"),
    "RGB": Image.fromarray(RGB),
    "RGBA": Image.fromarray(RGBA),
    "CMYK": Image.fromarray(RGBA, "CMYK"),
    "I;16": Image.fromarray(DEEP[..., 2].copy()),
    "I;16B": Image.frombytes("I;16B", (3, 2), bytes(range(12))),
    "I;16L": Image.frombytes("I;16L", (3, 2), bytes(range(12))),
}
