"""Regions of kept JPEG files: only the stripes that they need are decoded."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from made_jpeg import segment
from pixcodec.container.container import parse
from pixcodec.container.tiles import TileBox
from pixcodec.jpeg.files import kept
from pixcodec.jpeg.stream import coder
from pixcodec.jpeg.stream.coder import Workers

PHOTO = samples.large_photo()
HEIGHT, WIDTH = 215, 118
OPTIONS: dict[str, dict[str, Any]] = {
    "4:2:0": {},
    "4:2:2": {"subsampling": 1},
    "4:4:4 optimised": {"subsampling": 0, "optimize": True},
    "grey": {"mode": "L"},
    "CMYK": {"mode": "CMYK"},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 5},
}


@pytest.fixture(autouse=True)
def _a_stripe_for_each_row_of_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coder, "STRIPE_COEFFICIENTS", 1)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of images of every stream that is decoded."""
    streams: list[int] = []
    code_stream = coder.code_stream

    def noted(images: Any, *args: Any, **options: Any) -> None:
        if options["decoding"]:
            streams.append(len(images))
        code_stream(images, *args, **options)

    monkeypatch.setattr(coder, "code_stream", noted)
    return streams


def jpeg(mode: str = "RGB", height: int = HEIGHT, width: int = WIDTH, **options: Any) -> bytes:
    image = np.tile(PHOTO, (2, 2, 1))[:height, :width]
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, "JPEG", **{"quality": 85, **options})
    return file.getvalue()


def check(data: bytes, decoded: list[int], most: int = 4) -> None:
    """Check regions of a file against Pillow, and how many stripes were decoded for short ones."""
    packed = pixcodec.encode(data, effort="fast")
    whole = np.asarray(Image.open(io.BytesIO(data)))
    height, width = whole.shape[:2]
    for x, y, columns, rows in ((0, 0, width, 1), (3, height // 2, 20, 9), (1, height - 3, width - 1, 3)):
        decoded.clear()
        found = pixcodec.decode(packed, region=(x, y, columns, rows))
        np.testing.assert_array_equal(found, whole[y : y + rows, x : x + columns])
        assert 0 < len(decoded) <= most
    decoded.clear()
    np.testing.assert_array_equal(pixcodec.decode(packed, region=(0, 0, 5, height)), whole[:, :5])
    assert len(decoded) > most


@pytest.mark.parametrize("name", OPTIONS)
def test_a_region_decodes_its_stripes(name: str, decoded: list[int]) -> None:
    check(jpeg(**OPTIONS[name]), decoded, most=8 if name == "progressive" else 4)


@pytest.mark.parametrize("row", range(0, HEIGHT - 7, 13))
def test_every_place_is_that_of_the_image(row: int) -> None:
    data = jpeg()
    packed = pixcodec.encode(data, effort="fast")
    expected = np.asarray(Image.open(io.BytesIO(data)))[row : row + 7]
    np.testing.assert_array_equal(pixcodec.decode(packed, region=(0, row, WIDTH, 7)), expected)


@pytest.mark.parametrize("scans", range(1, 10))
def test_blocks_of_files_without_all_scans_are_smoothed(
    scans: int, monkeypatch: pytest.MonkeyPatch, decoded: list[int]
) -> None:
    # By DC of the blocks around them, of two rows above and of two below.
    monkeypatch.setattr(coder, "stripe_count", lambda image, least: 2)
    data = jpeg(progressive=True, quality=95)
    end = 0
    for _ in range(scans):
        end = data.index(b"\xff\xda", end + 1)
    data = data[: data.index(b"\xff\xc4", end)] + b"\xff\xd9"
    packed = pixcodec.encode(data, effort="fast")
    whole = np.asarray(Image.open(io.BytesIO(data)))
    counts = []
    for row in range(0, HEIGHT, 13):
        decoded.clear()
        found = pixcodec.decode(packed, region=(5, row, 40, 1))
        counts.append(len(decoded))
        np.testing.assert_array_equal(found, whole[row : row + 1, 5:45])
    assert {*counts} == {1, 2}


def test_metadata_has_its_thumbnail(decoded: list[int]) -> None:
    data = jpeg()
    body = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + jpeg(height=60, width=50)
    data = data[:20] + segment(0xE1, body) + data[20:]
    packed = pixcodec.encode(data, effort="fast")
    decoded.clear()
    region = pixcodec.decode_image(packed, region=(10, 20, 30, 40))
    whole = Image.open(io.BytesIO(data))
    assert region.info["exif"] == whole.info["exif"] == body
    np.testing.assert_array_equal(np.asarray(region), np.asarray(whole)[20:60, 10:40])
    assert len(decoded) < 10


def test_unusual_files_are_decoded_as_a_whole(decoded: list[int]) -> None:
    data = jpeg() + jpeg(height=30)  # two images
    packed = pixcodec.encode(data, effort="fast")
    decoded.clear()
    found = pixcodec.decode(packed, region=(3, 50, 20, 9))
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(data)))[50:59, 3:23])
    assert len(decoded) > 10
    stored = pixcodec.encode(data[: len(jpeg()) // 2], effort="fast")
    container = parse(stored)
    assert kept._with_part(container, TileBox(0, 0, 5, 5), None, Workers()) is None
