from __future__ import annotations

import collections
import concurrent.futures
import functools
import math
import re

import numpy as np
import pytest

import samples
from pixcodec import contexts, logit_tables, mixing, side
from pixcodec.architecture import PMF_FLOOR
from pixcodec.bits import BitCoder
from pixcodec.integer_net import shipped_model
from pixcodec.mixing import TOTAL
from pixcodec.rangecoder import Decoder, Encoder
from pixcodec.wavefront import WavefrontNetwork
from test_least_squares import TEXT, Section, plain_predictions

SLOPE = 3


class Recorder:
    """Passes symbols on to another coder, or takes them from a list, and keeps symbols and rows."""

    def __init__(self, coder=None, known=None):
        self.coder, self.known = coder, known
        self.batches, self.count = [], 0

    def code(self, symbols, rows):
        if self.coder is not None:
            symbols = self.coder.code(symbols, rows)
        elif self.known is not None:
            symbols = self.known[self.count : self.count + len(rows)]
        self.count += len(rows)
        self.batches.append((symbols.copy(), rows.copy()))
        return symbols

    def joined(self):
        """Return all symbols and all rows."""
        return tuple(np.concatenate(part) for part in zip(*self.batches, strict=True))


def code(planes, coder, shape, effort=1, slope=SLOPE):
    """Code (``planes`` given) or decode a tile; return its pixels and the sum of the code lengths in bits."""
    height, width, channels = shape
    net = WavefrontNetwork(shipped_model(channels), height, width, slope, planes)
    recorder = coder if isinstance(coder, Recorder) else Recorder(coder)
    bits = BitCoder(net, effort, planes is None)
    pixels = 0
    while count := bits.code(recorder):
        pixels += count
    assert pixels == height * width
    symbols, rows = recorder.joined()
    assert len(symbols) == len(rows) == pixels * channels * 8
    assert (rows >= 0).all()
    assert (rows.sum(1) == TOTAL - 2).all()
    lengths = -np.log2((rows[np.arange(len(rows)), symbols] + 1) / TOTAL)
    return net.planes(), lengths.sum()


def flat_with_specks(height, width, channels):
    """Return a flat picture with pixels that nothing foretells, and a strip of a photograph at its left."""
    image = samples.photo(channels, height, width, number=5).copy()
    image[:, 6:] = 200
    specks = image[3::4, 10::5, channels // 2]
    specks ^= (1 << np.random.default_rng(1).integers(0, 8, specks.shape)).astype(np.uint8)
    return image


KINDS = {
    "noise": samples.noise,
    "flat": samples.flat,
    "gradient": samples.gradient,
    "photo": lambda height, width, channels: samples.photo(channels, height, width),
    "specks": flat_with_specks,
}


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("kind", ["noise", "flat", "gradient", "specks"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (5, 4), (23, 31)])
def test_round_trip_takes_the_bits_it_says(height, width, channels, kind, effort):
    planes = KINDS[kind](height, width, channels)
    encoder = Encoder()
    _, cost = code(planes, encoder, planes.shape, effort)
    bitstream = encoder.finish()
    assert 8 * len(bitstream) <= cost * 1.001 + 64
    decoder = Decoder(bitstream)
    decoded, decoder_cost = code(None, decoder, planes.shape, effort)
    decoder.finish()
    assert np.array_equal(decoded, planes)
    assert decoder_cost == cost


def test_threads_do_not_disturb_each_other():
    planes = [samples.gradient(20 + k, 33, 3) for k in range(4)]

    def bitstream(image):
        encoder = Encoder()
        code(image, encoder, image.shape)
        return encoder.finish()

    alone = [bitstream(image) for image in planes]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(bitstream, planes)) == alone


def numbers_of(cells):
    """Compile contexts, written as ``a, b:m, c:k`` for (a * m + b) * k + c, to one tuple of numbers."""
    numbers = []
    for cell in cells:
        number, *digits = re.split(r", (?![^(]*\))", cell)
        for digit in digits:
            value, size = digit.rsplit(":", 1)
            number = f"({number}) * {size} + ({value})"
        numbers.append(number)
    return compile(f"({', '.join(numbers)})", "FORMAT.md", "eval")


