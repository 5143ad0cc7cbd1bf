"""Sections Skeleton and Coefficients of a file: what a skeleton says of a frame and its scans."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.reference.jpeg_numbers import ORDER
from pixcodec.reference.jpeg_recipe import t81
from pixcodec.reference.jpeg_streams import Component


class Table(NamedTuple):
    """A Huffman table; its position in the skeleton, None if it is one that is there at first."""

    position: int | None
    codes: bytes  # 16 numbers of codes, and the symbols


class Scan(NamedTuple):
    at: int  # position of its bytes in the skeleton
    components: list[int]
    numbers: list[tuple[int, int]]  # of the tables of DC and AC of each component
    first: int
    last: int
    high: int
    low: int
    interval: int
    tables: dict[tuple[int, int], Table]  # by class and number


class Frame:
    """A frame, its scans, and the steps of its components."""

    def __init__(self, skeleton):
        self.scans, self.shape = [], None
        self.tables = {(k % 2, k // 2): Table(None, codes) for k, codes in enumerate(t81()[1])}
        self.steps, self.interval = {}, 0
        self.found = {}  # the steps of each component, at its first scan that finds them
        self.bodies = []  # first position, and that behind the last, of each segment
        for marker, at, body in segments(skeleton):
            self.bodies.append((at, at + len(body)))
            self.segment(marker, at, body)

    def segment(self, marker, at, body):
        if marker in (0xC0, 0xC1, 0xC2):
            assert self.shape is None
            self.progressive = marker == 0xC2
            self.height, self.width = (int.from_bytes(body[k : k + 2], "big") for k in (1, 3))
            self.shape = [tuple(body[k : k + 3]) for k in range(6, len(body), 3)]
            assert len(self.shape) == body[5]
            self.horizontal = [factors >> 4 for _, factors, _ in self.shape]
            self.vertical = [factors & 15 for _, factors, _ in self.shape]
        elif marker == 0xC4:
            start = 0
            while start < len(body):
                kind, codes = body[start], body[start + 1 : start + 17]
                codes += body[start + 17 : start + 17 + sum(codes)]
                self.tables[kind >> 4, kind & 15] = Table(at + start + 1, codes)
                start += 1 + len(codes)
        elif marker == 0xDB:
            start = 0
            while start < len(body):
                size = 1 + (body[start] >> 4)
                values = body[start + 1 : start + 1 + 64 * size]
                self.steps[body[start] & 15] = [
                    int.from_bytes(values[k : k + size], "big") for k in range(0, 64 * size, size)
                ]
                start += 1 + 64 * size
        elif marker == 0xDD:
            self.interval = int.from_bytes(body, "big")
        elif marker == 0xDA:
            self.scan(at + len(body), body)

    def scan(self, at, body):
        names = [name for name, _, _ in self.shape]
        components = [names.index(name) for name in body[1 : 1 + 2 * body[0] : 2]]
        numbers = [(tables >> 4, tables & 15) for tables in body[2 : 2 + 2 * body[0] : 2]]
        first, last, bits = body[1 + 2 * body[0] :]
        if not self.progressive:
            first, last, bits = 0, 63, 0
        for component in components:
            number = self.shape[component][2]
            if number in self.steps:
                self.found.setdefault(component, self.steps[number])
        scan = Scan(at, components, numbers, first, last, bits >> 4, bits & 15, self.interval, {})
        self.scans.append(scan._replace(tables=dict(self.tables)))

    def samples(self, i):
        """Return the height and width of component i."""
        height = -(-self.height * self.vertical[i] // max(self.vertical))
        width = -(-self.width * self.horizontal[i] // max(self.horizontal))
        return height, width

    def blocks(self, i):
        """Return the rows and columns of blocks that hold the samples of component i."""
        height, width = self.samples(i)
        return -(-height // 8), -(-width // 8)

    @property
    def units(self):
        """Return the rows and columns of units of a scan of several components."""
        height, width = 8 * max(self.vertical), 8 * max(self.horizontal)
        return -(-self.height // height), -(-self.width // width)

    def all_blocks(self, i):
        """Return the rows and columns of blocks of component i, with those that fill units."""
        rows, columns = self.units
        return rows * self.vertical[i], columns * self.horizontal[i]

    def coded(self, ways):
        """Return what is coded of each component; ``ways`` says what becomes of blocks that fill units."""
        components = []
        for i, (v, h) in enumerate(zip(self.vertical, self.horizontal, strict=True)):
            shape = self.all_blocks(i) if ways >> 2 * i & 3 == 2 else self.blocks(i)
            steps = np.ones((8, 8), np.int64)
            for (u, q), step in zip(ORDER, self.found.get(i, [1] * 64), strict=True):
                steps[u, q] = max(step, 1)
            components.append(Component(*shape, v, h, steps))
        return components

    def filled(self, i, ways, blocks):
        """Return the blocks of component i, (rows, columns, 8, 8), with those that fill units."""
        way = ways >> 2 * i & 3
        rows, columns = blocks.shape[:2]
        whole = np.zeros((*self.all_blocks(i), 8, 8), np.int64)
        whole[:rows, :columns] = blocks
        if way == 1:
            v, h = self.vertical[i], self.horizontal[i]
            for r in range(whole.shape[0]):
                for c in range(whole.shape[1]):
                    if r >= rows:
                        whole[r, c, 0, 0] = whole[r - 1, c // h * h + h - 1, 0, 0]
                        assert r % v
                    elif c >= columns:
                        whole[r, c, 0, 0] = whole[r, c - 1, 0, 0]
        return whole


def segments(skeleton):
    """Yield the marker of each segment, the position of its body, and its body."""
    at = 2
    while True:
        at = skeleton.find(0xFF, at)
        if at < 0 or at + 1 == len(skeleton):
            return
        marker = skeleton[at + 1]
        if marker in (0, 0xFF):
            at += 1 if marker else 2
            continue
        if marker == 0xD9:
            return
        at += 2
        if marker == 1 or 0xD0 <= marker <= 0xD7:
            continue
        size = int.from_bytes(skeleton[at : at + 2], "big")
        if size < 2 or at + size > len(skeleton):
            return
        yield marker, at + 2, skeleton[at + 2 : at + size]
        at += size
