"""The integer network, run wavefront by wavefront (FORMAT.md, section Network).

Features of the last ``slope + 2`` wavefronts are kept in a ring of slots, one row per lane: the neighbour
(y + dy, x + dx) of every lane is the slot of wavefront ``t + dx + slope * dy`` shifted by dy rows, a
contiguous slice. Layers are matrix products of float32 that hold integers, exact below 2**24.

Shapes: N lanes, C channels, F features, K components, H W height and width of the tile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.linalg.cython_blas  # noqa: F401 - np.dot in a kernel calls it; its threads are limited in coding.threads
from numba import njit

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
    SCALE_BITS,
    TAPS,
)
from pixcodec.network.distribution import Mixture, component_weights, new_mixture
from pixcodec.network.integer_net import IntegerLayer, Model
from pixcodec.network.kernels import entry_point, kernel
from pixcodec.network.structs import struct_of
from pixcodec.network.wavefront import Record, inner, lane_count, new_canvas, new_wave, position

Floats = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

_NEIGHBOURS = np.array(NEIGHBOURS, np.int64)
_FINE = np.array(FINE_NEIGHBOURS, np.int64)
_TAPS = np.array(TAPS, np.int64)
_SCALE_OFFSET = LOG_SCALE_MIN << SCALE_BITS
_TOP = np.int32(ACTIVATION_MAX)
_BOTTOM = np.int32(-ACTIVATION_MAX)
_ZERO = np.int32(0)


class Layers(NamedTuple):
    """Layers of one shape; ``weight`` (count, inputs, outputs), ``bias`` and ``shift`` (count, outputs)."""

    weight: Floats
    bias: Int32
    shift: Int32


class Weights(NamedTuple):
    """A model in the shapes the kernels take; weights are integers held as float32."""

    input: Layers  # one layer: inputs, F
    conv: Layers  # of each block: taps * F, F
    mix: Layers  # of each block: F, F
    first: Layers  # of the heads: weight (1, F, C * hidden), their features' part side by side
    first_earlier: Floats  # C, 2 * (C - 1), hidden: the part of the earlier channels
    second: Layers  # of each head: hidden, hidden
    last: Layers  # of each head: hidden, outputs (those of the last channel; the others padded with zeros)
    scale_table: Int32
    weight_table: Int32


class Activations(NamedTuple):
    """What the network holds of a tile: rings of features, and scratch space for one wavefront."""

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


class Network(NamedTuple):
    """A network at work on a tile."""

    weights: Weights
    activations: Activations
    canvas: Int32  # H + 3, W + 6, C: subpixels, PAD_VALUE outside
    mixture: Mixture  # of the channel that was computed last


def prepare(model: Model) -> Weights:
    """Return the weights of ``model`` as the kernels take them."""
    a, layers = model.architecture, model.layers
    f, h, channels = a.features, a.hidden, a.channels

    def stack(names: list[str], inputs: int) -> Layers:
        chosen: list[IntegerLayer] = [layers[name] for name in names]
        if not chosen:
            none = np.zeros((0, f), np.int32)
            return Layers(np.zeros((0, inputs, f), np.float32), none, none)
        return Layers(
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
    blocks = range(a.blocks)
    side_by_side = np.ascontiguousarray(np.concatenate([layer.weight[:f] for layer in firsts], 1))
    return Weights(
        input=stack(["input"], a.input_size),
        conv=stack([f"conv.{b}" for b in blocks], f * len(TAPS)),
        mix=stack([f"mix.{b}" for b in blocks], f),
        first=Layers(
            side_by_side[None],
            np.stack([layer.bias for layer in firsts]),
            np.stack([layer.shift for layer in firsts]),
        ),
        first_earlier=earlier,
        second=stack([f"heads.{c}.1" for c in range(channels)], h),
        last=Layers(last_weight, last_bias, last_shift),
        scale_table=np.ascontiguousarray(model.tensors["table.scale"]),
        weight_table=np.ascontiguousarray(model.tensors["table.weight"]),
    )


_weights: dict[bytes, Weights] = {}


def _prepared(model: Model) -> Weights:
    if model.model_id not in _weights:
        _weights[model.model_id] = prepare(model)
    return _weights[model.model_id]


def new_network(
    model: Model, height: int, width: int, slope: int, planes: npt.NDArray[np.uint8] | None = None
) -> Network:
    """Return a network that has seen nothing of its tile yet.

    Parameters
    ----------
    model : Model
    height, width, slope : int
        Of the tile.
    planes : ndarray of uint8, shape (H, W, C), optional
        The pixels, when encoding. Only those before the current one are ever read.

    Raises
    ------
    ValueError
        If the slope is less than MIN_SLOPE.
    """
    if slope < MIN_SLOPE:
        raise ValueError(f"slope is {slope}, expected at least {MIN_SLOPE}")
    a = model.architecture
    lanes = lane_count(slope, height, width)

    def floats(*shape: int) -> Floats:
        return np.zeros(shape, np.float32)

    activations = Activations(
        rings=floats(a.blocks, slope + 2, height + 1, a.features),
        base=np.zeros((lanes, a.channels), np.int32),
        inputs=floats(lanes, a.input_size),
        features=floats(lanes, a.features),
        taps=floats(lanes, a.features * len(TAPS)),
        inner=floats(lanes, a.features),
        sums=floats(lanes, a.features),
        first=floats(lanes, a.channels * a.hidden),
        hidden=floats(lanes, a.hidden),
        hidden_sums=floats(lanes, a.hidden),
        outputs=floats(lanes, a.head_output_size(a.channels - 1)),
        logit=np.zeros(a.components, np.int32),
    )
    canvas = new_canvas(height, width, a.channels)
    if planes is not None:
        inner(canvas)[:] = planes
    mixture = new_mixture(lanes, a.components, np.ascontiguousarray(model.tensors["table.logistic"]))
    return Network(_prepared(model), activations, canvas, mixture)


def ring_size_bytes(model: Model, height: int, slope: int) -> int:
    """Return the memory that the features of a tile's last wavefronts take."""
    a = model.architecture
    return a.blocks * (slope + 2) * (height + 1) * a.features * 4


