"""Side layers, repeats and exact contexts against the plain decoder of reference.py, bit by bit."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import oracle
import reference
import samples
from pixcodec import logit_tables, matches, mixing, side
from pixcodec.bits import BitCoder
from pixcodec.integer_net import load_model
from pixcodec.side import SideLayer, framed
from pixcodec.wavefront import WavefrontNetwork

MODELS = {channels: samples.GOLDEN / f"{name}.safetensors" for channels, name in ((1, "grey"), (3, "rgb"))}
KINDS = {name: getattr(side, name) for name in ("ALPHA", "LOW", "INDEX", "BILEVEL", "WIDE")}


class Recorder:
    """Keeps symbols and rows; the symbols are those it is given, or those of a list."""

    def __init__(self, known=None):
        self.known, self.symbols, self.rows = known, [], []

    def code(self, symbols, rows):
        if self.known is not None:
            symbols = self.known[len(self.symbols) : len(self.symbols) + len(rows)]
        self.symbols += [int(bit) for bit in symbols]
        self.rows += [[int(v) + 1 for v in row] for row in rows]
        return np.array(symbols, np.int32)


class Known:
    """Gives the reference bits that the kernels coded, and compares the frequencies."""

    def __init__(self, recorder):
        self.pairs = list(zip(recorder.symbols, recorder.rows, strict=True))
        self.at = 0

    def symbol(self, frequencies):
        bit, expected = self.pairs[self.at]
        assert frequencies == expected, f"bit {self.at} of {len(self.pairs)}"
        self.at += 1
        return bit


def run(stage, bits, decoding, known=None):
    """Code or decode a layer; return what it coded."""
    recorder = Recorder(known)
    while bits.code(recorder):
        pass
    return stage.planes(), recorder


def compare(make, planes, coder):
    """Compare encoder and decoder with the reference; ``make`` returns a stage and its coder for planes or None."""
    _, recorder = run(*make(planes), False)
    known = Known(recorder)
    np.testing.assert_array_equal(coder.decode(known), planes)
    assert known.at == len(known.pairs)
    decoded, again = run(*make(None), True, np.array(recorder.symbols, np.int32))
    np.testing.assert_array_equal(decoded, planes)
    assert again.rows == recorder.rows
    seen = coder.mixer.seen
    return seen | coder.repeats.seen if coder.repeats else seen


def check_side(kind, planes, *, bits=8, low_bits=0, sees=None, slope=3, fast=False, graphics=False):
    height, width, count = planes.shape
    seen = np.zeros((height, width, 0), np.uint8) if sees is None else sees

    def make(values):
        stage = SideLayer(
            *(KINDS[kind], bits, low_bits if kind in ("LOW", "WIDE") else 0, seen, height, width, count, slope),
            *(not fast, graphics, values),
        )
        return stage, BitCoder(stage, 1, values is None)

    coder = reference.SideLayer(
        *(kind, bits, low_bits, height, width, count, slope),
        sees=sees,
        fast=fast,
        graphics=graphics,
    )
    return compare(make, planes, coder)


def check_network(planes, effort, graphics, *, sees=None, slope=3):
    height, width, channels = planes.shape
    seen = np.zeros((height, width, 0), np.uint8) if sees is None else sees
    model = load_model(MODELS[channels])

    def make(values):
        net = WavefrontNetwork(model, height, width, slope, values)
        return net, BitCoder(net, effort, values is None, graphics, framed(seen))

    network = reference.network_of(MODELS[channels])
    coder = reference.NetworkLayer(network, effort, graphics, height, width, slope, sees)
    return compare(make, planes, coder)


def letters(height, width, values=(0, 200), seed=1):
    """Return graphics: a few patterns, again and again, some with a wrong pixel."""
    rng = np.random.default_rng(seed)
    patterns = rng.choice(np.array(values, np.uint8), (2, 3, 4))
    image = np.full((height, width), values[0], np.uint8)
    for y in range(0, height - 3, 4):
        for x in range(0, width - 3, 5):
            image[y : y + 3, x : x + 4] = patterns[rng.integers(2)]
    wrong = rng.integers(0, height * width, 3)
    image.reshape(-1)[wrong] = values[-1]
    return image[:, :, None]


def deep(height, width, channels, bits, seed=2):
    """Return a smooth picture of so many bits with some noise and some outliers."""
    rng = np.random.default_rng(seed)
    y, x, c = np.ogrid[:height, :width, :channels]
    top = 2**bits - 1
    picture = top * (0.3 + 0.4 * np.sin(x / 5 + c) * np.cos(y / 4)) + rng.normal(0, top / 900, (height, width, channels))
    picture[rng.random(picture.shape) < 0.03] = rng.choice([0, top])
    return np.clip(picture, 0, top).astype(np.int64)


def test_the_tables_are_those_of_the_format():
    assert reference.LN == logit_tables.LN_TABLE.tolist()
    assert reference.STRETCH == logit_tables.STRETCH_TABLE.tolist()
    assert reference.SQUASH == logit_tables.SQUASH_TABLE.tolist()
    assert reference.LOGISTIC == logit_tables.LOGISTIC_TABLE.tolist()
    assert f"digest of 8 bytes, {reference.tables_digest()}, of\n" in reference.TEXT


SIZES = [(9, 13, 3), (1, 1, 3), (1, 9, 3), (8, 1, 4), (6, 5, 5)]


@pytest.mark.parametrize("planes_seen", [0, 1, 3, 6])
@pytest.mark.parametrize("graphics", [False, True])
@pytest.mark.parametrize(("height", "width", "slope"), SIZES[:1] + SIZES[-1:])
def test_alpha(height, width, slope, graphics, planes_seen):
    alpha = letters(height, width, (0, 255))
    alpha[:, width // 2 :] |= samples.gradient(height, width, 1)[:, width // 2 :]
    sees = samples.pixel_art(height, width, 3) if planes_seen else None
    if planes_seen:
        sees = np.concatenate([sees, samples.noise(height, width, 3)], 2)[:, :, :planes_seen]
    check_side("ALPHA", alpha, sees=sees, slope=slope, graphics=graphics)


def test_sure_and_left_nibbles_of_alpha():
    alpha = np.full((25, 26, 1), 255, np.uint8)
    alpha[13::6, 7::8] = 254
    alpha[16::6, 5::8] = 17
    seen = check_side("ALPHA", alpha)
    assert {"sure", "left", "open"} <= seen


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("low_bits", [1, 3, 4, 5, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_low(channels, low_bits, fast):
    whole = deep(7, 9, channels, 8 + low_bits)
    low, high = (whole & (2**low_bits - 1)).astype(np.uint8), (whole >> low_bits).astype(np.uint8)
    check_side("LOW", low, bits=low_bits, low_bits=low_bits, sees=high, fast=fast)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("low_bits", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3])
def test_wide(channels, low_bits, fast):
    whole = deep(6, 8, channels, 8 + low_bits)
    planes = np.stack([whole >> low_bits, whole & (2**low_bits - 1)], 3).reshape(6, 8, -1).astype(np.uint8)
    check_side("WIDE", planes, low_bits=low_bits, fast=fast)


@pytest.mark.parametrize(("kind", "low_bits"), [("LOW", 8), ("WIDE", 3), ("WIDE", 6)])
@pytest.mark.parametrize(("height", "width", "slope"), SIZES)
def test_sizes_and_slopes_of_deep_layers(height, width, slope, kind, low_bits):
    whole = deep(height, width, 1, 8 + low_bits)
    high, low = (whole >> low_bits).astype(np.uint8), (whole & (2**low_bits - 1)).astype(np.uint8)
    if kind == "LOW":
        check_side("LOW", low, bits=low_bits, low_bits=low_bits, sees=high, slope=slope)
    else:
        check_side("WIDE", np.concatenate([high, low], 2), low_bits=low_bits, slope=slope)


@pytest.mark.parametrize("low_bits", range(1, 9))
def test_sure_nibbles_of_deep_layers(low_bits):
    whole = np.full((18, 20, 1), 100 * 2**low_bits + 37 % 2**low_bits)
    whole[14::5, 6::7] += 2**low_bits + 1
    planes = np.concatenate([whole >> low_bits, whole & (2**low_bits - 1)], 2).astype(np.uint8)
    seen = check_side("WIDE", planes, low_bits=low_bits, fast=True)
    assert {"sure", "left", "open"} <= seen


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("kind", ["letters", "noise"])
def test_index(kind, bits):
    values = samples.noise(10, 13, 1) >> (8 - bits)
    if kind == "letters":
        values = letters(10, 13, tuple({0, 1, 2**bits - 1, 2**bits // 3}))
    check_side("INDEX", values, bits=bits)


@pytest.mark.parametrize("kind", ["INDEX", "BILEVEL"])
@pytest.mark.parametrize(("height", "width", "slope"), SIZES)
def test_sizes_and_slopes_of_graphics(height, width, slope, kind):
    check_side(kind, letters(height, width, (0, 1)), bits=1, slope=slope)


@pytest.mark.parametrize("kind", ["INDEX", "BILEVEL"])
def test_repeats_go_every_way(kind):
    seen = check_side(kind, letters(24, 25, (0, 1)), bits=1)
    assert {"goes on", "leaves the tile", "from above", "from the table", "right", "wrong"} <= seen


def test_noise_of_bilevel_pixels():
    check_side("BILEVEL", samples.noise(11, 14, 1) & 1, bits=1)


@pytest.mark.parametrize("sees", [False, True])
@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize(("height", "width", "channels"), [(9, 13, 1), (9, 14, 3)])
def test_graphics_of_the_network(height, width, channels, effort, sees):
    palette = samples.noise(1, 8, channels)[0]
    image = np.ascontiguousarray(palette[letters(height, width, (0, 1, 2, 7))[:, :, 0]])
    image[:, width - 3 :] = samples.gradient(height, 3, channels)
    alpha = letters(height, width, (0, 255), 5) if sees else None
    seen = check_network(image, effort, True, sees=alpha)
    assert {"open", "from the table", "right", "wrong"} <= seen


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_of_the_network(channels, effort):
    check_network(samples.photo(channels, 7, 9), effort, False)


def test_crowded_slots():
    assert "replaced" in check_side("INDEX", samples.noise(24, 30, 1))


def test_the_constants_are_those_of_the_format():
    limits = [
        mixing.new_state(effort, channels, 2, 2, 1, graphics=graphics)
        for graphics in (False, True)
        for effort in (1, 2)
        for channels in (3, 1)
    ]
    counts = [s.ctx.shape[1] for s in limits]
    text = "12, 12 | 35, 15 | 15, 15 | 42, 22 | 16 |"
    assert [int(n) for cell in text.split("|")[:4] for n in cell.split(",")] == counts
    assert f"J, contexts of a subpixel: RGB, grey | {text}" in reference.TEXT
    assert matches.MAX_TABLE_BITS == 18
    assert matches.MAX_LENGTH == 2**15
