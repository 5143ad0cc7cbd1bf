"""LLVM code of :mod:`pixcodec.network.distribution`; imported where numba compiles.

Rows are computed as vectors of 16: of F at the 16 lower edges of a nibble's values. Only the table of
logistic steps is read element by element.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.network.architecture import PMF_FLOOR
from pixcodec.network.distribution import (
    ACC_SHIFT,
    NIBBLE,
    ROW_TOTAL,
    SPREAD,
    TOTAL,
    TOTAL_BITS,
    Z_RANGE,
    Z_STEP_BITS,
    Z_STEP_MASK,
)
from pixcodec.network.llvm_code import I32, I64, in_all, load, store, within

_F64 = ir.DoubleType()
_NARROW, _WIDE, _FLOATS = (ir.VectorType(kind, NIBBLE) for kind in (I32, I64, _F64))
_LOW_WORD = 0xFFFFFFFF
_NEXT = ir.Constant(ir.VectorType(I32, NIBBLE), list(range(1, NIBBLE + 1)))


def _all(number: int, count: int) -> Any:
    return ir.Constant(ir.VectorType(I64, count), [number] * count)


def _in_narrow(number: int, count: int) -> Any:
    return ir.Constant(ir.VectorType(I32, count), [number] * count)


def _from(b: Any, start: Any, step: int) -> Any:
    """Return the 16 values from ``start`` on that lie ``step`` apart."""
    return b.add(in_all(b, start, _WIDE), ir.Constant(_WIDE, [step * k for k in range(NIBBLE)]))


@intrinsic
def quotient(typing_context: Any, dividend: Any, divisor: Any) -> Any:
    """Return the quotient of two positive floats, rounded down; nothing looks whether the divisor is 0."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.fptosi(b.fdiv(*arguments), I64)

    return types.int64(types.float64, types.float64), generate


@intrinsic
def write_high_row(typing_context: Any, parts: Any, row: Any) -> Any:
    """Write the frequencies - 1 of the high nibbles to the address ``row``."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        parts, row = arguments
        edges = _edges(b, cgutils.unpack_tuple(b, parts), _from(b, I64(0), NIBBLE))
        edges = b.insert_element(edges, I32(0), I32(0))
        differences = b.sub(_following(b, edges, I32(TOTAL)), edges)
        less = b.sub(differences, ir.Constant(_NARROW, [1] * NIBBLE))
        store(b, b.sitofp(less, _FLOATS), row, 8)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), types.int64), generate


@intrinsic
def write_edges(typing_context: Any, parts: Any, value: Any, out: Any) -> Any:
    """Write F at the ends of the high nibble of a value, 0 .. 255, and at those of the value, as int64."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        parts, value, out = arguments
        four = ir.VectorType(I64, 4)
        first = b.and_(value, I64(256 - NIBBLE))
        values = ir.Constant(four, ir.Undefined)
        for k, (edge, after) in enumerate(((first, 0), (first, NIBBLE), (value, 0), (value, 1))):
            values = b.insert_element(values, b.add(edge, I64(after)), I32(k))
        edges = b.zext(_edges(b, cgutils.unpack_tuple(b, parts), values), four)
        edges = b.select(b.icmp_signed("==", values, _all(0, 4)), _all(0, 4), edges)
        edges = b.select(b.icmp_signed("==", values, _all(256, 4)), _all(TOTAL, 4), edges)
        store(b, edges, out, 8)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), types.int64, types.int64), generate


@intrinsic
def write_wrapped_edges(typing_context: Any, parts: Any, shift: Any, first: Any, step: Any, out: Any) -> Any:
    """Write F, moved up by ``shift``, at ``first`` and the next 15 values that lie ``step`` apart, as int32.

    Values wrap around, as in :func:`pixcodec.network.distribution.cumulative`.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        parts, shift, first, step, out = arguments
        values = _apart(b, first, step)
        inside = b.and_(values, _all(255, NIBBLE))
        edges = _edges(b, cgutils.unpack_tuple(b, parts), inside, shift)
        edges = b.select(b.icmp_signed("==", inside, _all(0, NIBBLE)), _in_narrow(0, NIBBLE), edges)
        rounds = b.trunc(b.ashr(values, _all(8, NIBBLE)), _NARROW)
        store(b, b.add(edges, b.shl(rounds, _in_narrow(TOTAL_BITS, NIBBLE))), out, 4)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), *[types.int64] * 4), generate


@intrinsic
def write_open_edges(typing_context: Any, parts: Any, first: Any, step: Any, out: Any) -> Any:
    """Write the same as :func:`pixcodec.network.distribution.open_cumulative` has it, not moved."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        parts, first, step, out = arguments
        store(b, _edges(b, cgutils.unpack_tuple(b, parts), _apart(b, first, step)), out, 4)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), *[types.int64] * 3), generate


