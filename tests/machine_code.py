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
def divided(data, divisor):
    return data.offset // divisor


class Products(NamedTuple):
    """What a product of matrices takes, and gives."""

    inputs: Any  # N, I
    segments: Any  # S
    weights: Any
    scale: Any
    sums: Any  # N, M, both padded
    out: Any


def made_products(lanes: int, segments: int, outputs: int):
    """Return random inputs of segments of 32, and what their products should be: sums and activations."""
    random = np.random.default_rng(outputs)
    inputs = random.integers(0, 3000, (lanes, 32 * segments), dtype=np.int16)
    inputs[random.random(inputs.shape) < 0.7] = 0  # as rectified activations are: whole pairs of them
    weights = random.integers(-128, 128, (inputs.shape[1], outputs), dtype=np.int16)
    bias, shift = random.integers(-9999, 9999, outputs, dtype=np.int32), np.full(outputs, 9, np.int32)
    packed = pack_weights(weights)
    room = packed.shape[0] * packed.shape[2] // 2
    starts = inputs.ctypes.data + 64 * np.arange(segments)
    results = np.zeros((lanes, room), np.int32), np.zeros((lanes, room), np.int16)
    products = inputs.astype(np.int64) @ weights
    expected = products, np.clip((products + bias) >> 9, -5, ACTIVATION_MAX)
    return Products(inputs, starts, packed, pack_scale(bias, shift), *results), expected


@entry_point
def products(data, lanes):
    lane_bytes = 2 * data.inputs.shape[1]
    multiply(data.segments, lane_bytes, lanes, data.weights, data.sums)
    activate(data.segments, lane_bytes, lanes, data.weights, data.scale, -5, data.out)
