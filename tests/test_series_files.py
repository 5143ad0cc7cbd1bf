"""Image files of several frames: read as what they draw, and written back."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import animations
import pixcodec
import samples
from pixcodec.container.frames import Disposal, SeriesKind
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedImageError
from pixcodec.frames.api import frames_to_write
from pixcodec.frames.checking import check_frames
from pixcodec.images.canvas import Canvas
from pixcodec.images.series_files import holds_several, read_series
from pixcodec.images.series_write import write_series


def written(data: bytes, suffix: str) -> bytes:
    """Return an image file of several frames, encoded, decoded and written in a format."""
    pxc = pixcodec.encode(data, effort="fast", verify=True)
    check_frames(pxc, data, 2**20, None, None, strip=False)
    return write_series(frames_to_write(pxc, None, None, 2**20), suffix)


def same_shown(one: bytes, other: bytes) -> bool:
    pairs = zip(animations.shown(one), animations.shown(other), strict=True)
    return all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in pairs)


def test_a_gif_file_is_read_as_the_rectangles_that_it_draws() -> None:
    series = read_series(animations.gif())
    assert series is not None
    assert (series.kind, series.width, series.height, series.loop) == (SeriesKind.ANIMATION, 33, 21, 0)
    found, expected = list(series.frames), animations.gif_frames(4)
    for one, other in zip(found, expected, strict=True):
        assert one.setting == other.setting
        np.testing.assert_array_equal(one.picture.pixels, other.picture.pixels)
        assert one.picture.transparency == other.picture.transparency


@pytest.mark.parametrize("suffix", ["gif", "png", "apng", "webp"])
def test_a_gif_file_is_written_back(suffix: str) -> None:
    data = animations.gif()
    found = written(data, suffix)
    assert same_shown(found, data)
    if suffix == "gif":
        one, other = read_series(found), read_series(data)
        assert one is not None
        assert other is not None
        settings = [[frame.setting for frame in series.frames] for series in (one, other)]
        assert settings[0] == settings[1]


@pytest.mark.parametrize("loop", [None, 0, 5])
@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_loops_are_kept(loop: int | None, suffix: str) -> None:
    found = Image.open(io.BytesIO(written(animations.gif(loop=loop), suffix))).info.get("loop")
    assert found == (loop if suffix == "gif" else 1 if loop is None else loop)


def test_a_gif_file_of_pillow_with_comments_and_interlace(tmp_path: Path) -> None:
    frames = [Image.fromarray(samples.noise(40, 23, 1, seed)[:, :, 0]) for seed in range(3)]
    data = animations.saved(frames, "GIF", duration=[20, 500, 70], loop=2, comment=b"hello", interlace=1)
    assert same_shown(written(data, "gif"), data)
    assert Image.open(io.BytesIO(written(data, "gif"))).info["comment"] == b"hello"


def test_an_apng_file_is_written_back_with_blending_and_disposal() -> None:
    frames = animations.coloured(4, 4)
    data = animations.apng(
        frames, duration=[10, 200, 30, 40], loop=3, blend=[0, 1, 1, 0], disposal=[0, 1, 2, 0]
    )
    found = written(data, "png")
    assert same_shown(found, data)
    one, other = read_series(found), read_series(data)
    assert one is not None
    assert other is not None
    assert [frame.setting for frame in one.frames] == [frame.setting for frame in other.frames]


def test_a_still_image_before_an_apng_is_kept() -> None:
    frames = animations.coloured(3)
    data = animations.apng(frames, duration=100, default_image=True)
    series = read_series(data)
    assert series is not None
    assert [frame.setting.hidden for frame in series.frames] == [True, False, False]
    assert same_shown(written(data, "png"), data)
    with pytest.raises(UnsupportedImageError, match="cannot be in a gif file"):
        written(data, "gif")


def test_an_apng_file_of_16_bits() -> None:
    deep = [samples.noise(5, 7, 3, seed).astype(np.uint16) * 257 - 3 for seed in range(2)]
    series_data = pixcodec.encode(deep, effort="fast", info={"duration": [40, 50], "loop": 0}, verify=True)
    found = write_series(frames_to_write(series_data, None, None, None), "png")
    again = pixcodec.encode(found, effort="fast", verify=True)
    for number, expected in enumerate(deep):
        np.testing.assert_array_equal(pixcodec.decode(again, frame=number), expected)


def test_a_webp_file_is_written_back() -> None:
    data = animations.saved(
        animations.coloured(4, 4), "WEBP", lossless=True, exact=True, duration=[30, 40, 50, 60]
    )
    for suffix in ("webp", "png"):
        assert same_shown(written(data, suffix), data)


def test_pages_of_different_modes_and_sizes() -> None:
    pages = [
        Image.fromarray(samples.photo(3)),
        Image.fromarray(samples.photo(1)[:, :, 0]),
        Image.fromarray(samples.photo(1, 20, 31)[:, :, 0] > 99),
        Image.new("CMYK", (5, 7), (1, 2, 3, 4)),
        Image.fromarray(samples.photo(1, 9, 8)[:, :, 0]).convert("I;16"),
    ]
    data = animations.saved(pages, "TIFF", dpi=(300, 200))
    found = written(data, "tif")
    with Image.open(io.BytesIO(found)) as image, Image.open(io.BytesIO(data)) as source:
        assert image.n_frames == source.n_frames == len(pages)
        for number, page in enumerate(pages):
            image.seek(number)
            source.seek(number)
            assert (image.mode, image.size) == (source.mode, source.size) == (page.mode, page.size)
            assert image.tobytes() == source.tobytes() == page.tobytes()
            assert image.info["dpi"] == source.info["dpi"]
    with pytest.raises(UnsupportedImageError, match="5 pages, which a gif file cannot hold: use tiff"):
        written(data, "gif")


RAMP = np.linspace(-3, 3, 7 * 9, dtype=np.float32).reshape(7, 9)
STACKS = {
    "float32": [RAMP, -RAMP, RAMP[:5]],
    "float16": [RAMP.astype(np.float16), RAMP[::-1].astype(np.float16)],
    "uint32": [(abs(RAMP) * 1e6).astype(np.uint32), np.full((2, 3), 2**32 - 1, np.uint32)],
    "five bands": [np.stack([RAMP] * 5, 2), np.stack([-RAMP] * 5, 2)],
    "RGB of 16 bits": [np.stack([abs(RAMP * 9999).astype(np.uint16)] * 3, 2)] * 2,
    "several": [RAMP, (RAMP * 40).astype(np.int16), abs(RAMP * 80).astype(np.uint8), RAMP.astype(np.float16)],
}


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("name", STACKS)
def test_stacks_of_all_samples(name: str, byte_order: str) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=byte_order) as writer:
        for number, page in enumerate(STACKS[name]):
            kind = "rgb" if name.startswith("RGB") else "minisblack"
            options: dict[str, Any] = {"planarconfig": "contig"} if page.ndim == 3 else {}
            options |= {"description": f"page {number}", "resolution": (72 + number, 72), "metadata": None}
            tags = [(33550, "d", 3, (1.0, 2.0, float(number)), False)]
            writer.write(page, contiguous=False, photometric=kind, extratags=tags, **options)
    with tifffile.TiffFile(io.BytesIO(written(file.getvalue(), "tif"))) as found:
        assert len(found.pages) == len(STACKS[name])
        for number, page in enumerate(STACKS[name]):
            other: Any = found.pages[number]
            assert (other.dtype, other.shape) == (page.dtype, page.shape)
            assert other.asarray().tobytes() == page.tobytes()
            assert other.description == f"page {number}"
            assert other.tags[33550].value == (1.0, 2.0, float(number))
            assert other.tags["XResolution"].value == (72 + number, 1)


def test_palettes_beside_arrays_are_refused() -> None:
    pages = [np.zeros((3, 4), np.float16), Image.new("P", (4, 3))]
    frames = frames_to_write(pixcodec.encode(pages, effort="fast"), None, None, 2**20)
    with pytest.raises(UnsupportedImageError, match="mode PALETTE cannot be beside arrays in a tiff file"):
        write_series(frames, "tif")


def test_the_sizes_of_an_icon_are_pages() -> None:
    buffer = io.BytesIO()
    Image.fromarray(samples.any_photo(47, 47, 4)).save(buffer, "ICO", sizes=[(16, 16), (32, 32)])
    pxc = pixcodec.encode(buffer.getvalue(), effort="fast", verify=True)
    assert {pixcodec.decode(pxc, frame=number).shape for number in range(2)} == {(16, 16, 4), (32, 32, 4)}


def test_the_sizes_of_an_apple_icon_are_pages() -> None:
    buffer = io.BytesIO()
    Image.fromarray(samples.any_photo(47, 47, 4)).save(buffer, "ICNS")
    with Image.open(buffer) as icon:
        sizes = [(side * scale, side * scale, 4) for side, _, scale in icon.info["sizes"]]
    series = read_series(buffer.getvalue())
    assert series is not None
    assert [frame.picture.pixels.shape for frame in series.frames] == sizes
    with pytest.raises(LimitExceededError):
        pixcodec.encode(buffer.getvalue(), effort="fast", max_pixels=1000)


def test_one_image_is_no_series() -> None:
    single = animations.saved(animations.coloured(1), "PNG")
    assert read_series(single) is None
    assert not holds_several(single)
    assert holds_several(animations.gif())


@pytest.mark.parametrize("cut", [14, 40, 100, 200])
def test_a_gif_file_that_is_cut(cut: int) -> None:
    with suppress(PixcodecError):
        pixcodec.encode(animations.gif()[:cut], effort="fast")


def test_a_damaged_apng_file() -> None:
    data = bytearray(animations.apng(animations.coloured(3), duration=10))
    data[data.index(b"fdAT") + 9] ^= 1
    with pytest.raises(CorruptFileError, match="CRC of chunk"):
        pixcodec.encode(bytes(data), effort="fast")


def test_a_large_canvas_is_refused() -> None:
    with pytest.raises(LimitExceededError):
        pixcodec.encode(animations.gif(), max_pixels=600)


def test_blending_is_that_of_the_png_specification() -> None:
    canvas = Canvas(1, 1)
    below, above = (200, 100, 50, 128), (10, 20, 30, 64)
    frames = [Image.new("RGBA", (1, 1), colour) for colour in (below, above)]
    canvas.draw(animations.pictures(frames)[0].picture, animations.Setting())
    shown = canvas.draw(animations.pictures(frames)[1].picture, animations.Setting(over=True))
    alpha = 64 + 128 * (255 - 64) / 255
    colour = [(a * 64 + b * 128 * (255 - 64) / 255) / alpha for a, b in zip(above, below, strict=True)]
    np.testing.assert_allclose(shown[0, 0], [*colour[:3], alpha], atol=0.51)


def test_disposals() -> None:
    canvas = Canvas(2, 1)
    red, blue = (Image.new("RGBA", (1, 1), name) for name in ("red", "blue"))
    setting = animations.Setting()
    canvas.draw(animations.pictures([red])[0].picture, setting)
    canvas.draw(animations.pictures([blue])[0].picture, setting._replace(disposal=Disposal.RESTORE))
    assert tuple(canvas.pixels[0, 0]) == (255, 0, 0, 255)
    canvas.draw(animations.pictures([blue])[0].picture, setting._replace(disposal=Disposal.CLEAR))
    assert not canvas.pixels.any()
