from __future__ import annotations

import numpy as np
import pytest

from pixcodec.integer_net import shipped_model
from pixcodec.mixing import TOTAL, Mixer
from pixcodec.rangecoder import Decoder, Encoder
from pixcodec.wavefront import WavefrontNetwork, lane_range, wavefront_count

SLOPE = 3


def code(planes, coder, shape, effort=1):
    """Code (``planes`` given) or decode a tile; return its pixels and the sum of the code lengths in bits."""
    height, width, channels = shape
    net = WavefrontNetwork(shipped_model(channels), height, width, SLOPE, planes)
    state = net.state
    mixer = Mixer(effort, channels, height, width, SLOPE, net.weights.logistic)
    cost = 0.0
    for t in range(wavefront_count(SLOPE, height, width)):
        first, n = lane_range(t, SLOPE, height, width)
        if n == 0:
            continue
        net.features(t, first, n)
        for channel in range(channels):
            net.mixture(channel, t, first, n)
            mixer.begin(channel, t, first, n, state.canvas, state.weight, state.mean, state.inverse)
            for _ in range(8):
                rows = mixer.rows(n)
                assert (rows >= 0).all()
                assert (rows.sum(1) == TOTAL - 2).all()
                bits = np.zeros(n, np.int32)
                if planes is not None:
                    bits = mixer.bits(net.get(channel, t, first, n))
                bits = coder.code(bits, rows)
                cost -= np.log2((rows[np.arange(n), bits] + 1) / TOTAL).sum()
                mixer.update(bits)
            if planes is None:
                net.put(mixer.values(n), channel, t, first)
    return net.planes(), cost


def picture(height, width, channels, kind):
    rng = np.random.default_rng(height * 100 + width)
    if kind == "noise":
        return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
    if kind == "flat":
        return np.full((height, width, channels), 200, np.uint8)
    y, x = np.mgrid[:height, :width]
    return np.stack([(3 * y + 2 * x + 50 * c) % 256 for c in range(channels)], 2).astype(np.uint8)


@pytest.mark.parametrize("kind", ["noise", "flat", "gradient"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (5, 4), (23, 31)])
def test_round_trip_takes_the_bits_it_says(height, width, channels, kind):
    planes = picture(height, width, channels, kind)
    encoder = Encoder()
    _, cost = code(planes, encoder, planes.shape)
    bitstream = encoder.finish()
    assert 8 * len(bitstream) <= cost * 1.001 + 64
    decoded, decoder_cost = code(None, Decoder(bitstream), planes.shape)
    assert np.array_equal(decoded, planes)
    assert decoder_cost == cost
