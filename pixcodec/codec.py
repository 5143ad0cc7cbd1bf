"""Encode and decode: where container, layers, wavefronts, network, distributions and coder meet."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from pixcodec.coding.bits import BitCoder
from pixcodec.coding.nibbles import Coder, NibbleCoder
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.side import ALPHA, BILEVEL, INDEX, LOW, WIDE, SideLayer, framed
from pixcodec.container.beginning import parse_start
from pixcodec.container.chunks import CHUNK_OVERHEAD_BYTES
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import DEFAULT_MAX_PIXELS, MAX_TILE_PIXELS, MODEL_ID_SIZE_BYTES, Effort, Header
from pixcodec.container.layers import Layer, LayerKind, layers_of
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, LimitExceededError, ModelMismatchError, PixcodecError
from pixcodec.images import colours
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
from pixcodec.images.ways import Way, choose_way
from pixcodec.jpeg.way import all_ways, coefficient_pixels
from pixcodec.mixing.least_squares import PIXEL_SLOPE, error_fit, low_fit, pixel_fit, systems_size_bytes
from pixcodec.network.architecture import MIN_SLOPE
from pixcodec.network.model import Model
from pixcodec.network.model_files import find_model, load_model, shipped_model
from pixcodec.network.wavefront import WavefrontNetwork, lane_count, raster_slope, ring_size_bytes

if TYPE_CHECKING:
    from PIL import Image

Progress = Callable[[float], None]
Tick = Callable[[int], None]
Region = tuple[int, int, int, int]  # x, y, width, height

SLOPE = 3
MAX_TILE_SIDE = 1024  # the mixing stage learns in each tile anew: halving 768x512 costs 2 %
MIN_SHARED_PIXELS = 300_000  # effort normal: from here on two processors share an image, at that cost
FAST_TILE_HEIGHT = 256  # network only: nothing is learnt in a tile, so small tiles cost only their edges
MAX_RING_SIZE_BYTES = 2**30
_SIDE_KINDS = {
    LayerKind.ALPHA: ALPHA,
    LayerKind.LOW: LOW,
    LayerKind.INDEX: INDEX,
    LayerKind.BILEVEL: BILEVEL,
    LayerKind.WIDE: WIDE,
}


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
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.

    Raises
    ------
    UnsupportedImageError, LimitExceededError
    """
    effort_ = _one_of("effort", effort, {e.name.lower(): e for e in Effort})
    raster = _one_of("order", order, {"wavefront": False, "raster": True})
    picture = to_picture(image, strip=strip, info=info)
    height, width = picture.pixels.shape[:2]
    tile_width, tile_height = _tile_size(effort_, width, height)
    slope = raster_slope(tile_width) if raster else SLOPE
    header = Header(
        *(width, height, picture.mode, effort_, tile_width, tile_height, b""), bit_depth=picture.bit_depth
    )
    chosen = _load(model)

    def coded(way: Way, threads: int | None, progress: Progress | None) -> tuple[Header, tuple[Tile, ...]]:
        network = _network(way.header, chosen)
        header = way.header
        if network:
            header = replace(header, model_id=network.model_id[:MODEL_ID_SIZE_BYTES])
        return header, _encode_tiles(header, way.pixels, network, slope, threads, progress)

    def size_bytes(way: Way) -> int:
        return _chunks_size_bytes(way) + _size_bytes(coded(way, threads, None)[1])

    done = []
    for ways in all_ways(header, picture):
        way = choose_way(ways, size_bytes)
        header, tiles = coded(way, threads, progress)
        some_raw = any(tile.kind is TileKind.RAW for tile in tiles)
        if some_raw and not header.jpeg and len(header.grid) > 1 and width * height <= MAX_TILE_PIXELS:
            raw_header, raw_tiles = _one_raw_tile(ways[0].header, ways[0].pixels)
            if _size_bytes(raw_tiles) <= _size_bytes(tiles):
                way, header, tiles = ways[0], raw_header, raw_tiles
        done.append((_chunks_size_bytes(way) + _size_bytes(tiles), way, header, tiles))
    _, way, header, tiles = min(done, key=itemgetter(0))
    digest = pixel_hash(header, _little_endian(picture.pixels))
    chunks = (picture.chunks, way.table, picture.transparency, way.coefficients)
    data = pack(Container(header, tiles, digest, *chunks))
    if verify:
        again = _decode_picture(data, chosen, threads, None, None, None)
        if (
            not np.array_equal(again.pixels, picture.pixels)
            or again._replace(pixels=picture.pixels) != picture
        ):
            raise PixcodecError(
                "the encoded image decodes to another one: nothing was written; please report it"
            )
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
    return to_array(_decode_picture(data, _load(model), threads, max_pixels, region, progress))


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
    return to_pillow(_decode_picture(data, _load(model), threads, max_pixels, region, progress))


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


