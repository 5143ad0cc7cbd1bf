"""What a frame is predicted from: the canvas before it, as the planes of its layers (FORMAT.md, "Series").

Shapes: H height, W width of a frame.
"""

from __future__ import annotations

import numpy as np

from pixcodec.container.frames import Reference, SeriesKind, Setting
from pixcodec.container.header import PLANE_BITS, Header, Mode
from pixcodec.container.layers import Layer, LayerKind, layers_of
from pixcodec.images.canvas import Canvas, Colours, nearest, palette_colours, to_rgba
from pixcodec.images.colours import unpack_colours
from pixcodec.images.picture import Picture
from pixcodec.images.planes import Plane

_UNSEEN = (Mode.CMYK, Mode.DEEP)  # modes whose frames others are not predicted from


class Background:
    """What the frames so far show, to predict the next one from.

    Parameters
    ----------
    kind : SeriesKind
    width, height : int
        Of the canvas of an animation.
    """

    def __init__(self, kind: SeriesKind, width: int, height: int) -> None:
        self._canvas = Canvas(width, height, blends=False) if kind is SeriesKind.ANIMATION else None
        self._page: Colours | None = None

    def before(self, setting: Setting, width: int, height: int) -> Colours | None:
        """Return what is at a frame's place (H, W, 4), as its reference says; None if there is nothing."""
        if setting.reference is Reference.NONE:
            return None
        if self._canvas is None:
            fits = self._page is not None and self._page.shape[:2] == (height, width)
            return self._page if fits else None
        shown = setting.reference is Reference.SHOWN
        canvas = self._canvas.before_disposal if shown else self._canvas.pixels
        return canvas[setting.y : setting.y + height, setting.x : setting.x + width]

    def take(self, picture: Picture, setting: Setting) -> None:
        """Go on to what a frame shows; a picture of more than 8 bits shows nothing."""
        if self._canvas is None:
            self._page = to_rgba(picture) if is_seen(picture) else None
        elif is_seen(picture):
            self._canvas.draw(picture, setting)


def is_seen(picture: Picture) -> bool:
    """Return whether other frames may be predicted from a picture."""
    return picture.bit_depth <= PLANE_BITS and picture.mode not in _UNSEEN


def references_of(
    header: Header, below: Colours | None, table: bytes, transparency: bytes
) -> list[Plane | None]:
    """Return for each layer of a frame the planes that it is predicted from.

    Parameters
    ----------
    header : Header
    below : ndarray of uint8, shape (H, W, 4), or None
        What is at the frame's place.
    table, transparency : bytes
        Payloads of its chunks PLTE and TRNS.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    layers = layers_of(header)
    if below is None or header.bit_depth > PLANE_BITS or header.mode in _UNSEEN:
        return [None] * len(layers)
    return [_reference(header, layer, below, table, transparency) for layer in layers]


def _reference(
    header: Header, layer: Layer, below: Colours, table: bytes, transparency: bytes
) -> Plane | None:
    if layer.kind is LayerKind.INDEX:
        return _indices(header, below, table, transparency)
    if layer.kind is LayerKind.NETWORK:
        return np.ascontiguousarray(below[..., : layer.channels])
    if layer.kind is LayerKind.ALPHA:
        return np.ascontiguousarray(below[..., 3:])
    return None


def _indices(header: Header, below: Colours, table: bytes, transparency: bytes) -> Plane:
    """Return two planes: the nearest of the colours, and the transparent index, if there is one."""
    if header.mode is not Mode.PALETTE:
        colours = unpack_colours(table, header.mode.channels, header.bit_depth)
        grey = header.mode.channels < 3
        seen = below[..., [0, 3] if grey else [0, 1, 2, 3]]
        plane = nearest(colours, np.ascontiguousarray(seen[..., : header.mode.channels]))
        return np.repeat(plane[..., None], 2, axis=2)
    colours, count = palette_colours(table, transparency)
    colours = colours[: max(min(count, 1 << header.bit_depth), 1)]
    colours[colours[:, 3] == 0] = 0
    first = nearest(colours, np.where(below[..., 3:] > 0, below, 0))
    clear = np.flatnonzero(colours[:, 3] == 0)
    second = np.full_like(first, clear[0]) if len(clear) else first
    return np.stack([first, second], axis=2)
