"""Images that tests share: small crops of photographs from tests/images, and generated ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
AnyImage = npt.NDArray[Any] | Image.Image

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


def any_photo(height: int, width: int, channels: int) -> Pixels:
    """Return a crop of a photograph with any number of channels, at most 61x47 pixels."""
    image = photo(3, height, width)
    return np.concatenate([image, image[:, :, :1] // 2 + 64], 2)[:, :, [3, 1, 2, 0][:channels]]


def _four(kind: str, height: int, width: int, channels: int) -> Pixels:
    """Return an image of any kind with up to four channels, the last of which is another one upside down."""
    if kind == "photo":
        return any_photo(height, width, channels)
    if channels < 4:
        return KINDS[kind](height, width, channels)
    image = KINDS[kind](height, width, 3)
    return np.concatenate([image, image[::-1, :, 1:2]], 2)


def _deep(image: Pixels, bits: int) -> npt.NDArray[np.uint16]:
    """Return an image of more bits, whose low ones are noise where the high ones are odd."""
    low = np.random.default_rng(bits).integers(0, 1 << (bits - 8), image.shape, np.uint16)
    return (image.astype(np.uint16) << (bits - 8)) + low * (image & 1)


def _paletted(image: Pixels, bits: int) -> Image.Image:
    height, width, _ = image.shape
    paletted = Image.frombytes("P", (width, height), (image >> (8 - bits)).tobytes())
    paletted.putpalette(np.random.default_rng(bits).integers(0, 256, 3 << bits, np.uint8).tobytes())
    return paletted


# An image of each mode and of several bit depths, of any kind: "photo" or one of KINDS.
MODES: dict[str, Callable[[str, int, int], AnyImage]] = {
    "grey": lambda *size: _four(*size, 1)[:, :, 0],
    "grey_alpha": lambda *size: _four(*size, 2),
    "rgb": lambda *size: _four(*size, 3),
    "rgba": lambda *size: _four(*size, 4),
    "cmyk": lambda *size: Image.fromarray(_four(*size, 4), "CMYK"),
    "palette": lambda *size: _paletted(_four(*size, 1), 8),
    "palette_4": lambda *size: _paletted(_four(*size, 1), 4),
    "palette_1": lambda *size: _paletted(_four(*size, 1), 1),
    "bilevel": lambda *size: _four(*size, 1)[:, :, 0] > 127,
    "grey_16": lambda *size: _deep(_four(*size, 1), 16)[:, :, 0],
    "grey_alpha_12": lambda *size: _deep(_four(*size, 2), 12),
    "rgb_9": lambda *size: _deep(_four(*size, 3), 9),
    "rgb_16": lambda *size: _deep(_four(*size, 3), 16),
    "rgba_16": lambda *size: _deep(_four(*size, 4), 16),
}


def raw_size_bytes(mode: str, height: int, width: int) -> int:
    """Return the size of such an image without a header, in as few bits a subpixel as its mode has."""
    name, _, bits = mode.rpartition("_")
    depth = 1 if mode == "bilevel" else int(bits) if name and bits.isdigit() else 8
    channels = {"grey_alpha": 2, "rgb": 3, "rgba": 4, "cmyk": 4}.get(name if bits.isdigit() else mode, 1)
    return -(-height * width * channels * depth // 8)
