"""The numbers of the worked examples of the format, as the plain decoders compute them.

Each table is a list of rows, a row a list of cells as they stand in the text.
"""

from __future__ import annotations

import pytest

from pixcodec import reference
from pixcodec.reference import core, fast
from pixcodec.reference.calibration import CalibratedTile
from pixcodec.reference.jpeg import Component
from pixcodec.reference.jpeg_mixer import Lane as BitOfBlock
from pixcodec.reference.jpeg_stream_bits import Bits, Mixed
from pixcodec.reference.jpeg_stream_blocks import Blocks as StreamBlocks
from pixcodec.reference.jpeg_text import streams_text
from pixcodec.reference.mixer import Mixer
from pixcodec.reference.network_layer import NetworkLayer
from pixcodec.reference.side_layer import SideLayer


def cells(*values):
    """Return values as cells: numbers of a list with spaces between, pairs in parentheses."""
    return [_cell(value) for value in values]


def _cell(value):
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    if isinstance(value, list):
        return " ".join(_cell(part) for part in value)
    return str(value)


# Core


def nibbles(data, model):
    """Decode the only tile, of effort fast and grey; return its rows, and its features.

    A row is of a pixel, in the order of decoding: wavefront, pixel, base, mixture, and what its nibbles are.
    """
    rows = []

    class Tile(core.Tile):
        def mixture(self, y, x, c):
            found = super().mixture(y, x, c)
            rows.append([(y, x), self.base(y, x)[c], *found, core.weights(found[0], self.network.weight)])
            tiles.append(self)
            return found

    class RangeDecoder(core.RangeDecoder):
        def symbol(self, frequencies):
            found = super().symbol(frequencies)
            symbols.append([found, sum(frequencies[:found]), frequencies[found]])
            return found

    tiles, symbols = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "Tile", Tile)
        patch.setattr(core, "RangeDecoder", RangeDecoder)
        pixels = fast.decode(data, [model])
    slope = next(payload[1] for kind, payload in core.chunks(data) if kind == b"TILE")
    waves = [x + slope * y for (y, x), *_ in rows]
    taken = iter(symbols)
    for t in sorted(set(waves)):
        lanes = [row for row, wave in zip(rows, waves, strict=True) if wave == t]
        for _ in ("high", "low"):
            for row in lanes:
                row.append(next(taken))
    found = [cells(t, *row[:6]) for t, row in zip(waves, rows, strict=True)]
    coded = [cells(row[0], *row[6], *row[7]) for row in rows]
    return pixels, found, coded, tiles[0]


# Bits


def calibrated(data, model):
    """Decode the only tile, of effort fast and grey in version 9; return what was learnt before each pixel.

    A row is of a pixel, in the order of decoding: pixel, class, bound, mu, moved, error. Then come, for each
    class that has learnt, its number of pixels, corrections and weights in the end.
    """
    rows, tiles = [], []

    class Tile(CalibratedTile):
        def learn(self, c, lanes):
            known = {place: self.lanes[place] for place, *_ in lanes}
            super().learn(c, lanes)
            for (y, x), lane in known.items():
                numbers = [lane[name] for name in ("k", "bound", "mu", "moved")]
                rows.append(cells((y, x), *numbers, self.error(y, x, c)))
            tiles[:] = [self]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "CalibratedTile", Tile)
        fast.decode(data, [model])
    (tile,) = tiles
    learnt = [k for k in range(16) if tile.counts[0, k]]
    corrections = [" ".join(f"{v:.6f}" for v in tile.corrections[0, k]) for k in learnt]
    weights = [" ".join(str(v) for v in tile.weights[0, k][:12]) for k in learnt]
    counts = [tile.counts[0, k] for k in learnt]
    return rows, [list(map(str, row)) for row in zip(learnt, counts, corrections, weights, strict=True)]


