"""Sections Rounds of streams to Contexts of streams: the blocks of a component of a stripe."""

from __future__ import annotations

import numpy as np

from pixcodec.reference.jpeg_numbers import FUNCTIONS, ORDER, log4
from pixcodec.reference.jpeg_stream_bits import Bit, Contexts
from pixcodec.reference.jpeg_stream_network import Network
from pixcodec.reference.jpeg_text import streams_text


class Fit:
    """Section Fits of streams: one of the two models, of all k."""

    def __init__(self, count, ridge):
        self.count, self.ridge = count, ridge
        self.sums = np.zeros((count, count + 1, 64))
        self.weights = np.zeros((64, count), np.int64).tolist()  # in 1/65536

    def solve(self):
        names = {"a": self.sums.copy(), "N": self.count, "ridge": self.ridge, "max": np.maximum}
        names["weights"] = np.zeros((self.count, 64))
        with np.errstate(all="ignore"):
            exec(streams_text()["solve"], names)
        weights = np.floor(names["weights"].clip(-8, 8) * 65536 + 1 / 2)
        self.weights = weights.T.astype(np.int64).tolist()

    def add(self, k, z, target):
        names = {"z": [float(v) for v in z], "target": float(target)}
        names |= {"N": self.count, "A": self.sums[:, :, k]}
        exec(streams_text()["add"], names)


