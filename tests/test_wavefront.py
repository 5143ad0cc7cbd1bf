"""The order of coding: each subpixel once, and nothing is read before it is coded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pixcodec
import samples
from networks import mixtures_of_image, mixtures_of_wavefronts, random_network
from pixcodec import codec, tiling
from pixcodec.coding import layer
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.network.architecture import MIN_SLOPE, NEIGHBOURS, REACH, TAPS
from pixcodec.network.inference import ring_size_bytes
from pixcodec.network.kernels import kernel
from pixcodec.network.model_files import shipped_model
from pixcodec.network.stepping import WavefrontNetwork
from pixcodec.network.wavefront import (
    Int32,
    inner,
    lane_count,
    lane_range,
    new_canvas,
    new_wave,
    next_channel,
    next_lanes,
    position,
    raster_slope,
    wavefront_count,
)
from pixcodec.training.export import to_model

SIZES = [(1, 1), (1, 12), (12, 1), (2, 2), (7, 5), (11, 23)]
EFFORTS = ("fast", "normal", "max")
LEAST_SLOPE = {"fast": 3, "normal": 3, "max": 5}


def visits(slope: int, height: int, width: int) -> list[tuple[int, int, int]]:
    """Return (t, y, x) of every lane of every wavefront, in the order of coding."""
    found = []
    for t in range(wavefront_count(slope, height, width)):
        first, n = lane_range(t, slope, height, width)
        found += [(t, y, t - slope * y) for y in range(first, first + n)]
    return found


@given(st.integers(MIN_SLOPE, 45), st.integers(1, 40), st.integers(1, 40))
def test_lanes_cover_every_pixel_once(slope: int, height: int, width: int) -> None:
    pixels = [(y, x) for _, y, x in visits(slope, height, width)]
    assert sorted(pixels) == [(y, x) for y in range(height) for x in range(width)]


@given(st.integers(MIN_SLOPE, 45), st.integers(1, 30), st.integers(1, 30))
def test_neighbours_lie_on_earlier_wavefronts(slope: int, height: int, width: int) -> None:
    when = {(y, x): t for t, y, x in visits(slope, height, width)}
    for (y, x), t in when.items():
        for dy, dx in {*NEIGHBOURS, *TAPS} - {(0, 0)}:
            assert when.get((y + dy, x + dx), -1) < t


@given(st.integers(1, 40), st.integers(1, 40))
def test_raster_order_is_literal(height: int, width: int) -> None:
    pixels = [(y, x) for _, y, x in visits(raster_slope(width), height, width)]
    assert pixels == [(y, x) for y in range(height) for x in range(width)]


Batch = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]


class Recorder:
    """Takes the place of the range coder's encoder and keeps what it is given."""

    batches: list[Batch]

    def __init__(self) -> None:
        Recorder.batches = []

    def code(self, symbols: npt.NDArray[np.int32], rows: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        Recorder.batches.append((symbols.copy(), rows.copy()))
        return symbols

    def finish(self) -> bytes:
        return b""


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that encodes an image of one tile and returns the batches that were coded.

    Effort fast writes all 16 outcomes of a nibble, as its decoder does. No pixel is copied.
    """
    monkeypatch.setattr(layer, "Encoder", Recorder)
    monkeypatch.setattr(
        layer, "new_nibbles", lambda *size, **_: new_nibbles(*size, known=False, calibrated=True)
    )
    monkeypatch.setattr(layer, "worth_runs", lambda plane: False)
    monkeypatch.setattr(tiling, "best_ways", lambda ways, size_bytes: ways[:1])

    def run(image: samples.Pixels, effort: str, slope: int) -> list[Batch]:
        monkeypatch.setattr(codec, "SLOPE", slope)
        pixcodec.encode(image, effort=effort, threads=1)
        return split(Recorder.batches, image.shape, slope)

    return run


def split(batches: list[Batch], shape: tuple[int, ...], slope: int) -> list[Batch]:
    """Cut what was coded into one batch for each wavefront, channel and nibble or bit.

    An encoder that knows all symbols may code several at once: the range coder only sees their order.
    """
    symbols, rows = (np.concatenate(part) for part in zip(*batches, strict=True))
    height, width, channels = (*shape, 1)[:3]
    lanes = [lane_range(t, slope, height, width)[1] for t in range(wavefront_count(slope, height, width))]
    parts = {16: 2, 2: 8}[rows.shape[1]]
    sizes = [n for n in lanes if n for _ in range(channels * parts)]
    assert sum(sizes) == len(symbols) == len(rows)
    ends = np.cumsum(sizes)[:-1]
    return list(zip(np.split(symbols, ends), np.split(rows, ends), strict=True))


def values_of(batches: list[Batch]) -> list[list[int]]:
    """Join nibbles or bits to subpixels: for every wavefront and channel the values of its lanes."""
    groups = []
    values, states = np.zeros(0, np.int64), 1
    for symbols, rows in batches:
        values = symbols.astype(np.int64) if states == 1 else values * rows.shape[1] + symbols
        states *= rows.shape[1]
        if states == 256:
            groups.append(values.tolist())
            states = 1
    assert states == 1
    return groups


@pytest.mark.parametrize("slope", [3, 5, "width"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_each_subpixel_is_coded_once_and_after_its_context(
    record: Any, height: int, width: int, channels: int, slope: int | str
) -> None:
    steepness = slope if isinstance(slope, int) else raster_slope(width)
    # The value of a subpixel tells which pixel it belongs to; all channels are alike.
    numbers = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1)
    groups = values_of(record(np.repeat(numbers, channels, 2), "fast", steepness))
    done: set[tuple[int, int, int]] = set()
    for index, group in enumerate(groups):
        channel = index % channels
        pixels = [divmod(value, width) for value in group]
        for y, x in pixels:
            context = {(y + dy, x + dx, c) for dy, dx in NEIGHBOURS for c in range(channels)}
            inside = {(v, u, c) for v, u, c in context if v >= 0 and 0 <= u < width}
            assert inside | {(y, x, c) for c in range(channel)} <= done
        for y, x in pixels:
            assert (y, x, channel) not in done
            done.add((y, x, channel))
    assert len(done) == height * width * channels


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("steeper", [0, 2, 20])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_lane_is_coded_with_256_outcomes(record: Any, channels: int, steeper: int, effort: str) -> None:
    slope = LEAST_SLOPE[effort] + steeper
    batches = record(samples.photo(channels, 11, 23), effort, slope)
    lanes = [lane_range(t, slope, 11, 23)[1] for t in range(wavefront_count(slope, 11, 23))]
    expected = [n for n in lanes if n for _ in range(channels)]
    assert [len(group) for group in values_of(batches)] == expected
    for symbols, rows in batches:
        assert len(rows) == len(symbols)
        assert (rows.sum(1) == 2**24 - rows.shape[1]).all()


@pytest.mark.parametrize("name", ["photo", "flat", "noise"])
def test_an_encoder_that_knows_a_nibble_codes_it_by_the_same_interval(
    record: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    image = {
        "photo": samples.photo(3, 11, 23),
        "flat": np.full((11, 23, 3), 255, np.uint8),
        "noise": np.random.default_rng(3).integers(0, 256, (11, 23, 3), np.uint8),
    }[name]
    intervals = []
    record(image, "fast", 3)
    full = Recorder.batches
    monkeypatch.setattr(layer, "new_nibbles", new_nibbles)
    pixcodec.encode(image, effort="fast", threads=1)
    for batches, outcomes in ((full, 16), (Recorder.batches, 3)):
        symbols, rows = (np.concatenate(part) for part in zip(*batches, strict=True))
        assert rows.shape[1] == outcomes
        assert rows.min() >= 0
        assert (rows.sum(1) == 2**24 - outcomes).all()
        ends = np.cumsum(rows + 1, axis=1)
        each = np.arange(len(rows))
        intervals.append((ends[each, symbols] - rows[each, symbols] - 1, rows[each, symbols]))
    np.testing.assert_array_equal(*intervals)


@pytest.mark.parametrize("effort", EFFORTS)
def test_empty_wavefronts_do_not_end_a_tile(record: Any, effort: str) -> None:
    # Between two rows lie 51 of them: more than three batches of an encoder.
    image = samples.photo(1, 4, 9)
    groups = values_of(record(image, effort, 60))
    assert len(groups) == image.size


@pytest.mark.slow
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("steeper", [0, 2, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_probability_depends_on_what_is_coded_later(
    record: Any, channels: int, steeper: int, effort: str
) -> None:
    slope = LEAST_SLOPE[effort] + steeper
    image = samples.photo(channels, 7, 11)
    original = record(image, effort, slope)
    order = visits(slope, 7, 11)
    wavefronts = sorted({t for t, _, _ in order})
    batches = len(original) // (len(wavefronts) * channels)
    rng = np.random.default_rng(slope)
    for index in range(1, len(wavefronts), len(wavefronts) // 5):
        for channel in range(channels):
            # Everything from this channel of this wavefront on is garbage.
            garbage = image.copy()
            for t, y, x in order:
                known = {True: channels, False: 0}[t < wavefronts[index]]
                known = channel if t == wavefronts[index] else known
                garbage[y, x, known:] = rng.integers(0, 256, channels - known)
            changed = record(garbage, effort, slope)
            # The first batch of garbage is still coded with the rows of before.
            stop = (index * channels + channel) * batches
            for part, end in ((0, stop), (1, stop + 1)):
                before, after = (np.concatenate([b[part] for b in run[:end]]) for run in (original, changed))
                np.testing.assert_array_equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("poison", [0, 255, "noise"])
@pytest.mark.parametrize("slope", [3, 5, 23])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_network_reads_no_subpixel_that_is_not_known_yet(
    height: int, width: int, channels: int, slope: int, poison: int | str
) -> None:
    image = samples.photo(channels, height, width)
    unknown = samples.noise(height, width, channels)
    if isinstance(poison, int):
        unknown[:] = poison
    for model in (shipped_model(channels), to_model(random_network(channels))):
        found = mixtures_of_wavefronts(model, image, slope, unknown=unknown)
        np.testing.assert_equal(found, mixtures_of_image(model, image))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (16, 17, 5), (49, 40, 12), (97, 131, 2), (200, 64, 4)])
def test_networks_of_all_widths_give_the_sums_of_the_whole_image_pass(
    sizes: tuple[int, int, int], channels: int
) -> None:
    image = samples.photo(channels, 7, 11)
    model = to_model(random_network(channels, sizes=sizes, gain=1.0))
    np.testing.assert_equal(mixtures_of_wavefronts(model, image, 3), mixtures_of_image(model, image))


def test_poison_is_noticed_where_it_must_be() -> None:
    image = samples.photo(3, 9, 14)
    model = to_model(random_network(3))
    other = image.copy()
    other[0, 0, 0] ^= 128
    before, after = mixtures_of_image(model, image), mixtures_of_image(model, other)
    assert any(not np.array_equal(a, b) for a, b in zip(sum(before, ()), sum(after, ()), strict=True))


@kernel
def _walk(wave: Any, canvas: Int32, found: Int32) -> None:
    """Number the subpixels of a canvas in the order of coding; list t, lane, channel, row and column."""
    w, count = wave[0], 0
    while next_lanes(w) > 0:
        for lane in range(w.lanes):
            y, x = position(w, lane)
            canvas[y, x, w.channel] = count
            found[count, 0], found[count, 1], found[count, 2] = w.t, lane, w.channel
            found[count, 3], found[count, 4] = y, x
            count += 1
        next_channel(w)


@pytest.mark.parametrize("slope", [3, 5, 60])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_kernels_walk_over_the_wavefronts(height: int, width: int, channels: int, slope: int) -> None:
    canvas, wave = new_canvas(height, width, channels, -1), new_wave(height, width, channels, slope)
    found = np.zeros((height * width * channels, 5), np.int32)
    _walk(wave, canvas, found)
    expected = []
    for t in range(wavefront_count(slope, height, width)):
        first, n = lane_range(t, slope, height, width)
        assert n <= lane_count(slope, height, width)
        for channel in range(channels):
            rows = range(first, first + n)
            expected += [[t, y - first, channel, y + REACH, t - slope * y + REACH] for y in rows]
    assert found.tolist() == expected
    assert sorted(inner(canvas).ravel().tolist()) == list(range(len(expected)))
    assert (canvas == -1).sum() == canvas.size - len(expected)


@pytest.mark.parametrize("slope", [-1, 0, 1, 2])
def test_a_slope_without_causality_is_refused(slope: int) -> None:
    with pytest.raises(ValueError, match=f"slope is {slope}, expected at least 3"):
        WavefrontNetwork(shipped_model(1), 4, 4, slope)


def test_the_size_of_the_rings_is_what_is_allocated() -> None:
    for channels, height, slope in ((1, 1, 3), (3, 20, 7)):
        model = shipped_model(channels)
        net = WavefrontNetwork(model, height, 9, slope)
        assert net.network.activations.rings.nbytes == ring_size_bytes(model, height, slope)
