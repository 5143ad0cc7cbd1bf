"""Section Residual layers."""

from __future__ import annotations

import functools
import re

from pixcodec.reference.arithmetic import LOGISTIC, clamp
from pixcodec.reference.graphics import mix_hash
from pixcodec.reference.layer import LayerCoder
from pixcodec.reference.least_squares import ValueFit
from pixcodec.reference.mixer import Lane, Mixture, Plan
from pixcodec.reference.side_layer import median
from pixcodec.reference.text import Section, compiled, numbers_of


class OpenLane(Lane):
    """A value whose F goes on beyond 0 and 256."""

    def g(self, symbol, shift=0, other=None):
        if symbol not in self.known:
            m = self.mixture
            total = 0
            for weight, mean, inv in zip(m.weight, m.mean, m.inv, strict=True):
                z = clamp((16 * symbol - 8 - mean) * inv, -(2**26), 2**26 - 1) + 2**26
                i, f = z >> 17, z & (2**17 - 1)
                total += weight * (m.table[i] + ((m.table[i + 1] - m.table[i]) * f >> 17))
            self.known[symbol] = (((total >> 14) * (2**24 - 2048)) >> 24) + 8 * symbol
        return self.known[symbol]


class ResidualLayer(LayerCoder):
    """Section Residual layers."""

    plan_of_side = True

    def __init__(self, low_bits, shape, slope, *, relative, steady=False):
        row = next(row for row in Section("Side layers").tables[0] if row[0] == "WIDE")
        odds, certain, begin, others = (int(eval(cell.replace("^", "**"))) for cell in row[1:])
        plan = Plan(16, 16, odds, certain, 1023, True, False, False, 8, begin, others, steady=steady)
        self.s, self.relative = low_bits, relative
        super().__init__(shape, slope, plan)
        self.near = ValueFit("low", self.whole, 1, self.width, low_bits)
        self.far = self.far_fit()
        self.penalties, self.predicted, self.high, self.err = {}, {}, {}, {}

    def far_fit(self):
        section = Section("Residual predictions")
        fit = ValueFit("low", self.whole, 1, self.width, self.s)
        (own,), ((_, _, _, towards),) = fit.places, fit.squares.constants
        (cell,) = section.tables[1][0]
        further = [(*map(int, re.findall(r"-?\d+", pair)), 0) for pair in cell.split()]
        fit.places = [[*own, *further]]
        found = re.search(r"LAMBDA = ([\d.]+), MU = ([\d.]+) and RIDGE = (\d+)", section.words)
        fit.squares.constants = [(*([float(number)] for number in found.groups()), towards)]
        return fit

    @staticmethod
    @functools.cache
    def text():
        predictions, mixture, contexts = (
            Section(f"Residual {title}") for title in ("predictions", "mixture", "contexts")
        )
        assert [int(row[0]) for row in contexts.tables[0]] == list(range(16))
        return {
            "neighbours": compiled(predictions.blocks[0]),
            "guesses": [compiled(row[1], "eval") for row in predictions.tables[0]],
            "blocks": [compiled(block) for block in mixture.blocks],
            "parts": [[compiled(row[1 + part], "eval") for row in mixture.tables[0]] for part in (0, 1)],
            "common": compiled(contexts.blocks[0]),
            "contexts": numbers_of([row[1] for row in contexts.tables[0]]),
        }

    def first(self, c):
        return 8 - self.s if c else 0

    def whole(self, y, x, _=0):
        """V of the text, of a pixel."""
        if not self.inside(y, x):
            return 2 ** (7 + self.s)
        return (self.at(y, x)[0] << self.s) + self.at(y, x)[1]

    def predict(self, y, x):
        """Return the names of the section, before plane 0."""
        text = self.text()
        names = {"V": lambda dy, dx: self.whole(y + dy, x + dx), "med": median}
        names |= {"near": self.near.linear(y, x, 0), "far": self.far.linear(y, x, 0), "s": self.s}
        exec(text["neighbours"], names)
        g = [clamp(eval(formula, names), 0, 16 * (2 ** (8 + self.s) - 1)) for formula in text["guesses"]]
        names |= {"g": [*g, 0], "relative": self.relative}
        scales, misses = [], []
        for k in range(7):
            near = {"q": lambda dy, dx, k=k: self.penalties.get((y + dy, x + dx), [0] * 7)[k]}
            exec(text["blocks"][0], near)
            scales.append(near["scale"])
            misses.append(near["miss"])
        names |= {"scale": scales, "miss": misses}
        exec(text["blocks"][1], names)
        return names

    def lane(self, y, x, c):
        if c == 0:
            self.predicted[y, x] = self.predict(y, x)
        names, text = dict(self.predicted[y, x]), self.text()
        high = self.high[y, x] if c else 0
        names["base"] = high * 2 ** (4 + self.s) - 16 * names["shift"]
        means, inv = [], []
        for k in range(7):
            names["k"] = k
            means.append(eval(text["parts"][c][0], names))
            inv.append(eval(text["parts"][c][1], names))
        center = eval(text["parts"][c][2], names)
        contexts = self.numbers(y, x, c, names, high)
        mixture = Mixture(names["weight"], means, inv, LOGISTIC)
        lane = OpenLane(mixture, 136, clamp(center, 0, 4080), 0, contexts, surprise=names["surprise"])
        lane.spread = names["spread"]
        return lane

    def numbers(self, y, x, c, names, high):
        """Classes and contexts."""
        names |= {"err": lambda dy, dx: self.err.get((y + dy, x + dx), 0), "octaves": octaves}
        names |= {"W": abs(names["err"](0, -1)), "N": abs(names["err"](-1, 0)), "hash": mix_hash, "x": x}
        exec(self.text()["blocks"][2], names)
        width = names["width"]

        def step(d):
            k = sum(8 * abs(d) > width * 2**j for j in range(5))
            return 5 + k if d >= 0 else 5 - k

        names["step"] = step
        exec(self.text()["common"], names)
        numbers = eval(self.text()["contexts"], names)
        return [mix_hash(number, high) if c else number for number in numbers]

    def finish(self, y, x, c, lane, symbol):
        if c == 0:
            self.high[y, x] = symbol
            return
        names = self.predicted.pop((y, x))
        whole = ((self.high[y, x] << self.s) + symbol - names["shift"]) % 2 ** (8 + self.s)
        self.values[y, x] = whole >> self.s, whole & (2**self.s - 1)
        self.err[y, x] = 16 * whole - names["center"]
        self.penalties[y, x] = [abs(16 * whole - g) for g in names["g"]]


def octaves(v):
    """Return halfoctave(v) without its limit."""
    count = 0
    while v >= 4:
        v, count = v >> 1, count + 2
    return count + (v == 3)
