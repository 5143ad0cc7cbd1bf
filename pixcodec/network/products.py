"""Matrix products of int16, exact in int32: what the network spends its time on.

Weights are packed so that a vector instruction multiplies the same two inputs with two weights of each of
several outputs and adds the two products (``pmaddwd`` of x86, ``smlal`` of ARM; the compiler makes it from
the plain vector arithmetic that is written here). A block of LANES lanes times OUTPUTS outputs stays in
registers.

Shapes: N lanes, I inputs, M outputs, rounded up to OUTPUTS; inputs come in segments of equal length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pixcodec.network.kernels import kernel

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# Measured with AVX2 (Zen): 3 lanes x 3 vectors 18-22 GMAC/s, 2 x 6 and 4 x 3 15-17, float32 by BLAS 15.
LANES = 3
_VECTORS = 3  # of outputs
_WIDTH = 8  # outputs of a vector
OUTPUTS = _VECTORS * _WIDTH

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_PAIRS, _SUMS = ir.VectorType(_I16, 2 * _WIDTH), ir.VectorType(_I32, _WIDTH)


def pack_weights(weights: npt.NDArray[Any], segments: int = 1) -> Int16:
    """Return weights (I, M) as the kernel takes them: (tiles of outputs, pairs of inputs, 2 * OUTPUTS).

    An odd number of inputs, which only a single segment may have, is rounded up.
    """
    inputs, outputs = weights.shape
    assert segments == 1 or inputs // segments % 2 == 0
    tiles = -(-outputs // OUTPUTS)
    padded = np.zeros((inputs + inputs % 2, tiles * OUTPUTS), np.int16)
    padded[:inputs, :outputs] = weights
    parts = padded.reshape(-1, 2, tiles, OUTPUTS)
    return np.ascontiguousarray(parts.transpose(2, 0, 3, 1)).reshape(tiles, -1, 2 * OUTPUTS)


def room(lanes: int) -> int:
    """Return for how many lanes there must be room: the last block may have more of them."""
    return -(-lanes // LANES) * LANES


@kernel
def multiply(segments: Int64, lane_bytes: int, n: int, weights: Int16, sums: Int32) -> None:
    """Write the products of the inputs of ``n`` lanes with packed weights to ``sums`` (room(N), M).

    Parameters
    ----------
    segments : ndarray of int64, shape (S,)
        The address of each segment of the first lane's inputs (int16).
    lane_bytes : int
        From the inputs of a lane to those of the next; the same in all segments.
    n : int
        Inputs of room(n) lanes are read, and as many rows written.
    weights : ndarray of int16
        From :func:`pack_weights`.
    sums : ndarray of int32
    """
    tiles, pairs = weights.shape[0], weights.shape[1]
    tile_bytes, row_bytes = pairs * 4 * OUTPUTS, 4 * sums.shape[1]
    for start in range(0, n, LANES):
        for tile in range(tiles):
            _block(
                segments.ctypes.data,
                len(segments),
                pairs // len(segments),
                start * lane_bytes,
                lane_bytes,
                weights.ctypes.data + tile * tile_bytes,
                sums.ctypes.data + start * row_bytes + tile * 4 * OUTPUTS,
                row_bytes,
            )


@intrinsic
def _block(
    typing_context: Any,
    segments: Any,
    count: Any,
    pairs: Any,
    offset: Any,
    lane_bytes: Any,
    weights: Any,
    out: Any,
    row_bytes: Any,
) -> Any:
    """Write LANES x OUTPUTS sums to address ``out``; addresses and numbers of bytes are int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _generate(builder, *arguments)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), generate


def _generate(
    b: Any,
    segments: Any,
    count: Any,
    pairs: Any,
    offset: Any,
    lane_bytes: Any,
    weights: Any,
    out: Any,
    row_bytes: Any,
) -> None:
    """Emit two nested loops, over segments and pairs of inputs, with the sums in registers."""
    cells = [(lane, vector) for lane in range(LANES) for vector in range(_VECTORS)]
    entry, outer = b.block, b.append_basic_block("segment")
    loop, done = b.append_basic_block("pair"), b.append_basic_block("done")
    b.branch(outer)

    b.position_at_end(outer)
    segment, outer_weights = b.phi(_I64), b.phi(_I64)
    outer_sums = {cell: b.phi(_SUMS) for cell in cells}
    start = b.inttoptr(b.add(segments, b.shl(segment, _I64(3))), _I64.as_pointer())
    first = b.add(b.load(start), offset)
    b.branch(loop)

    b.position_at_end(loop)
    k, w, inputs = b.phi(_I64), b.phi(_I64), b.phi(_I64)
    sums = {cell: b.phi(_SUMS) for cell in cells}
    loaded = [_load(b, b.add(w, _I64(4 * _WIDTH * v)), _PAIRS) for v in range(_VECTORS)]
    added = {}
    for lane in range(LANES):
        pair = _load(b, b.add(inputs, b.mul(lane_bytes, _I64(lane))), _I32)
        both = b.bitcast(_broadcast(b, pair), _PAIRS)
        for v in range(_VECTORS):
            added[lane, v] = b.add(sums[lane, v], _products(b, both, loaded[v]))
    k_next, w_next, inputs_next = b.add(k, _I64(1)), b.add(w, _I64(4 * OUTPUTS)), b.add(inputs, _I64(4))
    segment_next = b.add(segment, _I64(1))
    again = b.icmp_signed("<", k_next, pairs)
    between = b.append_basic_block("next")
    b.cbranch(again, loop, between)

    b.position_at_end(between)
    b.cbranch(b.icmp_signed("<", segment_next, count), outer, done)

    for phi, initial, following in ((segment, _I64(0), segment_next), (outer_weights, weights, w_next)):
        phi.add_incoming(initial, entry)
        phi.add_incoming(following, between)
    starts = ((k, _I64(0), k_next), (w, outer_weights, w_next), (inputs, first, inputs_next))
    for phi, initial, following in starts:
        phi.add_incoming(initial, outer)
        phi.add_incoming(following, loop)
    for cell in cells:
        outer_sums[cell].add_incoming(ir.Constant(_SUMS, [0] * _WIDTH), entry)
        outer_sums[cell].add_incoming(added[cell], between)
        sums[cell].add_incoming(outer_sums[cell], outer)
        sums[cell].add_incoming(added[cell], loop)

    b.position_at_end(done)
    for lane, v in cells:
        at = b.add(out, b.add(b.mul(row_bytes, _I64(lane)), _I64(4 * _WIDTH * v)))
        b.store(added[lane, v], b.inttoptr(at, _SUMS.as_pointer())).align = 4


def _load(b: Any, address: Any, kind: Any) -> Any:
    value = b.load(b.inttoptr(address, kind.as_pointer()))
    value.align = 2
    return value


def _broadcast(b: Any, value: Any) -> Any:
    nothing = ir.Constant(_SUMS, ir.Undefined)
    one = b.insert_element(nothing, value, _I32(0))
    return b.shuffle_vector(one, nothing, ir.Constant(_SUMS, [0] * _WIDTH))


def _products(b: Any, inputs: Any, weights: Any) -> Any:
    """Return the sums of the products of neighbouring elements."""
    wide = ir.VectorType(_I32, 2 * _WIDTH)
    product = b.mul(b.sext(inputs, wide), b.sext(weights, wide))
    nothing = ir.Constant(wide, ir.Undefined)
    even, odd = (ir.Constant(_SUMS, list(range(start, 2 * _WIDTH, 2))) for start in (0, 1))
    return b.add(b.shuffle_vector(product, nothing, even), b.shuffle_vector(product, nothing, odd))
