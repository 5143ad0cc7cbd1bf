"""In which way a picture is coded: as it is, as graphics, by a table of its colours or of its values.

An encoder may choose as it likes; the header says what it chose. This one looks at how much of the picture
repeats the pixel beside, and tries what may be best on a part of it.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import Effort, Header, Mode
from pixcodec.images import colours
from pixcodec.images.planes import Picture, Pixels

LEAST_REPEATS = 0.15  # share of pixels equal to their neighbour from which on a picture may be graphics
LEAST_GREY_REPEATS = 0.4  # grey pictures have few values anyway
SHORT_TABLE_BYTES = 8  # of values: first and step
SAMPLE = 128  # pixels: side of the parts that ways are tried on
SAMPLES = 4
MAX_TRIED_PIXELS = SAMPLES * SAMPLE * SAMPLE  # smaller pictures are tried as a whole


class Way(NamedTuple):
    """One way: the header, the pixels (H, W, C) as the layers hold them, and the chunks PLTE and COEF."""

    header: Header
    pixels: Pixels
    table: bytes
    coefficients: bytes = b""


def ways_of(header: Header, picture: Picture) -> list[Way]:
    """Return the ways that are worth a trial."""
    plain = Way(header, picture.pixels, picture.palette)
    if header.mode in (Mode.PALETTE, Mode.BILEVEL):
        return [plain]
    repeats = _repeats(picture.pixels)
    graphics = repeats >= LEAST_REPEATS
    ways = [plain]
    if header.bit_depth > 8 and (mapped := _by_values(header, picture.pixels)):
        # A long table may cost more than it saves.
        ways = [plain, mapped] if len(mapped.table) > SHORT_TABLE_BYTES else [mapped]
        plain = mapped
    ways += [
        way._replace(header=replace(way.header, interleaved=True))
        for way in ways
        if way.header.coded_depth > 8
    ]
    if graphics and (header.effort is not Effort.FAST or header.mode.has_alpha):
        ways.append(plain._replace(header=replace(plain.header, graphics=True)))
        if header.mode.has_alpha:
            ways.append(plain._replace(header=replace(plain.header, graphics=True, alpha_first=True)))
    if graphics if header.mode is not Mode.GREY else repeats >= LEAST_GREY_REPEATS:
        table = colours.table_of(picture.pixels)
        if table is not None:
            bits = max(1, (len(table.colours) - 1).bit_length())
            packed = colours.pack_colours(table.colours)
            ways.append(Way(replace(header, index_bits=bits), table.indices, packed))
    return ways


def choose_way(ways: list[Way], size_bytes: Callable[[Way], int]) -> Way:
    """Return the way that codes a part of the picture in the fewest bytes, as ``size_bytes`` measures it."""
    if len(ways) == 1:
        return ways[0]
    parts = _busy_parts(ways[0].pixels)

    def tried(way: Way) -> int:
        height, width = way.pixels.shape[:2]
        if parts is None:
            return size_bytes(way)
        pixels = np.concatenate([way.pixels[y : y + SAMPLE, x : x + SAMPLE] for y, x in parts])
        height, width = pixels.shape[:2]
        header = replace(way.header, width=width, height=height, tile_width=width, tile_height=height)
        # The table is for the whole picture.
        share = len(way.table) - len(way.table) * MAX_TRIED_PIXELS // (ways[0].pixels.size or 1)
        part = way._replace(header=header, pixels=np.ascontiguousarray(pixels))
        return size_bytes(part) - max(share, 0)

    return min(ways, key=tried)


def _by_values(header: Header, pixels: Pixels) -> Way | None:
    """Return the way by a table of values, if an index then has fewer bits than a value."""
    values = colours.values_of(pixels)
    bits = max(1, (len(values) - 1).bit_length())
    if bits >= header.bit_depth:
        return None
    indices = np.searchsorted(values, pixels)
    coded: Pixels = indices.astype(np.uint16) if bits > 8 else indices.astype(np.uint8)
    return Way(replace(header, index_bits=bits, mapped=True), coded, colours.pack_values(values))


def _changes(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Return (H, W - 1) which pixels are not that to their left."""
    different: npt.NDArray[np.bool_] = (pixels[:, 1:] != pixels[:, :-1]).any(axis=2)
    return different


def _repeats(pixels: Pixels) -> float:
    """Return the share of pixels that equal that to their left, 0 of images one pixel wide."""
    return float(1 - _changes(pixels).mean()) if pixels.shape[1] > 1 else 0.0


def _busy_parts(pixels: Pixels) -> list[tuple[int, int]] | None:
    """Return where a few parts of a picture begin, rather busy ones; None if it is to be tried as a whole."""
    height, width = pixels.shape[:2]
    if height * width <= MAX_TRIED_PIXELS or min(height, width) < SAMPLE:
        return None
    changes = _changes(pixels)
    busy = sorted(
        (
            (int(changes[y : y + SAMPLE, x : x + SAMPLE].sum()), y, x)
            for y in range(0, height - SAMPLE + 1, SAMPLE)
            for x in range(0, width - SAMPLE + 1, SAMPLE)
        ),
        reverse=True,
    )
    return [busy[k * len(busy) // (2 * SAMPLES)][1:] for k in range(SAMPLES)]
