"""Encode and decode: picture -> ways -> layers -> tiles -> bitstreams -> container, and back.

A *way* is a form in which a picture may be coded: as it is, as graphics, by a table of its colours, by JPEG
coefficients. Its pixels are cut into tiles, and each tile into layers: planes of values of up to eight bits,
which follow one another. Each layer of a tile is one bitstream.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pixcodec.coding.layer import (
    Manner,
    check_slope,
    decode_layer,
    encode_layer,
    least_slope,
    threads_of_a_tile,
)
from pixcodec.coding.threads import Alike, Crew, Progress, map_tiles
from pixcodec.container.beginning import parse_start
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import (
    DEFAULT_MAX_PIXELS,
    MAX_TILE_PIXELS,
    MODEL_ID_SIZE_BYTES,
    Effort,
    Header,
)
from pixcodec.container.layers import Layer, LayerKind, layers_of, network_channels
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.regions import Region, checked_region
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, PixcodecError
from pixcodec.images.colours import look_up_in
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
from pixcodec.images.planes import Pixels, Plane, from_raw, little_endian, plane_of, put_plane, to_raw
from pixcodec.images.ways import Way, choose_way, coded_size_bytes, one_raw_tile, size_bytes
from pixcodec.jpeg.way import all_ways, coefficient_pixels
from pixcodec.mixing.state import Extent
from pixcodec.network.model import Model
from pixcodec.network.model_files import check_channels, find_model, load_model, shipped_model
from pixcodec.network.wavefront import raster_slope

if TYPE_CHECKING:
    from PIL import Image

SLOPE = 3
MAX_TILE_SIDE = 1024  # the mixing stage learns in each tile anew: halving 768x512 costs 2 %
MIN_SHARED_PIXELS = 300_000  # effort normal: from here on two processors share an image, at that cost
MAX_ALIKE_SIZE_BYTES = 1024  # of the bitstreams of a tile that may be decoded once for several that are alike
MAX_FORESEEN_PIXELS = 1 << 18  # of a tile that is checked by what was encoded: it takes 12 bytes a pixel
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
    effort : {"fast", "normal", "max"}
        How much time to spend; decoding takes as long as encoding.
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
    del image  # the last reference to it, if the caller wants
    header = _header_of(picture, effort_)
    slope = raster_slope(header.tile_width) if raster else SLOPE
    given = _Given(_load(model), threads, progress, device)
    way, tiles = _smallest(all_ways(header, picture), slope, given)
    digest = pixel_hash(way.header, little_endian(picture.pixels))
    chunks = (picture.chunks, way.table, picture.transparency, way.coefficients)
    data = pack(Container(way.header, tiles, digest, *chunks))
    del tiles
    if verify:
        _verify(data, given._replace(progress=None), way, picture)
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
            ways, lambda way: coded_size_bytes(*_encode_way(way, slope, given._replace(progress=None)))
        )
        way, tiles = _encode_way(way, slope, given)
        header = way.header
        some_raw = any(tile.kind is TileKind.RAW for tile in tiles)
        small = header.width * header.height <= MAX_TILE_PIXELS
        if some_raw and not header.jpeg and len(header.grid) > 1 and small:
            raw, raw_tiles = one_raw_tile(ways[0])
            if size_bytes(raw_tiles) <= size_bytes(tiles):
                way, tiles = raw, raw_tiles
        done.append((way, tiles))
    return min(done, key=lambda pair: coded_size_bytes(*pair))


def _encode_way(way: Way, slope: int, given: _Given) -> tuple[Way, tuple[Tile, ...]]:
    """Return a way whose header names the model, and the tiles of its layers."""
    manner = _manner_for(way.header, given)
    if manner.model:
        model_id = manner.model.model_id[:MODEL_ID_SIZE_BYTES]
        way = way._replace(header=replace(way.header, model_id=model_id))
    layers, alike = layers_of(way.header), Alike()

    def work(box: TileBox, crew: Crew) -> list[Tile]:
        pixels = way.pixels[box.slices]
        key = (pixels.shape, blake2b(little_endian(pixels)).digest())

        def encode_it() -> list[Tile]:
            planes = [plane_of(pixels, layer) for layer in layers]
            return [_encode_tile(manner, layer, planes, k, slope, crew) for k, layer in enumerate(layers)]

        return alike.result(key, encode_it, lambda: crew.tick(len(layers) * box.pixel_count))

    total = len(layers) * way.header.width * way.header.height
    tiles, share = list(way.header.grid) if layers else [], threads_of_a_tile(way.header.effort)
    done = map_tiles(work, tiles, total, given.threads, given.progress, share=share)
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


def _verify(data: bytes, given: _Given, way: Way, picture: Picture) -> None:
    """Raise an error unless a file decodes to a picture that was encoded in a way."""
    wrong = PixcodecError("the encoded image decodes to another one: nothing was written; please report it")
    try:
        decoded = _decode_picture(data, given, None, None, way.pixels)
    except CorruptFileError as error:
        raise wrong from error
    same = np.array_equal(decoded.pixels, picture.pixels)
    if not same or decoded._replace(pixels=picture.pixels) != picture:
        raise wrong


# The network: that of the header, or one that the caller chose.


def _manner_for(header: Header, given: _Given) -> Manner:
    """Return how to encode: with the model given, a shipped one, or none if no layer needs one."""
    channels = network_channels(header)
    model = mixtures = None
    if channels:
        check_channels(given.model, channels)
        model = given.model or shipped_model(channels)
    if model is not None and given.device is not None:
        from pixcodec.network.torch_net import network_on

        mixtures = network_on(model, given.device).mixtures
    return Manner(header.effort, header.graphics, model, mixtures)


def _manner_of(container: Container, chosen: Model | None) -> Manner:
    """Return how a file was encoded."""
    header = container.header
    channels = network_channels(header)
    layers = layers_of(header)
    model = None
    for index, tile in enumerate(container.tiles):
        if layers[index % len(layers)].kind is LayerKind.NETWORK and tile.kind is not TileKind.RAW:
            check_channels(chosen, channels)
            model = find_model(header.model_id, channels, chosen)
            break
    return Manner(header.effort, header.graphics, model)


# Decoding: the tiles that a region touches, then the way back to the picture.


def _decode_picture(
    data: bytes | bytearray | memoryview,
    given: _Given,
    max_pixels: int | None,
    region: Region | None,
    foreseen: Pixels | None = None,
) -> Picture:
    """Return the picture, or a region of it; ``foreseen``: what the layers hold, when a file is checked."""
    container = parse(data)
    header = container.header
    part = checked_region(header, region, max_pixels)
    pixels = _decode_tiles(container, part, given, foreseen)
    palette = b"" if header.index_bits else container.palette
    if header.jpeg:
        rows, columns = part.slices
        known = coefficient_pixels(header, container.coefficients)[rows, columns]
        pixels = known + pixels.astype(np.uint8, copy=False)
    if region is None:
        _check_hash(container, pixels)
    return Picture(
        header.mode, header.bit_depth, pixels, palette, container.transparency, container.ancillary
    )


def _decode_tiles(container: Container, part: TileBox, given: _Given, foreseen: Pixels | None) -> Pixels:
    """Return the pixels (H, W, C) of a part of the image, or their correction, from the tiles it touches."""
    header, layers = container.header, layers_of(container.header)
    kind = np.uint16 if header.bit_depth > 8 else np.uint8
    pixels = np.zeros((part.height, part.width, header.mode.channels), kind)
    to_pixels = look_up_in(header, container.palette)
    manner = _manner_of(container, given.model)
    touched = [(number, box) for number, box in enumerate(header.grid) if box.overlap(part).pixel_count]
    for number, box in touched:
        for at, layer in enumerate(layers, number * len(layers)):
            if container.tiles[at].kind is not TileKind.RAW:
                size = Extent(box.height, box.width, layer.depth, container.tiles[at].slope)
                check_slope(manner, layer, size, f"tile {at}")
    alike = Alike()

    def work(item: tuple[int, TileBox], crew: Crew) -> None:
        number, box = item
        tiles = container.tiles[number * len(layers) : (number + 1) * len(layers)]
        known = None if foreseen is None else foreseen[box.slices]

        def decode_it() -> Pixels:
            return to_pixels(_decode_tile(manner, layers, tiles, box, crew, known))

        short = sum(len(tile.bitstream) for tile in tiles) <= MAX_ALIKE_SIZE_BYTES
        key = (box.height, box.width, tiles) if short else None
        tile = alike.result(key, decode_it, lambda: crew.tick(len(layers) * box.pixel_count))
        common = box.overlap(part)
        pixels[common.within(part)] = tile[common.within(box)]

    total = len(layers) * sum(box.pixel_count for _, box in touched)
    share = threads_of_a_tile(header.effort)
    map_tiles(work, touched if layers else [], total, given.threads, given.progress, share=share)
    return pixels


def _decode_tile(
    manner: Manner,
    layers: Sequence[Layer],
    tiles: Sequence[Tile],
    box: TileBox,
    crew: Crew,
    foreseen: Pixels | None,
) -> Pixels:
    """Return what the layers of a tile hold, as pixels (H, W, channels of the layers)."""
    channels = max(layer.first + layer.channels for layer in layers)
    deep = any(layer.shift + layer.bits > 8 for layer in layers)
    pixels = np.zeros((box.height, box.width, channels), np.uint16 if deep else np.uint8)
    planes: list[Plane] = []
    for layer, tile in zip(layers, tiles, strict=True):
        if tile.kind is TileKind.RAW:
            crew.tick(box.pixel_count)
            planes.append(from_raw(tile.bitstream, layer.bits, (box.height, box.width, layer.depth)))
        else:
            size, runs = Extent(box.height, box.width, layer.depth, tile.slope), tile.kind is TileKind.RUNS
            small = box.pixel_count <= MAX_FORESEEN_PIXELS
            known = plane_of(foreseen, layer) if foreseen is not None and small else None
            planes.append(
                decode_layer(manner, layer, tile.bitstream, planes, size, crew, runs=runs, foreseen=known)
            )
        put_plane(pixels, layer, planes[-1])
    return pixels


def _check_hash(container: Container, pixels: Pixels) -> None:
    digest = pixel_hash(container.header, little_endian(pixels))
    if digest != container.pixel_hash:
        raise CorruptFileError(
            f"hash of the decoded pixels is {digest.hex()}, expected {container.pixel_hash.hex()}; all "
            "chunks are intact, so this build of pixcodec decodes differently from the encoder's"
        )
