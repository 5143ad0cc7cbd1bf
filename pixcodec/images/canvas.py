"""The canvas onto which the frames of an animation are drawn (FORMAT.md, "Series", "The canvas").

Shapes: H height, W width of the canvas; h, w of a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.container.frames import Disposal, Setting
from pixcodec.container.header import Mode
from pixcodec.errors import CorruptFileError
from pixcodec.images.colours import unpack_colours
from pixcodec.images.picture import Picture
from pixcodec.images.planes import Pixels
from pixcodec.images.transparency import unpack_transparency

Colours = npt.NDArray[Any]  # uint8 or uint16

_OPAQUE = 255
_PALETTE_BITS = 8
_CHUNK = 1 << 10  # colours that are compared at a time


class Canvas:
    """The canvas of an animation, RGBA, fully transparent at first.

    Parameters
    ----------
    width, height : int
    deep : bool
        Whether its subpixels have 16 bits.
    blends : bool
        Whether a pixel that is partly transparent is mixed with the one below; else it replaces that.
    """

    def __init__(self, width: int, height: int, *, deep: bool = False, blends: bool = True) -> None:
        self.pixels: Colours = np.zeros((height, width, 4), np.uint16 if deep else np.uint8)
        self.before_disposal: Colours = self.pixels
        self._top = 65535 if deep else 255
        self._blends = blends

    def draw(self, picture: Picture, setting: Setting) -> Colours:
        """Draw a frame; return what is shown, (H, W, 4), and let its disposal follow."""
        height, width = picture.pixels.shape[:2]
        place = slice(setting.y, setting.y + height), slice(setting.x, setting.x + width)
        drawn = self._scaled(to_rgba(picture), picture)
        shown = self.pixels.copy()
        shown[place] = self._over(drawn, shown[place]) if setting.over else drawn
        if setting.disposal is Disposal.CLEAR:
            self.pixels = shown.copy()
            self.pixels[place] = 0
        elif setting.disposal is not Disposal.RESTORE:
            self.pixels = shown
        self.before_disposal = shown
        return shown

    def _scaled(self, drawn: Colours, picture: Picture) -> Colours:
        """Return the colours (h, w, 4) of a picture with as many bits as the canvas has."""
        if self._top > _OPAQUE and drawn.dtype == np.uint8:
            return drawn.astype(np.uint16) * (self._top // _OPAQUE)
        return drawn

    def _over(self, drawn: Colours, below: Colours) -> Colours:
        alpha = drawn[..., 3:]
        if not self._blends or not np.any((alpha > 0) & (alpha < self._top)):
            return np.where(alpha > 0, drawn, below)
        a, b = alpha.astype(np.int64), below[..., 3:].astype(np.int64)
        total = a * self._top + b * (self._top - a)  # alpha of the result, times top
        mixed = drawn[..., :3] * a * self._top + below[..., :3] * b * (self._top - a)
        colours = (mixed + total // 2) // np.maximum(total, 1)
        result = np.concatenate([colours, (total + self._top // 2) // self._top], axis=-1)
        return np.where(alpha == 0, below, result.astype(drawn.dtype))


def to_rgba(picture: Picture) -> Colours:
    """Return the colours (H, W, 4) of a picture: uint8, or uint16 if it has more than 8 bits.

    CMYK is not converted to what it looks like: the colours are its first three channels.
    """
    pixels = picture.pixels
    if picture.mode is Mode.PALETTE:
        return palette_colours(picture.palette, picture.transparency)[0][pixels[:, :, 0]]
    top = 65535 if pixels.dtype == np.uint16 else _OPAQUE
    result: Colours = np.full((*pixels.shape[:2], 4), top, pixels.dtype)
    if picture.mode is Mode.BILEVEL:
        result[..., :3] = pixels * _OPAQUE
    else:
        colours = 1 if picture.mode in (Mode.GREY, Mode.GREY_ALPHA) else 3
        result[..., :3] = pixels[..., :colours]
    if picture.mode.has_alpha:
        result[..., 3] = pixels[..., -1]
    elif picture.transparency:
        result[..., 3][_is_transparent(picture)] = 0
    return result


def _is_transparent(picture: Picture) -> npt.NDArray[np.bool_]:
    """Return which pixels (H, W) of an image without alpha have the transparent colour."""
    key = unpack_transparency(picture.transparency)
    values = np.array([key] if isinstance(key, int) else list(key), np.int64)
    if values.size not in (1, picture.pixels.shape[2]):
        return np.zeros(picture.pixels.shape[:2], bool)
    scale = _OPAQUE if picture.mode is Mode.BILEVEL else 1
    same: npt.NDArray[np.bool_] = (picture.pixels.astype(np.int64) * scale == values).all(axis=2)
    return same


def palette_colours(palette: bytes, transparency: bytes) -> tuple[Colours, int]:
    """Return the colours (256, 4) of a palette, black where there are too few, and how many it has.

    Parameters
    ----------
    palette, transparency : bytes
        Payloads of the chunks PLTE and TRNS.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    size = palette[0]
    if size not in (3, 4) or len(palette) < 2:
        raise CorruptFileError(f"chunk 'PLTE': entries are {size} bytes, expected 3 or 4")
    entries = unpack_colours(palette[1:], size, _PALETTE_BITS)
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = _OPAQUE
    colours[: len(entries), :size] = entries
    if transparency:
        key = unpack_transparency(transparency)
        if isinstance(key, bytes):
            colours[: len(key), 3] = np.frombuffer(key, np.uint8)
        elif isinstance(key, int) and key < len(colours):
            colours[key, 3] = 0
    return colours, len(entries)


def nearest(colours: Colours, pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Return for each pixel (h, w, C) the number of the nearest of the colours (n, C), the first of several.

    The distance is the sum of squared differences.
    """
    height, width, channels = pixels.shape
    packed = np.zeros(height * width, np.int64)
    for c in range(channels):
        packed = packed << 8 | pixels[..., c].reshape(-1)
    values, places = np.unique(packed, return_inverse=True)
    found = np.empty(len(values), np.uint8)
    table = colours.astype(np.int32)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        each = np.stack([part >> 8 * (channels - 1 - c) & 255 for c in range(channels)], axis=1)
        off = ((each[:, None, :].astype(np.int32) - table) ** 2).sum(axis=2)
        found[start : start + _CHUNK] = off.argmin(axis=1)
    return found[places].reshape(height, width)
