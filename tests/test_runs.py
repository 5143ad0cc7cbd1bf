"""Runs of flat parts: encoder, decoder and the plain decoder agree, in every stage (FORMAT.md, Runs)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bit_by_bit
import pixcodec
import samples
from pixcodec.coding.driver import run
from pixcodec.coding.layer import worth_runs
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.container.container import TileKind, parse
from pixcodec.network.inference import new_network
from pixcodec.network.model import Model
from pixcodec.network.model_files import load_model
from pixcodec.network.wavefront import inner
from pixcodec.reference import core
from pixcodec.reference.runs import decode_nibbles
from test_side_reference import check_side

pytestmark = pytest.mark.usefixtures("no_packed_layers")

Planes = npt.NDArray[np.uint8]


def flat_parts(height: int, width: int, channels: int, seed: int = 1, values: int = 256) -> Planes:
    """Return a flat image with rectangles, slanted edges, some single pixels and a part of noise."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, channels), rng.integers(values, size=channels), np.uint8)
    for _ in range(3):
        y, x = rng.integers(height), rng.integers(width)
        image[y : y + rng.integers(1, 9), x : x + rng.integers(1, 30)] = rng.integers(values, size=channels)
    for y in range(height // 2, height):
        image[y, min(width, width // 2 + 3 * y) :] = min(3, values - 1)
    for _ in range(3):
        image[rng.integers(height), rng.integers(width), rng.integers(channels)] = rng.integers(values)
    image[: height // 4, : width // 5] = rng.integers(values, size=(height // 4, width // 5, channels))
    return image


def nibbles(model: Model, shape: tuple[int, ...], slope: int, planes: Planes | None = None) -> Any:
    network = new_network(model, shape[0], shape[1], slope, planes)
    return new_nibbles(network, shape[0], shape[1], slope, known=planes is not None, runs=True)


def decode_all(stage: Any, bitstream: bytes) -> None:
    decoder = Decoder(bitstream)
    run(stage, decoder, decoding=True)
    decoder.finish()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width", "slope"), [(14, 50, 3), (9, 31, 7), (5, 23, 23), (1, 60, 3)])
def test_fast_is_that_of_the_text(channels: int, height: int, width: int, slope: int) -> None:
    path = samples.GOLDEN / ("rgb.safetensors" if channels == 3 else "grey.safetensors")
    planes = flat_parts(height, width, channels)
    encoder = Encoder()
    run(nibbles(load_model(path), planes.shape, slope, planes), encoder, decoding=False)
    data = encoder.finish()
    stage = nibbles(load_model(path), planes.shape, slope)
    decode_all(stage, data)
    np.testing.assert_array_equal(inner(stage.canvas), planes)
    words = core.RangeDecoder(data)
    np.testing.assert_array_equal(decode_nibbles(core.Network(path), words, height, width, slope), planes)
    words.finish()


@pytest.mark.parametrize("graphics", [False, True])
@pytest.mark.parametrize(("channels", "effort"), [(1, 1), (3, 1), (1, 2), (3, 2)])
def test_network_layers_are_those_of_the_text(channels: int, effort: int, graphics: bool) -> None:
    planes = flat_parts(12, 45, channels, seed=channels + effort)
    bit_by_bit.compare_network(planes, effort, graphics=graphics, runs=True)


@pytest.mark.parametrize(
    ("kind", "bits", "low_bits", "channels"),
    [("ALPHA", 8, 0, 1), ("INDEX", 4, 0, 1), ("BILEVEL", 1, 0, 1), ("LOW", 4, 4, 3), ("WIDE", 8, 4, 2)],
)
def test_side_layers_are_those_of_the_text(kind: str, bits: int, low_bits: int, channels: int) -> None:
    planes = flat_parts(14, 60, channels, seed=5, values=1 << bits)
    if kind == "WIDE":
        planes[:, :, 1] &= 15
    sees = flat_parts(14, 60, channels, seed=6) if kind in ("LOW", "ALPHA") else None
    check_side(kind, planes, bits=bits, low_bits=low_bits, sees=sees, graphics=kind == "ALPHA", runs=True)


def test_a_repeat_says_where_a_run_ends() -> None:
    planes = np.zeros((13, 90, 1), np.uint8)
    planes[2:4, 30:32] = planes[8:10, 30:32] = planes[8:10, 70:72] = 1
    planes[4, ::11] = planes[10, ::11] = 1
    assert "copied" in check_side("INDEX", planes, bits=1, runs=True)


IMAGES = st.tuples(
    st.integers(1, 40), st.integers(1, 90), st.sampled_from([1, 2, 3, 4]), st.integers(0, 99), st.booleans()
)


@pytest.mark.parametrize("effort", ["fast", "normal", "max"])
@given(IMAGES)
@settings(max_examples=12, deadline=None)
def test_images_with_flat_parts_survive(effort: str, image: tuple[int, int, int, int, bool]) -> None:
    height, width, channels, seed, deep = image
    pixels: npt.NDArray[Any] = flat_parts(height, width, channels, seed)
    if deep:
        pixels = pixels.astype(np.uint16) * 257
        pixels[::3] += 5
    pixels = pixels[:, :, 0] if channels == 1 else pixels
    for order in ("wavefront", "raster"):
        data = pixcodec.encode(pixels, effort=effort, order=order)
        np.testing.assert_array_equal(pixcodec.decode(data), pixels)


@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_a_flat_image_takes_few_steps(effort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    code = Decoder.code
    monkeypatch.setattr(Decoder, "code", lambda *args: steps.append(1) or code(*args))
    pixels = np.full((250, 400, 3), (1, 2, 3), np.uint8)
    data = pixcodec.encode(pixels, effort=effort)
    assert {tile.kind for tile in parse(data).tiles} == {TileKind.RUNS}
    np.testing.assert_array_equal(pixcodec.decode(data, threads=1), pixels)
    assert len(steps) < 2000  # one a row, more in the first ones; 1147 wavefronts of 24 bits would be 27528
    assert len(data) < 300


def test_only_flat_layers_have_runs() -> None:
    assert worth_runs(flat_parts(60, 80, 3))
    assert not worth_runs(samples.photo(3, 47, 61))
    assert not worth_runs(np.zeros((2, 500, 1), np.uint8))


def test_damaged_runs_are_damage() -> None:
    pixels = flat_parts(40, 90, 3)
    data = bytearray(pixcodec.encode(pixels, effort="normal"))
    tile = parse(bytes(data)).tiles[0]
    assert tile.kind is TileKind.RUNS
    stage_bytes = tile.bitstream
    model = load_model(samples.GOLDEN / "rgb.safetensors")
    for seed in range(8):
        rng = np.random.default_rng(seed)
        damaged = rng.integers(0, 256, len(stage_bytes), dtype=np.uint8).tobytes()
        stage = nibbles(model, (40, 90, 3), 3)
        with pytest.raises(pixcodec.CorruptFileError):
            decode_all(stage, damaged)
