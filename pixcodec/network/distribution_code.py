"""LLVM code of :mod:`pixcodec.network.distribution`; imported where numba compiles.

Rows are computed as vectors of 16: of F at the 16 lower edges of a nibble's values. Only the table of logistic
steps is read element by element.
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
_LOW_WORD = ir.Constant(_WIDE, [0xFFFFFFFF] * NIBBLE)
_COUNT = ir.Constant(_WIDE, list(range(NIBBLE)))
_NEXT = ir.Constant(ir.VectorType(I32, NIBBLE), list(range(1, NIBBLE + 1)))


def _all(number: int) -> Any:
    return ir.Constant(_WIDE, [number] * NIBBLE)


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
        edges = _edges(b, cgutils.unpack_tuple(b, parts), I64(0), NIBBLE)
        edges = b.insert_element(edges, I32(0), I32(0))
        differences = b.sub(_following(b, edges, I32(TOTAL)), edges)
        less = b.sub(differences, ir.Constant(_NARROW, [1] * NIBBLE))
        store(b, b.sitofp(less, _FLOATS), row, 8)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), types.int64), generate


@intrinsic
def write_low_row(typing_context: Any, parts: Any, value: Any, span: Any, row: Any) -> Any:
    """Write the frequencies - 1 of the low nibbles to the address ``row``.

    ``value`` is the least one of the high nibble, ``span`` the frequency of that.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        parts, value, span, row = arguments
        edges = _edges(b, cgutils.unpack_tuple(b, parts), value, 1)
        start = b.select(b.icmp_signed("==", value, I64(0)), I32(0), b.extract_element(edges, I32(0)))
        above = b.sitofp(b.sub(b.insert_element(edges, start, I32(0)), in_all(b, start, _NARROW)), _FLOATS)
        ratio = b.fdiv(b.fmul(above, ir.Constant(_FLOATS, [float(ROW_TOTAL)] * NIBBLE)), in_all(b, span, _FLOATS))
        at = b.sitofp(b.fptosi(ratio, _NARROW), _FLOATS)
        store(b, b.fsub(_following(b, at, ir.Constant(_F64, float(ROW_TOTAL))), at), row, 8)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), types.int64, types.float64, types.int64), generate


def _following(b: Any, vector: Any, last: Any) -> Any:
    """Return a vector of the elements that follow; after the last one comes ``last``."""
    end = b.insert_element(ir.Constant(vector.type, ir.Undefined), last, I32(0))
    return b.shuffle_vector(vector, end, _NEXT)


def _edges(b: Any, parts: list[Any], start: Any, step: int) -> Any:
    """Return F at 16 values from ``start`` on, in int32."""
    count, weights, means, inverses, steps = parts
    total = cgutils.alloca_once_value(b, _all(0))
    first = b.sub(b.mul(start, I64(16)), I64(8))
    with cgutils.for_range(b, count) as component:
        offset = b.shl(component.index, I64(3))
        weight, mean, inverse = (load(b, address, I64, 8, offset) for address in (weights, means, inverses))
        begin = b.add(b.mul(b.sub(first, mean), inverse), I64(Z_RANGE))
        apart = in_all(b, b.mul(inverse, I64(16 * step)), _WIDE)
        z = b.add(in_all(b, begin, _WIDE), b.mul(apart, _COUNT))
        product = b.mul(_logistic(b, steps, z), b.and_(in_all(b, weight, _WIDE), _LOW_WORD))
        b.store(b.add(b.load(total), product), total)
    shared = b.mul(b.and_(b.lshr(b.load(total), _all(ACC_SHIFT)), _LOW_WORD), _all(SPREAD))
    values = b.add(in_all(b, start, _WIDE), b.mul(_COUNT, _all(step)))
    return b.trunc(b.add(b.lshr(shared, _all(TOTAL_BITS)), b.mul(values, _all(PMF_FLOOR))), _NARROW)


def _logistic(b: Any, steps: Any, z: Any) -> Any:
    """Return the logistic function times 2**22 of a vector in 2**-22, plus Z_RANGE; all factors have 32 bits."""
    inside = b.trunc(within(b, z, _all(0), _all(2 * Z_RANGE - 1)), _NARROW)
    index = b.lshr(inside, ir.Constant(_NARROW, [Z_STEP_BITS] * NIBBLE))
    found = ir.Constant(_WIDE, ir.Undefined)
    for k in range(NIBBLE):
        offset = b.shl(b.zext(b.extract_element(index, I32(k)), I64), I64(3))
        found = b.insert_element(found, load(b, steps, I64, 8, offset), I32(k))
    part = b.zext(b.and_(inside, ir.Constant(_NARROW, [Z_STEP_MASK] * NIBBLE)), _WIDE)
    rise = b.lshr(b.mul(b.and_(found, _LOW_WORD), part), _all(Z_STEP_BITS))
    return b.and_(b.add(b.lshr(found, _all(32)), rise), _LOW_WORD)
