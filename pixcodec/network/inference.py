"""The integer network, run wavefront by wavefront (FORMAT.md, section Network).

Features of the last ``slope + 2`` wavefronts are kept in a ring of slots, one row per lane: the neighbour
(y + dy, x + dx) of every lane is the slot of wavefront ``t + dx + slope * dy`` shifted by dy rows, a
contiguous slice. Activations and weights are int16, sums int32: the model proves that they stay below 2**24.

Shapes: N lanes, C channels, F features, K components, H W height and width of the tile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

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
    Architecture,
)
from pixcodec.network.distribution import Mixture, logistic_steps, new_mixture, share_out
from pixcodec.network.inputs import BASES, gather_inputs
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.model import IntegerLayer, Model
from pixcodec.network.pairing import paired_layers
from pixcodec.network.products import (
    activate,
    add_row,
    input_width,
    multiply,
    pack_scale,
    pack_weights,
    padded,
    rectify,
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
USUAL_COMPONENTS = 4


class Layers(NamedTuple):
    """Layers of one shape, packed for products (:mod:`pixcodec.network.products`)."""

    weight: Int16  # count, tiles, pairs of inputs, 2 * outputs of a tile
    scale: (
        Int32  # count, tiles, 2 or 4, outputs of a tile: biases, shifts, and limits of what is not activated
    )


class Weights(NamedTuple):
    """A model in the shapes the kernels take."""

    input: Layers  # one layer: inputs, F
    conv: Layers  # of each block: taps * F, F
    mix: Layers  # of each block: F, F
    first: Layers  # of each head: features and two of each earlier channel, hidden
    second: Layers  # of each head: hidden, hidden
    last: Layers  # of each head: hidden, outputs (those of the last channel; the others padded with zeros)
    scale_table: Int32
    weight_table: Int32


class Activations(NamedTuple):
    """What the network holds of a tile, and scratch space for one wavefront.

    Rows are as wide as products read and write them (:func:`width_of`, :func:`padded`).
    """

    rings: Int16  # blocks, slots, H + 1, F: features after ReLU; row 0 is outside the tile
    base: Int32  # N, BASES
    inputs: Int16  # N, inputs
    features: Int16  # N, F
    inner: Int16  # N, F
    added: Int16  # N, F
    first: Int16  # N, inputs of a head
    hidden: Int16  # N, hidden
    second: Int16  # N, hidden
    outputs: Int32  # N, outputs: logits, means, indices into the table of scales, couplings
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


def _packed(layers: list[IntegerLayer], width: int, segments: int = 1) -> Int16:
    """Return the weights of some ``segments`` of inputs, each as wide as the rows of activations are."""
    packed = []
    for layer in layers:
        inputs, outputs = layer.weight.shape
        wide = np.zeros((segments, width, outputs))
        wide[:, : inputs // segments] = layer.weight.reshape(segments, -1, outputs)
        packed.append(pack_weights(wide.reshape(-1, outputs)))
    return np.stack(packed) if packed else np.zeros((0, 1, 1, 1), np.int16)


def _layers(chosen: list[IntegerLayer], width: int, segments: int = 1) -> Layers:
    scales = [pack_scale(layer.bias, layer.shift) for layer in chosen]
    scale = np.stack(scales) if scales else np.zeros((0, 1, 1, 1), np.int32)
    return Layers(_packed(chosen, width, segments), scale)


def _first_layers(a: Architecture, layers: list[IntegerLayer]) -> Layers:
    """Return the first layers of the heads; features, as wide as rows of them, come before other inputs."""
    size, features = _head_inputs(a), width_of(a.features)
    wide = []
    for layer in layers:
        weight = np.zeros((size, a.hidden), np.float32)
        weight[: a.features] = layer.weight[: a.features]
        weight[features : features + len(layer.weight) - a.features] = layer.weight[a.features :]
        wide.append(replace(layer, weight=weight))
    return _layers(wide, size)


def _head_inputs(a: Architecture) -> int:
    """Return how many inputs the first layers of all heads have."""
    return input_width(width_of(a.features) + a.head_input_size(a.channels - 1) - a.features)


def _last_layers(a: Architecture, layers: list[IntegerLayer], scales: int) -> Layers:
    """Return the last layers of the heads, with the limits of their outputs; ``scales``: of the table."""
    k, outputs = a.components, a.head_output_size(a.channels - 1)
    couplings = outputs - 3 * k
    low = np.repeat([-LOGIT_MAX, -MEAN_MAX, _SCALE_OFFSET, -COUPLING_MAX], [k, k, k, couplings])
    high = np.repeat([LOGIT_MAX, MEAN_MAX, _SCALE_OFFSET + scales - 1, COUPLING_MAX], [k, k, k, couplings])
    wide, packed = [], []
    for layer in layers:
        spare = (0, outputs - len(layer.bias))
        bias, shift = np.pad(layer.bias, spare), np.pad(layer.shift, spare)
        wide.append(IntegerLayer(np.pad(layer.weight, ((0, 0), spare)), bias, shift))
        packed.append(pack_scale(bias, shift, low.astype(np.int32), high.astype(np.int32)))
    return Layers(_packed(wide, width_of(a.hidden)), np.stack(packed))


def prepare(model: Model) -> Weights:
    """Return the weights of ``model`` as the kernels take them."""
    a, layers = model.architecture, paired_layers(model)
    features, hidden = width_of(a.features), width_of(a.hidden)
    blocks, heads = range(a.blocks), range(a.channels)
    scales = np.ascontiguousarray(model.tensors["table.scale"])
    return Weights(
        input=_layers([layers["input"]], width_of(a.input_size)),
        conv=_layers([layers[f"conv.{b}"] for b in blocks], features, len(TAPS)),
        mix=_layers([layers[f"mix.{b}"] for b in blocks], features),
        first=_first_layers(a, [layers[f"heads.{c}.0"] for c in heads]),
        second=_layers([layers[f"heads.{c}.1"] for c in heads], hidden),
        last=_last_layers(a, [layers[f"heads.{c}.2"] for c in heads], len(scales)),
        scale_table=scales,
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
        base=np.zeros((lanes, BASES), np.int32),
        inputs=np.zeros((lanes, width_of(a.input_size)), np.int16),
        features=np.zeros((lanes, features), np.int16),
        inner=np.zeros((lanes, features), np.int16),
        added=np.zeros((lanes, features), np.int16),
        first=np.zeros((lanes, _head_inputs(a)), np.int16),
        hidden=np.zeros((lanes, hidden), np.int16),
        second=np.zeros((lanes, hidden), np.int16),
        outputs=np.zeros((lanes, padded(a.head_output_size(a.channels - 1))), np.int32),
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
    features, inner, added = s.features.ctypes.data, s.inner, s.added.ctypes.data
    now = ring[t % (wave.slope + 2)]
    # Row y of the image is row y + 1 here. The lane that just left the tile must read as outside.
    for j in range(f if share.number == 0 else 0):
        now[first, j] = np.int16(0)
    for i in range(first_of(share), share.end):
        rectify(features + 2 * f * i, now.ctypes.data + 2 * f * (row_at(wave.rows, i) + 1), f)
    count, lane_bytes = _take_taps(ring, s, wave, share)
    segments, weight, scale = s.segments[share.number][:count], w.conv.weight[block], w.conv.scale[block]
    activate(segments, lane_bytes, share.end - share.first, weight, scale, 0, inner[share.first :])
    _apply(s, share, inner, w.mix, block, -ACTIVATION_MAX, s.added)
    for i in range(first_of(share), share.end):
        add_row(added + 2 * f * i, features + 2 * f * i, f)


@kernel
def compute_features(network: Network, wave: Record, share: Share) -> None:
    """Compute base, features and the heads' common inputs of a share of the lanes of a wavefront."""
    w, s = network.weights, network.activations
    if len(network.known.mean) > 0:
        return
    gather_inputs(s.base, s.inputs, network.canvas, wave, share)
    lap(wave, GATHER)
    _apply(s, share, s.inputs, w.input, 0, -ACTIVATION_MAX, s.features)
    for block in range(len(w.conv.weight)):
        _residual_block(w, s, block, wave, share)
    f, first = s.features.shape[1], s.first
    for i in range(first_of(share), share.end):
        rectify(s.features.ctypes.data + 2 * f * i, first.ctypes.data + 2 * first.shape[1] * i, f)
    lap(wave, PRODUCTS)


