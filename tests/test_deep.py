"""Images of floats, wide integers and many bands; Pillow's other modes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import pixcodec
import samples
from pixcodec.container.container import pack, parse
from pixcodec.container.deep import Deep, Meaning, SampleKind
from pixcodec.container.header import Effort, Header, Mode, pack_header, unpack_header
from pixcodec.container.layers import layers_of
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    PixcodecError,
    UnsupportedImageError,
    UnsupportedVersionError,
)
from pixcodec.explain.explanation import explain
from pixcodec.images.deep import coded
from pixcodec.images.files import read_image, write_image
from pixcodec.images.sample_maps import ListMap, SampleMap, SampleType, pack_maps, unpack_maps
from pixcodec.reference import decoder

Array = npt.NDArray[Any]

FLOATS = SampleType(SampleKind.FLOAT, 32)
TYPES = ("i1", "i2", "i4", "u4", "f2", "f4")


def surface(height: int = 13, width: int = 17) -> npt.NDArray[np.float64]:
    """Return something like heights in metres."""
    y, x = np.mgrid[0:height, 0:width]
    rough = np.random.default_rng(4).normal(0, 1, (height, width))
    return np.sin(x / 9) * 50 + np.cos(y / 7) * 80 + 500 + rough


def odd_floats() -> npt.NDArray[np.float32]:
    """Return floats with -0, infinities, payloads of NaN, denormals and a mark of missing data."""
    heights = surface().astype("f4")
    heights[3, 4], heights[6, 1], heights[6, 2] = -0.0, np.inf, -np.inf
    heights[4] = -9999
    heights.view("u4")[9, :4] = 0x7FC12345, 0xFFC00001, 0x00000001, 0x7F800001
    return heights


RASTERS: dict[str, Array] = {
    "float32": surface().astype("f4"),
    "odd floats": odd_floats(),
    "tenths": np.round(surface(), 1).astype("f4"),
    "float16": surface().astype("f2"),
    "int32": (surface() * 3e6).astype("i4"),
    "uint32": (surface() * 5e6).astype("u4"),
    "int16": (surface() * 20 - 9000).astype("i2"),
    "int8": (surface() / 9 - 40).astype("i1"),
    "labels": (surface() // 40 * 1000003).astype("u4"),
    "7 bands": np.stack([surface(7, 11) * k for k in range(1, 8)], 2).astype("u2"),
    "4 bands of floats": np.stack([surface(9, 11) * k for k in range(1, 5)], 2).astype("f4"),
    "32 bands of bytes": np.repeat((surface()[:5, :6, None] / 4).astype("u1"), 32, 2),
    "one pixel": np.full((1, 1), np.nan, "f4"),
    "one row": surface(1, 40).astype("f4"),
}


def same(array: Array, other: Array) -> bool:
    return array.dtype == other.dtype and array.shape == other.shape and array.tobytes() == other.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("effort", ["fast", "normal"])
@pytest.mark.parametrize("name", RASTERS)
def test_rasters_come_back_bit_for_bit_by_the_text_too(name: str, effort: str) -> None:
    array = RASTERS[name]
    data = pixcodec.encode(array, effort=effort, verify=True)
    assert same(pixcodec.decode(data), array)
    assert decoder.decode(data, []).tobytes() == array.tobytes()
    info = pixcodec.read_info(data)
    assert (info.format_version, info.mode, info.bit_depth) == (8, "deep", 8 * array.itemsize)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(TYPES).flatmap(
        lambda kind: hnp.arrays(f"u{kind[1]}", hnp.array_shapes(min_dims=2, max_dims=3, max_side=9)).map(
            lambda bits: bits.view(kind)
        )
    )
)
def test_any_samples_come_back(array: Array) -> None:
    decoded = pixcodec.decode(pixcodec.encode(array, effort="fast"))
    assert decoded.dtype == array.dtype
    assert decoded.tobytes() == array.tobytes()


def test_byte_order_and_layout_of_an_array_do_not_matter() -> None:
    array = surface().astype(">f4").T
    assert np.array_equal(pixcodec.decode(pixcodec.encode(array, effort="fast")), array)


def test_a_region_of_many_tiles_is_decoded_alone() -> None:
    array = np.zeros((600, 7), "f4") + np.arange(600, dtype="f4")[:, None] / 3
    data = pixcodec.encode(array, effort="fast")
    assert pixcodec.read_info(data).tile_count > 1
    assert same(pixcodec.decode(data, region=(2, 250, 3, 20)), array[250:270, 2:5])


def test_what_has_no_32_bits_or_too_many_bands_is_refused() -> None:
    for array, message in (
        (surface(), "dtype float64"),
        (surface().astype("i8"), "dtype int64"),
        (surface().astype("c8"), "dtype complex64"),
        (np.zeros((2, 2, 33), "f4"), "C = 1..32"),
        (np.zeros((0, 2), "f4"), "at least one pixel"),
    ):
        with pytest.raises(UnsupportedImageError, match=message):
            pixcodec.encode(array)
    with pytest.raises(UnsupportedImageError, match="effort research"):
        pixcodec.encode(surface().astype("f4"), effort="research")


def test_bytes_of_samples_are_limited_before_they_are_decoded() -> None:
    data = pixcodec.encode(np.zeros((10, 10, 32), "f4"), effort="fast")
    with pytest.raises(LimitExceededError, match="12800 bytes of samples, the limit is 800"):
        pixcodec.decode(data, max_pixels=100)
    assert pixcodec.decode(data, max_pixels=1600).shape == (10, 10, 32)


# Maps


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.arange(50, 90), SampleMap(1, 1, 50)),
        (np.arange(50, 90) / 10, SampleMap(1, 10, 50)),
        (np.arange(50, 90) * 5, SampleMap(5, 1, 50)),
        (np.arange(0, 255) / 255, SampleMap(1, 255, 0)),
        (np.r_[-9999, np.arange(50, 90) / 8], SampleMap(1, 8, 50, (0xC61C3C00,))),
    ],
)
def test_lattices_become_small_integers(values: Array, expected: SampleMap) -> None:
    raster = np.tile(values.astype("f4"), (3, 1))[:, :, None]
    found = coded(raster.view("u4"), FLOATS)
    assert found.maps == [expected]
    assert found.bits <= 9


def test_few_samples_become_a_list() -> None:
    few = np.random.default_rng(3).normal(0, 1, 200).astype("f4")
    raster = np.random.default_rng(4).choice(few, (100, 100))
    found = coded(raster.view("u4")[:, :, None], FLOATS)
    assert isinstance(found.maps[0], ListMap)
    assert found.bits == 8


def test_maps_are_read_as_they_were_written() -> None:
    maps = [SampleMap(3, 0, 5, (1, 2)), SampleMap(3, 0, 5, (1, 2)), SampleMap(7, 10, -6)]
    maps_read, rest = unpack_maps(pack_maps([*maps], FLOATS) + b"xy", 3, FLOATS)
    assert (maps_read, rest) == (maps, b"xy")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([SampleType(k, n) for k in SampleKind for n in (16, 32)]))
def test_hostile_maps_raise_only_our_errors(payload: bytes, sample: SampleType) -> None:
    try:
        maps, _ = unpack_maps(payload, 2, sample)
        for each in maps:
            each.samples(np.array([[0, 1], [5, 2**32 - 1]], np.int64), sample)
    except PixcodecError:
        pass


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "maps of 0 bands"),
        (b"\x03", "first band has no map"),
        (b"\x01\x01\x00\x00\x00", "ratio is 1 / 0"),
        (b"\x00\x20\x00\x00", "shift is 32"),
        (b"\x00\x00\x00\x02abcd", "within the exceptions"),
        (b"\x02\x01\x05abcde", "zlib|incorrect header"),
    ],
)
def test_damaged_maps_are_reported(payload: bytes, message: str) -> None:
    with pytest.raises(CorruptFileError, match=message):
        unpack_maps(payload, 1, FLOATS)
    with pytest.raises(UnsupportedVersionError, match="method is 4"):
        unpack_maps(b"\x04", 1, FLOATS)


# HEAD


def header(**changes: Any) -> Header:
    given = {
        "bit_depth": 32,
        "index_bits": 20,
        "mapped": True,
        "version": 8,
        "deep": Deep(5, SampleKind.FLOAT),
    }
    return Header(9, 8, Mode.DEEP, Effort.NORMAL, 9, 8, b"", **{**given, **changes})


def test_the_header_is_read_as_it_was_written() -> None:
    assert unpack_header(pack_header(header()), "HEAD") == header()
    kinds = [(layer.kind.name, layer.first, layer.channels, layer.bits) for layer in layers_of(header())]
    assert kinds == [("WIDE", 0, 3, 8), ("LOW", 0, 3, 4), ("WIDE", 3, 2, 8), ("LOW", 3, 2, 4)]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 6},
        {"deep": None},
        {"deep": Deep(0)},
        {"deep": Deep(33)},
        {"deep": Deep(3, SampleKind.FLOAT), "bit_depth": 8},
        {"deep": Deep(3, SampleKind.SIGNED, Meaning.LAB), "bit_depth": 8},
        {"deep": Deep(4, meaning=Meaning.LAB), "bit_depth": 8},
        {"index_bits": 0},
        {"index_bits": 33},
        {"mapped": False},
        {"graphics": True},
        {"interleaved": True},
        {"model_id": bytes(8)},
        {"bit_depth": 12},
    ],
)
def test_a_header_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        header(**changes)


def test_unknown_kinds_and_meanings_need_a_newer_decoder() -> None:
    data = pack_header(header())
    for end, message in (
        (b"\x05\x03\x00", "kind of samples is 3"),
        (b"\x05\x00\x07", "meaning of the bands is 7"),
    ):
        with pytest.raises(UnsupportedVersionError, match=message):
            unpack_header(data[:-3] + end, "HEAD")
    with pytest.raises(CorruptFileError):
        unpack_header(data[:-1], "HEAD")
    with pytest.raises(UnsupportedVersionError, match="mode is 7"):
        unpack_header(struct.pack("<H", 6) + data[2:], "HEAD")


def test_damage_never_passes() -> None:
    data = bytearray(pixcodec.encode(odd_floats(), effort="fast"))
    for at in range(0, len(data), 7):
        damaged = bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with pytest.raises(PixcodecError):
            pixcodec.decode(damaged)


def test_other_maps_or_trailing_bytes_do_not_pass() -> None:
    container = parse(pixcodec.encode(np.arange(12, dtype="f4").reshape(3, 4), effort="fast"))
    for table in (container.palette + b"x", b"\x00\x00\x00\x00", b"\x01\x01\x01\x00\x00"):
        changed = pack(type(container)(**{**vars(container), "palette": table}))
        try:
            assert np.array_equal(pixcodec.decode(changed), np.arange(12, dtype="f4").reshape(3, 4))
            assert table == container.palette
        except CorruptFileError:
            pass


# Pillow


def pil_images() -> dict[str, Image.Image]:
    photo = Image.fromarray(samples.photo(3))
    grey = photo.convert("L")
    with_alpha = photo.convert("RGBA")
    with_alpha.putalpha(grey)
    palette_alpha = photo.quantize(32).convert("PA")
    palette_alpha.putalpha(grey)
    return {
        "I": Image.fromarray((np.asarray(grey).astype("i4") - 70) * 100_003),
        "F": Image.fromarray(np.asarray(grey).astype("f4") / 7),
        "LAB": Image.frombytes("LAB", photo.size, photo.tobytes()),
        "YCbCr": photo.convert("YCbCr"),
        "HSV": photo.convert("HSV"),
        "La": with_alpha.convert("LA").convert("La"),
        "RGBa": with_alpha.convert("RGBa"),
        "PA": palette_alpha,
    }


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["I", "F", "LAB", "YCbCr", "HSV", "La", "RGBa", "PA"])
def test_modes_of_pillow_are_kept_as_they_are(mode: str) -> None:
    image = pil_images()[mode]
    assert image.mode == mode
    image.info["dpi"] = (72, 72)
    data = pixcodec.encode(image, effort="fast", verify=True)
    decoded = pixcodec.decode_image(data)
    assert isinstance(decoded, Image.Image)
    assert (decoded.mode, decoded.size, decoded.tobytes()) == (mode, image.size, image.tobytes())
    assert decoded.info == {"dpi": (72.0, 72.0)}
    if mode == "PA":
        assert decoded.getpalette("RGB") == image.getpalette("RGB")


# Files


@pytest.mark.parametrize("name", ["float32", "odd floats", "int16", "uint32", "7 bands", "4 bands of floats"])
def test_npy_files_hold_all_samples(name: str) -> None:
    found = read_image(write_image(RASTERS[name], "npy")).image
    assert isinstance(found, np.ndarray)
    assert same(found, RASTERS[name])


@pytest.mark.parametrize("name", ["float32", "odd floats", "int16", "uint32", "7 bands", "4 bands of floats"])
def test_tiff_files_hold_all_samples(name: str) -> None:
    pytest.importorskip("tifffile")
    image = RASTERS[name]
    found = read_image(write_image(image, "tif")).image
    assert same(np.asarray(found), image)


def test_pillow_writes_floats_to_tiff() -> None:
    image = pil_images()["F"]
    found = read_image(write_image(image, "tif")).image
    assert same(np.asarray(found), np.asarray(image))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [1, 3])
def test_pfm_files(order: str, bands: int) -> None:
    array = np.stack([odd_floats()] * bands, 2) if bands > 1 else odd_floats()
    sign = "-" if order == "<" else ""
    start = f"{'PF' if bands > 1 else 'Pf'}\n17 13\n{sign}1.0\n".encode()
    data = start + array[::-1].astype(f"{order}f4").tobytes()
    found = read_image(data).image
    assert isinstance(found, np.ndarray)
    assert same(found, array)
    if order == "<":
        assert write_image(found, "pfm") == data


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"PF\n3 3\n-1\nabc", CorruptFileError, "3 bytes of samples, expected 108"),
        (b"Pf\nx", CorruptFileError, "PFM file is damaged"),
        (b"Pf\n0 0\n-1\n", CorruptFileError, "expected 0"),
        (b"Pf\n99999 99999\n-1\n", LimitExceededError, "99999x99999"),
        (b"\x93NUMPY\x01\x00", CorruptFileError, "npy"),
        (b"\x93NUMPY\x09\x00", UnsupportedImageError, "npy"),
    ],
)
def test_damaged_rasters_are_refused(data: bytes, error: type[PixcodecError], message: str) -> None:
    with pytest.raises(error, match=message):
        read_image(data, max_pixels=10**6)


def test_npy_files_that_are_no_images_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[None]], object), allow_pickle=True)
    np.save(tmp_path / "b.npy", np.zeros(5))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(UnsupportedImageError, match=r"expected \(H, W\)"):
            read_image((tmp_path / name).read_bytes())
    whole = write_image(surface().astype("f4"), "npy")
    with pytest.raises(CorruptFileError, match="bytes of samples"):
        read_image(whole[:-1])
    with pytest.raises(LimitExceededError, match="17x13"):
        read_image(whole, max_pixels=100)


def test_formats_that_cannot_hold_samples_say_so() -> None:
    with pytest.raises(UnsupportedImageError, match="pfm file cannot hold"):
        write_image(RASTERS["int32"], "pfm")
    with pytest.raises(UnsupportedImageError, match="palette"):
        write_image(pil_images()["PA"], "npy")
    with pytest.raises(UnsupportedImageError, match="float32"):
        write_image(RASTERS["float32"], "png")


def test_an_explanation_counts_the_bits_of_every_band() -> None:
    data = pixcodec.encode(RASTERS["4 bands of floats"], effort="fast")
    found = explain(data)
    assert len(found.channels) == 4
    assert found.bits.shape == (9, 11, 4)
