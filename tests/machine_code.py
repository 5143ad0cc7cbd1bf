"""Two small entry points, and what they are called with, for the tests of machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.network.kernels import entry_point, kernel

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
