"""Sections Packed bitstream, Compression, Rows and Filters."""

from __future__ import annotations

import lzma
import zlib

import numpy as np


def decode(bitstream, height, width, count, bits):
    """Return the values (H, W, V) of a packed layer."""
    form, stream = bitstream[0], bitstream[1:]
    method, planar, less_green, digits, which = (
        form & 3,
        form >> 2 & 1,
        form >> 3 & 1,
        form >> 4 & 1,
        form >> 5,
    )
    assert method < 3
    assert which < 7
    assert count >= 3 or not less_green
    assert bits <= 4 or not digits
    lines, length = (height * count, width) if planar else (height, width * count)
    size = length * (2 if bits > 8 else 1)
    each = 0
    if digits:
        each = 1 if bits == 1 else 2 if bits == 2 else 4
        size = -(-length * each // 8)
    data = decompressed(method, stream, lines * size + lines * (which == 6))
    filters = [which] * lines
    if which == 6:
        filters, data = list(data[:lines]), data[lines:]
        assert max(filters) < 5
    values = rows_of(data, lines, length, size, height, bits, each, planar=planar)
    assert values.max() < 2**bits
    if planar:
        values = values.reshape(count, height, width).transpose(1, 2, 0).copy()
    else:
        values = values.reshape(height, width, count)
    add_predictions(values, filters, bits, planar=planar)
    if less_green:
        values[:, :, 0] += values[:, :, 1]
        values[:, :, 2] += values[:, :, 1]
    return values % 2**bits


def rows_of(data, lines, length, size, height, bits, each, *, planar):
    """Section Rows: the values of each line, of which ``each`` are the bits if they are packed, else 0."""
    width = length
    values = np.zeros((lines, length), np.int64)
    for line in range(lines):
        if each:
            row = data[line * size : line * size + size]
            text = "".join(f"{byte:08b}" for byte in row)
            values[line] = [int(text[k * each : k * each + each], 2) for k in range(length)]
            assert "1" not in text[length * each :]
        elif bits > 8 and planar:
            value, y = divmod(line, height)
            at = (value * 2 * height + y) * width
            high, low = data[at : at + width], data[at + height * width :][:width]
            values[line] = [a * 256 + b for a, b in zip(high, low, strict=True)]
        elif bits > 8:
            row = data[line * size : line * size + size]
            values[line] = [row[2 * k] * 256 + row[2 * k + 1] for k in range(length)]
        else:
            values[line] = list(data[line * size : line * size + size])
    return values


def add_predictions(values, filters, bits, *, planar):
    """Section Filters."""
    height, width, count = values.shape

    def v(y, x, c):
        return values[y, x, c] if y >= 0 and x >= 0 else 0

    for y in range(height):
        for x in range(width):
            for c in range(count):
                number = filters[c * height + y if planar else y]
                west, north = v(y, x - 1, c), v(y - 1, x, c)
                prediction = (
                    0,
                    west,
                    north,
                    west + north - v(y - 1, x - 1, c),
                    2 * west - v(y, x - 2, c),
                    2 * north - v(y - 2, x, c),
                )[number]
                values[y, x, c] = (values[y, x, c] + prediction) % 2**bits


def decompressed(method, stream, size):
    """Section Compression."""
    if method == 0:
        data = stream
    elif method == 1:
        inflate = zlib.decompressobj(-15)
        data = inflate.decompress(stream)
        assert inflate.eof
        assert not inflate.unused_data
    else:
        rest, lc = divmod(stream[0], 9)
        pb, lp = divmod(rest, 5)
        assert pb < 5
        assert lc + lp < 5
        names = {"lc": lc, "lp": lp, "pb": pb, "dict_size": max(size, 4096)}
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, **names}])
        data = decoder.decompress(b"\0" + stream[1:-1], size)
        assert len(data) < size
        data += decoder.decompress(stream[-1:], size - len(data))
    assert len(data) == size
    return data
