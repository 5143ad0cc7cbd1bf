"""Calibration: the network's mixtures, corrected by what the tile has shown so far (FORMAT.md, Calibration).

Each channel has 16 classes, by how wide the likeliest component is. Every class learns, while the tile is
coded, corrections of all logits, means and scales of a mixture, by gradients of the code length; and a
linear prediction of the error of its mean, from the errors and values nearby, by normalised least mean
squares. All subpixels of a wavefront's channel are corrected by what was learnt before it.

Shapes: N lanes, C channels, K components, H W height and width of the tile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import LOG_SCALE_MIN, LOGIT_MAX, REACH, SCALE_BITS
from pixcodec.network.distribution import (
    LOGISTIC_BITS,
    Z_RANGE,
    Mixture,
    logistic_at,
    parts_of,
)
from pixcodec.network.distribution import WEIGHT_BITS as WEIGHT_SHARE_BITS
from pixcodec.network.inference import USUAL_COMPONENTS, Network, compute_outputs, put_mixtures
from pixcodec.network.kernels import generated, inlined, kernel
from pixcodec.network.wavefront import Record, Share, first_of, position

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

CLASSES = 16
FEATURES = 24  # of which a channel has 6 errors, 6 values, and 3 errors of each earlier one
WEIGHT_BITS = 20  # of what a feature is multiplied by
SPARE_BITS = 6  # of these, that tell only while it is learnt
STEP_BITS = 8  # of a step, below the unit of weights
GROUP = 4  # how many numbers vectors hold; arrays of three a component are padded to a multiple
UNIT = float(1 << 22)  # divided by an inverse scale: the scale in 1/16 level
WEIGHT_FLOOR = 3277.0  # 0.05 in units of a component's weight
LIKELY_FLOOR = 2  # of the share of a value, in 2**-22
STEEPEST = 8.0  # gradient
FURTHEST = 512.0  # correction: of logits and scales in steps, of means in 1/16 level
STEPS_OF_A_UNIT = 32.0  # of logits and log scales
_SHIFT = WEIGHT_BITS - SPARE_BITS
_TOP = 255 * 16  # of means, in 1/16 level
_RATE, _FIRST_RATE, _FALL = 0.005, 0.02, 0.01
_LINEAR_RATE, _FIRST_LINEAR_RATE = 0.005, 0.01
_STEP_UNIT = float(1 << (WEIGHT_BITS + STEP_BITS))
_SCALE_OFFSET = LOG_SCALE_MIN << SCALE_BITS

_CODE = "pixcodec.network.calibration_code"
foresee = generated(_CODE, "foresee")
energy = generated(_CODE, "energy")
step_weights = generated(_CODE, "step_weights")
correct_outputs = generated(_CODE, "correct_outputs")
step_corrections = generated(_CODE, "step_corrections")
write_gradients = generated(_CODE, "write_gradients")


class Calibration(NamedTuple):
    """What a tile has shown about its mixtures; nothing of it is used unless ``on``.

    P is 3 K, rounded up to a multiple of four: logits, means and log scales, in the order of the heads.
    """

    on: int
    limit: Int32  # of each entry of the table of scales: of features, if the likeliest component has it
    low: Int32  # P: least outputs
    high: Int32  # P: largest outputs
    correction: Float64  # C, CLASSES, P
    rounded: Int32  # C, CLASSES, P: the same, rounded
    weight: Int32  # C, CLASSES, FEATURES
    learnt: Float64  # C, CLASSES: subpixels learnt from
    age: Float64  # C, CLASSES: 1 / (1 + learnt / 100)
    error: Int16  # H + 3, W + 6, C: value minus mean, in 1/16 level
    feature: Int32  # N, FEATURES
    gradient: Float64  # N, P
    kind: Int64  # N: classes
    bound: Int64  # N: limits of features, in 1/16 level
    center: Int64  # N: means of the mixtures before they were moved, in 1/16 level
    moved: Int64  # N: by how much, in 1/16 level
    step: Int64  # N: of weights


def new_calibration(network: Network, height: int, width: int, *, on: bool) -> Calibration:
    """Return what a tile of which nothing is coded yet has shown."""
    (lanes, count), channels = network.mixture.weight.shape, network.canvas.shape[2]
    lanes, frame = (lanes, (height + REACH, width + 2 * REACH, channels)) if on else (0, (0, 0, 0))
    inverse = np.maximum(network.weights.scale_table, 1).astype(np.int64)
    numbers, spare = -(-3 * count // GROUP) * GROUP, [(0, -3 * count % GROUP)]
    classes, anything = (channels if on else 0, CLASSES), np.iinfo(np.int32)
    low = np.repeat([-LOGIT_MAX, anything.min, _SCALE_OFFSET], count)
    high = np.repeat([LOGIT_MAX, anything.max, _SCALE_OFFSET + len(inverse) - 1], count)
    return Calibration(
        int(on),
        (2 + (48 << 18) // inverse).astype(np.int32),
        np.pad(low, spare, constant_values=anything.min).astype(np.int32),
        np.pad(high, spare, constant_values=anything.max).astype(np.int32),
        np.zeros((*classes, numbers)),
        np.zeros((*classes, numbers), np.int32),
        np.zeros((*classes, FEATURES), np.int32),
        np.zeros(classes),
        np.ones(classes),
        np.zeros(frame, np.int16),
        np.zeros((lanes, FEATURES), np.int32),
        np.zeros((lanes, numbers)),
        *np.zeros((5, lanes), np.int64),
    )


@kernel
def calibrate(s: Calibration, network: Network, channel: int, wave: Record, share: Share) -> None:
    """Compute the mixtures of a share of the subpixels, calibrated."""
    compute_outputs(network, channel, wave, share)
    count = network.mixture.weight.shape[1]
    if count == USUAL_COMPONENTS:  # a number that the compiler knows
        _calibrate(s, network, channel, wave, share, USUAL_COMPONENTS)
    else:
        _calibrate(s, network, channel, wave, share, count)


@inlined
def _calibrate(
    s: Calibration, network: Network, channel: int, wave: Record, share: Share, count: int
) -> None:
    """Turn the outputs of a channel's head into calibrated mixtures of so many components."""
    _correct(s, network.activations.outputs, channel, share, count)
    put_mixtures(network, channel, wave, share)
    _take_means(s, network.mixture, share, count)
    _take_features(s, network.canvas, channel, wave, share)
    _move(s, network.mixture, channel, share, count)


