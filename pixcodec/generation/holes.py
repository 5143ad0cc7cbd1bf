"""The holes of a mask, each with as much of its surroundings as can matter.

A pixel's distribution depends on pixels up to :func:`reach_of` rows and columns away, so a hole is filled in
a part of the image that is larger on every side, exactly as it would be in all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.generation.painter import Mask
from pixcodec.network.architecture import REACH, Architecture

CELL = 16  # pixels; holes are told apart by such cells


class Hole(NamedTuple):
    """A part of an image: its rows and columns, and which of its pixels are to be filled."""

    slices: tuple[slice, slice]
    mask: Mask


def reach_of(architecture: Architecture) -> int:
    """Return how many rows and columns away a pixel can matter: of the inputs, and one of each block."""
    return REACH + architecture.blocks


def find_holes(mask: Mask, reach: int) -> list[Hole]:
    """Return the holes of a mask (H, W), from the top down.

    Pixels of different holes are more than ``reach`` rows or columns apart.
    """
    height, width = mask.shape
    rows, columns = -(-height // CELL), -(-width // CELL)
    padded = np.zeros((rows * CELL, columns * CELL), bool)
    padded[:height, :width] = mask
    left: Mask = np.asarray(padded.reshape(rows, CELL, columns, CELL).any((1, 3)))
    holes = []
    while left.any():
        cells = _connected(left, (reach - 1) // CELL + 1)
        left &= ~cells
        own = np.zeros_like(padded)
        own[:] = np.repeat(np.repeat(cells, CELL, 0), CELL, 1) & padded
        own = own[:height, :width]
        inside_rows, inside_columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
        slices = (
            slice(max(0, inside_rows[0] - reach), min(height, inside_rows[-1] + 1 + reach)),
            slice(max(0, inside_columns[0] - reach), min(width, inside_columns[-1] + 1 + reach)),
        )
        holes.append(Hole(slices, own[slices]))
    return holes


def _connected(cells: Mask, distance: int) -> Mask:
    """Return the cells that are so far from the first one at most, directly or by others."""
    window = 2 * distance + 1
    found = np.zeros_like(cells)
    found.flat[int(np.argmax(cells))] = True
    while True:
        grown = np.pad(found, distance)
        grown = np.lib.stride_tricks.sliding_window_view(grown, (window, window)).any((2, 3)) & cells
        if (grown == found).all():
            return found
        found = grown
