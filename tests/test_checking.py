"""An encoder's check: it finds what a decoder would find, without a call of the coder for every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pixcodec
import samples
from pixcodec import tiling
from pixcodec.coding import driver
from pixcodec.coding.layer import Manner, decode_layer, encode_layer
from pixcodec.coding.threads import ALONE
from pixcodec.container.header import Effort
from pixcodec.container.layers import Layer, LayerKind
from pixcodec.errors import CorruptFileError, PixcodecError
from pixcodec.mixing.state import Extent
from pixcodec.network.model_files import load_model
from test_runs import flat_parts

HEIGHT, WIDTH, SLOPE = 17, 23, 5
MODEL = load_model(samples.GOLDEN / "rgb.safetensors")
COLOUR = Layer(LayerKind.NETWORK, 0, 3)
INDEX = Layer(LayerKind.INDEX, 0, 1, 3)
LOW = Layer(LayerKind.LOW, 0, 3, low_bits=8, sees=(0,))
PHOTO, FLAT = samples.photo(3, HEIGHT, WIDTH), flat_parts(HEIGHT, WIDTH, 3)
CASES = {
    "fast": (Effort.FAST, COLOUR, PHOTO),
    "fast, runs": (Effort.FAST, COLOUR, FLAT),
    "normal": (Effort.NORMAL, COLOUR, PHOTO),
    "normal, runs": (Effort.NORMAL, COLOUR, FLAT),
    "max": (Effort.MAX, COLOUR, PHOTO),
    "indices, runs": (Effort.NORMAL, INDEX, flat_parts(HEIGHT, WIDTH, 1, values=8)),
    "low bits": (Effort.NORMAL, LOW, PHOTO),
}


class Coded:
    """A layer that is coded, and how it is decoded."""

    def __init__(self, name: str) -> None:
        effort, self.layer, self.plane = CASES[name]
        self.manner, self.before = Manner(effort, False, MODEL), [FLAT]
        self.bitstream, self.runs = encode_layer(
            self.manner, self.layer, self.plane, self.before, SLOPE, ALONE
        )
        assert self.runs == ("runs" in name)

    def decoded(self, foreseen: npt.NDArray[np.uint8] | None, bitstream: bytes | None = None) -> Any:
        size = Extent(HEIGHT, WIDTH, self.plane.shape[2], SLOPE)
        bitstream = self.bitstream if bitstream is None else bitstream
        return decode_layer(
            *(self.manner, self.layer, bitstream, self.before, size, ALONE),
            runs=self.runs,
            foreseen=foreseen,
        )


@pytest.mark.parametrize("name", CASES)
def test_a_check_takes_a_right_bitstream_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    coded = Coded(name)
    np.testing.assert_array_equal(coded.decoded(None), coded.plane)
    monkeypatch.delattr(driver, "_decode_steps")  # a check goes another way
    np.testing.assert_array_equal(coded.decoded(coded.plane), coded.plane)
    for y, x in ((0, 0), (HEIGHT // 2, 3), (HEIGHT - 1, WIDTH - 1)):
        other = coded.plane.copy()
        other[y, x, -1] ^= 1
        with pytest.raises(CorruptFileError):
            coded.decoded(other)
    damaged = bytearray(coded.bitstream)
    damaged[len(damaged) // 2] ^= 4
    with pytest.raises(CorruptFileError):
        coded.decoded(coded.plane, bytes(damaged))
    with pytest.raises(CorruptFileError):
        coded.decoded(coded.plane, coded.bitstream + bytes(8))


@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_a_wrong_file_is_not_returned(effort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.squeeze(samples.photo(1, 19, 21))
    assert pixcodec.encode(image, effort=effort, verify=True) == pixcodec.encode(image, effort=effort)
    encode_layer = tiling.encode_layer

    def wrong(manner: Manner, layer: Layer, plane: Any, *rest: Any) -> tuple[bytes, bool]:
        other = plane.copy()
        other[-1, -1] ^= 1
        return encode_layer(manner, layer, other, *rest)

    monkeypatch.setattr(tiling, "encode_layer", wrong)
    with pytest.raises(PixcodecError, match="decodes to another one"):
        pixcodec.encode(image, effort=effort, verify=True)


@pytest.mark.parametrize("most", [0, tiling.MAX_FORESEEN_PIXELS])
def test_large_tiles_are_checked_by_decoding_step_by_step(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    foreseen, decode_layer = [], tiling.decode_layer

    def noted(*arguments: Any, **more: Any) -> Any:
        foreseen.append(more["foreseen"] is not None)
        return decode_layer(*arguments, **more)

    monkeypatch.setattr(tiling, "decode_layer", noted)
    monkeypatch.setattr(tiling, "MAX_FORESEEN_PIXELS", most)
    image = np.squeeze(samples.photo(1, 19, 21))
    data = pixcodec.encode(image, effort="fast", verify=True)
    assert foreseen == [most > 0]
    np.testing.assert_array_equal(pixcodec.decode(data), image)
    assert foreseen[1:] == [False]
