"""Effort fast: a subpixel is two symbols of 16, with the network's distribution (FORMAT.md, Distribution).

numba's cache keeps a kernel together with those that it calls, and looks only at this file for changes:
touch it after changing a kernel of another file.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.network.architecture import REACH
from pixcodec.network.distribution import NIBBLE, high_rows, low_rows
from pixcodec.network.wavefront import (
    State,
    WavefrontNetwork,
    Weights,
    compute_features,
    compute_mixture,
    lane_range,
    wavefront_count,
)

Symbols = npt.NDArray[np.int32]
Rows = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

BATCH_WAVEFRONTS = 16  # an encoder's: long enough to stay out of Python, short enough to stay in cache


class Coder(Protocol):
    """One direction of the range coder."""

    def code(self, symbols: Symbols, rows: Rows) -> Symbols:
        """Code or decode a batch of symbols."""
        ...


class NibbleCoder:
    """Codes or decodes a tile, nibble by nibble.

    Parameters
    ----------
    net : WavefrontNetwork
        With the pixels, if they are to be coded.
    decoding : bool
    """

    def __init__(self, net: WavefrontNetwork, decoding: bool) -> None:
        self._net, self._decoding, self._t = net, decoding, 0
        self._count = wavefront_count(net.slope, net.height, net.width)
        self._rows = np.zeros((len(net.state.weight), NIBBLE))
        self._scratch = np.zeros(NIBBLE, np.int64)
        self._none = np.zeros(0, np.int32)

    def code(self, coder: Coder) -> int:
        """Code or decode some wavefronts; return the number of their pixels, 0 at the end of the tile."""
        pixels = 0
        while pixels == 0 and self._t < self._count:  # some wavefronts may have no pixels
            pixels = self._decode(coder) if self._decoding else self._encode(coder)
        return pixels

    def _encode(self, coder: Coder) -> int:
        """Code a batch of wavefronts; return the number of their pixels.

        The encoder knows every symbol, so it can leave Python, and let go of its lock, for many wavefronts.
        """
        net, t = self._net, self._t
        self._t = min(t + BATCH_WAVEFRONTS, self._count)
        lanes = [lane_range(k, net.slope, net.height, net.width) for k in range(t, self._t)]
        bounds = np.array(lanes, np.int64)
        pixels = int(bounds[:, 1].sum())
        count = 2 * pixels * net.state.canvas.shape[2]
        symbols, rows = np.empty(count, np.int32), np.empty((count, NIBBLE))
        _batch(net.weights, net.state, t, bounds, net.slope, self._scratch, symbols, rows)
        if count:
            coder.code(symbols, rows)
        return pixels

    def _decode(self, coder: Coder) -> int:
        """Decode a wavefront; return the number of its pixels."""
        net, t = self._net, self._t
        self._t += 1
        first, n = lane_range(t, net.slope, net.height, net.width)
        if n:
            net.features(t, first, n)
            for channel in range(net.state.canvas.shape[2]):
                net.mixture(channel, t, first, n)
                net.put(self._decode_mixture(coder, n), channel, t, first)
        return int(n)

    def _decode_mixture(self, coder: Coder, n: int) -> Symbols:
        """Return the values (n,) of the channel whose mixture the network's state holds."""
        s, table, rows = self._net.state, self._net.weights.logistic, self._rows[:n]
        high_rows(n, s.weight, s.mean, s.inverse, table, self._scratch, rows)
        high = coder.code(self._none, rows)
        low_rows(n, high, s.weight, s.mean, s.inverse, table, self._scratch, rows)
        return (high << 4) | coder.code(self._none, rows)


@njit(cache=True, nogil=True)
def _batch(
    w: Weights, s: State, t: int, bounds: Int64, slope: int, scratch: Int64, symbols: Symbols, rows: Rows
) -> None:
    """Write the symbols and rows of wavefronts from ``t`` on; ``bounds`` has their first rows and lanes."""
    canvas = s.canvas
    at = 0
    for k in range(len(bounds)):
        first, n = bounds[k]
        if n == 0:
            continue
        compute_features(w, s, t + k, first, n, slope)
        for channel in range(canvas.shape[2]):
            compute_mixture(w, s, channel, t + k, first, n, slope)
            for i in range(n):
                y = first + i
                value = canvas[y + REACH, t + k - slope * y + REACH, channel]
                symbols[at + i] = value >> 4
                symbols[at + n + i] = value & 15
            high, low = rows[at : at + n], rows[at + n : at + 2 * n]
            high_rows(n, s.weight, s.mean, s.inverse, w.logistic, scratch, high)
            # low_rows reads the row of the high nibbles where it writes its own.
            low[:] = high
            low_rows(n, symbols[at:], s.weight, s.mean, s.inverse, w.logistic, scratch, low)
            at += 2 * n
