"""Efforts normal and max: a subpixel is eight bits, predicted by network and mixer (FORMAT.md, Mixing).

numba's cache keeps a kernel together with those that it calls, and looks only at this file for changes:
touch it after changing a kernel of another file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.experimental import structref

from pixcodec.coding.nibbles import BATCH_WAVEFRONTS, Coder
from pixcodec.coding.side import LOW, NETWORK, SideLayer, begin_side, finish_side
from pixcodec.mixing.least_squares import (
    PIXEL_SLOPE,
    Systems,
    error_fit,
    low_fit,
    new_systems,
    pixel_fit,
    predict_linearly,
)
from pixcodec.mixing.mixer import (
    BEGINNING,
    CHANNEL,
    COUNT,
    DEPTH,
    FIRST,
    FIRST_DEPTH,
    LOW_BITS,
    PIXELS,
    WAITING,
    State,
    T,
    begin,
    begin_nibble,
    compare,
    finish,
    join,
    known_bits,
    learn,
    new_state,
    predict,
    slot_bits,
    summarise,
    uses_linear,
)
from pixcodec.network.architecture import PAD_VALUE, REACH
from pixcodec.network.wavefront import State as NetworkState
from pixcodec.network.wavefront import (
    WavefrontNetwork,
    Weights,
    compute_features,
    compute_mixture,
    lane_range,
    wavefront_count,
)

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]


_NONE = np.zeros((0, 0, 0), np.int32)


class BitCoder:
    """Codes or decodes a tile, bit by bit, learning from it.

    Parameters
    ----------
    net : WavefrontNetwork or SideLayer
        With the pixels, if they are to be coded.
    effort : int
        1 (normal) or 2 (max).
    decoding : bool
    graphics : bool
        Whether repeats and exact neighbourhoods are looked at.
    sees : ndarray of int32, shape (H + 6, W + 6, channels seen)
        Of the network's layer: what was coded before it.

    Raises
    ------
    ValueError
        If the slope is too small for the predictions of effort max.
    """

    def __init__(
        self,
        net: WavefrontNetwork | SideLayer,
        effort: int,
        decoding: bool,
        graphics: bool = False,
        sees: Int32 = _NONE,
    ) -> None:
        channels = net.state.canvas.shape[2]
        self._decoding = decoding
        lanes = len(net.state.weight)
        side = net if isinstance(net, SideLayer) else None
        plan = side.plan if side else None
        self._state = new_state(
            effort, channels, net.height, net.width, lanes, graphics=graphics and not side, side=plan
        )
        values, fits = (side.values, side.fits) if side else (channels, uses_linear(self._state))
        first = low_fit(values) if side else pixel_fit(values)
        joined = fits and not side
        if joined and net.slope < PIXEL_SLOPE:
            raise ValueError(f"slope is {net.slope}, expected at least {PIXEL_SLOPE} with effort max")
        self._tile = _new_tile(
            *(net.weights, net.state, self._state),
            *(
                new_systems(first, lanes, net.slope, fits),
                new_systems(error_fit(values), lanes, net.slope, joined),
            ),
            *(net.slope, slot_bits(net.height, net.width)),
            *(side.kind if side else NETWORK, side.sees if side else sees, side.wide if side else _NONE),
            np.zeros(net.state.mean.shape, np.int64),
        )
        self._advance = _KERNELS[side is not None, fits]
        self._count = wavefront_count(net.slope, net.height, net.width)
        bits = side.bits if side else 8
        room = lanes if decoding else lanes * bits * channels * BATCH_WAVEFRONTS
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
            while count := self._advance(self._tile, end, True, bits, rows):
                bits = coder.code(bits, rows[:count])
        elif count := self._advance(self._tile, end, False, symbols, rows):
            coder.code(symbols[:count], rows[:count])


class _Tile(structref.StructRefProxy):  # type: ignore[misc]  # numba is not typed
    """All that the kernel needs of a tile, as one object: an argument's every array takes numba 0.3 us."""


@structref.register
class _TileType(types.StructRef):  # type: ignore[misc]
    """A :class:`_Tile`, to numba."""


