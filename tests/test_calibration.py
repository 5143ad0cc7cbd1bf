"""Calibration of effort fast: kernels and reference agree, whatever codes, and files are smaller."""

from __future__ import annotations

import numpy as np
import pytest

import samples
from pixcodec import decode, encode, read_info
from pixcodec.coding.driver import run
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.container.header import FITTED_VERSION
from pixcodec.network.calibration import CLASSES, FEATURES, GROUP
from pixcodec.network.inference import NOTHING_KNOWN, new_network
from pixcodec.network.model_files import MODELS, load_model, shipped_model
from pixcodec.network.torch_net import network_on
from pixcodec.network.wavefront import inner
from pixcodec.reference import core, fast
from pixcodec.reference.calibration import CalibratedTile
from pixcodec.reference.runs import decode_with_runs
from test_mixing import KINDS
from test_runs import flat_parts

SIZES = [(7, 10, 3, 3), (12, 9, 1, 4), (1, 3, 3, 3), (9, 14, 3, 7)]


def stage_of(model, planes, shape, slope, *, runs=False, threads=1, known=NOTHING_KNOWN, calibrated=True):
    """Return a stage that codes planes of a shape, or decodes them if there are none."""
    height, width, _ = shape
    network = new_network(model, height, width, slope, planes, threads=threads, known=known)
    options = {"known": planes is not None, "calibrated": calibrated, "runs": runs, "threads": threads}
    return new_nibbles(network, height, width, slope, **options)


def coded(stage):
    encoder = Encoder()
    run(stage, encoder, decoding=False)
    return encoder.finish()


def compare(model, path, planes, slope, *, runs=False):
    """Compare encoder, decoder and reference, and what all of them have learnt, bit by bit."""
    height, width, channels = planes.shape
    encoder = stage_of(model, planes, planes.shape, slope, runs=runs)
    bitstream = coded(encoder)
    decoder = stage_of(model, None, planes.shape, slope, runs=runs)
    run(decoder, Decoder(bitstream), decoding=True)
    np.testing.assert_array_equal(inner(decoder.canvas), planes)
    tiles = []

    class Kept(CalibratedTile):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            tiles.append(self)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("fast", "runs"):
            patch.setattr(f"pixcodec.reference.{module}.CalibratedTile", Kept)
        read = decode_with_runs if runs else fast.decode_tile
        values = read(core.network_of(path), bitstream, height, width, slope, calibrated=True)
    np.testing.assert_array_equal(values, planes)
    (tile,) = tiles
    count = 3 * tile.network.components
    for s in (encoder.calibration, decoder.calibration):
        corrections = [[tile.corrections[c, k] for k in range(CLASSES)] for c in range(channels)]
        np.testing.assert_array_equal(s.correction[:, :, :count], corrections)
        weights = [[tile.weights[c, k] for k in range(CLASSES)] for c in range(channels)]
        np.testing.assert_array_equal(s.weight, weights)
        np.testing.assert_array_equal(inner(s.error), tile.errors)
    return tile


def shipped(channels):
    return shipped_model(channels), MODELS / ("grey.safetensors" if channels == 1 else "rgb.safetensors")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width", "channels", "slope"), SIZES)
def test_kernels_do_what_the_reference_does(height, width, channels, slope, kind):
    compare(*shipped(channels), KINDS[kind](height, width, channels), slope)


@pytest.mark.parametrize("channels", [1, 3])
def test_networks_of_another_number_of_components_do_too(channels):
    path = samples.GOLDEN / ("grey.safetensors" if channels == 1 else "rgb.safetensors")
    model = load_model(path)
    assert 3 * model.architecture.components % GROUP
    compare(model, path, samples.photo(channels, 9, 14), 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_runs_are_left_out(channels):
    tile = compare(*shipped(channels), flat_parts(12, 45, channels, seed=channels + 1), 3, runs=True)
    assert 0 < sum(tile.counts.values()) < 12 * 45 * channels


@pytest.mark.parametrize("values", [(0, 255), (255, 255), (0, 0)])
def test_extreme_values_do_what_the_reference_does(values):
    planes = np.random.default_rng(2).choice(values, (8, 24, 3)).astype(np.uint8)
    compare(*shipped(3), planes, 3)


def test_sums_stay_below_32_bits():
    # 18 features of at most 4080, weights of at most 2**20 of which 6 bits are left out
    assert 18 * 4080 << (20 - 6) < 2**31
    assert FEATURES >= 18


@pytest.mark.parametrize("channels", [1, 3])
def test_threads_and_a_device_change_nothing(channels):
    planes = np.tile(samples.photo(channels), (1, 3, 1))
    planes = np.ascontiguousarray(planes + samples.noise(*planes.shape) % 3)  # 255 becomes 1: means far away
    model = shipped_model(channels)
    alone = coded(stage_of(model, planes, planes.shape, 3))
    assert coded(stage_of(model, planes, planes.shape, 3, threads=2)) == alone
    known = network_on(model, "cpu").mixtures(planes)
    assert coded(stage_of(model, planes, planes.shape, 3, known=known)) == alone


@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_of_effort_fast_are_calibrated_and_smaller(channels):
    image = samples.photo(channels)
    data = encode(image, effort="fast")
    assert read_info(data).format_version == FITTED_VERSION
    np.testing.assert_array_equal(np.asarray(decode(data)).reshape(image.shape), image)
    plain = stage_of(shipped_model(channels), image, image.shape, 3, calibrated=False)
    assert len(coded(stage_of(shipped_model(channels), image, image.shape, 3))) < len(coded(plain))
