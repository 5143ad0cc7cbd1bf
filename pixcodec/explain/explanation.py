"""Where the bits of a .pxc file go.

Shapes: H W height and width of the image, C channels, D planes of a layer.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pixcodec.codec import decode
from pixcodec.coding.layer import decode_layer
from pixcodec.coding.manners import manner_to_decode
from pixcodec.coding.threads import ALONE, Progress
from pixcodec.container.chunks import CHUNK_OVERHEAD_BYTES, MAGIC, Data
from pixcodec.container.compact import is_compact
from pixcodec.container.container import Container, Tile, TileKind, parse
from pixcodec.container.header import DEFAULT_MAX_PIXELS, WIDER_VERSION, Effort, Header, Mode, pack_header
from pixcodec.container.layers import Layer, layers_of
from pixcodec.container.regions import checked_region
from pixcodec.container.tiles import TileBox
from pixcodec.errors import UnsupportedImageError
from pixcodec.explain.blocks import LENGTH, block_steps, coefficient_costs, in_pixels, stream_costs
from pixcodec.explain.costs import Floats, layer_costs
from pixcodec.images.planes import from_raw
from pixcodec.jpeg.chunk import coded_start, decode_coefficients, image_of, stream_kind
from pixcodec.jpeg.files.kept import kind_of, restored, taken_apart
from pixcodec.jpeg.orientations import TRANSPOSED, turned
from pixcodec.jpeg.stream.coder import Workers
from pixcodec.mixing.state import Extent

_NAMES = {
    Mode.GREY: ("grey",),
    Mode.RGB: ("red", "green", "blue"),
    Mode.GREY_ALPHA: ("grey", "alpha"),
    Mode.RGBA: ("red", "green", "blue", "alpha"),
    Mode.CMYK: ("cyan", "magenta", "yellow", "black"),
    Mode.PALETTE: ("index",),
    Mode.BILEVEL: ("bilevel",),
}
_START_SIZE_BYTES = 16  # which show whether a file is compact
_COMPONENTS = (("luma",), ("luma", "blue chroma", "red chroma"))  # of JPEG, by Cb and Cr


class TileSize(NamedTuple):
    """A tile: where it is, in pixels; its bytes in the file; how its layers are stored."""

    x: int
    y: int
    width: int
    height: int
    size_bytes: int
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Where the bits of a file go.

    Parameters
    ----------
    width, height : int
        Of the image, in pixels.
    mode, effort : str
    size_bytes : int
        Of the file.
    channels : tuple of str
        Names of the channels of ``bits``: those of the image, ``index`` if its colours are in a table, or of
        JPEG's components.
    bits : ndarray of float64, shape (H, W, C)
        What each subpixel costs. What blocks of JPEG cost is spread over their pixels.
    layers : dict of str to float
        Bits of each kind of layer, of coefficients and corrections.
    runs : float
        Bits that say where copied pixels begin and end; they are part of ``bits``.
    side : dict of str to int
        Bytes of all else, by what they are.
    tiles : tuple of TileSize
    blocks : tuple of ndarray of float64, shape (R, C, 65)
        Of images with JPEG coefficients, for each component: bits of the 64 coefficients of each block in
        the order of JPEG, and of how many there are.
    """

    width: int
    height: int
    mode: str
    effort: str
    size_bytes: int
    channels: tuple[str, ...]
    bits: Floats
    layers: dict[str, float]
    runs: float
    side: dict[str, int]
    tiles: tuple[TileSize, ...] = ()
    blocks: tuple[Floats, ...] = field(default=())

    @property
    def pixels(self) -> Floats:
        """Bits of each pixel, shape (H, W)."""
        total: Floats = self.bits.sum(2)
        return total

    @property
    def explained_bytes(self) -> float:
        """The sum of all parts: that of the file but for what range coders leave over."""
        return float(self.bits.sum()) / 8 + sum(self.side.values())

    @property
    def by_channel(self) -> dict[str, float]:
        """Bits of each channel."""
        return {name: float(self.bits[:, :, c].sum()) for c, name in enumerate(self.channels)}

    @property
    def by_frequency(self) -> list[Floats]:
        """Bits of each of the 64 coefficients, and of lengths, for each component of JPEG: shape (65,)."""
        return [blocks.sum((0, 1)) for blocks in self.blocks]