class Trace:
    """What the plain decoder has done: the lanes and their bits in order, and the pixels."""

    def __init__(self, data, models):
        self.lanes, self.bits, self.learnt, self.mixers = [], [], [], []
        with pytest.MonkeyPatch.context() as patch:
            for layer in (NetworkLayer, SideLayer):
                patch.setattr(layer, "lane", self.watched(layer.lane))
            patch.setattr(Mixer, "predict", self.predict(Mixer.predict))
            patch.setattr(Mixer, "learn", self.learn(Mixer.learn))
            self.pixels = reference.decode(data, models)

    def watched(self, lane_of):
        def lane(layer, y, x, c):
            lane = lane_of(layer, y, x, c)
            lane.pixel = y, x
            if layer.repeats:
                lane.repeat = repeat_of(layer.repeats, y, x)
            self.lanes.append(lane)
            self.mixers.append(layer.mixer)
            return lane

        return lane

    def predict(self, predict):
        def predicted(mixer, lane):
            lane.p1 = predict(mixer, lane)
            return lane.p1

        return predicted

    def learn(self, learn):
        def learnt(mixer, lane, bit):
            kind = "sure" if lane.sure else "mixed" if lane.mixed else "open" if lane.open else "left"
            prior, mixed = ("", "") if lane.sure else (lane.prior(mixer.depth), lane.logit)
            self.bits.append(cells(lane.pixel, mixer.depth, lane.node, kind, prior, mixed, lane.p1, bit))
            before = state(lane) if lane.mixed else None
            inputs = [*lane.inputs] if lane.mixed else None
            learn(mixer, lane, bit)
            if before:
                self.learnt.append((lane.pixel, mixer.depth, inputs, lane.dots, before, state(lane)))

        return learnt

    def bits_of(self, *pixels):
        """Return pixel, depth, node, kind, prior, mixed, P1 and bit of the bits of pixels."""
        return [row for row in self.bits if row[0] in cells(*pixels)]

    def inputs_of(self, *bits):
        """Return the inputs and dots of mixed bits, each a pixel and a depth."""
        found = {(pixel, depth): (inputs, dots) for pixel, depth, inputs, dots, *_ in self.learnt}
        return [cells(*bit, *found[bit]) for bit in bits]

    def lane(self, pixel):
        return next(lane for lane in self.lanes if lane.pixel == pixel)

    def classes_of(self, *pixels):
        """Return mean, width, spread, surprise and contexts of pixels."""
        lanes = [self.lane(pixel) for pixel in pixels]
        return [cells(la.pixel, la.mean, la.width, la.spread, la.surprise, list(la.contexts)) for la in lanes]


def repeat_of(repeats, y, x):
    """Return place, length, value and class of length of a pixel, before it is coded."""
    length = repeats.length[y]
    return [repeats.place[y] if length else "", length, *repeats.expected(y, x, 0)]


def repeats_of(trace, *pixels):
    """Return place and length, value and class of length of pixels."""
    return [cells(pixel, *trace.lane(pixel).repeat) for pixel in pixels]


def state(lane):
    """Return what a mixed bit changes, named in STATE."""
    values = [lane.slots[0][lane.k], lane.meant[0], lane.entry]
    return [*(tuple(value) for value in values), [*lane.final], lane.sets[0][:3]]


STATE = ("slot of context 0", "T of context 0", "A0 or A1", "V", "weights 0 .. 2 of set 0")


def slots_of(trace, pixel, contexts, node):
    """Return place and check of contexts of a pixel, of a nibble that begins with this node."""
    mixer = trace.mixers[0]
    found = []
    for j in contexts:
        number = trace.lane(pixel).contexts[j]
        place, check = mixer.hash(number, mixer.plan.factor, 0, node, mixer.slot_bits)
        found.append(cells(j, number, place, check))
    return found


def learning(trace):
    """Return what the first bit of a trace changes: name, before, after."""
    *_, before, after = trace.learnt[0]
    return [cells(*row) for row in zip(STATE, before, after, strict=True)]


def fits_of(trace, *pixels):
    """Return mean, linear, joint, and the inverse scales of both local mixtures."""
    lanes = [trace.lane(pixel) for pixel in pixels]
    return [
        cells(la.pixel, la.mean, la.fits.linear, la.fits.joint, *(list(m.inv) for m in la.fits.local))
        for la in lanes
    ]


def predictions_of(trace, *pixels):
    """Return the predictions, scales, weights, center and width of pixels of a side layer."""
    lanes = [trace.lane(pixel) for pixel in pixels]
    return [
        cells(la.pixel, la.predictions, la.scales, la.mixture.weight, la.center, la.width) for la in lanes
    ]


# Coefficients


class Blocks:
    """What the plain decoder has done with a chunk COEF: its image, its bits, its coefficients."""

    def __init__(self, payload, height, width, channels):
        self.bits, self.components = [], []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BitOfBlock, "predict", self.predict(BitOfBlock.predict))
            patch.setattr(BitOfBlock, "learn", self.learn(BitOfBlock.learn))
            patch.setattr(Component, "decode", self.decode(Component.decode))
            patch.setattr(Component, "recording", True)
            self.image = reference.jpeg.decode(payload, height, width, channels, version=6)

    def predict(self, predict):
        def predicted(lane):
            lane.p1 = predict(lane)
            return lane.p1

        return predicted

    def learn(self, learn):
        def learnt(lane, bit, rate):
            number = self.bits[-1][0] if self.bits else -1
            block = number + (lane.node == 1)
            self.bits.append([block, lane.k if lane.node >= 64 else "", lane.node, lane.mixed, lane.p1, bit])
            learn(lane, bit, rate)

        return learnt

    def decode(self, decode):
        def decoded(component, *arguments):
            self.components.append(component)
            return decode(component, *arguments)

        return decoded

    def rows(self):
        """Return block, k, node, mixed, P1 and bit of all bits; blocks must not share wavefronts."""
        return [cells(*bit) for bit in self.bits]

    def edges(self, *blocks):
        """Return predictions and values of the coefficients of blocks of component 0."""
        component = self.components[0]
        names = ("by_left", "by_top", "like_left", "like_top", "fit", "size")
        return [
            cells((r, c), k, *(found[name] for name in names), found.get("predicted", ""), value)
            for (r, c, k), found in component.seen.items()
            if (r, c) in blocks
            for value in [component.blocks[r][c][found["u"]][found["v"]]]
        ]


