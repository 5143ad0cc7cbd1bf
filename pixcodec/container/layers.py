"""The layers of a tile: groups of planes that are coded one after another (FORMAT.md, "Layers").

A plane has one value of 1 to 8 bits for every pixel of the tile, or for one in every block of 2x2 pixels.
Standard library only.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pixcodec.container.header import PLANE_BITS, Header, Mode
from pixcodec.container.tiles import TileBox

_BANDS = 3  # of a group of mode DEEP
_BANDS_AFTER_A_KNOWN_ONE = 2  # of further groups, which begin with the last band of the one before


class LayerKind(Enum):
    """What a layer holds, and so how it is predicted."""

    NETWORK = 0
    ALPHA = 1
    LOW = 2
    INDEX = 3
    BILEVEL = 4
    WIDE = 5
    PACKED = 6
    RESIDUAL = 7


class Layer(NamedTuple):
    """One layer.

    Parameters
    ----------
    kind : LayerKind
    first, channels : int
        The layer holds this many channels of the image, from channel ``first`` on.
    bits : int
        Bits of a value, 1..8; 1..16 of a layer PACKED.
    shift : int
        Position of the lowest of these bits in the subpixel. A layer WIDE also holds, as a plane after each
        of these, the ``shift`` bits below.
    low_bits : int
        Number of low bits of a subpixel that this layer holds.
    sees : tuple of int
        Numbers of the earlier layers whose values are used as contexts. Of a layer WIDE, the layer before,
        whose last channel begins what it is predicted from.
    below : int
        Number of bits of a subpixel below those of the layer.
    high_bits : int
        Of LOW: how many bits above its own are known to it, 8, or 16 in mode DEEP.
    place : tuple of int, optional
        Row and column, 0 or 1, in blocks of 2x2 pixels: the layer has the pixels there alone.
    corner : tuple of int
        How many rows above a tile and columns to its left its blocks begin, 0 or 1.
    """

    kind: LayerKind
    first: int
    channels: int
    bits: int = PLANE_BITS
    shift: int = 0
    low_bits: int = 0
    sees: tuple[int, ...] = ()
    below: int = 0
    high_bits: int = PLANE_BITS
    place: tuple[int, int] | None = None
    corner: tuple[int, int] = (0, 0)

    @property
    def known(self) -> int:
        """Return how many channels, known from the layer before, precede those of a layer WIDE."""
        return 1 if self.kind is LayerKind.WIDE and self.sees else 0

    @property
    def has_both(self) -> bool:
        """Return whether each value has two planes: of its high bits, and of those below."""
        return self.kind in (LayerKind.WIDE, LayerKind.RESIDUAL)

    @property
    def may_have_runs(self) -> bool:
        """Return whether a layer that is coded may have runs."""
        return not self.known and self.kind is not LayerKind.RESIDUAL

    @property
    def depth(self) -> int:
        """Return the number of planes."""
        return self.channels * (2 if self.has_both else 1)

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Return which rows and columns of a tile the layer has, with those that blocks begin before it."""
        if self.place is None:
            return slice(None), slice(None)
        return slice(self.place[0], None, 2), slice(self.place[1], None, 2)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return how many rows and columns the layer has in a tile of a size."""
        if self.place is None:
            return height, width
        rows, columns = height + self.corner[0], width + self.corner[1]
        return (rows + 1 - self.place[0]) // 2, (columns + 1 - self.place[1]) // 2

    def pixel_count(self, box: TileBox) -> int:
        """Return how many pixels the layer has in a tile."""
        height, width = self.size(box.height, box.width)
        return height * width

    def raw_size_bytes(self, pixels: int) -> int:
        """Return the size of so many pixels of the layer in a raw tile."""
        return -(-pixels * self.depth * self.bits // 8)


def layers_of(header: Header) -> tuple[Layer, ...]:
    """Return the layers of every tile of an image, in the order in which they are coded."""
    mode = header.mode
    if header.exact or header.kept:
        return ()
    if header.packed:
        return (Layer(LayerKind.PACKED, 0, 1 if header.indexed else mode.channels, _packed_bits(header)),)
    if mode is Mode.DEEP:
        return _deep_layers(header)
    if mode is Mode.BILEVEL:
        return (Layer(LayerKind.BILEVEL, 0, 1, 1),)
    if mode is Mode.PALETTE or header.indexed:
        return (Layer(LayerKind.INDEX, 0, 1, header.index_bits or header.bit_depth),)
    if header.h_transform:
        return _h_transform_layers(header)
    layers = _high_layers(header)
    if header.low_bits:
        layers += [
            Layer(
                LayerKind.LOW, layer.first, layer.channels, layer.shift, low_bits=layer.shift, sees=(number,)
            )
            for number, layer in enumerate(layers)
            if not layer.has_both
        ]
    return tuple(layers)


def _packed_bits(header: Header) -> int:
    """Return the bits of a value of a packed layer: of an index, if there is one, or of a subpixel."""
    return header.index_bits or header.bit_depth


def _high_layers(header: Header) -> list[Layer]:
    """Return the layers of the 8 high bits: those of the colours and of alpha or black, if there is one."""
    shift = header.low_bits
    colours = 1 if header.mode in (Mode.GREY, Mode.GREY_ALPHA) else 3
    colour = Layer(LayerKind.NETWORK, 0, colours, shift=shift)
    if header.interleaved:
        kind = LayerKind.RESIDUAL if header.residual else LayerKind.WIDE
        colour = Layer(kind, 0, colours, shift=shift, low_bits=shift)
    if header.mode.channels == colours:
        return [colour]
    alpha = Layer(LayerKind.ALPHA, colours, 1, shift=shift)
    if header.alpha_first:
        return [alpha, colour if header.interleaved else colour._replace(sees=(0,))]
    return [colour, alpha._replace(sees=(0,))]


def _h_transform_layers(header: Header) -> tuple[Layer, ...]:
    """Return the layers of the means of blocks of 2x2 pixels, and of their three differences."""
    shift, corner = header.low_bits, (header.corner & 1, header.corner >> 1)
    means = Layer(LayerKind.RESIDUAL, 0, 1, shift=shift, low_bits=shift, place=(0, 0), corner=corner)
    difference = Layer(LayerKind.INDEX, 0, 1, header.index_bits, corner=corner)
    return (means, *(difference._replace(place=place) for place in ((1, 0), (0, 1), (1, 1))))


def _deep_layers(header: Header) -> tuple[Layer, ...]:
    """Return the layers of mode DEEP: of each group of bands the 16 high bits, then 8 or less at a time.

    Codes of up to 8 bits are indices, a layer for each band.
    """
    if header.index_bits <= PLANE_BITS:
        return tuple(Layer(LayerKind.INDEX, band, 1, header.index_bits) for band in range(header.channels))
    layers: list[Layer] = []
    before: tuple[int, ...] = ()
    first = 0
    while first < header.channels:
        bands = min(header.channels - first, _BANDS_AFTER_A_KNOWN_ONE if before else _BANDS)
        high = min(header.coded_depth, 2 * PLANE_BITS)
        below, shift, wide = header.coded_depth - high, high - PLANE_BITS, len(layers)
        layers.append(Layer(LayerKind.WIDE, first, bands, PLANE_BITS, shift, shift, before, below))
        before = (wide,)
        while below:
            bits = min(below, PLANE_BITS)
            below -= bits
            sees = (wide, *range(len(layers) - 1, wide, -1)[:1])
            layers.append(Layer(LayerKind.LOW, first, bands, bits, 0, bits, sees, below, 2 * PLANE_BITS))
        first += bands
    return tuple(layers)


def network_channels(header: Header) -> int:
    """Return how many channels the network has that the layers need, 0 if they need none."""
    return next((la.channels for la in layers_of(header) if la.kind is LayerKind.NETWORK), 0)
