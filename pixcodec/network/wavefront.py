"""In which order subpixels are coded, and the network run in that order.

Pixel (y, x) of a tile belongs to wavefront ``t = x + slope * y``. With ``slope >= 3`` all that it
depends on lies on earlier wavefronts, so the pixels of one wavefront, its lanes, are computed together;
lane y is row y. With ``slope >= width`` each wavefront has one lane and the order is literal raster
order. Features of the last ``slope + 2`` wavefronts are kept in a ring of slots, one row per lane:
the neighbour (y + dy, x + dx) of every lane is the slot of wavefront ``t + dx + slope * dy`` shifted by
dy rows, a contiguous slice (the sheared layout of DESIGN section 2).

Shapes: N lanes, C channels, F features, K components, H W height and width of the tile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas  # noqa: F401 - np.dot in a kernel calls it; codec.py limits its threads
from numba import njit
from numba.extending import register_jitable

from pixcodec.network.architecture import (
    ACTIVATION_MAX,
    COARSE_SCALE,
    COUPLING_MAX,
    FINE_MAX,
    FINE_NEIGHBOURS,
    FINE_SCALE,
    LOG_SCALE_MIN,
    LOGIT_MAX,
    MEAN_MAX,
    MIN_SLOPE,
    NEIGHBOURS,
    PAD_VALUE,
    REACH,
    SCALE_BITS,
    TAPS,
)
from pixcodec.network.distribution import component_weights
from pixcodec.network.model import IntegerLayer, Model

Floats = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_NEIGHBOURS = np.array(NEIGHBOURS, np.int64)
_FINE = np.array(FINE_NEIGHBOURS, np.int64)
_TAPS = np.array(TAPS, np.int64)
_SCALE_OFFSET = LOG_SCALE_MIN << SCALE_BITS
_TOP = np.int32(ACTIVATION_MAX)
_BOTTOM = np.int32(-ACTIVATION_MAX)
_ZERO = np.int32(0)


@register_jitable
def lane_range(t: int, slope: int, height: int, width: int) -> tuple[int, int]:
    """Return the first row of wavefront ``t`` and its number of lanes (0 if it is empty)."""
    first = max(0, -((width - 1 - t) // slope))
    last = min(height - 1, t // slope)
    return first, max(0, last - first + 1)


def lane_count(slope: int, height: int, width: int) -> int:
    """Return the largest number of lanes that a wavefront has."""
    return min(height, -(-width // slope))


def wavefront_count(slope: int, height: int, width: int) -> int:
    """Return the number of wavefronts of a tile, empty ones included."""
    return width + slope * (height - 1)


def raster_slope(width: int) -> int:
    """Return the slope at which a tile is coded in literal raster order."""
    return max(width, MIN_SLOPE)


class Weights(NamedTuple):
    """The layers of a model in the shapes the kernels take; weights are integers held as float32."""

    input_weight: Floats  # inputs, F
    input_bias: Int32  # F
    input_shift: Int32
    conv_weight: Floats  # blocks, taps * F, F
    conv_bias: Int32  # blocks, F
    conv_shift: Int32
    mix_weight: Floats  # blocks, F, F
    mix_bias: Int32
    mix_shift: Int32
    first_weight: Floats  # F, C * hidden: the features' part of the first layer of all heads
    first_earlier: Floats  # C, 2 * (C - 1), hidden: the part of the earlier channels
    first_bias: Int32  # C, hidden
    first_shift: Int32
    second_weight: Floats  # C, hidden, hidden
    second_bias: Int32
    second_shift: Int32
    last_weight: Floats  # C, hidden, outputs (of the last channel; the others padded with zeros)
    last_bias: Int32
    last_shift: Int32
    logistic: Int32
    scale_table: Int32
    weight_table: Int32


class State(NamedTuple):
    """What is known of a tile, and scratch space for one wavefront."""

    canvas: Int32  # H + 3, W + 6, C: the pixels, PAD_VALUE outside
    rings: Floats  # blocks, slots, H + 1, F: features after ReLU; row 0 is outside the tile
    base: Int32  # N, C
    inputs: Floats  # N, inputs
    features: Floats  # N, F
    taps: Floats  # N, taps * F
    inner: Floats  # N, F
    sums: Floats  # N, F
    first: Floats  # N, C * hidden
    hidden: Floats  # N, hidden
    hidden_sums: Floats  # N, hidden
    outputs: Floats  # N, outputs
    logit: Int32  # K
    weight: Int64  # N, K
    mean: Int64  # N, K
    inverse: Int64  # N, K


def prepare(model: Model) -> Weights:
    """Return the weights of ``model`` as the kernels take them."""
    a, layers = model.architecture, model.layers
    f, h, channels = a.features, a.hidden, a.channels

    def stack(names: list[str]) -> tuple[Floats, Int32, Int32]:
        chosen: list[IntegerLayer] = [layers[name] for name in names]
        return (
            np.stack([layer.weight for layer in chosen]),
            np.stack([layer.bias for layer in chosen]),
            np.stack([layer.shift for layer in chosen]),
        )

    firsts = [layers[f"heads.{c}.0"] for c in range(channels)]
    earlier = np.zeros((channels, max(1, 2 * (channels - 1)), h), np.float32)
    outputs = a.head_output_size(channels - 1)
    last_weight = np.zeros((channels, h, outputs), np.float32)
    last_bias, last_shift = np.zeros((2, channels, outputs), np.int32)
    for c in range(channels):
        earlier[c, : 2 * c] = firsts[c].weight[f:]
        last = layers[f"heads.{c}.2"]
        size = a.head_output_size(c)
        last_weight[c, :, :size], last_bias[c, :size] = last.weight, last.bias
        last_shift[c, :size] = last.shift
    first = layers["input"]
    blocks = range(a.blocks)
    none = np.zeros((0, f), np.int32)
    taps = f * len(TAPS)
    conv = (
        stack([f"conv.{b}" for b in blocks]) if a.blocks else (np.zeros((0, taps, f), np.float32), none, none)
    )
    mix = stack([f"mix.{b}" for b in blocks]) if a.blocks else (np.zeros((0, f, f), np.float32), none, none)
    return Weights(
        first.weight,
        first.bias,
        first.shift,
        *conv,
        *mix,
        np.ascontiguousarray(np.concatenate([layer.weight[:f] for layer in firsts], 1)),
        earlier,
        np.stack([layer.bias for layer in firsts]),
        np.stack([layer.shift for layer in firsts]),
        *stack([f"heads.{c}.1" for c in range(channels)]),
        last_weight,
        last_bias,
        last_shift,
        np.ascontiguousarray(model.tensors["table.logistic"]),
        np.ascontiguousarray(model.tensors["table.scale"]),
        np.ascontiguousarray(model.tensors["table.weight"]),
    )


def _new_state(model: Model, height: int, width: int, slope: int) -> State:
    a = model.architecture
    lanes = lane_count(slope, height, width)
    slots = slope + 2

    def floats(*shape: int) -> Floats:
        return np.zeros(shape, np.float32)

    return State(
        np.full((height + REACH, width + 2 * REACH, a.channels), PAD_VALUE, np.int32),
        floats(a.blocks, slots, height + 1, a.features),
        np.zeros((lanes, a.channels), np.int32),
        floats(lanes, a.input_size),
        floats(lanes, a.features),
        floats(lanes, a.features * len(TAPS)),
        floats(lanes, a.features),
        floats(lanes, a.features),
        floats(lanes, a.channels * a.hidden),
        floats(lanes, a.hidden),
        floats(lanes, a.hidden),
        floats(lanes, a.head_output_size(a.channels - 1)),
        np.zeros(a.components, np.int32),
        *np.zeros((3, lanes, a.components), np.int64),
    )


class WavefrontNetwork:
    """Runs a model over one tile, wavefront by wavefront.

    For every wavefront ``t`` with lanes: :meth:`features`, then for each channel :meth:`mixture`, then
    the subpixels of that channel must be in ``canvas`` (:meth:`put`) before the next channel is asked for.

    Parameters
    ----------
    model : Model
    height, width, slope : int
        Of the tile.
    planes : ndarray of uint8, shape (H, W, C), optional
        The pixels, when encoding. Only pixels before the current one are ever read.
    """

    def __init__(
        self, model: Model, height: int, width: int, slope: int, planes: npt.NDArray[np.uint8] | None = None
    ) -> None:
        if slope < MIN_SLOPE:
            raise ValueError(f"slope is {slope}, expected at least {MIN_SLOPE}")
        self.height, self.width, self.slope = height, width, slope
        self.weights = _prepared(model)
        self.state = _new_state(model, height, width, slope)
        if planes is not None:
            self.state.canvas[REACH:, REACH:-REACH] = planes

    def planes(self) -> npt.NDArray[np.uint8]:
        """Return the pixels of the tile, shape (H, W, C)."""
        return self.state.canvas[REACH:, REACH:-REACH].astype(np.uint8)

    def features(self, t: int, first: int, n: int) -> None:
        """Compute base, features and the heads' common part of the ``n`` lanes from row ``first``."""
        compute_features(self.weights, self.state, t, first, n, self.slope)

    def mixture(self, channel: int, t: int, first: int, n: int) -> None:
        """Compute ``state.weight``, ``mean`` and ``inverse`` (N, K) of a channel."""
        compute_mixture(self.weights, self.state, channel, t, first, n, self.slope)

    def get(self, channel: int, t: int, first: int, n: int) -> Int32:
        """Return the subpixels of a channel on a wavefront, shape (N,)."""
        values = np.empty(n, np.int32)
        _get(self.state.canvas, channel, t, first, self.slope, values)
        return values

    def put(self, values: Int32, channel: int, t: int, first: int) -> None:
        """Set the subpixels of a channel on a wavefront, shape (N,)."""
        _put(self.state.canvas, channel, t, first, self.slope, values)


