"""Upsampled planes of chroma -> the samples that they were interpolated from, by least squares.

The interpolation is separable, and along an axis each sample reaches four values: the normal equations are
tridiagonal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

Floats = npt.NDArray[np.float32]

_NEAR, _FAR = 0.75, 0.25  # parts of the two nearest samples
_EDGE = 0.05  # weight of the outermost values: of a crop they depend on samples beyond it
_SMOOTHNESS = 1e-4  # what makes samples known that reach no value


def shrink(plane: Floats, top: int, left: int, horizontal: int, vertical: int) -> Floats:
    """Return the samples of a plane (H, W) that begins ``top`` rows and ``left`` columns after them."""
    if vertical == 2:
        plane = _solve(plane, top)
    elif top:
        plane = np.pad(plane, ((top, 0), (0, 0)), "edge")
    if horizontal == 2:
        plane = np.ascontiguousarray(_solve(np.ascontiguousarray(plane.T), left).T)
    return plane


def noise_of(horizontal: int, vertical: int) -> Floats:
    """Return the standard deviations (64,) of DCT coefficients of such samples.

    The samples were rounded, then the values.
    """
    gains = 1.25 + 0.75 * np.cos(np.pi * np.arange(8) / 8)
    rows = gains if vertical == 2 else np.ones(8)
    columns = gains if horizontal == 2 else np.ones(8)
    variance = np.full((8, 8), 1 / 12)
    if horizontal == 2:
        variance += 1 / 12 / np.outer(rows, columns)
    sigma: Floats = np.sqrt(variance).reshape(64).astype(np.float32)
    return sigma


def _solve(values: Floats, start: int) -> Floats:
    """Return the samples (n, W) of values (H, W) along the first axis, the first being number ``start``."""
    end = start + len(values)
    count = -(-end // 2)
    weights = np.zeros(2 * count)
    weights[start:end] = 1
    weights[start] = weights[end - 1] = _EDGE
    even, odd = weights[::2], weights[1::2]
    diagonal = _NEAR**2 * (even + odd)
    diagonal[1:] += _FAR**2 * odd[:-1]
    diagonal[:-1] += _FAR**2 * even[1:]
    diagonal[0] += (2 * _NEAR * _FAR + _FAR**2) * even[0]
    diagonal[-1] += (2 * _NEAR * _FAR + _FAR**2) * odd[-1]
    beside = _NEAR * _FAR * (odd[:-1] + even[1:]) - _SMOOTHNESS
    diagonal[1:] += _SMOOTHNESS
    diagonal[:-1] += _SMOOTHNESS
    bands = np.zeros((2, count))
    bands[0, 1:], bands[1] = beside, diagonal

    full = np.zeros((2 * count, values.shape[1]), np.float32)
    full[start:end] = values
    full *= weights[:, None].astype(np.float32)
    right = _NEAR * (full[::2] + full[1::2])
    right[1:] += _FAR * full[1:-1:2]
    right[:-1] += _FAR * full[2::2]
    right[0] += _FAR * full[0]
    right[-1] += _FAR * full[-1]
    solved: Floats = solveh_banded(bands, right, check_finite=False).astype(np.float32)
    return solved
