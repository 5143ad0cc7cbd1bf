"""The steps of the search, each alone: what it undoes comes back."""

from __future__ import annotations

import numpy as np
import pytest

import samples
from jpeg_file import decoded, jpeg_of, read_jpeg
from pixcodec.jpeg import find_chroma
from pixcodec.jpeg.blocks import DCT, MIDDLE, Grid, blocks_of, known_blocks
from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.colours import CONVERSIONS
from pixcodec.jpeg.decoders import Colours
from pixcodec.jpeg.find_grid import find_grid
from pixcodec.jpeg.find_samples import (
    Bounds,
    Planes,
    Range,
    chroma_bounds,
    find_colours,
    luma_bounds,
    range_of,
    to_planes,
)
from pixcodec.jpeg.find_small_chroma import small_plane
from pixcodec.jpeg.find_steps import SAMPLE_SIGMA, find_steps
from pixcodec.jpeg.mend import mend_blocks, mend_plane
from pixcodec.jpeg.pixels import planes_of
from pixcodec.jpeg.standard_tables import Steps, agreeing_table, standard_table, table_beside
from pixcodec.jpeg.transform import Plane, plane_of_blocks
from pixcodec.jpeg.upsample import upsample

NO_NOISE = np.full(FREQUENCIES, SAMPLE_SIGMA, np.float32)


def luma_of_photo(quality: int) -> Plane:
    """Return luma (128, 256) of a JPEG file of a photograph."""
    photo = np.ascontiguousarray(samples.large_photo()[:128, :256, 1:2])
    return decoded(jpeg_of(photo, quality))[..., 0]


def test_blocks_are_those_of_the_plane() -> None:
    plane = np.arange(16 * 24, dtype=np.float32).reshape(16, 24)
    blocks = blocks_of(plane)
    assert blocks.shape == (2, 3, FREQUENCIES)
    np.testing.assert_array_equal(blocks[1, 2].reshape(8, 8), plane[8:, 16:])
    part = blocks_of(plane[3:, 5:], 3, 5)
    np.testing.assert_array_equal(part[1, 1:], blocks[1, 1:])
    np.testing.assert_array_equal(part[0, 0].reshape(8, 8)[:3, 5:], np.tile(plane[3, 5:8], (3, 1)))
    assert known_blocks(np.ones((13, 19), bool), 3, 5).all(2).tolist() == [[False] * 3, [False, True, True]]


@pytest.mark.parametrize("colours", Colours)
def test_samples_follow_from_their_colour(colours: Colours) -> None:
    rng = np.random.default_rng(1)
    y, blue, red = (rng.integers(low, 256 - low, (50, 60), np.uint8) for low in (60, 90, 90))
    pixels = CONVERSIONS[colours].to_rgb(y, blue, red)
    assert find_colours(pixels) is colours
    planes = to_planes(pixels, colours)
    assert planes.known.mean() > 0.99
    for found, expected in zip(planes.samples, (y, blue, red), strict=True):
        np.testing.assert_array_equal(found[planes.known], expected[planes.known])


def test_what_was_not_decoded_is_told_from_its_colours() -> None:
    assert find_colours(decoded(jpeg_of(samples.photo(3), 90))) is Colours.LIBJPEG
    assert find_colours(samples.photo(1)) is Colours.LIBJPEG
    assert find_colours(samples.photo(3)) is None


@pytest.mark.parametrize("colours", Colours)
def test_bounds_hold_the_samples_of_clipped_colours(colours: Colours) -> None:
    rng = np.random.default_rng(2)
    y, blue, red = rng.integers(0, 256, (3, 50, 60), np.uint8)
    pixels = CONVERSIONS[colours].to_rgb(y, blue, red)
    nothing = Planes(np.zeros((3, 50, 60), np.uint8), np.zeros((50, 60), bool))
    pairs = [(luma_bounds(pixels, blue, red, nothing, colours), y)]
    pairs += zip(chroma_bounds(pixels, y, nothing, colours), (blue, red), strict=True)
    for bounds, expected in pairs:
        assert ((bounds.lower <= expected) & (expected <= bounds.upper)).all()
        assert bounds.known.any()


@pytest.mark.parametrize(("quality", "subsampling"), [(1, 0), (30, 2), (50, 1), (90, 2), (100, 0)])
def test_standard_tables_are_those_that_libjpeg_writes(quality: int, subsampling: int) -> None:
    tables = read_jpeg(jpeg_of(samples.photo(3), quality, subsampling)).tables
    for component, table in enumerate(tables):
        np.testing.assert_array_equal(standard_table(quality, component), table)


