"""Kinds of mutations of small .pxc files: all truncations, all flipped bits, random ones of many kinds."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from benchmarks.hostile import damage
from benchmarks.hostile.seeds import Seed
from benchmarks.hostile.structure import (
    Part,
    chunk,
    chunks_of,
    index_of,
    is_chunked,
    joined,
    repaired,
    series_mark,
    with_index,
)
from pixcodec.container.chunks import MAGIC
from pixcodec.container.varint import pack_varint

_NUMBERS = (0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 63, 64, 127, 128, 255, 256, 4095, 4096, 65535, 65536)
_LARGE = (2**20, 2**20 + 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**35 - 1)
_BYTES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 31, 32, 48, 63, 64, 127, 128, 255)
_STRIDE = 1_000_003  # a prime: consecutive numbers are of different files
_BOMB_BYTES = 2**26 + 1  # one more than what metadata may have
_SLOW = ("metadata", "bomb", "tile", "table")  # most of which decode, and take longer
PACKED = (b"iccp", b"exif", b"xmpm", b"comm", b"text", b"pngc", b"tift", b"phot")

Maker = Callable[[Seed, random.Random, Sequence[Seed]], bytes]


class Mutation(NamedTuple):
    """A mutated file: which kind of mutation, of which file."""

    kind: str
    seed: Seed
    data: bytes


def exhaustive_count(seeds: Sequence[Seed]) -> int:
    """Return how many mutations there are that are not random: truncations, and flipped bits."""
    return sum(9 * len(seed.data) for seed in seeds)


def mutation(index: int, seeds: Sequence[Seed]) -> Mutation:
    """Return mutation number ``index``: every other one is not random, until all of these were."""
    count = exhaustive_count(seeds)
    if index % 2 == 0 and index // 2 < count:
        return _systematic(index // 2 * _STRIDE % count, seeds)
    rng = random.Random(index)
    seed = rng.choice(seeds)
    (name,) = rng.choices(list(MAKERS), [0.3 if name in _SLOW else 1 for name in MAKERS])
    data = MAKERS[name](seed, rng, seeds)
    if rng.random() < 0.1:  # two of them
        again = Seed(seed.name, data, seed.model)
        if len(data) > 4:
            data = _damaged(again, rng, seeds)
    return Mutation(name, seed, data)


def _systematic(number: int, seeds: Sequence[Seed]) -> Mutation:
    """Return a truncation, or a file with one flipped bit."""
    for seed in seeds:
        size = len(seed.data)
        if number < size:
            return Mutation("every truncation", seed, repaired(seed.data[:number]))
        number -= size
        if number < 8 * size:
            flipped = bytearray(seed.data)
            flipped[number // 8] ^= 1 << number % 8
            return Mutation("every flipped bit", seed, repaired(bytes(flipped)))
        number -= 8 * size
    raise ValueError("there are not so many")


def _damaged(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Damage the bytes in one of the general ways; mostly with checksums that fit."""
    data = bytearray(seed.data)
    rng.choice(damage.KINDS)(data, rng, [other.data for other in seeds])
    return repaired(bytes(data)) if rng.random() < 0.9 else bytes(data)


