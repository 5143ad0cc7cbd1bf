"""Packed layers: filtered rows, compressed by deflate or LZMA."""

from __future__ import annotations

import lzma
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pixcodec
import samples
from pixcodec import codec, reference
from pixcodec.container.container import Container, Tile, TileKind, parse, parse_tile
from pixcodec.container.header import MAX_PACKED_VALUES, Effort, Header, Mode
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedVersionError
from pixcodec.images.packed import compression, way
from pixcodec.images.packed.compression import PLAIN, USUAL, Method, Properties, compressed, decompressed
from pixcodec.images.packed.filters import (
    ROW_FILTERS,
    Filter,
    filtered,
    filtered_by_row,
    restored,
    restored_by_row,
)
from pixcodec.images.packed.layer import candidates_of, pack_layer, unpack_layer
from pixcodec.images.packed.rows import BY_ROW, Form, from_bytes, less_green, size_bytes, to_bytes
from pixcodec.reference import packed

SHAPES = [(1, 1, 1), (5, 7, 3), (9, 1, 2), (1, 20, 4), (13, 17, 1)]
DEPTHS = [1, 2, 3, 4, 5, 8, 9, 16]
EFFORTS = ["fast", "normal", "max"]


def values_of(shape: tuple[int, int, int], bits: int, seed: int = 0) -> npt.NDArray[np.uint16]:
    """Return values that are smooth in some places and noise in others."""
    rng = np.random.default_rng(seed)
    y, x, c = np.ogrid[: shape[0], : shape[1], : shape[2]]
    smooth = (3 * x + 2 * y + 11 * c) % (1 << bits)
    noise = rng.integers(0, 1 << bits, shape)
    return np.where(x % 5 < 3, smooth, noise).astype(np.uint16)


