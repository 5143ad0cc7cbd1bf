"""A packed layer <-> its bitstream (FORMAT.md, "Packed layers").

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import PLANE_BITS, unknown
from pixcodec.errors import CorruptFileError
from pixcodec.images.packed.compression import (
    OTHERS,
    USUAL,
    Method,
    compressed,
    decompressed,
    deflated_size,
    estimate,
)
from pixcodec.images.packed.filters import ROW_FILTERS, Filter, Values, filtered
from pixcodec.images.packed.rows import (
    BY_ROW,
    Bytes,
    Form,
    from_bytes,
    laid_out,
    less_green,
    size_bytes,
    to_bytes,
)

_PLANAR, _LESS_GREEN, _DIGITS = 1 << 2, 1 << 3, 1 << 4  # of the first byte, whose lowest bits are the method
_METHOD_BITS, _FILTER_SHIFT = 0b11, 5

Measure = Callable[[Values, int, bool], npt.NDArray[Any]]  # differences, bits, planar -> cost of each row


class Candidate(NamedTuple):
    """A form, about what a layer takes in it, and how the filters of rows are chosen if each has its own."""

    estimate: int
    form: Form
    measure: Measure | None = None


def pack_layer(values: Values, bits: int, candidate: Candidate, *, thorough: bool) -> bytes:
    """Return the bitstream of values (H, W, C) in a form.

    ``thorough``: whether to try all that may help a little, as with small images.
    """
    form = candidate.form
    best = compressed(bytes_in(values, bits, candidate), USUAL + OTHERS * thorough)
    flags = _PLANAR * form.planar | _LESS_GREEN * form.less_green | _DIGITS * form.digits
    return bytes([best.method | flags | form.filter << _FILTER_SHIFT]) + best.stream


def bytes_in(values: Values, bits: int, candidate: Candidate) -> bytes:
    """Return the bytes of values (H, W, C) in a form, before they are compressed."""
    _, form, measure = candidate
    colours = less_green(values) if form.less_green else values
    rows = None
    if measure is not None:
        differences = [filtered(colours, which) for which in ROW_FILTERS]
        rows = _filters_of_rows(differences, bits, form, measure)
    return to_bytes(colours, bits, form, rows)


def unpack_layer(bitstream: bytes, shape: tuple[int, int, int], bits: int) -> Values:
    """Return the values (H, W, C) of ``bits`` bits of a bitstream.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    if not bitstream:
        raise CorruptFileError("packed layer: its form is missing")
    first = bitstream[0]
    method, number = first & _METHOD_BITS, first >> _FILTER_SHIFT
    form = Form(number, bool(first & _PLANAR), bool(first & _LESS_GREEN), bool(first & _DIGITS))
    if method > max(Method) or number > BY_ROW:
        raise unknown("packed layer", "form", first, f"methods 0..{max(Method)}, filters 0..{BY_ROW}")
    if not form.suits(shape[2], bits):
        raise CorruptFileError(f"packed layer: form {first} with {shape[2]} channels of {bits} bits")
    data = decompressed(Method(method), bitstream[1:], size_bytes(shape, bits, form))
    return from_bytes(data, shape, bits, form)


def quick_estimate(values: Values, bits: int) -> int:
    """Return about what values (H, W, C) take, in the forms that PNG has and little time."""
    forms = [laid_out(filtered(values, which), bits, Form(Filter.NONE)) for which in ROW_FILTERS]
    sizes = list(map(deflated_size, forms))
    return min(estimate(forms[which], sizes[which]) for which in {0, sizes.index(min(sizes))})


def candidates_of(values: Values, bits: int) -> Iterator[Candidate]:
    """Return the forms that values (H, W, C) may have."""
    for form in _forms(values.shape[2], bits):
        colours = less_green(values) if form.less_green else values
        differences = [filtered(colours, which) for which in Filter]
        for which in Filter:
            size = estimate(laid_out(differences[which], bits, form))
            yield Candidate(size, form._replace(filter=which))
        for measure in (_sums, _entropies):
            rows = _filters_of_rows(differences, bits, form, measure)
            if (rows != rows.flat[0]).any():
                by_row = form._replace(filter=BY_ROW)
                yield Candidate(estimate(to_bytes(colours, bits, by_row, rows)), by_row, measure)


def _forms(channels: int, bits: int) -> Iterator[Form]:
    """Return all forms of pixels of so many channels and bits, without their filters."""
    for less, planar, digits in itertools.product((False, True), repeat=3):
        form = Form(Filter.NONE, planar, less, digits)
        if form.suits(channels, bits) and (channels > 1 or bits > PLANE_BITS or not planar):
            yield form


def _filters_of_rows(differences: list[Values], bits: int, form: Form, measure: Measure) -> Bytes:
    """Return the filter of each row that costs least by a measure: (H,), or (H, C) if planar."""
    costs = [measure(differences[which], bits, form.planar) for which in ROW_FILTERS]
    cheapest: Bytes = np.argmin(costs, axis=0).astype(np.uint8)
    return cheapest


def _sums(differences: Values, bits: int, planar: bool) -> npt.NDArray[Any]:
    """Return the sum of the absolute differences (H, W, C) of each row: (H,), or (H, C) if planar."""
    each = (differences & ((1 << bits) - 1)).astype(np.int64)
    sums: npt.NDArray[Any] = np.minimum(each, (1 << bits) - each).sum(axis=1 if planar else (1, 2))
    return sums


def _entropies(differences: Values, bits: int, planar: bool) -> npt.NDArray[Any]:
    """Return the entropy of each row of differences (H, W, C), in bits: (H,), or (H, C) if planar."""
    height, width, channels = differences.shape
    values = differences & ((1 << bits) - 1)
    lines = values.transpose(0, 2, 1).reshape(-1, width) if planar else values.reshape(height, -1)
    ordered = np.sort(lines, axis=1)
    ends = np.ones(ordered.shape, bool)  # of each run of equal values
    ends[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    row, _ = np.nonzero(ends)
    counts = np.diff(np.flatnonzero(ends), prepend=-1)
    result = np.bincount(row, counts * np.log2(lines.shape[1] / counts), len(lines))
    return result.reshape(height, channels) if planar else result
