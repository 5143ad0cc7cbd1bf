"""Vector arithmetic in LLVM code, for the modules that write such code; imported where numba compiles.

``b`` is a builder; addresses are int64.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from pixcodec.network import native

I32, I64 = ir.IntType(32), ir.IntType(64)
NEEDS_WIDE_VECTORS = '"target-features"="+avx512f"'  # an attribute of functions


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


def pairs_of(b: Any, inputs: Any, weights: Any) -> Any:
    """Return, as int32, the sums of the products of neighbouring elements of two vectors of int16."""
    wide = ir.VectorType(I32, inputs.type.count)
    product = b.mul(b.sext(inputs, wide), b.sext(weights, wide))
    nothing, half = ir.Constant(wide, ir.Undefined), ir.VectorType(I32, inputs.type.count // 2)
    even, odd = (ir.Constant(half, list(range(start, inputs.type.count, 2))) for start in (0, 1))
    return b.add(b.shuffle_vector(product, nothing, even), b.shuffle_vector(product, nothing, odd))


def sum_of(b: Any, vector: Any) -> Any:
    """Return the sum of a vector's int32, a power of two of them, as int64."""
    kind = vector.type
    nothing, distance = ir.Constant(kind, ir.Undefined), kind.count // 2
    while distance:
        places = [k + distance if k < distance else k for k in range(kind.count)]
        vector = b.add(vector, b.shuffle_vector(vector, nothing, ir.Constant(kind, places)))
        distance //= 2
    return b.sext(b.extract_element(vector, I32(0)), I64)


def has_wide_vectors(b: Any) -> Any:
    """Return whether the processor has AVX-512 with VNNI: a constant, once code is optimised."""
    answer = b.module.globals.get(native.WIDE_VECTORS)
    if answer is None:
        kind = ir.FunctionType(ir.IntType(1), [])
        answer = ir.Function(b.module, kind, native.WIDE_VECTORS)
        answer.linkage = "linkonce_odr"
        known = ir.Constant(ir.IntType(1), "avx512_vnni" in native.features())
        ir.IRBuilder(answer.append_basic_block()).ret(known)
    return b.call(answer, [])


def permuted(b: Any, halves: list[Any], index: Any) -> Any:
    """Return of two vectors of 16 int32 the elements that a vector of 16 indices names.

    Only what is within a branch of :func:`has_wide_vectors` may call it.
    """
    kind = index.type
    name = "pixcodec_permuted"
    function = b.module.globals.get(name)
    if function is None:
        permutation = ir.FunctionType(kind, [kind] * 3)
        function = ir.Function(b.module, permutation, name)
        function.linkage = "linkonce_odr"
        # It is translated for every processor, also where no caller is left. llvmlite knows few attributes.
        set.add(function.attributes, NEEDS_WIDE_VECTORS)
        inside = ir.IRBuilder(function.append_basic_block())
        instruction = ir.Function(b.module, permutation, "llvm.x86.avx512.vpermi2var.d.512")
        low, which, high = function.args
        inside.ret(inside.call(instruction, [low, which, high]))
    return b.call(function, [halves[0], index, halves[1]])
