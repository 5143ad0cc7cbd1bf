"""Part Core: the network, its distributions, the range coder, chunks."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import struct
import zlib
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

TOP = 1023
N19 = (
    *((0, -1), (0, -2), (0, -3)),
    *((-1, -3), (-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2)),
    *((-2, -3), (-2, -2), (-2, -1), (-2, 0), (-2, 1), (-2, 2), (-2, 3)),
    *((-3, -1), (-3, 0), (-3, 1)),
)
N4 = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
TAPS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0))

# Called with the bytes of a bitstream that were read; long decoding shows by it how far it is.
TELL: ContextVar[Callable[[int], None] | None] = ContextVar("TELL", default=None)

Ints = npt.NDArray[np.int64]
Mixture = tuple[list[int], list[int], list[int]]  # logit, mean, inv of every component


def clamp(v: int, lo: int, hi: int) -> int:
    return max(lo, min(v, hi))


class Network:
    """Section Network."""

    def __init__(self, path: Path | str) -> None:
        with safe_open(path, framework="np") as f:
            metadata = f.metadata()
            self.tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 - not a dict
        assert metadata["pixcodec_model_version"] == "1"
        self.sizes: dict[str, int] = json.loads(metadata["architecture"])
        self.channels, self.components = self.sizes["channels"], self.sizes["components"]
        self.logistic, self.scale, self.weight = (
            [int(v) for v in self.tensors[f"table.{name}"]] for name in ("logistic", "scale", "weight")
        )
        self.wide = {name: tensor.astype(np.int64) for name, tensor in self.tensors.items()}

    def model_id(self) -> bytes:
        sizes = ", ".join(f'"{name}": {self.sizes[name]}' for name in sorted(self.sizes))
        text = f"[1, {{{sizes}}}]".encode()
        for name in sorted(self.tensors):
            tensor = self.tensors[name]
            shape = "[" + ", ".join(str(n) for n in tensor.shape) + "]"
            letter, size = {"int16": ("h", 2), "int32": ("i", 4), "uint8": ("B", 1)}[str(tensor.dtype)]
            values = struct.pack(f"<{tensor.size}{letter}", *tensor.reshape(-1).tolist())
            assert len(values) == size * tensor.size
            text += f"{name}{tensor.dtype}{shape}".encode() + values
        return hashlib.blake2b(text, digest_size=16).digest()

    def layer(self, name: str, a: Ints, lo: int, hi: int) -> Ints:
        sums = self.wide[f"{name}.weight"] @ a + self.wide[f"{name}.bias"]
        clipped: Ints = np.clip(sums >> self.wide[f"{name}.shift"], lo, hi)
        return clipped


@functools.cache
def network_of(path: Path | str) -> Network:
    """Return the network in a model file, which is read once."""
    return Network(path)


class Tile:
    """The pixels of a tile as far as they are decoded, with the features of the trunk."""

    def __init__(self, network: Network, height: int, width: int) -> None:
        self.network, self.height, self.width = network, height, width
        self.values = np.zeros((height, width, network.channels), np.int64)
        blocks, features = network.sizes["blocks"], network.sizes["features"]
        self.h = np.zeros((blocks + 1, height, width, features), np.int64)

    def at(self, y: int, x: int) -> list[int]:
        if 0 <= y < self.height and 0 <= x < self.width:
            return [int(v) for v in self.values[y, x]]
        return [128] * self.network.channels

    def base(self, y: int, x: int) -> list[int]:
        bases = []
        for w, n, nw in zip(self.at(y, x - 1), self.at(y - 1, x), self.at(y - 1, x - 1), strict=True):
            bases.append(max(min(w, n), min(max(w, n), w + n - nw)))
        return bases

    def inputs(self, y: int, x: int) -> Ints:
        base = self.base(y, x)
        around = {o: [v - b for v, b in zip(self.at(y + o[0], x + o[1]), base, strict=True)] for o in N19}
        a = [2 * d for o in N19 for d in around[o]]
        a += [clamp(16 * d, -512, 512) for o in N4 for d in around[o]]
        a += [b - 128 for b in base]
        if len(base) == 3:
            a += [2 * (base[0] - base[1]), 2 * (base[2] - base[1])]
        return np.array(a, np.int64)

    def trunk(self, y: int, x: int) -> None:
        """Compute the features of a pixel; h[l] is the input of block l."""
        self.h[0, y, x] = self.network.layer("input", self.inputs(y, x), -TOP, TOP)
        for block in range(self.network.sizes["blocks"]):
            h = self.h[block]
            t = [
                np.maximum(h[y + dy, x + dx], 0)
                if y + dy >= 0 and 0 <= x + dx < self.width
                else np.zeros_like(h[y, x])
                for dy, dx in TAPS
            ]
            u = self.network.layer(f"conv.{block}", np.concatenate(t), 0, TOP)
            v = self.network.layer(f"mix.{block}", u, -TOP, TOP)
            self.h[block + 1, y, x] = np.clip(h[y, x] + v, -TOP, TOP)

    def mixture(self, y: int, x: int, c: int) -> Mixture:
        """Heads: the mixture of channel c, whose earlier channels are known."""
        net, k = self.network, self.network.components
        base = self.base(y, x)
        r = [int(self.values[y, x, e]) - base[e] for e in range(c)]
        a = np.maximum(self.h[-1, y, x], 0).tolist()
        for e in range(c):
            a += [2 * r[e], clamp(16 * r[e], -512, 512)]
        a = net.layer(f"heads.{c}.0", np.array(a, np.int64), 0, TOP)
        a = net.layer(f"heads.{c}.1", a, 0, TOP)
        out = net.layer(f"heads.{c}.2", a, -16384, 16384).tolist()
        out[:k] = [clamp(v, -1023, 1023) for v in out[:k]]
        out[2 * k : 3 * k] = [clamp(v, -128, 192) for v in out[2 * k : 3 * k]]
        out = self.corrected(y, x, c, out)
        q, m, g, coupling = out[:k], out[k : 2 * k], out[2 * k : 3 * k], out[3 * k :]
        mean = []
        for i in range(k):
            value = 16 * base[c] + m[i]
            for e in range(c):
                value += (clamp(coupling[e * k + i], -255, 255) * r[e] + 4) >> 3
            mean.append(value)
        return q, mean, [net.scale[v + 128] for v in g]

    def corrected(self, y: int, x: int, c: int, out: list[int]) -> list[int]:
        """Section Calibration does something here."""
        return out

    def distribution(self, y: int, x: int, c: int) -> Mixture:
        """Weights, means and inverse scales of a subpixel's components."""
        logit, mean, inv = self.mixture(y, x, c)
        return weights(logit, self.network.weight), mean, inv

    def learn(self, c: int, lanes: list[tuple[tuple[int, int], Mixture, bool]]) -> None:
        """Section Calibration does something here, too."""


