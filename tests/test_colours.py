"""Tables of colours and of values: they come back, in few bytes, and damage is noticed."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import samples
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedVersionError
from pixcodec.images.colours import (
    MAX_COLOURS,
    look_up,
    pack_colours,
    pack_values,
    table_of,
    unpack_colours,
    unpack_values,
    values_of,
)

SEEDS = st.integers(0, 2**32 - 1)
DEPTHS = st.sampled_from([8, 16])


def some_colours(count: int, channels: int, bit_depth: int, seed: int = 0) -> npt.NDArray[Any]:
    dtype = np.uint16 if bit_depth > 8 else np.uint8
    return np.random.default_rng(seed).integers(0, 1 << bit_depth, (count, channels), dtype)


def ramp(channels: int, bit_depth: int) -> npt.NDArray[Any]:
    step = 257 if bit_depth > 8 else 1
    dtype = np.uint16 if bit_depth > 8 else np.uint8
    return np.repeat(step * np.arange(256)[:, None], channels, 1).astype(dtype)


@given(st.integers(0, MAX_COLOURS), st.integers(1, 4), DEPTHS, SEEDS, st.booleans())
def test_colours_come_back(count: int, channels: int, bit_depth: int, seed: int, smooth: bool) -> None:
    colours = some_colours(count, channels, bit_depth, seed)
    if smooth:
        colours = ramp(channels, bit_depth)[:count]
    payload = pack_colours(colours)
    assert len(payload) <= 1 + colours.nbytes
    found = unpack_colours(payload, channels, bit_depth)
    assert found.dtype == colours.dtype
    np.testing.assert_array_equal(found, colours)


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_each_method_is_chosen_where_it_is_smallest(bit_depth: int) -> None:
    few, even = some_colours(3, 3, bit_depth), ramp(3, bit_depth)
    repeated = np.tile(some_colours(16, 3, bit_depth), (16, 1))
    payloads = [pack_colours(colours) for colours in (few, repeated, even)]
    assert [payload[0] for payload in payloads] == [0, 1, 2]
    assert len(payloads[2]) < 30
    assert payloads[0][1:] == few.astype(few.dtype.newbyteorder("<")).tobytes()


def test_steps_are_those_from_colour_to_colour() -> None:
    steps = bytes([250, 10, 246]) + bytes([1, 1, 1])  # of the first channel, then of the second
    payload = bytes([2]) + zlib.compress(steps)
    assert unpack_colours(payload, 2, 8).tolist() == [[250, 1], [4, 2], [250, 3]]


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"\4abc", UnsupportedVersionError),
        (b"\3\1\1", UnsupportedVersionError),  # evenly spaced values are no colours
        (b"\0abcd", CorruptFileError),
        (b"\0" + bytes(3 * 257), CorruptFileError),
        (b"\1", CorruptFileError),
        (b"\1no zlib", CorruptFileError),
        (b"\1" + zlib.compress(bytes(6))[:-1], CorruptFileError),
        (b"\1" + zlib.compress(bytes(6)) + b"\0", CorruptFileError),
        (b"\1" + zlib.compress(bytes(7)), CorruptFileError),
        (b"\2" + zlib.compress(bytes(7)), CorruptFileError),
        (b"\1" + zlib.compress(bytes(3 * 257)), CorruptFileError),
        (b"\2" + zlib.compress(bytes(2**20)), CorruptFileError),
    ],
)
def test_damaged_colours_are_noticed(payload: bytes, error: type[PixcodecError]) -> None:
    with pytest.raises(error, match="chunk 'PLTE'"):
        unpack_colours(payload, 3, 8)


@given(st.binary(min_size=1, max_size=60), st.integers(1, 4), st.integers(1, 16))
def test_garbage_raises_nothing_but_our_errors(payload: bytes, channels: int, bit_depth: int) -> None:
    for method in (payload[:1], b"\0", b"\1", b"\2", b"\3"):
        try:
            colours = unpack_colours(method + payload[1:], channels, bit_depth)
            assert colours.shape[1] == channels
        except PixcodecError:
            pass
        try:
            values = unpack_values(method + payload[1:], bit_depth)
            assert values.ndim == 1
        except PixcodecError:
            pass


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), DEPTHS, st.integers(1, 40), SEEDS)
def test_an_image_of_few_colours_is_a_table_of_indices(
    height: int, width: int, channels: int, bit_depth: int, count: int, seed: int
) -> None:
    colours = some_colours(count, channels, bit_depth, seed)
    chosen = np.random.default_rng(seed).integers(0, count, (height, width))
    image = colours[chosen]
    table = table_of(image)
    assert table is not None
    assert len(np.unique(table.colours, axis=0)) == len(table.colours) <= count
    assert set(np.unique(table.indices)) == set(range(len(table.colours)))
    assert table.indices.shape == (height, width, 1)
    np.testing.assert_array_equal(look_up(table.colours, table.indices), image)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_256_colours_fit_and_no_more(channels: int, bit_depth: int) -> None:
    image = ramp(channels, bit_depth)[None]
    table = table_of(image)
    assert table is not None
    np.testing.assert_array_equal(table.colours, ramp(channels, bit_depth))  # grey is sorted by brightness
    if (channels, bit_depth) == (1, 8):
        return
    more = np.concatenate([image, image], 1)
    more[0, -1, -1] -= 1  # of the last pixel
    assert table_of(more) is None
    more[0, -1, -1] += 1
    assert table_of(more) is not None


def test_the_colours_of_the_last_row_count() -> None:
    image = np.zeros((600, 20, 3), np.uint8)
    image[599, :, 0] = np.arange(20)
    table = table_of(image)
    assert table is not None
    assert len(table.colours) == 20
    image[300:] = samples.noise(300, 20, 3)
    assert table_of(image) is None


def test_colours_are_sorted_by_brightness_and_transparent_ones_are_together() -> None:
    colours = some_colours(60, 4, 8)
    colours[:, 3] = 255 * (np.arange(60) % 2)
    table = table_of(colours[None])
    assert table is not None
    found = table.colours.astype(int)
    assert (np.diff(found[:, 3]) >= 0).all()
    luma = found[:, :3] @ [3, 6, 1]
    assert (np.diff(luma)[np.diff(found[:, 3]) == 0] >= 0).all()


def test_an_index_beyond_the_table_is_noticed() -> None:
    colours = some_colours(3, 3, 8)
    indices = np.array([[[0], [3]]], np.uint8)
    with pytest.raises(CorruptFileError, match="index 3 is beyond the 3 colours"):
        look_up(colours, indices)
    with pytest.raises(CorruptFileError, match="index 3 is beyond"):
        look_up(colours[:, 0], indices)
    with pytest.raises(CorruptFileError, match="index 3 is beyond the 0 colours"):
        look_up(colours[:0], indices)


def images_of_values(kind: str, seed: int = 0) -> npt.NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    if kind == "even":
        return 257 * rng.integers(0, 256, (9, 11, 3), np.uint16)
    if kind == "even from a value on":
        return 1000 + 64 * rng.integers(0, 500, (9, 11, 1), np.uint16)
    if kind == "almost even":
        return 16 * rng.choice(np.arange(7, 4000, 1).astype(np.uint16), (40, 50, 1))
    if kind == "gaps":
        return rng.choice(rng.integers(0, 65536, 100, np.uint16), (9, 11, 3))
    if kind == "one value":
        return np.full((3, 4, 2), 4711, np.uint16)
    if kind == "two values":
        return np.where(rng.random((5, 6, 1)) < 0.5, 65535, 7).astype(np.uint16)
    return rng.integers(0, 65536, (9, 11, 3), np.uint16)


KINDS = ("even", "even from a value on", "almost even", "gaps", "one value", "two values", "noise")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_values_come_back(kind: str, seed: int) -> None:
    image = images_of_values(kind, seed)
    values = values_of(image)
    assert values.dtype == image.dtype
    assert (np.diff(values.astype(int)) > 0).all()
    assert np.isin(image, values).all()
    assert len(values) <= 4 * len(np.unique(image))
    payload = pack_values(values)
    found = unpack_values(payload, 16)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[: len(values)], values)
    indices = np.searchsorted(values, image)
    np.testing.assert_array_equal(look_up(found, indices), image)


def test_evenly_spaced_values_take_a_few_bytes() -> None:
    assert pack_values(values_of(images_of_values("even"))) == b"\3\0\x81\2"
    assert pack_values(values_of(images_of_values("one value"))) == b"\3\xe7\x24\1"
    payload = pack_values(values_of(images_of_values("almost even")))
    assert payload[0] == 3
    assert len(payload) <= 6
    assert pack_values(values_of(images_of_values("gaps")))[0] != 3


def test_values_of_eight_bits_come_back() -> None:
    values = np.array([3, 4, 100, 255], np.uint8)
    found = unpack_values(pack_values(values), 8)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\3", "within a number"),
        (b"\3\1", "within a number"),
        (b"\3\1\x80", "within a number"),
        (b"\3\x81\0\1", "longer than it has to be"),
        (b"\3\1\0", "in steps of 0"),
        (b"\3\1\1\1", "values from 1 in steps of 1"),
        (b"\3\x80\2\1", "values from 256"),
        (b"\3\0\x80\2", "in steps of 256"),
    ],
)
def test_damaged_values_are_noticed(payload: bytes, message: str) -> None:
    with pytest.raises(CorruptFileError, match=message):
        unpack_values(payload, 8)


def test_values_may_be_many() -> None:
    values = np.unique(some_colours(30000, 1, 16))
    payload = pack_values(values)
    np.testing.assert_array_equal(unpack_values(payload, 16), values)
    with pytest.raises(CorruptFileError, match="chunk 'PLTE'"):
        unpack_values(b"\1" + zlib.compress(bytes(2 * 65537)), 16)
