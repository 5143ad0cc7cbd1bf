"""PIL images come back with palette, transparency and metadata."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import iTXt

import pixcodec
import samples
from pil_images import IMAGES, assert_same_image, with_palette
from pixcodec.codec import decode_image, header_image
from pixcodec.images.picture import PIL_MODES
from round_trips import comes_back, pixels_of

INFO: dict[str, Any] = {
    "icc_profile": bytes(range(200)),
    "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0",
    "dpi": (72.0, 300.0),
    "gamma": 0.45455,
    "text": {"Title": "a tïtle", "Author": iTXt("someone", "en", "Author")},
}


def with_info(image: Image.Image, **more: Any) -> Image.Image:
    image = image.copy()
    image.info.update(INFO, **more)
    return image


def assert_same_info(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare ``info``, in which texts are there by their keyword, too."""
    assert found == {**expected, **expected.get("text", {})}


TRANSPARENT: dict[str, Any] = {"L": 7, "1": 255, "RGB": (1, 2, 3), "P": b"\0\x80\xff", "I;16": 4096}


@pytest.mark.parametrize("name", IMAGES)
def test_a_pil_image_comes_back_with_all_that_belongs_to_it(name: str) -> None:
    plain = IMAGES[name]
    more = {"transparency": TRANSPARENT[plain.mode]} if plain.mode in TRANSPARENT else {}
    image = with_info(plain, **more)
    data = pixcodec.encode(image, effort="fast", verify=True)
    found = decode_image(data)
    assert isinstance(found, Image.Image)
    assert_same_info(found.info, image.info)
    found.info = dict(image.info)
    assert_same_image(found, image)
    mode, size, info = header_image(data)
    assert (mode, size) == (image.mode, image.size)
    assert_same_info(info, image.info)
    np.testing.assert_array_equal(pixcodec.decode(data), pixels_of(plain))


@pytest.mark.parametrize("transparency", [0, 3, b"", b"\0", b"\xff" * 3 + b"\0", bytes(256)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_palettes_come_back_with_their_transparency(mode: str, transparency: int | bytes) -> None:
    image = with_palette(mode, transparency=transparency)
    data = pixcodec.encode(image, effort="fast", verify=True)
    assert_same_image(decode_image(data), image)
    assert header_image(data) == ("P", image.size, image.info)


def test_indices_beyond_the_palette_come_back() -> None:
    image = Image.frombytes("P", (3, 2), bytes([0, 1, 255, 3, 4, 200]))
    image.putpalette(bytes(range(9)))
    comes_back(image, effort="fast")


@pytest.mark.parametrize("name", ["RGB", "P", "I;16B"])
def test_strip_leaves_out_metadata_only(name: str) -> None:
    image = with_info(IMAGES[name], transparency=3)
    stripped = pixcodec.encode(image, effort="fast", strip=True)
    assert len(stripped) < len(pixcodec.encode(image, effort="fast"))
    found = decode_image(stripped)
    assert isinstance(found, Image.Image)
    assert found.info == {"transparency": 3}
    plain = IMAGES[name].copy()
    plain.info["transparency"] = 3
    assert_same_image(found, plain)
    assert pixcodec.encode(plain, effort="fast") == stripped


def test_other_metadata_may_be_given() -> None:
    image = with_info(IMAGES["RGB"])
    data = pixcodec.encode(image, effort="fast", info={"comment": b"other"})
    assert header_image(data)[2] == {"comment": b"other"}
    data = pixcodec.encode(np.asarray(image), effort="fast", info=INFO)
    assert_same_info(header_image(data)[2], INFO)
    assert header_image(pixcodec.encode(np.asarray(image), effort="fast")) == ("RGB", (3, 2), {})


@pytest.mark.parametrize("mode", samples.MODES)
def test_the_header_tells_the_mode(mode: str) -> None:
    data = pixcodec.encode(samples.MODES[mode]("photo", 3, 5), effort="fast")
    found = decode_image(data)
    name, size, info = header_image(data)
    assert (size, info) == ((5, 3), {})
    if isinstance(found, Image.Image):
        assert (found.mode, found.size, found.info) == (name, size, info)
        assert name in PIL_MODES
    else:
        assert name is None
        assert found.dtype == np.uint16
        assert found.ndim == 3


@pytest.mark.parametrize("mode", ["grey", "rgb"])
def test_an_array_and_its_pil_image_are_the_same_file(mode: str) -> None:
    array = samples.MODES[mode]("photo", 9, 13)
    assert isinstance(array, np.ndarray)
    assert pixcodec.encode(Image.fromarray(array), effort="fast") == pixcodec.encode(array, effort="fast")
