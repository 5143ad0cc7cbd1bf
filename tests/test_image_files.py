"""Image files: what is written in any format is read again."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from image_files import RGB, chunk, deep, deep_png, png, saved
from pixcodec.errors import UnsupportedImageError
from pixcodec.images.files import WRITABLE, read_image, write_image
from pixcodec.images.picture import header_info, to_picture, to_pillow
from samples import gradient, noise


def palette_image(colours: int, mode: str = "RGB") -> Image.Image:
    image = Image.fromarray((gradient(9, 13, 1)[:, :, 0] % np.uint16(colours)).astype(np.uint8))
    image = image.convert("P")
    values = noise(colours, len(mode), 1, seed=colours).ravel().tolist()
    image.putpalette(values, mode)
    return image


def with_transparency(image: Image.Image, transparency: int | bytes | tuple[int, ...]) -> Image.Image:
    image.info["transparency"] = transparency
    return image


def big_endian(array: npt.NDArray[np.uint16]) -> Image.Image:
    return Image.frombytes("I;16B", array.shape[::-1], array.astype(">u2").tobytes())


GREY = Image.fromarray(RGB[:, :, 0])
SAMPLES: dict[str, Image.Image | npt.NDArray[Any]] = {
    "1": GREY.convert("1"),
    "L": GREY,
    "L, transparent": with_transparency(GREY.copy(), 77),
    "LA": Image.fromarray(noise(9, 13, 2), "LA"),
    "P": palette_image(256),
    "P, 2 colours": palette_image(2),
    "P, 13 colours": palette_image(13),
    "P, transparent index": with_transparency(palette_image(20), 5),
    "P, alphas": with_transparency(palette_image(20), bytes(range(0, 200, 10))),
    "P, RGBA": palette_image(20, "RGBA"),
    "RGB": Image.fromarray(RGB),
    "RGB, transparent": with_transparency(Image.fromarray(RGB), (1, 2, 3)),
    "RGBA": Image.fromarray(noise(9, 13, 4)),
    "CMYK": Image.fromarray(noise(9, 13, 4), "CMYK"),
    "I;16": Image.fromarray(deep(1)),
    "I;16B": big_endian(deep(1)),
    "I;16B, transparent": with_transparency(big_endian(deep(1)), 1000),
    "array L": noise(5, 6, 1),
    "array LA;16": deep(2),
    "array RGB;16": deep(3),
    "array RGBA;16": deep(4),
    "array I;16": deep(1)[:, :, None],
}
HELD_BY = {
    "png": {*SAMPLES} - {"CMYK"},
    "ppm": {"1", "L", "RGB", "I;16", "I;16B", "array L", "array RGB;16", "array I;16"},
    "pgm": {"L", "I;16", "I;16B", "array L", "array I;16"},
    "pbm": {"1"},
    "bmp": {"1", "L", "P", "P, 2 colours", "P, 13 colours", "RGB", "array L"},
    "webp": {"L", "LA", "RGB", "RGBA", "array L"},
    "tif": {"1", "L", "LA", "P", "P, 2 colours", "P, 13 colours", "RGB", "RGBA", "CMYK"}
    | {"I;16", "I;16B", "array L", "array I;16", "array LA;16", "array RGB;16", "array RGBA;16"},
}
HELD_BY["tiff"] = HELD_BY["tif"]


def colours(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(image.convert("RGBA"))


def test_every_format_is_tested() -> None:
    assert HELD_BY.keys() == WRITABLE.keys()


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("suffix", WRITABLE)
def test_what_is_written_is_read(suffix: str, sample: str) -> None:
    image = SAMPLES[sample]
    if sample not in HELD_BY[suffix]:
        with pytest.raises(UnsupportedImageError, match=f"which a {suffix} file cannot hold: use ") as caught:
            write_image(image, suffix)
        way_out = str(caught.value).split(": use ")[1].split(", ")
        assert {name for name in WRITABLE if sample in HELD_BY[name]} == set(way_out)
        return
    found, info = read_image(write_image(image, suffix))
    if WRITABLE[suffix].name == "TIFF" and sample in ("array LA;16", "array RGB;16", "array RGBA;16"):
        info.pop("tiff_tags")  # tifffile always says a resolution
    assert not info
    if isinstance(image, np.ndarray) and image.dtype == np.uint16 and image.shape[2] > 1:
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, image)
        return
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[:, :, 0])
    assert isinstance(found, Image.Image)
    transparency = image.info.get("transparency")
    if suffix == "webp":
        assert found.mode == {"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode)
        np.testing.assert_array_equal(colours(found), colours(image))
        return
    assert found.mode == image.mode or {found.mode, image.mode} == {"I;16", "I;16B"}
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
    if image.mode == "P":
        np.testing.assert_array_equal(colours(found), colours(image))
    if sample != "P, RGBA":
        assert found.info.get("transparency") == transparency


def test_modes_that_no_format_holds() -> None:
    with pytest.raises(UnsupportedImageError, match="mode HSV, which a png file cannot hold, nor can"):
        write_image(Image.new("HSV", (2, 2)), "png")


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "I;16"])
def test_transparency_that_is_none(mode: str) -> None:
    with pytest.raises(UnsupportedImageError, match="Pillow cannot write the image as PNG"):
        write_image(with_transparency(Image.new(mode, (2, 2)), (70000,)), "png")


def test_stale_transparency_is_ignored() -> None:
    found, _ = read_image(write_image(with_transparency(Image.new("RGBA", (2, 2)), 3), "tif"))
    assert isinstance(found, Image.Image)
    assert found.mode == "RGBA"


@pytest.mark.parametrize("shape", [(2, 2, 5), (0, 2), (2, 2, 0), (4,), (2, 2, 2, 2)])
def test_arrays_of_other_shapes(shape: tuple[int, ...]) -> None:
    for dtype in (np.uint8, np.uint16):
        with pytest.raises(UnsupportedImageError, match=r"array has dtype uint.*, which only tif and npy"):
            write_image(np.zeros(shape, dtype), "png")
    with pytest.raises(UnsupportedImageError, match="array has dtype float64 and shape"):
        write_image(np.zeros((2, 2)), "png")


def test_indices_beyond_the_palette_are_kept() -> None:
    image = Image.fromarray(np.arange(30, dtype=np.uint8)[None]).convert("P")
    image.putpalette([1, 2, 3, 4, 5, 6])
    for suffix in ("png", "tif", "bmp"):
        found, _ = read_image(write_image(image, suffix))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
    assert len(image.getpalette() or ()) == 6


def test_webp_files_have_a_limit() -> None:
    with pytest.raises(UnsupportedImageError, match="Pillow cannot write the image as WEBP"):
        write_image(np.zeros((1, 16384, 3), np.uint8), "webp")


def test_arrays_of_eight_bits() -> None:
    np.testing.assert_array_equal(np.asarray(read_image(write_image(RGB, "png")).image), RGB)
    np.testing.assert_array_equal(
        np.asarray(read_image(write_image(RGB[:, :, 0], "pgm")).image), RGB[:, :, 0]
    )
    assert write_image(RGB[:, :, :1], "png") == write_image(RGB[:, :, 0], "png")


def test_a_file_is_not_written_as_the_old_one_was() -> None:
    jpeg = saved(Image.fromarray(RGB), "TIFF", compression="jpeg")
    image, _ = read_image(jpeg)
    assert isinstance(image, Image.Image)
    found, _ = read_image(write_image(image, "tif"))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_files_of_16_bits(channels: int) -> None:
    pixels, data = deep_png(channels)
    found, _ = read_image(data)
    if channels == 1:
        assert isinstance(found, Image.Image)
        assert found.mode == "I;16"
    else:
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.uint16
        assert found.flags.c_contiguous
    np.testing.assert_array_equal(np.asarray(found), pixels)


@pytest.mark.parametrize("grey", [0, 1])
def test_a_transparent_bit(grey: int) -> None:
    data = png(8, 1, 0, zlib.compress(b"\0\x5a"), chunk(b"tRNS", bytes([0, grey])))
    found, info = read_image(data)
    picture = to_picture(found, info=info)
    again = write_image(to_pillow(picture), "png")
    assert chunk(b"tRNS", bytes([0, grey])) in again
    assert read_image(again).image.tobytes() == found.tobytes()


def test_a_transparent_grey_of_16_bits() -> None:
    found, _ = read_image(deep_png(1, chunk(b"tRNS", b"\1\2"))[1])
    assert isinstance(found, Image.Image)
    assert found.info["transparency"] == 0x102


@pytest.mark.parametrize("strip", [False, True])
def test_a_transparent_colour_of_16_bits(strip: bool) -> None:
    pixels, data = deep_png(3, chunk(b"tRNS", b"\1\2\3\4\5\6"))
    found, info = read_image(data)
    assert info["transparency"] == (0x102, 0x304, 0x506)
    picture = to_picture(found, info=info, strip=strip)
    restored = header_info(picture.transparency, picture.chunks)
    written = write_image(to_pillow(picture), "png", restored)
    again, same = read_image(written)
    np.testing.assert_array_equal(again, pixels)
    assert same["transparency"] == info["transparency"]
    np.testing.assert_array_equal(read_image(write_image(again, "npy", same)).image, pixels)
    for suffix in ("tif", "ppm"):
        with pytest.raises(UnsupportedImageError, match=f"transparent colour, which a {suffix} file .* png"):
            write_image(again, suffix, same)


@pytest.mark.parametrize("kind", [">u2", "<u2"])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_files_of_16_bits(channels: int, kind: str) -> None:
    order = kind[0]
    pixels = deep(channels)
    height, width, _ = pixels.shape
    bits, icc = 8 + 2 + 12 * 10 + 4, b"profile"
    start = bits + 8 + len(icc) + 1
    size = pixels.size * 2
    tags = [
        *((256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, bits), (259, 3, 1, 1)),
        *((262, 3, 1, 2), (273, 4, 1, start), (277, 3, 1, channels), (278, 3, 1, height)),
        *((279, 4, 1, size), (34675, 7, len(icc), bits + 8)),
    ]
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    for tag, type_, count, value in tags:
        short = type_ == 3 and count == 1
        data += struct.pack(
            order + "HHI" + ("HH" if short else "I"), tag, type_, count, *(value, 0)[: 1 + short]
        )
    data += bytes(4) + struct.pack(order + "4H", 16, 16, 16, 16) + icc + b"\0" + pixels.astype(kind).tobytes()
    found, info = read_image(data)
    assert info["icc_profile"] == icc
    np.testing.assert_array_equal(found, pixels)


def test_netpbm_files_of_16_bits() -> None:
    found, _ = read_image(b"P6 11 7 65535\n" + deep(3).astype(">u2").tobytes())
    np.testing.assert_array_equal(found, deep(3))
    for data in (
        b"P5 11 7 65535\n" + deep(1).astype(">u2").tobytes(),
        b"P2 11 7 65535\n" + " ".join(map(str, deep(1).ravel())).encode(),
    ):
        image, _ = read_image(data)
        assert isinstance(image, Image.Image)
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), deep(1))


@pytest.mark.parametrize(("depth", "row"), [(1, 0b01), (2, 0b0001), (4, 0x01)])
def test_a_transparent_grey_is_scaled_as_the_pixels_are(depth: int, row: int) -> None:
    rows = zlib.compress(bytes([0, row << (8 - 2 * depth)]))
    found, _ = read_image(png(2, depth, 0, rows, chunk(b"tRNS", b"\0\1")))
    assert isinstance(found, Image.Image)
    assert found.info["transparency"] == found.getpixel((1, 0)) != found.getpixel((0, 0))
