"""Luma -> where its grid of 8x8 blocks begins, if its DCT coefficients are quantised at all.

Shapes: H height, W width.
"""

from __future__ import annotations

import numpy as np

from pixcodec.jpeg.blocks import DCT, MIDDLE, Floats, Grid, Mask, blocks_of, known_blocks
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES
from pixcodec.jpeg.find_steps import FAR, SAMPLE_SIGMA, find_steps

_LEAST_EVIDENCE = 0.006  # nats per coefficient, for quantisation
_LEAST_SCORE = 5.0  # sigmas, for an offset
_SAMPLED_BLOCKS = 2000  # whose coefficients are looked at for evidence
_SCORED_BLOCKS = 500  # likewise for each of the 64 offsets


def find_grid(luma: Floats, known: Mask) -> Grid | None:
    """Return where luma (H, W), certain where ``known``, lies in its blocks; None if there are none."""
    height, width = luma.shape
    whole = Grid(height, width, 0, 0)
    if _evidence_at(luma, known, whole) >= _LEAST_EVIDENCE:
        return whole
    best, likely = _LEAST_SCORE, None
    for top in range(BLOCK):
        for left in range(BLOCK):
            grid = Grid(height, width, top, left)
            score = _score_at(luma, known, grid)
            if score > best:
                best, likely = score, grid
    return likely if likely and _evidence_at(luma, known, likely) >= _LEAST_EVIDENCE else None


def _score_at(luma: Floats, known: Mask, grid: Grid) -> float:
    """Return by how many sigmas coefficients of some blocks are nearer to integers than chance has them.

    Steps are integers. Noise within FAR sigmas of 0 is left out. The cosine of 2 pi times a coefficient has a
    mean of 0 and a variance of 1/2 if there are no steps.
    """
    rows, columns = -grid.top % BLOCK, -grid.left % BLOCK
    height, width = (grid.height - rows) // BLOCK * BLOCK, (grid.width - columns) // BLOCK * BLOCK
    part = slice(rows, rows + height), slice(columns, columns + width)
    values = blocks_of(luma[part]).reshape(-1, FREQUENCIES)
    whole = np.flatnonzero(blocks_of(known[part]).reshape(-1, FREQUENCIES).all(1))
    sample = values[whole[:: -(-len(whole) // _SCORED_BLOCKS)]] if len(whole) else values[:0]
    coefficients = (sample - MIDDLE) @ DCT.T
    telling = coefficients[np.abs(coefficients) > FAR * SAMPLE_SIGMA]
    return float(np.cos(2 * np.pi * telling).sum() / max(1, telling.size / 2) ** 0.5)


def _evidence_at(luma: Floats, known: Mask, grid: Grid) -> float:
    """Return the evidence, in nats per coefficient, that the coefficients of some blocks are quantised."""
    values = blocks_of(luma, grid.top, grid.left).reshape(-1, FREQUENCIES)
    whole = np.flatnonzero(known_blocks(known, grid.top, grid.left).reshape(-1, FREQUENCIES).all(1))
    if len(whole) == 0:
        return 0.0
    sample = whole[:: -(-len(whole) // _SAMPLED_BLOCKS)]
    sigma = np.full(FREQUENCIES, SAMPLE_SIGMA, np.float32)
    _, evidence = find_steps((values[sample] - MIDDLE) @ DCT.T, sigma)
    return evidence
