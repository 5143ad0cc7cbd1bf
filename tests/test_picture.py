"""Pictures: every image comes back as it was, and other images are refused."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImagePalette

from pil_images import DEEP, GREY, IMAGES, RGB, RGBA, assert_same_image, with_palette
from pixcodec.container.chunks import Chunk
from pixcodec.container.header import Mode
from pixcodec.errors import CorruptFileError, UnsupportedImageError
from pixcodec.images.picture import (
    PIL_MODES,
    header_info,
    pillow_mode,
    to_array,
    to_palette,
    to_picture,
    to_pillow,
)


@pytest.mark.parametrize(
    ("image", "mode", "depth", "expected"),
    [
        (GREY, Mode.GREY, 8, GREY),
        (GREY[:, :, None], Mode.GREY, 8, GREY),
        (GREY.T, Mode.GREY, 8, GREY.T),
        (RGB, Mode.RGB, 8, RGB),
        (RGB[::-1, ::2], Mode.RGB, 8, RGB[::-1, ::2]),
        (np.asfortranarray(RGB), Mode.RGB, 8, RGB),
        (RGB[..., :2], Mode.GREY_ALPHA, 8, RGB[..., :2]),
        (RGBA, Mode.RGBA, 8, RGBA),
        (GREY > 3, Mode.BILEVEL, 1, GREY > 3),
        ((GREY > 3)[:, :, None], Mode.BILEVEL, 1, GREY > 3),
        (DEEP, Mode.RGB, 13, DEEP),
        (DEEP.astype(">u2"), Mode.RGB, 13, DEEP),
        (DEEP[..., :2], Mode.GREY_ALPHA, 13, DEEP[..., :2]),
        (DEEP[..., 0], Mode.GREY, 12, DEEP[..., 0]),
        (DEEP * 0, Mode.RGB, 9, DEEP * 0),
        (DEEP + np.uint16(65000), Mode.RGB, 16, DEEP + np.uint16(65000)),
        (RGBA.astype(np.uint16), Mode.RGBA, 9, RGBA.astype(np.uint16)),
        (Image.fromarray(GREY), Mode.GREY, 8, GREY),
        (Image.fromarray(RGB), Mode.RGB, 8, RGB),
        (Image.fromarray(RGBA), Mode.RGBA, 8, RGBA),
        (Image.fromarray(RGBA, "CMYK"), Mode.CMYK, 8, RGBA),
        (Image.fromarray(RGB[..., :2].copy(), "LA"), Mode.GREY_ALPHA, 8, RGB[..., :2]),
        (Image.fromarray(GREY > 3), Mode.BILEVEL, 1, GREY > 3),
        (Image.fromarray(GREY, "P"), Mode.PALETTE, 3, GREY),
        (Image.fromarray(GREY * 0, "P"), Mode.PALETTE, 1, GREY * 0),
        (Image.fromarray(DEEP[..., 0]), Mode.GREY, 12, DEEP[..., 0]),
        (Image.frombytes("I;16B", (3, 2), DEEP[..., 0].astype(">u2").tobytes()), Mode.GREY, 12, DEEP[..., 0]),
    ],
)
def test_subpixels_survive(image: Any, mode: Mode, depth: int, expected: npt.NDArray[Any]) -> None:
    picture = to_picture(image)
    assert (picture.mode, picture.bit_depth) == (mode, depth)
    assert picture.pixels.dtype == (np.uint16 if depth > 8 else np.uint8)
    assert picture.pixels.dtype.isnative
    assert picture.pixels.shape == (*expected.shape[:2], mode.channels)
    assert picture.pixels.flags.c_contiguous
    array = to_array(picture)
    assert array.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (GREY.astype(np.int64), "dtype int64, expected bool, uint8, uint16"),
        (GREY / 255, "dtype float64, expected bool, uint8, uint16"),
        (GREY[0], "shape (3,), expected (H, W)"),
        (np.concatenate([RGB] * 11, 2), "shape (2, 3, 33), expected (H, W)"),
        (RGB[..., :0], "shape (2, 3, 0), expected (H, W)"),
        (RGB > 3, "shape (2, 3, 3), expected (H, W) or (H, W, C) with C = 1..32 (bool: 1)"),
        (RGB[None], "shape (1, 2, 3, 3), expected (H, W)"),
        (GREY[:0], "at least one pixel"),
        (RGB[:, :0], "at least one pixel"),
        (GREY.tolist(), "image is a list, expected a numpy array"),
        (Image.new("RGBX", (1, 1)), "mode RGBX, expected one of 1, L, LA, P, RGB, RGBA, CMYK, I;16"),
        (Image.new("RGBX", (1, 1)), "convert with image.convert('RGB')"),
        (Image.new("L", (0, 3)), "at least 1x1"),
    ],
)
def test_other_images_are_refused_with_the_way_out(image: Any, message: str) -> None:
    with pytest.raises(UnsupportedImageError) as caught:
        to_picture(image)
    assert message in str(caught.value)


def opened(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file)


def test_animations_are_refused() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    image = opened(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match="has 2 frames, expected 1"):
        to_picture(image)


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
    with pytest.raises(UnsupportedImageError, match="Pillow gives 8"):
        to_picture(Image.open(io.BytesIO(data)))


def test_a_ppm_of_eight_bits_is_fine() -> None:
    image = Image.open(io.BytesIO(b"P6 1 1 255\n\1\2\3"))
    assert to_picture(image).pixels.tolist() == [[[1, 2, 3]]]


def test_metadata_is_kept_unless_it_is_to_be_left_out() -> None:
    image = Image.fromarray(RGB)
    image.info.update(dpi=(72.0, 72.0), comment=b"a comment")
    assert {chunk.type for chunk in to_picture(image).chunks} == {"phys", "comm"}
    assert to_picture(image, strip=True).chunks == ()
    other = {"comment": b"another comment"}
    assert to_picture(image, info=other).chunks == (Chunk("comm", b"\0another comment"),)
    assert to_picture(RGB, info=other).chunks == (Chunk("comm", b"\0another comment"),)
    assert to_picture(RGB, info=other, strip=True).chunks == ()
    assert to_picture(RGB).chunks == ()


def test_there_is_an_image_of_each_mode() -> None:
    assert {image.mode for image in IMAGES.values()} == set(PIL_MODES)


@pytest.mark.parametrize("name", IMAGES)
def test_a_pil_image_comes_back(name: str) -> None:
    image = IMAGES[name]
    found = to_pillow(to_picture(image))
    assert isinstance(found, Image.Image)
    assert_same_image(found, image)
    again = to_picture(found)
    assert again._replace(pixels=image) == to_picture(image)._replace(pixels=image)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "transparency", [0, 3, 255, b"", b"\0", b"\xff\x80\0\1", bytes(256), b"\xff" * 200 + b"\0"]
)
def test_transparency_of_a_palette_comes_back(transparency: int | bytes) -> None:
    image = with_palette(transparency=transparency)
    found = to_pillow(to_picture(image))
    assert isinstance(found, Image.Image)
    assert found.info == {"transparency": transparency}
    assert type(found.info["transparency"]) is type(transparency)
    assert found.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


@pytest.mark.parametrize(
    ("mode", "transparency"),
    [("L", 3), ("1", 255), ("RGB", (0, 1, 2)), ("RGB", (65535, 256, 0)), ("I;16", 4096)],
)
def test_a_transparent_colour_comes_back(mode: str, transparency: Any) -> None:
    image = IMAGES[mode].copy()
    image.info["transparency"] = transparency
    found = to_pillow(to_picture(image))
    assert isinstance(found, Image.Image)
    assert found.info == {"transparency": transparency}


def test_a_transparent_colour_of_a_file_comes_back() -> None:
    image = opened(Image.fromarray(RGB), "PNG", transparency=(0, 1, 2))
    found = to_pillow(to_picture(image))
    assert isinstance(found, Image.Image)
    assert found.info["transparency"] == (0, 1, 2)
    assert found.convert("RGBA").tobytes() == image.convert("RGBA").tobytes()


def test_a_text_named_transparency_is_a_text() -> None:
    image = Image.fromarray(RGB)
    image.info["transparency"] = "none"
    picture = to_picture(image)
    assert picture.transparency == b""
    found = to_pillow(picture)
    assert isinstance(found, Image.Image)
    assert found.info["transparency"] == "none"


@pytest.mark.parametrize("value", [-1, 2**35, (1, -2, 3), (1.5, 2, 3), ("a",), (2**35,), bytes(257), 1.5])
def test_a_transparency_that_is_none_is_refused(value: Any) -> None:
    image = Image.fromarray(RGB)
    image.info["transparency"] = value
    with pytest.raises(UnsupportedImageError, match="transparen"):
        to_picture(image)


@pytest.mark.parametrize(
    "transparency",
    [
        b"\4",
        b"\xff\1",
        b"\0",
        b"\0\x80",
        b"\1\5\x80",
        b"\1\x80\0",
        b"\3",
        b"\3" + zlib.compress(bytes(257)),
        b"\3" + zlib.compress(bytes(3))[:-1],
        b"\3" + zlib.compress(bytes(3)) + b"\0",
    ],
)
def test_damaged_transparency_is_noticed(transparency: bytes) -> None:
    with pytest.raises(CorruptFileError, match="chunk 'TRNS'"):
        header_info(transparency, ())


@pytest.mark.parametrize(
    "payload", [b"", b"\3", b"\0\0", b"\2\0abc", b"\5\0abcd", b"\3\0abcd", b"\3\1nozlib"]
)
def test_a_damaged_palette_is_noticed(payload: bytes) -> None:
    with pytest.raises(CorruptFileError, match="chunk 'PLTE'"):
        to_palette(payload)


def test_other_palettes_are_refused() -> None:
    image = with_palette()
    image.palette = ImagePalette.ImagePalette("CMYK", bytes(8))
    with pytest.raises(UnsupportedImageError, match="palette has mode CMYK, expected RGB or RGBA"):
        to_picture(image)


def test_an_empty_palette_is_one() -> None:
    image = Image.new("P", (2, 2))
    found = to_pillow(to_picture(image))
    assert isinstance(found, Image.Image)
    assert found.convert("RGB").tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_pillow_has_no_deep_colours(channels: int) -> None:
    array = np.arange(6 * channels, dtype=np.uint16).reshape(2, 3, channels)
    found = to_pillow(to_picture(array))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, array)


@pytest.mark.slow
@given(st.sampled_from(Mode), st.integers(1, 16), st.text(max_size=6) | st.sampled_from(sorted(PIL_MODES)))
def test_a_chunk_names_the_mode_only_if_it_fits(mode: Mode, depth: int, name: str) -> None:
    if depth not in mode.bit_depths:
        return
    plain = pillow_mode(mode, depth, ())
    found = pillow_mode(mode, depth, (Chunk("pilm", name.encode("utf-8", "replace")),))
    fits = plain is not None and name in PIL_MODES and PIL_MODES[name] == PIL_MODES[plain]
    assert found == (name if fits else plain)


def test_masked_arrays_are_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="array is masked"):
        to_picture(np.ma.masked_array(np.zeros((4, 5), np.uint8), mask=True))
