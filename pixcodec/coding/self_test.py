"""The self-test: before this process codes in some way for the first time, a small made plane is coded so.

Files decode only where arithmetic gives the same numbers as where they were written. So the bitstream of that
plane, and all float64 numbers that the stage computed on the way, must have the hash that is stored here. It
covers whatever runs: machine code, kernels that numba compiled, numpy, the range coder. What it needs of a
model is made here, too: it is the same whatever models are used, whose sums are proved exact when they are
loaded.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import run
from pixcodec.coding.network_layer import Near, new_network_layer
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.coding.rangecoder import Encoder
from pixcodec.coding.row_layer import new_row_layer
from pixcodec.coding.run_state import framed
from pixcodec.coding.side_layer import SideKind, new_side_layer
from pixcodec.container.header import Effort
from pixcodec.container.layers import Layer, LayerKind
from pixcodec.errors import SelfTestError
from pixcodec.mixing.least_squares import PIXEL_SLOPE
from pixcodec.mixing.side_predictors import WIDE
from pixcodec.mixing.state import MAX, NORMAL, Extent
from pixcodec.mixing.tables import LOGISTIC_TABLE
from pixcodec.network import native
from pixcodec.network.architecture import Architecture, RowArchitecture
from pixcodec.network.inference import new_network
from pixcodec.network.model import SCALE_ENTRIES, SCALE_ONE, WEIGHT_ENTRIES, WEIGHT_ONE, Model, gate_tables

# Of each way to code a layer. They change with the format, and with what the floats of a stage hold.
EXPECTED = {
    "fast": "28c6967d3bdfcff7",
    "fast, fitted": "7ebd64804258d6c3",
    "normal": "0787cef98090e3c2",
    "normal, fitted": "c4f178bd1d96757c",
    "normal, calibrated": "827842aa3661aa6a",
    "max": "08151e796e02cb0f",
    "research": "820a185f28a6deb7",
    "side": "e9b6bf3f95749971",
    "fitted side": "7cf86dbd997dc992",
}
SIZE = Extent(height=5, width=9, channels=3, slope=PIXEL_SLOPE)
_FACTOR = 0x9E3779B97F4A7C15
_WEIGHTS = 41  # from -20 to 20
_SHIFT = 7


def check_layer(effort: Effort, layer: Layer, *, near: bool = False, calibrated: bool = False) -> None:
    """Check that this machine codes such layers as all machines must; ``near``, ``calibrated``: as of Manner.

    Raises
    ------
    SelfTestError
    """
    if layer.kind is LayerKind.NETWORK:
        way = effort.name.lower() + ", fitted" * near
        _check("normal, calibrated" if way == "normal, fitted" and calibrated else way)
    else:
        _check("fitted side" if layer.low_bits and effort is not Effort.FAST else "side")


@cache
def _check(way: str) -> None:
    check_stages(way, EXPECTED[way], lambda: iter([_stage(way)]))


def check_stages(way: str, expected: str, stages: Callable[[], Iterator[Any]]) -> None:
    """Check that the stages of a self-test, coded one after the other, have a hash.

    Raises
    ------
    SelfTestError
        If they have another one.
    """
    found = fingerprint(stages())
    if found != expected:
        raise SelfTestError(
            f"self-test of {way}: the hash is {found}, expected {expected}: on this machine "
            f"({platform.machine()}, {native.in_use()}) the arithmetic differs, so that other machines could "
            f"not decode its files, nor it theirs; {native.VARIABLE}=0 does without machine code"
        )


def fingerprint(stages: Iterator[Any]) -> str:
    """Return the hash of the bitstream of stages with values, and of the float64 numbers that they leave."""
    encoder, digest = Encoder(), blake2b(digest_size=8)
    for stage in stages:
        run(stage, encoder, decoding=False)
        for numbers in _floats(stage):
            digest.update(numbers.astype(numbers.dtype.newbyteorder("<"), copy=False).tobytes())
    digest.update(encoder.finish())
    return digest.hexdigest()


def _floats(stage: Any) -> Iterator[npt.NDArray[Any]]:
    """Yield all arrays of float64 and float32 in a named tuple and those inside it."""
    for part in stage:
        if isinstance(part, tuple):
            yield from _floats(part)
        elif isinstance(part, np.ndarray) and part.dtype in (np.float64, np.float32):
            yield part


def _stage(way: str) -> Any:
    """Return the stage that codes the plane in a way."""
    plane = made_plane(SIZE.height, SIZE.width, SIZE.channels)
    nothing = np.zeros((SIZE.height, SIZE.width, 0), np.uint8)
    if way in ("side", "fitted side"):
        planes = np.concatenate([plane, made_noise(plane.size).reshape(plane.shape) & 15], 2).astype(np.uint8)
        planes = np.ascontiguousarray(planes[:, :, [0, 3, 1, 4, 2, 5]])
        kind, size = SideKind(WIDE, 8, 4), SIZE._replace(channels=planes.shape[2])
        fits = way == "fitted side"
        return new_side_layer(kind, size, nothing, fits=fits, graphics=False, planes=planes)
    if way == "research":
        return new_row_layer(made_model(recurrent=True), SIZE, plane, 1)[0]
    network = new_network(made_model(), SIZE.height, SIZE.width, SIZE.slope, plane)
    if way in ("fast", "fast, fitted"):
        calibrated = way == "fast, fitted"
        return new_nibbles(network, SIZE.height, SIZE.width, SIZE.slope, known=True, calibrated=calibrated)
    near = {"normal, fitted": Near.FITTED, "normal, calibrated": Near.CALIBRATED}.get(way, Near.NONE)
    return new_network_layer(network, MAX if way == "max" else NORMAL, SIZE, framed(nothing), near=near)


def made_noise(count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return so many integers below 2**24 without a pattern."""
    numbers = np.arange(seed + 1, seed + count + 1, dtype=np.uint64) * np.uint64(_FACTOR)
    numbers ^= numbers >> np.uint64(29)
    return (numbers * np.uint64(_FACTOR) >> np.uint64(40)).astype(np.int64)


