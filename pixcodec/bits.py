"""Efforts normal and max: a subpixel is eight bits, predicted by network and mixer (FORMAT.md, Mixing).

numba's cache keeps a kernel together with those that it calls, and looks only at this file for changes:
touch it after changing a kernel of another file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.experimental import structref

from pixcodec.architecture import REACH
from pixcodec.least_squares import Systems, new_systems, predict_linearly
from pixcodec.mixing import (
    CHANNEL,
    COUNT,
    DEPTH,
    FIRST,
    PIXELS,
    WAITING,
    State,
    T,
    begin,
    begin_nibble,
    finish,
    known_bits,
    learn,
    new_state,
    predict,
    slot_bits,
    uses_linear,
)
from pixcodec.nibbles import BATCH_WAVEFRONTS, Coder
from pixcodec.wavefront import State as NetworkState
from pixcodec.wavefront import (
    WavefrontNetwork,
    Weights,
    compute_features,
    compute_mixture,
    lane_range,
    wavefront_count,
)

Int32 = npt.NDArray[np.int32]
Float64 = npt.NDArray[np.float64]


class BitCoder:
    """Codes or decodes a tile, bit by bit, learning from it.

    Parameters
    ----------
    net : WavefrontNetwork
        With the pixels, if they are to be coded.
    effort : int
        1 (normal) or 2 (max).
    decoding : bool
    """

    def __init__(self, net: WavefrontNetwork, effort: int, decoding: bool) -> None:
        channels = net.state.canvas.shape[2]
        self._decoding = decoding
        lanes = len(net.state.weight)
        self._state = new_state(effort, channels, net.height, net.width, lanes)
        systems = new_systems(channels, lanes, net.slope, uses_linear(self._state))
        self._tile = _new_tile(
            net.weights, net.state, self._state, systems, net.slope, slot_bits(net.height, net.width)
        )
        self._count = wavefront_count(net.slope, net.height, net.width)
        room = lanes if decoding else lanes * 8 * channels * BATCH_WAVEFRONTS
        self._symbols, self._rows = np.zeros(room, np.int32), np.zeros((room, 2))

    def code(self, coder: Coder) -> int:
        """Code or decode some wavefronts; return the number of their pixels, 0 at the end of the tile."""
        wave = self._state.wave
        before = wave[PIXELS]
        while wave[PIXELS] == before and wave[T] < self._count:  # some wavefronts may have no pixels
            self._code_batch(coder, min(int(wave[T]) + BATCH_WAVEFRONTS, self._count))
        return int(wave[PIXELS] - before)

    def _code_batch(self, coder: Coder, end: int) -> None:
        """Code or decode the wavefronts before ``end``."""
        symbols, rows = self._symbols, self._rows
        if self._decoding:
            bits = symbols[:0]
            while count := _advance(self._tile, end, True, bits, rows):
                bits = coder.code(bits, rows[:count])
        elif count := _advance(self._tile, end, False, symbols, rows):
            coder.code(symbols[:count], rows[:count])


class _Tile(structref.StructRefProxy):  # type: ignore[misc]  # numba is not typed
    """All that the kernel needs of a tile, as one object: an argument's every array takes numba 0.3 us."""


@structref.register
class _TileType(types.StructRef):  # type: ignore[misc]
    """A :class:`_Tile`, to numba."""


structref.define_proxy(_Tile, _TileType, ["weights", "net", "mixer", "systems", "slope", "slot_bits"])


@njit(cache=True, nogil=True)
def _new_tile(
    weights: Weights, net: NetworkState, mixer: State, systems: Systems, slope: int, slot_bits: int
) -> _Tile:
    return _Tile(weights, net, mixer, systems, slope, slot_bits)


@njit(cache=True, nogil=True)
def _advance(tile: _Tile, end: int, decoding: bool, symbols: Int32, rows: Float64) -> int:
    """Go on in the tile, and return for how many symbols there are rows now.

    The encoder goes on to wavefront ``end``, and writes all symbols and rows. The decoder takes the
    symbols of the rows that it got last, and goes on to the next rows, or to wavefront ``end``: then 0.
    """
    w, net, s, systems, slope, slot_bits = (
        tile.weights,
        tile.net,
        tile.mixer,
        tile.systems,
        tile.slope,
        tile.slot_bits,
    )
    linear = systems.predicted
    wave, canvas = s.wave, net.canvas
    height, width, channels = canvas.shape[0] - REACH, canvas.shape[1] - 2 * REACH, canvas.shape[2]
    depth, start = wave[DEPTH], 0
    while True:
        if wave[WAITING]:
            learn(s, depth, symbols, start)
            wave[WAITING] = 0
            start = start if decoding else start + wave[COUNT]
            depth += 1
            if depth == 8:
                finish(s, slope, canvas)
                depth = 0
                wave[CHANNEL] += 1
            if wave[CHANNEL] == channels:
                wave[CHANNEL] = 0
                wave[T] += 1
        t = wave[T]
        if depth == 0:
            if wave[CHANNEL] == 0:
                if t == end:
                    break
                wave[FIRST], wave[COUNT] = lane_range(t, slope, height, width)
                if wave[COUNT] == 0:
                    wave[T] += 1
                    continue
                compute_features(w, net, t, wave[FIRST], wave[COUNT], slope)
            compute_mixture(w, net, wave[CHANNEL], t, wave[FIRST], wave[COUNT], slope)
            if uses_linear(s):
                predict_linearly(systems, wave[CHANNEL], t, wave[FIRST], wave[COUNT], slope, canvas)
            begin(s, slope, canvas, net.weight, net.mean, net.inverse, linear)
        if depth & 3 == 0:
            begin_nibble(s, depth, slot_bits, net.weight, net.mean, net.inverse, w.logistic)
        predict(s, depth, net.weight, net.mean, net.inverse, w.logistic, rows, start)
        wave[WAITING] = 1
        if decoding:
            wave[DEPTH] = depth
            return int(wave[COUNT])
        known_bits(s, slope, canvas, depth, symbols, start)
    wave[DEPTH] = depth
    return start
