"""LLVM code of :mod:`pixcodec.mixing.systems`, in plain vector arithmetic; imported where numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.mixing.systems import BLOCK, NARROW, SIZE_BYTES, WIDTH
from pixcodec.network.llvm_code import I32, I64, in_all, load, store

_DOUBLES = ir.VectorType(ir.DoubleType(), WIDTH)
_FLOATS = ir.VectorType(ir.FloatType(), NARROW)


class _Numbers:
    """How vectors of a type of numbers are read and written."""

    def __init__(self, kind: Any) -> None:
        self.vector, self._align = (_FLOATS, 4) if kind == types.float32 else (_DOUBLES, 8)

    def load(self, b: Any, address: Any, offset: Any = None) -> Any:
        return load(b, address, self.vector, self._align, offset)

    def store(self, b: Any, value: Any, address: Any, offset: Any = None) -> None:
        store(b, value, address, self._align, offset)


@intrinsic
def add_sample(typing_context: Any, arrays: Any, count: Any, factor: Any, descend: Any, keep: Any) -> Any:
    """Add a sample to a row of a system, in ``count`` vectors.

    ``arrays`` is a tuple of five addresses: R of the pixel above to the right, R, S, the samples, and the row
    of the matrix, whose numbers lie a vector apart. R = descend * (R above) + factor * samples;
    S = R + keep * S, which is the row.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        of = _Numbers(types.float64)
        places, vectors, *numbers = arguments
        above, here, along, samples, row = cgutils.unpack_tuple(b, places)
        by, down, left = (in_all(b, number, of.vector) for number in numbers)
        with cgutils.for_range(b, vectors) as loop:
            offset = b.mul(loop.index, I64(SIZE_BYTES))
            r = b.fadd(b.fmul(down, of.load(b, above, offset)), b.fmul(by, of.load(b, samples, offset)))
            of.store(b, r, here, offset)
            r = b.fadd(r, b.fmul(left, of.load(b, along, offset)))
            of.store(b, r, along, offset)
            first = b.add(row, b.mul(offset, I64(WIDTH)))
            for k in range(WIDTH):
                of.store(b, b.extract_element(r, I32(k)), first, I64(k * SIZE_BYTES))
        return context.get_dummy_value()

    addresses = types.UniTuple(types.int64, 5)
    return types.void(addresses, types.int64, *[types.float64] * 3), generate


@intrinsic
def divide(typing_context: Any, like: Any, result: Any, numerator: Any, denominator: Any) -> Any:
    """Write the quotient of two vectors."""
    of = _Numbers(like.dtype)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        _, to, above, below = arguments
        of.store(b, b.fdiv(of.load(b, above), of.load(b, below)), to)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 3), generate


@intrinsic
def subtract_products(
    typing_context: Any, like: Any, target: Any, factors: Any, rows: Any, row_bytes: Any, count: Any
) -> Any:
    """Subtract from four vectors, for each of ``count`` factors, its product with four of the next row."""
    of = _Numbers(like.dtype)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        _, to, by, first, stride, number = arguments
        # The compiler keeps these variables in registers.
        places = [I64(k * SIZE_BYTES) for k in range(BLOCK)]
        left = [cgutils.alloca_once_value(b, of.load(b, to, place)) for place in places]
        with cgutils.for_range(b, number) as loop:
            factor = of.load(b, by, b.mul(loop.index, I64(SIZE_BYTES)))
            row = b.add(first, b.mul(loop.index, stride))
            for variable, place in zip(left, places, strict=True):
                product = b.fmul(factor, of.load(b, row, place))
                b.store(b.fsub(b.load(variable), product), variable)
        for variable, place in zip(left, places, strict=True):
            of.store(b, b.load(variable), to, place)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 5), generate


@intrinsic
def subtract_scaled(
    typing_context: Any, like: Any, target: Any, factors: Any, number: Any, count: Any
) -> Any:
    """Subtract from each of ``count`` vectors its factor times the vector ``number``."""
    of = _Numbers(like.dtype)

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        _, to, by, number, vectors = arguments
        scale = of.load(b, number)
        with cgutils.for_range(b, vectors) as loop:
            offset = b.mul(loop.index, I64(SIZE_BYTES))
            product = b.fmul(of.load(b, by, offset), scale)
            of.store(b, b.fsub(of.load(b, to, offset), product), to, offset)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 4), generate
