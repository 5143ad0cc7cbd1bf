"""Image files that are refused: damaged, too large, or with more than Pillow would give."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from image_files import PHOTO, RGB, deep_png, saved
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedImageError
from pixcodec.images import losses as image_losses
from pixcodec.images.files import read_image
from samples import noise


@pytest.mark.parametrize("data", [b"P6 1 1 1023\n" + bytes(6), b"P5 1 1 15\n\0", b"P3 1 1 65535 1 2 3"])
def test_netpbm_files_that_pillow_scales(data: bytes) -> None:
    with pytest.raises(UnsupportedImageError, match=r"greatest value of the file is .* which Pillow scales"):
        read_image(data)


def test_a_pillow_that_rounds_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert image_losses.takes_single_bytes()
    rounded = Image.new("RGB", (1, 1), (1, 1, 1))
    monkeypatch.setattr(Image, "frombytes", lambda *_: rounded)
    assert not image_losses.takes_single_bytes()
    with pytest.raises(UnsupportedImageError, match="rounds 16-bit channels"):
        read_image(deep_png(3)[1])


def test_deep_files_that_cannot_be_read() -> None:
    sgi = struct.pack(">hBBHHHHll80s", 474, 0, 2, 3, 1, 1, 3, 0, 255, b"").ljust(512, b"\0") + bytes(6)
    jp2 = bytearray(saved(Image.fromarray(RGB), "JPEG2000"))
    start = jp2.index(b"\xff\x4f\xff\x51")
    assert read_image(bytes(jp2)).image
    jp2[start + 42 + 3] = 11
    for data in (sgi, bytes(jp2)):
        with pytest.raises(UnsupportedImageError, match="more than 8 bits per subpixel, which Pillow"):
            read_image(data)


@pytest.mark.parametrize("name", ["GIF", "MPO", "PNG", "TIFF", "WEBP"])
def test_several_frames_are_refused(name: str) -> None:
    frames = [Image.fromarray(noise(20, 20, 3, seed)) for seed in range(2)]
    data = saved(frames[0], name, save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match=f"the {name} file holds 2 images, expected 1: save"):
        read_image(data)
    assert read_image(saved(frames[0], name)).image


def test_several_sizes_are_refused() -> None:
    image = Image.new("RGBA", (32, 32), "red")
    with pytest.raises(UnsupportedImageError, match="ICO file holds 2 images of different size or depth"):
        read_image(saved(image, "ICO", sizes=[(16, 16), (32, 32)]))
    assert read_image(saved(image, "ICO", sizes=[(32, 32)])).image


def test_channels_that_pillow_drops_are_refused_and_those_that_it_changes_are_not_changed() -> None:
    image = Image.fromarray(noise(5, 6, 4))
    data = saved(image, "TIFF")
    extra = struct.pack("<HHIHH", 338, 3, 1, 2, 0)
    assert data.count(extra) == 1
    found = read_image(data.replace(extra, struct.pack("<HHIHH", 338, 3, 1, 1, 0))).image
    assert isinstance(found, Image.Image)
    assert (found.mode, found.tobytes()) == ("RGBa", image.tobytes())
    if Image.__version__ > "11":  # before, such an image has mode RGBX and keeps all
        with pytest.raises(UnsupportedImageError, match="has 4 channels, of which Pillow reads 3"):
            read_image(data.replace(extra, struct.pack("<HHIHH", 338, 3, 1, 0, 0)))


def test_drawings_are_refused() -> None:
    data = saved(Image.fromarray(RGB), "EPS")
    with pytest.raises(UnsupportedImageError, match="the file is a drawing, expected pixels"):
        read_image(data)


@pytest.mark.parametrize("name", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_files_that_are_cut_short(name: str) -> None:
    data = saved(Image.fromarray(RGB), name)
    found, _ = read_image(data)
    for cut in sorted({*range(0, 40, 3), *range(0, len(data), len(data) // 20)}):
        with pytest.raises((CorruptFileError, UnsupportedImageError)):
            read_image(data[:cut])
    np.testing.assert_array_equal(np.asarray(read_image(data).image), np.asarray(found))


def test_damaged_files() -> None:
    data = bytearray(PHOTO.read_bytes())
    for place, message in ((20, "it starts as PNG"), (len(data) // 2, "bad header checksum in b'IDAT'")):
        data[place] ^= 1
        with pytest.raises(CorruptFileError, match=f"file is damaged: .*{message}"):
            read_image(bytes(data))
        data[place] ^= 1
    assert read_image(bytes(data)).image


@pytest.mark.parametrize("data", [b"", b"no image", bytes(1000)])
def test_foreign_files(data: bytes) -> None:
    words = "format of the file is unknown to Pillow" if data else "the file is empty"
    with pytest.raises(UnsupportedImageError, match=words):
        read_image(data)


def test_truncated_files_are_refused_whatever_pillow_is_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(CorruptFileError):
        read_image(saved(Image.fromarray(RGB), "TIFF")[:-100])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("limit", [61 * 47 - 1, 61 * 47 // 2 - 1, 1])
def test_large_images_are_refused_before_they_are_decompressed(limit: int) -> None:
    data = PHOTO.read_bytes()[:-2000]
    with pytest.raises(LimitExceededError, match=f"the limit is {limit} pixels"):
        read_image(data, max_pixels=limit)
    with pytest.raises(CorruptFileError):
        read_image(data, max_pixels=61 * 47)


def test_the_limits_of_pillow_are_restored() -> None:
    before = Image.MAX_IMAGE_PIXELS
    data = PHOTO.read_bytes()

    def attempt(number: int) -> bool:
        try:
            read_image(data, max_pixels=61 * 47 if number % 2 else 99)
        except PixcodecError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(attempt, range(40))) == [False, True] * 20
    assert before == Image.MAX_IMAGE_PIXELS
