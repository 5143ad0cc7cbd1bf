"""A decoder of format versions 3 to 5, written from FORMAT.md: plain, slow, with no code of pixcodec in it.

What the text gives as formulas (contexts, predictions, least squares) is taken from there and executed. The
network and the range coder are those of oracle.py. Section names are those of FORMAT.md.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
import struct
import textwrap
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

import oracle

TEXT = (Path(__file__).parent.parent / "pixcodec" / "FORMAT.md").read_text("utf-8")
ONE = 2**24
A, B, M = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xBF58476D1CE4E5B9


def clamp(v, a, b):
    return max(a, min(v, b))


class Section:
    """A section of FORMAT.md: its indented blocks, the cells of its tables."""

    def __init__(self, title):
        found = re.search(rf"^##+ {title}\n(.*?)^##", TEXT, re.MULTILINE | re.DOTALL)
        assert found, title
        self.text = found[1]
        self.blocks = [textwrap.dedent(b) for b in re.findall(r"(?:^    .*\n)+", self.text, re.MULTILINE)]
        tables = re.findall(r"^\|.*\n\|[-|]*\n((?:\|.*\n)+)", self.text, re.MULTILINE)
        self.tables = [
            [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
            for table in tables
        ]


def compiled(source, mode="exec"):
    return compile(source, "FORMAT.md", mode)


def _split(cell):
    """Return what stands between commas that are in no parentheses."""
    parts, depth = [""], 0
    for letter in cell:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def numbers_of(cells):
    """Compile contexts, written as ``a, b:m, c:k`` for (a * m + b) * k + c, to one tuple of numbers."""
    numbers = []
    for cell in cells:
        number, *digits = _split(cell)
        for digit in digits:
            value, size = digit.rsplit(":", 1)
            number = f"({number}) * {size} + ({value})"
        numbers.append(number)
    return compiled(f"({', '.join(numbers)},)", "eval")


# Logarithm, stretch and squash


def _sigmoids(count, one):
    return [math.floor(one / (1 + math.exp(-(k - count // 2) / 32))) for k in range(count)]


LN = [0, *(math.floor(256 * math.log(n) + 0.5) for n in range(1, 4097))]
STRETCH = [math.floor(256 * math.log((2 * k + 1) / (8191 - 2 * k)) + 0.5) for k in range(4096)]
SQUASH, LOGISTIC = _sigmoids(961, ONE), _sigmoids(1025, 2**22)


def tables_digest():
    values = LN + STRETCH + SQUASH + LOGISTIC
    return hashlib.blake2b(struct.pack(f"<{len(values)}i", *values), digest_size=8).hexdigest()


def ln(n):
    if n <= 4096:
        return LN[n]
    if n < 2**16:
        return LN[n >> 4] + 710
    return LN[n >> 8] + 1420 if n < 2**20 else LN[n >> 12] + 2130


def squash(x):
    j, f = divmod(x + 61440, 128)
    return SQUASH[j] + ((SQUASH[j + 1] - SQUASH[j]) * f >> 7)


# Adaptive probabilities


def entry(x):
    return [(squash(clamp(x, -61440, 61439)) >> 2) - 2**21, 0]


def move(entry, bit, limit):
    rate = 131072 // (2 * entry[1] + 3)
    entry[0] += ((2**21 - 1 - entry[0]) * rate) >> 16 if bit else -(((entry[0] + 2**21) * rate) >> 16)
    entry[1] = min(entry[1] + 1, limit)


def train(inputs, weights, dots, final, logit, bit, rate):
    """Section Learning: move the weight sets of a mixer, and the final weights of what they came to."""
    q = min(sum(a * a >> 8 for a in inputs) >> 8, 2047)
    rate = rate * (6553600 // (100 + q)) >> 16
    error = 65535 * bit - (squash(logit) >> 8)
    for m, (dot, of_set) in enumerate(zip(dots, weights, strict=True)):
        final[m] = clamp(final[m] + ((dot * 3 * error + 2**17) >> 18), -(2**24), 2**24)
        step = ((65535 * bit - (squash(dot) >> 8)) * rate) >> 8
        for i, a in enumerate(inputs):
            of_set[i] = clamp(of_set[i] + ((a * step + 2048) >> 12), -(2**23), 2**23)


def halfoctave(v):
    steps = 0
    while v >= 4:
        v, steps = v >> 1, steps + 2
    return min(steps + (v == 3), 15)


def mix_hash(a, b):
    """Section Exact contexts: hash(a, b)."""
    names = {"a": a, "b": b}
    exec(exact_text()[0], names)
    return names["hash"]


class Mixture(NamedTuple):
    """What the cumulative function F of a value is made of."""

    weight: list[int]
    mean: list[int]
    inv: list[int]
    table: list[int]

    def cumulative(self, v, shift=0):
        return oracle.cumulative(v, self.weight, [m + shift for m in self.mean], self.inv, self.table)


class Plan(NamedTuple):
    """The column of a layer in the first table of section Mixing, and what goes with it."""

    count: int  # J
    high: int  # D
    odds: int
    certain: int
    limit: int
    slots: bool  # whether slots are inputs, too
    linear: bool
    repeats: bool
    factor: int  # C of section Slots
    first: int = 2**20
    others: int = 0


class Fits(NamedTuple):
    """What least squares say of a value: two predictions, and the local mixtures around them."""

    linear: int
    joint: int
    local: list[Mixture]


class Lane:
    """A value that is being coded."""

    def __init__(self, mixture, base, mean, width, contexts, place=0, length=0, fits=None, surprise=0):
        self.mixture, self.base, self.mean, self.fits = mixture, base, mean, fits
        self.spread, self.surprise, self.place, self.length = halfoctave(width), surprise, place, length
        self.contexts = contexts
        self.known = {}
        self.node = 1
        self.open = self.sure = self.mixed = False
        self.slots = []

    def g(self, symbol, shift=0, other=None):
        v = symbol + self.base - 136
        mixture = self.mixture if other is None else self.fits.local[other]
        if (v, shift, other) not in self.known:
            self.known[v, shift, other] = mixture.cumulative(v % 256, shift) + ONE * (v // 256)
        return self.known[v, shift, other]

    def prior(self, depth, shift=0, other=None):
        h = 128 >> depth
        a = 2 * h * self.node - 256
        below, middle, above = (self.g(a + k * h, shift, other) for k in range(3))
        return ln(above - middle) - ln(middle - below)


class Mixer:
    """Section Mixing, from symbol to learning, of one layer of a tile."""

    def __init__(self, plan, height, width):
        self.plan = plan
        self.slot_bits = clamp((height * width // 4).bit_length(), 10, 17)
        self.slots, self.maps, self.apm, self.weights, self.final, self.sures = {}, {}, {}, {}, {}, {}
        self.pixels = 0
        self.seen = set()  # what has happened, for tests that want it to

    def code(self, coder, channel, lanes, first=0):
        """Code the values of all lanes of a plane; return their symbols."""
        self.channel = channel
        for lane in lanes:
            lane.node = 1 << first
        for self.depth in range(first, 8):
            if self.depth in (0, 4, first):
                for lane in lanes:
                    self.begin_nibble(lane)
            ones = [self.predict(lane) for lane in lanes]
            for lane, one in zip(lanes, ones, strict=True):
                self.learn(lane, coder.symbol([ONE - one, one]))
        return [lane.node - 256 for lane in lanes]

    def begin_nibble(self, lane):
        """Sections Sure nibbles and Slots."""
        d, node = self.depth, lane.node
        g = 16 if d == 0 else 1
        a = 16 * g * node - 256
        b = ((lane.mean + 8) >> 4) - (a + lane.base - 136)
        k = b % 256 >> 4 if d == 0 else clamp((b + 128) % 256 - 128, 0, 15)
        e = (node << (8 - d)) - 256
        total, mass = lane.g(e + (256 >> d)) - lane.g(e), lane.g(a + k * g + g) - lane.g(a + k * g)
        lane.sure = self.plan.odds > 0 and (total - mass) * self.plan.odds < total
        lane.open, lane.foreseen, lane.slots = not lane.sure, k, []
        if lane.open:
            used = self.plan.high if d < 4 else self.plan.count
            keys = self.keys(lane.contexts[:used], self.channel)
            lane.slots = [self.slot(j, key, node) for j, key in enumerate(keys)]
        self.seen.add("sure" if lane.sure else "open")

    def keys(self, contexts, channel):
        """Return C * X + channel of section Slots."""
        return [(self.plan.factor * x + channel) % 2**64 for x in contexts]

    def slot(self, j, key, node):
        h = (key * A + node * M) % 2**64
        h = (h ^ (h >> 29)) * B % 2**64
        place, check = (h >> 40) % 2**self.slot_bits, (h >> 16) & 0x7FFF | 0x8000
        one, two = (j, place), (j, place ^ 1)
        for key in (one, two):
            if key in self.slots and self.slots[key][0] == check:
                return self.slots[key]
        key = one
        if one in self.slots:
            if two not in self.slots or self.slots[two][1][1] < self.slots[one][1][1]:
                key = two
            self.seen.add("replaced" if key in self.slots else "beside")
        # A lane whose slot a later one replaces goes on with what lies there now.
        self.slots.setdefault(key, [])[:] = [check, *([0, 0] for _ in range(15))]
        return self.slots[key]

    def predict(self, lane):
        """Return the frequency of bit 1."""
        inside = self.depth % 4
        lane.k = 1 << inside | lane.node & ((1 << inside) - 1)
        lane.mixed = False
        if lane.sure:
            if lane.k == (16 | lane.foreseen) >> (4 - inside):
                where = self.channel, self.depth, lane.surprise
                lane.entry = self.sures.setdefault(where, [2**21 - 128, 30])
                q = clamp(4 * (lane.entry[0] + 2**21), 16, ONE - 16)
                return q if lane.foreseen >> (3 - inside) & 1 else ONE - q
            lane.sure = False
            self.seen.add("left")
        prior = lane.prior(self.depth)
        lane.mixed = lane.open and abs(prior) < self.plan.certain
        if lane.open and not lane.mixed:
            self.seen.add("certain")
        lane.logit = self.mix(lane, prior) if lane.mixed else clamp(16 * prior, -61439, 61439)
        return self.output(lane)

    def mix(self, lane, prior):
        """Sections Inputs and Mixers."""
        plan, c = self.plan, self.channel
        lane.meant, from_maps, from_slots = [], [], []
        for j, slot in enumerate(lane.slots):
            p, n = slot[lane.k]
            p = (p >> 10) + 2048
            group = clamp((STRETCH[p] + 2304) // 144, 0, 31)
            counts = sum(bound <= n for bound in (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255))
            meant = self.maps.setdefault((c, j, counts, group), entry(16 * -2304 + (2 * group + 1) * 1152))
            lane.meant.append(meant)
            from_maps.append(STRETCH[(meant[0] >> 10) + 2048])
            from_slots.append((p - 2048) * min(256, 32 * n) >> 10)
        none = [0] * (plan.count - len(lane.slots))
        lane.inputs = [prior, 256, *from_maps, *none]
        names = [("spread", c, self.depth, lane.spread), ("node", c, lane.node)]
        if plan.slots:
            lane.inputs += [*from_slots, *none]
        if plan.linear:
            others = [lane.prior(self.depth, lane.fits.joint - lane.mean)]
            others += [lane.prior(self.depth, other=k) for k in (0, 1)]
            lane.inputs += [clamp(prior, -3328, 3328) for prior in others]
            names.append(("place", c, self.depth, lane.place))
        if plan.repeats:
            names.append(("length", c, self.depth, lane.length))
        rest = len(lane.inputs) - 2 - plan.count
        begin = [plan.first, 0, *[plan.others] * plan.count, *[0] * rest]
        if plan.linear:
            begin[0] = 2**18
            begin[-3:] = [2**18] * 3
        lane.sets = [self.weights.setdefault(name, begin.copy()) for name in names]
        lane.dots = [
            clamp(sum(a * (w >> 9) for a, w in zip(lane.inputs, weights, strict=True)) >> 7, -61439, 61439)
            for weights in lane.sets
        ]
        lane.final = self.final.setdefault((c, self.depth), [2**20 // len(names)] * len(names))
        mixed = sum(dot * v for dot, v in zip(lane.dots, lane.final, strict=True)) >> 20
        return clamp(mixed, -61439, 61439)

    def output(self, lane):
        z = clamp((lane.logit >> 8) + 256, 0, 511)
        f = z & 15
        pair = [
            self.apm.setdefault((self.channel, lane.node, k), entry((k - 16) * 4096))
            for k in (z >> 4, (z >> 4) + 1)
        ]
        lane.entry = pair[f >= 8]
        c = ((pair[0][0] + 2**21) * (16 - f) + (pair[1][0] + 2**21) * f) >> 2
        return clamp((3 * squash(lane.logit) + c) >> 2, 16, ONE - 16)

    def learn(self, lane, bit):
        inside = self.depth % 4
        lane.node = 2 * lane.node + bit
        if lane.sure:
            move(lane.entry, bit == lane.foreseen >> (3 - inside) & 1, 1023)
            return
        move(lane.entry, bit, self.plan.limit)
        if not lane.mixed:
            return
        least, more = (100, 1100) if self.plan.linear else (200, 1800)
        rate = least + more * 4096 // (4096 + self.pixels)
        train(lane.inputs, lane.sets, lane.dots, lane.final, lane.logit, bit, rate)
        for slot, meant in zip(lane.slots, lane.meant, strict=True):
            move(meant, bit, 1023)
            move(slot[lane.k], bit, 255)


class Repeats:
    """Section Repeats; ``at(y, x)`` are the values of all planes of a pixel."""

    NEAR = ((0, -1), (0, -2), (-1, -1), (-1, 0), (-1, 1), (-2, 0))
    MORE = ((0, -3), (-1, -2), (-2, -1), (-2, 1))
    BOUNDS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512)

    def __init__(self, at, height, width, slope):
        self.at, self.height, self.width, self.slope = at, height, width, slope
        self.bits = clamp((height * width - 1).bit_length(), 10, 18)
        self.place, self.length = [None] * height, [0] * height
        self.table, self.keys = {}, {}
        self.seen = set()

    def key(self, y, x):
        h = 0
        for dy, dx in self.NEAR + self.MORE:
            for value in self.at(y + dy, x + dx):
                h = (h + value + 1) * A % 2**64
                h ^= h >> 29
        return h * B % 2**64 >> 40 & (2**self.bits - 1)

    def alike(self, y, x, p, q):
        return all(self.at(y + dy, x + dx) == self.at(p + dy, q + dx) for dy, dx in self.NEAR)

    def before(self, t, pixels):
        for y, x in pixels:
            self.keys[y] = self.key(y, x)
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


class LeastSquares:
    """Section Least squares: one of its models.

    ``sample(y, x, c)`` are z[0] .. z[n] of a value, of which the last may be unknown when it is predicted.
    """

    @staticmethod
    @functools.cache
    def text():
        section = Section("Least squares")
        around, errors, numbers = section.tables
        pairs = [[tuple(int(v) for v in re.findall(r"-?\d+", p)) for p in row[1].split()] for row in around]
        assert [row[0] for row in numbers] == ["LAMBDA", "MU", "RIDGE", "TOWARDS"]
        columns = [[[float(v) for v in row[k].split(",")] for row in numbers] for k in range(1, 6)]
        words = " ".join(section.text.split())
        assert "128 is 128 * 2^s throughout, and 4080 is 16 * (2^(8 + s) - 1)" in words
        assert "n is 12 (grey) or 24, 25, 26 (RGB) in low, and 22 or 34, 35, 36 in pixels" in words
        assert "n is 10 (grey) or 10, 12, 14 (RGB)" in words
        assert len(errors) == 5
        return pairs, dict(
            zip(("low", "pixels", "errors"), (columns[:2], columns[2:4], columns[4:]), strict=True)
        )

    def __init__(self, model, channels, width, sample):
        self.constants = [self.text()[1][model][c > 0 and model != "errors"] for c in range(channels)]
        self.width, self.sample = width, sample
        block = Section("Least squares").blocks[1]
        names = {}
        source = "def solve(a, z, n, RIDGE, TOWARDS):\n    f, w = [[0.0] * n for _ in range(n)], [0.0] * n\n"
        exec(compiled(source + textwrap.indent(block, "    ") + "    return p, w\n"), names)
        self.solve = names["solve"]
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
        west = self.s.get((y, x - 1, c), none)
        r = [[descend * above[i][j] + z[i] * z[j] if j >= i else 0.0 for j in range(n + 1)] for i in range(n)]
        s = [[keep * west[i][j] + r[i][j] for j in range(n + 1)] for i in range(n)]
        self.r[y, x, c], self.s[y, x, c] = r, s
        return self.solve([row.copy() for row in s], [float(v) for v in now], n, ridge, towards)


class ValueFit:
    """The model low or pixels; ``value(y, x, c)`` are whole values, of 8 + ``low_bits`` bits."""

    def __init__(self, model, value, channels, width, low_bits=0):
        self.value, self.pad = value, 128 << low_bits
        self.places = [LeastSquares.neighbours(model, channels, c) for c in range(channels)]
        self.squares = LeastSquares(model, channels, width, self.sample)
        block = Section("Least squares").blocks[2].replace("128", str(self.pad))
        self.rounding = compiled(block.replace("4080", str(16 * (2 ** (8 + low_bits) - 1))))

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
        self.rounding = compiled(Section("Least squares").blocks[3])
        section = Section("Local mixtures")
        assert "scale = (5 * off >> 3) + 77" in section.text
        weights, self.components = section.tables
        self.near = [
            (*(int(v) for v in re.findall(r"-?\d+", pair)), int(row[1]))
            for row in weights
            for pair in row[0].split()
        ]

    def off(self, y, x, c, which):
        """Return 16 * value - linear (0) or - joint (1), 0 outside the tile."""
        guesses = self.guesses.get((y, x, c))
        return 0 if guesses is None else 16 * self.value(y, x, c) - guesses[which]

    def sample(self, y, x, c):
        def err(dy, dx, e=c):
            return self.err.get((y + dy, x + dx, e), 0)

        z = [self.gap[y, x, c]]
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


class LayerCoder:
    """What all layers coded by bits have in common: values, wavefronts, repeats."""

    pad = 128

    def __init__(self, height, width, planes, slope, plan, sees=None):
        self.height, self.width, self.slope = height, width, slope
        self.values = np.full((height, width, planes), -(10**9), np.int64)  # not known yet
        self.planes = planes
        self.sees = np.zeros((height, width, 0), np.int64) if sees is None else sees.astype(np.int64)
        self.mixer = Mixer(plan, height, width)
        self.repeats = Repeats(self.at, height, width, slope) if plan.repeats else None
        self.error = {}
        self.contexts_seen = []  # of every value, for tests

    def inside(self, y, x):
        return 0 <= y < self.height and 0 <= x < self.width

    def at(self, y, x):
        return [int(v) for v in self.values[y, x]] if self.inside(y, x) else [self.pad] * self.planes

    def seen_at(self, y, x):
        return [int(v) for v in self.sees[y, x]] if self.inside(y, x) else [0] * self.sees.shape[2]

    def decode(self, coder):
        """Return the values (H, W, planes)."""
        for t in range(self.width + self.slope * (self.height - 1)):
            rows = [y for y in range(self.height) if 0 <= t - self.slope * y < self.width]
            pixels = [(y, t - self.slope * y) for y in rows]
            self.mixer.pixels += len(pixels)
            if self.repeats:
                self.repeats.before(t, pixels)
            self.begin(pixels)
            for c in range(self.planes):
                lanes = [self.lane(y, x, c) for y, x in pixels]
                self.contexts_seen += [self.mixer.keys(lane.contexts, c) for lane in lanes]
                symbols = self.mixer.code(coder, c, lanes, self.first(c))
                for (y, x), lane, symbol in zip(pixels, lanes, symbols, strict=True):
                    self.finish(y, x, c, lane, symbol)
            if self.repeats:
                self.repeats.after(pixels)
        return self.values

    def begin(self, pixels):
        """Get ready for a wavefront."""

    def first(self, c):
        return 0

    def surprise(self, y, x, c, width):
        west, north = abs(self.error.get((y, x - 1, c), 0)), abs(self.error.get((y - 1, x, c), 0))
        return min((west + north) * 2 // (width + 1), 3)

    def expected(self, y, x, c):
        return self.repeats.expected(y, x, c) if self.repeats else (0, 0)


class NetworkLayer(LayerCoder):
    """A layer NETWORK in efforts normal (1) and max (2)."""

    def __init__(self, network, effort, graphics, height, width, slope, sees=None):
        colours = network.channels == 3
        count = ((35 if colours else 15) if effort == 2 else 8 if graphics else 12) + 7 * graphics
        high = count if effort == 2 or graphics else 5
        odds, certain = (4096, 2304) if effort == 2 or graphics else (256, 1792)
        limit = 1023 if graphics else 255
        plan = Plan(count, high, odds, certain, limit, effort == 2, effort == 2, graphics, 4)
        super().__init__(height, width, network.channels, slope, plan, sees)
        self.tile = oracle.Tile(network, height, width)
        self.contexts = NetworkContexts(self.at)
        self.chosen = self.contexts.chosen(effort, graphics, network.channels)
        self.graphics = graphics
        self.joint = None
        if effort == 2:
            self.joint = JointFit(self.value, self.error, network.channels, width, network.logistic)

    def value(self, y, x, c):
        return self.at(y, x)[c]

    def begin(self, pixels):
        for y, x in pixels:
            self.tile.trunk(y, x)

    def lane(self, y, x, c):
        network = self.tile.network
        logit, means, inv = self.tile.mixture(y, x, c)
        weight = oracle.weights(logit, network.weight)
        mean = clamp(sum(w * m for w, m in zip(weight, means, strict=True)) >> 16, 0, 4080)
        off = (abs(m - mean) + (29 * 2**18) // i for m, i in zip(means, inv, strict=True))
        width = sum(w * o for w, o in zip(weight, off, strict=True)) >> 16
        fits = self.joint.fits(y, x, c, mean) if self.joint else None
        linear = fits.linear if fits else None
        surprise = self.surprise(y, x, c, width)
        numbers = self.contexts.numbers(y, x, c, mean, halfoctave(width), surprise, linear, self.planes)
        length = 0
        if self.graphics:
            value, length = self.expected(y, x, c)
            names = {"v": lambda dy, dx, e: self.at(y + dy, x + dx)[e], "hash": mix_hash}
            before = self.seen_at(y, x) + self.at(y, x)[:c]
            exact = exact_numbers(names, before, self.planes, c, value, length)
            numbers = {**numbers, **{("exact", j): number for j, number in enumerate(exact)}}
        return Lane(
            Mixture(weight, means, inv, network.logistic),
            self.at(y, x)[c - 1] if c > 0 else 136,
            mean,
            width,
            [numbers[j] for j in self.chosen[c]],
            8 * (x % 8) + y % 8,
            length,
            fits,
            surprise,
        )

    def finish(self, y, x, c, lane, symbol):
        value = (symbol + lane.base - 136) % 256
        self.values[y, x, c] = self.tile.values[y, x, c] = value
        self.error[y, x, c] = 16 * value - lane.mean
        if c == 2:
            self.contexts.invert(y, x, *self.at(y, x))


class NetworkContexts:
    """Sections Contexts, and Luma and chroma, executed."""

    def __init__(self, at):
        self.at = at
        self.chroma, self.fits, self.now = {}, [0, 0], (0, 0)

    @staticmethod
    @functools.cache
    def text():
        section = Section("Contexts")
        everywhere, rgb, chroma, first, later, last, fitted = (compiled(block) for block in section.blocks)
        grey, functions, colour, linear, order = section.tables
        assert [int(row[0]) for row in [*grey, *linear]] == list(range(15))
        assert [int(row[0]) for row in colour] + [int(row[1]) for row in linear] == list(range(35))
        blocks = {
            (1, 0): [everywhere],
            (3, 0): [everywhere, rgb, chroma, first],
            (3, 1): [everywhere, rgb, chroma, later],
            (3, 2): [everywhere, rgb, chroma, later, last],
        }
        numbers = {(1, 0): numbers_of([row[1] for row in grey])}
        numbers |= {(3, c): numbers_of([row[1 + c] for row in colour]) for c in range(3)}
        fit = fitted, numbers_of([row[2] for row in linear])
        formulas = [[compiled(row[1 + k], "eval") for row in functions] for k in (0, 1)]
        lattices = [compiled(block) for block in Section("Luma and chroma").blocks]
        normal = [[int(k) for k in row[1].split()] for row in order]
        return blocks, numbers, fit, formulas, lattices, normal

    def chosen(self, effort, graphics, channels):
        """Return the keys of the contexts j = 0 .. J-1 of each channel."""
        if effort == 2:
            found = [list(range(35 if channels == 3 else 15))] * channels
        elif graphics:
            rows = Section("Exact contexts").tables[1]
            found = [[int(k) for k in row[1].split()] for row in (rows[1:] if channels == 3 else rows[:1])]
        else:
            found = self.text()[5] if channels == 3 else [list(range(12))]
        return [[("exact", k) for k in range(7)] * graphics + numbers for numbers in found]

    def numbers(self, y, x, c, mean, spread, surprise, linear, channels):
        blocks, numbers, (fitted, more), formulas, _, _ = self.text()
        if (y, x) != self.now and c == 0:
            self.now = y, x
        kind = int(self.fits[1] > self.fits[0])
        names = {"x": x, "y": y, "c": c, "mean": mean, "spread": spread, "surprise": surprise}
        names["v"] = lambda dy, dx, c: self.at(y + dy, x + dx)[c]
        names["cl"] = lambda a: clamp(a, 0, 255)
        for k, letter in enumerate("LPQ"):
            names[letter] = lambda dy, dx, k=k: self.chroma.get((kind, y + dy, x + dx), (0, 0, 0))[k]
        for letter, argument, formula in zip("AF", "pq", formulas[kind], strict=True):
            names[letter] = lambda value, n=argument, f=formula: eval(
                f, {"r": names["r"], "u": names["u"], n: value}
            )
        for block in blocks[channels, c]:
            exec(block, names)
        found = eval(numbers[channels, c], names)
        if linear is not None:
            names["linear"] = linear
            exec(fitted, names)
            found += eval(more, names)
        return dict(enumerate(found))

    def invert(self, y, x, r, g, b):
        for kind, block in enumerate(self.text()[4]):
            names = {"r": r, "g": g, "b": b}
            exec(block, names)
            self.chroma[kind, y, x] = names["L"], names["P"], names["Q"]
            self.fits[kind] += names["fits"]


@functools.cache
def exact_text():
    section = Section("Exact contexts")
    function, steps, rest = (compiled(block) for block in section.blocks)
    return function, steps, rest, numbers_of([row[1] for row in section.tables[0]])


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


class SideLayer(LayerCoder):
    """Section Side layers."""

    def __init__(self, kind, bits, low_bits, height, width, planes, slope, *, sees=None, fast, graphics):
        first = {row[0]: row[1:] for row in Section("Side layers").tables[0]}
        row = first["INDEX, BILEVEL" if kind in ("INDEX", "BILEVEL") else kind]
        odds, certain, begin, others = (int(eval(cell.replace("^", "**"))) for cell in row)
        repeats = kind in ("INDEX", "BILEVEL") or (kind == "ALPHA" and graphics)
        plan = Plan(16, 16, odds, certain, 1023, True, False, repeats, 8, begin, others)
        self.kind, self.bits, self.s = kind, bits, low_bits if kind in ("LOW", "WIDE") else 0
        self.pad = 0 if kind in ("INDEX", "BILEVEL") else 128
        super().__init__(height, width, planes, slope, plan, sees)
        channels = planes // 2 if kind == "WIDE" else planes
        self.penalties, self.guesses = {}, {}
        self.linear = None
        if self.s and not fast:
            self.linear = ValueFit("low", self.whole, channels, width, self.s)

    @staticmethod
    @functools.cache
    def text():
        predictions, mixture, contexts = (
            Section(title) for title in ("Predictions", "Mixture", "Side contexts")
        )
        kinds = ("ALPHA", "LOW", "INDEX", "BILEVEL")
        assert len(contexts.blocks) == len(contexts.tables) == 5
        numbers = [[row[1] for row in table] for table in contexts.tables]
        assert [[int(row[0]) for row in table] for table in contexts.tables] == [
            [14, 15],
            *[list(range(14))] * 4,
        ]
        by_kind = {
            kind: (compiled(block), numbers_of(cells + numbers[0]))
            for kind, block, cells in zip(kinds, contexts.blocks[1:], numbers[1:], strict=True)
        }
        by_kind["WIDE"] = by_kind["LOW"]
        (cells,) = mixture.tables
        assert [row[0] for row in cells] == ["mean[k]", "inv[k]", "center", "width"]
        return {
            "neighbours": compiled(predictions.blocks[0]),
            "guesses": [(int(row[0]), row[1], compiled(row[2], "eval")) for row in predictions.tables[0]],
            "penalty": compiled(mixture.blocks[0]),
            "blend": compiled(mixture.blocks[1]),
            "parts": [[compiled(row[1 + part], "eval") for row in cells] for part in (0, 1)],
            "common": compiled(contexts.blocks[0]),
            "contexts": by_kind,
        }

    def first(self, c):
        return 8 - (self.s if c % 2 else 8) if self.kind == "WIDE" else 8 - self.bits

    def whole(self, y, x, c):
        """V of the text, of a pixel."""
        if self.s == 0:
            return self.at(y, x)[c]
        if not self.inside(y, x):
            return 128 << self.s
        if self.kind == "LOW":
            return (self.seen_at(y, x)[c] << self.s) + self.at(y, x)[c]
        return (self.at(y, x)[2 * c] << self.s) + self.at(y, x)[2 * c + 1]

    def predictions(self, y, x, c, med):
        """Section Predictions: the first six numbers."""
        names = {"V": lambda dy, dx, c: self.whole(y + dy, x + dx, c), "med": med, "c": c, "s": self.s}
        exec(self.text()["neighbours"], names)
        divided = self.kind in ("LOW", "WIDE")
        applies = {
            "": True,
            "LOW and WIDE, c > 0": divided and c > 0,
            "LOW and WIDE, efforts normal and max": self.linear is not None,
            "ALPHA": self.kind == "ALPHA",
        }
        if self.linear:
            names["linear"] = self.linear.linear(y, x, c)
        names["e"] = med(names["w"], names["n"], names["nw"])
        if self.sees.shape[2]:
            for letter, (dy, dx) in (("ne", (-1, 1)), ("nw", (-1, -1)), ("n", (-1, 0)), ("w", (0, -1))):
                if self.seen_at(y + dy, x + dx) == self.seen_at(y, x):
                    names["e"] = names[letter]
        g = [0] * 7
        for number, condition, formula in self.text()["guesses"]:
            if applies[condition]:
                g[number] = clamp(eval(formula, names), 0, 16 * (2 ** (8 + self.s) - 1))
        return g

    def lane(self, y, x, c):
        text = self.text()
        channel = c // 2 if self.kind == "WIDE" else c
        low = self.kind == "LOW" or (self.kind == "WIDE" and c % 2 == 1)
        if not (self.kind == "WIDE" and low):
            self.guesses[y, x, channel] = self.predictions(y, x, channel, median)
        g = self.guesses[y, x, channel].copy()
        scales, shares = [], []
        for k in range(7):
            names = {
                "q": lambda dy, dx, k=k: self.penalties.get((y + dy, x + dx, channel), [0] * 7)[k],
            }
            exec(text["penalty"], names)
            scales.append(names["scale"])
            shares.append(names["r"])
        names = {"g": g, "scale": scales, "r": shares, "s": self.s, "clamp": clamp}
        exec(text["blend"], names)
        self.guesses[y, x, channel] = g
        high = 0
        if low:
            high = self.seen_at(y, x)[c] if self.kind == "LOW" else self.at(y, x)[c - 1]
        names["base"] = high << (4 + self.s)
        means, inv = [], []
        for k in range(7):
            names["k"] = k
            means.append(eval(text["parts"][low][0], names))
            inv.append(eval(text["parts"][low][1], names))
        center, width = (eval(text["parts"][low][row], names) for row in (2, 3))
        mean = clamp(center, 0, 4080)
        surprise = self.surprise(y, x, c, width)
        value, length = self.expected(y, x, c)
        contexts = self.numbers(y, x, c, mean, halfoctave(width), surprise, high, value, length)
        mixture = Mixture(names["weight"], means, inv, LOGISTIC)
        lane = Lane(mixture, 136, mean, width, contexts, length=length, surprise=surprise)
        lane.center = center
        return lane

    def numbers(self, y, x, c, mean, spread, surprise, high, value, length):
        """Section Side contexts."""

        def colour(dy, dx):
            return functools.reduce(lambda n, digit: n * 256 + digit, self.seen_at(y + dy, x + dx), 0)

        def same(dy, dx):
            return int(self.sees.shape[2] > 0 and self.seen_at(y + dy, x + dx) == self.seen_at(y, x))

        names = {"v": lambda dy, dx, c: self.at(y + dy, x + dx)[c], "hash": mix_hash}
        names |= {"colour": colour, "same": same, "c": c, "x": x, "y": y, "high": high}
        names |= {"mean": mean, "spread": spread, "surprise": surprise, "value": value, "length": length}
        block, numbers = self.text()["contexts"][self.kind]
        exec(self.text()["common"], names)
        exec(block, names)
        return [number % 2**64 for number in eval(numbers, names)]

    def finish(self, y, x, c, lane, symbol):
        self.values[y, x, c] = symbol
        self.error[y, x, c] = clamp(16 * symbol - lane.center, -(2**21), 2**21)
        if self.kind == "WIDE" and c % 2 == 0:
            return
        channel = c // 2 if self.kind == "WIDE" else c
        whole = self.whole(y, x, channel)
        self.penalties[y, x, channel] = [min(abs(16 * whole - g), 2**21) for g in self.guesses[y, x, channel]]


def median(a, b, d):
    return max(min(a, b), min(max(a, b), a + b - d))


# Container


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
        assert version in (3, 4, 5)
        assert layout < (16 if version == 3 else 64)
        assert self.effort < (3 if version == 5 else 2)
        self.alpha_first, self.graphics, self.interleaved, self.mapped, self.jpeg, self.exact = (
            bool(layout & 1 << k) for k in range(6)
        )
        at = 7
        self.width, at = varint(data, at)
        self.height, at = varint(data, at)
        self.tile_width, at = varint(data, at)
        self.tile_height, at = varint(data, at)
        assert data[at] in (0, 8)
        self.model_id = data[at + 1 :]
        assert len(self.model_id) == data[at]
        self.channels = (1, 3, 2, 4, 4, 1, 1)[self.mode]
        self.indexed = self.index_bits > 0 and not self.mapped
        self.coded_depth = max(8, self.index_bits) if self.mapped else self.depth
        if self.jpeg:
            assert self.mode in (0, 1)
            assert self.depth == 8
            assert not self.mapped
        if self.exact:
            assert self.jpeg
            assert self.index_bits == 0
            assert not self.graphics


class Layer(NamedTuple):
    """A row of the first table of section Layers."""

    kind: str
    first: int  # channel
    channels: int
    bits: int
    sees: int | None = None

    @property
    def planes(self):
        return 2 * self.channels if self.kind == "WIDE" else self.channels


def layers_of(head):
    """Section Layers."""
    if head.exact:
        return []
    if head.mode == 6:
        return [Layer("BILEVEL", 0, 1, 1)]
    if head.mode == 5 or head.indexed:
        return [Layer("INDEX", 0, 1, head.index_bits or head.depth)]
    s = max(head.coded_depth - 8, 0)
    colours = 1 if head.mode in (0, 2) else 3
    layers = [Layer("WIDE" if head.interleaved else "NETWORK", 0, colours, 8)]
    if head.mode in (2, 3, 4):
        alpha = Layer("ALPHA", colours, 1, 8)
        layers = [alpha, layers[0]] if head.alpha_first else [layers[0], alpha]
        layers[1] = layers[1]._replace(sees=0)
    if s:
        layers += [
            Layer("LOW", la.first, la.channels, s, k) for k, la in enumerate(layers) if la.kind != "WIDE"
        ]
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


def pixels_of_coefficients(payload, head):
    """Section JPEG: the pixels (H, W, C) of a chunk COEF."""
    import reference_jpeg  # which takes from here what it needs

    image = reference_jpeg.decode(payload, head.height, head.width, head.channels)
    return reference_jpeg.pixels(image, head.height, head.width)


def decode(data, models):
    """Return the pixels (H, W, C) of a file that was coded with one of the model files ``models``."""
    parts = oracle.chunks(data)
    head = Head(parts[0][1])
    check_order(head, [kind for kind, _ in parts])
    tiles = [payload for kind, payload in parts if kind == b"TILE"]
    layers = layers_of(head)
    coded = 1 if head.indexed else head.channels
    pixels = np.zeros((head.height, head.width, coded), np.int64)
    s = max(head.coded_depth - 8, 0)
    corners = [
        (y, x) for y in range(0, head.height, head.tile_height) for x in range(0, head.width, head.tile_width)
    ]
    assert len(tiles) == len(corners) * len(layers)
    for number, (y, x) in enumerate(corners):
        box = pixels[y : y + head.tile_height, x : x + head.tile_width]
        found = []
        for layer, tile in zip(layers, tiles[number * len(layers) :][: len(layers)], strict=True):
            sees = None if layer.sees is None else found[layer.sees]
            values = decode_layer(head, layer, tile, *box.shape[:2], sees, models)
            found.append(values)
            part = box[:, :, layer.first : layer.first + layer.channels]
            if layer.kind == "WIDE":
                part += (values[:, :, ::2] << s) + values[:, :, 1::2]
            else:
                part += values << (s if layer.kind in ("NETWORK", "ALPHA") else 0)
    table = dict(parts).get(b"PLTE")
    if head.mapped:
        pixels = entries(table, 1, head.depth, mapped=True)[:, 0][pixels]
    elif head.indexed:
        pixels = entries(table, head.channels, head.depth)[pixels[:, :, 0]]
    elif head.mode == 5:
        assert table[0] in (3, 4)
        assert len(entries(table[1:], table[0], 8)) <= 256
    if head.jpeg:
        pixels = (pixels_of_coefficients(dict(parts)[b"COEF"], head) + pixels) % 256
    stored = pixels.astype("<u2" if head.depth > 8 else "u1")
    hashed = struct.pack("<IIBB", head.width, head.height, head.mode, head.depth) + stored.tobytes()
    assert hashlib.blake2b(hashed, digest_size=8).digest() == parts[-1][1]
    return stored


def decode_layer(head, layer, tile, height, width, sees, models):
    """Return the values (H, W, planes) of a layer of a tile."""
    if tile[0] == 0:
        return unpacked(tile[1:], layer.planes, layer.bits, height, width)
    assert tile[0] == 1
    slope, at = varint(tile, 1)
    assert slope >= (5 if layer.kind == "NETWORK" and head.effort == 2 else 3)
    if layer.kind == "NETWORK":
        network = next(n for n in map(network_of, models) if n.model_id()[:8] == head.model_id)
        assert network.channels == layer.channels
        if head.effort == 0:
            return oracle.decode_tile(network, tile[at:], height, width, slope)
        coder = NetworkLayer(network, head.effort, head.graphics, height, width, slope, sees)
    else:
        s = head.coded_depth - 8
        coder = SideLayer(
            *(layer.kind, layer.bits, s, height, width, layer.planes, slope),
            sees=sees,
            fast=head.effort == 0,
            graphics=head.graphics,
        )
    words = oracle.RangeDecoder(tile[at:])
    values = coder.decode(words)
    words.finish()
    return values


@functools.cache
def network_of(path):
    return oracle.Network(path)
