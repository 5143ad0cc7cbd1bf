"""Planes that were not interpolated -> their table and quantised blocks.

Shapes: H height, W width of the image; blocks are (rows, columns, 64).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.jpeg.blocks import DCT, MIDDLES, Floats, Grid, Mask, blocks_of, known_blocks, quantised
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Blocks, Table
from pixcodec.jpeg.decoders import Transform
from pixcodec.jpeg.find_samples import Range
from pixcodec.jpeg.find_steps import SIGMAS, find_steps
from pixcodec.jpeg.mend import mend_plane
from pixcodec.jpeg.transform import effective_steps

# Chroma whose steps are that much smaller than those of luma, on the average, was not coded in this
# subsampling: its blocks are left as they are.
_MOST_RATIO = 4


class Component(NamedTuple):
    """What a JPEG file holds of a component."""

    table: Table
    blocks: Blocks


class LimitedPlane(NamedTuple):
    """A plane (H, W): samples, perhaps a guess, and the range that they lie in before they are rounded."""

    samples: Floats
    limits: Range


def find_components(
    planes: list[LimitedPlane], known: Mask, grid: Grid, transform: Transform, luma: Table | None = None
) -> list[Component]:
    """Return the components of planes that share a table and are certain where ``known`` (H, W).

    If the planes are chroma, ``luma`` is the table of luma.
    """
    top, left = grid.top % BLOCK, grid.left % BLOCK
    certain = np.asarray(known_blocks(known, top, left).all(2))
    values = [blocks_of(plane.samples, top, left) - np.float32(MIDDLES[transform]) for plane in planes]
    sigma = np.full(FREQUENCIES, SIGMAS[transform], np.float32)
    table, blocks = quantise_blocks(values, [certain] * len(planes), sigma, luma, transform)
    if luma is None or luma.mean() <= _MOST_RATIO * table.mean():
        for plane, part in zip(planes, blocks, strict=True):
            mend_plane(part, table, plane.limits, grid, transform)
    return [Component(table, part) for part in blocks]


def quantise_blocks(
    levels: list[Floats], certain: list[Mask], sigma: Floats, luma: Table | None, transform: Transform
) -> tuple[Table, list[Blocks]]:
    """Return the table (64,) that planes share, and their quantised blocks.

    Parameters
    ----------
    levels
        Of each plane: the samples of its blocks, less the middle.
    certain
        Of each plane: the blocks (rows, columns) that tell the steps.
    sigma
        The standard deviation of the noise on their coefficients, (64,).
    luma
        The table of luma if the planes are chroma.
    """
    coefficients = [part @ DCT.T for part in levels]
    telling = [part[mask] for part, mask in zip(coefficients, certain, strict=True)]
    table, _ = find_steps(np.concatenate(telling), sigma, luma)
    return table, [quantised(part, effective_steps(table, transform)) for part in coefficients]