def ring_size_bytes(model: Model, height: int, slope: int) -> int:
    """Return the memory that the features of a tile's last wavefronts take."""
    a = model.architecture
    return a.blocks * (slope + 2) * (height + 1) * a.features * 4


_weights: dict[bytes, Weights] = {}


def _prepared(model: Model) -> Weights:
    if model.model_id not in _weights:
        _weights[model.model_id] = prepare(model)
    return _weights[model.model_id]


@njit(cache=True, nogil=True)
def _get(canvas: Int32, channel: int, t: int, first: int, slope: int, values: Int32) -> None:
    for i in range(len(values)):
        y = first + i
        values[i] = canvas[y + REACH, t - slope * y + REACH, channel]


@njit(cache=True, nogil=True)
def _put(canvas: Int32, channel: int, t: int, first: int, slope: int, values: Int32) -> None:
    for i in range(len(values)):
        y = first + i
        canvas[y + REACH, t - slope * y + REACH, channel] = values[i]


@njit(cache=True, nogil=True)
def _finish(sums: Floats, n: int, bias: Int32, shift: Int32, low: Any, out: Floats) -> None:
    """Turn sums (N, F) into activations: add the bias, scale down, round down, clamp."""
    for i in range(n):
        for j in range(bias.shape[0]):
            # All int32, comparisons instead of min and max, and ``out`` never ``sums`` itself: so that
            # the loop is vectorised.
            v = np.int32(np.int32(np.int32(sums[i, j]) + bias[j]) >> shift[j])
            v = low if v < low else v
            v = _TOP if v > _TOP else v
            out[i, j] = np.float32(v)


