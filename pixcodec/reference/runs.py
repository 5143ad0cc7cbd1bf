"""Part Runs."""

from __future__ import annotations

import re

import numpy as np

from pixcodec.reference import core
from pixcodec.reference.arithmetic import ONE, clamp, move
from pixcodec.reference.calibration import CalibratedTile
from pixcodec.reference.text import Section


def source(y, x):
    """Return the pixel that a pixel of a run is copied from."""
    return (y, x - 1) if x else (y - 1, 0)


class Runs:
    """Section Runs; ``at(y, x)`` are the values of all planes of a pixel."""

    def __init__(self, at, shape, slope, outcomes, repeats=None, reference=None):
        self.at, self.slope, self.outcomes, self.repeats = at, slope, outcomes, repeats
        self.reference = reference  # of still runs
        self.height, self.width, self.planes = shape
        self.around = [
            tuple(int(v) for v in pair)
            for pair in re.findall(r"\((-?\d),(-?\d)\)", Section("Runs").fenced("text")[0])
        ]
        assert len(self.around) == 12
        rows = range(self.height)
        self.left, self.broken, self.calm, self.level, self.ends = ([0 for _ in rows] for _ in range(5))
        self.counters = {}

    def expected(self, y, x):
        """Return the values that a pixel of a run has."""
        if self.reference is not None:
            return [int(v) for v in self.reference[y, x, : self.planes]]
        return self.at(*source(y, x))

    def flat(self, y, x):
        near = [(y + dy, x + dx) for dy, dx in self.around]
        near = [(p, q) for p, q in near if p >= 0 and 0 <= q < self.width]
        if self.reference is not None:
            return all(self.at(p, q) == self.expected(p, q) for p, q in near)
        if (y, x) == (0, 0):
            return False
        return all(self.at(p, q) == self.at(*source(y, x)) for p, q in near)

    def ask(self, t, y, x):
        """Return L and K of a pixel, L = 0 if it does not ask."""
        if x == 0:
            self.calm[y], self.level[y] = 0, self.level[y - 1] if y else 3
        if self.left[y] or self.broken[y]:
            return 0, 0
        if not self.flat(y, x):
            self.calm[y] = 0
            return 0, 0
        length, k = 2 ** self.level[y], 0
        still = self.reference is not None
        if y and self.left[y - 1] and (still or self.at(y - 1, x + self.slope - 1) == self.at(y - 1, x)):
            k, end = self.ends[y - 1], self.slope + self.left[y - 1]
            length = end if k else max(end, length)
        elif x and self.calm[y] < 8:
            self.calm[y] += 1
            return 0, 0
        length = min(length, self.width - x, 32767)
        if self.repeats and self.repeats.length[y] >= 16 and not still:
            p, q = self.repeats.place[y]
            for j in range(length):
                if q + 1 + j >= self.width or q + 1 + j + self.slope * p >= t:
                    break
                if self.at(p, q + 1 + j) != self.at(*source(y, x)):
                    return j, 8
        return length, k

    def symbols(self, y, length, k):
        """Yield the counters of a pixel's symbols, and take the bits."""
        self.calm[y] = 0
        if (yield "flag", k, length.bit_length()):
            self.left[y], self.ends[y], self.level[y] = length, min(k, 1), min(self.level[y] + 1, 12)
            return
        self.level[y] = max(self.level[y] - 1, 3)
        missing = 0
        if length > 1:
            node = 1
            for _ in range(4):
                node = 2 * node + (yield "size", k, node)
            size = node - 16
            missing = min(size, 1)
            for number in range(size - 1):
                missing = 2 * missing + (yield "rest", 0 if number else size)
        missing = min(missing, length - 1)
        left = length - 1 - missing if k else missing
        self.ends[y] = min(2 + missing.bit_length() // 2, 7) if k else 7
        plane = 0
        while plane < self.planes - 1 and not (yield "plane", plane):
            plane += 1
        self.left[y], self.broken[y] = left, plane + 1

    def begin(self, t, pixels, coder):
        """Return the pixels of a wavefront that are copied, and the lanes."""
        asking = []
        for y, x in pixels:
            length, k = self.ask(t, y, x)
            if length:
                steps = self.symbols(y, length, k)
                asking.append((steps, next(steps)))
        while asking:
            entries = [self.counters.setdefault(counter, [0, 0]) for _, counter in asking]
            bits = []
            for p, _ in entries:
                q = clamp(4 * (p + 2**21), 4096, ONE - 4096)
                others = [1] * (self.outcomes - 2)
                bits.append(min(coder.symbol([ONE - len(others) - q, q, *others]), 1))
            further = []
            for (steps, _), entry, bit in zip(asking, entries, bits, strict=True):
                move(entry, bit, 255)
                counter = next_of(steps, bit)
                if counter:
                    further.append((steps, counter))
            asking = further
        copied = [(y, x) for y, x in pixels if self.left[y] > 0]
        lanes = [(y, x) for y, x in pixels if self.left[y] == 0]
        for y, _ in copied:
            self.left[y] -= 1
        self.lane_broken = {y: self.broken[y] for y, _ in lanes}
        for y, _ in lanes:
            self.broken[y] = 0
        return copied, lanes

    def ended(self, y, x, c):
        """Return the value that plane c of a lane differs from; None if nothing is known of it."""
        return self.expected(y, x)[c] if self.lane_broken[y] == c + 1 else None


def next_of(steps, bit):
    try:
        return steps.send(bit)
    except StopIteration:
        return None


def discounted(v, weight, mean, inv, table):
    """Section Pixels that end a run: weights and inverse scales."""

    def share(z):
        z = clamp(z, -(2**26), 2**26 - 1) + 2**26
        return table[z >> 17] + (((table[(z >> 17) + 1] - table[z >> 17]) * (z & (2**17 - 1))) >> 17)

    starts = [(16 * v - 8 - m) * i for m, i in zip(mean, inv, strict=True)]
    masses = [share(z + 16 * i) - share(z) for z, i in zip(starts, inv, strict=True)]
    e = [w * (2**22 - mass) >> 14 for w, mass in zip(weight, masses, strict=True)]
    w = [(one << 16) // (sum(e) + 1) for one in e]
    w[0] += 2**16 - sum(w)
    return w, [min(i, 65536) for i in inv]


def decode_nibbles(network, coder, height, width, slope, reference=None, *, calibrated=False):
    """Return the values (H, W, C) of a layer NETWORK of effort fast."""
    tile = (CalibratedTile if calibrated else core.Tile)(network, height, width)

    def at(y, x):
        return [int(v) for v in tile.values[y, x]]

    runs = Runs(at, (height, width, network.channels), slope, 16, None, reference)
    for t in range(width + slope * (height - 1)):
        pixels = [(y, t - slope * y) for y in range(height) if 0 <= t - slope * y < width]
        copied, lanes = runs.begin(t, pixels, coder)
        for y, x in copied:
            tile.values[y, x] = runs.expected(y, x)
            from_y, from_x = source(y, x)
            tile.h[:, y, x] = tile.h[:, from_y, from_x]
        for y, x in lanes:
            tile.trunk(y, x)
        for c in range(network.channels):
            found, ends = [], []
            for y, x in lanes:
                weight, mean, inv = tile.distribution(y, x, c)
                v = runs.ended(y, x, c)
                ends.append(v is not None)
                if v is not None:
                    weight, inv = discounted(v, weight, mean, inv, network.logistic)
                found.append((weight, mean, inv, network.logistic))
            high = [coder.symbol(core.high_frequencies(*lane)) for lane in found]
            low = [coder.symbol(core.low_frequencies(h, *lane)) for h, lane in zip(high, found, strict=True)]
            for (y, x), h, rest in zip(lanes, high, low, strict=True):
                tile.values[y, x, c] = 16 * h + rest
            parts = zip(lanes, found, ends, strict=True)
            tile.learn(c, [(place, lane[:3], ended) for place, lane, ended in parts])
    return np.array(tile.values)


def decode_with_runs(network, bitstream, height, width, slope, reference=None, *, calibrated=False):
    """Return the values (H, W, C) of a coded layer NETWORK of effort fast in a tile of kind 2, or 3."""
    words = core.RangeDecoder(bitstream)
    values = decode_nibbles(network, words, height, width, slope, reference, calibrated=calibrated)
    words.finish()
    return values
