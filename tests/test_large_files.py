"""Files of images larger than memory on the command line: by rows, in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import pixcodec
import samples
from command_line import Runner, assert_failed
from pixcodec.batch import large_files
from pixcodec.images import row_files
from pixcodec.images.tiff_directory import directory_info

PHOTO = np.resize(samples.photo(3, 47, 61), (90, 101, 3)).astype(np.uint8)
ALPHA = np.dstack([PHOTO, PHOTO[::-1, :, 1]])
GREY = PHOTO[:, :, 1]
DEEP = GREY.astype(np.uint16) * 201


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture(autouse=True)
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_files, "LARGE_PIXELS", 1000)


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the files that are read whole."""
    from pixcodec.batch import transcode

    read: list[str] = []
    before = transcode.read_bytes
    monkeypatch.setattr(transcode, "read_bytes", lambda name: (read.append(name), before(name))[1])
    return read


RGB = {"photometric": "rgb", "metadata": None}
FILES: dict[str, tuple[Any, dict[str, Any]]] = {
    "tiles": (PHOTO, {**RGB, "tile": (16, 32), "compression": "zlib", "predictor": True}),
    "strips": (PHOTO, {**RGB, "rowsperstrip": 11, "compression": "zlib"}),
    "as it is": (PHOTO, RGB),
    "big": (PHOTO, {**RGB, "bigtiff": True}),
    "alpha": (ALPHA, {**RGB, "extrasamples": ["unassalpha"], "tile": (32, 16)}),
    "grey": (GREY, {"photometric": "minisblack", "tile": (16, 16)}),
    "big endian": (DEEP, {"photometric": "minisblack", "byteorder": ">", "rowsperstrip": 4}),
    "planes": (
        np.moveaxis(PHOTO, 2, 0),
        {**RGB, "planarconfig": "separate", "rowsperstrip": 7, "compression": "zlib"},
    ),
    "planes as they are": (np.moveaxis(PHOTO, 2, 0), {**RGB, "planarconfig": "separate"}),
    "planes in tiles": (np.moveaxis(PHOTO, 2, 0), {**RGB, "planarconfig": "separate", "tile": (32, 16)}),
}


HEIGHTS = (GREY.astype(np.float32) / 8 - 3) ** 2
HEIGHTS[3:9, 40:] = -9999
HEIGHTS[5, 6], HEIGHTS[80, 7] = np.nan, -0.0
DEEP_FILES: dict[str, tuple[Any, dict[str, Any]]] = {
    "float32": (HEIGHTS, {"tile": (16, 32), "compression": "zlib"}),
    "float32 as it is": (HEIGHTS, {}),
    "int16, big endian": (GREY.astype(np.int16) * -100, {"byteorder": ">", "rowsperstrip": 4}),
    "bands": (np.dstack([PHOTO, PHOTO]).astype(np.uint32) * 1000, {"planarconfig": "contig"}),
    "separate": (
        np.moveaxis(PHOTO, 2, 0).astype(np.float16),
        {"planarconfig": "separate", "rowsperstrip": 7},
    ),
}


@pytest.mark.parametrize("name", DEEP_FILES)
def test_deep_files_come_back(name: str, run: Runner, whole: list[str], tmp_path: Path) -> None:
    array, options = DEEP_FILES[name]
    options = {"photometric": "minisblack", "metadata": None, **options}
    expected = np.moveaxis(array, 0, 2) if name == "separate" else array
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    np.save(tmp_path / "n.npy", expected)
    for source in ("a.tif", "n.npy"):
        assert run("encode", "--effort", "fast", tmp_path / source).status == 0
    assert run("verify", tmp_path / "a.pxc").status == 0
    for output in ("b.tif", "b.npy"):
        result = run("decode", tmp_path / "a.pxc", tmp_path / output)
        assert (result.status, result.err) == (0, "")
    assert whole == []
    for found in (
        tifffile.imread(tmp_path / "b.tif"),
        np.load(tmp_path / "b.npy"),
        pixcodec.decode((tmp_path / "n.pxc").read_bytes()),
    ):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.tobytes() == expected.tobytes()