@kernel
def _run_head(network: Network, channel: int, wave: Record, share: Share) -> None:
    """Compute the outputs of the head of a channel, from features and the earlier channels' subpixels."""
    w, s, canvas = network.weights, network.activations, network.canvas
    first, base, e = s.first, s.base, channel - 1
    begin = s.features.shape[1] + 2 * e
    for i in range(first_of(share), share.end if channel > 0 else 0):
        y, x = position(wave, i)
        r = canvas[y, x, e] - base[i, e]
        first[i, begin] = r * COARSE_SCALE
        first[i, begin + 1] = min(max(r * FINE_SCALE, -FINE_MAX), FINE_MAX)
    _apply(s, share, first, w.first, channel, 0, s.hidden)
    _apply(s, share, s.hidden, w.second, channel, 0, s.second)
    lane_bytes, segments = 2 * s.second.shape[1], s.segments[share.number]
    count = _add_segments(segments, 0, s.second.ctypes.data + share.first * lane_bytes, s.second.shape[1])
    n, weight, scale = share.end - share.first, w.last.weight[channel], w.last.scale[channel]
    multiply(segments[:count], lane_bytes, n, weight, scale, s.outputs[share.first :])


@inlined
def _put_mixtures(network: Network, channel: int, wave: Record, share: Share, count: int) -> None:
    """Turn the outputs of the heads into mixtures of so many components."""
    w, s, canvas, mixture = network.weights, network.activations, network.canvas, network.mixture
    outputs, base, scales, table = s.outputs, s.base, w.scale_table, w.weight_table
    mean, inverse, weight = mixture.mean, mixture.inverse, mixture.weight
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        for k in range(count):
            mean[i, k] = 16 * base[i, channel] + outputs[i, count + k]
            inverse[i, k] = scales[outputs[i, 2 * count + k] - _SCALE_OFFSET]
        for e in range(channel):
            difference = np.int64(canvas[y, x, e] - base[i, e])
            for k in range(count):
                mean[i, k] += (outputs[i, (3 + e) * count + k] * difference + 4) >> 3
        share_out(outputs[i], count, table, weight, i)


