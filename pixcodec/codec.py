"""Encode and decode: picture -> ways -> layers -> tiles -> bitstreams -> container, and back.

A *way* is a form in which a picture may be coded: as it is, as graphics, by a table of its colours, by JPEG
coefficients. Its pixels are cut into tiles, and each tile into layers: planes of values of up to eight bits,
which follow one another. Each layer of a tile is one bitstream.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pixcodec.coding.threads import Progress
from pixcodec.container.beginning import parse_start
from pixcodec.container.container import Container, pack, parse
from pixcodec.container.deep import MOST_CODED_DEPTH, Deep
from pixcodec.container.header import (
    DEFAULT_MAX_PIXELS,
    MAX_PIXELS,
    WIDER_VERSION,
    Effort,
    Header,
    Mode,
)
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.regions import Region, checked_region
from pixcodec.container.salvage import salvage
from pixcodec.container.series_start import holds_series
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedImageError
from pixcodec.frames.api import series_image, series_in, shown_frame, with_info
from pixcodec.frames.encoder import encode_series
from pixcodec.images.files import is_jpeg, read_image
from pixcodec.images.packed.way import packed_way
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
from pixcodec.images.planes import Pixels, little_endian
from pixcodec.images.sample_maps import palette_in
from pixcodec.images.ways import Way, coded_size_bytes, research_way
from pixcodec.jpeg.files.kept import keep, kept_info, kept_picture, restored
from pixcodec.jpeg.stream.coder import Workers
from pixcodec.jpeg.way import all_ways, coefficient_pixels
from pixcodec.network.model import Model
from pixcodec.network.model_files import load_model_or_none
from pixcodec.network.wavefront import raster_slope
from pixcodec.tiling import SLOPE, Given, decode_tiles, smallest_way, with_network

if TYPE_CHECKING:
    from PIL import Image

Images = Sequence[AnyImage]
FileLike = bytes | bytearray | memoryview | str | os.PathLike[str]  # an image file, or its path

MAX_TILE_SIDE = 1024  # the mixing stage learns in each tile anew: halving 768x512 costs 2 %
MIN_SHARED_PIXELS = 300_000  # effort normal: from here on two processors share an image, at that cost
FAST_TILE_HEIGHT = 256  # larger tiles are 0 to 0.1 % smaller, and fewer threads code them at a time


def encode(
    image: AnyImage | FileLike | Images,
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
    pixels: bool = False,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
) -> bytes:
    """Return an image as the bytes of a .pxc file.

    Parameters
    ----------
    image : ndarray, PIL image, bytes, path, or list of images
        uint8 or uint16 of shape (H, W) or (H, W, C) with C = 1..4 (grey, grey and alpha, RGB, RGBA), bool of
        shape (H, W), int8 to float32 with C = 1..32, a PIL image with its metadata, or an image
        file. A JPEG file is kept byte for byte (:func:`restore`). All frames of a file or a PIL image are
        kept. The images of a list are pages or, if ``info`` has a ``duration``, frames of one size.
    effort : {"fast", "normal", "max", "research"}
        How much time to spend. For studies: research, a Row LSTM, for the pixels of RGB images of 8 bits.
    order : {"wavefront", "raster"}
        Raster order codes one pixel at a time: slow, for checks.
    model : Model or path, optional
        Instead of the model that ships with the package. The decoder needs it too.
    threads : int, optional
        At most; default: as many as there are processors. Never changes the bytes, nor does ``device``.
    verify, strip : bool
        Decode the result and compare before returning it; leave out the metadata.
    info : mapping, optional
        The metadata, with the keys of a PIL image's ``info``, instead of what the image itself says; of a
        list ``duration`` in milliseconds, of all frames or a list, and ``loop`` (0: for ever).
    device, progress
        Where torch runs the network, such as "cuda"; called with the fraction done, from any thread.
    pixels : bool
        Keep the pixels of a JPEG file, not the file; ``strip`` implies it.
    max_pixels : int or None
        Refuse larger images in files.

    Raises
    ------
    UnsupportedImageError, LimitExceededError, CorruptFileError, DeviceError
    """
    effort_, raster = chosen_effort(effort), _one_of("order", order, {"wavefront": False, "raster": True})
    image = _read(image)
    keeps = not (pixels or strip or effort_ is Effort.RESEARCH)
    if isinstance(image, bytes) and is_jpeg(image) and keeps:
        return keep(image, effort_, Workers(threads, progress), verify=verify, max_pixels=max_pixels)
    given = Given(load_model_or_none(model), threads, progress, device)
    most = MAX_PIXELS if max_pixels is None else max_pixels
    if series := series_in(image, info, most, strip=strip):
        return encode_series(series, effort_, given, raster=raster, verify=verify)
    picture = _picture_of(image, info, most, strip=strip)
    del image  # the last reference to it, if the caller wants
    return _encode_picture(picture, effort_, given, raster=raster, verify=verify)


def _read(image: AnyImage | FileLike | Images) -> AnyImage | bytes | Images:
    """Return the bytes of an image file, or the images themselves."""
    if isinstance(image, (str, os.PathLike)):
        return Path(image).read_bytes()
    return bytes(image) if isinstance(image, (bytearray, memoryview)) else image


def _picture_of(image: Any, info: Mapping[str, Any] | None, max_pixels: int, *, strip: bool) -> Picture:
    """Return what is to be encoded, an image or the bytes of a file, as a picture."""
    if isinstance(image, bytes):
        image, found = read_image(image, max_pixels=max_pixels)
        info = found if info is None else info
    return to_picture(image, strip=strip, info=info)


def chosen_effort(name: str) -> Effort:
    """Return the effort of a name; raise ValueError if there is none."""
    chosen: Effort = _one_of("effort", name, {e.name.lower(): e for e in Effort})
    return chosen


def restore(
    data: bytes | bytearray | memoryview,
    *,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    threads: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Return the JPEG file that a .pxc file keeps, byte for byte.

    Parameters
    ----------
    data : bytes-like
    max_pixels : int or None
        Refuse larger images before anything is allocated.
    threads, progress : optional
        As of :func:`encode`.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, LimitExceededError
    UnsupportedImageError
        If the file keeps pixels, not a JPEG file.
    """
    container = parse(data)
    if not container.header.kept:
        raise UnsupportedImageError("the .pxc file keeps pixels, not a JPEG file: decode it to an image file")
    return restored(container, max_pixels, Workers(threads, progress))


