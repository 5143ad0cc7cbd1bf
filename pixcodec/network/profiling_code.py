"""LLVM code of :mod:`pixcodec.network.profiling`; imported where numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def clock(typing_context: Any) -> Any:
    """Return the cycle counter of the processor."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [])
        function = builder.module.globals.get("llvm.readcyclecounter")
        return builder.call(function or ir.Function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), generate
