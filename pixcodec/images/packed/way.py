"""The way of coding a picture as packed layers, if that is smaller than the others.

It is meant for small and computed images, whose rows repeat or follow a simple rule. Of others, a part
shows in little time that it would be larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pixcodec.container.compact import COMPACT_SAVING_BYTES, may_be_compact
from pixcodec.container.container import Tile, TileKind
from pixcodec.container.header import PLANE_BITS, WIDER_VERSION, Header, Mode
from pixcodec.container.layers import layers_of
from pixcodec.images import colours
from pixcodec.images.packed.compression import MAX_ESTIMATED_BYTES, plain_lzma_size, quick_lzma_size
from pixcodec.images.packed.filters import Values
from pixcodec.images.packed.layer import Candidate, bytes_in, candidates_of, pack_layer, quick_estimate
from pixcodec.images.picture import Picture
from pixcodec.images.planes import Pixels
from pixcodec.images.ways import Way, coded_size_bytes, way_by_values, ways_by_colours

TILE_VALUES = 2**24  # at most in a tile, unless a row has more
THOROUGH_VALUES = 2**16  # pictures of so many are tried in many forms
SAMPLE_VALUES = 2**17  # of larger ones so many are tried at first
_BAND_ROWS = 16
_MEASURED = 10  # forms that are tried on the whole picture, as long as
_FIRST_MEASURED = 2  # these are
_LEAST_GAIN = 0.5  # times their size smaller than the other way
_PACKED = {True: 4, False: 2}  # forms that are compressed as well as can be, if thorough or not

Gains = tuple[tuple[float, float], ...]

# By the share of bytes that quick compression leaves: what the best compression may leave of these.
_GAINS = ((0.05, 0.0), (0.25, 0.1), (0.35, 0.3), (1.0, 0.8))
# The same after forms were compressed by quick LZMA. Of 142 pictures that were best packed, those of 8 bits
# had 1.28 times the size to beat at most then, but one that was compressed to 0.017 of its size: 2.11. Two of
# 16 bits, which other properties of LZMA suit, had 1.34 and 1.35.
_MEASURED_GAINS, _MEASURED_GAINS_OF_DEEP = ((0.03, 0.45), (1.0, 0.77)), ((0.03, 0.45), (1.0, 0.7))
# The same of small pictures, whose estimates know of LZMA: of a quick estimate, and of one in all forms. Of
# 231 pictures that were best packed, none had more than 1.2 and 1.06 times the size to beat; photographs
# have 1.35 times and more.
_SMALL_GAINS, _SMALL_GAINS_OF_ALL = ((0.05, 0.0), (1.0, 0.78)), ((0.05, 0.0), (1.0, 0.9))
# Of larger pictures after one good stream: of ten drawings that were best packed none had more than 1.003
# times the size to beat then; the best of all streams was down to 0.955 of a first one about as large.
_FIRST_STREAM_GAIN = 0.95
_CLOSE = 1.02  # forms whose first streams are so many times larger than the best are left out


class _Tried(NamedTuple):
    """A form of the values of a way, and about how many bytes the whole picture takes."""

    size: int
    way: Way
    candidate: Candidate


def packed_way(header: Header, picture: Picture, size_to_beat: int) -> tuple[Way, tuple[Tile, ...]] | None:
    """Return the way by packed layers that takes fewest bytes, and its tiles; None unless it is the smallest.

    Parameters
    ----------
    header : Header
        Of the picture as it is.
    picture : Picture
    size_to_beat : int
        Of the best other way, in bytes.
    """
    size_to_beat += COMPACT_SAVING_BYTES
    plain = Way(_packed(header, picture.pixels), picture.pixels, picture.palette)
    sample, share = _sample(picture.pixels)
    quick = quick_estimate(sample.astype(np.uint16), _bits(plain)) / share
    is_small, whole = picture.pixels.nbytes <= MAX_ESTIMATED_BYTES, _whole_bytes(picture.pixels, _bits(plain))
    if not _may_beat(round(quick), whole, size_to_beat, _SMALL_GAINS if is_small else _GAINS):
        return None
    gains = _SMALL_GAINS_OF_ALL if is_small else _GAINS
    tried = _by_size(each for way in _ways(plain) for each in _tried(way))
    if not _may_beat(tried[0].size, whole, size_to_beat, gains):
        return None
    first, others = tried[:_FIRST_MEASURED], tried[_FIRST_MEASURED:_MEASURED]
    measured = _by_size(map(_measured, first))
    if measured[0].size * _LEAST_GAIN < size_to_beat:
        measured = _by_size([*measured, *map(_measured, others)])
    if not is_small:
        gains = _MEASURED_GAINS_OF_DEEP if _bits(plain) > PLANE_BITS else _MEASURED_GAINS
    if not _may_beat(measured[0].size, whole, size_to_beat, gains):
        return None
    thorough = picture.pixels.size <= THOROUGH_VALUES
    best_first = measured[: _PACKED[thorough]]
    if not thorough:
        best_first = _by_size(_measured(each, plain_lzma_size) for each in best_first)
        if best_first[0].size * _FIRST_STREAM_GAIN >= size_to_beat:
            return None
        best_first = [each for each in best_first if each.size <= _CLOSE * best_first[0].size]
    done = [_coded(each, thorough=thorough) for each in best_first]
    best = min(done, key=lambda pair: coded_size_bytes(*pair))
    if not may_be_compact(best[0].header):
        size_to_beat -= COMPACT_SAVING_BYTES
    return best if coded_size_bytes(*best) < size_to_beat else None


def packed_stream(values: Values, bits: int, size_to_beat: int) -> bytes | None:
    """Return the bitstream of a packed layer of values (H, W, C); None unless it is smaller than another."""
    part = _sample(values)[0].astype(np.uint16)
    tried = sorted(candidates_of(part, bits), key=lambda each: each.estimate)[:_MEASURED]
    sizes = [quick_lzma_size(bytes_in(values, bits, each)) for each in tried]
    if not _may_beat(min(sizes), _whole_bytes(values, bits), size_to_beat, _MEASURED_GAINS_OF_DEEP):
        return None
    best = tried[sizes.index(min(sizes))]
    stream = pack_layer(values, bits, best, thorough=False)
    return stream if len(stream) < size_to_beat else None


def _packed(header: Header, pixels: Pixels) -> Header:
    """Return the header of a picture that is packed: tiles of whole rows, few of them."""
    height, width, channels = pixels.shape
    rows = min(height, max(1, TILE_VALUES // (width * channels)))
    return replace(header, packed=True, version=WIDER_VERSION, tile_width=width, tile_height=rows)


def _ways(plain: Way) -> Iterator[Way]:
    """Return a picture as it is, by a table of its colours and by a table of its values."""
    yield plain
    if plain.header.mode in (Mode.PALETTE, Mode.BILEVEL):
        return
    if plain.header.mode.channels > 1:  # else each colour is a value
        yield from ways_by_colours(plain.header, plain.pixels)
    by_values = way_by_values(plain.header, plain.pixels, colours.values_of(plain.pixels))
    if by_values is not None:
        yield by_values


def _sample(pixels: Pixels) -> tuple[Pixels, float]:
    """Return a part of the pixels (H, W, C) that is like all of them, and its share of them."""
    if pixels.size <= SAMPLE_VALUES:
        return pixels, 1.0
    height, width, channels = pixels.shape
    columns = min(width, SAMPLE_VALUES // (_BAND_ROWS * channels))
    bands = max(1, SAMPLE_VALUES // (_BAND_ROWS * columns * channels))
    if bands * _BAND_ROWS >= height:
        part = pixels[:, :columns]
    else:
        tops = np.linspace(0, height - _BAND_ROWS, bands).astype(int)
        part = np.concatenate([pixels[top : top + _BAND_ROWS, :columns] for top in tops])
    return part, part.size / pixels.size


def _may_beat(size: int, whole: float, size_to_beat: int, gains: Gains) -> bool:
    """Return whether ``whole`` bytes, so many after quick compression, may take fewer than another way."""
    gain = next(gain for share, gain in gains if size <= share * whole or share == 1)
    return size * gain < size_to_beat


def _whole_bytes(pixels: Pixels, bits: int) -> float:
    """Return how many bytes pixels take uncompressed: of more than 8 bits without those that are all 0."""
    return pixels.size * bits / PLANE_BITS if bits > PLANE_BITS else pixels.nbytes


def _tried(way: Way) -> Iterator[_Tried]:
    """Return a way in all forms, with sizes that are estimated by a part of the picture."""
    part, share = _sample(way.pixels)
    for candidate in candidates_of(part.astype(np.uint16), _bits(way)):
        yield _Tried(round(candidate.estimate / share) + len(way.table), way, candidate)


def _measured(tried: _Tried, size_bytes: Callable[[bytes], int] = quick_lzma_size) -> _Tried:
    """Return a way with another estimate of its size, by the whole of the first tile."""
    _, way, candidate = tried
    values, share = (
        _tile_values(way, 0),
        way.header.grid[0].pixel_count / (way.header.width * way.header.height),
    )
    size = size_bytes(bytes_in(values, _bits(way), candidate))
    return tried._replace(size=round(size / share) + len(way.table))


def _by_size(tried: Iterable[_Tried]) -> list[_Tried]:
    return sorted(tried, key=lambda each: each.size)


def _coded(tried: _Tried, *, thorough: bool) -> tuple[Way, tuple[Tile, ...]]:
    way = tried.way
    streams = (
        pack_layer(_tile_values(way, number), _bits(way), tried.candidate, thorough=thorough)
        for number in range(len(way.header.grid))
    )
    return way, tuple(Tile(TileKind.PACKED, 0, stream) for stream in streams)


def _tile_values(way: Way, number: int) -> Values:
    return way.pixels[way.header.grid[number].slices].astype(np.uint16)


def _bits(way: Way) -> int:
    """Return the bits of a value of the packed layer."""
    return layers_of(way.header)[0].bits
