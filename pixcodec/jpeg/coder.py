"""Coefficients <-> bytes: every bit of them predicted from what like ones have been (FORMAT.md, JPEG).

A block is the number of its coefficients up to the last that is not zero, then these, the highest frequency
first and DC last: most of a block is known before its low frequencies, which its neighbours foresee best. A
bit is predicted by contexts, mixers and an adaptive map of their output, as in :mod:`pixcodec.mixing.mixer`,
whose kernels these are. The components follow one another; blocks with the same t = column + 2 row are lanes,
which take their next bits together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import Coder, learn, predict, prepare, recall, run
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.self_test import check_stages
from pixcodec.container.header import unknown
from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.coefficients import (
    MAX_COEFFICIENT,
    OLD_SUBSAMPLINGS,
    SUBSAMPLINGS,
    Blocks,
    Coefficients,
    block_counts,
)
from pixcodec.jpeg.contexts import length_contexts, length_of, value_contexts
from pixcodec.jpeg.decoders import DECODERS, DEFAULT
from pixcodec.jpeg.decoders import Decoder as JpegDecoder
from pixcodec.jpeg.fits import fit_all, take_sample
from pixcodec.jpeg.orientations import ORIENTATIONS, TRANSPOSED
from pixcodec.jpeg.self_test import EXPECTED_CHUNK, made_image
from pixcodec.jpeg.state import (
    EXPONENT,
    FIRST_EDGE,
    LAST_EDGE,
    MANTISSA,
    MAX_POWER,
    NODE_CLASSES,
    SET_CLASSES,
    SIGN,
    SLOPE,
    ZERO,
    ZIGZAG,
    Float64,
    Int32,
    State,
    new_learning,
    of_component,
)
from pixcodec.mixing.counters import move
from pixcodec.mixing.maps import APM_LOGITS, MAP_LIMIT, TOTAL, corrected, read_counters
from pixcodec.mixing.mixer import mix, train_mixers
from pixcodec.mixing.slots import bits_of, hash_of, salt_of
from pixcodec.network.kernels import implements, inlined, kernel

CELL_LIMIT, APM_LIMIT = 255, 1023
RATE_FIRST, RATE_LAST, RATE_BLOCKS = 3000, 300, 256
Scale = tuple[tuple[int, int], tuple[int, int]]  # numerator and denominator, vertical and horizontal
_HEAD_SIZE_BYTES, _WIDER_HEAD_SIZE_BYTES = 3, 5


def encode_coefficients(coefficients: Coefficients, *, wider: bool = False) -> bytes:
    """Return the payload of the chunk COEF; ValueError if a coefficient is beyond MAX_COEFFICIENT.

    ``wider``: of a file of format version 8. Other coefficients than those of earlier versions need that.
    """
    c = coefficients._replace(blocks=tuple(np.ascontiguousarray(b, np.int16) for b in coefficients.blocks))
    assert wider or not c.wider
    if any(b.size and int(np.abs(b).max()) > MAX_COEFFICIENT for b in c.blocks):
        raise ValueError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    head = [c.top, c.left, SUBSAMPLINGS.index((c.horizontal, c.vertical))]
    if wider:
        head += [DECODERS.index(c.decoder), c.orientation]
    tables = b"".join(table.astype(np.uint8)[ZIGZAG].tobytes() for table in c.tables)
    encoder = Encoder()
    code_images([image_of(c)], encoder, decoding=False)
    return bytes(head) + tables + encoder.finish()


def bitstream_start(channels: int, *, wider: bool = False) -> int:
    """Return where the bitstream begins in the payload of a chunk COEF, in bytes."""
    return (_WIDER_HEAD_SIZE_BYTES if wider else _HEAD_SIZE_BYTES) + 64 * channels


def decode_coefficients(
    payload: bytes, height: int, width: int, channels: int, *, wider: bool = False
) -> Coefficients:
    """Return the coefficients of an image of this size, in pixels, and 1 or 3 channels.

    ``wider``: of a file of format version 8.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the payload is none of such an image's, or only a later version of pixcodec knows what it is.
    """
    start = bitstream_start(channels, wider=wider)
    if len(payload) < start:
        raise CorruptFileError(f"coefficients are {len(payload)} bytes, expected at least {start}")
    top, left, subsampling = payload[:_HEAD_SIZE_BYTES]
    decoder, orientation = _read_decoder(payload) if wider else (DEFAULT, 0)
    known = len(SUBSAMPLINGS) if wider else OLD_SUBSAMPLINGS
    if subsampling >= known:
        raise unknown("coefficients", "subsampling", subsampling, f"0..{known - 1}")
    if subsampling and channels == 1:
        raise CorruptFileError(f"subsampling of a grey image is {subsampling}, expected 0")
    horizontal, vertical = SUBSAMPLINGS[subsampling]
    if top >= 8 * vertical or left >= 8 * horizontal:
        raise CorruptFileError(f"image begins at ({left}, {top}), which is not in its first block")
    steps = np.frombuffer(payload, np.uint8, 64 * channels, start - 64 * channels).reshape(channels, 64)
    if not steps.all():
        raise CorruptFileError("step of quantisation is 0")
    tables = np.zeros((channels, 64), np.int32)
    tables[:, ZIGZAG] = steps
    if orientation & TRANSPOSED:
        height, width = width, height
    place = (height, width, top, left, horizontal, vertical)
    shapes = [block_counts(*place, component) for component in range(channels)]
    empty = tuple(np.zeros((*shape, 64), np.int16) for shape in shapes)
    c = Coefficients(*place, tuple(tables), empty, decoder, orientation)
    bits = Decoder(payload[start:])
    code_images([image_of(c)], bits, decoding=True)
    bits.finish()
    if any(int(np.abs(b).max()) > MAX_COEFFICIENT for b in c.blocks):
        raise CorruptFileError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    return c


def _read_decoder(payload: bytes) -> tuple[JpegDecoder, int]:
    """Return the decoder and the orientation that a payload of format version 8 names."""
    decoder, orientation = payload[_HEAD_SIZE_BYTES:_WIDER_HEAD_SIZE_BYTES]
    if decoder >= len(DECODERS):
        raise unknown("coefficients", "decoder", decoder, f"0..{len(DECODERS) - 1}")
    if orientation >= ORIENTATIONS:
        raise unknown("coefficients", "orientation", orientation, f"0..{ORIENTATIONS - 1}")
    return DECODERS[decoder], orientation


def image_of(c: Coefficients) -> Image:
    """Return what is coded of the coefficients of an image."""
    scale = ((c.vertical, 1), (c.horizontal, 1))
    return Image(c.blocks, c.tables, (((1, 1), (1, 1)), scale, scale))


class Image(NamedTuple):
    """What is coded of an image: up to four components."""

    blocks: Sequence[Blocks]  # of each component, (rows, columns, 64)
    tables: Sequence[npt.NDArray[np.integer[Any]]]  # of each component, the steps of quantisation (64,)
    scales: Sequence[Scale]  # of each, how many blocks of the first there are to one of it, along each axis


def code_images(images: Sequence[Image], coder: Coder, *, decoding: bool) -> None:
    """Code the blocks of images, or decode them into these arrays; what is learnt of one serves the next."""
    _check_arithmetic()
    for _, _, stage in component_stages(images):
        run(stage, coder, decoding=decoding)


@cache
def _check_arithmetic() -> None:
    """Raise SelfTestError unless this machine codes coefficients as all must."""

    def stages() -> Iterator[State]:
        return (stage for _, _, stage in component_stages([Image(*made_image())]))

    check_stages("JPEG coefficients", EXPECTED_CHUNK, stages)


def component_stages(images: Sequence[Image]) -> Iterator[tuple[int, int, State]]:
    """Yield image, component and stage of all that is to be coded, each once the one before is."""
    every = [blocks for image in images for blocks in image.blocks]
    lanes = max(min(len(b), -(-b.shape[1] // SLOPE)) for b in every)
    shared = new_learning(sum(b.size for b in every), lanes)
    for number, image in enumerate(images):
        for component, own in enumerate(image.blocks):
            luma = blue = None
            if component > 0:
                luma = _luma_beside(image.blocks[0], image.scales[component], *own.shape[:2])
            if component == 2 and image.blocks[1].shape == own.shape:
                blue = image.blocks[1]
            steps = image.tables[component].astype(np.int64)
            yield number, component, of_component(shared, component, own, luma, blue, steps)


def _luma_beside(luma: Blocks, scale: Scale, rows: int, columns: int) -> Blocks:
    """Return for each block (rows, columns, 64) of chroma the magnitudes of luma there, added up.

    If the blocks of luma are not a whole number to one of chroma, those of the block at the same place.
    """
    (down, lower), (across, right) = scale
    if down % lower or across % right:
        r = np.minimum(np.arange(rows) * down // lower, len(luma) - 1)
        c = np.minimum(np.arange(columns) * across // right, luma.shape[1] - 1)
        nearest: Blocks = np.abs(luma[r[:, None], c[None, :]])
        return nearest
    vertical, horizontal = down // lower, across // right
    padded = np.zeros((rows * vertical, columns * horizontal, 64), np.int16)
    part = np.abs(luma[: len(padded), : padded.shape[1]])
    padded[: len(part), : part.shape[1]] = part
    total: Blocks = padded.reshape(rows, vertical, columns, horizontal, 64).sum((1, 3), dtype=np.int16)
    return total


@implements(prepare, State)
def _prepare(stage: State) -> int:
    wave = stage.wave[0]
    while wave.active == 0 and wave.t < wave.end:
        _begin_wavefront(stage)
        if wave.active == 0:
            wave.t += 1
    return int(wave.active)


@kernel
def _begin_wavefront(stage: State) -> None:
    """Set up the lanes of the wavefront."""
    fit_all(stage)
    wave, lane = stage.wave[0], stage.lane
    rows, columns, t = stage.blocks.shape[0], stage.blocks.shape[1], wave.t
    first = max(0, (t - columns + SLOPE) // SLOPE)
    count = max(min(rows - 1, t // SLOPE) - first + 1, 0)
    wave.first, wave.active = first, count
    wave.blocks += count
    for i in range(count):
        stage.active[i] = i
        lane[i].node, lane[i].k = 1, 0
        lane[i].predicted, lane[i].nonzero, lane[i].energy = 0, 0, 0
        for u in range(8):
            stage.left[i, u] = 0
            stage.top[i, u] = 0
        length_contexts(stage, i, first + i, t - SLOPE * (first + i))


@inlined
def _class(node: int) -> Any:
    """Return the class of a node, 0..23."""
    if node < ZERO:
        return np.int64(0 if node < 2 else 1 if node < 4 else 2)
    if node < MANTISSA:
        return np.int64(node - ZERO + 3)
    return np.int64(19 + min((node - MANTISSA) & 15, 4))


@kernel
def _find_cells(s: State) -> None:
    """Find the cells of the active lanes' contexts; empty those that belonged to others."""
    lane, ctx, at, cells, checks, active, bits = s.lane, s.ctx, s.at, s.cells, s.checks, s.active, s.cell_bits
    for o in range(s.wave[0].active):
        i = active[o]
        salt = salt_of(lane[i].node + 1)
        for j in range(ctx.shape[1]):
            h = hash_of(ctx[i, j] + 1, salt)
            where = np.uint64((j << bits) + bits_of(h, 36, bits))
            check = np.uint16(bits_of(h, 8, 16))
            if checks[where] != check:
                checks[where] = check
                cells[where] = 0
            at[i, j] = where


