"""LLVM code of :mod:`pixcodec.jpeg.stream.network`; imported where numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.jpeg.stream.network import MOST_ACTIVE, SUM_BITS, TILE
from pixcodec.network.llvm_code import I32, I64, in_all, load, pairs_of, store, sum_of, within

_WIDTH = 16  # numbers of a vector of sums
_VECTORS = TILE // _WIDTH
_I16 = ir.IntType(16)
_SUMS, _NARROW = ir.VectorType(I32, _WIDTH), ir.VectorType(_I16, _WIDTH)
_PAIRS = ir.VectorType(_I16, 2 * _WIDTH)
_SUMS_SIZE_BYTES, _NARROW_SIZE_BYTES, _PAIRS_SIZE_BYTES = 4 * _WIDTH, 2 * _WIDTH, 4 * _WIDTH
_ENTRY_SIZE_BYTES = 16  # of a list: the address of a row, and its pair
_ALIGN = 2


def _all(number: int) -> Any:
    return ir.Constant(_SUMS, [number] * _WIDTH)


@intrinsic
def add_tile(typing_context: Any, rows: Any, count: Any, offset: Any, sums: Any) -> Any:
    """Add to TILE sums, at an address, the products of ``count`` pairs with their rows from an offset on."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        entries, count, offset, out = arguments
        places = [b.add(out, I64(v * _SUMS_SIZE_BYTES)) for v in range(_VECTORS)]
        # The compiler keeps these variables in registers.
        sums = [cgutils.alloca_once_value(b, load(b, place, _SUMS, _ALIGN)) for place in places]
        with cgutils.for_range(b, count) as entry:
            there = b.add(entries, b.mul(entry.index, I64(_ENTRY_SIZE_BYTES)))
            row = b.add(load(b, there, I64, _ALIGN), offset)
            pair = load(b, there, I32, _ALIGN, I64(8))
            both = b.bitcast(in_all(b, pair, _SUMS), _PAIRS)
            for v, total in enumerate(sums):
                weights = load(b, row, _PAIRS, _ALIGN, I64(v * _PAIRS_SIZE_BYTES))
                b.store(b.add(b.load(total), pairs_of(b, both, weights)), total)
        for place, total in zip(places, sums, strict=True):
            store(b, b.load(total), place, _ALIGN)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@intrinsic
def add_numbers(typing_context: Any, one: Any, other: Any, out: Any, vectors: Any) -> Any:
    """Write the sums of two rows of int32 to an address."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        one, other, out, vectors = arguments
        with cgutils.for_range(b, vectors) as vector:
            offset = b.mul(vector.index, I64(_SUMS_SIZE_BYTES))
            total = b.add(load(b, one, _SUMS, _ALIGN, offset), load(b, other, _SUMS, _ALIGN, offset))
            store(b, total, out, _ALIGN, offset)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@intrinsic
def rectify(typing_context: Any, sums: Any, out: Any, vectors: Any) -> Any:
    """Write int32 sums as activations, which are int16."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        sums, out, vectors = arguments
        with cgutils.for_range(b, vectors) as vector:
            total = load(b, sums, _SUMS, _ALIGN, b.mul(vector.index, I64(_SUMS_SIZE_BYTES)))
            active = within(b, b.ashr(total, _all(SUM_BITS)), _all(0), _all(MOST_ACTIVE))
            store(b, b.trunc(active, _NARROW), out, _ALIGN, b.mul(vector.index, I64(_NARROW_SIZE_BYTES)))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), generate


@intrinsic
def dot_product(typing_context: Any, numbers: Any, weights: Any, vectors: Any) -> Any:
    """Return the sum of the products of two rows of so many vectors of 32 int16."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        numbers, weights, vectors = arguments
        total = cgutils.alloca_once_value(b, _all(0))
        with cgutils.for_range(b, vectors) as vector:
            offset = b.mul(vector.index, I64(_PAIRS_SIZE_BYTES))
            one, other = (load(b, address, _PAIRS, _ALIGN, offset) for address in (numbers, weights))
            b.store(b.add(b.load(total), pairs_of(b, one, other)), total)
        return sum_of(b, b.load(total))

    return types.int64(*[types.int64] * 3), generate
