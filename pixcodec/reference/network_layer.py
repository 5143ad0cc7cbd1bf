"""Layers NETWORK of efforts normal and max."""

from __future__ import annotations

import functools
import re

from pixcodec.reference import core
from pixcodec.reference.arithmetic import clamp, halfoctave
from pixcodec.reference.block_fit import BlockFit
from pixcodec.reference.calibration import CalibratedTile
from pixcodec.reference.graphics import exact_numbers, mix_hash
from pixcodec.reference.layer import LayerCoder
from pixcodec.reference.least_squares import JointFit
from pixcodec.reference.mixer import Lane, Mixture, Plan
from pixcodec.reference.runs import discounted
from pixcodec.reference.text import Section, compiled, numbers_of


class NetworkLayer(LayerCoder):
    """A layer NETWORK in efforts normal (1) and max (2); ``near``: in 9 and 10, ``calibrated``: in 10."""

    def __init__(self, network, effort, graphics, height, width, slope, sees=None, runs=False, **more):
        near, calibrated = more.pop("near", False), more.pop("calibrated", False)
        colours = network.channels == 3
        count = ((35 if colours else 15) if effort == 2 else 8 if graphics else 12) + 7 * graphics
        high = count if effort == 2 or graphics else 5
        refers = more.get("reference") is not None
        if refers:
            count += 8 - (8 if effort == 2 and colours else 0)
            high = min(high + 8, count)
        odds, certain = (4096, 2304) if effort == 2 or graphics else (256, 1792)
        limit = 1023 if graphics else 255
        if near:
            (count,), (high,), _, _, (odds,), (certain,) = near_numbers()
        plan = Plan(
            *(count, high, odds, certain, limit, effort == 2, effort == 2, graphics, 4),
            refers=refers,
            near=near,
        )
        super().__init__((height, width, network.channels), slope, plan, sees, runs=runs, **more)
        self.tile = (CalibratedTile if calibrated else core.Tile)(network, height, width)
        self.contexts = NetworkContexts(self.at)
        self.chosen = self.contexts.chosen(effort, graphics, network.channels, near=near)
        if refers:
            dropped = {
                int(k)
                for k in re.findall(r"without the contexts ([\d ]+) of", Section("Reference").words)[
                    0
                ].split()
            }
            dropped = dropped if effort == 2 and colours else set()
            self.chosen = [
                [*(("reference", k) for k in range(8)), *(j for j in numbers if j not in dropped)]
                for numbers in self.chosen
            ]
        self.graphics = graphics
        self.joint = None
        if near:
            self.joint = BlockFit(lambda y, x, c: self.at(y, x)[c], network.channels, width, network.logistic)
        if effort == 2:
            self.joint = JointFit(self.value, self.error, network.channels, width, network.logistic)

    def value(self, y, x, c):
        return self.at(y, x)[c]

    def copy(self, y, x, from_y, from_x):
        super().copy(y, x, from_y, from_x)
        self.tile.values[y, x] = self.values[y, x]
        self.tile.h[:, y, x] = self.tile.h[:, from_y, from_x]
        self.contexts.copy(y, x, from_y, from_x)

    def begin(self, pixels):
        for y, x in pixels:
            self.tile.trunk(y, x)

    def lane(self, y, x, c):
        network = self.tile.network
        weight, means, inv = self.tile.distribution(y, x, c)
        v = self.ended(y, x, c)
        if v is not None:
            weight, inv = discounted(v, weight, means, inv, network.logistic)
        mean = clamp(sum(w * m for w, m in zip(weight, means, strict=True)) >> 16, 0, 4080)
        off = (abs(m - mean) + (29 * 2**18) // i for m, i in zip(means, inv, strict=True))
        width = sum(w * o for w, o in zip(weight, off, strict=True)) >> 16
        fits = self.joint.fits(y, x, c, mean) if self.joint else None
        linear = fits.linear if fits and not self.mixer.plan.near else None
        surprise = self.surprise(y, x, c, width)
        numbers = self.contexts.numbers(y, x, c, mean, halfoctave(width), surprise, linear, self.planes)
        length = 0
        if self.graphics:
            value, length = self.expected(y, x, c)
            names = {"v": lambda dy, dx, e: self.at(y + dy, x + dx)[e], "hash": mix_hash}
            before = self.seen_at(y, x) + self.at(y, x)[:c]
            exact = exact_numbers(names, before, self.planes, c, value, length)
            numbers = {**numbers, **{("exact", j): number for j, number in enumerate(exact)}}
        still = None
        if self.reference is not None:
            still = self.still(y, x, c)
            found = self.reference_numbers(y, x, c, mean, halfoctave(width), still)
            numbers = {**numbers, **{("reference", k): number for k, number in enumerate(found)}}
        lane = Lane(
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
        lane.still = still
        return lane

    def reference_numbers(self, y, x, c, mean, spread, still):
        """Section Reference: contexts 0 .. 7."""
        section = Section("Reference")

        def digits(values):
            return functools.reduce(lambda number, digit: number * 256 + digit, values, 0)

        names = {
            "R": lambda dy, dx, plane: self.referred(y + dy, x + dx)[plane],
            "v": lambda dy, dx, plane: self.at(y + dy, x + dx)[plane],
            "beyond": lambda dy, dx: digits(self.referred(y + dy, x + dx)),
            "cl": lambda value: clamp(value, 0, 255),
            **{"c": c, "mean": mean, "spread": spread, "still": still, "hash": mix_hash},
            **{"here": digits(self.referred(y, x)), "earlier": digits(self.at(y, x)[:c])},
            "W": digits(self.at(y, x - 1)),
        }
        exec(compiled(section.blocks[2]), names)
        table = section.tables[2]
        assert [int(row[0]) for row in table] == list(range(8))
        return eval(numbers_of([row[1] for row in table]), names)

    def finish(self, y, x, c, lane, symbol):
        value = (symbol + lane.base - 136) % 256
        self.values[y, x, c] = self.tile.values[y, x, c] = value
        self.error[y, x, c] = 16 * value - lane.mean
        if c == 2:
            self.contexts.invert(y, x, *self.at(y, x))

    def learn(self, c, pixels, lanes):
        mixtures = [lane.mixture[:3] for lane in lanes]
        ends = [self.ended(y, x, c) is not None for y, x in pixels]
        self.tile.learn(c, list(zip(pixels, mixtures, ends, strict=True)))


def near_numbers():
    """Return the numbers of the first table of section Fitted layers."""
    rows = Section("Fitted layers").tables[0]
    return [[int(v) for v in re.findall(r"\d+", row[1])] for row in rows]


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

    def chosen(self, effort, graphics, channels, *, near):
        """Return the keys of the contexts j = 0 .. J-1 of each channel."""
        if near:
            rows = Section("Fitted layers").tables[1]
            return [[int(k) for k in rows[channels == 3][1].split()]] * channels
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

    def copy(self, y, x, from_y, from_x):
        for kind in (0, 1):
            if (kind, from_y, from_x) in self.chroma:
                self.chroma[kind, y, x] = self.chroma[kind, from_y, from_x]

    def invert(self, y, x, r, g, b):
        for kind, block in enumerate(self.text()[4]):
            names = {"r": r, "g": g, "b": b}
            exec(block, names)
            self.chroma[kind, y, x] = names["L"], names["P"], names["Q"]
            self.fits[kind] += names["fits"]