def made_plane(height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """Return values (H, W, C): slopes with a little noise, and a flat part at the right."""
    y, x, c = np.ogrid[:height, :width, :channels]
    noise = made_noise(height * width * channels).reshape(height, width, channels) % 12
    slopes = np.where(x < 2 * width // 3, 60 + 5 * x + 9 * y + 20 * c + noise, 210 - c)
    return slopes.astype(np.uint8)


@cache
def made_model(*, recurrent: bool = False) -> Model:
    """Return a model of made weights; its layers are of all widths that :mod:`products` has kernels for."""
    sizes = {"channels": SIZE.channels, "features": 40, "blocks": 1, "hidden": 24, "components": 2}
    architecture = RowArchitecture(**sizes, lstms=1, state=8) if recurrent else Architecture(**sizes)
    tensors: dict[str, npt.NDArray[Any]] = {}
    for name, (outputs, bounds, _) in architecture.layers().items():
        weights = made_noise(outputs * len(bounds), len(tensors)) % _WEIGHTS - _WEIGHTS // 2
        tensors[f"{name}.weight"] = weights.reshape(outputs, -1).astype(np.int16)
        tensors[f"{name}.bias"] = (made_noise(outputs) % 4096 - 2048).astype(np.int32)
        tensors[f"{name}.shift"] = np.full(outputs, _SHIFT, np.uint8)
    tensors["table.logistic"] = LOGISTIC_TABLE
    tensors["table.scale"] = _falling(55 * SCALE_ONE - 1, SCALE_ENTRIES)
    tensors["table.weight"] = _falling(WEIGHT_ONE, WEIGHT_ENTRIES)
    if recurrent:
        tensors |= {f"table.{name}": table for name, table in gate_tables().items()}
    return Model.from_tensors(architecture, tensors, "self-test")


def _falling(first: int, count: int) -> npt.NDArray[np.int32]:
    """Return numbers that fall as exp(-k / 32) does."""
    numbers = [first]
    while len(numbers) < count:
        numbers.append(max(numbers[-1] * 31 // 32, 1))
    return np.array(numbers, np.int32)
