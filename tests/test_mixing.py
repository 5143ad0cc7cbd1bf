from __future__ import annotations

import concurrent.futures
import math

import numpy as np
import pytest

from pixcodec import contexts, logit_tables
from pixcodec.integer_net import shipped_model
from pixcodec.mixing import TOTAL, Mixer
from pixcodec.rangecoder import Decoder, Encoder
from pixcodec.wavefront import WavefrontNetwork, lane_range, wavefront_count

SLOPE = 3


class Listener:
    """A coder that keeps the rows."""

    def __init__(self):
        self.rows = []

    def code(self, symbols, rows):
        self.rows.append(rows.copy())
        return symbols


def code(planes, coder, shape, effort=1, mixer_type=Mixer):
    """Code (``planes`` given) or decode a tile; return its pixels and the sum of the code lengths in bits."""
    height, width, channels = shape
    net = WavefrontNetwork(shipped_model(channels), height, width, SLOPE, planes)
    state = net.state
    mixer = mixer_type(effort, channels, height, width, SLOPE, net.weights.logistic)
    cost = 0.0
    for t in range(wavefront_count(SLOPE, height, width)):
        first, n = lane_range(t, SLOPE, height, width)
        if n == 0:
            continue
        net.features(t, first, n)
        for channel in range(channels):
            net.mixture(channel, t, first, n)
            mixer.begin(channel, t, first, n, state.canvas, state.weight, state.mean, state.inverse)
            for _ in range(8):
                rows = mixer.rows(n)
                assert (rows >= 0).all()
                assert (rows.sum(1) == TOTAL - 2).all()
                bits = np.zeros(n, np.int32)
                if planes is not None:
                    bits = mixer.bits(net.get(channel, t, first, n))
                bits = coder.code(bits, rows)
                cost -= np.log2((rows[np.arange(n), bits] + 1) / TOTAL).sum()
                mixer.update(bits)
            if planes is None:
                net.put(mixer.values(n), channel, t, first)
    return net.planes(), cost


def picture(height, width, channels, kind):
    rng = np.random.default_rng(height * 100 + width)
    if kind == "noise":
        return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
    if kind == "flat":
        return np.full((height, width, channels), 200, np.uint8)
    y, x = np.mgrid[:height, :width]
    return np.stack([(3 * y + 2 * x + 50 * c) % 256 for c in range(channels)], 2).astype(np.uint8)


@pytest.mark.parametrize("kind", ["noise", "flat", "gradient"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (5, 4), (23, 31)])
def test_round_trip_takes_the_bits_it_says(height, width, channels, kind):
    planes = picture(height, width, channels, kind)
    encoder = Encoder()
    _, cost = code(planes, encoder, planes.shape)
    bitstream = encoder.finish()
    assert 8 * len(bitstream) <= cost * 1.001 + 64
    decoded, decoder_cost = code(None, Decoder(bitstream), planes.shape)
    assert np.array_equal(decoded, planes)
    assert decoder_cost == cost


def test_max_round_trip():
    planes = picture(19, 26, 3, "gradient")
    encoder = Encoder()
    _, cost = code(planes, encoder, planes.shape, 2)
    decoded, decoder_cost = code(None, Decoder(encoder.finish()), planes.shape, 2)
    assert np.array_equal(decoded, planes)
    assert decoder_cost == cost


def test_threads_do_not_disturb_each_other():
    planes = [picture(20 + k, 33, 3, "gradient") for k in range(4)]

    def bitstream(image):
        encoder = Encoder()
        code(image, encoder, image.shape)
        return encoder.finish()

    alone = [bitstream(image) for image in planes]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(bitstream, planes)) == alone