class Contexts:
    """Sections Contexts and Luma and chroma of FORMAT.md, executed.

    Parameters
    ----------
    canvas : ndarray, shape (H + 3, W + 6, C)
        The values of the pixels that are known, 128 around them.
    """

    def __init__(self, canvas):
        self.canvas = canvas
        self.chroma = {}  # by lattice, row and column: luma, blue and red
        self.fits = [0, 0]

    @staticmethod
    @functools.cache
    def formulas():
        section = Section("Contexts")
        blocks = [compile(block, "FORMAT.md", "exec") for block in section.blocks]
        everywhere, rgb, chroma, first, later, last, fitted = blocks
        grey, functions, colour, linear, order = section.tables
        assert [int(row[0]) for row in [*grey, *linear]] == list(range(15))
        assert [int(row[0]) for row in colour] + [int(row[1]) for row in linear] == list(range(35))
        a, f = functions
        assert (a[0], f[0]) == ("A(p)", "F(q)")
        return {
            "blocks": {
                (1, 0): [everywhere],
                (3, 0): [everywhere, rgb, chroma, first],
                (3, 1): [everywhere, rgb, chroma, later],
                (3, 2): [everywhere, rgb, chroma, later, last],
            },
            "numbers": {
                (1, 0): numbers_of([row[1] for row in grey]),
                **{(3, c): numbers_of([row[1 + c] for row in colour]) for c in range(3)},
            },
            "fitted": (fitted, numbers_of([row[2] for row in linear])),
            "functions": [[compile(row[1 + k], "FORMAT.md", "eval") for row in functions] for k in (0, 1)],
            "normal": tuple(tuple(int(k) for k in row[1].split()) for row in order),
            "lattices": [compile(b, "FORMAT.md", "exec") for b in Section("Luma and chroma").blocks],
        }

    def numbers(self, y, x, c, mean, spread, surprise, linear=None):
        """Return the numbers of all contexts of a subpixel, those of least squares if ``linear`` is given."""
        channels, formulas = self.canvas.shape[2], self.formulas()
        kind = int(self.fits[1] > self.fits[0])
        names = {"x": x, "y": y, "c": c, "mean": mean, "spread": spread, "surprise": surprise}
        names["v"] = lambda dy, dx, c: int(self.canvas[y + dy + 3, x + dx + 3, c])
        names["cl"] = lambda a: min(max(a, 0), 255)
        for k, letter in enumerate("LPQ"):
            names[letter] = lambda dy, dx, k=k: self.chroma.get((kind, y + dy, x + dx), (0, 0, 0))[k]
        for letter, argument, formula in zip("AF", "pq", formulas["functions"][kind], strict=True):
            names[letter] = lambda value, n=argument, f=formula: eval(
                f, {"r": names["r"], "u": names["u"], n: value}
            )
        for block in formulas["blocks"][channels, c]:
            exec(block, names)
        found = eval(formulas["numbers"][channels, c], names)
        if linear is None:
            return found
        block, more = formulas["fitted"]
        names["linear"] = linear
        exec(block, names)
        return found + eval(more, names)

    def invert(self, y, x, r, g, b):
        """Compute luma and chroma of a pixel by both lattices."""
        for kind, block in enumerate(self.formulas()["lattices"]):
            names = {"r": r, "g": g, "b": b}
            exec(block, names)
            self.chroma[kind, y, x] = names["L"], names["P"], names["Q"]
            self.fits[kind] += names["fits"]


