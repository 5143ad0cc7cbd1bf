"""Part Fitted photographs: sections Block fit and Fitted layers."""

from __future__ import annotations

import functools
import math

import numpy as np

from pixcodec.reference.least_squares import pairs
from pixcodec.reference.mixer import Fits, Mixture
from pixcodec.reference.text import Section, compiled

F32 = np.float32


class BlockFit:
    """Section Block fit; ``value(y, x, c)`` are values of pixels, 128 outside the tile."""

    @staticmethod
    @functools.cache
    def text():
        section = Section("Block fit")
        around, constants = section.tables
        assert [row[0] for row in constants] == ["KEEP", "MU", "RIDGE", "TOWARDS"]
        assert "If x is divisible by 4, w is what" in section.words
        assert "all of them are 0, but w[0] and w[1] are 1/2" in section.words
        columns = [[[F32(v) for v in row[k].split(",")] for row in constants] for k in (1, 2)]
        local = Section("Local mixtures").tables[0]
        near = [(*pair, int(row[1])) for row in local for pair in pairs(row[0])]
        rounding = compiled(section.blocks[1].splitlines()[-1])
        return [pairs(row[1]) for row in around], columns, rounding, near

    def __init__(self, value, channels, width, table):
        (grey, own, before, after), constants, self.rounding, self.near = self.text()
        self.value, self.table, self.blocks = value, table, -(-width // 2)
        self.places, self.constants = [], [constants[min(c, 1)] for c in range(channels)]
        for c in range(channels):
            places = [(*pair, c) for pair in (grey if channels == 1 else own)]
            for e in range(channels):
                if e != c:
                    places += [(*pair, e) for pair in (before if e < c else after)]
            self.places.append(places)
        sizes = [len(places) for places in self.places]
        self.above = [np.zeros((self.blocks, n, n + 1), F32) for n in sizes]
        self.rows, self.linear = {}, {}

    def sample(self, y, x, c, own=True):
        places = self.places[c] + [(0, 0, c)] * own
        return np.array([self.value(y + dy, x + dx, e) - 128 for dy, dx, e in places], F32)

    def begin_row(self, c):
        n = len(self.places[c])
        weights = np.zeros(n, F32)
        weights[:2] = 0.5
        return {
            "s": np.zeros((n, n + 1), F32),
            "samples": np.zeros((2, n + 1), F32),
            "w": weights,
            "last": None,
        }

    def predict(self, y, x, c):
        (keep,), (mu,), ridge, towards = self.constants[c]
        row = self.rows.setdefault((y, c), self.begin_row(c))
        if row["last"] is not None:
            row["samples"][row["last"] % 2] = self.sample(y, row["last"], c)
        row["last"] = x
        if x % 2 == 0:
            n, b, r = len(self.places[c]), x // 2, self.above[c]
            even, odd = row["samples"]
            products = np.outer(even[:n], even) + np.outer(odd[:n], odd)
            r[b] = products + mu * r[min(b + 1, self.blocks - 1)]
            row["s"] = r[b] + keep * row["s"]
            row["samples"][1] = 0
        if x % 4 == 0:
            row["w"] = self.solve(row["s"].copy(), ridge[0], towards)
        p = F32(0)
        for w, z in zip(row["w"], self.sample(y, x, c, own=False), strict=True):
            p = F32(p + F32(w * z))
        names = {"level": F32(F32(16) * F32(p + F32(128))) + F32(0.5), "floor": math.floor}
        exec(self.rounding, names)
        return names["linear"]

    @staticmethod
    def solve(a, ridge, towards):
        """Return w; numpy rounds every product, difference and quotient of these."""
        n = len(a)
        with np.errstate(all="ignore"):
            for k in range(n):
                a[k, k] += ridge
            for k, weight in enumerate(towards):
                a[k, n] += F32(ridge * weight)
            f, w = np.zeros((n, n), F32), np.zeros(n, F32)
            for k in range(n):
                f[k + 1 :, k] = a[k, k + 1 : n] / a[k, k]
                for i in range(k + 1, n):
                    a[i, i:] -= f[i, k] * a[k, i:]
                w[k] = a[k, n] / a[k, k]
            for i in range(n - 1, 0, -1):
                w[:i] -= f[i, :i] * w[i]
        return w

    def fits(self, y, x, c, mean):
        """Return the prediction, and the distribution around it."""
        linear = self.predict(y, x, c)
        off = 0
        for dy, dx, weight in self.near:
            there = y + dy, x + dx, c
            if there in self.linear:
                off += weight * abs(16 * self.value(*there) - self.linear[there])
        self.linear[y, x, c] = linear
        names = {"off": off}
        exec(compiled(Section("Fitted layers").blocks[0]), names)
        around = Mixture([65536], [linear], [names["inv"]], self.table)
        return Fits(linear, mean, [around])
