"""Draws subpixels from the network's distributions, wavefront by wavefront (kernels).

The distributions are those that effort fast codes with (FORMAT.md, section Distribution): a value v has
F(v + 1) - F(v) of 2**24. A random number u, 0 <= u < 2**24, draws the value with F(v) <= u < F(v + 1), as
decoding a random bitstream does. A temperature T makes the probabilities proportional to p ** (1 / T); top-p
keeps the most probable values that have this share together. Both are integer arithmetic, too.

Shapes: H W height and width of the image, C channels, N lanes.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import REACH
from pixcodec.network.distribution import TOTAL, TOTAL_BITS, Mixture, cumulative
from pixcodec.network.inference import Network, compute_features, compute_mixture
from pixcodec.network.kernels import entry_point, kernel
from pixcodec.network.wavefront import (
    Record,
    all_lanes,
    new_wave,
    next_channel,
    next_lanes,
    position,
)

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

UNIT_BITS = 16  # of logarithms, of 1 / temperature
VALUES = 256
MANTISSA_BITS = 12  # of numbers whose logarithm is looked up
POWER_BITS = 30  # 2**0 is the integer 2**30
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.01, 100.0


class Draws(NamedTuple):
    """What decides the values of an image's subpixels, and what their probabilities were."""

    wave: Any  # one of WAVE
    known: Int32  # H, W: not 0 where the canvas has the pixel already
    random: Int32  # H, W, C: 0 .. 2**24 - 1
    frequency: Int32  # H, W, C: of the value in the network's distribution, in 2**-24; written
    entropy: Int64  # H, W, C: of the network's distribution, in 2**-16 bit; written where it is asked for
    settings: Int64  # 1 / temperature in 2**-16, top-p in 2**-24, whether the entropy is asked for
    logarithms: Int32  # log2 of 1 .. 2 in steps of 2**-12, in 2**-16
    powers: Int64  # 2**-x, x = 0 .. 1 in steps of 2**-16, in 2**-30
    mass: Int64  # 256: scratch


def new_draws(channels: int, height: int, width: int, slope: int) -> Draws:
    """Return the draws of an image of which nothing is known, all random numbers being 0."""
    size = (height, width, channels)
    return Draws(
        new_wave(height, width, channels, slope),
        np.zeros((height, width), np.int32),
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
        np.zeros(size, np.int64),
        np.array([1 << UNIT_BITS, TOTAL, 0], np.int64),
        *_tables(),
        np.zeros(VALUES, np.int64),
    )


@cache
def _tables() -> tuple[Int32, Int64]:
    """Return the tables ``logarithms`` and ``powers`` of :class:`Draws`."""
    mantissas = np.arange((1 << MANTISSA_BITS) + 1) / (1 << MANTISSA_BITS)
    logarithms = np.rint(np.log2(1 + mantissas) * (1 << UNIT_BITS)).astype(np.int32)
    fractions = np.arange(1 << UNIT_BITS) / (1 << UNIT_BITS)
    return logarithms, np.rint(np.exp2(-fractions) * (1 << POWER_BITS)).astype(np.int64)


@kernel
def _log2(logarithms: Int32, number: int) -> Any:
    """Return log2 of a number, 1 .. 2**24, in 2**-16."""
    exponent = np.int64(0)
    while (number >> (exponent + 1)) > 0:
        exponent += 1
    fraction = (number << TOTAL_BITS) >> exponent  # 2**24 .. 2**25
    return (exponent << UNIT_BITS) + logarithms[(fraction - TOTAL) >> (TOTAL_BITS - MANTISSA_BITS)]


@kernel
def _value_at(mixture: Mixture, i: int, random: int) -> Any:
    """Return the value of lane ``i`` that a random number draws from the mixture as it is."""
    low, high = np.int64(0), np.int64(VALUES)
    while high - low > 1:
        middle = (low + high) >> 1
        if cumulative(mixture, i, middle, 0) <= random:
            low = middle
        else:
            high = middle
    return low