def _one_of(what: str, value: str, choices: dict[str, Any]) -> Any:
    if value not in choices:
        raise ValueError(f"{what} is {value!r}, expected one of {', '.join(choices)}")
    return choices[value]


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


def _load(model: Model | str | os.PathLike[str] | None) -> Model | None:
    return model if model is None or isinstance(model, Model) else load_model(Path(model))


def _network(header: Header, chosen: Model | None) -> Model | None:
    """Return the network to encode with: ``chosen``, a shipped one, or None if no layer needs one."""
    channels = _network_channels(header)
    if channels == 0:
        return None
    _check_channels(chosen, channels)
    return chosen or shipped_model(channels)


def _check_channels(model: Model | None, channels: int) -> None:
    if model and model.architecture.channels != channels:
        raise ModelMismatchError(
            f"model {model.name} is for images of {model.architecture.channels} channels, "
            f"the image has {channels}"
        )


def _network_channels(header: Header) -> int:
    """Return how many channels the network has that the layers need, 0 if they need none."""
    return next((la.channels for la in layers_of(header) if la.kind is LayerKind.NETWORK), 0)


def _little_endian(pixels: Pixels) -> memoryview:
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return little.view(np.uint8).reshape(-1).data


def _encode_tiles(
    header: Header,
    pixels: Pixels,
    network: Model | None,
    wanted_slope: int,
    threads: int | None,
    progress: Progress | None,
) -> tuple[Tile, ...]:
    layers = layers_of(header)

    def work(number: int, box: TileBox, tick: Tick) -> list[Tile]:
        part = pixels[box.slices]
        planes = [plane_of(part, layer) for layer in layers]
        tiles = []
        for layer, plane in zip(layers, planes, strict=True):
            raw_size = layer.raw_size_bytes(box.pixel_count)
            encoder = Encoder()
            slope = max(wanted_slope, _least_slope(header.effort, layer))
            stage = _stage(header, network, layer, planes, box, slope, plane)
            _run(stage.coder, encoder, tick)
            bitstream = encoder.finish()
            if len(bitstream) < raw_size:
                tiles.append(Tile(TileKind.CODED, slope, bitstream))
            else:
                tiles.append(Tile(TileKind.RAW, 0, to_raw(plane, layer.bits)))
        return tiles

    done = _map_tiles(work, list(enumerate(header.grid)), len(layers), threads, progress)
    return tuple(tile for tiles in done for tile in tiles)


def _chunks_size_bytes(way: Way) -> int:
    """Return how many bytes the chunks take that are not tiles, in one way or another."""
    return sum(CHUNK_OVERHEAD_BYTES + len(chunk) for chunk in (way.table, way.coefficients) if chunk)


def _size_bytes(tiles: Sequence[Tile]) -> int:
    """Return about how many bytes the chunks of tiles take."""
    return sum(len(tile.bitstream) + CHUNK_OVERHEAD_BYTES + 2 for tile in tiles)


def _one_raw_tile(header: Header, pixels: Pixels) -> tuple[Header, tuple[Tile, ...]]:
    """Return an image that cannot be compressed as few chunks: a tile, if it is not too large for one."""
    header = replace(header, model_id=b"", tile_width=header.width, tile_height=header.height)
    layers = layers_of(header)
    planes = (plane_of(pixels, layer) for layer in layers)
    return header, tuple(
        Tile(TileKind.RAW, 0, to_raw(plane, layer.bits)) for plane, layer in zip(planes, layers, strict=True)
    )


