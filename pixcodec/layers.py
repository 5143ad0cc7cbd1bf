"""What the layers of a tile are: planes of values of up to eight bits, coded one after another.

Standard library only. FORMAT.md, section Layers, is the norm.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pixcodec.header import Header, Mode


class LayerKind(Enum):
    """How a layer is predicted."""

    NETWORK = 0
    ALPHA = 1
    LOW = 2
    INDEX = 3
    BILEVEL = 4


class Layer(NamedTuple):
    """One layer.

    ``first`` and ``channels`` say which channels of the image it holds, ``shift`` from which bit on, ``bits``
    how many bits; ``sees`` are the numbers of the layers, all before it, that its contexts look at.
    """

    kind: LayerKind
    first: int
    channels: int
    bits: int = 8
    shift: int = 0
    sees: tuple[int, ...] = ()

    def raw_size_bytes(self, pixels: int) -> int:
        """Return how many bytes the layer has in a raw tile of so many pixels."""
        return -(-pixels * self.channels * self.bits // 8)


def layers_of(header: Header) -> tuple[Layer, ...]:
    """Return the layers of every tile of an image, in the order in which they are coded."""
    mode = header.mode
    if mode is Mode.BILEVEL:
        return (Layer(LayerKind.BILEVEL, 0, 1, 1),)
    if mode is Mode.PALETTE or header.index_bits:
        return (Layer(LayerKind.INDEX, 0, 1, header.index_bits or header.bit_depth),)
    shift = header.bit_depth - 8
    colours = 1 if mode in (Mode.GREY, Mode.GREY_ALPHA) else 3
    others = mode.channels - colours
    layers = [Layer(LayerKind.NETWORK, 0, colours, shift=shift)]
    if others:
        other = Layer(LayerKind.ALPHA, colours, 1, shift=shift)
        if header.alpha_first:
            layers = [other, layers[0]._replace(sees=(0,))]
        else:
            layers.append(other._replace(sees=(0,)))
    if shift:
        layers += [
            layer._replace(kind=LayerKind.LOW, shift=0, sees=(number,)) for number, layer in enumerate(layers)
        ]
    return tuple(layers)
