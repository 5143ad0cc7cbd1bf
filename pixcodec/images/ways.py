"""The ways to code a picture: as it is, as graphics, or as indices into a table of its colours or values.

An encoder may choose any of them; the header says which one it is. This encoder measures how many pixels
repeat their neighbour, and codes a part of the picture in each of the ways that may be best.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.chunks import CHUNK_OVERHEAD_BYTES
from pixcodec.container.container import Tile, TileKind
from pixcodec.container.header import FITTED_VERSION, PLANE_BITS, WIDER_VERSION, Effort, Header, Mode, fitted
from pixcodec.container.layers import layers_of
from pixcodec.errors import UnsupportedImageError
from pixcodec.images import colours
from pixcodec.images.deep import coded
from pixcodec.images.h_transform import transformed
from pixcodec.images.picture import Picture
from pixcodec.images.planes import Pixels, plane_of, to_raw
from pixcodec.images.sample_maps import pack_maps, sample_type

LEAST_REPEATS = 0.15  # share of pixels equal to their left neighbour from which on a picture may be graphics
LEAST_GREY_REPEATS = 0.4  # the same for a table of the colours of a grey picture, which has few values anyway
SHORT_TABLE_BYTES = 8  # a table of values up to this size holds first and step alone
SAMPLE = 128  # pixels: side of the parts that are coded in every way
SAMPLES = 4
_LOOKED_AT = 8  # parts across and down of which a small sample is taken
MAX_FINALISTS = 3  # ways that are tried on the whole picture
_CLOSE = 1.1  # a part of it takes up to so many times the bytes by other ways that are tried
MAX_TRIED_PIXELS = SAMPLES * SAMPLE * SAMPLE  # smaller pictures are coded as a whole in every way


class Way(NamedTuple):
    """One way to code a picture.

    Parameters
    ----------
    header : Header
    pixels : ndarray of uint8 or uint16, shape (H, W, C)
        As the layers hold them: the pixels themselves, or indices.
    table : bytes
        Payload of the chunk PLTE, or empty.
    coefficients : bytes
        Payload of the chunk COEF, or empty.
    """

    header: Header
    pixels: Pixels
    table: bytes
    coefficients: bytes = b""


def ways_of(header: Header, picture: Picture) -> list[Way]:
    """Return the ways that may code a picture in the fewest bytes; ``header`` is that of the plain way."""
    if header.mode is Mode.DEEP:
        return _deep_ways(header, picture)
    plain = Way(header, picture.pixels, picture.palette)
    if header.mode in (Mode.PALETTE, Mode.BILEVEL):
        return [plain]
    deep = header.bit_depth > PLANE_BITS
    mapped = way_by_values(header, picture.pixels, colours.values_of(picture.pixels)) if deep else None
    repeats = repeats_of(picture.pixels)
    ways = layouts_of(plain, mapped, repeats)
    if repeats >= (LEAST_GREY_REPEATS if header.mode is Mode.GREY else LEAST_REPEATS):
        ways += ways_by_colours(header, picture.pixels)
    if deep and header.mode is Mode.GREY and header.effort in (Effort.NORMAL, Effort.MAX):
        ways += _ways_by_blocks(header, picture.pixels)
    return ways


def _deep_ways(header: Header, picture: Picture) -> list[Way]:
    """Return the ways of a picture of mode DEEP: codes, with a map for each band; as indices, too, if few."""
    sample = sample_type(header)
    found = coded(picture.pixels, sample)
    table = pack_maps(found.maps, sample) + picture.palette
    return [Way(replace(header, index_bits=bits), found.codes, table) for bits in code_depths(found.bits)]


def code_depths(bits: int) -> tuple[int, ...]:
    """Return the depths that codes of so many bits may be coded with: those of few as indices, too."""
    return (PLANE_BITS + 1, bits) if bits <= PLANE_BITS else (bits,)


def layouts_of(plain: Way, mapped: Way | None, repeats: float) -> list[Way]:
    """Return the layouts that may code pixels in the fewest bytes.

    Parameters
    ----------
    plain : Way
        The pixels as they are.
    mapped : Way or None
        The same by a table of values.
    repeats : float
        As of :func:`repeats_of`.
    """
    ways, header = [plain], plain.header
    if mapped is not None:
        # A long table may cost more bytes than it saves.
        ways = [plain, mapped] if len(mapped.table) > SHORT_TABLE_BYTES else [mapped]
        plain = mapped
    plain_wide = [_changed(way, interleaved=True) for way in ways if way.header.low_bits]
    wide = plain_wide.copy()
    if header.mode is Mode.GREY and header.effort in (Effort.NORMAL, Effort.MAX):
        for version in (WIDER_VERSION, FITTED_VERSION) if wide else ():
            residual = [_changed(way, residual=True, version=version) for way in plain_wide]
            wide += residual + [_changed(way, graphics=True) for way in residual]
    ways += wide
    if header.mode is Mode.GREY and repeats >= LEAST_REPEATS and fitted(plain.header) != plain.header:
        ways.append(_changed(plain, version=WIDER_VERSION))
    has_alpha = header.mode.has_alpha
    if repeats >= LEAST_REPEATS and (header.effort is not Effort.FAST or has_alpha):
        ways.append(_changed(plain, graphics=True))
        if has_alpha:
            ways.append(_changed(plain, graphics=True, alpha_first=True))
    return ways


def _ways_by_blocks(header: Header, pixels: Pixels) -> list[Way]:
    """Return the ways by blocks of an H-transform, or nothing if there was none."""
    # Layers of half the sides, in tiles of twice the sides.
    width = min(2 * header.tile_width, header.width + header.width % 2)
    height = min(2 * header.tile_height, header.height + header.height % 2)
    corners = 4 if width >= header.width and height >= header.height else 1
    found = next(filter(None, (transformed(pixels, corner) for corner in range(corners))), None)
    if found is None:
        return []
    flags = {"interleaved": True, "residual": True, "version": FITTED_VERSION, "index_bits": found.bits}
    flags["corner"] = found.corner
    way = Way(replace(header, tile_width=width, tile_height=height), found.pixels, found.table)
    return [_changed(way, graphics=relative, **flags) for relative in (False, True)]


def research_way(header: Header, picture: Picture) -> Way:
    """Return the one way of effort research: the picture as it is.

    Raises
    ------
    UnsupportedImageError
        If it is no RGB image of 8 bits.
    """
    if header.mode is not Mode.RGB or header.bit_depth != PLANE_BITS:
        raise UnsupportedImageError(
            f"image is {header.mode.name}, {header.bit_depth} bits; effort research codes RGB images of "
            f"{PLANE_BITS} bits alone: choose another effort, or convert it"
        )
    return Way(header, picture.pixels, b"")


def choose_way(ways: list[Way], size_bytes: Callable[[Way], int]) -> Way:
    """Return the way that codes a part of the picture in the fewest bytes; arguments as of best_ways."""
    return best_ways(ways, size_bytes, most=1)[0]


def best_ways(ways: list[Way], size_bytes: Callable[[Way], int], most: int = MAX_FINALISTS) -> list[Way]:
    """Return the ways of which one codes the picture in the fewest bytes, as a part of it shows.

    Parameters
    ----------
    ways : list of Way
    size_bytes : callable
        Codes a way and returns the size of the result.
    most : int, optional
        How many are returned at most. Only of grey values of more than 8 bits with effort max it is more
        than one: their ways are often close, and cost little beside what effort max takes for others.
    """
    if len(ways) == 1:
        return ways
    header, corners = ways[0].header, _busy_parts(ways[0].pixels)
    subpixel_count = ways[0].pixels.size

    def size_of_parts(way: Way) -> int:
        if corners is None:
            return size_bytes(way)
        pixels = np.concatenate([way.pixels[y : y + SAMPLE, x : x + SAMPLE] for y, x in corners])
        height, width = pixels.shape[:2]
        sides = {"width": width, "height": height, "tile_width": width, "tile_height": height}
        header = replace(way.header, **sides, corner=0)
        part = way._replace(header=header, pixels=np.ascontiguousarray(pixels))
        # The table serves the whole picture: only a share of it counts.
        table_size = len(way.table)
        return size_bytes(part) - max(0, table_size - table_size * MAX_TRIED_PIXELS // subpixel_count)

    sizes: list[float] = []
    for way in ways:
        sizes.append(size_of_parts(way) if _is_worth_a_trial(way, ways, sizes) else math.inf)
    by_size = sorted(zip(sizes, range(len(ways)), strict=True))
    deep_grey = header.mode is Mode.GREY and header.bit_depth > PLANE_BITS
    if header.effort is not Effort.MAX or not deep_grey or corners is None:
        most = 1
    least = by_size[0][0]
    return [ways[number] for size, number in by_size[:most] if size <= max(least, _CLOSE * least)]


def _is_worth_a_trial(way: Way, ways: list[Way], sizes: list[float]) -> bool:
    """Return whether a way may be the best one, by the sizes of those before it.

    Only the best residuals are tried as steady ones.
    """
    if not way.header.residual or way.header.version != FITTED_VERSION or way.header.h_transform:
        return True
    residual = [(size, other) for size, other in zip(sizes, ways, strict=False) if other.header.residual]
    best = min(residual, key=lambda pair: pair[0])[1]
    return replace(best.header, version=FITTED_VERSION) == way.header


def _changed(way: Way, **changes: int) -> Way:
    return way._replace(header=replace(way.header, **changes))  # type: ignore[arg-type]  # flags, version


def way_by_values(header: Header, pixels: Pixels, values: Pixels) -> Way | None:
    """Return the way by a table of values (n,), or None if an index has as many bits as a value."""
    bits = _index_bits(len(values))
    if bits >= header.bit_depth:
        return None
    indices = np.searchsorted(values, pixels)
    coded: Pixels = indices.astype(np.uint16) if bits > 8 else indices.astype(np.uint8)
    return Way(replace(header, index_bits=bits, mapped=True), coded, colours.pack_values(values))


def ways_by_colours(header: Header, pixels: Pixels) -> list[Way]:
    """Return the way by a table of colours, or nothing if there are too many of them."""
    table = colours.table_of(pixels)
    if table is None:
        return []
    bits = _index_bits(len(table.colours))
    return [Way(replace(header, index_bits=bits), table.indices, colours.pack_colours(table.colours))]


def _index_bits(count: int) -> int:
    """Return the bits of an index into a table of so many entries, at least 1."""
    return max(1, (count - 1).bit_length())


def _changes(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Return where a pixel differs from its left neighbour, shape (H, W - 1)."""
    return colours.changes(pixels[:, 1:], pixels[:, :-1])


