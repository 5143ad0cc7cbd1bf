"""Effort research: nibbles as of effort fast, by the mixtures of a Row LSTM (FORMAT.md, section Row LSTM).

The kernels of :mod:`pixcodec.coding.nibbles` take the mixtures as known. An encoder computes them all
first. A decoder computes those of the next subpixels whenever the ones before are decoded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import Coder, Rows, Symbols
from pixcodec.coding.nibbles import Nibbles, new_nibbles
from pixcodec.mixing.state import Extent
from pixcodec.network.architecture import REACH
from pixcodec.network.inference import Known, new_network
from pixcodec.network.model import Model
from pixcodec.network.row_lstm import RowWavefronts, known_mixtures, no_mixtures, put_mixture
from pixcodec.network.wavefront import Int32, lane_range, wavefront_count

Int64 = npt.NDArray[np.int64]


def new_row_layer(
    model: Model, size: Extent, plane: npt.NDArray[np.uint8] | None, threads: int
) -> tuple[Nibbles, Known]:
    """Return the stage of a tile, and its mixtures: all of them if there is a plane, else room for them."""
    height, width, slope = size.height, size.width, size.slope
    known = no_mixtures(model, height, width) if plane is None else known_mixtures(model, plane)
    network = new_network(model, height, width, slope, plane, threads=threads, known=known)
    return new_nibbles(network, height, width, slope, known=plane is not None, threads=threads), known


class MixingDecoder:
    """A range decoder that has the mixtures of the next subpixels computed as soon as these can be.

    Parameters
    ----------
    decoder : Coder
    model : Model
    size : Extent
        Of the tile.
    canvas : ndarray of int32
        Of the stage that is decoded. The values go into it here before the stage puts them there.
    known : Known
        Of the stage.
    """

    def __init__(self, decoder: Coder, model: Model, size: Extent, canvas: Int32, known: Known) -> None:
        self._decoder, self._size, self._canvas, self._known = decoder, size, canvas, known
        self._network = RowWavefronts(model, size.height, size.width, size.slope, canvas)
        self._t, self._channel = -1, size.channels - 1
        self._rows: Int64 = np.zeros(0, np.int64)  # of the lanes
        self._high: Symbols | None = None  # nibbles, if the low ones come next
        self._next_channel()

    def code(self, symbols: Symbols, rows: Rows) -> Symbols:
        """Return the next symbols (N,), as :meth:`pixcodec.coding.rangecoder.Decoder.code` does."""
        decoded = self._decoder.code(symbols, rows)
        if self._high is None:
            self._high = decoded
            return decoded
        columns = self._t - self._size.slope * self._rows
        self._canvas[self._rows + REACH, columns + REACH, self._channel] = self._high << 4 | decoded
        self._high = None
        self._next_channel()
        return decoded

    def _next_channel(self) -> None:
        """Compute the mixtures of the next channel, or of the first one of the next wavefront with lanes."""
        self._channel += 1
        if self._channel == self._size.channels:
            self._channel = 0
            if not self._next_wavefront():
                return
        at = self._rows * self._size.width + self._t - self._size.slope * self._rows
        put_mixture(self._known, self._channel, at, self._network.mixture(self._channel))

    def _next_wavefront(self) -> bool:
        """Compute the features of the next wavefront with lanes; return whether there is one."""
        height, width, slope = self._size.height, self._size.width, self._size.slope
        for t in range(self._t + 1, wavefront_count(slope, height, width)):
            first, lanes = lane_range(t, slope, height, width)
            if lanes:
                self._t, self._rows = t, np.arange(first, first + lanes)
                self._network.features(t, first, lanes)
                return True
        return False
