"""LLVM code of what threads say to each other through memory (:mod:`pixcodec.coding.team`)."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pixcodec.network.llvm_code import I64

_SIZE_BYTES = 8


def _pointer(b: Any, address: Any) -> Any:
    return b.inttoptr(address, I64.as_pointer())


@intrinsic
def load_acquire(typing_context: Any, address: Any) -> Any:
    """Return the int64 at an address; what its writer wrote before is seen by what is read afterwards."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.load_atomic(_pointer(b, arguments[0]), "acquire", _SIZE_BYTES)

    return types.int64(types.int64), generate


@intrinsic
def store_release(typing_context: Any, address: Any, value: Any) -> Any:
    """Write an int64; who reads it sees what was written before."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        b.store_atomic(arguments[1], _pointer(b, arguments[0]), "release", _SIZE_BYTES)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add_release(typing_context: Any, address: Any, value: Any) -> Any:
    """Add to an int64, in one step; who reads it sees what was written before."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        return b.atomic_rmw("add", _pointer(b, arguments[0]), arguments[1], "release")

    return types.int64(types.int64, types.int64), generate


@intrinsic
def replace(typing_context: Any, address: Any, expected: Any, value: Any) -> Any:
    """Write ``value`` if there is ``expected``, in one step; return whether there was."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        address, old, new = arguments
        done = b.cmpxchg(_pointer(b, address), old, new, "acq_rel", "acquire")
        return b.zext(b.extract_value(done, 1), I64)

    return types.int64(*[types.int64] * 3), generate


@intrinsic
def pause(typing_context: Any) -> Any:
    """Let the processor rest for a moment, where a thread waits for another in a loop."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        if platform.machine() in ("x86_64", "AMD64"):
            name = "llvm.x86.sse2.pause"
            function = b.module.globals.get(name)
            b.call(function or ir.Function(b.module, ir.FunctionType(ir.VoidType(), []), name), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def give_way(typing_context: Any) -> Any:
    """Let another thread run on this processor, where the system's C library can do that by a plain call."""

    def generate(context: Any, b: Any, signature: Any, arguments: Any) -> Any:
        if platform.system() in ("Linux", "Darwin"):
            name = "sched_yield"
            function = b.module.globals.get(name)
            b.call(function or ir.Function(b.module, ir.FunctionType(ir.IntType(32), []), name), [])
        return context.get_dummy_value()

    return types.void(), generate