def explain(
    data: Data, *, max_pixels: int | None = DEFAULT_MAX_PIXELS, progress: Progress | None = None
) -> Explanation:
    """Say where the bits of a .pxc file go: it is decoded, and coded once more to see what each symbol costs.

    Parameters
    ----------
    data : bytes-like
        The file.
    max_pixels : int or None
        Refuse larger images.
    progress : callable, optional
        Called with the fraction done.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
    UnsupportedImageError
        If the file is of effort research, or keeps a JPEG file as it is.
    """
    container = parse(data)
    header = container.header
    checked_region(header, None, max_pixels)
    if header.effort is Effort.RESEARCH:
        raise UnsupportedImageError("effort research is not explained: use pixcodec likelihood")
    size_bytes = len(data)
    if header.kept:
        return _of_kept(container, size_bytes)
    decode(data, max_pixels=max_pixels)  # whether it is intact
    costs = _Costs(header)
    side = _side(container)
    if is_compact(bytes(data[:_START_SIZE_BYTES])):
        side = {"header and hash": size_bytes - sum(map(_size_bytes, container.tiles))}
    if header.jpeg:
        costs.add_coefficients(container.coefficients)
    tiles = _add_tiles(costs, container, progress)
    return costs.explanation(size_bytes, side, tiles)