class Reference:
    """The mixer of FORMAT.md, section Mixing, in plain Python: dictionaries, lists and integers.

    Only the numbers that name a context come from the package.
    """

    def __init__(self, effort, channels, height, width, slope, table):
        self.channels, self.slope = channels, slope
        self.table = [int(v) for v in table]
        if channels == 1:
            self.chosen = contexts.GREY
        else:
            self.chosen = contexts.NORMAL_RGB if effort == 1 else contexts.MAX_RGB
        self.count = len(self.chosen[0])
        self.slot_bits = min(max((height * width // 4).bit_length(), 10), 17)
        self.slots, self.maps, self.apm, self.weights, self.final = {}, {}, {}, {}, {}
        self.error = {}
        self.lattice = np.zeros((height + 3, width + 6, 6), np.int32)
        self.pixels, self.fits = 0, [0, 0]

    # Probabilities with counts

    @staticmethod
    def entry(logit):
        return [(logit_tables.squash(logit) >> 2) - 2**21, 0]

    @staticmethod
    def move(entry, bit, limit):
        rate = 2 * 65536 // (2 * entry[1] + 3)
        p = entry[0]
        entry[0] += ((2**21 - 1 - p) * rate) >> 16 if bit else -(((p + 2**21) * rate) >> 16)
        entry[1] = min(entry[1] + 1, limit)

    @staticmethod
    def half_octave(v):
        steps = 0
        while v >= 4:
            v, steps = v >> 1, steps + 2
        return min(steps + (v == 3), 15)

    @staticmethod
    def ln(n):
        shift = 0 if n <= 4096 else 4 if n < 2**16 else 8 if n < 2**20 else 12
        return int(logit_tables.LN_TABLE[n >> shift]) + shift // 4 * logit_tables.LN_SIXTEEN

    # The network's distribution

    def cumulative(self, lane, v):
        """Return F(v mod 256) plus 2**24 for every time that v went around."""
        value, total = v % 256, 0
        for w, m, scale in lane["mixture"]:
            z = min(max((16 * value - 8 - m) * scale, -(2**26)), 2**26 - 1) + 2**26
            low, high = self.table[z >> 17], self.table[(z >> 17) + 1]
            total += w * (low + (((high - low) * (z % 2**17)) >> 17))
        f = (((total >> 14) * (2**24 - 256 * 8)) >> 24) + 8 * value if value else 0
        return f + (v // 256) * 2**24

    # The mixer's interface

    def begin(self, channel, t, first, n, canvas, weight, mean, inverse):
        self.canvas, self.channel, self.depth = canvas, channel, 0
        self.pixels += n if channel == 0 else 0
        self.lanes = []
        for i in range(n):
            y, x = first + i + 3, t - self.slope * (first + i) + 3
            mixture = [
                (int(weight[i, k]), int(mean[i, k]), int(inverse[i, k])) for k in range(weight.shape[1])
            ]
            center = min(max(sum(w * m for w, m, _ in mixture) >> 16, 0), 4080)
            spread = sum(w * (abs(m - center) + (29 * 2**18) // scale) for w, m, scale in mixture) >> 16
            west, north, nw, ne = (
                abs(self.error.get((y + dy, x + dx, channel), 0))
                for dy, dx in ((0, -1), (-1, 0), (-1, -1), (-1, 1))
            )
            surprise = min((west + north) * 2 // (spread + 1), 3)
            phase = 2 * ((x - 3) % 2) + (y - 3) % 2
            numbers = np.zeros((1, 64), np.int64)
            known = canvas.astype(np.int64)
            spread_class = self.half_octave(spread)
            arguments = (y, x, phase)
            if self.channels == 1:
                contexts.grey_contexts.py_func(numbers, 0, known, *arguments, center, spread_class, surprise)
            else:
                kind = int(self.fits[1] > self.fits[0])
                tail = (channel, center, spread_class, surprise)
                contexts.rgb_contexts.py_func(numbers, 0, known, *arguments, *tail)
                lattice = self.lattice.astype(np.int64)
                contexts.lattice_contexts.py_func(numbers, 0, known, lattice, kind, *arguments, *tail)
            self.lanes.append(
                {
                    "at": (y, x),
                    "mixture": mixture,
                    "mean": center,
                    "base": int(canvas[y, x, channel - 1]) if channel else 136,
                    "spread": spread_class,
                    "energy": self.half_octave(west + north + ((nw + ne) >> 1)) * 4 + surprise,
                    "contexts": [int(numbers[0, j]) * 4 + channel for j in self.chosen[channel]],
                    "node": 1,
                }
            )
        self.find_slots()

    def find_slots(self):
        for lane in self.lanes:
            lane["nibble"] = lane["node"]
            lane["slots"] = [self.slot(j, c, lane["node"]) for j, c in enumerate(lane["contexts"])]

    def slot(self, j, context, node):
        h = (context * 0x9E3779B97F4A7C15 + node * 0xBF58476D1CE4E5B9) % 2**64
        h ^= ((h >> 29) | (-(h >> 63) << 35)) % 2**35
        h = h * 0xC2B2AE3D27D4EB4F % 2**64
        place, check = (h >> 40) % 2**self.slot_bits, (h >> 16) % 2**15
        keys = (j, place), (j, place ^ 1)
        for key in keys:
            if key in self.slots and self.slots[key]["check"] == check:
                return key
        first, second = (self.slots[k][1][1] if k in self.slots else -1 for k in keys)
        key = keys[0] if first == -1 or second >= first else keys[1]
        self.slots[key] = {"check": check, **{k: [0, 0] for k in range(1, 16)}}
        return key

    def rows(self, n):
        return np.array([[TOTAL - p - 1, p - 1] for p in map(self.predict, self.lanes)], np.float64)

    def predict(self, lane):
        node, c, size = lane["node"], self.channel, 256 >> self.depth
        start = node * size - 256 + lane["base"] - 136
        below, middle, above = (self.cumulative(lane, start + size // 2 * k) for k in range(3))
        prior = self.ln(above - middle) - self.ln(middle - below)
        lane["k"] = 2 ** (self.depth % 4) + node % 2 ** (self.depth % 4)
        lane["mixing"] = abs(prior) < 9 * 256
        mixed = self.mix(lane, prior) if lane["mixing"] else min(max(prior * 16, -61439), 61439)
        z = min(max((mixed >> 8) + 256, 0), 511)
        entries = [
            self.apm.setdefault((c, node, k), self.entry((k - 16) * 4096)) for k in (z // 16, z // 16 + 1)
        ]
        lane["apm"] = entries[z % 16 >= 8]
        corrected = ((entries[0][0] + 2**21) * (16 - z % 16) + (entries[1][0] + 2**21) * (z % 16)) >> 2
        return min(max((3 * logit_tables.squash(mixed) + corrected) >> 2, 16), TOTAL - 16)

    def mix(self, lane, prior):
        c, inputs = self.channel, [prior, 256]
        lane["maps"] = []
        for j, key in enumerate(lane["slots"]):
            p, count = self.slots[key][lane["k"]]
            p = (p >> 10) + 2048
            bounds = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255)
            stretched = int(logit_tables.STRETCH_TABLE[p])
            group = min(max((stretched + 2304) // 144, 0), 31)
            which = (c, j, sum(count >= b for b in bounds), group)
            meant = self.maps.setdefault(which, self.entry(16 * -2304 + (2 * group + 1) * 8 * 144))
            lane["maps"].append(meant)
            inputs.append(int(logit_tables.STRETCH_TABLE[(meant[0] >> 10) + 2048]))
            inputs.append((p - 2048) * min(256, 32 * count) >> 10)
        names = [
            ("spread", c, self.depth, lane["spread"]),
            ("node", c, lane["node"]),
            ("energy", c, self.depth, lane["energy"]),
        ]
        lane["inputs"] = inputs
        lane["sets"] = [self.weights.setdefault(k, [2**20] + [0] * (len(inputs) - 1)) for k in names]
        dots = [sum(a * b for a, b in zip(inputs, w, strict=True)) >> 16 for w in lane["sets"]]
        lane["dots"] = [min(max(d, -61439), 61439) for d in dots]
        lane["final"] = self.final.setdefault((c, self.depth), [2**20 // 3] * 3)
        mixed = sum(a * b for a, b in zip(lane["dots"], lane["final"], strict=True)) >> 20
        lane["mixed"] = min(max(mixed, -61439), 61439)
        rate = 200 + 1800 * 4096 // (4096 + self.pixels)
        lane["rate"] = rate * 100 // (100 + (sum(v * v for v in inputs) >> 16))
        return lane["mixed"]

    def update(self, bits):
        for lane, bit in zip(self.lanes, map(int, bits), strict=True):
            self.learn(lane, bit)
        self.depth += 1
        if self.depth == 4:
            self.find_slots()
        if self.depth == 8:
            for lane, value in zip(self.lanes, self.values(len(self.lanes)), strict=True):
                self.finish(lane, int(value))

    def learn(self, lane, bit):
        self.move(lane["apm"], bit, 255)
        lane["node"] = 2 * lane["node"] + bit
        if not lane["mixing"]:
            return
        step = (bit * 65535 - (logit_tables.squash(lane["mixed"]) >> 8)) * 3
        for m in range(3):
            dot, weights = lane["dots"][m], lane["sets"][m]
            lane["final"][m] = min(max(lane["final"][m] + ((dot * step + 2**17) >> 18), -(2**24)), 2**24)
            change = ((bit * 65535 - (logit_tables.squash(dot) >> 8)) * lane["rate"]) >> 8
            for q, v in enumerate(lane["inputs"]):
                weights[q] = min(max(weights[q] + ((v * change + 2048) >> 12), -(2**26)), 2**26)
        for j, key in enumerate(lane["slots"]):
            self.move(lane["maps"][j], bit, 1023)
            self.move(self.slots[key][lane["k"]], bit, 255)

    def finish(self, lane, value):
        y, x = lane["at"]
        self.error[y, x, self.channel] = 16 * value - lane["mean"]
        if self.channel == 2:
            r, g = (int(v) for v in self.canvas[y, x, :2])
            fits = contexts.invert_lattices.py_func(self.lattice, y, x, r, g, value)
            self.fits[0] += fits & 1
            self.fits[1] += fits >> 1

    def bits(self, values):
        symbols = [(int(v) - lane["base"] + 136) % 256 for v, lane in zip(values, self.lanes, strict=True)]
        return np.array([s >> (7 - self.depth) & 1 for s in symbols], np.int32)

    def values(self, n):
        return np.array([(lane["node"] + lane["base"] - 136) % 256 for lane in self.lanes], np.int32)


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("kind", ["noise", "flat", "gradient"])
@pytest.mark.parametrize(("height", "width", "channels"), [(9, 13, 3), (14, 11, 1), (1, 3, 3)])
def test_kernels_do_what_the_plain_reference_does(height, width, channels, kind, effort):
    planes = picture(height, width, channels, kind)
    kernels, plain = Listener(), Listener()
    code(planes, kernels, planes.shape, effort)
    code(planes, plain, planes.shape, effort, Reference)
    for a, b in zip(kernels.rows, plain.rows, strict=True):
        assert np.array_equal(a, b)


def test_tables_are_the_functions_they_say():
    for n in (1, 2, 3, 1000, 4096):
        assert abs(logit_tables.LN_TABLE[n] / 256 - math.log(n)) < 0.002
    for k in (0, 7, 2048, 4095):
        p = (k + 0.5) / 4096
        assert abs(logit_tables.STRETCH_TABLE[k] / 256 - math.log(p / (1 - p))) < 0.002
    for x in (-14.9, -3.3, 0.0, 2.71, 14.9):
        assert abs(logit_tables.squash(round(x * 4096)) / TOTAL - 1 / (1 + math.exp(-x))) < 1e-5


def test_lattices_are_inverted_exactly():
    canvas = np.zeros((1, 1, 6), np.int32)
    for luma in range(40, 150, 7):
        for blue in range(-20, 21, 5):
            for red in range(-20, 21, 4):
                y, b, r = 1.3584 * luma, 2.2179 * blue, 1.8215 * red
                rgb = (math.floor(y + r), math.floor(y - 0.194 * b - 0.509 * r), math.floor(y + b))
                fits = contexts.invert_lattices(canvas, 0, 0, *rgb)
                found = canvas[0, 0, 3:].tolist()
                assert fits & 2
                assert max(abs(a - b) for a, b in zip(found, (luma, blue, red), strict=True)) <= 1
                rgb = (
                    round(luma + 1.402 * red),
                    round(luma - 0.344136 * blue - 0.714136 * red),
                    round(luma + 1.772 * blue),
                )
                assert contexts.invert_lattices(canvas, 0, 0, *rgb) & 1
                assert canvas[0, 0, :3].tolist() == [luma, blue, red]
