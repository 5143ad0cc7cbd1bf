"""What the layers of a tile are: planes of values of up to eight bits, coded one after another.

Standard library only. FORMAT.md, section Layers, is the norm.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pixcodec.container.header import Header, Mode


class LayerKind(Enum):
    """How a layer is predicted."""

    NETWORK = 0
    ALPHA = 1
    LOW = 2
    INDEX = 3
    BILEVEL = 4
    WIDE = 5


class Layer(NamedTuple):
    """One layer.

    ``first`` and ``channels`` say which channels of the image it holds. Its values have ``bits`` bits, of the
    image's values from bit ``shift`` on; those of the kind WIDE are pairs, of 8 bits from ``shift`` on, then
    the ``shift`` bits below. ``low_bits`` is how many low bits of the image's values this layer holds,
    ``sees`` are the numbers of the layers, all before it, that its contexts look at.
    """

    kind: LayerKind
    first: int
    channels: int
    bits: int = 8
    shift: int = 0
    low_bits: int = 0
    sees: tuple[int, ...] = ()

    @property
    def depth(self) -> int:
        """Return the number of values of a pixel."""
        return self.channels * (2 if self.kind is LayerKind.WIDE else 1)

    def raw_size_bytes(self, pixels: int) -> int:
        """Return how many bytes the layer has in a raw tile of so many pixels."""
        return -(-pixels * self.depth * self.bits // 8)


def layers_of(header: Header) -> tuple[Layer, ...]:
    """Return the layers of every tile of an image, in the order in which they are coded."""
    mode = header.mode
    if header.exact:
        return ()
    if mode is Mode.BILEVEL:
        return (Layer(LayerKind.BILEVEL, 0, 1, 1),)
    if mode is Mode.PALETTE or header.indexed:
        return (Layer(LayerKind.INDEX, 0, 1, header.index_bits or header.bit_depth),)
    shift = header.coded_depth - 8
    colours = 1 if mode in (Mode.GREY, Mode.GREY_ALPHA) else 3
    others = mode.channels - colours
    colour = Layer(LayerKind.NETWORK, 0, colours, shift=shift)
    if header.interleaved:
        colour = Layer(LayerKind.WIDE, 0, colours, shift=shift, low_bits=shift)
    layers = [colour]
    if others:
        other = Layer(LayerKind.ALPHA, colours, 1, shift=shift)
        layers = (
            [other, colour._replace(sees=(0,))] if header.alpha_first else [colour, other._replace(sees=(0,))]
        )
    if shift:
        layers += [
            Layer(LayerKind.LOW, layer.first, layer.channels, shift, low_bits=shift, sees=(number,))
            for number, layer in enumerate(layers)
            if layer.kind is not LayerKind.WIDE
        ]
    return tuple(layers)
