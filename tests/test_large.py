"""Images that are larger than memory: arrays that are read and written in part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pixcodec
import samples
from pixcodec.batch import large
from pixcodec.container.container import parse

pytestmark = pytest.mark.usefixtures("no_packed_layers")

Array = npt.NDArray[Any]


class Part:
    """An array that only gives parts of itself, and remembers the largest."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.most = 0

    def __getitem__(self, key: Any) -> Array:
        part = self._array[key]
        self.most = max(self.most, part.size)
        return part

    def __setitem__(self, key: Any, value: Array) -> None:
        self._array[key] = value


def photo(height: int, width: int, channels: int = 3) -> Array:
    return np.resize(samples.photo(3, 47, 61), (height, width, channels)).astype(np.uint8)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixcodec.codec.MAX_TILE_SIDE", 40)
    monkeypatch.setattr("pixcodec.codec.FAST_TILE_HEIGHT", 24)
    monkeypatch.setattr(large, "_SURVEY_ROWS", 20)
    monkeypatch.setattr(large, "_SURVEY_SAMPLES", 3000)
    monkeypatch.setattr(large, "SAMPLE", 16)


IMAGES = {
    "rgb": photo(90, 101),
    "grey": photo(90, 101)[:, :, 1],
    "one channel": photo(90, 101)[:, :, 1:2],
    "rgba": photo(90, 101, 4),
    "grey and alpha": photo(90, 101, 2),
    "bilevel": photo(90, 101)[:, :, 0] > 120,
    "16 bits": photo(90, 101)[:, :, 0].astype("u2") * 257 + 3,
    "16-bit rgb": photo(90, 101).astype("u2") * 201 + photo(101, 90).reshape(90, 101, 3)[::-1],
    "few values": (photo(90, 101)[:, :, 0].astype("u2") // 4) * 640 + 12,
    "12 bits": photo(90, 101)[:, :, 0].astype("u2") * 16 + photo(90, 101)[:, :, 1] % 16,
    "big endian": photo(90, 101)[:, :, 0].astype(">u2") * 99,
    "narrow": photo(200, 3),
    "low": photo(3, 200),
    "one pixel": photo(1, 1),
}


@pytest.mark.parametrize("name", IMAGES)
def test_images_survive(name: str, small_tiles: None, tmp_path: Path) -> None:
    image, path = IMAGES[name], tmp_path / "a.pxc"
    source = Part(image)
    pixcodec.encode_large(source, path, effort="fast", threads=1)
    assert image.size < 2000 or source.most < image.size
    found = pixcodec.decode_large(path, threads=1)
    expected = image[:, :, 0] if name == "one channel" else image
    np.testing.assert_array_equal(found, expected)
    # It is an ordinary file.
    np.testing.assert_array_equal(pixcodec.decode(path.read_bytes()), expected)
    target = Part(np.zeros(expected.shape, expected.dtype.newbyteorder("=")))
    assert pixcodec.decode_large(path, target, threads=1) is None
    np.testing.assert_array_equal(target._array, expected)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("effort", ["fast", pytest.param("normal", marks=pytest.mark.slow)])
def test_the_bytes_are_those_of_encode(effort: str, small_tiles: None, tmp_path: Path) -> None:
    for image in (IMAGES["rgb"], IMAGES["12 bits"]):
        for threads in (1, 3):
            pixcodec.encode_large(image, tmp_path / "a.pxc", effort=effort, threads=threads)
            data = (tmp_path / "a.pxc").read_bytes()
            assert data == pixcodec.encode(image, effort=effort)


def test_a_table_of_values_is_used(small_tiles: None, tmp_path: Path) -> None:
    pixcodec.encode_large(IMAGES["few values"], tmp_path / "a.pxc", effort="fast")
    assert parse((tmp_path / "a.pxc").read_bytes()).header.mapped


DEEP = {
    "whole metres": IMAGES["grey"].astype(np.float32) - 40,
    "centimetres": (IMAGES["grey"] / 100).astype(np.float32),
    "floats": np.sqrt(IMAGES["grey"].astype(np.float32)),
    "float16": IMAGES["rgb"].astype(np.float16) / np.float16(4),
    "multiples": IMAGES["grey"].astype(np.int32) * 800 - 90000,
    "uint32": IMAGES["grey"].astype(np.uint32) * 16000000 + 3,
    "int8": IMAGES["grey"].astype(np.int8),
    "bands": np.repeat(IMAGES["rgb"], 4, 2),
    "big endian": IMAGES["grey"].astype(">i2"),
    "not a number": np.full((90, 101), np.nan, np.float32),
}


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("odd", [False, True], ids=["all alike", "with others"])
def test_deep_images_survive(name: str, odd: bool, small_tiles: None, tmp_path: Path) -> None:
    """Others are samples outside of the part by which the map is chosen, which it does not fit."""
    image, path = DEEP[name].copy(), tmp_path / "a.pxc"
    if odd and image.dtype.kind == "f":
        others = np.array([-np.nan, -0.0, np.inf, 1e-6]).astype(image.dtype)
        image[20:24, 20] = others[:, None] if image.ndim > 2 else others
    elif odd:
        image[20, 20], image[21, 20] = np.iinfo(image.dtype).max, np.iinfo(image.dtype).min
    source = Part(image)
    pixcodec.encode_large(source, path, effort="fast", threads=1)
    assert source.most < image.size
    expected = image.astype(image.dtype.newbyteorder("="))
    for found in (pixcodec.decode_large(path, threads=1), pixcodec.decode(path.read_bytes())):
        assert found is not None
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.tobytes() == expected.tobytes()
    if not odd:
        assert path.stat().st_size <= 1.01 * len(pixcodec.encode(image, effort="fast")) + 20


def test_more_exceptions_than_a_map_has(small_tiles: None, tmp_path: Path) -> None:
    image = (np.arange(90 * 101).reshape(90, 101) // 7 / 4).astype(np.float32)
    image[16:29, 16:46] = np.sqrt(image[16:29, 16:46])
    pixcodec.encode_large(image, tmp_path / "a.pxc", effort="fast")
    np.testing.assert_array_equal(pixcodec.decode((tmp_path / "a.pxc").read_bytes()), image)


def test_metadata_are_kept(tmp_path: Path) -> None:
    info = {"dpi": (300.0, 300.0), "text": {"Title": "a"}}
    pixcodec.encode_large(photo(9, 8), tmp_path / "a.pxc", effort="fast", info=info)
    found = pixcodec.decode_image((tmp_path / "a.pxc").read_bytes())
    assert found.info["dpi"] == (300.0, 300.0)
    assert found.info["Title"] == "a"


@pytest.mark.parametrize("region", [(0, 0, 101, 90), (13, 25, 7, 9), (100, 89, 1, 1), (0, 23, 101, 2)])
def test_regions(region: tuple[int, int, int, int], small_tiles: None, tmp_path: Path) -> None:
    x, y, width, height = region
    expected = IMAGES["rgb"][y : y + height, x : x + width]
    pixcodec.encode_large(IMAGES["rgb"], tmp_path / "a.pxc", effort="fast")
    np.testing.assert_array_equal(pixcodec.decode_large(tmp_path / "a.pxc", region=region), expected)
    target = np.zeros(expected.shape, np.uint8)
    pixcodec.decode_large(tmp_path / "a.pxc", target, region=region)
    np.testing.assert_array_equal(target, expected)


def test_progress_goes_to_the_end(small_tiles: None, tmp_path: Path) -> None:
    seen: list[float] = []
    pixcodec.encode_large(IMAGES["rgb"], tmp_path / "a.pxc", effort="fast", threads=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    seen.clear()
    pixcodec.decode_large(tmp_path / "a.pxc", threads=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_memory_maps(small_tiles: None, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES["rgb"])
    pixcodec.encode_large(np.load(tmp_path / "a.npy", mmap_mode="r"), tmp_path / "a.pxc", effort="fast")
    target = np.lib.format.open_memmap(tmp_path / "b.npy", "w+", np.uint8, IMAGES["rgb"].shape)
    pixcodec.decode_large(tmp_path / "a.pxc", target)
    target.flush()
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()


def test_zarr_arrays(small_tiles: None, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", "3.0")
    source = zarr.create_array({}, data=IMAGES["16-bit rgb"], chunks=(33, 50, 3))
    pixcodec.encode_large(source, tmp_path / "a.pxc", effort="fast")
    target = zarr.create_array({}, shape=source.shape, dtype="u2", chunks=(24, 101, 3))
    pixcodec.decode_large(tmp_path / "a.pxc", target)
    np.testing.assert_array_equal(target[...], IMAGES["16-bit rgb"])


@pytest.mark.parametrize(
    ("array", "options", "error", "message"),
    [
        (np.zeros(9, np.uint8), {}, pixcodec.UnsupportedImageError, r"shape \(9,\), expected \(H, W\)"),
        (np.zeros((0, 9), np.uint8), {}, pixcodec.UnsupportedImageError, "a pixel at least"),
        (np.zeros((9, 9), "c8"), {}, pixcodec.UnsupportedImageError, "dtype complex64"),
        (photo(9, 9), {"max_pixels": 80}, pixcodec.LimitExceededError, "the limit is 80 pixels"),
        (photo(9, 9), {"effort": "slow"}, ValueError, "effort is 'slow'"),
        (photo(9, 9), {"effort": "research"}, pixcodec.UnsupportedImageError, "choose another effort"),
    ],
)
def test_what_is_refused(
    array: Array, options: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        pixcodec.encode_large(array, tmp_path / "a.pxc", **{"effort": "fast", **options})
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_if_the_source_fails(small_tiles: None, tmp_path: Path) -> None:
    class Failing(Part):
        def __getitem__(self, key: Any) -> Array:
            if isinstance(key, slice) and key.start > 40:
                raise OSError("disk error")
            return super().__getitem__(key)

    (tmp_path / "a.pxc").write_bytes(b"before")
    with pytest.raises(OSError, match="disk error"):
        pixcodec.encode_large(Failing(IMAGES["rgb"]), tmp_path / "a.pxc", effort="fast", threads=1)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_a_source_that_changes_is_noticed(small_tiles: None, tmp_path: Path) -> None:
    class Changing(Part):
        reads = 0

        def __getitem__(self, key: Any) -> Array:
            self.reads += isinstance(key, slice) and key.start == 0
            return super().__getitem__(key) ^ (self.reads > 1)

    with pytest.raises(pixcodec.PixcodecError, match="decodes to another one"):
        pixcodec.encode_large(Changing(IMAGES["rgb"]), tmp_path / "a.pxc", effort="fast", threads=1)
    assert not list(tmp_path.iterdir())


def test_wrong_targets_and_regions(small_tiles: None, tmp_path: Path) -> None:
    path = tmp_path / "a.pxc"
    pixcodec.encode_large(IMAGES["rgb"], path, effort="fast")
    with pytest.raises(ValueError, match=r"target has shape \(90, 101\), expected \(90, 101, 3\)"):
        pixcodec.decode_large(path, np.zeros((90, 101), np.uint8))
    with pytest.raises(ValueError, match="region is"):
        pixcodec.decode_large(path, region=(90, 90, 20, 20))
    with pytest.raises(pixcodec.LimitExceededError):
        pixcodec.decode_large(path, max_pixels=9000)
    path.write_bytes(b"")
    with pytest.raises(pixcodec.CorruptFileError, match="empty"):
        pixcodec.decode_large(path)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "int16", "float16"])
def test_targets_of_a_narrower_type(dtype: str, tmp_path: Path) -> None:
    image = samples.noise(9, 10, 1)[:, :, 0].astype(np.uint16) * 257
    pixcodec.encode_large(image, tmp_path / "a.pxc", effort="fast")
    target = np.zeros(image.shape, dtype)
    with pytest.raises(ValueError, match=f"target has dtype {dtype}, expected uint16 or one that holds"):
        pixcodec.decode_large(tmp_path / "a.pxc", target)
    assert not target.any()
    wide = np.zeros(image.shape, np.float32)
    pixcodec.decode_large(tmp_path / "a.pxc", wide)
    np.testing.assert_array_equal(wide, image)


@pytest.mark.parametrize("threads", [0, -1])
def test_too_few_threads(threads: int, tmp_path: Path) -> None:
    image = samples.noise(9, 10, 1)[:, :, 0]
    with pytest.raises(ValueError, match=f"threads is {threads}, expected at least 1"):
        pixcodec.encode_large(image, tmp_path / "a.pxc", threads=threads, verify=False)
    assert not (tmp_path / "a.pxc").exists()
    pixcodec.encode_large(image, tmp_path / "a.pxc", effort="fast")
    with pytest.raises(ValueError, match=f"threads is {threads}, expected at least 1"):
        pixcodec.decode_large(tmp_path / "a.pxc", threads=threads)


def test_the_model_may_be_a_path(tmp_path: Path) -> None:
    image, model = samples.photo(3, 40, 50), samples.GOLDEN / "rgb.safetensors"
    pixcodec.encode_large(image, tmp_path / "a.pxc", effort="fast", model=model)
    np.testing.assert_array_equal(pixcodec.decode_large(tmp_path / "a.pxc", model=model), image)


def test_kept_jpeg_files_are_refused(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.fromarray(photo(20, 30)).save(file, "JPEG")
    (tmp_path / "a.pxc").write_bytes(pixcodec.encode(file.getvalue(), effort="fast"))
    with pytest.raises(pixcodec.UnsupportedImageError, match="decode it as a whole"):
        pixcodec.decode_large(tmp_path / "a.pxc")


def test_damage_is_noticed_as_in_any_file(small_tiles: None, tmp_path: Path) -> None:
    path = tmp_path / "a.pxc"
    pixcodec.encode_large(IMAGES["few values"], path, effort="fast", info={"text": {"a": "b"}})
    data = path.read_bytes()
    rng = np.random.default_rng(5)
    for at in [*range(0, 90, 3), *rng.integers(90, len(data), 40)]:
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(pixcodec.PixcodecError) as large_error:
            pixcodec.decode_large(path, threads=1)
        with pytest.raises(type(large_error.value)):
            pixcodec.decode(bytes(damaged), threads=1)
    for size in range(8, len(data), 37):
        path.write_bytes(data[:size])
        with pytest.raises(pixcodec.PixcodecError):
            pixcodec.decode_large(path, threads=1)
    path.write_bytes(data + b"x")
    with pytest.raises(pixcodec.CorruptFileError, match="after chunk 'DONE'"):
        pixcodec.decode_large(path)
