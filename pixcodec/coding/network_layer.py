"""A layer of the network, with context mixing: its stages (FORMAT.md, sections Mixing and Least squares)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.bits import coded_by_bits, do_own_part, finish_values
from pixcodec.coding.driver import new_progress
from pixcodec.coding.run_ends import discount_lanes
from pixcodec.coding.run_state import RunKind, Runs, new_runs
from pixcodec.coding.runs import copy_pixels
from pixcodec.coding.team import FEATURES, JOB, new_team
from pixcodec.mixing.block_fit import BlockFit, new_block_fit, predict_by_blocks
from pixcodec.mixing.contexts import (
    EXACT_CONTEXTS,
    GREY_CONTEXTS,
    LINEAR_CONTEXTS,
    RGB_CONTEXTS,
    Expected,
    Pixel,
    chosen_contexts,
    exact_contexts,
    grey_contexts,
    linear_contexts,
)
from pixcodec.mixing.lattices import (
    JFIF,
    LATTICE_FIELDS,
    PHOTO_CD,
    copy_lattices,
    invert_lattices,
    lattice_contexts,
)
from pixcodec.mixing.least_squares import (
    PIXEL_SLOPE,
    Samples,
    Systems,
    error_fit,
    new_systems,
    pixel_fit,
    predict_linearly,
)
from pixcodec.mixing.local import take_joint, take_linear, take_near
from pixcodec.mixing.logits import half_octave
from pixcodec.mixing.matches import expected, follow_copies, update_matches
from pixcodec.mixing.reference_contexts import reference_contexts, still_class
from pixcodec.mixing.rgb_contexts import rgb_contexts
from pixcodec.mixing.state import ERRORS, GRID, MAX, OFFSET, Extent, Mixing, new_network_mixing
from pixcodec.network.architecture import PAD_VALUE, REACH
from pixcodec.network.calibration import Calibration, calibrate, learn_values, new_calibration
from pixcodec.network.copies import copy_features
from pixcodec.network.distribution import Mixture, summary
from pixcodec.network.inference import Network, compute_features, compute_mixture
from pixcodec.network.kernels import implements, inlined, kernel
from pixcodec.network.profiling import FITS, lap
from pixcodec.network.wavefront import Share, first_of, position

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Planes = npt.NDArray[np.uint8]

_UNIT = 16.0  # predictions are in 1/16 level
_TOP = _UNIT * 255


class Near(IntEnum):
    """What the format versions of photographs of effort normal have that version 6 has not."""

    NONE = 0
    FITTED = 1  # version 9: block fits predict the layer
    CALIBRATED = 2  # version 10: and the network's mixtures are corrected


@coded_by_bits
class NetworkLayer(NamedTuple):
    """A layer of effort normal."""

    network: Network
    mixing: Mixing
    mixture: Mixture  # the network's
    canvas: Int32  # the network's
    progress: Any
    runs: Runs
    team: Int64
    sees: Int32  # H + 6, W + 6, channels seen: layers coded before, which only graphics look at
    lattice: Int16  # H + 3, W + 6, 6: luma and chroma
    chosen: Int64  # C, J: the numbers of the contexts that are used
    candidates: Int64  # N, all contexts


@coded_by_bits
class FittedNetworkLayer(NamedTuple):
    """A layer of effort max: with least-squares predictions."""

    network: Network
    mixing: Mixing
    mixture: Mixture
    canvas: Int32
    progress: Any
    runs: Runs
    team: Int64
    sees: Int32
    lattice: Int16
    chosen: Int64
    candidates: Int64
    fit: Systems  # of the subpixels
    joint: Systems  # of the errors of network and fit


@coded_by_bits
class NearNetworkLayer(NamedTuple):
    """A layer of effort normal in format versions 9 and 10: with block fits, and in 10 calibrated."""

    network: Network
    mixing: Mixing
    mixture: Mixture
    canvas: Int32
    progress: Any
    runs: Runs
    team: Int64
    sees: Int32
    lattice: Int16
    chosen: Int64
    candidates: Int64
    fit: BlockFit
    calibration: Calibration


def new_network_layer(
    network: Network,
    effort: int,
    size: Extent,
    sees: Int32,
    *,
    graphics: bool = False,
    runs: int = RunKind.NONE,
    threads: int = 1,
    reference: Planes | None = None,
    near: int = Near.NONE,
) -> NetworkLayer | FittedNetworkLayer | NearNetworkLayer:
    """Return the stage of a layer of which nothing is coded yet.

    Parameters
    ----------
    network : Network
        With the pixels, if they are to be coded.
    effort : int
    size : Extent
    sees : ndarray of int32, shape (H + 6, W + 6, channels seen)
    graphics, near : bool, int
        Whether repeats are looked at; a Near, of effort NORMAL with neither graphics nor a reference.
    runs, threads : int
        A RunKind: which pixels are copied; how many threads may work on it at a time, as of the network.
    reference : ndarray of uint8, shape (H, W, channels), optional
        What the layer is predicted from.

    Raises
    ------
    ValueError
        If the slope is too small for the predictions of effort max.
    """
    if effort == MAX and size.slope < PIXEL_SLOPE:
        raise ValueError(f"slope is {size.slope}, expected at least {PIXEL_SLOPE} with effort max")
    options = {"graphics": graphics, "reference": reference is not None, "near": near > Near.NONE}
    chosen, candidates = chosen_contexts(effort, size.channels, **options)
    mixing = new_network_mixing(effort, size, network.mixture.logistic, **options)
    lattice = (*size.framed, LATTICE_FIELDS) if size.channels == 3 else (1, 1, 1)
    layer = NetworkLayer(
        network,
        mixing,
        network.mixture,
        network.canvas,
        new_progress(size.lanes, 2),
        new_runs(size.height, size.lanes, on=runs, reference=reference),
        new_team(threads),
        sees,
        np.zeros(lattice, np.int16),
        np.array(chosen, np.int64),
        np.zeros((size.lanes, candidates), np.int64),
    )
    if near:
        calibration = new_calibration(network, size.height, size.width, on=near == Near.CALIBRATED)
        fit = new_block_fit(size.channels, size.width, size.lanes, threads)
        return NearNetworkLayer(*layer, fit, calibration)
    if effort != MAX:
        return layer
    fits = (new_systems(f(size.channels), size.lanes, size.slope, threads) for f in (pixel_fit, error_fit))
    return FittedNetworkLayer(*layer, *fits)


def _copy_pixels(stage: NetworkLayer) -> None:
    runs, canvas, lattice, wave = stage.runs, stage.canvas, stage.lattice, stage.mixing.wave[0]
    copied, count = runs.copied, runs.state[0].copied
    copy_features(stage.network.activations, copied, count, wave)
    if canvas.shape[2] == 3:
        copy_lattices(lattice, copied, count, wave)
    if stage.mixing.rules.matches:
        follow_copies(stage.mixing.repeats, canvas, copied, count, wave)


implements(copy_pixels, NetworkLayer)(_copy_pixels)
implements(copy_pixels, FittedNetworkLayer)(_copy_pixels)
implements(copy_pixels, NearNetworkLayer)(_copy_pixels)


def predict_mixtures(stage: Any, share: Share) -> None:
    """Compute the mixtures of a share of a channel's subpixels."""
    raise NotImplementedError


