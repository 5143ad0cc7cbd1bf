from __future__ import annotations

import concurrent.futures
import functools
import math

import numpy as np
import pytest

import bit_by_bit
import samples
from bit_by_bit import SLOPES, compare_network
from pixcodec import reference
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.side_layer import SideKind
from pixcodec.mixing import bit, contexts, lattices, mixer, side_predictors, state, tables
from pixcodec.mixing.logits import ln
from pixcodec.mixing.maps import TOTAL
from pixcodec.mixing.rgb_contexts import rgb_contexts
from pixcodec.mixing.state import Extent
from pixcodec.network.architecture import PMF_FLOOR
from pixcodec.network.distribution import logistic_steps
from pixcodec.network.kernels import kernel
from pixcodec.network.structs import struct_of


def code(planes, coder, shape, effort=1):
    """Code (``planes`` given) or decode a tile; return its pixels and the sum of the code lengths in bits."""
    recorder = bit_by_bit.Recorder(coder)
    stage = bit_by_bit.network_layer(planes, shape, effort)
    found = bit_by_bit.code(stage, recorder, decoding=planes is None)
    assert recorder.count == found.size * 8
    return found, recorder.cost()


def flat_with_specks(height, width, channels):
    """Return a flat picture with pixels that nothing foretells, and a strip of a photograph at its left."""
    image = samples.photo(channels, height, width, number=5).copy()
    image[:, 6:] = 200
    specks = image[3::4, 10::5, channels // 2]
    specks ^= (1 << np.random.default_rng(1).integers(0, 8, specks.shape)).astype(np.uint8)
    return image


KINDS = {
    "noise": samples.noise,
    "flat": samples.flat,
    "gradient": samples.gradient,
    "photo": lambda height, width, channels: samples.photo(channels, height, width),
    "specks": flat_with_specks,
}


@pytest.mark.slow
@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("kind", ["noise", "flat", "gradient", "specks"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (5, 4), (23, 31)])
def test_round_trip_takes_the_bits_it_says(height, width, channels, kind, effort):
    planes = KINDS[kind](height, width, channels)
    encoder = Encoder()
    _, cost = code(planes, encoder, planes.shape, effort)
    bitstream = encoder.finish()
    assert 8 * len(bitstream) <= cost * 1.001 + 64
    decoder = Decoder(bitstream)
    decoded, decoder_cost = code(None, decoder, planes.shape, effort)
    decoder.finish()
    assert np.array_equal(decoded, planes)
    assert decoder_cost == cost


def test_threads_do_not_disturb_each_other():
    planes = [samples.gradient(20 + k, 33, 3) for k in range(4)]

    def bitstream(image):
        encoder = Encoder()
        code(image, encoder, image.shape)
        return encoder.finish()

    alone = [bitstream(image) for image in planes]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(bitstream, planes)) == alone


@pytest.mark.slow
@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("height", "width", "channels", "steeper"), [(7, 9, 3, 0), (11, 9, 1, 1), (1, 3, 3, 0), (5, 4, 3, 4)]
)
def test_kernels_do_what_the_reference_does(height, width, channels, steeper, kind, effort):
    compare_network(KINDS[kind](height, width, channels), effort, slope=SLOPES[effort] + steeper)


@pytest.mark.slow
@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize(("height", "width", "channels"), [(24, 32, 1), (12, 21, 3)])
def test_sure_left_and_open_nibbles_do_what_the_reference_does(height, width, channels, effort):
    seen = compare_network(flat_with_specks(height, width, channels), effort)
    assert {"sure", "left", "open", "certain"} <= seen


def test_effort_max_needs_a_steeper_slope():
    with pytest.raises(ValueError, match="slope is 4, expected at least 5"):
        bit_by_bit.network_layer(None, (9, 11, 3), 2, slope=4)


@pytest.mark.slow
@pytest.mark.parametrize("effort", [1, 2])
def test_crowded_slots_do_what_the_reference_does(effort):
    assert "replaced" in compare_network(samples.noise(8, 10, 3), effort)


def lattice_pixels(kind, height, width):
    """Return pixels that one of the lattices has, but a few that neither has."""
    rng = np.random.default_rng(kind)
    luma = rng.integers(40, 150, (height, width)).astype(float)
    blue, red = rng.integers(-20, 21, (2, height, width)).astype(float)
    if kind == lattices.JFIF:
        rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], 2)
        image = np.round(rgb)
    else:
        y, b, r = 1.3584 * luma, 2.2179 * blue, 1.8215 * red
        image = np.floor(np.stack([y + r, y - 0.194 * b - 0.509 * r, y + b], 2))
    image[::5, ::3] = rng.integers(0, 256, image[::5, ::3].shape)
    return image.astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("kind", [lattices.JFIF, lattices.PHOTO_CD])
