"""Small entry points, and what they are called with, for the tests of machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.network.architecture import ACTIVATION_MAX
from pixcodec.network.kernels import entry_point, kernel
from pixcodec.network.products import activate, multiply, pack_scale, pack_weights

TABLE = np.array([3, -1, 4, -1, 5, -9, 2, 6], np.int64)


class Inside(NamedTuple):
    """A struct in a struct."""

    scale: float
    numbers: Any


class Data(NamedTuple):
    """What both entry points take."""

    offset: int
    inside: Inside
    zeros: Any


def made():
    return Data(5, Inside(2.5, np.arange(100, dtype=np.int32)), np.ones(1000, np.int64))


@kernel
def mixed(h, value):
    return (h * -7046029254386353131 + value) ^ ((h >> 29) & 0xFFFFFFFF)


@entry_point
def hashes(data, factor):
    data.zeros[:] = 0
    h, numbers = np.int64(data.offset), data.inside.numbers
    for i in range(len(numbers)):
        h = mixed(h, TABLE[numbers[i] & 7] * factor)
        numbers[i] += np.int32(data.inside.scale * i)
    return h


@entry_point
def taken(data, at):
    return data.zeros[at]


@entry_point
def divided(data, divisor):
    return data.offset // divisor


class Products(NamedTuple):
    """What a product of matrices takes, and gives."""

    inputs: Any  # N, I
    segments: Any  # S
    weights: Any
    scale: Any
    limits: Any  # biases, shifts and limits
    wide: Any  # N, M, both padded
    out: Any


def made_products(lanes: int, sizes: tuple[int, int], outputs: int):
    """Return random inputs of some segments of a length, and the outputs and activations of layers."""
    segments, each = sizes
    random = np.random.default_rng(outputs)
    inputs = random.integers(0, 3000, (lanes, each * segments), dtype=np.int16)
    inputs[random.random(inputs.shape) < 0.7] = 0  # as rectified activations are: whole pairs of them
    weights = random.integers(-128, 128, (inputs.shape[1], outputs), dtype=np.int16)
    bias, shift = random.integers(-9999, 9999, outputs, dtype=np.int32), np.full(outputs, 9, np.int32)
    packed = pack_weights(weights)
    room = packed.shape[0] * packed.shape[2] // 2
    starts = inputs.ctypes.data + 2 * each * np.arange(segments)
    results = np.zeros((lanes, room), np.int32), np.zeros((lanes, room), np.int16)
    low, high = (random.integers(*ends, outputs, dtype=np.int32) for ends in ((-2000, 0), (0, 9000)))
    moved = (inputs.astype(np.int64) @ weights + bias) >> 9
    expected = np.clip(moved, low, high), np.clip(moved, -5, ACTIVATION_MAX)
    scales = pack_scale(bias, shift), pack_scale(bias, shift, low, high)
    return Products(inputs, starts, packed, *scales, *results), expected


@entry_point
def products(data, lanes):
    lane_bytes = 2 * data.inputs.shape[1]
    multiply(data.segments, lane_bytes, lanes, data.weights, data.limits, data.wide)
    activate(data.segments, lane_bytes, lanes, data.weights, data.scale, -5, data.out)
