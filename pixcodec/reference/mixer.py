"""Section Mixing, from symbol to learning, of one layer of a tile."""

from __future__ import annotations

from typing import NamedTuple

from pixcodec.reference import core
from pixcodec.reference.arithmetic import ONE, STRETCH, clamp, entry, halfoctave, ln, mix, move, output, train
from pixcodec.reference.slots import find
from pixcodec.reference.text import Section, function


class Mixture(NamedTuple):
    """What the cumulative function F of a value is made of."""

    weight: list[int]
    mean: list[int]
    inv: list[int]
    table: list[int]

    def cumulative(self, v, shift=0):
        return core.cumulative(v, self.weight, [m + shift for m in self.mean], self.inv, self.table)


class Plan(NamedTuple):
    """The column of a layer in the first table of section Mixing, and what goes with it."""

    count: int  # type: ignore[assignment]  # J
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
    refers: bool = False
    near: bool = False
    steady: bool = False


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
        self.contexts, self.width = contexts, width
        self.known = {}
        self.node, self.mark = 1, 0
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
        self.hash = function(Section("Slots").blocks[0], "X, C, channel, node, B", "place, check")
        self.size_slots(height * width)
        self.slots, self.maps, self.apm, self.weights, self.final, self.sures = {}, {}, {}, {}, {}, {}
        self.pixels = 0
        self.seen = set()  # what has happened, for tests that want it to

    def size_slots(self, pixels):
        self.slot_bits = clamp((pixels // 4).bit_length(), 10, 17)

    def take_up(self, other):
        """Section What layers have learnt."""
        self.slots, self.maps, self.apm, self.weights = other.slots, other.maps, other.apm, other.weights
        self.final, self.sures, self.pixels = other.final, other.sures, other.pixels

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
            lane.slots = [
                self.slot(j, x + lane.mark // self.plan.factor, node)
                for j, x in enumerate(lane.contexts[:used])
            ]
        self.seen.add("sure" if lane.sure else "open")

    def keys(self, lane, channel):
        """Return C * X + channel of section Slots."""
        return [(self.plan.factor * x + channel + lane.mark) % 2**64 for x in lane.contexts]

    def slot(self, j, x, node):
        place, check = self.hash(x, self.plan.factor, self.channel, node, self.slot_bits)
        slot, how = find(self.slots, j, place, check)
        self.seen.add(how)
        return slot

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
        lane.entry, one = output(self.apm, (self.channel, lane.node), lane.logit)
        return one

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
        if plan.near:
            near = clamp(lane.prior(self.depth, other=0), -3328, 3328)
            lane.inputs.append(near)
            names.append(("near", c, self.depth, clamp((near >> 7) + 8, 0, 15)))
        if plan.repeats:
            names.append(("length", c, self.depth, lane.length))
        if plan.refers:
            names.append(("still", c, self.depth, lane.still))
        rest = len(lane.inputs) - 2 - plan.count
        begin = [plan.first, 0, *[plan.others] * plan.count, *[0] * rest]
        if plan.linear:
            begin[0] = 2**18
            begin[-3:] = [2**18] * 3
        if plan.near:
            begin[0] = begin[-1] = 2**19
        lane.sets = [self.weights.setdefault(name, begin.copy()) for name in names]
        lane.final = self.final.setdefault((c, self.depth), [2**20 // len(names)] * len(names))
        lane.dots, mixed = mix(lane.inputs, lane.sets, lane.final)
        return mixed

    def learn(self, lane, bit):
        inside = self.depth % 4
        lane.node = 2 * lane.node + bit
        if lane.sure:
            move(lane.entry, bit == lane.foreseen >> (3 - inside) & 1, 1023)
            return
        move(lane.entry, bit, self.plan.limit)
        if not lane.mixed:
            return
        least, more = (100, 1100) if self.plan.linear else (50, 950) if self.plan.steady else (200, 1800)
        rate = least + more * 4096 // (4096 + self.pixels)
        train(lane.inputs, lane.sets, lane.dots, lane.final, lane.logit, bit, rate)
        for slot, meant in zip(lane.slots, lane.meant, strict=True):
            move(meant, bit, 1023)
            move(slot[lane.k], bit, 255)
