"""LLVM code of :mod:`pixcodec.network.products`; imported where numba compiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.network.architecture import ACTIVATION_MAX
from pixcodec.network.llvm_code import I32, I64, has_wide_vectors, in_all, load, pairs_of, store, within
from pixcodec.network.products import BLOCK, TILES, WIDTH

_GROUP_BITS = 2
_GROUP = 1 << _GROUP_BITS  # pairs of inputs that are compared with zero together

_I16 = ir.IntType(16)
_PAIRS, _SUMS = ir.VectorType(_I16, 2 * WIDTH), ir.VectorType(I32, WIDTH)
_NARROW = ir.VectorType(_I16, WIDTH)
_TOP = ir.Constant(_SUMS, [ACTIVATION_MAX] * WIDTH)
_MOST_ACTIVATION, _LEAST_ACTIVATION = (
    ir.Constant(_NARROW, [limit] * WIDTH) for limit in (ACTIVATION_MAX, -ACTIVATION_MAX)
)
_NOTHING = ir.Constant(_NARROW, [0] * WIDTH)
_COMPARED = ir.VectorType(I32, _GROUP)


def _products(vectors: int, activated: bool, lanes: int) -> Any:
    """Return the kernel that computes the outputs of a tile of so many vectors for one lane, or for BLOCK.

    Its parameters are int64, addresses and numbers: the source is the segments, their number, the pairs of
    each, an offset in bytes into them, and from lane to lane how many bytes; the target is where outputs go,
    from lane to lane how many bytes, biases and shifts, the least value. Outputs are int16 if they are
    activated; else they are int32, and their limits follow the shifts.
    """

    @intrinsic
    def products(typing_context: Any, source: Any, weights: Any, target: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            segments, count, pairs, offset, lane_bytes = cgutils.unpack_tuple(b, arguments[0])
            out, out_bytes, scale, low = cgutils.unpack_tuple(b, arguments[2])
            start = [_load(b, _after(b, scale, 4 * v), _SUMS) for v in range(vectors)]
            if lanes == 1:
                sums = [_add_products(b, start, segments, count, pairs, offset, arguments[1])]
            else:
                sums = _add_block(b, start, segments, count, pairs, offset, lane_bytes, arguments[1])
            for lane, of_lane in enumerate(sums):
                there = b.add(out, b.mul(out_bytes, I64(lane)))
                _finish(b, of_lane, there, scale, low, activated)
            return context.get_dummy_value()

        numbers = types.UniTuple(types.int64, 5), types.int64, types.UniTuple(types.int64, 4)
        return types.void(*numbers), generate

    return products


@intrinsic
def by_blocks(typing_context: Any) -> Any:
    """Return whether this processor does all pairs of BLOCK lanes faster than a lane's that are not zero."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return has_wide_vectors(b)

    return types.boolean(), generate


@intrinsic
def rectify(typing_context: Any, source: Any, out: Any, width: Any) -> Any:
    """Write a row of activations, negative ones as 0, to the address ``out``."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        with _vectors(b, arguments[2]) as offset:
            values = load(b, arguments[0], _NARROW, 2, offset)
            positive = b.icmp_signed(">", values, _NOTHING)
            store(b, b.select(positive, values, _NOTHING), arguments[1], 2, offset)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


@intrinsic
def add_row(typing_context: Any, added: Any, row: Any, width: Any) -> Any:
    """Add one row of activations to another, both given by their addresses, and limit what comes out."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        with _vectors(b, arguments[2]) as offset:
            one, other = (load(b, address, _NARROW, 2, offset) for address in arguments[:2])
            # No sum of two activations overflows int16.
            store(
                b, within(b, b.add(one, other), _LEAST_ACTIVATION, _MOST_ACTIVATION), arguments[1], 2, offset
            )
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


@contextmanager
def _vectors(b: Any, width: Any) -> Iterator[Any]:
    """Emit a loop over the vectors of a row so wide; what it yields is where each is, in bytes."""
    with cgutils.for_range(b, b.lshr(width, I64(WIDTH.bit_length() - 1))) as vector:
        yield b.mul(vector.index, I64(2 * WIDTH))


def _finish(b: Any, sums: list[Any], out: Any, scale: Any, low: Any, activated: bool) -> None:
    """Write the outputs of a lane, of which these are the sums."""
    bottom = in_all(b, b.trunc(low, I32), _SUMS)

    def of_scale(k: int, v: int) -> Any:
        return _load(b, _after(b, scale, 4 * (k * len(sums) + v)), _SUMS)

    for v, total in enumerate(sums):
        moved = b.ashr(total, of_scale(1, v))
        if activated:
            store(b, b.trunc(within(b, moved, bottom, _TOP), _NARROW), _after(b, out, 2 * v), 2)
        else:
            store(b, within(b, moved, of_scale(2, v), of_scale(3, v)), _after(b, out, 4 * v), 2)


def _after(b: Any, address: Any, vectors: int) -> Any:
    return b.add(address, I64(vectors * WIDTH))


def _load(b: Any, address: Any, kind: Any) -> Any:
    return load(b, address, kind, 2)


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
            products = pairs_of(b, both, _load(b, _after(b, row, 4 * v), _PAIRS))
            b.store(b.add(b.load(total), products), total)
        others = b.and_(mask, b.sub(mask, I64(1)))
        b.store(others, left)
        b.cbranch(b.icmp_unsigned("!=", others, I64(0)), loop, after)
        b.position_at_end(after)
    return [b.load(total) for total in sums]


def _add_block(
    b: Any,
    start: list[Any],
    segments: Any,
    count: Any,
    pairs: Any,
    offset: Any,
    lane_bytes: Any,
    weights: Any,
) -> list[list[Any]]:
    """Emit a loop over segments, in it one over all pairs; return the sums of each lane."""
    row_bytes = 4 * WIDTH * len(start)
    sums = [[cgutils.alloca_once_value(b, value) for value in start] for _ in range(BLOCK)]
    row = cgutils.alloca_once_value(b, weights)
    with cgutils.for_range(b, count) as segment:
        place = b.inttoptr(b.add(segments, b.shl(segment.index, I64(3))), I64.as_pointer())
        first = b.add(b.load(place), offset)
        inputs = [b.add(first, b.mul(lane_bytes, I64(lane))) for lane in range(BLOCK)]
        with cgutils.for_range(b, pairs) as pair:
            there = b.load(row)
            rows = [_load(b, _after(b, there, 4 * v), _PAIRS) for v in range(len(start))]
            b.store(b.add(there, I64(row_bytes)), row)
            for lane, totals in zip(inputs, sums, strict=True):
                value = _load(b, b.add(lane, b.shl(pair.index, I64(2))), I32)
                both = b.bitcast(in_all(b, value, _SUMS), _PAIRS)
                for total, weight in zip(totals, rows, strict=True):
                    b.store(b.add(b.load(total), pairs_of(b, both, weight)), total)
    return [[b.load(total) for total in totals] for totals in sums]


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


wide_one, wide_two, wide_three = (_products(count, False, 1) for count in TILES)
one, two, three = (_products(count, True, 1) for count in TILES)
wide_block_of_one, wide_block_of_two, wide_block_of_three = (_products(n, False, BLOCK) for n in TILES)
block_of_one, block_of_two, block_of_three = (_products(count, True, BLOCK) for count in TILES)
