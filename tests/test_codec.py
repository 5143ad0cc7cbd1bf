"""Encode and decode: every pixel comes back, every damage is noticed, every bit is accounted for."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pixcodec
import samples
from pixcodec.batch import atomic
from pixcodec.codec import SLOPE
from pixcodec.container.container import TileKind, pack, parse
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    ModelMismatchError,
    PixcodecError,
    UnsupportedImageError,
)
from pixcodec.network.distribution import frequencies
from pixcodec.network.integer_net import run_image
from pixcodec.network.model_files import load_model, shipped_model

pytestmark = pytest.mark.usefixtures("no_packed_layers")

EFFORTS = ("fast", "normal", "max")
ORDERS = ("wavefront", "raster")
# Of a file of one tile of up to 127 pixels a side: magic, HEAD, TILE and DONE.
OVERHEAD_BYTES = 8 + (12 + 20) + (12 + 1) + (12 + 8)


def squeezed(pixels: samples.Pixels) -> samples.Pixels:
    """Return an image as `decode` does: (H, W) for grey."""
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


def tall_photo(height: int, width: int, channels: int) -> samples.Pixels:
    """Return a photograph repeated downwards; more than 256 rows make several tiles."""
    photo = samples.photo(channels, 47, width, number=5)
    return np.concatenate([photo] * -(-height // 47))[:height]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (7, 1), (3, 5), (47, 61)])
def test_a_photo_comes_back(height: int, width: int, effort: str, channels: int) -> None:
    image = squeezed(samples.photo(channels, height, width))
    decoded = pixcodec.decode(pixcodec.encode(image, effort=effort))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, image)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize(("height", "width"), [(1, 7), (7, 1), (5, 2), (11, 17)])
def test_a_photo_comes_back_from_raster_order(height: int, width: int, effort: str, channels: int) -> None:
    image = squeezed(samples.photo(channels, height, width, number=5))
    data = pixcodec.encode(image, effort=effort, order="raster")
    slopes = {tile.slope for tile in parse(data).tiles if tile.kind is TileKind.CODED}
    assert slopes <= {max(width, 5 if effort == "max" else 3)}
    np.testing.assert_array_equal(pixcodec.decode(data), image)


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
def test_a_larger_photo_comes_back_and_shrinks(effort: str) -> None:
    image = samples.large_photo()
    data = pixcodec.encode(image, effort=effort)
    assert len(data) < 0.6 * image.size
    np.testing.assert_array_equal(pixcodec.decode(data), image)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    kind=st.sampled_from(sorted(samples.KINDS)),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    effort=st.sampled_from(EFFORTS),
    order=st.sampled_from(ORDERS),
)
def test_generated_images_come_back(
    kind: str, height: int, width: int, channels: int, effort: str, order: str
) -> None:
    image = squeezed(samples.KINDS[kind](height, width, channels))
    data = pixcodec.encode(image, effort=effort, order=order)
    assert len(data) <= image.size + OVERHEAD_BYTES
    np.testing.assert_array_equal(pixcodec.decode(data), image)


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.data())
def test_any_pixels_come_back(height: int, width: int, channels: int, data: st.DataObject) -> None:
    size = height * width * channels
    values = data.draw(st.binary(min_size=size, max_size=size))
    image = squeezed(np.frombuffer(values, np.uint8).reshape(height, width, channels))
    for effort in EFFORTS:
        np.testing.assert_array_equal(pixcodec.decode(pixcodec.encode(image, effort=effort)), image)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("effort", EFFORTS)
def test_threads_never_change_the_bytes(effort: str, channels: int) -> None:
    image = squeezed(tall_photo(1030, 3, channels))
    data = pixcodec.encode(image, effort=effort, threads=1)
    assert len(parse(data).tiles) > 1
    for threads in (4,) if effort == "max" else (2, 4):
        assert pixcodec.encode(image, effort=effort, threads=threads) == data
        np.testing.assert_array_equal(pixcodec.decode(data, threads=threads), image)


def test_a_large_image_has_several_tiles() -> None:
    tiles = parse(pixcodec.encode(tall_photo(1030, 9, 3), effort="fast")).tiles
    assert len(tiles) == 5  # of one layer
    assert all(tile.kind is TileKind.CODED for tile in tiles)


@pytest.mark.usefixtures("version_6")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_is_as_large_as_the_cross_entropy_says(channels: int, order: str) -> None:
    image = tall_photo(300, 21, channels)
    data = pixcodec.encode(image, effort="fast", order=order)
    container = parse(data)
    model = shipped_model(channels)
    assert len(container.tiles) == 2
    for tile, box in zip(container.tiles, container.header.grid, strict=True):
        pixels = image[box.slices]
        expected_bits = 0.0
        for channel, mixture in enumerate(run_image(model, pixels)):
            symbols = pixels[:, :, channel].reshape(-1).astype(np.int32)
            expected_bits -= float(np.log2(frequencies(model, mixture, symbols) / 2**24).sum())
        real_bits = 8 * len(tile.bitstream)
        assert abs(real_bits - expected_bits) <= 0.001 * expected_bits + 64


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("effort", EFFORTS)
def test_noise_is_stored_raw(effort: str, channels: int) -> None:
    image = squeezed(samples.noise(40, 50, channels))
    data = pixcodec.encode(image, effort=effort)
    assert {tile.kind for tile in parse(data).tiles} == {TileKind.RAW}
    assert len(data) == image.size + OVERHEAD_BYTES
    np.testing.assert_array_equal(pixcodec.decode(data), image)


PHOTO = samples.photo(3, 20, 24)


@pytest.mark.parametrize(
    "image",
    [
        PHOTO[::-1],
        PHOTO[:, ::-2],
        PHOTO[:, :, ::-1],
        PHOTO[3:11, 5:18],
        PHOTO.transpose(1, 0, 2),
        np.asfortranarray(PHOTO),
        PHOTO[:, :, 1],
        PHOTO[:, :, 1:2],
    ],
    ids=["rows", "columns", "channels", "window", "transposed", "fortran", "grey view", "grey 3-d view"],
)
def test_arrays_need_not_be_contiguous(image: samples.Pixels) -> None:
    assert pixcodec.encode(image) == pixcodec.encode(image.copy("C"))
    np.testing.assert_array_equal(pixcodec.decode(pixcodec.encode(image)), np.squeeze(image))


def test_a_read_only_array_is_encoded_and_left_alone() -> None:
    image = PHOTO.copy()
    image.flags.writeable = False
    pixcodec.encode(image)
    np.testing.assert_array_equal(image, PHOTO)


@pytest.mark.parametrize("pixels", [PHOTO, PHOTO[:, :, 0].copy()], ids=["RGB", "L"])
def test_a_pil_image_is_encoded_as_its_array(pixels: samples.Pixels) -> None:
    assert pixcodec.encode(Image.fromarray(pixels)) == pixcodec.encode(pixels)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_decode(kind: Any) -> None:
    np.testing.assert_array_equal(pixcodec.decode(kind(pixcodec.encode(PHOTO))), PHOTO)


def test_verify_changes_no_byte() -> None:
    assert pixcodec.encode(PHOTO, verify=True) == pixcodec.encode(PHOTO)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", ["rgb", "grey"])
def test_another_model_serves_both_ways(name: str, effort: str) -> None:
    path = samples.GOLDEN / f"{name}.safetensors"
    image = PHOTO if name == "rgb" else PHOTO[:, :, 1]
    data = pixcodec.encode(image, effort=effort, model=path)
    assert parse(data).tiles[0].kind is TileKind.CODED
    assert pixcodec.encode(image, effort=effort, model=load_model(path)) == data
    np.testing.assert_array_equal(pixcodec.decode(data, model=str(path)), image)


def test_a_file_of_another_model_is_refused_with_both_ids() -> None:
    model = load_model(samples.GOLDEN / "rgb.safetensors")
    data = pixcodec.encode(PHOTO, model=model)
    with pytest.raises(
        ModelMismatchError, match=f"model {model.model_id[:8].hex()};.*{shipped_model(3).model_id.hex()}"
    ):
        pixcodec.decode(data)


def test_the_shipped_model_is_found_beside_one_that_was_given() -> None:
    data = pixcodec.encode(PHOTO)
    np.testing.assert_array_equal(pixcodec.decode(data, model=samples.GOLDEN / "rgb.safetensors"), PHOTO)


@pytest.mark.parametrize(("image", "name"), [(PHOTO, "grey"), (PHOTO[:, :, 0], "rgb")])
def test_a_model_for_other_channels_is_refused(image: samples.Pixels, name: str) -> None:
    path = samples.GOLDEN / f"{name}.safetensors"
    with pytest.raises(ModelMismatchError, match="channels"):
        pixcodec.encode(image, model=path)
    with pytest.raises(ModelMismatchError, match="channels"):
        pixcodec.decode(pixcodec.encode(image), model=path)


def test_a_raw_file_needs_no_model() -> None:
    image = samples.noise(9, 9, 3)
    data = pixcodec.encode(image, model=samples.GOLDEN / "rgb.safetensors")
    np.testing.assert_array_equal(pixcodec.decode(data), image)


SMALL = samples.photo(3, 9, 13)


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_a_file_is_noticed(bit: int) -> None:
    data = bytearray(pixcodec.encode(SMALL, effort="fast"))
    for at in range(len(data)):
        data[at] ^= 1 << bit
        with pytest.raises(PixcodecError):
            pixcodec.decode(data)
        data[at] ^= 1 << bit


def test_every_truncated_file_is_noticed() -> None:
    data = pixcodec.encode(SMALL, effort="fast")
    for size in range(len(data)):
        with pytest.raises(PixcodecError):
            pixcodec.decode(data[:size])


def with_bitstream(data: bytes, bitstream: bytes) -> bytes:
    """Return a file with another bitstream in its only tile, all CRCs correct."""
    container = parse(data)
    return pack(replace(container, tiles=(replace(container.tiles[0], bitstream=bitstream),)))


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
def test_a_damaged_bitstream_with_a_correct_crc_is_noticed(effort: str) -> None:
    data = pixcodec.encode(SMALL, effort=effort)
    bitstream = bytearray(parse(data).tiles[0].bitstream)
    messages = set()
    for bit in range(0, 8 * len(bitstream) - 64, 11):
        bitstream[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptFileError) as caught:
            pixcodec.decode(with_bitstream(data, bytes(bitstream)))
        messages.add(str(caught.value).split(" is ")[0])
        bitstream[bit // 8] ^= 1 << bit % 8
    assert "hash of the decoded pixels" in messages


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
def test_the_last_words_of_a_bitstream_never_yield_other_pixels(effort: str) -> None:
    data = pixcodec.encode(SMALL, effort=effort)
    bitstream = bytearray(parse(data).tiles[0].bitstream)
    for bit in range(8 * len(bitstream) - 64, 8 * len(bitstream)):
        bitstream[bit // 8] ^= 1 << bit % 8
        try:  # the last bits may mean nothing
            decoded = pixcodec.decode(with_bitstream(data, bytes(bitstream)))
        except CorruptFileError:
            pass
        else:
            np.testing.assert_array_equal(decoded, SMALL)
        bitstream[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("extra", [b"\0", b"\0" * 8, b"\xff" * 8, b"\1\0\0\0" * 3])
def test_a_longer_bitstream_is_noticed(extra: bytes) -> None:
    data = pixcodec.encode(SMALL, effort="fast")
    with pytest.raises(CorruptFileError, match="bitstream"):
        pixcodec.decode(with_bitstream(data, parse(data).tiles[0].bitstream + extra))


@pytest.mark.parametrize("size", [0, 3, 4, 20])
def test_a_shorter_bitstream_is_noticed(size: int) -> None:
    data = pixcodec.encode(SMALL, effort="fast")
    with pytest.raises(CorruptFileError):
        pixcodec.decode(with_bitstream(data, parse(data).tiles[0].bitstream[:size]))


def with_slope(data: bytes, slope: int) -> bytes:
    """Return a file with another slope in its only tile."""
    container = parse(data)
    return pack(replace(container, tiles=(replace(container.tiles[0], slope=slope),)))


@pytest.mark.parametrize(("slope", "effort"), [(1, "normal"), (2, "normal"), (4, "max")])
def test_a_slope_without_causality_is_refused(slope: int, effort: str) -> None:
    data = with_slope(pixcodec.encode(SMALL, effort=effort), slope)
    with pytest.raises(
        CorruptFileError, match=f"slope is {slope}, expected at least {5 if slope == 4 else 3}"
    ):
        pixcodec.decode(data)


def test_a_slope_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(LimitExceededError, match="slope 1048576"):
        pixcodec.decode(with_slope(pixcodec.encode(SMALL), 2**20))


def test_another_slope_decodes_to_other_pixels() -> None:
    data = pixcodec.encode(SMALL)
    assert parse(data).tiles[0].slope == SLOPE
    with pytest.raises(CorruptFileError):
        pixcodec.decode(with_slope(data, SLOPE + 1))


def test_an_image_above_max_pixels_is_refused() -> None:
    data = pixcodec.encode(SMALL)
    np.testing.assert_array_equal(pixcodec.decode(data, max_pixels=9 * 13), SMALL)
    with pytest.raises(LimitExceededError, match="limit is 116 pixels"):
        pixcodec.decode(data, max_pixels=9 * 13 - 1)


@pytest.mark.parametrize("options", [{"effort": "slow"}, {"order": "zigzag"}, {"threads": 0}])
def test_a_wrong_option_is_named(options: dict[str, Any]) -> None:
    (value,) = options.values()
    with pytest.raises(ValueError, match=repr(value)):
        pixcodec.encode(SMALL, **options)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["photo", "noise"])
def test_progress_rises_to_one(kind: str, threads: int) -> None:
    image = tall_photo(300, 9, 3) if kind == "photo" else samples.noise(300, 9, 3)
    encoding: list[float] = []
    decoding: list[float] = []
    data = pixcodec.encode(image, threads=threads, progress=encoding.append)
    pixcodec.decode(data, threads=threads, progress=decoding.append)
    for seen in (encoding, decoding):
        assert seen[-1] == 1.0
        assert seen == sorted(seen)


def test_an_error_in_progress_reaches_the_caller() -> None:
    def stop(fraction: float) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        pixcodec.encode(tall_photo(300, 9, 3), threads=2, progress=stop)


def test_save_and_open(tmp_path: Path) -> None:
    path = tmp_path / "image.pxc"
    pixcodec.save(path, SMALL, effort="fast")
    assert path.read_bytes() == pixcodec.encode(SMALL, effort="fast")
    np.testing.assert_array_equal(pixcodec.open(path), SMALL)
    assert os.listdir(tmp_path) == ["image.pxc"]


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.pxc"
    path.write_bytes(b"old")
    with pytest.raises(UnsupportedImageError):
        pixcodec.save(path, SMALL.astype(np.complex64))

    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(atomic.os, "replace", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        pixcodec.save(path, SMALL)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["image.pxc"]


@pytest.mark.slow
def test_kernels_need_no_blas() -> None:
    # numba finds BLAS by scipy alone. A second thread of BLAS would make coding many times slower.
    code = """
import sys
sys.modules["scipy"] = None
import numpy, pixcodec.codec
pixcodec.codec.encode(numpy.zeros((4, 4, 3), numpy.uint8), effort="fast")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