def decode(
    data: bytes | bytearray | memoryview,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    region: Region | None = None,
    progress: Progress | None = None,
    frame: int = 0,
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
        x, y, width, height in pixels: decode only the tiles, or the stripes of JPEG coefficients, that this
        part of the image lies in. The hash is of the whole image or file, and is not checked then.
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.
    frame : int
        Which frame of a file of several (:func:`decode_frames`), from 0 on, as it is shown.

    Returns
    -------
    ndarray
        (H, W), or (H, W, C) of 2, 3 or 4 channels; uint8, uint16, or bool if the image is bilevel. Of an
        image with a palette, the indices.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
    ValueError
        If the region does not lie within the image, or there is no such frame.
    """
    given = Given(load_model_or_none(model), threads, progress)
    if holds_series(data):
        return to_array(shown_frame(data, frame, given, max_pixels, region)[0])
    _check_only(frame)
    return to_array(_decode_picture(data, given, max_pixels, region))


def decode_image(
    data: bytes | bytearray | memoryview,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    region: Region | None = None,
    progress: Progress | None = None,
    frame: int = 0,
) -> Image.Image | Array:
    """Return the image of a .pxc file as a PIL image, with its palette and metadata.

    Parameters and errors as for :func:`decode`.

    Returns
    -------
    PIL.Image.Image, or ndarray
        An array of uint16 if there are more than one channel of 16 bits: Pillow has no such mode.
    """
    given = Given(load_model_or_none(model), threads, progress)
    if holds_series(data):
        return with_info(*shown_frame(data, frame, given, max_pixels, region))
    _check_only(frame)
    return to_pillow(_decode_picture(data, given, max_pixels, region))


def _check_only(frame: int) -> None:
    if frame:
        raise ValueError(f"frame is {frame}, the file has 1: 0 is the first one")


def header_image(data: bytes | bytearray | memoryview) -> tuple[str | None, tuple[int, int], dict[str, Any]]:
    """Return mode, size and ``info`` of a .pxc file as Pillow has them, without decoding the pixels.

    The mode is None if Pillow has none for the file's pixels.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, LimitExceededError
    """
    if holds_series(data):
        return series_image(bytes(data))
    header, chunks = parse_start(data)
    single = {chunk.type: chunk.payload for chunk in chunks}
    if header.kept:
        info = kept_info(header, single["JPEG"])
        return pillow_mode(header.mode, header.bit_depth, ()), (header.width, header.height), info
    ancillary = tuple(chunk for chunk in chunks if chunk.ancillary)
    info = header_info(single.get("TRNS", b""), ancillary)
    mode = pillow_mode(header.mode, header.bit_depth, ancillary, header.deep)
    return mode, (header.width, header.height), info


def _one_of(what: str, value: str, choices: dict[str, Any]) -> Any:
    if value not in choices:
        raise ValueError(f"{what} is {value!r}, expected one of {', '.join(choices)}")
    return choices[value]


# Encoding: the smallest of the ways, its tiles, the layers of a tile.


def _encode_picture(picture: Picture, effort: Effort, given: Given, *, raster: bool, verify: bool) -> bytes:
    header = header_of(picture.mode, picture.bit_depth, picture.pixels.shape[:2], effort, picture.deep)
    slope = raster_slope(header.tile_width) if raster else SLOPE
    research = effort is Effort.RESEARCH
    ways = [[research_way(header, picture)]] if research else all_ways(header, picture, given.threads)
    of_pixels = [way for group in ways for way in group if not way.header.jpeg]
    chosen = with_network(of_pixels[0], given) if of_pixels else given
    way, tiles = smallest_way(ways, slope, chosen)
    if not (research or picture.deep):
        size = coded_size_bytes(way, tiles) + len(way.header.model_id)
        way, tiles = packed_way(header, picture, size) or (way, tiles)
    digest = pixel_hash(way.header, little_endian(picture.pixels))
    chunks = (picture.chunks, way.table, picture.transparency, way.coefficients)
    data = pack(Container(way.header, tiles, digest, *chunks))
    del tiles
    if verify:
        _verify(data, given._replace(progress=None), way, picture)
    return data


def header_of(
    mode: Mode, bit_depth: int, size: tuple[int, ...], effort: Effort, deep: Deep | None = None
) -> Header:
    """Return the header of an image of a size (H, W) that is coded as it is."""
    height, width = size
    tile_width, tile_height = _tile_size(effort, width, height)
    sides = width, height, mode, effort, tile_width, tile_height, b"", bit_depth
    if deep:
        return Header(*sides, MOST_CODED_DEPTH, mapped=True, version=WIDER_VERSION, deep=deep)
    return Header(*sides)


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


def _verify(data: bytes, given: Given, way: Way, picture: Picture) -> None:
    """Raise an error unless a file decodes to a picture that was encoded in a way."""
    wrong = PixcodecError("the encoded image decodes to another one: nothing was written; please report it")
    try:
        decoded = _decode_picture(data, given, None, None, way.pixels)
    except CorruptFileError as error:
        raise wrong from error
    same = np.array_equal(decoded.pixels, picture.pixels)
    if not same or decoded._replace(pixels=picture.pixels) != picture:
        raise wrong


# Decoding: the tiles that a region touches, then the way back to the picture.


def _decode_picture(
    data: bytes | bytearray | memoryview,
    given: Given,
    max_pixels: int | None,
    region: Region | None,
    foreseen: Pixels | None = None,
) -> Picture:
    """Return the picture, or a region of it; ``foreseen``: what the layers hold, when a file is checked."""
    container = parse(data)
    header = container.header
    part = checked_region(header, region, max_pixels)
    if header.kept:
        return kept_picture(container, part, max_pixels, Workers(given.threads, given.progress))
    pixels = decode_tiles(header, container.tiles, container.palette, part, given, foreseen=foreseen)
    if header.jpeg:
        wanted = None if region is None else part
        known = coefficient_pixels(header, container.coefficients, given.threads, wanted)
        pixels = known + pixels.astype(np.uint8, copy=False)
    if region is None:
        _check_hash(container, pixels)
    palette = palette_in(header, container.palette)
    parts = palette, container.transparency, container.ancillary, header.deep
    return Picture(header.mode, header.bit_depth, pixels, *parts)


class Salvage(NamedTuple):
    """The picture in a damaged file; its damaged tiles, which are 0; what is wrong, a line each."""

    picture: Picture
    damaged: tuple[TileBox, ...]
    problems: tuple[str, ...]


def salvage_picture(
    data: bytes | bytearray | memoryview, model: Model | None, threads: int | None, max_pixels: int | None
) -> Salvage:
    """Return what can be decoded of a file.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, ModelMismatchError
    CorruptFileError
        If the header, a table that all tiles need, or the file of a JPEG image is damaged.
    """
    found = salvage(data)
    header, part = found.header, checked_region(found.header, None, max_pixels)
    if header.kept:
        raise CorruptFileError(
            "the file keeps a JPEG file, of which no part can be decoded without the others"
        )
    needed = {"PLTE": header.index_bits or header.mode is Mode.PALETTE, "COEF": header.jpeg}
    for name, is_needed in needed.items():
        if is_needed and name not in found.single:
            raise CorruptFileError(
                f"chunk {name!r} is damaged or missing, without which no tile can be decoded"
            )
    damaged: list[TileBox] = []
    palette = found.single.get("PLTE", b"")
    pixels = decode_tiles(header, found.tiles, palette, part, Given(model, threads, None), damaged=damaged)
    problems = list(found.problems)
    if header.jpeg:
        pixels = pixels.astype(np.uint8) + coefficient_pixels(header, found.single["COEF"], threads)
    if not damaged and pixel_hash(header, little_endian(pixels)) != found.single.get("DONE"):
        problems.append("hash of the pixels is missing or another one")
    picture = Picture(
        *(header.mode, header.bit_depth, pixels, palette_in(header, palette)),
        *(found.single.get("TRNS", b""), found.ancillary, header.deep),
    )
    return Salvage(picture, tuple(sorted(damaged, key=lambda box: (box.y, box.x))), tuple(problems))


def _check_hash(container: Container, pixels: Pixels) -> None:
    digest = pixel_hash(container.header, little_endian(pixels))
    if digest != container.pixel_hash:
        raise CorruptFileError(
            f"hash of the decoded pixels is {digest.hex()}, expected {container.pixel_hash.hex()}; all "
            "chunks are intact, so this build of pixcodec decodes differently from the encoder's"
        )