@njit(nogil=True, _nrt=True)
def _multiply(a: Floats, b: Floats, out: Floats) -> None:
    """Write the matrix product of ``a`` and ``b`` to ``out``. np.dot counts references: it is no kernel."""
    np.dot(a, b, out)


@kernel
def _activate(sums: Floats, n: int, bias: Int32, shift: Int32, low: Any, out: Floats) -> None:
    """Turn sums (N, F) into activations: add the bias, scale down, round down, clamp."""
    for i in range(n):
        for j in range(bias.shape[0]):
            # All int32, comparisons instead of min and max, and ``out`` never ``sums`` itself: so that
            # the loop is vectorised.
            v = np.int32(np.int32(np.int32(sums[i, j]) + bias[j]) >> shift[j])
            v = low if v < low else v
            v = _TOP if v > _TOP else v
            out[i, j] = np.float32(v)


@kernel
def _gather_inputs(base: Int32, inputs: Floats, canvas: Int32, wave: Record) -> None:
    """Write what the first layer sees of each lane's neighbours, relative to a base, to ``inputs``."""
    channels = canvas.shape[2]
    for i in range(wave.lanes):
        y, x = position(wave, i)
        for c in range(channels):
            west, north, northwest = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c]
            low, high = min(west, north), max(west, north)
            base[i, c] = max(low, min(high, west + north - northwest))
        j = 0
        for k in range(len(_NEIGHBOURS)):
            for c in range(channels):
                v = canvas[y + _NEIGHBOURS[k, 0], x + _NEIGHBOURS[k, 1], c] - base[i, c]
                inputs[i, j] = v * COARSE_SCALE
                j += 1
        for k in range(len(_FINE)):
            for c in range(channels):
                v = canvas[y + _FINE[k, 0], x + _FINE[k, 1], c] - base[i, c]
                inputs[i, j] = min(max(v * FINE_SCALE, -FINE_MAX), FINE_MAX)
                j += 1
        for c in range(channels):
            inputs[i, j] = base[i, c] - PAD_VALUE
            j += 1
        if channels == 3:
            inputs[i, j] = (base[i, 0] - base[i, 1]) * COARSE_SCALE
            inputs[i, j + 1] = (base[i, 2] - base[i, 1]) * COARSE_SCALE


@kernel
def _residual_block(w: Weights, s: Activations, block: int, wave: Record) -> None:
    """Add what a masked convolution and a mixing layer make of the features to these."""
    ring, f, n, slope, t, first = (
        s.rings[block],
        s.features.shape[1],
        wave.lanes,
        wave.slope,
        wave.t,
        wave.first,
    )
    features, taps, added = s.features, s.taps, s.inner
    zero, top, bottom = np.float32(0), np.float32(_TOP), np.float32(_BOTTOM)
    slots = slope + 2
    now = ring[t % slots]
    # Row y of the image is row y + 1 here. The lane that just left the tile must read as outside.
    now[first] = zero
    for i in range(n):
        for j in range(f):
            v = features[i, j]
            now[first + 1 + i, j] = v if v > zero else zero
    for k in range(len(_TAPS)):
        dy, dx = _TAPS[k]
        slot = ring[(t + dx + slope * dy) % slots]
        for i in range(n):
            for j in range(f):
                taps[i, k * f + j] = slot[first + 1 + i + dy, j]
    _multiply(taps[:n], w.conv.weight[block], s.sums[:n])
    _activate(s.sums, n, w.conv.bias[block], w.conv.shift[block], _ZERO, added)
    _multiply(added[:n], w.mix.weight[block], s.sums[:n])
    _activate(s.sums, n, w.mix.bias[block], w.mix.shift[block], _BOTTOM, added)
    for i in range(n):
        for j in range(f):
            v = features[i, j] + added[i, j]
            v = bottom if v < bottom else v
            features[i, j] = top if v > top else v


