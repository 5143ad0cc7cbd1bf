"""Part Series: files of several frames, executed from the text where it has formulas."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import numpy as np

from pixcodec.reference import core, fast
from pixcodec.reference.container import entries, layers_of, unpacked, varint
from pixcodec.reference.decoder import checked, decode_pixels
from pixcodec.reference.network_layer import NetworkLayer
from pixcodec.reference.runs import decode_with_runs
from pixcodec.reference.side_layer import SideLayer

COLUMNS = (
    *("flags", "numerator", "denominator", "x", "y", "width", "height", "mode", "depth", "layout"),
    *("index_bits", "tile_width", "tile_height", "model", "chunks"),
)
CHANNELS = (1, 3, 2, 4, 4, 1, 1)


class Entry:
    """What the index says of a frame; it has what ``reference.container.Head`` has."""

    jpeg = exact = packed = residual = h_transform = False
    version, corner = 8, 0

    def __init__(self, row, effort, models):
        for name, value in zip(COLUMNS, row, strict=True):
            setattr(self, name, value)
        self.effort = effort
        self.disposal, self.over, self.hidden = self.flags & 3, bool(self.flags & 4), bool(self.flags & 8)
        self.reference, self.carried = self.flags >> 4 & 3, bool(self.flags & 64)
        assert self.flags < 128
        assert self.reference < 3
        if self.mode == 7:
            number = self.layout // 16
            self.bands, self.kind, self.meaning = number % 32 + 1, number // 32 % 4, number // 128
            assert self.kind < 3
            assert self.meaning < 7
            assert self.layout % 16 == 8
            assert (self.reference, self.carried, self.model) == (0, False, 0)
        else:
            assert self.layout < 16
        self.alpha_first, self.graphics, self.interleaved, self.mapped = (
            bool(self.layout >> bit & 1) for bit in range(4)
        )
        self.tile_width, self.tile_height = self.tile_width or self.width, self.tile_height or self.height
        self.model_id = models[self.model - 1] if self.model else b""
        self.channels = self.bands if self.mode == 7 else CHANNELS[self.mode]
        self.indexed = self.index_bits > 0 and not self.mapped
        self.coded_depth = max(8, self.index_bits) if self.mapped else self.depth
        self.parts = []

    def part(self, name):
        return next((payload for kind, payload in self.parts if kind == name), None)


class Series:
    """Section File."""

    def __init__(self, data):
        assert data[:8] == bytes.fromhex("8c5058430d0a1a0a")
        assert data[8] == 136
        self.kind, effort = data[9] - 2, data[10]
        assert self.kind in (0, 1)
        count, at = varint(data, 11)
        self.width = self.height = self.loop = 0
        if self.kind == 1:
            self.width, at = varint(data, at)
            self.height, at = varint(data, at)
            self.loop, at = varint(data, at)
        models = [data[at + 1 + 8 * k : at + 9 + 8 * k] for k in range(data[at])]
        size, at = varint(data, at + 1 + 8 * len(models))
        index, end = zlib.decompress(data[at : at + size]), at + size
        assert zlib.crc32(data[:end]) == struct.unpack_from("<I", data, end)[0]
        assert zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0]
        numbers, where = [], 0
        for _ in range(len(COLUMNS) * count):
            number, where = varint(index, where)
            numbers.append(number)
        columns = [numbers[k * count : (k + 1) * count] for k in range(len(COLUMNS))]
        self.frames = [Entry(row, effort, models) for row in zip(*columns, strict=True)]
        sizes = []
        for _ in range(sum(columns[-1])):
            number, where = varint(index, where)
            sizes.append(number)
        types = [index[where + 4 * k : where + 4 * k + 4] for k in range(len(sizes))]
        assert where + 4 * len(types) == len(index)
        self.take_bodies(data, end + 4, sizes, types)

    def take_bodies(self, data, at, sizes, types):
        latest, number = {}, 0
        for frame in self.frames:
            for _ in range(frame.chunks):
                kind, payload = types[number], data[at : at + sizes[number]]
                key = kind, sum(other == kind for other, _ in frame.parts)
                if kind != b"TILE" and payload == b"":
                    payload = latest[key]
                latest[key] = payload
                frame.parts.append((kind, payload))
                at, number = at + sizes[number], number + 1
            frame.hash = data[at : at + 8]
            at += 8
        assert at == len(data) - 4


class Taught(NamedTuple):
    """Section What layers have learnt."""

    mixer: object
    counters: dict[tuple[object, ...], list[int]]


def decode(data, models):
    """Return the frames of a file as they are stored: (H, W, C)."""
    series, taught, below, found = Series(data), {}, Below(), []
    below.start(series)
    for frame in series.frames:
        if not frame.carried:
            taught = {}
        assert not (series.kind == 1 and frame.mode == 7)
        stored = checked(frame, decode_frame(series, frame, below.part(frame), taught, models), frame.hash)
        below.draw(frame, stored)
        found.append(stored)
    return found


def decode_frame(series, frame, below, taught, models):
    tiles = [payload for kind, payload in frame.parts if kind == b"TILE"]
    if frame.mode == 7:
        return decode_pixels(frame, tiles, frame.part(b"PLTE"), models)
    layers, table = layers_of(frame), frame.part(b"PLTE")
    s = max(frame.coded_depth - 8, 0)
    pixels = np.zeros((frame.height, frame.width, 1 if frame.indexed else frame.channels), np.int64)
    corners = [
        (y, x)
        for y in range(0, frame.height, frame.tile_height)
        for x in range(0, frame.width, frame.tile_width)
    ]
    assert len(tiles) == len(corners) * len(layers)
    for number, (y, x) in enumerate(corners):
        box = (slice(y, y + frame.tile_height), slice(x, x + frame.tile_width))
        values = []
        for layer, tile in zip(layers, tiles[number * len(layers) :], strict=False):
            sees = None if layer.sees is None else values[layer.sees]
            own = reference_of(frame, layer, below)
            coder = LayerOfFrame(frame, layer, None if own is None else own[box], taught, models)
            if len(corners) > 1:
                coder.taught = None
            area = series.width * series.height
            values.append(coder.decode(tile, pixels[box].shape[:2], sees, area))
            part = pixels[box][:, :, layer.first : layer.first + layer.channels]
            if layer.kind == "WIDE":
                part += (values[-1][:, :, ::2] << s) + values[-1][:, :, 1::2]
            else:
                part += values[-1] << (s if layer.kind in ("NETWORK", "ALPHA") else 0)
    if frame.mapped:
        return entries(table, 1, frame.depth, mapped=True)[:, 0][pixels]
    if frame.indexed:
        return entries(table, frame.channels, frame.depth)[pixels[:, :, 0]]
    return pixels


class LayerOfFrame:
    """A layer of a tile of a frame."""

    def __init__(self, frame, layer, reference, taught, models):
        self.frame, self.layer, self.reference = frame, layer, reference
        self.taught, self.models, self.counters = taught, models, {}

    def decode(self, tile, shape, sees, area):
        frame, layer = self.frame, self.layer
        height, width = shape
        if tile[0] == 0:
            return unpacked(tile[1:], layer.planes, layer.bits, height, width)
        assert tile[0] in (1, 2, 3)
        still, runs = tile[0] == 3, tile[0] > 1
        assert not still or self.reference is not None
        slope, at = varint(tile, 1)
        words = core.RangeDecoder(tile[at:])
        options = {"runs": runs, "reference": self.reference, "still": still}
        if layer.kind == "NETWORK":
            network = next(n for n in map(core.network_of, self.models) if n.model_id()[:8] == frame.model_id)
            if frame.effort == 0 and runs:
                return decode_with_runs(
                    network, tile[at:], height, width, slope, self.reference if still else None
                )
            if frame.effort == 0:
                return fast.decode_tile(network, tile[at:], height, width, slope)
            coder = NetworkLayer(network, frame.effort, frame.graphics, height, width, slope, sees, **options)
        else:
            shape = height, width, layer.planes
            options |= {"fast": frame.effort == 0, "graphics": frame.graphics}
            coder = SideLayer(layer.kind, layer.bits, frame.coded_depth - 8, shape, slope, sees, **options)
        if area:
            coder.mixer.size_slots(area)
        self.take_up(coder)
        values = coder.decode(words)
        words.finish()
        if self.taught is not None:
            counters = coder.runs.counters if coder.runs else self.counters
            self.taught[self.key()] = Taught(coder.mixer, counters)
        return values

    def key(self):
        layer, low = self.layer, self.frame.coded_depth - 8 if self.layer.kind in ("LOW", "WIDE") else 0
        return layer.kind, layer.bits, layer.planes, low, self.frame.graphics, self.reference is None

    def take_up(self, coder):
        before = (self.taught or {}).get(self.key())
        if before is None or before.mixer.slot_bits != coder.mixer.slot_bits:
            return
        coder.mixer.take_up(before.mixer)
        self.counters = before.counters
        if coder.runs:
            coder.runs.counters = before.counters


class Below:
    """Section The canvas, as references need it."""

    def start(self, series):
        self.pages = series.kind == 0
        self.canvas = np.zeros((series.height, series.width, 4), np.int64)
        self.before_disposal, self.page = self.canvas, None

    def part(self, frame):
        if frame.reference == 0 or frame.depth > 8 or frame.mode == 4:
            return None
        if self.pages:
            fits = self.page is not None and self.page.shape[:2] == (frame.height, frame.width)
            return self.page if fits else None
        canvas = self.before_disposal if frame.reference == 2 else self.canvas
        return canvas[frame.y : frame.y + frame.height, frame.x : frame.x + frame.width]

    def draw(self, frame, pixels):
        seen = frame.depth <= 8 and frame.mode not in (4, 7)
        if self.pages:
            self.page = colours_of(frame, pixels) if seen else None
            return
        if not seen:
            return
        place = slice(frame.y, frame.y + frame.height), slice(frame.x, frame.x + frame.width)
        drawn, shown = colours_of(frame, pixels), self.canvas.copy()
        shown[place] = np.where(drawn[..., 3:] > 0, drawn, shown[place]) if frame.over else drawn
        if frame.disposal == 2:
            self.canvas = shown.copy()
            self.canvas[place] = 0
        elif frame.disposal != 3:
            self.canvas = shown
        self.before_disposal = shown


def colours_of(frame, pixels):
    """Return the RGBA colours of a frame (H, W, 4)."""
    pixels = pixels.astype(np.int64)
    transparent = frame.part(b"TRNS")
    if frame.mode == 5:
        return palette_of(frame)[pixels[:, :, 0]]
    if frame.mode == 6:
        pixels = pixels * 255
    wide = [0, 0, 0] if frame.mode in (0, 2, 6) else [0, 1, 2]
    alpha = np.full((*pixels.shape[:2], 1), 255)
    if frame.mode in (2, 3):
        alpha = pixels[:, :, -1:]
    elif transparent:
        assert transparent[0] < 2
        key, at = [], 1
        while at < len(transparent):
            value, at = varint(transparent, at)
            key.append(value)
        alpha = np.where((pixels == key).all(axis=2), 0, 255)[:, :, None]
    return np.concatenate([pixels[:, :, wide], alpha], 2)


def palette_of(frame):
    table, transparent = frame.part(b"PLTE"), frame.part(b"TRNS")
    colours = np.zeros((256, 4), np.int64)
    colours[:, 3] = 255
    found = entries(table[1:], table[0], 8)
    colours[: len(found), : table[0]] = found
    if transparent and transparent[0] == 0:
        colours[varint(transparent, 1)[0], 3] = 0
    elif transparent:
        alpha = zlib.decompress(transparent[1:]) if transparent[0] == 3 else transparent[1:]
        colours[: len(alpha), 3] = list(alpha)
    return colours


def reference_of(frame, layer, below):
    """Section Reference: the planes (H, W, planes) of a layer."""
    if below is None:
        return None
    if layer.kind == "NETWORK":
        return below[..., : layer.channels]
    if layer.kind == "ALPHA":
        return below[..., 3:]
    if layer.kind != "INDEX":
        return None
    table = frame.part(b"PLTE")
    if frame.mode == 5:
        colours = palette_of(frame)[: min(len(entries(table[1:], table[0], 8)), 2**frame.depth)]
        colours[colours[:, 3] == 0] = 0
        near = nearest(colours, np.where(below[..., 3:] > 0, below, 0))
        clear = [k for k, colour in enumerate(colours) if colour[3] == 0]
        return np.stack([near, np.full_like(near, clear[0]) if clear else near], 2)
    planes = {0: [0], 1: [0, 1, 2], 2: [0, 3], 3: [0, 1, 2, 3], 4: [0, 1, 2, 3]}[frame.mode]
    near = nearest(entries(table, frame.channels, frame.depth), below[..., planes])
    return np.stack([near, near], 2)


def nearest(colours, pixels):
    off = ((pixels[:, :, None, :] - colours.astype(np.int64)) ** 2).sum(axis=3)
    return off.argmin(axis=2)
