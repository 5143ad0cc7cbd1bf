"""Which ways an encoder tries, and which it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import samples
from pixcodec.container.header import FITTED_VERSION, WIDER_VERSION, Effort, Header
from pixcodec.images import ways
from pixcodec.images.colours import look_up, unpack_colours, unpack_values
from pixcodec.images.picture import to_picture
from pixcodec.images.ways import SAMPLE, Way, choose_way, ways_of


def ways_for(image: npt.NDArray[Any], effort: Effort = Effort.NORMAL) -> list[Way]:
    picture = to_picture(image)
    height, width = image.shape[:2]
    header = Header(*(width, height, picture.mode, effort, width, height, b""), bit_depth=picture.bit_depth)
    return ways_of(header, picture)


def kinds(found: list[Way]) -> list[str]:
    """Return what is special of each way."""
    names = []
    for way in found:
        h = way.header
        flags = ("alpha_first", "graphics", "interleaved", "mapped", "residual")
        parts = [name for name in flags if getattr(h, name)]
        parts += ["steady"] if h.residual and h.version == FITTED_VERSION else []
        parts += ["unfitted"] if not h.residual and h.version == WIDER_VERSION else []
        names.append(" ".join(["indexed"] * h.indexed + parts) or "plain")
    return names


def pixels_of(way: Way) -> npt.NDArray[Any]:
    """Return the image that a way's pixels stand for."""
    h = way.header
    if h.indexed:
        return look_up(unpack_colours(way.table, h.mode.channels, h.bit_depth), way.pixels)
    return look_up(unpack_values(way.table, h.bit_depth), way.pixels) if h.mapped else way.pixels


def with_alpha(image: npt.NDArray[Any], alpha: int = 255) -> npt.NDArray[Any]:
    return np.concatenate([image, np.full_like(image[:, :, :1], alpha)], 2)


def art(channels: int) -> npt.NDArray[np.uint8]:
    return samples.pixel_art(40, 60, 3)[:, :, [0, 1, 2, 2][:channels]]


