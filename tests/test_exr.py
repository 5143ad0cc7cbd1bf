"""OpenEXR files: samples and header come back, what cannot be kept is refused."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pixcodec
from command_line import Runner
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedImageError
from pixcodec.images.files import read_image, write_image
from pixcodec.images.metadata import from_chunks, to_chunks

OpenEXR: Any = pytest.importorskip("OpenEXR")

Array = npt.NDArray[Any]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


def half(height: int, width: int, seed: int = 0) -> Array:
    """Return smooth samples with noise, and some numbers that are none."""
    rng = np.random.default_rng(seed)
    samples = (
        np.add.outer(np.arange(height), np.arange(width)) / 8 + rng.normal(0, 0.1, (height, width))
    ).astype("f2")
    samples.view("u2")[1, :4] = (0x7C01, 0xFE55, 0x8000, 0xFC00)  # two NaN, -0, -infinity
    return samples


def exr(channels: dict[str, Any], **header: Any) -> bytes:
    file = io.BytesIO()
    usual = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File({**usual, **header}, dict(channels)).write(file)  # it changes the mapping
    return file.getvalue()


def channels_of(data: bytes) -> dict[str, Array]:
    with OpenEXR.File(io.BytesIO(data), separate_channels=True) as file:
        return {name: np.array(channel.pixels) for name, channel in file.channels().items()}


def assert_same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name].view("u1"), np.ascontiguousarray(array).view("u1"), name)


LAYERS = {
    name: half(13, 17, k) for k, name in enumerate(("Z", "A", "B", "G", "R", "light.G", "light.B", "light.R"))
}
WINDOW = np.array([-3, 5], np.int32), np.array([13, 17], np.int32)


def test_bands_are_colours_first_layer_by_layer() -> None:
    found, info = read_image(exr(LAYERS))
    assert isinstance(found, np.ndarray)
    assert found.shape == (13, 17, 8)
    order = ("R", "G", "B", "A", "Z", "light.R", "light.G", "light.B")
    for k, name in enumerate(order):
        np.testing.assert_array_equal(found[:, :, k].view("u2"), LAYERS[name].view("u2"))
    assert set(info) == {"exr_header"}
    assert from_chunks(to_chunks(info)) == info


@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_a_file_comes_back_with_its_header(effort: str, tmp_path: Path, run: Runner) -> None:
    header = {"comments": "made", "dataWindow": WINDOW, "owner": "nobody", "pixelAspectRatio": 1.5}
    data = exr(LAYERS, **header, compression=OpenEXR.PIZ_COMPRESSION)
    source, packed, back = (tmp_path / name for name in ("a.exr", "a.pxc", "b.exr"))
    source.write_bytes(data)
    assert run("encode", "--effort", effort, source).status == 0
    assert "exr_header" in run("info", packed).out
    assert run("decode", packed, back).status == 0
    assert back.read_bytes() == data


def test_float16_beside_float32() -> None:
    every = np.arange(65536, dtype="u2").view("f2").reshape(256, 256)
    depth = np.linspace(0, 1, 65536, dtype="f4").reshape(256, 256)
    data = exr({"Y": every, "Z": depth})
    found, info = read_image(data)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    finite = np.isfinite(every)
    np.testing.assert_array_equal(found[:, :, 0][finite], every[finite])
    assert_same(channels_of(write_image(found, "exr", info)), {"Y": every, "Z": depth})
    changed = found.copy()
    changed[0, 0, 0] = 0.1  # no float16
    assert channels_of(write_image(changed, "exr", info))["Y"].dtype == np.float32


@pytest.mark.parametrize("dtype", ["u4", "f4"])
def test_one_channel(dtype: str) -> None:
    samples = np.arange(77).reshape(7, 11).astype(dtype) * 1000
    found, info = read_image(exr({"id": samples}))
    np.testing.assert_array_equal(found, samples)
    assert_same(channels_of(write_image(found, "exr", info)), {"id": samples})


@pytest.mark.parametrize("name", ["PXR24", "B44", "DWAA"])
def test_lossy_compression_is_not_repeated(name: str) -> None:
    data = exr(
        {"RGB": np.stack([half(40, 40, k) for k in range(3)], -1)},
        compression=getattr(OpenEXR, f"{name}_COMPRESSION"),
    )
    found, info = read_image(data)
    written = write_image(found, "exr", info)
    assert_same(channels_of(written), channels_of(data))
    with OpenEXR.File(io.BytesIO(written), header_only=True) as file:
        assert file.header()["compression"] == OpenEXR.ZIP_COMPRESSION


def test_a_region_has_windows_of_its_own(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "a.exr").write_bytes(exr(LAYERS, dataWindow=WINDOW, owner="nobody"))
    assert run("encode", "--effort", "fast", tmp_path / "a.exr").status == 0
    assert run("decode", "--region", "2,3,5,7", tmp_path / "a.pxc", tmp_path / "b.exr").status == 0
    part = channels_of((tmp_path / "b.exr").read_bytes())
    assert_same(part, {name: array[3:10, 2:7] for name, array in LAYERS.items()})
    with OpenEXR.File(str(tmp_path / "b.exr"), header_only=True) as file:
        assert np.array_equal(file.header()["displayWindow"], [(0, 0), (4, 6)])
        assert file.header()["owner"] == "nobody"


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_other_images_are_written(bands: int) -> None:
    array = np.stack([half(5, 6, k) for k in range(bands)], axis=-1)
    image = pixcodec.decode(pixcodec.encode(array, effort="fast"))
    data = write_image(image, "exr", {"exr_header": b"no header" if bands == 2 else b""})
    names = {1: ["Y"], 2: ["band00", "band01"]}.get(bands, list("RGBA"[:bands]))
    assert_same(channels_of(data), {name: array[:, :, k] for k, name in enumerate(names)})
    with pytest.raises(UnsupportedImageError, match=r"uint8 .* which an exr file cannot hold"):
        write_image(np.zeros((2, 2, 3), np.uint8), "exr")


def test_files_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = exr({"Y": half(8, 8)})
    for flag, message in ((0x800, "several depths"), (0x1000, "several parts")):
        version = struct.pack("<I", struct.unpack_from("<I", data, 4)[0] | flag)
        with pytest.raises(UnsupportedImageError, match=message):
            read_image(data[:4] + version + data[8:])
    with pytest.raises(UnsupportedImageError, match="floats and integers"):
        read_image(exr({"Y": half(9, 9), "id": np.zeros((9, 9), np.uint32)}))
    at = data.index(b"chlist") + len(b"chlist\0size") + len(b"Y\0type0000")  # xSampling
    with pytest.raises(UnsupportedImageError, match="several sizes"):
        read_image(data[:at] + b"\2\0\0\0\2" + data[at + 5 :])
    with pytest.raises(UnsupportedImageError, match="33 bands"):
        read_image(exr({f"c{k}": half(9, 9, k) for k in range(33)}))
    with pytest.raises(LimitExceededError, match="8x8, the limit is 63"):
        read_image(data, max_pixels=63)
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(UnsupportedImageError, match=r"pip install 'pixcodec\[exr\]'"):
        read_image(data)
    with pytest.raises(UnsupportedImageError, match=r"pip install 'pixcodec\[exr\]'"):
        write_image(half(9, 9), "exr")


def test_damaged_files(tmp_path: Path, run: Runner) -> None:
    data = exr(LAYERS)
    for size in (*range(5, 60), 300, 500, len(data) // 2, len(data) - 1):
        with pytest.raises(CorruptFileError):
            read_image(data[:size])
    at = data.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    for corner in ((0, 0, -5, 3), (0, 0, 2**31 - 1, 2**31 - 1), (-(2**31), 0, 2**31 - 1, 0)):
        with pytest.raises((CorruptFileError, LimitExceededError)):
            read_image(data[:at] + struct.pack("<4i", *corner) + data[at + 16 :])
    (tmp_path / "a.exr").write_bytes(data[:900])
    result = run("encode", tmp_path / "a.exr")
    assert (result.status, result.out) == (4, "")
    assert "a.exr: the OpenEXR file is damaged" in result.err.splitlines()[-1]  # the library says more
    assert not (tmp_path / "a.pxc").exists()