def test_lab_is_decoded_whole(run: Runner, whole: list[str], tmp_path: Path) -> None:
    Image.fromarray(PHOTO, "LAB").save(tmp_path / "a.tif")
    assert run("encode", "--effort", "fast", tmp_path / "a.tif").status == 0
    assert run("decode", tmp_path / "a.pxc", tmp_path / "b.tif").status == 0
    assert str(tmp_path / "a.pxc") in map(str, whole)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.mode == "LAB"


@pytest.mark.parametrize("name", FILES)
def test_tiff_files_come_back(name: str, run: Runner, whole: list[str], tmp_path: Path) -> None:
    array, options = FILES[name]
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    expected = np.moveaxis(array, 0, 2) if "planes" in name else array
    assert run("encode", "--effort", "fast", tmp_path / "a.tif").status == 0
    assert run("verify", tmp_path / "a.pxc").status == 0
    for output in ("b.tif", "b.npy"):
        result = run("decode", tmp_path / "a.pxc", tmp_path / output)
        assert (result.status, result.err) == (0, "")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), expected)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), expected)
    assert whole == []
    np.testing.assert_array_equal(pixcodec.decode((tmp_path / "a.pxc").read_bytes()), expected)
    with Image.open(tmp_path / "b.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_arrays_come_back(run: Runner, whole: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PHOTO)
    (tmp_path / "a.npy").chmod(0o644)
    result = run("encode", "--effort", "fast", "--rm", "--no-verify", tmp_path / "a.npy")
    assert result.status == 2
    assert run("encode", "--effort", "fast", "--rm", tmp_path / "a.npy").status == 0
    assert not (tmp_path / "a.npy").exists()
    assert run("decode", "--format", "npy", tmp_path / "a.pxc").status == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), PHOTO)
    assert (tmp_path / "a.npy").stat().st_mtime_ns == (tmp_path / "a.pxc").stat().st_mtime_ns
    assert whole == []
    assert_failed(run("decode", "--format", "npy", tmp_path / "a.pxc"), 1, "exists already")


def test_metadata_of_tiff_files_comes_back(run: Runner, tmp_path: Path) -> None:
    tags = [
        (33550, 12, 3, (1.0, 2.5, 3.0), True),
        (42113, 2, 6, b"-9999\0", True),
        (50000, 5, 1, (7, 3), True),
        (50001, 1, 4, b"\1\2\3\4", True),
    ]
    tifffile.imwrite(
        tmp_path / "a.tif",
        PHOTO,
        **RGB,
        iccprofile=b"profile" * 20,
        description="a map",
        resolution=(300, 150),
        resolutionunit="inch",
        extratags=tags,
    )
    assert run("encode", "--effort", "fast", tmp_path / "a.tif", tmp_path / "a.pxc").status == 0
    assert run("decode", tmp_path / "a.pxc", tmp_path / "b.tif").status == 0
    with tifffile.TiffFile(tmp_path / "a.tif") as a, tifffile.TiffFile(tmp_path / "b.tif") as b:
        for tag in (
            "ImageDescription",
            "InterColorProfile",
            "XResolution",
            "YResolution",
            33550,
            42113,
            50000,
        ):
            assert b.pages[0].tags[tag].value == a.pages[0].tags[tag].value, tag
        assert b.pages[0].tags[50001].value == a.pages[0].tags[50001].value
    assert run("encode", "-f", "--strip", "--effort", "fast", tmp_path / "a.tif").status == 0
    assert run("decode", "-f", tmp_path / "a.pxc", tmp_path / "b.tif").status == 0
    with tifffile.TiffFile(tmp_path / "b.tif") as b:
        assert 33550 not in b.pages[0].tags