@kernel
def compute_features(network: Network, wave: Record) -> None:
    """Compute base, features and the heads' common part of the lanes of a wavefront."""
    w, s, n = network.weights, network.activations, wave.lanes
    _gather_inputs(s.base, s.inputs, network.canvas, wave)
    _multiply(s.inputs[:n], w.input.weight[0], s.sums[:n])
    _activate(s.sums, n, w.input.bias[0], w.input.shift[0], _BOTTOM, s.features)
    for block in range(w.conv.bias.shape[0]):
        _residual_block(w, s, block, wave)
    zero = np.float32(0)
    for i in range(n):
        for j in range(s.features.shape[1]):
            v = s.features[i, j]
            s.inner[i, j] = v if v > zero else zero
    _multiply(s.inner[:n], w.first.weight[0], s.first[:n])


@kernel
def _run_head(network: Network, channel: int, wave: Record) -> None:
    """Compute the outputs of the head of a channel, from features and the earlier channels' subpixels."""
    w, s, n, canvas = network.weights, network.activations, wave.lanes, network.canvas
    sums, first, base, earlier = s.hidden_sums, s.first, s.base, w.first_earlier
    hidden = sums.shape[1]
    for i in range(n):
        for j in range(hidden):
            sums[i, j] = first[i, channel * hidden + j]
        y, x = position(wave, i)
        for e in range(channel):
            r = canvas[y, x, e] - base[i, e]
            coarse = np.float32(r * COARSE_SCALE)
            fine = np.float32(min(max(r * FINE_SCALE, -FINE_MAX), FINE_MAX))
            for j in range(hidden):
                sums[i, j] += coarse * earlier[channel, 2 * e, j]
                sums[i, j] += fine * earlier[channel, 2 * e + 1, j]
    _activate(sums, n, w.first.bias[channel], w.first.shift[channel], _ZERO, s.hidden)
    _multiply(s.hidden[:n], w.second.weight[channel], sums[:n])
    _activate(sums, n, w.second.bias[channel], w.second.shift[channel], _ZERO, s.hidden)
    _multiply(s.hidden[:n], w.last.weight[channel], s.outputs[:n])


@kernel
def compute_mixture(network: Network, channel: int, wave: Record) -> None:
    """Compute the mixture of every lane's subpixel; those of the earlier channels must be in the canvas."""
    _run_head(network, channel, wave)
    w, s, canvas, mixture = network.weights, network.activations, network.canvas, network.mixture
    outputs, base, logit, scales = s.outputs, s.base, s.logit, w.scale_table
    bias, shift = w.last.bias, w.last.shift
    count = mixture.weight.shape[1]
    for i in range(wave.lanes):
        y, x = position(wave, i)
        for j in range((3 + channel) * count):
            v = (np.int32(outputs[i, j]) + bias[channel, j]) >> shift[channel, j]
            outputs[i, j] = min(max(v, -MEAN_MAX), MEAN_MAX)
        for k in range(count):
            logit[k] = min(max(int(outputs[i, k]), -LOGIT_MAX), LOGIT_MAX)
            mean = 16 * int(base[i, channel]) + int(outputs[i, count + k])
            for e in range(channel):
                output = int(outputs[i, (3 + e) * count + k])
                coupling = min(max(output, -COUPLING_MAX), COUPLING_MAX)
                mean += (coupling * int(canvas[y, x, e] - base[i, e]) + 4) >> 3
            mixture.mean[i, k] = mean
            index = int(outputs[i, 2 * count + k]) - _SCALE_OFFSET
            mixture.inverse[i, k] = scales[min(max(index, 0), len(scales) - 1)]
        component_weights(logit, w.weight_table, mixture.weight, i)


class WavefrontNetwork:
    """Runs a model over one tile, wavefront by wavefront, from Python: for tests and reports.

    For every wavefront with lanes: :meth:`features`, then for each channel :meth:`mixture`; then the
    subpixels of that channel must be in ``network.canvas`` before the next channel is asked for.

    Parameters and errors as for :func:`new_network`.
    """

    def __init__(
        self, model: Model, height: int, width: int, slope: int, planes: npt.NDArray[np.uint8] | None = None
    ) -> None:
        self.network = new_network(model, height, width, slope, planes)
        self._struct = struct_of(self.network)
        self.wave = new_wave(height, width, model.architecture.channels, slope)

    def features(self, t: int, first: int, n: int) -> None:
        """Compute the features of the ``n`` lanes from row ``first`` of wavefront ``t``."""
        self.wave["t"], self.wave["first"], self.wave["lanes"] = t, first, n
        _features(self._struct, self.wave)

    def mixture(self, channel: int) -> Mixture:
        """Return the mixtures of a channel of the same lanes; valid until the next call."""
        _mixture(self._struct, channel, self.wave)
        return self.network.mixture


@entry_point
def _features(network: Network, wave: Any) -> None:
    compute_features(network, wave[0])


@entry_point
def _mixture(network: Network, channel: int, wave: Any) -> None:
    compute_mixture(network, channel, wave[0])
