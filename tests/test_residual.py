"""Layers RESIDUAL: against the reference, in whole files, and what a damaged file gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bit_by_bit
import pixcodec
from pixcodec import reference
from pixcodec.codec import header_of
from pixcodec.coding.layer import encode_layer
from pixcodec.coding.manners import manner_to_encode
from pixcodec.coding.residual_layer import new_residual_layer
from pixcodec.coding.threads import ALONE
from pixcodec.container.container import TileKind, pack, parse
from pixcodec.container.header import (
    FITTED_VERSION,
    WIDER_VERSION,
    Effort,
    Header,
    Mode,
    pack_header,
    unpack_header,
)
from pixcodec.container.layers import LayerKind, layers_of
from pixcodec.errors import CorruptFileError, LimitExceededError
from pixcodec.images.picture import Picture
from pixcodec.images.ways import best_ways, ways_of
from pixcodec.mixing.state import Extent
from residual_files import residual_file, scene


def planes_of(values, low_bits):
    return np.stack([values >> low_bits, values & (2**low_bits - 1)], 2).astype(np.uint8)


def compare(values, low_bits, slope, **ways):
    planes = planes_of(values, low_bits)
    size = Extent(*planes.shape, slope)
    coder = reference.ResidualLayer(low_bits, planes.shape, slope, **ways)
    return bit_by_bit.compare(
        lambda known: new_residual_layer(low_bits, size, **ways, planes=known), planes, coder
    )


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("low_bits", range(1, 9))
def test_every_bit_is_that_of_the_reference(low_bits, relative):
    compare(scene(6, 8, 8 + low_bits), low_bits, 3, relative=relative, steady=low_bits % 2 == 0)


@pytest.mark.parametrize(("height", "width", "slope"), [(1, 1, 3), (1, 9, 3), (8, 1, 4), (6, 5, 5)])
def test_sizes_and_slopes(height, width, slope):
    compare(scene(height, width, 13), 5, slope, relative=True)


@pytest.mark.slow
def test_sure_and_left_nibbles():
    values = np.full((13, 16), 5000, np.uint16)
    values[7::4, 5::6] = 300
    assert {"sure", "left", "open"} <= compare(values, 6, 3, relative=False)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([2, 300, 65536]),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_any_values_come_back(height, width, levels, relative, seed):
    values = np.random.default_rng(seed).integers(0, levels, (height, width)).astype(np.uint16)
    values[values == levels - 1] = 65535
    np.testing.assert_array_equal(pixcodec.decode(residual_file(values, relative=relative)), values)


@pytest.mark.parametrize("effort", ["normal", "max"])
@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("steady", [False, True])
def test_a_file_is_what_the_reference_decodes(effort, relative, steady):
    values = scene(8, 9, 16)
    data = residual_file(values, effort, relative=relative, steady=steady)
    assert parse(data).header.version == (FITTED_VERSION if steady else WIDER_VERSION)
    assert any(tile.kind is TileKind.CODED for tile in parse(data).tiles)
    np.testing.assert_array_equal(reference.decode(data, [])[:, :, 0], values)
    np.testing.assert_array_equal(pixcodec.decode(data), values)


def test_threads_and_the_order_do_not_matter():
    values = scene(40, 50, 14)
    data = residual_file(values)
    assert np.array_equal(pixcodec.decode(data, threads=2), values)
    assert np.array_equal(pixcodec.decode(residual_file(values, order=100)), values)


@pytest.mark.usefixtures("no_packed_layers")
def test_a_depth_map_is_coded_as_residuals():
    y, x = np.mgrid[:61, :83]
    noise = np.random.default_rng(1).normal(0, 2, y.shape)
    depth = (800000 / (130 + y + x / 5) + noise).astype(np.uint16)
    data = pixcodec.encode(depth, verify=True)
    header = parse(data).header
    assert header.residual
    assert header.version == FITTED_VERSION
    assert layers_of(header)[0].kind is LayerKind.RESIDUAL
    np.testing.assert_array_equal(pixcodec.decode(data), depth)


@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_which_ways_have_residuals(effort):
    header = header_of(Mode.GREY, 16, (9, 9), Effort[effort.upper()])
    ways = ways_of(header, Picture(Mode.GREY, 16, scene(9, 9, 16)[:, :, None]))
    assert any(way.header.residual for way in ways) == (effort == "normal")


def _header(**changes):
    sides = dict.fromkeys(("width", "height", "tile_width", "tile_height"), 9)
    fields = {"mode": Mode.GREY, "effort": Effort.NORMAL, "model_id": b"", "bit_depth": 16}
    flags = {"interleaved": True, "residual": True, "version": WIDER_VERSION}
    return Header(**(sides | fields | flags | changes))


def test_the_header_keeps_the_flag():
    for version in (WIDER_VERSION, FITTED_VERSION):
        header = _header(graphics=True, version=version, effort=Effort.MAX)
        assert unpack_header(pack_header(header), "HEAD") == header


def test_version_9_has_nothing_else_of_version_8():
    with pytest.raises(ValueError, match="format version 9 has no packed layers"):
        replace(_header(), residual=False, interleaved=False, packed=True, version=FITTED_VERSION)
    with pytest.raises(ValueError, match="format version 9 has no images of such an effort"):
        replace(_header(), residual=False, effort=Effort.MAX, version=FITTED_VERSION)


def test_grey_values_with_repeats_may_be_unfitted():
    header = header_of(Mode.GREY, 8, (30, 40), Effort.NORMAL)
    pixels = np.repeat(np.random.default_rng(5).integers(0, 256, (30, 20, 1), np.uint8), 2, 1)
    ways = ways_of(header, Picture(Mode.GREY, 8, pixels))
    assert [way.header.version for way in ways if not (way.header.graphics or way.table)] == [6, 8]


def test_effort_max_tries_close_ways_on_the_whole_picture():
    header = header_of(Mode.GREY, 16, (300, 300), Effort.MAX)
    ways = ways_of(header, Picture(Mode.GREY, 16, scene(300, 300, 16)[:, :, None]))
    table = ways[0].table

    def size_of_way(way):
        if not way.header.residual or way.header.graphics or way.table != table:
            return 2000
        return 1000 if way.header.version == FITTED_VERSION else 1080

    best = best_ways(ways, size_of_way)
    assert [(way.header.residual, way.header.version) for way in best] == [(True, 9), (True, 8)]
    others = [way._replace(header=replace(way.header, effort=Effort.NORMAL)) for way in ways]
    assert best_ways(others, size_of_way) == [others[ways.index(best[0])]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 6}, "format version 6 has no residuals"),
        ({"interleaved": False}, "no grey values whose bits are interleaved"),
        ({"effort": Effort.FAST}, "effort FAST has no residuals"),
        ({"mode": Mode.RGB}, "no grey values whose bits are interleaved"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(_header(), **changes)


def test_runs_are_refused():
    container = parse(residual_file(scene(20, 20, 12)))
    tiles = tuple(replace(tile, kind=TileKind.RUNS) for tile in container.tiles)
    with pytest.raises(CorruptFileError, match="a layer of residuals or after a known band has none"):
        pixcodec.decode(pack(replace(container, tiles=tiles)))


def test_a_damaged_bitstream_is_an_error():
    container = parse(residual_file(scene(20, 20, 12)))
    (tile,) = container.tiles
    for cut in (4, len(tile.bitstream) // 8 * 4):
        damaged = (replace(tile, bitstream=tile.bitstream[:-cut]),)
        with pytest.raises(CorruptFileError):
            pixcodec.decode(pack(replace(container, tiles=damaged)))


def test_a_slope_that_takes_too_much_memory_is_refused():
    container = parse(residual_file(scene(300, 9, 12)))
    tiles = tuple(replace(tile, slope=2**20) for tile in container.tiles)
    with pytest.raises(LimitExceededError, match="slope 1048576 needs"):
        pixcodec.decode(pack(replace(container, tiles=tiles)))


def test_a_flat_layer_costs_next_to_nothing():
    values = np.full((64, 64), 4321, np.uint16)
    header = _header(width=64, height=64, tile_width=64, tile_height=64, graphics=True)
    (layer,) = layers_of(header)
    manner = manner_to_encode(header, None, None)
    bitstream, _ = encode_layer(manner, layer, planes_of(values, 8), [], 3, ALONE)
    assert len(bitstream) < 60