@kernel
def compute_outputs(network: Network, channel: int, wave: Record, share: Share) -> None:
    """Compute the outputs of a channel's head, or take what is known as if they were.

    The earlier channels' subpixels must be in the canvas.
    """
    known, s = network.known, network.activations
    if len(known.mean) == 0:
        _run_head(network, channel, wave, share)
        lap(wave, PRODUCTS)
        return
    count = network.mixture.weight.shape[1]
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        at = (y - REACH) * wave.width + x - REACH
        s.base[i, channel] = 0  # the means are complete
        for k in range(count):
            s.outputs[i, k] = known.logit[channel, at, k]
            s.outputs[i, count + k] = known.mean[channel, at, k]
            s.outputs[i, 2 * count + k] = known.log_scale[channel, at, k] + _SCALE_OFFSET
        for k in range(3 * count, (3 + channel) * count):
            s.outputs[i, k] = 0


@kernel
def put_mixtures(network: Network, channel: int, wave: Record, share: Share) -> None:
    """Turn the outputs of a channel's head into the mixtures of a share of the subpixels."""
    count = network.mixture.weight.shape[1]
    if count == USUAL_COMPONENTS:  # a number that the compiler knows makes this twice as fast
        _put_mixtures(network, channel, wave, share, USUAL_COMPONENTS)
    else:
        _put_mixtures(network, channel, wave, share, count)
    lap(wave, MIXTURE)


@kernel
def compute_mixture(network: Network, channel: int, wave: Record, share: Share) -> None:
    """Compute the mixtures of a share of the subpixels; the earlier channels' must be in the canvas."""
    compute_outputs(network, channel, wave, share)
    put_mixtures(network, channel, wave, share)
