"""Images of every mode come back, whichever way they are coded, whole and in parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pixcodec
import samples
from pil_images import assert_same_image
from pixcodec import codec
from pixcodec.codec import decode_image
from pixcodec.container.container import TileKind, pack, parse
from pixcodec.container.header import Header, Mode
from pixcodec.container.layers import layers_of
from pixcodec.errors import CorruptFileError, LimitExceededError, ModelMismatchError, PixcodecError
from pixcodec.images import colours
from pixcodec.images.picture import Picture, to_picture
from pixcodec.images.ways import Way
from round_trips import comes_back, pixels_of

pytestmark = pytest.mark.usefixtures("no_packed_layers")

EFFORTS = ("fast", "normal", "max")
KINDS = ("photo", *samples.KINDS)
COLOURS = tuple(mode for mode in samples.MODES if not mode.startswith(("palette", "bilevel")))
ALPHA = ("grey_alpha", "rgba", "grey_alpha_12", "rgba_16")
DEEP = ("grey_16", "grey_alpha_12", "rgb_9", "rgb_16", "rgba_16")
MOST_BYTES_MORE = 200  # than the raw image has


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("mode", samples.MODES)
def test_a_photo_comes_back(mode: str, effort: str) -> None:
    data = comes_back(samples.MODES[mode]("photo", 47, 61), effort=effort)
    assert len(data) < samples.raw_size_bytes(mode, 47, 61)
    assert {tile.kind for tile in parse(data).tiles} & {TileKind.CODED, TileKind.RUNS}


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("mode", samples.MODES)
def test_pixel_art_comes_back_in_few_bytes(mode: str, effort: str) -> None:
    image = samples.MODES[mode]("pixel_art", 35, 43)
    data = comes_back(image, effort=effort)
    headers = 100 + len(to_picture(image).palette)
    assert len(data) < samples.raw_size_bytes(mode, 35, 43) / (1.2 if mode in DEEP else 6) + headers


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("mode", samples.MODES)
def test_small_images_come_back(mode: str, effort: str) -> None:
    for height, width in [(1, 1), (1, 7), (7, 1), (3, 5)]:
        for kind in KINDS:
            comes_back(samples.MODES[mode](kind, height, width), effort=effort)


@pytest.mark.slow
@pytest.mark.parametrize("mode", samples.MODES)
def test_raster_order_comes_back(mode: str) -> None:
    for effort, kind in zip(EFFORTS, ("photo", "pixel_art", "gradient"), strict=True):
        data = comes_back(samples.MODES[mode](kind, 11, 17), effort=effort, order="raster")
        slopes = {tile.slope for tile in parse(data).tiles if tile.kind is TileKind.CODED}
        assert slopes <= {17}


@pytest.mark.slow
@settings(max_examples=40)
@given(
    mode=st.sampled_from(sorted(samples.MODES)),
    kind=st.sampled_from(sorted(samples.KINDS)),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    effort=st.sampled_from(["fast", "fast", "normal"]),
)
def test_generated_images_come_back(mode: str, kind: str, height: int, width: int, effort: str) -> None:
    image = samples.MODES[mode](kind, height, width)
    data = comes_back(image, effort=effort)
    palette = len(to_picture(image).palette)
    assert len(data) <= samples.raw_size_bytes(mode, height, width) + palette + MOST_BYTES_MORE


@settings(max_examples=30)
@given(st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 2, 3, 4]), st.booleans(), st.data())
def test_any_pixels_come_back(
    height: int, width: int, channels: int, deep: bool, data: st.DataObject
) -> None:
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    size = height * width * channels * dtype.itemsize
    values = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), dtype)
    comes_back(values.reshape(height, width, channels), effort=data.draw(st.sampled_from(EFFORTS)))


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("mode", samples.MODES)
def test_noise_hardly_grows(mode: str, effort: str) -> None:
    image = samples.MODES[mode]("noise", 40, 50)
    if mode == "bilevel":
        image = np.random.default_rng(0).random((40, 50)) < 0.5
    elif mode in DEEP:
        # The low bits of samples' deep images are not all noise.
        bits = int(mode.rsplit("_")[-1])
        image = np.random.default_rng(0).integers(0, 1 << bits, np.shape(image), np.uint16)
    extra = len(to_picture(image).palette)
    data = comes_back(image, effort=effort)
    assert len(data) <= samples.raw_size_bytes(mode, 40, 50) + MOST_BYTES_MORE + extra


# Tiles and regions


@pytest.fixture
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_TILE_SIDE", 25)
    monkeypatch.setattr(codec, "FAST_TILE_HEIGHT", 17)


REGIONS = [(0, 0, 1, 1), (40, 30, 1, 1), (17, 5, 3, 26), (7, 20, 30, 4)]


@pytest.mark.slow
@pytest.mark.usefixtures("_small_tiles")
@pytest.mark.parametrize(("kind", "effort"), [("photo", "fast"), ("pixel_art", "normal")])
@pytest.mark.parametrize("mode", samples.MODES)
def test_regions_are_parts_of_the_whole(mode: str, kind: str, effort: str) -> None:
    image = samples.MODES[mode](kind, 31, 41)
    data = comes_back(image, effort=effort, threads=2)
    container = parse(data)
    assert len(container.header.grid) == 4
    assert len(container.tiles) == 4 * len(layers_of(container.header))
    whole = pixels_of(image)
    for x, y, width, height in REGIONS:
        found = pixcodec.decode(data, region=(x, y, width, height))
        assert found.dtype == whole.dtype
        np.testing.assert_array_equal(found, whole[y : y + height, x : x + width])
    if isinstance(image, Image.Image):
        part = decode_image(data, region=(3, 20, 31, 5))
        assert_same_image(part, image.crop((3, 20, 34, 25)))


@pytest.mark.usefixtures("_small_tiles")
def test_a_region_needs_no_other_tiles() -> None:
    image = samples.photo(3)
    container = parse(pixcodec.encode(image, effort="fast"))
    broken = list(container.tiles)
    broken[-1] = replace(broken[-1], bitstream=b"\xff" * 8)
    data = pack(replace(container, tiles=tuple(broken)))
    with pytest.raises(CorruptFileError):
        pixcodec.decode(data)
    box = container.header.grid[len(broken) - 1]
    np.testing.assert_array_equal(pixcodec.decode(data, region=(0, 0, box.x, 47)), image[:, : box.x])
    with pytest.raises(CorruptFileError):
        pixcodec.decode(data, region=(box.x, box.y, 1, 1))
    assert pixcodec.decode(data, region=(0, 0, 2, 3), max_pixels=6).shape == (3, 2, 3)
    with pytest.raises(LimitExceededError, match="limit is 5 pixels"):
        pixcodec.decode(data, region=(0, 0, 2, 3), max_pixels=5)


@pytest.mark.parametrize(
    "region", [(-1, 0, 2, 2), (0, -1, 2, 2), (0, 0, 0, 2), (0, 0, 2, 0), (60, 0, 2, 1), (0, 46, 1, 2)]
)
def test_a_region_outside_the_image_is_refused(region: codec.Region) -> None:
    data = pixcodec.encode(samples.flat(47, 61, 1), effort="fast")
    with pytest.raises(ValueError, match=r"region is .* the image is 61x47"):
        pixcodec.decode(data, region=region)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "int64"])
def test_regions_of_numbers_of_any_type(dtype: str) -> None:
    image = samples.photo(1)[:, :, 0]
    data = pixcodec.encode(image, effort="fast")
    for region in (np.array([10, 20, 30, 17], dtype), tuple(np.array([10, 20, 30, 17], dtype))):
        np.testing.assert_array_equal(pixcodec.decode(data, region=region), image[20:37, 10:40])
    for wrong in ((), (1, 2, 3), (1, 2, 3, 4, 5), (0.0, 0, 1, 1), "abcd", 5):
        with pytest.raises(ValueError, match="expected the integers x, y, width and height"):
            pixcodec.decode(data, region=wrong)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("_small_tiles")
@pytest.mark.parametrize("mode", ["rgba_16", "palette_4", "bilevel"])
def test_threads_never_change_the_bytes(mode: str) -> None:
    image = samples.MODES[mode]("photo", 31, 41)
    data = pixcodec.encode(image, effort="fast", threads=1)
    assert pixcodec.encode(image, effort="fast", threads=3) == data
    np.testing.assert_array_equal(pixcodec.decode(data, threads=3), pixels_of(image))


# Ways


def way_of(h: Header, picture: Picture, indexed: bool, mapped: bool, **layout: bool) -> Way:
    """Return a way to code a picture that the encoder may never choose."""
    if indexed:
        table = colours.table_of(picture.pixels)
        assert table is not None
        bits = max(1, (len(table.colours) - 1).bit_length())
        return Way(replace(h, index_bits=bits, **layout), table.indices, colours.pack_colours(table.colours))
    pixels, packed = picture.pixels, picture.palette
    if mapped:
        values = np.unique(pixels)
        bits = max(1, (len(values) - 1).bit_length())
        h = replace(h, index_bits=bits, mapped=True)
        pixels = np.searchsorted(values, pixels).astype(np.uint16 if bits > 8 else np.uint8)
        packed = colours.pack_values(values)
    return Way(replace(h, **layout), pixels, packed)


def forced(**layout: bool) -> Callable[[Header, Picture, int | None], list[list[Way]]]:
    layout = {"indexed": False, "mapped": False, **layout}
    return lambda header, picture, _: [[way_of(header, picture, **layout)]]


LAYOUTS = [
    *((mode, ("graphics",)) for mode in samples.MODES),
    *((mode, ("alpha_first",)) for mode in ALPHA),
    *((mode, ("alpha_first", "graphics")) for mode in ALPHA),
    *((mode, ("interleaved",)) for mode in DEEP),
    *((mode, ("interleaved", "graphics", "alpha_first")) for mode in ALPHA if mode in DEEP),
    *((mode, ("mapped",)) for mode in COLOURS),
    *((mode, ("mapped", "alpha_first")) for mode in ALPHA),
    *((mode, ("mapped", "interleaved")) for mode in ("grey_16", "rgba_16")),
    *((mode, ("indexed",)) for mode in COLOURS),
]


@pytest.mark.parametrize(
    ("mode", "flags"), LAYOUTS, ids=lambda value: value if isinstance(value, str) else "-".join(value)
)
def test_every_way_comes_back(mode: str, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "all_ways", forced(**dict.fromkeys(flags, True)))
    for effort, kind, height, width in [
        *(("fast", "photo", 19, 23), ("normal", "photo", 11, 13), ("normal", "pixel_art", 23, 29)),
        *(("max", "pixel_art", 9, 17), ("max", "gradient", 5, 3)),
    ]:
        image = samples.MODES[mode](kind, height, width)
        if ("indexed" in flags and colours.table_of(to_picture(image).pixels) is None) or (
            flags == ("mapped", "interleaved") and len(np.unique(pixels_of(image))) <= 256
        ):
            continue
        header = parse(comes_back(image, effort=effort)).header
        assert [flag for flag in flags if getattr(header, flag)] == list(flags)


def test_the_smallest_way_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    image = samples.MODES["rgba"]("pixel_art", 53, 71)
    found = len(pixcodec.encode(image))
    sizes = []
    for flags in [(), ("graphics",), ("graphics", "alpha_first"), ("indexed",)]:
        monkeypatch.setattr(codec, "all_ways", forced(**dict.fromkeys(flags, True)))
        sizes.append(len(pixcodec.encode(image)))
    assert found == min(sizes)
    assert len(set(sizes)) == 4


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("flags", [(), ("interleaved",)])
def test_progress_rises_to_one(flags: tuple[str, ...], threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "all_ways", forced(**dict.fromkeys(flags, True)))
    monkeypatch.setattr(codec, "MAX_TILE_SIDE", 7)
    image = samples.MODES["rgba_16"]("photo", 17, 19)
    encoding: list[float] = []
    decoding: list[float] = []
    data = pixcodec.encode(image, threads=threads, progress=encoding.append)
    assert len(layers_of(parse(data).header)) == 4 - len(flags)
    pixcodec.decode(data, threads=threads, progress=decoding.append)
    for seen in (encoding, decoding):
        assert seen[-1] == 1.0
        assert seen == sorted(seen)


def test_a_side_layer_needs_no_model() -> None:
    other = samples.GOLDEN / "rgb.safetensors"
    for mode in ("bilevel", "palette", "palette_4"):
        container = parse(pixcodec.encode(samples.MODES[mode]("photo", 9, 9), model=other))
        assert container.header.model_id == b""
    image = samples.MODES["rgba"]("photo", 20, 24)
    data = pixcodec.encode(image, model=other)
    np.testing.assert_array_equal(pixcodec.decode(data, model=other), image)
    with pytest.raises(ModelMismatchError):
        pixcodec.decode(data)
    with pytest.raises(ModelMismatchError, match="channels"):
        pixcodec.encode(samples.MODES["grey_alpha"]("photo", 20, 24), model=other)


# Damage


FILES = [("rgba_16", "photo"), ("rgba", "pixel_art"), ("palette_4", "photo"), ("grey_16", "gradient")]


@pytest.mark.parametrize(("mode", "kind"), FILES)
def test_every_flipped_bit_and_truncation_is_noticed(mode: str, kind: str) -> None:
    data = bytearray(pixcodec.encode(samples.MODES[mode](kind, 5, 7), effort="fast"))
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        with pytest.raises(PixcodecError):
            pixcodec.decode(data)
        data[at] ^= 1 << at % 8
        with pytest.raises(PixcodecError):
            pixcodec.decode(data[:at])


@pytest.mark.parametrize(("mode", "kind"), FILES)
def test_a_damaged_layer_with_a_correct_crc_is_noticed(mode: str, kind: str) -> None:
    image = samples.MODES[mode](kind, 13, 17)
    container = parse(pixcodec.encode(image))
    for number, tile in enumerate(container.tiles):
        bitstream = bytearray(tile.bitstream)
        for bit in range(0, 8 * len(bitstream) - 64, max(1, len(bitstream) // 3) * 8 + 3):
            bitstream[bit // 8] ^= 1 << bit % 8
            tiles = list(container.tiles)
            tiles[number] = replace(tile, bitstream=bytes(bitstream))
            with pytest.raises(CorruptFileError):
                pixcodec.decode(pack(replace(container, tiles=tuple(tiles))))
            bitstream[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("slope", [1, 2])
@pytest.mark.parametrize("mode", ["bilevel", "palette", "rgb_16"])
def test_a_slope_without_causality_is_refused(mode: str, slope: int) -> None:
    container = parse(pixcodec.encode(samples.MODES[mode]("photo", 13, 17)))
    assert container.tiles[-1].kind is TileKind.CODED
    tiles = (*container.tiles[:-1], replace(container.tiles[-1], slope=slope))
    with pytest.raises(CorruptFileError, match=f"slope is {slope}"):
        pixcodec.decode(pack(replace(container, tiles=tiles)))


def test_an_index_beyond_the_table_is_noticed() -> None:
    container = parse(pixcodec.encode(samples.pixel_art(20, 20, 3)))
    assert container.header.indexed
    shorter = replace(container, palette=colours.pack_colours(np.zeros((3, 3), np.uint8)))
    with pytest.raises(CorruptFileError, match="index 3 is beyond the 3 colours"):
        pixcodec.decode(pack(shorter))
    other = replace(container, palette=colours.pack_colours(np.zeros((4, 3), np.uint8)))
    with pytest.raises(CorruptFileError, match="hash of the decoded pixels"):
        pixcodec.decode(pack(other))


def test_there_is_a_sample_of_each_mode() -> None:
    found = {to_picture(make("photo", 2, 2)).mode for make in samples.MODES.values()}
    assert found == set(Mode) - {Mode.DEEP}  # tests/test_deep.py
