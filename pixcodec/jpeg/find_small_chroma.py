"""Enlarged chroma -> the small plane that it was enlarged from.

Of interpolated chroma, by least squares: the interpolation of :mod:`pixcodec.jpeg.upsample` is separable, and
along an axis each sample reaches four values, so the normal equations of an axis are tridiagonal. Of repeated
samples, all that the pixels of each say.

Shapes: H height, W width of an interpolated plane, n samples along an axis of the small one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.blocks import Floats, Grid
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES
from pixcodec.jpeg.find_samples import Bounds
from pixcodec.jpeg.transform import Plane
from pixcodec.network.kernels import entry_point
from pixcodec.network.structs import struct_of

_NEAR, _FAR = 0.75, 0.25  # parts of the two nearest samples in an interpolated value
_EDGE = 0.05  # weight of the outermost values: those of a crop depend on samples beyond it
_SMOOTHNESS = 1e-4  # weight of the difference of neighbours: determines samples that reach no value
_ROUNDING_VARIANCE = 1 / 12  # of rounding to integers


class Repeated(NamedTuple):
    """What pixels say of the small plane whose samples they repeat."""

    samples: Plane  # one of each sample's, certain if any is
    bounds: Bounds
    grid: Grid  # of the small plane


def small_plane(plane: Floats, top: int, left: int, horizontal: int, vertical: int) -> Floats:
    """Return the samples that a plane (H, W) was interpolated from, as fractions.

    The plane begins ``top`` rows and ``left`` columns after the first values that the samples give. If only
    one axis was interpolated, what is before the plane on the other one is copies of its first row or column.
    """
    if vertical == 2:
        plane = _solve(plane, top)
    elif top:
        plane = np.pad(plane, ((top, 0), (0, 0)), "edge")
    if horizontal == 2:
        plane = np.ascontiguousarray(_solve(np.ascontiguousarray(plane.T), left).T)
    elif left:
        plane = np.pad(plane, ((0, 0), (left, 0)), "edge")
    return plane


def repeated(plane: Plane, bounds: Bounds, grid: Grid, horizontal: int, vertical: int) -> Repeated:
    """Return what a plane (H, W) and its bounds say of the small plane whose samples were repeated.

    A sample whose pixels contradict each other may be any.
    """
    whole = -(-(grid.top + grid.height) // vertical), -(-(grid.left + grid.width) // horizontal)
    first = grid.top // vertical, grid.left // horizontal
    small = Grid(whole[0] - first[0], whole[1] - first[1], *first)
    top, left = grid.top % vertical, grid.left % horizontal
    shape = small.height, vertical, small.width, horizontal

    def boxes(values: Plane, beyond: int) -> Plane:
        padding = (
            (top, small.height * vertical - top - grid.height),
            (left, small.width * horizontal - left - grid.width),
        )
        return np.pad(values, padding, constant_values=beyond).reshape(shape)

    lower, upper = boxes(bounds.lower, 0).max((1, 3)), boxes(bounds.upper, 255).min((1, 3))
    least, most = boxes(plane, 255).min((1, 3)), boxes(plane, 0).max((1, 3))
    none = lower > upper
    lower[none], upper[none] = 0, 255
    samples = np.clip((least.astype(np.int16) + most + 1) >> 1, lower, upper).astype(np.uint8)
    return Repeated(samples, Bounds(lower, upper), small)


def noise_of(horizontal: int, vertical: int) -> Floats:
    """Return the standard deviations (64,) of the noise on DCT coefficients of interpolated samples.

    The samples were rounded before the interpolation, and the values after it. The least squares divide the
    variance of the latter by the eigenvalues of the normal equations, for which the DCT nearly holds the
    eigenvectors.
    """
    angles = np.pi * np.arange(BLOCK) / BLOCK
    eigenvalues = 2 * (_NEAR**2 + _FAR**2) + 4 * _NEAR * _FAR * np.cos(angles)
    rows = eigenvalues if vertical == 2 else np.ones(BLOCK)
    columns = eigenvalues if horizontal == 2 else np.ones(BLOCK)
    variance = _ROUNDING_VARIANCE + _ROUNDING_VARIANCE / np.outer(rows, columns)
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

    ``diagonal`` (n,) and ``beside`` (n - 1,) are those of A.
    """
    equations = Equations(diagonal.copy(), beside.copy(), right.astype(np.float64))
    eliminate.bind(struct_of(equations))()
    return equations.right.astype(np.float32)


class Equations(NamedTuple):
    """Tridiagonal equations A x = right, which :func:`eliminate` solves."""

    diagonal: npt.NDArray[np.float64]  # n
    beside: npt.NDArray[np.float64]  # n - 1
    right: npt.NDArray[np.float64]  # n, W: becomes x


@entry_point
def eliminate(equations: Equations) -> None:
    """Solve the equations by elimination."""
    pivots, factors, solved = equations.diagonal, equations.beside, equations.right
    count, width = solved.shape
    for k in range(count - 1):
        off = factors[k]
        factors[k] = off / pivots[k]
        pivots[k + 1] -= factors[k] * off
        for i in range(width):
            solved[k + 1, i] -= factors[k] * solved[k, i]
    for k in range(count - 1, -1, -1):
        for i in range(width):
            solved[k, i] /= pivots[k]
        if k + 1 < count:
            for i in range(width):
                solved[k, i] -= factors[k] * solved[k + 1, i]
