from __future__ import annotations

import functools
import hashlib
import math
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

import pixcodec
import samples
from pixcodec import least_squares
from pixcodec.least_squares import GROUP, new_systems, predict_linearly
from pixcodec.wavefront import lane_range, raster_slope, wavefront_count

TEXT = (Path(pixcodec.__file__).parent / "FORMAT.md").read_text("utf-8")


class Section:
    """A section of FORMAT.md: its indented blocks, the cells of its tables."""

    def __init__(self, title):
        found = re.search(rf"^### {title}\n(.*?)^##", TEXT, re.MULTILINE | re.DOTALL)
        assert found, title
        blocks = re.findall(r"(?:^    .*\n)+", found[1], re.MULTILINE)
        self.blocks = [textwrap.dedent(block) for block in blocks]
        tables = re.findall(r"^\|.*\n\|[-|]*\n((?:\|.*\n)+)", found[1], re.MULTILINE)
        self.tables = [
            [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
            for table in tables
        ]


@functools.cache
def constants():
    """Return what FORMAT.md lists: pairs for the own, earlier and later channels; LAMBDA, MU and RIDGE."""
    around, numbers = Section("Least squares").tables
    pairs = [[tuple(int(v) for v in re.findall(r"-?\d+", p)) for p in row[1].split()] for row in around]
    assert [row[0] for row in numbers] == ["LAMBDA", "MU", "RIDGE"]
    return pairs, [[float(cell) for cell in row[1:]] for row in numbers]


@functools.cache
def solver():
    """Return the function that the last block of section Least squares is: (a, z, n, RIDGE) to linear, w."""
    block = Section("Least squares").blocks[-1]
    source = "def solve(a, z, n, RIDGE):\n    f, w = [[0.0] * n for _ in range(n)], [0.0] * n\n"
    names = {"floor": math.floor}
    exec(
        compile(source + textwrap.indent(block, "    ") + "    return linear, w\n", "FORMAT.md", "exec"),
        names,
    )
    return names["solve"]


def neighbours_of(channel, channels):
    """Return (dy, dx, channel) of the neighbours of a channel, as in FORMAT.md."""
    (own, earlier, later), _ = constants()
    others = [(e, earlier if e < channel else later) for e in range(channels) if e != channel]
    return [(*pair, e) for e, pairs in [(channel, own), *others] for pair in pairs]


def plain_predictions(image, weights=None):
    """Return the predictions of an image's subpixels, shape (H, W, C), by FORMAT.md in plain Python floats.

    In raster order, which no slope is part of. ``weights``, if given, takes w by row, column and channel.
    """
    height, width, channels = image.shape
    padded = np.full((height + 3, width + 6, channels), 128)
    padded[3:, 3:-3] = image
    values = padded.tolist()
    predicted = np.zeros(image.shape, np.int64)
    _, (lambdas, mus, ridges) = constants()
    for c in range(channels):
        places = neighbours_of(c, channels)
        n = len(places)
        keep, descend = lambdas[c], mus[c]

        def sample(y, x, places=places, c=c):
            around = [values[y + dy + 3][x + dx + 3][e] for dy, dx, e in (*places, (0, 0, c))]
            return [float(v - 128) for v in around]

        zeros = [[0.0] * (n + 1) for _ in range(n)]
        above = [zeros] * width
        for y in range(height):
            here, s = [], zeros
            for x in range(width):
                z = sample(y, x - 1) if x > 0 else [0.0] * (n + 1)
                r = [
                    [0.0] * i
                    + [descend * before + z[i] * v for before, v in zip(row[i:], z[i:], strict=True)]
                    for i, row in enumerate(above[min(x + 1, width - 1)])
                ]
                s = [
                    [keep * before + new for before, new in zip(old, row, strict=True)]
                    for old, row in zip(s, r, strict=True)
                ]
                here.append(r)
                linear, w = solver()([row.copy() for row in s], sample(y, x), n, ridges[c])
                predicted[y, x, c] = linear
                if weights is not None:
                    weights[y, x, c] = w
            above = here
    return predicted


@functools.cache
def plain(kind, height, width, channels):
    """Return the plain predictions of a picture, and its weights."""
    weights = {}
    return plain_predictions(KINDS[kind](height, width, channels), weights), weights


def kernel_predictions(image, slope, unknown=None, visit=None):
    """Return the kernel's predictions of an image's subpixels, shape (H, W, C).

    Subpixels that are not coded yet read as those of ``unknown``. ``visit`` is called after every channel of
    a wavefront with rows, columns, channel and the weights, (n, GROUP), of the last lanes.
    """
    height, width, channels = image.shape
    canvas = np.full((height + 3, width + 6, channels), 128, np.int32)
    inside = canvas[3:, 3:-3]
    inside[:] = image if unknown is None else unknown
    systems = new_systems(channels, min(height, -(-width // slope)), slope, True)
    predicted = np.full(image.shape, -1, np.int64)
    for t in range(wavefront_count(slope, height, width)):
        first, n = lane_range(t, slope, height, width)
        if n == 0:
            continue
        y = np.arange(first, first + n)
        x = t - slope * y
        for c in range(channels):
            predict_linearly(systems, c, t, first, n, slope, canvas, 128, 255)
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
    *(("noise", 9, 14), ("plane", 9, 14)),
]


def test_constants_are_those_of_the_format():
    _, numbers = constants()
    ours = (least_squares.LAMBDA, least_squares.MU, least_squares.RIDGE)
    assert [tuple(row) for row in numbers] == list(ours)
    for channels in (1, 3):
        found = [neighbours_of(c, channels) for c in range(channels)]
        assert found == least_squares.neighbours(channels)
        counts = [len(places) for places in found]
        assert counts == {1: [12], 3: [24, 25, 26]}[channels]
        assert max(counts) <= least_squares.SIZE
    assert "n is 12 (grey) or 24, 25, 26 (RGB)" in TEXT


def check(kind, height, width, channels, slope):
    """Compare the kernel with the plain reference: all predictions, and the weights of the last lanes."""
    steepness = raster_slope(width) if slope == "width" else slope
    expected, weights = plain(kind, height, width, channels)

    def compare_weights(y, x, c, solution):
        start = (len(y) - 1) // GROUP * GROUP
        for g, (row, column) in enumerate(zip(y[start:], x[start:], strict=True)):
            assert solution[:, g].tolist() == weights[row, column, c]

    found = kernel_predictions(KINDS[kind](height, width, channels), steepness, visit=compare_weights)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("slope", [3, 5, "width"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "height", "width"), CASES)
def test_the_kernel_does_what_the_plain_reference_does(kind, height, width, channels, slope):
    check(kind, height, width, channels, slope)


@pytest.mark.parametrize("slope", [3, 5, "width"])
@pytest.mark.parametrize(("height", "width", "channels"), [(40, 37, 1), (40, 37, 3)])
def test_no_prediction_depends_on_the_slope(height, width, channels, slope):
    # The plain reference knows no slope.
    check("photo", height, width, channels, slope)


def test_more_lanes_than_a_group_are_solved_alike():
    height, width = GROUP + 3, 3 * (GROUP + 1)
    assert max(lane_range(t, 3, height, width)[1] for t in range(3 * (height + width))) > GROUP
    check("noise", height, width, 1, 3)


@pytest.mark.parametrize("unknown", [0, 255, "noise"])
@pytest.mark.parametrize("slope", [3, 5, "width"])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_prediction_reads_a_later_subpixel(channels, slope, unknown):
    image = samples.photo(channels, 13, 19)
    steepness = raster_slope(19) if slope == "width" else slope
    garbage = samples.noise(13, 19, channels) if unknown == "noise" else unknown
    found = kernel_predictions(image, steepness, garbage)
    np.testing.assert_array_equal(found, kernel_predictions(image, steepness))


@pytest.mark.parametrize("channels", [1, 3])
def test_predictions_of_a_plane_become_exact(channels):
    image = plane(40, 40, channels)
    wrong = abs(kernel_predictions(image, 3) - 16 * image.astype(np.int64))
    # The pixels at the edges have neighbours outside the tile, which lie on no plane.
    assert wrong[20:, 10:35].max() <= 2
    assert wrong[30:, 20:35].max() <= 1


def test_predictions_of_channels_that_are_one_another_become_exact():
    image = samples.noise(24, 30, 3)
    image[:, :, 1] = image[:, :, 0]
    image[:, :, 2] = 255 - image[:, :, 1]
    wrong = abs(kernel_predictions(image, 3) - 16 * image.astype(np.int64))
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

    found = kernel_predictions(image, 3, visit=check_finite)
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

    found = kernel_predictions(samples.photo(channels), 3, visit=add)
    assert hashlib.blake2b(found.astype("<i2").tobytes(), digest_size=8).hexdigest() == predictions
    assert digest.hexdigest() == weights
