from __future__ import annotations

import functools
import hashlib

import numpy as np
import pytest

import reference
import samples
from pixcodec.least_squares import GROUP, new_systems, predict_linearly
from pixcodec.wavefront import lane_range, raster_slope, wavefront_count

SLOPES = [3, 5, "width"]


def systems_of(channels, height, width, slope):
    return new_systems(channels, min(height, -(-width // slope)), slope, True)


def predict(systems, channel, t, first, count, slope, canvas):
    predict_linearly(systems, channel, t, first, count, slope, canvas, 128, 255)


def slope_of(slope, width):
    return raster_slope(width) if slope == "width" else slope


@functools.cache
def plain(kind, height, width, channels):
    """Return the reference's predictions of a picture, (H, W, C), and its weights by row, column and channel.

    In raster order, which no slope is part of.
    """
    image = KINDS[kind](height, width, channels)
    padded = np.full((height + 3, width + 6, channels), 128)
    padded[3:, 3:-3] = image
    values = padded.tolist()
    fit = reference.LeastSquares(lambda y, x, c: values[y + 3][x + 3][c], channels, width, 0)
    predicted, weights = np.zeros(image.shape, np.int64), {}
    for y, x, c in np.ndindex(image.shape):
        predicted[y, x, c] = fit.linear(y, x, c)
        weights[y, x, c] = fit.weights
    return predicted, weights


def kernel_predictions(image, slope, visit=None):
    """Return the kernel's predictions of an image's subpixels, shape (H, W, C).

    Subpixels that are not coded yet are noise. ``visit`` is called after every channel of a wavefront with
    rows, columns, channel and the weights, (n, GROUP), of the last lanes.
    """
    height, width, channels = image.shape
    canvas = np.full((height + 3, width + 6, channels), 128, np.int32)
    inside = canvas[3:, 3:-3]
    inside[:] = samples.noise(height, width, channels, seed=9)
    systems = systems_of(channels, height, width, slope)
    predicted = np.full(image.shape, -1, np.int64)
    for t in range(wavefront_count(slope, height, width)):
        first, n = lane_range(t, slope, height, width)
        if n == 0:
            continue
        y = np.arange(first, first + n)
        x = t - slope * y
        for c in range(channels):
            predict(systems, c, t, first, n, slope, canvas)
            predicted[y, x, c] = systems.predicted[:n]
            inside[y, x, c] = image[y, x, c]
            if visit is not None:
                visit(y, x, c, systems.solution[: systems.counts[c]])
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


def check(kind, height, width, channels, slope):
    """Compare the kernel with the reference: all predictions, and the weights of the last lanes."""
    expected, weights = plain(kind, height, width, channels)

    def compare_weights(y, x, c, solution):
        start = (len(y) - 1) // GROUP * GROUP
        for g, (row, column) in enumerate(zip(y[start:], x[start:], strict=True)):
            assert solution[:, g].tolist() == weights[row, column, c]

    found = kernel_predictions(KINDS[kind](height, width, channels), slope, compare_weights)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "height", "width"), CASES)
def test_the_kernel_does_what_the_reference_does(kind, height, width, channels, slope):
    check(kind, height, width, channels, slope_of(slope, width))


def test_more_lanes_than_a_group_are_solved_alike():
    slope = SLOPES[0]
    height, width = GROUP + 3, slope * (GROUP + 1)
    assert max(lane_range(t, slope, height, width)[1] for t in range(slope * (height + width))) > GROUP
    check("noise", height, width, 1, slope)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_format_says_how_many_neighbours_there_are(channels):
    counts = systems_of(channels, 1, 1, SLOPES[0]).counts.tolist()
    assert counts == {1: [12], 3: [24, 25, 26]}[channels]
    assert "n is 12 (grey) or 24, 25, 26 (RGB)" in reference.TEXT


@pytest.mark.parametrize("channels", [1, 3])
def test_predictions_of_a_plane_become_exact(channels):
    image = plane(40, 40, channels)
    wrong = abs(kernel_predictions(image, SLOPES[0]) - 16 * image.astype(np.int64))
    # The pixels at the edges have neighbours outside the tile, which lie on no plane.
    assert wrong[20:, 10:35].max() <= 2
    assert wrong[30:, 20:35].max() <= 1


def test_predictions_of_channels_that_are_one_another_become_exact():
    image = samples.noise(24, 30, 3)
    image[:, :, 1] = image[:, :, 0]
    image[:, :, 2] = 255 - image[:, :, 1]
    wrong = abs(kernel_predictions(image, SLOPES[0]) - 16 * image.astype(np.int64))
    assert wrong[12:, 10:, 1].max() <= 1
    assert wrong[12:, 10:, 2].max() <= 2
    assert wrong[12:, 10:, 0].mean() > 500


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_flat_images_have_finite_predictions(channels, value):
    # All neighbours are alike: only the ridge makes the equations regular.
    image = np.full((30, 33, channels), value, np.uint8)

    def check_finite(y, x, c, solution):
        assert np.isfinite(solution).all()

    found = kernel_predictions(image, SLOPES[0], check_finite)
    assert found.min() >= 0
    assert found.max() <= 4080
    assert (found[10:, 5:-5] == 16 * value).all()


@pytest.mark.parametrize(
    ("channels", "predictions", "weights"),
    [(1, "8b0cc99502f5b7e4", "ee11302d22b998c3"), (3, "59703cf70d555f9c", "df9f93320c5e7dad")],
)
def test_numbers_are_those_of_every_machine(channels, predictions, weights):
    # Fused multiply-adds change the weights, but hardly ever a prediction.
    digest = hashlib.blake2b(digest_size=8)

    def add(y, x, c, solution):
        digest.update(solution[:, : len(y)].astype("<f8").tobytes())

    found = kernel_predictions(samples.photo(channels), SLOPES[0], add)
    assert hashlib.blake2b(found.astype("<i2").tobytes(), digest_size=8).hexdigest() == predictions
    assert digest.hexdigest() == weights