def test_unknown_steps_are_those_of_a_table_that_agrees() -> None:
    luma, chroma = standard_table(80, 0), standard_table(80, 1)
    known = np.arange(FREQUENCIES) < 20
    found = np.where(known, chroma, 0)
    steps = Steps(found, found, known)
    np.testing.assert_array_equal(table_beside(steps, luma), chroma)
    np.testing.assert_array_equal(agreeing_table(steps), chroma)
    other = np.where(known, chroma + 3, 0)
    assert table_beside(Steps(other, other, known), luma) is None


@pytest.mark.parametrize("quality", [50, 75, 92])
def test_steps_are_found(quality: int) -> None:
    blocks = blocks_of(luma_of_photo(quality)).reshape(-1, FREQUENCIES)
    unclipped = blocks[((blocks > 0) & (blocks < 255)).all(1)]
    coefficients = (unclipped.astype(np.float32) - MIDDLE) @ DCT.T
    table, evidence = find_steps(coefficients, NO_NOISE)
    np.testing.assert_array_equal(table, standard_table(quality, 0))
    assert evidence > 0.1


def test_noise_has_no_steps() -> None:
    coefficients = np.random.default_rng(3).normal(0, 30, (500, FREQUENCIES)).astype(np.float32)
    assert find_steps(coefficients, NO_NOISE)[1] < 0.006


@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 6), (7, 1)])
def test_the_grid_is_found(top: int, left: int) -> None:
    luma = luma_of_photo(75)[top:, left:].astype(np.float32)
    assert find_grid(luma, np.ones(luma.shape, bool)) == Grid(128 - top, 256 - left, top, left)


@pytest.mark.parametrize(("horizontal", "vertical"), [(2, 1), (2, 2)])
def test_small_chroma_is_found(horizontal: int, vertical: int) -> None:
    plane = np.ascontiguousarray(samples.large_photo()[:40, :50, 2])
    shown = upsample(plane, horizontal, vertical).astype(np.float32)
    error = small_plane(shown[4:, 6:], 4, 6, horizontal, vertical) - plane
    assert (np.abs(error[5:, 5:]) < 1).mean() > 0.99


def test_blocks_are_mended() -> None:
    photo = np.ascontiguousarray(samples.large_photo()[:128, :256, 1:2])
    found = read_jpeg(jpeg_of(photo, 85))
    (right,), (table,) = found.blocks, found.tables
    plane = plane_of_blocks(right, table)
    wrong = right.copy()
    rng = np.random.default_rng(4)
    for row in wrong.reshape(-1, FREQUENCIES):
        row[rng.choice(FREQUENCIES, 3, replace=False)] += 1
    mend_plane(wrong, table, range_of(Bounds(plane, plane)), Grid(*plane.shape, 0, 0))
    assert (wrong == right).all(2).mean() > 0.9


def test_a_block_that_nothing_mends_stays() -> None:
    blocks = np.random.default_rng(5).integers(-9, 10, (4, FREQUENCIES)).astype(np.int16)
    table = np.full(FREQUENCIES, 40, np.int32)
    expected = blocks.copy()
    nothing = np.full((2, 4, FREQUENCIES), [[[1]], [[-1]]], np.float32)
    mend_blocks(blocks, table, Range(*nothing))
    np.testing.assert_array_equal(blocks, expected)


@pytest.mark.parametrize("tile", [2, 3, 100])
@pytest.mark.parametrize("subsampling", [1, 2])
def test_wrong_chroma_is_mended(subsampling: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a wrong block is inside a tile, at its edge or at that of the image."""
    monkeypatch.setattr(find_chroma, "_TILE", tile)
    found = read_jpeg(jpeg_of(np.ascontiguousarray(samples.large_photo()[3:128, 5:250]), 80, subsampling))
    _, blue, _ = planes_of(found)
    wrong = found.blocks[1].copy()
    rows, columns = np.divmod(np.arange(0, wrong.shape[0] * wrong.shape[1], 5), wrong.shape[1])
    wrong[rows, columns, 1 + rows % 3] += 1
    factors, grid = (found.horizontal, found.vertical), Grid(*found[:4])
    mended = find_chroma.mended(wrong, found.tables[1], Bounds(blue, blue), grid, factors, found.decoder)
    shown = planes_of(found._replace(blocks=(found.blocks[0], mended, found.blocks[2])))[1]
    before = planes_of(found._replace(blocks=(found.blocks[0], wrong, found.blocks[2])))[1]
    assert (before == blue).mean() < 0.85
    assert (shown == blue).mean() > 0.999
    assert (mended == found.blocks[1]).mean() > 0.999
