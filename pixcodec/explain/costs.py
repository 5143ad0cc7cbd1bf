"""The bits of every value of a layer of a tile, as the range coder pays for them.

A layer is coded once more, with the values known, and a recorder in place of the range coder: what a symbol
costs is what its frequency says. Shapes: H W height and width of a tile,
D planes of a layer, N lanes of a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import run_by_steps
from pixcodec.coding.layer import Form, Manner, Plane, stage_of
from pixcodec.coding.nibbles import Nibbles
from pixcodec.coding.past import NO_PAST
from pixcodec.coding.run_state import RunKind
from pixcodec.container.container import Tile, TileKind
from pixcodec.container.layers import Layer
from pixcodec.mixing.state import Extent
from pixcodec.network.wavefront import WAVE

Floats = npt.NDArray[np.float64]

TOTAL_BITS = 24  # the frequencies of a symbol's outcomes add up to 2**24


def layer_costs(
    manner: Manner, layer: Layer, plane: Plane, before: list[Plane], tile: Tile
) -> tuple[Floats, float]:
    """Return the bits of every value of a layer, and those of runs among them.

    Parameters
    ----------
    manner : Manner
    layer : Layer
    plane : ndarray of uint8, shape (H, W, D)
        The values.
    before : list of ndarray
        The planes of the layers before it.
    tile : Tile
        How it is stored.

    Returns
    -------
    bits : ndarray of float64, shape (H, W, D)
        What a run costs is that of the pixel that asks for it, in plane 0.
    of_runs : float
        The sum of those.
    """
    if tile.kind is TileKind.RAW:
        return np.full(plane.shape, float(layer.bits)), 0.0
    size = Extent(plane.shape[0], plane.shape[1], plane.shape[2], tile.slope)
    runs = tile.kind is TileKind.RUNS
    stage = stage_of(manner, layer, size, before, plane, Form(RunKind(runs), NO_PAST, 1))
    recorder = _Recorder(stage, plane.shape)
    run_by_steps(stage, recorder.begin, recorder.end)
    return recorder.bits, recorder.of_runs


def bits_of(symbols: npt.NDArray[np.int32], rows: Floats) -> Floats:
    """Return the bits (N,) of symbols (N,), by their rows (N, S) of frequencies - 1."""
    frequencies = rows[np.arange(len(symbols)), symbols] + 1
    found: Floats = TOTAL_BITS - np.log2(frequencies)
    return found


class _Recorder:
    """Adds up what the symbols of a layer cost, by their places."""

    def __init__(self, stage: Any, shape: tuple[int, ...]) -> None:
        self.bits = np.zeros(shape)
        self.of_runs = 0.0
        self._runs = stage.runs
        self._wave = stage.wave if isinstance(stage, Nibbles) else stage.mixing.wave
        # The rows of the lanes follow the wave in memory.
        self._rows = self._wave.base[WAVE.itemsize :].view(np.int64)

    def begin(self) -> None:
        """Note which values the symbols of the step are of."""
        wave, asking = self._wave[0], int(self._runs.state[0]["asking"])
        self._asking = asking > 0
        if self._asking:
            self._y, self._plane = self._runs.asking[:asking].copy(), 0
        else:
            self._y, self._plane = (
                self._rows[: int(wave["lanes"])].copy(),
                int(wave["channel"] - wave["first_channel"]),
            )
        self._x = int(wave["t"]) - int(wave["slope"]) * self._y

    def end(self, symbols: npt.NDArray[np.int32], rows: Floats) -> None:
        """Add what the symbols of the step cost."""
        bits = bits_of(symbols, rows)
        self.bits[self._y, self._x, self._plane] += bits
        if self._asking:
            self.of_runs += float(bits.sum())
