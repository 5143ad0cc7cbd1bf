"""Named tuples of arrays as one argument of a kernel.

A tile has a hundred arrays, which a kernel cannot take one by one. :func:`struct_of` lays addresses, shapes
and numbers of a named tuple out in memory, and gives the kernel one pointer. In a kernel, ``s.field`` reads
the field: an array, a number, or the struct of a nested named tuple. Fields are not assigned to; what changes
are the elements of arrays. :mod:`pixcodec.network.compiling` is numba's side of it.

Take arrays out of structs before a loop: inside, they would be read again at every pass.
"""

from __future__ import annotations

from functools import lru_cache
from operator import index
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

INTEGER, FLOAT = np.dtype(np.int64), np.dtype(np.float64)


class Field(NamedTuple):
    """Where a field of a struct lies, and what it is."""

    name: str
    word: int  # where it begins in the struct, in words of eight bytes
    dtype: Any  # of the array's elements or of the number; None of a nested struct
    dimensions: int  # of an array; 0 of a number
    inside: Layout | None  # of a nested struct


class Layout(NamedTuple):
    """The places and types of a struct's fields: structs of one layout are taken by the same machine code."""

    kind: str  # the class of named tuples by its full name
    fields: tuple[Field, ...]
    signature: str  # all of it as text


class Struct:
    """A named tuple in the form that kernels take; it keeps the arrays alive."""

    __slots__ = ("address", "layout", "source", "type", "words")

    def __init__(self, source: Any, words: npt.NDArray[np.uint64], layout: Layout) -> None:
        self.source, self.words, self.layout = source, words, layout
        self.address = words.ctypes.data
        self.type: Any = None  # numba's, once it is asked for


def name_of(kind: type) -> str:
    """Return the name of a class of named tuples in a layout."""
    return f"{kind.__module__}.{kind.__qualname__}"


def struct_of(source: Any) -> Struct:
    """Return a named tuple of C-contiguous arrays, numbers and such tuples as a struct.

    Numbers are integers of 64 bits or float; :class:`TypeError` if there is anything else.
    """
    words: list[int] = []
    layout = _lay_out(source, words)
    return Struct(source, np.array(words, np.uint64), layout)


def _lay_out(source: Any, words: list[int]) -> Layout:
    """Append the words of a named tuple; return its layout, whose fields count from its first word."""
    fields, start = [], len(words)
    for name, value in zip(source._fields, source, strict=True):
        word = len(words) - start
        if isinstance(value, np.ndarray):
            assert value.flags.c_contiguous, name
            fields.append(Field(name, word, value.dtype, value.ndim, None))
            words += [value.__array_interface__["data"][0], *value.shape]  # value.ctypes is slow
        elif isinstance(value, tuple):
            fields.append(Field(name, word, None, 0, _lay_out(value, words)))
        elif isinstance(value, float):
            fields.append(Field(name, word, FLOAT, 0, None))
            words.append(int(np.float64(value).view(np.uint64)))
        else:
            fields.append(Field(name, word, INTEGER, 0, None))
            words.append(index(value) & (2**64 - 1))
    return _layout(name_of(type(source)), tuple(fields))


@lru_cache(1024)
def _layout(kind: str, fields: tuple[Field, ...]) -> Layout:
    """Return a layout, the same object for the same fields: most stages have one of a few layouts."""
    parts = (
        f"{f.name}={f.inside.signature if f.inside else f'{f.dtype.descr}[{f.dimensions}]'}" for f in fields
    )
    return Layout(kind, fields, f"{kind}({', '.join(parts)})")
