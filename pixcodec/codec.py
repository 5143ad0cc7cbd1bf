"""Encode and decode: where container, tiles, wavefronts, network, distributions and coder meet."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pixcodec.architecture import MIN_SLOPE
from pixcodec.atomic import write_whole
from pixcodec.bits import BitCoder
from pixcodec.container import Container, Effort, Header, Mode, Tile, TileKind, pack, parse, pixel_hash
from pixcodec.errors import CorruptFileError, LimitExceededError, ModelMismatchError, PixcodecError
from pixcodec.integer_net import Model, find_model, load_model, shipped_model
from pixcodec.least_squares import systems_size_bytes
from pixcodec.nibbles import Coder, NibbleCoder
from pixcodec.planes import AnyImage, from_planes, to_planes
from pixcodec.rangecoder import Decoder, Encoder
from pixcodec.tiles import TileBox
from pixcodec.wavefront import WavefrontNetwork, lane_count, raster_slope, ring_size_bytes

Planes = npt.NDArray[np.uint8]
Progress = Callable[[float], None]

SLOPE = 3
MAX_TILE_SIDE = 1024  # the mixing stage learns in each tile anew: halving 768x512 costs 2 %
MIN_SHARED_PIXELS = 300_000  # effort normal: from here on two processors share an image, at that cost
FAST_TILE_HEIGHT = 256  # network only: nothing is learnt in a tile, so small tiles cost only their edges
MAX_RING_SIZE_BYTES = 2**30
DEFAULT_MAX_PIXELS = 2**28


def encode(
    image: AnyImage,
    *,
    effort: str = "normal",
    order: str = "wavefront",
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    verify: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """Return an image as the bytes of a .pxc file.

    Parameters
    ----------
    image : ndarray or PIL image
        uint8 of shape (H, W) or (H, W, 3), or mode L or RGB.
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
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.

    Raises
    ------
    UnsupportedImageError, LimitExceededError
    """
    effort_ = _one_of("effort", effort, {e.name.lower(): e for e in Effort})
    raster = _one_of("order", order, {"wavefront": False, "raster": True})
    mode, planes = to_planes(image)
    network = _chosen(model, mode.channels) or shipped_model(mode.channels)
    height, width = planes.shape[:2]
    tile_width, tile_height = _tile_size(effort_, width, height)
    header = Header(width, height, mode, effort_, tile_width, tile_height, network.model_id)
    slope = raster_slope(tile_width) if raster else SLOPE

    def work(box: TileBox, tick: Callable[[int], None]) -> Tile:
        pixels = planes[box.slices]
        encoder = Encoder()
        _code_tile(network, effort_, box, slope, encoder, pixels, tick)
        bitstream = encoder.finish()
        if len(bitstream) >= pixels.size:
            return Tile(TileKind.RAW, 0, pixels.tobytes())
        return Tile(TileKind.CODED, slope, bitstream)

    tiles = _map_tiles(work, header, threads, progress)
    digest = pixel_hash(width, height, mode, planes.data)
    data = pack(Container(header, tuple(tiles), digest))
    if verify and not np.array_equal(_decode_planes(data, network, threads, None, None)[1], planes):
        raise PixcodecError(
            "the encoded image decodes to other pixels: nothing was written; please report it"
        )
    return data


def decode(
    data: bytes | bytearray | memoryview,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    progress: Progress | None = None,
) -> Planes:
    """Return the image of a .pxc file, exactly as it was.

    Parameters
    ----------
    data : bytes-like
    model : Model or path, optional
        The model that the file was encoded with, if it is not the one that ships with the package.
    threads : int, optional
        At most; default: as many as there are processors.
    max_pixels : int or None
        Refuse larger images before anything is allocated.
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.

    Returns
    -------
    ndarray of uint8
        (H, W) for grey, (H, W, 3) for RGB.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
    """
    mode, planes = _decode_planes(data, model, threads, max_pixels, progress)
    return from_planes(mode, planes)


def save(path: str | os.PathLike[str], image: AnyImage, **options: Any) -> None:
    """Encode ``image`` to ``path``; options as for :func:`encode`.

    The file is complete or not there: it is written beside ``path`` and renamed.
    """
    write_whole(Path(path), encode(image, **options))


def open(path: str | os.PathLike[str], **options: Any) -> Planes:
    """Return the image of the .pxc file at ``path``; options as for :func:`decode`."""
    return decode(Path(path).read_bytes(), **options)


def _one_of(what: str, value: str, choices: dict[str, Any]) -> Any:
    if value not in choices:
        raise ValueError(f"{what} is {value!r}, expected one of {', '.join(choices)}")
    return choices[value]


def _chosen(model: Model | str | os.PathLike[str] | None, channels: int) -> Model | None:
    """Return the model that the caller gave, loaded, if it gave one."""
    if model is None:
        return None
    loaded = model if isinstance(model, Model) else load_model(Path(model))
    if loaded.architecture.channels != channels:
        raise ModelMismatchError(
            f"model {loaded.name} is for images of {loaded.architecture.channels} channels, "
            f"the image has {channels}"
        )
    return loaded


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


def _decode_planes(
    data: bytes | bytearray | memoryview,
    model: Model | str | os.PathLike[str] | None,
    threads: int | None,
    max_pixels: int | None,
    progress: Progress | None,
) -> tuple[Mode, Planes]:
    container = parse(data)
    header = container.header
    pixels = header.width * header.height
    if max_pixels is not None and pixels > max_pixels:
        raise LimitExceededError(
            f"image is {header.width}x{header.height}, {pixels} pixels, the limit is {max_pixels} pixels"
        )
    channels = header.mode.channels
    network = None
    if any(tile.kind is TileKind.CODED for tile in container.tiles):
        network = find_model(header.model_id, channels, _chosen(model, channels))
        for index, (tile, box) in enumerate(zip(container.tiles, header.grid, strict=True)):
            _check_slope(network, header.effort, index, tile, box)
    planes = np.empty((header.height, header.width, channels), np.uint8)
    tiles = dict(zip(header.grid, container.tiles, strict=True))

    def work(box: TileBox, tick: Callable[[int], None]) -> None:
        tile = tiles[box]
        if tile.kind is TileKind.RAW:
            raw = np.frombuffer(tile.bitstream, np.uint8)
            planes[box.slices] = raw.reshape(box.height, box.width, channels)
            tick(box.pixel_count)
            return
        assert network is not None
        decoder = Decoder(tile.bitstream)
        planes[box.slices] = _code_tile(network, header.effort, box, tile.slope, decoder, None, tick)
        decoder.finish()

    _map_tiles(work, header, threads, progress)
    digest = pixel_hash(header.width, header.height, header.mode, planes.data)
    if digest != container.pixel_hash:
        raise CorruptFileError(
            f"hash of the decoded pixels is {digest.hex()}, expected {container.pixel_hash.hex()}; all "
            "chunks are intact, so this build of pixcodec decodes differently from the encoder's"
        )
    return header.mode, planes


def _check_slope(network: Model, effort: Effort, index: int, tile: Tile, box: TileBox) -> None:
    if tile.kind is TileKind.RAW:
        return
    # A tile at the right edge may be narrower than the width that the slope was chosen for.
    if tile.slope < MIN_SLOPE:
        raise CorruptFileError(f"tile {index}: slope is {tile.slope}, expected at least {MIN_SLOPE}")
    needed = ring_size_bytes(network, box.height, tile.slope)
    if effort is Effort.MAX:
        lanes = lane_count(tile.slope, box.height, box.width)
        needed += systems_size_bytes(network.architecture.channels, lanes, tile.slope)
    if needed > MAX_RING_SIZE_BYTES:
        raise LimitExceededError(
            f"tile {index}: slope {tile.slope} needs {needed} bytes of memory, "
            f"the limit is {MAX_RING_SIZE_BYTES}"
        )


def _map_tiles(
    work: Callable[[TileBox, Callable[[int], None]], Any],
    header: Header,
    threads: int | None,
    progress: Progress | None,
) -> list[Any]:
    """Return ``work`` of every tile, in order, on up to ``threads`` threads."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, expected at least 1")
    boxes = list(header.grid)
    count = min(threads or _processors(), len(boxes))
    stopped = threading.Event()
    count_done = _ticker(header.width * header.height, progress)

    def tick(pixels: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        count_done(pixels)

    # Measured with two tiles on two processors: encoding, in batches, takes 0.54 of one thread's time.
    # Decoding takes 0.64, waiting for the interpreter's lock between kernel and range coder, at each bit.
    # The products are small: a second BLAS thread would only wait for the first.
    with threadpool_limits(1, "blas"):
        if count == 1:
            return [work(box, tick) for box in boxes]
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(work, box, tick) for box in boxes]
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


def _ticker(total: int, progress: Progress | None) -> Callable[[int], None]:
    """Return a function that counts pixels done and reports at every further percent."""
    if progress is None:
        return lambda pixels: None
    lock = threading.Lock()
    done = shown = 0

    def tick(pixels: int) -> None:
        nonlocal done, shown
        with lock:
            done += pixels
            if done * 100 < (shown + 1) * total:
                return
            shown = done * 100 // total
            progress(done / total)

    return tick


def _code_tile(
    model: Model,
    effort: Effort,
    box: TileBox,
    slope: int,
    coder: Coder,
    planes: Planes | None,
    tick: Callable[[int], None],
) -> Planes:
    """Code (``planes`` given) or decode one tile; return its pixels (H, W, C)."""
    net = WavefrontNetwork(model, box.height, box.width, slope, planes)
    decoding = planes is None
    stage = NibbleCoder(net, decoding) if effort is Effort.FAST else BitCoder(net, int(effort), decoding)
    while pixels := stage.code(coder):
        tick(pixels)
    return net.planes() if planes is None else planes