@implements(predict, State)
def _predict(stage: State, buffer: Float64, start: int) -> None:
    lane, at, cells, maps, mixers = stage.lane, stage.at, stage.cells, stage.maps, stage.mixers
    inputs, sets, active, apm, classes = (
        mixers.inputs[0],
        mixers.sets,
        stage.active,
        stage.apm,
        stage.set_classes,
    )
    contexts, component = stage.ctx.shape[1], stage.component
    _find_cells(stage)  # they lie anywhere in memory: all are asked for before the first is used
    for o in range(stage.wave[0].active):
        i = active[o]
        kind = _class(lane[i].node)
        inputs[i, 1] = 256  # there is no prior
        read_counters(inputs, i, kind, 0, (0, contexts), cells, at, maps)
        for m in range(sets.shape[1]):
            which = (m * 4 + component) * NODE_CLASSES + kind
            sets[i, m] = which * SET_CLASSES + classes[i, m]
        mixed = mix(mixers, inputs, i, component * NODE_CLASSES + kind, lane[i])
        first = ((component * 64 + lane[i].k) * NODE_CLASSES + kind) * APM_LOGITS
        one = corrected(apm, first, mixed, lane[i])
        buffer[start + o, 0] = TOTAL - one - 1
        buffer[start + o, 1] = one - 1


