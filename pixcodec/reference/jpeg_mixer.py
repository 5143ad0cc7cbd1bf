"""Section Bits of coefficients."""

from __future__ import annotations

from typing import NamedTuple

from pixcodec.reference.arithmetic import ONE, STRETCH, clamp, entry, mix, move, output, train
from pixcodec.reference.jpeg_text import text

COUNTS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255)


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
        place, check = text()["cell"](x, bit.node, self.bits)
        check_and_entry = self.cells.setdefault((j, place), [0, 0, 0])
        if check_and_entry[2] != check:
            self.taken += check_and_entry[1] > 0
            check_and_entry[:] = 0, 0, check
        return j, place


class Lane:
    """A bit that is being coded."""

    def __init__(self, mixer, component, bit, cells):
        self.node = node = bit.node
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
        self.dots, self.mixed = mix(self.inputs, self.weights, self.final)
        self.nearest, one = output(self.apm, (*self.where, self.k), self.mixed)
        return one

    def learn(self, bit, rate):
        move(self.nearest, bit, 1023)
        train(self.inputs, self.weights, self.dots, self.final, self.mixed, bit, rate)
        for meant, cell in zip(self.maps, self.cells, strict=True):
            move(meant, bit, 1023)
            move(cell, bit, 255)
