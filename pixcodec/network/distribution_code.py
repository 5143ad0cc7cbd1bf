"""LLVM code of :mod:`pixcodec.network.distribution`; imported where numba compiles.

Rows are computed as vectors of 16: of F at the 16 lower edges of a nibble's values. Only the table of
logistic steps is read element by element.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.network.architecture import PMF_FLOOR
from pixcodec.network.distribution import (
    ACC_SHIFT,
    LOGISTIC_BITS,
    MOST_RISE,
    NIBBLE,
    PIECE_BITS,
    PIECES_AT,
    ROW_TOTAL,
    SPREAD,
    TOTAL,
    TOTAL_BITS,
    Z_RANGE,
    Z_STEP_BITS,
    Z_STEP_MASK,
)
from pixcodec.network.llvm_code import I32, I64, has_wide_vectors, in_all, load, permuted, store, within

_F64 = ir.DoubleType()
_NARROW, _WIDE, _FLOATS = (ir.VectorType(kind, NIBBLE) for kind in (I32, I64, _F64))
_LOW_WORD = 0xFFFFFFFF
_LOWER_BITS = 6  # of a part of a piece
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
    count, *_, steps = parts
    size = values.type.count
    narrow = ir.VectorType(I32, size)
    below = b.sub(b.shl(b.trunc(values, narrow), _in_narrow(4, size)), _in_narrow(8, size))  # in 1/16 level
    total = cgutils.alloca_once_value(b, _all(0, size))
    by_pieces = _has_pieces(b, steps)
    if size < NIBBLE:
        by_pieces = b.and_(by_pieces, b.icmp_signed("==", count, I64(NIBBLE // size)))
    with b.if_else(by_pieces) as (pieces, otherwise):
        with pieces:
            if size < NIBBLE:
                _add_side_by_side(b, parts, below, shift, total)
            else:
                _add_by_pieces(b, parts, below, shift, total)
        with otherwise:
            _add_by_steps(b, parts, below, shift, total)
    scaled = b.and_(b.lshr(b.load(total), _all(ACC_SHIFT, size)), _all(_LOW_WORD, size))
    shared = b.lshr(b.mul(scaled, _all(SPREAD, size)), _all(TOTAL_BITS, size))
    return b.trunc(b.add(shared, b.mul(values, _all(PMF_FLOOR, size))), narrow)


@contextmanager
def _components(b: Any, parts: list[Any], shift: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Emit a loop over components, which yields weight, mean and inverse of each."""
    count, *addresses, _ = parts
    with cgutils.for_range(b, count) as component:
        offset = b.shl(component.index, I64(3))
        weight, mean, inverse = (load(b, address, I64, 8, offset) for address in addresses)
        yield weight, mean if shift is None else b.add(mean, shift), inverse


def _add_by_steps(b: Any, parts: list[Any], below: Any, shift: Any, total: Any) -> None:
    """Add to ``total`` the shares of all components below some places, in 2**-38."""
    size, narrow, wide = below.type.count, below.type, total.type.pointee
    with _components(b, parts, shift) as (weight, mean, inverse):
        # Both factors have 32 bits, and so has each of the following products.
        distance = b.sext(b.sub(below, in_all(b, b.trunc(mean, I32), narrow)), wide)
        scale = b.sext(in_all(b, b.trunc(inverse, I32), narrow), wide)
        z = b.add(b.mul(distance, scale), _all(Z_RANGE, size))
        share = b.and_(in_all(b, weight, wide), _all(_LOW_WORD, size))
        b.store(b.add(b.load(total), b.mul(_by_steps(b, parts[-1], z), share)), total)


def _add_by_pieces(b: Any, parts: list[Any], below: Any, shift: Any, total: Any) -> None:
    """Add the same, by a table of straight pieces."""
    size, narrow, wide = below.type.count, below.type, total.type.pointee
    pieces = _load_pieces(b, parts[-1])
    with _components(b, parts, shift) as (weight, mean, inverse):
        most = b.add(b.fptosi(b.fdiv(_F64(float(Z_RANGE)), b.sitofp(inverse, _F64)), I32), I32(1))
        least, most = in_all(b, b.neg(most), narrow), in_all(b, most, narrow)
        distance = within(b, b.sub(below, in_all(b, b.trunc(mean, I32), narrow)), least, most)
        found = _by_pieces(b, pieces, b.mul(distance, in_all(b, b.trunc(inverse, I32), narrow)))
        share = b.and_(in_all(b, weight, wide), _all(_LOW_WORD, size))
        b.store(b.add(b.load(total), b.mul(b.zext(found, wide), share)), total)