@implements(recall, State)
def _recall(stage: State, buffer: Int32, start: int) -> None:
    lane, active, wave = stage.lane, stage.active, stage.wave[0]
    for o in range(wave.active):
        i = active[o]
        r = wave.first + i
        c = wave.t - SLOPE * r
        node = lane[i].node
        if node < ZERO:
            depth = 0
            while node >> (depth + 1):
                depth += 1
            buffer[start + o] = (length_of(stage.blocks, r, c) >> (5 - depth)) & 1
            continue
        value = stage.blocks[r, c, ZIGZAG[lane[i].k]] - lane[i].predicted
        if node == ZERO:
            buffer[start + o] = value != 0
        elif node == SIGN:
            buffer[start + o] = value < 0
        elif node < MANTISSA:
            buffer[start + o] = abs(value) >> (node - EXPONENT + 1) != 0
        else:
            buffer[start + o] = (abs(value) >> (lane[i].left - 1)) & 1


@implements(learn, State)
def _learn(stage: State, buffer: Int32, start: int) -> None:
    lane, active, cells, maps, at, mixers, wave = (
        stage.lane,
        stage.active,
        stage.cells,
        stage.maps,
        stage.at,
        stage.mixers,
        stage.wave[0],
    )
    entries, map_at, apm = maps.entries, maps.at, stage.apm
    rate = RATE_LAST + (RATE_FIRST - RATE_LAST) * RATE_BLOCKS // (RATE_BLOCKS + wave.blocks)
    for o in range(wave.active):
        i, bit = active[o], np.int64(buffer[start + o])
        f = stage.component * NODE_CLASSES + _class(lane[i].node)
        move(apm, lane[i].apm_at, bit, APM_LIMIT)
        train_mixers(mixers, mixers.inputs[0], (0, stage.set_classes.shape[1]), i, f, lane[i], bit, rate)
        for j in range(at.shape[1]):
            move(entries, map_at[i, j], bit, MAP_LIMIT)
            move(cells, at[i, j], bit, CELL_LIMIT)
    count = 0
    for o in range(wave.active):
        i = active[o]
        if _take(stage, i, np.int64(buffer[start + o])):
            active[count] = i
            count += 1
    wave.active = count
    if count == 0:
        wave.t += 1