def _compute_mixtures(stage: NetworkLayer, share: Share) -> None:
    wave = stage.mixing.wave[0]
    compute_mixture(stage.network, wave.channel, wave, share)


implements(predict_mixtures, NetworkLayer)(_compute_mixtures)
implements(predict_mixtures, FittedNetworkLayer)(_compute_mixtures)


@implements(predict_mixtures, NearNetworkLayer)
def _calibrate_mixtures(stage: NearNetworkLayer, share: Share) -> None:
    wave = stage.mixing.wave[0]
    if stage.calibration.on:
        calibrate(stage.calibration, stage.network, wave.channel, wave, share)
    else:
        compute_mixture(stage.network, wave.channel, wave, share)


@kernel
def _summarize(network: Network, mixing: Mixing, runs: Runs, share: Share) -> None:
    """Weaken what runs say cannot be, and write means and spreads of mixtures."""
    wave, lane = mixing.wave[0], mixing.lane
    if runs.on:
        discount_lanes(runs, network.canvas, network.mixture, wave, share)
    for i in range(first_of(share), share.end):
        lane[i].mean, lane[i].width = summary(network.mixture, i)


def _do_own_part(stage: NetworkLayer, share: Share) -> None:
    if stage.team[JOB] == FEATURES:
        compute_features(stage.network, stage.mixing.wave[0], share)
    else:
        predict_mixtures(stage, share)
        _summarize(stage.network, stage.mixing, stage.runs, share)
        fit_values(stage, share)
        mixing, reference, candidates = stage.mixing, stage.runs.reference, stage.candidates
        lattice, chosen = stage.lattice, stage.chosen
        _set_contexts(mixing, stage.canvas, stage.sees, reference, lattice, candidates, chosen, share)


implements(do_own_part, NetworkLayer)(_do_own_part)
implements(do_own_part, FittedNetworkLayer)(_do_own_part)
implements(do_own_part, NearNetworkLayer)(_do_own_part)


def fit_values(stage: Any, share: Share) -> None:
    """Predict a share of the subpixels by least squares, where the effort does."""
    raise NotImplementedError


@implements(fit_values, NetworkLayer)
def _fit_nothing(stage: NetworkLayer, share: Share) -> None:
    pass


