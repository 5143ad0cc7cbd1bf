"""Where the bits of a file go: the parts add up to the file."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from command_line import Runner, assert_failed
from pixcodec import codec
from pixcodec.explain.explanation import Explanation, explain
from pixcodec.explain.page import Figure, write_page
from pixcodec.explain.tables import numbers_of, tables_of
from pixcodec.explain.views import beside, difference_map, shown
from pixcodec.images.packed.way import packed_way

PHOTO = samples.photo(3, 47, 61)
PLAIN = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((16, 20), np.uint8))
NOISE = np.random.default_rng(3).integers(0, 256, (19, 23, 3), dtype=np.uint8)


def jpeg(pixels: Any, **options: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=85, **options)
    return file.getvalue()


def corrected() -> Any:
    pixels = np.asarray(Image.open(BytesIO(jpeg(np.tile(PHOTO, (2, 2, 1)))))).copy()
    pixels[50:60, 70:90] = 200
    return pixels


coded = pytest.mark.usefixtures("no_packed_layers")  # or small images might be

IMAGES: dict[str, Any] = {
    "rgb": PHOTO,
    "grey": PHOTO[:, :, 0],
    "alpha": np.dstack([PHOTO, PHOTO[:, :, 1]]),
    "flat": np.dstack([PLAIN, PLAIN, 255 - PLAIN]),
    "noise": NOISE,
    "16 bits": PHOTO.astype(np.uint16) * 201 + PHOTO[::-1],
    "bilevel": PHOTO[:, :, 0] > 120,
    "palette": Image.fromarray(PHOTO).quantize(16),
    "once a JPEG file": np.asarray(Image.open(BytesIO(jpeg(np.tile(PHOTO, (2, 2, 1)))))),
    "once a JPEG file, corrected": corrected(),
    "JPEG file": jpeg(np.tile(PHOTO, (2, 3, 1))),
    "JPEG file, 4:4:4": jpeg(PHOTO, subsampling=0),
    "grey JPEG file": jpeg(PHOTO[:, :, 0]),
    "CMYK JPEG file": None,
}


def image_of(name: str) -> Any:
    if name != "CMYK JPEG file":
        return IMAGES[name]
    file = BytesIO()
    Image.fromarray(PHOTO).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("effort", ["fast", "normal"])
@pytest.mark.parametrize("name", IMAGES)
def test_the_parts_add_up_to_the_file(name: str, effort: str) -> None:
    data = pixcodec.encode(image_of(name), effort=effort)
    found = explain(data)
    # What is left over: at most two words of each range coder.
    coders = max(1, sum(len(tile.kinds) for tile in found.tiles)) + bool(found.blocks)
    assert -4 * coders <= found.size_bytes - found.explained_bytes <= max(0.005 * len(data), 9 * coders)
    assert found.size_bytes == len(data)
    info = pixcodec.read_info(data)
    assert found.bits.shape == (info.height, info.width, len(found.channels))
    assert (found.bits >= 0).all()
    assert sum(found.by_channel.values()) == pytest.approx(found.pixels.sum())
    # Blocks may lie beyond the image, and files inside a JPEG file are side information.
    assert sum(found.layers.values()) == pytest.approx(found.bits.sum())
    assert sum(tile.size_bytes for tile in found.tiles) < len(data)


@pytest.mark.slow
def test_a_photograph_within_half_a_percent() -> None:
    name = "kodak23_257x130_rgb.png"
    pixels = np.asarray(Image.open(Path(__file__).parent / "images" / name))[:70, :150]
    for effort in ("fast", "normal", "max"):
        found = explain(pixcodec.encode(pixels, effort=effort))
        assert found.explained_bytes == pytest.approx(found.size_bytes, rel=0.005)


@coded
def test_bits_are_where_the_detail_is() -> None:
    pixels = np.full((40, 60, 3), 90, np.uint8)
    pixels[10:29, 30:53] = NOISE
    for effort in ("fast", "normal"):
        found = explain(pixcodec.encode(pixels, effort=effort))
        inside = found.pixels[10:29, 30:53].sum()
        # What is predicted from noise costs, too, though it is flat: within 3 pixels right of and below it.
        assert found.pixels[10:32, 27:56].sum() > 0.99 * found.pixels.sum()
        assert inside > 0.87 * found.pixels.sum()
        assert inside / (19 * 23 * 3) > 7


@coded
@pytest.mark.usefixtures("version_6")
def test_the_network_alone_agrees_with_its_likelihood() -> None:
    found = explain(pixcodec.encode(PHOTO, effort="fast"))
    expected = pixcodec.likelihood(PHOTO).bits
    np.testing.assert_allclose(found.bits, expected, atol=0.02)


@coded
def test_runs_are_named() -> None:
    found = explain(pixcodec.encode(IMAGES["flat"], effort="fast"))
    assert 0 < found.runs <= found.bits.sum()
    assert found.tiles[0].kinds == ("runs",)


def test_packed_layers_are_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "packed_way", packed_way)  # whatever the tests before do without
    rows, columns = np.mgrid[:40, :60]
    ramp = ((3 * columns + 5 * rows) % 256).astype(np.uint8)
    found = explain(pixcodec.encode(np.dstack([ramp, ramp, 255 - ramp]), effort="fast"))
    assert found.tiles[0].kinds == ("packed",)
    assert found.bits.min() == found.bits.max() > 0
    assert found.explained_bytes == pytest.approx(found.size_bytes)


def test_blocks_of_jpeg() -> None:
    found = explain(pixcodec.encode(IMAGES["JPEG file"], effort="fast"))
    assert found.channels == ("luma", "blue chroma", "red chroma")
    assert [blocks.shape for blocks in found.blocks] == [(12, 23, 65), (6, 12, 65), (6, 12, 65)]
    assert found.bits[:, :, 0].sum() == pytest.approx(found.blocks[0].sum())
    luma = found.by_frequency[0]
    assert luma[0] > luma[20] > luma[60]


def test_what_is_not_explained(tmp_path: Path) -> None:
    with pytest.raises(pixcodec.UnsupportedImageError, match="stored as it is"):
        explain(pixcodec.encode(jpeg(PHOTO)[:500], effort="fast"))
    with pytest.raises(pixcodec.LimitExceededError):
        explain(pixcodec.encode(PHOTO, effort="fast"), max_pixels=1000)
    damaged = bytearray(pixcodec.encode(PHOTO, effort="fast"))
    damaged[-30] ^= 1
    with pytest.raises(pixcodec.CorruptFileError):
        explain(damaged)


def test_pictures() -> None:
    bits = np.linspace(0, 12, 47 * 61).reshape(47, 61)
    sheet = beside(PHOTO, bits)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] > 2 * 61
    np.testing.assert_array_equal(sheet[8 : 8 + 47, :61], PHOTO)
    assert tuple(sheet[8, 61 + 12]) == (0, 0, 0)
    colours = difference_map(np.array([[-2.0, 0.0, 2.0]]), 2.0)
    assert colours.tolist() == [[[33, 102, 172], [255, 255, 255], [178, 24, 43]]]
    assert shown(Image.fromarray(PHOTO[:, :, 0] > 9)).shape == (47, 61, 3)
    assert shown(PHOTO.astype(np.uint16) * 257).max() == PHOTO.max()
    assert shown(Image.fromarray(PHOTO[:, :, 0].astype(np.uint16))).max() == 255


def test_a_page_holds_all_it_shows() -> None:
    found = explain(pixcodec.encode(IMAGES["JPEG file"], effort="fast"))
    text = write_page("<b>.pxc", found, [Figure("a & b", PHOTO)])
    assert "&lt;b&gt;.pxc" in text
    assert "a &amp; b" in text
    assert "http:" not in text
    assert "https:" not in text
    assert all(table.title in text for table in tables_of(found))
    json.dumps(numbers_of(found))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


def numbers(text: str) -> Any:
    return json.loads(text)


def test_the_command(run: Runner, tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(PHOTO).save(source)
    (tmp_path / "a.pxc").write_bytes(pixcodec.encode(PHOTO, effort="fast"))
    found = numbers(run("explain", source, "--effort", "fast", "--json").out)
    same = numbers(run("explain", tmp_path / "a.pxc", "--json").out)
    assert found == same
    assert found["explained_bytes"] == pytest.approx(found["size_bytes"], rel=0.005, abs=9)
    done = run("explain", source, tmp_path / "heat.png", "--effort", "fast")
    assert done.status == 0
    assert "Side information" in done.out
    assert Image.open(tmp_path / "heat.png").width > 2 * 61
    assert_failed(run("explain", source, tmp_path / "heat.png", "--effort", "fast"), 1, "exists already")
    done = run("explain", tmp_path / "a.pxc", tmp_path / "a.html", "--against", "normal", "-q")
    assert (done.status, done.out) == (0, "")
    assert "effort normal takes more" in (tmp_path / "a.html").read_text()
    run("explain", tmp_path / "a.pxc", tmp_path / "bits.npy", "-q")
    bits = np.load(tmp_path / "bits.npy")
    assert bits.shape == PHOTO.shape
    assert float(bits.sum()) == pytest.approx(sum(found["bits_by_channel"].values()), rel=1e-4)
    assert_failed(run("explain", source, tmp_path / "a.txt"), 2, ".png, .html or .npy")
    assert_failed(run("explain", tmp_path / "none.png"), 1, "none.png")
    assert isinstance(explain((tmp_path / "a.pxc").read_bytes()), Explanation)
