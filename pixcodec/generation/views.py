"""Images side by side, and numbers as colours.

Shapes: N images, H W height and width, C channels.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pixcodec.generation.painter import Floats, Planes

GAP = 2  # pixels between images
_GAP_VALUE = 255
# From few bits to many: black, violet, red, orange, light yellow.
_COLOURS = np.array([(0, 0, 0), (80, 18, 123), (182, 54, 121), (251, 136, 97), (252, 253, 191)], np.float64)


def grid(images: Planes, columns: int | None = None) -> Planes:
    """Return images (N, H, W) or (N, H, W, C) as one, row by row, with gaps; by default about a square.

    Raises
    ------
    ValueError
        If ``columns`` is less than 1.
    """
    count, height, width = images.shape[:3]
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns is {columns}, expected at least 1")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    size = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *images.shape[3:])
    together = np.full(size, _GAP_VALUE, np.uint8)
    for k, image in enumerate(images):
        y, x = k // columns * (height + GAP), k % columns * (width + GAP)
        together[y : y + height, x : x + width] = image
    return together


def heat_map(values: Floats, top: float) -> npt.NDArray[np.uint8]:
    """Return values (H, W) as colours (H, W, 3): black is 0, light yellow is ``top`` or more."""
    at = np.clip(values / top, 0, 1) * (len(_COLOURS) - 1)
    places = np.arange(len(_COLOURS))
    channels = [np.interp(at, places, _COLOURS[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, -1)).astype(np.uint8)
