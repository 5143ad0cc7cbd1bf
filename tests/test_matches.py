"""Repeats: the place that a row follows is in the tile, was coded before and is alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pixcodec
import samples
from pixcodec import codec
from pixcodec.container.container import parse
from pixcodec.images import ways
from pixcodec.mixing.matches import (
    MAX_LENGTH,
    Repeats,
    expected,
    find_matches,
    length_class,
    new_repeats,
    table_bits,
    update_matches,
)
from pixcodec.network.architecture import REACH
from pixcodec.network.kernels import kernel
from pixcodec.network.structs import struct_of
from pixcodec.network.wavefront import (
    Int32,
    go_to,
    inner,
    lane_range,
    new_canvas,
    new_wave,
    raster_slope,
    wavefront_count,
)

pytestmark = pytest.mark.usefixtures("no_packed_layers")

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


@kernel
def _find(repeats: Repeats, canvas: Int32, wave: Any) -> None:
    find_matches(repeats, canvas, wave[0])


@kernel
def _update(repeats: Repeats, canvas: Int32, wave: Any) -> None:
    update_matches(repeats, canvas, wave[0])


class Tile:
    """The repeats of a tile of which nothing is known but the canvas."""

    def __init__(self, canvas: Int32, slope: int) -> None:
        height, width, channels = inner(canvas).shape
        repeats = new_repeats(height, width, used=True)
        self.canvas, self.slope, self.rows = canvas, slope, repeats.rows
        self._repeats, self._wave = struct_of(repeats), new_wave(height, width, channels, slope)

    def go_to(self, t: int, first: int, count: int) -> None:
        go_to(self._wave, t, first, count)

    def find(self) -> None:
        _find(self._repeats, self.canvas, self._wave)

    def update(self) -> None:
        _update(self._repeats, self.canvas, self._wave)

    def expected(self, row: int, column: int) -> tuple[int, int]:
        found: tuple[int, int] = expected(self._repeats, self.canvas, row + REACH, column + REACH, 0)
        return found

    def match(self, row: int) -> list[int]:
        """Return row, column and length of what a row follows."""
        return [int(self.rows[name][row]) for name in ("row", "column", "length")]

    def set_match(self, row: int, *values: int) -> None:
        """Let a row follow the place ``values`` (row, column, length), and all others none."""
        self.rows[:] = 0
        self.rows[["row", "column", "length"]][row] = values


def follow(image: samples.Pixels, slope: int) -> tuple[int, int]:
    """Check every place that is followed; return how many were, and how many came from the row above."""
    height, width, channels = image.shape
    known = new_canvas(height, width, channels, 0)
    inner(known)[:] = -1
    tile = Tile(new_canvas(height, width, channels, 0), slope)
    inner(tile.canvas)[:] = samples.noise(height, width, channels)  # where nothing is coded yet
    lengths = tile.rows["length"]
    followed = from_above = 0
    for t in range(wavefront_count(slope, height, width)):
        first, count = lane_range(t, slope, height, width)
        if count == 0:
            continue
        before = lengths.copy()
        tile.go_to(t, first, count)
        tile.find()
        for row in range(first, first + count):
            if not lengths[row]:
                continue
            column = t - slope * row
            place = tile.match(row)[:2]
            assert 0 <= place[0] < height
            assert 0 <= place[1] < width
            assert place[1] + slope * place[0] < t
            assert (known[place[0] + REACH, place[1] + REACH] >= 0).all()
            if not before[row]:
                assert lengths[row] == 1
                for dy, dx in NEAR:
                    here = known[row + REACH + dy, column + REACH + dx]
                    there = known[place[0] + REACH + dy, place[1] + REACH + dx]
                    assert (here == there).all()
                    assert (here >= 0).all()
                if row and lengths[row - 1] and place[0] == tile.match(row - 1)[0] + 1:
                    from_above += 1
            value, length = tile.expected(row, column)
            assert value == known[place[0] + REACH, place[1] + REACH, 0]
            assert length == length_class(int(lengths[row])) > 0
            followed += 1
        y = np.arange(first, first + count)
        x = t - slope * y
        inner(known)[y, x] = inner(tile.canvas)[y, x] = image[y, x]
        tile.update()
        assert (lengths >= 0).all()
        assert (lengths <= MAX_LENGTH).all()
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
    tile = Tile(new_canvas(height, width, 1, 0), slope)
    tile.go_to(slope * (height - 1) + 20, 4, 1)
    for row, column, found in [(height - 1, 5, 0), (height - 2, 5, 1), (height - 2, 2, 0)]:
        tile.set_match(3, row, column, 4)
        tile.find()
        assert (tile.rows["length"][4] > 0) == bool(found)
    tile.set_match(3, 2, 5, 4)
    tile.find()
    assert tile.match(4) == [3, 2, 1]


def test_a_repeat_ends_at_the_edge() -> None:
    tile = Tile(np.arange((2 + REACH) * (9 + 2 * REACH), dtype=np.int32).reshape(2 + REACH, -1, 1), 3)
    tile.set_match(1, 0, 7, 5)
    tile.go_to(3, 1, 1)
    tile.find()
    assert tile.match(1) == [0, 8, 5]
    tile.go_to(4, 1, 1)
    tile.find()
    assert tile.rows["length"][1] == 0


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

    def chosen(header: object, picture: object, threads: int | None) -> list[list[ways.Way]]:
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
