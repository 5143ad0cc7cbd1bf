"""Encode and decode: picture -> ways -> layers -> tiles -> bitstreams -> container, and back.

A *way* is a form in which a picture may be coded: as it is, as graphics, by a table of its colours, by JPEG
coefficients. Its pixels are cut into tiles, and each tile into layers: planes of values of up to eight bits,
which follow one another. Each layer of a tile is one bitstream.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pixcodec.coding.layer import Manner, check_slope, decode_layer, encode_layer, least_slope
from pixcodec.coding.manner import manner_for, manner_of
from pixcodec.coding.threads import Crew, Progress, map_tiles
from pixcodec.container.beginning import parse_start
from pixcodec.container.chunks import CHUNK_OVERHEAD_BYTES
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import (
    DEFAULT_MAX_PIXELS,
    MAX_TILE_PIXELS,
    MODEL_ID_SIZE_BYTES,
    Effort,
    Header,
)
from pixcodec.container.layers import Layer, layers_of
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.regions import Region, checked_region
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, PixcodecError
from pixcodec.images.colours import look_up, unpack_colours, unpack_values
from pixcodec.images.picture import (
    AnyImage,
    Array,
    Picture,
    header_info,
    pillow_mode,
    to_array,
    to_picture,
    to_pillow,
)
from pixcodec.images.planes import Pixels, Plane, from_raw, plane_of, put_plane, to_raw
from pixcodec.images.ways import Way, choose_way, research_way
from pixcodec.jpeg.way import all_ways, coefficient_pixels
from pixcodec.mixing.state import Extent
from pixcodec.network.model import Model
from pixcodec.network.model_files import load_model
from pixcodec.network.wavefront import raster_slope

if TYPE_CHECKING:
    from PIL import Image

SLOPE = 3
MAX_TILE_SIDE = 1024  # the mixing stage learns in each tile anew: halving 768x512 costs 2 %
MIN_SHARED_PIXELS = 300_000  # effort normal: from here on two processors share an image, at that cost
FAST_TILE_HEIGHT = 256  # network only: nothing is learnt in a tile, so small tiles cost only their edges


def encode(
    image: AnyImage,
    *,
    effort: str = "normal",
    order: str = "wavefront",
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    verify: bool = False,
    strip: bool = False,
    info: Mapping[str, Any] | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Return an image as the bytes of a .pxc file.

    Parameters
    ----------
    image : ndarray or PIL image
        uint8 or uint16 of shape (H, W) or (H, W, C) with C = 1..4 (grey, grey and alpha, RGB, RGBA), bool of
        shape (H, W), or a PIL image of mode 1, L, LA, P, RGB, RGBA, CMYK or I;16, with its metadata.
    effort : {"fast", "normal", "max", "research"}
        How much time to spend; decoding takes as long as encoding. For studies: research, a Row LSTM, whose
        decoder is slow, for RGB images of 8 bits alone.
    order : {"wavefront", "raster"}
        Raster order codes one pixel at a time: slow, for checks.
    model : Model or path, optional
        Instead of the model that ships with the package. The decoder needs it too.
    threads : int, optional
        At most; default: as many as there are processors. Never changes the bytes.
    verify : bool
        Decode the result and compare before returning it.
    strip : bool
        Leave out the metadata: colour profile, EXIF, XMP, text, resolution.
    info : mapping, optional
        The metadata, with the keys of a PIL image's ``info``, instead of what the image itself says.
    device : str, optional
        Where torch runs the network, such as "cuda"; default: pixcodec's own kernels on the processor. Never
        changes the bytes. Tiles with runs, which are cheap, do without it.
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.

    Raises
    ------
    UnsupportedImageError, LimitExceededError, DeviceError
    """
    effort_ = _one_of("effort", effort, {e.name.lower(): e for e in Effort})
    raster = _one_of("order", order, {"wavefront": False, "raster": True})
    picture = to_picture(image, strip=strip, info=info)
    header = _header_of(picture, effort_)
    slope = raster_slope(header.tile_width) if raster else SLOPE
    given = _Given(_load(model), threads, progress, device)
    research = effort_ is Effort.RESEARCH
    ways = [[research_way(header, picture)]] if research else all_ways(header, picture)
    way, tiles = _smallest(ways, slope, given)
    digest = pixel_hash(way.header, _little_endian(picture.pixels))
    chunks = (picture.chunks, way.table, picture.transparency, way.coefficients)
    data = pack(Container(way.header, tiles, digest, *chunks))
    if verify:
        _check_same(_decode_picture(data, given._replace(progress=None), None, None), picture)
    return data


