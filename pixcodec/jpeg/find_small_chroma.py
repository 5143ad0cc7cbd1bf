"""Interpolated chroma -> the small plane that it was interpolated from, by least squares.

The interpolation of :func:`pixcodec.jpeg.pixels.upsample` is separable, and along an axis each sample reaches
four values: the normal equations of an axis are tridiagonal.

Shapes: H height, W width of an interpolated plane, n samples along an axis of the small one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.blocks import Floats
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES

_NEAR, _FAR = 0.75, 0.25  # parts of the two nearest samples in an interpolated value
_EDGE = 0.05  # weight of the outermost values: those of a crop depend on samples beyond it
_SMOOTHNESS = 1e-4  # weight of the difference of neighbours: determines samples that reach no value
_ROUNDING_VARIANCE = 1 / 12  # of rounding to integers


def small_plane(plane: Floats, top: int, left: int, horizontal: int, vertical: int) -> Floats:
    """Return the samples that a plane (H, W) was interpolated from, as fractions.

    The plane begins ``top`` rows and ``left`` columns after the first values that the samples give. If
    ``vertical`` is 1, only rows were interpolated, and the ``top`` rows above are copies of the first one.
    """
    if vertical == 2:
        plane = _solve(plane, top)
    elif top:
        plane = np.pad(plane, ((top, 0), (0, 0)), "edge")
    if horizontal == 2:
        plane = np.ascontiguousarray(_solve(np.ascontiguousarray(plane.T), left).T)
    return plane


def noise_of(horizontal: int, vertical: int) -> Floats:
    """Return the standard deviations (64,) of the noise on DCT coefficients of such samples.

    The samples were rounded before the interpolation, and the values after it. The least squares divide the
    variance of the latter by the eigenvalues of the normal equations, for which the DCT nearly holds the
    eigenvectors.
    """
    angles = np.pi * np.arange(BLOCK) / BLOCK
    eigenvalues = 2 * (_NEAR**2 + _FAR**2) + 4 * _NEAR * _FAR * np.cos(angles)
    rows = eigenvalues if vertical == 2 else np.ones(BLOCK)
    columns = eigenvalues if horizontal == 2 else np.ones(BLOCK)
    variance = np.full((BLOCK, BLOCK), _ROUNDING_VARIANCE)
    if horizontal == 2:
        variance += _ROUNDING_VARIANCE / np.outer(rows, columns)
    sigma: Floats = np.sqrt(variance).reshape(FREQUENCIES).astype(np.float32)
    return sigma


def _solve(values: Floats, start: int) -> Floats:
    """Return the samples (n, W) of which values (H, W) were interpolated along the first axis.

    ``values`` begins with value number ``start`` of the interpolated axis. Values 2 i and 2 i + 1 are nearest
    to sample i; the first value and the last are copies of the outermost samples.
    """
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

    full = np.zeros((2 * count, values.shape[1]), np.float32)
    full[start:end] = values
    full *= weights[:, None].astype(np.float32)
    right = _NEAR * (full[::2] + full[1::2])
    right[1:] += _FAR * full[1:-1:2]
    right[:-1] += _FAR * full[2::2]
    right[0] += _FAR * full[0]
    right[-1] += _FAR * full[-1]
    return _solve_tridiagonal(diagonal, beside, right)


def _solve_tridiagonal(
    diagonal: npt.NDArray[np.float64], beside: npt.NDArray[np.float64], right: Floats
) -> Floats:
    """Return x (n, W) of A x = right, A (n, n) being symmetric, positive definite and tridiagonal.

    By elimination: ``diagonal`` (n,) and ``beside`` (n - 1,) are those of A.
    """
    pivots, factors = diagonal.tolist(), beside.tolist()
    solved = right.astype(np.float64)
    for k, off in enumerate(factors):
        factors[k] = off / pivots[k]
        pivots[k + 1] -= factors[k] * off
        solved[k + 1] -= factors[k] * solved[k]
    solved /= np.array(pivots)[:, None]
    for k in range(len(factors) - 1, -1, -1):
        solved[k] -= factors[k] * solved[k + 1]
    return solved.astype(np.float32)