def test_lattices_do_what_the_reference_does(kind, effort):
    compare_network(lattice_pixels(kind, 6, 9), effort)


@pytest.mark.parametrize("picture", ["noise", "extremes", "jfif", "photo_cd"])
@pytest.mark.parametrize("channels", [1, 3])
def test_contexts_are_those_of_the_format(channels, picture):
    height, width = 9, 14
    rng = np.random.default_rng(3)
    image = samples.noise(height, width, channels)
    if picture == "extremes":
        image = 255 * (image & 1)
    elif picture != "noise" and channels == 3:
        image = lattice_pixels(("jfif", "photo_cd").index(picture), height, width)
    canvas = np.full((height + 3, width + 6, channels), 128, np.int32)
    canvas[3:, 3:-3] = image
    values = canvas.tolist()
    formulas = reference.NetworkContexts(lambda y, x: values[y + 3][x + 3])
    lattice = np.zeros((height + 3, width + 6, lattices.LATTICE_FIELDS), np.int32)
    for y, x in np.ndindex(height, width):
        if channels == 3:
            before = formulas.fits.copy()
            rgb = [int(v) for v in image[y, x]]
            formulas.invert(y, x, *rgb)
            fits = lattices.invert_lattices(lattice, y + 3, x + 3, *rgb)
            assert [fits & 1, fits >> 1] == [a - b for a, b in zip(formulas.fits, before, strict=True)]
            both = [v for kind in (0, 1) for v in formulas.chroma[kind, y, x]]
            assert lattice[y + 3, x + 3].tolist() == both
    for y, x, c, kind in np.ndindex(height, width, channels, 2 if channels == 3 else 1):
        formulas.fits = [0, kind]
        mean = int(rng.integers(0, 4081)) if (x + y) % 4 else 4080 * (y % 2)
        spread, surprise = int(rng.integers(16)), int(rng.integers(4))
        linear = int(rng.integers(0, 4081)) if (x + 2 * y) % 4 else 4080 * (x % 2)
        count = contexts.GREY_CONTEXTS if channels == 1 else contexts.RGB_CONTEXTS
        found = np.full((1, count), -1, np.int64)
        pixel = contexts.Pixel(0, y + 3, x + 3, c, 2 * (x % 2) + y % 2, mean, spread, surprise)
        if channels == 1:
            contexts.grey_contexts(found, canvas, pixel)
        else:
            rgb_contexts(found, canvas, pixel)
            lattices.lattice_contexts(found, canvas, lattice, kind, pixel)
        u = int(image[y, x, c - 1]) if c else 0
        contexts.linear_contexts(found, count - contexts.LINEAR_CONTEXTS, linear, u, pixel)
        expected = formulas.numbers(y, x, c, mean, spread, surprise, linear, channels)
        assert dict(enumerate(found[0].tolist())) == expected
        assert min(expected.values()) >= 0
        assert max(expected.values()) < 2**56


def network_state(effort, channels, *, graphics):
    """Return the state of the mixer of a layer of the network of 2x2 pixels."""
    size = Extent(2, 2, channels, SLOPES[effort])
    return state.new_network_mixing(effort, size, logistic_steps(tables.LOGISTIC_TABLE), graphics=graphics)


def side_state(kind, slope):
    """Return the state of the mixer of a side layer of 2x2 pixels and two channels."""
    low_bits = 8 if kind in ("LOW", "WIDE") else 0
    plan = SideKind(getattr(side_predictors, kind), 8, low_bits).plan(graphics=True)
    return state.new_side_mixing(plan, Extent(2, 2, 2, slope), logistic_steps(tables.LOGISTIC_TABLE))


STATES = {
    **{
        f"{name} {channels} {effort}": functools.partial(
            network_state, effort, channels, graphics=name == "graphics"
        )
        for name in ("photograph", "graphics")
        for effort in (1, 2)
        for channels in (1, 3)
    },
    **{
        f"{kind} slope {slope}": functools.partial(side_state, kind, slope)
        for kind in ("ALPHA", "LOW", "WIDE", "INDEX", "BILEVEL")
        for slope in SLOPES.values()
    },
}


