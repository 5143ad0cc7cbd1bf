"""The maps of the bands of a deep image that is read in parts: what a part suggests, checked on all of it.

The map of a part need not hold for the rest: other samples may be no multiple of its step, or not in its
list. A survey sees all samples, a part at a time, and ends with a map that each of them has a code in.

Shapes: n samples of a band.
"""

from __future__ import annotations

import numpy as np

from pixcodec.container.deep import MOST_CODED_DEPTH, SampleKind
from pixcodec.images.deep import coded
from pixcodec.images.planes import Pixels, pixel_type
from pixcodec.images.sample_maps import (
    MAX_EXCEPTIONS,
    MAX_LISTED,
    AnyMap,
    Bits,
    Int64,
    ListMap,
    SampleMap,
    SampleType,
    to_ordered,
)


class Surveys:
    """Surveys of all bands of an image.

    Parameters
    ----------
    part : ndarray of uint8, uint16 or uint32, shape (h, w, C)
        The bits of some samples, whose best maps are tried.
    sample : SampleType
    """

    def __init__(self, part: Pixels, sample: SampleType) -> None:
        self._bands = [_Survey(each, sample) for each in coded(part, sample).maps]

    def see(self, samples: Pixels) -> None:
        """See the bits of further samples (h, w, C); all of the image are to be seen, in any order."""
        for band, survey in enumerate(self._bands):
            survey.see(samples[:, :, band].reshape(-1))

    def result(self) -> tuple[list[AnyMap], int]:
        """Return the map of each band, and how many bits their codes have."""
        found = [survey.result() for survey in self._bands]
        return [each for each, _ in found], max(1, max(largest for _, largest in found).bit_length())


class _Survey:
    """What the samples of a band need of its map."""

    def __init__(self, tried: AnyMap, sample: SampleType) -> None:
        self._sample, self._tried = sample, tried
        self._listed = tried.ordered if isinstance(tried, ListMap) else None
        self._exceptions: set[int] = set() if isinstance(tried, ListMap) else set(tried.exceptions)
        self._outliers = np.array(sorted(self._exceptions), pixel_type(sample.bits))
        self._numbers: list[int] = []  # smallest and largest by the map that is tried
        self._ordered: list[int] = []  # the same of ordered numbers but of outliers
        self._all_ordered: list[int] = []
        self._bits = 0
        self._fits = isinstance(tried, SampleMap) and tried.denominator > 0

    def see(self, samples: Bits) -> None:
        """See the bits (n,) of further samples."""
        ordered = to_ordered(samples, self._sample, 0)
        _widen(self._all_ordered, ordered)
        if self._listed is not None:
            listed = np.union1d(self._listed, ordered)
            self._listed = listed if len(listed) <= MAX_LISTED else None
        usual = ~np.isin(samples, self._outliers)
        samples, ordered = samples[usual], ordered[usual]
        if not len(samples):
            return
        _widen(self._ordered, ordered)
        self._bits |= int(np.bitwise_or.reduce(samples))
        if self._fits:
            self._try(samples)

    def _try(self, samples: Bits) -> None:
        assert isinstance(self._tried, SampleMap)
        numbers, usable = self._tried.numbers(samples, self._sample)
        self._exceptions |= set(np.unique(samples[~usable]).tolist())
        self._fits = len(self._exceptions) <= MAX_EXCEPTIONS
        if usable.any():
            _widen(self._numbers, numbers[usable])

    def result(self) -> tuple[AnyMap, int]:
        """Return a map of all samples seen, and the largest code."""
        if self._listed is not None:
            return ListMap(self._listed), len(self._listed) - 1
        tried, exceptions = self._tried, tuple(sorted(self._exceptions))
        if isinstance(tried, SampleMap) and self._fits and _has_codes(self._numbers, len(exceptions)):
            least, most = self._numbers
            found = SampleMap(tried.numerator, tried.denominator, least, exceptions)
            return found, most - least + len(exceptions)
        outliers = tuple(self._outliers.tolist())
        if not _has_codes(self._ordered, len(outliers)):
            least, most = self._all_ordered
            return SampleMap(0, 0, least), most - least
        # The lowest bits that are 0 in all samples; the sign is no part of them.
        low = self._bits & ((1 << (self._sample.bits - 1)) - 1)
        shift = (low & -low).bit_length() - 1 if low and self._sample.kind is SampleKind.FLOAT else 0
        least, most = (number >> shift for number in self._ordered)
        return SampleMap(shift, 0, least, outliers), most - least + len(outliers)


def _widen(extent: list[int], numbers: Int64) -> None:
    """Let an extent, empty or the smallest and the largest, hold further numbers (n,)."""
    extent[:] = [min([*extent, int(numbers.min())]), max([*extent, int(numbers.max())])]


def _has_codes(extent: list[int], exceptions: int) -> bool:
    return bool(extent) and (extent[1] - extent[0] + exceptions).bit_length() <= MOST_CODED_DEPTH


def codes_of(samples: Pixels, maps: list[AnyMap], sample: SampleType, bits: int) -> Pixels:
    """Return the codes (h, w, C) of samples, of so many bits, by the maps of the bands."""
    codes = np.empty(samples.shape, pixel_type(bits))
    for band, each in enumerate(maps):
        own = samples[:, :, band].reshape(-1)
        if isinstance(each, ListMap):
            found = np.searchsorted(each.ordered, to_ordered(own, sample, 0))
        else:
            found = each.numbers(own, sample)[0] - each.base + len(each.exceptions)
            for code, exception in enumerate(each.exceptions):
                found[own == exception] = code
        codes[:, :, band] = found.reshape(samples.shape[:2])
    return codes
