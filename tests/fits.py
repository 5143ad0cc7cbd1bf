"""Entry points that solve least squares in floats, for the tests of their code."""

from __future__ import annotations

import numpy as np

from pixcodec.jpeg import fits as jpeg_fits
from pixcodec.jpeg.state import new_learning, of_component
from pixcodec.mixing.block_fit import new_block_fit, predict_by_blocks
from pixcodec.mixing.least_squares import Samples, new_systems, pixel_fit, predict_linearly
from pixcodec.network.kernels import entry_point
from pixcodec.network.stepping import Waves
from pixcodec.network.structs import struct_of
from pixcodec.network.wavefront import all_lanes, new_wave


@entry_point
def of_pixels(s, values, waves):
    wave = waves.wave[0]
    predict_linearly(s, 0, values, wave, all_lanes(wave))


@entry_point
def by_blocks(s, values, waves):
    wave = waves.wave[0]
    predict_by_blocks(s, 0, values.canvas, wave, all_lanes(wave))


@entry_point
def of_coefficients(s):
    jpeg_fits.fit_all(s)


def entries():
    """Return all with the layouts of their structs."""
    values = Samples(np.zeros((5, 14, 1), np.int32), 128, 16.0, 0.0, 4080.0)
    waves = Waves(new_wave(2, 8, 1, 6))
    blocks = np.zeros((1, 1, 64), np.int16)
    state = of_component(new_learning(64, 1), 0, blocks, None, None, np.ones(64, np.int64))
    found = [
        (of_pixels, (new_systems(pixel_fit(1), 2, 6), values, waves)),
        (by_blocks, (new_block_fit(1, 8, 2), values, waves)),
        (of_coefficients, (state,)),
    ]
    return [(point, tuple(struct_of(source).layout for source in sources)) for point, sources in found]