def largest_inputs(name):
    """Return the largest absolute values of the inputs of a mixer, padded as in its state."""
    s = STATES[name]()
    count, room = s.ctx.shape[1], s.mixers.inputs.shape[2]
    is_side, is_max = not name.startswith(("photograph", "graphics")), name.endswith(" 2")
    stretched = int(np.abs(tables.STRETCH_TABLE).max())
    surest = int(ln(TOTAL) - ln(PMF_FLOOR))
    sizes = [min(s.rules.certain - 1, surest), 256] + [stretched] * count
    if is_side or is_max:
        sizes += [512] * count
    if is_max:
        sizes += [bit.OTHER_MAX] * 3
    assert 0 <= room - len(sizes) < 8
    return sizes + [0] * (room - len(sizes))


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_as_large_as_the_format_says(name):
    s = STATES[name]()
    kind, *rest = name.split()
    if kind not in ("photograph", "graphics"):
        channels = 2
        expected = (16, 3 if kind in ("ALPHA", "INDEX", "BILEVEL") else 2, 2 + 2 * 16)
    else:
        channels, effort = map(int, rest)
        graphics, column = kind == "graphics", 0 if channels == 3 else 1
        contexts = (((12, 12), (35, 15)), ((15, 15), (42, 22)))[graphics][effort - 1][column]
        inputs = 2 + contexts if effort == 1 else 5 + 2 * contexts
        expected = (contexts, 1 + effort + graphics, inputs)
    found = s.ctx.shape[1], s.mixers.sets.shape[1], len(np.trim_zeros(largest_inputs(name)))
    assert found == expected
    # Every weight set that a bit can ask for is there.
    assert len(s.mixers.weights) == state.BY_LENGTH + 8 * state.MAX_CHANNELS * 16
    assert len(s.maps.entries) == channels * s.ctx.shape[1] * 512


@pytest.mark.parametrize("name", STATES)
def test_no_sum_leaves_32_bits(name):
    inputs = largest_inputs(name)
    assert sum(inputs) * (mixer.WEIGHT_MAX >> mixer.COARSE_BITS) < 2**31
    assert sum(v * v >> 8 for v in inputs) < 2**31
    step = (65535 * max(state.RATES)) >> 8
    assert STATES[name]().rules.first_rate <= max(state.RATES)
    assert max(inputs) * step + 2048 < 2**31
    assert mixer.WEIGHT_MAX + (max(inputs) * step >> 12) + 1 < 2**31


@kernel
def mix_first(mixers, lanes):
    """Mix the inputs of the first lane."""
    return mixer.mix(mixers, mixers.inputs[0], 0, 0, lanes[0])


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("signs", ["same", "opposite", "random"])
def test_kernels_are_exact_at_the_bounds(name, signs):
    s = STATES[name]()
    rng = np.random.default_rng(len(name))
    inputs = np.array(largest_inputs(name))
    flips = {"same": 1, "opposite": -1, "random": rng.choice([-1, 1], inputs.shape)}[signs]
    m = s.mixers
    row = m.inputs[0, 0]
    row[:] = inputs * rng.choice([-1, 1], inputs.shape)
    m.sets[0] = np.arange(m.sets.shape[1])
    m.weights[:] = mixer.WEIGHT_MAX * np.sign(row) * flips
    m.final[:] = mixer.FINAL_MAX
    mixed = mix_first(struct_of(m), s.lane)
    values = [int(v) for v in row]
    dot = sum(a * (int(b) >> 9) for a, b in zip(values, m.weights[0], strict=True)) >> 7
    dot = min(max(dot, -61439), 61439)
    assert m.dots[0].tolist() == [dot] * m.sets.shape[1]
    assert mixed == min(max(len(m.dots[0]) * dot * 2**24 >> 20, -61439), 61439)
    assert s.lane["squares"][0] == min(sum(v * v >> 8 for v in values) >> 8, 2047)
    for step in (65535 * 1999 >> 8, -65535 * 1999 >> 8):
        before = m.weights[0].tolist()
        mixer.train_weights(m.weights, 0, m.inputs[0], 0, np.int32(step), m.inputs.shape[2] // 8)
        moved = [w + ((v * step + 2048) >> 12) for w, v in zip(before, values, strict=True)]
        assert m.weights[0].tolist() == [min(max(w, -(2**23)), 2**23) for w in moved]


def test_squash_is_nearly_the_logistic_function():
    for x in (-14.9, -3.3, 0.0, 2.71, 14.9):
        assert abs(tables.squash(round(x * 4096)) / TOTAL - 1 / (1 + math.exp(-x))) < 1e-5


def test_lattices_are_inverted_exactly():
    canvas = np.zeros((1, 1, 6), np.int32)
    for luma in range(40, 150, 7):
        for blue in range(-20, 21, 5):
            for red in range(-20, 21, 4):
                y, b, r = 1.3584 * luma, 2.2179 * blue, 1.8215 * red
                rgb = (math.floor(y + r), math.floor(y - 0.194 * b - 0.509 * r), math.floor(y + b))
                fits = lattices.invert_lattices(canvas, 0, 0, *rgb)
                found = canvas[0, 0, 3:].tolist()
                assert fits & 2
                assert max(abs(a - b) for a, b in zip(found, (luma, blue, red), strict=True)) <= 1
                rgb = (
                    round(luma + 1.402 * red),
                    round(luma - 0.344136 * blue - 0.714136 * red),
                    round(luma + 1.772 * blue),
                )
                assert lattices.invert_lattices(canvas, 0, 0, *rgb) & 1
                assert canvas[0, 0, :3].tolist() == [luma, blue, red]
