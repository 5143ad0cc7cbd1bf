"""Sections Slots of streams and Bits of streams: the bits of a stream, and the state that all share."""

from __future__ import annotations

from typing import NamedTuple

from pixcodec.reference.arithmetic import ONE, STRETCH, clamp, mix, move, output, train
from pixcodec.reference.jpeg_text import streams_text
from pixcodec.reference.slots import find


class Contexts:
    """The contexts that hold from the beginning of a block, the low part of a length or a coefficient on."""

    def __init__(self, component, k, kind, node, numbers, sets, sure_sign=True):
        self.component, self.k, self.kind, self.node = component, k, kind, node
        self.numbers, self.sets = numbers, sets
        self.sure_sign = sure_sign  # its sign is mixed
        self.logit = lambda output: 256  # of a network, by the number of its output
        self.slots = None

    def kind_of(self, j):
        return 1 if j == 12 and self.kind < 63 and self.k > 0 else self.kind


class Bit(NamedTuple):
    """What a row says of its next bit."""

    contexts: Contexts
    entry: int
    kind: int  # class
    first: int = 256  # input 0


class Bits:
    """The bits of a stream."""

    def __init__(self, coder, effort, blocks, *, networked):
        self.coder, self.effort, self.networked = coder, effort, networked
        self.slot_bits = clamp((64 * blocks // 8).bit_length(), 8, effort.most)
        self.slots, self.plain, self.apm, self.weights, self.final = {}, {}, {}, {}, {}
        self.blocks = 0  # that have begun
        self.seen = set()  # what has happened, for tests that want it to

    def round(self, bits):
        """Decode the bits of a round, of rows in order; return them."""
        for bit in bits:
            if bit.contexts.slots is None:
                self.claim(bit.contexts)
        lanes = [self.lane(bit) for bit in bits]
        ones = [lane.predict() for lane in lanes]
        found = [self.coder.symbol([ONE - one, one]) for one in ones]
        for lane, bit in zip(lanes, found, strict=True):
            lane.learn(bit)
        return found

    def claim(self, contexts):
        contexts.slots = []
        for j, number in enumerate(contexts.numbers[: self.effort.contexts]):
            kind = contexts.kind_of(j)
            place, check = streams_text()["slot"](
                number, contexts.component, kind, contexts.node, self.slot_bits
            )
            slot, how = find(self.slots, j, place, check)
            contexts.slots.append(slot)
            self.seen.add(how)

    def lane(self, bit):
        mixed = bit.kind < self.effort.plain or bit.kind == 23
        if bit.kind == 7 and not bit.contexts.sure_sign:
            mixed = False
        return Mixed(self, bit) if mixed else Plain(self, bit)

    @property
    def rate(self):
        return 300 + 2700 * 256 // (256 + self.blocks)


class Plain:
    """A bit that is not mixed."""

    def __init__(self, bits, bit):
        bits.seen.add("plain")
        where = bit.contexts.component, bit.contexts.k, bit.kind
        self.entry = bits.plain.setdefault(where, [0, 0])
        self.mixed = ""

    def predict(self):
        """Return the frequency of bit 1."""
        self.one = clamp(4 * (self.entry[0] + 2**21), 2**12, ONE - 2**12)
        return self.one

    def learn(self, bit):
        move(self.entry, bit, 255)


class Mixed:
    """A bit that is mixed."""

    def __init__(self, bits, bit):
        contexts, effort = bit.contexts, bits.effort
        where = contexts.component, bit.kind
        self.rate = bits.rate
        self.entries = [slot[bit.entry] for slot in contexts.slots]
        own, all_others = (734003, 629146) if bits.networked else (0, 1677722)
        first = [own, *[all_others // effort.contexts] * effort.contexts]
        self.first = bit.first
        self.weights = [
            bits.weights.setdefault((m, *where, number), first.copy())
            for m, number in enumerate(contexts.sets[: effort.mixers])
        ]
        self.final = bits.final.setdefault(where, [2**20 // effort.mixers] * effort.mixers)
        self.apm, self.where = bits.apm, (contexts.component, contexts.k, bit.kind)

    def predict(self):
        """Return the frequency of bit 1."""
        self.inputs = [self.first, *(STRETCH[(p >> 10) + 2048] for p, _ in self.entries)]
        self.dots, self.mixed = mix(self.inputs, self.weights, self.final)
        self.nearest, self.one = output(self.apm, self.where, self.mixed)
        return self.one

    def learn(self, bit):
        move(self.nearest, bit, 1023)
        train(self.inputs, self.weights, self.dots, self.final, self.mixed, bit, self.rate)
        for each in self.entries:
            move(each, bit, 255)
