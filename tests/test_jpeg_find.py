"""What was a JPEG file is found in its pixels; what was none is not."""

from __future__ import annotations

import numpy as np
import pytest

import samples
from jpeg_file import decoded, jpeg_of, read_jpeg
from pixcodec.jpeg.coefficients import block_counts
from pixcodec.jpeg.find import find_coefficients
from pixcodec.jpeg.pixels import Plane, exact_pixels, pixels_of


def whole_blocks() -> Plane:
    """Return a photograph of 256x128 pixels."""
    return np.ascontiguousarray(samples.large_photo()[:128, :256])


def share_found(pixels: Plane) -> float:
    """Return the share of the pixels that the coefficients give that are found."""
    found = find_coefficients(pixels)
    assert found is not None
    counts = [block_counts(*found[:6], component) for component in range(len(found.blocks))]
    assert [blocks.shape[:2] for blocks in found.blocks] == counts
    return exact_pixels(found, pixels) / (pixels.shape[0] * pixels.shape[1])


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [50, 75, 85, 92])
def test_photo_is_found(quality: int, subsampling: int) -> None:
    assert share_found(decoded(jpeg_of(whole_blocks(), quality, subsampling))) > 0.99


@pytest.mark.parametrize("subsampling", [0, 2])
def test_small_steps_are_found(subsampling: int) -> None:
    assert share_found(decoded(jpeg_of(whole_blocks(), 97, subsampling))) > 0.9


def test_coefficients_are_those_of_the_file() -> None:
    data = jpeg_of(whole_blocks(), 80, 2)
    found, expected = find_coefficients(decoded(data)), read_jpeg(data)
    assert found is not None
    for some, others in zip(found.blocks, expected.blocks, strict=True):
        assert (some[:-1, :-1] == others[:-1, :-1]).mean() > 0.99


@pytest.mark.parametrize("quality", [60, 90])
def test_grey_is_found(quality: int) -> None:
    assert share_found(decoded(jpeg_of(whole_blocks()[..., 1:2], quality))) > 0.99


def test_grey_in_three_channels_is_found() -> None:
    grey = decoded(jpeg_of(whole_blocks()[..., 1:2], 80))
    assert share_found(grey.repeat(3, axis=2)) > 0.99


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(("top", "left"), [(3, 6), (8, 0), (9, 15)])
def test_crop_is_found(top: int, left: int, subsampling: int) -> None:
    whole = decoded(jpeg_of(whole_blocks(), 80, subsampling))
    assert share_found(np.ascontiguousarray(whole[top : top + 100, left : left + 200])) > 0.85


def test_saturated_photo_is_found() -> None:
    photo = whole_blocks().astype(np.int16)
    saturated = np.clip(2 * photo - 128, 0, 255).astype(np.uint8)
    pixels = decoded(jpeg_of(saturated, 80, 2))
    assert ((pixels == 0) | (pixels == 255)).any(2).mean() > 0.1
    assert share_found(pixels) > 0.9


@pytest.mark.parametrize(("height", "width"), [(47, 61), (17, 30)])
def test_small_photo_does_no_harm(height: int, width: int) -> None:
    pixels = decoded(jpeg_of(samples.photo(3, height, width), 75, 2))
    found = find_coefficients(pixels)
    assert found is None or pixels_of(found).shape == pixels.shape


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["noise", "gradient", "flat"])
def test_what_no_decoder_made_does_no_harm(kind: str, channels: int) -> None:
    pixels = samples.KINDS[kind](40, 50, channels)
    found = find_coefficients(pixels)
    assert found is None or exact_pixels(found, pixels) >= 7 / 8 * 40 * 50
    if kind == "noise":
        assert found is None


def test_clean_photo_is_none() -> None:
    assert find_coefficients(whole_blocks()) is None
    assert find_coefficients(whole_blocks()[..., :1]) is None
