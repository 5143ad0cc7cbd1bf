"""The integer network, run wavefront by wavefront (FORMAT.md, section Network).

Features of the last ``slope + 2`` wavefronts are kept in a ring of slots, one row per lane: the neighbour
(y + dy, x + dx) of every lane is the slot of wavefront ``t + dx + slope * dy`` shifted by dy rows, a
contiguous slice. Activations and weights are int16, sums int32: the model proves that they stay below 2**24.

Shapes: N lanes, C channels, F features, K components, H W height and width of the tile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import (
    ACTIVATION_MAX,
    COARSE_SCALE,
    COUPLING_MAX,
    FINE_MAX,
    FINE_SCALE,
    LOG_SCALE_MIN,
    LOGIT_MAX,
    MEAN_MAX,
    MIN_SLOPE,
    REACH,
    SCALE_BITS,
    TAPS,
)
from pixcodec.network.distribution import Mixture, component_weights, logistic_steps, new_mixture
from pixcodec.network.inputs import gather_inputs
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.model import IntegerLayer, Model
from pixcodec.network.pairing import paired_layers
from pixcodec.network.products import (
    activate,
    multiply,
    pack_scale,
    pack_weights,
    padded,
    segment_length,
    width_of,
)
from pixcodec.network.profiling import GATHER, MIXTURE, PRODUCTS, lap
from pixcodec.network.wavefront import (
    Record,
    Share,
    first_of,
    inner,
    lane_count,
    new_canvas,
    position,
    row_at,
)

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_TAPS = np.array(TAPS, np.int64)
_SCALE_OFFSET = LOG_SCALE_MIN << SCALE_BITS
_TOP = np.int32(ACTIVATION_MAX)
_BOTTOM = np.int32(-ACTIVATION_MAX)
_ZERO = np.int32(0)


class Layers(NamedTuple):
    """Layers of one shape, packed for products that are activated (:mod:`pixcodec.network.products`)."""

    weight: Int16  # count, tiles, pairs of inputs, 2 * outputs of a tile
    scale: Int32  # count, tiles, 2, outputs of a tile: biases and shifts


class Sums(NamedTuple):
    """Layers of one shape whose sums are needed: biases and shifts are applied later."""

    weight: Int16  # as of Layers
    bias: Int32  # count, outputs
    shift: Int32  # count, outputs


class Weights(NamedTuple):
    """A model in the shapes the kernels take."""

    input: Layers  # one layer: inputs, F
    conv: Layers  # of each block: taps * F, F
    mix: Layers  # of each block: F, F
    first: Sums  # of the heads: the features' part side by side (F, C * hidden); bias and shift (C, hidden)
    first_earlier: Int32  # C, 2 * (C - 1), hidden: the part of the earlier channels
    second: Layers  # of each head: hidden, hidden
    last: Sums  # of each head: hidden, outputs (those of the last channel; the others padded with zeros)
    scale_table: Int32
    weight_table: Int32


class Activations(NamedTuple):
    """What the network holds of a tile, and scratch space for one wavefront.

    Rows are as wide as products read and write them (:func:`width_of`, :func:`padded`).
    """

    rings: Int16  # blocks, slots, H + 1, F: features after ReLU; row 0 is outside the tile
    base: Int32  # N, C
    inputs: Int16  # N, inputs
    features: Int16  # N, F
    inner: Int16  # N, F
    added: Int16  # N, F
    first: Int32  # N, C * hidden
    hidden: Int16  # N, hidden
    second: Int16  # N, hidden
    outputs: Int32  # N, outputs
    logit: Int32  # of every thread, K
    segments: Int64  # of every thread, of the taps: addresses of the inputs of a product
    gathered: Int16  # N, taps * F: inputs of a convolution, if not all pixels of a wavefront are coded
    steady: Int64  # H: how many slots, of the last ones, hold the features of the row's last pixel


class Known(NamedTuple):
    """The mixtures of all subpixels of a tile, computed elsewhere; empty if they are not."""

    logit: Int16  # C, H * W, K
    mean: Int32
    log_scale: Int16  # index into the table of scales


NOTHING_KNOWN = Known(*(np.zeros((0, 0, 0), dtype) for dtype in (np.int16, np.int32, np.int16)))


class Network(NamedTuple):
    """A network at work on a tile."""

    weights: Weights
    activations: Activations
    canvas: Int32  # H + 3, W + 6, C: subpixels, PAD_VALUE outside
    mixture: Mixture  # of the channel that was computed last
    known: Known


def _packed(layers: list[IntegerLayer], inputs: int, segments: int = 1) -> Int16:
    """Return the weights of ``inputs`` in some ``segments``, as wide as the rows of activations are."""
    one = inputs // segments
    packed = []
    for layer in layers:
        wide = np.zeros((segments, width_of(one), layer.weight.shape[1]))
        wide[:, :one] = layer.weight[:inputs].reshape(segments, one, -1)
        packed.append(pack_weights(wide.reshape(-1, layer.weight.shape[1])))
    return np.stack(packed) if packed else np.zeros((0, 1, 1, 1), np.int16)


def _layers(chosen: list[IntegerLayer], inputs: int, segments: int = 1) -> Layers:
    scales = [pack_scale(layer.bias, layer.shift) for layer in chosen]
    scale = np.stack(scales) if scales else np.zeros((0, 1, 1, 1), np.int32)
    return Layers(_packed(chosen, inputs, segments), scale)


def prepare(model: Model) -> Weights:
    """Return the weights of ``model`` as the kernels take them."""
    a, layers = model.architecture, paired_layers(model)
    f, h, channels = a.features, a.hidden, a.channels
    firsts = [layers[f"heads.{c}.0"] for c in range(channels)]
    earlier = np.zeros((channels, max(1, 2 * (channels - 1)), h), np.int32)
    outputs = a.head_output_size(channels - 1)
    lasts = []
    for c in range(channels):
        earlier[c, : 2 * c] = firsts[c].weight[f:]
        last = layers[f"heads.{c}.2"]
        spare = outputs - a.head_output_size(c)
        weight = np.pad(last.weight, ((0, 0), (0, spare)))
        lasts.append(IntegerLayer(weight, np.pad(last.bias, (0, spare)), np.pad(last.shift, (0, spare))))
    blocks = range(a.blocks)
    side_by_side = np.concatenate([layer.weight[:f] for layer in firsts], 1)
    return Weights(
        input=_layers([layers["input"]], a.input_size),
        conv=_layers([layers[f"conv.{b}"] for b in blocks], f * len(TAPS), len(TAPS)),
        mix=_layers([layers[f"mix.{b}"] for b in blocks], f),
        first=Sums(
            _packed([replace(firsts[0], weight=side_by_side)], f),
            np.stack([layer.bias for layer in firsts]),
            np.stack([layer.shift for layer in firsts]),
        ),
        first_earlier=earlier,
        second=_layers([layers[f"heads.{c}.1"] for c in range(channels)], h),
        last=Sums(
            _packed(lasts, h),
            np.stack([layer.bias for layer in lasts]),
            np.stack([layer.shift for layer in lasts]),
        ),
        scale_table=np.ascontiguousarray(model.tensors["table.scale"]),
        weight_table=np.ascontiguousarray(model.tensors["table.weight"]),
    )


_weights: dict[bytes, Weights] = {}


def _prepared(model: Model) -> Weights:
    if model.model_id not in _weights:
        _weights[model.model_id] = prepare(model)
    return _weights[model.model_id]


def new_network(
    model: Model,
    height: int,
    width: int,
    slope: int,
    planes: npt.NDArray[np.uint8] | None = None,
    *,
    threads: int = 1,
    known: Known = NOTHING_KNOWN,
) -> Network:
    """Return a network that has seen nothing of its tile yet.

    Parameters
    ----------
    model : Model
    height, width, slope : int
        Of the tile.
    planes : ndarray of uint8, shape (H, W, C), optional
        The pixels, when encoding. Only those before the current one are ever read.
    threads : int
        How many may work on it at a time.
    known : Known
        The mixtures, if they need not be computed.

    Raises
    ------
    ValueError
        If the slope is less than MIN_SLOPE.
    """
    if slope < MIN_SLOPE:
        raise ValueError(f"slope is {slope}, expected at least {MIN_SLOPE}")
    a = model.architecture
    lanes = lane_count(slope, height, width)
    features, hidden = width_of(a.features), width_of(a.hidden)
    activations = Activations(
        rings=np.zeros((a.blocks, slope + 2, height + 1, features), np.int16),
        base=np.zeros((lanes, a.channels), np.int32),
        inputs=np.zeros((lanes, width_of(a.input_size)), np.int16),
        features=np.zeros((lanes, features), np.int16),
        inner=np.zeros((lanes, features), np.int16),
        added=np.zeros((lanes, features), np.int16),
        first=np.zeros((lanes, padded(a.channels * a.hidden)), np.int32),
        hidden=np.zeros((lanes, hidden), np.int16),
        second=np.zeros((lanes, hidden), np.int16),
        outputs=np.zeros((lanes, padded(a.head_output_size(a.channels - 1))), np.int32),
        logit=np.zeros((threads, a.components), np.int32),
        segments=np.zeros((threads, len(TAPS) * max(features // segment_length(features), 1)), np.int64),
        gathered=np.zeros((lanes, len(TAPS) * features), np.int16),
        steady=np.zeros(height, np.int64),
    )
    canvas = new_canvas(height, width, a.channels)
    if planes is not None:
        inner(canvas)[:] = planes
    mixture = new_mixture(lanes, a.components, logistic_steps(model.tensors["table.logistic"]))
    return Network(_prepared(model), activations, canvas, mixture, known)


def ring_size_bytes(model: Model, height: int, slope: int) -> int:
    """Return the memory that the features of a tile's last wavefronts take."""
    a = model.architecture
    return a.blocks * (slope + 2) * (height + 1) * width_of(a.features) * 2


