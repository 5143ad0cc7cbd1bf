"""Coefficients and their pixels against the plain decoder of reference_jpeg.py, alone and in whole files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import earlier_chunk
import pixcodec
import samples
from jpeg_file import decoded, jpeg_of, read_jpeg
from pixcodec import codec, reference
from pixcodec.container.header import Header
from pixcodec.images.picture import Picture
from pixcodec.images.ways import Way
from pixcodec.jpeg import fits, state, way
from pixcodec.jpeg.chunk import encode_coefficients
from pixcodec.jpeg.coefficients import MAX_COEFFICIENT, SUBSAMPLINGS, Coefficients, block_counts
from pixcodec.jpeg.decoders import DECODERS, Decoder
from pixcodec.jpeg.orientations import TRANSPOSED
from pixcodec.jpeg.pixels import pixels_of
from pixcodec.jpeg.stream.coder import Workers
from pixcodec.jpeg.transform import LIMIT
from pixcodec.reference import core, jpeg_pixels
from pixcodec.reference import jpeg as reference_jpeg

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_packed_layers")]

MODELS = tuple(samples.GOLDEN / f"{name}.safetensors" for name in ("grey", "rgb"))
QUARTER = 2
WAYS = pytest.mark.parametrize("effort", [None, 1])  # None: the earlier one


def of_photo(channels: int, height: int, width: int, quality: int, subsampling: int = 0) -> Coefficients:
    return read_jpeg(jpeg_of(samples.photo(channels, height, width), quality, subsampling))


def random_coefficients(
    draw: Callable[..., np.ndarray], channels: int, subsampling: int, *box: int, steps: tuple[int, int]
) -> Coefficients:
    """Return coefficients from ``draw``, of an image of height, width, top and left ``box``."""
    rng = np.random.default_rng(sum(box))
    counts = [block_counts(*box, *SUBSAMPLINGS[subsampling], k) for k in range(channels)]
    return Coefficients(
        *box,
        *SUBSAMPLINGS[subsampling],
        tuple(rng.integers(*steps, 64, np.int32, endpoint=True) for _ in counts),
        tuple(draw(rng, (*count, 64)).astype(np.int16) for count in counts),
    )


def check(c: Coefficients, effort: int | None = None) -> None:
    """Compare coefficients and pixels; ``effort``: of streams, None: in the earlier way."""
    size = (c.width, c.height) if c.orientation & TRANSPOSED else (c.height, c.width)
    if effort is None:
        payload, version = earlier_chunk.encode_coefficients(c, wider=c.wider), 8 if c.wider else 6
    else:
        payload, version = encode_coefficients(c, effort, Workers(1)), 8
    found = reference_jpeg.decode(payload, *size, len(c.blocks), version)
    assert found[:4] == (c.top, c.left, c.horizontal, c.vertical)
    assert (found.decoder, found.orientation) == (DECODERS.index(c.decoder), c.orientation)
    for steps, table in zip(found.steps, c.tables, strict=True):
        np.testing.assert_array_equal(steps.reshape(64), table)
    for blocks, expected in zip(found.blocks, c.blocks, strict=True):
        np.testing.assert_array_equal(blocks.reshape(expected.shape), expected)
    np.testing.assert_array_equal(jpeg_pixels.pixels(found, *size), pixels_of(c))


@WAYS
@pytest.mark.parametrize(("height", "width", "quality"), [(16, 24, 30), (33, 40, 85)])
def test_grey_photographs(height: int, width: int, quality: int, effort: int | None) -> None:
    check(of_photo(1, height, width, quality), effort)


@WAYS
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(("height", "width", "quality"), [(19, 33, 70), (9, 3, 95), (1, 1, 50)])
def test_photographs(height: int, width: int, quality: int, subsampling: int, effort: int | None) -> None:
    check(of_photo(3, height, width, quality, subsampling), effort)


@WAYS
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_crops(subsampling: int, effort: int | None) -> None:
    horizontal, vertical = SUBSAMPLINGS[subsampling]
    top, left = 8 * vertical - 3, 8 * horizontal - 1
    found = of_photo(3, 26, 36, 80, subsampling)
    check(found._replace(top=top, left=left, height=26 - top, width=36 - left), effort)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("subsampling", range(len(SUBSAMPLINGS)))
def test_decoders_and_orientations(decoder: Decoder, subsampling: int) -> None:
    orientation = (3 * subsampling + 2 * DECODERS.index(decoder) + 1) % 8
    found = random_coefficients(rarely, 3, subsampling, 21, 19, 7, 3, steps=(1, 60))
    check(found._replace(decoder=decoder, orientation=orientation), subsampling % 3)
    narrow = random_coefficients(rarely, 3, subsampling, 9, 4, 0, 0, steps=(1, 60))
    check(narrow._replace(decoder=decoder, orientation=7 - orientation), 0)


@pytest.mark.parametrize("decoder", DECODERS)
def test_decoders_of_what_no_photograph_has(decoder: Decoder) -> None:
    for draw in (anything, extremes):
        check(random_coefficients(draw, 3, 2, 9, 9, 1, 0, steps=(1, 255))._replace(decoder=decoder), 0)


def anything(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-2047, 2048, shape)


def extremes(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice([-2047, 0, 2047], shape)


def rarely(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return anything(rng, shape) * (rng.random(shape) < 0.03)


def same(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(2047, shape)


@WAYS
@pytest.mark.parametrize(
    ("draw", "channels", "subsampling", "box", "steps"),
    [
        (anything, 3, 2, (3, 5, 13, 11), (1, 1)),
        (extremes, 1, 0, (9, 17, 0, 0), (255, 255)),
        (rarely, 3, 0, (20, 19, 7, 7), (1, 255)),
        (rarely, 3, 2, (17, 20, 14, 0), (1, 4)),
        (same, 1, 0, (8, 16, 0, 0), (1, 255)),
    ],
)
def test_what_no_photograph_has(
    draw: Callable[..., np.ndarray],
    channels: int,
    subsampling: int,
    box: tuple[int, ...],
    steps: tuple[int, int],
    effort: int | None,
) -> None:
    check(random_coefficients(draw, channels, subsampling, *box, steps=steps), effort)


def test_cells_that_contexts_share() -> None:
    found = random_coefficients(anything, 1, 0, 16, 24, 0, 0, steps=(1, 9))
    payload = earlier_chunk.encode_coefficients(found)
    coder = core.RangeDecoder(payload[67:])
    mixer = reference_jpeg.Mixer(6 * 64)
    none = np.zeros((2, 3, 8, 8), np.int64)
    steps = found.tables[0].reshape(8, 8)
    blocks = reference_jpeg.Component(0, 2, 3, steps, none, none).decode(coder, mixer)
    np.testing.assert_array_equal(blocks.reshape(2, 3, 64), found.blocks[0])
    assert mixer.taken > 100


# Whole files


def give(coefficients: Coefficients, indexed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell the encoder the coefficients, to use them with a table of colours or without."""
    all_ways = way.all_ways

    def chosen(header: Header, picture: Picture, threads: int | None) -> list[list[Way]]:
        found = all_ways(header, picture, threads)[0]
        return [[one for one in found if one.header.indexed == indexed][:1]]

    monkeypatch.setattr(way, "find_coefficients", lambda pixels: coefficients)
    monkeypatch.setattr(codec, "all_ways", chosen)


