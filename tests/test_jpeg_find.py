"""What was a JPEG file is found in its pixels; what was none is not."""

from __future__ import annotations

import numpy as np
import pytest

import samples
from jpeg_file import decoded, jpeg_of, read_jpeg
from pixcodec.jpeg import find
from pixcodec.jpeg.blocks import DCT, MIDDLE, blocks_of, quantised
from pixcodec.jpeg.coefficients import Coefficients, block_counts
from pixcodec.jpeg.decoders import DECODERS, Decoder
from pixcodec.jpeg.find import find_coefficients
from pixcodec.jpeg.orientations import MIRRORED, ORIENTATIONS, TRANSPOSED, turned
from pixcodec.jpeg.pixels import exact_pixels, pixels_of
from pixcodec.jpeg.standard_tables import standard_table
from pixcodec.jpeg.transform import Plane


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


def other_decoding(quality: int, factors: tuple[int, int], decoder: Decoder, orientation: int = 0) -> Plane:
    """Return a photograph as another decoder shows it, from a JPEG file of other factors."""
    photo = samples.large_photo()[:128, :232]
    horizontal, vertical = factors
    planes = to_ycc(photo)
    tables = [standard_table(quality, kind) for kind in (0, 1, 1)]
    blocks = []
    for plane, table, kind in zip(planes, tables, (0, 1, 1), strict=True):
        down, across = (vertical, horizontal) if kind else (1, 1)
        small = plane.reshape(128 // down, down, 232 // across, across).mean((1, 3), dtype=np.float32)
        blocks.append(quantised((blocks_of(small) - MIDDLE) @ DCT.T, table))
    size = (128, 232, 0, 0, horizontal, vertical)
    return pixels_of(Coefficients(*size, tuple(tables), tuple(blocks), decoder, orientation))


def to_ycc(photo: Plane) -> np.ndarray:
    """Return luma, Cb and Cr (3, H, W) of a photograph (H, W, 3)."""
    matrix = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    planes = np.einsum("ij,hwj->ihw", matrix, photo) + np.array([0, 128, 128])[:, None, None]
    return np.clip(np.rint(planes), 0, 255)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("orientation", range(1, ORIENTATIONS))
def test_turned_photo_is_found(orientation: int, subsampling: int) -> None:
    photo = np.ascontiguousarray(samples.large_photo()[:132, :236])
    whole = decoded(jpeg_of(photo, 80, subsampling))
    plain = share_found(whole)
    pixels = np.ascontiguousarray(turned(whole, orientation))
    found = find_coefficients(pixels)
    assert found is not None
    assert exact_pixels(found, pixels) / pixels[..., 0].size > plain - 0.005
    if orientation & TRANSPOSED:
        assert found.orientation & TRANSPOSED


@pytest.mark.parametrize(
    ("number", "factors"),
    [
        *[(0, (1, 2)), (0, (4, 1)), (0, (4, 2)), (0, (1, 4)), (1, (2, 2)), (1, (2, 1)), (1, (1, 2))],
        *[(2, (1, 1)), (2, (2, 2)), (2, (2, 1)), (3, (2, 2)), (4, (1, 1)), (4, (2, 2)), (4, (2, 1))],
    ],
)
def test_other_decoders_are_found(number: int, factors: tuple[int, int]) -> None:
    decoder = DECODERS[number]
    pixels = other_decoding(80, factors, decoder)
    found = find_coefficients(pixels)
    assert found is not None
    assert exact_pixels(found, pixels) > 0.97 * pixels[..., 0].size
    assert found.decoder.transform == decoder.transform
    assert (found.horizontal, found.vertical) == factors


def test_a_turned_photo_of_another_decoder_is_found() -> None:
    pixels = other_decoding(75, (2, 2), DECODERS[1], 6)
    found = find_coefficients(pixels)
    assert found is not None
    assert (found.decoder, found.orientation & TRANSPOSED) == (DECODERS[1], TRANSPOSED)
    assert exact_pixels(found, pixels) > 0.97 * pixels[..., 0].size


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


def test_a_little_colour_is_not_taken_for_a_coarse_one() -> None:
    grey = whole_blocks()[..., 1:2].repeat(3, axis=2)
    grey[48:64, 80:96] = whole_blocks()[48:64, 80:96]
    grey[48:64, 80:96, 0] = 255 - grey[48:64, 80:96, 0]
    pixels = decoded(jpeg_of(grey, 85, 2))
    found = find_coefficients(pixels)
    assert found is not None
    assert (found.horizontal, found.vertical) == (2, 2)
    assert exact_pixels(found, pixels) > 0.99 * pixels.shape[0] * pixels.shape[1]


def test_what_is_wrongly_taken_for_mirrored_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = decoded(jpeg_of(whole_blocks(), 85, 2))
    monkeypatch.setattr(find, "likely_flips", lambda *given: MIRRORED)
    found = find_coefficients(pixels)
    assert found is not None
    assert found.orientation == 0
    assert exact_pixels(found, pixels) > 0.99 * pixels.shape[0] * pixels.shape[1]