def ramp(width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return a diagonal ramp, RGB."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], 2).astype(np.uint8)


def waves(side: int) -> npt.NDArray[np.uint8]:
    """Return sums of waves along both axes, RGB, of which quick compression leaves a fifth."""
    y, x = np.mgrid[:side, :side] / (side - 1)
    across, back, down = np.sin(12 * x), np.sin(12 * (1 - x)), np.cos(9 * y)
    sums = np.stack([across + down, back + down, -across - np.cos(9 * (1 - y))], 2)
    return np.round(255 * (0.5 + sums / 4)).astype(np.uint8)


def chosen(image: Any, effort: str = "fast") -> bytes:
    """Return a file of an image, which is packed."""
    data = pixcodec.encode(image, effort=effort)
    assert {tile.kind for tile in parse(data).tiles} == {TileKind.PACKED}
    return data


# Filters, forms


@pytest.mark.parametrize("which", Filter)
@pytest.mark.parametrize("shape", SHAPES)
def test_differences_give_the_values_back(shape: tuple[int, int, int], which: Filter) -> None:
    values = values_of(shape, 16)
    np.testing.assert_array_equal(restored(filtered(values, which), which), values)


@pytest.mark.parametrize("by_channel", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_row_may_have_its_filter(shape: tuple[int, int, int], by_channel: bool) -> None:
    values = values_of(shape, 16)
    rng = np.random.default_rng(3)
    for _ in range(10):
        which = rng.choice(ROW_FILTERS, (shape[0], shape[2]) if by_channel else shape[0]).astype(np.uint8)
        np.testing.assert_array_equal(restored_by_row(filtered_by_row(values, which), which), values)


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_form_gives_the_values_back_as_the_text_says(shape: tuple[int, int, int], bits: int) -> None:
    values, tried = values_of(shape, bits), 0
    for code in range(7 * 8):
        form = Form(code >> 3, bool(code & 1), bool(code & 2), bool(code & 4))
        if not form.suits(shape[2], bits):
            continue
        rows = None
        if form.filter == BY_ROW:
            lines = (shape[0], shape[2]) if form.planar else shape[0]
            rows = np.random.default_rng(code).integers(0, 5, lines, np.uint8)
        data = to_bytes(less_green(values) if form.less_green else values, bits, form, rows)
        assert len(data) == size_bytes(shape, bits, form)
        np.testing.assert_array_equal(from_bytes(data, shape, bits, form), values)
        number = form.planar << 2 | form.less_green << 3 | form.digits << 4 | form.filter << 5
        found = packed.decode(bytes([number]) + data, *shape, bits)
        np.testing.assert_array_equal(found, values)
        tried += 1
    assert tried >= 14


# Compression


@pytest.mark.parametrize("size", [1, 2, 30, 5000])
@pytest.mark.parametrize("kind", ["zeros", "few", "noise"])
def test_each_method_gives_the_bytes_back_and_needs_all_of_its_own(kind: str, size: int) -> None:
    rng = np.random.default_rng(size)
    data = (
        bytes(size)
        if kind == "zeros"
        else rng.integers(0, 3 if kind == "few" else 256, size, np.uint8).tobytes()
    )
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    streams = {Method.STORED: data, Method.DEFLATE: deflate.compress(data) + deflate.flush()}
    assert decompressed(*compressed(data, ()), size) == data
    streams[Method.LZMA] = bytes([PLAIN.byte]) + compression.lzma_stream(data, PLAIN)
    for method, stream in streams.items():
        assert decompressed(method, stream, size) == data
        assert packed.decompressed(method, stream, size) == data
        for wrong in (stream[:-1], stream + b"\0", b""):
            with pytest.raises(CorruptFileError, match="packed layer"):
                decompressed(method, wrong, size)
        if method is not Method.LZMA:  # whose last match may go past the end
            with pytest.raises(CorruptFileError, match="packed layer"):
                decompressed(method, stream, size - 1)


@pytest.mark.parametrize(
    "properties", [*USUAL, *compression.OTHERS, Properties(0, 4, 4), Properties(4, 0, 4)]
)
def test_properties_are_a_byte(properties: Properties) -> None:
    data = samples.noise(20, 30, 1).tobytes()[:300] * 2
    stream = bytes([properties.byte]) + compression.lzma_stream(data, properties)
    assert decompressed(Method.LZMA, stream, 600) == data
    assert packed.decompressed(2, stream, 600) == data


@pytest.mark.parametrize("byte", [5, 9 * 4 + 1, 225, 255])
def test_properties_that_lzma_does_not_have_are_refused(byte: int) -> None:
    with pytest.raises(CorruptFileError, match=f"properties of LZMA are {byte:02x}"):
        decompressed(Method.LZMA, bytes([byte]) + bytes(10), 20)


def test_an_end_marker_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA1, "lc": 0, "lp": 0, "pb": 0, "dict_size": 4096}]
    stream = lzma.compress(b"abc", lzma.FORMAT_RAW, filters=filters)
    for size in (3, 4):
        with pytest.raises(CorruptFileError, match="LZMA stream does not end"):
            decompressed(Method.LZMA, b"\0" + stream[1:], size)


# Layers


@given(st.data())
def test_a_layer_comes_back(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(1, most)) for most in (12, 12, 4))
    bits = data.draw(st.integers(1, 16))
    count = shape[0] * shape[1] * shape[2]
    most = data.draw(st.integers(0, (1 << bits) - 1))
    flat = data.draw(st.lists(st.integers(0, most), min_size=count, max_size=count))
    values = np.array(flat, np.uint16).reshape(shape)
    best = min(candidates_of(values, bits), key=lambda candidate: candidate.estimate)
    bitstream = pack_layer(values, bits, best, thorough=data.draw(st.booleans()))
    np.testing.assert_array_equal(unpack_layer(bitstream, shape, bits), values)  # type: ignore[arg-type]
    np.testing.assert_array_equal(packed.decode(bitstream, *shape, bits), values)


@given(st.binary(max_size=60), st.sampled_from(SHAPES), st.integers(1, 16))
def test_garbage_raises_nothing_but_our_errors(
    garbage: bytes, shape: tuple[int, int, int], bits: int
) -> None:
    try:
        values = unpack_layer(garbage, shape, bits)
    except PixcodecError:
        return
    assert values.shape == shape
    assert int(values.max()) < 1 << bits


