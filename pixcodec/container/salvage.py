"""What is intact in a damaged .pxc file (FORMAT.md, "Container"); standard library only.

Each chunk has a CRC, so damage to one is known and stays there. Where the length of a chunk is damaged, the
next intact chunk is searched for by its type and CRC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pixcodec.container.beginning import read_header
from pixcodec.container.chunks import (
    CHUNK_OVERHEAD_BYTES,
    CHUNK_START,
    Chunk,
    Data,
    read_chunk,
)
from pixcodec.container.compact import is_compact
from pixcodec.container.container import Tile, check_tile, parse, parse_tile
from pixcodec.container.header import Header
from pixcodec.container.layers import layers_of
from pixcodec.errors import CorruptFileError, PixcodecError

_BYTES_CHECKED = 8  # for each byte of a file, while intact chunks are searched for
_MOST_MISSING = 2**16  # tiles that a header may tell of, unless the file has so many bytes
_LETTERS_AT = 4  # of a chunk: its type follows the length


class Salvaged(NamedTuple):
    """The intact parts of a file.

    Parameters
    ----------
    header : Header
    tiles : tuple of Tile or None
        For each tile, in raster order, each of its layers; None where it is damaged or missing.
    single : dict of str to bytes
        Payloads of the critical chunks besides, by type.
    ancillary : tuple of Chunk
    problems : tuple of str
        What is damaged or missing, a line each.
    """

    header: Header
    tiles: tuple[Tile | None, ...]
    single: dict[str, bytes]
    ancillary: tuple[Chunk, ...]
    problems: tuple[str, ...]


class _Gap(NamedTuple):
    """A damaged part of a file: how many chunks TILE it held, None if nobody knows."""

    tiles: int | None


def salvage(data: Data) -> Salvaged:
    """Return what is intact in a file.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        If its header cannot be read: without it nothing can be decoded.
    """
    data = bytes(data)
    header, end = read_header(data)
    if header.kept:  # it has no chunks
        return Salvaged(header, (), {}, (), ())
    if is_compact(data):
        whole = parse(data)  # no part of it is of use without the others
        parts = {"PLTE": whole.palette, "TRNS": whole.transparency, "DONE": whole.pixel_hash}
        return Salvaged(header, whole.tiles, {k: v for k, v in parts.items() if v}, whole.ancillary, ())
    found: list[Tile | _Gap] = []
    single: dict[str, bytes] = {}
    ancillary: list[Chunk] = []
    problems: list[str] = []
    for start, chunk in _chunks(data, end, problems):
        if chunk is None:
            found.append(_Gap(1 if _is_tile(data, start) else None))
        elif chunk.type == "TILE":
            try:
                found.append(parse_tile(chunk.payload, f"chunk 'TILE' at byte {start}", header.version))
            except PixcodecError as error:
                problems.append(str(error))
                found.append(_Gap(1))
        elif chunk.ancillary:
            ancillary.append(chunk)
        elif chunk.payload:
            single.setdefault(chunk.type, chunk.payload)
    if "DONE" not in single:
        problems.append("chunk 'DONE' is missing: the file was cut, or its end is damaged")
    count = len(header.grid) * len(layers_of(header))
    if count > max(_MOST_MISSING, len(data)):
        raise CorruptFileError(f"the header says that there are {count} tiles, in {len(data)} bytes")
    tiles = _placed(found, count, complete="DONE" in single)
    tiles = tuple(_fitting(header, number, tile, problems) for number, tile in enumerate(tiles))
    return Salvaged(header, tiles, single, tuple(ancillary), tuple(problems))


def _fitting(header: Header, number: int, tile: Tile | None, problems: list[str]) -> Tile | None:
    """Return a layer of a tile; None, and a problem more, if there can be no such layer at its place."""
    if tile is None:
        return None
    layers = layers_of(header)
    at, layer = divmod(number, len(layers))
    try:
        check_tile(header, number, tile, layers[layer], header.grid[at])
    except ValueError as error:
        problems.append(str(error))
        return None
    return tile


def _chunks(data: bytes, start: int, problems: list[str]) -> Iterator[tuple[int, Chunk | None]]:
    """Give the position of each chunk and the chunk, None if it is damaged; add to ``problems``."""
    budget = _BYTES_CHECKED * len(data)
    while start < len(data):
        try:
            chunk, end = read_chunk(data, start)
        except CorruptFileError as error:
            problems.append(str(error))
            yield start, None
            start, budget = _next_intact(data, start, budget)
            continue
        yield start, chunk
        start = end


def _is_tile(data: bytes, start: int) -> bool:
    """Return whether a damaged chunk is a TILE of undamaged length: an intact chunk follows."""
    length, letters = CHUNK_START.unpack_from(data.ljust(start + CHUNK_START.size, b"\0"), start)
    return letters == b"TILE" and _is_intact(data, start + length + CHUNK_OVERHEAD_BYTES)


def _is_intact(data: bytes, start: int) -> bool:
    try:
        read_chunk(data, start)
    except CorruptFileError:
        return False
    return True


def _next_intact(data: bytes, start: int, budget: int) -> tuple[int, int]:
    """Return the position of the next intact TILE or DONE after a damaged chunk; the end if there is none.

    Where the chunk's length seems right, it is the one that follows. At most ``budget`` bytes are checked, so
    that a crafted file takes no more time than that; also returns how many of them are left.
    """
    if start + CHUNK_START.size <= len(data):
        length, _ = CHUNK_START.unpack_from(data, start)
        if _is_intact(data, start + length + CHUNK_OVERHEAD_BYTES):
            return start + length + CHUNK_OVERHEAD_BYTES, budget
    for place in re.compile(rb"TILE|DONE").finditer(data, start + 1 + _LETTERS_AT):
        at = place.start() - _LETTERS_AT
        length, _ = CHUNK_START.unpack_from(data, at)
        if length > len(data) - at - CHUNK_OVERHEAD_BYTES:
            continue
        if _is_intact(data, at):
            return at, budget
        budget -= length + CHUNK_OVERHEAD_BYTES
        if budget < 0:
            break
    return len(data), budget


def _placed(found: list[Tile | _Gap], expected: int, *, complete: bool) -> tuple[Tile | None, ...]:
    """Return the tiles at their places: from the beginning up to a gap of unknown size, then from the end.

    ``complete``: whether the end of the file was found. Between two such gaps nothing has a place.
    """
    first = next((k for k, item in enumerate(found) if item == _Gap(None)), len(found))
    head = _expanded(found[:first])[:expected]
    tail: list[Tile | None] = []
    if complete and first < len(found):
        last = len(found) - next(k for k, item in enumerate(reversed(found)) if item == _Gap(None))
        tail = _expanded(found[last:])
        tail = tail[max(0, len(tail) - (expected - len(head))) :]
    missing = expected - len(head) - len(tail)
    return (*head, *[None] * missing, *tail)


def _expanded(found: list[Tile | _Gap]) -> list[Tile | None]:
    return [item if isinstance(item, Tile) else None for item in found]