def _general(kind: damage.Damage) -> Maker:
    def make(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
        data = bytearray(seed.data)
        kind(data, rng, [rng.choice(seeds).data])
        return repaired(bytes(data)) if rng.random() < 0.9 else bytes(data)

    return make


def _chunks(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> list[Part]:
    """Return the chunks of a file, or of another one if this one has none."""
    while not (is_chunked(seed.data) and seed.data.startswith(MAGIC)):
        seed = rng.choice(seeds)
    return chunks_of(seed.data)


def _rearranged(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Delete, double, swap, rename or borrow chunks."""
    parts = _chunks(seed, rng, seeds)
    for _ in range(rng.randint(1, 2)):
        at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        way = rng.randrange(6)
        if way == 0 and len(parts) > 1:
            del parts[at]
        elif way == 1:
            parts.insert(other, parts[at])
        elif way == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif way == 3:
            names = [name for name, _ in parts] + [b"PLTE", b"TRNS", b"COEF", b"TILE", b"DONE", b"NEWS"]
            parts[at] = rng.choice(names), parts[at][1]
        elif way == 4:
            parts[at] = rng.choice(_chunks(rng.choice(seeds), rng, seeds))
        else:
            parts.insert(at, rng.choice(_chunks(rng.choice(seeds), rng, seeds)))
    return joined(parts)


def _payloads(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Change the payload of a chunk: damage, other sizes, random bytes."""
    parts = _chunks(seed, rng, seeds)
    at = rng.randrange(len(parts))
    name, payload = parts[at]
    data = bytearray(payload)
    way = rng.randrange(5)
    if way == 0 and len(data) > 3:
        rng.choice(damage.KINDS)(data, rng, [payload])
    elif way == 1:
        data += rng.choice((b"\0", bytes(4), bytes(8), b"\xff" * 4, rng.randbytes(rng.randint(1, 40))))
    elif way == 2:
        del data[rng.randrange(len(data) + 1) :]
    elif way == 3:
        data[rng.randrange(len(data) + 1) :] = rng.randbytes(rng.randint(0, 60))
    else:
        data[rng.randrange(4) :] = bytes([rng.choice(_BYTES)]) * rng.randint(0, 200)
    parts[at] = name, bytes(data)
    return joined(parts)


def _numbers(rng: random.Random) -> bytes:
    number = (
        rng.choice(_NUMBERS if rng.random() < 0.8 else _LARGE) if rng.random() < 0.7 else rng.randrange(99)
    )
    return pack_varint(number)


def _head(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Let a header lie: sizes, mode, depth, effort, layout, model."""
    if not is_chunked(seed.data):
        return _start(seed, rng)
    parts = chunks_of(seed.data)
    head = bytearray(parts[0][1])
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.6:
            head[rng.randrange(7)] = rng.choice(_BYTES)
        else:
            at = rng.randrange(7, len(head)) if len(head) > 7 else 0
            head[at : at + 1] = _numbers(rng)
    parts[0] = b"HEAD", bytes(head)
    return joined(parts)


def _start(seed: Seed, rng: random.Random) -> bytes:
    """Let the start of a file without chunks lie; of several frames, the index, too."""
    data = bytearray(seed.data)
    if series_mark(seed.data) and rng.random() < 0.6:
        index = bytearray(index_of(seed.data))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(index))
            index[at : at + 1] = _numbers(rng) if rng.random() < 0.5 else bytes([rng.choice(_BYTES)])
        return with_index(seed.data, bytes(index))
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(9, min(16, len(data)))
        data[at : at + 1] = _numbers(rng) if rng.random() < 0.5 else bytes([rng.choice(_BYTES)])
    return repaired(bytes(data))


def _tile(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Give a tile another kind, slope or bitstream."""
    parts = _chunks(seed, rng, seeds)
    tiles = [at for at, (name, payload) in enumerate(parts) if name == b"TILE" and payload]
    if not tiles:
        return _payloads(seed, rng, seeds)
    at = rng.choice(tiles)
    payload = parts[at][1]
    kind, rest = payload[:1], payload[1:]
    way = rng.randrange(6)
    words = rng.randrange(1, 40)
    if way == 0:
        kind = bytes([rng.randrange(6)])
    elif way == 1:
        rest = pack_varint(rng.choice((1, 2, 3, 4, 5, 6, 9, 30, 200, 2**20))) + rest[1:]
    elif way == 2:
        rest = rest[:1] + rng.choice((bytes(4), b"\xff" * 4, rng.randbytes(4))) * words
    elif way == 3:
        rest += bytes(4 * rng.randint(1, 3))
    elif way == 4:
        rest = rest[: max(1, len(rest) - 4 * rng.randint(1, 5))]
    else:
        kind, rest = (
            bytes([rng.choice((1, 2))]),
            pack_varint(rng.choice((3, 5, 7))) + rng.randbytes(4 * words),
        )
    parts[at] = b"TILE", kind + rest
    return joined(parts)


def _table(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Give a file another table of colours or values, or transparency."""
    parts = _chunks(seed, rng, seeds)
    name = rng.choice((b"PLTE", b"TRNS"))
    raw = rng.choice((rng.randbytes(rng.randint(0, 90)), b"\xff" * rng.randint(0, 90), bytes(9)))
    method = rng.randrange(5)
    body = zlib.compress(raw) if method in (1, 2) and rng.random() < 0.8 else raw
    if method == 3:
        body = _numbers(rng) + _numbers(rng)
    payload = rng.choice((b"", b"\3", b"\4", b"\1")) + bytes([method]) + body
    found = [at for at, part in enumerate(parts) if part[0] == name]
    if found:
        parts[found[0]] = name, payload
    else:
        parts.insert(1, (name, payload))
    return joined(parts)


@cache
def _bomb(size_bytes: int) -> bytes:
    return zlib.compress(bytes(size_bytes), 9)


def _bombs(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Put streams that unpack to much into a file, or many chunks, or texts that claim to be long."""
    if series_mark(seed.data):
        return with_index(seed.data, b"", packed=_bomb(rng.choice((1 << 16, 1 << 20))))
    parts = _chunks(seed, rng, seeds)
    way = rng.randrange(4)
    name = rng.choice(PACKED)
    if way == 0:
        size = _BOMB_BYTES if rng.random() < 0.02 else 1 << 16
        parts.insert(1, (name, b"\1" + _bomb(size)))
    elif way == 1:
        parts[1:1] = [(name, b"\0" + rng.randbytes(30))] * rng.randint(2, 300)
    elif way == 2:
        lie = struct.pack(
            "<BIII", rng.randrange(3), *(rng.choice((0, 1, 9, 2**31, 2**32 - 1)) for _ in range(3))
        )
        parts.insert(1, (b"text", b"\0" + lie + rng.randbytes(20)))
    else:
        table = rng.choice((b"PLTE", b"TRNS"))
        parts = [part for part in parts if part[0] != table]
        parts.insert(1, (table, rng.choice((b"\1", b"\2", b"\3\1", b"\3")) + _bomb(1 << 16)))
    return joined(parts)


def _repacked(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Damage what is inside a zlib stream."""
    if series_mark(seed.data):
        index = bytearray(index_of(seed.data))
        rng.choice(damage.KINDS)(index, rng, [bytes(index)])
        return with_index(seed.data, bytes(index))
    parts = _chunks(seed, rng, seeds)
    order = list(range(len(parts)))
    rng.shuffle(order)
    for at in order:
        name, payload = parts[at]
        for start in (1, 2):
            try:
                inner = bytearray(zlib.decompress(payload[start:]))
            except zlib.error:
                continue
            if len(inner) > 3:
                rng.choice(damage.KINDS)(inner, rng, [bytes(inner)])
                parts[at] = name, payload[:start] + zlib.compress(bytes(inner))
                return joined(parts)
    return _payloads(seed, rng, seeds)


def _metadata(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Add ancillary chunks with any content."""
    parts = _chunks(seed, rng, seeds)
    fixed = (b"gama", b"chrm", b"srgb", b"phys", b"pilm", b"gscr", b"shap")
    for _ in range(rng.randint(1, 3)):
        name = rng.choice((*PACKED, *fixed))
        kinds = (
            rng.randbytes(rng.choice((0, 1, 5, 8, 17, 64))),
            b"\0" + _exif_like(rng),
            b"\xff" * 17,
            bytes(64),
        )
        parts.insert(1, (name, rng.choice(kinds)))
    return joined(parts)


def _exif_like(rng: random.Random) -> bytes:
    """Return directories of a TIFF file, which may refer to themselves."""
    count = rng.randint(0, 5)
    entries = b"".join(
        struct.pack(
            "<HHII",
            rng.choice((0x112, 0x8769, 0x8825, 0x10E, 0x14A, 320, 339, 262, rng.randrange(65536))),
            rng.randrange(14),
            rng.choice((0, 1, 2, 4, 2**31, 2**32 - 1)),
            rng.choice((0, 8, 14, 2**32 - 1, rng.randrange(99))),
        )
        for _ in range(count)
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + struct.pack("<I", rng.choice((0, 8, 9)))


def _unknown(seed: Seed, rng: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Grow chunks, or add unknown ones."""
    parts = _chunks(seed, rng, seeds)
    at = rng.randrange(len(parts))
    name = rng.choice((b"NEWS", b"newS", b"no e", b"\0\0\0\0", b"TiLE"))
    data = joined(parts[:at]) + chunk(name, rng.randbytes(rng.randint(0, 20)))
    return data + joined(parts[at:])[len(MAGIC) :]


MAKERS: dict[str, Maker] = {
    **{kind.__name__: _general(kind) for kind in damage.KINDS},
    "chunks rearranged": _rearranged,
    "payload": _payloads,
    "header": _head,
    "header or index": _head,
    "tile": _tile,
    "table": _table,
    "bomb": _bombs,
    "inside zlib": _repacked,
    "metadata": _metadata,
    "unknown chunk": _unknown,
}