@njit(cache=True, nogil=True)
def _gather_inputs(s: State, t: int, first: int, n: int, slope: int) -> None:
    canvas = s.canvas
    channels = canvas.shape[2]
    for i in range(n):
        y = first + i + REACH
        x = t - slope * (first + i) + REACH
        for c in range(channels):
            west, north, northwest = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c]
            low, high = min(west, north), max(west, north)
            s.base[i, c] = max(low, min(high, west + north - northwest))
        j = 0
        for k in range(len(_NEIGHBOURS)):
            for c in range(channels):
                v = canvas[y + _NEIGHBOURS[k, 0], x + _NEIGHBOURS[k, 1], c] - s.base[i, c]
                s.inputs[i, j] = v * COARSE_SCALE
                j += 1
        for k in range(len(_FINE)):
            for c in range(channels):
                v = canvas[y + _FINE[k, 0], x + _FINE[k, 1], c] - s.base[i, c]
                s.inputs[i, j] = min(max(v * FINE_SCALE, -FINE_MAX), FINE_MAX)
                j += 1
        for c in range(channels):
            s.inputs[i, j] = s.base[i, c] - PAD_VALUE
            j += 1
        if channels == 3:
            s.inputs[i, j] = (s.base[i, 0] - s.base[i, 1]) * COARSE_SCALE
            s.inputs[i, j + 1] = (s.base[i, 2] - s.base[i, 1]) * COARSE_SCALE


