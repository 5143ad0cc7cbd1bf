"""What numba needs to know to compile kernels; it is imported only where there is no object code for them.

That is: the types of structs (:mod:`pixcodec.network.structs`) and how their fields are read, which
implementation of an operation a caller gets, and what code an intrinsic stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from inspect import signature
from typing import Any, NamedTuple

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.caching import NullCache
from numba.core.registry import cpu_target
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    overload,
    register_jitable,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import from_dtype

from pixcodec.network.structs import FLOAT, Layout, Struct, name_of

Function = Callable[..., Any]

# Without the interpreter's lock; without allocation, and so without reference counts.
OPTIONS = {"nogil": True, "_nrt": False}

_WORD = ir.IntType(64)


class _Field(NamedTuple):
    type: Any  # of numba
    word: int  # where it begins in the struct, in words of eight bytes


class StructType(types.Type):  # type: ignore[misc]  # numba is not typed
    """The type of a struct: the class of named tuples, and the types and places of its fields.

    It knows the class by its name only. Types are in numba's cache on the disk, which is of no use to a later
    version where a class has moved, but must not be an error there.
    """

    def __init__(self, kind: str, fields: dict[str, _Field]) -> None:
        self._kind, self.fields = kind, fields
        inside = ", ".join(f"{name}={field.type}" for name, field in fields.items())
        super().__init__(f"{kind}({inside})")

    def is_of(self, kind: type) -> bool:
        """Return whether the named tuples are of this class."""
        return self._kind == name_of(kind)


@lru_cache(1024)
def struct_type(layout: Layout) -> StructType:
    """Return the type of structs of this layout."""
    fields = {}
    for field in layout.fields:
        if field.inside is not None:
            kind: Any = struct_type(field.inside)
        elif field.dimensions:
            kind = types.Array(from_dtype(field.dtype), field.dimensions, "C")
        else:
            kind = types.float64 if field.dtype == FLOAT else types.int64
        fields[field.name] = _Field(kind, field.word)
    return StructType(layout.kind, fields)


@typeof_impl.register(Struct)
def _type_of_struct(struct: Struct, context: Any) -> StructType:
    if struct.type is None:
        struct.type = struct_type(struct.layout)
    return struct.type  # type: ignore[no-any-return]


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

    def word(k: int) -> Any:
        # No kernel writes to a struct: what is read once need not be read again after a write to an array.
        loaded = builder.load(place(k))
        loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
        return loaded

    if isinstance(field.type, StructType):
        return builder.bitcast(place(0), cgutils.voidptr_t)
    if field.type == types.float64:
        return builder.load(builder.bitcast(place(0), ir.DoubleType().as_pointer()))
    if not isinstance(field.type, types.Array):
        return word(0)
    array = make_array(field.type)(context, builder)
    data_type = context.get_data_type(field.type.dtype)
    itemsize = ir.Constant(_WORD, context.get_abi_sizeof(data_type))
    shape = [word(1 + k) for k in range(field.type.ndim)]
    strides: list[Any] = []
    step = itemsize
    for length in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, length)
    data = builder.inttoptr(word(0), data_type.as_pointer())
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()


@unbox(StructType)
def _unbox_struct(struct: StructType, object_: Any, c: Any) -> Any:
    number = c.pyapi.object_getattr_string(object_, "address")
    address = c.pyapi.long_as_voidptr(number)
    c.pyapi.decref(number)
    return NativeValue(address)


def compiled(function: Function, **options: Any) -> Any:
    """Return numba's dispatcher of a function."""
    return njit(**OPTIONS, **options)(function)


def register_shared(function: Function) -> None:
    """Let kernels call a function that Python runs itself."""
    register_jitable(function)


def register(operation: Function, kind: type, function: Function) -> None:
    """Make a function the implementation of an operation for stages of a kind."""

    def is_kind(stage: Any) -> bool:
        return isinstance(stage, StructType) and stage.is_of(kind)

    # numba compares the names of parameters and their annotations with those of the implementation.
    if len(signature(operation).parameters) == 1:

        def choose(stage):  # type: ignore[no-untyped-def]
            return function if is_kind(stage) else None

    elif len(signature(operation).parameters) == 2:

        def choose(stage, share):  # type: ignore[no-untyped-def, misc]
            return function if is_kind(stage) else None

    else:

        def choose(stage, buffer, start):  # type: ignore[no-untyped-def, misc]
            return function if is_kind(stage) else None

    overload(operation, inline="always", strict=False)(choose)


def intrinsic_type(intrinsic: Any) -> Any:
    """Return the type of an intrinsic of numba."""
    cpu_target.typing_context.refresh()
    return cpu_target.typing_context.resolve_value_type(intrinsic)


def compile_now(dispatcher: Any, layouts: tuple[Layout, ...], integers: int) -> None:
    """Compile an entry point for structs of these layouts and so many integers, or take it from the cache.

    If numba's cache is damaged, as a full disk may leave it, it is written anew.
    """
    wanted = (*map(struct_type, layouts), *[types.int64] * integers)
    try:
        dispatcher.compile(wanted)
    except Exception:  # pickles raise what they like
        cache = dispatcher._cache
        try:
            cache.flush()
        except OSError:  # the folder cannot be written
            dispatcher._cache = NullCache()
        dispatcher.compile(wanted)