@pytest.mark.parametrize(
    ("channels", "subsampling", "effort"),
    [(1, 0, "fast"), (1, 0, "normal"), (3, 0, "normal"), (3, 1, "fast"), (3, 2, "normal"), (3, 2, "max")],
)
def test_files(channels: int, subsampling: int, effort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    coefficients = of_photo(channels, 9, 18, 75, subsampling)
    give(coefficients, False, monkeypatch)
    monkeypatch.setattr(codec, "_tile_size", lambda effort, width, height: (width, height - 3))
    model = MODELS[channels == 3]
    image = pixels_of(coefficients).squeeze()
    edited = image.copy()
    edited[2:5, 3:9] ^= 255
    for pixels, tiles in ((image, 0), (edited, 2)):
        data = pixcodec.encode(pixels, effort=effort, model=model)
        kinds = [kind for kind, _ in core.chunks(data)]
        assert kinds == [b"HEAD", b"COEF", *[b"TILE"] * tiles, b"DONE"]
        np.testing.assert_array_equal(reference.decode(data, MODELS).squeeze(), pixels)
        np.testing.assert_array_equal(pixcodec.decode(data, model=model), pixels)


def test_a_correction_of_a_few_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    file = jpeg_of(samples.photo(3, 18, 30), 75, QUARTER)
    edited = decoded(file).copy()
    edited[::5, ::7] += 3
    give(read_jpeg(file), True, monkeypatch)
    data = pixcodec.encode(edited, model=MODELS[1])
    head = reference.Head(core.chunks(data)[0][1])
    assert head.jpeg
    assert head.indexed
    np.testing.assert_array_equal(reference.decode(data, MODELS), edited)


# The text


def test_constants_are_those_of_the_format() -> None:
    words = " ".join(reference.Section("JPEG").text.split())
    fits_text = " ".join(reference.Section("Fits").text.split())
    bits = " ".join(reference.Section("Bits of coefficients").text.split())
    rows = reference.Section("JPEG").tables[1]
    assert [(int(row[1]), int(row[2])) for row in rows] == list(SUBSAMPLINGS)
    assert f"coefficients that are not in -{MAX_COEFFICIENT} .. {MAX_COEFFICIENT}." in words
    assert (fits.RIDGE, fits.MAX_FIT, fits.MAX_LOG) == (4, 2000, 47)
    assert "a[k][k] = a[k][k] + 4" in fits_text
    assert "if -2000 < p < 2000, else 0" in fits_text
    assert f"4 + n if n = 4 .. 7; at most {fits.MAX_LOG}." in fits_text
    assert (state.MIN_CELL_BITS, state.MAX_CELL_BITS) == (16, 20)
    assert "B = clamp(bitlength(n // 2), 16, 20)" in bits
    assert f"begins as {state.FIRST_WEIGHT} for inputs 1 .. {state.CONTEXTS}" in bits
    samples_text = " ".join(reference.Section("Samples").text.split())
    assert f"limited to -{LIMIT} .. {LIMIT}." in samples_text


def test_the_order_is_that_of_the_format() -> None:
    assert reference_jpeg.ORDER[:6] == [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2)]
    assert [8 * u + v for u, v in reference_jpeg.ORDER] == state.ZIGZAG.tolist()