def test_other_files_are_read_whole(run: Runner, whole: list[str], tmp_path: Path) -> None:
    Image.fromarray(PHOTO).quantize(16).save(tmp_path / "palette.tif")
    tifffile.imwrite(tmp_path / "float.tif", PHOTO.astype(np.float32), photometric="rgb")
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([GREY, GREY]), photometric="minisblack")
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    for name in ("palette.tif", "float.tif", "pages.tif", "photo.png"):
        assert row_files.size_by_rows(tmp_path / name) is None
        assert run("encode", "--effort", "fast", tmp_path / name).status == 0
    assert len(whole) == 4
    assert run("decode", tmp_path / "photo.pxc", tmp_path / "b.webp").status == 0


def test_limits_and_damage(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PHOTO, **RGB, compression="zlib", rowsperstrip=10)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    assert_failed(run("encode", "--max-pixels", 2000, tmp_path / "a.tif"), 6, "101x90", "2000 pixels")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        at = tiff.pages[0].dataoffsets[4]
    data[at : at + 20] = bytes(20)
    (tmp_path / "b.tif").write_bytes(data)
    assert_failed(run("encode", tmp_path / "b.tif"), 4, "segment 4 of the TIFF file is damaged")
    np.save(tmp_path / "c.npy", PHOTO)
    (tmp_path / "c.npy").write_bytes((tmp_path / "c.npy").read_bytes()[:-1])
    assert_failed(run("encode", tmp_path / "c.npy"), 4, "bytes of samples, expected 27270")
    monkeypatch.setattr(row_files, "MAX_SEGMENT_SIZE_BYTES", 1000)
    assert_failed(run("encode", tmp_path / "a.tif"), 1, "strips of 10 rows", "write it in tiles")
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tif", "c.npy"}


def test_damaged_files_leave_nothing(run: Runner, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PHOTO)
    assert run("encode", "--effort", "fast", tmp_path / "a.npy").status == 0
    data = bytearray((tmp_path / "a.pxc").read_bytes())
    data[-200] ^= 1
    (tmp_path / "a.pxc").write_bytes(data)
    assert_failed(run("decode", tmp_path / "a.pxc", tmp_path / "b.tif"), 4, "a.pxc: ")
    assert run("verify", tmp_path / "a.pxc").status == 4
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "a.pxc"}


def test_without_tifffile(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", PHOTO)
    assert run("encode", "--effort", "fast", tmp_path / "a.npy").status == 0
    monkeypatch.setattr(row_files, "tifffile_or_none", lambda: None)
    assert_failed(run("decode", tmp_path / "a.pxc", tmp_path / "b.tif"), 1, "pip install 'pixcodec[tiff]'")
    assert row_files.size_by_rows(tmp_path / "a.npy") == (90, 101)


def test_a_directory_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    for data in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0+\0\x08\0\0" + bytes(8)):
        (tmp_path / "a.tif").write_bytes(data)
        with (tmp_path / "a.tif").open("rb") as file:
            assert directory_info(file) == {}


def test_tags_of_deep_tiff_files_come_back(run: Runner, tmp_path: Path) -> None:
    bands = np.dstack([PHOTO, PHOTO]).astype(np.float32)
    tags = [(33550, 12, 3, (1.0, 2.5, 3.0), True), (42113, 2, 6, b"-9999\0", True)]
    options: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", bands, extratags=tags, description="bands", **options)
    assert run("encode", "--effort", "fast", tmp_path / "a.tif").status == 0
    assert run("decode", tmp_path / "a.pxc", tmp_path / "b.tif").status == 0
    with tifffile.TiffFile(tmp_path / "a.tif") as a, tifffile.TiffFile(tmp_path / "b.tif") as b:
        np.testing.assert_array_equal(b.pages[0].asarray(), bands)
        for tag in ("ImageDescription", 33550, 42113):
            assert b.pages[0].tags[tag].value == a.pages[0].tags[tag].value