def _apart(b: Any, first: Any, step: Any) -> Any:
    """Return the 16 values from ``first`` on that lie ``step`` apart, a number that is known later."""
    steps = b.mul(in_all(b, step, _WIDE), ir.Constant(_WIDE, list(range(NIBBLE))))
    return b.add(in_all(b, first, _WIDE), steps)


@intrinsic
def write_low_row(typing_context: Any, parts: Any, value: Any, span: Any, row: Any) -> Any:
    """Write the frequencies - 1 of the low nibbles to the address ``row``.

    ``value`` is the least one of the high nibble, ``span`` the frequency of that.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        parts, value, span, row = arguments
        edges = _edges(b, cgutils.unpack_tuple(b, parts), _from(b, value, 1))
        start = b.select(b.icmp_signed("==", value, I64(0)), I32(0), b.extract_element(edges, I32(0)))
        above = b.sitofp(b.sub(b.insert_element(edges, start, I32(0)), in_all(b, start, _NARROW)), _FLOATS)
        ratio = b.fdiv(
            b.fmul(above, ir.Constant(_FLOATS, [float(ROW_TOTAL)] * NIBBLE)), in_all(b, span, _FLOATS)
        )
        at = b.sitofp(b.fptosi(ratio, _NARROW), _FLOATS)
        store(b, b.fsub(_following(b, at, ir.Constant(_F64, float(ROW_TOTAL))), at), row, 8)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), types.int64, types.float64, types.int64), generate


def _following(b: Any, vector: Any, last: Any) -> Any:
    """Return a vector of the elements that follow; after the last one comes ``last``."""
    end = b.insert_element(ir.Constant(vector.type, ir.Undefined), last, I32(0))
    return b.shuffle_vector(vector, end, _NEXT)


def _edges(b: Any, parts: list[Any], values: Any, shift: Any = None) -> Any:
    """Return F, moved up by ``shift``, at some values, in int32, as if none were below 0 or above 255."""
    count, weights, means, inverses, steps = parts
    size, narrow = values.type.count, ir.VectorType(I32, values.type.count)
    total = cgutils.alloca_once_value(b, _all(0, size))
    below = b.sub(b.shl(b.trunc(values, narrow), _in_narrow(4, size)), _in_narrow(8, size))  # in 1/16 level
    with cgutils.for_range(b, count) as component:
        offset = b.shl(component.index, I64(3))
        weight, mean, inverse = (load(b, address, I64, 8, offset) for address in (weights, means, inverses))
        if shift is not None:
            mean = b.add(mean, shift)
        # Both factors have 32 bits, and so has each of the following products.
        distance = b.sext(b.sub(below, in_all(b, b.trunc(mean, I32), narrow)), values.type)
        scale = b.sext(in_all(b, b.trunc(inverse, I32), narrow), values.type)
        z = b.add(b.mul(distance, scale), _all(Z_RANGE, size))
        share = b.and_(in_all(b, weight, values.type), _all(_LOW_WORD, size))
        b.store(b.add(b.load(total), b.mul(logistic_of(b, steps, z), share)), total)
    scaled = b.and_(b.lshr(b.load(total), _all(ACC_SHIFT, size)), _all(_LOW_WORD, size))
    shared = b.lshr(b.mul(scaled, _all(SPREAD, size)), _all(TOTAL_BITS, size))
    return b.trunc(b.add(shared, b.mul(values, _all(PMF_FLOOR, size))), narrow)


def logistic_of(b: Any, steps: Any, z: Any) -> Any:
    """Return the logistic function times 2**22 of a vector in 2**-22, plus Z_RANGE."""
    wide, size = z.type, z.type.count
    inside = b.trunc(within(b, z, _all(0, size), _all(2 * Z_RANGE - 1, size)), ir.VectorType(I32, size))
    index = b.lshr(inside, _in_narrow(Z_STEP_BITS, size))
    found = ir.Constant(wide, ir.Undefined)
    for k in range(size):
        offset = b.shl(b.zext(b.extract_element(index, I32(k)), I64), I64(3))
        found = b.insert_element(found, load(b, steps, I64, 8, offset), I32(k))
    part = b.zext(b.and_(inside, _in_narrow(Z_STEP_MASK, size)), wide)
    low_word = _all(_LOW_WORD, size)
    rise = b.lshr(b.mul(b.and_(found, low_word), part), _all(Z_STEP_BITS, size))
    return b.and_(b.add(b.lshr(found, _all(32, size)), rise), low_word)
