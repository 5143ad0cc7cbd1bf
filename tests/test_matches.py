"""Repeats: the place that a row follows is in the tile, was coded before and is alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import pixcodec
import samples
from pixcodec import codec
from pixcodec.container.container import parse
from pixcodec.images import ways
from pixcodec.mixing.matches import (
    COLUMN,
    LENGTH,
    MATCH_FIELDS,
    MAX_LENGTH,
    ROW,
    expected,
    find_matches,
    length_class,
    table_bits,
    update_matches,
)
from pixcodec.network.architecture import REACH
from pixcodec.network.wavefront import lane_range, raster_slope, wavefront_count

NEAR = ((0, -1), (0, -2), (-1, -1), (-1, 0), (-1, 1), (-2, 0))


def tiled(height: int, width: int, period: int, channels: int = 1, seed: int = 0) -> samples.Pixels:
    """Return a pattern that repeats in both directions."""
    pattern = samples.noise(period, period, channels, seed) & 3
    return np.tile(pattern, (-(-height // period), -(-width // period), 1))[:height, :width]


def letters(height: int, width: int, channels: int = 1) -> samples.Pixels:
    """Return small patterns here and there, the last rows among them."""
    rng = np.random.default_rng(7)
    image = np.zeros((height, width, channels), np.uint8)
    shapes = rng.integers(0, 3, (4, 5, 5, channels), np.uint8)
    for y in [*range(0, height - 5, 6), height - 5]:
        for x in range(0, width - 5, 6):
            image[y : y + 5, x : x + 5] = shapes[rng.integers(4)]
    return image


IMAGES = {
    "tiled": tiled(64, 64, 9),
    "tiled, three channels": tiled(24, 31, 6, 3),
    "art": samples.pixel_art(64, 64, 1),
    "letters": letters(40, 50),
    "flat": samples.flat(30, 41, 1),
    "noise": samples.noise(20, 20, 1) & 1,
    "one row": tiled(1, 40, 4),
    "one column": tiled(40, 1, 4),
}


def follow(image: samples.Pixels, slope: int) -> tuple[int, int]:
    """Check every place that is followed; return how many were, and how many came from the row above."""
    height, width, channels = image.shape
    known = np.full((height + REACH, width + 2 * REACH, channels), -1, np.int32)
    known[:REACH] = known[:, :REACH] = known[:, -REACH:] = 0
    canvas = known.copy()  # with what a decoder may find where nothing is coded yet
    canvas[REACH:, REACH:-REACH] = samples.noise(height, width, channels)
    matches = np.zeros((height, MATCH_FIELDS), np.int64)
    table = np.zeros(1 << table_bits(height, width), np.int32)
    followed = from_above = 0
    for t in range(wavefront_count(slope, height, width)):
        first, count = lane_range(t, slope, height, width)
        if count == 0:
            continue
        before = matches.copy()
        find_matches(matches, table, canvas, t, first, count, slope)
        for row in range(first, first + count):
            if not matches[row, LENGTH]:
                continue
            column = t - slope * row
            place = tuple(matches[row, [ROW, COLUMN]].tolist())
            assert 0 <= place[0] < height
            assert 0 <= place[1] < width
            assert place[1] + slope * place[0] < t
            assert (known[place[0] + REACH, place[1] + REACH] >= 0).all()
            if not before[row, LENGTH]:
                assert matches[row, LENGTH] == 1
                for dy, dx in NEAR:
                    here = known[row + REACH + dy, column + REACH + dx]
                    there = known[place[0] + REACH + dy, place[1] + REACH + dx]
                    assert (here == there).all()
                    assert (here >= 0).all()
                if row and matches[row - 1, LENGTH] and place[0] == matches[row - 1, ROW] + 1:
                    from_above += 1
            value, length = expected(matches, canvas, row, column, 0)
            assert value == known[place[0] + REACH, place[1] + REACH, 0]
            assert length == length_class(int(matches[row, LENGTH])) > 0
            followed += 1
        y = np.arange(first, first + count)
        x = t - slope * y
        known[y + REACH, x + REACH] = canvas[y + REACH, x + REACH] = image[y, x]
        update_matches(matches, table, canvas, t, first, count, slope)
        assert (matches[:, LENGTH] >= 0).all()
        assert (matches[:, LENGTH] <= MAX_LENGTH).all()
    return followed, from_above


@pytest.mark.parametrize("slope", [3, 4, 7, "width"])
@pytest.mark.parametrize("name", IMAGES)
def test_a_repeat_is_in_the_tile_and_known(name: str, slope: int | str) -> None:
    image = IMAGES[name]
    height, width, _ = image.shape
    steepness = raster_slope(width) if slope == "width" else int(slope)
    followed, from_above = follow(image, steepness)
    assert followed > (0 if "row" in name or "column" in name else height * width / 20)
    if name in ("letters", "art"):
        assert from_above > 0


def test_a_row_below_the_tile_is_not_followed() -> None:
    """The row above follows the last row of the tile: one row below that there is nothing."""
    height, width, slope = 6, 30, 3
    canvas = np.zeros((height + REACH, width + 2 * REACH, 1), np.int32)
    matches = np.zeros((height, MATCH_FIELDS), np.int64)
    table = np.zeros(1 << table_bits(height, width), np.int32)
    t = slope * (height - 1) + 20
    for row, column, found in [(height - 1, 5, 0), (height - 2, 5, 1), (height - 2, 2, 0)]:
        matches[:] = 0
        matches[3, [ROW, COLUMN, LENGTH]] = row, column, 4
        find_matches(matches, table, canvas, t, 4, 1, slope)
        assert (matches[4, LENGTH] > 0) == bool(found)
    matches[:] = 0
    matches[3, [ROW, COLUMN, LENGTH]] = 2, 5, 4
    find_matches(matches, table, canvas, t, 4, 1, slope)
    assert matches[4, [ROW, COLUMN, LENGTH]].tolist() == [3, 2, 1]


def test_a_repeat_ends_at_the_edge() -> None:
    matches = np.zeros((2, MATCH_FIELDS), np.int64)
    canvas = np.arange((2 + REACH) * (9 + 2 * REACH), dtype=np.int32).reshape(2 + REACH, -1, 1)
    table = np.zeros(1 << table_bits(2, 9), np.int32)
    matches[1, [ROW, COLUMN, LENGTH]] = 0, 7, 5
    find_matches(matches, table, canvas, 3, 1, 1, 3)
    assert matches[1, [ROW, COLUMN, LENGTH]].tolist() == [0, 8, 5]
    find_matches(matches, table, canvas, 4, 1, 1, 3)
    assert matches[1, LENGTH] == 0


def test_classes_of_lengths_grow() -> None:
    found = [length_class(length) for length in range(1000)]
    assert found == sorted(found)
    assert set(found) == set(range(16))
    assert (found[0], found[1], found[511], found[512]) == (0, 1, 14, 15)


def test_the_table_has_a_place_for_each_pixel_of_usual_tiles() -> None:
    assert [table_bits(*size) for size in [(1, 1), (32, 32), (33, 32), (512, 512), (1024, 1024)]] == [
        *(10, 10, 11, 18, 18)
    ]


@pytest.mark.parametrize("flags", ["indexed", "graphics", "graphics alpha_first"])
@pytest.mark.parametrize(("height", "order"), [(61, "wavefront"), (64, "wavefront"), (31, "raster")])
def test_pixel_art_with_repeats_comes_back(
    height: int, flags: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = 4 if "alpha" in flags else 3
    pattern = np.repeat(samples.noise(9, 9, channels) & 192, 2, 1)
    image = np.tile(pattern, (8, 4, 1))[:height, :64]

    def chosen(header: object, picture: object) -> list[list[ways.Way]]:
        found = ways.ways_of(header, picture)  # type: ignore[arg-type]
        return [[way for way in found if all(getattr(way.header, flag) for flag in flags.split())][:1]]

    monkeypatch.setattr(codec, "all_ways", chosen)
    data = pixcodec.encode(image, order=order)
    assert all(getattr(parse(data).header, flag) for flag in flags.split())
    np.testing.assert_array_equal(pixcodec.decode(data), image)
    # One pattern, and hardly anything for the others.
    assert len(data) < pattern.size


def bilevel(height: int, width: int) -> npt.NDArray[np.bool_]:
    return letters(height, width)[:, :, 0] > 1


@pytest.mark.parametrize(("height", "width"), [(64, 64), (61, 100), (100, 5)])
def test_bilevel_letters_come_back(height: int, width: int) -> None:
    image = bilevel(height, width)
    data = pixcodec.encode(image)
    np.testing.assert_array_equal(pixcodec.decode(data), image)