def _add_side_by_side(b: Any, parts: list[Any], below: Any, shift: Any, total: Any) -> None:
    """Add the same of a few places, as many components side by side as fit into a vector."""
    size = below.type.count
    components = NIBBLE // size
    of_components = ir.VectorType(I64, components)
    weight, mean, inverse = (load(b, address, of_components, 8) for address in parts[1:4])
    if shift is not None:
        mean = b.add(mean, in_all(b, shift, of_components))
    each = ir.VectorType(I32, components)
    by_component, by_place = (
        _places(k // size for k in range(NIBBLE)),
        _places(k % size for k in range(NIBBLE)),
    )

    def spread(vector: Any, order: Any) -> Any:
        return b.shuffle_vector(vector, vector, order)

    range_ = ir.Constant(ir.VectorType(_F64, components), [float(Z_RANGE)] * components)
    most = b.fptosi(b.fdiv(range_, b.sitofp(inverse, range_.type)), each)
    most = spread(b.add(most, ir.Constant(each, [1] * components)), by_component)
    distance = b.sub(spread(below, by_place), spread(b.trunc(mean, each), by_component))
    distance = within(b, distance, b.neg(most), most)
    z = b.mul(distance, spread(b.trunc(inverse, each), by_component))
    found = b.zext(_by_pieces(b, _load_pieces(b, parts[-1]), z), _WIDE)
    shares = b.mul(found, b.and_(spread(weight, by_component), _all(_LOW_WORD, NIBBLE)))
    for k in range(components):
        own = (size * k + place for place in range(size))
        of_component = b.shuffle_vector(shares, shares, _places(own))
        b.store(b.add(b.load(total), of_component), total)


def logistics_of(b: Any, steps: Any, vectors: list[Any]) -> list[Any]:
    """Return, as int32, the logistic function times 2**22 of a few short vectors in 2**-22."""
    wide = vectors[0].type
    size, narrow = wide.count, ir.VectorType(I32, wide.count)
    results = [cgutils.alloca_once(b, narrow) for _ in vectors]
    with b.if_else(_has_pieces(b, steps)) as (pieces, otherwise):
        with pieces:
            limits = _all(1 - Z_RANGE, size), _all(Z_RANGE - 1, size)
            joined = ir.Constant(_NARROW, [0] * NIBBLE)
            for number, z in enumerate(vectors):
                inside = b.trunc(within(b, z, *limits), narrow)
                inside = b.shuffle_vector(inside, inside, _places(k % size for k in range(NIBBLE)))
                own = (k + NIBBLE * (k // size == number) for k in range(NIBBLE))
                joined = b.shuffle_vector(joined, inside, _places(own))
            found = _by_pieces(b, _load_pieces(b, steps), joined)
            for number, result in enumerate(results):
                own = (size * number + k for k in range(size))
                b.store(b.shuffle_vector(found, found, _places(own)), result)
        with otherwise:
            for z, result in zip(vectors, results, strict=True):
                b.store(b.trunc(_by_steps(b, steps, b.add(z, _all(Z_RANGE, size))), narrow), result)
    return [b.load(result) for result in results]


def _places(numbers: Iterable[int]) -> Any:
    listed = list(numbers)
    return ir.Constant(ir.VectorType(I32, len(listed)), listed)


def _has_pieces(b: Any, steps: Any) -> Any:
    """Return whether the table is of straight pieces, and this processor looks them up in registers."""
    first = load(b, steps, I32, 4, I64(PIECES_AT))
    return b.and_(has_wide_vectors(b), b.icmp_signed("!=", first, I32(0)))


def _load_pieces(b: Any, steps: Any) -> list[list[Any]]:
    """Return the values and the rises of all pieces, each as two vectors."""
    return [
        [load(b, steps, _NARROW, 4, I64(PIECES_AT + 64 * (2 * table + half))) for half in range(2)]
        for table in range(2)
    ]


def _by_pieces(b: Any, pieces: list[list[Any]], z: Any) -> Any:
    """Return the logistic function times 2**22 of 16 int32 in 2**-22, by straight pieces.

    The table is of z >= 0; below, the function is mirrored. As the last piece is level, it does not matter
    where in it, or beyond, z is: callers may limit distances, so that products keep to 32 bits.
    """

    def number(value: int) -> Any:
        return _in_narrow(value, NIBBLE)

    negative = b.icmp_signed("<", z, number(0))
    away = b.select(negative, b.neg(z), z)
    away = b.select(b.icmp_signed("<", away, number(Z_RANGE - 1)), away, number(Z_RANGE - 1))
    piece = b.lshr(away, number(PIECE_BITS))
    value, rise = (permuted(b, table, piece) for table in pieces)
    # rise * part in 2**-17, rounded down, or up where z is negative, in two products of 15 bits.
    rise, part = b.and_(rise, number(MOST_RISE)), b.and_(away, number((1 << PIECE_BITS) - 1))
    upper = b.mul(rise, b.lshr(part, number(_LOWER_BITS)))
    lower = b.mul(rise, b.and_(part, number((1 << _LOWER_BITS) - 1)))
    lower = b.add(lower, b.select(negative, number(Z_STEP_MASK), number(0)))
    risen = b.lshr(b.add(upper, b.lshr(lower, number(_LOWER_BITS))), number(Z_STEP_BITS - _LOWER_BITS))
    found = b.add(value, risen)
    return b.select(negative, b.sub(number(1 << LOGISTIC_BITS), found), found)


def _by_steps(b: Any, steps: Any, z: Any) -> Any:
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
