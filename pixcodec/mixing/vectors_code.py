"""LLVM code of :mod:`pixcodec.mixing.vectors`, in plain vector arithmetic; imported where numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pixcodec.mixing.vectors import WIDTH

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_I32, WIDTH)
_SIZE_BYTES = 4 * WIDTH


def _load(b: Any, address: Any) -> Any:
    value = b.load(b.inttoptr(address, _VECTOR.as_pointer()))
    value.align = 4
    return value


def _all(number: int) -> Any:
    return ir.Constant(_VECTOR, [number] * WIDTH)


def _in_all(b: Any, value: Any) -> Any:
    """Return a vector of one int64, cut to 32 bits."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = b.insert_element(nothing, b.trunc(value, _I32), _I32(0))
    return b.shuffle_vector(one, nothing, ir.Constant(_VECTOR, [0] * WIDTH))


def _sum_of(b: Any, vector: Any) -> Any:
    """Return the sum of a vector's numbers as int64."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    distance = WIDTH // 2
    while distance:
        places = [k + distance if k < distance else k for k in range(WIDTH)]
        vector = b.add(vector, b.shuffle_vector(vector, nothing, ir.Constant(_VECTOR, places)))
        distance //= 2
    return b.sext(b.extract_element(vector, _I32(0)), _I64)


def _emit_loop(b: Any, count: Any, body: Any, initial: Any = None) -> Any:
    """Emit ``body(offset in bytes, carried)`` for so many vectors, at least one; return what is carried."""
    before, loop, after = b.block, b.append_basic_block("vector"), b.append_basic_block("after")
    b.branch(loop)
    b.position_at_end(loop)
    offset = b.phi(_I64)
    carried = b.phi(_VECTOR) if initial is not None else None
    result = body(offset, carried)
    following = b.add(offset, _I64(_SIZE_BYTES))
    again = b.icmp_signed("<", following, b.mul(count, _I64(_SIZE_BYTES)))
    end = b.block
    b.cbranch(again, loop, after)
    offset.add_incoming(_I64(0), before)
    offset.add_incoming(following, end)
    if carried is not None:
        carried.add_incoming(initial, before)
        carried.add_incoming(result, end)
    b.position_at_end(after)
    return result


@intrinsic
def sum_of_squares(typing_context: Any, inputs: Any, count: Any, shift: Any) -> Any:
    """Return the sum of the squares of the numbers of ``count`` vectors, each moved down by ``shift``."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        address, vectors, bits = arguments
        down = _in_all(b, bits)

        def add(offset: Any, total: Any) -> Any:
            x = _load(b, b.add(address, offset))
            return b.add(total, b.ashr(b.mul(x, x), down))

        return _sum_of(b, _emit_loop(b, vectors, add, _all(0)))

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def dot_product(typing_context: Any, inputs: Any, weights: Any, count: Any, shift: Any) -> Any:
    """Return the sum of ``inputs * (weights >> shift)`` over ``count`` vectors."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        first, second, vectors, bits = arguments
        down = _in_all(b, bits)

        def add(offset: Any, total: Any) -> Any:
            x, w = _load(b, b.add(first, offset)), _load(b, b.add(second, offset))
            return b.add(total, b.mul(x, b.ashr(w, down)))

        return _sum_of(b, _emit_loop(b, vectors, add, _all(0)))

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

        def move(offset: Any, carried: Any) -> None:
            address = b.add(target, offset)
            change = b.ashr(b.add(b.mul(_load(b, b.add(source, offset)), step_of_all), half), down)
            moved = b.add(_load(b, address), change)
            moved = b.select(b.icmp_signed("<", moved, bottom), bottom, moved)
            moved = b.select(b.icmp_signed(">", moved, top), top, moved)
            b.store(moved, b.inttoptr(address, _VECTOR.as_pointer())).align = 4

        _emit_loop(b, vectors, move)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), generate