def _decode_picture(
    data: bytes | bytearray | memoryview,
    model: Model | None,
    threads: int | None,
    max_pixels: int | None,
    region: Region | None,
    progress: Progress | None,
) -> Picture:
    container = parse(data)
    header = container.header
    layers = layers_of(header)
    x, y, width, height = _checked_region(header, region, max_pixels)
    boxes = [
        (number, box)
        for number, box in enumerate(header.grid)
        if box.x < x + width and x < box.x + box.width and box.y < y + height and y < box.y + box.height
    ]
    network = _network_of(container, model)
    for number, box in boxes:
        for index, layer in enumerate(layers):
            at = number * len(layers) + index
            _check_slope(network, header.effort, at, container.tiles[at], layer, box)
    coded_channels = max((layer.first + layer.channels for layer in layers), default=header.mode.channels)
    pixels = np.zeros((height, width, coded_channels), np.uint16 if header.coded_depth > 8 else np.uint8)
    if header.jpeg:
        known = coefficient_pixels(header, container.coefficients)[y : y + height, x : x + width]

    def work(number: int, box: TileBox, tick: Tick) -> None:
        tiles = container.tiles[number * len(layers) : (number + 1) * len(layers)]
        part = np.zeros((box.height, box.width, coded_channels), pixels.dtype)
        planes: list[Plane] = []
        for layer, tile in zip(layers, tiles, strict=True):
            if tile.kind is TileKind.RAW:
                plane = from_raw(tile.bitstream, layer.bits, (box.height, box.width, layer.depth))
                tick(box.pixel_count)
            else:
                decoder = Decoder(tile.bitstream)
                stage = _stage(header, network, layer, planes, box, tile.slope, None)
                _run(stage.coder, decoder, tick)
                decoder.finish()
                plane = stage.layer.planes()
            planes.append(plane)
            put_plane(part, layer, plane)
        left, top = max(x, box.x), max(y, box.y)
        right, bottom = min(x + width, box.x + box.width), min(y + height, box.y + box.height)
        pixels[top - y : bottom - y, left - x : right - x] = part[
            top - box.y : bottom - box.y, left - box.x : right - box.x
        ]

    _map_tiles(work, boxes, len(layers), threads, progress)
    palette = container.palette
    if header.index_bits:
        if header.mapped:
            table = colours.unpack_values(palette, header.bit_depth)
        else:
            table = colours.unpack_colours(palette, header.mode.channels, header.bit_depth)
        pixels = colours.look_up(table, pixels)
        palette = b""
    if header.jpeg:
        pixels = known + pixels.astype(np.uint8, copy=False)
    if region is None:
        digest = pixel_hash(header, _little_endian(pixels))
        if digest != container.pixel_hash:
            raise CorruptFileError(
                f"hash of the decoded pixels is {digest.hex()}, expected {container.pixel_hash.hex()}; all "
                "chunks are intact, so this build of pixcodec decodes differently from the encoder's"
            )
    return Picture(
        header.mode, header.bit_depth, pixels, palette, container.transparency, container.ancillary
    )


def _checked_region(header: Header, region: Region | None, max_pixels: int | None) -> Region:
    """Return the region that is to be decoded, the whole image if it is None."""
    size = (header.width, header.height)
    x, y, width, height = region or (0, 0, *size)
    if min(x, y) < 0 or min(width, height) < 1 or x + width > header.width or y + height > header.height:
        raise ValueError(
            f"region is {width}x{height} at ({x}, {y}), the image is {header.width}x{header.height}"
        )
    columns, rows = size if header.jpeg else (width, height)
    if max_pixels is not None and columns * rows > max_pixels:
        raise LimitExceededError(
            f"image is {columns}x{rows}, {columns * rows} pixels, the limit is {max_pixels} pixels"
        )
    return x, y, width, height


def _network_of(container: Container, chosen: Model | None) -> Model | None:
    """Return the network that a file was encoded with, None if it was none."""
    channels = _network_channels(container.header)
    layers = layers_of(container.header)
    for index, tile in enumerate(container.tiles):
        if layers[index % len(layers)].kind is LayerKind.NETWORK and tile.kind is TileKind.CODED:
            _check_channels(chosen, channels)
            return find_model(container.header.model_id, channels, chosen)
    return None


def _least_slope(effort: Effort, layer: Layer) -> int:
    """Return the least slope that a layer can be coded with."""
    return PIXEL_SLOPE if effort is Effort.MAX and layer.kind is LayerKind.NETWORK else MIN_SLOPE


