"""Section Deep images: maps; what deep layers see."""

from __future__ import annotations

import zlib

import numpy as np

from pixcodec.reference.container import varint


def deep_sees(layer, wide, codes):
    """Section Deep layers: what a layer knows, of a tile whose codes (H, W, bands) are known so far."""
    if wide is None:
        return None
    if layer.kind == "WIDE":
        return wide[:, :, -2:]
    own = codes[:, :, layer.first : layer.first + layer.channels]
    return own >> (layer.below + layer.bits) & 0xFFFF


def samples_of(codes, table, head):
    """Section Maps: the bits of the samples (H, W, bands)."""
    samples, at, each = np.zeros_like(codes), 0, None
    for band in range(head.bands):
        method, at = table[at], at + 1
        if method != 3:
            each, at = read_map(method, table, at, head)
        found, where = np.unique(codes[:, :, band], return_inverse=True)
        values = np.array([each(int(code)) for code in found], np.int64)
        samples[:, :, band] = values[where].reshape(codes.shape[:2])
    assert (at < len(table)) == (head.meaning == 6)
    return samples


def read_map(method, table, at, head):
    """Return a function from a code to the bits of a sample, and where the map ends."""
    n, h = head.depth, 2 ** (head.depth - 1)
    if method == 2:
        count, at = varint(table, at)
        size, at = varint(table, at)
        planes = zlib.decompress(table[at : at + size])
        assert len(planes) == 4 * count
        steps = [sum(planes[k + count * p] << 8 * p for p in range(4)) for k in range(count)]
        places = [int(v) for v in np.cumsum(steps)]
        return lambda code: unordered(places[code], h, head.kind), at + size
    numerator, at = varint(table, at)
    denominator, at = varint(table, at) if method == 1 else (0, at)
    base, at = varint(table, at)
    base = base // 2 if base % 2 == 0 else -(base + 1) // 2
    count, at = table[at], at + 1
    size = n // 8
    exceptions = [int.from_bytes(table[at + k * size :][:size], "little") for k in range(count)]

    def sample(code):
        if code < count:
            return exceptions[code]
        m = code - count + base
        if method == 0:
            return unordered(m, h >> numerator, head.kind) << numerator
        if head.kind < 2:
            assert denominator == 1
            least = -h if head.kind == 1 else 0
            assert least <= m * numerator < least + 2 * h
            return (m * numerator) % (2 * h)
        with np.errstate(over="ignore"):
            value = np.float64(m * numerator) / np.float64(denominator)
            return int(value.astype(f"<f{size}").view(f"<u{size}"))

    return sample, at + count * size


def unordered(number, h, kind):
    """Return the bits of the sample of an ordered number below 2 * h."""
    assert 0 <= number < 2 * h
    if kind == 0:
        return number
    if kind == 1:
        return number ^ h
    return number - h if number >= h else 2 * h - 1 - number
