"""Matrix products of int16, exact in int32: what the network spends its time on.

Inputs come in pairs, and weights are packed so that a vector instruction multiplies a pair with two weights
of each of several outputs and adds the two products (``pmaddwd`` of x86, ``smlal`` of ARM; the compiler makes
it from the plain vector arithmetic that is written here). The sums of a lane stay in registers.

Rectified activations are zero half of the time. Pairs of zeros are left out: their sums are the same without
them. :mod:`pixcodec.network.pairing` orders the inputs so that such pairs are frequent.

Shapes: N lanes, I inputs, M outputs, rounded up by :func:`padded`; inputs come in segments of equal length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from pixcodec.network.architecture import ACTIVATION_MAX
from pixcodec.network.kernels import kernel

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_WIDTH = 8  # outputs of a vector
_TILES = (2, 4, 6)  # vectors that a tile of outputs may have
_GROUP_BITS = 2
_GROUP = 1 << _GROUP_BITS  # pairs of inputs that are compared with zero together
_LONG = 96  # inputs of a segment of wide rows, a multiple of the largest tile
_MOST_INPUTS = 128  # of a segment: whether a pair is zero is a bit of a word

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_PAIRS, _SUMS = ir.VectorType(_I16, 2 * _WIDTH), ir.VectorType(_I32, _WIDTH)
_NARROW = ir.VectorType(_I16, _WIDTH)
_COMPARED = ir.VectorType(_I32, _GROUP)


def _tile_vectors(outputs: int) -> int:
    return next((count for count in _TILES if count * _WIDTH >= outputs), _TILES[-1])


def padded(outputs: int) -> int:
    """Return the number of outputs rounded up to whole tiles."""
    tile = _tile_vectors(outputs) * _WIDTH
    return -(-outputs // tile) * tile


def width_of(size: int) -> int:
    """Return how wide the rows of so many activations are: as inputs and as outputs."""
    width = padded(size)
    return width if width <= _MOST_INPUTS else -(-size // _LONG) * _LONG


@register_jitable
def segment_length(width: int) -> int:
    """Return the number of inputs of a segment of rows of this width."""
    return width if width <= _MOST_INPUTS else _LONG


def pack_weights(weights: npt.NDArray[Any]) -> Int16:
    """Return weights (I, M), I being even, as the kernel takes them: (tiles, I / 2, 2 * tile)."""
    inputs, outputs = weights.shape
    tile = _tile_vectors(outputs) * _WIDTH
    full = np.zeros((inputs, padded(outputs)), np.int16)
    full[:, :outputs] = weights
    parts = full.reshape(inputs // 2, 2, -1, tile)
    return np.ascontiguousarray(parts.transpose(2, 0, 3, 1)).reshape(-1, inputs // 2, 2 * tile)


def pack_scale(bias: Int32, shift: Int32) -> Int32:
    """Return biases and shifts (M,) as the kernel takes them: (tiles, 2, tile)."""
    tile = _tile_vectors(len(bias)) * _WIDTH
    full = np.zeros((2, padded(len(bias))), np.int32)
    full[:, : len(bias)] = bias, shift
    return np.ascontiguousarray(full.reshape(2, -1, tile).transpose(1, 0, 2))


def _row_product(vectors: int, activated: bool) -> Any:
    """Return the kernel that computes the outputs of a tile of so many vectors for one lane.

    Its parameters are addresses and numbers, int64: segments, their number, pairs of a segment, an offset in
    bytes into each, weights, out (int32, or int16 if they are activated), biases and shifts, the least value.
    """

    @intrinsic
    def row_product(
        typing_context: Any,
        segments: Any,
        count: Any,
        pairs: Any,
        offset: Any,
        weights: Any,
        out: Any,
        scale: Any,
        low: Any,
    ) -> Any:
        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            *source, out, scale, low = arguments
            zero = ir.Constant(_SUMS, [0] * _WIDTH)
            start = [_load(b, _after(b, scale, 4 * v), _SUMS) if activated else zero for v in range(vectors)]
            sums = _add_products(b, start, *source)
            for v, total in enumerate(sums):
                if activated:
                    moved = b.ashr(total, _load(b, _after(b, scale, 4 * (vectors + v)), _SUMS))
                    total = b.trunc(_within(b, moved, b.trunc(low, _I32), ACTIVATION_MAX), _NARROW)
                size = 2 if activated else 4
                pointer = b.inttoptr(_after(b, out, size * v), total.type.as_pointer())
                b.store(total, pointer).align = 2
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), generate

    return row_product


def _after(b: Any, address: Any, vectors: int) -> Any:
    return b.add(address, _I64(vectors * _WIDTH))


def _load(b: Any, address: Any, kind: Any) -> Any:
    value = b.load(b.inttoptr(address, kind.as_pointer()))
    value.align = 2
    return value


def _in_all(b: Any, value: Any) -> Any:
    nothing = ir.Constant(_SUMS, ir.Undefined)
    one = b.insert_element(nothing, value, _I32(0))
    return b.shuffle_vector(one, nothing, ir.Constant(_SUMS, [0] * _WIDTH))


def _within(b: Any, values: Any, low: Any, high: int) -> Any:
    bottom, top = _in_all(b, low), ir.Constant(_SUMS, [high] * _WIDTH)
    values = b.select(b.icmp_signed("<", values, bottom), bottom, values)
    return b.select(b.icmp_signed(">", values, top), top, values)


def _products(b: Any, inputs: Any, weights: Any) -> Any:
    """Return the sums of the products of neighbouring elements."""
    wide = ir.VectorType(_I32, 2 * _WIDTH)
    product = b.mul(b.sext(inputs, wide), b.sext(weights, wide))
    nothing = ir.Constant(wide, ir.Undefined)
    even, odd = (ir.Constant(_SUMS, list(range(start, 2 * _WIDTH, 2))) for start in (0, 1))
    return b.add(b.shuffle_vector(product, nothing, even), b.shuffle_vector(product, nothing, odd))


def _add_products(
    b: Any, start: list[Any], segments: Any, count: Any, pairs: Any, offset: Any, weights: Any
) -> list[Any]:
    """Emit a loop over segments, in it one over the pairs that are not zero; return the sums."""
    row_bytes = 4 * _WIDTH * len(start)
    # The compiler keeps these variables in registers.
    sums = [cgutils.alloca_once_value(b, value) for value in start]
    left = cgutils.alloca_once(b, _I64)
    with cgutils.for_range(b, count) as segment:
        place = b.inttoptr(b.add(segments, b.shl(segment.index, _I64(3))), _I64.as_pointer())
        inputs = b.add(b.load(place), offset)
        first_row = b.add(weights, b.mul(b.mul(segment.index, pairs), _I64(row_bytes)))
        b.store(_active_pairs(b, inputs, pairs), left)
        loop, after = b.append_basic_block("pair"), b.append_basic_block("after")
        b.cbranch(b.icmp_unsigned("!=", b.load(left), _I64(0)), loop, after)
        b.position_at_end(loop)
        mask = b.load(left)
        pair = b.cttz(mask, ir.Constant(ir.IntType(1), 1))
        value = _load(b, b.add(inputs, b.shl(pair, _I64(2))), _I32)
        both = b.bitcast(_in_all(b, value), _PAIRS)
        row = b.add(first_row, b.mul(pair, _I64(row_bytes)))
        for v, total in enumerate(sums):
            products = _products(b, both, _load(b, _after(b, row, 4 * v), _PAIRS))
            b.store(b.add(b.load(total), products), total)
        others = b.and_(mask, b.sub(mask, _I64(1)))
        b.store(others, left)
        b.cbranch(b.icmp_unsigned("!=", others, _I64(0)), loop, after)
        b.position_at_end(after)
    return [b.load(total) for total in sums]


def _active_pairs(b: Any, inputs: Any, pairs: Any) -> Any:
    """Emit a loop that sets bit k of a word if pair k at this address, of at most 64, is not zero."""
    mask = cgutils.alloca_once(b, _I64)
    b.store(_I64(0), mask)
    with cgutils.for_range(b, b.lshr(pairs, _I64(_GROUP_BITS))) as group:
        first = b.shl(group.index, _I64(_GROUP_BITS))
        four = _load(b, b.add(inputs, b.shl(first, _I64(2))), _COMPARED)
        active = b.icmp_unsigned("!=", four, ir.Constant(_COMPARED, [0] * _GROUP))
        bits = b.zext(b.bitcast(active, ir.IntType(_GROUP)), _I64)
        b.store(b.or_(b.load(mask), b.shl(bits, first)), mask)
    return b.load(mask)


_sums_of_two, _sums_of_four, _sums_of_six = (_row_product(count, False) for count in _TILES)
_two, _four, _six = (_row_product(count, True) for count in _TILES)


@kernel
def multiply(segments: Int64, lane_bytes: int, n: int, weights: Int16, sums: Int32) -> None:
    """Write the products of the inputs of ``n`` lanes with packed weights to ``sums`` (N, padded M).

    Parameters
    ----------
    segments : ndarray of int64, shape (S,)
        The address of each segment of the first lane's inputs (int16): of :func:`segment_length`.
    lane_bytes : int
        From the inputs of a lane to those of the next; the same in all segments.
    n : int
    weights : ndarray of int16
        From :func:`pack_weights`.
    sums : ndarray of int32
    """
    tiles, pairs, width = weights.shape
    first, count = segments.ctypes.data, len(segments)
    for tile in range(tiles):
        w = weights.ctypes.data + tile * pairs * width * 2
        out = sums.ctypes.data + tile * width * 2
        for i in range(n):
            to, offset = out + i * 4 * sums.shape[1], i * lane_bytes
            if width == 12 * _WIDTH:
                _sums_of_six(first, count, pairs // count, offset, w, to, 0, 0)
            elif width == 8 * _WIDTH:
                _sums_of_four(first, count, pairs // count, offset, w, to, 0, 0)
            else:
                _sums_of_two(first, count, pairs // count, offset, w, to, 0, 0)


@kernel
def activate(
    segments: Int64, lane_bytes: int, n: int, weights: Int16, scale: Int32, low: int, out: Int16
) -> None:
    """Write the activations of ``n`` lanes to ``out`` (N, padded M).

    They are the products plus a bias, moved down by a shift, but not less than ``low`` nor more than
    ACTIVATION_MAX. ``scale`` is from :func:`pack_scale`; the other parameters are as of :func:`multiply`.
    """
    tiles, pairs, width = weights.shape
    first, count = segments.ctypes.data, len(segments)
    for tile in range(tiles):
        w, s = weights.ctypes.data + tile * pairs * width * 2, scale.ctypes.data + tile * width * 4
        to = out.ctypes.data + tile * width
        for i in range(n):
            row, offset = to + i * 2 * out.shape[1], i * lane_bytes
            if width == 12 * _WIDTH:
                _six(first, count, pairs // count, offset, w, row, s, low)
            elif width == 8 * _WIDTH:
                _four(first, count, pairs // count, offset, w, row, s, low)
            else:
                _two(first, count, pairs // count, offset, w, row, s, low)
