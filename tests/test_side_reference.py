"""Side layers, repeats and exact contexts against the plain decoder of reference.py, bit by bit."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import bit_by_bit
import pixcodec
import samples
from pixcodec import codec, reference, tiling
from pixcodec.coding.side_layer import PLANS, SideKind, new_side_layer
from pixcodec.images import ways
from pixcodec.images.colours import pack_values
from pixcodec.images.ways import Way
from pixcodec.mixing import matches, side_predictors, slots, tables
from pixcodec.mixing.side_contexts import SIDE_CONTEXTS
from pixcodec.mixing.state import APM_LIMITS, Extent, new_network_mixing
from pixcodec.network.distribution import logistic_steps
from pixcodec.reference import core

pytestmark = pytest.mark.usefixtures("no_packed_layers")

MODELS = {channels: samples.GOLDEN / f"{name}.safetensors" for channels, name in ((1, "grey"), (3, "rgb"))}
EFFORTS = ["fast", "normal", "max"]
KINDS = {name: getattr(side_predictors, name) for name in ("ALPHA", "LOW", "INDEX", "BILEVEL", "WIDE")}


def check_side(
    kind, planes, *, bits=8, low_bits=0, sees=None, slope=3, fast=False, graphics=False, runs=False
):
    height, width = planes.shape[:2]
    seen = np.zeros((height, width, 0), np.uint8) if sees is None else sees

    def make(values):
        layer = SideKind(KINDS[kind], bits, low_bits if kind in ("LOW", "WIDE") else 0)
        size = Extent(*planes.shape, slope)
        return new_side_layer(layer, size, seen, fits=not fast, graphics=graphics, runs=runs, planes=values)

    coder = reference.SideLayer(
        kind, bits, low_bits, planes.shape, slope, sees, fast=fast, graphics=graphics, runs=runs
    )
    return bit_by_bit.compare(make, planes, coder)


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
    picture = top * (0.3 + 0.4 * np.sin(x / 5 + c) * np.cos(y / 4)) + rng.normal(
        0, top / 900, (height, width, channels)
    )
    picture[rng.random(picture.shape) < 0.03] = rng.choice([0, top])
    return np.clip(picture, 0, top).astype(np.int64)


def test_the_tables_are_those_of_the_format():
    assert tables.LN_TABLE.tolist() == reference.LN
    assert tables.STRETCH_TABLE.tolist() == reference.STRETCH
    assert tables.SQUASH_TABLE.tolist() == reference.SQUASH
    assert tables.LOGISTIC_TABLE.tolist() == reference.LOGISTIC
    assert f"digest of 8 bytes, {reference.tables_digest()}, of ln" in reference.WORDS


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


@pytest.mark.slow
def test_sure_and_left_nibbles_of_alpha():
    alpha = np.full((25, 26, 1), 255, np.uint8)
    alpha[13::6, 7::8] = 254
    alpha[16::6, 5::8] = 17
    seen = check_side("ALPHA", alpha)
    assert {"sure", "left", "open"} <= seen


DEEP = [
    *((1, low_bits, False) for low_bits in range(1, 9)),
    *((1, 5, True), (3, 1, False), (3, 4, True), (3, 8, False)),
]


@pytest.mark.parametrize(("channels", "low_bits", "fast"), DEEP)
def test_low(channels, low_bits, fast):
    whole = deep(7, 9, channels, 8 + low_bits)
    low, high = (whole & (2**low_bits - 1)).astype(np.uint8), (whole >> low_bits).astype(np.uint8)
    check_side("LOW", low, bits=low_bits, low_bits=low_bits, sees=high, fast=fast)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "low_bits", "fast"), [*DEEP, (3, 6, False)])
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
    assert {"sure", "open"} <= seen


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


@pytest.mark.slow
@pytest.mark.parametrize("sees", [False, True])
@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize(("height", "width", "channels"), [(9, 13, 1), (9, 14, 3)])
def test_graphics_of_the_network(height, width, channels, effort, sees):
    palette = samples.noise(1, 8, channels)[0]
    image = np.ascontiguousarray(palette[letters(height, width, (0, 1, 2, 7))[:, :, 0]])
    image[:, width - 3 :] = samples.gradient(height, 3, channels)
    alpha = letters(height, width, (0, 255), 5) if sees else None
    seen = bit_by_bit.compare_network(image, effort, graphics=True, sees=alpha)
    assert {"open", "from the table", "right", "wrong"} <= seen


@pytest.mark.parametrize("kind", ["ALPHA", "INDEX"])
def test_crowded_slots(kind):
    assert "replaced" in check_side(kind, samples.noise(13, 17, 1))


@pytest.mark.parametrize("kind", ["LOW", "WIDE"])
def test_noise_of_16_bits(kind):
    noise = samples.noise(10, 11, 2)
    if kind == "WIDE":
        check_side(kind, noise, low_bits=8)
    else:
        check_side(kind, noise[:, :, 1:], bits=8, low_bits=8, sees=noise[:, :, :1])


def plain(**layout):
    """Return the way to code a picture without a table, with this layout."""
    return lambda header, picture: [Way(replace(header, **layout), picture.pixels, picture.palette)]


def tabled(**layout):
    """Return the way that the encoder knows of which this is true."""

    def ways_of(header, picture):
        found = ways.ways_of(header, picture)
        return [way for way in found if all(getattr(way.header, k) == v for k, v in layout.items())][:1]

    return ways_of


def mapped_widely(header, picture):
    """Return the way by a table of 4096 values."""
    table = pack_values(np.arange(7, 2**16, 16).astype(np.uint16))
    deep = replace(header, index_bits=12, mapped=True, interleaved=True)
    return [Way(deep, picture.pixels // 16, table)]


def files():
    """Return images by name, each with a function that chooses the way to code it, and its efforts."""
    rgb = samples.noise(1, 8, 3)[0][letters(9, 14, (0, 1, 2, 7))[:, :, 0]]
    alpha = letters(9, 14, (0, 255), 4)
    rgba = np.concatenate([rgb, alpha], 2)
    deep_grey, deep_rgb = (deep(6, 8, *kind).astype(np.uint16) for kind in ((1, 16), (3, 11)))
    deep_rgba = np.concatenate([deep_rgb, deep(6, 8, 1, 15, 3).astype(np.uint16)], 2)
    palette = Image.fromarray(letters(9, 14, (0, 1, 2, 5))[:, :, 0], "P")
    palette.putpalette(bytes(range(0, 240, 5)))
    sparse = np.array([3, 9, 1000, 1001, 65535, 30000], np.uint16)[samples.noise(8, 9, 1) % 6]
    grey_alpha = np.concatenate([samples.photo(1, 7, 9), alpha[:7, :9]], 2)
    return {
        "grey": (samples.photo(1, 9, 14), plain(), ["normal", "fast"]),
        "grey alpha": (grey_alpha, plain(), ["normal"]),
        "rgba": (rgba, plain(graphics=True), ["normal", "fast"]),
        "alpha first": (rgba, plain(graphics=True, alpha_first=True), ["normal", "max"]),
        "cmyk": (Image.fromarray(samples.photo(3, 6, 8)).convert("CMYK"), plain(), ["normal"]),
        "indexed": (rgba, tabled(indexed=True), ["normal"]),
        "palette": (palette, plain(), EFFORTS),
        "bilevel": (letters(9, 14, (0, 1)) > 0, plain(), ["normal"]),
        "16 bits": (deep(11, 14, 1, 16).astype(np.uint16), plain(), ["normal"]),
        "11 bits": (deep_rgb, plain(), ["normal"]),
        "interleaved": (deep(6, 8, 1, 13).astype(np.uint16), plain(interleaved=True), ["normal"]),
        "interleaved alpha": (deep_rgba, plain(interleaved=True), EFFORTS),
        "interleaved after alpha": (deep_rgba, plain(interleaved=True, alpha_first=True), ["normal"]),
        "even values": (deep_grey // 512 * 512 + 7, tabled(mapped=True, interleaved=False), ["normal"]),
        "sparse values": (sparse, tabled(mapped=True), ["normal"]),
        "many values": (deep_grey // 16 * 16 + 7, mapped_widely, ["normal"]),
    }


FILES = files()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "effort"), [(n, effort) for n, file in FILES.items() for effort in file[2]])
def test_a_file_decodes_to_the_same_pixels(name, effort, monkeypatch):
    image, chosen, _ = FILES[name]
    monkeypatch.setattr(codec, "all_ways", lambda header, picture, _: [chosen(header, picture)])
    monkeypatch.setattr(codec, "_tile_size", lambda effort, width, height: (width, height - 1))
    monkeypatch.setattr(tiling, "MAX_TILE_PIXELS", 0)  # so small a file would be smaller as one raw tile
    networks = tuple(MODELS.values())
    model = next(m for c, m in MODELS.items() if c == (3 if np.asarray(image).shape[2:] > (2,) else 1))
    data = pixcodec.encode(image, effort=effort, model=model)
    found = reference.decode(data, networks)
    np.testing.assert_array_equal(found, np.asarray(image).reshape(found.shape))
    np.testing.assert_array_equal(found, pixcodec.decode(data, model=model).reshape(found.shape))
    assert 1 in [payload[0] for kind, payload in core.chunks(data) if kind == b"TILE"]


def first_table(title):
    """Return the rows of the first table of a section by their first cell, as numbers."""
    rows = {}
    for name, *cells in reference.Section(title).tables[0]:
        numbers = [re.fullmatch(r"(?:2\^)?(\d+)", part) for cell in cells for part in cell.split(", ")]
        rows[name] = [n and (2 ** int(n[1]) if n[0].startswith("2^") else int(n[1])) for n in numbers]
    return rows


def test_limits_are_those_of_the_format():
    states = {
        (effort, graphics, channels): new_network_mixing(
            effort, Extent(2, 2, channels, 5), logistic_steps(tables.LOGISTIC_TABLE), graphics=graphics
        )
        for graphics in (False, True)
        for effort in (1, 2)
        for channels in (3, 1)
    }
    found = first_table("Mixing")

    def limits(field, by_channels=True):
        return [
            getattr(s.rules, field) for (_, _, channels), s in states.items() if by_channels or channels == 1
        ]

    counts = [s.ctx.shape[1] for s in states.values()]
    assert [*counts, SIDE_CONTEXTS] == found["J, contexts of a subpixel: RGB, grey"]
    high = limits("high_contexts")
    assert [*high, SIDE_CONTEXTS] == found["D, contexts of a high nibble: RGB, grey"]
    assert limits("sure_odds", False) == found["ODDS of a sure nibble"][:4]
    assert limits("certain", False) == found["CERTAIN, a logit in 1/256"][:4]
    counted = [*limits("apm_limit", False), APM_LIMITS[1]]
    assert counted == found["LIMIT of the output's counts"]
    assert [s.mixers.sets.shape[1] for s in states.values()][::2] == found["M, weight sets of a bit"][:4]
    plans = first_table("Side layers")
    assert [list(PLANS[KINDS[kind]]) for kind in ("ALPHA", "LOW", "WIDE")] == list(plans.values())[:3]
    for kind in ("INDEX", "BILEVEL"):
        assert list(PLANS[KINDS[kind]]) == plans["INDEX, BILEVEL"]


def test_constants_that_no_small_tile_needs_are_those_of_the_format():
    repeats = " ".join(reference.Section("Repeats").text.split())
    assert (matches.MIN_TABLE_BITS, matches.MAX_TABLE_BITS) == (10, 18)
    assert "T = clamp(bitlength(H * W - 1), 10, 18)" in repeats
    assert matches.MAX_LENGTH == 2**15
    assert "min(length[y] + 1, 2^15)" in repeats
    assert " ".join(str(bound) for bound in matches._BOUNDS) in repeats
    for title, count in (("Repeats", 2), ("Slots", 3)):
        text = reference.Section(title).text
        assert all(f"0x{factor % 2**64:X}" in text for factor in slots.MULTIPLIERS[:count])
    assert (slots.MIN_SLOT_BITS, slots.MAX_SLOT_BITS) == (10, 17)
    assert "B = clamp(bitlength(height * width // 4), 10, 17)" in reference.Section("Slots").text
