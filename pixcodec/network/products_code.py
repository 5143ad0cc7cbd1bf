"""LLVM code of :mod:`pixcodec.network.products`; imported where numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.network.architecture import ACTIVATION_MAX
from pixcodec.network.llvm_code import I32, I64, in_all, load, store, within
from pixcodec.network.products import TILES, WIDTH

_GROUP_BITS = 2
_GROUP = 1 << _GROUP_BITS  # pairs of inputs that are compared with zero together

_I16 = ir.IntType(16)
_PAIRS, _SUMS = ir.VectorType(_I16, 2 * WIDTH), ir.VectorType(I32, WIDTH)
_NARROW = ir.VectorType(_I16, WIDTH)
_TOP = ir.Constant(_SUMS, [ACTIVATION_MAX] * WIDTH)
_COMPARED = ir.VectorType(I32, _GROUP)


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
            zero = ir.Constant(_SUMS, [0] * WIDTH)
            start = [_load(b, _after(b, scale, 4 * v), _SUMS) if activated else zero for v in range(vectors)]
            sums = _add_products(b, start, *source)
            for v, total in enumerate(sums):
                if activated:
                    moved = b.ashr(total, _load(b, _after(b, scale, 4 * (vectors + v)), _SUMS))
                    bottom = in_all(b, b.trunc(low, I32), _SUMS)
                    total = b.trunc(within(b, moved, bottom, _TOP), _NARROW)
                store(b, total, _after(b, out, (2 if activated else 4) * v), 2)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), generate

    return row_product


def _after(b: Any, address: Any, vectors: int) -> Any:
    return b.add(address, I64(vectors * WIDTH))


def _load(b: Any, address: Any, kind: Any) -> Any:
    return load(b, address, kind, 2)


def _products(b: Any, inputs: Any, weights: Any) -> Any:
    """Return the sums of the products of neighbouring elements."""
    wide = ir.VectorType(I32, 2 * WIDTH)
    product = b.mul(b.sext(inputs, wide), b.sext(weights, wide))
    nothing = ir.Constant(wide, ir.Undefined)
    even, odd = (ir.Constant(_SUMS, list(range(start, 2 * WIDTH, 2))) for start in (0, 1))
    return b.add(b.shuffle_vector(product, nothing, even), b.shuffle_vector(product, nothing, odd))


def _add_products(
    b: Any, start: list[Any], segments: Any, count: Any, pairs: Any, offset: Any, weights: Any
) -> list[Any]:
    """Emit a loop over segments, in it one over the pairs that are not zero; return the sums."""
    row_bytes = 4 * WIDTH * len(start)
    # The compiler keeps these variables in registers.
    sums = [cgutils.alloca_once_value(b, value) for value in start]
    left = cgutils.alloca_once(b, I64)
    with cgutils.for_range(b, count) as segment:
        place = b.inttoptr(b.add(segments, b.shl(segment.index, I64(3))), I64.as_pointer())
        inputs = b.add(b.load(place), offset)
        first_row = b.add(weights, b.mul(b.mul(segment.index, pairs), I64(row_bytes)))
        b.store(_active_pairs(b, inputs, pairs), left)
        loop, after = b.append_basic_block("pair"), b.append_basic_block("after")
        b.cbranch(b.icmp_unsigned("!=", b.load(left), I64(0)), loop, after)
        b.position_at_end(loop)
        mask = b.load(left)
        pair = b.cttz(mask, ir.Constant(ir.IntType(1), 1))
        value = _load(b, b.add(inputs, b.shl(pair, I64(2))), I32)
        both = b.bitcast(in_all(b, value, _SUMS), _PAIRS)
        row = b.add(first_row, b.mul(pair, I64(row_bytes)))
        for v, total in enumerate(sums):
            products = _products(b, both, _load(b, _after(b, row, 4 * v), _PAIRS))
            b.store(b.add(b.load(total), products), total)
        others = b.and_(mask, b.sub(mask, I64(1)))
        b.store(others, left)
        b.cbranch(b.icmp_unsigned("!=", others, I64(0)), loop, after)
        b.position_at_end(after)
    return [b.load(total) for total in sums]


def _active_pairs(b: Any, inputs: Any, pairs: Any) -> Any:
    """Emit a loop that sets bit k of a word if pair k at this address, of at most 64, is not zero."""
    mask = cgutils.alloca_once(b, I64)
    b.store(I64(0), mask)
    with cgutils.for_range(b, b.lshr(pairs, I64(_GROUP_BITS))) as group:
        first = b.shl(group.index, I64(_GROUP_BITS))
        four = _load(b, b.add(inputs, b.shl(first, I64(2))), _COMPARED)
        active = b.icmp_unsigned("!=", four, ir.Constant(_COMPARED, [0] * _GROUP))
        bits = b.zext(b.bitcast(active, ir.IntType(_GROUP)), I64)
        b.store(b.or_(b.load(mask), b.shl(bits, first)), mask)
    return b.load(mask)


sums_of_two, sums_of_four, sums_of_six = (_row_product(count, False) for count in TILES)
two, four, six = (_row_product(count, True) for count in TILES)