@inlined
def _correct(s: Calibration, outputs: Int32, channel: int, share: Share, count: int) -> None:
    """Correct logits, means and log scales of a share of the mixtures, of so many components."""
    limit, kinds, bounds, numbers = s.limit, s.kind, s.bound, s.rounded.shape[2]
    low, high, corrections = s.low.ctypes.data, s.high.ctypes.data, s.rounded.ctypes.data
    start, row = outputs.ctypes.data, 4 * outputs.shape[1]
    for i in range(first_of(share), share.end):
        most, width = outputs[i, 0], outputs[i, 2 * count]
        for k in range(1, count):
            better = outputs[i, k] > most
            most = outputs[i, k] if better else most
            width = outputs[i, 2 * count + k] if better else width
        at: Any = max(np.int64(width) - _SCALE_OFFSET, 0)
        kinds[i], bounds[i] = min(max((at >> 4) - 2, 0), CLASSES - 1), limit[at]
    for i in range(first_of(share), share.end):
        mine = corrections + 4 * numbers * (CLASSES * channel + kinds[i])
        correct_outputs(start + row * i, mine, low, high, numbers)


@inlined
def _take_means(s: Calibration, mixture: Mixture, share: Share, count: int) -> None:
    """Write the means of a share of the mixtures."""
    weight, mean, centers = mixture.weight, mixture.mean, s.center
    for i in range(first_of(share), share.end):
        total = np.int64(0)
        for k in range(count):
            total += weight[i, k] * mean[i, k]
        center: Any = total >> 16
        centers[i] = min(max(center, 0), _TOP)


@inlined
def _take_features(s: Calibration, canvas: Int32, channel: int, wave: Record, share: Share) -> None:
    """Write the features of a share of the lanes; errors outside the tile and of copied pixels are 0."""
    feature, error, centers = s.feature, s.error, s.center
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        center = np.int32(centers[i])
        feature[i, 0] = error[y, x - 1, channel]
        feature[i, 1] = error[y - 1, x, channel]
        feature[i, 2] = error[y - 1, x - 1, channel]
        feature[i, 3] = error[y - 1, x + 1, channel]
        feature[i, 4] = error[y, x - 2, channel]
        feature[i, 5] = error[y - 2, x, channel]
        feature[i, 6] = np.int32(16) * canvas[y, x - 1, channel] - center
        feature[i, 7] = np.int32(16) * canvas[y - 1, x, channel] - center
        feature[i, 8] = np.int32(16) * canvas[y - 1, x - 1, channel] - center
        feature[i, 9] = np.int32(16) * canvas[y - 1, x + 1, channel] - center
        feature[i, 10] = np.int32(16) * canvas[y, x - 2, channel] - center
        feature[i, 11] = np.int32(16) * canvas[y - 2, x, channel] - center
        for e in range(channel):
            feature[i, 12 + 3 * e] = error[y, x, e]
            feature[i, 13 + 3 * e] = error[y, x - 1, e]
            feature[i, 14 + 3 * e] = error[y - 1, x, e]
        for j in range(12 + 3 * channel, 18):  # as channels share them
            feature[i, j] = np.int32(0)


@inlined
def _move(s: Calibration, mixture: Mixture, channel: int, share: Share, count: int) -> None:
    """Move a share of the mixtures by the errors that are foreseen."""
    bounds, kinds, mean, shifts = s.bound, s.kind, mixture.mean, s.moved
    features, weights = s.feature.ctypes.data, s.weight.ctypes.data
    for i in range(first_of(share), share.end):
        bound, mine = bounds[i], weights + 4 * FEATURES * (CLASSES * channel + kinds[i])
        total = foresee(features + 4 * FEATURES * i, mine, bound)
        moved: Any = min(max((total + (1 << (_SHIFT - 1))) >> _SHIFT, -bound), bound)
        shifts[i] = moved
        for k in range(count):
            mean[i, k] += moved


