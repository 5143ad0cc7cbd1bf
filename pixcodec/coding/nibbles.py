"""Effort fast: a subpixel is two symbols of 16, by the network's distribution (FORMAT.md, Distribution).

In version 9 the distributions are calibrated (:mod:`pixcodec.network.calibration`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import Rows, Symbols, learn, new_progress, predict, prepare, recall
from pixcodec.coding.run_ends import discount_lanes
from pixcodec.coding.run_state import Planes, RunKind, Runs, new_runs
from pixcodec.coding.runs import (
    copy_pixels,
    learn_runs,
    limit_runs,
    next_pixels,
    predict_runs,
    recall_runs,
)
from pixcodec.coding.team import FEATURES, JOB, PREDICT, VALUES, do_part, new_team, share_job
from pixcodec.network import profiling
from pixcodec.network.calibration import Calibration, calibrate, learn_values, new_calibration
from pixcodec.network.copies import copy_features
from pixcodec.network.distribution import KNOWN, NIBBLE, high_rows, known_rows, low_rows
from pixcodec.network.inference import Network, compute_features, compute_mixture
from pixcodec.network.kernels import implements, kernel
from pixcodec.network.profiling import OUTSIDE, lap
from pixcodec.network.wavefront import Share, first_of, new_wave, next_channel, position

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_HIGH, _LOW = range(2)  # values of wave.depth


class Nibbles(NamedTuple):
    """A tile that is coded without mixing: of each channel the high nibbles, then the low ones.

    A decoder needs the frequencies of all 16 outcomes. An encoder knows the subpixel, and computes three
    for both nibbles at once (:func:`pixcodec.network.distribution.known_rows`).
    """

    network: Network
    canvas: Int32  # the network's
    wave: Any
    progress: Any
    high: Int64  # N: the high nibbles of the channel's subpixels
    span: Int64  # N: the frequencies of the high nibbles
    rows: Float64  # N, 16: frequencies - 1; of an encoder three of the high nibble, then of the low one
    runs: Runs
    team: Int64
    edges: Int64  # N, 4: of an encoder, scratch
    outcomes: Int64  # N, 2: of an encoder, which ones the nibbles are
    calibration: Calibration


def new_nibbles(
    network: Network,
    height: int,
    width: int,
    slope: int,
    *,
    known: bool,
    calibrated: bool = False,
    runs: int = RunKind.NONE,
    threads: int = 1,
    reference: Planes | None = None,
) -> Nibbles:
    """Return the stage of a tile of this size, nothing of it being coded.

    ``known``: whether it has the pixels, and rows of three outcomes are enough. ``calibrated``: whether the
    network's mixtures are corrected (format version 9). ``runs``: which
    parts are copied. ``threads``: how many may work on it at a time; as of the network. ``reference``, shape
    (H, W, C): what still runs are copied from.
    """
    lanes = len(network.mixture.weight)
    return Nibbles(
        network,
        network.canvas,
        new_wave(height, width, network.canvas.shape[2], slope),
        new_progress(lanes, KNOWN if known else NIBBLE),
        np.zeros(lanes, np.int64),
        np.zeros(lanes, np.int64),
        np.zeros((lanes, NIBBLE)),
        new_runs(height, lanes, on=runs, reference=reference),
        new_team(threads),
        np.zeros((lanes, 4), np.int64),
        np.zeros((lanes, 2), np.int64),
        new_calibration(network, height, width, on=calibrated),
    )


@implements(copy_pixels, Nibbles)
def _copy_pixels(stage: Nibbles) -> None:
    runs = stage.runs
    copy_features(stage.network.activations, runs.copied, runs.state[0].copied, stage.wave[0])


@implements(limit_runs, Nibbles)
def _limit_runs(stage: Nibbles) -> None:
    pass


@implements(prepare, Nibbles)
def _prepare(stage: Nibbles) -> int:
    wave = stage.wave[0]
    lap(wave, OUTSIDE)
    if wave.depth == _HIGH:
        if wave.channel == 0:
            symbols = next_pixels(stage, wave)
            if symbols == 0 or stage.runs.state[0].asking > 0:
                return int(symbols)
            stage.team[JOB] = FEATURES
            share_job(stage, wave.lanes)
        stage.team[JOB] = VALUES
        share_job(stage, wave.lanes)
    return int(wave.lanes)


@implements(do_part, Nibbles)
def _do_part(stage: Nibbles, share: Share) -> None:
    wave, network, runs = stage.wave[0], stage.network, stage.runs
    if stage.team[JOB] == FEATURES:
        compute_features(network, wave, share)
    elif stage.team[JOB] == PREDICT:
        _predict_nibbles(stage, share)
    else:
        if stage.calibration.on:
            calibrate(stage.calibration, network, wave.channel, wave, share)
        else:
            compute_mixture(network, wave.channel, wave, share)
        if runs.on:
            discount_lanes(runs, stage.canvas, network.mixture, wave, share)


@implements(predict, Nibbles)
def _predict(stage: Nibbles, buffer: Rows, start: int) -> None:
    if stage.runs.state[0].asking > 0:
        predict_runs(stage.runs, buffer, start)
    else:
        stage.team[JOB] = PREDICT
        if stage.progress[0].outcomes == NIBBLE or stage.wave[0].depth == _HIGH:
            share_job(stage, stage.wave[0].lanes)
        _copy_rows(stage, buffer, start)
        lap(stage.wave[0], profiling.PREDICT)


@kernel
def _copy_rows(stage: Nibbles, buffer: Rows, start: int) -> None:
    rows, wave = stage.rows, stage.wave[0]
    if stage.progress[0].outcomes == KNOWN:
        first = KNOWN * wave.depth
        for i in range(wave.lanes):
            for j in range(KNOWN):
                buffer[start + i, j] = rows[i, first + j]
    else:
        for i in range(wave.lanes):
            for j in range(NIBBLE):
                buffer[start + i, j] = rows[i, j]


@kernel
def _predict_nibbles(stage: Nibbles, share: Share) -> None:
    """Write the rows of a share of the lanes."""
    mixture, rows = stage.network.mixture, stage.rows
    if stage.progress[0].outcomes == KNOWN:
        _predict_known(stage, share)
    elif stage.wave[0].depth == _HIGH:
        high_rows(share.first, share.end, mixture, rows)
    else:
        low_rows(share.first, share.end, stage.high, stage.span, mixture, rows)


@kernel
def _predict_known(stage: Nibbles, share: Share) -> None:
    """Write the rows of both nibbles of subpixels that the canvas holds, and keep which outcomes they are."""
    wave, mixture, canvas = stage.wave[0], stage.network.mixture, stage.canvas
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        value = np.int64(canvas[y, x, wave.channel])
        known_rows(i, value, mixture, stage.edges, stage.rows, stage.outcomes)


@implements(recall, Nibbles)
def _recall(stage: Nibbles, buffer: Symbols, start: int) -> None:
    if stage.runs.state[0].asking > 0:
        recall_runs(stage.runs, stage.canvas, stage.wave[0], buffer, start)
    else:
        _recall_nibbles(stage, buffer, start)


@kernel
def _recall_nibbles(stage: Nibbles, buffer: Symbols, start: int) -> None:
    wave, canvas = stage.wave[0], stage.canvas
    for i in range(wave.lanes):
        if stage.progress[0].outcomes == KNOWN:
            buffer[start + i] = stage.outcomes[i, wave.depth]
            continue
        y, x = position(wave, i)
        value = canvas[y, x, wave.channel]
        buffer[start + i] = value >> 4 if wave.depth == _HIGH else value & 15


@implements(learn, Nibbles)
def _learn(stage: Nibbles, buffer: Symbols, start: int) -> None:
    if stage.runs.state[0].asking > 0:
        learn_runs(stage.runs, stage.canvas, stage.wave[0], buffer, start)
    else:
        _learn_nibbles(stage, buffer, start)


@kernel
def _learn_nibbles(stage: Nibbles, buffer: Symbols, start: int) -> None:
    wave, canvas = stage.wave[0], stage.canvas
    unknown = 0 if stage.progress[0].outcomes == KNOWN else wave.lanes
    if wave.depth == _HIGH:
        for i in range(unknown):
            high = np.int64(buffer[start + i])
            stage.high[i], stage.span[i] = high, np.int64(stage.rows[i, high]) + 1
        wave.depth = _LOW
    else:
        for i in range(unknown):
            y, x = position(wave, i)
            canvas[y, x, wave.channel] = (stage.high[i] << 4) | buffer[start + i]
        if stage.calibration.on:
            learn_values(stage.calibration, canvas, stage.network.mixture, stage.runs.broken, wave)
        wave.depth = _HIGH
        next_channel(wave)