def spotted(channels: int) -> npt.NDArray[np.uint8]:
    """Return pixel art of more than 256 colours."""
    image = art(channels).repeat(2, 1)
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1] // 3]
    image[:, : image.shape[1] // 3, 0] = (rows * 7 + columns // 2) % 256
    image[:, : image.shape[1] // 3, -1] = (rows + columns // 2 * 11) % 256
    return image


@pytest.mark.parametrize("effort", Effort)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_photo_is_coded_as_it_is(channels: int, effort: Effort) -> None:
    assert kinds(ways_for(samples.photo(channels), effort)) == ["plain"]


def test_a_photo_with_alpha_is_coded_as_it_is() -> None:
    assert kinds(ways_for(with_alpha(samples.photo(3)))) == ["plain"]


@pytest.mark.parametrize(
    ("image", "effort", "expected"),
    [
        (art(3), Effort.FAST, ["plain", "indexed"]),
        (art(3), Effort.NORMAL, ["plain", "graphics", "indexed"]),
        (art(3), Effort.MAX, ["plain", "graphics", "indexed"]),
        (art(1), Effort.NORMAL, ["plain", "unfitted", "graphics", "indexed"]),
        (art(4), Effort.FAST, ["plain", "graphics", "alpha_first graphics", "indexed"]),
        (art(4), Effort.NORMAL, ["plain", "graphics", "alpha_first graphics", "indexed"]),
        (spotted(3), Effort.FAST, ["plain"]),
        (spotted(3), Effort.NORMAL, ["plain", "graphics"]),
        (spotted(2), Effort.MAX, ["plain", "graphics", "alpha_first graphics"]),
        (art(1) > 9, Effort.NORMAL, ["plain"]),
    ],
)
def test_graphics_have_ways_of_their_own(
    image: npt.NDArray[Any], effort: Effort, expected: list[str]
) -> None:
    assert kinds(ways_for(image, effort)) == expected


def deep_photo(channels: int, bits: int) -> npt.NDArray[np.uint16]:
    image = samples.photo(channels).astype(np.uint16) << (bits - 8)
    noise = np.random.default_rng(0).integers(0, 1 << (bits - 8), image.shape, np.uint16)
    image += noise
    image[0, :2] = [[0], [(1 << bits) - 1]]
    return image


def test_low_bits_may_lie_beside_the_high_ones() -> None:
    assert kinds(ways_for(deep_photo(3, 10))) == ["plain", "interleaved"]
    whole = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert kinds(ways_for(whole))[:2] == ["plain", "interleaved"]


@pytest.mark.parametrize(
    ("image", "bits"),
    [
        (257 * samples.photo(3).astype(np.uint16), 8),  # 8 bits made into 16
        (64 * deep_photo(1, 10), 10),
        (samples.photo(1).astype(np.uint16), 8),
    ],
)
def test_values_with_gaps_are_mapped(image: npt.NDArray[np.uint16], bits: int) -> None:
    found = ways_for(image)
    residual = ["interleaved mapped residual", "graphics interleaved mapped residual"]
    residual += [f"{kind} steady" for kind in residual]
    assert kinds(found) == (["mapped", "interleaved mapped", *residual] if bits > 8 else ["mapped"])
    assert {way.header.index_bits for way in found} == {bits}
    assert len(found[0].table) < 6


def test_gaps_may_be_anywhere() -> None:
    rng = np.random.default_rng(1)
    chosen = np.unique(rng.integers(0, 65536, 200, np.uint16))
    found = ways_for(rng.choice(chosen, (40, 50, 3)))
    assert kinds(found) == ["plain", "mapped", "interleaved"]
    assert found[1].pixels.dtype == np.uint8
    assert found[1].header.index_bits == 8


def test_a_long_table_is_only_one_way() -> None:
    found = ways_for(np.random.default_rng(2).integers(0, 65536, (40, 50), np.uint16))
    wide = ["interleaved", "interleaved mapped"]
    residual = [f"{kind} residual" for kind in wide]
    residual += [f"graphics {kind}" for kind in residual]
    assert kinds(found) == ["plain", "mapped", *wide, *residual, *(f"{kind} steady" for kind in residual)]
    assert len(found[1].table) > 2000


IMAGES = [
    art(1),
    art(3),
    art(4),
    spotted(3),
    257 * art(4).astype(np.uint16),
    64 * deep_photo(3, 10),
    art(1) > 9,
]


@pytest.mark.parametrize("image", IMAGES)
def test_each_way_is_the_same_image(image: npt.NDArray[Any]) -> None:
    for way in ways_for(image):
        np.testing.assert_array_equal(np.squeeze(pixels_of(way)), np.squeeze(image))
        limit = 1 << way.header.index_bits if way.header.index_bits else 1 << way.header.bit_depth
        assert way.pixels.max() < limit
        assert way.pixels.flags.c_contiguous


@pytest.mark.parametrize(("width", "expected"), [(1, "plain"), (2, "indexed")])
def test_small_images_have_ways(width: int, expected: str) -> None:
    assert kinds(ways_for(np.full((5, width, 3), 9, np.uint8)))[-1] == expected


def test_the_smallest_way_is_chosen() -> None:
    tried = ways_for(art(3))
    sizes = {"plain": 30, "graphics": 20, "indexed": 25}
    assert kinds([choose_way(tried, lambda way: sizes[kinds([way])[0]])]) == ["graphics"]
    sizes["graphics"] = 26
    assert kinds([choose_way(tried, lambda way: sizes[kinds([way])[0]])]) == ["indexed"]


def test_one_way_needs_no_trial() -> None:
    def never(_: Way) -> int:
        raise AssertionError

    tried = ways_for(samples.photo(3))
    assert choose_way(tried, never) is tried[0]


@pytest.mark.parametrize(("height", "width"), [(700, 300), (128, 1001), (257, 256)])
def test_ways_are_tried_on_parts_of_a_large_image(height: int, width: int) -> None:
    tried = ways_for(samples.pixel_art(height, width, 3))
    seen = []

    def size_bytes(way: Way) -> int:
        h = way.header
        assert way.pixels.shape[:2] == (h.height, h.width) == (h.tile_height, h.tile_width)
        assert len(h.grid) == 1
        seen.append(way)
        return 0

    choose_way(tried, size_bytes)
    assert kinds(seen) == kinds(tried)
    for part, whole in zip(seen, tried, strict=True):
        assert part.pixels.size == ways.SAMPLES * SAMPLE**2 * whole.pixels.shape[2]
        assert part.table == whole.table
    np.testing.assert_array_equal(pixels_of(seen[-1]), seen[0].pixels)


@pytest.mark.parametrize(("height", "width"), [(1, 70_000), (127, 600), (256, 256)])
def test_narrow_and_small_images_are_tried_as_a_whole(height: int, width: int) -> None:
    tried = ways_for(samples.pixel_art(height, width, 3))
    seen: list[Way] = []
    choose_way(tried, lambda way: seen.append(way) or 0)  # type: ignore[func-returns-value]
    assert [way is whole for way, whole in zip(seen, tried, strict=True)] == [True] * len(tried)