@kernel
def learn_values(s: Calibration, canvas: Int32, mixture: Mixture, broken: Int64, wave: Record) -> None:
    """Learn from the values of a wavefront's channel, which are in the canvas.

    ``broken``: of each lane, 1 + the channel in which a run ends; nothing is learnt from these.
    """
    channel, kinds, ages, learnt = wave.channel, s.kind, s.age, s.learnt
    _look_back(s, canvas, mixture, wave)
    features, weights, numbers = s.feature.ctypes.data, s.weight.ctypes.data, s.rounded.shape[2]
    gradients, corrections, rounded = s.gradient.ctypes.data, s.correction.ctypes.data, s.rounded.ctypes.data
    for i in range(wave.lanes):
        if broken[i] == channel + 1:
            continue
        kind, at = kinds[i], CLASSES * channel + kinds[i]
        step_weights(features + 4 * FEATURES * i, weights + 4 * FEATURES * at, s.step[i])
        gradient, here = gradients + 8 * numbers * i, 8 * numbers * at
        rate = _RATE + _FIRST_RATE * ages[channel, kind]
        step_corrections(gradient, corrections + here, rounded + (here >> 1), rate, numbers)
        learnt[channel, kind] += 1.0
    for kind in range(CLASSES):
        ages[channel, kind] = 1.0 / (1.0 + _FALL * learnt[channel, kind])


@inlined
def _look_back(s: Calibration, canvas: Int32, mixture: Mixture, wave: Record) -> None:
    """Write errors, gradients and steps of a wavefront's channel."""
    channel, errors, gradients = wave.channel, s.error, s.gradient.ctypes.data
    kinds, bounds, centers, shifts, ages = s.kind, s.bound, s.center, s.moved, s.age
    features, row, usual = (
        s.feature.ctypes.data,
        8 * s.gradient.shape[1],
        mixture.weight.shape[1] == USUAL_COMPONENTS,
    )
    for i in range(wave.lanes):
        y, x = position(wave, i)
        value, bound = np.int64(canvas[y, x, channel]), bounds[i]
        error = 16 * value - centers[i]
        errors[y, x, channel] = error
        left = np.float64(min(max(error - shifts[i], -bound), bound))
        rate = (_LINEAR_RATE + _FIRST_LINEAR_RATE * ages[channel, kinds[i]]) * _STEP_UNIT
        norm = np.float64(energy(features + 4 * FEATURES * i) + bound * bound)
        s.step[i] = np.int64(rate * left / norm)
        if usual:
            write_gradients(parts_of(mixture, i), value, gradients + row * i)
        else:
            write_any_gradients(mixture, value, s.gradient, i)


@kernel
def write_any_gradients(mixture: Mixture, value: int, gradient: Float64, i: int) -> None:
    """Write to row ``i`` of ``gradient`` by how much more of each parameter makes the value likelier.

    They are the derivatives of the logarithm of the value's share, without what the components beyond share,
    divided by the component's weight + 0.05, in units of the corrections.
    """
    weight, mean, inverse, steps = mixture.weight, mixture.mean, mixture.inverse, mixture.logistic
    count, total, top, one = weight.shape[1], np.int64(0), np.int64(Z_RANGE), np.int64(1 << LOGISTIC_BITS)
    small = 1.0 / (1 << LOGISTIC_BITS)
    for k in range(count):
        low_z = (16 * value - 8 - mean[i, k]) * inverse[i, k]
        high_z = low_z + 16 * inverse[i, k]
        low = logistic_at(steps, low_z) if value > 0 else np.int64(0)
        high = logistic_at(steps, high_z) if value < 255 else one
        total += weight[i, k] * (high - low)
        low_at, high_at = np.float64(min(max(low_z, -top), top)), np.float64(min(max(high_z, -top), top))
        low_slope, high_slope = (
            np.float64(low) * np.float64(one - low),
            np.float64(high) * np.float64(one - high),
        )
        gradient[i, k] = np.float64(high - low)
        gradient[i, count + k] = (low_slope - high_slope) * small
        gradient[i, 2 * count + k] = (low_slope * low_at - high_slope * high_at) * (small * small)
    likely = np.float64((total >> WEIGHT_SHARE_BITS) + LIKELY_FLOOR)
    for k in range(count):
        share = np.float64(weight[i, k])
        scale = share / ((share + WEIGHT_FLOOR) * likely)
        unit = UNIT / np.float64(inverse[i, k])
        gradient[i, k] = STEPS_OF_A_UNIT * _steep((gradient[i, k] - likely) * scale)
        gradient[i, count + k] = unit * _steep(gradient[i, count + k] * scale)
        gradient[i, 2 * count + k] = STEPS_OF_A_UNIT * _steep(gradient[i, 2 * count + k] * scale)


@inlined
def _steep(gradient: float) -> Any:
    return min(max(gradient, -STEEPEST), STEEPEST)
