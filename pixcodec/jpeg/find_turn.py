"""Luma -> which transform gave it, and whether rows and columns were exchanged since.

The inverse DCT rounds between its two passes, so it does not give quite the same samples for transposed
blocks.

Shapes: H height, W width, N blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pixcodec.jpeg.blocks import DCT, MIDDLES, Floats, Grid, Mask, blocks_of, known_blocks, quantised
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Table
from pixcodec.jpeg.decoders import Transform
from pixcodec.jpeg.find_samples import ROUNDING, Range
from pixcodec.jpeg.find_steps import SIGMAS, find_steps
from pixcodec.jpeg.mend import mend_blocks
from pixcodec.jpeg.transform import Plane, effective_steps, samples_of_blocks

_SAMPLED_BLOCKS = 2000
_SURE = 0.97  # share of the samples that rounded coefficients give: then none need to be mended
_MENDED_BLOCKS = 300
_LEAST_GAIN = 0.004  # of the share of samples that are given, for what is not usual
_TRANSPOSED = np.arange(FREQUENCIES).reshape(BLOCK, BLOCK).T.reshape(FREQUENCIES)


class Source(NamedTuple):
    """Where luma comes from."""

    transform: Transform
    transposed: bool


class _Fit(NamedTuple):
    """The steps that sampled blocks have if a transform gave them."""

    transform: Transform
    table: Table


def find_source(luma: Floats, known: Mask, grid: Grid, transforms: list[Transform]) -> Source:
    """Return where luma (H, W), certain where ``known``, comes from; the transform is one of some."""
    values = blocks_of(luma, grid.top, grid.left).reshape(-1, FREQUENCIES)
    whole = np.flatnonzero(known_blocks(known, grid.top, grid.left).reshape(-1, FREQUENCIES).all(1))
    sample = values[whole[:: max(1, len(whole) // _SAMPLED_BLOCKS)]]
    likely = Source(transforms[0], False)
    if len(sample) == 0:
        return likely
    fits = [_fit(sample, transform) for transform in transforms]
    shares = {source: share for fit in fits for source, share in _shares(fit, sample).items()}
    if max(shares.values()) < _SURE:
        part = np.ascontiguousarray(sample[:: max(1, len(sample) // _MENDED_BLOCKS)])
        shares = {source: share for fit in fits for source, share in _mended_shares(fit, part).items()}
    for source, share in shares.items():
        if share > shares[likely] + _LEAST_GAIN:
            likely = source
    return likely


def _fit(sample: Floats, transform: Transform) -> _Fit:
    """Return the steps of sampled blocks (N, 64), and the coefficients before rounding."""
    coefficients = np.asarray((sample - np.float32(MIDDLES[transform])) @ DCT.T, np.float32)
    sigma = np.full(FREQUENCIES, SIGMAS[transform], np.float32)
    table, _ = find_steps(coefficients, sigma)
    return _Fit(transform, table)


def _shares(fit: _Fit, sample: Floats) -> dict[Source, float]:
    """Return the share of the samples (N, 64) that rounded coefficients give, from either source."""
    return {source: float((samples == sample).mean()) for source, samples in _given(fit, sample, 0)}


def _mended_shares(fit: _Fit, sample: Floats) -> dict[Source, float]:
    """Return the same of coefficients that were mended."""
    return {source: float((samples == sample).mean()) for source, samples in _given(fit, sample, 1)}


def _given(fit: _Fit, sample: Floats, mend: int) -> Iterator[tuple[Source, Plane]]:
    """Yield the samples (N, 64) that coefficients of sampled blocks give from either source."""
    middle = np.float32(MIDDLES[fit.transform])
    for transposed in (False, True):
        order = _TRANSPOSED if transposed else np.arange(FREQUENCIES)
        levels = np.ascontiguousarray(sample[:, order] - middle)
        table = fit.table[order]
        blocks = quantised(levels @ DCT.T, effective_steps(table, fit.transform))
        if mend:
            mend_blocks(blocks, table, Range(levels - ROUNDING, levels + ROUNDING), fit.transform)
        samples = samples_of_blocks(blocks, table, fit.transform)
        yield Source(fit.transform, transposed), samples[:, order]
