"""How kernels are compiled, and how a kernel of several kinds of tiles is chosen by type.

Kernels are functions that numba compiles: integers (or float64 in a fixed order), without the interpreter's
lock. A kernel that Python calls is an entry point: it takes structs and integers, and its machine code comes
from the library that is installed with the package (:mod:`pixcodec.network.native`). Where there is none,
numba compiles it and keeps it on the disk. All other kernels are compiled into their callers. numba is only
imported where it compiles.

An *operation* is a kernel that each kind of stage implements in its own way, a kind being a class of named
tuples, which kernels take as structs (:mod:`pixcodec.network.structs`). numba chooses the implementation when
it compiles a caller, so a choice costs nothing at run time.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from importlib import import_module
from inspect import signature
from tempfile import gettempdir
from typing import Any, ClassVar

from pixcodec.errors import MissingCompilerError
from pixcodec.network import native
from pixcodec.network.structs import Layout, Struct

Function = Callable[..., Any]

_pending: list[Callable[[Any], None]] = []  # what numba is to be told before it compiles


class Kernel:
    """A function that is compiled into the kernels that call it; Python may call it, too, which tests do."""

    def __init__(self, function: Function, **options: Any) -> None:
        self.function, self._options = function, options

    @cached_property
    def dispatcher(self) -> Any:
        """The function as numba calls it."""
        return tell_compiler().compiled(self.function, **self._options)

    @property
    def _numba_type_(self) -> Any:
        return self.dispatcher._numba_type_

    def __call__(self, *arguments: Any) -> Any:
        """Compile it for such arguments, if need be, and call it."""
        tell_compiler()
        return self.dispatcher(*arguments)


def kernel(function: Function) -> Any:
    """Compile a function that other kernels call."""
    return Kernel(function)


def inlined(function: Function) -> Any:
    """Compile a function into each of its callers: a call passes an array by ten fields, which takes time."""
    return Kernel(function, forceinline=True)


def shared(function: Function) -> Function:
    """Let kernels call a function that Python runs itself."""
    _pending.append(lambda compiler: compiler.register_shared(function))
    return function


class Intrinsic:
    """A call in a kernel that stands for code of LLVM."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    @cached_property
    def _numba_type_(self) -> Any:
        return tell_compiler().intrinsic_type(getattr(import_module(self._module), self._name))


def generated(module: str, name: str) -> Any:
    """Return what a kernel calls for an intrinsic of numba, whose module is imported once numba compiles."""
    return Intrinsic(module, name)


class EntryPoint:
    """A kernel that Python calls: its parameters are structs, then integers of 64 bits.

    It returns an integer or nothing.
    """

    options: ClassVar[dict[str, Any]] = {"cache": True}  # of numba

    def __init__(self, function: Function, name: str) -> None:
        self.function, self.name = function, name

    def symbol(self, layouts: tuple[Layout, ...]) -> str:
        """Return the name of the machine code for structs of these layouts."""
        text = "\0".join([self.name, *(layout.signature for layout in layouts)])
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return f"{self.name.rpartition('.')[2]}_{digest}"

    def integers(self, layouts: tuple[Layout, ...]) -> int:
        """Return how many integers it takes beside such structs."""
        return len(signature(self.function).parameters) - len(layouts)

    def bind(self, *structs: Struct) -> Callable[..., Any]:
        """Return what remains to be called with the integers.

        Raises
        ------
        MissingCompilerError
            If there is no machine code for it, and numba is not installed.
        """
        layouts = tuple(struct.layout for struct in structs)
        function = native.find(self.symbol(layouts), len(signature(self.function).parameters))
        if function is None:
            dispatcher, compile_now = self._dispatcher, tell_compiler().compile_now
            with one_at_a_time():
                compile_now(dispatcher, layouts, self.integers(layouts))
            return lambda *integers: dispatcher(*structs, *integers)
        addresses = tuple(ctypes.c_int64(struct.address) for struct in structs)  # converted once
        failed = native.FAILED

        def call(*integers: int, _keep_alive: tuple[Struct, ...] = structs) -> Any:
            answer = function(*addresses, *integers)
            if answer == failed:
                raise ArithmeticError(f"{self.name} failed: a division by 0")
            return answer

        return call

    def bind_all(self, *arguments: Any) -> Callable[[], int]:
        """Return a call with these structs and integers, for kernels that take little time.

        It returns a number below 0 if the kernel failed.

        Raises
        ------
        MissingCompilerError
            As :meth:`bind`.
        """
        structs = [argument for argument in arguments if isinstance(argument, Struct)]
        layouts = tuple(struct.layout for struct in structs)
        function = native.find(self.symbol(layouts), len(arguments))
        if function is None:
            return partial(self.bind(*structs), *arguments[len(structs) :])
        numbers = [a.address if isinstance(a, Struct) else a for a in arguments]
        return _Bound(function, *map(ctypes.c_int64, numbers), structs=structs)

    @cached_property
    def _dispatcher(self) -> Any:
        # numba's cache looks at the file of an entry point alone, and its index is named after the function.
        # So the name gets a hash of the sources of all kernels: if one changes, it is compiled anew.
        self.function.__qualname__ = f"{self.name}_{native.sources_digest():x}"
        return tell_compiler().compiled(self.function, **self.options)


class _Bound(partial[int]):
    """A call of machine code that keeps its structs alive."""

    structs: list[Struct]

    def __new__(cls, function: Any, *arguments: Any, structs: list[Struct]) -> _Bound:
        bound = super().__new__(cls, function, *arguments)
        bound.structs = structs
        return bound


def entry_point(function: Function, name: str = "") -> EntryPoint:
    """Make a function an entry point; ``name`` stands in for its own, where several are made of one."""
    return EntryPoint(function, name or f"{function.__module__}.{function.__qualname__}")


def tell_compiler() -> Any:
    """Return the module that knows numba, after telling it of all operations so far.

    Raises
    ------
    MissingCompilerError
        If numba is not installed.
    """
    try:
        from pixcodec.network import compiling
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"numba", "llvmlite"}:
            raise
        raise MissingCompilerError(
            f"{native.reason()}, and numba, which could compile it, is not installed: "
            "pip install 'pixcodec[compile]'"
        ) from error
    while _pending:
        _pending.pop(0)(compiling)
    return compiling


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one process of a user compile for a cache at a time: those that waited find the kernels there.

    Where there are no such locks, or the folder of temporary files is read-only, nobody waits.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    cache = os.environ.get("NUMBA_CACHE_DIR") or __file__  # without a folder, it lies beside the sources
    name = hashlib.blake2b(os.fsencode(cache), digest_size=8).hexdigest()
    try:
        import fcntl

        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        lock = os.open(os.path.join(gettempdir(), f"pixcodec-compile-{user}-{name}.lock"), flags, 0o600)
    except (ImportError, OSError):
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)  # which releases it


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
        _pending.append(lambda compiler: compiler.register(operation, kind, function))
        return function

    return register