def repeats_of(pixels: Pixels) -> float:
    """Return the share of pixels that equal their left neighbour; 0 if the image is one pixel wide."""
    return float(1 - _changes(pixels).mean()) if pixels.shape[1] > 1 else 0.0


def busy_sample(pixels: Pixels, side: int) -> Pixels | None:
    """Return SAMPLES square parts of a picture one above the other, or None if it is too small.

    They are of the busier half of :data:`_LOOKED_AT` squared parts that are spread over the picture.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < side or height * width < 2 * SAMPLES * side * side:
        return None
    rows, columns = (np.linspace(0, length - side, _LOOKED_AT).astype(int) for length in (height, width))
    parts = [pixels[y : y + side, x : x + side] for y in rows for x in columns]
    busiest_first = sorted(parts, key=lambda part: -int(_changes(part).sum()))
    return np.concatenate([busiest_first[k * len(parts) // (2 * SAMPLES)] for k in range(SAMPLES)])


def _busy_parts(pixels: Pixels) -> list[tuple[int, int]] | None:
    """Return the top left corners (y, x) of SAMPLES parts of a picture; None if it is small.

    They are parts with many changes: of all parts in the order of their changes, the upper half is sampled.
    """
    height, width = pixels.shape[:2]
    if height * width <= MAX_TRIED_PIXELS or min(height, width) < SAMPLE:
        return None
    changes = _changes(pixels)
    busiest_first = sorted(
        (
            (int(changes[y : y + SAMPLE, x : x + SAMPLE].sum()), y, x)
            for y in range(0, height - SAMPLE + 1, SAMPLE)
            for x in range(0, width - SAMPLE + 1, SAMPLE)
        ),
        reverse=True,
    )
    return [busiest_first[k * len(busiest_first) // (2 * SAMPLES)][1:] for k in range(SAMPLES)]


def coded_size_bytes(way: Way, tiles: Sequence[Tile]) -> int:
    """Return about how many bytes a file has, but for what all ways of a picture share."""
    chunks = (chunk for chunk in (way.table, way.coefficients) if chunk)
    return sum(CHUNK_OVERHEAD_BYTES + len(chunk) for chunk in chunks) + size_bytes(tiles)


def size_bytes(tiles: Sequence[Tile]) -> int:
    """Return about how many bytes the chunks of tiles take."""
    return sum(len(tile.bitstream) + CHUNK_OVERHEAD_BYTES + 2 for tile in tiles)


def one_raw_tile(way: Way) -> tuple[Way, tuple[Tile, ...]]:
    """Return an image that cannot be compressed as few chunks: one tile, if it is not too large for that."""
    header = way.header
    way = way._replace(
        header=replace(header, model_id=b"", tile_width=header.width, tile_height=header.height)
    )
    layers = layers_of(way.header)
    raw = (to_raw(plane_of(way.pixels, layer), layer.bits) for layer in layers)
    return way, tuple(Tile(TileKind.RAW, 0, data) for data in raw)
