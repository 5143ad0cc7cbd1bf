"""Coefficients <-> a bitstream: components, one after the other (FORMAT.md, Streams of coefficients)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import Coder, run
from pixcodec.jpeg.coefficients import Blocks
from pixcodec.jpeg.stream import stage as _stage  # noqa: F401  # implements its operations
from pixcodec.jpeg.stream.state import new_learning, of_component

Scale = tuple[tuple[int, int], tuple[int, int]]  # numerator and denominator, vertical and horizontal


class Image(NamedTuple):
    """What is coded of an image: up to four components."""

    blocks: Sequence[Blocks]  # of each component, (rows, columns, 64)
    tables: Sequence[npt.NDArray[np.integer[Any]]]  # of each component, the steps of quantisation (64,)
    scales: Sequence[Scale]  # of each, how many blocks of the first there are to one of it, along each axis


def code_stream(images: Sequence[Image], coder: Coder, effort: int, *, decoding: bool) -> None:
    """Code the blocks of images, or decode them into these arrays; what is learnt of one serves the next."""
    every = [blocks for image in images for blocks in image.blocks]
    lanes = max(map(len, every))
    shared = new_learning(sum(b.size for b in every), lanes, effort)
    for image in images:
        for component, own in enumerate(image.blocks):
            luma = blue = None
            if component > 0:
                luma = luma_beside(image.blocks[0], image.scales[component], *own.shape[:2])
            if component == 2 and image.blocks[1].shape == own.shape:
                blue = image.blocks[1]
            steps = image.tables[component].astype(np.int64)
            run(of_component(shared, component, own, luma, blue, steps), coder, decoding=decoding)


def luma_beside(luma: Blocks, scale: Scale, rows: int, columns: int) -> Blocks:
    """Return for each block (rows, columns, 64) of chroma the magnitudes of luma there, added up.

    If the blocks of luma are not a whole number to one of chroma, those of the block at the same place.
    """
    (down, lower), (across, right) = scale
    if down % lower or across % right:
        r = np.minimum(np.arange(rows) * down // lower, len(luma) - 1)
        c = np.minimum(np.arange(columns) * across // right, luma.shape[1] - 1)
        nearest: Blocks = np.abs(luma[r[:, None], c[None, :]])
        return nearest
    vertical, horizontal = down // lower, across // right
    padded = np.zeros((rows * vertical, columns * horizontal, 64), np.int16)
    part = np.abs(luma[: len(padded), : padded.shape[1]])
    padded[: len(part), : part.shape[1]] = part
    total: Blocks = padded.reshape(rows, vertical, columns, horizontal, 64).sum((1, 3), dtype=np.int16)
    return total