def weights(logit: list[int], table: list[int]) -> list[int]:
    """Section Distribution, weights."""
    best = logit.index(max(logit))
    e = [table[logit[best] - q] if logit[best] - q <= 511 else 0 for q in logit]
    w = [(v << 16) // sum(e) for v in e]
    w[best] += (1 << 16) - sum(w)
    return w


def logistic(z: int, table: list[int]) -> int:
    """Section Distribution, the logistic function."""
    z = clamp(z, -(2**26), 2**26 - 1) + 2**26
    i, f = z >> 17, z & (2**17 - 1)
    return table[i] + (((table[i + 1] - table[i]) * f) >> 17)


def cumulative(v: int, w: list[int], mean: list[int], inv: list[int], table: list[int]) -> int:
    """Section Distribution, cumulative function: F(v)."""
    if v in (0, 256):
        return v << 16
    total = 0
    for w_k, mean_k, inv_k in zip(w, mean, inv, strict=True):
        total += w_k * logistic((16 * v - 8 - mean_k) * inv_k, table)
    return (((total >> 14) * (2**24 - 2048)) >> 24) + 8 * v


def high_frequencies(w: list[int], mean: list[int], inv: list[int], table: list[int]) -> list[int]:
    """Section Distribution, effort fast, high nibble."""
    edges = [cumulative(16 * j, w, mean, inv, table) for j in range(17)]
    return [b - a for a, b in itertools.pairwise(edges)]


def low_frequencies(h: int, w: list[int], mean: list[int], inv: list[int], table: list[int]) -> list[int]:
    """Section Distribution, effort fast, low nibble."""
    f0 = cumulative(16 * h, w, mean, inv, table)
    p = cumulative(16 * h + 16, w, mean, inv, table) - f0
    g = [(cumulative(16 * h + j, w, mean, inv, table) - f0) * (2**24 - 16) // p + j for j in range(16)]
    g.append(2**24)
    return [b - a for a, b in itertools.pairwise(g)]


class RangeDecoder:
    """Section Range coder."""

    def __init__(self, bitstream: bytes) -> None:
        assert len(bitstream) % 4 == 0, "not a whole number of words"
        self.words = list(struct.unpack(f"<{len(bitstream) // 4}I", bitstream))
        self.used = 0
        self.low, self.range = 0, 2**64 - 1
        self.point = (self.next_word() << 32) + self.next_word()

    def next_word(self) -> int:
        self.used += 1
        if self.used <= len(self.words) and (tell := TELL.get()):
            tell(4)
        return self.words[self.used - 1] if self.used <= len(self.words) else 0

    def symbol(self, frequencies: list[int]) -> int:
        assert sum(frequencies) == 2**24
        assert min(frequencies) > 0
        scale = self.range >> 24
        q = ((self.point - self.low) % 2**64) // scale
        assert q < 2**24, "damaged"
        start = symbol = 0
        while q >= start + frequencies[symbol]:
            start += frequencies[symbol]
            symbol += 1
        self.low = (self.low + scale * start) % 2**64
        self.range = scale * frequencies[symbol]
        if self.range < 2**32:
            self.low = (self.low << 32) % 2**64
            self.range <<= 32
            self.point = ((self.point << 32) % 2**64) + self.next_word()
        return symbol

    def finish(self) -> None:
        assert self.used >= len(self.words), "words that were not read"
        assert (self.point - self.low) % 2**64 < 2**33 - 1, "not what an encoder writes at the end"
        one, other = ((self.low + more) % 2**64 >> 32 for more in (2**32 - 1, self.range))
        needed = self.used - 1 + (one == other) if self.range != 2**64 - 1 else 0
        assert self.words[-1:] != [0] or len(self.words) <= needed, "a word too many"


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Section Container: type and payload of every chunk."""
    assert data[:8] == bytes.fromhex("8C 50 58 43 0D 0A 1A 0A")
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        kind, payload = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from("<I", data, at + 8 + length)
        assert crc == zlib.crc32(kind + payload), kind
        found.append((kind, payload))
        at += 12 + length
    assert at == len(data)
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at this place, and where it ends."""
    number = shift = 0
    while data[at] > 127:
        number |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1


def check_hash(found: bytes, stated: bytes) -> None:
    """Check what was decoded; no assertion, as Python may leave these out."""
    if found != stated:
        raise ValueError(f"what was decoded has the hash {found.hex()}, the file says {stated.hex()}")
