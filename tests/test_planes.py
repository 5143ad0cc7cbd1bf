from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pixcodec.container import Mode
from pixcodec.errors import UnsupportedImageError
from pixcodec.planes import from_planes, to_planes

GREY = np.arange(6, dtype=np.uint8).reshape(2, 3)
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ("image", "mode", "expected"),
    [
        (GREY, Mode.GREY, GREY),
        (GREY[:, :, None], Mode.GREY, GREY),
        (GREY.T, Mode.GREY, GREY.T),
        (RGB, Mode.RGB, RGB),
        (RGB[::-1, ::2], Mode.RGB, RGB[::-1, ::2]),
        (np.asfortranarray(RGB), Mode.RGB, RGB),
        (Image.fromarray(GREY), Mode.GREY, GREY),
        (Image.fromarray(RGB), Mode.RGB, RGB),
    ],
)
def test_subpixels_survive(image: Any, mode: Mode, expected: npt.NDArray[np.uint8]) -> None:
    found, planes = to_planes(image)
    assert found is mode
    assert planes.dtype == np.uint8
    assert planes.shape == (*expected.shape[:2], mode.channels)
    assert planes.flags.c_contiguous
    np.testing.assert_array_equal(from_planes(found, planes), expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (GREY.astype(np.uint16), "dtype uint16, expected uint8"),
        (GREY.astype(bool), "dtype bool, expected uint8"),
        (GREY / 255, "dtype float64, expected uint8"),
        (GREY[0], "shape (3,), expected (H, W)"),
        (RGB[..., :2], "shape (2, 3, 2), expected (H, W)"),
        (RGB[None], "shape (1, 2, 3, 3), expected (H, W)"),
        (GREY[:0], "at least one pixel"),
        (RGB[:, :0], "at least one pixel"),
        (GREY.tolist(), "image is a list, expected a numpy array"),
        (Image.new("RGBA", (1, 1)), "mode RGBA, expected L or RGB: convert with image.convert('RGB')"),
        (Image.new("P", (1, 1)), "convert with image.convert('RGB')"),
        (Image.new("1", (1, 1)), "convert with image.convert('L')"),
        (Image.new("I;16", (1, 1)), "mode I;16"),
        (Image.new("L", (0, 3)), "at least 1x1"),
    ],
)
def test_other_images_are_refused_with_the_way_out(image: Any, message: str) -> None:
    with pytest.raises(UnsupportedImageError) as caught:
        to_planes(image)
    assert message in str(caught.value)


def opened(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file)


def test_animations_are_refused() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    image = opened(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match="has 2 frames, expected 1"):
        to_planes(image)


def test_a_transparent_colour_is_not_dropped() -> None:
    image = opened(Image.fromarray(RGB), "PNG", transparency=(0, 1, 2))
    with pytest.raises(UnsupportedImageError, match="transparent colour"):
        to_planes(image)
    del image.info["transparency"]
    np.testing.assert_array_equal(to_planes(image)[1], RGB)


def deep_png() -> bytes:
    def chunk(kind: bytes, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        )

    ihdr = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + bytes(range(6)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("data", [deep_png(), b"P6 1 1 65535\n" + bytes(6), b"P6 1 1 100\n" + bytes(3)])
def test_bits_that_pillow_drops_silently_are_not_dropped(data: bytes) -> None:
    with pytest.raises(UnsupportedImageError, match="expected 8"):
        to_planes(Image.open(io.BytesIO(data)))


def test_a_ppm_of_eight_bits_is_fine() -> None:
    image = Image.open(io.BytesIO(b"P6 1 1 255\n\1\2\3"))
    assert to_planes(image)[1].tolist() == [[[1, 2, 3]]]