def _check_slope(
    network: Model | None, effort: Effort, index: int, tile: Tile, layer: Layer, box: TileBox
) -> None:
    if tile.kind is TileKind.RAW:
        return
    # A tile at the right edge may be narrower than the width that the slope was chosen for.
    least = _least_slope(effort, layer)
    if tile.slope < least:
        raise CorruptFileError(f"tile {index}: slope is {tile.slope}, expected at least {least}")
    needed = 0
    if layer.kind is LayerKind.NETWORK:
        assert network is not None
        needed = ring_size_bytes(network, box.height, tile.slope)
    if effort is Effort.MAX or layer.low_bits:
        lanes = lane_count(tile.slope, box.height, box.width)
        fits = [low_fit] if layer.low_bits else [pixel_fit, error_fit]
        needed += sum(systems_size_bytes(fit(layer.channels), lanes, tile.slope) for fit in fits)
    if needed > MAX_RING_SIZE_BYTES:
        raise LimitExceededError(
            f"tile {index}: slope {tile.slope} needs {needed} bytes of memory, "
            f"the limit is {MAX_RING_SIZE_BYTES}"
        )


def _map_tiles(
    work: Callable[[int, TileBox, Tick], Any],
    boxes: Sequence[tuple[int, TileBox]],
    layers: int,
    threads: int | None,
    progress: Progress | None,
) -> list[Any]:
    """Return ``work`` of every tile (number, box), in order, on up to ``threads`` threads.

    ``work`` ticks for every pixel of each of the ``layers``.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, expected at least 1")
    if layers == 0:
        if progress is not None:
            progress(1.0)
        return []
    count = min(threads or _processors(), len(boxes))
    stopped = threading.Event()
    count_done = _ticker(layers * sum(box.pixel_count for _, box in boxes), progress)

    def tick(pixels: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        count_done(pixels)

    # Measured with two tiles on two processors: encoding, in batches, takes 0.54 of one thread's time.
    # Decoding takes 0.64, waiting for the interpreter's lock between kernel and range coder, at each bit.
    # The products are small: a second BLAS thread would only wait for the first.
    with threadpool_limits(1, "blas"):
        if count == 1:
            return [work(number, box, tick) for number, box in boxes]
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(work, number, box, tick) for number, box in boxes]
            try:
                return [future.result() for future in futures]
            except BaseException:
                stopped.set()  # or an interrupt would wait for the tiles under way
                pool.shutdown(cancel_futures=True)
                raise


class _StoppedError(Exception):
    """Another tile failed, or the user interrupted: leave this one."""


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ticker(total: int, progress: Progress | None) -> Tick:
    """Return a function that counts pixels done and reports at every further percent."""
    if progress is None:
        return lambda pixels: None
    lock = threading.Lock()
    done, shown = 0, 0

    def tick(pixels: int) -> None:
        nonlocal done, shown
        with lock:
            done += pixels
            if done * 100 < (shown + 1) * total:
                return
            shown = done * 100 // total
            progress(done / total)

    return tick


class _Stage(NamedTuple):
    """What codes or decodes a layer of a tile, and what then holds its values."""

    coder: NibbleCoder | BitCoder
    layer: WavefrontNetwork | SideLayer


def _stage(
    header: Header,
    network: Model | None,
    layer: Layer,
    planes: Sequence[Plane],
    box: TileBox,
    slope: int,
    plane: Plane | None,
) -> _Stage:
    """Return the stage that codes ``plane``, or decodes it if there is none, after the layers ``planes``."""
    decoding = plane is None
    sees = np.zeros((box.height, box.width, 0), np.uint8)
    if layer.sees:
        sees = np.concatenate([planes[k] for k in layer.sees], 2)
    if layer.kind is LayerKind.NETWORK:
        assert network is not None
        net = WavefrontNetwork(network, box.height, box.width, slope, plane)
        if header.effort is Effort.FAST:
            return _Stage(NibbleCoder(net, decoding), net)
        return _Stage(BitCoder(net, int(header.effort), decoding, header.graphics, framed(sees)), net)
    side = SideLayer(
        *(
            _SIDE_KINDS[layer.kind],
            layer.bits,
            layer.low_bits,
            sees,
            box.height,
            box.width,
            layer.depth,
            slope,
        ),
        *(header.effort is not Effort.FAST, header.graphics, plane),
    )
    return _Stage(BitCoder(side, max(1, int(header.effort)), decoding), side)


def _run(stage: NibbleCoder | BitCoder, coder: Coder, tick: Tick) -> None:
    """Code or decode a layer of a tile."""
    while pixels := stage.code(coder):
        tick(pixels)