class Reference:
    """The mixer of FORMAT.md, section Mixing, in plain Python: dictionaries, lists and integers.

    Of the package it takes the network's mixtures and the tables of logits; contexts come from the text.
    """

    def __init__(self, effort, planes, slope=SLOPE):
        height, width, self.channels = planes.shape
        self.planes, self.slope = planes, slope
        self.net = WavefrontNetwork(shipped_model(self.channels), height, width, slope, planes)
        self.table = [int(v) for v in self.net.weights.logistic]
        canvas = np.full((height + 3, width + 6, self.channels), 128)
        canvas[3:, 3:-3] = planes
        self.contexts = Contexts(canvas)
        self.effort = effort
        self.odds, self.certain = ((256, 1792), (4096, 2304))[effort - 1]
        self.linear = plain_predictions(planes).tolist() if effort == 2 else None
        if self.channels == 1:
            self.chosen = (tuple(range(12 if effort == 1 else 15)),)
        else:
            self.chosen = Contexts.formulas()["normal"] if effort == 1 else (tuple(range(35)),) * 3
        self.count = len(self.chosen[0])
        self.high_count = 5 if effort == 1 else self.count
        self.slot_bits = min(max((height * width // 4).bit_length(), 10), 17)
        self.slots, self.maps, self.apm, self.weights, self.final, self.sure = {}, {}, {}, {}, {}, {}
        self.error, self.pixels = {}, 0
        self.bits, self.rows = [], []
        self.seen = collections.Counter()

    def run(self):
        """Code the tile; return its bits and their rows."""
        height, width, _ = self.planes.shape
        for t in range(width + self.slope * (height - 1)):
            pixels = [(y, t - self.slope * y) for y in range(height) if 0 <= t - self.slope * y < width]
            if not pixels:
                continue
            self.pixels += len(pixels)
            self.net.features(t, pixels[0][0], len(pixels))
            for channel in range(self.channels):
                self.net.mixture(channel, t, pixels[0][0], len(pixels))
                self.channel = channel
                lanes = [self.lane(y, x, i) for i, (y, x) in enumerate(pixels)]
                for self.depth in range(8):
                    self.code_bit(lanes)
                for lane in lanes:
                    self.finish(lane)
        return np.array(self.bits, np.int32), np.array(self.rows, np.float64)

    def code_bit(self, lanes):
        if self.depth in (0, 4):
            for lane in lanes:
                self.begin_nibble(lane)
        ones = [self.predict(lane) for lane in lanes]
        for lane, one in zip(lanes, ones, strict=True):
            bit = lane["symbol"] >> (7 - self.depth) & 1
            self.bits.append(bit)
            self.rows.append((TOTAL - one - 1, one - 1))
            self.learn(lane, bit)

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

    def cumulative(self, lane, symbol, shift=0):
        """Return G(symbol): F of its value plus 2**24 for every time that the value went around.

        All means are moved up by ``shift``.
        """
        v = symbol + lane["base"] - 136
        if (v, shift) not in lane["cumulative"]:
            value, total = v % 256, 0
            for w, m, scale in lane["mixture"]:
                z = min(max((16 * value - 8 - (m + shift)) * scale, -(2**26)), 2**26 - 1) + 2**26
                low, high = self.table[z >> 17], self.table[(z >> 17) + 1]
                total += w * (low + (((high - low) * (z % 2**17)) >> 17))
            f = (((total >> 14) * (2**24 - 256 * 8)) >> 24) + 8 * value if value else 0
            lane["cumulative"][v, shift] = f + (v // 256) * 2**24
        return lane["cumulative"][v, shift]

    def prior(self, lane, shift=0):
        """Return the logit of the next bit by the network's distribution moved up by ``shift``."""
        size = 256 >> self.depth
        start = lane["node"] * size - 256
        below, middle, above = (self.cumulative(lane, start + size // 2 * k, shift) for k in range(3))
        return self.ln(above - middle) - self.ln(middle - below)

    # A subpixel, a nibble, a bit

    def lane(self, y, x, i):
        state, c = self.net.state, self.channel
        mixture = [
            tuple(int(v) for v in triple)
            for triple in zip(state.weight[i], state.mean[i], state.inverse[i], strict=True)
        ]
        mean = min(max(sum(w * m for w, m, _ in mixture) >> 16, 0), 4080)
        width = sum(w * (abs(m - mean) + (29 * 2**18) // scale) for w, m, scale in mixture) >> 16
        west, north = (abs(self.error.get((y + dy, x + dx, c), 0)) for dy, dx in ((0, -1), (-1, 0)))
        surprise = min((west + north) * 2 // (width + 1), 3)
        spread = self.half_octave(width)
        base = int(self.planes[y, x, c - 1]) if c else 136
        linear = self.linear[y][x][c] if self.effort == 2 else None
        numbers = self.contexts.numbers(y, x, c, mean, spread, surprise, linear)
        return {
            "at": (y, x),
            "symbol": (int(self.planes[y, x, c]) - base + 136) % 256,
            "mixture": mixture,
            "cumulative": {},
            "mean": mean,
            "base": base,
            "spread": spread,
            "surprise": surprise,
            "linear": linear,
            "place": x % 8 * 8 + y % 8,
            "contexts": [numbers[j] * 4 + c for j in self.chosen[c]],
            "node": 1,
        }

    def begin_nibble(self, lane):
        size = 16 if self.depth == 0 else 1
        start = 0 if self.depth == 0 else lane["node"] * 16 - 256
        beyond = ((lane["mean"] + 8) >> 4) - (start + lane["base"] - 136)
        lane["target"] = (
            beyond % 256 // 16 if self.depth == 0 else min(max((beyond + 128) % 256 - 128, 0), 15)
        )
        edges = (
            start,
            start + lane["target"] * size,
            start + lane["target"] * size + size,
            start + 16 * size,
        )
        below, low, high, above = (self.cumulative(lane, edge) for edge in edges)
        total, mass = above - below, high - low
        lane["kind"] = "sure" if (total - mass) * self.odds < total else "open"
        self.seen[lane["kind"]] += 1
        lane["slots"] = []
        if lane["kind"] == "open":
            used = lane["contexts"][: self.high_count if self.depth == 0 else self.count]
            lane["slots"] = [self.slot(j, context, lane["node"]) for j, context in enumerate(used)]

    def slot(self, j, context, node):
        h = (context * 0x9E3779B97F4A7C15 + node * 0xBF58476D1CE4E5B9) % 2**64
        h = (h ^ (h >> 29)) * 0xC2B2AE3D27D4EB4F % 2**64
        place, check = (h >> 40) % 2**self.slot_bits, (h >> 16) % 2**15
        keys = (j, place), (j, place ^ 1)
        for key in keys:
            if key in self.slots and self.slots[key]["check"] == check:
                return key
        first, second = (self.slots[k][1][1] if k in self.slots else -1 for k in keys)
        key = keys[0] if first == -1 or second >= first else keys[1]
        self.seen["replaced"] += key in self.slots
        self.slots[key] = {"check": check, **{k: [0, 0] for k in range(1, 16)}}
        return key

    def predict(self, lane):
        node, c, inside = lane["node"], self.channel, self.depth % 4
        lane["k"] = 2**inside + node % 2**inside
        lane["mixed"] = False
        if lane["kind"] == "sure":
            if lane["k"] == (16 + lane["target"]) >> (4 - inside):
                name = c, self.depth, lane["surprise"]
                lane["sure"] = self.sure.setdefault(name, [2**21 - 128, 30])
                lane["foreseen"] = lane["target"] >> (3 - inside) & 1
                p = min(max(4 * (lane["sure"][0] + 2**21), 16), TOTAL - 16)
                return p if lane["foreseen"] else TOTAL - p
            lane["kind"] = "left"
            self.seen["left"] += 1
        prior = self.prior(lane)
        lane["mixed"] = lane["kind"] == "open" and abs(prior) < self.certain
        self.seen["certain"] += lane["kind"] == "open" and not lane["mixed"]
        lane["logit"] = self.mix(lane, prior) if lane["mixed"] else min(max(prior * 16, -61439), 61439)
        z = min(max((lane["logit"] >> 8) + 256, 0), 511)
        entries = [
            self.apm.setdefault((c, node, k), self.entry((k - 16) * 4096)) for k in (z // 16, z // 16 + 1)
        ]
        lane["apm"] = entries[z % 16 >= 8]
        corrected = ((entries[0][0] + 2**21) * (16 - z % 16) + (entries[1][0] + 2**21) * (z % 16)) >> 2
        return min(max((3 * logit_tables.squash(lane["logit"]) + corrected) >> 2, 16), TOTAL - 16)

    def mix(self, lane, prior):
        c, from_maps, from_slots = self.channel, [], []
        lane["maps"] = []
        for j, key in enumerate(lane["slots"]):
            p, count = self.slots[key][lane["k"]]
            p = (p >> 10) + 2048
            bounds = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255)
            group = min(max((int(logit_tables.STRETCH_TABLE[p]) + 2304) // 144, 0), 31)
            which = (c, j, sum(count >= b for b in bounds), group)
            meant = self.maps.setdefault(which, self.entry(16 * -2304 + (2 * group + 1) * 8 * 144))
            lane["maps"].append(meant)
            from_maps.append(int(logit_tables.STRETCH_TABLE[(meant[0] >> 10) + 2048]))
            from_slots.append((p - 2048) * min(256, 32 * count) >> 10)
        none = [0] * (self.count - len(from_maps))
        inputs = [prior, 256, *from_maps, *none]
        names = [("spread", c, self.depth, lane["spread"]), ("node", c, lane["node"])]
        if self.effort == 2:
            inputs += [*from_slots, *none, self.prior(lane, lane["linear"] - lane["mean"])]
            names.append(("place", c, self.depth, lane["place"]))
        lane["inputs"] = inputs
        lane["sets"] = [self.weights.setdefault(k, [2**20] + [0] * (len(inputs) - 1)) for k in names]
        dots = [sum(a * (b >> 9) for a, b in zip(inputs, w, strict=True)) >> 7 for w in lane["sets"]]
        lane["dots"] = [min(max(d, -61439), 61439) for d in dots]
        lane["final"] = self.final.setdefault((c, self.depth), [2**20 // len(names)] * len(names))
        logit = sum(a * b for a, b in zip(lane["dots"], lane["final"], strict=True)) >> 20
        energy = min(sum(v * v >> 8 for v in inputs) >> 8, 2047)
        rate = 200 + 1800 * 4096 // (4096 + self.pixels)
        lane["rate"] = rate * (100 * 65536 // (100 + energy)) >> 16
        return min(max(logit, -61439), 61439)

    def learn(self, lane, bit):
        lane["node"] = 2 * lane["node"] + bit
        if lane["kind"] == "sure":
            self.move(lane["sure"], bit == lane["foreseen"], 1023)
            return
        self.move(lane["apm"], bit, 255)
        if not lane["mixed"]:
            return
        step = (bit * 65535 - (logit_tables.squash(lane["logit"]) >> 8)) * 3
        for m, (dot, weights) in enumerate(zip(lane["dots"], lane["sets"], strict=True)):
            lane["final"][m] = min(max(lane["final"][m] + ((dot * step + 2**17) >> 18), -(2**24)), 2**24)
            change = ((bit * 65535 - (logit_tables.squash(dot) >> 8)) * lane["rate"]) >> 8
            for q, v in enumerate(lane["inputs"]):
                weights[q] = min(max(weights[q] + ((v * change + 2048) >> 12), -(2**23)), 2**23)
        for key, meant in zip(lane["slots"], lane["maps"], strict=True):
            self.move(meant, bit, 1023)
            self.move(self.slots[key][lane["k"]], bit, 255)

    def finish(self, lane):
        (y, x), value = lane["at"], (lane["node"] + lane["base"] - 136) % 256
        assert value == self.planes[y, x, self.channel]
        self.error[y, x, self.channel] = 16 * value - lane["mean"]
        if self.channel == 2:
            self.contexts.invert(y, x, *(int(v) for v in self.planes[y, x]))


def compare(planes, effort, slope=SLOPE):
    """Compare encoder and decoder, bit by bit, with the reference; return what it saw."""
    reference = Reference(effort, planes, slope)
    bits, rows = reference.run()
    for decoding in (False, True):
        recorder = Recorder(known=bits) if decoding else Recorder()
        found, _ = code(None if decoding else planes, recorder, planes.shape, effort, slope)
        np.testing.assert_array_equal(found, planes)
        for ours, theirs in zip(recorder.joined(), (bits, rows), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    return reference.seen


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("height", "width", "channels", "slope"), [(9, 11, 3, 3), (14, 11, 1, 4), (1, 3, 3, 3), (5, 4, 3, 7)]
)
def test_kernels_do_what_the_plain_reference_does(height, width, channels, slope, kind, effort):
    compare(KINDS[kind](height, width, channels), effort, slope)


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize(("height", "width", "channels"), [(30, 44, 1), (15, 23, 3)])
def test_sure_left_and_open_nibbles_do_what_the_plain_reference_does(height, width, channels, effort):
    seen = compare(flat_with_specks(height, width, channels), effort)
    assert min(seen[kind] for kind in ("sure", "open", "certain")) > 100
    assert seen["left"] > 3


@pytest.mark.parametrize("effort", [1, 2])
def test_crowded_slots_do_what_the_plain_reference_does(effort):
    seen = compare(samples.noise(11, 14, 3), effort)
    assert seen["replaced"] > 100


def lattice_pixels(kind, height, width):
    """Return pixels that one of the lattices has, but a few that neither has."""
    rng = np.random.default_rng(kind)
    luma = rng.integers(40, 150, (height, width)).astype(float)
    blue, red = rng.integers(-20, 21, (2, height, width)).astype(float)
    if kind == contexts.JFIF:
        rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], 2)
        image = np.round(rgb)
    else:
        y, b, r = 1.3584 * luma, 2.2179 * blue, 1.8215 * red
        image = np.floor(np.stack([y + r, y - 0.194 * b - 0.509 * r, y + b], 2))
    image[::5, ::3] = rng.integers(0, 256, image[::5, ::3].shape)
    return image.astype(np.uint8)


@pytest.mark.parametrize("effort", [1, 2])
@pytest.mark.parametrize("kind", [contexts.JFIF, contexts.PHOTO_CD])
def test_lattices_do_what_the_plain_reference_does(kind, effort):
    compare(lattice_pixels(kind, 8, 12), effort)


@pytest.mark.parametrize("picture", ["noise", "extremes", "jfif", "photo_cd"])
@pytest.mark.parametrize("channels", [1, 3])
def test_contexts_are_those_of_the_format(channels, picture):
    height, width = 9, 14
    rng = np.random.default_rng(3)
    image = samples.noise(height, width, channels)
    if picture == "extremes":
        image = 255 * (image & 1)
    elif picture != "noise" and channels == 3:
        image = lattice_pixels(("jfif", "photo_cd").index(picture), height, width)
    canvas = np.full((height + 3, width + 6, channels), 128, np.int32)
    canvas[3:, 3:-3] = image
    formulas = Contexts(canvas)
    lattice = np.zeros((height + 3, width + 6, contexts.LATTICE_FIELDS), np.int32)
    for y, x in np.ndindex(height, width):
        if channels == 3:
            before = formulas.fits.copy()
            rgb = [int(v) for v in image[y, x]]
            formulas.invert(y, x, *rgb)
            fits = contexts.invert_lattices(lattice, y + 3, x + 3, *rgb)
            assert [fits & 1, fits >> 1] == [a - b for a, b in zip(formulas.fits, before, strict=True)]
            both = [v for kind in (0, 1) for v in formulas.chroma[kind, y, x]]
            assert lattice[y + 3, x + 3].tolist() == both
    for y, x, c, kind in np.ndindex(height, width, channels, 2 if channels == 3 else 1):
        formulas.fits = [0, kind]
        mean = int(rng.integers(0, 4081)) if (x + y) % 4 else 4080 * (y % 2)
        spread, surprise = int(rng.integers(16)), int(rng.integers(4))
        linear = int(rng.integers(0, 4081)) if (x + 2 * y) % 4 else 4080 * (x % 2)
        count = contexts.GREY_CONTEXTS if channels == 1 else contexts.RGB_CONTEXTS
        found = np.full((1, count), -1, np.int64)
        place = (y + 3, x + 3, 2 * (x % 2) + y % 2)
        if channels == 1:
            contexts.grey_contexts(found, 0, canvas, *place, mean, spread, surprise)
        else:
            contexts.rgb_contexts(found, 0, canvas, *place, c, mean, spread, surprise)
            contexts.lattice_contexts(found, 0, canvas, lattice, kind, *place, c, mean, spread, surprise)
        u = int(image[y, x, c - 1]) if c else 0
        contexts.linear_contexts(found, 0, count - 3, linear, u, mean, spread, surprise)
        expected = formulas.numbers(y, x, c, mean, spread, surprise, linear)
        assert found[0].tolist() == list(expected)
        assert min(expected) >= 0
        assert max(expected) < 2**56


def test_the_sets_of_contexts_are_those_of_the_format():
    assert Contexts.formulas()["normal"] == contexts.NORMAL_RGB
    assert (tuple(range(35)),) * 3 == contexts.MAX_RGB
    assert (tuple(range(12)),) == contexts.NORMAL_GREY
    assert (tuple(range(15)),) == contexts.MAX_GREY
    assert "for effort max all in this order, for effort normal 0 .. 11 of grey" in TEXT
    assert "J, contexts of a subpixel: RGB, grey | 12, 12 | 35, 15 |" in TEXT


def test_the_limits_are_those_of_the_format():
    high, odds, certain = zip(*mixing.LIMITS, strict=True)
    assert (min(high[0], 12), min(high[0], 12), min(high[1], 35), min(high[1], 15)) == (5, 5, 35, 15)
    assert "D, contexts of a high nibble: RGB, grey | 5, 5 | 35, 15 |" in TEXT
    assert f"ODDS of a sure nibble | {odds[0]} | {odds[1]} |" in TEXT
    assert f"CERTAIN, a logit in 1/256 | {certain[0]} | {certain[1]} |" in TEXT
    assert logit_tables.digest() in TEXT


def side_state(kind, effort):
    """Return the state of the mixer of a side layer of 2x2 pixels and two channels."""
    low_bits = 8 if kind in ("LOW", "WIDE") else 0
    layer = side.SideLayer(
        *(getattr(side, kind), 8, low_bits, np.zeros((2, 2, 1), np.uint8), 2, 2, 2, SLOPE, True, True)
    )
    return mixing.new_state(effort, 2, 2, 2, 1, side=layer.plan)


STATES = {
    **{
        f"{name} {channels} {effort}": functools.partial(
            mixing.new_state, effort, channels, 2, 2, 1, graphics=name == "graphics"
        )
        for name in ("photograph", "graphics")
        for effort in (1, 2)
        for channels in (1, 3)
    },
    **{
        f"{kind} {effort}": functools.partial(side_state, kind, effort)
        for kind in ("ALPHA", "LOW", "WIDE", "INDEX", "BILEVEL")
        for effort in (1, 2)
    },
}


def largest_inputs(name):
    """Return the largest absolute values of the inputs of a mixer, padded as in its state."""
    state = STATES[name]()
    count = state.ctx.shape[1]
    is_side, effort = not name.startswith(("photograph", "graphics")), int(name[-1])
    stretched = int(np.abs(logit_tables.STRETCH_TABLE).max())
    surest = int(mixing._ln(TOTAL) - mixing._ln(PMF_FLOOR))
    sizes = [min(int(state.limits[mixing.CERTAIN]) - 1, surest), 256] + [stretched] * count
    if is_side or effort == 2:
        sizes += [512] * count
    if not is_side and effort == 2:
        sizes.append(surest)  # the prior of the network moved, which CERTAIN does not limit
    assert 0 <= state.inputs.shape[1] - len(sizes) < 8
    return sizes + [0] * (state.inputs.shape[1] - len(sizes))


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_as_large_as_the_format_says(name):
    state = STATES[name]()
    kind, *rest = name.split()
    effort = int(rest[-1])
    if kind not in ("photograph", "graphics"):
        expected = (16, 3 if kind in ("ALPHA", "INDEX", "BILEVEL") else 2, 2 + 2 * 16)
    else:
        graphics, column = kind == "graphics", 0 if rest[0] == "3" else 1
        contexts = (((12, 12), (35, 15)), ((15, 15), (42, 22)))[graphics][effort - 1][column]
        inputs = 2 + contexts if effort == 1 else 3 + 2 * contexts
        expected = (contexts, 1 + effort + graphics, inputs)
    found = state.ctx.shape[1], state.sets.shape[1], len(np.trim_zeros(largest_inputs(name)))
    assert found == expected
    # Every weight set that a bit can ask for is there.
    assert len(state.weights) == mixing._BY_LENGTH + 8 * mixing.MAX_CHANNELS * 16
    assert len(state.maps) == state.error.shape[2] * state.ctx.shape[1] * 512


@pytest.mark.parametrize("name", STATES)
def test_no_sum_leaves_32_bits(name):
    inputs = largest_inputs(name)
    assert sum(inputs) * (mixing.WEIGHT_MAX >> mixing.COARSE_BITS) < 2**31
    assert sum(v * v >> 8 for v in inputs) < 2**31
    step = (65535 * mixing.RATE_FIRST) >> 8
    assert max(inputs) * step + 2048 < 2**31
    assert mixing.WEIGHT_MAX + (max(inputs) * step >> 12) + 1 < 2**31


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("signs", ["same", "opposite", "random"])
def test_kernels_are_exact_at_the_bounds(name, signs):
    s = STATES[name]()
    rng = np.random.default_rng(len(name))
    inputs = np.array(largest_inputs(name))
    flips = {"same": 1, "opposite": -1, "random": rng.choice([-1, 1], inputs.shape)}[signs]
    s.inputs[0] = inputs * rng.choice([-1, 1], inputs.shape)
    s.sets[0] = np.arange(s.sets.shape[1])
    s.weights[:] = mixing.WEIGHT_MAX * np.sign(s.inputs[0]) * flips
    s.final[:] = mixing.FINAL_MAX
    lane = (s.weights, s.sets, s.dots, s.final, s.lane)
    mixed = mixing.mix(s.inputs, 0, 0, *lane)
    values = [int(v) for v in s.inputs[0]]
    dot = sum(a * (int(b) >> 9) for a, b in zip(values, s.weights[0], strict=True)) >> 7
    dot = min(max(dot, -61439), 61439)
    assert s.dots[0].tolist() == [dot] * s.sets.shape[1]
    assert mixed == min(max(len(s.dots[0]) * dot * 2**24 >> 20, -61439), 61439)
    assert s.lane[0, mixing.SQUARES] == min(sum(v * v >> 8 for v in values) >> 8, 2047)
    for step in (65535 * 1999 >> 8, -65535 * 1999 >> 8):
        before = s.weights[0].tolist()
        mixing.train_weights(s.weights, 0, s.inputs, 0, np.int32(step))
        moved = [w + ((v * step + 2048) >> 12) for w, v in zip(before, values, strict=True)]
        assert s.weights[0].tolist() == [min(max(w, -(2**23)), 2**23) for w in moved]


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
