from __future__ import annotations

import functools
import hashlib

import numpy as np
import pytest

import samples
from pixcodec import reference
from pixcodec.mixing.least_squares import GROUP, Samples, low_fit, new_systems, pixel_fit, predict_linearly
from pixcodec.network.architecture import PAD_VALUE
from pixcodec.network.kernels import kernel
from pixcodec.network.structs import struct_of
from pixcodec.network.wavefront import (
    all_lanes,
    go_to,
    inner,
    lane_count,
    lane_range,
    new_canvas,
    new_wave,
    raster_slope,
    wavefront_count,
)

LEAST_SLOPE = {"low": 3, "pixels": 5}
MODELS = list(LEAST_SLOPE)


def systems_of(model, channels, height, width, slope):
    fit = {"low": low_fit, "pixels": pixel_fit}[model](channels)
    return new_systems(fit, lane_count(slope, height, width), slope)


@kernel
def predict(systems, channel, canvas, wave):
    predict_linearly(
        systems, channel, Samples(canvas, PAD_VALUE, 16.0, 0.0, 4080.0), wave[0], all_lanes(wave[0])
    )


def slope_of(model, steeper, width):
    least = LEAST_SLOPE[model]
    return max(raster_slope(width), least) if steeper == "width" else least + steeper


@functools.cache
def plain(model, kind, height, width, channels):
    """Return the reference's predictions of a picture, (H, W, C), and its weights by row, column and channel.

    In raster order, which no slope is part of.
    """
    image = KINDS[kind](height, width, channels)
    padded = np.full((height + 3, width + 6, channels), 128)
    padded[3:, 3:-3] = image
    values = padded.tolist()

    def value(y, x, c):
        inside = 0 <= y < height and 0 <= x < width
        return values[y + 3][x + 3][c] if inside else 128

    fit = reference.ValueFit(model, value, channels, width)
    predicted, weights = np.zeros(image.shape, np.int64), {}
    for y, x, c in np.ndindex(image.shape):
        predicted[y, x, c] = fit.linear(y, x, c)
        weights[y, x, c] = fit.weights
    return predicted, weights


def kernel_predictions(model, image, slope, visit=None):
    """Return the kernel's predictions of an image's subpixels, shape (H, W, C).

    Subpixels that are not coded yet are noise. ``visit`` is called after every channel of a wavefront with
    rows, columns, channel and the weights, (n, GROUP), of the last lanes.
    """
    height, width, channels = image.shape
    canvas, wave = new_canvas(height, width, channels), new_wave(height, width, channels, slope)
    inside = inner(canvas)
    inside[:] = samples.noise(height, width, channels, seed=9)
    systems = systems_of(model, channels, height, width, slope)
    struct = struct_of(systems)
    predicted = np.full(image.shape, -1, np.int64)
    for t in range(wavefront_count(slope, height, width)):
        first, n = lane_range(t, slope, height, width)
        if n == 0:
            continue
        y = np.arange(first, first + n)
        x = t - slope * y
        go_to(wave, t, first, n)
        for c in range(channels):
            predict(struct, c, canvas, wave)
            predicted[y, x, c] = systems.predicted[:n]
            inside[y, x, c] = image[y, x, c]
            if visit is not None:
                visit(y, x, c, systems.solution[0, : systems.counts[c]])
    return predicted


def extremes(height, width, channels):
    return 255 * (samples.noise(height, width, channels) & 1)


def plane(height, width, channels):
    """Return a gradient without a jump: every subpixel is west + north - north-west."""
    y, x, c = np.ogrid[:height, :width, :channels]
    return (2 * x + 3 * y + 20 * c + 10).astype(np.uint8)


KINDS = {
    "photo": lambda height, width, channels: samples.photo(channels, height, width),
    "noise": samples.noise,
    "extremes": extremes,
    "plane": plane,
}
CASES = [
    *((kind, *size) for kind in ("photo", "extremes") for size in [(1, 1), (1, 7), (7, 1), (2, 2), (9, 14)]),
    *(("noise", 9, 14), ("plane", 9, 14), ("photo", 21, 23)),
]


