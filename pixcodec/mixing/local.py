"""Local mixtures of effort max: around other predictions than the network's (FORMAT.md, Local mixtures).

A least-squares fit predicts the subpixel. A second one, of the errors of network and fit nearby, joins the
two to one prediction. Around both predictions lie distributions as wide as these were wrong nearby.

Errors are kept in planes of one array, as :func:`pixcodec.mixing.least_squares.error_planes` counts them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.least_squares import Int64
from pixcodec.mixing.state import Errors, Mixing
from pixcodec.network.distribution import Mixture
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Share, first_of, position

# Weights (row, column, weight) of the errors nearby that make the scale of a local mixture: 32 in all.
_NEAR: npt.NDArray[np.int64] = np.array(
    [
        *((0, -1, 4), (-1, 0, 4), (-1, -1, 3), (-1, 1, 3), (0, -2, 2), (-2, 0, 2), (-1, -2, 2), (-1, 2, 2)),
        *((-2, -1, 2), (-2, 1, 2), (0, -3, 2), (-2, 2, 1), (-2, -2, 1), (-3, 0, 2)),
    ],
    np.int64,
)
_LEAST_SCALE, _LEAST_NEAR_SCALE = 77, 92  # in 1/512 level


@kernel
def take_linear(s: Mixing, linear: Int64, share: Share) -> None:
    """Take the least-squares predictions (N,) of a share of the lanes, in 1/16 level."""
    wave, lane, error = s.wave[0], s.lane, s.error
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        lane[i].linear = linear[i]
        error[y, x, 2 * wave.channels + wave.channel] = linear[i] - lane[i].mean


@kernel
def take_near(s: Mixing, predicted: Int64, share: Share) -> None:
    """Take the predictions (N,) of block fits of a share of the lanes, in 1/16 level; set what is around."""
    wave, lane, error, around = s.wave[0], s.lane, s.error, s.around_linear
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        lane[i].linear = predicted[i]
        off = _off(error, y, x, wave.channels + wave.channel)
        around.mean[i, 0], around.inverse[i, 0] = (
            predicted[i],
            (1 << 27) // (((3 * off) >> 2) + _LEAST_NEAR_SCALE),
        )


@kernel
def take_joint(s: Mixing, correction: Int64, share: Share) -> None:
    """Take a share of the corrections (N,) of the network's means, in 1/16 level; set the local mixtures."""
    wave, lane, error = s.wave[0], s.lane, s.error
    linear_plane, joint_plane = wave.channels + wave.channel, 3 * wave.channels + wave.channel
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        lane[i].joint = min(max(lane[i].mean + correction[i], 0), 255 * 16)
        _set_mixture(s.around_linear, i, lane[i].linear, _scale(error, y, x, linear_plane))
        _set_mixture(s.around_joint, i, lane[i].joint, _scale(error, y, x, joint_plane))


@kernel
def _scale(error: Errors, y: int, x: int, plane: int) -> Any:
    """Return the scale of a mixture, in 1/512 level, from errors near a canvas position."""
    return ((5 * _off(error, y, x, plane)) >> 3) + _LEAST_SCALE


@inlined
def _off(error: Errors, y: int, x: int, plane: int) -> Any:
    """Return the weighted sum of errors near a canvas position."""
    off: Any = np.int64(0)
    for k in range(len(_NEAR)):
        off += _NEAR[k, 2] * np.int64(abs(error[y + _NEAR[k, 0], x + _NEAR[k, 1], plane]))
    return off


@kernel
def _set_mixture(mixture: Mixture, i: int, center: int, scale: int) -> None:
    """Center both logistics of lane ``i``: one of this scale, and one 5/2 times as wide."""
    mixture.mean[i, 0], mixture.mean[i, 1] = center, center
    mixture.inverse[i, 0], mixture.inverse[i, 1] = (1 << 27) // scale, (1 << 28) // (5 * scale)
