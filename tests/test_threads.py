"""Work on tiles: how many at a time, and what is done once for tiles that are alike."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

import pixcodec
import samples
from pixcodec import codec, tiling
from pixcodec.coding.threads import Alike, Crew, map_tiles

EFFORTS = ["fast", "normal"]


@pytest.mark.parametrize(("threads", "share", "most"), [(2, 2, 1), (4, 2, 2), (3, 2, 1), (2, 1, 2)])
def test_threads_that_share_a_tile_take_no_other(threads: int, share: int, most: int) -> None:
    lock, busy, seen = threading.Lock(), [0], []

    def work(tile: int, crew: Crew) -> int:
        with lock:
            busy[0] += 1
            seen.append(busy[0])
        time.sleep(0.02)
        with lock:
            busy[0] -= 1
        return tile * tile

    done = map_tiles(work, range(8), 1 << 20, threads, None, share=share)
    assert done == [tile * tile for tile in range(8)]
    assert max(seen) == most


def test_a_result_is_kept_until_others_take_its_place() -> None:
    alike, found = Alike(2), []

    def result(key: Any) -> list[Any]:
        return alike.result(key, lambda: [key], lambda: found.append(key))

    first = result("a")
    assert result("a") is first
    assert result("b") == ["b"]
    assert result("a") is first
    assert result("c") == ["c"]
    assert result("a") is not first
    assert found == ["a", "a"]
    assert result(None) is not result(None)


def repeated(effort: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an image of six tiles, four of which are alike."""
    monkeypatch.setattr(codec, "MAX_TILE_SIDE", 20)
    monkeypatch.setattr(codec, "FAST_TILE_HEIGHT", 20)
    image = np.tile(samples.pixel_art(20, 20, 3), (2, 3, 1))
    image[3, 4], image[25, 50] = 7, 9
    return image


@pytest.mark.usefixtures("no_packed_layers")
@pytest.mark.parametrize("effort", EFFORTS)
def test_tiles_that_are_alike_are_coded_once(effort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = repeated(effort, monkeypatch)
    monkeypatch.setattr(tiling, "best_ways", lambda ways, size_bytes: ways[:1])
    count = {"encode_layer": 0, "decode_layer": 0}
    for name in count:
        original = getattr(tiling, name)

        def counted(*arguments: Any, name: str = name, original: Any = original, **more: Any) -> Any:
            count[name] += 1
            return original(*arguments, **more)

        monkeypatch.setattr(tiling, name, counted)
    told: list[float] = []
    data = pixcodec.encode(image, effort=effort, threads=1, progress=told.append)
    assert told[-1] == 1
    np.testing.assert_array_equal(pixcodec.decode(data, threads=1, progress=told.append), image)
    assert told[-1] == 1
    assert count == {"encode_layer": 3, "decode_layer": 3}
    monkeypatch.setattr(tiling, "Alike", lambda: Alike(0))
    assert pixcodec.encode(image, effort=effort, threads=1) == data
    np.testing.assert_array_equal(pixcodec.decode(data, threads=1), image)
    assert count == {"encode_layer": 9, "decode_layer": 9}


def test_a_region_of_tiles_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    image = repeated("fast", monkeypatch)
    data = pixcodec.encode(image, effort="fast")
    np.testing.assert_array_equal(pixcodec.decode(data, region=(5, 3, 50, 30)), image[3:33, 5:55])