class _Costs:
    """What is found out of an image, as far as it is."""

    def __init__(self, header: Header) -> None:
        self.header = header
        if header.deep:
            self.channels = tuple(f"band {band}" for band in range(1, header.channels + 1))
        else:
            self.channels = ("index",) if header.indexed else _NAMES[header.mode]
        if header.jpeg:
            self.channels = _COMPONENTS[header.mode is Mode.RGB]
            if not header.exact:
                self.channels = (*self.channels, "correction")
        self.bits = np.zeros((header.height, header.width, len(self.channels)))
        self.layers: defaultdict[str, float] = defaultdict(float)
        self.runs = 0.0
        self.blocks: tuple[Floats, ...] = ()

    def add_layer(self, box: TileBox, layer: Layer, bits: Floats) -> None:
        """Add the bits (H, W, D) of a layer of a tile."""
        self.layers["correction" if self.header.jpeg else layer.kind.name.lower()] += float(bits.sum())
        for plane in range(layer.depth):
            channel = layer.first + (plane // 2 if layer.has_both else plane)
            if self.header.jpeg:
                channel = len(self.channels) - 1
            above, left = layer.corner
            whole = np.zeros((box.height + above, box.width + left))
            whole[layer.pixels] = bits[:, :, plane]
            # Of blocks that begin before the tile, the first row and column in it take the bits.
            whole[above, :] += above * whole[0, :]
            whole[:, left] += left * whole[:, 0]
            self.bits[(*box.slices, channel)] += whole[above:, left:]

    def add_coefficients(self, payload: bytes) -> None:
        """Add the bits of the chunk COEF."""
        h = self.header
        wider = h.version == WIDER_VERSION
        size = h.height, h.width, h.mode.channels
        coefficients = decode_coefficients(payload, *size, wider=wider, workers=Workers())
        image, kind = image_of(coefficients), stream_kind(payload, wider=wider)
        self.add_blocks(image, coefficient_costs(image, kind), coefficients.orientation)

    def add_blocks(self, image: Any, costs: list[Floats], orientation: int = 0) -> None:
        """Add the bits of the blocks of an image, which an orientation turns."""
        size = self.header.height, self.header.width
        if orientation & TRANSPOSED:
            size = size[1], size[0]
        self.blocks = tuple(costs)
        for component, bits in enumerate(costs):
            steps = block_steps(image, component, size)
            self.bits[:, :, component] += turned(in_pixels(bits.sum(2), size, steps), orientation)
            self.layers["coefficients"] += float(bits[:, :, :LENGTH].sum())
            self.layers["lengths of blocks"] += float(bits[:, :, LENGTH].sum())

    def explanation(self, size_bytes: int, side: dict[str, int], tiles: tuple[TileSize, ...]) -> Explanation:
        """Return what was found out."""
        h = self.header
        return Explanation(
            *(h.width, h.height, h.mode.name.lower(), h.effort.name.lower(), size_bytes),
            channels=self.channels,
            bits=self.bits,
            layers=dict(self.layers),
            runs=self.runs,
            side=side,
            tiles=tiles,
            blocks=self.blocks,
        )


def _add_tiles(costs: _Costs, container: Container, progress: Progress | None) -> tuple[TileSize, ...]:
    """Add what the layers of all tiles cost; return the sizes of the tiles."""
    header, layers = container.header, layers_of(container.header)
    manner = manner_to_decode(header, container.tiles, None)
    sizes = []
    for number, box in enumerate(header.grid if layers else ()):
        own = container.tiles[number * len(layers) : (number + 1) * len(layers)]
        planes: list[Any] = []
        for layer, tile in zip(layers, own, strict=True):
            shape = (*layer.size(box.height, box.width), layer.depth)
            if tile.kind is TileKind.PACKED:  # by a general compressor: nobody knows which bits are whose
                even = 8 * len(tile.bitstream) / max(1, layer.pixel_count(box) * layer.depth)
                costs.add_layer(box, layer, np.full(shape, even))
                continue
            if tile.kind is TileKind.RAW:
                plane = from_raw(tile.bitstream, layer.bits, shape)
            else:
                size, runs = Extent(*shape, tile.slope), tile.kind is TileKind.RUNS
                plane = decode_layer(manner, layer, tile.bitstream, planes, size, ALONE, runs=runs)
            bits, of_runs = layer_costs(manner, layer, plane, planes, tile)
            costs.add_layer(box, layer, bits)
            costs.runs += of_runs
            planes.append(plane)
        sizes.append(TileSize(*box, sum(map(_size_bytes, own)), tuple(t.kind.name.lower() for t in own)))
        if progress is not None:
            progress((number + 1) / len(header.grid))
    return tuple(sizes)


def _size_bytes(tile: Tile) -> int:
    return len(tile.bitstream)


def _side(container: Container) -> dict[str, int]:
    """Return the bytes of all but the bitstreams of the tiles."""
    chunk = CHUNK_OVERHEAD_BYTES
    side = {"header": len(MAGIC) + chunk + len(pack_header(container.header))}
    if container.palette:
        side["table"] = chunk + len(container.palette)
    if container.transparency:
        side["transparency"] = chunk + len(container.transparency)
    if container.ancillary:
        side["metadata"] = sum(chunk + len(each.payload) for each in container.ancillary)
    if container.coefficients:
        header = container.header
        start = coded_start(header.mode.channels, wider=header.version == WIDER_VERSION)
        side["steps of quantisation"] = chunk + start
    tiles = container.tiles
    if tiles:
        slopes = sum(
            1 if tile.slope < 1 << 7 else 2 if tile.slope < 1 << 14 else 3 for tile in tiles if tile.slope
        )
        side["framing of tiles"] = len(tiles) * (chunk + 1) + slopes
    side["hash"] = chunk + len(container.pixel_hash)
    return side


def _of_kept(container: Container, size_bytes: int) -> Explanation:
    """Explain a file that keeps a JPEG file."""
    header = container.header
    if not container.coefficients:
        raise UnsupportedImageError("the JPEG file is stored as it is: there is nothing to explain")
    file = restored(container, None, Workers())
    _, images = taken_apart(file, header)
    found = stream_costs(images, kind_of(header))
    costs = _Costs(header)
    names = {1: _COMPONENTS[0], 3: _COMPONENTS[1]}
    count = len(images[0].blocks)
    costs.channels = names.get(count, tuple(f"component {k + 1}" for k in range(count)))
    costs.bits = np.zeros((header.height, header.width, count))
    costs.add_blocks(images[0], found[0])
    side = {
        "header and SHA-256": size_bytes - len(container.recipe) - len(container.coefficients),
        "recipe: metadata, tables, what is odd": len(container.recipe),
    }
    others = sum(float(bits.sum()) for image in found[1:] for bits in image)
    if len(images) > 1:
        side["coefficients of images inside"] = round(others / 8)
    return costs.explanation(size_bytes, side, ())