@kernel
def _set_mass(draws: Draws, mixture: Mixture, i: int) -> None:
    """Write the frequencies of all values of lane ``i`` to ``mass``."""
    mass, below = draws.mass, np.int64(0)
    for v in range(VALUES):
        above = cumulative(mixture, i, v + 1, 0)
        mass[v] = above - below
        below = above


@kernel
def _entropy(draws: Draws) -> Any:
    """Return the entropy of ``mass`` in 2**-16 bit."""
    mass, logarithms = draws.mass, draws.logarithms
    total = np.int64(0)
    for v in range(VALUES):
        total += mass[v] * ((TOTAL_BITS << UNIT_BITS) - _log2(logarithms, mass[v]))
    return total >> TOTAL_BITS


@kernel
def _temper(draws: Draws) -> None:
    """Raise ``mass`` to the power of 1 / temperature; the largest becomes 2**30."""
    mass, logarithms, powers = draws.mass, draws.logarithms, draws.powers
    largest = np.int64(0)
    for v in range(VALUES):
        largest = max(largest, mass[v])
    top = _log2(logarithms, largest)
    for v in range(VALUES):
        below = ((top - _log2(logarithms, mass[v])) * draws.settings[0]) >> UNIT_BITS
        below = max(below, 0)
        whole = below >> UNIT_BITS
        power = powers[below & ((1 << UNIT_BITS) - 1)]
        mass[v] = power >> whole if whole < 40 else np.int64(0)


@kernel
def _cut(draws: Draws) -> None:
    """Keep the largest masses, as many as have top-p of all; of equal ones, the smaller value first."""
    mass, total = draws.mass, np.int64(0)
    for v in range(VALUES):
        total += mass[v]
    wanted = (total * draws.settings[1]) >> TOTAL_BITS
    kept = np.int64(0)
    for _ in range(VALUES):
        best = 0
        for v in range(VALUES):
            if mass[v] > mass[best]:
                best = v
        kept += mass[best]
        mass[best] = -mass[best]  # taken
        if kept >= wanted:
            break
    for v in range(VALUES):
        mass[v] = -mass[v] if mass[v] < 0 else 0


@kernel
def _drawn(draws: Draws, mixture: Mixture, i: int, random: int) -> Any:
    """Return the value of lane ``i`` that a random number draws, by temperature and top-p."""
    tempered = draws.settings[0] != 1 << UNIT_BITS
    if not tempered and draws.settings[1] == TOTAL:
        return _value_at(mixture, i, random)
    mass = draws.mass
    _set_mass(draws, mixture, i)
    if tempered:
        _temper(draws)
    if draws.settings[1] < TOTAL:
        _cut(draws)
    total = np.int64(0)
    for v in range(VALUES):
        total += mass[v]
    at = (random * total) >> TOTAL_BITS
    value = np.int64(0)
    while at >= mass[value]:
        at -= mass[value]
        value += 1
    return value


@kernel
def _draw_channel(network: Network, draws: Draws, wave: Record) -> None:
    """Draw the subpixels of a channel of a wavefront's lanes, but for known ones; take the frequencies."""
    canvas, mixture, channel = network.canvas, network.mixture, wave.channel
    for i in range(wave.lanes):
        y, x = position(wave, i)
        row, column = y - REACH, x - REACH
        if draws.known[row, column] == 0:
            canvas[y, x, channel] = _drawn(draws, mixture, i, np.int64(draws.random[row, column, channel]))
        value = np.int64(canvas[y, x, channel])
        below = cumulative(mixture, i, value, 0)
        draws.frequency[row, column, channel] = cumulative(mixture, i, value + 1, 0) - below
        if draws.settings[2] != 0:
            _set_mass(draws, mixture, i)
            draws.entropy[row, column, channel] = _entropy(draws)


@entry_point
def draw_until(network: Network, draws: Draws, end: int) -> None:
    """Draw the subpixels of all wavefronts from ``wave.t`` to before ``end``."""
    wave = draws.wave[0]
    while next_lanes(wave) > 0 and wave.t < end:
        compute_features(network, wave, all_lanes(wave))
        for _ in range(wave.channels):
            compute_mixture(network, wave.channel, wave, all_lanes(wave))
            _draw_channel(network, draws, wave)
            next_channel(wave)
