"""LLVM code of :mod:`pixcodec.network.calibration`; imported where numba compiles.

Features and their weights are vectors of eight int32.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.network.calibration import (
    FEATURES,
    FURTHEST,
    GROUP,
    LIKELY_FLOOR,
    SPARE_BITS,
    STEEPEST,
    STEP_BITS,
    STEPS_OF_A_UNIT,
    UNIT,
    WEIGHT_BITS,
    WEIGHT_FLOOR,
)
from pixcodec.network.distribution import LOGISTIC_BITS, Z_RANGE
from pixcodec.network.distribution import WEIGHT_BITS as SHARE_BITS
from pixcodec.network.distribution_code import logistics_of
from pixcodec.network.inference import USUAL_COMPONENTS
from pixcodec.network.llvm_code import I32, I64, in_all, load, store, within

_WIDE = 8
_F64 = ir.DoubleType()
_FOUR, _FOUR_WIDE, _FLOATS = (ir.VectorType(kind, GROUP) for kind in (I32, I64, _F64))
_VECTOR = ir.VectorType(I32, _WIDE)
_OFFSETS = [I64(4 * j) for j in range(0, FEATURES, _WIDE)]


def _all(number: int) -> Any:
    return ir.Constant(_VECTOR, [number] * _WIDE)


def _sum(b: Any, vector: Any) -> Any:
    """Return the sum of the elements of a vector."""
    half, nothing = vector.type.count // 2, ir.Constant(vector.type, ir.Undefined)
    while half:
        places = [*range(half, 2 * half), *range(vector.type.count - half)]
        mask = ir.Constant(ir.VectorType(I32, len(places)), places)
        vector = b.add(vector, b.shuffle_vector(vector, nothing, mask))
        half //= 2
    return b.extract_element(vector, I32(0))


@intrinsic
def foresee(typing_context: Any, features: Any, weights: Any, bound: Any) -> Any:
    """Clamp the features at an address to a bound; return the sum of their products with the weights there.

    The sum is of int32, in units of a weight without its spare bits.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        features, weights, bound = arguments
        top = in_all(b, b.trunc(bound, I32), _VECTOR)
        bottom = b.sub(_all(0), top)
        total = _all(0)
        for offset in _OFFSETS:
            feature = within(b, load(b, features, _VECTOR, 4, offset), bottom, top)
            store(b, feature, features, 4, offset)
            weight = b.ashr(load(b, weights, _VECTOR, 4, offset), _all(SPARE_BITS))
            total = b.add(total, b.mul(weight, feature))
        return b.sext(_sum(b, total), I64)

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def energy(typing_context: Any, features: Any) -> Any:
    """Return the sum of the squares of the features at an address, of int32."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        total = _all(0)
        for offset in _OFFSETS:
            feature = load(b, arguments[0], _VECTOR, 4, offset)
            total = b.add(total, b.mul(feature, feature))
        return b.sext(_sum(b, total), I64)

    return types.int64(types.int64), generate


@intrinsic
def step_weights(typing_context: Any, features: Any, weights: Any, step: Any) -> Any:
    """Add the features at an address, times a step, to the weights there, which stay between -1 and 1."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        features, weights, step = arguments
        factor, one = in_all(b, b.trunc(step, I32), _VECTOR), 1 << WEIGHT_BITS
        for offset in _OFFSETS:
            change = b.mul(load(b, features, _VECTOR, 4, offset), factor)
            change = b.ashr(b.add(change, _all(1 << (STEP_BITS - 1))), _all(STEP_BITS))
            weight = b.add(load(b, weights, _VECTOR, 4, offset), change)
            store(b, within(b, weight, _all(-one), _all(one)), weights, 4, offset)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def correct_outputs(
    typing_context: Any, outputs: Any, corrections: Any, low: Any, high: Any, count: Any
) -> Any:
    """Add corrections to outputs, ``count`` of int32 at addresses, a multiple of GROUP, within limits."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        outputs, corrections, low, high, count = arguments
        with cgutils.for_range(b, b.udiv(count, I64(GROUP))) as group:
            offset = b.shl(group.index, I64(4))
            now, change, bottom, top = (
                load(b, address, _FOUR, 4, offset) for address in (outputs, corrections, low, high)
            )
            store(b, within(b, b.add(now, change), bottom, top), outputs, 4, offset)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), generate


@intrinsic
def step_corrections(
    typing_context: Any, gradients: Any, corrections: Any, rounded: Any, rate: Any, count: Any
) -> Any:
    """Add gradients times a rate to ``count`` corrections of float64, a multiple of GROUP, and round them."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        gradients, corrections, rounded, rate, count = arguments
        rates = in_all(b, rate, _FLOATS)
        with cgutils.for_range(b, b.udiv(count, I64(GROUP))) as group:
            offset = b.shl(group.index, I64(5))
            change = b.fmul(load(b, gradients, _FLOATS, 8, offset), rates)
            now = _inside(b, b.fadd(load(b, corrections, _FLOATS, 8, offset), change), FURTHEST)
            store(b, now, corrections, 8, offset)
            of_vectors = ir.FunctionType(_FLOATS, [_FLOATS])
            floor = cgutils.get_or_insert_function(b.module, of_vectors, "llvm.floor.v4f64")
            whole = b.fptosi(b.call(floor, [b.fadd(now, _each(0.5))]), _FOUR)
            store(b, whole, rounded, 4, b.shl(group.index, I64(4)))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3, types.float64, types.int64), generate


