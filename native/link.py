"""Object files of x86-64 -> a shared library of Linux: a linker, as there may be none where a wheel is built.

What LLVM emits for kernels is simple: code and constants that refer to each other relative to their own
addresses, some addresses in constants, and calls of memset and its like, which the C library of the process
has. The library has two segments: code and constants, then what holds addresses. Names of sections and of
kinds of relocations are those of the System V ABI for AMD64.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_PAGE = 0x1000
_ALLOCATED, _WRITABLE = 2, 1  # flags of sections
_PROGRAM, _SYMBOLS, _RELOCATIONS, _ZEROS = 1, 2, 4, 8  # types of sections
_ABSOLUTE, _RELATIVE_32, _CALL, _FROM_GOT = 1, 2, 4, (9, 41, 42)
_GLOB_DAT, _RELATIVE = 6, 8  # relocations that the loader makes
_STUB_SIZE = 8
_HEADERS_SIZE = 64 + 4 * 56


@dataclass
class _Section:
    data: bytearray
    alignment: int
    writable: bool
    address: int = 0
    relocations: list[tuple[int, int, object, int]] = field(
        default_factory=list
    )  # where, kind, symbol, addend


@dataclass
class _Symbol:
    name: str
    section: _Section | None
    value: int
    exported: bool

    @property
    def address(self) -> int:
        assert self.section is not None
        return self.section.address + self.value


def link(objects: list[bytes]) -> bytes:
    """Return the shared library of some object files; what is global in them it exports.

    Raises
    ------
    ValueError
        If an object file holds what this linker does not know.
    """
    sections: list[_Section] = []
    symbols: list[_Symbol] = []
    for data in objects:
        _read(data, sections, symbols)
    exported = {symbol.name: symbol for symbol in symbols if symbol.exported and symbol.section}
    for section in sections:
        for k, (where, kind, symbol, addend) in enumerate(section.relocations):
            assert isinstance(symbol, _Symbol)
            section.relocations[k] = where, kind, exported.get(symbol.name, symbol), addend
    return _Library(sections, exported).file()


def _read(data: bytes, sections: list[_Section], symbols: list[_Symbol]) -> None:
    """Append the sections and symbols of an object file that are part of the library."""
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", data, 16) != (1, 62):
        raise ValueError("no object file of x86-64")
    (table,), (count,) = struct.unpack_from("<Q", data, 40), struct.unpack_from("<H", data, 60)
    headers = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * k) for k in range(count)]
    names = headers[struct.unpack_from("<H", data, 62)[0]]
    taken: dict[int, _Section] = {}
    for k, (name, kind, flags, _, start, size, _, _, alignment, _) in enumerate(headers):
        if kind not in (_PROGRAM, _ZEROS) or not flags & _ALLOCATED or not size:
            continue
        if _text(data, names[4] + name) == ".eh_frame":
            continue  # nothing unwinds the stack of kernels
        content = bytearray(size) if kind == _ZEROS else bytearray(data[start : start + size])
        taken[k] = _Section(content, alignment, bool(flags & _WRITABLE))
    sections += taken.values()
    (symtab,) = (header for header in headers if header[1] == _SYMBOLS)
    strings = headers[symtab[6]][4]
    found = []
    for at in range(symtab[4], symtab[4] + symtab[5], 24):
        name, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", data, at)
        exported = info >> 4 != 0
        found.append(
            _Symbol(_text(data, strings + name) if exported else "", taken.get(section), value, exported)
        )
    symbols += found
    for _, kind, _, _, start, size, _, target, _, _ in headers:
        if kind == _RELOCATIONS and target in taken:
            for at in range(start, start + size, 24):
                where, info, addend = struct.unpack_from("<QQq", data, at)
                taken[target].relocations.append((where, info & 0xFFFFFFFF, found[info >> 32], addend))


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()


class _Library:
    """The library of some sections; symbols without a section are other libraries'."""

    def __init__(self, sections: list[_Section], exported: dict[str, _Symbol]) -> None:
        self._exported = exported
        relocations = [entry for section in sections for entry in section.relocations]
        used = {id(symbol): symbol for _, _, symbol, _ in relocations}
        self._outside = sorted({s.name for s in used.values() if not s.section})  # type: ignore[attr-defined]
        self._got: dict[object, int] = {}  # symbols or names -> number of the entry
        for name in self._outside:
            self._got[name] = len(self._got)
        for _, kind, symbol, _ in relocations:
            assert isinstance(symbol, _Symbol)
            if kind in _FROM_GOT and symbol.section:
                self._got.setdefault(id(symbol), len(self._got))
        self._addresses = sum(kind == _ABSOLUTE for _, kind, _, _ in relocations)
        self._symbols = used
        self._stubs = _Section(bytearray(_STUB_SIZE * len(self._outside)), 16, writable=False)
        self._table = _Section(bytearray(8 * len(self._got)), 8, writable=True)
        self._dynamic = _Section(bytearray(16 * 9), 8, writable=True)
        self._constant = [s for s in sections if not s.writable] + [self._stubs]
        self._variable = [s for s in sections if s.writable] + [self._table, self._dynamic]

    def file(self) -> bytes:
        """Return the file."""
        tables = self._tables_of_names()
        starts, at = {}, _HEADERS_SIZE
        loaded = bytearray(24 * (self._addresses + len(self._got)))
        for name, table in (*tables.items(), ("relocations", loaded)):
            starts[name] = at = -(-at // 8) * 8
            at += len(table)
        middle = self._place(self._constant, at)
        second = -(-middle // _PAGE) * _PAGE
        end = self._place(self._variable, second)
        out = bytearray(end)
        tables = self._tables_of_names()  # now that addresses are known
        loaded[:] = self._relocate()
        self._write_dynamic(starts, len(tables["strings"]), len(loaded))
        for name, table in (*tables.items(), ("relocations", loaded)):
            out[starts[name] : starts[name] + len(table)] = table
        for section in (*self._constant, *self._variable):
            out[section.address : section.address + len(section.data)] = section.data
        header = struct.pack(
            "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0
        )
        dynamic = self._dynamic.address
        for kind, flags, start, size, alignment in (
            (1, 5, 0, middle, _PAGE),
            (1, 6, second, end - second, _PAGE),
            (2, 6, dynamic, len(self._dynamic.data), 8),
            (0x6474E551, 6, 0, 0, 16),  # the stack is not executable
        ):
            header += struct.pack("<IIQQQQQQ", kind, flags, start, start, start, size, size, alignment)
        out[: len(header)] = header
        return bytes(out)

    @staticmethod
    def _place(sections: list[_Section], at: int) -> int:
        for section in sections:
            section.address = at = -(-at // section.alignment) * section.alignment
            at += len(section.data)
        return at

    def _tables_of_names(self) -> dict[str, bytes]:
        """Return the symbols of the library, their names, and their table of hashes, which has one bucket."""
        names = [*self._outside, *self._exported]
        strings, symbols = b"\0", bytes(24)
        for name in names:
            own = self._exported.get(name)
            info = (1 << 4) | (2 if own else 0)
            value = own.address if own else 0
            symbols += struct.pack("<IBBHQQ", len(strings), info, 0, 1 if own else 0, value, 0)
            strings += name.encode() + b"\0"
        count = len(names) + 1
        chain = [0, *range(2, count), 0] if names else [0]
        hashes = struct.pack(f"<{3 + count}I", 1, count, 1 if names else 0, *chain)
        return {"hashes": hashes, "symbols": symbols, "strings": strings}

    def _relocate(self) -> bytes:
        """Write addresses into the sections; return the relocations that are left to the loader."""
        loaded = b""
        for name, number in self._got.items():
            where = self._table.address + 8 * number
            if isinstance(name, str):
                loaded += struct.pack("<QQq", where, (self._outside.index(name) + 1) << 32 | _GLOB_DAT, 0)
                at = _STUB_SIZE * self._outside.index(name)
                offset = where - (self._stubs.address + at + 6)
                self._stubs.data[at : at + 6] = b"\xff\x25" + struct.pack("<i", offset)  # jmp *where(%rip)
            else:
                symbol = self._symbols[name]  # type: ignore[index]
                loaded += struct.pack("<QQq", where, _RELATIVE, symbol.address)  # type: ignore[attr-defined]
        for section in (*self._constant, *self._variable):
            for where, kind, symbol, addend in section.relocations:
                assert isinstance(symbol, _Symbol)
                here = section.address + where
                if kind == _ABSOLUTE and symbol.section and section.writable:
                    loaded += struct.pack("<QQq", here, _RELATIVE, symbol.address + addend)
                    continue
                target = self._target(symbol, kind)
                struct.pack_into("<i", section.data, where, target + addend - here)
        return loaded

    def _target(self, symbol: _Symbol, kind: int) -> int:
        """Return the address that a reference of some kind to a symbol means."""
        if kind in _FROM_GOT:
            return self._table.address + 8 * self._got[id(symbol) if symbol.section else symbol.name]
        if kind == _CALL and not symbol.section:
            return self._stubs.address + _STUB_SIZE * self._outside.index(symbol.name)
        if kind not in (_RELATIVE_32, _CALL) or not symbol.section:
            raise ValueError(f"relocation {kind} of {symbol.name or 'a section'} is unknown")
        return symbol.address

    def _write_dynamic(self, starts: dict[str, int], strings_size: int, relocations_size: int) -> None:
        entries = (
            (4, starts["hashes"]),
            (5, starts["strings"]),
            (6, starts["symbols"]),
            (10, strings_size),
            (11, 24),
            (7, starts["relocations"]),
            (8, relocations_size),
            (9, 24),
            (0, 0),
        )
        self._dynamic.data[:] = b"".join(struct.pack("<QQ", *entry) for entry in entries)
