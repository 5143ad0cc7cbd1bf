"""Images by blocks of an H-transform: the transform, whole files, the reference, and damage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pixcodec
import samples
from h_transform_files import h_transform_file, plate
from pixcodec.codec import header_of, salvage_picture
from pixcodec.container.container import Tile, TileKind, pack, parse
from pixcodec.container.header import FITTED_VERSION, WIDER_VERSION, Effort, Mode, pack_header, unpack_header
from pixcodec.container.layers import LayerKind, layers_of
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError
from pixcodec.explain.explanation import explain
from pixcodec.images.h_transform import inverse_in, transformed
from pixcodec.reference import decoder

SIZES = [(2, 2), (3, 2), (2, 3), (5, 7), (16, 9), (31, 40)]


@pytest.mark.parametrize("step", [4, 10, 726])
@pytest.mark.parametrize("size", SIZES)
def test_the_transform_is_undone(size, step):
    values = plate(*size, step)[:, :, None]
    found = transformed(values)
    assert found is not None or min(size) < 4  # too few blocks may have a step of all values
    if found:
        assert np.array_equal(inverse_in(found.table, 16)(found.pixels), values)


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 2**32))
def test_whatever_is_transformed_is_undone(height, width, seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 60000, (-(-height // 2), -(-width // 2)))
    values = np.repeat(np.repeat(coarse, 2, 0), 2, 1)[:height, :width]
    values = (values + 14 * rng.integers(0, 20, values.shape)).astype(np.uint16)[:, :, None]
    found = transformed(values)
    if found:
        assert np.array_equal(inverse_in(found.table, 16)(found.pixels), values)


def test_other_images_are_not_transformed():
    photo = samples.photo(1)[:, :, 0].astype(np.uint16)
    assert transformed((photo * 257)[:, :, None]) is None  # a table of values is better
    assert transformed(photo[:, :, None]) is None
    assert transformed(np.full((8, 8, 1), 77, np.uint16)) is None
    assert transformed(plate(1, 40)[:, :, None]) is None
    far = plate(40, 40)
    far[0, 1] += 1
    assert transformed(far[:, :, None]) is None
    wide = np.zeros((8, 8, 1), np.uint16)
    wide[2:4, 2:4], wide[4:6, 4:6, 0] = 3, [[0, 60000], [0, 0]]
    assert transformed(wide) is None or transformed(wide).bits <= 8


def test_a_difference_of_many_steps_is_not_transformed():
    values = plate(64, 64, step=10)
    values[6, 6:8] = [100, 100 + 10 * 300]
    values[7, 6:8] = [100, 100 + 10 * 300]
    assert transformed(values[:, :, None]) is None


@pytest.mark.parametrize("effort", ["normal", "max"])
def test_the_encoder_finds_it(effort):
    values = plate(97, 132)
    data = pixcodec.encode(values, effort=effort, verify=True)
    header = parse(data).header
    assert header.h_transform
    assert len(layers_of(header)) == 4
    assert np.array_equal(pixcodec.decode(data), values)
    assert len(data) < 0.9 * len(pixcodec.encode(plate(97, 132, step=1), effort=effort))
    region = pixcodec.decode(data, region=(31, 17, 50, 33))
    assert np.array_equal(region, values[17:50, 31:81])


@pytest.mark.parametrize("corner", [1, 2, 3])
@pytest.mark.parametrize("size", [(60, 71), (61, 70), (60, 70), (61, 71)])
def test_blocks_may_begin_before_the_image(size, corner):
    above, left = corner & 1, corner >> 1
    values = plate(size[0] + 2, size[1] + 2)[above:, left:][: size[0], : size[1]].copy()
    data = pixcodec.encode(values, verify=True)
    header = parse(data).header
    assert header.h_transform
    assert header.corner == corner
    assert np.array_equal(pixcodec.decode(data), values)
    assert np.array_equal(pixcodec.decode(data, region=(7, 9, 13, 20)), values[9:29, 7:20])
    coded = sum(len(tile.bitstream) for tile in parse(data).tiles)
    assert explain(data).bits.sum() / 8 == pytest.approx(coded, rel=0.03)


@pytest.mark.parametrize("corner", [1, 2, 3])
@pytest.mark.parametrize("size", [(9, 12), (10, 11)])
def test_the_reference_knows_corners(size, corner):
    above, left = corner & 1, corner >> 1
    values = plate(size[0] + 2, size[1] + 2, seed=8)[above:, left:][: size[0], : size[1]].copy()
    data = h_transform_file(values, corner=corner)
    assert np.array_equal(pixcodec.decode(data), values)
    assert np.array_equal(decoder.decode(data, [])[:, :, 0], values)


def test_effort_fast_has_none():
    assert not parse(pixcodec.encode(plate(60, 60), effort="fast")).header.h_transform


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("effort", ["normal", "max"])
@pytest.mark.parametrize("size", [(3, 4), (4, 3), (5, 7), (9, 12)])
def test_the_reference_decodes_it(size, effort, relative):
    values = plate(*size, seed=8)
    data = h_transform_file(values, effort, relative=relative)
    assert np.array_equal(pixcodec.decode(data), values)
    assert np.array_equal(decoder.decode(data, [])[:, :, 0], values)


def test_tiles_with_an_edge_of_one_row_or_column():
    values = plate(19, 19)
    data = h_transform_file(values, tile=6)
    container = parse(data)
    assert len(container.tiles) == 4 * 16
    assert [tile.bitstream for tile in container.tiles[-3:]] == [b""] * 3  # one pixel: its mean alone
    assert np.array_equal(pixcodec.decode(data), values)
    assert np.array_equal(decoder.decode(data, [])[:, :, 0], values)
    assert np.array_equal(pixcodec.decode(data, region=(5, 7, 9, 6)), values[7:13, 5:14])


def test_repeating_means_are_packed():
    values = plate(90, 90, repeats=True)
    data = h_transform_file(values)
    kinds = [tile.kind for tile in parse(data).tiles]
    assert kinds[0] is TileKind.PACKED
    assert TileKind.PACKED not in kinds[1:]
    assert np.array_equal(pixcodec.decode(data), values)
    assert np.array_equal(decoder.decode(data, [])[:, :, 0], values)


def test_what_it_takes_is_explained():
    values = plate(53, 61)
    for data in (h_transform_file(values), h_transform_file(plate(53, 61, repeats=True))):
        found = explain(data)
        assert found.bits.shape == (53, 61, 1)
        coded = sum(len(tile.bitstream) for tile in parse(data).tiles)
        assert found.bits.sum() / 8 == pytest.approx(coded, rel=0.03)
        assert set(found.layers) == {"residual", "index"}


def test_damage_stays_in_its_tile():
    values = plate(21, 19)
    container = parse(h_transform_file(values, tile=6))
    tiles = list(container.tiles)
    tiles[4 * 5] = replace(tiles[4 * 5], bitstream=tiles[4 * 5].bitstream + bytes(8))
    found = salvage_picture(pack(replace(container, tiles=tuple(tiles))), None, None, None)
    assert found.damaged == (TileBox(6, 6, 6, 6),)
    expected = values.copy()
    expected[6:12, 6:12] = 0
    assert np.array_equal(found.picture.pixels[:, :, 0], expected)


@settings(max_examples=60)
@given(st.binary(max_size=12))
def test_any_table_gives_pixels_or_a_clear_error(table):
    try:
        inverse = inverse_in(table, 12)
    except CorruptFileError:
        return
    pixels = inverse(np.arange(15, dtype=np.uint16).reshape(3, 5, 1))
    assert pixels.shape == (3, 5, 1)
    assert pixels.max() < 2**12


@pytest.mark.parametrize(
    "table", [b"", b"\x05", b"\x05\0\0", b"\x05\0\0\0\0", b"\0\0\0\0", b"\x81\x80\x08\0\0\0", b"\x05\0\0\x80"]
)
def test_a_wrong_table_is_refused(table):
    container = replace(parse(h_transform_file(plate(8, 8))), palette=table or b"\xff")
    with pytest.raises(CorruptFileError, match="PLTE"):
        pixcodec.decode(pack(container))


def test_headers():
    plain = header_of(Mode.GREY, 16, (8, 8), Effort.NORMAL)
    flags = {"interleaved": True, "residual": True, "index_bits": 5, "version": FITTED_VERSION}
    header = replace(plain, **flags)
    assert header.h_transform
    assert not header.indexed
    assert unpack_header(pack_header(header), "chunk 'HEAD'") == header
    assert not replace(header, mapped=True, index_bits=12).h_transform
    kinds = [(layer.kind, layer.place) for layer in layers_of(header)]
    index = LayerKind.INDEX
    assert kinds == [(LayerKind.RESIDUAL, (0, 0)), (index, (1, 0)), (index, (0, 1)), (index, (1, 1))]
    box = TileBox(0, 0, 5, 3)
    assert [layer.pixel_count(box) for layer in layers_of(header)] == [6, 3, 4, 2]
    assert unpack_header(pack_header(replace(header, corner=3)), "chunk 'HEAD'").corner == 3
    for wrong in (
        {"corner": 4},
        {"corner": 1, "index_bits": 0},
        {"version": WIDER_VERSION},
        {"tile_width": 7},
        {"tile_height": 9},
        {"index_bits": 9},
    ):
        with pytest.raises(ValueError, match=r"H-transform|bits|corner"):
            replace(header, **wrong)


def test_layers_without_pixels_are_raw_and_only_means_are_packed():
    container = parse(h_transform_file(plate(19, 19), tile=6))
    coded = Tile(TileKind.CODED, 3, b"\1\2\3\4")
    with pytest.raises(ValueError, match="has no pixels"):
        replace(container, tiles=(*container.tiles[:-1], coded))
    packed = Tile(TileKind.PACKED, 0, b"\0")
    with pytest.raises(ValueError, match="PACKED"):
        replace(container, tiles=(container.tiles[0], packed, *container.tiles[2:]))
    with pytest.raises(CorruptFileError):
        pixcodec.decode(pack(replace(container, tiles=(packed, *container.tiles[1:]))))