class Blocks:
    """The blocks of a component of a stripe, as far as they are known."""

    recording = False  # for tests; it takes much memory

    def __init__(self, bits, number, steps, luma, blue):
        self.bits, self.number, self.steps = bits, number, steps.tolist()
        self.luma, self.blue = luma, blue  # (rows, columns, 8, 8)
        self.rows, self.columns = luma.shape[:2]
        self.blocks = np.zeros(luma.shape, np.int64).tolist()
        self.lengths = {}
        self.seen = {}  # of every coefficient, if it is recording: what its contexts are made of
        self.values, self.sizes = Fit(11, 1024), Fit(13, 4)
        self.begun, self.complete = 0, [0] * self.rows
        self.waiting = {}  # of each row with a block under way: the block, and its next bit
        self.due = 8  # F
        self.network = Network(self) if bits.networked else None

    def decode(self):
        """Section Rounds of streams: return the coefficients."""
        self.begin(0)
        while self.waiting:
            rows = sorted(self.waiting)
            for r, bit in zip(rows, self.bits.round([self.waiting[r][1] for r in rows]), strict=True):
                self.go_on(r, bit)
            if self.begun >= self.due:
                self.values.solve()
                self.sizes.solve()
                self.due = self.begun + self.begun // 16 + 8
        return np.array(self.blocks, np.int64)

    def begin(self, r):
        self.begun += 1
        self.bits.blocks += 1
        block = self.block(r, self.complete[r])
        self.waiting[r] = block, next(block)

    def go_on(self, r, bit):
        block, _ = self.waiting.pop(r)
        try:
            self.waiting[r] = block, block.send(bit)
        except StopIteration:
            self.complete[r] += 1
            for row in (r, r + 1):
                free = row < self.rows and row not in self.waiting and self.complete[row] < self.columns
                if free and (row == 0 or self.complete[row - 1] > self.complete[row]):
                    self.begin(row)

    def block(self, r, c):
        """Yield each bit of a block and take it."""
        block = self.network.begin(r, c) if self.network else None
        length = self.lengths[r, c] = yield from self.length(r, c, block)
        energy = nonzero = 0
        for k in range(length, -1, -1):
            u, v = ORDER[k]
            names = self.names(r, c, k)
            names |= {"length": length, "energy": energy, "nonzero": nonzero}
            for source in ("features", "predictions", "others" if k else "dc"):
                exec(streams_text()[source], names)
            if k == 0:
                predicted = names["predicted"]
            numbers, sets = self.contexts_of("others" if k else "dc", names)
            sure_sign = k == 0 or block or abs(names["fit"]) >= self.bits.effort.quiet
            contexts = Contexts(self.number, k, min(k, 62), 0, numbers, sets, sure_sign)
            if block:
                contexts.logit = block.coefficient(names, k)
            value = yield from coefficient(contexts, surely=k == length > 0)
            if k == 0:
                value = (value + predicted + 2**15) % 2**16 - 2**15
                if block:
                    self.network.beyond[r, c] = value - predicted
            self.blocks[r][c][u][v] = value
            energy, nonzero = energy + abs(value), nonzero + (value != 0)
            if self.recording:
                self.seen[r, c, k] = names
            if (r + c) % self.bits.effort.every == 0 or self.begun < 512:
                self.values.add(k, names["x"], 16 * value)
                self.sizes.add(k, names["y"], log4(abs(value)))

    def names(self, r, c, k):
        """Return what the formulas of coefficient k of block (r, c) are made of."""
        u, v = ORDER[k]

        def b(dr, dc, i, j):
            inside = 0 <= r + dr < self.rows and 0 <= c + dc < self.columns and 0 <= i < 8 and 0 <= j < 8
            return self.blocks[r + dr][c + dc][i][j] if inside else 0

        names = {**FUNCTIONS, "b": b, "step": lambda i, j: self.steps[i][j], "r": r, "c": c, "k": k}
        names |= {"u": u, "v": v, "luma": int(self.luma[r, c, u, v]), "blue": int(self.blue[r, c, u, v])}
        names |= {"value_weights": self.values.weights, "size_weights": self.sizes.weights}
        following = [ORDER[k + i] if k + i < 64 else None for i in range(1, 5)]
        for i, place in enumerate(following, 1):
            names[f"z{i}"] = self.blocks[r][c][place[0]][place[1]] if place else 0
        return names

    def length(self, r, c, block):
        """Yield each bit of a length and take it; return the length."""
        numbers, sets = self.contexts_of("length", FUNCTIONS | self.around_length(r, c))
        contexts = Contexts(self.number, 0, 63, 0, numbers, sets)
        logit = block.length_logit if block else lambda node: 256
        if not (yield Bit(contexts, 8, 23, logit(0))):
            return 0
        n = 1
        while n < 8:
            n = 2 * n + (yield Bit(contexts, n, (n > 1) + (n > 3), logit(n)))
        high, n = n - 8, 1
        contexts = Contexts(self.number, 0, 63, 8 + high, numbers, sets)
        while n < 8:
            n = 2 * n + (yield Bit(contexts, n, 3 + (n > 1) + (n > 3), logit(7 * high + 7 + n)))
        return 8 * high + n - 8

    def contexts_of(self, what, names):
        """Return the numbers of the contexts, and the set numbers."""
        return [eval(streams_text()[f"{what} {kind}"], names) for kind in ("contexts", "sets")]

    def around_length(self, r, c):
        """Section Contexts of streams: what the table of contexts of a length is made of."""
        names = {
            "w": self.lengths.get((r, c - 1), 0),
            "n": self.lengths.get((r - 1, c), 0),
            "nw": self.lengths.get((r - 1, c - 1), 0),
        }

        def energy(y, x):
            return sum(abs(self.blocks[y][x][u][v]) for u, v in ORDER[1:]) if y >= 0 and x >= 0 else 0

        def last(block):
            return max((k for k in range(1, 64) if block[ORDER[k]]), default=0)

        names |= {"energy_w": energy(r, c - 1), "energy_n": energy(r - 1, c)}
        return names | {"luma_length": last(self.luma[r, c]), "blue_length": last(self.blue[r, c])}


def coefficient(contexts, *, surely):
    """Yield each bit of a coefficient and take it; return what is coded."""
    logit = contexts.logit
    if not surely and not (yield Bit(contexts, 1, 6, logit(0))):
        return 0
    negative = yield Bit(contexts, 2, 7, logit(6))
    g = 0
    while g < 15:
        foreseen = logit((7 if negative else 1) + g) if g < 5 else 256
        if not (yield Bit(contexts, 3 + min(g, 5), 8 + min(g, 7), foreseen)):
            break
        g += 1
    magnitude = 1
    for i in range(g):
        if i == 0:
            bit = yield Bit(contexts, 8 + min(g, 4), 15 + min(g, 4))
        else:
            bit = yield Bit(contexts, 12 + min(i, 3), 19 + min(i, 3))
        magnitude = 2 * magnitude + bit
    return -magnitude if negative else magnitude
