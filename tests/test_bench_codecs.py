"""The codecs under test, and the images that they are given: what a codec holds comes back from it."""

import io

import numpy as np
import pytest
from PIL import Image

from pixcodec.bench import colour, memory, peers
from pixcodec.bench.images import as_rgba, describe, load_image, pixels_of
from pixcodec.bench.measuring import holds
from pixcodec.bench.ours import PixcodecFast
from pixcodec.bench.peers import Png, with_palette
from pixcodec.bench.registry import CODECS, OURS, PEERS, find_codec
from pixcodec.bench.worker import RoundTripError, check_round_trip
from pixcodec.errors import UnsupportedImageError

SIZES = [(1, 1), (1, 7), (7, 1), (3, 5), (33, 65)]
SLOW_SIZES = {"avif": SIZES[-2:], "zopfli": SIZES[3:4]}
KINDS = [
    *((np.uint8, channels) for channels in (1, 2, 3, 4)),
    *((np.uint16, channels) for channels in (1, 3, 4)),
]


def make_image(shape, kind, dtype=np.uint8):
    rng = np.random.default_rng(sum(shape))
    most = np.iinfo(dtype).max
    if kind == "noise":
        return rng.integers(0, most, shape, dtype=dtype, endpoint=True)
    if kind == "flat":
        return np.full(shape, 77, dtype=dtype)
    rows, columns = np.indices(shape[:2])
    smooth = (3 * rows + 2 * columns) * (most // 255)
    return (smooth if len(shape) == 2 else smooth[..., None] + [0, 5, 250, 9][: shape[2]]).astype(dtype)


def shape_of(size, channels):
    return size if channels == 1 else (*size, channels)


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("kind", ["noise", "flat", "smooth"])
def test_peers_give_back_all_modes_that_they_hold(name, kind):
    codec = CODECS[name]()
    if not codec.available():
        pytest.skip(f"{name}: {codec.missing()}")
    tried = 0
    for size in SLOW_SIZES.get(name, SIZES):
        for dtype, channels in KINDS:
            image = make_image(shape_of(size, channels), kind, dtype)
            if codec.holds(image):
                tried += 1
                assert codec.is_exact(image, codec.decode(codec.encode(image))), (dtype, channels, size)
    assert tried


def test_a_peer_that_is_missing_says_what_to_do(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    for name in ("oxipng", "jxl9", "avif"):
        codec = CODECS[name]()
        assert not codec.available()
        assert "pip install 'pixcodec[bench]'" in codec.missing()
    assert "no maintained Python package" in CODECS["flif"]().missing()


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_pixcodec_round_trips_through_its_class(name):
    codec = CODECS[name]()
    for dtype, channels in [(np.uint8, 3), (np.uint8, 1), (np.uint16, 4)]:
        image = make_image(shape_of((3, 5), channels), "smooth", dtype)
        if codec.holds(image):
            assert codec.is_exact(image, codec.decode(codec.encode(image)))


def test_what_a_codec_holds_is_told_from_the_description_as_well():
    for dtype, channels in KINDS:
        image = make_image(shape_of((2, 3), channels), "noise", dtype)
        for codec in CODECS.values():
            assert codec().holds(image) == holds(codec, describe("a", image))


def png_of(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_palettes_become_colours_and_transparent_ones_get_an_alpha_channel():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    assert pixels_of(png_of(palette)).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert pixels_of(png_of(palette, transparency=1)).tolist() == [[[10, 20, 30, 255], [40, 50, 60, 0]]]
    assert pixels_of(png_of(Image.new("1", (2, 1), 1))).tolist() == [[255, 255]]
    assert pixels_of(png_of(Image.new("L", (2, 1), 7), transparency=7)).tolist() == [[[7, 0], [7, 0]]]
    assert pixels_of(png_of(Image.fromarray(np.full((1, 2), 300, np.uint16)))).dtype == np.uint16


def test_modes_that_the_peers_do_not_share_are_refused(tmp_path):
    Image.new("CMYK", (2, 2)).save(tmp_path / "a.tif")
    with pytest.raises(UnsupportedImageError, match="found mode CMYK"):
        load_image(tmp_path / "a.tif")


def test_colours_of_any_mode_are_compared_as_rgba():
    grey = np.array([[1, 2]], np.uint8)
    assert as_rgba(grey).tolist() == [[[257, 257, 257, 65535], [514, 514, 514, 65535]]]
    assert np.array_equal(as_rgba(np.stack([grey, grey], 2))[..., 3], [[257, 514]])
    rgb = np.array([[[1, 2, 3]]], np.uint16)
    assert as_rgba(rgb).tolist() == [[[1, 2, 3, 65535]]]


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (np.array([[0, 255], [255, 255]], np.uint8), "1"),
        (np.array([[0, 7], [9, 7]], np.uint8), "P"),
        (np.arange(256, dtype=np.uint8).reshape(16, 16), None),
        (make_image((9, 9, 3), "flat"), "P"),
        (np.array([[[1, 2, 3, 0], [1, 2, 3, 255]]], np.uint8), "P"),
        (make_image((33, 65, 3), "noise"), None),
        (make_image((9, 9), "flat", np.uint16), None),
    ],
)
def test_png_gets_a_palette_where_the_colours_are_few(image, mode):
    found = with_palette(image)
    assert (found and found.mode) == mode
    assert Png().is_exact(image, Png().decode(Png().encode(image)))


@pytest.mark.parametrize("transform", colour.TRANSFORMS)
def test_colour_transforms_undo_themselves(transform):
    steps = np.array([0, 1, 63, 64, 127, 128, 129, 254, 255], dtype=np.uint8)
    red, green, blue = (plane.ravel() for plane in np.meshgrid(steps, steps, steps))
    there = colour.forward(transform, red, green, blue)
    back = colour.inverse(transform, *there)
    assert all(plane.dtype == np.uint8 for plane in there)
    for plane, original in zip(back, (red, green, blue), strict=True):
        np.testing.assert_array_equal(plane, original)


def test_exactness_is_of_type_shape_and_pixels():
    codec, image = PixcodecFast(), make_image((4, 4, 3), "noise")
    assert codec.is_exact(image, image.copy())
    assert not codec.is_exact(image, image.astype(np.uint16))
    assert not codec.is_exact(image, image[:3])
    assert not codec.is_exact(image, image ^ np.eye(4, dtype=np.uint8)[..., None])
    assert not codec.is_exact(image[..., 0], np.repeat(image[..., :1], 3, axis=2))


def test_a_codec_without_grey_may_give_three_equal_channels():
    qoi, grey = CODECS["qoi"](), make_image((4, 4), "noise")
    assert qoi.is_exact(grey, np.repeat(grey[..., None], 3, axis=2))
    assert not qoi.is_exact(grey, np.stack([grey, grey, grey ^ 1], axis=-1))


def test_round_trip_error_says_what_differs():
    image = np.zeros((2, 2), dtype=np.uint8)
    with pytest.raises(RoundTripError, match=r"png does not round-trip x\.png: .* 4 subpixels differ"):
        check_round_trip(Png(), image, image + np.uint8(1), "x.png")


def test_unknown_codec_names_the_known_ones():
    with pytest.raises(KeyError, match=r"png, .*found 'jpg'"):
        find_codec("jpg")


def test_memory_peak_sees_an_allocation():
    memory.reset_peak()
    before = memory.peak_bytes()
    block = np.ones(64 << 20, dtype=np.uint8)
    assert memory.peak_bytes() - before >= 0.9 * block.nbytes
