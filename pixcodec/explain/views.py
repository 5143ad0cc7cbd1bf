"""Explanations as pictures: an image beside the bits of its pixels, with a scale; differences of two.

Shapes: H W height and width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pixcodec.explain.costs import Floats
from pixcodec.generation.views import heat_map

Pixels = npt.NDArray[np.uint8]

_GAP, _SCALE_WIDTH, _MARGIN = 12, 16, 8
_UNLIKE_RGB = ("LAB", "La", "PA", "RGBa")  # modes of PIL images whose bands are shown as they are
_FONT_SIZES = 11, 22  # of small and large images, in pixels
_LARGE = 1200  # pixels of height from which on an image is large
_PAPER, _INK = (255, 255, 255), (40, 40, 40)
_TICKS = 4
_QUANTILE = 0.995  # of pixels that the scale shows apart


def top_of(bits: Floats) -> float:
    """Return the bits of a pixel at the upper end of a scale: few pixels take more."""
    return max(float(np.quantile(bits, _QUANTILE)), 0.1)


def difference_map(values: Floats, top: float) -> Pixels:
    """Return differences (H, W) as colours (H, W, 3): blue below 0, white 0, red above, full at ``top``."""
    at = np.clip(values / top, -1, 1)[..., None]
    red, blue = np.array([178, 24, 43], np.float64), np.array([33, 102, 172], np.float64)
    colours = 255 + np.where(at > 0, at * (red - 255), -at * (blue - 255))
    found: Pixels = np.rint(colours).astype(np.uint8)
    return found


def beside(image: Pixels, bits: Floats, *, top: float | None = None, difference: bool = False) -> Pixels:
    """Return an image (H, W, 3), a map of the bits of its pixels (H, W), and a scale, side by side.

    Parameters
    ----------
    image : ndarray of uint8
    bits : ndarray of float64
        Bits of each pixel, or of how many more another way takes.
    top : float, optional
        Bits at the upper end of the scale.
    difference : bool
        Whether the bits are a difference, whose scale begins at -top.
    """
    top = (top_of(np.abs(bits)) if top is None else top) or 0.1
    colours = difference_map(bits, top) if difference else heat_map(bits, top)
    height, width = bits.shape
    font = ImageFont.load_default(_FONT_SIZES[height >= _LARGE])
    labels = _labels(top, difference=difference)
    text_width = max(int(font.getlength(text)) for _, text in labels)
    total = 2 * width + 2 * _GAP + _SCALE_WIDTH + _MARGIN + text_width + _MARGIN
    least = 8 * _FONT_SIZES[0]
    sheet = Image.new("RGB", (total, max(height, least) + 2 * _MARGIN), _PAPER)
    sheet.paste(Image.fromarray(image), (0, _MARGIN))
    sheet.paste(Image.fromarray(colours), (width + _GAP, _MARGIN))
    long = max(height, least)
    ramp = np.linspace(top, -top if difference else 0, long)[:, None].repeat(_SCALE_WIDTH, 1)
    scale = difference_map(ramp, top) if difference else heat_map(ramp, top)
    x = 2 * width + 2 * _GAP
    sheet.paste(Image.fromarray(scale), (x, _MARGIN))
    draw = ImageDraw.Draw(sheet)
    for share, text in labels:
        y = _MARGIN + round((1 - share) * (long - 1))
        draw.line([(x + _SCALE_WIDTH, y), (x + _SCALE_WIDTH + 3, y)], fill=_INK)
        draw.text((x + _SCALE_WIDTH + _MARGIN, y), text, fill=_INK, font=font, anchor="lm")
    return np.asarray(sheet)


def _labels(top: float, *, difference: bool) -> list[tuple[float, str]]:
    """Return the places on a scale, 0..1, and their texts."""
    found = []
    for k in range(_TICKS + 1):
        share = k / _TICKS
        value = top * (2 * share - 1) if difference else top * share
        found.append((share, f"{value:+.2g}" if difference and value else f"{value:.2g}"))
    found[-1] = (1.0, found[-1][1] + " bits")
    return found


def shown(image: Any) -> Pixels:
    """Return a PIL image, or an array of any type of samples, as RGB of 8 bits (H, W, 3) to look at."""
    if not isinstance(image, Image.Image) or image.mode in ("I", "F"):
        deep = _in_16_bits(np.asarray(image))
        flat = deep.reshape(*deep.shape[:2], -1)
        colours = flat[:, :, :3] if flat.shape[2] > 2 else flat[:, :, :1].repeat(3, 2)
        high = colours >> 8 if deep.dtype == np.uint16 else colours
        shades: Pixels = high.astype(np.uint8)
        return shades
    if image.mode.startswith("I;16"):
        deep = np.asarray(image)
        return shown((deep.astype(np.float64) * (65535 / max(int(deep.max()), 1))).astype(np.uint16))
    if image.mode in _UNLIKE_RGB:
        bands = np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, -1)
        return shown(np.ascontiguousarray(bands))
    rgb: Pixels = np.asarray(image.convert("RGB"))
    return rgb


def _in_16_bits(array: Any) -> Any:
    """Return an array of uint8 or uint16 as it is, any other with its finite values scaled to 16 bits."""
    if array.dtype in (np.uint8, np.uint16):
        return array
    values = array.astype(np.float64)
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 1.0)
    scaled = (np.where(finite, values, low) - low) * (65535 / max(high - low, np.finfo(np.float64).tiny))
    return np.clip(scaled, 0, 65535).astype(np.uint16)