@intrinsic
def write_gradients(typing_context: Any, parts: Any, value: Any, out: Any) -> Any:
    """Write what :func:`pixcodec.network.calibration.write_any_gradients` does, of four components."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        parts, value, out = arguments
        _, weights, means, inverses, steps = cgutils.unpack_tuple(b, parts)
        weight, mean, inverse = (load(b, address, _FOUR_WIDE, 8) for address in (weights, means, inverses))
        narrow = b.trunc(inverse, _FOUR)
        at = in_all(b, b.trunc(b.sub(b.shl(value, I64(4)), I64(8)), I32), _FOUR)
        distance = b.sext(b.sub(at, b.trunc(mean, _FOUR)), _FOUR_WIDE)
        low_z = b.mul(distance, b.sext(narrow, _FOUR_WIDE))
        high_z = b.add(low_z, b.shl(inverse, _wide(4)))
        low, high = logistics_of(b, steps, [low_z, high_z])
        one = ir.Constant(_FOUR, [1 << LOGISTIC_BITS] * GROUP)
        low = b.select(b.icmp_signed("==", value, I64(0)), ir.Constant(_FOUR, [0] * GROUP), low)
        high = b.select(b.icmp_signed("==", value, I64(255)), one, high)
        mass = b.sub(high, low)
        total = _sum(b, b.mul(weight, b.sext(mass, _FOUR_WIDE)))
        likely = b.sitofp(b.add(b.ashr(total, I64(SHARE_BITS)), I64(LIKELY_FLOOR)), _F64)
        likely = in_all(b, likely, _FLOATS)
        low_slope, high_slope = (
            b.fmul(b.sitofp(edge, _FLOATS), b.sitofp(b.sub(one, edge), _FLOATS)) for edge in (low, high)
        )
        low_at, high_at = (
            b.sitofp(b.trunc(within(b, z, _wide(-Z_RANGE), _wide(Z_RANGE)), _FOUR), _FLOATS)
            for z in (low_z, high_z)
        )
        share = b.sitofp(b.trunc(weight, _FOUR), _FLOATS)
        scale = b.fdiv(share, b.fmul(b.fadd(share, _each(WEIGHT_FLOOR)), likely))
        unit = b.fdiv(_each(UNIT), b.sitofp(narrow, _FLOATS))
        small = 1.0 / (1 << LOGISTIC_BITS)
        logits = b.fsub(b.sitofp(mass, _FLOATS), likely)
        means = b.fmul(b.fsub(low_slope, high_slope), _each(small))
        scales = b.fmul(b.fsub(b.fmul(low_slope, low_at), b.fmul(high_slope, high_at)), _each(small * small))
        steep = [_inside(b, b.fmul(part, scale), STEEPEST) for part in (logits, means, scales)]
        factors = _each(STEPS_OF_A_UNIT), unit, _each(STEPS_OF_A_UNIT)
        for k, (part, factor) in enumerate(zip(steep, factors, strict=True)):
            store(b, b.fmul(factor, part), out, 8, I64(8 * USUAL_COMPONENTS * k))
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, 5), types.int64, types.int64), generate


def _wide(number: int) -> Any:
    return ir.Constant(_FOUR_WIDE, [number] * GROUP)


def _each(number: float) -> Any:
    return ir.Constant(_FLOATS, [number] * GROUP)


def _inside(b: Any, numbers: Any, limit: float) -> Any:
    """Return a vector of floats, none beyond a limit on either side."""
    numbers = b.select(b.fcmp_ordered(">", numbers, _each(-limit)), numbers, _each(-limit))
    return b.select(b.fcmp_ordered("<", numbers, _each(limit)), numbers, _each(limit))
