"""The pixels of a way <-> the bitstreams of its tiles.

The tiles of an image are coded on their own, several at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from pixcodec.coding.layer import (
    Manner,
    check_slope,
    decode_layer,
    encode_layer,
    least_slope,
    threads_of_a_tile,
)
from pixcodec.coding.manners import manner_to_decode, manner_to_encode
from pixcodec.coding.past import Learnt, Past
from pixcodec.coding.threads import Alike, Crew, Progress, map_tiles
from pixcodec.container.container import Tile, TileKind
from pixcodec.container.header import (
    MAX_TILE_PIXELS,
    MODEL_ID_SIZE_BYTES,
    PLANE_BITS,
    Effort,
    Header,
    Mode,
    fitted,
)
from pixcodec.container.layers import Layer, LayerKind, layers_of, network_channels
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError
from pixcodec.images.colours import look_up_in
from pixcodec.images.packed.filters import Values
from pixcodec.images.packed.layer import unpack_layer
from pixcodec.images.packed.way import packed_stream
from pixcodec.images.planes import (
    Pixels,
    Plane,
    from_raw,
    little_endian,
    pixel_type,
    plane_of,
    put_plane,
    to_raw,
)
from pixcodec.images.sample_maps import samples_in
from pixcodec.images.ways import Way, best_ways, busy_sample, coded_size_bytes, one_raw_tile, size_bytes
from pixcodec.mixing.state import Extent
from pixcodec.network.model import Model
from pixcodec.network.model_files import candidate_models

COLOURS = 3
SLOPE = 3  # of wavefronts
SAMPLE_SIDE = 48  # pixels: of its parts
LEAST_PIXELS_TO_CHOOSE = (1 << 15, 1 << 17)  # of a picture, in other efforts and in fast
MAX_ALIKE_SIZE_BYTES = 1024  # of the bitstreams of a tile that may be decoded once for several that are alike
MAX_RAW_FRAME_SIZE_BYTES = 256  # larger layers of series are coded even if that makes them larger
_KINDS = (TileKind.CODED, TileKind.RUNS, TileKind.STILL)  # by RunKind
MAX_FORESEEN_PIXELS = 1 << 18  # of a tile that is checked by what was encoded: it takes 12 bytes a pixel


Coded = tuple[Way, tuple[Tile, ...]]  # a way whose header names the model, and its tiles


class Given(NamedTuple):
    """What the caller said of the work: a model of his own, how many threads, whom to tell of progress."""

    model: Model | None
    threads: int | None
    progress: Progress | None
    device: str | None = None  # of torch, where the network runs


class SeriesPast(NamedTuple):
    """What the frames before one of a series say of it.

    Parameters
    ----------
    references : list of ndarray or None
        Of each layer what it is predicted from, shape (H, W, D); no layer of an image alone has any.
    learnt : Learnt or None
        What the layers have learnt so far, if the frame is one tile.
    most_pixels : int
        See :class:`pixcodec.coding.past.Past`.
    """

    references: Sequence[Plane | None] = ()
    learnt: Learnt | None = None
    most_pixels: int = 0

    def of_layer(self, number: int, box: TileBox) -> Past:
        """Return what is known of a layer of a tile."""
        reference = self.references[number] if self.references else None
        if reference is not None:
            reference = np.ascontiguousarray(reference[box.slices])
        return Past(reference, self.learnt, self.most_pixels)


ALONE = SeriesPast()


def with_network(way: Way, given: Given) -> Given:
    """Return ``given`` with that shipped network which codes a sample of a picture in the fewest bytes.

    The sample is coded with effort fast, whatever the effort is. A caller's own model stays, and so does the
    default, which is not named, where there is nothing to choose from, or the picture is small.
    """
    header = way.header
    channels = network_channels(header)
    small = header.width * header.height < LEAST_PIXELS_TO_CHOOSE[header.effort is Effort.FAST]
    plain = header.bit_depth == PLANE_BITS and header.effort is not Effort.RESEARCH
    if given.model is not None or channels != COLOURS or small or not plain:
        return given
    sample = busy_sample(way.pixels[:, :, :channels], SAMPLE_SIDE)
    if sample is None:
        return given
    height, width = sample.shape[:2]
    part = Way(Header(width, height, Mode.RGB, Effort.FAST, width, height, b""), sample, b"")

    def size_of(model: Model) -> int:
        return coded_size_bytes(*encode_way(part, SLOPE, Given(model, 1, None)))

    models = candidate_models(channels)
    with ThreadPoolExecutor(min(len(models), given.threads or len(models))) as pool:
        sizes = list(pool.map(size_of, models))
    return given._replace(model=models[int(np.argmin(sizes))])


def smallest_way(groups: list[list[Way]], slope: int, given: Given) -> Coded:
    """Return the way that takes the fewest bytes, and its tiles; a part shows the best of each group."""
    return min(
        (coded for ways in groups for coded in _best_of(ways, slope, given)),
        key=lambda coded: coded_size_bytes(*coded),
    )


def _best_of(ways: list[Way], slope: int, given: Given) -> Iterator[Coded]:
    """Give those of a group of ways that may be the smallest, coded."""
    tried: dict[int, Coded] = {}  # a small picture is tried as a whole, and need not be coded again

    def size_of_way(way: Way) -> int:
        tried[id(way)] = coded = encode_way(way, slope, given._replace(progress=None))
        return coded_size_bytes(*coded)

    for best in best_ways(ways, size_of_way):
        if id(best) in tried and given.progress is not None:
            given.progress(1.0)
        way, tiles = tried.get(id(best)) or encode_way(best, slope, given)
        header = way.header
        some_raw = any(tile.kind is TileKind.RAW for tile in tiles)
        small = header.width * header.height <= MAX_TILE_PIXELS
        if some_raw and not header.jpeg and len(header.grid) > 1 and small:
            raw, raw_tiles = one_raw_tile(ways[0])
            if size_bytes(raw_tiles) <= size_bytes(tiles):
                way, tiles = raw, raw_tiles
        yield way, tiles


def encode_way(way: Way, slope: int, given: Given, past: SeriesPast = ALONE) -> Coded:
    """Return a way whose header names the model, and the tiles of its layers."""
    way = way._replace(header=fitted(way.header))
    manner = manner_to_encode(way.header, given.model, given.device)
    if manner.model:
        model_id = manner.model.model_id[:MODEL_ID_SIZE_BYTES]
        way = way._replace(header=replace(way.header, model_id=model_id))
    layers, alike = layers_of(way.header), Alike()

    def work(box: TileBox, crew: Crew) -> list[Tile]:
        pixels = _of_tile(way.pixels, layers, box)
        key = (pixels.shape, blake2b(little_endian(pixels)).digest()) if past is ALONE else None

        def encode_it() -> list[Tile]:
            planes = [plane_of(pixels, layer) for layer in layers]
            pasts = [past.of_layer(k, box) for k in range(len(layers))]
            return [
                _encode_tile(manner, layer, planes[k], planes[:k], slope, crew, pasts[k])
                for k, layer in enumerate(layers)
            ]

        return alike.result(key, encode_it, lambda: crew.tick(_work(layers, box)))

    total = sum(_work(layers, box) for box in way.header.grid)
    tiles, share = list(way.header.grid) if layers else [], threads_of_a_tile(way.header.effort)
    done = map_tiles(work, tiles, total, given.threads, given.progress, share=share)
    return way, tuple(tile for tiles in done for tile in tiles)


def _of_tile(pixels: Pixels, layers: Sequence[Layer], box: TileBox) -> Pixels:
    """Return what the layers of a tile hold; if blocks begin before it, it is the only one."""
    return pixels if layers and any(layers[0].corner) else pixels[box.slices]


def _work(layers: Sequence[Layer], box: TileBox) -> int:
    """Return how many pixels the layers of a tile have."""
    return sum(layer.pixel_count(box) for layer in layers)


def _encode_tile(
    manner: Manner, layer: Layer, plane: Plane, before: list[Plane], slope: int, crew: Crew, past: Past
) -> Tile:
    """Return a layer of a tile as a bitstream, or as it is if that is not larger."""
    slope = max(slope, least_slope(manner.effort, layer))
    raw_size = layer.raw_size_bytes(plane.shape[0] * plane.shape[1])
    if not raw_size:
        return Tile(TileKind.RAW, 0, b"")
    learnt = past.learnt
    if learnt is not None and raw_size <= MAX_RAW_FRAME_SIZE_BYTES:
        past = past._replace(learnt=learnt.copy())
    bitstream, runs = encode_layer(manner, layer, plane, before, slope, crew, past)
    large = learnt is not None and raw_size > MAX_RAW_FRAME_SIZE_BYTES
    if layer.place and layer.kind is LayerKind.RESIDUAL:  # rounded coefficients may repeat
        packed = packed_stream(_whole(layer, plane), PLANE_BITS + layer.shift, min(len(bitstream), raw_size))
        if packed is not None:
            return Tile(TileKind.PACKED, 0, packed)
    if len(bitstream) < raw_size or large:
        if learnt is not None and past.learnt is not None:
            learnt.take(past.learnt)
        return Tile(_KINDS[runs], slope, bitstream)
    return Tile(TileKind.RAW, 0, to_raw(plane, layer.bits))  # which teaches nothing


def _whole(layer: Layer, plane: Plane) -> Values:
    """Return the values (H, W, 1) of a layer RESIDUAL from its planes (H, W, 2)."""
    values = np.zeros((*plane.shape[:2], 1), np.uint16)
    put_plane(values, layer._replace(place=None), plane)
    return values


def decode_tiles(
    header: Header,
    tiles: Sequence[Tile | None],
    palette: bytes,
    part: TileBox,
    given: Given,
    *,
    foreseen: Pixels | None = None,
    damaged: list[TileBox] | None = None,
    past: SeriesPast = ALONE,
) -> Pixels:
    """Return the pixels (H, W, C) of a part of the image, or their correction, from the tiles it touches.

    A tile has a bitstream for each layer, or None if ``damaged`` is given: a list that gets the tiles that
    cannot be decoded, which are 0 in the result. ``palette`` is the payload of the chunk PLTE, ``foreseen``
    what the layers hold, when a file is checked.

    Raises
    ------
    CorruptFileError, ModelMismatchError, LimitExceededError
    """
    layers = layers_of(header)
    pixels = np.zeros((part.height, part.width, header.channels), pixel_type(header.bit_depth))
    to_pixels = to_pixels_by(header, palette)
    manner = manner_to_decode(header, tiles, given.model)
    touched = [(number, box) for number, box in enumerate(header.grid) if box.overlap(part).pixel_count]
    alike = Alike()

    def work(item: tuple[int, TileBox], crew: Crew) -> None:
        number, box = item
        own = tiles[number * len(layers) : (number + 1) * len(layers)]
        known = None if foreseen is None else _of_tile(foreseen, layers, box)

        def decode_it() -> Pixels:
            return to_pixels(_decode_tile(manner, layers, _complete(own), box, crew, known, past))

        short = sum(len(tile.bitstream) for tile in own if tile) <= MAX_ALIKE_SIZE_BYTES
        key = (box.height, box.width, tuple(own)) if short and past is ALONE else None
        try:
            if damaged is not None:
                _check_slopes(manner, layers, tiles, number, box)
            tile = alike.result(key, decode_it, lambda: crew.tick(_work(layers, box)))
        except CorruptFileError:
            if damaged is None:
                raise
            damaged.append(box)
            return
        common = box.overlap(part)
        pixels[common.within(part)] = tile[common.within(box)]

    for number, box in touched if damaged is None else []:  # before any of them is decoded
        _check_slopes(manner, layers, tiles, number, box)
    total = sum(_work(layers, box) for _, box in touched)
    share = threads_of_a_tile(header.effort)
    map_tiles(work, touched if layers else [], total, given.threads, given.progress, share=share)
    return pixels


def to_pixels_by(header: Header, table: bytes) -> Callable[[Pixels], Pixels]:
    """Return a function that turns what layers hold into pixels; raise an error if a table is damaged."""
    return samples_in(header, table) if header.deep else look_up_in(header, table)


def _check_slopes(
    manner: Manner, layers: Sequence[Layer], tiles: Sequence[Tile | None], number: int, box: TileBox
) -> None:
    """Check the slopes of the layers of a tile."""
    for at, layer in enumerate(layers, number * len(layers)):
        tile = tiles[at]
        if tile is not None and tile.kind.has_slope:
            size = layer.size(box.height, box.width)
            check_slope(manner, layer, Extent(*size, layer.depth, tile.slope), f"tile {at}")


def _complete(tiles: Sequence[Tile | None]) -> list[Tile]:
    """Return the layers of a tile; raise CorruptFileError if one is missing."""
    found = [tile for tile in tiles if tile is not None]
    if len(found) < len(tiles):
        raise CorruptFileError("a layer of the tile is missing")
    return found


def _decode_tile(
    manner: Manner,
    layers: Sequence[Layer],
    tiles: Sequence[Tile],
    box: TileBox,
    crew: Crew,
    foreseen: Pixels | None,
    past: SeriesPast,
) -> Pixels:
    """Return what the layers of a tile hold, as pixels (H, W, channels of the layers)."""
    if layers[0].kind is LayerKind.PACKED:
        crew.tick(box.pixel_count)
        return _unpacked(layers[0], tiles[0].bitstream, box)
    channels = max(layer.first + layer.channels for layer in layers)
    bits = max(layer.below + layer.shift + layer.bits for layer in layers)
    above, left = layers[0].corner
    pixels = np.zeros((box.height + above, box.width + left, channels), pixel_type(bits))
    planes: list[Plane] = []
    for number, (layer, tile) in enumerate(zip(layers, tiles, strict=True)):
        shape = (*layer.size(box.height, box.width), layer.depth)
        if tile.kind is TileKind.RAW:
            crew.tick(layer.pixel_count(box))
            planes.append(from_raw(tile.bitstream, layer.bits, shape))
        elif tile.kind is TileKind.PACKED:
            crew.tick(layer.pixel_count(box))
            whole = unpack_layer(tile.bitstream, (*shape[:2], 1), PLANE_BITS + layer.shift)
            planes.append(plane_of(whole, layer._replace(place=None)))
        else:
            size = Extent(*shape, tile.slope)
            small = box.pixel_count <= MAX_FORESEEN_PIXELS
            known = plane_of(foreseen, layer) if foreseen is not None and small else None
            own, runs = past.of_layer(number, box), _KINDS.index(tile.kind)
            if tile.kind is TileKind.STILL and own.reference is None:
                raise CorruptFileError("a layer has still runs, but nothing that it is predicted from")
            planes.append(
                decode_layer(
                    manner, layer, tile.bitstream, planes, size, crew, runs=runs, foreseen=known, past=own
                )
            )
        put_plane(pixels, layer, planes[-1])
    return pixels


def _unpacked(layer: Layer, bitstream: bytes, box: TileBox) -> Pixels:
    """Return the pixels (H, W, channels) of a packed layer."""
    values = unpack_layer(bitstream, (box.height, box.width, layer.channels), layer.bits)
    return values if layer.bits > PLANE_BITS else values.astype(np.uint8)