@pytest.mark.parametrize(
    ("bitstream", "bits", "error", "message"),
    [
        (b"", 8, CorruptFileError, "its form is missing"),
        (b"\3" + bytes(6), 8, UnsupportedVersionError, "form is 3"),
        (b"\xe0" + bytes(6), 8, UnsupportedVersionError, "form is 224"),
        (b"\x08" + bytes(6), 8, CorruptFileError, "form 8 with 1 channels of 8 bits"),
        (b"\x10" + bytes(6), 8, CorruptFileError, "form 16 with 1 channels of 8 bits"),
        (b"\xc0\0\5" + bytes(6), 8, UnsupportedVersionError, "filter of a row is 5"),
        (b"\0" + b"\x10" * 6, 4, CorruptFileError, "a value has more than 4 bits"),
        (b"\x10\0\1", 1, CorruptFileError, "bits after the end of a row are not 0"),
        (b"\0" + bytes(5), 8, CorruptFileError, "5 bytes and 0 left, expected 6"),
        (b"\1\7", 8, CorruptFileError, "invalid block type"),
        (b"\2", 8, CorruptFileError, "properties of LZMA are missing"),
    ],
)
def test_a_damaged_layer_says_what_is_wrong(
    bitstream: bytes, bits: int, error: type[PixcodecError], message: str
) -> None:
    with pytest.raises(error, match=message):
        unpack_layer(bitstream, (2, 3, 1), bits)


# Files


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize(("width", "height"), [(127, 64), (33, 31), (1, 40)])
def test_a_ramp_is_packed(width: int, height: int, effort: str) -> None:
    image = ramp(width, height)
    data = chosen(image, effort)
    np.testing.assert_array_equal(pixcodec.decode(data), image)
    np.testing.assert_array_equal(reference.decode(data, ()), image)
    info = pixcodec.read_info(data)
    assert (info.format_version, info.effort, info.model_id) == (8, effort, "")


