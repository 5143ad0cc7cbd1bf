"""LLVM code of :mod:`pixcodec.mixing.vectors`, in plain vector arithmetic; imported where numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.mixing.vectors import WIDTH
from pixcodec.network.llvm_code import I32, I64, in_all, load, store, sum_of, within

_VECTOR = ir.VectorType(I32, WIDTH)
_SIZE_BYTES = 4 * WIDTH


def _all(number: int) -> Any:
    return ir.Constant(_VECTOR, [number] * WIDTH)


def _load(b: Any, address: Any) -> Any:
    return load(b, address, _VECTOR, 4)


def _in_all(b: Any, value: Any) -> Any:
    """Return a vector of one int64, cut to 32 bits."""
    return in_all(b, b.trunc(value, I32), _VECTOR)


def _sum_over(b: Any, count: Any, term: Any) -> Any:
    """Return the sum, as int64, of the numbers of ``term(offset in bytes)`` over so many vectors."""
    total = cgutils.alloca_once_value(b, _all(0))  # the compiler keeps it in a register
    with cgutils.for_range(b, count) as loop:
        offset = b.mul(loop.index, I64(_SIZE_BYTES))
        b.store(b.add(b.load(total), term(offset)), total)
    return sum_of(b, b.load(total))


@intrinsic
def sum_of_squares(typing_context: Any, inputs: Any, count: Any, shift: Any) -> Any:
    """Return the sum of the squares of the numbers of ``count`` vectors, each moved down by ``shift``."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        address, vectors, bits = arguments
        down = _in_all(b, bits)

        def square(offset: Any) -> Any:
            x = _load(b, b.add(address, offset))
            return b.ashr(b.mul(x, x), down)

        return _sum_over(b, vectors, square)

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def dot_product(typing_context: Any, inputs: Any, weights: Any, count: Any, shift: Any) -> Any:
    """Return the sum of ``inputs * (weights >> shift)`` over ``count`` vectors."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        first, second, vectors, bits = arguments
        down = _in_all(b, bits)

        def product(offset: Any) -> Any:
            x, w = _load(b, b.add(first, offset)), _load(b, b.add(second, offset))
            return b.mul(x, b.ashr(w, down))

        return _sum_over(b, vectors, product)

    return types.int64(*[types.int64] * 4), generate


@intrinsic
def move_weights(
    typing_context: Any, weights: Any, inputs: Any, step: Any, count: Any, shift: Any, limit: Any
) -> Any:
    """Add ``(inputs * step + half) >> shift`` to the weights, which stay within ``-limit .. limit``."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        target, source, factor, vectors, bits, most = arguments
        step_of_all, down, top = (_in_all(b, v) for v in (factor, bits, most))
        bottom = b.sub(_all(0), top)
        half = b.shl(_all(1), b.sub(down, _all(1)))

        with cgutils.for_range(b, vectors) as loop:
            offset = b.mul(loop.index, I64(_SIZE_BYTES))
            address = b.add(target, offset)
            change = b.ashr(b.add(b.mul(_load(b, b.add(source, offset)), step_of_all), half), down)
            store(b, within(b, b.add(_load(b, address), change), bottom, top), address, 4)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate


@intrinsic
def prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for the cache line at an address, which is read later."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), I32, I32, I32])
        function = cgutils.get_or_insert_function(b.module, kind, "llvm.prefetch.p0")
        to_read, keep, data = I32(0), I32(3), I32(1)
        b.call(function, [b.inttoptr(arguments[0], ir.IntType(8).as_pointer()), to_read, keep, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def bit_length(typing_context: Any, number: Any) -> Any:
    """Return how many bits a number of 32 bits above 0 has, as int64."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        zeros = b.ctlz(b.trunc(value, I32), ir.Constant(ir.IntType(1), 1))
        return b.zext(b.sub(I32(32), zeros), I64)

    return types.int64(types.int64), generate
