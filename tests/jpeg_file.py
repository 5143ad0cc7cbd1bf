"""JPEG files for tests: a decoder up to their coefficients, and photographs that were such files."""

import io

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from pixcodec import codec
from pixcodec.container.container import parse
from pixcodec.jpeg import way
from pixcodec.jpeg.coefficients import Coefficients, block_counts

GREY, FULL, HALF, QUARTER = (1, 0), (3, 0), (3, 1), (3, 2)  # channels, Pillow's number of the subsampling

ZIGZAG = sorted(  # by diagonal, up and down in turns
    range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8)
)


class _Bits:
    def __init__(self, data):
        self.data = data.replace(b"\xff\x00", b"\xff")
        self.position = self.held = self.count = 0

    def read(self, count):
        while self.count < count:
            byte = self.data[self.position] if self.position < len(self.data) else 0
            self.held, self.count, self.position = self.held << 8 | byte, self.count + 8, self.position + 1
        self.count -= count
        value = self.held >> self.count
        self.held &= (1 << self.count) - 1
        return value

    def symbol(self, codes):
        code = length = 0
        while (length, code) not in codes:
            code, length = code << 1 | self.read(1), length + 1
        return codes[length, code]

    def signed(self, size):
        value = self.read(size)
        return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1


def _huffman(body):
    codes, at = {}, 0
    while at < len(body):
        kind, counts, at = body[at], body[at + 1 : at + 17], at + 17
        table, code = codes.setdefault(kind, {}), 0
        for length, count in enumerate(counts, 1):
            for _ in range(count):
                table[length, code] = body[at]
                code, at = code + 1, at + 1
            code <<= 1
    return codes


def read_jpeg(data):
    """Return the coefficients of a baseline file of one scan without restarts."""
    tables, codes, at = {}, {}, 2
    while True:
        marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body, at = data[at + 4 : at + 2 + size], at + 2 + size
        if marker == 0xDB:
            for start in range(0, len(body), 65):
                table = np.zeros(64, np.int32)
                table[ZIGZAG] = list(body[start + 1 : start + 65])
                tables[body[start]] = table
        elif marker == 0xC4:
            codes.update(_huffman(body))
        elif marker == 0xC0:
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            parts = [body[6 + 3 * i : 9 + 3 * i] for i in range(body[5])]
        elif marker == 0xDA:
            uses = [body[2 + 2 * i] for i in range(body[0])]
            break
        else:
            assert 0xE0 <= marker <= 0xFE, hex(marker)
    # A single component is not interleaved: its factors say nothing.
    factors = [(part[1] >> 4, part[1] & 15) for part in parts] if len(parts) > 1 else [(1, 1)]
    horizontal, vertical = factors[0]
    rows, columns = -(-height // (8 * vertical)), -(-width // (8 * horizontal))
    blocks = [np.zeros((rows * v, columns * h, 64), np.int16) for h, v in factors]
    bits, last = _Bits(data[at : data.rindex(b"\xff\xd9")]), [0] * len(parts)
    for unit in range(rows * columns):
        for i, (h, v) in enumerate(factors):
            for inner in range(h * v):
                block = blocks[i][unit // columns * v + inner // h, unit % columns * h + inner % h]
                last[i] += bits.signed(bits.symbol(codes[uses[i] >> 4]))
                block[0], k = last[i], 1
                while k < 64:
                    symbol = bits.symbol(codes[16 | uses[i] & 15])
                    if symbol == 0:
                        break
                    k += symbol >> 4
                    block[ZIGZAG[k]] = bits.signed(symbol & 15)
                    k += 1
    sizes = [block_counts(height, width, 0, 0, horizontal, vertical, i) for i in range(len(parts))]
    return Coefficients(
        height, width, 0, 0, horizontal, vertical,
        tuple(tables[part[2]] for part in parts),
        tuple(np.ascontiguousarray(block[:r, :c]) for block, (r, c) in zip(blocks, sizes, strict=True)),
    )  # fmt: skip


def jpeg_of(pixels, quality, subsampling=0):
    """Return the bytes of a JPEG file of pixels (H, W, 1 or 3)."""
    file = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    image.save(file, "jpeg", quality=quality, subsampling=subsampling)
    return file.getvalue()


def decoded(data):
    """Return the pixels (H, W, C) of a JPEG file as Pillow decodes it."""
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    return pixels.reshape(*pixels.shape[:2], -1)


def once_jpeg(kind, height=47, width=61, quality=80):
    """Return the pixels (H, W, C) of a JPEG file of a photograph, and its coefficients."""
    channels, subsampling = kind
    photo = samples.photo(channels)
    tiled = np.concatenate([photo] * -(-height // 47))[:height]
    tiled = np.concatenate([tiled] * -(-width // 61), axis=1)[:, :width]
    data = jpeg_of(tiled, quality, subsampling)
    return decoded(data), read_jpeg(data)


def coded_jpeg(*, exact):
    """Return the pixels of a JPEG file, perhaps edited, and the pixcodec file with its coefficients."""
    pixels, coefficients = once_jpeg(QUARTER)
    if not exact:
        pixels = pixels.copy()
        pixels[20:26, 30:37] ^= 255
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(way, "find_coefficients", lambda pixels: coefficients)
        patch.setattr(codec, "MAX_TILE_SIDE", 32)
        data = pixcodec.encode(pixels, effort="fast")
    header = parse(data).header
    assert header.jpeg
    assert header.exact == exact
    return pixels, data
