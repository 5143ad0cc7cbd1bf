"""The maps of the bands of a deep image, chosen so that its codes are small and smooth.

Many rasters hold fewer values than their type could: whole or tenth metres as floats, integers in part of
their range, and a value that marks missing data far from all others. A map makes small numbers of these.

Shapes: H height, W width, C bands, n samples that occur in a band.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.deep import MOST_CODED_DEPTH, SampleKind
from pixcodec.images.planes import Pixels, pixel_type
from pixcodec.images.sample_maps import (
    MAX_LISTED,
    MAX_RATIO,
    AnyMap,
    Bits,
    Int64,
    ListMap,
    SampleMap,
    SampleType,
    float_values,
    to_ordered,
)

_MOST_EXCEPTIONS = 16  # of samples that do not fit a map
_MOST_OUTLIERS = 6  # at either end of the numbers
_OUTLIER_BITS = 0.25  # by which a code has to become shorter for each
_DENOMINATORS = (1, 10, 100, 1000, 10_000, 100_000, 255, 1023, 4095, 65_535)
_MOST_TWOS = 20  # of a denominator that is a power of two
_TRIED_PIXELS = 1 << 18  # of a band whose maps are compared
_LIST_SHARE = 1 / 8  # of a band's pixels: a list of more samples is not worth a trial


class Coded(NamedTuple):
    """A deep image as codes (H, W, C) of so many bits, with the map of each band."""

    codes: Pixels
    bits: int
    maps: list[AnyMap]


class _Candidate(NamedTuple):
    """A map of a band, and the codes (n,) of the samples that occur."""

    map: AnyMap
    codes: Int64


def coded(samples: Pixels, sample: SampleType) -> Coded:
    """Return the codes of samples (H, W, C), given by their bits."""
    bands = [_band(samples[:, :, band], sample) for band in range(samples.shape[2])]
    most = max(int(codes.max()) for _, codes in bands)
    bits = max(1, most.bit_length())
    codes = np.empty(samples.shape, pixel_type(bits))
    for band, (_, own) in enumerate(bands):
        codes[:, :, band] = own
    return Coded(codes, bits, [each for each, _ in bands])


def _band(samples: Bits, sample: SampleType) -> tuple[AnyMap, Int64]:
    """Return the best map of a band (H, W), and its codes."""
    found, places = np.unique(samples, return_inverse=True)
    places = places.reshape(samples.shape)
    part = places[: max(2, _TRIED_PIXELS // samples.shape[1])]

    def cost(candidate: _Candidate) -> float:
        return 8 * len(candidate.map.pack(sample)) + _bits_of(candidate.codes[part]) * places.size / part.size

    best = min(_candidates(found, sample, samples.size), key=cost)
    return best.map, best.codes[places]


def _bits_of(codes: Int64) -> float:
    """Return about how many bits codes (H, W) take: those of the errors of a simple prediction."""
    error = codes[1:, 1:] - codes[1:, :-1]
    if not error.size:
        return float(np.log2(1 + np.abs(np.diff(codes.reshape(-1)))).sum())
    west, north, corner = codes[1:, :-1], codes[:-1, 1:], codes[:-1, :-1]
    smaller, larger = np.minimum(west, north), np.maximum(west, north)
    predicted = np.clip(west + north - corner, smaller, larger)
    return float(np.log2(1 + 2 * np.abs(codes[1:, 1:] - predicted)).sum())


def _candidates(found: Bits, sample: SampleType, pixel_count: int) -> Iterator[_Candidate]:
    """Return maps of the samples (n,) that occur."""
    ordered = to_ordered(found, sample, 0)
    if sample.kind is SampleKind.FLOAT:
        yield _by_order(found, ordered, sample)
        for denominator in (*_DENOMINATORS, *_powers_of_two(found, sample)):
            yield from _by_ratio(found, sample, denominator)
    else:
        yield _by_step(found, SampleMap(1, 1, 0).numbers(found, sample)[0])
    if len(found) <= min(MAX_LISTED, pixel_count * _LIST_SHARE):
        places = np.argsort(ordered, kind="stable")
        ranks = np.empty(len(places), np.int64)
        ranks[places] = np.arange(len(places))
        yield _Candidate(ListMap(ordered[places]), ranks)


def _by_order(found: Bits, ordered: Int64, sample: SampleType) -> _Candidate:
    """Return the map of ordered numbers, without low bits that are 0 in all but a few samples."""
    kept = _without_outliers(ordered, np.ones(len(found), bool))
    low = int(np.bitwise_or.reduce(found[kept]) & ((1 << (sample.bits - 1)) - 1))
    shift = (low & -low).bit_length() - 1 if low else sample.bits - 2
    return _candidate(found, to_ordered(found, sample, shift), kept, (shift, 0))


def _by_step(found: Bits, values: Int64) -> _Candidate:
    """Return the map of integers that are multiples of a step, all but a few."""
    kept = _without_outliers(values, np.ones(len(found), bool))
    step = int(np.gcd.reduce(values[kept]))
    step = step if 0 < step <= MAX_RATIO else 1
    return _candidate(found, values // step, kept, (step, 1))


def _by_ratio(found: Bits, sample: SampleType, denominator: int) -> Iterator[_Candidate]:
    """Return the map of floats that are integers divided by a number, if all but a few are."""
    whole, usable = SampleMap(1, denominator, 0).numbers(found, sample)
    missing = len(found) - int(usable.sum())
    if missing > min(_MOST_EXCEPTIONS, len(found) - 1):
        return
    kept = _without_outliers(whole, usable)
    step = int(np.gcd.reduce(whole[kept]))
    step = step if 0 < step <= MAX_RATIO else 1
    yield _candidate(found, whole // step, kept, (step, denominator))


def _powers_of_two(found: Bits, sample: SampleType) -> Iterator[int]:
    """Return the least power of two that makes integers of almost all floats, if it is not too large."""
    values = float_values(found, sample)
    mantissa, exponent = np.frexp(values[np.isfinite(values) & (values != 0)])
    if len(mantissa) == 0:
        return
    digits = (mantissa * 2.0**53).astype(np.int64)
    lowest = np.log2((digits & -digits).astype(np.float64)).astype(np.int64)  # exact for powers of two
    twos = np.sort(53 - exponent - lowest)
    most = int(twos[-1 - min(_MOST_EXCEPTIONS, len(twos) // 64)])
    if 0 < most <= _MOST_TWOS:
        yield 1 << most


def _without_outliers(numbers: Int64, usable: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which of the usable numbers to keep, so that the range of the others takes few bits."""
    places = np.flatnonzero(usable)
    places = places[np.argsort(numbers[places], kind="stable")]
    best, chosen = float("inf"), places
    for low in range(min(_MOST_OUTLIERS, len(places))):
        for high in range(min(_MOST_OUTLIERS, len(places) - low)):
            rest = places[low : len(places) - high]
            extent = int(numbers[rest[-1]] - numbers[rest[0]]) + len(numbers) - len(rest)
            bits = extent.bit_length() + _OUTLIER_BITS * (low + high)
            if bits < best:
                best, chosen = bits, rest
    kept = np.zeros(len(numbers), bool)
    kept[chosen] = True
    return kept


def _candidate(
    found: Bits, numbers: Int64, kept: npt.NDArray[np.bool_], ratio: tuple[int, int]
) -> _Candidate:
    """Return the map of numbers that are kept; the other samples are exceptions."""
    exceptions = tuple(found[~kept].tolist())
    base = int(numbers[kept].min())
    codes = numbers - base + len(exceptions)
    codes[~kept] = np.arange(len(exceptions))
    assert int(codes.max()).bit_length() <= MOST_CODED_DEPTH
    return _Candidate(SampleMap(*ratio, base, exceptions), codes)
