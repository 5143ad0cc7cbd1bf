"""JPEG files on the command line: kept byte for byte by default, as pixels on request."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pixcodec
import pixcodec.pillow_plugin
import samples
from command_line import Runner, assert_failed


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpeg"
    Image.fromarray(samples.photo(3)).save(path, "JPEG", quality=85, dpi=(96, 96), progressive=True)
    return path


def test_a_jpeg_file_comes_back_byte_for_byte(run: Runner, jpeg: Path, tmp_path: Path) -> None:
    original = jpeg.read_bytes()
    assert run("encode", jpeg).status == 0
    jpeg.unlink()
    pxc = jpeg.with_suffix(".pxc")
    assert run("verify", pxc).status == 0
    assert run("decode", pxc).status == 0
    assert (tmp_path / "photo.jpg").read_bytes() == original
    assert run("decode", pxc, tmp_path / "again.jpeg").status == 0
    assert (tmp_path / "again.jpeg").read_bytes() == original


def test_its_pixels_are_decoded_on_request(run: Runner, jpeg: Path, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(jpeg))
    assert run("encode", jpeg).status == 0
    pxc = jpeg.with_suffix(".pxc")
    assert run("decode", pxc, tmp_path / "a.png").status == 0
    assert run("decode", "--format", "bmp", pxc).status == 0
    assert run("decode", "--region", "3,4,20,10", pxc).status == 0  # a part is no JPEG file: a png file
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        assert round(image.info["dpi"][0]) == 96
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "photo.bmp")), pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "photo.png")), pixels[4:14, 3:23])
    assert_failed(run("decode", "--region", "0,0,2,2", pxc, tmp_path / "b.jpg"), 1, "part of a JPEG file")


def test_pillow_opens_it_as_pixels(run: Runner, jpeg: Path) -> None:
    assert run("encode", jpeg).status == 0
    with Image.open(jpeg.with_suffix(".pxc")) as image, Image.open(jpeg) as original:
        assert (image.mode, image.size, image.info["dpi"]) == ("RGB", original.size, (96, 96))
        np.testing.assert_array_equal(np.asarray(image), np.asarray(original))


def test_pillow_has_the_thumbnail_in_the_exif_once_the_image_is_loaded(tmp_path: Path) -> None:
    thumbnail = io.BytesIO()
    Image.fromarray(samples.photo(3)[:40, :50]).save(thumbnail, "JPEG", quality=90)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + thumbnail.getvalue()
    Image.fromarray(samples.photo(3)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "a.pxc").write_bytes(pixcodec.encode(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "a.pxc") as image:
        assert image.info["exif"] == exif[:20] + bytes(len(exif) - 20)
        image.load()
        assert image.info["exif"] == exif
    with Image.open(tmp_path / "a.pxc") as image:
        image.info["exif"] = b"mine"
        image.load()
        assert image.info["exif"] == b"mine"


@pytest.mark.parametrize("option", ["--pixels", "--strip"])
def test_pixels_alone_are_kept_on_request(run: Runner, jpeg: Path, tmp_path: Path, option: str) -> None:
    assert run("encode", option, "--effort", "fast", jpeg).status == 0
    pxc = jpeg.with_suffix(".pxc")
    assert not pixcodec.read_info(pxc.read_bytes()).kept
    assert run("decode", pxc).status == 0
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "photo.png")), np.asarray(Image.open(jpeg))
    )
    assert_failed(run("decode", pxc, tmp_path / "x.jpg"), 1, "keeps pixels, not a JPEG file")
    assert not (tmp_path / "x.jpg").exists()


def test_larger_images_are_refused(run: Runner, jpeg: Path) -> None:
    assert_failed(
        run("encode", "--max-pixels", 61 * 47 - 1, jpeg), 6, "photo.jpeg", "the limit is 2866 pixels"
    )
    assert not jpeg.with_suffix(".pxc").exists()
    assert run("encode", "--max-pixels", 61 * 47, jpeg).status == 0


def test_info_says_what_the_file_holds(run: Runner, jpeg: Path) -> None:
    assert run("encode", jpeg).status == 0
    found = run("info", jpeg.with_suffix(".pxc"))
    assert "JPEG file, restored byte for byte\n" in found.out
    assert "61x47 pixels, rgb" in found.out
    assert "version 11" in found.out
    assert "tiles" not in found.out


def test_a_folder_of_mixed_files_comes_back(run: Runner, jpeg: Path, tmp_path: Path) -> None:
    Image.fromarray(samples.photo(1)[:9, :11, 0]).save(tmp_path / "grey.png")
    truncated = tmp_path / "cut.jpg"
    truncated.write_bytes(jpeg.read_bytes()[:500])
    result = run("encode", "-r", "--effort", "fast", tmp_path, "-o", tmp_path / "coded")
    assert result.status == 0, result.err
    result = run("decode", "-r", tmp_path / "coded", "-o", tmp_path / "back")
    assert result.status == 0, result.err
    assert {path.name for path in (tmp_path / "back").iterdir()} == {"photo.jpg", "grey.png", "cut.jpg"}
    assert (tmp_path / "back" / "photo.jpg").read_bytes() == jpeg.read_bytes()
    assert (tmp_path / "back" / "cut.jpg").read_bytes() == truncated.read_bytes()


def test_rm_removes_only_what_came_back(
    run: Runner, jpeg: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = jpeg.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("pixcodec.codec.restore", lambda data, **_: original[:-1])
        assert_failed(run("encode", "--rm", jpeg), 1, "differs from the original")
    assert jpeg.read_bytes() == original
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpeg"]
    assert run("encode", "--rm", jpeg).status == 0
    assert not jpeg.exists()
    assert pixcodec.restore(jpeg.with_suffix(".pxc").read_bytes()) == original


def test_stdin_and_stdout(run: Runner, jpeg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("encode", jpeg, tmp_path / "a.pxc").status == 0
    stdin = io.TextIOWrapper(io.BytesIO((tmp_path / "a.pxc").read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert run("decode", "-", tmp_path / "b.jpg").status == 0
    assert (tmp_path / "b.jpg").read_bytes() == jpeg.read_bytes()
