"""A decoder of the chunk COEF, written from part JPEG of the format: plain, slow, no code of pixcodec."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pixcodec.reference import core, jpeg_streams
from pixcodec.reference.jpeg_mixer import Bit, Mixer
from pixcodec.reference.jpeg_numbers import FUNCTIONS, ORDER, log4
from pixcodec.reference.jpeg_text import text
from pixcodec.reference.text import Section


class Image(NamedTuple):
    """What a payload holds: the coefficients of each component are (rows, columns, 8, 8)."""

    top: int
    left: int
    horizontal: int
    vertical: int
    steps: list[np.ndarray]  # (8, 8)
    blocks: list[np.ndarray]
    decoder: int
    orientation: int


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

    recording = False  # for tests; it takes much memory

    def __init__(self, number, rows, columns, steps, luma, blue):
        self.number, self.rows, self.columns, self.steps = number, rows, columns, steps.tolist()
        self.blocks = np.zeros((rows, columns, 8, 8), np.int64).tolist()
        self.luma, self.blue = luma, blue  # (rows, columns, 8, 8)
        self.lengths = {}
        self.seen = {}  # of every coefficient, if it is recording: what its contexts are made of
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
        """Section One bitstream: yield each bit of a block and take it."""
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
            if self.recording:
                self.seen[r, c, k] = names
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
    """Section One bitstream, 2: yield each bit of a coefficient and take it; return what is coded."""
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


class Streams(NamedTuple):
    data: bytes
    effort: int
    networked: bool


def decode(payload, height, width, channels, version):
    """Return the Image of a payload; the size is that of HEAD."""
    top, left, subsampling = payload[:3]
    rows = Section("JPEG").tables[1]
    if version < 8:
        rows = [row for row in rows if row[3] != "8"]
    assert subsampling < (len(rows) if channels == 3 else 1)
    horizontal, vertical = int(rows[subsampling][1]), int(rows[subsampling][2])
    decoder, orientation = payload[3:5] if version == 8 else (0, 0)
    streams = decoder >= 128
    if streams:
        effort, networked, decoder = decoder % 128 // 32, decoder % 32 >= 16, decoder % 16
        assert effort < 3
    assert decoder < len(Section("Decoders").tables[0])
    assert orientation < 8
    if orientation >= 4:
        height, width = width, height
    assert top < 8 * vertical
    assert left < 8 * horizontal
    counts = [(-(-(top + height) // 8), -(-(left + width) // 8))]
    for _ in range(1, channels):
        rows, columns = -(-(top + height) // vertical), -(-(left + width) // horizontal)
        counts.append((-(-rows // 8), -(-columns // 8)))
    steps, at = [], 5 if version == 8 else 3
    for _ in range(channels):
        table = np.zeros((8, 8), np.int64)
        for k, (u, v) in enumerate(ORDER):
            table[u, v] = payload[at + k]
        assert table.all()
        steps.append(table)
        at += 64
    if streams:
        streams = Streams(payload[at:], effort, networked)
        blocks = blocks_of_streams(streams, counts, (vertical, horizontal), steps)
    else:
        blocks = blocks_of_one_bitstream(payload[at:], counts, (vertical, horizontal), steps)
    assert max(abs(b).max() for b in blocks) <= 2047
    return Image(top, left, horizontal, vertical, steps, blocks, decoder, orientation)


def blocks_of_streams(streams, counts, factors, steps):
    """Section Coefficients of streams."""
    components = [
        jpeg_streams.Component(*count, *(factors if number == 0 else (1, 1)), table)
        for number, (count, table) in enumerate(zip(counts, steps, strict=True))
    ]
    (blocks,) = jpeg_streams.decode(streams.data, [components], streams.effort, networked=streams.networked)
    return blocks


def blocks_of_one_bitstream(data, counts, factors, steps):
    """Sections from One bitstream on."""
    coder = core.RangeDecoder(data)
    mixer = Mixer(64 * sum(rows * columns for rows, columns in counts))
    blocks = []
    for number, (rows, columns) in enumerate(counts):
        none = np.zeros((rows, columns, 8, 8), np.int64)
        luma = luma_of(blocks[0], none, *factors) if number > 0 else none
        blue = blocks[1] if number == 2 else none
        blocks.append(Component(number, rows, columns, steps[number], luma, blue).decode(coder, mixer))
    coder.finish()
    return blocks


def luma_of(blocks, none, vertical, horizontal):
    """Section Fits: luma of all blocks of a component of chroma."""
    found = none.copy()
    for y, row in enumerate(blocks):
        for x, block in enumerate(row):
            found[y // vertical, x // horizontal] += abs(block)
    return found
