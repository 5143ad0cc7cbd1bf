"""Side layers: decoded to what was encoded, in the bits that their distributions say.

test_side_reference.py compares every bit with a plain reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import bit_by_bit
import samples
from bit_by_bit import Recorder
from pixcodec.coding.layer import Manner, decode_layer, encode_layer
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.side_layer import FittedSideLayer, SideKind, SideLayer, new_side_layer
from pixcodec.coding.threads import Crew
from pixcodec.container.header import Effort
from pixcodec.container.layers import Layer, LayerKind
from pixcodec.mixing.side_predictors import ALPHA, BILEVEL, INDEX, LOW, WIDE
from pixcodec.mixing.state import Extent

SLOPE = 3
KINDS = ("photo", *samples.KINDS)
SIZES = [(1, 1), (1, 9), (7, 1), (5, 4), (23, 31)]


def planes_of(kind: str, height: int, width: int, planes: int, bits: int = 8) -> samples.Pixels:
    """Return any number of planes of values of so many bits."""
    image = samples.photo(3, height, width) if kind == "photo" else samples.KINDS[kind](height, width, 3)
    found = np.concatenate([image, image[::-1]], 2)[:, :, :planes]
    return np.ascontiguousarray(found >> (8 - bits))


def wide_planes(kind: str, height: int, width: int, channels: int, low_bits: int) -> samples.Pixels:
    """Return high and low bits of each channel, one plane after the other."""
    high = planes_of(kind, height, width, channels)
    low = planes_of(kind, height, width, 2 * channels, low_bits)[:, :, channels:]
    return np.stack([high, low], 3).reshape(height, width, -1)


class Case:
    """A side layer and what it holds."""

    def __init__(
        self,
        kind: int,
        planes: samples.Pixels,
        *,
        bits: int = 8,
        low_bits: int = 0,
        sees: samples.Pixels | None = None,
        fits: bool = True,
    ) -> None:
        self.kind, self.planes, self.bits, self.low_bits, self.fits = kind, planes, bits, low_bits, fits
        self.sees = np.zeros((*planes.shape[:2], 0), np.uint8) if sees is None else sees

    @property
    def size(self) -> Extent:
        return Extent(*self.planes.shape, SLOPE)

    def stage(self, planes: samples.Pixels | None = None) -> SideLayer | FittedSideLayer:
        kind = SideKind(self.kind, self.bits, self.low_bits)
        return new_side_layer(kind, self.size, self.sees, fits=self.fits, graphics=True, planes=planes)

    @property
    def symbols(self) -> int:
        """Return the number of bits that are coded, one after another."""
        height, width, channels = self.planes.shape
        each = channels * self.bits
        if self.kind == WIDE:
            each = channels // 2 * (8 + self.low_bits)
        return height * width * each


def cases(kind: str, height: int, width: int) -> dict[str, Case]:
    size = (kind, height, width)
    colours = planes_of(*size, 3)
    return {
        "alpha alone": Case(ALPHA, planes_of(*size, 1)),
        "alpha beside colours": Case(ALPHA, planes_of(*size, 1), sees=colours),
        "low": Case(LOW, planes_of(*size, 1, 4), bits=4, low_bits=4, sees=colours[:, :, :1]),
        "low of colours": Case(LOW, planes_of(*size, 6)[:, :, 3:], low_bits=8, sees=colours),
        "low without least squares": Case(
            LOW, planes_of(*size, 6)[:, :, 3:], low_bits=8, sees=colours, fits=False
        ),
        "wide": Case(WIDE, wide_planes(*size, 1, 3), low_bits=3),
        "wide of colours": Case(WIDE, wide_planes(*size, 3, 8), low_bits=8),
        "indices": Case(INDEX, planes_of(*size, 1)),
        "indices of 3 bits": Case(INDEX, planes_of(*size, 1, 3), bits=3),
        "bilevel": Case(BILEVEL, planes_of(*size, 1, 1), bits=1),
    }


def code(case: Case, coder: Encoder | Decoder) -> tuple[npt.NDArray[Any], float]:
    """Code or decode a layer; return its values and the sum of the code lengths in bits."""
    decoding = isinstance(coder, Decoder)
    stage = case.stage(None if decoding else case.planes)
    recorder = Recorder(coder)
    values = bit_by_bit.code(stage, recorder, decoding=decoding)
    assert recorder.count == case.symbols
    return values, recorder.cost()


NAMES = tuple(cases("flat", 1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_layer_takes_the_bits_it_says(height: int, width: int, name: str, kind: str) -> None:
    case = cases(kind, height, width)[name]
    encoder = Encoder()
    planes, cost = code(case, encoder)
    np.testing.assert_array_equal(planes, case.planes)
    bitstream = encoder.finish()
    assert abs(8 * len(bitstream) - cost) <= 0.001 * cost + 64
    decoder = Decoder(bitstream)
    decoded, decoder_cost = code(case, decoder)
    decoder.finish()
    np.testing.assert_array_equal(decoded, case.planes)
    assert decoder_cost == cost


@pytest.mark.parametrize("effort", [Effort.FAST, Effort.NORMAL, Effort.MAX])
@pytest.mark.parametrize("name", NAMES)
def test_every_effort_comes_back(name: str, effort: Effort) -> None:
    case = cases("photo", 9, 13)[name]
    channels = case.planes.shape[2] // (2 if case.kind == WIDE else 1)
    sees = (0,) if case.sees.size else ()
    layer = Layer(LayerKind(case.kind), 0, channels, case.bits, 0, case.low_bits, sees)
    manner, ticks = Manner(effort, True, None), [[], []]
    bitstream, runs = encode_layer(manner, layer, case.planes, [case.sees], SLOPE, Crew(1, ticks[0].append))
    assert not runs  # a layer as small as this has none
    decoded = decode_layer(
        manner, layer, bitstream, [case.sees], case.size, Crew(1, ticks[1].append), runs=runs
    )
    np.testing.assert_array_equal(decoded, case.planes)
    assert [sum(pixels) for pixels in ticks] == [9 * 13] * 2
    if case.fits == (effort is not Effort.FAST):
        encoder = Encoder()
        code(case, encoder)
        assert encoder.finish() == bitstream


def cost_of(case: Case) -> float:
    return code(case, Encoder())[1]


def test_alpha_learns_from_colours() -> None:
    kinds = samples.noise(40, 60, 1)[:, :, 0] & 7
    colours = samples.noise(1, 8, 3)[0][kinds]
    alpha = samples.noise(1, 8, 1, seed=1)[0][kinds]
    assert cost_of(Case(ALPHA, alpha, sees=colours)) < 0.3 * cost_of(Case(ALPHA, alpha))


def test_low_bits_learn_from_high_ones() -> None:
    y, x = np.ogrid[:40, :50]
    ramp = (300 * y + 170 * x).astype(np.uint16)[:, :, None]
    high, low = (ramp >> 8).astype(np.uint8), (ramp & 255).astype(np.uint8)
    wide = np.concatenate([high, low], 2)
    for case in (Case(LOW, low, low_bits=8, sees=high), Case(WIDE, wide, low_bits=8)):
        without = Case(case.kind, case.planes, low_bits=8, sees=case.sees, fits=False)
        assert cost_of(case) < 0.1 * 8 * case.planes.size
        assert cost_of(case) <= cost_of(without)


def test_repeats_cost_little() -> None:
    tile = samples.noise(16, 16, 1) >> 4
    once, often = Case(INDEX, tile, bits=4), Case(INDEX, np.tile(tile, (3, 3, 1)), bits=4)
    assert cost_of(often) < 2.5 * cost_of(once)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_coded_yet_changes_nothing(name: str) -> None:
    """Encoders hold all values, so only a look ahead could tell the two images apart."""
    case = cases("photo", 12, 15)[name]
    other = case.planes.copy()
    other[8:] ^= 1
    recorders = []
    for planes in (case.planes, other):
        recorder = Recorder()
        bit_by_bit.code(case.stage(planes), recorder, decoding=False)
        recorders.append(recorder.joined())
    # Pixel (8, 0) is on wavefront 24; each wavefront before has at most 5 pixels.
    before = sum(min(t // SLOPE, 11) - max(0, -(-(t - 14) // SLOPE)) + 1 for t in range(24))
    count = before * case.symbols // (12 * 15)
    assert count > 0
    for ours, theirs in zip(*recorders, strict=True):
        np.testing.assert_array_equal(ours[:count], theirs[:count])
