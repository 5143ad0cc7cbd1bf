"""Named tuples of arrays as one argument of a kernel.

numba passes a named tuple field by field, and an array as seven values: a tile has a hundred arrays, so that
calls would take long to compile and to make. :func:`struct_of` lays addresses, shapes and numbers of a named
tuple out in memory, and gives the kernel one pointer. There, ``s.field`` reads the field: an array, a number,
or the struct of a nested named tuple. Fields are not assigned to; what changes are the elements of arrays.

Take arrays out of structs before a loop: inside, they would be read again at every pass.
"""

from __future__ import annotations

from operator import index
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    unbox,
)
from numba.np.arrayobj import make_array, populate_array

_WORD = ir.IntType(64)


class _Field(NamedTuple):
    type: Any  # of numba
    word: int  # where it begins in the struct, in words of eight bytes


class StructType(types.Type):  # type: ignore[misc]  # numba is not typed
    """The type of a struct: the class of named tuples, and the types and places of its fields.

    It knows the class by its name only. Types are in numba's cache on the disk, which is of no use to a later
    version where a class has moved, but must not be an error there.
    """

    def __init__(self, kind: type, fields: dict[str, _Field]) -> None:
        self._kind, self.fields = _name_of(kind), fields
        inside = ", ".join(f"{name}={field.type}" for name, field in fields.items())
        super().__init__(f"{self._kind}({inside})")

    def is_of(self, kind: type) -> bool:
        """Return whether the named tuples are of this class."""
        return self._kind == _name_of(kind)


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class Struct:
    """A named tuple in the form that kernels take; it keeps the arrays alive."""

    __slots__ = ("_numba_type_", "address", "source", "words")

    def __init__(self, source: Any, words: Any, type_: StructType) -> None:
        self.source, self.words, self._numba_type_ = source, words, type_
        self.address = words.ctypes.data


def struct_of(source: Any) -> Struct:
    """Return a named tuple of C-contiguous arrays, numbers and such tuples as a struct.

    Numbers are integers of 64 bits or float; :class:`TypeError` if there is anything else.
    """
    words: list[int] = []
    type_ = _lay_out(source, words)
    return Struct(source, np.array(words, np.uint64), type_)


def _lay_out(source: Any, words: list[int]) -> StructType:
    """Append the words of a named tuple; return its type, whose fields count from its first word."""
    fields, start = {}, len(words)
    for name, value in zip(source._fields, source, strict=True):
        word = len(words) - start
        if isinstance(value, np.ndarray):
            assert value.flags.c_contiguous, name
            kind = typeof(value)
            fields[name] = _Field(types.Array(kind.dtype, kind.ndim, "C"), word)
            words += [value.ctypes.data, *value.shape]
        elif isinstance(value, tuple):
            fields[name] = _Field(_lay_out(value, words), word)
        elif isinstance(value, float):
            fields[name] = _Field(types.float64, word)
            words.append(int(np.float64(value).view(np.uint64)))
        else:
            fields[name] = _Field(types.int64, word)
            words.append(index(value) & (2**64 - 1))
    return StructType(type(source), fields)


register_model(StructType)(models.OpaqueModel)


@infer_getattr
class _StructAttribute(AttributeTemplate):  # type: ignore[misc]
    key = StructType

    def generic_resolve(self, struct: StructType, name: str) -> Any:
        field = struct.fields.get(name)
        return field.type if field else None


@lower_getattr_generic(StructType)
def _read_field(context: Any, builder: Any, struct: StructType, value: Any, name: str) -> Any:
    field = struct.fields[name]
    base = builder.bitcast(value, _WORD.as_pointer())

    def place(k: int) -> Any:
        return builder.gep(base, [ir.Constant(ir.IntType(32), field.word + k)])

    if isinstance(field.type, StructType):
        return builder.bitcast(place(0), cgutils.voidptr_t)
    if field.type == types.float64:
        return builder.load(builder.bitcast(place(0), ir.DoubleType().as_pointer()))
    if not isinstance(field.type, types.Array):
        return builder.load(place(0))
    array = make_array(field.type)(context, builder)
    data_type = context.get_data_type(field.type.dtype)
    itemsize = ir.Constant(_WORD, context.get_abi_sizeof(data_type))
    shape = [builder.load(place(1 + k)) for k in range(field.type.ndim)]
    strides: list[Any] = []
    step = itemsize
    for length in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, length)
    data = builder.inttoptr(builder.load(place(0)), data_type.as_pointer())
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()


@unbox(StructType)
def _unbox_struct(struct: StructType, object_: Any, c: Any) -> Any:
    number = c.pyapi.object_getattr_string(object_, "address")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(address)
