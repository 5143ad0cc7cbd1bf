"""Side layers: planes that the network does not know (FORMAT.md, section Side layers).

Alpha, black (of CMYK), the low bits of 16, palette indices and bilevel pixels are coded by context mixing as
the network's layers are, but for two things: plain predictors take the place of the network's mixture, and
the contexts are others. The layers coded before are known as a whole.

Shapes: N lanes, C channels of the layer, H W height and width of the tile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.bits import coded_by_bits, do_own_part, finish_values
from pixcodec.coding.driver import new_progress
from pixcodec.coding.run_ends import discount
from pixcodec.coding.run_state import RunKind, Runs, framed, new_runs
from pixcodec.coding.runs import copy_pixels, reference_value
from pixcodec.coding.team import FEATURES, JOB, new_team
from pixcodec.mixing.contexts import REFERENCE_CONTEXTS
from pixcodec.mixing.least_squares import Samples, Systems, low_fit, new_systems, predict_linearly
from pixcodec.mixing.logits import half_octave
from pixcodec.mixing.matches import expected, follow_copies, update_matches
from pixcodec.mixing.reference_contexts import kept_class, kept_contexts
from pixcodec.mixing.side_contexts import SIDE_CONTEXTS, SidePixel, repeat_contexts, side_contexts
from pixcodec.mixing.side_predictors import (
    ALPHA,
    BILEVEL,
    FAR,
    INDEX,
    LOW,
    NO_FIT,
    PREDICTORS,
    WIDE,
    Predictors,
    Value,
    guess,
    learn_value,
    mix_guesses,
)
from pixcodec.mixing.state import ERRORS, GRID, OFFSET, Extent, Mixing, SidePlan, new_side_mixing
from pixcodec.mixing.tables import LOGISTIC_TABLE
from pixcodec.network.architecture import PAD_VALUE, REACH
from pixcodec.network.distribution import Mixture, logistic_steps, new_mixture, summary
from pixcodec.network.kernels import implements, kernel
from pixcodec.network.wavefront import Share, first_of, inner, new_canvas, position

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Planes = npt.NDArray[np.uint8]

_NEVER = 1 << 30
# Of each kind: odds of a sure nibble, certain logit (see Rules), and the mixers' first weights, in 2**-20.
PLANS = {
    ALPHA: (1 << 12, 9 << 8, 1 << 19, 1 << 17),
    LOW: (0, _NEVER, 1 << 20, 0),
    WIDE: (1 << 12, 9 << 8, 1 << 20, 0),
    INDEX: (0, _NEVER, 1 << 18, 1 << 15),
    BILEVEL: (0, _NEVER, 1 << 18, 1 << 15),
}
_LOGISTIC = logistic_steps(LOGISTIC_TABLE)
_UNIT = 16.0  # predictions are in 1/16 level
_PLAIN_BITS = 16  # of a value whose predictions fit with their weights into 64 bits


def logistic_of_side_layers() -> Int64:
    """Return the logistic table of all side layers, as a mixture takes it."""
    return _LOGISTIC


@coded_by_bits
class SideLayer(NamedTuple):
    """A side layer."""

    mixing: Mixing
    mixture: Mixture  # of the predictors
    canvas: Int32
    progress: Any
    runs: Runs
    team: Int64
    predictors: Predictors


@coded_by_bits
class FittedSideLayer(NamedTuple):
    """A side layer of values with low bits, in efforts normal and max: with least-squares predictions."""

    mixing: Mixing
    mixture: Mixture
    canvas: Int32
    progress: Any
    runs: Runs
    team: Int64
    predictors: Predictors
    fit: Systems


class SideKind(NamedTuple):
    """What a side layer is.

    ``kind`` is ALPHA, LOW, INDEX, BILEVEL, or WIDE: high and low bits of each value one after the other. A
    value of the layer has ``bits`` bits, 1..8; of the image's values ``low_bits`` are low ones, 0 if they
    are not divided, and ``high_bits`` are above these.
    """

    kind: int
    bits: int = 8
    low_bits: int = 0
    high_bits: int = 8

    @property
    def whole_bits(self) -> int:
        """Return the bits of a value of the image, as the predictors take it."""
        return self.high_bits + self.low_bits

    def plan(self, *, graphics: bool, reference: bool = False) -> SidePlan:
        """Return how the layer is mixed: repeats are looked for in indices, and in alpha of graphics."""
        matches = self.kind in (INDEX, BILEVEL) or (graphics and self.kind == ALPHA)
        contexts = SIDE_CONTEXTS + REFERENCE_CONTEXTS * reference
        return SidePlan(contexts, self.bits, self.low_bits, matches, *PLANS[self.kind], reference)


def new_side_layer(
    kind: SideKind,
    size: Extent,
    sees: Planes,
    *,
    fits: bool,
    graphics: bool,
    runs: int = RunKind.NONE,
    planes: Planes | None = None,
    threads: int = 1,
    reference: Planes | None = None,
) -> SideLayer | FittedSideLayer:
    """Return the stage of a side layer of which nothing is coded yet.

    Parameters
    ----------
    kind : SideKind
    size : Extent
        Of the layer, with the planes of WIDE that are known.
    sees : ndarray of uint8 or uint16, shape (H, W, channels seen)
        Of LOW the high bits; of WIDE the planes of a value that is known before those that are coded, or
        none; else the layers before, or none.
    fits : bool
        Whether values with low bits are predicted by least squares, too.
    graphics : bool
        Whether repeats are looked for in alpha; in indices they always are.
    runs : int
        A RunKind: which pixels are copied; none if values of WIDE are known.
    planes : ndarray of uint8, shape (H, W, C), optional
        Its values, when encoding, without those that are known.
    threads : int
        How many may work on it at a time.
    reference : ndarray of uint8, shape (H, W, 1 or 2), optional
        What a layer of one plane is predicted from; the last plane stands for no change.
    """
    channels = size.channels
    canvas = new_canvas(size.height, size.width, channels, 0 if kind.kind in (INDEX, BILEVEL) else PAD_VALUE)
    known = sees.shape[2] if kind.kind == WIDE else 0
    inner(canvas)[..., :known] = sees[..., :known]
    if planes is not None:
        inner(canvas)[..., known:] = planes
    predictors = _new_predictors(kind, size, sees, canvas)
    plan = kind.plan(graphics=graphics, reference=reference is not None)
    mixing = new_side_mixing(plan, size, _LOGISTIC)
    if kind.kind == WIDE:
        mixing.first_depths[1::2] = 8 - kind.low_bits
        mixing.wave["first_channel"] = mixing.wave["channel"] = known
    mixture, progress = new_mixture(size.lanes, PREDICTORS, _LOGISTIC), new_progress(size.lanes, 2)
    run_state = new_runs(size.height, size.lanes, on=runs, reference=reference)
    layer = SideLayer(mixing, mixture, canvas, progress, run_state, new_team(threads), predictors)
    if not (fits and kind.low_bits):
        return layer
    fit = new_systems(low_fit(predictors.values.shape[2], kind.whole_bits), size.lanes, size.slope, threads)
    return FittedSideLayer(*layer, fit)


def _new_predictors(kind: SideKind, size: Extent, sees: Planes, canvas: Int32) -> Predictors:
    """Return the predictors of a layer whose canvas holds what is known."""
    channels = size.channels
    values = channels // 2 if kind.kind == WIDE else channels
    return Predictors(
        kind.kind,
        kind.low_bits,
        max(0, kind.whole_bits - _PLAIN_BITS),
        int(_UNIT) * ((1 << kind.whole_bits) - 1),
        _values(kind, size, values, sees, canvas) if kind.low_bits else canvas,
        framed(sees),
        np.zeros((size.lanes, PREDICTORS), np.int64),
        np.zeros((*size.framed, channels, PREDICTORS), np.int32),
    )


def _values(kind: SideKind, size: Extent, channels: int, sees: Planes, parts: Int32) -> Int32:
    """Return a canvas of the image's values, which are divided into high and low bits.

    ``parts``: the canvas of the layer. What it does not hold yet is written when it is known.
    """
    canvas, planes = new_canvas(size.height, size.width, channels, 1 << (kind.whole_bits - 1)), inner(parts)
    high, low = (planes[:, :, ::2], planes[:, :, 1::2]) if kind.kind == WIDE else (sees, planes)
    inner(canvas)[:] = (high.astype(np.int32) << kind.low_bits) + low
    return canvas


def _copy_pixels(stage: SideLayer) -> None:
    runs, canvas, p, wave = stage.runs, stage.canvas, stage.predictors, stage.mixing.wave[0]
    copied, count = runs.copied, runs.state[0].copied
    if p.low_bits:
        _put_values(p, canvas, copied, count, wave)
    if stage.mixing.rules.matches:
        follow_copies(stage.mixing.repeats, canvas, copied, count, wave)


implements(copy_pixels, SideLayer)(_copy_pixels)
implements(copy_pixels, FittedSideLayer)(_copy_pixels)


@kernel
def _put_values(p: Predictors, canvas: Int32, copied: Int64, count: int, wave: Any) -> None:
    """Write the whole values, of high and low bits, of pixels that were copied."""
    for k in range(count):
        y, x = copied[k] + REACH, wave.t - wave.slope * copied[k] + REACH
        for c in range(p.values.shape[2]):
            if p.kind == WIDE:
                p.values[y, x, c] = (canvas[y, x, 2 * c] << p.low_bits) + canvas[y, x, 2 * c + 1]
            else:
                p.values[y, x, c] = (p.sees[y, x, c] << p.low_bits) + canvas[y, x, c]


@implements(do_own_part, SideLayer)
def _do_own_part(stage: SideLayer, share: Share) -> None:
    if stage.team[JOB] != FEATURES:
        none = stage.mixing.open[:0]
        _set_up(stage.mixing, stage.mixture, stage.canvas, stage.predictors, none, stage.runs, share)


@implements(do_own_part, FittedSideLayer)
def _do_own_part_with_fits(stage: FittedSideLayer, share: Share) -> None:
    if stage.team[JOB] != FEATURES:
        _fit_and_set_up(stage, share)


@kernel
def _fit_and_set_up(stage: FittedSideLayer, share: Share) -> None:
    p, wave = stage.predictors, stage.mixing.wave[0]
    part, channel = _part_of(p.kind, wave.channel)
    if part == 0 or p.kind == LOW:
        pad = (p.top // 16 + 1) // 2
        values = Samples(p.values, pad, _UNIT, 0.0, float(p.top))
        predict_linearly(stage.fit, channel, values, wave, share)
    _set_up(stage.mixing, stage.mixture, stage.canvas, p, stage.fit.predicted, stage.runs, share)


@kernel
def _part_of(kind: int, channel: int) -> tuple[int, int]:
    """Return the part of a value that a channel of the layer holds, and the channel of the value."""
    if kind == WIDE:
        return channel & 1, channel >> 1
    return 1 if kind == LOW else 0, channel


@kernel
def _value_at(p: Predictors, canvas: Int32, wave: Any, lane: int) -> Value:
    """Return the value that a lane's symbol is, or is a part of."""
    y, x = position(wave, lane)
    part, channel = _part_of(p.kind, wave.channel)
    high: Any = np.int64(0)
    if part:
        high = np.int64(p.sees[y, x, channel]) if p.kind == LOW else np.int64(canvas[y, x, wave.channel - 1])
    return Value(lane, y, x, channel, part, high)


