"""Code of LLVM that reads and writes the rows of a wave (:mod:`pixcodec.network.wavefront`)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _lane_pointer(builder: Any, rows: Any, lane: Any) -> Any:
    word = ir.IntType(64)
    return builder.gep(builder.inttoptr(rows, word.as_pointer()), [lane])


@intrinsic
def row_at(typing_context: Any, rows: Any, lane: Any) -> Any:
    """Return the row of a lane; ``rows`` is the address in the wave."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_lane_pointer(builder, *arguments))

    return types.int64(types.int64, types.int64), generate


@intrinsic
def set_row(typing_context: Any, rows: Any, lane: Any, row: Any) -> Any:
    """Set the row of a lane; ``rows`` is the address in the wave."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, lane, row = arguments
        builder.store(row, _lane_pointer(builder, address, lane))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate
