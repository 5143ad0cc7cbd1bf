from __future__ import annotations

import json
import pickle
import struct
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

numcodecs = pytest.importorskip("numcodecs")

import pixcodec  # noqa: E402
import samples  # noqa: E402
from pixcodec.container.chunks import Chunk  # noqa: E402
from pixcodec.container.container import pack, parse  # noqa: E402
from pixcodec.plugins.numcodecs import SHAPE_CHUNK, Pixcodec  # noqa: E402

Array = npt.NDArray[np.uint8]

FAST = Pixcodec("fast")
RGB = samples.photo(3, 23, 17)
GREY = samples.photo(1, 23, 17)[:, :, 0]
STACK = np.stack([GREY, GREY[::-1], 255 - GREY])

ARRAYS = {
    "grey": GREY,
    "rgb": RGB,
    "one channel": GREY[:, :, None],
    "zarr chunk": GREY[None],
    "colour zarr chunk": RGB[None, None],
    "stack": STACK,
    "colour stack": np.stack([RGB, RGB[::-1]]),
    "channels first": np.ascontiguousarray(RGB.transpose(2, 0, 1)),
    "width 3": STACK[:, :, :3].copy(),
    "width 2": STACK[:, :, :2].copy(),
    "one pixel": GREY[:1, :1],
    "one row": GREY[:1],
    "one column": GREY[:, :1],
    "Fortran order": np.asfortranarray(GREY),
    "colour in Fortran order": np.asfortranarray(RGB),
    "stack in Fortran order": np.asfortranarray(STACK),
    "strided": RGB[::2, ::-1],
    "alpha": np.dstack([RGB, GREY]),
    "alpha stack": np.stack([np.dstack([RGB, GREY])] * 2),
    "16 bits": RGB * np.uint16(257),
    "16-bit stack": np.stack([GREY, GREY]).astype("<u2") + 12345,
    "floats": GREY.astype("<f4") / 7,
    "stack of 5 bands with a sign": np.stack([np.stack([GREY] * 5, 2)] * 2).astype("<i2") - 300,
    "16-bit stack in Fortran order": np.asfortranarray(np.stack([GREY, GREY]).astype("<u2") + 12345),
    "bilevel": GREY > 99,
    "bilevel stack": STACK[:, :, :3] > 99,
}
PLAIN = (
    "grey",
    "floats",
    "rgb",
    "width 3",
    "width 2",
    "one pixel",
    "one row",
    "one column",
    "strided",
    "alpha",
    "16 bits",
    "bilevel",
)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_survive_with_their_shape(name: str) -> None:
    array = ARRAYS[name]
    data = FAST.encode(array)
    found = FAST.decode(data)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array, strict=True)
    assert (len(parse(data).ancillary) == 0) == (name in PLAIN)


@pytest.mark.parametrize("name", [name for name in ARRAYS if name != "strided"])
def test_memory_survives(name: str) -> None:
    """As zarr and numcodecs read an array: flat, as it lies in memory."""
    array = ARRAYS[name]
    data = FAST.encode(array)
    flat = array.reshape(-1, order="A")
    np.testing.assert_array_equal(FAST.decode(data).reshape(-1, order="A"), flat)
    out = np.zeros_like(array)
    assert FAST.decode(data, out) is out
    np.testing.assert_array_equal(out, array)
    out = np.zeros(array.size, array.dtype)
    FAST.decode(data, out=out)
    np.testing.assert_array_equal(out, flat)
    buffer = bytearray(array.nbytes)
    FAST.decode(data, out=buffer)
    assert buffer == flat.tobytes()


def test_results_are_pxc_files() -> None:
    assert FAST.encode(RGB) == pixcodec.encode(RGB, effort="fast")
    np.testing.assert_array_equal(pixcodec.decode(FAST.encode(RGB[None])), RGB)
    np.testing.assert_array_equal(pixcodec.decode(FAST.encode(STACK)), STACK.reshape(-1, 17))
    np.testing.assert_array_equal(FAST.decode(pixcodec.encode(RGB, effort="fast")), RGB)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_can_be_decoded(kind: Any) -> None:
    np.testing.assert_array_equal(FAST.decode(kind(FAST.encode(GREY))), GREY)


def test_an_out_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        FAST.decode(FAST.encode(GREY), out=np.zeros(5, np.uint8))