@kernel
def _set_up(
    s: Mixing, mixture: Mixture, canvas: Int32, p: Predictors, linear: Int64, runs: Runs, share: Share
) -> None:
    """Set up mixtures, nodes, classes and contexts of a share of the lanes; ``linear`` (N,) may be empty."""
    wave, lanes, error, ctx, rules = s.wave[0], s.lane, s.error, s.ctx, s.rules
    channel = wave.channel
    for i in range(first_of(share), share.end):
        value = _value_at(p, canvas, wave, i)
        y, x, lane = value.y, value.x, lanes[i]
        if value.part == 0 or p.kind == LOW:
            foretold = linear[i] if len(linear) else NO_FIT
            if rules.reference:
                foretold = 16 * np.int64(runs.reference[y, x, 0])
            guess(p, value, foretold)
        center, spread = mix_guesses(p, value, mixture)
        if runs.broken[i] == channel + 1:
            discount(mixture, i, reference_value(runs, canvas, y, x, channel))
            center, spread = summary(mixture, i)
        west, north = abs(error[y, x - 1, channel]), abs(error[y - 1, x, channel])
        lane.node = 1 << wave.first_depth
        lane.base = OFFSET
        lane.linear = center
        lane.mean = min(max(center, 0), 255 * 16)
        lane.spread = half_octave(spread)
        lane.surprise = min((west + north) * 2 // (spread + 1), ERRORS - 1)
        lane.place = ((x - REACH) % GRID) * GRID + (y - REACH) % GRID
        pixel = SidePixel(i, y, x, channel, value.high, lane.mean, lane.spread, lane.surprise)
        side_contexts(p.kind, ctx, canvas, p.sees, pixel)
        foreseen, length = np.int64(0), 0
        if rules.matches:
            foreseen, length = expected(s.repeats, canvas, y, x, channel)
            lane.repeat = length
        repeat_contexts(ctx, canvas, pixel, foreseen, length)
        if rules.reference:
            lane.still = kept_class(canvas, runs.reference, y, x)
            kept_contexts(ctx, SIDE_CONTEXTS, canvas, runs.reference, pixel, lane.still)
        for j in range(ctx.shape[1]):
            ctx[i, j] = ctx[i, j] * 8 + channel


def _finish_values(stage: SideLayer) -> None:
    mixing, canvas, p = stage.mixing, stage.canvas, stage.predictors
    wave, lanes, error = mixing.wave[0], mixing.lane, mixing.error
    for i in range(wave.lanes):
        at = _value_at(p, canvas, wave, i)
        symbol = lanes[i].node & 255
        canvas[at.y, at.x, wave.channel] = symbol
        error[at.y, at.x, wave.channel] = min(max(16 * symbol - lanes[i].linear, -FAR), FAR)
        value = symbol
        if p.low_bits:
            if p.kind == WIDE and at.part == 0:
                continue  # the value is known once its low bits are
            value += at.high << p.low_bits
            p.values[at.y, at.x, at.channel] = value
        learn_value(p, at, value)
    if mixing.rules.matches and wave.channel == canvas.shape[2] - 1:
        update_matches(mixing.repeats, canvas, wave)


implements(finish_values, SideLayer)(_finish_values)
implements(finish_values, FittedSideLayer)(_finish_values)
