"""Predictions of layers RESIDUAL, and a mixture around them (FORMAT.md, section Residual layers).

A value is predicted by plain predictors, by least squares over a short and over a long past, and by a blend
of these. Each has a distribution as wide as its errors nearby; predictors that were wrong count next to
nothing. What is coded is the *residual*: the value relative to the mean of the mixture or, if the layer is
not relative, the value itself. Its 8 high bits come first, then its low bits, as two parts.

Shapes: N lanes, K predictors, H W height and width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.distribution import Mixture
from pixcodec.network.kernels import inlined, kernel

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

PREDICTORS = 7
_RATIO = 256  # weight of the best predictor, before it is raised to the sixth power
_ONE = 1 << 16


class Residuals(NamedTuple):
    """The values of a layer, what they are predicted to be, and what becomes of it."""

    low_bits: int
    whole_bits: int  # of a value
    relative: int  # 1 if what is coded is the value minus its prediction, 0 if it is the value
    values: Int32  # H + 3, W + 6, 1
    guesses: Int64  # N, K: in 1/16 level
    scales: Int64  # N, K: of the distributions, in 1/16 level
    shift: Int64  # N: what is added to a value to give its residual, modulo its range
    high: Int64  # N: the high bits of the residual, once they are known
    center: Int64  # N: mean of the mixture, in 1/16 level
    width: Int64  # N: about its spread, in 1/16 level
    penalties: Int32  # H + 3, W + 6, K: absolute errors of the guesses, in 1/16 level
    errors: Int32  # H + 3, W + 6: 16 * value - center


@inlined
def _errors_nearby(penalties: Int32, y: int, x: int, k: int) -> Any:
    """Return the errors of a predictor nearby, added up with weights of 20 in all."""
    return (
        2 * np.int64(penalties[y, x - 1, k])
        + 2 * np.int64(penalties[y - 1, x, k])
        + np.int64(penalties[y - 1, x - 1, k])
        + np.int64(penalties[y - 1, x + 1, k])
        + np.int64(penalties[y, x - 2, k])
        + np.int64(penalties[y - 2, x, k])
        + np.int64(penalties[y - 2, x + 1, k])
        + np.int64(penalties[y - 2, x - 1, k])
        + np.int64(penalties[y - 1, x + 2, k])
        + np.int64(penalties[y - 1, x - 2, k])
        + np.int64(penalties[y, x - 3, k])
        + np.int64(penalties[y - 3, x, k])
        + np.int64(penalties[y - 3, x + 1, k])
        + np.int64(penalties[y - 3, x - 1, k])
        + np.int64(penalties[y - 2, x + 2, k])
        + np.int64(penalties[y - 2, x - 2, k])
        + np.int64(penalties[y - 1, x + 3, k])
        + np.int64(penalties[y - 1, x - 3, k])
    )


@kernel
def _guess(s: Residuals, i: int, y: int, x: int, near: int, far: int) -> None:
    """Write the guesses of a value, but for the blend, to its lane's row."""
    v, guesses = s.values, s.guesses
    w, n = np.int64(v[y, x - 1, 0]), np.int64(v[y - 1, x, 0])
    nw, ne = np.int64(v[y - 1, x - 1, 0]), np.int64(v[y - 1, x + 1, 0])
    guesses[i, 0] = 16 * max(min(w, n), min(max(w, n), w + n - nw))
    guesses[i, 1] = 16 * w
    guesses[i, 2] = 16 * n
    guesses[i, 3] = 16 * (w + ne - n)
    guesses[i, 4] = far
    guesses[i, 5] = near
    top = 16 * ((1 << s.whole_bits) - 1)
    for k in range(PREDICTORS - 1):
        guesses[i, k] = min(max(guesses[i, k], 0), top)


@inlined
def _share(least: int, off: int) -> Any:
    """Return the weight of a predictor that was off so much, the best one by ``least``."""
    ratio: Any = _RATIO * least // off
    cube = ratio * ratio * ratio
    return (cube * cube >> 16) + 1


@kernel
def predict_value(s: Residuals, i: int, y: int, x: int, near: int, far: int, mixture: Mixture) -> None:
    """Predict the value of a lane: its guesses, and weights and scales of the mixture.

    ``near``, ``far``: the predictions of least squares, in 1/16 level.
    """
    _guess(s, i, y, x, near, far)
    guesses, scales, weight = s.guesses, s.scales, mixture.weight
    least: Any = np.int64(1 << 40)
    for k in range(PREDICTORS - 1):
        least = min(least, _errors_nearby(s.penalties, y, x, k) + 8)
    shares, blend = np.int64(0), np.int64(0)
    for k in range(PREDICTORS):
        if k == PREDICTORS - 1:
            guesses[i, k] = blend // shares
        off: Any = _errors_nearby(s.penalties, y, x, k)
        scales[i, k] = max(off * 3 // 80, 1)
        weight[i, k] = _share(min(least, off + 8), off + 8)
        shares += weight[i, k]
        blend += weight[i, k] * guesses[i, k]
    rest, center, width = np.int64(_ONE), np.int64(0), np.int64(0)
    for k in range(PREDICTORS):
        weight[i, k] = weight[i, k] * _ONE // shares
        rest -= weight[i, k]
    weight[i, 0] += rest
    for k in range(PREDICTORS):
        center += weight[i, k] * guesses[i, k]
        width += weight[i, k] * (29 * scales[i, k] >> 4)
    s.center[i], s.width[i] = center >> 16, width >> 16
    s.shift[i] = (1 << (s.whole_bits - 1)) - ((s.center[i] + 8) >> 4) if s.relative else 0


@kernel
def mix_part(s: Residuals, i: int, part: int, mixture: Mixture) -> Any:
    """Set means and inverse scales of a part of a residual (0: the high bits); return the mean of all."""
    low_bits, moved = s.low_bits, 16 * s.shift[i]
    base: Any = (s.high[i] << (4 + low_bits)) - moved
    for k in range(PREDICTORS):
        scale = s.scales[i, k]
        if part == 0:
            mixture.mean[i, k] = ((s.guesses[i, k] + moved + 8) >> low_bits) - 8
            mixture.inverse[i, k] = (1 << (22 + low_bits)) // scale
        else:
            mixture.mean[i, k] = s.guesses[i, k] - base
            mixture.inverse[i, k] = (1 << 22) // scale
    if part == 0:
        return ((s.center[i] + moved + 8) >> low_bits) - 8
    return s.center[i] - base


@inlined
def residual_of(s: Residuals, i: int, value: int) -> Any:
    """Return the residual of a value of a lane."""
    return (value + s.shift[i]) & ((1 << s.whole_bits) - 1)


@inlined
def value_of(s: Residuals, i: int, residual: int) -> Any:
    """Return the value of a lane whose residual is known."""
    return (residual - s.shift[i]) & ((1 << s.whole_bits) - 1)


@kernel
def learn_residual(s: Residuals, i: int, y: int, x: int, value: int) -> None:
    """Keep a value that is known now, and the errors of its guesses."""
    s.values[y, x, 0] = value
    s.errors[y, x] = 16 * value - s.center[i]
    for k in range(PREDICTORS):
        s.penalties[y, x, k] = abs(16 * value - s.guesses[i, k])
