"""Layers: each bit of each subpixel is in one of them, and what a layer sees is known by then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixcodec.container.header import Effort, Header, Mode
from pixcodec.container.layers import LayerKind, layers_of
from pixcodec.images.planes import from_raw, plane_of, put_plane, to_raw


def header(mode: Mode, depth: int = 8, **more: int) -> Header:
    return Header(5, 3, mode, Effort.NORMAL, 5, 3, b"", depth, **more)  # type: ignore[arg-type]


def _all_headers() -> list[Header]:
    found = []
    for mode in set(Mode) - {Mode.DEEP}:  # tests/test_deep.py
        for depth in mode.bit_depths:
            found.append(header(mode, depth))
            if mode in (Mode.PALETTE, Mode.BILEVEL):
                continue
            found += [header(mode, depth, index_bits=bits) for bits in range(1, 9)]
            found += [header(mode, depth, index_bits=bits, mapped=True) for bits in range(1, 17)]
    found += [replace(h, alpha_first=True) for h in found if h.mode.has_alpha and not h.indexed]
    found += [replace(h, interleaved=True) for h in found if h.coded_depth > 8 and not h.indexed]
    return found


HEADERS = _all_headers()


def coded_bits(h: Header) -> int:
    """Return how many bits the values have that the layers hold."""
    if h.mode in (Mode.PALETTE, Mode.BILEVEL):
        return h.bit_depth
    return h.index_bits if h.indexed else h.coded_depth


def test_there_are_many_headers() -> None:
    assert len(HEADERS) > 1000
    assert len(set(HEADERS)) == len(HEADERS)


def test_each_bit_is_in_one_layer() -> None:
    for h in HEADERS:
        channels = 1 if h.indexed else h.mode.channels
        times = np.zeros((channels, 16), int)
        for layer in layers_of(h):
            bits = slice(layer.shift, layer.shift + layer.bits)
            times[layer.first : layer.first + layer.channels, bits] += 1
            if layer.kind is LayerKind.WIDE:
                times[layer.first : layer.first + layer.channels, : layer.shift] += 1
        assert (times[:, : coded_bits(h)] == 1).all(), h
        assert not times[:, coded_bits(h) :].any(), h


def test_a_layer_sees_only_what_is_known() -> None:
    for h in HEADERS:
        layers = layers_of(h)
        for number, layer in enumerate(layers):
            assert all(seen < number for seen in layer.sees), h
            if layer.kind is LayerKind.LOW:
                (seen,) = layer.sees
                assert (layers[seen].first, layers[seen].channels) == (layer.first, layer.channels)
                assert layers[seen].kind in (LayerKind.NETWORK, LayerKind.ALPHA)
                assert layers[seen].shift == layer.bits == layer.low_bits


def kinds(h: Header) -> list[str]:
    return [layer.kind.name.lower() for layer in layers_of(h)]


@pytest.mark.parametrize(
    ("h", "expected"),
    [
        (header(Mode.GREY), ["network"]),
        (header(Mode.RGB), ["network"]),
        (header(Mode.RGB, 16), ["network", "low"]),
        (header(Mode.RGB, 16, interleaved=True), ["wide"]),
        (header(Mode.GREY_ALPHA), ["network", "alpha"]),
        (header(Mode.RGBA), ["network", "alpha"]),
        (header(Mode.RGBA, alpha_first=True), ["alpha", "network"]),
        (header(Mode.RGBA, 9), ["network", "alpha", "low", "low"]),
        (header(Mode.RGBA, 9, alpha_first=True), ["alpha", "network", "low", "low"]),
        (header(Mode.RGBA, 16, interleaved=True), ["wide", "alpha", "low"]),
        (header(Mode.RGBA, 16, interleaved=True, alpha_first=True), ["alpha", "wide", "low"]),
        (header(Mode.RGBA, 16, mapped=True, index_bits=8), ["network", "alpha"]),
        (header(Mode.CMYK), ["network", "alpha"]),
        (header(Mode.CMYK, index_bits=3), ["index"]),
        (header(Mode.RGBA, 16, index_bits=8), ["index"]),
        (header(Mode.PALETTE, 4), ["index"]),
        (header(Mode.BILEVEL, 1), ["bilevel"]),
    ],
)
def test_each_mode_has_its_layers(h: Header, expected: list[str]) -> None:
    assert kinds(h) == expected


def test_alpha_and_colour_see_each_other_in_their_order() -> None:
    colour, alpha = layers_of(header(Mode.RGBA))
    assert (colour.sees, alpha.sees) == ((), (0,))
    alpha, colour = layers_of(header(Mode.RGBA, alpha_first=True))
    assert (alpha.first, alpha.channels, alpha.sees) == (3, 1, ())
    assert (colour.first, colour.channels, colour.sees) == (0, 3, (0,))
    low = layers_of(header(Mode.RGBA, 11, alpha_first=True))[2:]
    assert [layer.sees for layer in low] == [(0,), (1,)]
    assert [layer.bits for layer in low] == [3, 3]


@given(st.sampled_from(HEADERS), st.integers(0, 2**32 - 1))
def test_planes_put_together_are_the_pixels(h: Header, seed: int) -> None:
    channels = 1 if h.indexed else h.mode.channels
    dtype = np.uint16 if h.coded_depth > 8 else np.uint8
    values = np.random.default_rng(seed).integers(0, 1 << coded_bits(h), (3, 5, channels))
    pixels = values.astype(dtype)
    again = np.zeros_like(pixels)
    for layer in layers_of(h):
        plane = plane_of(pixels, layer)
        assert (plane.dtype, plane.shape) == (np.uint8, (3, 5, layer.depth))
        assert plane.flags.c_contiguous
        raw = to_raw(plane, layer.bits)
        assert len(raw) == layer.raw_size_bytes(15)
        found = from_raw(raw, layer.bits, plane.shape)
        np.testing.assert_array_equal(found, plane)
        put_plane(again, layer, found)
    np.testing.assert_array_equal(again, pixels)


@pytest.mark.parametrize("bits", range(1, 9))
def test_raw_values_lie_one_after_another(bits: int) -> None:
    values = np.random.default_rng(bits).integers(0, 1 << bits, (3, 7, 2), np.uint8)
    digits = "".join(f"{v:0{bits}b}" for v in values.reshape(-1))
    expected = int(digits + "0" * (-len(digits) % 8), 2).to_bytes(-(-len(digits) // 8), "big")
    assert to_raw(values, bits) == expected
    np.testing.assert_array_equal(from_raw(expected, bits, (3, 7, 2)), values)
