"""Metadata of image files: what each format holds is written and read again."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo, iTXt

from image_files import RGB, chunk, deep, png, saved
from pixcodec.errors import LimitExceededError
from pixcodec.images.files import read_image, write_image
from pixcodec.images.summary import exif_orientation

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTED = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\x01\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
INFO: dict[str, Any] = {
    "icc_profile": PROFILE,
    "exif": ORIENTED,
    "xmp": b"<x:xmpmeta/>",
    "gamma": 0.45455,
    "chromaticity": (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    "dpi": (72.0, 300.0),
    "text": {"Title": "café", "Gruß": iTXt("水", "ja", "題名"), "empty": "", "plain": "水"},
}


@pytest.mark.parametrize("image", [Image.fromarray(RGB), deep(4)], ids=["8 bits", "16 bits"])
def test_png_files_hold_all_metadata(image: Any) -> None:
    data = write_image(image, "png", {**INFO, "srgb": 1, "comment": b"not in PNG"})
    found = read_image(data).info
    assert found.pop("dpi") == pytest.approx(INFO["dpi"], abs=0.02)
    assert found == {key: value for key, value in INFO.items() if key != "dpi"}
    assert isinstance(found["text"]["Gruß"], iTXt)
    assert found["text"]["Gruß"].tkey == "題名"
    assert not isinstance(found["text"]["Title"], iTXt)
    assert read_image(write_image(image, "png", found)).info == found
    assert (b"sRGB" in data, b"iCCP" in data) == (False, True)  # a file must not have both
    assert read_image(write_image(image, "png", {"srgb": 2, "aspect": (4, 3)})).info == {
        "srgb": 2,
        "aspect": (4, 3),
    }


def test_metadata_that_does_not_fit_a_png_file_is_left_out() -> None:
    unfit = {"dpi": (-1, 1), "gamma": 1e300, "chromaticity": (-1.0,) * 8}
    text = {"水": "", "": "", "k" * 80: "", "nul\0": "", "l": iTXt("", "e\0n"), "surrogate": "\ud800"}
    assert read_image(write_image(RGB, "png", {**unfit, "text": text})).info == {}


def test_metadata_of_an_image_is_the_default() -> None:
    pnginfo = PngInfo()
    pnginfo.add_text("Title", "t")
    image = Image.open(io.BytesIO(saved(Image.fromarray(RGB), "PNG", pnginfo=pnginfo, exif=ORIENTED)))
    data = write_image(image, "png")
    assert read_image(data).info == {"exif": ORIENTED, "text": {"Title": "t"}}
    assert read_image(write_image(image, "png", {})).info == {}


def test_webp_files_hold_profile_exif_and_xmp() -> None:
    found = read_image(write_image(RGB, "webp", INFO)).info
    found["exif"] = b"Exif\0\0" + found["exif"].removeprefix(b"Exif\0\0")
    assert found == {key: INFO[key] for key in ("icc_profile", "exif", "xmp")}


def test_bmp_files_hold_dpi() -> None:
    assert read_image(write_image(RGB, "bmp", INFO)).info == {"dpi": pytest.approx(INFO["dpi"], abs=0.02)}


def exif_of_a_camera() -> bytes:
    exif = Image.Exif()
    exif[0x0110] = "camera"
    exif[0x0103] = 7  # compression: about another file
    exif[0x8769] = {0x829A: 0.5, 0x9003: "2024:01:02 03:04:05"}
    exif[0x8825] = {1: "N"}
    return exif.tobytes()


@pytest.mark.parametrize("suffix", ["tif", "png", "webp"])
def test_exif_of_a_camera(suffix: str) -> None:
    info = {"exif": exif_of_a_camera()}
    for _ in range(2):
        info = read_image(write_image(RGB, suffix, info)).info
    exif = Image.Exif()
    exif.load(info["exif"])
    assert exif[0x0110] == "camera"
    assert exif.get_ifd(0x8769) == {0x829A: 0.5, 0x9003: "2024:01:02 03:04:05"}
    assert exif.get_ifd(0x8825) == {1: "N"}
    assert (0x0103 in exif) == (suffix != "tif")


def test_tiff_files_hold_profile_dpi_and_xmp() -> None:
    data = write_image(RGB, "tif", {**INFO, "exif": b""})
    assert read_image(data).info == {key: INFO[key] for key in ("icc_profile", "xmp", "dpi")}
    assert "exif" not in read_image(write_image(RGB, "tif", {"exif": b"Exif\0\0II*\0damaged"})).info


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_tiff_file_is_not_applied(orientation: int, big: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found, info = read_image(saved(Image.fromarray(RGB), "TIFF", exif=exif, big_tiff=big))
    np.testing.assert_array_equal(np.asarray(found), RGB)
    assert exif_orientation(info["exif"]) == orientation
    again, info = read_image(write_image(found, "tif", info))
    np.testing.assert_array_equal(np.asarray(again), RGB)
    assert exif_orientation(info["exif"]) == orientation


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_is_kept_and_not_applied(name: str) -> None:
    data = saved(Image.fromarray(RGB), name, exif=ORIENTED)
    found, info = read_image(data)
    assert isinstance(found, Image.Image)
    assert found.size == (61, 47)
    assert info["exif"].endswith(ORIENTED.removeprefix(b"Exif\0\0"))


def test_a_large_profile_in_a_png_file() -> None:
    info = {"icc_profile": bytes(3 * 2**20)}
    assert read_image(write_image(RGB, "png", info)).info == info


def test_too_much_text_in_a_png_file() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26 + 1), 1))
    with pytest.raises(LimitExceededError, match="metadata is more than the limit of 67108864 bytes"):
        read_image(png(1, 8, 0, zlib.compress(b"\0\1"), text))