_FIELDS = [
    *("weights", "net", "mixer", "systems", "joint", "slope", "slot_bits", "kind", "sees", "wide", "guesses"),
]
structref.define_proxy(_Tile, _TileType, _FIELDS)


@njit(cache=True, nogil=True)
def _new_tile(
    weights: Weights,
    net: NetworkState,
    mixer: State,
    systems: Systems,
    joint: Systems,
    slope: int,
    slot_bits: int,
    kind: int,
    sees: Int32,
    wide: Int32,
    guesses: Int64,
) -> _Tile:
    return _Tile(weights, net, mixer, systems, joint, slope, slot_bits, kind, sees, wide, guesses)


def _kernel(side: bool, linear: bool) -> Any:
    """Return the kernel of side layers or of the network's, with or without least squares.

    numba leaves out what these constants exclude: each kernel is compiled, at its first use, for its layers
    alone.
    """

    @njit(cache=True, nogil=True)
    def advance(tile: _Tile, end: int, decoding: bool, symbols: Int32, rows: Float64) -> int:
        """Go on in the tile, and return for how many symbols there are rows now.

        The encoder goes on to wavefront ``end``, and writes all symbols and rows. The decoder takes the
        symbols of the rows that it got last, and goes on to the next rows, or to wavefront ``end``: then 0.
        """
        w, net, s, systems, joint, slope, slot_bits = (
            tile.weights,
            tile.net,
            tile.mixer,
            tile.systems,
            tile.joint,
            tile.slope,
            tile.slot_bits,
        )
        kind, sees, wide, guesses = tile.kind, tile.sees, tile.wide, tile.guesses
        predicted = systems.predicted
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
                    if side:
                        finish_side(s, kind, slope, canvas, sees, wide, guesses)
                    else:
                        finish(s, slope, canvas)
                    depth = BEGINNING
                    wave[CHANNEL] += 1
                if wave[CHANNEL] == channels:
                    wave[CHANNEL] = 0
                    wave[T] += 1
            t = wave[T]
            if depth == BEGINNING:
                if wave[CHANNEL] == 0:
                    if t == end:
                        break
                    wave[FIRST], wave[COUNT] = lane_range(t, slope, height, width)
                    if wave[COUNT] == 0:
                        wave[T] += 1
                        continue
                    if not side:
                        compute_features(w, net, t, wave[FIRST], wave[COUNT], slope)
                channel, first, count = wave[CHANNEL], wave[FIRST], wave[COUNT]
                if side:
                    if linear:
                        low_bits = s.limits[LOW_BITS]
                        c = channel if kind == LOW else channel >> 1
                        if kind == LOW or channel & 1 == 0:
                            pad, top = PAD_VALUE << low_bits, 16.0 * ((256 << low_bits) - 1)
                            predict_linearly(systems, c, t, first, count, slope, wide, pad, 16.0, 0.0, top)
                    begin_side(s, kind, slope, net, sees, wide, predicted, guesses)
                else:
                    compute_mixture(w, net, channel, t, first, count, slope)
                    summarise(s, net.weight, net.mean, net.inverse)
                    if linear:
                        pad, top = PAD_VALUE, 16.0 * 255
                        predict_linearly(
                            systems, channel, t, first, count, slope, canvas, pad, 16.0, 0.0, top
                        )
                        compare(s, slope, channels, predicted)
                        predict_linearly(joint, channel, t, first, count, slope, s.error, 0, 1.0, -top, top)
                        join(s, slope, channels, joint.predicted)
                    begin(s, slope, canvas, sees)
                depth = wave[FIRST_DEPTH]
            if depth & 3 == 0 or depth == wave[FIRST_DEPTH]:
                begin_nibble(s, depth, slot_bits, net.weight, net.mean, net.inverse, w.logistic)
            predict(s, depth, net.weight, net.mean, net.inverse, w.logistic, rows, start)
            wave[WAITING] = 1
            if decoding:
                wave[DEPTH] = depth
                return int(wave[COUNT])
            known_bits(s, slope, canvas, depth, symbols, start)
        wave[DEPTH] = depth
        return start

    return advance


_KERNELS = {(side, linear): _kernel(side, linear) for side in (False, True) for linear in (False, True)}
