"""Files of several frames <-> images, for callers of :mod:`pixcodec.codec`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from PIL import Image

from pixcodec.container.frames import SeriesKind, Setting
from pixcodec.container.regions import Region, box_of
from pixcodec.container.series import frame_chunks
from pixcodec.container.series_start import read_series_start
from pixcodec.container.shown import shown_mode
from pixcodec.frames.decoder import SeriesReader
from pixcodec.images.picture import AnyImage, Array, Picture, header_info, pillow_mode, to_pillow
from pixcodec.images.series import Frame, Series
from pixcodec.images.series_files import frames_of, read_series, series_of
from pixcodec.images.series_write import Frames
from pixcodec.network.model import Model
from pixcodec.tiling import Given

_MILLISECONDS = 1000
_NO_PIXELS = np.zeros((0, 0, 1), np.uint8)


def series_in(
    image: object, info: Mapping[str, Any] | None, max_pixels: int, *, strip: bool
) -> Callable[[], Series] | None:
    """Return a function that returns the series in what is to be encoded; None if that is one image.

    Parameters
    ----------
    image : bytes, PIL image, or sequence of images
    info, max_pixels, strip
        As of :func:`pixcodec.encode`.
    """
    if isinstance(image, bytes):
        file: bytes = image
        if read_series(file, max_pixels=max_pixels, strip=strip) is None:
            return None

        def from_file() -> Series:
            series = read_series(file, max_pixels=max_pixels, strip=strip)
            assert series is not None
            return series

        return from_file
    if isinstance(image, list | tuple):
        images: Sequence[AnyImage] = image
        return lambda: series_of(images, info, strip=strip)
    if isinstance(image, Image.Image) and getattr(image, "n_frames", 1) > 1:
        opened: Image.Image = image
        return lambda: _series_of_opened(opened, strip=strip)
    return None


def _series_of_opened(image: Image.Image, *, strip: bool) -> Series:
    """Return the frames of an image that Pillow has opened: of formats with durations as they are shown."""
    count, loop = int(getattr(image, "n_frames", 1)), image.info.get("loop")
    frames: Iterator[Frame] = frames_of(image, nullcontext)
    if strip:
        frames = (frame._replace(picture=frame.picture._replace(chunks=())) for frame in frames)
    if not ("duration" in image.info or image.format in ("GIF", "PNG", "WEBP", "AVIF", "FLI")):
        pages = (frame._replace(setting=Setting()) for frame in frames)
        return Series(SeriesKind.PAGES, 0, 0, None, pages, count)
    loops = loop if isinstance(loop, int) else None
    return Series(SeriesKind.ANIMATION, *image.size, loops, frames, count, True)


def shown_frame(
    data: bytes | bytearray | memoryview,
    number: int,
    given: Given,
    max_pixels: int | None,
    region: Region | None,
) -> tuple[Picture, dict[str, Any]]:
    """Return a frame of a file as it is shown, or a region of it, and its ``info``.

    Raises
    ------
    ValueError
        If there is no frame of this number, or the region does not lie within it.
    PixcodecError
        As :func:`pixcodec.decode`.
    """
    reader = SeriesReader(bytes(data), given, max_pixels)
    reader.check_number(number)
    picture, setting = next(reader.shown(number))
    height, width = picture.pixels.shape[:2]
    if region is not None:
        part = box_of(width, height, region)
        picture = picture._replace(pixels=picture.pixels[part.slices].copy())
    return picture, frame_info(picture, setting, reader.start.loop, reader.start.kind)


def frame_info(picture: Picture, setting: Setting, loop: int | None, kind: SeriesKind) -> dict[str, Any]:
    """Return the ``info`` of a frame: its metadata and, of an animation, ``duration`` and ``loop``."""
    info = header_info(picture.transparency, picture.chunks)
    if kind is SeriesKind.ANIMATION:
        duration = setting.seconds * _MILLISECONDS
        info["duration"] = int(duration) if duration.denominator == 1 else float(duration)
        if loop is not None:
            info["loop"] = loop
        if setting.hidden:
            info["default_image"] = True
    return info


def with_info(picture: Picture, info: Mapping[str, Any]) -> Image.Image | Array:
    """Return a frame as a PIL image with this ``info``; as an array if Pillow has no such mode."""
    image = to_pillow(picture)
    if isinstance(image, Image.Image):
        image.info.update(info)
    return image


def shown_images(
    data: bytes | bytearray | memoryview, given: Given | None, max_pixels: int | None, first: int = 0
) -> Iterator[Image.Image | Array]:
    """Yield the frames of a file from number ``first`` on."""
    reader = SeriesReader(bytes(data), given or Given(None, None, None), max_pixels)
    start = reader.start
    for picture, setting in reader.shown(first):
        yield with_info(picture, frame_info(picture, setting, start.loop, start.kind))


def series_image(data: bytes, number: int = 0) -> tuple[str | None, tuple[int, int], dict[str, Any]]:
    """Return mode, size and ``info`` of a frame as Pillow has them, without decoding the pixels.

    Parameters
    ----------
    data : bytes
        The file up to its first body, or more; the ``info`` lacks what lies beyond.
    number : int

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    start = read_series_start(data)
    setting, header = start.frames[number][:2]
    chunks = tuple(chunk for chunk in frame_chunks(data, start, number) if chunk.ancillary)
    info = frame_info(
        Picture(header.mode, header.bit_depth, _NO_PIXELS, chunks=chunks), setting, start.loop, start.kind
    )
    if start.kind is SeriesKind.PAGES:
        for chunk in frame_chunks(data, start, number):
            if chunk.type == "TRNS":
                info |= header_info(chunk.payload, ())
        mode_name = pillow_mode(header.mode, header.bit_depth, chunks, header.deep)
        return mode_name, (header.width, header.height), info
    mode, deep = shown_mode(start)
    return pillow_mode(mode, 16 if deep else 8, ()), (start.width, start.height), info


def frames_to_write(data: bytes, model: Model | None, threads: int | None, max_pixels: int | None) -> Frames:
    """Return the frames of a file as an image file is made of them.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    given = Given(model, threads, None)
    start = SeriesReader(data, given, max_pixels).start

    def stored() -> Iterator[Frame]:
        return (frame for _, frame in SeriesReader(data, given, max_pixels).stored())

    def shown() -> Iterator[Frame]:
        return SeriesReader(data, given, max_pixels).shown()

    series = Series(start.kind, start.width, start.height, start.loop, (), len(start.frames))
    return Frames(series, stored, shown)
