"""Images that tests share: small crops of photographs from tests/images, and generated ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

IMAGES = Path(__file__).parent / "images"
GOLDEN = Path(__file__).parent / "golden"


def photo(channels: int, height: int = 47, width: int = 61, *, number: int = 23) -> Pixels:
    """Return the top left corner of a 61x47 crop of a photograph, shape (H, W, C)."""
    kind = {1: "grey", 3: "rgb"}[channels]
    with Image.open(IMAGES / f"kodak{number:02}_61x47_{kind}.png") as image:
        pixels = np.asarray(image).reshape(47, 61, channels)
    assert height <= 47
    assert width <= 61
    return np.ascontiguousarray(pixels[:height, :width])


def large_photo() -> Pixels:
    """Return an RGB crop of a photograph, 257x130 pixels."""
    with Image.open(IMAGES / "kodak23_257x130_rgb.png") as image:
        return np.array(image)


def flat(height: int, width: int, channels: int) -> Pixels:
    return np.full((height, width, channels), 200, np.uint8)


def gradient(height: int, width: int, channels: int) -> Pixels:
    y, x, c = np.ogrid[:height, :width, :channels]
    return ((2 * x + 3 * y + 40 * c) % 256).astype(np.uint8)


def noise(height: int, width: int, channels: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def pixel_art(height: int, width: int, channels: int) -> Pixels:
    """Return blocks of 4x4 pixels in four colours, black and white among them."""
    palette = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 32], [16, 200, 255]], np.uint8)[:, :channels]
    y, x = np.ogrid[:height, :width]
    return palette[(x // 4 * 5 + y // 4 * 3 + (x // 8) * (y // 12)) % 4]


KINDS = {"flat": flat, "gradient": gradient, "noise": noise, "pixel_art": pixel_art}
