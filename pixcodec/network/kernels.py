"""How kernels are compiled, and how a kernel of several kinds of tiles is chosen by type.

Kernels are functions that numba compiles: integers (or float64 in a fixed order), without the interpreter's
lock. A kernel that Python calls is an entry point, and is cached beside the package; all others are compiled
into their callers.

An *operation* is a kernel that each kind of stage implements in its own way, a kind being a class of named
tuples, which kernels take as structs (:mod:`pixcodec.network.structs`). numba chooses the implementation when
it compiles a caller, so a choice costs nothing at run time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from inspect import signature
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from numba import njit
from numba.extending import overload

from pixcodec.network.structs import StructType

Function = Callable[..., Any]

_OPTIONS = {"nogil": True, "_nrt": False}  # no interpreter's lock; no allocation, and so no reference counts

PROFILING = bool(os.environ.get("PIXCODEC_PROFILE"))  # see pixcodec.network.profiling
ROOMS = ("network", "mixing", "coding", "jpeg")  # where the kernels are


def kernel(function: Function) -> Any:
    """Compile a function that other kernels call."""
    return njit(**_OPTIONS)(function)


def inlined(function: Function) -> Any:
    """Compile a function into each of its callers: a call passes an array by ten fields, which takes time."""
    return njit(**_OPTIONS, forceinline=True)(function)


def entry_point(function: Function, name: str = "") -> Any:
    """Compile a function that Python calls, and keep it on the disk.

    numba's cache looks at the file of an entry point alone, and its index is named after the function. So the
    name gets a hash of the sources of all kernels: if one changes, in any file, it is compiled anew.
    ``name`` stands in for the function's own, where several are made of one.
    """
    function.__qualname__ = f"{name or function.__qualname__}_{sources_digest():x}"
    return njit(**_OPTIONS, cache=True)(function)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one process of a user compile at a time: those that waited find the kernels in the cache.

    Where there are no such locks, or the folder of temporary files is read-only, nobody waits.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    try:
        import fcntl

        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        lock = os.open(os.path.join(gettempdir(), f"pixcodec-compile-{user}.lock"), flags, 0o600)
    except (ImportError, OSError):
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)  # which releases it


@cache
def sources_digest() -> int:
    """Return a hash of the source of all kernels, 60 bits."""
    package = Path(__file__).parent.parent
    digest = hashlib.blake2b(bytes([PROFILING]), digest_size=8)
    for room in ROOMS:
        for path in sorted(package.joinpath(room).glob("*.py")):
            digest.update(path.read_bytes())
    return int.from_bytes(digest.digest(), "little") >> 4


def implements(operation: Function, kind: type) -> Callable[[Function], Any]:
    """Make a kernel the implementation of ``operation`` for the named tuples ``kind``.

    Parameters
    ----------
    operation : function
        Called by kernels; of one parameter, the stage, or of three: stage, buffer and where to begin in it.
    kind : type
        A class of typing.NamedTuple.
    """

    def register(function: Function) -> Function:
        def is_kind(stage: Any) -> bool:
            return isinstance(stage, StructType) and stage.is_of(kind)

        # numba compares the names of parameters and their annotations with those of the implementation.
        if len(signature(operation).parameters) == 1:

            def choose(stage):  # type: ignore[no-untyped-def]
                return function if is_kind(stage) else None

        else:

            def choose(stage, buffer, start):  # type: ignore[no-untyped-def, misc]
                return function if is_kind(stage) else None

        overload(operation, inline="always", strict=False)(choose)
        return function

    return register