def decode(
    data: bytes | bytearray | memoryview,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    region: Region | None = None,
    progress: Progress | None = None,
) -> Array:
    """Return the pixels of a .pxc file, exactly as they were.

    Parameters
    ----------
    data : bytes-like
    model : Model or path, optional
        The model that the file was encoded with, if it is not the one that ships with the package.
    threads : int, optional
        At most; default: as many as there are processors.
    max_pixels : int or None
        Refuse larger images (or regions, unless of images that were JPEG files) before anything is allocated.
    region : tuple of int, optional
        x, y, width, height in pixels: decode only the tiles that this part of the image lies in, but all
        pixels of JPEG coefficients. The hash of the pixels is of the whole image, and is not checked then.
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.

    Returns
    -------
    ndarray
        (H, W), or (H, W, C) of 2, 3 or 4 channels; uint8, uint16, or bool if the image is bilevel. Of an
        image with a palette, the indices.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
    ValueError
        If the region does not lie within the image.
    """
    return to_array(_decode_picture(data, _Given(_load(model), threads, progress), max_pixels, region))


def decode_image(
    data: bytes | bytearray | memoryview,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    region: Region | None = None,
    progress: Progress | None = None,
) -> Image.Image | Array:
    """Return the image of a .pxc file as a PIL image, with its palette and metadata.

    Parameters and errors as for :func:`decode`.

    Returns
    -------
    PIL.Image.Image, or ndarray
        An array of uint16 if there are more than one channel of 16 bits: Pillow has no such mode.
    """
    return to_pillow(_decode_picture(data, _Given(_load(model), threads, progress), max_pixels, region))


def header_image(data: bytes | bytearray | memoryview) -> tuple[str | None, tuple[int, int], dict[str, Any]]:
    """Return mode, size and ``info`` of a .pxc file as Pillow has them, without decoding the pixels.

    The mode is None if Pillow has none for the file's pixels.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, LimitExceededError
    """
    header, chunks = parse_start(data)
    single = {chunk.type: chunk.payload for chunk in chunks}
    ancillary = tuple(chunk for chunk in chunks if chunk.ancillary)
    info = header_info(single.get("TRNS", b""), ancillary)
    return pillow_mode(header.mode, header.bit_depth, ancillary), (header.width, header.height), info


class _Given(NamedTuple):
    """What the caller said of the work: a model of his own, how many threads, whom to tell of progress."""

    model: Model | None
    threads: int | None
    progress: Progress | None
    device: str | None = None  # of torch, where the network runs


def _one_of(what: str, value: str, choices: dict[str, Any]) -> Any:
    if value not in choices:
        raise ValueError(f"{what} is {value!r}, expected one of {', '.join(choices)}")
    return choices[value]


def _load(model: Model | str | os.PathLike[str] | None) -> Model | None:
    return model if model is None or isinstance(model, Model) else load_model(Path(model))


def _little_endian(pixels: Pixels) -> memoryview:
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1).data


# Encoding: the smallest of the ways, its tiles, the layers of a tile.


def _header_of(picture: Picture, effort: Effort) -> Header:
    """Return the header of a picture that is coded as it is."""
    height, width = picture.pixels.shape[:2]
    tile_width, tile_height = _tile_size(effort, width, height)
    return Header(
        *(width, height, picture.mode, effort, tile_width, tile_height, b""), bit_depth=picture.bit_depth
    )


