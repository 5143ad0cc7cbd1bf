"""The Pillow plugin saves images: options, modes, metadata, and what it refuses."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import pixcodec
from pxc_images import IMAGES, NAMES, opened, png, same, saved


@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_options_reach_the_encoder(effort: str) -> None:
    image = png().crop((0, 0, 9, 7))
    found = saved(image, effort=effort, threads=1, quality=95)  # what no writer knows is ignored
    assert found == pixcodec.encode(image, effort=effort)


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(ValueError, match="effort is 'slow', expected one of fast, normal, max"):
        saved(effort="slow")


def test_saving_over_the_file_itself(tmp_path: Path) -> None:
    data = saved()
    path = tmp_path / "image.pxc"
    path.write_bytes(data)
    Image.open(path).save(path, effort="fast")
    assert path.read_bytes() == data


@pytest.mark.parametrize("mode", ["HSV", "LAB", "F", "I", "YCbCr", "La", "RGBa", "PA"])
def test_modes_of_few_formats_survive(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "image.pxc"
    image = Image.new(mode, (3, 2))
    image.putpixel((1, 1), 7 if len(image.getbands()) == 1 else (7,) * len(image.getbands()))
    image.save(path)
    found = Image.open(path)
    assert (found.mode, found.size) == (mode, (3, 2))
    assert found.tobytes() == image.tobytes()


class FullDisk(io.BytesIO):
    def write(self, data: Any) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_told() -> None:
    with pytest.raises(OSError, match="No space left"):
        png().save(FullDisk(), "PXC", effort="fast")


def animation() -> Image.Image:
    file = io.BytesIO()
    frames = [Image.new("L", (4, 4), level) for level in (0, 255)]
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:])
    return Image.open(file)


def test_all_frames_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "image.pxc"
    animation().save(path, save_all=True, effort="fast")
    with Image.open(path) as image:
        assert (image.n_frames, image.mode) == (2, "L")
        assert [level for frame in range(2) if (level := at(image, frame)) is not None] == [0, 255]
    png().save(path, save_all=True, append_images=iter([png(), png()]), effort="fast", duration=[10, 20, 30])
    with Image.open(path) as image:
        assert image.n_frames == 3
        for frame in range(3):
            image.seek(frame)
            assert image.info["duration"] == 10 * (frame + 1)
            assert image.tobytes() == png().convert(image.mode).tobytes()


def at(image: Image.Image, frame: int) -> Any:
    image.seek(frame)
    return image.getpixel((0, 0))


def test_one_frame_may_be_saved() -> None:
    assert same(opened(saved(save_all=True)), png())
    image = animation()
    image.seek(1)
    assert same(opened(saved(image)), Image.new("L", (4, 4), 255))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what the encoder finds in image.info, call by call."""
    found: list[dict[str, Any]] = []

    def encode(image: Image.Image, **options: Any) -> bytes:
        found.append(image.info)
        return b""

    monkeypatch.setattr("pixcodec.codec.encode", encode)
    return found


def test_metadata_of_the_image_and_of_the_call(encoded: list[dict[str, Any]]) -> None:
    image = png().copy()
    image.info = {"dpi": (72, 72), "icc_profile": b"old", "Title": "a parrot", "transparency": (1, 2, 3)}
    before = dict(image.info)
    kept = {**before, "text": {"Title": "a parrot"}}
    del kept["Title"]
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(image)
    saved(image, icc_profile=b"new", exif=exif, xmp="<x/>", dpi=(300, 300), text={})
    saved(image, icc_profile=None, transparency=None)
    assert encoded == [
        kept,
        kept | {"icc_profile": b"new", "exif": exif.tobytes(), "xmp": b"<x/>", "dpi": (300, 300), "text": {}},
        kept | {"icc_profile": None, "transparency": None},
    ]
    assert image.info == before


def test_metadata_survives() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = png().copy()
    image.info = {"icc_profile": b"some profile", "Title": "a parrot"}
    found = opened(saved(image, exif=exif, xmp=b"<x/>", dpi=(300, 300)))
    assert found.info["icc_profile"] == b"some profile"
    assert found.info["xmp"] == b"<x/>"
    assert found.info["Title"] == "a parrot"
    assert found.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert found.getexif()[0x0112] == 6
    assert "icc_profile" not in opened(saved(image, icc_profile=None)).info
    assert not opened(saved(image, strip=True)).info
    again = opened(saved(found))
    assert again.info == found.info


def test_metadata_of_other_formats_survives() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a parrot"
    png().save(file, "TIFF", exif=exif, icc_profile=b"some profile", dpi=(300, 300))
    found = opened(saved(Image.open(file)))
    assert found.getexif()[0x010E] == "a parrot"
    assert found.info["icc_profile"] == b"some profile"
    assert found.info["dpi"] == (300, 300)


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "I;16"])
def test_other_modes_survive(mode: str) -> None:
    image = Image.new("I;16", (9, 7), 40000) if mode == "I;16" else png().crop((0, 0, 9, 7)).convert(mode)
    found = opened(saved(image))
    assert (found.mode, found.size) == (image.mode, image.size)
    assert same(found, image)
    assert found.getpalette() == image.getpalette()
    again = pickle.loads(pickle.dumps(found))
    assert same(again, image)
    assert again.getpalette() == image.getpalette()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_palette_is_there_before_the_pixels(mode: str) -> None:
    image = Image.new("P", (3, 2))
    image.putpalette(range(4 * len(mode)), mode)
    found = opened(saved(image))
    assert found.palette is not None
    assert found.palette.mode == mode
    assert found.has_transparency_data == (mode == "RGBA")
    assert found.getpalette(mode) == image.getpalette(mode)
    assert same(found.convert("RGBA"), image.convert("RGBA"))


def test_a_transparent_colour_survives() -> None:
    image = png().crop((0, 0, 9, 7)).convert("P")
    image.info["transparency"] = 3
    found = opened(saved(image))
    assert found.info["transparency"] == 3
    assert same(found.convert("RGBA"), image.convert("RGBA"))


def test_imageio_reads_and_writes(tmp_path: Path) -> None:
    iio = pytest.importorskip("imageio.v3")
    path = tmp_path / "image.pxc"
    pixels = iio.imread(IMAGES / NAMES[0])
    iio.imwrite(path, pixels, effort="fast")
    assert (iio.imread(path) == pixels).all()
    assert (iio.imread(path, plugin="pillow") == pixels).all()
    assert iio.improps(path).shape == pixels.shape
    data = iio.imwrite("<bytes>", pixels, plugin="pillow", extension=".pxc", effort="fast")
    assert data == path.read_bytes()
    assert (iio.imread(data) == pixels).all()