def test_the_effort_counts() -> None:
    array = samples.photo(1, 9, 8)[:, :, 0]
    assert Pixcodec().encode(array) == pixcodec.encode(array, effort="normal")
    with pytest.raises(ValueError, match="effort is 'slow', expected one of"):
        Pixcodec("slow")


def test_the_entry_point_is_declared() -> None:
    (found,) = entry_points(group="numcodecs.codecs", name="pixcodec")
    assert found.load() is Pixcodec


def test_the_configuration_survives() -> None:
    codec = numcodecs.get_codec({"id": "pixcodec", "effort": "max"})
    assert isinstance(codec, Pixcodec)
    config = json.loads(json.dumps(codec.get_config()))
    assert config == {"id": "pixcodec", "effort": "max"}
    assert numcodecs.get_codec(config) == codec
    assert numcodecs.get_codec({"id": "pixcodec"}) == Pixcodec("normal")
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert repr(codec) == "Pixcodec(effort='max')"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GREY[0], r"shape \(17,\), expected \(\.\.\., H, W\) or"),
        (GREY.tobytes(), r"pixcodec as the first codec"),
        (GREY[:0], "at least one pixel"),
        (GREY.astype("f8"), "dtype float64"),
        (GREY.astype(">u2"), r"dtype >u2, expected little-endian: use array.astype\('<u2'\)"),
        (GREY.astype(">f4"), r"dtype >f4, expected little-endian: use array.astype\('<f4'\)"),
    ],
)
def test_other_arrays_are_refused(array: Any, message: str) -> None:
    with pytest.raises(pixcodec.UnsupportedImageError, match=message):
        FAST.encode(array)


def test_damage_is_noticed() -> None:
    data = bytearray(FAST.encode(GREY))
    data[-30] ^= 1
    with pytest.raises(pixcodec.CorruptFileError, match="CRC"):
        FAST.decode(data)
    with pytest.raises(pixcodec.NotPixcodecError):
        FAST.decode(b"something else")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "payload is 0 bytes"),
        (b"\0", "payload is 1 bytes"),
        (bytes(7), "payload is 7 bytes"),
        (struct.pack("<BII", 0, 23, 18), r"shape is \(23, 18\), expected 391 elements"),
        (struct.pack("<B65I", 0, *[1] * 64, 391), "shape is"),
    ],
)
def test_a_wrong_shape_in_the_file_is_refused(payload: bytes, message: str) -> None:
    container = parse(FAST.encode(GREY))
    data = pack(replace(container, ancillary=(Chunk(SHAPE_CHUNK, payload),)))
    with pytest.raises(pixcodec.CorruptFileError, match=message):
        FAST.decode(data)
    np.testing.assert_array_equal(pixcodec.decode(data), GREY)


def test_an_order_of_a_newer_format_is_refused() -> None:
    container = parse(FAST.encode(GREY))
    shape = Chunk(SHAPE_CHUNK, struct.pack("<BII", 2, 23, 17))
    with pytest.raises(pixcodec.UnsupportedVersionError, match="order is 2"):
        FAST.decode(pack(replace(container, ancillary=(shape,))))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((40, 33), (16, 20)),
        ((40, 33, 3), (23, 17, 3)),
        ((3, 20, 17), (1, 20, 17)),
        ((5, 20, 17), (2, 12, 17)),
    ],
)
def test_zarr_arrays_survive(
    shape: tuple[int, ...], chunks: tuple[int, ...], order: str, tmp_path: Path
) -> None:
    zarr = pytest.importorskip("zarr")
    version = {} if zarr.__version__.startswith("2.") else {"zarr_format": 2}
    pixels = np.resize(samples.photo(3, 47, 61), shape)
    array = zarr.create(
        shape, chunks=chunks, dtype="u1", compressor=FAST, order=order, store=str(tmp_path / "a"), **version
    )
    array[...] = pixels
    array[1:3, 5:11] = 7
    pixels[1:3, 5:11] = 7
    metadata = json.loads((tmp_path / "a" / ".zarray").read_text())
    assert metadata["compressor"] == FAST.get_config()
    assert metadata["order"] == order
    again = zarr.open(str(tmp_path / "a"), mode="r")
    np.testing.assert_array_equal(again[...], pixels)
    np.testing.assert_array_equal(again[1:, 3:14], pixels[1:, 3:14])
    np.testing.assert_array_equal(again[0], pixels[0])
