"""Layers RESIDUAL: grey values of more than 8 bits, coded relative to their prediction (FORMAT.md).

The canvas of such a stage holds the values as a layer WIDE does, high and low bits in two planes. What is
coded is the residual of each, whose high and low bits follow one another.

Shapes: N lanes, H W height and width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.bits import code_by_bits, do_own_part, finish_values
from pixcodec.coding.driver import new_progress
from pixcodec.coding.run_state import RunKind, Runs, new_runs
from pixcodec.coding.runs import copy_pixels
from pixcodec.coding.side_layer import logistic_of_side_layers
from pixcodec.coding.team import FEATURES, JOB, new_team
from pixcodec.mixing.least_squares import Samples, Systems, far_fit, low_fit, new_systems, predict_linearly
from pixcodec.mixing.residual_contexts import (
    RESIDUAL_CONTEXTS,
    ResidualPixel,
    octave_of,
    residual_contexts,
)
from pixcodec.mixing.residual_predictors import (
    PREDICTORS,
    Residuals,
    learn_residual,
    mix_part,
    predict_value,
    residual_of,
    value_of,
)
from pixcodec.mixing.state import ERRORS, OFFSET, RATES, SPREADS, Extent, Mixing, SidePlan, new_side_mixing
from pixcodec.network.architecture import PAD_VALUE
from pixcodec.network.distribution import Mixture, new_mixture
from pixcodec.network.kernels import implements, kernel
from pixcodec.network.wavefront import Share, first_of, inner, new_canvas, position

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Planes = npt.NDArray[np.uint8]

PLAN = (1 << 12, 9 << 8, 1 << 20, 0)  # as those of side layers: sure nibbles, certain logit, first weights
STEADY_RATES = 1000, 50
_HIGH_BITS = 8
_UNIT = 16.0  # predictions are in 1/16 level


class ResidualLayer(NamedTuple):
    """A layer RESIDUAL."""

    mixing: Mixing
    mixture: Mixture
    canvas: Int32
    progress: Any
    runs: Runs  # there are none
    team: Int64
    residuals: Residuals
    near: Systems
    far: Systems


def new_residual_layer(
    low_bits: int,
    size: Extent,
    *,
    relative: bool,
    steady: bool = False,
    planes: Planes | None = None,
    threads: int = 1,
) -> ResidualLayer:
    """Return the stage of a layer RESIDUAL of which nothing is coded yet.

    Parameters
    ----------
    low_bits : int
        Of a value, 1..8; 8 more are high ones.
    size : Extent
        Of two channels.
    relative : bool
        Whether residuals are coded, or the values themselves.
    steady : bool, optional
        Whether mixers learn slowly, which suits noise.
    planes : ndarray of uint8, shape (H, W, 2), optional
        High and low bits of the values, when encoding.
    threads : int
        How many may work on it at a time.
    """
    canvas, bits = new_canvas(size.height, size.width, 2, PAD_VALUE), _HIGH_BITS + low_bits
    values = new_canvas(size.height, size.width, 1, 1 << (bits - 1))
    if planes is not None:
        inner(canvas)[:] = planes
    logistic = logistic_of_side_layers()
    rates = STEADY_RATES if steady else RATES
    plan = SidePlan(RESIDUAL_CONTEXTS, _HIGH_BITS, low_bits, False, *PLAN, open_ends=True, rates=rates)
    mixing = new_side_mixing(plan, size, logistic)
    mixing.first_depths[1] = _HIGH_BITS - low_bits
    shift, high, center, width = np.zeros((4, size.lanes), np.int64)
    guesses, scales = np.zeros((2, size.lanes, PREDICTORS), np.int64)
    residuals = Residuals(
        low_bits,
        bits,
        int(relative),
        values,
        guesses,
        scales,
        shift,
        high,
        center,
        width,
        penalties=np.zeros((*size.framed, PREDICTORS), np.int32),
        errors=np.zeros(size.framed, np.int32),
    )
    near, far = (new_systems(fit, size.lanes, size.slope, threads) for fit in (low_fit(1, bits), far_fit()))
    runs = new_runs(size.height, size.lanes, on=RunKind.NONE)
    mixture, progress = new_mixture(size.lanes, PREDICTORS, logistic), new_progress(size.lanes, 2)
    return ResidualLayer(mixing, mixture, canvas, progress, runs, new_team(threads), residuals, near, far)


@implements(copy_pixels, ResidualLayer)
def _copy_pixels(stage: ResidualLayer) -> None:
    """Do nothing: no pixel is copied."""


@implements(do_own_part, ResidualLayer)
def _do_own_part(stage: ResidualLayer, share: Share) -> None:
    if stage.team[JOB] == FEATURES:
        return
    s, wave = stage.residuals, stage.mixing.wave[0]
    if wave.channel == 0:
        top = (1 << s.whole_bits) - 1
        values = Samples(s.values, (top + 1) // 2, _UNIT, 0.0, _UNIT * top)
        predict_linearly(stage.near, 0, values, wave, share)
        predict_linearly(stage.far, 0, values, wave, share)
    _set_up(stage.mixing, stage.mixture, s, stage.near.predicted, stage.far.predicted, share)


@kernel
def _set_up(m: Mixing, mixture: Mixture, s: Residuals, near: Int64, far: Int64, share: Share) -> None:
    """Set up mixtures, nodes, classes and contexts of a share of the lanes."""
    wave, lanes = m.wave[0], m.lane
    part = wave.channel
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        if part == 0:
            predict_value(s, i, y, x, near[i], far[i], mixture)
        mean = mix_part(s, i, part, mixture)
        lane, width = lanes[i], s.width[i]
        west, north = abs(np.int64(s.errors[y, x - 1])), abs(np.int64(s.errors[y - 1, x]))
        octave = octave_of(width)
        lane.node = 1 << wave.first_depth
        lane.base = OFFSET
        lane.mean = min(max(mean, 0), 255 * 16)
        lane.spread = min(octave * 2 // 3, SPREADS - 1)
        lane.surprise = min((west + north) * 2 // (width + 1), ERRORS - 1)
        residual_contexts(s, m.ctx, ResidualPixel(i, y, x, part, octave, lane.surprise))
        for j in range(m.ctx.shape[1]):
            m.ctx[i, j] = m.ctx[i, j] * 8 + part


def _recall(stage: ResidualLayer, buffer: Int32, start: int) -> None:
    s, canvas, wave = stage.residuals, stage.canvas, stage.mixing.wave[0]
    for i in range(wave.lanes):
        y, x = position(wave, i)
        value = (np.int64(canvas[y, x, 0]) << s.low_bits) + canvas[y, x, 1]
        residual = residual_of(s, i, value)
        symbol = residual >> s.low_bits if wave.channel == 0 else residual & ((1 << s.low_bits) - 1)
        buffer[start + i] = (symbol >> (7 - wave.depth)) & 1


code_by_bits(ResidualLayer, _recall)


@implements(finish_values, ResidualLayer)
def _finish_values(stage: ResidualLayer) -> None:
    _take_values(stage.residuals, stage.canvas, stage.mixing.lane, stage.mixing.wave[0])


@kernel
def _take_values(s: Residuals, canvas: Int32, lanes: Any, wave: Any) -> None:
    """Take the high bits of residuals, or their low bits: then the values are known."""
    low_bits = s.low_bits
    for i in range(wave.lanes):
        symbol = lanes[i].node & 255
        if wave.channel == 0:
            s.high[i] = symbol
        else:
            y, x = position(wave, i)
            value = value_of(s, i, (s.high[i] << low_bits) + symbol)
            canvas[y, x, 0], canvas[y, x, 1] = value >> low_bits, value & ((1 << low_bits) - 1)
            learn_residual(s, i, y, x, value)
