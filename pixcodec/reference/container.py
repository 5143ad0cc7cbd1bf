"""Sections Container and Layers."""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

import numpy as np


def varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            assert shift <= 35
            assert data[at - 1] or shift == 7
            return number, at


class Head:
    """Section HEAD."""

    def __init__(self, data):
        version, self.mode, self.depth, self.effort, layout, self.index_bits = struct.unpack_from(
            "<HBBBBB", data
        )
        assert version in (3, 4, 5, 6, 8, 9, 10)
        self.version = version
        assert layout < (16 if version == 3 else 256 if version >= 8 else 64)
        assert self.effort < (3 if version > 4 else 2)
        (
            self.alpha_first,
            self.graphics,
            self.interleaved,
            self.mapped,
            self.jpeg,
            self.exact,
            self.packed,
            self.residual,
        ) = (bool(layout & 1 << k) for k in range(8))
        at = 7
        self.width, at = varint(data, at)
        self.height, at = varint(data, at)
        self.tile_width, at = varint(data, at)
        self.tile_height, at = varint(data, at)
        assert data[at] in (0, 8)
        self.model_id = data[at + 1 :]
        assert len(self.model_id) == data[at] + 3 * (self.mode == 7)
        if self.mode == 7:
            assert version == 8
            assert len(self.model_id) == 3
            assert (layout, self.effort < 3, data[at]) == (8, True, 0)
            self.bands, self.kind, self.meaning = self.model_id
        if version == 9 and self.residual:
            assert self.effort in (1, 2)
        elif version in (9, 10):
            assert self.effort in ((0, 1) if version == 9 else (1,))
            assert not self.residual
            assert not self.graphics
            assert not self.jpeg
            assert self.mode <= 4
        self.channels = (1, 3, 2, 4, 4, 1, 1, 0)[self.mode] or self.bands
        self.indexed = self.index_bits > 0 and not self.mapped and not self.residual
        self.read_corner()
        assert not (version in (9, 10) and self.indexed)
        self.coded_depth = max(8, self.index_bits) if self.mapped else self.depth
        if self.packed:
            assert version == 8
            assert not layout & 0b10111
            assert not self.model_id
        if self.jpeg:
            assert self.mode in (0, 1)
            assert self.depth == 8
            assert not self.mapped
        if self.exact:
            assert self.jpeg
            assert self.index_bits == 0
            assert not self.graphics

    def read_corner(self):
        """Section H-transform: where blocks begin."""
        self.h_transform = self.residual and self.index_bits > 0 and not self.mapped
        self.corner = 0
        if self.h_transform:
            assert self.version == 9
            self.corner, self.index_bits = self.index_bits >> 4, self.index_bits & 15
            assert self.corner < 4
            assert 1 <= self.index_bits <= 8
            assert not (self.tile_width | self.tile_height) & 1


def compact_chunks(data):
    """Section Compact files: what the chunks of the same image would be, type and payload."""
    assert len(data) <= 2**16
    assert zlib.crc32(data[:-2]) & 0xFFFF == int.from_bytes(data[-2:], "little")
    kind, depths = data[10], data[11]
    mode, effort, mapped, transparent, others = (
        kind & 7,
        kind >> 3 & 3,
        kind >> 5 & 1,
        kind >> 6 & 1,
        kind >> 7,
    )
    index_bits = depths >> 4
    _, at = varint(data, 12)
    _, at = varint(data, at)
    sizes = data[12:at]
    start = bytes([8, 0, mode, (depths & 15) + 1, effort, 64 + 8 * mapped, index_bits])
    found = [(b"HEAD", start + sizes + sizes + b"\0")]
    names = [b"PLTE"] * (mode == 5 or index_bits > 0) + [b"TRNS"] * transparent
    count = 0
    for name in names:
        size, at = varint(data, at)
        found.append((name, data[at : at + size]))
        at += size
    if others:
        count, at = varint(data, at)
        assert count
    for _ in range(count):
        size, after = varint(data, at + 4)
        found.append((data[at : at + 4], data[after : after + size]))
        at = after + size
    return [*found, (b"TILE", b"\4" + data[at:-10]), (b"DONE", data[-10:-2])]