@kernel
def _take(s: State, i: int, bit: int) -> bool:
    """Take a bit of the block of lane ``i``; return whether the block goes on."""
    lane = s.lane[i]
    node = lane.node
    if node < ZERO:
        node = 2 * node + bit
        lane.node = node
        if node >= ZERO:
            r = s.wave[0].first + i
            c = s.wave[0].t - SLOPE * r
            length = node - ZERO
            s.lengths[r, c] = length
            lane.length, lane.k = length, length
            lane.node = SIGN if length else ZERO  # the last one is not zero
            value_contexts(s, i, r, c)
        return True
    if node == ZERO:
        lane.node = SIGN
        return True if bit else bool(_settle(s, i, 0))
    if node == SIGN:
        lane.negative, lane.node = bit, EXPONENT
        return True
    if node < MANTISSA:
        power = node - EXPONENT + bit
        if bit and power < MAX_POWER:
            lane.node = node + 1
            return True
        lane.value, lane.left, lane.node = 1, power, MANTISSA + 16 * power
    else:
        lane.value = 2 * lane.value + bit
        lane.left -= 1
        inside = (node - MANTISSA) & 15
        lane.node = node - inside + (1 + bit if inside == 0 else 2 + lane.left)
    if lane.left:
        return True
    return bool(_settle(s, i, -lane.value if lane.negative else lane.value))


@kernel
def _settle(s: State, i: int, value: int) -> bool:
    """Take the coefficient of lane ``i`` and go on to the next; return whether there is one."""
    lane = s.lane[i]
    r = s.wave[0].first + i
    c = s.wave[0].t - SLOPE * r
    k = lane.k
    p = ZIGZAG[k]
    u, v = p >> 3, p & 7
    value += lane.predicted
    s.blocks[r, c, p] = value
    take_sample(s, i, k, value)
    wide = value * s.steps[p]
    s.left[i, u] += FIRST_EDGE[v] * wide
    s.top[i, v] += FIRST_EDGE[u] * wide
    s.right[r, c, u] += LAST_EDGE[v] * wide
    s.bottom[r, c, v] += LAST_EDGE[u] * wide
    lane.nonzero += value != 0
    lane.energy += abs(value)
    if k == 0:
        return False
    lane.k, lane.node = k - 1, ZERO
    value_contexts(s, i, r, c)
    return True