# Streams of coefficients


class Stream:
    """What the plain decoder has done with a kept file of one stream of one component."""

    def __init__(self, data):
        self.rounds, self.bits, self.moved = 0, [], {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Bits, "round", self.round(Bits.round))
            patch.setattr(Bits, "lane", self.lane(Bits.lane))
            patch.setattr(Mixed, "learn", self.learn(Mixed.learn))
            patch.setattr(StreamBlocks, "go_on", self.go_on(StreamBlocks.go_on))
            patch.setattr(StreamBlocks, "recording", True)
            self.file = reference.restore(data)

    def round(self, decode):
        def decoded(bits, waiting):
            self.rounds, self.slot_bits = self.rounds + 1, bits.slot_bits
            return decode(bits, waiting)

        return decoded

    def lane(self, lane_of):
        def lane(bits, bit):
            bit.contexts.lane = lane_of(bits, bit)
            return bit.contexts.lane

        return lane

    def learn(self, learn):
        def learnt(lane, bit):
            before = self.state(lane)
            learn(lane, bit)
            self.moved[lane] = before, self.state(lane)

        return learnt

    @staticmethod
    def state(lane):
        return [tuple(lane.entries[0]), tuple(lane.nearest), [*lane.final], lane.weights[0][5:]]

    def go_on(self, go_on):
        def gone_on(blocks, r, bit):
            taken = blocks.waiting[r][1]
            self.bits.append((self.rounds, (r, blocks.complete[r]), taken, taken.contexts.lane, bit))
            self.blocks = blocks
            go_on(blocks, r, bit)

        return gone_on

    def lengths(self):
        """Return the lengths of the blocks, in order."""
        return dict(sorted(self.blocks.lengths.items()))

    def bits_of(self, *blocks):
        """Return round, block, k, entry, class, mixed, P1 and bit of the bits of blocks."""
        rows = []
        for number, block, taken, lane, bit in self.bits:
            if block in blocks:
                k = taken.contexts.k if taken.contexts.kind < 63 else ""
                rows.append(cells(number, block, k, taken.entry, taken.kind, lane.mixed, lane.one, bit))
        return rows

    def logits_of(self, *blocks):
        """Return block, k, entry, logit, mixed, P1 and bit of the bits of blocks."""
        rows = []
        for _, block, taken, lane, bit in self.bits:
            if block in blocks:
                k = taken.contexts.k if taken.contexts.kind < 63 else ""
                rows.append(cells(block, k, taken.entry, taken.first, lane.mixed, lane.one, bit))
        return rows

    def coefficients_of(self, *blocks):
        """Return what the coefficients of blocks are predicted from, and their values."""
        names = ("by_left", "by_top", "fit", "size")
        return [
            cells((r, c), k, *(found[name] for name in names), found.get("predicted", ""), value)
            for (r, c, k), found in self.blocks.seen.items()
            if (r, c) in blocks
            for value in [self.blocks.blocks[r][c][found["u"]][found["v"]]]
        ]

    def first_bit(self, block, k):
        """Return the contexts and the lane of the first bit of a coefficient."""
        return next(
            (taken.contexts, lane)
            for _, where, taken, lane, _ in self.bits
            if where == block and taken.contexts.k == k and taken.contexts.kind < 63
        )

    def slots_of(self, block, k):
        """Return number, place, check and input of the contexts of a coefficient, at its first bit."""
        contexts, lane = self.first_bit(block, k)
        slot = streams_text()["slot"]
        return [
            cells(j, x, *slot(x, 0, contexts.kind_of(j), 0, self.slot_bits), value)
            for j, (x, value) in enumerate(zip(contexts.numbers, lane.inputs[1:], strict=False))
        ]

    def learning_of(self, block, k):
        """Return what the first bit of a coefficient changes: name, before, after."""
        names = ("slot of context 0", "A0 or A1", "V", "weights 5 .. 7 of set 0")
        before, after = self.moved[self.first_bit(block, k)[1]]
        return [cells(*row) for row in zip(names, before, after, strict=True)]


# Fitted photographs


def near_of(trace, *pixels):
    """Return the mean of pixels, the prediction of their block fit, and inv of the distribution around it."""
    lanes = [trace.lane(pixel) for pixel in pixels]
    return [cells(la.pixel, la.mean, la.fits.linear, la.fits.local[0].inv[0]) for la in lanes]
