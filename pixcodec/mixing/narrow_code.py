"""LLVM code of :mod:`pixcodec.mixing.narrow`, in plain vector arithmetic; imported where numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pixcodec.mixing.narrow import COLUMNS, ROWS
from pixcodec.mixing.systems import NARROW, SIZE_BYTES
from pixcodec.network.llvm_code import I32, I64, in_all, load, store

_VECTOR = ir.VectorType(ir.FloatType(), NARROW)


def _load(b: Any, address: Any, offset: Any) -> Any:
    return load(b, address, _VECTOR, 4, offset)


def _store(b: Any, value: Any, address: Any, offset: Any) -> None:
    store(b, value, address, 4, offset)


def _used() -> list[tuple[int, int]]:
    """Return row and first column of the vectors of a system, in their order in memory."""
    return [(i, v) for i in range(ROWS) for v in range(i // NARROW * NARROW, COLUMNS, NARROW)]


@intrinsic
def close_block(typing_context: Any, arrays: Any, samples: Any, descend: Any, keep: Any) -> Any:
    """Take the two samples of a block into the sums along the row of pixels.

    ``arrays`` is a tuple of three addresses of systems: R of the block above to the right, R and S. With y
    and z the samples, 24 numbers each, R = (y y^T + z z^T) + descend * (R above); S = R + keep * S.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        places, start, *numbers = arguments
        above, here, along = cgutils.unpack_tuple(b, places)
        down, left = (in_all(b, number, _VECTOR) for number in numbers)
        both = [
            {v: _load(b, start, I64(4 * (k * COLUMNS + v))) for v in range(0, COLUMNS, NARROW)}
            for k in range(2)
        ]
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        for number, (i, v) in enumerate(_used()):
            offset = I64(SIZE_BYTES * number)
            inside = ir.Constant(ir.VectorType(I32, NARROW), [i % NARROW] * NARROW)
            products = [b.fmul(b.shuffle_vector(z[i - i % NARROW], nothing, inside), z[v]) for z in both]
            r = b.fadd(b.fadd(*products), b.fmul(down, _load(b, above, offset)))
            _store(b, r, here, offset)
            _store(b, b.fadd(r, b.fmul(left, _load(b, along, offset))), along, offset)
        return context.get_dummy_value()

    addresses = types.UniTuple(types.int64, 3)
    return types.void(addresses, types.int64, types.float32, types.float32), generate


def _transposed(b: Any, rows: list[Any]) -> list[Any]:
    """Return the columns of eight vectors."""
    distance = 1
    while distance < NARROW:
        kept = [k & ~distance for k in range(NARROW)]
        first = [k if not k & distance else k - distance + NARROW for k in range(NARROW)]
        second = [k + NARROW if k & distance else k + distance for k in range(NARROW)]
        done: list[Any] = [None] * NARROW
        for k in sorted(set(kept)):
            pair = rows[k], rows[k + distance]
            done[k] = b.shuffle_vector(*pair, ir.Constant(ir.VectorType(I32, NARROW), first))
            done[k + distance] = b.shuffle_vector(*pair, ir.Constant(ir.VectorType(I32, NARROW), second))
        rows, distance = done, 2 * distance
    return rows


@intrinsic
def interleave(typing_context: Any, sources: Any, target: Any, ridge: Any) -> Any:
    """Write eight systems side by side, a vector for each number, and add the ridge to their diagonals.

    ``sources`` is the address of their eight addresses.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        places, to, least = arguments
        systems = [load(b, b.add(places, I64(8 * g)), I64, 8) for g in range(NARROW)]
        more = in_all(b, least, _VECTOR)
        for number, (i, v) in enumerate(_used()):
            offset = I64(SIZE_BYTES * number)
            columns = _transposed(b, [_load(b, system, offset) for system in systems])
            for k, column in enumerate(columns):
                value = b.fadd(column, more) if v + k == i else column
                _store(b, value, to, I64(SIZE_BYTES * (i * COLUMNS + v + k)))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float32), generate


@intrinsic
def predict_sample(
    typing_context: Any, pixel: Any, offsets: Any, weights: Any, samples: Any, count: Any, pad: Any
) -> Any:
    """Write ``count`` neighbours of a pixel, less ``pad``, as samples; return the sum of weights * samples.

    ``pixel`` is the address of its first subpixel, an int32; ``offsets`` that of int64 distances in bytes.
    """

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        center, where, by, to, number, less = arguments
        single = ir.FloatType()
        total = cgutils.alloca_once_value(b, ir.Constant(single, 0.0))
        with cgutils.for_range(b, number) as loop:
            distance = load(b, b.add(where, b.mul(loop.index, I64(8))), I64, 8)
            value = b.sub(load(b, b.add(center, distance), I32, 4), b.trunc(less, I32))
            sample, offset = b.sitofp(value, single), b.mul(loop.index, I64(4))
            store(b, sample, b.add(to, offset), 4)
            product = b.fmul(load(b, b.add(by, offset), single, 4), sample)
            b.store(b.fadd(b.load(total), product), total)
        return b.load(total)

    return types.float32(*[types.int64] * 6), generate
