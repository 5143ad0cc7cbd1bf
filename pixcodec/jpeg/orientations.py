"""Images that were turned after they were decoded: flipped, rotated by 90 degrees, or both.

An orientation is a number of three bits. A decoded image is turned by it in this order: TRANSPOSED exchanges
rows and columns, UPSIDE_DOWN reverses the rows, MIRRORED the columns.

Shapes: H height, W width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.container.tiles import TileBox

MIRRORED, UPSIDE_DOWN, TRANSPOSED = 1, 2, 4
ORIENTATIONS = 8


def turned(image: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return a decoded image (H, W, ...) as the orientation shows it, without a copy."""
    if orientation & TRANSPOSED:
        image = image.swapaxes(0, 1)
    if orientation & UPSIDE_DOWN:
        image = image[::-1]
    return image[:, ::-1] if orientation & MIRRORED else image


def turned_back(image: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return the decoded image that :func:`turned` turns to this one, C-contiguous."""
    if orientation & MIRRORED:
        image = image[:, ::-1]
    if orientation & UPSIDE_DOWN:
        image = image[::-1]
    if orientation & TRANSPOSED:
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image)


def box_before(box: TileBox, height: int, width: int, orientation: int) -> TileBox:
    """Return where a box of the image that :func:`turned` gives was before, ``height`` and ``width`` then."""
    x, y, columns, rows = box
    if orientation & TRANSPOSED:
        height, width = width, height
    if orientation & MIRRORED:
        x = width - x - columns
    if orientation & UPSIDE_DOWN:
        y = height - y - rows
    return TileBox(y, x, rows, columns) if orientation & TRANSPOSED else TileBox(x, y, columns, rows)
