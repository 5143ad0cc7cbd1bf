"""LLVM code of :mod:`pixcodec.network.inputs`; imported where numba compiles.

Neighbours that follow each other in the canvas are read as vectors. The last of a run of neighbours may hold
subpixels beyond it: what is written of these, the next vector overwrites.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pixcodec.network.architecture import (
    COARSE_SCALE,
    FINE_MAX,
    FINE_NEIGHBOURS,
    FINE_SCALE,
    NEIGHBOURS,
    PAD_VALUE,
)
from pixcodec.network.llvm_code import I32, I64, load, store, within

_SHORT, _LONG = 4, 8  # elements of vectors
_PIXEL = ir.VectorType(I32, _SHORT)


def _runs() -> list[tuple[int, int, int]]:
    """Return (dy, dx, how many) of neighbours that are side by side, from left to right."""
    runs: list[tuple[int, int, int]] = []
    for dy, dx in NEIGHBOURS:
        if runs and (dy, dx) == (runs[-1][0], runs[-1][1] + runs[-1][2]):
            runs[-1] = *runs[-1][:2], runs[-1][2] + 1
        else:
            runs.append((dy, dx, 1))
    return runs


def _all(value: int, count: int = _SHORT) -> Any:
    return ir.Constant(ir.VectorType(I32, count), [value] * count)


def _write_inputs(channels: int) -> Any:
    """Return the kernel that writes the base and the inputs of one pixel, of a canvas of so many channels."""

    @intrinsic
    def write_inputs(typing_context: Any, pixel: Any, row_bytes: Any, base: Any, inputs: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
            pixel, row_bytes, base, inputs = arguments

            def at(dy: int, subpixel: int, kind: Any) -> Any:
                """Return the subpixels of a row from one on, counted from this pixel's first."""
                there = b.add(pixel, b.mul(row_bytes, I64(dy)))
                return load(b, there, kind, 4, I64(4 * subpixel))

            def write(values: Any, k: int) -> None:
                narrow = ir.VectorType(ir.IntType(16), values.type.count)
                store(b, b.trunc(values, narrow), inputs, 2, I64(2 * k))

            west, north, northwest = (
                at(dy, channels * dx, _PIXEL) for dy, dx in ((0, -1), (-1, 0), (-1, -1))
            )
            falling = b.icmp_signed("<", west, north)
            low, high = b.select(falling, west, north), b.select(falling, north, west)
            center = within(b, b.sub(b.add(west, north), northwest), low, high)
            store(b, center, base, 4)
            k = 0
            for dy, dx, count in _runs():
                left, subpixel = channels * count, channels * dx
                while left > 0:
                    size = _LONG if left > _SHORT and dy < 0 else _SHORT
                    differences = b.sub(
                        at(dy, subpixel, ir.VectorType(I32, size)), _repeated(b, center, k, size)
                    )
                    write(b.mul(differences, _all(COARSE_SCALE, size)), k)
                    done = min(size, left)
                    k, left, subpixel = k + done, left - done, subpixel + done
            for dy, dx in FINE_NEIGHBOURS:
                differences = b.mul(b.sub(at(dy, channels * dx, _PIXEL), center), _all(FINE_SCALE))
                write(within(b, differences, _all(-FINE_MAX), _all(FINE_MAX)), k)
                k += channels
            write(b.sub(center, _all(PAD_VALUE)), k)
            if channels == 3:
                one, other = (b.shuffle_vector(center, center, ir.Constant(_PIXEL, list(o))) for o in _CHROMA)
                write(b.mul(b.sub(one, other), _all(COARSE_SCALE)), k + channels)
            return context.get_dummy_value()

        def _repeated(b: Any, center: Any, k: int, size: int) -> Any:
            order = [(k + i) % channels for i in range(size)]
            return b.shuffle_vector(center, center, ir.Constant(ir.VectorType(I32, size), order))

        return types.void(*[types.int64] * 4), generate

    return write_inputs


_CHROMA = (0, 2, 3, 3), (1, 1, 3, 3)  # red and blue less green, and two zeros
write_inputs_grey, write_inputs_rgb = _write_inputs(1), _write_inputs(3)