@inlined
def _add_segments(segments: Int64, first: int, address: int, width: int) -> int:
    """Put the addresses of a row's segments into ``segments``; return how many there are now."""
    length = segment_length(width)
    for k in range(width // length):
        segments[first + k] = address + 2 * k * length
    return int(first + width // length)


@inlined
def _apply(s: Activations, share: Share, inputs: Int16, layers: Layers, k: int, low: int, out: Int16) -> None:
    """Write the activations of layer ``k`` of some, for a share of the lanes, to ``out``."""
    lane_bytes, segments = 2 * inputs.shape[1], s.segments[share.number]
    start = inputs.ctypes.data + share.first * lane_bytes
    count, n = _add_segments(segments, 0, start, inputs.shape[1]), share.end - share.first
    activate(segments[:count], lane_bytes, n, layers.weight[k], layers.scale[k], low, out[share.first :])


@inlined
def _apply_sums(s: Activations, share: Share, inputs: Int16, layers: Sums, k: int, sums: Int32) -> None:
    """Write the sums of layer ``k`` of some, for a share of the lanes, to ``sums``."""
    lane_bytes, segments = 2 * inputs.shape[1], s.segments[share.number]
    start = inputs.ctypes.data + share.first * lane_bytes
    count, n = _add_segments(segments, 0, start, inputs.shape[1]), share.end - share.first
    multiply(segments[:count], lane_bytes, n, layers.weight[k], sums[share.first :])


@kernel
def _take_taps(ring: Int16, s: Activations, wave: Record, share: Share) -> tuple[int, int]:
    """Set a thread's ``s.segments`` to the features of all taps of its share of the lanes.

    Returns how many segments there are, and from lane to lane how many bytes.

    Taps of consecutive rows are read where they are. Others are gathered.
    """
    f, slope, t, segments = s.features.shape[1], wave.slope, wave.t, s.segments[share.number]
    gathered, all_rows, count = s.gathered, wave.lanes == wave.whole, 0
    begun = gathered.ctypes.data + share.first * 2 * f * len(_TAPS)
    for k in range(len(_TAPS)):
        dy, dx = _TAPS[k]
        slot = ring[(t + dx + slope * dy) % (slope + 2)]
        there = slot.ctypes.data + (wave.first + share.first + 1 + dy) * 2 * f
        count = _add_segments(segments, count, there if all_rows else begun + k * 2 * f, f)
        for i in range(first_of(share), 0 if all_rows else share.end):
            row = row_at(wave.rows, i) + 1 + dy
            for j in range(f):
                gathered[i, k * f + j] = slot[row, j]
    return count, 2 * f * (1 if all_rows else len(_TAPS))


@kernel
def _residual_block(w: Weights, s: Activations, block: int, wave: Record, share: Share) -> None:
    """Add what a masked convolution and a mixing layer make of the features to these."""
    ring, f, t, first = s.rings[block], s.features.shape[1], wave.t, wave.first
    features, inner, added = s.features, s.inner, s.added
    zero = np.int16(0)
    now = ring[t % (wave.slope + 2)]
    # Row y of the image is row y + 1 here. The lane that just left the tile must read as outside.
    for j in range(f if share.number == 0 else 0):
        now[first, j] = zero
    for i in range(first_of(share), share.end):
        row = row_at(wave.rows, i) + 1
        for j in range(f):
            v = features[i, j]
            now[row, j] = v if v > zero else zero
    count, lane_bytes = _take_taps(ring, s, wave, share)
    segments, weight, scale = s.segments[share.number][:count], w.conv.weight[block], w.conv.scale[block]
    activate(segments, lane_bytes, share.end - share.first, weight, scale, 0, inner[share.first :])
    _apply(s, share, inner, w.mix, block, -ACTIVATION_MAX, added)
    for i in range(first_of(share), share.end):
        for j in range(f):
            v = np.int32(features[i, j]) + np.int32(added[i, j])
            v = _BOTTOM if v < _BOTTOM else v
            features[i, j] = np.int16(_TOP if v > _TOP else v)


@kernel
def compute_features(network: Network, wave: Record, share: Share) -> None:
    """Compute base, features and the heads' common part of a share of the lanes of a wavefront."""
    w, s = network.weights, network.activations
    if len(network.known.mean) > 0:
        return
    features, rectified = s.features, s.inner
    gather_inputs(s.base, s.inputs, network.canvas, wave, share)
    lap(wave, GATHER)
    _apply(s, share, s.inputs, w.input, 0, -ACTIVATION_MAX, features)
    for block in range(len(w.conv.weight)):
        _residual_block(w, s, block, wave, share)
    zero = np.int16(0)
    for i in range(first_of(share), share.end):
        for j in range(features.shape[1]):
            v = features[i, j]
            rectified[i, j] = v if v > zero else zero
    _apply_sums(s, share, rectified, w.first, 0, s.first)
    lap(wave, PRODUCTS)


@kernel
def _run_head(network: Network, channel: int, wave: Record, share: Share) -> None:
    """Compute the outputs of the head of a channel, from features and the earlier channels' subpixels."""
    w, s, canvas = network.weights, network.activations, network.canvas
    first, base, earlier, out = s.first, s.base, w.first_earlier, s.hidden
    bias, shift, hidden = w.first.bias, w.first.shift, earlier.shape[2]
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        start = channel * hidden
        for e in range(channel):
            r = np.int32(canvas[y, x, e] - base[i, e])
            coarse = np.int32(r * COARSE_SCALE)
            limited: Any = min(max(r * FINE_SCALE, -FINE_MAX), FINE_MAX)
            fine = np.int32(limited)
            for j in range(hidden):
                product = np.int32(coarse * earlier[channel, 2 * e, j])
                product = np.int32(product + np.int32(fine * earlier[channel, 2 * e + 1, j]))
                first[i, start + j] = np.int32(first[i, start + j] + product)
        for j in range(hidden):
            # All int32, and comparisons instead of min and max: so that the loop is vectorised.
            v = np.int32(np.int32(first[i, start + j] + bias[channel, j]) >> shift[channel, j])
            v = _ZERO if v < _ZERO else v
            v = _TOP if v > _TOP else v
            out[i, j] = np.int16(v)
    _apply(s, share, out, w.second, channel, 0, s.second)
    _apply_sums(s, share, s.second, w.last, channel, s.outputs)


@kernel
def _take_known(network: Network, channel: int, wave: Record, share: Share) -> None:
    """Take the mixtures of a share of the subpixels from those that are known."""
    w, s, known, mixture = network.weights, network.activations, network.known, network.mixture
    means, logits, log_scales, scales = known.mean, known.logit, known.log_scale, w.scale_table
    logit, count = s.logit[share.number], mixture.weight.shape[1]
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        at = (y - REACH) * wave.width + x - REACH
        for k in range(count):
            logit[k] = logits[channel, at, k]
            mixture.mean[i, k] = means[channel, at, k]
            mixture.inverse[i, k] = scales[log_scales[channel, at, k]]
        component_weights(logit, w.weight_table, mixture.weight, i)


@kernel
def compute_mixture(network: Network, channel: int, wave: Record, share: Share) -> None:
    """Compute the mixtures of a share of the subpixels; the earlier channels' must be in the canvas."""
    if len(network.known.mean) > 0:
        _take_known(network, channel, wave, share)
        return
    _run_head(network, channel, wave, share)
    lap(wave, PRODUCTS)
    w, s, canvas, mixture = network.weights, network.activations, network.canvas, network.mixture
    outputs, base, logit, scales = s.outputs, s.base, s.logit[share.number], w.scale_table
    bias, shift = w.last.bias, w.last.shift
    count = mixture.weight.shape[1]
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        for j in range((3 + channel) * count):
            v = (outputs[i, j] + bias[channel, j]) >> shift[channel, j]
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
    lap(wave, MIXTURE)
