"""The codec of zarr format 3: chunks of arrays as .pxc files."""

from __future__ import annotations

import json
import pickle
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

zarr = pytest.importorskip("zarr", "3.0")

import pixcodec  # noqa: E402
import samples  # noqa: E402
from pixcodec.plugins.zarr import Pixcodec  # noqa: E402

Array = npt.NDArray[Any]

PHOTO = samples.photo(3, 47, 61)
FAST = Pixcodec("fast")


def created(store: Any, pixels: Array, chunks: tuple[int, ...], **options: Any) -> Any:
    array = zarr.create_array(
        store,
        shape=pixels.shape,
        dtype=pixels.dtype,
        chunks=chunks,
        serializer=FAST,
        compressors=None,
        **options,
    )
    array[...] = pixels
    return array


@pytest.mark.parametrize("dtype", ["u1", "<u2", "bool"])
@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((40, 33), (16, 20)),
        ((40, 33, 3), (23, 17, 3)),
        ((40, 33, 4), (40, 33, 4)),
        ((5, 20, 17), (2, 12, 17)),
        ((2, 3, 20, 17), (1, 2, 20, 9)),
        ((2, 2, 21, 13, 2), (2, 1, 21, 13, 2)),
        ((1, 1), (1, 1)),
    ],
)
def test_arrays_survive(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str, tmp_path: Path) -> None:
    pixels = np.resize(PHOTO, shape).astype("u2")
    pixels = (pixels * 257 if dtype == "<u2" else pixels > 99 if dtype == "bool" else pixels).astype(dtype)
    created(tmp_path / "a", pixels, chunks)
    metadata = json.loads((tmp_path / "a" / "zarr.json").read_text())
    assert metadata["codecs"] == [{"name": "pixcodec", "configuration": {"effort": "fast"}}]
    again = zarr.open(tmp_path / "a", mode="r+")
    np.testing.assert_array_equal(again[...], pixels, strict=True)
    np.testing.assert_array_equal(again[0], pixels[0])
    again[:1] = pixels[-1:]
    pixels[:1] = pixels[-1:]
    np.testing.assert_array_equal(again[...], pixels)


def test_chunks_are_pxc_files(tmp_path: Path) -> None:
    created(tmp_path / "a", PHOTO[None], (1, *PHOTO.shape))
    (chunk,) = (path for path in (tmp_path / "a" / "c").rglob("*") if path.is_file())
    assert chunk.read_bytes() == pixcodec.encode(PHOTO, effort="fast")


def test_big_endian_arrays_survive() -> None:
    pixels = PHOTO[:, :, 0].astype(">u2") * 200
    found = created({}, pixels, (20, 30))[...]
    np.testing.assert_array_equal(found, pixels)


def test_arrays_in_fortran_order_survive() -> None:
    pixels = np.asfortranarray(PHOTO)
    np.testing.assert_array_equal(created({}, pixels, (20, 30, 3))[...], pixels)


def test_shards_survive(tmp_path: Path) -> None:
    pixels = PHOTO[:32, :48]
    created(tmp_path / "a", pixels, (16, 16, 3), shards=(32, 48, 3))
    again = zarr.open(tmp_path / "a", mode="r")
    np.testing.assert_array_equal(again[...], pixels)
    np.testing.assert_array_equal(again[17:20, 3:40], pixels[17:20, 3:40])
    assert len([path for path in (tmp_path / "a" / "c").rglob("*") if path.is_file()]) == 1


def test_compressors_may_follow(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a", data=PHOTO, chunks=PHOTO.shape, serializer=FAST)
    np.testing.assert_array_equal(array[...], PHOTO)


def test_a_missing_chunk_has_the_fill_value() -> None:
    array = zarr.create_array(
        {}, shape=(4, 6), chunks=(2, 3), dtype="u1", fill_value=7, serializer=FAST, compressors=None
    )
    array[:2, :3] = 1
    assert np.unique(array[...]).tolist() == [1, 7]


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((9,), "u1", r"shape \(1,\), expected \(\.\.\., H, W\)"),
        ((9, 9), "c8", "dtype complex64"),
    ],
)
def test_other_arrays_are_refused_before_they_are_created(
    shape: tuple[int, ...], dtype: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(pixcodec.UnsupportedImageError, match=message):
        zarr.create_array(tmp_path / "a", shape=shape, chunks=shape, dtype=dtype, serializer=FAST)
    assert not (tmp_path / "a" / "zarr.json").exists()


def test_damage_is_noticed(tmp_path: Path) -> None:
    created(tmp_path / "a", PHOTO, PHOTO.shape)
    (chunk,) = (path for path in (tmp_path / "a" / "c").rglob("*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(pixcodec.CorruptFileError, match="CRC"):
        zarr.open(tmp_path / "a", mode="r")[...]
    chunk.write_bytes(pixcodec.encode(PHOTO[:, :, 0], effort="fast"))
    with pytest.raises(
        pixcodec.CorruptFileError, match=r"shape \(47, 61\) .*expected the elements of a chunk"
    ):
        zarr.open(tmp_path / "a", mode="r")[...]


def test_metadata_survive() -> None:
    (found,) = entry_points(group="zarr.codecs", name="pixcodec")
    assert found.load() is Pixcodec
    assert Pixcodec.from_dict(json.loads(json.dumps(FAST.to_dict()))) == FAST
    assert Pixcodec.from_dict({"name": "pixcodec"}) == Pixcodec("normal")
    assert pickle.loads(pickle.dumps(FAST)) == FAST
    for data, message in (
        ({"name": "gzip"}, "codec is 'gzip'"),
        ({"name": "pixcodec", "configuration": {"effort": "slow"}}, "effort is 'slow'"),
        ({"name": "pixcodec", "configuration": {"level": 3}}, "no such setting: level"),
    ):
        with pytest.raises(ValueError, match=message):
            Pixcodec.from_dict(data)


def test_xarray_reads_and_writes(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    data = xarray.Dataset({"photo": (("y", "x", "band"), PHOTO)}, coords={"y": np.arange(47) * 0.5})
    encoding = {"photo": {"serializer": FAST, "compressors": None, "chunks": (20, 30, 3)}}
    data.to_zarr(tmp_path / "a", zarr_format=3, encoding=encoding, consolidated=False)
    again = xarray.open_zarr(tmp_path / "a", consolidated=False, chunks=None)
    xarray.testing.assert_identical(again.load(), data)


def test_dask_reads_and_writes(tmp_path: Path) -> None:
    dask_array = pytest.importorskip("dask.array")
    array = created(tmp_path / "a", np.zeros_like(PHOTO), (20, 30, 3))
    lazy = dask_array.from_array(PHOTO, chunks=(20, 30, 3))
    dask_array.store(255 - lazy, array)
    again = dask_array.from_zarr(str(tmp_path / "a"))
    np.testing.assert_array_equal((255 - again).compute(), PHOTO)