def check(model, kind, height, width, channels, slope):
    """Compare the kernel with the reference: all predictions, and the weights of the last lanes."""
    expected, weights = plain(model, kind, height, width, channels)

    def compare_weights(y, x, c, solution):
        start = (len(y) - 1) // GROUP * GROUP
        for g, (row, column) in enumerate(zip(y[start:], x[start:], strict=True)):
            assert solution[:, g].tolist() == weights[row, column, c]

    found = kernel_predictions(model, KINDS[kind](height, width, channels), slope, compare_weights)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("steeper", [0, "width"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "height", "width"), CASES)
@pytest.mark.parametrize("model", MODELS)
def test_the_kernel_does_what_the_reference_does(model, kind, height, width, channels, steeper):
    check(model, kind, height, width, channels, slope_of(model, steeper, width))


def test_more_lanes_than_a_group_are_solved_alike():
    slope = LEAST_SLOPE["low"]
    height, width = GROUP + 3, slope * (GROUP + 1)
    assert max(lane_range(t, slope, height, width)[1] for t in range(slope * (height + width))) > GROUP
    check("low", "noise", height, width, 1, slope)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_format_says_how_many_neighbours_there_are(channels):
    counts = {model: systems_of(model, channels, 1, 1, 5).counts.tolist() for model in MODELS}
    assert counts["low"] == {1: [12], 3: [24, 25, 26]}[channels]
    assert counts["pixels"] == {1: [22], 3: [34, 35, 36]}[channels]
    assert "n is 12 (grey) or 24, 25, 26 (RGB) in low, and 22 or 34, 35, 36 in pixels" in reference.TEXT


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("model", MODELS)
def test_predictions_of_a_plane_become_exact(model, channels):
    image = plane(40, 40, channels)
    wrong = abs(kernel_predictions(model, image, 5) - 16 * image.astype(np.int64))
    # The pixels at the edges have neighbours outside the tile, which lie on no plane.
    assert wrong[20:, 10:35].max() <= 2
    assert wrong[30:, 20:35].max() <= 1


@pytest.mark.parametrize("model", MODELS)
def test_predictions_of_channels_that_are_one_another_become_exact(model):
    image = samples.noise(24, 30, 3)
    image[:, :, 1] = image[:, :, 0]
    image[:, :, 2] = 255 - image[:, :, 1]
    wrong = abs(kernel_predictions(model, image, 5) - 16 * image.astype(np.int64))
    assert wrong[12:, 10:, 1].max() <= 1
    assert wrong[12:, 10:, 2].max() <= 2
    assert wrong[12:, 10:, 0].mean() > 500


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("model", MODELS)
def test_flat_images_have_finite_predictions(model, channels, value):
    # All neighbours are alike: only the ridge makes the equations regular.
    image = np.full((30, 33, channels), value, np.uint8)

    def check_finite(y, x, c, solution):
        assert np.isfinite(solution).all()

    found = kernel_predictions(model, image, 5, check_finite)
    assert found.min() >= 0
    assert found.max() <= 4080
    assert (found[10:, 5:-5] == 16 * value).all()


@pytest.mark.parametrize(
    ("model", "channels", "predictions", "weights"),
    [
        ("low", 1, "8b0cc99502f5b7e4", "b7cbc2416ce1a3cb"),
        ("low", 3, "59703cf70d555f9c", "422d3424577fde1d"),
        ("pixels", 1, "588f55aad486e54a", "3f235c7d4ce233d3"),
        ("pixels", 3, "2db77434fa678088", "f03772c54ef42af7"),
    ],
)
def test_numbers_are_those_of_every_machine(model, channels, predictions, weights):
    # Fused multiply-adds change the weights, but hardly ever a prediction.
    digest = hashlib.blake2b(digest_size=8)

    def add(y, x, c, solution):
        of_last_group = solution[:, : (len(y) - 1) % GROUP + 1]
        digest.update(of_last_group.astype("<f8").tobytes())

    found = kernel_predictions(model, samples.photo(channels), LEAST_SLOPE[model], add)
    assert hashlib.blake2b(found.astype("<i2").tobytes(), digest_size=8).hexdigest() == predictions
    assert digest.hexdigest() == weights
