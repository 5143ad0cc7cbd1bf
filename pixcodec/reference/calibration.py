"""Part Calibrated tiles: section Calibration."""

from __future__ import annotations

import functools
import math
import re

import numpy as np

from pixcodec.reference import core
from pixcodec.reference.core import clamp
from pixcodec.reference.text import Section, compiled


def _places(words):
    return [(int(dy), int(dx)) for dy, dx in re.findall(r"\((-?\d),(-?\d)\)", words)]


class CalibratedTile(core.Tile):
    """A tile whose mixtures are corrected by what it has shown."""

    @staticmethod
    @functools.cache
    def text():
        section = Section("Calibration")
        assert "3 K *corrections*" in section.words
        assert "24 *weights* A[c][class], integers" in section.words
        assert "rounded to floor(v + 1/2)" in section.words
        assert "`age` is 1 / (1 + 0.01 * n[c][k])" in section.words
        assert "(128 outside the tile) minus `mu`" in section.words
        near, earlier = re.search(
            r"the errors of the channel at (.*?), 16 times.*?the errors at (.*?)\.", section.words
        ).groups()
        lines = [compiled(line) for line in section.blocks[2].splitlines()]  # the features stand between them
        return [compiled(block) for block in section.blocks], lines, _places(near), _places(earlier)

    def __init__(self, network, height, width):
        super().__init__(network, height, width)
        channels = network.channels
        self.blocks, (self.mu_of, self.moved_of), self.near, self.earlier = self.text()
        self.corrections = {
            (c, k): [0.0] * (3 * network.components) for c in range(channels) for k in range(16)
        }
        self.weights = {key: [0] * 24 for key in self.corrections}
        self.counts = dict.fromkeys(self.corrections, 0)
        self.errors = np.zeros((height, width, channels), np.int64)
        self.lanes = {}  # of the channel that is coded: what is known of each

    def error(self, y, x, c):
        return int(self.errors[y, x, c]) if 0 <= y < self.height and 0 <= x < self.width else 0

    def corrected(self, y, x, c, out):
        """Correct the clamped outputs of a head."""
        count = self.network.components
        q, m, g = (out[j * count : (j + 1) * count] for j in range(3))
        names = {"q": q, "m": m, "g": g, "K": count, "scale": self.network.scale, "clamp": clamp}
        exec(self.blocks[0], names)
        names["D"] = [math.floor(v + 1 / 2) for v in self.corrections[c, names["k"]]]
        exec(self.blocks[1], names)
        self.lanes[y, x] = {"k": names["k"], "bound": names["bound"]}
        return [*names["q"], *names["m"], *names["g"], *out[3 * count :]]

    def distribution(self, y, x, c):
        weight, mean, inv = super().distribution(y, x, c)
        lane = self.lanes[y, x]
        names = {"w": weight, "mean": mean, "K": len(mean), "clamp": clamp, "bound": lane["bound"], "c": c}
        exec(self.mu_of, names)
        features = [self.error(y + dy, x + dx, c) for dy, dx in self.near]
        features += [16 * self.at(y + dy, x + dx)[c] - names["mu"] for dy, dx in self.near]
        features += [self.error(y + dy, x + dx, e) for e in range(c) for dy, dx in self.earlier]
        features = [clamp(f, -lane["bound"], lane["bound"]) for f in features]
        lane["features"] = features + [0] * (24 - len(features))
        names |= {"k": lane["k"], "features": lane["features"], "A": self.of(self.weights, c)}
        exec(self.moved_of, names)
        lane |= {"mu": names["mu"], "moved": names["moved"]}
        return weight, [m + names["moved"] for m in mean], inv

    @staticmethod
    def of(numbers, c):
        return {c: {k: numbers[c, k] for k in range(16)}}

    def learn(self, c, lanes):
        """Learn from the values of lanes: (y, x), mixture, and whether it is known to end a run."""
        ages = {k: 1 / (1 + 0.01 * self.counts[c, k]) for k in range(16)}
        count, table = self.network.components, self.network.logistic
        for (y, x), (w, mean, inv), ends in lanes:
            lane = self.lanes[y, x]
            v = int(self.values[y, x, c])
            names = {**lane, "v": v, "c": c, "K": count, "clamp": clamp, "w": w, "inv": inv}
            exec(self.blocks[3], names)
            self.errors[y, x, c] = names["error"]
            if ends:
                continue
            k = lane["k"]
            names |= {"age": ages[k], "A": self.of(self.weights, c), "R": self.of(self.corrections, c)}
            exec(self.blocks[4], names)
            self.weights[c, k] = names["A"][c][k]
            names["z_low"] = [(16 * v - 8 - m) * i for m, i in zip(mean, inv, strict=True)]
            names["z_high"] = [z + 16 * i for z, i in zip(names["z_low"], inv, strict=True)]
            names["low"] = [core.logistic(z, table) if v > 0 else 0 for z in names["z_low"]]
            names["high"] = [core.logistic(z, table) if v < 255 else 2**22 for z in names["z_high"]]
            exec(self.blocks[5], names)
            self.counts[c, k] += 1
        self.lanes = {}