@implements(fit_values, FittedNetworkLayer)
def _fit_values(stage: FittedNetworkLayer, share: Share) -> None:
    wave, error = stage.mixing.wave[0], stage.mixing.error
    pixels = Samples(stage.canvas, PAD_VALUE, _UNIT, 0.0, _TOP)
    predict_linearly(stage.fit, wave.channel, pixels, wave, share)
    take_linear(stage.mixing, stage.fit.predicted, share)
    predict_linearly(stage.joint, wave.channel, Samples(error, 0, 1.0, -_TOP, _TOP), wave, share)
    take_joint(stage.mixing, stage.joint.predicted, share)
    lap(wave, FITS)


@implements(fit_values, NearNetworkLayer)
def _fit_by_blocks(stage: NearNetworkLayer, share: Share) -> None:
    wave = stage.mixing.wave[0]
    predict_by_blocks(stage.fit, wave.channel, stage.canvas, wave, share)
    take_near(stage.mixing, stage.fit.predicted, share)
    lap(wave, FITS)


@kernel
def _set_contexts(
    s: Mixing,
    canvas: Int32,
    sees: Int32,
    reference: Int32,
    lattice: Int16,
    candidates: Int64,
    chosen: Int64,
    share: Share,
) -> None:
    """Set up nodes, classes and contexts of a share of the lanes.

    Pixels before these, and the earlier channels of these, must be in the canvas.
    """
    wave, lanes, error, rules, ctx = s.wave[0], s.lane, s.error, s.rules, s.ctx
    channel, channels = wave.channel, canvas.shape[2]
    kind = PHOTO_CD if wave.fits_photo_cd > wave.fits_jfif else JFIF
    contexts = GREY_CONTEXTS if channels == 1 else RGB_CONTEXTS
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        lane = lanes[i]
        west, north = abs(error[y, x - 1, channel]), abs(error[y - 1, x, channel])
        lane.surprise = min((west + north) * 2 // (lane.width + 1), ERRORS - 1)
        lane.spread = half_octave(lane.width)
        lane.node = 1
        lane.base = canvas[y, x, channel - 1] if channel > 0 else OFFSET
        lane.place = ((x - REACH) % GRID) * GRID + (y - REACH) % GRID
        phase = 2 * ((x - REACH) & 1) + ((y - REACH) & 1)
        pixel = Pixel(i, y, x, channel, phase, lane.mean, lane.spread, lane.surprise)
        if channels == 1:
            grey_contexts(candidates, canvas, pixel)
        else:
            rgb_contexts(candidates, canvas, pixel)
            lattice_contexts(candidates, canvas, lattice, kind, pixel)
        if rules.linear:
            u = lane.base if channel > 0 else 0
            linear_contexts(candidates, contexts - LINEAR_CONTEXTS, lane.linear, u, pixel)
        if rules.matches:
            value, length = expected(s.repeats, canvas, y, x, channel)
            lane.repeat = length
            exact_contexts(candidates, contexts, canvas, sees, pixel, Expected(value, length))
        if rules.reference:
            lane.still = still_class(canvas, reference, y, x, channel)
            first = contexts + EXACT_CONTEXTS * rules.matches
            reference_contexts(candidates, first, canvas, reference, pixel, lane.still)
        for j in range(ctx.shape[1]):
            ctx[i, j] = candidates[i, chosen[channel, j]] * 4 + channel


@inlined
def _take_values(stage: Any) -> None:
    """Write the values of a wavefront's subpixels and what is known of them now."""
    mixing, canvas, lattice = stage.mixing, stage.canvas, stage.lattice
    wave, lanes, error, rules = mixing.wave[0], mixing.lane, mixing.error, mixing.rules
    channel, channels = wave.channel, canvas.shape[2]
    for i in range(wave.lanes):
        y, x = position(wave, i)
        lane = lanes[i]
        value = (lane.node + lane.base - OFFSET) & 255
        canvas[y, x, channel] = value
        error[y, x, channel] = 16 * value - lane.mean
        if rules.linear or rules.near:
            error[y, x, channels + channel] = 16 * value - lane.linear
        if rules.linear:
            error[y, x, 3 * channels + channel] = 16 * value - lane.joint
        if channel == 2:
            r, g = np.int64(canvas[y, x, 0]), np.int64(canvas[y, x, 1])
            fits = invert_lattices(lattice, y, x, r, g, value)
            wave.fits_jfif += fits & 1
            wave.fits_photo_cd += fits >> 1
    if rules.matches and channel == channels - 1:
        update_matches(mixing.repeats, canvas, wave)


def _finish_values(stage: NetworkLayer) -> None:
    _take_values(stage)


implements(finish_values, NetworkLayer)(_finish_values)
implements(finish_values, FittedNetworkLayer)(_finish_values)


@implements(finish_values, NearNetworkLayer)
def _finish_calibrated(stage: NearNetworkLayer) -> None:
    _take_values(stage)
    if stage.calibration.on:
        mixture, wave = stage.network.mixture, stage.mixing.wave[0]
        learn_values(stage.calibration, stage.canvas, mixture, stage.runs.broken, wave)
