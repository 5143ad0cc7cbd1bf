"""Sections Repeats and Exact contexts: what graphics have in addition."""

from __future__ import annotations

import functools

from pixcodec.reference.arithmetic import clamp
from pixcodec.reference.text import Section, compiled, function, numbers_of


class Repeats:
    """Section Repeats; ``at(y, x)`` are the values of all planes of a pixel."""

    BOUNDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512)

    def __init__(self, at, height, width, slope):
        self.at, self.height, self.width, self.slope = at, height, width, slope
        self.bits = clamp((height * width - 1).bit_length(), 10, 18)
        self.hash = function(Section("Repeats").blocks[0], "v, planes, T", "h, near")
        self.place, self.length = [None] * height, [0] * height
        self.table, self.keys = {}, {}
        self.seen = set()

    def alike(self, y, x, p, q):
        return all(self.at(y + dy, x + dx) == self.at(p + dy, q + dx) for dy, dx in self.near)

    def before(self, t, pixels):
        for y, x in pixels:
            planes = len(self.at(y, x))
            self.keys[y], self.near = self.hash(
                lambda dy, dx, c, y=y, x=x: self.at(y + dy, x + dx)[c], planes, self.bits
            )
            self.find(t, y, x)

    def find(self, t, y, x):
        if self.length[y] > 0:
            row, column = self.place[y]
            self.place[y] = row, column + 1
            if column + 1 < self.width:
                self.seen.add("goes on")
                return
            self.length[y] = 0
            self.seen.add("leaves the tile")
        if y > 0 and self.length[y - 1] > 0:
            p, q = self.place[y - 1]
            p, q = p + 1, q - min(self.slope, self.width - 1 - x)
            inside = 0 <= p < self.height and 0 <= q < self.width
            if inside and q + self.slope * p < t and self.alike(y, x, p, q):
                self.place[y], self.length[y] = (p, q), 1
                self.seen.add("from above")
                return
        if self.keys[y] in self.table:
            p, q = self.table[self.keys[y]]
            if self.alike(y, x, p, q):
                self.place[y], self.length[y] = (p, q), 1
                self.seen.add("from the table")

    def follow(self, copied):
        """Section Copied pixels."""
        for y, x in copied:
            if self.length[y] > 0:
                row, column = self.place[y]
                self.place[y] = row, column + 1
                same = column + 1 < self.width and self.at(y, x) == self.at(row, column + 1)
                self.length[y] = min(self.length[y] + 1, 2**15) if same else 0
                self.seen.add("copied")

    def after(self, pixels):
        for y, x in pixels:
            if self.length[y] > 0:
                same = self.at(y, x) == self.at(*self.place[y])
                self.length[y] = min(self.length[y] + 1, 2**15) if same else 0
                self.seen.add("right" if same else "wrong")
            self.table[self.keys[y]] = y, x

    def expected(self, y, x, c):
        """Return value and class of length."""
        if self.length[y] == 0 or self.at(y, x)[:c] != self.at(*self.place[y])[:c]:
            return 0, 0
        return self.at(*self.place[y])[c], sum(bound <= self.length[y] for bound in self.BOUNDS)


def mix_hash(a, b):
    """Section Exact contexts: hash(a, b)."""
    return exact_text()[0](a, b)


@functools.cache
def exact_text():
    section = Section("Exact contexts")
    hashing, steps, rest = section.blocks
    numbers = numbers_of([row[1] for row in section.tables[0]])
    return function(hashing, "a, b", "hash"), compiled(steps), compiled(rest), numbers


def exact_numbers(names, before, planes, c, value, length):
    """Section Exact contexts: the seven numbers."""
    _, steps, rest, numbers = exact_text()

    def digits(values):
        return functools.reduce(lambda number, digit: number * 256 + digit, values, 0)

    v = names["v"]
    names |= {"c": c, "value": value, "length": length, "earlier": digits(before), "diagonal": 0, "second": 0}
    names["W"] = digits(v(0, -1, e) for e in range(planes))
    names["N"] = digits(v(-1, 0, e) for e in range(planes))
    for e in range(planes):
        names["e"] = e
        exec(steps, names)
    exec(rest, names)
    return eval(numbers, names)
