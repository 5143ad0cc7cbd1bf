from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixcodec.container.tiles import TileBox, TileGrid

SIZES = st.integers(1, 40)


@given(SIZES, SIZES, SIZES, SIZES)
def test_tiles_cover_every_pixel_once_in_raster_order(w: int, h: int, tile_w: int, tile_h: int) -> None:
    grid = TileGrid(w, h, tile_w, tile_h)
    visits = np.zeros((h, w), int)
    for box in grid:
        assert 1 <= box.width <= tile_w
        assert 1 <= box.height <= tile_h
        assert visits[box.slices].size == box.pixel_count
        visits[box.slices] += 1
    assert (visits == 1).all()
    boxes = list(grid)
    assert boxes == sorted(boxes, key=lambda box: (box.y, box.x))
    assert len(boxes) == len(grid) == grid.rows * grid.columns
    assert boxes == [grid[i] for i in range(len(grid))]


def test_edge_tiles_are_cut() -> None:
    assert list(TileGrid(5, 3, 4, 2)) == [
        TileBox(0, 0, 4, 2),
        TileBox(4, 0, 1, 2),
        TileBox(0, 2, 4, 1),
        TileBox(4, 2, 1, 1),
    ]


@pytest.mark.parametrize("index", [-1, 4])
def test_there_is_no_tile_outside_the_grid(index: int) -> None:
    with pytest.raises(IndexError, match=f"tile {index} of 4"):
        TileGrid(5, 3, 4, 2)[index]


@pytest.mark.parametrize("sizes", [(0, 1, 1, 1), (1, -1, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)])
def test_sizes_are_positive(sizes: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected at least 1x1"):
        TileGrid(*sizes)


def test_a_huge_grid_costs_nothing() -> None:
    grid = TileGrid(2**20, 2**20, 1, 1)
    assert len(grid) == 2**40
    assert grid[2**40 - 1] == TileBox(2**20 - 1, 2**20 - 1, 1, 1)
