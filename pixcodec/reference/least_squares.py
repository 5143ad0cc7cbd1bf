"""Sections Least squares and Local mixtures."""

from __future__ import annotations

import functools
import math
import re

from pixcodec.reference.mixer import Fits, Mixture
from pixcodec.reference.text import Section, compiled, function


def pairs(cell):
    """Return the (dy, dx) in a cell of a table."""
    return [tuple(int(v) for v in re.findall(r"-?\d+", pair)) for pair in cell.split()]


class LeastSquares:
    """Section Least squares: one of its models.

    ``sample(y, x, c)`` are z[0] .. z[n] of a value, of which the last may be unknown when it is predicted.
    """

    @staticmethod
    @functools.cache
    def text():
        section = Section("Least squares")
        around, errors, numbers = section.tables
        places = [pairs(row[1]) for row in around]
        assert [row[0] for row in numbers] == ["LAMBDA", "MU", "RIDGE", "TOWARDS"]
        columns = [[[float(v) for v in row[k].split(",")] for row in numbers] for k in range(1, 6)]
        assert "128 is 128 * 2^s throughout, and 4080 is 16 * (2^(8 + s) - 1)" in section.words
        assert "n is 12 (grey) or 24, 25, 26 (RGB) in low, and 22 or 34, 35, 36 in pixels" in section.words
        assert "n is 10 (grey) or 10, 12, 14 (RGB)" in section.words
        assert len(errors) == 5
        return places, dict(
            zip(("low", "pixels", "errors"), (columns[:2], columns[2:4], columns[4:]), strict=True)
        )

    def __init__(self, model, channels, width, sample):
        self.constants = [self.text()[1][model][c > 0 and model != "errors"] for c in range(channels)]
        self.width, self.sample = width, sample
        source = "f, w = [[0.0] * n for _ in range(n)], [0.0] * n\n" + Section("Least squares").blocks[0]
        self.solve = function(source, "a, z, n, RIDGE, TOWARDS", "p, w")
        self.r, self.s = {}, {}

    @classmethod
    def neighbours(cls, model, channels, c):
        """Return (dy, dx, channel) of the neighbours in low and pixels."""
        own, more, before, after = cls.text()[0]
        mine = own + more if model == "pixels" else own
        others = [(e, before if e < c else after) for e in range(channels) if e != c]
        return [(*pair, e) for e, pairs in [(c, mine), *others] for pair in pairs]

    def predict(self, y, x, c):
        """Return p and the weights w."""
        (keep,), (descend,), (ridge,), towards = self.constants[c]
        now = self.sample(y, x, c)
        n = len(now) - 1
        z = [float(v) for v in self.sample(y, x - 1, c)] if x > 0 else [0.0] * (n + 1)
        none = [[0.0] * (n + 1)] * n
        above = self.r.get((y - 1, min(x + 1, self.width - 1), c), none)
        west = self.s.get((y, c), none)  # of the last pixel of the row that was not copied
        r = [[descend * above[i][j] + z[i] * z[j] if j >= i else 0.0 for j in range(n + 1)] for i in range(n)]
        s = [[keep * west[i][j] + r[i][j] for j in range(n + 1)] for i in range(n)]
        self.r[y, x, c], self.s[y, c] = r, s
        return self.solve([row.copy() for row in s], [float(v) for v in now], n, ridge, towards)


class ValueFit:
    """The model low or pixels; ``value(y, x, c)`` are whole values, of ``high_bits + low_bits`` bits."""

    def __init__(self, model, value, channels, width, low_bits=0, high_bits=8):
        bits = high_bits + low_bits
        self.value, self.pad = value, 2 ** (bits - 1)
        self.places = [LeastSquares.neighbours(model, channels, c) for c in range(channels)]
        self.squares = LeastSquares(model, channels, width, self.sample)
        block = Section("Least squares").blocks[1].replace("128", str(self.pad))
        self.rounding = compiled(block.replace("4080", str(16 * (2**bits - 1))))
        words = Section("Least squares").words
        assert "values have 16 + s bits: 128 is 2^(15 + s), 4080 is 16 * (2^(16 + s) - 1)" in words
        assert "RIDGE is multiplied by 4^max(s - 4, 0)" in words
        if high_bits == 16:
            factor = 4.0 ** max(low_bits - 4, 0)
            self.squares.constants = [
                (*first, (ridge[0] * factor,), towards) for *first, ridge, towards in self.squares.constants
            ]

    def sample(self, y, x, c):
        around = (*self.places[c], (0, 0, c))
        return [self.value(y + dy, x + dx, e) - self.pad for dy, dx, e in around]

    def linear(self, y, x, c):
        p, self.weights = self.squares.predict(y, x, c)
        names = {"p": p, "floor": math.floor}
        exec(self.rounding, names)
        return names["linear"]


class JointFit:
    """The models pixels and errors, and what is made of them; ``err`` is that of the layer, by (y, x, c)."""

    def __init__(self, value, err, channels, width, table):
        self.pixels = ValueFit("pixels", value, channels, width)
        self.errors = LeastSquares("errors", channels, width, self.sample)
        self.value, self.err, self.table = value, err, table
        self.gap, self.guesses = {}, {}
        self.rounding = compiled(Section("Least squares").blocks[2])
        section = Section("Local mixtures")
        assert "scale = (5 * off >> 3) + 77" in section.text
        weights, self.components = section.tables
        self.near = [(*pair, int(row[1])) for row in weights for pair in pairs(row[0])]

    def off(self, y, x, c, which):
        """Return 16 * value - linear (0) or - joint (1), 0 outside the tile."""
        guesses = self.guesses.get((y, x, c))
        return 0 if guesses is None else 16 * self.value(y, x, c) - guesses[which]

    def sample(self, y, x, c):
        def err(dy, dx, e=c):
            return self.err.get((y + dy, x + dx, e), 0)

        z = [self.gap.get((y, x, c), 0)]
        z += [err(dy, dx) for dy, dx in ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0))]
        z += [self.off(y + dy, x + dx, c, 0) for dy, dx in ((0, -1), (-1, 0))]
        for e in range(c):
            z += [err(0, 0, e), self.off(y, x, e, 0)]
        return [*z, 32, err(0, 0)]

    def fits(self, y, x, c, mean):
        linear = self.pixels.linear(y, x, c)
        self.gap[y, x, c] = linear - mean
        p, _ = self.errors.predict(y, x, c)
        names = {"p": p, "mean": mean, "floor": math.floor}
        exec(self.rounding, names)
        guesses = linear, names["joint"]
        local = []
        for which, prediction in enumerate(guesses):
            off = sum(weight * abs(self.off(y + dy, x + dx, c, which)) for dy, dx, weight in self.near)
            scale = (5 * off >> 3) + 77
            inv = [eval(row[3].replace("^", "**"), {"scale": scale}) for row in self.components]
            local.append(Mixture([int(row[1]) for row in self.components], [prediction] * 2, inv, self.table))
        self.guesses[y, x, c] = guesses
        return Fits(*guesses, local)
