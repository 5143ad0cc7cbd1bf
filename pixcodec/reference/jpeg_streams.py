"""Part Streams of coefficients: bytes -> the coefficients of images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.reference import core
from pixcodec.reference.container import varint
from pixcodec.reference.jpeg_stream_bits import Bits
from pixcodec.reference.jpeg_stream_blocks import Blocks
from pixcodec.reference.jpeg_stream_network import NUMBER
from pixcodec.reference.jpeg_text import efforts


class Component(NamedTuple):
    """The shape of a component of an image, its factors of sampling, and its steps (8, 8)."""

    rows: int
    columns: int
    vertical: int
    horizontal: int
    steps: np.ndarray


def stripes(payload, images):
    """Section Stripes: return the streams, each its bytes and a list of (image, first unit, last unit).

    Units go up to, but without, the last; an image that is coded as a whole has None for it.
    """
    at, counts, sizes = 0, [], []
    for _ in images:
        count, at = varint(payload, at)
        counts.append(count)
    assert counts[0] > 0
    streams = []
    for number, (image, count) in enumerate(zip(images, counts, strict=True)):
        units = units_of(image)
        assert count <= min(64, units)
        streams += [[(number, units * i // count, units * (i + 1) // count)] for i in range(count)]
        if count == 0:
            streams[-1].append((number, 0, None))
    for _ in streams[1:]:
        size, at = varint(payload, at)
        sizes.append(size)
    sizes.append(len(payload) - at - sum(sizes))
    assert sizes[-1] >= 0
    starts = [at + sum(sizes[:i]) for i in range(len(sizes))]
    return [
        (payload[start : start + size], parts)
        for start, size, parts in zip(starts, sizes, streams, strict=True)
    ]


def units_of(image):
    return max(-(-c.rows // c.vertical) for c in image)


def decode(payload, images, effort, *, networked):
    """Return the coefficients of the components of each image, (rows, columns, 8, 8)."""
    if networked:
        number, at = varint(payload, 0)
        assert number == NUMBER
        payload = payload[at:]
    found = [[np.zeros((c.rows, c.columns, 8, 8), np.int64) for c in image] for image in images]
    for stream, parts in stripes(payload, images):
        coder = core.RangeDecoder(stream)
        spans = [
            (number, [rows_of(component, first, last) for component in images[number]])
            for number, first, last in parts
        ]
        blocks = sum(
            (stop - start) * component.columns
            for number, rows in spans
            for (start, stop), component in zip(rows, images[number], strict=True)
        )
        bits = Bits(coder, efforts()[effort], blocks, networked=networked)
        for number, rows in spans:
            decode_part(bits, images[number], rows, found[number])
        coder.finish()
    return found


def rows_of(component, first, last):
    """Return the first row of blocks, and that after the last, of a stripe of units first .. last - 1."""
    if last is None:
        return 0, component.rows
    return tuple(min(component.vertical * unit, component.rows) for unit in (first, last))


def decode_part(bits, image, spans, found):
    """Decode a stripe into ``found``; ``spans`` has its rows of blocks in each component."""
    known = []
    for number, (component, (start, stop)) in enumerate(zip(image, spans, strict=True)):
        shape = (stop - start, component.columns, 8, 8)
        luma = blue = np.zeros(shape, np.int64)
        if number > 0:
            luma = luma_of(known[0], shape, image[0], component)
        if number == 2 and known[1].shape == shape:
            blue = known[1]
        known.append(np.zeros(shape, np.int64))
        if known[-1].size:
            known[-1] = Blocks(bits, number, component.steps, luma, blue).decode()
            found[number][start:stop] = known[-1]


def luma_of(blocks, shape, first, component):
    """Sections Fits and Coefficients of a file: luma of all blocks of a component."""
    rows, columns = blocks.shape[:2]
    luma = np.zeros(shape, np.int64)
    whole = first.vertical % component.vertical == 0 and first.horizontal % component.horizontal == 0
    vertical, horizontal = first.vertical // component.vertical, first.horizontal // component.horizontal
    for r in range(shape[0]):
        for c in range(shape[1]):
            if whole:
                beside = blocks[r * vertical :, c * horizontal :][:vertical, :horizontal]
            else:
                y = min(r * first.vertical // component.vertical, rows - 1)
                x = min(c * first.horizontal // component.horizontal, columns - 1)
                beside = blocks[y : y + 1, x : x + 1]
            luma[r, c] = abs(beside).sum((0, 1))
    return luma
