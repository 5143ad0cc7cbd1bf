"""A decoder of the chunk COEF, written from section JPEG of FORMAT.md: plain, slow, no code of pixcodec.

As in reference.py, what the text gives as formulas is taken from there and executed. Sections are those of
FORMAT.md.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

import oracle
from reference import (
    ONE,
    STRETCH,
    A,
    B,
    M,
    Section,
    clamp,
    compiled,
    entry,
    move,
    numbers_of,
    squash,
    train,
)

ORDER = sorted(
    ((u, v) for u in range(8) for v in range(8)),
    key=lambda f: (sum(f), f[0] if sum(f) % 2 else f[1]),
)
COUNTS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255)


class Image(NamedTuple):
    """What a payload holds: the coefficients of each component are (rows, columns, 8, 8)."""

    top: int
    left: int
    horizontal: int
    vertical: int
    steps: list[np.ndarray]  # (8, 8)
    blocks: list[np.ndarray]


@functools.cache
def text():
    """Return the formulas of the text by name, compiled."""
    (edges,) = Section("Edges").blocks
    features, add, solve, foresee = Section("Fits").blocks
    of_dc, of_others = Section("Contexts of coefficients").blocks
    lengths = Section("Contexts of lengths").tables[0]
    contexts, sets = Section("Contexts of coefficients").tables
    assert [row[0] for row in lengths] == [*map(str, range(12)), "12 .. 16"]
    assert [row[0] for row in contexts] == [*map(str, range(17))]
    assert [row[0] for row in sets] == [*map(str, range(4))]
    blocks = {
        "features": edges + features,
        "add": add,
        "solve": solve,
        "foresee": foresee,
        "dc": of_dc,
        "others": of_others,
        "hash": Section("Bits of coefficients").blocks[0],
        "transform": Section("Samples").blocks[0],
        "colours": Section("Colours").blocks[0],
    }
    found = {name: compiled(block) for name, block in blocks.items()}
    found["lengths"] = numbers_of([row[1] for row in lengths] + ["0"] * 4)
    for column, name in ((1, "dc"), (2, "others")):
        found[f"{name} contexts"] = numbers_of([row[column] for row in contexts])
        found[f"{name} sets"] = numbers_of([row[column] for row in sets])
    return found


def log4(m):
    """Section Fits."""
    m, steps = m + 1, 0
    while m >= 8:
        m, steps = m >> 1, steps + 4
    return min(steps + (0, 0, 4, 6, 8, 9, 10, 11)[m], 47)


def slog4(a):
    return 48 + log4(a) if a >= 0 else 48 - log4(-a)


FUNCTIONS = {
    "log4": log4,
    "slog4": slog4,
    "clamp": clamp,
    "cut": lambda a, m: clamp(a, -m, m) + m,
}


class Bit(NamedTuple):
    """What a lane says of its next bit."""

    node: int
    k: int
    numbers: tuple[int, ...]  # of the contexts
    sets: tuple[int, ...]


class Mixer:
    """Section Bits of coefficients."""

    def __init__(self, coefficients):
        self.bits = clamp((coefficients // 2).bit_length(), 16, 20)
        self.cells, self.maps, self.apm, self.weights, self.final = {}, {}, {}, {}, {}
        self.blocks = 0
        self.taken = 0  # cells that have had another check before

    def code(self, coder, component, bits):
        """Code the bits of a round; return them."""
        claimed = [[self.claim(j, x, bit, component) for j, x in enumerate(bit.numbers)] for bit in bits]
        lanes = [
            Lane(self, component, bit, [self.cells[place] for place in places])
            for bit, places in zip(bits, claimed, strict=True)
        ]
        ones = [lane.predict() for lane in lanes]
        found = [coder.symbol([ONE - one, one]) for one in ones]
        rate = 300 + 2700 * 256 // (256 + self.blocks)
        for lane, bit in zip(lanes, found, strict=True):
            lane.learn(bit, rate)
        return found

    def claim(self, j, number, bit, component):
        x = (number * 4 + component) * 64 + (63 if bit.node < 64 else min(bit.k, 62))
        h = (x + 1) * A + (bit.node + 1) * M & 2**64 - 1
        h = (h ^ (h >> 29)) * B & 2**64 - 1
        place, check = (j, h >> 36 & 2**self.bits - 1), h >> 8 & 0xFFFF
        check_and_entry = self.cells.setdefault(place, [0, 0, 0])
        if check_and_entry[2] != check:
            self.taken += check_and_entry[1] > 0
            check_and_entry[:] = 0, 0, check
        return place


class Lane:
    """A bit that is being coded."""

    def __init__(self, mixer, component, bit, cells):
        node = bit.node
        kind = (node > 1) + (node > 3)
        if node >= 64:
            kind = node - 61 if node < 80 else 19 + min(node % 16, 4)
        self.where, self.cells, self.maps = (component, kind), cells, []
        self.inputs = [256]
        from_cells = []
        for j, (p, n, _) in enumerate(cells):
            p = (p >> 10) + 2048
            group = clamp((STRETCH[p] + 2304) // 144, 0, 31)
            place = kind, j, sum(bound <= n for bound in COUNTS), group
            self.maps.append(mixer.maps.setdefault(place, entry(16 * -2304 + (2 * group + 1) * 1152)))
            self.inputs.append(STRETCH[(self.maps[-1][0] >> 10) + 2048])
            from_cells.append((p - 2048) * min(256, 32 * n) >> 10)
        self.inputs += from_cells
        first = [0, *[94372] * 17, *[0] * 17]
        self.weights = [
            mixer.weights.setdefault((m, *self.where, number), first.copy())
            for m, number in enumerate(bit.sets)
        ]
        self.final = mixer.final.setdefault(self.where, [2**18] * 4)
        self.apm, self.k = mixer.apm, 0 if node < 64 else bit.k

    def predict(self):
        """Return the frequency of bit 1."""
        self.dots = [
            clamp(sum(a * (w >> 9) for a, w in zip(self.inputs, weights, strict=True)) >> 7, -61439, 61439)
            for weights in self.weights
        ]
        mixed = sum(dot * v for dot, v in zip(self.dots, self.final, strict=True)) >> 20
        self.mixed = clamp(mixed, -61439, 61439)
        z = clamp((self.mixed >> 8) + 256, 0, 511)
        f = z & 15
        low, high = (
            self.apm.setdefault((*self.where, self.k, at), entry((at - 16) * 4096))
            for at in (z >> 4, (z >> 4) + 1)
        )
        self.nearest = high if f >= 8 else low
        c = ((low[0] + 2**21) * (16 - f) + (high[0] + 2**21) * f) >> 2
        return clamp((3 * squash(self.mixed) + c) >> 2, 16, ONE - 16)

    def learn(self, bit, rate):
        move(self.nearest, bit, 1023)
        train(self.inputs, self.weights, self.dots, self.final, self.mixed, bit, rate)
        for meant, cell in zip(self.maps, self.cells, strict=True):
            move(meant, bit, 1023)
            move(cell, bit, 255)


class Fit:
    """Section Fits: one of the two models, of all k."""

    def __init__(self, count):
        self.count = count
        self.sums = np.zeros((count, count + 1, 64))

    def solve(self):
        names = {"a": self.sums.copy(), "N": self.count, "max": np.maximum}
        names["weights"] = np.zeros((self.count, 64))
        with np.errstate(all="ignore"):
            exec(text()["solve"], names)
        self.weights = names["weights"]

    def foresee(self, k, z, low, high, scale):
        names = {"z": [float(v) for v in z], "N": self.count, "weights": self.weights[:, k].tolist()}
        exec(text()["foresee"], names)
        return math.floor(names["p"] * scale + 1 / 2) if low < names["p"] < high else 0

    def add(self, k, z, target):
        names = {"z": [float(v) for v in z], "target": float(target)}
        names |= {"N": self.count, "A": self.sums[:, :, k]}
        exec(text()["add"], names)


class Component:
    """The blocks of a component, as far as they are known."""

    def __init__(self, number, rows, columns, steps, luma, blue):
        self.number, self.rows, self.columns, self.steps = number, rows, columns, steps.tolist()
        self.blocks = np.zeros((rows, columns, 8, 8), np.int64).tolist()
        self.luma, self.blue = luma, blue  # (rows, columns, 8, 8)
        self.lengths = {}
        self.values, self.sizes = Fit(20), Fit(16)

    def decode(self, coder, mixer):
        """Return the coefficients."""
        for t in range(self.columns + 2 * (self.rows - 1)):
            self.values.solve()
            self.sizes.solve()
            lanes = [self.block(r, t - 2 * r) for r in range(self.rows) if 0 <= t - 2 * r < self.columns]
            mixer.blocks += len(lanes)
            waiting = [(lane, next(lane)) for lane in lanes]
            while waiting:
                found = mixer.code(coder, self.number, [bit for _, bit in waiting])
                goes_on = [(lane, next_bit(lane, bit)) for (lane, _), bit in zip(waiting, found, strict=True)]
                waiting = [(lane, bit) for lane, bit in goes_on if bit]
        return np.array(self.blocks, np.int64)

    def block(self, r, c):
        """Section Blocks: yield each bit of a block and take it."""
        above, before = int(r > 0), int(c > 0)
        names = FUNCTIONS | self.around_length(r, c)
        numbers, sets = eval(text()["lengths"], names), self.length_sets(names)
        node = 1
        while node < 64:
            node = 2 * node + (yield Bit(node, 0, numbers, sets))
        length = self.lengths[r, c] = node - 64

        def b(dr, dc, i, j):
            inside = 0 <= r + dr < self.rows and 0 <= c + dc < self.columns and 0 <= i < 8 and 0 <= j < 8
            return self.blocks[r + dr][c + dc][i][j] if inside else 0

        energy = nonzero = 0
        for k in range(length, -1, -1):
            u, v = ORDER[k]
            names = {**FUNCTIONS, "b": b, "u": u, "v": v, "above": above, "before": before}
            names |= {"step": lambda i, j: self.steps[i][j], "energy": energy, "nonzero": nonzero}
            names |= {"length": length, "k": k}
            names |= {"luma": int(self.luma[r, c, u, v]), "blue": int(self.blue[r, c, u, v])}
            exec(text()["features"], names)
            names["fit"] = self.values.foresee(k, names["x"], -2000, 2000, 16)
            names["size"] = self.sizes.foresee(k, names["y"], 0, 47, 4)
            kind = "others" if k else "dc"
            exec(text()[kind], names)
            if k == 0:
                predicted = names["predicted"]
                names["d_nw"] = names["nw"] - predicted if above and before else 0
                names["d_ne"] = names["ne"] - predicted if above and c + 1 < self.columns else 0
            numbers, sets = (eval(text()[f"{kind} {what}"], names) for what in ("contexts", "sets"))
            value = yield from coefficient(k, numbers, sets, surely=k == length > 0)
            if k == 0:
                value += predicted
            self.blocks[r][c][u][v] = value
            energy, nonzero = energy + abs(value), nonzero + (value != 0)
            self.values.add(k, names["x"], value)
            self.sizes.add(k, names["y"], log4(abs(value)))

    def around_length(self, r, c):
        """Section Contexts of lengths: what its table is made of."""
        at = self.lengths.get
        names = {"w": at((r, c - 1), 0), "n": at((r - 1, c), 0), "nw": at((r - 1, c - 1), 0)}
        names["ne"] = at((r - 1, c + 1), names["n"])

        def energy(y, x):
            return sum(abs(self.blocks[y][x][u][v]) for u, v in ORDER[1:]) if y >= 0 and x >= 0 else 0

        def last(block):
            return max((k for k in range(1, 64) if block[ORDER[k]]), default=0)

        names |= {"energy_w": energy(r, c - 1), "energy_n": energy(r - 1, c)}
        return names | {"luma_length": last(self.luma[r, c]), "blue_length": last(self.blue[r, c])}

    @staticmethod
    def length_sets(names):
        energy = names["energy_w"] + names["energy_n"]
        return 0, log4(names["w"] + names["n"]) >> 1, log4(energy) >> 1, 0


def next_bit(lane, bit):
    try:
        return lane.send(bit)
    except StopIteration:
        return None


def coefficient(k, numbers, sets, *, surely):
    """Section Blocks, 2: yield each bit of a coefficient and take it; return what is coded."""
    if not surely and not (yield Bit(64, k, numbers, sets)):
        return 0
    negative = yield Bit(65, k, numbers, sets)
    e = 0
    while e < 11 and (yield Bit(66 + e, k, numbers, sets)):
        e += 1
    magnitude = 1
    for left in range(e, 0, -1):
        i = 0 if left == e else 1 + magnitude % 2 if left == e - 1 else 2 + left
        magnitude = 2 * magnitude + (yield Bit(80 + 16 * e + i, k, numbers, sets))
    return -magnitude if negative else magnitude


def decode(payload, height, width, channels):
    """Return the Image of a payload."""
    top, left, subsampling = payload[:3]
    assert subsampling < (3 if channels == 3 else 1)
    horizontal, vertical = ((1, 1), (2, 1), (2, 2))[subsampling]
    assert top < 8 * vertical
    assert left < 8 * horizontal
    counts = [(-(-(top + height) // 8), -(-(left + width) // 8))]
    for _ in range(1, channels):
        rows, columns = -(-(top + height) // vertical), -(-(left + width) // horizontal)
        counts.append((-(-rows // 8), -(-columns // 8)))
    steps, at = [], 3
    for _ in range(channels):
        table = np.zeros((8, 8), np.int64)
        for k, (u, v) in enumerate(ORDER):
            table[u, v] = payload[at + k]
        assert table.all()
        steps.append(table)
        at += 64
    coder = oracle.RangeDecoder(payload[at:])
    mixer = Mixer(64 * sum(rows * columns for rows, columns in counts))
    blocks = []
    for number, (rows, columns) in enumerate(counts):
        none = np.zeros((rows, columns, 8, 8), np.int64)
        luma = luma_of(blocks[0], none, vertical, horizontal) if number > 0 else none
        blue = blocks[1] if number == 2 else none
        blocks.append(Component(number, rows, columns, steps[number], luma, blue).decode(coder, mixer))
        assert abs(blocks[-1]).max() <= 2047
    coder.finish()
    return Image(top, left, horizontal, vertical, steps, blocks)


def luma_of(blocks, none, vertical, horizontal):
    """Section Fits: luma of all blocks of a component of chroma."""
    found = none.copy()
    for y, row in enumerate(blocks):
        for x, block in enumerate(row):
            found[y // vertical, x // horizontal] += abs(block)
    return found


def transform(x, shift):
    names = {"x": x, "shift": shift}
    exec(text()["transform"], names)
    return np.array(names["o"])


def samples(blocks, steps, rows, columns):
    """Section Samples: the samples (rows, columns) of a component."""
    wide = np.clip(blocks * steps, -16383, 16383)
    half = np.clip(transform(wide.transpose(2, 3, 0, 1), 11), -16383, 16383)  # y, v, rows, columns
    found = np.clip(transform(half.transpose(1, 0, 2, 3), 18) + 128, 0, 255)  # x, y, rows, columns
    plane = found.transpose(2, 1, 3, 0).reshape(8 * len(blocks), -1)
    return plane[:rows, :columns]


def enlarge(plane, horizontal, vertical):
    """Section Colours: the samples of chroma, as large as luma or one larger."""
    rows, columns = plane.shape
    values = plane.tolist()

    def s(i, j):
        return values[clamp(i, 0, rows - 1)][clamp(j, 0, columns - 1)]

    def q(i, j):
        return 3 * s(i // 2, j) + s(i // 2 + (1 if i % 2 else -1), j)

    if horizontal == 1:
        return plane
    found = np.zeros((vertical * rows, 2 * columns), np.int64)
    for i in range(vertical * rows):
        for j in range(columns):
            if columns <= 2:
                pair = s(i // vertical, j), s(i // vertical, j)
            elif vertical == 1:
                pair = (3 * s(i, j) + s(i, j - 1) + 1) >> 2, (3 * s(i, j) + s(i, j + 1) + 2) >> 2
            else:
                pair = (3 * q(i, j) + q(i, j - 1) + 8) >> 4, (3 * q(i, j) + q(i, j + 1) + 7) >> 4
            found[i, 2 * j : 2 * j + 2] = pair
    return found


def pixels(image, height, width):
    """Return the pixels (H, W, C) of an Image."""
    whole = image.top + height, image.left + width
    planes = []
    for number, (blocks, steps) in enumerate(zip(image.blocks, image.steps, strict=True)):
        ratio = (image.vertical, image.horizontal) if number > 0 else (1, 1)
        plane = samples(blocks, steps, -(-whole[0] // ratio[0]), -(-whole[1] // ratio[1]))
        if number > 0:
            plane = enlarge(plane, image.horizontal, image.vertical)
        planes.append(plane[image.top : whole[0], image.left : whole[1]])
    if len(planes) == 1:
        return planes[0][:, :, None]
    names = dict(zip("YPQ", planes, strict=True), clamp=np.clip)
    exec(text()["colours"], names)
    return np.stack([names[letter] for letter in "rgb"], 2)
