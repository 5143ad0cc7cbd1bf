"""A packed layer <-> its bitstream (FORMAT.md, "Packed layers").

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import unknown
from pixcodec.errors import CorruptFileError
from pixcodec.images.packed.compression import (
    MAX_DEFLATE_BYTES,
    OTHERS,
    PLAIN,
    USUAL,
    Compressed,
    Method,
    compressed,
    decompressed,
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
_TRIED = 4  # forms that are compressed, of those that are estimated


class Candidate(NamedTuple):
    """A form, what its bytes take compressed by an estimate, and the filters of its rows if it has such."""

    estimate: int
    form: Form
    rows: Bytes | None


def pack_layer(values: Values, bits: int, candidates: Iterable[Candidate], *, thorough: bool) -> bytes:
    """Return the smallest bitstream of values (H, W, C) in one of these forms.

    ``thorough``: whether to try all that may help a little, as with small images.
    """
    found: list[tuple[Form, bytes, Compressed]] = []
    for candidate in candidates:
        form = candidate.form
        colours = less_green(values) if form.less_green else values
        data = to_bytes(colours, bits, form, candidate.rows)
        found.append((form, data, compressed(data, USUAL if thorough else (PLAIN,))))
    form, data, best = min(found, key=lambda each: len(each[2].stream))
    best = min(best, compressed(data, OTHERS if thorough else USUAL), key=lambda one: len(one.stream))
    flags = _PLANAR * form.planar | _LESS_GREEN * form.less_green | _DIGITS * form.digits
    return bytes([best.method | flags | form.filter << _FILTER_SHIFT]) + best.stream


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


def candidates_of(values: Values, bits: int) -> list[Candidate]:
    """Return the forms in which values (H, W, C) may take the fewest bytes, by an estimate, best first."""
    found: list[Candidate] = []
    for colours in (False, True):
        if not Form(0, less_green=colours).suits(values.shape[2], bits):
            continue
        changed = less_green(values) if colours else values
        differences = [filtered(changed, which) for which in Filter]
        for planar in (False, True) if values[0, 0].size > 1 or bits > 8 else (False,):
            for digits in (False, True) if Form(0, digits=True).suits(1, bits) else (False,):
                form = Form(0, planar, colours, digits)
                for which in Filter:
                    data = laid_out(differences[which], bits, form)
                    found.append(Candidate(estimate(data), form._replace(filter=which), None))
            form = Form(BY_ROW, planar, colours, form.digits)
            for rows in _filters_of_rows(differences, bits, planar=planar):
                data = to_bytes(changed, bits, form, rows)
                found.append(Candidate(estimate(data), form, rows))
    return sorted(found, key=lambda candidate: candidate.estimate)[:_TRIED]


def _filters_of_rows(differences: list[Values], bits: int, *, planar: bool) -> list[Bytes]:
    """Return filters of the rows, (H,) or (H, C) if planar, by two measures; none if all rows have the same."""
    axes = 1 if planar else (1, 2)
    sums, entropies = [], []
    for which in ROW_FILTERS:
        each = differences[which] & ((1 << bits) - 1)
        sums.append(np.minimum(each, (1 << bits) - each.astype(np.int64)).sum(axis=axes))
        entropies.append(_entropies(each, bits, planar=planar))
    chosen = [np.argmin(sums, axis=0), np.argmin(entropies, axis=0)]
    return [each.astype(np.uint8) for each in chosen if (each != each.flat[0]).any()]


def _entropies(values: Values, bits: int, *, planar: bool) -> npt.NDArray[np.float64]:
    """Return the entropy of each row of values (H, W, C), in bits: (H,), or (H, C) if planar."""
    height, width, channels = values.shape
    lines = values.transpose(0, 2, 1).reshape(-1, width) if planar else values.reshape(height, -1)
    ordered = np.sort(lines, axis=1)
    ends = np.ones(ordered.shape, bool)  # of each run of equal values
    ends[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    row, at = np.nonzero(ends)
    before = np.where(np.diff(row, prepend=-1) > 0, -1, np.concatenate([[-1], at[:-1]]))
    counts = at - before
    bits_each = counts * np.log2(lines.shape[1] / counts)
    result = np.bincount(row, bits_each, len(lines))
    return result.reshape(height, channels) if planar else result