def images_of_all_modes() -> dict[str, Any]:
    y, x = np.mgrid[:24, :37]
    grey = ((x + y) * 3 % 256).astype(np.uint8)
    palette = Image.fromarray((x // 3 % 5).astype(np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 250, 0, 0, 7, 8, 9, 1, 1, 1])
    return {
        "grey": grey,
        "grey_alpha": np.dstack([grey, 255 - grey]),
        "rgba": np.dstack([ramp(37, 24), grey]),
        "palette": palette,
        "bilevel": (x + y) % 3 == 0,
        "cmyk": Image.fromarray(np.dstack([ramp(37, 24), grey]), "CMYK"),
        "deep": (x * 999 + y * 77).astype(np.uint16),
        "deep_rgb": np.stack([x * 999 + y, y * 1003, x * y * 64], 2).astype(np.uint16),
        "few_values": np.stack([x % 3, y % 3, x // 9 % 2], 2).astype(np.uint16) * 20000,
        "two_colours": np.where(
            ((x // 4 + y // 4) % 2 == 0)[:, :, None], np.uint8([9, 200, 31]), np.uint8([0, 1, 2])
        ),
    }


@pytest.mark.parametrize("name", images_of_all_modes())
def test_images_of_all_modes_come_back(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = images_of_all_modes()[name]
    monkeypatch.setattr(
        codec, "packed_way", lambda header, picture, _: way.packed_way(header, picture, 2**30)
    )
    data = chosen(image)
    np.testing.assert_array_equal(pixcodec.decode(data), np.asarray(image))
    np.testing.assert_array_equal(reference.decode(data, ()).squeeze(), np.asarray(image))
    assert pixcodec.encode(image, effort="fast", verify=True) == data


def test_a_region_of_several_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    image = ramp(40, 50)
    monkeypatch.setattr(way, "TILE_VALUES", 40 * 3 * 16)
    data = chosen(image)
    assert len(parse(data).tiles) == 4
    np.testing.assert_array_equal(pixcodec.decode(data), image)
    np.testing.assert_array_equal(pixcodec.decode(data, region=(7, 14, 20, 9)), image[14:23, 7:27])
    np.testing.assert_array_equal(reference.decode(data, ()), image)


def test_waves_are_packed_though_a_quick_look_finds_little() -> None:
    image = waves(256)
    data = chosen(image, "normal")
    assert len(data) == len(chosen(image, "fast")) < 6000
    np.testing.assert_array_equal(pixcodec.decode(data), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_photograph_is_not_packed(channels: int) -> None:
    image = samples.photo(channels)
    kinds = {tile.kind for tile in parse(pixcodec.encode(image, effort="fast")).tiles}
    assert kinds == {TileKind.CODED}


def test_a_part_of_a_large_photograph_shows_that_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.tile(samples.large_photo(), (2, 2, 1))
    image = image + samples.noise(*image.shape) % 8
    seen = []
    monkeypatch.setattr(
        way, "quick_estimate", lambda values, bits: seen.append(values.size) or values.size // 2
    )
    monkeypatch.setattr(way, "_tried", None)  # which is not called
    header = Header(514, 260, Mode.RGB, Effort.FAST, 514, 260, b"")
    picture = codec.to_picture(image)
    assert way.packed_way(header, picture, image.size // 3) is None
    assert seen[0] <= way.SAMPLE_VALUES


def test_a_damaged_file_is_recovered_tile_by_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    image = ramp(40, 50)
    monkeypatch.setattr(way, "TILE_VALUES", 40 * 3 * 16)
    data = bytearray(chosen(image))
    data[data.index(b"TILE") + 9] ^= 1
    found = pixcodec.recover(bytes(data))
    assert len(found.damaged) == 1
    np.testing.assert_array_equal(np.asarray(found.image)[16:], image[16:])


# Headers and containers


def packed_container() -> Container:
    return parse(chosen(ramp(20, 9)))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 6},
        {"graphics": True},
        {"jpeg": True},
        {"model_id": bytes(8)},
        {"tile_width": 2**14, "tile_height": 2**13, "width": 2**14, "height": 2**13},
    ],
)
def test_a_header_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    assert MAX_PACKED_VALUES < 2**27
    with pytest.raises(ValueError, match="pack"):
        replace(packed_container().header, **changes)


def test_only_packed_images_have_packed_tiles() -> None:
    container = packed_container()
    other = replace(container.header, packed=False)
    with pytest.raises(ValueError, match="tile 0 is PACKED"):
        replace(container, header=other)
    raw = (Tile(TileKind.RAW, 0, bytes(20 * 9 * 3)),)
    with pytest.raises(ValueError, match="tile 0 is RAW"):
        replace(container, tiles=raw)


def test_packed_tiles_are_of_version_8() -> None:
    payload = b"\4" + packed_container().tiles[0].bitstream
    assert parse_tile(payload, "chunk 'TILE'", 8).kind is TileKind.PACKED
    with pytest.raises(UnsupportedVersionError, match="kind of tile is 4"):
        parse_tile(payload, "chunk 'TILE'", 6)


def test_the_example_of_the_format_decodes() -> None:
    section = reference.Section("A packed file")
    (block,) = section.fenced("hex")
    data = b""
    for line in block.splitlines():
        offset, values = line.partition("#")[0].split(maxsplit=1)
        assert int(offset) == len(data), line
        data += bytes.fromhex(values)
    assert f"{len(data)} bytes" in section.words
    (rows,) = section.fenced("text")
    image = np.array([line.split() for line in rows.splitlines()], np.uint8)
    np.testing.assert_array_equal(pixcodec.decode(data), image)
    np.testing.assert_array_equal(reference.decode(data, ())[:, :, 0], image)
    np.testing.assert_array_equal(
        filtered(image[:, :, None].astype(np.uint16), Filter.PLANE)[:, :, 0] % 256,
        [[0] + [17] * 11] + [[30] + [0] * 11] * 3,
    )


@pytest.mark.parametrize(
    "path", sorted((samples.GOLDEN / "forever").glob("packed-*.pxc")), ids=lambda p: p.stem
)
def test_goldens_decode_as_the_text_says(path: Any) -> None:
    data = path.read_bytes()
    np.testing.assert_array_equal(reference.decode(data, ()).squeeze(), pixcodec.decode(data))
