"""Section Side layers."""

from __future__ import annotations

import functools

from pixcodec.reference.arithmetic import LOGISTIC, clamp, halfoctave
from pixcodec.reference.graphics import mix_hash
from pixcodec.reference.layer import LayerCoder
from pixcodec.reference.least_squares import ValueFit
from pixcodec.reference.mixer import Lane, Mixture, Plan
from pixcodec.reference.runs import discounted
from pixcodec.reference.text import Section, compiled, numbers_of


class SideLayer(LayerCoder):
    """Section Side layers."""

    plan_of_side = True

    def __init__(self, kind, bits, low_bits, shape, slope, sees=None, *, fast, graphics, high_bits=8, **more):
        first = {row[0]: row[1:] for row in Section("Side layers").tables[0]}
        row = first["INDEX, BILEVEL" if kind in ("INDEX", "BILEVEL") else kind]
        odds, certain, begin, others = (int(eval(cell.replace("^", "**"))) for cell in row)
        repeats = kind in ("INDEX", "BILEVEL") or (kind == "ALPHA" and graphics)
        refers = more.get("reference") is not None
        count = 24 if refers else 16
        plan = Plan(count, count, odds, certain, 1023, True, False, repeats, 8, begin, others, refers)
        self.kind, self.bits, self.s = kind, bits, low_bits if kind in ("LOW", "WIDE") else 0
        self.pad = 0 if kind in ("INDEX", "BILEVEL") else 128
        self.high_bits, self.further = high_bits, low_bits if high_bits == 16 else 0
        if kind == "WIDE" and sees is not None:  # the planes that are known
            self.known = sees.shape[2]
            shape = (*shape[:2], shape[2] + self.known)
        super().__init__(shape, slope, plan, sees, **more)
        self.values[..., : self.known] = self.sees[..., : self.known]
        channels = self.planes // 2 if kind == "WIDE" else self.planes
        self.penalties, self.guesses = {}, {}
        self.linear = None
        if self.s and not fast:
            self.linear = ValueFit("low", self.whole, channels, self.width, self.s, high_bits)

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
            return 2 ** (self.high_bits + self.s - 1)
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
                g[number] = clamp(eval(formula, names), 0, 16 * (2 ** (self.high_bits + self.s) - 1))
        if self.reference is not None and self.kind == "INDEX":
            g[5] = 16 * self.referred(y, x)[0]
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
                "further": self.further,
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
        weight, v = names["weight"], self.ended(y, x, c)
        if v is not None:
            weight, inv = discounted(v, weight, means, inv, LOGISTIC)
            center = clamp(sum(w * m for w, m in zip(weight, means, strict=True)) >> 16, 0, 4080)
            off = (abs(m - center) + (29 * 2**18) // i for m, i in zip(means, inv, strict=True))
            width = sum(w * o for w, o in zip(weight, off, strict=True)) >> 16
        mean = clamp(center, 0, 4080)
        surprise = self.surprise(y, x, c, width)
        value, length = self.expected(y, x, c)
        contexts = self.numbers(y, x, c, mean, halfoctave(width), surprise, high, value, length)
        mixture = Mixture(weight, means, inv, LOGISTIC)
        lane = Lane(mixture, 136, mean, width, contexts, length=length, surprise=surprise)
        if self.reference is not None:
            lane.still = self.still(y, x, c)
            lane.contexts = [*contexts, *self.reference_numbers(y, x, lane.still)]
        lane.center, lane.predictions, lane.scales = center, g, scales
        return lane

    def reference_numbers(self, y, x, still):
        """Section Reference: contexts 16 .. 23."""
        section = Section("Reference")
        names = {
            "R": lambda dy, dx, plane: self.referred(y + dy, x + dx)[plane],
            "v": lambda dy, dx, plane: self.at(y + dy, x + dx)[plane],
            **{"still": still, "hash": mix_hash},
        }
        exec(compiled(section.blocks[1]), names)
        table = section.tables[1]
        assert [int(row[0]) for row in table] == list(range(16, 24))
        return eval(numbers_of([row[1] for row in table]), names)

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
        most = 2 ** (21 + self.further)
        self.penalties[y, x, channel] = [min(abs(16 * whole - g), most) for g in self.guesses[y, x, channel]]


def median(a, b, d):
    return max(min(a, b), min(max(a, b), a + b - d))