def _tile_size(effort: Effort, width: int, height: int) -> tuple[int, int]:
    """Return the size of the tiles: equal parts, as large as the effort wants them."""

    def parts(length: int, most: int) -> int:
        return -(-length // most)

    columns, rows = parts(width, MAX_TILE_SIDE), parts(height, MAX_TILE_SIDE)
    if effort is Effort.FAST:
        rows = parts(height, FAST_TILE_HEIGHT)
    elif effort is Effort.NORMAL and columns * rows == 1 and width * height >= MIN_SHARED_PIXELS:
        rows = 2
    return parts(width, columns), parts(height, rows)


def _smallest(groups: list[list[Way]], slope: int, given: _Given) -> tuple[Way, tuple[Tile, ...]]:
    """Return the way that takes the fewest bytes, and its tiles; a part shows the best of each group."""
    done = []
    for ways in groups:
        way = choose_way(
            ways, lambda way: _coded_size_bytes(*_encode_way(way, slope, given._replace(progress=None)))
        )
        way, tiles = _encode_way(way, slope, given)
        header = way.header
        some_raw = any(tile.kind is TileKind.RAW for tile in tiles)
        small = header.width * header.height <= MAX_TILE_PIXELS
        if some_raw and not header.jpeg and len(header.grid) > 1 and small:
            raw, raw_tiles = _one_raw_tile(ways[0])
            if _size_bytes(raw_tiles) <= _size_bytes(tiles):
                way, tiles = raw, raw_tiles
        done.append((way, tiles))
    return min(done, key=lambda pair: _coded_size_bytes(*pair))


def _coded_size_bytes(way: Way, tiles: Sequence[Tile]) -> int:
    """Return about how many bytes a file has, but for what all ways of a picture share."""
    chunks = (chunk for chunk in (way.table, way.coefficients) if chunk)
    return sum(CHUNK_OVERHEAD_BYTES + len(chunk) for chunk in chunks) + _size_bytes(tiles)


def _size_bytes(tiles: Sequence[Tile]) -> int:
    """Return about how many bytes the chunks of tiles take."""
    return sum(len(tile.bitstream) + CHUNK_OVERHEAD_BYTES + 2 for tile in tiles)


def _encode_way(way: Way, slope: int, given: _Given) -> tuple[Way, tuple[Tile, ...]]:
    """Return a way whose header names the model, and the tiles of its layers."""
    manner = manner_for(way.header, given.model, given.device)
    if manner.model:
        model_id = manner.model.model_id[:MODEL_ID_SIZE_BYTES]
        way = way._replace(header=replace(way.header, model_id=model_id))
    layers = layers_of(way.header)

    def work(box: TileBox, crew: Crew) -> list[Tile]:
        planes = [plane_of(way.pixels[box.slices], layer) for layer in layers]
        return [_encode_tile(manner, layer, planes, k, slope, crew) for k, layer in enumerate(layers)]

    total = len(layers) * way.header.width * way.header.height
    done = map_tiles(work, list(way.header.grid) if layers else [], total, given.threads, given.progress)
    return way, tuple(tile for tiles in done for tile in tiles)


def _encode_tile(
    manner: Manner, layer: Layer, planes: list[Plane], number: int, slope: int, crew: Crew
) -> Tile:
    """Return layer ``number`` of a tile as a bitstream, or as it is if that is not larger."""
    plane = planes[number]
    slope = max(slope, least_slope(manner.effort, layer))
    bitstream, runs = encode_layer(manner, layer, plane, planes[:number], slope, crew)
    if len(bitstream) < layer.raw_size_bytes(plane.shape[0] * plane.shape[1]):
        return Tile(TileKind.RUNS if runs else TileKind.CODED, slope, bitstream)
    return Tile(TileKind.RAW, 0, to_raw(plane, layer.bits))


def _one_raw_tile(way: Way) -> tuple[Way, tuple[Tile, ...]]:
    """Return an image that cannot be compressed as few chunks: one tile, if it is not too large for that."""
    header = way.header
    way = way._replace(
        header=replace(header, model_id=b"", tile_width=header.width, tile_height=header.height)
    )
    layers = layers_of(way.header)
    raw = (to_raw(plane_of(way.pixels, layer), layer.bits) for layer in layers)
    return way, tuple(Tile(TileKind.RAW, 0, data) for data in raw)


def _check_same(decoded: Picture, picture: Picture) -> None:
    same = np.array_equal(decoded.pixels, picture.pixels)
    if not same or decoded._replace(pixels=picture.pixels) != picture:
        raise PixcodecError("the encoded image decodes to another one: nothing was written; please report it")


# Decoding: the tiles that a region touches, then the way back to the picture.


def _decode_picture(
    data: bytes | bytearray | memoryview, given: _Given, max_pixels: int | None, region: Region | None
) -> Picture:
    container = parse(data)
    header = container.header
    part = checked_region(header, region, max_pixels)
    pixels = _decode_tiles(container, part, given)
    palette = container.palette
    if header.index_bits:
        pixels, palette = _looked_up(header, palette, pixels), b""
    if header.jpeg:
        rows, columns = part.slices
        known = coefficient_pixels(header, container.coefficients)[rows, columns]
        pixels = known + pixels.astype(np.uint8, copy=False)
    if region is None:
        _check_hash(container, pixels)
    return Picture(
        header.mode, header.bit_depth, pixels, palette, container.transparency, container.ancillary
    )


def _decode_tiles(container: Container, part: TileBox, given: _Given) -> Pixels:
    """Return the pixels (H, W, channels of the layers) of a part of the image, from the tiles it touches."""
    header, layers = container.header, layers_of(container.header)
    channels = max((layer.first + layer.channels for layer in layers), default=header.mode.channels)
    pixels = np.zeros((part.height, part.width, channels), np.uint16 if header.coded_depth > 8 else np.uint8)
    manner = manner_of(container, given.model)
    touched = [(number, box) for number, box in enumerate(header.grid) if box.overlap(part).pixel_count]
    for number, box in touched:
        for at, layer in enumerate(layers, number * len(layers)):
            if container.tiles[at].kind is not TileKind.RAW:
                size = Extent(box.height, box.width, layer.depth, container.tiles[at].slope)
                check_slope(manner, layer, size, f"tile {at}")

    def work(item: tuple[int, TileBox], crew: Crew) -> None:
        number, box = item
        tiles = container.tiles[number * len(layers) : (number + 1) * len(layers)]
        tile = np.zeros((box.height, box.width, channels), pixels.dtype)
        planes: list[Plane] = []
        for layer, coded in zip(layers, tiles, strict=True):
            planes.append(_decode_tile(manner, layer, coded, planes, box, crew))
            put_plane(tile, layer, planes[-1])
        common = box.overlap(part)
        pixels[common.within(part)] = tile[common.within(box)]

    total = len(layers) * sum(box.pixel_count for _, box in touched)
    map_tiles(work, touched if layers else [], total, given.threads, given.progress)
    return pixels


def _decode_tile(
    manner: Manner, layer: Layer, tile: Tile, before: list[Plane], box: TileBox, crew: Crew
) -> Plane:
    """Return the plane (H, W, C) of a layer of a tile."""
    if tile.kind is TileKind.RAW:
        crew.tick(box.pixel_count)
        return from_raw(tile.bitstream, layer.bits, (box.height, box.width, layer.depth))
    size, runs = Extent(box.height, box.width, layer.depth, tile.slope), tile.kind is TileKind.RUNS
    return decode_layer(manner, layer, tile.bitstream, before, size, crew, runs=runs)


def _looked_up(header: Header, table: bytes, indices: Pixels) -> Pixels:
    """Return the pixels of indices into the table of the file's chunk PLTE."""
    if header.mapped:
        return look_up(unpack_values(table, header.bit_depth), indices)
    return look_up(unpack_colours(table, header.mode.channels, header.bit_depth), indices)


def _check_hash(container: Container, pixels: Pixels) -> None:
    digest = pixel_hash(container.header, _little_endian(pixels))
    if digest != container.pixel_hash:
        raise CorruptFileError(
            f"hash of the decoded pixels is {digest.hex()}, expected {container.pixel_hash.hex()}; all "
            "chunks are intact, so this build of pixcodec decodes differently from the encoder's"
        )
