"""The ways to code the frames of a series: alike, so that what one teaches holds for the next.

Shapes: H height, W width, C channels, n colours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pixcodec.container.header import Header, Mode
from pixcodec.images.colours import MAX_COLOURS, Table, pack_colours, table_of
from pixcodec.images.picture import Picture
from pixcodec.images.planes import Pixels
from pixcodec.images.ways import Way, ways_of

_INDEX_BITS = (1, 2, 4, 8)  # so that a few colours more do not change the bits


def index_bits(count: int) -> int:
    """Return the bits of an index into so many entries."""
    return next(bits for bits in _INDEX_BITS if count <= 1 << bits)


class SeriesWays:
    """The ways of frame after frame: the one chosen for a frame is that of the next ones of its kind.

    A kind is a mode and a bit depth: a table of colours is stored with the bit depth of its frame.
    """

    def __init__(self) -> None:
        self._chosen: dict[tuple[Mode, int], tuple[object, ...]] = {}
        self._colours: dict[tuple[Mode, int], Pixels] = {}

    def ways(self, header: Header, picture: Picture) -> list[Way]:
        """Return the ways among which one is chosen; ``header`` is that of the plain one."""
        ways = [way for way in ways_of(header, picture) if not way.header.residual]
        if picture.deep:
            return ways
        if not any(way.header.indexed for way in ways) and self._chosen.get(_kind(picture), (0,))[0]:
            ways.append(Way(replace(header, index_bits=8), picture.pixels, b""))  # to be given a table
        found = [way for way in (self._indexed(way, picture) for way in ways) if way is not None]
        alike = [way for way in found if _layout(way.header) == self._chosen.get(_kind(picture))]
        return alike or found

    def choose(self, way: Way, picture: Picture) -> None:
        """Let a way be that of the next frames."""
        self._chosen[_kind(picture)] = _layout(way.header)
        if way.header.indexed and not picture.deep:
            self._colours[_kind(picture)] = self._merged(picture)[0]

    def _indexed(self, way: Way, picture: Picture) -> Way | None:
        """Return a way with the table of the frames so far and the new colours; None if there is none."""
        if not way.header.indexed:
            return way
        try:
            colours, indices = self._merged(picture)
        except ValueError:
            return None
        header = replace(way.header, index_bits=index_bits(len(colours)))
        return way._replace(header=header, pixels=indices, table=pack_colours(colours))

    def _merged(self, picture: Picture) -> Table:
        """Return the table of the frames so far with the colours of a picture, or these alone if need be.

        Raises
        ------
        ValueError
            If the picture has too many colours.
        """
        own = table_of(picture.pixels)
        if own is None:
            raise ValueError("picture has too many colours")
        known = self._colours.get(_kind(picture))
        if known is None:
            return own
        names = {colour.tobytes(): number for number, colour in enumerate(known)}
        new = [colour for colour in own.colours if colour.tobytes() not in names]
        if len(known) + len(new) > MAX_COLOURS:
            return own
        names.update((colour.tobytes(), len(known) + number) for number, colour in enumerate(new))
        numbers = np.array([names[colour.tobytes()] for colour in own.colours], np.uint8)
        colours = np.concatenate([known, np.array(new, known.dtype).reshape(-1, known.shape[1])])
        return Table(colours, numbers[own.indices])


def _kind(picture: Picture) -> tuple[Mode, int]:
    return picture.mode, picture.bit_depth


def _layout(header: Header) -> tuple[object, ...]:
    return header.indexed, header.graphics, header.alpha_first, header.interleaved, header.mapped
