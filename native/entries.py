"""The entry points that machine code is made of, each with structs as it is called with.

Machine code suits structs of one layout, whatever the sizes of their arrays: so the smallest ones do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pixcodec.coding.driver import driver_of, new_buffers
from pixcodec.coding.network_layer import new_network_layer
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.coding.residual_layer import new_residual_layer
from pixcodec.coding.run_state import framed
from pixcodec.coding.side_layer import SideKind, new_side_layer
from pixcodec.coding.team import assistant_of
from pixcodec.jpeg import coder, find_small_chroma, mend, transform  # noqa: F401  # the coder implements its stage's operations
from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.decoders import Transform
from pixcodec.jpeg.files import parts
from pixcodec.jpeg.scans.markers import Component, Frame, Scan
from pixcodec.jpeg.scans.reading import read_scan
from pixcodec.jpeg.scans.work import ONES, new_coefficients
from pixcodec.jpeg.scans.writing import write_scan
from pixcodec.jpeg.state import new_learning, of_component
from pixcodec.jpeg.stream import coder as stream_coder  # noqa: F401
from pixcodec.jpeg.stream import state as stream
from pixcodec.mixing.side_predictors import LOW
from pixcodec.mixing.state import MAX, NORMAL, Extent
from pixcodec.network import distribution, draws, inference, stepping
from pixcodec.network.kernels import EntryPoint
from pixcodec.network.model_files import shipped_model
from pixcodec.network.structs import Layout, struct_of
from pixcodec.network.wavefront import new_wave

Entry = tuple[EntryPoint, tuple[Layout, ...]]

SIZE = Extent(height=2, width=8, channels=1, slope=6)


def entries(group: str) -> list[Entry]:
    """Return the entry points of a group with the layouts of their structs."""
    return [(entry, tuple(struct_of(source).layout for source in sources)) for entry, *sources in _of(group)]


def _of(group: str) -> Iterator[tuple[Any, ...]]:
    if group == "nibbles":
        network = _network()
        stage = new_nibbles(network, SIZE.height, SIZE.width, SIZE.slope, known=False, runs=False)
        yield from (_driver(stage), _assistant(stage))
        wave = stepping.Waves(new_wave(SIZE.height, SIZE.width, SIZE.channels, SIZE.slope))
        yield stepping.run_features, network, wave
        yield stepping.run_mixture, network, wave
        yield draws.draw_until, network, draws.new_draws(1, SIZE.height, SIZE.width, SIZE.slope)
        yield distribution.write_frequencies, network.mixture, distribution.no_subpixels()
        blocked = transform.new_blocked(_blocks(), np.ones(FREQUENCIES, np.int32), Transform.SLOW)
        yield transform.write_samples, blocked
        ranges = np.zeros((2, 1, FREQUENCIES), np.float32)
        numbers = np.ones((3, 2))
        yield find_small_chroma.eliminate, find_small_chroma.Equations(numbers[0], numbers[1, :1], numbers)
        yield mend.improve_blocks, mend.new_search(_blocks(), np.ones(FREQUENCIES, np.float32), *ranges)
    elif group in ("network", "near", "fitted"):
        sees = framed(np.zeros((SIZE.height, SIZE.width, 0), np.uint8))
        effort, near = MAX if group == "fitted" else NORMAL, group == "near"
        layer = new_network_layer(_network(), effort, SIZE, sees, near=near)
        yield from (_driver(layer), _assistant(layer))
    elif group == "side":
        planes = np.zeros((SIZE.height, SIZE.width, SIZE.channels), np.uint8)
        for fits in (False, True):
            side = new_side_layer(SideKind(LOW, 8, 8), SIZE, planes, fits=fits, graphics=False)
            yield from (_driver(side), _assistant(side))
        residual = new_residual_layer(8, SIZE._replace(channels=2), relative=True)
        yield from (_driver(residual), _assistant(residual))
    elif group == "stream":
        blocks, steps = _blocks().reshape(1, 1, FREQUENCIES), np.ones(FREQUENCIES, np.int64)
        for effort in range(len(stream.KINDS)):
            kind = stream.StreamKind(effort)
            learning = stream.new_learning(blocks.size, 1, kind)
            yield _driver(stream.of_component(learning, 0, blocks, None, None, steps, kind))
    else:
        blocks = _blocks().reshape(1, 1, FREQUENCIES)
        steps = np.ones(FREQUENCIES, np.int64)
        yield from _scans()
        yield _driver(of_component(new_learning(blocks.size, 1), 0, blocks, None, None, steps))


def _scans() -> Iterator[tuple[Any, ...]]:
    frame = Frame(False, 8, 8, (Component(1, 1, 1, 0),))
    scan = Scan((0,), ((0, 0),), ((b"", b""),), 0, FREQUENCIES - 1, 0, 0, 0, (b"",))
    coefficients, nothing = new_coefficients(frame), np.zeros(0, np.uint8)
    yield read_scan, parts.new_reading(frame, scan, nothing, 0, coefficients)
    filling = (ONES, nothing)
    yield write_scan, parts.new_writing(frame, scan, coefficients, filling, parts.Oddities(), 0)


def _driver(stage: Any) -> tuple[Any, ...]:
    kind: Any = type(stage)
    return driver_of(kind), stage, stage, new_buffers(1, 1, np.zeros(1, np.int64))


def _assistant(stage: Any) -> tuple[Any, ...]:
    kind: Any = type(stage)
    return assistant_of(kind), stage


def _network() -> inference.Network:
    return inference.new_network(shipped_model(SIZE.channels), SIZE.height, SIZE.width, SIZE.slope)


def _blocks() -> Any:
    return np.zeros((1, FREQUENCIES), np.int16)
