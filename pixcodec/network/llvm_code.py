"""Vector arithmetic in LLVM code, for the modules that write such code; imported where numba compiles.

``b`` is a builder; addresses are int64.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

I32, I64 = ir.IntType(32), ir.IntType(64)


def load(b: Any, address: Any, kind: Any, align: int, offset: Any = None) -> Any:
    """Return a value of this type from an address, a multiple of ``align``, plus ``offset``."""
    if offset is not None:
        address = b.add(address, offset)
    value = b.load(b.inttoptr(address, kind.as_pointer()))
    value.align = align
    return value


def store(b: Any, value: Any, address: Any, align: int, offset: Any = None) -> None:
    """Write a value to an address, a multiple of ``align``, plus ``offset``."""
    if offset is not None:
        address = b.add(address, offset)
    b.store(value, b.inttoptr(address, value.type.as_pointer())).align = align


def in_all(b: Any, value: Any, vector: Any) -> Any:
    """Return a vector of this type all of whose elements are a value."""
    nothing = ir.Constant(vector, ir.Undefined)
    one = b.insert_element(nothing, value, I32(0))
    return b.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(I32, vector.count), [0] * vector.count))


def within(b: Any, values: Any, bottom: Any, top: Any) -> Any:
    """Return a vector of integers, none less than those of ``bottom`` nor more than those of ``top``."""
    values = b.select(b.icmp_signed("<", values, bottom), bottom, values)
    return b.select(b.icmp_signed(">", values, top), top, values)
