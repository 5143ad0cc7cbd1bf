"""What all layers coded by bits have in common."""

from __future__ import annotations

import numpy as np

from pixcodec.reference.graphics import Repeats
from pixcodec.reference.mixer import Mixer
from pixcodec.reference.runs import Runs, source
from pixcodec.reference.text import Section, compiled


class LayerCoder:
    """What all layers coded by bits have in common: values, wavefronts, repeats."""

    pad = 128
    plan_of_side = False
    known = 0  # planes that are not coded
    recording = False  # for tests; it takes much memory

    def __init__(self, shape, slope, plan, sees=None, *, runs=False, reference=None, still=False):
        height, width, planes = shape
        self.height, self.width, self.slope = height, width, slope
        self.values = np.full(shape, -(10**9), np.int64)  # not known yet
        self.planes = planes
        self.sees = np.zeros((height, width, 0), np.int64) if sees is None else sees.astype(np.int64)
        self.mixer = Mixer(plan, height, width)
        self.repeats = Repeats(self.at, height, width, slope) if plan.repeats else None
        self.reference = reference
        copied = reference if still else None
        self.runs = Runs(self.at, shape, slope, 2, self.repeats, copied) if runs else None
        self.error = {}
        self.contexts_seen = []  # of every value, if it is recording

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
            if self.runs:
                copied, pixels = self.runs.begin(t, pixels, coder)
                for y, x in copied:
                    self.copy(y, x, *source(y, x))
                if self.repeats:
                    self.repeats.follow(copied)
            self.mixer.pixels += len(pixels)
            if self.repeats:
                self.repeats.before(t, pixels)
            self.begin(pixels)
            for c in range(self.known, self.planes):
                lanes = [self.lane(y, x, c) for y, x in pixels]
                for (y, x), lane in zip(pixels, lanes, strict=True):
                    lane.mark = 2**60 * (self.ended(y, x, c) is not None)
                if self.recording:
                    self.contexts_seen += [self.mixer.keys(lane, c) for lane in lanes]
                symbols = self.mixer.code(coder, c, lanes, self.first(c))
                for (y, x), lane, symbol in zip(pixels, lanes, symbols, strict=True):
                    self.finish(y, x, c, lane, symbol)
                self.learn(c, pixels, lanes)
            if self.repeats:
                self.repeats.after(pixels)
        return self.values[..., self.known :]

    def copy(self, y, x, from_y, from_x):
        self.values[y, x] = self.runs.expected(y, x)

    def referred(self, y, x):
        """Return the values of the reference at a pixel."""
        return [int(v) for v in self.reference[y, x]] if self.inside(y, x) else [0] * self.reference.shape[2]

    def still(self, y, x, c):
        """Section Reference: the class ``still`` of a value."""
        side = self.plan_of_side

        def keeps(dy, dx):
            values, other = self.at(y + dy, x + dx), self.referred(y + dy, x + dx)
            if side:
                return int(values[0] in (other[0], other[-1]))
            return int(values == other[: self.planes])

        names = {"keeps": keeps}
        exec(compiled(Section("Reference").blocks[0]), names)
        if side:
            return names["still"] + 16 * keeps(0, -2)
        same = c > 0 and self.at(y, x)[:c] == self.referred(y, x)[:c]
        return names["still"] + 16 * int(same)

    def ended(self, y, x, c):
        return self.runs.ended(y, x, c) if self.runs else None

    def begin(self, pixels):
        """Get ready for a wavefront."""

    def learn(self, c, pixels, lanes):
        """Learn from the values of a channel of a wavefront."""

    def first(self, c):
        return 0

    def surprise(self, y, x, c, width):
        west, north = abs(self.error.get((y, x - 1, c), 0)), abs(self.error.get((y - 1, x, c), 0))
        return min((west + north) * 2 // (width + 1), 3)

    def expected(self, y, x, c):
        return self.repeats.expected(y, x, c) if self.repeats else (0, 0)
