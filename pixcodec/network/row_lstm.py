"""A Row LSTM at work on a tile: row by row for encoders, wavefront by wavefront for decoders.

Both give the same integers (FORMAT.md, section Row LSTM). An encoder knows all pixels of a tile: a row is one
step. A decoder knows those of earlier wavefronts. As in :mod:`pixcodec.network.inference`, what a pixel
needs of earlier ones is in rings of slots, one for each of the last ``slope + 2`` wavefronts, with one row
per lane: the neighbour (y + dy, x + dx) of every lane is in the slot of wavefront ``t + dx + slope * dy``.

Shapes: N lanes, C channels, F features, S numbers of a state, K components, H W height and width of the tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import (
    ACTIVATION_MAX,
    COARSE_SCALE,
    FINE_MAX,
    FINE_NEIGHBOURS,
    FINE_SCALE,
    NEIGHBOURS,
    PAD_VALUE,
    REACH,
    STATE_TAPS,
    TAPS,
    RowArchitecture,
)
from pixcodec.network.inference import Known
from pixcodec.network.integer_net import NUMPY, MixtureParameters, head, mixture_of, run_on
from pixcodec.network.model import Floats, Model
from pixcodec.network.row_states import add_output, first_states, next_states

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Planes = npt.NDArray[np.uint8]

_BAND_PIXELS = 1 << 16  # of the rows that run at a time: 150 MB
_NEIGHBOURS = np.array(NEIGHBOURS)
_FINE = np.array(FINE_NEIGHBOURS)
_KNOWN_BYTES = 8  # of a component of a mixture in Known


def known_mixtures(model: Model, planes: Planes) -> Known:
    """Return the mixtures of all subpixels of a tile (H, W, C), for an encoder."""
    height, width, _ = planes.shape
    known, above = no_mixtures(model, height, width), first_states(model, width)
    halo = REACH + model.architecture.blocks  # rows above that the features of a pixel depend on
    rows = max(_BAND_PIXELS // width, 1)
    for start in range(0, height, rows):
        top = max(start - halo, 0)
        band = run_on(NUMPY, model, planes[top : start + rows], start - top, above)
        for channel, mixture in enumerate(band):
            first = start * width
            put_mixture(known, channel, slice(first, first + len(mixture.mean)), mixture)
    return known


def no_mixtures(model: Model, height: int, width: int) -> Known:
    """Return room for the mixtures of all subpixels of a tile."""
    a = model.architecture
    shape = (a.channels, height * width, a.components)
    return Known(np.zeros(shape, np.int16), np.zeros(shape, np.int32), np.zeros(shape, np.int16))


def put_mixture(known: Known, channel: int, at: Any, mixture: MixtureParameters) -> None:
    """Write the mixtures of subpixels of a channel, ``at`` being their places in raster order."""
    known.logit[channel, at] = mixture.logit
    known.mean[channel, at] = mixture.mean
    known.log_scale[channel, at] = mixture.log_scale


def row_size_bytes(model: Model, height: int, width: int, slope: int) -> int:
    """Return the memory that a decoder takes for a tile besides its pixels."""
    a = model.architecture
    assert isinstance(a, RowArchitecture)
    rings = 2 * (a.blocks * a.features + 2 * a.lstms * a.state) * (slope + 2) * (height + 1)
    return rings + _KNOWN_BYTES * a.channels * a.components * height * width


class RowWavefronts:
    """Runs a Row LSTM over a tile, wavefront by wavefront.

    For every wavefront with lanes, in their order: :meth:`features`, then for each channel :meth:`mixture`,
    after which the subpixels of that channel must be in the canvas.

    Parameters
    ----------
    model : Model
    height, width, slope : int
        Of the tile.
    canvas : ndarray of int32, shape (H + 3, W + 6, C)
        As of :func:`pixcodec.network.wavefront.new_canvas`. Only subpixels before the current one are read.
    """

    def __init__(self, model: Model, height: int, width: int, slope: int, canvas: Int32) -> None:
        a = model.architecture
        assert isinstance(a, RowArchitecture)
        self._model, self._slope, self._canvas = model, slope, canvas

        def rings(count: int, numbers: int) -> Int16:
            return np.zeros((count, slope + 2, height + 1, numbers), np.int16)  # row 0 is outside the tile

        self._features = rings(a.blocks, a.features)  # after ReLU
        self._states, self._cells = rings(a.lstms, a.state), rings(a.lstms, a.state)
        self._last = np.zeros((a.lstms, height, a.features), np.float32)  # inputs on the wavefront before
        nothing = np.zeros(0, np.int64)
        self._rows = self._columns = nothing  # of the lanes' pixels in the canvas
        self._base: Int32 = np.zeros((0, a.channels), np.int32)
        self._shared: Floats = np.zeros((0, a.features), np.float32)  # what the heads see

    def features(self, t: int, first: int, lanes: int) -> None:
        """Compute base and features of the lanes of wavefront ``t``, from row ``first`` on."""
        y = np.arange(first, first + lanes)
        self._rows, self._columns = y + REACH, t - self._slope * y + REACH
        inputs, self._base = self._inputs()
        model, top = self._model, ACTIVATION_MAX
        h = model.layers["input"](inputs, -top, top)
        for block, ring in enumerate(self._features):
            self._keep(ring, t, first, np.maximum(h, 0))
            taps = np.concatenate([self._at(ring, t, first, lanes, *tap) for tap in TAPS], 1)
            u = model.layers[f"conv.{block}"](taps.astype(np.float32), 0, top)
            h = np.clip(h + model.layers[f"mix.{block}"](u, -top, top), -top, top)
        for k in range(len(self._states)):
            h = self._recurrent(k, h, t, first)
        self._shared = np.maximum(h, 0)

    def mixture(self, channel: int) -> MixtureParameters:
        """Return the mixtures of a channel of the same lanes; the earlier channels must be in the canvas."""
        values = self._canvas[self._rows, self._columns, :channel]
        residual = values - self._base[:, :channel]
        outputs = head(NUMPY, self._model, channel, self._shared, residual)
        components = self._model.architecture.components
        return mixture_of(NUMPY, outputs, self._base[:, channel], residual, components)

    def _recurrent(self, k: int, h: Floats, t: int, first: int) -> Floats:
        """Return the features of the lanes with what LSTM ``k`` adds to them."""
        lanes, states, cells, last = len(h), self._states[k], self._cells[k], self._last[k]
        left = last[first : first + lanes].copy()
        last[:first] = 0
        last[first : first + lanes] = h
        above = [self._at(states, t, first, lanes, *tap) for tap in STATE_TAPS]
        cell = self._at(cells, t, first, lanes, -1, 0).astype(np.int32)
        inputs = np.concatenate([left, h, *above], 1, dtype=np.float32)
        product = NUMPY.product
        state, cell = next_states(self._model, k, product, inputs, cell)
        self._keep(states, t, first, state)
        self._keep(cells, t, first, cell)
        return add_output(self._model, k, product, h, state)

    def _keep(self, ring: Int16, t: int, first: int, values: Any) -> None:
        """Put the values of the lanes (N, numbers) into the slot of wavefront ``t``; zeros elsewhere."""
        slot = ring[t % (self._slope + 2)]
        slot[:] = 0
        slot[first + 1 : first + 1 + len(values)] = values

    def _at(self, ring: Int16, t: int, first: int, lanes: int, dy: int, dx: int) -> Int16:
        """Return the values (N, numbers) of the lanes' neighbours (dy, dx)."""
        slot = ring[(t + dx + self._slope * dy) % (self._slope + 2)]
        found: Int16 = slot[first + 1 + dy : first + 1 + dy + lanes]
        return found

    def _inputs(self) -> tuple[Floats, Int32]:
        """Return inputs (N, inputs) and base (N, C) of the lanes (FORMAT.md, section Network inputs)."""
        canvas, y, x = self._canvas, self._rows, self._columns
        west, north, northwest = canvas[y, x - 1], canvas[y - 1, x], canvas[y - 1, x - 1]
        low, high = np.minimum(west, north), np.maximum(west, north)
        base: Int32 = np.maximum(low, np.minimum(high, west + north - northwest))

        def differences(places: npt.NDArray[np.int64]) -> Int32:  # N, places, C
            found: Int32 = canvas[y[:, None] + places[:, 0], x[:, None] + places[:, 1]] - base[:, None]
            return found

        lanes = len(y)
        coarse = (differences(_NEIGHBOURS) * COARSE_SCALE).reshape(lanes, -1)
        fine = np.clip(differences(_FINE) * FINE_SCALE, -FINE_MAX, FINE_MAX).reshape(lanes, -1)
        parts = [coarse, fine, base - PAD_VALUE]
        if base.shape[1] == 3:
            parts.append((base[:, [0, 2]] - base[:, 1:2]) * COARSE_SCALE)
        return np.concatenate(parts, 1).astype(np.float32), base
