"""Pixels of coefficients are those that decoders make of the same file: Pillow's libjpeg-turbo, others."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import pixcodec
import samples
from jpeg_file import decoded, jpeg_of, read_jpeg
from pixcodec.container.tiles import TileBox
from pixcodec.jpeg.coefficients import SUBSAMPLINGS, Coefficients, block_counts
from pixcodec.jpeg.decoders import DECODERS
from pixcodec.jpeg.orientations import ORIENTATIONS
from pixcodec.jpeg.pixels import pixels_of, pixels_of_part, units_of

# BLAKE2b (8 bytes) of the pixels that libjpeg-turbo and stb_image make of the JPEG files in the goldens
# jpeg-420 and jpeg-grey, by decoder.
DECODED = {
    "jpeg-420": (
        *("09c798faf7efbf61", "607e9f3f997507e4", "f4ef28e30c1eb669"),
        *("90c2f20acf8be2f4", "f6f17d16050a253d"),
    ),
    "jpeg-grey": (
        *("11edb98f034a2bac", "11edb98f034a2bac", "3416b13bfd922b8e"),
        *("3416b13bfd922b8e", "9e4ca41c4fdf5694"),
    ),
}
SIZES = [(61, 47), (17, 5), (1, 1), (16, 2), (2, 16), (3, 3), (33, 4), (5, 6)]


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pixels_are_those_of_the_file(width: int, height: int, subsampling: int) -> None:
    for quality in (5, 30, 75, 95, 100):
        data = jpeg_of(samples.photo(3, height, width), quality, subsampling)
        np.testing.assert_array_equal(pixels_of(read_jpeg(data)), decoded(data), f"quality {quality}")


@pytest.mark.parametrize("quality", [5, 60, 100])
def test_grey_pixels_are_those_of_the_file(quality: int) -> None:
    data = jpeg_of(samples.photo(1), quality)
    np.testing.assert_array_equal(pixels_of(read_jpeg(data)), decoded(data))


@pytest.mark.parametrize("kind", sorted(samples.KINDS))
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_saturated_pixels_are_those_of_the_file(kind: str, subsampling: int) -> None:
    for quality in (10, 50, 90):
        data = jpeg_of(samples.KINDS[kind](45, 50, 3), quality, subsampling)
        np.testing.assert_array_equal(pixels_of(read_jpeg(data)), decoded(data), f"quality {quality}")


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_crop_is_part_of_the_whole(subsampling: int) -> None:
    whole = read_jpeg(jpeg_of(samples.large_photo(), 80, subsampling))
    part = whole._replace(top=5, left=6, height=whole.height - 5, width=whole.width - 6)
    np.testing.assert_array_equal(pixels_of(part), pixels_of(whole)[5:, 6:])


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
@pytest.mark.parametrize(("horizontal", "vertical"), SUBSAMPLINGS)
def test_a_part_needs_its_units_alone(horizontal: int, vertical: int, orientation: int) -> None:
    rng = np.random.default_rng(10 * orientation + vertical)
    for number, decoder in enumerate(DECODERS):
        place = (
            70,
            61,
            int(rng.integers(8 * vertical)),
            int(rng.integers(8 * horizontal)),
            horizontal,
            vertical,
        )
        counts = [block_counts(*place, component) for component in range(3)]
        blocks = tuple(rng.integers(-9, 10, (*count, 64)).astype(np.int16) for count in counts)
        tables = tuple(np.full(64, 9, np.int32) for _ in counts)
        whole = Coefficients(*place, tables, blocks, decoder, orientation)
        pixels = pixels_of(whole)
        height, width = pixels.shape[:2]
        for _ in range(3):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            part = TileBox(x, y, int(rng.integers(1, width - x + 1)), int(rng.integers(1, height - y + 1)))
            first, end = units_of(whole, part)
            others = tuple(kept.copy() for kept in blocks)
            for component, kept in enumerate(others):
                rows = vertical if component == 0 else 1
                kept[: first * rows], kept[end * rows :] = 77, 77  # other blocks do not matter
            some = whole._replace(blocks=others)
            np.testing.assert_array_equal(pixels_of_part(some, part), pixels[part.slices], f"{number} {part}")


@pytest.mark.parametrize("extreme", [-32768, 32767])
def test_any_coefficients_have_pixels(extreme: int) -> None:
    counts = [block_counts(20, 30, 3, 4, 2, 2, component) for component in range(3)]
    blocks = tuple(np.full((*count, 64), extreme, np.int16) for count in counts)
    tables = tuple(np.full(64, 255, np.int32) for _ in counts)
    with np.errstate(all="raise"):
        assert pixels_of(Coefficients(20, 30, 3, 4, 2, 2, tables, blocks)).shape == (20, 30, 3)


@pytest.mark.parametrize("name", DECODED)
@pytest.mark.parametrize("number", range(len(DECODERS)))
def test_pixels_are_those_of_other_decoders(number: int, name: str) -> None:
    file = pixcodec.restore((samples.GOLDEN / "forever" / f"fast-{name}.pxc").read_bytes())
    pixels = pixels_of(read_jpeg(file)._replace(decoder=DECODERS[number]))
    assert hashlib.blake2b(pixels.tobytes(), digest_size=8).hexdigest() == DECODED[name][number]