class Layer(NamedTuple):
    """A row of the first table of section Layers."""

    kind: str
    first: int  # channel
    channels: int
    bits: int
    sees: int | None = None
    below: int = 0  # of a deep image: bits below its own
    low_bits: int = 0
    place: tuple[int, int] | None = None  # of an H-transform: row and column in a block

    @property
    def planes(self):
        return 2 * self.channels if self.kind in ("WIDE", "RESIDUAL") else self.channels


def layers_of(head):
    """Section Layers."""
    if head.exact:
        return []
    if head.packed:
        return [Layer("PACKED", 0, 1 if head.indexed else head.channels, head.index_bits or head.depth)]
    if head.mode == 7:
        return deep_layers(head.channels, head.index_bits)
    if head.mode == 6:
        return [Layer("BILEVEL", 0, 1, 1)]
    if head.h_transform:
        differences = [Layer("INDEX", 0, 1, head.index_bits, place=at) for at in ((1, 0), (0, 1), (1, 1))]
        return [Layer("RESIDUAL", 0, 1, 8, place=(0, 0)), *differences]
    if head.mode == 5 or head.indexed:
        return [Layer("INDEX", 0, 1, head.index_bits or head.depth)]
    s = max(head.coded_depth - 8, 0)
    colours = 1 if head.mode in (0, 2) else 3
    kind = "RESIDUAL" if head.residual else "WIDE" if head.interleaved else "NETWORK"
    layers = [Layer(kind, 0, colours, 8)]
    if head.mode in (2, 3, 4):
        alpha = Layer("ALPHA", colours, 1, 8)
        layers = [alpha, layers[0]] if head.alpha_first else [layers[0], alpha]
        if layers[1].kind != "WIDE":
            layers[1] = layers[1]._replace(sees=0)
    if s:
        layers += [
            Layer("LOW", la.first, la.channels, s, k)
            for k, la in enumerate(layers)
            if la.kind not in ("WIDE", "RESIDUAL")
        ]
    return layers


def deep_layers(bands, d):
    """Section Deep layers."""
    if d <= 8:
        return [Layer("INDEX", band, 1, d) for band in range(bands)]
    layers, first, wide = [], 0, None
    while first < bands:
        count = min(bands - first, 3 if wide is None else 2)
        k = min(d, 16)
        layers.append(Layer("WIDE", first, count, 8, wide, d - k, k - 8))
        wide = len(layers) - 1
        for start in (16, 24):
            if d > start:
                bits = min(d - start, 8)
                layers.append(Layer("LOW", first, count, bits, wide, d - start - bits, bits))
        first += count
    return layers


def unpacked(data, planes, bits, height, width):
    """Section TILE: the values of a raw layer."""
    count = height * width * planes
    assert len(data) == -(-count * bits // 8)
    digits = "".join(f"{byte:08b}" for byte in data)
    assert "1" not in digits[count * bits :]
    values = [int(digits[k * bits : (k + 1) * bits], 2) for k in range(count)]
    return np.array(values, np.int64).reshape(height, width, planes)


def entries(data, size, depth, *, mapped=False):
    """Section PLTE: the entries of a list, (n, size)."""
    most = 2**16 if depth > 8 else 2**8
    method, rest = data[0], data[1:]
    assert method < 3 + mapped
    if method == 3:
        first, at = varint(rest, 0)
        step, at = varint(rest, at)
        assert at == len(rest)
        return np.arange(first, most, step)[:, None]
    rest = zlib.decompress(rest) if method else rest
    values = np.frombuffer(rest, "<u2" if depth > 8 else "u1").astype(np.int64)
    if method == 2:
        values = np.cumsum(values.reshape(size, -1).T, 0) % most
    return values.reshape(-1, size)


def check_order(head, kinds):
    """Section Chunks: the order of those that are critical."""
    letters = {b"HEAD": "h", b"PLTE": "p", b"TRNS": "r", b"COEF": "c", b"TILE": "t", b"DONE": "d"}
    order = "".join(letters[kind] for kind in kinds if kind[:1].isupper())
    has_table = head.mode == 5 or head.index_bits > 0
    assert re.fullmatch(f"h(r?{'p' * has_table}|{'p' * has_table}r?){'c' * head.jpeg}t*d", order), order