@njit(cache=True, nogil=True)
def compute_features(w: Weights, s: State, t: int, first: int, n: int, slope: int) -> None:
    """Kernel of :meth:`WavefrontNetwork.features`."""
    _gather_inputs(s, t, first, n, slope)
    zero, top, bottom = np.float32(0), np.float32(_TOP), np.float32(_BOTTOM)
    f = w.input_bias.shape[0]
    slots = slope + 2
    np.dot(s.inputs[:n], w.input_weight, s.sums[:n])
    _finish(s.sums, n, w.input_bias, w.input_shift, _BOTTOM, s.features)
    for block in range(w.conv_bias.shape[0]):
        ring = s.rings[block]
        now = ring[t % slots]
        # Row y of the image is row y + 1 here. The lane that just left the tile must read as outside.
        now[first] = zero
        for i in range(n):
            for j in range(f):
                v = s.features[i, j]
                now[first + 1 + i, j] = v if v > zero else zero
        for k in range(len(_TAPS)):
            dy, dx = _TAPS[k]
            slot = ring[(t + dx + slope * dy) % slots]
            for i in range(n):
                for j in range(f):
                    s.taps[i, k * f + j] = slot[first + 1 + i + dy, j]
        np.dot(s.taps[:n], w.conv_weight[block], s.sums[:n])
        _finish(s.sums, n, w.conv_bias[block], w.conv_shift[block], _ZERO, s.inner)
        np.dot(s.inner[:n], w.mix_weight[block], s.sums[:n])
        _finish(s.sums, n, w.mix_bias[block], w.mix_shift[block], _BOTTOM, s.inner)
        for i in range(n):
            for j in range(f):
                v = s.features[i, j] + s.inner[i, j]
                v = bottom if v < bottom else v
                s.features[i, j] = top if v > top else v
    for i in range(n):
        for j in range(f):
            v = s.features[i, j]
            s.inner[i, j] = v if v > zero else zero
    np.dot(s.inner[:n], w.first_weight, s.first[:n])


@njit(cache=True, nogil=True)
def compute_mixture(w: Weights, s: State, channel: int, t: int, first: int, n: int, slope: int) -> None:
    """Kernel of :meth:`WavefrontNetwork.mixture`."""
    hidden = w.first_bias.shape[1]
    count = s.weight.shape[1]
    for i in range(n):
        for j in range(hidden):
            s.hidden_sums[i, j] = s.first[i, channel * hidden + j]
        y = first + i
        for e in range(channel):
            r = s.canvas[y + REACH, t - slope * y + REACH, e] - s.base[i, e]
            coarse = np.float32(r * COARSE_SCALE)
            fine = np.float32(min(max(r * FINE_SCALE, -FINE_MAX), FINE_MAX))
            for j in range(hidden):
                s.hidden_sums[i, j] += coarse * w.first_earlier[channel, 2 * e, j]
                s.hidden_sums[i, j] += fine * w.first_earlier[channel, 2 * e + 1, j]
    _finish(s.hidden_sums, n, w.first_bias[channel], w.first_shift[channel], _ZERO, s.hidden)
    np.dot(s.hidden[:n], w.second_weight[channel], s.hidden_sums[:n])
    _finish(s.hidden_sums, n, w.second_bias[channel], w.second_shift[channel], _ZERO, s.hidden)
    np.dot(s.hidden[:n], w.last_weight[channel], s.outputs[:n])
    for i in range(n):
        y = first + i
        for j in range((3 + channel) * count):
            v = (np.int32(s.outputs[i, j]) + w.last_bias[channel, j]) >> w.last_shift[channel, j]
            s.outputs[i, j] = min(max(v, -MEAN_MAX), MEAN_MAX)
        for k in range(count):
            s.logit[k] = min(max(int(s.outputs[i, k]), -LOGIT_MAX), LOGIT_MAX)
            mean = 16 * int(s.base[i, channel]) + int(s.outputs[i, count + k])
            for e in range(channel):
                output = int(s.outputs[i, (3 + e) * count + k])
                coupling = min(max(output, -COUPLING_MAX), COUPLING_MAX)
                r = s.canvas[y + REACH, t - slope * y + REACH, e] - s.base[i, e]
                mean += (coupling * int(r) + 4) >> 3
            s.mean[i, k] = mean
            index = int(s.outputs[i, 2 * count + k]) - _SCALE_OFFSET
            s.inverse[i, k] = w.scale_table[min(max(index, 0), len(w.scale_table) - 1)]
        component_weights(s.logit, w.weight_table, s.weight, i)
